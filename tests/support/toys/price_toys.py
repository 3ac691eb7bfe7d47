"""The toy scenario with changes of its prices, for tests of price cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from network_files import Row
from toy_scenario import ToyScenario

from network_data import Fault, InputError
from optimizer.problem.problem import PlacementProblem

# The toy's tariffs: in the east 300 CNY per MWh from 0 to 8 h (valley), then 600 (peak); in the west 300 (flat).
EAST, WEST = 0, 1
HOURLY = {"slices_per_day": 24}
Change = dict[str, Any]


def with_changes(toy: ToyScenario, *changes: Change, **keys: Any) -> PlacementProblem:
    """Assemble the toy by the hour with changes of its prices, in order."""
    named = {f"change_{number}": change for number, change in enumerate(changes)}
    return toy(**{"time": HOURLY, "price_changes": named} | keys)


def energy(**change: Any) -> Change:
    return {"what": "energy_price", **change}


def hours(problem: PlacementProblem, center: int) -> list[float]:
    """Prices of the 24 hours of the average day."""
    return [float(price) for price in problem.energy_price_cny_per_mwh[:, center]]


def faults_of(toy: ToyScenario, *changes: Change, **keys: Any) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        with_changes(toy, *changes, **keys)
    assert all(fault.remedy and fault.file for fault in caught.value.faults)
    return caught.value.faults


def formula_tariffs(rows: list[Row]) -> list[Row]:
    """East with a formula: flat 500, 0.8 of it floats; peak 1.5, valley 0.5: 700, 500 and 300 CNY per MWh."""
    part = {"tariff": "tariff_east", "months": "1-12", "flat_price_cny_per_mwh": 500.0, "floating_share": 0.8}
    spans = [("peak", "16-24", 1.5, 700.0), ("flat", "8-16", 1.0, 500.0), ("valley", "0-8", 0.5, 300.0)]
    east = [
        part | {"period": name, "hours": span, "multiplier_vs_flat": ratio, "price_cny_per_mwh": price}
        for name, span, ratio, price in spans
    ]
    return [*east, *rows[2:]]


def write_case(folder: Path, name: str, changes: Change, **keys: Any) -> str:
    (folder / f"{name}.yaml").write_text(json.dumps({"name": name, "changes": changes} | keys), encoding="utf-8")
    return f"{name}.yaml"


def write_series(folder: Path, **columns: Sequence[float]) -> str:
    times = pd.date_range("2025-01-01", "2026-01-01", freq="h", inclusive="left")
    day = {name: np.tile(np.array(values, dtype=float), 365) for name, values in columns.items()}
    pd.DataFrame({"time": times, **day}).to_parquet(folder / "spot.parquet", index=False)
    return "spot.parquet"

"""
A tiny valid network folder for tests, with numbers that a reader can work with by hand.

Two metros and two data centers, in a line 1,000 km long::

    metro_a ---100 km--- node_east          metro_b sits between metro_a and node_west
       |
      400 km
       |
    metro_b ---600 km--- node_west
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

Row = dict[str, Any]
Override = str | bytes | None | pd.DataFrame | Iterable[Mapping[str, Any]] | Callable[[list[Row]], Iterable[Row]]

PLACE_EAST: Row = {"country": "Toyland", "province": "Sunrise", "region": "east"}
PLACE_WEST: Row = {"country": "Toyland", "province": "Sunset", "region": "west"}


def toy_tables() -> dict[str, list[Row]]:
    """
    Build fresh rows of the toy network, one list of dictionaries per table.

    Returns
    -------
    dict
        Table name to rows; every row may be changed by the caller.
    """
    nodes = [
        {
            "id": "metro_a",
            "name": "Metro A",
            "kind": "demand_hub",
            **PLACE_EAST,
            "latitude_deg": 30.0,
            "longitude_deg": 120.0,
            "demand_weight": 0.75,
        },
        {
            "id": "metro_b",
            "name": "Metro B",
            "kind": "demand_hub",
            **PLACE_WEST,
            "latitude_deg": 32.0,
            "longitude_deg": 116.0,
            "demand_weight": 0.25,
        },
        {
            "id": "node_east",
            "name": "East end",
            "kind": "data_center",
            **PLACE_EAST,
            "latitude_deg": 30.5,
            "longitude_deg": 120.5,
            "demand_weight": 0.0,
        },
        {
            "id": "node_west",
            "name": "West end",
            "kind": "data_center",
            **PLACE_WEST,
            "latitude_deg": 36.0,
            "longitude_deg": 110.0,
            "demand_weight": 0.0,
        },
    ]
    data_centers = [
        {
            "id": "dc_east",
            "name": "East",
            "node": "node_east",
            "category": "alternative",
            **PLACE_EAST,
            "latitude_deg": 30.5,
            "longitude_deg": 120.5,
            "access_rtt_ms": 1.0,
            "it_capacity_mw": 10.0,
            "pue": 1.3,
            "tariff": "tariff_east",
            "demand_charge_cny_per_kw_month": 40.0,
            "grid": "grid_east",
            "green_power_share": 0.1,
            "opening_cny_per_year": 0.0,
            "site_capital_cny_per_kw": 30000.0,
        },
        {
            "id": "dc_west",
            "name": "West",
            "node": "node_west",
            "category": "national_cluster",
            **PLACE_WEST,
            "latitude_deg": 36.0,
            "longitude_deg": 110.0,
            "access_rtt_ms": 1.0,
            "it_capacity_mw": 20.0,
            "pue": 1.2,
            "tariff": "tariff_west",
            "demand_charge_cny_per_kw_month": 0.0,
            "grid": "grid_west",
            "green_power_share": 0.6,
            "opening_cny_per_year": 0.0,
            "site_capital_cny_per_kw": 30000.0,
        },
    ]
    pools = [
        {"data_center": "dc_east", "accelerator": "chip_a", "existing_pods": 100, "min_pods": 0},
        {"data_center": "dc_west", "accelerator": "chip_a", "existing_pods": 100, "min_pods": 0},
        {"data_center": "dc_west", "accelerator": "chip_b", "existing_pods": 0, "min_pods": 0},
    ]
    links = [
        {
            "id": "a_east",
            "from_node": "metro_a",
            "to_node": "node_east",
            "length_km": 100.0,
            "capacity_gbps": 1000.0,
            "price_cny_per_gbps_month": 100.0,
        },
        {
            "id": "a_b",
            "from_node": "metro_a",
            "to_node": "metro_b",
            "length_km": 400.0,
            "capacity_gbps": 1000.0,
            "price_cny_per_gbps_month": 400.0,
        },
        {
            "id": "b_west",
            "from_node": "metro_b",
            "to_node": "node_west",
            "length_km": 600.0,
            "capacity_gbps": 1000.0,
            "price_cny_per_gbps_month": 600.0,
        },
    ]
    tariffs = [
        {
            "tariff": "tariff_east",
            "months": "1-12",
            "period": "peak",
            "hours": "8-24",
            "price_cny_per_mwh": 600.0,
        },
        {
            "tariff": "tariff_east",
            "months": "1-12",
            "period": "valley",
            "hours": "0-8",
            "price_cny_per_mwh": 300.0,
        },
        {
            "tariff": "tariff_west",
            "months": "1-12",
            "period": "flat",
            "hours": "0-24",
            "price_cny_per_mwh": 300.0,
        },
    ]
    grids = [
        {"id": "grid_east", "name": "East grid", "carbon_kg_per_kwh": 0.6, "renewable_share": 0.2},
        {"id": "grid_west", "name": "West grid", "carbon_kg_per_kwh": 0.5, "renewable_share": 0.5},
    ]
    chip = {
        "vendor": "Toy",
        "domestic": "yes",
        "export_controlled": "no",
        "accelerators_per_pod": 8,
        "bf16_dense_tflops": 500.0,
        "memory_gb": 64.0,
        "memory_bandwidth_gb_per_s": 2000.0,
        "price_year": 2025,
        "lifetime_years": 5.0,
    }
    accelerators = [
        {
            "id": "chip_a",
            "name": "Chip A",
            **chip,
            "idle_power_w": 300.0,
            "full_power_w": 1000.0,
            "prefill_tok_per_s": 4000.0,
            "decode_tok_per_s": 1000.0,
            "price_cny": 100000.0,
        },
        {
            "id": "chip_b",
            "name": "Chip B",
            **chip,
            "idle_power_w": 400.0,
            "full_power_w": 1500.0,
            "prefill_tok_per_s": 8000.0,
            "decode_tok_per_s": 2000.0,
            "price_cny": 180000.0,
        },
    ]
    return {"nodes": nodes, "data_centers": data_centers, "pools": pools, "links": links, "tariffs": tariffs,
            "grids": grids, "accelerators": accelerators}  # fmt: skip


def write_toy_network(folder: str | Path, *, table_format: str = "csv", **table_overrides: Override) -> Path:
    """
    Write the toy network into a folder (made if need be) and return the folder.

    Parameters
    ----------
    folder
        Where to write.
    table_format
        `csv` or `parquet`.
    **table_overrides
        By table name: rows (dictionaries or a DataFrame) that replace the table, a function from the toy rows
        to new rows, raw file content (`str` or `bytes`), or None to leave the file out.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    KeyError
        If an override names no table.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tables = toy_tables()
    if unknown := table_overrides.keys() - tables.keys():
        raise KeyError(f"no such table: {sorted(unknown)}")
    for name, rows in tables.items():
        override = table_overrides.get(name, rows)
        path = folder / f"{name}.{table_format}"
        if override is None:
            path.unlink(missing_ok=True)
        elif isinstance(override, bytes):
            path.write_bytes(override)
        elif isinstance(override, str):
            path.write_text(override, encoding="utf-8")
        else:
            _write_rows(path, _as_rows(override, rows))
    return folder


def changed(rows: list[Row], position: int, **cells: object) -> list[Row]:
    """Return the rows with some cells of one row replaced (position counts from 0)."""
    return [{**row, **cells} if at == position else row for at, row in enumerate(rows)]


def _as_rows(override: Any, rows: list[Row]) -> list[Row]:
    if callable(override):
        override = override(rows)
    if isinstance(override, pd.DataFrame):
        return [dict(row) for row in override.to_dict("records")]
    return [dict(row) for row in override]


def _write_rows(path: Path, rows: list[Row]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if path.suffix == ".parquet":
        pd.DataFrame(rows, columns=columns).to_parquet(path, index=False)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

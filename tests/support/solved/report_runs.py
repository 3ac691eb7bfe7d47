"""Stored runs for tests of the report: the toy, solved, with names that would break a careless page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from network_files import Row
from toy_scenario import ToyScenario

import edwc

SCRIPT_NAME = "<script>alert(1)</script>"
IMAGE_NAME = '"><img src=x onerror=alert(2)>'
END_NAME = "</script><script>alert(3)</script> --> ]]> {{ 7 * 7 }} '"
FORMULA_NAME = "=HYPERLINK(1)"
HOSTILE_TEXTS = (SCRIPT_NAME, IMAGE_NAME, END_NAME, FORMULA_NAME)


def _renamed(*names: str) -> Callable[[list[Row]], list[Row]]:
    def rename(rows: list[Row]) -> list[Row]:
        return [{**row, "name": name, "name_local": name} for row, name in zip(rows, names, strict=True)]

    return rename


def write_hostile(folder: Path) -> Path:
    """Write the toy with hostile names of hubs, data centers and a class; returns the scenario file."""
    ToyScenario(folder)(
        chat={"name": END_NAME},
        tables={
            "nodes": _renamed(SCRIPT_NAME, IMAGE_NAME, "East end", "West end"),
            "data_centers": _renamed(IMAGE_NAME, FORMULA_NAME),
        },
        description=SCRIPT_NAME,
        solver={"threads": 1, "mip_rel_gap": 1e-6},
    )
    return folder / "toy.yaml"


def solve_hostile(folder: Path) -> Path:
    """Solve it; returns the run folder."""
    edwc.solve(write_hostile(folder), out=folder / "run")
    return folder / "run"

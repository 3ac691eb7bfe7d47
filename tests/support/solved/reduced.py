"""
Every shipped scenario at a size that a test can solve to a tight gap: three metros, five classes, two slices a day.

The total demand stays: it is spread over the metros kept by their weights and over the classes kept by their shares, so
that what is scarce in the full scenario is scarce here too. Network, prices, limits and policies stay as they are.
"""

from __future__ import annotations

import csv
import tempfile
from functools import cache
from pathlib import Path

import edwc
from network_data import load_network
from network_data.faults import FaultList
from optimizer.problem.demand import demand_by_workload
from scenarios import load_scenario

# A metro of the east, one of the centre (with no data center in its province) and one of the west.
HUBS = ("shanghai", "wuhan", "chengdu")
# Interactive, in agents' chains, under a short limit, deferrable, indivisible.
CLASSES = ("chat", "coding_agent", "voice_realtime", "offline_batch", "gov_finance")
# Slices a day where two would be too many for its many days, or too few to tell its seasons apart.
SLICES_PER_DAY = {"full_year": 1, "base_seasons": 4}
GAP = 2e-3
# Whole and on one thread: the same plan on every run, since no clock takes part in the search.
SETTINGS = (
    "solver.method=whole",
    f"solver.mip_rel_gap={GAP}",
    "solver.time_limit_s=300",
    "solver.threads=1",
    "solver.seed=1",
    "resilience.report_price=false",  # it would solve resilience_off a second time
)


def reduced_overrides(name: str, folder: Path) -> list[str]:
    """
    Write the reduced demand of a scenario to a folder, and spell the overrides that use it.

    Parameters
    ----------
    name
        Built-in scenario.
    folder
        Where to write `NAME.csv`.
    """
    scenario = load_scenario(name)
    demand = demand_by_workload(load_network(scenario.network), scenario, FaultList("reduced demand"))
    kept = demand[demand["demand_hub"].isin(HUBS) & demand["workload_class"].isin(CLASSES)]
    scale = float(demand["mtok_per_day"].sum() / kept["mtok_per_day"].sum())
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["demand_hub", "workload_class", "mtok_per_day"])
        for row in kept.itertuples(index=False):
            writer.writerow([row.demand_hub, row.workload_class, repr(float(row.mtok_per_day) * scale)])
    # Blocks: the pins are of the same problems whatever becomes of how hours are put together.
    slices = [f"time.slices_per_day={SLICES_PER_DAY.get(name, 2)}", "time.slicing=blocks"]
    return ["demand.tokens_per_day_trillion=null", f"demand.workloads_table={path}", *slices, *SETTINGS]


@cache
def solve_reduced(name: str) -> edwc.Run:
    """
    Solve a scenario at reduced size, once for all tests of a session.

    Parameters
    ----------
    name
        Built-in scenario.
    """
    with tempfile.TemporaryDirectory() as folder:
        return edwc.solve(name, reduced_overrides(name, Path(folder)))

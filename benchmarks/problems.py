"""The problems that the benchmarks measure on: the base scenario, with more routes or more days."""

from __future__ import annotations

from network_data import load_network
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from scenarios import load_scenario

# About 1 million columns and 3 million nonzeros each, many flows to a row or many rows; five times as many; very few.
CASES = {
    "routes": ("routing.routes_per_pair=4",),
    "days": (
        """time.days=[
            {id: winter, months: 12-2, days_per_year: 90}, {id: spring, months: 3-5, days_per_year: 92},
            {id: summer, months: 6-8, days_per_year: 92}, {id: autumn, months: 9-11, days_per_year: 91}]""",
    ),
    "large": ("routing.routes_per_pair=4", "time.seasons=5"),
    "small": ("time.slices_per_day=2",),
}


def benchmark_problem(case: str) -> PlacementProblem:
    """
    Assemble a benchmark problem.

    Parameters
    ----------
    case
        A key of `CASES`.
    """
    return assemble_problem(load_network("china_2026"), load_scenario("base", CASES[case]))

"""A comparison that a reader can work out: one workload, two data centers, and a western price that rises."""

from __future__ import annotations

from typing import Any

from toy_problems import toy_problem

from optimizer.problem.problem import PlacementProblem
from optimizer.runs.run import Run
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole

HOURS = 8760.0
# 100 mtok/h of alpha's chat keep 2 pods full: 4 MW of IT power, 6 MW in the east (PUE 1.5), 4.8 MW in the west (1.2).
EAST_MW, WEST_MW = 6.0, 4.8
EAST_PRICE, CHEAP_WEST, DEAR_WEST = 500.0, 300.0, 900.0
# Valued at 0.1 CNY per ms and mtok; the round trip is 3 ms to the east and 23 ms to the west.
EAST_LATENCY_CNY, WEST_LATENCY_CNY = (0.1 * 100.0 * HOURS * rtt_ms for rtt_ms in (3.0, 23.0))
EAST_CNY = EAST_MW * EAST_PRICE * HOURS + EAST_LATENCY_CNY


def west_cny(price_cny_per_mwh: float) -> float:
    return WEST_MW * price_cny_per_mwh * HOURS + WEST_LATENCY_CNY


def one_workload(west_price: float = CHEAP_WEST, **options: Any) -> PlacementProblem:
    """Alpha's chat alone, in one slice, with nothing to pay but energy and latency."""
    return toy_problem(
        **{
            "slices_per_day": 1,
            "demand_mtok_per_h": (100.0, 0.0, 0.0, 0.0),
            "deploy_cny_per_year": (0.0, 0.0),
            "link_cny_per_gbps_h": (0.0, 0.0, 0.0, 0.0),
            "energy_price_cny_per_mwh": ((EAST_PRICE, west_price),),
        }
        | options
    )


def solved_case(case_id: str, problem: PlacementProblem) -> Run:
    """Solve a problem to its optimum."""
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control(time_limit_s=60.0))
    assert solution.plan is not None
    return Run.of_plan(problem, solution.plan, name=case_id, bound_cny_per_year=solution.bound_cny)

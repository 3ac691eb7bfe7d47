"""What surviving failures costs: the difference to the same problem without the reserve, with what is proved of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer.problem import PlacementProblem
from optimizer.solution import Control, Progress, Solution
from optimizer.solve import solve_problem
from scenarios.schema import Scenario

PHASE = "without reserve"


@dataclass(frozen=True)
class ResiliencePrice:
    """
    Cost with and without the reserve, CNY per year; infinite where a solve found no plan or no bound.

    Attributes
    ----------
    with_cny, with_bound_cny
        Cost of the plan that survives failures, and its proven lower bound.
    without_cny, without_bound_cny
        The same for the problem without the reserve.
    """

    with_cny: float
    with_bound_cny: float
    without_cny: float
    without_bound_cny: float

    @property
    def price_cny(self) -> float:
        """Difference of the two plans' costs; it may be negative where their gaps are wider than the price."""
        return self.with_cny - self.without_cny

    @property
    def least_cny(self) -> float:
        """Least that the price can be: no reserve saves anything."""
        return max(0.0, self.with_bound_cny - self.without_cny)

    @property
    def most_cny(self) -> float:
        """Most that the price can be."""
        return self.with_cny - self.without_bound_cny

    def as_dict(self) -> dict[str, Any]:
        """Write it for `run.json`."""
        return {
            "cost_without_cny_per_year": self.without_cny,
            "bound_without_cny_per_year": self.without_bound_cny,
            "price_cny_per_year": self.price_cny,
            "least_price_cny_per_year": self.least_cny,
            "most_price_cny_per_year": self.most_cny,
        }


def solve_without_reserve(problem: PlacementProblem, scenario: Scenario, control: Control) -> Solution | None:
    """
    Solve a problem as if nothing ever failed.

    Parameters
    ----------
    problem
        With failures to survive.
    scenario
        Says how to solve, and whether the price is asked for.
    control
        Of the whole job: at most half of the time left is spent, and progress is reported without costs.

    Returns
    -------
    Solution or None
        None where there is nothing to survive or the price is not asked for.
    """
    if problem.outages.empty or not scenario.resilience.report_price or control.must_stop:
        return None
    options = scenario.solver
    part = Control(time_limit_s=control.seconds_left / 2, stop=control.stop, report=_in_the_background(control.report))
    return solve_problem(
        replace(problem, outage_demand_mtok_per_h=np.zeros((0, 0))),
        method=options.method,
        mip_rel_gap=options.mip_rel_gap,
        seed=options.seed,
        threads=options.threads,
        control=part,
    )


def price_of_resilience(with_reserve: Solution, without_reserve: Solution | None) -> ResiliencePrice | None:
    """
    Compare two solves.

    Parameters
    ----------
    with_reserve, without_reserve
        Of the same problem.

    Returns
    -------
    ResiliencePrice or None
        None without a plan for both.
    """
    if without_reserve is None or without_reserve.plan is None or with_reserve.plan is None:
        return None
    return ResiliencePrice(
        with_reserve.objective_cny, with_reserve.bound_cny, without_reserve.objective_cny, without_reserve.bound_cny
    )


def with_known_bound(with_reserve: Solution, without_reserve: Solution | None) -> Solution:
    """
    Raise the bound to that of the problem without the reserve, which costs no more.

    Parameters
    ----------
    with_reserve, without_reserve
        Of the same problem.
    """
    if without_reserve is None or not without_reserve.bound_cny > with_reserve.bound_cny:
        return with_reserve
    return replace(with_reserve, bound_cny=min(without_reserve.bound_cny, with_reserve.objective_cny))


def _in_the_background(report: Callable[[Progress], None] | None) -> Callable[[Progress], None] | None:
    """Pass progress on as a sign of life: its plan is none of the problem with the reserve."""
    if report is None:
        return None
    return lambda line: report(Progress(line.seconds, math.inf, -math.inf, f"{PHASE}: {line.phase}"))

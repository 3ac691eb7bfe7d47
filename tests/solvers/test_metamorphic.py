"""What a change of the problem does to the optimum, known without knowing the optimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metamorphosis import (
    shuffled_and_renamed,
    with_a_copy_of_the_last_data_center,
    with_candidates,
    with_costs_scaled,
    with_each_slice_halved,
    with_more_of_everything,
)
from toy_problems import random_problem, toy_problem

from optimizer.checker.check import check_plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.solve import solve_whole

REL = 1e-6
seeds = st.integers(0, 2**31)


def few(test: Callable[..., None]) -> Any:
    """Run a property on few examples: each is two solves."""
    return given(seed=seeds)(settings(max_examples=4)(test))


def optimum_cny(problem: PlacementProblem) -> float:
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    if solution.plan is None:
        assert solution.termination == Termination.INFEASIBLE
        return np.inf
    assert solution.termination == Termination.OPTIMAL
    report = check_plan(problem, solution.plan)
    assert report.is_feasible, report.violations.to_string()
    return report.total_cny


def assert_never_dearer(better: PlacementProblem, worse: PlacementProblem) -> None:
    cost_cny = feasible_cny(worse)
    assert optimum_cny(better) <= cost_cny * (1 + REL)


def feasible_cny(problem: PlacementProblem) -> float:
    """Optimum of a problem that has a plan; another is drawn in place of one that has none."""
    cost_cny = optimum_cny(problem)
    assume(np.isfinite(cost_cny))
    return cost_cny


def draw(seed: int) -> tuple[PlacementProblem, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return random_problem(rng), rng


@few
def test_scaling_all_prices_scales_the_optimum(seed: int) -> None:
    problem, rng = draw(seed)
    factor = float(rng.choice([0.01, 7.0, 1000.0]))
    cost_cny = feasible_cny(problem)
    assert optimum_cny(with_costs_scaled(problem, factor)) == pytest.approx(factor * cost_cny, rel=REL)


@few
def test_more_capacity_never_raises_the_cost(seed: int) -> None:
    problem, rng = draw(seed)
    # More existing pods are more that have to be kept busy.
    problem = replace(problem, policy=replace(problem.policy, min_utilization_share=0.0))
    assert_never_dearer(with_more_of_everything(problem, rng), problem)


@few
def test_looser_rtt_limit_never_raises_the_cost(seed: int) -> None:
    problem, rng = draw(seed)
    limit_ms = rng.choice(problem.candidates["rtt_ms"], len(problem.classes))[problem.candidate_class]
    assert_never_dearer(problem, with_candidates(problem, problem.candidates["rtt_ms"] <= limit_ms))


@few
def test_more_routes_never_raise_the_cost(seed: int) -> None:
    """Only with the other candidates held fixed: where k routes are kept, a new link can push one out."""
    problem, rng = draw(seed)
    assert_never_dearer(problem, with_candidates(problem, rng.random(len(problem.candidates)) < 0.6))


@few
def test_one_more_data_center_never_raises_the_cost(seed: int) -> None:
    problem, _ = draw(seed)
    assert_never_dearer(with_a_copy_of_the_last_data_center(problem), problem)


@few
def test_order_and_names_change_nothing(seed: int) -> None:
    problem, rng = draw(seed)
    cost_cny = feasible_cny(problem)
    assert optimum_cny(shuffled_and_renamed(problem, rng)) == pytest.approx(cost_cny, rel=REL)


@few
def test_halving_each_slice_changes_nothing(seed: int) -> None:
    problem, _ = draw(seed)
    cost_cny = feasible_cny(problem)
    assert optimum_cny(with_each_slice_halved(problem)) == pytest.approx(cost_cny, rel=REL)


@pytest.mark.parametrize("deferrable_h", [12, 24])
def test_halving_each_slice_changes_nothing_for_work_that_waits(deferrable_h: int) -> None:
    problem = toy_problem(
        deferrable_h=deferrable_h,
        energy_price_cny_per_mwh=((500.0, 400.0), (300.0, 200.0)),
        demand_charge_cny_per_kw_month=(10.0, 30.0),
    )
    assert optimum_cny(with_each_slice_halved(problem)) == pytest.approx(optimum_cny(problem), rel=REL)

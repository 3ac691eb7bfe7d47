"""Intervals of optimal costs: by hand, and around the optimum of enumeration on random problems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brute_force import TooManyChoicesError, cheapest_cost_cny
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metamorphosis import with_candidates
from toy_problems import random_problem

from optimizer.comparison.frontier_points import ContradictionError, certify_costs
from optimizer.comparison.latency_budgets import ways_of
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole

CHAIN = np.triu(np.ones((3, 3), bool))  # tightest first: each one's plans are plans of all after it
INF = np.inf
MOST_CHOICES = 300


def test_plans_go_to_looser_cases_and_bounds_to_tighter_ones() -> None:
    found = certify_costs(np.array([100.0, 120.0, 90.0]), np.array([70.0, 95.0, 85.0]), CHAIN)
    assert found.high_cny.tolist() == [100, 100, 90]
    assert found.plan_of.tolist() == [0, 0, 2]
    assert found.low_cny.tolist() == [95, 95, 85]
    assert found.bound_of.tolist() == [1, 1, 2]
    assert found.gap_share.tolist() == pytest.approx([0.05, 0.05, 5 / 90])


def test_a_plan_of_a_looser_case_that_keeps_the_tighter_limit_counts_there() -> None:
    keeps = np.zeros((3, 3), bool)
    keeps[2, 1] = True
    found = certify_costs(np.array([100.0, 99.0, 90.0]), np.array([80.0, 80.0, 80.0]), CHAIN, keeps)
    assert found.high_cny.tolist() == [100, 90, 90]
    assert found.plan_of.tolist() == [0, 2, 2]


def test_savings_are_certain_only_outside_the_gaps() -> None:
    found = certify_costs(np.array([100.0, 90.0, 89.0]), np.array([95.0, 85.0, 84.0]), CHAIN)
    first = found.saving(0, 1)
    assert (first.best_cny, first.low_cny, first.high_cny, first.is_certain) == (10, 5, 15, True)
    second = found.saving(1, 2)
    assert (second.low_cny, second.high_cny, second.is_certain) == (0, 6, False)
    unrelated = certify_costs(np.array([100.0, 90.0]), np.array([95.0, 85.0]), np.eye(2, dtype=bool)).saving(1, 0)
    assert (unrelated.low_cny, unrelated.high_cny, unrelated.is_certain) == (-15, -5, True)
    same = certify_costs(np.array([100.0, 90.0]), np.array([80.0, 85.0]), np.ones((2, 2), bool)).saving(0, 1)
    assert (same.low_cny, same.high_cny, same.is_certain) == (0, 0, True)


def test_a_case_without_plan_takes_what_its_neighbours_have() -> None:
    """No plan found, no plan possible, and a failed case without a bound."""
    found = certify_costs(np.array([INF, 50.0, INF]), np.array([INF, 40.0, -INF]), CHAIN)
    assert found.high_cny.tolist() == [INF, 50, 50]
    assert found.low_cny.tolist() == [INF, 40, -INF]
    assert found.plan_of.tolist() == [-1, 1, 1]
    assert np.isnan(found.gap_share[0])


def test_a_plan_below_a_bound_is_an_error_that_names_both() -> None:
    with pytest.raises(ContradictionError, match=r"case 0: the plan found for case 0 costs 80.* for case 1"):
        certify_costs(np.array([80.0, 100.0]), np.array([70.0, 90.0]), np.array([[1, 1], [0, 1]], bool))


@given(seed=st.integers(0, 2**31), size=st.integers(1, 2))
@settings(max_examples=5)
def test_intervals_at_a_gap_of_a_tenth_hold_the_optimum_and_the_frontier_is_monotone(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, size)
    problem = replace(problem, pools=problem.pools.assign(max_new_pods=problem.pools["max_new_pods"].clip(upper=1)))
    rtt_ms = problem.candidates["rtt_ms"].to_numpy()
    budgets = [with_candidates(problem, rtt_ms <= np.quantile(rtt_ms, share)) for share in (0.0, 0.5, 1.0)]
    try:
        optimum = np.array([cheapest_cost_cny(each, most_choices=MOST_CHOICES) for each in budgets])
    except TooManyChoicesError:
        assume(False)  # noqa: FBT003 - hypothesis' own word
        return
    is_feasible = np.isfinite(optimum)
    assume(is_feasible.any())
    solved = [solve_whole(each, mip_rel_gap=0.1, seed=1, threads=1, control=Control()) for each in budgets]
    ways = [set(ways_of(each)) for each in budgets]
    within = np.array([[tight <= loose for loose in ways] for tight in ways])
    assert within[np.triu_indices(3)].all()
    size_cny = np.where(is_feasible, np.abs(optimum), 0.0)
    # The solver may have done better than it was asked: plans and bounds as loose as a tenth are as true.
    worse, lower = 0.1 * rng.random((2, 3)) * size_cny
    objective = np.array([each.objective_cny for each in solved]) + worse
    bound = np.where(is_feasible, np.array([each.bound_cny for each in solved]) - lower, INF)
    found = certify_costs(objective, bound, within)
    room = 1e-7 * size_cny
    assert (found.low_cny <= optimum + room).all()
    assert (optimum <= found.high_cny + room).all()
    # Both the truth and what is proved of it are monotone, and neighbours only sharpen what a case knows itself.
    assert (optimum[1:] <= optimum[:-1] + room[1:]).all()
    assert (found.high_cny[1:] <= found.high_cny[:-1]).all()
    assert (found.low_cny[1:] <= found.low_cny[:-1]).all()
    assert (found.high_cny <= objective).all()
    assert (found.low_cny >= np.minimum(bound, found.high_cny)).all()

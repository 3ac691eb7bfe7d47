"""The solver's optimum is the optimum: compared with trying every whole decision of tiny random problems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from brute_force import TooManyChoicesError, cheapest_cost_cny, every_choice
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toy_problems import random_problem, toy_problem

from optimizer.checker.check import check_plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.control import Control, Solution, Termination
from optimizer.solvers.solve import solve_whole

MOST_CHOICES = 2000
MOST_NEW_PODS = {1: 100, 2: 1}  # each pod that may be bought multiplies the choices


def solve(problem: PlacementProblem) -> Solution:
    return solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())


def assert_same_optimum(problem: PlacementProblem) -> None:
    try:
        cheapest_cny = cheapest_cost_cny(problem, most_choices=MOST_CHOICES)
    except TooManyChoicesError:
        assume(False)  # noqa: FBT003 - hypothesis' own word
        return
    solution = solve(problem)
    if np.isinf(cheapest_cny):
        assert solution.termination == Termination.INFEASIBLE
        assert solution.plan is None
        return
    assert solution.termination == Termination.OPTIMAL
    assert solution.plan is not None
    report = check_plan(problem, solution.plan)
    assert report.is_feasible, report.violations.to_string()
    assert report.total_cny == pytest.approx(cheapest_cny, rel=1e-7)
    assert solution.objective_cny == pytest.approx(report.total_cny, rel=1e-9)
    assert solution.bound_cny <= cheapest_cny * (1 + 1e-7)


@given(seed=st.integers(0, 2**31), size=st.integers(1, 2))
@settings(max_examples=24)
def test_optimum_of_random_problems_is_that_of_enumeration(seed: int, size: int) -> None:
    problem = random_problem(np.random.default_rng(seed), size)
    most = problem.pools["max_new_pods"].clip(upper=MOST_NEW_PODS[size])
    assert_same_optimum(replace(problem, pools=problem.pools.assign(max_new_pods=most)))


@given(seed=st.integers(0, 2**31))
@settings(max_examples=6)
def test_optimum_with_opening_by_power_is_that_of_enumeration(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 1)
    prices = np.random.default_rng(seed).choice([0.0, 1e5, 1e6], len(problem.data_centers))
    assert_same_optimum(replace(problem, data_centers=problem.data_centers.assign(opening_cny_per_mw_year=prices)))


@pytest.mark.parametrize(
    ("options", "is_feasible"),
    [
        ({"max_sites": (1, 1), "it_capacity_mw": (8.0, 8.0)}, True),
        ({"max_sites": (1, 1), "it_capacity_mw": (8.0, 7.9)}, False),  # one class fits nowhere as a whole
        ({"indivisible": (True, True), "it_capacity_mw": (12.0, 4.0)}, True),
        ({"indivisible": (True, True), "it_capacity_mw": (10.0, 6.0)}, False),  # room for 2 + 1 of 4 workloads
        ({"min_share": (0.6, 0.0), "it_capacity_mw": (7.0, 9.0)}, True),  # no class with 0.6 can be split: west
        ({"min_share": (0.6, 0.6), "it_capacity_mw": (7.0, 9.0)}, False),
    ],
)
def test_what_only_whole_decisions_forbid(options: dict[str, object], is_feasible: bool) -> None:  # noqa: FBT001
    """Four workloads take 4 MW each; 16 MW are there in every case, so the linear relaxation is feasible."""
    problem = toy_problem(max_new_pods=(0, 0), **options)
    assert np.isfinite(cheapest_cost_cny(problem, most_choices=MOST_CHOICES)) == is_feasible
    assert_same_optimum(problem)


def test_enumeration_knows_how_many_choices_there_are() -> None:
    """
    Count by hand: each data center is closed, or open with any of 2 classes and 0 to 2 new pods.

    That is 1 + 4 x 3 = 13 ways at each of two, independent as long as no class has a limit on its sites.
    """
    assert sum(1 for _ in every_choice(toy_problem(max_new_pods=(2, 2)))) == 13**2
    with pytest.raises(TooManyChoicesError):
        cheapest_cost_cny(toy_problem(max_new_pods=(2, 2)), most_choices=13**2 - 1)

"""Pods are bought whole: what that proves, and how a plan with fewer of them is found."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from toy_problems import random_problem, toy_problem

from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.plan_search import Choice, ExactCosts, PodsWanted
from optimizer.solvers.benders.whole_pods import WholePods
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole


def buying(**options: object) -> PlacementProblem:
    """Make a problem whose stock is too small: at 0.93 of 100 mtok/h each, four workloads take 7.44 pods."""
    profile = (0.93,) * len(toy_problem().slices)
    return toy_problem(**{"existing_pods": (0, 0), "max_new_pods": (20, 20), "profile": profile, **options})


def ended(problem: PlacementProblem) -> Decomposition:
    of = Decomposition(problem, seed=1, threads=1)
    of.raise_bound(Control(), least_rounds=60)
    return of


def test_with_fewer_pods_closed_the_bound_rises_and_stays_below_the_optimum() -> None:
    problem = buying()
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert best.plan is not None
    of = ended(problem)
    pods, before = WholePods(of), of.bound_units
    bought = pods.relaxed_count
    assert bought == pytest.approx(7.44)
    assert pods.close_below(0.0, Control())
    of.raise_bound(Control(), least_rounds=60)
    assert pods.relaxed_count >= np.ceil(bought) - 1e-6
    after = min(of.bound_units, pods.closed_units)
    assert before * (1 + 1e-4) < after
    assert after * of.cny_per_unit <= best.objective_cny * (1 + 1e-6)
    assert best.plan.new_pods.sum() >= np.ceil(bought)


@pytest.mark.parametrize("seed", [0, 1, 3, 5, 6, 7, 8, 9, 10])  # whose problems have a plan
def test_no_bound_of_branches_is_above_the_optimum(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 3)
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert best.plan is not None
    of = ended(problem)
    pods = WholePods(of)
    pods.close_below(-np.inf, Control())  # whatever it proves
    of.raise_bound(Control(), least_rounds=60)
    assert min(of.bound_units, pods.closed_units) * of.cny_per_unit <= best.objective_cny * (1 + 1e-6)


def test_what_is_not_worth_closing_is_left_as_it_was() -> None:
    """Where pods are bought to be near cheap energy, one fewer costs a little more."""
    of = ended(buying(existing_pods=(10, 0), pod_cny_per_year=1e4))
    pods, rows = WholePods(of), len(of.program.cuts)
    assert pods.relaxed_count == pytest.approx(7.44)
    assert not pods.close_below(np.inf, Control())
    assert len(of.program.cuts) == rows
    assert not of.is_branch
    assert pods.closed_units == np.inf
    assert of.program.solve()[0] == pytest.approx(of.bound_units, rel=1e-6)


def test_a_branch_is_no_cut_that_is_handed_on() -> None:
    of = ended(buying())
    pods = WholePods(of)
    assert pods.close_below(0.0, Control())
    links = np.ones(len(of.problem.links), np.bool_)
    held = [cut for cut in of.program.needed if not of.covers.is_one(cut)]
    assert len(of.learned(links).held) == len(held) - 1
    of.forget_idle()
    assert of.is_branch
    assert any((cut.gradient < 0).all() and cut.is_of_balances for cut in of.program.cuts)


def test_with_pods_wanted_a_set_that_can_do_with_them_costs_what_it_costs() -> None:
    """Of all sets of deployments, against the optimum with that many pods."""
    problem = buying()
    of = ended(problem)
    pods = WholePods(of)
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert best.plan is not None
    number = int(best.plan.new_pods.sum())
    costs = ExactCosts(of, Control(), seed=1, pods=PodsWanted(number, pods.at_least(number)))
    count = len(of.positions("Deploy"))
    found: list[Choice] = []
    for bits in product((0, 1), repeat=count):
        choice = costs.of(frozenset(np.flatnonzero(bits).tolist())) if any(bits) else None
        if choice is not None and choice.is_whole:
            assert pods.count_at(choice.point) == pytest.approx(number)
            found.append(choice)
    assert min(choice.cost_units for choice in found) * of.cny_per_unit == pytest.approx(best.objective_cny, rel=1e-6)

"""What is proved of some cases bounds others: against optima of the others, and by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toy_problems import random_problem

from optimizer.comparison.carried_bounds import bound_at
from optimizer.comparison.cases import Case
from optimizer.comparison.order import order_of
from optimizer.comparison.runner import CaseRunner
from optimizer.model.compile import compile_model
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.solve import solve_scenario
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole
from scenarios.price_parameters import overrides_of


def test_halfway_between_two_cases_the_bound_is_halfway() -> None:
    bound = bound_at(np.array([2.0, 5.0, 7.0]), [np.array([1.0, 5.0, 7.0]), np.array([3.0, 5.0, 7.0])], [100.0, 120.0])
    assert bound == pytest.approx(110.0, rel=1e-6)
    assert bound <= 110.0


def test_where_all_costs_are_higher_the_best_of_the_bounds_holds() -> None:
    """At the costs of the second all plans cost no more: 1.5 times those of the first are below, too."""
    costs = [np.array([2.0, 2.0]), np.array([3.0, 3.5])]
    assert bound_at(np.array([3.0, 4.0]), costs, [10.0, 12.0]) == pytest.approx(15.0, rel=1e-6)


def test_what_was_free_and_is_paid_for_now_says_nothing_of_what_is_free_again() -> None:
    assert bound_at(np.array([0.0, 4.0]), [np.array([1.0, 4.0])], [10.0]) == pytest.approx(0.0, abs=1e-9)


def test_where_a_decision_earns_money_nothing_is_said() -> None:
    """Of the same costs the bound itself would follow, if weights were not rounded."""
    costs = np.array([-1.0, 3.0])
    assert bound_at(costs, [costs], [10.0]) == -np.inf
    assert bound_at(np.abs(costs), [np.abs(costs)], [10.0]) == pytest.approx(10.0, rel=1e-6)


@given(seed=st.integers(0, 2**31), share=st.floats(0.05, 0.95))
@settings(max_examples=25)
def test_no_bound_is_above_the_optimum(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    first = random_problem(random)
    without_budget = replace(first.policy, spending_limit_cny_per_year=None, investment_limit_cny=None)
    first = replace(first, policy=without_budget)
    cases = [first, at_prices(first, random), at_prices(first, random)]
    # One between them, and one beyond.
    mean = share * cases[1].energy_price_cny_per_mwh + (1 - share) * cases[2].energy_price_cny_per_mwh
    others = [replace(first, energy_price_cny_per_mwh=mean), at_prices(first, random)]
    solved = [solve_whole(case, mip_rel_gap=0.0, seed=1, threads=1, control=Control()) for case in cases + others]
    assume(solved[0].plan is not None)
    costs = [compile_model(case).cost for case in cases]
    for case, solution in zip(others, solved[3:], strict=True):
        assert differs_in_prices_alone(first, case)
        bound = bound_at(compile_model(case).cost, costs, [one.bound_cny for one in solved[:3]])
        assert bound <= solution.objective_cny * (1 + 1e-9)
    between = bound_at(compile_model(others[0]).cost, costs, [one.bound_cny for one in solved[:3]])
    assert between >= (share * solved[1].bound_cny + (1 - share) * solved[2].bound_cny) * (1 - 1e-6)


def at_prices(problem: PlacementProblem, random: np.random.Generator) -> PlacementProblem:
    """Draw other prices of energy."""
    factors = random.uniform(0.3, 2.0, problem.energy_price_cny_per_mwh.shape)
    return replace(problem, energy_price_cny_per_mwh=np.abs(problem.energy_price_cny_per_mwh) * factors)


def test_a_sweep_is_walked_from_its_middle_outwards() -> None:
    steps = {f"w{west}_e{east}": (west / 4, east / 4) for west in range(5) for east in range(5)}
    cases = [Case(name, "", point={"west": west, "east": east}) for name, (west, east) in steps.items()]
    order = [place.case.id for place in order_of(cases)]
    assert sorted(order) == sorted(steps)
    assert order[0] == "w2_e2"
    for number, name in enumerate(order[1:], 1):
        others = np.array([steps[other] for other in order[:number]])
        assert np.abs(others - steps[name]).sum(axis=1).min() == 1 / 4
    outwards = [abs(west - 0.5) + abs(east - 0.5) for west, east in map(steps.__getitem__, order)]
    assert outwards == sorted(outwards)
    assert order_of([]) == []


def test_each_case_may_know_of_those_before_it_but_the_last_few() -> None:
    known = [place.known for place in order_of([Case(str(number), "") for number in range(200)])]
    assert known == sorted(known)
    # Four at a time from the start, and an eighth of what was begun later on.
    assert all(position - count >= 3 for position, count in enumerate(known) if position >= 3)
    assert all(count >= position * 7 / 8 for position, count in enumerate(known) if position >= 32)


def test_what_corners_prove_bounds_a_case_between_them(toy_sweep: Path, tmp_path: Path) -> None:
    cases = []
    for number, (west, carbon) in enumerate(product((0.8, 1.0, 1.2), (50.0, 100.0, 150.0))):
        point = {"price.west": west, "carbon_price": carbon}
        cases.append(Case(f"c{number}", f"west {west}, carbon {carbon}", overrides_of(point), point))
    options = ("solver.method=decomposed", "solver.mip_rel_gap=0.02")
    with CaseRunner(toy_sweep, options, out=tmp_path / "out") as runner:
        runner.run([case for case in cases if case.id != "c4"])
        results = runner.run(cases)
    for one, other in ((0, 8), (2, 6)):
        halfway = (results[f"c{one}"].bound_cny + results[f"c{other}"].bound_cny) / 2
        assert results["c4"].bound_cny >= halfway * (1 - 1e-6)
    exact = (*options[:1], "solver.mip_rel_gap=1e-6", *cases[4].overrides)
    run = solve_scenario(toy_sweep, exact)
    assert results["c4"].bound_cny <= run.cost_cny_per_year * (1 + 1e-9)
    assert results["c4"].mip_rel_gap <= 0.02
    # The reference is searched; of what is between corners, plan and bound are known, and near enough.
    assert "compile" in results["reference"].info["seconds"]
    assert "compile" not in results["c4"].info["seconds"]

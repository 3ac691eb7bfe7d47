"""Pods are bought whole: what that proves, and how a plan with fewer of them is found."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from toy_problems import toy_problem

from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.benders.plan_search import Choice, ExactCosts, PodsWanted
from optimizer.solvers.benders.scouting import Scouting
from optimizer.solvers.benders.whole_pods import WholePods
from optimizer.solvers.control import Control
from optimizer.solvers.highs import UnsolvedError
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


@pytest.mark.parametrize("seed", range(12))
def test_no_bound_of_branches_is_above_the_optimum(seed: int) -> None:
    """With stocks, prices and hours drawn; what is closed is what the relaxation proves, whatever that is."""
    random = np.random.default_rng(seed)
    problem = buying(
        existing_pods=tuple(random.integers(0, 3, 2).tolist()),
        profile=tuple(random.uniform(0.7, 1.3, 2).tolist()),
        pod_cny_per_year=float(random.uniform(1e4, 3e6)),
        energy_price_cny_per_mwh=tuple(map(tuple, random.uniform(200.0, 600.0, (2, 2)).tolist())),
    )
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    of = ended(problem)
    pods = WholePods(of)
    assert pods.close_below(-np.inf, Control())
    of.raise_bound(Control(), least_rounds=60)
    assert min(of.bound_units, pods.closed_units) * of.cny_per_unit <= best.objective_cny * (1 + 1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_solve_closes_what_buys_too_few(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, closed = buying(), list[bool]()
    close_below = WholePods.close_below

    def note(pods: WholePods, enough_units: float, control: Control) -> bool:
        closed.append(close_below(pods, enough_units, control))
        return closed[-1]

    monkeypatch.setattr(WholePods, "close_below", note)
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    found = solve_decomposed(problem, mip_rel_gap=1e-6, seed=1, threads=threads, control=Control(time_limit_s=60))
    assert any(closed)
    assert found.objective_cny == pytest.approx(best.objective_cny, rel=1e-6)
    assert found.bound_cny <= best.objective_cny * (1 + 1e-6)


def test_a_relaxation_that_is_not_solved_closes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    of = ended(buying())
    pods, rows = WholePods(of), len(of.program.cuts)

    def give_up(*_: object, **__: object) -> None:
        raise UnsolvedError

    with monkeypatch.context() as patch:
        patch.setattr(of.program, "solve_centrally", give_up)
        assert not pods.close_below(0.0, Control())
    assert len(of.program.cuts) == rows
    assert of.program.solve()[0] == pytest.approx(of.bound_units, rel=1e-6)
    of.learned(np.ones(len(of.problem.links), np.bool_))


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
            bought = pods.count_at(choice.point)
            assert bought == pytest.approx(round(bought), abs=1e-6)
            assert bought >= number - 1e-6
            found.append(choice)
    assert min(choice.cost_units for choice in found) * of.cny_per_unit == pytest.approx(best.objective_cny, rel=1e-6)


def test_the_search_for_plans_with_fewer_pods_hands_on_those_that_are_whole() -> None:
    """From a set that is not the best: what is adopted buys what is wanted, at its true cost."""
    of = ended(buying(deploy_cny_per_year=(4e6, 4e6)))
    pods = WholePods(of)
    search = Scouting(of, None, Control(), seed=1)
    search.follow(np.full(len(of.positions("Deploy")), 0.5))
    search.consider(frozenset(range(len(of.positions("Deploy")))))
    search.search_with(PodsWanted(8, pods.at_least(8)))
    search.run(40)
    assert search.best is not None
    assert search.best.is_whole
    plain = ExactCosts(of, Control(), seed=1).of(search.best.deployed)
    assert plain is not None
    assert search.best.cost_units == pytest.approx(plain.cost_units, rel=1e-6)
    costs = ExactCosts(of, Control(), seed=1, pods=PodsWanted(7, pods.at_least(7)))
    short = costs.of(search.best.deployed)  # 7.44 are needed
    assert short is not None
    assert not short.is_whole
    assert short.cost_units > plain.cost_units

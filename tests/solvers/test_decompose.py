"""The decomposition gives the whole model's optimum where both finish, and keeps what it has when stopped."""

from __future__ import annotations

import gc
import time
import weakref
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_problems import random_problem, toy_problem

from optimizer.checker.check import check_plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders import driver as decompose
from optimizer.solvers.benders.aggregation import merge_hubs
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.cuts import WarmStart
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.benders.incumbent import OverloadedError
from optimizer.solvers.control import Control, Solution, Termination
from optimizer.solvers.highs import UnsolvedError
from optimizer.solvers.process import MipOutcome
from optimizer.solvers.solve import solve_whole

GAP = 1e-6


def decomposed(problem: PlacementProblem, gap: float = GAP) -> Solution:
    return solve_decomposed(problem, mip_rel_gap=gap, seed=1, threads=1, control=Control(time_limit_s=60))


def whole(problem: PlacementProblem, gap: float = GAP) -> Solution:
    return solve_whole(problem, mip_rel_gap=gap, seed=1, threads=1, control=Control(time_limit_s=60))


def assert_both_agree(problem: PlacementProblem) -> None:
    ours, theirs = decomposed(problem), whole(problem)
    assert ours.termination == theirs.termination
    if theirs.termination == Termination.INFEASIBLE:
        assert ours.plan is None
        return
    assert ours.plan is not None
    report = check_plan(problem, ours.plan)
    assert report.is_feasible, report.violations.to_string()
    assert ours.objective_cny == pytest.approx(report.total_cny, rel=1e-9)
    assert ours.objective_cny == pytest.approx(theirs.objective_cny, rel=1e-5)
    assert ours.bound_cny <= theirs.objective_cny * (1 + 1e-6)


TOYS = {
    "plain": {},
    "west full": {"existing_pods": (10, 3), "max_new_pods": (0, 0)},
    "opening cost": {"opening_cny_per_year": (3e6, 1e6)},
    "deferrable": {"deferrable_h": 24, "energy_price_cny_per_mwh": ((500.0, 300.0), (200.0, 350.0))},
    "indivisible": {"indivisible": (True, True), "existing_pods": (3, 3), "max_new_pods": (4, 4)},
    "demand charge": {"demand_charge_cny_per_kw_month": (40.0, 30.0)},
    "two accelerators": {"accelerators": 2},
    "scarce links": {"link_capacity_gbps": (5.0, 5.0, 2.0, 5.0), "second_route": True},
    "shedding": {"shed_penalty_cny_per_mtok": 0.5, "existing_pods": (1, 1), "max_new_pods": (0, 0)},
    "nothing fits": {"existing_pods": (1, 1), "max_new_pods": (0, 0)},
    "workloads without demand": {"demand_mtok_per_h": (100.0, 0.0, 100.0, 50.0), "deferrable_h": 24},
    "models kept loaded": {"min_accelerators": (60, 30), "deploy_cny_per_year": (0.0, 0.0)},
    "models kept loaded on bought pods": {"min_accelerators": (25, 35), "existing_pods": (1, 1)},
    "three days alike": {
        "day_months": (3.0, 4.0, 5.0),
        "energy_price_cny_per_mwh": ((500, 300), (450, 350), (300, 500), (350, 320), (900, 300), (200, 800)),
        "demand_charge_cny_per_kw_month": (40.0, 30.0),
        "opening_cny_per_year": (1e6, 3e6),
    },
    "days of two kinds": {
        "day_months": (4.0, 4.0, 4.0),
        "profile": (1.0, 0.5, 1.0, 0.5, 0.4, 0.9),
        "energy_price_cny_per_mwh": ((500, 300), (450, 350), (300, 500), (350, 320), (900, 300), (200, 800)),
        "deferrable_h": 12,
    },
    "min share": {"min_share": (0.3, 0.0), "max_sites": (2, 1)},
}


@pytest.mark.parametrize("options", TOYS.values(), ids=TOYS.keys())
def test_decomposition_gives_the_whole_models_optimum(options: dict[str, object]) -> None:
    assert_both_agree(toy_problem(**options))


@given(seed=st.integers(0, 2**31), size=st.integers(1, 3))
@settings(max_examples=12)
def test_decomposition_gives_the_whole_models_optimum_on_random_problems(seed: int, size: int) -> None:
    assert_both_agree(random_problem(np.random.default_rng(seed), size))


def test_merged_hubs_cost_the_same_and_lose_nothing() -> None:
    problem = toy_problem(deferrable_h=24, latency_cny_per_ms_per_mtok=(0.1, 0.0), rtt_limit_ms=(np.inf, np.inf))
    merged = merge_hubs(problem)
    assert len(merged.problem.workloads) == len(problem.workloads) - 1
    assert merged.problem.annual_mtok == pytest.approx(problem.annual_mtok)
    exact = whole(problem)
    inside = whole(merged.problem)
    assert inside.objective_cny >= exact.objective_cny * (1 - 1e-9)
    assert inside.objective_cny - merged.bound_correction_cny <= exact.objective_cny * (1 + 1e-9)


def test_stop_before_the_first_round_still_ends_with_a_plan() -> None:
    control = Control()
    control.stop.set()
    problem = toy_problem()
    solution = solve_decomposed(problem, mip_rel_gap=GAP, seed=1, threads=1, control=control)
    assert solution.termination == Termination.INTERRUPTED
    assert solution.plan is not None
    assert check_plan(problem, solution.plan).is_feasible


def test_same_seed_gives_the_same_plan() -> None:
    problem = random_problem(np.random.default_rng(5), 3)
    first, second = decomposed(problem), decomposed(problem)
    assert first.plan is not None
    assert second.plan is not None
    assert np.array_equal(first.plan.flow_mtok_per_h, second.plan.flow_mtok_per_h)


SCARCE = {"link_capacity_gbps": (5.0, 5.0, 2.0, 5.0), "second_route": True}


def test_plan_found_before_a_link_was_added_is_kept() -> None:
    problem = toy_problem(**SCARCE)
    known = whole(problem)
    control = Control(time_limit_s=60)
    control.stop.set()
    nothing = np.zeros(len(problem.links), np.bool_)
    known = replace(known, bound_cny=known.bound_cny / 2)
    run = decompose._Run(problem, decompose._Options(GAP, 1, 1), control, nothing, WarmStart(), known)
    kept = run.solve()
    assert kept.plan is not None
    assert kept.objective_cny <= known.objective_cny
    assert check_plan(problem, kept.plan).is_feasible


def test_overload_seen_after_the_solver_gave_up_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = toy_problem(**SCARCE)
    limiting = problem.links["is_limiting"].to_numpy(bool)
    run = decompose._Run(problem, decompose._Options(GAP, 1, 1), Control(time_limit_s=60), limiting, WarmStart(), None)

    def give_up(*_: object) -> None:
        raise UnsolvedError

    def overload(*_: object) -> None:
        raise OverloadedError

    monkeypatch.setattr(run, "_phases", give_up)
    monkeypatch.setattr(run.best, "keep", overload)
    assert run.solve().plan is None


@pytest.mark.parametrize("is_overloaded", [True, False])
def test_the_integer_program_ends_with_what_the_search_finds_beside_it(
    monkeypatch: pytest.MonkeyPatch, *, is_overloaded: bool
) -> None:
    """A plan that meets the gap, or that overloads a link, ends it: nobody waits for the limit of an hour."""
    problem = toy_problem(**SCARCE)
    limiting = problem.links["is_limiting"].to_numpy(bool)
    control = Control(time_limit_s=3600)
    run = decompose._Run(problem, decompose._Options(GAP, 1, 2), control, limiting, WarmStart(), None)
    run._of.raise_bound(run._control)
    run._follow()
    began, ended = Event(), Event()

    def solve(*_: object, control: Control, **__: object) -> MipOutcome:
        began.set()
        for _ in range(600):
            if control.must_stop:
                ended.set()
                break
            time.sleep(0.05)
        return MipOutcome(Termination.TIME_LIMIT)

    def keep() -> bool:
        assert began.wait(30)
        if is_overloaded:
            raise OverloadedError
        run.best.cost_cny = run._bound_cny
        return True

    monkeypatch.setattr(decompose, "run_mip", solve)
    monkeypatch.setattr(run, "_keep_found", keep)
    if is_overloaded:
        with pytest.raises(OverloadedError):
            run._solve_master_and_search(GAP)
    else:
        assert run._solve_master_and_search(GAP).termination == Termination.TIME_LIMIT
    assert ended.wait(30)


def test_a_solve_leaves_no_solver_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What prices the plan afterwards needs the room."""
    left = list[weakref.ref[Decomposition]]()
    begin = Decomposition.__init__

    def note(of: Decomposition, *arguments: Any, **options: Any) -> None:
        begin(of, *arguments, **options)
        left.append(weakref.ref(of))

    monkeypatch.setattr(Decomposition, "__init__", note)
    before = gc.get_threshold()
    gc.set_threshold(0)  # or the collector might come upon them by chance
    try:
        solution = solve_decomposed(toy_problem(), mip_rel_gap=1e-6, seed=1, threads=1, control=Control())
        is_left = [of() is not None for of in left]
    finally:
        gc.set_threshold(*before)
    assert solution.plan is not None
    assert is_left == [False]

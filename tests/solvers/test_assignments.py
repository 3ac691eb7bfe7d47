"""Indivisible workloads in the decomposition: bounds stay below the optimum, and plans reach it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from brute_facility import optimal_cost
from facility_draws import skewed_instance, tight_instance
from toy_problems import random_problem

from network_data import load_network
from optimizer.checker.check import check_plan
from optimizer.model.compile import compile_model
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.assignment_search import Places, exchange, improve, is_all_assigned, repair
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.benders.knapsacks import bound_assignments, places_of
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.highs import new_highs, pass_model, run_until_optimal
from optimizer.solvers.solve import choose_method, solve_whole, why_not_decomposed
from optimizer.validation.facility_files import FacilityInstance, write_facility_files
from scenarios import load_scenario


def load_instance(folder: Path, instance: FacilityInstance) -> PlacementProblem:
    scenario = load_scenario(write_facility_files(folder, instance))
    return assemble_problem(load_network(scenario.network), scenario)


def small_instance(seed: int) -> FacilityInstance:
    """Draw 3 or 4 facilities and 5 or 6 customers, tight enough that not every customer fits where it is cheapest."""
    rng = np.random.default_rng(seed)
    facilities, customers = int(rng.integers(3, 5)), int(rng.integers(5, 7))
    return tight_instance(seed, facilities=facilities, customers=customers, ratio=float(rng.uniform(1.3, 2.5)))


def places_of_instance(instance: FacilityInstance) -> Places:
    demand, capacity = np.array(instance.demand), np.array(instance.capacity)
    return Places(np.array(instance.assignment_cost).T, demand[:, None] / capacity, np.array(instance.opening_cost))


@pytest.mark.parametrize("seed", range(20))
def test_knapsack_bound_is_never_above_the_optimum(seed: int) -> None:
    instance = small_instance(seed)
    best = optimal_cost(instance)
    of = places_of_instance(instance)
    for rounds_s in (np.inf, 0.0):  # stopped after its first round it is a bound all the same
        found = bound_assignments(of, Control(time_limit_s=rounds_s), mip_rel_gap=0.0, seed=1)
        assert found.bound_cny <= best
        if found.place is not None:
            assert (of.load_of(found.place) <= 1 + 1e-6).all()
            assert of.cost_of(found.place) >= best * (1 - 1e-12)


def test_places_found_are_mostly_the_best_ones() -> None:
    found = []
    for seed in range(12):
        instance = small_instance(seed)
        best = optimal_cost(instance)
        place = bound_assignments(places_of_instance(instance), Control(), mip_rel_gap=0.0, seed=1).place
        if np.isfinite(best):
            assert place is not None
            found.append(places_of_instance(instance).cost_of(place) <= best * (1 + 1e-9))
    assert np.mean(found) > 0.8


def test_moves_keep_capacity_and_save() -> None:
    instance = tight_instance(4, facilities=12, customers=50, ratio=1.4)
    of = places_of_instance(instance)
    rng = np.random.default_rng(4)
    place = repair(of, rng.random(of.cost.shape) < 0.1, rng.random(12) < 0.5)
    assert place is not None
    moved = improve(of, place)
    changed = exchange(of, moved, Control())
    assert of.cost_of(place) > of.cost_of(moved) >= of.cost_of(changed)
    for each in (place, moved, changed):
        assert (of.load_of(each) <= 1 + 1e-9).all()


def test_costs_needs_and_openings_are_those_of_the_instance(tmp_path: Path) -> None:
    instance = skewed_instance(2, facilities=6, customers=12)
    problem = load_instance(tmp_path, instance)
    assert is_all_assigned(problem)
    read, written = places_of(problem, compile_model(problem)), places_of_instance(instance)
    assert read.cost == pytest.approx(np.where(written.share > 1, np.inf, written.cost))
    assert read.share == pytest.approx(written.share)
    assert read.opening == pytest.approx(written.opening)


def all_assigned_problem(seed: int) -> PlacementProblem:
    """Draw a random problem (slices, classes, purchases, demand charges, policies) and make all work indivisible."""
    problem = random_problem(np.random.default_rng(seed))
    nothing = np.zeros_like(problem.demand_mtok_per_h)
    return replace(
        problem,
        workloads=problem.workloads.assign(is_indivisible=True, is_deferrable=False),
        backlog_limit_mtok=nothing,
        shed_limit_mtok_per_h=nothing,
        servable_mtok_per_h=problem.demand_mtok_per_h,
    )


@pytest.mark.parametrize("seed", range(15))
def test_knapsack_bound_holds_with_slices_purchases_and_policies(seed: int) -> None:
    problem = all_assigned_problem(seed)
    best = solve_whole(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control(time_limit_s=30))
    of = places_of(problem, compile_model(problem))
    found = bound_assignments(of, Control(), mip_rel_gap=0.0, seed=1)
    assert found.bound_cny <= best.objective_cny * (1 + 1e-9)
    if best.termination is Termination.OPTIMAL and not why_not_decomposed(problem):
        solution = solve_decomposed(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control(time_limit_s=30))
        assert solution.objective_cny == pytest.approx(best.objective_cny, rel=1e-5)
        assert solution.bound_cny <= best.objective_cny * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_relaxation_knows_the_assignments_before_the_first_cut(tmp_path: Path, seed: int) -> None:
    """One round of the cut loop proves what the whole model's relaxation does, and no more than the optimum."""
    problem = load_instance(tmp_path, small_instance(seed))
    of = Decomposition(problem, seed=1, threads=1)
    try:
        first = of.program.solve()[0]
        of.raise_bound(Control(), least_rounds=50)
    finally:
        of.blocks.close()
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control(time_limit_s=20))
    assert first == pytest.approx(of.bound_units, rel=1e-6)
    assert first * of.cny_per_unit <= best.objective_cny * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["skewed", "tight", "without fixed cost"])
def test_decomposition_proves_the_whole_models_optimum(tmp_path: Path, kind: str, seed: int) -> None:
    instance = {
        "skewed": lambda: skewed_instance(seed, facilities=5, customers=10),
        "tight": lambda: tight_instance(seed, facilities=5, customers=10, ratio=1.5),
        "without fixed cost": lambda: tight_instance(seed, facilities=5, customers=10, ratio=1.3, has_fixed_cost=False),
    }[kind]()
    problem = load_instance(tmp_path, instance)
    whole = solve_whole(problem, mip_rel_gap=1e-7, seed=1, threads=1, control=Control(time_limit_s=60))
    solution = solve_decomposed(problem, mip_rel_gap=1e-7, seed=1, threads=1, control=Control(time_limit_s=60))
    assert solution.termination is Termination.OPTIMAL
    assert solution.objective_cny == pytest.approx(whole.objective_cny, rel=1e-5)
    assert solution.bound_cny <= whole.objective_cny * (1 + 1e-9)
    assert solution.plan is not None
    assert check_plan(problem, solution.plan).is_feasible


def test_method_is_chosen_by_what_was_measured(tmp_path: Path) -> None:
    few = load_instance(tmp_path / "few", skewed_instance(1, facilities=16))
    many = load_instance(tmp_path / "many", skewed_instance(1, facilities=25))
    shared = load_instance(tmp_path / "shared", skewed_instance(1, facilities=25, is_single_sourced=False))
    assert [choose_method(problem) for problem in (few, many, shared)] == ["whole", "decomposed", "whole"]


def test_hundred_customers_are_solved_within_the_default_gap_before_any_relaxation(tmp_path: Path) -> None:
    """Knapsacks alone prove and plan it: the phases that solve the master are not entered."""
    problem = load_instance(tmp_path, tight_instance(11, facilities=30, customers=100, ratio=3.0))
    solution = solve_decomposed(problem, mip_rel_gap=0.02, seed=1, threads=1, control=Control(time_limit_s=60))
    assert solution.termination is Termination.OPTIMAL
    assert not any(line.phase == "bound" for line in solution.progress)


def test_linear_program_without_time_is_tried_once_and_given_up() -> None:
    rng = np.random.default_rng(1)
    matrix = sp.csr_array(rng.random((60, 80)))
    highs = new_highs(presolve="off", solver="simplex")
    pass_model(
        highs, matrix, cost=rng.random(80), lower=np.zeros(80), upper=np.ones(80), row_lower=np.full(60, 10.0),
        row_upper=np.full(60, np.inf),
    )  # fmt: skip
    assert not run_until_optimal(highs, time_limit_s=0.0)
    assert highs.getInfo().simplex_iteration_count == 0
    assert run_until_optimal(highs)  # the limit was of that call alone
    assert highs.getInfo().simplex_iteration_count > 0


@pytest.mark.parametrize("is_single_sourced", [False, True])
def test_no_time_at_all_still_ends_with_a_plan_and_no_search(tmp_path: Path, *, is_single_sourced: bool) -> None:
    """At a limit of 0 every linear program is cut off: the end is the time limit, not a failure of the solver."""
    problem = load_instance(tmp_path, skewed_instance(3, facilities=8, is_single_sourced=is_single_sourced))
    solution = solve_decomposed(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control(time_limit_s=0.0))
    assert solution.termination is Termination.TIME_LIMIT
    assert solution.plan is not None
    assert check_plan(problem, solution.plan).is_feasible
    assert not {line.phase for line in solution.progress} & {"bound", "branch"}

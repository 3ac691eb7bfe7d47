"""A warm start changes the time and not the truth, and what is learned is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reduced import reduced_overrides
from toy_problems import random_problem, toy_problem

from optimizer.checker.check import check_plan
from optimizer.comparison.workers.case_solve import reference_state
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.run import open_run
from optimizer.runs.solve import solve_scenario
from optimizer.runs.verify import verify_run
from optimizer.solvers.benders.bound import split_problem
from optimizer.solvers.benders.cuts import WarmCuts, WarmStart, learned_from_tables, learned_tables
from optimizer.solvers.benders.driver import solve_decomposed, split_as_solved
from optimizer.solvers.control import Control, Learned, Solution
from optimizer.solvers.solve import solve_whole

GAP = 1e-6
SEEDS = (0, 1, 3, 5, 6, 7, 8, 9, 10)  # whose problems have a plan


def solved(problem: PlacementProblem, warm: WarmStart | None = None) -> Solution:
    control = Control(time_limit_s=60)
    return solve_decomposed(problem, mip_rel_gap=GAP, seed=1, threads=1, control=control, warm=warm)


def warm_from(problem: PlacementProblem, solution: Solution) -> WarmStart:
    learned = solution.learned
    assert learned is not None
    assert solution.plan is not None
    own = split_as_solved(problem, learned.kept_links, mip_rel_gap=GAP)
    pairs = problem.deployments[solution.plan.is_deployed > 0]
    classes, centers = problem.classes["id"].to_numpy(str), problem.data_centers["id"].to_numpy(str)
    deployed = zip(classes[pairs["class_index"]], centers[pairs["data_center_index"]], strict=True)
    return WarmStart(frozenset(deployed), None, learned.kept_links, WarmCuts(learned.cuts, own, learned.point))


def other_prices(problem: PlacementProblem, rng: np.random.Generator) -> PlacementProblem:
    factor = rng.uniform(0.3, 2.0, problem.energy_price_cny_per_mwh.shape)
    carbon = float(rng.uniform(0, 300))
    return replace(
        problem, energy_price_cny_per_mwh=problem.energy_price_cny_per_mwh * factor, carbon_price_cny_per_t=carbon
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_warm_start_from_other_prices_proves_the_same_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = random_problem(rng, 3)
    known = solved(reference)
    assert known.plan is not None
    case = other_prices(reference, rng)
    ours = solved(case, warm_from(reference, known))
    theirs = solve_whole(case, mip_rel_gap=GAP, seed=1, threads=1, control=Control(time_limit_s=60))
    assert ours.plan is not None
    assert check_plan(case, ours.plan).is_feasible
    assert ours.objective_cny == pytest.approx(theirs.objective_cny, rel=1e-5)
    assert ours.bound_cny <= theirs.objective_cny * (1 + 1e-6)


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_warm_start_from_another_problem_does_no_harm(seed: int) -> None:
    # Twice the demand: other blocks, so that no cut may be taken over, and deployments that may not be enough.
    rng = np.random.default_rng(seed)
    reference = random_problem(rng, 3)
    known = solved(reference)
    assert known.plan is not None
    names = ("demand_mtok_per_h", "backlog_limit_mtok", "servable_mtok_per_h", "shed_limit_mtok_per_h")
    case = replace(reference, **{name: 1.3 * getattr(reference, name) for name in names})
    ours, cold = solved(case, warm_from(reference, known)), solved(case)
    assert (ours.plan is None) == (cold.plan is None)
    if cold.plan is not None:
        assert ours.objective_cny == pytest.approx(cold.objective_cny, rel=1e-5)
        assert ours.bound_cny <= cold.objective_cny * (1 + 1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_problem_priced_anew_is_what_compiling_it_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = random_problem(rng, 3)
    case = other_prices(reference, rng)
    quick, full = split_problem(case, like=split_problem(reference)), split_problem(case)
    assert quick.compiled.values is not full.compiled.values
    np.testing.assert_array_equal(quick.compiled.cost, full.compiled.cost)
    np.testing.assert_array_equal(quick.compiled.values, full.compiled.values)
    np.testing.assert_array_equal(quick.master.cost, full.master.cost)
    np.testing.assert_array_equal(quick.master.matrix.toarray(), full.master.matrix.toarray())
    for one, two in zip(quick.blocks, full.blocks, strict=True):
        np.testing.assert_allclose(one.cost, two.cost, rtol=1e-14)
        np.testing.assert_array_equal(one.matrix.toarray(), two.matrix.toarray())


CHARGED = {"west": (0.0, 40.0), "east": (40.0, 0.0), "nowhere": (0.0, 0.0), "everywhere": (40.0, 30.0)}


@pytest.mark.parametrize("after", CHARGED)
@pytest.mark.parametrize("before", CHARGED)
def test_demand_charge_elsewhere_is_priced_where_it_is_paid(before: str, after: str) -> None:
    # A data center has columns for the power that is billed only if it has a demand charge: charges that come and go
    # with a price case move the columns of all others.
    reference = toy_problem(demand_charge_cny_per_kw_month=CHARGED[before])
    case = toy_problem(demand_charge_cny_per_kw_month=CHARGED[after])
    quick, full = split_problem(case, like=split_problem(reference)), split_problem(case)
    np.testing.assert_array_equal(quick.compiled.cost, full.compiled.cost)
    np.testing.assert_array_equal(quick.master.cost, full.master.cost)
    known = solved(reference)
    ours, cold = solved(case, warm_from(reference, known)), solved(case)
    assert ours.objective_cny == pytest.approx(cold.objective_cny, rel=1e-6)
    assert ours.bound_cny <= cold.objective_cny * (1 + 1e-6)


def test_problem_with_other_limits_is_compiled() -> None:
    reference = split_problem(toy_problem())
    other = toy_problem(existing_pods=(10, 3))
    assert split_problem(other, like=reference).compiled.upper is not reference.compiled.upper


def test_what_was_learned_survives_its_tables() -> None:
    problem = toy_problem(opening_cny_per_year=(3e6, 1e6))
    learned = solved(problem).learned
    assert learned is not None
    learned = Learned(np.arange(len(problem.links)) % 2 == 0, learned.cuts, learned.point)
    again = learned_from_tables(problem, learned_tables(problem, learned))
    assert again is not None
    assert (again.kept_links == learned.kept_links).all()
    for one, two in zip(learned.cuts, again.cuts, strict=True):
        assert (one.part, one.constant, one.is_of_balances) == (two.part, two.constant, two.is_of_balances)
        assert (one.columns == two.columns).all()
        assert (one.gradient == two.gradient).all()
    assert len(learned.cuts) > 0


def test_a_case_starts_from_the_reference_and_verifies(tmp_path: Path) -> None:
    overrides = [*reduced_overrides("base", tmp_path), "solver.method=decomposed", "solver.mip_rel_gap=0.02"]
    solve_scenario("base", overrides, out=tmp_path / "reference", keep_learned=True)
    assert "learned_cuts" in open_run(tmp_path / "reference").tables
    state = reference_state(tmp_path / "reference")
    assert state is not None
    assert reference_state(tmp_path / "reference") is state
    dearer = [*overrides, "costs.carbon_price_cny_per_t=100"]
    first = solve_scenario("base", dearer, out=tmp_path / "one", warm=state.for_problem, notes={"note": 1})
    again = solve_scenario("base", dearer, out=tmp_path / "two", warm=state.for_problem)
    assert first.info["note"] == 1
    assert first.solution.objective_cny == again.solution.objective_cny
    assert first.solution.bound_cny == again.solution.bound_cny
    assert verify_run(open_run(tmp_path / "reference")).is_verified
    assert verify_run(open_run(tmp_path / "one")).is_verified

"""A warm start changes the time and not the truth, and what is learned is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reduced import reduced_overrides
from toy_problems import random_problem, toy_problem

from optimizer.checker.check import check_plan
from optimizer.comparison.cases import Case
from optimizer.comparison.workers.case_solve import reference_split, solve_case
from optimizer.comparison.workers.case_task import CaseTask
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.run import open_run
from optimizer.runs.solve import solve_scenario
from optimizer.runs.verify import verify_run
from optimizer.solvers.benders.bound import Decomposition, split_problem
from optimizer.solvers.benders.cuts import WarmStart, learned_from_tables, learned_tables
from optimizer.solvers.benders.driver import solve_decomposed, split_as_solved
from optimizer.solvers.control import Control, Solution
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
    like = split_as_solved(problem, learned.kept_links, mip_rel_gap=GAP)
    pairs = problem.deployments[solution.plan.is_deployed > 0]
    classes, centers = problem.classes["id"].to_numpy(str), problem.data_centers["id"].to_numpy(str)
    deployed = zip(classes[pairs["class_index"]], centers[pairs["data_center_index"]], strict=True)
    return WarmStart(frozenset(deployed), learned=learned, like=like)


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
    learned = replace(learned, kept_links=np.arange(len(problem.links)) % 2 == 0)
    again = learned_from_tables(problem, learned_tables(problem, learned))
    assert again is not None
    assert (again.kept_links == learned.kept_links).all()
    for one, two in zip(learned.cuts, again.cuts, strict=True):
        assert (one.function, one.constant, one.is_of_balances) == (two.function, two.constant, two.is_of_balances)
        assert (one.gradient == two.gradient).all()
    assert (learned.held == again.held).all()
    assert (learned.point == again.point).all()
    assert len(learned.cuts) > 0
    assert len(learned.held) > 0


def test_a_case_starts_from_the_reference_and_verifies(tmp_path: Path) -> None:
    overrides = (*reduced_overrides("base", tmp_path), "solver.method=decomposed", "solver.mip_rel_gap=0.02")
    reference = tmp_path / "reference"
    solve_scenario("base", overrides, out=reference, keep_learned=True)
    assert "learned_cuts" in open_run(reference).tables
    dearer = Case("dearer", "", ("costs.carbon_price_cny_per_t=100",))
    begin = CaseTask("base", overrides, dearer, tmp_path / "one", learned=reference, plans=(reference,))
    begin = replace(begin, learns_from_plan=True, notes={"note": 1})
    first, again = (solve_case(replace(begin, folder=tmp_path / name)) for name in ("one", "two"))
    assert first.info["note"] == 1
    assert (first.objective_cny, first.bound_cny) == (again.objective_cny, again.bound_cny)
    assert verify_run(open_run(reference)).is_verified
    assert verify_run(open_run(tmp_path / "one")).is_verified


def test_a_reference_is_decomposed_once_for_the_cases_that_differ_in_prices(tmp_path: Path) -> None:
    overrides = (*reduced_overrides("base", tmp_path), "solver.method=decomposed", "solver.mip_rel_gap=0.02")
    stored = solve_scenario("base", overrides, out=tmp_path / "reference", keep_learned=True)
    dearer = replace(stored.problem, carbon_price_cny_per_t=100.0)
    split = reference_split(tmp_path / "reference", dearer)
    assert split is not None
    assert reference_split(tmp_path / "reference", dearer) is split
    other = replace(stored.problem, demand_mtok_per_h=stored.problem.demand_mtok_per_h / 2)
    assert reference_split(tmp_path / "reference", other) is None


def ended(problem: PlacementProblem) -> Decomposition:
    """Raise the bound of the relaxation until it stands still."""
    of = Decomposition(problem, seed=1, threads=1)
    of.raise_bound(Control(), least_rounds=60)
    return of


@pytest.mark.parametrize("seed", SEEDS)
def test_with_the_cuts_of_both_ends_the_first_relaxation_between_proves_what_they_do(seed: int) -> None:
    """Each case's cuts hold its own relaxation, whose dual solution, mixed, is one of the relaxation between."""
    rng = np.random.default_rng(seed)
    first = random_problem(rng, 3)
    second = other_prices(first, rng)
    price = (first.energy_price_cny_per_mwh + second.energy_price_cny_per_mwh) / 2
    carbon = (first.carbon_price_cny_per_t + second.carbon_price_cny_per_t) / 2
    between = replace(first, energy_price_cny_per_mwh=price, carbon_price_cny_per_t=carbon)
    ends = [ended(problem) for problem in (first, second)]
    links = np.ones(len(first.links), np.bool_)
    of = Decomposition(between, seed=1, threads=1)
    for end in ends:
        of.begin_like(end.learned(links))
    at_once = of.program.solve()[0] * of.cny_per_unit
    mixed = (ends[0].bound_units * ends[0].cny_per_unit + ends[1].bound_units * ends[1].cny_per_unit) / 2
    assert at_once >= mixed - 1e-6 * abs(mixed)
    # And no more than what is true.
    whole = solve_whole(between, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert at_once <= whole.objective_cny * (1 + 1e-6)


def test_a_cut_is_found_again_at_its_part_and_in_no_other_problem() -> None:
    of = ended(random_problem(np.random.default_rng(1), 3))
    learned = of.learned(np.ones(len(of.problem.links), np.bool_))
    held = [cut for cut in of.program.needed if not of.covers.is_one(cut)]
    again = [of.pool.at_part(learned.cuts[number], part) for number, part in learned.held.tolist()]
    assert len(held) == len(again) > 0
    for cut, found in zip(held, again, strict=True):
        assert found is not None
        assert (cut.part, cut.is_of_balances) == (found.part, found.is_of_balances)
        point = np.linspace(0.0, 1.0, len(of.master.cost))
        assert found.at(point) == pytest.approx(cut.at(point), rel=1e-9, abs=1e-9)
    other = Decomposition(toy_problem(), seed=1, threads=1)
    before = len(other.pool)
    other.begin_like(learned)
    assert len(other.pool) == before
    assert all(other.pool.at_part(learned.cuts[number], part) is None for number, part in learned.held.tolist())

"""What raises the bound cuts off no plan, and says what it should: tightening rows, flow covers, the pool of cuts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from toy_problems import random_problem, toy_problem

from optimizer.model.compile import compile_model
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.plan_search import ExactCosts, PlanSearch
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.control import Control
from optimizer.solvers.fixed_integers import solve_fixed_integers
from optimizer.solvers.solve import solve_whole

SEEDS = range(24)


def plans(problem: PlacementProblem, rng: np.random.Generator, count: int) -> list[Plan]:
    """Plans as different as prices drawn at random make them, of a problem without its fixed costs."""
    found = []
    for _ in range(count):
        drawn = rng.uniform(0.1, 3.0, problem.energy_price_cny_per_mwh.shape)
        pools = problem.pools.assign(pod_cny_per_year=problem.pools["pod_cny_per_year"] * rng.uniform(0.0, 1.5))
        centers = problem.data_centers.assign(
            opening_cny_per_year=problem.data_centers["opening_cny_per_year"] * rng.uniform(0, 2)
        )
        case = replace(
            problem,
            energy_price_cny_per_mwh=problem.energy_price_cny_per_mwh * drawn,
            pools=pools,
            data_centers=centers,
        )
        solution = solve_whole(case, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
        if solution.plan is not None:
            found.append(solution.plan)
    return found


def crowded(seed: int) -> PlacementProblem:
    """Draw a problem whose pools are too small for all classes that could use them."""
    problem = random_problem(np.random.default_rng(seed), 2)
    pools = problem.pools.assign(existing_pods=np.maximum(problem.pools["existing_pods"] // 2, 1))
    return replace(problem, pools=pools)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_plan_is_cut_off(seed: int) -> None:
    """Whatever covers fractional points call for, and the tightening rows, every plan keeps them."""
    problem, rng = crowded(seed), np.random.default_rng(seed)
    decomposition = Decomposition(problem, seed=1, threads=1)
    master, covers = decomposition.master, []
    for _ in range(40):
        point = rng.uniform(0.0, 1.0, len(master.cost)) * master.upper
        point[decomposition.positions("Deploy")] *= rng.uniform(0.0, 1.0)
        covers += decomposition.covers.violated(point)
    decomposition.blocks.close()
    model = compile_model(problem, with_tightening=True)
    for plan in plans(problem, rng, 4):
        columns = columns_from_plan(model, plan)
        rows = model.matrix @ columns
        assert (rows <= model.row_upper + 1e-6 * np.maximum(1.0, np.abs(model.row_upper))).all()
        point = columns[master.columns] / master.scale
        assert max((cut.at(point) for cut in covers), default=0.0) <= 1e-7


def test_covers_are_found_in_crowded_problems() -> None:
    found = sum(len(_covers(seed)) for seed in SEEDS)
    assert found > 20  # the test above would say nothing otherwise


def _covers(seed: int) -> list[object]:
    decomposition = Decomposition(crowded(seed), seed=1, threads=1)
    decomposition.blocks.close()
    rng, found = np.random.default_rng(seed), []
    for _ in range(40):
        point = rng.uniform(0.0, 1.0, len(decomposition.master.cost)) * decomposition.master.upper
        point[decomposition.positions("Deploy")] *= rng.uniform(0.0, 1.0)
        found += decomposition.covers.violated(point)
    return list(found)


@pytest.mark.parametrize("seed", range(8))
def test_a_cut_of_one_part_holds_for_all_parts_of_its_function(seed: int) -> None:
    problem, rng = random_problem(np.random.default_rng(seed), 2), np.random.default_rng(seed)
    decomposition = Decomposition(problem, seed=1, threads=1)
    master, parts = decomposition.master, decomposition.blocks.part_count
    for _ in range(6):
        point = rng.uniform(0.0, 1.0, len(master.cost)) * master.upper
        decomposition.pool.add(decomposition.cost_at(point)[1])
    for _ in range(6):
        point = rng.uniform(0.0, 1.0, len(master.cost)) * master.upper
        true = np.concatenate([answer.costs for answer in decomposition.blocks.solve(point)])
        cuts = [cut for cut in decomposition.pool.violated(point, np.full(parts, -1e9), 2) if not cut.is_of_balances]
        assert cuts
        for cut in cuts:
            assert cut.at(point) <= true[cut.part] + 1e-6 * max(1.0, np.abs(true).max())
    decomposition.blocks.close()


@pytest.mark.parametrize("seed", range(8))
def test_exact_cost_of_a_set_is_that_of_the_fixed_integer_program(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 2)
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    if solution.plan is None:
        assert not len(problem.demand_mtok_per_h) or solution.termination.value == "infeasible"
        return
    decomposition = Decomposition(problem, seed=1, threads=1)
    decomposition.blocks.close()
    deployed = frozenset(np.flatnonzero(solution.plan.is_deployed).tolist())
    choice = ExactCosts(decomposition, Control(), seed=1).of(deployed)
    assert choice is not None
    cost_cny = choice.cost_units * decomposition.cny_per_unit
    # What may be split among places there is whole here, and pods rounded up may be one too many: neither costs less.
    whole = solve_fixed_integers(
        problem, compile_model(problem), columns_from_plan(compile_model(problem), solution.plan)
    )
    assert cost_cny >= solution.bound_cny * (1 - 1e-6) or problem.workloads["is_indivisible"].any()
    pods_cny = float(problem.pools[["pod_cny_per_year", "site_cny_per_year"]].sum(axis=1).sum())
    assert cost_cny <= whole.objective_cny + pods_cny + 1e-6 * abs(whole.objective_cny)


def test_search_finds_the_optimum_of_a_toy_and_is_repeatable() -> None:
    problem = toy_problem(opening_cny_per_year=(3e6, 1e6))
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    found = []
    for _ in range(2):
        decomposition = Decomposition(problem, seed=1, threads=1)
        search = PlanSearch(decomposition, Control(), seed=1)
        search.run(5)
        assert search.best is None  # nobody has told it where to begin
        search.follow(np.full(len(decomposition.positions("Deploy")), 0.5))
        search.run(60)
        decomposition.blocks.close()
        assert search.best is not None
        found.append((search.best.deployed, search.best.cost_units))
        assert search.best.cost_units * decomposition.cny_per_unit == pytest.approx(best.objective_cny, rel=1e-6)
    assert found[0] == found[1]

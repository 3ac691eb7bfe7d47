"""Days that differ in prices alone are merged, and cuts found on merged days hold on each of them."""

from __future__ import annotations

import numpy as np
import pytest
from toy_problems import toy_problem

from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.aggregation import merge_days
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.cuts import transfer_cuts
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.benders.subproblems import FORBIDDEN_SHARE, Cut
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole

PRICES = ((500, 300), (450, 350), (300, 500), (350, 320), (900, 300), (200, 800))


def three_days(**options: object) -> PlacementProblem:
    return toy_problem(day_months=(3.0, 4.0, 5.0), energy_price_cny_per_mwh=PRICES, **options)


def test_days_alike_become_one_with_mean_prices() -> None:
    problem = three_days()
    merged = merge_days(problem)
    assert merged.is_smaller
    assert merged.slice_of.tolist() == [0, 1, 0, 1, 0, 1]
    assert merged.problem.weight_h.sum() == pytest.approx(problem.weight_h.sum())
    assert merged.problem.billing["months"].tolist() == [12.0]
    # East, first slice: (3 x 500 + 4 x 300 + 5 x 900) / 12 months.
    assert merged.problem.energy_price_cny_per_mwh[0, 0] == pytest.approx(7200 / 12)


def test_days_with_other_demand_stay_apart() -> None:
    problem = three_days(profile=(1.0, 0.5, 1.0, 0.5, 0.4, 0.9))
    merged = merge_days(problem)
    assert merged.slice_of.tolist() == [0, 1, 0, 1, 2, 3]
    assert merged.problem.slices["previous_index"].tolist() == [1, 0, 3, 2]
    assert merged.problem.billing["months"].tolist() == [7.0, 5.0]


def test_a_problem_of_one_day_stays_as_it_is() -> None:
    problem = toy_problem()
    merged = merge_days(problem)
    assert not merged.is_smaller
    assert merged.problem is problem


def test_days_with_outages_to_survive_are_merged_too() -> None:
    problem = three_days(survives=(0, 1), opening_cny_per_year=(1e6, 3e6), existing_pods=(4, 4), max_new_pods=(8, 8))
    merged = merge_days(problem)
    assert merged.problem.outage_demand_mtok_per_h.shape == (2, 4)
    assert len(merged.problem.outages) == len(problem.outages)
    whole, decomposed = (
        solve(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control())
        for solve in (solve_whole, solve_decomposed)
    )
    assert decomposed.objective_cny == pytest.approx(whole.objective_cny, rel=1e-3)


def test_merged_days_never_cost_less() -> None:
    problem = three_days(demand_charge_cny_per_kw_month=(40.0, 30.0), opening_cny_per_year=(1e6, 3e6))
    apart, together = (
        solve_whole(each, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
        for each in (problem, merge_days(problem).problem)
    )
    assert together.objective_cny > apart.objective_cny  # the plan of each day follows its own prices


def test_cuts_handed_on_hold_on_every_day() -> None:
    problem = three_days()
    merged = merge_days(problem)
    few, every = (Decomposition(each, seed=1, threads=1) for each in (merged.problem, problem))
    few.raise_bound(Control())
    cuts = transfer_cuts(few.program.cuts, few.split.parts, every.split.parts, merged.slice_of)
    assert len(cuts) == 3 * len(few.program.cuts) > 0
    rng = np.random.default_rng(1)
    for _ in range(20):
        point = rng.uniform(0.0, 1.0, len(every.master.cost)) * every.master.upper
        answers = every.blocks.solve(point)
        costs = np.concatenate([answer.costs for answer in answers])
        values = np.array([cut.at(point) for cut in cuts])
        true = costs[[cut.part for cut in cuts]]
        assert (values <= true + 1e-6 * np.abs(true).max()).all()
    # And they say nearly all that is to be said: what the routing costs does not depend on the day.
    every.program.add(cuts)
    at_once = every.program.solve()[0]
    every.raise_bound(Control(), least_rounds=100)
    few.blocks.close()
    every.blocks.close()
    assert at_once == pytest.approx(every.bound_units, rel=0.05)


def test_nothing_is_handed_on_between_different_demands() -> None:
    one, other = toy_problem(), toy_problem(demand_mtok_per_h=(100.0, 100.0, 50.0, 100.0))
    first, second = (Decomposition(each, seed=1, threads=1) for each in (one, other))
    first.raise_bound(Control())
    cuts = transfer_cuts(first.pool.cuts, first.split.parts, second.split.parts, np.arange(len(one.slices)))
    first.blocks.close()
    second.blocks.close()
    # Chat asks for another mix of hubs and gets nothing; batch asks for the same and gets its cuts.
    parts_with_cuts = {cut.part for cut in cuts}
    assert 0 < len(parts_with_cuts) < second.blocks.part_count


def test_days_are_merged_under_a_policy_but_not_with_a_limit_on_spending() -> None:
    """The means of the days count in a share or a cap; what is spent depends on following each day's prices."""
    assert merge_days(three_days(policy={"min_region_share": {"east": 0.3}, "carbon_cap_t_per_year": 1e6})).is_smaller
    assert not merge_days(three_days(policy={"spending_limit_cny_per_year": 1e9})).is_smaller


def test_cuts_of_balances_handed_on_forbid_no_plan() -> None:
    problem = three_days(policy={"min_region_share": {"west": 0.5}}, rtt_limit_ms=(24.0, np.inf))
    merged = merge_days(problem)
    few, every = (Decomposition(each, seed=1, threads=1) for each in (merged.problem, problem))
    rng = np.random.default_rng(1)
    found: list[Cut] = []
    for _ in range(10):
        point = rng.uniform(0.0, 1.0, len(few.master.cost)) * few.master.upper
        _, cuts, missed = few.cost_at(point)
        forbidding = [cut for cut in cuts if cut.is_of_balances]
        assert bool(forbidding) == (missed > FORBIDDEN_SHARE)
        assert all(cut.at(point) > 0 for cut in forbidding)
        found += forbidding
    handed_on = transfer_cuts(found, few.split.parts, every.split.parts, merged.slice_of)
    assert len(handed_on) == 3 * len(found) > 0
    assert all(cut.is_of_balances for cut in handed_on)
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert solution.plan is not None
    plan = columns_from_plan(every.compiled, solution.plan)[every.master.columns] / every.master.scale
    few.blocks.close()
    every.blocks.close()
    assert max(cut.at(plan) for cut in handed_on) <= 1e-6


def test_cuts_of_outages_are_handed_on() -> None:
    """The outages are planned for in the first of equal days; the merged day has the same, with the same cuts."""
    problem = three_days(existing_pods=(1, 1), pod_cny_per_year=1e9, survives=(0, 1))
    merged = merge_days(problem)
    few, every = (Decomposition(each, seed=1, threads=1) for each in (merged.problem, problem))
    few.raise_bound(Control())
    of_outages = [cut for cut in few.program.cuts if cut.is_of_balances]
    assert of_outages
    cuts = transfer_cuts(of_outages, few.split.parts, every.split.parts, merged.block_of(problem))
    assert len(cuts) == len(of_outages)
    point = np.zeros(len(every.master.cost))
    answers = every.blocks.solve(point)
    missed = {cut.part for answer in answers for cut in answer.cuts if cut.is_of_balances}
    assert {cut.part for cut in cuts} <= missed

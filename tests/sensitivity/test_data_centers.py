"""What the work of a data center would cost elsewhere, what keeps it out, and what a closed one could save, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from toy_plans import generous
from toy_problems import random_problem, toy_problem

from optimizer.model.compile import compile_model
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.sensitivity.data_centers import most_saved_if_open, work_elsewhere
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.fixed_integers import FixedIntegerError, FixedProgram, settle, solve_fixed_integers

YEAR_H = 8760.0
WEST = 1
# As in test_why: energy, latency and network of a million tokens of alpha.
EAST_CHAT, WEST_CHAT = 30.0 + 0.3 + 0.01, 14.4 + 2.3 + 0.11
EAST_BATCH, WEST_BATCH = 30.0 + 0.02, 14.4 + 0.22


def best(problem: PlacementProblem, **integers: Any) -> Plan:
    plan = generous(problem)
    plan = replace(plan, new_pods=np.zeros_like(plan.new_pods), **{k: np.array(v) for k, v in integers.items()})
    return solve_fixed_integers(problem, compile_model(problem), plan).plan


def elsewhere(integers: dict[str, Any] | None = None, **options: Any) -> pd.DataFrame:
    problem = toy_problem(**{"demand_mtok_per_h": (100.0, 120.0, 0.0, 0.0)} | options)
    program, fixed = settle(problem, compile_model(problem), best(problem, **integers or {}))
    return work_elsewhere(problem, program, fixed).set_index(["data_center", "other", "kept_out_by"])


def test_work_is_priced_elsewhere_and_what_keeps_it_out_is_named() -> None:
    """West has pods for 100 mtok/h of batch, which saves more there than chat; 20 of batch and all chat are east."""
    found = elsewhere(existing_pods=(10, 2))
    assert tuple(found.loc[("east", "west", "pods")]) == pytest.approx((20.0 * YEAR_H, EAST_BATCH, WEST_BATCH))
    # Chat is not deployed in the west, where batch has taken the pods.
    assert tuple(found.loc[("east", "west", "not_deployed")]) == pytest.approx((100.0 * YEAR_H, EAST_CHAT, WEST_CHAT))
    assert tuple(found.loc[("west", "east", "none")]) == pytest.approx((100.0 * YEAR_H, WEST_BATCH, EAST_BATCH))
    assert len(found) == 3


@pytest.mark.parametrize(
    ("kind", "integers", "options"),
    [
        ("rtt_limit", {}, {"rtt_limit_ms": (20.0, 20.0)}),
        ("closed", {"is_open": [1, 0], "is_deployed": [1, 0, 1, 0]}, {}),
    ],
)
def test_what_keeps_all_work_of_the_east_out_of_the_west(
    kind: str, integers: dict[str, Any], options: dict[str, Any]
) -> None:
    found = elsewhere(integers, **options)
    assert list(found.index) == [("east", "west", kind)]
    assert found["mtok_per_year"].iloc[0] == pytest.approx(220.0 * YEAR_H)


def test_a_least_share_of_the_east_keeps_batch_there() -> None:
    """70 % of 200 mtok/h must stay in the east: chat, which saves less, and 40 of batch."""
    found = elsewhere(demand_mtok_per_h=(100.0, 100.0, 0.0, 0.0), policy={"min_region_share": {"east": 0.7}})
    assert found.loc[("east", "west", "policy"), "mtok_per_year"] == pytest.approx(40.0 * YEAR_H)
    assert found.loc[("east", "west", "not_deployed"), "mtok_per_year"] == pytest.approx(100.0 * YEAR_H)
    assert found.loc[("west", "east", "none"), "mtok_per_year"] == pytest.approx(60.0 * YEAR_H)


def test_indivisible_work_is_kept_by_its_place() -> None:
    pairs = {"is_assigned": [1, 0, 0, 1]}  # alpha east, alpha west, beta east, beta west
    demand = {"demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0)}
    found = elsewhere(pairs, indivisible=(True, False), **demand)
    assert set(found.index) == {("east", "west", "indivisible"), ("west", "east", "indivisible")}


def test_a_plan_that_serves_nothing_has_no_work() -> None:
    assert elsewhere(demand_mtok_per_h=(0.0, 0.0, 0.0, 0.0)).empty


def test_what_a_closed_data_center_could_save() -> None:
    """All chat and batch of alpha go west: 13.5 and 15.4 CNY less each, and both classes are deployed there."""
    problem = toy_problem(demand_mtok_per_h=(100.0, 120.0, 0.0, 0.0), opening_cny_per_year=(0.0, 5e7))
    plan = best(problem, is_open=[1, 0], is_deployed=[1, 0, 1, 0])
    saved = YEAR_H * (100.0 * (EAST_CHAT - WEST_CHAT) + 120.0 * (EAST_BATCH - WEST_BATCH)) - 1000.0 - 2000.0
    assert most_saved_if_open(problem, plan, WEST) == pytest.approx(saved)
    # With a single pod there, batch takes it, which saves more: 50 mtok/h. Half of a deployment is enough for that.
    small = replace(problem, pools=problem.pools.assign(existing_pods=[10, 1], max_new_pods=[0, 0]))
    part = YEAR_H * 50.0 * (EAST_BATCH - WEST_BATCH) - 2000.0 * 50.0 / 120.0
    assert most_saved_if_open(small, plan, WEST) == pytest.approx(part)
    # Nothing pays where energy is dearer.
    dear = replace(problem, energy_price_cny_per_mwh=problem.energy_price_cny_per_mwh * [1.0, 3.0])
    assert most_saved_if_open(dear, plan, WEST) == pytest.approx(0.0, abs=1e-3)
    # A place that must hold pods it cannot have cannot open.
    held = replace(small, pools=small.pools.assign(min_pods=[0, 5]))
    assert most_saved_if_open(held, plan, WEST) == -np.inf


@given(seed=st.integers(0, 2**31))
@settings(max_examples=10)
def test_no_opening_saves_more_than_the_bound_and_the_parts_of_the_work_sum_up(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed))
    problem = replace(problem, classes=problem.classes.assign(max_sites=len(problem.data_centers)))
    compiled = compile_model(problem)
    plan = generous(problem)
    closed = int(seed % len(problem.data_centers))
    at = problem.deployments["data_center_index"].to_numpy(int) == closed
    pools = problem.pools["data_center_index"].to_numpy(int) == closed
    less = replace(
        plan,
        is_open=np.where(np.arange(len(plan.is_open)) == closed, 0, plan.is_open),
        is_deployed=np.where(at, 0, plan.is_deployed),
        new_pods=np.where(pools, 0, plan.new_pods),
        is_assigned=_assigned_elsewhere(problem, closed),
    )
    try:
        program, fixed = settle(problem, compiled, less)
    except FixedIntegerError:
        reject()
    table = work_elsewhere(problem, program, fixed)
    served = np.bincount(
        problem.candidates["data_center_index"],
        problem.weight_h @ fixed.plan.flow_mtok_per_h,
        len(problem.data_centers),
    )
    total = pd.Series(served, index=problem.data_centers["id"])
    parts = table.groupby(["data_center", "other"])["mtok_per_year"].sum()
    assert (parts <= total.reindex(parts.index.get_level_values(0)).to_numpy() * (1 + 1e-9)).all()
    if fixed.plan.is_open[closed]:
        return
    bound = most_saved_if_open(problem, fixed.plan, closed)
    opened = replace(
        fixed.plan,
        is_open=np.where(np.arange(len(plan.is_open)) == closed, 1, fixed.plan.is_open),
        is_deployed=np.where(at, 1, fixed.plan.is_deployed),
        new_pods=np.where(pools, plan.new_pods, fixed.plan.new_pods),
    )
    try:
        settled = settle(problem, compiled, opened)[1]
    except FixedIntegerError:
        return
    if not settled.plan.is_open[closed]:
        return  # Nothing is worth serving there: closed again, and its opening is not paid
    # Only what is unused in the one that opens is given up: the bound holds the whole decisions of the others.
    needed = replace(
        opened,
        is_deployed=np.where(at, settled.plan.is_deployed, opened.is_deployed),
        new_pods=np.where(pools, settled.plan.new_pods, opened.new_pods),
    )
    try:
        exact = FixedProgram(compiled, columns_from_plan(compiled, needed)).solve_cost()[1]
    except FixedIntegerError:
        return
    opening = float(problem.data_centers["opening_cny_per_year"].iloc[closed])
    assert fixed.objective_cny + opening - exact <= bound + 1e-6 * abs(exact) + 1.0


def _assigned_elsewhere(problem: PlacementProblem, closed: int) -> np.ndarray:
    """Assign each indivisible workload to its first data center that stays open; the closed one where it is alone."""
    pairs = problem.indivisible_pairs
    order = pairs.assign(late=pairs["data_center_index"] == closed).sort_values(["workload_index", "late"])
    first = order[~order["workload_index"].duplicated()].index
    return pairs.index.isin(first).astype(np.int64)

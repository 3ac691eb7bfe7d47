"""Why a workload is where it is: each thing that can block a place, with numbers worked by hand."""

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

from network_data.faults import InputError
from optimizer.model.compile import compile_model
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.sensitivity.place_costs import place_prices
from optimizer.sensitivity.placement import PlacementExplanation, explain_workload, find_workload, force_placement
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.fixed_integers import (
    FixedIntegerError,
    FixedProgram,
    fixed_integer_solution,
    settle,
    solve_fixed_integers,
)
from optimizer.text.explanations import describe_placement, describe_workloads

ALPHA_CHAT, ALPHA_BATCH, BETA_CHAT = 0, 1, 2
EAST, WEST = range(2)
YEAR_H = 8760.0
# A million tokens takes 0.04 MWh of IT energy: 30 CNY in the east (500 CNY/MWh, PUE 1.5), 14.4 in the west (300, 1.2).
# West is 20 ms further, 2 CNY of latency for chat and none for batch, and 0.1 or 0.2 CNY of transport.
EAST_CHAT, WEST_CHAT = 30.0 + 0.3 + 0.01, 14.4 + 2.3 + 0.11
CHAT_SAVES, BATCH_SAVES = 13.5, 15.4


def best(problem: PlacementProblem, **integers: Any) -> Plan:
    """Find the best plan with everything open and deployed and nothing bought, unless said otherwise."""
    plan = generous(problem)
    plan = replace(plan, new_pods=np.zeros_like(plan.new_pods), **{k: np.array(v) for k, v in integers.items()})
    return solve_fixed_integers(problem, compile_model(problem), plan).plan


def explain(
    workload: int, integers: dict[str, Any] | None = None, admits: str = "", **options: Any
) -> PlacementExplanation:
    problem = toy_problem(**{"demand_mtok_per_h": (100.0, 120.0, 0.0, 0.0)} | options)
    return explain_workload(problem, best(problem, **integers or {}), workload, admits=admits)


def only_reason(found: PlacementExplanation, kind: str) -> Any:
    (place,) = found.blocked
    assert place.data_center == "west"
    (reason,) = [one for one in place.reasons if one.kind == kind]
    return reason


def test_where_nothing_is_scarce_a_place_costs_what_it_takes() -> None:
    found = explain(ALPHA_CHAT)
    (place,) = found.chosen
    assert (place.data_center, place.share, place.rtt_ms) == ("west", 1.0, 23.0)
    assert place.hours == {"day_0": [(0.0, 24.0)]}
    assert place.routes == [{"nodes": "alpha>coast>inland", "rtt_ms": 23.0, "mtok_per_year": pytest.approx(876000.0)}]
    assert place.price.own == pytest.approx({"energy": 14.4, "latency": 2.3, "network": 0.11})
    assert place.price.limit_prices == {}
    assert found.cny_per_mtok == pytest.approx(WEST_CHAT)
    assert found.blocked == ()
    assert found.next_best is not None
    assert found.next_best.data_center == "east"
    # East is open for nothing else: it is deployed there for 1000 CNY, and given up in the west.
    assert found.next_best.extra_cny_per_year == pytest.approx(100.0 * YEAR_H * CHAT_SAVES)
    assert found.next_best.changes == ("opens East", "deploys Chat at East", "gives up Chat at West")


def test_pods_taken_by_what_saves_more_there() -> None:
    """West has pods for 100 mtok/h. Batch saves 15.4 CNY there and wants 120, so that is what a pod's hour is worth."""
    found = explain(ALPHA_CHAT, existing_pods=(10, 2))
    assert [place.data_center for place in found.chosen] == ["east"]
    assert found.cny_per_mtok == pytest.approx(EAST_CHAT)
    reason = only_reason(found, "pods")
    assert reason.cny_per_mtok == pytest.approx(BATCH_SAVES)
    assert reason.amount == pytest.approx(YEAR_H)
    assert (
        reason.text == "its installed pods are all on in all its hours: worth 15.4000 CNY per million tokens to others"
    )
    assert found.blocked[0].own_cny_per_mtok == pytest.approx(WEST_CHAT)
    assert found.blocked[0].cheaper_by_cny_per_mtok == pytest.approx(CHAT_SAVES)
    # Forced in, chat drives 100 mtok/h of batch out, which is then not deployed there any more (2000 CNY).
    assert found.next_best is not None
    assert found.next_best.extra_cny_per_year == pytest.approx(
        100.0 * YEAR_H * (BATCH_SAVES - CHAT_SAVES) + 1000.0 - 1000.0 - 2000.0
    )
    changes = {"deploys Chat at West", "gives up Chat at East", "gives up Batch at West"}
    assert set(found.next_best.changes) == changes


def test_pods_full_in_some_hours_only() -> None:
    """At night batch wants 60 of the 100 mtok/h in the west; by day 180, and then a pod's hour is worth 15.4 CNY."""
    deployed = {"is_deployed": [1, 0, 1, 1]}
    found = explain(
        ALPHA_CHAT, deployed, existing_pods=(10, 2), profile=(0.5, 1.5), demand_mtok_per_h=(100.0, 120.0, 0.0, 0.0)
    )
    (place,) = found.blocked
    assert [reason.kind for reason in place.reasons] == ["not_deployed", "pods"]
    pods = place.reasons[1]
    assert pods.amount == pytest.approx(YEAR_H / 2)
    assert pods.text.startswith("its installed pods are all on in 4,380 of its 8,760 hours a year: worth ")
    assert pods.cny_per_mtok == pytest.approx(BATCH_SAVES * 1.5 / 2.0)  # weighed with chat's tokens, 3 to 1
    # By night, 50 mtok/h of chat would save 13.5 CNY; by day nothing.
    assert "there would save at most 2.96 million CNY" in place.reasons[0].text


def test_power_used_up() -> None:
    """4 MW in the west feed 100 mtok/h."""
    reason = only_reason(explain(ALPHA_CHAT, it_capacity_mw=(100.0, 4.0)), "it_power")
    assert reason.cny_per_mtok == pytest.approx(BATCH_SAVES)
    assert reason.text.startswith("its IT power is used up in all its hours: worth 15.4000 CNY")


def test_link_full() -> None:
    """One Gbps carries 100 mtok/h of chat, worth 13.5 CNY each; a token of batch takes twice as much."""
    found = explain(ALPHA_BATCH, link_capacity_gbps=(1e3, 1e3, 1.0, 1e3), demand_mtok_per_h=(120.0, 100.0, 0.0, 0.0))
    reason = only_reason(found, "link")
    assert reason.cny_per_mtok == pytest.approx(2 * CHAT_SAVES)
    assert reason.text.startswith("a link on the way is full in all its hours: worth 27.0000 CNY")


def test_rtt_limit() -> None:
    reason = only_reason(explain(ALPHA_CHAT, rtt_limit_ms=(20.0, np.inf)), "rtt_limit")
    assert (reason.amount, reason.unit) == (3.0, "ms")
    assert reason.text == "RTT of 23.0 ms is 3.0 ms over the limit of 20.0 ms"


def test_residency() -> None:
    problem = toy_problem(demand_mtok_per_h=(100.0, 120.0, 0.0, 0.0))
    barred = (problem.candidates["workload_index"] == ALPHA_CHAT) & (problem.candidates["data_center_index"] == WEST)
    problem = replace(
        problem,
        candidates=problem.candidates[~barred].reset_index(drop=True),
        left_out=problem.candidates[barred].assign(late_ms=0.0, is_barred=True, is_unprotected=False),
    )
    found = explain_workload(problem, best(problem), ALPHA_CHAT, admits="residency rule (province) allows")
    assert only_reason(found, "residency").text == "its residency rule (province) does not admit it"
    assert found.next_best is None
    assert "Next best: none; its limits leave it no other data center" in describe_placement(found)


def test_no_second_route() -> None:
    problem = toy_problem(demand_mtok_per_h=(100.0, 120.0, 0.0, 0.0))
    away = (problem.candidates["workload_index"] == ALPHA_CHAT) & (problem.candidates["data_center_index"] == WEST)
    problem = replace(
        problem,
        candidates=problem.candidates[~away].reset_index(drop=True),
        left_out=problem.candidates[away].assign(late_ms=0.0, is_barred=False, is_unprotected=True),
    )
    reason = only_reason(explain_workload(problem, best(problem), ALPHA_CHAT), "second_route")
    assert reason.text == "its route has no second, link-disjoint one within the limit"


def test_closed() -> None:
    integers = {"is_open": [1, 0], "is_deployed": [1, 0, 1, 0]}
    found = explain(ALPHA_CHAT, integers, opening_cny_per_year=(0.0, 5e8))
    reason = only_reason(found, "closed")
    assert reason.cny_per_year == 5e8
    assert reason.text == "closed: opening it costs 500.0 million CNY a year"
    assert {one.kind for one in found.blocked[0].reasons} == {"closed", "not_deployed"}
    assert found.next_best is not None
    assert found.next_best.extra_cny_per_year == pytest.approx(5e8 - 100.0 * YEAR_H * CHAT_SAVES)
    assert found.next_best.changes == ("opens West", "gives up Chat at East", "deploys Chat at West")


def test_not_deployed() -> None:
    found = explain(ALPHA_CHAT, {"is_deployed": [1, 0, 1, 1]})
    reason = only_reason(found, "not_deployed")
    assert reason.cny_per_year == 1000.0
    assert reason.text == (
        "Chat is not deployed there: that costs 1,000 CNY a year; "
        "all of this workload there would save at most 11.8 million CNY a year at the plan's prices"
    )
    assert found.next_best is not None
    assert found.next_best.extra_cny_per_year == pytest.approx(-100.0 * YEAR_H * CHAT_SAVES)


def test_no_more_sites() -> None:
    """Chat may stand in one place; beta keeps it in the east, whatever alpha would rather have."""
    integers = {"is_deployed": [1, 0, 1, 1]}
    both = {"demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0), "max_sites": (1, 2)}
    found = explain(ALPHA_CHAT, integers, **both)
    assert only_reason(found, "max_sites").text == "Chat may stand in 1 place(s), and stands in 1"
    assert found.next_best is None
    assert found.tried[0].obstacle == "Chat may stand in no more than 1 data center(s), all taken by others"
    assert "West: not possible, Chat may stand in no more than 1" in describe_placement(found)
    # Alone, it takes its only place along.
    alone = explain(ALPHA_CHAT, integers, max_sites=(1, 2))
    assert alone.next_best is not None
    assert alone.next_best.changes == ("closes East", "gives up Chat at East", "deploys Chat at West")


def test_indivisible() -> None:
    """Both places are deployed, and beta is served in the west; alpha's single place is the east."""
    pairs = {"is_assigned": [1, 0, 0, 1]}  # alpha east, alpha west, beta east, beta west
    found = explain(ALPHA_CHAT, pairs, indivisible=(True, False), demand_mtok_per_h=(100.0, 0.0, 100.0, 0.0))
    reason = only_reason(found, "indivisible")
    assert reason.text.startswith("it is indivisible, and its single place is another one; all of this workload")
    assert "11.8 million" in reason.text
    assert found.next_best is not None
    assert found.next_best.changes[-1] == "moves its single place"


def test_policy() -> None:
    """70 % must stay in the east: batch, 15.4 CNY, is the last to go. West takes 0.7 of that, east gives 0.3."""
    found = explain(ALPHA_CHAT, demand_mtok_per_h=(100.0, 100.0, 0.0, 0.0), policy={"min_region_share": {"east": 0.7}})
    reason = only_reason(found, "policy")
    assert reason.cny_per_mtok == pytest.approx(0.7 * BATCH_SAVES)
    (place,) = found.chosen
    assert place.price.limit_prices == pytest.approx({"require_region_share": -0.3 * BATCH_SAVES})


def test_pods_are_bought_where_nothing_fits_without() -> None:
    """West has one pod and needs two for chat alone: one is bought, 1.1 million CNY a year, and batch leaves."""
    found = explain(ALPHA_CHAT, {"is_deployed": [1, 0, 1, 1]}, existing_pods=(10, 1))
    assert found.next_best is not None
    assert "buys 1 pod(s) more of Standard at West" in found.next_best.changes
    assert found.next_best.extra_cny_per_year == pytest.approx(
        1.1e6 - 100.0 * YEAR_H * CHAT_SAVES + 50.0 * YEAR_H * BATCH_SAVES - 2000.0
    )
    found = explain(ALPHA_CHAT, {"is_deployed": [1, 0, 1, 1]}, existing_pods=(10, 1), max_new_pods=(0, 0))
    assert found.next_best is None
    assert "it cannot take all of it, whatever else moves" in found.tried[0].obstacle


def test_workload_that_asks_for_nothing() -> None:
    found = explain(BETA_CHAT)
    assert found.chosen == ()
    assert "no place: nothing of it is served" in describe_placement(found)


def test_text_names_places_hours_and_prices() -> None:
    text = describe_placement(explain(ALPHA_CHAT, existing_pods=(10, 2)))
    for words in (
        "Chat of alpha: 876,000 million tokens a year",
        "one more million tokens cost 30.3100 CNY",
        "East (east): 100.0%, all hours, RTT 3.0 ms over alpha > coast",
        "30.3100 CNY per million tokens: energy 30.0000, latency 0.3000, network 0.0100",
        "Next best: West; all of it there would cost 1.66 million CNY a year more (1.8977 CNY per million tokens)",
        "West: 16.8100 CNY per million tokens, 13.5000 less, RTT 23.0 ms",
        "    its installed pods are all on in all its hours",
    ):
        assert words in text


def test_workload_is_found_in_either_order_and_the_nearest_is_named() -> None:
    workloads = pd.DataFrame({"demand_hub": ["alpha", "beta"], "workload_class": ["chat", "batch"]})
    assert find_workload(workloads, "alpha/chat") == find_workload(workloads, "chat/Alpha") == 0
    for text in ("alpa/chat", "chat/alpa"):
        with pytest.raises(InputError, match="Did you mean 'alpha/chat'"):
            find_workload(workloads, text)
    with pytest.raises(InputError, match="has no such workload"):
        find_workload(workloads, "alpha/batch")
    with pytest.raises(InputError, match="Without --workload, all are listed"):
        find_workload(workloads, "x")


def test_workloads_without_prices_are_listed_all_the_same() -> None:
    row = {"workload": "a/b", "mtok_per_year": 1.0, "rtt_ms": 2.0, "data_center": "d", "data_centers": 2}
    text = describe_workloads(pd.DataFrame([row | {"cny_per_mtok": np.nan, "cny_per_year": np.nan}] * 41))
    assert "d and 1 more" in text
    assert "and 1 more; all with --json" in text


# On random problems


def random_plan(seed: int) -> tuple[PlacementProblem, Plan]:
    problem = random_problem(np.random.default_rng(seed))
    problem = replace(problem, classes=problem.classes.assign(max_sites=len(problem.data_centers)))
    try:
        return problem, solve_fixed_integers(problem, compile_model(problem), generous(problem)).plan
    except FixedIntegerError:
        reject()


@given(seed=st.integers(0, 2**31))
@settings(max_examples=12)
def test_own_cost_and_rents_add_up_to_the_price_where_served_and_to_no_less_elsewhere(seed: int) -> None:
    problem, plan = random_plan(seed)
    compiled = compile_model(problem)
    program = FixedProgram(compiled, columns_from_plan(compiled, plan))
    fixed = fixed_integer_solution(problem, program)
    duals = np.concatenate([fixed.row_duals[name].reshape(-1) for name in compiled.rows])
    for w in range(len(problem.workloads)):
        prices = place_prices(problem, program, duals, w)
        candidate = prices.ways["candidate"].to_numpy(int)
        is_way = candidate >= 0
        over = (prices.total - prices.marginal[:, None])[:, is_way]
        size = 1e-6 * np.maximum(1.0, np.abs(prices.total[:, is_way]))
        assert (over >= -size).all()
        least = {r: over[:, candidate[is_way] == r].min(axis=1) for r in np.unique(candidate[is_way])}
        for r, excess in least.items():
            used = fixed.plan.flow_mtok_per_h[:, r] > 1e-6
            assert np.abs(excess[used]).max(initial=0.0) <= size.max()


@given(seed=st.integers(0, 2**31))
@settings(max_examples=8)
def test_forced_cost_is_that_of_a_problem_without_the_other_routes(seed: int) -> None:
    """Whole decisions cost nothing here: which of them stand idle depends on which of several best plans is found."""
    problem, _ = random_plan(seed)
    free = replace(
        problem,
        data_centers=problem.data_centers.assign(opening_cny_per_year=0.0),
        classes=problem.classes.assign(deploy_cny_per_year=0.0),
        pools=problem.pools.assign(pod_cny_per_year=0.0, site_cny_per_year=0.0),
    )
    problem, plan = free, solve_fixed_integers(free, compile_model(free), generous(free)).plan
    compiled = compile_model(problem)
    program, base = settle(problem, compiled, plan)
    rng = np.random.default_rng(seed)
    row = problem.pairs.iloc[int(rng.integers(len(problem.pairs)))]
    w, d = int(row["workload_index"]), int(row["data_center_index"])
    forced = force_placement(problem, program, base, w, d)
    candidates = problem.candidates
    kept = (candidates["workload_index"] != w) | (candidates["data_center_index"] == d)
    alone = replace(problem, candidates=candidates[kept].reset_index(drop=True))
    x = integers_of(alone, problem, base.plan, (w, int(row["class_index"]), d))
    try:
        expected = solve_fixed_integers(alone, compile_model(alone), x).objective_cny - base.objective_cny
    except FixedIntegerError:
        assert forced.extra_cny_per_year is None or any("buys" in change for change in forced.changes)
    else:
        assert forced.extra_cny_per_year == pytest.approx(expected, abs=max(2.0, 1e-7 * abs(base.objective_cny)))


def integers_of(
    alone: PlacementProblem, problem: PlacementProblem, plan: Plan, place: tuple[int, int, int]
) -> FloatArray:
    """Carry the integers over by label; the workload's place is opened, deployed and assigned."""
    w, k, d = place
    columns = ["class_index", "data_center_index"]
    deployed = {
        tuple(key) for key in problem.deployments[columns].to_numpy()[np.asarray(plan.is_deployed) == 1].tolist()
    }
    pairs = problem.indivisible_pairs[["workload_index", "data_center_index"]].to_numpy()
    assigned = {tuple(key) for key in pairs[np.asarray(plan.is_assigned) == 1].tolist() if key[0] != w}
    is_open = np.asarray(plan.is_open).copy()
    is_open[d] = 1
    now = generous(alone)
    own_pairs = alone.indivisible_pairs[["workload_index", "data_center_index"]].to_numpy().tolist()
    return columns_from_plan(
        compile_model(alone),
        replace(
            now,
            is_open=is_open,
            new_pods=plan.new_pods,
            is_deployed=np.array(
                [int((c, p) in deployed | {(k, d)}) for c, p in alone.deployments[columns].to_numpy().tolist()]
            ),
            is_assigned=np.array([int((v, p) in assigned or v == w) for v, p in own_pairs], dtype=np.int64),
        ),
    )

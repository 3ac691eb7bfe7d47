"""Shadow prices: numbers worked by hand, and the same change made to the inputs and solved anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from toy_plans import generous
from toy_problems import random_problem, toy_problem

from optimizer.model.compile import compile_model
from optimizer.numbers import format_cny
from optimizer.problem.problem import GB_PER_GBPS_H, PlacementProblem
from optimizer.sensitivity.duals import workload_growth_cny
from optimizer.sensitivity.price_table import price_lines, top_prices
from optimizer.sensitivity.shadow_prices import PricedPlan, price_plan, shadow_prices
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.fixed_integers import FixedIntegerError, FixedProgram

OTHER_KINDS = {"purchasable_pod", "rtt_limit", "token"}
# A million tokens of chat costs 30 CNY of energy in the east and 14.4 in the west, which is 20 ms and 0.1 CNY of
# transport further: 2 CNY of latency. So one mtok/h that can go west saves 13.5 CNY an hour.
SAVED_CNY = 15.6 - 2.0 - 0.1
YEAR_H = 8760.0


def chat_toy(**options: Any) -> PlacementProblem:
    """Let alpha and beta ask for 100 mtok/h of chat each; nothing may be bought."""
    return toy_problem(demand_mtok_per_h=(100.0, 0.0, 100.0, 0.0), **{"max_new_pods": (0, 0)} | options)


def priced_toy(**options: Any) -> tuple[PricedPlan, pd.DataFrame]:
    problem = chat_toy(**options)
    priced = price_plan(problem, compile_model(problem), generous(problem))
    return priced, shadow_prices(priced).set_index(["kind", "id"])


# Numbers worked by hand


def test_megawatt_where_power_is_full() -> None:
    """West feeds one workload of two with 4 MW: 1 MW more takes 25 mtok/h from the east, 4 MW all there is."""
    _, table = priced_toy(it_capacity_mw=(100.0, 4.0))
    row = table.loc[("it_power", "west")]
    assert row["value"] == pytest.approx(25.0 * SAVED_CNY * YEAR_H)
    assert row["marginal_value"] == pytest.approx(row["value"])
    assert row["unit"] == "CNY per year and MW"
    assert row["holds_to"] == 1.0  # of 10 MW only the first 4 find work
    assert row["sentence"] == "1 MW more of IT power at West is worth 2.96 million CNY a year"
    east = table.loc[("it_power", "east")]
    assert (east["value"], east["sentence"]) == (0.0, "1 MW more of IT power at East is worth nothing in this plan")


def test_pod_in_place_and_leave_to_buy_one() -> None:
    """West has pods for one workload of two: one more takes 50 mtok/h. To buy it costs 1.1 million CNY a year."""
    _, table = priced_toy(existing_pods=(10, 2))
    worth = 50.0 * SAVED_CNY * YEAR_H
    assert table.loc[("existing_pod", "west/standard"), "value"] == pytest.approx(worth)
    leave = table.loc[("purchasable_pod", "west/standard")]
    assert leave["value"] == pytest.approx(worth - 1.1e6)
    assert leave["unit"] == "CNY per year and pod"
    assert leave["sentence"] == "leave to buy 1 more pod of Standard at West is worth 4.81 million CNY a year"
    assert table.loc[("existing_pod", "east/standard"), "value"] == 0.0


def test_leave_to_buy_is_worth_nothing_where_a_pod_does_not_pay() -> None:
    _, table = priced_toy(existing_pods=(10, 2), pod_cny_per_year=9.9e6)
    row = table.loc[("purchasable_pod", "west/standard")]
    assert row["value"] == 0.0
    assert "would earn 5.91 million CNY a year and cost 10 million CNY" in row["sentence"]
    _, table = priced_toy(existing_pods=(10, 1), max_new_pods=(0, 9))
    assert "as many as pay may be bought already" in table.loc[("purchasable_pod", "west/standard"), "sentence"]


def test_link_is_worth_less_than_its_margin_where_little_is_left_to_carry() -> None:
    """The link west carries 100 mtok/h in 1 Gbps; of 100 Gbps more, the other workload needs one."""
    _, table = priced_toy(link_capacity_gbps=(1000.0, 1000.0, 1.0, 1000.0))
    row = table.loc[("link", "coast_inland")]
    assert row["value"] == pytest.approx(100.0 * SAVED_CNY * YEAR_H)
    assert row["marginal_value"] == pytest.approx(100.0 / 0.01 * SAVED_CNY * YEAR_H)
    assert row["unit"] == "CNY per year and 100 Gbps"
    assert row["sentence"] == "100 Gbps more on link coast_inland is worth 11.8 million CNY a year"
    assert "alpha_coast" not in table.loc["link"].index  # cannot bind, so it is no limit


def test_millisecond_is_worth_what_comes_into_reach_with_it() -> None:
    """Beta is 25 ms from the west. A limit of 24.5 ms lets only alpha go; one of 23.5 ms is 1.5 ms short."""
    _, table = priced_toy(rtt_limit_ms=(24.5, np.inf))
    row = table.loc[("rtt_limit", "chat")]
    assert row["value"] == pytest.approx(100.0 * SAVED_CNY * YEAR_H)
    assert (row["unit"], row["step"]) == ("CNY per year and ms", 1.0)
    assert row["sentence"] == "1 ms more of RTT for Chat is worth 11.8 million CNY a year"
    _, table = priced_toy(rtt_limit_ms=(23.5, np.inf))
    row = table.loc[("rtt_limit", "chat")]
    assert row["value"] == pytest.approx(100.0 * SAVED_CNY * YEAR_H / 1.5)
    assert row["step"] == row["holds_to"] == 1.5
    assert (
        "1.5 ms more of RTT for Chat is worth 11.8 million CNY a year (7.88 million CNY a ms), and less"
        in row["sentence"]
    )
    assert ("rtt_limit", "batch") not in table.index  # has no limit


def test_millisecond_is_worth_exactly_nothing_where_no_route_would_be_used() -> None:
    """With power dearer in the west nobody would go there, in reach or not."""
    problem = chat_toy(rtt_limit_ms=(24.5, np.inf), energy_price_cny_per_mwh=((300.0, 900.0),))
    plan = generous(problem)
    priced = price_plan(problem, compile_model(problem), plan)
    row = shadow_prices(priced).set_index(["kind", "id"]).loc[("rtt_limit", "chat")]
    assert row["value"] == 0.0
    assert "worth nothing while deployments" in row["sentence"]


def test_closed_data_center_gains_nothing() -> None:
    """Everything fits in the west; the east is taken back, and more of anything there is of no use."""
    _, table = priced_toy(opening_cny_per_year=(1e6, 1e6))
    for kind, name in (("it_power", "east"), ("existing_pod", "east/standard"), ("purchasable_pod", "east/standard")):
        assert table.loc[(kind, name), "value"] == 0.0
        assert "East is closed" in table.loc[(kind, name), "sentence"]


def test_token_costs_what_it_takes_to_serve_it() -> None:
    """West has room: 14.4 CNY of energy, 0.1 CNY a ms over 23 or 25 ms, transport 11 or 11 CNY per Gbps h."""
    _, table = priced_toy()
    tokens = table.loc["token"]
    assert tokens.loc["alpha/chat", "value"] == pytest.approx(14.4 + 2.3 + 0.11)
    assert tokens.loc["beta/chat", "value"] == pytest.approx(14.4 + 2.5 + 0.11)
    assert tokens.loc["chat", "value"] == pytest.approx(14.4 + 2.4 + 0.11)
    assert (
        tokens.loc["chat", "sentence"] == "1 million tokens more of Chat cost 16.9100 CNY, the mean of its demand hubs"
    )
    assert "alpha/batch" not in tokens.index  # asks for nothing


# Against the same change made to the inputs


def cost_cny(problem: PlacementProblem, integers: np.ndarray) -> float:
    return FixedProgram(compile_model(problem), integers).solve().cost_cny


def cost_or_inf_cny(problem: PlacementProblem, integers: np.ndarray) -> float:
    try:
        return cost_cny(problem, integers)
    except FixedIntegerError:
        return np.inf


def looser(name: str, value: float) -> Callable[[PlacementProblem], PlacementProblem]:
    changes: dict[str, Any] = {name: value}
    return lambda problem: replace(problem, policy=replace(problem.policy, **changes))


def less_in(region: str, share: float) -> Callable[[PlacementProblem], PlacementProblem]:
    return lambda problem: looser("min_region_share", {**problem.policy.min_region_share, region: share})(problem)  # type: ignore[arg-type]


def more(table: str, column: str, row: int, amount: float) -> Callable[[PlacementProblem], PlacementProblem]:
    def change(problem: PlacementProblem) -> PlacementProblem:
        moved = getattr(problem, table).copy()
        moved[column] = moved[column].astype(float)
        moved.loc[row, column] += amount
        changes: dict[str, Any] = {table: moved}
        return replace(problem, **changes)

    return change


# Drawn problems in which, between them, power, pods, leave to buy, links, round trips, the carbon cap, the green share
# and the utilization have a price; most draws have none. Each is priced once for the three tests.
SEEDS = (4, 5, 10, 11, 15, 19, 30, 38, 98)


@cache
def random_priced(seed: int) -> tuple[PricedPlan, pd.DataFrame]:
    problem = random_problem(np.random.default_rng(seed))
    problem = replace(problem, classes=problem.classes.assign(max_sites=len(problem.data_centers), min_share=0.0))
    plan = generous(problem)
    if seed % 2:
        plan = replace(plan, new_pods=np.zeros_like(plan.new_pods))
    priced = price_plan(problem, compile_model(problem), plan)
    return priced, shadow_prices(priced)


@pytest.mark.parametrize("seed", SEEDS)
def test_prices_are_finite_differences(seed: int) -> None:
    priced, table = random_priced(seed)
    problem, integers = priced.problem, priced.program.integers
    now = cost_cny(problem, integers)
    tolerance = max(2.0, 1e-7 * abs(now))
    by_id = table.set_index(["kind", "id"])
    is_token = table["kind"] == "token"
    assert (table["marginal_value"].fillna(np.inf) >= table["value"].fillna(-np.inf) - tolerance)[~is_token].all()
    names = problem.data_centers["id"].tolist()
    pools = [
        f"{names[d]}/{problem.accelerators['id'].iloc[a]}"
        for d, a in problem.pools[["data_center_index", "accelerator_index"]].to_numpy()
    ]
    changes = [("it_power", name, more("data_centers", "it_capacity_mw", d, 1.0)) for d, name in enumerate(names)]
    changes += [("existing_pod", name, more("pools", "existing_pods", p, 1)) for p, name in enumerate(pools)]
    changes += [
        ("link", problem.links["id"].iloc[link], more("links", "capacity_gbps", link, 100.0))
        for link in np.flatnonzero(problem.links["is_limiting"])
    ]
    policy = problem.policy
    changes += [("region_share", name, less_in(name, policy.min_region_share[name] - 0.01)) for name in policy.regions]
    changes += [
        (kind, "plan", looser(name, getattr(policy, name) + amount))
        for kind, name, amount in (
            ("carbon_cap", "carbon_cap_t_per_year", 1.0),
            ("spending_limit", "spending_limit_cny_per_year", 1e6),
            ("green_share", "min_green_share", -0.01),
            ("utilization", "min_utilization_share", -0.01),
        )
        if getattr(policy, name)
    ]
    assert set(table["kind"]) == {kind for kind, _, _ in changes} | OTHER_KINDS & set(table["kind"])
    for kind, name, change in changes:
        saved = now - cost_or_inf_cny(change(problem), integers)
        row = by_id.loc[(kind, name)]
        expected = saved if np.isfinite(saved) else np.nan
        assert row["value"] == pytest.approx(expected, abs=tolerance, nan_ok=True), (kind, name)
        if row["holds_to"] > row["step"]:
            assert row["value"] > 0
    new = priced.compiled.columns["NewPods"].columns
    bought = integers[new]
    for p, name in enumerate(pools):
        is_open = priced.fixed.plan.is_open[problem.pools["data_center_index"].iloc[p]]
        one_more = integers.copy()
        one_more[new.start + p] += 1
        if is_open and bought[p] == problem.pools["max_new_pods"].iloc[p]:
            saved = now - cost_or_inf_cny(more("pools", "max_new_pods", p, 1)(problem), one_more)
            assert by_id.loc[("purchasable_pod", name), "value"] == pytest.approx(max(saved, 0.0), abs=tolerance)
        else:
            assert by_id.loc[("purchasable_pod", name), "value"] == 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_price_of_a_longer_limit_is_a_finite_difference(seed: int) -> None:
    """The candidates are made anew from the routes, with nothing that the prices were made from."""
    priced, table = random_priced(seed)
    problem, integers = priced.problem, priced.program.integers
    limits = table[table["kind"] == "rtt_limit"].set_index("id")
    assert set(limits.index) >= set(problem.classes["id"][np.isfinite(problem.classes["rtt_limit_ms"])])
    now = cost_cny(problem, integers)
    for k, name in enumerate(problem.classes["id"]):
        if name not in limits.index:
            continue
        for step_ms in (1.0, 5.0, limits.loc[name, "step"]):
            if np.isnan(step_ms) or step_ms > np.nan_to_num(limits.loc[name, "step"], nan=np.inf):
                continue  # what lies further is not told
            saved = now - cost_with_limit(priced, k, step_ms, integers)
            expected = limits.loc[name, "value"] * step_ms if step_ms == limits.loc[name, "step"] else 0.0
            assert saved == pytest.approx(expected, abs=max(2.0, 1e-7 * abs(now))), (name, step_ms)


def cost_with_limit(priced: PricedPlan, k: int, step_ms: float, integers: np.ndarray) -> float:
    problem = priced.problem
    deployed = set(map(tuple, problem.deployments.to_numpy()[np.asarray(priced.fixed.plan.is_deployed) == 1].tolist()))
    assigned = set(
        map(
            tuple,
            problem.indivisible_pairs[["workload_index", "data_center_index"]]
            .to_numpy()[np.asarray(priced.fixed.plan.is_assigned) == 1]
            .tolist(),
        )
    )
    known = set(map(tuple, problem.candidates[["workload_index", "route_index"]].to_numpy().tolist()))
    limit_ms = problem.classes["rtt_limit_ms"].iloc[k] + step_ms + 1e-9
    new = []
    for w, hub in enumerate(problem.workloads["demand_hub"]):
        if problem.workloads["class_index"].iloc[w] != k:
            continue
        for r, route in problem.routes.iterrows():
            d = int(route["data_center_index"])
            single = problem.workloads["is_indivisible"].iloc[w] and (w, d) not in assigned
            if route["demand_hub"] != hub or (w, r) in known or route["rtt_ms"] > limit_ms or single:
                continue
            if (k, d) in deployed:
                gbps = problem.classes["gbps_per_mtok_per_h"].iloc[k]
                transfer = problem.data_transfer_cny_per_gb * GB_PER_GBPS_H * route["is_transfer"]
                network = route["network_cny_per_gbps_h"]
                new.append((w, d, r, route["rtt_ms"], gbps * network, gbps * transfer))
    if not new:
        return cost_cny(problem, integers)
    columns = problem.candidates.columns
    table = pd.concat([problem.candidates, pd.DataFrame(new, columns=columns)])
    table = table.sort_values(list(columns[:3]), ignore_index=True)
    longer = replace(problem, candidates=table, links=problem.links.assign(is_limiting=True))
    before, after = compile_model(problem), compile_model(longer)
    x = np.zeros(len(after.cost))
    for variable in ("NewPods", "Open", "Deploy", "Assign"):
        x[after.columns[variable].columns] = integers[before.columns[variable].columns]
    return FixedProgram(after, x).solve().cost_cny


@pytest.mark.parametrize("seed", SEEDS)
def test_token_cost_lies_between_what_one_more_and_one_less_would_change(seed: int) -> None:
    """Where the optimum has a kink the two differ, and the price is one of the slopes between them."""
    priced, _ = random_priced(seed)
    problem, integers = priced.problem, priced.program.integers
    growth = workload_growth_cny(problem, priced.fixed)
    share = 1e-4
    now = cost_cny(problem, integers)
    for w in range(len(problem.workloads)):
        slopes = []
        for sign in (-1.0, 1.0):
            factor = np.ones(len(problem.workloads))
            factor[w] += sign * share
            try:
                then = cost_cny(
                    replace(
                        problem,
                        demand_mtok_per_h=problem.demand_mtok_per_h * factor,
                        backlog_limit_mtok=problem.backlog_limit_mtok * factor,
                        servable_mtok_per_h=problem.servable_mtok_per_h * factor,
                        shed_limit_mtok_per_h=problem.shed_limit_mtok_per_h * factor,
                    ),
                    integers,
                )
            except FixedIntegerError:
                then = np.inf
            slopes.append(sign * (then - now) / share)
        tolerance = max(2.0, 1e-7 * abs(now)) / share * 1e-2
        assert slopes[0] - tolerance <= growth[w] <= slopes[1] + tolerance


def test_min_share_makes_tokens_dearer() -> None:
    """Chat must keep 30 % in each place: of one more million tokens the dear east takes 0.3."""
    _, table = priced_toy(min_share=(0.3, 0.0))
    west, east = 14.4 + 2.3 + 0.11, 30.0 + 0.3 + 0.01
    assert table.loc[("token", "alpha/chat"), "value"] == pytest.approx(0.7 * west + 0.3 * east)


# Words


def test_top_prices_are_the_largest_of_each_kind() -> None:
    _, table = priced_toy(existing_pods=(10, 2), it_capacity_mw=(100.0, 100.0))
    top = top_prices(table.reset_index(), count=2, each=1)
    assert top["kind"].tolist() == ["existing_pod", "purchasable_pod"]
    lines = price_lines(table.reset_index())
    assert lines[0].startswith("At the margin")
    assert lines[1] == "  1 more pod of Standard in place at West is worth 5.91 million CNY a year"
    assert lines[-1].startswith("  1 million tokens more cost ")
    assert price_lines(pd.DataFrame(columns=table.reset_index().columns)) == []


@pytest.mark.parametrize(
    ("cny", "words"),
    [
        (420_000.0, "0.42 million CNY"),
        (2_956_500.0, "2.96 million CNY"),
        (123.4e6, "123.4 million CNY"),
        (87.0, "87 CNY"),
    ],
)
def test_money_is_spelled_in_millions_from_ten_thousand_on(cny: float, words: str) -> None:
    assert format_cny(cny) == words


def test_only_rows_that_stay_can_be_moved() -> None:
    problem = chat_toy()
    compiled = compile_model(problem)
    program = FixedProgram(compiled, columns_from_plan(compiled, generous(problem)))
    rows = compiled.rows["switch_on_installed_pods"].rows
    with pytest.raises(ValueError, match="only rows that stay"):
        program.saving_with_more(np.arange(rows.start, rows.stop), np.ones(rows.stop - rows.start))

"""The waterfall between two cases: by hand, on random problems, and on pairs of reduced shipped cases."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from compared import PLANS, plan_of
from toy_problems import random_problem
from two_cases import (
    CHEAP_WEST,
    DEAR_WEST,
    EAST_CNY,
    EAST_LATENCY_CNY,
    EAST_MW,
    EAST_PRICE,
    HOURS,
    WEST_LATENCY_CNY,
    WEST_MW,
    one_workload,
    solved_case,
    west_cny,
)

from optimizer.checker.check import check_plan
from optimizer.comparison import effects
from optimizer.comparison.carried_plans import carry_plan
from optimizer.comparison.effects import Waterfall, build_waterfall
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.runs.run import Run


def heights(waterfall: Waterfall) -> dict[tuple[str, str], float]:
    bars = waterfall.bars
    return dict(zip(zip(bars["kind"], bars["component"], strict=True), bars["cny_per_year"], strict=True))


def assert_sums(waterfall: Waterfall, first: Run, second: Run) -> None:
    """See that the bars lead from the first cost to the second, each beginning where the one before ends."""
    bars = waterfall.bars
    between = bars.iloc[1:-1]
    difference = second.checked_cost_cny - first.checked_cost_cny
    size = max(abs(first.checked_cost_cny), abs(second.checked_cost_cny), 1.0)
    assert abs(math.fsum(between["cny_per_year"]) - difference) <= 1e-9 * max(abs(difference), 1e-6 * size)
    assert waterfall.difference_cny == pytest.approx(difference, rel=1e-12)
    ends = [first.checked_cost_cny, *between["to_cny_per_year"]]
    assert between["from_cny_per_year"].tolist() == pytest.approx(ends[:-1], rel=1e-12)
    assert ends[-1] == pytest.approx(second.checked_cost_cny, rel=1e-12)


def test_dearer_western_power_by_hand() -> None:
    first, second = solved_case("cheap", one_workload(CHEAP_WEST)), solved_case("dear", one_workload(DEAR_WEST))
    assert first.checked_cost_cny == pytest.approx(west_cny(CHEAP_WEST))
    assert second.checked_cost_cny == pytest.approx(EAST_CNY)
    waterfall = build_waterfall(first, second)
    assert waterfall.reason == ""
    assert heights(waterfall) == pytest.approx(
        {
            ("start", ""): west_cny(CHEAP_WEST),
            ("price", "energy"): WEST_MW * (DEAR_WEST - CHEAP_WEST) * HOURS,
            ("reoptimize", "energy"): EAST_MW * EAST_PRICE * HOURS - WEST_MW * DEAR_WEST * HOURS,
            ("reoptimize", "latency"): EAST_LATENCY_CNY - WEST_LATENCY_CNY,
            ("end", ""): EAST_CNY,
        }
    )
    assert_sums(waterfall, first, second)
    back = build_waterfall(second, first)
    assert back.difference_cny == pytest.approx(-waterfall.difference_cny)
    # The eastern plan costs the same whatever the west charges: going back, all is gained by re-optimizing.
    assert back.total_cny("price") == 0.0
    assert back.total_cny("reoptimize") == pytest.approx(-waterfall.difference_cny)


def test_other_demand_leaves_no_plan_and_says_so() -> None:
    more = one_workload(demand_mtok_per_h=(150.0, 0.0, 0.0, 0.0))
    first, second = solved_case("less", one_workload()), solved_case("more", more)
    waterfall = build_waterfall(first, second)
    assert waterfall.reason == (
        "other demand: breaks (1a) serve_demand at chat alpha, day_0 00:00: 100 against 150 mtok_per_h"
    )
    assert set(waterfall.bars["kind"]) == {"start", "change", "end"}
    assert_sums(waterfall, first, second)
    # Half as much again of everything, at the same place.
    assert waterfall.total_cny("change") == pytest.approx(0.5 * west_cny(CHEAP_WEST))


def test_closed_route_is_named() -> None:
    near = one_workload()
    keep = (near.candidates["data_center_index"] == 0).to_numpy()
    east_only = replace(near, candidates=near.candidates[keep].reset_index(drop=True))
    waterfall = build_waterfall(solved_case("all", near), solved_case("east", east_only))
    assert waterfall.reason.startswith("other routes within limits: allocation: 1 row(s) name a candidate")
    assert "alpha, chat, west" in waterfall.reason


def test_a_limit_on_power_is_named_with_its_number() -> None:
    small = one_workload(it_capacity_mw=(100.0, 3.0))
    waterfall = build_waterfall(solved_case("wide", one_workload()), solved_case("small", small))
    text = "other data centers: breaks (5) limit_it_power at west, day_0 00:00: 4 against 3 mw"
    assert waterfall.reason == text


def test_demand_charge_follows_what_the_plan_draws_under_another_pue() -> None:
    charge = {"demand_charge_cny_per_kw_month": (0.0, 10.0)}
    first = solved_case("tight", one_workload(**charge))
    second = solved_case("loose", one_workload(**charge, pue=(1.5, 1.5)))
    carried = carry_plan(first, second)
    assert carried.is_plan
    assert carried.component_cny["demand_charge"] == pytest.approx(4.0 * 1.5 * 1000 * 10.0 * 12)


def test_case_like_the_reference_has_no_bars() -> None:
    first = solved_case("one", one_workload())
    second = solved_case("two", one_workload())
    assert build_waterfall(first, second).bars["kind"].tolist() == ["start", "end"]


def test_rounding_of_sums_is_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network cost of -2.98e-14 million CNY a year stood in text, page and chart."""

    def costs(energy: float, network: float) -> SimpleNamespace:
        parts = pd.Series({"energy": energy, "network": network})
        return SimpleNamespace(
            case_id=str(energy), component_cny=parts, checked_cost_cny=parts.sum(), is_plan=True, reason=""
        )

    first, carried, second = costs(1.5e9, 9e6), costs(1.6e9, 9e6 - 2.98e-8), costs(1.6e9 - 4e6, 9e6 + 500.0)
    monkeypatch.setattr(effects, "carry_plan", lambda *_: carried)
    bars = build_waterfall(first, second).bars  # type: ignore[arg-type]
    assert list(zip(bars["kind"], bars["component"], strict=True)) == [
        ("start", ""), ("price", "energy"), ("reoptimize", "energy"), ("reoptimize", "network"), ("end", ""),
    ]  # fmt: skip
    assert bars["cny_per_year"].tolist() == pytest.approx([1.509e9, 1e8, -4e6, 500.0, 1.6050005e9])


def test_plan_is_found_by_labels_not_by_position() -> None:
    first, dear = one_workload(CHEAP_WEST), one_workload(DEAR_WEST)
    # The same two data centers in the other order: every index of the problem turns round.
    swap = np.array([1, 0])
    turned = replace(
        dear,
        data_centers=dear.data_centers.iloc[swap].reset_index(drop=True),
        pools=dear.pools.iloc[swap].reset_index(drop=True).assign(data_center_index=[0, 1]),
        routes=dear.routes.assign(data_center_index=1 - dear.routes["data_center_index"]),
        candidates=dear.candidates.assign(data_center_index=1 - dear.candidates["data_center_index"]),
        energy_price_cny_per_mwh=dear.energy_price_cny_per_mwh[:, swap],
    )
    case, other, same = solved_case("a", first), solved_case("b", turned), solved_case("b", dear)
    assert differs_in_prices_alone(first, dear)
    assert not differs_in_prices_alone(first, turned)
    assert heights(build_waterfall(case, other)) == pytest.approx(heights(build_waterfall(case, same)))


@pytest.mark.parametrize(("seed", "factor"), [(0, 0.5), (3, 1.5), (5, 1.5), (8, 0.5), (11, 1.5)])
def test_bars_sum_and_the_short_cut_equals_the_full_check(seed: int, factor: float) -> None:
    problem = random_problem(np.random.default_rng(seed), 2)
    rng = np.random.default_rng(seed + 1)
    prices = problem.energy_price_cny_per_mwh * rng.choice([factor, 1.0], problem.energy_price_cny_per_mwh.shape)
    dearer = replace(problem, energy_price_cny_per_mwh=prices, carbon_price_cny_per_t=80.0)
    first, second = solved_case("first", problem), solved_case("second", dearer)
    for one, two in ((first, second), (second, first)):
        waterfall = build_waterfall(one, two)
        assert_sums(waterfall, one, two)
        report = check_plan(two.problem, one.plan)
        assert bool(waterfall.reason) != report.is_feasible
        if not waterfall.reason:
            assert carry_plan(one, two).cost_cny == pytest.approx(report.total_cny, rel=1e-12)
            # No plan of another case is cheaper than the optimum, but for the solver's tolerance.
            assert waterfall.total_cny("reoptimize") <= 1e-6 * two.checked_cost_cny


@pytest.mark.parametrize("first", PLANS)
@pytest.mark.parametrize("second", PLANS)
def test_bars_sum_on_every_pair_of_the_reduced_scenario(first: str, second: str) -> None:
    one, two = plan_of(first), plan_of(second)
    waterfall = build_waterfall(one, two)
    assert_sums(waterfall, one, two)
    back = build_waterfall(two, one)
    assert back.difference_cny == -waterfall.difference_cny
    if first == second:
        assert waterfall.bars["kind"].tolist() == ["start", "end"]

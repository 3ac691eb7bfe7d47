"""Regret: by hand, its diagonal and signs, plans that are none, and hours and routes chosen anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from compared import PLANS, plan_of
from reduced import GAP
from two_cases import CHEAP_WEST, DEAR_WEST, EAST_CNY, one_workload, solved_case, west_cny
from worked_plan import EAST, WEST

from optimizer.checker.check import check_plan
from optimizer.comparison.carried_plans import Redispatcher
from optimizer.comparison.effects import Regret, find_regret
from optimizer.runs.run import Run


def regret_of(regret: Regret, plan: str, under: str) -> float:
    return float(regret.matrix_cny.loc[plan, under])


def test_two_data_centers_by_hand() -> None:
    cheap, dear = solved_case("cheap", one_workload(CHEAP_WEST)), solved_case("dear", one_workload(DEAR_WEST))
    regret = find_regret([cheap, dear])
    west, east = west_cny(DEAR_WEST) - EAST_CNY, EAST_CNY - west_cny(CHEAP_WEST)
    assert regret.matrix_cny.loc[["cheap", "dear"], ["cheap", "dear"]].to_numpy().tolist() == [
        [0.0, pytest.approx(west)],
        [pytest.approx(east), 0.0],
    ]
    # Staying in the west would cost 13.3 million where it is dear, going east 11.9 million where it was cheap.
    assert (west, east) == pytest.approx((13_315_200.0, 11_913_600.0))
    assert regret.minimax_plan == "dear"
    assert regret.is_minimax_proved
    assert regret.plans["worst_under"].tolist() == ["cheap", "dear"]
    assert regret.improvable.empty


def test_no_plan_there_is_a_reason_and_no_number() -> None:
    small = solved_case("small", one_workload())
    large = solved_case("large", one_workload(demand_mtok_per_h=(150.0, 0.0, 0.0, 0.0)))
    regret = find_regret([small, large])
    pairs = regret.pairs.set_index(["plan", "under"])
    assert pairs["reason"]["small", "large"].startswith("other demand: breaks (1a)")
    assert pairs["reason"]["large", "small"].startswith("other demand: breaks (1a)")
    assert np.isnan(pairs["regret_cny_per_year"]["small", "large"])
    assert regret.plans["no_plan_under"].tolist() == [1, 1]
    assert regret.minimax_plan == ""
    assert not regret.is_minimax_proved
    # With hours and routes chosen anew both can do it: 150 mtok/h need a third of the ten pods in place.
    again = find_regret([small, large], redispatch=True)
    assert again.matrix_cny.to_numpy() == pytest.approx(np.zeros((2, 2)), abs=1.0)


def test_case_whose_own_solve_missed_a_better_plan_is_named() -> None:
    good = solved_case("good", one_workload())
    plan = solved_case("dear", one_workload(DEAR_WEST)).plan
    poor = Run.of_plan(good.problem, plan, name="poor", bound_cny_per_year=1.0e6)
    regret = find_regret([good, poor])
    missed = EAST_CNY - west_cny(CHEAP_WEST)
    assert regret_of(regret, "good", "poor") == pytest.approx(-missed)
    assert regret.improvable.to_dict("records") == [
        {"case": "poor", "plan": "good", "saving_cny_per_year": pytest.approx(missed)}
    ]
    pairs = regret.pairs.set_index(["plan", "under"])
    # Against the best plan known nothing is negative, and the poor case regrets its own plan.
    assert pairs["least_regret_cny_per_year"]["poor", "poor"] == pytest.approx(missed)
    assert pairs["least_regret_cny_per_year"]["good", "poor"] == 0.0
    assert pairs["most_regret_cny_per_year"]["good", "poor"] == pytest.approx(good.checked_cost_cny - 1.0e6)


def test_redispatch_keeps_what_was_bought_and_moves_the_rest() -> None:
    # No pod stands anywhere; a pod is 1 million a year. Chat buys two pods where it goes, and stays there.
    bought = {"existing_pods": (0, 0), "site_cny_per_year": (0.0, 0.0)}
    cheap = solved_case("cheap", one_workload(CHEAP_WEST, **bought))
    dear = solved_case("dear", one_workload(DEAR_WEST, **bought))
    assert cheap.plan.new_pods.tolist() == [0, 2]
    held = Redispatcher(dear).carry(cheap)
    assert held.plan is not None
    assert held.plan.new_pods.tolist() == [0, 2]
    assert held.cost_cny == pytest.approx(west_cny(DEAR_WEST) + 2.0e6)
    # Where pods stand at both ends and both are open, hours and routes alone bring it home.
    both = {"existing_pods": (10, 10)}
    stays = solved_case("stays", one_workload(CHEAP_WEST, **both))
    is_open, deployed = stays.plan.is_open.copy(), stays.plan.is_deployed.copy()
    is_open[EAST], deployed[0] = 1, 1
    prepared = Run.of_plan(stays.problem, replace(stays.plan, is_open=is_open, is_deployed=deployed), name="stays")
    assert check_plan(prepared.problem, prepared.plan).is_feasible
    moved = Redispatcher(solved_case("dear", one_workload(DEAR_WEST, **both))).carry(prepared)
    assert moved.plan is not None
    assert moved.cost_cny == pytest.approx(EAST_CNY)
    assert moved.plan.is_open[WEST] == 1


def test_redispatch_names_what_the_decisions_lack() -> None:
    near = one_workload()
    east_only = one_workload(it_capacity_mw=(100.0, 0.0))
    held = Redispatcher(solved_case("east", east_only)).carry(solved_case("west", near))
    assert not held.is_plan
    assert held.reason.startswith("other data centers: ")
    assert np.isnan(held.cost_cny)


@pytest.fixture(scope="module")
def shipped() -> list[Run]:
    return [plan_of(case) for case in PLANS]


@pytest.fixture(scope="module")
def fixed(shipped: list[Run]) -> Regret:
    return find_regret(shipped)


@pytest.fixture(scope="module")
def redispatched(shipped: list[Run]) -> Regret:
    return find_regret(shipped, redispatch=True)


@pytest.mark.parametrize("kind", ["fixed", "redispatched"])
def test_diagonal_is_zero_and_no_entry_is_negative_beyond_the_gap(kind: str, request: pytest.FixtureRequest) -> None:
    regret: Regret = request.getfixturevalue(kind)
    matrix = regret.matrix_cny
    assert np.diag(matrix).tolist() == [0.0] * len(PLANS)
    for case in PLANS:
        plan = plan_of(case)
        below = plan.checked_cost_cny - plan.bound_cny_per_year
        assert matrix[case].min() >= -below * (1 + 1e-9)
        assert below <= GAP * plan.checked_cost_cny
    known = regret.pairs[regret.pairs["reason"] == ""]
    assert (known["least_regret_cny_per_year"] >= 0).all()
    assert (known["least_regret_cny_per_year"] <= known["most_regret_cny_per_year"]).all()


def test_prices_alone_leave_every_plan_a_plan_and_other_limits_do_not(fixed: Regret) -> None:
    pairs = fixed.pairs.set_index(["plan", "under"])["reason"]
    for plan in ("reference", "carbon_50", "carbon_100", "same"):
        for under in ("reference", "carbon_50", "carbon_100", "same"):
            assert pairs[plan, under] == ""
        assert "fast_chat" not in pairs[plan, "fast_chat"]
        assert "routes within limits" in pairs[plan, "fast_chat"]
    assert regret_of(fixed, "reference", "same") == 0.0


def test_redispatch_never_costs_more_than_leaving_all_as_it_is(fixed: Regret, redispatched: Regret) -> None:
    left, chosen = fixed.matrix_cny, redispatched.matrix_cny
    has_both = left.notna() & chosen.notna()
    excess = (chosen - left).where(has_both, 0.0)
    assert (excess <= 1e-7 * plan_of("reference").checked_cost_cny).all(axis=None)
    assert int(chosen.notna().sum().sum()) >= int(left.notna().sum().sum())


def test_order_of_cases_does_not_matter(shipped: list[Run], fixed: Regret) -> None:
    turned = find_regret(shipped[::-1])
    pd.testing.assert_frame_equal(turned.matrix_cny.loc[list(PLANS), list(PLANS)], fixed.matrix_cny)
    pd.testing.assert_frame_equal(turned.plans, fixed.plans)
    pd.testing.assert_frame_equal(turned.improvable, fixed.improvable)
    assert turned.minimax_plan == fixed.minimax_plan

"""The full cost, spare pods, hourly moves and limits in use, worked by hand on the two-metro toy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy_problems import toy_problem

from optimizer.checker.check import check_plan
from optimizer.checker.facts import PlanFacts
from optimizer.checker.full_cost import full_cost, spare_draw
from optimizer.runs.accounts import full_cost_numbers, hourly_moves, limit_use
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole

YEAR_H = 8760.0
# Chat alone, 100 mtok/h of each metro on 2 pods of 10 accelerators; a pod costs a million a year and idles at 1 MW.
FREE: dict[str, Any] = {
    "demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0),
    "latency_cny_per_ms_per_mtok": (0.0, 0.0),
    "link_cny_per_gbps_h": (0.0,) * 4,
    "deploy_cny_per_year": (0.0, 0.0),
}


def solved(**options: Any) -> PlanFacts:
    problem = toy_problem(**FREE | options)
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert solution.plan is not None
    return PlanFacts(problem, solution.plan)


def test_accelerators_in_place_cost_what_new_ones_would() -> None:
    """All 200 mtok/h run in the west on 4 of its 10 pods; the east's 10 stand idle."""
    cost = full_cost(solved(), 5.0e6)
    assert cost.used_stock_cny == pytest.approx(4 * 1.0e6)
    assert cost.total_cny == pytest.approx(9.0e6)
    assert (cost.accelerators_in_use, cost.accelerators_in_stock) == (40.0, 200.0)
    assert cost.with_whole_stock_cny == pytest.approx(5.0e6 + 20 * 1.0e6)


def test_new_pods_are_paid_for_once() -> None:
    """Only the west, with 3 pods in place: one is bought, which the objective has already."""
    facts = solved(existing_pods=(0, 3), max_new_pods=(0, 10))
    assert facts.plan.new_pods.tolist() == [0, 1]
    assert full_cost(facts, 0.0).used_stock_cny == pytest.approx(3 * 1.0e6)


def test_peak_of_each_pool_counts_and_part_of_a_pod_is_a_pod() -> None:
    """By day 2 x 110 mtok/h take 4.4 pods, by night half of that: 5 are needed."""
    facts = solved(demand_mtok_per_h=(110.0, 0.0, 110.0, 0.0), profile=(1.0, 0.5))
    assert facts.plan.active_pods.max() == pytest.approx(4.4)
    assert full_cost(facts, 0.0).used_stock_cny == pytest.approx(5 * 1.0e6)


def test_work_that_moves_by_the_hour_needs_accelerators_in_both_places() -> None:
    """West by day, east by night: 4 pods there and 4 here, twice the capital of staying."""
    facts = solved(energy_price_cny_per_mwh=((500.0, 300.0), (200.0, 300.0)))
    assert full_cost(facts, 0.0).used_stock_cny == pytest.approx(8 * 1.0e6)
    moves = hourly_moves(facts)
    assert moves["hourly_move_share"] == pytest.approx(1.0)
    assert moves["class_hourly_move_share"] == pytest.approx({"chat": 1.0, "batch": 0.0})


def test_what_stays_does_not_move() -> None:
    assert hourly_moves(solved())["hourly_move_share"] == pytest.approx(0.0)


def test_part_that_moves_is_what_changes_its_place() -> None:
    """
    West holds one workload by day; by night the east is cheaper for both.

    Half of the tokens change into each slice. With three times the demand by day, they are weighted with it.
    """
    prices = ((500.0, 300.0), (200.0, 300.0))
    facts = solved(energy_price_cny_per_mwh=prices, existing_pods=(10, 2), max_new_pods=(0, 0))
    assert hourly_moves(facts)["hourly_move_share"] == pytest.approx(0.5)


@pytest.mark.parametrize(("share", "counted"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_spare_pods_draw_at_their_own_price_and_pue(share: float, counted: float) -> None:
    """10 pods in the east idle at 10 x 1.5 MW and 500 CNY/MWh, 6 in the west at 6 x 1.2 MW and 300."""
    facts = solved()
    facts = PlanFacts(replace(facts.problem, spare_power_share=share), facts.plan)
    draw = spare_draw(facts)
    assert draw.accelerators == pytest.approx(160.0)
    assert draw.facility_mw == pytest.approx(15.0 + 7.2)
    assert draw.mwh_per_year == pytest.approx(YEAR_H * 22.2)
    assert draw.cny_per_year == pytest.approx(YEAR_H * (15.0 * 500.0 + 7.2 * 300.0))
    assert full_cost(facts, 0.0).spare_energy_cny == pytest.approx(counted * draw.cny_per_year)


def test_numbers_of_the_summary_are_those_of_the_checker() -> None:
    facts = solved()
    report = check_plan(facts.problem, facts.plan)
    numbers = full_cost_numbers(facts, report)
    assert numbers["full_cost_cny_per_year"] == pytest.approx(report.total_cny + 4.0e6)
    assert numbers["full_cny_per_mtok"] == pytest.approx((report.total_cny + 4.0e6) / (200.0 * YEAR_H))


def test_limits_say_what_binds_and_what_idles() -> None:
    """West has power for one workload and is full; the link inland carries 1 of 4 Gbps, and 2 could cross it."""
    facts = solved(it_capacity_mw=(100.0, 4.0), link_capacity_gbps=(1000.0, 1000.0, 4.0, 1000.0))
    links, power, pods = limit_use(facts, check_plan(facts.problem, facts.plan))
    assert (links["can_bind"], links["full"], links["where"]) == (0, 0, "coast_inland")
    assert links["largest_use_share"] == pytest.approx(0.25)
    assert (power["count"], power["full"], power["where"]) == (2, 1, "west")
    assert (power["used"], power["available"]) == (pytest.approx(4.0), pytest.approx(4.0))
    assert (pods["count"], pods["full"]) == (2, 0)
    assert np.isclose(pods["largest_use_share"], 0.2)

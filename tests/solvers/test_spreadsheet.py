"""The rule to beat, worked by hand on the two-metro toy: what it weighs against what, and where it stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy_problems import toy_problem

from optimizer.checker.check import check_plan
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.greedy import cheapest_energy
from optimizer.solvers.spreadsheet import spreadsheet_plan

EAST, WEST = range(2)
YEAR_H = 8760.0
# A workload of 100 mtok/h takes 4 MW of IT power: 4 x 1.5 x 500 CNY an hour in the east, 4 x 1.2 x 300 in the west.
EAST_CNY_PER_H, WEST_CNY_PER_H = 3000.0, 1440.0
ALPHA_BATCH = 1
# Nothing costs anything but energy; chat of both metros, or what a test says.
FREE: dict[str, Any] = {
    "demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0),
    "latency_cny_per_ms_per_mtok": (0.0, 0.0),
    "link_cny_per_gbps_h": (0.0,) * 4,
    "deploy_cny_per_year": (0.0, 0.0),
}


def planned(**options: Any) -> tuple[PlacementProblem, Plan, dict[str, float]]:
    """Plan of the rule, passed by the checker, and its costs that are not 0."""
    problem = toy_problem(**FREE | options)
    plan = spreadsheet_plan(problem)
    report = check_plan(problem, plan)
    assert report.is_feasible, report.violations.to_string()
    return problem, plan, {name: float(cny) for name, cny in report.component_cny.items() if cny}


@pytest.mark.parametrize(("opening_cny", "place"), [(27.3e6, WEST), (27.4e6, EAST)])
def test_opening_is_weighed_against_all_that_would_run_there(opening_cny: float, place: int) -> None:
    """West saves 2 x 1560 CNY an hour, 27.3312 million CNY a year; a rule that looks at energy opens it anyway."""
    problem, plan, costs = planned(opening_cny_per_year=(0.0, opening_cny))
    assert plan.is_open.tolist() == [place == EAST, place == WEST]
    energy = {EAST: EAST_CNY_PER_H, WEST: WEST_CNY_PER_H}[place]
    assert costs == pytest.approx({"energy": YEAR_H * 2 * energy} | ({"opening": opening_cny} if place else {}))
    assert cheapest_energy(problem).is_open.tolist() == [0, 1]


@pytest.mark.parametrize(("deploy_cny", "is_deployed"), [(13.6e6, [1, 1]), (13.7e6, [1, 0])])
def test_deployment_is_weighed_against_what_its_part_saves(deploy_cny: float, is_deployed: list[int]) -> None:
    """West has power for one of two workloads: a second deployment saves 1560 CNY x 8760 h = 13.6656 million CNY."""
    _, plan, costs = planned(it_capacity_mw=(100.0, 4.0), deploy_cny_per_year=(deploy_cny, 0.0))
    assert plan.is_deployed[:2].tolist() == is_deployed
    assert costs["deployment"] == pytest.approx(sum(is_deployed) * deploy_cny)


@pytest.mark.parametrize(("charge_cny_per_kw_month", "place"), [(237.0, WEST), (237.5, EAST)])
def test_demand_charge_is_spread_over_the_hours_of_use(charge_cny_per_kw_month: float, place: int) -> None:
    """A flat 4.8 MW in the west pay 57,600 CNY a year for each CNY/kW: 1560 x 8760 / 57,600 = 237.25."""
    _, plan, _ = planned(
        demand_mtok_per_h=(100.0, 0.0, 0.0, 0.0), demand_charge_cny_per_kw_month=(0.0, charge_cny_per_kw_month)
    )
    assert plan.is_open.tolist() == [place == EAST, place == WEST]


@pytest.mark.parametrize(("cny_per_ms_per_mtok", "place"), [(0.77, WEST), (0.79, EAST)])
def test_a_millisecond_is_weighed_against_energy(cny_per_ms_per_mtok: float, place: int) -> None:
    """West saves 15.6 CNY a mtok and is 20 ms farther: 0.78 CNY a millisecond."""
    _, plan, _ = planned(latency_cny_per_ms_per_mtok=(cny_per_ms_per_mtok, 0.0))
    assert plan.is_open.tolist() == [place == EAST, place == WEST]


def test_each_hour_goes_where_it_is_cheap_then() -> None:
    """
    West holds one of two workloads: by day it is the cheaper place behind the meter, 360 against 500 x 1.5 = 750.

    By night the east, which is open for the other workload, is at 200 x 1.5 = 300 the place for both.
    """
    _, plan, costs = planned(
        energy_price_cny_per_mwh=((500.0, 300.0), (200.0, 300.0)), existing_pods=(10, 2), max_new_pods=(0, 0)
    )
    assert plan.is_open.tolist() == [1, 1]
    assert costs == pytest.approx({"energy": YEAR_H / 2 * (4.0 * 360.0 + 4.0 * 750.0 + 8.0 * 300.0)})


def test_work_that_may_wait_runs_in_the_valley() -> None:
    """
    The night is cheap: 100 CNY/MWh in the west. Chat and batch ask for 100 mtok/h each, and batch may wait 12 h.

    What waits fills an hour no further than the highest hour of urgent work, or the mean of all work.
    """
    options: dict[str, Any] = {
        "demand_mtok_per_h": (100.0, 100.0, 0.0, 0.0),
        "energy_price_cny_per_mwh": ((500.0, 300.0), (500.0, 100.0)),
    }
    # Chat 100, batch 100 in both halves: a mean of 200, so the night is full and nothing moves.
    _, plan, _ = planned(**options, deferrable_h=12)
    assert plan.backlog_mtok[:, ALPHA_BATCH] == pytest.approx([0.0, 0.0])
    # Demand of both is three times as high by day: mean 200, so 100 of the 150 mtok/h of batch wait for the night.
    _, plan, costs = planned(**options, deferrable_h=12, profile=(1.5, 0.5))
    assert plan.backlog_mtok[:, ALPHA_BATCH] == pytest.approx([1200.0, 0.0])
    day_mw, night_mw = 8.0, 8.0  # 200 mtok/h each
    assert costs == pytest.approx({"energy": YEAR_H / 2 * 1.2 * (300.0 * day_mw + 100.0 * night_mw)})


def test_what_may_not_wait_so_long_is_not_moved() -> None:
    """With no window batch runs when it arrives."""
    _, plan, _ = planned(
        demand_mtok_per_h=(100.0, 100.0, 0.0, 0.0),
        energy_price_cny_per_mwh=((500.0, 300.0), (500.0, 100.0)),
        profile=(1.5, 0.5),
    )
    assert not plan.backlog_mtok.any()


def test_pods_are_bought_where_energy_and_capital_are_cheapest_together() -> None:
    """
    No pod stands anywhere. 200 mtok/h take 4 pods of 1.2 million CNY a year in the east, 1.1 in the west.

    West is cheaper in both; where its pods cannot be had, the east is bought, whole pods only.
    """
    _, plan, costs = planned(existing_pods=(0, 0))
    assert plan.new_pods.tolist() == [0, 4]
    assert costs["accelerator_capital"] + costs["site_capital"] == pytest.approx(4.4e6)
    _, plan, _ = planned(existing_pods=(0, 0), max_new_pods=(10, 3))
    assert plan.new_pods.tolist() == [1, 3]


def test_class_keeps_to_the_sites_that_it_may_have() -> None:
    """West holds 3 pods, 150 of 200 mtok/h, and chat may have one site: only the east holds it all."""
    _, plan, _ = planned(max_sites=(1, 1), existing_pods=(10, 3), max_new_pods=(0, 0))
    assert plan.is_deployed[:2].tolist() == [1, 0]


def test_indivisible_work_keeps_one_place_in_all_hours() -> None:
    """Alone, east would be the cheaper place by night; a mean of 525 against 360 keeps it west all day."""
    _, plan, _ = planned(
        indivisible=(True, False),
        energy_price_cny_per_mwh=((500.0, 300.0), (200.0, 300.0)),
    )
    assert plan.is_assigned.reshape(2, 2).tolist() == [[0, 1], [0, 1]]


def test_unserved_work_pays_its_penalty_where_that_is_cheaper() -> None:
    """A mtok costs 14.4 CNY of energy in the west and 30 in the east: at 20 CNY only what the west holds is served."""
    _, plan, costs = planned(existing_pods=(10, 2), max_new_pods=(0, 0), shed_penalty_cny_per_mtok=20.0)
    assert plan.is_open.tolist() == [0, 1]
    assert costs["shedding"] == pytest.approx(YEAR_H * 100.0 * 20.0)


def test_plan_does_not_depend_on_the_order_of_rows() -> None:
    """Ties aside, the order of the candidates says nothing."""
    problem = toy_problem(existing_pods=(4, 4), max_new_pods=(3, 3))
    shuffled = replace(problem, candidates=problem.candidates.iloc[::-1].reset_index(drop=True))
    costs = [check_plan(one, spreadsheet_plan(one)).total_cny for one in (problem, shuffled)]
    assert costs[0] == pytest.approx(costs[1])
    assert np.isfinite(costs[0])

"""
Optima worked out by hand, component by component.

The toy's numbers (see `toy_problem`): a workload of 100 mtok/h keeps 10 accelerators busy, half of each pod's ten may
be, so 2 pods: 2 x 1 MW idle + 10 x 0.2 MW = 4 MW of IT power. Round trips: alpha-east 3, beta-east 5, alpha-west 23,
beta-west 25 ms. Energy of 100 mtok: east 4 x 1.5 x 500 = 3000 CNY, west 4 x 1.2 x 300 = 1440 CNY. A year has 8760 h.
Unless a test says otherwise nothing else costs anything, and only chat is asked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toy_problems import toy_problem

from optimizer.checker.check import check_plan
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.solve import solve_whole

YEAR_H = 8760.0
EAST, WEST = range(2)
ALPHA_CHAT, ALPHA_BATCH, BETA_CHAT, BETA_BATCH = range(4)
EAST_CNY_PER_H, WEST_CNY_PER_H = 3000.0, 1440.0  # energy of one workload
FREE: dict[str, Any] = {
    "demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0),
    "latency_cny_per_ms_per_mtok": (0.0, 0.0),
    "link_cny_per_gbps_h": (0.0, 0.0, 0.0, 0.0),
    "deploy_cny_per_year": (0.0, 0.0),
}


def optimum(**options: Any) -> tuple[PlacementProblem, Plan, dict[str, float]]:
    """Solve a toy to proven optimality; return its plan and what each component that costs anything costs."""
    problem = toy_problem(**FREE | options)
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert solution.termination == Termination.OPTIMAL
    assert solution.plan is not None
    report = check_plan(problem, solution.plan)
    assert report.is_feasible, report.violations.to_string()
    assert solution.objective_cny == pytest.approx(report.total_cny, rel=1e-9)
    assert solution.bound_cny == pytest.approx(report.total_cny, rel=1e-6)
    costs = report.component_cny
    return problem, solution.plan, {str(name): float(cny) for name, cny in costs.items() if abs(cny) > 1e-6}


def flow(plan: Plan, workload: int, data_center: int) -> np.ndarray:
    """(T,) mtok/h of one workload to one data center: candidates are numbered 2 w + d."""
    return plan.flow_mtok_per_h[:, 2 * workload + data_center]


@pytest.mark.parametrize(
    ("surcharge", "cny_per_h", "fast_pods"), [(40.0, 3.5 * 1.2 * 340, 2), (60.0, 4 * 1.2 * 300, 0)]
)
def test_dearer_power_of_an_accelerator_is_paid_until_another_one_is_cheaper(
    surcharge: float, cny_per_h: float, fast_pods: int
) -> None:
    # Chat on the fast accelerator: 5 busy ones in a pod of 10, 2 + 5 x 0.3 = 3.5 MW for a workload, instead of 4 MW.
    _, plan, costs = optimum(accelerators=2, energy_surcharge_cny_per_mwh=(0.0, surcharge))
    assert costs == pytest.approx({"energy": 2 * YEAR_H * cny_per_h})
    assert plan.active_pods[:, 2 * WEST + 1] == pytest.approx(fast_pods)


def test_full_west_sends_the_second_workload_east() -> None:
    _, plan, costs = optimum(it_capacity_mw=(100.0, 4.0))
    assert costs == pytest.approx({"energy": YEAR_H * (EAST_CNY_PER_H + WEST_CNY_PER_H)})
    assert flow(plan, ALPHA_CHAT, WEST) + flow(plan, BETA_CHAT, WEST) == pytest.approx(100.0)


@pytest.mark.parametrize(("cny_per_ms_per_mtok", "place"), [(0.77, WEST), (0.79, EAST)])
def test_value_of_a_millisecond_flips_the_choice(cny_per_ms_per_mtok: float, place: int) -> None:
    """West saves 1560 CNY/h and costs each workload 20 ms: it is worth 15.6 CNY/mtok / 20 ms = 0.78 a millisecond."""
    _, plan, costs = optimum(latency_cny_per_ms_per_mtok=(cny_per_ms_per_mtok, 0.0))
    rtt_ms = {EAST: 3.0 + 5.0, WEST: 23.0 + 25.0}[place]
    energy = {EAST: EAST_CNY_PER_H, WEST: WEST_CNY_PER_H}[place]
    expected = {"energy": YEAR_H * 2 * energy, "latency": YEAR_H * 100.0 * cny_per_ms_per_mtok * rtt_ms}
    assert costs == pytest.approx(expected)
    assert plan.is_open.tolist() == [place == EAST, place == WEST]


def test_price_of_transport_counts_on_every_link_of_the_way() -> None:
    """A workload's 100 mtok/h x 0.01 Gbps h/mtok = 1 Gbps; to the west over two links, 1 + 10 CNY per Gbps and hour."""
    _, _, costs = optimum(link_cny_per_gbps_h=(1.0, 1.0, 10.0, 0.0))
    assert costs == pytest.approx({"energy": YEAR_H * 2 * WEST_CNY_PER_H, "network": YEAR_H * 2 * 11.0})


@pytest.mark.parametrize(("opening_cny", "place"), [(27.3e6, WEST), (27.4e6, EAST)])
def test_opening_cost_against_what_energy_saves(opening_cny: float, place: int) -> None:
    """West saves 2 x 1560 CNY/h x 8760 h = 27.3312 million CNY a year; if opening it costs more, east does all."""
    _, plan, costs = optimum(opening_cny_per_year=(0.0, opening_cny))
    if place == WEST:
        assert costs == pytest.approx({"energy": YEAR_H * 2 * WEST_CNY_PER_H, "opening": opening_cny})
    else:
        assert costs == pytest.approx({"energy": YEAR_H * 2 * EAST_CNY_PER_H})
    assert plan.is_open.tolist() == [place == EAST, place == WEST]


@pytest.mark.parametrize(("deploy_cny", "is_deployed"), [(13.6e6, [1, 1]), (13.7e6, [1, 0])])
def test_deployment_cost_against_what_energy_saves(deploy_cny: float, is_deployed: list[int]) -> None:
    """West has room for one workload: a second deployment saves 1560 CNY/h x 8760 h = 13.6656 million CNY."""
    _, plan, costs = optimum(it_capacity_mw=(100.0, 4.0), deploy_cny_per_year=(deploy_cny, 0.0))
    if is_deployed == [1, 1]:
        energy = EAST_CNY_PER_H + WEST_CNY_PER_H
        assert costs == pytest.approx({"energy": YEAR_H * energy, "deployment": 2 * deploy_cny})
    else:
        assert costs == pytest.approx({"energy": YEAR_H * 2 * EAST_CNY_PER_H, "deployment": deploy_cny})
    assert plan.is_deployed[:2].tolist() == is_deployed  # chat east, chat west


def test_pods_are_bought_whole_and_run_in_part() -> None:
    """
    Only west exists, without pods; 2 x 110 mtok/h need 22 busy accelerators of 5 to a pod, 4.4 pods: 5 are bought.

    Only 4.4 are switched on: 4.4 + 22 x 0.2 = 8.8 MW x 1.2 x 300 CNY/MWh.
    """
    _, plan, costs = optimum(demand_mtok_per_h=(110.0, 0.0, 110.0, 0.0), existing_pods=(0, 0), max_new_pods=(0, 10))
    assert plan.new_pods.tolist() == [0, 5]
    assert plan.active_pods[:, WEST] == pytest.approx(4.4)
    expected = {"energy": YEAR_H * 8.8 * 1.2 * 300.0, "accelerator_capital": 5 * 1.0e6, "site_capital": 5 * 1.0e5}
    assert costs == pytest.approx(expected)


def test_deferrable_work_waits_for_the_cheap_half_of_the_day() -> None:
    """
    Batch of 100 mtok/h may wait 12 h, the night is at 100 CNY/MWh: all 2400 mtok of a day run then, at 200 mtok/h.

    8 MW x 1.2 x 100 CNY/MWh for 4380 h. At dusk 12 h x 100 mtok/h = 1200 mtok wait.
    """
    options: dict[str, Any] = {
        "demand_mtok_per_h": (0.0, 100.0, 0.0, 0.0),
        "energy_price_cny_per_mwh": ((500.0, 300.0), (500.0, 100.0)),
    }
    _, plan, costs = optimum(deferrable_h=12, **options)
    assert costs == pytest.approx({"energy": 4380.0 * 8.0 * 1.2 * 100.0})
    assert plan.backlog_mtok[:, ALPHA_BATCH] == pytest.approx([1200.0, 0.0])
    assert flow(plan, ALPHA_BATCH, WEST) == pytest.approx([0.0, 200.0])
    _, _, urgent = optimum(deferrable_h=0, **options)
    assert urgent == pytest.approx({"energy": 4380.0 * 4.0 * 1.2 * (300.0 + 100.0)})


@pytest.mark.parametrize(("charge_cny_per_kw_month", "night_mtok_per_h"), [(72.0, 200.0), (74.0, 100.0)])
def test_demand_charge_against_the_cheap_half_of_the_day(
    charge_cny_per_kw_month: float, night_mtok_per_h: float
) -> None:
    """
    Moving a MW of IT power from day to night saves 4380 h x 1.2 x 200 CNY and raises the peak by 1.2 MW.

    That costs 1.2 x 12 months x 1000 kW x charge: it pays below 4380 x 200 / 12000 = 73 CNY/kW/month.
    """
    _, plan, costs = optimum(
        demand_mtok_per_h=(0.0, 100.0, 0.0, 0.0),
        energy_price_cny_per_mwh=((900.0, 300.0), (900.0, 100.0)),
        deferrable_h=12,
        demand_charge_cny_per_kw_month=(1000.0, charge_cny_per_kw_month),
    )
    night_mw, day_mw = 0.04 * night_mtok_per_h, 0.04 * (200.0 - night_mtok_per_h)
    expected = {
        "energy": 4380.0 * 1.2 * (300.0 * day_mw + 100.0 * night_mw),
        "demand_charge": 1.2 * night_mw * 12.0 * 1000.0 * charge_cny_per_kw_month,
    }
    assert costs == pytest.approx(expected)
    assert plan.peak_mw[0] == pytest.approx([0.0, 1.2 * night_mw])


@pytest.mark.parametrize(("charge", "place_of_rest"), [(50.0, WEST), (70.0, EAST)])
def test_contracted_power_is_paid_all_year(charge: float, place_of_rest: int) -> None:
    """
    Two days of one slice: in 9 months batch asks for 100 mtok/h, in the other 3 for 200, 8 MW in either place.

    West (300 CNY/MWh x 1.2) saves 1560 CNY per hour and workload of 4 MW against the east (500 x 1.5). In the 3
    months, 2190 h, the second 4 MW would save 2190 x 1560 = 3.4164 million CNY and raise the contract by 4.8 MW.
    On the contract that costs 4.8 x 12 x 1000 = 57,600 CNY for each CNY/kW: it pays below 59.31. On the
    monthly peak only 3 months are paid: it pays below 237.25.
    """
    options: dict[str, Any] = {
        "slices_per_day": 1,
        "day_months": (9.0, 3.0),
        "profile": (1.0, 2.0),
        "demand_mtok_per_h": (0.0, 100.0, 0.0, 0.0),
        "demand_charge_cny_per_kw_month": (0.0, charge),
    }
    energy = YEAR_H * WEST_CNY_PER_H  # and 2190 h of the rest
    _, plan, costs = optimum(**options, demand_charge_basis=("monthly_peak", "contracted"))
    contract_mw = {EAST: 4.8, WEST: 9.6}[place_of_rest]
    rest_cny_per_h = {EAST: EAST_CNY_PER_H, WEST: WEST_CNY_PER_H}[place_of_rest]
    assert plan.contract_mw[WEST] == pytest.approx(contract_mw)
    expected = {"energy": energy + 2190.0 * rest_cny_per_h, "demand_charge": contract_mw * 12e3 * charge}
    assert costs == pytest.approx(expected)
    # An opening that costs 12,000 times as much for each MW is paid on the same power.
    by_power = {"demand_charge_cny_per_kw_month": (0.0, 0.0), "opening_cny_per_mw_year": (0.0, 12e3 * charge)}
    _, plan, costs = optimum(**options | by_power)
    assert plan.contract_mw[WEST] == pytest.approx(contract_mw)
    assert costs == pytest.approx({"energy": expected["energy"], "opening": expected["demand_charge"]})
    # On the monthly peak the west takes it all either way.
    _, plan, costs = optimum(**options)
    assert plan.peak_mw[:, WEST] == pytest.approx([4.8, 9.6])
    expected = {"energy": energy + 2190.0 * WEST_CNY_PER_H, "demand_charge": (9 * 4.8 + 3 * 9.6) * 1e3 * charge}
    assert costs == pytest.approx(expected)


@pytest.mark.parametrize(("indivisible", "west_mw"), [(False, 6.0), (True, 4.0)])
def test_indivisible_workload_takes_one_data_center(indivisible: bool, west_mw: float) -> None:  # noqa: FBT001
    """West has room for one and a half workloads: half of the second goes there too, unless it must stay whole."""
    _, plan, costs = optimum(it_capacity_mw=(100.0, 6.0), indivisible=(indivisible, False))
    assert costs == pytest.approx({"energy": YEAR_H * (west_mw * 1.2 * 300.0 + (8.0 - west_mw) * 1.5 * 500.0)})
    if indivisible:
        assert plan.is_assigned.reshape(2, 2).sum(axis=1).tolist() == [1, 1]


def test_minimum_share_keeps_a_class_together() -> None:
    """West could take a quarter of chat, but a deployment has to carry 30 % of it: all of it stays east."""
    _, _, costs = optimum(it_capacity_mw=(100.0, 2.0), min_share=(0.3, 0.0))
    assert costs == pytest.approx({"energy": YEAR_H * 2 * EAST_CNY_PER_H})
    _, _, costs = optimum(it_capacity_mw=(100.0, 2.0), min_share=(0.25, 0.0))
    assert costs == pytest.approx({"energy": YEAR_H * (0.5 * WEST_CNY_PER_H + 1.5 * EAST_CNY_PER_H)})


def test_scarce_link_sends_the_rest_east() -> None:
    """Over coast-inland fit 1.5 of the 2 Gbps that both workloads make."""
    _, plan, costs = optimum(link_capacity_gbps=(1000.0, 1000.0, 1.5, 1000.0))
    assert costs == pytest.approx({"energy": YEAR_H * (1.5 * WEST_CNY_PER_H + 0.5 * EAST_CNY_PER_H)})
    assert flow(plan, ALPHA_CHAT, WEST) + flow(plan, BETA_CHAT, WEST) == pytest.approx(150.0)


@pytest.mark.parametrize(("penalty", "shed_mtok_per_h"), [(14.0, 200.0), (15.0, 0.0)])
def test_shedding_against_serving(penalty: float, shed_mtok_per_h: float) -> None:
    """Serving a mtok in the west takes 14.4 CNY of energy."""
    _, plan, costs = optimum(shed_penalty_cny_per_mtok=penalty)
    if shed_mtok_per_h:
        assert costs == pytest.approx({"shedding": YEAR_H * 200.0 * penalty})
    else:
        assert costs == pytest.approx({"energy": YEAR_H * 2 * WEST_CNY_PER_H})
    assert plan.shed_mtok_per_h.sum(axis=1) == pytest.approx(shed_mtok_per_h)


def test_carbon_price_brings_work_back_east() -> None:
    """
    West emits 4 x 1.2 x 0.6 = 2.88 t per workload and hour, east with clean power 4 x 1.5 x 0.1 = 0.6 t.

    West saves 1560 CNY of energy an hour, so above 1560 / 2.28 = 684.2 CNY/t east is cheaper.
    """
    _, _, costs = optimum(carbon_kg_per_kwh=(0.1, 0.6), carbon_price_cny_per_t=684.0)
    assert costs == pytest.approx({"energy": YEAR_H * 2 * WEST_CNY_PER_H, "carbon": YEAR_H * 2 * 2.88 * 684.0})
    _, _, costs = optimum(carbon_kg_per_kwh=(0.1, 0.6), carbon_price_cny_per_t=685.0)
    assert costs == pytest.approx({"energy": YEAR_H * 2 * EAST_CNY_PER_H, "carbon": YEAR_H * 2 * 0.6 * 685.0})


def test_the_faster_accelerator_is_used_first() -> None:
    """
    Chat on the fast chip: 5 busy accelerators, 1 pod: 2 + 5 x 0.3 = 3.5 MW instead of 4 for a workload.

    West has one pod of each; the fast one carries the workload alone.
    """
    _, plan, costs = optimum(
        accelerators=2, existing_pods=(0, 1), max_new_pods=(0, 0), demand_mtok_per_h=(100.0, 0.0, 0.0, 0.0)
    )
    assert costs == pytest.approx({"energy": YEAR_H * 3.5 * 1.2 * 300.0})
    assert plan.active_pods == pytest.approx(np.array([[0.0, 0.0, 0.0, 1.0]] * 2))


@pytest.mark.parametrize(("max_sites", "west_mw"), [(2, 4.0), (1, 0.0)])
def test_a_class_with_one_site_goes_where_all_of_it_fits(max_sites: int, west_mw: float) -> None:
    """West has room for one of two workloads: with a single site for chat, both stay in the east."""
    _, plan, costs = optimum(it_capacity_mw=(100.0, 4.0), max_sites=(max_sites, 2))
    assert costs == pytest.approx({"energy": YEAR_H * (west_mw * 1.2 * 300.0 + (8.0 - west_mw) * 1.5 * 500.0)})
    assert plan.is_deployed[:2].sum() == max_sites


def test_models_kept_loaded_take_idle_power() -> None:
    """200 mtok/h keep 4 pods busy in the west; a model that takes 60 accelerators keeps 2 more on, 1 MW each."""
    _, plan, costs = optimum(min_accelerators=(60, 0))
    assert plan.active_pods == pytest.approx(np.array([[0.0, 6.0], [0.0, 6.0]]))
    assert costs == pytest.approx({"energy": YEAR_H * (2 * WEST_CNY_PER_H + 2 * 1.2 * 300.0)})


def test_models_kept_loaded_are_bought_where_too_few_pods_stand() -> None:
    """Of 60 accelerators the west has 50: one more pod, whole, at 1.0 + 0.1 million CNY a year."""
    _, plan, costs = optimum(min_accelerators=(60, 0), existing_pods=(0, 5), max_new_pods=(0, 3))
    assert plan.new_pods.tolist() == [0, 1]
    energy = YEAR_H * (2 * WEST_CNY_PER_H + 2 * 1.2 * 300.0)
    assert costs == pytest.approx({"energy": energy, "accelerator_capital": 1.0e6, "site_capital": 1.0e5})


@pytest.mark.parametrize(("min_accelerators", "places"), [(30, 2), (80, 1)])
def test_a_second_deployment_must_be_worth_the_accelerators_it_keeps_on(min_accelerators: int, places: int) -> None:
    """
    The west holds one workload of 4 MW and 1 MW more.

    A model that takes 30 accelerators keeps a pod more than the 2
    busy ones on wherever it is deployed: 1.5 x 500 CNY/h in the east, 1.2 x 300 in the west, together 1110, less than
    the 1560 that the west saves. One that takes 80 keeps 4 more on in the east, and finds no power for it in the west.
    """
    _, plan, costs = optimum(min_accelerators=(min_accelerators, 0), it_capacity_mw=(100.0, 5.0))
    assert plan.is_deployed.sum() == places
    both_east = 2 * EAST_CNY_PER_H + 4 * 1.5 * 500.0
    split = EAST_CNY_PER_H + WEST_CNY_PER_H + 1.5 * 500.0 + 1.2 * 300.0
    assert costs == pytest.approx({"energy": YEAR_H * (split if places == 2 else both_east)})

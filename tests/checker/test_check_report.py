"""What the checker says a plan costs and does, against numbers worked out by hand and by plain loops."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from toy_problems import random_problem, toy_problem
from worked_plan import EAST, WEST, only_violation, with_entry, worked_plan, worked_problem

from optimizer.checker.check import MalformedPlanError, check_plan
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem


def test_worked_plan_is_feasible_and_costs_what_the_hand_says() -> None:
    report = check_plan(worked_problem(), worked_plan())
    assert report.is_feasible, report.violations.to_string()
    expected = {
        # 4380 h x (CNY/MWh x MW), slice by slice
        ("energy", "east"): 4380 * (500 * 11.7 + 400 * 12.0),
        ("energy", "west"): 4380 * (300 * 7.2 + 200 * 12.0),
        # 1000 kW/MW x CNY/kW/month x 12 months x MW
        ("demand_charge", "east"): 1000 * 30 * 12 * 12.0,
        ("demand_charge", "west"): 1000 * 20 * 12 * 12.0,
        # 0.1 CNY/ms/mtok x (alpha 3 ms x 200 mtok/h in both slices, beta 5 ms x 190); batch does not mind
        ("latency", "east"): 4380 * 0.1 * (3 * 200 + 5 * 190),
        ("latency", "west"): 0.0,
        # chat 0.01 Gbps per mtok/h over 1 CNY/Gbps/h; batch 0.02 over 1 + 10
        ("network", "east"): 4380 * 0.01 * 1 * 390,
        ("network", "west"): 4380 * 0.02 * 11 * 400,
        # alpha's batch: 0.02 Gbps h per mtok are 9 GB, at 0.01 CNY each
        ("data_transfer", "east"): 0.0,
        ("data_transfer", "west"): 4380 * 0.01 * 9 * 200,
        ("accelerator_capital", "east"): 0.0,
        ("accelerator_capital", "west"): 3 * 1.0e6,
        ("site_capital", "east"): 0.0,
        ("site_capital", "west"): 3 * 1.0e5,
        ("opening", "east"): 1.0e6,
        ("opening", "west"): 5.0e5,
        ("deployment", "east"): 1000.0,
        ("deployment", "west"): 2000.0,
        # 50 CNY/t x MWh x t/MWh
        ("carbon", "east"): 50 * 4380 * (11.7 + 12.0) * 0.5,
        ("carbon", "west"): 50 * 4380 * (7.2 + 12.0) * 0.6,
        ("shedding", ""): 20 * 4380 * 10.0,
    }
    keys = zip(report.costs_cny["component"], report.costs_cny["data_center"], strict=True)
    found = dict(zip(keys, report.costs_cny["cny_per_year"], strict=True))
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)
    assert report.total_cny == pytest.approx(sum(expected.values()))
    assert report.component_cny["opening"] == pytest.approx(1.5e6)
    assert report.component_cny.sum() == pytest.approx(report.total_cny)


def test_worked_plan_does_what_the_hand_says() -> None:
    report = check_plan(worked_problem(), worked_plan())
    assert report.it_power_mw == pytest.approx(np.array([[7.8, 6.0], [8.0, 10.0]]))
    assert report.facility_power_mw == pytest.approx(np.array([[11.7, 7.2], [12.0, 12.0]]))
    assert report.energy_mwh_per_year == pytest.approx(4380 * np.array([23.7, 19.2]))
    assert report.carbon_t_per_year == pytest.approx(4380 * np.array([23.7 * 0.5, 19.2 * 0.6]))
    # alpha_coast: chat 100 x 0.01 + batch 50 x 0.02, then 150 x 0.02; coast_inland: all batch
    assert report.link_gbps == pytest.approx(np.array([[2.0, 2.9, 3.0], [4.0, 3.0, 5.0]]))
    assert report.mtok_per_year == pytest.approx(4380 * (390 + 400))
    # chat: alpha 200 x 3 ms + beta 190 x 5 ms; batch: alpha 200 x 23 ms + beta 200 x 25 ms
    assert report.mean_rtt_ms == pytest.approx((600 + 950 + 4600 + 5000) / 790)
    assert report.classes["workload_class"].tolist() == ["chat", "batch"]
    assert report.classes["mtok_per_year"].tolist() == pytest.approx([4380 * 390, 4380 * 400])
    assert report.classes["shed_mtok_per_year"].tolist() == pytest.approx([4380 * 10, 0.0])
    assert report.classes["mean_rtt_ms"].tolist() == pytest.approx([1550 / 390, 24.0])


def test_each_billing_period_pays_its_own_peak() -> None:
    """Two days of one slice, 5 and 7 months; the second asks for half, all of it in the east."""
    options = {"slices_per_day": 1, "day_months": (5.0, 7.0), "profile": (1.0, 0.5)}
    problem = toy_problem(**options, demand_charge_cny_per_kw_month=(10.0, 10.0))
    half = np.array([[1.0], [0.5]])
    plan = Plan(
        flow_mtok_per_h=half * np.array([[100.0, 0.0] * 4]),
        shed_mtok_per_h=np.zeros((2, 4)),
        backlog_mtok=np.zeros((2, 4)),
        work_mtok_per_h=half * np.array([[200.0, 0.0, 200.0, 0.0]]),
        active_pods=half * np.array([[8.0, 0.0]]),
        new_pods=np.array([0, 0]),
        is_open=np.array([1, 0]),
        is_deployed=np.array([1, 0, 1, 0]),
        is_assigned=np.zeros(0, dtype=np.int64),
        peak_mw=half * np.array([[24.0, 0.0]]),  # (8 pods x 1 MW + 40 accelerators x 0.2 MW) x PUE 1.5
        contract_mw=np.array([24.0, 0.0]),
    )
    report = check_plan(problem, plan)
    assert report.is_feasible, report.violations.to_string()
    assert report.component_cny["demand_charge"] == pytest.approx(1000 * 10 * (5 * 24.0 + 7 * 12.0))
    hours = (8760 * 5 / 12, 8760 * 7 / 12)
    assert report.component_cny["energy"] == pytest.approx(500 * (hours[0] * 24.0 + hours[1] * 12.0))
    # A peak of the other day does not help: 12 MW are drawn in day_1, 11 paid.
    report = check_plan(problem, with_entry(plan, "peak_mw", (1, EAST), 11.0))
    assert only_violation(report, "9", "pay_peak_power") == [("east, day_1 00:00", 12.0, 11.0, 1.0, "mw")]
    # Paid on the contract instead, the 24 MW of day_0 are paid in all twelve months.
    contracted = replace(problem, data_centers=problem.data_centers.assign(demand_charge_basis="contracted"))
    report = check_plan(contracted, plan)
    assert report.is_feasible, report.violations.to_string()
    assert report.component_cny["demand_charge"] == pytest.approx(1000 * 10 * 12 * 24.0)


def test_second_accelerator_draws_its_own_power_at_its_own_speed() -> None:
    """Fast takes 0.05 h per mtok of chat: 100 mtok/h keep 5 accelerators busy, the usable half of a pod."""
    problem = toy_problem(accelerators=2, slices_per_day=1, demand_mtok_per_h=(100.0, 0.0, 50.0, 0.0))
    plan = Plan(
        flow_mtok_per_h=np.array([[100.0, 0.0, 0.0, 0.0, 50.0, 0.0, 0.0, 0.0]]),
        shed_mtok_per_h=np.zeros((1, 4)),
        backlog_mtok=np.zeros((1, 4)),
        # chat east: standard, fast; chat west, batch east and batch west likewise
        work_mtok_per_h=np.array([[50.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]),
        active_pods=np.array([[1.0, 1.0, 0.0, 0.0]]),
        new_pods=np.zeros(4, dtype=np.int64),
        is_open=np.array([1, 0]),
        is_deployed=np.array([1, 0, 0, 0]),
        is_assigned=np.zeros(0, dtype=np.int64),
        peak_mw=np.array([[8.25, 0.0]]),
        contract_mw=np.array([8.25, 0.0]),
    )
    report = check_plan(problem, plan)
    assert report.is_feasible, report.violations.to_string()
    # standard: 1 MW + 5 x 0.2 MW; fast: 2 MW + 5 x 0.3 MW
    assert report.it_power_mw == pytest.approx(np.array([[2.0 + 3.5, 0.0]]))
    broken = check_plan(problem, with_entry(plan, "active_pods", (0, 1), 0.5))
    where, *numbers = only_violation(broken, "3", "limit_accelerators")[0]
    assert where == "fast at east, day_0 00:00"
    assert numbers == [5.0, 2.5, 2.5, "accelerators"]


# --- plain loops over random plans ---


def random_plan(problem: PlacementProblem, rng: np.random.Generator) -> Plan:
    """Draw numbers of the right shape: no plan that keeps the limits, but one whose cost can be added up."""
    slices, workloads, pools = len(problem.slices), len(problem.workloads), len(problem.pools)
    centers = len(problem.data_centers)
    return Plan(
        flow_mtok_per_h=rng.uniform(0, 100, (slices, len(problem.candidates))),
        shed_mtok_per_h=rng.uniform(0, 10, (slices, workloads)),
        backlog_mtok=rng.uniform(0, 100, (slices, workloads)),
        work_mtok_per_h=rng.uniform(0, 100, (slices, len(problem.processes))),
        active_pods=rng.uniform(0, 5, (slices, pools)),
        new_pods=rng.integers(0, 5, pools),
        is_open=rng.integers(0, 2, centers),
        is_deployed=rng.integers(0, 2, len(problem.deployments)),
        is_assigned=rng.integers(0, 2, len(problem.indivisible_pairs)),
        peak_mw=rng.uniform(0, 50, (len(problem.billing), centers)),
        contract_mw=rng.uniform(0, 50, centers),
    )


def power_by_loops(problem: PlacementProblem, plan: Plan, t: int, d: int) -> float:
    """Add up the IT power of one data center in one slice, MW."""
    power = 0.0
    for p, pool in problem.pools.iterrows():
        if pool["data_center_index"] == d:
            accelerator = problem.accelerators.loc[int(pool["accelerator_index"])]
            power += accelerator["idle_mw_per_pod"] * plan.active_pods[t, p]
    for x, process in problem.processes.iterrows():
        if process["data_center_index"] == d:
            k, a = process["class_index"], process["accelerator_index"]
            busy = problem.accel_h_per_mtok[k, a] * plan.work_mtok_per_h[t, x]
            power += problem.accelerators.loc[a, "dynamic_mw_per_accelerator"] * busy
    return power


def surcharge_by_loops(problem: PlacementProblem, plan: Plan, t: int) -> float:
    """CNY per hour that pools pay on top of the energy price of their data centers."""
    cny_per_h, accelerators, processes = 0.0, problem.accelerators, problem.processes
    busy = [
        problem.accel_h_per_mtok[k, a] * plan.work_mtok_per_h[t, x]
        for x, (k, a) in enumerate(zip(processes["class_index"], processes["accelerator_index"], strict=True))
    ]
    for q, pool in enumerate(problem.pools.itertuples()):
        a = pool.accelerator_index
        mw = plan.active_pods[t, q] * accelerators["idle_mw_per_pod"][a]
        mw += accelerators["dynamic_mw_per_accelerator"][a] * sum(
            busy[x] for x, of_pool in enumerate(processes["pool_index"]) if of_pool == q
        )
        cny_per_h += problem.data_centers["pue"][pool.data_center_index] * pool.energy_surcharge_cny_per_mwh * mw
    return cny_per_h


def costs_by_loops(problem: PlacementProblem, plan: Plan) -> dict[str, float]:
    """CNY per year by component, one term at a time."""
    cost = dict.fromkeys(("energy", "carbon", "latency", "network", "data_transfer", "shedding"), 0.0)
    cost |= dict.fromkeys(("demand_charge", "accelerator_capital", "site_capital", "opening", "deployment"), 0.0)
    for t, part in problem.slices.iterrows():
        for d, center in problem.data_centers.iterrows():
            mwh = part["weight_h"] * center["pue"] * power_by_loops(problem, plan, t, d)
            cost["energy"] += problem.energy_price_cny_per_mwh[t, d] * mwh
            cost["carbon"] += problem.carbon_price_cny_per_t * center["carbon_kg_per_kwh"] * mwh
        cost["energy"] += part["weight_h"] * surcharge_by_loops(problem, plan, t)
        for r, candidate in problem.candidates.iterrows():
            mtok = part["weight_h"] * plan.flow_mtok_per_h[t, r]
            k = problem.workloads.loc[int(candidate["workload_index"]), "class_index"]
            value = problem.classes.loc[k, "latency_cny_per_ms_per_mtok"]
            cost["latency"] += value * candidate["rtt_ms"] * mtok
            cost["network"] += candidate["network_cny_per_mtok"] * mtok
            cost["data_transfer"] += candidate["data_transfer_cny_per_mtok"] * mtok
        shed = part["weight_h"] * plan.shed_mtok_per_h[t].sum()
        cost["shedding"] += problem.shed_penalty_cny_per_mtok * shed
    for d, center in problem.data_centers.iterrows():
        cost["opening"] += center["opening_cny_per_year"] * plan.is_open[d]
        charge = 1000.0 * center["demand_charge_cny_per_kw_month"]
        for b, months in enumerate(problem.billing["months"]):
            is_contract = center["demand_charge_basis"] == "contracted"
            cost["demand_charge"] += charge * months * (plan.contract_mw[d] if is_contract else plan.peak_mw[b, d])
    for p, pool in problem.pools.iterrows():
        cost["accelerator_capital"] += pool["pod_cny_per_year"] * plan.new_pods[p]
        cost["site_capital"] += pool["site_cny_per_year"] * plan.new_pods[p]
    for n, k in enumerate(problem.deployments["class_index"]):
        cost["deployment"] += problem.classes.loc[k, "deploy_cny_per_year"] * plan.is_deployed[n]
    return cost


def traffic_by_loops(problem: PlacementProblem, plan: Plan, t: int, link: int) -> float:
    """Gbps on one link in one slice."""
    traffic = 0.0
    for r, candidate in problem.candidates.iterrows():
        route = problem.route_links[problem.route_links["route_index"] == candidate["route_index"]]
        if link in set(route["link_index"]):
            k = problem.workloads.loc[int(candidate["workload_index"]), "class_index"]
            traffic += problem.classes.loc[k, "gbps_per_mtok_per_h"] * plan.flow_mtok_per_h[t, r]
    return traffic


@hypothesis_settings(max_examples=12)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_random_plans_cost_what_plain_loops_say(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, size)
    plan = random_plan(problem, rng)
    report = check_plan(problem, plan)
    assert report.component_cny.to_dict() == pytest.approx(costs_by_loops(problem, plan))
    for t in range(len(problem.slices)):
        power = [power_by_loops(problem, plan, t, d) for d in range(len(problem.data_centers))]
        assert report.it_power_mw[t] == pytest.approx(power)
        traffic = [traffic_by_loops(problem, plan, t, link) for link in range(len(problem.links))]
        assert report.link_gbps[t] == pytest.approx(traffic)


# --- what is no plan at all ---


@pytest.mark.parametrize("name", [field.name for field in fields(Plan)])
def test_array_of_another_shape_is_refused_by_name(name: str) -> None:
    plan = worked_plan()
    given = getattr(plan, name)
    with pytest.raises(MalformedPlanError, match=rf"{name}: shape .* the problem has"):
        check_plan(worked_problem(), replace(plan, **{name: given[:-1] if given.size else np.zeros((1, 1))}))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_all_at_once(value: float) -> None:
    plan = with_entry(worked_plan(), "flow_mtok_per_h", (1, 3), value)
    plan = with_entry(plan, "peak_mw", (0, WEST), value)
    with pytest.raises(MalformedPlanError) as caught:
        check_plan(worked_problem(), plan)
    assert "flow_mtok_per_h: 1 number(s) not finite, first at (1, 3)" in str(caught.value)
    assert "peak_mw: 1 number(s) not finite, first at (0, 1)" in str(caught.value)


@pytest.mark.parametrize("tolerance", [-1e-9, np.nan, np.inf])
def test_tolerance_that_is_none_is_refused(tolerance: float) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        check_plan(worked_problem(), worked_plan(), tolerance=tolerance)

"""
Limits on the year as a whole, worked out by hand: what each changes in the optimum.

The toy's numbers (see `toy_problem`): chat of two hubs alone, 100 mtok/h each; each takes 10 busy accelerators and 4 MW
of IT power. Energy of 100 mtok an hour: east 6 MWh at 500, west 4.8 MWh at 300 CNY/MWh. Unless a test says otherwise
nothing else costs anything, so everything goes west, at 2 x 1440 CNY an hour.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_problems import random_problem, toy_problem

from optimizer.checker.check import CheckReport, check_plan
from optimizer.checker.facts import PlanFacts
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem, PolicyLimits
from optimizer.runs.results import describe_outcome, policy_outcome
from optimizer.solvers.benders.aggregation import merge_hubs
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.benders.whole_decisions import DEPLOYMENT, make_whole
from optimizer.solvers.control import Control, Solution, Termination
from optimizer.solvers.solve import solve_whole

YEAR_H = 8760.0
EAST, WEST = range(2)
EAST_CNY_PER_H, WEST_CNY_PER_H = 3000.0, 1440.0
FREE: dict[str, Any] = {
    "demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0),
    "latency_cny_per_ms_per_mtok": (0.0, 0.0),
    "link_cny_per_gbps_h": (0.0, 0.0, 0.0, 0.0),
    "deploy_cny_per_year": (0.0, 0.0),
}


def both(problem: PlacementProblem) -> tuple[Solution, Solution]:
    """Solve a problem by both methods to its optimum."""
    options: dict[str, Any] = {"mip_rel_gap": 1e-6, "seed": 1, "threads": 1}
    return (
        solve_whole(problem, control=Control(time_limit_s=60), **options),
        solve_decomposed(problem, control=Control(time_limit_s=60), **options),
    )


def assert_both_agree(problem: PlacementProblem) -> Solution:
    whole, decomposed = both(problem)
    assert decomposed.termination == whole.termination
    if whole.plan is None:
        assert decomposed.plan is None
        return whole
    assert decomposed.plan is not None
    violations = check_plan(problem, decomposed.plan).violations
    assert violations.empty, violations.to_string()
    assert decomposed.objective_cny == pytest.approx(whole.objective_cny, rel=1e-5)
    assert decomposed.bound_cny <= whole.objective_cny * (1 + 1e-6)
    return whole


def optimum(policy: dict[str, Any], **options: Any) -> tuple[PlacementProblem, Plan, CheckReport]:
    """Solve a toy with a policy by both methods; return its plan and what the checker says of it."""
    problem = toy_problem(**FREE | options, policy=policy)
    solution = assert_both_agree(problem)
    assert solution.termination == Termination.OPTIMAL
    assert solution.plan is not None
    report = check_plan(problem, solution.plan)
    assert report.is_feasible, report.violations.to_string()
    return problem, solution.plan, report


def energy(east: float, west: float) -> float:
    """CNY a year for so many mtok/h in the east and in the west."""
    return YEAR_H * (east * EAST_CNY_PER_H + west * WEST_CNY_PER_H) / 100.0


def test_least_share_of_a_region_is_served_there_and_no_more() -> None:
    """30 % of 200 mtok/h are 60 in the east, though west is cheaper."""
    _, plan, report = optimum({"min_region_share": {"east": 0.3}})
    assert report.total_cny == pytest.approx(energy(60.0, 140.0))
    assert plan.work_mtok_per_h[:, EAST] @ np.full(2, 0.5) == pytest.approx(60.0)


def test_share_of_a_region_counts_the_tokens_served() -> None:
    """Shedding at 10 CNY is cheaper than serving anywhere: nothing is served, and 30 % of nothing is nothing."""
    _, plan, report = optimum({"min_region_share": {"east": 0.3}}, shed_penalty_cny_per_mtok=10.0)
    assert report.total_cny == pytest.approx(YEAR_H * 200.0 * 10.0)
    assert plan.work_mtok_per_h.sum() == pytest.approx(0.0)


def test_least_green_share_brings_work_to_green_power() -> None:
    """
    East is 90 % green, west 10 %. Half of the energy green: 0.9 x 6e + 0.1 x 4.8w = 0.5 (6e + 4.8w), so 6e = 4.8w.

    With e + w = 200 mtok/h in hundreds: e = 2 x 4.8 / 10.8 = 0.8889, w = 1.1111.
    """
    _, plan, report = optimum({"min_green_share": 0.5}, green_power_share=(0.9, 0.1))
    assert report.total_cny == pytest.approx(energy(800.0 / 9.0, 1000.0 / 9.0))
    # All pods that are on are at work.
    assert plan.active_pods * 5.0 == pytest.approx(plan.work_mtok_per_h[:, [EAST, WEST]] * 0.1, abs=1e-6)


def test_no_pod_idles_for_the_green_share() -> None:
    """
    Were idling allowed, it would pay where work in the east is not: energy in the east costs 1 CNY/MWh here.

    Latency of 10 CNY a ms keeps chat of both hubs out of the west, 10 % green; the east is 30 % green, and that is all.
    """
    options = {"latency_cny_per_ms_per_mtok": (10.0, 0.0), "energy_price_cny_per_mwh": ((1.0, 1.0),)}
    _, plan, report = optimum({"min_green_share": 0.5}, green_power_share=(0.3, 0.8), **options)
    # 0.3 x 6e + 0.8 x 4.8w = 0.5 (6e + 4.8w): 1.2 e = 1.44 w, e + w = 2, w = 2.4 / 2.64.
    west = 200.0 * 1.2 / 2.64
    assert plan.work_mtok_per_h[:, WEST] @ np.full(2, 0.5) == pytest.approx(west)
    facility_mwh = YEAR_H * ((200.0 - west) * 6.0 + west * 4.8) / 100.0
    assert report.energy_mwh_per_year.sum() == pytest.approx(facility_mwh)


def test_carbon_cap_brings_just_enough_work_to_clean_power() -> None:
    """
    100 mtok/h emit 6 x 0.1 = 0.6 t an hour in the east, 4.8 x 0.6 = 2.88 t in the west; 5.76 t for both in the west.

    A cap of 4.62 t an hour takes 1.14 t off: 1.14 / 2.28 = half a workload goes east.
    """
    cap = 4.62 * YEAR_H
    problem, plan, report = optimum({"carbon_cap_t_per_year": cap}, carbon_kg_per_kwh=(0.1, 0.6))
    assert report.total_cny == pytest.approx(energy(50.0, 150.0))
    assert report.carbon_t_per_year.sum() == pytest.approx(cap)
    # Market-based: 70 % of the east's energy and 20 % of the west's have no contract; that does not net the cap.
    market = PlanFacts(problem, plan).market_carbon_t_per_year
    assert market == pytest.approx(YEAR_H * np.array([0.5 * 0.6 * 0.7, 1.5 * 2.88 * 0.2]))


def test_least_utilization_closes_what_would_stand_idle() -> None:
    """
    West has pods for one workload, 50 % of its accelerators busy; east has 10 pods: with the other workload, 10 % busy.

    At 15 % the east has to carry 150 mtok/h or to be closed: two new pods in the west are the cheaper way.
    """
    options = {"existing_pods": (10, 2), "max_new_pods": (0, 2), "pod_cny_per_year": 8.0e6}
    _, plan, report = optimum({"min_utilization_share": 0.09}, **options)
    assert plan.is_open.tolist() == [1, 1]
    assert report.total_cny == pytest.approx(energy(100.0, 100.0))
    _, plan, report = optimum({"min_utilization_share": 0.15}, **options)
    assert plan.is_open.tolist() == [0, 1]
    assert report.total_cny == pytest.approx(energy(0.0, 200.0) + 2 * (8.0e6 + 1.0e5))


def test_investment_limit_leaves_what_cannot_be_bought_in_the_east() -> None:
    """
    A new pod in the west costs 4.5 million CNY up front, saves 780 CNY an hour, costs nothing a year: as many as fit.

    Of 10 million CNY two can be bought, not 2.2; the other 100 mtok/h stay east.
    """
    options = {"existing_pods": (10, 0), "max_new_pods": (0, 10), "pod_cny_per_year": 0.0}
    options |= {"site_cny_per_year": (0.0, 0.0)}
    problem, plan, report = optimum({"investment_limit_cny": 10.0e6}, **options)
    assert plan.new_pods.tolist() == [0, 2]
    assert report.total_cny == pytest.approx(energy(100.0, 100.0))
    assert PlanFacts(problem, plan).investment_cny == pytest.approx(9.0e6)


def test_share_of_new_compute_is_bought_where_it_must_stand() -> None:
    """
    A new pod serves 50 mtok/h; four are needed, and all would stand in the west, in which power is cheaper.

    Half of what is bought has to stand in the east, a metro: two pods, and with them half of the work. With at least 3
    of 10 in the east and 7 of 10 in the west nothing but 3 and 7 fit: ten pods for the work of four.
    """
    options = {"existing_pods": (0, 0), "max_new_pods": (9, 9), "pod_cny_per_year": 2.0e7}
    _, plan, free = optimum({}, **options)
    assert plan.new_pods.tolist() == [0, 4]
    for group in ("east", "metro"):
        _, plan, report = optimum({"min_new_compute_share": {group: 0.5}}, **options)
        assert plan.new_pods.tolist() == [2, 2]
        assert report.total_cny - free.total_cny == pytest.approx(energy(100.0, -100.0) + 2 * 1.0e5)
    _, plan, _ = optimum({"min_new_compute_share": {"east": 0.3, "west": 0.7}}, **options)
    assert plan.new_pods.tolist() == [3, 7]


def test_pods_that_carry_nothing_stay_where_a_share_needs_them() -> None:
    """At a PUE of 9 nothing is served in the east: of five pods, one stands idle there, a fifth of what is bought."""
    options = {"existing_pods": (0, 0), "max_new_pods": (9, 9), "pue": (9.0, 1.0)}
    _, plan, _ = optimum({"min_new_compute_share": {"east": 0.2}}, **options)
    assert plan.new_pods.tolist() == [1, 4]
    assert plan.active_pods[:, EAST].tolist() == [0.0, 0.0]


def test_spending_limit_buys_latency_with_what_is_left() -> None:
    """
    At 1 CNY a ms and mtok the 20 ms more to the west cost 2000 CNY an hour and workload; east saves that for 1560.

    A budget for 1.5 workloads in the west and half a one in the east is spent to the last yuan.
    """
    limit = energy(50.0, 150.0)
    _, _, report = optimum({"spending_limit_cny_per_year": limit}, latency_cny_per_ms_per_mtok=(1.0, 0.0))
    assert report.component_cny["energy"] == pytest.approx(limit)
    # Beta's way is 2 ms longer to either place, so it does not matter whose half goes east.
    assert report.component_cny["latency"] == pytest.approx(YEAR_H * (200 * 4.0 + 150 * 20.0))


@pytest.mark.parametrize(("cny_per_gb", "place"), [(3.4, WEST), (3.5, EAST)])
def test_price_of_data_that_leaves_home(cny_per_gb: float, place: int) -> None:
    """
    A mtok of chat is 0.01 Gbps h = 4.5 GB. Alpha's leave home when they go west; that saves 15.6 CNY a mtok.

    15.6 / 4.5 = 3.4667 CNY/GB. Beta is at home in both.
    """
    _, plan, report = optimum({}, data_transfer_cny_per_gb=cny_per_gb)
    transfer = YEAR_H * 100.0 * 4.5 * cny_per_gb
    if place == WEST:
        assert report.total_cny == pytest.approx(energy(0.0, 200.0) + transfer)
        assert report.component_cny["data_transfer"] == pytest.approx(transfer)
    else:
        assert report.total_cny == pytest.approx(energy(100.0, 100.0))
    assert plan.flow_mtok_per_h[:, place] == pytest.approx(100.0)  # alpha's chat


def test_merged_hubs_keep_the_price_of_data_that_leaves_home() -> None:
    """Alpha pays 0.9 CNY a mtok in the west, beta nothing: in proportion 0.45; splitting better saves no more."""
    problem = toy_problem(deferrable_h=24, data_transfer_cny_per_gb=0.1, link_cny_per_gbps_h=(0.0,) * 4)
    merged = merge_hubs(problem)
    assert len(merged.problem.workloads) == len(problem.workloads) - 1
    batch = merged.problem.candidates[merged.problem.candidate_class == 1]
    assert batch["data_transfer_cny_per_mtok"].tolist() == pytest.approx([0.0, 0.45])
    # Alpha could go east instead, at 0.45 below its share, for all its 100 mtok/h.
    assert merged.bound_correction_cny == pytest.approx(YEAR_H * 100.0 * 0.45)
    exact, inside = (both(each)[0] for each in (problem, merged.problem))
    assert inside.objective_cny >= exact.objective_cny * (1 - 1e-9)
    assert inside.objective_cny - merged.bound_correction_cny <= exact.objective_cny * (1 + 1e-9)


TOYS: dict[str, dict[str, Any]] = {
    "region share against reach": {"policy": {"min_region_share": {"west": 0.6}}, "rtt_limit_ms": (24.0, np.inf)},
    "cap, nearly out of reach": {
        "policy": {"carbon_cap_t_per_year": 100_950.0},
        "carbon_kg_per_kwh": (0.5, 0.6),
        "latency_cny_per_ms_per_mtok": (50.0, 0.0),
    },
    "cap out of reach": {"policy": {"carbon_cap_t_per_year": 100_000.0}},
    "green share and least utilization": {
        "policy": {"min_green_share": 0.6, "min_utilization_share": 0.2},
        "existing_pods": (6, 8),
        "opening_cny_per_year": (1e6, 1e6),
    },
    "investment, whole pods": {
        "policy": {"investment_limit_cny": 24.0e6},
        "existing_pods": (2, 2),
        "deferrable_h": 24,
        "profile": (0.8, 1.2),
    },
    "new compute, fast and slow pods": {
        "policy": {"min_new_compute_share": {"metro": 0.6}},
        "existing_pods": (1, 1),
        "max_new_pods": (4, 4),
        "accelerators": 2,
    },
    "investment, one pod short": {"policy": {"investment_limit_cny": 18.0e6}, "existing_pods": (2, 1)},
    "spending": {"policy": {"spending_limit_cny_per_year": 60.0e6}, "demand_charge_cny_per_kw_month": (5.0, 5.0)},
    "merged days": {
        "policy": {"min_region_share": {"east": 0.4}, "carbon_cap_t_per_year": 104_000.0, "min_green_share": 0.4},
        "day_months": (3.0, 4.0, 5.0),
        "energy_price_cny_per_mwh": ((500, 300), (450, 350), (300, 500), (350, 320), (900, 300), (200, 800)),
    },
    "merged days, spending": {
        "policy": {"spending_limit_cny_per_year": 51.0e6},
        "latency_cny_per_ms_per_mtok": (1.0, 0.0),
        "day_months": (3.0, 4.0, 5.0),
        "energy_price_cny_per_mwh": ((500, 300), (450, 350), (300, 500), (350, 320), (900, 300), (200, 800)),
    },
    "opening by power, spending, merged days": {
        "policy": {"spending_limit_cny_per_year": 56.0e6},
        "opening_cny_per_mw_year": (1e5, 4e5),
        "latency_cny_per_ms_per_mtok": (1.0, 0.0),
        "day_months": (3.0, 4.0, 5.0),
        "energy_price_cny_per_mwh": ((500, 300), (450, 350), (300, 500), (350, 320), (900, 300), (200, 800)),
    },
    "opening by power, merged days": {
        "opening_cny_per_mw_year": (1e5, 4e5),
        "day_months": (3.0, 4.0, 5.0),
        "energy_price_cny_per_mwh": ((500, 300), (450, 350), (300, 500), (350, 320), (900, 300), (200, 800)),
    },
    "data transfer, merged hubs": {"data_transfer_cny_per_gb": 0.05, "deferrable_h": 24},
}


@pytest.mark.parametrize("options", TOYS.values(), ids=TOYS.keys())
def test_both_methods_agree_on_toys_with_a_policy(options: dict[str, Any]) -> None:
    assert_both_agree(toy_problem(**options))


@given(seed=st.integers(0, 2**31), size=st.integers(1, 3))
@settings(max_examples=12)
def test_both_methods_agree_on_random_problems_with_a_policy(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, size)
    while not problem.policy.is_active:
        problem = random_problem(rng, size)
    assert_both_agree(problem)


def test_pods_are_rounded_so_that_the_investment_limit_holds() -> None:
    """In parts, 3.4 pods in the west for 15.3 million CNY; rounded up 4 would cost 18 million, and 16 are there."""
    problem = toy_problem(
        **FREE | {"demand_mtok_per_h": (120.0, 0.0, 100.0, 0.0)}, existing_pods=(4, 1), max_new_pods=(0, 9)
    )
    problem = replace(problem, policy=PolicyLimits(investment_limit_cny=16.0e6))
    decomposition = Decomposition(problem, seed=1, threads=1)
    decomposition.raise_bound(Control(), least_rounds=20)
    pods = decomposition.positions("NewPods")
    point = decomposition.relaxed_point.copy()
    assert point[pods] == pytest.approx([0.0, 3.4])
    for name in ("Open", "Deploy"):
        point[decomposition.positions(name)] = 1.0
    whole = make_whole(decomposition, point, (*DEPLOYMENT, "Assign"), seed=1, control=Control())
    decomposition.blocks.close()
    assert whole is not None
    assert whole[pods] == pytest.approx([0.0, 3.0])
    solution = assert_both_agree(problem)
    assert solution.plan is not None
    assert solution.plan.new_pods.tolist() == [0, 3]


def test_outcome_is_set_beside_each_demand() -> None:
    policy = {
        "min_region_share": {"east": 0.3},
        "min_new_compute_share": {"east": 0.3},
        "min_green_share": 0.5,
        "carbon_cap_t_per_year": 60_000.0,
        "min_utilization_share": 0.05,
        "investment_limit_cny": 1.0e6,
        "spending_limit_cny_per_year": 90.0e6,
    }
    problem, plan, _ = optimum(policy)
    lines = [describe_outcome(item) for item in policy_outcome(PlanFacts(problem, plan))]
    # 60 of 200 mtok/h in the east, 3.6 of 10.32 MW: 0.3 x 3.6 + 0.8 x 6.72 MW green, 0.5 x 3.6 + 0.6 x 6.72 t an hour.
    assert lines == [
        "east share of the tokens 30.0% (at least 30.0%)",
        "east share of the compute bought none (at least 30.0%)",
        "green share of the energy 62.56% (at least 50.0%)",
        "carbon, location-based 51,088 t (at most 60,000 t)",
        "least busy data center (east) 6.0% (at least 5.0%)",
        "investment up front 0.0 million CNY (at most 1.0 million CNY)",
        "spending a year 33.4 million CNY (at most 90.0 million CNY)",
    ]

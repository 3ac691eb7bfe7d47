"""
The loss of any data center (11): optima worked by hand, against enumeration, and each limit broken on purpose.

The toy's numbers (see `toy_problem`): a workload of 100 mtok/h takes 2 pods and 4 MW. East costs 3000 CNY/h for it,
west 1440. A new pod costs 1.0 million CNY a year and its building 0.2 in the east, 0.1 in the west.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_brute_force import MOST_NEW_PODS, assert_same_optimum
from test_decompose import assert_both_agree
from toy_assembly import Parts, assemble_toy
from toy_problems import random_problem, toy_problem
from worked_plan import only_violation, with_entry

from optimizer.checker.check import check_plan
from optimizer.checker.facts import PlanFacts
from optimizer.checker.limits import OUTAGE_LIMITS, OutageFacts
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.plan_tables import plan_from_tables, plan_tables
from optimizer.solvers.control import Control, Solution, Termination
from optimizer.solvers.solve import solve_whole

EAST, WEST = range(2)
CHAT, BATCH = range(2)
FREE: dict[str, Any] = {
    "demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0),
    "latency_cny_per_ms_per_mtok": (0.0, 0.0),
    "link_cny_per_gbps_h": (0.0, 0.0, 0.0, 0.0),
    "deploy_cny_per_year": (0.0, 0.0),
    "existing_pods": (0, 10),
    "survives": (CHAT,),
}


def solve(problem: PlacementProblem) -> Solution:
    return solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())


def optimum(**options: Any) -> tuple[PlacementProblem, Plan, float]:
    problem = toy_problem(**FREE | options)
    solution = solve(problem)
    assert solution.termination == Termination.OPTIMAL
    assert solution.plan is not None
    report = check_plan(problem, solution.plan)
    assert report.is_feasible, report.violations.to_string()
    return problem, solution.plan, report.total_cny


def price_of_resilience(**options: Any) -> float:
    return optimum(**options)[2] - optimum(**options | {"survives": ()})[2]


# Worked by hand


def test_reserve_for_the_loss_of_the_west_is_bought_in_the_east() -> None:
    """All of it runs in the west, which has the pods; should the west be lost, 200 mtok/h need 4 pods in the east."""
    _, plan, _ = optimum()
    assert plan.new_pods.tolist() == [4, 0]
    assert plan.flow_mtok_per_h.sum(axis=0)[::2].sum() == pytest.approx(0.0)  # candidates 2 w + EAST
    assert price_of_resilience() == pytest.approx(4 * 1.2e6)


def test_reserve_is_free_where_both_have_pods() -> None:
    assert price_of_resilience(existing_pods=(4, 10)) == pytest.approx(0.0)


def test_reserve_stands_ready_in_the_second_place_and_pays_for_that() -> None:
    """Chat must be deployed in the east too, and the east be open."""
    options = {"existing_pods": (4, 10), "deploy_cny_per_year": (1000.0, 0.0), "opening_cny_per_year": (5e5, 2e5)}
    assert price_of_resilience(**options) == pytest.approx(1000.0 + 5e5)


def test_work_that_waits_needs_no_reserve() -> None:
    """With batch to be survived too, 4 workloads of 2 pods each must fit in the east."""
    options = {"demand_mtok_per_h": (100.0, 100.0, 100.0, 100.0)}
    assert price_of_resilience(**options) == pytest.approx(4 * 1.2e6)
    assert price_of_resilience(**options, survives=(CHAT, BATCH)) == pytest.approx(8 * 1.2e6)


def test_reserve_is_for_the_hardest_slice_only() -> None:
    """At half the demand in the other slice nothing more is needed, and no outage is planned for it."""
    problem, plan, _ = optimum(profile=[0.5, 1.0])
    assert plan.new_pods.tolist() == [4, 0]
    assert problem.outages.to_numpy().tolist() == [[EAST, 1], [WEST, 1]]


@pytest.mark.parametrize(("east_mw", "is_feasible"), [(8.0, True), (7.9, False)])
def test_power_of_the_others_limits_what_they_take_over(east_mw: float, *, is_feasible: bool) -> None:
    problem = toy_problem(**FREE | {"it_capacity_mw": (east_mw, 100.0)})
    assert (solve(problem).termination == Termination.OPTIMAL) == is_feasible


@pytest.mark.parametrize(("beta_gbps", "is_feasible"), [(1.0, True), (0.9, False)])
def test_links_limit_what_is_taken_over(beta_gbps: float, *, is_feasible: bool) -> None:
    """100 mtok/h of chat are 1 Gbps. East is cheap, so the way to the west is used in an outage alone."""
    options = {
        "energy_price_cny_per_mwh": ((100.0, 300.0),),
        "existing_pods": (10, 10),
        "link_capacity_gbps": (5.0, 5.0, 1.0 + beta_gbps, 5.0),
    }
    problem = toy_problem(**FREE | options)
    assert bool(problem.links["is_limiting"][2]) != is_feasible
    assert (solve(problem).termination == Termination.OPTIMAL) == is_feasible


def test_rtt_limit_binds_in_an_outage() -> None:
    """Within 10 ms chat reaches the east alone: the loss of the east cannot be survived."""
    assert solve(toy_problem(**FREE | {"rtt_limit_ms": (10.0, np.inf)})).termination == Termination.INFEASIBLE


def test_work_far_from_the_failure_makes_room() -> None:
    """
    Everything may be routed anew: this is the reading of (11) that docs/formulation.md chooses.

    Near, middle and far have 2 pods each; alpha reaches near and middle, beta middle and far; the nearer is
    cheaper. Should near be lost, alpha goes to the middle, and beta, which was there, makes room and goes to far.
    """
    problem = three_in_a_row()
    solution = solve(problem)
    assert solution.plan is not None
    nobody = solve(replace(problem, outage_demand_mtok_per_h=np.zeros((0, 0))))
    assert solution.objective_cny == pytest.approx(nobody.objective_cny)
    assert solution.plan.flow_mtok_per_h[0].tolist() == pytest.approx([100.0, 0.0, 100.0, 0.0])
    lost_near = problem.outages["failed_index"].tolist().index(0)
    assert solution.plan.failover_share[lost_near].tolist() == pytest.approx([0.0, 1.0, 0.0, 1.0])


def three_in_a_row() -> PlacementProblem:
    like = toy_problem()
    centers = like.data_centers.iloc[[0, 0, 0]].assign(id=["near", "middle", "far"], node=["n", "m", "f"])
    pools = like.pools.iloc[[0, 0, 0]].assign(data_center_index=range(3), existing_pods=2, max_new_pods=0)
    ways = [("alpha", "n"), ("alpha", "m"), ("beta", "m"), ("beta", "f")]
    links = pd.DataFrame(ways, columns=["from_node", "to_node"]).assign(
        id=["a_n", "a_m", "b_m", "b_f"], length_km=100.0, one_way_ms=1.0, capacity_gbps=1e3, cny_per_gbps_h=0.0
    )
    return assemble_toy(
        Parts(
            hubs=["alpha", "beta"],
            classes=like.classes.iloc[:1].assign(max_sites=3, deploy_cny_per_year=0.0),
            data_centers=centers.reset_index(drop=True),
            accelerators=like.accelerators,
            pools=pools.reset_index(drop=True),
            links=links,
            routes=[(0, 0, (0,)), (0, 1, (1,)), (1, 1, (2,)), (1, 2, (3,))],
            demand_mtok_per_h=np.full((1, 2), 100.0),
            energy_price_cny_per_mwh=np.array([[100.0, 200.0, 300.0]]),
            accel_h_per_mtok=np.array([[0.1]]),
            deferrable_h=(0,),
            slices_per_day=1,
            survives=(0,),
        )
    )


# Enumeration, whole against decomposed


@given(seed=st.integers(0, 2**31), size=st.integers(1, 2))
@settings(max_examples=10)
def test_optimum_with_reserve_is_that_of_enumeration(seed: int, size: int) -> None:
    problem = random_problem(np.random.default_rng(seed), size, survives=True)
    assume(not problem.outages.empty)
    most = problem.pools["max_new_pods"].clip(upper=MOST_NEW_PODS[size])
    assert_same_optimum(replace(problem, pools=problem.pools.assign(max_new_pods=most)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"existing_pods": (1, 3), "max_new_pods": (3, 3)},
        {"existing_pods": (2, 2), "max_new_pods": (2, 1), "it_capacity_mw": (8.0, 100.0)},
        {"max_new_pods": (3, 3)},  # one pod short
        {"existing_pods": (2, 3), "max_new_pods": (2, 1), "profile": [1.0, 0.5]},
        {"existing_pods": (4, 4), "link_capacity_gbps": (5.0, 5.0, 1.5, 5.0), "second_route": True},
    ],
)
def test_toys_with_reserve_against_enumeration(options: dict[str, Any]) -> None:
    assert_same_optimum(toy_problem(**FREE | {"max_new_pods": (4, 1)} | options))


TOYS = {
    "plain": {},
    "all classes": {"survives": (CHAT, BATCH), "demand_mtok_per_h": (100.0, 80.0, 100.0, 60.0)},
    "deferrable": {"demand_mtok_per_h": (100.0,) * 4, "deferrable_h": 24},
    "short": {"max_new_pods": (3, 3)},
    "scarce links": {"link_capacity_gbps": (5.0, 5.0, 1.5, 5.0), "second_route": True, "existing_pods": (4, 4)},
    "two accelerators": {"accelerators": 2},
    "opening": {"opening_cny_per_year": (3e6, 1e6), "deploy_cny_per_year": (1e5, 1e5)},
    "one in reach": {"rtt_limit_ms": (10.0, np.inf)},
    "shedding": {"shed_penalty_cny_per_mtok": 0.5},
    "days alike": {"day_months": (5.0, 7.0), "energy_price_cny_per_mwh": ((500.0, 300.0),) * 2 + ((300.0, 400.0),) * 2},
    "links only in an outage": {
        "energy_price_cny_per_mwh": ((100.0, 300.0),),
        "existing_pods": (10, 10),
        "link_capacity_gbps": (5.0, 5.0, 1.9, 5.0),
        "second_route": True,
    },
}


@pytest.mark.parametrize("options", TOYS.values(), ids=TOYS.keys())
def test_decomposition_agrees_with_the_whole_model(options: dict[str, Any]) -> None:
    assert_both_agree(toy_problem(**FREE | options))


@given(seed=st.integers(0, 2**31), size=st.integers(1, 3))
@settings(max_examples=10)
def test_decomposition_agrees_with_the_whole_model_on_random_problems(seed: int, size: int) -> None:
    assert_both_agree(random_problem(np.random.default_rng(seed), size, survives=True))


# Metamorphic


@given(seed=st.integers(0, 2**31), size=st.integers(1, 3))
@settings(max_examples=10)
def test_reserve_never_saves_and_more_of_it_never_costs_less(seed: int, size: int) -> None:
    problem = random_problem(np.random.default_rng(seed), size, survives=True)
    nothing = np.zeros((0, 0))
    demands = [nothing, problem.outage_demand_mtok_per_h * 0.5, problem.outage_demand_mtok_per_h]
    costs = [solve(replace(problem, outage_demand_mtok_per_h=demand)).objective_cny for demand in demands]
    for less, more in itertools.pairwise(costs):
        assert more >= less * (1 - 1e-7) or np.isinf(more)


# The stored plan


def test_failover_survives_storing() -> None:
    problem, plan, _ = optimum(survives=(CHAT, BATCH), demand_mtok_per_h=(100.0,) * 4)
    tables = plan_tables(problem, plan)
    assert set(tables["failover"]["failed"]) == {"east", "west"}
    lost = tables["failover"].query("failed == 'west'")
    assert set(lost["data_center"]) == {"east"}
    assert lost["mtok_per_h"].sum() == pytest.approx(400.0)
    tables["data_centers"] = tables["pools"].rename(columns={"data_center": "id"}).assign(
        is_open=plan.is_open > 0, contract_mw=plan.contract_mw
    )  # fmt: skip
    tables["routes"] = problem.routes.assign(
        route=problem.routes.index,
        data_center=problem.data_centers["id"].to_numpy()[problem.routes["data_center_index"]],
    )
    again = plan_from_tables(problem, tables)
    assert np.array_equal(again.failover_share, plan.failover_share)
    assert np.array_equal(again.failover_work_mtok_per_h, plan.failover_work_mtok_per_h)
    assert check_plan(problem, again).is_feasible


# Each limit broken on purpose


@pytest.fixture(scope="module")
def survivor() -> tuple[PlacementProblem, Plan]:
    """Chat in the west, 4 new pods in the east should the west be lost; both workloads are one call."""
    problem, plan, _ = optimum()
    return problem, plan


OUTAGE_OF_EAST, OUTAGE_OF_WEST = range(2)
LOSS_OF_WEST = "loss of west in day_0 00:00"


def test_11a_serve_in_outage(survivor: tuple[PlacementProblem, Plan]) -> None:
    problem, plan = survivor
    plan = with_entry(plan, "failover_share", (OUTAGE_OF_WEST, 0), 0.5)
    plan = with_entry(plan, "failover_work_mtok_per_h", (OUTAGE_OF_WEST, 0), 150.0)
    rows = only_violation(check_plan(problem, plan), "11a", "serve_in_outage")
    assert rows == [(f"chat alpha, {LOSS_OF_WEST}", 50.0, 100.0, 50.0, "mtok_per_h")]


def test_11a_what_failed_serves_nothing(survivor: tuple[PlacementProblem, Plan]) -> None:
    problem, plan = survivor
    moved = plan.failover_share.copy()
    moved[OUTAGE_OF_WEST] = moved[OUTAGE_OF_EAST]
    names = check_plan(problem, replace(plan, failover_share=moved)).violations["name"].tolist()
    assert names.count("serve_in_outage") == 2


def test_11a_cover_every_outage(survivor: tuple[PlacementProblem, Plan]) -> None:
    """The problem is told that the loss of the east is all there is."""
    problem, plan = survivor
    told = replace(problem)
    told.__dict__["outages"] = problem.outages.iloc[:1]
    plan = replace(
        plan,
        failover_share=plan.failover_share[:1],
        failover_work_mtok_per_h=plan.failover_work_mtok_per_h[:1],
    )
    rows = only_violation(check_plan(told, plan), "11a", "cover_every_outage")
    assert [row[0] for row in rows] == ["west, day_0 00:00", "west, day_0 12:00"]


def test_11a_plan_without_failover_serves_nothing(survivor: tuple[PlacementProblem, Plan]) -> None:
    problem, plan = survivor
    plan = replace(plan, failover_share=np.zeros((0, 0)), failover_work_mtok_per_h=np.zeros((0, 0)))
    assert len(only_violation(check_plan(problem, plan), "11a", "serve_in_outage")) == 4


def test_11b_take_over_where_deployed(survivor: tuple[PlacementProblem, Plan]) -> None:
    problem, plan = survivor
    plan = with_entry(plan, "is_deployed", 2 * CHAT + EAST, 0)
    found = check_plan(problem, plan).violations
    assert set(found["equation"]) == {"11b", "11g"}  # a single place is left
    rows = found[found["name"] == "take_over_where_deployed"]
    assert rows["where"].tolist()[0] == f"chat alpha -> east via alpha>coast, {LOSS_OF_WEST}"
    assert rows[["amount", "limit"]].to_numpy().tolist() == [[1.0, 0.0]] * 2


def test_11g_stand_in_two_places(survivor: tuple[PlacementProblem, Plan]) -> None:
    problem, plan = survivor
    found = check_plan(problem, with_entry(plan, "is_deployed", 2 * CHAT + EAST, 0)).violations
    rows = found[found["name"] == "stand_in_two_places"]
    assert rows["where"].tolist() == ["chat alpha", "chat beta"]
    assert rows[["amount", "limit"]].to_numpy().tolist() == [[1.0, 2.0]] * 2


def test_11b_no_share_is_negative(survivor: tuple[PlacementProblem, Plan]) -> None:
    problem, plan = survivor
    plan = with_entry(plan, "failover_share", (OUTAGE_OF_EAST, 0), -0.5)
    names = set(check_plan(problem, plan).violations["name"])
    assert "take_over_no_less_than_nothing" in names


def test_11c_process_what_is_taken_over(survivor: tuple[PlacementProblem, Plan]) -> None:
    problem, plan = survivor
    plan = with_entry(plan, "failover_work_mtok_per_h", (OUTAGE_OF_WEST, 0), 190.0)
    rows = only_violation(check_plan(problem, plan), "11c", "process_what_is_taken_over")
    assert rows == [(f"chat at east, {LOSS_OF_WEST}", 190.0, 200.0, 10.0, "mtok_per_h")]


def test_11c_no_work_is_negative(survivor: tuple[PlacementProblem, Plan]) -> None:
    problem, plan = survivor
    plan = with_entry(plan, "failover_work_mtok_per_h", (OUTAGE_OF_EAST, 0), -1.0)
    assert "process_no_less_than_nothing" in set(check_plan(problem, plan).violations["name"])


def test_11d_limit_accelerators_in_outage(survivor: tuple[PlacementProblem, Plan]) -> None:
    """Three pods offer 15 accelerators, 200 mtok/h take 20."""
    problem, plan = survivor
    rows = only_violation(
        check_plan(problem, with_entry(plan, "new_pods", EAST, 3)), "11d", "limit_accelerators_in_outage"
    )
    assert rows == [(f"standard at east, {LOSS_OF_WEST}", 20.0, 15.0, 5.0, "accelerators")]


def test_11e_limit_it_power_in_outage(survivor: tuple[PlacementProblem, Plan]) -> None:
    """Four pods at 1 MW and 20 busy accelerators at 0.2."""
    problem, plan = survivor
    problem = replace(problem, data_centers=problem.data_centers.assign(it_capacity_mw=[7.0, 100.0]))
    rows = only_violation(check_plan(problem, plan), "11e", "limit_it_power_in_outage")
    assert rows == [(f"east, {LOSS_OF_WEST}", 8.0, 7.0, 1.0, "mw")]


@pytest.mark.parametrize("is_limiting", [True, False])
def test_11f_limit_link_traffic_in_outage(*, is_limiting: bool) -> None:
    """East is cheap; should it be lost, 200 mtok/h x 0.01 Gbps go over coast_inland."""
    problem, plan, _ = optimum(energy_price_cny_per_mwh=((100.0, 300.0),), existing_pods=(10, 10))
    capacity = [5.0, 5.0, 1.5]
    problem = replace(problem, links=problem.links.assign(capacity_gbps=capacity, is_limiting=is_limiting))
    rows = only_violation(check_plan(problem, plan), "11f", "limit_link_traffic_in_outage")
    assert rows == [("coast_inland, loss of east in day_0 00:00", 2.0, 1.5, 0.5, "gbps")]


def test_limits_bear_the_names_of_their_functions(survivor: tuple[PlacementProblem, Plan]) -> None:
    facts = PlanFacts(*survivor)
    names = [limit(facts, OutageFacts(facts)).name for limit in OUTAGE_LIMITS]
    assert names == [limit.__name__ for limit in OUTAGE_LIMITS]

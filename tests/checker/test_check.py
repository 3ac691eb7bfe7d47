"""Each limit broken on purpose, alone: the checker names exactly that equation, where, and by how much."""

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worked_plan import (
    ALPHA_BATCH,
    ALPHA_CHAT,
    BATCH,
    BETA_BATCH,
    BETA_CHAT,
    CHAT,
    EAST,
    WEST,
    only_violation,
    with_entry,
    worked_plan,
    worked_problem,
)

from optimizer.checker.check import check_plan
from optimizer.checker.facts import SPENDING, PlanFacts
from optimizer.checker.limits import LIMITS, POLICY_LIMITS, check_resilience
from optimizer.model.equations import CONSTRAINTS, COSTS
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem


def test_1a_serve_demand_names_the_unserved_workload() -> None:
    plan = with_entry(worked_plan(), "shed_mtok_per_h", (0, BETA_CHAT), 4.0)
    rows = only_violation(check_plan(worked_problem(), plan), "1a", "serve_demand")
    assert rows == [("chat beta, day_0 00:00", 94.0, 100.0, 6.0, "mtok_per_h")]


def test_1a_limit_shedding_where_the_scenario_allows_none() -> None:
    problem = worked_problem(shed_penalty_cny_per_mtok=None)
    rows = only_violation(check_plan(problem, worked_plan()), "1a", "limit_shedding")
    assert rows == [("chat beta, day_0 00:00", 10.0, 0.0, 10.0, "mtok_per_h")]


def test_1b_defer_demand_balances_the_backlog() -> None:
    """Slice 0: 500 + 12 x 50 against 0 + 12 x 100; slice 1: 0 + 12 x 150 against 500 + 12 x 100."""
    plan = with_entry(worked_plan(), "backlog_mtok", (0, ALPHA_BATCH), 500.0)
    assert only_violation(check_plan(worked_problem(), plan), "1b", "defer_demand") == [
        ("batch alpha, day_0 00:00", 1100.0, 1200.0, 100.0, "mtok"),
        ("batch alpha, day_0 12:00", 1800.0, 1700.0, 100.0, "mtok"),
    ]


def test_1b_serve_after_arrival_refuses_work_before_its_time() -> None:
    """Alpha's batch sends 150 then 50: 50 mtok/h x 12 h are served half a day before they arrive."""
    plan = with_entry(worked_plan(), "backlog_mtok", (0, ALPHA_BATCH), -600.0)
    for array, place in (
        ("flow_mtok_per_h", (slice(None), 2 * ALPHA_BATCH + WEST)),
        ("work_mtok_per_h", (slice(None), 2 * BATCH + WEST)),
        ("active_pods", (slice(None), WEST)),
    ):
        plan = with_entry(plan, array, place, getattr(plan, array)[place][::-1])
    rows = only_violation(check_plan(worked_problem(), plan), "1b", "serve_after_arrival")
    assert rows == [("batch alpha, day_0 00:00", -600.0, 0.0, 600.0, "mtok")]


def test_1b_keep_window_refuses_work_that_waits_too_long() -> None:
    problem = worked_problem()
    short = replace(problem, backlog_limit_mtok=problem.backlog_limit_mtok / 4.0)  # 1200 -> 300 mtok
    rows = only_violation(check_plan(short, worked_plan()), "1b", "keep_window")
    assert rows == [("batch alpha, day_0 00:00", 600.0, 300.0, 300.0, "mtok")]


def test_1b_keep_window_lets_nothing_urgent_wait() -> None:
    plan = with_entry(worked_plan(), "backlog_mtok", (1, ALPHA_CHAT), 5.0)
    rows = only_violation(check_plan(worked_problem(), plan), "1b", "keep_window")
    assert rows == [("chat alpha, day_0 12:00", 5.0, 0.0, 5.0, "mtok")]


def test_2_process_what_is_routed() -> None:
    plan = with_entry(worked_plan(), "work_mtok_per_h", (0, 2 * CHAT + EAST), 180.0)
    rows = only_violation(check_plan(worked_problem(), plan), "2", "process_what_is_routed")
    assert rows == [("chat at east, day_0 00:00", 180.0, 190.0, 10.0, "mtok_per_h")]


def test_3_limit_accelerators() -> None:
    """4.5 active pods have 45 accelerators, of which half may be busy."""
    plan = with_entry(worked_plan(), "active_pods", (1, WEST), 4.5)
    rows = only_violation(check_plan(worked_problem(), plan), "3", "limit_accelerators")
    assert rows == [("standard at west, day_0 12:00", 25.0, 22.5, 2.5, "accelerators")]


def test_4a_switch_on_installed_pods() -> None:
    plan = with_entry(worked_plan(), "new_pods", WEST, 2)
    rows = only_violation(check_plan(worked_problem(), plan), "4a", "switch_on_installed_pods")
    assert rows == [("standard at west, day_0 12:00", 5.0, 4.0, 1.0, "pods")]


def test_4b_buy_pods_where_open() -> None:
    plan = with_entry(worked_plan(), "new_pods", WEST, 4)
    rows = only_violation(check_plan(worked_problem(), plan), "4b", "buy_pods_where_open")
    assert rows == [("standard at west", 4.0, 3.0, 1.0, "pods")]


def test_4c_keep_min_pods() -> None:
    problem = worked_problem(min_pods=(4, 6))
    rows = only_violation(check_plan(problem, worked_plan()), "4c", "keep_min_pods")
    assert rows == [("standard at west", 5.0, 6.0, 1.0, "pods")]


def test_5_limit_it_power() -> None:
    problem = worked_problem(it_capacity_mw=(8.0, 9.5))
    rows = only_violation(check_plan(problem, worked_plan()), "5", "limit_it_power")
    assert rows == [("west, day_0 12:00", 10.0, 9.5, 0.5, "mw")]


def test_6a_serve_where_deployed() -> None:
    plan = with_entry(worked_plan(), "is_deployed", 2 * BATCH + WEST, 0)
    assert only_violation(check_plan(worked_problem(), plan), "6a", "serve_where_deployed") == [
        ("batch alpha -> west, day_0 00:00", 50.0, 0.0, 50.0, "mtok_per_h"),
        ("batch beta -> west, day_0 00:00", 100.0, 0.0, 100.0, "mtok_per_h"),
        ("batch alpha -> west, day_0 12:00", 150.0, 0.0, 150.0, "mtok_per_h"),
        ("batch beta -> west, day_0 12:00", 100.0, 0.0, 100.0, "mtok_per_h"),
    ]


def without_west() -> tuple[PlacementProblem, Plan]:
    """Nothing is asked of batch, and its model needs no pods: the west carries nothing and is closed."""
    plan = worked_plan()
    nothing: dict[str, Any] = {"backlog_mtok": np.zeros((2, 4)), "new_pods": np.array([0, 0])}
    plan = replace(plan, **nothing, is_open=np.array([1, 0]), is_deployed=np.array([1, 0, 0, 0]))
    for array, place in (
        ("flow_mtok_per_h", (slice(None), [2 * ALPHA_BATCH + WEST, 2 * BETA_BATCH + WEST])),
        ("work_mtok_per_h", (slice(None), 2 * BATCH + WEST)),
        ("active_pods", (slice(None), WEST)),
        ("peak_mw", (slice(None), WEST)),
    ):
        plan = with_entry(plan, array, place, 0.0)
    return worked_problem(demand_mtok_per_h=(100.0, 0.0, 100.0, 0.0), min_accelerators=(10, 0)), plan


def test_closed_data_center_costs_nothing() -> None:
    problem, plan = without_west()
    report = check_plan(problem, plan)
    assert report.is_feasible, report.violations.to_string()
    costs = report.costs_cny
    assert costs.loc[costs["data_center"] == "west", "cny_per_year"].tolist() == [0.0] * 10
    assert np.isnan(report.classes["mean_rtt_ms"][BATCH])  # no batch is served: it has no mean


def test_6b_deploy_where_open() -> None:
    problem, plan = without_west()
    plan = with_entry(plan, "is_deployed", 2 * BATCH + WEST, 1)
    rows = only_violation(check_plan(problem, plan), "6b", "deploy_where_open")
    assert rows == [("batch at west", 1.0, 0.0, 1.0, "1")]


@pytest.mark.parametrize(
    ("array", "place", "value", "names"),
    [
        ("active_pods", (0, WEST), 1.0, {"switch_on_installed_pods", "limit_it_power", "pay_peak_power"}),
        ("new_pods", WEST, 1, {"buy_pods_where_open"}),
    ],
)
def test_closed_data_center_keeps_nothing_on(array: str, place: Any, value: Any, names: set[str]) -> None:
    problem, plan = without_west()
    report = check_plan(problem, with_entry(plan, array, place, value))
    assert set(report.violations["name"]) == names


def test_6c_limit_sites() -> None:
    plan = with_entry(worked_plan(), "is_deployed", 2 * BATCH + EAST, 1)
    rows = only_violation(check_plan(worked_problem(), plan), "6c", "limit_sites")
    assert rows == [("batch", 2.0, 1.0, 1.0, "data_centers")]


def test_6d_require_min_share() -> None:
    """96 % of 200 mtok/h are 192; the east serves 190 in the first slice."""
    problem = worked_problem(min_share=(0.96, 0.0))
    rows = only_violation(check_plan(problem, worked_plan()), "6d", "require_min_share")
    assert rows == [("chat at east, day_0 00:00", 190.0, 192.0, 2.0, "mtok_per_h")]


def chat_may_go_west() -> tuple[PlacementProblem, Plan]:
    """Chat is deployed in the west too, where it may carry nothing."""
    plan = with_entry(worked_plan(), "is_deployed", 2 * CHAT + WEST, 1)
    return worked_problem(max_sites=(2, 1), min_share=(0.0, 0.0)), plan


def test_6e_keep_models_loaded() -> None:
    """The west has 3 pods of 10 on in the morning: too few for a batch model that takes 32, enough for one of 30."""
    rows = only_violation(
        check_plan(worked_problem(min_accelerators=(10, 32)), worked_plan()), "6e", "keep_models_loaded"
    )
    assert rows == [("west, day_0 00:00", 30.0, 32.0, 2.0, "accelerators")]
    assert check_plan(worked_problem(min_accelerators=(40, 30)), worked_plan()).is_feasible


def test_7a_assign_once() -> None:
    problem, plan = chat_may_go_west()
    plan = with_entry(plan, "is_assigned", 1, 1)
    rows = only_violation(check_plan(problem, plan), "7a", "assign_once")
    assert rows == [("chat alpha", 2.0, 1.0, 1.0, "data_centers")]


def test_7b_serve_where_assigned() -> None:
    problem, plan = chat_may_go_west()
    plan = with_entry(plan, "is_assigned", [0, 1], [0, 1])
    assert only_violation(check_plan(problem, plan), "7b", "serve_where_assigned") == [
        ("chat alpha -> east, day_0 00:00", 100.0, 0.0, 100.0, "mtok_per_h"),
        ("chat alpha -> east, day_0 12:00", 100.0, 0.0, 100.0, "mtok_per_h"),
    ]


def test_7c_assign_where_deployed() -> None:
    """Alpha asks for no chat, so only the assignment itself can be wrong."""
    plan = with_entry(worked_plan(), "is_assigned", [0, 1], [0, 1])
    plan = with_entry(plan, "flow_mtok_per_h", (slice(None), 2 * ALPHA_CHAT + EAST), 0.0)
    plan = with_entry(plan, "work_mtok_per_h", (slice(None), 2 * CHAT + EAST), [90.0, 100.0])
    problem = worked_problem(demand_mtok_per_h=(0.0, 100.0, 100.0, 100.0))
    rows = only_violation(check_plan(problem, plan), "7c", "assign_where_deployed")
    assert rows == [("chat alpha -> west", 1.0, 0.0, 1.0, "1")]


@pytest.mark.parametrize("name", ["slice_h", "is_contracted", "min_accelerators", "candidate_class"])
def test_checker_takes_nothing_that_the_model_derives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, plan = worked_problem(), worked_plan()
    expected = check_plan(problem, plan)

    def derived_by_the_model(_: object) -> None:
        raise AssertionError(f"the checker uses PlacementProblem.{name}")

    monkeypatch.setattr(type(problem), name, property(derived_by_the_model))
    again = check_plan(worked_problem(), plan)
    assert again.total_cny == expected.total_cny
    assert again.is_feasible == expected.is_feasible


@pytest.mark.parametrize("is_limiting", [True, False])
def test_8_limit_link_traffic_on_every_link(is_limiting: bool) -> None:  # noqa: FBT001
    """A link that the problem wrongly leaves out of the model is checked all the same."""
    problem = worked_problem(link_capacity_gbps=(5.0, 5.0, 4.5, 5.0))
    problem = replace(problem, links=problem.links.assign(is_limiting=is_limiting))
    rows = only_violation(check_plan(problem, worked_plan()), "8", "limit_link_traffic")
    assert rows == [("coast_inland, day_0 12:00", 5.0, 4.5, 0.5, "gbps")]


def test_9_pay_peak_power() -> None:
    plan = with_entry(worked_plan(), "peak_mw", (0, WEST), 11.0)
    rows = only_violation(check_plan(worked_problem(), plan), "9", "pay_peak_power")
    assert rows == [("west, day_0 12:00", 12.0, 11.0, 1.0, "mw")]


def test_9b_pay_contracted_power() -> None:
    """The west draws 7.2 and 12 MW; contracted for 11, it draws more than it pays in one slice of the year."""
    problem = worked_problem(demand_charge_basis=("monthly_peak", "contracted"))
    plan = with_entry(worked_plan(), "contract_mw", WEST, 11.0)
    rows = only_violation(check_plan(problem, plan), "9b", "pay_contracted_power")
    assert rows == [("west, day_0 12:00", 12.0, 11.0, 1.0, "mw")]
    # So where the opening is paid on it: 11 MW at 100,000 CNY beside 500,000 for the site, and a million for the east.
    by_power = worked_problem(opening_cny_per_mw_year=(0.0, 1e5))
    report = check_plan(by_power, plan)
    assert only_violation(report, "9b", "pay_contracted_power") == rows
    assert report.component_cny["opening"] == pytest.approx(1.5e6 + 1.1e6)
    # Where the monthly peak is billed, nothing is asked of the contract.
    assert check_plan(worked_problem(), plan).is_feasible


def test_peak_above_the_power_is_allowed_and_paid() -> None:
    report = check_plan(worked_problem(), with_entry(worked_plan(), "peak_mw", (0, WEST), 13.0))
    assert report.is_feasible
    assert report.component_cny["demand_charge"] == pytest.approx(1000 * 12 * (30 * 12.0 + 20 * 13.0))


def test_candidate_beyond_the_rtt_limit() -> None:
    problem = worked_problem()
    problem = replace(problem, classes=problem.classes.assign(rtt_limit_ms=[4.0, np.inf]))
    rows = only_violation(check_plan(problem, worked_plan()), "candidate", "keep_rtt_limit")
    assert rows == [("chat beta -> east via beta>coast", 5.0, 4.0, 1.0, "ms")]


def test_candidate_beyond_the_time_to_the_first_token() -> None:
    """Of 50 ms, 0.2 wait in the queue: 10; beta to east and back, twice: 10; so 31 ms of computing are 1 too many."""
    problem = worked_problem()
    problem = replace(
        problem,
        classes=problem.classes.assign(ttft_limit_ms=[50.0, np.inf]),
        compute_ms=np.array([[31.0], [1e6]]),
        queue_margin_share=0.2,
        connection_rtts=2.0,
    )
    rows = only_violation(check_plan(problem, worked_plan()), "candidate", "keep_first_token_limit")
    assert rows == [("chat beta -> east via beta>coast", 51.0, 50.0, 1.0, "ms")]
    # As slow an accelerator that does none of the work takes none of the time.
    idle = replace(problem, compute_ms=np.array([[30.0], [1e6]]))
    assert check_plan(idle, worked_plan()).is_feasible


# --- ranges of the variables ---


def test_negative_flow_cannot_hide_in_a_sum() -> None:
    """Two routes of one pair carry 60 and -10 mtok/h: every sum is right."""
    problem = worked_problem(second_route=True)
    candidates = problem.candidates
    by_pair = candidates[["workload_index", "data_center_index"]].apply(tuple, axis=1).tolist()
    flow = np.zeros((2, len(candidates)))
    for pair in range(8):
        flow[:, by_pair.index((pair // 2, pair % 2))] = worked_plan().flow_mtok_per_h[:, pair]
    first = by_pair.index((ALPHA_BATCH, WEST))
    flow[0, first], flow[0, first + 1] = 60.0, -10.0
    plan = replace(worked_plan(), flow_mtok_per_h=flow)
    rows = only_violation(check_plan(problem, plan), "domain", "not_negative_flow")
    where = "batch alpha -> west via alpha>inland, day_0 00:00"
    assert rows == [(where, -10.0, 0.0, 10.0, "mtok_per_h")]


@pytest.mark.parametrize(
    ("array", "place", "value", "where"),
    [
        ("shed_mtok_per_h", (1, BETA_CHAT), -1.0, "chat beta, day_0 12:00"),
        ("work_mtok_per_h", (0, 2 * CHAT + WEST), -1.0, "chat on standard at west, day_0 00:00"),
        ("active_pods", (0, EAST), -1.0, "standard at east, day_0 00:00"),
        ("new_pods", EAST, -1, "standard at east"),
        ("peak_mw", (0, EAST), -1.0, "east, day_0"),
        ("contract_mw", EAST, -1.0, "east"),
    ],
)
def test_negative_amounts_are_named(array: str, place: Any, value: float, where: str) -> None:
    rows = check_plan(worked_problem(), with_entry(worked_plan(), array, place, value)).violations
    found = rows[rows["name"] == f"not_negative_{array.split('_', maxsplit=1)[0]}"]
    assert found[["equation", "where", "excess"]].to_numpy().tolist() == [["domain", where, 1.0]]


@pytest.mark.parametrize("value", [0.5, 1.001, -1.0, 2.0])
def test_decisions_are_zero_or_one(value: float) -> None:
    for array, place, where in (
        ("is_open", WEST, "west"),
        ("is_deployed", 2 * CHAT + WEST, "chat at west"),
        ("is_assigned", 1, "chat alpha -> west"),
    ):
        plan = worked_plan()
        decisions = getattr(plan, array).astype(float)
        decisions[place] = value
        rows = check_plan(worked_problem(), replace(plan, **{array: decisions})).violations
        found = rows[rows["name"].str.startswith("zero_or_one")]
        assert found["where"].tolist() == [where]
        assert found["excess"].tolist() == pytest.approx([abs(value - min(1, max(0, round(value))))])


def test_pods_are_bought_whole() -> None:
    plan = replace(worked_plan(), new_pods=np.array([0.4, 3.0]))
    rows = only_violation(check_plan(worked_problem(), plan), "domain", "whole_pods_new")
    assert rows == [("standard at east", 0.4, 0.0, 0.4, "pods")]


# --- tolerance and register ---


@pytest.mark.parametrize(("excess_share", "is_feasible"), [(0.9e-6, True), (1.1e-6, False)])
def test_tolerance_is_a_share_of_the_limit(excess_share: float, *, is_feasible: bool) -> None:
    """The peak of 12 MW may be underpaid by 12 W."""
    plan = with_entry(worked_plan(), "peak_mw", (0, WEST), 12.0 / (1.0 + excess_share))
    assert check_plan(worked_problem(), plan).is_feasible == is_feasible
    assert check_plan(worked_problem(), plan, tolerance=2e-6).is_feasible


def test_several_broken_limits_are_all_listed() -> None:
    plan = with_entry(worked_plan(), "peak_mw", (0, slice(None)), 11.5)
    plan = with_entry(plan, "is_deployed", 2 * BATCH + EAST, 1)
    rows = check_plan(worked_problem(), plan).violations
    found = rows[["name", "where"]].to_numpy().tolist()
    assert found == [
        ["limit_sites", "batch"],
        ["pay_peak_power", "east, day_0 00:00"],
        ["pay_peak_power", "east, day_0 12:00"],
        ["pay_peak_power", "west, day_0 12:00"],
    ]


def test_checker_and_formulation_agree_on_every_equation() -> None:
    facts = PlanFacts(worked_problem(survives=(0,)), worked_plan())
    checked = [check_limit(facts) for check_limit in (*LIMITS, *POLICY_LIMITS)] + check_resilience(facts)
    assert {(equation.number, equation.name) for equation in CONSTRAINTS} <= {(c.equation, c.name) for c in checked}
    # What the checker proves beyond them belongs to one of their numbers, or to a candidate.
    assert {c.equation for c in checked} - {equation.number for equation in CONSTRAINTS} <= {"candidate", "12"}


def test_checker_and_formulation_agree_on_every_cost() -> None:
    costs = check_plan(worked_problem(), worked_plan()).component_cny
    assert list(costs.index) == [cost.name for cost in COSTS]
    assert list(SPENDING) == [cost.name for cost in COSTS if cost.is_spent]


def test_every_limit_is_broken_by_a_test_of_its_own() -> None:
    """No limit without a test that breaks it alone: the names that `only_violation` is asked for here."""
    here = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(here) if isinstance(node, ast.Call)]
    asked = {
        tuple(argument.value for argument in call.args[1:] if isinstance(argument, ast.Constant))
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "only_violation"
    }
    facts = PlanFacts(worked_problem(), worked_plan())
    limits = [check_limit(facts) for check_limit in LIMITS]
    assert [limit.name for limit in limits] == [check_limit.__name__ for check_limit in LIMITS]
    assert {(limit.equation, limit.name) for limit in limits} <= asked
    numbers = [
        "1a",
        "1b",
        "2",
        "3",
        "4a",
        "4b",
        "4c",
        "5",
        "6a",
        "6b",
        "6c",
        "6d",
        "6e",
        "7a",
        "7b",
        "7c",
        "8",
        "9",
        "9b",
    ]
    assert set(numbers) == {limit.equation for limit in limits} - {"candidate"}

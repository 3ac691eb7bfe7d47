"""One toy for each kind of infeasibility: the smallest change worked out by hand, applied, and proved by solving."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toy_problems import toy_problem

from optimizer.checker.check import check_plan
from optimizer.infeasibility.changes import ChangeItem
from optimizer.infeasibility.explain import Explanation, explain_problem
from optimizer.infeasibility.levers import CANDIDATE_LEVERS, LEVERS, Lever
from optimizer.infeasibility.relaxed_problem import relax_problem
from optimizer.infeasibility.search import Option
from optimizer.model.equations import CONSTRAINTS
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.solve import solve_whole
from optimizer.text.explanations import change_line


def termination(problem: PlacementProblem) -> Termination:
    return solve_whole(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control()).termination


def explained(problem: PlacementProblem) -> Explanation:
    """Explain a toy that has no plan; see that each change found gives it one, and that no plan is claimed."""
    assert termination(problem) == Termination.INFEASIBLE
    explanation = explain_problem(problem)
    assert explanation.status == "infeasible"
    assert explanation.exit_code == 2
    assert explanation.is_complete
    assert any(option.is_enough for option in explanation.options)
    for option in explanation.options:
        if option.is_enough:
            assert option.problem is not None
            assert option.plan is not None
            assert check_plan(option.problem, option.plan).is_feasible
            assert termination(option.problem) == Termination.OPTIMAL
    return explanation


def alone(explanation: Explanation, kind: str) -> Option:
    """Find the change of one kind alone, proved smallest."""
    (option,) = [option for option in explanation.options if option.kinds == (kind,)]
    assert option.result == "proved"
    assert option.bound_share == pytest.approx(option.change_share, rel=1e-4)
    return option


def lines(option: Option) -> list[tuple[Any, ...]]:
    return [(item.where, item.amount, item.unit, item.now, item.then) for item in option.items]


def no_use(explanation: Explanation) -> set[str]:
    return {option.kinds[0] for option in explanation.options if option.result == "none" and len(option.kinds) == 1}


def test_feasible_toy_says_how_far_demand_could_grow() -> None:
    # 10 + 10 pods there and 20 to buy hold 50 mtok/h each: 2,000 of 400 mtok/h, five times as much.
    explanation = explain_problem(toy_problem())
    assert (explanation.status, explanation.exit_code, explanation.options) == ("feasible", 0, ())
    total, in_reach = explanation.margins
    assert total.growth_share == pytest.approx(4.0)
    assert in_reach.growth_share == pytest.approx(4.0)
    assert total.held_by == ("accelerators at east, west",)


def test_headroom_within_reach_is_less_than_in_all() -> None:
    # Chat asks for 200 mtok/h and reaches the east only: 5 pods, 250 mtok/h. In all 25 pods hold 1,250 of 400.
    problem = toy_problem(rtt_limit_ms=(10.0, np.inf), existing_pods=(5, 20), max_new_pods=(0, 0))
    total, in_reach = explain_problem(problem).margins
    assert total.growth_share == pytest.approx(2.125)
    assert in_reach.growth_share == pytest.approx(0.25)
    assert in_reach.held_by == ("accelerators at east",)


def test_too_few_pods() -> None:
    # 2 + 3 pods x 50 = 250 of 400 mtok/h: 150 short, 3 pods. The west's are cheaper to house, so they come first.
    explanation = explained(toy_problem(existing_pods=(1, 2), max_new_pods=(1, 1)))
    assert [condition.name for condition in explanation.failures] == ["total capacity", "capacity within reach"]
    option = alone(explanation, "pods")
    assert lines(option) == [("standard at west", 3, "pods", 3, 6)]
    assert option.change_share == pytest.approx(3 / 8)  # of the 8 pods that the demand takes
    assert alone(explanation, "unserved").change_share == pytest.approx(150 / 400)
    assert "it_power" in no_use(explanation)


def test_too_little_power() -> None:
    # Full demand takes 16 MW; 4 + 5 MW are there. Energy behind the meter is cheaper in the west: 300 x 1.2.
    explanation = explained(toy_problem(it_capacity_mw=(4.0, 5.0), profile=(0.5, 1.0)))
    option = alone(explanation, "it_power")
    assert lines(option) == [("west", pytest.approx(7.0), "MW", 5.0, pytest.approx(12.0))]
    assert option.change_share == pytest.approx(7 / 9)
    assert "pods" in no_use(explanation)
    unserved = alone(explanation, "unserved")
    assert unserved.change_share == pytest.approx(175 / 400)
    assert {item.note for item in unserved.items} == {"in day_0 12:00"}


def test_a_little_less_power_is_not_enough() -> None:
    problem = toy_problem(it_capacity_mw=(4.0, 5.0), profile=(0.5, 1.0))
    problem.data_centers.loc[1, "it_capacity_mw"] = 11.99
    assert termination(problem) == Termination.INFEASIBLE


def test_links_too_thin() -> None:
    # Each metro sends 100 x 0.01 + 100 x 0.02 = 3 Gbps over its only link, which carries 0.5.
    explanation = explained(toy_problem(link_capacity_gbps=(0.5, 0.5, 0.5, 0.5)))
    assert not explanation.failures  # no necessary condition knows of links
    option = alone(explanation, "link_capacity")
    assert lines(option) == [
        ("alpha_coast", pytest.approx(2.5), "Gbps", 0.5, 3.0),
        ("beta_coast", pytest.approx(2.5), "Gbps", 0.5, 3.0),
    ]
    assert option.change_share == pytest.approx(10.0)
    assert {"pods", "it_power"} <= no_use(explanation)


def test_longer_round_trip_reaches_more_pods() -> None:
    # Chat's 200 mtok/h reach only the east's 3 pods (150) within 10 ms; the west is 23 ms from alpha, 25 from beta.
    explanation = explained(toy_problem(rtt_limit_ms=(10.0, np.inf), existing_pods=(3, 20), max_new_pods=(0, 0)))
    option = alone(explanation, "rtt_limit")
    assert lines(option) == [("chat", 13.0, "ms", 10.0, 23.0)]
    assert option.items[0].note == "to reach west from alpha"
    assert option.change_share == pytest.approx(1.3)
    assert lines(alone(explanation, "pods")) == [("standard at east", 1, "pods", 3, 4)]
    assert explanation.options[0].kinds == ("pods",)  # 1 pod of 23 is less than 130 %


def test_workload_without_any_candidate() -> None:
    # Beta is 5 ms from the nearest data center.
    explanation = explained(toy_problem(rtt_limit_ms=(4.0, np.inf)))
    (failure,) = explanation.failures
    assert failure.name == "reach of chat of beta"
    assert "the nearest is 1.00 ms too far" in failure.message
    assert failure.short_ms == pytest.approx(1.0)
    assert lines(alone(explanation, "rtt_limit")) == [("chat", 1.0, "ms", 4.0, 5.0)]
    assert alone(explanation, "unserved").change_share == pytest.approx(100 / 400)


def test_whole_pods_alone_are_in_the_way() -> None:
    # Half a pod of work each: chat must stay in the east, whose 1 MW is full with it, so batch goes west. Half a pod
    # at each place would cost 2.5 + 2.25 million CNY of the 6 that may be invested; a whole one at each costs 9.5.
    explanation = explained(
        toy_problem(
            demand_mtok_per_h=(25.0, 25.0, 0.0, 0.0),
            rtt_limit_ms=(10.0, np.inf),
            existing_pods=(0, 0),
            it_capacity_mw=(1.0, 100.0),
            policy={"investment_limit_cny": 6e6},
        )
    )
    assert not explanation.failures
    option = alone(explanation, "investment")
    assert lines(option) == [("the plan", 3.5e6, "CNY", 6e6, 9.5e6)]
    assert option.change_share == pytest.approx(3.5 / 6)
    # With more room for power in the east one pod does for both.
    assert lines(alone(explanation, "it_power")) == [("east", pytest.approx(1.0), "MW", 1.0, 2.0)]


def test_work_that_fits_only_in_halves() -> None:
    # Alpha's chat must stay whole: 100 mtok/h, 4 MW on 2 pods. The west can hold 2 pods and has 3 MW, the east 1 pod.
    explanation = explained(
        toy_problem(
            indivisible=(True, False),
            demand_mtok_per_h=(100.0, 0.0, 0.0, 0.0),
            existing_pods=(1, 1),
            max_new_pods=(0, 1),
            it_capacity_mw=(100.0, 3.0),
        )
    )
    assert [condition.name for condition in explanation.failures] == ["single places"]
    assert lines(alone(explanation, "it_power")) == [("west", pytest.approx(1.0), "MW", 3.0, 4.0)]
    assert lines(alone(explanation, "pods")) == [("standard at east", 1, "pods", 1, 2)]
    assert lines(alone(explanation, "indivisible")) == [("chat", 1.0, "step", True, False)]


def test_one_site_too_few() -> None:
    # 300 mtok/h of chat: no data center holds more than 4 pods (200), so it needs both, and may use one.
    explanation = explained(
        toy_problem(
            demand_mtok_per_h=(150.0, 0.0, 150.0, 0.0), existing_pods=(4, 4), max_new_pods=(0, 0), max_sites=(1, 2)
        )
    )
    assert lines(alone(explanation, "max_sites")) == [("chat", 1, "data centers", 1, 2)]
    assert lines(alone(explanation, "pods")) == [("standard at west", 2, "pods", 4, 6)]


def test_least_share_too_large() -> None:
    # 90 % of 360 mtok/h are 324; 6 pods hold 300. Two deployments of half each fit.
    explanation = explained(
        toy_problem(
            min_share=(0.9, 0.0),
            demand_mtok_per_h=(180.0, 1.0, 180.0, 1.0),
            existing_pods=(6, 6),
            max_new_pods=(0, 0),
        )
    )
    assert lines(alone(explanation, "min_share")) == [("chat", pytest.approx(0.4), "share", 0.9, pytest.approx(0.5))]
    assert lines(alone(explanation, "pods")) == [("standard at west", 2, "pods", 6, 8)]


def test_least_pods_that_do_not_fit() -> None:
    explanation = explained(toy_problem(min_pods=(30, 30)))
    assert [item.amount for item in alone(explanation, "min_pods").items] == [10]
    assert [item.amount for item in alone(explanation, "pods").items] == [10]


def test_models_that_take_more_accelerators_than_there_are() -> None:
    # Chat's model stays on 150 accelerators; 10 pods of 10 are at each place.
    problem = toy_problem(demand_mtok_per_h=(100.0, 0.0, 100.0, 0.0), max_new_pods=(0, 0))
    problem = replace(problem, classes=problem.classes.assign(min_accelerators=[150, 0]))
    explanation = explained(problem)
    assert lines(alone(explanation, "min_accelerators")) == [("chat", 50, "accelerators", 150, 100)]
    assert [item.amount for item in alone(explanation, "pods").items] == [5]


def test_work_that_may_wait_counts_over_the_day() -> None:
    # 7 pods hold 350 mtok/h in each half of the day; chat asks for 200 and batch, which may wait, for 200.
    explanation = explained(toy_problem(deferrable_h=12, existing_pods=(4, 3), max_new_pods=(0, 0)))
    assert [item.amount for item in alone(explanation, "pods").items] == [1]


@pytest.mark.parametrize(
    ("kind", "options", "line"),
    [
        # 2 pods in the west hold 100 of 400 mtok/h.
        (
            "region_share",
            {"policy": {"min_region_share": {"west": 0.8}}, "existing_pods": (10, 2), "max_new_pods": (0, 0)},
            ("west", pytest.approx(0.55), "share", 0.8, pytest.approx(0.25)),
        ),
        # 16 MW in the west, where a MWh emits least: 16 x 1.2 x 0.6 x 8,760 h = 100,915.2 t.
        (
            "carbon_cap",
            {"policy": {"carbon_cap_t_per_year": 1000.0}},
            ("the plan", 99_916.0, "t/year", 1000.0, 100_916.0),
        ),
        # 400 mtok/h are 8 pods; 4 are there, and 4 new ones in the west cost 4.5 million CNY each.
        (
            "investment",
            {"policy": {"investment_limit_cny": 1e6}, "existing_pods": (0, 4)},
            ("the plan", 17e6, "CNY", 1e6, 18e6),
        ),
    ],
)
def test_policy_too_strict(kind: str, options: dict[str, Any], line: tuple[Any, ...]) -> None:
    assert lines(alone(explained(toy_problem(**options)), kind)) == [line]


@pytest.mark.parametrize(
    ("kind", "options", "then"),
    [
        # 2 pods of 8 in the west, 0.8 green: (0.8 x 4 x 1.2 + 0.3 x 12 x 1.5) / (4 x 1.2 + 12 x 1.5).
        (
            "green_share",
            {"policy": {"min_green_share": 0.7}, "existing_pods": (10, 2), "max_new_pods": (0, 0)},
            (0.8 * 4.8 + 0.3 * 18) / 22.8,
        ),
        # 400 mtok/h are 8 new pods, of which the west has room for 4.
        (
            "new_compute",
            {
                "policy": {"min_new_compute_share": {"cluster": 0.8}},
                "existing_pods": (0, 0),
                "max_new_pods": (10, 4),
            },
            0.5,
        ),
        # 40 busy accelerators of the 300 of one data center.
        ("utilization", {"policy": {"min_utilization_share": 0.5}, "existing_pods": (30, 30)}, 40 / 300),
    ],
)
def test_policy_of_a_share_of_what_the_plan_uses(kind: str, options: dict[str, Any], then: float) -> None:
    explanation = explained(toy_problem(**options))
    (option,) = [option for option in explanation.options if option.kinds == (kind,)]
    assert option.result == "sufficient"
    assert option.items[0].then == pytest.approx(then, abs=2e-4)


def test_loss_of_a_data_center_that_the_other_cannot_make_up_for() -> None:
    # All 400 mtok/h take 8 pods; 6 are in the east, 4 in the west. Either must hold 8 for the loss of the other.
    explanation = explained(toy_problem(existing_pods=(6, 4), max_new_pods=(0, 0), survives=(0, 1)))
    assert {item.where: item.amount for item in alone(explanation, "pods").items} == {
        "standard at east": 2, "standard at west": 4,
    }  # fmt: skip
    assert lines(alone(explanation, "survive")) == [("the plan", 1.0, "rule", "any_data_center", "none")]


def test_power_in_an_outage() -> None:
    # Either data center alone takes 16 MW for 400 mtok/h.
    explanation = explained(toy_problem(it_capacity_mw=(10.0, 12.0), survives=(0, 1)))
    assert {item.where: item.amount for item in alone(explanation, "it_power").items} == {
        "east": pytest.approx(6.0), "west": pytest.approx(4.0),
    }  # fmt: skip


def test_links_in_an_outage() -> None:
    # Should the east fail, all 6 Gbps of both metros cross to the west.
    explanation = explained(toy_problem(link_capacity_gbps=(1000.0, 1000.0, 4.0, 1000.0), survives=(0, 1)))
    assert lines(alone(explanation, "link_capacity")) == [("coast_inland", pytest.approx(2.0), "Gbps", 4.0, 6.0)]


def test_a_large_problem_watches_the_links_that_plans_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    # As above, treated as a large problem: its first plans know of no limit of a link.
    monkeypatch.setattr("optimizer.infeasibility.search.EXACT_MAX_FLOW_COLUMNS", 0)
    explanation = explained(toy_problem(link_capacity_gbps=(1000.0, 1000.0, 4.0, 1000.0), survives=(0, 1)))
    assert lines(alone(explanation, "link_capacity")) == [("coast_inland", pytest.approx(2.0), "Gbps", 4.0, 6.0)]


def test_only_a_longer_round_trip_makes_up_for_a_data_center() -> None:
    # Within 10 ms chat has the east only. Beta's chat needs 25 ms to the west.
    explanation = explained(toy_problem(rtt_limit_ms=(10.0, np.inf), survives=(0,)))
    (option,) = [option for option in explanation.options if option.kinds == ("rtt_limit",)]
    assert option.result == "sufficient"
    assert lines(option) == [("chat", 15.0, "ms", 10.0, 25.0)]


def test_together_is_less_than_any_alone() -> None:
    # Five more pods in the west let it take 300 mtok/h, 75 % of all; the fifth costs more than 5 % of the share.
    options = {"policy": {"min_region_share": {"west": 0.8}}, "existing_pods": (10, 2), "max_new_pods": (0, 0)}
    explanation = explained(toy_problem(**options))
    together = explanation.options[0]
    assert together.title == "together"
    assert [(item.kind, item.amount) for item in together.items] == [
        ("pods", 4),
        ("region_share", pytest.approx(0.05)),
    ]
    assert together.change_share < min(option.change_share for option in explanation.options[1:])


def test_pods_and_power_together_where_neither_alone_is_enough() -> None:
    # 1 pod and 2 MW at each place hold 50 mtok/h each of 400; 6 pods and 12 MW are missing.
    explanation = explained(toy_problem(existing_pods=(1, 1), max_new_pods=(0, 0), it_capacity_mw=(2.0, 2.0)))
    assert {"pods", "it_power"} <= no_use(explanation)
    found = [option for option in explanation.options if set(option.kinds) == {"pods", "it_power"}]
    amounts = {kind: sum(i.amount for i in found[0].items if i.kind == kind) for kind in ("pods", "it_power")}
    assert amounts == {"pods": 6, "it_power": pytest.approx(12.0)}


def test_no_chain_of_links_leaves_only_work_unserved() -> None:
    problem = toy_problem()
    unreached = problem.candidates["workload_index"].eq(2)
    cut = PlacementProblem(
        **{
            name: getattr(problem, name)
            for name in problem.__dataclass_fields__
            if name not in {"candidates", "left_out"}
        },
        candidates=problem.candidates[~unreached].reset_index(drop=True),
    )
    explanation = explained(cut)
    assert [option.kinds for option in explanation.options if option.is_enough] == [("unserved",)]


def test_interrupted_before_anything_is_known() -> None:
    control = Control()
    control.stop.set()
    explanation = explain_problem(toy_problem(link_capacity_gbps=(0.5, 0.5, 0.5, 0.5)), control=control)
    assert (explanation.status, explanation.exit_code, explanation.is_complete) == ("undecided", 4, False)


def test_interrupted_after_a_condition_failed() -> None:
    control = Control()
    control.stop.set()
    explanation = explain_problem(toy_problem(existing_pods=(0, 0), max_new_pods=(1, 1)), control=control)
    assert (explanation.status, explanation.is_complete) == ("infeasible", False)


def test_levers_loosen_the_equations_that_name_them_or_add_candidates() -> None:
    named = {equation.lever for equation in CONSTRAINTS} - {""}
    assert named | set(CANDIDATE_LEVERS) == {lever.kind for lever in LEVERS}
    assert named.isdisjoint(CANDIDATE_LEVERS)
    # A coupling says what a plan is: nothing to loosen.
    assert not [equation.name for equation in CONSTRAINTS if equation.kind == "coupling" and equation.lever]


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.kind)
def test_every_lever_has_words_of_its_own(lever: Lever) -> None:
    item = ChangeItem(lever.kind, "somewhere", 2.0, lever.unit, 1, 3, "table.key")
    assert change_line(item).count("somewhere") <= 1
    assert "2" in change_line(item) or "1 -> 3" in change_line(item)


def test_reach_holds_what_the_limit_keeps_out() -> None:
    problem = toy_problem(rtt_limit_ms=(10.0, np.inf))
    reach = relax_problem(problem)
    beyond = reach.problem.candidates[reach.is_beyond]
    assert sorted(zip(beyond["workload_index"], beyond["rtt_ms"], strict=True)) == [(0, 23.0), (2, 25.0)]
    assert reach.over_ms[reach.is_beyond].tolist() == [13.0, 15.0]

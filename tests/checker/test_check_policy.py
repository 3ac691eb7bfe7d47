"""Each limit on the year as a whole broken on purpose, alone: the checker names it with its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from worked_plan import EAST, POLICY, only_violation, with_entry, worked_plan, worked_problem

from optimizer.checker.check import check_plan
from optimizer.checker.facts import PlanFacts
from optimizer.checker.limits import POLICY_LIMITS
from optimizer.problem.problem import PlacementProblem

YEAR_H = 8760.0


def demanding(**policy: Any) -> PlacementProblem:
    """Build the problem of the worked plan with these limits alone."""
    return worked_problem(policy=policy)


def test_worked_plan_keeps_all_that_is_demanded() -> None:
    report = check_plan(worked_problem(policy=POLICY), worked_plan())
    assert report.is_feasible, report.violations.to_string()


def test_10a_require_region_share() -> None:
    """In the west 150 and 250 of 340 and 450 mtok/h: 200 of 395 on average, 50.6 %; 60 % would be 237."""
    rows = only_violation(
        check_plan(demanding(min_region_share={"west": 0.6}), worked_plan()), "10a", "require_region_share"
    )
    assert rows == [("west", 200 * YEAR_H, 237 * YEAR_H, 37 * YEAR_H, "mtok_per_year")]


def test_10b_require_green_share() -> None:
    """
    With the half pod of the first slice off, the east has 3.8 pods on: 7.6 MW, x 1.5 = 11.4 and 12 MW, 30 % green.

    West 7.2 and 12 MW, 80 % green: 0.3 x 23.4 + 0.8 x 19.2 = 22.38 of 42.6 MW, 52.5 %; 60 % would be 25.56.
    """
    plan = with_entry(worked_plan(), "active_pods", (0, EAST), 3.8)
    rows = only_violation(check_plan(demanding(min_green_share=0.6), plan), "10b", "require_green_share")
    assert rows == [("plan", 4380 * 22.38, pytest.approx(4380 * 25.56), pytest.approx(4380 * 3.18), "mwh_per_year")]
    assert check_plan(demanding(min_green_share=0.52), plan).is_feasible


def test_10c_keep_carbon_cap() -> None:
    """4380 h x (23.7 MW x 0.5 + 19.2 MW x 0.6 t/MWh) = 102,360.6 t."""
    rows = only_violation(
        check_plan(demanding(carbon_cap_t_per_year=100_000.0), worked_plan()), "10c", "keep_carbon_cap"
    )
    assert rows == [("plan", pytest.approx(102_360.6), 100_000.0, pytest.approx(2360.6), "t_per_year")]


def test_10d_require_utilization() -> None:
    """East: 19 and 20 of 40 accelerators busy, 48.75 %; west, with its new pods: 15 and 25 of 50, 40 %."""
    problem = demanding(min_utilization_share=0.45)
    rows = only_violation(check_plan(problem, worked_plan()), "10d", "require_utilization")
    unit = "accelerator_h_per_year"
    assert rows == [("west", 20 * YEAR_H, pytest.approx(22.5 * YEAR_H), pytest.approx(2.5 * YEAR_H), unit)]


def test_10e_keep_investment_limit() -> None:
    """3 pods in the west at 4 million CNY and 0.5 million for their place."""
    problem = demanding(investment_limit_cny=13.0e6)
    rows = only_violation(check_plan(problem, worked_plan()), "10e", "keep_investment_limit")
    assert rows == [("plan", 13.5e6, 13.0e6, 0.5e6, "cny")]


def test_10f_keep_spending_limit() -> None:
    """83.74 million CNY: all costs but latency, network, data transfer and shedding."""
    problem = demanding(spending_limit_cny_per_year=80.0e6)
    report = check_plan(problem, worked_plan())
    costs = report.component_cny
    spent = report.total_cny - costs[["latency", "network", "data_transfer", "shedding"]].sum()
    assert spent == pytest.approx(83_740_830.0)
    rows = only_violation(report, "10f", "keep_spending_limit")
    assert rows == [("plan", pytest.approx(spent), 80.0e6, pytest.approx(spent - 80.0e6), "cny_per_year")]


def test_10g_idle_no_pod_to_look_green() -> None:
    """The east has 4 pods on in the first slice, of which 20 accelerators may be busy, for the work of 19."""
    problem = worked_problem(policy={"min_green_share": 0.5}, min_accelerators=(0, 0))
    rows = only_violation(check_plan(problem, worked_plan()), "10g", "idle_no_pod_to_look_green")
    assert rows == [("east, day_0 00:00", 20.0, 19.0, 1.0, "accelerators")]
    # With 2 accelerators kept on for chat, one more of the usable half may idle.
    loaded = worked_problem(policy={"min_green_share": 0.5}, min_accelerators=(2, 0))
    assert check_plan(loaded, worked_plan()).is_feasible


def test_10h_require_new_compute_share() -> None:
    """3 pods of 10 PFLOPS in the west, a cluster, none in the east: a tenth of what is bought would be 3 PFLOPS."""
    problem = demanding(min_new_compute_share={"east": 0.1, "cluster": 1.0})
    rows = only_violation(check_plan(problem, worked_plan()), "10h", "require_new_compute_share")
    assert rows == [("east", 0.0, pytest.approx(3.0), pytest.approx(3.0), "pflops")]
    assert check_plan(demanding(min_new_compute_share={"west": 1.0}), worked_plan()).is_feasible


def test_closed_data_center_need_not_be_busy() -> None:
    closed = replace(worked_plan(), is_open=np.array([1, 0]), new_pods=np.array([0, 0]))
    facts = PlanFacts(demanding(min_utilization_share=0.45), closed)
    (limit,) = [check(facts) for check in POLICY_LIMITS if check.__name__ == "require_utilization"]
    assert np.asarray(limit.limit).tolist() == pytest.approx([0.45 * 40 * YEAR_H, 0.0])


def test_without_demands_there_are_no_rows() -> None:
    facts = PlanFacts(worked_problem(), worked_plan())
    assert [np.asarray(check(facts).amount).size for check in POLICY_LIMITS] == [0] * len(POLICY_LIMITS)

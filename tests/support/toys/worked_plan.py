"""A plan of the two-metro toy worked out by hand, and how to break it and read what the checker says."""

from dataclasses import replace
from typing import Any

import numpy as np
from toy_problems import toy_problem

from optimizer.checker.check import CheckReport
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem

# Positions in the toy, by label. Candidates are numbered 2 w + d while each pair has one route.
ALPHA_CHAT, ALPHA_BATCH, BETA_CHAT, BETA_BATCH = range(4)
CHAT, BATCH = range(2)
EAST, WEST = range(2)

OPTIONS: dict[str, Any] = {
    "deferrable_h": 12,
    "indivisible": (True, False),
    "min_share": (0.25, 0.0),
    "min_accelerators": (10, 15),
    "max_sites": (1, 1),
    "it_capacity_mw": (8.0, 10.0),
    "opening_cny_per_year": (1.0e6, 5.0e5),
    "demand_charge_cny_per_kw_month": (30.0, 20.0),
    "energy_price_cny_per_mwh": ((500.0, 300.0), (400.0, 200.0)),
    "existing_pods": (4, 2),
    "max_new_pods": (2, 3),
    "min_pods": (4, 3),
    "link_capacity_gbps": (5.0, 5.0, 6.0, 5.0),
    "carbon_price_cny_per_t": 50.0,
    "shed_penalty_cny_per_mtok": 20.0,
    "data_transfer_cny_per_gb": 0.01,
}
# What may be demanded of the plan: it has 50.6 % of its tokens in the west, emits 102,361 t, keeps accelerators busy
# 48.75 % of the year in the east and 40 % in the west, and spends 13.5 million CNY up front, 83.7 million CNY a year.
# A green share of 52 % would take the half pod to be off that the east has on beside its work in the first slice.
POLICY: dict[str, Any] = {
    "min_region_share": {"west": 0.5},
    "min_new_compute_share": {"cluster": 0.6, "west": 0.9},
    "carbon_cap_t_per_year": 103_000.0,
    "min_utilization_share": 0.35,
    "investment_limit_cny": 14.0e6,
    "spending_limit_cny_per_year": 84.0e6,
}
GREEN: dict[str, Any] = POLICY | {"min_green_share": 0.52}


def worked_problem(**changes: Any) -> PlacementProblem:
    """Build the toy that the worked plan is for."""
    return toy_problem(**OPTIONS | changes)


def worked_plan() -> Plan:
    """
    Put chat in the east and batch in the west; two slices of 12 h, 4380 h a year each.

    East serves chat: 190 mtok/h (10 of beta's are shed), then 200; at 10 mtok/h each, 19 and 20 busy
    accelerators. West serves batch: alpha sends 50 and lets 50 mtok/h x 12 h = 600 mtok wait, then 150; beta
    sends 100. So 150 and 250 mtok/h, 15 and 25 busy accelerators, which at 5 usable ones to a pod take 3 and
    5 pods: 2 existing and 3 new.
    IT power: east 4 + 19 x 0.2 = 7.8 and 4 + 20 x 0.2 = 8 MW; west 3 + 3 = 6 and 5 + 5 = 10 MW.
    Facility power: east x 1.5 = 11.7 and 12 MW; west x 1.2 = 7.2 and 12 MW.
    """
    flow, work, shed, backlog = np.zeros((2, 8)), np.zeros((2, 4)), np.zeros((2, 4)), np.zeros((2, 4))
    flow[:, 2 * ALPHA_CHAT + EAST] = 100.0, 100.0
    flow[:, 2 * BETA_CHAT + EAST] = 90.0, 100.0
    flow[:, 2 * ALPHA_BATCH + WEST] = 50.0, 150.0
    flow[:, 2 * BETA_BATCH + WEST] = 100.0, 100.0
    shed[0, BETA_CHAT] = 10.0
    backlog[0, ALPHA_BATCH] = 600.0
    work[:, 2 * CHAT + EAST] = 190.0, 200.0
    work[:, 2 * BATCH + WEST] = 150.0, 250.0
    return Plan(
        flow_mtok_per_h=flow,
        shed_mtok_per_h=shed,
        backlog_mtok=backlog,
        work_mtok_per_h=work,
        active_pods=np.array([[4.0, 3.0], [4.0, 5.0]]),
        new_pods=np.array([0, 3]),
        is_open=np.array([1, 1]),
        is_deployed=np.array([1, 0, 0, 1]),  # chat east, chat west, batch east, batch west
        is_assigned=np.array([1, 0, 1, 0]),  # alpha chat east and west, beta chat east and west
        peak_mw=np.array([[12.0, 12.0]]),
        contract_mw=np.array([12.0, 12.0]),
    )


def with_entry(plan: Plan, array: str, place: Any, value: Any) -> Plan:
    """Copy the plan with some entries of one array changed."""
    changed = getattr(plan, array).copy()
    changed[place] = value
    return replace(plan, **{array: changed})


def only_violation(report: CheckReport, equation: str, name: str) -> list[tuple[str, float, float, float, str]]:
    """List (where, amount, limit, excess, unit) of every violation; all must be of this equation."""
    assert not report.is_feasible
    rows = report.violations
    assert set(zip(rows["equation"], rows["name"], strict=True)) == {(equation, name)}, rows.to_string()
    numbers = rows[["amount", "limit", "excess"]].astype(float).round(9)
    return list(zip(rows["where"], *(numbers[c] for c in numbers), rows["unit"], strict=True))

"""A change that would make a problem feasible: rounded up to what is printed, and applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer.policy_levers import change_policy
from optimizer.problem import FloatArray, PlacementProblem
from optimizer.reach import Reach, with_candidates
from scenarios.schema import Scenario

Amounts = Mapping[str, Mapping[int, float]]
# Amounts are rounded up to these decimals, so that what is printed is what was proved to be enough.
DECIMALS = {"it_power": 3, "link_capacity": 3, "rtt_limit": 2, "min_share": 4, "region_share": 4, "green_share": 4,
            "utilization": 4}  # fmt: skip
# Keys of a workload class that a change may set.
CLASS_KINDS = (
    "rtt_limit", "residency", "allowed_regions", "second_route", "max_sites", "min_share", "min_accelerators",
    "indivisible",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Change:
    """
    Amounts by lever and item of a problem, and the work that may stay unserved.

    Attributes
    ----------
    amounts
        Kind to item to amount, rounded up; without work left unserved.
    unserved_share
        (T, W) share of the demand that may stay unserved beyond what the scenario allows; None if nothing.
    """

    amounts: dict[str, dict[int, float]]
    unserved_share: FloatArray | None = None

    @property
    def is_none(self) -> bool:
        """Whether nothing changes."""
        return not self.amounts and self.unserved_share is None


def rounded_up(amounts: Amounts) -> dict[str, dict[int, float]]:
    """
    Round amounts up to the decimals that are printed.

    Parameters
    ----------
    amounts
        Kind to item to amount.
    """
    out = {}
    for kind, by_item in amounts.items():
        scale = 10.0 ** DECIMALS.get(kind, 0)
        # A round trip is compared exactly; the others come out of a solver.
        noise = 0.0 if kind == "rtt_limit" else 1e-4
        out[kind] = {i: float(np.ceil(amount * scale - noise) / scale) for i, amount in by_item.items()}
    return out


def change_problem(reach: Reach, change: Change) -> PlacementProblem:
    """
    Apply a change to a problem.

    Parameters
    ----------
    reach
        The problem with candidates beyond its limits.
    change
        What changes; its items are positions in the problem's tables.
    """
    problem, amounts = reach.problem, change.amounts
    k = problem.candidate_class
    count = len(problem.classes)
    within = reach.over_ms <= _by_item(amounts.get("rtt_limit", {}), count)[k] * (1 + 1e-12)
    for rule in reach.rules:
        within &= rule.needed <= _by_item(amounts.get(rule.key, {}), count)[k]
    classes, workloads = problem.classes.copy(), problem.workloads
    for item, amount in amounts.get("rtt_limit", {}).items():
        for column, value in rtt_values(reach, item, amount).items():
            classes.loc[item, column] = value
    for kind, column, sign in (
        ("max_sites", "max_sites", 1),
        ("min_share", "min_share", -1),
        ("min_accelerators", "min_accelerators", -1),
    ):
        for item, amount in amounts.get(kind, {}).items():
            classes.loc[item, column] += type(classes[column].iloc[0])(sign * amount)
    if divided := list(amounts.get("indivisible", {})):
        classes.loc[divided, "is_indivisible"] = False
        still = workloads["is_indivisible"].to_numpy(bool) & ~workloads["class_index"].isin(divided).to_numpy(bool)
        workloads = workloads.assign(is_indivisible=still)
    out = replace(problem, classes=classes, workloads=workloads)
    return change_capacity(with_candidates(out, problem.candidates[within]), change)


def change_scenario(scenario: Scenario, reach: Reach, change: Change) -> Scenario:
    """
    Apply what a change says of the workload classes to a scenario.

    Parameters
    ----------
    scenario
        The scenario.
    reach
        From `reach_of_scenario`.
    change
        The change.
    """
    ids = list(reach.problem.classes["id"])
    updates: dict[str, dict[str, Any]] = {}
    for kind in CLASS_KINDS:
        for item, amount in change.amounts.get(kind, {}).items():
            updates.setdefault(ids[item], {}).update(class_values(reach, kind, item, amount))
    classes = {
        k: item.model_copy(update=updates[k]) if k in updates else item for k, item in scenario.workload_classes.items()
    }
    return scenario.model_copy(update={"workload_classes": classes})


def class_values(reach: Reach, kind: str, item: int, amount: float) -> dict[str, Any]:
    """
    Say which keys of a class a change sets, and to what.

    Parameters
    ----------
    reach
        From `reach_of_scenario` or `reach_of_problem`.
    kind, item, amount
        The change.
    """
    row = reach.problem.classes.iloc[item]
    if kind == "rtt_limit":
        return rtt_values(reach, item, amount)
    if kind == "max_sites":
        return {"max_sites": int(row["max_sites"]) + round(amount)}
    if kind == "min_share":
        return {"min_share": round(max(0.0, float(row["min_share"]) - amount), 9)}
    if kind == "min_accelerators":
        return {"min_accelerators": int(row["min_accelerators"]) - round(amount)}
    if kind == "indivisible":
        return {"indivisible": False}
    rule = next(rule for rule in reach.rules if rule.key == kind)
    return {kind: rule.steps[item][round(amount) - 1]}


def rtt_values(reach: Reach, item: int, amount: float) -> dict[str, float]:
    """
    Say what the stated RTT limit and the limit on the first token must be for a round trip longer by some ms.

    Only what holds back a candidate that comes into reach is raised.

    Parameters
    ----------
    reach
        From `reach_of_scenario` or `reach_of_problem`.
    item, amount
        Class, and ms.
    """
    problem = reach.problem
    row = problem.classes.iloc[item]
    mine = (problem.candidate_class == item) & (reach.over_ms > 0) & (reach.over_ms <= amount * (1 + 1e-12))
    stated_ms = float(row["rtt_limit_ms"])
    out = {}
    if np.isfinite(stated_ms) and (problem.candidates["rtt_ms"].to_numpy(float)[mine] > stated_ms).any():
        out["rtt_limit_ms"] = round(stated_ms + amount, 9)
    ttft_ms = float(row.get("ttft_limit_ms", np.inf))
    limit = problem.rtt_limit_ms[item, problem.candidates["data_center_index"].to_numpy(int)[mine]]
    if np.isfinite(ttft_ms) and (not out or (limit < stated_ms).any()):
        more = amount * problem.connection_rtts / (1.0 - problem.queue_margin_share)
        out["ttft_limit_ms"] = float(np.ceil((ttft_ms + more) * 1e3 - 1e-4) / 1e3)
    return out


def change_capacity(problem: PlacementProblem, change: Change) -> PlacementProblem:
    """
    Apply what a change says of power, pods, links and work left unserved.

    Parameters
    ----------
    problem
        A problem with the tables that the items of the change are positions in.
    change
        The change.
    """
    centers, pools, links = (table.copy() for table in (problem.data_centers, problem.pools, problem.links))
    for kind, table, column, sign in (
        ("it_power", centers, "it_capacity_mw", 1),
        ("pods", pools, "max_new_pods", 1),
        ("min_pods", pools, "min_pods", -1),
        ("link_capacity", links, "capacity_gbps", 1),
    ):
        for item, amount in change.amounts.get(kind, {}).items():
            table.loc[item, column] += type(table[column].iloc[0])(sign * amount)
    shed = problem.shed_limit_mtok_per_h
    if change.unserved_share is not None:
        shed = np.minimum(problem.demand_mtok_per_h, shed + problem.demand_mtok_per_h * change.unserved_share)
    asked = problem.outage_demand_mtok_per_h
    if "survive" in change.amounts:
        asked = np.zeros((0, 0))
    policy = change_policy(problem.policy, change.amounts)
    out = replace(
        problem,
        data_centers=centers,
        pools=pools,
        links=links,
        shed_limit_mtok_per_h=shed,
        policy=policy,
        outage_demand_mtok_per_h=asked,
    )
    return with_candidates(out, out.candidates)


def _by_item(amounts: Mapping[int, float], count: int) -> FloatArray:
    out = np.zeros(count)
    for item, amount in amounts.items():
        out[item] = amount
    return out

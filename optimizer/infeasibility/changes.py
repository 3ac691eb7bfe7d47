"""A change that would make a problem feasible: rounded up to what is printed, applied, and described line by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from optimizer.infeasibility.levers import KEYS, SHARE_KEYS, change_policy, demanded
from optimizer.infeasibility.relaxed_problem import RelaxedProblem
from optimizer.numbers import format_clock, list_some
from optimizer.problem.assemble import with_candidates
from optimizer.problem.problem import FloatArray, PlacementProblem
from scenarios.schema import Scenario

Amounts = Mapping[str, Mapping[int, float]]

# Amounts are rounded up to these decimals, so that what is printed is what was proved to be enough.
_DECIMALS = {"it_power": 3, "link_capacity": 3, "rtt_limit": 2, "min_share": 4, "region_share": 4, "green_share": 4,
            "utilization": 4, "new_compute": 4}  # fmt: skip

# Keys of a workload class that a change may set.
_CLASS_KINDS = (
    "rtt_limit", "residency", "allowed_regions", "second_route", "max_sites", "min_share", "min_accelerators",
    "indivisible",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Change:
    """Amounts by lever and item of a problem, and the work that may stay unserved."""

    amounts: dict[str, dict[int, float]]  # Kind to item to amount, rounded up; without work left unserved
    # (T, W) share of the demand that may stay unserved beyond what the scenario allows; None if nothing
    unserved_share: FloatArray | None = None


def rounded_up(amounts: Amounts) -> dict[str, dict[int, float]]:
    """Round amounts up to the decimals that are printed."""
    out = {}
    for kind, by_item in amounts.items():
        scale = 10.0 ** _DECIMALS.get(kind, 0)
        # A round trip is compared exactly; the others come out of a solver.
        noise = 0.0 if kind == "rtt_limit" else 1e-4
        out[kind] = {i: float(np.ceil(amount * scale - noise) / scale) for i, amount in by_item.items()}
    return out


def change_problem(relaxed: RelaxedProblem, change: Change) -> PlacementProblem:
    """Apply a change, whose items are positions in the problem's tables."""
    problem, amounts = relaxed.problem, change.amounts
    k = problem.candidate_class
    count = len(problem.classes)
    within = relaxed.over_ms <= _by_item(amounts.get("rtt_limit", {}), count)[k] * (1 + 1e-12)
    for rule in relaxed.rules:
        within &= rule.needed <= _by_item(amounts.get(rule.key, {}), count)[k]
    classes, workloads = problem.classes.copy(), problem.workloads
    for item, amount in amounts.get("rtt_limit", {}).items():
        for column, value in _rtt_values(relaxed, item, amount).items():
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


def change_scenario(scenario: Scenario, relaxed: RelaxedProblem, change: Change) -> Scenario:
    """Apply the part of a change that is about workload classes to a scenario."""
    ids = list(relaxed.problem.classes["id"])
    updates: dict[str, dict[str, Any]] = {}
    for kind in _CLASS_KINDS:
        for item, amount in change.amounts.get(kind, {}).items():
            updates.setdefault(ids[item], {}).update(_class_values(relaxed, kind, item, amount))
    classes = {
        k: item.model_copy(update=updates[k]) if k in updates else item for k, item in scenario.workload_classes.items()
    }
    return scenario.model_copy(update={"workload_classes": classes})


def _class_values(relaxed: RelaxedProblem, kind: str, item: int, amount: float) -> dict[str, Any]:
    """Say which keys of a class a change sets, and to what."""
    row = relaxed.problem.classes.iloc[item]
    if kind == "rtt_limit":
        return _rtt_values(relaxed, item, amount)
    if kind == "max_sites":
        return {"max_sites": int(row["max_sites"]) + round(amount)}
    if kind == "min_share":
        return {"min_share": round(max(0.0, float(row["min_share"]) - amount), 9)}
    if kind == "min_accelerators":
        return {"min_accelerators": int(row["min_accelerators"]) - round(amount)}
    if kind == "indivisible":
        return {"indivisible": False}
    rule = next(rule for rule in relaxed.rules if rule.key == kind)
    return {kind: rule.steps[item][round(amount) - 1]}


def _rtt_values(relaxed: RelaxedProblem, item: int, amount: float) -> dict[str, float]:
    """
    Find what the RTT limit and the limit on the first token must be for a round trip longer by some ms.

    Only a limit that excludes a candidate that comes into reach is raised.
    """
    problem = relaxed.problem
    row = problem.classes.iloc[item]
    mine = (problem.candidate_class == item) & (relaxed.over_ms > 0) & (relaxed.over_ms <= amount * (1 + 1e-12))
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
    """Apply the part of a change that is about power, pods, links, policy, outages and work left unserved."""
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
    outage = np.zeros((0, 0)) if "survive" in change.amounts else problem.outage_demand_mtok_per_h
    policy = change_policy(problem.policy, change.amounts)
    out = replace(
        problem, data_centers=centers, pools=pools, links=links, policy=policy, shed_limit_mtok_per_h=shed,
        outage_demand_mtok_per_h=outage,
    )  # fmt: skip
    return with_candidates(out, out.candidates)


def _by_item(amounts: Mapping[int, float], count: int) -> FloatArray:
    out = np.zeros(count)
    for item, amount in amounts.items():
        out[item] = amount
    return out


_UNSERVED_KEY = "costs.shed_penalty_cny_per_mtok"
_MOST_LINES = 12
_UNITS = {"rtt_limit": "ms", "max_sites": "data centers", "min_share": "share", "min_accelerators": "accelerators"}


@dataclass(frozen=True)
class ChangeItem:
    """One line of a change."""

    kind: str  # Name of the lever
    where: str  # What changes: a data center, a pool, a link, a class, a workload
    amount: float
    unit: str
    now: Any  # The input as it is, and as it would have to be
    then: Any
    key: str  # Of the input
    note: str = ""  # Which data centers come into reach; for work left unserved, when


def describe_change(relaxed: RelaxedProblem, change: Change, used: pd.DataFrame) -> tuple[ChangeItem, ...]:
    """Describe a change, one line for each item; `used`: candidates beyond the limits that its plan uses."""
    items: list[ChangeItem] = []
    for kind, by_item in change.amounts.items():
        items += [_line(relaxed, kind, item, amount, used) for item, amount in sorted(by_item.items())]
    if change.unserved_share is not None:
        items += _unserved_lines(relaxed.problem, change.unserved_share)
    return tuple(items)


def _line(relaxed: RelaxedProblem, kind: str, item: int, amount: float, used: pd.DataFrame) -> ChangeItem:
    problem = relaxed.problem
    if kind == "it_power":
        row = problem.data_centers.iloc[item]
        now = float(row["it_capacity_mw"])
        return ChangeItem(kind, row["id"], amount, "MW", now, round(now + amount, 9), "data_centers.it_capacity_mw")
    if kind == "link_capacity":
        row = problem.links.iloc[item]
        now = float(row["capacity_gbps"])
        return ChangeItem(kind, row["id"], amount, "Gbps", now, round(now + amount, 9), "links.capacity_gbps")
    if kind in {"pods", "min_pods"}:
        return _pods_line(problem, kind, item, round(amount))
    if kind == "survive" or kind in SHARE_KEYS or kind in KEYS:
        return _policy_line(problem, kind, item, amount)
    class_id = str(problem.classes["id"].iloc[item])
    values = _class_values(relaxed, kind, item, amount)
    key, then = next(iter(values.items()))
    rule = next((rule for rule in relaxed.rules if rule.key == kind), None)
    column = "is_indivisible" if kind == "indivisible" else key
    now = rule.now[item] if rule is not None else problem.classes[column].iloc[item].item()
    notes = [f"also {also} -> {value:g}" for also, value in list(values.items())[1:]]
    if kind == "rtt_limit" or rule is not None:
        notes = [_who(problem, used[used["class_index"] == item]), *notes]
    note = "; ".join(filter(None, notes))
    return ChangeItem(
        kind, class_id, amount, _UNITS.get(kind, "step"), now, then, f"workload_classes.{class_id}.{key}", note
    )


def _pods_line(problem: PlacementProblem, kind: str, item: int, amount: int) -> ChangeItem:
    row = problem.pools.iloc[item]
    name = problem.accelerators["id"].iloc[int(row["accelerator_index"])]
    where = f"{name} at {problem.data_centers['id'].iloc[int(row['data_center_index'])]}"
    if kind == "pods":
        now = int(row["existing_pods"] + row["max_new_pods"])
        return ChangeItem(kind, where, amount, "pods", now, now + amount, "pools.max_pods")
    now = int(row["min_pods"])
    return ChangeItem(kind, where, amount, "pods", now, now - amount, "pools.min_pods")


def _policy_line(problem: PlacementProblem, kind: str, item: int, amount: float) -> ChangeItem:
    if kind == "survive":
        return ChangeItem(kind, "the plan", 1.0, "rule", "any_data_center", "none", "resilience.survive")
    changed = change_policy(problem.policy, {kind: {item: amount}})
    if (share_key := SHARE_KEYS.get(kind)) is not None:
        name = demanded(problem.policy, kind)[item]
        now, then = (getattr(policy, share_key)[name] for policy in (problem.policy, changed))
        return ChangeItem(kind, name, amount, "share", now, then, f"policy.{share_key}.{name}")
    key = KEYS[kind][0]
    unit = {"carbon_cap": "t/year", "investment": "CNY", "spending": "CNY/year"}.get(kind, "share")
    return ChangeItem(
        kind, "the plan", amount, unit, getattr(problem.policy, key), getattr(changed, key), f"policy.{key}"
    )


def _who(problem: PlacementProblem, used: pd.DataFrame) -> str:
    """List the data centers that come into reach, and from where: "to reach west from alpha, beta"."""
    parts = []
    place = used["data_center_index"].to_numpy(int)
    for d in np.unique(place):
        hubs = list_some(list(dict.fromkeys(used["demand_hub"][place == d])))
        parts.append(f"{problem.data_centers['id'].iloc[d]} from {hubs}")
    return f"to reach {list_some(parts, more=' data centers', separator='; ')}" if parts else ""


def _unserved_lines(problem: PlacementProblem, share: FloatArray) -> list[ChangeItem]:
    """Describe what stays unserved of each workload; of each class where there are many workloads."""
    amount = problem.demand_mtok_per_h * share
    short = np.flatnonzero(amount.max(axis=0) > 0)
    workloads = problem.workloads.iloc[short]
    names = (workloads["workload_class"] + " of " + workloads["demand_hub"]).to_numpy(str)
    if len(short) > _MOST_LINES:
        hubs = workloads.groupby("workload_class")["demand_hub"].nunique()
        classes = workloads["workload_class"]
        names = np.array([f"{k} of {hubs[k]} demand hub(s)" for k in classes], str)
    lines = []
    for name in dict.fromkeys(names):
        total = amount[:, short[names == name]].sum(axis=1)
        slices = np.flatnonzero(total > 0)
        days = problem.slices.iloc[slices]
        hours = [f"{day} {format_clock(hour)}" for day, hour in zip(days["day"], days["hour"], strict=True)]
        note = f"in {list_some(hours, more=' slices')}" if len(hours) < len(amount) else "in every slice"
        most = float(np.ceil(total.max() * 100 - 1e-4) / 100)
        lines.append(ChangeItem("unserved", str(name), most, "mtok/h", 0.0, most, _UNSERVED_KEY, note))
    return sorted(lines, key=lambda line: -line.amount)

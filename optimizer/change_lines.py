"""A change put into lines: what changes, from what to what, and whom it helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer.change import Change, class_values
from optimizer.policy_levers import KEYS, change_policy
from optimizer.problem import FloatArray, PlacementProblem
from optimizer.reach import Reach

UNSERVED_KEY = "costs.shed_penalty_cny_per_mtok"
_LISTED, _MOST_LINES = 4, 12
_UNITS = {"rtt_limit": "ms", "max_sites": "data centers", "min_share": "share", "min_accelerators": "accelerators"}


@dataclass(frozen=True)
class ChangeItem:
    """
    One line of a change.

    Attributes
    ----------
    kind
        Name of the lever.
    where
        What changes: a data center, a pool, a link, a class, a workload.
    amount, unit
        By how much.
    now, then
        The input as it is, and as it would have to be.
    key
        Where it stands in the inputs.
    note
        Whom it helps; for work left unserved, when.
    """

    kind: str
    where: str
    amount: float
    unit: str
    now: Any
    then: Any
    key: str
    note: str = ""


def describe_change(reach: Reach, change: Change, used: pd.DataFrame) -> tuple[ChangeItem, ...]:
    """
    Put a change into lines, one for each item.

    Parameters
    ----------
    reach
        From `reach_of_scenario` or `reach_of_problem`.
    change
        The change.
    used
        Candidates beyond the limits that the plan found uses: class_index, demand_hub, data_center_index.
    """
    items: list[ChangeItem] = []
    for kind, by_item in change.amounts.items():
        items += [_line(reach, kind, item, amount, used) for item, amount in sorted(by_item.items())]
    if change.unserved_share is not None:
        items += _unserved_lines(reach.problem, change.unserved_share)
    return tuple(items)


def _line(reach: Reach, kind: str, item: int, amount: float, used: pd.DataFrame) -> ChangeItem:
    problem = reach.problem
    if kind in {"it_power", "link_capacity"}:
        table, key, unit = {
            "it_power": (problem.data_centers, "data_centers.it_capacity_mw", "MW"),
            "link_capacity": (problem.links, "links.capacity_gbps", "Gbps"),
        }[kind]
        row, now = table.iloc[item], float(table[key.split(".")[1]].iloc[item])
        return ChangeItem(kind, row["id"], amount, unit, now, round(now + amount, 9), key)
    if kind in {"pods", "min_pods"}:
        return _pods_line(problem, kind, item, round(amount))
    if kind in {"survive", "region_share"} or kind in KEYS:
        return _policy_line(problem, kind, item, amount)
    class_id = str(problem.classes["id"].iloc[item])
    values = class_values(reach, kind, item, amount)
    key, then = next(iter(values.items()))
    rule = next((rule for rule in reach.rules if rule.key == kind), None)
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
    if kind == "region_share":
        region = problem.policy.regions[item]
        now, then = (policy.min_region_share[region] for policy in (problem.policy, changed))
        return ChangeItem(kind, region, amount, "share", now, then, f"policy.min_region_share.{region}")
    key = KEYS[kind][0]
    unit = {"carbon_cap": "t/year", "investment": "CNY", "spending": "CNY/year"}.get(kind, "share")
    return ChangeItem(
        kind, "the plan", amount, unit, getattr(problem.policy, key), getattr(changed, key), f"policy.{key}"
    )


def _who(problem: PlacementProblem, used: pd.DataFrame) -> str:
    """Say which data centers come into reach, and from where: "to reach west from alpha, beta"."""
    parts = []
    place = used["data_center_index"].to_numpy(int)
    for d in np.unique(place):
        hubs = list(dict.fromkeys(used["demand_hub"][place == d]))
        more = f" and {len(hubs) - _LISTED} more" if len(hubs) > _LISTED else ""
        parts.append(f"{problem.data_centers['id'].iloc[d]} from {', '.join(hubs[:_LISTED])}{more}")
    more = f"; and {len(parts) - _LISTED} more data centers" if len(parts) > _LISTED else ""
    return ("to reach " + "; ".join(parts[:_LISTED]) + more) if parts else ""


def _unserved_lines(problem: PlacementProblem, share: FloatArray) -> list[ChangeItem]:
    """One line for each workload; for each class where that were too many."""
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
        hours = [f"{problem.slices['day'].iloc[t]} {_clock(float(problem.slices['hour'].iloc[t]))}" for t in slices]
        more = f" and {len(hours) - _LISTED} more slices" if len(hours) > _LISTED else ""
        note = f"in {', '.join(hours[:_LISTED])}{more}" if len(hours) < len(amount) else "in every slice"
        most = float(np.ceil(total.max() * 100 - 1e-4) / 100)
        lines.append(ChangeItem("unserved", str(name), most, "mtok/h", 0.0, most, UNSERVED_KEY, note))
    return sorted(lines, key=lambda line: -line.amount)


def _clock(hour: float) -> str:
    return f"{int(hour):02d}:{round(hour % 1 * 60):02d}"

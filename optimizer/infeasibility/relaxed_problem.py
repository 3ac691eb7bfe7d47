"""
A problem with the candidates that its limits exclude, and a smaller one that has a plan if and only if it has one.

`RelaxedProblem` holds for each candidate by how many ms, and by which rule of its class, it is excluded. `aggregate`
merges equal workloads and equal days, `representative` keeps the slices that matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from network_data.load import Network
from optimizer.problem.assemble import with_candidates
from optimizer.problem.plan import Plan
from optimizer.problem.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.problem.routing import residency_mask
from optimizer.solvers.benders.aggregation import MergedSlices, merge_days
from optimizer.units import HOURS_PER_YEAR
from scenarios.schema import Scenario

# Looser rules in order, each of which admits all that the one before admits. A preferring rule already falls back to
# the same country, but only for workloads that have nothing nearer.
_LOOSER = {
    "province": ("region", "national", "none"),
    "region": ("national", "none"),
    "province_preferred": ("national", "none"),
    "region_preferred": ("national", "none"),
    "national": ("none",),
    "none": (),
}
_ORDER = ["workload_index", "data_center_index", "route_index"]


@dataclass(frozen=True, eq=False)
class _Rule:
    """A key of the workload classes that excludes candidates."""

    key: str  # Name of the key
    now: tuple[Any, ...]  # (K) value of each class
    steps: tuple[tuple[Any, ...], ...]  # (K) looser values of each class, loosest last
    needed: IntArray  # (R,) number of steps that a candidate needs; 0 = it is allowed


@dataclass(frozen=True, eq=False)
class RelaxedProblem:
    """A problem with candidates beyond its limits."""

    problem: PlacementProblem  # As given, with further candidates
    over_ms: FloatArray  # (R,) by how much a candidate exceeds the RTT limit of its class; 0 within it
    rules: tuple[_Rule, ...]  # Rules that candidates break
    # (P,) pools of accelerators whose kind may be bought, also where the fleet forbids all purchases; None = all
    may_add_pods: BoolArray | None = None

    @property
    def is_beyond(self) -> BoolArray:
        """(R,) candidates that some limit excludes."""
        broken = [rule.needed > 0 for rule in self.rules]
        return np.asarray(np.logical_or.reduce([self.over_ms > 0, *broken]), bool)


def relax_problem(problem: PlacementProblem) -> RelaxedProblem:
    """
    Add the candidates that the RTT limit alone excludes.

    What a rule of the class excludes stays out: the problem does not hold the rule.
    """
    every = _every_route(problem)
    every = every[~(every["is_barred"] | every["is_unprotected"]).to_numpy(bool)]
    return RelaxedProblem(with_candidates(problem, every), every["late_ms"].to_numpy(float), ())


def relax_scenario(network: Network, scenario: Scenario, problem: PlacementProblem) -> RelaxedProblem:
    """Add the candidates that RTT limits and rules of the classes exclude."""
    items = {k: scenario.workload_classes[k] for k in problem.classes["id"]}
    every = _every_route(problem)
    looser: dict[str, dict[str, tuple[Any, ...]]] = {
        "residency": {k: _LOOSER[item.residency] for k, item in items.items()},
        "allowed_regions": {k: () if item.allowed_regions is None else (None,) for k, item in items.items()},
    }
    rules = tuple(_rule(network, scenario, every, key, steps) for key, steps in looser.items() if any(steps.values()))
    # A preferring rule admits what it would not admit with all limits lifted; and what none of these rules excludes
    # is excluded by one that is not known here.
    barred = every["is_barred"].to_numpy(bool)
    known = np.logical_or.reduce([~barred, *(rule.needed > 0 for rule in rules)])
    rules = tuple(replace(rule, needed=np.where(barred, rule.needed, 0)) for rule in rules)
    unprotected = every["is_unprotected"].to_numpy(bool)
    if unprotected.any():
        now = tuple(item.second_route for item in items.values())
        steps = tuple(("none",) if value != "none" else () for value in now)
        rules += (_Rule("second_route", now, steps, unprotected.astype(np.int64)),)
    rules = tuple(replace(rule, needed=rule.needed[known]) for rule in rules)
    every = every[known]
    table = network.accelerators.loc[problem.accelerators["id"]]
    may_buy = {
        "any": np.ones(len(table), bool),
        "uncontrolled": ~table["export_controlled"].to_numpy(bool),
        "domestic": table["domestic"].to_numpy(bool),
    }[scenario.fleet.purchase]
    may_add = may_buy[problem.pools["accelerator_index"].to_numpy(int)]
    return RelaxedProblem(with_candidates(problem, every), every["late_ms"].to_numpy(float), rules, may_add)


def within_limits(relaxed: RelaxedProblem) -> RelaxedProblem:
    """Leave the candidates beyond the limits out again."""
    problem = with_candidates(relaxed.problem, relaxed.problem.candidates[~relaxed.is_beyond])
    return RelaxedProblem(problem, np.zeros(len(problem.candidates)), (), relaxed.may_add_pods)


def _every_route(problem: PlacementProblem) -> pd.DataFrame:
    """Candidates and routes left out together, with demand_hub and workload_class."""
    candidates = problem.candidates.assign(late_ms=0.0, is_barred=False, is_unprotected=False)
    parts = [part for part in (candidates, problem.left_out[list(candidates.columns)]) if len(part)]
    table = pd.concat(parts) if parts else candidates
    table = table.sort_values(_ORDER, ignore_index=True)
    workloads = problem.workloads[["demand_hub", "workload_class"]].iloc[table["workload_index"]]
    return pd.concat([table, workloads.reset_index(drop=True)], axis=1)


def _rule(
    network: Network, scenario: Scenario, every: pd.DataFrame, key: str, steps: dict[str, tuple[Any, ...]]
) -> _Rule:
    """Find how many steps of one rule each row needs, with every other rule and limit lifted."""
    centers = network.data_centers.reset_index()
    in_time = np.ones(len(every), bool)
    needed = np.zeros(len(every), np.int64)
    lifted = {"residency": "none", "allowed_regions": None}
    classes = {k: scenario.workload_classes[k].model_copy(update=lifted) for k in steps}
    for step in range(max(map(len, steps.values())) + 1):
        for k, looser in steps.items():
            if looser:
                value = getattr(scenario.workload_classes[k], key) if step == 0 else looser[min(step, len(looser)) - 1]
                classes[k] = classes[k].model_copy(update={key: value})
        allowed = residency_mask(network.nodes, centers, classes, every, in_time)
        needed += (needed == step) & ~allowed
    now = tuple(getattr(scenario.workload_classes[k], key) for k in steps)
    return _Rule(key, now, tuple(steps.values()), needed)


@dataclass(frozen=True, eq=False)
class _Aggregated:
    """A relaxed problem with equal workloads merged, and what is needed to expand its plans."""

    relaxed: RelaxedProblem  # The smaller one
    original: PlacementProblem  # The problem it was made from
    group: IntArray  # (W,) workload of the smaller problem for each original one
    candidate: IntArray  # (R,) candidate of the smaller problem for each original one
    is_first: BoolArray  # (R,) whether an original candidate carries its workload's share of that candidate
    slice_of: IntArray  # (T,) slice of the smaller problem for each original one

    def expand(self, plan: Plan) -> Plan:
        """Share a plan out among the original workloads, in proportion to demand, and repeat it on equal days."""
        share, t = self.share, self.slice_of
        workload = self.original.candidates["workload_index"].to_numpy(int)
        flow = plan.flow_mtok_per_h[t][:, self.candidate] * share[:, workload] * self.is_first
        failover = plan.failover_share
        if failover.size:
            failover = failover[:, self.candidate] * self.is_first
        return replace(
            plan,
            flow_mtok_per_h=flow,
            shed_mtok_per_h=plan.shed_mtok_per_h[t][:, self.group] * share,
            backlog_mtok=plan.backlog_mtok[t][:, self.group] * share,
            work_mtok_per_h=plan.work_mtok_per_h[t],
            active_pods=plan.active_pods[t],
            peak_mw=self._peak(plan),
            failover_share=failover,
        )

    def _peak(self, plan: Plan) -> FloatArray:
        """(B, D) peaks of the original billing periods: each lies inside one of the smaller problem."""
        inside = np.zeros(len(self.original.billing), np.int64)
        smaller = self.relaxed.problem.slices["billing_index"].to_numpy(int)[self.slice_of]
        inside[self.original.slices["billing_index"].to_numpy(int)] = smaller
        return plan.peak_mw[inside]

    @property
    def share(self) -> FloatArray:
        """(T, W) share of each original workload in the demand of its group."""
        demand = self.original.demand_mtok_per_h
        total = self.relaxed.problem.demand_mtok_per_h[self.slice_of][:, self.group]
        # Work that may wait is served in slices in which none arises; its members have demand of one shape.
        waits = self.original.workloads["is_deferrable"].to_numpy(bool)
        demand, total = (np.where(waits, values.sum(axis=0), values) for values in (demand, total))
        out: FloatArray = np.zeros(demand.shape)
        return np.divide(demand, total, out=out, where=total > 0)


def aggregate(relaxed: RelaxedProblem) -> _Aggregated:
    """Merge workloads that differ in their names only, and days with the same demand."""
    days = merge_days(relaxed.problem)
    if len(days.problem.outages) != len(relaxed.problem.outages):
        days = MergedSlices(relaxed.problem, np.arange(len(relaxed.problem.slices)))
    problem = days.problem
    what = _what_candidates_are(relaxed)
    group = _groups(problem, what)
    first = np.unique(group, return_index=True)[1]
    workload = problem.candidates["workload_index"].to_numpy(int)
    key = pd.MultiIndex.from_arrays([group[workload], problem.candidates["data_center_index"], what])
    kept = ~key.duplicated() & np.isin(workload, first)
    order = np.flatnonzero(kept)
    candidate = key[order].get_indexer(key)
    own = pd.MultiIndex.from_arrays([workload, candidate])
    table = problem.candidates.iloc[order].assign(workload_index=group[workload[order]]).reset_index(drop=True)
    smaller = replace(
        per_workload(problem, lambda values: sum_by_group(values, group)),
        workloads=problem.workloads.iloc[first].reset_index(drop=True),
        candidates=table,
        is_protected=problem.is_protected[first] if problem.is_protected.size else problem.is_protected,
    )
    rules = tuple(replace(rule, needed=rule.needed[order]) for rule in relaxed.rules)
    out = RelaxedProblem(smaller, relaxed.over_ms[order], rules)
    return _Aggregated(out, relaxed.problem, group, candidate.astype(np.int64), ~own.duplicated(), days.slice_of)


def with_watched_links(relaxed: RelaxedProblem, watched: BoolArray) -> RelaxedProblem:
    """Drop the limits of links, except of the watched ones, (L,), that some plan can exceed."""
    is_limiting = relaxed.problem.links["is_limiting"].to_numpy(bool) & watched
    links = relaxed.problem.links.assign(is_limiting=is_limiting)
    return replace(relaxed, problem=replace(relaxed.problem, links=links))


def representative(relaxed: RelaxedProblem) -> RelaxedProblem:
    """
    Keep the slices with most urgent work, and the mean of the year with all work; nothing may wait.

    Each is a day of its own. The mean has all hours of the year, the others none, so that sums over the year are right.
    """
    problem = relaxed.problem
    waits = problem.workloads["is_deferrable"].to_numpy(bool)
    urgent = np.where(waits, 0.0, problem.demand_mtok_per_h)
    must = np.where(waits, 0.0, problem.demand_mtok_per_h - problem.shed_limit_mtok_per_h)
    outage = problem.outage_demand_mtok_per_h
    kept = _undominated(np.hstack([urgent, must, *([outage] if outage.size else [])]))
    mix = np.zeros((len(kept) + 1, len(urgent)))
    mix[np.arange(len(kept)), kept] = 1.0
    mix[-1] = problem.weight_h / problem.weight_h.sum()
    demand = np.vstack([urgent[kept], mix[-1:] @ problem.demand_mtok_per_h])
    limit = np.vstack(
        [np.where(waits, 0.0, problem.shed_limit_mtok_per_h)[kept], mix[-1:] @ problem.shed_limit_mtok_per_h]
    )
    count = len(mix)
    days = [f"{problem.slices['day'].iloc[t]}_{t}" for t in kept] + ["mean"]
    slices = pd.DataFrame(
        {
            "day": days,
            "hour": [*problem.slices["hour"].iloc[kept], 0.0],
            "weight_h": [0.0] * len(kept) + [HOURS_PER_YEAR],
            "billing_index": np.arange(count),
            "previous_index": np.arange(count),
        }
    )
    smaller = replace(
        problem,
        slices=slices,
        billing=pd.DataFrame({"day": days, "months": [0.0] * len(kept) + [12.0]}),
        workloads=problem.workloads.assign(is_deferrable=False),
        demand_mtok_per_h=demand,
        backlog_limit_mtok=np.zeros_like(demand),
        servable_mtok_per_h=demand,
        shed_limit_mtok_per_h=limit,
        outage_demand_mtok_per_h=np.vstack([outage[kept], np.zeros((1, outage.shape[1]))]) if outage.size else outage,
        # The limit on spending is compared with the least that energy can cost.
        energy_price_cny_per_mwh=np.tile(problem.energy_price_cny_per_mwh.min(axis=0), (count, 1)),
    )
    return replace(relaxed, problem=smaller)


def _undominated(demand: FloatArray) -> IntArray:
    """Rows for which no other row is as large or larger in every column; of equal rows the first."""
    kept: list[int] = []
    for t in np.argsort(-demand.sum(axis=1), kind="stable").tolist():
        if not any((demand[t] <= demand[other] * (1 + 1e-12)).all() for other in kept):
            kept.append(t)
    return np.array(sorted(kept), np.int64)


def _what_candidates_are(relaxed: RelaxedProblem) -> IntArray:
    """(R,) number of each combination of excess, broken rules and limiting links crossed; by data center apart."""
    problem = relaxed.problem
    limiting = problem.links["is_limiting"].to_numpy(bool)
    crossed = problem.route_links[limiting[problem.route_links["link_index"].to_numpy(int)]]
    by_route = crossed.groupby("route_index")["link_index"].agg(lambda links: tuple(sorted(links)))
    links = by_route.reindex(problem.candidates["route_index"]).map(lambda x: x if isinstance(x, tuple) else ())
    parts = [relaxed.over_ms, links.to_numpy(object), *(rule.needed for rule in relaxed.rules)]
    frame = pd.DataFrame({str(n): part for n, part in enumerate(parts)})
    return np.asarray(frame.groupby(list(frame.columns), sort=False).ngroup(), np.int64)


def _groups(problem: PlacementProblem, what: IntArray) -> IntArray:
    """(W,) group of each workload, numbered in order of their first members."""
    lanes = problem.candidates.assign(what=what)[["workload_index", "data_center_index", "what"]].drop_duplicates()
    lanes = lanes.sort_values(["workload_index", "data_center_index", "what"])
    starts = np.searchsorted(lanes["workload_index"], np.arange(len(problem.workloads) + 1))
    table = lanes[["data_center_index", "what"]].to_numpy(np.int64)
    demand, shed = problem.demand_mtok_per_h, problem.shed_limit_mtok_per_h
    shape = np.round(demand / np.maximum(demand.sum(axis=0), 1e-30), 12)
    may_shed = np.round(shed / np.maximum(demand, 1e-30), 12)
    workloads, outage = problem.workloads, problem.outage_demand_mtok_per_h
    protected = problem.is_protected
    seen: dict[object, int] = {}
    group = np.zeros(len(workloads), np.int64)
    singles, waits = workloads["is_indivisible"].to_numpy(bool), workloads["is_deferrable"].to_numpy(bool)
    for w, k in enumerate(workloads["class_index"].to_numpy(int)):
        key: object = (
            int(k),
            table[starts[w] : starts[w + 1]].tobytes(),
            # Where outages are to be survived, the slices that count must be the same for both.
            shape[:, w].tobytes() if waits[w] or outage.size else b"",
            bool(outage[:, w].any()) if outage.size else False,
            bool(protected[w]) if protected.size else False,
            may_shed[:, w].tobytes(),
            w if singles[w] else -1,
        )
        group[w] = seen.setdefault(key, len(seen))
    return group


def per_workload(problem: PlacementProblem, change: Callable[[FloatArray], FloatArray]) -> PlacementProblem:
    """Change everything that a problem counts by workload, (T, W)."""
    outage = problem.outage_demand_mtok_per_h
    return replace(
        problem,
        demand_mtok_per_h=change(problem.demand_mtok_per_h),
        backlog_limit_mtok=change(problem.backlog_limit_mtok),
        servable_mtok_per_h=change(problem.servable_mtok_per_h),
        shed_limit_mtok_per_h=change(problem.shed_limit_mtok_per_h),
        outage_demand_mtok_per_h=change(outage) if outage.size else outage,
    )


def sum_by_group(values: FloatArray, group: IntArray) -> FloatArray:
    """Sum (T, W) values over the workloads of each group."""
    out = np.zeros((len(values), int(group.max()) + 1))
    np.add.at(out.T, group, values.T)
    return out

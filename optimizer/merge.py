"""
Merge the demand hubs of deferrable classes, where nothing but a few fen of transport tells them apart.

A class without RTT limit and latency value, whose hubs reach the same data centers, can be planned as one national
workload: whatever the plan routes is shared out among the hubs in proportion to their demand, hour by hour, and
keeps every limit. Its cost of transport, the price of data that leaves home included, is then the demand-weighted
mean, exactly. For the lower bound the merged problem is a little too dear: hubs might have split better than in
proportion. How much better is bounded by the duals of that transport problem
(`MergedProblem.bound_correction_cny`), so bounds stay proven.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from optimizer.problem import FloatArray, IntArray, PlacementProblem, no_routes_left_out

ALL_HUBS = "all_hubs"
# What a million tokens cost on the way, apart from the value of time.
TRANSPORT_COLUMNS = ("network_cny_per_mtok", "data_transfer_cny_per_mtok")


@dataclass(frozen=True)
class MergedProblem:
    """
    A problem with merged hubs, and the way back.

    Attributes
    ----------
    problem
        Workloads of a merged class are one workload of demand hub `all_hubs`.
    bound_correction_cny
        CNY per year to subtract from a lower bound of the merged problem to get one of the original; >= 0.
    workload_of
        (W,) merged workload of each original one.
    candidate_of
        (R,) merged candidate of each original one, -1 for routes that the merged plan does not use.
    share
        (W,) share of the merged workload's demand.
    candidate_workload
        (R,) workload of each original candidate.
    """

    problem: PlacementProblem
    bound_correction_cny: float
    workload_of: IntArray
    candidate_of: IntArray
    share: FloatArray
    candidate_workload: IntArray

    def expand(self, flow_mtok_per_h: FloatArray, by_workload: FloatArray) -> tuple[FloatArray, FloatArray]:
        """
        Share out a merged plan's flows (T, r) and a per-workload array (T, w) among the original hubs.

        Returns
        -------
        tuple of ndarray
            (T, R) flows and (T, W) array.
        """
        used = self.candidate_of >= 0
        flow = np.zeros((len(flow_mtok_per_h), len(self.candidate_of)))
        flow[:, used] = flow_mtok_per_h[:, self.candidate_of[used]] * self.share[self.candidate_workload[used]]
        return flow, by_workload[:, self.workload_of] * self.share

    def expand_failover(self, failover_share: FloatArray) -> FloatArray:
        """Give each original candidate the share (S, R) of its workload that its merged one takes over: (S, r)."""
        if not failover_share.size:
            return failover_share
        used = self.candidate_of >= 0
        share = np.zeros((len(failover_share), len(self.candidate_of)))
        share[:, used] = failover_share[:, self.candidate_of[used]]
        return share


def merge_hubs(problem: PlacementProblem, *, allowance_cny: float = np.inf) -> MergedProblem:
    """
    Merge the hubs of each class that qualifies; a problem without such a class comes back as it is.

    Parameters
    ----------
    problem
        Frozen arrays.
    allowance_cny
        Merge nothing if the bound correction were more than this, CNY per year.
    """
    candidates, workloads = problem.candidates, problem.workloads
    demand = problem.demand_mtok_per_h
    annual = problem.weight_h @ demand
    groups = _groups(problem)
    transport = {name: candidates[name].to_numpy(float) for name in TRANSPORT_COLUMNS}
    cost = np.sum(list(transport.values()), axis=0)
    correction = sum(_correction_cny(problem, m, annual, cost) for m in groups)
    if correction > allowance_cny:
        groups, correction = [], 0.0
    workload_of = np.arange(len(workloads))
    for members in groups:
        workload_of[members] = members[0]
    kept, workload_of = np.unique(workload_of, return_inverse=True)
    merged_annual = np.bincount(workload_of, annual)
    share = annual / np.where(merged_annual > 0, merged_annual, 1.0)[workload_of]
    single = np.bincount(workload_of) == 1
    share[single[workload_of]] = 1.0

    old_workload = candidates["workload_index"].to_numpy()
    is_merged = ~single[workload_of[old_workload]]
    # Of a merged workload only the cheapest route of each hub to each data center is used.
    pair = candidates["data_center_index"].to_numpy() + len(problem.data_centers) * old_workload
    order = np.lexsort((cost, pair))
    first = order[np.unique(pair[order], return_index=True)[1]]
    used = ~is_merged
    used[first] = True
    table = candidates[used].assign(
        workload_index=workload_of[old_workload[used]],
        **{name: each[used] * np.where(is_merged, share[old_workload], 1.0)[used] for name, each in transport.items()},
        rank=np.where(is_merged[used], 0, candidates["route_index"][used]),
        position=np.flatnonzero(used),
    )
    grouped = table.groupby(["workload_index", "data_center_index", "rank"], sort=True)
    merged = grouped.agg(
        route_index=("route_index", "first"),
        rtt_ms=("rtt_ms", "first"),
        **{name: (name, "sum") for name in TRANSPORT_COLUMNS},
    ).reset_index()
    candidate_of = np.full(len(candidates), -1)
    candidate_of[table["position"]] = grouped.ngroup().to_numpy()

    def total(array: FloatArray) -> FloatArray:
        out = np.zeros((len(array), len(kept)))
        np.add.at(out.T, workload_of, array.T)
        return out

    asked = problem.outage_demand_mtok_per_h
    hubs = workloads.iloc[kept].reset_index(drop=True)
    hubs["demand_hub"] = np.where(single, hubs["demand_hub"], ALL_HUBS)
    out = replace(
        problem,
        workloads=hubs,
        candidates=merged.drop(columns="rank"),
        demand_mtok_per_h=total(demand),
        backlog_limit_mtok=total(problem.backlog_limit_mtok),
        servable_mtok_per_h=total(problem.servable_mtok_per_h),
        shed_limit_mtok_per_h=total(problem.shed_limit_mtok_per_h),
        outage_demand_mtok_per_h=total(problem.outage_demand_mtok_per_h) if asked.size else asked,
        left_out=no_routes_left_out(),
    )
    return MergedProblem(out, float(correction), workload_of, candidate_of, share, old_workload)


def _groups(problem: PlacementProblem) -> list[IntArray]:
    """Workloads to merge: same deferrable class, same data centers, same shape of demand, no latency value."""
    classes, workloads = problem.classes, problem.workloads
    limiting = problem.links["is_limiting"].to_numpy(bool)
    if limiting.any():
        return []
    free = np.isposinf(problem.rtt_limit_ms).all(axis=1)
    free &= classes["latency_cny_per_ms_per_mtok"].to_numpy(float) == 0
    reach = problem.pairs.groupby("workload_index")["data_center_index"].agg(tuple)
    groups: dict[tuple[int, tuple[int, ...], bytes], list[int]] = {}
    total = problem.demand_mtok_per_h.sum(axis=0)
    shape = problem.demand_mtok_per_h / np.where(total > 0, total, 1.0)
    class_of = workloads["class_index"].to_numpy()
    may_merge = workloads["is_deferrable"].to_numpy(bool) & ~workloads["is_indivisible"].to_numpy(bool)
    may_merge &= free[class_of] & (total > 0)
    for w in np.flatnonzero(may_merge).tolist():
        key = (int(class_of[w]), reach[w], np.round(shape[:, w], 9).tobytes())
        groups.setdefault(key, []).append(w)
    return [np.array(members) for members in groups.values() if len(members) > 1]


def _correction_cny(problem: PlacementProblem, members: IntArray, annual: FloatArray, cost: FloatArray) -> float:
    """
    Bound what splitting better than in proportion could save.

    With c the transport cost of hub w to data center d and v_d its demand-weighted mean, every split costs at least
    sum of v_d F_d + sum of u_w N_w for u_w = min over d of (c_wd - v_d), whatever the totals F_d; the merged problem
    pays sum of v_d F_d.
    """
    candidates = problem.candidates
    mine = candidates["workload_index"].isin(members).to_numpy()
    by_pair = pd.DataFrame(
        {"w": candidates["workload_index"][mine], "d": candidates["data_center_index"][mine], "c": cost[mine]}
    ).pivot_table(index="w", columns="d", values="c", aggfunc="min")
    weights = annual[by_pair.index]
    costs = by_pair.to_numpy(float)
    mean = weights @ costs / weights.sum()
    return float(-(weights @ np.minimum((costs - mean).min(axis=1), 0.0)))

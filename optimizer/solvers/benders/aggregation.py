"""
Smaller problems to decompose: hubs and days aggregated without loss, hours for a first look, links without limits.

Hubs of a class without RTT limit and latency value that use the same data centers can be planned as one national
workload: what the plan routes is shared out among the hubs in proportion to their demand, hour by hour, and keeps every
limit. Its cost of transport, the price of data that leaves home included, is then the demand-weighted mean, exactly.
The lower bound of the aggregated problem is slightly too high, since hubs might have split better than in proportion;
by how much at most follows from the duals of that transport problem (`MergedProblem.bound_correction_cny`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from network_data.tariffs import HOURS_PER_DAY
from optimizer.problem.plan import Plan
from optimizer.problem.problem import TRANSPORT_COLUMNS, FloatArray, IntArray, PlacementProblem, no_routes_left_out
from optimizer.problem.slicing import keep_peaks

ALL_HUBS = "all_hubs"


@dataclass(frozen=True)
class MergedProblem:
    """A problem with aggregated hubs, and the way back."""

    problem: PlacementProblem  # Workloads of a merged class are one workload of demand hub `all_hubs`
    # CNY per year to subtract from a lower bound of the merged problem to get one of the original; >= 0
    bound_correction_cny: float
    workload_of: IntArray  # (W,) merged workload of each original one
    # (R,) merged candidate of each original one, -1 for routes that the merged plan does not use
    candidate_of: IntArray
    share: FloatArray  # (W,) share of the merged workload's demand
    candidate_workload: IntArray  # (R,) workload of each original candidate

    def expand(self, plan: Plan) -> Plan:
        """Share out a plan of the merged problem among the original hubs."""
        return replace(
            plan,
            flow_mtok_per_h=self._by_candidate(plan.flow_mtok_per_h) * self.share[self.candidate_workload],
            shed_mtok_per_h=plan.shed_mtok_per_h[:, self.workload_of] * self.share,
            backlog_mtok=plan.backlog_mtok[:, self.workload_of] * self.share,
            failover_share=self._by_candidate(plan.failover_share) if plan.failover_share.size else plan.failover_share,
        )

    def _by_candidate(self, merged: FloatArray) -> FloatArray:
        """Columns of each original candidate, from those of the merged ones; 0 for routes that are not used."""
        return np.where(self.candidate_of >= 0, merged[:, self.candidate_of], 0.0)


def merge_hubs(problem: PlacementProblem, *, allowance_cny: float = np.inf) -> MergedProblem:
    """
    Aggregate the hubs of each class that qualifies; a problem without such a class is returned as it is.

    Nothing is aggregated if the bound correction were more than `allowance_cny`, CNY per year.
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

    needed = problem.outage_demand_mtok_per_h
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
        outage_demand_mtok_per_h=total(problem.outage_demand_mtok_per_h) if needed.size else needed,
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
    centers_of = problem.pairs.groupby("workload_index")["data_center_index"].agg(tuple)
    groups: dict[tuple[int, tuple[int, ...], bytes], list[int]] = {}
    total = problem.demand_mtok_per_h.sum(axis=0)
    shape = problem.demand_mtok_per_h / np.where(total > 0, total, 1.0)
    class_of = workloads["class_index"].to_numpy()
    may_merge = workloads["is_deferrable"].to_numpy(bool) & ~workloads["is_indivisible"].to_numpy(bool)
    may_merge &= free[class_of] & (total > 0)
    for w in np.flatnonzero(may_merge).tolist():
        key = (int(class_of[w]), centers_of[w], np.round(shape[:, w], 9).tobytes())
        groups.setdefault(key, []).append(w)
    return [np.array(members) for members in groups.values() if len(members) > 1]


def _correction_cny(problem: PlacementProblem, members: IntArray, annual: FloatArray, cost: FloatArray) -> float:
    """
    Bound what splitting better than in proportion could save.

    With c the transport cost of hub w to data center d and v_d its demand-weighted mean, every split costs at least sum
    of v_d F_d + sum of u_w N_w for u_w = min over d of (c_wd - v_d), whatever the totals F_d; the aggregated problem
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


# Demands that agree to so many digits of the largest are the same.
DIGITS = 9


@dataclass(frozen=True)
class MergedSlices:
    """A problem with fewer days or slices (or the original one), and the (T,) new slice of each old one."""

    problem: PlacementProblem
    slice_of: IntArray

    @property
    def is_smaller(self) -> bool:
        """Whether any were merged."""
        return len(self.problem.slices) < len(self.slice_of)

    def block_of(self, original: PlacementProblem) -> IntArray:
        """Block here of each block of the original, slices then outages; -1 for an outage not planned for."""
        columns = ["failed_index", "slice_index"]
        known = {outage: n for n, outage in enumerate(self.problem.outages[columns].itertuples(index=False, name=None))}
        there = original.outages.assign(slice_index=self.slice_of[original.outages["slice_index"].to_numpy(int)])
        wanted = there[columns].itertuples(index=False, name=None)
        found = [known.get(outage, -1) for outage in wanted]
        slices = len(self.problem.slices)
        return np.concatenate([self.slice_of, [slices + n if n >= 0 else -1 for n in found]]).astype(np.int64)


def merge_days(problem: PlacementProblem) -> MergedSlices:
    """
    Aggregate the days with the same demand, waiting limits and shedding limits in every slice.

    Prices are weighted with the hours they stand for; aggregated days share a billing period.
    """
    days = problem.slices.groupby("day", sort=False).indices
    groups: dict[bytes, list[IntArray]] = {}
    for rows in days.values():
        groups.setdefault(_key(problem, np.asarray(rows)), []).append(np.asarray(rows))
    if len(groups) == len(days) or problem.policy.spending_limit_cny_per_year is not None:
        return MergedSlices(problem, np.arange(len(problem.slices)))
    slice_of = np.empty(len(problem.slices), np.int64)
    first, weights, prices, previous = [], [], [], []
    billing = np.arange(len(problem.billing))
    count = 0
    for members in groups.values():
        rows = np.array(members)  # (days, slices of a day)
        slice_of[rows] = count + np.arange(rows.shape[1])
        weight = problem.weight_h[rows]
        first.append(rows[0])
        weights.append(weight.sum(axis=0))
        prices.append((weight[:, :, None] * problem.energy_price_cny_per_mwh[rows]).sum(axis=0) / weights[-1][:, None])
        previous.append(problem.slices["previous_index"].to_numpy()[rows[0]])
        # Days of one group, and days that shared a billing period before, are billed together.
        touched = np.unique(problem.slices["billing_index"].to_numpy()[rows])
        billing[np.isin(billing, billing[touched])] = billing[touched].min()
        count += rows.shape[1]
    kept, needed = np.concatenate(first), problem.outage_demand_mtok_per_h
    periods, period_of = np.unique(billing, return_inverse=True)
    months = np.bincount(period_of, problem.billing["months"].to_numpy(float))
    slices = problem.slices.iloc[kept].reset_index(drop=True)
    slices["weight_h"] = np.concatenate(weights)
    slices["billing_index"] = period_of[slices["billing_index"]]
    slices["previous_index"] = slice_of[np.concatenate(previous)]
    merged = replace(
        problem,
        slices=slices,
        billing=problem.billing.iloc[periods].reset_index(drop=True).assign(months=months),
        demand_mtok_per_h=problem.demand_mtok_per_h[kept],
        backlog_limit_mtok=problem.backlog_limit_mtok[kept],
        servable_mtok_per_h=problem.servable_mtok_per_h[kept],
        shed_limit_mtok_per_h=problem.shed_limit_mtok_per_h[kept],
        energy_price_cny_per_mwh=np.concatenate(prices),
        outage_demand_mtok_per_h=needed[kept] if needed.size else needed,
    )
    return MergedSlices(merged, slice_of)


SLICES_PER_DAY = 6  # that stand for the hours of a day
LEAST_WEIGHT_SHARE = 1e-9  # of the busiest hour: what an hour without any work counts in the mean of prices


def merge_hours(problem: PlacementProblem) -> MergedSlices:
    """
    Aggregate the hours of each day to a few slices, those of peaks left alone; other slices are left as they are.

    What the hours of a slice need and what energy costs in them is averaged, so the problem is another one: its
    relaxation bounds nothing, but it looks like that of the original.
    """
    rows = problem.slices.groupby("day", sort=False).indices
    by_day = np.array([np.asarray(each) for each in rows.values() if len(each) == HOURS_PER_DAY])
    if by_day.size < len(problem.slices):
        return MergedSlices(problem, np.arange(len(problem.slices)))
    busy = _busy_by_class(problem, by_day)
    needs = np.concatenate([busy.sum(axis=0, keepdims=True), busy]).swapaxes(0, 1)  # (days, 1 + K, hours)
    prices = problem.energy_price_cny_per_mwh[by_day] * np.sqrt(problem.weight_h[by_day])[:, :, None]
    hours = keep_peaks(
        SLICES_PER_DAY,
        np.unique(needs.reshape(-1, HOURS_PER_DAY), axis=0),
        prices.swapaxes(1, 2).reshape(-1, HOURS_PER_DAY),
    ).hours
    slice_of = np.empty(len(problem.slices), np.int64)
    for n, mine in enumerate(hours):
        slice_of[by_day[:, mine]] = (np.arange(len(by_day)) * len(hours) + n)[:, None]
    first = np.concatenate([[day[mine[0]] for mine in hours] for day in by_day])
    last = np.concatenate([[day[mine[-1]] for mine in hours] for day in by_day])
    before = np.concatenate([np.roll(np.arange(len(hours)), 1) + n * len(hours) for n in range(len(by_day))])
    length_h = np.bincount(slice_of).astype(float)
    pick = sp.csr_array((np.ones(len(slice_of)), (slice_of, np.arange(len(slice_of)))))
    demand, needed = pick @ problem.demand_mtok_per_h / length_h[:, None], problem.outage_demand_mtok_per_h
    weight = np.empty(len(slice_of))
    weight[by_day] = np.maximum(needs[:, 0], LEAST_WEIGHT_SHARE * needs[:, 0].max() or 1.0)
    slices = problem.slices.iloc[first].reset_index(drop=True)
    slices["weight_h"] = pick @ problem.weight_h
    slices["previous_index"] = before
    merged = replace(
        problem,
        slices=slices,
        demand_mtok_per_h=demand,
        backlog_limit_mtok=problem.backlog_limit_mtok[last],
        servable_mtok_per_h=demand + problem.backlog_limit_mtok[last][before] / length_h[:, None],
        shed_limit_mtok_per_h=pick @ problem.shed_limit_mtok_per_h / length_h[:, None],
        energy_price_cny_per_mwh=pick @ (problem.energy_price_cny_per_mwh * weight[:, None]) / (pick @ weight)[:, None],
        outage_demand_mtok_per_h=pick @ needed / length_h[:, None] if needed.size else needed,
    )
    return MergedSlices(merged, slice_of)


def _busy_by_class(problem: PlacementProblem, by_day: IntArray) -> FloatArray:
    """(K, days, hours) accelerators that classes need, what may wait spread over its day."""
    workloads, fastest = problem.workloads, problem.accel_h_per_mtok.min(axis=1)
    busy = problem.demand_mtok_per_h * fastest[workloads["class_index"]]
    hourly = busy[by_day]  # (days, hours, W)
    waits = workloads["is_deferrable"].to_numpy(bool)
    hourly[:, :, waits] = hourly[:, :, waits].mean(axis=1, keepdims=True)
    out = np.zeros((len(problem.classes), *by_day.shape))
    np.add.at(out, workloads["class_index"].to_numpy(), np.moveaxis(hourly, 2, 0))
    return out


def _key(problem: PlacementProblem, rows: IntArray) -> bytes:
    """Demand and limits of a day as bytes, rounded."""
    arrays = (
        problem.demand_mtok_per_h[rows],
        problem.backlog_limit_mtok[rows],
        problem.servable_mtok_per_h[rows],
        problem.shed_limit_mtok_per_h[rows],
    )
    largest = float(problem.servable_mtok_per_h.max()) or 1.0
    return b"|".join(
        [f"{len(rows)}".encode(), *((np.round(each / largest, DIGITS) + 0.0).tobytes() for each in arrays)]
    )


TOLERANCE_SHARE = 1e-7


def find_overloaded(
    problem: PlacementProblem, flow_mtok_per_h: FloatArray, watched: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """(L,) which of the watched links a plan's traffic, (n, R) in slices and outages, overloads at some time."""
    if not watched.any():
        return np.zeros_like(watched)
    routes = problem.route_links
    links_of_route = sp.csr_array(
        (np.ones(len(routes)), (routes["route_index"], routes["link_index"])),
        shape=(len(problem.routes), len(problem.links)),
    )
    links_of_candidate = sp.csr_array(links_of_route[problem.candidates["route_index"].to_numpy()])
    gbps = problem.classes["gbps_per_mtok_per_h"].to_numpy(float)[problem.candidate_class]
    peak = (flow_mtok_per_h @ (sp.diags_array(gbps) @ links_of_candidate)).max(axis=0, initial=0.0)
    capacity = problem.links["capacity_gbps"].to_numpy(float)
    return np.asarray(watched & (peak > capacity * (1 + TOLERANCE_SHARE)))

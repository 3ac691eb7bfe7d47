"""
Slices of a day merged into fewer, to look for whole decisions on a problem that is solved many times faster.

What is open and deployed is decided for the year; which decisions are good shows nearly as well in eight slices a day
as in twenty-four. What is found is a proposal: only the original problem says what it costs and whether it holds, and
no bound of the coarse problem is used.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.problem import FloatArray, PlacementProblem

SLICES_PER_DAY = 8


def coarsen(problem: PlacementProblem, *, slices_per_day: int = SLICES_PER_DAY) -> PlacementProblem | None:
    """
    Merge neighbouring slices of each day, with their demands and prices averaged.

    Parameters
    ----------
    problem
        Frozen arrays.
    slices_per_day
        Slices that each day is left with.

    Returns
    -------
    PlacementProblem or None
        None where that is not worth it or not possible: days that have no more slices than that, or a number that it
        does not divide, and outages, which are of single slices.
    """
    days = problem.slices.groupby("day", sort=False).indices.values()
    lengths = {len(rows) for rows in days}
    if len(problem.outages) or not all(n > slices_per_day and n % slices_per_day == 0 for n in lengths):
        return None
    # (coarse slices, slices in each); days may be cut into different numbers of slices.
    groups = [group for rows in days for group in np.asarray(rows).reshape(slices_per_day, -1)]
    group_of = np.empty(len(problem.slices), np.int64)
    for number, group in enumerate(groups):
        group_of[group] = number
    first, last = np.array([group[0] for group in groups]), np.array([group[-1] for group in groups])
    weight = problem.weight_h
    weights = np.bincount(group_of, weight)

    def mean(array: FloatArray) -> FloatArray:
        out = np.zeros((len(groups), array.shape[1]))
        np.add.at(out, group_of, array * weight[:, None])
        return np.asarray(out / weights[:, None])

    # An average hides the busiest hour: accelerators are that much scarcer.
    busy = problem.class_demand_mtok_per_h @ problem.accel_h_per_mtok.min(axis=1)
    averaged = np.bincount(group_of, busy * weight) / weights
    hidden = float(busy.max(initial=0.0) / averaged.max()) if averaged.max(initial=0.0) > 0 else 1.0
    slices = problem.slices.iloc[first].reset_index(drop=True)
    slices["weight_h"] = weights
    slices["previous_index"] = group_of[problem.slices["previous_index"].to_numpy()[first]]
    demand, waiting = mean(problem.demand_mtok_per_h), problem.backlog_limit_mtok[last]
    hours = np.bincount(group_of, problem.slice_h)[:, None]
    day = slices["day"].to_numpy()
    of_day = np.stack([(demand * hours)[day == name].sum(axis=0) for name in day]) / hours
    # Work that may wait can also be served with what waited before, but never more than all of the day's.
    servable = np.minimum(demand + waiting[slices["previous_index"]] / hours, of_day)
    may_wait = problem.workloads["is_deferrable"].to_numpy(bool)
    return replace(
        problem,
        slices=slices,
        demand_mtok_per_h=demand,
        backlog_limit_mtok=waiting,
        servable_mtok_per_h=np.where(may_wait, servable, demand),
        shed_limit_mtok_per_h=mean(problem.shed_limit_mtok_per_h),
        energy_price_cny_per_mwh=mean(problem.energy_price_cny_per_mwh),
        utilization_limit_share=problem.utilization_limit_share / hidden,
    )

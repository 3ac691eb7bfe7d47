"""Prices with all that hangs on energy, and work that may wait moved into the hours in which it is cheapest."""

from __future__ import annotations

import numpy as np

from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.greedy_fill import ROUNDING_SHARE, mw_per_busy_accelerator
from optimizer.units import KW_PER_MW


def price_cny_per_mwh(problem: PlacementProblem) -> FloatArray:
    """(T, P) price of the facility energy of each pool, with what its accelerator pays on top, and its carbon."""
    center, kind = (problem.pools[f"{name}_index"].to_numpy(int) for name in ("data_center", "accelerator"))
    carbon = problem.carbon_price_cny_per_t * problem.data_centers["carbon_kg_per_kwh"].to_numpy(float)
    on_top = problem.energy_surcharge_cny_per_mwh[center, kind]
    return np.asarray((problem.energy_price_cny_per_mwh + carbon)[:, center] + on_top)


def full_price_cny_per_mwh(problem: PlacementProblem) -> FloatArray:
    """(T, P) the same with the demand charge spread over the hours of expected use."""
    center = problem.pools["data_center_index"].to_numpy(int)
    monthly = KW_PER_MW * problem.data_centers["demand_charge_cny_per_kw_month"].to_numpy(float)[center]
    return np.asarray(price_cny_per_mwh(problem) + monthly * problem.billing["months"].sum() / hours_of_use(problem))


def hours_of_use(problem: PlacementProblem) -> float:
    """Hours a year at the peak that would carry the same tokens."""
    by_slice = problem.demand_mtok_per_h.sum(axis=1)
    peak = float(by_slice.max(initial=0.0))
    return float(problem.weight_h @ by_slice) / peak if peak > 0 else float(problem.weight_h.sum())


def moved_into_valleys(problem: PlacementProblem) -> FloatArray:
    """
    Move work that may wait to the cheapest hour of its window, (T, W) mtok/h.

    An hour's price is that of the last data center that is needed when they are taken in the order of their price. No
    hour is filled beyond the highest one of the work that cannot wait.
    """
    demand = problem.demand_mtok_per_h.copy()
    waits = problem.workloads["is_deferrable"].to_numpy(bool)
    if not waits.any() or problem.pools.empty:
        return demand
    class_index = problem.workloads["class_index"].to_numpy(int)
    busy_per_mtok = np.where(problem.can_process, problem.accel_h_per_mtok, np.inf).min(axis=1)[class_index]
    busy_per_mtok = np.where(np.isfinite(busy_per_mtok), busy_per_mtok, 0.0)
    load = demand @ busy_per_mtok
    ceiling = max(float((demand[:, ~waits] @ busy_per_mtok[~waits]).max(initial=0.0)), float(load.mean()))
    price = _merit_order_price(problem, load)
    previous = problem.slices["previous_index"].to_numpy(int)
    following = np.empty_like(previous)
    following[previous] = np.arange(len(previous))
    per_h = problem.slice_h
    for w in np.flatnonzero(waits).tolist():
        room = problem.backlog_limit_mtok[:, w].copy()  # what may still be waiting at the end of each slice
        least_mtok = ROUNDING_SHARE * float(problem.demand_mtok_per_h[:, w].sum())
        for s in np.argsort(-price, kind="stable").tolist():
            for u, way in _cheaper_later(s, following, room, price):
                moved = min(float(room[way].min()), float(demand[s, w] * per_h[s]))
                if busy_per_mtok[w] > 0:
                    moved = min(moved, float((ceiling - load[u]) * per_h[u] / busy_per_mtok[w]))
                if moved <= least_mtok:
                    continue
                room[way] -= moved
                for slot, mtok in ((s, -moved), (u, moved)):
                    demand[slot, w] += mtok / per_h[slot]
                    load[slot] += mtok / per_h[slot] * busy_per_mtok[w]
    return demand.clip(min=0.0)


def _cheaper_later(
    s: int, following: IntArray, room_mtok: FloatArray, price: FloatArray
) -> list[tuple[int, list[int]]]:
    """List slices in which work of slice `s` may wait to run for less, cheapest first, with the slices it waits in."""
    found, way, u = list[tuple[float, int, list[int]]](), [s], int(following[s])
    while u != s and room_mtok[way[-1]] > 0:
        if price[u] < price[s]:
            found.append((float(price[u]), u, way.copy()))
        way.append(u)
        u = int(following[u])
    return [(u, way) for _, u, way in sorted(found)]


def _merit_order_price(problem: PlacementProblem, load: FloatArray) -> FloatArray:
    """(T,) CNY per busy accelerator-hour at the last data center that the load of a slice needs."""
    pools = problem.pools
    center, kind = (pools[f"{name}_index"].to_numpy(int) for name in ("data_center", "accelerator"))
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[kind]
    room = (pools["existing_pods"] + pools["max_new_pods"]).to_numpy(float) * per_pod * problem.utilization_limit_share
    pue = problem.data_centers["pue"].to_numpy(float)[center]
    price = full_price_cny_per_mwh(problem) * pue * mw_per_busy_accelerator(problem)[kind]
    order = np.argsort(price, axis=1, kind="stable")
    last = (np.cumsum(room[order], axis=1) < load[:, None]).sum(axis=1).clip(max=len(pools) - 1)
    rows = np.arange(len(load))
    return np.asarray(price[rows, order[rows, last]])

"""Numbers that put a plan in proportion: full cost, what moves by the hour, clusters, limits that bind or idle."""

from __future__ import annotations

from typing import Any

import numpy as np

from network_data.load import Network
from optimizer.checker.check import CheckReport
from optimizer.checker.facts import PlanFacts, sum_once
from optimizer.checker.full_cost import full_cost, spare_draw
from optimizer.problem.problem import FloatArray

# A limit is used up where less than this share of it is left.
_FULL_SHARE = 1e-6


def full_cost_numbers(f: PlanFacts, report: CheckReport) -> dict[str, Any]:
    """
    Put the full cost beside what the plan decides.

    Returns
    -------
    dict
        full_cost_cny_per_year, full_cny_per_mtok, used_stock_capital_cny_per_year, whole_stock_capital_cny_per_year,
        full_cost_with_whole_stock_cny_per_year, accelerators_in_use (at the peak), accelerators_in_stock, spare_pods:
        counted_share (of their idle power) and counted_cny_per_year (part of the full cost), accelerators, facility_mw,
        mwh_per_year and cny_per_year (what they would draw if all idled). NaN per token where nothing is served.
    """
    cost, spare = full_cost(f, report.total_cny), spare_draw(f)
    served = report.mtok_per_year
    return {
        "full_cost_cny_per_year": cost.total_cny,
        "full_cny_per_mtok": cost.total_cny / served if served else float("nan"),
        "used_stock_capital_cny_per_year": cost.used_stock_cny,
        "whole_stock_capital_cny_per_year": cost.whole_stock_cny,
        "full_cost_with_whole_stock_cny_per_year": cost.with_whole_stock_cny,
        "accelerators_in_use": cost.accelerators_in_use,
        "accelerators_in_stock": cost.accelerators_in_stock,
        "spare_pods": {
            "counted_share": f.problem.spare_power_share,
            "counted_cny_per_year": cost.spare_energy_cny,
            "accelerators": spare.accelerators,
            "facility_mw": spare.facility_mw,
            "mwh_per_year": spare.mwh_per_year,
            "cny_per_year": spare.cny_per_year,
        },
    }


def hourly_moves(f: PlanFacts) -> dict[str, Any]:
    """
    Say what share of the tokens is served in another data center than in the time slice before, cyclic over the day.

    A workload's share that moves into a slice is half the sum over data centers of the difference between its shares
    there and in the slice before, which is what must move at least; it is weighted with the tokens of the slice. Slices
    without tokens in the one before move nothing.

    Returns
    -------
    dict
        hourly_move_share of all tokens; class_hourly_move_share by workload class. 0 where nothing is served.
    """
    problem, flow = f.problem, f.pair_mtok_per_h
    workloads = len(problem.workloads)
    previous = problem.slices["previous_index"].to_numpy(np.int64)
    served = f.served_mtok_per_h
    share = np.zeros_like(flow)
    np.divide(flow, served[:, f.pair_workload], out=share, where=served[:, f.pair_workload] > 0)
    was_served = (served > 0) & (served[previous] > 0)
    changed = np.zeros((len(served), workloads))
    np.add.at(changed.T, f.pair_workload, np.abs(share - share[previous]).T / 2.0)
    moved = problem.weight_h @ (served * changed * was_served)
    mtok = problem.weight_h @ served
    k, count = problem.workloads["class_index"].to_numpy(np.int64), len(problem.classes)
    by_class = _quotients(sum_once(moved, k, count), sum_once(mtok, k, count))
    return {
        "hourly_move_share": float(moved.sum() / mtok.sum()) if mtok.sum() else 0.0,
        "class_hourly_move_share": dict(zip(problem.classes["id"].astype(str), by_class.tolist(), strict=True)),
    }


def cluster_shares(f: PlanFacts, network: Network) -> dict[str, float]:
    """
    Share of all tokens served in each region by clusters of a national programme; no regions where there are none.

    Data centers of the programme are those with a `cluster` in the network; the rest of a region's share is served by
    other sites, such as those of its metros.
    """
    centers = f.problem.data_centers
    cluster = network.data_centers["cluster"].reindex(centers["id"]).fillna("").astype(str)
    in_cluster = cluster.to_numpy() != ""
    if not in_cluster.any():
        return {}
    region = centers["region"].to_numpy(str)
    mtok = sum_once(f.candidate_mtok_per_year, f.candidate_data_center, len(centers))
    total = float(mtok.sum())
    return {
        name: float(mtok[(region == name) & in_cluster].sum()) / total if total else 0.0
        for name in dict.fromkeys(region.tolist())
    }


def limit_use(f: PlanFacts, report: CheckReport) -> list[dict[str, Any]]:
    """
    Say of links, IT power and pods how many can bind, how many do, and what share the most used one has in use.

    Returns
    -------
    list of dict
        limit (links, it_power, pods), count (of links, of open data centers, of pools in them), can_bind (links that
        some plan could overload; else all), full (used up in some slice), largest_use_share, where (id of the most
        used, "" where nothing is used), used and available there, unit.
    """
    links = f.problem.links
    is_open = np.asarray(f.plan.is_open) > 0
    pods = (f.pool_column("existing_pods") + f.plan.new_pods) * f.pool_is_open
    has_pods = pods > 0
    active = f.plan.active_pods.max(axis=0, initial=0.0)
    rows = (
        ("links", links["id"].to_numpy(str), report.link_gbps.max(axis=0, initial=0.0),
         links["capacity_gbps"].to_numpy(float), int(links["is_limiting"].sum()), "Gbps"),
        ("it_power", f.data_center_labels[is_open], report.it_power_mw.max(axis=0, initial=0.0)[is_open],
         f.data_center_column("it_capacity_mw")[is_open], int(is_open.sum()), "MW"),
        ("pods", f.pool_labels[has_pods], active[has_pods], pods[has_pods], int(has_pods.sum()), "pods"),
    )  # fmt: skip
    found = []
    for limit, names, used, available, can_bind, unit in rows:
        share = _quotients(used, available)
        at = int(share.argmax()) if len(share) else -1
        found.append(
            {
                "limit": limit,
                "count": len(share),
                "can_bind": can_bind,
                "full": int((share >= 1.0 - _FULL_SHARE).sum()),
                "largest_use_share": float(share[at]) if at >= 0 else 0.0,
                "where": str(names[at]) if at >= 0 and share[at] > 0 else "",
                "used": float(used[at]) if at >= 0 else 0.0,
                "available": float(available[at]) if at >= 0 else 0.0,
                "unit": unit,
            }
        )
    return found


def _quotients(part: FloatArray, whole: FloatArray) -> FloatArray:
    out: FloatArray = np.zeros(len(part))
    return np.divide(part, whole, out=out, where=whole > 0)

"""What one more token of each workload costs: the price of its demand, with what grows with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizer.polish import Polished
from optimizer.price_table import Price, price_row
from optimizer.problem import FloatArray, IntArray, PlacementProblem

UNIT = "CNY per mtok"


def token_costs(problem: PlacementProblem, polished: Polished) -> list[dict[str, Any]]:
    """
    Price one more million tokens of each class and of each workload, at the plan's integers.

    Parameters
    ----------
    problem
        The problem.
    polished
        The plan and its duals.

    Returns
    -------
    list of dict
        Rows of the table of shadow prices: kind token, id `class` or `demand_hub/class`. A workload that asks for
        nothing has no row.
    """
    growth, mtok = workload_growth_cny(problem, polished), problem.weight_h @ problem.demand_mtok_per_h
    class_index = problem.workloads["class_index"].to_numpy(int)
    ids, names = problem.classes["id"].to_numpy(str), problem.classes["name"].to_numpy(str)
    rows = []
    for k in np.unique(class_index[mtok > 0]):
        mine = class_index == k
        cost = float(growth[mine].sum() / mtok[mine].sum())
        sentence = f"1 million tokens more of {names[k]} cost {cost:.4f} CNY, the mean of its demand hubs"
        rows.append(price_row("token", [ids[k]], UNIT, Price(cost, cost), 1.0, sentence))
    hubs = problem.workloads["demand_hub"].to_numpy(str)
    for w in np.flatnonzero(mtok > 0):
        cost, k = float(growth[w] / mtok[w]), class_index[w]
        sentence = f"1 million tokens more of {names[k]} of {hubs[w]} cost {cost:.4f} CNY"
        rows.append(price_row("token", [hubs[w], ids[k]], UNIT, Price(cost, cost), 1.0, sentence))
    return rows


def workload_growth_cny(problem: PlacementProblem, polished: Polished) -> FloatArray:
    """
    Work out by how much the cost grows when a workload grows, relative to its size.

    Everything that is derived from its demand grows with it: what may wait, what may be shed, what can be served, and
    the minimum shares of its class.

    Returns
    -------
    ndarray
        (W,) CNY per year for growth by 100 %, as a derivative.
    """
    workloads, pairs, deployments = problem.workloads, problem.pairs, problem.deployments
    demand, duals = problem.demand_mtok_per_h, polished.row_duals
    waits = workloads["is_deferrable"].to_numpy(bool)
    growth = np.zeros(len(workloads))
    growth[~waits] = (duals["serve_demand"] * demand[:, ~waits]).sum(axis=0)
    growth[waits] = (duals["defer_demand"] * problem.slice_h[:, None] * demand[:, waits]).sum(axis=0)
    # What is held at its upper bound would save by more of it: its reduced cost is negative.
    bounds = np.minimum(polished.column_duals["Backlog"], 0.0) * problem.backlog_limit_mtok[:, waits]
    growth[waits] += bounds.sum(axis=0)
    growth += (np.minimum(polished.column_duals["Shed"], 0.0) * problem.shed_limit_mtok_per_h).sum(axis=0)
    centers = len(problem.data_centers)
    deployed = np.zeros((len(problem.classes), centers))
    deployed[deployments["class_index"], deployments["data_center_index"]] = polished.plan.is_deployed
    single = problem.indivisible_pairs
    for name, table, is_used in (
        ("serve_where_deployed", pairs, deployed[pairs["class_index"], pairs["data_center_index"]]),
        ("serve_where_assigned", single, polished.plan.is_assigned),
    ):
        w = table["workload_index"].to_numpy(int)
        np.add.at(growth, w, (duals[name] * problem.servable_mtok_per_h[:, w]).sum(axis=0) * is_used)
    return growth + _min_share_growth(problem, polished, deployed)


def _min_share_growth(problem: PlacementProblem, polished: Polished, deployed: FloatArray) -> FloatArray:
    """Growth of the minimum shares (6d): a deployment must take its part of what is more."""
    deployments, share = problem.deployments, problem.classes["min_share"].to_numpy(float)
    k: IntArray = deployments["class_index"].to_numpy(int)
    d: IntArray = deployments["data_center_index"].to_numpy(int)
    rows = share[k] > 0
    k, d = k[rows], d[rows]
    dual = np.zeros((len(problem.slices), len(problem.classes)))
    np.add.at(dual.T, k, (-polished.row_duals["require_min_share"] * share[k] * deployed[k, d]).T)
    of_workload = dual[:, problem.workloads["class_index"].to_numpy(int)]
    return np.asarray((of_workload * problem.demand_mtok_per_h).sum(axis=0))

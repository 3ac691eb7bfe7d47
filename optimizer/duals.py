"""What the limits cost at the plan found: duals by label, and which limits made the difference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp

from optimizer.check_facts import PlanFacts
from optimizer.compile import CompiledModel
from optimizer.extract import columns_from_plan
from optimizer.formulation import CONSTRAINTS, Equation
from optimizer.model_data import AXIS, Int32Array, model_data
from optimizer.polish import Polished
from optimizer.problem import FloatArray, IntArray, PlacementProblem
from optimizer.resilience_rules import RESILIENCE_CONSTRAINTS

# Below a yuan a year, a value is rounding of the solver.
LEAST_VALUE_CNY = 1.0
DUAL_COLUMNS = [
    "equation", "name", "day", "hour", "workload_class", "demand_hub", "data_center", "accelerator", "link", "region",
    "dual_cny",
]  # fmt: skip
# The labels of an index, by the set that an equation runs over.
_LABELS_OF_SET = {
    "URGENT": ("workload",),
    "DEFERRABLE": ("workload",),
    "INDIVISIBLE": ("workload",),
    "PAIRS": ("workload", "data_center"),
    "INDIVISIBLE_PAIRS": ("workload", "data_center"),
    "DEPLOYMENTS": ("workload_class", "data_center"),
    "MIN_SHARE_DEPLOYMENTS": ("workload_class", "data_center"),
    "LOADED_DATA_CENTERS": ("data_center",),
    "LIMITED_CLASSES": ("workload_class",),
    "DATA_CENTERS": ("data_center",),
    "PEAK_BILLED": ("data_center",),
    "CONTRACT_BILLED": ("data_center",),
    "POOLS": ("data_center", "accelerator"),
    "MIN_PODS_POOLS": ("data_center", "accelerator"),
    "LIMITING_LINKS": ("link",),
    "REGIONS": ("region",),
    "GREEN_GOALS": (),
    "GREEN_CENTERS": ("data_center",),
    "CARBON_CAPS": (),
    "BUSY_CENTERS": ("data_center",),
    "INVESTMENT_LIMITS": (),
    "SPENDING_LIMITS": (),
    # With the whole decisions held, outages cost nothing: their rows have no duals.
    **{equation.over[0]: () for equation in RESILIENCE_CONSTRAINTS},
}
# Limits a reader can do something about, in the words of a reader. Equations that only say what is what (balances,
# busy time, peaks) are not among them: their right side is zero once the variables are moved to the left.
LIMIT_NAMES = {
    "switch_on_installed_pods": "installed pods",
    "limit_it_power": "IT power",
    "serve_where_deployed": "places of deployment",
    "serve_where_assigned": "single places of indivisible work",
    "require_min_share": "minimum shares",
    "keep_models_loaded": "models kept loaded",
    "limit_link_traffic": "link capacity",
    "require_region_share": "regional shares",
    "require_green_share": "green power",
    "keep_carbon_cap": "carbon cap",
    "require_utilization": "least utilization",
    "keep_investment_limit": "investment limit",
    "keep_spending_limit": "spending limit",
}


def labels_of_set(name: str) -> tuple[str, ...]:
    """
    Tell what the index of a set stands for.

    Parameters
    ----------
    name
        A set that an equation runs over.
    """
    return _LABELS_OF_SET[name]


def dual_table(problem: PlacementProblem, polished: Polished) -> pd.DataFrame:
    """
    List every dual that is not zero, by label.

    Returns
    -------
    DataFrame
        equation (number), name, day, hour ("" and NaN where the equation has no slice), workload_class, demand_hub,
        data_center, accelerator, link, region ("" where it has none), dual_cny: what one more unit of the right side
        adds to the yearly cost (see `Polished.row_duals`).
    """
    sets = model_data(problem).sets
    tables = [_label(problem, equation, sets[equation.over[0]], polished) for equation in CONSTRAINTS]
    kept = [table for table in tables if len(table)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=DUAL_COLUMNS)


def _label(problem: PlacementProblem, equation: Equation, members: Int32Array, polished: Polished) -> pd.DataFrame:
    duals = polished.row_duals[equation.name]
    position = np.nonzero(duals)
    at, member = (position[0], position[-1]) if AXIS in equation.over else (None, position[-1])
    out = pd.DataFrame("", index=range(len(member)), columns=DUAL_COLUMNS)
    out["equation"], out["name"], out["hour"] = equation.number, equation.name, np.nan
    out["dual_cny"] = duals[position]
    if at is not None:
        out["day"], out["hour"] = problem.slices["day"].to_numpy()[at], problem.slices["hour"].to_numpy(float)[at]
    for column, kind in enumerate(_LABELS_OF_SET[equation.over[0]]):
        index = members[member, column]
        if kind == "workload":
            for name in ("workload_class", "demand_hub"):
                out[name] = problem.workloads[name].to_numpy()[index]
        elif kind == "region":
            out[kind] = np.array(problem.policy.regions, dtype=object)[index]
        else:
            table = {
                "data_center": problem.data_centers, "accelerator": problem.accelerators, "link": problem.links,
                "workload_class": problem.classes,
            }[kind]  # fmt: skip
            out[kind] = table["id"].to_numpy()[index]
    return out


def limit_values(problem: PlacementProblem, compiled: CompiledModel, polished: Polished) -> dict[str, float]:
    r"""
    Value each kind of limit at the plan found, CNY per year, largest first.

    With the integers fixed, the value is the sum over rows of |dual x right side|: the most that the limit can be
    said to cost at its present price. Routes that a limit keeps out of the model have no row; theirs is what serving
    the workload there would save at the prices of the plan. All of these are prices at the margin: they rank limits,
    and do not add up to a saving.
    """
    rows, columns = len(compiled.row_upper), len(compiled.cost)
    matrix = sp.csr_array((compiled.values, compiled.indices, compiled.starts), shape=(rows, columns))
    fixed = np.where(compiled.is_integer, columns_from_plan(compiled, polished.plan), 0.0)
    right = compiled.row_upper - matrix @ fixed
    values, shares = {}, _asked_of_shares(problem, polished)
    for name, words in LIMIT_NAMES.items():
        block = compiled.rows[name]
        asked = right[block.rows] if name not in shares else shares[name]
        values[words] = float(np.abs(polished.row_duals[name].reshape(-1) * asked).sum())
    backlog = compiled.columns["Backlog"]
    kept_back = np.minimum(polished.column_duals["Backlog"], 0.0) * backlog.values(compiled.upper)
    values["waiting windows"] = float(-kept_back.sum())
    values |= _value_of_left_out_routes(problem, polished)
    return dict(sorted(((k, v) for k, v in values.items() if v >= LEAST_VALUE_CNY), key=lambda item: -item[1]))


def _asked_of_shares(problem: PlacementProblem, polished: Polished) -> dict[str, FloatArray]:
    """
    Work out what a least share asks for in all, mean of the year: mtok/h of each region, MW of green power.

    The rows of shares compare with a part of a total that is a sum of variables, so their right side is 0.
    """
    facts, policy, hours = PlanFacts(problem, polished.plan), problem.policy, problem.weight_h.sum()
    mtok_per_h = float(facts.candidate_mtok_per_year.sum()) / hours
    green_mw = policy.min_green_share * float(facts.energy_mwh_per_year.sum()) / hours
    return {
        "require_region_share": np.array([policy.min_region_share[name] * mtok_per_h for name in policy.regions]),
        "require_green_share": np.array([green_mw] if policy.min_green_share > 0 else []),
    }


def _value_of_left_out_routes(problem: PlacementProblem, polished: Polished) -> dict[str, float]:
    """
    Value the rules that leave routes out: RTT limits, residency, second routes.

    For each urgent workload and each route of its hub that is no candidate: the marginal cost of processing its class
    there (the dual of (2)) plus latency, transport and data transfer, against the marginal cost of serving it as
    planned (the dual of (1a)). The best such saving counts, times demand; only places where its class is deployed are
    compared. A route that two rules leave out is credited to neither: to give up one of them would not admit it.
    """
    may_wait = problem.workloads["is_deferrable"].to_numpy(bool)
    row_of = np.cumsum(~may_wait) - 1  # rows of (1a) are those of urgent workloads
    deployed = problem.deployments[polished.plan.is_deployed > 0].reset_index(names="deployment")
    every = problem.left_out[~may_wait[problem.left_out["workload_index"]]]
    every = every.assign(class_index=problem.workloads["class_index"].to_numpy()[every["workload_index"]])
    every = every.merge(deployed, on=["class_index", "data_center_index"])
    if every.empty:
        return {}
    k, w = every["class_index"].to_numpy(int), every["workload_index"].to_numpy(int)
    latency = problem.classes["latency_cny_per_ms_per_mtok"].to_numpy(float)[k] * every["rtt_ms"].to_numpy(float)
    transport = every[["network_cny_per_mtok", "data_transfer_cny_per_mtok"]].sum(axis=1).to_numpy(float)
    now = polished.row_duals["serve_demand"][:, row_of[w]]
    there = -polished.row_duals["process_what_is_routed"][:, every["deployment"].to_numpy(int)]
    saving = np.maximum(now - there - problem.weight_h[:, None] * (latency + transport), 0.0)
    is_late, is_barred = every["late_ms"].to_numpy(float) > 0, every["is_barred"].to_numpy(bool)
    return {
        name: _best_saving(problem, saving[:, mask], w[mask])
        for name, mask in (
            ("RTT limits", is_late & ~is_barred),
            ("residency rules", is_barred & ~is_late),
            ("RTT limits and residency rules together", is_late & is_barred),
            ("second routes", every["is_unprotected"].to_numpy(bool)),
        )
    }


def _best_saving(problem: PlacementProblem, saving: FloatArray, workload: IntArray) -> float:
    best = np.zeros_like(problem.demand_mtok_per_h)
    np.maximum.at(best.T, workload, saving.T)
    return float((best * problem.demand_mtok_per_h).sum())

"""
Levers on the demands of the policy, equations (10a) to (10f).

A share is a factor in its row, not a right side: what is added there is the amount that the row lacks (tokens, MW,
accelerators), and the share that the plan found keeps follows from it. For a region's share that is the smallest
change; for a green share and a utilization, whose base is the plan's own, it is one that is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from optimizer.compile import compile_model
from optimizer.elastic import ElasticModel
from optimizer.greedy import mw_per_busy_accelerator
from optimizer.policy import PolicyLimits
from optimizer.problem import FloatArray
from optimizer.shortage import pool_pods
from optimizer.units import CNY_PER_MCNY, HOURS_PER_YEAR

# What a row lacks below this is rounding of the solver.
ROUNDING = 1e-9
# Kinds whose smallest change is not proved: see above.
NOT_PROVED = ("green_share", "utilization")


def region_share(model: ElasticModel) -> None:
    """Lower the least share of a region."""
    problem = model.problem
    policy, regions = problem.policy, problem.policy.regions
    if not regions:
        return
    shares = np.array([policy.min_region_share[name] for name in regions])
    served = float(model.data.parameters["year_share"] @ problem.demand_mtok_per_h.sum(axis=1))
    columns = model.add_columns("region_share", np.arange(len(regions)), 1.0 / (served * shares))
    model.enter(model.rows("require_region_share")[0], columns, -1.0)
    lower = replace(policy, min_region_share={name: share / 2 for name, share in policy.min_region_share.items()})
    base = _by_limit(model, "require_region_share", lower, shares / 2)
    model.derived["region_share"] = _largest(base, columns, shares, np.arange(len(regions)))


def green_share(model: ElasticModel) -> None:
    """Lower the least share of green power."""
    problem = model.problem
    share = problem.policy.min_green_share
    if share <= 0:
        return
    mean = model.data.parameters["year_share"] @ problem.class_demand_mtok_per_h
    energy = (problem.accel_h_per_mtok * mw_per_busy_accelerator(problem)).min(axis=1)
    power = max(float(mean @ energy), 1e-9)
    columns = model.add_columns("green_share", np.zeros(1, np.int64), 1.0 / (power * share))
    model.enter(model.rows("require_green_share")[0], columns, -1.0)
    base = _by_limit(model, "require_green_share", replace(problem.policy, min_green_share=share / 2), share / 2)
    model.derived["green_share"] = _largest(base, columns, np.array([share]), np.zeros(1, np.int64))


def carbon_cap(model: ElasticModel) -> None:
    """Raise the cap on emissions; its row counts tonnes per hour."""
    cap = model.problem.policy.carbon_cap_t_per_year
    if cap is not None:
        price = HOURS_PER_YEAR / max(cap, 1.0)
        columns = model.add_columns("carbon_cap", np.zeros(1, np.int64), price, per_unit=_hours(model))
        model.enter(model.rows("keep_carbon_cap")[0], columns, -1.0)


def utilization(model: ElasticModel) -> None:
    """Lower the least utilization of open data centers."""
    problem = model.problem
    share = problem.policy.min_utilization_share
    if share <= 0:
        return
    rows = model.rows("require_utilization")[0]
    size = problem.accelerators["accelerators_per_pod"].to_numpy(float)[problem.pools["accelerator_index"]]
    total = max(float(pool_pods(problem) @ size), 1.0)
    columns = model.add_columns("utilization", np.zeros(len(rows), np.int64), 1.0 / (total * share))
    model.enter(rows, columns, -1.0)
    lower = replace(problem.policy, min_utilization_share=share / 2)
    base = _by_limit(model, "require_utilization", lower, share / 2)
    model.derived["utilization"] = _largest(base, columns, np.array([share]), np.zeros(len(rows), np.int64))


def investment(model: ElasticModel) -> None:
    """Raise the limit on investment; its row counts million CNY."""
    _money(model, "investment", "keep_investment_limit", model.problem.policy.investment_limit_cny)


def spending(model: ElasticModel) -> None:
    """Raise the limit on yearly spending; its row counts million CNY."""
    _money(model, "spending", "keep_spending_limit", model.problem.policy.spending_limit_cny_per_year)


def change_policy(policy: PolicyLimits, amounts: dict[str, dict[int, float]]) -> PolicyLimits:
    """
    Apply a change to the demands.

    Parameters
    ----------
    policy
        The demands.
    amounts
        Kind to item to amount.
    """
    updates: dict[str, Any] = {}
    shares = dict(policy.min_region_share)
    for item, amount in amounts.get("region_share", {}).items():
        name = policy.regions[item]
        shares[name] = round(max(0.0, shares[name] - amount), 9)
    if shares != policy.min_region_share:
        updates["min_region_share"] = shares
    for kind, (key, sign) in KEYS.items():
        for amount in amounts.get(kind, {}).values():
            updates[key] = round(max(0.0, getattr(policy, key) + sign * amount), 9)
    return replace(policy, **updates)


KEYS = {
    "green_share": ("min_green_share", -1),
    "carbon_cap": ("carbon_cap_t_per_year", 1),
    "utilization": ("min_utilization_share", -1),
    "investment": ("investment_limit_cny", 1),
    "spending": ("spending_limit_cny_per_year", 1),
}


def _money(model: ElasticModel, kind: str, equation: str, limit_cny: float | None) -> None:
    if limit_cny is None:
        return
    price = CNY_PER_MCNY / max(limit_cny, CNY_PER_MCNY)
    columns = model.add_columns(kind, np.zeros(1, np.int64), price, per_unit=CNY_PER_MCNY)
    model.enter(model.rows(equation)[0], columns, -1.0)


def _hours(model: ElasticModel) -> float:
    return float(model.problem.weight_h.sum())


def _by_limit(model: ElasticModel, equation: str, policy: PolicyLimits, step: FloatArray | float) -> sp.csr_array:
    """Find what one unit of a share multiplies in its row: compiled again with a lower share, and compared."""
    other = compile_model(replace(model.problem, policy=policy))
    rows = model.rows(equation)[0]

    def part(compiled: Any) -> sp.csr_array:
        shape = (len(compiled.row_upper), len(compiled.cost))
        return sp.csr_array((compiled.values, compiled.indices, compiled.starts), shape=shape)[rows]

    scale = sp.diags_array(np.broadcast_to(1.0 / np.asarray(step, float), (len(rows),)))
    return sp.csr_array(scale @ (part(model.compiled) - part(other)))


def _largest(
    base: sp.csr_array, columns: np.ndarray, shares: FloatArray, item: np.ndarray
) -> Callable[[FloatArray], dict[int, float]]:
    """Turn what the rows lack into the share that each item would have to give up; the largest of its rows counts."""

    def amounts(x: FloatArray) -> dict[int, float]:
        size = base @ x[: base.shape[1]]
        lacking = np.maximum(x[columns], 0.0)
        given_up = np.divide(lacking, size, out=np.zeros(len(size)), where=size > ROUNDING)
        out = np.zeros(len(shares))
        np.maximum.at(out, item, np.where(lacking > ROUNDING, given_up, 0.0))
        return {int(i): float(min(out[i], shares[i])) for i in np.flatnonzero(out > ROUNDING)}

    return amounts

"""
Every limit on the year as a whole, one function per equation (10a) to (10g), from docs/formulation.md.

`POLICY_LIMITS` is the table of contents. What the scenario does not demand has no rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizer.check_costs import list_costs
from optimizer.check_facts import PlanFacts, sum_by_group, sum_once
from optimizer.check_index import Labels, numbers_of
from optimizer.check_limits import Limit
from optimizer.problem import FloatArray

SPENDING = ("energy", "demand_charge", "accelerator_capital", "site_capital", "opening", "deployment", "carbon")


def _labels(*names: str) -> Labels:
    out = np.empty(len(names), dtype=object)
    out[:] = names
    return out


def _once(equation: str, name: str, unit: str, amount: float, limit: float | None) -> Limit:
    """Limit the whole plan: a single row, none without a limit."""
    rows = [] if limit is None else [limit]
    values = np.full(len(rows), amount)
    return Limit(equation, name, unit, _labels(*("plan" for _ in rows)), values, "<=", np.array(rows, dtype=float))


def processed_mtok_per_year(f: PlanFacts) -> FloatArray:
    """(D,) tokens processed in a year."""
    place = f.problem.processes["data_center_index"].to_numpy(np.int64)
    work = f.problem.weight_h @ f.plan.work_mtok_per_h
    return sum_once(work, place, len(f.data_center_labels))


def require_region_share(f: PlanFacts) -> Limit:
    """(10a) A region processes at least its share of all tokens."""
    mtok, region = processed_mtok_per_year(f), f.problem.data_centers["region"].to_numpy(str)
    shares = {name: share for name, share in sorted(f.problem.policy.min_region_share.items()) if share > 0}
    inside = np.array([mtok[region == name].sum() for name in shares], dtype=float)
    least = np.array([share * mtok.sum() for share in shares.values()], dtype=float)
    return Limit("10a", "require_region_share", "mtok_per_year", _labels(*shares), inside, ">=", least)


def require_green_share(f: PlanFacts) -> Limit:
    """(10b) Contracts for green power cover at least their share of the facility energy."""
    share, energy = f.problem.policy.min_green_share, f.energy_mwh_per_year
    green = float(energy @ numbers_of(f.problem.data_centers, "green_power_share"))
    rows = [green] if share > 0 else []
    least = np.full(len(rows), share * energy.sum())
    labels = _labels(*("plan" for _ in rows))
    return Limit("10b", "require_green_share", "mwh_per_year", labels, np.array(rows, dtype=float), ">=", least)


def keep_carbon_cap(f: PlanFacts) -> Limit:
    """(10c) Location-based emissions stay within their cap."""
    cap = f.problem.policy.carbon_cap_t_per_year
    return _once("10c", "keep_carbon_cap", "t_per_year", float(f.carbon_t_per_year.sum()), cap)


def require_utilization(f: PlanFacts) -> Limit:
    """(10d) The accelerators of an open data center are busy for at least a share of the year."""
    count, year_h = len(f.data_center_labels), f.problem.weight_h.sum()
    installed = sum_once((f.kept_pods + f.plan.new_pods) * f.accelerators_per_pod, f.pool_data_center, count)
    busy_h = sum_once(f.problem.weight_h @ f.busy_accelerators, f.pool_data_center, count)
    share = f.problem.policy.min_utilization_share
    asked = np.arange(count if share > 0 else 0)
    least = share * year_h * installed[asked]
    labels = f.data_center_labels[asked]
    return Limit("10d", "require_utilization", "accelerator_h_per_year", labels, busy_h[asked], ">=", least)


def keep_investment_limit(f: PlanFacts) -> Limit:
    """(10e) New pods, with their building and power, cost no more up front than allowed."""
    limit = f.problem.policy.investment_limit_cny
    return _once("10e", "keep_investment_limit", "cny", f.investment_cny, limit)


def spending_cny_per_year(f: PlanFacts) -> float:
    """CNY per year that the spending limit counts."""
    costs = list_costs(f)
    return float(costs.loc[costs["component"].isin(SPENDING), "cny_per_year"].sum())


def keep_spending_limit(f: PlanFacts) -> Limit:
    """(10f) What the data centers cost in a year stays within the budget."""
    limit = f.problem.policy.spending_limit_cny_per_year
    amount = 0.0 if limit is None else spending_cny_per_year(f)
    return _once("10f", "keep_spending_limit", "cny_per_year", amount, limit)


def idle_no_pod_to_look_green(f: PlanFacts) -> Limit:
    """(10g) Where a green share is demanded, no more pods are on than the work and the models loaded take."""
    count, usable_share = len(f.data_center_labels), f.problem.utilization_limit_share
    asked = np.arange(count if f.problem.policy.min_green_share > 0 else 0)
    usable = usable_share * sum_by_group(f.plan.active_pods * f.accelerators_per_pod, f.pool_data_center, count)
    busy = sum_by_group(f.busy_accelerators, f.pool_data_center, count)
    most = busy + usable_share * sum_once(f.loaded_accelerators, f.deployment_data_center, count)
    labels, name = f.data_center_labels[asked], "idle_no_pod_to_look_green"
    return Limit("10g", name, "accelerators", labels, usable[:, asked], "<=", most[:, asked], f.slice_labels)


POLICY_LIMITS: tuple[Callable[[PlanFacts], Limit], ...] = (
    require_region_share,
    require_green_share,
    keep_carbon_cap,
    require_utilization,
    keep_investment_limit,
    keep_spending_limit,
    idle_no_pod_to_look_green,
)

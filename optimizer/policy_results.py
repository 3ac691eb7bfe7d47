"""What a plan achieves against each demand of the policy, with words for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from optimizer.check_facts import PlanFacts, sum_once
from optimizer.check_policy import processed_mtok_per_year, spending_cny_per_year

_SHARE, _MILLION = "share", 1e6


def policy_outcome(f: PlanFacts) -> list[dict[str, Any]]:
    """
    Set what a plan achieves beside what the policy demands.

    Parameters
    ----------
    f
        The plan and what follows from it.

    Returns
    -------
    list of dict
        One for each active demand, in the order of the equations: name (as in the scenario), achieved, limit, sense
        (">=" or "<="), unit, where (the data center that decides, of min_utilization_share; else ""). None achieved
        where a share has no whole.
    """
    policy, found = f.problem.policy, []

    def add(name: str, achieved: float | None, limit: float, sense: str, unit: str, where: str = "") -> None:
        found.append({"name": name, "achieved": achieved, "limit": limit, "sense": sense, "unit": unit, "where": where})

    mtok, region = processed_mtok_per_year(f), f.problem.data_centers["region"].to_numpy(str)
    for name in policy.regions:
        inside = _quotient(float(mtok[region == name].sum()), float(mtok.sum()))
        add(f"min_region_share.{name}", inside, policy.min_region_share[name], ">=", _SHARE)
    if policy.min_green_share > 0:
        add("min_green_share", green_share(f), policy.min_green_share, ">=", _SHARE)
    if policy.carbon_cap_t_per_year is not None:
        emitted = float(f.carbon_t_per_year.sum())
        add("carbon_cap_t_per_year", emitted, policy.carbon_cap_t_per_year, "<=", "t/year")
    if policy.min_utilization_share > 0:
        where, achieved = _least_busy(f)
        add("min_utilization_share", achieved, policy.min_utilization_share, ">=", _SHARE, where)
    if policy.investment_limit_cny is not None:
        add("investment_limit_cny", f.investment_cny, policy.investment_limit_cny, "<=", "CNY")
    if policy.spending_limit_cny_per_year is not None:
        spent, limit = spending_cny_per_year(f), policy.spending_limit_cny_per_year
        add("spending_limit_cny_per_year", spent, limit, "<=", "CNY/year")
    return found


def green_share(f: PlanFacts) -> float | None:
    """Share of the facility energy that contracts for green power cover; None without energy."""
    energy = f.energy_mwh_per_year
    return _quotient(float(energy @ f.data_center_column("green_power_share")), float(energy.sum()))


def _least_busy(f: PlanFacts) -> tuple[str, float | None]:
    """Find the data center whose installed accelerators are the least busy, and their busy share."""
    count, hours = len(f.data_center_labels), f.problem.weight_h.sum()
    installed = sum_once((f.kept_pods + f.plan.new_pods) * f.accelerators_per_pod, f.pool_data_center, count)
    busy_h = sum_once(f.problem.weight_h @ f.busy_accelerators, f.pool_data_center, count)
    if not installed.any():
        return "", None
    share = np.where(installed > 0, busy_h / np.where(installed > 0, installed * hours, 1.0), np.inf)
    return str(f.data_center_labels[share.argmin()]), float(share.min())


def describe_outcome(item: Mapping[str, Any]) -> str:
    """
    Spell one demand: "west share 61.2 % (at least 60 %)".

    Parameters
    ----------
    item
        From `policy_outcome`.
    """
    name, _, region = str(item["name"]).partition(".")
    words = {
        "min_region_share": f"{region} share of the tokens",
        "min_green_share": "green share of the energy",
        "carbon_cap_t_per_year": "carbon, location-based",
        "min_utilization_share": f"least busy data center ({item['where']})"
        if item["where"]
        else "least busy data center",
        "investment_limit_cny": "investment up front",
        "spending_limit_cny_per_year": "spending a year",
    }[name]
    bound = "at least" if item["sense"] == ">=" else "at most"
    return f"{words} {_amount(item['achieved'], item['unit'])} ({bound} {_amount(item['limit'], item['unit'])})"


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "none"
    if unit == _SHARE:
        return f"{value:.1%}" if abs(value * 1e3 - round(value * 1e3)) < 1e-6 else f"{value:.2%}"  # noqa: PLR2004
    if unit.startswith("CNY"):
        return f"{value / _MILLION:,.1f} million CNY"
    return f"{value:,.0f} t"


def _quotient(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None

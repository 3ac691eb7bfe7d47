"""A solved problem as tables and numbers: what it costs, where the tokens go, and what the optimization was worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from network_data.load import Network
from optimizer.baselines import SERVED_ALL_SHARE, Baseline
from optimizer.check import CheckReport, check_plan
from optimizer.check_facts import PlanFacts
from optimizer.confidence import estimate_shares
from optimizer.plan import Plan
from optimizer.plan_tables import plan_tables
from optimizer.policy_results import green_share, policy_outcome
from optimizer.price_table import COLUMNS
from optimizer.problem import PlacementProblem
from optimizer.result_tables import result_tables


@dataclass(frozen=True, eq=False)
class Margins:
    """What the limits are worth at a plan: `dual_table` and `limit_values` of `duals`, and `shadow_prices`."""

    duals: pd.DataFrame
    limits: dict[str, float]
    shadow_prices: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Results:
    """
    What a run stores and prints.

    Attributes
    ----------
    tables
        By name: allocation, data_centers, demand_hubs, links, routes, costs, classes, latency, links_by_slice,
        data_centers_by_slice, pools, active_pods, work, deployments, assignments, unserved, peaks; and duals and
        shadow_prices where they were computed.
    summary
        Numbers of the plan: see `summarize`.
    baselines
        Greedy plans beside it: see `compare_baselines`.
    limits
        CNY per year that each kind of limit is worth at the margin, largest first; empty where it was not computed.
    shadow_prices
        What one more unit of each limit is worth (see `shadow_prices.shadow_prices`), also among the tables; empty
        where it was not computed.
    """

    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]
    baselines: list[dict[str, Any]]
    limits: dict[str, float]
    shadow_prices: pd.DataFrame

    @property
    def limits_line(self) -> str:
        """One line that names the limits that made the difference."""
        return describe_limits(self.limits)


def describe_limits(limits: Mapping[str, float]) -> str:
    """
    Name the limits that made the difference, on one line.

    Parameters
    ----------
    limits
        CNY per year that each kind is worth at the margin, largest first.
    """
    if not limits:
        return "no limit has a price at this plan (or prices were not computed)"
    parts = [f"{name} {value / 1e6:,.1f}" for name, value in limits.items()]
    return f"{'; '.join(parts)} (million CNY a year at the margin)"


def build_results(
    problem: PlacementProblem,
    network: Network,
    plan: Plan,
    baselines: tuple[Baseline, ...] = (),
    margins: Margins | None = None,
) -> Results:
    """
    Turn a plan into tables and numbers.

    Parameters
    ----------
    problem, network
        The problem and the network it was assembled from.
    plan
        The plan; it is checked again.
    baselines
        Greedy plans for the same problem.
    margins
        What the limits are worth at it; None where that was not computed.
    """
    report = check_plan(problem, plan)
    tables = plan_tables(problem, plan) | result_tables(problem, network, plan, report)
    if margins is not None:
        tables |= {"duals": margins.duals, "shadow_prices": margins.shadow_prices}
    return Results(
        tables=tables,
        summary=summarize(problem, network, plan, report),
        baselines=[compare_baseline(problem, baseline, report.total_cny) for baseline in baselines],
        limits={} if margins is None else margins.limits,
        shadow_prices=pd.DataFrame(columns=COLUMNS) if margins is None else margins.shadow_prices,
    )


def summarize(problem: PlacementProblem, network: Network, plan: Plan, report: CheckReport) -> dict[str, Any]:
    """
    Sum a plan up in numbers.

    Returns
    -------
    dict
        total_cny_per_year, component_cny_per_year, cny_per_mtok, mtok_per_year, tokens_per_day, asked_mtok_per_year,
        unserved_share, region_share (of the tokens, by region of the data center), demand_region_share (by region of
        the demand hub), mean_rtt_ms, it_energy_mwh_per_year, energy_mwh_per_year (facility), mean_pue,
        energy_kwh_per_mtok, mean_price_cny_per_mwh, carbon_t_per_year (location-based), carbon_kg_per_mtok,
        market_carbon_t_per_year (of the energy that no contract for green power covers), green_share (None without
        energy), capital_cny_per_year, investment_cny (up front), policy (see `policy_outcome`), new_pods,
        peak_it_power_mw, peak_facility_power_mw, open_data_centers, data_centers, estimate_share (of the cost, by
        component and in total). NaN where nothing is served.
    """
    mtok, energy = report.mtok_per_year, float(report.energy_mwh_per_year.sum())
    it_energy = float((problem.weight_h @ report.it_power_mw).sum())
    components = {name: float(value) for name, value in report.component_cny.items()}
    carbon, facts = float(report.carbon_t_per_year.sum()), PlanFacts(problem, plan)
    unserved = 1.0 - _per(mtok, problem.annual_mtok)
    return {
        "total_cny_per_year": report.total_cny,
        "component_cny_per_year": components,
        "cny_per_mtok": _per(report.total_cny, mtok),
        "mtok_per_year": mtok,
        "tokens_per_day": mtok * 1e6 / (problem.weight_h.sum() / 24.0),
        "asked_mtok_per_year": problem.annual_mtok,
        "unserved_share": unserved if unserved > SERVED_ALL_SHARE else 0.0,
        "region_share": _region_shares(problem, plan),
        "demand_region_share": demand_by_region(problem, network),
        "mean_rtt_ms": report.mean_rtt_ms,
        "it_energy_mwh_per_year": it_energy,
        "energy_mwh_per_year": energy,
        "mean_pue": _per(energy, it_energy),
        "energy_kwh_per_mtok": _per(energy * 1e3, mtok),
        "mean_price_cny_per_mwh": _per(components["energy"], energy),
        "carbon_t_per_year": carbon,
        "carbon_kg_per_mtok": _per(carbon * 1e3, mtok),
        "market_carbon_t_per_year": float(facts.market_carbon_t_per_year.sum()),
        "green_share": green_share(facts),
        "capital_cny_per_year": components["accelerator_capital"] + components["site_capital"],
        "investment_cny": facts.investment_cny,
        "policy": policy_outcome(facts),
        "new_pods": int(np.sum(plan.new_pods)),
        "peak_it_power_mw": float(report.it_power_mw.sum(axis=1).max()),
        "peak_facility_power_mw": float(report.facility_power_mw.sum(axis=1).max()),
        "open_data_centers": int(np.sum(plan.is_open)),
        "data_centers": len(problem.data_centers),
        "estimate_share": estimate_shares(problem, network, plan, report),
    }


def compare_baseline(problem: PlacementProblem, baseline: Baseline, total_cny: float) -> dict[str, Any]:
    """
    Set a baseline beside a plan.

    Returns
    -------
    dict
        id, name, is_feasible, unserved_share, broken (equations), total_cny_per_year and component_cny_per_year (of
        the served part), cny_per_mtok, mean_rtt_ms, region_share; saving_cny_per_year and saving_share of the plan
        against it, None where the baseline is not feasible and so does not compare.
    """
    report = baseline.report
    saving = report.total_cny - total_cny if baseline.is_feasible else None
    return {
        "id": baseline.id,
        "name": baseline.name,
        "is_feasible": baseline.is_feasible,
        "unserved_share": baseline.unserved_share,
        "broken": list(baseline.broken),
        "total_cny_per_year": report.total_cny,
        "component_cny_per_year": {name: float(value) for name, value in report.component_cny.items()},
        "cny_per_mtok": _per(report.total_cny, report.mtok_per_year),
        "mean_rtt_ms": report.mean_rtt_ms,
        "region_share": _region_shares(problem, baseline.plan),
        "saving_cny_per_year": saving,
        "saving_share": None if saving is None else _per(saving, abs(report.total_cny)),
    }


def demand_by_region(problem: PlacementProblem, network: Network) -> dict[str, float]:
    """Share of the demand that arises in each region, largest first."""
    region = network.nodes["region"].reindex(problem.workloads["demand_hub"]).to_numpy(str)
    return _shares(region, problem.weight_h @ problem.demand_mtok_per_h)


def home_region(problem: PlacementProblem, network: Network) -> str:
    """Region where most demand arises."""
    return next(iter(demand_by_region(problem, network)))


def _region_shares(problem: PlacementProblem, plan: Plan) -> dict[str, float]:
    region = problem.data_centers["region"].to_numpy(str)[problem.candidates["data_center_index"].to_numpy(int)]
    return _shares(region, problem.weight_h @ plan.flow_mtok_per_h)


def _shares(names: np.ndarray, amounts: np.ndarray) -> dict[str, float]:
    sums = pd.Series(amounts).groupby(names).sum()
    total = float(sums.sum())
    shares = sums / total if total > 0 else sums
    return {str(name): float(value) for name, value in shares.sort_values(ascending=False, kind="stable").items()}


def _per(amount: float, of: float) -> float:
    return amount / of if of else float("nan")

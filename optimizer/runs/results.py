"""
What a plan amounts to: its numbers, what the policy demands of it, the share of estimates, and baselines beside it.

`build_results` gathers them with the tables of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from network_data.load import Network
from optimizer.checker.check import CheckReport, check_plan
from optimizer.checker.facts import PlanFacts, sum_once
from optimizer.checker.full_cost import full_cost
from optimizer.checker.limits import processed_mtok_per_year, require_new_compute_share, spending_cny_per_year
from optimizer.numbers import format_tenths
from optimizer.problem.demand import amount_shares, demand_by_region
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.problem.routing import HOURS_PER_MONTH
from optimizer.runs.accounts import cluster_shares, full_cost_numbers, hourly_moves, limit_use
from optimizer.runs.plan_tables import plan_tables
from optimizer.runs.result_tables import result_tables
from optimizer.runs.share_ranges import RANGE_UNKNOWN
from optimizer.solvers.greedy import SERVED_ALL_SHARE, Baseline
from optimizer.words.sentences import join, retell, say, term

_SHARE = "share"
_OUTCOME = ("name", "achieved", "limit", "sense", "unit", "where")
_ESTIMATE = {"estimate", ""}


def policy_outcome(f: PlanFacts) -> list[dict[str, Any]]:
    """
    Compare what a plan achieves with what the policy demands.

    Returns
    -------
    list of dict
        One for each active demand, in the order of the equations: name (as in the scenario), achieved, limit, sense
        (">=" or "<="), unit, where (the least busy data center, of min_utilization_share; else ""). achieved is None
        where the total of a share is 0.
    """
    policy, found = f.problem.policy, list[dict[str, Any]]()

    def add(name: str, achieved: float | None, limit: float, sense: str, unit: str, where: str = "") -> None:
        found.append(dict(zip(_OUTCOME, (name, achieved, limit, sense, unit, where), strict=True)))

    mtok, region = processed_mtok_per_year(f), f.problem.data_centers["region"].to_numpy(str)
    for name in policy.regions:
        inside = _quotient(float(mtok[region == name].sum()), float(mtok.sum()))
        add(f"min_region_share.{name}", inside, policy.min_region_share[name], ">=", _SHARE)
    bought = require_new_compute_share(f)
    for name, inside, least in zip(policy.new_compute_groups, bought.amount, np.atleast_1d(bought.limit), strict=True):
        share = policy.min_new_compute_share[name]
        add(f"min_new_compute_share.{name}", _quotient(float(inside), float(least) / share), share, ">=", _SHARE)
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
    """Write one row of `policy_outcome`: "west share of the tokens 61.2% (at least 60.0%)"."""
    name, _, place = str(item["name"]).partition(".")
    words = {
        "min_region_share": say("{place} share of the tokens", place=term(place)),
        "min_new_compute_share": say("{place} share of the compute bought", place=term(place)),
        "min_green_share": say("green share of the energy"),
        "carbon_cap_t_per_year": say("carbon, location-based"),
        "min_utilization_share": say("least busy data center ({where})", where=item["where"])
        if item["where"]
        else say("least busy data center"),
        "investment_limit_cny": say("investment up front"),
        "spending_limit_cny_per_year": say("spending a year"),
    }[name]
    bound = say("at least") if item["sense"] == ">=" else say("at most")
    achieved, limit = (_amount(item[name], item["unit"]) for name in ("achieved", "limit"))
    return say("{words} {achieved} ({bound} {limit})", words=words, achieved=achieved, bound=bound, limit=limit)


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return say("none")
    if unit == _SHARE:
        return f"{value:.1%}" if abs(value * 1e3 - round(value * 1e3)) < 1e-6 else f"{value:.2%}"  # noqa: PLR2004
    if unit.startswith("CNY"):
        return say("{millions} million CNY", millions=format_tenths(value))
    return say("{tonnes:,.0f} t", tonnes=value)


def _quotient(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _estimate_shares(problem: PlacementProblem, network: Network, plan: Plan, report: CheckReport) -> dict[str, float]:
    """Work out what share of each cost component, and of all (`total`), rests on estimates (see `estimated_cny`)."""
    totals, amounts = report.component_cny.to_dict(), estimated_cny(problem, network, plan, report)
    shares = {name: _share(amount, totals[name]) for name, amount in amounts.items() if totals[name]}
    return {**shares, "total": _share(sum(amounts.values()), report.total_cny)}


def estimated_cny(problem: PlacementProblem, network: Network, plan: Plan, report: CheckReport) -> dict[str, float]:
    """
    Work out how much of each cost component rests on estimates, CNY per year.

    A cost rests on an estimate if the row of the input that sets its price has confidence `estimate`, or none:
    energy by its tariff (any row; an hourly price series counts as one), latency, deployment and data transfer (its
    bytes; its price is a choice) by the workload class, network by the link, accelerator capital by the accelerator,
    carbon by the grid, all others by the data center. A price that a price case changed (of energy, demand or tokens)
    rests on that case too, and on it alone where it was replaced. The penalty of unserved tokens is a choice, not an
    estimate. Quantities (demand shares, token rates) are not judged here.
    """
    facts = PlanFacts(problem, plan)
    table = report.costs_cny
    place = {name: number for number, name in enumerate(problem.data_centers["id"])}
    by_center: dict[str, np.ndarray] = {}
    for component, center, cny in zip(table["component"], table["data_center"], table["cny_per_year"], strict=True):
        if component != "shedding":
            by_center.setdefault(component, np.zeros(len(place)))[place[center]] = cny
    centers, classes, links = problem.data_centers, problem.classes, problem.links
    grid = network.data_centers["grid"].reindex(centers["id"])
    accelerators = problem.accelerators["id"].to_numpy()[problem.pools["accelerator_index"]]
    k, mtok = facts.candidate_class, facts.candidate_mtok_per_year
    deployment_cny = classes["deploy_cny_per_year"].to_numpy(float)[facts.deployment_class]
    latency_cny_per_ms = classes["latency_cny_per_ms_per_mtok"].to_numpy(float)[k]
    capital_cny = problem.pools["pod_cny_per_year"].to_numpy(float) * plan.new_pods
    link_cny_per_gbps_h = links["price_cny_per_gbps_month"].to_numpy(float) / HOURS_PER_MONTH
    token_price_guessed, class_guessed = (_is_estimate(classes[n]) for n in ("token_price_confidence", "confidence"))
    of_center = _is_estimate(centers["confidence"])
    estimated = {
        **{name: cny[of_center] for name, cny in by_center.items()},
        "energy": by_center["energy"][_is_estimate(centers["price_confidence"])],
        "carbon": by_center["carbon"][_is_estimate(network.grids["confidence"].reindex(grid))],
        "demand_charge": by_center["demand_charge"][_is_estimate(centers["demand_charge_confidence"])],
        "accelerator_capital": capital_cny * _is_estimate(network.accelerators["confidence"].reindex(accelerators)),
        "latency": latency_cny_per_ms * facts.candidate_column("rtt_ms") * mtok * token_price_guessed[k],
        "deployment": deployment_cny * plan.is_deployed * class_guessed[facts.deployment_class],
        "network": problem.weight_h
        @ report.link_gbps
        * link_cny_per_gbps_h
        * _is_estimate(network.links["confidence"].reindex(links["id"])),
        "data_transfer": facts.candidate_column("data_transfer_cny_per_mtok") * mtok * class_guessed[k],
    }
    return {name: float(np.sum(values)) for name, values in estimated.items()}


def _share(part: float, whole: float) -> float:
    return float(np.clip(part / whole, 0.0, 1.0)) if whole else 0.0


def _is_estimate(confidence: Iterable[str]) -> np.ndarray:
    return np.array([value in _ESTIMATE for value in confidence], dtype=bool)


@dataclass(frozen=True, eq=False)
class Results:
    """
    What a run stores and prints.

    Attributes
    ----------
    tables
        By name: allocation, data_centers, demand_hubs, links, routes, costs, classes, latency, links_by_slice,
        data_centers_by_slice, pools, active_pods, work, deployments, assignments, unserved, peaks; and duals (see
        `duals.dual_table`), shadow_prices (see `shadow_prices.shadow_prices`) and work_elsewhere (see
        `data_centers.work_elsewhere`) where they were computed.
    summary
        Numbers of the plan: see `summarize`.
    baselines
        Greedy plans beside it: see `compare_baselines`.
    limits
        Cost of each kind of limit at the margin, CNY per year (see `duals.limit_values`); empty where not computed.
    """

    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]
    baselines: list[dict[str, Any]]
    limits: dict[str, float]


def describe_limits(limits: Mapping[str, float]) -> str:
    """Write on one line what each kind of limit costs at the margin, CNY per year, largest first."""
    if not limits:
        return say("no limit has a price at this plan (or prices were not computed)")
    parts = join((f"{retell(name)} {format_tenths(value)}" for name, value in limits.items()), "; ")
    return say("{parts} (million CNY a year at the margin)", parts=parts)


def build_results(
    problem: PlacementProblem,
    network: Network,
    plan: Plan,
    baselines: tuple[Baseline, ...] = (),
    prices: Mapping[str, pd.DataFrame] | None = None,
    limits: dict[str, float] | None = None,
) -> Results:
    """
    Turn a plan into tables and numbers.

    Parameters
    ----------
    prices, limits
        Tables duals, shadow_prices and work_elsewhere, and `Results.limits`; None where they were not computed.
    """
    report = check_plan(problem, plan)
    return Results(
        tables=plan_tables(problem, plan) | result_tables(problem, network, plan, report) | dict(prices or {}),
        summary=summarize(problem, network, plan, report),
        baselines=compare_baselines(problem, network, baselines, plan, report),
        limits=limits or {},
    )


def summarize(problem: PlacementProblem, network: Network, plan: Plan, report: CheckReport) -> dict[str, Any]:
    """
    Summarize a plan in numbers.

    Returns
    -------
    dict
        total_cny_per_year, component_cny_per_year, cny_per_mtok, mtok_per_year, tokens_per_day, asked_mtok_per_year,
        unserved_share, region_share (of the tokens, by region of the data center), share_range (for which plans a
        range of these shares holds, or that there is none yet), demand_region_share (by region of the demand hub),
        mean_rtt_ms, it_energy_mwh_per_year, energy_mwh_per_year (facility), mean_pue, energy_kwh_per_mtok,
        mean_price_cny_per_mwh, carbon_t_per_year (location-based), carbon_kg_per_mtok,
        market_carbon_t_per_year (of the energy that no contract for green power covers), green_share (None without
        energy), capital_cny_per_year, investment_cny (up front), policy (see `policy_outcome`), new_pods,
        peak_it_power_mw, peak_facility_power_mw, open_data_centers, data_centers, estimate_share (of the cost, by
        component and in total); what `full_cost_numbers` and `hourly_moves` return; cluster_region_share (see
        `cluster_shares`) and limit_use (see `limit_use`). NaN where nothing is served.
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
        "share_range": RANGE_UNKNOWN,
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
        "estimate_share": _estimate_shares(problem, network, plan, report),
        **full_cost_numbers(facts, report),
        **hourly_moves(facts),
        "cluster_region_share": cluster_shares(facts, network),
        "limit_use": limit_use(facts, report),
    }


def compare_baselines(
    problem: PlacementProblem, network: Network, baselines: Iterable[Baseline], plan: Plan, report: CheckReport
) -> list[dict[str, Any]]:
    """
    Compare baselines with a plan.

    Parameters
    ----------
    plan, report
        The plan, and what the checker says of it.

    Returns
    -------
    list of dict
        id, name, is_feasible, unserved_share, broken (equations), total_cny_per_year and component_cny_per_year (of
        the served part), full_cost_cny_per_year, cny_per_mtok, mean_rtt_ms, region_share; and of the plan against it
        saving_cny_per_year, saving_share, component_saving_cny_per_year (they sum to the saving; negative where the
        plan spends more) and estimated_saving_cny_per_year (what of the saving rests on estimates, see
        `estimated_cny`), None where the baseline is not feasible and so does not compare.
    """
    guessed = sum(estimated_cny(problem, network, plan, report).values())
    own = {str(name): float(value) for name, value in report.component_cny.items()}
    found = []
    for baseline in baselines:
        there, facts = baseline.report, PlanFacts(problem, baseline.plan)
        components = {str(name): float(value) for name, value in there.component_cny.items()}
        saving = there.total_cny - report.total_cny
        on_estimates = sum(estimated_cny(problem, network, baseline.plan, there).values()) - guessed
        against = {
            "saving_cny_per_year": saving,
            "saving_share": _per(saving, abs(there.total_cny)),
            "component_saving_cny_per_year": {name: cny - own[name] for name, cny in components.items()},
            "estimated_saving_cny_per_year": on_estimates,
        }
        found.append(
            {
                "id": baseline.id,
                "name": baseline.name,
                "is_feasible": baseline.is_feasible,
                "unserved_share": baseline.unserved_share,
                "broken": list(baseline.broken),
                "total_cny_per_year": there.total_cny,
                "component_cny_per_year": components,
                "full_cost_cny_per_year": full_cost(facts, there.total_cny).total_cny,
                "cny_per_mtok": _per(there.total_cny, there.mtok_per_year),
                "mean_rtt_ms": there.mean_rtt_ms,
                "region_share": _region_shares(problem, baseline.plan),
                **(against if baseline.is_feasible else dict.fromkeys(against)),
            }
        )
    return found


def _region_shares(problem: PlacementProblem, plan: Plan) -> dict[str, float]:
    region = problem.data_centers["region"].to_numpy(str)[problem.candidates["data_center_index"].to_numpy(int)]
    return amount_shares(region, problem.weight_h @ plan.flow_mtok_per_h)


def _per(amount: float, of: float) -> float:
    return amount / of if of else float("nan")


@dataclass(frozen=True)
class ResiliencePrice:
    """Cost with and without the reserve, CNY per year; infinite where a solve found no plan or no bound."""

    with_cny: float  # Of the plan that survives failures
    with_bound_cny: float  # Its proven lower bound
    without_cny: float  # The same for the problem without the reserve
    without_bound_cny: float

    @property
    def price_cny(self) -> float:
        """Difference of the costs; it may be negative where the gaps are wider than the price."""
        return self.with_cny - self.without_cny

    @property
    def least_cny(self) -> float:
        """Lowest possible price; a reserve never saves anything."""
        return max(0.0, self.with_bound_cny - self.without_cny)

    @property
    def most_cny(self) -> float:
        """Highest possible price."""
        return self.with_cny - self.without_bound_cny

    def as_dict(self) -> dict[str, Any]:
        """Part of `run.json`."""
        return {
            "cost_without_cny_per_year": self.without_cny,
            "bound_without_cny_per_year": self.without_bound_cny,
            "price_cny_per_year": self.price_cny,
            "least_price_cny_per_year": self.least_cny,
            "most_price_cny_per_year": self.most_cny,
        }

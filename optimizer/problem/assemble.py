"""
Assemble the placement problem: network tables and scenario into index tables and arrays, units converted once.

What contradicts the network is refused here: policies, RTT limits, workloads without a data center.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pandas as pd

from network_data.faults import FaultList, suggest
from network_data.load import Network
from optimizer.problem.demand import day_factors, demand_by_workload, representative_days, slice_demand, time_slices
from optimizer.problem.equivalence import PRICE_COLUMNS
from optimizer.problem.fleet import accelerator_table, fleet_pools, pool_table
from optimizer.problem.price_changes import ScenarioPrices, scenario_prices
from optimizer.problem.prices import PriceCalendar, energy_prices, price_calendar
from optimizer.problem.problem import (
    GB_PER_GBPS_H,
    FloatArray,
    PlacementProblem,
    PolicyLimits,
    no_routes_left_out,
    rtt_budgets_ms,
    rtt_limits_ms,
)
from optimizer.problem.routing import (
    add_second_routes,
    candidate_routes,
    explain_unprotected,
    fibre_graph,
    is_same,
    keep_protected,
    merge_links,
    protected_workloads,
    record_unknown_regions,
    residency_mask,
    what_admits,
)
from optimizer.problem.slicing import Slicing, choose_slicing, hourly_needs
from scenarios.days import RepresentativeDay
from scenarios.network_changes import change_network
from scenarios.schema import Scenario, WorkloadClass


def _policy_limits(scenario: Scenario, centers: pd.DataFrame, pools: pd.DataFrame, faults: FaultList) -> PolicyLimits:
    """Take over the scenario's policy."""
    policy = scenario.policy
    shares = {region: share for region, share in policy.min_region_share.items() if share > 0}
    equipped = np.isin(np.arange(len(centers)), pools["data_center_index"])
    regions = centers["region"].to_numpy(str)
    file = scenario.source_path.name
    for region, share in shares.items():
        column = f"policy.min_region_share.{region}"
        if region not in regions:
            remedy = f"Name a region of data_centers: {', '.join(sorted(set(regions)))}.{suggest(region, set(regions))}"
            faults.add(file, "no data center lies in this region", remedy, column=column, value=share)
        elif region not in regions[equipped]:
            remedy = "Add a pool there, or drop the share."
            faults.add(file, "no data center of this region has accelerators", remedy, column=column, value=share)
    of_new = {name: share for name, share in policy.min_new_compute_share.items() if share > 0}
    groups = sorted({*regions, *centers["category"].astype(str)})
    for name, share in of_new.items():
        if name not in groups:
            remedy = f"Name one of data_centers: {', '.join(groups)}.{suggest(name, groups)}"
            column = f"policy.min_new_compute_share.{name}"
            faults.add(file, "is neither a region nor a category of data centers", remedy, column=column, value=share)
    green = centers["green_power_share"].to_numpy(float)[equipped]
    if len(green) and policy.min_green_share > green.max():
        best = centers["id"].to_numpy(str)[equipped][green.argmax()]
        faults.add(
            file,
            f"is above what any data center has: the highest green_power_share is {green.max():g}, of {best}",
            f"Demand at most {green.max():g}, or raise green_power_share of data centers.",
            column="policy.min_green_share",
            value=policy.min_green_share,
        )
    if policy.min_utilization_share > scenario.fleet.utilization_limit:
        faults.add(
            file,
            f"is above fleet.utilization_limit = {scenario.fleet.utilization_limit:g}, the most that may be busy",
            "Lower it, or raise fleet.utilization_limit.",
            column="policy.min_utilization_share",
            value=policy.min_utilization_share,
        )
    limits = {limit.name: getattr(policy, limit.name) for limit in fields(PolicyLimits)}
    return PolicyLimits(**{**limits, "min_region_share": shares, "min_new_compute_share": of_new})


def _record_without_refuge(
    workloads: pd.DataFrame, candidates: pd.DataFrame, centers: pd.DataFrame, scenario: Scenario, faults: FaultList
) -> None:
    """Record every workload that must not wait and reaches a single data center, where its loss is to be survived."""
    if scenario.resilience.survive == "none":
        return
    in_reach = candidates.groupby("workload_index")["data_center_index"].agg(["nunique", "first"])
    hubs, class_ids = (workloads[name].to_numpy(object) for name in ("demand_hub", "workload_class"))
    alone = in_reach[in_reach["nunique"] == 1]
    for number, first in zip(alone.index.to_numpy(int), alone["first"].to_numpy(int), strict=True):
        hub, class_id = hubs[number], class_ids[number]
        item = scenario.workload_classes[class_id]
        if _waits_out(item.deferrable_h, scenario):
            continue
        only = centers["id"].iloc[first]
        faults.add(
            scenario.source_path.name,
            f"reaches {only} alone within its limits, so that the loss of {only} cannot be survived",
            f"Loosen rtt_limit_ms or residency ({item.residency}) of the class, let it wait for "
            f"{scenario.resilience.outage_h} h, add a data center, or set resilience.survive to none.",
            column="workload",
            value=f"{class_id} of {hub}",
        )


def _waits_out(deferrable_h: int, scenario: Scenario) -> bool:
    """Say whether a class waits an outage out."""
    return deferrable_h >= scenario.resilience.outage_h


def _outage_demand(demand_mtok_per_h: FloatArray, workloads: pd.DataFrame, scenario: Scenario) -> FloatArray:
    """(T, W) what must be served at once in an outage: arrivals of what does not wait; (0, 0) if nothing must."""
    if scenario.resilience.survive == "none":
        return np.zeros((0, 0))
    waits = [_waits_out(scenario.workload_classes[k].deferrable_h, scenario) for k in workloads["workload_class"]]
    return np.where(waits, 0.0, demand_mtok_per_h)


MS_PER_S = 1e3


def _first_token_ms(scenario: Scenario, class_ids: list[str], accelerators: pd.DataFrame) -> FloatArray:
    """(K, A) time to compute the input of a request, at full load whatever a fleet attains on average."""
    classes = [scenario.workload_classes[name] for name in class_ids]
    tokens = np.array([item.input_tokens * (1 - item.cache_hit_share) for item in classes])
    rate = accelerators["prefill_tok_per_s"].to_numpy(float) * accelerators["prefill_accelerators"].to_numpy(float)
    return np.asarray(np.outer(tokens, MS_PER_S / rate), dtype=float)


def _record_used_up(
    scenario: Scenario,
    classes: pd.DataFrame,
    compute_ms: FloatArray,
    budget_ms: FloatArray,
    accelerators: pd.DataFrame,
    faults: FaultList,
) -> None:
    """Record each class whose time to the first token is used up before any network time."""
    share, ttft_ms = scenario.latency.queue_margin_share, classes["ttft_limit_ms"].to_numpy(float)
    for k in np.flatnonzero((budget_ms <= 0).all(axis=1)):
        best = int(compute_ms[k].argmin())
        margin_ms, left_ms = ttft_ms[k] * share, ttft_ms[k] * (1 - share) - compute_ms[k, best]
        faults.add(
            scenario.source_path.name,
            f"{ttft_ms[k]:g} ms to the first token, less {margin_ms:g} ms of queueing "
            f"(latency.queue_margin_share = {share:g}) and {compute_ms[k, best]:.1f} ms of computing on the fastest "
            f"accelerator, {accelerators['id'].iloc[best]}, leave {left_ms:.1f} ms for the way",
            "Raise ttft_limit_ms or cache_hit_share, lower input_tokens or latency.queue_margin_share, or use faster "
            "accelerators.",
            column="ttft_limit_ms",
            value=str(classes["id"].iloc[k]),
        )


SECONDS_PER_HOUR = 3600.0
CENTER_COLUMNS = [
    "id", "name", "name_local", "node", "category", "region", "it_capacity_mw", "pue",
    *PRICE_COLUMNS["data_centers"], "demand_charge_basis", "carbon_kg_per_kwh", "green_power_share", "latitude_deg",
    "longitude_deg", "confidence", "price_confidence", "demand_charge_confidence",
]  # fmt: skip
ACCELERATOR_COLUMNS = [
    "id",
    "name",
    "accelerators_per_pod",
    "pflops_per_pod",
    "idle_mw_per_pod",
    "dynamic_mw_per_accelerator",
]


def assemble_problem(network: Network, scenario: Scenario, *, allow_stranded: bool = False) -> PlacementProblem:
    """
    Assemble one problem from a network and a scenario.

    Parameters
    ----------
    allow_stranded
        Accept a workload without candidates; the problem has no plan then, unless work may be left unserved.

    Raises
    ------
    InputError
        With every fault that only shows when the two meet: a workload that reaches no data center within its
        limits (and by how many ms), a demand hub that the network does not have, an accelerator without rates.
    """
    faults = FaultList(f"scenario {scenario.name} on network {network.name}")
    network = change_network(network, scenario.network_changes, scenario.source_path.name, faults)
    calendar = price_calendar(network, scenario.price_series, faults)
    # Before any change of prices: all price cases of a scenario share their days and slices.
    days = representative_days(scenario.time, calendar)
    prices = scenario_prices(network, scenario, calendar, faults)
    offered = fleet_pools(network, scenario, faults)
    accelerators = accelerator_table(network, scenario, offered, faults)
    centers = _center_table(network, prices)
    pools = _with_surcharge(pool_table(network, scenario, offered, accelerators, faults), network, prices, accelerators)
    workloads = demand_by_workload(network, scenario, faults)
    record_unknown_regions(scenario, centers, faults)
    policy = _policy_limits(scenario, centers, pools, faults)
    faults.raise_if_any()
    classes = _class_table(scenario, prices, workloads, len(centers))
    compute_ms = _first_token_ms(scenario, classes["id"].tolist(), accelerators)
    ttft_ms, latency = classes["ttft_limit_ms"].to_numpy(float), scenario.latency
    budget_ms = rtt_budgets_ms(ttft_ms, compute_ms, latency.queue_margin_share, latency.connection_rtts)
    _record_used_up(scenario, classes, compute_ms, budget_ms, accelerators, faults)
    faults.raise_if_any()
    limit_ms = rtt_limits_ms(classes["rtt_limit_ms"].to_numpy(float), budget_ms, pools, len(centers))
    workloads["class_index"] = workloads["workload_class"].map({k: i for i, k in enumerate(classes["id"])})
    workloads["is_indivisible"] = classes["is_indivisible"].to_numpy(bool)[workloads["class_index"]]
    # The slices do not depend on changes of prices either.
    slicing = _slicing(scenario, days, classes, workloads, accelerators, calendar)
    demand = slice_demand(workloads, classes, scenario, days, slicing)
    workloads["is_deferrable"] = demand.is_deferrable
    links = merge_links(network, scenario.routing, link_share=scenario.network_use.link_share)
    graph = fibre_graph(network, links)
    routes, route_links = candidate_routes(
        graph, links, list(dict.fromkeys(workloads["demand_hub"])), centers, scenario.routing
    )
    routes["is_transfer"] = ~is_same(
        scenario.costs.data_transfer_scope, network.nodes, centers, routes["demand_hub"], routes["data_center_index"]
    )
    reachable = _reachable(workloads, classes, routes, pools, limit_ms)
    reachable = _mark_allowed(add_second_routes(reachable, graph, links, routes, scenario), network, centers, scenario)
    of_reach = FaultList(scenario.name) if allow_stranded else faults
    _record_stranded(workloads, reachable, scenario, of_reach)
    candidates, left_out = _candidates(reachable, scenario.costs.data_transfer_cny_per_gb)
    _record_without_refuge(workloads, candidates, centers, scenario, of_reach)
    faults.raise_if_any()
    shed_penalty = scenario.costs.shed_penalty_cny_per_mtok
    links["is_limiting"] = limiting_links(
        links, route_links, candidates, workloads, classes, demand.servable_mtok_per_h
    )
    slices, billing = time_slices(days, slicing)
    return PlacementProblem(
        name=scenario.name,
        slices=slices,
        billing=billing,
        classes=classes,
        workloads=workloads[
            ["demand_hub", "workload_class", "class_index", "is_deferrable", "is_indivisible", "hub_ahead_h"]
        ],
        data_centers=centers[CENTER_COLUMNS],
        accelerators=accelerators[ACCELERATOR_COLUMNS],
        pools=pools,
        links=links,
        routes=routes,
        route_links=route_links,
        candidates=candidates,
        demand_mtok_per_h=demand.demand_mtok_per_h,
        backlog_limit_mtok=demand.backlog_limit_mtok,
        servable_mtok_per_h=demand.servable_mtok_per_h,
        shed_limit_mtok_per_h=demand.demand_mtok_per_h * (shed_penalty is not None),
        energy_price_cny_per_mwh=energy_prices(prices.calendar, days, slicing),
        accel_h_per_mtok=_accelerator_hours(classes, accelerators),
        utilization_limit_share=scenario.fleet.utilization_limit,
        carbon_price_cny_per_t=prices.carbon_price_cny_per_t,
        shed_penalty_cny_per_mtok=shed_penalty or 0.0,
        left_out=left_out,
        compute_ms=compute_ms,
        queue_margin_share=latency.queue_margin_share,
        connection_rtts=latency.connection_rtts,
        data_transfer_cny_per_gb=scenario.costs.data_transfer_cny_per_gb,
        policy=policy,
        outage_demand_mtok_per_h=_outage_demand(demand.demand_mtok_per_h, workloads, scenario),
        is_protected=protected_workloads(reachable, scenario, len(workloads)),
        spare_power_share=scenario.fleet.spare_power_share,
        unprotected_candidates=int((_is_allowed_in_time(reachable) & ~reachable["is_protected"]).sum()),
    )


def _slicing(
    scenario: Scenario,
    days: Sequence[RepresentativeDay],
    classes: pd.DataFrame,
    workloads: pd.DataFrame,
    accelerators: pd.DataFrame,
    calendar: PriceCalendar,
) -> Slicing:
    """Cut the days, by the needs and the prices of their hours."""
    ids, class_index = classes["id"].tolist(), workloads["class_index"].to_numpy(int)
    of_day = day_factors(days, np.array([scenario.workload_classes[k].weekend_share for k in ids]))[:, class_index]
    mtok_per_day = of_day * workloads["mtok_per_day"].to_numpy(float)
    needs = hourly_needs(scenario, ids, workloads, mtok_per_day, _accelerator_hours(classes, accelerators).min(axis=1))
    return choose_slicing(scenario, days, needs, [calendar.price_of_day(day) for day in days])


def _with_surcharge(
    pools: pd.DataFrame, network: Network, prices: ScenarioPrices, accelerators: pd.DataFrame
) -> pd.DataFrame:
    """Add to the pools what each pays on top of the energy price of its data center."""
    position = network.accelerators.index.get_indexer(pd.Index(accelerators["id"]))[pools["accelerator_index"]]
    surcharge = prices.energy_surcharge_cny_per_mwh[pools["data_center_index"], position]
    return pools.assign(energy_surcharge_cny_per_mwh=surcharge)


def _center_table(network: Network, prices: ScenarioPrices) -> pd.DataFrame:
    centers = network.data_centers.reset_index()
    carbon = network.grids["carbon_kg_per_kwh"].reindex(centers["grid"]).to_numpy()
    return centers.assign(
        carbon_kg_per_kwh=carbon,
        price_confidence=prices.price_confidence,
        demand_charge_cny_per_kw_month=prices.demand_charge_cny_per_kw_month,
        demand_charge_confidence=prices.demand_charge_confidence,
    )


def _class_table(
    scenario: Scenario, prices: ScenarioPrices, workloads: pd.DataFrame, center_count: int
) -> pd.DataFrame:
    used = [k for k in scenario.workload_classes if k in set(workloads["workload_class"])]
    rows = []
    for class_id in used:
        item = scenario.workload_classes[class_id]
        input_share = item.input_tokens / (item.input_tokens + item.output_tokens)
        bytes_per_token = input_share * item.bytes_per_input_token + (1 - input_share) * item.bytes_per_output_token
        rows.append(
            {
                "id": class_id,
                "name": item.name,
                "latency_cny_per_ms_per_mtok": _latency_value(item, prices.token_price_cny_per_mtok[class_id]),
                "gbps_per_mtok_per_h": bytes_per_token * 1e6 * 8 / 1e9 / SECONDS_PER_HOUR,
                "rtt_limit_ms": np.inf if item.rtt_limit_ms is None else item.rtt_limit_ms,
                "ttft_limit_ms": np.inf if item.ttft_limit_ms is None else item.ttft_limit_ms,
                "max_sites": center_count if item.max_sites is None else min(item.max_sites, center_count),
                "min_share": item.min_share,
                "min_accelerators": item.min_accelerators,
                "deploy_cny_per_year": item.deploy_cny_per_year,
                "is_indivisible": item.indivisible,
                "prefill_share": input_share * (1 - item.cache_hit_share),
                "decode_share": 1 - input_share,
                "confidence": item.confidence or "estimate",
                "token_price_confidence": prices.token_price_confidence[class_id],
            }
        )
    return pd.DataFrame(rows)


def _latency_value(item: WorkloadClass, token_price_cny_per_mtok: float) -> float:
    """CNY per ms of round trip per million tokens: revenue lost per 100 ms, times the calls a user waits for."""
    return item.revenue_loss_share_per_100ms / 100 * token_price_cny_per_mtok * item.sequential_calls


def _accelerator_hours(classes: pd.DataFrame, accelerators: pd.DataFrame) -> FloatArray:
    """
    Busy accelerator-hours per million tokens, (K, A).

    Prefill and decode both count: 1e6 (input share (1 - cache hit) / prefill rate + output share / decode rate).
    """
    prefill = np.outer(classes["prefill_share"], 1 / accelerators["counted_prefill_tok_per_s"])
    decode = np.outer(classes["decode_share"], 1 / accelerators["counted_decode_tok_per_s"])
    return np.asarray((prefill + decode) * 1e6 / SECONDS_PER_HOUR, dtype=float)


def _reachable(
    workloads: pd.DataFrame,
    classes: pd.DataFrame,
    routes: pd.DataFrame,
    pools: pd.DataFrame,
    limit_ms: FloatArray,
) -> pd.DataFrame:
    """Join workloads with the routes to data centers with accelerators fast enough; mark those within the limit."""
    powered = routes[routes["data_center_index"].isin(pools["data_center_index"])].reset_index(names="route_index")
    table = workloads.reset_index(names="workload_index").merge(powered, on="demand_hub", validate="many_to_many")
    table["gbps_per_mtok_per_h"] = classes["gbps_per_mtok_per_h"].to_numpy()[table["class_index"]]
    table["rtt_limit_ms"] = limit_ms[table["class_index"], table["data_center_index"]]
    table = table[table["rtt_limit_ms"] > -np.inf].reset_index(drop=True)
    table["is_in_time"] = table["rtt_ms"] <= table["rtt_limit_ms"]
    return table


def _mark_allowed(reachable: pd.DataFrame, network: Network, centers: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """Mark what the residency rules allow, and then what the wish for second routes leaves of it."""
    in_time = (reachable["is_in_time"] & reachable["is_protected"]).to_numpy(bool)
    allowed = residency_mask(network.nodes, centers, scenario.workload_classes, reachable, in_time)
    reachable = reachable.assign(is_allowed=allowed)
    return reachable.assign(is_protected=keep_protected(reachable, scenario))


def _candidates(reachable: pd.DataFrame, data_transfer_cny_per_gb: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split what is reachable into candidates and what is left out, with the reasons."""
    columns = ["workload_index", "data_center_index", "route_index", "rtt_ms"]
    costs = ["network_cny_per_mtok", "data_transfer_cny_per_mtok"]
    gbps, transfer_cny_per_gbps_h = reachable["gbps_per_mtok_per_h"], data_transfer_cny_per_gb * GB_PER_GBPS_H
    every = reachable[columns].assign(
        network_cny_per_mtok=reachable["network_cny_per_gbps_h"] * gbps,
        data_transfer_cny_per_mtok=transfer_cny_per_gbps_h * gbps * reachable["is_transfer"],
        late_ms=np.maximum(reachable["rtt_ms"] - reachable["rtt_limit_ms"], 0.0),
        is_barred=~reachable["is_allowed"],
    )
    every = every.sort_values(columns[:3])
    fits, protected = _is_allowed_in_time(reachable), reachable["is_protected"]  # aligned by row
    every["is_unprotected"] = fits & ~protected
    is_candidate = (fits & protected).reindex(every.index)
    candidates = every.loc[is_candidate, [*columns, *costs]]
    return candidates.reset_index(drop=True), every[~is_candidate].reset_index(drop=True)


def _is_allowed_in_time(reachable: pd.DataFrame) -> pd.Series:
    return reachable["is_in_time"] & reachable["is_allowed"]


def _record_stranded(workloads: pd.DataFrame, reachable: pd.DataFrame, scenario: Scenario, faults: FaultList) -> None:
    """Record every workload that has no candidate, and by how many ms it misses its nearest data center."""
    chosen = reachable.loc[_is_allowed_in_time(reachable) & reachable["is_protected"], "workload_index"]
    for number in sorted(set(workloads.index) - set(chosen)):
        row = workloads.loc[number]
        item = scenario.workload_classes[row["workload_class"]]
        admits = what_admits(item)
        reached = reachable[reachable["workload_index"] == number]
        allowed = reached[reached["is_allowed"]]
        if reached.empty:
            problem = "reaches no data center with accelerators fast enough for it over any chain of links"
            remedy = "Add a link or a pool, or raise routing.max_links."
        elif allowed.empty:
            keys = "residency" if item.allowed_regions is None else "residency or allowed_regions"
            problem = f"reaches no data center that its {admits}"
            remedy = f"Loosen {keys} of the class, or add a data center."
        elif allowed["is_in_time"].any():
            problem, remedy = explain_unprotected(allowed[allowed["is_in_time"]])
        else:
            beyond_ms = (allowed["rtt_ms"] - allowed["rtt_limit_ms"]).to_numpy(float)
            nearest = allowed.iloc[int(beyond_ms.argmin())]
            limit_ms, nearest_ms = float(nearest["rtt_limit_ms"]), float(nearest["rtt_ms"])
            which = f"the nearest that its {admits}" if admits else "the nearest"
            problem = (
                f"reaches no data center within its limit of {limit_ms:g} ms: {which} is {nearest_ms:.2f} ms away, "
                f"{nearest_ms - limit_ms:.2f} ms too far"
            )
            remedy = "Raise rtt_limit_ms of the class, or add a link or a data center."
            if item.rtt_limit_ms is None or limit_ms < item.rtt_limit_ms:
                problem += "; the limit is what ttft_limit_ms leaves after queueing and computing there"
                remedy = "Raise ttft_limit_ms of the class, use faster accelerators, or add a link or a data center."
        faults.add(
            scenario.source_path.name,
            problem,
            remedy,
            column="workload",
            value=f"{row['workload_class']} of {row['demand_hub']}",
        )


def with_candidates(problem: PlacementProblem, candidates: pd.DataFrame) -> PlacementProblem:
    """
    Replace the candidates of a problem; links that can bind are found again, and nothing counts as left out.

    Parameters
    ----------
    candidates
        Columns of the problem's candidates, and any others; sorted by workload, data center and route.
    """
    table = candidates[list(problem.candidates.columns)].reset_index(drop=True)
    is_limiting = limiting_links(
        problem.links, problem.route_links, table, problem.workloads, problem.classes, problem.servable_mtok_per_h
    )
    links = problem.links.assign(is_limiting=is_limiting)
    return replace(problem, candidates=table, links=links, left_out=no_routes_left_out())


def limiting_links(
    links: pd.DataFrame,
    route_links: pd.DataFrame,
    candidates: pd.DataFrame,
    workloads: pd.DataFrame,
    classes: pd.DataFrame,
    servable_mtok_per_h: FloatArray,
) -> np.ndarray:
    """Say which links some plan could overload: all that could cross a link, at once, exceeds its capacity."""
    crossing = route_links.merge(candidates[["route_index", "workload_index"]], on="route_index")
    crossing = crossing[["link_index", "workload_index"]].drop_duplicates()
    gbps = servable_mtok_per_h * classes["gbps_per_mtok_per_h"].to_numpy()[workloads["class_index"]]
    most = np.zeros((len(links), len(servable_mtok_per_h)))
    np.add.at(most, crossing["link_index"].to_numpy(int), gbps[:, crossing["workload_index"].to_numpy(int)].T)
    return np.asarray(most.max(axis=1) > links["capacity_gbps"].to_numpy())

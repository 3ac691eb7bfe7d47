"""Tables of what a plan does: places, links, routes, costs, and the time to the first token by class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from network_data.load import Network
from optimizer.checker.check import CheckReport
from optimizer.checker.facts import PlanFacts, sum_once
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem


def latency_table(problem: PlacementProblem, facts: PlanFacts) -> pd.DataFrame:
    """
    Break down the time to the first token of each class, for the route with the least slack.

    Returns
    -------
    DataFrame
        One row per class. workload_class; ttft_limit_ms = queue_margin_ms + compute_ms + way_ms + ttft_left_ms, where
        way_ms are the round trips of the connection over worst_rtt_ms; rtt_budget_ms (left by queue and computing for
        one round trip), stated_rtt_limit_ms, rtt_limit_ms (the smaller of the two), worst_rtt_ms, slack_ms (their
        difference), mean_rtt_ms (by tokens), data_center (of the worst one). The worst round trip is the one
        with the least slack, or the longest where there is no limit. compute_ms is that of the slowest accelerator that
        may process the class there. NaN where there is no limit, or nothing is served.
    """
    used = np.flatnonzero(facts.candidate_mtok_per_year > 0)
    k, d = facts.candidate_class[used], facts.candidate_data_center[used]
    rtt_ms = facts.candidate_column("rtt_ms")[used]
    limit_ms = problem.rtt_limit_ms[k, d]
    slack_ms = np.where(np.isfinite(limit_ms), limit_ms - rtt_ms, np.inf)
    order = np.lexsort((-rtt_ms, slack_ms))
    classes, first = np.unique(k[order], return_index=True)
    worst = order[first]
    count = len(problem.classes)

    def by_class(values: FloatArray) -> FloatArray:
        out = np.full(count, np.nan)
        out[classes] = np.where(np.isfinite(values), values, np.nan)
        return out

    stated_ms = problem.classes["rtt_limit_ms"].to_numpy(float)
    ttft_ms = np.full(count, np.inf)
    compute_ms = np.zeros(len(worst))
    if problem.compute_ms is not None:
        ttft_ms = problem.classes["ttft_limit_ms"].to_numpy(float)
        compute_ms = _slowest_ms(problem)[k[worst], d[worst]]
    limited_ms = np.where(np.isfinite(ttft_ms), ttft_ms, np.nan)
    margin_ms = limited_ms * problem.queue_margin_share
    way_ms = by_class(problem.connection_rtts * rtt_ms[worst])
    spent_ms = by_class(compute_ms)
    center = np.full(count, "", dtype=object)
    center[classes] = facts.data_center_labels[d[worst]]
    return pd.DataFrame(
        {
            "workload_class": problem.classes["id"].to_numpy(),
            "ttft_limit_ms": limited_ms,
            "queue_margin_ms": margin_ms,
            "compute_ms": spent_ms,
            "way_ms": way_ms,
            "ttft_left_ms": limited_ms - margin_ms - spent_ms - way_ms,
            "rtt_budget_ms": (limited_ms - margin_ms - spent_ms) / problem.connection_rtts,
            "stated_rtt_limit_ms": np.where(np.isfinite(stated_ms), stated_ms, np.nan),
            "rtt_limit_ms": by_class(limit_ms[worst]),
            "worst_rtt_ms": by_class(rtt_ms[worst]),
            "slack_ms": by_class(slack_ms[worst]),
            "mean_rtt_ms": facts.classes["mean_rtt_ms"].to_numpy(float),
            "data_center": center,
        }
    )


def _slowest_ms(problem: PlacementProblem) -> FloatArray:
    """(K, D) computing time on the slowest accelerator of each data center that may process the class."""
    pools, out = problem.pools, np.zeros((len(problem.classes), len(problem.data_centers)))
    if problem.compute_ms is None:
        return out
    held = (pools["existing_pods"] + pools["max_new_pods"]).to_numpy(float) > 0
    place, kind = (pools[f"{name}_index"].to_numpy(np.int64)[held] for name in ("data_center", "accelerator"))
    compute_ms = np.where(problem.can_process, problem.compute_ms, 0.0)[:, kind]
    np.maximum.at(out.T, place, compute_ms.T)
    return out


_PLACE_COLUMNS = ["name", "name_local", "country", "province", "region", "latitude_deg", "longitude_deg"]


def result_tables(
    problem: PlacementProblem, network: Network, plan: Plan, report: CheckReport
) -> dict[str, pd.DataFrame]:
    """Build the tables of what a plan does, in sum and by time slice; the decisions are in `plan_tables`."""
    facts = PlanFacts(problem, plan)
    return {
        "data_centers": _data_centers(problem, network, facts, report),
        "demand_hubs": _demand_hubs(problem, network, facts),
        "links": _links(problem, network, report),
        "routes": _routes(problem, network, facts),
        "costs": report.costs_cny,
        "classes": report.classes.merge(
            problem.classes[["id", "name"]].rename(columns={"id": "workload_class"}), on="workload_class"
        ),
        "latency": latency_table(problem, facts),
        "links_by_slice": _links_by_slice(problem, report),
        "data_centers_by_slice": _data_centers_by_slice(problem, facts, report),
    }


def _data_centers(problem: PlacementProblem, network: Network, facts: PlanFacts, report: CheckReport) -> pd.DataFrame:
    """One row per data center: where it is, what it does, what it takes and what it costs."""
    centers, plan = problem.data_centers, facts.plan
    count = len(centers)
    mtok = sum_once(facts.candidate_mtok_per_year, facts.candidate_data_center, count)
    mtok_ms = facts.candidate_mtok_per_year * facts.candidate_column("rtt_ms")
    accelerators = facts.accelerators_per_pod

    def by_center(of_pools: FloatArray) -> FloatArray:
        return sum_once(of_pools, facts.pool_data_center, count)

    installed = facts.kept_pods + plan.new_pods
    busy_h = by_center(problem.weight_h @ facts.busy_accelerators)
    installed_h = by_center(installed * accelerators) * problem.weight_h.sum()
    costs = report.costs_cny.pivot_table(
        index="data_center", columns="component", values="cny_per_year", aggfunc="sum", sort=False
    ).reindex(centers["id"])
    costs = costs.drop(columns="shedding", errors="ignore").add_suffix("_cny_per_year").reset_index(drop=True)
    energy = report.energy_mwh_per_year
    out = pd.DataFrame(
        {
            "id": centers["id"],
            **{name: network.data_centers[name].reindex(centers["id"]).to_numpy() for name in _PLACE_COLUMNS},
            "category": centers["category"],
            "is_open": np.asarray(plan.is_open) > 0,
            "mtok_per_year": mtok,
            "token_share": _ratio(mtok, np.full(count, mtok.sum()), 0.0),
            "mean_rtt_ms": _ratio(sum_once(mtok_ms, facts.candidate_data_center, count), mtok, np.nan),
            "existing_pods": by_center(facts.pool_column("existing_pods")).astype(np.int64),
            "new_pods": by_center(np.asarray(plan.new_pods, dtype=float)).astype(np.int64),
            "busy_share": _ratio(busy_h, installed_h, 0.0),
            "it_capacity_mw": centers["it_capacity_mw"],
            "peak_it_power_mw": report.it_power_mw.max(axis=0),
            "demand_charge_basis": np.where(problem.is_contracted, "contracted", "monthly_peak"),
            "contract_mw": plan.contract_mw,
            "pue": centers["pue"],
            "energy_mwh_per_year": energy,
            "mean_price_cny_per_mwh": _ratio(costs["energy_cny_per_year"].to_numpy(float), energy, np.nan),
            "carbon_t_per_year": report.carbon_t_per_year,
            "green_power_share": centers["green_power_share"],
            "market_carbon_t_per_year": facts.market_carbon_t_per_year,
        }
    )
    return pd.concat([out, costs, centers[["confidence"]]], axis=1)


def _demand_hubs(problem: PlacementProblem, network: Network, facts: PlanFacts) -> pd.DataFrame:
    """One row per demand hub with demand: its demand, and how far its tokens travel."""
    ids = pd.Index(problem.workloads["demand_hub"].unique())
    hub_of_workload = ids.get_indexer(pd.Index(problem.workloads["demand_hub"]))
    hub = hub_of_workload[facts.candidate_workload]
    mtok = facts.candidate_mtok_per_year
    served = sum_once(mtok, hub, len(ids))
    region = problem.data_centers["region"].to_numpy(str)[facts.candidate_data_center]
    at_home = network.nodes["region"].reindex(ids).to_numpy(str)[hub] == region
    rtt_ms = problem.candidates["rtt_ms"].to_numpy(float)
    return pd.DataFrame(
        {
            "id": ids,
            **{name: network.nodes[name].reindex(ids).to_numpy() for name in _PLACE_COLUMNS},
            "mtok_per_year": served,
            "asked_mtok_per_year": sum_once(problem.weight_h @ problem.demand_mtok_per_h, hub_of_workload, len(ids)),
            "mean_rtt_ms": _ratio(sum_once(mtok * rtt_ms, hub, len(ids)), served, np.nan),
            "own_region_share": _ratio(sum_once(mtok * at_home, hub, len(ids)), served, np.nan),
        }
    )


def _links(problem: PlacementProblem, network: Network, report: CheckReport) -> pd.DataFrame:
    """One row per merged link: its ends, its traffic, and the largest share of its open capacity in use."""
    links, places = problem.links, network.nodes
    peak = report.link_gbps.max(axis=0)
    ends = {
        f"{end}_{name}": places[name].reindex(links[f"{end}_node"]).to_numpy()
        for end in ("from", "to")
        for name in ("latitude_deg", "longitude_deg")
    }
    return pd.DataFrame(
        {
            **{name: links[name] for name in ("id", "from_node", "to_node")},
            **{
                f"{end}_{name}": network.nodes[name].reindex(links[f"{end}_node"]).to_numpy()
                for end in ("from", "to")
                for name in ("name", "name_local")
            },
            **ends,
            **{name: links[name] for name in ("length_km", "one_way_ms", "capacity_gbps", "is_limiting")},
            "peak_gbps": peak,
            "mean_gbps": problem.weight_h @ report.link_gbps / problem.weight_h.sum(),
            "load_share": _ratio(peak, links["capacity_gbps"].to_numpy(float), 0.0),
        }
    )


def _links_by_slice(problem: PlacementProblem, report: CheckReport) -> pd.DataFrame:
    """One row per time slice and merged link: its traffic."""
    capacity = np.broadcast_to(problem.links["capacity_gbps"].to_numpy(float), report.link_gbps.shape).ravel()
    gbps = report.link_gbps.ravel()
    return pd.DataFrame(
        _slice_columns(problem, "link", problem.links["id"])
        | {"load_gbps": gbps, "load_share": _ratio(gbps, capacity, 0.0)}
    )


def _data_centers_by_slice(problem: PlacementProblem, facts: PlanFacts, report: CheckReport) -> pd.DataFrame:
    """One row per time slice and data center: its tokens, power before and after PUE, and the price of energy."""
    mtok_per_h = np.zeros(report.it_power_mw.shape)
    np.add.at(mtok_per_h.T, facts.candidate_data_center, facts.plan.flow_mtok_per_h.T)
    return pd.DataFrame(
        _slice_columns(problem, "data_center", problem.data_centers["id"])
        | {
            "mtok_per_h": mtok_per_h.ravel(),
            "it_power_mw": report.it_power_mw.ravel(),
            "facility_power_mw": report.facility_power_mw.ravel(),
            "price_cny_per_mwh": problem.energy_price_cny_per_mwh.ravel(),
        }
    )


def _slice_columns(problem: PlacementProblem, name: str, ids: pd.Series) -> dict[str, np.ndarray]:
    """Labels of a (T, ids) array, flattened row by row."""
    slices, slice_count = problem.slices, len(problem.slices)
    return {
        "day": np.repeat(slices["day"].to_numpy(), len(ids)),
        "hour": np.repeat(slices["hour"].to_numpy(float), len(ids)),
        "weight_h": np.repeat(problem.weight_h, len(ids)),
        name: np.tile(ids.to_numpy(), slice_count),
    }


def _routes(problem: PlacementProblem, network: Network, facts: PlanFacts) -> pd.DataFrame:
    """One row per route, used or not: its chain of nodes as ids and as WKT."""
    routes = problem.routes
    longitude, latitude = (network.nodes[name].to_dict() for name in ("longitude_deg", "latitude_deg"))
    texts = []
    for nodes in routes["nodes"]:
        points = [f"{longitude[node]!r} {latitude[node]!r}" for node in nodes.split(">")]
        texts.append(f"POINT ({points[0]})" if len(points) == 1 else f"LINESTRING ({', '.join(points)})")
    route = problem.candidates["route_index"].to_numpy(int)
    return pd.DataFrame(
        {
            "route": np.arange(len(routes)),
            "demand_hub": routes["demand_hub"],
            "data_center": problem.data_centers["id"].to_numpy()[routes["data_center_index"]],
            "rank": routes["rank"],
            "rtt_ms": routes["rtt_ms"],
            "mtok_per_year": sum_once(facts.candidate_mtok_per_year, route, len(routes)),
            "nodes": routes["nodes"],
            "coordinates": texts,
        }
    )


def _ratio(amount: FloatArray, of: FloatArray, otherwise: float) -> FloatArray:
    """Quotient; `otherwise` where the divisor is 0."""
    quotient: FloatArray = np.full(len(amount), otherwise)
    return np.divide(amount, of, out=quotient, where=of > 0)

"""Assembles a placement problem from its parts in the plainest way: the tests' own stand-in for assembly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from optimizer.problem.problem import GB_PER_GBPS_H, FloatArray, PlacementProblem, PolicyLimits

ACCESS_RTT_MS = 1.0


@dataclass
class Parts:
    """What a placement problem is assembled from; candidates, limits and indices are derived."""

    hubs: list[str]
    classes: pd.DataFrame
    data_centers: pd.DataFrame
    accelerators: pd.DataFrame
    pools: pd.DataFrame
    links: pd.DataFrame
    routes: list[tuple[int, int, tuple[int, ...]]]
    demand_mtok_per_h: FloatArray
    energy_price_cny_per_mwh: FloatArray
    accel_h_per_mtok: FloatArray
    deferrable_h: Sequence[int]
    slices_per_day: int
    day_months: Sequence[float] = (12.0,)
    utilization_limit_share: float = 0.5
    carbon_price_cny_per_t: float = 0.0
    shed_penalty_cny_per_mtok: float | None = None
    data_transfer_cny_per_gb: float = 0.0
    home_centers: Sequence[Sequence[int]] | None = None  # by hub, data centers that its data reaches without leaving
    policy: PolicyLimits = field(default_factory=PolicyLimits)
    name: str = "toy"
    # The classes that must be served at once while a data center is lost; none: no outage is to be survived.
    survives: Sequence[int] = ()
    needs_second_route: Sequence[int] = ()


def assemble_toy(parts: Parts) -> PlacementProblem:
    """Derive candidates, window limits and link limits from the parts and freeze them as a problem."""
    slices, billing = _time_tables(parts)
    workloads = _workloads(parts)
    links = parts.links.copy()
    routes, route_links = _routes(parts)
    candidates, left_out = _candidates(parts, workloads, routes)
    backlog_limit = _backlog_limit(parts, workloads, slices)
    previous = slices["previous_index"].to_numpy()
    hours = 24.0 / parts.slices_per_day
    servable = parts.demand_mtok_per_h + backlog_limit[previous] / hours
    links["is_limiting"] = most_traffic(parts, workloads, candidates, route_links, servable) > links["capacity_gbps"]
    sheds = parts.shed_penalty_cny_per_mtok is not None
    return PlacementProblem(
        name=parts.name,
        slices=slices,
        billing=billing,
        classes=parts.classes.assign(is_deferrable=[h > 0 for h in parts.deferrable_h]),
        workloads=workloads,
        data_centers=parts.data_centers,
        accelerators=parts.accelerators,
        pools=parts.pools,
        links=links.drop(columns="cny_per_gbps_h"),
        routes=routes,
        route_links=route_links,
        candidates=candidates,
        demand_mtok_per_h=parts.demand_mtok_per_h,
        backlog_limit_mtok=backlog_limit,
        servable_mtok_per_h=servable,
        shed_limit_mtok_per_h=parts.demand_mtok_per_h.copy() if sheds else np.zeros_like(parts.demand_mtok_per_h),
        energy_price_cny_per_mwh=parts.energy_price_cny_per_mwh,
        accel_h_per_mtok=parts.accel_h_per_mtok,
        utilization_limit_share=parts.utilization_limit_share,
        carbon_price_cny_per_t=parts.carbon_price_cny_per_t,
        shed_penalty_cny_per_mtok=parts.shed_penalty_cny_per_mtok or 0.0,
        outage_demand_mtok_per_h=(
            parts.demand_mtok_per_h * np.isin(workloads["class_index"], parts.survives)
            if len(parts.survives)
            else np.zeros((0, 0))
        ),
        left_out=left_out,
        data_transfer_cny_per_gb=parts.data_transfer_cny_per_gb,
        policy=parts.policy,
    )


def _time_tables(parts: Parts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Slices and billing periods: one billing period for each representative day."""
    per_day = parts.slices_per_day
    days = [f"day_{number}" for number in range(len(parts.day_months))]
    rows = [
        (
            days[day],
            24.0 / per_day * i,
            8760.0 * months / 12.0 / per_day,
            day,
            day * per_day + (i - 1) % per_day,
        )
        for day, months in enumerate(parts.day_months)
        for i in range(per_day)
    ]
    slices = pd.DataFrame(rows, columns=["day", "hour", "weight_h", "billing_index", "previous_index"])
    return slices, pd.DataFrame({"day": days, "months": np.array(parts.day_months, dtype=float)})


def _workloads(parts: Parts) -> pd.DataFrame:
    """Every hub with every class, hubs first."""
    rows = [
        (hub, name, k, parts.deferrable_h[k] > 0, bool(is_indivisible))
        for hub in parts.hubs
        for k, (name, is_indivisible) in enumerate(
            zip(parts.classes["id"], parts.classes["is_indivisible"], strict=True)
        )
    ]
    columns = ["demand_hub", "workload_class", "class_index", "is_deferrable", "is_indivisible"]
    return pd.DataFrame(rows, columns=columns)


def _routes(parts: Parts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Routes ranked by latency within each (hub, data center), and the links of each."""
    one_way = parts.links["one_way_ms"].to_numpy()
    price = parts.links["cny_per_gbps_h"].to_numpy()
    ends = parts.links[["from_node", "to_node"]].to_numpy()
    ordered = sorted(parts.routes, key=lambda route: (route[0], route[1], one_way[list(route[2])].sum()))
    rows, on_links = [], []
    rank: dict[tuple[int, int], int] = {}
    for index, (hub, d, chain) in enumerate(ordered):
        rank[hub, d] = rank.get((hub, d), 0) + 1
        nodes = [parts.hubs[hub]]
        for link in chain:
            nodes.append(ends[link, 1] if ends[link, 0] == nodes[-1] else ends[link, 0])
        assert nodes[-1] == parts.data_centers["node"][d]
        ms = float(one_way[list(chain)].sum())
        cny = float(price[list(chain)].sum())
        leaves = parts.home_centers is not None and d not in parts.home_centers[hub]
        rows.append((parts.hubs[hub], d, rank[hub, d], ms, 2 * ms + ACCESS_RTT_MS, cny, ">".join(nodes), leaves))
        on_links += [(index, link) for link in chain]
    names = [
        "demand_hub",
        "data_center_index",
        "rank",
        "one_way_ms",
        "rtt_ms",
        "network_cny_per_gbps_h",
        "nodes",
        "is_transfer",
    ]
    return pd.DataFrame(rows, columns=names), pd.DataFrame(on_links, columns=["route_index", "link_index"])


def _candidates(parts: Parts, workloads: pd.DataFrame, routes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Workload x route of its hub that keeps the RTT limit of its class; and those that do not."""
    limit_ms = parts.classes["rtt_limit_ms"].to_numpy()
    gbps = parts.classes["gbps_per_mtok_per_h"].to_numpy()
    columns = ["demand_hub", "data_center_index", "rtt_ms", "network_cny_per_gbps_h", "is_transfer"]
    transfer_cny_per_gbps_h = parts.data_transfer_cny_per_gb * GB_PER_GBPS_H
    lanes = list(enumerate(zip(*(routes[column] for column in columns), strict=True)))
    rows, late = [], []
    for w, (hub, k) in enumerate(zip(workloads["demand_hub"], workloads["class_index"], strict=True)):
        for index, (start, d, rtt_ms, cny, leaves) in lanes:
            if start == hub and rtt_ms <= limit_ms[k]:
                rows.append((w, d, index, rtt_ms, gbps[k] * cny, gbps[k] * leaves * transfer_cny_per_gbps_h))
            elif start == hub:
                way = (gbps[k] * cny, gbps[k] * leaves * transfer_cny_per_gbps_h)
                late.append((w, d, index, rtt_ms, *way, rtt_ms - limit_ms[k], False, False))
    names = ["workload_index", "data_center_index", "route_index", "rtt_ms", "network_cny_per_mtok"]
    names.append("data_transfer_cny_per_mtok")
    table = pd.DataFrame(rows, columns=names)
    kinds = dict.fromkeys(names[:3], np.int64) | dict.fromkeys(names[3:], float)
    left_out = pd.DataFrame(late, columns=[*names, "late_ms", "is_barred", "is_unprotected"])
    return table.astype(kinds), left_out.astype(kinds | {"late_ms": float, "is_barred": bool, "is_unprotected": bool})


def _backlog_limit(parts: Parts, workloads: pd.DataFrame, slices: pd.DataFrame) -> FloatArray:
    """(T, W) arrivals of the last deferrable_h hours, in whole slices and at most one day."""
    hours = 24.0 / parts.slices_per_day
    previous = slices["previous_index"].to_numpy()
    limit = np.zeros_like(parts.demand_mtok_per_h)
    for w, k in enumerate(workloads["class_index"]):
        at = np.arange(len(slices))
        for _ in range(min(int(parts.deferrable_h[k] // hours), parts.slices_per_day)):
            limit[:, w] += hours * parts.demand_mtok_per_h[at, w]
            at = previous[at]
    return limit


def most_traffic(
    parts: Parts,
    workloads: pd.DataFrame,
    candidates: pd.DataFrame,
    route_links: pd.DataFrame,
    servable: FloatArray,
) -> FloatArray:
    """(L,) most Gbps any plan can put on each link: each workload with a route over it sends all it can."""
    most = np.zeros(len(parts.links))
    gbps = parts.classes["gbps_per_mtok_per_h"].to_numpy()[workloads["class_index"]]
    routes_over, at_link = route_links["route_index"].to_numpy(), route_links["link_index"].to_numpy()
    workload, route = candidates["workload_index"].to_numpy(), candidates["route_index"].to_numpy()
    for link in range(len(parts.links)):
        users = np.unique(workload[np.isin(route, routes_over[at_link == link])])
        most[link] = (servable[:, users] @ gbps[users]).max()
    return most

"""
Links, routes and where they may lead.

Parallel fibre is merged, the k shortest loop-free routes join each demand hub to each data center; residency rules and
second routes that share no fibre (equation 12) are filters on them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import islice, pairwise

import networkx as nx
import numpy as np
import numpy.typing as npt
import pandas as pd

from network_data.faults import FaultList, suggest
from network_data.load import Network
from network_data.place_names import plain_name
from optimizer.problem.problem import BoolArray, FloatArray
from optimizer.units import HOURS_PER_YEAR
from scenarios.schema import Routing, Scenario, WorkloadClass

# Parallel fibres this much slower than the fastest still carry its traffic; slower ones are left out, so that
# merging never promises a latency that part of the merged capacity cannot keep.
PARALLEL_TOLERANCE_SHARE = 0.05


def merge_links(network: Network, routing: Routing, *, link_share: float) -> pd.DataFrame:
    """
    Merge parallel fibre into one link, with its latency and the capacity open to inference.

    Returns
    -------
    DataFrame
        One row per pair of joined nodes, sorted by them: id (of the fastest fibre), from_node, to_node, length_km
        (where the tables give a latency alone, the length of fibre that has it), one_way_ms (of the slowest fibre
        merged), capacity_gbps, price_cny_per_gbps_month (the highest), merged_links (number), left_out_links (ids of
        much slower parallel fibre, joined by ","), spare_one_way_ms (of the fastest fibre beside the one that a route
        uses; inf where there is none).
    """
    links = network.links.reset_index()
    computed_ms = links["length_km"] * routing.fibre_us_per_km / 1e3 + routing.link_overhead_ms
    links["one_way_ms"] = links["one_way_ms"].fillna(computed_ms)
    equivalent_km = (links["one_way_ms"] - routing.link_overhead_ms).clip(lower=0) * 1e3 / routing.fibre_us_per_km
    links["length_km"] = links["length_km"].fillna(equivalent_km)
    ends = np.sort(links[["from_node", "to_node"]].to_numpy(str), axis=1)
    links["from_node"], links["to_node"] = ends[:, 0], ends[:, 1]
    links = links.sort_values(["from_node", "to_node", "one_way_ms", "id"], ignore_index=True)
    fastest_ms = links.groupby(["from_node", "to_node"])["one_way_ms"].transform("min")
    kept = (links["one_way_ms"] <= fastest_ms * (1 + PARALLEL_TOLERANCE_SHARE) + 1e-9).to_numpy(bool)
    # Fibres between the same ends stand together, the fastest first.
    together = links[kept].reset_index(drop=True)
    first = np.flatnonzero(~together.duplicated(["from_node", "to_node"]))
    merged = together.iloc[first][["from_node", "to_node", "id", "length_km"]].reset_index(drop=True)
    combined = {"one_way_ms": np.maximum, "capacity_gbps": np.add, "price_cny_per_gbps_month": np.maximum}
    for name, combine in combined.items():
        merged[name] = combine.reduceat(together[name].to_numpy(float), first)
    merged["merged_links"] = np.diff([*first, len(together)])
    spare_ms: dict[tuple[str, str], float] = {}
    left_out: dict[tuple[str, str], list[str]] = {}
    aside = links[~kept]
    columns = (aside[name].tolist() for name in ("from_node", "to_node", "one_way_ms", "id"))
    for start, end, way_ms, name in zip(*columns, strict=True):
        spare_ms.setdefault((start, end), way_ms)
        left_out.setdefault((start, end), []).append(name)
    pairs = list(zip(merged["from_node"], merged["to_node"], strict=True))
    beside = np.array([spare_ms.get(pair, np.inf) for pair in pairs])
    merged["spare_one_way_ms"] = np.where(merged["merged_links"] == 1, beside, merged["one_way_ms"])
    merged["left_out_links"] = [",".join(left_out.get(pair, ())) for pair in pairs]
    merged["capacity_gbps"] *= link_share
    return merged


def fibre_graph(network: Network, links: pd.DataFrame) -> nx.Graph:
    """
    Build the graph that routes are searched in.

    Returns
    -------
    networkx.Graph
        Nodes are node ids; edges carry `link` (row of `links`) and `one_way_ms`. Built in sorted order, so the
        order of rows in the input files decides nothing.
    """
    graph = nx.Graph()
    graph.add_nodes_from(sorted(network.nodes.index))
    for row in links.itertuples():
        graph.add_edge(row.from_node, row.to_node, link=row.Index, one_way_ms=row.one_way_ms)
    return graph


HOURS_PER_MONTH = HOURS_PER_YEAR / 12


def candidate_routes(
    graph: nx.Graph, links: pd.DataFrame, hubs: list[str], data_centers: pd.DataFrame, routing: Routing
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """
    Find the shortest routes by latency from every demand hub to every data center.

    Returns
    -------
    routes, route_links
        As described at `PlacementProblem`. A pair that no chain of links joins has no row.
    """
    rows: list[tuple[str, int, int, float, float, float, str]] = []
    used: list[tuple[int, int]] = []
    one_way_ms = links["one_way_ms"].to_numpy(float)
    price = links["price_cny_per_gbps_month"].to_numpy(float) / HOURS_PER_MONTH
    places = list(zip(data_centers["node"], data_centers["access_rtt_ms"].to_numpy(float), strict=True))
    for hub in hubs:
        chains = _chains(graph, hub, {node for node, _ in places}, routing)
        for place, (node, access_rtt_ms) in enumerate(places):
            for rank, nodes in enumerate(chains[node]):
                chain = [graph.edges[pair]["link"] for pair in pairwise(nodes)]
                way_ms = float(one_way_ms[chain].sum())
                used += [(len(rows), link) for link in chain]
                rows.append(
                    (hub, place, rank, way_ms, 2 * way_ms + access_rtt_ms, float(price[chain].sum()), ">".join(nodes))
                )
    columns = ["demand_hub", "data_center_index", "rank", "one_way_ms", "rtt_ms", "network_cny_per_gbps_h", "nodes"]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(used, columns=["route_index", "link_index"], dtype=int)


def _chains(graph: nx.Graph, hub: str, ends: set[str], routing: Routing) -> dict[str, list[list[str]]]:
    """Find up to k loop-free node chains to each end, shortest first; none where no chain leads."""
    if routing.routes_per_pair > 1:
        return {end: list(_several_chains(graph, hub, end, routing)) for end in ends}
    found = _shortest_chains(graph, hub, routing.max_links)
    return {end: [found[end]] if end in found else [] for end in ends}


def _shortest_chains(graph: nx.Graph, hub: str, max_links: int | None) -> dict[str, list[str]]:
    """Find the shortest chain of nodes from a demand hub to every node it reaches."""
    if max_links is None:
        found: dict[str, list[str]] = nx.single_source_dijkstra_path(graph, hub, weight="one_way_ms")
        return found
    return _shortest_with_few_links(graph, hub, max_links)


def _several_chains(graph: nx.Graph, hub: str, end: str, routing: Routing) -> Iterator[list[str]]:
    if hub == end:
        yield [hub]
    elif routing.max_links is None:
        if nx.has_path(graph, hub, end):
            found = nx.shortest_simple_paths(graph, hub, end, weight="one_way_ms")
            yield from islice(found, routing.routes_per_pair)
    else:
        every = nx.all_simple_paths(graph, hub, end, cutoff=routing.max_links)
        yield from heapq.nsmallest(
            routing.routes_per_pair, every, key=lambda nodes: (nx.path_weight(graph, nodes, "one_way_ms"), nodes)
        )


def _shortest_with_few_links(graph: nx.Graph, hub: str, max_links: int) -> dict[str, list[str]]:
    """Bellman-Ford, one round per link. Of equal chains the one with fewer links is kept, so none has a loop."""
    best: dict[str, tuple[float, list[str]]] = {hub: (0.0, [hub])}
    for _ in range(min(max_links, len(graph) - 1)):
        reached = dict(best)
        for start, (one_way_ms, chain) in best.items():
            for end, edge in graph[start].items():
                longer = (one_way_ms + edge["one_way_ms"], [*chain, end])
                if end not in reached or longer < reached[end]:
                    reached[end] = longer
        if reached == best:
            break
        best = reached
    return {node: chain for node, (_, chain) in best.items()}


def second_rtt_ms(
    graph: nx.Graph, links: pd.DataFrame, routes: pd.DataFrame, wanted: pd.Series, routing: Routing
) -> FloatArray:
    """
    Find the round trip of the shortest route that shares no fibre with each route.

    Parameters
    ----------
    links
        From `merge_links`: spare_one_way_ms is the latency of a fibre beside the one that the route uses.
    wanted
        (routes,) True where the answer is needed.

    Returns
    -------
    ndarray
        (routes,) ms; inf where there is none, or where it was not wanted.
    """
    spare_ms = links["spare_one_way_ms"].to_numpy(float)
    out = np.full(len(routes), np.inf)
    access_ms = (routes["rtt_ms"] - 2 * routes["one_way_ms"]).to_numpy(float)
    for route in np.flatnonzero(wanted.to_numpy(bool)).tolist():
        nodes = str(routes["nodes"].iloc[route]).split(">")
        left = graph.copy()
        for pair in pairwise(nodes):
            spare = spare_ms[graph.edges[pair]["link"]]
            if np.isfinite(spare):
                left.edges[pair]["one_way_ms"] = spare
            else:
                left.remove_edge(*pair)
        chain = _shortest_chains(left, nodes[0], routing.max_links).get(nodes[-1])
        if chain is not None:
            out[route] = 2 * nx.path_weight(left, chain, "one_way_ms") + access_ms[route]
    return out


def add_second_routes(
    reachable: pd.DataFrame, graph: nx.Graph, links: pd.DataFrame, routes: pd.DataFrame, scenario: Scenario
) -> pd.DataFrame:
    """
    Add to what is reachable whether a second route keeps the limit, where the class needs one.

    Returns
    -------
    DataFrame
        With second_rtt_ms (inf where there is no second route, or none is needed), has_second, and is_protected:
        False where a second route is required and there is none.
    """
    rule = _rules(reachable, scenario)
    needed = reachable.loc[(rule != "none") & reachable["is_in_time"].to_numpy(bool), "route_index"]
    wanted = pd.Series(routes.index.isin(needed), index=routes.index)
    second = second_rtt_ms(graph, links, routes, wanted, scenario.routing)[reachable["route_index"].to_numpy(int)]
    has_second = np.isfinite(second) & (second <= reachable["rtt_limit_ms"].to_numpy(float))
    return reachable.assign(second_rtt_ms=second, has_second=has_second, is_protected=(rule != "required") | has_second)


def keep_protected(reachable: pd.DataFrame, scenario: Scenario) -> BoolArray:
    """Rows that count: those with a second route, where one is required, or preferred and possible."""
    rule = _rules(reachable, scenario)
    return np.asarray(reachable["has_second"].to_numpy(bool) | ~_is_bound(reachable, rule, scenario))


def protected_workloads(reachable: pd.DataFrame, scenario: Scenario, count: int) -> BoolArray:
    """(W,) workloads that use only routes with a second one; (0,) if no class needs it."""
    rule = _rules(reachable, scenario)
    out = np.zeros(count, np.bool_)
    out[reachable["workload_index"].to_numpy(int)[_is_bound(reachable, rule, scenario)]] = True
    return out if (rule != "none").any() else np.zeros(0, np.bool_)


def _rules(reachable: pd.DataFrame, scenario: Scenario) -> npt.NDArray[np.str_]:
    of_class = {k: item.second_route for k, item in scenario.workload_classes.items()}
    return reachable["workload_class"].map(of_class).to_numpy(str)


def _is_bound(reachable: pd.DataFrame, rule: npt.NDArray[np.str_], scenario: Scenario) -> BoolArray:
    """
    Whether a row's workload must use routes with a second one: it is required, or preferred and possible.

    Possible means: to a data center, or to two of them where the loss of one must be survived.
    """
    enough = 1 if scenario.resilience.survive == "none" else 2
    fits = (reachable["has_second"] & reachable["is_in_time"] & reachable["is_allowed"]).to_numpy(bool)
    offers = reachable[fits].groupby("workload_index")["data_center_index"].nunique()
    is_possible = offers.reindex(reachable["workload_index"], fill_value=0).to_numpy() >= enough
    return np.asarray((rule == "required") | ((rule == "preferred") & is_possible))


def explain_unprotected(within: pd.DataFrame) -> tuple[str, str]:
    """Problem and remedy of a workload whose rows within limit and residency rule are all unprotected."""
    count = within["data_center_index"].nunique()
    where = (
        f"reaches {count} data center(s) within its limit, but none of them over a second route that shares no fibre"
    )
    if not np.isfinite(within["second_rtt_ms"]).any():
        return (
            f"{where}: there is no second route at all",
            "Add links, or set second_route of the class to preferred.",
        )
    second_ms, limit_ms = within["second_rtt_ms"].to_numpy(float), within["rtt_limit_ms"].to_numpy(float)
    best = int((second_ms - limit_ms).argmin())
    over_ms = second_ms[best] - limit_ms[best]
    problem = f"{where}: the best second route takes {second_ms[best]:.2f} ms, {over_ms:.2f} ms too long"
    return problem, "Raise rtt_limit_ms of the class, add links, or set its second_route to preferred."


# The columns of nodes and data centers that must agree under each rule.
_SAME = {"national": "country", "region": "region", "province": "province"}


def residency_mask(
    nodes: pd.DataFrame,
    centers: pd.DataFrame,
    classes: Mapping[str, WorkloadClass],
    every: pd.DataFrame,
    in_time: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """
    Mark the rows whose data center the class's residency rule and allowed regions both allow.

    Parameters
    ----------
    every
        workload_index, demand_hub, workload_class, data_center_index.
    in_time
        Rows that keep the RTT limit. A preferring rule falls back to the same country only for workloads that
        have no such row, in an allowed region, in their region or province.
    """
    rule = every["workload_class"].map({k: item.residency for k, item in classes.items()}).to_numpy(str)
    place = every["data_center_index"].to_numpy(int)
    in_regions = _in_allowed_regions(centers["region"].to_numpy(str)[place], classes, every["workload_class"])

    def same(column: str) -> npt.NDArray[np.bool_]:
        return is_same(column, nodes, centers, every["demand_hub"], every["data_center_index"])

    allowed = rule == "none"
    for name, column in _SAME.items():
        strict = same(column)
        allowed |= (rule == name) & strict
        if name != "national":
            prefers = rule == f"{name}_preferred"
            fits = strict & in_time & in_regions
            has_one = pd.Series(fits).groupby(every["workload_index"].to_numpy()).transform("any").to_numpy()
            allowed |= prefers & np.where(has_one, strict, same("country"))
    return np.asarray(allowed & in_regions)


def _in_allowed_regions(
    region: npt.NDArray[np.str_], classes: Mapping[str, WorkloadClass], of_class: pd.Series
) -> npt.NDArray[np.bool_]:
    """(rows,) whether the class of each row may go to the region of its data center at all."""
    inside = np.ones(len(region), bool)
    for class_id, item in classes.items():
        if item.allowed_regions is not None:
            inside &= (of_class != class_id).to_numpy(bool) | np.isin(region, item.allowed_regions)
    return inside


def record_unknown_regions(scenario: Scenario, centers: pd.DataFrame, faults: FaultList) -> None:
    """Record every allowed region that no data center lies in."""
    known = sorted(set(centers["region"]))
    for class_id, item in scenario.workload_classes.items():
        for region in item.allowed_regions or ():
            if region not in known:
                faults.add(
                    scenario.source_path.name,
                    "no data center lies in this region",
                    f"Name regions of the network's data centers: {', '.join(known)}.{suggest(region, known)}",
                    column=f"workload_classes.{class_id}.allowed_regions",
                    value=region,
                )


def what_admits(item: WorkloadClass) -> str:
    """Name the rules on where a class's data may go, with their verb, for messages; empty if it may go anywhere."""
    rule = "" if item.residency == "none" else f"residency rule ({item.residency})"
    if item.allowed_regions is None:
        return f"{rule} allows" if rule else ""
    regions = f"allowed regions ({', '.join(item.allowed_regions)})"
    return f"{rule} and {regions} allow" if rule else f"{regions} hold"


def is_same(
    column: str, nodes: pd.DataFrame, centers: pd.DataFrame, demand_hub: pd.Series, data_center_index: pd.Series
) -> npt.NDArray[np.bool_]:
    """Mark the pairs of demand hub and data center that lie in the same country, region or province."""
    of_hub = nodes[column].map(plain_name).reindex(demand_hub).to_numpy(str)
    return np.asarray(of_hub == centers[column].map(plain_name).to_numpy(str)[data_center_index.to_numpy(int)])

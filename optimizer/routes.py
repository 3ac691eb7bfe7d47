"""Candidate routes: the k shortest loop-free chains of links from each demand hub to each data center."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice, pairwise

import networkx as nx
import pandas as pd

from optimizer.units import HOURS_PER_YEAR
from scenarios.schema import Routing

HOURS_PER_MONTH = HOURS_PER_YEAR / 12


def candidate_routes(
    graph: nx.Graph, links: pd.DataFrame, hubs: list[str], data_centers: pd.DataFrame, routing: Routing
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """
    Find the shortest routes by latency from every demand hub to every data center.

    Parameters
    ----------
    graph
        From `fibre_graph`.
    links
        From `merge_links`.
    hubs
        Node ids of the demand hubs.
    data_centers
        node, access_rtt_ms; row order gives data_center_index.
    routing
        Routes kept per pair, most links per route.

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
    found = shortest_chains(graph, hub, routing.max_links)
    return {end: [found[end]] if end in found else [] for end in ends}


def shortest_chains(graph: nx.Graph, hub: str, max_links: int | None) -> dict[str, list[str]]:
    """
    Find the shortest chain of nodes from a demand hub to every node it reaches.

    Parameters
    ----------
    graph
        With one_way_ms on its edges.
    hub
        Where chains begin.
    max_links
        Most links in a chain; None = any number.
    """
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

"""The fibre graph: network links as a networkx graph, parallel fibre merged, latency on every edge."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd

from network_data.load import Network
from scenarios.schema import Routing

# Parallel fibres this much slower than the fastest still carry its traffic; slower ones are left out, so that
# merging never promises a latency that part of the merged capacity cannot keep.
PARALLEL_TOLERANCE_SHARE = 0.05


def merge_links(network: Network, routing: Routing, *, link_share: float) -> pd.DataFrame:
    """
    Make one link of parallel fibre, with its latency and the capacity open to inference.

    Parameters
    ----------
    network
        Checked network tables.
    routing
        Delay of fibre per km and of equipment per link, for links that do not state `one_way_ms`.
    link_share
        Share of the capacity that inference traffic may use.

    Returns
    -------
    DataFrame
        One row per pair of joined nodes, sorted by them: id (of the fastest fibre), from_node, to_node, length_km
        (where the tables give a latency alone, the length of fibre that has it), one_way_ms (of the slowest fibre
        merged), capacity_gbps, price_cny_per_gbps_month (the dearest),
        merged_links (number), left_out_links (ids of much slower parallel fibre, joined by ","), spare_one_way_ms (of
        the fastest fibre beside the one that a route uses; inf where there is none).
    """
    links = network.links.reset_index()
    computed_ms = links["length_km"] * routing.fibre_us_per_km / 1e3 + routing.link_overhead_ms
    links["one_way_ms"] = links["one_way_ms"].fillna(computed_ms)
    equivalent_km = (links["one_way_ms"] - routing.link_overhead_ms).clip(lower=0) * 1e3 / routing.fibre_us_per_km
    links["length_km"] = links["length_km"].fillna(equivalent_km)
    ends = np.sort(links[["from_node", "to_node"]].to_numpy(str), axis=1)
    links["from_node"], links["to_node"] = ends[:, 0], ends[:, 1]
    links = links.sort_values(["from_node", "to_node", "one_way_ms", "id"], ignore_index=True)
    by_ends = links.groupby(["from_node", "to_node"])
    fastest_ms = by_ends["one_way_ms"].transform("min")
    kept = links["one_way_ms"] <= fastest_ms * (1 + PARALLEL_TOLERANCE_SHARE) + 1e-9
    merged = (
        links[kept]
        .groupby(["from_node", "to_node"], as_index=False)
        .agg(
            id=("id", "first"),
            length_km=("length_km", "first"),
            one_way_ms=("one_way_ms", "max"),
            capacity_gbps=("capacity_gbps", "sum"),
            price_cny_per_gbps_month=("price_cny_per_gbps_month", "max"),
            merged_links=("id", "size"),
        )
    )
    left_out = links[~kept].groupby(["from_node", "to_node"])["id"].agg(",".join).rename("left_out_links")
    spare = links[~kept].groupby(["from_node", "to_node"])["one_way_ms"].min().rename("spare_one_way_ms")
    merged = merged.merge(spare, on=["from_node", "to_node"], how="left", validate="one_to_one")
    beside = merged["spare_one_way_ms"].fillna(np.inf)
    merged["spare_one_way_ms"] = beside.where(merged["merged_links"] == 1, merged["one_way_ms"])
    merged = merged.merge(left_out, on=["from_node", "to_node"], how="left", validate="one_to_one")
    merged["left_out_links"] = merged["left_out_links"].fillna("")
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

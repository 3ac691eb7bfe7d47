"""Fibre graph and candidate routes: small graphs whose shortest chains can be read off."""

from __future__ import annotations

import itertools
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_files import Row, write_toy_network

from network_data import load_network
from optimizer.problem.routing import candidate_routes, fibre_graph, merge_links
from scenarios.schema import Routing

Ways = dict[tuple[str, str], float]


def graph_of(ways: Ways) -> tuple[nx.Graph, pd.DataFrame]:
    """Build a graph and its links from one-way latencies by end nodes; the price is 73 CNY per ms."""
    ends = [tuple(sorted(pair)) for pair in ways]
    links = pd.DataFrame(ends, columns=["from_node", "to_node"])
    links["one_way_ms"] = list(ways.values())
    links["price_cny_per_gbps_month"] = links["one_way_ms"] * 73
    graph = nx.Graph()
    for row in links.itertuples():
        graph.add_edge(row.from_node, row.to_node, link=row.Index, one_way_ms=row.one_way_ms)
    return graph, links


def chains(ways: Ways, hub: str, end: str, **options: int) -> list[str]:
    """Give the routes of one hub to one data center as node chains."""
    graph, links = graph_of(ways)
    graph.add_nodes_from([hub, end])
    center = pd.DataFrame({"node": [end], "access_rtt_ms": [1.0]})
    routes, _ = candidate_routes(graph, links, [hub], center, Routing(**options))
    assert routes["rank"].tolist() == list(range(len(routes)))
    assert routes["one_way_ms"].is_monotonic_increasing
    return routes["nodes"].tolist()


# a-b-z is shortest (2), then a-c-z (3), then a-z (4), then a-b-c-z and a-c-b-z.
DIAMOND: Ways = {("a", "b"): 1.0, ("b", "z"): 1.0, ("a", "c"): 1.0, ("c", "z"): 2.0, ("a", "z"): 4.0, ("b", "c"): 2.0}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["a>b>z"]),
        ({"routes_per_pair": 3}, ["a>b>z", "a>c>z", "a>z"]),
        ({"routes_per_pair": 100}, ["a>b>z", "a>c>z", "a>z", "a>c>b>z", "a>b>c>z"]),
        ({"max_links": 1}, ["a>z"]),
        ({"max_links": 2}, ["a>b>z"]),
        ({"max_links": 2, "routes_per_pair": 100}, ["a>b>z", "a>c>z", "a>z"]),
        ({"max_links": 1, "routes_per_pair": 100}, ["a>z"]),
    ],
)
def test_shortest_routes_of_a_diamond(options: dict[str, int], expected: list[str]) -> None:
    found = chains(DIAMOND, "a", "z", **options)
    # a-c-b-z takes 4 as a-z does, so their order is open.
    assert sorted(found) == sorted(expected)
    assert found[:2] == expected[:2]


@pytest.mark.parametrize(
    "options", [{}, {"max_links": 3}, {"routes_per_pair": 2}, {"routes_per_pair": 2, "max_links": 3}]
)
def test_a_pair_that_nothing_joins_has_no_route(options: dict[str, int]) -> None:
    assert chains({("a", "b"): 1.0, ("y", "z"): 1.0}, "a", "z", **options) == []


@pytest.mark.parametrize(
    "options", [{}, {"max_links": 1}, {"routes_per_pair": 2}, {"routes_per_pair": 2, "max_links": 1}]
)
def test_data_center_at_the_hub_itself_takes_no_link(options: dict[str, int]) -> None:
    graph, links = graph_of({("a", "b"): 1.0})
    center = pd.DataFrame({"node": ["a"], "access_rtt_ms": [1.5]})
    routes, route_links = candidate_routes(graph, links, ["a"], center, Routing(**options))
    assert routes[["one_way_ms", "rtt_ms", "nodes"]].to_numpy().tolist() == [[0.0, 1.5, "a"]]
    assert route_links.empty


def test_direct_link_longer_than_a_detour_is_used_when_one_link_is_all() -> None:
    # No triangle inequality: through b it would be 2 instead of 9.
    ways = {("a", "b"): 1.0, ("b", "z"): 1.0, ("a", "z"): 9.0}
    assert chains(ways, "a", "z", max_links=1) == ["a>z"]


def test_links_without_latency_make_no_loop() -> None:
    ways = dict.fromkeys(itertools.combinations("abcz", 2), 0.0)
    for nodes in chains(ways, "a", "z", max_links=4) + chains(ways, "a", "z", routes_per_pair=100):
        steps = nodes.split(">")
        assert len(set(steps)) == len(steps)


def test_route_adds_up_its_links_both_ways() -> None:
    graph, links = graph_of(DIAMOND)
    centers = pd.DataFrame({"node": ["z", "c"], "access_rtt_ms": [1.0, 0.0]})
    routes, route_links = candidate_routes(graph, links, ["a", "b"], centers, Routing())
    assert routes["nodes"].tolist() == ["a>b>z", "a>c", "b>z", "b>c"]
    assert routes["data_center_index"].tolist() == [0, 1, 0, 1]
    assert routes["one_way_ms"].tolist() == [2.0, 1.0, 1.0, 2.0]
    assert routes["rtt_ms"].tolist() == [5.0, 2.0, 3.0, 4.0]
    # 73 CNY per ms and month are 0.1 CNY per ms and hour.
    assert routes["network_cny_per_gbps_h"].tolist() == pytest.approx([0.2, 0.1, 0.1, 0.2])
    crossed = route_links.merge(links, left_on="link_index", right_index=True)
    assert crossed.groupby("route_index")["one_way_ms"].sum().tolist() == routes["one_way_ms"].tolist()
    # In travel order: a-b, then b-z.
    assert route_links.loc[route_links["route_index"] == 0, "link_index"].tolist() == [0, 1]


@given(seed=st.integers(0, 2**31), max_links=st.sampled_from([None, 1, 2, 3]), count=st.integers(1, 5))
@settings(max_examples=60)
def test_routes_are_the_shortest_of_all_chains(seed: int, max_links: int | None, count: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = "abcdef"
    pairs = [pair for pair in itertools.combinations(nodes, 2) if rng.random() < 0.6]
    ways = {pair: float(rng.integers(0, 9)) for pair in pairs}
    every = []
    for inner in range(len(nodes) - 1 if max_links is None else max_links):
        for middle in itertools.permutations(nodes[1:-1], inner):
            steps = [(min(step), max(step)) for step in itertools.pairwise(["a", *middle, "f"])]
            if all(step in ways for step in steps):
                every.append(sum(ways[step] for step in steps))
    graph, links = graph_of(ways)
    graph.add_nodes_from(nodes)
    center = pd.DataFrame({"node": ["f"], "access_rtt_ms": [0.0]})
    routing = Routing(routes_per_pair=count, max_links=max_links)
    routes, _ = candidate_routes(graph, links, ["a"], center, routing)
    assert routes["one_way_ms"].tolist() == sorted(every)[:count]
    assert routes["nodes"].is_unique


# Links


def merged(folder: Path, *more: Row) -> pd.DataFrame:
    network = load_network(write_toy_network(folder, links=lambda rows: [*rows, *more]))
    return merge_links(network, Routing(), link_share=0.5).set_index("id")


def parallel(name: str, length_km: float, **cells: object) -> Row:
    ends = {"from_node": "node_east", "to_node": "metro_a"}
    return {"id": name, **ends, "length_km": length_km, "capacity_gbps": 300, "price_cny_per_gbps_month": 150, **cells}


def test_length_gives_latency_and_share_gives_capacity(tmp_path: Path) -> None:
    links = merged(tmp_path)
    assert links.index.tolist() == ["a_b", "a_east", "b_west"]
    assert links["one_way_ms"].tolist() == pytest.approx([400 * 4.9e-3 + 0.1, 100 * 4.9e-3 + 0.1, 600 * 4.9e-3 + 0.1])
    assert links["capacity_gbps"].tolist() == [500.0] * 3
    assert links["merged_links"].tolist() == [1, 1, 1]


def test_parallel_fibre_of_like_latency_is_one_link(tmp_path: Path) -> None:
    # 100 and 105 km: 0.59 and 0.6145 ms, 4.2 % apart. The merged link promises the slower and the dearer.
    link = merged(tmp_path, parallel("a_east_2", 105)).loc["a_east"]
    assert link["capacity_gbps"] == 0.5 * (1000 + 300)
    assert link["one_way_ms"] == pytest.approx(0.6145)
    assert link["price_cny_per_gbps_month"] == 150
    assert (link["merged_links"], link["left_out_links"]) == (2, "")


def test_much_slower_parallel_fibre_is_left_out_and_named(tmp_path: Path) -> None:
    link = merged(tmp_path, parallel("detour_2", 200), parallel("detour_1", 150)).loc["a_east"]
    assert link["capacity_gbps"] == 500.0
    assert link["one_way_ms"] == pytest.approx(0.59)
    assert (link["merged_links"], link["left_out_links"]) == (1, "detour_1,detour_2")


def test_stated_latency_replaces_that_of_the_length(tmp_path: Path) -> None:
    link = merged(tmp_path, parallel("fast", 500, one_way_ms=0.2)).loc["fast"]
    assert (link["one_way_ms"], link["length_km"]) == (0.2, 500)
    assert link["left_out_links"] == "a_east"


def test_link_without_length_gets_that_of_its_latency(tmp_path: Path) -> None:
    link = merged(tmp_path, {**parallel("fast", 0), "length_km": "", "one_way_ms": 0.345}).loc["fast"]
    assert link["one_way_ms"] == 0.345
    assert link["length_km"] == pytest.approx((0.345 - 0.1) * 1e3 / 4.9)
    instant = merged(tmp_path, {**parallel("fast", 0), "length_km": "", "one_way_ms": 0.05}).loc["fast"]
    assert instant["length_km"] == 0


def test_graph_knows_no_order_of_rows(tmp_path: Path) -> None:
    straight = load_network(write_toy_network(tmp_path / "straight"))
    turned = load_network(
        write_toy_network(tmp_path / "turned", links=lambda rows: rows[::-1], nodes=lambda rows: rows[::-1])
    )
    graphs = [fibre_graph(network, merge_links(network, Routing(), link_share=1)) for network in (straight, turned)]
    assert list(graphs[0].nodes) == list(graphs[1].nodes)
    assert list(graphs[0].edges(data=True)) == list(graphs[1].edges(data=True))

"""
Second routes (12) and work without refuge (11), on the toy network: metro_a is 100 km from node_east, 400 from metro_b.

node_east -100- metro_a -400- metro_b -600- node_west, each link 4.9 us/km and 0.1 ms one way, 1 ms of access. A way
around the back, from node_east to node_west, makes a ring of the line.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_files import Row, write_toy_network
from test_routes import graph_of
from toy_scenario import ToyScenario, reached
from worked_plan import only_violation

from network_data import InputError, load_network
from optimizer.checker.check import check_plan
from optimizer.checker.limits import keep_second_route
from optimizer.problem.problem import PlacementProblem
from optimizer.problem.routing import candidate_routes, fibre_graph, merge_links, second_rtt_ms
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole
from scenarios.schema import Routing


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


def with_link(name: str, start: str, end: str, length_km: float) -> Callable[[list[Row]], list[Row]]:
    """One more fibre."""
    # By its latency: a way around may be shorter than the toy has room for.
    ways = {"length_km": "", "one_way_ms": 0.1 + 4.9e-3 * length_km}
    new: dict[str, Any] = {"id": name, "from_node": start, "to_node": end, **ways}
    return lambda rows: [*rows, {**rows[0], **new}]


def around(length_km: float) -> dict[str, Any]:
    return {"links": with_link("back", "node_east", "node_west", length_km)}


def round_trip_ms(links: int, length_km: float) -> float:
    return 2 * (links * 0.1 + length_km * 4.9e-3) + 1.0


# Which routes count


def test_a_line_protects_nothing(toy: ToyScenario) -> None:
    with pytest.raises(
        InputError, match="over a second route that shares no fibre: there is no second route"
    ) as caught:
        toy(chat={"second_route": "required"})
    faults = caught.value.faults
    assert [fault.value for fault in faults] == ["chat of metro_a", "chat of metro_b"]
    assert all("second_route of the class to preferred" in fault.remedy for fault in faults)


def test_preferred_protects_what_can_be(toy: ToyScenario) -> None:
    problem = toy(chat={"second_route": "preferred"})
    assert len(reached(problem)) == 8
    assert not problem.is_protected.any()
    assert problem.unprotected_candidates == 0


def test_a_ring_protects_within_the_limit(toy: ToyScenario) -> None:
    """
    The other way round: a-east 400 + 600 + 1000 km, b-west 400 + 100 + 1000, b-east 600 + 1000, a-west 100 + 1000.

    That takes 21.2, 16.3, 17.1 and 12.2 ms; a limit of 17 ms keeps b-west and a-west.
    """
    problem = toy(chat={"second_route": "required", "rtt_limit_ms": 17}, tables=around(1000))
    chat = {(hub, place) for hub, name, place in reached(problem) if name == "chat"}
    assert chat == {("metro_a", "dc_west"), ("metro_b", "dc_west")}
    assert round_trip_ms(3, 1500) < 17 < round_trip_ms(2, 1600)
    assert problem.unprotected_candidates == 2
    assert problem.is_protected.tolist() == (problem.workloads["workload_class"] == "chat").tolist()


def test_stranded_by_protection_is_told_by_how_many_ms(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(chat={"second_route": "required", "rtt_limit_ms": 13}, tables=around(1000))
    (fault,) = caught.value.faults
    assert fault.value == "chat of metro_b"
    over_ms = round_trip_ms(3, 1500) - 13
    assert f"the best second route takes {over_ms + 13:.2f} ms, {over_ms:.2f} ms too long" in fault.problem


@pytest.mark.parametrize("length_km", [100.0, 104.0, 150.0])
def test_parallel_fibre_is_a_second_route(tmp_path: Path, length_km: float) -> None:
    """Merged into one link, or left out of it for being slow: the second route uses the fibre that the first leaves."""
    beside = with_link("beside", "metro_a", "node_east", length_km)
    network = load_network(write_toy_network(tmp_path / "net", links=beside))
    links = merge_links(network, Routing(), link_share=1.0)
    centers, graph = network.data_centers.reset_index(), fibre_graph(network, links)
    routes, _ = candidate_routes(graph, links, ["metro_a"], centers, Routing())
    nearest = (routes["data_center_index"] == 0) & (routes["rank"] == 0)
    second = second_rtt_ms(graph, links, routes, nearest, Routing())
    assert second[nearest.to_numpy()].tolist() == pytest.approx([round_trip_ms(1, length_km)])
    assert np.isinf(second[~nearest.to_numpy()]).all()


def test_second_route_has_no_more_links_than_any(toy: ToyScenario) -> None:
    options = {"second_route": "preferred", "residency": "region"}
    assert toy(chat=options, tables=around(1000)).is_protected.any()
    assert not toy(chat=options, tables=around(1000), routing={"max_links": 2}).is_protected.any()


def test_preference_waits_for_a_second_place_where_failures_are_survived(toy: ToyScenario) -> None:
    """
    Within the 17 ms of the ring metro_a has a second route to the west alone.

    Held to that, the loss of the west could not be survived, so the preference gives way.
    """
    chat = {"second_route": "preferred", "rtt_limit_ms": 17}
    alone = toy(chat=chat, tables=around(1000))
    assert alone.is_protected.sum() == 2
    both = toy(chat=chat, tables=around(1000), resilience={"survive": "any_data_center"})
    assert both.is_protected.sum() == 0
    assert len(reached(both)) == 8


# The route itself is given: against taking every pair of routes


@given(seed=st.integers(0, 2**31))
@settings(max_examples=40)
def test_second_route_is_the_shortest_that_shares_no_link(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = "abcdef"
    pairs = [pair for pair in itertools.combinations(nodes, 2) if rng.random() < 0.5]
    ways = {pair: float(rng.integers(1, 10)) for pair in pairs}
    graph, links = graph_of(ways)
    graph.add_nodes_from(nodes)
    centers = pd.DataFrame({"node": ["f"], "access_rtt_ms": [1.0]})
    routes, _ = candidate_routes(graph, links, ["a"], centers, Routing(routes_per_pair=3))
    links["spare_one_way_ms"] = np.where(rng.random(len(links)) < 0.2, links["one_way_ms"] * 2, np.inf)
    found = second_rtt_ms(graph, links, routes, routes["rank"] >= 0, Routing())
    for row, second_ms in zip(routes.itertuples(), found, strict=True):
        used = {frozenset(pair) for pair in itertools.pairwise(row.nodes.split(">"))}
        best = np.inf
        for other in nx.all_simple_paths(graph, "a", "f"):
            total = 0.0
            for pair in itertools.pairwise(other):
                link = links.loc[graph.edges[pair]["link"]]
                total += link["spare_one_way_ms"] if frozenset(pair) in used else link["one_way_ms"]
            best = min(best, total)
        assert second_ms == pytest.approx(2 * best + 1.0)


# The checker


def test_12_keep_second_route(toy: ToyScenario) -> None:
    """The plan uses what has a second route; with the way around the back gone, the checker finds that out."""
    problem = toy(chat={"second_route": "required", "rtt_limit_ms": 17}, tables=around(1000))
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert solution.plan is not None
    assert check_plan(problem, solution.plan).is_feasible
    back = int(np.flatnonzero(problem.links["id"] == "back")[0])
    worse = longer(problem, back, 15.0)
    rows = only_violation(check_plan(worse, solution.plan), "12", "keep_second_route")
    assert {row[0].split(" via ")[0] for row in rows} == {"chat metro_a -> dc_west", "chat metro_b -> dc_west"}
    assert all(row[2] == 17.0 and row[4] == "ms" for row in rows)
    gone = longer(problem, back, np.inf)
    assert np.isinf(check_plan(gone, solution.plan).violations["amount"]).all()
    assert keep_second_route.__doc__ is not None


def longer(problem: PlacementProblem, link: int, one_way_ms: float) -> PlacementProblem:
    """Slow down, or cut, a fibre that no candidate uses."""
    links = problem.links.copy()
    links["one_way_ms"] = np.where(np.arange(len(links)) == link, min(one_way_ms, 1e9), links["one_way_ms"])
    if np.isinf(one_way_ms):
        links["from_node"] = np.where(np.arange(len(links)) == link, "nowhere", links["from_node"])
    return replace(problem, links=links)


# Work that nothing could take over


def test_work_with_a_single_place_in_reach_is_refused(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(chat={"residency": "region"}, resilience={"survive": "any_data_center"})
    told = {fault.value: fault.problem for fault in caught.value.faults}
    assert told == {
        "chat of metro_a": "reaches dc_east alone within its limits, so that the loss of dc_east cannot be survived",
        "chat of metro_b": "reaches dc_west alone within its limits, so that the loss of dc_west cannot be survived",
    }
    assert "residency (region)" in caught.value.faults[0].remedy


@pytest.mark.parametrize(
    ("deferrable_h", "outage_h", "waits"), [(0, 4, False), (3, 4, False), (4, 4, True), (24, 4, True)]
)
def test_who_waits_an_outage_out(toy: ToyScenario, deferrable_h: int, outage_h: int, *, waits: bool) -> None:
    problem = toy(
        batch={"deferrable_h": deferrable_h},
        resilience={"survive": "any_data_center", "outage_h": outage_h},
        time={"slices_per_day": 24},
    )
    is_batch = (problem.workloads["workload_class"] == "batch").to_numpy()
    assert problem.cannot_wait.tolist() == (~is_batch | (not waits)).tolist()
    asked = np.where(problem.cannot_wait, problem.demand_mtok_per_h, 0.0)
    assert np.array_equal(problem.outage_demand_mtok_per_h, asked)


def test_only_the_hardest_slices_are_planned_for(toy: ToyScenario) -> None:
    """Chat asks for three times as much in the morning, batch always the same: of 4 slices the first covers all."""
    problem = toy(resilience={"survive": "any_data_center"})
    assert problem.outages.to_numpy().tolist() == [[0, 0], [1, 0]]


def test_nothing_to_survive_is_the_default(toy: ToyScenario) -> None:
    problem = toy()
    assert problem.outages.empty
    assert problem.outage_demand_mtok_per_h.size == 0
    assert problem.is_protected.size == 0

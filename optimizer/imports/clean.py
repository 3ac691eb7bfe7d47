"""Known faults of stored graphs: no or impossible coordinates, arcs, loops, satellites, parts that hang on nothing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import networkx as nx
import numpy as np

from optimizer.imports.source_graph import SourceGraph, SourceLink, SourceNode, refuse

_LATITUDE_LIMIT_DEG, _LONGITUDE_LIMIT_DEG = 90.0, 180.0
_GIVE_PLACES = (
    "Give a table with the columns name, latitude_deg, longitude_deg: --places FILE."  # of the command and of Python
)


def clean_graph(graph: SourceGraph, *, swap_coordinates: bool) -> None:
    """
    Turn a stored graph into one connected graph of two-way links between places.

    Every node gets coordinates, every link has two ends that are there. What is assumed or left out is noted.

    Raises
    ------
    InputError
        If a link names a node that is not there, coordinates are not degrees, or too few are known.
    """
    _check_ends(graph)
    if swap_coordinates:
        for node in graph.nodes.values():
            node.latitude_deg, node.longitude_deg = node.longitude_deg, node.latitude_deg
        graph.note("assumed", "latitude and longitude stand the other way round in the file")
    _check_degrees(graph)
    _leave_out_loops(graph)
    if graph.has_arcs:
        _join_arcs(graph)
    _leave_out_unplaced(graph)
    _place_between_neighbours(graph)
    _keep_largest_part(graph)


def simple_graph(graph: SourceGraph) -> nx.Graph:
    """Build the graph of what is joined to what, in the order of the file."""
    simple = nx.Graph()
    simple.add_nodes_from(graph.nodes)
    simple.add_edges_from((link.start, link.end) for link in graph.links)
    return simple


def _check_ends(graph: SourceGraph) -> None:
    for link in graph.links:
        for key in (link.start, link.end):
            if key not in graph.nodes:
                raise refuse(graph.name, "a link names a node that is not there", "Correct the file.", value=key)


def _check_degrees(graph: SourceGraph) -> None:
    for node in graph.nodes.values():
        place = (node.latitude_deg, node.longitude_deg)
        if math.isnan(sum(place)) or place == (0.0, 0.0):
            # Programs write 0, 0 where they know nothing; there is only sea.
            node.latitude_deg = node.longitude_deg = math.nan
        elif abs(place[0]) > _LATITUDE_LIMIT_DEG or abs(place[1]) > _LONGITUDE_LIMIT_DEG:
            problem = f"latitude {place[0]:g} and longitude {place[1]:g} of node {node.name} are no degrees"
            may_swap = abs(place[1]) <= _LATITUDE_LIMIT_DEG and abs(place[0]) <= _LONGITUDE_LIMIT_DEG
            remedy = "If they stand the other way round: --swap-coordinates. " if may_swap else ""
            raise refuse(graph.name, problem, f"{remedy}If they are those of a drawing: {_GIVE_PLACES}")


def _leave_out_loops(graph: SourceGraph) -> None:
    loops = [link for link in graph.links if link.start == link.end]
    graph.links = [link for link in graph.links if link.start != link.end]
    if loops:
        graph.note("left out", "links that end where they start", [graph.nodes[link.start].name for link in loops])


def _join_arcs(graph: SourceGraph) -> None:
    """Make one two-way link of each arc and the one that leads back."""
    by_ends: dict[tuple[str, str], list[SourceLink]] = defaultdict(list)
    for link in graph.links:
        by_ends[link.start, link.end].append(link)
    joined, alone, done = [], [], set()
    for (start, end), there in by_ends.items():
        if (end, start) in done:
            continue
        done.add((start, end))
        back = by_ends.get((end, start), [])
        for at in range(max(len(there), len(back))):
            arcs = [arcs[at] for arcs in (there, back) if at < len(arcs)]
            joined.append(_join(arcs))
            if len(arcs) == 1:
                alone.append(f"{graph.nodes[arcs[0].start].name} to {graph.nodes[arcs[0].end].name}")
    pairs = len(graph.links) - len(joined)
    if pairs:
        graph.note("assumed", f"{pairs} pairs of opposite arcs are one two-way link each, with the lower capacity")
    if alone:
        graph.note("assumed", "arcs without one that leads back are two-way links", alone)
    graph.links = joined


def _join(arcs: list[SourceLink]) -> SourceLink:
    first = arcs[0]
    for other in arcs[1:]:
        first.length_km = max(known_of(first.length_km, other.length_km), default=math.nan)
        first.one_way_ms = max(known_of(first.one_way_ms, other.one_way_ms), default=math.nan)
        first.capacity_gbps = min(known_of(first.capacity_gbps, other.capacity_gbps), default=math.nan)
        first.capacity_basis = first.capacity_basis or other.capacity_basis
    return first


def known_of(*numbers: float) -> list[float]:
    """Take the numbers that are known."""
    return [number for number in numbers if not math.isnan(number)]


def _leave_out_unplaced(graph: SourceGraph) -> None:
    """Leave out nodes of other networks and satellites whose place is not known."""
    gone = {key for key, node in graph.nodes.items() if node.needs_place and not _has_place(node)}
    if gone:
        names = [graph.nodes[key].name for key in gone if key in graph.nodes]
        graph.note("left out", "nodes of other networks and satellites without coordinates", sorted(names))
        _keep(graph, graph.nodes.keys() - gone)


def _has_place(node: SourceNode) -> bool:
    return not math.isnan(node.latitude_deg)


def _place_between_neighbours(graph: SourceGraph) -> None:
    """Put a node without coordinates between its neighbours, nearest to known ones first."""
    missing = [key for key, node in graph.nodes.items() if not _has_place(node)]
    if not missing:
        return
    if len(missing) == len(graph.nodes):
        raise refuse(graph.name, "states no coordinates", _GIVE_PLACES)
    neighbours = simple_graph(graph)
    placed = []
    while missing:
        found = {
            key: _middle([graph.nodes[other] for other in neighbours[key] if _has_place(graph.nodes[other])])
            for key in missing
            if any(_has_place(graph.nodes[other]) for other in neighbours[key])
        }
        if not found:
            break
        for key, (latitude, longitude) in found.items():
            graph.nodes[key].latitude_deg, graph.nodes[key].longitude_deg = latitude, longitude
            graph.nodes[key].is_placed = True
            placed.append(graph.nodes[key].name)
        missing = [key for key in missing if key not in found]
    if placed:
        graph.note("assumed", "nodes without coordinates are in the middle of their neighbours", placed)
    if missing:
        names = [graph.nodes[key].name for key in missing]
        graph.note("left out", "nodes without coordinates in parts where none has any", names)
        _keep(graph, graph.nodes.keys() - set(missing))


def _middle(nodes: list[SourceNode]) -> tuple[float, float]:
    """Find the middle of places on the sphere, which may lie on both sides of the date line."""
    latitude, longitude = (np.radians([getattr(node, name) for node in nodes]) for name in _COORDINATES)
    x, y = np.mean(np.cos(latitude) * np.cos(longitude)), np.mean(np.cos(latitude) * np.sin(longitude))
    z = np.mean(np.sin(latitude))
    middle = np.degrees([np.arctan2(z, np.hypot(x, y)), np.arctan2(y, x)])
    return round(float(middle[0]), 4), round(float(middle[1]), 4)


_COORDINATES = ("latitude_deg", "longitude_deg")


def _keep_largest_part(graph: SourceGraph) -> None:
    parts = list(nx.connected_components(simple_graph(graph)))
    if len(parts) > 1:
        largest = max(parts, key=len)
        names = [node.name for key, node in graph.nodes.items() if key not in largest]
        graph.note("left out", "nodes that are not joined to the largest part of the graph", names)
        _keep(graph, largest)


def _keep(graph: SourceGraph, kept: Iterable[str]) -> None:
    keys = set(kept)
    graph.nodes = {key: node for key, node in graph.nodes.items() if key in keys}
    graph.links = [link for link in graph.links if {link.start, link.end} <= keys]

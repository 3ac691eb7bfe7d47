"""JSON of topohub, which is the node-link form of networkx with `pos` and `dist`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import networkx as nx

from optimizer.imports.source_graph import ImportOptions, SourceGraph, SourceLink, SourceNode, refuse


def read_topohub(path: Path, _options: ImportOptions) -> SourceGraph:
    """
    Read a topology of topohub.

    Its `dist` is the great circle between `pos` of the ends, not a length of fibre: it is not used.

    Raises
    ------
    InputError
        If it is no such file.
    """
    stored = _parse(path)
    about = stored.graph.get("graph", stored.graph)
    about = about if isinstance(about, dict) else {}
    graph = SourceGraph("topohub JSON", str(about.get("name") or path.stem), has_arcs=stored.is_directed())
    points = []
    for key, found in stored.nodes(data=True):
        longitude, latitude = _position(found.get("pos"), path)
        is_point = "waypoint" in str(found.get("type", "")).lower()
        node = SourceNode(str(found.get("name") or f"point {key}"), latitude, longitude, is_hub=not is_point)
        graph.nodes[str(key)] = node
        points += [node.name] if is_point else []
    graph.links += [SourceLink(str(start), str(end)) for start, end in stored.edges()]
    _add_demands(graph, about.get("demands"), path)
    if points:
        graph.note("assumed", "points on cables are junctions without demand", points)
    return graph


def _parse(path: Path) -> Any:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        edges = "links" if "links" in document and "edges" not in document else "edges"
        return nx.node_link_graph(document, edges=edges)
    except (ValueError, RecursionError) as error:
        reason = error if not isinstance(error, UnicodeDecodeError) else "not UTF-8"
        raise refuse(path.name, f"cannot be read as JSON ({reason})", "Download it again.") from error
    except (nx.NetworkXError, KeyError, TypeError, AttributeError) as error:
        remedy = "Give a file with nodes and edges, as topohub and networkx.node_link_data write it."
        raise refuse(path.name, f"is no graph in JSON ({error})", remedy) from error


def _position(found: Any, path: Path) -> tuple[float, float]:
    """Read longitude and latitude."""
    if found is None:
        return math.nan, math.nan
    try:
        longitude, latitude = map(float, found)
    except (TypeError, ValueError):
        raise refuse(path.name, "pos is no pair of longitude and latitude", "Correct it.", value=found) from None
    return longitude, latitude


def _add_demands(graph: SourceGraph, demands: Any, path: Path) -> None:
    """Sum the demands that begin or end at each node; most files hold each pair once, for both ways."""
    if not isinstance(demands, dict) or not demands:
        return
    for start, by_end in demands.items():
        for end, value in by_end.items() if isinstance(by_end, dict) else ():
            for key in (start, end):
                if key not in graph.nodes or not isinstance(value, int | float):
                    raise refuse(path.name, "a demand names a node that is not there", "Correct it.", value=key)
                node = graph.nodes[key]
                node.weight = value + (0.0 if math.isnan(node.weight) else node.weight)
    graph.weight_basis = "demands that begin or end there, in the file"

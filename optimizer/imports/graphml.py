"""GraphML, as the Topology Zoo and most graph programs write it, read by networkx."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import networkx as nx

from network_data.faults import FaultList
from optimizer.imports.fields import Fields
from optimizer.imports.source_graph import SUBJECT, ImportOptions, SourceGraph, refuse
from optimizer.imports.xml_files import parse_xml

_SATELLITE = "satellite"


def read_graphml(path: Path, options: ImportOptions) -> SourceGraph:
    """
    Read a GraphML file: the fields of the Topology Zoo, or any that are called after what they are.

    Raises
    ------
    InputError
        If it is no GraphML, or declares entities.
    """
    content = path.read_bytes()
    parse_xml(content, path)
    stored = _parse(content, path)
    faults = FaultList(SUBJECT)
    about = Fields(stored.graph, path.name, None, faults)
    graph = SourceGraph(
        "GraphML",
        about.text("network", "name", "label") or path.stem,
        origin=about.text("source"),
        has_arcs=stored.is_directed(),
    )
    country = about.text("geolocation") if about.text("geoextent").lower() == "country" else ""
    outside, middles = [], []
    for key, attributes in stored.nodes(data=True):
        fields = Fields(attributes, path.name, None, faults)
        node = fields.node(str(key))
        node.country = node.country or country
        if fields.is_true("hyperedge"):
            node.is_hub = False
            node.name = fields.text("label", "name") or f"junction {key}"
            middles.append(node.name)
        if fields.is_false("internal"):
            node.is_hub, node.needs_place = False, True
            outside.append(node.name)
        if _SATELLITE in f"{node.name} {fields.text('type')}".lower():
            node.is_hub, node.needs_place = False, True
        graph.nodes[str(key)] = node
    for start, end, attributes in stored.edges(data=True):
        fields = Fields(attributes, path.name, None, faults)
        graph.links.append(fields.link(str(start), str(end), options.capacity_unit))
    faults.raise_if_any()
    if any(node.weight > 0 for node in graph.nodes.values()):
        graph.weight_basis = "demand_weight of the file"
    if middles:
        graph.note("assumed", "a hyperedge, which joins more than two nodes, is a junction without demand", middles)
    if outside:
        graph.note("assumed", "nodes that the file says are of other networks have no demand", outside)
    return graph


def _parse(content: bytes, path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of keys without a type, and the like: they are texts then
            return nx.read_graphml(io.BytesIO(content))
    except (nx.NetworkXError, KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        remedy = "Open it in the program that wrote it and save it again as GraphML without hyperedges and nesting."
        raise refuse(path.name, f"cannot be read as GraphML ({error})", remedy) from error

"""Plain tables: a list of links, and a table of places."""

from __future__ import annotations

from pathlib import Path

from network_data.faults import FaultList, suggest
from optimizer.imports.fields import has_fields_of_a_link, has_fields_of_a_place, read_rows
from optimizer.imports.source_graph import SUBJECT, ImportOptions, SourceGraph, SourceNode, refuse


def read_edge_list(path: Path, options: ImportOptions) -> SourceGraph:
    """
    Read a table of links; nodes are what it and the table of places name.

    Raises
    ------
    InputError
        If the table has no columns for both ends, or a row lacks one.
    """
    if not has_fields_of_a_link(path):
        remedy = "Name the columns of both ends, for example from,to; the nodes go into --places FILE."
        raise refuse(path.name, "is no list of links", remedy)
    graph = SourceGraph("list of links", path.stem)
    faults = FaultList(SUBJECT)
    for row, fields in read_rows(path, faults):
        start, end = fields.ends
        if not start or not end:
            faults.add(path.name, "the link has one end only", "Name both ends, or remove the row.", row=row)
            continue
        graph.links.append(fields.link(start, end, options.capacity_unit))
        for key in (start, end):
            graph.nodes.setdefault(key, SourceNode(key))
    faults.raise_if_any()
    return graph


def apply_places(graph: SourceGraph, path: Path) -> None:
    """
    Take coordinates and further facts of nodes from a table of places.

    A row is for the node with its id as key, else for all nodes of its name. In a list of links it adds a node that no
    link names.

    Raises
    ------
    InputError
        If it is no table of places, or names a place that the graph does not have.
    """
    if not has_fields_of_a_place(path):
        raise refuse(path.name, "is no table of places", "Name columns name, latitude_deg and longitude_deg.")
    faults = FaultList(SUBJECT)
    by_name: dict[str, list[SourceNode]] = {}
    for node in graph.nodes.values():
        by_name.setdefault(node.name.casefold(), []).append(node)
    placed = []
    for row, fields in read_rows(path, faults):
        found = fields.node()
        own = graph.nodes.get(fields.key)
        nodes = [own] if own is not None else by_name.get(found.name.casefold(), [])
        if not nodes and graph.file_format == "list of links":
            nodes = [graph.nodes.setdefault(fields.key, SourceNode(found.name))]
        if not nodes:
            remedy = f"Correct it or remove the row.{suggest(found.name, list(by_name))}"
            faults.add(path.name, "the imported file has no such node", remedy, row=row, value=found.name)
        for node in nodes:
            placed.append(found.name)
            _fill(node, found)
    faults.raise_if_any()
    graph.note("read", f"coordinates of {len(placed)} nodes from {path.name}")
    if any(node.weight >= 0 for node in graph.nodes.values()) and not graph.weight_basis:
        graph.weight_basis = f"demand_weight of {path.name}"


def _fill(node: SourceNode, found: SourceNode) -> None:
    if found.name:
        node.name = found.name
    for name in ("latitude_deg", "longitude_deg", "weight", "population_million"):
        if (value := getattr(found, name)) == value:
            setattr(node, name, value)
    for name in ("country", "province", "region"):
        setattr(node, name, getattr(found, name) or getattr(node, name))

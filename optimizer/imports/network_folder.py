"""Import a network: read the file, clean the graph, write a folder that checks and solves at once."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import yaml

from network_data.display import short_text
from network_data.faults import FaultList, InputWarning, escape_text
from network_data.load import Network, load_network
from network_data.session import network_content
from optimizer.imports.clean import clean_graph
from optimizer.imports.edge_lists import apply_places, read_edge_list
from optimizer.imports.graphml import read_graphml
from optimizer.imports.pypsa_network import read_pypsa
from optimizer.imports.sndlib import NATIVE_HEADER, read_sndlib_native, read_sndlib_xml
from optimizer.imports.source_graph import CAPACITY_UNITS, SUBJECT, ImportOptions, Note, SourceGraph, refuse
from optimizer.imports.tables import build_tables, clean_name, slug_of
from optimizer.imports.topohub import read_topohub
from optimizer.imports.xml_files import parse_xml
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.problem.routing import fibre_graph, merge_links
from optimizer.runs.folder import replace_when_done
from scenarios import load_scenario
from scenarios.schema import NetworkUse, Routing
from scenarios.sources import BUILT_IN_FOLDER

ASSUMPTIONS_FILE = "ASSUMPTIONS.md"
SCENARIO_FILE = "scenario.yaml"
_DRAFT_PREFIX = ".edwc-import-"
_TEMPLATE = BUILT_IN_FOLDER / "own_network"
_READERS: dict[str, Callable[[Path, ImportOptions], SourceGraph]] = {
    ".graphml": read_graphml,
    ".json": read_topohub,
    ".nc": read_pypsa,
    ".csv": read_edge_list,
    ".parquet": read_edge_list,
}
_KNOWN = (
    "GraphML (.graphml), SNDlib (.xml or native text), topohub (.json), PyPSA (.nc or a folder with buses.csv), or a "
    "list of links (.csv) with --places"
)
_RTT_STEP_MS = 10.0
# Of the load at which the first link would be full, so that there is room to plan.
_LOAD_SHARE = 0.5
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")
_HEADS = {"read": "Read from the file", "assumed": "Assumed", "left out": "Left out"}
_DEFAULTS = ImportOptions()


@dataclass(frozen=True, repr=False)
class Imported:
    """
    A network that was imported.

    Attributes
    ----------
    folder
        The network's folder, as `load_network` takes it.
    scenario
        A scenario for it, in the same folder.
    notes
        What was read, assumed and left out, as in ASSUMPTIONS.md.
    """

    folder: Path
    scenario: Path
    notes: tuple[Note, ...]

    @property
    def network(self) -> Network:
        """The network."""
        return load_network(self.folder)

    def __repr__(self) -> str:
        counts = Counter(note.kind for note in self.notes)
        return short_text("Imported", self.folder.name, {str(kind): count for kind, count in counts.items()})


def import_network(source: Path | str, folder: Path | str, *, options: ImportOptions = _DEFAULTS) -> Imported:
    """
    Write a network folder, and a scenario that solves on it, from a file of another program.

    Parameters
    ----------
    source
        GraphML (Topology Zoo), an SNDlib network (XML or native text), topohub JSON, a PyPSA network (netCDF, or a
        folder of CSV tables), or a table of links with a table of places in `options`.
    folder
        Folder to write, which must not exist yet.
    options
        What the file does not say.

    Returns
    -------
    Imported
        The folder, and a list of what was assumed.

    Raises
    ------
    InputError
        If the folder exists, the file is of no such format or is damaged, its coordinates are not known or no degrees,
        or an option is out of range.
    OSError
        If the file system refuses to read or to write.
    """
    path, target = Path(source), Path(folder).absolute()
    _check(path, target, options)
    graph = _read(path, options)
    graph.name = clean_name(graph.name)
    graph.note("read", f"{graph.file_format}: {len(graph.nodes)} nodes and {len(graph.links)} links of {graph.name}")
    if options.places is not None:
        apply_places(graph, options.places)
    if not graph.nodes:
        raise refuse(path, "has no nodes", "Give the file of a network.")
    clean_graph(graph, swap_coordinates=options.swap_coordinates)
    (template,) = (load_network(part) for part in _TEMPLATE.iterdir() if part.is_dir())
    tables = build_tables(graph, template, options, _source_text(path, graph))
    target.parent.mkdir(parents=True, exist_ok=True)
    with replace_when_done(target, draft_prefix=_DRAFT_PREFIX) as draft:
        draft.mkdir()
        for name, content in network_content(tables).items():
            (draft / name).write_bytes(content)
        _write_scenario(draft, graph)
        (draft / ASSUMPTIONS_FILE).write_text(_assumptions(path, graph), encoding="utf-8", newline="\n")
        _check(path, target, options)  # it may have appeared meanwhile
    return Imported(target, target / SCENARIO_FILE, tuple(graph.notes))


def _check(path: Path, target: Path, options: ImportOptions) -> None:
    faults = FaultList(SUBJECT)
    if not path.exists():
        faults.add(str(path), "there is no such file or folder", f"Give {_KNOWN}.")
    if target.exists() or target.is_symlink():
        faults.add(str(target), "exists already, and nothing is overwritten", "Name a new folder.")
    for name, value in (("--capacity-gbps", options.capacity_gbps), ("--sites", options.sites)):
        if not (math.isfinite(value) and value > 0):
            faults.add(name, "is not a number above 0", "Give a number above 0.", value=value)
    if not (math.isfinite(options.route_factor) and options.route_factor >= 1):
        faults.add(
            "--route-factor", "is below 1", "No fibre is shorter than the great circle.", value=options.route_factor
        )
    if options.capacity_unit not in {None, *CAPACITY_UNITS}:
        faults.add("--capacity-unit", "is no unit", f"Use {', '.join(CAPACITY_UNITS)}.", value=options.capacity_unit)
    faults.raise_if_any()


def _read(path: Path, options: ImportOptions) -> SourceGraph:
    """Choose the reader by what the file is."""
    if path.is_dir():
        if (path / "buses.csv").is_file():
            return read_pypsa(path, options)
        raise refuse(path, "is a folder, but not one of PyPSA", f"Give {_KNOWN}.")
    if not path.is_file():  # a named pipe would block the reader for ever
        raise refuse(path, "is not a file", f"Give {_KNOWN}.")
    if path.suffix.lower() in _READERS:
        return _READERS[path.suffix.lower()](path, options)
    start = path.read_bytes()[:1024].lstrip(b"\xef\xbb\xbf \r\n\t")
    if start.startswith(NATIVE_HEADER.encode()):
        return read_sndlib_native(path, options)
    if start.startswith(b"<"):
        root = parse_xml(path.read_bytes(), path).tag.rpartition("}")[2]
        if root == "graphml":
            return read_graphml(path, options)
        if root == "network":
            return read_sndlib_xml(path, options)
    raise refuse(path, "is of no known format", f"Give {_KNOWN}.")


def _source_text(path: Path, graph: SourceGraph) -> str:
    origin = " ".join(escape_text(graph.origin).split())
    return f"{graph.file_format}, {escape_text(path.name)}" + (f"; it names as its source: {origin}" if origin else "")


def _write_scenario(folder: Path, graph: SourceGraph) -> None:
    """Write the scenario of the example for this network, with limits that it can keep."""
    (example,) = _TEMPLATE.glob("*.yaml")
    document: dict[str, Any] = yaml.safe_load(example.read_text(encoding="utf-8"))
    shutil.copyfile(_TEMPLATE / document["demand_profiles_table"], folder / document["demand_profiles_table"])
    document |= {
        "name": slug_of(graph.name) or "imported",
        "description": f"The example of edwc init on {graph.name}",
        "network": ".",
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # `edwc check` says them of the folder that stays
        network = load_network(folder)
        _raise_rtt_limits(document, network, graph)
        _write_yaml(folder, document)
        problem = assemble_problem(network, load_scenario(folder / SCENARIO_FILE))
    tokens = document["demand"]["tokens_per_day_trillion"]
    if (room := _room_on_links(problem)) < 1:
        tokens = float(f"{tokens * room * _LOAD_SHARE:.2g}")
        document["demand"] = {"tokens_per_day_trillion": tokens}
        _write_yaml(folder, document)
        graph.note("assumed", "demand is as low as the links of the file can carry")
    graph.note(
        "assumed",
        f"{tokens:g} trillion tokens a day, in the classes {' and '.join(document['workload_classes'])} of the example "
        "of edwc init, with its daily profiles and prices",
    )


def _write_yaml(folder: Path, document: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True)
    head = f"# {ASSUMPTIONS_FILE} says what of this is assumed; `edwc keys` explains every key.\n"
    (folder / SCENARIO_FILE).write_text(head + text, encoding="utf-8", newline="\n")


def _raise_rtt_limits(document: dict[str, Any], network: Network, graph: SourceGraph) -> None:
    """Raise limits on the round trip so far that every demand hub reaches a data center."""
    routing = Routing()
    fibre = fibre_graph(network, merge_links(network, routing, link_share=NetworkUse().link_share))
    centers = network.data_centers
    starts = set(centers["node"])
    one_way_ms = nx.multi_source_dijkstra_path_length(fibre, starts, weight="one_way_ms")
    hubs = network.nodes.index[network.nodes["demand_weight"] > 0]
    needed_ms = 2.0 * max(one_way_ms[hub] for hub in hubs) + float(centers["access_rtt_ms"].max())
    limit_ms = math.ceil(needed_ms / _RTT_STEP_MS) * _RTT_STEP_MS
    for name, item in document["workload_classes"].items():
        if item.get("rtt_limit_ms", math.inf) < needed_ms:
            item["rtt_limit_ms"] = limit_ms
            graph.note(
                "assumed",
                f"the round trip of class {name} may take {limit_ms:g} ms, so that all hubs reach a data center",
            )


def _room_on_links(problem: PlacementProblem) -> float:
    """How often the demand fits onto the links, if each workload is served at the nearest data center."""
    nearest = problem.candidates.sort_values("rtt_ms", kind="stable").drop_duplicates("workload_index")
    classes = problem.workloads["class_index"].to_numpy()[nearest["workload_index"]]
    peak = problem.demand_mtok_per_h.max(axis=0)[nearest["workload_index"]]
    gbps = peak * problem.classes["gbps_per_mtok_per_h"].to_numpy()[classes]
    by_route = np.bincount(nearest["route_index"], weights=gbps, minlength=len(problem.routes))
    ways = problem.route_links
    load = np.bincount(ways["link_index"], weights=by_route[ways["route_index"]], minlength=len(problem.links))
    used = load > 0
    return float((problem.links["capacity_gbps"].to_numpy()[used] / load[used]).min(initial=math.inf))


def _assumptions(path: Path, graph: SourceGraph) -> str:
    """Write the page of what was assumed."""
    digest = f", SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else ""
    text = (
        f"This network was imported by edwc from {_plain(_source_text(path, graph))}{digest}. The rights in that file "
        "are those of its source. Replace what is assumed before a result is used."
    )
    lines = ["# What was assumed", "", text]
    for kind, head in _HEADS.items():
        found = [note for note in graph.notes if note.kind == kind]
        lines += ["", f"## {head}", "", *(f"- {_plain(_note_text(note))}" for note in found)] if found else []
    return "\n".join(lines) + "\n"


def _note_text(note: Note) -> str:
    """Write a note as a sentence, with its items."""
    text = escape_text(note.text)
    named = f": {', '.join(map(escape_text, note.items))}" if note.items else ""
    return f"{text[:1].upper()}{text[1:]}{named}."


def _plain(text: str) -> str:
    """Escape what Markdown would take for markup."""
    return _MARKDOWN.sub(r"\\\1", text)

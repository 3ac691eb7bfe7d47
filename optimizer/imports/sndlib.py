"""SNDlib networks, as XML and in the library's own text format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optimizer.imports.source_graph import CAPACITY_UNITS, ImportOptions, SourceGraph, SourceLink, SourceNode, refuse
from optimizer.imports.xml_files import parse_xml

NATIVE_HEADER = "?SNDlib native format"
_DEMANDS = "demands that begin or end there, in the file"
_META = re.compile(r"^[ \t]*META[ \t]*\((?P<content>.*?)^[ \t]*\)", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"#[^\n]*")
_WORD = re.compile(r"[()]|[^\s()]+")
_ENDS = 2  # places in a pair of nodes or of coordinates


def read_sndlib_xml(path: Path, options: ImportOptions) -> SourceGraph:
    """
    Read an SNDlib network in XML.

    Raises
    ------
    InputError
        If it is no such file.
    """
    root = parse_xml(path.read_bytes(), path)
    place = root.tag.rpartition("}")[0] + "}" if "}" in root.tag else ""

    def texts(element: Any, way: str) -> list[str]:
        found = element.findall("/".join(f"{place}{step}" for step in way.split("/")))
        return [(item.text or "").strip() for item in found]

    def first(element: Any, way: str) -> str:
        return next(iter(texts(element, way)), "")

    unit = _unit(first(root, "meta/unit"), options)
    graph = SourceGraph("SNDlib XML", path.stem, origin=first(root, "meta/origin"))
    listed = root.find(f"{place}networkStructure/{place}nodes")
    if listed is None:
        raise refuse(path.name, "holds no nodes of an SNDlib network", "Give the file of a network, not of a model.")
    is_drawing = listed.get("coordinatesType", "geographical") != "geographical"
    for item in listed:
        key = str(item.get("id", "")).strip()
        x, y = (_number(first(item, f"coordinates/{axis}"), path) for axis in "xy")
        graph.nodes[key] = SourceNode(key) if is_drawing else SourceNode(key, latitude_deg=y, longitude_deg=x)
    if is_drawing:
        graph.note("left out", "coordinates, which are those of a drawing, not degrees")
    for item in root.iterfind(f"{place}networkStructure/{place}links/{place}link"):
        installed = first(item, "preInstalledModule/capacity")
        modules = texts(item, "additionalModules/addModule/capacity")
        capacities = [_number(text, path) for text in (installed, *modules)]
        graph.links.append(_link(first(item, "source"), first(item, "target"), capacities, unit))
    for item in root.iterfind(f"{place}demands/{place}demand"):
        value = _number(first(item, "demandValue"), path)
        _add_demand(graph, (first(item, "source"), first(item, "target")), value, path)
    return _with_nodes(graph, path)


def read_sndlib_native(path: Path, options: ImportOptions) -> SourceGraph:
    """
    Read an SNDlib network in the library's own format.

    Raises
    ------
    InputError
        If it is no such file; names the line where it ends to be one.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="latin-1")  # the encoding of the library; every byte is a character of it
    if "type: network" not in text.partition("\n")[0]:
        raise refuse(path.name, "is no network of SNDlib", "Give the file of a network, not of a model.", row=1)
    graph = SourceGraph("SNDlib native format", path.stem)
    meta = {}
    if found := _META.search(text):
        lines = (line.partition("=") for line in found["content"].splitlines())
        meta = {name.strip().lower(): value.strip() for name, _, value in lines}
        # Keep the line breaks, by which faults name their line.
        text = text[: found.start()] + "\n" * found[0].count("\n") + text[found.end() :]
    graph.origin = meta.get("origin", "")
    unit = _unit(meta.get("unit", ""), options)
    sections = {item.head: item.parts for item in _items(_nested(text, path).parts)}
    for item in _items(_section(sections, "NODES", path), lists=0):
        x, y = [_number(part, path, item.row) for part in item.list_at(0)] or [math.nan, math.nan]
        graph.nodes[item.head] = SourceNode(item.head, latitude_deg=y, longitude_deg=x)
    for item in _items(_section(sections, "LINKS", path), lists=2):
        modules = item.list_at(1)[::2]
        capacities = [_number(part, path, item.row) for part in (*item.words[:1], *modules)]
        graph.links.append(_link(*item.pair(path), capacities, unit))
    for item in _items(sections.get("DEMANDS", [])):
        value = _number(item.words[1] if len(item.words) > 1 else "", path, item.row)
        _add_demand(graph, item.pair(path), value, path, item.row)
    return _with_nodes(graph, path)


@dataclass
class _Nested:
    """A pair of parentheses and what stands in it: words with their lines, and further pairs."""

    row: int
    parts: list[tuple[str, int] | _Nested] = field(default_factory=list)


@dataclass
class _Item:
    """A word with the words and lists that follow it: one node, link, demand or section."""

    head: str
    row: int
    words: list[str] = field(default_factory=list)
    lists: list[_Nested] = field(default_factory=list)

    @property
    def parts(self) -> list[tuple[str, int] | _Nested]:
        """What stands in its only list."""
        return self.lists[0].parts if self.lists else []

    def list_at(self, at: int) -> list[str]:
        """Words of one of its lists; none where there is no such list."""
        return [part[0] for part in self.lists[at].parts if isinstance(part, tuple)] if at < len(self.lists) else []

    def pair(self, path: Path) -> tuple[str, str]:
        """Name its two nodes."""
        if len(ends := self.list_at(0)) != _ENDS:
            remedy = "Write ID ( SOURCE TARGET ) and its numbers."
            raise refuse(path.name, f"{self.head} does not name two nodes", remedy, row=self.row)
        return ends[0], ends[1]


def _nested(text: str, path: Path) -> _Nested:
    """Read nested parentheses, without recursion."""
    open_lists = [_Nested(1)]
    for row, line in enumerate(text.splitlines(), start=1):
        if line.startswith("?"):
            continue
        for word in _WORD.findall(_COMMENT.sub("", line)):
            if word == "(":
                inner = _Nested(row)
                open_lists[-1].parts.append(inner)
                open_lists.append(inner)
            elif word == ")":
                open_lists.pop()
                if not open_lists:
                    raise refuse(path.name, "closes a parenthesis that none opened", "Remove it.", row=row)
            else:
                open_lists[-1].parts.append((word, row))
    if len(open_lists) > 1:
        row = open_lists[-1].row
        raise refuse(path.name, "ends within a parenthesis", "Give the whole file.", row=row)
    return open_lists[0]


def _items(parts: list[tuple[str, int] | _Nested], *, lists: int = 1) -> Iterator[_Item]:
    """
    Split what stands in a list.

    Parameters
    ----------
    lists
        Lists that belong to an item: after them, a word with a list begins the next one; with 0, every word does.
    """
    item: _Item | None = None
    for at, part in enumerate(parts):
        opens = at + 1 < len(parts) and isinstance(parts[at + 1], _Nested)
        if isinstance(part, _Nested):
            if item is not None:
                item.lists.append(part)
        elif item is None or (len(item.lists) >= lists and (opens or not lists)):
            if item is not None:
                yield item
            item = _Item(*part)
        else:
            item.words.append(part[0])
    if item is not None:
        yield item


def _section(sections: dict[str, list[Any]], name: str, path: Path) -> list[Any]:
    if name not in sections:
        raise refuse(path.name, f"has no section {name}", "Give the file of a network, not of a model.")
    return sections[name]


def _number(text: str, path: Path, row: int | None = None) -> float:
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise refuse(path.name, "is not a number", "Correct the file.", value=text, row=row) from None


def _unit(stated: str, options: ImportOptions) -> float | None:
    """Find what one unit of a capacity is in Gbps: as the file says, else as the option says."""
    known = {"kbit": "kbps", "mbit": "mbps", "gbit": "gbps", "tbit": "tbps"}
    name = known.get(stated.lower()[:4], options.capacity_unit)
    return None if name is None else CAPACITY_UNITS[name]


def _link(start: str, end: str, capacities: list[float], unit: float | None) -> SourceLink:
    """Build a link with the capacity in place, else that of its largest module."""
    installed, *modules = capacities
    if unit is not None and installed > 0:
        return SourceLink(start, end, capacity_gbps=installed * unit, capacity_basis="pre-installed capacity")
    if unit is not None and modules:
        return SourceLink(start, end, capacity_gbps=max(modules) * unit, capacity_basis="largest module")
    return SourceLink(start, end, has_bare_capacity=unit is None)


def _add_demand(graph: SourceGraph, ends: tuple[str, str], value: float, path: Path, row: int | None = None) -> None:
    for key in ends:
        if key not in graph.nodes:
            raise refuse(path.name, "a demand names a node that is not there", "Correct it.", value=key, row=row)
        node = graph.nodes[key]
        node.weight = value + (0.0 if math.isnan(node.weight) else node.weight)
    graph.weight_basis = _DEMANDS


def _with_nodes(graph: SourceGraph, path: Path) -> SourceGraph:
    if not graph.nodes:
        raise refuse(path.name, "has no nodes", "Give the file of a network.")
    return graph

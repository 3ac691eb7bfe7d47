"""What a name stands for: built-in scenarios, price cases, workload classes and networks, each with its description."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network_data.faults import FaultList, suggest
from network_data.load import list_networks, load_network
from scenarios.document import Place
from scenarios.keys import Key, list_keys
from scenarios.load import load_scenario
from scenarios.sources import (
    BUILT_IN_FOLDER,
    PRICE_CASE_FOLDER,
    Sources,
    list_price_cases,
    list_scenarios,
)

__all__ = ["Summary", "describe_network", "describe_scenario", "find_named", "list_names"]

_CLASS_PREFIX = "workload_classes.CLASS."
_TABLES = ("nodes", "data_centers", "pools", "links", "tariffs", "grids", "accelerators")


@dataclass(frozen=True)
class Summary:
    """
    What a name stands for.

    Attributes
    ----------
    kind
        `scenario`, `price case`, `workload class` or `network`.
    name
        The name.
    description, source, confidence
        As its author states them; empty where nothing is stated.
    file
        File or folder that defines it.
    text
        Its YAML file; empty for a class and a network.
    values
        Of a class its keys, of a network the rows of its tables: each with its value.
    keys
        Unit and meaning of each of `values`.
    """

    kind: str
    name: str
    description: str
    source: str
    confidence: str
    file: Path
    text: str = ""
    values: tuple[Any, ...] = ()
    keys: tuple[Key, ...] = ()


def list_names(scenario: str | Path = "base") -> list[str]:
    """
    List every name that `find_named` knows: built-in scenarios, price cases and networks, and workload classes.

    Parameters
    ----------
    scenario
        Scenario of the classes.
    """
    classes = load_scenario(scenario).workload_classes
    return [*list_scenarios(), *list_price_cases(), *classes, *list_networks()]


def find_named(name: str, scenario: str | Path = "base") -> Summary:
    """
    Find what a name stands for.

    Parameters
    ----------
    name
        Name of a built-in scenario, price case or network, id of a workload class, the file of a scenario or price
        case, or the folder of a network.
    scenario
        Scenario of the classes.

    Raises
    ------
    InputError
        If there is no such name, file or folder, or it cannot be read.
    """
    if name in list_scenarios():
        return describe_scenario(BUILT_IN_FOLDER / f"{name}.yaml")
    if name in list_price_cases():
        return describe_scenario(PRICE_CASE_FOLDER / f"{name}.yaml")
    if name in list_networks() or os.path.isdir(name):  # noqa: PTH112 - as below
        return describe_network(name)
    if os.path.isfile(name):  # noqa: PTH113 - a name that no file system takes is none
        return describe_scenario(Path(name))
    loaded = load_scenario(scenario)
    if name not in loaded.workload_classes:
        faults = FaultList("the name")
        remedy = "Give a name that `edwc list` shows, the id of a workload class, or a YAML file."
        near = suggest(name, list_names(scenario))
        faults.add("NAME", "is no scenario, price case, workload class, network or file", remedy + near, value=name)
        raise faults.error()
    found = loaded.workload_classes[name]
    keys = tuple(key for key in list_keys() if key.name.startswith(_CLASS_PREFIX))
    names = [key.name.removeprefix(_CLASS_PREFIX) for key in keys]
    about = (found.name, found.source, found.confidence or "")
    values = tuple(getattr(found, key) for key in names)
    return Summary("workload class", name, *about, loaded.source_path, values=values, keys=keys)


def describe_scenario(path: Path) -> Summary:
    """
    Say what the file of a scenario or price case states of itself; what it extends is not read.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    faults = FaultList(f"{path.name}")
    root = Sources(path, faults).read_price_case(path, Place(str(path)))
    if root is None:
        raise faults.error()
    kind = "price case" if "changes" in root.entries or "hourly_series_table" in root.entries else "scenario"
    description, source, confidence = (
        " ".join((root.text(key) or "").split()) for key in ("description", "source", "confidence")
    )
    text = path.read_text(encoding="utf-8-sig")
    return Summary(kind, root.text("name") or path.stem, description, source, confidence, path, text)


def describe_network(name: str) -> Summary:
    """
    Say how large a network is.

    Parameters
    ----------
    name
        Built-in network, or the folder of one.

    Raises
    ------
    InputError
        If it has faults.
    """
    network = load_network(name)
    rows = {table: len(getattr(network, table)) for table in _TABLES}
    hubs = int((network.nodes["demand_weight"] > 0).sum())
    size = f"{hubs} demand hubs, {rows['data_centers']} data centers, {rows['links']} links"
    keys = tuple(Key(table, "rows", is_required=True, default=None, allowed="", description="") for table in rows)
    return Summary("network", network.name, size, "", "", network.folder, values=tuple(rows.values()), keys=keys)

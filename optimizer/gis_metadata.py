"""What an export says of itself: run, scenario, versions, proven gap, numbers, and where the data come from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from network_data.load import BUILT_IN_FOLDER as NETWORK_FOLDER
from optimizer.geo import RunTables
from optimizer.gis_layers import CRS
from scenarios.sources import BUILT_IN_FOLDER as SCENARIO_FOLDER

# Pages that say where figures and outlines come from and under which terms; a page of a user's own may be long.
_PAGES = ("SOURCES.md", "BASEMAP.md")
_LONGEST_PAGE_BYTES = 100_000
_TOLD = (
    "finished_utc", "termination", "method", "objective_cny_per_year", "bound_cny_per_year", "mip_rel_gap",
)  # fmt: skip


def metadata_table(run: RunTables) -> pd.DataFrame:
    """
    Describe a run and its sources.

    Parameters
    ----------
    run
        The run.

    Returns
    -------
    DataFrame
        Texts `key` and `value`, the same for the same run and versions. Keys: title, run, coordinates, scenario...,
        network..., how the solve ended, `options.` of the solver, `summary.` numbers, `version.` of the solving
        program and its libraries, `export_version.` of those that export, `input_sha256.` of each input file,
        `source.` pages of the network (figures, basemap) and of the scenario, `licence`.
    """
    pairs = [(key, _spell(value)) for key, value in _facts(run) if value is not None]
    return pd.DataFrame(pairs, columns=["key", "value"], dtype=str)


def metadata_json(table: pd.DataFrame) -> str:
    """
    Spell the metadata as a JSON object, for formats that hold one text.

    Parameters
    ----------
    table
        See `metadata_table`.
    """
    return json.dumps(dict(zip(table["key"], table["value"], strict=True)), ensure_ascii=False)


def _facts(run: RunTables) -> Iterator[tuple[str, Any]]:
    info = run.info
    scenario, network = _section(info, "scenario"), _section(info, "network")
    names = [told["name"] for told in (scenario, network) if told.get("name")]
    yield "title", f"Allocation of inference workloads: {' on '.join(map(str, names))}"
    yield "run", run.folder.resolve().name
    yield "coordinates", f"{CRS} (WGS 84), longitude before latitude, degrees"
    yield "scenario", scenario.get("name")
    yield "scenario_description", scenario.get("description")
    yield "scenario_changes", "; ".join(map(str, scenario.get("overrides") or ())) or None
    yield "network", network.get("name")
    for key in _TOLD:
        yield key, info.get(key)
    yield from _flat("options", _section(info, "options"))
    yield from _flat("summary", _section(info, "summary"))
    yield from _flat("version", _section(info, "versions"))
    yield from _flat("export_version", _export_versions())
    for told in (scenario, network):
        yield from _flat("input_sha256", _section(told, "file_hashes"))
    yield from _pages("network", _network_folder(network, run.folder), _section(network, "file_hashes"))
    if scenario.get("built_in"):
        hashes = _section(scenario, "file_hashes")
        own = {name: sha256 for name, sha256 in hashes.items() if name.startswith(f"{SCENARIO_FOLDER.name}/")}
        yield from _pages("scenario", SCENARIO_FOLDER, {Path(name).name: sha256 for name, sha256 in own.items()})
    yield "licence", "The program that wrote this, edwc, is under the MIT licence. For the data see the source pages."


def _section(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Read a part of `run.json`; a run that another program wrote may say less, or a name alone."""
    section = told.get(key)
    return section if isinstance(section, Mapping) else {} if section is None else {"name": section}


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}.{key}", value)
        elif not isinstance(value, list):
            yield f"{prefix}.{key}", value


def _spell(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _export_versions() -> dict[str, str]:
    from importlib import metadata

    import pyogrio

    libraries = ("geopandas", "pyogrio", "pyarrow", "shapely")
    gdal = ".".join(map(str, pyogrio.__gdal_version__))
    return {**{name: metadata.version(name) for name in libraries}, "gdal": gdal}


def _network_folder(network: Mapping[str, Any], run_folder: Path) -> Path | None:
    """Find the network again: built in, else relative to the run, else where it was."""
    if network.get("built_in"):
        return NETWORK_FOLDER / str(network["built_in"])
    places = [network[key] for key in ("path", "absolute_path") if network.get(key)]
    beside = (Path(os.path.normpath(run_folder.resolve() / str(place))) for place in places)
    return next((folder for folder in beside if folder.is_dir()), None)


def _pages(subject: str, folder: Path | None, hashes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Quote the pages on sources; not those of a folder that has changed, as they may speak of other figures."""
    if folder is None:
        yield f"source.{subject}", f"The {subject}'s folder was not found when this was exported; it says the sources."
        return
    if any(not _is_same(folder / name, sha256) for name, sha256 in hashes.items()):
        yield f"source.{subject}", f"The {subject}'s files have changed since the run; their sources are not quoted."
        return
    for name in _PAGES:
        page = folder / name
        if page.is_file():
            text = page.read_bytes()[:_LONGEST_PAGE_BYTES].decode("utf-8", errors="replace")
            yield f"source.{subject}.{name}", text.replace("\0", "")


def _is_same(path: Path, sha256: Any) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

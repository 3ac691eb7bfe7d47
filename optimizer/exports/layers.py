"""Layers of a run for geographic information systems, the columns they have, and the metadata of an export."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from network_data.currency import in_currency
from network_data.faults import Fault, InputError, suggest
from network_data.load import BUILT_IN_FOLDER as NETWORK_FOLDER
from optimizer.exports.columns import TABLE_SUFFIXES, run_tables
from optimizer.runs.places import flow_table, line_between, positions_of
from optimizer.runs.run import Run
from scenarios.sources import BUILT_IN_FOLDER as SCENARIO_FOLDER

CRS = "EPSG:4326"

# In drawing order: QGIS puts the last layer on top.
LAYERS = ("links", "flows_straight", "flows", "demand_hubs", "data_centers")
SLICE_LAYERS = tuple(f"{name}_by_slice" for name in LAYERS)

# Representative days have no date, but programs that play a map through time need one: day n gets day n of 2000.
_FIRST_DAY = pd.Timestamp("2000-01-01")

# A time slice ends a millisecond before the next begins, for programs that count the end as part of it.
_MOMENT = pd.Timedelta(milliseconds=1)
_SLICE = ["day", "hour"]


def allocation_layers(run: Run, *, per_slice: bool = False) -> dict[str, Any]:
    """
    Build the geographic layers of a run.

    Parameters
    ----------
    run
        The run.
    per_slice
        Add a layer `..._by_slice` to each, with a row for each time slice.

    Returns
    -------
    dict of GeoDataFrame
        `demand_hubs` and `data_centers` (points), `links` (lines, all columns of the run's table, and
        mean_load_share), `flows` (one line per demand hub, data center and route, along its fibre) and
        `flows_straight` (one line per demand hub and data center). Flows have mtok_per_year, token_share (of all
        tokens), rtt_ms, classes (ids, largest volume first) and the names and regions of both ends. All in
        EPSG:4326. A line that would cross the antimeridian is cut there; a flow that never leaves its place
        has `is_local` and no geometry.

    Raises
    ------
    InputError
        If the run folder is not complete or its tables do not fit together.
    """
    built = {
        "links": _link_layer(run.links),
        "flows_straight": _flow_layer(run, ("demand_hub", "data_center")),
        "flows": _flow_layer(run, "route"),
        "demand_hubs": _point_layer(run.demand_hubs),
        "data_centers": _point_layer(run.data_centers),
    }
    if per_slice:
        built |= _slice_layers(run, built)
    return built


def choose_layers(run: Run, layer: str | None, *, per_slice: bool) -> dict[str, Any]:
    """
    Build the layers that an export writes.

    Parameters
    ----------
    layer
        The one layer to build; None = all.
    per_slice
        Add the layers by time slice; a layer by time slice may be named without it.

    Raises
    ------
    InputError
        If there is no such layer, or the run has no tables by time slice.
    """
    if layer is None:
        return allocation_layers(run, per_slice=per_slice)
    known = (*LAYERS, *SLICE_LAYERS)
    if layer not in known:
        is_table = layer in run_tables()
        problem = "is a table without places" if is_table else "is no layer of a run"
        remedy = f"Use one of {', '.join(known)}.{suggest(layer, known)}"
        remedy = f"Name a file that ends in {', '.join(TABLE_SUFFIXES)}." if is_table else remedy
        raise InputError([Fault("--layer", None, None, layer, problem, remedy)], "the export")
    return {layer: allocation_layers(run, per_slice=layer in SLICE_LAYERS)[layer]}


def _point_layer(places: pd.DataFrame) -> Any:
    points = gpd.GeoSeries.from_xy(places["longitude_deg"].to_numpy(), places["latitude_deg"].to_numpy(), crs=CRS)
    return gpd.GeoDataFrame(places.reset_index(), geometry=points)


def _link_layer(links: pd.DataFrame) -> Any:
    columns = ["from_longitude_deg", "from_latitude_deg", "to_longitude_deg", "to_latitude_deg"]
    lines = [line_between([(a, b), (c, d)]) for a, b, c, d in links[columns].to_numpy(float)]
    table = links.reset_index()
    if {"mean_gbps", "capacity_gbps"} <= set(table.columns):
        mean, capacity = table["mean_gbps"].to_numpy(float), table["capacity_gbps"].to_numpy(float)
        table["mean_load_share"] = np.divide(mean, capacity, out=np.zeros(len(mean)), where=capacity > 0)
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(lines, crs=CRS))


def _flow_layer(run: Run, by: str | tuple[str, ...]) -> Any:
    table = flow_table(run, by).reset_index()
    hubs, centers = positions_of(run.demand_hubs), positions_of(run.data_centers)
    # A data center may stand some way from its fibre node; the last hop makes the line end where it does.
    between = [()] * len(table) if "route" not in table else run.routes["points"].reindex(table["route"])
    lines = [
        line_between([hubs[hub], *points, centers[data_center]])
        for hub, data_center, points in zip(table["demand_hub"], table["data_center"], between, strict=True)
    ]
    for end, places in (("demand_hub", run.demand_hubs), ("data_center", run.data_centers)):
        for column in ("name", "name_local", "region"):
            if column in places:
                table[f"{end}_{column}"] = places[column].reindex(table[end]).to_numpy()
    table["is_local"] = np.array([line is None for line in lines], dtype=bool)
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(lines, index=table.index, crs=CRS))


def _slice_layers(run: Run, built: dict[str, Any]) -> dict[str, Any]:
    """Build the layers by time slice: what is carried or served in each."""
    stored = run.slice_tables
    clock = slice_clock(stored["links_by_slice"])
    hubs = run.allocation.groupby([*_SLICE, "demand_hub"], sort=False)["mtok_per_h"].sum()
    every_hub = clock[_SLICE].merge(run.demand_hubs.index.to_frame(name="demand_hub", index=False), how="cross")
    served = every_hub.join(hubs, on=[*_SLICE, "demand_hub"]).fillna({"mtok_per_h": 0.0})
    pair = ["demand_hub", "data_center"]
    tables = {
        "links": (stored["links_by_slice"].rename(columns={"link": "id"}), ["id"]),
        "flows_straight": (_flows_by_slice(run, pair), pair),
        "flows": (_flows_by_slice(run, ["route"]), ["route"]),
        "demand_hubs": (served.rename(columns={"demand_hub": "id"}), ["id"]),
        "data_centers": (stored["data_centers_by_slice"].rename(columns={"data_center": "id"}), ["id"]),
    }
    return {
        f"{name}_by_slice": _place(table.drop(columns="weight_h", errors="ignore"), keys, built[name], clock)
        for name, (table, keys) in tables.items()
    }


def slice_clock(links_by_slice: pd.DataFrame) -> pd.DataFrame:
    """List the time slices with their weight, and begin and end on the made-up date of their day."""
    clock = links_by_slice[[*_SLICE, "weight_h"]].drop_duplicates(_SLICE, ignore_index=True)
    days = pd.Index(clock["day"].unique())
    by_day = clock.groupby("day", sort=False)["hour"]
    # The last slice of a day ends where its first begins again, which may be after midnight: days follow without gaps.
    next_hour = by_day.shift(-1).fillna(by_day.transform("first") + 24.0)
    midnight = _FIRST_DAY + pd.to_timedelta(days.get_indexer(pd.Index(clock["day"])), unit="D")
    for name, hour in (("slice_begin", clock["hour"]), ("slice_end", next_hour)):
        clock[name] = pd.DatetimeIndex(midnight + pd.to_timedelta(hour.to_numpy(), unit="h")).as_unit("ms")
    clock["slice_end"] -= _MOMENT
    return clock


def _flows_by_slice(run: Run, keys: list[str]) -> pd.DataFrame:
    """Flows in each time slice, mtok per hour."""
    flows = flow_table(run, (*_SLICE, *keys)).reset_index()
    weight_h = run.allocation.drop_duplicates(_SLICE)[[*_SLICE, "weight_h"]]
    flows["mtok_per_h"] = flows["mtok_per_year"] / flows.merge(weight_h, on=_SLICE, how="left")["weight_h"]
    return flows[[*_SLICE, *keys, "mtok_per_h", "rtt_ms", "classes"]]


def _place(table: pd.DataFrame, keys: list[str], whole: Any, clock: pd.DataFrame) -> Any:
    """Add to each row the labels and the geometry of its place, and the clock of its time slice."""
    labels = [
        name
        for name in whole.columns
        if name not in table and (name in _KEPT_LABELS or name.endswith(("_name", "_name_local", "_region")))
    ]
    # The stored order of time slices, not the alphabet's, is that of the year.
    timed = clock.merge(table, on=_SLICE, how="inner", sort=False)
    placed = timed.merge(whole[[*keys, *labels, "geometry"]], on=keys, how="left", sort=False)
    first = [*_SLICE, "slice_begin", "slice_end", "weight_h", *keys]
    order = [*first, *(name for name in placed.columns if name not in {*first, "geometry"})]
    return gpd.GeoDataFrame(placed[order], geometry=gpd.GeoSeries(placed["geometry"], crs=CRS))


# What a row of a layer by time slice keeps of its place, beside its key.
_KEPT_LABELS = {
    "name", "name_local", "region", "from_node", "to_node", "capacity_gbps", "it_capacity_mw", "demand_hub",
    "data_center", "is_local",
}  # fmt: skip

# Pages that say where figures and outlines come from, under which terms, and what an import assumed; a page of a
# user's own may be long.
_PAGES = ("SOURCES.md", "BASEMAP.md", "ASSUMPTIONS.md")
_LONGEST_PAGE_BYTES = 100_000
_FACTS = (
    "finished_utc", "termination", "method", "objective_cny_per_year", "bound_cny_per_year", "mip_rel_gap",
)  # fmt: skip


def metadata_table(run: Run) -> pd.DataFrame:
    """
    Describe a run and its sources.

    Returns
    -------
    DataFrame
        Texts `key` and `value`, the same for the same run and versions. Keys: title, run, coordinates, scenario...,
        network..., currency, how the solve ended, `options.` of the solver, `summary.` numbers, `version.` of the
        solving program and its libraries, `export_version.` of those that export, `input_sha256.` of each input file,
        `source.` pages of the network (figures, basemap) and of the scenario, `licence`.
    """
    facts = ((in_currency(key, run.currency), value) for key, value in _facts(run))
    pairs = [(key, _format_fact(value)) for key, value in facts if value is not None]
    return pd.DataFrame(pairs, columns=["key", "value"], dtype=str)


def metadata_json(table: pd.DataFrame) -> str:
    """Write `metadata_table` as a JSON object, for formats that hold one text."""
    return json.dumps(dict(zip(table["key"], table["value"], strict=True)), ensure_ascii=False)


def _facts(run: Run) -> Iterator[tuple[str, Any]]:
    info = run.info
    scenario, network = _section(info, "scenario"), _section(info, "network")
    names = [section["name"] for section in (scenario, network) if section.get("name")]
    yield "title", f"Allocation of inference workloads: {' on '.join(map(str, names))}"
    yield "run", run.name if run.folder is None else run.folder.resolve().name
    yield "coordinates", f"{CRS} (WGS 84), longitude before latitude, degrees"
    yield "scenario", scenario.get("name")
    yield "scenario_description", scenario.get("description")
    yield "scenario_changes", "; ".join(map(str, scenario.get("overrides") or ())) or None
    yield "network", network.get("name")
    yield "currency", run.currency
    yield "time_zone", network.get("time_zone") or None
    for key in _FACTS:
        yield key, info.get(key)
    yield from _flat("options", _section(info, "options"))
    yield from _flat("summary", _section(info, "summary"))
    yield from _flat("version", _section(info, "versions"))
    yield from _flat("export_version", _export_versions())
    for section in (scenario, network):
        yield from _flat("input_sha256", _section(section, "file_hashes"))
    yield from _pages("network", _network_folder(network, run), _section(network, "file_hashes"))
    if scenario.get("built_in"):
        hashes = _section(scenario, "file_hashes")
        own = {name: sha256 for name, sha256 in hashes.items() if name.startswith(f"{SCENARIO_FOLDER.name}/")}
        yield from _pages("scenario", SCENARIO_FOLDER, {Path(name).name: sha256 for name, sha256 in own.items()})
    yield "licence", "The program that wrote this, edwc, is under the MIT licence. For the data see the source pages."


def _section(info: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Read a part of `run.json`; in a run of another program it may be missing, or only a name."""
    section = info.get(key)
    return section if isinstance(section, Mapping) else {} if section is None else {"name": section}


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}.{key}", value)
        elif not isinstance(value, list):
            yield f"{prefix}.{key}", value


def _format_fact(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _export_versions() -> dict[str, str]:
    from importlib import metadata

    import pyogrio

    libraries = ("geopandas", "pyogrio", "pyarrow", "shapely")
    gdal = ".".join(map(str, pyogrio.__gdal_version__))
    return {**{name: metadata.version(name) for name in libraries}, "gdal": gdal}


def _network_folder(network: Mapping[str, Any], run: Run) -> Path | None:
    """Find the network again: built in, else relative to the run, else in its old place."""
    if network.get("built_in"):
        return NETWORK_FOLDER / str(network["built_in"])
    if run.folder is None:
        return run.network.folder
    places = [network[key] for key in ("path", "absolute_path") if network.get(key)]
    beside = (Path(os.path.normpath(run.folder.resolve() / str(place))) for place in places)
    return next((folder for folder in beside if folder.is_dir()), None)


def _pages(subject: str, folder: Path | None, hashes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Quote the pages on sources; not those of a folder that has changed, as they may describe other figures."""
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


@dataclass(frozen=True)
class GisOptions:
    """
    What an export to a geographic information system holds.

    Attributes
    ----------
    layer
        The one layer to write, see `LAYERS` and `SLICE_LAYERS`, or table of the run, see `columns.run_tables`; None =
        all.
    per_slice
        Add a layer `..._by_slice` to each, with a row for each time slice.
    folder_format
        Fill a folder with one file of this format for each layer, see `files.FOLDER_FORMATS`; None = write one file.
    """

    layer: str | None = None
    per_slice: bool = False
    folder_format: str | None = None

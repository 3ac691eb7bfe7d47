"""A run as layers of a geographic information system: places, links with their load, flows along fibre and straight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from network_data.faults import FaultList, suggest
from optimizer.geo import RunTables, flow_table, line_between, positions_of, read_run, read_slice_tables

CRS = "EPSG:4326"
# In drawing order: QGIS puts the last layer on top.
LAYERS = ("links", "flows_straight", "flows", "demand_hubs", "data_centers")
SLICE_LAYERS = tuple(f"{name}_by_slice" for name in LAYERS)
# Representative days have no date, but programs that play a map through time need one: day n gets day n of 2000.
_FIRST_DAY = pd.Timestamp("2000-01-01")
# A time slice ends a moment before the next begins: programs that take an end as part of it then do not show two.
_MOMENT = pd.Timedelta(milliseconds=1)
_SLICE = ["day", "hour"]


def allocation_layers(run_folder: Path | str, *, per_slice: bool = False) -> dict[str, Any]:
    """
    Build the geographic layers of a run.

    Parameters
    ----------
    run_folder
        The run folder.
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
    return layers_of(read_run(run_folder), per_slice=per_slice)


def layers_of(run: RunTables, *, per_slice: bool = False) -> dict[str, Any]:
    """
    Build the geographic layers from tables already read.

    Parameters
    ----------
    run
        The run.
    per_slice
        Add the layers by time slice.

    Returns
    -------
    dict of GeoDataFrame
        In drawing order, see `allocation_layers`.

    Raises
    ------
    InputError
        If layers by time slice are asked for and the run has no such tables.
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


def choose_layers(run: RunTables, layer: str | None, *, per_slice: bool) -> dict[str, Any]:
    """
    Build the layers that an export asks for.

    Parameters
    ----------
    run
        The run.
    layer
        The one layer to build; None = all.
    per_slice
        Add the layers by time slice; a layer by time slice may be named without it.

    Returns
    -------
    dict of GeoDataFrame
        By name.

    Raises
    ------
    InputError
        If there is no such layer, or the run has no tables by time slice.
    """
    if layer is None:
        return layers_of(run, per_slice=per_slice)
    known = (*LAYERS, *SLICE_LAYERS)
    if layer not in known:
        faults = FaultList("the export")
        remedy = f"Use one of {', '.join(known)}.{suggest(layer, known)}"
        faults.add("--layer", "is no layer of a run", remedy, value=layer)
        raise faults.error()
    return {layer: layers_of(run, per_slice=layer in SLICE_LAYERS)[layer]}


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


def _flow_layer(run: RunTables, by: str | tuple[str, ...]) -> Any:
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


def _slice_layers(run: RunTables, built: dict[str, Any]) -> dict[str, Any]:
    """Give each layer a row for each time slice, with what is carried or served in it."""
    stored = read_slice_tables(run)
    clock = _slice_clock(stored["links_by_slice"])
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


def _slice_clock(links_by_slice: pd.DataFrame) -> pd.DataFrame:
    """List the time slices with their weight, and begin and end on the made-up date of their day."""
    clock = links_by_slice[[*_SLICE, "weight_h"]].drop_duplicates(_SLICE, ignore_index=True)
    days = pd.Index(clock["day"].unique())
    next_hour = clock.groupby("day", sort=False)["hour"].shift(-1).fillna(24.0)
    midnight = _FIRST_DAY + pd.to_timedelta(days.get_indexer(pd.Index(clock["day"])), unit="D")
    for name, hour in (("slice_begin", clock["hour"]), ("slice_end", next_hour)):
        clock[name] = pd.DatetimeIndex(midnight + pd.to_timedelta(hour.to_numpy(), unit="h")).as_unit("ms")
    clock["slice_end"] -= _MOMENT
    return clock


def _flows_by_slice(run: RunTables, keys: list[str]) -> pd.DataFrame:
    """Sum what flows in each time slice, mtok per hour."""
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

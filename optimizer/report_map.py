"""The map of a report as data: outlines, places, fibre and flows, which the page's script draws and filters."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.geo import RunTables, positions_shown
from optimizer.map_basemap import load_basemap
from optimizer.map_flows import stop_positions, stops_by_route
from optimizer.map_projection import MapProjection, View, fit_map, ground_length_km
from optimizer.map_style import region_colours
from optimizer.report_data import ReportData

FloatArray = npt.NDArray[np.float64]

MAP_WIDTH = 1000.0
ASPECT = 1.36
# What is nearer than this on the map is drawn as one point; a pixel of a wide screen is about one unit.
_SIMPLER_THAN = 0.25
_DIGITS = 6


def map_data(data: ReportData, basemap: Path | None) -> dict[str, Any]:
    """
    Build what the page's script needs to draw the map of any hour and class.

    Parameters
    ----------
    data
        The run.
    basemap
        Vector file with outlines; none draws the network alone.

    Returns
    -------
    dict
        Ready for JSON. Positions are in map units, y downwards, the map `width` wide. `flows` are columns, sorted by
        slice: slice, class, route, mtok_per_h. `power_mw` and `price_cny_per_mwh` are (slices, centers), or null where
        the inputs are not there.
    """
    run = data.tables
    projection, view = fit_map(positions_shown(run), aspect=ASPECT)
    sheet = _Sheet(projection, view)
    routes, legs = _routes_and_legs(run, sheet, _stop_names(data))
    colours = region_colours(run.data_centers, run.demand_hubs)
    land, outlines, credit = ("", "", "")
    if basemap is not None:
        drawn = load_basemap(basemap, projection, view)
        land, outlines, credit = sheet.outline(drawn.backdrop), sheet.outline(drawn.outlines), drawn.credit
    method = projection.crs.coordinate_operation
    center_x = (view.x_max - view.x_min) / 2
    return {
        "width": MAP_WIDTH,
        "height": round(MAP_WIDTH / ASPECT, 1),
        "projection": f"{method.method_name if method else 'Equal-area'} projection",
        "km_per_unit": ground_length_km(projection, view, center_x) / (MAP_WIDTH / 2),
        "land": land,
        "outlines": outlines,
        "credit": credit,
        "fibre": sheet.fibre(run.links),
        "regions": [{"name": name, "colour": colour} for name, colour in colours.items()],
        "classes": _classes(data),
        "hubs": _places(run.demand_hubs, sheet, list(colours)),
        "centers": _places(run.data_centers, sheet, list(colours)),
        "legs": legs,
        "routes": routes,
        "slices": [
            {"label": label, "weight_h": weight}
            for label, weight in zip(data.axis.labels, data.axis.weight_h, strict=True)
        ],
        "flows": _flows(data, {route["id"]: i for i, route in enumerate(routes)}),
        **_hourly(data),
    }


class _Sheet:
    """The map in units of the page: 0 to `MAP_WIDTH` from left to right, y downwards."""

    def __init__(self, projection: MapProjection, view: View) -> None:
        self.projection, self.view = projection, view
        self.scale = MAP_WIDTH / (view.x_max - view.x_min)

    def to_units(self, xy_m: FloatArray) -> FloatArray:
        return np.column_stack([xy_m[:, 0] - self.view.x_min, self.view.y_max - xy_m[:, 1]]) * self.scale

    def points(self, table: pd.DataFrame) -> list[list[float]]:
        x, y = self.projection.project(table["longitude_deg"].to_numpy(float), table["latitude_deg"].to_numpy(float))
        return _round(self.to_units(np.column_stack([x, y])))

    def line(self, start: tuple[float, float], end: tuple[float, float]) -> FloatArray:
        return self.to_units(self.projection.project_geodesic(start, end))

    def outline(self, polygons: list[list[FloatArray]]) -> str:
        """Write polygons as the path of an SVG element."""
        rings = (_thin(self.to_units(ring)) for polygon in polygons for ring in polygon)
        return "".join(_path(ring) + "Z" for ring in rings if len(ring) > 2)  # noqa: PLR2004 - two points are no area

    def fibre(self, links: pd.DataFrame) -> str:
        columns = ["from_longitude_deg", "from_latitude_deg", "to_longitude_deg", "to_latitude_deg"]
        return "".join(_path(self.line((a, b), (c, d))) for a, b, c, d in links[columns].to_numpy(float))


def _places(places: pd.DataFrame, sheet: _Sheet, regions: list[str]) -> list[dict[str, Any]]:
    local = places["name_local"] if "name_local" in places else places["name"]
    return [
        {
            "id": str(place),
            "name": str(name),
            "local": "" if pd.isna(own) or own == name else str(own),
            "region": regions.index(region),
            "at": at,
        }
        for place, name, own, region, at in zip(
            places.index, places["name"], local, places["region"], sheet.points(places), strict=True
        )
    ]


def _classes(data: ReportData) -> list[dict[str, str]]:
    """List the classes with their full names, where the run tells them; the one with most tokens first."""
    used = data.tables.allocation.groupby("workload_class")["mtok_per_year"].sum().sort_values(ascending=False)
    table = data.stored.tables.get("classes")
    names: dict[str, str] = {}
    if table is not None and {"workload_class", "name"} <= set(table):
        names = dict(zip(table["workload_class"], table["name"].astype(str), strict=True))
    return [{"id": str(name), "name": names.get(str(name), str(name))} for name in used.index]


def _routes_and_legs(
    run: RunTables, sheet: _Sheet, names: dict[str, str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """
    List the routes in use and the legs between their stops.

    A route travels its legs in order; +1 and up name a leg travelled from its first stop, -1 and down one travelled
    from its second.
    """
    positions, stops = stop_positions(run), stops_by_route(run)
    hubs, centers = list(run.demand_hubs.index), list(run.data_centers.index)
    used = run.routes.loc[sorted(run.allocation["route"].unique())]
    number: dict[tuple[str, str], int] = {}
    routes = []
    for route, row in zip(used.index, used[["demand_hub", "data_center"]].itertuples(index=False), strict=True):
        steps = [number.setdefault((a, b) if a < b else (b, a), len(number)) for a, b in pairwise(stops[route])]
        forward = [a < b for a, b in pairwise(stops[route])]
        routes.append(
            {
                "id": int(route),
                "hub": hubs.index(row.demand_hub),
                "center": centers.index(row.data_center),
                "legs": [(step + 1) * (1 if ahead else -1) for step, ahead in zip(steps, forward, strict=True)],
                "via": [_stop_name(stop, names) for stop in run.routes.loc[route, "nodes"].split(">")],
            }
        )
    legs = [
        {"ends": [_stop_name(a, names), _stop_name(b, names)], "line": _round(sheet.line(positions[a], positions[b]))}
        for a, b in number
    ]
    return routes, legs


def _stop_names(data: ReportData) -> dict[str, str]:
    """Name the stops: of junctions a run knows the id alone, the network the name."""
    run = data.tables
    names = {} if data.inputs is None else dict(data.inputs.network.nodes["name"].astype(str))
    names |= dict(run.demand_hubs["name"].astype(str))
    for kind, places in (("demand_hub", run.demand_hubs), ("data_center", run.data_centers)):
        names |= {f"{kind}:{place}": str(name) for place, name in places["name"].items()}
    return names


def _stop_name(stop: str, names: dict[str, str]) -> str:
    return names.get(stop) or stop.replace("_", " ")


def _flows(data: ReportData, route_number: dict[int, int]) -> dict[str, list[Any]]:
    flows = data.tables.allocation
    slot = {(str(day), float(hour)): i for i, (day, hour) in enumerate(data.slices[["day", "hour"]].to_numpy(object))}
    classes = {entry["id"]: i for i, entry in enumerate(_classes(data))}
    table = pd.DataFrame(
        {
            "slice": [slot[str(day), float(hour)] for day, hour in flows[["day", "hour"]].to_numpy(object)],
            "class": flows["workload_class"].map(classes).to_numpy(),
            "route": flows["route"].map(route_number).to_numpy(),
            "mtok_per_h": [float(f"{value:.{_DIGITS}g}") for value in flows["mtok_per_h"]],
            "rtt_ms": [round(float(value), 2) for value in flows["rtt_ms"]],
        }
    )
    table = table[table["mtok_per_h"] > 0].sort_values("slice", kind="stable")
    return {str(name): column.tolist() for name, column in table.items()}


def _hourly(data: ReportData) -> dict[str, Any]:
    if data.hourly is None:
        return {"power_mw": None, "price_cny_per_mwh": None}
    return {
        "power_mw": np.round(data.hourly.power_mw, 3).tolist(),
        "price_cny_per_mwh": np.round(data.hourly.price_cny_per_mwh, 1).tolist(),
    }


def _thin(ring: FloatArray) -> FloatArray:
    """Leave out corners that no screen can tell from the one before."""
    moved = np.abs(np.diff(np.round(ring / _SIMPLER_THAN), axis=0)).any(axis=1)
    kept: FloatArray = ring[np.concatenate([[True], moved])]
    return kept


def _path(points: FloatArray) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _round(points: FloatArray) -> list[list[float]]:
    rounded: list[list[float]] = np.round(points, 1).tolist()
    return rounded

"""
The map of a page as data: outlines, places, fibre and flows, which the page's script draws and filters.

On the page of a comparison each case stands where an hour stands for a run, with its difference from the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from optimizer.drawing.colours import LESS, MORE, assign_colours
from optimizer.maps.basemap import Outlines, map_window
from optimizer.maps.flows import stop_positions
from optimizer.maps.projection import MapProjection, View, ground_length_km
from optimizer.problem.problem import FloatArray
from optimizer.report.charts import Hourly, TimeAxis
from optimizer.runs.places import positions_shown, stops_by_route
from optimizer.runs.run import Run

_MAP_WIDTH = 1000.0
_ASPECT = 1.36
_SEA_WIDTH, _SEA_MARGIN = 130.0, 8.0

# Points nearer to each other than this are drawn as one; a pixel of a wide screen is about one unit.
_SIMPLER_THAN = 0.25
_DIGITS = 6


def map_data(
    run: Run, behind: Outlines | None, slices: pd.DataFrame, axis: TimeAxis, hourly: Hourly | None
) -> dict[str, Any]:
    """
    Build what the page's script needs to draw the map of any hour and class.

    Parameters
    ----------
    hourly
        Power and price of the data centers; None where they are not known.

    Returns
    -------
    dict
        Ready for JSON. Positions are in map units, y downwards, the map `width` wide. `flows` are columns, sorted by
        slice: slice, class, route, mtok_per_h. `power_mw` and `price_cny_per_mwh` are (slices, centers), or null where
        the inputs are not there.
    """
    window = map_window(positions_shown(run), behind, aspect=_ASPECT)
    projection, view = window.projection, window.view
    sheet = _Sheet(projection, view)
    routes, legs = _routes_and_legs(run, sheet, _stop_names(run))
    colours = assign_colours(run.regions)
    land, outlines, sea, credit = "", "", None, ""
    if behind is not None:
        drawn, credit = behind.project(projection, view), behind.credit
        land, outlines = sheet.outline(drawn.backdrop), sheet.outline(drawn.outlines) + sheet.lines(drawn.lines)
        sea = None if window.sea_view is None else _sea(behind, projection, window.sea_view)
    method = projection.crs.coordinate_operation
    center_x = (view.x_max - view.x_min) / 2
    return {
        "width": _MAP_WIDTH,
        "height": round(_MAP_WIDTH / _ASPECT, 1),
        "projection": method.method_name if method else "",
        "km_per_unit": ground_length_km(projection, view, center_x) / (_MAP_WIDTH / 2),
        "land": land,
        "outlines": outlines,
        "sea": sea,
        "credit": credit,
        "fibre": sheet.fibre(run.links),
        "regions": [{"name": name, "colour": colour} for name, colour in colours.items()],
        "classes": _classes(run),
        "hubs": _places(run.demand_hubs, sheet, list(colours)),
        "centers": _places(run.data_centers, sheet, list(colours)),
        "legs": legs,
        "routes": routes,
        "slices": [
            {"label": label, "weight_h": weight} for label, weight in zip(axis.labels, axis.weight_h, strict=True)
        ],
        "flows": _flows(run, slices, {route["id"]: i for i, route in enumerate(routes)}),
        "power_mw": None if hourly is None else np.round(hourly.power_mw, 3).tolist(),
        "price_cny_per_mwh": None if hourly is None else np.round(hourly.price_cny_per_mwh, 1).tolist(),
    }


def _sea(behind: Outlines, projection: MapProjection, view: View) -> dict[str, Any]:
    """Draw the southern sea for an inset in the lower right corner: its place in map units, and its paths."""
    sheet, drawn = _Sheet(projection, view), behind.project(projection, view)
    width = _SEA_WIDTH
    height = width * (view.y_max - view.y_min) / (view.x_max - view.x_min)
    return {
        "x": round(_MAP_WIDTH - width - _SEA_MARGIN, 1),
        "y": round(_MAP_WIDTH / _ASPECT - height - _SEA_MARGIN, 1),
        "width": width,
        "height": round(height, 1),
        "view": f"0 0 {_MAP_WIDTH:g} {_MAP_WIDTH * height / width:.1f}",
        "land": sheet.outline(drawn.backdrop),
        "outlines": sheet.outline(drawn.outlines) + sheet.lines(drawn.lines),
    }


class _Sheet:
    """The map in units of the page: 0 to `MAP_WIDTH` from left to right, y downwards."""

    def __init__(self, projection: MapProjection, view: View) -> None:
        self.projection, self.view = projection, view
        self.scale = _MAP_WIDTH / (view.x_max - view.x_min)

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

    def lines(self, lines: list[FloatArray]) -> str:
        """Write lines that bound no area as the path of an SVG element."""
        return "".join(_path(_thin(self.to_units(line))) for line in lines)

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


def _classes(run: Run) -> list[dict[str, str]]:
    """List the classes with their full names, where the run has them; the one with most tokens first."""
    used = run.allocation.groupby("workload_class")["mtok_per_year"].sum().sort_values(ascending=False)
    table = run.tables.get("classes")
    names: dict[str, str] = {}
    if table is not None and {"workload_class", "name"} <= set(table):
        names = dict(zip(table["workload_class"], table["name"].astype(str), strict=True))
    return [{"id": str(name), "name": names.get(str(name), str(name))} for name in used.index]


def _routes_and_legs(
    run: Run, sheet: _Sheet, names: dict[str, str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """List the routes in use and the legs between their stops; a route has -n for leg n in the other direction."""
    positions, stops = stop_positions(run), stops_by_route(run)
    hubs, centers = list(run.demand_hubs.index), list(run.data_centers.index)
    used = run.routes.loc[sorted(run.allocation["route"].unique())]
    number: dict[tuple[str, str], int] = {}
    routes = []
    for route, row in zip(used.index, used[["demand_hub", "data_center"]].itertuples(index=False), strict=True):
        steps = [number.setdefault((a, b) if a < b else (b, a), len(number)) for a, b in pairwise(stops[route])]
        forward = [a < b for a, b in pairwise(stops[route])]
        legs = [(step + 1) * (1 if ahead else -1) for step, ahead in zip(steps, forward, strict=True)]
        via = [_stop_name(stop, names) for stop in run.routes.loc[route, "nodes"].split(">")]
        hub, center = hubs.index(row.demand_hub), centers.index(row.data_center)
        routes.append({"id": int(route), "hub": hub, "center": center, "legs": legs, "via": via})
    lines = [
        {"ends": [_stop_name(a, names), _stop_name(b, names)], "line": _round(sheet.line(positions[a], positions[b]))}
        for a, b in number
    ]
    return routes, lines


def _stop_names(run: Run) -> dict[str, str]:
    """Name the stops: a run holds the ids of junctions, the network their names."""
    names = {} if run.lost_inputs else dict(run.network.nodes["name"].astype(str))
    names |= dict(run.demand_hubs["name"].astype(str))
    for kind, places in (("demand_hub", run.demand_hubs), ("data_center", run.data_centers)):
        names |= {f"{kind}:{place}": str(name) for place, name in places["name"].items()}
    return names


def _stop_name(stop: str, names: dict[str, str]) -> str:
    return names.get(stop) or stop.replace("_", " ")


def _flows(run: Run, slices: pd.DataFrame, route_number: dict[int, int]) -> dict[str, list[Any]]:
    flows = run.allocation
    slot = {(str(day), float(hour)): i for i, (day, hour) in enumerate(slices[["day", "hour"]].to_numpy(object))}
    classes = {entry["id"]: i for i, entry in enumerate(_classes(run))}
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


def _thin(ring: FloatArray) -> FloatArray:
    """Drop corners that no screen can separate from the one before."""
    is_apart = np.abs(np.diff(np.round(ring / _SIMPLER_THAN), axis=0)).any(axis=1)
    kept: FloatArray = ring[np.concatenate([[True], is_apart])]
    return kept


def _path(points: FloatArray) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _round(points: FloatArray) -> list[list[float]]:
    rounded: list[list[float]] = np.round(points, 1).tolist()
    return rounded


_CATEGORIES = ({"name": "more than the reference", "colour": MORE}, {"name": "less", "colour": LESS})
_ROUTE_KEY = ["demand_hub", "data_center", "nodes"]
_LEAST_SHARE = 1e-6


def case_map_data(
    reference: Run, cases: Mapping[str, Run], of_reference: int, behind: Outlines | None, told: Mapping[str, str]
) -> dict[str, Any]:
    """
    Build the map of several plans on one network: what hours are to a run, cases are here.

    Parameters
    ----------
    told
        By case: what of its tokens runs elsewhere than in the reference, in words.

    Returns
    -------
    dict
        As `map_data`, of mean flows, with `difference`: flows of each case that differ from the
        reference's, and whether they are more or less.
    """
    merged = _merge(reference, cases)
    columns = pd.DataFrame({"day": list(cases), "hour": 0.0, "weight_h": 24.0})
    axis = TimeAxis(tuple(cases), ("",) * len(cases), (24.0,) * len(cases))
    drawn = map_data(merged, behind, columns, axis, None)
    flows = pd.DataFrame(drawn["flows"])
    slices = [one | {"told": told.get(case, "")} for one, case in zip(drawn["slices"], cases, strict=True)]
    difference = _difference(flows, len(cases), of_reference)
    return drawn | {"difference": difference, "reference": of_reference, "slices": slices}


def _merge(reference: Run, cases: Mapping[str, Run]) -> Run:
    """Put the mean flows of all cases side by side as if they were hours; routes are identified by their nodes."""
    routes: pd.DataFrame = pd.concat([run.routes for run in cases.values()])
    routes = routes.drop_duplicates(_ROUTE_KEY, ignore_index=True)
    number = pd.Series(routes.index, index=pd.MultiIndex.from_frame(routes[_ROUTE_KEY]))
    parts = []
    for label, run in cases.items():
        flows = run.allocation.assign(rtt_mtok=run.allocation["rtt_ms"] * run.allocation["mtok_per_year"])
        sums = flows.groupby(["workload_class", "route"])[["mtok_per_year", "rtt_mtok"]].sum().reset_index()
        sums = sums[sums["mtok_per_year"] > 0]
        keys = run.routes.loc[sums["route"], _ROUTE_KEY]
        parts.append(
            pd.DataFrame(
                {
                    "day": label,
                    "hour": 0.0,
                    "weight_h": 24.0,
                    "demand_hub": keys["demand_hub"].to_numpy(),
                    "workload_class": sums["workload_class"].to_numpy(),
                    "data_center": keys["data_center"].to_numpy(),
                    "route": number.loc[pd.MultiIndex.from_frame(keys)].to_numpy(),
                    "mtok_per_h": (sums["mtok_per_year"] / (run.days_per_year * 24.0)).to_numpy(),
                    "rtt_ms": (sums["rtt_mtok"] / sums["mtok_per_year"]).to_numpy(),
                }
            )
        )
    allocation = pd.concat(parts, ignore_index=True)
    tables = {name: reference.tables[name] for name in reference.tables}
    tables |= {
        name: _union(getattr(reference, name), [getattr(run, name) for run in cases.values()]).reset_index()
        for name in ("data_centers", "demand_hubs", "links")
    }
    tables |= {"allocation": allocation, "routes": routes.drop(columns="points").rename_axis("route").reset_index()}
    inputs = None if reference.lost_inputs else reference.inputs
    return Run(reference.info, folder=reference.folder, tables=tables, inputs=inputs)


def _union(own: pd.DataFrame, others: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Add to the places of the reference those that it does not have: stored runs may be of different networks."""
    every: pd.DataFrame = pd.concat([own, *(table[own.columns.intersection(table.columns)] for table in others)])
    return every[~every.index.duplicated()]


def _difference(flows: pd.DataFrame, count: int, of_reference: int) -> dict[str, Any]:
    keys = ["class", "route"]
    wide = flows.pivot_table(index=keys, columns="slice", values="mtok_per_h", aggfunc="sum", fill_value=0.0)
    wide = wide.reindex(columns=range(count), fill_value=0.0)
    rtt_ms = flows.groupby(keys)["rtt_ms"].mean()
    change = wide.sub(wide[of_reference], axis=0)
    least = _LEAST_SHARE * float(wide[of_reference].sum())
    rows = change.reset_index().melt(id_vars=keys, var_name="slice", value_name="change")
    rows = rows[rows["change"].abs() > least].sort_values(["slice", *keys])
    return {
        "slice": rows["slice"].tolist(),
        "class": rows["class"].tolist(),
        "route": rows["route"].tolist(),
        "mtok_per_h": [float(f"{value:.6g}") for value in rows["change"].abs()],
        "rtt_ms": rtt_ms.loc[pd.MultiIndex.from_frame(rows[keys])].round(2).tolist(),
        "category": np.where(rows["change"] > 0, 0, 1).tolist(),
        "categories": list(_CATEGORIES),
    }

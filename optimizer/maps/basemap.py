"""Outlines behind a map: which file they come from, whom they are credited to, and their shapes in its projection."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyogrio
import shapely

from network_data.faults import Fault, InputError
from network_data.load import BASEMAP_FILE, BUILT_IN_FOLDER
from optimizer.maps.options import MapOptions
from optimizer.maps.projection import MapProjection, View, fit_map, fit_view
from optimizer.problem.problem import FloatArray
from optimizer.runs.run import Run

# A feature with this `code` is land around the area of interest: filled, but without an outline.
_BACKDROP_CODE = "LAND"
_BUILT_IN_CREDIT = "Natural Earth"
_WORLD_FILE = Path(__file__).resolve().parent / "assets" / "world_outline.parquet"
_EDGE_SAMPLES = 40
_MARGIN_DEG = 2.0
_BEYOND_SHARE = 0.002
_AREA_PADDING_SHARE = 0.03
_LINE = shapely.GeometryType.LINESTRING
# Longitudes of outlines may go on beyond the 180th meridian.
_LARGEST_LONGITUDE = 540.0

# The window of a map holds all of an area of interest that spans no more than so many times the degrees of its places.
_LARGEST_AREA, _HALF_THE_GLOBE_DEG = 1.6, 180.0

# West, south, east, north of the southern sea, and of islands and dashes there that have an inset of their own.
_SEA = (106.0, 2.5, 123.0, 24.0)
_ISLANDS = (107.0, 3.0, 121.0, 17.6)


@dataclass(frozen=True, eq=False)
class Basemap:
    """Outlines in the projection, metres."""

    outlines: list[list[FloatArray]]  # Rings, (n, 2) each; one list of rings for each polygon
    backdrop: list[list[FloatArray]]
    lines: list[FloatArray]  # Lines that belong to no area, such as dashes at sea


@dataclass(frozen=True, eq=False)
class Outlines:
    """What a file of outlines holds, in degrees."""

    credit: str  # What the source line names: what the user wrote, the makers of the built-in outlines, else the file
    areas: Any  # Arrays of geometries: polygons of the area of interest, those around it, and lines
    around: Any
    lines: Any

    def project(self, projection: MapProjection, view: View) -> Basemap:
        """Cut the outlines to a window and project them."""
        return Basemap(
            _rings(_cut(self.areas, projection, view)),
            _rings(_cut(self.around, projection, view)),
            [
                np.asarray(line.coords, float)
                for line in _of_type(_cut(self.lines, projection, view), shapely.GeometryType.LINESTRING)
            ],
        )

    def fit(self, positions_deg: FloatArray, *, aspect: float) -> MapWindow:
        """Choose projection and window: all places, and the whole area of interest unless it is far larger."""
        projection, view = fit_map(positions_deg, aspect=aspect)
        mainland = _parts_north_of_islands(self.areas)
        if len(mainland) == 0:
            return MapWindow(projection, view)
        degrees = shapely.get_coordinates(mainland)
        range_deg = np.minimum(np.ptp(positions_deg, axis=0) * _LARGEST_AREA, _HALF_THE_GLOBE_DEG)
        also_m = np.column_stack(projection.project(*degrees.T))
        if (np.ptp(degrees, axis=0) > range_deg).any() or not np.isfinite(also_m).all():
            return MapWindow(projection, view)
        places_m = np.column_stack(projection.project(*positions_deg.T))
        near = fit_view(np.vstack([places_m, also_m]), aspect=aspect, padding_share=_AREA_PADDING_SHARE)
        view = near if near.x_max - near.x_min > view.x_max - view.x_min else view
        return MapWindow(projection, view, self._sea_view(projection, view))

    def _sea_view(self, projection: MapProjection, view: View) -> View | None:
        """Bound the southern sea, where the file has islands or dashes there that the window does not show."""
        parts = shapely.get_parts(np.concatenate([self.areas, self.lines]))
        islands = shapely.get_coordinates(parts[_is_within(parts, _ISLANDS)])
        if len(islands) == 0 or projection.project(*islands.T)[1].min() >= view.y_min:
            return None
        corners = shapely.get_coordinates(shapely.segmentize(shapely.box(*_SEA), 1.0))
        low, high = (edge(np.column_stack(projection.project(*corners.T)), axis=0) for edge in (np.min, np.max))
        return View(low[0], high[0], low[1], high[1])


@dataclass(frozen=True)
class MapWindow:
    """What a map shows."""

    projection: MapProjection
    view: View
    sea_view: View | None = None  # The southern sea, where the outlines have features there that the map leaves out


def map_window(positions_deg: FloatArray, outlines: Outlines | None, *, aspect: float) -> MapWindow:
    """Choose what a map of some places shows, with outlines behind it or without."""
    if outlines is None:
        return MapWindow(*fit_map(positions_deg, aspect=aspect))
    return outlines.fit(positions_deg, aspect=aspect)


def read_outlines(run: Run, options: MapOptions) -> Outlines | None:
    """
    Read the outlines behind the maps of a run: its own, those of the world where it has none, or a user's; None = none.

    The file may be GeoJSON, GeoPackage, Shapefile, GeoParquet or another format that pyogrio reads.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, has no coordinate system, or neither polygons nor lines in degrees of
        the globe; or if the credit cannot be printed.
    """
    if options.basemap == "none":
        return None
    path = (run.basemap or _WORLD_FILE) if options.basemap == "run" else Path(options.basemap)
    table = _read(path)
    kinds = shapely.get_type_id(table.geometry.values)
    shapes = np.asarray(table.geometry.values, object)
    is_around = (table["code"] == _BACKDROP_CODE).to_numpy(bool) if "code" in table else np.zeros(len(table), bool)
    is_area = np.isin(kinds, (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    is_line = np.isin(kinds, (shapely.GeometryType.LINESTRING, shapely.GeometryType.MULTILINESTRING))
    if not (is_area | is_line).any():
        raise _refusal(path, "basemap has neither polygons nor lines")
    west, south, east, north = shapely.total_bounds(shapes[is_area | is_line])
    if not (west >= -_LARGEST_LONGITUDE and east <= _LARGEST_LONGITUDE and south >= -90.1 and north <= 90.1):  # noqa: PLR2004
        raise _refusal(path, "basemap lies outside the globe: its coordinate system is not the one that it states")
    areas = shapely.make_valid(shapes[is_area & ~is_around])
    around = shapely.make_valid(shapes[is_area & is_around])
    return Outlines(options.basemap_credit or _credit(path), areas, around, shapes[is_line])


def _refusal(path: Path, problem: str) -> InputError:
    remedy = "Give a vector file with polygons and a coordinate system, or draw without one (basemap 'none')."
    return InputError([Fault(str(path), None, None, None, problem, remedy)], "the basemap")


def _read(path: Path) -> Any:
    if not path.is_file():
        raise _refusal(path, "basemap file is missing")
    read = gpd.read_parquet if path.suffix.lower() == ".parquet" else gpd.read_file
    errors = (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pa.ArrowException, ValueError, OSError)
    try:
        table = read(path)
    except errors as error:
        raise _refusal(path, f"basemap cannot be read ({type(error).__name__})") from error
    if not isinstance(table, gpd.GeoDataFrame) or table.crs is None:
        raise _refusal(path, "basemap has no geometry or no coordinate system")
    table = table[table.geometry.notna() & ~table.geometry.is_empty]
    return table.to_crs("EPSG:4326")


def _credit(path: Path) -> str:
    """Name the makers of the built-in outlines, also of a run's copy of them; of other outlines the file."""
    content = hashlib.sha256(path.read_bytes()).digest()
    built_in = (_WORLD_FILE, *BUILT_IN_FOLDER.glob(f"*/{BASEMAP_FILE}"))
    is_built_in = any(hashlib.sha256(file.read_bytes()).digest() == content for file in built_in)
    return _BUILT_IN_CREDIT if is_built_in else path.name


def _parts_north_of_islands(areas: Any) -> Any:
    """Parts of an area of interest, without islands of the southern sea, which have an inset of their own."""
    parts = shapely.get_parts(areas)
    return parts[~_is_within(parts, _ISLANDS)]


def _is_within(parts: Any, box: tuple[float, float, float, float]) -> Any:
    bounds = shapely.bounds(parts).reshape(-1, 4)
    west, south, east, north = box
    return (bounds[:, 0] > west) & (bounds[:, 1] > south) & (bounds[:, 2] < east) & (bounds[:, 3] < north)


def _window(projection: MapProjection, view: View) -> tuple[float, float, float, float]:
    """Bound the window in degrees; longitudes continue from the central meridian, so they may exceed 180."""
    xs = np.linspace(view.x_min, view.x_max, _EDGE_SAMPLES)
    ys = np.linspace(view.y_min, view.y_max, _EDGE_SAMPLES)
    x, y = np.meshgrid(xs, ys)
    longitudes, latitudes = projection.unproject(x.ravel(), y.ravel())
    seen = np.isfinite(longitudes) & np.isfinite(latitudes)
    central = projection.central_longitude_deg
    unwrapped = central + (longitudes[seen] - central + 180.0) % 360.0 - 180.0
    return (
        max(float(unwrapped.min()) - _MARGIN_DEG, central - 179.9),
        max(float(latitudes[seen].min()) - _MARGIN_DEG, -89.0),
        min(float(unwrapped.max()) + _MARGIN_DEG, central + 179.9),
        min(float(latitudes[seen].max()) + _MARGIN_DEG, 89.0),
    )


def _cut(shapes: Any, projection: MapProjection, view: View) -> Any:
    """Find the parts of shapes in a window, projected."""
    if len(shapes) == 0:
        return np.empty(0, object)
    west, south, east, north = _window(projection, view)
    # A little beyond the window, so that the cut itself is not drawn as an outline.
    beyond = _BEYOND_SHARE * (view.x_max - view.x_min)
    frame = shapely.box(view.x_min - beyond, view.y_min - beyond, view.x_max + beyond, view.y_max + beyond)
    found = []
    # The projection would distort far land, so it is cut off before; the shifts find land beyond 180 degrees.
    for shift in (-360.0, 0.0, 360.0):
        near = shapely.intersection(shapes, shapely.box(west + shift, south, east + shift, north))
        on_map = shapely.make_valid(shapely.transform(near, lambda xy: np.column_stack(projection.project(*xy.T))))
        found.append(shapely.get_parts(shapely.get_parts(shapely.intersection(on_map, frame))))
    parts = np.concatenate(found)
    return parts[~shapely.is_empty(parts)]


def _of_type(parts: Any, kind: shapely.GeometryType) -> Any:
    return parts[shapely.get_type_id(parts) == kind]


def _rings(parts: Any) -> list[list[FloatArray]]:
    polygons = _of_type(parts, shapely.GeometryType.POLYGON)
    return [[np.asarray(ring.coords, float) for ring in (polygon.exterior, *polygon.interiors)] for polygon in polygons]

"""The equal-area projection fitted to the places of a map, its window and scale bar, and outlines projected into it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import shapely

from network_data.faults import Fault, InputError
from network_data.load import BASEMAP_FILE, BUILT_IN_FOLDER
from optimizer.drawing.colours import round_down_nicely
from optimizer.maps.options import BasemapChoice
from optimizer.problem.problem import FloatArray
from optimizer.runs.run import Run

_GEOD = pyproj.Geod(ellps="WGS84")
_SMALLEST_RANGE_DEG = 1.0
_DENSIFY_KM = 100.0


@dataclass(frozen=True)
class MapProjection:
    """An equal-area projection of the WGS 84 ellipsoid and its inverse."""

    definition: str  # PROJ text
    central_longitude_deg: float

    @cached_property
    def crs(self) -> pyproj.CRS:
        """The projected coordinate system, metres."""
        return pyproj.CRS.from_user_input(self.definition)

    @cached_property
    def _transformer(self) -> pyproj.Transformer:
        return pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)

    def project(self, longitudes_deg: FloatArray, latitudes_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Project places."""
        x, y = self._transformer.transform(longitudes_deg, latitudes_deg)
        return np.asarray(x, float), np.asarray(y, float)

    def unproject(self, x_m: FloatArray, y_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Find the places of map positions."""
        longitudes, latitudes = self._transformer.transform(x_m, y_m, direction="INVERSE")
        return np.asarray(longitudes, float), np.asarray(latitudes, float)

    def project_geodesic(self, start: tuple[float, float], end: tuple[float, float]) -> FloatArray:
        """Project the shortest line between two places: (n, 2) metres, n >= 2, both ends exact."""
        _, _, length_m = _GEOD.inv(*start, *end)
        inner = _GEOD.npts(*start, *end, max(1, int(length_m / 1e3 / _DENSIFY_KM)))
        points = np.array([start, *inner, end])
        return np.column_stack(self.project(points[:, 0], points[:, 1]))


def choose_projection(longitudes_deg: FloatArray, latitudes_deg: FloatArray) -> MapProjection:
    """
    Fit an Albers equal-area conic projection to the places shown.

    Standard parallels stand at 1/6 and 5/6 of the latitude range, where the distortion of a conic is spread
    evenly. A range centered on the equator, where a cone becomes a cylinder, gets the cylindrical equal-area
    projection.
    """
    central = _central_longitude(longitudes_deg)
    south, north = float(latitudes_deg.min()), float(latitudes_deg.max())
    if north - south < _SMALLEST_RANGE_DEG:
        middle = (south + north) / 2
        south, north = middle - _SMALLEST_RANGE_DEG / 2, middle + _SMALLEST_RANGE_DEG / 2
    lower, upper = south + (north - south) / 6, south + (north - south) * 5 / 6
    if abs(lower + upper) < 1.0:
        return MapProjection(f"+proj=cea +lat_ts={upper:.4f} +lon_0={central:.4f} +datum=WGS84 +units=m", central)
    parallels = f"+lat_1={lower:.4f} +lat_2={upper:.4f} +lat_0={(south + north) / 2:.4f}"
    return MapProjection(f"+proj=aea {parallels} +lon_0={central:.4f} +datum=WGS84 +units=m", central)


def _central_longitude(longitudes_deg: FloatArray) -> float:
    """Find the middle of the smallest arc that holds all longitudes: the map may cross 180 degrees."""
    ordered = np.unique(np.mod(longitudes_deg, 360.0))
    gaps = np.diff(ordered, append=ordered[0] + 360.0)
    widest = int(np.argmax(gaps))
    first = ordered[(widest + 1) % len(ordered)]
    middle = first + (360.0 - gaps[widest]) / 2
    return float((middle + 180.0) % 360.0 - 180.0)


@dataclass(frozen=True)
class View:
    """A window of the map, metres in the projection."""

    x_min: float
    x_max: float
    y_min: float
    y_max: float

    @property
    def center(self) -> tuple[float, float]:
        """The window's middle, metres."""
        return (self.x_min + self.x_max) / 2, (self.y_min + self.y_max) / 2


def fit_view(points_m: FloatArray, *, aspect: float, padding_share: float = 0.07) -> View:
    """Find the smallest window of a given shape that holds all points with some room around."""
    low, high = points_m.min(axis=0), points_m.max(axis=0)
    smallest_m = 20e3
    width, height = np.maximum(high - low, smallest_m) / (1 - 2 * padding_share)
    width, height = max(width, height * aspect), max(height, width / aspect)
    x, y = (low + high) / 2
    return View(x - width / 2, x + width / 2, y - height / 2, y + height / 2)


def fit_map(positions_deg: FloatArray, *, aspect: float) -> tuple[MapProjection, View]:
    """Choose the projection and the window of a map that shows some places."""
    projection = choose_projection(positions_deg[:, 0], positions_deg[:, 1])
    xy = np.column_stack(projection.project(positions_deg[:, 0], positions_deg[:, 1]))
    return projection, fit_view(xy, aspect=aspect)


@dataclass(frozen=True)
class ScaleBar:
    """A scale bar: its true length on the ground and its length on the map at the window's middle."""

    length_km: float
    length_on_map_m: float


def build_scale_bar(projection: MapProjection, view: View, *, most_share: float = 0.2) -> ScaleBar:
    """Choose a round length and find how long it is on the map, east-west through the window's middle."""
    most_m = (view.x_max - view.x_min) * most_share
    length_km = round_down_nicely(ground_length_km(projection, view, most_m))
    # Ground length is nearly proportional to map length over a bar; after three steps the error is not visible.
    length_m = length_km * 1e3
    for _ in range(3):
        length_m *= length_km / ground_length_km(projection, view, length_m)
    return ScaleBar(length_km, length_m)


def ground_length_km(projection: MapProjection, view: View, length_on_map_m: float) -> float:
    """Measure a horizontal map distance, centered in the window, on the ellipsoid."""
    x, y = view.center
    ends = np.array([x - length_on_map_m / 2, x + length_on_map_m / 2])
    longitudes, latitudes = projection.unproject(ends, np.array([y, y]))
    return float(_GEOD.inv(longitudes[0], latitudes[0], longitudes[1], latitudes[1])[2]) / 1e3


# A feature with this `code` is land around the area of interest: filled, but without an outline.
_BACKDROP_CODE = "LAND"
_BUILT_IN_CREDIT = "Natural Earth"
_EDGE_SAMPLES = 40
_MARGIN_DEG = 2.0
_BEYOND_SHARE = 0.002


@dataclass(frozen=True, eq=False)
class Basemap:
    """Outlines in the projection, metres."""

    credit: str  # What the source line names: the makers of the built-in outlines, else the file
    outlines: list[list[FloatArray]]  # Rings, (n, 2) each; one list of rings for each polygon
    backdrop: list[list[FloatArray]]


def load_basemap(path: Path, projection: MapProjection, view: View) -> Basemap:
    """
    Read the polygons of a vector file that lie in the window.

    Parameters
    ----------
    path
        GeoJSON, GeoPackage, Shapefile or another format that pyogrio reads, with a coordinate system.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, has no coordinate system or no polygons.
    """

    def refusal(problem: str) -> InputError:
        remedy = "Give a vector file with polygons and a coordinate system, or draw without one (basemap 'none')."
        return InputError([Fault(str(path), None, None, None, problem, remedy)], "the basemap")

    if not path.is_file():
        raise refusal("basemap file is missing")
    try:
        table = gpd.read_file(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise refusal(f"basemap cannot be read ({type(error).__name__})") from error
    if not isinstance(table, gpd.GeoDataFrame) or table.crs is None:
        raise refusal("basemap has no geometry or no coordinate system")
    table = table.to_crs("EPSG:4326")
    polygons = shapely.get_type_id(table.geometry.values)
    table = table[np.isin(polygons, (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))]
    if table.empty:
        raise refusal("basemap has no polygons")
    is_backdrop = (table["code"] == _BACKDROP_CODE).to_numpy(bool) if "code" in table else np.zeros(len(table), bool)
    shapes = table.geometry.values
    return Basemap(
        _credit(path),
        _project_polygons(shapes[~is_backdrop], projection, view),
        _project_polygons(shapes[is_backdrop], projection, view),
    )


def basemap_file(run: Run, choice: BasemapChoice) -> Path | None:
    """Find the file with the outlines to draw behind a run; None draws the network alone."""
    if choice == "none":
        return None
    return run.basemap if choice == "run" else Path(choice)


def _credit(path: Path) -> str:
    """Name the makers of the built-in outlines, also of a run's copy of them; of other outlines the file."""
    content = hashlib.sha256(path.read_bytes()).digest()
    built_in = BUILT_IN_FOLDER.glob(f"*/{BASEMAP_FILE}")
    is_built_in = any(hashlib.sha256(file.read_bytes()).digest() == content for file in built_in)
    return _BUILT_IN_CREDIT if is_built_in else path.name


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


def _project_polygons(shapes: Any, projection: MapProjection, view: View) -> list[list[FloatArray]]:
    if len(shapes) == 0:
        return []
    valid = shapely.make_valid(np.asarray(shapes, object))
    west, south, east, north = _window(projection, view)
    # A little beyond the window, so that the cut itself is not drawn as an outline.
    beyond = _BEYOND_SHARE * (view.x_max - view.x_min)
    frame = shapely.box(view.x_min - beyond, view.y_min - beyond, view.x_max + beyond, view.y_max + beyond)
    polygons = []
    # The projection would distort far land, so it is cut off before; the shifts find land beyond 180 degrees.
    for shift in (-360.0, 0.0, 360.0):
        near = shapely.intersection(valid, shapely.box(west + shift, south, east + shift, north))
        on_map = shapely.make_valid(shapely.transform(near, lambda xy: np.column_stack(projection.project(*xy.T))))
        seen = shapely.get_parts(shapely.intersection(on_map, frame))
        for polygon in seen[shapely.get_type_id(seen) == shapely.GeometryType.POLYGON]:
            if not polygon.is_empty:
                rings = [polygon.exterior, *polygon.interiors]
                polygons.append([np.asarray(ring.coords, float) for ring in rings])
    return polygons

"""The equal-area projection fitted to the places of a map, its window and scale bar."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyproj

from optimizer.drawing.colours import round_down_nicely
from optimizer.problem.problem import FloatArray

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

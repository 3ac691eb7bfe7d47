"""The backdrop of the map: outlines from any vector file, cut to the window and projected."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pyogrio
import shapely

from network_data.faults import Fault, InputError
from network_data.load import BASEMAP_FILE, BUILT_IN_FOLDER
from optimizer.geo import RunTables
from optimizer.map_options import BasemapChoice
from optimizer.map_projection import MapProjection, View

FloatArray = npt.NDArray[np.float64]

# A feature with this `code` is land around the area of interest: filled, but without an outline.
BACKDROP_CODE = "LAND"
_BUILT_IN_CREDIT = "Natural Earth"
_EDGE_SAMPLES = 40
_MARGIN_DEG = 2.0
_BEYOND_SHARE = 0.002


@dataclass(frozen=True, eq=False)
class Basemap:
    """
    Outlines in the projection, metres.

    Attributes
    ----------
    credit
        Whom the source line names: who made the built-in outlines, else the file.
    outlines, backdrop
        Rings, (n, 2) each; one list of rings per polygon.
    """

    credit: str
    outlines: list[list[FloatArray]]
    backdrop: list[list[FloatArray]]


def load_basemap(path: Path, projection: MapProjection, view: View) -> Basemap:
    """
    Read the polygons of a vector file that lie in the window.

    Parameters
    ----------
    path
        GeoJSON, GeoPackage, Shapefile or what else the reader knows, with a coordinate system.
    projection, view
        The map.

    Returns
    -------
    Basemap
        The polygons, cut to the window.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, has no coordinate system or no polygons.
    """
    remedy = "Give a vector file with polygons and a coordinate system, or draw without one (basemap 'none')."
    if not path.is_file():
        raise InputError([Fault(str(path), None, None, None, "basemap file is missing", remedy)], "the basemap")
    try:
        table = gpd.read_file(path)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        problem = f"basemap cannot be read ({type(error).__name__})"
        raise InputError([Fault(str(path), None, None, None, problem, remedy)], "the basemap") from error
    if not isinstance(table, gpd.GeoDataFrame) or table.crs is None:
        fault = Fault(str(path), None, None, None, "basemap has no geometry or no coordinate system", remedy)
        raise InputError([fault], "the basemap")
    table = table.to_crs("EPSG:4326")
    polygons = shapely.get_type_id(table.geometry.values)
    table = table[np.isin(polygons, (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))]
    if table.empty:
        raise InputError([Fault(str(path), None, None, None, "basemap has no polygons", remedy)], "the basemap")
    is_backdrop = (table["code"] == BACKDROP_CODE).to_numpy(bool) if "code" in table else np.zeros(len(table), bool)
    shapes = table.geometry.values
    return Basemap(
        _credit(path),
        _project_polygons(shapes[~is_backdrop], projection, view),
        _project_polygons(shapes[is_backdrop], projection, view),
    )


def basemap_file(run: RunTables, choice: BasemapChoice) -> Path | None:
    """
    Find the outlines to draw behind a run.

    Parameters
    ----------
    run
        The run.
    choice
        `run`: those that the run stores; `none`; or a file.

    Returns
    -------
    Path or None
        The file; None draws the network alone.
    """
    if choice == "none":
        return None
    if choice != "run":
        return Path(choice)
    network = run.info.get("network")
    stored = network.get("basemap") if isinstance(network, dict) else None
    # A run may have moved; its own folder is where a relative path starts.
    return run.folder / Path(stored) if stored else None


def _credit(path: Path) -> str:
    """Name the makers of the built-in outlines, also of a run's copy; of others the file says nothing that we know."""
    content = hashlib.sha256(path.read_bytes()).digest()
    built_in = BUILT_IN_FOLDER.glob(f"*/{BASEMAP_FILE}")
    is_built_in = any(hashlib.sha256(file.read_bytes()).digest() == content for file in built_in)
    return _BUILT_IN_CREDIT if is_built_in else path.name


def _window(projection: MapProjection, view: View) -> tuple[float, float, float, float]:
    """Bound the window in degrees; longitudes count on from the central meridian, so they may pass 180."""
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
    # The projection would tear far land, so it is cut away before; the shifts find land beyond 180 degrees.
    for shift in (-360.0, 0.0, 360.0):
        near = shapely.intersection(valid, shapely.box(west + shift, south, east + shift, north))
        on_map = shapely.make_valid(shapely.transform(near, lambda xy: np.column_stack(projection.project(*xy.T))))
        seen = shapely.get_parts(shapely.intersection(on_map, frame))
        for polygon in seen[shapely.get_type_id(seen) == shapely.GeometryType.POLYGON]:
            if not polygon.is_empty:
                rings = [polygon.exterior, *polygon.interiors]
                polygons.append([np.asarray(ring.coords, float) for ring in rings])
    return polygons

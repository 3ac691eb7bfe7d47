"""
The sheet of a map and its axes, both measured in points, with backdrop, scale bar and inset.

The inset shows the part of the map where places crowd at a larger scale, in a corner or at an edge that holds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline

from optimizer.drawing.colours import INK
from optimizer.drawing.lettering import HALO, font_of, write_text
from optimizer.drawing.words import Words
from optimizer.maps.basemap import Basemap
from optimizer.maps.labels import Box, boxes_overlap
from optimizer.maps.projection import MapProjection, ScaleBar, View
from optimizer.problem.problem import FloatArray

FACTOR = 3.0
# The largest for which there is room, of so many shares of the width of the map.
_WIDTH_SHARES, _ASPECT = (0.33, 0.3, 0.27, 0.24), 1.25
_STEPS_ALONG_EDGE = 60
_MARGIN_PT = 8.0

# Fewer places, or places with more room around each, are distinct without an inset.
_LEAST_PLACES = 8
_LEAST_CROWDED = 3
_CROWDED_PT = 14.0


@dataclass(frozen=True)
class Inset:
    """A part of a map that is drawn again, larger."""

    box: Box  # Left, bottom, right and top of the inset, points of the map
    source: Box  # The same of what it shows
    view: View  # What it shows, metres of the projection


def find_inset(
    places: FloatArray, line_points: FloatArray, frame: Box, reserved: Sequence[Box], view: View, land: Any = None
) -> Inset | None:
    """
    Find where places crowd, and room for an inset at the edge of the map; None where there is no such place or room.

    Parameters
    ----------
    land
        Shape that is to stay in sight, in points; where an inset fits nowhere else, it may cover parts of it.
    """
    taken = np.concatenate([places, line_points])
    for kept in (land, None) if land is not None else (None,):
        for share in _WIDTH_SHARES:
            width = share * (frame[2] - frame[0])
            height = width / _ASPECT
            source = _crowd(places, width / FACTOR, height / FACTOR, frame)
            if source is None:
                continue
            for box in _places_for_inset(frame, width, height):
                is_free = not any(boxes_overlap(box, other) for other in (*reserved, source))
                if (
                    is_free
                    and not _inside(box, taken).any()
                    and (kept is None or not kept.intersects(shapely.box(*box)))
                ):
                    # The frame is inset by a margin that the view has not.
                    per_point = (view.x_max - view.x_min) / (frame[2] + frame[0])
                    low, high = view.x_min, view.y_min
                    left, bottom, right, top = (edge * per_point for edge in source)
                    return Inset(box, source, View(low + left, low + right, high + bottom, high + top))
    return None


def _crowd(places: FloatArray, width: float, height: float, frame: Box) -> Box | None:
    """Find the window that holds most places; None where they have room."""
    best: tuple[int, FloatArray] | None = None
    for x, y in places:
        # Each place in turn is the window's lower left corner, or nearly.
        for left, bottom in ((x - 0.1 * width, y - 0.1 * height), (x - 0.5 * width, y - 0.5 * height)):
            inside = places[_inside((left, bottom, left + width, bottom + height), places)]
            if best is None or len(inside) > best[0]:
                best = (len(inside), inside)
    if best is None or best[0] < _LEAST_PLACES:
        return None
    distance = np.hypot(*(best[1][:, None] - best[1][None]).transpose(2, 0, 1))
    crowded = ((distance < _CROWDED_PT).sum(axis=1) > _LEAST_CROWDED - 1).sum()
    if crowded < _LEAST_CROWDED:
        return None
    x, y = (best[1].min(axis=0) + best[1].max(axis=0)) / 2
    left = min(max(x - width / 2, frame[0]), frame[2] - width)
    bottom = min(max(y - height / 2, frame[1]), frame[3] - height)
    return (float(left), float(bottom), float(left + width), float(bottom + height))


def _places_for_inset(frame: Box, width: float, height: float) -> list[Box]:
    """List corners, and then places along the upper and lower edge."""
    left, right = frame[0] + _MARGIN_PT, frame[2] - _MARGIN_PT - width
    bottom, top = frame[1] + _MARGIN_PT, frame[3] - _MARGIN_PT - height
    corners = [(left, bottom), (left, top), (right, bottom), (right, top)]
    along = [(float(x), y) for y in (top, bottom) for x in np.linspace(left, right, _STEPS_ALONG_EDGE)]
    return [(x, y, x + width, y + height) for x, y in (*corners, *along)]


def _inside(box: Box, points: FloatArray) -> npt.NDArray[np.bool_]:
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3]))


def is_inside(box: Box, x: float, y: float) -> bool:
    """Whether a point lies in a box."""
    return bool(_inside(box, np.array([[x, y]]))[0])


# The sheet is always 16 inches wide: every size in points keeps its share of the map at any pixel size.
SHEET_WIDTH_PT = 1152.0
MARGIN_PT, TITLE_PT, PANEL_PT, FOOT_PT = 14.0, 66.0, 222.0, 34.0
_WATER, _LAND, _BACKDROP, _BORDER, _LINES = "#E9F0F4", "#FBFAF6", "#EFEDE6", "#D8D3C7", "#8A8578"


@dataclass(frozen=True, eq=False)
class Canvas:
    """The map's axes, whose coordinates are points, and the way from degrees to them."""

    axes: Axes
    frame: Box  # Labels stay inside
    projection: MapProjection
    view: View
    points_per_m: float  # Of the projection
    is_detail: bool = False  # Whether it shows a part of another map at a larger scale, with room for more labels

    def to_points(self, xy_m: FloatArray) -> FloatArray:
        """Turn (n, 2) positions in metres of the projection into points."""
        return (xy_m - [self.view.x_min, self.view.y_min]) * self.points_per_m

    def place(self, longitude_deg: float, latitude_deg: float) -> tuple[float, float]:
        """Find the point of a place."""
        x, y = self.projection.project(np.array([longitude_deg]), np.array([latitude_deg]))
        ((left, up),) = self.to_points(np.column_stack([x, y]))
        return float(left), float(up)

    def shows(self, x: float, y: float) -> bool:
        """Whether a point lies in the window."""
        left, bottom, right, top = self.frame
        return left <= x <= right and bottom <= y <= top

    def geodesic(self, start: tuple[float, float], end: tuple[float, float]) -> FloatArray:
        """Find the shortest line between two (longitude_deg, latitude_deg): (n, 2) points."""
        return self.to_points(self.projection.project_geodesic(start, end))


def axes_in_points(figure: Figure, box: Box, sheet_height: float) -> Axes:
    """Add axes whose coordinates are points."""
    left, bottom, width, height = box
    share = (left / SHEET_WIDTH_PT, bottom / sheet_height, width / SHEET_WIDTH_PT, height / sheet_height)
    return _measure_in_points(figure.add_axes(share), width, height)


def _measure_in_points(axes: Axes, width: float, height: float) -> Axes:
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    return axes


def add_canvas(figure: Figure, box: Box, sheet_height: float, projection: MapProjection, view: View) -> Canvas:
    """Add an empty map to the sheet; `box`: left, bottom, width and height in points, of the shape of the view."""
    return _canvas(axes_in_points(figure, box, sheet_height), box[2], box[3], projection, view)


def _canvas(
    axes: Axes, width: float, height: float, projection: MapProjection, view: View, *, is_detail: bool = False
) -> Canvas:
    axes.add_patch(Rectangle((0, 0), width, height, facecolor=_LAND, edgecolor="none", zorder=0))
    frame, points_per_m = (4.0, 4.0, width - 4.0, height - 4.0), width / (view.x_max - view.x_min)
    return Canvas(axes, frame, projection, view, points_per_m, is_detail=is_detail)


def add_detail(canvas: Canvas, inset: Inset) -> Canvas:
    """Add an empty inset to a map, and outline the part that it shows."""
    left, bottom, right, top = inset.source
    outline = Rectangle((left, bottom), right - left, top - bottom, facecolor="none", edgecolor=INK, linewidth=0.8)
    outline.set_zorder(6.5)
    canvas.axes.add_patch(outline)
    return add_inset(canvas, inset.box, inset.view)


def add_inset(canvas: Canvas, box: Box, view: View) -> Canvas:
    """Add an empty map with a frame on top of another; `box` in points of that, of the shape of the view."""
    left, bottom, right, top = box
    width, height = right - left, top - bottom
    axes = canvas.axes.inset_axes((left, bottom, width, height), transform=canvas.axes.transData, zorder=9)
    _measure_in_points(axes, width, height)
    detail = _canvas(axes, width, height, canvas.projection, view, is_detail=True)
    axes.add_patch(Rectangle((0, 0), width, height, facecolor="none", edgecolor=INK, linewidth=1.6, zorder=9))
    return detail


def draw_basemap(canvas: Canvas, basemap: Basemap) -> None:
    """Fill the backdrop and draw the outlines; what is left is water."""
    canvas.axes.patches[0].set_facecolor(_WATER)
    for polygons, colour, edge in ((basemap.backdrop, _BACKDROP, "none"), (basemap.outlines, _LAND, _BORDER)):
        for rings in polygons:
            outline = Outline.make_compound_path(*(Outline(canvas.to_points(ring), closed=True) for ring in rings))
            canvas.axes.add_patch(PathPatch(outline, facecolor=colour, edgecolor=edge, linewidth=0.7, zorder=1))
    lines = [canvas.to_points(line) for line in basemap.lines]
    canvas.axes.add_collection(LineCollection(lines, colors=_LINES, linewidths=1.0, zorder=1.1))


def land_in_points(canvas: Canvas, basemap: Basemap) -> Any:
    """Find the area of interest as a shape in points; None where the outlines do not tell it from land around it."""
    if not basemap.backdrop:
        return None
    rings = [shapely.Polygon(canvas.to_points(rings[0])) for rings in basemap.outlines]
    land = shapely.union_all(shapely.make_valid(np.array(rings, object)))
    shapely.prepare(land)
    return land


def draw_scale_bar(canvas: Canvas, bar: ScaleBar, words: Words, *, reserved: Sequence[Box], places: FloatArray) -> Box:
    """Draw the scale bar at the lower edge, in a corner or beside an inset, over no place if that can be."""
    bottom, length = 22.0, bar.length_on_map_m * canvas.points_per_m

    def box_at(left: float) -> Box:
        return (left - 12.0, bottom - 4.0, left + length + 30.0, bottom + 22.0)

    lefts = [18.0, canvas.frame[2] - length - 36.0, *(box[2] + 22.0 for box in reserved)]
    free = [at for at in lefts if not any(boxes_overlap(box_at(at), other) for other in reserved)]
    clear = [at for at in free if not _inside(box_at(at), places).any()]
    left = [*clear, *free, *lefts][0]
    for i, face in enumerate((INK, "white")):
        part = Rectangle((left + i * length / 2, bottom), length / 2, 5.0, facecolor=face, edgecolor=INK, linewidth=0.8)
        part.set_zorder(9)
        canvas.axes.add_patch(part)
    for share, text in (
        (0.0, "0"),
        (0.5, f"{bar.length_km / 2:,g}"),
        (1.0, words("unit.km", length=f"{bar.length_km:,g}")),
    ):
        look = {"fontproperties": font_of(words.lang, 10.0), "ha": "center", "zorder": 9, "path_effects": HALO}
        write_text(canvas.axes, left + share * length, bottom + 9.0, text, **look)
    return box_at(left)

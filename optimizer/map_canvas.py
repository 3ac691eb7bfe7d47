"""The sheet and the map's axes, both measured in points, with the backdrop and the scale bar."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline

from optimizer.geo import RunTables, positions_shown
from optimizer.map_basemap import Basemap
from optimizer.map_labels import Box
from optimizer.map_projection import MapProjection, ScaleBar, View, fit_map

FloatArray = npt.NDArray[np.float64]

# The sheet is always 16 inches wide: every size in points keeps its share of the picture at any pixel size.
SHEET_WIDTH_PT = 1152.0
MARGIN_PT, TITLE_PT, PANEL_PT, FOOT_PT = 14.0, 64.0, 222.0, 20.0

FONT = "DejaVu Sans"
INK, FAINT_INK = "#222222", "#5F5F5F"
HALO = (patheffects.withStroke(linewidth=3.0, foreground="white", alpha=0.85),)
_WATER, _LAND, _BACKDROP, _BORDER = "#E9F0F4", "#FBFAF6", "#EFEDE6", "#D8D3C7"


@dataclass(frozen=True, eq=False)
class Canvas:
    """
    The map's axes, whose coordinates are points, and the way from degrees to them.

    Attributes
    ----------
    axes
        The axes.
    frame
        Box that labels must keep to.
    projection, view
        Projection and window.
    points_per_m
        Points per metre of the projection.
    """

    axes: Axes
    frame: Box
    projection: MapProjection
    view: View
    points_per_m: float

    def to_points(self, xy_m: FloatArray) -> FloatArray:
        """Turn (n, 2) positions in metres of the projection into points."""
        return (xy_m - [self.view.x_min, self.view.y_min]) * self.points_per_m

    def places(self, table: pd.DataFrame) -> FloatArray:
        """Find the (n, 2) points of a table's longitude_deg and latitude_deg."""
        x, y = self.projection.project(table["longitude_deg"].to_numpy(float), table["latitude_deg"].to_numpy(float))
        return self.to_points(np.column_stack([x, y]))

    def geodesic(self, start: tuple[float, float], end: tuple[float, float]) -> FloatArray:
        """Find the shortest line between two (longitude_deg, latitude_deg): (n, 2) points."""
        return self.to_points(self.projection.project_geodesic(start, end))


@functools.cache
def _glyphs() -> frozenset[int]:
    """List what the map's fonts can draw; matplotlib ships them, so it is the same everywhere."""
    files = [findfont(FontProperties(family=FONT, weight=weight)) for weight in ("normal", "bold")]
    return frozenset.intersection(*(frozenset(get_font(file).get_charmap()) for file in files))


def has_glyph(char: str) -> bool:
    """
    Tell whether the map's fonts can draw a character.

    Parameters
    ----------
    char
        The character.

    Returns
    -------
    bool
        Whether they can; otherwise an empty box would stand for it.
    """
    return ord(char) in _glyphs()


def write_text(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """
    Write a text literally: a name such as `a$b$c` is not mathematics, and what the font lacks becomes `?`.

    Parameters
    ----------
    axes
        Where to write.
    x, y
        Position in the axes' coordinates.
    text
        The text.
    **style
        Properties of a matplotlib text.
    """
    drawable = "".join(char if has_glyph(char) else "?" for char in text)
    font = {} if "fontproperties" in style else {"family": FONT}
    axes.text(x, y, drawable, **{"parse_math": False, "color": INK, "va": "baseline", **font, **style})


def axes_in_points(figure: Figure, box: Box, sheet_height: float) -> Axes:
    """
    Add axes whose coordinates are points.

    Parameters
    ----------
    figure
        The sheet.
    box
        Left, bottom, width and height on the sheet, points.
    sheet_height
        Points.

    Returns
    -------
    Axes
        The axes, without a frame.
    """
    left, bottom, width, height = box
    share = (left / SHEET_WIDTH_PT, bottom / sheet_height, width / SHEET_WIDTH_PT, height / sheet_height)
    axes = figure.add_axes(share)
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    return axes


def build_canvas(figure: Figure, run: RunTables, sheet_height: float) -> Canvas:
    """
    Add the map's axes to the sheet, with the projection and the window that the run's places need.

    Parameters
    ----------
    figure
        The sheet.
    run
        The run.
    sheet_height
        Points.

    Returns
    -------
    Canvas
        The map, still empty.
    """
    left, bottom = MARGIN_PT, MARGIN_PT + FOOT_PT
    width = SHEET_WIDTH_PT - PANEL_PT - 2 * MARGIN_PT
    height = sheet_height - TITLE_PT - bottom
    projection, view = fit_map(positions_shown(run), aspect=width / height)
    axes = axes_in_points(figure, (left, bottom, width, height), sheet_height)
    axes.add_patch(Rectangle((0, 0), width, height, facecolor=_LAND, edgecolor="none", zorder=0))
    return Canvas(axes, (4.0, 4.0, width - 4.0, height - 4.0), projection, view, width / (view.x_max - view.x_min))


def draw_basemap(canvas: Canvas, basemap: Basemap) -> None:
    """
    Fill the backdrop and draw the outlines; what is left is water.

    Parameters
    ----------
    canvas
        The map.
    basemap
        The polygons.
    """
    canvas.axes.patches[0].set_facecolor(_WATER)
    for polygons, colour, edge in ((basemap.backdrop, _BACKDROP, "none"), (basemap.outlines, _LAND, _BORDER)):
        for rings in polygons:
            outline = Outline.make_compound_path(*(Outline(canvas.to_points(ring), closed=True) for ring in rings))
            canvas.axes.add_patch(PathPatch(outline, facecolor=colour, edgecolor=edge, linewidth=0.7, zorder=1))


def draw_scale_bar(canvas: Canvas, bar: ScaleBar) -> Box:
    """
    Draw the scale bar in the lower left corner.

    Parameters
    ----------
    canvas
        The map.
    bar
        Its lengths.

    Returns
    -------
    tuple of float
        The box that it fills.
    """
    left, bottom = 18.0, 22.0
    length = bar.length_on_map_m * canvas.points_per_m
    for i, face in enumerate((INK, "white")):
        part = Rectangle((left + i * length / 2, bottom), length / 2, 5.0, facecolor=face, edgecolor=INK, linewidth=0.8)
        part.set_zorder(9)
        canvas.axes.add_patch(part)
    for share, text in ((0.0, "0"), (0.5, f"{bar.length_km / 2:,g}"), (1.0, f"{bar.length_km:,g} km")):
        write_text(
            canvas.axes,
            left + share * length,
            bottom + 9.0,
            text,
            fontsize=10.0,
            ha="center",
            zorder=9,
            path_effects=HALO,
        )
    return (left - 12.0, bottom - 4.0, left + length + 30.0, bottom + 22.0)

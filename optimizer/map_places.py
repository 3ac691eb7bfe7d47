"""Data centers and demand hubs on the map: circles whose area is their volume, and their labels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle

from optimizer.geo import RunTables
from optimizer.map_canvas import FAINT_INK, FONT, HALO, INK, Canvas, has_glyph, write_text
from optimizer.map_flows import WIDEST_LINK_PT, ColourBy
from optimizer.map_labels import LabelRequest, PlacedLabel, printable
from optimizer.map_style import NEUTRAL_COLOUR, region_colours, shorten

FloatArray = npt.NDArray[np.float64]

_LARGEST_CENTER_RADIUS_PT, _SMALLEST_CENTER_RADIUS_PT = 17.0, 3.0
_LARGEST_HUB_RADIUS_PT, _SMALLEST_HUB_RADIUS_PT = 8.0, 2.0
_CENTER_LABEL_PT, _HUB_LABEL_PT = 11.5, 10.0
_LABEL_CHARS = {"center": 40, "hub": 24}
_ONE_LINE_CHARS = 18
_LINE_HEIGHT = 1.25
_HUB_LABELS = 14
_MEASURE_DPI = 288


@dataclass(frozen=True)
class SizeKey:
    """Largest volumes drawn and the functions that turn mtok a day into a width or a radius, in points."""

    largest_link: float
    link_width: Callable[[float], float]
    largest_center: float
    center_radius: Callable[[float], float]
    largest_hub: float
    hub_radius: Callable[[float], float]


def build_size_key(run: RunTables, largest_link: float) -> SizeKey:
    """
    Choose the scales so that the largest flow and circles have the same size on every map.

    Parameters
    ----------
    run
        The run.
    largest_link
        What the busiest link carries, million tokens a day.

    Returns
    -------
    SizeKey
        The scales: widths linear, since bands add up; circles by area.
    """
    largest_center = float(run.data_centers["mtok_per_year"].max()) / run.days_per_year
    largest_hub = float(run.demand_hubs["mtok_per_year"].max()) / run.days_per_year
    return SizeKey(
        largest_link=largest_link,
        link_width=lambda amount: WIDEST_LINK_PT * amount / largest_link if largest_link else 0.0,
        largest_center=largest_center,
        center_radius=_radius_scale(largest_center, _LARGEST_CENTER_RADIUS_PT, _SMALLEST_CENTER_RADIUS_PT),
        largest_hub=largest_hub,
        hub_radius=_radius_scale(largest_hub, _LARGEST_HUB_RADIUS_PT, _SMALLEST_HUB_RADIUS_PT),
    )


def draw_places(
    canvas: Canvas, run: RunTables, sizes: SizeKey, colour_by: ColourBy
) -> tuple[list[LabelRequest], FloatArray]:
    """
    Draw the circles, largest first.

    Parameters
    ----------
    canvas
        The map.
    run
        The run.
    sizes
        The scales.
    colour_by
        What colours stand for; circles are neutral unless it is the region.

    Returns
    -------
    tuple
        The labels that the circles want, most important first, and (n, 3) x, y and radius of all circles.
    """
    regions = region_colours(run.data_centers, run.demand_hubs)
    requests, circles = [], []
    for place, row, (x, y) in _ranked(canvas, run.data_centers):
        if not row["is_open"]:
            canvas.axes.plot([x], [y], marker="x", markersize=5.0, markeredgewidth=1.2, color=FAINT_INK, zorder=5)
            circles.append((x, y, 3.0))
            continue
        radius = sizes.center_radius(row["mtok_per_year"] / run.days_per_year)
        face = regions[row["region"]] if colour_by == "region" else NEUTRAL_COLOUR
        canvas.axes.add_patch(Circle((x, y), radius, facecolor=face, edgecolor="white", linewidth=1.4, zorder=4))
        circles.append((x, y, radius))
        requests.append(_label(row["name"], place, circles[-1], style="center"))
    for rank, (place, row, (x, y)) in enumerate(_ranked(canvas, run.demand_hubs)):
        radius = sizes.hub_radius(row["mtok_per_year"] / run.days_per_year)
        for edge, width, order in (("white", 2.6, 5), (INK, 1.1, 6)):
            ring = Circle((x, y), radius, facecolor="none", edgecolor=edge, linewidth=width, zorder=order)
            canvas.axes.add_patch(ring)
        circles.append((x, y, radius))
        if rank < _HUB_LABELS:
            requests.append(_label(row["name"], place, circles[-1], style="hub"))
    return requests, np.array(circles, float).reshape(-1, 3)


def _ranked(canvas: Canvas, places: pd.DataFrame) -> list[tuple[str, dict[str, Any], tuple[float, float]]]:
    """List places with their attributes and map points, largest volume first."""
    rows = zip(places.index, places.to_dict("records"), canvas.places(places), strict=True)
    listed = [(str(place), cast("dict[str, Any]", row), (float(x), float(y))) for place, row, (x, y) in rows]
    return sorted(listed, key=lambda item: (-item[1]["mtok_per_year"], item[0]))


def _label(name: str, place: str, circle: tuple[float, float, float], *, style: str) -> LabelRequest:
    text = shorten(printable(name, place, has_glyph), _LABEL_CHARS[style])
    lines = wrap_label(text)
    width, height = measure_text(lines, style)
    return LabelRequest(lines, *circle, width, height, style, must=style == "center")


def wrap_label(text: str) -> tuple[str, ...]:
    """
    Break a long label into two lines of like length: a compact box finds a place more easily.

    Parameters
    ----------
    text
        The label.

    Returns
    -------
    tuple of str
        One line or two.
    """
    if len(text) <= _ONE_LINE_CHARS or " " not in text.strip():
        return (text,)
    spaces = [i for i, char in enumerate(text) if char == " "]
    # Closing brackets stay whole: the name above, what they add below.
    ends_in_brackets = " (" in text and text[-1] in ")…"
    wanted = text.find(" (") if ends_in_brackets else (len(text) - 1) / 2
    middle = min(spaces, key=lambda i: abs(i - wanted))
    return text[:middle].rstrip(), text[middle + 1 :].lstrip()


def _label_font(style: str) -> FontProperties:
    if style == "center":
        return FontProperties(family=FONT, weight="bold", size=_CENTER_LABEL_PT)
    return FontProperties(family=FONT, size=_HUB_LABEL_PT)


@functools.cache
def _measuring_renderer() -> Any:
    canvas: Any = FigureCanvasAgg(Figure(figsize=(1.0, 1.0), dpi=_MEASURE_DPI))
    return canvas.get_renderer()


def measure_text(lines: tuple[str, ...], style: str) -> tuple[float, float]:
    """
    Measure a label's box.

    Parameters
    ----------
    lines
        The label's lines.
    style
        `center` or `hub`.

    Returns
    -------
    tuple of float
        Width and height in points, with a little room around.
    """
    font = _label_font(style)
    renderer = _measuring_renderer()
    widths = [renderer.get_text_width_height_descent(line, font, ismath=False)[0] for line in lines]
    return max(widths) * 72.0 / _MEASURE_DPI + 4.0, len(lines) * _LINE_HEIGHT * font.get_size_in_points()


def draw_labels(canvas: Canvas, labels: list[PlacedLabel]) -> None:
    """
    Write the labels where they were placed, with a line to those that had to move away.

    Parameters
    ----------
    canvas
        The map.
    labels
        The labels.
    """
    for label in labels:
        if label.leader is not None:
            (x0, y0), (x1, y1) = label.leader
            canvas.axes.plot([x0, x1], [y0, y1], color=FAINT_INK, linewidth=0.7, zorder=7)
        font = _label_font(label.style)
        colour = INK if label.style == "center" else "#3D3D3D"
        middle = (label.box[0] + label.box[2]) / 2
        for i, line in enumerate(label.lines):
            baseline = label.box[3] - (i + 0.78) * _LINE_HEIGHT * font.get_size_in_points()
            style = {
                "fontproperties": font,
                "color": colour,
                "path_effects": HALO,
                "zorder": 8,
                "ha": "center",
            }
            write_text(canvas.axes, middle, baseline, line, **style)


def _radius_scale(largest: float, widest_pt: float, smallest_pt: float) -> Callable[[float], float]:
    """Make a circle's area proportional to its amount, down to a size that can still be seen."""
    return lambda amount: max(smallest_pt, widest_pt * float(np.sqrt(amount / largest))) if largest else smallest_pt

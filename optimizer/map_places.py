"""Places on the map: circles whose area is an amount, crosses, and their labels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle

from optimizer.map_canvas import Canvas
from optimizer.map_font import FAINT_INK, HALO, INK, font_families, text_width_pt, write_text
from optimizer.map_labels import LabelRequest, PlacedLabel
from optimizer.map_options import Lang
from optimizer.map_style import shorten
from optimizer.map_words import read_words

FloatArray = npt.NDArray[np.float64]

LARGEST_CENTER_RADIUS_PT, SMALLEST_CENTER_RADIUS_PT = 17.0, 3.0
LARGEST_HUB_RADIUS_PT, SMALLEST_HUB_RADIUS_PT = 8.0, 2.0
HUB_LABELS = 14
_LABEL_PT = {"center": 11.5, "open": 10.0, "hub": 10.0, "note": 10.0}
_LABEL_CHARS = {"center": 40, "open": 40, "hub": 24}
_ONE_LINE_CHARS, _ONE_LINE_WIDE_CHARS = 18, 9
_FIRST_WIDE = 0x2E80
_LINE_HEIGHT = 1.25
_LABEL_ROOM_PT = 4.0
_CROSS_RADIUS_PT = 3.0
_GREY_TEXT = "#3D3D3D"


@dataclass(frozen=True)
class Marker:
    """
    A place to be drawn.

    Attributes
    ----------
    longitude_deg, latitude_deg
        Where.
    radius
        Points.
    label
        Its name; none asks for no label.
    style
        `center`: a filled circle with a bold label; `open`: one with a hole and a plain label; `hub`: a thin
        ring with a plain label; `cross`.
    face, edge
        Colours.
    notes
        Small lines below the label.
    must
        Whether its label may be led further away before it is given up.
    is_minor
        Whether it is labelled on details alone.
    """

    longitude_deg: float
    latitude_deg: float
    radius: float
    label: str = ""
    style: str = "center"
    face: str = "none"
    edge: str = "white"
    notes: tuple[str, ...] = ()
    must: bool = True
    is_minor: bool = False


def cross(longitude_deg: float, latitude_deg: float, label: str = "") -> Marker:
    """
    Mark a place that is not used.

    Parameters
    ----------
    longitude_deg, latitude_deg
        Where.
    label
        Its name; none asks for no label.

    Returns
    -------
    Marker
        The cross.
    """
    return Marker(longitude_deg, latitude_deg, _CROSS_RADIUS_PT, label, style="cross", must=False)


def radius_scale(largest: float, widest_pt: float, smallest_pt: float) -> Callable[[float], float]:
    """
    Make a circle's area proportional to its amount, down to a size that can still be seen.

    Parameters
    ----------
    largest
        Largest amount.
    widest_pt, smallest_pt
        Its radius, and the least radius.

    Returns
    -------
    callable
        Amount to radius.
    """
    return lambda amount: max(smallest_pt, widest_pt * float(np.sqrt(amount / largest))) if largest else smallest_pt


def draw_markers(canvas: Canvas, markers: Iterable[Marker], lang: Lang) -> tuple[list[LabelRequest], FloatArray]:
    """
    Draw the places that the map shows.

    Parameters
    ----------
    canvas
        The map.
    markers
        Places, most important first of each style.
    lang
        Language of the labels.

    Returns
    -------
    tuple
        The labels that they want, in their order, and (n, 3) x, y and radius of all that is drawn.
    """
    requests, circles = [], []
    for marker in markers:
        x, y = canvas.place(marker.longitude_deg, marker.latitude_deg)
        if not canvas.shows(x, y):
            continue
        _draw(canvas, marker, x, y)
        circles.append((x, y, marker.radius))
        if marker.label and (canvas.is_detail or not marker.is_minor):
            requests.append(request_label(marker, (x, y), lang))
    return requests, np.array(circles, float).reshape(-1, 3)


def _draw(canvas: Canvas, marker: Marker, x: float, y: float) -> None:
    if marker.style == "cross":
        canvas.axes.plot([x], [y], marker="x", markersize=5.0, markeredgewidth=1.2, color=FAINT_INK, zorder=5)
    elif marker.style in {"center", "open"}:
        circle = Circle((x, y), marker.radius, facecolor=marker.face, edgecolor=marker.edge, linewidth=1.4, zorder=4)
        canvas.axes.add_patch(circle)
        if marker.style == "open":
            hole = Circle((x, y), 0.4 * marker.radius, facecolor="white", edgecolor=marker.edge, zorder=4.1)
            canvas.axes.add_patch(hole)
    else:
        for edge, width, order in (("white", 2.6, 5), (INK, 1.1, 6)):
            ring = Circle((x, y), marker.radius, facecolor="none", edgecolor=edge, linewidth=width, zorder=order)
            canvas.axes.add_patch(ring)


def request_label(marker: Marker, at: tuple[float, float], lang: Lang) -> LabelRequest:
    """
    Measure the label of a place.

    Parameters
    ----------
    marker
        The place, with a label.
    at
        Where it is on the map, points.
    lang
        Language of the label.

    Returns
    -------
    LabelRequest
        The label with its size.
    """
    style = marker.style if marker.style in _LABEL_CHARS else "hub"
    lines = wrap_label(shorten(marker.label, _LABEL_CHARS[style]))
    width, height = measure_label(lines, marker.notes, style, lang)
    return LabelRequest(lines, *at, marker.radius, width, height, style, marker.must, marker.notes)


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
    if all(ord(char) >= _FIRST_WIDE for char in text):
        return _wrap_wide(text)
    if len(text) <= _ONE_LINE_CHARS or " " not in text.strip():
        return (text,)
    spaces = [i for i, char in enumerate(text) if char == " "]
    # Closing brackets stay whole: the name above, what they add below.
    ends_in_brackets = " (" in text and text[-1] in ")\u2026"
    wanted = text.find(" (") if ends_in_brackets else (len(text) - 1) / 2
    middle = min(spaces, key=lambda i: abs(i - wanted))
    return text[:middle].rstrip(), text[middle + 1 :].lstrip()


def _wrap_wide(text: str) -> tuple[str, ...]:
    """Break a long Chinese name near its middle, but not within a word of the list of words that stay together."""
    if len(text) <= _ONE_LINE_WIDE_CHARS:
        return (text,)
    within: set[int] = set()
    for word in read_words()["wrap.keep_together"]["zh"].split():
        at = text.find(word)
        while at >= 0:
            within.update(range(at + 1, at + len(word)))
            at = text.find(word, at + 1)
    breaks = [i for i in range(2, len(text) - 1) if i not in within] or [len(text) // 2]
    middle = min(breaks, key=lambda i: abs(i - len(text) / 2))
    return text[:middle], text[middle:]


@functools.cache
def label_font(style: str, lang: Lang) -> FontProperties:
    """
    Choose the font of labels.

    Parameters
    ----------
    style
        `center`, `open`, `hub` or `note`.
    lang
        Language.

    Returns
    -------
    FontProperties
        The font.
    """
    weight = "bold" if style == "center" else "normal"
    return FontProperties(family=list(font_families(lang)), weight=weight, size=_LABEL_PT[style])


def measure_label(lines: tuple[str, ...], notes: tuple[str, ...], style: str, lang: Lang) -> tuple[float, float]:
    """
    Measure a label's box.

    Parameters
    ----------
    lines, notes
        The label's lines.
    style
        `center` or `hub`.
    lang
        Language.

    Returns
    -------
    tuple of float
        Width and height in points, with a little room around.
    """
    typeset = [(line, label_font(name, lang)) for line, name in _typeset(lines, notes, style)]
    width = max(text_width_pt(line, font) for line, font in typeset) + _LABEL_ROOM_PT
    return width, sum(_LINE_HEIGHT * font.get_size_in_points() for _, font in typeset)


def _typeset(lines: tuple[str, ...], notes: tuple[str, ...], style: str) -> list[tuple[str, str]]:
    return [*((line, style) for line in lines), *((note, "note") for note in notes)]


def draw_labels(canvas: Canvas, labels: list[PlacedLabel], lang: Lang) -> None:
    """
    Write the labels where they were placed, with a line to those that had to move away.

    Parameters
    ----------
    canvas
        The map.
    labels
        The labels.
    lang
        Language.
    """
    for label in labels:
        if label.leader is not None:
            (x0, y0), (x1, y1) = label.leader
            canvas.axes.plot([x0, x1], [y0, y1], color=FAINT_INK, linewidth=0.7, zorder=7)
        top = label.box[3]
        for line, name in _typeset(label.lines, label.notes, label.style):
            font = label_font(name, lang)
            size = font.get_size_in_points()
            look = {
                "fontproperties": font,
                "color": INK if name == "center" else _GREY_TEXT,
                "path_effects": HALO,
                "zorder": 8,
                "ha": "center",
            }
            write_text(canvas.axes, (label.box[0] + label.box[2]) / 2, top - 0.78 * _LINE_HEIGHT * size, line, **look)
            top -= _LINE_HEIGHT * size

"""
Places on a map and the key that explains them.

Circles whose area is an amount, crosses and their labels; a few classes of numbers with round breaks; the key, drawn
from top to bottom: what colours, widths and circles mean, and small tables.
"""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle, Polygon, Rectangle

from optimizer.drawing.colours import FAINT_INK, INK, NEUTRAL_COLOUR, OTHER_COLOUR, legend_amounts, round_down_nicely
from optimizer.drawing.lettering import HALO, SNAPPED, font_families, font_of, text_width_pt, wrap_to_width, write_text
from optimizer.drawing.words import Words, read_words
from optimizer.maps.canvas import Canvas
from optimizer.maps.labels import LabelRequest, PlacedLabel
from optimizer.numbers import format_percent, shorten
from optimizer.problem.problem import FloatArray
from optimizer.words.language import Lang

_LABEL_PT = {"center": 11.5, "open": 10.0, "hub": 10.0, "note": 10.0}
_LABEL_CHARS = {"center": 60, "open": 60, "hub": 24}
_TWO_LINES_CHARS = 40
_ONE_LINE_CHARS, _ONE_LINE_WIDE_CHARS = 18, 9
_FIRST_WIDE = 0x2E80
_LINE_HEIGHT = 1.25
_LABEL_ROOM_PT = 4.0
_CROSS_RADIUS_PT = 3.0
_GREY_TEXT = "#3D3D3D"


@dataclass(frozen=True)
class Marker:
    """A place to be drawn."""

    longitude_deg: float
    latitude_deg: float
    radius: float
    label: str = ""  # Its name; without one there is no label
    # `center`: filled circle, bold label; `open`: with a hole, plain label; `hub`: thin ring, plain label; `cross`
    style: str = "center"
    face: str = "none"
    edge: str = "white"
    notes: tuple[str, ...] = ()  # Small lines below the label
    must: bool = True  # Whether its label may stand further away before it is dropped


def cross(longitude_deg: float, latitude_deg: float, label: str = "") -> Marker:
    """Mark a place that is not used."""
    return Marker(longitude_deg, latitude_deg, _CROSS_RADIUS_PT, label, style="cross", must=False)


def radius_scale(largest: float, widest_pt: float, smallest_pt: float) -> Callable[[float], float]:
    """Make a circle's area proportional to its amount, down to a size that can still be seen."""
    return lambda amount: max(smallest_pt, widest_pt * float(np.sqrt(amount / largest))) if largest else smallest_pt


def draw_markers(canvas: Canvas, markers: Iterable[Marker], lang: Lang) -> tuple[list[LabelRequest], FloatArray]:
    """Draw the places in the window; returns their labels in order, and (n, 3) x, y and radius of all of them."""
    requests, circles = [], []
    for marker in markers:
        x, y = canvas.place(marker.longitude_deg, marker.latitude_deg)
        if not canvas.shows(x, y):
            continue
        _draw(canvas, marker, x, y)
        circles.append((x, y, marker.radius))
        if marker.label:
            requests.append(request_label(marker, (x, y), lang))
    return requests, np.array(circles, float).reshape(-1, 3)


def _draw(canvas: Canvas, marker: Marker, x: float, y: float) -> None:
    if marker.style == "cross":
        canvas.axes.plot([x], [y], marker="x", markersize=5.0, markeredgewidth=1.2, color=FAINT_INK, zorder=5)
    elif marker.style == "junction":
        dot = Circle((x, y), marker.radius, facecolor=JUNCTION_COLOUR, edgecolor="white", linewidth=0.6, zorder=3.8)
        canvas.axes.add_patch(dot)
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
    """Measure the label of a place."""
    style = marker.style if marker.style in _LABEL_CHARS else "hub"
    lines = wrap_label(shorten(marker.label, _LABEL_CHARS[style]))
    width, height = measure_label(lines, marker.notes, style, lang)
    return LabelRequest(lines, *at, marker.radius, width, height, style, marker.must, marker.notes)


def wrap_label(text: str) -> tuple[str, ...]:
    """Break a long label into two or three lines of similar length: a compact box is easier to place."""
    if all(ord(char) >= _FIRST_WIDE for char in text):
        return _wrap_wide(text)
    if len(text) <= _ONE_LINE_CHARS or " " not in text.strip():
        return (text,)
    if len(text) > _TWO_LINES_CHARS:
        return tuple(textwrap.wrap(text, len(text) // 3 + 5))
    spaces = [i for i, char in enumerate(text) if char == " "]
    # Closing brackets stay together: the name above, what they add below.
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
def _label_font(style: str, lang: Lang) -> FontProperties:
    """Choose the font of labels."""
    return font_of(lang, _LABEL_PT[style], bold=style == "center")


def measure_label(lines: tuple[str, ...], notes: tuple[str, ...], style: str, lang: Lang) -> tuple[float, float]:
    """Measure a label's box."""
    typeset = [(line, _label_font(name, lang)) for line, name in _styled_lines(lines, notes, style)]
    width = max(text_width_pt(line, font) for line, font in typeset) + _LABEL_ROOM_PT
    return width, sum(_LINE_HEIGHT * font.get_size_in_points() for _, font in typeset)


def _styled_lines(lines: tuple[str, ...], notes: tuple[str, ...], style: str) -> list[tuple[str, str]]:
    return [*((line, style) for line in lines), *((note, "note") for note in notes)]


def draw_labels(canvas: Canvas, labels: list[PlacedLabel], lang: Lang) -> None:
    """Write the labels where they were placed, with a line to those that had to move away."""
    for label in labels:
        if label.leader is not None:
            (x0, y0), (x1, y1) = label.leader
            canvas.axes.plot([x0, x1], [y0, y1], color=FAINT_INK, linewidth=0.7, zorder=7)
        top = label.box[3]
        for line, name in _styled_lines(label.lines, label.notes, label.style):
            font = _label_font(name, lang)
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


MOST_CLASSES = 6

# Values that span more than this factor get breaks that grow by factors, 1, 2, 5, 10, ...; others, even ones.
_SKEWED = 20.0
_STEPS = (1.0, 2.0, 2.5, 5.0)


@dataclass(frozen=True)
class Classes:
    """Classes with their colours, lowest first."""

    edges: tuple[float, ...]  # Breaks, one more than classes: a class includes its lower break, the last both
    colours: tuple[str, ...]

    def index_of(self, value: float) -> int:
        """Find the class of a value within the breaks."""
        above = sum(value >= edge for edge in self.edges)
        return min(max(above - 1, 0), len(self.colours) - 1)

    def colour_of(self, value: float) -> str:
        """Find the colour of a value."""
        return self.colours[self.index_of(value)]


def fit_classes(values: Sequence[float], palette: Sequence[str]) -> Classes | None:
    """Choose classes that hold all values; None where there are no values."""
    if not values:
        return None
    low, high = min(values), max(values)
    is_skewed = high > _SKEWED * low and high > 0
    edges = _by_factors(values, high) if is_skewed else _even(low, high)
    count = len(edges) - 1
    # Few classes take colours from all of the palette, so that they stay far apart.
    picked = [round(i * (len(palette) - 1) / max(count - 1, 1)) for i in range(count)]
    if count == 1:
        picked = [len(palette) // 2]
    return Classes(tuple(edges), tuple(palette[i] for i in picked))


def _even(low: float, high: float) -> list[float]:
    """Find round breaks at even steps."""
    if high == low:
        step = round_down_nicely(low) if low > 0 else 1.0
        first = math.floor(low / step * (1 + 1e-12)) * step
        return [_clean(first), _clean(first + step)]
    power = 10.0 ** math.floor(math.log10((high - low) / MOST_CLASSES))
    for factor in (*_STEPS, *(10.0 * step for step in _STEPS)):
        step = factor * power
        first = math.floor(low / step + 1e-9)
        last = max(math.ceil(high / step - 1e-9), first + 1)
        if last - first <= MOST_CLASSES:
            return [_clean(i * step) for i in range(first, last + 1)]
    raise AssertionError((low, high))  # a step of the full range and more always fits


def _by_factors(values: Sequence[float], high: float) -> list[float]:
    """Find breaks 1, 2, 5, 10, ... from the highest value down; the lowest class begins at 0."""
    top = round_down_nicely(high)
    if top < high * (1 - 1e-12):
        top = round_down_nicely(top * 2.6)  # the next of 1, 2, 5, 10, ...
    edges = [top]
    while len(edges) < MOST_CLASSES and edges[-1] > min(value for value in values if value > 0):
        edges.append(round_down_nicely(edges[-1] * (1 - 1e-9)))
    return [0.0, *(_clean(edge) for edge in reversed(edges))]


def _clean(value: float) -> float:
    """Drop the last digits of a sum of steps: 0.30000000000000004 is 0.3."""
    return float(f"{value:.12g}")


_PANEL_INNER_PT = 204.0
FIBRE_COLOUR, JUNCTION_COLOUR = "#B9B4AA", "#8F897D"
_HEADING_PT, _TEXT_PT, _NOTE_PT = 12.5, 11.5, 10.0
_LINE_PT, _NOTE_LINE_PT, _SECTION_PT = 17.0, 13.5, 22.0
_TEXT_LEFT_PT, _SYMBOL_MIDDLE_PT = 44.0, 18.0
_MIDDLE_OF_TEXT_PT = 4.0
Write = Callable[[float], str]
_LineStyle = str | tuple[float, tuple[float, ...]]


class Panel:
    """The key beside a map."""

    def __init__(self, axes: Axes, height: float, words: Words) -> None:
        self.axes, self.words = axes, words
        self._y = height + _SECTION_PT - 14.0
        self._family = font_families(words.lang)

    def heading(self, key: str) -> None:
        """Begin a section; `key` names its words, here and below."""
        self._y -= _SECTION_PT - _LINE_PT
        for line in wrap_to_width(self.words(key), self._font(_HEADING_PT, bold=True), _PANEL_INNER_PT):
            self._y -= _LINE_PT
            self._write(0.0, line, fontsize=_HEADING_PT, weight="bold")
        self._y -= 2.0

    def shares(self, entries: Sequence[tuple[str, str, float]]) -> None:
        """List categories (name, colour, amount) with their shares, below a bar that shows them."""
        total = sum(amount for _, _, amount in entries) or 1.0
        left = 0.0
        self._y -= 17.0
        for _, colour, amount in entries:
            width = _PANEL_INNER_PT * amount / total
            self.axes.add_patch(Rectangle((left, self._y), width, 10.0, facecolor=colour, edgecolor="none"))
            left += width
        self._y -= 6.0
        for name, colour, amount in entries:
            self._y -= _LINE_PT
            self._square(colour)
            self._write(18.0, self.words.term("category", name), fontsize=_TEXT_PT)
            share = format_percent(amount / total, 0)
            self._right("<1%" if share == "0%" and amount > 0 else share)

    def classes(self, classes: Classes, values: Sequence[float], write: Write, key: str = "key.range") -> None:
        """List classes, highest first, with how many values each holds; `key` names the words for a range."""
        counts = np.bincount([classes.index_of(value) for value in values], minlength=len(classes.colours))
        for i in reversed(range(len(counts))):
            self._y -= _LINE_PT
            self._square(classes.colours[i], edge=INK)
            low, high = write(classes.edges[i]), write(classes.edges[i + 1])
            self._write(18.0, self.words(key, low=low, high=high), fontsize=_TEXT_PT)
            self._right(f"{counts[i]:,}")

    def widths(self, largest: float, width: Callable[[float], float], write: Write, colour: str = OTHER_COLOUR) -> None:
        """Show what widths of lines mean."""
        for amount in legend_amounts(largest):
            self._y -= max(_LINE_PT, width(amount) + 6.0)
            self._stroke(colour, width(amount))
            self._write(_TEXT_LEFT_PT, write(amount), fontsize=_TEXT_PT)

    def circles(
        self, key: str, largest: float, radius: Callable[[float], float], write: Write, *, hollow: bool = False
    ) -> None:
        """Show what areas of circles mean, in a section of its own; nothing where there are none."""
        if largest <= 0:
            return
        self.heading(key)
        last = 5.0
        for amount in legend_amounts(largest):
            r = radius(amount)
            self._y -= max(_LINE_PT, r + last + 3.0)
            last = r
            face, edge = ("none", INK) if hollow else (NEUTRAL_COLOUR, "white")
            self._disc(r, face, edge)
            self._write(_TEXT_LEFT_PT, write(amount), fontsize=_TEXT_PT)

    def _entry(self, key: str) -> None:
        self._y -= _LINE_PT
        self._write(_TEXT_LEFT_PT, self.words(key), fontsize=_TEXT_PT)

    def arrow(self, key: str) -> None:
        """Explain the small arrows in the bands."""
        self._entry(key)
        self._stroke(OTHER_COLOUR, 10.0)
        corners = [(15.0, self._y + 0.5), (15.0, self._y + 7.5), (23.0, self._y + 4.0)]
        self.axes.add_patch(Polygon(corners, facecolor="white", edgecolor="none", zorder=3))

    def cross(self, key: str) -> None:
        """Explain the crosses."""
        self._entry(key)
        at = ([_SYMBOL_MIDDLE_PT], [self._y + _MIDDLE_OF_TEXT_PT])
        self.axes.plot(*at, marker="x", markersize=5.0, markeredgewidth=1.2, color=FAINT_INK)

    def line(self, key: str, colour: str, width: float, style: _LineStyle = "-") -> None:
        """Explain a kind of line."""
        self._entry(key)
        self._stroke(colour, width, style)

    def disc(self, key: str, face: str, radius: float = 6.0) -> None:
        """Explain a kind of circle."""
        self._entry(key)
        self._disc(radius, face, "white")

    def table(self, key: str, rows: Sequence[tuple[str, str]], *, complete: bool = False) -> None:
        """List rows as far as there is room; none where only one or two fit, or not all where `complete`."""
        room = int((self._y - _SECTION_PT - _LINE_PT) / _LINE_PT)
        least = len(rows) if complete else min(len(rows), 3)
        if not rows or room < least:
            return
        self.heading(key)
        spare = max(room - len(rows), 0)
        for name, value in rows[:room]:
            lines = self._lines(name, value)
            if len(lines) - 1 > spare:
                lines = [self._cut(name, self._room_beside(value))]
            spare -= len(lines) - 1
            for i, line in enumerate(lines):
                self._y -= _LINE_PT if i == 0 else _NOTE_LINE_PT
                self._write(0.0, line, fontsize=_TEXT_PT)
                if i == 0:
                    self._right(value)

    def _room_beside(self, value: str) -> float:
        return _PANEL_INNER_PT - SNAPPED * text_width_pt(value, self._font(_TEXT_PT)) - 8.0

    def _lines(self, name: str, value: str) -> list[str]:
        """Break a name that is too long beside its value, at most once."""
        font, room_pt = self._font(_TEXT_PT), self._room_beside(value)
        lines = wrap_to_width(name, font, room_pt)
        if len(lines) > 1:
            lines = [lines[0], self._cut(name[len(lines[0]) :].strip(), _PANEL_INNER_PT)]
        return [self._cut(line, room_pt) for line in lines[:1]] + lines[1:]

    def note(self, key: str, **values: object) -> None:
        """Write a few small lines; nothing where there is no room."""
        lines = wrap_to_width(self.words(key, **values), self._font(_NOTE_PT), _PANEL_INNER_PT)
        if self._y < len(lines) * _NOTE_LINE_PT + 4.0:
            return
        self._y -= 5.0
        for line in lines:
            self._y -= _NOTE_LINE_PT
            self._write(0.0, line, fontsize=_NOTE_PT, color=FAINT_INK)

    def _cut(self, text: str, most_pt: float) -> str:
        font = self._font(_TEXT_PT)
        while len(text) > 1 and SNAPPED * text_width_pt(text, font) > most_pt:
            text = text.removesuffix("\u2026")[:-1].rstrip() + "\u2026"
        return text

    def _font(self, size: float, *, bold: bool = False) -> FontProperties:
        return font_of(self.words.lang, size, bold=bold)

    def _write(self, x: float, text: str, **style: object) -> None:
        write_text(self.axes, x, self._y, text, family=self._family, **style)

    def _right(self, text: str) -> None:
        self._write(_PANEL_INNER_PT, text, fontsize=_TEXT_PT, ha="right")

    def _square(self, colour: str, edge: str = "none") -> None:
        square = Rectangle((0.0, self._y - 1.0), 11.0, 11.0, facecolor=colour, edgecolor=edge, linewidth=0.5)
        self.axes.add_patch(square)

    def _disc(self, radius: float, face: str, edge: str) -> None:
        at = (_SYMBOL_MIDDLE_PT, self._y + _MIDDLE_OF_TEXT_PT)
        self.axes.add_patch(Circle(at, radius, facecolor=face, edgecolor=edge, linewidth=1.1))

    def _stroke(self, colour: str, width: float, style: _LineStyle = "-") -> None:
        y = self._y + _MIDDLE_OF_TEXT_PT
        line = LineCollection([[(2.0, y), (34.0, y)]], colors=colour, linewidths=width, linestyles=[style])
        line.set_capstyle("butt")
        self.axes.add_collection(line)

"""The key of a map, drawn from top to bottom: what colours, widths and circles stand for, and small tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle, Polygon, Rectangle

from optimizer.map_classes import Classes
from optimizer.map_font import FAINT_INK, INK, SNAPPED, font_families, text_width_pt, wrap_to_width, write_text
from optimizer.map_style import NEUTRAL_COLOUR, OTHER_COLOUR, legend_amounts
from optimizer.map_words import Words

PANEL_INNER_PT = 204.0
FIBRE_COLOUR = "#B9B4AA"
_HEADING_PT, _TEXT_PT, _NOTE_PT = 12.5, 11.5, 10.0
_LINE_PT, _NOTE_LINE_PT, _SECTION_PT = 17.0, 13.5, 22.0
_TEXT_LEFT_PT, _SYMBOL_MIDDLE_PT = 44.0, 18.0
_MIDDLE_OF_TEXT_PT = 4.0

Spell = Callable[[float], str]
LineStyle = str | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class KeyEntry:
    """A category with its colour and what it amounts to."""

    name: str
    colour: str
    amount: float


class Panel:
    """
    The key beside a map.

    Parameters
    ----------
    axes
        Axes in points, y upwards.
    height
        Height of the axes, points.
    words
        The language.
    """

    def __init__(self, axes: Axes, height: float, words: Words) -> None:
        self.axes, self.words = axes, words
        self._y = height + _SECTION_PT - 14.0
        self._family = list(font_families(words.lang))

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._y -= _SECTION_PT - _LINE_PT
        for line in wrap_to_width(text, self._font(_HEADING_PT, bold=True), PANEL_INNER_PT):
            self._y -= _LINE_PT
            self._write(0.0, line, fontsize=_HEADING_PT, weight="bold")
        self._y -= 2.0

    def shares(self, entries: Sequence[KeyEntry]) -> None:
        """List categories with their share of the whole, below a bar that shows them."""
        total = sum(entry.amount for entry in entries) or 1.0
        left = 0.0
        self._y -= 17.0
        for entry in entries:
            width = PANEL_INNER_PT * entry.amount / total
            self.axes.add_patch(Rectangle((left, self._y), width, 10.0, facecolor=entry.colour, edgecolor="none"))
            left += width
        self._y -= 6.0
        for entry in entries:
            self._y -= _LINE_PT
            self._square(entry.colour)
            self._write(18.0, self.words.term("category", entry.name), fontsize=_TEXT_PT)
            share = f"{entry.amount / total:.0%}"
            self._right("<1%" if share == "0%" and entry.amount > 0 else share)

    def classes(self, classes: Classes, values: Sequence[float], spell: Spell, key: str = "key.range") -> None:
        """List classes, highest first, with how many values each holds; `key` names the words for a range."""
        counts = [0] * len(classes.colours)
        for value in values:
            counts[classes.index_of(value)] += 1
        for i in reversed(range(len(counts))):
            self._y -= _LINE_PT
            self._square(classes.colours[i], edge=INK)
            low, high = spell(classes.edges[i]), spell(classes.edges[i + 1])
            self._write(18.0, self.words(key, low=low, high=high), fontsize=_TEXT_PT)
            self._right(f"{counts[i]:,}")

    def widths(self, largest: float, width: Callable[[float], float], spell: Spell, colour: str = OTHER_COLOUR) -> None:
        """Show what widths of lines stand for."""
        for amount in legend_amounts(largest):
            self._y -= max(_LINE_PT, width(amount) + 6.0)
            self._stroke(colour, width(amount))
            self._write(_TEXT_LEFT_PT, spell(amount), fontsize=_TEXT_PT)

    def circles(self, largest: float, radius: Callable[[float], float], spell: Spell, *, hollow: bool) -> None:
        """Show what areas of circles stand for."""
        last = 5.0
        for amount in legend_amounts(largest):
            r = radius(amount)
            self._y -= max(_LINE_PT, r + last + 3.0)
            last = r
            face, edge = ("none", INK) if hollow else (NEUTRAL_COLOUR, "white")
            self._disc(r, face, edge)
            self._write(_TEXT_LEFT_PT, spell(amount), fontsize=_TEXT_PT)

    def arrow(self, text: str) -> None:
        """Explain the small arrows in the bands."""
        self._y -= _LINE_PT
        self._stroke(OTHER_COLOUR, 10.0)
        y = self._y
        corners = [(15.0, y + 0.5), (15.0, y + 7.5), (23.0, y + 4.0)]
        self.axes.add_patch(Polygon(corners, facecolor="white", edgecolor="none", zorder=3))
        self._write(_TEXT_LEFT_PT, text, fontsize=_TEXT_PT)

    def cross(self, text: str) -> None:
        """Explain the crosses."""
        self._y -= _LINE_PT
        at = ([_SYMBOL_MIDDLE_PT], [self._y + _MIDDLE_OF_TEXT_PT])
        self.axes.plot(*at, marker="x", markersize=5.0, markeredgewidth=1.2, color=FAINT_INK)
        self._write(_TEXT_LEFT_PT, text, fontsize=_TEXT_PT)

    def line(self, text: str, colour: str, width: float, style: LineStyle = "-") -> None:
        """Explain a kind of line."""
        self._y -= _LINE_PT
        self._stroke(colour, width, style)
        self._write(_TEXT_LEFT_PT, text, fontsize=_TEXT_PT)

    def disc(self, text: str, face: str, edge: str, radius: float = 6.0) -> None:
        """Explain a kind of circle."""
        self._y -= _LINE_PT
        self._disc(radius, face, edge)
        self._write(_TEXT_LEFT_PT, text, fontsize=_TEXT_PT)

    def table(self, heading: str, rows: Sequence[tuple[str, str]], *, whole: bool = False) -> None:
        """List rows as far as there is room; nothing at all where not even a few fit, or not all that must."""
        room = int((self._y - _SECTION_PT - _LINE_PT) / _LINE_PT)
        least = len(rows) if whole else min(len(rows), 3)
        if not rows or room < least:
            return
        self.heading(heading)
        font = self._font(_TEXT_PT)
        for name, value in rows[:room]:
            self._y -= _LINE_PT
            self._write(
                0.0, self._cut(name, PANEL_INNER_PT - SNAPPED * text_width_pt(value, font) - 8.0), fontsize=_TEXT_PT
            )
            self._right(value)

    def note(self, text: str) -> None:
        """Write a few small lines; nothing where there is no room."""
        lines = wrap_to_width(text, self._font(_NOTE_PT), PANEL_INNER_PT)
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
        return FontProperties(family=self._family, size=size, weight="bold" if bold else "normal")

    def _write(self, x: float, text: str, **style: object) -> None:
        write_text(self.axes, x, self._y, text, family=self._family, **style)

    def _right(self, text: str) -> None:
        self._write(PANEL_INNER_PT, text, fontsize=_TEXT_PT, ha="right")

    def _square(self, colour: str, edge: str = "none") -> None:
        square = Rectangle((0.0, self._y - 1.0), 11.0, 11.0, facecolor=colour, edgecolor=edge, linewidth=0.5)
        self.axes.add_patch(square)

    def _disc(self, radius: float, face: str, edge: str) -> None:
        at = (_SYMBOL_MIDDLE_PT, self._y + _MIDDLE_OF_TEXT_PT)
        self.axes.add_patch(Circle(at, radius, facecolor=face, edgecolor=edge, linewidth=1.1))

    def _stroke(self, colour: str, width: float, style: LineStyle = "-") -> None:
        y = self._y + _MIDDLE_OF_TEXT_PT
        line = LineCollection([[(2.0, y), (34.0, y)]], colors=colour, linewidths=width, linestyles=[style])
        line.set_capstyle("butt")
        self.axes.add_collection(line)

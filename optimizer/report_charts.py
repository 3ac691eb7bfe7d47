"""
Charts of a report as shapes of SVG, each with the sentence and the table that say the same.

A chart is data: where its rectangles, lines and texts stand, and in which colour. The page's template writes it out and
escapes every text, so that a name from an input file cannot become markup. Charts are drawn 460 units wide, which is
what a telephone shows, and stand two beside each other on a wide screen and on paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.map_style import round_down_nicely, shorten
from optimizer.report_data import TimeAxis

FloatArray = npt.NDArray[np.float64]
Spell = Callable[[float], str]

WIDTH = 460
_LEFT, _RIGHT, _TOP, _FOOT = 44.0, 6.0, 22.0, 24.0
_PLOT_HEIGHT = 170.0
_ROW, _BAR, _LABEL_DROP = 50.0, 22.0, 14.0
_CELL_HEIGHT, _NAME_WIDTH = 17.0, 142.0
_NAME_CHARS = 22


@dataclass(frozen=True)
class Shape:
    """An element of the picture: SVG tag, attributes, text inside, and what a pointer on it is told."""

    tag: str
    attributes: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True)
class Table:
    """
    A table of texts; columns are right-aligned numbers unless named in `words`.

    Attributes
    ----------
    columns
        Headings; the first column names the rows.
    rows
        Cells, as many as columns.
    words
        Positions of the columns that hold words.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Chart:
    """
    A chart with all that stands around it.

    Attributes
    ----------
    id
        Name of the element on the page.
    title, sentence
        Heading, and what the chart shows in words.
    height
        Of the picture; it is `WIDTH` wide.
    shapes
        The picture.
    legend
        Name to colour; empty where nothing needs telling apart.
    table
        The numbers.
    """

    id: str
    title: str
    sentence: str
    height: float
    shapes: list[Shape]
    table: Table
    legend: Mapping[str, str] = field(default_factory=dict)


def stacked_rows(
    name: tuple[str, str, str],
    rows: Sequence[tuple[str, str, Mapping[str, float]]],
    colours: Mapping[str, str],
    spell: Spell,
    table: Table,
) -> Chart:
    """
    Draw amounts as bars lying below each other, each divided into parts.

    Parameters
    ----------
    name
        Id, title and sentence.
    rows
        Label, note (beside the label, at the right) and the parts of each bar.
    colours
        Of the parts, in drawing order.
    spell
        Writes an amount.
    table
        The numbers.
    """
    largest = max((sum(parts.values()) for _, _, parts in rows), default=0.0) or 1.0
    shapes = []
    for i, (label, note, parts) in enumerate(rows):
        top = i * _ROW
        shapes.append(text(0.0, top + _LABEL_DROP, label, "label"))
        shapes.append(text(WIDTH, top + _LABEL_DROP, note, "note end"))
        left = 0.0
        for part, colour in colours.items():
            width = WIDTH * max(parts.get(part, 0.0), 0.0) / largest
            if width > 0.0:
                tip = f"{label}\n{part}: {spell(parts[part])}"
                shapes.append(rect((left, top + 20.0, width, _BAR), tip, fill=colour, **{"class": "mark part"}))
            left += width
    return Chart(*name, len(rows) * _ROW, shapes, table, dict(colours))


def bars(
    name: tuple[str, str, str], values: Mapping[str, float], spell: Spell, colour: str, columns: tuple[str, str]
) -> Chart:
    """
    Draw one bar for each value, to the right where it is positive and to the left where it is negative.

    Parameters
    ----------
    name
        Id, title and sentence.
    values
        By label, in drawing order.
    spell
        Writes a value.
    colour
        Of the bars.
    columns
        Headings of the table.
    """
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    scale = WIDTH / ((high - low) or 1.0)
    shapes = []
    for i, (label, value) in enumerate(values.items()):
        top = i * _ROW
        shapes.append(text(0.0, top + _LABEL_DROP, label, "label"))
        shapes.append(text(WIDTH, top + _LABEL_DROP, spell(value), "note end"))
        box = ((min(value, 0.0) - low) * scale, top + 20.0, max(abs(value) * scale, 1.0), _BAR)
        shapes.append(rect(box, f"{label}: {spell(value)}", fill=colour, **{"class": "mark"}))
    table = Table(columns, [(label, spell(value)) for label, value in values.items()])
    return Chart(*name, len(values) * _ROW, shapes, table)


def time_columns(
    name: tuple[str, str, str],
    axis: TimeAxis,
    series: Mapping[str, FloatArray],
    colours: Mapping[str, str],
    unit: str,
) -> Chart:
    """
    Draw amounts over the time slices as columns, each divided into parts.

    Parameters
    ----------
    name
        Id, title and sentence.
    axis
        The time slices.
    series
        Part to its amount in each slice, not negative.
    colours
        Of the parts, from the bottom up.
    unit
        Of the amounts.
    """
    total = np.sum(list(series.values()), axis=0)
    plot = _Axes(axis, float(total.max(initial=0.0)), unit)
    base = np.zeros(len(axis.labels))
    shapes = plot.grid()
    for part, colour in colours.items():
        for i, amount in enumerate(series[part]):
            if amount > 0.0:
                top = plot.y(base[i] + amount)
                box = (plot.x(i) + plot.step * 0.08, top, plot.step * 0.84, plot.y(base[i]) - top)
                shapes.append(rect(box, "", fill=colour, **{"class": "mark"}))
        base = base + series[part]
    shapes += plot.slots({"total": total, **series})
    return Chart(*name, plot.height, shapes, _time_table(axis, {"Total": total, **series}, unit), dict(colours))


def time_lines(
    name: tuple[str, str, str],
    axis: TimeAxis,
    series: Mapping[str, FloatArray],
    colours: Mapping[str, str],
    unit: str,
) -> Chart:
    """
    Draw amounts over the time slices as stepped lines.

    Parameters
    ----------
    name
        Id, title and sentence.
    axis
        The time slices.
    series
        Name to its amount in each slice, not negative; a gap where it is not finite.
    colours
        Of the lines.
    unit
        Of the amounts.
    """
    plot = _Axes(axis, max((float(np.nanmax(values)) for values in series.values()), default=0.0), unit)
    shapes = plot.grid()
    for line, values in series.items():
        steps, pen = [], "M"
        for i, value in enumerate(values):
            if not math.isfinite(value):
                pen = "M"
                continue
            steps.append(f"{pen}{plot.x(i):.1f} {plot.y(value):.1f}H{plot.x(i + 1):.1f}")
            pen = "L"
        shapes.append(Shape("path", {"d": "".join(steps), "stroke": colours[line], "class": "line"}))
    shapes += plot.slots(series)
    return Chart(*name, plot.height, shapes, _time_table(axis, series, unit), dict(colours))


def heat_map(
    name: tuple[str, str, str], rows: Sequence[str], axis: TimeAxis, values: FloatArray, look: tuple[str, str]
) -> Chart:
    """
    Draw a table of amounts, rows by time slices, as cells: the larger, the stronger the colour.

    Parameters
    ----------
    name
        Id, title and sentence.
    rows
        Labels.
    axis
        The time slices.
    values
        (rows, slices); nothing is drawn where an amount is not finite.
    look
        Colour of the largest amount, and unit.
    """
    colour, unit = look
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    start = 0.0 if low < high / 3 else low - (high - low) / 8
    step = (WIDTH - _NAME_WIDTH) / max(len(axis.labels), 1)
    shapes = []
    for r, row in enumerate(rows):
        top = _TOP + r * _CELL_HEIGHT
        shapes.append(text(0.0, top + 12.5, shorten(row, _NAME_CHARS), "label small"))
        for t, label in enumerate(axis.labels):
            value = float(values[r, t])
            if not math.isfinite(value):
                continue
            share = (value - start) / ((high - start) or 1.0)
            box = (_NAME_WIDTH + t * step, top, step * 0.94, _CELL_HEIGHT - 1.0)
            extra = {"class": "mark cell", "data-slice": t, "fill-opacity": f"{0.04 + 0.96 * share:.2f}"}
            shapes.append(rect(box, f"{row}\n{label}: {spell_digits(value)} {unit}", fill=colour, **extra))
    shapes += _slice_labels(axis, _NAME_WIDTH, step, 14.0)
    height = _TOP + len(rows) * _CELL_HEIGHT
    cells = [(row, *(spell_digits(float(value)) for value in line)) for row, line in zip(rows, values, strict=True)]
    table = Table((f"{unit} by hour", *axis.labels), cells)
    legend = f"{spell_digits(low)} (lightest) to {spell_digits(high)} {unit} (strongest)"
    return Chart(*name, height, shapes, table, {legend: colour})


def spell_digits(value: float) -> str:
    """
    Write a number with three or four digits.

    Parameters
    ----------
    value
        The number; a dash stands for one that is not finite.
    """
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 4)}f}"


class _Axes:
    """The plot of a chart over time: where an amount and a slice stand, and what is written around it."""

    def __init__(self, axis: TimeAxis, largest: float, unit: str) -> None:
        self.axis, self.unit = axis, unit
        self.tick = round_down_nicely(largest / 3) if largest > 0 else 1.0
        self.top = math.ceil(largest / self.tick - 1e-9) * self.tick or self.tick
        self.step = (WIDTH - _LEFT - _RIGHT) / max(len(axis.labels), 1)
        self.height = _TOP + _PLOT_HEIGHT + _FOOT

    def x(self, position: float) -> float:
        return _LEFT + position * self.step

    def y(self, amount: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1.0 - amount / self.top)

    def grid(self) -> list[Shape]:
        shapes = [text(0.0, 11.0, self.unit, "tick")]
        for i in range(round(self.top / self.tick) + 1):
            y = self.y(i * self.tick)
            shapes.append(Shape("path", {"d": f"M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}", "class": "grid"}))
            shapes.append(text(_LEFT - 5.0, y + 4.0, f"{i * self.tick:,.6g}", "tick end"))
        return shapes + _slice_labels(self.axis, _LEFT, self.step, _TOP + _PLOT_HEIGHT + 16.0)

    def slots(self, series: Mapping[str, FloatArray]) -> list[Shape]:
        """Give each slice an area over the whole height that tells its amounts."""
        shapes = []
        for i, label in enumerate(self.axis.labels):
            lines = [f"{part}: {spell_digits(float(values[i]))} {self.unit}" for part, values in series.items()]
            box = (self.x(i), _TOP, self.step, _PLOT_HEIGHT)
            shapes.append(rect(box, "\n".join([label, *lines]), **{"class": "slot", "data-slice": i}))
        return shapes


def _slice_labels(axis: TimeAxis, left: float, step: float, y: float) -> list[Shape]:
    return [text(left + i * step, y, tick, "tick") for i, tick in enumerate(axis.ticks) if tick]


def _time_table(axis: TimeAxis, series: Mapping[str, FloatArray], unit: str) -> Table:
    cells = [[spell_digits(float(values[i])) for values in series.values()] for i in range(len(axis.labels))]
    rows = [(label, *line) for label, line in zip(axis.labels, cells, strict=True)]
    return Table(("Hour", *(f"{part}, {unit}" for part in series)), rows)


def rect(box: tuple[float, float, float, float], tip: str, **attributes: Any) -> Shape:
    """
    Make a rectangle.

    Parameters
    ----------
    box
        Left, top, width and height.
    tip
        What a pointer on it is told; nothing if empty.
    **attributes
        Further attributes of the element.
    """
    places = {name: f"{value:.2f}" for name, value in zip(("x", "y", "width", "height"), box, strict=True)}
    return Shape("rect", {**places, **attributes, **({"data-tip": tip} if tip else {})})


def text(x: float, y: float, words: str, kind: str) -> Shape:
    """
    Make a text.

    Parameters
    ----------
    x, y
        Where its line begins; where it ends or has its middle, if its kind says so.
    words
        The text.
    kind
        Classes of its look.
    """
    return Shape("text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": kind}, words)

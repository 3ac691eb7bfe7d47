"""
Charts of a report as SVG shapes, each with a sentence and a table of the same content.

A chart is data: positions and colours of rectangles, lines and texts. The page's template writes it and escapes every
text, so that a name from an input file cannot become markup. Drawings are 460 units wide. Charts of rows are a drawing
for each row, whose names and amounts the page sets as text of its own: they wrap and keep their size on a telephone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from optimizer.drawing.chart_data import Break
from optimizer.drawing.colours import component_colour, round_down_nicely
from optimizer.numbers import format_clock, format_digits, format_million, format_plain, shorten
from optimizer.problem.problem import FloatArray
from optimizer.runs.run import Run
from optimizer.words.language import current_language
from optimizer.words.sentences import join, say, term, titled

MILLION_CNY = "million CNY a year"


def axis_unit() -> str:
    """Name the unit of axes of money, which is the same in every language."""
    return say(MILLION_CNY if current_language() == "en" else "Million CNY a year")


Write = Callable[[float], str]
_WIDTH = 460
_LEFT, _RIGHT, _TOP, _FOOT = 44.0, 6.0, 22.0, 24.0
_PLOT_HEIGHT = 170.0
_BAR, _CELL = 20.0, 16.0
_NAME_CHARS = 28


_HOURLY_COLUMNS = ("facility_power_mw", "price_cny_per_mwh")
# Below a chart there is room for so many hours, or names of days of so many letters.
_MOST_HOURS, _MOST_DAYS, _DAY_CHARS = 9, 5, 8


@dataclass(frozen=True)
class TimeAxis:
    """The time slices as a chart shows them."""

    labels: tuple[str, ...]  # Of each slice, in full
    ticks: tuple[str, ...]  # What is written below it; empty where there is no room
    weight_h: tuple[float, ...]  # Hours of the year that it stands for


@dataclass(frozen=True, eq=False)
class Hourly:
    """What each data center takes and pays in each time slice: (T, D), data centers as in the tables of the run."""

    power_mw: FloatArray
    price_cny_per_mwh: FloatArray


def hourly_of(run: Run) -> Hourly | None:
    """Find power and price of the data centers in each slice: as stored, else from the inputs; None without either."""
    table = run.tables.get("data_centers_by_slice")
    if table is not None and {"day", "hour", "data_center", *_HOURLY_COLUMNS} <= set(table):
        rows = pd.MultiIndex.from_frame(run.slices[["day", "hour"]])
        power, price = (
            table.pivot_table(index=["day", "hour"], columns="data_center", values=name)
            .reindex(index=rows, columns=run.data_centers.index)
            .to_numpy(float)
            for name in _HOURLY_COLUMNS
        )
        return Hourly(power, price)
    if run.lost_inputs:
        return None
    order = pd.Index(run.problem.data_centers["id"]).get_indexer(run.data_centers.index)
    return Hourly(run.check.facility_power_mw[:, order], run.problem.energy_price_cny_per_mwh[:, order])


def time_axis(slices: pd.DataFrame) -> TimeAxis:
    """Label time slices."""
    days = [str(day) for day in slices["day"]]
    begins = slices["hour"].to_numpy(float)
    clock = [format_clock(hour) for hour in begins]
    weights = tuple(float(weight) for weight in slices["weight_h"])
    if slices.groupby("day")["weight_h"].transform("nunique").max() > 1:
        # Slices of different lengths: their beginnings alone would not say how long they are.
        by_day = slices.groupby("day", sort=False)["hour"]
        ends = by_day.shift(-1).fillna(by_day.transform("first") + 24.0).to_numpy(float) % 24.0
        spans = [join([clock[i], format_clock(end)], " to ") for i, end in enumerate(ends)]
    else:
        spans = clock
    if len(set(days)) <= 1:
        return TimeAxis(tuple(spans), _thin_out(clock, _MOST_HOURS), weights)
    starts = [day if i == 0 or days[i - 1] != day else "" for i, day in enumerate(days)]
    labels = tuple(f"{shorten(day, 40)} {span}" for day, span in zip(days, spans, strict=True))
    return TimeAxis(labels, _thin_out([shorten(day, _DAY_CHARS) for day in starts], _MOST_DAYS), weights)


def _thin_out(ticks: Sequence[str], most: int) -> tuple[str, ...]:
    """Keep every first, second, third, ... of the ticks, so that they do not run into each other."""
    named = [i for i, tick in enumerate(ticks) if tick]
    each = next((n for n in (1, 2, 3, 4, 6, 8, 12, 24) if len(named) / n <= most), max(len(named), 1))
    kept = set(named[::each])
    return tuple(tick if i in kept else "" for i, tick in enumerate(ticks))


@dataclass(frozen=True)
class Shape:
    """An element of a chart: SVG tag, attributes and text inside."""

    tag: str
    attributes: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    columns: tuple[str, ...]  # Headings; the first column names the rows
    rows: Sequence[tuple[str, ...]]
    words: tuple[int, ...] = (0,)  # Positions of the columns that hold words; others are right-aligned numbers


@dataclass(frozen=True)
class Row:
    """A row of a chart: its name, an amount in words, and a drawing as high as the chart says."""

    label: str
    note: str
    shapes: list[Shape]


@dataclass(frozen=True)
class Cell:
    """A cell of a matrix, as strong as its amount."""

    text: str
    opacity: float  # 0 to 1, of the colour behind it
    is_strong: bool  # Whether its text must be light
    tip: str


@dataclass(frozen=True)
class Chart:
    """A chart with its texts and its table: one drawing, a drawing for each row, or the cells of a matrix."""

    id: str  # Of the element on the page
    title: str
    sentence: str  # What the chart shows
    height: float  # Of a drawing, which is 460 units wide
    shapes: list[Shape]
    table: Table
    legend: Mapping[str, str] = field(default_factory=dict)  # Name to colour; empty where one colour is enough
    rows: Sequence[Row] = ()
    ticks: Sequence[str] | None = None  # Of equal parts of the width; rows then have their names at their left
    cells: Sequence[Sequence[Cell]] = ()  # Of the rows of the table, without their first column
    colour: str = ""  # Of the cells


def stacked_rows(
    name: tuple[str, str, str],
    rows: Sequence[tuple[str, str, Mapping[str, float]]],
    colours: Mapping[str, str],
    write: Write,
    table: Table,
) -> Chart:
    """Draw amounts as horizontal bars divided into parts; `rows`: label, note at the right, and parts of each bar."""
    largest = max((sum(parts.values()) for _, _, parts in rows), default=0.0) or 1.0
    drawn = []
    for label, note, parts in rows:
        shapes, left = [], 0.0
        for part, colour in colours.items():
            width = _WIDTH * max(parts.get(part, 0.0), 0.0) / largest
            if width > 0.0:
                tip = label + "\n" + _line(part, write(parts[part]))
                shapes.append(rect((left, 0.0, width, _BAR), tip, fill=colour, **{"class": "mark part"}))
            left += width
        drawn.append(Row(label, note, shapes))
    return Chart(*name, _BAR, [], table, dict(colours), drawn)


def stacked_costs(
    name: tuple[str, str, str], plans: Sequence[tuple[str, str, Mapping[str, float]]], table: Table
) -> Chart:
    """Draw the costs of plans by component, CNY a year."""
    order = by_size(parts for _, _, parts in plans)
    colours = {words(part): component_colour(part) for part in order}
    rows = [(label, note, {words(part): parts.get(part, 0.0) for part in order}) for label, note, parts in plans]
    return stacked_rows(
        name,
        rows,
        colours,
        lambda cny: say("{amount} {unit}", amount=format_million(cny), unit=say(MILLION_CNY)),
        table,
    )


def by_size(plans: Iterable[Mapping[str, float]]) -> list[str]:
    """List the components that cost anything in some plan, the largest sum first."""
    totals: dict[str, float] = {}
    for parts in plans:
        for part, cny in parts.items():
            totals[part] = totals.get(part, 0.0) + (abs(cny) if math.isfinite(cny) else 0.0)
    return sorted((part for part, cny in totals.items() if cny > 0), key=lambda part: -totals[part])


def words(name: str) -> str:
    """Write an id as words: that of a component, a class or a region in the language in force."""
    return term(name).replace("_", " ")


def _line(what: str, text: str) -> str:
    """Write a line of a tip."""
    return say("{what}: {text}", what=what, text=text)


def time_columns(
    name: tuple[str, str, str], axis: TimeAxis, series: Mapping[str, FloatArray], colours: Mapping[str, str], unit: str
) -> Chart:
    """Draw amounts over the time slices as columns, each divided into parts."""
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
    shapes += plot.slots({say("total"): total, **series})
    table = _time_table(axis, {titled(say("total")): total, **series}, unit)
    return Chart(*name, plot.height, shapes, table, dict(colours))


def time_lines(
    name: tuple[str, str, str], axis: TimeAxis, series: Mapping[str, FloatArray], colours: Mapping[str, str], unit: str
) -> Chart:
    """Draw amounts over the time slices, not negative, as stepped lines; a gap where an amount is not finite."""
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
    """Draw (rows, slices) amounts as cells: the larger, the stronger the colour; none where one is not finite."""
    colour, unit = look
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    start = 0.0 if low < high / 3 else low - (high - low) / 8
    step = _WIDTH / max(len(axis.labels), 1)
    drawn = []
    for row, amounts in zip(rows, values, strict=True):
        shapes = []
        for t, label in enumerate(axis.labels):
            value = float(amounts[t])
            if not math.isfinite(value):
                continue
            share = (value - start) / ((high - start) or 1.0)
            extra = {"class": "mark cell", "data-slice": t, "fill-opacity": f"{0.04 + 0.96 * share:.2f}"}
            tip = row + "\n" + _line(label, f"{format_digits(value)} {unit}")
            shapes.append(rect((t * step, 0.0, step * 0.94, _CELL), tip, fill=colour, **extra))
        drawn.append(Row(shorten(row, _NAME_CHARS), "", shapes))
    cells = [(row, *(format_digits(float(value)) for value in line)) for row, line in zip(rows, values, strict=True)]
    table = Table((say("{unit} by hour", unit=unit), *axis.labels), cells)
    legend = say(
        "{low} (lightest) to {high} {unit} (strongest)", low=format_digits(low), high=format_digits(high), unit=unit
    )
    return Chart(*name, _CELL, [], table, {legend: colour}, drawn, axis.ticks)


class _Axes:
    """The plot of a chart over time: where an amount and a slice stand, and what is written around it."""

    def __init__(self, axis: TimeAxis, largest: float, unit: str) -> None:
        self.axis, self.unit = axis, unit
        self.tick = round_down_nicely(largest / 3) if largest > 0 else 1.0
        self.top = math.ceil(largest / self.tick - 1e-9) * self.tick or self.tick
        self.step = (_WIDTH - _LEFT - _RIGHT) / max(len(axis.labels), 1)
        self.height = _TOP + _PLOT_HEIGHT + _FOOT

    def x(self, position: float) -> float:
        return _LEFT + position * self.step

    def y(self, amount: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1.0 - amount / self.top)

    def grid(self) -> list[Shape]:
        ticks = [i * self.tick for i in range(round(self.top / self.tick) + 1)]
        shapes = _grid(self.unit, ticks, self.y, (_LEFT, _RIGHT, 5.0))
        return shapes + _slice_labels(self.axis, _LEFT, self.step, _TOP + _PLOT_HEIGHT + 16.0)

    def slots(self, series: Mapping[str, FloatArray]) -> list[Shape]:
        """Give each slice an area over the full height that shows its amounts under the pointer."""
        shapes = []
        for i, label in enumerate(self.axis.labels):
            lines = [_line(part, f"{format_digits(float(values[i]))} {self.unit}") for part, values in series.items()]
            box = (self.x(i), _TOP, self.step, _PLOT_HEIGHT)
            shapes.append(rect(box, "\n".join([label, *lines]), **{"class": "slot", "data-slice": i}))
        return shapes


def _grid(
    unit: str, ticks: Sequence[float], y_of: Callable[[float], float], room: tuple[float, float, float]
) -> list[Shape]:
    """Draw a horizontal line with its number at each tick; `room`: left, right, and between numbers and lines."""
    left, right, gap = room
    shapes = [text(0.0, 11.0, unit, "tick")]
    for tick in ticks:
        y = y_of(tick)
        shapes.append(Shape("path", {"d": f"M{left} {y:.1f}H{_WIDTH - right}", "class": "grid"}))
        shapes.append(text(left - gap, y + 4.0, format_plain(tick), "tick end"))
    return shapes


def _slice_labels(axis: TimeAxis, left: float, step: float, y: float) -> list[Shape]:
    """Write the labels of slices; on a telephone there is room for every second one."""
    written = [(i, tick) for i, tick in enumerate(axis.ticks) if tick]
    return [text(left + i * step, y, tick, "tick odd" if n % 2 else "tick") for n, (i, tick) in enumerate(written)]


def _time_table(axis: TimeAxis, series: Mapping[str, FloatArray], unit: str) -> Table:
    cells = [[format_digits(float(values[i])) for values in series.values()] for i in range(len(axis.labels))]
    rows = [(label, *line) for label, line in zip(axis.labels, cells, strict=True)]
    return Table((say("Hour"), *(say("{title}, {unit}", title=part, unit=unit) for part in series)), rows)


def rect(box: tuple[float, float, float, float], tip: str, **attributes: Any) -> Shape:
    """Make a rectangle."""
    places = {name: f"{value:.2f}" for name, value in zip(("x", "y", "width", "height"), box, strict=True)}
    return Shape("rect", {**places, **attributes, **({"data-tip": tip} if tip else {})})


def text(x: float, y: float, content: str, kind: str) -> Shape:
    """Make a text."""
    return Shape("text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": kind}, content)


# A scale begins near the least amount, not at 0, where all amounts are larger than this share of the largest.
_CUT_SHARE = 0.6
_SPAN_LEFT, _SPAN_RIGHT, _SPAN_TOP, _SPAN_PLOT_HEIGHT, _SPAN_FOOT = 60.0, 12.0, 22.0, 190.0, 38.0
_LOG_FROM = 20.0
_STRONG_SHARE = 0.65  # a colour this strong needs light digits


@dataclass(frozen=True)
class Span:
    """A row of spans."""

    label: str  # Above it, at the left
    note: str  # Above it, at the right
    # From, to and colour of each; several that overlap stand below each other
    pieces: Sequence[tuple[float, float, str]]
    proved: tuple[float, float] | None = None  # Range that is proved, drawn as a line through the middle


@dataclass(frozen=True)
class Curve:
    """Amounts over a number."""

    x: FloatArray  # Where; rising
    low: FloatArray  # Range of each amount, such as what is proved; equal where there is none
    high: FloatArray
    marks: Sequence[Break] = ()  # Where something happens


def span_rows(  # noqa: PLR0913 - options, keyword-only
    name: tuple[str, str, str],
    rows: Sequence[Span],
    write: Write,
    table: Table,
    legend: Mapping[str, str],
    *,
    from_zero: bool = False,
    window: tuple[float, float] | None = None,
) -> Chart:
    """
    Draw rows of spans on one scale, such as a waterfall or a tornado.

    Where all amounts are far from 0, the scale begins near the least, bars that begin at 0 are shown broken, and the
    sentence says so; not with `from_zero`. A `window` is the whole scale.
    """
    ends = [value for row in rows for piece in row.pieces for value in piece[:2]]
    ends += [value for row in rows if row.proved for value in row.proved if math.isfinite(value)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    inner = [value for value in ends if value != 0.0]
    is_cut = window is None and not from_zero and bool(inner) and min(inner) > _CUT_SHARE * high
    if window is not None:
        low, high = window
    elif is_cut:
        low = min(inner) - 0.15 * (high - min(inner))
    scale = _WIDTH / ((high - low) or 1.0)

    def at(value: float) -> float:
        return (min(max(value, low), high) - low) * scale

    drawn = []
    for row in rows:
        shapes = []
        height = _BAR / (len(row.pieces) if _overlap(row.pieces) else 1)
        for n, (start, end, colour) in enumerate(row.pieces):
            left, right = sorted((at(start), at(end)))
            box = (left, n * height if height < _BAR else 0.0, max(right - left, 1.5), height)
            tip = _line(row.label, row.note if len(row.pieces) == 1 else write(end))
            shapes.append(rect(box, tip, fill=colour, **{"class": "mark"}))
        if is_cut and any(piece[0] == 0.0 for piece in row.pieces):
            shapes.append(Shape("path", {"d": f"M10 -1L4 {_BAR + 1}M17 -1L11 {_BAR + 1}", "class": "break"}))
        if row.proved and all(map(math.isfinite, row.proved)):
            left, right = (at(value) for value in row.proved)
            y = _BAR / 2
            line = f"M{left:.1f} {y:.1f}H{right:.1f}M{left:.1f} {y - 4:.1f}v8M{right:.1f} {y - 4:.1f}v8"
            shapes.append(Shape("path", {"d": line, "class": "whisker"}))
        if low < 0.0 < high:
            shapes.append(Shape("path", {"d": f"M{at(0.0):.1f} -3V{_BAR + 3}", "class": "axis"}))
        drawn.append(Row(row.label, row.note, shapes))
    cut = say(" The scale begins at {low}, not at 0: broken bars.", low=write(low)) if is_cut else ""
    return Chart(name[0], name[1], name[2] + cut, _BAR, [], table, dict(legend), drawn)


def _overlap(pieces: Sequence[tuple[float, float, str]]) -> bool:
    """Whether a piece would hide another one."""
    spans = sorted(sorted(piece[:2]) for piece in pieces)
    return any(after[0] < before[1] for before, after in pairwise(spans))


def curve_chart(name: tuple[str, str, str], curve: Curve, axes: tuple[str, str], colour: str, table: Table) -> Chart:
    """Draw amounts over a number, with the range of each."""
    unit, what = axes
    known = np.isfinite(curve.x) & np.isfinite(curve.high)
    x, high = curve.x[known], curve.high[known]
    low = np.where(np.isfinite(curve.low[known]), curve.low[known], high)
    if not len(x):
        return Chart(*name, 20.0, [text(0.0, 14.0, say("nothing to draw"), "note")], table)
    is_log = bool(x.min() > 0 and x.max() / x.min() > _LOG_FROM)
    left, right = (math.log(value) if is_log else float(value) for value in (x.min(), x.max()))
    bottom, top = float(low.min()), float(high.max())
    tick = round_down_nicely(((top - bottom) or abs(top) or 1.0) / 3)
    bottom, top = math.floor(bottom / tick) * tick, math.ceil(top / tick) * tick
    top += tick if top == bottom else 0.0

    def x_of(value: float) -> float:
        place = math.log(value) if is_log else value
        return _SPAN_LEFT + (_WIDTH - _SPAN_LEFT - _SPAN_RIGHT) * ((place - left) / ((right - left) or 1.0))

    def y_of(value: float) -> float:
        return _SPAN_TOP + _SPAN_PLOT_HEIGHT * (1.0 - (value - bottom) / (top - bottom))

    ticks = [bottom + i * tick for i in range(round((top - bottom) / tick) + 1)]
    shapes = _grid(unit, ticks, y_of, (_SPAN_LEFT, _SPAN_RIGHT, 6.0))
    for mark in curve.marks:
        tip = f"{what} {format_plain(mark.value)}\n{mark.change}"
        place = f"M{x_of(min(max(mark.value, x.min()), x.max())):.1f} {_SPAN_TOP}v{_SPAN_PLOT_HEIGHT}"
        kind = "event routing" if mark.is_routing else "event"
        shapes.append(Shape("path", {"d": place, "class": kind, "data-tip": tip}))
    line = "L".join(f"{x_of(a):.1f} {y_of(b):.1f}" for a, b in zip(x, high, strict=True))
    shapes.append(Shape("path", {"d": f"M{line}", "stroke": colour, "class": "line"}))
    written = -math.inf
    for a, least, most in zip(x, low, high, strict=True):
        if most > least:
            rod = f"M{x_of(a):.1f} {y_of(least):.1f}V{y_of(most):.1f}"
            shapes.append(Shape("path", {"d": rod, "class": "whisker"}))
        between = (
            ""
            if most == least
            else "\n"
            + say("proved to be between {least} and {most}", least=format_digits(least), most=format_digits(most))
        )
        tip = _line(f"{what} {format_plain(a)}", f"{format_digits(most)} {unit}{between}")
        spot = {"cx": f"{x_of(a):.1f}", "cy": f"{y_of(most):.1f}", "r": 4, "fill": colour, "class": "mark"}
        shapes.append(Shape("circle", {**spot, "data-tip": tip}))
        if x_of(a) - written >= 44.0:  # noqa: PLR2004 - room for a number
            written = x_of(a)
            shapes.append(text(written, _SPAN_TOP + _SPAN_PLOT_HEIGHT + 16.0, format_plain(a, 4), "tick middle"))
    shapes.append(text(_WIDTH - _SPAN_RIGHT, _SPAN_TOP + _SPAN_PLOT_HEIGHT + 33.0, what, "tick end"))
    return Chart(*name, _SPAN_TOP + _SPAN_PLOT_HEIGHT + _SPAN_FOOT, shapes, table)


def matrix(
    name: tuple[str, str, str],
    labels: tuple[Sequence[str], Sequence[str]],
    values: FloatArray,
    write: Write,
    colour: str,
    unit: str = "",
) -> Chart:
    """Lay out a matrix of amounts, not negative: the larger, the stronger the colour; columns are named by number."""
    rows, columns = labels
    head = f", {unit}" if unit else ""

    def told(cny: float) -> str:
        return say("{amount} {unit}", amount=write(cny), unit=unit) if unit else write(cny)

    largest = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    cells = []
    for row, line in zip(rows, values, strict=True):
        drawn = []
        for column, value in zip(columns, map(float, line), strict=True):
            is_known = math.isfinite(value)
            share = max(value, 0.0) / largest if is_known and largest > 0 else 0.0
            tip = say(
                "{row}\nunder {column}: {value}",
                row=row,
                column=column,
                value=told(value) if is_known else say("no plan"),
            )
            opacity = round(0.04 + 0.9 * share, 2) if is_known else 0.0
            drawn.append(Cell(write(value) if is_known else say("no plan"), opacity, share > _STRONG_SHARE, tip))
        cells.append(drawn)
    texts = [(row, *(cell.text for cell in line)) for row, line in zip(rows, cells, strict=True)]
    table = Table((say("Plan of"), *(say("under {case}", case=column) + head for column in columns)), texts)
    legend = {say("0 (lightest) to {most} (strongest)", most=told(largest)): colour}
    return Chart(*name, 0.0, [], table, legend, cells=cells, colour=colour)

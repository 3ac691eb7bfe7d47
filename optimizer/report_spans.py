"""Further charts of a report: spans on a common scale, amounts over a number, and a matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from optimizer.map_style import round_down_nicely, shorten
from optimizer.report_charts import WIDTH, Chart, FloatArray, Shape, Spell, Table, rect, spell_digits, text

_ROW, _BAR, _LABEL_DROP, _BAR_TOP = 50.0, 22.0, 14.0, 20.0
# A scale that would begin at 0 begins nearer where all amounts are larger than this share of the largest.
_CUT_SHARE = 0.6
_LEFT, _RIGHT, _TOP, _PLOT_HEIGHT, _FOOT = 60.0, 12.0, 22.0, 190.0, 38.0
_LOG_FROM = 20.0
_NAME_CHARS, _NAME_WIDTH, _CELL_HEIGHT = 24, 150.0, 24.0
_DIGIT_WIDTH = 6.6  # of an amount's type, in the units of the picture
_STRONG_SHARE = 0.65  # a colour this strong asks for dark digits, whatever the page is drawn on


@dataclass(frozen=True)
class Span:
    """
    A row of spans.

    Attributes
    ----------
    label, note
        Written above it, left and right.
    pieces
        From, to and colour of each.
    proved
        Range that is proved, drawn as a line through the middle; None where there is none.
    """

    label: str
    note: str
    pieces: Sequence[tuple[float, float, str]]
    proved: tuple[float, float] | None = None


@dataclass(frozen=True)
class Curve:
    """
    Amounts over a number.

    Attributes
    ----------
    x
        Where; rising.
    low, high
        Range of each amount, such as what is proved; equal where there is none.
    marks
        Places to point out: the least and most that x may be there, the likeliest between them, and what happens.
    """

    x: FloatArray
    low: FloatArray
    high: FloatArray
    marks: Sequence[tuple[float, float, float, str]] = field(default_factory=tuple)


def span_rows(
    name: tuple[str, str, str], rows: Sequence[Span], spell: Spell, table: Table, legend: Mapping[str, str]
) -> Chart:
    """
    Draw spans lying below each other on one scale, such as a waterfall or a tornado.

    Where all amounts are far from 0, the scale begins near the least, and the chart says so.

    Parameters
    ----------
    name
        Id, title and sentence.
    rows
        The spans.
    spell
        Writes an amount.
    table
        The numbers.
    legend
        What the colours mean.
    """
    ends = [value for row in rows for piece in row.pieces for value in piece[:2]]
    ends += [value for row in rows if row.proved for value in row.proved if math.isfinite(value)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    inner = [value for value in ends if value != 0.0]
    is_cut = bool(inner) and min(inner) > _CUT_SHARE * high
    if is_cut:
        low = min(inner) - 0.15 * (high - min(inner))
    scale = WIDTH / ((high - low) or 1.0)

    def at(value: float) -> float:
        return (min(max(value, low), high) - low) * scale

    shapes = []
    for i, row in enumerate(rows):
        top = i * _ROW
        shapes.append(text(0.0, top + _LABEL_DROP, shorten(row.label, 44), "label"))
        shapes.append(text(WIDTH, top + _LABEL_DROP, row.note, "note end"))
        for start, end, colour in row.pieces:
            left, right = sorted((at(start), at(end)))
            box = (left, top + _BAR_TOP, max(right - left, 1.5), _BAR)
            tip = f"{row.label}: {row.note}" if len(row.pieces) == 1 else f"{row.label}: {spell(end)}"
            shapes.append(rect(box, tip, fill=colour, **{"class": "mark"}))
        if row.proved and all(map(math.isfinite, row.proved)):
            left, right = (at(value) for value in row.proved)
            y = top + _BAR_TOP + _BAR / 2
            line = f"M{left:.1f} {y:.1f}H{right:.1f}M{left:.1f} {y - 4:.1f}v8M{right:.1f} {y - 4:.1f}v8"
            shapes.append(Shape("path", {"d": line, "class": "whisker"}))
    if low < 0.0 < high:
        shapes.append(Shape("path", {"d": f"M{at(0.0):.1f} 0V{len(rows) * _ROW:.1f}", "class": "axis"}))
    cut = f" The scale begins at {spell(low)}, not at 0." if is_cut else ""
    return Chart(name[0], name[1], name[2] + cut, len(rows) * _ROW, shapes, table, dict(legend))


def curve_chart(name: tuple[str, str, str], curve: Curve, words: tuple[str, str], colour: str, table: Table) -> Chart:
    """
    Draw amounts over a number, with the range of each.

    Parameters
    ----------
    name
        Id, title and sentence.
    curve
        The amounts.
    words
        Unit of the amounts, and what the number is.
    colour
        Of the amounts.
    table
        The numbers.
    """
    unit, what = words
    known = np.isfinite(curve.x) & np.isfinite(curve.high)
    x, high = curve.x[known], curve.high[known]
    low = np.where(np.isfinite(curve.low[known]), curve.low[known], high)
    if not len(x):
        return Chart(*name, 20.0, [text(0.0, 14.0, "nothing to draw", "note")], table)
    is_log = bool(x.min() > 0 and x.max() / x.min() > _LOG_FROM)
    left, right = (math.log(value) if is_log else float(value) for value in (x.min(), x.max()))
    bottom, top = float(low.min()), float(high.max())
    tick = round_down_nicely(((top - bottom) or abs(top) or 1.0) / 3)
    bottom, top = math.floor(bottom / tick) * tick, math.ceil(top / tick) * tick
    top += tick if top == bottom else 0.0

    def x_of(value: float) -> float:
        place = math.log(value) if is_log else value
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * ((place - left) / ((right - left) or 1.0))

    def y_of(value: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1.0 - (value - bottom) / (top - bottom))

    shapes = [text(0.0, 11.0, unit, "tick")]
    for i in range(round((top - bottom) / tick) + 1):
        y = y_of(bottom + i * tick)
        shapes.append(Shape("path", {"d": f"M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}", "class": "grid"}))
        shapes.append(text(_LEFT - 6.0, y + 4.0, f"{bottom + i * tick:,.6g}", "tick end"))
    for least_x, likely_x, most_x, told in curve.marks:
        begin, middle, stop = (x_of(min(max(at, x.min()), x.max())) for at in (least_x, likely_x, most_x))
        tip = f"{what} {likely_x:,.6g} ({least_x:,.6g} to {most_x:,.6g})\n{told}"
        shapes.append(rect((begin - 1.0, _TOP, stop - begin + 2.0, _PLOT_HEIGHT), tip, **{"class": "event"}))
        shapes.append(Shape("path", {"d": f"M{middle:.1f} {_TOP}v{_PLOT_HEIGHT}", "class": "axis", "data-tip": tip}))
    line = "L".join(f"{x_of(a):.1f} {y_of(b):.1f}" for a, b in zip(x, high, strict=True))
    shapes.append(Shape("path", {"d": f"M{line}", "stroke": colour, "class": "line"}))
    written = -math.inf
    for a, least, most in zip(x, low, high, strict=True):
        if most > least:
            rod = f"M{x_of(a):.1f} {y_of(least):.1f}V{y_of(most):.1f}"
            shapes.append(Shape("path", {"d": rod, "class": "whisker"}))
        between = "" if most == least else f"\nproved to be between {spell_digits(least)} and {spell_digits(most)}"
        tip = f"{what} {a:,.6g}: {spell_digits(most)} {unit}{between}"
        spot = {"cx": f"{x_of(a):.1f}", "cy": f"{y_of(most):.1f}", "r": 4, "fill": colour, "class": "mark"}
        shapes.append(Shape("circle", {**spot, "data-tip": tip}))
        if x_of(a) - written >= 44.0:  # noqa: PLR2004 - room for a number
            written = x_of(a)
            shapes.append(text(written, _TOP + _PLOT_HEIGHT + 16.0, f"{a:,.4g}", "tick middle"))
    shapes.append(text(WIDTH - _RIGHT, _TOP + _PLOT_HEIGHT + 33.0, what, "tick end"))
    return Chart(*name, _TOP + _PLOT_HEIGHT + _FOOT, shapes, table)


def matrix(
    name: tuple[str, str, str],
    labels: tuple[Sequence[str], Sequence[str]],
    values: FloatArray,
    spell: Spell,
    colour: str,
    unit: str = "",
) -> Chart:
    """
    Draw a matrix of amounts that are not negative: the larger, the stronger the colour; columns by number.

    Parameters
    ----------
    name
        Id, title and sentence.
    labels
        Of the rows and of the columns, which are told below by their numbers.
    values
        (rows, columns); a cross where an amount is not known.
    spell
        Writes an amount; the cells show it where there is room.
    colour
        Of the largest amount.
    unit
        Follows an amount where it stands alone.
    """
    rows, columns = labels
    head, unit = (f", {unit}", f" {unit}") if unit else ("", "")
    largest = float(np.nanmax(values)) if np.isfinite(values).any() else 0.0
    step = (WIDTH - _NAME_WIDTH) / max(len(columns), 1)
    has_room = step * 0.96 >= _DIGIT_WIDTH * max((len(spell(float(value))) for value in values.flat), default=0)
    shapes = [text(_NAME_WIDTH + (j + 0.5) * step, 14.0, str(j + 1), "tick middle") for j in range(len(columns))]
    for i, row in enumerate(rows):
        top = _TOP + i * _CELL_HEIGHT
        shapes.append(text(0.0, top + 16.0, f"{i + 1}  {shorten(row, _NAME_CHARS)}", "label small"))
        for j, column in enumerate(columns):
            value = float(values[i, j])
            is_known = math.isfinite(value)
            share = max(value, 0.0) / largest if is_known and largest > 0 else 0.0
            box = (_NAME_WIDTH + j * step, top, step * 0.96, _CELL_HEIGHT - 2.0)
            tip = f"{row}\nunder {column}: {spell(value) + unit if is_known else 'no plan'}"
            look = {"fill": colour, "fill-opacity": f"{0.04 + 0.9 * share:.2f}", "class": "mark"}
            shapes.append(rect(box, tip, **(look if is_known else {"class": "unknown"})))
            if is_known and has_room:
                kind = "amount strong middle" if share > _STRONG_SHARE else "amount middle"
                shapes.append(text(box[0] + box[2] / 2, top + 15.5, spell(value), kind))
    cells = [(row, *(spell(float(v)) for v in line)) for row, line in zip(rows, values, strict=True)]
    table = Table(("Plan of", *(f"under {column}{head}" for column in columns)), cells)
    legend = {f"0 (lightest) to {spell(largest)}{unit} (strongest)": colour}
    return Chart(*name, _TOP + len(rows) * _CELL_HEIGHT, shapes, table, legend)

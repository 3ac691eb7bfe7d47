"""Charts of a comparison: waterfall between two cases, regret matrix and tornado, as PNG or SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from optimizer.comparison.comparison import Comparison
from optimizer.drawing.chart_data import (
    Bar,
    TornadoEnd,
    difference_cny,
    regret_matrix,
    tornado_rows,
    waterfall_bars,
)
from optimizer.drawing.colours import COSTS_MORE, FAINT_INK, INK, NO_PLAN, REGRETS, SAVES, colour_scale
from optimizer.drawing.lettering import drawable, font_families, write_text
from optimizer.drawing.sheet import (
    GRID,
    label_rows,
    label_x,
    make_sheet,
    note_changes,
    separate_cells,
    style_axes,
    write_figure,
    write_on_sheet,
)
from optimizer.drawing.words import minus_sign
from optimizer.numbers import format_change, format_million, format_number, format_percent, shorten
from optimizer.text.comparison import chosen_pairs
from optimizer.words.amounts import money_unit
from optimizer.words.columns import width_of
from optimizer.words.sentences import say, term

_LEFT_IN, _TOP_IN, _MATRIX_TOP_IN = 3.7, 0.95, 1.55
_NAME_CHARS = 26
_MAX_MATRIX = 24
_MAX_WORDS_IN_CELL = 14
_DARK_SHARE = 0.55
_LEAST_IN_CELL = 0.05  # million CNY; less would round to 0.0, and is not nothing
_KIND_WORDS = {"price": "New prices, plan unchanged", "reoptimize": "Re-optimizing", "change": "Difference"}


def draw_charts(
    found: Comparison, folder: Path | str, *, pairs: Sequence[tuple[str, str]] = (), suffix: str = ".png"
) -> list[Path]:
    """
    Draw every chart that a comparison has something for.

    Parameters
    ----------
    pairs
        Ids of the cases to draw a waterfall between; none = those that the text shows.

    Returns
    -------
    list of Path
        waterfall_FIRST_SECOND for each pair that has one, regret and tornado.

    Raises
    ------
    InputError
        If the suffix is not known or the folder does not exist.
    """
    drawable_pairs = set(zip(found.waterfall_pairs["first"], found.waterfall_pairs["second"], strict=True))
    figures = {
        f"waterfall_{first}_{second}": waterfall_figure(found, first, second)
        for first, second in list(pairs) or chosen_pairs(found)
        if (first, second) in drawable_pairs
    }
    if len(found.regret_matrix) > 1:
        figures["regret"] = regret_figure(found)
    if found.tornado["span_cny_per_year"].notna().any():
        figures["tornado"] = tornado_figure(found)
    return [write_figure(figure, Path(folder) / f"{name}{suffix}") for name, figure in figures.items()]


def waterfall_figure(found: Comparison, first: str, second: str) -> Figure:
    """Draw the bars between the costs of two cases, a pair of `waterfall_pairs`."""
    table = found.waterfalls[(found.waterfalls["first"] == first) & (found.waterfalls["second"] == second)]
    bars, difference = waterfall_bars(table), difference_cny(table)
    names = {"start": _name(found, first), "end": _name(found, second)}
    reason = str(found.waterfall_pairs.set_index(["first", "second"]).loc[(first, second), "reason"])
    rows = _with_heads(bars)
    share = f" ({difference / money_unit() / abs(bars[0].height):+.1%})" if bars[0].height else ""
    title = say(
        "From {start} to {end}: {difference} million CNY a year{share}",
        start=names["start"],
        end=names["end"],
        difference=_signed(difference),
        share=share,
    )
    below = say("First what the new prices do to the unchanged plan, then what planning anew changed.")
    if reason:
        differs = reason.split(":", maxsplit=1)[0] if reason.startswith("other ") else reason
        below = say("The first plan is none in the second case, so the effect of prices cannot be separated: ")
        below += f"{shorten(differs, 70)}."
    figure, (axes,) = make_sheet((title, below), [0.4 * len(rows) + 0.3], left_in=_LEFT_IN, top_in=_TOP_IN)
    low, high = _window(bars)
    for row, item in enumerate(rows):
        if isinstance(item, str):
            total = math.fsum(bar.height for bar in bars if bar.kind == item) * money_unit()
            axes.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", zorder=0, linewidth=0)
            inside = high - 0.008 * (high - low)
            write_text(axes, inside, row, _signed(total), va="center", ha="right", fontsize=11, weight="bold")
            continue
        _draw_bar(axes, row, item, (low, high))
        if item.kind != "end":
            until = row + (2 if isinstance(rows[row + 1], str) else 1)
            axes.plot([item.end, item.end], [row + 0.31, until - 0.31], color=FAINT_INK, linewidth=1.0, zorder=2)
    labels = [
        say(_KIND_WORDS[item])
        if isinstance(item, str)
        else term(item.component) or say("Cost of {case}", case=names[item.kind])
        for item in rows
    ]
    _label(axes, labels, say("Million CNY a year") + (say("; the axis does not begin at 0") if low > 0 else ""))
    for label, item in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("normal" if isinstance(item, Bar) and item.component else "bold")
    axes.set_xlim(low, high)
    _foot(figure, found)
    return figure


def _with_heads(bars: Sequence[Bar]) -> list[Bar | str]:
    """Put a row before the bars of each kind that changes."""
    rows: list[Bar | str] = []
    for kind, members in itertools.groupby(bars, key=lambda bar: bar.kind):
        rows += [*([kind] if kind in _KIND_WORDS else []), *members]
    return rows


def _window(bars: Sequence[Bar]) -> tuple[float, float]:
    """Choose the range of the axis: from 0 only where the changes are not small beside the costs."""
    tops = [value for bar in bars for value in (bar.begin, bar.end) if value]
    least, most = min(tops, default=0.0), max(tops, default=1.0)
    room = max(most - least, 0.02 * abs(most), 1e-9)
    low = least - 0.35 * room
    if low < 0.25 * most:
        low = min(0.0, least - 0.1 * room)
    return low, most + 0.3 * room


def _draw_bar(axes: Axes, row: int, bar: Bar, window: tuple[float, float]) -> None:
    low, high = window
    left, right = max(low, min(bar.begin, bar.end)), max(bar.begin, bar.end)
    # With an edge, so that the smallest bar can still be seen.
    look: dict[str, Any] = {"color": bar.colour, "edgecolor": bar.colour, "linewidth": 1.2}
    axes.barh(row, right - left, left=left, height=0.62, zorder=3, **look)
    if not bar.component and low > 0:
        for away in (0.012, 0.020):  # marks that the axis does not begin at 0
            at = low + away * (high - low)
            axes.plot([at - 0.003 * (high - low), at + 0.003 * (high - low)], [row + 0.4, row - 0.4], color="white",
                      linewidth=2.0, zorder=4)  # fmt: skip
    write_text(axes, right + 0.008 * (high - low), row, minus_sign(bar.text), va="center", fontsize=11,
               weight="normal" if bar.component else "bold", zorder=4)  # fmt: skip


def regret_figure(found: Comparison) -> Figure:
    """Draw the regret matrix, plans in rows, cases in columns; of more than 24 cases the plans of least regret."""
    regret = regret_matrix(found.regret_matrix, found.regret_plans, _MAX_MATRIX)
    cases, matrix = regret.cases, regret.cny / money_unit()
    height_in = 0.42 * len(cases) + 0.4
    below = say("Million CNY a year that a plan costs in a case, less what the plan made for that case costs.")
    title = say("Regret: every plan breaks a limit of some case")
    if regret.best:
        least, most = (
            format_million(float(found.regret_plans[f"{side}_max_regret_cny_per_year"].iloc[0]))
            for side in ("least", "most")
        )
        title = say(
            "Least regret at worst: the plan for {case}, {worst} million CNY a year",
            case=_name(found, regret.best),
            worst=regret.worst,
        )
        below += say(" Proved between {least} and {most} at worst (framed row).", least=least, most=most)
    figure, (axes,) = make_sheet((title, below), [max(height_in, 1.6)], left_in=_LEFT_IN, top_in=_MATRIX_TOP_IN)
    highest = float(np.nanmax(np.abs(matrix), initial=0.0)) or 1.0
    axes.set_facecolor(NO_PLAN)
    axes.imshow(matrix, cmap=colour_scale(REGRETS), vmin=0.0, vmax=highest, aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(matrix):
        is_known = not math.isnan(value)
        text = _cell(value) if is_known else say("no plan") if len(cases) <= _MAX_WORDS_IN_CELL else ""
        colour = FAINT_INK if not is_known else "white" if value > _DARK_SHARE * highest else INK
        write_text(axes, column, row, text, ha="center", va="center", fontsize=10, color=colour)
    if regret.best in cases:
        frame = Rectangle((-0.5, cases.index(regret.best) - 0.5), len(cases), 1, fill=False, edgecolor=SAVES)
        frame.set(clip_on=False, zorder=5, linewidth=2.5)  # above the lines between the cells
        axes.add_patch(frame)
    label_rows(axes, [f"{number}  {_name(found, case)}" for number, case in enumerate(cases, start=1)], 11)
    axes.set_xticks(range(len(cases)), [str(number) for number in range(1, len(cases) + 1)])
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, labelsize=11, labelcolor=INK)
    separate_cells(axes, len(cases), len(cases))
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(
        say("under the prices and limits of case"), color=INK, fontsize=11, family=font_families(), labelpad=8
    )
    above = 1 + 0.16 / height_in
    write_text(axes, -0.006, above, say("plan made for case"), ha="right", fontsize=11, transform=axes.transAxes)
    _foot(figure, found)
    return figure


def _cell(million: float) -> str:
    if 0 < million < _LEAST_IN_CELL:
        return "<0.1"
    is_small = 0 < -million < _LEAST_IN_CELL
    return minus_sign(format_change(million * money_unit()) if is_small else format_number(million))


def _signed(cny: float) -> str:
    return minus_sign(format_change(cny))


def tornado_figure(found: Comparison) -> Figure:
    """Draw the effect of each parameter's two ends on the cost, largest first."""
    rows = tornado_rows(found.tornado)
    reference = _name(found, found.reference)
    cost = format_million(found.results[found.reference].objective_cny)
    below = say(
        "One parameter at a time, all else unchanged. The cost of {reference} is {cost} million CNY a year.",
        reference=reference,
        cost=cost,
    )
    titles = (say("What moves the cost most"), below)
    figure, (axes,) = make_sheet(titles, [0.62 * len(rows) + 0.5], left_in=_LEFT_IN, top_in=_TOP_IN)
    known = [end.effect for _, ends in rows for end in ends if math.isfinite(end.effect)]
    low, high = min([0.0, *known]), max([0.0, *known])
    room = 0.22 * max(high - low, 1e-9)
    for place, (_, ends) in enumerate(rows):
        same_side = len({end.effect > 0 for end in ends if end.effect}) == 1 and all(end.effect for end in ends)
        for number, end in enumerate(ends):
            _draw_end(axes, end, place + (0.17 * (2 * number - 1) if same_side else 0.0),
                      (0.3 if same_side else 0.6, 0.02 * (high - low)))  # fmt: skip
    axes.axvline(0.0, color=INK, linewidth=1.2, zorder=4)
    names = [shorten(parameter, _NAME_CHARS) for parameter, _ in rows]
    _label(axes, names, say("Cost less that of {reference}, million CNY a year", reference=reference))
    axes.set_xlim(low - room, high + room)
    _foot(figure, found)
    return figure


def _draw_end(axes: Axes, end: TornadoEnd, place: float, size: tuple[float, float]) -> None:
    height, gap = size
    is_known = math.isfinite(end.effect)
    is_right = end.effect > 0 or (end.end == "high" and not end.effect < 0)
    x = (gap if is_right else -gap) * (0.5 if is_known else 1.0)
    look: dict[str, Any] = {"fontsize": 10.5} if is_known else {"fontsize": 10, "color": FAINT_INK}
    if is_known:
        axes.barh(place, end.effect, height=height, color=COSTS_MORE if end.effect > 0 else SAVES, zorder=3)
        x += end.effect
    write_text(axes, x, place, minus_sign(end.text), va="center", ha="left" if is_right else "right", **look)


def _foot(figure: Figure, found: Comparison) -> None:
    """Write at the foot where the figures come from, and what is proved."""
    gaps = found.cases.loc[found.cases["total_cny_per_year"].notna(), "mip_rel_gap"]
    proved = ""
    if gaps.notna().any():
        whose = (
            say("every plan")
            if gaps.notna().all()
            else say("{known} of {count} plans", known=gaps.notna().sum(), count=len(gaps))
        )
        gap = format_percent(math.ceil(gaps.max() * 1e4) / 1e4, 2)
        proved = say(" Proved within {gap} of the least cost: {whose}.", gap=gap, whose=whose)
    text = say(
        "edwc, comparison of {name}, {cases} cases.{proved}",
        name=shorten(found.name, 40),
        cases=len(found.cases),
        proved=proved,
    )
    write_on_sheet(figure, 0.16, shorten(text, 150), fontsize=9, color=FAINT_INK)
    note_changes(figure, found.changes)


def _label(axes: Axes, rows: Sequence[str], below: str) -> None:
    """Style a panel of bars, and label its rows and its axis."""
    style_axes(axes, along="x")
    axes.grid(axis="x", color=GRID, linewidth=0.8, zorder=0)
    axes.tick_params(axis="x", labelcolor=FAINT_INK)
    label_rows(axes, [shorten(label, _NAME_CHARS + width_of(say("Cost of {case}", case=""))) for label in rows], 11)
    label_x(axes, below)


def _name(found: Comparison, case: str) -> str:
    return drawable(found.short_labels(_NAME_CHARS).get(case) or shorten(case, _NAME_CHARS))

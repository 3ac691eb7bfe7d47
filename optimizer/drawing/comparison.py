"""Charts of a comparison: waterfall between two cases, regret matrix and tornado, as PNG or SVG."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from optimizer.comparison.comparison import Comparison
from optimizer.comparison.effects import Regret
from optimizer.drawing.picture import write_picture
from optimizer.drawing.style import FAINT_INK, FONT, INK, PALETTE, has_glyph, write_text
from optimizer.numbers import format_change, format_million, shorten
from optimizer.text.comparison import chosen_pairs
from optimizer.units import CNY_PER_MCNY

# Dearer is vermilion, cheaper blue, totals grey: apart also without colour vision, and the sign stands on each bar.
DEARER, _CHEAPER, _TOTAL, _GRID = PALETTE[0], PALETTE[2], "#6B6B6B", "#E3E3E3"
_NO_PLAN = "#EDEDED"
_DPI = 100.0
_WIDTH_IN = 13.0
_TITLE_IN, _FOOT_IN, _LEFT_IN, _RIGHT_IN = 0.95, 0.75, 3.7, 0.5
_NAME_CHARS = 26
_MAX_MATRIX = 24
_MAX_WORDS_IN_CELL = 14
_DARK_SHARE = 0.55
_KIND_WORDS = {"price": "New prices, plan unchanged", "reoptimize": "Re-optimizing", "change": "Difference"}
_REGRET_COLOURS = LinearSegmentedColormap.from_list("regret", ["#FBF3EB", "#F6C9A8", DEARER, "#7A3300"])


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
    out = Path(folder)
    drawable = set(zip(found.waterfall_pairs["first"], found.waterfall_pairs["second"], strict=True))
    figures = {
        f"waterfall_{first}_{second}": waterfall_figure(found, first, second)
        for first, second in list(pairs) or chosen_pairs(found)
        if (first, second) in drawable
    }
    if len(found.regret_matrix) > 1:
        figures["regret"] = regret_figure(found)
    if found.tornado["span_cny_per_year"].notna().any():
        figures["tornado"] = tornado_figure(found)
    return [write_picture(figure, out / f"{name}{suffix}") for name, figure in figures.items()]


def waterfall_figure(found: Comparison, first: str, second: str) -> Figure:
    """Draw the bars between the costs of two cases."""
    pair = (found.waterfalls["first"] == first) & (found.waterfalls["second"] == second)
    bars = found.waterfalls[pair].to_dict("records")
    names = [_name(found, case) for case in (first, second)]
    reason = str(found.waterfall_pairs.set_index(["first", "second"]).loc[(first, second), "reason"])
    rows = _with_heads(bars)
    figure, axes = _sheet(0.4 * len(rows) + 0.3)
    difference = bars[-1]["cny_per_year"] - bars[0]["cny_per_year"]
    share = f" ({difference / abs(bars[0]['cny_per_year']):+.1%})" if bars[0]["cny_per_year"] else ""
    under = "First what the new prices do to the unchanged plan, then what planning anew changed."
    if reason:
        differs = reason.split(":", maxsplit=1)[0] if reason.startswith("other ") else reason
        under = f"The first plan is none in the second case, so prices cannot be told apart: {shorten(differs, 70)}."
    _titles(figure, f"From {names[0]} to {names[1]}: {_signed(difference)} million CNY a year{share}", under)
    low, high = _window(bars)
    labels = []
    for row, bar in enumerate(rows):
        if bar["kind"] == "head":
            labels.append(_KIND_WORDS[bar["component"]])
            axes.axhspan(row - 0.5, row + 0.5, color="#F4F4F4", zorder=0, linewidth=0)
            inside, total = high - 0.008 * (high - low), _signed(bar["cny_per_year"])
            write_text(axes, inside, row, total, va="center", ha="right", fontsize=11, weight="bold")
            continue
        is_start = bar["kind"] == "start"
        labels.append(str(bar["component"]).replace("_", " ") or f"Cost of {names[0 if is_start else 1]}")
        _waterfall_bar(axes, row, bar, low, high)
        if bar["kind"] != "end":
            end = float(bar["to_cny_per_year"]) / CNY_PER_MCNY
            until = row + (2 if rows[row + 1]["kind"] == "head" else 1)
            axes.plot([end, end], [row + 0.31, until - 0.31], color=FAINT_INK, linewidth=1.0, zorder=2)
    _rows(axes, labels)
    for label, bar in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("normal" if bar["component"] and bar["kind"] != "head" else "bold")
    axes.set_xlim(low, high)
    _label_x(axes, "Million CNY a year" + ("; the axis does not begin at 0" if low > 0 else ""))
    _foot(figure, found)
    return figure


def _with_heads(bars: Sequence[dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Put a row with the sum before the bars of each kind."""
    rows: list[dict[Any, Any]] = []
    for kind, part in itertools.groupby(bars, key=lambda bar: bar["kind"]):
        members = list(part)
        if kind in _KIND_WORDS:
            total = math.fsum(bar["cny_per_year"] for bar in members)
            rows.append({"kind": "head", "component": kind, "cny_per_year": total})
        rows += members
    return rows


def _window(bars: Sequence[dict[Any, Any]]) -> tuple[float, float]:
    """Choose a window that shows the changes: from 0 only where they are not small beside the costs."""
    ends = [float(bar[f"{end}_cny_per_year"]) / CNY_PER_MCNY for bar in bars for end in ("from", "to")]
    tops = [value for value in ends if value]
    least, most = min(tops, default=0.0), max(tops, default=1.0)
    room = max(most - least, 0.02 * abs(most), 1e-9)
    low = least - 0.35 * room
    if low < 0.25 * most:
        low = min(0.0, least - 0.1 * room)
    return low, most + 0.3 * room


def _waterfall_bar(axes: Axes, row: int, bar: dict[Any, Any], low: float, high: float) -> None:
    begin, end = (float(bar[f"{side}_cny_per_year"]) / CNY_PER_MCNY for side in ("from", "to"))
    is_end = not bar["component"]
    height = float(bar["cny_per_year"])
    colour = _TOTAL if is_end else DEARER if height > 0 else _CHEAPER
    left, right = (max(low, min(begin, end)), max(begin, end))
    # With an edge, so that the smallest bar can still be seen.
    axes.barh(row, right - left, left=left, height=0.62, color=colour, edgecolor=colour, linewidth=1.2, zorder=3)
    if is_end and low > 0:
        for away in (0.012, 0.020):  # the bar is cut: its axis does not begin at 0
            at = low + away * (high - low)
            axes.plot([at - 0.003 * (high - low), at + 0.003 * (high - low)], [row + 0.4, row - 0.4], color="white",
                      linewidth=2.0, zorder=4)  # fmt: skip
    text = format_million(height) if is_end else _signed(height)
    write_text(axes, right + 0.008 * (high - low), row, text, va="center", fontsize=11,
               weight="bold" if is_end else "normal", zorder=4)  # fmt: skip


def regret_figure(found: Comparison) -> Figure:
    """Draw the regret matrix: plans in rows, cases in columns."""
    ranked = list(found.regret_plans["plan"])
    kept = set(ranked[:_MAX_MATRIX])
    cases = [case for case in found.regret_matrix["plan"] if case in kept]
    matrix = found.regret_matrix.set_index("plan").loc[cases, cases].to_numpy(float) / CNY_PER_MCNY
    figure, axes = _sheet(max(0.42 * len(cases) + 0.4, 1.6), top_in=1.55)
    regret = Regret(found.regret, found.regret_plans, found.improvable, redispatch=False)
    _titles(figure, *_regret_titles(found, regret))
    most = float(np.nanmax(np.abs(matrix), initial=0.0)) or 1.0
    axes.set_facecolor(_NO_PLAN)
    axes.imshow(matrix, cmap=_REGRET_COLOURS, vmin=0.0, vmax=most, aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(matrix):
        nothing = "no plan" if len(cases) <= _MAX_WORDS_IN_CELL else ""
        shown = nothing if math.isnan(value) else _cell(value)
        dark = not math.isnan(value) and value > _DARK_SHARE * most
        colour = FAINT_INK if math.isnan(value) else "white" if dark else INK
        write_text(axes, column, row, shown, ha="center", va="center", fontsize=10, color=colour)
    if regret.minimax_plan in cases:
        at = cases.index(regret.minimax_plan)
        frame = Rectangle((-0.5, at - 0.5), len(cases), 1, fill=False, edgecolor=_CHEAPER, linewidth=2.5)
        frame.set(clip_on=False, zorder=5)  # above the lines between the cells
        axes.add_patch(frame)
    _rows(axes, [f"{number}  {_name(found, case)}" for number, case in enumerate(cases, start=1)])
    axes.set_xticks(range(len(cases)), [str(number) for number in range(1, len(cases) + 1)])
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, labelsize=11, labelcolor=INK)
    axes.set_xticks(np.arange(len(cases) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(cases) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("under the prices and limits of case", color=INK, fontsize=11, family=FONT, labelpad=8)
    head = 0.16 / (0.42 * len(cases) + 0.4)
    write_text(axes, -0.006, 1 + head, "plan made for case", ha="right", fontsize=11, transform=axes.transAxes)
    _foot(figure, found)
    return figure


def _regret_titles(found: Comparison, regret: Regret) -> tuple[str, str]:
    under = "Million CNY a year that a plan costs in a case, less what the plan made for that case costs."
    if not regret.minimax_plan:
        return "Regret: every plan breaks a limit of some case", under
    best = regret.plans.iloc[0]
    worst = format_million(float(best["max_regret_cny_per_year"]))
    least, most = (format_million(float(best[f"{side}_max_regret_cny_per_year"])) for side in ("least", "most"))
    title = f"Least regret at worst: the plan for {_name(found, regret.minimax_plan)}, {worst} million CNY a year"
    return title, f"{under} Proved between {least} and {most} at worst (framed row)."


def _cell(million: float) -> str:
    if 0 < million < 0.05:  # noqa: PLR2004 - would round to 0.0, and is not nothing
        return "<0.1"
    return _minus(f"{million:,.1f}" if abs(million) >= 0.05 or million == 0 else f"{million:.2g}")  # noqa: PLR2004


def _signed(cny: float) -> str:
    return _minus(format_change(cny))


def _minus(text: str) -> str:
    return text.replace("-", "−")


def tornado_figure(found: Comparison) -> Figure:
    """Draw the effect of each parameter's two ends on the cost, largest first."""
    rows = found.tornado.to_dict("records")
    figure, axes = _sheet(0.62 * len(rows) + 0.5)
    reference = _name(found, found.reference)
    cost = format_million(found.results[found.reference].objective_cny)
    _titles(
        figure,
        "What moves the cost most",
        f"One parameter at a time, all else unchanged. The cost of {reference} is {cost} million CNY a year.",
    )
    effects = [float(row[f"{end}_effect_cny_per_year"]) / CNY_PER_MCNY for row in rows for end in ("low", "high")]
    known = [value for value in effects if math.isfinite(value)]
    low, high = min([0.0, *known]), max([0.0, *known])
    room = 0.22 * max(high - low, 1e-9)
    for place, row in enumerate(rows):
        ends = [(end, float(row[f"{end}_effect_cny_per_year"]) / CNY_PER_MCNY) for end in ("low", "high")]
        same_side = len({value > 0 for _, value in ends if value}) == 1 and all(value for _, value in ends)
        for number, (end, value) in enumerate(ends):
            _tornado_end(axes, row, end, value, place + (0.17 * (2 * number - 1) if same_side else 0.0),
                         (0.3 if same_side else 0.6, 0.02 * (high - low)))  # fmt: skip
    axes.axvline(0.0, color=INK, linewidth=1.2, zorder=4)
    _rows(axes, [_literal(shorten(str(row["parameter"]), _NAME_CHARS)) for row in rows])
    axes.set_xlim(low - room, high + room)
    _label_x(axes, f"Cost less that of {reference}, million CNY a year")
    _foot(figure, found)
    return figure


def _tornado_end(
    axes: Axes, row: dict[Any, Any], end: str, value: float, place: float, size: tuple[float, float]
) -> None:
    height, gap = size
    setting = f"{float(row[f'{end}_value']):,.6g}"
    if not math.isfinite(value):
        x = gap if end == "high" else -gap
        write_text(axes, x, place, f"{setting}: no plan", va="center", ha="left" if end == "high" else "right",
                   fontsize=10, color=FAINT_INK)  # fmt: skip
        return
    axes.barh(place, value, height=height, color=DEARER if value > 0 else _CHEAPER, zorder=3)
    is_right = value > 0 or (value == 0 and end == "high")
    text = f"{setting}: {_signed(value * CNY_PER_MCNY)}"
    write_text(axes, value + (gap if is_right else -gap) / 2, place, text, va="center",
               ha="left" if is_right else "right", fontsize=10.5)  # fmt: skip


def _sheet(height_in: float, *, top_in: float = _TITLE_IN) -> tuple[Figure, Axes]:
    """Make a sheet with one panel of that height between title and foot."""
    sheet_in = top_in + height_in + _FOOT_IN
    figure = Figure(figsize=(_WIDTH_IN, sheet_in), dpi=_DPI, facecolor="white")
    box = (_LEFT_IN / _WIDTH_IN, _FOOT_IN / sheet_in, 1 - (_LEFT_IN + _RIGHT_IN) / _WIDTH_IN, height_in / sheet_in)
    axes = figure.add_axes(box)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    return figure, axes


def _titles(figure: Figure, title: str, under: str) -> None:
    height_in = figure.get_figheight()
    paper = figure.add_axes((0, 0, 1, 1), zorder=-1)
    paper.set_axis_off()
    left = 0.02
    write_text(paper, left, 1 - 0.36 / height_in, title, fontsize=16, weight="bold", transform=figure.transFigure)
    write_text(paper, left, 1 - 0.66 / height_in, under, fontsize=10.5, color=FAINT_INK, transform=figure.transFigure)


def _foot(figure: Figure, found: Comparison) -> None:
    """Say where the figures come from, and how sure they are."""
    gaps = found.cases.loc[found.cases["total_cny_per_year"].notna(), "mip_rel_gap"]
    proved = ""
    if gaps.notna().any():
        whose = "every plan" if gaps.notna().all() else f"{gaps.notna().sum()} of {len(gaps)} plans"
        proved = f" Proved within {math.ceil(gaps.max() * 1e4) / 1e4:.2%} of the least cost: {whose}."
    text = f"edwc, comparison of {shorten(found.name, 40)}, {len(found.cases)} cases.{proved}"
    paper = figure.axes[-1]
    write_text(paper, 0.02, 0.16 / figure.get_figheight(), shorten(text, 150), fontsize=9, color=FAINT_INK,
               transform=figure.transFigure)  # fmt: skip


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [_literal(shorten(label, _NAME_CHARS + len("Cost of "))) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelsize=11, labelcolor=INK)
    for label in axes.get_yticklabels():
        label.set_fontfamily(FONT)
        label.set_parse_math(False)


def _label_x(axes: Axes, text: str) -> None:
    axes.grid(axis="x", color=_GRID, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0, labelsize=10, labelcolor=FAINT_INK)
    axes.xaxis.set_major_formatter(lambda value, _: _minus(f"{value:,.10g}"))
    axes.set_xlabel(text, color=INK, fontsize=11, family=FONT, parse_math=False)
    for label in axes.get_xticklabels():
        label.set_fontfamily(FONT)


def _literal(text: str) -> str:
    return "".join(char if has_glyph(char) else "?" for char in text)


def _name(found: Comparison, case: str) -> str:
    result = found.results.get(case)
    return _literal(shorten(case if result is None else result.case.label, _NAME_CHARS))

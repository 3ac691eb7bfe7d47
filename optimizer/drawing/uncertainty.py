"""Fan charts of samples: how cost and the shares of regions spread over the input that decides each, as PNG or SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

from optimizer.drawing.colours import FAINT_INK, INK, PLAN, PROVED
from optimizer.drawing.lettering import HALO, font_families, write_text
from optimizer.drawing.sheet import make_sheet, style_axes, write_figure
from optimizer.numbers import format_percent, format_plain, shorten
from optimizer.problem.problem import FloatArray
from optimizer.text.uncertainty import headline
from optimizer.uncertainty.figures import COST, Figure
from optimizer.uncertainty.inputs import value_at
from optimizer.uncertainty.result import QUANTILE_OF, QUANTILES, Uncertainty, region_shares
from optimizer.words.amounts import counting
from optimizer.words.sentences import retell, say

_PANEL_IN = 3.4
_MEDIAN, _WIDE, _NARROW, _POINT = PLAN, "#DDE3EE", PROVED, FAINT_INK
_ALL_AT, _ALL_HALF, _RIGHT = 1.09, 0.025, 1.2  # where the distribution of all samples stands, beside the fan
_LEAST_WINDOW, _WINDOWS = 10, 5  # samples in a window of the fan, and how many windows beside each other fill it
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEAST_PLANS = 2


def draw_fans(found: Uncertainty, target: Path | str) -> Path:
    """
    Draw the fans.

    Raises
    ------
    InputError
        If the suffix is not known or the folder does not exist.
    ValueError
        If fewer than two samples have a plan.
    """
    return write_figure(fan_figure(found), target)


def fan_figure(found: Uncertainty) -> Sheet:
    """Draw the cost and the most uncertain share of a region, each over its most decisive input."""
    plans = int(found.samples[COST].notna().sum())
    if plans < _LEAST_PLANS:
        raise ValueError(f"{plans} samples with a plan make no fan")
    names = [COST, *region_shares(found)[:1]]
    of_inputs = say("{plans} plans for samples of {count} inputs", plans=plans, count=found.inputs["input"].nunique())
    title = say("Uncertainty of {name}: {of_inputs}", name=shorten(found.name, 40), of_inputs=of_inputs)
    figure, panels = make_sheet((title, headline(found)), [_PANEL_IN] * len(names))
    with counting(found.samples[COST]):
        for axes, name in zip(panels, names, strict=True):
            _draw_fan(axes, found, name)
    return figure


def fan_bands(at: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    Find quantiles of a figure among samples with like values of an input.

    Parameters
    ----------
    at, values
        (N,) quantiles of the input, and the figure.

    Returns
    -------
    array, array
        (M,) mean quantiles of the windows, and (5, M) quantiles of the figure in each: 5, 25, 50, 75 and 95 %.
    """
    order = np.argsort(at, kind="stable")
    width = min(len(at), max(_LEAST_WINDOW, len(at) // _WINDOWS))
    windows = [order[first : first + width] for first in range(len(at) - width + 1)]
    middles = np.array([at[window].mean() for window in windows])
    return middles, np.array([np.quantile(values[window], list(QUANTILES.values())) for window in windows]).T


def _draw_fan(axes: Axes, found: Uncertainty, name: str) -> None:
    figure = found.figure(name)
    row = found.distribution(name)
    planned = found.samples[found.samples[name].notna()]
    values = planned[name].to_numpy(float) / figure.scale
    drivers = found.drivers[found.drivers["figure"] == name]
    driver = str(drivers["input"].iloc[0] if len(drivers) else found.inputs["input"].iloc[0])
    at = planned[f"{QUANTILE_OF}{driver}"].to_numpy(float)
    middles, bands = fan_bands(at, values)
    look: dict[str, Any] = {"linewidth": 0, "zorder": 2}
    axes.fill_between(middles, bands[0], bands[4], color=_WIDE, **look)
    axes.fill_between(middles, bands[1], bands[3], color=_NARROW, **look)
    axes.plot(middles, bands[2], color=_MEDIAN, linewidth=2.2, zorder=3)
    axes.scatter(at, values, s=9, color=_POINT, alpha=0.5, linewidths=0, zorder=4)
    _draw_all(axes, row, figure)
    if np.isfinite(row["as_stated"]):
        axes.axhline(row["as_stated"] / figure.scale, color=INK, linewidth=1.0, linestyle=(0, (1, 2)), zorder=5)
    title = retell(figure.title).capitalize()
    # Texts write amounts in Chinese scales, of 10,000 and its powers; the numbers along an axis are in millions.
    named = say("{title},\nM CNY a year", title=title)
    if not figure.is_money:
        named = say("{title},\n{unit}", title=title, unit=figure.unit_text)
    style_axes(axes, named)
    axes.set_xlim(-0.02, _RIGHT)
    _label_driver(axes, found.inputs, driver, drivers)


def _draw_all(axes: Axes, row: Mapping[str, Any], figure: Figure) -> None:
    """Draw the distribution of all samples beside the fan, with its numbers."""
    levels = np.array([float(row[name]) for name in QUANTILES]) / figure.scale
    for low, high, colour in ((0, 4, _WIDE), (1, 3, _NARROW)):
        axes.fill_between([_ALL_AT - _ALL_HALF, _ALL_AT + _ALL_HALF], levels[low], levels[high], color=colour,
                          linewidth=0, zorder=2)  # fmt: skip
    axes.hlines(levels[2], _ALL_AT - _ALL_HALF, _ALL_AT + _ALL_HALF, color=_MEDIAN, linewidth=2.2, zorder=3)
    for at in (0, 2, 4):
        text = figure.write(float(row[list(QUANTILES)[at]]))
        write_text(axes, _ALL_AT + 1.4 * _ALL_HALF, float(levels[at]), text, va="center", fontsize=9.5, color=INK,
                   path_effects=HALO, zorder=6)  # fmt: skip


def _label_driver(axes: Axes, inputs: pd.DataFrame, driver: str, drivers: pd.DataFrame) -> None:
    """Name the input, with values at its quantiles along the axis; of several ranges those of the first."""
    ranges = inputs[inputs["input"] == driver]
    first = ranges.iloc[0]
    shape, (low, mode, high) = str(first["shape"]), (float(first[name]) for name in ("low", "value", "high"))
    labels = [
        f"{format_plain(value_at(shape, low, mode, high, quantile), 3)}\n{format_percent(quantile, 0)}"
        for quantile in _TICKS
    ]
    axes.set_xticks([*_TICKS, _ALL_AT], [*labels, say("all")], color=FAINT_INK, family=font_families())
    weight = float(drivers["rank_coefficient"].iloc[0]) if len(drivers) else float("nan")
    told = say(", rank coefficient {weight:+.2f}", weight=weight) if np.isfinite(weight) else ""
    more = say(" and {more} more that move with it", more=len(ranges) - 1) if len(ranges) > 1 else ""
    text = say(
        "by {driver}{told}: {key}{more}",
        driver=shorten(driver, 30),
        told=told,
        key=shorten(str(first["key"]), 60),
        more=more,
    )
    # Inside the panel: below it stand its own ticks, above it those of the panel before.
    write_text(axes, 0.01, 0.96, text, transform=axes.transAxes, va="top", fontsize=10.5, color=FAINT_INK,
               path_effects=HALO, zorder=7)  # fmt: skip

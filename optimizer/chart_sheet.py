"""The sheet that charts of several panels stand on: title, panels above each other, one look of the axes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from optimizer.map_font import FAINT_INK, FONT, INK, write_text

GRID = "#E3E3E3"
DPI = 100.0
WIDTH_IN = 13.0
_LEFT, _RIGHT, _TITLE_IN, _FOOT_IN, _GAP_IN = 0.14, 0.97, 0.85, 0.7, 0.4


def make_sheet(heights_in: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """
    Lay out panels above each other below the title.

    Parameters
    ----------
    heights_in
        Height of each panel, inches, from the top.
    """
    total = _TITLE_IN + sum(heights_in) + _GAP_IN * len(heights_in) + _FOOT_IN
    figure = Figure(figsize=(WIDTH_IN, total), dpi=DPI, facecolor="white")
    axes, top = [], total - _TITLE_IN - _GAP_IN
    for height in heights_in:
        axes.append(figure.add_axes((_LEFT, (top - height) / total, _RIGHT - _LEFT, height / total)))
        top -= height + _GAP_IN
    return figure, axes


def write_titles(figure: Figure, title: str, below: str) -> None:
    """
    Write the title of a sheet and a line below it.

    Parameters
    ----------
    figure
        From `make_sheet`.
    title, below
        Texts.
    """
    height = figure.get_figheight()
    head = figure.add_axes((0.03, 1 - _TITLE_IN / height, 0.94, _TITLE_IN / height))
    head.set_axis_off()
    write_text(head, 0.0, 0.42, title, fontsize=17, weight="bold", transform=head.transAxes)
    write_text(head, 0.0, 0.08, below, fontsize=11, color=FAINT_INK, transform=head.transAxes)


def style_axes(axes: Axes, label: str, along: str = "y") -> None:
    """
    Give a panel the look of the others.

    Parameters
    ----------
    axes
        The panel.
    label
        Of its vertical axis.
    along
        Axis that the grid belongs to, x or y.
    """
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.set_axisbelow(True)
    axes.grid(axis="x" if along == "x" else "y", color=GRID, linewidth=0.8)
    axes.tick_params(length=0, colors=INK, labelsize=10)
    axes.set_ylabel(label, color=INK, fontsize=11, family=FONT)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.6g}")

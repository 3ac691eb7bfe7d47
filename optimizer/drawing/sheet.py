"""The sheet that charts stand on: title, panels, one look of the axes; and a figure as PNG or SVG, always the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from network_data.currency import in_currency
from network_data.faults import Fault, InputError, suggest
from optimizer.drawing.colours import FAINT_INK, INK
from optimizer.drawing.lettering import drawable, font_families, write_text
from optimizer.drawing.words import SUFFIXES, minus_sign
from optimizer.numbers import format_plain, shorten
from optimizer.runs.folder import replace_when_done
from optimizer.words.sentences import say

GRID = "#E3E3E3"
_CHANGES_CHARS, _CHANGES_DOWN_IN = 150, 0.86
_DPI, _WIDTH_IN, _RIGHT_IN, _FOOT_IN, _GAP_IN = 100.0, 13.0, 0.5, 0.75, 0.4


def write_figure(figure: Figure, target: Path | str) -> Path:
    """
    Write a figure in the format that the target's suffix names, `.png` or `.svg`; its folder exists.

    Raises
    ------
    InputError
        If the suffix is not known or the folder does not exist.
    OSError
        If the file system refuses the write.
    """
    path = Path(target)
    fault = None
    if path.suffix.lower() not in SUFFIXES:
        remedy = f"Use one of {', '.join(SUFFIXES)}.{suggest(path.suffix.lower(), SUFFIXES)}"
        fault = Fault(str(path), None, None, path.suffix, "chart format is not known", remedy)
    elif not path.parent.is_dir():
        fault = Fault(str(path.parent), None, None, None, "folder does not exist", "Create it, or name another.")
    if fault is not None:
        raise InputError([fault], "the chart")
    with replace_when_done(path, draft_prefix=".edwc-chart-") as draft:
        print_figure(figure, draft)
    return path


def print_figure(figure: Figure, path: Path) -> None:
    """
    Print a figure as PNG or SVG, by the suffix, its amounts named in the currency of the network.

    Text of an SVG becomes outlines, which need no font.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(in_currency(text.get_text()))
    canvas: Any
    with plain_settings(), mpl.rc_context({"svg.hashsalt": "edwc", "svg.fonttype": "path"}):
        if path.suffix == ".png":
            canvas = FigureCanvasAgg(figure)
            canvas.print_png(path, metadata={"Software": "edwc"})
        else:
            canvas = FigureCanvasSVG(figure)
            canvas.print_svg(path, metadata={"Date": None, "Creator": "edwc"})


@contextmanager
def plain_settings() -> Iterator[None]:
    """Draw with matplotlib's own settings: a user's matplotlibrc would change the map of the same run."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        yield


def make_sheet(
    titles: tuple[str, str], heights_in: Sequence[float], *, left_in: float = 1.82, top_in: float = 1.25
) -> tuple[Figure, list[Axes]]:
    """Lay out panels below a title and the line under it."""
    total = top_in + sum(heights_in) + _GAP_IN * (len(heights_in) - 1) + _FOOT_IN
    figure = Figure(figsize=(_WIDTH_IN, total), dpi=_DPI, facecolor="white")
    panels, top = [], total - top_in
    for height in heights_in:
        width = 1 - (left_in + _RIGHT_IN) / _WIDTH_IN
        axes = figure.add_axes((left_in / _WIDTH_IN, (top - height) / total, width, height / total))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(GRID)
        panels.append(axes)
        top -= height + _GAP_IN
    write_on_sheet(figure, total - 0.36, titles[0], fontsize=16, weight="bold")
    write_on_sheet(figure, total - 0.66, titles[1], fontsize=10.5, color=FAINT_INK)
    return figure, panels


def write_on_sheet(figure: Figure, up_in: float, text: str, **style: Any) -> None:
    """Write a line from the left edge of the sheet, so many inches above its lower edge."""
    paper = figure.add_axes((0, 0, 1, 1), zorder=-1)
    paper.set_axis_off()
    write_text(paper, 0.02, up_in / figure.get_figheight(), text, transform=figure.transFigure, **style)


def note_changes(figure: Figure, changes: Sequence[str]) -> Figure:
    """Write below the titles what the scenario was changed in, KEY=VALUE; returns the figure."""
    if changes:
        text = say("Changed in the scenario: {changes}", changes=", ".join(changes))
        up_in = figure.get_figheight() - _CHANGES_DOWN_IN
        write_on_sheet(figure, up_in, shorten(text, _CHANGES_CHARS), fontsize=9.5, color=FAINT_INK)
    return figure


def style_axes(axes: Axes, label: str = "", along: str = "y") -> None:
    """Give a panel the look of the others: `label` beside its vertical axis, a grid along x or y."""
    axes.set_axisbelow(True)
    axes.grid(axis="x" if along == "x" else "y", color=GRID, linewidth=0.8)
    axes.tick_params(length=0, colors=INK, labelsize=10)
    axes.set_ylabel(label, color=INK, fontsize=11, family=font_families())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: minus_sign(format_plain(value, 10)))


def separate_cells(axes: Axes, rows: int, columns: int) -> None:
    """Draw white lines between the cells of a matrix."""
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)


def label_x(axes: Axes, text: str) -> None:
    """Say what the horizontal axis shows."""
    axes.set_xlabel(drawable(text), color=INK, fontsize=11, family=font_families(), parse_math=False)


def label_rows(axes: Axes, labels: Sequence[str], size: float = 10) -> None:
    """Name rows, from the top."""
    lines = ["\n".join(map(drawable, label.split("\n"))) for label in labels]
    axes.set_yticks(range(len(labels)), lines, parse_math=False, family=font_families())
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelsize=size, labelcolor=INK)

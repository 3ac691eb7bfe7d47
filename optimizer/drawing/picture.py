"""
Write a drawn figure to a file: PNG or SVG, the same bytes for the same figure, whole or not at all.

The sheet that charts of several panels stand on: title, panels above each other, one look of the axes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from network_data.faults import Fault, InputError, suggest
from optimizer.drawing.style import FAINT_INK, FONT, INK, write_text

SUFFIXES = (".png", ".svg")


def write_picture(figure: Figure, target: Path | str) -> Path:
    """
    Write a figure in the format that the target's suffix names.

    Parameters
    ----------
    target
        File to write, `.png` or `.svg`; its folder exists.

    Raises
    ------
    InputError
        If the suffix is not known or the folder does not exist.
    OSError
        If the file system refuses the write.
    """
    path = Path(target)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        remedy = f"Use one of {', '.join(SUFFIXES)}.{suggest(suffix, SUFFIXES)}"
        raise InputError(
            [Fault(str(path), None, None, path.suffix, "picture format is not known", remedy)], "the chart"
        )
    if not path.parent.is_dir():
        fault = Fault(str(path.parent), None, None, None, "folder does not exist", "Create it, or name another.")
        raise InputError([fault], "the chart")
    with tempfile.TemporaryDirectory(prefix=".edwc-picture-", dir=path.parent) as folder:
        draft = Path(folder) / f"picture{suffix}"
        (print_png if suffix == ".png" else print_svg)(figure, draft)
        draft.replace(path)
    return path


@contextmanager
def plain_settings() -> Iterator[None]:
    """Draw with matplotlib's own settings: a user's matplotlibrc would make another picture of the same run."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        yield


def print_png(figure: Figure, path: Path) -> None:
    """Print a figure as PNG; neither a global backend nor a user's matplotlibrc has a say."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    with plain_settings():
        canvas.print_png(path, metadata={"Software": "edwc"})


def print_svg(figure: Figure, path: Path) -> None:
    """Print a figure as SVG; text becomes outlines: it looks the same, and collides nowhere, without the font."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with plain_settings(), mpl.rc_context({"svg.hashsalt": "edwc", "svg.fonttype": "path"}):
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(path, metadata={"Date": None, "Creator": "edwc"})


_GRID = "#E3E3E3"
_DPI = 100.0
_WIDTH_IN = 13.0
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
    figure = Figure(figsize=(_WIDTH_IN, total), dpi=_DPI, facecolor="white")
    axes, top = [], total - _TITLE_IN - _GAP_IN
    for height in heights_in:
        axes.append(figure.add_axes((_LEFT, (top - height) / total, _RIGHT - _LEFT, height / total)))
        top -= height + _GAP_IN
    return figure, axes


def write_titles(figure: Figure, title: str, below: str) -> None:
    """Write the title of a sheet and a line below it."""
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
    label
        Of its vertical axis.
    along
        Axis that the grid belongs to, x or y.
    """
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.set_axisbelow(True)
    axes.grid(axis="x" if along == "x" else "y", color=_GRID, linewidth=0.8)
    axes.tick_params(length=0, colors=INK, labelsize=10)
    axes.set_ylabel(label, color=INK, fontsize=11, family=FONT)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.6g}")

"""Write a drawn figure to a file: PNG or SVG, the same bytes for the same figure, whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_data.faults import Fault, InputError, suggest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")


def write_picture(figure: Figure, target: Path | str) -> Path:
    """
    Write a figure in the format that the target's suffix names.

    Parameters
    ----------
    figure
        The figure; not tied to pyplot.
    target
        File to write, `.png` or `.svg`; its folder exists.

    Returns
    -------
    Path
        The target.

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

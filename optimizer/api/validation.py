"""Hold the model against published results and known optima: what a notebook calls and `edwc validate` prints."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from network_data.faults import Fault, InputError
from optimizer.api.progress import reporting
from optimizer.text.validation import validation_markdown
from optimizer.validation.validation import Validation
from optimizer.validation.validation import validate as validate_model


def validate(
    *,
    full: bool = False,
    out: str | Path | None = None,
    progress: bool = False,
    report: Callable[[str], None] | None = None,
) -> Validation:
    """
    Hold the model against published results and known optima.

    Parameters
    ----------
    full
        Solve the base scenario as it is and all problems of the literature, which takes some minutes; else with fewer
        time slices, and some of them.
    out
        Markdown file to write.
    progress
        Show what it is at.
    report
        Called with a line of text before each piece of work.

    Returns
    -------
    Validation
        Misses stay in its tables.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = None if out is None else _checked(Path(out))
    with reporting(report, progress=progress) as tell:
        found = validate_model(full=full, report=tell)
    if path is not None:
        _write(path, validation_markdown(found))
    return found


def _checked(path: Path) -> Path:
    """Refuse a place that no file can be written to, before the work and not after it."""
    if path.is_dir() or not path.absolute().parent.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        remedy = "Name a file in a folder that is there and may be written to."
        raise InputError([Fault("the argument out", None, None, str(path), "is no file to write", remedy)])
    return path.absolute()


def _write(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    with tempfile.TemporaryDirectory(prefix=".edwc-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)

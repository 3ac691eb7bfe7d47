"""
Inputs made in memory, kept as files while this process lives.

What is edited in Python (a tariff table, a scenario as a dictionary) is written to a folder named after its content.
Whatever reads, checks, hashes or solves inputs then finds files, as always; the folders go when the process ends.
"""

from __future__ import annotations

import atexit
import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_data.schema import load_schema

if TYPE_CHECKING:
    import pandas as pd

_PREFIX = "edwc-inputs-"
_NAMED = 12


def keep_files(files: Mapping[str, bytes]) -> Path:
    """
    Write files to a folder of this process; the same files make the same folder.

    Parameters
    ----------
    files
        Content by path relative to the folder.

    Returns
    -------
    Path
        The folder.
    """
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    folder = _root() / digest.hexdigest()[:_NAMED]
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=_root()) as draft:
            for name, content in files.items():
                path = Path(draft, "files", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            Path(draft, "files").rename(folder)
    return folder


def make_folder() -> Path:
    """Make an empty folder of this process."""
    return Path(tempfile.mkdtemp(dir=_root()))


def session_folder_of(path: Path) -> Path | None:
    """
    Find the folder of this or another process that a file made in memory is in.

    Parameters
    ----------
    path
        The file, or a folder.

    Returns
    -------
    Path or None
        None where the file is one of the user's own.
    """
    parents = (path, *path.parents)
    return next((part for part in parents if part.parent.name.startswith(_PREFIX)), None)


def table_content(table: pd.DataFrame) -> bytes:
    """
    Write a table as the CSV file that is read back as the same.

    Parameters
    ----------
    table
        Columns as in the file; an index with a name is a column too.

    Returns
    -------
    bytes
        UTF-8 text.
    """
    frame = table.reset_index() if any(name is not None for name in table.index.names) else table
    texts = frame.astype(object).map(_cell)
    return bytes(texts.to_csv(index=False, lineterminator="\n").encode("utf-8"))


def network_content(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """
    Write network tables as files.

    Parameters
    ----------
    tables
        By table name, with the columns of `attributes.csv`.

    Returns
    -------
    dict
        Content by file name.

    Raises
    ------
    ValueError
        If there is no table of a name.
    TypeError
        If something else than a DataFrame is given for one.
    """
    import pandas as pd

    known = load_schema()
    if unknown := sorted(set(tables) - set(known)):
        raise ValueError(f"there is no network table {unknown[0]!r}; the tables are {', '.join(known)}")
    for name, table in tables.items():
        if not isinstance(table, pd.DataFrame):
            raise TypeError(f"table {name} is of type {type(table).__name__}, not a DataFrame")
    return {f"{name}.csv": table_content(table) for name, table in tables.items()}


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in {"<NA>", "NaT"}:
        return ""
    if isinstance(value, bool) or type(value).__name__ in {"bool", "bool_"}:
        return "yes" if value else "no"
    return repr(float(value)) if isinstance(value, float) else str(value)


@cache
def _root() -> Path:
    root, process = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve(), os.getpid()

    def remove() -> None:
        if os.getpid() == process:  # not a process forked from this one
            shutil.rmtree(root, ignore_errors=True)

    atexit.register(remove)
    return root

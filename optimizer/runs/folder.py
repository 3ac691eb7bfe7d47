"""
The run folder: written completely or not at all, read with every fault at once.

Also what other rooms write files with: replacement in one step, and CSV tables in which no text runs as a formula.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from network_data.faults import FULL_DISK, MAKE_ROOM, Fault, FaultList, InputError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
# What only a write can meet; libraries leave out the name of the file.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def replace_when_done(target: Path, *, draft_prefix: str) -> Iterator[Path]:
    """
    Write a file or folder beside its target; it takes the name of the target if the block ends without an error.

    Parameters
    ----------
    target
        File or folder to write; an older one stays as it is until then.
    draft_prefix
        Start of the name of the folder for the draft, beside the target.

    Yields
    ------
    Path
        Where to write, with the ending of the target: a file, or a folder that the block makes.

    Raises
    ------
    OSError
        If the file system refuses the write; it names the target.
    """
    remove_stale_drafts(target.parent, draft_prefix)
    folder = target.parent / _draft_name(draft_prefix)
    with _naming(target, folder):
        folder.mkdir()
        try:
            # The name stays the same, since some writers put it into the file.
            draft = folder / f"allocation{target.suffix.lower()}"
            yield draft
            for path in (*(draft.iterdir() if draft.is_dir() else ()), draft):
                sync(path)
            if draft.is_dir():
                take_name(draft, target)
            else:
                draft.replace(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        sync(target.parent)


@contextlib.contextmanager
def _naming(target: Path, draft: Path) -> Iterator[None]:
    """Let a refused write name the target: nobody knows the draft."""
    try:
        yield
    except OSError as error:
        is_of_draft = str(error.filename or "").startswith(str(draft))
        if error.errno is None or not (is_of_draft or error.errno in _OF_WRITING):
            raise
        reason = error.strerror if error.errno == errno.EIO else os.strerror(error.errno)
        raise OSError(error.errno, reason, str(target)) from error


def take_name(draft: Path, target: Path) -> None:
    """Give a folder its name; if an older one has it, exchange the two in one step where the system can."""
    if not target.exists():
        draft.rename(target)
    elif not _exchange(draft, target):
        aside = draft.with_name(f"{draft.name}-old")
        target.rename(aside)
        try:
            draft.rename(target)
        except OSError:
            aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    sync(target.parent)


def sync(path: Path) -> None:
    """Flush a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names atomically (Linux renameat2); False where the system or file system has no such thing."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}:
        return False
    raise OSError(code, os.strerror(code), str(second))


INFO_FILE = "run.json"
BASEMAP_FILE = "basemap.geojson"
INPUTS_FOLDER = "inputs"  # what was made in memory for the run: scenario, tables, network
FORMAT = 1

DAMAGED = "Solve again: the run folder is damaged."
NOT_A_RUN = "Give the folder that `edwc solve --out` wrote."
NEEDS_THIS_VERSION = "Solve again with this version."

# What may stand in a run folder that is replaced: what a run writes, and what was exported from it.
_EXPORT_SUFFIXES = (
    ".gpkg", ".geojson", ".fgb", ".png", ".svg", ".html", ".csv", ".parquet", ".graphml", ".nc", ".mps", ".lp",
    ".xlsx", ".pdf", ".docx", ".pptx",
)  # fmt: skip
_DRAFT_PREFIX = ".edwc-run-"
_DRAFT_MAX_AGE_S = 3600.0


def check_target(folder: Path | str) -> Path:
    """
    Check that a run can be written to a folder, before anything is solved.

    Parameters
    ----------
    folder
        Folder to write; it may hold an older run, which would be replaced.

    Raises
    ------
    InputError
        If something else stands there, or the folder above cannot be written to.
    """
    faults = FaultList("the output folder")
    try:
        path = Path(folder).resolve()
        _check_replaceable(path, faults)
        above = next(parent for parent in path.parents if parent.exists())
    except (OSError, ValueError, RuntimeError) as error:
        faults.add(str(folder), f"is no usable name of a folder ({error})", "Name another folder.")
        raise faults.error() from error
    faults.raise_if_any()
    try:
        # Permission bits are not enough (read-only mounts, /proc): try it before hours are spent on a plan.
        with tempfile.TemporaryDirectory(prefix=_DRAFT_PREFIX, dir=above):
            pass
    except OSError as error:
        remedy = MAKE_ROOM if error.errno in FULL_DISK else "Name a folder that you may write to."
        faults.add(str(above), f"cannot be written to ({error.strerror})", remedy)
    faults.raise_if_any()
    return path


def _check_replaceable(path: Path, faults: FaultList) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        faults.add(str(path), "is a file", "Name a folder, or remove the file.")
        return
    names = sorted(entry.name for entry in path.iterdir())
    if names and INFO_FILE not in names:
        faults.add(str(path), "is not empty and holds no run", "Name a new folder, or that of an older run.")
        return
    known = {INFO_FILE, BASEMAP_FILE, INPUTS_FOLDER}
    foreign = [name for name in names if name not in known and Path(name).suffix.lower() not in _EXPORT_SUFFIXES]
    if foreign:
        problem = f"holds {len(foreign)} file(s) that no run wrote, and a new run would remove them"
        faults.add(str(path), problem, "Move them away, or name a new folder.", value=foreign[0])


def write_run(
    folder: Path | str,
    info: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame | bytes],
    *,
    basemap: Path | None = None,
    inputs: Path | None = None,
) -> Path:
    """
    Write a run folder, completely or not at all.

    Everything is written and synced beside the target, then takes its name in one step; an older run stays
    complete until then. A killed process leaves the older run, or none, and a hidden draft that the next write to
    the same folder removes.

    Parameters
    ----------
    info
        Content of `run.json`; `format` and `files` (SHA-256 by name) are added, numbers that are not finite become
        null.
    tables
        By name; bytes are what such a file holds.
    basemap
        Outline copied beside the tables, so that maps can be drawn wherever the folder goes.
    inputs
        Folder of inputs that were made in memory, copied too: they are stored nowhere else.

    Raises
    ------
    InputError
        If something else stands there.
    OSError
        If the file system refuses the write.
    """
    target = check_target(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_drafts(target.parent)
    draft = target.parent / _draft_name(_DRAFT_PREFIX)
    with _naming(target, draft):
        draft.mkdir()
        try:
            for folder_name, source in ((BASEMAP_FILE, basemap), (INPUTS_FOLDER, inputs)):
                if source is not None:
                    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, draft / folder_name)
            _fill(draft, info, tables)
            take_name(draft, target)
        finally:
            # After an exchange of names this is the older run; after a failure, the unfinished one.
            shutil.rmtree(draft, ignore_errors=True)
    return target


def _fill(draft: Path, info: Mapping[str, Any], tables: Mapping[str, pd.DataFrame | bytes]) -> None:
    for name, table in tables.items():
        path = draft / f"{name}.parquet"
        if isinstance(table, bytes):
            path.write_bytes(table)
        else:
            table.to_parquet(path, index=False)
    paths = [path for path in sorted(draft.rglob("*")) if path.is_file()]
    files = {path.relative_to(draft).as_posix(): _sha256(path) for path in paths}
    content = json_ready({"format": FORMAT, **info, "files": files})
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)
    (draft / INFO_FILE).write_text(text + "\n", encoding="utf-8")
    for path in (*draft.rglob("*"), draft):
        sync(path)


def remove_stale_drafts(parent: Path, draft_prefix: str = _DRAFT_PREFIX) -> None:
    """Remove drafts that killed processes of this machine left behind; those of other processes after an hour."""
    for path in parent.glob(f"{draft_prefix}*"):
        with contextlib.suppress(OSError):
            pid, _, rest = path.name.removeprefix(draft_prefix).partition("-")
            is_of_here = pid.isdigit() and rest.startswith(f"{_machine()}-")
            is_own = is_of_here and int(pid) == os.getpid()
            is_dead = is_of_here and not _is_alive(int(pid))
            is_old = time.time() - path.stat().st_mtime > _DRAFT_MAX_AGE_S
            if is_dead or (is_old and not is_own):
                shutil.rmtree(path, ignore_errors=True)


def _draft_name(draft_prefix: str) -> str:
    return f"{draft_prefix}{os.getpid()}-{_machine()}-{secrets.token_hex(4)}"


def _machine() -> str:
    """Tell this machine from others that see the same folder: a process id says nothing about theirs."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_intact_info(folder: Path) -> dict[str, Any] | None:
    """Read `run.json` without the tables; None if there is no run, or a file is not as it was written."""
    faults = FaultList("the run folder")
    try:
        info = read_info(folder, faults)
        check_info(info, faults)
        faults.raise_if_any()
        is_intact = all(_sha256(folder / name) == sha256 for name, sha256 in info["files"].items())
    except (InputError, OSError):
        return None
    return info if is_intact else None


def read_info(folder: Path, faults: FaultList) -> dict[str, Any]:
    """
    Read `run.json`; its content is left to `check_info`.

    Raises
    ------
    InputError
        If there is no such file.
    """
    try:
        info = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))
    except OSError as error:
        faults.add(str(folder / INFO_FILE), f"is missing or cannot be read ({type(error).__name__})", NOT_A_RUN)
        raise faults.error() from error
    except ValueError:
        faults.add(INFO_FILE, "is not valid JSON", DAMAGED)
        return {}
    if not isinstance(info, dict):
        faults.add(INFO_FILE, "is not a JSON object", DAMAGED)
        return {}
    return info


def check_info(info: Mapping[str, Any], faults: FaultList) -> None:
    """Check that `run.json` has all that this version needs to rebuild the plan."""
    if info.get("format") != FORMAT:
        faults.add(
            INFO_FILE, f"format {FORMAT} is needed", NEEDS_THIS_VERSION, column="format", value=info.get("format"),
        )  # fmt: skip
    for key in ("scenario", "network", "files", "summary"):
        if not isinstance(info.get(key), dict):
            faults.add(INFO_FILE, "a key is missing", DAMAGED, column=key)
    files = info.get("files")
    for name in files if isinstance(files, dict) else ():
        if not _is_own_file(name):
            faults.add(INFO_FILE, "is no name of a file of the run", "Solve again.", column="files", value=name)


def _is_own_file(name: str) -> bool:
    """Whether a name stays in the run folder: a plain one, or one below the folder of inputs."""
    *folders, last = name.split("/")
    is_plain = bool(last) and not {".", "..", ""} & {*folders, last} and Path(last).name == last
    return is_plain and (not folders or folders[0] == INPUTS_FOLDER)


def read_table(folder: Path, name: str, faults: FaultList) -> pd.DataFrame | None:
    """Read a table of a run; None where it is missing or damaged, which is a fault only if it is damaged."""
    path = folder / f"{name}.parquet"
    if not path.is_file():
        return None
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        faults.add(path.name, f"cannot be read ({type(error).__name__})", DAMAGED)
        return None


def changed_files(folder: Path, info: Mapping[str, Any]) -> tuple[str, ...]:
    """List the files whose content differs from what `run.json` says was written; missing ones are left out."""
    files = info["files"].items()
    return tuple(name for name, digest in files if (folder / name).is_file() and _sha256(folder / name) != digest)


def json_ready(value: Any) -> Any:
    """Convert a value, or a collection of values, to JSON; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def missing_file(path: Path) -> InputError:
    """Build the error for an input of a run that is not there any more."""
    remedy = "Put the inputs back where they were when the run was made."
    return InputError([Fault(str(path), None, None, None, "an input of the run is not there", remedy)], "the run")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


_MARK = "'"

# What begins a formula, also in the wide letters of Chinese input; marks before it keep reading back unambiguous.
_FORMULA = re.compile("'*\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def mark_formula(value: Any) -> Any:
    """
    Put a mark before a text that a spreadsheet would take for a formula.

    Examples
    --------
    >>> mark_formula("=HYPERLINK(1)"), mark_formula("-0.5"), mark_formula("5 - 3")
    ("'=HYPERLINK(1)", '-0.5', '5 - 3')
    """
    return f"{_MARK}{value}" if isinstance(value, str) and is_formula(value) else value


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a text for a formula, with or without marks before it."""
    return _FORMULA.match(text) is not None and not _is_number(text)


def unmark_formula(value: Any) -> Any:
    """
    Take the mark away again.

    Examples
    --------
    >>> unmark_formula("'=HYPERLINK(1)"), unmark_formula("'quoted'")
    ('=HYPERLINK(1)', "'quoted'")
    """
    is_marked = isinstance(value, str) and value.startswith(_MARK) and _FORMULA.match(value) is not None
    return value[1:] if is_marked else value


def write_csv_table(table: pd.DataFrame, path: Path) -> None:
    """
    Write a table as CSV in UTF-8, without its index.

    Where it is not plain ASCII, it begins with a byte order mark: without one, Excel takes it for the code page of the
    machine.
    """
    texts = {str(n): table[n].map(mark_formula, na_action="ignore") for n in table if _may_hold_text(table[n])}
    marked = table.assign(**texts).rename(columns=mark_formula)
    text = marked.to_csv(index=False, lineterminator="\n")
    path.write_bytes(text.encode("ascii" if text.isascii() else "utf-8-sig"))


def read_csv_table(path: Path, texts: Iterable[str] = ()) -> pd.DataFrame:
    """
    Read a table that `write_csv_table` wrote.

    Parameters
    ----------
    texts
        Columns that are texts whatever stands in them: an id may look like a number.

    Raises
    ------
    ValueError
        If it is no table; `pandas.errors.EmptyDataError` if it has no column.
    OSError
        If it cannot be read.
    """
    # Words such as "none" or "null" may be ids; only an empty cell is a missing one.
    read = pd.read_csv(
        path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=[""], encoding="utf-8-sig"
    )
    table = read.rename(columns=unmark_formula)
    plain = {str(n): table[n].map(unmark_formula, na_action="ignore") for n in table if _may_hold_text(table[n])}
    return table.assign(**plain)


def _may_hold_text(column: pd.Series) -> bool:
    types = pd.api.types
    return not (types.is_numeric_dtype(column) or types.is_datetime64_any_dtype(column))


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False

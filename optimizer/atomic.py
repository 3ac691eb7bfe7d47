"""Files and folders written whole or not at all: beside the target first, then given its name in one step."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextlib.contextmanager
def replace_when_done(target: Path, *, draft_prefix: str) -> Iterator[Path]:
    """
    Give a place to write a file or folder to; it takes the target's name when the block ends without an error.

    Parameters
    ----------
    target
        File or folder to write; an older one stays as it is until then.
    draft_prefix
        How the name of the folder begins in which the draft is written, beside the target.

    Yields
    ------
    Path
        Where to write, with the ending of the target: a file, or a folder that the block makes.

    Raises
    ------
    OSError
        If the file system refuses the write.
    """
    with tempfile.TemporaryDirectory(prefix=draft_prefix, dir=target.parent) as folder:
        # The name stays the same, since some writers put it into the file.
        draft = Path(folder) / f"allocation{target.suffix.lower()}"
        yield draft
        for path in (*(draft.iterdir() if draft.is_dir() else ()), draft):
            sync(path)
        if draft.is_dir():
            take_name(draft, target)
        else:
            draft.replace(target)
    sync(target.parent)


def take_name(draft: Path, target: Path) -> None:
    """
    Give a folder its name; where an older one has it, exchange the two in one step if the system can.

    Parameters
    ----------
    draft
        The folder; after an exchange, the older one has this name.
    target
        The name to take.

    Raises
    ------
    OSError
        If the file system refuses.
    """
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
    """
    See that a file or folder is on disk.

    Parameters
    ----------
    path
        The file or folder.
    """
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

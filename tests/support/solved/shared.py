"""One folder for all workers of a session: what one of them has solved is there for the others."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_ROOT: list[Path] = []


def share_below(factory: pytest.TempPathFactory, *, is_worker: bool) -> None:
    """Choose the folder; each worker of pytest-xdist has one of its own below that of the session."""
    base = factory.getbasetemp()
    _ROOT[:] = [base.parent if is_worker else base]


@contextmanager
def shared_folder(name: str) -> Iterator[Path]:
    """Hold a folder that all workers see; the others wait. Whoever comes later finds what the first has left there."""
    folder = _ROOT[0] / f"shared-{name}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder

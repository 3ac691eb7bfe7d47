"""Store a run that was long in the making: elsewhere, where the folder that was asked for does not take it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from network_data.faults import InputError
from optimizer.runs.run import Run

_PREFIX = "edwc-kept-"


class NotSavedError(OSError):
    """
    A plan was found, but the folder that was asked for did not take it.

    Parameters
    ----------
    run
        The run, whole and in memory: `run.save` writes it wherever there is room.
    folder
        The folder that was asked for.
    kept
        Folder in which it was stored instead; None if no disk took it.
    reason
        What the operating system said.
    """

    def __init__(self, run: Run, folder: Path, kept: Path | None, reason: str) -> None:
        super().__init__(reason)
        self.run, self.folder, self.kept, self.reason = run, folder, kept, reason

    def __str__(self) -> str:
        """Say what failed, and how the run is saved again."""
        how = "it is in memory alone: `run.save(...)` of this error's `run`"
        if self.kept is not None:
            how = f"it is kept in {self.kept}: `edwc save {self.kept} --out {self.folder}` once there is room"
        return f"{self.folder}: {self.reason}. The plan was found, but is not stored there; {how}"


def save_or_keep(run: Run, folder: Path) -> None:
    """
    Write a run to a folder, or to one for temporary files where that fails.

    Parameters
    ----------
    run
        With a plan.
    folder
        Folder to write.

    Raises
    ------
    NotSavedError
        If the file system refuses the write; the run is kept where it says.
    """
    try:
        run.save(folder)
    except (OSError, InputError) as error:
        # On a full disk already the trial of a write fails, which is a fault of the folder's name before a solve.
        reason = error.faults[0].problem if isinstance(error, InputError) else error.strerror or str(error)
        raise NotSavedError(run, folder, _keep(run, folder.name), reason) from error


def _keep(run: Run, name: str) -> Path | None:
    for above in dict.fromkeys((tempfile.gettempdir(), str(Path.home()))):
        # A home may be missing, and either be on the disk that is full.
        with suppress(OSError, InputError):
            place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
            try:
                return run.save(place / name)
            except (OSError, InputError):
                shutil.rmtree(place, ignore_errors=True)
    return None

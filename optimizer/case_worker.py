"""
What a worker process does: solve one case at a time, say how far it is, stop when asked, never outlive its purpose.

Worker and runner share a folder of signals. The file `stop` asks every worker to end what it is solving; `CASE.json`
says how far a case is. Files reach workers on other machines too, and cost nothing while nobody looks.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optimizer.case_solver import CaseTask
    from optimizer.engine import Outcome
    from optimizer.solution import Progress

STOP_FILE = "stop"
POLL_S = 0.1
SAY_S = 0.5  # between two words on progress
# A message up to the size of a pipe's atomic write cannot be torn by the death of its sender.
MAX_REASON_LENGTH = 2000


def stay_with_parent() -> None:
    """End this process as soon as the one that started it is gone, and leave nothing behind when it is killed."""
    # A library makes a lock when it is imported. Made for this method its name is gone at once; made for "spawn" it is
    # somebody else's to clean up, with a warning, after a kill. No process is started by either method here.
    multiprocessing.set_start_method("fork", force=True)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def warm_up() -> None:
    """Import what solving takes."""
    import optimizer.case_solver  # noqa: F401 - for its effect


def work(task: CaseTask, signals: Path) -> Outcome:
    """
    Solve a case.

    Parameters
    ----------
    task
        The case.
    signals
        Folder shared with the runner.

    Returns
    -------
    Outcome
        Whatever happens: nothing is raised.
    """
    with _stop_when_asked(signals) as stop:
        return outcome_of(task, _Reporter(signals / f"{task.case.id}.json"), stop)


def outcome_of(task: CaseTask, report: Callable[[Progress], None], stop: threading.Event) -> Outcome:
    """
    Solve a case in this thread.

    Parameters
    ----------
    task
        The case.
    report
        Called with each line of progress.
    stop
        Set it, and the solve ends with what it has.

    Returns
    -------
    Outcome
        Whatever happens: nothing is raised.
    """
    from optimizer.case_solver import solve_case
    from optimizer.cases import CaseStatus
    from optimizer.engine import Outcome

    try:
        result = solve_case(task, report=report, stop=stop)
    except Exception as error:  # noqa: BLE001 - a fault of this program in one case is no reason to lose the others
        return Outcome(CaseStatus.FAILED, _short(f"internal error: {_place(error)}: {error!r}"), has_plan=False)
    return Outcome(result.status, _short(result.reason), result.has_plan)


_stopped: set[str] = set()  # folders of signals whose comparisons have told this process to stop


def remember_stop(signals: str) -> None:
    """
    Take in that a comparison is to stop, from an engine that can call this process.

    Parameters
    ----------
    signals
        Its folder of signals.
    """
    _stopped.add(signals)


@contextmanager
def _stop_when_asked(signals: Path) -> Iterator[threading.Event]:
    stop, is_over = threading.Event(), threading.Event()

    def look() -> None:
        if str(signals) in _stopped or (signals / STOP_FILE).exists():
            stop.set()

    def watch() -> None:
        while not is_over.wait(POLL_S):
            look()

    look()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        is_over.set()
        watcher.join()


def probe(signals: str, token: str) -> dict[str, Any]:
    """
    See whether this process shares files and versions with the runner.

    Parameters
    ----------
    signals
        Folder that should be shared.
    token
        What the runner wrote there.

    Returns
    -------
    dict
        pid, token, read (what stands in the runner's file, or why it cannot be read), code, versions.
    """
    from optimizer.case_keys import code_hash
    from optimizer.run_info import library_versions

    folder, pid = Path(signals), os.getpid()
    try:
        read = (folder / "probe").read_text(encoding="utf-8")
        (folder / f"probe-{pid}-{token}").touch()
    except OSError as error:
        read = str(error)
    return {"pid": pid, "token": token, "read": read, "code": code_hash(), "versions": library_versions()}


class _Reporter:
    """Writes the best plan and bound so far to a file, not too often."""

    def __init__(self, path: Path) -> None:
        self._path, self._said = path, -SAY_S
        self._plan_cny, self._bound_cny = float("inf"), float("-inf")

    def __call__(self, line: Progress) -> None:
        self._plan_cny, self._bound_cny = min(self._plan_cny, line.incumbent_cny), max(self._bound_cny, line.bound_cny)
        if time.monotonic() - self._said < SAY_S:
            return
        self._said = time.monotonic()
        draft = self._path.with_suffix(".draft")
        with suppress(OSError):  # a full disk, or a comparison that is over, must not end a solve
            draft.write_text(json.dumps([self._plan_cny, self._bound_cny]), encoding="utf-8")
            draft.replace(self._path)


def read_progress(signals: Path, case_id: str) -> tuple[float, float] | None:
    """
    Read how far a case is: best plan and bound in CNY a year; None if it has not said anything yet.

    Parameters
    ----------
    signals
        Folder shared with the worker.
    case_id
        The case.
    """
    try:
        plan_cny, bound_cny = json.loads((signals / f"{case_id}.json").read_text(encoding="utf-8"))
        return float(plan_cny), float(bound_cny)
    except (OSError, ValueError, TypeError):
        return None


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _short(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON_LENGTH else reason[: MAX_REASON_LENGTH - 4] + " ..."

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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

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
    """End this process as soon as the one that started it is gone."""
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
    from optimizer.case_solver import solve_case
    from optimizer.cases import CaseStatus
    from optimizer.engine import Outcome

    try:
        with _stop_on_file(signals / STOP_FILE) as stop:
            result = solve_case(task, report=_Reporter(signals / f"{task.case.id}.json"), stop=stop)
    except Exception as error:  # noqa: BLE001 - a fault of this program in one case is no reason to lose the others
        return Outcome(CaseStatus.FAILED, _short(f"internal error: {_place(error)}: {error!r}"), has_plan=False)
    return Outcome(result.status, _short(result.reason), result.has_plan)


@contextmanager
def _stop_on_file(path: Path) -> Iterator[threading.Event]:
    stop, is_over = threading.Event(), threading.Event()

    def watch() -> None:
        while not is_over.wait(POLL_S):
            if path.exists():
                stop.set()

    if path.exists():
        stop.set()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        is_over.set()
        watcher.join()


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

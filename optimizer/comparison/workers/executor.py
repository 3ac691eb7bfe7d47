"""
Workers: how each solves one case at a time, reports, and stops when it should; and how the runner hands cases to them.

Progress stands in a folder of signals: `CASE.json` holds that of a case. Workers that share this folder with the runner
end what they are solving when the file `stop` is there; others are told (`sent_work`).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Protocol

from network_data.faults import InputWarning
from optimizer.comparison.cases import code_hash
from optimizer.comparison.sweep_clock import SoFar
from optimizer.comparison.workers.case_task import CaseTask, Outcome, outcome_of
from optimizer.comparison.workers.parcels import SentRun, built_in_hash
from optimizer.runs.metadata import library_versions
from optimizer.solvers.control import Progress

STOP_FILE = "stop"
POLL_S = 0.1
STOP_GRACE_S = 0.6
_REPORT_S = 0.5  # between two lines of progress


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
    """Import what a solve needs, which is slow; the runner tells what is doubtful in the inputs, once for all cases."""
    import optimizer.comparison.workers.case_solve  # noqa: F401 - for its effect

    warnings.simplefilter("ignore", InputWarning)


def work(task: CaseTask, signals: Path) -> Outcome:
    """Solve a case in a worker, which shares the folder `signals` with the runner; nothing is raised."""
    path = signals / f"{task.case.id}.json"
    with stop_when(lambda: is_to_stop(str(signals)) or (signals / STOP_FILE).exists()) as stop:
        return outcome_of(task, ProgressReporter(partial(write_progress, path)), stop)


_stopped: set[str] = set()


def remember_stop(comparison: str) -> None:
    """Note that this process is to stop working for a comparison: its folder of signals, or its token."""
    _stopped.add(comparison)


def is_to_stop(comparison: str) -> bool:
    """Whether `remember_stop` was called for a comparison."""
    return comparison in _stopped


@contextmanager
def stop_when(is_wanted: Callable[[], bool]) -> Iterator[threading.Event]:
    """Watch for a wish to stop; yields the event that is set then."""
    stop, is_over = threading.Event(), threading.Event()

    def look() -> None:
        if is_wanted():
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


def describe_process() -> dict[str, Any]:
    """Describe this process, as a worker: pid, code, built_in, versions."""
    versions = library_versions()
    return {"pid": os.getpid(), "code": code_hash(), "built_in": built_in_hash(), "versions": versions}


def probe(signals: str, token: str) -> dict[str, Any]:
    """
    Describe this process, and see whether it shares files with the runner, which wrote `token` into the folder.

    Returns what `describe_process` does, and token, read (the content of the runner's file, or why it cannot be read).
    """
    folder, pid = Path(signals), os.getpid()
    try:
        read = (folder / "probe").read_text(encoding="utf-8")
        (folder / f"probe-{pid}-{token}").touch()
    except OSError as error:
        read = str(error)
    return {**describe_process(), "token": token, "read": read}


class ProgressReporter:
    """
    Hands on the best plan and bound so far and the gap asked for, not too often.

    Parameters
    ----------
    send
        Takes the three.
    """

    def __init__(self, send: Callable[[SoFar], None]) -> None:
        self._send, self._reported_s = send, -_REPORT_S
        self._plan_cny, self._bound_cny = float("inf"), float("-inf")

    def __call__(self, line: Progress) -> None:
        """Take a line of progress."""
        self._plan_cny, self._bound_cny = min(self._plan_cny, line.incumbent_cny), max(self._bound_cny, line.bound_cny)
        if time.monotonic() - self._reported_s < _REPORT_S:
            return
        self._reported_s = time.monotonic()
        self._send((self._plan_cny, self._bound_cny, line.goal))


def write_progress(path: Path, so_far: SoFar) -> None:
    """Write how far a case is to its file among the signals."""
    draft = path.with_suffix(".draft")
    with suppress(OSError):  # a full disk, or a comparison that is over, must not end a solve
        draft.write_text(json.dumps(so_far), encoding="utf-8")
        draft.replace(path)


def read_progress(signals: Path, case_id: str) -> SoFar | None:
    """Read how far a case is; None if nothing is known yet."""
    try:
        plan_cny, bound_cny, goal = json.loads((signals / f"{case_id}.json").read_text(encoding="utf-8"))
        return float(plan_cny), float(bound_cny), None if goal is None else float(goal)
    except (OSError, ValueError, TypeError):
        return None


@dataclass(frozen=True)
class Ended:
    """A case that has ended, or whose worker has died."""

    case_id: str
    outcome: Outcome | None  # None if the worker died
    death: str = ""  # what is known of that
    run: SentRun | None = None  # the run of a worker that does not write folders here


class ExecutorLostError(RuntimeError):
    """The workers are gone for good; what they had is lost."""


class Executor(Protocol):
    """Workers that solve one case each at a time."""

    @property
    def stop_grace_s(self) -> float:
        """How long a solve may take to answer a stop before its worker is ended."""

    def has_room(self, task: CaseTask) -> bool:
        """Whether this case could be started now."""

    def start(self, task: CaseTask) -> None:
        """Give a case to a free worker."""

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until a case ends, but no longer than that; returns those that have ended since."""

    def stop(self) -> None:
        """Request that what is running ends with what it has."""

    def kill(self) -> None:
        """End what is running, at once."""

    def close(self) -> None:
        """Release the workers."""


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """
    Keep Ctrl-C from processes that are started meanwhile.

    It goes to the entire process group, and a process inherits blocked signals from the thread that starts it: workers
    and the solvers that they start never receive it.
    """
    # The helper that multiprocessing starts for itself unblocks them afterwards, whatever they were: have it first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class SerialExecutor:
    """One case at a time, here."""

    stop_grace_s = STOP_GRACE_S

    def __init__(self, stop: threading.Event, report: Callable[[str, Progress], None]) -> None:
        self._stop, self._report = stop, report
        self._task: CaseTask | None = None

    def has_room(self, task: CaseTask) -> bool:  # noqa: ARG002 - any
        """Whether a case could be started now."""
        return self._task is None

    def start(self, task: CaseTask) -> None:
        """Take a case; `wait` solves it."""
        self._task = task

    def wait(self, seconds: float) -> list[Ended]:  # noqa: ARG002 - it takes what it takes
        """Solve the case that was started, however long it takes."""
        if self._task is None:
            return []
        task, self._task = self._task, None
        raised: list[BaseException] = []

        def report(line: Progress) -> None:
            """Hand the line on; what the caller raises is no fault of the case, and leaves by way of `wait`."""
            try:
                self._report(task.case.id, line)
            except Exception as error:
                raised.append(error)
                raise

        outcome = outcome_of(task, report, self._stop)
        if raised:
            raise raised[0]
        return [Ended(task.case.id, outcome)]

    def stop(self) -> None:
        """Do nothing: the solve looks at the same event."""

    def kill(self) -> None:
        """Do nothing: what was started is over."""

    def close(self) -> None:
        """Do nothing: there are no workers."""

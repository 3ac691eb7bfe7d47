"""
What a Dask worker does for a comparison that sends contents: it keeps a copy of the files, solves, and sends runs back.

The comparison goes by a token. Functions with an argument `dask_worker` run beside what is being solved.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.comparison.cases import CaseStatus
from optimizer.comparison.sweep_clock import SoFar
from optimizer.comparison.workers.case_task import CaseTask, Outcome, outcome_of
from optimizer.comparison.workers.executor import ProgressReporter, is_to_stop, stop_when
from optimizer.comparison.workers.parcels import FilesCopy, Parcel, SentRun
from scenarios.sources import reading_copy

if TYPE_CHECKING:
    from distributed import Worker

_copies: dict[str, FilesCopy] = {}


@dataclass(frozen=True)
class SentOutcome:
    """How a case ended, with its run if it has a plan."""

    outcome: Outcome
    run: SentRun | None


def receive(token: str, parcel: Parcel, contents: Mapping[str, bytes], dask_worker: Worker) -> None:
    """Add files to the copy that this worker keeps."""
    if token not in _copies:
        _copies[token] = FilesCopy(Path(dask_worker.local_directory) / f"edwc-{token}")
    _copies[token].receive(parcel, contents)


def forget(token: str) -> None:
    """Remove the copy: the comparison is over."""
    if (copy := _copies.pop(token, None)) is not None:
        shutil.rmtree(copy.root, ignore_errors=True)


def work_on_copy(task: CaseTask, token: str) -> SentOutcome:
    """Solve a case in a worker that has its files; what an input or a solver does is not raised."""
    copy, folder = _copies[token], _copies[token].place(task.folder)
    here = replace(
        task,
        scenario=copy.place(task.scenario) if isinstance(task.scenario, Path) else task.scenario,
        folder=folder,
        learned=None if task.learned is None else copy.place(task.learned),
        plans=tuple(map(copy.place, task.plans)),
    )
    send, is_abandoned = _lines_to_runner(token, task.case.id)
    with reading_copy(copy.root), stop_when(lambda: is_to_stop(token) or is_abandoned()) as stop:
        outcome = outcome_of(here, ProgressReporter(send), stop)
    outcome = replace(outcome, reason=copy.as_named_by_sender(outcome.reason))
    run = SentRun.read(folder) if outcome.has_plan else None
    shutil.rmtree(folder, ignore_errors=True)
    if outcome.has_plan and run is None:
        outcome = Outcome(CaseStatus.FAILED, "its run folder was damaged on the worker", has_plan=False)
    return SentOutcome(outcome, run)


def _lines_to_runner(token: str, case_id: str) -> tuple[Callable[[SoFar], None], Callable[[], bool]]:
    """
    Make what connects the task that runs in this thread with the runner.

    Returns
    -------
    callable, callable
        Send how far the case is; and whether nobody waits for the task any more, since it was cancelled or
        the runner is gone.
    """
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()

    def send(so_far: SoFar) -> None:
        with suppress(Exception):  # the scheduler may be gone: no reason to end a solve
            worker.log_event(token, [case_id, *so_far])

    def is_abandoned() -> bool:
        state = worker.state.tasks.get(key)
        return state is None or state.state == "cancelled"

    return send, is_abandoned

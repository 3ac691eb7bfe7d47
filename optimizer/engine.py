"""What solves the cases of a comparison: the seam between the runner and its workers."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Protocol

from optimizer.case_solver import CaseTask
from optimizer.cases import CaseStatus


@dataclass(frozen=True)
class Outcome:
    """
    What a worker says of a case it has ended with; everything else stands in the run folder.

    Attributes
    ----------
    status
        How the case ended.
    reason
        Why there is no plan, or why it is not proved within the gap.
    has_plan
        Whether the run folder was written.
    """

    status: CaseStatus
    reason: str
    has_plan: bool


@dataclass(frozen=True)
class Ended:
    """
    A case that a worker has ended with, or that has ended a worker.

    Attributes
    ----------
    case_id
        The case.
    outcome
        None if the worker died.
    death
        What is known of the worker's death.
    """

    case_id: str
    outcome: Outcome | None
    death: str = ""


class EngineLostError(RuntimeError):
    """The workers are gone for good; what they had is lost."""


class Engine(Protocol):
    """Workers that solve one case each at a time."""

    def has_room(self) -> bool:
        """Whether a case could be started now."""

    def start(self, task: CaseTask) -> None:
        """Give a case to a free worker."""

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until a case ends, but no longer than asked; returns those that have ended since."""

    def stop(self) -> None:
        """Ask what is running to end with what it has."""

    def kill(self) -> None:
        """End what is running, at once."""

    def close(self) -> None:
        """Let the workers go."""


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """
    Keep Ctrl-C from processes that are started meanwhile.

    It reaches the whole process group, and a process inherits from the thread that starts it which signals it does not
    get: a worker is out of its way from its first instruction on, and so is a solver that it starts.
    """
    # The helper that multiprocessing starts for itself unblocks them afterwards, whatever they were: have it first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""Cases one after the other in this process: nothing to start, nothing that survives a crash."""

from __future__ import annotations

import threading
from collections.abc import Callable

from optimizer.case_solver import CaseTask
from optimizer.case_worker import outcome_of
from optimizer.engine import Ended
from optimizer.solution import Progress


class SerialEngine:
    """
    One case at a time, here.

    Parameters
    ----------
    stop
        Set it, and the case that is being solved ends.
    report
        Called with the case and each line of progress.
    """

    def __init__(self, stop: threading.Event, report: Callable[[str, Progress], None]) -> None:
        self._stop, self._report = stop, report
        self._task: CaseTask | None = None

    def has_room(self) -> bool:
        """Whether a case could be started now."""
        return self._task is None

    def start(self, task: CaseTask) -> None:
        """
        Take a case; `wait` solves it.

        Parameters
        ----------
        task
            The case.
        """
        self._task = task

    def wait(self, seconds: float) -> list[Ended]:  # noqa: ARG002 - it takes what it takes
        """
        Solve the case that was started.

        Parameters
        ----------
        seconds
            Not used: a solve in this process cannot be left.
        """
        if self._task is None:
            return []
        task, self._task = self._task, None
        raised: list[BaseException] = []

        def report(line: Progress) -> None:
            """Tell the caller; what the caller raises is no fault of the case, and leaves by way of `wait`."""
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
        """Do nothing: the solve is told by the same event."""

    def kill(self) -> None:
        """Do nothing: what was started is over."""

    def close(self) -> None:
        """Do nothing: there are no workers."""

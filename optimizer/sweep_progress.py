"""How far a comparison is: cases done, the gap of what is being solved, time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from optimizer.solution import relative_gap

ProgressOf = Callable[[str], tuple[float, float] | None]
_UNKNOWN = (float("inf"), float("-inf"))


@dataclass(frozen=True)
class Running:
    """
    A case that is being solved.

    Attributes
    ----------
    case_id
        The case.
    seconds
        Since it was started.
    mip_rel_gap
        Gap so far; infinite while there is none.
    """

    case_id: str
    seconds: float
    mip_rel_gap: float


@dataclass(frozen=True)
class SweepProgress:
    """
    How far a comparison is.

    Attributes
    ----------
    done, total
        Cases that have ended, whatever came of them, and all that were asked for.
    reused
        Of those done, how many were taken from the folder.
    running
        Cases that are being solved.
    seconds
        Since the start.
    seconds_left
        Estimate; None before the first case has ended.
    ended
        Case that has just ended, with its status; empty otherwise.
    """

    done: int
    total: int
    reused: int
    running: tuple[Running, ...]
    seconds: float
    seconds_left: float | None
    ended: str = ""


@dataclass
class SweepClock:
    """
    Keeps count of a comparison and says how far it is.

    Attributes
    ----------
    report
        Called with each word on progress.
    every_s
        Seconds between two words, where no case ends.
    """

    report: Callable[[SweepProgress], None] | None
    every_s: float = 1.0
    total: int = 0
    done: int = 0
    reused: int = 0
    started: float = field(default_factory=time.monotonic)
    _said: float = -1e9
    _workers: int = 1
    _lengths_s: list[float] = field(default_factory=list)
    _begun: dict[str, float] = field(default_factory=dict)

    def begin(self, case_id: str, progress_of: ProgressOf) -> None:
        """Note that a case is being solved, and say so; `progress_of` gives best plan and bound of a case."""
        self._begun[case_id] = time.monotonic()
        self._workers = max(self._workers, len(self._begun))
        self._say(progress_of)

    def end(self, case_id: str, status: str, progress_of: ProgressOf, *, is_reused: bool = False) -> None:
        """Note that a case has ended."""
        if (begun := self._begun.pop(case_id, None)) is not None:
            self._lengths_s.append(time.monotonic() - begun)
        self.done += 1
        self.reused += is_reused
        if not is_reused:
            self._say(progress_of, f"{case_id} {status}")

    def abandon(self, case_id: str) -> None:
        """Note that a case is not being solved any more, and will be again."""
        self._begun.pop(case_id, None)

    def tick(self, progress_of: ProgressOf) -> None:
        """Say how far it is, if it is time for it."""
        if time.monotonic() - self._said >= self.every_s:
            self._say(progress_of)

    def _say(self, progress_of: ProgressOf, ended: str = "") -> None:
        if self.report is None:
            return
        now = time.monotonic()
        if not ended:
            self._said = now
        running = tuple(
            Running(case_id, now - begun, relative_gap(*(progress_of(case_id) or _UNKNOWN)))
            for case_id, begun in self._begun.items()
        )
        self.report(
            SweepProgress(self.done, self.total, self.reused, running, now - self.started, self._left(running), ended)
        )

    def _left(self, running: tuple[Running, ...]) -> float | None:
        """Cases that are left, at the mean length of those that have ended, on as many workers as were busy at once."""
        if not self._lengths_s:
            return None
        mean = sum(self._lengths_s) / len(self._lengths_s)
        begun = sum(max(0.0, mean - case.seconds) for case in running)
        waiting = max(0, self.total - self.done - len(running)) * mean
        return (begun + waiting) / self._workers

"""How far a comparison is: cases done and running, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from optimizer.solvers.control import relative_gap

# Best plan and bound of a case so far, CNY per year, and the gap that is asked for.
SoFar = tuple[float, float, float | None]
UNKNOWN: SoFar = (float("inf"), float("-inf"), None)


@dataclass(frozen=True)
class Running:
    """A case that is being solved."""

    case_id: str
    seconds: float  # since it was started
    mip_rel_gap: float  # so far; infinite while there is none
    goal: float | None = None  # the gap at which it ends; None while nobody said


@dataclass(frozen=True)
class SweepProgress:
    """The progress of a comparison."""

    done: int  # cases that have ended
    total: int  # all that are known
    reused: int  # of those done, how many were taken from the folder
    running: tuple[Running, ...]  # cases that are being solved
    seconds: float  # since the start
    seconds_left: float | None  # an estimate; None before the first case has ended
    ended: str = ""  # case that has just ended, with its status


@dataclass
class SweepClock:
    """Counts cases and reports them, in between at most every `every_s` seconds."""

    report: Callable[[SweepProgress], None] | None
    progress_of: Callable[[str], SoFar | None]  # of a case
    every_s: float = 1.0
    total: int = 0
    done: int = 0
    reused: int = 0
    started: float = field(default_factory=time.monotonic)
    _reported_s: float = -1e9
    _workers: int = 1
    _lengths_s: list[float] = field(default_factory=list)
    _begun: dict[str, float] = field(default_factory=dict)

    def begin(self, case_id: str) -> None:
        """Note that a case is being solved, and report it."""
        self._begun[case_id] = time.monotonic()
        self._workers = max(self._workers, len(self._begun))
        self._report()

    def end(self, case_id: str, status: str, *, is_reused: bool = False) -> None:
        """Note that a case has ended."""
        if (begun := self._begun.pop(case_id, None)) is not None:
            self._lengths_s.append(time.monotonic() - begun)
        self.done += 1
        self.reused += is_reused
        if not is_reused:
            self._report(f"{case_id} {status}")

    def abandon(self, case_id: str) -> None:
        """Note that a case is not being solved any more, and will be again."""
        self._begun.pop(case_id, None)

    def tick(self) -> None:
        """Report the progress, if it is time for it."""
        if time.monotonic() - self._reported_s >= self.every_s:
            self._report()

    def _report(self, ended: str = "") -> None:
        if self.report is None:
            return
        now = time.monotonic()
        if not ended:
            self._reported_s = now
        running = tuple(self._running(case_id, now - begun) for case_id, begun in self._begun.items())
        self.report(
            SweepProgress(self.done, self.total, self.reused, running, now - self.started, self._left(running), ended)
        )

    def _running(self, case_id: str, seconds: float) -> Running:
        plan_cny, bound_cny, goal = self.progress_of(case_id) or UNKNOWN
        return Running(case_id, seconds, relative_gap(plan_cny, bound_cny), goal)

    def _left(self, running: tuple[Running, ...]) -> float | None:
        """Estimate from the mean time of ended cases and the most workers that were busy at once."""
        if not self._lengths_s:
            return None
        mean = sum(self._lengths_s) / len(self._lengths_s)
        begun = sum(max(0.0, mean - case.seconds) for case in running)
        waiting = max(0, self.total - self.done - len(running)) * mean
        return (begun + waiting) / self._workers

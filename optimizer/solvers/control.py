"""What a solve returns (why it stopped, its plan and bound), and what controls it while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray

if TYPE_CHECKING:
    from optimizer.solvers.benders.pool import SharedCut


class Termination(StrEnum):
    """Why the solver stopped; whether there is a plan is another fact (`Solution.plan`)."""

    OPTIMAL = "optimal"  # within the requested gap, or within the decomposition's own tolerance
    TIME_LIMIT = "time_limit"
    INTERRUPTED = "interrupted"
    INFEASIBLE = "infeasible"
    GIVEN = "given"  # the plan was found elsewhere: nothing is proved of its cost
    STALLED = "stalled"  # the solver gave up, with plan and bound farther apart than its tolerance


# A bound from cuts and the cost of a plan come out of different programs, each exact to the solver's tolerances only:
# closer than this they need not come, whatever gap was asked for.
DECOMPOSED_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Progress:
    """One line of progress; costs in CNY per year, inf or -inf where unknown."""

    seconds: float
    incumbent_cny: float
    bound_cny: float
    phase: str
    goal: float | None = None  # the gap at which the solve ends; None where nobody said

    @property
    def mip_rel_gap(self) -> float:
        """Relative distance of incumbent and bound, inf while one is unknown."""
        return relative_gap(self.incumbent_cny, self.bound_cny)


@dataclass(frozen=True, eq=False)
class Solution:
    """
    Outcome of a solve.

    Attributes
    ----------
    termination
        Why the solver stopped.
    plan
        Best plan found, or None.
    objective_cny, bound_cny
        Cost of the plan and proven lower bound, CNY per year; inf and -inf where there is none.
    method
        whole or decomposed.
    seconds
        By phase.
    progress
        As reported while solving.
    learned
        What solves of other cases may start from; None where the problem was not decomposed.
    """

    termination: Termination
    plan: Plan | None
    objective_cny: float
    bound_cny: float
    method: str
    seconds: dict[str, float]
    progress: tuple[Progress, ...]
    learned: Learned | None = None

    @property
    def mip_rel_gap(self) -> float:
        """Give `(objective - bound) / |objective|`."""
        return relative_gap(self.objective_cny, self.bound_cny)


# What a linear program may take where the time is up: seconds, and a share of the limit.
LP_SECONDS = 0.5
LP_SHARE = 0.02

# A plan that was found is priced even then; the program that does so is solved in a second or two.
PRICING_SECONDS = 30.0


@dataclass
class Control:
    """
    Deadline, stop request and progress of a running solve.

    Attributes
    ----------
    time_limit_s
        Seconds from the making of this object.
    stop
        Set it (from a signal handler, say) and the solve ends with what it has.
    report
        Called with each `Progress`.
    goal
        The gap that is asked for, to be told with the progress.
    """

    time_limit_s: float = np.inf
    stop: threading.Event = field(default_factory=threading.Event)
    report: Callable[[Progress], None] | None = None
    goal: float | None = None
    started: float = field(default_factory=time.monotonic)
    lines: list[Progress] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.time_limit_s - self.seconds)

    @property
    def lp_seconds(self) -> float:
        """
        Seconds that a linear program may take: those left, and a few at the end so that what was begun can be finished.

        Without a limit of its own one that the solver cannot settle would run for ever.
        """
        return max(self.seconds_left, LP_SECONDS + LP_SHARE * self.time_limit_s)

    @property
    def must_stop(self) -> bool:
        """Whether the time is up or a stop was requested."""
        return self.stop.is_set() or self.seconds_left <= 0

    @property
    def reason(self) -> Termination:
        """Why `must_stop` holds."""
        return Termination.INTERRUPTED if self.stop.is_set() else Termination.TIME_LIMIT

    def say(self, incumbent_cny: float, bound_cny: float, phase: str) -> None:
        """Record a line of progress and pass it on."""
        line = Progress(self.seconds, incumbent_cny, bound_cny, phase, self.goal)
        self.lines.append(line)
        if self.report is not None:
            self.report(line)


def relative_gap(objective: float, bound: float) -> float:
    """(objective - bound) / |objective|, 0 where both are 0, inf where one is unknown."""
    if not (np.isfinite(objective) and np.isfinite(bound)):
        return float("inf")
    if objective == bound:
        return 0.0
    return max(0.0, (objective - bound) / max(abs(objective), 1e-9))


CUTS_TABLE = "learned_cuts"  # of a run folder, where it holds what was learned


@dataclass(frozen=True, eq=False)
class Learned:
    """What a decomposed solve can pass on to other cases."""

    kept_links: npt.NDArray[np.bool_]  # (L,) True for link limits that entered the problem
    cuts: tuple[SharedCut, ...]  # of its blocks
    held: IntArray  # (H, 2) cut and part of each that held its relaxation where that ended
    point: FloatArray  # (master columns,) there

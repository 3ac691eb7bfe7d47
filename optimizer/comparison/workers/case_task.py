"""One case of a comparison as a task for a worker, and how it ended."""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optimizer.comparison.cases import Case, CaseStatus
from optimizer.comparison.workers.parcels import Parcel
from optimizer.solvers.control import Progress

# A message up to the size of a pipe's atomic write cannot be torn by the death of its sender.
_MAX_REASON_LENGTH = 2000


@dataclass(frozen=True)
class CaseTask:
    """What a worker gets; everything in it can be sent to another process."""

    scenario: str | Path  # built-in name or YAML file
    overrides: tuple[str, ...]  # of all cases; those of the case come after them
    case: Case
    folder: Path  # run folder to write
    key: str = ""  # of what it is solved from: see `CaseKeys`
    learned: Path | None = None  # run folder whose cuts and deployments the solve starts from; None for the reference
    plans: tuple[Path, ...] = ()  # run folders of known plans: the cheapest that is one of this case is the start
    learns_from_plan: bool = False  # whether the cuts are those found with that plan, if its run folder holds any
    bound_cny: float = -math.inf  # what is proved of this case already
    is_enough: bool = False  # whether the cheapest known plan is taken as it is, without a search
    further: tuple[str, ...] = ()  # overrides after those of the case
    time_limit_s: float = math.inf  # where it is shorter than that of the scenario
    keep_learned: bool = False  # whether the run folder holds what others may start from
    notes: Mapping[str, Any] = field(default_factory=dict)  # further keys of `run.json`
    parcel: Parcel | None = None  # all these files, for workers that do not see them


@dataclass(frozen=True)
class Outcome:
    """How a case ended; everything else is in the run folder."""

    status: CaseStatus
    reason: str  # why there is no plan, or why it is not proved within the gap
    has_plan: bool  # whether the run folder was written
    is_out_of_memory: bool = False  # elsewhere it might end otherwise


def outcome_of(task: CaseTask, report: Callable[[Progress], None], stop: threading.Event) -> Outcome:
    """Solve a case in this thread and report its progress; nothing is raised."""
    try:
        from optimizer.comparison.workers.case_solve import (
            solve_case,  # what solves is slow to import, and workers alone do
        )

        result = solve_case(task, report=report, stop=stop)
    except MemoryError as error:
        reason = f"out of memory ({str(error) or type(error).__name__}): give each worker more"
        return Outcome(CaseStatus.FAILED, _short(reason), has_plan=False, is_out_of_memory=True)
    except Exception as error:  # noqa: BLE001 - a fault of this program in one case is no reason to lose the others
        return Outcome(CaseStatus.FAILED, _short(f"internal error: {_place(error)}: {error!r}"), has_plan=False)
    return Outcome(result.status, _short(result.reason), result.has_plan)


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _short(reason: str) -> str:
    return reason if len(reason) <= _MAX_REASON_LENGTH else reason[: _MAX_REASON_LENGTH - 4] + " ..."

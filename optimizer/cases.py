"""Cases of a comparison: what each is asked, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

REFERENCE_ID = "reference"


@dataclass(frozen=True)
class Case:
    """
    One case: a scenario is solved with these overrides after its own.

    Attributes
    ----------
    id
        Name of its run folder, `^[a-z0-9_]+$`.
    label
        What a reader calls it, such as `price.west=0.5`; hostile text until escaped.
    overrides
        Texts such as `costs.carbon_price_cny_per_t=100`.
    point
        Value of each parameter that a sweep varies; empty for a stored price case.
    """

    id: str
    label: str
    overrides: tuple[str, ...] = ()
    point: Mapping[str, float] = field(default_factory=dict)


REFERENCE = Case(REFERENCE_ID, REFERENCE_ID)


class CaseStatus(StrEnum):
    """How a case ended."""

    SOLVED = "solved"  # within the gap asked for
    STOPPED = "stopped"  # by a limit, with a plan in hand
    INFEASIBLE = "infeasible"
    NO_PLAN = "no_plan"  # stopped before there was a plan
    FAILED = "failed"  # bad input, a failed solver, a dead worker


@dataclass(frozen=True, eq=False)
class CaseResult:
    """
    What came of a case.

    Attributes
    ----------
    case
        The case.
    status
        How it ended.
    reason
        Why there is no plan, or why it is not proved within the gap; empty if all is well.
    folder
        Run folder; None without a plan.
    info
        Content of `run.json`; empty without a plan.
    """

    case: Case
    status: CaseStatus
    reason: str = ""
    folder: Path | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_run(cls, case: Case, folder: Path, info: Mapping[str, Any]) -> Self:
        """
        Describe a case with a plan by its run folder.

        Parameters
        ----------
        case
            The case.
        folder, info
            Its run folder and the content of `run.json`.
        """
        if info["termination"] == "optimal":
            return cls(case, CaseStatus.SOLVED, "", folder, info)
        why = f"stopped at a gap of {_number(info['mip_rel_gap'], math.inf):.2%} ({info['termination']})"
        return cls(case, CaseStatus.STOPPED, why, folder, info)

    @property
    def is_final(self) -> bool:
        """Whether solving again would tell nothing new: solved, proved to have no plan, or stopped by its own limit."""
        was_interrupted = self.info.get("termination") == "interrupted"
        return self.status in {CaseStatus.SOLVED, CaseStatus.INFEASIBLE, CaseStatus.STOPPED} and not was_interrupted

    @property
    def has_plan(self) -> bool:
        """Whether there is a plan to compare."""
        return self.folder is not None

    @property
    def summary(self) -> Mapping[str, Any]:
        """Numbers of the plan (`results.summarize`); empty without one."""
        found = self.info.get("summary", {})
        return found if isinstance(found, Mapping) else {}

    @property
    def objective_cny(self) -> float:
        """Cost of the plan, CNY per year; infinite without one."""
        return _number(self.info.get("objective_cny_per_year"), math.inf)

    @property
    def bound_cny(self) -> float:
        """Proven lower bound, CNY per year; -inf where there is none."""
        return _number(self.info.get("bound_cny_per_year"), -math.inf)

    @property
    def mip_rel_gap(self) -> float:
        """Proven gap; infinite without a plan."""
        return _number(self.info.get("mip_rel_gap"), math.inf)


def _number(value: Any, otherwise: float) -> float:
    return otherwise if value is None else float(value)

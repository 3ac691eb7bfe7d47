"""Solve one case of a comparison, in whichever process: from names of files to a run folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from network_data.faults import InputError
from optimizer.api import ComparisonPart, ScenarioRun, solve_scenario
from optimizer.cases import Case, CaseResult, CaseStatus
from optimizer.mip_process import SolverError
from optimizer.solution import Progress, Termination
from optimizer.solve import InvalidPlanError


@dataclass(frozen=True)
class CaseTask:
    """
    What a worker is told; everything in it can be sent to another process.

    Attributes
    ----------
    scenario
        Built-in name or YAML file.
    overrides
        Of all cases; those of the case come after them.
    case
        The case.
    folder
        Run folder to write.
    reference
        Run folder of the reference, which the solve starts from; None for the reference itself.
    notes
        Further keys of `run.json`.
    """

    scenario: str | Path
    overrides: tuple[str, ...]
    case: Case
    folder: Path
    reference: Path | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def solve_case(
    task: CaseTask,
    *,
    report: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> CaseResult:
    """
    Solve a case and write its run folder.

    What is found depends on the case and the reference alone, not on what this process has solved before.

    Parameters
    ----------
    task
        What to solve.
    report
        Called with each line of progress.
    stop
        Set it, and the solve ends with the plan in hand.

    Returns
    -------
    CaseResult
        Also of a case that fails: nothing that an input or a solver does is raised.
    """
    try:
        overrides = [*task.overrides, *task.case.overrides]
        run = solve_scenario(
            task.scenario,
            overrides,
            out=task.folder,
            comparison=ComparisonPart(task.notes, task.reference),
            report=report,
            stop=stop,
        )
    except (InputError, SolverError, InvalidPlanError, OSError) as error:
        return CaseResult(task.case, CaseStatus.FAILED, str(error))
    return _result(task.case, run)


def _result(case: Case, run: ScenarioRun) -> CaseResult:
    solution = run.solution
    if solution.termination == Termination.INFEASIBLE:
        why = "no plan keeps every limit" if run.failure is None else run.failure.message
        return CaseResult(case, CaseStatus.INFEASIBLE, why)
    if run.folder is None:
        return CaseResult(case, CaseStatus.NO_PLAN, f"stopped without a plan ({solution.termination})")
    return CaseResult.of_run(case, run.folder, run.info)

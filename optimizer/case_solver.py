"""Solve one case of a comparison, in whichever process: from names of files to a run folder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from network_data.faults import InputError
from optimizer.api import ScenarioRun, solve_scenario
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
    """

    scenario: str | Path
    overrides: tuple[str, ...]
    case: Case
    folder: Path
    reference: Path | None = None


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
        run = solve_scenario(
            task.scenario, [*task.overrides, *task.case.overrides], out=task.folder, report=report, stop=stop
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
    if solution.termination == Termination.OPTIMAL:
        return CaseResult(case, CaseStatus.SOLVED, "", run.folder, run.info)
    why = f"stopped at a gap of {solution.mip_rel_gap:.2%} ({solution.termination})"
    return CaseResult(case, CaseStatus.STOPPED, why, run.folder, run.info)

"""Solve one case of a comparison, from names of files to a run folder; the reference is read once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from pathlib import Path

from network_data.faults import FULL_DISK, MAKE_ROOM, InputError
from optimizer.comparison.cases import Case, CaseResult, CaseStatus, has_learned, plan_hash
from optimizer.comparison.known_cases import KnownCases
from optimizer.comparison.workers.case_task import CaseTask
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.folder import read_intact_info
from optimizer.runs.run import Run, open_run
from optimizer.runs.solve import solve_scenario
from optimizer.solvers.benders.bound import Split
from optimizer.solvers.benders.cuts import WarmStart, learned_from_tables
from optimizer.solvers.benders.driver import split_as_solved
from optimizer.solvers.control import Progress, Termination
from optimizer.solvers.process import SolverError
from optimizer.solvers.solve import InvalidPlanError

_NO_ROOM = "no room for its run folder: make room there, and the same command solves it"


def solve_case(
    task: CaseTask,
    *,
    report: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> CaseResult:
    """
    Solve a case and write its run folder; nothing that an input or a solver does is raised but MemoryError.

    What is found depends on the task alone, not on what this process has solved before.
    """
    try:
        overrides = [*task.overrides, *task.case.overrides, *task.further]
        run = solve_scenario(
            task.scenario,
            overrides,
            out=task.folder,
            warm=partial(_warm_start, task),
            keep_learned=task.keep_learned,
            time_limit_s=task.time_limit_s,
            notes=task.notes,
            report=report,
            stop=stop,
        )
    except MemoryError:  # also of the solver's process
        raise
    except (InputError, SolverError, InvalidPlanError, OSError) as error:
        return CaseResult(task.case, CaseStatus.FAILED, _reason(error))
    return _result(task.case, run)


def _reason(error: Exception) -> str:
    """Say why a case failed; of a full disk what to do comes first, as a table cuts what is long."""
    if isinstance(error, InputError):
        is_full = any(MAKE_ROOM in fault.remedy for fault in error.faults)
    else:
        is_full = isinstance(error, OSError) and error.errno in FULL_DISK
    return f"{_NO_ROOM} ({error})" if is_full else str(error)


def _warm_start(task: CaseTask, problem: PlacementProblem) -> WarmStart | None:
    """Start from the cheapest known plan that is one here, and from the cuts of another case or an earlier solve."""
    if task.learned is None and not task.plans:
        return None
    known = KnownCases(problem, task.plans)
    teacher = teacher_of(task, known)
    learned = None if teacher is None else learned_from_tables(problem, open_run(teacher).tables)
    like = None
    if task.learns_from_plan and task.learned is not None and learned is not None:  # for a single step it would not pay
        like = reference_split(task.learned, problem)
    if not task.plans:  # then the search is not to begin where a plan has its deployments either
        return WarmStart(learned=learned, like=like)
    bound_cny = max(task.bound_cny, known.bound_cny) if task.learns_from_plan else task.bound_cny
    return WarmStart(None, known.cheapest_plan(), learned, like, bound_cny, is_enough=task.is_enough)


def teacher_of(task: CaseTask, known: KnownCases) -> Path | None:
    """
    Choose the run folder whose cuts a case starts from.

    The case whose plan is the cheapest here is the one most like this: its cuts hold where the bound will end.
    """
    others = known.by_cost if task.learns_from_plan else []
    return next((folder for folder in others if has_learned(read_intact_info(folder) or {})), task.learned)


def _result(case: Case, run: Run) -> CaseResult:
    solution = run.solution
    if solution.termination == Termination.INFEASIBLE:
        why = "no plan keeps every limit" if run.failure is None else run.failure.message
        return CaseResult(case, CaseStatus.INFEASIBLE, why)
    if run.folder is None:
        return CaseResult(case, CaseStatus.NO_PLAN, f"stopped without a plan ({solution.termination})")
    return CaseResult.of_run(case, run.folder, run.info)


def reference_split(folder: Path, problem: PlacementProblem) -> Split | None:
    """
    Decompose the reference, once unless its folder has changed; None where a problem differs in more than prices.

    Raises
    ------
    InputError
        If its inputs are not what they were.
    """
    info = read_intact_info(folder)
    if info is None or not has_learned(info):
        return None
    stored = _read(str(folder), plan_hash(info))
    return stored.split if differs_in_prices_alone(stored.run.problem, problem) else None


class _Reference:
    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def split(self) -> Split | None:
        problem = self.run.problem
        learned = learned_from_tables(problem, self.run.tables)
        if learned is None:
            return None
        return split_as_solved(problem, learned.kept_links, mip_rel_gap=self.run.scenario.solver.mip_rel_gap)


@lru_cache(maxsize=1)
def _read(folder: str, _plan_hash: str) -> _Reference:
    return _Reference(open_run(folder))

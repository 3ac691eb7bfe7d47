"""Solve one case of a comparison, from names of files to a run folder; the reference is read once for all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from network_data.faults import FULL_DISK, MAKE_ROOM, InputError
from optimizer.comparison.carried_bounds import bound_from_others
from optimizer.comparison.carried_plans import cheapest_plan
from optimizer.comparison.cases import Case, CaseResult, CaseStatus, has_learned, plan_hash
from optimizer.comparison.workers.case_task import CaseTask
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.folder import read_intact_info
from optimizer.runs.run import Run, open_run
from optimizer.runs.solve import solve_scenario
from optimizer.solvers.benders.cuts import WarmCuts, WarmStart, deployed_pairs, learned_from_tables
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
    found = cheapest_plan(problem, (open_run(folder).tables for folder in task.plans))
    # The case whose plan is the cheapest here is the one most like this: its cuts hold where the bound will end.
    learned = task.plans[found[0]] if found is not None and task.learns_from_plan else task.learned
    if learned is not None and not has_learned(read_intact_info(learned) or {}):
        learned = task.learned
    state = None if learned is None else reference_state(learned)
    warm = WarmStart() if state is None else state.for_problem(problem)
    if not task.plans:  # then the search is not to begin where a plan has its deployments either
        return replace(warm, deployed=None)
    plan = None if found is None else found[1]
    bound_cny = task.bound_cny
    if task.learns_from_plan:  # then the inputs of those cases are here, too
        bound_cny = max(bound_cny, bound_from_others(problem, task.plans))
    return replace(warm, plan=plan, bound_cny=bound_cny, is_enough=task.is_enough)


def _result(case: Case, run: Run) -> CaseResult:
    solution = run.solution
    if solution.termination == Termination.INFEASIBLE:
        why = "no plan keeps every limit" if run.failure is None else run.failure.message
        return CaseResult(case, CaseStatus.INFEASIBLE, why)
    if run.folder is None:
        return CaseResult(case, CaseStatus.NO_PLAN, f"stopped without a plan ({solution.termination})")
    return CaseResult.of_run(case, run.folder, run.info)


@dataclass(frozen=True, eq=False)
class _ReferenceState:
    """A stored reference, ready to be started from."""

    stored: Run
    warm: WarmStart

    def for_problem(self, problem: PlacementProblem) -> WarmStart:
        """Find the links of the reference in the problem of a case; its plan is one of those that are priced."""
        kept = self.warm.kept_links
        if kept is not None:
            kept = problem.links["id"].isin(self.stored.problem.links["id"][kept]).to_numpy(bool)
        return replace(self.warm, kept_links=kept)


def reference_state(folder: Path) -> _ReferenceState | None:
    """
    Read a reference, once unless its folder has changed; None where the folder holds no complete run.

    Raises
    ------
    InputError
        If its inputs are not what they were.
    """
    info = read_intact_info(folder)
    return None if info is None else _read(str(folder), plan_hash(info))


@lru_cache(maxsize=2)  # the reference, and the case that the last one was most like
def _read(folder: str, _plan_hash: str) -> _ReferenceState:
    stored = open_run(folder)
    problem = stored.problem
    pairs_used = deployed_pairs(problem, stored.plan)
    learned = learned_from_tables(problem, stored.tables)
    if learned is None:
        return _ReferenceState(stored, WarmStart(pairs_used))
    own = split_as_solved(problem, learned.kept_links, mip_rel_gap=stored.scenario.solver.mip_rel_gap)
    cuts = WarmCuts(learned.cuts, own, learned.point)
    return _ReferenceState(stored, WarmStart(pairs_used, None, learned.kept_links, cuts))

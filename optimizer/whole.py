"""The whole problem as one integer program in HiGHS: exact, and good for problems up to some 100,000 columns."""

from __future__ import annotations

import time

import numpy as np

from optimizer.compile import CompiledModel, compile_model
from optimizer.extract import columns_from_plan
from optimizer.mip_process import MipOutcome, SolverError, run_mip
from optimizer.plan import Plan
from optimizer.polish import Polished, PolishError, polish
from optimizer.problem import PlacementProblem
from optimizer.solution import Control, Solution, Termination

METHOD = "whole"
# The solver counts in thousands of CNY. Its dual tolerance is 1e-7 per unit of a column, and columns reach 1e5 mtok/h:
# in millions a bound could be wrong in the fourth digit.
CNY_PER_COST_UNIT = 1e3
ROUNDING_SHARE = 1e-12


def solve_whole(
    problem: PlacementProblem,
    *,
    mip_rel_gap: float,
    seed: int,
    threads: int,
    control: Control,
    start: Plan | None = None,
) -> Solution:
    """
    Solve a problem as one integer program and polish the best plan found.

    Parameters
    ----------
    problem
        Frozen arrays.
    mip_rel_gap
        Relative distance of incumbent and bound at which to stop.
    seed
        Random seed of the solver.
    threads
        Of the solver; it runs in a process of its own, so the number may differ from one call to the next.
    control
        Deadline, stop request and progress. The solver ends within a second of either; polishing what is in hand
        comes after.
    start
        A feasible plan to begin with.

    Returns
    -------
    Solution
        Termination and plan are two facts: at a limit there may be a plan or none.

    Raises
    ------
    SolverError
        If HiGHS fails: its process dies, or it ends with neither an answer nor a limit.
    """
    began = time.monotonic()
    compiled = compile_model(problem)
    seconds = {"compile": time.monotonic() - began}
    control.say(np.inf, -np.inf, "compile")
    began = time.monotonic()
    outcome = run_mip(
        compiled,
        cny_per_cost_unit=CNY_PER_COST_UNIT,
        options={"output_flag": False, "threads": threads, "random_seed": seed, "mip_rel_gap": mip_rel_gap},
        control=control,
        start=None if start is None else columns_from_plan(compiled, start),
    )
    seconds["solve"] = time.monotonic() - began
    began = time.monotonic()
    polished = _polish_best(problem, compiled, outcome, seed)
    seconds["polish"] = time.monotonic() - began
    objective = np.inf if polished is None else polished.objective_cny
    # The plan proves that the optimum costs no more than it does; the solver's tolerances may put its bound above.
    bound = min(outcome.bound_cny, objective)
    # Polishing may round the last digit of the same plan otherwise: that is no dearer plan.
    is_same = bool(np.isclose(objective, outcome.objective_cny, rtol=ROUNDING_SHARE, atol=0.0))
    control.say(min(objective, outcome.objective_cny) if is_same else objective, bound, "polish")
    if outcome.termination is None:
        raise AssertionError("a solve ends for a reason")
    return Solution(
        termination=outcome.termination,
        plan=None if polished is None else polished.plan,
        objective_cny=objective,
        bound_cny=bound,
        method=METHOD,
        seconds=seconds,
        progress=tuple(control.lines),
    )


def _polish_best(problem: PlacementProblem, compiled: CompiledModel, outcome: MipOutcome, seed: int) -> Polished | None:
    """
    Polish the best incumbent, or the one before it where rounding its integers leaves no plan.

    HiGHS accepts an integer that is off by 1e-6, and 1e-6 of a large data center can be what makes a plan feasible.
    """
    if outcome.termination == Termination.INFEASIBLE:
        return None
    failure = None
    for point in reversed(outcome.incumbents):
        try:
            return polish(problem, compiled, point, seed=seed)
        except PolishError as error:
            failure = error
    if failure is not None:
        raise SolverError(f"no incumbent is a plan once its integers are rounded: {failure}")
    return None

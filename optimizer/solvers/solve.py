"""Solve a problem with the method that suits its size, and refuse plans that fail the independent check."""

from __future__ import annotations

import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from optimizer.checker.check import check_plan
from optimizer.model.outages import outage_tables
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.assignment_search import is_all_assigned
from optimizer.solvers.control import PRICING_SECONDS, Control, Solution, Termination, relative_gap

if TYPE_CHECKING:
    from optimizer.model.compile import CompiledModel
    from optimizer.solvers.benders.cuts import WarmStart
    from optimizer.solvers.fixed_integers import FixedIntegerSolution
    from optimizer.solvers.process import MipOutcome

Method = Literal["auto", "whole", "decomposed"]

# Flow columns (candidates x slices) from which the decomposition is the faster way; below it, one model is.
WHOLE_MAX_FLOW_COLUMNS = 20_000

# The same where all work is indivisible and there is one slice. Single-sourced facilities, on one core: 50 x 50 to a
# gap of 0.1 % in 0.3 to 0.9 s decomposed and 1.1 to 3 s whole; 30 x 100 after 30 s at 1.3 % and 2.0 %; 100 x 300 after
# a minute at 1.4 % and 32 %. Of 15 x 50 the whole model is proved as fast.
ASSIGNED_MAX_FLOW_COLUMNS = 1_000
COST_TOLERANCE_SHARE = 1e-6


class InvalidPlanError(RuntimeError):
    """The solver's plan fails the independent check: a fault of this program, never of the input."""

    def __init__(self, problem_name: str, findings: list[str], dump: Path) -> None:
        self.findings = tuple(findings)
        self.dump = dump
        first = f"internal error: the plan found for {problem_name} fails the independent check and is withheld:"
        last = f"The plan is kept in {dump} for a report of this fault."
        super().__init__("\n".join([first, *findings[:20], last]))


def solve_problem(  # noqa: PLR0913 - options, keyword-only
    problem: PlacementProblem,
    *,
    method: Method = "auto",
    mip_rel_gap: float = 0.02,
    seed: int = 1,
    threads: int = 1,
    control: Control | None = None,
    start: Plan | None = None,
    warm: WarmStart | None = None,
) -> Solution:
    """
    Solve a problem and check the plan.

    Parameters
    ----------
    method
        whole = one integer program; decomposed = per time slice; auto = by size, see `choose_method`.
    mip_rel_gap
        Stop when the plan is proved within this share of the optimum.
    control
        Deadline, stop request and progress; none = no deadline.
    start
        A plan to begin with, a baseline say; one that breaks a limit is ignored.
    warm
        What another case of the problem passes on, for the decomposition; and what is proved of this one. Nothing is
        searched where the plan to begin with is within the gap of that.

    Returns
    -------
    Solution
        Its plan, if it has one, keeps every limit, and `objective_cny` is the checker's cost of it.

    Raises
    ------
    InvalidPlanError
        If the plan breaks a limit, costs other than the solver says, or costs less than the bound.
    ValueError
        If the method is requested by name and does not apply.
    """
    control = control if control is not None else Control()
    start_cny = None if start is None else _feasible(problem, start)
    if start_cny is None:
        start = None
    else:
        control.say(start_cny, -np.inf, "start")
    chosen = choose_method(problem) if method == "auto" else method
    known_cny = -np.inf if warm is None else warm.bound_cny
    known = None
    if start is not None and start_cny is not None:
        known = _of_known(start, start_cny, known_cny, chosen, mip_rel_gap)
        if known.termination == Termination.OPTIMAL or (warm is not None and warm.is_enough):
            return replace(known, progress=tuple(control.lines))
    if chosen == "whole":
        solution = solve_whole(
            problem, mip_rel_gap=mip_rel_gap, seed=seed, threads=threads, control=control, start=start
        )
    else:
        if reason := why_not_decomposed(problem):
            raise ValueError(f"method decomposed does not apply: {reason}")
        from optimizer.solvers.benders.driver import solve_decomposed

        solution = solve_decomposed(
            problem, mip_rel_gap=mip_rel_gap, seed=seed, threads=threads, control=control, warm=warm, known=known
        )
    solution = _with_bound(_checked(problem, solution), known_cny, mip_rel_gap)
    return solution if start is None or start_cny is None else _with_start(solution, start, start_cny, mip_rel_gap)


def choose_method(problem: PlacementProblem) -> Literal["whole", "decomposed"]:
    """
    Choose how to solve a problem.

    Up to `WHOLE_MAX_FLOW_COLUMNS` flow columns, in slices and in outages, one integer program is solved at once; above
    it the problem is decomposed by time slice, unless `why_not_decomposed` says that it cannot be. Indivisible work
    alone in one slice is decomposed from `ASSIGNED_MAX_FLOW_COLUMNS` on: its knapsacks find a plan and a bound at once.
    """
    flow_columns = len(problem.candidates) * len(problem.slices) + len(outage_tables(problem).reroutes)
    is_assigned = is_all_assigned(problem) and len(problem.slices) == 1 and problem.outages.empty
    most = ASSIGNED_MAX_FLOW_COLUMNS if is_assigned else WHOLE_MAX_FLOW_COLUMNS
    if flow_columns <= most or why_not_decomposed(problem):
        return "whole"
    return "decomposed"


def why_not_decomposed(problem: PlacementProblem) -> str:
    """
    Reason why a problem cannot be decomposed; empty if it can.

    The decomposition lets active pods follow the work. Where the price of electricity, carbon included, is negative,
    idling pods would earn money, and it would not see that.
    """
    centers = problem.data_centers
    carbon = problem.carbon_price_cny_per_t * centers["carbon_kg_per_kwh"].to_numpy(float)
    lowest = (problem.lowest_energy_price_cny_per_mwh + carbon).min(axis=0)
    paid = np.flatnonzero(lowest < 0)
    if not len(paid):
        return ""
    names = ", ".join(centers["id"].iloc[paid[:3]])
    return f"energy with carbon costs less than nothing at {names} (down to {lowest.min():g} CNY/MWh)"


def _feasible(problem: PlacementProblem, plan: Plan) -> float | None:
    """Cost of a plan in CNY per year, None if it breaks a limit."""
    report = check_plan(problem, plan)
    return report.total_cny if report.is_feasible else None


def _of_known(plan: Plan, cost_cny: float, bound_cny: float, method: str, mip_rel_gap: float) -> Solution:
    """Say what is known of a problem before it is solved: a plan, and what an earlier solve has proved."""
    bound = min(bound_cny, cost_cny)
    is_proved = relative_gap(cost_cny, bound) <= mip_rel_gap
    termination = Termination.OPTIMAL if is_proved else Termination.TIME_LIMIT
    return Solution(termination, plan, cost_cny, bound, method, {}, ())


def _with_bound(solution: Solution, bound_cny: float, mip_rel_gap: float) -> Solution:
    """Raise the bound of a solve to that of an earlier one."""
    if not bound_cny > solution.bound_cny:
        return solution
    bound = min(bound_cny, solution.objective_cny)
    is_proved = relative_gap(solution.objective_cny, bound) <= mip_rel_gap
    return replace(solution, bound_cny=bound, termination=Termination.OPTIMAL if is_proved else solution.termination)


def _with_start(solution: Solution, start: Plan, start_cny: float, mip_rel_gap: float) -> Solution:
    """Fall back on the plan to begin with where the solver, stopped early, has none or a worse one."""
    if solution.termination == Termination.INFEASIBLE or solution.objective_cny <= start_cny:
        return solution
    bound = min(solution.bound_cny, start_cny)
    is_proved = relative_gap(start_cny, bound) <= mip_rel_gap
    return replace(
        solution,
        termination=Termination.OPTIMAL if is_proved else solution.termination,
        plan=start,
        objective_cny=start_cny,
        bound_cny=bound,
    )


def _checked(problem: PlacementProblem, solution: Solution) -> Solution:
    """Refuse a plan that is not what the solver says it is."""
    if solution.plan is None:
        return solution
    report = check_plan(problem, solution.plan)
    findings = [
        f"({row.equation}) {row.name}: {row.where}: {row.amount:.9g} against {row.limit:.9g} {row.unit}"
        for row in report.violations.itertuples(index=False)
    ]
    size = max(1.0, abs(report.total_cny))
    if abs(report.total_cny - solution.objective_cny) > COST_TOLERANCE_SHARE * size:
        findings.append(
            f"cost: the solver says {solution.objective_cny:.9g}, the check {report.total_cny:.9g} CNY/year"
        )
    if solution.bound_cny > report.total_cny + COST_TOLERANCE_SHARE * size:
        findings.append(f"bound: {solution.bound_cny:.9g} is above the plan's cost {report.total_cny:.9g} CNY/year")
    if findings:
        raise InvalidPlanError(problem.name, findings, _dump(solution.plan, findings))
    bound = min(solution.bound_cny, report.total_cny)
    return replace(solution, objective_cny=report.total_cny, bound_cny=bound)


def _dump(plan: Plan, findings: list[str]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="edwc-invalid-plan-"))
    arrays = {field.name: getattr(plan, field.name) for field in fields(plan)}
    np.savez_compressed(folder / "plan.npz", allow_pickle=False, **arrays)
    (folder / "findings.txt").write_text("\n".join(findings) + "\n", encoding="utf-8")
    return folder


# The solver works in thousands of CNY. Its dual tolerance is 1e-7 per unit of a column, and columns reach 1e5 mtok/h:
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
    Solve a problem as one integer program, then the fixed-integer LP of the best plan found.

    Exact, and suited to problems up to some 100,000 columns. The solver ends within a second of the deadline or stop of
    `control`; the fixed-integer LP of the incumbent comes after.

    Raises
    ------
    SolverError
        If HiGHS fails: its process dies, or it ends with neither an answer nor a limit.
    """
    began = time.monotonic()
    # Slow to import: what only sizes a problem up does without.
    from optimizer.model.compile import compile_model
    from optimizer.solvers.columns import columns_from_plan
    from optimizer.solvers.process import run_mip

    compiled = compile_model(problem, with_tightening=True)
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
    limit_s = max(control.seconds_left, PRICING_SECONDS)
    fixed = _best_with_fixed_integers(problem, compiled, outcome, seed=seed, time_limit_s=limit_s)
    seconds["fixed_integers"] = time.monotonic() - began
    objective = np.inf if fixed is None else fixed.objective_cny
    # The plan proves that the optimum costs no more than it does; the solver's tolerances may put its bound above.
    bound = min(outcome.bound_cny, objective)
    # The fixed-integer LP may round the last digit of the same plan otherwise: that plan is not more expensive.
    is_same = bool(np.isclose(objective, outcome.objective_cny, rtol=ROUNDING_SHARE, atol=0.0))
    control.say(min(objective, outcome.objective_cny) if is_same else objective, bound, "fixed integers")
    if outcome.termination is None:
        raise AssertionError("a solve ends for a reason")
    return Solution(
        termination=outcome.termination,
        plan=None if fixed is None else fixed.plan,
        objective_cny=objective,
        bound_cny=bound,
        method="whole",
        seconds=seconds,
        progress=tuple(control.lines),
    )


def _best_with_fixed_integers(
    problem: PlacementProblem, compiled: CompiledModel, outcome: MipOutcome, *, seed: int, time_limit_s: float
) -> FixedIntegerSolution | None:
    """
    Solve the fixed-integer LP of the best incumbent, or of the one before it where rounding leaves no plan.

    HiGHS accepts an integer that is off by 1e-6, and 1e-6 of a large data center can be what makes a plan feasible.
    """
    from optimizer.solvers.fixed_integers import FixedIntegerError, solve_fixed_integers
    from optimizer.solvers.process import SolverError

    if outcome.termination == Termination.INFEASIBLE:
        return None
    failure = None
    for point in reversed(outcome.incumbents):
        try:
            return solve_fixed_integers(problem, compiled, point, seed=seed, time_limit_s=time_limit_s)
        except FixedIntegerError as error:
            failure = error
    if failure is not None:
        raise SolverError(f"no incumbent is a plan once its integers are rounded: {failure}")
    return None

"""Check, solve and explain a scenario, and make its problem: what a notebook calls and the command line prints."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from network_data.load import Network
from optimizer.api.inputs import NetworkLike, Overrides, ScenarioLike, find_inputs, naming_arguments
from optimizer.infeasibility.explain import Explanation, explain_scenario
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.run import Run
from optimizer.runs.solve import check_scenario, run_of_plan, solve_scenario
from optimizer.solvers.control import Progress
from scenarios.schema import Scenario

if TYPE_CHECKING:
    import pyomo.environ as pyo

T = TypeVar("T")
_POLL_S = 0.2


def solve(  # noqa: PLR0913 - options, keyword-only
    scenario: ScenarioLike,
    overrides: Overrides | None = None,
    *,
    network: NetworkLike | None = None,
    price_cases: str | Sequence[str] = (),
    out: str | Path | None = None,
    progress: bool = False,
    report: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Run:
    """
    Solve a scenario and prove the plan.

    Parameters
    ----------
    scenario, overrides, network, price_cases
        See `find_inputs`: names, files, objects, dictionaries or texts.
    out
        Run folder to write if there is a plan; see also `Run.save`.
    progress
        Show how far it is: a bar in a notebook, lines elsewhere.
    report
        Called with each line of progress.
    stop
        Set it from another thread, and the solve ends with the plan found so far. So does Ctrl-C.

    Returns
    -------
    Run
        `Run.termination` says why it ended, `Run.has_plan` whether there is a plan.

    Raises
    ------
    InputError
        With every fault of the arguments, the inputs or the output folder.
    """
    inputs = find_inputs(scenario, overrides, network=network, price_cases=price_cases)
    with naming_arguments(), _reporting(report, progress=progress) as tell:
        return run_until_interrupted(
            lambda event: solve_scenario(inputs.scenario, inputs.overrides, out=out, report=tell, stop=event), stop
        )


def check(
    scenario: ScenarioLike,
    overrides: Overrides | None = None,
    *,
    network: NetworkLike | None = None,
    price_cases: str | Sequence[str] = (),
) -> dict[str, Any]:
    """
    Find every fault of a scenario and its network, and describe their problem in numbers, without solving it.

    Parameters
    ----------
    scenario, overrides, network, price_cases
        See `find_inputs`.

    Returns
    -------
    dict
        See `check_scenario`.

    Raises
    ------
    InputError
        With every fault of the arguments or the inputs.
    """
    inputs = find_inputs(scenario, overrides, network=network, price_cases=price_cases)
    with naming_arguments():
        return check_scenario(inputs.scenario, inputs.overrides)


def explain(  # noqa: PLR0913 - options, keyword-only
    scenario: ScenarioLike,
    overrides: Overrides | None = None,
    *,
    network: NetworkLike | None = None,
    price_cases: str | Sequence[str] = (),
    progress: bool = False,
    report: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Explanation:
    """
    Explain why a scenario has no plan, and what the smallest changes are that would give it one.

    Parameters
    ----------
    scenario, overrides, network, price_cases
        See `find_inputs`.
    progress
        Show what it is at.
    report
        Called with a line of text as the work goes on.
    stop
        Set it from another thread, and the work ends with the changes found so far. So does Ctrl-C.

    Returns
    -------
    Explanation
        Of a feasible scenario: how near its limits are.

    Raises
    ------
    InputError
        With every fault of the arguments or the inputs; workloads that reach no data center are explained.
    """
    inputs = find_inputs(scenario, overrides, network=network, price_cases=price_cases)
    with naming_arguments(), _reporting(report, progress=progress) as tell:
        return run_until_interrupted(
            lambda event: explain_scenario(inputs.scenario, inputs.overrides, report=tell, stop=event), stop
        )


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Problem(PlacementProblem):
    """
    A placement problem with the network and the scenario that it was made from.

    Attributes
    ----------
    network, scenario
        As loaded.
    """

    network: Network
    scenario: Scenario

    def to_pyomo(self) -> pyo.ConcreteModel:
        """
        Build an ordinary Pyomo model, to add constraints of your own or to use another solver.

        Returns
        -------
        ConcreteModel
            Sets, parameters, variables and constraints as in docs/formulation.md, indexed by labels of the network:
            `model.Open["west"]`. Solve it, then `run_from_pyomo` makes a run of it.
        """
        from optimizer.model.pyomo_model import to_pyomo

        return to_pyomo(self)


def build_problem(
    network: NetworkLike | None,
    scenario: ScenarioLike,
    overrides: Overrides | None = None,
    *,
    price_cases: str | Sequence[str] = (),
) -> Problem:
    """
    Make the problem of a network and a scenario, without solving it.

    Parameters
    ----------
    network
        None = the one that the scenario names; see `find_inputs` for the others.
    scenario, overrides, price_cases
        See `find_inputs`.

    Returns
    -------
    Problem
        Index tables and arrays.

    Raises
    ------
    InputError
        With every fault of the arguments or the inputs.
    """
    inputs = find_inputs(scenario, overrides, network=network, price_cases=price_cases)
    with naming_arguments():
        found, loaded = inputs.load()
        problem = assemble_problem(found, loaded)
    parts = {field.name: getattr(problem, field.name) for field in fields(PlacementProblem)}
    return Problem(**parts, network=found, scenario=loaded)


def run_from_pyomo(problem: Problem, model: pyo.ConcreteModel) -> Run:
    """
    Make a run of a Pyomo model that was solved, with tables and maps; the independent checker proves its plan.

    Parameters
    ----------
    problem
        From `build_problem`.
    model
        From `problem.to_pyomo()`, with values; it may have got further constraints and another objective.

    Returns
    -------
    Run
        Its cost is that of the plan by the problem's prices. Nothing is proved of it but that it keeps every limit:
        there is no bound, and there are no shadow prices.

    Raises
    ------
    ValueError
        If the model has no values, is not of this problem, or its values break a limit; names the limits.
    """
    from optimizer.model.pyomo_model import plan_from_pyomo

    return run_of_plan(problem.network, problem.scenario, problem, plan_from_pyomo(problem, model), method="pyomo")


@contextmanager
def _reporting(report: Callable[[Any], None] | None, *, progress: bool) -> Iterator[Callable[[Any], None]]:
    """Pass progress on to the caller's function, and show it where that is wanted."""
    with ExitStack() as shown:
        reports = [] if report is None else [report]
        if progress:
            from optimizer.api.progress import show_progress

            reports.append(shown.enter_context(show_progress()))

        def pass_on(line: Any) -> None:
            for each in reports:
                each(line)

        yield pass_on


def run_until_interrupted(task: Callable[[threading.Event], T], stop: threading.Event | None = None) -> T:
    """
    Carry out a task that the first Ctrl-C asks to stop and return what it has; a second one gives up on it.

    Parameters
    ----------
    task
        Called with what is set when it should stop.
    stop
        In place of an event of its own.

    Returns
    -------
    T
        What the task returns.
    """
    event = threading.Event() if stop is None else stop
    if threading.current_thread() is not threading.main_thread():
        return task(event)  # Ctrl-C goes to the main thread
    # Python runs signal handlers in the main thread only, and not inside a solver's code: the task gets its own.
    pool = ThreadPoolExecutor(1)
    future = pool.submit(task, event)
    try:
        while True:
            try:
                while wait([future], timeout=_POLL_S).not_done:
                    pass
                return future.result()
            except KeyboardInterrupt:
                if event.is_set():
                    raise
                event.set()
                sys.stderr.write("stopping: the best plan found so far is kept (Ctrl-C again gives up on it)\n")
    finally:
        pool.shutdown(wait=False)

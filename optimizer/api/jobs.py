"""Check, solve and explain a scenario: what a notebook calls and the command line prints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_data.faults import FaultList
from optimizer.api.inputs import NetworkLike, Overrides, ScenarioLike, find_inputs, naming_arguments
from optimizer.api.progress import reporting, run_until_interrupted
from optimizer.runs.folder import check_target
from optimizer.runs.run import Run
from optimizer.runs.saving import save_or_keep
from optimizer.runs.solve import check_scenario, solve_scenario
from optimizer.solvers.control import Progress
from optimizer.uncertainty.inputs import read_inputs

if TYPE_CHECKING:
    from optimizer.infeasibility.explain import Explanation


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
    NotSavedError
        If the output folder does not take the plan in the end, as on a full disk: an `OSError` with the run, and the
        folder for temporary files in which it is kept.
    """
    inputs = find_inputs(scenario, overrides, network=network, price_cases=price_cases)
    with naming_arguments(), reporting(report, progress=progress) as tell:
        folder = None if out is None else check_target(out)
        run = run_until_interrupted(
            lambda event: solve_scenario(inputs.scenario, inputs.overrides, report=tell, stop=event), stop
        )
        if folder is not None and run.has_plan:
            save_or_keep(run, folder)
        return run


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
        See `check_scenario`; and uncertain_inputs, the names of those that the tables of ranges hold.

    Raises
    ------
    InputError
        With every fault of the arguments or the inputs.
    """
    inputs = find_inputs(scenario, overrides, network=network, price_cases=price_cases)
    with naming_arguments():
        found = check_scenario(inputs.scenario, inputs.overrides)
        network_found, loaded = inputs.load()
        faults = FaultList(f"the ranges of scenario {loaded.name} and network {network_found.name}")
        uncertain = read_inputs(loaded, network_found, faults, skips_what_does_not_fit=True)
        faults.raise_if_any()
        return found | {"uncertain_inputs": [one.name for one in uncertain]}


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
    from optimizer.infeasibility.explain import explain_scenario  # the solver behind it is slow to import

    inputs = find_inputs(scenario, overrides, network=network, price_cases=price_cases)
    with naming_arguments(), reporting(report, progress=progress) as tell:
        return run_until_interrupted(
            lambda event: explain_scenario(inputs.scenario, inputs.overrides, report=tell, stop=event), stop
        )

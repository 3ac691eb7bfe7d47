"""A problem to work on: its arrays, an ordinary Pyomo model of it, and a run of what a model was solved to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from network_data.load import Network
from optimizer.api.inputs import NetworkLike, Overrides, ScenarioLike, find_inputs, naming_arguments
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.run import Run
from scenarios.schema import Scenario

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyomo.environ as pyo

    from optimizer.problem.plan import Plan

_TOLERANCE = 1e-5  # of a value beyond its bounds, or not whole; solvers keep 1e-6
_NAMED = 3


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

    def to_pyomo(self, *, with_tightening: bool = False) -> pyo.ConcreteModel:
        """
        Build an ordinary Pyomo model, to add constraints of your own or to use another solver.

        Parameters
        ----------
        with_tightening
            Add equations (13a) and (13b): the same plans, less work for most solvers. Leave them out if you change what
            they follow from: capacities, or where a class may be processed.

        Returns
        -------
        ConcreteModel
            Sets, parameters, variables and constraints as in docs/formulation.md, indexed by labels of the network:
            `model.Open["west"]`. Solve it, then `run_from_pyomo` makes a run of it.
        """
        from optimizer.model.pyomo_model import to_pyomo  # slow to import

        return to_pyomo(self, with_tightening=with_tightening)


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
        Its cost is that of the plan at the problem's prices. Of the plan it is proved that it keeps every limit; there
        is no bound, and there are no shadow prices.

    Raises
    ------
    ValueError
        If the model has no values or is of another problem, or its values break a limit; names what is broken.
    """
    from optimizer.runs.solve import run_of_plan

    return run_of_plan(problem.network, problem.scenario, problem, _plan(problem, model), method="pyomo")


def _plan(problem: Problem, model: pyo.ConcreteModel) -> Plan:
    from optimizer.checker.check import check_plan
    from optimizer.model.compile import compile_model
    from optimizer.model.pyomo_model import pyomo_values
    from optimizer.solvers.columns import plan_from_columns

    compiled, values = compile_model(problem), pyomo_values(problem, model)
    x = np.empty(len(compiled.cost))
    items: npt.NDArray[np.object_] = np.empty(len(x), dtype=object)
    for name, block in compiled.columns.items():
        x[block.columns], items[block.columns] = values[name].numbers, values[name].items
    excess = np.maximum(np.maximum(compiled.lower - x, x - compiled.upper), 0.0)
    excess[compiled.is_integer] += np.abs(x - np.round(x))[compiled.is_integer]
    if (off := np.flatnonzero(~(excess <= _TOLERANCE * np.maximum(1.0, np.abs(x))))).size:
        first = ", ".join(f"{items[at].name} = {x[at]:g}" for at in off[:_NAMED])
        raise ValueError(f"{off.size} value(s) of the model are out of bounds or not whole: {first}")
    plan = plan_from_columns(problem, compiled, x)
    broken = check_plan(problem, plan).violations
    if len(broken):
        lines = [
            f"({row.equation}) {row.name} at {row.where}: {row.amount:.9g} against {row.limit:.9g} {row.unit}"
            for row in broken.head(_NAMED).itertuples()
        ]
        raise ValueError(f"the plan of the model breaks {len(broken)} limit(s):\n" + "\n".join(lines))
    return plan

"""The same rules as an ordinary Pyomo model, for users who want to add constraints or use another solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from optimizer.model.data import AXIS, ModelData, model_data
from optimizer.model.equations import CONSTRAINTS, COSTS
from optimizer.model.vocabulary import PARAMETERS, SETS, VARIABLES
from optimizer.problem.problem import PlacementProblem

_DOMAINS = {"continuous": pyo.NonNegativeReals, "integer": pyo.NonNegativeIntegers, "binary": pyo.Binary}


def to_pyomo(problem: PlacementProblem) -> pyo.ConcreteModel:
    """
    Build the ordinary Pyomo model of a problem from the rules in `formulation`.

    Components carry the names of `declarations`; indices are positions in the problem's tables. The objective is
    `total_cost` in CNY/year, its parts are Expressions named `<component>_cost`.

    Raises
    ------
    ValueError
        If Pyomo refuses a component, for example an equation without any variable.
    """
    data = model_data(problem)
    model = pyo.ConcreteModel(name=problem.name)
    _declare_sets(model, data)
    _declare_parameters(model, data)
    _declare_variables(model)
    for equation in CONSTRAINTS:
        over = [getattr(model, name) for name in equation.over]
        model.add_component(equation.name, pyo.Constraint(*over, rule=equation.rule))
    for cost in COSTS:
        model.add_component(f"{cost.name}_cost", pyo.Expression(expr=cost.rule(model)))
    total = sum(getattr(model, f"{cost.name}_cost") for cost in COSTS)
    model.total_cost = pyo.Objective(expr=total, sense=pyo.minimize)
    return model


def _declare_sets(model: pyo.ConcreteModel, data: ModelData) -> None:
    for declared in SETS:
        if declared.owner is None:
            members = _tuples(data.sets[declared.name])
            model.add_component(declared.name, pyo.Set(initialize=members, dimen=declared.dimen))
            continue
        family = data.families[declared.name]
        owners = _tuples(data.sets[declared.owner])
        members = _tuples(family.members)
        content = {owner: members[family.starts[row] : family.starts[row + 1]] for row, owner in enumerate(owners)}
        index = getattr(model, declared.owner)
        model.add_component(declared.name, pyo.Set(index, initialize=content, dimen=declared.dimen))


def _declare_parameters(model: pyo.ConcreteModel, data: ModelData) -> None:
    for parameter in PARAMETERS:
        values = data.parameters[parameter.name]
        if not parameter.index:
            model.add_component(parameter.name, pyo.Param(initialize=float(values), domain=pyo.Any))
            continue
        if parameter.index[-1] == AXIS and values.ndim > 1:
            values = np.moveaxis(values, 0, -1)
        if parameter.is_position:
            values = values.astype(int)
        sets = [getattr(model, name) for name in parameter.index]
        content: dict[Any, Any]
        if values.ndim == 1:
            content = dict(enumerate(values.tolist()))
        else:
            content = {index: values[index].item() for index in np.ndindex(values.shape)}
        model.add_component(parameter.name, pyo.Param(*sets, initialize=content, domain=pyo.Any))


def _declare_variables(model: pyo.ConcreteModel) -> None:
    for variable in VARIABLES:
        sets = [getattr(model, name) for name in variable.index]
        bounds = None
        if variable.upper is not None:
            bounds = _upper_bound(variable.upper)
        model.add_component(variable.name, pyo.Var(*sets, domain=_DOMAINS[variable.kind], bounds=bounds))


def _upper_bound(parameter: str) -> Any:
    return lambda model, *index: (0, getattr(model, parameter)[index if len(index) > 1 else index[0]])


def _tuples(rows: Any) -> list[Any]:
    """Index table rows as Pyomo index values: plain integers if one-dimensional."""
    return [row[0] for row in rows.tolist()] if rows.shape[1] == 1 else [tuple(row) for row in rows.tolist()]

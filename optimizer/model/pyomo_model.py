"""
The same rules as an ordinary Pyomo model, to add constraints to or to solve with another solver, and its plan.

Its indices are labels of the network, where the compiler goes by positions: both read the same sets and rules.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo

from optimizer.model.data import AXIS, ModelData, model_data
from optimizer.model.equations import CONSTRAINTS, COSTS, TIGHTENING
from optimizer.model.vocabulary import LABELS, PARAMETERS, SETS, VARIABLES, ParameterDeclaration
from optimizer.problem.problem import FloatArray, PlacementProblem

Label = tuple[str, ...]

_WIDTHS = {"candidate": 3}  # texts that make a label of this kind; of all others, one
_DOMAINS = {"continuous": pyo.NonNegativeReals, "integer": pyo.NonNegativeIntegers, "binary": pyo.Binary}


def to_pyomo(problem: PlacementProblem, *, with_tightening: bool = False) -> pyo.ConcreteModel:
    """
    Build the ordinary Pyomo model of a problem from the rules in `equations`.

    Parameters
    ----------
    with_tightening
        Add `equations.TIGHTENING`: the same plans, a stronger linear relaxation.

    Returns
    -------
    ConcreteModel
        Components carry the names of `vocabulary`. The objective is `total_cost` in CNY/year, its parts are Expressions
        named `<component>_cost`. Data centers, accelerators, classes and links go by their id, workloads by hub/class,
        time slices by day and hour, candidates by workload, data center and route:
        `model.Flow["north/chat", "west", "north>west", "07:00"]`.

    Raises
    ------
    ValueError
        If Pyomo refuses a component, for example an equation without any variable.
    """
    data, labels = model_data(problem), member_labels(problem)
    model = pyo.ConcreteModel(name=problem.name)
    _declare_sets(model, data, labels)
    _declare_parameters(model, data, labels)
    for variable in VARIABLES:
        sets = [getattr(model, name) for name in variable.index]
        bounds = None if variable.upper is None else _upper_bound(variable.upper)
        model.add_component(variable.name, pyo.Var(*sets, domain=_DOMAINS[variable.kind], bounds=bounds))
    for equation in (*CONSTRAINTS, *TIGHTENING) if with_tightening else CONSTRAINTS:
        over = [getattr(model, name) for name in equation.over]
        widths = [_WIDTHS.get(kind, 1) for name in equation.over for kind in LABELS[name]]
        model.add_component(equation.name, pyo.Constraint(*over, rule=_grouped(equation.rule, widths)))
    for cost in COSTS:
        model.add_component(f"{cost.name}_cost", pyo.Expression(expr=cost.rule(model)))
    total = sum(getattr(model, f"{cost.name}_cost") for cost in COSTS)
    model.total_cost = pyo.Objective(expr=total, sense=pyo.minimize)
    return model


def member_labels(problem: PlacementProblem) -> dict[str, list[Label]]:
    """Name the members of the sets, by what their index stands for (`SetDeclaration.labels`)."""
    slices, candidates = problem.slices, problem.candidates
    one_day = slices["day"].nunique() == 1
    times = [
        ("" if one_day else f"{day} ") + f"{int(hour):02d}:{round(hour % 1 * 60):02d}"
        for day, hour in zip(slices["day"], slices["hour"], strict=True)
    ]
    centers = problem.data_centers["id"].tolist()
    workloads = [f"{row.demand_hub}/{row.workload_class}" for row in problem.workloads.itertuples()]
    nodes = problem.routes["nodes"].tolist()
    columns = (candidates[f"{name}_index"] for name in ("workload", "data_center", "route"))
    return {
        "slice": _distinct(times),
        "billing": [(f"period {number}",) for number in range(1, len(problem.billing) + 1)],
        "class": _distinct(problem.classes["id"].tolist()),
        "workload": _distinct(workloads),
        "data_center": _distinct(centers),
        "accelerator": _distinct(problem.accelerators["id"].tolist()),
        "link": _distinct(problem.links["id"].tolist()),
        "candidate": _distinct([(workloads[w], centers[d], nodes[r]) for w, d, r in zip(*columns, strict=True)]),
        "region": _distinct(list(problem.policy.regions)),
        "group": _distinct(list(problem.policy.new_compute_groups)),
        "plan": [("plan",)],
        "outage": _distinct([f"{centers[d]} at {times[t]}" for d, t in problem.outages.itertuples(index=False)]),
    }


class Values(NamedTuple):
    """One variable of a model: its values, and the variables themselves, in the order of the compiled columns."""

    numbers: FloatArray
    items: list[Any]


def pyomo_values(problem: PlacementProblem, model: pyo.ConcreteModel) -> dict[str, Values]:
    """
    Read the values of a solved model from `to_pyomo`.

    A variable that no constraint uses may have no value: it counts as 0.

    Raises
    ------
    ValueError
        If the model has no values, or other variables than the problem.
    """
    data, values = model_data(problem), {}
    for variable in VARIABLES:
        shape = tuple(len(data.sets[name]) for name in variable.index)
        found = list(model.component(variable.name).values()) if model.component(variable.name) is not None else []
        if len(found) != np.prod(shape, dtype=int):
            raise ValueError(f"the model has {len(found)} variables {variable.name}, the problem {np.prod(shape)}")
        order = np.arange(len(found)).reshape(shape)
        if variable.index[-1] == AXIS:
            order = order.T  # columns have the time slices first
        items = [found[at] for at in order.reshape(-1)]
        numbers = np.array([math.nan if item.value is None else item.value for item in items], dtype=float)
        values[variable.name] = Values(numbers, items)
    if all(np.isnan(item.numbers).all() for item in values.values()):
        raise ValueError("the model has no values: solve it first")
    return {name: item._replace(numbers=np.nan_to_num(item.numbers)) for name, item in values.items()}


def _distinct(names: Sequence[str | Label]) -> list[Label]:
    """Make labels of names; a name that comes twice gets a number."""
    labels = [(name,) if isinstance(name, str) else name for name in names]
    count, seen = Counter(labels), Counter[Label]()
    if len(count) == len(labels):
        return labels
    distinct = []
    for label in labels:
        seen[label] += 1
        distinct.append(label if count[label] == 1 else (*label[:-1], f"{label[-1]} ({seen[label]})"))
    return distinct


def _declare_sets(model: pyo.ConcreteModel, data: ModelData, labels: dict[str, list[Label]]) -> None:
    for declared in SETS:
        dimen = sum(_WIDTHS.get(kind, 1) for kind in declared.labels)
        if declared.owner is None:
            members = _labelled(data.sets[declared.name], declared.labels, labels)
            model.add_component(declared.name, pyo.Set(initialize=members, dimen=dimen))
            continue
        family = data.families[declared.name]
        owners = _labelled(data.sets[declared.owner], LABELS[declared.owner], labels)
        members = _labelled(family.members, declared.labels, labels)
        content = {owner: members[family.starts[row] : family.starts[row + 1]] for row, owner in enumerate(owners)}
        index = getattr(model, declared.owner)
        model.add_component(declared.name, pyo.Set(index, initialize=content, dimen=dimen))


def _declare_parameters(model: pyo.ConcreteModel, data: ModelData, labels: dict[str, list[Label]]) -> None:
    for parameter in PARAMETERS:
        values = data.parameters[parameter.name]
        if not parameter.index:
            model.add_component(parameter.name, pyo.Param(initialize=float(values), domain=pyo.Any))
            continue
        if parameter.index[-1] == AXIS and values.ndim > 1:
            values = np.moveaxis(values, 0, -1)
        members = [labels[LABELS[name][0]] for name in parameter.index]
        content: dict[Any, Any] = {
            _index([label for axis, at in zip(members, position, strict=True) for label in axis[at]]): value
            for position, value in zip(np.ndindex(values.shape), _items(parameter, values, labels), strict=True)
        }
        sets = [getattr(model, name) for name in parameter.index]
        model.add_component(parameter.name, pyo.Param(*sets, initialize=content, domain=pyo.Any))


def _items(parameter: ParameterDeclaration, values: FloatArray, labels: dict[str, list[Label]]) -> list[Any]:
    """List the values of a parameter; a position becomes the label of its member."""
    if parameter.points_to is None:
        return list(values.reshape(-1).tolist())
    return [_index(labels[LABELS[parameter.points_to][0]][int(at)]) for at in values.reshape(-1)]


def _upper_bound(parameter: str) -> Any:
    return lambda model, *index: (0, getattr(model, parameter)[index if len(index) > 1 else index[0]])


def _grouped(rule: Callable[..., Any], widths: list[int]) -> Callable[..., Any]:
    """Hand a rule one argument for each index, where Pyomo lays the texts of a candidate side by side."""
    if set(widths) == {1}:
        return rule
    ends = np.cumsum(widths).tolist()

    def grouped(model: pyo.ConcreteModel, *flat: str) -> Any:
        return rule(model, *(_index(flat[end - width : end]) for end, width in zip(ends, widths, strict=True)))

    return grouped


def _labelled(rows: npt.NDArray[np.int32], kinds: tuple[str, ...], labels: dict[str, list[Label]]) -> list[Any]:
    """Index table rows as Pyomo index values: plain texts if one-dimensional."""
    columns = [labels[kind] for kind in kinds]
    found = ([part for column, at in zip(columns, row, strict=True) for part in column[at]] for row in rows.tolist())
    return [_index(parts) for parts in found]


def _index(parts: Sequence[str]) -> Any:
    return parts[0] if len(parts) == 1 else tuple(parts)

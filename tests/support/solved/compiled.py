"""Read a compiled matrix row by row under Pyomo's own names, so that it can be compared with Pyomo's compiler."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from optimizer.model.compile import CompiledModel, compile_model
from optimizer.model.data import AXIS, ModelData, model_data
from optimizer.model.equations import CONSTRAINTS, TIGHTENING
from optimizer.model.pyomo_model import Label, member_labels, to_pyomo
from optimizer.model.vocabulary import LABELS, VARIABLES
from optimizer.problem.problem import PlacementProblem

Row = tuple[dict[tuple[str, Any], float], float, float]


def compiled_rows(problem: PlacementProblem) -> tuple[dict[tuple[str, Any], Row], dict[tuple[str, Any], float]]:
    """Rows and costs of our matrix: {(equation, index): ({(variable, index): coefficient}, lower, upper)}."""
    data = model_data(problem)
    model = compile_model(problem, with_tightening=True)
    members = member_labels(problem)
    names = _names([(v.name, v.index) for v in VARIABLES], data, members)
    rows = {}
    labels = _names([(e.name, e.over) for e in (*CONSTRAINTS, *TIGHTENING)], data, members)
    for number, label in enumerate(labels):
        part = slice(model.starts[number], model.starts[number + 1])
        indices = model.indices[part]
        assert len(set(indices.tolist())) == len(indices), label
        entries = {names[c]: v for c, v in zip(indices, model.values[part], strict=True)}
        rows[label] = (entries, float(model.row_lower[number]), float(model.row_upper[number]))
    return rows, {name: c for name, c in zip(names, model.cost.tolist(), strict=True) if c != 0}


def pyomo_rows(problem: PlacementProblem) -> tuple[dict[tuple[str, Any], Row], dict[tuple[str, Any], float]]:
    """Give the same from Pyomo's LinearStandardFormCompiler on `to_pyomo(problem, with_tightening=True)`."""
    model = to_pyomo(problem, with_tightening=True)  # kept: a component knows its model by weak reference only
    form = LinearStandardFormCompiler().write(model, mixed_form=True)
    columns = [(v.parent_component().local_name, v.index()) for v in form.columns]
    matrix = form.A.tocsr()
    rows: dict[tuple[str, Any], Row] = {}
    for number, info in enumerate(form.rows):
        constraint = info.constraint
        part = slice(matrix.indptr[number], matrix.indptr[number + 1])
        entries = {columns[c]: v for c, v in zip(matrix.indices[part], matrix.data[part], strict=True) if v != 0}
        bound = float(form.rhs[number]) if np.ndim(form.rhs[number]) == 0 else form.rhs[number]
        lower, upper = {0: (bound, bound), 1: (-np.inf, bound), -1: (bound, np.inf)}[info.bound_type]
        label = (constraint.parent_component().local_name, constraint.index())
        assert label not in rows
        rows[label] = (entries, lower, upper)
    cost = form.c.tocsr()
    return rows, {columns[c]: v for c, v in zip(cost.indices, cost.data, strict=True) if v != 0}


def _names(
    declared: list[tuple[str, tuple[str, ...]]], data: ModelData, labels: dict[str, list[Label]]
) -> list[tuple[str, Any]]:
    names: list[tuple[str, Any]] = []
    for name, index in declared:
        members: list[Label] = [()]
        for other in index:
            if other != AXIS:
                columns = [labels[kind] for kind in LABELS[other]]
                rows = [[columns[at][row] for at, row in enumerate(rows)] for rows in data.sets[other].tolist()]
                members = [(*m, *(part for label in row for part in label)) for m in members for row in rows]
        if AXIS in index:
            members = [(*m, *t) for t in labels["slice"] for m in members]
        names += [(name, m[0] if len(m) == 1 else m) for m in members]
    return names


def normalized(row: Row) -> Row:
    """Write `>=` rows as `<=` rows, as our compiler does."""
    entries, lower, upper = row
    if np.isneginf(lower) or lower == upper:
        return row
    return {key: -value for key, value in entries.items()}, -upper, -lower


__all__ = ["CompiledModel", "compiled_rows", "normalized", "pyomo_rows"]

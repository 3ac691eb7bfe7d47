"""
Turn the rules of `equations` into one sparse matrix, equation by equation and not row by row.

Each rule is templatized once per process; `template.evaluate` then evaluates it over a problem's
index tables. Columns and rows are laid out slice by slice, so an array that is the same in every slice is written
T times without being computed T times. The matrix is emitted directly as compressed rows with 32-bit indices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.model.data import AXIS, Int32Array, ModelData, model_data
from optimizer.model.equations import CONSTRAINTS, COSTS, EQUATIONS, TIGHTENING
from optimizer.model.light_pyomo import IndexTemplate, pyo, templatize_rule
from optimizer.model.rows import RowBatch, RowWriter, stream_rows, write_rows
from optimizer.model.template import Columns, Rows, Tables, VariableBlock, evaluate, evaluate_sum
from optimizer.model.vocabulary import PARAMETERS, SETS, VARIABLES, Equation
from optimizer.problem.problem import FloatArray, PlacementProblem

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ColumnBlock:
    """Columns of one variable: `columns` of the matrix, as (T, n) if indexed by slices, else (n,)."""

    name: str
    columns: slice
    shape: tuple[int, ...]
    members: Int32Array

    def values(self, solution: FloatArray) -> FloatArray:
        """Take this variable's values out of a solution vector, in its own shape."""
        return solution[self.columns].reshape(self.shape)


@dataclass(frozen=True)
class RowBlock:
    """Rows of one equation: `rows` of the matrix, as (T, n); T is 1 for an equation that does not run over slices."""

    name: str
    rows: slice
    shape: tuple[int, ...]


@dataclass(frozen=True)
class CompiledModel:
    """
    The model as arrays: minimize cost x subject to row_lower <= A x <= row_upper, lower <= x <= upper.

    `starts`, `indices`, `values` hold A by rows. `costs` gives the objective by component, (columns,) each,
    in CNY/year; `cost` is their sum.
    """

    cost: FloatArray
    costs: dict[str, FloatArray]
    lower: FloatArray
    upper: FloatArray
    is_integer: npt.NDArray[np.bool_]
    row_lower: FloatArray
    row_upper: FloatArray
    starts: Int32Array
    indices: Int32Array
    values: FloatArray
    columns: dict[str, ColumnBlock]
    rows: dict[str, RowBlock]

    @property
    def matrix(self) -> sp.csr_array:
        """A as a sparse matrix that shares its arrays with the model."""
        shape = (len(self.row_upper), len(self.cost))
        return sp.csr_array((self.values, self.indices, self.starts), shape=shape)


def compile_model(
    problem: PlacementProblem, *, with_costs: bool = False, with_tightening: bool = False
) -> CompiledModel:
    """
    Compile the formulation for one problem.

    Parameters
    ----------
    with_tightening
        Add the rows of `equations.TIGHTENING`, after all others.
    with_costs
        Keep the objective by component too (`CompiledModel.costs`).

    Raises
    ------
    TemplateError
        If a rule holds an expression that cannot be compiled; names the expression.
    """
    tables, columns = _tables(problem)
    writers = _writers(tables, (*CONSTRAINTS, *TIGHTENING) if with_tightening else CONSTRAINTS)
    matrix = write_rows(list(writers.values()))
    cost, costs = _costs(tables, columns, with_costs=with_costs)
    return CompiledModel(
        cost,
        costs,
        *_bounds(tables, columns),
        row_lower=matrix.lower,
        row_upper=matrix.upper,
        starts=matrix.starts,
        indices=matrix.indices,
        values=matrix.values,
        columns=columns,
        rows=_row_blocks(writers),
    )


def with_costs_of(model: CompiledModel, problem: PlacementProblem) -> CompiledModel | None:
    """
    Compile only the objective of a problem that differs in prices alone (`differs_in_prices_alone`).

    None where the columns differ: billed power has one only where there is a demand charge.
    """
    tables, columns = _tables(problem)
    if not all(np.array_equal(block.members, model.columns[name].members) for name, block in columns.items()):
        return None
    cost, _ = _costs(tables, columns, with_costs=False)
    return replace(model, cost=cost, costs={})


def compile_costs(problem: PlacementProblem) -> dict[str, dict[str, FloatArray]]:
    """
    Compile only the objective, by component and variable.

    Returns
    -------
    dict
        Component to variable to CNY per year and unit, in the variable's shape; variables that the component's rule
        does not name are left out.
    """
    tables, columns = _tables(problem)
    costs = {}
    for name, expression in _cost_templates().items():
        part = np.zeros(_column_count(columns))
        terms = evaluate_sum(expression, tables).terms
        for frame, column, coefficient, _, _ in terms:
            _accumulate(part, column, coefficient, frame.size)
        costs[name] = {variable: columns[variable].values(part) for _, _, _, variable, _ in terms}
    return costs


@dataclass(frozen=True, eq=False)
class _CompiledColumns:
    """Costs, bounds and kinds of all columns: (N,) each."""

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    is_integer: npt.NDArray[np.bool_]


def stream_model(
    problem: PlacementProblem,
) -> tuple[_CompiledColumns, dict[str, ColumnBlock], dict[str, RowBlock], Iterator[RowBatch]]:
    """Compile piece by piece: all columns, where each variable and equation lies, and rows written as they are read."""
    tables, blocks = _tables(problem)
    cost, _ = _costs(tables, blocks, with_costs=False)
    columns = _CompiledColumns(cost, *_bounds(tables, blocks))
    writers = _writers(tables)
    return columns, blocks, _row_blocks(writers), stream_rows(list(writers.values()))


def _row_blocks(writers: dict[str, RowWriter]) -> dict[str, RowBlock]:
    blocks, first = {}, 0
    for name, writer in writers.items():
        count = writer.slices * writer.rows_per_slice
        blocks[name] = RowBlock(name, slice(first, first + count), (writer.slices, writer.rows_per_slice))
        first += count
    return blocks


def _tables(problem: PlacementProblem) -> tuple[Tables, dict[str, ColumnBlock]]:
    data = model_data(problem)
    blocks, columns = _lay_out_columns(data)
    owners = {family.owner: _lookup(data.sets[family.owner]) for family in data.families.values()}
    index = {parameter.name: parameter.index for parameter in PARAMETERS}
    tables = Tables(AXIS, len(data.sets[AXIS]), data.sets, data.families, owners, data.parameters, index, blocks)
    return tables, columns


def _writers(tables: Tables, equations: Sequence[Equation] = CONSTRAINTS) -> dict[str, RowWriter]:
    return {equation.name: RowWriter(_rows(equation, tables)) for equation in equations}


def _rows(equation: Equation, tables: Tables) -> Rows:
    if not len(tables.sets[equation.over[0]]):  # Most problems have no use for half of the equations
        slices = tables.axis_length if AXIS in equation.over else 1
        return Rows(0, slices, [], np.zeros((1, 1)), is_equality=False)
    return evaluate(*_constraint_template(equation.name), equation.over, tables)


def _costs(
    tables: Tables, columns: dict[str, ColumnBlock], *, with_costs: bool
) -> tuple[FloatArray, dict[str, FloatArray]]:
    size = _column_count(columns)
    cost, costs = np.zeros(size), {}
    for name, expression in _cost_templates().items():
        part = np.zeros(size) if with_costs else cost
        for frame, column, coefficient, _, _ in evaluate_sum(expression, tables).terms:
            _accumulate(part, column, coefficient, frame.size)
        if with_costs:
            costs[name] = part
            cost += part
    return cost, costs


def _column_count(columns: dict[str, ColumnBlock]) -> int:
    return int(max(block.columns.stop for block in columns.values()))


# Rules are templatized on a skeleton: the model's components with one member each and no data.


@cache
def _constraint_template(name: str) -> tuple[Any, tuple[IndexTemplate, ...]]:
    equation, skeleton = EQUATIONS[name], _skeleton()
    over = [getattr(skeleton, name) for name in equation.over]
    index = over[0] if len(over) == 1 else over[0] * over[1]
    # Keep a nameless product of sets out of the way of Pyomo's component registry.
    relation, indices = templatize_rule(skeleton, _unpacked(equation.rule), index)
    return relation, indices


@cache
def _cost_templates() -> dict[str, Any]:
    return {cost.name: templatize_rule(_skeleton(), _unpacked(cost.rule), None)[0] for cost in COSTS}


def _unpacked(rule: Any) -> Any:
    return lambda model, indices: rule(model, *indices)


@cache
def _skeleton() -> pyo.ConcreteModel:
    model = pyo.ConcreteModel()
    for declared in SETS:
        member = [(0,) * declared.dimen] if declared.dimen > 1 else [0]
        if declared.owner is None:
            model.add_component(declared.name, pyo.Set(initialize=member, dimen=declared.dimen))
        else:
            owner = getattr(model, declared.owner)
            model.add_component(
                declared.name,
                pyo.Set(owner, initialize=dict.fromkeys(owner, member), dimen=declared.dimen),
            )
    for parameter in PARAMETERS:
        index = [getattr(model, name) for name in parameter.index]
        model.add_component(parameter.name, pyo.Param(*index, mutable=True, initialize=0))
    for variable in VARIABLES:
        model.add_component(variable.name, pyo.Var(*[getattr(model, name) for name in variable.index]))
    return model


def _lookup(members: Int32Array) -> Int32Array:
    """Position by index tuple, -1 where there is none."""
    if not len(members):
        return np.full((1,) * members.shape[1], -1, np.int32)
    # One spare place per dimension catches an index one past the largest member.
    table = np.full(members.max(axis=0) + 2, -1, np.int32)
    table[tuple(members.T)] = np.arange(len(members), dtype=np.int32)
    return table


def _lay_out_columns(data: ModelData) -> tuple[dict[str, VariableBlock], dict[str, ColumnBlock]]:
    blocks, columns, offset = {}, {}, 0
    slices = len(data.sets[AXIS])
    for variable in VARIABLES:
        members = [data.sets[name] for name in variable.index if name != AXIS]
        rows = members[0] if len(members) == 1 else _product(*members)
        has_axis = AXIS in variable.index
        count = len(rows) * (slices if has_axis else 1)
        is_complete = rows.shape[1] == 1 and np.array_equal(rows[:, 0], np.arange(len(rows)))
        blocks[variable.name] = VariableBlock(
            variable.name,
            offset,
            None if is_complete else _lookup(rows),
            len(rows),
            rows.shape[1] if has_axis else None,
        )
        shape = (slices, len(rows)) if has_axis else (len(rows),)
        columns[variable.name] = ColumnBlock(variable.name, slice(offset, offset + count), shape, rows)
        offset += count
    return blocks, columns


def _product(first: Int32Array, second: Int32Array) -> Int32Array:
    return np.column_stack([np.repeat(first, len(second), axis=0), np.tile(second, (len(first), 1))])


def _bounds(tables: Tables, columns: dict[str, ColumnBlock]) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    size = _column_count(columns)
    lower, upper, is_integer = np.zeros(size), np.full(size, np.inf), np.zeros(size, np.bool_)
    for variable in VARIABLES:
        block = columns[variable.name]
        is_integer[block.columns] = variable.kind != "continuous"
        if variable.kind == "binary":
            upper[block.columns] = 1.0
        elif variable.upper is not None:
            limit = tables.parameters[variable.upper]
            limit = limit[:, block.members[:, 0]] if AXIS in variable.index else limit[tuple(block.members.T)]
            upper[block.columns] = limit.reshape(-1)
    return lower, upper, is_integer


def _accumulate(target: FloatArray, column: Columns, coefficient: Array, width: int) -> None:
    """Add coefficients to their columns; columns that follow one another are added as a block."""
    length = max(len(column.along), len(coefficient))
    along = np.broadcast_to(column.along, (length, column.along.shape[1]))
    coefficient = np.broadcast_to(coefficient, (length, width))
    base = np.broadcast_to(column.base, (1, width))[0]
    if column.along.shape[1] == 1 and width and np.array_equal(base, np.arange(base[0], base[0] + width)):
        for first, values in zip(along[:, 0] + base[0], coefficient, strict=True):
            target[first : first + width] += values
    else:
        np.add.at(target, (along + base).reshape(-1), coefficient.reshape(-1))

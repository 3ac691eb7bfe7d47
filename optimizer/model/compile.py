"""
Turn the rules of `equations` into one sparse matrix, equation by equation and not row by row.

Each rule is templatized once per process (`_templates`); `template.evaluate` then evaluates it over a problem's
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
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.core.expr.template_expr import IndexTemplate, templatize_rule

from optimizer.model.data import AXIS, Int32Array, ModelData, model_data
from optimizer.model.equations import CONSTRAINTS, COSTS, TIGHTENING
from optimizer.model.template import Columns, Rows, Tables, Term, VariableBlock, evaluate, evaluate_sum
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
    matrix, row_lower, row_upper, rows = _emit(
        _families(tables, (*CONSTRAINTS, *TIGHTENING) if with_tightening else CONSTRAINTS)
    )
    cost, costs = _costs(tables, columns, with_costs=with_costs)
    lower, upper, is_integer = _bounds(tables, columns)
    return CompiledModel(
        cost, costs, lower, upper, is_integer, row_lower, row_upper, *matrix, columns=columns, rows=rows
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
    for name, expression in _templates().costs.items():
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


@dataclass(frozen=True, eq=False)
class _EquationRows:
    """The compressed rows of one equation: sides (M,), starts (M + 1,), indices and values (Z,)."""

    block: RowBlock  # Where they lie in the model
    lower: FloatArray  # (M,) sides
    upper: FloatArray
    starts: Int32Array  # Compressed rows: (M + 1,), (Z,) and (Z,)
    indices: Int32Array
    values: FloatArray


def stream_model(problem: PlacementProblem) -> tuple[_CompiledColumns, dict[str, ColumnBlock], Iterator[_EquationRows]]:
    """Compile equation by equation: all columns, where each variable lies, and rows compiled as they are read."""
    tables, blocks = _tables(problem)
    cost, _ = _costs(tables, blocks, with_costs=False)
    return _CompiledColumns(cost, *_bounds(tables, blocks)), blocks, _stream_rows(tables)


def _stream_rows(tables: Tables) -> Iterator[_EquationRows]:
    first = 0
    for name, rows in _families(tables):
        count = rows.axis_length * rows.base_size
        starts, size = np.zeros(count + 1, np.int32), _size(rows)
        indices, values = np.empty(size, np.int32), np.empty(size)
        used = _fill(rows, 0, starts, indices, values)
        yield _EquationRows(_row_block(name, rows, first), *_sides(rows), starts, indices[:used], values[:used])
        first += count


def _tables(problem: PlacementProblem) -> tuple[Tables, dict[str, ColumnBlock]]:
    data = model_data(problem)
    blocks, columns = _lay_out_columns(data)
    owners = {family.owner: _lookup(data.sets[family.owner]) for family in data.families.values()}
    index = {parameter.name: parameter.index for parameter in PARAMETERS}
    tables = Tables(AXIS, len(data.sets[AXIS]), data.sets, data.families, owners, data.parameters, index, blocks)
    return tables, columns


def _families(tables: Tables, equations: Sequence[Equation] = CONSTRAINTS) -> Iterator[tuple[str, Rows]]:
    templates = _templates()
    for equation in equations:
        yield equation.name, evaluate(*templates.constraints[equation.name], equation.over, tables)


def _costs(
    tables: Tables, columns: dict[str, ColumnBlock], *, with_costs: bool
) -> tuple[FloatArray, dict[str, FloatArray]]:
    size = _column_count(columns)
    cost, costs = np.zeros(size), {}
    for name, expression in _templates().costs.items():
        part = np.zeros(size) if with_costs else cost
        for frame, column, coefficient, _, _ in evaluate_sum(expression, tables).terms:
            _accumulate(part, column, coefficient, frame.size)
        if with_costs:
            costs[name] = part
            cost += part
    return cost, costs


def _column_count(columns: dict[str, ColumnBlock]) -> int:
    return int(max(block.columns.stop for block in columns.values()))


@dataclass(frozen=True)
class _Templates:
    constraints: dict[str, tuple[Any, tuple[IndexTemplate, ...]]]
    costs: dict[str, Any]


@cache
def _templates() -> _Templates:
    """Templatize every rule on a skeleton: the model's components with one member each and no data."""
    skeleton = _skeleton()
    constraints = {}
    for equation in (*CONSTRAINTS, *TIGHTENING):
        over = [getattr(skeleton, name) for name in equation.over]
        index = over[0] if len(over) == 1 else over[0] * over[1]
        # Keep a nameless product of sets out of the way of Pyomo's component registry.
        constraints[equation.name] = templatize_rule(skeleton, _unpacked(equation.rule), index)
    costs = {cost.name: templatize_rule(skeleton, _unpacked(cost.rule), None)[0] for cost in COSTS}
    return _Templates(constraints, costs)


def _unpacked(rule: Any) -> Any:
    return lambda model, indices: rule(model, *indices)


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


def _emit(
    families: Iterator[tuple[str, Rows]],
) -> tuple[tuple[Int32Array, Int32Array, FloatArray], FloatArray, FloatArray, dict[str, RowBlock]]:
    """Write all families into one matrix by rows: sizes first, then each family into its place."""
    prepared = list(families)
    counts = [rows.axis_length * rows.base_size for _, rows in prepared]
    size = sum(_size(rows) for _, rows in prepared)
    starts = np.zeros(sum(counts) + 1, np.int32)
    indices, values = np.empty(size, np.int32), np.empty(size)
    row_lower, row_upper = np.empty(sum(counts)), np.empty(sum(counts))
    blocks, first, used = {}, 0, 0
    for (name, rows), count in zip(prepared, counts, strict=True):
        used = _fill(rows, used, starts[first : first + count + 1], indices, values)
        row_lower[first : first + count], row_upper[first : first + count] = _sides(rows)
        blocks[name] = _row_block(name, rows, first)
        first += count
    return (starts, indices[:used], values[:used]), row_lower, row_upper, blocks


def _sides(rows: Rows) -> tuple[FloatArray, FloatArray]:
    bound = np.ascontiguousarray(np.broadcast_to(rows.bound, (rows.axis_length, rows.base_size)), float).reshape(-1)
    return (bound if rows.is_equality else np.full(len(bound), -np.inf)), bound


def _row_block(name: str, rows: Rows, first: int) -> RowBlock:
    shape = (rows.axis_length, rows.base_size)
    return RowBlock(name, slice(first, first + rows.axis_length * rows.base_size), shape)


def _size(rows: Rows) -> int:
    """Entries that a family may have, before equal columns are summed and zeros dropped."""
    return sum(_shape(rows, term)[0] * len(term.row) for term in rows.terms)


def _shape(rows: Rows, term: Term) -> tuple[int, int]:
    along = max(rows.axis_length, len(term.column.along), len(term.coefficient))
    return along, len(term.row)


def _fill(rows: Rows, used: int, starts: Int32Array, indices: Int32Array, values: FloatArray) -> int:
    """Write one family from position `used`; return the position after it. `starts` covers this family's rows."""
    names = [term.variable for term in rows.terms]
    is_plain = (
        len(set(names)) == len(names)
        and all(term.has_distinct_columns for term in rows.terms)
        and all(np.count_nonzero(term.coefficient) == term.coefficient.size for term in rows.terms)
        and all(_shape(rows, term)[0] == rows.axis_length for term in rows.terms)
    )
    if not is_plain:
        return _fill_summed(rows, used, starts, indices, values)
    per_row = [np.bincount(term.row, minlength=rows.base_size) for term in rows.terms]
    total = np.sum(per_row, axis=0, dtype=np.int64) if per_row else np.zeros(rows.base_size, np.int64)
    first = np.concatenate(([0], np.cumsum(total)))
    width = int(first[-1])
    end = used + rows.axis_length * width
    starts[1:] = used + (np.arange(rows.axis_length)[:, None] * width + first[1:]).reshape(-1)
    starts[0] = used
    into_index = indices[used:end].reshape(rows.axis_length, width)
    into_value = values[used:end].reshape(rows.axis_length, width)
    before = np.zeros(rows.base_size, np.int64)
    for term, count in zip(rows.terms, per_row, strict=True):
        rank = np.arange(len(term.row)) - (np.cumsum(count) - count)[term.row]
        place = first[term.row] + before[term.row] + rank
        if width == len(place):
            np.add(term.column.along, term.column.base, out=into_index)
            into_value[:] = term.coefficient
        else:
            into_index[:, place] = term.column.along + term.column.base
            into_value[:, place] = term.coefficient
        before += count
    return int(end)


def _fill_summed(rows: Rows, used: int, starts: Int32Array, indices: Int32Array, values: FloatArray) -> int:
    """Write a family in which a column may come twice in a row, or a coefficient be zero: sum and drop."""
    parts = []
    for term in rows.terms:
        shape = _shape(rows, term)
        row = term.row[None, :] + (np.arange(rows.axis_length) * rows.base_size)[:, None]
        column = term.column.along + term.column.base
        parts.append([np.broadcast_to(array, shape).reshape(-1) for array in (row, column, term.coefficient)])
    row, column, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    width = int(column.max(initial=0)) + 1
    matrix = sp.csr_array((value, (row, column)), shape=(rows.base_size * rows.axis_length, width))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    end = used + matrix.nnz
    starts[:] = used + matrix.indptr
    indices[used:end] = matrix.indices
    values[used:end] = matrix.data
    return int(end)

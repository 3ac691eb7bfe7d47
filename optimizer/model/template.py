"""
Evaluate a templatized Pyomo rule over index tables.

Pyomo turns a rule into one expression whose indices are placeholders (`templatize_rule`). Here that expression is
evaluated once with arrays in the placeholders' place and gives the linear terms of all rows of the constraint
family together. One index set, the *axis*, is kept as a dimension of its own: arrays have shape (T or 1, m or 1),
so what does not depend on the axis is computed once and not T times. Nothing here knows what a model is about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.model.data import Family, Int32Array
from optimizer.model.light_pyomo import (
    EqualityExpression,
    GetItemExpression,
    IndexTemplate,
    InequalityExpression,
    Param,
    Set,
    TemplateSumExpression,
    Var,
)
from optimizer.model.light_pyomo import numeric_expr as ne

Array = npt.NDArray[Any]


class TemplateError(TypeError):
    """A rule holds an expression that the columnar evaluation cannot read."""


@dataclass(frozen=True)
class VariableBlock:
    """Where a variable's columns lie: `offset + axis * len(rows) + position`, position looked up by base index."""

    name: str
    offset: int
    lookup: Int32Array | None  # position by index tuple, -1 where absent; None: the index is the position
    size: int
    axis_place: int | None  # which of its indices is the axis


@dataclass(frozen=True)
class Tables:
    """What a template's names stand for: sets, families, parameters (axis first) and variable blocks."""

    axis: str
    axis_length: int
    sets: Mapping[str, Int32Array]
    families: Mapping[str, Family]
    owner_lookup: Mapping[str, Int32Array]
    parameters: Mapping[str, Array]
    parameter_index: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, VariableBlock]


@dataclass(frozen=True)
class Columns:
    """Column numbers `along + base`, kept apart until they are written: (T or 1, 1) and (1, m or 1)."""

    along: Int32Array
    base: Int32Array


@dataclass(frozen=True)
class Term:
    """Linear terms: `coefficient * column` in row `row`; all broadcast to (T or 1, m)."""

    row: Int32Array  # (m,) row of the family, axis apart; ascending
    column: Columns
    coefficient: Array
    variable: str
    has_distinct_columns: bool


@dataclass
class _Frame:
    """The rows being evaluated: placeholder values, the family row of each, and the enclosing frame's row of each."""

    size: int
    values: dict[int, Array]
    row: Int32Array
    parent: _Frame | None = None
    parent_row: Int32Array | None = None
    sums_axis: bool = False
    summed: frozenset[int] = frozenset()

    def seen_from(self, outer: _Frame, array: Array) -> Array:
        """Carry an array of the enclosing frame into this one."""
        if self is outer or array.shape[1] == 1:
            return array
        if self.parent is None or self.parent_row is None:
            raise AssertionError("frames are nested")
        return self.parent.seen_from(outer, array)[:, self.parent_row]


@dataclass
class Linear:
    """A constant and linear terms, each with the frame its arrays belong to."""

    constant: Array
    terms: list[tuple[_Frame, Columns, Array, str, bool]]


def evaluate(relation: Any, indices: Sequence[IndexTemplate], over: Sequence[str], tables: Tables) -> Rows:
    """
    Evaluate a templatized constraint over all its rows.

    Parameters
    ----------
    relation
        Pyomo relational expression from `templatize_rule`.
    over
        Names of the sets it runs over; the axis, if among them, comes last.

    Returns
    -------
    Rows
        Terms and bounds of all rows; with the axis, row numbers are `axis * base_size + base`.

    Raises
    ------
    TemplateError
        If the rule uses an expression that is not linear or not known.
    """
    evaluator = _Evaluator(tables)
    has_axis = tables.axis in over
    base = [tables.sets[name] for name in over if name != tables.axis]
    if len(base) != 1 or (has_axis and over[-1] != tables.axis):
        raise TemplateError(f"index sets {tuple(over)}: one set, then {tables.axis} if any, is what can be compiled")
    size = len(base[0])
    values: dict[int, Array] = {
        id(index): column.reshape(1, -1) for index, column in zip(indices, base[0].T, strict=False)
    }
    if has_axis:
        values[id(indices[-1])] = np.arange(tables.axis_length, dtype=np.int32).reshape(-1, 1)
    frame = _Frame(size, values, np.arange(size, dtype=np.int32))
    if isinstance(relation, EqualityExpression):
        is_equality = True
    elif isinstance(relation, InequalityExpression):
        is_equality = False
    else:
        raise TemplateError(f"{type(relation).__name__} is not a constraint: {relation}")
    left, right = (evaluator.linear(arg, frame) for arg in relation.args)
    terms = [Term(f.row, column, number, name, distinct) for f, column, number, name, distinct in left.terms]
    terms += [Term(f.row, column, -number, name, distinct) for f, column, number, name, distinct in right.terms]
    return Rows(size, tables.axis_length if has_axis else 1, terms, right.constant - left.constant, is_equality)


def evaluate_sum(expression: Any, tables: Tables) -> Linear:
    """Evaluate a templatized expression without indices (an objective component)."""
    frame = _Frame(1, {}, np.zeros(1, np.int32))
    return _Evaluator(tables).linear(expression, frame)


@dataclass(frozen=True)
class Rows:
    """All rows of one constraint family: `sum of terms (= or <=) bound`, bound (T or 1, m or 1)."""

    base_size: int
    axis_length: int
    terms: list[Term]
    bound: Array
    is_equality: bool


class _Evaluator:
    """Recursive evaluation of one template against `Tables`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def linear(self, node: Any, frame: _Frame) -> Linear:
        """Evaluate a node to a constant and linear terms."""
        if not _is_variable(node):
            return Linear(self.number(node, frame), [])
        if isinstance(node, GetItemExpression):
            return self._variable(node, frame)
        if isinstance(node, TemplateSumExpression):
            inner = self._open_sum(node, frame)
            body = self.linear(node._local_args_[0], inner)
            return Linear(self._collect(body.constant, inner, frame), body.terms)
        if isinstance(node, ne.SumExpression):
            return _add([self.linear(arg, frame) for arg in node.args])
        return self._scaled(node, frame)

    def number(self, node: Any, frame: _Frame) -> Array:
        """Evaluate a node that holds no variable to an array (T or 1, m or 1)."""
        if isinstance(node, int | float | np.number):
            return np.full((1, 1), float(node))
        if isinstance(node, IndexTemplate):
            return frame.values[id(node)]
        if isinstance(node, GetItemExpression):
            return self._parameter(node.arg(0), [self.number(arg, frame) for arg in node.args[1:]])
        if isinstance(node, TemplateSumExpression):
            inner = self._open_sum(node, frame)
            return self._collect(self.number(node._local_args_[0], inner), inner, frame)
        for kinds, combine in _ARITHMETIC:
            if isinstance(node, kinds):
                parts: Any = node
                return np.asarray(combine([self.number(arg, frame) for arg in parts.args]))
        return self._parameter(_scalar_parameter(node), [])

    def _scaled(self, node: Any, frame: _Frame) -> Linear:
        """Evaluate a variable part times a number."""
        if isinstance(node, ne.NegationExpression):
            return _scale(self.linear(node.arg(0), frame), np.full((1, 1), -1.0), frame)
        if not isinstance(node, ne.ProductExpression | ne.DivisionExpression):
            raise TemplateError(f"{type(node).__name__} cannot be compiled: {node}")
        part, factor = node.args
        is_division = isinstance(node, ne.DivisionExpression)
        if _is_variable(factor) and not is_division:
            part, factor = factor, part
        if _is_variable(factor):
            raise TemplateError(f"a product or quotient of two variables is not linear: {node}")
        number = self.number(factor, frame)
        return _scale(self.linear(part, frame), 1.0 / number if is_division else number, frame)

    def _parameter(self, component: Any, indices: list[Array]) -> Array:
        name = component.local_name
        values = self._tables.parameters[name]
        index_sets = self._tables.parameter_index[name]
        if not indices:
            return values.reshape(1, 1)
        if index_sets[-1] == self._tables.axis:
            indices = [indices[-1], *indices[:-1]]
        return _gather(values, [index.astype(np.intp, copy=False) for index in indices])

    def _variable(self, node: Any, frame: _Frame) -> Linear:
        name = node.arg(0).local_name
        block = self._tables.variables[name]
        indices = [self.number(arg, frame) for arg in node.args[1:]]
        along: Array = np.zeros((1, 1), np.int32)
        if block.axis_place is not None:
            along = indices.pop(block.axis_place).astype(np.int32, copy=False)
        if block.lookup is None:
            position = indices[0]
        else:
            position = _gather(block.lookup, [index.astype(np.intp, copy=False) for index in indices])
            if position.size and position.min() < 0:
                raise TemplateError(f"{node} points at an index that {name} does not have")
        if self._tables.axis_length * block.size + block.offset > np.iinfo(np.int32).max:
            raise TemplateError(f"{name}: more columns than 32-bit indices can number")
        along = along * np.int32(block.size)
        place = position.astype(np.int32, copy=False) + np.int32(block.offset)
        if place.shape[0] > 1:  # the position itself runs along the axis: Peak[d, billing_of[t]]
            along, place = along + place, np.zeros((1, 1), np.int32)
        column = Columns(along, place)
        # Each summation index being an index of the variable itself, no column can come twice in a row.
        distinct = frame.summed <= {id(arg) for arg in node.args[1:]}
        return Linear(np.zeros((1, 1)), [(frame, column, np.ones((1, 1)), name, distinct)])

    def _open_sum(self, node: TemplateSumExpression, frame: _Frame) -> _Frame:
        """Open a frame with one row for each member of the summation sets, row by row of the enclosing frame."""
        current = frame
        for group in node.template_iters():
            current = self._extend(current, group)
        # Several groups make a chain of frames; the caller sees one whose enclosing frame is `frame`.
        if current.parent is not None and current.parent is not frame:
            row = current.parent_row
            step = current.parent
            while step is not frame and step.parent is not None:
                row = row if step.parent_row is None else step.parent_row[row]
                step = step.parent
            current = _Frame(current.size, current.values, current.row, frame, row, current.sums_axis, current.summed)
        return current

    def _extend(self, frame: _Frame, group: tuple[IndexTemplate, ...]) -> _Frame:
        source: Any = group[0]._set  # noqa: SLF001 - the only access Pyomo gives
        if isinstance(source, Set) and source.local_name == self._tables.axis:
            if frame.sums_axis or any(value.shape[0] > 1 for value in frame.values.values()):
                raise TemplateError(f"a second sum over {self._tables.axis} in one row cannot be compiled")
            steps = np.arange(self._tables.axis_length, dtype=np.int32).reshape(-1, 1)
            identity = np.arange(frame.size, dtype=np.int32)
            values = {**frame.values, id(group[0]): steps}
            summed = frame.summed | {id(group[0])}
            return _Frame(frame.size, values, frame.row, frame, identity, sums_axis=True, summed=summed)
        if isinstance(source, Set):
            members = self._tables.sets[source.local_name]
            counts = np.full(frame.size, len(members))
            taken = np.tile(np.arange(len(members)), frame.size)
        elif isinstance(source, GetItemExpression):
            family = self._tables.families[source.arg(0).local_name]
            keys = [self.number(arg, frame) for arg in source.args[1:]]
            if any(key.shape[0] > 1 for key in keys):
                raise TemplateError(f"{source} depends on {self._tables.axis}: cannot be compiled")
            lookup = self._tables.owner_lookup[family.owner]
            owner = np.broadcast_to(_gather(lookup, [k.astype(np.intp, copy=False) for k in keys]), (1, frame.size))[0]
            first, last = family.starts[owner], family.starts[owner + 1]
            counts = np.where(owner < 0, 0, last - first)
            taken = _ranges(np.where(owner < 0, 0, first), counts)
            members = family.members
        else:
            raise TemplateError(f"a sum over {source} cannot be compiled")
        parent_row = np.repeat(np.arange(frame.size, dtype=np.int32), counts)
        values = {key: value if value.shape[1] == 1 else value[:, parent_row] for key, value in frame.values.items()}
        chosen = members[taken]
        for place, index in enumerate(group):
            values[id(index)] = chosen[:, place].reshape(1, -1)
        summed = frame.summed | {id(index) for index in group}
        return _Frame(len(parent_row), values, frame.row[parent_row], frame, parent_row, frame.sums_axis, summed)

    def _collect(self, value: Array, inner: _Frame, outer: _Frame) -> Array:
        """Sum an array of the inner frame over the rows of each outer row."""
        if inner.sums_axis and not outer.sums_axis:
            value = np.broadcast_to(value, (self._tables.axis_length, value.shape[1])).sum(axis=0, keepdims=True)
        if not value.any():
            return np.zeros((1, 1))
        value = np.broadcast_to(value, (value.shape[0], inner.size))
        out = np.zeros((value.shape[0], outer.size))
        np.add.at(out.T, np.asarray(inner.parent_row), value.T)
        return out


_ARITHMETIC: tuple[tuple[tuple[type, ...], Callable[[list[Array]], Array]], ...] = (
    ((ne.ProductExpression, ne.NPV_ProductExpression), lambda args: args[0] * args[1]),
    ((ne.DivisionExpression, ne.NPV_DivisionExpression), lambda args: args[0] / args[1]),
    ((ne.NegationExpression, ne.NPV_NegationExpression), lambda args: -args[0]),
    ((ne.SumExpression, ne.NPV_SumExpression), lambda args: reduce(np.add, args)),
)


def _scalar_parameter(node: Any) -> Any:
    """Return the parameter that a node without indices stands for."""
    if isinstance(node, Param):
        return node
    if hasattr(node, "is_indexed") and not node.is_indexed() and hasattr(node, "parent_component"):
        return node.parent_component()
    raise TemplateError(f"{type(node).__name__} cannot be compiled: {node}")


def _is_variable(node: Any) -> bool:
    return bool(getattr(node, "is_potentially_variable", lambda: False)()) or (
        isinstance(node, GetItemExpression) and isinstance(node.arg(0), Var)
    )


def _add(parts: list[Linear]) -> Linear:
    constant = parts[0].constant
    for part in parts[1:]:
        constant = constant + part.constant
    return Linear(constant, [term for part in parts for term in part.terms])


def _scale(value: Linear, factor: Array, frame: _Frame) -> Linear:
    terms = [(f, col, _times(coef, f.seen_from(frame, factor)), n, d) for f, col, coef, n, d in value.terms]
    # Most have no constant: it need not become an array of zeros for each slice.
    return Linear(value.constant * factor if value.constant.any() else value.constant, terms)


def _times(coefficient: Array, factor: Array) -> Array:
    """Multiply; a variable alone has the coefficient 1, and factors are large."""
    is_one = coefficient.size == 1 and coefficient[0, 0] == 1.0
    return factor.astype(float, copy=False) if is_one else coefficient * factor


def _gather(values: Array, indices: list[Array]) -> Array:
    """Take `values[i, j, ...]` with broadcasting indices; an axis index that is 0..T-1 is a plain slice."""
    first = indices[0]
    if len(indices) == 2 and first.shape[1] == 1 and first.shape[0] == values.shape[0]:  # noqa: PLR2004 - axis, base
        rows = values if np.array_equal(first[:, 0], np.arange(len(first))) else values[first[:, 0]]
        return np.asarray(np.take(rows, indices[1][0], axis=1))
    return np.asarray(values[tuple(indices)])


def _ranges(first: Array, counts: Array) -> Array:
    """Concatenate ranges `first[i] .. first[i] + counts[i] - 1`."""
    total = int(counts.sum())
    shift = np.repeat(first - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
    return np.asarray(np.arange(total) + shift)

"""
A linear program made smaller where that loses nothing, and the duals of what was removed.

With the integers held, most columns are closed (nothing is routed to where a class is not deployed) and most rows are
bounds of single columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.compile import CompiledModel
from optimizer.problem import FloatArray, IntArray

# A right side this far below zero (relative to the row) is rounding of the integers' own row, not a contradiction.
ROUNDING = 1e-9


class PolishError(ValueError):
    """The integers leave no feasible plan, or the solver found no optimum."""


@dataclass(frozen=True)
class ReducedProgram:
    """The program that is left: kept rows and columns, bounds, and the removed row that bounds each free column."""

    free: IntArray  # columns that are not integer
    is_kept_row: npt.NDArray[np.bool_]
    is_kept_column: npt.NDArray[np.bool_]  # of `free`
    upper: FloatArray  # of `free`
    bounding_row: IntArray  # of `free`: -1 where the column's own bound holds
    bounding_value: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray


def reduce_program(
    compiled: CompiledModel, body: sp.csr_array, moved: FloatArray, stays: npt.NDArray[np.bool_]
) -> ReducedProgram:
    """
    Turn rows into bounds where that loses nothing.

    A row `sum of a x <= b` with a > 0 over columns >= 0 is the bound x <= b / a if it has one column, and closes all
    of its columns if b = 0; either way the row can go, unless it is one that `stays`.
    """
    lower, upper = compiled.row_lower - moved, compiled.row_upper - moved
    counts = np.diff(body.indptr)
    row_of = np.repeat(np.arange(len(counts)), counts)
    size = np.zeros(len(counts))
    np.maximum.at(size, row_of, np.abs(body.data))
    slack = ROUNDING * np.maximum(1.0, np.maximum(size, np.abs(moved)))
    empty = counts == 0
    broken = empty & ((upper < -slack) | (lower > slack))
    if broken.any():
        raise PolishError(f"the integers alone break {_where(compiled, broken)}")
    has_negative = np.bincount(row_of, body.data <= 0, len(counts)) > 0
    packs = ~empty & np.isneginf(lower) & ~has_negative
    upper = np.where(packs & (np.abs(upper) <= slack), 0.0, upper)
    broken = packs & (upper < 0)
    if broken.any():
        raise PolishError(f"the integers leave less than nothing for {_where(compiled, broken)}")
    removed = packs & ~stays & ((counts == 1) | (upper == 0))
    free = np.flatnonzero(~compiled.is_integer)
    bound, bounding_row = compiled.upper[free].copy(), np.full(len(free), -1)
    bounding_value = np.ones(len(free))
    entry = np.flatnonzero(removed[row_of])
    limit = upper[row_of[entry]] / body.data[entry]
    order = np.argsort(-limit, kind="stable")  # the tightest is written last
    entry, limit = entry[order], limit[order]
    binds = limit < bound[body.indices[entry]]
    entry, limit = entry[binds], limit[binds]
    column = body.indices[entry]
    bound[column], bounding_row[column], bounding_value[column] = limit, row_of[entry], body.data[entry]
    # A bound that a balance implies (no workload gets more than it asks for) would only share the balance's dual.
    # Loosened it never binds; dropped altogether, the dual simplex would take twice as long.
    implied = (bound > 0) & (_implied_bounds(body, row_of, lower, upper, has_negative) <= bound * (1 + ROUNDING))
    bound[implied], bounding_row[implied] = 2.0 * bound[implied], -1
    return ReducedProgram(free, ~removed & ~empty, bound > 0, bound, bounding_row, bounding_value, lower, upper)


def _implied_bounds(
    body: sp.csr_array, row_of: IntArray, lower: FloatArray, upper: FloatArray, has_negative: npt.NDArray[np.bool_]
) -> FloatArray:
    """Most that each column can be by the equalities that add up nothing but columns."""
    entry = np.flatnonzero(((lower == upper) & ~has_negative)[row_of])
    most = np.full(body.shape[1], np.inf)
    np.minimum.at(most, body.indices[entry], upper[row_of[entry]] / body.data[entry])
    return most


def price_idle_rows(
    compiled: CompiledModel, body: sp.csr_array, reduced: ReducedProgram, values: FloatArray, row_dual: FloatArray
) -> None:
    """
    Let idle rows pass on what the first unit through them would cost, in place.

    Where nothing flows, a solver may price accelerators and processing at nothing just as well as at their cost, and a
    closed deployment would look as if its work ran for free. So the dual of each row `inflow - capacity <= 0` whose
    columns are all 0 is lowered until its capacity earns its cost; the duals stay optimal. Later equations feed
    earlier ones (peak, accelerators, processing), hence the order.
    """
    reduced_cost = compiled.cost[reduced.free] - body.T @ row_dual
    touched = abs(body) @ np.abs(values) > 0
    idle = reduced.is_kept_row & (reduced.row_upper == 0) & ~touched
    for block in reversed(compiled.rows.values()):
        rows = block.rows.start + np.flatnonzero(idle[block.rows])
        part = sp.csr_array(body[rows])
        row_of = np.repeat(np.arange(len(rows)), np.diff(part.indptr))
        capacity = part.data < 0
        has_inflow = np.bincount(row_of[~capacity], minlength=len(rows)) > 0
        column = part.indices[capacity]
        sharing = np.bincount(column, minlength=len(values))[column]
        room = np.full(len(rows), np.inf)
        np.minimum.at(room, row_of[capacity], reduced_cost[column] / (-part.data[capacity] * sharing))
        drop = np.where(has_inflow & np.isfinite(room), np.maximum(room, 0.0), 0.0)
        row_dual[rows] -= drop
        reduced_cost += part.T @ drop


def price_removed_rows(
    compiled: CompiledModel, body: sp.csr_array, reduced: ReducedProgram, row_dual: FloatArray
) -> None:
    """
    Give each removed row the dual that its columns ask for, in place.

    A column held down by the row has a negative reduced cost; the row takes the largest of them over, after which no
    reduced cost of a column at zero is negative and no column is held by anything but its own bound.
    """
    held = np.flatnonzero(reduced.bounding_row >= 0)
    cost = compiled.cost[reduced.free]
    price = (cost - body.T @ row_dual)[held] / reduced.bounding_value[held]
    np.minimum.at(row_dual, reduced.bounding_row[held], np.minimum(price, 0.0))


def _where(compiled: CompiledModel, rows: npt.NDArray[np.bool_]) -> str:
    """Count rows by equation: "3 rows of deploy_where_open"."""
    counts = {name: int(rows[block.rows].sum()) for name, block in compiled.rows.items()}
    return ", ".join(f"{count} row(s) of {name}" for name, count in counts.items() if count)

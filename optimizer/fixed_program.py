"""
The linear program that is left when the integers are held, and what small changes of its limits are worth.

Most of its columns can be closed before a solver sees it (nothing is routed to where a class is not deployed), so that
it takes a second at full size. The solver stays alive: a changed limit is solved again from where it stands, in
hundredths of a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.compile import CompiledModel
from optimizer.extract import round_integers
from optimizer.failover import NoFailoverError, hold_failover, with_failover
from optimizer.highs import is_infeasible, is_optimal, new_highs, pass_rows
from optimizer.problem import FloatArray, IntArray

# Costs go to the solver in thousands: its dual tolerance of 1e-7 is then 0.0001 CNY per year and unit of a column.
CNY_PER_COST_UNIT = 1e3
# A right side this far below zero (relative to the row) is rounding of the integers' own row, not a contradiction.
ROUNDING = 1e-9
# A dual below this many CNY per year and unit is rounding.
NO_PRICE_CNY = 1e-6


class PolishError(ValueError):
    """The integers leave no feasible plan, or the solver found no optimum."""


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """
    Optimum for the integers held.

    Attributes
    ----------
    columns
        (columns,) value of each column of the compiled model.
    row_duals
        (rows,) CNY per year and unit of the right side: duals of the whole program, removed rows included.
    kept_row_duals
        (rows,) the same before removed rows got theirs: what a column that is closed would have to pay.
    cost_cny
        CNY per year, integers included.
    """

    columns: FloatArray
    row_duals: FloatArray
    kept_row_duals: FloatArray
    cost_cny: float


@dataclass(frozen=True)
class _Reduced:
    """The program that is left: kept rows and columns, bounds, and the removed row that bounds each free column."""

    free: IntArray  # columns that are not integer
    is_kept_row: npt.NDArray[np.bool_]
    is_kept_column: npt.NDArray[np.bool_]  # of `free`
    upper: FloatArray  # of `free`
    bounding_row: IntArray  # of `free`: -1 where the column's own bound holds
    bounding_value: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray


class FixedProgram:
    """
    The program that is left when the integers are held.

    Parameters
    ----------
    compiled
        From `compile_model`.
    integers
        (columns,) solution vector; only its integers are read, rounded by halves.
    seed
        Random seed of the solver.
    stays
        (rows,) rows to keep as they are, so that `cost_with_more` can move their right side.
    closed
        Columns held at zero until `cost_with_open` opens them.

    Raises
    ------
    PolishError
        If the integers alone break a row, or an outage cannot be survived with them.
    """

    def __init__(
        self,
        compiled: CompiledModel,
        integers: FloatArray,
        *,
        seed: int = 1,
        stays: npt.NDArray[np.bool_] | None = None,
        closed: IntArray | None = None,
    ) -> None:
        self.compiled = compiled
        self.integers: FloatArray = np.where(compiled.is_integer, round_integers(compiled, integers), 0.0)
        rows, columns = len(compiled.row_upper), len(compiled.cost)
        self.matrix = sp.csr_array((compiled.values, compiled.indices, compiled.starts), shape=(rows, columns))
        try:
            # What outages need follows from the integers alone and costs nothing: it is no part of the program.
            self.integers = with_failover(compiled, self.integers, seed=seed)
        except NoFailoverError as error:
            raise PolishError(str(error)) from error
        held = hold_failover(compiled)
        self._body = sp.csr_array(self.matrix[:, np.flatnonzero(~held.is_integer)])
        none = np.zeros(rows, np.bool_)
        self._reduced = _reduce(held, self._body, self.matrix @ self.integers, none if stays is None else stays)
        self._seed = seed
        self._closed = np.zeros(0, np.int64) if closed is None else closed
        self._highs: highspy.Highs | None = None
        self._cost_units = np.inf

    def solve(self) -> FixedPoint:
        """
        Solve the program.

        Raises
        ------
        PolishError
            If no plan has these integers.
        """
        reduced, compiled = self._reduced, self.compiled
        highs = self._load()
        self._run(highs)
        if is_infeasible(highs):
            raise PolishError("no plan has these integers")
        solution = highs.getSolution()
        self._cost_units = highs.getInfo().objective_function_value
        x = self.integers.copy()
        x[reduced.free[reduced.is_kept_column]] = np.array(solution.col_value)
        row_dual = np.zeros(len(compiled.row_upper))
        row_dual[reduced.is_kept_row] = np.array(solution.row_dual) * CNY_PER_COST_UNIT
        _price_idle_rows(compiled, self._body, reduced, x[reduced.free], row_dual)
        kept = row_dual.copy()
        _price_removed_rows(compiled, self._body, reduced, row_dual)
        row_dual[np.abs(row_dual) < NO_PRICE_CNY] = 0.0
        return FixedPoint(x, row_dual, kept, float(compiled.cost @ x))

    @property
    def has_free_columns(self) -> npt.NDArray[np.bool_]:
        """(rows,) whether anything but integers stands in a row."""
        return np.asarray(np.diff(self._body.indptr) > 0)

    def saving_with_more(self, rows: IntArray, more: FloatArray) -> float:
        """
        Solve again with more on the right side of some rows, which must be among those that stay.

        Returns
        -------
        float
            What the optimum falls by, CNY per year; minus infinity if nothing is feasible then. The program is left
            as it was.
        """
        highs, reduced = self._solved(), self._reduced
        at = (np.cumsum(reduced.is_kept_row) - 1)[rows].astype(np.int32)
        if not reduced.is_kept_row[rows].all():
            raise ValueError("only rows that stay can be moved")
        lower, upper = reduced.row_lower[rows], reduced.row_upper[rows]
        for row, low, high in zip(at, lower + more, upper + more, strict=True):
            highs.changeRowBounds(int(row), low, high)
        self._run(highs)
        saving = self._saving(highs)
        for row, low, high in zip(at, lower, upper, strict=True):
            highs.changeRowBounds(int(row), low, high)
        return saving

    def saving_with_open(self, columns: IntArray) -> float:
        """
        Solve again with some of the closed columns open; the program is left as it was.

        Returns
        -------
        float
            What the optimum falls by, CNY per year.
        """
        highs = self._solved()
        at = self._positions(columns)
        is_there = at >= 0
        at = at[is_there]
        upper = self._upper()[at]
        zeros = np.zeros(len(at))
        highs.changeColsBounds(len(at), at, zeros, upper)
        self._run(highs)
        saving = self._saving(highs)
        highs.changeColsBounds(len(at), at, zeros, zeros)
        return saving

    def reduced_cost(self, point: FixedPoint, columns: IntArray) -> FloatArray:
        """
        Price columns, open or closed, at the duals of the rows that were kept.

        Returns
        -------
        ndarray
            CNY per year and unit; negative where a closed column would be used if it were open.
        """
        part = self.matrix[:, columns]
        return np.asarray(self.compiled.cost[columns] - part.T @ point.kept_row_duals)

    def _load(self) -> highspy.Highs:
        """Hand the reduced program to a solver, with the closed columns at zero."""
        reduced, compiled = self._reduced, self.compiled
        kept, free = reduced.is_kept_column, reduced.free
        matrix = sp.csr_array(self._body[reduced.is_kept_row][:, np.flatnonzero(kept)])
        upper = self._upper()
        closed = self._positions(self._closed)
        upper[closed[closed >= 0]] = 0.0
        highs = new_highs(seed=self._seed, solver="simplex")
        pass_rows(
            highs,
            cost=compiled.cost[free][kept] / CNY_PER_COST_UNIT,
            lower=compiled.lower[free][kept],
            upper=upper,
            row_lower=reduced.row_lower[reduced.is_kept_row],
            row_upper=reduced.row_upper[reduced.is_kept_row],
            starts=matrix.indptr.astype(np.int32),
            indices=matrix.indices.astype(np.int32),
            values=matrix.data,
        )
        self._highs = highs
        return highs

    def _upper(self) -> FloatArray:
        return self._reduced.upper[self._reduced.is_kept_column]

    def _positions(self, columns: IntArray) -> npt.NDArray[np.int32]:
        """Positions of columns in the reduced program, -1 for one that is not there."""
        position = np.full(len(self.compiled.cost), -1, np.int32)
        kept = self._reduced.free[self._reduced.is_kept_column]
        position[kept] = np.arange(len(kept))
        return np.asarray(position[columns])

    def _solved(self) -> highspy.Highs:
        if self._highs is None:
            self.solve()
        if self._highs is None:
            raise AssertionError("a solved program has a solver")
        return self._highs

    def _run(self, highs: highspy.Highs) -> None:
        highs.run()
        if not is_optimal(highs) and not is_infeasible(highs):
            highs.clearSolver()
            highs.run()
        if not is_optimal(highs) and not is_infeasible(highs):
            raise PolishError(f"HiGHS stopped with {highs.getModelStatus()}")

    def _saving(self, highs: highspy.Highs) -> float:
        if is_infeasible(highs):
            return -np.inf
        return float(self._cost_units - highs.getInfo().objective_function_value) * CNY_PER_COST_UNIT


def _reduce(compiled: CompiledModel, body: sp.csr_array, moved: FloatArray, stays: npt.NDArray[np.bool_]) -> _Reduced:
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
    return _Reduced(free, ~removed & ~empty, bound > 0, bound, bounding_row, bounding_value, lower, upper)


def _implied_bounds(
    body: sp.csr_array, row_of: IntArray, lower: FloatArray, upper: FloatArray, has_negative: npt.NDArray[np.bool_]
) -> FloatArray:
    """Most that each column can be by the equalities that add up nothing but columns."""
    entry = np.flatnonzero(((lower == upper) & ~has_negative)[row_of])
    most = np.full(body.shape[1], np.inf)
    np.minimum.at(most, body.indices[entry], upper[row_of[entry]] / body.data[entry])
    return most


def _price_idle_rows(
    compiled: CompiledModel, body: sp.csr_array, reduced: _Reduced, values: FloatArray, row_dual: FloatArray
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


def _price_removed_rows(compiled: CompiledModel, body: sp.csr_array, reduced: _Reduced, row_dual: FloatArray) -> None:
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

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
from optimizer.highs import is_infeasible, new_highs, pass_rows, run_until_optimal
from optimizer.problem import FloatArray, IntArray
from optimizer.reduced_program import PolishError, price_idle_rows, price_removed_rows, reduce_program

__all__ = ["FixedPoint", "FixedProgram", "PolishError", "reduced_costs"]

# Costs go to the solver in thousands: its dual tolerance of 1e-7 is then 0.0001 CNY per year and unit of a column.
CNY_PER_COST_UNIT = 1e3
# A dual below this many CNY per year and unit is rounding.
NO_PRICE_CNY = 1e-6


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
        (rows,) rows to keep as they are, so that `saving_with_more` can move their right side.
    closed
        Columns held at zero until `saving_with_open` opens them.
    like
        A solved program of the same model with other integers or bounds, to start from where it ended.

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
        like: FixedProgram | None = None,
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
        self._reduced = reduce_program(held, self._body, self.matrix @ self.integers, none if stays is None else stays)
        self._seed = seed
        self._closed = np.zeros(0, np.int64) if closed is None else closed
        self._like = like
        self._highs: highspy.Highs | None = None
        self._basis: highspy.HighsBasis | None = None
        self._point: FixedPoint | None = None
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
        if self._like is not None:
            self._start_like(highs, self._like)
        self._run(highs)
        if is_infeasible(highs):
            raise PolishError("no plan has these integers")
        solution = highs.getSolution()
        self._cost_units, self._basis = highs.getInfo().objective_function_value, highs.getBasis()
        x = self.integers.copy()
        x[reduced.free[reduced.is_kept_column]] = np.array(solution.col_value)
        row_dual = np.zeros(len(compiled.row_upper))
        row_dual[reduced.is_kept_row] = np.array(solution.row_dual) * CNY_PER_COST_UNIT
        price_idle_rows(compiled, self._body, reduced, x[reduced.free], row_dual)
        kept = row_dual.copy()
        price_removed_rows(compiled, self._body, reduced, row_dual)
        row_dual[np.abs(row_dual) < NO_PRICE_CNY] = 0.0
        self._point = FixedPoint(x, row_dual, kept, float(compiled.cost @ x))
        return self._point

    @property
    def has_free_columns(self) -> npt.NDArray[np.bool_]:
        """(rows,) whether anything but integers stands in a row."""
        return np.asarray(np.diff(self._body.indptr) > 0)

    @property
    def point(self) -> FixedPoint:
        """Optimum; solves the program if need be."""
        return self.solve() if self._point is None else self._point

    @property
    def basis(self) -> highspy.HighsBasis:
        """Basis of the optimum; solves the program if need be."""
        self._solved()
        if self._basis is None:
            raise AssertionError("a solved program has a basis")
        return self._basis

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
        saving = self._saving(highs)
        highs.changeColsBounds(len(at), at, zeros, zeros)
        return saving

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

    def _start_like(self, highs: highspy.Highs, like: FixedProgram) -> None:
        """Take over what was basic; columns and rows that the other program lacked are at a bound and basic."""
        basis, old, new = like.basis, like._reduced, self._reduced
        status = highspy.HighsBasisStatus
        columns = np.full(len(self.compiled.cost), status.kLower, dtype=object)
        rows = np.full(len(self.compiled.row_upper), status.kBasic, dtype=object)
        columns[old.free[old.is_kept_column]] = np.array(basis.col_status, dtype=object)
        rows[old.is_kept_row] = np.array(basis.row_status, dtype=object)
        start = highspy.HighsBasis()
        start.col_status = columns[new.free[new.is_kept_column]].tolist()
        start.row_status = rows[new.is_kept_row].tolist()
        start.valid, start.alien = True, True
        highs.setBasis(start)

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
        if not run_until_optimal(highs, trusts_infeasible=True) and not is_infeasible(highs):
            raise PolishError(f"HiGHS stopped with {highs.getModelStatus()}")

    def _saving(self, highs: highspy.Highs) -> float:
        # From the optimum of the program as it was: shorter than from wherever the last change led.
        highs.setBasis(self.basis)
        self._run(highs)
        if is_infeasible(highs):
            return -np.inf
        return float(self._cost_units - highs.getInfo().objective_function_value) * CNY_PER_COST_UNIT


def reduced_costs(compiled: CompiledModel, row_duals: FloatArray, columns: IntArray) -> FloatArray:
    """
    Price columns at some duals.

    Parameters
    ----------
    compiled
        The model.
    row_duals
        (rows,) duals.
    columns
        Columns, open or closed.

    Returns
    -------
    ndarray
        CNY per year and unit; negative where a closed column would be used if it were open.
    """
    shape = (len(compiled.row_upper), len(compiled.cost))
    matrix = sp.csr_array((compiled.values, compiled.indices, compiled.starts), shape=shape)
    return np.asarray(compiled.cost[columns] - (matrix.T @ row_duals)[columns])

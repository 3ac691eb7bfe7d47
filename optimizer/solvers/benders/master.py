"""The master problem: what is open, deployed and bought, with each part's cost bounded from below by cuts."""

from __future__ import annotations

import time
from collections.abc import Sequence

import highspy
import numpy as np
import scipy.sparse as sp

from optimizer.model.compile import CompiledModel
from optimizer.problem.problem import FloatArray, IntArray
from optimizer.solvers.benders.blocks import Master
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.highs import (
    INFINITY,
    UnsolvedError,
    is_infeasible,
    new_highs,
    pass_model,
    run_once,
    run_until_optimal,
    within,
)

# Without crossover HiGHS calls most interior-point answers "unknown": their duals are not exact, which we allow for.
_ANSWERED = (
    highspy.HighsModelStatus.kOptimal,
    highspy.HighsModelStatus.kUnknown,
    highspy.HighsModelStatus.kTimeLimit,
)


# A cut with more slack than this, cost units, does not hold the solution.
IDLE_SLACK = 1e-4
IDLE_ROUNDS = 3

# Relative differences between the primal and the dual objective at which an interior-point method ends.
COARSE_TOLERANCE, FINE_TOLERANCE = 1e-5, 1e-8


class MasterProgram:
    """The master's linear relaxation, kept alive while cuts are added. Columns: master columns, then one per part."""

    def __init__(self, master: Master, part_count: int, *, seed: int) -> None:
        self.master = master
        self.part_count = part_count
        self._lower, self._upper = master.lower.copy(), master.upper.copy()  # while some columns are held
        self.cuts: list[Cut] = []
        self._idle = np.zeros(0, np.int64)  # of each cut, rounds since it was last needed
        self._has_lost_basis = False
        # Presolve would throw away the basis that the last answer left.
        self._highs = new_highs(seed=seed, presolve="off")
        matrix = sp.csr_array(sp.hstack([master.matrix, sp.csr_array((master.matrix.shape[0], part_count))]))
        pass_model(
            self._highs,
            matrix,
            cost=np.append(master.cost, np.ones(part_count)),
            lower=np.append(master.lower, np.zeros(part_count)),
            upper=np.append(master.upper, np.full(part_count, np.inf)),
            row_lower=master.row_lower,
            row_upper=master.row_upper,
        )

    def add(self, cuts: Sequence[Cut]) -> None:
        """Add cuts as rows: part cost - gradient . y >= constant, without the cost for a cut of balances."""
        if not cuts:
            return
        self.cuts += cuts
        self._idle = np.append(self._idle, np.zeros(len(cuts), np.int64))
        rows = _cut_rows(cuts, len(self.master.cost))
        self._highs.addRows(
            len(cuts), np.array([cut.constant for cut in cuts]), np.full(len(cuts), INFINITY), rows.nnz,
            rows.indptr[:-1].astype(np.int32), rows.indices.astype(np.int32), rows.data,
        )  # fmt: skip

    def hold(self, columns: IntArray, at: FloatArray) -> None:
        """Hold columns at values, and let go of those held before."""
        before = np.flatnonzero((self._lower != self.master.lower) | (self._upper != self.master.upper))
        self._lower, self._upper = self.master.lower.copy(), self.master.upper.copy()
        self._lower[columns] = self._upper[columns] = at
        changed = np.union1d(before, columns).astype(np.int32)
        self._highs.changeColsBounds(len(changed), changed, self._lower[changed], self._upper[changed])

    def take_out_last(self) -> None:
        """Take out the cut that was added last."""
        self._highs.deleteRows(1, np.array([len(self.master.row_lower) + len(self.cuts) - 1], np.int32))
        self.cuts, self._idle = self.cuts[:-1], self._idle[:-1]

    @property
    def needed(self) -> list[Cut]:
        """Cuts that hold the last solution, or were added since."""
        return [cut for cut, idle in zip(self.cuts, self._idle, strict=True) if not idle]

    def purge(self, point: FloatArray, part_costs: FloatArray) -> list[Cut]:
        """Note what a solution needs; take out the cuts that the last `IDLE_ROUNDS` did not need, and return them."""
        if not self.cuts:
            return []
        slack = np.array([(0.0 if cut.is_of_balances else part_costs[cut.part]) - cut.at(point) for cut in self.cuts])
        self._idle = np.where(slack > IDLE_SLACK, self._idle + 1, 0)
        return self.take_out_idle(IDLE_ROUNDS)

    def take_out_idle(self, rounds: int) -> list[Cut]:
        """Take out the cuts that the last so many solutions did not need; return them."""
        leaving = self._idle >= rounds
        if leaving.any():
            rows = len(self.master.row_lower) + np.flatnonzero(leaving)
            self._highs.deleteRows(len(rows), rows.astype(np.int32))
        gone = [cut for cut, leaves in zip(self.cuts, leaving, strict=True) if leaves]
        self.cuts = [cut for cut, leaves in zip(self.cuts, leaving, strict=True) if not leaves]
        self._idle = self._idle[~leaving]
        return gone

    def solve(self, *, time_limit_s: float = np.inf) -> tuple[float, FloatArray, FloatArray]:
        """
        Solve the relaxation by a simplex method.

        Returns
        -------
        tuple
            Lower bound in cost units, as of `solve_centrally`; master columns, part cost columns.

        Raises
        ------
        InfeasibleMasterError
            If no choice of the master columns keeps the master's own rows.
        UnsolvedError
            If HiGHS can neither say that nor find the optimum, or not in time.
        """
        # From the middle of the optimal face a crossover finds a corner; a cold simplex method takes far longer.
        first_solver, self._has_lost_basis = "ipx" if self._has_lost_basis else None, False
        is_solved = run_until_optimal(
            self._highs, first_solver=first_solver, second_solver="ipx", time_limit_s=time_limit_s
        )
        if not is_solved:
            status = str(self._highs.getModelStatus())
            raise InfeasibleMasterError(status) if is_infeasible(self._highs) else UnsolvedError(status)
        solution = self._highs.getSolution()
        values, duals = np.array(solution.col_value), np.array(solution.row_dual)
        size = len(self.master.cost)
        return self._bound_of(duals), np.clip(values[:size], self._lower, self._upper), values[size:]

    def solve_centrally(
        self, *, is_coarse: bool = False, time_limit_s: float = np.inf
    ) -> tuple[float, FloatArray, FloatArray]:
        """
        Solve the relaxation by an interior-point method, without moving to a corner.

        At full size this is several times faster than the simplex method, and from the middle of the optimal face the
        next cuts are stronger.

        Parameters
        ----------
        is_coarse
            Stop early: the point is as good a place to look for cuts, at half the time, but the bound is weak.

        Returns
        -------
        tuple
            Lower bound in cost units, master columns, part cost columns. The bound is worked out from the duals
            (`_bound_of`), so it holds however inexact the answer is.

        Raises
        ------
        InfeasibleMasterError
            If no choice of the master columns keeps the master's own rows.
        """
        started = time.monotonic()
        self._highs.setOptionValue("ipm_optimality_tolerance", COARSE_TOLERANCE if is_coarse else FINE_TOLERANCE)
        for name, value in (("solver", "ipx"), ("run_crossover", "off")):
            self._highs.setOptionValue(name, value)
        with within(self._highs, time_limit_s):
            run_once(self._highs)
        solution, status = self._highs.getSolution(), self._highs.getModelStatus()
        for name, value in (("solver", "choose"), ("run_crossover", "on")):
            self._highs.setOptionValue(name, value)
        self._has_lost_basis = True
        values, duals = np.array(solution.col_value), np.array(solution.row_dual)
        is_usable = status in _ANSWERED and len(values) and np.isfinite(values).all() and np.isfinite(duals).all()
        if not is_usable:
            self._highs.clearSolver()
            self._has_lost_basis = False
            return self.solve(time_limit_s=time_limit_s - (time.monotonic() - started))
        size = len(self.master.cost)
        return self._bound_of(duals), np.clip(values[:size], self._lower, self._upper), values[size:]

    def _bound_of(self, duals: FloatArray) -> float:
        """
        Lower bound that any row duals prove.

        Their signs are set right, those of a part's cuts of cost are scaled to sum to no more than its cost of 1, and
        each column is priced at the bound that its reduced cost calls for.
        """
        master, count = self.master, len(self.master.row_lower)
        own, of_cuts = duals[:count], np.maximum(duals[count:], 0.0)
        own = np.where(np.isneginf(master.row_lower), np.minimum(own, 0.0), own)
        own = np.where(np.isposinf(master.row_upper), np.maximum(own, 0.0), own)
        side = np.where(own > 0, master.row_lower, master.row_upper)
        bound = float(own @ np.where(own == 0, 0.0, side))
        reduced = master.cost - master.matrix.T @ own
        if self.cuts:
            part = np.array([cut.part for cut in self.cuts])
            is_of_cost = np.array([not cut.is_of_balances for cut in self.cuts])
            most = np.maximum(np.bincount(part, of_cuts * is_of_cost, self.part_count), 1.0)[part]
            of_cuts = of_cuts / np.where(is_of_cost, most, 1.0)
            reduced = reduced - (_cut_rows(self.cuts, len(master.cost)).T @ of_cuts)[: len(master.cost)]
            bound += float(of_cuts @ np.array([cut.constant for cut in self.cuts]))
        return bound + float(np.where(reduced > 0, reduced * self._lower, reduced * self._upper).sum())

    def as_compiled(self) -> CompiledModel:
        """Write the master with its cuts as an integer program of its own (costs in cost units)."""
        master, size = self.master, len(self.master.cost)
        width = size + self.part_count
        parts = [_widen(master.matrix, width)]
        if self.cuts:
            parts.append(_widen(_cut_rows(self.cuts, size), width))
        rows = sp.csr_array(sp.vstack(parts))
        free = np.full(self.part_count, np.inf)
        return CompiledModel(
            cost=np.append(master.cost, np.ones(self.part_count)),
            costs={},
            lower=np.append(master.lower, np.zeros(self.part_count)),
            upper=np.append(master.upper, free),
            is_integer=np.append(master.is_integer, np.zeros(self.part_count, np.bool_)),
            row_lower=np.append(master.row_lower, [cut.constant for cut in self.cuts]),
            row_upper=np.append(master.row_upper, np.full(len(self.cuts), np.inf)),
            starts=rows.indptr.astype(np.int32),
            indices=rows.indices.astype(np.int32),
            values=rows.data,
            columns={},
            rows={},
        )


class InfeasibleMasterError(ValueError):
    """The master's own rows contradict each other."""


def _widen(matrix: sp.csr_array, width: int) -> sp.csr_array:
    return sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], width))


def _cut_rows(cuts: Sequence[Cut], size: int) -> sp.csr_array:
    """Cuts as matrix rows `part cost - gradient . y` over the master columns and then the part cost columns."""
    lengths = [len(cut.columns) + 1 for cut in cuts]
    indices = np.concatenate([np.append(cut.columns, size + cut.part) for cut in cuts])
    values = np.concatenate([np.append(-cut.gradient, 0.0 if cut.is_of_balances else 1.0) for cut in cuts])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sp.csr_array((values, indices.astype(np.int32), starts.astype(np.int32)))

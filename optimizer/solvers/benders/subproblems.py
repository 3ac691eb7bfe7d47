"""Live linear programs of the time slices: re-solved at each master point, each answer turned into a cut."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.sparse as sp

from optimizer.problem.problem import FloatArray, IntArray
from optimizer.solvers.benders.assignments import Prices
from optimizer.solvers.benders.blocks import Block
from optimizer.solvers.control import Control
from optimizer.solvers.highs import UnsolvedError, is_optimal, new_highs, pass_model, run_until_optimal

# Gradient entries this much smaller than a cut's largest are dropped (and paid for): they only harm the numerics.
TINY_SHARE = 1e-7

# A balance missed by more than this share gets a cut that forbids missing it.
FORBIDDEN_SHARE = 1e-6


@dataclass(frozen=True)
class Cut:
    """
    The cost of part `part` is at least `constant + sum of gradient * y[columns]` at every master point y, cost units.

    A part is a component of a slice's block, numbered over all slices. With `is_of_balances` it is not a cost that is
    bounded but the share by which balances are missed, and no plan may miss any: the value must not be above 0.
    """

    part: int
    constant: float
    columns: IntArray
    gradient: FloatArray
    is_of_balances: bool = False

    def at(self, point: FloatArray) -> float:
        """Value of the cut at a master point."""
        return self.constant + float(self.gradient @ point[self.columns])


@dataclass(frozen=True)
class _SliceAnswer:
    """Costs of a slice's parts at a master point, their cuts, and the largest share by which a balance is missed."""

    costs: FloatArray
    cuts: list[Cut]
    missed: float  # above rounding, the point is no plan


class _SliceProgram:
    """One slice's linear program, kept alive between master points."""

    def __init__(
        self, block: Block, first_part: int, *, master_upper: FloatArray, seed: int, forbids_misses: bool
    ) -> None:
        self._block = block
        self.forbids_misses = forbids_misses
        self._misses = np.zeros(len(block.cost))
        self._misses[len(block.columns) :] = 1.0
        self._master_upper = master_upper
        self._first_part = first_part
        count = block.component_count
        component = block.component_of_column[block.bounded_column]
        self._rows_by_component = _selector(block.component_of_row, count)
        self._bounds_by_component = _selector(component, count)
        self._highs = new_highs(seed=seed, presolve="off", solver="simplex")
        self._all_columns = np.arange(len(block.cost), dtype=np.int32)
        self._all_rows = np.arange(len(block.row_lower), dtype=np.int32)
        pass_model(
            self._highs,
            block.matrix,
            cost=block.cost,
            lower=np.zeros(len(block.cost)),
            upper=block.bound,
            row_lower=block.row_lower,
            row_upper=block.row_upper,
        )

    @property
    def costs_nothing(self) -> bool:
        """Whether this is an outage, which can be survived or not, and costs nothing."""
        return self._block.costs_nothing

    def solve(self, point: FloatArray, time_limit_s: float = np.inf) -> _SliceAnswer:
        """
        Solve the slice at a master point and derive the cut that supports its cost there.

        The cut is computed from the row duals alone: reduced costs are recomputed and every column is priced at
        its bound, so the cut is valid for any duals, however inexact the solve.
        """
        block, highs = self._block, self._highs
        if block.costs_nothing:
            # A master column a little below zero would leave a negative limit for rows that only add up.
            point = np.clip(point, 0.0, self._master_upper)
        bound, binding = self._bounds(point)
        moved = block.master_matrix @ point
        lower, upper = block.row_lower - moved, block.row_upper - moved
        highs.changeColsBounds(len(bound), self._all_columns, np.zeros(len(bound)), bound)
        highs.changeRowsBounds(len(lower), self._all_rows, lower, upper)  # type: ignore[attr-defined]  # not in its stub
        if not run_until_optimal(highs, time_limit_s=time_limit_s):
            raise UnsolvedError(f"slice of parts {self._first_part} and up: {highs.getModelStatus()}")
        solution = highs.getSolution()
        values = np.array(solution.col_value)
        missed = float(values[len(block.columns) :].max(initial=0.0))
        if block.costs_nothing:
            cuts = self._cuts(np.array(solution.row_dual), binding, block.cost) if missed > FORBIDDEN_SHARE else []
            return _SliceAnswer(np.zeros(block.component_count), [_of_balances(cut) for cut in cuts], missed)
        costs = np.bincount(block.component_of_column, block.cost * values, block.component_count)
        cuts = self._cuts(np.array(solution.row_dual), binding, block.cost)
        if self.forbids_misses and missed > FORBIDDEN_SHARE:
            cuts += self._balance_cuts(binding, time_limit_s)
        # Weighted counts are floats; numpy's stub says integers.
        return _SliceAnswer(costs.astype(np.float64, copy=False), cuts, missed)

    def cuts_at(self, prices: Prices) -> list[Cut]:
        """Cuts that given prices prove, without a solve; parts about which they say nothing have none."""
        return [cut for cut in self._cuts(prices.duals, prices.binding, self._block.cost) if len(cut.columns)]

    def _balance_cuts(self, binding: IntArray, time_limit_s: float) -> list[Cut]:
        """
        Derive cuts that forbid missing balances here, whatever missing them costs.

        A penalty bounds what a miss saves only where that is known beforehand; a limit on the year can have
        any price.
        """
        highs, count = self._highs, len(self._all_columns)
        highs.changeColsCost(count, self._all_columns, self._misses)
        run_until_optimal(highs, time_limit_s=time_limit_s)
        solution = highs.getSolution()
        found = np.array(solution.col_value) * self._misses if is_optimal(highs) else np.zeros(count)
        missed = np.bincount(self._block.component_of_column, found, self._block.component_count)
        cuts = self._cuts(np.array(solution.row_dual), binding, self._misses) if missed.any() else []
        highs.changeColsCost(count, self._all_columns, self._block.cost)
        is_missed = missed > FORBIDDEN_SHARE
        return [_of_balances(cut) for cut in cuts if is_missed[cut.part - self._first_part]]

    def _bounds(self, point: FloatArray) -> tuple[FloatArray, IntArray]:
        """Column bounds at a point, and which bounding row gives each (-1: the column's own bound)."""
        block = self._block
        offered = np.maximum(block.bounding - block.bounding_master @ point, 0.0)
        order = np.argsort(-offered, kind="stable")  # the smallest is written last
        bound, binding = block.bound.copy(), np.full(len(block.bound), -1)
        column = block.bounded_column[order]
        binding[column] = order
        limit = np.full(len(bound), np.inf)
        limit[column] = offered[order]
        own = bound <= limit
        binding[own & np.isinf(limit)] = -1
        return np.minimum(bound, limit), binding

    def _cuts(self, dual: FloatArray, binding: IntArray, cost: FloatArray) -> list[Cut]:
        block = self._block
        dual = np.where(np.isneginf(block.row_lower), np.minimum(dual, 0.0), dual)
        dual = np.where(np.isposinf(block.row_upper), np.maximum(dual, 0.0), dual)
        side = np.where(dual > 0, block.row_lower, block.row_upper)
        side = np.where(dual == 0, 0.0, side)
        reduced = np.minimum(cost - block.matrix.T @ dual, 0.0)
        by_row = binding >= 0
        own = np.where(by_row, 0.0, reduced * block.bound)
        price = np.zeros(len(block.bounding))
        price[binding[by_row]] = reduced[by_row]
        parts = block.component_count
        component = block.component_of_column[block.bounded_column]
        constant = np.bincount(block.component_of_row, dual * side, parts)
        constant += np.bincount(block.component_of_column, own, parts)
        constant += np.bincount(component, price * block.bounding, parts)
        by_rows = self._rows_by_component @ sp.diags_array(dual) @ block.master_matrix
        gradient = sp.csr_array(-by_rows - self._bounds_by_component @ sp.diags_array(price) @ block.bounding_master)
        cuts = []
        for part in range(parts):
            inside = slice(gradient.indptr[part], gradient.indptr[part + 1])
            columns, values = gradient.indices[inside], gradient.data[inside]
            # Master columns lie between 0 and 1 (pods apart): what is dropped can only have lowered the cut.
            tiny = np.abs(values) < TINY_SHARE * np.abs(values).max(initial=0.0)
            slack = float(np.minimum(values[tiny], 0.0) @ self._master_upper[columns[tiny]])
            cuts.append(Cut(self._first_part + part, constant[part] + slack, columns[~tiny], values[~tiny]))
        return cuts


class OutagePrograms:
    """All outages, for a search that runs beside other work on the same blocks."""

    def __init__(self, programs: Sequence[_SliceProgram], control: Control) -> None:
        self._programs, self._control = programs, control

    def solve(self, point: FloatArray) -> list[Cut]:
        """Cuts of the outages that cannot be survived at a master point."""
        answers = [program.solve(point, self._control.lp_seconds) for program in self._programs]
        return [cut for answer in answers for cut in answer.cuts]


class SlicePrograms:
    """All slices, solved side by side in threads (HiGHS releases Python's lock while it runs)."""

    def __init__(
        self,
        blocks: list[Block],
        master_upper: FloatArray,
        control: Control,
        *,
        threads: int,
        seed: int,
        forbids_misses: bool,
    ) -> None:
        self._control = control
        first = np.concatenate([[0], np.cumsum([block.component_count for block in blocks])])
        self.part_count = int(first[-1])
        self._make = partial(_SliceProgram, master_upper=master_upper, seed=seed, forbids_misses=forbids_misses)
        self._firsts = list(zip(blocks, first.tolist(), strict=False))
        self._programs = [self._make(block, n) for block, n in self._firsts]
        self._outages = [program for program in self._programs if program.costs_nothing]
        self._pool = ThreadPoolExecutor(max_workers=threads)

    def solve(self, point: FloatArray) -> list[_SliceAnswer]:
        """Solve every slice at a master point."""
        return list(self._pool.map(lambda program: program.solve(point, self._control.lp_seconds), self._programs))

    def cuts_at(self, prices: Sequence[Prices | None]) -> list[Cut]:
        """Cuts that prices given for each block prove, without a solve."""
        pairs = zip(self._programs, prices, strict=True)
        return [cut for program, given in pairs if given is not None for cut in program.cuts_at(given)]

    def solve_outages(self, point: FloatArray) -> list[Cut]:
        """Cuts of the outages that cannot be survived at a master point."""
        answers = self._pool.map(lambda program: program.solve(point, self._control.lp_seconds), self._outages)
        return [cut for answer in answers for cut in answer.cuts]

    def outages_apart(self) -> OutagePrograms:
        """Make programs of the outages that share nothing with these."""
        programs = [self._make(block, n) for block, n in self._firsts if block.costs_nothing]
        return OutagePrograms(programs, self._control)

    def forbid_misses(self) -> None:
        """From now on cut off every point that misses a balance, whatever its penalty."""
        for program in self._programs:
            program.forbids_misses = True

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()


def _of_balances(cut: Cut) -> Cut:
    """Forbid what the cut bounds, in the unit of its largest entry: it says the same, and suits a solver better."""
    size = float(np.abs(cut.gradient).max(initial=0.0)) or 1.0
    return replace(cut, constant=cut.constant / size, gradient=cut.gradient / size, is_of_balances=True)


def _selector(labels: IntArray, count: int) -> sp.csr_array:
    """Matrix that sums what carries each label."""
    return sp.csr_array((np.ones(len(labels)), (labels, np.arange(len(labels)))), shape=(count, len(labels)))

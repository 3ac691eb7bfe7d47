"""
The elastic model: the compiled formulation with columns that loosen its limits, at a price in shares of each limit.

No equation stands here. A lever (see `levers`) adds columns to the rows of an equation that `compile_model` made: one
column for each number of the inputs (the IT power of a data center enters the power rows of all slices), priced per
unit so that the objective is a sum of relative changes. Its optimum is the smallest change that makes a plan possible,
also where the integers are the obstacle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.infeasibility.relaxed_problem import RelaxedProblem
from optimizer.model.compile import CompiledModel, compile_model
from optimizer.model.data import ModelData, model_data
from optimizer.model.equations import EQUATIONS
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.highs import new_highs, pass_model, run_once, solution_of
from optimizer.solvers.process import MipOutcome, run_mip, termination_of

# The solver gets the objective in hundredths of a percent: its absolute tolerances are then small beside any change.
_CHANGE_UNIT = 1e-4

# Most that ties add to the objective, as a share of it.
TIE_SHARE = 1e-5

# Models up to this size are solved in this process.
_AT_ONCE_MAX_COLUMNS = 5_000

# A change of less than this of the unit of a lever is rounding of the solver.
_ROUNDING = 1e-7


@dataclass(frozen=True)
class _LeverColumns:
    """Columns of one kind of change."""

    columns: IntArray  # (n,) columns of the elastic model
    item: IntArray  # (n,) what each loosens, by position in its table
    per_unit: FloatArray  # (n,) amount of the change for each unit of the column
    price: FloatArray  # (n,) relative change for each unit of the column
    tie: FloatArray  # (n,) a small further price for each unit, which decides between changes of the same size


@dataclass(frozen=True, eq=False)
class ElasticOutcome:
    """What the elastic model found."""

    termination: Termination  # Why it stopped; infeasible if these kinds of change cannot make a plan possible
    x: FloatArray | None  # (columns,) best point; None without one
    amounts: dict[str, dict[int, float]]  # Kind to the amount for each item, positive ones only
    change_share: float  # Sum of relative changes, and the proven least; inf and 0 while unknown
    bound_share: float

    @property
    def point(self) -> FloatArray:
        """The best point, where there is one."""
        if self.x is None:
            raise ValueError("there is no point")
        return self.x


class ElasticModel:
    """A compiled model with room for levers; changes are shares of the sizes in `unreduced`, else in `relaxed`."""

    def __init__(self, relaxed: RelaxedProblem, unreduced: PlacementProblem | None = None) -> None:
        self.relaxed = relaxed
        self.problem = relaxed.problem
        self.unreduced = relaxed.problem if unreduced is None else unreduced
        self.compiled: CompiledModel = compile_model(relaxed.problem)
        self.data: ModelData = model_data(relaxed.problem)
        self.levers: dict[str, _LeverColumns] = {}
        # Kinds whose amounts follow from the point as a whole.
        self.derived: dict[str, Callable[[FloatArray], dict[int, float]]] = {}
        self.base_columns = len(self.compiled.cost)
        self._upper = self.compiled.upper.copy()
        self._added_upper: list[FloatArray] = []
        self._added_integer: list[npt.NDArray[np.bool_]] = []
        self._column_count = self.base_columns
        self._row_upper: list[FloatArray] = []
        self._row_count = len(self.compiled.row_upper)
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []

    def rows(self, equation: str) -> IntArray:
        """(T, n) rows of an equation; (1, n) of one that does not run over slices; no columns if it has none."""
        block = self.compiled.rows[equation]
        return np.arange(block.rows.start, block.rows.stop).reshape(block.shape)

    def members(self, equation: str) -> IntArray:
        """(n, dimen) what the rows of an equation are about, by position."""
        sets = [name for name in EQUATIONS[equation].over if name != "SLICES"]
        return self.data.sets[sets[0]].astype(np.int64)

    def add_columns(  # noqa: PLR0913 - options, keyword-only
        self,
        kind: str,
        item: IntArray,
        price: FloatArray | float,
        *,
        per_unit: FloatArray | float = 1.0,
        upper: FloatArray | float = np.inf,
        is_integer: bool = False,
        tie: FloatArray | float = 0.0,
    ) -> IntArray:
        """
        Add columns of a lever; returns where they are.

        `tie` adds to the price, at most `TIE_SHARE` of it.
        """
        count = len(item)
        columns = self.add_free(count, upper=upper, is_integer=is_integer)
        self.levers[kind] = _LeverColumns(columns, item, _full(per_unit, count), _full(price, count), _full(tie, count))
        return columns

    def add_free(self, count: int, *, upper: FloatArray | float = np.inf, is_integer: bool = False) -> IntArray:
        """Add columns that belong to no lever."""
        columns = np.arange(self._column_count, self._column_count + count)
        self._column_count += count
        self._added_upper.append(_full(upper, count))
        self._added_integer.append(np.full(count, is_integer))
        return columns

    def add_rows(self, upper: FloatArray) -> IntArray:
        """Add rows `... <= upper` without entries; returns where they are."""
        rows = np.arange(self._row_count, self._row_count + len(upper))
        self._row_count += len(upper)
        self._row_upper.append(upper)
        return rows

    def enter(self, rows: IntArray, columns: IntArray, values: FloatArray | float) -> None:
        """Put entries into the matrix; the three are broadcast against each other."""
        r, c, v = np.broadcast_arrays(rows, columns, np.asarray(values, float))
        self._entries.append((r.reshape(-1), c.reshape(-1), v.reshape(-1)))

    def raise_upper(self, columns: IntArray, upper: FloatArray) -> None:
        """Let columns of the formulation exceed their bound; a row has to hold them then."""
        self._upper[columns] = upper

    def solve(  # noqa: PLR0913 - options, keyword-only
        self,
        kinds: Collection[str],
        *,
        control: Control,
        mip_rel_gap: float,
        seed: int = 1,
        threads: int = 1,
        tolerance: float = 1e-6,
        at_least: Mapping[str, Mapping[int, float]] | None = None,
        held: Mapping[str, FloatArray] | None = None,
    ) -> ElasticOutcome:
        """Find the smallest change of the kinds allowed."""
        model, price = self._assembled(kinds, at_least or {}, held or {})
        options = {
            "random_seed": seed, "mip_rel_gap": mip_rel_gap, "mip_abs_gap": 1e-6,
            "mip_feasibility_tolerance": tolerance,
        }  # fmt: skip
        outcome = self._run(model, options, control, threads)
        if outcome.termination is None:
            raise AssertionError("a solve has a termination")
        # The small prices that decide between equal changes are not part of the change.
        bound = max(0.0, outcome.bound_cny) / (1 + TIE_SHARE) if np.isfinite(outcome.bound_cny) else 0.0
        if not outcome.incumbents or outcome.termination == Termination.INFEASIBLE:
            return ElasticOutcome(outcome.termination, None, {}, np.inf, bound)
        x = outcome.incumbents[-1]
        share = max(0.0, float(price @ x))
        return ElasticOutcome(outcome.termination, x, self._amounts(kinds, x), share, min(bound, share))

    def with_least(
        self, kind: str, kinds: Collection[str], outcome: ElasticOutcome, control: Control
    ) -> ElasticOutcome:
        """Keep a change, and of the plans that it allows choose one that uses a lever without price the least."""
        model, price = self._assembled(kinds, {}, {})
        x = outcome.point
        rounded = np.where(model.is_integer, np.floor(x + 0.5), x)
        priced = np.flatnonzero(price > 0)
        lower, upper = model.lower.copy(), model.upper.copy()
        upper[priced] = np.minimum(upper[priced], rounded[priced] * (1 + _ROUNDING) + _ROUNDING)
        lower[model.is_integer] = upper[model.is_integer] = rounded[model.is_integer]
        cost = np.zeros(len(price))
        # The solver treats a cost of 1e-7 as 0.
        cost[self.levers[kind].columns] = _CHANGE_UNIT
        found = self._run(replace(model, lower=lower, upper=upper, cost=cost), {"random_seed": 1}, control, 1)
        if not found.incumbents:
            return outcome
        point = found.incumbents[-1]
        return replace(outcome, x=point, amounts=self._amounts(kinds, point))

    def _run(self, model: CompiledModel, options: dict[str, Any], control: Control, threads: int) -> MipOutcome:
        if self._column_count <= _AT_ONCE_MAX_COLUMNS:
            return _solve_here(model, options, control)
        return run_mip(
            model,
            cny_per_cost_unit=_CHANGE_UNIT,
            options={"output_flag": False, "threads": threads, **options},
            control=control,
        )

    def _amounts(self, kinds: Collection[str], x: FloatArray) -> dict[str, dict[int, float]]:
        amounts: dict[str, dict[int, float]] = {}
        for kind in kinds:
            if (lever := self.levers.get(kind)) is None:
                continue
            if kind in self.derived:
                amounts[kind] = self.derived[kind](x)
                continue
            moved = np.where(x[lever.columns] > _ROUNDING, x[lever.columns] * lever.per_unit, 0.0)
            total = np.bincount(lever.item, moved)
            amounts[kind] = {int(i): float(total[i]) for i in np.flatnonzero(total > 0)}
        return {kind: by_item for kind, by_item in amounts.items() if by_item}

    def _assembled(
        self, kinds: Collection[str], at_least: Mapping[str, Mapping[int, float]], held: Mapping[str, FloatArray]
    ) -> tuple[CompiledModel, FloatArray]:
        """Join the matrix and its additions, with the levers of other kinds fixed at 0; and the prices, unscaled."""
        base, count = self.compiled, self._column_count
        lower = np.concatenate([base.lower, np.zeros(count - self.base_columns)])
        upper = np.concatenate([self._upper, *self._added_upper])
        price, tie = np.zeros(count), np.zeros(count)
        for kind, lever in self.levers.items():
            price[lever.columns], tie[lever.columns] = lever.price, lever.tie
            if kind not in kinds:
                upper[lever.columns] = 0.0
            for item, amount in at_least.get(kind, {}).items() if kind not in self.derived else ():
                self._start_at(lever, item, amount, lower)
        for name, fixed in held.items():
            block = base.columns[name]
            lower[block.columns] = upper[block.columns] = fixed
        own = base.matrix.tocoo()
        rows, columns, values = map(np.concatenate, zip((*own.coords, own.data), *self._entries, strict=True))
        matrix = sp.csr_array((values, (rows, columns)), shape=(self._row_count, count))
        matrix.sum_duplicates()
        added_rows = self._row_count - len(base.row_upper)
        model = replace(
            base,
            cost=price + tie,
            costs={},
            lower=lower,
            upper=np.maximum(upper, lower),
            is_integer=np.concatenate([base.is_integer, *self._added_integer]),
            row_lower=np.concatenate([base.row_lower, np.full(added_rows, -np.inf)]),
            row_upper=np.concatenate([base.row_upper, *self._row_upper]),
            starts=matrix.indptr.astype(np.int32),
            indices=matrix.indices.astype(np.int32),
            values=matrix.data,
        )
        return model, price

    @staticmethod
    def _start_at(lever: _LeverColumns, item: int, amount: float, lower: FloatArray) -> None:
        """Raise the lower bounds of an item's columns until they make up the amount."""
        places = np.flatnonzero(lever.item == item)
        if len(places) == 1 and amount > _ROUNDING:
            lower[lever.columns[places]] = amount / lever.per_unit[places]
            return
        for position in places:  # one binary for each level
            if amount <= _ROUNDING:
                return
            lower[lever.columns[position]] = 1.0
            amount -= lever.per_unit[position]


def _solve_here(model: CompiledModel, options: dict[str, Any], control: Control) -> MipOutcome:
    """Solve a small model in this process: starting another would take longer."""
    outcome = MipOutcome()
    if control.must_stop:
        outcome.termination = control.reason
        return outcome
    limit_s: dict[str, Any] = {"time_limit": control.seconds_left} if np.isfinite(control.time_limit_s) else {}
    highs = new_highs(**options, **limit_s)
    pass_model(
        highs, model.matrix, cost=model.cost / _CHANGE_UNIT, lower=model.lower, upper=model.upper,
        row_lower=model.row_lower, row_upper=model.row_upper, is_integer=model.is_integer,
    )  # fmt: skip
    run_once(highs)
    if highs.getModelStatus().name in {"kNotset", "kInfeasible", "kUnboundedOrInfeasible"}:
        # HiGHS 1.16 has called models infeasible that have a plan, and its presolve ends some with an error: only
        # without presolve does the verdict count.
        highs.setOptionValue("presolve", "off")
        run_once(highs)
    status, info = highs.getModelStatus().name, highs.getInfo()
    outcome.termination = termination_of(status, control)
    if info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible):
        outcome.incumbents.append(solution_of(highs))
    if np.isfinite(info.mip_dual_bound):
        outcome.bound_cny = info.mip_dual_bound * _CHANGE_UNIT
    return outcome


def _full(value: FloatArray | float, count: int) -> FloatArray:
    return np.broadcast_to(np.asarray(value, float), (count,)).copy()

"""
The fixed-integer LP: the best plan for given integers, the dual of each limit there, and what small changes save.

Most columns are at zero before a solver sees them (nothing is routed to where a class is not deployed), so that it
takes a second at full size. The solver stays alive: a changed limit is solved again from the last basis, in hundredths
of a second. Rows and columns that presolve would remove are removed here, so that their duals can be worked out
afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.model.compile import CompiledModel
from optimizer.model.data import AXIS
from optimizer.model.equations import EQUATIONS
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.columns import (
    ROUNDING,
    NoFailoverError,
    columns_from_plan,
    hold_failover,
    plan_from_columns,
    round_integers,
    with_failover,
)
from optimizer.solvers.highs import is_infeasible, new_highs, pass_model, run_until_optimal


class FixedIntegerError(ValueError):
    """The integers leave no feasible plan, or the solver found no optimum."""


@dataclass(frozen=True)
class _ReducedProgram:
    """The program that is left: kept rows and columns, bounds, and the removed row that bounds each free column."""

    free: IntArray  # columns that are not integer
    is_kept_row: npt.NDArray[np.bool_]
    is_kept_column: npt.NDArray[np.bool_]  # of `free`
    upper: FloatArray  # of `free`
    bounding_row: IntArray  # of `free`: -1 where the column's own bound holds
    bounding_value: FloatArray
    row_lower: FloatArray
    row_upper: FloatArray


@dataclass(frozen=True)
class _Body:
    """The columns that are not integer, and facts of their rows: the same whatever the integers are."""

    matrix: sp.csr_array
    counts: IntArray  # (rows,) entries
    row_of: IntArray  # (entries,)
    size: FloatArray  # (rows,) largest entry
    has_negative: npt.NDArray[np.bool_]  # (rows,)

    @staticmethod
    def of(held: CompiledModel) -> _Body:
        """Take the columns of a model that are not integer."""
        matrix = sp.csr_array(held.matrix[:, np.flatnonzero(~held.is_integer)])
        counts = np.diff(matrix.indptr)
        row_of = np.repeat(np.arange(len(counts)), counts)
        size = np.zeros(len(counts))
        np.maximum.at(size, row_of, np.abs(matrix.data))
        return _Body(matrix, counts, row_of, size, np.bincount(row_of, matrix.data <= 0, len(counts)) > 0)


def _reduce_program(
    compiled: CompiledModel, facts: _Body, moved: FloatArray, stays: npt.NDArray[np.bool_]
) -> _ReducedProgram:
    """
    Turn rows into bounds where that loses nothing.

    A row `sum of a x <= b` with a > 0 over columns >= 0 is the bound x <= b / a if it has one column, and closes all
    of its columns if b = 0; either way the row can go, unless it is one that `stays`.
    """
    lower, upper = compiled.row_lower - moved, compiled.row_upper - moved
    body, counts, row_of, has_negative = facts.matrix, facts.counts, facts.row_of, facts.has_negative
    slack = ROUNDING * np.maximum(1.0, np.maximum(facts.size, np.abs(moved)))
    empty = counts == 0
    broken = empty & ((upper < -slack) | (lower > slack))
    if broken.any():
        raise FixedIntegerError(f"the integers alone break {_where(compiled, broken)}")
    packs = ~empty & np.isneginf(lower) & ~has_negative
    upper = np.where(packs & (np.abs(upper) <= slack), 0.0, upper)
    broken = packs & (upper < 0)
    if broken.any():
        raise FixedIntegerError(f"the integers leave a negative limit for {_where(compiled, broken)}")
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
    # A bound that a balance implies (no workload gets more than its demand) would only share the balance's dual.
    # Loosened it never binds; dropped altogether, the dual simplex would take twice as long.
    implied = (bound > 0) & (_implied_bounds(body, row_of, lower, upper, has_negative) <= bound * (1 + ROUNDING))
    bound[implied], bounding_row[implied] = 2.0 * bound[implied], -1
    return _ReducedProgram(free, ~removed & ~empty, bound > 0, bound, bounding_row, bounding_value, lower, upper)


def _implied_bounds(
    body: sp.csr_array, row_of: IntArray, lower: FloatArray, upper: FloatArray, has_negative: npt.NDArray[np.bool_]
) -> FloatArray:
    """Most that each column can be by the equalities that add up nothing but columns."""
    entry = np.flatnonzero(((lower == upper) & ~has_negative)[row_of])
    most = np.full(body.shape[1], np.inf)
    np.minimum.at(most, body.indices[entry], upper[row_of[entry]] / body.data[entry])
    return most


def _price_idle_rows(
    compiled: CompiledModel, body: sp.csr_array, reduced: _ReducedProgram, values: FloatArray, row_dual: FloatArray
) -> None:
    """
    Price idle rows at what the first unit through them would cost, in place.

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


def _price_removed_rows(
    compiled: CompiledModel, body: sp.csr_array, reduced: _ReducedProgram, row_dual: FloatArray
) -> None:
    """
    Give each removed row the dual that its columns need, in place.

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


# Costs go to the solver in thousands: its dual tolerance of 1e-7 is then 0.0001 CNY per year and unit of a column.
CNY_PER_COST_UNIT = 1e3

# A dual below this many CNY per year and unit is rounding.
NO_PRICE_CNY = 1e-6


@dataclass(frozen=True, eq=False)
class _FixedPoint:
    """Optimum for the integers held."""

    columns: FloatArray  # (columns,) value of each column of the compiled model
    # (rows,) CNY per year and unit of the right side: duals of the full program, removed rows included
    row_duals: FloatArray
    # (rows,) the same before removed rows got theirs: what a column that is closed would have to pay
    kept_row_duals: FloatArray
    cost_cny: float  # CNY per year, integers included


class FixedProgram:
    """
    The LP that is left when the integers are held.

    Parameters
    ----------
    integers
        (columns,) solution vector; only its integers are read, rounded by halves.
    stays
        (rows,) rows to keep as they are, so that `saving_with_more` can change their right side.
    closed
        Columns held at zero until `saving_with_open` opens them.
    like
        A solved program of the same model with other integers or bounds, to start from its basis.
    time_limit_s
        Seconds for each solve.

    Raises
    ------
    FixedIntegerError
        If the integers alone break a row, or an outage cannot be survived with them.
    """

    def __init__(  # noqa: PLR0913 - options, keyword-only
        self,
        compiled: CompiledModel,
        integers: FloatArray,
        *,
        seed: int = 1,
        stays: npt.NDArray[np.bool_] | None = None,
        closed: IntArray | None = None,
        like: FixedProgram | None = None,
        time_limit_s: float = np.inf,
    ) -> None:
        self._time_limit_s = time_limit_s
        self.compiled = compiled
        self.integers: FloatArray = np.where(compiled.is_integer, round_integers(compiled, integers), 0.0)
        self.matrix = compiled.matrix
        try:
            # What outages need follows from the integers alone and costs nothing: it is no part of the program.
            self.integers = with_failover(compiled, self.integers, seed=seed)
        except NoFailoverError as error:
            raise FixedIntegerError(str(error)) from error
        held = hold_failover(compiled)
        self.body_facts: _Body = like.body_facts if like is not None and like.compiled is compiled else _Body.of(held)
        self._body = self.body_facts.matrix
        none = np.zeros(len(compiled.row_upper), np.bool_)
        moved = self.matrix @ self.integers
        self._reduced = _reduce_program(held, self.body_facts, moved, none if stays is None else stays)
        self._seed = seed
        self._closed = np.zeros(0, np.int64) if closed is None else closed
        self._like = like
        self._highs: highspy.Highs | None = None
        self._basis: highspy.HighsBasis | None = None
        self._statuses: _Statuses | None = None  # of the optimum
        self._point: _FixedPoint | None = None
        self._cost_units = np.inf

    def solve(self) -> _FixedPoint:
        """
        Solve the program.

        Raises
        ------
        FixedIntegerError
            If no plan has these integers.
        """
        x, highs = self._solve_columns()
        solution, reduced, compiled = highs.getSolution(), self._reduced, self.compiled
        row_dual = np.zeros(len(compiled.row_upper))
        row_dual[reduced.is_kept_row] = np.array(solution.row_dual) * CNY_PER_COST_UNIT
        _price_idle_rows(compiled, self._body, reduced, x[reduced.free], row_dual)
        kept = row_dual.copy()
        _price_removed_rows(compiled, self._body, reduced, row_dual)
        row_dual[np.abs(row_dual) < NO_PRICE_CNY] = 0.0
        self._point = _FixedPoint(x, row_dual, kept, float(compiled.cost @ x))
        return self._point

    def solve_cost(self) -> tuple[FloatArray, float]:
        """
        Solve the program without its duals, which take as long again.

        Returns
        -------
        tuple
            (columns,) values, and their cost in CNY per year.

        Raises
        ------
        FixedIntegerError
            If no plan has these integers.
        """
        x, _ = self._solve_columns()
        return x, float(self.compiled.cost @ x)

    def _solve_columns(self) -> tuple[FloatArray, highspy.Highs]:
        reduced = self._reduced
        highs = self._load()
        if self._like is not None:
            self._start_like(highs, self._like)
            self._like = None  # or a chain of programs would stay in memory
        self._run(highs)
        if is_infeasible(highs):
            raise FixedIntegerError("no plan has these integers")
        self._cost_units, self._basis = highs.getInfo().objective_function_value, highs.getBasis()
        values = np.array(highs.getSolution().col_value)
        self._statuses = _read_statuses(highs, values)
        x = self.integers.copy()
        x[reduced.free[reduced.is_kept_column]] = values
        return x, highs

    @property
    def has_free_columns(self) -> npt.NDArray[np.bool_]:
        """(rows,) whether anything but integers stands in a row."""
        return np.asarray(np.diff(self._body.indptr) > 0)

    @property
    def point(self) -> _FixedPoint:
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
            Decrease of the optimum, CNY per year; minus infinity if nothing is feasible then. The program is unchanged.
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
        """Solve again with some closed columns open: decrease of the optimum, CNY per year; changes nothing."""
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
        pass_model(
            highs,
            matrix,
            cost=compiled.cost[free][kept] / CNY_PER_COST_UNIT,
            lower=compiled.lower[free][kept],
            upper=upper,
            row_lower=reduced.row_lower[reduced.is_kept_row],
            row_upper=reduced.row_upper[reduced.is_kept_row],
        )
        self._highs = highs
        return highs

    def _start_like(self, highs: highspy.Highs, like: FixedProgram) -> None:
        """Take over what was basic; columns and rows that the other program lacked are at a bound and basic."""
        if like._statuses is None:
            return
        old, new = like._reduced, self._reduced
        old_column = like._positions(new.free[new.is_kept_column])
        old_row = np.where(old.is_kept_row, np.cumsum(old.is_kept_row) - 1, -1)[new.is_kept_row]
        start = highspy.HighsBasis()
        # The last entry is what stands for -1.
        start.col_status = _STATUSES[np.append(like._statuses.columns, _AT_LOWER)[old_column]].tolist()
        start.row_status = _STATUSES[np.append(like._statuses.rows, _BASIC)[old_row]].tolist()
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
        is_solved = run_until_optimal(highs, trusts_infeasible=True, time_limit_s=self._time_limit_s)
        if not is_solved and not is_infeasible(highs):
            raise FixedIntegerError(f"HiGHS stopped with {highs.getModelStatus()}")

    def _saving(self, highs: highspy.Highs) -> float:
        # From the optimum of the program as it was: shorter than from wherever the last change led.
        highs.setBasis(self.basis)
        self._run(highs)
        if is_infeasible(highs):
            return -np.inf
        return float(self._cost_units - highs.getInfo().objective_function_value) * CNY_PER_COST_UNIT


@dataclass(frozen=True)
class _Statuses:
    """Which columns and rows are basic or at which bound, as places in `_STATUSES`."""

    columns: IntArray
    rows: IntArray


_AT_LOWER, _AT_UPPER, _BASIC = range(3)
_STATUSES = np.array(
    [highspy.HighsBasisStatus.kLower, highspy.HighsBasisStatus.kUpper, highspy.HighsBasisStatus.kBasic], dtype=object
)


def _read_statuses(highs: highspy.Highs, columns: FloatArray) -> _Statuses | None:
    """
    Read the basis of an optimum at some columns; None if the solver has none.

    As numbers: to turn every status of a basis into an object of its own takes as long as the simplex method.
    """
    status, basic = highs.getBasicVariables()  # type: ignore[attr-defined]  # not in its stub
    if status != highspy.HighsStatus.kOk:
        return None
    program = highs.getLp()
    rows, row_upper = np.array(highs.getSolution().row_value), np.array(program.row_upper_)
    is_at_upper = np.isneginf(np.array(program.row_lower_)) | (rows >= row_upper - ROUNDING * np.abs(row_upper))
    found = _Statuses(np.where(columns > 0, _AT_UPPER, _AT_LOWER), np.where(is_at_upper, _AT_UPPER, _AT_LOWER))
    found.columns[basic[basic >= 0]] = _BASIC
    found.rows[-1 - basic[basic < 0]] = _BASIC
    return found


def reduced_costs(compiled: CompiledModel, row_duals: FloatArray, columns: IntArray) -> FloatArray:
    """Reduced costs of columns at given duals, CNY per year and unit; negative: a closed column would be used."""
    return np.asarray(compiled.cost[columns] - (compiled.matrix.T @ row_duals)[columns])


# Pods switched on by no more than this above an integer are that number.
POD_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class FixedIntegerSolution:
    """
    Best plan for given integers, with the prices of the limits.

    Attributes
    ----------
    plan
        Satisfies every limit to the solver's feasibility tolerance.
    objective_cny
        CNY per year.
    row_duals
        Equation name -> (T, n), or (n,) for an equation that does not run over slices: by how many CNY per year the
        optimum grows for one more unit of the right side. Rows stand as compiled, left side minus all variables of
        the right side: an inequality reads `... <= limit`, also if its rule says >=, so its dual is <= 0 and its
        negative is what one more unit of the limit would save. Of an equality, (1a) and (1b) are marginal costs of
        one more mtok/h (1a) or mtok (1b) of demand in that slice on every day it stands for; 0 <= is usual there,
        not certain.
    column_duals
        Variable name -> array in its own shape: the reduced cost, CNY per year and unit. Of an integer, held at its
        value: by how much the optimum would grow if one more could be had for its own cost (negative: would fall),
        as a derivative, so right for a small change only. Of another variable: 0 where it is strictly between its
        bounds, >= 0 at 0, <= 0 at its upper bound.
    """

    plan: Plan
    objective_cny: float
    row_duals: dict[str, FloatArray]
    column_duals: dict[str, FloatArray]


def solve_fixed_integers(
    problem: PlacementProblem,
    compiled: CompiledModel,
    integers: FloatArray | Plan,
    *,
    seed: int = 1,
    like: FixedProgram | None = None,
    time_limit_s: float = np.inf,
) -> FixedIntegerSolution:
    """
    Fix the integers, solve the LP that is left, and drop integers that turn out to be unused.

    A deployment without work, a data center without deployment and new pods beyond the most ever switched on are
    dropped: the operation stays optimal, with the same duals, and costs only fall. Where deployments keep accelerators
    on (6e), the rest is then solved again.

    Parameters
    ----------
    integers
        A plan, or a solution vector (columns,); only its integers are read, rounded by halves.
    time_limit_s
        Seconds for each linear program.

    Raises
    ------
    FixedIntegerError
        If no plan has these integers.
    """
    vector = columns_from_plan(compiled, integers) if isinstance(integers, Plan) else integers
    make = partial(FixedProgram, compiled, seed=seed, like=like, time_limit_s=time_limit_s)
    fixed = fixed_integer_solution(problem, make(vector))
    if (problem.min_accelerators > 0).any():
        # A deployment taken back no longer keeps accelerators on: what runs without it is cheaper still.
        deployed = int(np.floor(vector[compiled.columns["Deploy"].columns] + 0.5).sum())
        while (count := int(fixed.plan.is_deployed.sum())) < deployed:
            deployed = count
            fixed = fixed_integer_solution(problem, make(columns_from_plan(compiled, fixed.plan)))
    return fixed


def settle(
    problem: PlacementProblem,
    compiled: CompiledModel,
    plan: Plan,
    *,
    seed: int = 1,
    stays: Callable[[FloatArray], npt.NDArray[np.bool_]] | None = None,
) -> tuple[FixedProgram, FixedIntegerSolution]:
    """
    Solve the fixed-integer LP until no integer is unused, and keep the program behind it.

    Parameters
    ----------
    stays
        Says which rows to keep as they are, by solution vector (see `FixedProgram`).

    Raises
    ------
    FixedIntegerError
        If no plan has these integers.
    """
    while True:
        x = columns_from_plan(compiled, plan)
        program = FixedProgram(compiled, x, seed=seed, stays=None if stays is None else stays(x))
        fixed = fixed_integer_solution(problem, program)
        settled = columns_from_plan(compiled, fixed.plan)[compiled.is_integer]
        if np.array_equal(settled, program.integers[compiled.is_integer]):
            return program, fixed
        plan = fixed.plan


def fixed_integer_solution(problem: PlacementProblem, program: FixedProgram) -> FixedIntegerSolution:
    """Solve a program with its integers held, and drop unused ones: see `solve_fixed_integers`."""
    compiled, point = program.compiled, program.solve()
    column_dual = compiled.cost - program.matrix.T @ point.row_duals
    plan = _without_unused(problem, plan_from_columns(problem, compiled, point.columns))
    return FixedIntegerSolution(
        plan=plan,
        objective_cny=float(compiled.cost @ columns_from_plan(compiled, plan)),
        row_duals={
            name: point.row_duals[block.rows].reshape(block.shape if AXIS in EQUATIONS[name].over else -1)
            for name, block in compiled.rows.items()
        },
        column_duals={name: block.values(column_dual) for name, block in compiled.columns.items()},
    )


def _without_unused(problem: PlacementProblem, plan: Plan) -> Plan:
    """Leave out integers that carry nothing; every limit that held still holds."""
    deployments, pools, pairs = problem.deployments, problem.pools, problem.indivisible_pairs
    shape = (len(problem.classes), len(problem.data_centers))
    works = np.zeros(shape, np.bool_)
    processes = problem.processes
    busy = plan.work_mtok_per_h.max(axis=0, initial=0.0) > 0
    if plan.failover_work_mtok_per_h.size:
        busy |= plan.failover_work_mtok_per_h.max(axis=0, initial=0.0) > 0
    works[processes["class_index"][busy], processes["data_center_index"][busy]] = True
    # A workload without demand is assigned all the same.
    assigned = pairs[plan.is_assigned == 1]
    works[assigned["class_index"], assigned["data_center_index"]] = True
    is_deployed = plan.is_deployed * works[deployments["class_index"], deployments["data_center_index"]]
    place = pools["data_center_index"].to_numpy()
    active = np.maximum(plan.active_pods.max(axis=0, initial=0.0), _failover_pods(problem, plan))
    used = np.bincount(deployments["data_center_index"], is_deployed, shape[1]) + np.bincount(place, active, shape[1])
    is_open = plan.is_open * (used > 0)
    existing = pools["existing_pods"].to_numpy() * is_open[place]
    needed = np.maximum(
        np.ceil(active - existing - POD_ROUNDING), pools["min_pods"].to_numpy() * is_open[place] - existing
    )
    new_pods = _with_shares(problem, np.clip(needed, 0, plan.new_pods).astype(np.int64), plan.new_pods)
    # Pods that stand idle for a share of new compute stand where it is open.
    stands = np.bincount(place, new_pods, shape[1]) > 0
    least = (pools["min_pods"].to_numpy() - pools["existing_pods"].to_numpy()) * stands[place]
    new_pods = np.maximum(new_pods, np.minimum(least, plan.new_pods)).astype(np.int64)
    is_open = plan.is_open * ((used > 0) | stands)
    return replace(plan, new_pods=new_pods, is_open=is_open, is_deployed=is_deployed)


def _with_shares(problem: PlacementProblem, kept: IntArray, bought: IntArray) -> IntArray:
    """Give back of the pods bought, (P,), the cheapest that the shares of new compute (10h) still need."""
    policy, pools, kept = problem.policy, problem.pools, kept.copy()
    pflops = problem.accelerators["pflops_per_pod"].to_numpy(float)[pools["accelerator_index"]]
    price = (pools["pod_cny_per_year"] + pools["site_cny_per_year"]).to_numpy(float) / pflops
    centers = problem.data_centers.loc[pools["data_center_index"], ["region", "category"]].to_numpy(str)
    inside = {name: (centers == name).any(axis=1) for name in policy.new_compute_groups}
    while True:
        compute = pflops * kept
        short = [
            is_inside
            for name, is_inside in inside.items()
            if compute[is_inside].sum() < policy.min_new_compute_share[name] * compute.sum() * (1 - POD_ROUNDING)
        ]
        can = np.flatnonzero(short[0] & (kept < bought)) if short else np.zeros(0, np.int64)
        if not len(can):  # what was bought kept the shares, so that only rounding can be short here
            return kept
        kept[can[np.argmin(price[can])]] += 1


def _failover_pods(problem: PlacementProblem, plan: Plan) -> FloatArray:
    """(P,) most pods of each pool that any outage needs."""
    processes, accelerators, work = problem.processes, problem.accelerators, plan.failover_work_mtok_per_h
    if not work.size:
        return np.zeros(len(problem.pools))
    k, a = processes["class_index"].to_numpy(), processes["accelerator_index"].to_numpy()
    pods = work * problem.accel_h_per_mtok[k, a]
    pods /= problem.utilization_limit_share * accelerators["accelerators_per_pod"].to_numpy(float)[a]
    in_outage = np.zeros((len(work), len(problem.pools)))
    np.add.at(in_outage.T, processes["pool_index"].to_numpy(), pods.T)
    return np.asarray(in_outage.max(axis=0))

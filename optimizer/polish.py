"""
The best plan for given integers, and what each limit costs there.

With the integers fixed the rest is a linear program. Most of its columns can be closed before a solver sees it
(nothing is routed to where a class is not deployed), so that it takes seconds at full size. What was removed is put
back afterwards: the duals returned are those of the whole program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.compile import CompiledModel
from optimizer.extract import columns_from_plan, plan_from_columns, round_integers
from optimizer.formulation import CONSTRAINTS
from optimizer.highs import is_infeasible, is_optimal, new_highs, pass_rows
from optimizer.model_data import AXIS
from optimizer.plan import Plan
from optimizer.problem import FloatArray, IntArray, PlacementProblem

# Costs go to the solver in thousands: its dual tolerance of 1e-7 is then 0.0001 CNY per year and unit of a column.
CNY_PER_COST_UNIT = 1e3
# A right side this far below zero (relative to the row) is rounding of the integers' own row, not a contradiction.
ROUNDING = 1e-9
# Pods switched on by no more than this above a whole number are that number.
WHOLE = 1e-9
# A dual below this many CNY per year and unit is rounding.
NO_PRICE_CNY = 1e-6


class PolishError(ValueError):
    """The integers leave no feasible plan, or the solver found no optimum."""


@dataclass(frozen=True, eq=False)
class Polished:
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


def polish(
    problem: PlacementProblem, compiled: CompiledModel, integers: FloatArray | Plan, *, seed: int = 1
) -> Polished:
    """
    Fix the integers, solve what is left exactly, and take back what turns out to be unused.

    A deployment without work, a data center without deployment and new pods beyond the most ever switched on are
    taken back: the operation stays optimal, with the same duals, and costs only fall.

    Parameters
    ----------
    problem
        The problem the model was compiled from.
    compiled
        From `compile_model`.
    integers
        A plan, or a solution vector (columns,); only its integers are read, rounded by halves.
    seed
        Random seed of the solver.

    Raises
    ------
    PolishError
        If no plan has these integers.
    """
    vector = columns_from_plan(compiled, integers) if isinstance(integers, Plan) else integers
    fixed = np.where(compiled.is_integer, round_integers(compiled, vector), 0.0)
    rows, columns = len(compiled.row_upper), len(compiled.cost)
    matrix = sp.csr_array((compiled.values, compiled.indices, compiled.starts), shape=(rows, columns))
    body = sp.csr_array(matrix[:, np.flatnonzero(~compiled.is_integer)])
    reduced = _reduce(compiled, body, matrix @ fixed)
    values, duals = _solve(compiled, body, reduced, seed)
    x = fixed.copy()
    x[reduced.free[reduced.is_kept_column]] = values
    row_dual = np.zeros(rows)
    row_dual[reduced.is_kept_row] = duals
    _price_idle_rows(compiled, body, reduced, x[reduced.free], row_dual)
    _price_removed_rows(compiled, body, reduced, row_dual)
    row_dual[np.abs(row_dual) < NO_PRICE_CNY] = 0.0
    column_dual = compiled.cost - matrix.T @ row_dual
    plan = _without_unused(problem, plan_from_columns(problem, compiled, x))
    over = {equation.name: equation.over for equation in CONSTRAINTS}
    return Polished(
        plan=plan,
        objective_cny=float(compiled.cost @ columns_from_plan(compiled, plan)),
        row_duals={
            name: row_dual[block.rows].reshape(block.shape if AXIS in over[name] else -1)
            for name, block in compiled.rows.items()
        },
        column_duals={name: block.values(column_dual) for name, block in compiled.columns.items()},
    )


def _reduce(compiled: CompiledModel, body: sp.csr_array, moved: FloatArray) -> _Reduced:
    """
    Turn rows into bounds where that loses nothing.

    A row `sum of a x <= b` with a > 0 over columns >= 0 is the bound x <= b / a if it has one column, and closes all
    of its columns if b = 0; either way the row can go.
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
    removed = packs & ((counts == 1) | (upper == 0))
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


def _solve(compiled: CompiledModel, body: sp.csr_array, reduced: _Reduced, seed: int) -> tuple[FloatArray, FloatArray]:
    """Values of the kept columns and duals of the kept rows in CNY per year and unit."""
    kept, free = reduced.is_kept_column, reduced.free
    matrix = sp.csr_array(body[reduced.is_kept_row][:, np.flatnonzero(kept)])
    highs = new_highs(seed=seed, solver="simplex")
    pass_rows(
        highs,
        cost=compiled.cost[free][kept] / CNY_PER_COST_UNIT,
        lower=compiled.lower[free][kept],
        upper=reduced.upper[kept],
        row_lower=reduced.row_lower[reduced.is_kept_row],
        row_upper=reduced.row_upper[reduced.is_kept_row],
        starts=matrix.indptr.astype(np.int32),
        indices=matrix.indices.astype(np.int32),
        values=matrix.data,
    )
    highs.run()
    if not is_optimal(highs) and not is_infeasible(highs):
        highs.clearSolver()
        highs.run()
    if is_infeasible(highs):
        raise PolishError("no plan has these integers")
    if not is_optimal(highs):
        raise PolishError(f"HiGHS stopped with {highs.getModelStatus()}")
    solution = highs.getSolution()
    return np.array(solution.col_value), np.array(solution.row_dual) * CNY_PER_COST_UNIT


def _without_unused(problem: PlacementProblem, plan: Plan) -> Plan:
    """Leave out integers that carry nothing; every limit that held still holds."""
    deployments, pools, pairs = problem.deployments, problem.pools, problem.indivisible_pairs
    shape = (len(problem.classes), len(problem.data_centers))
    works = np.zeros(shape, np.bool_)
    processes = problem.processes
    busy = plan.work_mtok_per_h.max(axis=0, initial=0.0) > 0
    works[processes["class_index"][busy], processes["data_center_index"][busy]] = True
    # A workload that asks for nothing is assigned all the same.
    assigned = pairs[plan.is_assigned == 1]
    works[assigned["class_index"], assigned["data_center_index"]] = True
    is_deployed = plan.is_deployed * works[deployments["class_index"], deployments["data_center_index"]]
    place = pools["data_center_index"].to_numpy()
    active = plan.active_pods.max(axis=0, initial=0.0)
    used = np.bincount(deployments["data_center_index"], is_deployed, shape[1]) + np.bincount(place, active, shape[1])
    is_open = plan.is_open * (used > 0)
    existing = pools["existing_pods"].to_numpy() * is_open[place]
    needed = np.maximum(np.ceil(active - existing - WHOLE), pools["min_pods"].to_numpy() * is_open[place] - existing)
    new_pods = np.clip(needed, 0, plan.new_pods).astype(np.int64)
    return replace(plan, new_pods=new_pods, is_open=is_open, is_deployed=is_deployed)


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

"""
What one more unit of each limit is worth, with the integers of the plan held: a megawatt, a pod, 100 Gbps, a tonne.

A limit is moved in the inputs and the model compiled again: the rows that moved, whichever equations they belong to,
are moved in the linear program that is left when the integers are held, and it is solved again from where it stands.
RTT limits move no row but admit routes: `rtt_prices`. What one more token costs is read off the duals: `token_costs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from optimizer.compile import CompiledModel, compile_model
from optimizer.duals import labels_of_set
from optimizer.extract import columns_from_plan
from optimizer.fixed_program import FixedProgram
from optimizer.formulation import CONSTRAINTS
from optimizer.model_data import model_data
from optimizer.plan import Plan
from optimizer.polish import Polished, settle
from optimizer.price_table import COLUMNS, LEAST_VALUE_CNY, Price, price_row, price_sentence, spell_cny
from optimizer.priced_limits import LIMITS, TRIES, Limit, Thing, every_pool
from optimizer.problem import FloatArray, IntArray, PlacementProblem
from optimizer.rtt_prices import rtt_prices
from optimizer.token_costs import token_costs

# A price holds as far as a step is worth nine tenths of the first.
HOLDS_SHARE = 0.9
ROUNDING = 1e-9
PURCHASE_UNIT = "CNY per year and pod"


@dataclass(frozen=True, eq=False)
class PricedPlan:
    """
    A plan at its best for its integers, with what is needed to price its limits.

    Attributes
    ----------
    problem, compiled
        The problem and its model.
    polished
        The plan and the duals.
    program
        The linear program behind it, solved.
    shifts
        By limit and variant, how the model changes with one step more.
    """

    problem: PlacementProblem
    compiled: CompiledModel
    polished: Polished
    program: FixedProgram
    shifts: Shifts


@dataclass(frozen=True)
class _Shift:
    """Change of the right sides and of the matrix when a limit is moved by one step everywhere."""

    right: FloatArray
    matrix: sp.csr_array

    def at(self, x: FloatArray) -> FloatArray:
        """Change of the right sides, with the columns held at x."""
        return np.asarray(self.right - self.matrix @ x)


Shifts = dict[tuple[str, int], _Shift]


def price_plan(problem: PlacementProblem, compiled: CompiledModel, plan: Plan, *, seed: int = 1) -> PricedPlan:
    """
    Polish a plan and keep the program behind it.

    Parameters
    ----------
    problem
        The problem.
    compiled
        From `compile_model`.
    plan
        Its integers are held; those that turn out to be unused are taken back first.
    seed
        Random seed of the solver.

    Raises
    ------
    PolishError
        If no plan has these integers.
    """
    shifts = {
        (limit.kind, variant): _shift(compiled, compile_model(limit.move(problem, variant)))
        for limit in LIMITS
        for variant in sorted({thing.variant for thing in limit.things(problem)})
    }
    program, polished = settle(
        problem, compiled, plan, seed=seed, stays=lambda x: _rows_to_move(problem, compiled, shifts, x)
    )
    return PricedPlan(problem, compiled, polished, program, shifts)


def _shift(compiled: CompiledModel, moved: CompiledModel) -> _Shift:
    rows, columns = len(compiled.row_upper), len(compiled.cost)

    def matrix(model: CompiledModel) -> sp.csr_array:
        return sp.csr_array((model.values, model.indices, model.starts), shape=(rows, columns))

    change = sp.csr_array(matrix(moved) - matrix(compiled))
    change.eliminate_zeros()
    return _Shift(moved.row_upper - compiled.row_upper, change)


def _rows_to_move(
    problem: PlacementProblem, compiled: CompiledModel, shifts: Shifts, x: FloatArray
) -> npt.NDArray[np.bool_]:
    moves = np.zeros(len(compiled.row_upper), np.bool_)
    row_of = np.repeat(np.arange(len(moves)), np.diff(compiled.starts))
    for shift in shifts.values():
        moves |= shift.at(x) != 0
    for pool in np.flatnonzero(_is_bought_out(problem, compiled, x)):
        column = compiled.columns["NewPods"].columns.start + int(pool)
        moves |= np.bincount(row_of[compiled.indices == column], minlength=len(moves)) > 0
    return moves


def shadow_prices(priced: PricedPlan, *, seed: int = 1) -> pd.DataFrame:
    """
    Price every limit of a plan.

    Parameters
    ----------
    priced
        From `price_plan`.
    seed
        Random seed of the solver.

    Returns
    -------
    DataFrame
        kind, id, unit, value (what the first whole step saves per unit, in `unit`; of a token, what it costs),
        marginal_value (the same for the first small part of it, from the duals; NaN where there is none), step and
        holds_to (how much was added, and to how much each unit is worth at least nine tenths of `value`, of a few steps
        tried; in the limit's own unit, NaN where not known), sentence.
    """
    rows = [row for limit in LIMITS for row in _limit_rows(priced, limit)]
    rows += _purchase_rows(priced)
    rows += rtt_prices(priced.problem, priced.program, seed=seed)
    rows += token_costs(priced.problem, priced.polished)
    return pd.DataFrame(rows, columns=COLUMNS)


def _limit_rows(priced: PricedPlan, limit: Limit) -> Iterator[dict[str, Any]]:
    x = columns_from_plan(priced.compiled, priced.polished.plan)
    moved: dict[int, dict[tuple[int, ...], IntArray]] = {}
    for thing in limit.things(priced.problem):
        # Rows of integers alone cannot be broken by more of a limit, and have no price.
        shift = np.where(priced.program.has_free_columns, priced.shifts[limit.kind, thing.variant].at(x), 0.0)
        if thing.variant not in moved:
            moved[thing.variant] = _rows_by_label(priced, shift, limit.labels)
        rows, what = moved[thing.variant].get(thing.index), limit.words.format(*thing.names)
        if rows is None:
            price, sentence = Price(0.0, 0.0), f"{what} is worth nothing in this plan, where {thing.names[0]} is closed"
        else:
            price = (
                _price(priced, rows, shift[rows], tries=limit.tries)
                if limit.moves_right_side
                else _price_anew(priced, limit, thing)
            )
            sentence = price_sentence(what, price.value, price.holds_steps)
        yield price_row(limit.kind, thing.ids, limit.unit, price, limit.step, sentence)


def _purchase_rows(priced: PricedPlan) -> Iterator[dict[str, Any]]:
    """Price the leave to buy one more pod where no more may be bought, its own price taken off."""
    problem, compiled = priced.problem, priced.compiled
    x = columns_from_plan(compiled, priced.polished.plan)
    is_bought_out, is_open = _is_bought_out(problem, compiled, x), _is_open(problem, compiled, x)
    for pool, thing in enumerate(every_pool(problem)):
        what = "leave to buy 1 more pod of {1} at {0}".format(*thing.names)
        price, sentence = Price(0.0, 0.0), f"{what} is worth nothing: as many as pay may be bought already"
        if not is_open[pool]:
            sentence = f"{what} is worth nothing in this plan, where {thing.names[0]} is closed"
        elif is_bought_out[pool] and _breaks_limit(priced.program, pool):
            sentence = f"{what} is worth nothing: another limit on purchases is used up"
        elif is_bought_out[pool]:
            rows, more = _pod_rows(priced.program, pool)
            own_cny = float(compiled.cost[compiled.columns["NewPods"].columns][pool])
            found = _price(priced, rows, more, own_cny)
            if found.value >= LEAST_VALUE_CNY:
                price, sentence = found, price_sentence(what, found.value, found.holds_steps)
            else:
                price = Price(0.0, max(0.0, found.marginal))
                earned = spell_cny(max(0.0, np.nan_to_num(found.value) + own_cny))
                sentence = f"{what} is worth nothing: it would earn {earned} a year and cost {spell_cny(own_cny)}"
        yield price_row("purchasable_pod", thing.ids, PURCHASE_UNIT, price, 1.0, sentence)


def _price(
    priced: PricedPlan, rows: IntArray, more: FloatArray, own_cny: float = 0.0, tries: tuple[int, ...] = TRIES
) -> Price:
    """Price the first step, and see how far it holds; nothing is solved where the duals say that nothing changes."""
    marginal = float(-_row_duals(priced)[rows] @ more) - own_cny
    if (more >= 0).all() and marginal + own_cny < LEAST_VALUE_CNY:
        return Price(min(marginal, 0.0), marginal)
    first = priced.program.saving_with_more(rows, more) - own_cny
    if not np.isfinite(first):
        return Price(np.nan, marginal)
    holds = 1
    for steps in tries if first >= LEAST_VALUE_CNY else ():
        each = priced.program.saving_with_more(rows, more * steps) / steps - own_cny
        if each < HOLDS_SHARE * first:
            break
        holds = steps
    is_rounding = abs(first) < LEAST_VALUE_CNY
    return Price(0.0 if is_rounding else first, marginal, None if first < LEAST_VALUE_CNY else holds)


def _price_anew(priced: PricedPlan, limit: Limit, thing: Thing) -> Price:
    """Price a step that changes more than right sides: compile the moved limit, and solve it from the start."""
    x = columns_from_plan(priced.compiled, priced.polished.plan)
    marginal = float(-_row_duals(priced) @ priced.shifts[limit.kind, thing.variant].at(x))
    if marginal < LEAST_VALUE_CNY:
        return Price(0.0, marginal)
    moved = FixedProgram(compile_model(limit.move(priced.problem, thing.variant)), priced.program.integers)
    first = priced.polished.objective_cny - moved.solve().cost_cny
    return Price(first, marginal, 1) if first >= LEAST_VALUE_CNY else Price(0.0, marginal)


def _row_duals(priced: PricedPlan) -> FloatArray:
    return np.concatenate([priced.polished.row_duals[name].reshape(-1) for name in priced.compiled.rows])


def _rows_by_label(priced: PricedPlan, shift: FloatArray, labels: tuple[str, ...]) -> dict[tuple[int, ...], IntArray]:
    """Rows that move, by what they belong to: positions in the tables that `labels` name."""
    sets = model_data(priced.problem).sets
    found: dict[tuple[int, ...], IntArray] = {}
    for equation in CONSTRAINTS:
        block = priced.compiled.rows[equation.name]
        rows = block.rows.start + np.flatnonzero(shift[block.rows])
        if not len(rows):
            continue
        place = [labels_of_set(equation.over[0]).index(label) for label in labels]
        keys = sets[equation.over[0]][(rows - block.rows.start) % block.shape[1]][:, place]
        for key in np.unique(keys, axis=0).tolist():
            mine = rows[(keys == key).all(axis=1)]
            found[tuple(key)] = np.concatenate([found.get(tuple(key), np.zeros(0, np.int64)), mine])
    return found


def _pod_rows(program: FixedProgram, pool: int) -> tuple[IntArray, FloatArray]:
    """Rows that a new pod widens, and by how much; not those that the integers fill alone."""
    column = program.compiled.columns["NewPods"].columns.start + pool
    part = sp.csc_array(program.matrix[:, [column]])
    is_open_row = program.has_free_columns[part.indices]
    return part.indices[is_open_row].astype(np.int64), -part.data[is_open_row]


def _breaks_limit(program: FixedProgram, pool: int) -> bool:
    """Whether a new pod more would break a limit that the integers fill alone, the number that may be bought apart."""
    column = program.compiled.columns["NewPods"].columns.start + pool
    part = sp.csc_array(program.matrix[:, [column]])
    rows, data = part.indices, part.data
    block = program.compiled.rows["buy_pods_where_open"].rows
    alone = ~program.has_free_columns[rows] & ~((rows >= block.start) & (rows < block.stop))
    left = (program.compiled.row_upper - program.matrix @ program.integers)[rows] - data
    return bool((left[alone] < -ROUNDING * np.maximum(1.0, np.abs(data[alone]))).any())


def _is_open(problem: PlacementProblem, compiled: CompiledModel, x: FloatArray) -> npt.NDArray[np.bool_]:
    """(P,) whether the pool's data center is open."""
    is_open = compiled.columns["Open"].values(x) > 0.5  # noqa: PLR2004 - halves
    return np.asarray(is_open[problem.pools["data_center_index"]])


def _is_bought_out(problem: PlacementProblem, compiled: CompiledModel, x: FloatArray) -> npt.NDArray[np.bool_]:
    """(P,) whether no more pods may be bought at an open data center."""
    most = problem.pools["max_new_pods"].to_numpy()
    return _is_open(problem, compiled, x) & (compiled.columns["NewPods"].values(x) >= most)

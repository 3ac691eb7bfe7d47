"""
Split the compiled model into a master, one block per time slice and one per outage.

The routing columns (Flow, Shed) of a slice form its block; so do the columns of an outage (Reroute, OutageWork), which
cost nothing: such a block only says whether the outage can be survived. All others (what is open, deployed, bought,
assigned, processed, switched on, billed, waiting) form the master. So the master knows energy, capacity and peaks
exactly, and a block only says what the routing costs, workload by workload. The split is read off the matrix: the
equations stand only in `model.equations`.

In a block, a row with a single block column is not a row but a bound on that column that moves with the master:
that is how "route only to where the class is deployed" (6a) costs nothing in the block and still enters each cut in
its strong form. A block falls apart into components (one per class, unless a limiting link joins them); each has a
cut of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from optimizer.model.compile import CompiledModel
from optimizer.problem.problem import FloatArray, IntArray

# Variables over slices: the columns of a slice are a block.
SLICE_COLUMNS = ("Flow", "Shed")

# Variables whose first index is an outage: the columns of an outage are a block.
OUTAGE_COLUMNS = ("Reroute", "OutageWork")


@dataclass(frozen=True)
class Block:
    """
    One slice or outage: minimize cost x, lower <= A x + B y <= upper, 0 <= x <= bound, x <= bounding - H y by column.

    x are the block columns in shares of the most they can be (`column = x * scale`), followed by artificial
    columns that keep every master point solvable; y are the master columns. `rows` and `columns` count those of the
    model. Costs in cost units; of a block that `costs_nothing` they count the share by which balances are missed, and
    no plan may miss any.
    """

    columns: IntArray
    rows: IntArray
    scale: FloatArray
    cost: FloatArray
    bound: FloatArray
    matrix: sp.csc_array
    master_matrix: sp.csr_array
    row_lower: FloatArray
    row_upper: FloatArray
    bounded_column: IntArray
    bounding: FloatArray
    bounding_master: sp.csr_array
    component_of_row: IntArray
    component_of_column: IntArray
    component_count: int
    costs_nothing: bool


@dataclass(frozen=True)
class _MovingBounds:
    """`x[column] <= value - master y`, and every column's own bound."""

    column: IntArray
    value: FloatArray
    master: sp.csr_array
    upper: FloatArray


@dataclass(frozen=True)
class _Source:
    """What the blocks are cut from: the model, its matrix, and that of the master columns."""

    model: CompiledModel
    matrix: sp.csr_array
    master_matrix: sp.csr_array
    block_of_row: IntArray
    block_of_column: IntArray
    master_upper: FloatArray
    most: FloatArray
    cny_per_unit: float


@dataclass(frozen=True)
class Master:
    """The master columns, `column = y * scale`, and the rows that hold no block column. Costs in cost units."""

    columns: IntArray
    scale: FloatArray
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    is_integer: npt.NDArray[np.bool_]
    matrix: sp.csr_array
    row_lower: FloatArray
    row_upper: FloatArray


def split(
    model: CompiledModel, slice_count: int, penalty_units: FloatArray, most: FloatArray, *, cny_per_unit: float
) -> tuple[Master, list[Block]]:
    """
    Split a compiled model by slices.

    Parameters
    ----------
    penalty_units
        (T,) cost units for each mtok/h by which a balance of the slice is missed; outages have no penalty. A point
        that pays it is no plan; a bound with it is a bound without it.
    most
        (columns,) most that each column can be in any plan; master columns are scaled by it, to lie between 0 and 1.

    Returns
    -------
    Master, list of Block
        The master also holds rows that the blocks imply (`_implied_rows`).
    """
    matrix = model.matrix
    block_of_column, block_count = _blocks_of_columns(model, slice_count)
    block_of_row = _blocks_of_rows(model, block_of_column)
    columns, rows = np.flatnonzero(block_of_column < 0), np.flatnonzero(block_of_row < 0)
    scale = np.where(model.is_integer[columns], 1.0, np.maximum(most[columns], 1e-9))
    master_matrix = sp.csr_array(matrix[:, columns] @ sp.diags_array(scale))
    upper = np.minimum(model.upper[columns], most[columns]) / scale
    source = _Source(model, matrix, master_matrix, block_of_row, block_of_column, upper, most, cny_per_unit)
    own = sp.csr_array(master_matrix[rows])
    blocks = []
    parts, lowers, uppers = [own], [model.row_lower[rows]], [model.row_upper[rows]]
    for n in range(block_count):
        penalty = float(penalty_units[n]) if n < slice_count else None
        block, implied, implied_lower, implied_upper = _block(source, n, penalty)
        blocks.append(block)
        parts.append(implied)
        lowers.append(implied_lower)
        uppers.append(implied_upper)
    rows_kept, row_lower, row_upper = _distinct(
        sp.csr_array(sp.vstack(parts)), np.concatenate(lowers), np.concatenate(uppers)
    )
    master = Master(
        columns=columns,
        scale=scale,
        cost=model.cost[columns] / cny_per_unit * scale,
        lower=model.lower[columns] / scale,
        upper=upper,
        is_integer=model.is_integer[columns],
        matrix=rows_kept,
        row_lower=row_lower,
        row_upper=row_upper,
    )
    return master, blocks


def _distinct(rows: sp.csr_array, lower: FloatArray, upper: FloatArray) -> tuple[sp.csr_array, FloatArray, FloatArray]:
    """Drop rows that repeat another one or that say no more than that a column is not negative."""
    seen: set[bytes] = set()
    keep = []
    for row in range(rows.shape[0]):
        part = slice(rows.indptr[row], rows.indptr[row + 1])
        values, side = rows.data[part], np.array([lower[row], upper[row]])
        says_nothing = (side[0] == -np.inf and side[1] >= 0 and (values <= 0).all()) or (
            side[1] == np.inf and side[0] <= 0 and (values >= 0).all()
        )
        largest = np.abs(values).max(initial=0.0)
        if says_nothing or (largest == 0 and side[0] <= 0 <= side[1]):
            continue  # what is left without columns contradicts itself: the master is infeasible
        key = rows.indices[part].tobytes() + np.round(np.append(values, side) / (largest or 1.0), 12).tobytes()
        if key not in seen:
            seen.add(key)
            keep.append(row)
    kept = sp.csr_array(rows[keep])
    largest = abs(kept).max(axis=1).toarray().reshape(-1)
    largest[largest == 0] = 1.0
    return sp.csr_array(sp.diags_array(1 / largest) @ kept), lower[keep] / largest, upper[keep] / largest


def _blocks_of_columns(model: CompiledModel, slice_count: int) -> tuple[IntArray, int]:
    """Block of each column, -1 for the master's, and the number of blocks: slices first, then outages."""
    out = np.full(len(model.cost), -1)
    count = slice_count
    for name in SLICE_COLUMNS:
        column = model.columns[name]
        out[column.columns] = np.repeat(np.arange(slice_count), column.shape[1])
    for name in OUTAGE_COLUMNS:
        column = model.columns[name]
        outage = column.members[:, 0].astype(np.int64)
        out[column.columns] = slice_count + outage
        count = max(count, slice_count + int(outage.max(initial=-1)) + 1)
    return out, count


def _blocks_of_rows(model: CompiledModel, block_of_column: IntArray) -> IntArray:
    """Block of each row, -1 for a row of master columns alone."""
    row_of = np.repeat(np.arange(len(model.row_upper)), np.diff(model.starts))
    block = block_of_column[model.indices]
    inside = block >= 0
    last, first = np.full(len(model.row_upper), -1), np.full(len(model.row_upper), np.iinfo(np.int64).max)
    np.maximum.at(last, row_of[inside], block[inside])
    np.minimum.at(first, row_of[inside], block[inside])
    torn = (last >= 0) & (first != last)
    if torn.any():
        names = [name for name, rows in model.rows.items() if torn[rows.rows].any()]
        raise ValueError(f"rows of {', '.join(names)} tie blocks together")
    return last


def _block(
    source: _Source, number: int, penalty_units: float | None
) -> tuple[Block, sp.csr_array, FloatArray, FloatArray]:
    """
    Cut out a block; the rows it implies for the master come with their lower and upper sides.

    Without a penalty the block costs nothing but what is missed, a whole balance counted as 1.
    """
    model = source.model
    rows, columns = np.flatnonzero(source.block_of_row == number), np.flatnonzero(source.block_of_column == number)
    body, outer = sp.csr_array(sp.csr_array(source.matrix[rows])[:, columns]), sp.csr_array(source.master_matrix[rows])
    row_lower, row_upper = model.row_lower[rows], model.row_upper[rows]
    is_bound = (np.diff(body.indptr) == 1) & np.isneginf(row_lower)
    is_bound[is_bound] = sp.csr_array(body[is_bound]).data > 0
    single = sp.csr_array(body[is_bound])
    bounded, factor = single.indices.astype(np.int64), single.data
    bounding = row_upper[is_bound] / factor
    bounding_master = sp.csr_array(sp.diags_array(1 / factor) @ outer[is_bound])
    upper = np.minimum(model.upper[columns], source.most[columns])
    np.minimum.at(upper, bounded, bounding + _most(bounding_master, source.master_upper))
    body, outer = sp.csr_array(body[~is_bound]), sp.csr_array(outer[~is_bound])
    row_lower, row_upper = row_lower[~is_bound], row_upper[~is_bound]
    implied = _implied_rows(body, outer, row_lower, row_upper, _MovingBounds(bounded, bounding, bounding_master, upper))
    # A balance that nothing at all would keep need not be missed.
    is_balance = (row_lower == row_upper) & ((row_lower != 0) | (np.diff(outer.indptr) > 0))
    # Others may be missed either way: work that nothing is routed to, a workload that nothing serves.
    weight = (
        np.where(body.sum(axis=1) < 0, -1.0, 1.0)[is_balance] * abs(body).max(axis=1).toarray().reshape(-1)[is_balance]
    )
    short = sp.csr_array(
        (np.concatenate([weight, -weight]), (np.tile(np.flatnonzero(is_balance), 2), np.arange(2 * is_balance.sum()))),
        shape=(len(row_lower), 2 * int(is_balance.sum())),
    )
    scale = np.where((upper > 0) & np.isfinite(upper), upper, 1.0)
    row_unit = np.maximum(abs(sp.csr_array(body @ sp.diags_array(scale))).max(axis=1).toarray().reshape(-1), 1e-12)
    unit = row_unit[is_balance] / np.abs(weight)
    penalty = np.ones(len(unit)) if penalty_units is None else penalty_units * unit
    widest = float(max(1.0, np.max(np.abs(row_upper[is_balance]) / row_unit[is_balance], initial=0.0)))
    scale_all = np.concatenate([scale, unit, unit])
    full = sp.csr_array(sp.hstack([body, short]))
    scaled = sp.csr_array(sp.diags_array(1 / row_unit) @ full @ sp.diags_array(scale_all))
    count, labels = connected_components(sp.block_array([[None, body != 0], [(body != 0).T, None]]), directed=False)
    of_rows_component = labels[: len(row_lower)]
    balance_component = of_rows_component[is_balance]
    block = Block(
        columns=columns,
        rows=rows[~is_bound],
        scale=scale,
        cost=np.concatenate([model.cost[columns] / source.cny_per_unit * scale, np.tile(penalty, 2)]),
        bound=np.concatenate([upper / scale, np.full(2 * len(unit), 1e3 * widest)]),
        matrix=sp.csc_array(scaled),
        master_matrix=sp.csr_array(sp.diags_array(1 / row_unit) @ outer),
        row_lower=row_lower / row_unit,
        row_upper=row_upper / row_unit,
        bounded_column=bounded,
        bounding=bounding / scale[bounded],
        bounding_master=sp.csr_array(sp.diags_array(1 / scale[bounded]) @ bounding_master),
        component_of_row=of_rows_component,
        component_of_column=np.concatenate([labels[len(row_lower) :], balance_component, balance_component]),
        component_count=count,
        costs_nothing=penalty_units is None,
    )
    return block, *implied


def _no_rows(width: int) -> tuple[sp.csr_array, FloatArray, FloatArray]:
    return sp.csr_array((0, width)), np.zeros(0), np.zeros(0)


def _most(matrix: sp.csr_array, upper: FloatArray) -> FloatArray:
    """Greatest value of -(matrix y) over 0 <= y <= upper, row by row."""
    coo = matrix.tocoo()
    helps = coo.data < 0
    out = np.zeros(matrix.shape[0])
    np.add.at(out, coo.row[helps], -coo.data[helps] * upper[coo.col[helps]])
    return out


def _implied_rows(
    body: sp.csr_array, outer: sp.csr_array, row_lower: FloatArray, row_upper: FloatArray, bounds: _MovingBounds
) -> tuple[sp.csr_array, FloatArray, FloatArray]:
    """
    Rows over the master columns alone that the block's balances imply.

    From `sum of a x + B y = r` with a > 0 and `0 <= x <= h - H y` follow
    (i) B y <= r: what is asked of the block is never negative;
    (ii) sum of a (h - H y) >= r - B y: what is asked can be given, that is, a class is deployed within reach of
    each workload, and is processed only where it is deployed and only as much as is asked for there, of indivisible
    workloads only as much as those assigned there ask for;
    (iii) where two groups of balances share all their columns, workloads here and data centers there, the two
    have the same total.
    """
    balances = np.flatnonzero((row_lower == row_upper) & (np.diff(body.indptr) > 0))
    balance, around, side = sp.csr_array(body[balances]), sp.csr_array(outer[balances]), row_lower[balances]
    if (balance.data <= 0).any():
        return _no_rows(outer.shape[1])
    asks = np.diff(around.indptr) > 0
    parts, lowers, uppers = [sp.csr_array(around[asks])], [np.full(int(asks.sum()), -np.inf)], [side[asks]]
    # A column may have two moving bounds: where its class is deployed (6a), where its workload is assigned (7b).
    order = np.arange(len(bounds.column))
    for one in (order[::-1], order):
        by_column = np.full(body.shape[1], -1)
        by_column[bounds.column[one]] = one  # the last that is written stays
        moving = by_column >= 0
        most = bounds.upper.copy()
        most[moving] = bounds.value[by_column[moving]]
        give = sp.csr_array(balance[:, moving] @ bounds.master[by_column[moving]])
        parts.append(sp.csr_array(around - give))
        lowers.append(side - balance @ most)
        uppers.append(np.full(len(side), np.inf))
    totals, total_side = _equal_totals(balance, around, side, bounds.upper)
    parts.append(totals)
    lowers.append(total_side)
    uppers.append(total_side)
    rows = sp.csr_array(sp.vstack(parts))
    lower, upper = np.concatenate(lowers), np.concatenate(uppers)
    says = np.diff(rows.indptr) > 0
    return sp.csr_array(rows[says]), lower[says], upper[says]


def _equal_totals(
    balance: sp.csr_array, around: sp.csr_array, side: FloatArray, upper: FloatArray
) -> tuple[sp.csr_array, FloatArray]:
    """Weigh the balances of each component so that its columns cancel; keep the components where they do."""
    possible = sp.csc_array(balance[:, upper > 0])
    pairs = np.diff(possible.indptr) == 2  # noqa: PLR2004 - a column in two balances ties them together
    tied = sp.csc_array(possible[:, pairs])
    first, second = tied.indices[::2], tied.indices[1::2]
    ratio = -tied.data[::2] / tied.data[1::2]
    count, label = connected_components(
        sp.coo_array((np.ones(len(first)), (first, second)), shape=(len(side), len(side))), directed=False
    )
    weight = np.zeros(len(side))
    _, starts = np.unique(label, return_index=True)
    weight[starts] = 1.0
    for _ in range(len(side)):
        known = (weight[first] != 0) & (weight[second] == 0)
        back = (weight[second] != 0) & (weight[first] == 0)
        if not known.any() and not back.any():
            break
        weight[second[known]] = weight[first[known]] * ratio[known]
        weight[first[back]] = weight[second[back]] / ratio[back]
    cancels = np.ones(count, np.bool_)
    left = abs(possible.T @ weight)
    coo = possible.tocoo()
    cancels[label[coo.row[left[coo.col] > 1e-9 * abs(weight[coo.row])]]] = False
    pick = sp.csr_array((weight, (label, np.arange(len(side)))), shape=(count, len(side)))
    return sp.csr_array((pick @ around)[cancels]), (pick @ side)[cancels]

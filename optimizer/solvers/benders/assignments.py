"""
What the master knows of indivisible workloads before the first slice is solved: a cut for each part that has any.

Where a workload is assigned, all that it asks for is served: its flows have no freedom left, and their duals any value.
Cuts from such points say little, and hundreds of them do not tell the cost of one assignment from that of another. But
that cost is known. With the balance of a workload priced at its dearest route, and what is processed at nothing, each
assignment saves what its own routes are cheaper.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.model.compile import CompiledModel
from optimizer.problem.problem import FloatArray, IntArray
from optimizer.solvers.benders.blocks import Block

BALANCES = ("serve_demand", "defer_demand")


class Prices(NamedTuple):
    """Row duals of a block, and the moving bound that prices each of its columns (-1: none)."""

    duals: FloatArray
    binding: IntArray


def assignment_prices(block: Block, compiled: CompiledModel, assign: IntArray) -> Prices | None:
    """
    Price the balances of a block so that the cut tells what each assignment costs; None if it holds none.

    Parameters
    ----------
    assign
        Positions of the assignments among the master columns.
    """
    real = len(block.columns)
    is_assigned_bound = _has(block.bounding_master, assign)
    is_assigned_row = _has(block.master_matrix, assign) & np.isneginf(block.row_lower)
    binding = np.full(len(block.cost), -1)
    binding[block.bounded_column[is_assigned_bound]] = np.flatnonzero(is_assigned_bound)
    matrix = sp.csr_array(block.matrix)[:, :real]
    limits = sp.coo_array(matrix[is_assigned_row])
    limit_rows = np.flatnonzero(is_assigned_row)
    belongs = binding[:real] >= 0
    belongs[limits.coords[1]] = True
    if not belongs.any():
        return None
    duals = np.zeros(len(block.row_lower))
    balances = np.flatnonzero(_of_equations(block.rows, compiled, BALANCES))
    entries = sp.coo_array(matrix[balances])
    row, column, value = balances[entries.coords[0]], entries.coords[1], entries.data
    per_unit = block.cost[column] / value
    mine = belongs[column]
    dearest = np.full(len(duals), -np.inf)
    np.maximum.at(dearest, row[mine], per_unit[mine])
    # What is left unserved instead costs its own price.
    cheapest_other = np.full(len(duals), np.inf)
    other = ~mine & (block.bound[column] > 0)
    np.minimum.at(cheapest_other, row[other], per_unit[other])
    duals[balances] = np.where(np.isfinite(dearest), np.minimum(dearest, cheapest_other), 0.0)[balances]
    saved = np.minimum(block.cost[:real] - matrix.T @ duals, 0.0)
    price = np.zeros(len(duals))
    np.minimum.at(price, limit_rows[limits.coords[0]], saved[limits.coords[1]] / limits.data)
    return Prices(duals + price, binding)


def _has(matrix: sp.csr_array, columns: IntArray) -> npt.NDArray[np.bool_]:
    """Rows with an entry in any of the columns."""
    row_of = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    found = np.zeros(matrix.shape[0], np.bool_)
    found[row_of[np.isin(matrix.indices, columns)]] = True
    return found


def _of_equations(rows: IntArray, compiled: CompiledModel, names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Rows of a block that belong to some equations."""
    found = np.zeros(len(rows), np.bool_)
    for name in names:
        part = compiled.rows[name].rows
        found |= (rows >= part.start) & (rows < part.stop)
    return found

"""What a part of a block is made of, number by number: parts with the same description have the same cuts."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from optimizer.problem.problem import FloatArray, IntArray
from optimizer.solvers.benders.blocks import Block

# Numbers that agree to so many digits of the largest are the same.
DIGITS = 9


class Part(NamedTuple):
    """A component of a block: a hash that equal components share, its master columns, and the size of its costs."""

    key: bytes
    columns: IntArray
    size: float


def describe_parts(block: Block) -> list[Part]:
    """
    Describe each component of a block.

    Columns that cannot carry anything and the artificial ones are left out: no plan uses either.
    """
    real = len(block.columns)
    possible = block.bound[:real] > 0
    matrix = sp.csr_array(block.matrix)[:, :real]
    is_bounding = possible[block.bounded_column]
    out = []
    for part in range(block.component_count):
        rows = np.flatnonzero(block.component_of_row == part)
        columns = np.flatnonzero((block.component_of_column[:real] == part) & possible)
        bounds = np.flatnonzero((block.component_of_column[block.bounded_column] == part) & is_bounding)
        outer, moving = sp.csr_array(block.master_matrix[rows]), sp.csr_array(block.bounding_master[bounds])
        master = np.unique(np.concatenate([outer.indices, moving.indices])).astype(np.int64)
        inner = sp.csr_array(sp.csr_array(matrix[rows])[:, columns])
        cost = block.cost[columns]
        # Where no way costs anything here, what a cut says is in terms of what a miss costs.
        missed = block.cost[real:][block.component_of_column[real:] == part]
        size = float(np.abs(cost).sum()) or float(missed.sum()) or 1.0
        numbers = (cost / size, block.bound[columns], block.row_lower[rows], block.row_upper[rows])
        key = b"|".join(
            [
                np.array([len(rows), len(columns), len(bounds), len(master)]).tobytes(),
                _pattern(inner, np.arange(len(columns))),
                *(_digits(each) for each in (*numbers, block.bounding[bounds])),
                np.searchsorted(columns, block.bounded_column[bounds]).tobytes(),
                _pattern(outer, master),
                _pattern(moving, master),
            ]
        )
        out.append(Part(hashlib.sha256(key).digest(), master, size))
    return out


def _pattern(matrix: sp.csr_array, names: IntArray) -> bytes:
    """Entries of a matrix, its columns counted among `names`."""
    matrix.sort_indices()
    place: bytes = matrix.indptr.tobytes() + np.searchsorted(names, matrix.indices).tobytes()
    return place + _digits(matrix.data)


def _digits(values: FloatArray) -> bytes:
    """Write numbers so that those which differ by rounding alone give the same bytes."""
    finite = np.isfinite(values)
    largest = float(np.abs(values[finite]).max(initial=0.0)) or 1.0
    rounded = np.where(finite, np.round(values / largest, DIGITS), values) + 0.0
    return rounded.tobytes() + f"{largest:.{DIGITS}g}".encode()

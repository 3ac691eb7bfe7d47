"""
Cuts of one problem handed on to another whose slices route the same demand.

What routing costs depends on where a class is deployed and processed, not on the price of energy. Two slices with the
same demand therefore have the same block, all costs multiplied by the hours that the slice stands for, and a cut
found in one holds, so multiplied, in the other. The likeness is read off the blocks, number by number: what differs
shares nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from optimizer.blocks import Block
from optimizer.problem import FloatArray, IntArray
from optimizer.slice_lp import Cut

# Numbers that agree to so many digits of the largest are the same.
DIGITS = 9


def transfer_all(cuts: Sequence[Cut], source: Sequence[Block], target: Sequence[Block]) -> list[Cut]:
    """
    Write the cuts of one problem for another whose blocks come in the same order.

    Parameters
    ----------
    cuts
        Cuts whose parts are the components of `source`, numbered through.
    source, target
        Blocks from `split`, those of the same slice in the same place.

    Returns
    -------
    list of Cut
        Those of components that are alike.
    """
    twins = np.arange(len(target))
    return transfer_cuts(cuts, source, target, np.where(twins < len(source), twins, -1))


def transfer_cuts(
    cuts: Sequence[Cut], source: Sequence[Block], target: Sequence[Block], source_of: IntArray
) -> list[Cut]:
    """
    Write the cuts of one problem's blocks for the blocks of another.

    Parameters
    ----------
    cuts
        Cuts whose parts are the components of `source`, numbered through.
    source, target
        Blocks from `split`.
    source_of
        For each target block the source block with the same demand, -1 where there is none.

    Returns
    -------
    list of Cut
        One for each cut and each target component that is like its own; valid there.
    """
    first = np.concatenate([[0], np.cumsum([block.component_count for block in source])])
    described = [_describe(block) for block in source]
    by_part: dict[int, list[Cut]] = {}
    for cut in cuts:
        by_part.setdefault(cut.part, []).append(cut)
    out, part = [], 0
    for block, twin in zip(target, source_of, strict=True):
        for number, (key, columns, size) in enumerate(_describe(block)):
            known = twin >= 0 and number < len(described[twin]) and described[twin][number][0] == key
            if known:
                _, own, own_size = described[twin][number]
                for cut in by_part.get(int(first[twin]) + number, ()):
                    ratio = 1.0 if cut.is_of_balances else size / own_size
                    at = columns[np.searchsorted(own, cut.columns)]
                    out.append(Cut(part, cut.constant * ratio, at, cut.gradient * ratio, cut.is_of_balances))
            part += 1
    return out


def _describe(block: Block) -> list[tuple[bytes, IntArray, float]]:
    """
    For each component of a block: a key that is the same for like ones, its master columns, and the size of its costs.

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
        size = float(np.abs(cost).sum()) or 1.0
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
        out.append((key, master, size))
    return out


def _pattern(matrix: sp.csr_array, names: IntArray) -> bytes:
    """Entries of a matrix, its columns counted among `names`."""
    matrix.sort_indices()
    place: bytes = matrix.indptr.tobytes() + np.searchsorted(names, matrix.indices).tobytes()
    return place + _digits(matrix.data)


def _digits(values: FloatArray) -> bytes:
    """Write numbers so that those which differ by rounding alone are the same."""
    finite = np.isfinite(values)
    largest = float(np.abs(values[finite]).max(initial=0.0)) or 1.0
    rounded = np.where(finite, np.round(values / largest, DIGITS), values) + 0.0
    return rounded.tobytes() + f"{largest:.{DIGITS}g}".encode()

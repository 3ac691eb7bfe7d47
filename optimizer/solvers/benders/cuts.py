"""
Cuts of one problem transferred to another, and what a solved reference passes on to the solves of other cases.

What routing costs depends on where a class is deployed and processed, not on the price of energy. Two slices with the
same demand therefore have the same block, all costs multiplied by the hours that the slice stands for, and a cut found
in one is valid, multiplied likewise, in the other. Blocks are compared number by number: a cut is transferred only
between components that are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.benders.blocks import Block
from optimizer.solvers.benders.bound import Split
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import CUTS_TABLE, Learned

# Numbers that agree to so many digits of the largest are the same.
DIGITS = 9


def transfer_all(cuts: Sequence[Cut], source: Sequence[Block], target: Sequence[Block]) -> list[Cut]:
    """Transfer the cuts of one problem to another whose blocks come in the same order."""
    twins = np.arange(len(target))
    return transfer_cuts(cuts, source, target, np.where(twins < len(source), twins, -1))


def transfer_cuts(
    cuts: Sequence[Cut], source: Sequence[Block], target: Sequence[Block], source_of: IntArray
) -> list[Cut]:
    """
    Transfer the cuts of one problem's blocks to the same components of the blocks of another.

    Parameters
    ----------
    cuts
        Cuts whose parts are the components of `source`, numbered through.
    source, target
        Blocks from `split`.
    source_of
        For each target block the source block with the same demand, -1 where there is none.
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
    For each component of a block: a key that equal components share, its master columns, and the size of its costs.

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
    """Write numbers so that those which differ by rounding alone give the same bytes."""
    finite = np.isfinite(values)
    largest = float(np.abs(values[finite]).max(initial=0.0)) or 1.0
    rounded = np.where(finite, np.round(values / largest, DIGITS), values) + 0.0
    return rounded.tobytes() + f"{largest:.{DIGITS}g}".encode()


GRADIENTS_TABLE, LINKS_TABLE = "learned_gradients", "learned_links"
_KINDS = ("cuts", "coarse_cuts")


@dataclass(frozen=True, eq=False)
class WarmCuts:
    """Cuts, and the problem whose blocks they belong to."""

    cuts: Sequence[Cut]
    split: Split


@dataclass(frozen=True, eq=False)
class WarmStart:
    """What a solve starts from."""

    deployed: frozenset[tuple[str, str]] | None = None  # class id and data center id, to begin the search with
    plan: Plan | None = None  # of the problem to be solved; None where no known plan fits it
    kept_links: npt.NDArray[np.bool_] | None = None  # (L,) link limits that the reference needed, if decomposed
    cuts: WarmCuts | None = None  # what the reference has learned about its blocks
    coarse: WarmCuts | None = None  # and about those of its coarse problem
    bound_cny: float = -np.inf  # that an earlier solve has proved of this very problem
    is_enough: bool = False  # whether the plan is to be taken as it is, without a search


def learned_tables(problem: PlacementProblem, learned: Learned) -> dict[str, pd.DataFrame]:
    """
    Write what was learned as tables.

    Returns
    -------
    dict
        learned_cuts: kind, cut (counted within the kind), part, is_of_balances, constant; learned_gradients: kind, cut,
        column, value; learned_links: link.
    """
    cuts = [(kind, cut) for kind in _KINDS for cut in getattr(learned, kind)]
    number = [n for kind in _KINDS for n in range(len(getattr(learned, kind)))]
    length = [len(cut.columns) for _, cut in cuts]
    heads = {"kind": [kind for kind, _ in cuts], "cut": np.array(number, np.int64)}
    return {
        CUTS_TABLE: pd.DataFrame(
            {
                **heads,
                "part": np.array([cut.part for _, cut in cuts], np.int64),
                "is_of_balances": np.array([cut.is_of_balances for _, cut in cuts], np.bool_),
                "constant": np.array([cut.constant for _, cut in cuts], np.float64),
            }
        ),
        GRADIENTS_TABLE: pd.DataFrame(
            {
                **{name: np.repeat(np.asarray(values), length) for name, values in heads.items()},
                "column": np.concatenate([np.zeros(0, np.int64), *(cut.columns for _, cut in cuts)]),
                "value": np.concatenate([np.zeros(0), *(cut.gradient for _, cut in cuts)]),
            }
        ),
        LINKS_TABLE: pd.DataFrame({"link": problem.links["id"].to_numpy()[learned.kept_links]}),
    }


def learned_from_tables(problem: PlacementProblem, tables: Mapping[str, pd.DataFrame]) -> Learned | None:
    """Read the tables of `learned_tables`; None where one is missing."""
    if not {CUTS_TABLE, GRADIENTS_TABLE, LINKS_TABLE} <= tables.keys():
        return None
    found = {}
    for kind in _KINDS:
        heads, entries = (table[table["kind"] == kind] for table in (tables[CUTS_TABLE], tables[GRADIENTS_TABLE]))
        ends = np.cumsum(np.bincount(entries["cut"], minlength=len(heads)))[:-1]
        columns = np.split(entries["column"].to_numpy(np.int64), ends)
        values = np.split(entries["value"].to_numpy(float), ends)
        facts = [heads[name].tolist() for name in ("part", "constant", "is_of_balances")]
        found[kind] = tuple(
            Cut(part, constant, at, gradient, is_of_balances)
            for part, constant, is_of_balances, at, gradient in zip(*facts, columns, values, strict=False)
        )
    kept = problem.links["id"].isin(tables[LINKS_TABLE]["link"]).to_numpy(bool)
    return Learned(kept, found["cuts"], found["coarse_cuts"])

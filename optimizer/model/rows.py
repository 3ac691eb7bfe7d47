"""
Write the rows of a constraint family into compressed arrays, slice by slice.

A family has the same pattern in every slice: what moves is where the block of a variable begins, and some of the
coefficients. So the pattern is laid out once, and each slice is the one before it plus a step. A slice is small enough
to stay in the processor's cache until whoever asked for it has taken it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.model.data import Int32Array
from optimizer.model.template import Rows, Term
from optimizer.problem.problem import FloatArray

_Place = slice | npt.NDArray[np.int64]

# A solver that doubles its memory when it is full doubles it to eight batches then, which is what it needs, and not
# right before the end. More and smaller batches cost more calls, each of which clears a counter for every column.
_BATCHES = 7
_SMALLEST_BATCH = 1 << 16


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Rows that follow one another: sides (M,), starts (M + 1,) from 0, indices and values (Z,)."""

    lower: FloatArray
    upper: FloatArray
    starts: Int32Array
    indices: Int32Array
    values: FloatArray


class RowWriter:
    """
    The rows of one family, ready to be written.

    Attributes
    ----------
    slices
        How many slices it has; 1 for a family that does not run over them.
    rows_per_slice
        Rows of one.
    ends
        Entries before each slice and after the last, (slices + 1,).
    """

    def __init__(self, rows: Rows) -> None:
        self.slices, self.rows_per_slice = rows.axis_length, rows.base_size
        self._bound, self._is_equality = rows.bound, rows.is_equality
        self._pattern = _Pattern(rows) if _is_plain(rows) else None
        self._summed = None if self._pattern is not None else _summed(rows)
        if self._pattern is not None:
            self.ends = np.arange(self.slices + 1, dtype=np.int64) * self._pattern.width
        elif self._summed is not None:
            self.ends = self._summed.indptr[np.arange(self.slices + 1) * self.rows_per_slice].astype(np.int64)

    @property
    def entries(self) -> int:
        """How many entries it has in all."""
        return int(self.ends[-1])

    def write(self, slices: range, into: RowBatch, row: int, entry: int) -> None:
        """Write some slices from a row and an entry of a batch on."""
        count = len(slices) * self.rows_per_slice
        upper = into.upper[row : row + count].reshape(len(slices), self.rows_per_slice)
        upper[:] = self._bound if len(self._bound) == 1 else self._bound[slices.start : slices.stop]
        into.lower[row : row + count] = upper.reshape(-1) if self._is_equality else -np.inf
        first, last = self.ends[slices.start], self.ends[slices.stop]
        part = slice(entry, entry + int(last - first))
        starts, indices, values = into.starts[row + 1 : row + count + 1], into.indices[part], into.values[part]
        if self._pattern is not None:
            ends = starts.reshape(len(slices), self.rows_per_slice)
            ends[:] = entry + np.arange(len(slices))[:, None] * self._pattern.width + self._pattern.row_ends
            self._pattern.write(slices, indices, values)
        elif self._summed is not None:
            starts[:] = self._summed.indptr[slices.start * self.rows_per_slice + 1 :][:count] - first + entry
            indices[:] = self._summed.indices[first:last]
            values[:] = self._summed.data[first:last]


class _Pattern:
    """A family in which no column comes twice in a row and no coefficient is zero: one pattern for all slices."""

    def __init__(self, rows: Rows) -> None:
        per_row = [np.bincount(term.row, minlength=rows.base_size) for term in rows.terms]
        total = np.sum(per_row, axis=0, dtype=np.int64) if per_row else np.zeros(rows.base_size, np.int64)
        first = np.concatenate(([0], np.cumsum(total)))
        self.row_ends, self.width = first[1:], int(first[-1])
        self._columns, self._term = np.empty(self.width, np.int32), np.empty(self.width, np.intp)
        self._along = np.zeros((rows.axis_length, len(rows.terms)), np.int32)
        self._fixed = np.empty(self.width)  # coefficients that are the same in every slice
        # By slice: coefficients, and columns that do not all move alike.
        self._moving: list[tuple[_Place, npt.NDArray[Any]]] = []
        self._moving_columns: list[tuple[_Place, Int32Array]] = []
        before = np.zeros(rows.base_size, np.int64)
        for number, (term, count) in enumerate(zip(rows.terms, per_row, strict=True)):
            rank = np.arange(len(term.row)) - (np.cumsum(count) - count)[term.row]
            place = _as_slice(first[term.row] + before[term.row] + rank)
            self._columns[place], self._term[place] = term.column.base[0], number
            along = term.column.along
            if along.shape[1] == 1:
                self._along[:, number] = along[:, 0]
            else:
                self._moving_columns.append((place, along + term.column.base))
            if len(term.coefficient) == 1:
                self._fixed[place] = term.coefficient[0]
            else:
                self._moving.append((place, term.coefficient))
            before += count
        self._is_fixed = len(self._moving) < len(rows.terms)

    def write(self, slices: range, indices: Int32Array, values: FloatArray) -> None:
        """Write the entries of some slices."""
        width, written = self.width, range(0, len(slices) * self.width, self.width or 1)
        before, last_move = self._columns, None
        step = np.zeros(0, np.int32)
        for at, t in zip(written, slices, strict=False):
            move = self._along[t] - (self._along[t - 1] if at else 0)
            if last_move is None or (move != last_move).any():
                step, last_move = move[self._term], move
            here = indices[at : at + width]
            np.add(before, step, out=here)
            for place, column in self._moving_columns:
                here[place] = column[t]
            before = here
            number = values[at : at + width]
            if self._is_fixed:
                number[:] = self._fixed
            for place, coefficient in self._moving:
                number[place] = coefficient[t]


def _is_plain(rows: Rows) -> bool:
    names = [term.variable for term in rows.terms]
    return (
        len(set(names)) == len(names)
        and all(term.has_distinct_columns for term in rows.terms)
        and all(np.count_nonzero(term.coefficient) == term.coefficient.size for term in rows.terms)
        and all(_length(rows, term) == rows.axis_length for term in rows.terms)
    )


def _length(rows: Rows, term: Term) -> int:
    return max(rows.axis_length, len(term.column.along), len(term.coefficient))


def _as_slice(place: npt.NDArray[np.int64]) -> _Place:
    """Say places that are evenly spaced as a slice, which is much faster to write to."""
    if not len(place):
        return slice(0, 0)
    step = int(place[1] - place[0]) if len(place) > 1 else 1
    if step > 0 and (np.diff(place) == step).all():
        return slice(int(place[0]), int(place[-1]) + 1, step)
    return place


def _summed(rows: Rows) -> sp.csr_array:
    """Rows of a family in which a column may come twice in a row, or a coefficient be zero: sum and drop."""
    parts = []
    for term in rows.terms:
        shape = (_length(rows, term), len(term.row))
        row = term.row[None, :] + (np.arange(rows.axis_length, dtype=np.int32) * np.int32(rows.base_size))[:, None]
        column = term.column.along + term.column.base
        parts.append([np.broadcast_to(array, shape).reshape(-1) for array in (row, column, term.coefficient)])
    row, column, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    width = int(column.max(initial=0)) + 1
    matrix = sp.csr_array((value, (row, column)), shape=(rows.base_size * rows.axis_length, width))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def write_rows(writers: Sequence[RowWriter]) -> RowBatch:
    """Write all families into one batch."""
    return _write([(writer, range(writer.slices)) for writer in writers])


def stream_rows(writers: list[RowWriter]) -> Iterator[RowBatch]:
    """
    Write families into batches of about the same number of entries, each made when it is asked for.

    Empties the list, so that a family's arrays are given back once it is written.
    """
    limit = max(_SMALLEST_BATCH, sum(writer.entries for writer in writers) // _BATCHES)
    pieces: list[tuple[RowWriter, range]] = []
    used = 0
    writers.reverse()
    while writers:
        writer, done = writers.pop(), 0
        while done < writer.slices:
            fitting = int(np.searchsorted(writer.ends, writer.ends[done] + limit - used, side="right")) - 1
            if fitting <= done and pieces:  # full
                yield _write(pieces)
                pieces, used = [], 0
                continue
            end = min(max(fitting, done + 1), writer.slices)
            pieces.append((writer, range(done, end)))
            used += int(writer.ends[end] - writer.ends[done])
            done = end
    if pieces:
        yield _write(pieces)


def _write(pieces: Sequence[tuple[RowWriter, range]]) -> RowBatch:
    rows = sum(writer.rows_per_slice * len(slices) for writer, slices in pieces)
    entries = int(sum(writer.ends[slices.stop] - writer.ends[slices.start] for writer, slices in pieces))
    batch = RowBatch(
        np.empty(rows), np.empty(rows), np.zeros(rows + 1, np.int32), np.empty(entries, np.int32), np.empty(entries)
    )
    row = entry = 0
    for writer, slices in pieces:
        writer.write(slices, batch, row, entry)
        row += writer.rows_per_slice * len(slices)
        entry += int(writer.ends[slices.stop] - writer.ends[slices.start])
    return batch

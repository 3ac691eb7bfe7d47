"""Read a table of ranges: between what the uncertain figures of a network or a scenario lie, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from network_data.faults import FaultList
from network_data.read import Table, read_table
from network_data.schema import ranges_schema

Basis = Literal["value", "factor"]
Shape = Literal["uniform", "triangular", "loguniform"]


class RangeRow(NamedTuple):
    """One row of a table of ranges, with its place."""

    input: str
    key: str
    basis: Basis
    low: float
    high: float
    shape: Shape
    reason: str
    source: str
    file: str
    row: int


_PLACE = ("file", "row")


def read_ranges(path: Path, faults: FaultList) -> tuple[RangeRow, ...]:
    """
    Read a table of ranges and check what each row says by itself.

    Parameters
    ----------
    path
        CSV or Parquet file; its columns are those of table `ranges` in `attributes.csv`.
    faults
        Receives what is wrong: faults of cells, an empty range, a logarithm of what is not above 0, the same key twice.

    Returns
    -------
    tuple of RangeRow
        The rows without a fault, in the order of the file.
    """
    found = FaultList()
    table = read_table(path.parent, path.stem, ranges_schema(), found)
    rows = [] if table is None else list(_rows(table, found))
    # The network and the scenario may each have a table of this name.
    faults.extend(replace(fault, file=f"{path.parent.name}/{fault.file}") for fault in found)
    return tuple(row._replace(file=f"{path.parent.name}/{row.file}") for row in rows)


def _rows(table: Table, faults: FaultList) -> Iterator[RangeRow]:
    first_row: dict[str, int] = {}
    cells = zip(*(table.columns[name] for name in RangeRow._fields[: -len(_PLACE)]), table.rows, strict=True)
    for *values, line in cells:
        if None in values:
            continue
        row = RangeRow._make((*values, table.file, line))
        before = len(faults)
        if row.key in first_row:
            remedy = f"Keep one row; the first is row {first_row[row.key]}."
            faults.add(row.file, "the key has a range already", remedy, row=line, column="key", value=row.key)
        first_row.setdefault(row.key, line)
        if row.low >= row.high:
            problem = f"the range is empty: low is not below high, which is {row.high:g}"
            faults.add(row.file, problem, "Lower low, raise high or remove the row.", row=line, column="low",
                       value=f"{row.low:g}")  # fmt: skip
        if row.shape == "loguniform" and row.low <= 0:
            remedy = "Give a low end above 0, or another shape."
            faults.add(row.file, "has no logarithm", remedy, row=line, column="low", value=f"{row.low:g}")
        if row.basis == "factor" and not row.low <= 1 <= row.high:
            problem = f"factors of {row.low:g} to {row.high:g} leave out 1, what the tables say"
            faults.add(row.file, problem, "Widen the range, or correct the value in its table.", row=line, column="low",
                       value=f"{row.low:g}")  # fmt: skip
        if row.basis == "factor" and row.low < 0:
            faults.add(row.file, "a factor is negative", "Give 0 or more.", row=line, column="low",
                       value=f"{row.low:g}")  # fmt: skip
        if len(faults) == before:
            yield row

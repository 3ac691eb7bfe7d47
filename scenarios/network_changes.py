"""What a scenario may change of its network: numbers in cells of its tables, replaced or multiplied."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from network_data.check import check_tables
from network_data.faults import FaultList, suggest
from network_data.read import Table
from network_data.schema import Attribute, CellError, load_schema
from scenarios.field_types import Prose, Section, Text, fault
from scenarios.price_changes import Factor, Names

if TYPE_CHECKING:
    import pandas as pd

    from network_data.load import Network

_LARGEST = 1e12
# Prices have changes of their own, which know tariffs, periods and hours.
_OF_PRICES = {"demand_charge_cny_per_kw_month": "demand_charge"}
# The column that `rows` names; of pools, all accelerators of a data center change together.
ROW_COLUMN: Mapping[str, str] = {
    "nodes": "id", "data_centers": "id", "pools": "data_center", "links": "id", "grids": "id", "accelerators": "id",
}  # fmt: skip


class NetworkChange(Section):
    """One change of the network: which column, in which rows, and how."""

    table: Literal["nodes", "data_centers", "pools", "links", "grids", "accelerators"] = Field(
        description="table of the network; prices of tariffs are changed with price_changes"
    )
    rows: Names | None = Field(
        None, description="ids of rows, as a list, of pools those of their data centers; null = all rows"
    )
    column: Text = Field(description="column of numbers, such as pue")
    replace: Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)] | None = Field(
        None,
        description="number to put in place, in the unit of the column, also where a cell is blank",
        json_schema_extra={"unit": "unit of the column"},
    )
    scale: Factor | None = Field(
        None,
        description="factor to multiply with, 0 or more; what is blank stays blank",
        json_schema_extra={"unit": "factor"},
    )
    source: Prose = Field("", description="where the figure comes from")

    @model_validator(mode="after")
    def _changes_one_way(self) -> Self:
        if (self.replace is None) == (self.scale is None):
            given = "none" if self.replace is None else "both"
            raise fault(f"{given} of replace and scale given, not one", "Give one of replace, scale.")
        return self


def change_network(network: Network, changes: Mapping[str, NetworkChange], file: str, faults: FaultList) -> Network:
    """
    Apply the changes of a scenario to its network; the one given stays as it is.

    Parameters
    ----------
    network
        As read from its folder.
    changes
        By id, applied in this order.
    file
        Name of the scenario, for the faults.
    faults
        Receives what is wrong: no such row or column, a column without numbers, a number out of the column's range,
        numbers of a row that contradict each other.

    Returns
    -------
    Network
        With changed tables; name, folder and hashes are still those of the files. The network itself where nothing
        changes or something is wrong.
    """
    if not changes:
        return network
    before, schema = len(faults), load_schema()
    frames: dict[str, pd.DataFrame] = {}
    for name, change in changes.items():
        where = f"network_changes.{name}"
        try:
            attribute = numeric_attribute(change.table, change.column)
        except CellError as error:
            faults.add(file, error.problem, error.remedy, column=f"{where}.column", value=change.column)
            continue
        frame = frames.setdefault(change.table, getattr(network, change.table).copy())
        _change_cells(frame, change, attribute, (file, where), faults)
    if len(faults) == before:
        check_tables({name: _as_table(name, frame, schema[name]) for name, frame in frames.items()}, schema, faults)
    changed: dict[str, Any] = dict(frames)
    return network if len(faults) > before else replace(network, **changed)


def numeric_attribute(table: str, column: str) -> Attribute:
    """
    Find a column whose numbers may be changed.

    Parameters
    ----------
    table, column
        Names of both; the table is one of the network.

    Returns
    -------
    Attribute
        The attribute.

    Raises
    ------
    CellError
        If the table has no such column, or it holds no numbers, or prices.
    """
    columns = load_schema()[table]
    numbers = [name for name, one in columns.items() if one.kind in {"float", "int"} and name not in _OF_PRICES]
    if column not in columns:
        raise CellError(f"table {table} has no such column", f"Name a column of numbers.{suggest(column, numbers)}")
    if column in _OF_PRICES:
        raise CellError("is a price", f"Change it with price_changes, what: {_OF_PRICES[column]}.")
    if column not in numbers:
        raise CellError("holds no numbers", f"Name one of {', '.join(numbers)}.")
    return columns[column]


def rows_of(frame: pd.DataFrame, table: str) -> list[str]:
    """
    List what `rows` may name, one entry for each row of a table.

    Parameters
    ----------
    frame
        The table as a network holds it.
    table
        Its name.
    """
    column = ROW_COLUMN[table]
    return [str(name) for name in (frame.index if column == frame.index.name else frame[column])]


def _change_cells(
    frame: pd.DataFrame, change: NetworkChange, attribute: Attribute, place: tuple[str, str], faults: FaultList
) -> None:
    file, where = place
    held = rows_of(frame, change.table)
    for row in change.rows or ():
        if row not in held:
            remedy = f"Correct or remove it.{suggest(row, held)}"
            faults.add(file, f"table {change.table} has no such row", remedy, column=f"{where}.rows", value=row)
    values = frame[change.column].astype(float).tolist()
    for at, row in enumerate(held):
        if change.rows is not None and row not in change.rows:
            continue
        value = values[at] * change.scale if change.scale is not None else float(change.replace or 0.0)
        if math.isnan(value):  # a blank cell, scaled
            continue
        try:
            values[at] = float(attribute.parse(repr(value)))
        except CellError as error:
            key = f"{where}.{'replace' if change.scale is None else 'scale'}"
            problem = f"makes {change.column} of {row} {value:g}, which {error.problem}"
            faults.add(file, problem, error.remedy, column=key)
            return
    kind = frame[change.column].dtype
    # Whole numbers without blanks are a column of integers, as when they are read.
    frame[change.column] = [int(value) for value in values] if kind.kind == "i" else values


def _as_table(name: str, frame: pd.DataFrame, attributes: Mapping[str, Attribute]) -> Table:
    """Make the cells of a changed table what a reader of its file would check."""
    full = frame.reset_index() if "id" in attributes else frame
    columns = {column: full[column].tolist() for column in attributes}
    return Table(name, f"{name} after network_changes", list(range(2, len(full) + 2)), columns)

"""Read the raw cells of one table from CSV or Parquet, keeping the line of every row."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from network_data.csv_text import NotUtf8Error, RawTable, decode_text, read_csv_text
from network_data.faults import FaultList, quote_value, suggest
from network_data.schema import MAX_EXAMPLE_LENGTH, RANGES_TABLE, Attribute, Cell, CellError, load_schema
from network_data.tariff_calendar import parse_hours, parse_months

FORMATS = (".csv", ".parquet")
_MAY_BE_EMPTY = ("links", RANGES_TABLE)


@dataclass
class Table:
    """
    One table with checked cells.

    Attributes
    ----------
    name : str
        Table name.
    file : str
        File it was read from.
    rows : list of int
        Line of each row in the file; the header is line 1.
    columns : dict
        Column name to values, one per row; None where the cell was faulty.
    sha256 : str
        Hash of the file's bytes.
    misses_rows : bool
        Whether rows are left out that do not fit the header.
    """

    name: str
    file: str
    rows: list[int] = field(default_factory=list)
    columns: dict[str, list[Cell | None]] = field(default_factory=dict)
    sha256: str = ""
    misses_rows: bool = False


def read_table(folder: Path, name: str, attributes: dict[str, Attribute], faults: FaultList) -> Table | None:
    """
    Read one table of a network folder and check every cell.

    Parameters
    ----------
    folder
        The network's folder.
    name
        Table name, which is the file name without suffix.
    attributes
        The table's schema.
    faults
        Receives what is wrong.

    Returns
    -------
    Table or None
        The table, or None if there is no readable file or a required column is missing.
    """
    path = _find_file(folder, name, faults)
    if path is None:
        return None
    before = len(faults)
    raw = read_raw(path, faults)
    if raw is None or not _check_header(path.name, raw, attributes, faults):
        return None
    table = Table(name, path.name, raw.rows, sha256=raw.sha256, misses_rows=raw.misses_rows)
    if not raw.rows and len(faults) == before and name not in _MAY_BE_EMPTY:
        faults.add(path.name, f"table {name} has no rows", "Add at least one row below the header.")
    for attribute in attributes.values():
        at = raw.header.index(attribute.name) if attribute.name in raw.header else None
        table.columns[attribute.name] = [
            _read_cell("" if at is None else cells[at], attribute, path.name, row, faults)
            for row, cells in zip(raw.rows, raw.cells, strict=True)
        ]
    return table


def read_raw(path: Path, faults: FaultList) -> RawTable | None:
    """
    Read the cells of a CSV or Parquet file as text.

    Parameters
    ----------
    path
        The file; a name that does not end in .parquet is read as CSV.
    faults
        Receives why it cannot be read, and rows of another length than the header.

    Returns
    -------
    RawTable or None
        None if the file cannot be read.
    """
    if not path.is_file():
        # A named pipe would block the reader for ever.
        faults.add(path.name, "is not a file", "Make it a readable file.")
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        faults.add(path.name, f"cannot be read ({reason})", "Make it a readable file.")
        return None
    raw = _read_parquet(content, path, faults) if path.suffix == ".parquet" else _read_csv(content, path, faults)
    if raw is not None:
        raw.sha256 = hashlib.sha256(content).hexdigest()
    return raw


def _find_file(folder: Path, name: str, faults: FaultList) -> Path | None:
    present = [folder / f"{name}{suffix}" for suffix in FORMATS if (folder / f"{name}{suffix}").exists()]
    if len(present) == 1:
        return present[0]
    if present:
        faults.add(present[0].name, f"table {name} is there twice, as CSV and as Parquet", "Remove one of them.")
        return None
    faults.add(f"{name}.csv", "the table is missing", _where_it_may_be(folder, name))
    return None


def _where_it_may_be(folder: Path, name: str) -> str:
    """Say what to do about a missing table: the name of a file that may well be it, if there is one."""
    taken = {f"{table}{suffix}" for table in load_schema() for suffix in FORMATS}
    others = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in taken)
    # nodes.xlsx, Nodes.CSV, nodes.csv.txt: what a spreadsheet or a file manager makes of the name.
    same = next((other for other in others if other.lower().split(".")[0] == name), None)
    if same is None:
        near = suggest(f"{name}.csv", [other for other in others if Path(other).suffix.lower() in FORMATS])
        return f"Add {name}.csv or {name}.parquet to the folder.{near}"
    if same.lower().endswith((".csv", ".csv.txt")):
        return f"Rename {quote_value(same)} to {name}.csv."
    return f"Save {quote_value(same)} as CSV UTF-8 under the name {name}.csv."


def _read_csv(content: bytes, path: Path, faults: FaultList) -> RawTable | None:
    try:
        text = decode_text(content, path.name)
    except NotUtf8Error as error:
        faults.add(path.name, error.problem, error.remedy, row=error.row)
        return None
    return read_csv_text(text, path.name, faults)


def _read_parquet(content: bytes, path: Path, faults: FaultList) -> RawTable | None:
    import pyarrow as pa  # loaded only for networks that use Parquet
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
        columns = [[_spell(value) for value in column.to_pylist()] for column in table.columns]
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        problem = f"cannot be read as Parquet ({type(error).__name__})"
        faults.add(path.name, problem, "Write the table again as Parquet or CSV.")
        return None
    # Rows of a Parquet table have no lines; they are counted as if the table were CSV.
    rows = list(range(2, table.num_rows + 2))
    return RawTable(list(table.column_names), rows, [list(cells) for cells in zip(*columns, strict=True)])


def _spell(value: object) -> str:
    """Write a Parquet value as the CSV cell that would hold it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()


def _check_header(file: str, raw: RawTable, attributes: dict[str, Attribute], faults: FaultList) -> bool:
    header = raw.header
    if not header:
        faults.add(file, "the file is empty", f"Give a header with: {_required_names(attributes)}.", row=raw.header_row)
        return False
    usable, misspelt = True, set[str]()
    for at, column in enumerate(header):
        if not column:
            problem = f"column {at + 1} has no name"
            faults.add(file, problem, "Name it, or remove it with its cells.", row=raw.header_row)
        elif column in header[:at]:
            faults.add(file, "the column is there twice", "Remove one of them.", row=raw.header_row, column=column)
            usable = False
        elif column not in attributes:
            meant = _meant_column(column, [name for name in attributes if name not in {*header, *misspelt}])
            if meant and attributes[meant].required:
                misspelt.add(meant)
                usable = False
            remedy = f"Rename or remove it.{meant and f' Did you mean {quote_value(meant)}?'}"
            faults.add(file, "the column is unknown", remedy, row=raw.header_row, column=column)
    for name, attribute in attributes.items():
        # A column that is there under another name is one fault, not two.
        if attribute.required and name not in header and name not in misspelt:
            remedy = f"Add it: {attribute.description}."
            faults.add(file, "the required column is missing", remedy, row=raw.header_row, column=name)
            usable = False
    return usable


def _meant_column(column: str, missing: list[str]) -> str:
    """Find the column that a name stands for: the most similar, or the only one that begins with it (lat)."""
    plain = column.lower()[:MAX_EXAMPLE_LENGTH]
    begun = [name for name in missing if plain and name.startswith(plain)]
    near = difflib.get_close_matches(plain, missing, n=1)
    return begun[0] if len(begun) == 1 else near[0] if near else ""


def _required_names(attributes: dict[str, Attribute]) -> str:
    return ", ".join(name for name, attribute in attributes.items() if attribute.required)


def _read_cell(text: str, attribute: Attribute, file: str, row: int, faults: FaultList) -> Cell | None:
    if not text:
        if attribute.required:
            remedy = f"Fill it in: {attribute.description}."
            faults.add(file, "the cell is blank", remedy, row=row, column=attribute.name)
            return None
        return attribute.blank
    try:
        value = attribute.parse(text)
        _check_calendar_text(text, attribute)
    except CellError as error:
        faults.add(file, error.problem, error.remedy, row=row, column=attribute.name, value=text)
        return None
    return value


def _hours_example(text: str) -> str:
    """Write hours given as 07:00-21:30 as they are read, or an example where that is not what is wrong."""
    plain = re.sub(r"\b0?(\d{1,2}):(00|30)\b", lambda time: time[1] + (".5" if time[2] == "30" else ""), text)
    try:
        parse_hours(plain)
    except ValueError:
        return "0-8 or 14-15;19.5-21.5"
    return plain


def _check_calendar_text(text: str, attribute: Attribute) -> None:
    try:
        if attribute.kind == "months":
            parse_months(text)
        elif attribute.kind == "hours":
            parse_hours(text)
    except ValueError as error:
        example = "7-8 or 3-5;9-11 or 12-1" if attribute.kind == "months" else _hours_example(text)
        raise CellError(str(error), f"Write {attribute.kind} such as {example}.") from None

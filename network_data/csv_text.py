"""Read CSV as spreadsheets save it: encodings, separators, decimal commas and trailing separators of one file."""

from __future__ import annotations

import codecs
import csv
import io
import re
import shlex
from dataclasses import dataclass, field

from network_data.faults import FaultList, list_rows, quote_value

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# Typed on a Chinese keyboard, or of programs that no one's spreadsheet writes by itself.
_OTHER_SEPARATORS = "\uff0c\uff1b|"
# What Excel takes from the first line of a file.
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t])"?\s*', re.IGNORECASE)
_SAVE_AS_UTF8 = "Save it in UTF-8 (in Excel: CSV UTF-8)"
# What the first bytes of a file say that is no text.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# Share of the characters beyond ASCII that must be everyday Chinese ones for a file to be called Chinese.
_MOSTLY = 0.9

_NUMBER = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?", re.ASCII)
_MAY_BE_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,]\d{3})+", re.ASCII)


class NotUtf8Error(ValueError):
    """
    Bytes that are no UTF-8 text.

    Parameters
    ----------
    problem
        What they are instead, as far as that can be told.
    remedy
        What to do.
    row
        Line of the first byte that does not fit; None where lines mean nothing.
    """

    def __init__(self, problem: str, remedy: str, row: int | None) -> None:
        self.problem, self.remedy, self.row = problem, remedy, row
        super().__init__(problem, remedy, row)


@dataclass
class RawTable:
    """
    One table as text, before any cell is read.

    Attributes
    ----------
    header : list of str
        Columns as they stand; there may be doubles.
    rows : list of int
        Line of each row in the file.
    cells : list of list of str
        Stripped cells of each row, one per column.
    sha256 : str
        Hash of the file's bytes.
    header_row : int
        Line of the header: the first below comments.
    misses_rows : bool
        Whether rows are left out that do not fit the header.
    """

    header: list[str]
    rows: list[int] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    sha256: str = ""
    header_row: int = 1
    misses_rows: bool = False


def decode_text(content: bytes, file: str) -> str:
    """
    Decode the bytes of a text file, with or without the byte order mark of UTF-8.

    Parameters
    ----------
    content
        The bytes.
    file
        Name of the file, for the remedy.

    Raises
    ------
    NotUtf8Error
        If they are not UTF-8; names GB 18030 (GBK), UTF-16 and workbooks as such.
    """
    if content.startswith(_WORKBOOKS):
        remedy = "Open it in the spreadsheet program and save each sheet as CSV UTF-8."
        raise NotUtf8Error("is a workbook or an archive, not a text file", remedy, None)
    if wide := _wide_encoding(content):
        raise NotUtf8Error(f"is {wide} text, not UTF-8", _convert(wide, file), None)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        if _is_chinese(content):
            problem = "is text in GBK (GB 18030), not UTF-8"
            raise NotUtf8Error(problem, _convert("GB18030", file), row) from None
        raise NotUtf8Error("is not UTF-8 text", f"{_SAVE_AS_UTF8}.", row) from None


def _convert(encoding: str, file: str) -> str:
    return f"{_SAVE_AS_UTF8}, or convert it: `iconv -f {encoding} -t UTF-8 {shlex.quote(file)}`."


def _wide_encoding(content: bytes) -> str:
    """Name the encoding of characters of two or four bytes; empty for any other."""
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    # Without a mark: a header in ASCII has a zero in every second byte, and text never holds one.
    start = content[:200]
    zeros = [start[first::2].count(0) for first in (0, 1)]
    return "UTF-16" if len(start) > 1 and max(zeros) > len(start) // 4 else ""


def _is_chinese(content: bytes) -> bool:
    """
    Whether bytes that are not UTF-8 are Chinese text in GBK.

    Nearly any bytes can be read as GBK: letters with accents of a Western encoding, or UTF-8 with a damaged character,
    become rare ones. Those of real texts stand in GB 2312, the everyday part of GBK.
    """
    try:
        wide = [char for char in content.decode("gb18030") if not char.isascii()]
    except UnicodeDecodeError:
        return False
    everyday = len("".join(wide).encode("gb2312", errors="ignore").decode("gb2312"))
    return bool(wide) and everyday >= _MOSTLY * len(wide)


def read_csv_text(text: str, file: str, faults: FaultList) -> RawTable | None:
    """
    Read cells separated by commas, semicolons or tabs.

    Comments above the header, blank lines, a line `sep=;`, and blank cells right of the last column are left out. Where
    semicolons or tabs separate, decimal commas become points, in columns of numbers.

    Parameters
    ----------
    text
        Content of the file.
    file
        Its name, for the faults.
    faults
        Receives rows of another length than the header, and marks in numbers that can be read in two ways.

    Returns
    -------
    RawTable or None
        None if the text is not well-formed, or its numbers can be read in two ways.
    """
    stream, above, separator, line = io.StringIO(text, newline=""), 0, "", ""
    # Comments stand above the header: below it, # may begin a text. A spreadsheet quotes one that holds a comma.
    while (start := stream.tell()) < len(text):
        line = stream.readline()
        if named := _SEPARATOR_LINE.fullmatch(line):
            separator = named[1]
        elif line.strip("\r\n\t ,;") and not line.startswith(("#", '"#')):
            break
        above += 1
    stream.seek(start)
    separator = separator or _separator_of(line)
    raw = _read_records(stream, separator, above, file, faults)
    if raw is None or separator == "," or _read_decimal_commas(raw, file, separator, faults):
        return raw
    return None


def _separator_of(line: str) -> str:
    """Find what separates the names of a header: what stands there most often."""
    return max(SEPARATORS, key=line.count)


def _read_records(stream: io.StringIO, separator: str, above: int, file: str, faults: FaultList) -> RawTable | None:
    reader = csv.reader(stream, strict=True, delimiter=separator)
    raw = RawTable([])
    width, line = 0, above + 1
    lengths: dict[int, list[int]] = {}
    try:
        for record in reader:
            row, line = line, above + reader.line_num + 1
            cells = [cell.strip() for cell in record]
            filled = max((at for at, cell in enumerate(cells, 1) if cell), default=0)
            if not filled:
                continue
            if not width:
                # A spreadsheet saves a separator for each column that was once used.
                width, raw.header, raw.header_row = filled, cells[:filled], row
            elif filled > width or len(cells) < width:
                lengths.setdefault(max(filled, min(len(cells), width)), []).append(row)
            else:
                raw.rows.append(row)
                raw.cells.append(cells[:width])
    except csv.Error as error:
        remedy = "Check the quotation marks of this row and the one before."
        faults.add(file, f"is not well-formed CSV ({error})", remedy, row=line)
        return None
    if width == 1 and (mark := next((mark for mark in _OTHER_SEPARATORS if mark in raw.header[0]), "")):
        problem = f"cells are separated by {quote_value(mark)}"
        faults.add(file, problem, "Put commas between the cells.", row=raw.header_row)
        return None
    raw.misses_rows = bool(lengths)
    for count, rows in lengths.items():
        also = f", and so have {len(rows) - 1} more (rows {list_rows(rows[1:])})" if len(rows) > 1 else ""
        problem = f"the row has {count} cells, the header {width}{also}"
        remedy = (
            f"Add or remove {SEPARATORS[separator]}, or quote cells that hold them; numbers need no marks but a point "
            "before decimals."
        )
        faults.add(file, problem, remedy, row=rows[0])
    return raw


def _read_decimal_commas(raw: RawTable, file: str, separator: str, faults: FaultList) -> bool:
    """
    Write decimal commas as points, in the columns that hold numbers alone.

    The marks must mean one thing throughout the file: 1,500 is one and a half beside 39,9, but a thousand and a half
    beside 39.9. False where that is open, which is recorded once.
    """
    numeric = [at for at in range(len(raw.header)) if _is_numeric([cells[at] for cells in raw.cells])]
    marked = [
        (row, raw.header[at], cells[at])
        for row, cells in zip(raw.rows, raw.cells, strict=True)
        for at in numeric
        if "," in cells[at] or "." in cells[at]
    ]
    first = {mark: next((place for place in marked if mark in place[2]), None) for mark in ",."}
    problem, odd = "", None
    if first[","] and first["."]:
        row, column, text = first["."]
        problem = f"a number has a comma, and another a point ({quote_value(text)} in row {row}, column {column})"
        odd = first[","]
    elif marked and all(_MAY_BE_THOUSANDS.fullmatch(text) for *_, text in marked):
        problem, odd = "the mark in the number may begin its decimals or stand between thousands", marked[0]
    if odd is not None:
        problem = f"cells are separated by {SEPARATORS[separator]}, so decimals may have a comma, but {problem}"
        remedy = "Save the table with a point before decimals and nothing between thousands."
        faults.add(file, problem, remedy, row=odd[0], column=odd[1], value=odd[2])
        return False
    if first[","]:
        for cells in raw.cells:
            for at in numeric:
                cells[at] = cells[at].replace(",", ".")
    return True


def _is_numeric(cells: list[str]) -> bool:
    return any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells if cell)

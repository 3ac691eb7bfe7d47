"""Cells and sheets of a workbook: what is written is what it is, never a formula or a link."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from optimizer.runs.folder import is_formula

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

# What a sheet and a cell of Excel hold.
_SHEET_CHARS, _CELL_CHARS = 31, 32_767
_FORBIDDEN = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_RESERVED = "history"
_ENDED = "\u2026"
_FIRST_WIDE = 0x2E80
_UNDATED = datetime(2000, 1, 1)  # noqa: DTZ001 - Excel knows no time zones
_LINE_PT, _HIGHEST_PT = 15.0, 409.0  # Excel has no higher rows
_A4 = 9  # as Excel numbers paper
HEAD_COLOUR = "#1F3A5F"
HEAD = {"bold": True, "font_color": "white", "bg_color": HEAD_COLOUR, "text_wrap": True, "valign": "top"}
WRAPPED = {"text_wrap": True, "valign": "top"}


class Pen:
    """Writes cells of a workbook; each format is made once."""

    def __init__(self, workbook: Workbook) -> None:
        self._workbook = workbook
        self._formats: dict[frozenset[tuple[str, Any]], Format] = {}
        self._taken: set[str] = set()

    def add_sheet(self, wanted: str) -> tuple[str, Worksheet]:
        """Add a sheet; its name is valid and used once."""
        name = sheet_name(wanted, self._taken)
        self._taken.add(name.lower())
        sheet = self._workbook.add_worksheet(name)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.set_footer("&L&A&R&P / &N")
        return name, sheet

    def look(self, **look: Any) -> Format:
        """Make a format."""
        key = frozenset(look.items())
        if key not in self._formats:
            is_marked = look.pop("quote_prefix", False)
            made = self._workbook.add_format(look)
            if is_marked:
                made.set_quote_prefix()
            self._formats[key] = made
        return self._formats[key]

    def write(self, sheet: Worksheet, row: int, column: int, value: Any, **look: Any) -> str:
        """Write a cell, empty for a number that is not finite; returns about what is shown."""
        if isinstance(value, bool | np.bool_):
            sheet.write_boolean(row, column, bool(value), self.look(**look))
            return "FALSE"
        if is_number(value):
            if not math.isfinite(value):
                return ""
            sheet.write_number(row, column, float(value), self.look(**look))
            return f"{value:,.1f}"
        if value is None or value is pd.NaT or value is pd.NA:
            return ""
        text = value.isoformat() if isinstance(value, pd.Timestamp) else str(value)
        if not text:
            sheet.write_blank(row, column, None, self.look(**look))
            return ""
        text = text if len(text) <= _CELL_CHARS else text[: _CELL_CHARS - 1] + _ENDED
        # Marked as text, or it would become a formula as soon as somebody edits the cell.
        marked = {"quote_prefix": True} if is_formula(text) else {}
        sheet.write_string(row, column, text, self.look(**look, **marked))
        return text

    def rows(self, sheet: Worksheet, first: int, rows: Sequence[Sequence[Any]], **look: Any) -> None:
        """Write rows of cells from one on."""
        for row, values in enumerate(rows, start=first):
            for column, value in enumerate(values):
                self.write(sheet, row, column, value, **look)

    def wide(self, sheet: Worksheet, row: int, columns: tuple[int, int], value: object, chars: int) -> None:
        """Write a text across columns that hold so many characters, in a row of as many lines as it takes."""
        sheet.merge_range(row, columns[0], row, columns[1], "", self.look(**WRAPPED))
        shown = self.write(sheet, row, columns[0], value, **WRAPPED)
        lines = sum(max(1, math.ceil(text_width(line) / chars)) for line in shown.split("\n"))
        sheet.set_row(row, min(_LINE_PT * lines + 2.0, _HIGHEST_PT))


def sheet_name(wanted: str, taken: set[str]) -> str:
    """
    Make a name of a sheet that Excel takes, and that no other sheet has, in whatever case.

    Examples
    --------
    >>> sheet_name("a/b: [c]", set()), sheet_name("Costs", {"costs"}), sheet_name("x" * 40, set()) == "x" * 31
    ('a_b_ _c_', 'Costs 2', True)
    """
    clean = _FORBIDDEN.sub("_", wanted).strip("'").strip()[:_SHEET_CHARS].strip("' ") or "_"
    clean = f"{clean}_" if clean.lower() == _RESERVED else clean
    name, number = clean, 2
    while name.lower() in taken:
        ending = f" {number}"
        name, number = clean[: _SHEET_CHARS - len(ending)] + ending, number + 1
    return name


@contextmanager
def open_workbook(path: Path, *, title: str, made: str) -> Iterator[Pen]:
    """
    Write a workbook; it is complete when the block ends.

    Parameters
    ----------
    title
        Of the document.
    made
        When its content was made, ISO 8601: the same run gives the same bytes.
    """
    from xlsxwriter import Workbook

    workbook = Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    try:
        created = datetime.fromisoformat(made).replace(tzinfo=None)
    except ValueError:
        created = _UNDATED
    workbook.set_properties({"title": title, "author": "edwc", "created": created})
    yield Pen(workbook)
    workbook.close()


def is_number(value: object) -> bool:
    """Whether a cell holds a number."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def text_width(text: str) -> int:
    """Count the places that a text takes; a Chinese character takes two."""
    return sum(2 if ord(char) >= _FIRST_WIDE else 1 for char in text)

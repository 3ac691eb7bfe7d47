"""Tables as CSV files: a text that a spreadsheet would run as a formula is marked as text, and read back as it was."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

MARK = "'"
# What begins a formula, also in the wide letters of Chinese input; marks before it keep reading back unambiguous.
_FORMULA = re.compile("'*\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def mark_formula(value: Any) -> Any:
    """
    Put a mark before a text that a spreadsheet would take for a formula.

    Parameters
    ----------
    value
        A cell; numbers, also written as text, stay as they are.

    Examples
    --------
    >>> mark_formula("=HYPERLINK(1)"), mark_formula("-0.5"), mark_formula("5 - 3")
    ("'=HYPERLINK(1)", '-0.5', '5 - 3')
    """
    is_formula = isinstance(value, str) and _FORMULA.match(value) is not None and not _is_number(value)
    return f"{MARK}{value}" if is_formula else value


def unmark_formula(value: Any) -> Any:
    """
    Take the mark away again.

    Parameters
    ----------
    value
        A cell of a table that was written with marks.

    Examples
    --------
    >>> unmark_formula("'=HYPERLINK(1)"), unmark_formula("'quoted'")
    ('=HYPERLINK(1)', "'quoted'")
    """
    is_marked = isinstance(value, str) and value.startswith(MARK) and _FORMULA.match(value) is not None
    return value[1:] if is_marked else value


def write_csv_table(table: pd.DataFrame, path: Path) -> None:
    """
    Write a table as CSV in UTF-8, without its index.

    Parameters
    ----------
    table
        The table.
    path
        File to write.
    """
    texts = {str(n): table[n].map(mark_formula, na_action="ignore") for n in table if _may_hold_text(table[n])}
    marked = table.assign(**texts).rename(columns=mark_formula)
    marked.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def read_csv_table(path: Path, texts: Iterable[str] = ()) -> pd.DataFrame:
    """
    Read a table that `write_csv_table` wrote.

    Parameters
    ----------
    path
        The file.
    texts
        Columns that are texts whatever stands in them: an id may look like a number.

    Raises
    ------
    ValueError
        If it is no table; `pandas.errors.EmptyDataError` if it has no column.
    OSError
        If it cannot be read.
    """
    # Words such as "none" or "null" may be ids; only an empty cell is a missing one.
    read = pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=[""])
    table = read.rename(columns=unmark_formula)
    plain = {str(n): table[n].map(unmark_formula, na_action="ignore") for n in table if _may_hold_text(table[n])}
    return table.assign(**plain)


def _may_hold_text(column: pd.Series) -> bool:
    types = pd.api.types
    return not (types.is_numeric_dtype(column) or types.is_datetime64_any_dtype(column))


def _is_number(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False

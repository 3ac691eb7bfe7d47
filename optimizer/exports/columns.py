"""What columns of tables and layers hold: unit, meaning and number format, from the tables beside this file."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from network_data.currency import in_currency
from optimizer.exports.words import Words
from optimizer.words.language import Lang

_HERE = Path(__file__).resolve().parent

# Of files that hold a table without places.
TABLE_SUFFIXES = (".csv", ".parquet", ".xlsx")
_NO_UNIT, _SHARE = "–", "share of 1"
_COST_ENDING = "_cny_per_year"


@dataclass(frozen=True)
class Column:
    """What a column holds."""

    unit: str  # A dash for texts and truth values; empty where it is not known
    meaning: str  # Empty where it is not known
    number_format: str = ""  # Of a spreadsheet; empty where the numbers decide


def _read(name: str) -> list[dict[str, str]]:
    with (_HERE / name).open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@functools.cache
def _columns() -> dict[str, dict[str, str]]:
    return {row["column"]: row for row in _read("columns.csv")}


@functools.cache
def _units() -> dict[str, dict[str, str]]:
    return {row["unit"]: row for row in _read("units.csv")}


# Columns whose texts are ours, with units or amounts in them.
_OWN_TEXTS = ("unit", "sentence")


def texts_in_currency(table: pd.DataFrame, currency: str) -> pd.DataFrame:
    """Name the currency of the network in the texts that we wrote into a table; names of the input stay as they are."""
    told: dict[str, Any] = {
        name: [in_currency(text, currency) if isinstance(text, str) else text for text in table[name]]
        for name in _OWN_TEXTS
        if name in table
    }
    return table.assign(**told)


def column_table() -> dict[str, tuple[str, str]]:
    """List unit and meaning by column; `table.column` where a table gives a name of its own meaning."""
    return {name: (row["unit"], row["meaning"]) for name, row in _columns().items()}


def describe_column(name: str, table: str = "") -> tuple[str, str] | None:
    """Look up unit and meaning of a column; None for one that only a run of another version has."""
    stored = _stored_name(name)
    known = _columns().get(f"{table}.{stored}") or _columns().get(stored)
    if known is None and stored.endswith(_COST_ENDING):
        return in_currency("CNY per year"), f"cost of the component {stored.removesuffix(_COST_ENDING)}"
    return None if known is None else (in_currency(known["unit"]), known["meaning"])


def _stored_name(name: str) -> str:
    """Find the name that our tables list a column of another currency by."""
    return next((listed for listed in _columns() if in_currency(listed) == name), name)


def sheet_column(table: str, name: str, lang: Lang = "en") -> Column:
    """
    Describe a column of a spreadsheet: of one that is not listed, the ending of its name, or of `name.member`, tells.

    Parameters
    ----------
    table
        The table that it is a column of.
    lang
        Language of unit and meaning; a share is in per cent.
    """
    family = name.partition(".")[0]
    known = _columns().get(f"{table}.{name}") or _columns().get(name) or _columns().get(family)
    if known is not None:
        unit, meaning = known["unit"], known["meaning" if lang == "en" else "meaning_zh"]
    elif name.endswith(_COST_ENDING):
        words, component = Words(lang), name.removesuffix(_COST_ENDING)
        unit, meaning = "CNY per year", words("column.cost_of", component=words.term("component", component))
    else:
        unit, meaning = _unit_of_ending(family), ""
    row = _units().get(unit, {})
    shown = "%" if unit == _SHARE else "" if unit == _NO_UNIT else unit if lang == "en" else row.get("unit_zh", "")
    return Column(in_currency(shown), meaning, row.get("format", ""))


def _unit_of_ending(name: str) -> str:
    """Find the unit that a name ends in; the longest ending tells: cny_per_mtok is no amount of tokens."""
    endings = {row["ending"]: unit for unit, row in _units().items() if row["ending"] and name.endswith(row["ending"])}
    return endings[max(endings, key=len)] if endings else ""


@dataclass(frozen=True)
class RunTable:
    """A table that a run may have."""

    is_layer: bool  # Whether it is also a layer, with places
    rows: dict[Lang, str]  # What there is a row for


@functools.cache
def run_tables() -> dict[str, RunTable]:
    """List the tables of runs by name, those first that answer most questions."""
    return {
        row["table"]: RunTable(row["place"] == "layer", {"en": row["rows"], "zh": row["rows_zh"]})
        for row in _read("tables.csv")
    }

"""The page on exports says what the code does: formats, layers, and each column with its unit."""

from __future__ import annotations

import re

from documents import read_page, table_rows

from optimizer.exports.columns import column_table, run_tables
from optimizer.exports.files import FOLDER_FORMATS, FORMATS
from optimizer.exports.layers import LAYERS, SLICE_LAYERS

PAGE = "docs/exporting.md"


def test_table_of_columns_is_that_of_the_code() -> None:
    rows = {row[0].strip("`"): tuple(row[1:]) for row in table_rows(PAGE) if len(row) == 3}
    columns = column_table()
    assert {name: rows[name] for name in columns if name in rows} == columns
    known = {*columns, *LAYERS, "..._cny_per_year"}
    named = {name for name in rows if re.fullmatch(r"[a-z._]+", name)} - {"layer", "column"}
    assert named <= known


def test_formats_and_layers_are_all_named() -> None:
    page = read_page(PAGE)
    for name in FORMATS:
        assert f"| `FILE.{name}` |" in page
    for name in FOLDER_FORMATS:
        assert f"`{name}`" in page or f"--format {name}" in page
    for name in (*LAYERS, *SLICE_LAYERS):
        assert f"`{name}`" in page


def test_tables_are_all_named() -> None:
    rows = {row[0].strip("`"): row[1] for row in table_rows(PAGE) if len(row) == 2}
    tables = {name: table.rows["en"] for name, table in run_tables().items()}
    assert {name: rows.get(name) for name in tables} == tables

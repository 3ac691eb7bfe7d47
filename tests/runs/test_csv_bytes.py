"""CSV files: nothing in them is run by a spreadsheet, and every text reads back as it was."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.runs.folder import mark_formula, read_csv_table, unmark_formula, write_csv_table

FORMULAS = ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1+1", "'=1", "--", "-"]
PLAIN = ["Hami", "5 - 3", "'quoted'", "", "none", "null", "-0.5", "+1e6", "-inf", "1=1", "a@b"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_is_marked(text: str) -> None:
    assert mark_formula(text) == f"'{text}"
    assert unmark_formula(f"'{text}") == text


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_and_numbers_are_not(text: str) -> None:
    assert mark_formula(text) == text
    assert unmark_formula(text) == text


@given(st.text(alphabet="'= -+@a1.\u7532"))
def test_mark_can_always_be_taken_away(text: str) -> None:
    assert unmark_formula(mark_formula(text)) == text


def test_table_reads_back_with_its_texts_and_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "case": ["001", "none", "1e5"],
            "name": ["=1", "'=1", None],
            "cny": [-1.5, np.nan, np.inf],
            "is_open": [True, False, True],
            "@sum": ["a", "-b", "nan"],
        }
    )
    write_csv_table(table, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["case", "name", "cny", "is_open", "'@sum"],
            ["001", "'=1", "-1.5", "True", "a"],
            ["none", "''=1", "", "False", "'-b"],
            ["1e5", "", "inf", "True", "nan"],
        ]
    again = read_csv_table(tmp_path / "a.csv", ("case", "no_such_column"))
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


def test_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    write_csv_table(pd.DataFrame(columns=["first", "second"]), tmp_path / "a.csv")
    assert read_csv_table(tmp_path / "a.csv").columns.tolist() == ["first", "second"]


def test_names_that_are_not_ascii_begin_with_a_mark_that_excel_needs(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["\u4e2d\u536b", "=1"], "cny": [1.0, 2.0]})
    write_csv_table(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == "\ufeffname,cny\n\u4e2d\u536b,1.0\n'=1,2.0\n".encode()
    pd.testing.assert_frame_equal(read_csv_table(tmp_path / "a.csv"), table)
    write_csv_table(table.iloc[1:], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"name,cny\n'=1,2.0\n"

"""Workbooks as openpyxl reads them, which had no part in writing them: values, formats, and texts that stay texts."""

from __future__ import annotations

import math
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from report_runs import FORMULA_NAME, SCRIPT_NAME, solve_hostile

import edwc
from network_data.faults import InputError
from optimizer.exports.columns import run_tables
from optimizer.exports.office import workbook
from optimizer.exports.office.cells import sheet_name
from optimizer.runs.run import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(solve_hostile(tmp_path_factory.mktemp("toy")))


@pytest.fixture(scope="module")
def book(run: Run, tmp_path_factory: pytest.TempPathFactory) -> openpyxl.Workbook:
    return openpyxl.load_workbook(run.export(tmp_path_factory.mktemp("book") / "a.xlsx"))


def test_every_table_is_a_sheet_with_its_values_and_units(run: Run, book: openpyxl.Workbook) -> None:
    expected = ["Overview", "rules", *(name for name in run_tables() if name in run.tables), "Columns", "Sources"]
    assert book.sheetnames == expected
    for name, table in run.tables.items():
        sheet = book[name]
        heads = [str(cell.value) for cell in sheet[1]]
        assert [head.partition("\n")[0] for head in heads] == list(table.columns)
        assert sheet.freeze_panes == "B2"
        assert sheet.max_row == len(table) + 1
        for row, stored in enumerate(table.itertuples(index=False), start=2):
            for cell, value in zip(sheet[row], stored, strict=True):
                if isinstance(value, str):
                    assert cell.value == (value or None)
                elif math.isfinite(value):
                    assert cell.value == pytest.approx(value, rel=1e-14)  # a cell holds 16 digits
                else:
                    assert cell.value is None
    centers = book["data_centers"]
    heads = {str(cell.value).partition("\n")[0]: cell for cell in centers[1]}
    assert heads["energy_mwh_per_year"].value == "energy_mwh_per_year\nMWh per year"
    assert heads["token_share"].value == "token_share\n%"
    assert centers.cell(2, heads["token_share"].column).number_format == "0.0%"
    assert centers.cell(2, heads["energy_cny_per_year"].column).number_format == "#,##0"
    assert centers.cell(2, heads["latitude_deg"].column).number_format == "0.0000"
    assert centers.column_dimensions["A"].width >= 12


def test_texts_that_look_like_formulas_stay_texts(run: Run, book: openpyxl.Workbook) -> None:
    names = [cell for cell in book["data_centers"]["B"] if cell.value == FORMULA_NAME]
    assert len(names) == 1
    assert names[0].data_type == "s"
    assert names[0].quotePrefix
    for sheet in book:
        assert not [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"], sheet.title
    assert SCRIPT_NAME in {cell.value for cell in book["demand_hubs"]["B"]}


def test_cover_holds_numbers_with_what_is_proved_of_them(run: Run, book: openpyxl.Workbook) -> None:
    cells = {row[0].value: row for row in book["Overview"].iter_rows() if row[0].value}
    cost = cells["Cost a year"]
    numbers = [cny / 1e3 for cny in (run.cost_cny_per_year, run.bound_cny_per_year, run.cost_cny_per_year)]
    assert [cell.value for cell in cost[1:4]] == pytest.approx(numbers)
    assert cost[4].value == "thousand CNY a year"
    assert cells["Scenario"][1].value == "toy"
    assert cells["Description"][1].value == SCRIPT_NAME
    links = [cell.hyperlink.location for row in book["Overview"].iter_rows() for cell in row if cell.hyperlink]
    assert [place.partition("!")[0].strip("'") for place in links] == book.sheetnames[1:-2]
    described = {(row[0].value, row[1].value): row[3].value for row in book["Columns"].iter_rows(min_row=2)}
    assert described["data_centers", "pue"] == "power usage effectiveness"
    assert {(sheet, column) for sheet, table in run.tables.items() for column in table} <= set(described)


def test_workbook_is_the_same_every_time_and_speaks_chinese(run: Run, tmp_path: Path) -> None:
    first = run.export(tmp_path / "a.xlsx", lang="zh")
    assert run.export(tmp_path / "b.xlsx", lang="zh").read_bytes() == first.read_bytes()
    book = openpyxl.load_workbook(first)
    assert book.sheetnames[0] == "\u6982\u89c8"
    assert book["latency"]["B1"].value == "\u9996\u8bcd\u5143\u65f6\u5ef6\u4e0a\u9650\n\u6beb\u79d2"


def test_one_table_alone_and_tables_that_are_too_long(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = openpyxl.load_workbook(run.export(tmp_path / "a.xlsx", layer="costs"))
    assert book.sheetnames == ["Overview", "costs", "Columns", "Sources"]
    monkeypatch.setattr(workbook, "MOST_ROWS", len(run.tables["costs"]) - 1)
    book = openpyxl.load_workbook(run.export(tmp_path / "b.xlsx", layer="costs"))
    assert "costs" not in book.sheetnames
    rows = {row[0].value: row[1].value for row in book["Overview"].iter_rows() if row[0].value}
    assert "--to costs.csv --layer costs" in rows["costs"]
    with pytest.raises(InputError, match="does not have"):
        run.export(tmp_path / "c.xlsx", layer="failover")


def test_names_of_sheets_are_valid_and_used_once() -> None:
    taken: set[str] = set()
    wanted = ["break_even_price.west/a" * 3, "break_even_price.west/a" * 3, "History", "'[x]:*?'", "", "A", "a"]
    names = []
    for name in wanted:
        names.append(sheet_name(name, taken))
        taken.add(names[-1].lower())
    assert len({name.lower() for name in names}) == len(wanted)
    for name in names:
        assert 0 < len(name) <= 31
        assert not set(name) & set("[]:*?/\\")
        assert name.lower() != "history"
        assert name == name.strip("'")


def test_comparison_has_a_sheet_for_each_table(undisturbed_sweep: object, toy_sweep: Path, tmp_path: Path) -> None:
    folder = toy_sweep.parent / "serial"
    target = edwc.export_comparison(folder, tmp_path / "a.xlsx")
    found = edwc.open_comparison(folder)
    book = openpyxl.load_workbook(target)
    assert set(book.sheetnames) == {"Overview", "Columns", *(n for n, t in found.tables().items() if len(t.columns))}
    table = pd.read_excel(target, "cases")
    assert table["case"].tolist() == found.cases["case"].tolist()
    costs = next(table[name] for name in table if name.startswith("total_cny_per_year"))
    assert costs.tolist() == pytest.approx(found.cases["total_cny_per_year"].tolist())
    texts = {row[0].value for row in book["Overview"].iter_rows() if row[0].value}
    assert any("proved of the best plans of the two" in str(text) for text in texts)
    assert found.to_excel(tmp_path / "b.xlsx").read_bytes() == target.read_bytes()

"""CSV as spreadsheets save it: one fault that names the encoding or the marks, or the table as it was meant."""

import re
from pathlib import Path

import pandas as pd
import pytest
from network_files import Row, changed, toy_tables, write_toy_network

from network_data import Fault, InputError, load_network
from network_data.csv_text import NotUtf8Error, decode_text
from network_data.faults import Fault as AnyFault
from network_data.place_names import same_names
from scenarios import load_scenario

CHINESE = "宁夏中卫数据中心、依托西部算力枢纽"


def faults_of(folder: Path) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        load_network(folder)
    return caught.value.faults


def csv_of(table: str, separator: str = ",", end: str = "\r\n", decimal: str = ".") -> str:
    """Write a table of the toy network as a spreadsheet with these settings does."""
    frame = pd.DataFrame(toy_tables()[table])
    return frame.to_csv(index=False, sep=separator, lineterminator=end, decimal=decimal)


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    ("encoding", "named", "command"),
    [
        ("gb18030", "is text in GBK (GB 18030), not UTF-8", "iconv -f GB18030 -t UTF-8 nodes.csv"),
        ("utf-16", "is UTF-16 text, not UTF-8", "iconv -f UTF-16 -t UTF-8 nodes.csv"),
        ("utf-16-le", "is UTF-16 text, not UTF-8", "iconv -f UTF-16 -t UTF-8 nodes.csv"),
    ],
)
def test_encoding_of_a_chinese_spreadsheet_is_named_once_with_its_remedy(
    tmp_path: Path, encoding: str, named: str, command: str
) -> None:
    folder = write_toy_network(tmp_path, nodes=lambda rows: changed(rows, 1, name=CHINESE))
    table = folder / "nodes.csv"
    table.write_bytes(table.read_text(encoding="utf-8").encode(encoding))
    (fault,) = faults_of(folder)
    assert (fault.file, fault.problem) == ("nodes.csv", named)
    assert fault.row == (3 if encoding == "gb18030" else None)
    assert command in fault.remedy
    assert "CSV UTF-8" in fault.remedy


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("Zürich, Málaga, Düsseldorf".encode("latin-1"), "is not UTF-8 text"),
        (f"{CHINESE}、{CHINESE}".encode()[:-1], "is not UTF-8 text"),  # one damaged character
        (b"PK\x03\x04\x14\x00\x06\x00", "is a workbook or an archive, not a text file"),
    ],
)
def test_other_bytes_are_not_taken_for_chinese(content: bytes, problem: str) -> None:
    with pytest.raises(NotUtf8Error) as caught:
        decode_text(content, "nodes.csv")
    assert caught.value.problem == problem


def test_scenario_in_gbk_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(f"extends: base\ndescription: {CHINESE}\n".encode("gb18030"))
    with pytest.raises(InputError, match=r"mine\.yaml:2: is text in GBK \(GB 18030\), not UTF-8"):
        load_scenario(path)


# ---------------------------------------------------------------- separators and marks in numbers


@pytest.mark.parametrize(
    ("separator", "decimal", "start"),
    [
        (",", ".", "\ufeff"),
        (";", ",", "\ufeff"),
        (";", ".", ""),
        ("\t", ".", ""),
        ("\t", ",", ""),
        (";", ",", "sep=;\r\n"),
    ],
)
def test_table_is_read_as_spreadsheets_of_many_countries_save_it(
    tmp_path: Path, separator: str, decimal: str, start: str
) -> None:
    expected = load_network(write_toy_network(tmp_path / "plain"))
    tables = {name: start + csv_of(name, separator, decimal=decimal) for name in toy_tables()}
    found = load_network(write_toy_network(tmp_path / "saved", **tables))
    for name in toy_tables():
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name))


def test_line_of_the_separator_counts_as_a_row(tmp_path: Path) -> None:
    text = "sep=;\r\nid;name;carbon_kg_per_kwh\r\ngrid_east;East;0,5\r\ngrid_west;West;-1,5\r\n"
    (fault,) = faults_of(write_toy_network(tmp_path, grids=text))
    assert (fault.row, fault.value) == (4, "-1.5")


@pytest.mark.parametrize(
    ("capacities", "value", "told"),
    [
        (("1.500", "10,5"), "10,5", "another a point ('1.500' in row 2, column it_capacity_mw)"),
        (("1,500", "2,500"), "1,500", "may begin its decimals or stand between thousands"),
        (("1.500", "2.500"), "1.500", "may begin its decimals or stand between thousands"),
        (("1.234.567", "20"), "1.234.567", "may begin its decimals or stand between thousands"),
    ],
)
def test_marks_that_can_be_read_in_two_ways_are_one_fault(
    tmp_path: Path, capacities: tuple[str, str], value: str, told: str
) -> None:
    def whole(rows: list[Row]) -> list[Row]:
        plain = [{key: cell for key, cell in row.items() if not isinstance(cell, float)} for row in rows]
        kept = {"latitude_deg": 30, "longitude_deg": 120, "pue": 2}
        return [{**row, **kept, "it_capacity_mw": mw} for row, mw in zip(plain, capacities, strict=True)]

    text = pd.DataFrame(whole(toy_tables()["data_centers"])).to_csv(index=False, sep=";")
    (fault,) = faults_of(write_toy_network(tmp_path, data_centers=text))
    assert (fault.file, fault.column, fault.value) == ("data_centers.csv", "it_capacity_mw", value)
    assert told in fault.problem
    assert "separated by semicolons" in fault.problem


def test_text_that_looks_like_a_decimal_is_kept_where_its_column_holds_texts(tmp_path: Path) -> None:
    def notes(rows: list[Row]) -> list[Row]:
        return [{**rows[0], "note": "3,5"}, {**rows[1], "note": "about 3,5"}]

    text = pd.DataFrame(notes(toy_tables()["data_centers"])).to_csv(index=False, sep=";", decimal=",")
    network = load_network(write_toy_network(tmp_path, data_centers=text))
    assert network.data_centers["note"].tolist() == ["3,5", "about 3,5"]
    assert network.data_centers["latitude_deg"].tolist() == [30.5, 36.0]


def test_trailing_separators_are_no_columns_but_their_content_is_a_fault(tmp_path: Path) -> None:
    lines = [line + ",,," for line in csv_of("grids", end="\n").splitlines()]
    expected = load_network(write_toy_network(tmp_path / "plain"))
    found = load_network(write_toy_network(tmp_path / "saved", grids="\n".join([*lines, ",,,,,,"])))
    pd.testing.assert_frame_equal(found.grids, expected.grids)
    lines[2] += "x"
    # One fault: that data centers name the grid of the row that could not be read is none of theirs.
    (fault,) = faults_of(write_toy_network(tmp_path / "bad", grids="\n".join(lines)))
    assert (fault.file, fault.row) == ("grids.csv", 3)
    assert "cells, the header" in fault.problem


def test_decimal_commas_between_commas_are_one_fault(tmp_path: Path) -> None:
    lines = csv_of("nodes", end="\n").splitlines()
    broken = "\n".join([lines[0], *(re.sub(r"(\d)\.(\d)", r"\1,\2", line) for line in lines[1:])])
    (fault,) = faults_of(write_toy_network(tmp_path, nodes=broken))
    assert (fault.row, "and so have" in fault.problem) == (2, True)
    assert "a point" in fault.remedy


# ---------------------------------------------------------------- missing tables, many faults of a kind


@pytest.mark.parametrize("table", ["links", "pools", "grids", "nodes"])
def test_missing_table_is_not_taken_for_another_table(tmp_path: Path, table: str) -> None:
    (fault,) = faults_of(write_toy_network(tmp_path, **{table: None}))
    assert fault.problem == "the table is missing"
    assert "Did you mean" not in fault.remedy


@pytest.mark.parametrize(
    ("saved_as", "remedy"),
    [
        ("links.xlsx", "Save 'links.xlsx' as CSV UTF-8 under the name links.csv."),
        ("links.csv.txt", "Rename 'links.csv.txt' to links.csv."),
        ("Links.csv", "Rename 'Links.csv' to links.csv."),
    ],
)
def test_missing_table_that_has_another_name_or_format_is_found(tmp_path: Path, saved_as: str, remedy: str) -> None:
    folder = write_toy_network(tmp_path, links=None)
    (folder / saved_as).write_text("id\n")
    (fault,) = faults_of(folder)
    assert (fault.file, fault.remedy) == ("links.csv", remedy)


def test_same_fault_in_many_rows_is_one_line_with_the_rows() -> None:
    faults = [AnyFault("a.csv", row, "pue", f"{row},5", "is not a number", "Write digits.") for row in (2, 3, 4, 9)]
    text = str(InputError([*faults, AnyFault("b.csv", 2, "x", None, "is blank", "Fill it in.")]))
    assert text.splitlines() == [
        "5 faults in the input:",
        "a.csv:2 column 'pue' value '2,5': is not a number. Write digits. The same in 3 more cells: rows 3-4, 9.",
        "b.csv:2 column 'x': is blank. Fill it in.",
    ]


# ---------------------------------------------------------------- names of places


def test_province_is_found_by_its_chinese_names_either_way() -> None:
    for name in ("宁夏", "宁夏回族自治区", "ningxia", "Ningxia"):
        assert same_names(name, ["Ningxia", "Gansu"]) == ["Ningxia"]
    assert same_names("Shaanxi", ["山西", "陕西省"]) == ["陕西省"]
    assert same_names("内蒙古", ["Inner Mongolia", "Tibet"]) == ["Inner Mongolia"]
    assert same_names("Mars", ["Ningxia"]) == []

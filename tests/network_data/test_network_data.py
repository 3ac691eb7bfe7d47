"""Networks: every fault with its place and remedy, CSV and Parquet alike, and the built-in data."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from network_files import Row, changed, toy_tables, write_toy_network

from network_data import (
    Fault,
    FaultList,
    InputError,
    NetworkWarning,
    load_network,
)
from network_data.faults import quote_value
from network_data.load import BUILT_IN_FOLDER
from network_data.schema import CellError, load_schema, parse_id

TABLES = ("nodes", "data_centers", "pools", "links", "tariffs", "grids", "accelerators")


def faults_of(folder: Path) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        load_network(folder)
    return caught.value.faults


# ---------------------------------------------------------------- loading


def test_toy_network_keeps_order_types_and_defaults(tmp_path: Path) -> None:
    network = load_network(write_toy_network(tmp_path / "toy"))
    assert network.name == "toy"
    assert list(network.nodes.index) == ["metro_a", "metro_b", "node_east", "node_west"]
    assert list(network.nodes.columns) == list(load_schema()["nodes"])[1:]
    assert network.accelerators["domestic"].tolist() == [True, True]
    assert network.accelerators["accelerators_per_pod"].dtype == "int64"
    assert network.pools["stock_pflops"].tolist() == [0.0, 0.0, 0.0]
    assert network.pools["max_pods"].isna().all()
    assert network.links["one_way_ms"].isna().all()
    assert network.data_centers["note"].tolist() == ["", ""]
    assert network.basemap is None
    assert sorted(network.file_hashes) == sorted(f"{table}.csv" for table in TABLES)


def test_parquet_gives_the_same_network_as_csv(tmp_path: Path) -> None:
    from_csv = load_network(write_toy_network(tmp_path / "csv"))
    from_parquet = load_network(write_toy_network(tmp_path / "parquet", table_format="parquet"))
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(from_csv, table), getattr(from_parquet, table))
    assert sorted(from_parquet.file_hashes) == sorted(f"{table}.parquet" for table in TABLES)


def test_byte_order_mark_blank_lines_and_line_breaks_in_notes_do_not_shift_rows(tmp_path: Path) -> None:
    text = (
        "\ufeffid,name,carbon_kg_per_kwh,source\r\n\r\n"
        'grid_east,East,0.5,"first line\r\nsecond line"\r\ngrid_west,West,-1,\r\n'
    )
    (fault,) = faults_of(write_toy_network(tmp_path, grids=text))
    assert (fault.file, fault.row, fault.column, fault.value) == ("grids.csv", 5, "carbon_kg_per_kwh", "-1")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comments_above_the_header_are_left_out_and_counted(tmp_path: Path, end: str) -> None:
    lines = [
        "\ufeff# grids, with carbon factors",
        '"# a spreadsheet quotes a comma, like this",,',
        '# a stray "quote',
        "id,name,carbon_kg_per_kwh,source",
        "grid_east,East,0.5,# no comment: a text",
        "grid_west,West,-1,",
    ]
    (fault,) = faults_of(write_toy_network(tmp_path / "fault", grids=end.join(lines)))
    assert (fault.row, fault.value) == (6, "-1")
    lines[5] = "grid_west,West,0.5,"
    network = load_network(write_toy_network(tmp_path / "good", grids=end.join(lines)))
    assert network.grids["source"].tolist() == ["# no comment: a text", ""]
    lines[3] = "id,name,carbon"
    assert {fault.row for fault in faults_of(write_toy_network(tmp_path / "header", grids=end.join(lines[:4])))} == {4}
    (fault,) = faults_of(write_toy_network(tmp_path / "empty", grids=end.join(lines[:3])))
    assert fault.problem == "the file is empty"


def test_basemap_is_found_and_hashed(tmp_path: Path) -> None:
    folder = write_toy_network(tmp_path)
    (folder / "basemap.geojson").write_text("{}")
    network = load_network(folder)
    assert network.basemap == folder / "basemap.geojson"
    assert network.file_hashes["basemap.geojson"].startswith("44136fa355b3678a")  # SHA-256 of "{}"


def test_data_center_without_pool_is_a_warning(tmp_path: Path) -> None:
    folder = write_toy_network(tmp_path, pools=lambda rows: rows[1:])
    with pytest.warns(NetworkWarning, match=r"data_centers\.csv:2 .*'dc_east' has no pool"):
        load_network(folder)


def test_link_with_its_own_latency_needs_no_length_and_parallel_links_are_allowed(tmp_path: Path) -> None:
    def add(rows: list[Row]) -> list[Row]:
        return [*rows, {**rows[0], "id": "a_east_2", "length_km": "", "one_way_ms": 0.7}]

    network = load_network(write_toy_network(tmp_path, links=add))
    assert network.links.loc["a_east_2", "one_way_ms"] == 0.7
    assert np.isnan(network.links.loc["a_east_2", "length_km"])


def test_negative_energy_price_is_allowed(tmp_path: Path) -> None:
    folder = write_toy_network(tmp_path, tariffs=lambda rows: changed(rows, 2, price_cny_per_mwh=-20))
    assert load_network(folder).tariffs["price_cny_per_mwh"].tolist() == [600.0, 300.0, -20.0]


# ---------------------------------------------------------------- faults of cells

CellCase = tuple[str, int, str, str, str, str]  # table, position, column, text, problem, remedy

CELL_FAULTS: list[CellCase] = [
    ("data_centers", 0, "pue", "0.9", "out of range", "of at least 1 and of at most 5"),
    ("data_centers", 0, "green_power_share", "30", "out of range", "in share of at least 0 and of at most 1"),
    ("data_centers", 1, "it_capacity_mw", "-5", "is negative", "in MW of at least 0"),
    ("data_centers", 1, "it_capacity_mw", "nan", "not a finite number", "finite number in MW"),
    ("data_centers", 1, "it_capacity_mw", "1e999", "not a finite number", "finite number in MW"),
    ("data_centers", 1, "it_capacity_mw", "", "is blank", "Fill it in"),
    (
        "data_centers",
        0,
        "tariff",
        "tarif_east",
        "no such tariff in tariffs.csv",
        "Did you mean 'tariff_east'?",
    ),
    ("data_centers", 0, "grid", "moon", "no such id in grids.csv", "add a row to grids.csv"),
    ("data_centers", 0, "node", "nowhere", "no such id in nodes.csv", "add a row to nodes.csv"),
    ("data_centers", 0, "name", "a\x1b[2Jb", "control character U+001B", "Remove"),
    ("data_centers", 0, "name_local", "a\u202eb", "control character U+202E", "Remove"),
    ("nodes", 2, "kind", "hub", "not one of the allowed words", "demand_hub, data_center, junction"),
    ("nodes", 1, "latitude_deg", "95", "out of range", "-90"),
    ("nodes", 1, "longitude_deg", "181", "out of range", "180"),
    ("nodes", 3, "demand_weight", "0.1", "at a node of kind data_center", "make the node a demand_hub"),
    ("nodes", 1, "confidence", "certain", "not one of the allowed words", "official, reported, estimate"),
    ("links", 0, "from_node", "metro_c", "no such id in nodes.csv", "Did you mean 'metro_"),
    ("links", 1, "to_node", "metro_a", "ends where it starts", "other end"),
    ("links", 0, "length_km", "", "neither length_km nor one_way_ms", "Give one of the two"),
    ("links", 0, "capacity_gbps", "1,000", "is not a number", "Write 1000 (or 1.000, if the comma is a decimal mark)"),
    ("links", 0, "capacity_gbps", "1,000.5", "is not a number", "Write 1000.5, with nothing between"),
    ("links", 0, "capacity_gbps", "12,5", "is not a number", "Write 12.5, with a point"),
    ("links", 0, "capacity_gbps", "80 Gbps", "is not a number", "Write 80, without a unit"),
    ("data_centers", 0, "green_power_share", "30%", "is not a number", "Write 0.3, as a number without percent"),
    ("links", 0, "capacity_gbps", "1_000", "is not a number", "decimal mark"),
    ("links", 0, "capacity_gbps", "\u0661\u0660", "is not a number", "decimal mark"),
    ("pools", 0, "accelerator", "chip_c", "no such id in accelerators.csv", "Did you mean 'chip_"),
    ("pools", 0, "data_center", "dc_north", "no such id in data_centers.csv", "Correct it"),
    ("pools", 0, "existing_pods", "1.5", "not a whole number", "whole number"),
    ("pools", 0, "max_pods", "1e12", "is too large", "at most"),
    ("accelerators", 0, "accelerators_per_pod", "0", "out of range", "at least 1"),
    ("accelerators", 0, "prefill_tok_per_s", "0", "out of range", "above 0"),
    ("accelerators", 0, "idle_power_w", "2000", "idle power is above full power", "Lower idle_power_w"),
    ("accelerators", 0, "domestic", "maybe", "neither yes nor no", "yes or no"),
    ("grids", 0, "carbon_kg_per_kwh", "558", "out of range", "in kg CO2 per kWh"),
    ("tariffs", 2, "price_cny_per_mwh", "inf", "not a finite number", "CNY per MWh"),
    ("tariffs", 2, "months", "1-13", "outside 1 to 12", "such as 7-8"),
    ("tariffs", 2, "hours", "0:00-24:00", "no range of hours", "such as 0-24."),
    ("tariffs", 2, "hours", "07:30-21:00;0:15-7", "no range of hours", "such as 0-8"),
]


@pytest.mark.parametrize("case", CELL_FAULTS, ids=lambda case: "-".join(map(str, case[:4])))
def test_bad_cell_is_the_one_fault_with_its_place(tmp_path: Path, case: CellCase) -> None:
    table, position, column, text, problem, remedy = case
    folder = write_toy_network(tmp_path, **{table: lambda rows: changed(rows, position, **{column: text})})
    (fault,) = faults_of(folder)
    assert (fault.file, fault.row, fault.column) == (f"{table}.csv", position + 2, column)
    assert fault.value == (text or None)
    assert problem in fault.problem
    assert remedy in fault.remedy


@pytest.mark.parametrize(
    "bad", ["Metro", "metro-a", "metro a", "metro.a", "métro", "a\n", "=1+1", "../x", "\u0430_cyrillic"]
)
def test_id_outside_the_rule_is_a_fault(tmp_path: Path, bad: str) -> None:
    folder = write_toy_network(tmp_path, grids=lambda rows: [*rows, {**rows[0], "id": f"x{bad}"}])
    if bad == "a\n":
        # Space around a cell is not part of it.
        assert "xa" in load_network(folder).grids.index
    else:
        (fault,) = faults_of(folder)
        assert (fault.file, fault.row, fault.column, fault.value) == ("grids.csv", 4, "id", f"x{bad}")


@pytest.mark.parametrize(
    "name", ['O\'Brien, "quoted"', "<script>alert(1)</script>", "中卫集群", "a\u200db", "=SUM(A1)"]
)
def test_odd_but_printable_names_are_kept_as_they_are(tmp_path: Path, name: str) -> None:
    folder = write_toy_network(tmp_path, nodes=lambda rows: changed(rows, 0, name=name))
    assert load_network(folder).nodes.loc["metro_a", "name"] == name


def test_hostile_value_is_escaped_and_cut_in_the_message(tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07" + "A" * 5000
    folder = write_toy_network(tmp_path, links=lambda rows: changed(rows, 0, from_node=hostile))
    (fault,) = faults_of(folder)
    assert fault.value == hostile
    assert "\x1b" not in str(fault)
    assert "value '\\x1b]0;owned\\x07AAA" in str(fault)
    assert len(str(fault)) < 400


# ---------------------------------------------------------------- faults of tables


@pytest.mark.parametrize("table", TABLES)
def test_missing_table_is_a_fault(tmp_path: Path, table: str) -> None:
    folder = write_toy_network(tmp_path, **{table: None})
    (folder / f"{table}s.csv").write_text("id\n")
    (fault,) = faults_of(folder)
    assert fault.file == f"{table}.csv"
    assert fault.problem == "the table is missing"
    assert f"Did you mean '{table}s.csv'?" in fault.remedy


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("table_format", ["csv", "parquet"])
def test_every_missing_required_column_is_named(tmp_path: Path, table: str, table_format: str) -> None:
    required = [name for name, attribute in load_schema()[table].items() if attribute.required]
    for number, name in enumerate(required):
        folder = tmp_path / str(number)

        def without(rows: list[Row], name: str = name) -> list[Row]:
            return [{column: cell for column, cell in row.items() if column != name} for row in rows]

        write_toy_network(folder, table_format=table_format, **{table: without})
        (fault,) = faults_of(folder)
        assert (fault.file, fault.row, fault.column) == (f"{table}.{table_format}", 1, name)


@pytest.mark.parametrize(
    ("found", "meant"), [("ID", "id"), ("Name", "name"), ("lat", "latitude_deg"), ("longitude", "longitude_deg")]
)
def test_required_column_under_another_name_is_one_fault(tmp_path: Path, found: str, meant: str) -> None:
    def renamed(rows: list[Row]) -> list[Row]:
        return [{found if name == meant else name: cell for name, cell in row.items()} for row in rows]

    (fault,) = faults_of(write_toy_network(tmp_path, nodes=renamed))
    assert (fault.column, fault.problem) == (found, "the column is unknown")
    assert fault.remedy.endswith(f"Did you mean '{meant}'?")


@pytest.mark.parametrize(
    ("bad", "example"),
    [("H100", "h100"), ("Frankfurt-Main", "frankfurt_main"), ("São Paulo", "sao_paulo"), ("北京", "dc_east_1")],
)
def test_id_outside_the_rule_is_answered_with_one_that_would_do(bad: str, example: str) -> None:
    with pytest.raises(CellError) as caught:
        parse_id(bad)
    assert caught.value.remedy.endswith(f"e.g. {example}.")


def test_unknown_column_is_a_fault_with_a_near_match(tmp_path: Path) -> None:
    folder = write_toy_network(tmp_path, links=lambda rows: changed(rows, 0, corridoor="x"))
    (fault,) = faults_of(folder)
    assert (fault.row, fault.column, fault.problem) == (1, "corridoor", "the column is unknown")
    assert "Did you mean 'corridor'?" in fault.remedy


RAW_FAULTS: list[tuple[str | bytes, int | None, str]] = [
    ("", 1, "the file is empty"),
    ("id,name,carbon_kg_per_kwh\n", None, "table grids has no rows"),
    ("id,name,carbon_kg_per_kwh,id\na,A,1,a\n", 1, "the column is there twice"),
    ("id,name,carbon_kg_per_kwh\ngrid_east,E,1\ngrid_west,W,1,9\n", 3, "the row has 4 cells, the header 3"),
    ("id|name|carbon_kg_per_kwh\na|A|1\n", 1, "cells are separated by '|'"),
    ('id,name,carbon_kg_per_kwh\ngrid_east,"E"x,1\n', 2, "not well-formed CSV"),
    (b"id,name,carbon_kg_per_kwh\ngrid_east,\xff,1\n", 2, "is not UTF-8 text"),
]


@pytest.mark.parametrize(("content", "row", "problem"), RAW_FAULTS)
def test_broken_file_is_a_fault(tmp_path: Path, content: str | bytes, row: int | None, problem: str) -> None:
    faults = [fault for fault in faults_of(write_toy_network(tmp_path, grids=content)) if fault.file == "grids.csv"]
    assert [fault.row for fault in faults] == [row]
    assert problem in faults[0].problem


def test_broken_parquet_double_table_and_folder_for_a_file_are_faults(tmp_path: Path) -> None:
    folder = write_toy_network(tmp_path, grids=None, tariffs=None)
    (folder / "grids.parquet").write_bytes(b"PAR1 not really")
    (folder / "links.parquet").write_bytes(b"")
    (folder / "tariffs.csv").mkdir()
    problems = {fault.file: fault.problem for fault in faults_of(folder)}
    assert "cannot be read as Parquet" in problems["grids.parquet"]
    assert "twice" in problems["links.csv"]
    assert problems["tariffs.csv"] == "is not a file"


def test_not_a_number_in_parquet_is_refused_where_blank_is_meant(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = write_toy_network(tmp_path, table_format="parquet")
    links = pd.DataFrame(toy_tables()["links"])
    table = pa.Table.from_pandas(links, preserve_index=False)
    lengths = pa.array([100.0, float("nan"), 600.0], from_pandas=False)
    pq.write_table(
        table.set_column(table.column_names.index("length_km"), "length_km", lengths),
        folder / "links.parquet",
    )
    (fault,) = faults_of(folder)
    assert (fault.file, fault.row, fault.column) == ("links.parquet", 3, "length_km")


@pytest.mark.parametrize("table", ["nodes", "data_centers", "links", "grids", "accelerators", "pools", "tariffs"])
def test_duplicate_key_names_both_rows(tmp_path: Path, table: str) -> None:
    folder = write_toy_network(tmp_path, **{table: lambda rows: [*rows, rows[0]]})
    faults = faults_of(folder)
    count = len(toy_tables()[table])
    assert faults[0].row == count + 2
    assert "stands in row 2" in faults[0].problem


def test_tariff_gap_and_overlap_name_tariff_months_hours_and_rows(tmp_path: Path) -> None:
    def cut(rows: list[Row]) -> list[Row]:
        return [
            *changed(changed(rows, 0, hours="8-23.5"), 2, months="3-12"),
            {**rows[1], "months": "7", "period": "x"},
        ]

    gap, overlap, winter = faults_of(write_toy_network(tmp_path, tariffs=cut))
    assert "tariff tariff_east has no price in months 1-12, hours 23.5-24" in gap.problem
    assert "tariff_east has more than one price in months 7, hours 0-8 (rows 3, 5)" in overlap.problem
    assert "tariff tariff_west has no price in months 1-2, hours 0-24 (rows 4)" in winter.problem
    assert (gap.row, overlap.row, winter.row) == (2, 5, 4)


def test_unreadable_hours_do_not_also_count_as_a_gap(tmp_path: Path) -> None:
    folder = write_toy_network(tmp_path, tariffs=lambda rows: changed(rows, 0, hours="8-25"))
    assert [fault.column for fault in faults_of(folder)] == ["hours"]


def test_demand_hub_cut_off_names_its_component(tmp_path: Path) -> None:
    folder = write_toy_network(
        tmp_path,
        data_centers=lambda rows: rows[:1],
        pools=lambda rows: rows[:1],
        links=lambda rows: [rows[0], rows[2]],
    )
    (fault,) = faults_of(folder)
    assert (fault.file, fault.row, fault.value) == ("nodes.csv", 3, "metro_b")
    assert "metro_b reaches no data center; its part of the graph is metro_b, node_west" in fault.problem
    assert "Add a link" in fault.remedy


def test_demand_hub_with_a_data_center_on_its_node_needs_no_link(tmp_path: Path) -> None:
    def on_metro(rows: list[Row]) -> list[Row]:
        east = changed(rows, 0, node="metro_a")
        return changed(east, 1, node="metro_b", latitude_deg=32.0, longitude_deg=116.0)

    network = load_network(write_toy_network(tmp_path, data_centers=on_metro, links=lambda rows: rows[:1]))
    assert len(network.links) == 1


def test_no_demand_hub_and_crossed_pod_limits_are_faults(tmp_path: Path) -> None:
    folder = write_toy_network(
        tmp_path,
        nodes=lambda rows: [{**row, "kind": "junction", "demand_weight": 0} for row in rows],
        pools=lambda rows: changed(rows, 0, min_pods=5, max_pods=4),
    )
    assert [(fault.file, fault.column) for fault in faults_of(folder)] == [
        ("nodes.csv", "kind"), ("pools.csv", "min_pods")
    ]  # fmt: skip


def test_all_faults_of_all_tables_come_at_once(tmp_path: Path) -> None:
    folder = write_toy_network(
        tmp_path,
        grids=None,
        nodes=lambda rows: changed(rows, 0, latitude_deg="north", id="Metro A"),
        data_centers=lambda rows: changed(rows, 0, pue=0.5, tariff="free"),
        accelerators=lambda rows: changed(rows, 1, price_cny=-1, nickname="x"),
    )
    with pytest.raises(InputError) as caught:
        load_network(folder)
    found = {(fault.file, fault.row, fault.column) for fault in caught.value.faults}
    assert found >= {
        ("grids.csv", None, None),
        ("nodes.csv", 2, "latitude_deg"),
        ("nodes.csv", 2, "id"),
        ("data_centers.csv", 2, "pue"),
        ("data_centers.csv", 2, "tariff"),
        ("accelerators.csv", 1, "nickname"),
        ("accelerators.csv", 3, "price_cny"),
    }
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{len(caught.value.faults)} faults in network '{folder.name}':"
    assert len(lines) == len(caught.value.faults) + 1


@pytest.mark.parametrize("name", ["china_2062", "no/such/folder", "", "a\0b", "x" * 5000, "\x1b[31m"])
def test_unknown_network_is_a_fault_that_lists_the_built_in_ones(name: str) -> None:
    with pytest.raises(InputError) as caught:
        load_network(name)
    assert "china_2026" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_error_survives_a_worker_process() -> None:
    faults = FaultList("the test")
    faults.raise_if_any()
    faults.add("a.csv", "bad", "Fix it.", row=3, column="x", value=1.5)
    copy = pickle.loads(pickle.dumps(faults.error()))  # noqa: S301  (our own bytes)
    assert str(copy) == "1 fault in the test:\na.csv:3 column 'x' value '1.5': bad. Fix it."
    assert quote_value("\n" * 100) == "'" + "\\n" * 38 + "\\..." + "'"


def test_importing_the_package_does_not_import_pandas() -> None:
    code = "import sys, network_data, network_data.faults; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_built_in_network_is_read_again_when_it_has_changed_and_each_caller_has_tables_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(BUILT_IN_FOLDER / "china_2026", tmp_path / "china_2026")
    monkeypatch.setattr("network_data.load.BUILT_IN_FOLDER", tmp_path)
    first = load_network("china_2026")
    known = first.data_centers["pue"].tolist()
    first.data_centers["pue"] = 9.0
    first.data_centers.loc[first.data_centers.index[0], "name"] = "another"
    second = load_network("china_2026")
    assert second.data_centers["pue"].tolist() == known
    assert "another" not in second.data_centers["name"].tolist()
    nodes = tmp_path / "china_2026" / "nodes.csv"
    head, *rows = nodes.read_text(encoding="utf-8").splitlines()
    nodes.write_text("\n".join([head, *reversed(rows)]) + "\n", encoding="utf-8")
    assert load_network("china_2026").nodes.index.tolist() == second.nodes.index.tolist()[::-1]

"""Scenarios: every fault is found, at once, with its file and line, row and column."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from scenario_files import CLASSES, PROFILES, YAML, WriteScenario, faults_of, only_fault, write_scenario

from network_data import InputError
from scenarios import load_scenario


@pytest.fixture
def write(tmp_path: Path) -> WriteScenario:
    """Write the toy scenario with some of its files replaced; returns the YAML file."""
    return partial(write_scenario, tmp_path)


# Faults of the YAML


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("solver: {threads: two}", "must be a valid integer"),
        ("solver: {threads: 1.5}", "must be a valid integer"),
        ('solver: {threads: "2"}', "must be a valid integer"),
        ("solver: {time_limit_s: true}", "must be a valid number"),
        ("fleet: {allow_purchase: yes}", "must be true or false"),
        ("fleet: {utilization_limit: 80}", "must be less than or equal to 1"),
        ("fleet: {utilization_limit: 0}", "must be greater than 0"),
        ("costs: {carbon_price_cny_per_t: -1}", "must be greater than or equal to 0"),
        ("costs: {carbon_price_cny_per_t: .nan}", "must be a finite number"),
        ("costs: {carbon_price_cny_per_t: .inf}", "must be a finite number"),
        ("costs: {carbon_price_cny_per_t: -.INF}", "must be a finite number"),
        ("costs: {carbon_price_cny_per_t: 1e999}", "must be a finite number"),
        ("costs: {carbon_price_cny_per_t: 1" + "0" * 5000 + "}", "must be a finite number"),
        ("solver: {method: magic}", "must be 'auto', 'whole' or 'decomposed'"),
        ("solver: 3", "must be a mapping"),
        ("workload_classes: [1]", "must be a mapping"),
        ("fleet: {accelerators: chip}", "must be a list"),
        ("fleet: {accelerators: [a, a]}", "listed twice"),
        ("fleet: {accelerators: [A-1]}", "not a valid id"),
        ("time: {slices_per_day: 5}", "must be 1, 2, 3, 4, 6, 8, 12 or 24"),
        ("time: {days: [{id: d, months: 1-12, days_per_year: 300}]}", "days_per_year sum to 300"),
        ("time: {days: [{id: d, months: 1-11, days_per_year: 365}]}", "no day stands for month 12"),
        ("time: {days: [{id: d, months: 13, days_per_year: 365}]}", "not a list of months"),
        ("time: {days: [{id: d, months: [1], days_per_year: 365}]}", "must be a text"),
        ("time: {days: []}", "must not be empty"),
        ("fleet: {accelerators: []}", "must not be empty"),
        ('time: {days: [{id: d, months: "0-13", days_per_year: 365}]}', "not a list of months"),
        ("routing: {fibre_us_per_km: 0.0049}", "must be greater than or equal to 3.3"),
        ('description: "a\\eb"', "control character"),
        ("extends: [1]", "must be a text"),
        ("drop_classes: [chta]", "no such workload class"),
        ("workload_classes: {chat: {min_share: 0.1, deferrable_h: 3}}", "does not go with deferrable_h"),
        ("workload_classes: {chat: {input_tokens: 0, output_tokens: 0}}", "neither input nor output"),
        ("workload_classes: {chat: {demand_profile: dya}}", "no such demand profile"),
        ("workload_classes: {chat: {residency: moon}}", "must be 'none'"),
        ("workload_classes: {chat: {allowed_regions: []}}", "must not be empty"),
        ("workload_classes: {chat: {allowed_regions: [west, west]}}", "listed twice"),
        ("workload_classes: {chat: {allowed_regions: 3}}", "must be a list"),
        ("workload_classes: {chat: null}", "must be a mapping"),
        ("solvers: {}", "unknown"),
        ("<<: {solver: 1}", "unknown"),
    ],
)
def test_fault_names_the_line_that_set_the_value(write: WriteScenario, line: str, problem: str) -> None:
    path = write(YAML + line + "\n")
    fault = only_fault(path)
    assert (fault.file, fault.row) == (str(path), 7)
    assert problem in fault.problem


@pytest.mark.parametrize(
    ("yaml", "row", "problem"),
    [
        ("", 1, "is empty"),
        ("- 1\n", 1, "not a mapping"),
        ("name: a\nname: b\n", 2, "there twice"),
        ("name: a\n  b: c\n", 2, "not valid YAML"),
        ("name: [a\n", 2, "not valid YAML"),
        ("name: a\n---\nname: b\n", 2, "second YAML document"),
        ("name: a\nx: &y b\n", 2, "anchors are not accepted"),
        ("name: a\nx: !!python/object/apply:os.system [ls]\n", 2, "tags are not accepted"),
        ("name: a\n? [b]\n: c\n", 2, "must be a plain name"),
        ("name: a\nx: \x07\n", 2, "control character"),
        ('name: "\\UFFFFFFFF"\n', None, "not valid YAML"),
        ("[" * 1000, 1, "more than 20 levels"),
        ("a:\n" + "- 1\n" * 30_000, 19_999, "more than 20000 values"),
        (b"name: a\nx: \xff\n", 2, "not UTF-8"),
        ("#" * 1_000_001, None, "more than 1000000"),
    ],
)
def test_unreadable_yaml_is_refused_with_its_line(
    write: WriteScenario, yaml: str | bytes, row: int | None, problem: str
) -> None:
    faults = faults_of(write(yaml))
    assert any(fault.row == row and problem in fault.problem for fault in faults), faults


def test_aliases_cannot_blow_up(write: WriteScenario) -> None:
    layers = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    problems = {fault.problem for fault in faults_of(write("a0: &a0 x\n" + layers))}
    assert "aliases are not accepted" in problems


def test_unknown_key_gets_the_nearest_known_one(write: WriteScenario) -> None:
    fault = only_fault(write(YAML + "solver:\n  threads: 1\n  time_limit: 5\n"))
    assert (fault.row, fault.column) == (9, "solver.time_limit")
    assert "Did you mean 'time_limit_s'?" in fault.remedy


def test_fault_in_a_parent_names_the_parent(write: WriteScenario, tmp_path: Path) -> None:
    parent = write(YAML + "solver:\n  threads: 0\n  seed: -1\n")
    child = tmp_path / "child.yaml"
    child.write_text("name: child\nextends: toy.yaml\nsolver: {seed: 1}\n")
    fault = only_fault(child)
    assert (fault.file, fault.row, fault.column, fault.value) == (str(parent), 8, "solver.threads", "0")


def test_missing_keys_are_listed_with_what_to_add(write: WriteScenario) -> None:
    faults = faults_of(write("name: a\n"))
    assert {fault.column for fault in faults} == {
        "network",
        "demand",
        "workload_classes",
        "demand_profiles_table",
    }
    assert all(fault.remedy.startswith("Add it: ") for fault in faults)


def test_demand_is_given_exactly_once(write: WriteScenario) -> None:
    workloads = "demand_hub,workload_class,mtok_per_day\nmetro_a,chat,1\n"
    twice = YAML.replace("_trillion: 2", "_trillion: 2\n  workloads_table: workloads.csv")
    assert only_fault(write(twice, workloads=workloads)).problem == "demand is given twice"
    assert only_fault(write(YAML.replace("_trillion: 2", "_trillion: null"))).problem == "no demand is given"


def test_circle_of_extends_is_refused(tmp_path: Path) -> None:
    for name, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nextends: {parent}.yaml\n")
    fault = only_fault(tmp_path / "a.yaml")
    assert "a.yaml -> b.yaml -> c.yaml -> a.yaml" in fault.problem
    assert (fault.file, fault.row) == (str(tmp_path / "c.yaml"), 2)


@pytest.mark.parametrize("name", ["bose", "no/such.yaml", "x" * 5000, "a\0b", "", "."])
def test_scenario_that_does_not_exist(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fault = only_fault(name)
    assert fault.problem == "there is no such file"
    assert "base" in fault.remedy


@pytest.mark.parametrize(
    ("old", "new", "row", "problem"),
    [
        ("profiles.csv", "missing.csv", 5, "there is no such file"),
        ("classes.csv", "missing.csv", 6, "there is no such file"),
        ("classes.csv", "toy.yaml", 6, "not a CSV file"),
        ("classes.csv", "x" * 3000 + ".csv", 6, "there is no such file"),
        ("china_2026", "china_2027", 2, "there is no such network"),
        ("china_2026", "x" * 3000, 2, "there is no such network"),
    ],
)
def test_missing_file_named_by_a_scenario(write: WriteScenario, old: str, new: str, row: int, problem: str) -> None:
    faults = faults_of(write(YAML.replace(old, new)))
    assert (faults[0].row, faults[0].value) == (row, new)
    assert problem in faults[0].problem


def test_parent_that_does_not_exist_names_the_line_of_extends(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: a\nextends: basse\n")
    fault = only_fault(path)
    assert (fault.file, fault.row, fault.column) == (str(path), 2, "extends")
    assert "Did you mean 'base'?" in fault.remedy


# Faults of the tables


@pytest.mark.parametrize(
    ("old", "new", "row", "column", "problem"),
    [
        ("0.75", "7.5", 2, "share_of_tokens", "must be less than or equal to 1"),
        ("0.75", "", 2, "share_of_tokens", "no share of the tokens"),
        ("0.75", "0.7", None, "share_of_tokens", "sum to 0.95, not 1"),
        ("300", "-300", 2, "input_tokens", "must be greater than or equal to 0"),
        ("300", "many", 2, "input_tokens", "must be a valid number"),
        ("300", "nan", 2, "input_tokens", "must be a valid number"),
        ("300", ".inf", 2, "input_tokens", "must be a finite number"),
        ("300", "", 2, "input_tokens", "required key is missing"),
        ("flat", "falt", 3, "demand_profile", "no such demand profile"),
        ("batch,", "Batch-1,", 3, "id", "not a valid id"),
        ("batch,", "chat,", 3, "id", "there twice"),
        ("rtt_limit_ms", "rtt_limt_ms", 1, "rtt_limt_ms", "unknown"),
        ("80,", "80,80,", 2, None, "cells"),
    ],
)
def test_bad_class_table_names_row_and_column(
    write: WriteScenario, old: str, new: str, row: int | None, column: str | None, problem: str
) -> None:
    faults = faults_of(write(classes=CLASSES.replace(old, new, 1)))
    assert (faults[0].file, faults[0].row, faults[0].column) == ("classes.csv", row, column)
    assert problem in faults[0].problem


def test_bad_flag_in_class_table(write: WriteScenario) -> None:
    header, *rows = CLASSES.splitlines()
    classes = "\n".join([header + ",indivisible", rows[0] + ",maybe", rows[1] + ",yes"])
    fault = only_fault(write(classes=classes))
    assert (fault.row, fault.column, fault.value) == (2, "indivisible", "maybe")


@pytest.mark.parametrize(
    ("change", "row", "problem"),
    [
        (lambda rows: rows[:-1], None, "23 rows, and none for hour 23"),
        (lambda rows: [*rows, rows[-1]], 26, "the hour is there twice"),
        (lambda rows: [*rows[:3], "2,-1,7", *rows[4:]], 4, "negative"),
        (lambda rows: [*rows[:3], "2,inf,7", *rows[4:]], 4, "not a finite number"),
        (lambda rows: [*rows[:3], "2,,7", *rows[4:]], 4, "blank"),
        (lambda rows: [*rows[:3], "2.5,1,7", *rows[4:]], 4, "whole number"),
        (lambda rows: [*rows[:-1], "24,1,7"], 25, "out of range"),
        (lambda rows: [rows[0], *(row.rsplit(",", 1)[0] + ",0" for row in rows[1:])], None, "0 all day"),
        (lambda rows: ["hour,day,Flat 2", *rows[1:]], 1, "not a valid id"),
        (lambda _: [""], 1, "empty"),
    ],
)
def test_bad_profile_table(
    write: WriteScenario, change: Callable[[list[str]], list[str]], row: int | None, problem: str
) -> None:
    faults = faults_of(write(profiles="\n".join(change(PROFILES.splitlines()))))
    assert (faults[0].file, faults[0].row) == ("profiles.csv", row)
    assert problem in faults[0].problem


@pytest.mark.parametrize(
    ("rows", "row", "problem"),
    [
        ("metro_a,chta,1\n", 2, "no such workload class"),
        ("metro_a,chat,1\nmetro_a,chat,2\n", 3, "there twice"),
        ("metro_a,chat,-1\n", 2, "negative"),
        ("metro_a,chat,nan\n", 2, "not a finite number"),
        ("Metro A,chat,1\n", 2, "not a valid id"),
        ("metro_a,chat,0\n", None, "no workload asks for any tokens"),
        ("", None, "no rows"),
    ],
)
def test_bad_workloads_table(write: WriteScenario, rows: str, row: int | None, problem: str) -> None:
    yaml = YAML.replace("tokens_per_day_trillion: 2", "workloads_table: workloads.csv")
    fault = only_fault(write(yaml, workloads="demand_hub,workload_class,mtok_per_day\n" + rows))
    assert (fault.file, fault.row) == ("workloads.csv", row)
    assert problem in fault.problem


def test_table_that_is_too_large_or_no_file_is_not_read(write: WriteScenario, tmp_path: Path) -> None:
    path = write()
    with (tmp_path / "classes.csv").open("r+b") as file:
        file.truncate(64_000_001)  # sparse: takes no room
    assert "more than 64000000" in faults_of(path)[0].problem
    (tmp_path / "classes.csv").unlink()
    os.mkfifo(tmp_path / "classes.csv")  # reading it would wait for ever
    assert faults_of(path)[0].problem == "there is no such file"


# All at once


def test_all_faults_come_at_once(write: WriteScenario) -> None:
    path = write(
        YAML.replace("china_2026", "nowhere") + "solver: {threads: 0, sed: 1}\nname: again\n",
        classes=CLASSES.replace("300", "-1").replace("flat", "falt"),
        profiles=PROFILES.replace("5,3,7", "5,-3,7"),
    )
    faults = faults_of(path, "costs.carbon_price_cny_per_t=x", "nonsense")
    found = {(Path(fault.file).name, fault.row, fault.column) for fault in faults}
    assert found == {
        ("toy.yaml", 2, "network"),
        ("toy.yaml", 7, "solver.threads"),
        ("toy.yaml", 7, "solver.sed"),
        ("toy.yaml", 8, "name"),
        ("classes.csv", 2, "input_tokens"),
        ("classes.csv", 3, "demand_profile"),
        ("profiles.csv", 7, "day"),
        ("--set", None, "costs.carbon_price_cny_per_t"),
        ("--set", None, None),
    }
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert str(caught.value).startswith("7 faults in scenario ")


def test_hostile_text_is_escaped_and_cut(write: WriteScenario) -> None:
    text = str(InputError(faults_of(write(YAML + 'solver: {method: "\\e[31m' + "x" * 500 + '"}\n'))))
    assert "\x1b" not in text
    assert "x" * 81 not in text

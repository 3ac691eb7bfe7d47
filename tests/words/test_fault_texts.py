"""Faults in Chinese: a row for every text that the code words, none for others, and what commands print of mistakes."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import string
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fault_sources import BLANK, FaultSources
from network_files import changed, write_toy_network
from scenario_files import write_scenario

from network_data import load_network
from network_data.currency import in_currency
from network_data.faults import Fault, InputError, InputWarning
from network_data.schema import load_schema, ranges_schema
from optimizer.cli.main import main
from optimizer.text.faults import describe_fault, describe_faults, describe_warning
from optimizer.words.fault_texts import retell_fault, tell_by_rows
from optimizer.words.language import VARIABLE, speaking
from optimizer.words.tables import FAULTS, KEYS, read_table
from scenarios import load_scenario
from scenarios.keys import find_keys
from scenarios.price_case import PriceCase
from scenarios.schema import Scenario

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "scenarios" / "own_network"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Texts that code puts together from parts, by example.
BUILT = (
    "is below 10 CNY per MWh, which is hardly meant; so is row 7",
    "is above 0.5, which is hardly meant; so are 2 rows more (4, 5)",
    "is above 25000 W, which is hardly meant; so are 9 rows more (4, 5, 6, ...)",
    "is below 1, which is hardly meant",
    "is below 10 EUR per MWh, which is hardly meant",
    "Did you mean 500? The unit is EUR per MWh, not EUR per kWh.",
    "Did you mean 0.5? The unit is CNY per MWh, not CNY per kWh.",
    "Did you mean 0.5? The unit is W, not kW.",
    "Did you mean 0.5? The unit is kg CO2 per kWh, not g per kWh.",
    "the link is shorter than the great circle between a and b, 9 km (rounding of the coordinates is allowed for)",
    "Correct the length, or the coordinates of one end.",
    "Correct the length, or the coordinates of one end. Did you mean latitude 1 and longitude 2 for a (swapped)?",
    "Did you mean latitude 1 and longitude 2 (a lost sign)?",
    "Write months such as 7-8 or 3-5;9-11 or 12-1.",
    "Write hours such as 0-8 or 14-15;19.5-21.5.",
    "'13' lies outside 1 to 12",
    "'x' is no month or range of months",
    "'x' is no range of hours",
    "'8-8' is empty",
    "names a month twice",
    "names a half hour twice",
    "is not a round trip in ms above 0",
    "is not tonnes a year above 0",
    "cannot be read as postgresql://user:password@host:port/database?key=value",
    "holds a NUL character",
    "is no name of a schema",
    "has more than 63 bytes",
    "belongs to the database system",
    "Name one, e.g. ?schema=edwc.",
    "Choose a shorter name.",
    "Choose another name, e.g. ?schema=edwc.",
    "Write : / ? @ % in a password as %3A %2F %3F %40 %25, or leave it to PGPASSWORD or ~/.pgpass.",
    "there is no such region",
    "is the name of a region and a province and a period of a tariff, which differ",
    "is the name of a data center and a tariff in use, which differ",
    (
        "In Gansu, a, b pays x (rows 3-5) and c pays y (rows 8), while z stands in rows 9 of the tariffs and is billed "
        "nowhere. Write tariffs: [x], or provinces: [Gansu]."
    ),
    "id used twice: a; days_per_year sum to 364; no day stands for month 1, 2",
    "no day stands for the weekdays of month 3; no day stands for the weekends of month 4",
    "the days of months 1-2 sum to 50; these months have 59; in months 3 there are 20 weekend days and 11 weekdays",
    "none of replace, scale, add given, not one; accelerators goes with add alone",
    "replace and scale of replace, scale, add given, not one",
    "move_period does not go with carbon_price; hours does not select what is moved",
    "hours does not select a carbon_price",
    "a carbon_price of -3 is negative",
    "allocation: 3 row(s) name a candidate that the inputs do not have, first: a, b",
    "makes the carbon_price negative: -3 EUR per tonne",
    "makes the token_price of chat more than 1,000: 3000 CNY per million tokens",
    "makes the token_price of chat more than 1,000: 3000 EUR per million tokens",
    "makes the demand_charge of a negative: -1 EUR per kW and month",
    "makes the energy_price negative: -1 EUR per MWh",
    "Name a file that ends in .csv or .parquet.",
    "Check the value.",
    "Give a finite number.",
    "Give a finite number above 0.",
    "Give a finite number of at most 3.",
    "Give a finite number above 0 and of at most 1.",
    "the input",
    "Make room there, or name a folder on another disk.",
)
# What click says of a command line, with what our own options say.
OF_USAGE = (
    "Missing argument 'SCENARIO'.",
    "Missing argument 'WHAT'. Choose from:\n\tnetworks,\n\tscenarios",
    "Missing option '--out'.",
    "Missing option '--as'. Choose from:\n\tbrief,\n\treport",
    "Option '--seed' requires an argument.",
    "Option '--quiet' does not take a value.",
    "Got unexpected extra argument (a)",
    "Got unexpected extra arguments (a b)",
    "Invalid value for '--design': 'x' is not one of 'latin', 'sobol'.",
    "Invalid value for '--seed': 'x' is not a valid integer.",
    "Invalid value for '--time-limit': 'x' is not a valid float.",
    "Invalid value for '--count': 'x' is not a valid integer range.",
    "Invalid value for '--count': 0 is not in the range x>=1.",
    "Invalid value for '--size': 'x' is not a size such as 1600x1200",
    "Invalid value for '--slack': 'x' is no share of the cost. Write one such as 0.01 or 1%.",
    "--set changes a scenario whose model is written, not a run.",
)
# What pydantic says of values, as `scenarios/validate.py` words it.
OF_TYPES = (
    "must be a valid number",
    "must be a valid number, unable to parse string as a number",
    "must be a valid integer",
    "must be a valid integer, unable to parse string as an integer",
    "must be a valid integer, got a number with a fractional part",
    "must be a finite number",
    "must be 'a', 'b' or 'c'",
    "must be greater than 0",
    "must be less than 3",
    "must be greater than or equal to 0",
    "must be less than or equal to 1",
    "must have at most 64 characters",
    "must have at least 1 item after validation, not 0",
)
OF_SYSTEM = (
    errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.ENOSPC, errno.EROFS, errno.EDQUOT,
    errno.ENAMETOOLONG, errno.EEXIST, errno.EIO, errno.EPERM,
)  # fmt: skip


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Texts of faults, each with where it is worded."""
    attributes = [one for table in (*load_schema().values(), ranges_schema()) for one in table.values()]
    numbers = [one for one in attributes if one.kind in {"int", "float"}]
    found = dict.fromkeys((*BUILT, *OF_USAGE, *OF_TYPES), "built")
    found |= {f"cannot be read ({os.strerror(code)})": "the system" for code in OF_SYSTEM}
    for currency, one in itertools.product(("CNY", "EUR"), numbers):
        of_network = replace(one, unit=in_currency(one.unit, currency))
        found[of_network._range_remedy()] = one.name
        if one.unit:
            found[f"Check the value and its unit, {of_network.unit}."] = one.name
    return found | dict(FaultSources().texts())


@pytest.fixture(scope="module")
def told(texts: dict[str, str]) -> dict[str, tuple[str, set[str]]]:
    """Tell the texts in Chinese, each with the rows that it took."""
    with speaking("zh"):
        return {text: tell_by_rows(text) for text in texts}


def test_every_text_of_a_fault_has_its_chinese_row(
    texts: dict[str, str], told: dict[str, tuple[str, set[str]]]
) -> None:
    assert [f"{texts[text]}: {text.replace(BLANK, '{}')}" for text, (_, rows) in told.items() if not rows] == []
    assert len(texts) > 800  # the code was read


def test_every_row_is_of_a_fault(told: dict[str, tuple[str, set[str]]]) -> None:
    used = set[str]().union(*(rows for _, rows in told.values()))
    assert read_table(FAULTS).keys() - used == set()


def test_nothing_is_left_in_english(told: dict[str, tuple[str, set[str]]]) -> None:
    for text, (chinese, rows) in told.items():
        # What is Latin in a Chinese row are keys, options and commands.
        of_rows = "".join(read_table(FAULTS)[row]["zh"] for row in rows)
        left = {pair for pair in re.findall(r"[A-Za-z]{2,} [A-Za-z]{2,}", chinese) if pair not in of_rows}
        assert left <= {"pip install"}, (text, chinese)
        assert chinese.count(BLANK) == text.count(BLANK), text


def test_rows_have_both_languages_and_the_same_blanks() -> None:
    for english, row in read_table(FAULTS).items():
        names = [[name for _, name, _, _ in string.Formatter().parse(row[lang]) if name] for lang in ("en", "zh")]
        assert sorted(names[0]) == sorted(names[1]), english
        assert len(set(names[0])) == len(names[0]), english
        assert row["use"] in {"", "part", "list"}, english
        # A remedy is a sentence, a problem is not.
        assert (
            english.endswith((".", "?", ";")) == row["zh"].endswith(("\u3002", "\uff1f", ";")) or "_words}" in english
        ), english


def test_columns_and_keys_have_a_chinese_meaning_each() -> None:
    columns = [one for table in (*load_schema().values(), ranges_schema()) for one in table.values()]
    meanings = {one.description for one in (*columns, *find_keys("*"))}
    # Of sections, those that must be there.
    meanings |= {str(model.model_fields[key].description) for model, key in ((Scenario, "demand"), (PriceCase, "name"))}
    rows = read_table(KEYS)
    assert meanings - rows.keys() == set()
    of_tables = (ROOT / "scenarios" / "tables.py").read_text(encoding="utf-8")
    assert [row for row in rows.keys() - meanings if f'"{row}"' not in of_tables] == []
    assert all(CHINESE.search(row["zh"]) for row in rows.values())
    with speaking("zh"):
        assert retell_fault("Expected: random seed of the solver.") == "应为：求解器的随机种子。"


def test_names_may_hold_anything_and_nothing_unknown_breaks() -> None:
    hostile = (
        "{0}",
        "{problem_words}",
        "%s",
        "; ",
        ": ",
        ", and so have 3 more (rows ",
        " Did you mean ",
        "'",
        "\\1",
        "",
    )
    with speaking("zh"):
        for name in (*hostile, *map("".join, itertools.permutations(hostile, 2))):
            assert retell_fault(f"the same id stands in row {name}") == f"第 {name} 行已有相同的 id"
            for text in (f"the database says: {name}", f"Use one of: {name}.", f"network {name}", name):
                assert name in retell_fault(text)
            assert name in describe_fault(Fault(name, 1, name, name, name, name)) or name == "\\1"
        nobody = "this is no fault that anybody wrote"
        assert retell_fault(nobody) == nobody
        half = f"a part of the key is blank; {nobody}"
        assert retell_fault(half) == half
        assert retell_fault("is negative" * 10_000).startswith("is negative")
        assert "\x1b" not in describe_fault(Fault("a", None, None, None, "cannot be read (\x1b[31m)", ""))
    assert retell_fault("is negative") == "is negative"


def test_every_value_that_a_schema_refuses_is_told_in_chinese() -> None:
    plain = [key.name for key in find_keys("*") if not re.search(r"[A-Z\[]", key.name) and key.name != "extends"]
    for value in ("x", "-1", "1e99", "[]", "{}", "0.5", "''", "[x, x]", ".nan"):
        with pytest.raises(InputError) as caught:
            load_scenario("base", [f"{name}={value}" for name in plain])
        with speaking("zh"):
            for fault in caught.value.faults:
                assert CHINESE.search(retell_fault(fault.problem)), fault
                assert CHINESE.search(retell_fault(fault.remedy)), fault


def test_the_same_fault_of_many_rows_is_one_line() -> None:
    error = InputError(
        [Fault("a.csv", row, "x", None, "the cell is blank", "Correct it.") for row in range(2, 9)], "the run"
    )
    with speaking("zh"):
        lines = describe_faults(error).splitlines()
    assert lines == [
        "运行中有 7 处错误：",
        "a.csv:2 列 'x'：单元格为空。请改正。另有 6 个单元格同样如此：第 3-8 行。",
    ]


def test_a_warning_is_told_in_chinese(tmp_path: Path) -> None:
    folder = write_toy_network(tmp_path / "toy", tariffs=lambda rows: changed(rows, 0, price_cny_per_mwh=0.4))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_network(folder)
    (warning,) = (one.message for one in caught if isinstance(one.message, InputWarning))
    assert str(warning).startswith("tariffs.csv:2 column 'price_cny_per_mwh' value '0.4': is below 10 CNY per MWh")
    with speaking("zh"):
        told = describe_warning(warning)
    assert told.startswith("tariffs.csv:2 列 'price_cny_per_mwh' 值 '0.4'：低于 10 元/兆瓦时")


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that is refused, in Chinese; returns what it says."""
    monkeypatch.setenv(VARIABLE, "zh")

    def run(*arguments: str | Path) -> str:
        assert main(list(map(str, arguments))) == 1
        return capsys.readouterr().err

    return run


def test_mistakes_in_a_scenario_are_told_in_chinese(tmp_path: Path, printed: Callable[..., str]) -> None:
    scenario = write_scenario(tmp_path, "name: toy\nnetwrk: china_2026\ndemand:\n  tokens_per_day_trillion: -2\n")
    lines = printed("check", scenario).replace(f"{tmp_path}/", "").splitlines()
    assert re.fullmatch("情景 '.*'中有 5 处错误：", lines[0])  # a long path is cut
    assert "toy.yaml:4 列 'demand.tokens_per_day_trillion' 值 '-2'：必须大于 0。" in lines[2]
    assert lines[1].endswith("列 'network'：缺少必需的键。请补上：自带网络，或相对本文件的网络文件夹。")
    assert lines[-1] == "toy.yaml:2 列 'netwrk'：未知的键。请改名或删除。是否想写 'network'？"


def test_mistakes_in_a_table_are_told_in_chinese(tmp_path: Path, printed: Callable[..., str]) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "mine")
    scenario, nodes = tmp_path / "mine" / "river.yaml", tmp_path / "mine" / "river" / "nodes.csv"
    good = nodes.read_text(encoding="utf-8")
    nodes.write_text(good.replace("latitude_deg", "lat", 1), encoding="utf-8")
    assert printed("solve", scenario).splitlines() == [
        "网络 'river'中有 1 处错误：",
        "nodes.csv:1 列 'lat'：未知的列。请改名或删除。是否想写 'latitude_deg'？",
    ]
    nodes.write_text(good.replace("demand_hub", "demand_hbu", 1), encoding="utf-8")
    told = printed("solve", scenario)
    assert "值 'demand_hbu'：不是允许的词。请从以下选用：demand_hub, data_center, junction。" in told
    nodes.write_bytes("id,name\n北京,x\n".encode("gb18030"))
    told = printed("compare", scenario, "--sweep", "price.west=1,2")
    assert "是 GBK（GB 18030）文本，不是 UTF-8。请以 UTF-8 保存（Excel 中为 CSV UTF-8）" in told


def test_a_bad_option_is_told_in_chinese(printed: Callable[..., str]) -> None:
    assert printed("check", "base", "--set", "solver.threds=1").splitlines() == [
        "情景 'base'中有 1 处错误：",
        "--set 列 'solver.threds'：未知的键。请改名或删除。是否想写 'threads'？",
    ]
    told = printed("import", "nowhere.graphml", "--out", "x", "--route-factor", "0.5")
    assert told.splitlines()[0] == "导入中有 2 处错误："
    assert "--route-factor 值 '0.5'：小于 1。光缆不会短于大圆距离。" in told

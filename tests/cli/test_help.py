"""Help, usage errors and descriptions of what is built in, in Chinese: a row for every text, and none without one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from network_data import list_networks
from optimizer.cli.main import edwc, main
from optimizer.words.columns import width_of
from optimizer.words.fault_texts import retell_description
from optimizer.words.language import VARIABLE, speaking
from optimizer.words.tables import BUILT_IN, HELP, read_table
from scenarios import list_price_cases, list_scenarios
from scenarios.sources import BUILT_IN_FOLDER
from scenarios.summaries import describe_scenario, find_named

CHINESE = re.compile(r"[\u4e00-\u9fff]")
# What click and `edwc show` put around the texts.
AROUND = {
    "Usage:", "Options", "Commands", "[OPTIONS]", "[COMMAND] [ARGS]...", "required", "default: {value}",
    "description", "source", "confidence", "file", "scenario", "price case", "workload class", "network",
}  # fmt: skip
USAGE = {
    ("chek",): "没有命令 'chek'。是否想写 'check'？",
    ("check", "base", "--st"): "没有选项 '--st'。是否想写 '--set'？",
    ("check",): "缺少参数 'SCENARIO'。",
    ("check", "base", "more"): "多余的参数（more）",
    ("check", "base", "more", "most"): "多余的参数（more most）",
    ("save", "run"): "缺少选项 '--out'。",
    ("solve", "base", "--seed"): "选项 '--seed' 需要一个值。",
    ("solve", "base", "--quiet=1"): "选项 '--quiet' 不带值。",
    ("solve", "base", "--seed", "x"): "'--seed' 的取值有误：'x' 不是整数。",
    ("solve", "base", "--time-limit", "x"): "'--time-limit' 的取值有误：'x' 不是数。",
    ("alternatives", "run", "--count", "0"): "'--count' 的取值有误：0 不在 x>=1 的范围内。",
    ("alternatives", "run", "--count", "x"): "'--count' 的取值有误：'x' 不是整数。",
    ("range", "run", "--slack", "x"): "'--slack' 的取值有误：'x' 不是成本的比例。请写成 0.01 或 1% 的形式。",
    ("export", "run", "--to", "a.png", "--size", "x"): "'--size' 的取值有误：'x' 不是 1600x1200 这样的尺寸",
    ("export", "run", "--to", "a.png", "--set", "a=1"): "--set 改动的是要写出模型的情景，而不是运行。",
    ("uncertainty", "base", "--design", "x"): "'--design' 的取值有误：'x' 不是以下之一：'latin', 'sobol'。",
}


def help_texts() -> Iterator[str]:
    """Go through the paragraphs of help of the group and all commands."""
    for command in (edwc, *edwc.commands.values()):
        options = [getattr(one, "help", None) for one in command.get_params(click.Context(command))]
        for text in (command.help, command.short_help, command.epilog, *options):
            yield from (" ".join(part.split()) for part in (text or "").split("\n\n") if part)


def test_every_text_of_help_has_its_chinese_row_and_every_row_a_text() -> None:
    assert set(help_texts()) | AROUND == read_table(HELP).keys()
    for row in read_table(HELP).values():
        # Names of options, keys, formats and products stay.
        assert CHINESE.search(row["zh"]), row
        assert re.findall(r"--[a-z-]+", row["en"]) == re.findall(r"--[a-z-]+", row["zh"]) or row["en"].count("--") > 1
        assert row["en"].endswith(".") == row["zh"].endswith(("。", "...")), row


@pytest.mark.parametrize("name", [None, *edwc.commands])
def test_help_is_chinese_alone(name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*([] if name is None else [name]), "--help", "--lang", "zh"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"用法：edwc {name or ''}")
    assert not re.search(r"\b(?:the|of|and|a|is|in|to|for)\b", re.sub(r"`[^`]*`|--to|--of", "", out)), out
    assert all(width_of(line) <= 110 for line in out.splitlines())


def test_the_option_may_stand_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for arguments in (["--lang", "zh", "list", "networks"], ["list", "--lang=zh", "networks"]):
        assert main(arguments) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] == f"{'china_2026':24} 42 个需求城市、24 个数据中心、124 条链路\n"
    assert main(["--lang", "zh", "list", "networks", "--lang", "en"]) == 0
    assert capsys.readouterr().out == f"{'china_2026':24} 42 demand hubs, 24 data centers, 124 links\n"


@pytest.mark.parametrize("arguments", USAGE)
def test_usage_errors_are_told_in_chinese(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "zh")
    assert main(arguments) == 1
    *usage, fault = capsys.readouterr().err.splitlines()  # click does not say of all whose usage it is
    assert all(line.startswith("用法：edwc ") for line in usage)
    assert fault.partition(": ")[2] == USAGE[arguments]


def test_an_unknown_language_is_refused_before_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "zn")
    assert main(["--help"]) == 1
    assert "EDWC_LANG value 'zn'" in capsys.readouterr().err
    assert main(["--help", "--lang", "en"]) == 0
    assert capsys.readouterr().out.startswith("Usage: edwc")


def test_keys_say_in_chinese_what_they_mean_and_may_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "--lang", "zh"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "fleet.utilization_limit [占比]" in lines
    assert "    数值，大于 0 至 1；默认 0.8" in lines
    assert any(line.startswith("    取值之一：none、any_data_center；默认 none") for line in lines)
    english = re.compile(r"\b(?:the|of|and|per|is|to|or|number|text|list|default|share|above)\b")
    # Choices, which are written as a scenario writes them, and names of files and keys stay.
    told = [line for line in lines if line.startswith("    ") and not line.startswith("    取值之一")]
    assert [line for line in told if english.search(line)] == []


def test_everything_built_in_has_a_chinese_description() -> None:
    found = [find_named(name) for name in (*list_scenarios(), *list_price_cases(), *list_networks())]
    found += [describe_scenario(path) for path in sorted(BUILT_IN_FOLDER.glob("own_*/*.yaml"))]
    described = {one.description for one in found}
    with speaking("zh"):
        assert [text for text in described if not CHINESE.search(retell_description(text))] == []
        assert retell_description("My own words.") == "My own words."
    rows = {text for text in read_table(BUILT_IN) if "{" not in text}
    assert rows - described == set()
    assert retell_description(found[0].description) == found[0].description

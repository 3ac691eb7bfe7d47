"""Tables of words: complete, used, with the same blanks in both languages; and what a real run says in Chinese."""

from __future__ import annotations

import ast
import math
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import edwc
from network_data.faults import InputError
from optimizer.cli.main import main
from optimizer.infeasibility.changes import ChangeItem
from optimizer.numbers import format_change, format_million, million_writer
from optimizer.report.comparison import STEP_WORDS
from optimizer.report.words import SCRIPT_WORDS
from optimizer.solvers.control import Progress
from optimizer.text.comparison import KIND_WORDS
from optimizer.text.data_center import HOUR_COLUMNS
from optimizer.text.explanations import change_line, describe_placement, describe_workloads
from optimizer.text.run import (
    ENDED,
    LATENCY_COLUMNS,
    describe_check,
    describe_progress,
    describe_run,
    local_names,
)
from optimizer.words.amounts import counting, recount
from optimizer.words.columns import ljust, rjust, width_of, wrap
from optimizer.words.language import VARIABLE, current_language, speaking
from optimizer.words.sentences import join, naming, retell, say
from optimizer.words.tables import PAGES, RETOLD, SAID, read_table

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "optimizer" / "report" / "assets"
EXAMPLE = ROOT / "scenarios" / "own_network" / "river.yaml"
BLANK = "\N{SYMBOL FOR NULL}"  # stands for what an f-string fills in
# What stays in Latin letters: units, abbreviations of the field, commands and keys, ids, names of files and products.
ALLOWED = re.compile(
    r"(?<![A-Za-z])(?:M[Ww]h?|[kG]Wh|kW|IT|PUE|ms|kt|Gbps|CO2|R2|TTFT|edwc \w+|time\.\w+|--[\w-]+|HUB/CLASS|river|"
    r"[a-z]+/[a-z]+|runs?|json|peaks|dc_[a-z]+|delta|ford|plateau|"
    r"[a-z]+(?:_[a-z]+)+|batch|[A-Z][a-z]+ (?:campus|park)|Card)(?![A-Za-z])"
)


def python_files() -> list[Path]:
    return [path for name in ("network_data", "scenarios", "optimizer") for path in sorted((ROOT / name).rglob("*.py"))]


def texts_in_code() -> Iterator[str]:
    """Every text in the code, the blanks of f-strings marked."""
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(str(v.value) if isinstance(v, ast.Constant) else BLANK for v in node.values)


def said_in_code() -> set[str]:
    """First arguments of `say`, where they are written out."""
    found = set()
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                (said,) = node.args
                found |= {str(part.value) for part in (said, *_choices(said)) if isinstance(part, ast.Constant)}
    return found


def _choices(node: ast.expr) -> list[ast.expr]:
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else []


def said_in_templates() -> set[str]:
    """Find what the templates of pages say."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(ASSETS.glob("*.html")))
    return {found[2] for found in re.finditer(r"say\(([\"'])(.*?)\1", text)}


def blanks(text: str) -> list[tuple[str, str]]:
    return sorted((name, spec or "") for _, name, spec, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("table", [SAID, RETOLD, PAGES])
def test_every_sentence_has_both_languages_and_the_same_blanks(table: str) -> None:
    for english, row in read_table(table).items():
        assert english == row["en"]
        assert row["zh"], english
        assert blanks(english) == blanks(row["zh"]), english


def test_no_sentence_stands_in_two_tables() -> None:
    for first, second in ((SAID, RETOLD), (SAID, PAGES), (RETOLD, PAGES)):
        assert not read_table(first).keys() & read_table(second).keys()


def test_every_sentence_that_code_says_is_in_the_table() -> None:
    known = read_table(SAID).keys() | read_table(RETOLD).keys() | read_table(PAGES).keys()
    assert said_in_code() - known == set()
    assert said_in_templates() - known == set()
    assert set(SCRIPT_WORDS.values()) - known - {"MW"} == set()
    # What is looked up before it is said.
    chosen = (KIND_WORDS, STEP_WORDS, ENDED, dict(zip(LATENCY_COLUMNS, LATENCY_COLUMNS, strict=True)))
    assert {text for words in chosen for text in words.values()} | set(HOUR_COLUMNS) <= known


def test_every_sentence_in_the_table_is_in_the_code() -> None:
    # Ids are shown with spaces for underscores.
    texts = {shown for text in texts_in_code() for shown in (text, text.replace("_", " "))}
    texts |= said_in_templates() | {text for part in texts for text in part.split("\n")}
    assert {key for name in (SAID, PAGES) for key in read_table(name) if key not in texts} == set()


def test_what_is_told_again_is_worded_somewhere_in_the_code() -> None:
    code = "\n".join(texts_in_code())
    pieces = {
        (english, piece.strip(" ,.;:()"))
        for english in read_table(RETOLD)
        for text, *_ in string.Formatter().parse(english)
        for piece in text.split("; ")
    }
    # Words that code chooses between stand alone there.
    stale = {
        english for english, piece in pieces if piece not in code and not all(word in code for word in piece.split(" "))
    }
    assert stale == set()


def test_a_stored_sentence_is_told_again_with_its_numbers_and_names() -> None:
    told = retell(
        "1 more pod of Card in place at Delta campus is worth 0.502 million CNY a year (each of 10 about as much)"
    )
    assert told.startswith("1 more pod")  # English is in force
    with speaking("zh"), naming({"Delta campus": "\u4e09\u89d2\u6d32"}):
        told = retell("1 more pod of Card in place at Delta campus is worth 0.502 million CNY a year")
        assert "\u4e09\u89d2\u6d32" in told
        assert "50.2\u4e07\u5143" in told
        assert retell("nobody has written this") == "nobody has written this"
        assert retell("everything in west").endswith("\u897f\u90e8")


def test_a_change_and_progress_name_places_classes_and_hours_in_chinese() -> None:
    left = ChangeItem("unserved", "chat of delta", 2.0, "mtok/h", 0.0, 2.0, "shed", "in year 00:00, year 02:00")
    cap = ChangeItem("carbon_cap", "", 5.0, "t", 3_000.0, 3_005.0, "policy.carbon_cap_t_per_year")
    searched = Progress(1.0, math.inf, -math.inf, "without reserve: start")
    with speaking("zh"):
        told = [change_line(left), change_line(cap), describe_progress(searched)]
    assert "delta\u7684\u5bf9\u8bdd" in told[0]
    assert "00:00\u3001year" in told[0]
    assert "\uff08policy.carbon_cap_t_per_year\uff1a3,000 \u2192 3,005\uff09" in told[1]
    assert not re.search("[a-z]{3}", told[2])
    assert change_line(cap) == "5 t of CO2 a year more (policy.carbon_cap_t_per_year: 3,000 -> 3,005)"


def test_amounts_have_the_scales_of_the_language() -> None:
    assert (format_million(1_537_100_000.0), format_change(-8_810.0)) == ("1,537.1", "-0.00881")
    with speaking("zh"):
        assert [format_million(x) for x in (1_537_100_000.0, 3_400_000.0, 2_500.0, 0.0)] == [
            "15.371\u4ebf", "340\u4e07", "2,500", "0",
        ]  # fmt: skip
        assert format_change(201_865_500.0) == "+2.019\u4ebf"


def test_columns_count_a_chinese_character_as_two_places() -> None:
    assert (width_of("\u6210\u672c"), ljust("\u6210\u672c", 6), rjust("\u6210\u672c", 6)) == (
        4, "\u6210\u672c  ", "  \u6210\u672c",
    )  # fmt: skip
    text = "  " + "\u6210\u672c\uff0c" * 12 + "edwc explain"
    with speaking("zh"):
        lines = wrap(text, 20)
    assert all(width_of(line) <= 20 for line in lines)
    assert all(line.lstrip()[0] != "\uff0c" for line in lines)
    assert "".join(line.strip() for line in lines) == "\u6210\u672c\uff0c" * 12 + "edwc explain"


def test_language_comes_from_the_environment_and_is_refused_where_it_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "zh")
    assert current_language() == "zh"
    with speaking("en"):
        assert say("total") == "total"
        assert join(["a", "b"]) == "a, b"
    monkeypatch.setenv(VARIABLE, "zn")
    with pytest.raises(InputError, match="is not a language of edwc"):
        current_language()
    assert main(["check", str(EXAMPLE)]) == 1
    assert "EDWC_LANG value 'zn'" in capsys.readouterr().err


def test_a_run_a_check_and_the_reasons_are_told_in_chinese_alone() -> None:
    changes = {"time.slices_per_day": 2, "solver.mip_rel_gap": 0.05, "solver.threads": 1}
    run = edwc.solve(EXAMPLE, changes)
    with speaking("zh"), naming(local_names(run)):
        told = [
            describe_run(run),
            describe_check(edwc.check(EXAMPLE, changes)),
            describe_workloads(run.workloads),
            describe_placement(run.why("delta/chat")),
        ]
    for text in told:
        english = set(re.findall(r"[A-Za-z]{2,}", ALLOWED.sub("", text)))
        assert english == set(), text
    # Not a copy of the English table: the language of the block ends with it.
    assert "million CNY a year" in describe_run(run)


def test_amounts_of_a_small_network_are_counted_in_thousands() -> None:
    with counting([2_568_400.0, None, float("nan")]):
        assert format_million(2_568_400.0) == "2,568.4"
        assert million_writer([26_000.0, 900.0])(900.0) == "0.9"
        assert format_change(-40_000.0) == "-40.0"
        assert say("{total} million CNY a year", total="2,568.4") == "2,568.4 thousand CNY a year"
        # What is stored was written in millions; what has a number before it is an amount.
        told = retell("1 million CNY more of yearly budget would save 0.0379 million CNY a year")
        assert told == "1,000 thousand CNY more of yearly budget would save 37.9 thousand CNY a year"
        assert recount("0.42 million tokens at 12 CNY") == "0.42 million tokens at 12 CNY"
        with counting([3e9]):  # part of the same page
            assert format_million(2_568_400.0) == "2,568.4"
        with speaking("zh"):
            assert say("Million CNY a year") == "\u5343\u5143/\u5e74"
            assert format_million(2_568_400.0) == "256.84\u4e07"
    with counting([16_100_000.0]):
        assert say("{total} million CNY a year", total=format_million(16_100_000.0)) == "16.1 million CNY a year"

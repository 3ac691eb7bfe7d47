"""Words, fonts and classes of the drawn maps, without drawing any."""

from __future__ import annotations

import csv
import re
import string
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from toy_scenario import ToyScenario

import edwc
from benchmarks.map_fonts import FAMILY, WEIGHTS, gb2312_characters, wanted_characters
from optimizer.drawing.colours import CARBONS, PRICES
from optimizer.drawing.lettering import has_glyph
from optimizer.drawing.words import ASSETS, Words, read_words
from optimizer.maps.places import MOST_CLASSES, fit_classes, wrap_label
from optimizer.maps.theme import node_names
from optimizer.words.tables import FOLDER

ROOT = Path(__file__).resolve().parents[2]
LEVEL_1 = 3755


@pytest.fixture(scope="module", params=WEIGHTS)
def font(request: pytest.FixtureRequest) -> TTFont:
    return TTFont(ASSETS / f"NotoSansSC-{request.param}.otf")


def test_font_holds_level_1_and_every_word_and_name(font: TTFont) -> None:
    known = font.getBestCmap()
    level_1 = [char for char in gb2312_characters() if "\u4e00" <= char <= "\u9fff"]
    assert len(level_1) == LEVEL_1
    wanted = wanted_characters()
    assert set(level_1) <= wanted
    # The original has no subscript two; the other font draws it.
    assert {char for char in wanted if ord(char) not in known} == {"\u2082"}
    for table in sorted((ROOT / "network_data").glob("*/*.csv")):
        with table.open(encoding="utf-8", newline="") as text:
            for row in csv.DictReader(text):
                name = row.get("name_local") or ""
                assert all(ord(char) in known for char in name), name


def test_font_says_whose_it_is_and_is_called_something_else(font: TTFont) -> None:
    names = font["name"]
    assert names.getDebugName(1) == FAMILY
    assert "SIL Open Font License" in names.getDebugName(13)
    assert "Adobe" in names.getDebugName(0)
    licence = (ASSETS / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "Copyright 2014-2021 Adobe" in licence


def test_both_fonts_together_draw_every_word() -> None:
    for row in read_words().values():
        assert all(has_glyph(char) for text in (row["en"], row["zh"]) for char in text), row


def test_every_word_is_there_in_both_languages_with_the_same_blanks() -> None:
    with (FOLDER / "maps.csv").open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert len({row["key"] for row in rows}) == len(rows)
    for row in rows:
        blanks = [{name for _, name, _, _ in string.Formatter().parse(row[lang]) if name} for lang in ("en", "zh")]
        if row["key"] != "foot.source_undated":
            assert blanks[0] == blanks[1], row["key"]
        assert None not in row.values()
        if row["key"] != "wrap.keep_together":
            assert row["en"]
            assert row["zh"]


def test_every_word_that_code_asks_for_is_there_and_every_one_there_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "optimizer" / "maps").glob("*.py")))
    asked = set(re.findall(r'"((?:key|numbers|note|foot|same|unit|inset|wrap|title)\.[a-z_]+)"', code)) | {
        "join",
        "scale",
    }
    known = {key for key in read_words() if not key.startswith(("category.", "component.", "projection.", "title."))}
    assert asked >= known
    assert set(read_words()) >= asked


def test_amounts_are_spelled_as_each_language_does() -> None:
    english, chinese = Words("en"), Words("zh")
    assert [english.amount(x) for x in (0, 950, 1.54e9, 1.4e14, -2.5e6)] == [
        "0", "950", "1.54 billion", "140 trillion", "\u22122.5 million",
    ]  # fmt: skip
    assert [chinese.amount(x) for x in (0, 950, 1.54e9, 1.4e14, 5e11, -2.5e6)] == [
        "0", "950", "15.4\u4ebf", "140\u4e07\u4ebf", "5,000\u4ebf", "\u2212250\u4e07",
    ]  # fmt: skip
    assert english.signed(1.2e6) == "+1.2 million"
    assert english.term("component", "my_own_cost") == "my own cost"
    assert english("title.with_name", title="{x}", name="{0}") == "{x}: {0}"


def test_long_chinese_names_break_between_words() -> None:
    demo_zone = "\u957f\u4e09\u89d2\u751f\u6001\u7eff\u8272\u4e00\u4f53\u5316\u53d1\u5c55\u793a\u8303\u533a\u96c6\u7fa4"
    first, second = wrap_label(demo_zone)
    assert first + second == demo_zone
    assert first.endswith("\u4e00\u4f53\u5316") or second.startswith("\u4e00\u4f53\u5316")
    assert abs(len(first) - len(second)) <= 4
    assert wrap_label("\u5f20\u5bb6\u53e3\u96c6\u7fa4") == ("\u5f20\u5bb6\u53e3\u96c6\u7fa4",)


def test_classes_cover_any_values_with_round_breaks() -> None:
    random = np.random.default_rng(5)
    for size in (1, 2, 5, 40):
        for scale in (1e-4, 0.3, 700.0, 3e6):
            for spread in (0.02, 0.5, 3.0):
                values = tuple(float(x) for x in scale * np.exp(spread * random.normal(size=size)))
                classes = fit_classes(values, PRICES)
                assert classes is not None
                assert len(classes.colours) == len(classes.edges) - 1 <= MOST_CLASSES
                assert classes.edges[0] <= min(values)
                assert max(values) <= classes.edges[-1]
                assert len(set(classes.colours)) == len(classes.colours)
                for edge in classes.edges:
                    assert float(f"{edge:.6g}") == edge
    assert fit_classes((), PRICES) is None
    assert fit_classes((0.0, 0.0), PRICES).edges == (0.0, 1.0)  # type: ignore[union-attr]
    assert fit_classes((300.0, 848.0), PRICES).edges == (300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0)  # type: ignore[union-attr]
    assert fit_classes((0.0, 0.002, 0.23), CARBONS).edges == (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # type: ignore[union-attr]


def test_junctions_are_named_in_the_language_of_the_map(tmp_path: Path) -> None:
    toy = ToyScenario(tmp_path)
    toy(tables={"nodes": lambda rows: [row | {"name": f"{row['name']} (en)", "name_local": "拉萨"} for row in rows]})
    run = edwc.solve(toy.folder / "toy.yaml")
    assert set(node_names(run, Words("zh")).values()) == {"拉萨"}
    assert all(name.endswith(" (en)") for name in node_names(run, Words("en")).values())
    # Runs of older versions hold the ids of nodes alone.
    old = run.links.drop(columns=[f"{end}_{name}" for end in ("from", "to") for name in ("name", "name_local")])
    assert set(node_names(SimpleNamespace(links=old), Words("zh")).values()) == {""}  # type: ignore[arg-type]
    titles = set(node_names(SimpleNamespace(links=old), Words("en")).values())  # type: ignore[arg-type]
    assert titles == {node.replace("_", " ").title() for node in {*old["from_node"], *old["to_node"]}}

"""A network of one's own in Europe, end to end: another currency, several clocks, outlines of the world."""

from __future__ import annotations

import re
from pathlib import Path

import docx
import openpyxl
import pandas as pd
import pptx
import pyogrio
import pytest
from commands import edwc as run_edwc
from matplotlib.patches import PathPatch

import edwc
from network_data import InputError, load_network
from optimizer.drawing.colours import assign_colours
from optimizer.maps.draw import draw_map
from optimizer.maps.options import MapOptions
from optimizer.problem.assemble import assemble_problem
from scenarios import load_scenario

REDUCED = ("--set", "time.slices_per_day=3", "--set", "solver.mip_rel_gap=0.05", "--set", "solver.threads=1")
CHINESE_MONEY = re.compile(r"\bCNY\b|(?<![a-z])cny(?![a-z])|(?<![欧词])元")

# The Chinese word for yuan is also the last character of words such as token, unit and dimension.
IN_LONG_TEXTS = re.compile(r"\bCNY\b|(?<![a-z])cny(?![a-z])|(?<![\u4e00-\u9fff])元|(?<=[万亿])元")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "mine"
    run_edwc("init", folder, "--example", "europe")
    return folder


@pytest.fixture(scope="module")
def solved(folder: Path) -> tuple[Path, str]:
    out, err = run_edwc("solve", folder / "europe.yaml", *REDUCED, "--out", folder / "run", "--quiet")
    return folder / "run", out + err


def test_no_text_names_another_currency(folder: Path, solved: tuple[Path, str]) -> None:
    run, said = solved
    in_chinese = run_edwc("why", run, "--lang", "zh")
    # 2.6 million: in millions most of the parts would be 0.0.
    assert "thousand EUR/year" in said
    assert "million EUR" not in said.replace("EUR per million", "")
    assert "欧元/百万" in in_chinese[0]
    assert "EUR per million (0.1 to 0.6 USD)" in said
    texts = [
        said,
        *run_edwc("check", folder / "europe.yaml"),
        *run_edwc("why", run),
        *in_chinese,
        repr(edwc.open_run(run)),
        (folder / "europe" / "tariffs.csv").read_text(encoding="utf-8"),
    ]
    assert [CHINESE_MONEY.findall(text) for text in texts] == [[]] * len(texts)


def test_no_page_map_or_file_names_another_currency(solved: tuple[Path, str], tmp_path: Path) -> None:
    run = edwc.open_run(solved[0])
    page = edwc.export_run(run, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "thousand EUR a year" in page
    assert "million EUR" not in page
    assert not IN_LONG_TEXTS.search(re.sub(r"sha256-\S+", "", page))
    assert "\u6b27\u5143" in page  # the page holds both languages
    for kind, lang in (("allocation", "en"), ("price", "zh")):
        drawn = draw_map(run, MapOptions(kind=kind, lang=lang))  # type: ignore[arg-type]
        shown = " ".join(text.get_text() for axes in drawn.figure.axes for text in axes.texts)
        assert {"en": "EUR a year", "zh": "欧元/兆瓦时"}[lang] in shown
        assert not CHINESE_MONEY.search(shown)
        # The outlines of the world stand behind a network that has none, and are credited.
        assert sum(isinstance(patch, PathPatch) for patch in drawn.canvas.axes.patches) > 30
        assert "Natural Earth" in shown
    file = edwc.export_run(run, tmp_path / "layers.gpkg")
    layers = {name: pyogrio.read_dataframe(file, layer=name) for name, _ in pyogrio.list_layers(file)}
    assert "mean_price_eur_per_mwh" in layers["data_centers"]
    assert not [name for table in layers.values() for name in table.columns if CHINESE_MONEY.search(name)]
    facts = layers["metadata"].set_index("key")["value"]
    assert (facts["currency"], facts["time_zone"]) == ("EUR", "Europe/Paris")
    assert not [key for key in facts.index if CHINESE_MONEY.search(key)]


def test_colours_of_regions_stay_where_a_place_moves(solved: tuple[Path, str]) -> None:
    run = edwc.open_run(solved[0])
    colours = assign_colours(run.regions)
    assert list(colours) == ["north", "west", "central", "south"]
    moved = edwc.open_run(solved[0])
    moved.data_centers["longitude_deg"] = -moved.data_centers["longitude_deg"].to_numpy()
    assert assign_colours(moved.regions) == colours


def test_a_network_edited_in_memory_keeps_currency_and_clock(folder: Path) -> None:
    network = load_network(folder / "europe")
    dearer = network.with_tables(tariffs=network.tariffs.assign(price_cny_per_mwh=500.0))
    assert (dearer.currency, dearer.time_zone, dearer.regions) == (network.currency, "Europe/Paris", network.regions)
    assert dearer.tariffs["price_cny_per_mwh"].unique().tolist() == [500.0]
    assert dearer.hours_ahead("nodes")[["london", "paris", "helsinki"]].tolist() == [-1.0, 0.0, 1.0]


def test_columns_and_keys_of_another_currency_are_refused(folder: Path, tmp_path: Path) -> None:
    tables = pd.read_csv(folder / "europe" / "tariffs.csv", comment="#")
    own = tmp_path / "net"
    own.mkdir()
    for path in (folder / "europe").iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    tables.rename(columns={"price_eur_per_mwh": "price_cny_per_mwh"}).to_csv(own / "tariffs.csv", index=False)
    with pytest.raises(InputError, match="price_eur_per_mwh"):
        load_network(own)
    with pytest.raises(InputError, match="Convert it, and name it carbon_price_eur_per_t"):
        load_scenario(folder / "europe.yaml", ["costs.carbon_price_cny_per_t=1"])


def test_amounts_of_two_currencies_do_not_meet(folder: Path, tmp_path: Path) -> None:
    network = load_network(folder / "europe")
    in_yuan = (folder / "europe.yaml").read_text(encoding="utf-8").replace("currency: EUR", "currency: USD")
    path = folder / "dollars.yaml"
    path.write_text(in_yuan.replace("_eur_", "_usd_").replace("eur_per_usd", "usd_per_usd"), encoding="utf-8")
    with pytest.raises(InputError, match="are in USD, those of network europe in EUR"):
        assemble_problem(network, load_scenario(path))
    with pytest.raises(InputError, match="are in CNY, those of network europe in EUR"):
        assemble_problem(network, load_scenario(folder / "europe.yaml", ["price_cases=[carbon_50]"]))
    # The command line says it as it is, too.
    assert "are in USD, those of network europe in EUR" in run_edwc("check", path, code=1)[1]
    (tmp_path / "mixed.yaml").write_text("name: mixed\nextends: base\ncurrency: EUR\n", encoding="utf-8")
    with pytest.raises(InputError, match="extends one whose amounts are in CNY"):
        load_scenario(tmp_path / "mixed.yaml")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_office_file_names_another_currency(lang: str, solved: tuple[Path, str], tmp_path: Path) -> None:
    run_edwc("export", solved[0], "--to", tmp_path / "run.xlsx", "--lang", lang)
    book = openpyxl.load_workbook(tmp_path / "run.xlsx")
    cells = [str(cell.value) for sheet in book.worksheets for row in sheet.iter_rows() for cell in row if cell.value]
    # What a user typed or a program needs is as it was: keys of the scenario, options, names of components.
    assert "\n".join(text for text in cells if IN_LONG_TEXTS.search(text)) == ""
    money = {"en": "EUR", "zh": "欧元"}[lang]
    assert any(money in text for text in cells)
    for ending, read in (("brief.docx", _document_texts), ("brief.pptx", _slide_texts)):
        run_edwc("export", solved[0], "--to", tmp_path / f"run.{ending}", "--lang", lang)
        texts = read(tmp_path / f"run.{ending}")
        assert [text for text in texts if IN_LONG_TEXTS.search(text)] == []
        assert any(money in text for text in texts)
        assert "Lulea park" in texts  # which has no Chinese name


def _document_texts(path: Path) -> list[str]:
    document = docx.Document(str(path))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return [*(paragraph.text for paragraph in document.paragraphs), *cells]


def _slide_texts(path: Path) -> list[str]:
    shapes = [shape for slide in pptx.Presentation(str(path)).slides for shape in slide.shapes]
    cells = [cell.text for shape in shapes if shape.has_table for row in shape.table.rows for cell in row.cells]
    return [*(shape.text_frame.text for shape in shapes if shape.has_text_frame), *cells]

"""Every kind of map in both languages, checked by its texts, boxes, classes and bytes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from map_runs import add_numbers, move_tokens, serve_nothing
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.patches import PathPatch
from run_files import CHINA, write_china_run, write_outline, write_run

from network_data.faults import InputError
from optimizer.cli.main import main
from optimizer.drawing.words import read_words
from optimizer.exports.export import export_run
from optimizer.maps.draw import DrawnMap, draw_map
from optimizer.maps.labels import boxes_overlap
from optimizer.maps.options import KINDS, MapNameWarning, MapOptions
from optimizer.runs.run import open_run
from optimizer.words.language import LANGS

SIZE = (800, 600)
VIEWS = [*KINDS, "difference"]
Draw = Callable[[str, str], DrawnMap]


@pytest.fixture(scope="module")
def china(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_numbers(write_china_run(tmp_path_factory.mktemp("china")))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a run in which half of what each hub sends to its second data center goes to the third."""
    folder = add_numbers(write_china_run(tmp_path_factory.mktemp("other")))
    allocation = pd.read_parquet(folder / "allocation.parquet")
    allocation.loc[allocation.index % 3 == 1, "mtok_per_h"] *= 0.5
    allocation.loc[allocation.index % 3 == 2, "mtok_per_h"] *= 1.5
    allocation.to_parquet(folder / "allocation.parquet")
    centers = pd.read_parquet(folder / "data_centers.parquet").set_index("id")
    annual = (allocation["mtok_per_h"] * allocation["weight_h"]).groupby(allocation["data_center"]).sum()
    centers["mtok_per_year"] = annual.reindex(centers.index).fillna(0.0)
    centers.reset_index().to_parquet(folder / "data_centers.parquet")
    return folder


@pytest.fixture(scope="module")
def drawn(china: Path, other: Path) -> Draw:
    """Draw a map once for all tests."""
    kept: dict[tuple[str, str], DrawnMap] = {}

    def draw(view: str, lang: str) -> DrawnMap:
        if (view, lang) not in kept:
            kind = "allocation" if view == "difference" else view
            against = china if view == "difference" else None
            options = MapOptions(kind=kind, lang=lang, against=against)  # type: ignore[arg-type]
            kept[view, lang] = draw_map(open_run(other if view == "difference" else china), options)
        return kept[view, lang]

    return draw


def axes_of(drawn_map: DrawnMap) -> list[Axes]:
    return [*drawn_map.figure.axes, *([] if drawn_map.detail is None else [drawn_map.detail.canvas.axes])]


def texts(drawn_map: DrawnMap) -> list[str]:
    return [text.get_text() for axes in axes_of(drawn_map) for text in axes.texts]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("view", VIEWS)
def test_labels_overlap_neither_each_other_nor_the_inset(drawn: Draw, view: str, lang: str) -> None:
    shown = drawn(view, lang)
    assert shown.detail is not None
    boxes = [*(label.box for label in shown.labels), shown.detail.inset.box]
    assert len(boxes) > 10
    for group, canvas in ((boxes, shown.canvas), ([x.box for x in shown.detail.labels], shown.detail.canvas)):
        for first, second in combinations(group, 2):
            assert not boxes_overlap(first, second)
        for left, bottom, right, top in group:
            assert canvas.frame[0] <= left < right <= canvas.frame[2]
            assert canvas.frame[1] <= bottom < top <= canvas.frame[3]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("view", VIEWS)
def test_texts_of_title_key_and_foot_keep_apart(drawn: Draw, view: str, lang: str) -> None:
    shown = drawn(view, lang)
    renderer = FigureCanvasAgg(shown.figure).get_renderer()  # type: ignore[no-untyped-call]
    outside = [text for axes in shown.figure.axes[1:] for text in axes.texts]
    extents = [text.get_window_extent(renderer) for text in outside]
    assert len(extents) > 10
    sheet = shown.figure.bbox
    for (i, first), (k, second) in combinations(enumerate(extents), 2):
        apart = (
            first.x1 <= second.x0 + 1
            or second.x1 <= first.x0 + 1
            or first.y1 <= second.y0 + 2
            or second.y1 <= first.y0 + 2
        )
        assert apart, (outside[i].get_text(), outside[k].get_text())
    for extent, text in zip(extents, outside, strict=True):
        assert sheet.x0 <= extent.x0 < extent.x1 <= sheet.x1, text.get_text()
        assert sheet.y0 <= extent.y0 < extent.y1 <= sheet.y1, text.get_text()


@pytest.mark.parametrize("kind", ["links", "price", "carbon"])
def test_classes_hold_every_number_and_grow_darker(drawn: Draw, china: Path, kind: str) -> None:
    shown = drawn(kind, "en")
    assert shown.classes is not None
    classes, values = shown.classes
    centers = pd.read_parquet(china / "data_centers.parquet")
    links = pd.read_parquet(china / "links.parquet")
    used = centers[centers["energy_mwh_per_year"] > 0]
    expected = {
        "links": links["load_share"][links["load_share"] > 0],
        # What is not used shows its mean price over all hours.
        "price": centers["mean_price_cny_per_mwh"].fillna(pd.Series(500.0 + centers.index)),
        "carbon": used["carbon_t_per_year"] / used["energy_mwh_per_year"],
    }[kind]
    assert sorted(values) == pytest.approx(sorted(expected))
    assert list(classes.edges) == sorted(set(classes.edges))
    assert 3 <= len(classes.colours) == len(classes.edges) - 1
    for value in values:
        i = classes.index_of(value)
        assert classes.edges[i] <= value <= classes.edges[i + 1]
    if kind == "links":  # from empty to full: 11.7 % was drawn like an alarm where nothing was fuller
        assert (classes.edges[0], classes.edges[-1]) == (0.0, 1.0)
        assert classes.index_of(0.117) < len(classes.colours) / 2
    lights = [sum(w * c for w, c in zip((0.21, 0.72, 0.07), to_rgb(x), strict=True)) for x in classes.colours]
    assert lights == sorted(lights, reverse=True)
    # The key says how many each class holds.
    (panel,) = [axes for axes in shown.figure.axes if len(axes.texts) > 8 and axes is not shown.canvas.axes]
    counts = [sum(classes.index_of(value) == i for value in values) for i in range(len(classes.colours))]
    rights = [text.get_text() for text in panel.texts if text.get_horizontalalignment() == "right"]
    assert rights[: len(counts)] == [str(count) for count in reversed(counts)]


@pytest.mark.parametrize("view", VIEWS)
def test_chinese_map_has_chinese_words_and_names(drawn: Draw, china: Path, view: str) -> None:
    written = texts(drawn(view, "zh"))
    title = read_words()[f"title.{view}"]["zh"]
    assert any(text.startswith(title) for text in written)
    local = set(pd.read_parquet(china / "demand_hubs.parquet")["name_local"])
    assert len(local & set(written)) >= 10
    english = {row["en"] for key, row in read_words().items() if key.startswith(("key.", "foot.", "category."))}
    assert not english & set(written)
    assert not any("?" in text for text in written)
    # No city's name stands for a data center too.
    for label in drawn(view, "zh").labels:
        assert not (label.style == "center" and "".join(label.lines) in local)


def test_legend_numbers_of_the_line_below_the_title(drawn: Draw, china: Path) -> None:
    centers = pd.read_parquet(china / "data_centers.parquet")
    energy, carbon = centers["energy_mwh_per_year"], centers["carbon_t_per_year"].sum()
    paid = float((energy * centers["mean_price_cny_per_mwh"]).sum() / energy.sum())
    assert any(f"{paid:,.0f} CNY/MWh on average" in text for text in texts(drawn("price", "en")))
    assert any(f"{carbon / energy.sum():.3g} kg/kWh" in text for text in texts(drawn("carbon", "en")))
    assert any("25% of the energy under green contracts" in text for text in texts(drawn("carbon", "en")))
    links = pd.read_parquet(china / "links.parquet")
    used = int((links["load_share"] > 0).sum())
    assert any(f"{used} of {len(links)} links carry traffic" in text for text in texts(drawn("links", "en")))


def test_source_line_says_run_date_network_and_outlines(drawn: Draw) -> None:
    foot = "   ·   ".join(texts(drawn("price", "en"))[-60:])
    assert "Source: run toy, solved 2026-11-25 with edwc 0.1.0; network toy" in foot
    assert "45% of the cost rests on estimates" in foot
    assert "basemap: Natural Earth" in foot
    assert "Albers equal-area conic projection" in foot


def outlines(shown: DrawnMap) -> int:
    return sum(isinstance(patch, PathPatch) for patch in shown.canvas.axes.patches)


def test_own_basemap_replaces_the_outlines(drawn: Draw, tmp_path: Path) -> None:
    stored = drawn("price", "en")
    assert outlines(stored) > 30
    folder = add_numbers(write_run(tmp_path / "run", basemap=CHINA / "basemap.geojson"))
    own = write_outline(tmp_path / "own.geojson")
    replaced, left_out = (draw_map(open_run(folder), MapOptions(basemap=choice)) for choice in (own, "none"))  # type: ignore[arg-type]
    assert outlines(replaced) == 1
    assert outlines(left_out) == 0
    assert any("basemap: own.geojson" in text for text in texts(replaced))
    assert not any("Natural Earth" in text for text in texts(replaced))
    assert not any("basemap" in text for text in texts(left_out))


@pytest.mark.parametrize(
    ("view", "suffix"), [*((view, ".png") for view in VIEWS), ("links", ".svg"), ("difference", ".svg")]
)
def test_same_choices_give_the_same_bytes(tmp_path: Path, view: str, suffix: str) -> None:
    run, before = (add_numbers(write_run(tmp_path / name)) for name in ("run", "before"))
    move_tokens(run, 0.5)
    options = MapOptions(
        kind="allocation" if view == "difference" else view,  # type: ignore[arg-type]
        against=before if view == "difference" else None,
        lang="zh",
        size_px=SIZE,
    )
    first, again = (
        export_run(open_run(run), tmp_path / f"{name}{suffix}", maps=options).read_bytes() for name in ("a", "b")
    )
    assert first == again
    assert len(first) > 10_000


def test_settings_of_the_user_have_no_say(tmp_path: Path) -> None:
    run = add_numbers(write_run(tmp_path / "run"))
    for suffix in (".png", ".svg"):
        options = MapOptions(kind="links", size_px=SIZE)
        first = export_run(open_run(run), tmp_path / f"a{suffix}", maps=options).read_bytes()
        own = {"lines.linewidth": 9, "text.hinting": "none", "patch.linewidth": 5, "font.family": "serif"}
        with rc_context(own):
            assert export_run(open_run(run), tmp_path / f"b{suffix}", maps=options).read_bytes() == first


def test_names_that_are_markup_are_inert_in_svg(tmp_path: Path) -> None:
    names = {"alfa": "<script>alert(1)</script>", "bravo": '"><image href="x" onload="alert(1)"/>', "dc_alfa": "--><a>"}
    run = add_numbers(write_run(tmp_path / "run", names=names))
    for kind in KINDS:
        picture = export_run(open_run(run), tmp_path / f"{kind}.svg", maps=MapOptions(kind=kind, size_px=SIZE))  # type: ignore[arg-type]
        assert b"<script" not in picture.read_bytes()
        known = {"svg", "g", "path", "defs", "clipPath", "rect", "use", "style", "metadata"}
        root = ET.parse(picture).getroot()  # noqa: S314 - our own output
        drawn_tags = {element.tag.rpartition("}")[2] for element in root.iter() if "w3.org/2000/svg" in element.tag}
        assert drawn_tags <= known
        assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)


def test_names_without_glyphs_are_replaced_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = add_numbers(write_run(tmp_path / "run", names={"dc_delta": "\u0e17\u0e49\u0e2d\u0e07"}))
    centers = pd.read_parquet(run / "data_centers.parquet")
    centers.loc[centers["id"] == "dc_echo", "name_local"] = "\u0e01"
    centers.to_parquet(run / "data_centers.parquet")
    with pytest.warns(MapNameWarning) as caught:
        shown = draw_map(open_run(run), MapOptions(lang="zh", size_px=SIZE))
    # The name stands for the local name; where there is a local name, another name does not matter.
    assert str(caught[0].message).endswith("1 name(s): '\u0e01' (U+0E01) is shown as 'Echo works'")
    assert "Echo works" in texts(shown)
    assert main(["export", str(run), "--to", str(tmp_path / "a.png"), "--size", "800x600"]) == 0
    out, err = capsys.readouterr()
    assert "(U+0E17) is shown as 'dc_delta'" in err
    assert out == f"wrote {tmp_path / 'a.png'}\n"


def test_command_line_draws_what_is_asked_for(tmp_path: Path) -> None:
    run = add_numbers(write_run(tmp_path / "run"))
    options = ["--map", "links", "--lang", "zh", "--size", "800x600"]
    assert main(["export", str(run), "--to", str(tmp_path / "a.png"), *options]) == 0
    expected = export_run(open_run(run), tmp_path / "b.png", maps=MapOptions(kind="links", lang="zh", size_px=SIZE))
    assert (tmp_path / "a.png").read_bytes() == expected.read_bytes()


@pytest.mark.parametrize(
    ("target", "options", "word"),
    [
        ("a.gpkg", MapOptions(kind="price"), "is no drawn map"),
        ("a.gpkg", MapOptions(lang="de"), "Use one of en, zh"),  # type: ignore[arg-type]
        ("a.html", MapOptions(kind="price"), "is no drawn map"),
        ("a.png", MapOptions(kind="price", against="other"), "does not go with another run"),
        ("a.png", MapOptions(kind="mood"), "is not known"),  # type: ignore[arg-type]
        ("a.svg", MapOptions(lang="de"), "Use one of en, zh"),  # type: ignore[arg-type]
    ],
)
def test_choices_that_do_not_fit_are_refused(tmp_path: Path, target: str, options: MapOptions, word: str) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(InputError, match=word):
        export_run(open_run(run), tmp_path / target, maps=options)
    assert not (tmp_path / target).exists()


def test_run_without_prices_has_no_map_of_them(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path / "run"))
    for kind, column in (("price", "mean_price_cny_per_mwh"), ("carbon", "carbon_t_per_year")):
        with pytest.raises(InputError, match=column):
            draw_map(run, MapOptions(kind=kind))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_plan_that_serves_nothing_is_drawn_too(tmp_path: Path, kind: str) -> None:
    run = serve_nothing(add_numbers(write_run(tmp_path / "run")))
    for lang, size in (("en", (300, 300)), ("zh", SIZE)):
        options = MapOptions(kind=kind, lang=lang, size_px=size)  # type: ignore[arg-type]
        assert export_run(open_run(run), tmp_path / f"{lang}.png", maps=options).stat().st_size > 1000

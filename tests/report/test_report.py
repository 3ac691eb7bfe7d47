"""The report as a file: what it says, that it asks for nothing, and that names from the input stay text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_runs import HOSTILE_TEXTS, SCRIPT_NAME, solve_hostile
from run_files import make_older, write_outline

import edwc
from network_data.faults import InputError
from network_data.load import BASEMAP_FILE, BUILT_IN_FOLDER
from optimizer.cli.main import main
from optimizer.maps.options import MapOptions
from optimizer.numbers import format_digits, format_million
from optimizer.report.charts import (
    Chart,
    Shape,
    Span,
    Table,
    heat_map,
    span_rows,
    stacked_rows,
    time_axis,
    time_columns,
    time_lines,
)
from optimizer.report.page import embed_json
from optimizer.report.run import build_report
from optimizer.runs.run import RANGES_TABLE, open_run
from optimizer.words.amounts import counting
from scenarios.price_parameters import overrides_of


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, scripts, and the text of the page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.codes: list[tuple[str, dict[str, str | None], str]] = []
        self.text = ""
        self._open = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag if tag in {"script", "style"} else self._open
        if tag in {"script", "style"}:
            self.codes.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = "" if tag == self._open else self._open

    def handle_data(self, data: str) -> None:
        if self._open:
            tag, attributes, code = self.codes[-1]
            self.codes[-1] = (tag, attributes, code + data)
        else:
            self.text += data

    @property
    def data(self) -> dict[str, dict[str, list[dict[str, object]]]]:
        (text,) = [code for _, attributes, code in self.codes if attributes.get("id") == "data"]
        loaded: dict[str, dict[str, list[dict[str, object]]]] = json.loads(text)
        return loaded

    @property
    def policy(self) -> str:
        (policy,) = [
            attributes["content"] for tag, attributes in self.elements
            if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        ]  # fmt: skip
        return policy or ""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return solve_hostile(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    assert main(["export", str(run), "--to", str(run / "report.html")]) == 0
    return Page(run / "report.html")


# What it says


def test_headline_says_cost_saving_gap_and_where(run: Path, page: Page) -> None:
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    with counting([info["summary"]["total_cny_per_year"]]):
        cost = format_million(info["summary"]["total_cny_per_year"])
        assert f"costs {cost} thousand CNY a year" in page.text
        words = " ".join(page.text.split())
        fitting = [item for item in info["baselines"] if item["is_feasible"]]
        best = min(fitting, key=lambda item: item["total_cny_per_year"])
        most = format_million(best["total_cny_per_year"] - info["bound_cny_per_year"])
        assert f"Saving against the best rule, {best['name']} {format_million(best['saving_cny_per_year'])}" in words
        assert f"Proved: no plan saves more than {most}." in words
        assert f"Proved: no plan costs less than {format_million(info['bound_cny_per_year'])}." in words
    for item in info["baselines"]:
        if item is not best:
            assert f"Against {item['name']}" in words
        if item["is_feasible"]:
            assert f"{item['saving_share']:.1%}" in words
    estimated = info["summary"]["estimate_share"]["total"]
    assert f"On estimates {estimated:.0%} of the cost" in words
    for text in ("Proved gap", "Served in the region", "Carbon", "rests on estimates", "highspy", "no limit is broken"):
        assert text in words


def test_description_of_a_user_ends_before_the_next_sentence_begins(page: Page) -> None:
    assert f"{SCRIPT_NAME}. Checked again from its inputs" in " ".join(page.text.split())


def test_what_was_set_is_named_at_the_head(run: Path, tmp_path: Path) -> None:
    changed = {"demand.tokens_per_day_trillion": 0.002, "solver.threads": 1}
    edwc.solve(run.parent / "toy.yaml", changed, out=tmp_path / "set")
    shown = Page(edwc.export_run(open_run(tmp_path / "set"), tmp_path / "a.html"))
    words = " ".join(shown.text.split())
    assert "Changed in the scenario: demand.tokens_per_day_trillion=0.002 " in words
    assert "The scenario before these changes: " in words  # its description names the demand as it was
    assert "solver.threads=1 " not in words.partition("Where inference runs")[0]


def test_share_of_a_region_is_a_range_where_one_was_computed(run: Path, tmp_path: Path) -> None:
    """The head must not show a bare number that other plans within the gap may not have."""
    moved = shutil.copytree(run, tmp_path / "run")
    assert "in this plan" in " ".join(Page(edwc.export_run(open_run(moved), tmp_path / "a.html")).text.split())
    row = {
        "indicator": "west_share", "unit": "share", "what": "", "value": 0.5, "least_found": 0.2, "most_found": 0.9,
        "least_limit": 0.125, "most_limit": 0.975, "slack_share": 0.01, "budget_cny_per_year": 1e6,
    }  # fmt: skip
    found = open_run(moved)
    found.keep_table(RANGES_TABLE, pd.DataFrame([row]))
    words = " ".join(build_report(found, None).split())
    assert "<strong>12.5% to 97.5%</strong>" in words


def test_every_chart_has_a_title_a_description_and_a_table(page: Page) -> None:
    charts = [attributes for tag, attributes in page.elements if attributes.get("role") == "img" and tag != "svg"]
    charts += [attributes for tag, attributes in page.elements if tag == "svg" and attributes.get("class") == "chart"]
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert len(charts) >= 5
    for chart in charts:
        title, description = (chart["aria-labelledby"] or "").split()
        assert {title, description} <= ids
    assert sum(tag == "summary" for tag, _ in page.elements) > len(charts)


def test_map_holds_the_flows_of_the_run(run: Path, page: Page) -> None:
    stored = pd.read_parquet(run / "allocation.parquet")
    shown = page.data["map"]
    flows = pd.DataFrame(shown["flows"])
    assert flows["mtok_per_h"].sum() == pytest.approx(stored["mtok_per_h"].sum(), rel=1e-5)
    by_center = stored.groupby("data_center")["mtok_per_h"].sum()
    center = [shown["centers"][shown["routes"][route]["center"]]["id"] for route in flows["route"]]  # type: ignore[call-overload, index]
    assert flows.groupby(center)["mtok_per_h"].sum().to_dict() == pytest.approx(by_center.to_dict(), rel=1e-5)
    power = np.array(shown["power_mw"])
    centers = pd.read_parquet(run / "data_centers.parquet").set_index("id")
    assert power.shape == (4, 2)
    peaks = dict(zip((one["id"] for one in shown["centers"]), power.max(axis=0), strict=True))
    assert peaks == pytest.approx((centers["peak_it_power_mw"] * centers["pue"]).to_dict(), abs=1e-3)


def test_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    once, again = (edwc.export_run(open_run(run), tmp_path / f"{name}.html") for name in ("a", "b"))
    assert once.read_bytes() == again.read_bytes()


def test_basemap_of_your_own_is_drawn(run: Path, tmp_path: Path) -> None:
    outline = write_outline(tmp_path / "outline.geojson")
    shown = Page(edwc.export_run(open_run(run), tmp_path / "a.html", maps=MapOptions(basemap=outline)))
    paths = {attributes.get("class"): attributes.get("d") for tag, attributes in shown.elements if tag == "path"}
    assert (paths["outline"] or "").startswith("M")
    assert "Outlines: outline.geojson" in shown.text
    ours = BUILT_IN_FOLDER / "china_2026" / BASEMAP_FILE
    shown = Page(edwc.export_run(open_run(run), tmp_path / "a.html", maps=MapOptions(basemap=ours)))
    assert "Outlines: Natural Earth" in shown.text
    with pytest.raises(InputError, match="basemap file is missing"):
        edwc.export_run(open_run(run), tmp_path / "a.html", maps=MapOptions(basemap=tmp_path / "none.geojson"))


def test_run_without_its_inputs_still_has_a_report_that_says_so(run: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(run.parent, tmp_path / "moved", dirs_exist_ok=True)
    tariffs = moved / "net" / "tariffs.csv"
    tariffs.write_text(tariffs.read_text(encoding="utf-8").replace("600.0", "601.0"), encoding="utf-8")
    shown = Page(edwc.export_run(open_run(make_older(moved / "run")), tmp_path / "a.html"))
    assert "tariffs.csv is not what it was when the run was made" in shown.text
    assert "Checked again" not in shown.text
    assert shown.data["map"]["power_mw"] is None


def test_hourly_power_that_a_run_stores_needs_no_inputs(run: Path, page: Page, tmp_path: Path) -> None:
    moved = shutil.copytree(run.parent, tmp_path / "moved", dirs_exist_ok=True)
    (moved / "net" / "tariffs.csv").unlink()
    shown = Page(edwc.export_run(open_run(moved / "run"), tmp_path / "a.html"))
    assert "Checked again" not in shown.text
    for name in ("power_mw", "price_cny_per_mwh"):
        assert shown.data["map"][name] == page.data["map"][name]
    assert "Power by hour and region" in shown.text


def test_hourly_prices_are_those_of_the_price_case(run: Path, page: Page, tmp_path: Path) -> None:
    dearer = tmp_path / "dearer"
    edwc.solve(run.parent / "toy.yaml", overrides_of({"price.west": 3.0}), out=dearer)
    plain = np.array(page.data["map"]["price_cny_per_mwh"])
    factors = [
        3.0 if region == "west" else 1.0 for region in pd.read_parquet(dearer / "data_centers.parquet")["region"]
    ]
    assert sorted(factors) == [1.0, 3.0]
    told = Page(edwc.export_run(open_run(dearer), tmp_path / "a.html"))
    np.testing.assert_allclose(told.data["map"]["price_cny_per_mwh"], plain * factors)
    again = Page(
        edwc.export_run(open_run(make_older(dearer)), tmp_path / "b.html")
    )  # from the inputs, with the price case
    np.testing.assert_allclose(again.data["map"]["price_cny_per_mwh"], plain * factors)
    assert "sweep_price" in told.text  # the changed keys are named
    assert "loaded_price_cases" not in told.text  # as read, they hold paths of the machine


def test_changed_table_of_the_run_is_named(run: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(run.parent, tmp_path / "moved", dirs_exist_ok=True) / "run"
    costs = pd.read_parquet(moved / "costs.parquet")
    costs.assign(cny_per_year=costs["cny_per_year"] * 2).to_parquet(moved / "costs.parquet", index=False)
    shown = Page(edwc.export_run(open_run(moved), tmp_path / "a.html"))
    assert "These files of the run are NOT what was stored: costs.parquet." in shown.text


# It asks for nothing


def test_nothing_on_the_page_names_another_place(page: Page) -> None:
    for tag, attributes in page.elements:
        for name in ("src", "srcset", "href", "data", "action", "poster", "style"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:,")), f"<{tag} {name}={value!r}>"
        assert not any(name.startswith("on") for name in attributes), f"<{tag}> has a handler"
    style = next(code for tag, _, code in page.codes if tag == "style")
    assert "url(" not in style
    assert "@import" not in style


def test_policy_names_exactly_the_code_of_the_page(page: Page) -> None:
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for tag, attributes, code in page.codes:
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
            hashes[tag].append(f"'sha256-{digest}'")
    assert page.policy == (
        f"default-src 'none'; script-src {' '.join(hashes['script'])}; style-src {hashes['style'][0]}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


# Names stay text


def test_hostile_names_are_text_everywhere(page: Page) -> None:
    assert [attributes for tag, attributes in page.elements if tag == "img"] == []
    assert sum(tag == "script" for tag, _ in page.elements) == 9  # the data and eight scripts of our own
    names = {str(place["name"]) for kind in ("hubs", "centers", "classes") for place in page.data["map"][kind]}
    assert set(HOSTILE_TEXTS) <= names
    assert SCRIPT_NAME in page.text
    raw = next(code for _, attributes, code in page.codes if attributes.get("id") == "data")
    assert not set("<>&") & set(raw)


@pytest.mark.parametrize("text", ["</script>", "<!--", "\u2028 \u2029", "&lt;", "a\\u003cb", '"', "\x00"])
def test_embedded_json_reads_back_and_cannot_end_its_element(text: str) -> None:
    embedded = embed_json({text: [text, float("nan")]})
    assert json.loads(embedded) == {text: [text, None]}
    assert not re.search("[<>&\u2028\u2029]", embedded)


# Charts

AXIS = time_axis(pd.DataFrame({"day": "year", "hour": np.arange(4) * 6.0, "weight_h": 2190.0}))
NAME = ("chart", "Title", "Sentence.")
NO_TABLE = Table(("a",), [])


def row_shapes(chart: Chart) -> list[Shape]:
    return [shape for row in chart.rows for shape in row.shapes]


def widths(chart: Chart) -> list[float]:
    return [float(shape.attributes["width"]) for shape in row_shapes(chart)]


def test_stacked_rows_are_to_scale() -> None:
    rows = [("one", "", {"a": 30.0, "b": 10.0}), ("two", "", {"a": 0.0, "b": 20.0})]
    chart = stacked_rows(NAME, rows, {"a": "red", "b": "blue"}, str, NO_TABLE)
    assert widths(chart) == pytest.approx([345.0, 115.0, 230.0])


def test_bars_run_both_ways_from_one_zero() -> None:
    rows = [Span(label, str(value), [(0.0, value, "red")]) for label, value in (("up", 30.0), ("down", -10.0))]
    chart = span_rows(NAME, rows, str, NO_TABLE, {}, from_zero=True)
    boxes = [shape.attributes for shape in row_shapes(chart) if shape.tag == "rect"]
    assert [float(box[name]) for box in boxes for name in ("x", "width")] == pytest.approx([115.0, 345.0, 0.0, 115.0])


def test_columns_stand_on_each_other_and_tell_their_hour() -> None:
    series = {"a": np.array([1.0, 2.0, 3.0, 4.0]), "b": np.array([0.0, 0.0, 0.0, 4.0])}
    chart = time_columns(NAME, AXIS, series, {"a": "red", "b": "blue"}, "MW")
    marks = [shape.attributes for shape in chart.shapes if shape.attributes.get("class") == "mark"]
    assert len(marks) == 5
    low, high = marks[3], marks[4]
    assert float(high["y"]) + float(high["height"]) == pytest.approx(float(low["y"]), abs=0.02)
    slots = [shape.attributes for shape in chart.shapes if shape.attributes.get("class") == "slot"]
    assert slots[3]["data-tip"] == "18:00\ntotal: 8.00 MW\na: 4.00 MW\nb: 4.00 MW"
    assert chart.table.rows[3] == ("18:00", "8.00", "4.00", "4.00")


def test_lines_break_where_nothing_is_known() -> None:
    chart = time_lines(NAME, AXIS, {"a": np.array([1.0, np.nan, 2.0, 3.0])}, {"a": "red"}, "CNY/MWh")
    (line,) = [shape.attributes["d"] for shape in chart.shapes if shape.attributes.get("class") == "line"]
    assert (line.count("M"), line.count("L"), line.count("H")) == (2, 1, 3)
    assert chart.table.rows[1] == ("06:00", "-")


def test_cells_are_stronger_where_more_is() -> None:
    values = np.array([[0.0, 5.0, 10.0, np.nan]])
    chart = heat_map(NAME, ["row"], AXIS, values, ("red", "MW"))
    cells = [float(shape.attributes["fill-opacity"]) for shape in row_shapes(chart)]
    assert cells == pytest.approx([0.04, 0.52, 1.0])


def test_charts_of_nothing_are_drawn() -> None:
    nothing = np.zeros(4)
    assert time_columns(NAME, AXIS, {"a": nothing}, {"a": "red"}, "MW").shapes
    assert heat_map(NAME, [], AXIS, np.zeros((0, 4)), ("red", "MW")).table.rows == []
    assert stacked_rows(NAME, [], {}, str, NO_TABLE).rows == []


def test_several_days_are_labelled_where_they_begin() -> None:
    days = pd.DataFrame({"day": ["winter"] * 2 + ["summer"] * 2, "hour": [0.0, 12.5] * 2, "weight_h": 2190.0})
    axis = time_axis(days)
    assert axis.labels == ("winter 00:00", "winter 12:30", "summer 00:00", "summer 12:30")
    assert axis.ticks == ("winter", "", "summer", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1547.1, "1,547"), (0.01234, "0.0123"), (92.46, "92.5"), (np.nan, "-"), (-3.0, "-3.00")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert format_digits(value) == text

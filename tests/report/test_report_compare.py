"""The report of a comparison: its charts by hand, the page of real cases, and the page in a browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from browser_page import LOOKS, accessibility_faults, bands, fits, opened, set_hour
from playwright.sync_api import Browser, expect
from report_runs import FORMULA_NAME, IMAGE_NAME, SCRIPT_NAME, write_hostile
from toy_scenario import ToyScenario

import edwc
from network_data.faults import InputError
from optimizer.cli.main import main
from optimizer.comparison.comparison import open_comparison
from optimizer.drawing.chart_data import Break
from optimizer.drawing.colours import LESS, MORE
from optimizer.report.charts import Chart, Curve, Shape, Span, Table, curve_chart, matrix, span_rows
from optimizer.report.comparison import (
    break_even_charts,
    case_table,
    frontier_charts,
    latency_return_chart,
    regret_chart,
    tornado_chart,
    waterfall_charts,
)

NAME = ("chart", "Title", "Sentence.")
NO_TABLE = Table(("a",), [])
LABELS = {"reference": "reference", "dear": "<b>dear</b>"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compare two prices of the hostile toy, one of which has no plan."""
    base = tmp_path_factory.mktemp("compare")
    scenario = write_hostile(base)
    wanted = ["--sweep", "price.west=0.5,3", "--sweep", "demand.tokens_per_day_trillion=0.0024,1000"]
    code = main(["compare", str(scenario), *wanted, "--out", str(base / "out"), "--engine", "serial"])
    assert code == 0  # two without a plan are proved to have none
    return base / "out"


@pytest.fixture(scope="module")
def searched(folder: Path) -> Path:
    """Ask for everything that chooses its cases itself; returns the folder."""
    wanted = ["--tornado", "price.west=0.5:0.6", "--break-even", "price.west=0.5:0.6", "--set", "time.slices_per_day=1"]
    wanted += ["--frontier", "latency"]
    out = folder.parent / "searched"
    assert main(["compare", str(folder.parent / "toy.yaml"), *wanted, "--out", str(out), "--engine", "serial"]) == 0
    return out


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    return edwc.export_comparison(folder, folder.parent / "compare.html")


def row_shapes(chart: Chart) -> list[Shape]:
    return [shape for row in chart.rows for shape in row.shapes]


def boxes(chart: Chart, kind: str = "mark") -> list[tuple[float, float]]:
    """Left and width of every rectangle of a kind."""
    shapes = row_shapes(chart)
    found = [shape.attributes for shape in shapes if shape.tag == "rect" and shape.attributes["class"] == kind]
    return [(float(box["x"]), float(box["width"])) for box in found]


# Charts by hand


def test_spans_share_one_scale_and_one_zero() -> None:
    rows = [Span("a", "", [(0.0, 30.0, "red")], (20.0, 30.0)), Span("b", "", [(0.0, -10.0, "red")])]
    chart = span_rows(NAME, rows, str, NO_TABLE, {})
    assert np.allclose(boxes(chart), [(115.0, 345.0), (0.0, 115.0)])
    whisker, axis = (
        next(shape.attributes["d"] for shape in row_shapes(chart) if shape.attributes["class"] == kind)
        for kind in ("whisker", "axis")
    )
    assert whisker.startswith("M345.0 10.0H460.0")
    assert axis.startswith("M115.0 -3")


def test_scale_that_does_not_begin_at_zero_says_so() -> None:
    chart = span_rows(
        NAME, [Span("a", "", [(0.0, 100.0, "r")]), Span("b", "", [(100.0, 120.0, "r")])], str, NO_TABLE, {}
    )
    assert chart.sentence == "Sentence. The scale begins at 97.0, not at 0: broken bars."
    assert np.allclose(boxes(chart), [(0.0, 60.0), (60.0, 400.0)])
    # The bar that begins at 0 is broken; the one that does not is whole.
    assert [any(shape.attributes["class"] == "break" for shape in row.shapes) for row in chart.rows] == [True, False]


def test_bars_that_would_hide_each_other_stand_below_each_other() -> None:
    """Both ends of a range may cost more: the shorter bar must not vanish behind the longer one."""
    chart = span_rows(NAME, [Span("a", "", [(0.0, 10.0, "r"), (0.0, 4.0, "r")])], str, NO_TABLE, {}, from_zero=True)
    tops = [(shape.attributes["y"], shape.attributes["height"]) for shape in chart.rows[0].shapes]
    assert tops == [("0.00", "10.00"), ("10.00", "10.00")]


def test_curve_shows_what_is_proved_and_where_something_happens() -> None:
    event = Break(0.2, 0.5, 0.8, is_routing=False, change="it")
    curve = Curve(np.array([0.0, 1.0, np.inf]), np.array([5.0, np.nan, 1.0]), np.array([10.0, 5.0, 1.0]), [event])
    chart = curve_chart(NAME, curve, ("CNY", "price"), "red", NO_TABLE)
    dots = [shape.attributes for shape in chart.shapes if shape.tag == "circle"]
    assert [dot["data-tip"] for dot in dots] == [
        "price 0: 10.0 CNY\nproved to be between 5.00 and 10.0", "price 1: 5.00 CNY",
    ]  # fmt: skip
    (line,) = [shape.attributes["d"] for shape in chart.shapes if shape.attributes["class"] == "event"]
    start, end = (float(dot["cx"]) for dot in dots)
    assert line.startswith(f"M{start + 0.5 * (end - start):.1f} ")


def test_matrix_is_stronger_where_more_is_and_marks_what_is_unknown() -> None:
    chart = matrix(NAME, (["a", "b"], ["a", "b"]), np.array([[0.0, 2.0], [1.0, np.nan]]), str, "red", "CNY")
    assert [[(cell.text, cell.opacity, cell.is_strong) for cell in row] for row in chart.cells] == [
        [("0.0", 0.04, False), ("2.0", 0.94, True)], [("1.0", 0.49, False), ("no plan", 0.0, False)],
    ]  # fmt: skip
    assert chart.table.columns == ("Plan of", "under a, CNY", "under b, CNY")
    assert chart.table.rows[0] == ("a", "0.0", "2.0")


def test_waterfall_leads_from_one_cost_to_the_other() -> None:
    bars = pd.DataFrame(
        [
            ("reference", "dear", "start", np.nan, 10e6, 0.0, 10e6),
            ("reference", "dear", "price", "energy", 6e6, 10e6, 16e6),
            ("reference", "dear", "reoptimize", "energy", -2e6, 16e6, 14e6),
            ("reference", "dear", "end", np.nan, 14e6, 0.0, 14e6),
        ],
        columns=["first", "second", "kind", "component", "cny_per_year", "from_cny_per_year", "to_cny_per_year"],
    )
    (chart,) = waterfall_charts({"waterfalls": bars}, LABELS)
    assert chart.table.rows == [
        ("reference", "10.0"), ("energy: prices on the unchanged plan", "+6.0"), ("energy: re-optimizing", "-2.0"),
        ("<b>dear</b>", "14.0"),
    ]  # fmt: skip
    (_, first), (second_left, second), (third_left, third), _ = boxes(chart)
    assert second_left == pytest.approx(first, abs=0.1)
    assert third_left + third == pytest.approx(second_left + second, abs=0.1)


def test_tornado_regret_frontier_and_break_even_tell_their_numbers() -> None:
    tornado = pd.DataFrame(
        [("price.west", 0.5, -2e6, 2.0, 4e6), ("carbon_price", 0.0, np.nan, 9.0, 1e6)],
        columns=["parameter", "low_value", "low_effect_cny_per_year", "high_value", "high_effect_cny_per_year"],
    )
    shown = tornado_chart({"tornado": tornado})
    assert shown is not None
    assert shown.table.rows[0] == ("price.west", "0.5: -2.0", "2: +4.0")
    assert len(boxes(shown)) == 3
    regret = pd.DataFrame({"plan": ["reference", "dear"], "reference": [0.0, 3e6], "dear": [5e6, 0.0]})
    ranked = pd.DataFrame({"plan": ["dear"], "max_regret_cny_per_year": [3e6]})
    chart = regret_chart({"regret_matrix": regret, "regret_plans": ranked}, LABELS)
    assert chart is not None
    assert "The plan of <b>dear</b> has the least maximum regret, 3.0 million CNY a year." in chart.sentence
    frontier = pd.DataFrame(
        {
            "cap_t_per_year": [1e6, 2e6],
            "status": "solved",
            "least_cny_per_year": [8e6, 4e6],
            "most_cny_per_year": [9e6, 4e6],
        }
    )
    (carbon,) = frontier_charts({"carbon_frontier": frontier})
    assert carbon.table.rows[0] == ("1,000", "solved", "8.0", "9.0")
    saved = {f"{least}saving_cny_per_year_per_ms": [2e6, np.nan] for least in ("", "least_", "most_")}
    budgets = {"tighter_budget_ms": 5.0, "looser_budget_ms": np.inf, "useful_limit_ms": [11.0, np.inf]}
    ranking = pd.DataFrame({"workload_class": ["chat", "batch"], "verdict": "", **budgets, **saved})
    released = latency_return_chart({"latency_return": ranking})
    assert released is not None
    assert released.table.rows == [
        ("chat, 5 to 11 ms", "+2.0", "+2.0", "+2.0", ""), ("batch, 5 to as stated", "-", "-", "-", ""),
    ]  # fmt: skip
    assert len(boxes(released)) == 1
    intervals = pd.DataFrame(
        {"from": [0.5, 1.0], "to": [1.0, 2.0], "cost_from_cny_per_year": [1e6, 2e6], "cost_to_cny_per_year": [2e6, 3e6],
         "change": ["", "opens East"]}
    )  # fmt: skip
    points = pd.DataFrame({"value": [1.0], "certified_low": [0.9], "certified_high": [1.1], "change": ["opens East"]})
    broken, ranges = break_even_charts({"break_even_price_west": intervals, "break_even_price_west_points": points})
    assert broken.title == "Break-even map of price west"
    assert broken.table.rows[1] == ("1", "2", "2.0", "3.0", "opens East")
    # A row for each change, so that ranges that overlap can be read: from 0.9 to 1.1 of 0.5 to 2.
    assert ranges.table.rows == [("1", "0.9", "1.1", "opens East")]
    (whisker,) = [shape.attributes["d"] for shape in row_shapes(ranges) if shape.attributes["class"] == "whisker"]
    assert whisker.startswith(f"M{460 * 0.4 / 1.5:.1f} 10.0H{460 * 0.6 / 1.5:.1f}")


def test_what_was_not_asked_for_is_left_out() -> None:
    assert (tornado_chart({}), regret_chart({}, {}), frontier_charts({}), break_even_charts({})) == (None, None, [], [])
    assert latency_return_chart({}) is None
    assert waterfall_charts({"waterfalls": pd.DataFrame()}, {}) == []


# The page


def test_reasons_have_a_column_where_a_case_has_one(folder: Path) -> None:
    tables = open_comparison(folder).tables()
    cases = tables["cases"]
    assert "reason" in case_table(tables).columns
    solved = case_table(tables | {"cases": cases[cases["reason"].isna() | (cases["reason"] == "")]})
    assert len(solved.rows) > 1
    assert "reason" not in solved.columns


def test_page_names_every_case_and_keeps_hostile_names_text(folder: Path, report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    assert "<img" not in page
    assert SCRIPT_NAME not in page  # nothing of ours writes it unescaped
    for case in json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["cases"]:
        assert case["label"] in page
        assert case["status"] in page
    for text in ("Cost of each case", "From reference to", "Regret", "What moved most", "Without a plan"):
        assert text in page


def test_page_shows_every_search_of_the_command(searched: Path, tmp_path: Path) -> None:
    page = edwc.export_comparison(searched, tmp_path / "a.html").read_text(encoding="utf-8")
    titles = ("Tornado", "Cost against latency", "Break-even map of price.west")
    for title in titles:
        assert f">{title}</h3>" in page
    for text in (">nan<", ">inf<", "nothing to draw"):
        assert text not in page
    # A later comparison in the same folder that asks for no search leaves their tables there.
    content = json.loads((searched / "comparison.json").read_text(encoding="utf-8"))
    content["searches"] = []
    (searched / "comparison.json").write_text(json.dumps(content), encoding="utf-8")
    page = edwc.export_comparison(searched, tmp_path / "a.html").read_text(encoding="utf-8")
    for title in titles[1:]:
        assert f">{title}</h3>" not in page


def test_stored_runs_have_the_same_page(folder: Path, tmp_path: Path) -> None:
    runs = sorted((folder / "cases").iterdir())
    moved = [shutil.copytree(path, tmp_path / "runs" / path.name) for path in runs]
    kept = tmp_path / "deep" / "kept"
    assert main(["compare", *map(str, moved), "--reference", "reference", "--out", str(kept)]) == 0
    content = json.loads((kept / "comparison.json").read_text(encoding="utf-8"))
    assert content["reference"] == content["cases"][0]["id"] == "reference"
    assert [(kept / case["folder"] / "run.json").is_file() for case in content["cases"]] == [True] * len(runs)
    assert {"cases.csv", "waterfalls.csv", "regret.png"} <= {path.name for path in kept.iterdir()}
    page = edwc.export_comparison(kept, tmp_path / "a.html").read_text(encoding="utf-8")
    assert f"{len(runs)} stored runs cost between" in page
    assert "Where inference runs, case by case" in page
    assert main(["compare", str(kept)]) == 0
    shutil.rmtree(moved[-1])
    page = edwc.export_comparison(kept, tmp_path / "a.html").read_text(encoding="utf-8")
    assert f"gone or damaged, and are not on the map: {moved[-1].name}." in page


def test_stored_runs_are_not_written_over_solved_cases(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "comparison.json").read_bytes()
    runs = [str(path) for path in (folder / "cases").iterdir()]
    assert main(["compare", *runs, "--out", str(folder)]) == 1
    assert main(["compare", str(folder), "--out", str(folder)]) == 1
    assert "holds cases that a comparison has solved" in capsys.readouterr().err
    assert (folder / "comparison.json").read_bytes() == before


def test_runs_of_different_networks_share_one_map(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    ToyScenario(other)(
        solver={"threads": 1},
        tables={
            "data_centers": lambda rows: [{**row, "id": f"new_{row['id']}"} for row in rows],
            "pools": lambda rows: [{**row, "data_center": f"new_{row['data_center']}"} for row in rows],
        },
    )
    edwc.solve(other / "toy.yaml", out=other / "run")
    kept = tmp_path / "kept"
    assert main(["compare", str(folder / "cases" / "reference"), str(other / "run"), "--out", str(kept)]) == 0
    page = edwc.export_comparison(kept, tmp_path / "a.html").read_text(encoding="utf-8")
    assert '"id":"new_' in page


def test_comparison_is_exported_as_a_report_alone(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a comparison has no such export"):
        edwc.export_comparison(folder, tmp_path / "a.gpkg")


def test_damaged_table_is_named(folder: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    (damaged / "moved.csv").write_bytes(b'first,second\n"\xff\xfe')
    with pytest.raises(InputError, match=r"moved.csv: cannot be read"):
        edwc.export_comparison(damaged, tmp_path / "a.html")


def test_same_comparison_gives_the_same_bytes(folder: Path, report: Path, tmp_path: Path) -> None:
    assert edwc.export_comparison(folder, tmp_path / "again.html").read_bytes() == report.read_bytes()


# In a browser


def test_slider_goes_from_case_to_case_and_shows_differences(browser: Browser, report: Path) -> None:
    with opened(browser, report) as (page, _):
        expect(page.locator("#now")).to_have_text("reference")
        expect(page.locator("#all-hours")).to_be_hidden()
        reference = bands(page)
        assert reference
        set_hour(page, 2)
        assert bands(page) != reference
        page.locator("#difference").check()
        expect(page.locator("#now-text")).to_contain_text("of the tokens of reference run elsewhere")
        assert {band.split(",")[-1] for band in bands(page)} <= {MORE, LESS}
        heads = page.locator("#centers-now thead th").all_inner_texts()
        assert heads[2:] == ["change, tokens/h", "in the reference", "change of its own"]
        # What one region gains another loses, told as such: shares of all moves were always half and half.
        amounts = page.locator("#regions .number").all_inner_texts()
        assert len(amounts) == 2
        assert amounts[0].lstrip("+-") == amounts[1].lstrip("+-")
        assert {amount[0] for amount in amounts} == {"+", "-"}
        assert bands(page)
        set_hour(page, 0)
        assert bands(page) == []  # the reference does not differ from itself
        page.locator("#difference").uncheck()
        assert bands(page) == reference
        names = page.locator("#place option").all_inner_texts()
        assert {SCRIPT_NAME, IMAGE_NAME, FORMULA_NAME} <= set(names)


def test_paper_shows_whole_tables(browser: Browser, report: Path) -> None:
    """What overflows its box on paper is printed over what comes next."""
    with opened(browser, report) as (page, _):
        page.emulate_media(media="print")
        heights = page.evaluate(
            "[...document.querySelectorAll('.scroll')].map((box) => getComputedStyle(box).maxHeight)"
        )
    assert heights
    assert set(heights) == {"none"}


@pytest.mark.parametrize("options", LOOKS)
def test_nobody_is_shut_out(browser: Browser, report: Path, options: dict[str, Any]) -> None:
    with opened(browser, report, **options) as (page, _):
        assert accessibility_faults(page) == []
        assert fits(page)

"""Wherever shares of regions are shown, their range stands beside them, or that it was not computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from toy_scenario import ToyScenario

import edwc
from optimizer.comparison.break_even_points import BreakEvenMap
from optimizer.comparison.comparison import open_comparison
from optimizer.comparison.frontier import Frontier
from optimizer.exports.office.comparison_brief import comparison_brief
from optimizer.exports.office.run_brief import run_brief
from optimizer.maps.draw import draw_map
from optimizer.maps.options import MapOptions
from optimizer.near_optimal.moves import must_move_share
from optimizer.numbers import format_percent
from optimizer.report.comparison import build_comparison_report
from optimizer.report.run import build_report
from optimizer.runs.folder import read_csv_table
from optimizer.runs.run import Run, open_run
from optimizer.words.language import Lang

OTHER = "price_west_4"  # in which work leaves the west
SAME = "price_west_1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compare two cases, and find the range of the western share of the reference alone."""
    toy = ToyScenario(tmp_path_factory.mktemp("toy"))
    toy()
    out = toy.folder / "found"
    compare(out)
    return out


def compare(out: Path) -> None:
    edwc.compare(
        out.parent / "toy.yaml", sweeps=["price.west=1,4"], tornado=["price.west=1:4"], engine="serial", out=out
    )


@pytest.fixture(scope="module")
def told(folder: Path) -> tuple[Run, str]:
    """Give the reference with its range, and the range in words."""
    run = open_run(folder / "cases" / "reference")
    (row,) = run.range(["west_share"], slack=0.05).table.to_dict("records")
    return open_run(folder / "cases" / "reference"), " to ".join(
        format_percent(row[f"{end}_limit"]) for end in ("least", "most")
    )


def texts_of(run: Run, lang: Lang, against: Run | None = None) -> str:
    figure = draw_map(run, MapOptions(lang=lang, against=against)).figure
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def test_where_nothing_was_computed_it_says_so(folder: Path) -> None:
    found = open_comparison(folder)
    text = " ".join(found.to_text().split())
    assert "in west: of the plan of each case; range not computed: edwc range" in text
    page = build_comparison_report(folder)
    assert page.count("Shares of regions are those of the plan of each case; range not computed: edwc range.") == 3
    assert found.cases["share_range"].tolist() == ["range not computed: edwc range"] * 3
    assert found.cases[["least_region_share.west", "must_move_share"]].isna().all(axis=None)
    assert "what merely did between these two plans: range not computed: edwc range" in page
    brief = " ".join(cell for row in comparison_brief(found).table for cell in row)
    assert "% (range not computed)" in brief
    bar = found.tornado.iloc[0]
    assert bar["high_share_range"] == "range not computed: edwc range"
    assert np.isnan(bar["high_least_effect_region_share.west"])
    assert found.moved_totals["must_move_share"].isna().all()
    run = open_run(folder / "cases" / OTHER)
    assert run.summary["share_range"] == "range not computed: edwc range"
    assert "% (range not computed) are served in the region west" in " ".join(run_brief(run).answer)
    assert "A rule makes one plan: its shares have no range." in build_report(run, None)
    assert "Shares of this plan; range not computed: edwc range." in build_report(run, None)
    assert "Shares of this plan; range not computed: edwc range" in texts_of(run, "en")
    assert "范围未计算" in texts_of(run, "zh")


def test_where_it_was_computed_the_range_stands_beside_the_share(folder: Path, told: tuple[Run, str]) -> None:
    run, span = told
    text = " ".join(open_comparison(folder).to_text().split())
    assert f"of the plan of each case; reference: {span} in all plans of up to 5.00% more; others: range not" in text
    page = build_comparison_report(folder)
    assert f"({span})" in page
    assert "in brackets those of all plans of up to 5.00% more; where there are none: range not computed" in page
    assert f"Shares of this plan; west {span} in all plans of up to 5.00% more." in build_report(run, None)
    assert f"% ({span})</td>" in build_report(run, None)  # of this plan, beside the rules
    assert f"% ({span})" in " ".join(run_brief(run).answer)
    row, other = open_comparison(folder).cases.set_index("case").loc[["reference", OTHER]].to_dict("records")
    ends = [format_percent(row[f"{end}_region_share.west"]) for end in ("least", "most")]
    assert " to ".join(ends) == span
    assert row["share_range"] == "all plans of up to 5.00% more, else range not computed: edwc range"
    assert np.isnan(other["least_region_share.west"])
    assert run.summary["least_region_share"] == {"west": row["least_region_share.west"]}
    assert run.summary["most_region_share"] == {"west": row["most_region_share.west"]}
    assert run.summary["share_range"] == row["share_range"]
    drawn = texts_of(run, "en")
    assert "in all plans of up to 5.00% more" in drawn
    assert "not computed" not in drawn


def test_where_it_was_computed_of_both_what_must_move_stands_beside_what_did(
    folder: Path, told: tuple[Run, str]
) -> None:
    reference, other = told[0], open_run(folder / "cases" / OTHER)
    other.range(["west_share"], slack=0.0001)
    least = must_move_share(reference.ranges, open_run(other.folder or folder).ranges)
    assert least is not None
    found, written = open_comparison(folder), format_percent(least)
    shares = found.cases.set_index("case")["must_move_share"].drop(SAME)
    assert shares.to_dict() == {"reference": 0.0, OTHER: least}
    said = f"Of all tokens {written} must move (proved)"
    assert said in " ".join(found.to_text().split())
    page = build_comparison_report(folder)
    assert said in page
    assert f"({written} must)</td>" in page
    assert said in texts_of(open_run(folder / "cases" / OTHER), "en", against=reference)
    assert f"{written} must move (proved)" in [figure.note for figure in comparison_brief(found).figures]
    (moved,) = found.moved_totals[found.moved_totals["second"] == OTHER]["must_move_share"].unique()
    assert moved == pytest.approx(least)
    # The effect on the share lies between the ends of the two ranges, crosswise.
    bar = found.tornado.iloc[0]
    ranges = [found.ranges(case).set_index("indicator").loc["west_share"] for case in ("reference", OTHER)]
    assert bar["high_least_effect_region_share.west"] == ranges[1]["least_limit"] - ranges[0]["most_limit"]
    assert bar["high_most_effect_region_share.west"] == ranges[1]["most_limit"] - ranges[0]["least_limit"]
    assert bar["high_least_effect_region_share.west"] <= bar["high_effect_region_share.west"]
    assert bar["high_effect_region_share.west"] <= bar["high_most_effect_region_share.west"]
    assert "up to 5.00% more" in bar["high_share_range"]
    # Neither is solved again, which would lose its ranges; the table says what was found since.
    compare(folder)
    cases = read_csv_table(folder / "cases.csv").set_index("case").drop(SAME)
    assert cases["must_move_share"].to_dict() == {"reference": 0.0, OTHER: pytest.approx(least)}
    assert cases["least_region_share.west"].notna().all()
    assert read_csv_table(folder / "tornado.csv")["high_least_effect_region_share.west"].notna().all()


def limits(least: float, most: float, slack: float) -> pd.DataFrame:
    columns = ["indicator", "unit", "least_limit", "most_limit", "slack_share"]
    return pd.DataFrame([("west_share", "share", least, most, slack)], columns=columns)


def test_points_of_searches_show_the_range_of_their_own_case_alone() -> None:
    """A point that shows the plan of another one has no range: what costs about as little there may be no plan here."""
    plans = pd.DataFrame({"case": ["a", "b", "c"], "plan_of": ["a", "a", ""], "region_share.west": [0.5, 0.5, np.nan]})
    nothing = pd.DataFrame()
    frontier = Frontier("carbon", plans, nothing, nothing, nothing, (), 0.0).with_ranges({"a": limits(0.2, 0.6, 0.01)})
    points = frontier.points
    assert points["least_region_share.west"].tolist() == pytest.approx([0.2, np.nan, np.nan], nan_ok=True)
    assert points["most_region_share.west"].iloc[0] == 0.6
    assert points["share_range"].tolist() == [
        "all plans of up to 1.00% more", "range not computed: edwc range", ""
    ]  # fmt: skip
    intervals = pd.DataFrame({"case": ["a", "b"], "region_share.east": [0.0, 1.0], "region_share.west": [1.0, 0.0]})
    found = BreakEvenMap("price.west", 0.0, 1.0, 0.5, 1.0, intervals, nothing, nothing, is_complete=True)
    told = found.with_ranges({"b": limits(0.0, 0.1, 0.02)}).intervals
    assert told["most_region_share.west"].iloc[1] == 0.1
    assert told["most_region_share.east"].isna().all()
    assert told["share_range"].tolist() == [
        "range not computed: edwc range", "all plans of up to 2.00% more, else range not computed: edwc range"
    ]  # fmt: skip

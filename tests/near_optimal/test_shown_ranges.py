"""Wherever shares of regions are shown, their range stands beside them, or that it was not computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from toy_scenario import ToyScenario

import edwc
from optimizer.comparison.comparison import open_comparison
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compare two cases, and find the range of the western share of the reference alone."""
    toy = ToyScenario(tmp_path_factory.mktemp("toy"))
    toy()
    out = toy.folder / "found"
    compare(out)
    return out


def compare(out: Path) -> None:
    edwc.compare(out.parent / "toy.yaml", sweeps=["price.west=4"], engine="serial", out=out)


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
    assert found.cases["share_range"].tolist() == ["range not computed: edwc range"] * 2
    assert found.cases[["least_region_share.west", "must_move_share"]].isna().all(axis=None)
    assert "what merely did between these two plans: range not computed: edwc range" in page
    brief = " ".join(cell for row in comparison_brief(found).table for cell in row)
    assert "% (range not computed)" in brief
    run = open_run(folder / "cases" / OTHER)
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
    assert found.cases.set_index("case")["must_move_share"].to_dict() == {"reference": 0.0, OTHER: least}
    said = f"Of all tokens {written} must move (proved)"
    assert said in " ".join(found.to_text().split())
    page = build_comparison_report(folder)
    assert said in page
    assert f"({written} must)</td>" in page
    assert said in texts_of(open_run(folder / "cases" / OTHER), "en", against=reference)
    assert f"{written} must move (proved)" in [figure.note for figure in comparison_brief(found).figures]
    # Neither is solved again, which would lose its ranges; the table says what was found since.
    compare(folder)
    cases = read_csv_table(folder / "cases.csv").set_index("case")
    assert cases["must_move_share"].to_dict() == {"reference": 0.0, OTHER: pytest.approx(least)}
    assert cases["least_region_share.west"].notna().all()

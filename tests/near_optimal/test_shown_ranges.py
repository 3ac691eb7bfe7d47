"""Wherever shares of regions are shown, their range stands beside them, or that it was not computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.text import Text
from toy_scenario import ToyScenario

import edwc
from optimizer.comparison.comparison import open_comparison
from optimizer.maps.draw import draw_map
from optimizer.maps.options import MapOptions
from optimizer.numbers import format_percent
from optimizer.report.comparison import build_comparison_report
from optimizer.report.run import build_report
from optimizer.runs.run import Run, open_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compare two cases, and find the range of the western share of the reference alone."""
    toy = ToyScenario(tmp_path_factory.mktemp("toy"))
    toy()
    out = toy.folder / "found"
    edwc.compare(toy.folder / "toy.yaml", sweeps=["carbon_price=100"], engine="serial", out=out)
    return out


@pytest.fixture(scope="module")
def told(folder: Path) -> tuple[Run, str]:
    """Give the reference with its range, and the range in words."""
    run = open_run(folder / "cases" / "reference")
    (row,) = run.range(["west_share"], slack=0.05).table.to_dict("records")
    return open_run(folder / "cases" / "reference"), " to ".join(
        format_percent(row[f"{end}_limit"]) for end in ("least", "most")
    )


def texts_of(run: Run, lang: str) -> str:
    figure = draw_map(run, MapOptions(lang=lang)).figure  # type: ignore[arg-type]
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def test_where_nothing_was_computed_it_says_so(folder: Path) -> None:
    found = open_comparison(folder)
    text = " ".join(found.to_text().split())
    assert "in west: of the plan of each case; range not computed: edwc range" in text
    page = build_comparison_report(folder)
    assert page.count("Shares of regions are those of the plan of each case; range not computed: edwc range.") == 3
    run = open_run(folder / "cases" / "carbon_price_100")
    assert "Shares of this plan; range not computed: edwc range." in build_report(run, None)
    assert "Shares of this plan; range not computed: edwc range" in texts_of(run, "en")
    assert "区间未计算" in texts_of(run, "zh")


def test_where_it_was_computed_the_range_stands_beside_the_share(folder: Path, told: tuple[Run, str]) -> None:
    run, span = told
    text = " ".join(open_comparison(folder).to_text().split())
    assert f"of the plan of each case; reference: {span} in all plans of up to 5.00% more; others: range not" in text
    page = build_comparison_report(folder)
    assert f"({span})" in page
    assert "in brackets those of all plans of up to 5.00% more; where there are none: range not computed" in page
    assert f"Shares of this plan; west {span} in all plans of up to 5.00% more." in build_report(run, None)
    drawn = texts_of(run, "en")
    assert "in all plans of up to 5.00% more" in drawn
    assert "not computed" not in drawn

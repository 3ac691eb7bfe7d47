"""Files and pages show the same: the texts and colours of one are those of the other, from one set of numbers."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from test_compare_charts import toy_comparison

from optimizer.comparison.frontier_points import SAVINGS_PER_MS
from optimizer.drawing.chart_data import (
    latency_releases,
    regret_matrix,
    stretches,
    tornado_rows,
    waterfall_bars,
)
from optimizer.drawing.colours import COSTS_MORE, SAVES, TOTAL
from optimizer.drawing.comparison import tornado_figure, waterfall_figure
from optimizer.drawing.words import minus_sign
from optimizer.report.comparison import tornado_chart, waterfall_charts


def test_waterfall_of_file_and_page_have_the_same_amounts_and_colours() -> None:
    found = toy_comparison()
    (page,) = waterfall_charts(found.tables(), {})
    (axes, *_) = waterfall_figure(found, "cheap", "dear").axes
    drawn = {text.get_text() for text in axes.texts}
    assert {minus_sign(amount) for _, amount in page.table.rows} <= drawn
    shapes = [shape for row in page.rows for shape in row.shapes]
    fills = [shape.attributes["fill"] for shape in shapes if shape.attributes["class"] == "mark"]
    bars = [patch for patch in axes.patches if patch.get_height() == pytest.approx(0.62)]
    assert fills == [mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in bars]
    assert set(fills) == {TOTAL, COSTS_MORE, SAVES}


def test_tornado_of_file_and_page_have_the_same_ends() -> None:
    found = toy_comparison()
    page = tornado_chart(found.tables())
    assert page is not None
    drawn = {text.get_text() for text in tornado_figure(found).axes[0].texts}
    assert {minus_sign(end) for row in page.table.rows for end in row[1:]} == drawn
    assert "0: no plan" in drawn


def test_amounts_are_in_millions_and_what_is_not_known_stays_unknown() -> None:
    rows = [("start", np.nan, 10e6, 0.0, 10e6), ("price", "site_capital", -4e6, 10e6, 6e6), ("end", "", 6e6, 0.0, 6e6)]
    columns = ["kind", "component", "cny_per_year", "from_cny_per_year", "to_cny_per_year"]
    start, change, _ = waterfall_bars(pd.DataFrame(rows, columns=columns))
    assert (start.component, start.text, start.height) == ("", "10.0", 10.0)
    assert (change.component, change.text, change.begin, change.end) == ("site capital", "-4.0", 10.0, 6.0)
    ends = {"low_value": 0.5, "low_effect_cny_per_year": np.nan, "high_value": 2.0, "high_effect_cny_per_year": 1e6}
    ((_, (low, high)),) = tornado_rows(pd.DataFrame([{"parameter": "price.west", **ends}]))
    assert (low.text, high.text) == ("0.5: no plan", "2: +1.0")
    row = {"workload_class": "chat", "tighter_budget_ms": 5.0, "looser_budget_ms": np.inf, "useful_limit_ms": np.inf}
    row |= dict(zip(SAVINGS_PER_MS, (2e6, 1e6, np.inf), strict=True)) | {"verdict": np.nan}
    (release,) = latency_releases(pd.DataFrame([row]))
    assert (release.limits, release.least, release.most, release.verdict) == ("5 to as stated", 1.0, np.inf, "")
    part = {"from": 0.5, "to": 1.0, "cost_from_cny_per_year": 1e6, "cost_to_cny_per_year": np.inf, "change": np.nan}
    (stretch,) = stretches(pd.DataFrame([part]))
    assert (stretch.amounts, stretch.centers, stretch.change) == ((1.0, np.inf), frozenset(), "")


def test_of_many_cases_those_of_least_regret_are_kept_in_the_order_of_the_cases() -> None:
    matrix = pd.DataFrame({"plan": ["a", "b", "c"], "a": [0.0, 1e6, 2e6], "b": [3e6, 0.0, 1e6], "c": [5e6, 4e6, 0.0]})
    plans = pd.DataFrame({"plan": ["c", "a", "b"], "max_regret_cny_per_year": [2e6, 5e6, 4e6]})
    kept = regret_matrix(matrix, plans, 2)
    assert (kept.cases, kept.cny.tolist(), kept.best, kept.worst) == (["a", "c"], [[0.0, 5e6], [2e6, 0.0]], "c", "2.0")
    broken = regret_matrix(matrix, plans.assign(max_regret_cny_per_year=np.nan))
    assert (broken.cases, broken.best) == (["a", "b", "c"], "")

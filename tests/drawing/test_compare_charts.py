"""Charts of a comparison: what they show, that names are text and fit, and the same bytes each time."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from compared import failed, result
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from two_cases import CHEAP_WEST, DEAR_WEST, one_workload, solved_case

from network_data import InputError
from optimizer.comparison.cases import CaseResult
from optimizer.comparison.comparison import Comparison, build_comparison
from optimizer.comparison.effects import TornadoEnds, build_tornado, build_waterfall, find_regret
from optimizer.drawing.colours import COSTS_MORE
from optimizer.drawing.comparison import draw_charts, regret_figure, tornado_figure, waterfall_figure

HOSTILE = "a$b$ \\frac{1}{0} <b>\u202e\x07 \u672c " + "w" * 200


def toy_comparison(label: str = "dear west") -> Comparison:
    """Put a comparison of two toy cases together from its parts."""
    cheap, dear = solved_case("cheap", one_workload(CHEAP_WEST)), solved_case("dear", one_workload(DEAR_WEST))
    found = {plan.case_id: result(plan.case_id, plan.checked_cost_cny) for plan in (cheap, dear)}
    found = {name: replace(item, folder=None) for name, item in found.items()}
    found["dear"] = replace(found["dear"], case=replace(found["dear"].case, label=label))
    blank = build_comparison(label, {name: _without_plan(item) for name, item in found.items()}, "cheap")
    fall, regret = build_waterfall(cheap, dear), find_regret([cheap, dear])
    pair = {"first": "cheap", "second": "dear"}
    row = {"difference_cny_per_year": fall.difference_cny, "reason": ""}
    tornado = build_tornado(
        result("cheap", cheap.checked_cost_cny),
        [
            TornadoEnds(
                label, 200.0, 900.0, result("a", 0.9 * cheap.checked_cost_cny), result("b", dear.checked_cost_cny)
            ),
            TornadoEnds("pods", 0.0, 2.0, failed("c"), result("d", 0.95 * cheap.checked_cost_cny)),
        ],
    )
    return replace(
        blank,
        results=found | {"cheap": result("cheap", cheap.checked_cost_cny)},
        waterfalls=fall.bars.assign(**pair),
        waterfall_pairs=blank.waterfall_pairs.reindex([0]).assign(**pair, **row),
        regret=regret.pairs,
        regret_plans=regret.plans,
        regret_matrix=regret.matrix_cny.rename_axis(None, axis="columns").rename_axis("plan").reset_index(),
        tornado=tornado,
    )


def _without_plan(item: CaseResult) -> CaseResult:
    return replace(failed(item.case.id), case=item.case)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return toy_comparison()


def figures(found: Comparison) -> list[Figure]:
    return [waterfall_figure(found, "cheap", "dear"), regret_figure(found), tornado_figure(found)]


def texts(figure: Figure) -> list[str]:
    drawn: list[Any] = figure.findobj(mpl.text.Text)
    return [text.get_text() for text in drawn if text.get_text()]


def test_waterfall_shows_each_bar_with_its_sign_and_sum(comparison: Comparison) -> None:
    figure = waterfall_figure(comparison, "cheap", "dear")
    shown = texts(figure)
    # 4.8 MW x 600 CNY/MWh x 8760 h = 25.2 dearer; then 11.6 of energy and 1.8 of latency saved by going east.
    for text in ("+25.2", "−11.6", "−1.8", "14.6", "26.5", "New prices, plan unchanged", "Re-optimizing", "−13.3"):
        assert text in shown
    assert "From cheap to dear west: +11.9 million CNY a year (+81.4%)" in shown
    bars = [patch for patch in figure.axes[0].patches if mpl.colors.to_hex(patch.get_facecolor()).upper() == COSTS_MORE]
    assert [round(bar.get_width(), 1) for bar in bars] == [25.2]


def test_regret_frames_the_plan_of_least_regret(comparison: Comparison) -> None:
    shown = texts(regret_figure(comparison))
    assert "Least regret at worst: the plan for dear west, 11.9 million CNY a year" in shown
    assert shown.count("0.0") == 2
    assert {"13.3", "11.9"} <= set(shown)


def test_tornado_tells_values_effects_and_ends_without_a_plan(comparison: Comparison) -> None:
    shown = texts(tornado_figure(comparison))
    for text in ("900: +11.9", "200: −1.5", "0: no plan", "2: −0.7", "dear west", "pods"):
        assert text in shown


@pytest.mark.parametrize(("gaps", "whose"), [((0.01, 0.02), "every plan"), ((0.02, math.nan), "1 of 2 plans")])
def test_foot_promises_no_more_than_is_proved(comparison: Comparison, gaps: tuple[float, float], whose: str) -> None:
    cases = comparison.cases.assign(total_cny_per_year=1e6, mip_rel_gap=gaps)
    foot = next(text for text in texts(regret_figure(replace(comparison, cases=cases))) if text.startswith("edwc"))
    assert foot.endswith(f"2 cases. Proved within 2.00% of the least cost: {whose}.")


@pytest.mark.parametrize("label", ["dear west", HOSTILE])
def test_everything_written_stays_on_the_sheet_and_names_are_text(label: str) -> None:
    for figure in figures(toy_comparison(label)):
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        width, height = canvas.get_width_height()
        beyond = [
            label
            for axes in figure.axes
            for tick in axes.xaxis.get_major_ticks()
            for label in (tick.label1, tick.label2)
            if not axes.get_xlim()[0] <= tick.get_loc() <= axes.get_xlim()[1]  # matplotlib does not draw these
        ]
        for text in figure.findobj(mpl.text.Text):
            if text.get_text() and text.get_visible() and text not in beyond:
                box = text.get_window_extent()
                assert box.x0 >= -1, text.get_text()
                assert box.x1 <= width + 1, text.get_text()
                assert box.y0 >= -1, text.get_text()
                assert box.y1 <= height + 1, text.get_text()
                assert text.get_text().isprintable()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_bytes_each_time(comparison: Comparison, tmp_path: Path, suffix: str) -> None:
    first = draw_charts(comparison, tmp_path, suffix=suffix)
    assert [path.name for path in first] == [
        f"{name}{suffix}" for name in ("waterfall_cheap_dear", "regret", "tornado")
    ]
    contents = [path.read_bytes() for path in first]
    assert [path.read_bytes() for path in draw_charts(comparison, tmp_path, suffix=suffix)] == contents
    assert min(map(len, contents)) > 5_000


def test_unknown_format_is_refused(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="chart format is not known"):
        draw_charts(comparison, tmp_path, suffix=".gif")

"""The chart of a break-even map shows its table: lines, bars and shares are read back from the figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from network_data.faults import InputError
from optimizer.comparison.break_even_points import BREAK_COLUMNS, BreakEvenMap, interval_table
from optimizer.drawing.colours import PLAN, assign_colours
from optimizer.drawing.searches import break_even_figure, draw_break_even


def interval(start: float, end: float, saving: tuple[float, float], west: float, centers: str) -> dict[str, object]:
    return {
        "from": start,
        "to": end,
        "cost_from_cny_per_year": 9e6,
        "cost_to_cny_per_year": 9e6,
        "saving_from_cny_per_year": saving[0],
        "saving_to_cny_per_year": saving[1],
        "region_share.east": 1.0 - west,
        "region_share.west": west,
        "open_data_centers": centers,
        "change": "",
        "open_cny_per_year": 0.0,
        "case": "a",
    }


def break_point(value: float, kind: str, *, width: float = 0.02) -> dict[str, object]:
    return {"value": value, "certified_low": value - width / 2, "certified_high": value + width / 2, "kind": kind}


def a_map(**changes: object) -> BreakEvenMap:
    rows = [
        interval(0.5, 0.8, (6e6, 0.0), 0.75, "both, west_only"),
        interval(0.8, 1.2, (0.0, 0.0), 0.5, "both"),
        interval(1.2, 1.5, (0.0, 3e6), 0.25, "both"),
    ]
    breaks = pd.DataFrame([break_point(0.8, "decisions"), break_point(1.2, "routing")], columns=BREAK_COLUMNS)
    found = BreakEvenMap(
        "price.west", 0.5, 1.5, 1.0, 1e3, interval_table(rows), breaks, pd.DataFrame(), is_complete=True
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def texts_of(figure: Figure) -> str:
    return "\n".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_saving_shares_and_open_places_stand_where_the_table_says() -> None:
    figure = break_even_figure(a_map())
    money, ranges, shares, places = figure.axes[:4]
    lines = [line.get_xydata() for line in money.lines if len(line.get_xdata()) == 2 and line.get_color() == PLAN]
    assert [np.asarray(line).tolist() for line in lines] == [
        [[0.5, 6.0], [0.8, 0.0]],
        [[0.8, 0.0], [1.2, 0.0]],
        [[1.2, 0.0], [1.5, 3.0]],
    ]
    west = [bar.get_height() for bar in shares.containers[1]]
    assert west == pytest.approx([75.0, 50.0, 25.0])
    (bar,) = [patch for patch in places.patches if patch.get_height() < 1 and patch.get_y() > -0.5]
    assert (bar.get_x(), bar.get_width()) == pytest.approx((0.5, 0.3))
    assert [label.get_text() for label in places.get_yticklabels()] == ["west only"]
    # Each change of decisions has a row of its own for the range it is proved to lie in: none hides another.
    proved = [(bar.get_x(), bar.get_width(), round(bar.get_y() + bar.get_height() / 2)) for bar in ranges.patches]
    rows = [row for row in a_map().break_points.to_dict("records") if row["kind"] != "routing"]
    assert proved == [
        (row["certified_low"], pytest.approx(row["certified_high"] - row["certified_low"]), at)
        for at, row in enumerate(rows)
    ]
    assert "0.8" in texts_of(figure).split("\n")
    assert "now" in texts_of(figure)
    assert "No other plan could save more than 1,000 CNY a year" in texts_of(figure)


def test_regions_have_the_colours_of_maps() -> None:
    """West first there; a region without data centers keeps its place."""
    shares = break_even_figure(a_map(), ("west", "islands", "east")).axes[2]
    bars = {text.get_text(): bar for text, bar in zip(shares.get_legend().get_texts(), shares.containers, strict=True)}
    assert list(bars) == ["west", "east"]
    of_maps = assign_colours(["west", "islands", "east"])
    for region, bar in bars.items():
        assert to_hex(bar[0].get_facecolor()) == of_maps[region].lower()
    assert [bar.get_height() for bar in bars["west"]] == pytest.approx([75.0, 50.0, 25.0])


def test_without_plans_breaks_or_a_reference_there_is_still_a_chart() -> None:
    impossible = interval(0.5, 0.8, (-np.inf, -np.inf), np.nan, "") | {"cost_from_cny_per_year": np.inf, "case": ""}
    table = interval_table([impossible, interval(0.8, 1.5, (np.nan, np.nan), 1.0, "west")])
    figure = break_even_figure(a_map(intervals=table, reference_value=np.nan))
    assert "no plan" in texts_of(figure)
    assert "no data center opens or closes" in texts_of(figure)
    empty = a_map(intervals=interval_table([]), break_points=a_map().break_points.head(0), is_complete=False)
    assert "no plan is possible" in texts_of(break_even_figure(empty))


def test_picture_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    hostile = a_map(parameter="price.$\\frac{1}{0}$<b>")
    first = draw_break_even(hostile, tmp_path / "first.png").read_bytes()
    assert first == draw_break_even(hostile, tmp_path / "second.png").read_bytes()
    assert b"<b>" not in draw_break_even(hostile, tmp_path / "chart.svg").read_bytes()
    changed = draw_break_even(hostile, tmp_path / "changed.png", changes=("demand.tokens_per_day_trillion=300",))
    assert changed.read_bytes() != first
    with pytest.raises(InputError, match="chart format"):
        draw_break_even(hostile, tmp_path / "chart.pdf")

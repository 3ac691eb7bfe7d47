"""Charts of the frontiers: what they say, the same bytes each time, names that cannot hurt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from network_data import InputError
from optimizer.comparison.frontier import Frontier
from optimizer.comparison.frontier_points import (
    ABATEMENT,
    SAVINGS,
    SAVINGS_PER_MS,
    Point,
    SolvedPoints,
    certify_costs,
    difference_table,
)
from optimizer.comparison.latency_budgets import ENERGY_PER_MS, LatencyReturn
from optimizer.drawing.searches import carbon_figure, draw_frontier, draw_latency_return, latency_figure, return_figure
from optimizer.drawing.sheet import write_figure
from optimizer.text.searches import describe_frontier, describe_latency_return

HOSTILE = "a$b$<script>\u202e"


def make_frontier(kind: str = "latency", name: str = "chat") -> Frontier:
    """Five points: none, 300, 200 with a bound of 190, one that is not better, and the reference in between."""
    sizes = [5.0, 10.0, 20.0, 30.0, 60.0] if kind == "latency" else [500e3, 600e3, 700e3, 800e3, 900e3]
    most = np.array([np.inf, 300e6, 200e6, 200e6, 195e6])
    least = np.array([np.inf, 290e6, 190e6, 190e6, 189e6])
    costs = certify_costs(most, least, np.triu(np.ones((5, 5), bool)))
    solved = SolvedPoints(tuple(Point(size, None) for size in sizes), (None,) * 5, costs)
    size = "budget_ms" if kind == "latency" else "cap_t_per_year"
    names = (f"tighter_{size}", f"looser_{size}")
    per = SAVINGS_PER_MS if kind == "latency" else ABATEMENT
    points = pd.DataFrame(
        {
            size: sizes,
            "case": ["", "b", "c", "d", "reference"],
            "status": ["infeasible", *["solved"] * 4],
            "reason": [f"{name} is 2.00 ms too far", "", "", "", ""],
            "least_cny_per_year": [np.nan, *costs.low_cny[1:]],
            "most_cny_per_year": [np.nan, *costs.high_cny[1:]],
            "gap_share": costs.gap_share,
            "plan_of": ["", "b", "c", "c", "reference"],
            "is_dominated": [False, False, False, True, False],
            "leaves_region_share": [np.nan, 0.1, 0.4, 0.4, 0.8],
            "leaves_province_share": [np.nan, 0.5, 0.6, 0.6, 0.9],
            "region_share.west": [np.nan, 0.1, 0.4, 0.4, 0.8],
        }
    )
    cells = [(s, who, 0.2 * i) for i, s in enumerate(sizes[1:]) for who in ("all classes", name)]
    leaving = pd.DataFrame(cells, columns=[size, "workload_class", "leaves_region_share"])
    leaving["leaves_province_share"] = leaving["leaves_region_share"] + 0.1
    return Frontier(
        "latency" if kind == "latency" else "carbon",
        points,
        difference_table(solved, names),
        difference_table(solved, names, per=per, only_neighbours=True),
        leaving,
        (name,) if kind == "latency" else (),
        7.223 if kind == "latency" else 450e3,
    )


def make_return(name: str = "chat") -> LatencyReturn:
    rows = []
    for who, least, most, is_certain in ((name, 2e6, 4e6, True), ("voice", 0.0, 1e6, False)):
        best = 3e6 if is_certain else np.nan
        row = {"workload_class": who, "tighter_budget_ms": 7.0, "looser_budget_ms": 100.0, "useful_limit_ms": 47.0}
        row |= dict(zip(SAVINGS_PER_MS, (best, least, most), strict=True))
        row |= dict(zip(SAVINGS, (40 * best, 40 * least, 40 * most), strict=True))
        row |= {ENERGY_PER_MS: best / 2, "is_certain": is_certain, "is_above_next": is_certain}
        rows.append(row | {"verdict": "the looser costs less" if is_certain else "not distinguishable"})
    table = pd.DataFrame(rows)
    points = pd.DataFrame(
        [{"workload_class": name, "budget_ms": 5.0, "plan_of": "", "reason": "too far", "status": ""}]
    )
    return LatencyReturn(points, table, table)


def texts(figure: Figure) -> list[str]:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    found += [label.get_text() for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    legends = [legend for axes in figure.axes if (legend := axes.get_legend()) is not None]
    return found + [text.get_text() for legend in legends for text in legend.get_texts()]


def test_latency_chart_says_costs_bounds_and_what_is_out_of_reach() -> None:
    said = texts(latency_figure(make_frontier()))
    assert [said.count(text) for text in ("300.0", "200.0", "195.0", "no plan")] == [1, 2, 1, 1]
    assert said.count("at least 290.0") == 1
    assert {"5", "10", "60", "60%", "chat", "dominated: a tighter limit costs no more"} <= set(said)
    assert any("Below 7.223 ms" in text for text in said)


def test_carbon_chart_gives_no_number_where_the_gaps_hide_it() -> None:
    """300 to 200 million over 100 kt is 1,000 CNY/t; from 200 to 200 or 195 no more than 110 and 110 CNY/t is known."""
    said = texts(carbon_figure(make_frontier("carbon")))
    assert "1,000" in said
    assert said.count("at most 100") == 1
    assert said.count("at most 110") == 1
    assert "not distinguishable from 0" in said
    assert any("450 kt" in text for text in said)


def test_return_chart_tells_proved_from_not_distinguishable() -> None:
    said = texts(return_figure(make_return()))
    assert "3.00 (proved 2.00 to 4.00), energy alone 1.50" in said
    assert "at most 1.00, not distinguishable from 0" in said
    assert "chat\n7 to 47 ms" in said


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_pictures_are_the_same_bytes_each_time(tmp_path: Path, suffix: str) -> None:
    drawn = []
    for turn in ("first", "second"):
        files = [tmp_path / f"{turn}_{name}.{suffix}" for name in ("latency", "carbon", "return")]
        draw_frontier(make_frontier(), files[0])
        draw_frontier(make_frontier("carbon"), files[1])
        draw_latency_return(make_return(), files[2])
        drawn.append([file.read_bytes() for file in files])
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 3
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{turn}_{name}.{suffix}" for turn in ("first", "second") for name in ("latency", "carbon", "return")
    }


def test_what_no_bound_is_known_of_is_drawn_as_unknown(tmp_path: Path) -> None:
    found = make_return()
    ranking = found.ranking.assign(**{SAVINGS_PER_MS[2]: [np.inf, 1e6]})
    assert "nothing is proved" in texts(return_figure(LatencyReturn(found.points, found.steps, ranking)))
    carbon = make_frontier("carbon")
    steps = carbon.steps.assign(**{ABATEMENT[1]: -np.inf, "is_certain": False})
    figure = carbon_figure(replace(carbon, steps=steps))
    assert "1,000" not in texts(figure)
    assert write_figure(figure, tmp_path / "carbon.png").stat().st_size > 0


def test_hostile_names_are_drawn_and_printed_as_they_are(tmp_path: Path) -> None:
    frontier, found = make_frontier(name=HOSTILE), make_return(HOSTILE)
    for target in (draw_frontier(frontier, tmp_path / "l.svg"), draw_latency_return(found, tmp_path / "r.svg")):
        assert "<script" not in target.read_text(encoding="utf-8")
    assert any("a$b$" in text for text in texts(latency_figure(frontier)))
    for text in (describe_frontier(frontier), describe_latency_return(found)):
        assert "\u202e" not in text
        assert "\\u202e" in text


def test_a_frontier_without_any_plan_is_still_drawn(tmp_path: Path) -> None:
    whole = make_frontier()
    alone = Frontier(
        "carbon",
        make_frontier("carbon").points.tail(1),
        whole.pairs.head(0),
        whole.steps.head(0),
        whole.relocatable,
        (),
        7,
    )
    assert "195.0" in texts(carbon_figure(alone))
    nothing = Frontier(
        "latency", whole.points.head(1), whole.pairs.head(0), whole.steps.head(0), whole.relocatable.head(0), (), 7.0
    )
    assert draw_frontier(nothing, tmp_path / "none.png").stat().st_size > 0
    assert "no point has a plan" in texts(latency_figure(nothing))
    assert "too far" in describe_frontier(nothing)


@pytest.mark.parametrize(("name", "problem"), [("x.pdf", "not known"), ("nowhere/x.png", "does not exist")])
def test_bad_targets_are_refused(tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        write_figure(Figure(), tmp_path / name)

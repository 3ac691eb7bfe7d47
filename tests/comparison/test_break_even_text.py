"""A break-even map through run folders and in words, with the break point worked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from break_even_points import EAST_CNY, EXACT, WEST_CNY, ToyPoints, with_limit, with_west_price, write_scenario
from toy_problems import toy_problem

import edwc
from optimizer.comparison.break_even import map_prices
from optimizer.comparison.break_even_limits import LimitSteps, search_steps
from optimizer.comparison.break_even_points import BreakEvenMap
from optimizer.comparison.runner import CaseRunner
from optimizer.text.searches import describe_break_even, format_value

OPENING_CNY = 22_000.0  # a year, of the west
BREAK = (EAST_CNY - OPENING_CNY) / WEST_CNY  # of the western price: 0.8711


def toy_map(**options: float) -> BreakEvenMap:
    """Map the toy whose west opens below 1/1.2 of its price (see test_break_even)."""
    problem = toy_problem(
        latency_cny_per_ms_per_mtok=(0.0, 0.0),
        deploy_cny_per_year=(0.0, 0.0),
        link_cny_per_gbps_h=(0.0, 0.0, 0.0, 0.0),
        opening_cny_per_year=(0.0, 63_072_000.0),
    )
    points = ToyPoints(lambda factor: with_west_price(problem, factor), 1.0, **options)  # type: ignore[arg-type]
    return replace(map_prices(points, 0.5, 1.5), parameter="price.west")


def test_price_of_a_region_in_run_folders_and_in_words(tmp_path: Path) -> None:
    with CaseRunner(write_scenario(tmp_path, opening_cny=OPENING_CNY), EXACT, out=tmp_path / "out") as runner:
        found = edwc.find_break_points(runner, "price.west", 0.2, 1.5)
    point = found.break_points.iloc[0]
    assert point["value"] == pytest.approx(BREAK, rel=1e-9)
    assert point["width"] == pytest.approx(0.0, abs=1e-9)
    assert found.intervals["saving_from_cny_per_year"].iloc[0] == pytest.approx(EAST_CNY - OPENING_CNY - 0.2 * WEST_CNY)
    folders = {path.name for path in (tmp_path / "out" / "cases").iterdir()}
    assert folders == {"reference", *found.points["case"]}
    assert {"price_west_0_2", "price_west_1_5"} < folders
    text = describe_break_even(found)
    assert "Break-even map of price.west from 0.2 to 1.5 (now 1), 3 values solved" in text
    assert (
        "Below 0.8711 of today's energy price of west: West opens; East closes; 100.0% of the tokens move (exact)."
    ) in text
    assert "No other plan could save more than 1 CNY a year anywhere on the range." in text


def test_a_gap_is_told() -> None:
    text = describe_break_even(toy_map(looseness=0.1, max_solves=8))
    assert "(exact)" not in text
    assert "proved to lie between" in text or "within the gap it may lie anywhere" in text
    assert "left open: between" in text
    assert "No other plan" not in text


def test_above_the_present_value_it_says_from_where_on() -> None:
    found = replace(toy_map(), reference_value=0.6)
    assert "From 0.8333 of today's energy price of west on: East opens; West closes" in describe_break_even(found)


def test_without_a_change_it_says_so() -> None:
    found = toy_map()
    same = replace(found, intervals=found.intervals.tail(1), break_points=found.break_points.head(0))
    assert "The plan is the same from 0.5 to 1.5." in describe_break_even(same)
    unsure = replace(same, is_complete=False)
    assert "No change of the plan was found from 0.5 to 1.5." in describe_break_even(unsure)
    empty = replace(same, intervals=pd.DataFrame(), notes=("no plan at 0.5: no plan keeps every limit",))
    assert "no plan at 0.5: no plan keeps every limit" in describe_break_even(empty)


def test_a_limit_below_which_nothing_is_possible() -> None:
    problem = toy_problem(it_capacity_mw=(12.0, 100.0), rtt_limit_ms=(float("inf"), 5.0))
    points = ToyPoints(lambda ms: with_limit(problem, ms), 30.0)
    found = search_steps(LimitSteps(points, [5.0, 23.0, 25.0], 30.0, "chat", is_monotone=True))
    text = describe_break_even(replace(found, parameter="workload_classes.chat.rtt_limit_ms"))
    assert "Below an RTT limit of 23 ms for chat: no plan is possible any more (exact)." in text
    assert "no plan\n" in text


def test_names_from_the_input_are_made_harmless() -> None:
    found = toy_map()
    hostile = found.break_points.assign(change_back="\x1b[31mWest\u202e opens")
    text = describe_break_even(replace(found, break_points=hostile, parameter="price.\x07"))
    assert text.replace("\n", "").isprintable()


def test_many_changes_are_cut_and_routing_is_one_line() -> None:
    found = toy_map()
    rows = [found.break_points.assign(value=0.5 + n / 100, kind="routing" if n % 2 else "decisions") for n in range(40)]
    text = describe_break_even(replace(found, break_points=pd.concat(rows)))
    assert "... and 8 more, in the table of break points." in text
    assert "Only routes, places or hours of tokens change at 0.51, 0.53" in text
    assert "and 8 more values." in text


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ("price", 0.5, "0.5 of today's energy price"),
        ("demand_charge.east", 1.25, "1.25 of today's demand charge of east"),
        ("token_price.chat", 0.123456, "0.1235 of today's token price of chat"),
        ("carbon_price", 87.9438, "a carbon price of 87.94 CNY/t"),
        ("costs.carbon_price_cny_per_t", 12345.6, "a carbon price of 12,350 CNY/t"),
        ("workload_classes.chat.rtt_limit_ms", 37.25, "an RTT limit of 37.25 ms for chat"),
        ("costs.data_transfer_cny_per_gb", 0.5, "costs.data_transfer_cny_per_gb = 0.5"),
    ],
)
def test_values_say_what_they_are_of(parameter: str, value: float, expected: str) -> None:
    assert format_value(parameter, value) == expected

"""Break points of prices: by hand, against dense grids, and certified in spite of gaps."""

from __future__ import annotations

import itertools
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from break_even_points import ToyPoints, least_cost_cny, with_west_price
from toy_problems import random_problem, toy_problem

from network_data.faults import InputError
from optimizer.comparison.break_even import map_prices
from optimizer.comparison.break_even_points import BreakEvenMap, case_of
from optimizer.comparison.cases import expand_cases
from optimizer.problem.problem import PlacementProblem
from scenarios.price_parameters import ParameterRange, Sweep

# Two places and nothing but energy and the opening of the west: 16 MW x 8,760 h x 1.5 x 500 CNY/MWh in the east,
# x 1.2 x 300 CNY/MWh in the west.
EAST_CNY = 16 * 8760 * 1.5 * 500.0
WEST_CNY = 16 * 8760 * 1.2 * 300.0
OPENING_CNY = EAST_CNY - WEST_CNY / 1.2  # so that both cost the same at 1/1.2 of the western price
FREE = {
    "latency_cny_per_ms_per_mtok": (0.0, 0.0),
    "deploy_cny_per_year": (0.0, 0.0),
    "link_cny_per_gbps_h": (0.0, 0.0, 0.0, 0.0),
}


def two_places(opening_cny: float = OPENING_CNY, **options: object) -> PlacementProblem:
    return toy_problem(**FREE, opening_cny_per_year=(0.0, opening_cny), **options)


def west_points(problem: PlacementProblem, **options: float) -> ToyPoints:
    return ToyPoints(lambda factor: with_west_price(problem, factor), 1.0, **options)  # type: ignore[arg-type]


def slopes_of(found: BreakEvenMap) -> np.ndarray:
    table = found.intervals
    way = table["cost_to_cny_per_year"] - table["cost_from_cny_per_year"]
    return (way / (table["to"] - table["from"])).to_numpy(float)


def cost_at(found: BreakEvenMap, value: float) -> tuple[float, float]:
    """Cost of the plan of the interval that a value lies in, and how much less another may cost."""
    table = found.intervals
    row = table[(table["from"] <= value) & (value <= table["to"])].iloc[0]
    share = (value - row["from"]) / (row["to"] - row["from"])
    cost = row["cost_from_cny_per_year"] + share * (row["cost_to_cny_per_year"] - row["cost_from_cny_per_year"])
    return float(cost), float(row["open_cny_per_year"])


def test_west_opens_where_its_energy_saves_what_its_opening_costs() -> None:
    found = map_prices(west_points(two_places()), 0.5, 1.5)
    point = found.break_points.iloc[0]
    assert len(found.break_points) == 1
    assert point["value"] == pytest.approx(1 / 1.2, rel=1e-12)
    assert (point["certified_low"], point["certified_high"]) == pytest.approx((1 / 1.2, 1 / 1.2), rel=1e-9)
    assert point["width"] == pytest.approx(0.0, abs=1e-9)
    assert bool(point["is_certain"])
    assert point["kind"] == "decisions"
    assert point["change_back"] == "West opens; East closes; 100.0% of the tokens move"
    west, east = found.intervals.to_dict("records")
    assert west["cost_from_cny_per_year"] == pytest.approx(OPENING_CNY + 0.5 * WEST_CNY)
    assert west["saving_from_cny_per_year"] == pytest.approx(EAST_CNY - OPENING_CNY - 0.5 * WEST_CNY)
    assert (west["region_share.west"], west["open_data_centers"], west["from"]) == (1.0, "west", 0.5)
    assert (east["cost_from_cny_per_year"], east["cost_to_cny_per_year"]) == pytest.approx((EAST_CNY, EAST_CNY))
    assert (east["saving_to_cny_per_year"], east["open_data_centers"], east["to"]) == (0.0, "east", 1.5)
    # Each percent of the price is worth a hundredth of the western bill while the west is open, then nothing.
    assert point["saving_slope_before_cny"] == pytest.approx(-WEST_CNY)
    assert point["saving_slope_after_cny"] == pytest.approx(0.0, abs=1e-3)
    assert found.is_complete
    assert found.reference_value == pytest.approx(1.0)


def test_whole_decisions_count_not_their_linear_relaxation() -> None:
    """
    Eight of ten pods do the work, so the relaxation opens eight tenths of the west, and breaks even at 1.0833.

    There opening costs 0.8 x OPENING_CNY. Between the two values it would send all work west, and it is dearer.
    """
    relaxed = (EAST_CNY - 0.8 * OPENING_CNY) / WEST_CNY
    assert relaxed == pytest.approx(13 / 12)
    found = map_prices(west_points(two_places()), 0.5, 1.5)
    assert found.break_points["value"].tolist() == pytest.approx([1 / 1.2])
    between = with_west_price(two_places(), 0.95)
    assert least_cost_cny(between) == pytest.approx(EAST_CNY)
    assert OPENING_CNY * 0.8 + 0.95 * WEST_CNY < EAST_CNY < OPENING_CNY + 0.95 * WEST_CNY


def test_points_of_a_generation_are_one_batch() -> None:
    points = west_points(two_places())
    map_prices(points, 0.5, 1.5)
    assert points.batches == [[0.5, 1.5], [pytest.approx(1 / 1.2)]]


def test_a_range_without_a_change_is_one_interval() -> None:
    points = west_points(two_places())
    found = map_prices(points, 0.9, 1.5)
    assert found.break_points.empty
    assert found.intervals[["from", "to"]].to_numpy().tolist() == [[0.9, 1.5]]
    assert found.is_complete
    assert len(points.solved) == 2


def test_a_price_that_no_cost_depends_on_changes_nothing() -> None:
    problem = two_places()
    found = map_prices(ToyPoints(lambda _: problem, 1.0), 0.5, 1.5)
    assert found.break_points.empty
    assert np.isnan(found.reference_value)


def test_prices_do_not_make_a_plan_possible() -> None:
    found = map_prices(west_points(two_places(it_capacity_mw=(7.0, 7.0))), 0.5, 1.5)
    assert found.intervals.empty
    assert found.break_points.empty
    assert found.notes == ("no plan at 0.5: no plan keeps every limit",)
    assert found.is_complete


def test_what_the_budget_of_solves_leaves_open_is_said() -> None:
    points = west_points(two_places(), max_solves=2)
    found = map_prices(points, 0.5, 1.5)
    assert not found.is_complete
    # The chord from the bound at 0.5 to that of the reference at 1: two thirds of the way.
    start = OPENING_CNY + 0.5 * WEST_CNY
    most = (EAST_CNY - start) / 3
    assert found.intervals["open_cny_per_year"].tolist() == pytest.approx([most, most])
    assert len(found.notes) == 2
    assert found.notes[0].startswith("left open: between 0.5 and 0.833333 another plan could save up to 5.61 million")
    assert found.break_points["width"].item() > 0.1


def test_a_gain_below_the_tolerance_is_not_looked_for() -> None:
    points = west_points(two_places())
    found = map_prices(points, 0.5, 1.5, tolerance_cny=6e6)
    assert len(points.solved) == 2
    assert found.is_complete


def test_only_prices_and_only_linear_ones_are_taken() -> None:
    problem = two_places()
    with pytest.raises(InputError, match="changes more than prices"):
        map_prices(ToyPoints(lambda u: two_places(demand_mtok_per_h=(100.0 * u,) * 4), 1.0), 0.5, 1.0)
    with pytest.raises(InputError, match="not linear"):
        map_prices(ToyPoints(lambda u: with_west_price(problem, u**2), 1.0), 0.5, 1.5)
    limited = two_places(policy={"spending_limit_cny_per_year": 1e9})
    with pytest.raises(InputError, match="limits spending or investment"):
        map_prices(west_points(limited), 0.5, 1.5)


# Seeds of problems with several break points.
@pytest.mark.parametrize("seed", [28, 31])
def test_every_point_of_a_dense_grid_costs_what_the_map_says(seed: int) -> None:
    problem, found = a_random_problem(seed), random_truth(seed)
    assert found.is_complete
    scale = abs(found.intervals["cost_to_cny_per_year"]).max() or 1.0
    for value in np.linspace(0.0, 3.0, 7).tolist():
        cost, _ = cost_at(found, value)
        assert least_cost_cny(with_west_price(problem, value)) == pytest.approx(cost, abs=3e-6 * scale)
    # Concave: the dearer the west, the less of it is bought.
    slopes = slopes_of(found)
    assert (np.diff(slopes) < 0).all()
    ends = found.intervals[["from", "to"]].to_numpy()
    assert (ends[1:, 0] == ends[:-1, 1]).all()
    assert found.break_points["value"].tolist() == ends[1:, 0].tolist()


@pytest.mark.parametrize(("seed", "options"), [(28, {"looseness": 0.5}), (31, {"gap": 0.1}), (18, {"gap": 0.1})])
def test_certified_intervals_hold_the_truth_in_spite_of_gaps(seed: int, options: dict[str, float]) -> None:
    truth = random_truth(seed)
    found = map_prices(west_points(a_random_problem(seed), max_solves=9, **options), 0.0, 3.0)
    assert_certified(found, truth)
    scale = abs(truth.intervals["cost_to_cny_per_year"]).max() or 1.0
    for value in np.linspace(0.0, 3.0, 31).tolist():
        least, (cost, still_open) = cost_at(truth, value)[0], cost_at(found, value)
        assert cost - still_open - 1e-6 * scale <= least <= cost + 1e-6 * scale


def test_a_large_gap_still_brackets_the_break_point_worked_by_hand() -> None:
    points = west_points(two_places(), looseness=0.1, max_solves=8)
    found = map_prices(points, 0.5, 1.5)
    assert_certified(found, map_prices(west_points(two_places()), 0.5, 1.5))
    point = found.break_points.iloc[0]
    assert point["certified_low"] <= 1 / 1.2 <= point["certified_high"]
    assert 0.0 < point["width"] < 1.0
    assert not found.is_complete


def assert_certified(found: BreakEvenMap, truth: BreakEvenMap) -> None:
    """See that the true slope falls through the mean of the two plans' slopes inside the certified interval."""
    true_slopes, slopes = slopes_of(truth), slopes_of(found)
    ends = truth.intervals["to"].to_numpy(float)
    scale = np.abs(true_slopes).max() or 1.0
    for row, (before, after) in zip(found.break_points.to_dict("records"), itertools.pairwise(slopes), strict=True):
        mean = (before + after) / 2
        steeper = true_slopes > mean + 1e-6 * scale
        flatter = true_slopes < mean - 1e-6 * scale
        first = truth.low if not steeper.any() else ends[steeper][-1]
        last = truth.high if not flatter.any() else truth.intervals["from"].to_numpy(float)[flatter][0]
        # Where the slope is the mean itself on a stretch, any of its points is the truth.
        assert row["certified_low"] <= last + 1e-6
        assert row["certified_high"] >= first - 1e-6
        if row["is_certain"]:
            assert steeper.any()
            assert flatter.any()


@cache
def random_truth(seed: int) -> BreakEvenMap:
    return map_prices(west_points(a_random_problem(seed)), 0.0, 3.0)


def a_random_problem(seed: int) -> PlacementProblem:
    return random_problem(np.random.default_rng(seed), 2)


def test_a_value_is_the_case_that_it_is_in_a_sweep() -> None:
    assert case_of("price.west", 0.5) == expand_cases([], [Sweep("price.west", (0.5, 1.0))])[0]
    values = (5.0, -5.0, 1e30, 1e-30, 0.5, 5e-7)
    assert len({case_of("costs.data_transfer_cny_per_gb", value).id for value in values}) == len(values)
    # An id has no letters of other alphabets: a hash tells provinces from each other, in a sweep and in a map.
    provinces = [f"price.province.{name}" for name in ("\u5185\u8499\u53e4", "\u7518\u8083")]
    swept = expand_cases([], [], [ParameterRange(key, 0.5, 2.0) for key in provinces])
    assert [case_of(key, value) for key in provinces for value in (0.5, 2.0)] == swept
    assert len({case.id for case in swept}) == len(swept)


def test_no_interval_is_lost_in_the_table() -> None:
    found = map_prices(west_points(two_places()), 0.5, 1.5)
    assert list(found.tables) == ["break_even_toy", "break_even_toy_points", "break_even_toy_solves"]
    assert all(isinstance(table, pd.DataFrame) for table in found.tables.values())
    again = BreakEvenMap.from_tables(found.stem, json.loads(json.dumps(found.facts())), found.tables.__getitem__)
    assert again.to_text() == found.to_text()

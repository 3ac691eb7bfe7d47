"""Price cases and price changes of a scenario: what they make of the prices of a problem, by numbers worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from network_files import Row
from price_toys import (
    EAST,
    HOURLY,
    WEST,
    Change,
    energy,
    faults_of,
    formula_tariffs,
    hours,
    with_changes,
    write_case,
    write_series,
)
from toy_scenario import ToyScenario

from network_data.tariffs import build_tariffs
from optimizer.problem.price_changes import move_period
from scenarios.price_changes import PeriodMove
from scenarios.price_parameters import overrides_of


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


# Energy prices


def test_toy_has_the_prices_that_these_tests_count_on(toy: ToyScenario) -> None:
    problem = with_changes(toy)
    assert hours(problem, EAST) == [300.0] * 8 + [600.0] * 16
    assert hours(problem, WEST) == [300.0] * 24


@pytest.mark.parametrize(
    ("change", "east", "west"),
    [
        (energy(scale=0.5, regions=["west"]), (300.0, 600.0), (150.0, 150.0)),
        (energy(scale=0.5, provinces=["Sunrise"]), (150.0, 300.0), (300.0, 300.0)),
        (energy(scale=0.5, data_centers=["dc_west"]), (300.0, 600.0), (150.0, 150.0)),
        (energy(scale=0.5, tariffs=["tariff_east"]), (150.0, 300.0), (300.0, 300.0)),
        (energy(add=-50, periods=["valley"]), (250.0, 600.0), (300.0, 300.0)),
        (energy(add=7, periods=["valley", "flat"]), (307.0, 600.0), (307.0, 307.0)),
        (energy(replace=444), (444.0, 444.0), (444.0, 444.0)),
        (energy(replace=0, hours="8-24", regions=["east"]), (300.0, 0.0), (300.0, 300.0)),
        (energy(add=-400, hours="0-8"), (-100.0, 600.0), (-100.0, 300.0)),  # a negative price of energy is a price
        (energy(scale=2, select="sunset"), (300.0, 600.0), (600.0, 600.0)),  # a province, spelled as an id
        (energy(scale=2, select="peak"), (300.0, 1200.0), (300.0, 300.0)),
        (energy(scale=2, select="dc_east", hours="0-8"), (600.0, 600.0), (300.0, 300.0)),
        (energy(scale=2, select="peak", regions=["east"]), (300.0, 1200.0), (300.0, 300.0)),
    ],
)
def test_a_change_acts_where_it_says(
    toy: ToyScenario, change: Change, east: tuple[float, float], west: tuple[float, float]
) -> None:
    problem = with_changes(toy, change)
    assert hours(problem, EAST) == [east[0]] * 8 + [east[1]] * 16
    assert hours(problem, WEST) == [west[0]] * 8 + [west[1]] * 16


def test_a_month_counts_with_its_days(toy: ToyScenario) -> None:
    """July's 31 days at 665 more: 665 x 31 / 365 = 56.479 more on the average day; half of it for half an hour."""
    problem = with_changes(toy, energy(add=665, months="7"), energy(add=665, months="7", hours="8.5-9"))
    more = 665 * 31 / 365
    expected = [300 + more] * 8 + [600 + 1.5 * more] + [600 + more] * 15
    assert hours(problem, EAST) == pytest.approx(expected, rel=1e-12)


def test_order_matters_where_it_should_and_not_where_it_should_not(toy: ToyScenario) -> None:
    scale, add, east = energy(scale=2, regions=["west"]), energy(add=100), energy(scale=3, regions=["east"])
    assert hours(with_changes(toy, scale, add), WEST) == [700.0] * 24
    assert hours(with_changes(toy, add, scale), WEST) == [800.0] * 24
    one, other = with_changes(toy, scale, east), with_changes(toy, east, scale)
    assert np.array_equal(one.energy_price_cny_per_mwh, other.energy_price_cny_per_mwh)
    assert hours(with_changes(toy, energy(add=1), energy(add=-41), energy(add=40)), EAST) == hours(toy(time=HOURLY), 0)


def test_factors_of_one_change_nothing_to_the_bit(toy: ToyScenario) -> None:
    point = {"price": 1.0, "price.west": 1.0, "demand_charge": 1.0, "token_price": 1.0}
    texts = [text.partition("=") for text in overrides_of(point)]
    before = toy(tables={"tariffs": formula_tariffs})
    changes = {key.removeprefix("price_changes."): json.loads(value) for key, _, value in texts}
    flat = {"flat": {"what": "flat_price", "scale": 1, "regions": ["east"]}}
    after = toy(tables={"tariffs": formula_tariffs}, price_changes=changes | flat)
    assert np.array_equal(after.energy_price_cny_per_mwh, before.energy_price_cny_per_mwh)
    assert after.data_centers.equals(before.data_centers)
    assert after.classes.equals(before.classes)


def test_days_are_grouped_before_the_change_so_that_cases_share_their_slices(toy: ToyScenario) -> None:
    """By the tariffs, July and August differ; the change makes January the odd one out, and must not split it off."""

    def summer(rows: list[Row]) -> list[Row]:
        east = [row | {"months": "9-6"} for row in rows[:2]]
        return [*east, *(row | {"months": "7-8", "price_cny_per_mwh": 900.0} for row in rows[:2]), rows[2]]

    time = {"seasons": 2, "slices_per_day": 2}
    tables = {"tariffs": summer}
    before = toy(time=time, tables=tables)
    after = toy(time=time, tables=tables, price_changes={"x": energy(add=5000, months="1")})
    assert list(after.slices["day"].unique()) == ["m9_6", "m7_8"]
    assert after.slices.equals(before.slices)
    more = after.energy_price_cny_per_mwh - before.energy_price_cny_per_mwh
    assert more[:2] == pytest.approx(5000 * 31 / 303)  # a month of the ten
    assert (more[2:] == 0).all()


# Tariff formula and the move of a period


@pytest.mark.parametrize(
    ("change", "peak", "flat", "valley"),
    [
        # 500 -> 600: x (1 - 0.8 + 0.8 x ratio) = 1.4, 1 and 0.6.
        ({"add": 100}, 840.0, 600.0, 360.0),
        ({"scale": 1.2}, 840.0, 600.0, 360.0),
        ({"replace": 600}, 840.0, 600.0, 360.0),
    ],
)
def test_a_flat_price_is_carried_to_each_period(
    toy: ToyScenario, change: Change, peak: float, flat: float, valley: float
) -> None:
    change = {"what": "flat_price", "regions": ["east"], **change}
    problem = with_changes(toy, change, tables={"tariffs": formula_tariffs})
    assert hours(problem, EAST) == pytest.approx([valley] * 8 + [flat] * 8 + [peak] * 8)


def test_flat_price_and_energy_price_compose_in_order(toy: ToyScenario) -> None:
    """Peak 700: doubled, then 1.4 x 100 for the flat price, 1540; the other way round (700 + 140) x 2 = 1680."""
    double = energy(scale=2, regions=["east"])
    flat = {"what": "flat_price", "add": 100, "regions": ["east"]}
    tables = {"tariffs": formula_tariffs}
    assert hours(with_changes(toy, double, flat, tables=tables), EAST)[23] == pytest.approx(1540)
    assert hours(with_changes(toy, flat, double, tables=tables), EAST)[23] == pytest.approx(1680)


def test_a_valley_moves_and_leaves_the_flat_price_behind(toy: ToyScenario) -> None:
    move = energy(move_period={"to_hours": "10-18"})
    problem = with_changes(toy, move, tables={"tariffs": formula_tariffs})
    # 0-8 flat, 8-10 flat as before, 10-18 valley (flat and peak before), 18-24 peak.
    assert hours(problem, EAST) == [500.0] * 10 + [300.0] * 8 + [700.0] * 6
    assert hours(problem, WEST) == [300.0] * 24


def test_a_valley_moves_with_its_name_and_its_formula(toy: ToyScenario) -> None:
    """After the move a change of the valley, and of the flat price, meets the new hours."""
    changes = (
        energy(move_period={"to_hours": "10-18"}),
        energy(add=1, periods=["valley"]),
        {"what": "flat_price", "add": 100, "regions": ["east"]},
    )
    problem = with_changes(toy, *changes, tables={"tariffs": formula_tariffs})
    assert hours(problem, EAST) == pytest.approx([600.0] * 10 + [361.0] * 8 + [840.0] * 6)


def test_a_valley_moves_and_the_mean_of_the_day_stays(toy: ToyScenario) -> None:
    """Mean 500 before; 10 x 500 + 8 x 300 + 6 x 700 = 11,600 after, or 483.33: 16.67 more in every hour."""
    move = energy(move_period={"to_hours": "10-18", "keep_mean": True})
    problem = with_changes(toy, move, tables={"tariffs": formula_tariffs})
    assert hours(problem, EAST) == pytest.approx([500 + 50 / 3] * 10 + [300 + 50 / 3] * 8 + [700 + 50 / 3] * 6)


def test_a_valley_in_part_deep_moves_at_its_mean_price() -> None:
    """4 h at 300 and 2 h at 150: 250 where they go; months without a valley stay as they are."""
    rows = [
        ("7", "valley", "0-4", 300.0),
        ("7", "deep_valley", "4-6", 150.0),
        ("7", "flat", "6-24", 500.0),
        ("8-6", "flat", "0-24", 480.0),
    ]
    table = pd.DataFrame(rows, columns=["months", "period", "hours", "price_cny_per_mwh"]).assign(tariff="t")
    tariff = build_tariffs(table)["t"]
    moved = move_period(tariff, PeriodMove(to_hours="5.5-7"), np.ones(12, np.bool_))
    july = moved.price_cny_per_mwh[6]
    assert july.tolist() == [500.0] * 11 + [250.0] * 3 + [500.0] * 34
    assert moved.period[6].tolist() == ["flat"] * 11 + ["valley"] * 3 + ["flat"] * 34
    assert (moved.price_cny_per_mwh[:6] == 480).all()
    other = move_period(tariff, PeriodMove(to_hours="5.5-7"), np.arange(12) != 6)
    assert np.array_equal(other.price_cny_per_mwh, tariff.price_cny_per_mwh)


# Other prices


def test_demand_charge_carbon_and_token_prices_change(toy: ToyScenario) -> None:
    problem = with_changes(
        toy,
        {"what": "demand_charge", "scale": 2},
        {"what": "demand_charge", "add": 5, "regions": ["west"]},
        {"what": "carbon_price", "add": 60},
        {"what": "carbon_price", "scale": 1.5},
        {"what": "token_price", "scale": 0.5, "workload_classes": ["chat"]},
        costs={"carbon_price_cny_per_t": 40},
    )
    assert problem.data_centers["demand_charge_cny_per_kw_month"].tolist() == [80.0, 5.0]
    assert problem.carbon_price_cny_per_t == 150.0
    # 1 % of the revenue per 100 ms, 3 calls, 2 CNY per million tokens: 6e-4 before.
    assert problem.classes.set_index("id")["latency_cny_per_ms_per_mtok"]["chat"] == pytest.approx(3e-4)
    assert toy().classes.set_index("id")["latency_cny_per_ms_per_mtok"]["chat"] == pytest.approx(6e-4)


# Price cases: files


def test_cases_come_in_order_and_the_scenarios_own_changes_last(toy: ToyScenario) -> None:
    cases = [
        write_case(toy.folder, "double", {"x": energy(scale=2)}),
        write_case(toy.folder, "more", {"x": energy(add=100)}),
    ]
    own = energy(scale=10, hours="0-1")
    assert hours(with_changes(toy, own, price_cases=cases), WEST) == [7000.0] + [700.0] * 23
    assert hours(with_changes(toy, own, price_cases=cases[::-1]), WEST) == [8000.0] + [800.0] * 23


def test_a_series_of_a_case_replaces_and_composes_with_later_changes(toy: ToyScenario) -> None:
    table = write_series(toy.folder, tariff_east=[10.0 * hour for hour in range(24)])
    early = write_case(toy.folder, "early", {"x": energy(add=1000)})
    spot = write_case(toy.folder, "spot", {"x": energy(scale=2, hours="12-24")}, hourly_series_table=table)
    problem = with_changes(toy, energy(add=1), price_cases=[early, spot])
    assert hours(problem, EAST) == [10.0 * hour * (1 + (hour >= 12)) + 1 for hour in range(24)]
    assert hours(problem, WEST) == [1301.0] * 12 + [2601.0] * 12


def test_a_series_has_no_periods_and_no_formula(toy: ToyScenario) -> None:
    case = write_case(
        toy.folder, "spot", {}, hourly_series_table=write_series(toy.folder, dc_east=[100.0] * 24, dc_west=[100.0] * 24)
    )
    period, flat, move = faults_of(
        toy,
        energy(scale=2, periods=["peak"]),
        {"what": "flat_price", "add": 1},
        energy(move_period={"to_hours": "10-18"}),
        price_cases=[case],
    )
    assert (period.column, period.value) == ("price_changes.change_0.periods", "peak")
    assert "no formula" in flat.problem
    assert "no selected data center has a tariff with the period" in move.problem


def test_changes_act_on_a_series_of_the_scenario_too(toy: ToyScenario) -> None:
    """10 a weekday hour and 24 a weekend hour: a mean of 14 over a week; tripled in the evening."""
    times = pd.date_range("2025-01-01", "2026-01-01", freq="h", inclusive="left")
    table = pd.DataFrame({"time": times, "dc_west": np.where(times.day_of_week >= 5, 24.0, 10.0)})
    table.to_parquet(toy.folder / "own.parquet", index=False)
    time = {"slices_per_day": 2, "weekends": True}
    problem = with_changes(
        toy, energy(scale=3, hours="18-24", regions=["west"]), price_series_table="own.parquet", time=time
    )
    assert list(problem.slices["day"].unique()) == ["year_weekday", "year_weekend"]
    assert problem.energy_price_cny_per_mwh[:, WEST] == pytest.approx([10, 20, 24, 48])


def test_a_price_rests_on_what_changed_it(toy: ToyScenario) -> None:
    def reported(rows: list[Row]) -> list[Row]:
        return [row | {"confidence": "reported"} for row in rows]

    def kinds(*changes: Change, **keys: Any) -> list[str]:
        problem = with_changes(toy, *changes, tables={"tariffs": reported, "data_centers": reported}, **keys)
        return problem.data_centers["price_confidence"].tolist()

    assert kinds() == ["reported", "reported"]
    assert kinds(energy(scale=2, regions=["west"])) == ["reported", "estimate"]
    assert kinds(energy(scale=2, regions=["west"], confidence="official")) == ["reported", "reported"]
    assert kinds(energy(scale=1)) == ["reported", "reported"]  # nothing is changed
    guess = write_case(toy.folder, "guess", {"x": energy(add=5, hours="3-4")}, confidence="estimate")
    told = write_case(toy.folder, "told", {"x": energy(replace=400)}, confidence="reported")
    assert kinds(price_cases=[guess]) == ["estimate", "estimate"]
    assert kinds(price_cases=[guess, told]) == ["reported", "reported"]  # nothing is left of the guess
    assert kinds(price_cases=[told, guess]) == ["estimate", "estimate"]
    charge = with_changes(
        toy, {"what": "demand_charge", "scale": 2}, tables={"tariffs": reported, "data_centers": reported}
    )
    assert charge.data_centers["demand_charge_confidence"].tolist() == ["estimate", "reported"]  # 2 x 0 is 0
    assert charge.data_centers["price_confidence"].tolist() == ["reported", "reported"]


# Names of provinces, and tariffs that nobody pays


def in_ningxia(rows: list[Row]) -> list[Row]:
    return [{**row, "province": "Ningxia"} if row["id"] == "dc_west" else row for row in rows]


@pytest.mark.parametrize("name", ["宁夏", "宁夏回族自治区", "ningxia"])
def test_province_is_selected_by_its_chinese_name(toy: ToyScenario, name: str) -> None:
    tables = {"data_centers": in_ningxia}
    for change in (energy(scale=2, provinces=[name]), energy(scale=2, select=name)):
        assert hours(with_changes(toy, change, tables=tables), WEST) == [600.0] * 24
    assert overrides_of({f"price.{name}": 2.0})[0].endswith(f'"scale": 2, "select": "{name}"}}')


def test_tariff_that_nobody_pays_is_told_what_is_paid_there_and_where_it_stands(toy: ToyScenario) -> None:
    def with_provincial(rows: list[Row]) -> list[Row]:
        provincial = {**rows[2], "tariff": "ningxia", "province": "Ningxia"}
        return [rows[0], rows[1], provincial, {**rows[2], "province": "Ningxia"}]

    tables = {"data_centers": in_ningxia, "tariffs": with_provincial}
    (fault,) = faults_of(toy, energy(scale=2, tariffs=["ningxia"]), tables=tables)
    assert (fault.problem, fault.value) == ("no data center pays this tariff", "ningxia")
    assert fault.remedy == (
        "In Ningxia, dc_west pays tariff_west (rows 5), while ningxia stands in rows 4 of the tariffs and is billed "
        "nowhere. Write tariffs: [tariff_west], or provinces: [Ningxia]."
    )

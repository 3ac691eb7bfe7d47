"""Tariff calendars: reading months and hours, covering the year exactly once, hourly prices."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_files import write_toy_network

from network_data import InputError, load_network
from network_data.tariffs import (
    CalendarRow,
    Tariff,
    build_tariffs,
    check_calendar,
    hourly_prices,
    parse_hours,
    parse_months,
)


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("7", (7,)),
        ("7-8", (7, 8)),
        ("3-5;9-11", (3, 4, 5, 9, 10, 11)),
        ("12-1", (1, 12)),
        ("11-2; 6", (1, 2, 6, 11, 12)),
        ("1-12", tuple(range(1, 13))),
        ("7-6", tuple(range(1, 13))),
    ],
)
def test_months_are_read_and_wrap_over_the_new_year(text: str, months: tuple[int, ...]) -> None:
    assert parse_months(text) == months


@pytest.mark.parametrize("text", ["", "0", "13", "1-13", "1,2", "1;;2", "1-3;3", "jan", "1.5", "-1", "1-2-3", "\uff11"])
def test_bad_months_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"month|outside"):
        parse_months(text)


@pytest.mark.parametrize(
    ("text", "half_hours"),
    [
        ("0-24", tuple(range(48))),
        ("14-15;19.5-21.5", (28, 29, 39, 40, 41, 42)),
        ("0.5-1", (1,)),
        ("23.5-0.5", (0, 47)),
        ("22-0", (44, 45, 46, 47)),
        ("7.0-8", (14, 15)),
    ],
)
def test_hours_are_read_by_halves_and_wrap_over_midnight(text: str, half_hours: tuple[int, ...]) -> None:
    assert parse_hours(text) == half_hours


@pytest.mark.parametrize("text", ["", "8", "8-8", "24-6", "8-24.5", "8-9.25", "8-10;9-11", "8:00-9:00", "-1-3"])
def test_bad_hours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hour|outside|empty"):
        parse_hours(text)


def calendar(*rows: tuple[int, str, str]) -> list[CalendarRow]:
    return [CalendarRow(row, parse_months(months), parse_hours(hours)) for row, months, hours in rows]


def test_full_cover_has_no_fault() -> None:
    assert not check_calendar(calendar((2, "12-1", "0-24"), (3, "2-11", "0-7.5"), (4, "2-11", "7.5-24")))


def test_gap_names_its_months_and_hours() -> None:
    (gap,) = check_calendar(calendar((2, "1-12", "0-8.5"), (3, "1-12", "10-24")))
    assert (gap.months, gap.hours, gap.rows) == ("1-12", "8.5-10", ())


def test_missing_month_is_a_gap_of_a_day() -> None:
    (gap,) = check_calendar(calendar((2, "3-12;1", "0-24")))
    assert (gap.months, gap.hours) == ("2", "0-24")


def test_overlap_names_the_rows_and_months_where_it_happens() -> None:
    (overlap,) = check_calendar(calendar((2, "1-12", "0-24"), (9, "7-8;12", "19.5-20")))
    assert (overlap.months, overlap.hours, overlap.rows) == ("7-8;12", "19.5-20", (2, 9))


def test_overlap_of_three_rows_is_split_where_the_rows_change() -> None:
    faults = check_calendar(calendar((2, "1-12", "0-24"), (3, "1", "6-9"), (4, "1", "8-10")))
    assert [(fault.hours, fault.rows) for fault in faults] == [
        ("6-8", (2, 3)), ("8-9", (2, 3, 4)), ("9-10", (2, 4))
    ]  # fmt: skip


def tariff_table(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["tariff", "months", "hours", "price_cny_per_mwh"])


def test_prices_by_month_and_hour_average_the_half_hours() -> None:
    prices = hourly_prices(
        tariff_table(
            ("two", "12-2", "0-24", 500.0),
            ("two", "3-11", "0-19.5", 300.0),
            ("two", "3-11", "19.5-24", 900.0),
            ("spot", "1-12", "0-24", -50.0),
        )
    )
    assert list(prices) == ["two", "spot"]
    assert prices["two"].shape == (12, 24)
    assert (prices["two"][[0, 1, 11]] == 500.0).all()
    assert prices["two"][2, 18] == 300.0
    assert prices["two"][2, 19] == (300.0 + 900.0) / 2
    assert prices["two"][10, 20] == 900.0
    assert (prices["spot"] == -50.0).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", "1-12", "0-23", 1.0)], "gaps or overlaps: months 1-12 hours 23-24"),
        ([("a", "1-12", "0-24", 1.0), ("a", "1", "0-1", 1.0)], "months 1 hours 0-1"),
        ([("a", "1-12", "0-24", np.nan)], "not finite"),
        ([("a", "1-12", "0-24", np.inf)], "not finite"),
    ],
)
def test_prices_refuse_what_is_not_a_full_year(rows: list[tuple[str, str, str, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hourly_prices(tariff_table(*rows))


@given(st.lists(st.integers(1, 47), min_size=2, max_size=6, unique=True).map(sorted), st.integers(1, 12))
def test_any_cut_of_the_day_covers_it_and_keeps_the_mean(cuts: list[int], first_month: int) -> None:
    edges = [*cuts, cuts[0] + 48]
    periods = [(f"{start / 2:g}-{(end - 1) % 48 / 2 + 0.5:g}", end - start) for start, end in itertools.pairwise(edges)]
    season = f"{first_month}-{(first_month + 4) % 12 + 1}"
    others = f"{(first_month + 5) % 12 + 1}-{(first_month - 2) % 12 + 1}"
    rows = [("a", season, hours, 100.0 * at) for at, (hours, _) in enumerate(periods)]
    prices = hourly_prices(tariff_table(*rows, ("a", others, "0-24", 7.0)))["a"]
    mean = sum(100.0 * at * length for at, (_, length) in enumerate(periods)) / 48
    assert prices[first_month - 1].mean() == pytest.approx(mean)
    assert (prices == 7.0).all(axis=1).sum() >= 6


# The tariff as an object


def winter_tariff() -> Tariff:
    """Flat 600, of which 0.9 floats; winter evenings are sharp from 17:30, nights are at 0.4 all year."""
    rows = [
        ("w", "12-2", "17.5-21", "sharp", 2.0),
        ("w", "12-2", "6-17.5;21-24", "flat", 1.0),
        ("w", "3-11", "6-24", "flat", 1.0),
        ("w", "1-12", "0-6", "valley", 0.4),
    ]
    table = pd.DataFrame(rows, columns=["tariff", "months", "hours", "period", "multiplier_vs_flat"])
    table = table.assign(flat_price_cny_per_mwh=600.0, floating_share=0.9)
    table["price_cny_per_mwh"] = (600.0 * (0.1 + 0.9 * table["multiplier_vs_flat"])).round(0)
    return build_tariffs(table)["w"]


def test_tariff_has_periods_by_month_and_half_hour() -> None:
    tariff = winter_tariff()
    assert tariff.periods == ("sharp", "flat", "valley")
    january, july = 0, 6
    assert tariff.period[january, 34:37].tolist() == ["flat", "sharp", "sharp"]  # 17:00, 17:30, 18:00
    assert tariff.period[july, 35] == "flat"
    assert tariff.price_cny_per_mwh[january, 35] == 1140.0  # 600 x (0.1 + 0.9 x 2)
    assert tariff.hourly_price_cny_per_mwh.shape == (12, 24)
    assert tariff.hourly_price_cny_per_mwh[january, 17] == (600.0 + 1140.0) / 2
    assert tariff.hourly_price_cny_per_mwh[july, 3] == 276.0  # 600 x (0.1 + 0.9 x 0.4)
    assert tariff.has_formula


def test_new_flat_price_reaches_every_period_through_the_floating_share() -> None:
    """500 flat: sharp 500 x 1.9 = 950, valley 500 x 0.46 = 230."""
    cheaper = winter_tariff().repriced(flat_price_cny_per_mwh=500.0)
    assert cheaper.hourly_price_cny_per_mwh[0, [3, 12, 18]] == pytest.approx([230.0, 500.0, 950.0])
    assert (cheaper.floating_share == 0.9).all()
    assert cheaper.periods == ("sharp", "flat", "valley")


def test_share_multiplier_and_months_can_change_alone() -> None:
    tariff = winter_tariff()
    # Nothing floats: all hours are at the flat price.
    assert tariff.repriced(floating_share=0.0).price_cny_per_mwh == pytest.approx(np.full((12, 48), 600.0))
    twice = np.where(tariff.period == "sharp", 3.0, tariff.multiplier_vs_flat)
    assert tariff.repriced(multiplier_vs_flat=twice).price_cny_per_mwh[0, 36] == pytest.approx(600.0 * (0.1 + 2.7))
    january = np.where(np.arange(12)[:, None] == 0, 2.0, 1.0)
    scaled = tariff.with_flat_price_scaled(january)
    assert scaled.price_cny_per_mwh[0] == pytest.approx(2.0 * tariff.price_cny_per_mwh[0])
    assert (scaled.price_cny_per_mwh[1:] == tariff.price_cny_per_mwh[1:]).all()


def test_same_numbers_change_nothing_and_rounding_stays() -> None:
    rows = [("a", "1-12", "0-24", 533.3)]
    table = tariff_table(*rows).assign(flat_price_cny_per_mwh=1000.0, floating_share=1.0, multiplier_vs_flat=8 / 15)
    tariff = build_tariffs(table)["a"]
    assert (tariff.with_flat_price_scaled(1.0).price_cny_per_mwh == tariff.price_cny_per_mwh).all()
    rounding = 533.3 - 1000.0 * 8 / 15
    doubled = tariff.with_flat_price_scaled(2.0).price_cny_per_mwh
    assert doubled == pytest.approx(np.full((12, 48), 2000.0 * 8 / 15 + rounding))


def test_flat_tariff_needs_no_multiplier() -> None:
    table = tariff_table(("dc", "1-12", "0-24", 350.0)).assign(
        flat_price_cny_per_mwh=350.0, floating_share=0.0, multiplier_vs_flat=np.nan
    )
    tariff = build_tariffs(table)["dc"]
    assert tariff.has_formula
    assert (tariff.with_flat_price_scaled(0.8).price_cny_per_mwh == 280.0).all()


def test_tariff_without_a_formula_is_not_repriced() -> None:
    tariff = build_tariffs(tariff_table(("a", "1-12", "0-24", 500.0)))["a"]
    assert not tariff.has_formula
    with pytest.raises(ValueError, match="tariff 'a' gives no flat price"):
        tariff.repriced(flat_price_cny_per_mwh=400.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flat_price_cny_per_mwh": np.nan}, "not finite"),
        ({"multiplier_vs_flat": np.inf}, "not finite"),
        ({"floating_share": 1.1}, "outside 0 to 1"),
        ({"floating_share": -0.1}, "outside 0 to 1"),
    ],
)
def test_repricing_refuses_numbers_that_are_none(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        winter_tariff().repriced(**change)


def test_every_built_in_tariff_follows_its_formula() -> None:
    tariffs = build_tariffs(load_network("china_2026").tariffs)
    assert len(tariffs) == 42
    for tariff in tariffs.values():
        assert tariff.has_formula, tariff.id
        # Prices are posted to a tenth of a yuan, some multipliers to two digits.
        assert tariff.formula_price_cny_per_mwh == pytest.approx(tariff.price_cny_per_mwh, abs=0.06), tariff.id
        assert tariff.with_flat_price_scaled(1.1).price_cny_per_mwh == pytest.approx(
            1.1 * tariff.price_cny_per_mwh, abs=0.01
        )


@pytest.mark.parametrize(
    ("cells", "is_fault"),
    [
        ({"price_cny_per_mwh": 1140.0}, False),
        ({"price_cny_per_mwh": 1150.0}, False),  # 0.9 % off
        ({"price_cny_per_mwh": 1152.0}, True),  # 1.05 % off
        ({"price_cny_per_mwh": 1128.0}, True),
        ({"price_cny_per_mwh": 1140.0, "floating_share": 0.5}, True),
        ({"price_cny_per_mwh": 800.0, "multiplier_vs_flat": ""}, False),  # no formula is claimed
        ({"price_cny_per_mwh": 606.0, "multiplier_vs_flat": "", "floating_share": 0}, False),
        ({"price_cny_per_mwh": 607.0, "multiplier_vs_flat": "", "floating_share": 0}, True),
        ({"price_cny_per_mwh": 30.4, "flat_price_cny_per_mwh": 15.8}, False),  # 1.3 % of little is rounding
    ],
)
def test_price_against_its_own_formula(tmp_path: Path, cells: dict[str, object], is_fault: bool) -> None:  # noqa: FBT001
    formula = {"flat_price_cny_per_mwh": 600.0, "floating_share": 0.9, "multiplier_vs_flat": 2.0}
    folder = write_toy_network(tmp_path, tariffs=lambda rows: [*rows[:2], {**rows[2], **formula, **cells}])
    if not is_fault:
        load_network(folder)
        return
    with pytest.raises(InputError) as caught:
        load_network(folder)
    (fault,) = caught.value.faults
    assert (fault.file, fault.row, fault.column) == ("tariffs.csv", 4, "price_cny_per_mwh")
    assert "flat price, floating share and multiplier of the row give" in fault.problem

"""Tariff calendars: reading months and hours, covering the year exactly once, hourly prices."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_data.tariffs import CalendarRow, check_calendar, hourly_prices, parse_hours, parse_months


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

"""Months and hours of the year: how tables write them, and whether rows cover the year exactly once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from network_data.faults import quote_value

MONTHS_PER_YEAR = 12
HOURS_PER_DAY = 24
HALF_HOURS_PER_DAY = 48
# Of a year of 365 days.
DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MONTH_RANGE = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?", re.ASCII)
HOUR_RANGE = re.compile(r"(\d{1,2}(?:\.[05])?)-(\d{1,2}(?:\.[05])?)", re.ASCII)


@dataclass(frozen=True)
class CalendarRow:
    """
    One row of a tariff, ready to be laid on the calendar.

    Attributes
    ----------
    row : int
        Line in the file, or any label that the caller can point to.
    months : tuple of int
        Months 1 to 12.
    half_hours : tuple of int
        Half hours 0 to 47 of the day.
    """

    row: int
    months: tuple[int, ...]
    half_hours: tuple[int, ...]


@dataclass(frozen=True)
class CalendarFault:
    """
    A stretch of the year that a tariff covers not at all or more than once.

    Attributes
    ----------
    months : str
        Months concerned, e.g. `3-5;9`.
    hours : str
        Hours concerned, e.g. `8-10.5`.
    rows : tuple of int
        Rows that overlap there; empty for a gap.
    """

    months: str
    hours: str
    rows: tuple[int, ...]


def parse_months(text: str) -> tuple[int, ...]:
    """
    Read months such as `7-8`, `2;6`, `3-5;9-11` or `12-1` (over the new year).

    Parameters
    ----------
    text
        Months and ranges of months, separated by semicolons.

    Returns
    -------
    tuple of int
        Months 1 to 12, ascending.

    Raises
    ------
    ValueError
        If a part is no month or range, or a month comes twice.

    Examples
    --------
    >>> parse_months("12-2;6")
    (1, 2, 6, 12)
    """
    found: list[int] = []
    for part in text.split(";"):
        match = MONTH_RANGE.fullmatch(part.strip())
        if not match:
            raise ValueError(f"{quote_value(part.strip())} is no month or range of months")
        first, last = int(match[1]), int(match[2] or match[1])
        if not (1 <= first <= MONTHS_PER_YEAR and 1 <= last <= MONTHS_PER_YEAR):
            raise ValueError(f"{quote_value(part.strip())} lies outside 1 to {MONTHS_PER_YEAR}")
        count = (last - first) % MONTHS_PER_YEAR + 1
        found += [(first - 1 + step) % MONTHS_PER_YEAR + 1 for step in range(count)]
    return _distinct(found, "month")


def parse_hours(text: str) -> tuple[int, ...]:
    """
    Read hours of the day such as `0-24`, `14-15;19.5-21.5` or `22-6` (over midnight).

    Parameters
    ----------
    text
        Ranges of hours with optional halves, separated by semicolons.

    Returns
    -------
    tuple of int
        Half hours 0 (from 0:00) to 47 (from 23:30), ascending.

    Raises
    ------
    ValueError
        If a part is no range of hours, or an hour comes twice.

    Examples
    --------
    >>> parse_hours("0-1;23.5-24")
    (0, 1, 47)
    """
    found: list[int] = []
    for part in text.split(";"):
        match = HOUR_RANGE.fullmatch(part.strip())
        if not match:
            raise ValueError(f"{quote_value(part.strip())} is no range of hours")
        first, last = round(2 * float(match[1])), round(2 * float(match[2]))
        if first >= HALF_HOURS_PER_DAY or last > HALF_HOURS_PER_DAY:
            raise ValueError(f"{quote_value(part.strip())} lies outside 0 to {HOURS_PER_DAY}")
        if first == last:
            raise ValueError(f"{quote_value(part.strip())} is empty")
        end = last if last > first else last + HALF_HOURS_PER_DAY
        found += [half_hour % HALF_HOURS_PER_DAY for half_hour in range(first, end)]
    return _distinct(found, "half hour")


def format_months(months: Iterable[int]) -> str:
    """
    Write months as tables do, a range over the new year in one piece: the inverse of `parse_months`.

    Parameters
    ----------
    months
        Months 1 to 12, in any order.

    Returns
    -------
    str
        Such as `12-2;6`, ordered by the month a range begins with, where one over the new year comes first.

    Examples
    --------
    >>> format_months({1, 2, 6, 12})
    '12-2;6'
    """
    chosen = set(months)
    if len(chosen) == MONTHS_PER_YEAR:
        return f"1-{MONTHS_PER_YEAR}"
    before = {month: (month - 2) % MONTHS_PER_YEAR + 1 for month in chosen}
    ranges = []
    for first in (month for month in chosen if before[month] not in chosen):
        last = first
        while last % MONTHS_PER_YEAR + 1 in chosen:
            last = last % MONTHS_PER_YEAR + 1
        ranges.append((0 if last < first else first, str(first) if first == last else f"{first}-{last}"))
    return ";".join(text for _, text in sorted(ranges))


def check_calendar(rows: Sequence[CalendarRow]) -> list[CalendarFault]:
    """
    Find the gaps and overlaps of one tariff over 12 months of 48 half hours.

    Parameters
    ----------
    rows
        The tariff's rows.

    Returns
    -------
    list of CalendarFault
        One entry per stretch of hours with the same rows; equal stretches of several months are one entry.
    """
    faulty_months: dict[tuple[int, int, tuple[int, ...]], list[int]] = {}
    for month in range(1, MONTHS_PER_YEAR + 1):
        cover: list[tuple[int, ...]] = [()] * HALF_HOURS_PER_DAY
        for row in rows:
            if month in row.months:
                for half_hour in row.half_hours:
                    cover[half_hour] += (row.row,)
        for first, last in _stretches(cover):
            if len(cover[first]) != 1:
                faulty_months.setdefault((first, last, cover[first]), []).append(month)
    return [
        CalendarFault(_spell_months(months), f"{first / 2:g}-{last / 2:g}", rows_there)
        for (first, last, rows_there), months in faulty_months.items()
    ]


def _distinct(numbers: list[int], noun: str) -> tuple[int, ...]:
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"names a {noun} twice")
    return tuple(sorted(numbers))


def _stretches(cover: Sequence[tuple[int, ...]]) -> Iterable[tuple[int, int]]:
    start = 0
    for at in range(1, len(cover) + 1):
        if at == len(cover) or cover[at] != cover[start]:
            yield start, at
            start = at


def _spell_months(months: Sequence[int]) -> str:
    parts: list[list[int]] = []
    for month in months:
        if parts and month == parts[-1][-1] + 1:
            parts[-1].append(month)
        else:
            parts.append([month])
    return ";".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)

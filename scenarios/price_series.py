"""Read an hourly series of energy prices for one year."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from network_data.csv_text import RawTable
from network_data.faults import FaultList
from network_data.read import read_raw
from network_data.schema import ID_PATTERN, Attribute, CellError
from network_data.tariffs import HOURS_PER_DAY

TIME = "time"
HOURS_PER_YEAR = (8760, 8784)
HOUR = timedelta(hours=1)
YEARS = range(1900, 2201)
# A year without a price as high as this is in another unit (CNY per kWh), unless all of it is zero.
LOWEST_PEAK_CNY_PER_MWH = 5.0


class PriceSeries(NamedTuple):
    """
    Hourly energy prices of one year, in CNY per MWh, by the id of the tariff or data center that they replace.

    `dates` are the days of the series; `columns` hold 24 prices for each, may be negative.
    """

    path: Path
    dates: tuple[date, ...]
    columns: dict[str, tuple[float, ...]]


def read_price_series(path: Path, faults: FaultList) -> tuple[PriceSeries | None, str]:
    """
    Read and check an hourly series.

    Parameters
    ----------
    path
        CSV or Parquet file with column time (local hours in ISO form such as 2025-01-01T00:00, one year without a
        gap) and one column of prices, CNY per MWh, for each tariff or data center that it replaces.
    faults
        Receives what is wrong. Whether the network knows the ids is checked when it is known.

    Returns
    -------
    PriceSeries or None
        None if a fault was found.
    str
        SHA-256 of the file's bytes; empty if it cannot be read.
    """
    before = len(faults)
    raw = read_raw(path, faults)
    if raw is None:
        return None, ""
    if _check_header(path, raw, faults):
        times = _read_times(path, raw, faults)
        names = [name for name in raw.header if name != TIME]
        columns = {name: _read_prices(path, raw, name, faults) for name in names}
        if len(faults) == before:
            days = tuple(time.date() for time in times[::HOURS_PER_DAY])
            return PriceSeries(path, days, columns), raw.sha256
    return None, raw.sha256


def _check_header(path: Path, raw: RawTable, faults: FaultList) -> bool:
    """Record what is wrong with the names of the columns; False if the rest cannot be read."""
    if not raw.header:
        faults.add(
            path.name, "the file is empty", "Give a header with time and the ids of tariffs.", row=raw.header_row
        )
        return False
    usable = True
    if TIME not in raw.header:
        remedy = "Add it: local hours such as 2025-01-01T00:00."
        faults.add(path.name, "the required column is missing", remedy, row=raw.header_row, column=TIME)
        usable = False
    if not any(name != TIME for name in raw.header):
        remedy = "Add a column named after each tariff or data center to replace."
        faults.add(path.name, "the table has no column of prices", remedy, row=raw.header_row)
    for at, name in enumerate(raw.header):
        if name in raw.header[:at]:
            faults.add(path.name, "the column is there twice", "Remove one of them.", row=raw.header_row, column=name)
            usable = False
        elif not ID_PATTERN.fullmatch(name):
            remedy = "Name it after a tariff or data center: lower-case letters a-z, digits and underscores."
            faults.add(path.name, "the name of the column is not a valid id", remedy, row=raw.header_row, column=name)
    return usable


def _read_times(path: Path, raw: RawTable, faults: FaultList) -> list[datetime]:
    """Read the times; record those that cannot be read, gaps, and a series that is not one whole year."""
    at = raw.header.index(TIME)
    times: list[datetime] = []
    unreadable = 0
    previous: datetime | None = None
    for row, cells in zip(raw.rows, raw.cells, strict=True):
        time = _read_time(path, cells[at], row, faults)
        if time is None:
            unreadable += 1
            previous = None
            continue
        if previous is not None and time - previous != HOUR:
            _record_step(path, previous, time, row, faults)
        times.append(time)
        previous = time
    if unreadable or not times:
        if not raw.rows:
            faults.add(path.name, "the table has no rows", "Give one row for each hour of a year.")
        return times
    first, count = times[0], len(raw.rows)
    if first.hour:
        problem = f"the series begins at {first.isoformat(timespec='minutes')}, not at midnight"
        faults.add(path.name, problem, "Begin at 00:00 of any day.", row=raw.rows[0], column=TIME)
    elif count not in HOURS_PER_YEAR or times[-1] + HOUR != _year_later(first):
        problem = f"the series has {count} hours and ends at {times[-1].isoformat(timespec='minutes')}"
        remedy = f"Give one whole year: up to {(_year_later(first) - HOUR).isoformat(timespec='minutes')}."
        faults.add(path.name, problem, remedy, row=raw.rows[-1], column=TIME)
    return times


def _read_time(path: Path, text: str, row: int, faults: FaultList) -> datetime | None:
    problem, remedy = "", "Write local hours such as 2025-01-01T00:00."
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        problem = "is not a time" if text else "the cell is blank"
    else:
        if time.tzinfo is not None:
            problem, remedy = "has an offset from UTC", "Write local time, without an offset."
        elif time.year not in YEARS:
            problem = f"lies outside the years {YEARS.start} to {YEARS.stop - 1}"
        elif time != time.replace(minute=0, second=0, microsecond=0):
            problem = "is not a full hour"
        else:
            return time
    faults.add(path.name, problem, remedy, row=row, column=TIME, value=text or None)
    return None


def _record_step(path: Path, previous: datetime, time: datetime, row: int, faults: FaultList) -> None:
    if time > previous:
        missing = round((time - previous) / HOUR) - 1
        first = (previous + HOUR).isoformat(timespec="minutes")
        last = (time - HOUR).isoformat(timespec="minutes")
        hours = f"the hour {first} is" if missing == 1 else f"{missing} hours from {first} to {last} are"
        faults.add(path.name, f"{hours} missing before this row", "Add a row for each hour.", row=row, column=TIME)
    else:
        what = "the hour is there twice" if time == previous else "the hour is earlier than that of the row before"
        remedy = "Give every hour once, in ascending order, without summer time."
        faults.add(path.name, what, remedy, row=row, column=TIME, value=time.isoformat(timespec="minutes"))


def _year_later(first: datetime) -> datetime:
    try:
        return first.replace(year=first.year + 1)
    except ValueError:  # begins on 29 February
        return first.replace(year=first.year + 1, month=3, day=1)


def _read_prices(path: Path, raw: RawTable, name: str, faults: FaultList) -> tuple[float, ...]:
    at = raw.header.index(name)
    attribute = Attribute(
        table="",
        name=name,
        kind="float",
        choices=(),
        target=None,
        unit="CNY per MWh",
        minimum=-math.inf,
        maximum=math.inf,
        exclusive_minimum=False,
        default="",
        required=True,
        description="energy price",
    )
    values: list[float] = []
    for row, cells in zip(raw.rows, raw.cells, strict=True):
        if not cells[at]:
            remedy = "Fill in the price of the hour."
            faults.add(path.name, "the cell is blank", remedy, row=row, column=name)
            continue
        try:
            values.append(float(attribute.parse(cells[at])))
        except CellError as error:
            faults.add(path.name, error.problem, error.remedy, row=row, column=name, value=cells[at])
    highest = max(map(abs, values), default=0.0)
    if 0 < highest < LOWEST_PEAK_CNY_PER_MWH:
        problem = f"no price is further from 0 than {highest:g} CNY per MWh"
        faults.add(path.name, problem, "Give CNY per MWh: 1 CNY per kWh is 1000.", row=1, column=name)
    return tuple(values)

"""
Time zones: how far the clock of a place is ahead of another's, and hourly curves moved from one clock to another.

A zone counts with its standard time all year. Summer time is left out on purpose: where all zones of a network change
their clocks together, as in Europe, it moves every curve alike. Where only some do, their curves are an hour late in
summer.
"""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
from numpy.typing import ArrayLike, NDArray

from network_data.faults import suggest

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.ASCII)
_FARTHEST_H = 14.0
# Clocks all over the world differ by quarters of an hour at the least.
_STEPS_PER_HOUR = 4
_HOURS_PER_DAY = 24
# Summer time is in force in one of the two months at the most.
_WINTER_AND_SUMMER = (datetime(2025, 1, 15, tzinfo=UTC), datetime(2025, 7, 15, tzinfo=UTC))


@functools.cache
def standard_offset_h(zone: str) -> float:
    """
    Find how many hours the standard time of a zone is ahead of UTC.

    Parameters
    ----------
    zone
        Name in the IANA database (`Europe/Paris`), or an offset (`UTC+1`, `+05:30`, `UTC`).

    Raises
    ------
    ValueError
        If it is neither; its two arguments are what is wrong and what to do.

    Examples
    --------
    >>> standard_offset_h("Europe/Paris"), standard_offset_h("+05:30"), standard_offset_h("America/New_York")
    (1.0, 5.5, -5.0)
    """
    if zone in {"UTC", "GMT"}:
        return 0.0
    if (match := _OFFSET.fullmatch(zone)) is not None:
        hours = int(match[2]) + int(match[3] or 0) / 60
        if hours > _FARTHEST_H or hours * _STEPS_PER_HOUR % 1:
            raise ValueError("is no offset of any clock", "Write quarters of an hour up to 14 h, such as +05:30.")
        return -hours if match[1] == "-" else hours
    try:
        known = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        remedy = f"Write a name such as Europe/Paris, or an offset such as UTC+1.{_nearest(zone)}"
        raise ValueError("is no time zone", remedy) from None
    offsets = [moment.astimezone(known).utcoffset() for moment in _WINTER_AND_SUMMER]
    return min(offset.total_seconds() for offset in offsets if offset is not None) / 3600


def move_clock(hourly: ArrayLike, ahead_h: float) -> NDArray[np.float64]:
    """
    Read a daily curve of local hours on a clock that is behind the local one.

    Parameters
    ----------
    hourly
        (..., 24) values, each for one hour of the local clock; the day repeats.
    ahead_h
        How far the local clock is ahead, in quarters of an hour. An hour that two local hours share gets their mean,
        weighted by what each has of it.

    Returns
    -------
    ndarray
        (..., 24) values by hour of the other clock.

    Examples
    --------
    >>> move_clock(np.arange(24.0), 1.0)[:3].tolist(), move_clock(np.arange(24.0), 0.5)[:3].tolist()
    ([1.0, 2.0, 3.0], [0.5, 1.5, 2.5])
    """
    values = np.asarray(hourly, dtype=float)
    if ahead_h == 0:
        return values
    quarters = np.roll(np.repeat(values, _STEPS_PER_HOUR, axis=-1), -round(ahead_h * _STEPS_PER_HOUR), axis=-1)
    return np.asarray(quarters.reshape(*values.shape[:-1], _HOURS_PER_DAY, _STEPS_PER_HOUR).mean(axis=-1))


def _nearest(zone: str) -> str:
    by_lower = {name.lower(): name for name in available_timezones()}
    near = suggest(zone, by_lower)
    return re.sub(r"'(.*)'", lambda found: f"'{by_lower[found[1]]}'", near) if near else ""

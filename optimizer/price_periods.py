"""Move a period of a time-of-use tariff, such as the valley, to other hours of the day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from network_data.tariffs import HALF_HOURS_PER_DAY, Tariff, parse_hours, spell_months
from optimizer.price_selection import BoolArray
from scenarios.price_changes import PeriodMove

_NUMBERS = ("price_cny_per_mwh", "flat_price_cny_per_mwh", "floating_share", "multiplier_vs_flat")


def why_not_moved(tariff: Tariff, move: PeriodMove, months: BoolArray) -> str:
    """
    Say why a period cannot be moved; empty if it can.

    Parameters
    ----------
    tariff
        The tariff.
    move
        What is moved, and where to.
    months
        (12,) the months it is moved in.
    """
    to = _target(move)
    vacated = np.isin(tariff.period, move.periods) & ~to
    needs = vacated.any(axis=1) & months & ~(tariff.period == move.leaves).any(axis=1)
    if not needs.any():
        return ""
    listed = spell_months(int(month) + 1 for month in np.flatnonzero(needs))
    return f"has no period {move.leaves} in months {listed} for the hours that are left"


def move_period(tariff: Tariff, move: PeriodMove, months: BoolArray) -> Tariff:
    """
    Move a period to other hours, month by month.

    The hours it goes to take the mean price of the period in the month, whatever they were before; the hours of the
    period that it leaves take the mean price of the period named in `leaves`. What the price is made of (flat price,
    floating share, multiplier) goes along. A month without the period stays as it is. The mean price of a day changes
    as dear hours become cheap and cheap ones flat, unless `keep_mean` adds the difference to all hours of the month.

    Parameters
    ----------
    tariff
        The tariff; see `why_not_moved`.
    move
        What is moved, and where to.
    months
        (12,) the months it is moved in.

    Returns
    -------
    Tariff
        With the period, under the first of its names, in its new hours.
    """
    to = _target(move)
    numbers = {name: getattr(tariff, name).copy() for name in _NUMBERS}
    widest = max(len(name) for name in (*tariff.periods, *move.periods))
    period = tariff.period.astype(f"<U{widest}")
    for month in np.flatnonzero(months):
        moved = np.isin(tariff.period[month], move.periods)
        if not moved.any():
            continue
        left, stays = moved & ~to, tariff.period[month] == move.leaves
        for values in numbers.values():
            old = values[month].copy()
            values[month, to] = _mean(old[moved])
            if left.any():
                values[month, left] = _mean(old[stays])
        if move.keep_mean:
            price = numbers["price_cny_per_mwh"]
            price[month] += tariff.price_cny_per_mwh[month].mean() - price[month].mean()
        name = next(name for name in move.periods if (tariff.period[month] == name).any())
        period[month, to] = name
        period[month, left] = move.leaves
    return replace(tariff, period=period, **numbers)


def _target(move: PeriodMove) -> BoolArray:
    to = np.zeros(HALF_HOURS_PER_DAY, np.bool_)
    to[np.array(parse_hours(move.to_hours))] = True
    return to


def _mean(values: np.ndarray) -> float:
    """Mean of equal numbers is their own, to the bit."""
    return float(values[0] if (values == values[0]).all() else values.mean())

"""Electricity tariffs: periods and prices by month and half hour, and what a change of the flat price makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from network_data.faults import quote_value
from network_data.tariff_calendar import (
    DAYS_IN_MONTH,
    HALF_HOURS_PER_DAY,
    HOURS_PER_DAY,
    MONTHS_PER_YEAR,
    CalendarFault,
    CalendarRow,
    check_calendar,
    format_months,
    parse_hours,
    parse_months,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.float64]

__all__ = [
    "DAYS_IN_MONTH",
    "HALF_HOURS_PER_DAY",
    "HOURS_PER_DAY",
    "MONTHS_PER_YEAR",
    "CalendarFault",
    "CalendarRow",
    "Tariff",
    "build_tariffs",
    "check_calendar",
    "format_months",
    "formula_price",
    "hourly_prices",
    "parse_hours",
    "parse_months",
]

_NUMBERS = ("price_cny_per_mwh", "flat_price_cny_per_mwh", "floating_share", "multiplier_vs_flat")


@dataclass(frozen=True, eq=False)
class Tariff:
    """
    A tariff laid on the calendar: twelve months of 48 half hours, arrays of shape (12, 48).

    Most time-of-use tariffs follow a formula: one part of the flat price floats with the period, the rest does not,
    `price = flat_price x (1 - floating_share + floating_share x multiplier)`. Where a table gives all of it,
    a change of the flat price carries over to every period as the grid company would post it.

    Attributes
    ----------
    id : str
        Tariff, as data centers name it.
    period : ndarray of str
        Period, such as sharp, peak, flat, valley, deep_valley.
    price_cny_per_mwh : ndarray
        Energy price.
    flat_price_cny_per_mwh : ndarray
        Price of the flat period; NaN where the table gives none.
    floating_share : ndarray
        Part of the flat price that the multiplier acts on, 0 to 1; NaN where the table gives none.
    multiplier_vs_flat : ndarray
        Ratio of the period to the flat price, on the floating part; NaN where the table gives none.
    """

    id: str
    period: NDArray[np.str_]
    price_cny_per_mwh: FloatArray
    flat_price_cny_per_mwh: FloatArray
    floating_share: FloatArray
    multiplier_vs_flat: FloatArray

    @property
    def periods(self) -> tuple[str, ...]:
        """Periods of the tariff, dearest first."""
        mean = {str(name): self.price_cny_per_mwh[self.period == name].mean() for name in np.unique(self.period)}
        return tuple(sorted(mean, key=lambda name: (-mean[name], name)))

    @property
    def hourly_price_cny_per_mwh(self) -> FloatArray:
        """Prices by month and hour, (12, 24): two half hours of an hour are averaged."""
        return np.asarray(self.price_cny_per_mwh.reshape(MONTHS_PER_YEAR, HOURS_PER_DAY, 2).mean(axis=2))

    @property
    def formula_price_cny_per_mwh(self) -> FloatArray:
        """What flat price, floating share and multiplier give, (12, 48); NaN where one of them is missing."""
        return formula_price(self.flat_price_cny_per_mwh, self.floating_share, self.multiplier_vs_flat)

    @property
    def has_formula(self) -> bool:
        """True if the price of every half hour follows from a flat price."""
        return bool(np.isfinite(self.formula_price_cny_per_mwh).all())

    def repriced(
        self,
        *,
        flat_price_cny_per_mwh: ArrayLike | None = None,
        floating_share: ArrayLike | None = None,
        multiplier_vs_flat: ArrayLike | None = None,
    ) -> Tariff:
        """
        Change what the price is made of; what is not given stays.

        What the posted price holds beyond the formula (rounding, above all) stays as it is, so that a change to the
        same numbers changes nothing.

        Parameters
        ----------
        flat_price_cny_per_mwh, floating_share, multiplier_vs_flat
            New numbers: one for all, (12, 1) by month, (48,) by half hour, or (12, 48).

        Returns
        -------
        Tariff
            The tariff with new prices.

        Raises
        ------
        ValueError
            If some half hour has no formula, or a number is not finite or a share not within 0 to 1.
        """
        old = self.formula_price_cny_per_mwh
        if not np.isfinite(old).all():
            raise ValueError(
                f"tariff {quote_value(self.id)} gives no flat price, floating share and multiplier for all of its "
                "hours: scale its price instead"
            )
        new = replace(
            self,
            flat_price_cny_per_mwh=_spread(flat_price_cny_per_mwh, self.flat_price_cny_per_mwh),
            floating_share=_spread(floating_share, self.floating_share),
            multiplier_vs_flat=_spread(multiplier_vs_flat, self.multiplier_vs_flat),
        )
        if not np.isfinite(new.formula_price_cny_per_mwh).all():
            raise ValueError(f"tariff {quote_value(self.id)}: a new number is missing or not finite")
        if (new.floating_share < 0).any() or (new.floating_share > 1).any():
            raise ValueError(f"tariff {quote_value(self.id)}: floating_share lies outside 0 to 1")
        return replace(new, price_cny_per_mwh=self.price_cny_per_mwh + (new.formula_price_cny_per_mwh - old))

    def with_flat_price_scaled(self, factor: ArrayLike) -> Tariff:
        """Scale the flat price, (12, 1) factors by month say, and keep floating share and multipliers."""
        return self.repriced(flat_price_cny_per_mwh=self.flat_price_cny_per_mwh * np.asarray(factor, dtype=float))


def formula_price(flat_price_cny_per_mwh: ArrayLike, floating_share: ArrayLike, multiplier: ArrayLike) -> FloatArray:
    """
    Work out the price of a period from the flat price.

    Parameters
    ----------
    flat_price_cny_per_mwh
        Price of the flat period.
    floating_share
        Part of it that floats.
    multiplier
        Ratio of the period to the flat price, on that part; may be NaN where nothing floats.

    Returns
    -------
    ndarray
        CNY per MWh; NaN where a number is missing.

    Examples
    --------
    >>> float(formula_price(600.0, 0.5, 1.5))
    750.0
    """
    share = np.asarray(floating_share, dtype=float)
    ratio = np.where(share == 0, 1.0, np.asarray(multiplier, dtype=float))
    return np.asarray(np.asarray(flat_price_cny_per_mwh, dtype=float) * (1.0 - share + share * ratio))


def build_tariffs(table: pd.DataFrame) -> dict[str, Tariff]:
    """
    Lay the rows of a table on the calendar, tariff by tariff.

    Parameters
    ----------
    table
        Table with columns tariff, months, hours, price_cny_per_mwh [CNY per MWh]; period and the numbers of the
        formula where it has them.

    Returns
    -------
    dict
        Tariff id to tariff, in the order of the table.

    Raises
    ------
    ValueError
        If a tariff does not cover each half hour of each month exactly once, or a price is not finite.
    """
    return {str(name): _lay_out(str(name), rows) for name, rows in table.groupby("tariff", sort=False)}


def hourly_prices(tariffs: pd.DataFrame) -> dict[str, FloatArray]:
    """
    Lay every tariff on the hours of the twelve months.

    Parameters
    ----------
    tariffs
        As for `build_tariffs`.

    Returns
    -------
    dict
        Tariff to prices in CNY per MWh, shape (12, 24): month, hour.

    Raises
    ------
    ValueError
        As for `build_tariffs`.
    """
    return {name: tariff.hourly_price_cny_per_mwh for name, tariff in build_tariffs(tariffs).items()}


def _lay_out(name: str, rows: pd.DataFrame) -> Tariff:
    places = [
        (parse_months(months), parse_hours(hours)) for months, hours in zip(rows["months"], rows["hours"], strict=True)
    ]
    _require_full_cover(name, [CalendarRow(at, *place) for at, place in enumerate(places)])
    shape = (MONTHS_PER_YEAR, HALF_HOURS_PER_DAY)
    row_of = np.zeros(shape, np.intp)
    for at, (months, half_hours) in enumerate(places):
        row_of[np.ix_(np.array(months) - 1, np.array(half_hours))] = at
    numbers = {
        column: (rows[column].to_numpy(float) if column in rows else np.full(len(rows), np.nan))[row_of]
        for column in _NUMBERS
    }
    if not np.isfinite(numbers["price_cny_per_mwh"]).all():
        raise ValueError(f"tariff {quote_value(name)} has a price that is not finite")
    period = np.array(rows["period"] if "period" in rows else [""] * len(rows), dtype=np.str_)
    return Tariff(name, period[row_of], **numbers)


def _require_full_cover(name: str, calendar: Sequence[CalendarRow]) -> None:
    if faults := check_calendar(calendar):
        listed = ", ".join(f"months {fault.months} hours {fault.hours}" for fault in faults)
        raise ValueError(f"tariff {quote_value(name)} has gaps or overlaps: {listed}")


def _spread(values: ArrayLike | None, otherwise: FloatArray) -> FloatArray:
    return otherwise if values is None else np.broadcast_to(np.asarray(values, dtype=float), otherwise.shape).copy()

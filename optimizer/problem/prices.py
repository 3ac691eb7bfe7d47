"""Energy prices by data center, month, kind of day and hour: from tariffs, or from an hourly series in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from network_data.clock import move_clock
from network_data.faults import FaultList, suggest
from network_data.load import Network
from network_data.tariffs import DAYS_IN_MONTH, HOURS_PER_DAY, MONTHS_PER_YEAR, build_tariffs
from optimizer.problem.problem import FloatArray
from optimizer.problem.slicing import Slicing
from scenarios.days import DayKind, RepresentativeDay
from scenarios.price_series import PriceSeries

KINDS: tuple[DayKind, ...] = ("all", "weekday", "weekend")
WEEKEND_SHARE_OF_WEEK = 2 / 7
SATURDAY = 5


@dataclass(frozen=True, eq=False)
class PriceCalendar:
    """Prices of a year, by kind of day as in `KINDS`, before they are averaged onto representative days."""

    price_cny_per_mwh: FloatArray  # (3, 12, D, 24) mean price by kind of day, month, data center and hour
    days: FloatArray  # (3, 12) days of each kind in each month of a year of 365 days
    is_series: npt.NDArray[np.bool_]  # (D,) True where the price is that of the scenario's hourly series
    ahead_h: FloatArray  # (D,) how far the clock that the price follows is ahead of that of the time slices

    def price_of_day(self, day: RepresentativeDay) -> FloatArray:
        """
        Mean over the months a day stands for, weighted by their days: (D, 24) CNY/MWh.

        By hour of the clock of the time slices. What is past midnight there has the price of the same kind of day.
        """
        kind, months = KINDS.index(day.kind), np.array(day.month_numbers) - 1
        local = np.average(self.price_cny_per_mwh[kind, months], axis=0, weights=self.days[kind, months])
        return np.stack([move_clock(prices, ahead) for prices, ahead in zip(local, self.ahead_h, strict=True)])


def price_calendar(network: Network, series: PriceSeries | None, faults: FaultList) -> PriceCalendar:
    """
    Prices of every data center by month, kind of day and hour.

    Tariffs are the same on all days of the week, and follow the clock of their data center. A series replaces them
    where it has a column: its own one before that of the tariff of the data center. Weekdays and weekends are then
    those of its real calendar. Columns that are neither a tariff nor a data center of the network, or both, are faults.
    """
    centers = network.data_centers
    tariffs = build_tariffs(network.tariffs)
    by_center = np.stack([tariffs[name].hourly_price_cny_per_mwh for name in centers["tariff"]], axis=1)
    price = np.repeat(by_center[None], len(KINDS), axis=0)
    share = np.full(MONTHS_PER_YEAR, WEEKEND_SHARE_OF_WEEK)
    is_series = np.zeros(len(centers), np.bool_)
    if series is not None:
        months, is_weekend = _calendar(series)
        counted = np.zeros((2, MONTHS_PER_YEAR))
        np.add.at(counted, (is_weekend.astype(int), months), 1.0)
        share = counted[1] / counted.sum(axis=0)
        for at, hourly in series_prices(network, series, faults).items():
            is_series[at] = True
            price[:, :, at] = hourly
    days = np.array(DAYS_IN_MONTH, dtype=float)
    # All columns of a series share one column of time, which is that of the time slices.
    ahead_h = np.where(is_series, 0.0, network.hours_ahead("data_centers").to_numpy(float))
    return PriceCalendar(price, np.stack([days, days * (1 - share), days * share]), is_series, ahead_h)


def series_prices(network: Network, series: PriceSeries, faults: FaultList) -> dict[int, FloatArray]:
    """
    Average an hourly series over the days of each month.

    Returns
    -------
    dict
        Number of each data center that the series has a column for (its own, else that of its tariff) to prices
        (3, 12, 24) by kind of day, month and hour.
    """
    centers = network.data_centers
    _record_unknown(series, list(centers.index), list(network.tariffs["tariff"].unique()), faults)
    months, is_weekend = _calendar(series)
    columns = {
        at: series.columns.get(str(center), series.columns.get(str(tariff)))
        for at, (center, tariff) in enumerate(zip(centers.index, centers["tariff"], strict=True))
    }
    return {
        at: _means(np.array(values).reshape(-1, HOURS_PER_DAY), months, is_weekend)
        for at, values in columns.items()
        if values is not None
    }


def energy_prices(calendar: PriceCalendar, days: Sequence[RepresentativeDay], slicing: Slicing) -> FloatArray:
    """(T, D) prices averaged onto the slices of representative days, CNY/MWh."""
    return np.concatenate([slicing.mean_price(calendar.price_of_day(day), number).T for number, day in enumerate(days)])


def price_confidence(network: Network, calendar: PriceCalendar) -> list[str]:
    """
    Confidence of each data center's energy price.

    `estimate` where any row of its tariff is an estimate or says nothing, or where an hourly series, which carries no
    confidence, replaces it; else `reported`.
    """
    tariffs = network.tariffs
    guessed = tariffs["confidence"].isin(["estimate", ""]).groupby(tariffs["tariff"]).any()
    of_center = guessed.reindex(network.data_centers["tariff"]).to_numpy(bool) | calendar.is_series
    return ["estimate" if is_guess else "reported" for is_guess in of_center]


def _record_unknown(series: PriceSeries, centers: list[str], tariffs: list[str], faults: FaultList) -> None:
    known = [*centers, *tariffs]
    for name in series.columns:
        if name not in known:
            problem = "the network has neither a tariff nor a data center of this id"
            faults.add(
                str(series.path), problem, f"Rename or remove the column.{suggest(name, known)}", row=1, column=name
            )
        elif name in centers and name in tariffs:
            problem = "the network has both a tariff and a data center of this id"
            faults.add(str(series.path), problem, "Rename one of the two in the network.", row=1, column=name)


def _calendar(series: PriceSeries) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Month, counted from 0, and whether it is a Saturday or Sunday, of each day of a series."""
    dates = series.dates
    return np.array([day.month - 1 for day in dates]), np.array([day.weekday() >= SATURDAY for day in dates])


def _means(hourly: FloatArray, months: npt.NDArray[np.int64], is_weekend: npt.NDArray[np.bool_]) -> FloatArray:
    """Mean of the days (n, 24) by kind and month: (3, 12, 24)."""
    of_kind = (np.ones_like(is_weekend), ~is_weekend, is_weekend)
    out = np.zeros((len(KINDS), MONTHS_PER_YEAR, HOURS_PER_DAY))
    for kind, chosen in enumerate(of_kind):
        for month in range(MONTHS_PER_YEAR):
            out[kind, month] = hourly[chosen & (months == month)].mean(axis=0)
    return out

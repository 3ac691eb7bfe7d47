"""Apply price cases and price changes to the prices of a network: what each selects, does, and changes in all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from network_data.faults import FaultList
from network_data.load import Network
from network_data.tariffs import (
    DAYS_IN_MONTH,
    HALF_HOURS_PER_DAY,
    HOURS_PER_DAY,
    MONTHS_PER_YEAR,
    Tariff,
    build_tariffs,
    format_months,
    parse_hours,
)
from optimizer.problem.price_selection import BoolArray, Selection, StepFaults, matching, select, select_classes
from optimizer.problem.prices import PriceCalendar, price_calendar, price_confidence, series_prices
from optimizer.problem.problem import FloatArray
from scenarios.price_changes import LARGEST_PRICE, PeriodMove, PriceChange, PriceStep
from scenarios.price_series import PriceSeries
from scenarios.schema import Scenario

Operation = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def operation(change: PriceChange) -> Operation:
    """Return the function that a change applies to numbers."""
    value, factor, amount = change.replace, change.scale, change.add or 0.0
    if value is not None:
        return lambda numbers: np.full_like(numbers, value)
    return (lambda numbers: numbers * factor) if factor is not None else (lambda numbers: numbers + amount)


_NUMBERS = ("price_cny_per_mwh", "flat_price_cny_per_mwh", "floating_share", "multiplier_vs_flat")


def _why_not_moved(tariff: Tariff, move: PeriodMove, months: BoolArray) -> str:
    """Reason why a period cannot be moved; empty if it can."""
    to = _target(move)
    vacated = np.isin(tariff.period, move.periods) & ~to
    needs = vacated.any(axis=1) & months & ~(tariff.period == move.leaves).any(axis=1)
    if not needs.any():
        return ""
    listed = format_months(int(month) + 1 for month in np.flatnonzero(needs))
    return f"has no period {move.leaves} in months {listed} for the hours that are left"


def move_period(tariff: Tariff, move: PeriodMove, months: BoolArray) -> Tariff:
    """
    Move a period to other hours, in the months given as a mask (12,).

    The new hours take the mean price of the period in the month, whatever they were before; the hours that the period
    leaves take the mean price of the period named in `leaves`. What the price is made of (flat price, floating share,
    multiplier) goes along. A month without the period stays as it is. The mean price of a day changes, unless
    `keep_mean` adds the difference to all hours of the month. The moved period has the first of its names.
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


_UNIT = {
    "demand_charge": "CNY per kW and month",
    "carbon_price": "CNY per tonne",
    "token_price": "CNY per million tokens",
    "energy_price": "CNY per MWh",
    "flat_price": "CNY per MWh",
}


@dataclass(frozen=True, eq=False)
class ScenarioPrices:
    """The prices of a scenario on a network, after all its price cases and price changes."""

    calendar: PriceCalendar  # Energy prices
    price_confidence: list[str]  # (D,) what energy price and demand charge rest on; "" = not said
    demand_charge_cny_per_kw_month: FloatArray  # (D,) demand charge
    demand_charge_confidence: list[str]
    carbon_price_cny_per_t: float  # Carbon price
    token_price_cny_per_mtok: dict[str, float]  # By workload class
    token_price_confidence: dict[str, str]
    energy_surcharge_cny_per_mwh: FloatArray  # (D, all accelerators of the network) on top of the energy price


def scenario_prices(network: Network, scenario: Scenario, calendar: PriceCalendar, faults: FaultList) -> ScenarioPrices:
    """
    Apply the price cases of a scenario in their order, and then its own price changes in theirs.

    Of a price case, the hourly series comes first: it replaces, where it has a column, whatever was there before it.
    Days and their number stay those of the calendar, so that all price cases of a scenario share their time slices.
    Faults are selections that match nothing, flat prices of tariffs that have no formula, and results that are negative
    where that means nothing, each with file, line and key, and amounts in another currency than the network's.
    """
    _check_currency(network, scenario, faults)
    state = _State(network, scenario, calendar)
    for case in scenario.loaded_price_cases:
        if case.series is not None:
            state.replace_by(case.series, case.confidence, faults)
        for step in case.steps:
            state.apply(step, faults)
    for step in scenario.price_steps:
        state.apply(step, faults)
    return state.prices()


def _check_currency(network: Network, scenario: Scenario, faults: FaultList) -> None:
    """Check that the amounts of the scenario and its price cases are in the currency of the network."""
    named = [(scenario.source_path.name, scenario.currency)]
    # A case that only scales and moves prices goes with any currency.
    named += [(case.source_path.name, case.currency) for case in scenario.loaded_price_cases if case.states_amounts]
    for file, currency in named:
        if currency != network.currency:
            faults.add(
                file,
                f"its amounts of money are in {currency}, those of network {network.name} in {network.currency}",
                f"Convert its amounts and write currency: {network.currency} in it, or use another network.",
                column="currency",
                value=currency,
            )


@dataclass(frozen=True, eq=False)
class _CenterPrice:
    """
    Energy price of one data center by half hour: of a tariff, or (3, 12, 48) by kind of day of an hourly series.

    `tariff` carries periods and formula; its price is `half_hours[0]`. A series has neither.
    """

    half_hours: FloatArray
    tariff: Tariff | None

    @classmethod
    def of_tariff(cls, tariff: Tariff) -> _CenterPrice:
        return cls(tariff.price_cny_per_mwh[None], tariff)

    @classmethod
    def of_series(cls, hourly: FloatArray) -> _CenterPrice:
        return cls(np.repeat(hourly, 2, axis=-1), None)

    def chosen(self, selection: Selection) -> BoolArray:
        """(12, 48) half hours selected here."""
        if selection.periods is None:
            return selection.half_hours
        if self.tariff is None:
            return np.zeros_like(selection.half_hours)
        return np.asarray(selection.half_hours & np.isin(self.tariff.period, selection.periods))

    def with_price(self, half_hours: FloatArray) -> _CenterPrice:
        tariff = self.tariff
        return _CenterPrice(half_hours, None if tariff is None else replace(tariff, price_cny_per_mwh=half_hours[0]))

    def hourly(self) -> FloatArray:
        """(3 or 1, 12, 24) means of the two half hours of each hour."""
        return np.asarray(self.half_hours.reshape(-1, MONTHS_PER_YEAR, HOURS_PER_DAY, 2).mean(axis=3))


class _State:
    """Prices while changes are applied to them."""

    def __init__(self, network: Network, scenario: Scenario, calendar: PriceCalendar) -> None:
        self._network = network
        self._centers = network.data_centers
        self._calendar = calendar
        self._energy: dict[int, _CenterPrice] = {}  # of the data centers that a change has touched
        tariffs = build_tariffs(network.tariffs) if scenario.loaded_price_cases or scenario.price_steps else {}
        self._tariffs = tariffs
        self._energy_confidence = price_confidence(network, calendar)
        self._demand_charge = self._centers["demand_charge_cny_per_kw_month"].to_numpy(float).copy()
        self._demand_charge_confidence = [str(value) for value in self._centers["confidence"]]
        self._surcharge: FloatArray = np.zeros((len(self._centers), len(network.accelerators)))
        self._carbon = scenario.costs.carbon_price_cny_per_t
        self._token = {name: item.token_price_cny_per_mtok for name, item in scenario.workload_classes.items()}
        self._token_confidence = {
            name: str(item.confidence or "estimate") for name, item in scenario.workload_classes.items()
        }

    def prices(self) -> ScenarioPrices:
        price, ahead_h = self._calendar.price_cny_per_mwh, self._calendar.ahead_h
        if self._energy:
            price, ahead_h = price.copy(), ahead_h.copy()
            for at, center in self._energy.items():
                price[:, :, at] = center.hourly()
                if center.tariff is None:  # a series follows the clock of the time slices
                    ahead_h[at] = 0.0
        return ScenarioPrices(
            replace(self._calendar, price_cny_per_mwh=price, ahead_h=ahead_h),
            self._energy_confidence,
            self._demand_charge,
            self._demand_charge_confidence,
            self._carbon,
            self._token,
            self._token_confidence,
            self._surcharge,
        )

    def replace_by(self, series: PriceSeries, confidence: str | None, faults: FaultList) -> None:
        """Put an hourly series in place of the price of each data center that it has a column for."""
        for at, hourly in series_prices(self._network, series, faults).items():
            self._energy[at] = _CenterPrice.of_series(hourly)
            self._energy_confidence[at] = _known(confidence)

    def apply(self, step: PriceStep, faults: FaultList) -> None:
        """Apply one change, or record why that cannot be."""
        at_step = StepFaults(step, faults)
        change = step.change
        if change.what == "carbon_price":
            self._carbon = float(operation(change)(np.array(self._carbon)))
            self._require_not_negative(change, {"": self._carbon}, at_step)
            return
        if change.what == "token_price":
            chosen = select_classes(change, self._token, at_step)
            for name in chosen:
                old = self._token[name]
                self._token[name] = float(operation(change)(np.array(old)))
                if self._token[name] != old:
                    kind = self._token_confidence[name]
                    self._token_confidence[name] = _rests_on(step, kind, replaces_all=change.replace is not None)
            self._require_not_negative(change, {name: self._token[name] for name in chosen}, at_step)
            return
        selection = select(change, self._network, self._periods(), at_step)
        if selection is None:
            return
        if change.what == "demand_charge":
            self._change_demand_charge(step, selection, at_step)
        elif change.accelerators is not None:
            self._add_for_accelerators(step, selection, change.accelerators, at_step)
        else:
            self._change_energy(step, selection, at_step)

    def _center(self, at: int) -> _CenterPrice:
        if at not in self._energy:
            price = self._calendar.price_cny_per_mwh[:, :, at]
            tariff = self._tariffs[str(self._centers["tariff"].iloc[at])]
            is_series = bool(self._calendar.is_series[at])
            return _CenterPrice.of_series(price) if is_series else _CenterPrice.of_tariff(tariff)
        return self._energy[at]

    def _periods(self) -> list[str]:
        tariffs = [self._center(at).tariff for at in range(len(self._centers))]
        return list(dict.fromkeys(name for tariff in tariffs if tariff is not None for name in tariff.periods))

    def _change_demand_charge(self, step: PriceStep, selection: Selection, faults: StepFaults) -> None:
        if selection.periods is not None:
            faults.add("select", "a demand charge has no periods", "Name a place.", step.change.select)
            return
        old = self._demand_charge
        self._demand_charge = np.where(selection.centers, operation(step.change)(old), old)
        for at in np.flatnonzero(self._demand_charge != old):
            kind = self._demand_charge_confidence[at]
            self._demand_charge_confidence[at] = _rests_on(step, kind, replaces_all=step.change.replace is not None)
        results = {str(self._centers.index[at]): float(self._demand_charge[at]) for at in range(len(old))}
        self._require_not_negative(step.change, results, faults)

    def _add_for_accelerators(
        self, step: PriceStep, selection: Selection, names: Sequence[str], faults: StepFaults
    ) -> None:
        """Add to the energy price of some accelerators, whatever the hour."""
        known, before = list(self._network.accelerators.index), len(faults)
        chosen = [name for wanted in names for name in matching(wanted, known, "accelerators", faults)]
        if selection.periods is not None:
            faults.add("select", "an accelerator pays in all periods", "Name a place.", step.change.select)
        if len(faults) > before:
            return
        self._surcharge[np.ix_(selection.centers, np.isin(known, chosen))] += step.change.add or 0.0
        for at in np.flatnonzero(selection.centers):
            self._energy_confidence[at] = _rests_on(step, self._energy_confidence[at], replaces_all=False)

    def _change_energy(self, step: PriceStep, selection: Selection, faults: StepFaults) -> None:
        change = step.change
        before = len(faults)
        found = {int(at): self._center(int(at)) for at in np.flatnonzero(selection.centers)}
        if change.what == "flat_price":
            new = dict(self._with_flat_price(change, selection, found, faults))
        elif change.move_period is not None:
            new = dict(self._with_moved_period(change.move_period, selection, found, faults))
        else:
            new = dict(self._with_energy_price(change, selection, found, faults))
        if len(faults) > before:
            return
        for at, center in new.items():
            if not (np.abs(center.half_hours) <= LARGEST_PRICE).all():
                unit = f"{self._network.currency} per MWh"
                problem = f"makes a price at {self._centers.index[at]} of more than {LARGEST_PRICE:,.0f} {unit}"
                faults.add("", problem, "Lower the number.")
                return
            if not np.array_equal(center.half_hours, np.broadcast_to(found[at].half_hours, center.half_hours.shape)):
                replaces_all = change.what == "energy_price" and change.replace is not None
                replaces_all = replaces_all and bool(found[at].chosen(selection).all())
                self._energy_confidence[at] = _rests_on(step, self._energy_confidence[at], replaces_all=replaces_all)
            self._energy[at] = center

    def _with_energy_price(
        self, change: PriceChange, selection: Selection, found: dict[int, _CenterPrice], faults: StepFaults
    ) -> Iterator[tuple[int, _CenterPrice]]:
        """Change what is paid in the end."""
        change_price = operation(change)
        chosen = {at: center.chosen(selection) for at, center in found.items()}
        _require_periods(change, selection, list(found.values()), list(chosen.values()), faults)
        for at, center in found.items():
            if chosen[at].any():
                yield at, center.with_price(np.where(chosen[at], change_price(center.half_hours), center.half_hours))

    def _with_flat_price(
        self, change: PriceChange, selection: Selection, found: dict[int, _CenterPrice], faults: StepFaults
    ) -> Iterator[tuple[int, _CenterPrice]]:
        """Change the flat price; the formula of the tariff carries it to each period."""
        if selection.periods is not None:
            remedy = "Name a place, or change the energy_price of the period."
            faults.add("select", "a flat price is one for all periods", remedy, change.select)
            return
        without = [
            str(self._centers.index[at])
            for at, center in found.items()
            if center.tariff is None or not center.tariff.has_formula
        ]
        if without:
            problem = f"{', '.join(without[:6])}: the price has no formula to carry a flat price to each period"
            faults.add("what", problem, "Change the energy_price there, or select other data centers.", change.what)
            return
        change_price = operation(change)
        for at, center in found.items():
            if center.tariff is not None:
                flat = center.tariff.flat_price_cny_per_mwh
                new = center.tariff.repriced(
                    flat_price_cny_per_mwh=np.where(selection.half_hours, change_price(flat), flat)
                )
                yield at, _CenterPrice.of_tariff(new)

    def _with_moved_period(
        self, move: PeriodMove, selection: Selection, found: dict[int, _CenterPrice], faults: StepFaults
    ) -> Iterator[tuple[int, _CenterPrice]]:
        months = np.asarray(selection.half_hours.any(axis=1))
        tariffs = {at: center.tariff for at, center in found.items() if center.tariff is not None}
        with_period = {at: tariff for at, tariff in tariffs.items() if np.isin(tariff.period, move.periods).any()}
        if selection.periods is not None:
            remedy = "Name a place; move_period.periods says what is moved."
            faults.add("select", "selects a period", remedy)
        elif not with_period:
            problem = f"no selected data center has a tariff with the period {' or '.join(move.periods)}"
            faults.add("move_period", problem, "Correct the period, or select other data centers.")
        for at, tariff in with_period.items():
            if reason := _why_not_moved(tariff, move, months):
                faults.add("move_period", f"tariff {tariff.id} {reason}", "Name another period in leaves.", move.leaves)
                return
            yield at, _CenterPrice.of_tariff(move_period(tariff, move, months))

    def _require_not_negative(self, change: PriceChange, results: dict[str, float], faults: StepFaults) -> None:
        for name, value in results.items():
            if value < 0 or value > LARGEST_PRICE:
                where = f" of {name}" if name else ""
                what = "negative" if value < 0 else f"more than {LARGEST_PRICE:,.0f}"
                problem = f"makes the {change.what}{where} {what}: {value:g} {_UNIT[change.what]}"
                key = "add" if change.add is not None else "scale" if change.scale is not None else "replace"
                faults.add(key, problem, "Change the number.", getattr(change, key))
                return


def _require_periods(
    change: PriceChange,
    selection: Selection,
    centers: list[_CenterPrice],
    chosen: list[BoolArray],
    faults: StepFaults,
) -> None:
    """Record periods that no selected tariff has, and selectors of time that have no half hour in common."""
    if selection.periods is None:
        return
    held = {str(name) for center in centers if center.tariff is not None for name in center.tariff.periods}
    missing = [name for name in selection.periods if name not in held]
    key = "periods" if change.periods is not None else "select"
    for name in missing:
        listed = ", ".join(sorted(held)) or "no period"
        remedy = f"The tariffs selected have {listed}: name one of them, or select other data centers."
        faults.add(key, "no selected data center has a tariff with this period", remedy, name)
    if not missing and not any(mask.any() for mask in chosen):
        faults.add(key, "none of these periods lies in the months and hours selected", "Widen months or hours.")


def _known(confidence: str | None) -> str:
    """Confidence in the words of the network: what is not said is an estimate."""
    return "reported" if confidence in {"official", "reported"} else "estimate"


def _rests_on(step: PriceStep, before: str, *, replaces_all: bool) -> str:
    """Confidence of a changed number: that of the change where it replaces all of it, else the lower of both."""
    new = _known(step.confidence)
    return new if replaces_all or _known(before) == "reported" else _known(before)


def price_effect(network: Network, scenario: Scenario) -> pd.DataFrame:
    """
    Compare the prices of each data center before and after the scenario's price cases and price changes.

    Returns
    -------
    DataFrame
        One row for each data center: data_center, region, province, tariff, energy_price_before_cny_per_mwh,
        energy_price_cny_per_mwh (mean over the hours of the year), demand_charge_before_cny_per_kw_month,
        demand_charge_cny_per_kw_month, price_confidence, demand_charge_confidence.

    Raises
    ------
    InputError
        With every fault of the changes.
    """
    before, after = _prices(network, scenario)
    centers = network.data_centers
    return pd.DataFrame(
        {
            "data_center": centers.index.to_numpy(),
            "region": centers["region"].to_numpy(),
            "province": centers["province"].to_numpy(),
            "tariff": centers["tariff"].to_numpy(),
            "energy_price_before_cny_per_mwh": _year_mean(before),
            "energy_price_cny_per_mwh": _year_mean(after.calendar),
            "demand_charge_before_cny_per_kw_month": centers["demand_charge_cny_per_kw_month"].to_numpy(float),
            "demand_charge_cny_per_kw_month": after.demand_charge_cny_per_kw_month,
            "price_confidence": after.price_confidence,
            "demand_charge_confidence": after.demand_charge_confidence,
        }
    )


def price_facts(network: Network, scenario: Scenario) -> dict[str, Any]:
    """
    Sum up the effect of price cases and price changes by region.

    Returns
    -------
    dict
        price_cases and price_changes (names, in order); energy_price_cny_per_mwh and demand_charge_cny_per_kw_month:
        by region the mean over its data centers before and after; carbon_price_cny_per_t before and after;
        token_price_cny_per_mtok: of the classes where it changed, before and after.
    """
    table, (_, after) = price_effect(network, scenario), _prices(network, scenario)
    by_region = table.groupby("region", sort=False)
    pairs = {
        name: by_region[[name.replace("_cny", "_before_cny", 1), name]].mean()
        for name in ("energy_price_cny_per_mwh", "demand_charge_cny_per_kw_month")
    }
    listed = {item: (scenario.workload_classes[item].token_price_cny_per_mtok, price)
              for item, price in after.token_price_cny_per_mtok.items()}  # fmt: skip
    return {
        "price_cases": [case.name for case in scenario.loaded_price_cases],
        "price_changes": list(scenario.price_changes),
        **{name: {str(region): list(row) for region, row in zip(pair.index, pair.to_numpy().tolist(), strict=True)}
           for name, pair in pairs.items()},
        "carbon_price_cny_per_t": [scenario.costs.carbon_price_cny_per_t, after.carbon_price_cny_per_t],
        "token_price_cny_per_mtok": {item: list(pair) for item, pair in listed.items() if pair[0] != pair[1]},
    }  # fmt: skip


def _prices(network: Network, scenario: Scenario) -> tuple[PriceCalendar, ScenarioPrices]:
    faults = FaultList(f"prices of scenario {scenario.name} on network {network.name}")
    calendar = price_calendar(network, scenario.price_series, faults)
    prices = scenario_prices(network, scenario, calendar, faults)
    faults.raise_if_any()
    return calendar, prices


def _year_mean(calendar: PriceCalendar) -> FloatArray:
    """(D,) mean over the hours of a year of all days."""
    return np.asarray(np.average(calendar.price_cny_per_mwh[0].mean(axis=2), axis=0, weights=DAYS_IN_MONTH))

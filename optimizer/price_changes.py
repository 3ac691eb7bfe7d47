"""Lay price cases and price changes on the prices of a problem, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from network_data.faults import FaultList
from network_data.load import Network
from network_data.tariffs import HOURS_PER_DAY, MONTHS_PER_YEAR, Tariff, build_tariffs
from optimizer.price_periods import move_period, why_not_moved
from optimizer.price_selection import BoolArray, Selection, StepFaults, operation, select, select_classes
from optimizer.prices import PriceCalendar, price_confidence, series_prices
from optimizer.problem import FloatArray
from scenarios.price_changes import LARGEST_PRICE, PeriodMove, PriceChange, PriceStep
from scenarios.price_series import PriceSeries
from scenarios.schema import Scenario

_UNIT = {
    "demand_charge": "CNY per kW and month",
    "carbon_price": "CNY per tonne",
    "token_price": "CNY per million tokens",
    "energy_price": "CNY per MWh",
    "flat_price": "CNY per MWh",
}


@dataclass(frozen=True, eq=False)
class ScenarioPrices:
    """
    The prices of a scenario on a network, after all its price cases and price changes.

    Attributes
    ----------
    calendar
        Energy prices.
    price_confidence, demand_charge_confidence
        (D,) what energy price and demand charge rest on; "" = not said.
    demand_charge_cny_per_kw_month
        (D,) demand charge.
    carbon_price_cny_per_t
        Carbon price.
    token_price_cny_per_mtok, token_price_confidence
        By workload class.
    """

    calendar: PriceCalendar
    price_confidence: list[str]
    demand_charge_cny_per_kw_month: FloatArray
    demand_charge_confidence: list[str]
    carbon_price_cny_per_t: float
    token_price_cny_per_mtok: dict[str, float]
    token_price_confidence: dict[str, str]


def scenario_prices(network: Network, scenario: Scenario, calendar: PriceCalendar, faults: FaultList) -> ScenarioPrices:
    """
    Apply the price cases of a scenario in their order, and then its own price changes in theirs.

    Of a price case, the hourly series comes first: it replaces, where it has a column, whatever was there before it.

    Parameters
    ----------
    network, scenario
        What the prices are of.
    calendar
        Energy prices before any change. Days and their number stay those of this calendar, so that all price cases of
        a scenario share their time slices.
    faults
        Receives selections that match nothing, flat prices of tariffs that have no formula, and results that are
        negative where that means nothing, each with file, line and key.
    """
    state = _State(network, scenario, calendar)
    for case in scenario.loaded_price_cases:
        if case.series is not None:
            state.replace_by(case.series, case.confidence, faults)
        for step in case.steps:
            state.apply(step, faults)
    for step in scenario.price_steps:
        state.apply(step, faults)
    return state.prices()


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
    """Prices while changes are laid on them."""

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
        self._carbon = scenario.costs.carbon_price_cny_per_t
        self._token = {name: item.token_price_cny_per_mtok for name, item in scenario.workload_classes.items()}
        self._token_confidence = {
            name: str(item.confidence or "estimate") for name, item in scenario.workload_classes.items()
        }

    def prices(self) -> ScenarioPrices:
        price = self._calendar.price_cny_per_mwh
        if self._energy:
            price = price.copy()
            for at, center in self._energy.items():
                price[:, :, at] = center.hourly()
        return ScenarioPrices(
            replace(self._calendar, price_cny_per_mwh=price),
            self._energy_confidence,
            self._demand_charge,
            self._demand_charge_confidence,
            self._carbon,
            self._token,
            self._token_confidence,
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
                    self._token_confidence[name] = _rests_on(step, kind, is_whole=change.replace is not None)
            self._require_not_negative(change, {name: self._token[name] for name in chosen}, at_step)
            return
        selection = select(change, self._centers, self._periods(), at_step)
        if selection is None:
            return
        if change.what == "demand_charge":
            self._change_demand_charge(step, selection, at_step)
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
            self._demand_charge_confidence[at] = _rests_on(step, kind, is_whole=step.change.replace is not None)
        results = {str(self._centers.index[at]): float(self._demand_charge[at]) for at in range(len(old))}
        self._require_not_negative(step.change, results, faults)

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
                problem = f"makes a price at {self._centers.index[at]} of more than {LARGEST_PRICE:,.0f} CNY per MWh"
                faults.add("", problem, "Lower the number.")
                return
            if not np.array_equal(center.half_hours, np.broadcast_to(found[at].half_hours, center.half_hours.shape)):
                is_whole = change.what == "energy_price" and change.replace is not None
                is_whole = is_whole and bool(found[at].chosen(selection).all())
                self._energy_confidence[at] = _rests_on(step, self._energy_confidence[at], is_whole=is_whole)
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
            if reason := why_not_moved(tariff, move, months):
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
    """Say what a number rests on in the words of the network: what is not said is an estimate."""
    return "reported" if confidence in {"official", "reported"} else "estimate"


def _rests_on(step: PriceStep, before: str, *, is_whole: bool) -> str:
    """Confidence of a changed number: that of the change alone where it replaces all of it, else the lesser of both."""
    new = _known(step.confidence)
    return new if is_whole or _known(before) == "reported" else _known(before)

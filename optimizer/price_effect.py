"""What the price cases and price changes of a scenario do to its prices, in yearly means that a reader can check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from network_data.faults import FaultList
from network_data.load import Network
from network_data.tariffs import DAYS_IN_MONTH
from optimizer.price_changes import ScenarioPrices, scenario_prices
from optimizer.prices import PriceCalendar, price_calendar
from optimizer.problem import FloatArray
from scenarios.schema import Scenario


def price_effect(network: Network, scenario: Scenario) -> pd.DataFrame:
    """
    Set the prices of each data center beside what they were before the scenario's price cases and price changes.

    Parameters
    ----------
    network, scenario
        What the prices are of.

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

    Parameters
    ----------
    network, scenario
        What the prices are of.

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

"""What a price change selects: data centers, half hours and periods, by the names that its keys give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from network_data.faults import FaultList, list_rows, suggest
from network_data.load import Network
from network_data.place_names import plain_name, same_names
from network_data.tariffs import HALF_HOURS_PER_DAY, MONTHS_PER_YEAR, parse_hours, parse_months
from scenarios.price_changes import PriceChange, PriceStep

BoolArray = npt.NDArray[np.bool_]

# Selectors of data centers, and the column of the table that each looks into; their ids are its index.
_PLACE_COLUMNS = {"regions": "region", "provinces": "province", "data_centers": "", "tariffs": "tariff"}
_NOUN = {
    "regions": "region",
    "provinces": "province",
    "data_centers": "data center",
    "tariffs": "tariff in use",
    "periods": "period of a tariff",
    "workload_classes": "workload class",
    "accelerators": "accelerator",
}


@dataclass(frozen=True, eq=False)
class Selection:
    """What a change is applied to."""

    centers: BoolArray  # (D,) the data centers
    half_hours: BoolArray  # (12, 48) the half hours, by month
    periods: tuple[str, ...] | None  # Names of the tariff periods; None for all hours, whatever their period


class StepFaults:
    """Records the faults of one change, with the file and line of each of its keys."""

    def __init__(self, step: PriceStep, faults: FaultList) -> None:
        self._step = step
        self._faults = faults

    def add(self, key: str, problem: str, remedy: str, value: object = None) -> None:
        """Record a fault."""
        step = self._step
        column = f"{step.column}.{key}" if key else step.column
        self._faults.add(step.file, problem, remedy, row=step.rows.get(key, step.rows[""]), column=column, value=value)

    def __len__(self) -> int:
        return len(self._faults)


def select(change: PriceChange, network: Network, periods: Sequence[str], faults: StepFaults) -> Selection | None:
    """
    Find what a change selects; several selectors select what all of them do.

    None if names select nothing, or selectors have nothing in common: both are recorded as faults.
    """
    before, centers = len(faults), network.data_centers
    chosen = np.ones(len(centers), np.bool_)
    for key in _PLACE_COLUMNS:
        if (names := getattr(change, key)) is not None:
            found = [_of_places(name, network, key, faults) for name in names]
            chosen &= np.isin(_names(centers, key), [name for names in found for name in names])
    wanted: tuple[str, ...] | None = None
    if change.periods is not None:
        wanted = tuple(name for period in change.periods for name in matching(period, periods, "periods", faults))
    if change.select is not None:
        mask, named = _resolve(change.select, centers, periods, faults)
        chosen &= mask
        wanted = named if wanted is None else wanted if named is None else tuple(set(wanted) & set(named))
    months = range(1, MONTHS_PER_YEAR + 1) if change.months is None else parse_months(change.months)
    hours = range(HALF_HOURS_PER_DAY) if change.hours is None else parse_hours(change.hours)
    half_hours = np.zeros((MONTHS_PER_YEAR, HALF_HOURS_PER_DAY), np.bool_)
    half_hours[np.ix_(np.array(months) - 1, np.array(hours))] = True
    if len(faults) == before and not chosen.any():
        faults.add("", "its selectors have no data center in common", "Remove one of them, or correct its names.")
    return Selection(chosen, half_hours, wanted) if len(faults) == before else None


def select_classes(change: PriceChange, classes: Iterable[str], faults: StepFaults) -> list[str]:
    """Find the workload classes that a change selects."""
    known = list(classes)
    if change.workload_classes is None:
        return known
    return [name for wanted in change.workload_classes for name in matching(wanted, known, "workload_classes", faults)]


def _names(centers: pd.DataFrame, key: str) -> list[str]:
    column = _PLACE_COLUMNS[key]
    return [str(name) for name in (centers[column] if column else centers.index)]


def _of_places(name: str, network: Network, key: str, faults: StepFaults) -> list[str]:
    known = _names(network.data_centers, key)
    if key == "tariffs" and not same_names(name, known) and (unpaid := same_names(name, network.tariffs["tariff"])):
        faults.add(key, "no data center pays this tariff", _what_is_paid(unpaid[0], network), name)
        return []
    return matching(name, known, key, faults)


def _what_is_paid(unpaid: str, network: Network) -> str:
    """Say what the data centers of a tariff's province pay instead, and in which rows that stands."""
    tariffs, centers = network.tariffs, network.data_centers
    provinces = {plain_name(name) for name in tariffs.loc[tariffs["tariff"] == unpaid, "province"] if name}
    there = centers[[plain_name(name) in provinces for name in centers["province"]]]
    if there.empty:
        return f"Name one that is paid: {', '.join(sorted(set(centers['tariff'])))}."
    paid = [
        f"{', '.join(map(str, group.index))} pays {tariff} (rows {list_rows(network.tariff_rows(str(tariff)))})"
        for tariff, group in there.groupby("tariff", sort=False)
    ]
    province = there["province"].iloc[0]
    return (
        f"In {province}, {' and '.join(paid)}, while {unpaid} stands in rows "
        f"{list_rows(network.tariff_rows(unpaid))} of the tariffs and is billed nowhere. "
        f"Write tariffs: [{there['tariff'].iloc[0]}], or provinces: [{province}]."
    )


def matching(name: str, known: Sequence[str], key: str, faults: StepFaults) -> list[str]:
    """Find the names meant by one; none is a fault."""
    found = same_names(name, known)
    if not found:
        listed = ", ".join(sorted(set(known))[:12]) or "none"
        remedy = f"Name one that is there: {listed}.{suggest(name, set(known))}"
        faults.add(key, f"there is no such {_NOUN[key]}", remedy, name)
    return found


def _resolve(
    name: str, centers: pd.DataFrame, periods: Sequence[str], faults: StepFaults
) -> tuple[BoolArray, tuple[str, ...] | None]:
    """Find what a bare name means: the data centers, and the periods if it is one."""
    meanings: dict[str, tuple[BoolArray, tuple[str, ...] | None]] = {}
    everywhere = np.ones(len(centers), np.bool_)
    for key in _PLACE_COLUMNS:
        if found := same_names(name, _names(centers, key)):
            meanings[key] = (np.isin(_names(centers, key), found), None)
    if found := same_names(name, periods):
        meanings["periods"] = (everywhere, tuple(found))
    if not meanings:
        known = {plain_name(other) for key in _PLACE_COLUMNS for other in _names(centers, key)} | set(periods)
        problem = "there is no region, province, data center, tariff in use or period of this name"
        faults.add("select", problem, "Correct the name." + suggest(name, known), name)
        return everywhere, None
    first = next(iter(meanings.values()))
    if any(names != first[1] or (mask != first[0]).any() for mask, names in meanings.values()):
        nouns = " and a ".join(_NOUN[key] for key in meanings)
        written = ", ".join(f"{key}: [{name}]" for key in meanings)
        faults.add("select", f"is the name of a {nouns}, which differ", f"Write one of {written} instead.", name)
    return first

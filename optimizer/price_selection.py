"""What a change of prices selects: data centers by name and place, half hours by period, month and hour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from network_data.faults import FaultList, suggest
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
}


@dataclass(frozen=True, eq=False)
class Selection:
    """
    What a change is applied to.

    Attributes
    ----------
    centers
        (D,) the data centers.
    half_hours
        (12, 48) the half hours, by month.
    periods
        Names of the tariff periods; None for all hours, whatever their period.
    """

    centers: BoolArray
    half_hours: BoolArray
    periods: tuple[str, ...] | None


class StepFaults:
    """Records the faults of one change, with the file and line of each of its keys."""

    def __init__(self, step: PriceStep, faults: FaultList) -> None:
        self._step = step
        self._faults = faults

    def add(self, key: str, problem: str, remedy: str, value: object = None) -> None:
        """
        Record a fault.

        Parameters
        ----------
        key
            Key of the change that is at fault; empty for the change as a whole.
        problem, remedy
            What is wrong, and what to do.
        value
            The value as found.
        """
        step = self._step
        column = f"{step.column}.{key}" if key else step.column
        self._faults.add(step.file, problem, remedy, row=step.rows.get(key, step.rows[""]), column=column, value=value)

    def __len__(self) -> int:
        return len(self._faults)


def select(change: PriceChange, centers: pd.DataFrame, periods: Sequence[str], faults: StepFaults) -> Selection | None:
    """
    Find what a change selects; several selectors select what all of them do.

    Parameters
    ----------
    change
        The change.
    centers
        Data centers by id, with region, province and tariff.
    periods
        Periods of their tariffs.
    faults
        Receives names that select nothing, and selectors that have nothing in common.

    Returns
    -------
    Selection or None
        None if a fault was found.
    """
    before = len(faults)
    chosen = np.ones(len(centers), np.bool_)
    for key in _PLACE_COLUMNS:
        if (names := getattr(change, key)) is not None:
            found = [_matching(name, _names(centers, key), key, faults) for name in names]
            chosen &= np.isin(_names(centers, key), [name for names in found for name in names])
    wanted: tuple[str, ...] | None = None
    if change.periods is not None:
        wanted = tuple(name for period in change.periods for name in _matching(period, periods, "periods", faults))
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
    """
    Find the workload classes that a change selects.

    Parameters
    ----------
    change
        Of a token price.
    classes
        Ids of the classes.
    faults
        Receives names that are none.
    """
    known = list(classes)
    if change.workload_classes is None:
        return known
    return [name for wanted in change.workload_classes for name in _matching(wanted, known, "workload_classes", faults)]


def plain_name(name: str) -> str:
    """
    Spell a name as ids are spelled, so that a place can be named on a command line.

    Parameters
    ----------
    name
        Such as a province.

    Examples
    --------
    >>> plain_name("West Toyland")
    'west_toyland'
    """
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())


def _names(centers: pd.DataFrame, key: str) -> list[str]:
    column = _PLACE_COLUMNS[key]
    return [str(name) for name in (centers[column] if column else centers.index)]


def _alike(name: str, known: Iterable[str]) -> list[str]:
    """Names meant by one: itself, else those that are spelled as it is but for case and spaces."""
    different = list(dict.fromkeys(known))
    return [name] if name in different else [other for other in different if plain_name(other) == plain_name(name)]


def _matching(name: str, known: Sequence[str], key: str, faults: StepFaults) -> list[str]:
    found = _alike(name, known)
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
        if found := _alike(name, _names(centers, key)):
            meanings[key] = (np.isin(_names(centers, key), found), None)
    if found := _alike(name, periods):
        meanings["periods"] = (everywhere, tuple(found))
    if not meanings:
        known = {plain_name(other) for key in _PLACE_COLUMNS for other in _names(centers, key)} | set(periods)
        problem = "there is no region, province, data center, tariff in use or period of this name"
        faults.add("select", problem, "Correct the name." + suggest(name, known), name)
        return everywhere, None
    first = next(iter(meanings.values()))
    if any(not _is_same(first, other) for other in meanings.values()):
        nouns = " and a ".join(_NOUN[key] for key in meanings)
        written = ", ".join(f"{key}: [{name}]" for key in meanings)
        faults.add("select", f"is the name of a {nouns}, which differ", f"Write one of {written} instead.", name)
    return first


def _is_same(one: tuple[BoolArray, Any], other: tuple[BoolArray, Any]) -> bool:
    return bool((one[0] == other[0]).all() and one[1] == other[1])


Operation = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def operation(change: PriceChange) -> Operation:
    """
    Turn a change into what it does to numbers.

    Parameters
    ----------
    change
        With one of replace, scale and add.
    """
    if change.replace is not None:
        value = change.replace
        return lambda numbers: np.full_like(numbers, value)
    if change.scale is not None:
        factor = change.scale
        return lambda numbers: numbers * factor
    amount = change.add or 0.0
    return lambda numbers: numbers + amount

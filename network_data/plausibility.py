"""
Find what is allowed but hardly meant: units mixed up, columns or coordinates swapped, places far off.

What counts as doubtful stands in `plausibility.csv`, with the reason and the source of each threshold.
"""

from __future__ import annotations

import csv
import functools
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network_data.currency import DEFAULT_CURRENCY
from network_data.faults import Fault, FaultList, InputWarning, quote_value
from network_data.read import Table

THRESHOLDS_FILE = Path(__file__).with_name("plausibility.csv")
EARTH_RADIUS_KM = 6371.0088  # mean radius of WGS 84
KM_PER_DEGREE = math.pi * EARTH_RADIUS_KM / 180.0
PROFILES = "demand_profiles"
W_PER_MW = 1e6
SUMS_OF_SHARES = (1.0, 100.0)
SUMS_OF_HOURS = (24.0, 1.0, 100.0)
_ROWS_NAMED = 6
_told: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Threshold:
    """
    A row of `plausibility.csv`.

    Attributes
    ----------
    check : str
        `range` of one cell, `ratio`, `distance`, `length` or `sum`.
    table, attribute : str
        What is judged.
    unit : str
        Unit of low and high.
    low, high : float
        What lies outside is doubtful; infinite if there is none. Of a `sum`: rounding that is passed over, and how far
        off a sum is no longer taken for a failed one.
    factor : float
        Values that would be in range if multiplied by this were likely given in `other_unit`; NaN if there is none.
    other_unit : str
        That unit.
    is_error : bool
        Whether what lies outside is impossible rather than doubtful.
    """

    check: str
    table: str
    attribute: str
    unit: str
    low: float
    high: float
    factor: float
    other_unit: str
    is_error: bool

    def holds(self, value: float) -> bool:
        """Whether a value is in range; what is not stated (NaN, and the 0 of a price) is."""
        return math.isnan(value) or value <= 0 or self.low <= value <= self.high


@functools.cache
def load_thresholds() -> tuple[Threshold, ...]:
    """
    Read `plausibility.csv`.

    Returns
    -------
    tuple of Threshold
        In the order of the file.
    """
    with THRESHOLDS_FILE.open(encoding="utf-8", newline="") as text:
        return tuple(
            Threshold(
                check=row["check"],
                table=row["table"],
                attribute=row["attribute"],
                unit=row["unit"],
                low=float(row["low"] or -math.inf),
                high=float(row["high"] or math.inf),
                factor=float(row["factor"] or math.nan),
                other_unit=row["other_unit"],
                is_error=row["severity"] == "error",
            )
            for row in csv.DictReader(text)
        )


def find_threshold(check: str, table: str, attribute: str = "") -> Threshold:
    """
    Find the threshold of a check.

    Raises
    ------
    KeyError
        If the table of thresholds has no such row.
    """
    for one in load_thresholds():
        if (one.check, one.table, one.attribute) == (check, table, attribute):
            return one
    raise KeyError((check, table, attribute))


def warn_once(doubts: Iterable[Fault], subject: str, category: type[InputWarning], *, stacklevel: int) -> None:
    """
    Warn of doubts, of each once in the life of this process.

    A comparison or a search loads the same inputs for every case.

    Parameters
    ----------
    doubts
        What to warn of.
    subject
        Where it was read from, such as a folder.
    category
        Class of the warnings.
    stacklevel
        As for `warnings.warn`, from the caller of this.
    """
    for doubt in doubts:
        key = (subject, str(doubt))
        if key not in _told:
            warnings.warn(category(doubt), stacklevel=stacklevel + 1)
            _told.add(key)


def great_circle_km(first: tuple[float, float], second: tuple[float, float]) -> float:
    """
    Work out the great-circle distance of two places on a sphere, in km, by the haversine formula.

    Parameters
    ----------
    first, second
        Latitude and longitude in degrees.

    Examples
    --------
    >>> round(great_circle_km((0.0, 0.0), (0.0, 90.0)))
    10008
    """
    latitude, other = math.radians(first[0]), math.radians(second[0])
    turn = math.radians(second[1] - first[1])
    half = math.sin((other - latitude) / 2) ** 2 + math.cos(latitude) * math.cos(other) * math.sin(turn / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(half)))


def find_doubts(tables: Mapping[str, Table], faults: FaultList, currency: str = DEFAULT_CURRENCY) -> list[Fault]:
    """
    Find what is hardly meant in the tables of a network.

    Parameters
    ----------
    tables
        The tables that could be read, by name.
    faults
        Receives what is impossible.
    currency
        Of the amounts of money; what is hardly meant in CNY says nothing of amounts in another one.

    Returns
    -------
    list of Fault
        What is possible but doubtful.
    """
    doubts = [doubt for table in tables.values() for doubt in _doubts_of_ranges(table, currency)]
    if {"nodes", "links"} <= tables.keys():
        places = _Places(tables["nodes"])
        _check_lengths(places, tables["links"], faults)
        doubts += _doubts_of_nodes(places, tables["links"])
        if "data_centers" in tables:
            doubts += _doubts_of_data_centers(places, tables["data_centers"])
    if {"data_centers", "pools", "accelerators"} <= tables.keys():
        doubts += _doubts_of_power(tables["data_centers"], tables["pools"], tables["accelerators"])
    if "nodes" in tables:
        doubts += _doubts_of_weights(tables["nodes"])
    return doubts


def doubt_of_sum(values: Sequence[float], threshold: Threshold, sums: Sequence[float]) -> float | None:
    """
    Find the sum that values were meant to have, where they nearly but not quite have it.

    Parameters
    ----------
    values
        At least 0. Whole numbers are counts, whatever their sum, unless they are percent of 100.
    threshold
        Its low is what rounding explains, its high how far off a sum is not meant at all; shares of the sum.
    sums
        What may have been meant.

    Returns
    -------
    float or None
        None if the sum is right, or nothing of the kind.

    Examples
    --------
    >>> curve = find_threshold("sum", "demand_profiles")
    >>> doubt_of_sum([1.25] * 18, curve, SUMS_OF_HOURS)
    24.0
    >>> doubt_of_sum([1.0] * 24, curve, SUMS_OF_HOURS) is None, doubt_of_sum([7.0] * 24, curve, SUMS_OF_HOURS) is None
    (True, True)
    """
    if all(float(value).is_integer() for value in values):
        return None
    off = {meant: abs(math.fsum(values) / meant - 1.0) for meant in sums}
    meant = min(off, key=lambda one: off[one])
    return meant if threshold.low < off[meant] <= threshold.high else None


def _cells(table: Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    return zip(table.rows, *(table.columns[column] for column in columns), strict=True)


def _shown(value: float) -> str:
    return f"{value:.10g}"


# ---------------------------------------------------------------- ranges, units and swapped columns


def _doubts_of_ranges(table: Table, currency: str) -> Iterator[Fault]:
    """Judge each cell by its range; rows with the same doubt about the same column share one."""
    ranges = {
        one.attribute: one
        for one in load_thresholds()
        if (one.check, one.table) == ("range", table.name)
        and (currency == DEFAULT_CURRENCY or DEFAULT_CURRENCY not in one.unit)
    }
    found: dict[tuple[str, str, str], list[tuple[int, float]]] = {}
    swapped: list[Fault] = []
    for at, row in enumerate(table.rows):
        cells = {name: table.columns[name][at] for name in ranges}
        values = {name: float(cell) for name, cell in cells.items() if cell is not None}
        for name, value in values.items():
            one = ranges[name]
            if one.holds(value):
                continue
            if (other := _swapped_with(name, values, ranges)) is not None:
                swapped.append(_swap_doubt(table, row, (name, other), values))
                break
            side = "below" if value < one.low else "above"
            found.setdefault((name, side, _other_unit(one, value)), []).append((row, value))
    yield from swapped
    for (name, side, other_unit), cells_found in found.items():
        yield _range_doubt(table, ranges[name], side, other_unit, cells_found)


def _swapped_with(name: str, values: Mapping[str, float], ranges: Mapping[str, Threshold]) -> str | None:
    """Find the column that holds what belongs into another, and the other way round."""
    for other, value in values.items():
        if other == name or value <= 0 or _other_unit(ranges[name], values[name]):
            continue
        low, high = ranges[name].low, ranges[name].high
        # A column without a least value would take any small number: that it fits there says nothing.
        fits = low <= value <= high and ranges[other].low <= values[name] <= ranges[other].high
        if fits and math.isfinite(ranges[other].low):
            return other
    return None


def _swap_doubt(table: Table, row: int, names: tuple[str, str], values: Mapping[str, float]) -> Fault:
    first, second = (values[name] for name in names)
    problem = f"is hardly meant, and {_shown(second)}, which stands in {names[1]}, would fit: the two look swapped"
    remedy = f"Did you mean {names[0]} {_shown(second)} and {names[1]} {_shown(first)}?"
    return Fault(table.file, row, names[0], _shown(first), problem, remedy)


def _other_unit(one: Threshold, value: float) -> str:
    """Name the unit in which a value out of range would be in range."""
    scaled = value * one.factor
    return one.other_unit if not math.isnan(scaled) and one.low <= scaled <= one.high else ""


def _range_doubt(table: Table, one: Threshold, side: str, other_unit: str, found: Sequence[tuple[int, float]]) -> Fault:
    (row, value), *more = found
    limit = one.low if side == "below" else one.high
    unit = f" {one.unit}" if one.unit else ""
    problem = f"is {side} {_shown(limit)}{unit}, which is hardly meant"
    if more:
        rows = ", ".join(str(at) for at, _ in more[:_ROWS_NAMED])
        also = f"row {rows}" if len(more) == 1 else f"{len(more)} rows more ({rows}"
        problem += f"; so {'is' if len(more) == 1 else 'are'} {also}"
        problem += "" if len(more) == 1 else (", ...)" if len(more) > _ROWS_NAMED else ")")
    if other_unit:
        remedy = f"Did you mean {_shown(value * one.factor)}? The unit is {one.unit}, not {other_unit}."
    else:
        remedy = f"Check the value{f' and its unit, {one.unit}' if one.unit else ''}."
    return Fault(table.file, row, one.attribute, _shown(value), problem, remedy)


# ---------------------------------------------------------------- places


class _Places:
    """Coordinates of the nodes, with what their rounding leaves open."""

    def __init__(self, nodes: Table) -> None:
        self.table = nodes
        cells = _cells(nodes, "id", "latitude_deg", "longitude_deg")
        self.at = {
            str(node): (float(latitude), float(longitude))
            for _, node, latitude, longitude in cells
            if None not in (node, latitude, longitude)
        }

    def is_alone(self, node: str, radius_km: float) -> bool:
        """Whether no other node is within a radius, where there are others."""
        others = (at for other, at in self.at.items() if other != node)
        return len(self.at) > 1 and all(great_circle_km(self.at[node], at) > radius_km for at in others)

    def nearest_km(self, node: str, place: tuple[float, float]) -> float:
        """Distance from a place to the nearest node other than one."""
        others = (great_circle_km(place, at) for other, at in self.at.items() if other != node)
        return min(others, default=0.0)


def _rounding_km(place: tuple[float, float]) -> float:
    """How far a place may be from its rounded coordinates: half a unit of the last decimal, both ways."""
    latitude, longitude = (0.5 * 10.0 ** -_decimals(value) for value in place)
    return KM_PER_DEGREE * math.hypot(latitude, longitude * math.cos(math.radians(place[0])))


def _decimals(value: float) -> int:
    return len(repr(float(value)).partition(".")[2].rstrip("0")) if "e" not in repr(float(value)) else 0


def _other_readings(place: tuple[float, float]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Say what may have been meant by coordinates that are wrong."""
    latitude, longitude = place
    if abs(longitude) <= 90.0:  # noqa: PLR2004 - no latitude is larger
        yield "swapped", (longitude, latitude)
    yield "a lost sign", (-latitude, longitude)
    yield "a lost sign", (latitude, -longitude)


def _spell(place: tuple[float, float]) -> str:
    return f"latitude {_shown(place[0])} and longitude {_shown(place[1])}"


def _check_lengths(places: _Places, links: Table, faults: FaultList) -> None:
    one = find_threshold("length", "links", "length_km")
    lengths: dict[str, list[tuple[str, float]]] = {}
    short = []
    for row, start, end, length_km in _cells(links, "from_node", "to_node", "length_km"):
        if start not in places.at or end not in places.at or length_km is None or math.isnan(length_km):
            continue
        lengths.setdefault(start, []).append((end, length_km))
        lengths.setdefault(end, []).append((start, length_km))
        if not _may_span(places.at[start], places.at[end], length_km, one):
            short.append((row, start, end, length_km))
    for row, start, end, length_km in short:
        straight = great_circle_km(places.at[start], places.at[end])
        problem = (
            f"the link is shorter than the great circle between {start} and {end}, {_shown(round(straight, 1))} km "
            "(rounding of the coordinates is allowed for)"
        )
        meant = next((text for node in (start, end) if (text := _reading(node, places, lengths, one))), "")
        remedy = f"Correct the length, or the coordinates of one end.{meant}"
        faults.add(links.file, problem, remedy, row=row, column=one.attribute, value=_shown(length_km))


def _may_span(start: tuple[float, float], end: tuple[float, float], length_km: float, one: Threshold) -> bool:
    least_km = one.low * great_circle_km(start, end) - _rounding_km(start) - _rounding_km(end)
    return length_km >= least_km


def _reading(node: str, places: _Places, lengths: Mapping[str, list[tuple[str, float]]], one: Threshold) -> str:
    """Say how the coordinates of a node would have to read for all its links to be long enough."""
    ends = lengths[node]
    for how, place in _other_readings(places.at[node]):
        # The other reading must explain the lengths, not merely be nearer: no detour of more than three times.
        spans = [(length_km, great_circle_km(place, places.at[other])) for other, length_km in ends]
        if all(_may_span(place, places.at[other], length_km, one) for other, length_km in ends) and any(
            length_km <= 3.0 * straight + 1.0 for length_km, straight in spans
        ):
            return f" Did you mean {_spell(place)} for {node} ({how})?"
    return ""


def _doubts_of_nodes(places: _Places, links: Table) -> Iterator[Fault]:
    """Find nodes far from all others, unless a link of such a length leads there."""
    one = find_threshold("distance", "nodes", "id")
    longest: dict[str, float] = {}
    for _, start, end, length_km in _cells(links, "from_node", "to_node", "length_km"):
        if length_km is not None and not math.isnan(length_km):
            for node in (start, end):
                longest[node] = max(longest.get(node, 0.0), length_km)
    for row, node in _cells(places.table, "id"):
        if node not in places.at or not places.is_alone(node, one.high):
            continue
        far_km = places.nearest_km(node, places.at[node])
        if longest.get(node, 0.0) >= far_km:
            continue
        problem = f"node {quote_value(node)} is {far_km:,.0f} km from the nearest other node"
        near = [(places.nearest_km(node, place), how, place) for how, place in _other_readings(places.at[node])]
        remedy = "Correct latitude_deg or longitude_deg."
        if near and min(near)[0] <= one.high:
            _, how, place = min(near)
            remedy += f" Did you mean {_spell(place)} ({how})?"
        yield Fault(places.table.file, row, "latitude_deg", _shown(places.at[node][0]), problem, remedy)


def _doubts_of_data_centers(places: _Places, data_centers: Table) -> Iterator[Fault]:
    one = find_threshold("distance", "data_centers", "node")
    for row, center, node, latitude, longitude in _cells(data_centers, "id", "node", "latitude_deg", "longitude_deg"):
        if None in (center, latitude, longitude) or node not in places.at:
            continue
        here = (float(latitude), float(longitude))
        far_km = great_circle_km(here, places.at[node]) - _rounding_km(here) - _rounding_km(places.at[node])
        if far_km <= one.high:
            continue
        problem = f"data center {quote_value(center)} is {far_km:,.0f} km from its node"
        remedy = "Correct the coordinates, or attach it to a nearer node."
        near = [(great_circle_km(place, places.at[node]), how, place) for how, place in _other_readings(here)]
        if min(near)[0] <= one.high:
            _, how, place = min(near)
            remedy = f"Did you mean {_spell(place)} ({how})?"
        elif (nearest := min(places.at, key=lambda other: great_circle_km(here, places.at[other]))) != node and (
            great_circle_km(here, places.at[nearest]) <= one.high
        ):
            remedy = f"Did you mean the node {nearest}? Else correct the coordinates."
        yield Fault(data_centers.file, row, "node", str(node), problem, remedy)


# ---------------------------------------------------------------- power and sums


def _doubts_of_power(data_centers: Table, pools: Table, accelerators: Table) -> Iterator[Fault]:
    """Find data centers whose accelerators in place would take far more power than it has."""
    one = find_threshold("ratio", "pools", "existing_pods")
    cells = _cells(accelerators, "id", "accelerators_per_pod", "full_power_w", "bf16_dense_tflops")
    chips = {chip: parts for _, chip, *parts in cells if chip is not None and None not in parts}
    used_mw: dict[str, float] = {}
    for _, center, chip, pods, pflops in _cells(pools, "data_center", "accelerator", "existing_pods", "stock_pflops"):
        if center is None or pods is None or pflops is None or chip not in chips:
            continue
        per_pod, full_w, tflops = chips[chip]
        count = pflops * 1e3 / tflops if math.isnan(pods) else pods * per_pod
        used_mw[center] = used_mw.get(center, 0.0) + count * full_w / W_PER_MW
    for row, center, capacity_mw in _cells(data_centers, "id", "it_capacity_mw"):
        used = used_mw.get(center, 0.0)
        if capacity_mw is not None and used > one.high * capacity_mw:
            problem = f"the accelerators in place would take {used:,.4g} MW at full load, which no rack of it holds"
            remedy = (
                f"Check it_capacity_mw, the pods or PFLOPS in {pools.file} and full_power_w in {accelerators.file}."
            )
            yield Fault(data_centers.file, row, "it_capacity_mw", _shown(capacity_mw), problem, remedy)


def _doubts_of_weights(nodes: Table) -> Iterator[Fault]:
    one = find_threshold("sum", "nodes", "demand_weight")
    found = [(row, weight) for row, weight in _cells(nodes, "demand_weight") if weight is not None and weight > 0]
    weights = [weight for _, weight in found]
    if weights and (meant := doubt_of_sum(weights, one, SUMS_OF_SHARES)) is not None:
        total = math.fsum(weights)
        problem = f"the weights of the demand hubs sum to {total:.6g}, nearly but not quite {meant:g}"
        remedy = f"Add what is missing, or divide each by {total / meant:.6g}; as they are, they are scaled."
        yield Fault(nodes.file, found[0][0], one.attribute, _shown(weights[0]), problem, remedy)

"""Fields of nodes and links by the names that other programs give them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from network_data.faults import FaultList
from network_data.read import read_raw
from optimizer.imports.source_graph import CAPACITY_UNITS, SUBJECT, SourceLink, SourceNode

_Names = tuple[str, ...]
_KEY: _Names = ("id", "node", "key", "name", "label")
_NAME: _Names = ("name", "label", "id", "node")
_LATITUDE: _Names = ("latitude_deg", "latitude", "lat")
_LONGITUDE: _Names = ("longitude_deg", "longitude", "lon", "lng", "long")
_START: _Names = ("from_node", "from", "source", "src", "start", "node1", "u", "a")
_END: _Names = ("to_node", "to", "target", "dst", "destination", "end", "node2", "v", "b")
_LENGTH: _Names = ("length_km", "distance_km", "dist_km")
_ONE_WAY: _Names = ("one_way_ms", "delay_ms", "latency_ms")
_CAPACITY: _Names = ("capacity", "bandwidth", "bw")
_PERSONS_PER_MILLION = 1e6
_BITS_PER_GBIT = 1e9

# Words that stand for a number that is not known.
_UNKNOWN = {"", "nan", "none", "null", "n/a", "na", "-"}

# What says a rate with its unit, and nothing else: "34M", "2.5 Gbit/s", "4 x 10 Gbps".
_RATE = re.compile(
    r"(?:(?P<count>\d+)\s*x\s*)?(?P<rate>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt])(?:b(?:it)?(?:ps|/s)?)?", re.IGNORECASE
)

# Optical carriers of SONET (ANSI T1.105): OC-192 carries 192 times as much as OC-1.
_OPTICAL_CARRIER = re.compile(r"(?:(?P<count>\d+)\s*x\s*)?OC-?(?P<level>\d+)c?", re.IGNORECASE)
_OC1_GBPS = 0.05184


class Fields:
    """
    The fields of one node or link.

    Parameters
    ----------
    found
        Values by name; names count without case.
    file, row
        Where they stand.
    faults
        Receives what is no number.
    """

    def __init__(self, found: Mapping[str, Any], file: str, row: int | None, faults: FaultList) -> None:
        self._found = {str(name).strip().lower(): value for name, value in found.items()}
        self._file, self._row, self._faults = file, row, faults

    def text(self, *names: str) -> str:
        """Take the first of the fields that is filled; "" where none is."""
        texts = (str(self._found[name]).strip() for name in names if self._found.get(name) is not None)
        return next((text for text in texts if text.lower() not in _UNKNOWN), "")

    def number(self, *names: str) -> float:
        """Take the first of the fields that is filled as a number; NaN where none is."""
        name = next((name for name in names if self.text(name)), None)
        if name is None:
            return math.nan
        try:
            number = float(self.text(name))
        except ValueError:
            number = math.inf
        if not math.isfinite(number):
            remedy = "Write digits with a point as decimal mark and no unit."
            self._faults.add(self._file, "is not a number", remedy, row=self._row, column=name, value=self._found[name])
            return math.nan
        return number

    def is_true(self, name: str) -> bool:
        """Whether a field says yes."""
        return self.text(name).lower() in {"true", "1", "1.0", "yes"}

    def is_false(self, name: str) -> bool:
        """Whether a field says no."""
        return self.text(name).lower() in {"false", "0", "0.0", "no"}

    def node(self, key: str = "") -> SourceNode:
        """Build a node; one without a name is called by its key."""
        population = self.number("population_million")
        if math.isnan(population):
            population = self.number("population") / _PERSONS_PER_MILLION
        return SourceNode(
            self.text(*_NAME) or key,
            latitude_deg=self.number(*_LATITUDE),
            longitude_deg=self.number(*_LONGITUDE),
            weight=self.number("demand_weight"),
            population_million=population,
            country=self.text("country"),
            province=self.text("province", "state"),
            region=self.text("region"),
        )

    @property
    def key(self) -> str:
        """What links call a node."""
        return self.text(*_KEY)

    @property
    def ends(self) -> tuple[str, str]:
        """Keys of the two ends of a link."""
        return self.text(*_START), self.text(*_END)

    def link(self, start: str, end: str, capacity_unit: str | None) -> SourceLink:
        """
        Build a link.

        Parameters
        ----------
        capacity_unit
            Of a capacity without a unit; None = such a capacity is not used.
        """
        gbps, basis = self._capacity(capacity_unit)
        is_bare = not basis and bool(self.text(*_CAPACITY))
        return SourceLink(start, end, self.number(*_LENGTH), self.number(*_ONE_WAY), gbps, basis, is_bare)

    def _capacity(self, capacity_unit: str | None) -> tuple[float, str]:
        """Find the capacity in Gbps, and say where it stands."""
        if self.text("capacity_gbps", "bandwidth_gbps"):
            return self.number("capacity_gbps", "bandwidth_gbps"), "capacity_gbps of the file"
        if self.text("linkspeedraw"):
            return self.number("linkspeedraw") / _BITS_PER_GBIT, "LinkSpeedRaw of the file"
        for name in ("linklabel", "label", "linknote", "linktype"):
            basis = f"label {self.text(name)} of the file"
            if rate := _RATE.fullmatch(self.text(name)):
                unit = CAPACITY_UNITS[f"{rate['unit'].lower()}bps"]
                return int(rate["count"] or 1) * float(rate["rate"]) * unit, basis
            if carrier := _OPTICAL_CARRIER.fullmatch(self.text(name)):
                return int(carrier["count"] or 1) * int(carrier["level"]) * _OC1_GBPS, basis
        if capacity_unit is not None and self.text(*_CAPACITY):
            return self.number(*_CAPACITY) * CAPACITY_UNITS[capacity_unit], f"capacity of the file, in {capacity_unit}"
        return math.nan, ""


def read_rows(path: Path, faults: FaultList) -> Iterator[tuple[int, Fields]]:
    """
    Read the rows of a table, with their lines.

    Raises
    ------
    InputError
        If the file is no table.
    """
    inner = FaultList(SUBJECT)
    raw = read_raw(path, inner)
    inner.raise_if_any()
    if raw is None or not raw.header:
        inner.add(path.name, "the file is empty", "Give a table with a header.")
        raise inner.error()
    for row, cells in zip(raw.rows, raw.cells, strict=True):
        yield row, Fields(dict(zip(raw.header, cells, strict=True)), path.name, row, faults)


def has_fields_of_a_link(path: Path) -> bool:
    """Whether the header of a table names two ends."""
    raw = read_raw(path, FaultList(SUBJECT))
    names = {name.lower() for name in raw.header} if raw is not None else set()
    return bool(names & set(_START)) and bool(names & set(_END))


def has_fields_of_a_place(path: Path) -> bool:
    """Whether the header of a table names a node and its coordinates."""
    raw = read_raw(path, FaultList(SUBJECT))
    names = {name.lower() for name in raw.header} if raw is not None else set()
    return all(names & set(known) for known in (_KEY, _LATITUDE, _LONGITUDE))

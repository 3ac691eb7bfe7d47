"""A graph as another program stored it, before anything is assumed, and the options of an import."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from network_data.faults import Fault, InputError

SUBJECT = "the import"

# Gbps in one unit of a capacity that a file states without its unit.
CAPACITY_UNITS = {"kbps": 1e-6, "mbps": 1e-3, "gbps": 1.0, "tbps": 1e3}

KindOfNote = Literal["read", "assumed", "left out"]


class Note(NamedTuple):
    """One thing that was read, assumed or left out, and of what."""

    kind: KindOfNote
    text: str
    items: tuple[str, ...] = ()


@dataclass
class SourceNode:
    """
    A node as the file has it; a number that the file does not state is NaN, a text "".

    Attributes
    ----------
    weight
        Of the demand, in any unit.
    is_hub
        Whether demand may originate here: not at the middle of a hyperedge, nor at a point on a cable.
    needs_place
        Whether it is left out if its place is not known: a node of another network, or a satellite.
    is_placed
        Whether its coordinates were assumed.
    """

    name: str
    latitude_deg: float = math.nan
    longitude_deg: float = math.nan
    weight: float = math.nan
    population_million: float = math.nan
    country: str = ""
    province: str = ""
    region: str = ""
    is_hub: bool = True
    needs_place: bool = False
    is_placed: bool = False


@dataclass
class SourceLink:
    """
    A link as the file has it, by the keys of its ends; a number that the file does not state is NaN.

    Attributes
    ----------
    has_bare_capacity
        Whether the file states a capacity whose unit is not known.
    """

    start: str
    end: str
    length_km: float = math.nan
    one_way_ms: float = math.nan
    capacity_gbps: float = math.nan
    capacity_basis: str = ""
    has_bare_capacity: bool = False


@dataclass
class SourceGraph:
    """
    What a reader found.

    Attributes
    ----------
    file_format
        In words.
    name
        Of the network.
    origin
        What the file says of where it comes from.
    nodes
        By the key that links use.
    weight_basis
        What the weights of the nodes are; "" where there are none.
    has_arcs
        Whether each direction of a link is a link of its own.
    notes
        What the reader itself assumed or left out.
    """

    file_format: str
    name: str
    origin: str = ""
    nodes: dict[str, SourceNode] = field(default_factory=dict)
    links: list[SourceLink] = field(default_factory=list)
    weight_basis: str = ""
    has_arcs: bool = False
    notes: list[Note] = field(default_factory=list)

    def note(self, kind: KindOfNote, text: str, items: tuple[str, ...] | list[str] = ()) -> None:
        """Record a note."""
        self.notes.append(Note(kind, text, tuple(items)))


@dataclass(frozen=True)
class ImportOptions:
    """
    What a file of another program does not say.

    Attributes
    ----------
    data_centers
        Nodes with a data center, by name, id or key in the file; none = the best-connected `sites`.
    sites
        Data centers to assume where none are named.
    places
        Table of places: `name` or `id`, `latitude_deg`, `longitude_deg`, and if known `population_million`,
        `demand_weight`, `country`, `province`, `region`. It goes before what the file says.
    capacity_unit
        Unit of capacities that the file states without one, of `CAPACITY_UNITS`; None = such capacities are not used.
    capacity_gbps
        Of links whose capacity is not known.
    route_factor
        Length of the fibre in great circles, where the file has no length.
    swap_coordinates
        The file has latitude where longitude belongs.
    """

    data_centers: tuple[str, ...] = ()
    sites: int = 3
    places: Path | None = None
    capacity_unit: str | None = None
    capacity_gbps: float = 100.0
    route_factor: float = 1.3
    swap_coordinates: bool = False


def refuse(path: Path | str, problem: str, remedy: str, *, value: object = None, row: int | None = None) -> InputError:
    """Build the error for a file that cannot be imported."""
    return InputError([Fault(str(path), row, None, None if value is None else str(value), problem, remedy)], SUBJECT)

"""The answer to why a workload is served where it is."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.block_reasons import Reason
from optimizer.forced_placement import ForcedPlacement


@dataclass(frozen=True)
class PlacePrice:
    """
    What a million tokens cost in a place, a mean over the hours in which the workload is served there.

    Attributes
    ----------
    own
        CNY per million tokens by cost component.
    rents
        CNY per million tokens by equation: what the limits that are used up are worth to others.
    own_cny_per_mtok, total_cny_per_mtok
        Their sums: own cost, and own cost with rents.
    """

    own: dict[str, float]
    rents: dict[str, float]
    own_cny_per_mtok: float
    total_cny_per_mtok: float


@dataclass(frozen=True)
class ChosenPlace:
    """
    A data center that serves the workload.

    Attributes
    ----------
    data_center, name, region
        What it is called, and where it is.
    mtok_per_year, share
        What it takes of the workload.
    hours
        From and to, for each stretch of hours in which it does, by representative day.
    hours_per_year
        How many hours these stand for.
    routes
        Nodes of each route used, with its tokens and RTT.
    rtt_ms
        Mean round trip.
    price
        What a million tokens cost there.
    """

    data_center: str
    name: str
    region: str
    mtok_per_year: float
    share: float
    hours: dict[str, list[tuple[float, float]]]
    hours_per_year: float
    routes: list[dict[str, float | str]]
    rtt_ms: float
    price: PlacePrice


@dataclass(frozen=True)
class BlockedPlace:
    """
    A data center that would serve the workload at less own cost, and does not.

    Attributes
    ----------
    data_center, name
        What it is called.
    rtt_ms
        Round trip of the route that was priced.
    own_cny_per_mtok
        Own cost there.
    cheaper_by_cny_per_mtok
        How much less that is than the mean own cost where it is served.
    reasons
        What blocks it.
    """

    data_center: str
    name: str
    rtt_ms: float
    own_cny_per_mtok: float
    cheaper_by_cny_per_mtok: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class PlacementExplanation:
    """
    Why a workload is where it is.

    Attributes
    ----------
    workload, demand_hub, workload_class, class_name
        What is explained.
    mtok_per_year, unserved_mtok_per_year
        What is served and what is not.
    is_deferrable, is_indivisible
        Of the workload.
    cny_per_mtok
        What one more million tokens cost, the mean over its hours.
    chosen
        The data centers that serve it, largest first.
    blocked
        Data centers of less own cost that do not, cheapest first.
    next_best
        The best of the other data centers for all of it; None if there is none.
    tried
        Data centers that were tried for it, best first.
    out_of_reach
        Data centers without a route or a fast enough accelerator.
    """

    workload: str
    demand_hub: str
    workload_class: str
    class_name: str
    mtok_per_year: float
    unserved_mtok_per_year: float
    is_deferrable: bool
    is_indivisible: bool
    cny_per_mtok: float
    chosen: tuple[ChosenPlace, ...]
    blocked: tuple[BlockedPlace, ...]
    next_best: ForcedPlacement | None
    tried: tuple[ForcedPlacement, ...]
    out_of_reach: tuple[str, ...]

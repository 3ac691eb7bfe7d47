"""What a data center does in a run, what limits it, what one more pod and megawatt there is worth, and who is next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from network_data.faults import FaultList, suggest
from optimizer.problem.problem import FloatArray
from optimizer.runs.run import Run
from optimizer.sensitivity.work_table import WORK_COLUMNS
from optimizer.units import TOKENS_PER_MTOK

# A limit is used up where less than this share of it is left.
_FULL_SHARE = 1e-6
# Costs that differ by less are the same.
_LEAST_CNY_PER_MTOK = 1e-6


@dataclass(frozen=True)
class HourOfDataCenter:
    """What a data center does in one time slice."""

    day: str
    hour: float  # Start, hours after midnight
    weight_h: float  # Hours per year
    mtok_per_h: float
    it_power_mw: float
    facility_power_mw: float
    price_cny_per_mwh: float
    active_pods: float


@dataclass(frozen=True)
class LimitThere:
    """A limit of a data center: how much of it is in use, and what one more unit is worth."""

    kind: str  # pods, it_power, or link (on the way of work that is served there)
    id: str  # Accelerator, data center or link
    name: str
    unit: str  # pods, MW, Gbps
    most_used: float  # In the hour with most
    available: float
    full_h_per_year: float  # Hours in which it is used up
    value_cny_per_year: float  # Saving of one more unit (of a link: 100 Gbps) in place; NaN where not computed
    marginal_value_cny_per_year: float  # The same for a small part of it, from the duals
    holds_to: float  # Up to which amount each unit saves about as much; NaN where not known

    @property
    def binds(self) -> bool:
        """Whether it is used up in some hour."""
        return self.full_h_per_year > 0


@dataclass(frozen=True)
class OtherDataCenter:
    """Another data center for the work that one does: running costs of a million tokens, here and there."""

    data_center: str
    name: str
    work_share: float  # Of the work, that has a route and a fast enough accelerator there
    here_cny_per_mtok: float  # Of that part of the work
    there_cny_per_mtok: float
    kept_out_share: Mapping[str, float]  # Of that part, by what keeps it from being there, largest first

    @property
    def difference_cny_per_mtok(self) -> float:
        """How much more the work costs there."""
        return self.there_cny_per_mtok - self.here_cny_per_mtok


@dataclass(frozen=True)
class DataCenterPrice:
    """What a data center of a run does, costs, and would be worth with more."""

    data_center: str
    name: str
    region: str
    is_open: bool
    mtok_per_year: float
    token_share: float  # Of all tokens served
    tokens_per_day: float
    hours_per_year: float  # In which anything is served
    class_share: Mapping[str, float]  # Of its tokens, largest first
    hub_share: Mapping[str, float]  # The same by demand hub
    mean_rtt_ms: float
    hours: tuple[HourOfDataCenter, ...]  # Empty for a run of an older version
    price_cny_per_mwh: float  # Paid for energy, mean over what is drawn; NaN where nothing is
    least_price_cny_per_mwh: float  # By hour
    most_price_cny_per_mwh: float
    cost_cny_per_year: Mapping[str, float]  # By component, without zeros
    limits: tuple[LimitThere, ...]
    others: tuple[OtherDataCenter, ...]  # For its work, the cheapest first; empty where that was not computed
    # Of a data center without work: tokens that could be served there, of all that are served, what they cost where
    # they are and would cost there, and what keeps them out
    could_serve: OtherDataCenter | None
    # Of a closed one: what opening it costs, and the most that it could save before that is paid; NaN if not computed
    opening_cny_per_year: float
    most_saved_cny_per_year: float

    @property
    def next_cheaper(self) -> OtherDataCenter | None:
        """The data center that is next cheaper for its work; None if there is none."""
        cheaper = [other for other in self.others if other.difference_cny_per_mtok < -_LEAST_CNY_PER_MTOK]
        return cheaper[-1] if cheaper else None

    @property
    def next_dearer(self) -> OtherDataCenter | None:
        """The data center that is next dearer for its work; None if there is none."""
        return next((other for other in self.others if other.difference_cny_per_mtok >= -_LEAST_CNY_PER_MTOK), None)


class _Tables:
    """The tables of a run as they are looked up: each is split once, for all data centers."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def flows(self) -> dict[str, pd.DataFrame]:
        """Allocation by data center."""
        return _split(self.run.allocation, "data_center")

    @cached_property
    def hours(self) -> dict[str, pd.DataFrame]:
        """What data centers do in each slice, by data center; empty for a run of an older version."""
        if not self.run.has_slice_tables:
            return {}
        return _split(self.run.slice_tables["data_centers_by_slice"], "data_center")

    @cached_property
    def active_pods(self) -> dict[str, pd.DataFrame]:
        """Pods in use in each slice by data center."""
        return _split(self.run.tables["active_pods"], "data_center")

    @cached_property
    def pools(self) -> dict[str, pd.DataFrame]:
        """Pools by data center."""
        return _split(self.run.tables["pools"], "data_center")

    @cached_property
    def costs(self) -> dict[str, pd.DataFrame]:
        """Costs by data center."""
        return _split(self.run.costs, "data_center")

    @cached_property
    def work(self) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
        """What work would cost elsewhere, by the data center that has it, and by the other one."""
        table = self.run.tables.get("work_elsewhere", pd.DataFrame(columns=WORK_COLUMNS))
        return _split(table, "data_center"), _split(table, "other")

    @cached_property
    def weight_h(self) -> pd.Series:
        """Hours a year of each slice."""
        return self.run.slices.set_index(["day", "hour"])["weight_h"]

    @cached_property
    def prices(self) -> dict[tuple[str, str], tuple[float, float, float]]:
        """Value, marginal value and reach of one more unit of each limit, by kind and id."""
        table = self.run.shadow_prices.drop_duplicates(["kind", "id"])
        numbers = table[["value", "marginal_value", "holds_to"]].astype(float).to_numpy().tolist()
        keys = zip(table["kind"], table["id"], strict=True)
        return {key: (value, marginal, holds) for key, (value, marginal, holds) in zip(keys, numbers, strict=True)}

    @cached_property
    def full_links(self) -> dict[frozenset[str], list[LimitThere]]:
        """Links that are full in some hour, by their ends."""
        if not self.run.has_slice_tables:
            return {}
        links, found = self.run.links, dict[frozenset[str], list[LimitThere]]()
        loads = _split(self.run.slice_tables["links_by_slice"], "link")
        for link, ends in zip(links.index, links[["from_node", "to_node"]].to_numpy(str), strict=True):
            if (load := loads.get(str(link))) is None:
                continue
            used, weight_h = load["load_gbps"].to_numpy(float), load["weight_h"].to_numpy(float)
            there = float(links["capacity_gbps"].get(link, np.inf)) if "capacity_gbps" in links else np.inf
            full_h = _full_h(used, there, weight_h)
            if full_h > 0:
                price = self.price_of("link", str(link))
                one = LimitThere("link", str(link), str(link), "Gbps", float(used.max()), there, full_h, *price)
                found.setdefault(frozenset(ends), []).append(one)
        return found

    def price_of(self, kind: str, label: str) -> tuple[float, float, float]:
        """Find the prices of a limit; NaN where none were computed."""
        return self.prices.get((kind, label), (np.nan, np.nan, np.nan))


def _split(table: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """Split a table by a column; rows keep their order."""
    return {str(key): part for key, part in table.groupby(column, sort=False, observed=True)}


def price_data_center(run: Run, data_center: str, *, with_opening: bool = True) -> DataCenterPrice:
    """
    Tell what a data center of a run does, and what more of it would be worth.

    Parameters
    ----------
    data_center
        Its id, or its name.
    with_opening
        Work out what a closed one could save, which takes a solve of seconds and the inputs of the run.

    Raises
    ------
    InputError
        If the run has no such data center; names the most similar one.
    """
    return _price(_Tables(run), _find(run, data_center), with_opening=with_opening)


def price_data_centers(run: Run, data_centers: Iterable[object]) -> list[DataCenterPrice]:
    """
    Tell the same of several, by their ids, without what a closed one could save; tables are split once for all.

    Parameters
    ----------
    data_centers
        Their ids.
    """
    tables = _Tables(run)
    return [_price(tables, str(center), with_opening=False) for center in data_centers]


def _price(tables: _Tables, center: str, *, with_opening: bool) -> DataCenterPrice:
    run = tables.run
    row = run.data_centers.loc[[center]].iloc[0]
    mine = tables.flows.get(center, run.allocation.iloc[:0])
    served = float(row["mtok_per_year"])
    hours = _hours(tables, center)
    prices = [hour.price_cny_per_mwh for hour in hours]
    costs = tables.costs.get(center, run.costs.iloc[:0]).set_index("component")["cny_per_year"]
    is_open = bool(row["is_open"])
    opening, saved = _opening(run, center) if with_opening and not is_open else (np.nan, np.nan)
    by_slice = mine.groupby(["day", "hour"])["weight_h"].first()
    return DataCenterPrice(
        data_center=center,
        name=str(row["name"]),
        region=str(row["region"]),
        is_open=is_open,
        mtok_per_year=served,
        token_share=_share(served, float(run.data_centers["mtok_per_year"].sum())),
        tokens_per_day=served * TOKENS_PER_MTOK / run.days_per_year,
        hours_per_year=float(by_slice.sum()),
        class_share=_shares(mine, "workload_class"),
        hub_share=_shares(mine, "demand_hub"),
        mean_rtt_ms=_share(float(mine["rtt_ms"].to_numpy(float) @ mine["mtok_per_year"].to_numpy(float)), served),
        hours=hours,
        price_cny_per_mwh=float(row.get("mean_price_cny_per_mwh", np.nan)),
        least_price_cny_per_mwh=min(prices, default=np.nan),
        most_price_cny_per_mwh=max(prices, default=np.nan),
        cost_cny_per_year={str(name): float(cny) for name, cny in costs.items() if cny},
        limits=(*_pods(tables, center), *_power(tables, center, hours), *_links(tables, mine)),
        others=_others(tables, center),
        could_serve=None if served > 0 else _could_serve(tables, center),
        opening_cny_per_year=opening,
        most_saved_cny_per_year=saved,
    )


def _find(run: Run, text: str) -> str:
    wanted = text.strip().casefold()
    names = run.data_centers[run.data_centers.columns.intersection(["name", "name_local"])]
    for center, *called in names.itertuples():
        if wanted in {str(name).casefold() for name in (center, *called)}:
            return str(center)
    faults, known = FaultList("the data center"), list(map(str, run.data_centers.index))
    remedy = f"Name one of {', '.join(known)}.{suggest(wanted, known)}"
    faults.add("data_center", "the run has no such data center", remedy, value=text)
    raise faults.error()


def _share(part: float, whole: float) -> float:
    return part / whole if whole else np.nan if part else 0.0


def _shares(flows: pd.DataFrame, column: str) -> dict[str, float]:
    sums = flows.groupby(column)["mtok_per_year"].sum().sort_values(ascending=False, kind="stable")
    return {str(name): float(value) for name, value in (sums / sums.sum()).items() if value}


def _hours(tables: _Tables, center: str) -> tuple[HourOfDataCenter, ...]:
    if not tables.hours:
        return ()
    table = tables.hours[center].set_index(["day", "hour"])
    on = tables.active_pods.get(center, tables.run.tables["active_pods"].iloc[:0])
    active = on.groupby(["day", "hour"])["active_pods"].sum()
    table = table[["weight_h", "mtok_per_h", "it_power_mw", "facility_power_mw", "price_cny_per_mwh"]].assign(
        active_pods=active.reindex(table.index, fill_value=0.0)
    )
    return tuple(
        HourOfDataCenter(str(day), float(hour), *row)
        for (day, hour), row in zip(table.index, table.to_numpy(float).tolist(), strict=True)
    )


def _full_h(used: FloatArray, available: float, weight_h: FloatArray) -> float:
    is_full: npt.NDArray[np.bool_] = (used >= available * (1.0 - _FULL_SHARE)) & (used > 0)
    return float(weight_h[is_full].sum())


def _pods(tables: _Tables, center: str) -> list[LimitThere]:
    if center not in tables.pools:
        return []
    on, found = tables.active_pods.get(center, tables.run.tables["active_pods"].iloc[:0]), []
    for pool in tables.pools[center].to_dict("records"):
        chip, there = str(pool["accelerator"]), float(pool["existing_pods"] + pool["new_pods"])
        mine = on[on["accelerator"] == chip].set_index(["day", "hour"])["active_pods"]
        used, weight_h = mine.to_numpy(float), tables.weight_h.reindex(mine.index).to_numpy(float)
        price = tables.price_of("existing_pod", f"{center}/{chip}")
        most = float(used.max(initial=0.0))
        found.append(LimitThere("pods", chip, chip, "pods", most, there, _full_h(used, there, weight_h), *price))
    return found


def _power(tables: _Tables, center: str, hours: tuple[HourOfDataCenter, ...]) -> list[LimitThere]:
    row, price = tables.run.data_centers.loc[[center]].iloc[0], tables.price_of("it_power", center)
    most, there = float(row.get("peak_it_power_mw", np.nan)), float(row.get("it_capacity_mw", np.nan))
    used, weight_h = (np.array([getattr(hour, name) for hour in hours]) for name in ("it_power_mw", "weight_h"))
    full_h = _full_h(used, there, weight_h)
    return [LimitThere("it_power", center, str(row["name"]), "MW", most, there, full_h, *price)]


def _links(tables: _Tables, mine: pd.DataFrame) -> list[LimitThere]:
    """Links that are full in some hour and carry work of the data center."""
    if not tables.full_links:
        return []
    chains = tables.run.routes.loc[mine.loc[mine["mtok_per_year"] > 0, "route"].unique(), "nodes"].str.split(">")
    steps = {frozenset(step) for nodes in chains for step in pairwise(nodes)}
    return [one for ends, links in tables.full_links.items() if ends in steps for one in links]


def _others(tables: _Tables, center: str) -> tuple[OtherDataCenter, ...]:
    if (table := tables.work[0].get(center)) is None:
        return ()
    served = float(tables.run.data_centers["mtok_per_year"].loc[center])
    found = [_summed(tables.run, other, part, served) for other, part in _split(table, "other").items()]
    return tuple(sorted(found, key=lambda one: one.difference_cny_per_mtok))


def _could_serve(tables: _Tables, center: str) -> OtherDataCenter | None:
    run, part = tables.run, tables.work[1].get(center)
    return None if part is None else _summed(run, center, part, float(run.data_centers["mtok_per_year"].sum()))


def _summed(run: Run, other: str, part: pd.DataFrame, of_mtok: float) -> OtherDataCenter:
    mtok = part["mtok_per_year"].to_numpy(float)
    here, there = (
        float(mtok @ part[f"{name}_cny_per_mtok"].to_numpy(float) / mtok.sum()) for name in ("here", "there")
    )
    kept = part.groupby("kept_out_by")["mtok_per_year"].sum().sort_values(ascending=False, kind="stable") / mtok.sum()
    shares = {str(kind): float(share) for kind, share in kept.items()}
    name = str(run.data_centers.loc[other, "name"])
    return OtherDataCenter(other, name, _share(float(mtok.sum()), of_mtok), here, there, shares)


def _opening(run: Run, center: str) -> tuple[float, float]:
    """Cost of opening a closed data center, and the most that it could save; NaN where that cannot be worked out."""
    if run.lost_inputs:
        return np.nan, np.nan
    from optimizer.sensitivity.data_centers import most_saved_if_open
    from optimizer.solvers.fixed_integers import FixedIntegerError

    centers = run.problem.data_centers
    number = int(np.flatnonzero(centers["id"].to_numpy(str) == center)[0])
    cost = float(centers["opening_cny_per_year"].iloc[number])
    # What is closed stands in for nothing in a failure; a bound would have to count that.
    if not run.problem.outages.empty:
        return cost, np.nan
    try:
        return cost, most_saved_if_open(run.problem, run.plan, number)
    except FixedIntegerError:
        return cost, np.nan

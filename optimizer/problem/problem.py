"""The placement problem as frozen index tables and arrays: everything the model, the checker and the exports read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

# What a million tokens cost on the way, apart from the value of time.
TRANSPORT_COLUMNS = ("network_cny_per_mtok", "data_transfer_cny_per_mtok")


@dataclass(frozen=True)
class PolicyLimits:
    """
    Limits on the year. The defaults limit nothing.

    Attributes
    ----------
    min_region_share
        Region of data centers to the least share of all tokens served that is processed there; shares above 0.
    min_new_compute_share
        Region or category of data centers to the least share of the compute of new pods that stands there; shares
        above 0.
    min_green_share
        Least share of the facility energy that contracts for green power cover; 0 = no limit.
    carbon_cap_t_per_year
        Most tonnes of CO2, location-based; None = no limit.
    min_utilization_share
        Least share of the year that the accelerators of an open data center are busy; 0 = no limit.
    investment_limit_cny
        Most up-front price of new pods with their building and power; None = no limit.
    spending_limit_cny_per_year
        Most of energy, demand charge, annualized capital, opening, deployment and carbon price; None = no limit.
    """

    min_region_share: Mapping[str, float] = field(default_factory=dict)
    min_new_compute_share: Mapping[str, float] = field(default_factory=dict)
    min_green_share: float = 0.0
    carbon_cap_t_per_year: float | None = None
    min_utilization_share: float = 0.0
    investment_limit_cny: float | None = None
    spending_limit_cny_per_year: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite or negative."""
        limits = (self.carbon_cap_t_per_year, self.investment_limit_cny, self.spending_limit_cny_per_year)
        by_name = (*self.min_region_share.values(), *self.min_new_compute_share.values())
        shares = (*by_name, self.min_green_share, self.min_utilization_share)
        numbers = np.array([*shares, *(limit for limit in limits if limit is not None)], dtype=float)
        if not np.isfinite(numbers).all() or (numbers < 0).any():
            raise ValueError("policy: a limit is negative or not finite")

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions with a least share above 0, by name."""
        return tuple(sorted(name for name, share in self.min_region_share.items() if share > 0))

    @property
    def new_compute_groups(self) -> tuple[str, ...]:
        """Regions and categories with a least share of new compute above 0, by name."""
        return tuple(sorted(name for name, share in self.min_new_compute_share.items() if share > 0))

    @property
    def is_active(self) -> bool:
        """Whether anything is limited."""
        return self != NO_LIMITS

    @property
    def limits_pods(self) -> bool:
        """Whether a pod more can break a limit, so that a fractional number must not simply be rounded up."""
        money = (self.investment_limit_cny, self.spending_limit_cny_per_year)
        demands_share = self.min_utilization_share > 0 or bool(self.new_compute_groups)
        return demands_share or any(limit is not None for limit in money)


NO_LIMITS = PolicyLimits()


def _hardest_slices(demand: npt.NDArray[np.float64]) -> list[int]:
    """Find the slices that no other one covers."""
    kept: list[int] = []
    # A slice can only be covered by one with no less in total.
    for t in np.argsort(-demand.sum(axis=1), kind="stable").tolist():
        if demand[t].any() and not any((demand[t] <= demand[u]).all() for u in kept):
            kept.append(t)
    return sorted(kept)


FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
GB_PER_GBPS_H = 3600.0 / 8.0
BoolArray = npt.NDArray[np.bool_]


def runs_of_positions(first: IntArray, count: IntArray) -> IntArray:
    """
    Positions of several runs, one after the other: `count[i]` of them from `first[i]` on.

    Examples
    --------
    >>> runs_of_positions(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(count) - count
    return np.asarray(np.repeat(first - before, count) + np.arange(count.sum()), np.int64)


def no_routes_left_out() -> pd.DataFrame:
    """Table `PlacementProblem.left_out` without rows."""
    integers = ["workload_index", "data_center_index", "route_index"]
    real = ["rtt_ms", "network_cny_per_mtok", "data_transfer_cny_per_mtok", "late_ms"]
    reasons = ["is_barred", "is_unprotected"]
    kinds = dict.fromkeys(integers, np.int64) | dict.fromkeys(real, np.float64) | dict.fromkeys(reasons, np.bool_)
    return pd.DataFrame({name: np.zeros(0, kind) for name, kind in kinds.items()})


@dataclass(frozen=True, eq=False)
class PlacementProblem:
    """
    One placement problem. Tables are indexed 0..n-1; a column ``<set>_index`` is a position in that set's table.

    Set letters: T time slices, W workloads, K workload classes, D data centers, A accelerators, P pools,
    L links, R candidates, B billing periods. In arrays the time axis comes first.

    Attributes
    ----------
    name
        Name of the scenario the problem was assembled from.
    slices
        (T,) day, hour (start of the slice, hours after midnight of the network's clock), weight_h (hours per year),
        billing_index, previous_index (the slice before it in the same day, cyclic).
    billing
        (B,) day, months (months per year billed on this period's peak; sums to 12).
    classes
        (K,) id, name, latency_cny_per_ms_per_mtok, gbps_per_mtok_per_h, rtt_limit_ms (as stated, inf where none),
        max_sites (D where unlimited), min_share, deploy_cny_per_year, is_deferrable, is_indivisible; optional:
        ttft_limit_ms (time to the first token, inf where none), min_accelerators (kept on wherever it is deployed).
    workloads
        (W,) demand_hub, workload_class, class_index, is_deferrable, is_indivisible; optional: hub_ahead_h (how far the
        clock of the hub is ahead of that of the slices).
    data_centers
        (D,) id, name, node, category, region, it_capacity_mw, pue, opening_cny_per_year, opening_cny_per_mw_year (of
        the highest facility power of the year), demand_charge_cny_per_kw_month, demand_charge_basis (monthly_peak or
        contracted; monthly_peak where the column is missing), carbon_kg_per_kwh, green_power_share, latitude_deg,
        longitude_deg; of an assembled problem also confidence, price_confidence (of its energy price: estimate or
        reported) and demand_charge_confidence.
    accelerators
        (A,) id, name, accelerators_per_pod, pflops_per_pod (dense BF16), idle_mw_per_pod, dynamic_mw_per_accelerator
        (full power less idle power).
    pools
        (P,) data_center_index, accelerator_index, existing_pods, max_new_pods, min_pods,
        pod_cny_per_year (annualized price of one new pod), site_cny_per_year (annualized building and power for it),
        pod_cny, site_cny (the same up front); optional: energy_surcharge_cny_per_mwh (on top of the energy price of
        the data center).
    links
        (L,) id, from_node, to_node, length_km, one_way_ms, capacity_gbps (the share open to inference), is_limiting
        (False where no plan can exceed the capacity: the limit is then left out, exactly).
    routes
        One row per (demand hub, data center, rank): demand_hub, data_center_index, rank, one_way_ms, rtt_ms
        (round trip over the fibre plus the data center's access), network_cny_per_gbps_h, nodes (ids joined by ">"),
        is_transfer (whether data leaves the hub's province or region on it, and pays for that).
    route_links
        One row per link of a route, in travel order: route_index, link_index.
    candidates
        (R,) workload_index, data_center_index, route_index, rtt_ms, network_cny_per_mtok, data_transfer_cny_per_mtok;
        sorted by workload.
    demand_mtok_per_h
        (T, W) arrivals.
    backlog_limit_mtok
        (T, W) most that may wait at the end of the slice without overrunning the window; 0 for urgent workloads.
    servable_mtok_per_h
        (T, W) most that can be served in the slice: demand, plus what may have waited.
    shed_limit_mtok_per_h
        (T, W) most that may be left unserved: 0, or demand where the scenario states a penalty.
    energy_price_cny_per_mwh
        (T, D).
    accel_h_per_mtok
        (K, A) busy accelerator-hours per million tokens.
    utilization_limit_share
        Share of an active accelerator's time that may be busy.
    carbon_price_cny_per_t
        CNY per tonne of CO2 (location-based, average grid factor).
    shed_penalty_cny_per_mtok
        Cost of an unserved million tokens (0 where shedding is not allowed).
    left_out
        Routes to accelerators that are no candidates, with the columns of candidates and why: late_ms (by how many ms
        the RTT limit is missed, 0 where it is kept), is_barred (by the class's residency rule), is_unprotected (in
        time and allowed, but without the second route that is required, 12). No equation reads it: it is what prices
        of RTT limits and explanations are made of.
    compute_ms
        (K, A) time to compute the first token; None where times to the first token are not budgeted.
    queue_margin_share
        Share of the time to the first token that is kept for waiting in queues.
    connection_rtts
        Round trips between the first packet and the first token.
    data_transfer_cny_per_gb
        Price of data that leaves the demand hub's province or region.
    policy
        Limits on the year.
    outage_demand_mtok_per_h
        (T, W) what must be served at once, by the others, should any one data center fail in the slice; (0, 0) where
        the plan need not survive failures.
    is_protected
        (W,) True where every candidate has a second, link-disjoint route within the limit; (0,) where none need have.
    unprotected_candidates
        Number of candidates that were left out for want of one.
    spare_power_share
        Share of their idle power that pods draw while they are not needed: 0 off, 1 idling. No equation reads it: it
        is part of the full cost, not of the objective.
    """

    name: str
    slices: pd.DataFrame
    billing: pd.DataFrame
    classes: pd.DataFrame
    workloads: pd.DataFrame
    data_centers: pd.DataFrame
    accelerators: pd.DataFrame
    pools: pd.DataFrame
    links: pd.DataFrame
    routes: pd.DataFrame
    route_links: pd.DataFrame
    candidates: pd.DataFrame
    demand_mtok_per_h: FloatArray
    backlog_limit_mtok: FloatArray
    servable_mtok_per_h: FloatArray
    shed_limit_mtok_per_h: FloatArray
    energy_price_cny_per_mwh: FloatArray
    accel_h_per_mtok: FloatArray
    utilization_limit_share: float
    carbon_price_cny_per_t: float
    shed_penalty_cny_per_mtok: float
    left_out: pd.DataFrame = field(default_factory=no_routes_left_out)
    compute_ms: FloatArray | None = None
    queue_margin_share: float = 0.0
    connection_rtts: float = 1.0
    data_transfer_cny_per_gb: float = 0.0
    policy: PolicyLimits = NO_LIMITS
    outage_demand_mtok_per_h: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    is_protected: BoolArray = field(default_factory=lambda: np.zeros(0, np.bool_))
    unprotected_candidates: int = 0
    spare_power_share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse non-finite numbers: HiGHS answers a NaN cost with "optimal" and a NaN capacity with "infeasible"."""
        for member in fields(self):
            value = getattr(self, member.name)
            if isinstance(value, pd.DataFrame):
                # Column by column: picking the numbers out first takes pandas longer than looking at them.
                columns = [
                    name
                    for name, column in value.items()
                    if is_numeric_dtype(column.dtype)
                    and name not in _MAY_BE_INFINITE
                    and not np.isfinite(column.to_numpy(float)).all()
                ]
                if columns:
                    raise ValueError(f"{member.name}: not finite in column(s) {columns}")
            elif isinstance(value, np.ndarray | float) and not np.isfinite(value).all():
                raise ValueError(f"{member.name}: not finite")
        if self.outage_demand_mtok_per_h.shape not in {(0, 0), self.demand_mtok_per_h.shape}:
            raise ValueError("outage_demand_mtok_per_h: neither (0, 0) nor the shape of demand_mtok_per_h")

    def __repr__(self) -> str:
        sizes = (
            f"{len(self.workloads)} workloads, {len(self.data_centers)} data centers, {len(self.slices)} time slices"
        )
        return f"<{type(self).__name__} {self.name!r}: {sizes}, {len(self.candidates)} candidates>"

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """(workload_index, data_center_index) pairs that have a candidate, sorted; column class_index beside them."""
        centers = len(self.data_centers)
        workload = self.candidates["workload_index"].to_numpy(np.int64)
        key = np.unique(workload * centers + self.candidates["data_center_index"].to_numpy(np.int64))
        workload, center = key // centers, key % centers
        class_index = self.workloads["class_index"].to_numpy(np.int64)[workload]
        return pd.DataFrame({"workload_index": workload, "data_center_index": center, "class_index": class_index})

    @cached_property
    def deployments(self) -> pd.DataFrame:
        """(class_index, data_center_index) pairs that have a candidate, sorted: N rows."""
        centers = len(self.data_centers)
        pairs = self.pairs
        key = np.unique(pairs["class_index"].to_numpy() * centers + pairs["data_center_index"].to_numpy())
        return pd.DataFrame({"class_index": key // centers, "data_center_index": key % centers})

    @cached_property
    def processes(self) -> pd.DataFrame:
        """
        (class_index, data_center_index, accelerator_index, pool_index): each deployment on each pool, sorted.

        Pools whose accelerator is too slow for the class (`can_process`) are left out.
        """
        deployed = self.deployments["data_center_index"].to_numpy(np.int64)
        place, accelerator = (
            self.pools[name].to_numpy(np.int64) for name in ("data_center_index", "accelerator_index")
        )
        # Pools by place, and by accelerator within it; each deployment has those from first to end.
        pool = np.lexsort((accelerator, place))
        first, end = (np.searchsorted(place[pool], deployed, side) for side in ("left", "right"))
        count = end - first
        pool = pool[runs_of_positions(first, count)]
        class_index = np.repeat(self.deployments["class_index"].to_numpy(np.int64), count)
        serves = self.can_process[class_index, accelerator[pool]]
        columns = {
            "class_index": class_index, "data_center_index": place[pool], "accelerator_index": accelerator[pool],
            "pool_index": pool,
        }  # fmt: skip
        return pd.DataFrame({name: column[serves] for name, column in columns.items()})

    @cached_property
    def indivisible_pairs(self) -> pd.DataFrame:
        """The rows of `pairs` whose workload must use a single data center: J rows."""
        single = self.workloads["is_indivisible"].to_numpy()[self.pairs["workload_index"]]
        return self.pairs[single].reset_index(drop=True)

    @cached_property
    def is_contracted(self) -> npt.NDArray[np.bool_]:
        """(D,) True where the demand charge is paid on the contracted power, not on the peak of each billing period."""
        if "demand_charge_basis" not in self.data_centers:
            return np.zeros(len(self.data_centers), np.bool_)
        return np.asarray(self.data_centers["demand_charge_basis"] == "contracted", dtype=np.bool_)

    @cached_property
    def rtt_budget_ms(self) -> FloatArray:
        """(K, A) what the time to the first token leaves for one round trip; inf where it is not limited."""
        if self.compute_ms is None:
            return np.full((len(self.classes), len(self.accelerators)), np.inf)
        ttft_ms = self.classes["ttft_limit_ms"].to_numpy(float)
        return rtt_budgets_ms(ttft_ms, self.compute_ms, self.queue_margin_share, self.connection_rtts)

    @cached_property
    def can_process(self) -> BoolArray:
        """(K, A) whether an accelerator is fast enough for a class: it leaves time for the way."""
        return np.asarray(self.rtt_budget_ms > 0)

    @cached_property
    def rtt_limit_ms(self) -> FloatArray:
        """(K, D) longest round trip of a class to a data center; inf where there is no limit (`rtt_limits_ms`)."""
        stated_ms = self.classes["rtt_limit_ms"].to_numpy(float)
        return rtt_limits_ms(stated_ms, self.rtt_budget_ms, self.pools, len(self.data_centers))

    @cached_property
    def hub_ahead_h(self) -> FloatArray:
        """(W,) how far the clock of the demand hub is ahead of that of the slices."""
        if "hub_ahead_h" not in self.workloads:
            return np.zeros(len(self.workloads))
        return self.workloads["hub_ahead_h"].to_numpy(float)

    @cached_property
    def min_accelerators(self) -> FloatArray:
        """(K,) accelerators that a deployed class keeps switched on."""
        if "min_accelerators" not in self.classes:
            return np.zeros(len(self.classes))
        return self.classes["min_accelerators"].to_numpy(float)

    @cached_property
    def energy_surcharge_cny_per_mwh(self) -> FloatArray:
        """(D, A) what an accelerator pays on top of the energy price of its data center; 0 where there is no pool."""
        matrix: FloatArray = np.zeros((len(self.data_centers), len(self.accelerators)))
        if "energy_surcharge_cny_per_mwh" in self.pools:
            place = (self.pools["data_center_index"], self.pools["accelerator_index"])
            matrix[place] = self.pools["energy_surcharge_cny_per_mwh"].to_numpy(float)
        return matrix

    @cached_property
    def lowest_energy_price_cny_per_mwh(self) -> FloatArray:
        """(T, D) a price that no accelerator pays less than: with what the least one gets off, if it gets anything."""
        least = self.energy_surcharge_cny_per_mwh.min(axis=1, initial=0.0)
        return np.asarray(self.energy_price_cny_per_mwh + least, dtype=float)

    @cached_property
    def cannot_wait(self) -> BoolArray:
        """(W,) workloads that must be served at once in an outage."""
        most = self.outage_demand_mtok_per_h.max(axis=0, initial=0.0)
        return np.asarray(most > 0) if len(most) else np.zeros(len(self.workloads), np.bool_)

    @cached_property
    def outages(self) -> pd.DataFrame:
        """
        (failed_index, slice_index) outages to survive: each data center in reach, in each slice that counts.

        A slice in which no workload needs more than in another one is left out: open data centers, deployments and
        pods are the same in all slices, so what survives the other slice survives this one.
        """
        hardest = _hardest_slices(self.outage_demand_mtok_per_h)
        workload = self.candidates["workload_index"].to_numpy(np.int64)
        failed = np.unique(self.candidates["data_center_index"].to_numpy(np.int64)[self.cannot_wait[workload]])
        return pd.DataFrame(
            {
                "failed_index": np.repeat(failed, len(hardest)),
                "slice_index": np.tile(np.array(hardest, dtype=np.int64), len(failed)),
            }
        )

    @cached_property
    def weight_h(self) -> FloatArray:
        """(T,) hours per year of each slice."""
        return self.slices["weight_h"].to_numpy(float)

    @cached_property
    def slice_h(self) -> FloatArray:
        """(T,) length of each slice in hours: until the next of its day begins, after the last the first again."""
        by_day = self.slices.groupby("day")["hour"]
        ends = by_day.shift(-1).fillna(by_day.transform("first") + 24.0)
        return (ends - self.slices["hour"]).to_numpy(float)

    @cached_property
    def candidate_class(self) -> IntArray:
        """(R,) class_index of each candidate."""
        return self.workloads["class_index"].to_numpy(np.int64)[self.candidates["workload_index"]]

    @cached_property
    def class_demand_mtok_per_h(self) -> FloatArray:
        """(T, K) arrivals by class."""
        out = np.zeros((len(self.slices), len(self.classes)))
        np.add.at(out.T, self.workloads["class_index"].to_numpy(), self.demand_mtok_per_h.T)
        return out

    @cached_property
    def annual_mtok(self) -> float:
        """Demand of a year, million tokens."""
        return float(self.weight_h @ self.demand_mtok_per_h.sum(axis=1))


def rtt_budgets_ms(
    ttft_limit_ms: FloatArray, compute_ms: FloatArray, queue_margin_share: float, connection_rtts: float
) -> FloatArray:
    """(K, A) what the time to the first token leaves for one round trip; not positive where it is used up before."""
    left_ms = (ttft_limit_ms * (1.0 - queue_margin_share))[:, None] - compute_ms
    return np.asarray(left_ms / connection_rtts, dtype=float)


def rtt_limits_ms(stated_ms: FloatArray, budget_ms: FloatArray, pools: pd.DataFrame, center_count: int) -> FloatArray:
    """
    (K, D) longest round trip of each class to each data center; -inf where no accelerator there is fast enough.

    It is the stated limit (K,) or, where that is smaller, the budget (K, A) on the slowest accelerator that the class
    may use there, since any of them may answer. Accelerators without a budget are not used
    (`PlacementProblem.processes`), and a pool that can hold no pod does not count.
    """
    held = (pools["existing_pods"] + pools["max_new_pods"]).to_numpy(float) > 0
    place = pools["data_center_index"].to_numpy(np.int64)[held]
    budget = budget_ms[:, pools["accelerator_index"].to_numpy(np.int64)[held]]
    slowest, fastest = (np.full((len(stated_ms), center_count), value) for value in (np.inf, -np.inf))
    np.minimum.at(slowest.T, place, np.where(budget > 0, budget, np.inf).T)
    np.maximum.at(fastest.T, place, budget.T)
    is_too_slow = (fastest <= 0) & np.isin(np.arange(center_count), place)
    return np.where(is_too_slow, -np.inf, np.minimum(slowest, stated_ms[:, None]))


_MAY_BE_INFINITE = ["rtt_limit_ms", "ttft_limit_ms", "spare_one_way_ms"]

"""Demand by workload and slice, how long it may wait, and the representative days of the year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from network_data.faults import FaultList, suggest
from network_data.load import Network
from network_data.tariffs import MONTHS_PER_YEAR, format_months
from optimizer.problem.prices import KINDS, PriceCalendar
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.problem.slicing import Slicing, curves_by_clock
from scenarios.days import RepresentativeDay, Time
from scenarios.schema import Scenario

MTOK_PER_TRILLION = 1e6
HOURS_PER_DAY = 24


@dataclass(frozen=True)
class Demand:
    """Arrays (T, W) of `PlacementProblem`, and which workloads may wait, (W,)."""

    demand_mtok_per_h: FloatArray
    backlog_limit_mtok: FloatArray
    servable_mtok_per_h: FloatArray
    is_deferrable: npt.NDArray[np.bool_]


def time_slices(days: Sequence[RepresentativeDay], slicing: Slicing) -> tuple[pd.DataFrame, pd.DataFrame]:
    """
    Cut the representative days into slices, and assign them to billing periods.

    Returns
    -------
    slices, billing
        As described at `PlacementProblem`. Days that stand for the same months share a billing period, weekdays
        and weekends among them; a month that several periods stand for is divided among them.
    """
    per_day = len(slicing.starts)
    groups = list(dict.fromkeys(day.month_numbers for day in days))
    share_of_month = {m: 1 / sum(m in group for group in groups) for group in groups for m in group}
    billing = pd.DataFrame(
        {
            "day": [next(day.id for day in days if day.month_numbers == group) for group in groups],
            "months": [sum(share_of_month[m] for m in group) for group in groups],
        }
    )
    rows = [
        {
            "day": day.id,
            "hour": slicing.starts[step],
            "weight_h": day.days_per_year * slicing.lengths_h[step],
            "billing_index": groups.index(day.month_numbers),
            "previous_index": number * per_day + (step - 1) % per_day,
        }
        for number, day in enumerate(days)
        for step in range(per_day)
    ]
    return pd.DataFrame(rows), billing


def demand_by_workload(network: Network, scenario: Scenario, faults: FaultList) -> pd.DataFrame:
    """
    Spread the demand over demand hubs and classes, or take the scenario's own workloads.

    Returns
    -------
    DataFrame
        demand_hub, workload_class, mtok_per_day, hub_ahead_h (how far the clock of the hub is ahead of the network's);
        rows with demand only, ordered by class and then hub.
    """
    hubs = network.nodes[network.nodes["kind"] == "demand_hub"]
    if scenario.workloads is not None:
        rows = []
        for item in scenario.workloads:
            if item.demand_hub not in hubs.index:
                faults.add(
                    str(scenario.workloads_path),
                    f"network {network.name} has no demand hub of this id",
                    suggest(item.demand_hub, hubs.index) or "Use an id of nodes with kind demand_hub.",
                    row=item.row,
                    column="demand_hub",
                    value=item.demand_hub,
                )
            rows.append((item.demand_hub, item.workload_class, item.mtok_per_day))
        table = pd.DataFrame(rows, columns=["demand_hub", "workload_class", "mtok_per_day"])
    else:
        weights = hubs["demand_weight"] / hubs["demand_weight"].sum()
        total = (scenario.demand.tokens_per_day_trillion or 0.0) * MTOK_PER_TRILLION
        if not np.isfinite(weights).all():
            faults.add("nodes", "no demand hub has a demand_weight above 0", "Give weights.", column="demand_weight")
        table = pd.DataFrame(
            [
                (hub, class_id, total * weight * (item.share_of_tokens or 0.0))
                for class_id, item in scenario.workload_classes.items()
                for hub, weight in weights.items()
            ],
            columns=["demand_hub", "workload_class", "mtok_per_day"],
        )
    table = table[table["mtok_per_day"] > 0].reset_index(drop=True)
    table["hub_ahead_h"] = network.hours_ahead("nodes").reindex(table["demand_hub"]).to_numpy(float)
    if table.empty:
        faults.add(scenario.source_path.name, "no workload asks for any tokens", "Give a demand above 0.")
    return table


def slice_demand(
    workloads: pd.DataFrame,
    classes: pd.DataFrame,
    scenario: Scenario,
    days: Sequence[RepresentativeDay],
    slicing: Slicing,
) -> Demand:
    """
    Shape the daily demand by the classes' profiles, and bound what may wait.

    A profile is by hour of the clock of the demand hub, the slices are by that of the network.
    The backlog at the end of a slice holds at most what arrived in the last `deferrable_h` hours, whole slices (a whole
    day at the most: days repeat). A class that may wait less than any slice is urgent. A weekend day has
    `weekend_share` of the demand of a weekday, and all days together have what the scenario states per day.
    """
    per_day, hours = len(slicing.starts), np.array(slicing.lengths_h, dtype=float)[:, None]
    items = [scenario.workload_classes[k] for k in classes["id"]]
    profiles = np.array([scenario.profiles[item.demand_profile] for item in items])
    class_index = workloads["class_index"].to_numpy(int)
    # Users follow the clock of their hub.
    shape, which = curves_by_clock(profiles, class_index, workloads["hub_ahead_h"].to_numpy(float))
    hourly = workloads["mtok_per_day"].to_numpy(float) / HOURS_PER_DAY
    one_day = (slicing.mean(shape)[which] * hourly[:, None]).T  # (slices of a day, W)
    window_h = np.array([item.deferrable_h for item in items])[class_index]
    arrived = one_day * hours  # mtok
    waiting, since_h = np.zeros_like(one_day), np.zeros_like(hours)
    for back in range(per_day):
        since_h = since_h + np.roll(hours, back, axis=0)
        waiting += np.roll(arrived, back, axis=0) * (since_h <= window_h)
    servable = np.minimum(arrived + np.roll(waiting, 1, axis=0), arrived.sum(axis=0)) / hours
    is_deferrable = window_h >= hours.min()
    servable[:, ~is_deferrable] = one_day[:, ~is_deferrable]
    of_day = day_factors(days, np.array([item.weekend_share for item in items]))[:, class_index]
    by_slice = [
        (of_day[:, None, :] * array[None, :, :]).reshape(len(days) * per_day, -1)
        for array in (one_day, waiting, servable)
    ]
    return Demand(by_slice[0], by_slice[1], by_slice[2], is_deferrable)


def day_factors(days: Sequence[RepresentativeDay], weekend_share: FloatArray) -> FloatArray:
    """Demand of each day relative to the stated one, (days, K): weekdays and weekend days have a mean of 1."""
    count = {kind: sum(day.days_per_year for day in days if day.kind == kind) for kind in ("weekday", "weekend")}
    weekday = np.ones_like(weekend_share)
    if count["weekday"] > 0:
        weekday = (count["weekday"] + count["weekend"]) / (count["weekday"] + weekend_share * count["weekend"])
    factor = {"all": np.ones_like(weekend_share), "weekday": weekday, "weekend": weekend_share * weekday}
    return np.array([factor[day.kind] for day in days])


MonthGroup = tuple[int, ...]


def representative_days(time: Time, calendar: PriceCalendar) -> tuple[RepresentativeDay, ...]:
    """
    List the days that stand for the year: the scenario's own, or one for each season, or for its weekdays and weekends.

    Seasons are groups of months with similar prices at the data centers of the network, whatever their names. Each
    month belongs to one, and enters its mean price with its days: no month of a tariff is lost. Weights sum to 365
    days. Days are named after their months, such as m12_2 and, with weekends, m12_2_weekday and m12_2_weekend.
    """
    if time.days is not None:
        return time.days
    groups = group_months(calendar.price_cny_per_mwh[0].reshape(MONTHS_PER_YEAR, -1), time.seasons or 1)
    kinds = KINDS[1:] if time.weekends else KINDS[:1]
    return tuple(
        RepresentativeDay(
            id=name_season(months) + ("" if kind == "all" else f"_{kind}"),
            months=format_months(months),
            days_per_year=float(calendar.days[KINDS.index(kind), np.array(months) - 1].sum()),
            kind=kind,
        )
        for months in groups
        for kind in kinds
    )


def group_months(prices: FloatArray, count: int) -> list[MonthGroup]:
    """
    Put the twelve months in groups of similar prices, given (12, n).

    Ward's method merges, step by step, the two groups whose union adds least to the squared differences from the mean
    price within groups. If more groups are wanted than there are different months, equal months are split: the longest
    group is halved, in the order of the calendar, until there are enough.
    """
    different = np.unique(prices, axis=1)
    _, kind = np.unique(different, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    if count > kind.max() + 1:
        groups = [tuple(int(month) + 1 for month in np.flatnonzero(kind == k)) for k in range(kind.max() + 1)]
        while len(groups) < count:
            longest = max(sorted(groups), key=len)
            groups.remove(longest)
            in_order = _in_calendar_order(longest)
            half = (len(in_order) + 1) // 2
            groups += [tuple(sorted(in_order[:half])), tuple(sorted(in_order[half:]))]
        return sorted(groups)
    from scipy.cluster.hierarchy import linkage  # slow to import, and most scenarios have one season

    members: dict[int, MonthGroup] = {month: (month + 1,) for month in range(MONTHS_PER_YEAR)}
    merges = linkage(different, method="ward")[: MONTHS_PER_YEAR - count]
    for step, (first, second, *_) in enumerate(merges):
        members[MONTHS_PER_YEAR + step] = tuple(sorted(members.pop(int(first)) + members.pop(int(second))))
    return sorted(members.values())


def name_season(months: MonthGroup) -> str:
    """
    Name a group of months.

    Examples
    --------
    >>> name_season((1, 2, 12)), name_season((3, 4, 5, 9)), name_season(tuple(range(1, 13)))
    ('m12_2', 'm3_5_and_9', 'year')
    """
    if len(months) == MONTHS_PER_YEAR:
        return "year"
    return "m" + format_months(months).replace("-", "_").replace(";", "_and_")


def _in_calendar_order(months: MonthGroup) -> list[int]:
    """Begin after the longest gap (the last of several), so that December and January stand side by side."""
    around = [*months, months[0] + MONTHS_PER_YEAR]
    gaps = [later - earlier for earlier, later in pairwise(around)]
    start = (len(gaps) - gaps[::-1].index(max(gaps))) % len(months)
    return [*months[start:], *months[:start]]


def demand_by_region(problem: PlacementProblem, network: Network) -> dict[str, float]:
    """Share of the demand that arises in each region, largest first."""
    region = network.nodes["region"].reindex(problem.workloads["demand_hub"]).to_numpy(str)
    return amount_shares(region, problem.weight_h @ problem.demand_mtok_per_h)


def home_region(problem: PlacementProblem, network: Network) -> str:
    """Region where most demand arises."""
    return next(iter(demand_by_region(problem, network)))


def amount_shares(names: np.ndarray, amounts: np.ndarray) -> dict[str, float]:
    """Share of each name in the sum of the amounts, the largest first."""
    sums = pd.Series(amounts).groupby(names).sum()
    total = float(sums.sum())
    shares = sums / total if total > 0 else sums
    return {str(name): float(value) for name, value in shares.sort_values(ascending=False, kind="stable").items()}

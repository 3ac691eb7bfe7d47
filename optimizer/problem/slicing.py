"""
Cut a day into slices so that the peaks that size capacity stay, and say what of them is lost.

Slices are runs of adjacent hours (segmentation, or chronological clustering: Pineda and Morales, IEEE Transactions on
Power Systems 33(6), 2018), found by dynamic programming. Hours in which a need peaks become slices of their own
(extreme periods, as reviewed by Hoffmann et al., Energies 13(3), 641, 2020): a mean over more hours would be below the
peak, and capacity that the peak needs would be missing from the plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd

from network_data.clock import move_clock
from network_data.tariffs import HOURS_PER_DAY
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from scenarios.days import RepresentativeDay
from scenarios.schema import Scenario

# A peak counts as kept if no more of it is lost than this.
KEPT_LOSS_SHARE = 1e-3
# More than this is worth a warning: capacity bought for the peak costs several times what runs through it.
WARNED_LOSS_SHARE = 0.01
# What differing prices count beside differing needs where hours are put together.
_PRICE_SHARE = 0.5
# Between cuts that are as good: slices of like length.
_LENGTH_SHARE = 1e-6
_LEAST_BETTER = 1e-9


@dataclass(frozen=True, eq=False)
class Slicing:
    """
    One cut of a day, the same for all representative days.

    Attributes
    ----------
    starts
        First hour of each slice, ascending. The last slice ends where the first begins, and may run past midnight.
    energy_weight
        (days, 24) what the energy price of each hour counts within its slice; None = all hours count alike.
    """

    starts: tuple[int, ...]
    energy_weight: FloatArray | None = None

    @cached_property
    def hours(self) -> tuple[IntArray, ...]:
        """Hours of the day in each slice, in their order."""
        ends = (*self.starts[1:], self.starts[0] + HOURS_PER_DAY)
        return tuple(np.arange(start, end) % HOURS_PER_DAY for start, end in zip(self.starts, ends, strict=True))

    @property
    def lengths_h(self) -> tuple[int, ...]:
        """Length of each slice."""
        return tuple(len(hours) for hours in self.hours)

    def mean(self, hourly: FloatArray) -> FloatArray:
        """Means of the hours (..., 24) of each slice: (..., slices of a day)."""
        # Contiguous, so that the last bit of a sum does not depend on how hours were picked.
        return np.stack([np.ascontiguousarray(hourly[..., hours]).mean(axis=-1) for hours in self.hours], axis=-1)

    def mean_price(self, hourly: FloatArray, day: int) -> FloatArray:
        """Mean prices (D, 24) of each slice of a day, weighted by what is needed in each hour: (D, slices of a day)."""
        if self.energy_weight is None:
            return self.mean(hourly)
        return np.stack([_weighted_mean(hourly, self.energy_weight[day], hours) for hours in self.hours], axis=-1)


def _weighted_mean(hourly: FloatArray, weight: FloatArray, hours: IntArray) -> FloatArray:
    # A slice of one hour has the price of that hour, to the last bit.
    if len(hours) == 1 or not weight[hours].any():
        return np.asarray(hourly[:, hours].mean(axis=1), dtype=float)
    return np.asarray(np.average(hourly[:, hours], axis=1, weights=weight[hours]), dtype=float)


def equal_blocks(slices_per_day: int) -> Slicing:
    """Cut the day into equal blocks from midnight on."""
    return Slicing(tuple(range(0, HOURS_PER_DAY, HOURS_PER_DAY // slices_per_day)))


def keep_peaks(
    slices_per_day: int, needs: FloatArray, prices: FloatArray, *, energy_weight: FloatArray | None = None
) -> Slicing:
    """
    Cut the day where hours differ, and give hours slices of their own where a peak would be lost.

    Among all cuts into adjacent hours the one with the least squared differences from the means of its slices is taken.
    While a need loses more than `KEPT_LOSS_SHARE` of its peak in it, the peak hour of the need that loses most
    becomes a slice and the rest is cut again, as long as the number of slices allows and no larger loss comes of it.

    Parameters
    ----------
    needs
        (n, 24) accelerators that are needed in each hour, by whatever may be short of them: all, a class, a demand hub.
    prices
        (m, 24) energy prices by hour, in CNY per MWh.
    energy_weight
        See `Slicing`.
    """
    if slices_per_day == HOURS_PER_DAY:
        return equal_blocks(slices_per_day)
    spread = _spreads(np.vstack([_scaled(needs, 1.0), _scaled(prices, _PRICE_SHARE)]))
    peak, peak_hour = needs.max(axis=1), needs.argmax(axis=1)

    @cache
    def cut(alone: frozenset[int]) -> tuple[tuple[int, ...], FloatArray]:
        starts = _cut(spread, slices_per_day, alone)
        if not starts:
            return starts, np.full(len(needs), np.inf)
        lost = peak - Slicing(starts).mean(needs).max(axis=1)
        return starts, np.where(lost > KEPT_LOSS_SHARE * peak, lost, 0.0)

    def better(alone: frozenset[int]) -> frozenset[int] | None:
        """Find more hours to leave alone, so that less is lost."""
        _, lost = cut(alone)
        losses = sorted(lost, reverse=True)
        for row in np.argsort(-lost, kind="stable")[: np.count_nonzero(lost)].tolist():
            more, hour = alone, int(peak_hour[row])
            # What was kept by the way may get lost by cutting anew, and then has to be kept on purpose.
            while hour not in more:
                more |= {hour}
                starts, left = cut(more)
                if not starts:
                    break
                if sorted(left, reverse=True) < losses:
                    return more
                hour = int(peak_hour[left.argmax()])
        return None

    alone: frozenset[int] = frozenset()
    while (more := better(alone)) is not None:
        alone = more
    return Slicing(cut(alone)[0], energy_weight)


def _scaled(rows: FloatArray, share: float) -> FloatArray:
    """Differences of rows (n, 24) from their means, with squares that sum to a share; zero where nothing differs."""
    apart = rows - rows.mean(axis=1, keepdims=True)
    size = float((apart**2).sum())
    return apart * np.sqrt(share / size) if size > _LEAST_BETTER * float((rows**2).sum()) else np.zeros_like(apart)


def _spreads(features: FloatArray) -> FloatArray:
    """(24, 25) squared differences of features (n, 24) from their mean in a slice, by its first hour and its length."""
    twice = np.hstack([features, features])
    out = np.full((HOURS_PER_DAY, HOURS_PER_DAY + 1), np.inf)
    for first in range(HOURS_PER_DAY):
        for length in range(1, HOURS_PER_DAY + 1):
            part = twice[:, first : first + length]
            out[first, length] = (
                float(((part - part.mean(axis=1, keepdims=True)) ** 2).sum()) + _LENGTH_SHARE * length**2
            )
    return out


def _cut(spread: FloatArray, count: int, alone: frozenset[int]) -> tuple[int, ...]:
    """Find the cyclic cut with the least squared differences, some hours alone; empty where the number does not do."""
    hour = np.arange(HOURS_PER_DAY + 1)
    length = hour[None, :] - hour[:, None]
    spread = spread.copy()
    for kept in alone:
        # Longer slices that hold the hour: it comes no more hours after their first than they are long.
        spread[((kept - hour[:-1, None]) % HOURS_PER_DAY < hour[None, :]) & (hour[None, :] > 1)] = np.inf
    best, found = np.inf, tuple[int, ...]()
    for first in range(HOURS_PER_DAY):
        # cost[i, j]: a slice of the hours from the i-th after the first up to, but without, the j-th.
        cost = np.where(length > 0, spread[(first + hour[:, None]) % HOURS_PER_DAY, np.maximum(length, 0)], np.inf)
        least, back = np.where(hour == 0, 0.0, np.inf), []
        for _ in range(count):
            every = least[:, None] + cost
            back.append(every.argmin(axis=0))
            least = every.min(axis=0)
        if least[-1] < best - _LEAST_BETTER:
            at, cuts = HOURS_PER_DAY, []
            for step in reversed(back):
                at = int(step[at])
                cuts.append((first + at) % HOURS_PER_DAY)
            best, found = float(least[-1]), tuple(sorted(cuts))
    return found


@dataclass(frozen=True, eq=False)
class Needs:
    """Accelerators that are needed in each hour of a day: of all, of each demand hub, of each class; by day."""

    names: tuple[tuple[str, str], ...]  # kind (all, demand_hub or workload_class), id ("" for all)
    hourly: FloatArray  # (days, n, 24) busy accelerators


def hourly_needs(
    scenario: Scenario,
    classes: Sequence[str],
    workloads: pd.DataFrame,
    mtok_per_day: FloatArray,
    accel_h_per_mtok: FloatArray,
) -> Needs:
    """
    Add up what is needed in each hour, on the accelerators that take the least time.

    Work that may wait can be spread over its window, and counts with the mean of the hours it may come from.

    Parameters
    ----------
    classes
        Ids.
    workloads
        Columns demand_hub, class_index and hub_ahead_h.
    mtok_per_day
        (days, W) demand of each day.
    accel_h_per_mtok
        (K,) busy accelerator-hours.
    """
    spread_out = np.array([_spread_out(scenario, name) for name in classes])
    class_index = workloads["class_index"].to_numpy(int)
    shape, which = curves_by_clock(spread_out, class_index, workloads["hub_ahead_h"].to_numpy(float))
    hub, hubs = pd.factorize(workloads["demand_hub"])
    busy = mtok_per_day / HOURS_PER_DAY * accel_h_per_mtok[class_index]
    # By curve first: as many as there are classes, times the clocks of their hubs.
    flat = np.zeros((len(busy), len(hubs) * len(shape)))
    np.add.at(flat.T, hub * len(shape) + which, busy.T)
    by_curve = flat.reshape(len(busy), len(hubs), len(shape))
    class_of_curve = np.zeros(len(shape), np.int64)  # a curve that no row has adds nothing, wherever it stands
    class_of_curve[which] = class_index
    of_class = np.zeros((len(busy), len(classes), HOURS_PER_DAY))
    np.add.at(of_class.swapaxes(0, 1), class_of_curve, (by_curve.sum(axis=1)[:, :, None] * shape).swapaxes(0, 1))
    hourly = np.concatenate([of_class.sum(axis=1, keepdims=True), by_curve @ shape, of_class], axis=1)
    of_hubs, of_classes = [("demand_hub", str(name)) for name in hubs], [("workload_class", name) for name in classes]
    return Needs((("all", ""), *of_hubs, *of_classes), hourly)


def curves_by_clock(curves: FloatArray, of_row: IntArray, ahead_h: FloatArray) -> tuple[FloatArray, IntArray]:
    """
    Move daily curves to the clock of the time slices, once for each clock that they are read on.

    Parameters
    ----------
    curves
        (K, 24) by hour of a local clock.
    of_row
        (W,) curve of each row.
    ahead_h
        (W,) how far its local clock is ahead.

    Returns
    -------
    moved, which
        (n, 24) curves, and (W,) which of them is that of each row. The first K are the curves as they are.
    """
    moved, which, known = list(curves), of_row.copy(), dict[tuple[int, float], int]()
    for row in np.flatnonzero(ahead_h):
        key = (int(of_row[row]), float(ahead_h[row]))
        if key not in known:
            known[key] = len(moved)
            moved.append(move_clock(curves[key[0]], key[1]))
        which[row] = known[key]
    return np.array(moved), which


def _spread_out(scenario: Scenario, class_id: str) -> FloatArray:
    """(24,) demand profile of a class, each hour with the mean of those whose work may be done in it."""
    item = scenario.workload_classes[class_id]
    profile = np.array(scenario.profiles[item.demand_profile])
    back = min(item.deferrable_h, HOURS_PER_DAY - 1)
    return np.asarray(np.mean([np.roll(profile, hours) for hours in range(back + 1)], axis=0), dtype=float)


def choose_slicing(
    scenario: Scenario, days: Sequence[RepresentativeDay], needs: Needs, prices: Sequence[FloatArray]
) -> Slicing:
    """
    Cut the days as the scenario says.

    Parameters
    ----------
    needs
        By day, in the order of `days`.
    prices
        (D, 24) of each day.
    """
    if scenario.time.slicing == "blocks":
        return equal_blocks(scenario.time.slices_per_day)
    share = np.sqrt([day.days_per_year for day in days])
    by_day = np.concatenate([price * weight for price, weight in zip(prices, share, strict=True)])
    # Days with the same needs would only count twice.
    rows = np.unique(needs.hourly.reshape(len(days), -1), axis=0).reshape(-1, HOURS_PER_DAY)
    return keep_peaks(scenario.time.slices_per_day, rows, by_day, energy_weight=needs.hourly[:, 0])


def lost_peaks(problem: PlacementProblem, scenario: Scenario) -> pd.DataFrame:
    """
    Compare each need's peak in the slices of a problem with that of its hours, without solving anything.

    Returns
    -------
    DataFrame
        One row for all accelerators, and one per demand hub and workload class: kind, id, day, hour (of the peak),
        peak_accelerators, kept_accelerators (the most in any slice; both over the utilization limit), lost_share.
        The largest loss of accelerators first.
    """
    per_day = int((problem.slices["day"] == problem.slices["day"].iloc[0]).sum())
    volume = problem.demand_mtok_per_h * problem.slice_h[:, None]
    mtok_per_day = volume.reshape(-1, per_day, volume.shape[1]).sum(axis=1)
    fastest = problem.accel_h_per_mtok.min(axis=1)
    workloads = problem.workloads.assign(hub_ahead_h=problem.hub_ahead_h)
    needs = hourly_needs(scenario, problem.classes["id"].tolist(), workloads, mtok_per_day, fastest)
    kept = Slicing(tuple(problem.slices["hour"].iloc[:per_day].astype(int))).mean(needs.hourly).max(axis=(0, 2))
    day, hour = np.divmod(needs.hourly.transpose(1, 0, 2).reshape(len(needs.names), -1).argmax(axis=1), HOURS_PER_DAY)
    peak = needs.hourly.max(axis=(0, 2))
    table = pd.DataFrame(needs.names, columns=["kind", "id"]).assign(
        day=problem.slices["day"].to_numpy(str)[day * per_day],
        hour=hour,
        peak_accelerators=peak / problem.utilization_limit_share,
        kept_accelerators=kept / problem.utilization_limit_share,
        lost_share=np.maximum(1 - kept / np.where(peak > 0, peak, 1.0), 0.0) * (peak > 0),
    )
    lost = table["peak_accelerators"] - table["kept_accelerators"]
    return table.loc[lost.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)

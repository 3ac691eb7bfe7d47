"""
Merge the representative days on which the same is asked for.

Such days differ in their prices alone. With the prices averaged they become one day, whose plan, followed on each of
them, costs on all of them together what it costs on the merged one; at each day's own prices it can only be made
cheaper. So a plan of the merged problem is a plan of the original at no more cost, found on a fraction of the slices,
and one problem has a plan exactly if the other has. A lower bound of the merged problem is none of the original.

What the policy demands of the year is the same for both, since it counts means over the days; but not so a limit on
yearly spending, which only a plan that follows each day's prices may keep. With such a limit no days are merged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimizer.problem import IntArray, PlacementProblem

# Demands that agree to so many digits of the largest are the same.
DIGITS = 9


@dataclass(frozen=True)
class MergedDays:
    """
    A problem with merged days.

    Attributes
    ----------
    problem
        One day for each kind of demand; the original problem itself if no two days are alike.
    slice_of
        (T,) merged slice of each original one.
    """

    problem: PlacementProblem
    slice_of: IntArray

    @property
    def is_smaller(self) -> bool:
        """Whether any days were merged."""
        return len(self.problem.slices) < len(self.slice_of)

    def block_of(self, original: PlacementProblem) -> IntArray:
        """
        Block of the merged problem that each of the original's has the demand of: slices, then outages.

        Parameters
        ----------
        original
            The problem that was merged.

        Returns
        -------
        ndarray
            -1 for an outage that the merged problem does not plan for.
        """
        columns = ["failed_index", "slice_index"]
        known = {outage: n for n, outage in enumerate(self.problem.outages[columns].itertuples(index=False, name=None))}
        there = original.outages.assign(slice_index=self.slice_of[original.outages["slice_index"].to_numpy(int)])
        wanted = there[columns].itertuples(index=False, name=None)
        found = [known.get(outage, -1) for outage in wanted]
        slices = len(self.problem.slices)
        return np.concatenate([self.slice_of, [slices + n if n >= 0 else -1 for n in found]]).astype(np.int64)


def merge_days(problem: PlacementProblem) -> MergedDays:
    """
    Merge the days with the same demand, waiting limits and shedding limits in every slice.

    Parameters
    ----------
    problem
        Frozen arrays. Its prices are weighted with the hours they stand for; merged days share a billing period.
    """
    days = problem.slices.groupby("day", sort=False).indices
    groups: dict[bytes, list[IntArray]] = {}
    for rows in days.values():
        groups.setdefault(_key(problem, np.asarray(rows)), []).append(np.asarray(rows))
    if len(groups) == len(days) or problem.policy.spending_limit_cny_per_year is not None:
        return MergedDays(problem, np.arange(len(problem.slices)))
    slice_of = np.empty(len(problem.slices), np.int64)
    first, weights, prices, previous = [], [], [], []
    billing = np.arange(len(problem.billing))
    count = 0
    for members in groups.values():
        rows = np.array(members)  # (days, slices of a day)
        slice_of[rows] = count + np.arange(rows.shape[1])
        weight = problem.weight_h[rows]
        first.append(rows[0])
        weights.append(weight.sum(axis=0))
        prices.append((weight[:, :, None] * problem.energy_price_cny_per_mwh[rows]).sum(axis=0) / weights[-1][:, None])
        previous.append(problem.slices["previous_index"].to_numpy()[rows[0]])
        # Days of one group, and days that shared a billing period before, are billed together.
        touched = np.unique(problem.slices["billing_index"].to_numpy()[rows])
        billing[np.isin(billing, billing[touched])] = billing[touched].min()
        count += rows.shape[1]
    kept, asked = np.concatenate(first), problem.outage_demand_mtok_per_h
    periods, period_of = np.unique(billing, return_inverse=True)
    months = np.bincount(period_of, problem.billing["months"].to_numpy(float))
    slices = problem.slices.iloc[kept].reset_index(drop=True)
    slices["weight_h"] = np.concatenate(weights)
    slices["billing_index"] = period_of[slices["billing_index"]]
    slices["previous_index"] = slice_of[np.concatenate(previous)]
    merged = replace(
        problem,
        slices=slices,
        billing=problem.billing.iloc[periods].reset_index(drop=True).assign(months=months),
        demand_mtok_per_h=problem.demand_mtok_per_h[kept],
        backlog_limit_mtok=problem.backlog_limit_mtok[kept],
        servable_mtok_per_h=problem.servable_mtok_per_h[kept],
        shed_limit_mtok_per_h=problem.shed_limit_mtok_per_h[kept],
        energy_price_cny_per_mwh=np.concatenate(prices),
        outage_demand_mtok_per_h=asked[kept] if asked.size else asked,
    )
    return MergedDays(merged, slice_of)


def _key(problem: PlacementProblem, rows: IntArray) -> bytes:
    """Write down what a day asks for, to so many digits."""
    arrays = (
        problem.demand_mtok_per_h[rows],
        problem.backlog_limit_mtok[rows],
        problem.servable_mtok_per_h[rows],
        problem.shed_limit_mtok_per_h[rows],
    )
    largest = float(problem.servable_mtok_per_h.max()) or 1.0
    return b"|".join(
        [f"{len(rows)}".encode(), *((np.round(each / largest, DIGITS) + 0.0).tobytes() for each in arrays)]
    )

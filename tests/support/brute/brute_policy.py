"""The limits on the year as a whole for the enumeration, row by row, written from the problem arrays alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem


def surcharge_row(p: PlacementProblem, t: int, power: FloatArray, at: Mapping[str, IntArray]) -> FloatArray:
    """Weigh IT power of a row: each column times what its pool pays on top of the energy price."""
    row, extra = np.zeros_like(power), p.pools["energy_surcharge_cny_per_mwh"]
    for q in range(len(p.pools)):
        row[at["active"][t, q]] = extra[q] * power[at["active"][t, q]]
    for x, q in enumerate(p.processes["pool_index"]):
        row[at["work"][t, x]] = extra[q] * power[at["work"][t, x]]
    return row


def has_new_compute_shares(p: PlacementProblem, new_pods: IntArray) -> bool:
    """Whether the pods bought, (P,), keep the shares of (10h)."""
    if not p.policy.min_new_compute_share:
        return True
    total, of_group = 0.0, dict.fromkeys(p.policy.min_new_compute_share, 0.0)
    for pods, pool in zip(new_pods, p.pools.itertuples(), strict=True):
        pflops = pods * p.accelerators["pflops_per_pod"][pool.accelerator_index]
        total += pflops
        for name in {p.data_centers[column][pool.data_center_index] for column in ("region", "category")}:
            if name in of_group:
                of_group[name] += pflops
    shares = p.policy.min_new_compute_share.items()
    return all(of_group[name] >= share * total * (1 - 1e-9) for name, share in shares)


@dataclass(frozen=True, eq=False)
class YearRow:
    """
    A row `row x <= limit`.

    With `center`, the limit falls by `per_accelerator` for each accelerator installed there, and rises by `per_loaded`
    for each that deployed models keep on; with `counts_standing`, it falls by what the whole decisions cost.
    """

    row: FloatArray
    limit: float
    center: int = -1
    per_accelerator: float = 0.0
    per_loaded: float = 0.0
    counts_standing: bool = False

    def limit_for(self, installed: FloatArray | None, loaded: FloatArray, standing_cny: float) -> float:
        """
        Limit for accelerators installed and kept on by data center, and a cost of the decisions.

        Without `installed`, no minimum is kept.
        """
        if self.center >= 0:
            least = 0.0 if installed is None else self.per_accelerator * float(installed[self.center])
            return self.per_loaded * float(loaded[self.center]) - least
        return self.limit - (standing_cny if self.counts_standing else 0.0)


@dataclass(frozen=True, eq=False)
class YearRows:
    """
    Builds the rows of (10a) to (10d), (10f) and (10g); (10e) and (10h) only concern whole decisions.

    Attributes
    ----------
    p
        The problem.
    at
        Column numbers by name of the array.
    power
        By slice and data center, the row that gives its IT power.
    size
        Number of columns.
    """

    p: PlacementProblem
    at: dict[str, IntArray]
    power: dict[tuple[int, int], FloatArray]
    size: int

    def __iter__(self) -> Iterator[YearRow]:
        """Yield what the policy demands."""
        policy = self.p.policy
        for region, share in policy.min_region_share.items():
            yield self._region(region, share)
        if policy.min_green_share:
            yield YearRow(self._weighted_power(policy.min_green_share - self.p.data_centers["green_power_share"]), 0.0)
            yield from self._no_idle_pods()
        if policy.carbon_cap_t_per_year is not None:
            row = self._weighted_power(self.p.data_centers["carbon_kg_per_kwh"])
            yield YearRow(row, policy.carbon_cap_t_per_year)
        if policy.min_utilization_share:
            yield from self._utilization(policy.min_utilization_share)
        if policy.spending_limit_cny_per_year is not None:
            yield YearRow(self._spending(), policy.spending_limit_cny_per_year, counts_standing=True)

    def _region(self, region: str, share: float) -> YearRow:
        row = np.zeros(self.size)
        for t, hours in enumerate(self.p.slices["weight_h"]):
            for x, d in enumerate(self.p.processes["data_center_index"]):
                row[self.at["work"][t, x]] = hours * (share - (self.p.data_centers["region"][d] == region))
        return YearRow(row, 0.0)

    def _weighted_power(self, weight: FloatArray) -> FloatArray:
        row = np.zeros(self.size)
        for (t, d), power in self.power.items():
            row += self.p.slices["weight_h"][t] * self.p.data_centers["pue"][d] * weight[d] * power
        return row

    def _no_idle_pods(self) -> Iterator[YearRow]:
        p, usable_share = self.p, self.p.utilization_limit_share
        for t in range(len(p.slices)):
            for d in range(len(p.data_centers)):
                row = np.zeros(self.size)
                for q, pool in enumerate(p.pools.itertuples()):
                    if pool.data_center_index == d:
                        per_pod = p.accelerators["accelerators_per_pod"][pool.accelerator_index]
                        row[self.at["active"][t, q]] = usable_share * per_pod
                for x, run in enumerate(p.processes.itertuples()):
                    if run.data_center_index == d:
                        row[self.at["work"][t, x]] = -p.accel_h_per_mtok[run.class_index, run.accelerator_index]
                yield YearRow(row, 0.0, d, per_loaded=usable_share)

    def _utilization(self, share: float) -> Iterator[YearRow]:
        hours = self.p.slices["weight_h"]
        for d in range(len(self.p.data_centers)):
            row = np.zeros(self.size)
            for x, run in enumerate(self.p.processes.itertuples()):
                if run.data_center_index == d:
                    busy = self.p.accel_h_per_mtok[run.class_index, run.accelerator_index]
                    row[self.at["work"][:, x]] = -hours * busy
            yield YearRow(row, 0.0, d, share * hours.sum())

    def _spending(self) -> FloatArray:
        p, row = self.p, np.zeros(self.size)
        carbon = p.carbon_price_cny_per_t * p.data_centers["carbon_kg_per_kwh"]
        for (t, d), power in self.power.items():
            price = p.energy_price_cny_per_mwh[t, d] + carbon[d]
            surcharge = surcharge_row(p, t, power, self.at)
            row += p.slices["weight_h"][t] * p.data_centers["pue"][d] * (price * power + surcharge)
        charges = zip(
            p.data_centers["demand_charge_cny_per_kw_month"], p.data_centers["demand_charge_basis"], strict=True
        )
        for d, (charge, basis) in enumerate(charges):
            if basis == "contracted":
                row[self.at["contract"][d]] = 1000.0 * charge * 12.0
            else:
                row[self.at["peak"][:, d]] = 1000.0 * charge * p.billing["months"]
            row[self.at["contract"][d]] += p.data_centers["opening_cny_per_mw_year"][d]
        return row

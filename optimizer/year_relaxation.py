"""
What the mean of any plan over the year satisfies, as one small linear program.

Workloads are grouped by class and reach, slices are averaged, pods are not whole and data centers may be open in part.
Whatever is impossible here is impossible for every plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from optimizer.greedy import mw_per_busy_accelerator
from optimizer.problem import FloatArray, IntArray, PlacementProblem
from optimizer.shortage import Groups, make_groups, usable_centers
from optimizer.units import KW_PER_MW

INFEASIBLE = 2  # scipy.optimize.linprog's status


@dataclass(frozen=True, eq=False)
class Row:
    """`vector x <= limit` over the columns of the relaxation."""

    vector: FloatArray
    limit: float


class YearRelaxation:
    """
    The relaxation of a problem.

    Columns are tokens by group and pool (mtok/h), new pods, how open a data center is, and the IT power of accelerators
    that idle there to keep models loaded.

    Parameters
    ----------
    problem
        The problem.
    demand_mtok_per_h, must_mtok_per_h
        (W,) tokens asked for, and tokens that must be served: means over the year, or of one slice.
    closed
        (D,) data centers that no plan can open.
    """

    def __init__(
        self,
        problem: PlacementProblem,
        demand_mtok_per_h: FloatArray,
        must_mtok_per_h: FloatArray,
        closed: IntArray | None = None,
    ) -> None:
        self.problem = problem
        self.groups: Groups = make_groups(problem, by_reach=True)
        pools = problem.pools
        self.place = pools["data_center_index"].to_numpy(int)
        self.chip = pools["accelerator_index"].to_numpy(int)
        size = len(self.groups.class_index)
        self.demand = np.bincount(self.groups.workload, demand_mtok_per_h, size)
        self._must = np.bincount(self.groups.workload, must_mtok_per_h, size)
        fits = self.groups.reach[:, self.place] & problem.can_process[self.groups.class_index][:, self.chip]
        self.group, self.pool = np.nonzero(fits & (self.demand > 0)[:, None])
        self._flows, self._pools, self._centers = len(self.group), len(pools), len(problem.data_centers)
        upper = np.concatenate(
            [
                self.demand[self.group],
                pools["max_new_pods"].to_numpy(float),
                usable_centers(problem).astype(float),
                _most_idle_mw(problem),
            ]
        )
        if closed is not None:
            upper[self._flows + self._pools + closed] = 0.0
        self._bounds = np.column_stack([np.zeros(len(upper)), upper])

    @cached_property
    def busy(self) -> FloatArray:
        """Busy accelerator-hours per mtok of each flow column."""
        return np.asarray(self.problem.accel_h_per_mtok[self.groups.class_index[self.group], self.chip[self.pool]])

    @cached_property
    def facility_mwh_per_mtok(self) -> FloatArray:
        """Facility energy of each flow column, with just enough pods switched on."""
        pue = self.problem.data_centers["pue"].to_numpy(float)[self.place[self.pool]]
        return np.asarray(self.busy * mw_per_busy_accelerator(self.problem)[self.chip[self.pool]] * pue)

    def vector(
        self,
        flows: FloatArray | float = 0.0,
        pods: FloatArray | float = 0.0,
        opened: FloatArray | float = 0.0,
        idle: FloatArray | float = 0.0,
    ) -> FloatArray:
        """Lay out a row over all columns."""
        parts = ((flows, self._flows), (pods, self._pools), (opened, self._centers), (idle, self._centers))
        return np.concatenate([np.broadcast_to(np.asarray(part, dtype=float), size) for part, size in parts])

    def of_flows(self, by_center: FloatArray) -> FloatArray:
        """Take a number of data centers to the flow columns."""
        return np.asarray(by_center[self.place[self.pool]])

    @cached_property
    def installed(self) -> sp.csr_array:
        """(P, columns) accelerators of each pool: new ones, and existing ones as far as the data center is open."""
        per_pod = self.problem.accelerators["accelerators_per_pod"].to_numpy(float)[self.chip]
        existing = self.problem.pools["existing_pods"].to_numpy(float)
        rows = np.arange(self._pools)
        parts = [
            sp.csr_array((self._pools, self._flows)),
            sp.diags_array(per_pod),
            sp.csr_array((per_pod * existing, (rows, self.place)), shape=(self._pools, self._centers)),
            sp.csr_array((self._pools, self._centers)),
        ]
        return sp.csr_array(sp.hstack(parts))

    @cached_property
    def _matrix(self) -> tuple[sp.csr_array, FloatArray]:
        """Rows that every plan keeps, `A x <= b`: demand both ways, accelerators, purchases, power."""
        problem, column = self.problem, np.arange(self._flows)
        size = len(self.demand)
        width = self._flows + self._pools + 2 * self._centers

        def flows(row: IntArray, values: FloatArray, rows: int) -> sp.csr_array:
            return sp.csr_array((values, (row, column)), shape=(rows, width))

        def opened(values: FloatArray, center: IntArray) -> sp.csr_array:
            at = (np.arange(len(values)), self._flows + self._pools + center)
            return sp.csr_array((values, at), shape=(len(values), width))

        bought = sp.csr_array(
            (np.ones(self._pools), (np.arange(self._pools), self._flows + np.arange(self._pools))),
            shape=(self._pools, width),
        )
        served = flows(self.group, np.ones(self._flows), size)
        usable = self.installed * problem.utilization_limit_share
        most = problem.pools["max_new_pods"].to_numpy(float)
        least = (problem.pools["min_pods"] - problem.pools["existing_pods"]).to_numpy(float)
        capacity = problem.data_centers["it_capacity_mw"].to_numpy(float)
        mw = self.busy * mw_per_busy_accelerator(problem)[self.chip[self.pool]]
        every = np.arange(self._centers)
        parts = [
            (served, self.demand),
            (-served, -self._must),
            (flows(self.pool, self.busy, self._pools) - usable, np.zeros(self._pools)),
            (bought - opened(most, self.place), np.zeros(self._pools)),
            (opened(least, self.place) - bought, np.zeros(self._pools)),
            (flows(self.place[self.pool], mw, self._centers) - opened(capacity, every), np.zeros(self._centers)),
        ]
        matrix = sp.csr_array(sp.vstack([part for part, _ in parts], format="csr"))
        return matrix, np.concatenate([side for _, side in parts])

    def least(self, vector: FloatArray, rows: Sequence[Row] = ()) -> FloatArray | None:
        """
        Minimize a row over what every plan keeps.

        Parameters
        ----------
        vector
            What to minimize.
        rows
            Further rows to keep.

        Returns
        -------
        ndarray or None
            The point; None if there is none.
        """
        matrix, side = self._matrix
        if rows:
            scale = [max(np.abs(row.vector).max(initial=0.0), 1e-12) for row in rows]
            own = sp.csr_array(np.array([row.vector / size for row, size in zip(rows, scale, strict=True)]))
            matrix = sp.csr_array(sp.vstack([matrix, own], format="csr"))
            side = np.append(side, [row.limit / size for row, size in zip(rows, scale, strict=True)])
        size = max(np.abs(vector).max(initial=0.0), 1e-12)
        answer = linprog(vector / size, A_ub=matrix, b_ub=side, bounds=self._bounds, method="highs")
        if answer.status == INFEASIBLE:
            return None
        if answer.x is None:
            raise RuntimeError(f"the relaxation of the year ended with: {answer.message}")
        return np.asarray(answer.x)

    def spending(self) -> FloatArray | None:
        """
        Lay out a lower bound of what the spending limit counts, CNY per year; None where energy may cost less than 0.

        Energy at the lowest price of the year, demand charge on the mean power, and of what stands only what scales.
        """
        problem, centers = self.problem, self.problem.data_centers
        carbon = problem.carbon_price_cny_per_t * centers["carbon_kg_per_kwh"].to_numpy(float)
        price = (problem.energy_price_cny_per_mwh + carbon).min(axis=0)
        if (price < 0).any():
            return None
        # A period's peak is no less than its mean; of all periods the one counts that bills the fewest months an hour.
        hours = np.bincount(problem.slices["billing_index"].to_numpy(int), problem.weight_h)
        months = float((problem.billing["months"].to_numpy(float) / hours).min() * problem.weight_h.sum())
        charge = centers["demand_charge_cny_per_kw_month"].to_numpy(float) * KW_PER_MW * months
        per_mw = price * problem.weight_h.sum() + charge
        pods = (problem.pools["pod_cny_per_year"] + problem.pools["site_cny_per_year"]).to_numpy(float)
        opening = centers["opening_cny_per_year"].to_numpy(float)
        return self.vector(self.facility_mwh_per_mtok * self.of_flows(per_mw), pods, opening)


def _most_idle_mw(problem: PlacementProblem) -> FloatArray:
    """(D,) IT power of the accelerators that would idle if all models that may be deployed were loaded for nothing."""
    accelerators, deployments = problem.accelerators, problem.deployments
    kept_on = problem.min_accelerators[deployments["class_index"]]
    count = np.bincount(deployments["data_center_index"], kept_on, len(problem.data_centers))
    per_accelerator = accelerators["idle_mw_per_pod"] / accelerators["accelerators_per_pod"]
    return np.asarray(count * float(per_accelerator.max()))

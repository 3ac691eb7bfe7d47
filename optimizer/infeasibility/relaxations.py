"""
Smaller problems that every plan must solve too, for the necessary conditions.

`without_each` removes one data center, `find_shortage` assigns demand to capacity and finds the bottleneck,
`YearRelaxation` is what the mean of any plan over the year satisfies. A `Condition` is the result of one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from optimizer.problem.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.greedy_fill import mw_per_busy_accelerator
from optimizer.units import KW_PER_MW


@dataclass(frozen=True)
class Condition:
    """One condition that every plan must meet."""

    name: str  # What is compared
    holds: bool
    message: str  # By how much it fails, and for which workloads or data centers
    short_mtok_per_h: float = 0.0  # Not served in the worst slice, and the IT power that it would take
    short_mw: float = 0.0
    short_ms: float = float("nan")  # Between the RTT limit and the next data center; NaN where that is not what fails


def without_each(problem: PlacementProblem) -> Iterator[tuple[str, PlacementProblem]]:
    """
    Make the problem of serving, with each data center lost in turn, what must be served at once.

    Yields
    ------
    tuple of str and PlacementProblem
        Id of the data center, and a problem of the slices that count, without its pools and candidates; nothing may
        wait.
    """
    outages = problem.outages
    hard = np.unique(outages["slice_index"].to_numpy(int))
    demand = problem.outage_demand_mtok_per_h[hard]
    nothing = np.zeros(demand.shape)
    slices = problem.slices.iloc[hard].reset_index(drop=True).assign(previous_index=np.arange(len(hard)))
    for failed in np.unique(outages["failed_index"].to_numpy(int)).tolist():
        kept = problem.candidates["data_center_index"].to_numpy(int) != failed
        stands = problem.pools["data_center_index"].to_numpy(int) != failed
        yield (
            str(problem.data_centers["id"].iloc[failed]),
            replace(
                problem,
                slices=slices,
                candidates=problem.candidates[kept].reset_index(drop=True),
                pools=problem.pools[stands].reset_index(drop=True),
                workloads=problem.workloads.assign(is_deferrable=False),
                demand_mtok_per_h=demand,
                servable_mtok_per_h=demand,
                backlog_limit_mtok=nothing,
                shed_limit_mtok_per_h=nothing,
                energy_price_cny_per_mwh=problem.energy_price_cny_per_mwh[hard],
                outage_demand_mtok_per_h=np.zeros((0, 0)),
            ),
        )


# A shortage below this share of the demand is rounding of the linear program.
SHORT_SHARE = 1e-7


@dataclass(frozen=True, eq=False)
class Groups:
    """Workloads of the same class that can use the same data centers."""

    workload: IntArray  # (W,) group of each workload
    class_index: IntArray  # (n,) class of each group
    can_use: BoolArray  # (n, D) data centers that its candidates lead to
    is_deferrable: BoolArray  # (n,) whether the work may wait


@dataclass(frozen=True, eq=False)
class Flows:
    """Flows of work, (F,): one for each group and each pool that it can use and that is fast enough."""

    group: IntArray
    pool: IntArray
    busy_h_per_mtok: FloatArray  # Of accelerators
    it_mwh_per_mtok: FloatArray  # With just enough pods switched on


@dataclass(frozen=True, eq=False)
class Shortage:
    """What cannot be served, averaged over some slices."""

    mtok_per_h: float  # Tokens, and the IT power that they would take on the most efficient accelerators
    mw: float
    is_short: BoolArray  # (n,) groups of the bottleneck: more capacity anywhere else would not help them
    centers: BoolArray  # (D,) data centers that they reach


def _usable_centers(problem: PlacementProblem) -> BoolArray:
    """(D,) data centers that can be opened: they have pools, and each can get its least number of pods."""
    pools, out = problem.pools, np.zeros(len(problem.data_centers), bool)
    place = pools["data_center_index"].to_numpy(int)
    out[place] = True
    out[place[pool_pods(problem) < pools["min_pods"].to_numpy(float)]] = False
    return out


def pool_pods(problem: PlacementProblem) -> FloatArray:
    """(P,) pods there and pods that may be bought."""
    most: FloatArray = problem.pools["existing_pods"].to_numpy(float) + problem.pools["max_new_pods"].to_numpy(float)
    return most


def pod_sizes(problem: PlacementProblem) -> FloatArray:
    """(P,) accelerators in one pod of each pool."""
    return problem.accelerators["accelerators_per_pod"].to_numpy(float)[problem.pools["accelerator_index"]]


def pool_capacity(problem: PlacementProblem) -> FloatArray:
    """(P,) accelerators of a pool that can be busy at once, pods that may be bought included."""
    capacity: FloatArray = pool_pods(problem) * pod_sizes(problem) * problem.utilization_limit_share
    return capacity


def class_capacity(problem: PlacementProblem, class_index: int) -> FloatArray:
    """(D,) most mtok/h that a data center takes of one class, by accelerators and by power, if it does nothing else."""
    accelerator = problem.pools["accelerator_index"].to_numpy(int)
    place = problem.pools["data_center_index"].to_numpy(int)
    busy = problem.accel_h_per_mtok[class_index, accelerator]
    energy = busy * mw_per_busy_accelerator(problem)[accelerator]
    fast = problem.can_process[class_index, accelerator]
    by_accelerators = np.zeros(len(problem.data_centers))
    np.add.at(by_accelerators, place[fast], _quotient(pool_capacity(problem), busy)[fast])
    least_energy = np.full(len(by_accelerators), np.inf)
    np.minimum.at(least_energy, place, energy)
    by_power = _quotient(problem.data_centers["it_capacity_mw"].to_numpy(float), least_energy)
    return np.where(_usable_centers(problem), np.minimum(by_accelerators, by_power), 0.0)


def make_groups(problem: PlacementProblem, *, by_places: bool) -> Groups:
    """Group workloads by class and reach; without `by_places` as if each of them reached every data center."""
    reach = np.full((len(problem.workloads), len(problem.data_centers)), not by_places)
    reach[problem.candidates["workload_index"], problem.candidates["data_center_index"]] = True
    reach &= _usable_centers(problem)
    k = problem.workloads["class_index"].to_numpy(int)
    keys, workload = np.unique(np.column_stack([k, reach]), axis=0, return_inverse=True)
    workload = workload.reshape(-1).astype(np.int64)
    may_wait = np.zeros(len(keys), bool)
    may_wait[workload] = problem.workloads["is_deferrable"].to_numpy(bool)
    return Groups(workload, keys[:, 0].astype(np.int64), keys[:, 1:].astype(bool), may_wait)


def make_flows(problem: PlacementProblem, groups: Groups, demand: FloatArray) -> Flows:
    """List the flows of the groups that have demand, (n,)."""
    place, accelerator = (problem.pools[f"{name}_index"].to_numpy(int) for name in ("data_center", "accelerator"))
    is_fast = problem.can_process[groups.class_index][:, accelerator]
    group, pool = np.nonzero(groups.can_use[:, place] & is_fast & (demand > 0)[:, None])
    busy = np.asarray(problem.accel_h_per_mtok[groups.class_index[group], accelerator[pool]])
    return Flows(group, pool, busy, busy * mw_per_busy_accelerator(problem)[accelerator[pool]])


def find_shortage(
    problem: PlacementProblem, groups: Groups, demand: FloatArray, most: FloatArray, hours: FloatArray
) -> Shortage | None:
    """
    Serve as many accelerator-hours as fit; None if all fit.

    Parameters
    ----------
    demand
        (S, n) mtok/h of the groups; it must be served over all these slices together.
    most
        (S, n) mtok/h that can be served in each slice.
    hours
        (S,) length of the slices.
    """
    wanted = hours @ demand
    if wanted.sum() <= 0:
        return None
    count, size = len(demand), len(wanted)
    accel_h = problem.accel_h_per_mtok.min(axis=1)[groups.class_index]
    accel_h = np.where(accel_h > 0, accel_h, 1.0)
    g, matrix = _matrix(problem, make_flows(problem, groups, wanted), size, hours)
    capacity, power = pool_capacity(problem), problem.data_centers["it_capacity_mw"].to_numpy(float)
    right = np.concatenate([wanted, most.reshape(-1), np.tile(capacity, count), np.tile(power, count)])
    gain = np.repeat(hours, len(g)) * np.tile(accel_h[g], count)
    solved = linprog(-gain, A_ub=matrix, b_ub=right, bounds=(0, None), method="highs") if len(gain) else None
    if solved is not None and solved.x is None:
        raise RuntimeError(f"the assignment of demand to capacity ended with: {solved.message}")
    missing = wanted if solved is None else wanted - matrix[:size] @ solved.x
    if (missing * accel_h).sum() <= SHORT_SHARE * (wanted * accel_h).sum():
        return None
    is_short = missing > SHORT_SHARE * wanted
    if solved is not None:
        # Where more demand would save nothing, capacity is the limit: these groups and what they reach are the cut.
        price = -np.asarray(solved.ineqlin.marginals[: size * (1 + count)]).reshape(1 + count, size)
        is_short |= (wanted > 0) & (price[0] + price[1:].max(axis=0) < SHORT_SHARE * accel_h)
    per_mtok = (problem.accel_h_per_mtok * mw_per_busy_accelerator(problem)).min(axis=1)[groups.class_index]
    total_h = float(hours.sum())
    return Shortage(
        mtok_per_h=float(missing.sum()) / total_h,
        mw=float(missing @ per_mtok) / total_h,
        is_short=is_short,
        centers=np.asarray(groups.can_use[is_short].any(axis=0)),
    )


def _matrix(problem: PlacementProblem, flows: Flows, size: int, hours: FloatArray) -> tuple[IntArray, sp.csr_array]:
    """Group of each column (the same in every slice), and rows: demand, most per slice, accelerators, power."""
    place, g = problem.pools["data_center_index"].to_numpy(int), flows.group
    column, count = np.arange(len(g)), len(hours)

    def by_slice(row: IntArray, entry: FloatArray, rows: int) -> sp.csr_array:
        block = sp.csr_array((entry, (row, column)), shape=(rows, len(g)))
        return sp.csr_array(sp.block_diag([block] * count, format="csr"))

    together = sp.csr_array(
        (np.repeat(hours, len(g)), (np.tile(g, count), np.arange(count * len(g)))), shape=(size, count * len(g))
    )
    blocks = [
        together,
        by_slice(g, np.ones(len(g)), size),
        by_slice(flows.pool, flows.busy_h_per_mtok, len(place)),
        by_slice(place[flows.pool], flows.it_mwh_per_mtok, len(problem.data_centers)),
    ]
    return g, sp.csr_array(sp.vstack(blocks, format="csr"))


def _quotient(amount: FloatArray, per: FloatArray) -> FloatArray:
    out: FloatArray = np.full(len(amount), np.inf)
    return np.divide(amount, per, out=out, where=per > 0)


_INFEASIBLE = 2  # scipy.optimize.linprog's status


@dataclass(frozen=True, eq=False)
class Row:
    """`vector x <= limit` over the columns of the relaxation."""

    vector: FloatArray
    limit: float


class YearRelaxation:
    """
    The relaxation of a problem to means over the year.

    Columns are tokens by group and pool (mtok/h), new pods, how open a data center is, and the IT power of accelerators
    that idle there to keep models loaded.

    Parameters
    ----------
    demand_mtok_per_h, must_mtok_per_h
        (W,) all tokens, and tokens that must be served: means over the year, or of one slice.
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
        self.groups: Groups = make_groups(problem, by_places=True)
        pools = problem.pools
        self.place = pools["data_center_index"].to_numpy(int)
        size = len(self.groups.class_index)
        self.demand = np.asarray(np.bincount(self.groups.workload, demand_mtok_per_h, size), float)
        self._must = np.bincount(self.groups.workload, must_mtok_per_h, size)
        self.flows = make_flows(problem, self.groups, self.demand)
        self.group, self.busy = self.flows.group, self.flows.busy_h_per_mtok
        self._flows, self._pools, self._centers = len(self.group), len(pools), len(problem.data_centers)
        upper = np.concatenate(
            [
                self.demand[self.group],
                pools["max_new_pods"].to_numpy(float),
                _usable_centers(problem).astype(float),
                _most_idle_mw(problem),
            ]
        )
        if closed is not None:
            upper[self._flows + self._pools + closed] = 0.0
        self._bounds = np.column_stack([np.zeros(len(upper)), upper])

    @property
    def flow_center(self) -> IntArray:
        """Data center of each flow column."""
        return self.place[self.flows.pool]

    @property
    def facility_mwh_per_mtok(self) -> FloatArray:
        """Facility energy of each flow column, with just enough pods switched on."""
        return np.asarray(self.flows.it_mwh_per_mtok * self.of_flows(self.problem.data_centers["pue"].to_numpy(float)))

    def vector(
        self,
        flows: FloatArray | float = 0.0,
        pods: FloatArray | float = 0.0,
        opened: FloatArray | float = 0.0,
        idle: FloatArray | float = 0.0,
    ) -> FloatArray:
        """Make a row over all columns."""
        parts = ((flows, self._flows), (pods, self._pools), (opened, self._centers), (idle, self._centers))
        return np.concatenate([np.broadcast_to(np.asarray(part, dtype=float), size) for part, size in parts])

    def of_flows(self, by_center: FloatArray) -> FloatArray:
        """Give each flow column the number of its data center."""
        return np.asarray(by_center[self.flow_center])

    @cached_property
    def installed(self) -> sp.csr_array:
        """(P, columns) accelerators of each pool: new ones, and existing ones as far as the data center is open."""
        per_pod = pod_sizes(self.problem)
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
        mw = self.flows.it_mwh_per_mtok
        every = np.arange(self._centers)
        parts = [
            (served, self.demand),
            (-served, -self._must),
            (flows(self.flows.pool, self.busy, self._pools) - usable, np.zeros(self._pools)),
            (bought - opened(most, self.place), np.zeros(self._pools)),
            (opened(least, self.place) - bought, np.zeros(self._pools)),
            (flows(self.flow_center, mw, self._centers) - opened(capacity, every), np.zeros(self._centers)),
        ]
        matrix = sp.csr_array(sp.vstack([part for part, _ in parts], format="csr"))
        return matrix, np.concatenate([side for _, side in parts])

    def least(self, vector: FloatArray, rows: Sequence[Row] = ()) -> FloatArray | None:
        """Find the point with the least value of a row that keeps what every plan keeps; None if there is none."""
        matrix, side = self._matrix
        if rows:
            vectors = np.array([row.vector for row in rows])
            scale = np.maximum(np.abs(vectors).max(axis=1, initial=0.0), 1e-12)
            matrix = sp.csr_array(sp.vstack([matrix, sp.csr_array(vectors / scale[:, None])], format="csr"))
            side = np.append(side, np.array([row.limit for row in rows]) / scale)
        size = max(np.abs(vector).max(initial=0.0), 1e-12)
        answer = linprog(vector / size, A_ub=matrix, b_ub=side, bounds=self._bounds, method="highs")
        if answer.status == _INFEASIBLE:
            return None
        if answer.x is None:
            raise RuntimeError(f"the relaxation of the year ended with: {answer.message}")
        return np.asarray(answer.x)

    def spending(self) -> FloatArray | None:
        """
        Make a lower bound of what the spending limit counts, CNY per year; None where energy may cost less than 0.

        Energy at the lowest price of the year, demand charge on the mean power, and the costs of new pods and of open
        data centers.
        """
        problem, centers = self.problem, self.problem.data_centers
        carbon = problem.carbon_price_cny_per_t * centers["carbon_kg_per_kwh"].to_numpy(float)
        price = (problem.lowest_energy_price_cny_per_mwh + carbon).min(axis=0)
        if (price < 0).any():
            return None
        # A period's peak is no less than its mean; of all periods the one counts that bills the fewest months an hour.
        hours = np.bincount(problem.slices["billing_index"].to_numpy(int), problem.weight_h)
        months = float((problem.billing["months"].to_numpy(float) / hours).min() * problem.weight_h.sum())
        charge = centers["demand_charge_cny_per_kw_month"].to_numpy(float) * KW_PER_MW * months
        per_mw = price * problem.weight_h.sum() + charge + centers["opening_cny_per_mw_year"].to_numpy(float)
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

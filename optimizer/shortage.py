"""Transport of demand to capacity: what finds no place, and the bottleneck that keeps it out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import linprog

from optimizer.greedy import mw_per_busy_accelerator
from optimizer.problem import FloatArray, IntArray, PlacementProblem

BoolArray = npt.NDArray[np.bool_]
# A shortage below this share of what is asked for is rounding of the linear program.
SHORT_SHARE = 1e-7


@dataclass(frozen=True, eq=False)
class Groups:
    """
    Workloads that are alike: the same class, the same data centers in reach.

    Attributes
    ----------
    workload
        (W,) group of each workload.
    class_index
        (n,) class of each group.
    reach
        (n, D) data centers in reach.
    is_deferrable
        (n,) whether the work may wait.
    """

    workload: IntArray
    class_index: IntArray
    reach: BoolArray
    is_deferrable: BoolArray


@dataclass(frozen=True, eq=False)
class Shortage:
    """
    What finds no place, averaged over the slices looked at.

    Attributes
    ----------
    mtok_per_h, mw
        Tokens, and the IT power that they would take on the most efficient accelerators.
    is_short
        (n,) groups of the bottleneck: more capacity anywhere else would not help them.
    centers
        (D,) data centers that they reach.
    """

    mtok_per_h: float
    mw: float
    is_short: BoolArray
    centers: BoolArray


def usable_centers(problem: PlacementProblem) -> BoolArray:
    """(D,) data centers that can be opened: they have a pool, and the least number of pods can be had."""
    pools, out = problem.pools, np.zeros(len(problem.data_centers), bool)
    place = pools["data_center_index"].to_numpy(int)
    out[place] = True
    out[place[pool_pods(problem) < pools["min_pods"].to_numpy(float)]] = False
    return out


def pool_pods(problem: PlacementProblem) -> FloatArray:
    """(P,) pods there and pods that may be bought."""
    most: FloatArray = problem.pools["existing_pods"].to_numpy(float) + problem.pools["max_new_pods"].to_numpy(float)
    return most


def pool_capacity(problem: PlacementProblem) -> FloatArray:
    """(P,) accelerators of a pool that can be busy at once, pods that may be bought included."""
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[problem.pools["accelerator_index"]]
    capacity: FloatArray = pool_pods(problem) * per_pod * problem.utilization_limit_share
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
    return np.where(usable_centers(problem), np.minimum(by_accelerators, by_power), 0.0)


def make_groups(problem: PlacementProblem, *, by_reach: bool) -> Groups:
    """
    Group workloads by class and reach.

    Parameters
    ----------
    problem
        The problem.
    by_reach
        False: as if every workload reached every data center.
    """
    reach = np.full((len(problem.workloads), len(problem.data_centers)), not by_reach)
    reach[problem.candidates["workload_index"], problem.candidates["data_center_index"]] = True
    reach &= usable_centers(problem)
    k = problem.workloads["class_index"].to_numpy(int)
    keys, workload = np.unique(np.column_stack([k, reach]), axis=0, return_inverse=True)
    workload = workload.reshape(-1).astype(np.int64)
    may_wait = np.zeros(len(keys), bool)
    may_wait[workload] = problem.workloads["is_deferrable"].to_numpy(bool)
    return Groups(workload, keys[:, 0].astype(np.int64), keys[:, 1:].astype(bool), may_wait)


def find_shortage(
    problem: PlacementProblem, groups: Groups, demand: FloatArray, most: FloatArray, hours: FloatArray
) -> Shortage | None:
    """
    Serve as many accelerator-hours as fit; None if all fit.

    Parameters
    ----------
    problem, groups
        Capacities, and who reaches them.
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
    worth = problem.accel_h_per_mtok.min(axis=1)[groups.class_index]
    worth = np.where(worth > 0, worth, 1.0)
    g, matrix = _matrix(problem, groups, wanted, hours)
    capacity, power = pool_capacity(problem), problem.data_centers["it_capacity_mw"].to_numpy(float)
    right = np.concatenate([wanted, most.reshape(-1), np.tile(capacity, count), np.tile(power, count)])
    gain = np.repeat(hours, len(g)) * np.tile(worth[g], count)
    solved = linprog(-gain, A_ub=matrix, b_ub=right, bounds=(0, None), method="highs") if len(gain) else None
    if solved is not None and solved.x is None:
        raise RuntimeError(f"the transport of demand to capacity ended with: {solved.message}")
    missing = wanted if solved is None else wanted - matrix[:size] @ solved.x
    if (missing * worth).sum() <= SHORT_SHARE * (wanted * worth).sum():
        return None
    is_short = missing > SHORT_SHARE * wanted
    if solved is not None:
        # Where more demand would be worth nothing, capacity stops it: these groups and all they reach are the cut.
        price = -np.asarray(solved.ineqlin.marginals[: size * (1 + count)]).reshape(1 + count, size)
        is_short |= (wanted > 0) & (price[0] + price[1:].max(axis=0) < SHORT_SHARE * worth)
    per_mtok = (problem.accel_h_per_mtok * mw_per_busy_accelerator(problem)).min(axis=1)[groups.class_index]
    total_h = float(hours.sum())
    return Shortage(
        mtok_per_h=float(missing.sum()) / total_h,
        mw=float(missing @ per_mtok) / total_h,
        is_short=is_short,
        centers=np.asarray(groups.reach[is_short].any(axis=0)),
    )


def _matrix(
    problem: PlacementProblem, groups: Groups, wanted: FloatArray, hours: FloatArray
) -> tuple[IntArray, sp.csr_array]:
    """Group of each column (the same in every slice), and rows: demand, most per slice, accelerators, power."""
    place, accelerator = (problem.pools[f"{name}_index"].to_numpy(int) for name in ("data_center", "accelerator"))
    fast = problem.can_process[groups.class_index][:, accelerator]
    g, p = np.nonzero(groups.reach[:, place] & fast & (wanted > 0)[:, None])
    busy = problem.accel_h_per_mtok[groups.class_index[g], accelerator[p]]
    power = busy * mw_per_busy_accelerator(problem)[accelerator[p]]
    column, count, size = np.arange(len(g)), len(hours), len(wanted)

    def by_slice(row: IntArray, entry: FloatArray, rows: int) -> sp.csr_array:
        block = sp.csr_array((entry, (row, column)), shape=(rows, len(g)))
        return sp.csr_array(sp.block_diag([block] * count, format="csr"))

    together = sp.csr_array(
        (np.repeat(hours, len(g)), (np.tile(g, count), np.arange(count * len(g)))), shape=(size, count * len(g))
    )
    blocks = [
        together,
        by_slice(g, np.ones(len(g)), size),
        by_slice(p, busy, len(place)),
        by_slice(place[p], power, len(problem.data_centers)),
    ]
    return g, sp.csr_array(sp.vstack(blocks, format="csr"))


def _quotient(amount: FloatArray, per: FloatArray) -> FloatArray:
    out: FloatArray = np.full(len(amount), np.inf)
    return np.divide(amount, per, out=out, where=per > 0)

"""How near the limits of a feasible problem are: by how much all demand could grow before a condition fails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import linprog

from optimizer.condense import condense, representative
from optimizer.greedy import mw_per_busy_accelerator
from optimizer.problem import FloatArray, PlacementProblem
from optimizer.reach import Reach
from optimizer.shortage import Groups, make_groups, pool_capacity

_NAMED = 4


@dataclass(frozen=True)
class Headroom:
    """
    Distance of one condition from failing.

    Attributes
    ----------
    name
        What is compared.
    growth_share
        Share by which all demand could grow before it fails; inf if it never does.
    when
        Slice in which it would fail.
    held_by
        What would be full there: data centers with their accelerators or power.
    """

    name: str
    growth_share: float
    when: str
    held_by: tuple[str, ...]


def find_headroom(problem: PlacementProblem) -> tuple[Headroom, ...]:
    """
    Find how far demand could grow within total capacity and within what is in reach.

    Parameters
    ----------
    problem
        The problem; every pod that could be bought counts as there.
    """
    reach = Reach(problem, np.zeros(len(problem.candidates)), ())
    smaller = representative(condense(reach).reach).problem
    return tuple(_headroom(smaller, by_reach=by_reach) for by_reach in (False, True))


def _headroom(problem: PlacementProblem, *, by_reach: bool) -> Headroom:
    groups = make_groups(problem, by_reach=by_reach)
    must = problem.demand_mtok_per_h - problem.shed_limit_mtok_per_h
    demand = np.zeros((len(must), len(groups.class_index)))
    np.add.at(demand.T, groups.workload, must.T)
    found = [(*_growth(problem, groups, row), t) for t, row in enumerate(demand) if row.any()]
    name = "capacity within reach" if by_reach else "total capacity"
    if not found:
        return Headroom(name, np.inf, "", ())
    growth, held_by, t = min(found, key=lambda item: item[0])
    row = problem.slices.iloc[t]
    is_mean = t == len(must) - 1
    when = "the mean of the year, work that may wait included" if is_mean else _clock(str(row["day"]), row["hour"])
    return Headroom(name, growth - 1.0, when, held_by)


def _growth(problem: PlacementProblem, groups: Groups, demand: FloatArray) -> tuple[float, tuple[str, ...]]:
    """Largest factor on the demand of a slice that capacity carries, and what is full then."""
    place, accelerator = (problem.pools[f"{name}_index"].to_numpy(int) for name in ("data_center", "accelerator"))
    g, p = np.nonzero(groups.reach[:, place] & (demand > 0)[:, None])
    busy = problem.accel_h_per_mtok[groups.class_index[g], accelerator[p]]
    power = busy * mw_per_busy_accelerator(problem)[accelerator[p]]
    column, count, pools, centers = np.arange(len(g)), len(demand), len(place), len(problem.data_centers)
    served = sp.hstack(
        [sp.csr_array((np.ones(len(g)), (g, column)), shape=(count, len(g))), sp.csr_array(-demand[:, None])]
    )
    held = sp.vstack(
        [
            sp.csr_array((busy, (p, column)), shape=(pools, len(g) + 1)),
            sp.csr_array((power, (place[p], column)), shape=(centers, len(g) + 1)),
        ]
    )
    right = np.concatenate([pool_capacity(problem), problem.data_centers["it_capacity_mw"].to_numpy(float)])
    solved = linprog(
        np.concatenate([np.zeros(len(g)), [-1.0]]),
        A_ub=sp.csr_array(held),
        b_ub=right,
        A_eq=sp.csr_array(served),
        b_eq=np.zeros(count),
        bounds=(0, None),
        method="highs",
    )
    if solved.x is None:
        return np.inf, ()
    price = -np.asarray(solved.ineqlin.marginals)
    ids = problem.data_centers["id"].to_numpy(str)
    full = {"accelerators": place[price[:pools] > 0], "power": np.flatnonzero(price[pools:] > 0)}
    return float(solved.x[-1]), tuple(f"{what} at {_names(ids[at])}" for what, at in full.items() if len(at))


def _names(ids: npt.NDArray[np.str_]) -> str:
    unique = list(dict.fromkeys(ids.tolist()))
    return ", ".join(unique) if len(unique) <= _NAMED else f"{len(unique)} data centers"


def _clock(day: str, hour: float) -> str:
    return f"{day.rpartition('_')[0]} {int(hour):02d}:{round(float(hour) % 1 * 60):02d}"

r"""
Flow covers: rows that say what several deployments can take from one pool of accelerators together.

In slice t a pool (d, a) offers :math:`c\,y + s`, with c the accelerators in place and s what is bought. Class k takes
:math:`v_k = \tau_{ka} z_{kdat}`, of what is in place no more than :math:`m_k x_k` with
:math:`m_k = \min(c, \tau_{ka} \bar z_k)`. For a cover C,
:math:`\lambda = \sum_C m_k - c > 0`, other classes L and :math:`\bar m_k = \max(m_k, \max_C m)` every plan keeps

.. math:: \sum_C \left[v_k + (m_k - \lambda)^+ (y - x_k)\right] + \sum_L \left[v_k - (\bar m_k - \lambda)^+ x_k\right]
          \le c\,y + s

(docs/formulation.md proves it, bought pods included). All covers of a pool are tried at once.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.model.compile import CompiledModel
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.benders.blocks import Master
from optimizer.solvers.benders.subproblems import Cut

BoolArray = npt.NDArray[np.bool_]

# Of a pool with more classes only those that take most are tried together: subsets double with every class.
MOST_CLASSES = 12

# A row is added where it is broken by more than this share of the pool.
BROKEN_SHARE = 1e-3


@dataclass(frozen=True)
class _Pool:
    """One pool in all slices; positions of its columns among the master's."""

    capacity: float  # accelerators in place that may be busy
    per_new_pod: float
    open: int
    new_pods: int
    deploy: IntArray  # (K,)
    work: IntArray  # (T, K)
    hours: FloatArray  # (T, K) busy accelerators for each unit of the master's column
    most: FloatArray  # (T, K) m


class FlowCovers:
    """Separates flow covers of a decomposition."""

    def __init__(self, problem: PlacementProblem, compiled: CompiledModel, master: Master) -> None:
        self._pools = list(_pools(problem, compiled, master))
        self._seen: set[bytes] = set()

    def violated(self, point: FloatArray, *, broken_share: float = BROKEN_SHARE) -> list[Cut]:
        """Find the cover of each pool and slice that is broken most, by at least a share of the pool, each row once."""
        found = []
        for pool in self._pools:
            for cut in _most_broken(pool, point, broken_share):
                key = _key(cut)
                if key not in self._seen:
                    self._seen.add(key)
                    found.append(cut)
        return found

    def forget(self, cuts: list[Cut]) -> None:
        """Let rows that were taken out of the master be found again."""
        for cut in cuts:
            self._seen.discard(_key(cut))

    def is_one(self, cut: Cut) -> bool:
        """Whether a row of the master is one of the covers."""
        return _key(cut) in self._seen


def _key(cut: Cut) -> bytes:
    return cut.columns.tobytes() + np.round(cut.gradient, 9).tobytes()


def _pools(problem: PlacementProblem, compiled: CompiledModel, master: Master) -> list[_Pool]:
    processes, pools = problem.processes, problem.pools
    place = np.full(len(compiled.cost), -1)
    place[master.columns] = np.arange(len(master.columns))
    columns = compiled.columns
    work = place[np.arange(columns["Work"].columns.start, columns["Work"].columns.stop)].reshape(columns["Work"].shape)
    deploy_of = {tuple(member): n for n, member in enumerate(columns["Deploy"].members.tolist())}
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float) * problem.utilization_limit_share
    out = []
    for number, (d, a, existing) in enumerate(
        pools[["data_center_index", "accelerator_index", "existing_pods"]].itertuples(index=False, name=None)
    ):
        mine = np.flatnonzero(processes["pool_index"].to_numpy() == number)
        capacity = float(per_pod[a] * existing)
        if capacity <= 0 or len(mine) < 2:  # noqa: PLR2004 - one class alone has (13a)
            continue
        k = processes["class_index"].to_numpy()[mine]
        at = work[:, mine]
        hours = master.scale[at] * problem.accel_h_per_mtok[k, a]
        deploy = np.array([deploy_of[int(one), int(d)] for one in k]) + columns["Deploy"].columns.start
        out.append(
            _Pool(
                capacity=capacity,
                per_new_pod=float(per_pod[a]),
                open=int(place[columns["Open"].columns.start + int(d)]),
                new_pods=int(place[columns["NewPods"].columns.start + number]),
                deploy=place[deploy],
                work=at,
                hours=hours,
                most=np.minimum(capacity, hours * master.upper[at]),
            )
        )
    return out


def _most_broken(pool: _Pool, point: FloatArray, broken_share: float) -> list[Cut]:
    taken = pool.hours * point[pool.work]
    if taken.shape[1] > MOST_CLASSES:
        chosen = np.sort(np.argsort(-taken.sum(axis=0), kind="stable")[:MOST_CLASSES])
    else:
        chosen = np.arange(taken.shape[1])
    taken, most, share = taken[:, chosen], pool.most[:, chosen], point[pool.deploy][chosen]
    opened, offered = point[pool.open], pool.capacity * point[pool.open] + pool.per_new_pod * point[pool.new_pods]
    subsets = np.array(list(itertools.product((False, True), repeat=len(chosen))))
    excess = subsets @ most.T - pool.capacity  # (subsets, T)
    largest = np.zeros_like(excess)
    for n in range(len(chosen)):
        largest = np.maximum(largest, np.where(subsets[:, n, None], most[:, n], 0.0))
    total = np.zeros_like(excess)
    for n in range(len(chosen)):
        inside = taken[:, n] + np.maximum(most[:, n] - excess, 0.0) * (opened - share[n])
        outside = taken[:, n] - np.maximum(np.maximum(most[:, n], largest) - excess, 0.0) * share[n]
        total += np.where(subsets[:, n, None], inside, np.maximum(outside, 0.0))
    total[excess <= 0] = -np.inf
    best = np.argmax(total, axis=0)
    cuts = []
    for t in np.flatnonzero(total[best, np.arange(len(best))] > offered + broken_share * pool.capacity):
        cover, over, top = subsets[best[t]], float(excess[best[t], t]), float(largest[best[t], t])
        cuts.append(_row(pool, chosen, int(t), cover, over, top, taken[t], share))
    return cuts


def _row(  # noqa: PLR0913, PLR0917 - what a cover is made of
    pool: _Pool,
    chosen: IntArray,
    t: int,
    cover: BoolArray,
    over: float,
    top: float,
    taken: FloatArray,
    share: FloatArray,
) -> Cut:
    """Write a cover as a row that must not be above 0, in shares of the pool."""
    most = pool.most[t, chosen]
    lifted = np.maximum(np.maximum(most, top) - over, 0.0)
    also = ~cover & (taken - lifted * share > 0)
    inside = np.maximum(most - over, 0.0)
    used = cover | also
    on_deploy = np.where(cover, -inside, -lifted)[used]
    columns = np.concatenate(
        [pool.work[t, chosen][used], pool.deploy[chosen][used], [pool.open, pool.new_pods]]
    ).astype(np.int64)
    gradient = np.concatenate(
        [pool.hours[t, chosen][used], on_deploy, [inside[cover].sum() - pool.capacity, -pool.per_new_pod]]
    )
    order = np.argsort(columns)
    return Cut(0, 0.0, columns[order], gradient[order] / pool.capacity, is_of_balances=True)

"""Whether whole decisions survive the loss of any data center, tried one by one: no reduction, another program."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem

INFEASIBLE = 2


class Outages:
    """
    Lose each data center in each slice, and see whether the others can serve what must not wait.

    Columns: tokens by candidate, tokens by process, pods switched on by pool.
    """

    def __init__(self, problem: PlacementProblem) -> None:
        self._problem = p = problem
        self._flows, self._works = len(p.candidates), len(p.processes)
        self._size = self._flows + self._works + len(p.pools)
        self._serve = [self._row(flow=p.candidates["workload_index"] == w) for w in range(len(p.workloads))]
        self._process = [
            self._row(
                flow=(p.candidate_class == k) & (p.candidates["data_center_index"] == d),
                work=-1.0 * ((p.processes["class_index"] == k) & (p.processes["data_center_index"] == d)),
            )
            for k, d in zip(p.deployments["class_index"], p.deployments["data_center_index"], strict=True)
        ]
        self._busy, self._power = self._pools()
        self._links = [self._traffic(link) for link in range(len(p.links))]
        self._known: dict[bytes, bool] = {}

    def survived_by(self, is_open: IntArray, is_deployed: IntArray, new_pods: IntArray) -> bool:
        """Whether these whole decisions survive."""
        key = b"".join(np.asarray(part, np.int64).tobytes() for part in (is_open, is_deployed, new_pods))
        if key not in self._known:
            self._known[key] = all(
                self._can_serve(asked, failed, is_open, is_deployed, new_pods)
                for failed in range(len(self._problem.data_centers))
                for asked in np.unique(self._problem.outage_demand_mtok_per_h, axis=0)
            )
        return self._known[key]

    def _can_serve(
        self, asked: FloatArray, failed: int, is_open: IntArray, is_deployed: IntArray, new_pods: IntArray
    ) -> bool:
        p = self._problem
        upper = np.full(self._size, np.inf)
        deployed = set(map(tuple, p.deployments[is_deployed == 1].to_numpy().tolist()))
        places = zip(p.candidate_class.tolist(), p.candidates["data_center_index"].tolist(), strict=True)
        for r, (k, d) in enumerate(places):
            if d == failed or (k, d) not in deployed:
                upper[r] = 0.0
        upper[self._flows + self._works :] = p.pools["existing_pods"] * is_open[p.pools["data_center_index"]] + new_pods
        limits = [np.zeros(len(p.pools)), p.data_centers["it_capacity_mw"] * is_open, p.links["capacity_gbps"]]
        answer = linprog(
            np.zeros(self._size),
            A_ub=np.array([*self._busy, *self._power, *self._links]),
            b_ub=np.concatenate(limits),
            A_eq=np.array([*self._serve, *self._process]),
            b_eq=np.concatenate([asked, np.zeros(len(self._process))]),
            bounds=np.column_stack([np.zeros(self._size), upper]),
            method="highs",
        )
        assert answer.status in (0, INFEASIBLE), answer.message
        return bool(answer.status == 0)

    def _row(self, flow: object = 0.0, work: object = 0.0) -> FloatArray:
        row = np.zeros(self._size)
        row[: self._flows] = flow
        row[self._flows : self._flows + self._works] = work
        return row

    def _pools(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """Busy time of each pool against its pods, power of each data center."""
        p, accelerators = self._problem, self._problem.accelerators
        busy = [np.zeros(self._size) for _ in range(len(p.pools))]
        power = [np.zeros(self._size) for _ in range(len(p.data_centers))]
        for q, pool in enumerate(p.pools.itertuples()):
            a, on = pool.accelerator_index, self._flows + self._works + q
            power[pool.data_center_index][on] = accelerators["idle_mw_per_pod"][a]
            busy[q][on] = -p.utilization_limit_share * accelerators["accelerators_per_pod"][a]
            for x in np.flatnonzero(p.processes["pool_index"] == q):
                time = p.accel_h_per_mtok[p.processes["class_index"][x], a]
                busy[q][self._flows + x] = time
                dynamic = accelerators["dynamic_mw_per_accelerator"][a]
                power[pool.data_center_index][self._flows + x] = time * dynamic
        return busy, power

    def _traffic(self, link: int) -> FloatArray:
        p = self._problem
        over = set(p.route_links["route_index"][p.route_links["link_index"] == link])
        gbps = p.classes["gbps_per_mtok_per_h"].to_numpy()[p.candidate_class]
        return self._row(flow=gbps * p.candidates["route_index"].isin(over).to_numpy())

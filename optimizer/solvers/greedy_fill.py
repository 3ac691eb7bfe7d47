"""Filling candidates in a given order within all limits: what the rules that need no optimization are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem

# Amounts below this share of the demand are rounding, not something left to place.
ROUNDING_SHARE = 1e-12
FULL_LINK_GBPS = 1e-9


class GreedyFill:
    """
    Candidates filled in a given order: the work placed so far, and the capacity that is left.

    Slices are filled in turn, the one with most demand first, so that pods bought for the peak are there for all other
    hours. Within a slice, installed pods are filled first in the order given, then pods are bought in that order. Work
    that may wait runs when it arrives. Indivisible workloads come before all others and get the first place that holds
    them in every slice.
    """

    def __init__(self, problem: PlacementProblem, is_allowed: npt.NDArray[np.bool_] | None = None) -> None:
        self.problem = problem
        pools, centers, candidates = problem.pools, problem.data_centers, problem.candidates
        accelerators = problem.accelerators.iloc[pools["accelerator_index"]]
        self.pool_center = pools["data_center_index"].to_numpy(int)
        self.pool_accelerator = pools["accelerator_index"].to_numpy(int)
        self.usable_per_pod = problem.utilization_limit_share * accelerators["accelerators_per_pod"].to_numpy(float)
        # Active pods follow the work, so idle power is spread over the busy accelerators.
        self.mw_per_busy = mw_per_busy_accelerator(problem)[self.pool_accelerator]
        self.pods = pools["existing_pods"].to_numpy(float).copy()
        self.may_buy = pools["max_new_pods"].to_numpy(float).copy()
        self.pools_of = [np.flatnonzero(self.pool_center == d) for d in range(len(centers))]
        self.slice_count = len(problem.slices)
        self.left = problem.demand_mtok_per_h.copy()
        self.flow = np.zeros((self.slice_count, len(candidates)))
        self.work = np.zeros((self.slice_count, len(problem.processes)))
        self.busy = np.zeros((self.slice_count, len(pools)))
        self.power_room_mw = np.tile(centers["it_capacity_mw"].to_numpy(float), (self.slice_count, 1))
        self.link_room_gbps = np.tile(problem.links["capacity_gbps"].to_numpy(float), (self.slice_count, 1))
        self.workload = candidates["workload_index"].to_numpy(int)
        self.route = candidates["route_index"].to_numpy(int)
        self.center = candidates["data_center_index"].to_numpy(int)
        self.gbps = problem.classes["gbps_per_mtok_per_h"].to_numpy(float)
        self.max_sites = problem.classes["max_sites"].to_numpy(int)
        self._keeps_models = bool((problem.min_accelerators > 0).any())
        self.deployed = np.zeros((len(problem.classes), len(centers)), bool)
        self.place_of = np.full(len(problem.workloads), -1)
        short = (self.pods + self.may_buy) < pools["min_pods"].to_numpy(float)
        usable = np.isin(self.center, np.unique(self.pool_center[short]), invert=True)
        self.is_usable = usable if is_allowed is None else usable & is_allowed

    @cached_property
    def limiting_links_of(self) -> dict[int, IntArray]:
        """Links that can bind, by route that crosses any."""
        table = self.problem.route_links
        table = table[self.problem.links["is_limiting"].to_numpy(bool)[table["link_index"]]]
        route, link = table["route_index"].to_numpy(int), table["link_index"].to_numpy(int)
        return {int(r): link[route == r] for r in np.unique(route)}

    @cached_property
    def process_of(self) -> dict[tuple[int, int], int]:
        """Row of `processes` by class and pool."""
        table = self.problem.processes
        keys = zip(table["class_index"].tolist(), table["pool_index"].tolist(), strict=True)
        return {key: row for row, key in enumerate(keys)}

    def fill(self, order_of: Callable[[int | None], IntArray]) -> Plan:
        """Place everything that fits."""
        self._place_indivisible(order_of(None))
        for t in np.argsort(-self.left.sum(axis=1), kind="stable"):
            order = order_of(int(t))
            order = order[self.is_usable[order]].tolist()
            for buys in (False, True):
                self._fill_slice(int(t), order, buys=buys)
        return self.plan()

    def _place_indivisible(self, order: IntArray) -> None:
        single = self.problem.workloads["is_indivisible"].to_numpy(bool)
        order = order[self.is_usable[order] & single[self.workload[order]]]
        by_workload: dict[int, list[int]] = {}
        for r in order.tolist():
            by_workload.setdefault(int(self.workload[r]), []).append(r)
        limit_ms = self.problem.rtt_limit_ms.max(axis=1)[self.problem.workloads["class_index"]]
        every = range(self.slice_count)
        for w in sorted(by_workload, key=lambda w: (limit_ms[w], -self.left[:, w].sum())):
            for buys in (False, True):
                if any(self._place(r, every, buys=buys, all_or_nothing=True) for r in by_workload[w]):
                    break
        self.left[:, single] = 0.0  # what found no place gets none in parts either; `plan` counts it from the flows

    def _fill_slice(self, t: int, order: list[int], *, buys: bool) -> None:
        left = self.left[t].tolist()
        full = [False] * len(self.pools_of)
        for r, w, d in zip(order, self.workload[order].tolist(), self.center[order].tolist(), strict=True):
            if left[w] <= 0.0 or full[d]:
                continue
            fits = self._place(r, (t,), buys=buys, all_or_nothing=False)
            left[w] = float(self.left[t, w])
            full[d] = not fits and not self._is_held_by_link_or_sites(r, t)

    def _is_held_by_link_or_sites(self, r: int, t: int) -> bool:
        if not self._may_deploy(r):
            return True
        links = self.limiting_links_of.get(int(self.route[r]))
        return links is not None and bool((self.link_room_gbps[t, links] <= FULL_LINK_GBPS).any())

    def _may_deploy(self, r: int) -> bool:
        k, d = int(self.problem.candidate_class[r]), int(self.center[r])
        if self.deployed[k, d]:
            return True
        return int(self.deployed[k].sum()) < self.max_sites[k] and self._can_keep_loaded(k, d)

    def _can_keep_loaded(self, k: int, d: int) -> bool:
        """Whether a data center can have the accelerators that its models and this one keep on."""
        kept_on = self.problem.min_accelerators
        if kept_on[k] <= 0:
            return True
        per_pod = self.problem.accelerators["accelerators_per_pod"].to_numpy(float)
        pools = self.pools_of[d]
        most = float((self.pods[pools] + self.may_buy[pools]) @ per_pod[self.pool_accelerator[pools]])
        return float(kept_on @ self.deployed[:, d] + kept_on[k]) <= most

    def _place(self, r: int, at: Sequence[int], *, buys: bool, all_or_nothing: bool) -> bool:
        """Route as much as fits (or, `all_or_nothing`, all or none) along a candidate; return whether all fitted."""
        if not self._may_deploy(r):
            return False
        w, d, k = int(self.workload[r]), int(self.center[r]), int(self.problem.candidate_class[r])
        links = self.limiting_links_of.get(int(self.route[r]))
        if self.gbps[k] <= 0:
            links = None
        shares, fits = [], True
        for t in at:
            wanted = room = float(self.left[t, w])
            if links is not None:
                room = min(wanted, float(self.link_room_gbps[t, links].min()) / self.gbps[k])
            found = self._split(k, d, t, max(room, 0.0), buys=buys)
            short = wanted - sum(mtok for _, mtok, _ in found)
            fits = fits and bool(short <= ROUNDING_SHARE * self.problem.demand_mtok_per_h[t, w])
            shares.append((t, found))
        if (all_or_nothing and not fits) or not any(mtok for _, found in shares for _, mtok, _ in found):
            return fits
        for t, found in shares:
            for p, mtok, needed_pods in found:
                busy = mtok * self.problem.accel_h_per_mtok[k, self.pool_accelerator[p]]
                self.work[t, self.process_of[k, p]] += mtok
                self.busy[t, p] += busy
                self.power_room_mw[t, d] -= busy * self.mw_per_busy[p]
                bought = max(needed_pods - self.pods[p], 0.0)
                self.pods[p] += bought
                self.may_buy[p] -= bought
            placed = sum(mtok for _, mtok, _ in found)
            self.flow[t, r] += placed
            self.left[t, w] = 0.0 if fits else self.left[t, w] - placed
            if links is not None:
                self.link_room_gbps[t, links] -= placed * self.gbps[k]
        self.deployed[k, d] = True
        self.place_of[w] = d
        return fits

    def _split(self, k: int, d: int, t: int, wanted: float, *, buys: bool) -> list[tuple[int, float, float]]:
        """Share work of a slice among the pools of a data center: (pool, mtok/h, pods that it then must have)."""
        shares: list[tuple[int, float, float]] = []
        power_room = max(float(self.power_room_mw[t, d]) - self._power_kept_mw(k, d, t), 0.0)
        for p in self._pool_order(k, d, buys=buys):
            busy_per_mtok = float(self.problem.accel_h_per_mtok[k, self.pool_accelerator[p]])
            usable, mw, pods = float(self.usable_per_pod[p]), float(self.mw_per_busy[p]), float(self.pods[p])
            in_use = float(self.busy[t, p])
            room = max((pods + (float(self.may_buy[p]) if buys else 0.0)) * usable - in_use, 0.0)
            if mw > 0:
                room = min(room, power_room / mw)
            mtok = min(wanted, room / busy_per_mtok) if busy_per_mtok > 0 else wanted
            busy = mtok * busy_per_mtok
            needed = pods + max(0.0, math.ceil((in_use + busy) / usable * (1 - 1e-12) - pods)) if buys else 0.0
            shares.append((p, mtok, needed))
            wanted -= mtok
            power_room -= busy * mw
            if not wanted:
                break
        return shares

    def _power_kept_mw(self, k: int, d: int, t: int) -> float:
        """Power that work may not use: what the accelerators kept on for models draw idle, this model's too."""
        kept_on, pools = self.problem.min_accelerators, self.pools_of[d]
        if not self._keeps_models:
            return 0.0
        needed = float(kept_on @ self.deployed[:, d]) + (0.0 if self.deployed[k, d] else float(kept_on[k]))
        if needed <= 0:
            return 0.0
        table = self.problem.accelerators.iloc[self.pool_accelerator[pools]]
        per_pod, idle_mw = (table[name].to_numpy(float) for name in ("accelerators_per_pod", "idle_mw_per_pod"))
        active = float((self.busy[t, pools] / self.usable_per_pod[pools]) @ per_pod)
        return max(needed - active, 0.0) * float((idle_mw / per_pod).max())

    def _pool_order(self, k: int, d: int, *, buys: bool) -> list[int]:
        """Pools that a class uses first: least energy, or where pods must be bought, least capital."""
        pools = self.pools_of[d]
        pools = pools[self.problem.can_process[k, self.pool_accelerator[pools]]]
        if len(pools) == 1:
            return [int(pools[0])]
        busy_per_mtok = self.problem.accel_h_per_mtok[k, self.pool_accelerator[pools]]
        price = self.mw_per_busy[pools]
        if buys:
            table = self.problem.pools.iloc[pools]
            yearly = table["pod_cny_per_year"].to_numpy(float) + table["site_cny_per_year"].to_numpy(float)
            price = yearly / self.usable_per_pod[pools]
        return [int(p) for p in pools[np.argsort(busy_per_mtok * price, kind="stable")]]

    def _keep_models_loaded(self) -> FloatArray:
        """(T, P) pods switched on beyond the busy ones, so that what is deployed stays loaded; buys what is missing."""
        active = self.busy / self.usable_per_pod
        extra = np.zeros_like(active)
        per_pod = self.problem.accelerators["accelerators_per_pod"].to_numpy(float)[self.pool_accelerator]
        idle_mw = self.problem.accelerators["idle_mw_per_pod"].to_numpy(float)[self.pool_accelerator]
        needed = self.problem.min_accelerators @ self.deployed
        for d in np.flatnonzero(needed > 0):
            pools = self.pools_of[d]
            missing = (needed[d] - active[:, pools] @ per_pod[pools]).clip(min=0.0)
            for buys in (False, True):
                for p in pools[np.argsort(idle_mw[pools] / per_pod[pools], kind="stable")].tolist():
                    wanted = extra[:, p] + missing / per_pod[p]
                    if buys:
                        lacking = np.ceil((active[:, p] + wanted).max() - self.pods[p] - ROUNDING_SHARE)
                        bought = min(max(lacking, 0.0), self.may_buy[p])
                        self.pods[p] += bought
                        self.may_buy[p] -= bought
                    added = np.minimum(wanted, self.pods[p] - active[:, p]).clip(min=0.0) - extra[:, p]
                    if idle_mw[p] > 0:
                        added = np.minimum(added, self.power_room_mw[:, d].clip(min=0.0) / idle_mw[p])
                    added = added.clip(min=0.0)
                    self.power_room_mw[:, d] -= added * idle_mw[p]
                    extra[:, p] += added
                    missing = (missing - added * per_pod[p]).clip(min=0.0)
        return extra

    def plan(self, arrivals_mtok_per_h: FloatArray | None = None) -> Plan:
        """
        Make a plan of what has been placed.

        Parameters
        ----------
        arrivals_mtok_per_h
            (T, W) work in the slices in which it was to run, where some of it waits; None where none does.
        """
        problem, existing = self.problem, self.problem.pools["existing_pods"].to_numpy(float)
        deployments, single = problem.deployments, problem.indivisible_pairs
        is_open = np.asarray(self.deployed.any(axis=0))
        loaded = self._keep_models_loaded()
        idle_mw = problem.accelerators["idle_mw_per_pod"].to_numpy(float)[self.pool_accelerator]
        least = np.where(is_open[self.pool_center], problem.pools["min_pods"].to_numpy(float), 0.0)
        new = np.where(is_open[self.pool_center], np.maximum(self.pods, least) - existing, 0.0)
        served = np.zeros_like(problem.demand_mtok_per_h)
        np.add.at(served.T, self.workload, self.flow.T)
        asked = problem.demand_mtok_per_h if arrivals_mtok_per_h is None else arrivals_mtok_per_h
        unserved = asked - served
        unserved[unserved <= ROUNDING_SHARE * problem.demand_mtok_per_h] = 0.0
        power = np.zeros_like(self.power_room_mw)
        np.add.at(power.T, self.pool_center, (self.busy * self.mw_per_busy + loaded * idle_mw).T)
        peak = np.zeros((len(problem.billing), len(is_open)))
        pue = problem.data_centers["pue"].to_numpy(float)
        np.maximum.at(peak, problem.slices["billing_index"].to_numpy(int), power * pue)
        return Plan(
            flow_mtok_per_h=self.flow,
            shed_mtok_per_h=np.minimum(unserved, problem.shed_limit_mtok_per_h),
            backlog_mtok=self._backlog_mtok(asked),
            work_mtok_per_h=self.work,
            active_pods=self.busy / self.usable_per_pod + loaded,
            new_pods=np.rint(new).astype(np.int64),
            is_open=np.asarray(is_open, dtype=np.int64),
            is_deployed=self.deployed[deployments["class_index"], deployments["data_center_index"]].astype(np.int64),
            is_assigned=(self.place_of[single["workload_index"]] == single["data_center_index"].to_numpy()).astype(
                np.int64
            ),
            peak_mw=peak,
            contract_mw=peak.max(axis=0),
        )

    def _backlog_mtok(self, arrivals_mtok_per_h: FloatArray) -> FloatArray:
        """(T, W) what waits at the end of each slice: arrived and not yet due, and as little as the day allows."""
        slices, problem = self.problem.slices, self.problem
        waiting = (problem.demand_mtok_per_h - arrivals_mtok_per_h) * problem.slice_h[:, None]
        for at in slices.groupby("day", sort=False).indices.values():
            ordered = at[np.argsort(slices["hour"].to_numpy(float)[at], kind="stable")]
            summed = np.cumsum(waiting[ordered], axis=0)
            waiting[ordered] = summed - np.minimum(summed.min(axis=0), 0.0)
        waiting[waiting <= ROUNDING_SHARE * problem.demand_mtok_per_h.sum(axis=0)] = 0.0
        return waiting


def mw_per_busy_accelerator(problem: PlacementProblem) -> FloatArray:
    """Work out dynamic and idle power per busy accelerator with just enough pods on, (A,) MW."""
    table = problem.accelerators
    usable = problem.utilization_limit_share * table["accelerators_per_pod"].to_numpy(float)
    idle = table["idle_mw_per_pod"].to_numpy(float) / usable
    return np.asarray(idle + table["dynamic_mw_per_accelerator"].to_numpy(float))

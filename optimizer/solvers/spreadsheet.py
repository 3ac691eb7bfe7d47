"""
The rule to beat: what a good engineer plans with a spreadsheet in a day, knowing all costs and using no solver.

Five steps, each of which can be done by hand. (1) Work that may wait goes to the hours in which the merit order of the
data centers is cheapest. (2) Every place gets a full unit cost for every workload: energy at the prices of its hours,
the demand charge and the price of new pods spread over the hours of expected use, latency, transport. (3) Workloads
take the cheapest place with room; the one that loses most where it must take its second best comes first (Vogel's
approximation). (4) Sites and deployments whose work costs less elsewhere than they save are dropped, one at a time (the
drop heuristic of facility location), and what is left is filled again. (5) Each hour is filled anew at its own prices,
where that is cheaper.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np

from optimizer.checker.check import CheckReport, check_plan
from optimizer.problem.plan import Plan
from optimizer.problem.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.greedy_fill import ROUNDING_SHARE, GreedyFill
from optimizer.solvers.valley_hours import full_price_cny_per_mwh, hours_of_use, moved_into_valleys, price_cny_per_mwh
from optimizer.units import KW_PER_MW

# Plans made one after the other, each with the fixed costs spread over the use that the one before has found.
_DRAFTS = 3
# Sites per class over which they are spread where no draft has used a site yet.
_EXPECTED_SITES = 4
# Passes over all sites and deployments in which something may be dropped.
_MOST_PASSES = 3
# Of a number of pods.
_ROUNDING = 1e-9
# Divides where a workload takes no accelerator time.
_LEAST_BUSY = 1e-12
# What is left unplaced costs more than anything that is placed.
_UNPLACED_CNY_PER_MTOK = 1e9


def spreadsheet_plan(problem: PlacementProblem) -> Plan:
    """Make the plan of the module's five steps, in which links, whole pods and residency rules are kept."""
    sheet = _Spreadsheet(problem, moved_into_valleys(problem))
    sheet.concentrate()
    plans = sheet.plans()
    reports = [check_plan(problem, plan) for plan in plans]
    return plans[0] if _rank_of(reports[0]) <= _rank_of(reports[1]) else plans[1]


def _rank_of(report: CheckReport) -> tuple[bool, float]:
    return not report.is_feasible, report.total_cny


@dataclass(slots=True)
class _Part:
    """Work of a workload that runs on one option, by slice."""

    option: int
    mtok_per_h: FloatArray
    cny_per_year: float


class _Room:
    """What is left of pods, power and links in each slice; copied before a trial and put back after it."""

    def __init__(self, fill: GreedyFill) -> None:
        slots, problem = fill.slice_count, fill.problem
        self.kept = np.repeat((fill.pods * fill.usable_per_pod)[:, None], slots, axis=1)
        self.bought = np.repeat((fill.may_buy * fill.usable_per_pod)[:, None], slots, axis=1)
        self.power_mw = np.ascontiguousarray(fill.power_room_mw.T.copy())
        self.link_gbps = np.repeat(problem.links["capacity_gbps"].to_numpy(float)[:, None], slots, axis=1)

    def copy(self) -> tuple[FloatArray, ...]:
        return self.kept.copy(), self.bought.copy(), self.power_mw.copy(), self.link_gbps.copy()

    def put_back(self, copied: tuple[FloatArray, ...]) -> None:
        self.kept, self.bought, self.power_mw, self.link_gbps = copied


class _Spreadsheet:
    """
    Unit costs, room, and what runs where.

    An option is a candidate on a pool, on pods that stand there or on new ones; the options of a workload stand
    together, the cheapest over the year first.
    """

    def __init__(self, problem: PlacementProblem, demand_mtok_per_h: FloatArray) -> None:
        self.problem, self.demand = problem, np.ascontiguousarray(demand_mtok_per_h.T)
        self.fill = GreedyFill(problem)
        self.weight_h, self.classes = problem.weight_h, len(problem.classes)
        self.centers = len(problem.data_centers)
        may_shed = bool(problem.shed_limit_mtok_per_h.any())
        self.unplaced_cny_per_mtok = problem.shed_penalty_cny_per_mtok if may_shed else _UNPLACED_CNY_PER_MTOK
        self.most = self.demand.sum(axis=1).tolist()
        self.price = np.ascontiguousarray(price_cny_per_mwh(problem).T)
        self.full_price = np.ascontiguousarray(full_price_cny_per_mwh(problem).T)
        self._list_options()
        self.room = _Room(self.fill)
        self._list_standing_costs()
        self.is_single = problem.workloads["is_indivisible"].to_numpy(bool)
        self.workload_class = problem.workloads["class_index"].to_numpy(int)
        self.workloads_of = [np.flatnonzero(self.workload_class == k).tolist() for k in range(self.classes)]
        # What must not be cut up hour by hour: it has one place, or a share of its class to keep.
        self.stays = self.is_single | (problem.classes["min_share"].to_numpy(float) > 0)[self.workload_class]
        self.fixed_cny = self._fixed_cny()
        self.allowed = self._deployable()
        self.parts: list[list[_Part]] = [[] for _ in range(len(problem.workloads))]

    # Unit costs

    def _list_options(self) -> None:
        problem, fill = self.problem, self.fill
        candidate = np.flatnonzero(fill.is_usable)
        pools = problem.pools
        by_center = pools.reset_index(names="pool").groupby("data_center_index")["pool"].apply(list).to_dict()
        pairs = [(r, p) for r in candidate.tolist() for p in by_center.get(int(fill.center[r]), ())]
        r, p = (np.array([pair[i] for pair in pairs], dtype=np.int64) for i in (0, 1))
        k, a = problem.candidate_class[r], fill.pool_accelerator[p]
        works = problem.can_process[k, a]
        r, p, k, a = r[works], p[works], k[works], a[works]
        d, w = fill.center[r], fill.workload[r]
        busy = problem.accel_h_per_mtok[k, a]
        energy = busy * fill.mw_per_busy[p] * problem.data_centers["pue"].to_numpy(float)[d]
        table = problem.candidates
        way = problem.classes["latency_cny_per_ms_per_mtok"].to_numpy(float)[k] * table["rtt_ms"].to_numpy(float)[r]
        way = way + sum(table[f"{name}_cny_per_mtok"].to_numpy(float)[r] for name in ("network", "data_transfer"))
        yearly = (self.demand * self.weight_h) @ self.full_price.T
        total = self.demand @ self.weight_h
        mean_price = np.divide(yearly, total[:, None], out=np.zeros_like(yearly), where=total[:, None] > 0)
        unit = way + energy * mean_price[w, p]
        capital = (pools["pod_cny_per_year"] + pools["site_cny_per_year"]).to_numpy(float) / fill.usable_per_pod
        new_unit = unit + busy * capital[p] / hours_of_use(problem)
        has_old, has_new = fill.pods[p] > 0, fill.may_buy[p] > 0
        stacked = {
            name: np.concatenate([values[has_old], values[has_new]])
            for name, values in {"r": r, "p": p, "k": k, "d": d, "w": w, "busy": busy, "energy": energy,
                                 "way": way}.items()
        }  # fmt: skip
        is_new = np.repeat([False, True], [int(has_old.sum()), int(has_new.sum())])
        unit = np.concatenate([unit[has_old], new_unit[has_new]])
        order = np.lexsort((is_new, unit, stacked["w"]))
        self.unit, self.is_new = unit[order], is_new[order]
        columns = {name: values[order] for name, values in stacked.items()}
        self.r, self.p, self.k, self.d, self.w = (columns[name].astype(np.int64) for name in ("r", "p", "k", "d", "w"))
        self.busy, self.energy, self.way = (columns[name] for name in ("busy", "energy", "way"))
        starts = np.searchsorted(self.w, np.arange(len(self.problem.workloads) + 1))
        self.spans = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
        self._rank(np.zeros((self.classes, self.centers)))
        # As lists: one at a time they are read much faster.
        self.lists = {name: getattr(self, name).tolist() for name in ("r", "p", "k", "d", "busy", "is_new")}

    def _list_standing_costs(self) -> None:
        """Lay out what peaks cost."""
        problem, centers = self.problem, self.problem.data_centers
        self.may_run, self.capacity_mw = self.room.bought.copy(), self.room.power_mw.copy()
        self.pod_cny = (problem.pools["pod_cny_per_year"] + problem.pools["site_cny_per_year"]).to_numpy(float)
        # Per MW of IT power and month.
        charge = centers["demand_charge_cny_per_kw_month"].to_numpy(float) * centers["pue"].to_numpy(float)
        self.charge_cny_per_mw, self.is_contracted = KW_PER_MW * charge, problem.is_contracted
        self.opening_cny_per_mw = (centers["opening_cny_per_mw_year"] * centers["pue"]).to_numpy(float)
        billing = problem.slices["billing_index"].to_numpy(int)
        self.by_billing = np.argsort(billing, kind="stable")
        used, self.billing_starts = np.unique(billing[self.by_billing], return_index=True)
        self.months = problem.billing["months"].to_numpy(float)[used]

    def _fixed_cny(self) -> tuple[FloatArray, FloatArray]:
        """(K, D) yearly cost of a deployment with the accelerators that it keeps idle, and (D,) of an open site."""
        problem, fill = self.problem, self.fill
        centers, pools = problem.data_centers, problem.pools
        table = problem.accelerators
        idle_mw = (table["idle_mw_per_pod"] / table["accelerators_per_pod"]).to_numpy(float)[fill.pool_accelerator]
        pool_cny = idle_mw * centers["pue"].to_numpy(float)[fill.pool_center] * (self.full_price @ self.weight_h)
        least = np.full(self.centers, np.inf)
        np.minimum.at(least, fill.pool_center, pool_cny)
        idle_cny = np.where(np.isfinite(least), least, 0.0)
        deploy = problem.classes["deploy_cny_per_year"].to_numpy(float)[:, None]
        short = (pools["min_pods"] - pools["existing_pods"]).clip(lower=0).to_numpy(float)
        site = centers["opening_cny_per_year"].to_numpy(float).copy()
        yearly = (pools["pod_cny_per_year"] + pools["site_cny_per_year"]).to_numpy(float)
        np.add.at(site, fill.pool_center, short * yearly)
        return deploy + problem.min_accelerators[:, None] * idle_cny[None, :], site

    def _deployable(self) -> BoolArray:
        """(K, D) deployments of which each alone could keep its accelerators switched on."""
        allowed = np.zeros((self.classes, self.centers), bool)
        allowed[self.k, self.d] = True
        kept_on = self.problem.min_accelerators
        return allowed & (kept_on[:, None] <= self.installed_accelerators[None, :])

    @cached_property
    def installed_accelerators(self) -> FloatArray:
        """(D,) accelerators that stand or may be bought."""
        per_pod = self.problem.accelerators["accelerators_per_pod"].to_numpy(float)[self.fill.pool_accelerator]
        most = np.zeros(self.centers)
        np.add.at(most, self.fill.pool_center, (self.fill.pods + self.fill.may_buy) * per_pod)
        return most

    # Placing

    def _order(self, workloads: Iterable[int]) -> list[int]:
        """Put first what loses most per accelerator-hour where it must take its second best place."""
        regrets = []
        for w in workloads:
            allowed = self.allowed[self.workload_class[w]]
            best = list(islice((o for o in self.options_of[w] if allowed[self.lists["d"][o]]), 2))
            regret = np.inf
            if len(best) == 2:  # noqa: PLR2004 - the best and the second best
                units = self.ranked[best]
                regret = float(units[1] - units[0]) / max(self.lists["busy"][best[0]], _LEAST_BUSY)
            regrets.append((not self.is_single[w], -regret, -self.most[w], w))
        return [w for *_, w in sorted(regrets)]

    def _place(self, w: int) -> list[_Part]:
        """Put a workload on its cheapest allowed options; what has no room is a part without an option."""
        left, parts = self.demand[w].copy(), list[_Part]()
        if not left.any():
            return parts
        least = ROUNDING_SHARE * self.demand[w]
        lists = self.lists
        for o in self.options_of[w]:
            if not self.allowed[lists["k"][o], lists["d"][o]] or self.unit[o] >= self.unplaced_cny_per_mtok:
                continue
            mtok = np.minimum(left, self._room_for(o))
            if self.is_single[w] and (left - mtok > least).any():
                continue  # it has one place for all hours
            if not (mtok > least).any():
                continue
            self._use(o, mtok)
            parts.append(_Part(o, mtok, self._cny(o, mtok)))
            left = left - mtok
            if not (left > least).any():
                return parts
        parts.append(_Part(-1, left, self.unplaced_cny_per_mtok * float(self.weight_h @ left)))
        return parts

    def _room_for(self, o: int) -> FloatArray:
        """(T,) mtok/h that an option can take."""
        p, d, busy = self.lists["p"][o], self.lists["d"][o], self.lists["busy"][o]
        room = (self.room.bought if self.lists["is_new"][o] else self.room.kept)[p]
        mw = self.fill.mw_per_busy[p]
        if mw > 0:
            room = np.minimum(room, self.room.power_mw[d] / mw)
        mtok: FloatArray = room / busy if busy > 0 else np.full(len(room), np.inf)
        links = self.fill.limiting_links_of.get(int(self.fill.route[self.lists["r"][o]]))
        gbps = self.fill.gbps[self.lists["k"][o]]
        if links is not None and gbps > 0:
            mtok = np.minimum(mtok, self.room.link_gbps[links].min(axis=0) / gbps)
        return mtok.clip(min=0.0)

    def _use(self, o: int, mtok: FloatArray) -> None:
        """Take room for work; a negative amount gives it back."""
        p, d = self.lists["p"][o], self.lists["d"][o]
        busy = mtok * self.lists["busy"][o]
        (self.room.bought if self.lists["is_new"][o] else self.room.kept)[p] -= busy
        self.room.power_mw[d] -= busy * self.fill.mw_per_busy[p]
        links = self.fill.limiting_links_of.get(int(self.fill.route[self.lists["r"][o]]))
        if links is not None:
            self.room.link_gbps[links] -= mtok * self.fill.gbps[self.lists["k"][o]]

    def _cny(self, o: int, mtok: FloatArray) -> float:
        """Yearly cost of work on an option, apart from what peaks and standing costs come to."""
        hours = self.weight_h * mtok
        return float(self.energy[o] * (hours @ self.price[self.lists["p"][o]]) + self.way[o] * hours.sum())

    def _new_pods(self) -> FloatArray:
        """(P,) whole pods that the work on new ones needs at its peak."""
        busy = (self.may_run - self.room.bought).max(axis=1)
        return np.asarray(np.ceil(busy / self.fill.usable_per_pod - _ROUNDING))

    def _peak_cny(self) -> float:
        """Yearly cost of new pods, whole ones, and of the peaks that demand charge and opening are paid on."""
        power_mw = self.capacity_mw - self.room.power_mw
        power = power_mw * self.charge_cny_per_mw[:, None]
        monthly = np.maximum.reduceat(power[:, self.by_billing], self.billing_starts, axis=1)
        by_month = (monthly[~self.is_contracted] @ self.months).sum()
        by_year = monthly[self.is_contracted].max(axis=1, initial=0.0).sum() * self.months.sum()
        by_year += power_mw.max(axis=1, initial=0.0) @ self.opening_cny_per_mw
        return float(self._new_pods() @ self.pod_cny + by_month + by_year)

    def _fill_all(self) -> None:
        """Place everything anew."""
        self.room = _Room(self.fill)
        self.parts = [[] for _ in self.parts]
        for w in self._order(range(len(self.parts))):
            self.parts[w] = self._place(w)

    def _total_cny(self) -> float:
        used, deploy_cny, site_cny = self._used(), *self.fixed_cny
        fixed = float(deploy_cny[used].sum() + site_cny[used.any(axis=0)].sum())
        return fixed + self._peak_cny() + sum(part.cny_per_year for parts in self.parts for part in parts)

    def _used(self) -> BoolArray:
        """(K, D) deployments with work."""
        used = np.zeros((self.classes, self.centers), bool)
        for parts in self.parts:
            for part in parts:
                if part.option >= 0:
                    used[self.k[part.option], self.d[part.option]] = True
        return used

    # Dropping

    def concentrate(self) -> None:
        """Make drafts, each from the use of sites found by the one before, and keep the cheapest."""
        best, kept = np.inf, self._state()
        spread, none = self._expected_spread(), np.zeros((self.classes, self.centers))
        for draft in range(_DRAFTS):
            self.allowed = self._deployable()
            self._rank(spread if draft else none)
            self._fill_all()
            if draft + 1 < _DRAFTS:
                spread = self._spread(spread)
            self.allowed = self._used()
            self._rank(none)  # what has been deployed is paid for
            self._drop_what_must_go()
            self._drop_what_saves()
            total = self._total_cny()
            if total < best:
                best, kept = total, self._state()
        self._restore(kept)

    def _rank(self, spread_cny_per_mtok: FloatArray) -> None:
        """Order the options of each workload by unit cost, with fixed costs spread over tokens, (K, D)."""
        self.ranked = self.unit + spread_cny_per_mtok[self.k, self.d]
        order = np.lexsort((self.ranked, self.w)).tolist()
        self.options_of = [order[a:b] for a, b in self.spans]

    def _expected_spread(self) -> FloatArray:
        """(K, D) fixed costs per token where a class runs on few sites, and a site runs all classes."""
        deploy_cny, site_cny = self.fixed_cny
        mtok = self.problem.weight_h @ self.problem.class_demand_mtok_per_h
        share = np.maximum(mtok, _LEAST_BUSY)[:, None] / min(_EXPECTED_SITES, self.centers)
        return np.asarray((deploy_cny + site_cny[None, :] / self.classes) / share)

    def _spread(self, before: FloatArray) -> FloatArray:
        """(K, D) fixed costs per token that ran there; what was not used stays as dear as it was."""
        deploy_cny, site_cny = self.fixed_cny
        mtok = np.zeros((self.classes, self.centers))
        hours = np.zeros((self.classes, self.centers))
        for parts in self.parts:
            for part in parts:
                if part.option >= 0:
                    o = part.option
                    ran = float(self.weight_h @ part.mtok_per_h)
                    mtok[self.k[o], self.d[o]] += ran
                    hours[self.k[o], self.d[o]] += ran * self.busy[o]
        share = np.divide(hours, hours.sum(axis=0), out=np.zeros_like(hours), where=hours.sum(axis=0) > 0)
        out = before.copy()
        np.divide(deploy_cny + site_cny[None, :] * share, mtok, out=out, where=mtok > 0)
        return out

    def _state(self) -> tuple[BoolArray, list[list[_Part]], tuple[FloatArray, ...]]:
        return self.allowed.copy(), [list(parts) for parts in self.parts], self.room.copy()

    def _restore(self, state: tuple[BoolArray, list[list[_Part]], tuple[FloatArray, ...]]) -> None:
        self.allowed, self.parts = state[0].copy(), [list(parts) for parts in state[1]]
        self.room.put_back(tuple(array.copy() for array in state[2]))

    def _drop_what_saves(self) -> None:
        for _ in range(_MOST_PASSES):
            saved = False
            load = self._load()
            for d in np.argsort(load.sum(axis=0), kind="stable").tolist():
                if self.allowed[:, d].any():
                    saved |= self._try_drop([(k, d) for k in np.flatnonzero(self.allowed[:, d]).tolist()])
            load = self._load()
            order = np.argsort(load, axis=None, kind="stable")
            for k, d in zip(*np.unravel_index(order, load.shape), strict=True):
                if self.allowed[k, d]:
                    saved |= self._try_drop([(int(k), int(d))])
            if not saved:
                return

    def _drop_what_must_go(self) -> None:
        """Drop deployments until each class has no more than it may have, and each data center what it can hold."""
        most = self.fill.max_sites
        for k in range(self.classes):
            while (surplus := int(self.allowed[k].sum()) - int(most[k])) > 0:
                load = self._load()[k]
                order = [d for d in np.argsort(load, kind="stable").tolist() if self.allowed[k, d]]
                before = int(self.allowed[k].sum())
                for d in order:
                    if self._try_drop([(k, d)], must=True):
                        break
                if int(self.allowed[k].sum()) == before:
                    for d in order[:surplus]:
                        self._try_drop([(k, d)], must=True, at_any_cost=True)
        kept_on = self.problem.min_accelerators
        for d in range(self.centers):
            while float(kept_on @ self.allowed[:, d]) > self.installed_accelerators[d]:
                load = np.where(self.allowed[:, d] & (kept_on > 0), self._load()[:, d], np.inf)
                self._try_drop([(int(load.argmin()), d)], must=True, at_any_cost=True)

    def _load(self) -> FloatArray:
        """(K, D) accelerator-hours a year."""
        load = np.zeros((self.classes, self.centers))
        for parts in self.parts:
            for part in parts:
                if part.option >= 0:
                    o = part.option
                    load[self.k[o], self.d[o]] += self.busy[o] * float(self.weight_h @ part.mtok_per_h)
        return load

    def _running(self, k: int, d: int) -> list[int]:
        """List the workloads of a class with work at a data center."""
        center = self.lists["d"]
        return [
            w
            for w in self.workloads_of[k]
            if any(part.option >= 0 and center[part.option] == d for part in self.parts[w])
        ]

    def _take_away(self, workloads: list[int]) -> float:
        """Give back the room that workloads take, and say what they cost there."""
        parts = [part for w in workloads for part in self.parts[w]]
        for part in parts:
            if part.option >= 0:
                self._use(part.option, -part.mtok_per_h)
        return sum(part.cny_per_year for part in parts)

    def _try_drop(self, deployments: list[tuple[int, int]], *, must: bool = False, at_any_cost: bool = False) -> bool:
        """Move what runs on deployments elsewhere and keep that where it saves; tell whether they are gone."""
        deploy_cny, site_cny = self.fixed_cny
        gone = set(deployments)
        for k, d in gone:
            self.allowed[k, d] = False
        closed = [d for d in {d for _, d in gone} if not self.allowed[:, d].any()]
        saved = sum(float(deploy_cny[pair]) for pair in gone) + float(site_cny[closed].sum())
        touched = [w for k, d in deployments for w in self._running(k, d)]
        copied, old = self.room.copy(), {w: self.parts[w] for w in touched}
        change = -saved - self._peak_cny() - self._take_away(touched)
        unplaced = 0.0
        for w in self._order(touched):
            self.parts[w] = self._place(w)
            change += sum(part.cny_per_year for part in self.parts[w])
            unplaced += sum(float(part.mtok_per_h.sum()) for part in self.parts[w] if part.option < 0)
            if not must and change > 0:
                break
        change += self._peak_cny()
        if at_any_cost or change < 0 or (must and unplaced == 0.0):
            return True
        self.room.put_back(copied)
        for w, parts in old.items():
            self.parts[w] = parts
        for k, d in gone:
            self.allowed[k, d] = True
        return False

    # Hours, and the plan

    def plans(self) -> tuple[Plan, Plan]:
        """Make the plan as it was placed, and the one in which each hour is filled anew at its own prices."""
        problem = self.problem
        may_buy = problem.pools["max_new_pods"].to_numpy(float)
        bought = np.ceil(
            ((self.may_run - self.room.bought) / self.fill.usable_per_pod[:, None]).max(axis=1) - _ROUNDING
        )
        bought = np.clip(bought, 0.0, may_buy)
        flow = self._flow()
        hourly = flow.copy()
        self._fill_hours(hourly, bought)
        return self._plan_of(flow, bought), self._plan_of(hourly, bought)

    def _plan_of(self, flow: FloatArray, bought: FloatArray) -> Plan:
        """Make a plan of work by slice and option."""
        fill = GreedyFill(self.problem)
        fill.pods += bought
        fill.may_buy -= bought
        t, o = np.nonzero(flow)
        mtok = flow[t, o]
        used = zip(self.k[o].tolist(), self.p[o].tolist(), strict=True)
        process = np.array([fill.process_of[key] for key in used], dtype=np.int64)
        np.add.at(fill.flow, (t, self.r[o]), mtok)
        np.add.at(fill.work, (t, process), mtok)
        np.add.at(fill.busy, (t, self.p[o]), mtok * self.busy[o])
        np.add.at(fill.power_room_mw, (t, self.d[o]), -mtok * self.busy[o] * fill.mw_per_busy[self.p[o]])
        fill.deployed[self.k[o], self.d[o]] = True
        fill.place_of[self.w[o]] = self.d[o]
        return fill.plan(np.ascontiguousarray(self.demand.T))

    def _flow(self) -> FloatArray:
        """(T, options) mtok/h."""
        flow = np.zeros((len(self.weight_h), len(self.r)))
        for parts in self.parts:
            for part in parts:
                if part.option >= 0:
                    flow[:, part.option] += part.mtok_per_h
        return flow

    def _fill_hours(self, flow: FloatArray, bought: FloatArray) -> None:
        """Fill each slice anew by its own prices on what is open, and keep that where it costs less."""
        fill, problem, stays = self.fill, self.problem, self.stays
        used = self._used()
        # New pods are there now like all others; an option that stands on both kinds counts once.
        usable = used[self.k, self.d] & (~self.is_new | (problem.pools["existing_pods"].to_numpy(float)[self.p] == 0))
        movable = np.flatnonzero(usable & ~stays[self.w])
        pod_room = (fill.pods + bought) * fill.usable_per_pod
        kept = flow[:, stays[self.w]]
        kept_o = np.flatnonzero(stays[self.w])
        limited = bool(fill.limiting_links_of)
        for t in range(len(self.weight_h)):
            cost = self.way + self.energy * self.full_price[self.p, t]
            room, power = pod_room.copy(), fill.power_room_mw[t].copy()
            links = fill.link_room_gbps[t].copy()
            for o in kept_o[kept[t] > 0].tolist():
                self._take(o, float(flow[t, o]), room, power, links)
            row = np.zeros(len(self.r))
            if not self._fill_hour(t, movable, cost, (room, power, links if limited else None), row):
                continue
            moved = ~stays[self.w]
            if float(row @ cost) < float(flow[t, moved] @ cost[moved]):
                flow[t, moved] = row[moved]

    def _fill_hour(
        self,
        t: int,
        movable: IntArray,
        cost: FloatArray,
        rooms: tuple[FloatArray, FloatArray, FloatArray | None],
        row: FloatArray,
    ) -> bool:
        """Fill one slice, what loses most by its second best place first; tell whether everything has a place."""
        room, power, links = rooms
        order = movable[np.lexsort((cost[movable], self.w[movable]))]
        w = self.w[order]
        first = np.searchsorted(w, np.arange(len(self.parts)))
        last = np.searchsorted(w, np.arange(len(self.parts)), side="right")
        regret = np.full(len(self.parts), np.inf)
        many = np.flatnonzero(last - first > 1)
        best, second = order[first[many]], order[first[many] + 1]
        regret[many] = (cost[second] - cost[best]) / np.maximum(self.busy[best], _LEAST_BUSY)
        asked = [x for x in np.argsort(-regret, kind="stable").tolist() if self.demand[x, t] > 0 and not self.stays[x]]
        for x in asked:
            left, least = float(self.demand[x, t]), ROUNDING_SHARE * float(self.demand[x, t])
            for o in order[first[x] : last[x]].tolist():
                p, d, busy = self.lists["p"][o], self.lists["d"][o], self.lists["busy"][o]
                most = float(room[p])
                if self.fill.mw_per_busy[p] > 0:
                    most = min(most, float(power[d] / self.fill.mw_per_busy[p]))
                mtok = min(left, most / busy) if busy > 0 else left
                if links is not None:
                    on_way = self.fill.limiting_links_of.get(int(self.fill.route[self.lists["r"][o]]))
                    gbps = float(self.fill.gbps[self.lists["k"][o]])
                    if on_way is not None and gbps > 0:
                        mtok = min(mtok, float(links[on_way].min()) / gbps)
                if mtok <= least:
                    continue
                self._take(o, mtok, room, power, links)
                row[o] = mtok
                left -= mtok
                if left <= least:
                    break
            if left > least:
                return False
        return True

    def _take(self, o: int, mtok: float, room: FloatArray, power: FloatArray, links: FloatArray | None) -> None:
        p, busy = self.lists["p"][o], mtok * self.lists["busy"][o]
        room[p] -= busy
        power[self.lists["d"][o]] -= busy * self.fill.mw_per_busy[p]
        on_way = self.fill.limiting_links_of.get(int(self.fill.route[self.lists["r"][o]]))
        if links is not None and on_way is not None:
            links[on_way] -= mtok * self.fill.gbps[self.lists["k"][o]]

"""
A bound and assignments for problems all of whose workloads are indivisible: a knapsack for each data center.

What a workload costs at a data center alone (its cheapest route, the energy of its work) and what opening one costs are
charged; all else that a plan pays is left out, and capacity is one limit per data center: the scarcer of its power and
its accelerators in the slice that asks for most. Pricing "each workload has one place" (7a) leaves a knapsack per data
center, whose whole solutions bound the cost from below more closely than the relaxation of the model does. The prices
are raised by subgradient steps. The places chosen on the way are repaired (`assignment_search`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.model.compile import CompiledModel
from optimizer.problem.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.benders.assignment_search import Places, exchange, improve, repair, shake
from optimizer.solvers.control import Control
from optimizer.solvers.greedy_fill import mw_per_busy_accelerator

# Capacity is counted in so many parts. Needs are rounded down to them, which can only lower the bound.
PARTS = 1000
ROUNDING_SHARE = 1e-9

# The step is halved after so many rounds in which the bound did not rise by its share; the end is a step that small.
PATIENCE = 15
RISE_SHARE = 1e-5
FIRST_STEP = 1.0
LEAST_STEP = 2e-3
MOST_ROUNDS = 1500

# A step aims at the best plan, or at so much above the bound while there is none.
GUESSED_GAP = 0.05
LEAST_RISE_SHARE = 1e-3

# Rounds after which the best of what they chose is improved.
SETTLE_EVERY = 10


@dataclass(frozen=True, eq=False)
class AssignmentBound:
    """What was proved, CNY per year, and the best places found: (W,) data center of each workload, None without."""

    bound_cny: float
    place: IntArray | None


def bound_assignments(of: Places, control: Control, *, mip_rel_gap: float, seed: int) -> AssignmentBound:
    """
    Bound the cost of a problem from where its workloads may go, and look for places.

    Ends when the gap between the two is met, the prices are settled, or the control says stop.
    """
    if np.isinf(of.cost).all(axis=1).any():
        return AssignmentBound(-np.inf, None)
    knapsacks, plans = _Knapsacks(of), _Plans(of, control)
    price = (of.cost + of.opening * of.share).min(axis=1)
    best_bound, best_price, step, idle = -np.inf, price, FIRST_STEP, 0
    for number in range(MOST_ROUNDS):
        bound, chosen, is_open = knapsacks.solve(price)
        plans.offer(chosen, is_open, settles=number % SETTLE_EVERY == 0)
        is_risen = bound > best_bound + RISE_SHARE * abs(bound)
        idle = 0 if is_risen else idle + 1
        if bound > best_bound:
            best_bound, best_price = bound, price
        direction = 1.0 - chosen.sum(axis=1)
        size = float(direction @ direction)
        is_met = plans.cost - best_bound <= mip_rel_gap * abs(plans.cost)
        if size == 0 or is_met or control.must_stop or step < LEAST_STEP:
            break
        if idle >= PATIENCE:
            step, idle, price = step / 2, 0, best_price
            continue
        target = plans.cost if np.isfinite(plans.cost) else best_bound + GUESSED_GAP * abs(best_bound)
        price = price + step * max(target - bound, LEAST_RISE_SHARE * abs(target)) / size * direction
    best_bound -= ROUNDING_SHARE * abs(best_bound)
    place = plans.place
    if place is not None:
        place = shake(of, place, control, seed=seed, enough=best_bound / (1 - mip_rel_gap))
    return AssignmentBound(best_bound, place)


class _Plans:
    """The best places found while prices rise."""

    def __init__(self, of: Places, control: Control) -> None:
        self._of, self._control = of, control
        self._waiting: IntArray | None = None
        self.place: IntArray | None = None
        self.cost = np.inf

    def offer(self, chosen: BoolArray, is_open: BoolArray, *, settles: bool) -> None:
        """Make what the knapsacks chose whole; if it `settles`, improve the best offered since last time."""
        of = self._of
        found = repair(of, chosen, is_open)
        if found is not None and (self._waiting is None or of.cost_of(found) < of.cost_of(self._waiting)):
            self._waiting = found
        if not settles or self._waiting is None:
            return
        found, self._waiting = improve(of, self._waiting), None
        if of.cost_of(found) < self.cost:
            self.place = exchange(of, found, self._control)
            self.cost = of.cost_of(self.place)


def places_of(problem: PlacementProblem, compiled: CompiledModel) -> Places:
    """Work out least costs, needs and what opening costs, of a problem that `is_all_assigned`."""
    shape = (len(problem.workloads), len(problem.data_centers))
    candidates, processes = problem.candidates, problem.processes
    demand = problem.demand_mtok_per_h
    workload, center = (candidates[name].to_numpy(int) for name in ("workload_index", "data_center_index"))
    route = (compiled.columns["Flow"].values(compiled.cost) * demand[:, workload]).sum(axis=0)
    cost = np.full(shape, np.inf)
    np.minimum.at(cost, (workload, center), route)
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float) * problem.utilization_limit_share
    k, d, a, pool = (
        processes[f"{name}_index"].to_numpy(int) for name in ("class", "data_center", "accelerator", "pool")
    )
    hours = problem.accel_h_per_mtok[k, a]
    power = mw_per_busy_accelerator(problem)[a] * hours
    active = compiled.columns["Active"].values(compiled.cost)
    work = compiled.columns["Work"].values(compiled.cost) + active[:, pool] * hours / per_pod[a]
    classes = (len(demand), len(problem.classes), shape[1])
    cheapest = np.full(classes, np.inf)
    least_hours, least_mw = np.full(classes[1:], np.inf), np.full(classes[1:], np.inf)
    for t in range(len(demand)):
        np.minimum.at(cheapest[t], (k, d), work[t])
    np.minimum.at(least_hours, (k, d), hours)
    np.minimum.at(least_mw, (k, d), power)
    of_class = problem.workloads["class_index"].to_numpy(int)
    with np.errstate(invalid="ignore"):
        cost = cost + np.nan_to_num(np.einsum("tw,twd->wd", demand, cheapest[:, of_class]), nan=np.inf)
    pools = problem.pools
    pods = (pools["existing_pods"] + pools["max_new_pods"]).to_numpy(float)
    room_h = np.bincount(pools["data_center_index"], pods * per_pod[pools["accelerator_index"]], shape[1]).astype(
        np.float64
    )
    share = _scarcest(
        demand,
        [
            (least_hours[of_class], room_h),
            (least_mw[of_class], problem.data_centers["it_capacity_mw"].to_numpy(float)),
        ],
        np.isfinite(cost),
    )
    cost[share > 1 + ROUNDING_SHARE] = np.inf
    deployments = problem.deployments
    deploy = np.full(shape[1], np.inf)
    paid = problem.classes["deploy_cny_per_year"].to_numpy(float)[deployments["class_index"]]
    np.minimum.at(deploy, deployments["data_center_index"].to_numpy(int), paid)
    opening = problem.data_centers["opening_cny_per_year"].to_numpy(float)
    return Places(cost, share, opening + np.where(np.isfinite(deploy), deploy, 0.0))


def _scarcest(demand: FloatArray, limits: list[tuple[FloatArray, FloatArray]], can: FloatArray) -> FloatArray:
    """(W, D) share that a workload takes of a data center's capacity, by the limit and slice that are scarcest."""
    share, most = np.zeros(can.shape), np.full(can.shape[1], -1.0)
    for need, room in limits:
        with np.errstate(divide="ignore", invalid="ignore"):
            per_mtok = np.where(can, need / room, 0.0)
        for t in range(len(demand)):
            here = demand[t][:, None] * np.where(np.isnan(per_mtok), 0.0, per_mtok)
            total = here.sum(axis=0)
            scarcer = total > most
            share[:, scarcer], most[scarcer] = here[:, scarcer], total[scarcer]
    return share


def integers_of(problem: PlacementProblem, compiled: CompiledModel, place: IntArray) -> FloatArray:
    """
    Whole decisions for a place of each workload, (columns,): what they need is open, with all pods that may be bought.

    The fixed-integer LP takes back what it does not use.
    """
    out = np.zeros(len(compiled.cost))
    of_class = problem.workloads["class_index"].to_numpy(int)
    used = {(int(k), int(d)) for k, d in zip(of_class, place, strict=True)}
    columns = compiled.columns
    opened = np.unique(place)
    out[columns["Open"].columns] = np.isin(columns["Open"].members[:, 0], opened)
    out[columns["Deploy"].columns] = [(int(k), int(d)) in used for k, d in columns["Deploy"].members]
    workload, center = columns["Assign"].members.T
    out[columns["Assign"].columns] = place[workload] == center
    pods = columns["NewPods"]
    out[pods.columns] = np.where(np.isin(pods.members[:, 0], opened), compiled.upper[pods.columns], 0.0)
    return out


class _Knapsacks:
    """The knapsacks of all data centers, solved side by side."""

    def __init__(self, of: Places) -> None:
        self._of = of
        whole = np.minimum(np.where(np.isfinite(of.share), of.share, 2.0), 2.0)
        self._parts = np.floor(whole * PARTS * (1 - ROUNDING_SHARE)).astype(np.int64)
        # Of all work together, weighed by a mean need, the most that a data center can take.
        can = np.isfinite(of.cost) & (of.share > 0)
        weight = np.where(can, of.share, 0.0).sum(axis=1) / np.maximum(can.sum(axis=1), 1)
        with np.errstate(divide="ignore"):
            most = np.where(can, weight[:, None] / np.where(can, of.share, 1.0), 0.0).max(axis=0)
        self._size = np.minimum(np.ceil(most / weight.sum() * PARTS * (1 + ROUNDING_SHARE)), PARTS).astype(np.int64)

    def solve(self, price: FloatArray) -> tuple[float, BoolArray, BoolArray]:
        """Bound at prices of places, (W,), the workloads that each data center takes, (W, D), and whether it opens."""
        of = self._of
        gain = np.where(np.isfinite(of.cost), price[:, None] - of.cost, -1.0)
        order, counts, most = self._candidates(gain)
        centers = np.flatnonzero(most > of.opening)
        chosen, best = np.zeros(gain.shape, np.bool_), most.copy()
        if len(centers):
            chosen[:, centers], best[centers] = self._fill(gain, order, counts, centers)
        value = of.opening - best
        least, is_open = self._cover(value)
        return float(price.sum() + least), chosen & is_open, is_open

    def _candidates(self, gain: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
        """
        Workloads that may be in the best choice of each data center, and the most that any choice gains.

        That is the gain with one workload in part, which also says what the best choice cannot hold: what takes more
        from the others than it brings, counted against those that fit as they come.

        Returns
        -------
        order, counts, most
            (W, D) workloads, the candidates first; (D,) numbers of candidates; (D,) gains.
        """
        parts = self._parts
        positive = gain > 0
        ratio = np.where(positive, gain / np.maximum(parts, 1e-6), -np.inf)
        order = np.argsort(-ratio, axis=0, kind="stable")
        gains, sizes = (np.take_along_axis(each, order, axis=0) for each in (np.where(positive, gain, 0.0), parts))
        sizes = np.where(gains > 0, sizes, 0)
        filled, earned = np.cumsum(sizes, axis=0), np.cumsum(gains, axis=0)
        fits = filled <= PARTS
        greedy = np.where(fits, earned, 0.0).max(axis=0)
        last = fits.sum(axis=0)  # those before it fit; it is the first that does not
        everything = last == len(gain)
        at = np.minimum(last, len(gain) - 1)
        centers = np.arange(gain.shape[1])
        before = np.where(at > 0, filled[np.maximum(at - 1, 0), centers], 0)
        price = np.where(everything, 0.0, gains[at, centers] / np.maximum(sizes[at, centers], 1e-6))
        most = np.where(everything, earned[-1], greedy + price * (PARTS - before))
        loss = sizes * price - gains
        may = (gains > 0) & (most - loss >= greedy)
        ranked = np.argsort(~may, axis=0, kind="stable")
        return np.take_along_axis(order, ranked, axis=0), may.sum(axis=0), most

    def _fill(
        self, gain: FloatArray, order: IntArray, counts: IntArray, centers: IntArray
    ) -> tuple[BoolArray, FloatArray]:
        """Solve the knapsacks of some data centers: what they take, (W, n), and what it gains, (n,)."""
        order, counts = order[:, centers], counts[centers]
        gain, parts = gain[:, centers], self._parts[:, centers]
        steps, every = int(counts.max(initial=0)), np.arange(len(centers))
        best = np.zeros((len(centers), PARTS + 1))
        takes = np.zeros((steps, len(centers), PARTS + 1), np.bool_)
        capacity = np.arange(PARTS + 1)
        for n in range(steps):
            active = np.flatnonzero(counts > n)
            w = order[n, active]
            before = capacity[None, :] - parts[w, active][:, None]
            taken = np.take_along_axis(best[active], np.maximum(before, 0), axis=1) + gain[w, active][:, None]
            better = (before >= 0) & (taken > best[active])
            best[active] = np.where(better, taken, best[active])
            takes[n, active] = better
        chosen = np.zeros(gain.shape, np.bool_)
        at = np.full(len(centers), PARTS)
        for n in range(steps - 1, -1, -1):
            mine = takes[n, every, at]
            w = order[n]
            chosen[w[mine], every[mine]] = True
            at = at - np.where(mine, parts[w, every], 0)
        return chosen, best[:, PARTS]

    def _cover(self, value: FloatArray) -> tuple[float, BoolArray]:
        """Least sum of values of data centers that are large enough together for all workloads, and which they are."""
        is_open = value < 0
        missing = PARTS - int(self._size[is_open].sum())
        others = np.flatnonzero(~is_open & (self._size > 0))
        if missing <= 0:
            return float(value[is_open].sum()), is_open
        # Those that cost less than nothing are in any case.
        cost = np.full(missing + 1, np.inf)
        cost[0] = 0.0
        takes = np.zeros((len(others), missing + 1), np.bool_)
        need = np.arange(missing + 1)
        for n, d in enumerate(others.tolist()):
            with_it = cost[np.maximum(need - self._size[d], 0)] + value[d]
            takes[n] = (with_it < cost) & (need > 0)
            cost = np.where(takes[n], with_it, cost)
        at = missing
        for n in range(len(others) - 1, -1, -1):
            if takes[n, at]:
                is_open[others[n]] = True
                at = max(at - int(self._size[others[n]]), 0)
        return float(value[value < 0].sum() + cost[missing]), is_open

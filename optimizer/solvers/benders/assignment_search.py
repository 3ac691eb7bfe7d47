"""Places of indivisible workloads made whole: one for each, within capacity, moved about while that saves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.control import Control

FULL = 1 + 1e-9
LEAST_SAVING_SHARE = 1e-9
MOST_CHANGES = 2000

# Shakes in a row that may save nothing, how often one opens or closes, and how wrong its costs may be.
MOST_SHAKES = 400
CHANGE_SHARE = 0.25
WRONG_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Places:
    """
    Where indivisible workloads may go.

    Attributes
    ----------
    cost
        (W, D) CNY per year of a workload at a data center; infinite where it cannot be.
    share
        (W, D) of the capacity there that it takes.
    opening
        (D,) CNY per year of using a data center at all.
    """

    cost: FloatArray
    share: FloatArray
    opening: FloatArray

    def cost_of(self, place: IntArray) -> float:
        """Cost of a place for each workload, CNY per year."""
        return float(self.cost[np.arange(len(place)), place].sum() + self.opening[np.unique(place)].sum())

    def load_of(self, place: IntArray) -> FloatArray:
        """(D,) share of each capacity that is used; -1 stands for no place."""
        has = np.flatnonzero(place >= 0)
        load: FloatArray = np.bincount(place[has], self.share[has, place[has]], len(self.opening)).astype(np.float64)
        return load


def is_all_assigned(problem: PlacementProblem) -> bool:
    """Whether every workload is indivisible, must be served when it arises, and may not be left unserved."""
    workloads = problem.workloads
    is_single = workloads["is_indivisible"].to_numpy(bool) & ~workloads["is_deferrable"].to_numpy(bool)
    return bool(len(workloads) and is_single.all() and not problem.shed_limit_mtok_per_h.any())


def repair(of: Places, chosen: BoolArray, is_open: BoolArray) -> IntArray | None:
    """
    Give each workload one place, where possible among those chosen for it; None where capacity does not suffice.

    Parameters
    ----------
    chosen
        (W, D) places proposed, any number for a workload; no data center is overfull by more than rounding.
    """
    cost = np.where(chosen, of.cost, np.inf)
    place = np.where(np.isfinite(cost).any(axis=1), cost.argmin(axis=1), -1).astype(np.int64)
    place[_overfull(of, place)] = -1
    return _fill(of, of.cost, place, is_open)


def _fill(of: Places, cost: FloatArray, place: IntArray, is_open: BoolArray) -> IntArray | None:
    """Place what has no place (-1), by costs that need not be the true ones: what loses most by waiting first."""
    is_open = is_open.copy()
    load = of.load_of(place)
    missing = set(np.flatnonzero(place < 0).tolist())
    while missing:
        rows = np.array(sorted(missing))
        fits = load + of.share[rows] <= FULL
        now = np.where(fits & is_open, cost[rows], np.inf)
        none = np.isinf(now).all(axis=1)
        if none.any():
            # The largest that finds no place opens the data center that is cheapest for it.
            row = int(rows[none][of.share[rows[none]].max(axis=1).argmax()])
            anew = np.where(load + of.share[row] <= FULL, cost[row] + of.opening, np.inf)
            best = int(anew.argmin())
            if not np.isfinite(anew[best]):
                return None
            is_open[best] = True
        else:
            two = np.partition(now, 1, axis=1) if now.shape[1] > 1 else np.column_stack([now, now])
            second = np.where(np.isfinite(two[:, 1]), two[:, 1], two[:, 0] + of.opening.max() + 1.0)
            at = int(((second - two[:, 0]) * (1.0 + of.share[rows].max(axis=1))).argmax())
            row, best = int(rows[at]), int(now[at].argmin())
        place[row] = best
        load[best] += of.share[row, best]
        missing.remove(row)
    return place


def improve(of: Places, place: IntArray) -> IntArray:
    """Move, swap, open and close while that saves."""
    place = place.copy()
    least = LEAST_SAVING_SHARE * abs(of.cost_of(place))
    for _ in range(MOST_CHANGES):
        if not (_shift(of, place, least) or _swap(of, place, least) or _open(of, place, least)):
            closed = _close(of, place, least)
            if not closed:
                break
    return place


def exchange(of: Places, place: IntArray, control: Control) -> IntArray:
    """Open a data center with what it draws and close others for it, while that saves; slower than `improve`."""
    least, cost = LEAST_SAVING_SHARE * abs(of.cost_of(place)), of.cost_of(place)
    has_saved = True
    while has_saved and not control.must_stop:
        has_saved = False
        rows = np.arange(len(place))
        is_open = np.bincount(place, minlength=len(of.opening)) > 0
        saved = np.maximum(of.cost[rows, place][:, None] - of.cost, 0.0).sum(axis=0) - of.opening
        for d in np.flatnonzero(~is_open)[np.argsort(-saved[~is_open], kind="stable")].tolist():
            if control.must_stop:
                break
            drawn, _ = _drawn(of, place, d)
            if not len(drawn):
                continue
            trial = place.copy()
            trial[drawn] = d
            while _close(of, trial, least) or _shift(of, trial, least):
                pass
            if (of_trial := of.cost_of(trial)) < cost - least:
                place = improve(of, trial)
                cost, has_saved = min(of_trial, of.cost_of(place)), True
                break
    return place


def shake(of: Places, place: IntArray, control: Control, *, seed: int, enough: float) -> IntArray:
    """
    Empty a few neighbouring data centers, fill them anew by slightly wrong costs and improve; keep what is no worse.

    Ends at a cost that is enough, after `MOST_SHAKES` without a saving, or when the control says stop.
    """
    rng = np.random.default_rng(seed)
    cost, idle = of.cost_of(place), 0
    while cost > enough and idle < MOST_SHAKES and not control.must_stop:
        idle += 1
        is_open = np.bincount(place, minlength=len(of.opening)) > 0
        near = np.argsort(of.cost[rng.integers(len(place))], kind="stable")
        opened = near[is_open[near]][: rng.integers(2, 5)]
        trial = place.copy()
        trial[np.isin(place, opened)] = -1
        kind = rng.random()
        if kind < CHANGE_SHARE and len(opened) > 1:
            is_open[opened[rng.integers(len(opened))]] = False
        elif kind < 2 * CHANGE_SHARE and not is_open.all():
            is_open[near[~is_open[near]][0]] = True
        noise = 1.0 + WRONG_SHARE * rng.random(of.cost.shape)
        filled = _fill(of, of.cost * noise, trial, is_open)
        if filled is None:
            continue
        filled = improve(of, filled)
        now = of.cost_of(filled)
        if now <= cost:
            idle = 0 if now < cost else idle
            place, cost = filled, now
    return place


def _drawn(of: Places, place: IntArray, d: int) -> tuple[IntArray, float]:
    """Workloads that a data center would draw from their places, and what that saves beside opening it."""
    saved = np.maximum(of.cost[np.arange(len(place)), place] - of.cost[:, d], 0.0)
    order = np.argsort(-saved / np.maximum(of.share[:, d], 1e-12), kind="stable")
    order = order[saved[order] > 0]
    order = order[np.cumsum(of.share[order, d]) <= FULL]
    return order.astype(np.int64), float(saved[order].sum() - of.opening[d])


def _overfull(of: Places, place: IntArray) -> IntArray:
    """Workloads to take out, the dearest for what they take first, so that no data center is overfull."""
    out: list[int] = []
    for d in np.flatnonzero(of.load_of(place) > FULL).tolist():
        mine = np.flatnonzero(place == d)
        mine = mine[np.argsort(of.share[mine, d], kind="stable")]
        out += mine[np.cumsum(of.share[mine, d]) > FULL].tolist()
    return np.array(out, np.int64)


def _shift(of: Places, place: IntArray, least: float) -> bool:
    """Move the workload that saves most to another open data center."""
    rows, load = np.arange(len(place)), of.load_of(place)
    is_open = np.bincount(place, minlength=len(load)) > 0
    gain = of.cost[rows, place][:, None] - np.where(is_open & (load + of.share <= FULL), of.cost, np.inf)
    w, d = np.unravel_index(int(gain.argmax()), gain.shape)
    if gain[w, d] <= least:
        return False
    place[w] = d
    return True


def _swap(of: Places, place: IntArray, least: float) -> bool:
    """Exchange the places of the two workloads for which that saves most."""
    rows, load = np.arange(len(place)), of.load_of(place)
    now, own = of.cost[rows, place], of.share[rows, place]
    there = of.cost[:, place]  # of w at the place of v
    taken = of.share[:, place]
    room = load[place] - own  # left at the place of v, v taken out
    fits = room[None, :] + taken <= FULL
    with np.errstate(invalid="ignore"):
        gain = (now[:, None] - there) + (now[:, None] - there).T
    gain = np.where(fits & fits.T & np.isfinite(gain), gain, -np.inf)
    w, v = np.unravel_index(int(gain.argmax()), gain.shape)
    if gain[w, v] <= least:
        return False
    place[w], place[v] = place[v], place[w]
    return True


def _open(of: Places, place: IntArray, least: float) -> bool:
    """Open the data center that saves most by what it draws from others."""
    rows = np.arange(len(place))
    is_open = np.bincount(place, minlength=len(of.opening)) > 0
    saved = np.maximum(of.cost[rows, place][:, None] - of.cost, 0.0)
    best, most, drawn = -1, least, np.zeros(0, np.int64)
    for d in np.flatnonzero(~is_open & (saved.sum(axis=0) > of.opening + least)).tolist():
        workloads, gain = _drawn(of, place, d)
        if gain > most:
            best, most, drawn = d, gain, workloads
    place[drawn] = best
    return best >= 0


def _close(of: Places, place: IntArray, least: float) -> bool:
    """Close the data center whose workloads find cheap enough places elsewhere."""
    is_open = np.bincount(place, minlength=len(of.opening)) > 0
    load = of.load_of(place)
    for d in np.flatnonzero(is_open)[np.argsort(load[is_open], kind="stable")].tolist():
        mine = np.flatnonzero(place == d)
        mine = mine[np.argsort(-of.share[mine, d], kind="stable")]
        moved, left, extra = place.copy(), load.copy(), -of.opening[d]
        for w in mine.tolist():
            options = np.where(is_open & (left + of.share[w] <= FULL), of.cost[w], np.inf)
            options[d] = np.inf
            to = int(options.argmin())
            extra += options[to] - of.cost[w, d]
            if extra >= -least:
                break
            moved[w] = to
            left[to] += of.share[w, to]
        if extra < -least:
            place[:] = moved
            return True
    return False

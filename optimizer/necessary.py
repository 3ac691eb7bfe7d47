"""Why a problem has no plan: conditions that any plan must meet, in order, in MW, tokens and milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from optimizer.condition import Condition
from optimizer.failure_cases import without_each
from optimizer.greedy import mw_per_busy_accelerator
from optimizer.necessary_policy import check_policies
from optimizer.problem import FloatArray, PlacementProblem
from optimizer.shortage import (
    SHORT_SHARE,
    BoolArray,
    Groups,
    Shortage,
    class_capacity,
    find_shortage,
    make_groups,
)

__all__ = ["Condition", "check_conditions", "first_failure"]

_NAMED = 4
PLACES_TO_SURVIVE = 2


def check_conditions(problem: PlacementProblem) -> Iterator[Condition]:
    """
    Check what every plan must meet, from the coarsest condition to the finest.

    Total capacity; capacity within reach; sites and shares of each class; a single place for indivisible work; two
    places, and capacity after the loss of any data center, where failures are to be survived; what the policy demands.
    All count every pod that could be bought. What passes can still fail for links, whole pods, or several of them at
    once.

    Yields
    ------
    Condition
        Each worked out only when it is asked for.
    """
    must = np.asarray(problem.demand_mtok_per_h - problem.shed_limit_mtok_per_h)
    yield _capacity(problem, must, by_reach=False)
    yield _capacity(problem, must, by_reach=True)
    for k in range(len(problem.classes)):
        yield _sites(problem, must, k)
    yield _single_places(problem, must)
    if not problem.outages.empty:
        yield _two_places(problem)
        yield _capacity_after_loss(problem)
    yield from check_policies(problem)


def first_failure(problem: PlacementProblem) -> Condition | None:
    """
    Find the first condition that fails.

    Parameters
    ----------
    problem
        The problem.

    Returns
    -------
    Condition or None
        None if all hold.
    """
    return next((condition for condition in check_conditions(problem) if not condition.holds), None)


def _capacity(problem: PlacementProblem, must: FloatArray, *, by_reach: bool) -> Condition:
    """Compare demand with accelerators and power, slice by slice, then over each day for work that may wait."""
    name = "capacity within reach" if by_reach else "total capacity"
    groups = make_groups(problem, by_reach=by_reach)
    demand, most = (_by_group(groups, values) for values in (must, problem.servable_mtok_per_h))
    urgent = np.where(groups.is_deferrable, 0.0, demand)
    found: list[tuple[Shortage, str]] = []
    for t in range(len(must)):
        now = urgent[t : t + 1]
        if shortage := find_shortage(problem, groups, now, now, np.ones(1)):
            found.append((shortage, _clock(problem, t)))
    if not found and groups.is_deferrable.any():
        for day, rows in problem.slices.groupby("day", sort=False).indices.items():
            if shortage := find_shortage(problem, groups, demand[rows], most[rows], problem.slice_h[rows]):
                found.append((shortage, f"mean of day {day}, work that may wait included"))
    if not found:
        return Condition(name, holds=True, message=f"{name} is enough in every slice")
    worst, when = max(found, key=lambda item: item[0].mtok_per_h)
    what = f"{worst.mtok_per_h:,.2f} mtok/h ({worst.mw:,.3f} MW of IT power) find no place ({when})"
    has = _describe_capacity(problem, worst.centers)
    if not by_reach:
        message = f"all data centers together are too small: {what}; they have {has}"
        return Condition(name, holds=False, message=message, short_mtok_per_h=worst.mtok_per_h, short_mw=worst.mw)
    short = worst.is_short[groups.workload]
    places = _names(problem.data_centers["id"][worst.centers])
    message = f"{_workload_names(problem, short)} reach only {places}: {what}; there are {has}"
    beyond_ms = _next_in_reach(problem, short, worst.centers)
    if np.isfinite(beyond_ms):
        message += f"; the next data center is {beyond_ms:.2f} ms beyond the RTT limit"
    return Condition(name, False, message, worst.mtok_per_h, worst.mw, beyond_ms)  # noqa: FBT003 - in field order


def _by_group(groups: Groups, values: FloatArray) -> FloatArray:
    out = np.zeros((len(values), len(groups.class_index)))
    np.add.at(out.T, groups.workload, values.T)
    return out


def _describe_capacity(problem: PlacementProblem, centers: BoolArray) -> str:
    pools = problem.pools
    inside = centers[pools["data_center_index"]]
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[pools["accelerator_index"]]
    existing = float((pools["existing_pods"].to_numpy(float) * per_pod)[inside].sum())
    new = float((pools["max_new_pods"].to_numpy(float) * per_pod)[inside].sum())
    power = float(problem.data_centers["it_capacity_mw"].to_numpy(float)[centers].sum())
    return (
        f"{existing:,.0f} accelerators in place, {new:,.0f} more that may be bought, at most "
        f"{problem.utilization_limit_share:.0%} of them busy, and {power:,.1f} MW of IT power"
    )


def _next_in_reach(problem: PlacementProblem, short: BoolArray, centers: BoolArray) -> float:
    """Least excess over the RTT limit, ms, with which one of the workloads would reach another data center."""
    table = problem.workloads[short].merge(problem.routes, on="demand_hub")
    place = table["data_center_index"].to_numpy(int)
    limit_ms = problem.rtt_limit_ms[table["class_index"].to_numpy(int), place]
    beyond_ms = (table["rtt_ms"].to_numpy(float) - limit_ms)[~centers[place]]
    beyond_ms = beyond_ms[beyond_ms > 0]
    return float(beyond_ms.min()) if len(beyond_ms) else float("nan")


def _sites(problem: PlacementProblem, must: FloatArray, k: int) -> Condition:
    """See that the allowed number of deployments of a class reaches all its workloads, and that each has its share."""
    row, ids = problem.classes.iloc[k], problem.data_centers["id"]
    name = f"sites of {row['id']}"
    groups = make_groups(problem, by_reach=True)
    wanted = _by_group(groups, must).sum(axis=0)
    reach = groups.reach[(groups.class_index == k) & (wanted > 0)]
    if not len(reach):
        return Condition(name, holds=True, message=f"{row['id']} has nothing that must be served")
    most, share = int(row["max_sites"]), float(row["min_share"])
    allowed, large = f"max_sites allows {most}", np.ones(len(ids), bool)
    kept = float(problem.min_accelerators[k])
    if kept > 0:
        room = _accelerators(problem)
        large = room >= kept
        if not large[reach.any(axis=0)].any():
            most_there = float(room[reach.any(axis=0)].max(initial=0.0))
            message = (
                f"a deployment of {row['id']} keeps {kept:,.0f} accelerators on; the largest data center in its reach "
                f"has {most_there:,.0f}, those that may be bought included: {_names(ids[reach.any(axis=0)])}"
            )
            return Condition(name, holds=False, message=message)
        allowed += f", and its model takes {kept:,.0f} accelerators in each"
    if share > 0:
        by_share = int(np.floor(1.0 / share + SHORT_SHARE))
        most, allowed = min((most, allowed), (by_share, f"min_share = {share:g} allows {by_share}"))
        large = large & _large_enough(problem, k, share)
        if not large.any():
            least = share * float(problem.class_demand_mtok_per_h[:, k].max())
            message = (
                f"a deployment of {row['id']} must take {share:g} of its tokens, {least:,.2f} mtok/h in the busiest "
                f"slice, and none of the data centers in its reach can: {_names(ids[reach.any(axis=0)])}"
            )
            return Condition(name, holds=False, message=message, short_mtok_per_h=least)
    needed = _cover(reach & large)
    if needed is not None and needed <= most:
        return Condition(
            name, holds=True, message=f"{row['id']} can reach its demand hubs from {needed} data center(s)"
        )
    limit_ms = float(problem.rtt_limit_ms[k].max())
    within = f"within {limit_ms:g} ms" if np.isfinite(limit_ms) else "under its residency rule"
    how_many = "more data centers than it may use" if needed is None else f"at least {needed} data center(s)"
    message = f"{row['id']} needs {how_many} to reach all its demand hubs {within}; {allowed}"
    return Condition(name, holds=False, message=message)


def _two_places(problem: PlacementProblem) -> Condition:
    """See that each class that must not wait may be deployed in two data centers, so that one may fail."""
    name = "two places for what must not wait"
    must = np.unique(problem.workloads["class_index"].to_numpy(int)[problem.cannot_wait])
    narrow = [k for k in must.tolist() if problem.classes["max_sites"].iloc[k] < PLACES_TO_SURVIVE]
    if not narrow:
        return Condition(name, holds=True, message="each class that must not wait may be deployed in two data centers")
    ids = _names(problem.classes["id"].iloc[narrow])
    message = f"resilience.survive needs {ids} in two data centers; max_sites allows one"
    return Condition(name, holds=False, message=message)


def _capacity_after_loss(problem: PlacementProblem) -> Condition:
    """Compare what must be served at once with what is left when a data center fails, each in turn."""
    name = "capacity after the loss of a data center"
    found: list[tuple[str, Condition]] = []
    for lost, left in without_each(problem):
        for by_reach in (False, True):
            condition = _capacity(left, left.demand_mtok_per_h, by_reach=by_reach)
            if not condition.holds:
                found.append((lost, condition))
                break
    if not found:
        return Condition(name, holds=True, message="whichever data center fails, the others have capacity enough")
    lost, worst = max(found, key=lambda item: item[1].short_mtok_per_h)
    message = f"should {lost} fail, {worst.message}"
    if len(found) > 1:
        message += f"; {len(found) - 1} more data center(s) cannot be lost either"
    return replace(worst, name=name, message=message)


def _accelerators(problem: PlacementProblem) -> FloatArray:
    """(D,) accelerators in place and those that may be bought."""
    pools = problem.pools
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[pools["accelerator_index"]]
    pods = (pools["existing_pods"] + pools["max_new_pods"]).to_numpy(float)
    out = np.bincount(pools["data_center_index"].to_numpy(int), pods * per_pod, len(problem.data_centers))
    return np.asarray(out, dtype=float)


def _large_enough(problem: PlacementProblem, k: int, share: float) -> BoolArray:
    """(D,) data centers that can take the least share of a class in every slice, by demand in reach and capacity."""
    least = share * problem.class_demand_mtok_per_h[:, k] * (1 - SHORT_SHARE)
    groups = make_groups(problem, by_reach=True)
    of_class = problem.workloads["class_index"].to_numpy(int) == k
    in_reach = problem.servable_mtok_per_h[:, of_class] @ groups.reach[groups.workload[of_class]]
    return np.asarray((in_reach >= least[:, None]).all(axis=0) & (class_capacity(problem, k) >= least.max()))


def _cover(reach: BoolArray) -> int | None:
    """Fewest columns so that every row has one; None if a row has none at all."""
    if not reach.any(axis=1).all():
        return None
    rows = LinearConstraint(sp.csr_array(reach.astype(float)), lb=1.0)
    solved = milp(np.ones(reach.shape[1]), constraints=rows, integrality=1, bounds=Bounds(0, 1))
    return round(float(solved.fun))


def _single_places(problem: PlacementProblem, must: FloatArray) -> Condition:
    """See that every indivisible workload fits whole into some data center in its reach."""
    name = "single places"
    workloads, pairs = problem.workloads, problem.indivisible_pairs
    k = pairs["class_index"].to_numpy(int)
    room = np.stack([class_capacity(problem, each) for each in range(len(problem.classes))])
    best = np.zeros(len(workloads))
    np.maximum.at(best, pairs["workload_index"].to_numpy(int), room[k, pairs["data_center_index"].to_numpy(int)])
    # Work that may wait can be spread over the day.
    need = np.where(workloads["is_deferrable"].to_numpy(bool), must.mean(axis=0), must.max(axis=0))
    over = np.where(workloads["is_indivisible"].to_numpy(bool), need - best * (1 + SHORT_SHARE), -np.inf)
    w = int(over.argmax())
    if over[w] <= 0:
        return Condition(name, holds=True, message="every indivisible workload fits into one data center in its reach")
    row = workloads.iloc[w]
    message = (
        f"{row['workload_class']} of {row['demand_hub']} must stay in one data center and asks for {need[w]:,.2f} "
        f"mtok/h; the largest in its reach takes {best[w]:,.2f}"
    )
    per_mtok = problem.accel_h_per_mtok[row["class_index"]] * mw_per_busy_accelerator(problem)
    short = float(need[w] - best[w])
    return Condition(name, holds=False, message=message, short_mtok_per_h=short, short_mw=short * float(per_mtok.min()))


def _workload_names(problem: PlacementProblem, which: BoolArray) -> str:
    """Name workloads by class with their demand hubs: "chat of alpha, beta"."""
    table: pd.DataFrame = problem.workloads[which]
    parts = [
        f"{class_id} of {_names(rows['demand_hub'])}"
        for class_id, rows in table.groupby("workload_class", sort=False, observed=True)
    ]
    more = f" and {len(parts) - _NAMED} more classes" if len(parts) > _NAMED else ""
    return "; ".join(parts[:_NAMED]) + more


def _names(ids: pd.Series) -> str:
    listed = list(ids.astype(str))
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return (", ".join(listed[:_NAMED]) + more) or "no data center"


def _clock(problem: PlacementProblem, t: int) -> str:
    row = problem.slices.iloc[t]
    hour = float(row["hour"])
    return f"{row['day']} {int(hour):02d}:{round(hour % 1 * 60):02d}"

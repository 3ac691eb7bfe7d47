"""
Why a workload is served where it is: its places and their prices, the next best one, and what blocks cheaper ones.

The next best is found by forcing: all of the workload goes to one other data center, and the rest is solved again.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from network_data.faults import FaultList, quote_value
from optimizer.model.compile import CompiledModel, compile_model
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.problem.routing import what_admits
from optimizer.sensitivity.place_costs import Question, Reason, block_reasons, place_prices
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.fixed_integers import (
    FixedIntegerError,
    FixedIntegerSolution,
    FixedProgram,
    settle,
    solve_fixed_integers,
)
from scenarios.schema import Scenario

# A number of pods that exceeds an integer by no more than this is that integer.
_ROUNDING_PODS = 1e-6

# CNY per year that a pod is made to cost so that none is bought without need.
_UNWANTED_CNY = 1e9


@dataclass(frozen=True)
class ForcedPlacement:
    """A workload forced into one data center."""

    data_center: str
    name: str
    extra_cny_per_year: float | None  # Extra cost of the plan; None if there is no such plan
    changes: tuple[str, ...] = ()  # Integer decisions that differ from those of the plan, in words
    obstacle: str = ""  # Why there is no such plan; empty if there is one


def force_placement(
    problem: PlacementProblem,
    program: FixedProgram,
    base: FixedIntegerSolution,
    workload: int,
    center: int,
    *,
    seed: int = 1,
) -> ForcedPlacement:
    """
    Serve all of a workload from one data center, and solve the rest again with the integers held.

    The data center is opened and the class deployed there if necessary; pods are bought there only if the workload does
    not fit otherwise; what is then unused is removed.

    Parameters
    ----------
    program, base
        Solved program and solution of the plan to compare with.
    workload, center
        Positions of the workload and of a data center that it may use.
    """
    place = partial(ForcedPlacement, str(problem.data_centers["id"].iloc[center]), _name(problem, center))
    held = _with_closed_routes(problem, program.compiled, workload, center)
    choices = _with_place(problem, program.compiled, base.plan, workload, center)
    if not choices:
        k = int(problem.workloads["class_index"].iloc[workload])
        most = int(problem.classes["max_sites"].iloc[k])
        text = f"{problem.classes['name'].iloc[k]} may stand in no more than {most} data center(s), all taken by others"
        return place(None, obstacle=text)
    failure = ""
    for buys, x in ((buys, x) for buys in (False, True) for x in choices):
        try:
            integers = _with_pods_bought(problem, held, x, center, seed) if buys else x
            forced = solve_fixed_integers(problem, held, integers, seed=seed, like=program)
        except FixedIntegerError as error:
            failure = failure or str(error)
            continue
        return place(forced.objective_cny - base.objective_cny, _changes(problem, base.plan, forced.plan))
    return place(None, obstacle=f"it cannot take all of it, whatever else moves ({failure})")


def _with_place(
    problem: PlacementProblem, compiled: CompiledModel, plan: Plan, workload: int, center: int
) -> list[FloatArray]:
    """
    Open the place in the integers of the plan; none if the class may not be deployed in one more place.

    The workload leaves its other places. A place that then serves nothing of its class is kept in the first choice and
    given up in the second, as a limit on places or a minimum share may require.
    """
    k = int(problem.workloads["class_index"].iloc[workload])
    deployments, pairs = problem.deployments.to_numpy(int), problem.indivisible_pairs
    is_here = (deployments == (k, center)).all(axis=1)
    others = problem.candidates["workload_index"].to_numpy(int) != workload
    used = others & (problem.candidate_class == k) & (plan.flow_mtok_per_h.max(axis=0, initial=0.0) > 0)
    busy = np.unique(problem.candidates["data_center_index"].to_numpy(int)[used])
    kept = np.asarray(plan.is_deployed).copy()
    is_idle = (deployments[:, 0] == k) & (kept == 1) & ~is_here & ~np.isin(deployments[:, 1], busy)
    kept[is_here] = 1
    assigned = np.asarray(plan.is_assigned).copy()
    mine = pairs["workload_index"].to_numpy(int) == workload
    assigned[mine] = (pairs["data_center_index"].to_numpy(int) == center)[mine]
    is_open = np.asarray(plan.is_open).copy()
    is_open[center] = 1
    return [
        columns_from_plan(compiled, replace(plan, is_open=is_open, is_deployed=deployed, is_assigned=assigned))
        for deployed in ([kept, np.where(is_idle, 0, kept)] if is_idle.any() else [kept])
        if deployed[deployments[:, 0] == k].sum() <= problem.classes["max_sites"].iloc[k]
    ]


def _with_closed_routes(
    problem: PlacementProblem, compiled: CompiledModel, workload: int, center: int
) -> CompiledModel:
    candidates = problem.candidates
    is_closed = (candidates["workload_index"] == workload) & (candidates["data_center_index"] != center)
    upper = compiled.upper.copy()
    compiled.columns["Flow"].values(upper)[:, is_closed.to_numpy()] = 0.0
    return replace(compiled, upper=upper)


def _with_pods_bought(
    problem: PlacementProblem, compiled: CompiledModel, x: FloatArray, center: int, seed: int
) -> FloatArray:
    """Buy the fewest pods there that are enough, whether or not more would pay."""
    pods = compiled.columns["NewPods"].columns
    here = pods.start + np.flatnonzero(problem.pools["data_center_index"].to_numpy(int) == center)
    is_integer = compiled.is_integer.copy()
    is_integer[here] = False
    cost = compiled.cost.copy()
    cost[here] = _UNWANTED_CNY
    relaxed = FixedProgram(replace(compiled, is_integer=is_integer, cost=cost), x, seed=seed).solve()
    bought = x.copy()
    bought[here] = np.minimum(np.ceil(relaxed.columns[here] - _ROUNDING_PODS), compiled.upper[here])
    return bought


def _changes(problem: PlacementProblem, before: Plan, after: Plan) -> tuple[str, ...]:
    deployments = problem.deployments.to_numpy(int)
    classes = problem.classes["name"].to_numpy(str)
    accelerators = problem.accelerators["name"].to_numpy(str)
    pools = problem.pools[["data_center_index", "accelerator_index"]].to_numpy(int)
    words = [
        f"{'opens' if after.is_open[d] else 'closes'} {_name(problem, d)}"
        for d in np.flatnonzero(np.asarray(after.is_open) != before.is_open).tolist()
    ]
    for n in np.flatnonzero(np.asarray(after.is_deployed) != before.is_deployed).tolist():
        k, d = deployments[n]
        words.append(f"{'deploys' if after.is_deployed[n] else 'gives up'} {classes[k]} at {_name(problem, d)}")
    for p in np.flatnonzero(np.asarray(after.new_pods) != before.new_pods).tolist():
        more = int(after.new_pods[p] - before.new_pods[p])
        d, a = pools[p]
        change = f"{abs(more)} pod(s) {'more' if more > 0 else 'fewer'}"
        words.append(f"buys {change} of {accelerators[a]} at {_name(problem, d)}")
    if (np.asarray(after.is_assigned) != before.is_assigned).any():
        words.append("moves its single place")
    return tuple(words)


def _name(problem: PlacementProblem, center: int) -> str:
    return str(problem.data_centers["name"].iloc[center])


@dataclass(frozen=True)
class _PlacePrice:
    """Cost of a million tokens in a place, mean over the hours in which the workload is served there."""

    own: dict[str, float]  # CNY per million tokens by cost component
    limit_prices: dict[str, float]  # CNY per million tokens by equation: prices of the limits that are used up
    own_cny_per_mtok: float  # Sum of own
    total_cny_per_mtok: float  # Sum of own and limit_prices


@dataclass(frozen=True)
class ChosenPlace:
    """A data center that serves the workload."""

    data_center: str
    name: str
    region: str
    mtok_per_year: float  # Of the workload
    share: float  # Of its served tokens
    hours: dict[str, list[tuple[float, float]]]  # Start and end of each period of service, by representative day
    hours_per_year: float  # That these represent
    routes: list[dict[str, float | str]]  # nodes, rtt_ms and mtok_per_year of each route used
    rtt_ms: float  # Mean round trip
    price: _PlacePrice


@dataclass(frozen=True)
class _BlockedPlace:
    """A data center with a lower own cost that does not serve the workload."""

    data_center: str
    name: str
    rtt_ms: float  # Round trip of the route that was priced
    own_cny_per_mtok: float
    cheaper_by_cny_per_mtok: float  # Than the mean own cost where the workload is served
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class PlacementExplanation:
    """Why a workload is where it is."""

    workload: str
    demand_hub: str
    workload_class: str
    class_name: str
    mtok_per_year: float
    unserved_mtok_per_year: float
    is_deferrable: bool
    is_indivisible: bool
    cny_per_mtok: float  # Cost of one more million tokens, mean over its hours
    chosen: tuple[ChosenPlace, ...]  # The data centers that serve it, largest first
    blocked: tuple[_BlockedPlace, ...]  # Data centers of lower own cost that do not, cheapest first
    next_best: ForcedPlacement | None  # The best of the other data centers for all of it; None if there is none
    tried: tuple[ForcedPlacement, ...]  # Data centers that were tried for it, best first
    out_of_reach: tuple[str, ...]  # Data centers without a route or a fast enough accelerator


# How many places are forced, the most promising first, to find the next best one.
_TRIES = 3
_LEAST_CNY_PER_MTOK = 1e-9
_LEAST_MTOK_PER_H = 1e-9
_LEAST_H = 1e-6


def explain_placement(problem: PlacementProblem, plan: Plan, scenario: Scenario, workload: str) -> PlacementExplanation:
    """
    Explain where a workload of a plan is served.

    Prices hold at the margin of the plan, with its integer decisions; the cost of forcing is exact for them.

    Raises
    ------
    InputError
        If there is no such workload.
    """
    number = find_workload(problem.workloads, workload)
    item = scenario.workload_classes[str(problem.workloads["workload_class"].iloc[number])]
    return explain_workload(problem, plan, number, admits=what_admits(item))


def list_workloads(allocation: pd.DataFrame, shadow_prices: pd.DataFrame) -> pd.DataFrame:
    """
    List the workloads of a plan, the one with the highest marginal cost of all its tokens first.

    Parameters
    ----------
    allocation, shadow_prices
        Tables of a run; the latter empty where no prices were computed.

    Returns
    -------
    DataFrame
        workload, mtok_per_year, rtt_ms (mean), data_center (the largest), data_centers (their number), cny_per_mtok (of
        one more million tokens), cny_per_year (that times its tokens); the last two NaN without shadow prices.
    """
    flows = allocation.assign(
        workload=allocation["demand_hub"] + "/" + allocation["workload_class"],
        mtok=allocation["mtok_per_h"] * allocation["weight_h"],
    )
    flows["mtok_ms"] = flows["mtok"] * flows["rtt_ms"]
    by_place = flows.groupby(["workload", "data_center"])["mtok"].sum().reset_index().sort_values("mtok")
    sums = flows.groupby("workload")[["mtok", "mtok_ms"]].sum()
    price = shadow_prices[shadow_prices["kind"] == "token"].set_index("id")["value"].reindex(sums.index).astype(float)
    table = pd.DataFrame(
        {
            "workload": sums.index,
            "mtok_per_year": sums["mtok"].to_numpy(),
            "rtt_ms": (sums["mtok_ms"] / sums["mtok"]).to_numpy(),
            "data_center": by_place.groupby("workload")["data_center"].last().reindex(sums.index).to_numpy(),
            "data_centers": by_place.groupby("workload").size().reindex(sums.index).to_numpy(),
            "cny_per_mtok": price.to_numpy(),
            "cny_per_year": (price * sums["mtok"]).to_numpy(),
        }
    )
    order = ["cny_per_year", "mtok_per_year"]
    return table.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def find_workload(workloads: pd.DataFrame, text: str) -> int:
    """
    Find a workload by its demand hub and class, in either order.

    Raises
    ------
    InputError
        If there is no such workload; names the most similar one.
    """
    hubs, classes = workloads["demand_hub"].to_numpy(str), workloads["workload_class"].to_numpy(str)
    parts = [part.strip().lower() for part in text.split("/")]
    pairs = {tuple(parts), tuple(reversed(parts))}
    found = [w for w, pair in enumerate(zip(hubs, classes, strict=True)) if pair in pairs]
    if len(found) == 1:
        return found[0]
    faults = FaultList("the workload")
    labels = [f"{hub}/{name}" for hub, name in zip(hubs, classes, strict=True)]
    near = [name for pair in (parts, parts[::-1]) for name in difflib.get_close_matches("/".join(pair), labels, n=1)]
    hint = f"Did you mean {quote_value(near[0])}?" if near else "Without --workload, all are listed."
    remedy = f"Name a demand hub and a workload class, as in {labels[0]}. {hint}"
    faults.add("--workload", "the run has no such workload", remedy, value=text)
    raise faults.error()


def explain_workload(
    problem: PlacementProblem, plan: Plan, workload: int, *, admits: str = "", seed: int = 1
) -> PlacementExplanation:
    """
    Explain where a workload of a plan is served.

    Parameters
    ----------
    admits
        The rule that says where its data may go, in words (see `routing.what_admits`).

    Raises
    ------
    FixedIntegerError
        If no plan has these integers.
    """
    compiled = compile_model(problem)
    program, base = settle(problem, compiled, plan, seed=seed)
    duals = np.concatenate([base.row_duals[name].reshape(-1) for name in compiled.rows])
    prices = place_prices(problem, program, duals, workload)
    mine = np.flatnonzero(problem.candidates["workload_index"] == workload)
    flow = plan.flow_mtok_per_h[:, mine] * (plan.flow_mtok_per_h[:, mine] > _LEAST_MTOK_PER_H)
    flow = flow * problem.weight_h[:, None]
    row, served = problem.workloads.iloc[workload], flow.sum(axis=1)
    k = int(row["class_index"])
    weight = served if served.sum() > 0 else problem.weight_h * problem.demand_mtok_per_h[:, workload]
    question = Question(problem, plan, workload, k, prices, weight, admits)
    chosen = _chosen(question, mine, flow)
    used = {place.data_center for place in chosen}
    tried = [
        force_placement(problem, program, base, workload, center, seed=seed)
        for center in _most_promising(question, base, used)
    ]
    tried.sort(key=lambda one: np.inf if one.extra_cny_per_year is None else one.extra_cny_per_year)
    possible = [one for one in tried if one.extra_cny_per_year is not None]
    reached = set(prices.ways["data_center_index"].tolist())
    return PlacementExplanation(
        workload=f"{row['demand_hub']}/{row['workload_class']}",
        demand_hub=str(row["demand_hub"]),
        workload_class=str(row["workload_class"]),
        class_name=str(problem.classes["name"].iloc[k]),
        mtok_per_year=float(served.sum()),
        unserved_mtok_per_year=float(problem.weight_h @ plan.shed_mtok_per_h[:, workload]),
        is_deferrable=bool(row["is_deferrable"]),
        is_indivisible=bool(row["is_indivisible"]),
        cny_per_mtok=question.mean(prices.marginal),
        chosen=chosen,
        blocked=_blocked(question, chosen),
        next_best=possible[0] if possible else None,
        tried=tuple(tried),
        out_of_reach=tuple(str(name) for d, name in enumerate(problem.data_centers["name"]) if d not in reached),
    )


def _chosen(question: Question, mine: IntArray, flow: FloatArray) -> tuple[ChosenPlace, ...]:
    """Describe the places by what they take; `flow` is (T, candidates of the workload), mtok per year."""
    problem, volumes = question.problem, flow.sum(axis=0)
    candidates = problem.candidates.iloc[mine]
    place = candidates["data_center_index"].to_numpy(int)
    nodes = problem.routes["nodes"].to_numpy(str)[candidates["route_index"].to_numpy(int)]
    rtt_ms = candidates["rtt_ms"].to_numpy(float)
    found = []
    for d in np.unique(place[volumes > 0]).tolist():
        routes = np.flatnonzero((place == d) & (volumes > 0))
        taken = flow[:, routes].sum(axis=1)
        center = problem.data_centers.iloc[d]
        found.append(
            ChosenPlace(
                data_center=str(center["id"]),
                name=str(center["name"]),
                region=str(center["region"]),
                mtok_per_year=float(taken.sum()),
                share=float(taken.sum() / flow.sum()),
                hours=_hours(problem, taken),
                hours_per_year=float(problem.weight_h[taken > 0].sum()),
                routes=[
                    {"nodes": str(nodes[r]), "rtt_ms": float(rtt_ms[r]), "mtok_per_year": float(volumes[r])}
                    for r in routes
                ],
                rtt_ms=float(rtt_ms[routes] @ volumes[routes] / volumes[routes].sum()),
                price=_price(question, int(mine[routes[volumes[routes].argmax()]]), taken),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.mtok_per_year))


def _hours(problem: PlacementProblem, taken: FloatArray) -> dict[str, list[tuple[float, float]]]:
    """Join the slices in which anything is served to periods, by day."""
    found: dict[str, list[tuple[float, float]]] = {}
    days, hours = problem.slices["day"].to_numpy(str), problem.slices["hour"].to_numpy(float)
    for t in np.flatnonzero(taken > 0):
        periods = found.setdefault(str(days[t]), [])
        start, end = float(hours[t]), float(hours[t] + problem.slice_h[t])
        if periods and abs(periods[-1][1] - start) < _LEAST_H:
            start = periods.pop()[0]
        periods.append((start, end))
    return found


def _price(question: Question, candidate: int, taken: FloatArray) -> _PlacePrice:
    """Price a candidate on its cheapest accelerator, over the hours in which it is used."""
    prices, here = question.prices, replace(question, weight=taken)
    ways = np.flatnonzero(prices.ways["candidate"].to_numpy(int) == candidate)
    way = int(ways[np.argmin([here.mean(prices.total[:, one]) for one in ways])])

    def means(parts: dict[str, FloatArray]) -> dict[str, float]:
        found = {name: here.mean(values[:, way]) for name, values in parts.items()}
        return {name: value for name, value in found.items() if abs(value) > _LEAST_CNY_PER_MTOK}

    own, limit_prices = means(prices.own), means(prices.limit_prices)
    return _PlacePrice(own, limit_prices, sum(own.values()), sum(own.values()) + sum(limit_prices.values()))


def _blocked(question: Question, chosen: tuple[ChosenPlace, ...]) -> tuple[_BlockedPlace, ...]:
    """Find the data centers of lower own cost that are not used, and what blocks each."""
    prices, centers = question.prices, question.problem.data_centers
    used = {place.data_center for place in chosen}
    now = sum(place.price.own_cny_per_mtok * place.share for place in chosen)
    paid = sorted({name for place in chosen for name, price in place.price.limit_prices.items() if price < 0})
    found = []
    for d in np.unique(prices.ways["data_center_index"].to_numpy(int)).tolist() if chosen else []:
        own = question.mean(prices.own_total[:, question.best_way(d, prices.own_total)])
        if centers["id"].iloc[d] in used or own >= now - _LEAST_CNY_PER_MTOK:
            continue
        way = question.best_way(d, prices.total)
        found.append(
            _BlockedPlace(
                data_center=str(centers["id"].iloc[d]),
                name=str(centers["name"].iloc[d]),
                rtt_ms=float(prices.ways["rtt_ms"].iloc[way]),
                own_cny_per_mtok=own,
                cheaper_by_cny_per_mtok=now - own,
                reasons=block_reasons(question, way, paid),
            )
        )
    return tuple(sorted(found, key=lambda one: one.own_cny_per_mtok))


def _most_promising(question: Question, base: FixedIntegerSolution, used: set[str]) -> list[int]:
    """Choose other data centers that the workload may use, by the cost of all of it there at the prices of the plan."""
    problem, prices, k = question.problem, question.prices, question.class_index
    ids, members = problem.data_centers["id"].to_numpy(str), problem.deployments.to_numpy(int)
    deployed = {int(d) for (c, d), is_there in zip(members, base.plan.is_deployed, strict=True) if is_there and c == k}
    total, estimates = question.total_if_placed, []
    for d in np.unique(prices.ways["data_center_index"][prices.ways["candidate"] >= 0].to_numpy(int)).tolist():
        if ids[d] in used:
            continue
        cost = float(question.weight @ total[:, question.best_way(d, total)])
        cost += 0.0 if base.plan.is_open[d] else float(problem.data_centers["opening_cny_per_year"].iloc[d])
        cost += 0.0 if d in deployed else float(problem.classes["deploy_cny_per_year"].iloc[k])
        estimates.append((cost, d))
    return [d for _, d in sorted(estimates)[:_TRIES]]

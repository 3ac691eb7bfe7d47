"""Why a workload is served where it is: its places and their prices, the next best, and what blocks cheaper ones."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from network_data.faults import FaultList, quote_value
from optimizer.block_reasons import Question, block_reasons
from optimizer.compile import compile_model
from optimizer.forced_placement import force_placement
from optimizer.place_prices import place_prices
from optimizer.placement_record import BlockedPlace, ChosenPlace, PlacementExplanation, PlacePrice
from optimizer.plan import Plan
from optimizer.polish import Polished, settle
from optimizer.problem import FloatArray, IntArray, PlacementProblem
from optimizer.residency import what_admits
from optimizer.run_folder import read_stored_run
from optimizer.stored_plan import read_stored_plan

# Places that are forced, the most promising first, to find the next best one.
TRIES = 3
LEAST_CNY_PER_MTOK = 1e-9
LEAST_MTOK_PER_H = 1e-9
LEAST_H = 1e-6


def explain_placement(run_folder: Path | str, workload: str) -> PlacementExplanation:
    """
    Explain where a workload of a stored run is served.

    Parameters
    ----------
    run_folder
        Folder of a run.
    workload
        `demand_hub/workload_class`, either first.

    Returns
    -------
    PlacementExplanation
        Prices hold at the margin of the plan, with its whole-numbered decisions; what forcing costs is exact for them.

    Raises
    ------
    InputError
        If the run cannot be read, its inputs have changed, or it has no such workload.
    """
    run = read_stored_plan(run_folder)
    number = find_workload(run.problem.workloads, workload)
    item = run.scenario.workload_classes[str(run.problem.workloads["workload_class"].iloc[number])]
    return explain_workload(run.problem, run.plan, number, admits=what_admits(item))


def list_workloads(run_folder: Path | str) -> pd.DataFrame:
    """
    List the workloads of a stored run, those whose next token costs most in sum first.

    Parameters
    ----------
    run_folder
        Folder of a run.

    Returns
    -------
    DataFrame
        workload, mtok_per_year, rtt_ms (mean), data_center (that takes most of it), data_centers (how many do),
        cny_per_mtok (of one more million tokens), cny_per_year (that times its tokens); the last two NaN where the run
        was stored without prices.

    Raises
    ------
    InputError
        If the run cannot be read.
    """
    stored = read_stored_run(run_folder)
    flows = stored.tables["allocation"]
    flows = flows.assign(
        workload=flows["demand_hub"] + "/" + flows["workload_class"], mtok=flows["mtok_per_h"] * flows["weight_h"]
    )
    flows["mtok_ms"] = flows["mtok"] * flows["rtt_ms"]
    by_place = flows.groupby(["workload", "data_center"])["mtok"].sum().reset_index().sort_values("mtok")
    sums = flows.groupby("workload")[["mtok", "mtok_ms"]].sum()
    prices = stored.tables.get("shadow_prices", pd.DataFrame(columns=["kind", "id", "value"]))
    price = prices[prices["kind"] == "token"].set_index("id")["value"].reindex(sums.index).astype(float)
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

    Parameters
    ----------
    workloads
        demand_hub, workload_class.
    text
        Two ids with a slash between.

    Raises
    ------
    InputError
        If there is no such workload; names the nearest.
    """
    hubs, classes = workloads["demand_hub"].to_numpy(str), workloads["workload_class"].to_numpy(str)
    parts = [part.strip().lower() for part in text.split("/")]
    pairs = {tuple(parts), tuple(reversed(parts))}
    found = [w for w, pair in enumerate(zip(hubs, classes, strict=True)) if pair in pairs]
    if len(found) == 1:
        return found[0]
    faults = FaultList("the workload")
    labels = [f"{hub}/{name}" for hub, name in zip(hubs, classes, strict=True)]
    near = difflib.get_close_matches("/".join(parts), labels, n=1) or difflib.get_close_matches(
        "/".join(reversed(parts)), labels, n=1
    )
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
    problem, plan
        The plan and its problem.
    workload
        Position of the workload.
    admits
        What says where its data may go, in words (`residency.what_admits`).
    seed
        Random seed of the solver.

    Raises
    ------
    PolishError
        If no plan has these integers.
    """
    compiled = compile_model(problem)
    program, base = settle(problem, compiled, plan, seed=seed)
    duals = np.concatenate([base.row_duals[name].reshape(-1) for name in compiled.rows])
    prices = place_prices(problem, program, duals, workload)
    mine = np.flatnonzero(problem.candidates["workload_index"] == workload)
    flow = plan.flow_mtok_per_h[:, mine] * (plan.flow_mtok_per_h[:, mine] > LEAST_MTOK_PER_H)
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
    """Join the slices in which anything is taken to stretches of hours, by day."""
    found: dict[str, list[tuple[float, float]]] = {}
    days, hours = problem.slices["day"].to_numpy(str), problem.slices["hour"].to_numpy(float)
    for t in np.flatnonzero(taken > 0):
        stretches = found.setdefault(str(days[t]), [])
        start, end = float(hours[t]), float(hours[t] + problem.slice_h[t])
        if stretches and abs(stretches[-1][1] - start) < LEAST_H:
            start = stretches.pop()[0]
        stretches.append((start, end))
    return found


def _price(question: Question, candidate: int, taken: FloatArray) -> PlacePrice:
    """Price a candidate on its cheapest accelerator, over the hours in which it is used."""
    prices, here = question.prices, replace(question, weight=taken)
    ways = np.flatnonzero(prices.ways["candidate"].to_numpy(int) == candidate)
    way = int(ways[np.argmin([here.mean(prices.total[:, one]) for one in ways])])

    def means(parts: dict[str, FloatArray]) -> dict[str, float]:
        found = {name: here.mean(values[:, way]) for name, values in parts.items()}
        return {name: value for name, value in found.items() if abs(value) > LEAST_CNY_PER_MTOK}

    own, rents = means(prices.own), means(prices.rents)
    return PlacePrice(own, rents, sum(own.values()), sum(own.values()) + sum(rents.values()))


def _blocked(question: Question, chosen: tuple[ChosenPlace, ...]) -> tuple[BlockedPlace, ...]:
    """Find the data centers of less own cost that are not used, and what blocks each."""
    prices, centers = question.prices, question.problem.data_centers
    used = {place.data_center for place in chosen}
    now = sum(place.price.own_cny_per_mtok * place.share for place in chosen)
    paid = sorted({name for place in chosen for name, rent in place.price.rents.items() if rent < 0})
    found = []
    for d in np.unique(prices.ways["data_center_index"].to_numpy(int)).tolist() if chosen else []:
        own = question.mean(prices.own_total[:, question.best_way(d, prices.own_total)])
        if centers["id"].iloc[d] in used or own >= now - LEAST_CNY_PER_MTOK:
            continue
        way = question.best_way(d, prices.total)
        found.append(
            BlockedPlace(
                data_center=str(centers["id"].iloc[d]),
                name=str(centers["name"].iloc[d]),
                rtt_ms=float(prices.ways["rtt_ms"].iloc[way]),
                own_cny_per_mtok=own,
                cheaper_by_cny_per_mtok=now - own,
                reasons=block_reasons(question, way, paid),
            )
        )
    return tuple(sorted(found, key=lambda one: one.own_cny_per_mtok))


def _most_promising(question: Question, base: Polished, used: set[str]) -> list[int]:
    """Choose other data centers that the workload may use, by what all of it would cost there at the plan's prices."""
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
    return [d for _, d in sorted(estimates)[:TRIES]]

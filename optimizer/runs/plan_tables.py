"""A plan as tables with labels, and back: positions never leave the process, so inputs may be read anew."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem

SLICE = ("day", "hour")
WORKLOAD = ("demand_hub", "workload_class")

# The tables that hold the decisions of a plan, with the columns that `plan_from_tables` reads.
PLAN_COLUMNS = {
    "allocation": (*SLICE, *WORKLOAD, "data_center", "route", "mtok_per_h"),
    "unserved": (*SLICE, *WORKLOAD, "shed_mtok_per_h", "backlog_mtok"),
    "work": (*SLICE, "workload_class", "data_center", "accelerator", "mtok_per_h"),
    "active_pods": (*SLICE, "data_center", "accelerator", "active_pods"),
    "pools": ("data_center", "accelerator", "new_pods"),
    "data_centers": ("id", "is_open", "contract_mw"),
    "deployments": ("workload_class", "data_center"),
    "assignments": (*WORKLOAD, "data_center"),
    "peaks": ("day", "data_center", "peak_mw"),
    "routes": ("route", "demand_hub", "data_center", "nodes"),
}

# Tables of a plan that survives failures; where there is none to survive they are not there.
FAILOVER_COLUMNS = {
    "failover": ("failed", *SLICE, *WORKLOAD, "data_center", "nodes", "share"),
    "failover_work": ("failed", *SLICE, "workload_class", "data_center", "accelerator", "mtok_per_h"),
}


class UnknownLabelError(ValueError):
    """A stored plan names something that the problem does not have; lists the first of each table."""


def plan_tables(problem: PlacementProblem, plan: Plan) -> dict[str, pd.DataFrame]:
    """
    Write the decisions of a plan with labels; rows of zeros are left out.

    Returns
    -------
    dict of DataFrame
        allocation (with weight_h and rtt_ms beside), unserved, work, active_pods, pools (with existing_pods),
        deployments, assignments, peaks: see `PLAN_COLUMNS`. Whether a data center is open, and
        the power it contracts, stands in data_centers.
        With failures to survive also failover (with mtok_per_h beside) and failover_work: see `FAILOVER_COLUMNS`.
    """
    slices, centers = problem.slices, problem.data_centers["id"].to_numpy()
    pool_labels = {
        "data_center": centers[problem.pools["data_center_index"]],
        "accelerator": problem.accelerators["id"].to_numpy()[problem.pools["accelerator_index"]],
    }
    processes, peak = problem.processes, np.nonzero(plan.peak_mw)
    t, r = np.nonzero(plan.flow_mtok_per_h)
    candidates = problem.candidates.iloc[r]
    waiting_t, waiting_w = np.nonzero((plan.shed_mtok_per_h != 0) | (plan.backlog_mtok != 0))
    work_t, x = np.nonzero(plan.work_mtok_per_h)
    active_t, p = np.nonzero(plan.active_pods)
    deployed = problem.deployments[np.asarray(plan.is_deployed) > 0]
    assigned = problem.indivisible_pairs[np.asarray(plan.is_assigned) > 0]

    def slice_columns(at: IntArray) -> dict[str, npt.NDArray[np.object_] | FloatArray]:
        return {"day": slices["day"].to_numpy()[at], "hour": slices["hour"].to_numpy(float)[at]}

    def workload_columns(w: IntArray) -> dict[str, npt.NDArray[np.object_]]:
        return {name: problem.workloads[name].to_numpy()[w] for name in WORKLOAD}

    return {
        "allocation": pd.DataFrame(
            slice_columns(t)
            | {"weight_h": problem.weight_h[t]}
            | workload_columns(candidates["workload_index"].to_numpy(int))
            | {
                "data_center": centers[candidates["data_center_index"]],
                "route": candidates["route_index"].to_numpy(np.int64),
                "mtok_per_h": plan.flow_mtok_per_h[t, r],
                "rtt_ms": candidates["rtt_ms"].to_numpy(float),
            }
        ),
        "unserved": pd.DataFrame(
            slice_columns(waiting_t)
            | workload_columns(waiting_w)
            | {
                "shed_mtok_per_h": plan.shed_mtok_per_h[waiting_t, waiting_w],
                "backlog_mtok": plan.backlog_mtok[waiting_t, waiting_w],
            }
        ),
        "work": pd.DataFrame(
            slice_columns(work_t)
            | {
                "workload_class": problem.classes["id"].to_numpy()[processes["class_index"].to_numpy()[x]],
                "data_center": centers[processes["data_center_index"].to_numpy()[x]],
                "accelerator": problem.accelerators["id"].to_numpy()[processes["accelerator_index"].to_numpy()[x]],
                "mtok_per_h": plan.work_mtok_per_h[work_t, x],
            }
        ),
        "active_pods": pd.DataFrame(
            slice_columns(active_t)
            | {name: labels[p] for name, labels in pool_labels.items()}
            | {"active_pods": plan.active_pods[active_t, p]}
        ),
        "pools": pd.DataFrame(
            pool_labels
            | {"existing_pods": problem.pools["existing_pods"].to_numpy(np.int64), "new_pods": plan.new_pods}
        ),
        "deployments": pd.DataFrame(
            {
                "workload_class": problem.classes["id"].to_numpy()[deployed["class_index"]],
                "data_center": centers[deployed["data_center_index"]],
            }
        ),
        "assignments": pd.DataFrame(
            workload_columns(assigned["workload_index"].to_numpy(int))
            | {"data_center": centers[assigned["data_center_index"]]}
        ),
        "peaks": pd.DataFrame(
            {
                "day": problem.billing["day"].to_numpy()[peak[0]],
                "data_center": centers[peak[1]],
                "peak_mw": plan.peak_mw[peak],
            }
        ),
        **_failover_tables(problem, plan),
    }


def labelled_decisions(problem: PlacementProblem, plan: Plan) -> dict[str, pd.DataFrame]:
    """Lay out the decisions with labels, without what is zero: what `plan_from_tables` needs to find them elsewhere."""
    tables, centers, routes = plan_tables(problem, plan), problem.data_centers["id"].to_numpy(), problem.routes
    places = pd.DataFrame({"id": centers, "is_open": plan.is_open, "contract_mw": plan.contract_mw})
    return tables | {
        "pools": tables["pools"][tables["pools"]["new_pods"] != 0],
        "data_centers": places[(places["is_open"] != 0) | (places["contract_mw"] != 0)],
        "routes": pd.DataFrame(
            {
                "route": np.arange(len(routes)),
                "demand_hub": routes["demand_hub"],
                "data_center": centers[routes["data_center_index"]],
                "nodes": routes["nodes"],
            }
        ),
    }


def _failover_tables(problem: PlacementProblem, plan: Plan) -> dict[str, pd.DataFrame]:
    """Who takes over what in each outage; no tables where there is none to survive."""
    if problem.outages.empty:
        return {}
    centers, classes = problem.data_centers["id"].to_numpy(), problem.classes["id"].to_numpy()
    failed, at = (problem.outages[name].to_numpy() for name in ("failed_index", "slice_index"))
    candidates, processes = problem.candidates, problem.processes
    o, r = np.nonzero(plan.failover_share)
    in_outage, x = np.nonzero(plan.failover_work_mtok_per_h)
    w = candidates["workload_index"].to_numpy(int)[r]
    share = plan.failover_share[o, r]

    def outage_columns(outage: IntArray) -> dict[str, npt.NDArray[np.object_] | FloatArray]:
        t = at[outage]
        days, hours = problem.slices["day"].to_numpy(), problem.slices["hour"].to_numpy(float)
        return {"failed": centers[failed[outage]], "day": days[t], "hour": hours[t]}

    return {
        "failover": pd.DataFrame(
            outage_columns(o)
            | {name: problem.workloads[name].to_numpy()[w] for name in WORKLOAD}
            | {
                "data_center": centers[candidates["data_center_index"].to_numpy(int)[r]],
                "nodes": problem.routes["nodes"].to_numpy()[candidates["route_index"].to_numpy(int)[r]],
                "share": share,
                "mtok_per_h": share * problem.outage_demand_mtok_per_h[at[o], w],
            }
        ),
        "failover_work": pd.DataFrame(
            outage_columns(in_outage)
            | {
                "workload_class": classes[processes["class_index"].to_numpy()[x]],
                "data_center": centers[processes["data_center_index"].to_numpy()[x]],
                "accelerator": problem.accelerators["id"].to_numpy()[processes["accelerator_index"].to_numpy()[x]],
                "mtok_per_h": plan.failover_work_mtok_per_h[in_outage, x],
            }
        ),
    }


def plan_from_tables(problem: PlacementProblem, tables: Mapping[str, pd.DataFrame]) -> Plan:
    """
    Rebuild a plan from tables with labels: the inverse of `plan_tables`.

    Parameters
    ----------
    problem
        Assembled anew; its rows may stand in another order than when the plan was stored.
    tables
        At least those of `PLAN_COLUMNS`.

    Raises
    ------
    UnknownLabelError
        If a row names a slice, workload, data center, accelerator or route that the problem does not have.
    """
    unknown: list[str] = []
    ids = _Positions(problem)

    def rows_of(table: str, *kinds: str) -> list[IntArray]:
        return [ids.find(kind, table, tables, unknown) for kind in kinds]

    allocation = _with_route_labels(tables["allocation"], tables["routes"])
    found = dict(tables) | {"allocation": allocation}
    t, r = (ids.find(kind, "allocation", found, unknown) for kind in ("slice", "candidate"))
    waiting_t, w = rows_of("unserved", "slice", "workload")
    work_t, x = rows_of("work", "slice", "process")
    active_t, p = rows_of("active_pods", "slice", "pool")
    (bought,), (center,) = rows_of("pools", "pool"), rows_of("data_centers", "place")
    (deployed,), (assigned,) = rows_of("deployments", "deployment"), rows_of("assignments", "assignment")
    period, billed = rows_of("peaks", "billing", "data_center")
    none, outages = np.zeros(0, np.int64), len(problem.outages)
    (o, taken), (in_outage, done) = (none, none), (none, none)
    is_planned = outages > 0 and FAILOVER_COLUMNS.keys() <= tables.keys()
    if is_planned:
        o, taken = rows_of("failover", "outage", "candidate")
        in_outage, done = rows_of("failover_work", "outage", "process")
    if unknown:
        raise UnknownLabelError("\n".join(unknown))

    def scatter(shape: tuple[int, ...], at: tuple[IntArray, ...], values: pd.Series) -> FloatArray:
        # Added, not written: a row stored twice must not pass as one.
        out = np.zeros(shape)
        np.add.at(out, at, values.to_numpy(float))
        return out

    def whole(count: int, at: IntArray, values: pd.Series | None = None) -> IntArray:
        out = np.zeros(count)
        np.add.at(out, at, 1.0 if values is None else values.to_numpy(float))
        return out if (out != np.rint(out)).any() else out.astype(np.int64)  # type: ignore[return-value]

    def failover(at: tuple[IntArray, IntArray], count: int, table: str, column: str) -> FloatArray:
        return scatter((outages, count), at, tables[table][column]) if is_planned else np.zeros((0, 0))

    slices, unserved = len(problem.slices), tables["unserved"]
    by_workload = (slices, len(problem.workloads))
    return Plan(
        flow_mtok_per_h=scatter((slices, len(problem.candidates)), (t, r), allocation["mtok_per_h"]),
        shed_mtok_per_h=scatter(by_workload, (waiting_t, w), unserved["shed_mtok_per_h"]),
        backlog_mtok=scatter(by_workload, (waiting_t, w), unserved["backlog_mtok"]),
        work_mtok_per_h=scatter((slices, len(problem.processes)), (work_t, x), tables["work"]["mtok_per_h"]),
        active_pods=scatter((slices, len(problem.pools)), (active_t, p), tables["active_pods"]["active_pods"]),
        new_pods=whole(len(problem.pools), bought, tables["pools"]["new_pods"]),
        is_open=whole(len(problem.data_centers), center, tables["data_centers"]["is_open"]),
        is_deployed=whole(len(problem.deployments), deployed),
        is_assigned=whole(len(problem.indivisible_pairs), assigned),
        peak_mw=scatter(
            (len(problem.billing), len(problem.data_centers)), (period, billed), tables["peaks"]["peak_mw"]
        ),
        contract_mw=scatter((len(problem.data_centers),), (center,), tables["data_centers"]["contract_mw"]),
        failover_share=failover((o, taken), len(problem.candidates), "failover", "share"),
        failover_work_mtok_per_h=failover((in_outage, done), len(problem.processes), "failover_work", "mtok_per_h"),
    )


def _with_route_labels(allocation: pd.DataFrame, routes: pd.DataFrame) -> pd.DataFrame:
    """Add `nodes`, the label of a route between a demand hub and a data center; "" for a route that is not there."""
    keys = ["route", "demand_hub", "data_center"]
    known = routes[[*keys, "nodes"]].drop_duplicates(keys)
    joined = allocation[["day", "hour", *WORKLOAD, "data_center", "route", "mtok_per_h"]].merge(
        known, on=keys, how="left", validate="many_to_one"
    )
    return joined.assign(nodes=joined["nodes"].fillna(""))


class _Positions:
    """Finds the position of labels in a problem's tables."""

    def __init__(self, problem: PlacementProblem) -> None:
        centers = problem.data_centers["id"].to_numpy()
        classes, accelerators = problem.classes["id"].to_numpy(), problem.accelerators["id"].to_numpy()
        workloads = [problem.workloads[name].to_numpy() for name in WORKLOAD]
        candidates, pairs = problem.candidates, problem.indivisible_pairs
        processes, deployments, pools = problem.processes, problem.deployments, problem.pools
        self._keys: dict[str, tuple[tuple[str, ...], list[npt.NDArray[np.object_]]]] = {
            "slice": (SLICE, [problem.slices["day"].to_numpy(), problem.slices["hour"].to_numpy(float)]),
            "billing": (("day",), [problem.billing["day"].to_numpy()]),
            "workload": (WORKLOAD, workloads),
            "place": (("id",), [centers]),
            "data_center": (("data_center",), [centers]),
            "candidate": (
                (*WORKLOAD, "data_center", "nodes"),
                [
                    *(labels[candidates["workload_index"]] for labels in workloads),
                    centers[candidates["data_center_index"]],
                    problem.routes["nodes"].to_numpy()[candidates["route_index"]],
                ],
            ),
            "process": (
                ("workload_class", "data_center", "accelerator"),
                [
                    classes[processes["class_index"]],
                    centers[processes["data_center_index"]],
                    accelerators[processes["accelerator_index"]],
                ],
            ),
            "pool": (
                ("data_center", "accelerator"),
                [centers[pools["data_center_index"]], accelerators[pools["accelerator_index"]]],
            ),
            "deployment": (
                ("workload_class", "data_center"),
                [classes[deployments["class_index"]], centers[deployments["data_center_index"]]],
            ),
            "outage": (
                ("failed", *SLICE),
                [
                    centers[problem.outages["failed_index"]],
                    problem.slices["day"].to_numpy()[problem.outages["slice_index"]],
                    problem.slices["hour"].to_numpy(float)[problem.outages["slice_index"]],
                ],
            ),
            "assignment": (
                (*WORKLOAD, "data_center"),
                [*(labels[pairs["workload_index"]] for labels in workloads), centers[pairs["data_center_index"]]],
            ),
        }

    def find(self, kind: str, name: str, tables: Mapping[str, pd.DataFrame], unknown: list[str]) -> IntArray:
        """Look up the rows of a table; rows that name something unknown are recorded and count as -1."""
        columns, labels = self._keys[kind]
        table = tables[name]
        if len(columns) == 1:
            found = pd.Index(labels[0]).get_indexer(pd.Index(table[columns[0]].to_numpy()))
        else:
            wanted = pd.MultiIndex.from_arrays([table[column].to_numpy() for column in columns])
            found = pd.MultiIndex.from_arrays(labels).get_indexer(wanted)
        missing = np.flatnonzero(found < 0)
        if len(missing):
            first = ", ".join(str(table[column].iloc[missing[0]]) for column in columns)
            unknown.append(f"{name}: {len(missing)} row(s) name a {kind} that the inputs do not have, first: {first}")
        return np.asarray(found, dtype=np.int64)

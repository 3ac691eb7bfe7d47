"""A plan as tables with labels, and back: positions never leave the process, so inputs may be read anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem

_SLICE = ("day", "hour")
_WORKLOAD = ("demand_hub", "workload_class")

_Label = dict[str, npt.NDArray[Any]]

# The tables that hold the decisions of a plan, with the columns that `plan_from_tables` reads.
PLAN_COLUMNS = {
    "allocation": (*_SLICE, *_WORKLOAD, "data_center", "route", "mtok_per_h"),
    "unserved": (*_SLICE, *_WORKLOAD, "shed_mtok_per_h", "backlog_mtok"),
    "work": (*_SLICE, "workload_class", "data_center", "accelerator", "mtok_per_h"),
    "active_pods": (*_SLICE, "data_center", "accelerator", "active_pods"),
    "pools": ("data_center", "accelerator", "new_pods"),
    "data_centers": ("id", "is_open", "contract_mw"),
    "deployments": ("workload_class", "data_center"),
    "assignments": (*_WORKLOAD, "data_center"),
    "peaks": ("day", "data_center", "peak_mw"),
    "routes": ("route", "demand_hub", "data_center", "nodes"),
}

# Tables of a plan that survives failures; where there is none to survive they are not there.
FAILOVER_COLUMNS = {
    "failover": ("failed", *_SLICE, *_WORKLOAD, "data_center", "nodes", "share"),
    "failover_work": ("failed", *_SLICE, "workload_class", "data_center", "accelerator", "mtok_per_h"),
}


class UnknownLabelError(ValueError):
    """A stored plan names something that the problem does not have; lists the first of each table."""


def plan_tables(problem: PlacementProblem, plan: Plan) -> dict[str, pd.DataFrame]:
    """
    Write the decisions of a plan with labels; rows of zeros are left out.

    Returns
    -------
    dict of DataFrame
        Those of `PLAN_COLUMNS` but data_centers and routes, with further columns: weight_h and rtt_ms in allocation,
        existing_pods in pools. Where failures must be survived, those of `FAILOVER_COLUMNS`, with mtok_per_h in
        failover.
    """
    labels = _labels(problem)
    peak = np.nonzero(plan.peak_mw)
    t, r = np.nonzero(plan.flow_mtok_per_h)
    candidates = problem.candidates.iloc[r]
    waiting_t, w = np.nonzero((plan.shed_mtok_per_h != 0) | (plan.backlog_mtok != 0))
    work_t, x = np.nonzero(plan.work_mtok_per_h)
    active_t, p = np.nonzero(plan.active_pods)
    return {
        "allocation": pd.DataFrame(
            _rows(labels["slice"], t)
            | {"weight_h": problem.weight_h[t]}
            | _rows(labels["workload"], candidates["workload_index"].to_numpy(int))
            | _rows(labels["data_center"], candidates["data_center_index"].to_numpy(int))
            | {
                "route": candidates["route_index"].to_numpy(np.int64),
                "mtok_per_h": plan.flow_mtok_per_h[t, r],
                "rtt_ms": candidates["rtt_ms"].to_numpy(float),
            }
        ),
        "unserved": pd.DataFrame(
            _rows(labels["slice"], waiting_t)
            | _rows(labels["workload"], w)
            | {"shed_mtok_per_h": plan.shed_mtok_per_h[waiting_t, w], "backlog_mtok": plan.backlog_mtok[waiting_t, w]}
        ),
        "work": pd.DataFrame(
            _rows(labels["slice"], work_t)
            | _rows(labels["process"], x)
            | {"mtok_per_h": plan.work_mtok_per_h[work_t, x]}
        ),
        "active_pods": pd.DataFrame(
            _rows(labels["slice"], active_t) | _rows(labels["pool"], p) | {"active_pods": plan.active_pods[active_t, p]}
        ),
        "pools": pd.DataFrame(
            labels["pool"]
            | {"existing_pods": problem.pools["existing_pods"].to_numpy(np.int64), "new_pods": plan.new_pods}
        ),
        "deployments": pd.DataFrame(_rows(labels["deployment"], np.asarray(plan.is_deployed) > 0)),
        "assignments": pd.DataFrame(_rows(labels["assignment"], np.asarray(plan.is_assigned) > 0)),
        "peaks": pd.DataFrame(
            _rows(labels["billing"], peak[0]) | _rows(labels["data_center"], peak[1]) | {"peak_mw": plan.peak_mw[peak]}
        ),
        **_failover_tables(problem, plan, labels),
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


def _failover_tables(problem: PlacementProblem, plan: Plan, labels: Mapping[str, _Label]) -> dict[str, pd.DataFrame]:
    """Who takes over what in each outage; no tables where there is none to survive."""
    if problem.outages.empty:
        return {}
    o, r = np.nonzero(plan.failover_share)
    in_outage, x = np.nonzero(plan.failover_work_mtok_per_h)
    t, w = problem.outages["slice_index"].to_numpy(int)[o], problem.candidates["workload_index"].to_numpy(int)[r]
    share = plan.failover_share[o, r]
    return {
        "failover": pd.DataFrame(
            _rows(labels["outage"], o)
            | _rows(labels["candidate"], r)
            | {"share": share, "mtok_per_h": share * problem.outage_demand_mtok_per_h[t, w]}
        ),
        "failover_work": pd.DataFrame(
            _rows(labels["outage"], in_outage)
            | _rows(labels["process"], x)
            | {"mtok_per_h": plan.failover_work_mtok_per_h[in_outage, x]}
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
    allocation = _with_route_labels(tables["allocation"], tables["routes"])
    tables, labels, unknown = dict(tables) | {"allocation": allocation}, _labels(problem), list[str]()

    def find(table: str, *kinds: str) -> tuple[IntArray, ...]:
        return tuple(_find(labels[kind], kind, table, tables[table], unknown) for kind in kinds)

    flow, unserved = find("allocation", "slice", "candidate"), find("unserved", "slice", "workload")
    work, active = find("work", "slice", "process"), find("active_pods", "slice", "pool")
    (bought,), (center,) = find("pools", "pool"), find("data_centers", "place")
    (deployed,), (assigned,) = find("deployments", "deployment"), find("assignments", "assignment")
    peak = find("peaks", "billing", "data_center")
    has_failover = not problem.outages.empty and FAILOVER_COLUMNS.keys() <= tables.keys()
    share = find("failover", "outage", "candidate") if has_failover else ()
    failover_work = find("failover_work", "outage", "process") if has_failover else ()
    if unknown:
        raise UnknownLabelError("\n".join(unknown))

    # Added, not written: a row stored twice must not pass as one.
    def scatter(shape: tuple[int, ...], at: tuple[IntArray, ...], table: str, column: str) -> FloatArray:
        out = np.zeros(shape)
        np.add.at(out, at, tables[table][column].to_numpy(float))
        return out

    def whole(count: int, at: IntArray, values: pd.Series | float = 1.0) -> IntArray:
        out = np.zeros(count)
        np.add.at(out, at, np.asarray(values, dtype=float))
        return out if (out != np.rint(out)).any() else out.astype(np.int64)  # type: ignore[return-value]

    none, outages = np.zeros((0, 0)), len(problem.outages)
    slices, centers, candidates = len(problem.slices), len(problem.data_centers), len(problem.candidates)
    by_workload, processes = (slices, len(problem.workloads)), len(problem.processes)
    return Plan(
        flow_mtok_per_h=scatter((slices, candidates), flow, "allocation", "mtok_per_h"),
        shed_mtok_per_h=scatter(by_workload, unserved, "unserved", "shed_mtok_per_h"),
        backlog_mtok=scatter(by_workload, unserved, "unserved", "backlog_mtok"),
        work_mtok_per_h=scatter((slices, processes), work, "work", "mtok_per_h"),
        active_pods=scatter((slices, len(problem.pools)), active, "active_pods", "active_pods"),
        new_pods=whole(len(problem.pools), bought, tables["pools"]["new_pods"]),
        is_open=whole(centers, center, tables["data_centers"]["is_open"]),
        is_deployed=whole(len(problem.deployments), deployed),
        is_assigned=whole(len(problem.indivisible_pairs), assigned),
        peak_mw=scatter((len(problem.billing), centers), peak, "peaks", "peak_mw"),
        contract_mw=scatter((centers,), (center,), "data_centers", "contract_mw"),
        failover_share=scatter((outages, candidates), share, "failover", "share") if has_failover else none,
        failover_work_mtok_per_h=(
            scatter((outages, processes), failover_work, "failover_work", "mtok_per_h") if has_failover else none
        ),
    )


def _with_route_labels(allocation: pd.DataFrame, routes: pd.DataFrame) -> pd.DataFrame:
    """Add `nodes`, the label of a route between a demand hub and a data center; "" for a route that is not there."""
    keys = ["route", "demand_hub", "data_center"]
    known = routes[[*keys, "nodes"]].drop_duplicates(keys)
    joined = allocation[[*_SLICE, *_WORKLOAD, "data_center", "route", "mtok_per_h"]].merge(
        known, on=keys, how="left", validate="many_to_one"
    )
    return joined.assign(nodes=joined["nodes"].fillna(""))


def _labels(problem: PlacementProblem) -> dict[str, _Label]:
    """Name the members of each set, in their order: the columns of a label, by the kind of the member."""
    centers = problem.data_centers["id"].to_numpy()
    simple: dict[str, _Label] = {
        "slice": {"day": problem.slices["day"].to_numpy(), "hour": problem.slices["hour"].to_numpy(float)},
        "workload": {name: problem.workloads[name].to_numpy() for name in _WORKLOAD},
        "class": {"workload_class": problem.classes["id"].to_numpy()},
        "data_center": {"data_center": centers},
        "place": {"id": centers},
        "failed": {"failed": centers},
        "accelerator": {"accelerator": problem.accelerators["id"].to_numpy()},
        "route": {"nodes": problem.routes["nodes"].to_numpy()},
        "billing": {"day": problem.billing["day"].to_numpy()},
    }

    def join(members: pd.DataFrame, *kinds: str) -> _Label:
        at = {kind: members[f"{kind}_index"].to_numpy(int) for kind in kinds}
        return {name: values for kind in kinds for name, values in _rows(simple[kind], at[kind]).items()}

    return simple | {
        "candidate": join(problem.candidates, "workload", "data_center", "route"),
        "process": join(problem.processes, "class", "data_center", "accelerator"),
        "pool": join(problem.pools, "data_center", "accelerator"),
        "deployment": join(problem.deployments, "class", "data_center"),
        "assignment": join(problem.indivisible_pairs, "workload", "data_center"),
        "outage": join(problem.outages, "failed", "slice"),
    }


def _rows(label: _Label, at: npt.NDArray[Any]) -> _Label:
    """Labels of some members, by position or by truth value."""
    return {name: values[at] for name, values in label.items()}


def _find(label: _Label, kind: str, name: str, table: pd.DataFrame, unknown: list[str]) -> IntArray:
    """Positions of the members that the rows of a table name; rows with an unknown one are recorded, and are -1."""
    if len(label) == 1:
        ((column, values),) = label.items()
        found = pd.Index(values).get_indexer(pd.Index(table[column].to_numpy()))
    else:
        wanted = pd.MultiIndex.from_arrays([table[column].to_numpy() for column in label])
        found = pd.MultiIndex.from_arrays(list(label.values())).get_indexer(wanted)
    missing = np.flatnonzero(found < 0)
    if len(missing):
        first = ", ".join(str(table[column].iloc[missing[0]]) for column in label)
        unknown.append(f"{name}: {len(missing)} row(s) name a {kind} that the inputs do not have, first: {first}")
    return np.asarray(found, dtype=np.int64)

"""
The outages that a plan must survive, as index tables: what must be taken over, and by which candidates.

Two reductions, both exact, since taking over costs nothing: slices that need no more than another are left out
(`PlacementProblem.outages`), and workloads of one class that reach the same data centers over the same limiting links
are one *call*, named after the first of them; each of them has the same shares of its work taken over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _OutageTables:
    """Index tables of the outages; S = `PlacementProblem.outages`."""

    calls: pd.DataFrame  # outage_index, workload_index (the first of those that the call stands for)
    call_mtok_per_h: FloatArray  # (S, W) what must be taken over for the workloads of a call; 0 where there is no call
    # outage_index, candidate_index (of the call's workload), class_index, data_center_index: who may take over
    reroutes: pd.DataFrame
    deployments: pd.DataFrame  # outage_index, class_index, data_center_index
    processes: pd.DataFrame  # outage_index, class_index, data_center_index, accelerator_index, process_index
    pools: pd.DataFrame  # outage_index, data_center_index, accelerator_index
    centers: pd.DataFrame  # outage_index, data_center_index
    links: pd.DataFrame  # outage_index, link_index: limiting links that a reroute crosses
    reroute_links: pd.DataFrame  # reroute (row of `reroutes`), link_index
    # workload_index, data_center_index: what the workloads with the least reach of each class reach
    reaches: pd.DataFrame
    # (R,) candidate of the call's workload that each candidate goes with, -1 where it is never used
    stands_for: IntArray

    def expand(self, reroute_share: FloatArray) -> FloatArray:
        """Give each candidate the share of the one it goes with."""
        out = np.zeros((len(self.call_mtok_per_h), len(self.stands_for)))
        out[self.reroutes["outage_index"], self.reroutes["candidate_index"]] = reroute_share
        used = self.stands_for >= 0
        out[:, used] = out[:, self.stands_for[used]]
        return out


_TABLES: WeakKeyDictionary[PlacementProblem, _OutageTables] = WeakKeyDictionary()


def outage_tables(problem: PlacementProblem) -> _OutageTables:
    """Index tables of a problem's outages, built once; without rows where it has none to survive."""
    if problem not in _TABLES:
        _TABLES[problem] = _build(problem)
    return _TABLES[problem]


def failover_mtok_per_h(problem: PlacementProblem, failover_share: FloatArray) -> FloatArray:
    """Work out what each candidate takes over in each outage, (S, R); (0, R) if nothing is planned."""
    if not failover_share.size:
        return np.zeros((0, len(problem.candidates)))
    needed = problem.outage_demand_mtok_per_h[problem.outages["slice_index"]]
    return failover_share * needed[:, problem.candidates["workload_index"]]


@cache
def _nothing(*columns: str) -> pd.DataFrame:
    return pd.DataFrame({name: np.zeros(0, np.int64) for name in columns})


def _without_outages(problem: PlacementProblem) -> _OutageTables:
    """Tables without rows: most problems have no others, and empty joins take as long as real ones."""
    places = ("outage_index", "class_index", "data_center_index")
    return _OutageTables(
        calls=_nothing("outage_index", "workload_index"),
        call_mtok_per_h=np.zeros((0, len(problem.workloads))),
        reroutes=_nothing("outage_index", "candidate_index", "class_index", "data_center_index"),
        deployments=_nothing(*places),
        processes=_nothing(*places, "accelerator_index", "process_index"),
        pools=_nothing("outage_index", "data_center_index", "accelerator_index"),
        centers=_nothing("outage_index", "data_center_index"),
        links=_nothing("outage_index", "link_index"),
        reroute_links=_nothing("reroute", "link_index"),
        reaches=_reaches(problem),
        stands_for=np.full(len(problem.candidates), -1),
    )


def _build(problem: PlacementProblem) -> _OutageTables:
    outages = problem.outages
    if outages.empty:
        return _without_outages(problem)
    leader, stands_for = _calls(problem)
    by_call = np.zeros((len(outages), len(problem.workloads)))
    np.add.at(by_call.T, leader, problem.outage_demand_mtok_per_h[outages["slice_index"]].T)
    o, w = np.nonzero(by_call)
    calls = pd.DataFrame({"outage_index": o, "workload_index": w})
    leading = np.flatnonzero(stands_for == np.arange(len(stands_for)))
    of_leader = problem.candidates.iloc[leading][["workload_index", "data_center_index", "route_index"]]
    of_leader = of_leader.assign(candidate_index=leading, class_index=problem.candidate_class[leading])
    reroutes = calls.merge(of_leader, on="workload_index")
    failed = outages["failed_index"].to_numpy()[reroutes["outage_index"]]
    reroutes = reroutes[reroutes["data_center_index"].to_numpy() != failed]
    reroutes = reroutes.sort_values(["outage_index", "candidate_index"], ignore_index=True)
    places = ["outage_index", "class_index", "data_center_index"]
    deployments = reroutes[places].drop_duplicates().sort_values(places, ignore_index=True)
    processes = problem.processes.reset_index(names="process_index").drop(columns="pool_index")
    processes = deployments.merge(processes, on=["class_index", "data_center_index"])
    processes = processes.sort_values([*places, "accelerator_index"], ignore_index=True)
    pools = processes[["outage_index", "data_center_index", "accelerator_index"]].drop_duplicates()
    limiting = np.flatnonzero(problem.links["is_limiting"].to_numpy(bool))
    crossed = problem.route_links[problem.route_links["link_index"].isin(limiting)]
    over = reroutes.reset_index(names="reroute").merge(crossed, on="route_index")
    links = over[["outage_index", "link_index"]].drop_duplicates()
    return _OutageTables(
        calls=calls,
        call_mtok_per_h=by_call,
        reroutes=reroutes[["outage_index", "candidate_index", "class_index", "data_center_index"]],
        deployments=deployments,
        processes=processes[[*places, "accelerator_index", "process_index"]],
        pools=pools.sort_values(list(pools), ignore_index=True),
        centers=pools[["outage_index", "data_center_index"]].drop_duplicates().sort_values(
            ["outage_index", "data_center_index"], ignore_index=True
        ),
        links=links.sort_values(list(links), ignore_index=True),
        reroute_links=over[["reroute", "link_index"]],
        reaches=_reaches(problem),
        stands_for=stands_for,
    )  # fmt: skip


def _calls(problem: PlacementProblem) -> tuple[IntArray, IntArray]:
    """
    Find the workload that leads the call of each workload, (W,), and the candidate that leads each candidate, (R,).

    Of a workload's routes to a data center only those count that cross the fewest limiting links: one that crosses
    all that another does, and more, is never needed.
    """
    candidates = problem.candidates
    leader, stands_for = np.arange(len(problem.workloads)), np.full(len(candidates), -1)
    crossed = _limiting_links(problem)
    ways: dict[int, dict[tuple[int, frozenset[int]], int]] = {}
    columns = (candidates[name].to_numpy(np.int64) for name in ("workload_index", "data_center_index", "route_index"))
    for r, (w, d, route) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        if problem.cannot_wait[w]:
            ways.setdefault(w, {}).setdefault((d, crossed.get(route, frozenset())), r)
    class_index = problem.workloads["class_index"].to_numpy()
    first: dict[tuple[int, frozenset[tuple[int, frozenset[int]]]], int] = {}
    for w, found in sorted(ways.items()):
        needed = {way: r for way, r in found.items() if not any(way[0] == d and links < way[1] for d, links in found)}
        lead = first.setdefault((int(class_index[w]), frozenset(needed)), w)
        leader[w] = lead
        for way, r in needed.items():
            stands_for[r] = ways[lead][way]
    return leader, stands_for


def _reaches(problem: PlacementProblem) -> pd.DataFrame:
    """Find what the workloads that must not wait reach; who reaches all that another of its class does is left out."""
    pairs = problem.pairs[problem.cannot_wait[problem.pairs["workload_index"]]]
    reach: dict[int, set[int]] = {}
    for w, d in zip(pairs["workload_index"].tolist(), pairs["data_center_index"].tolist(), strict=True):
        reach.setdefault(w, set()).add(d)
    class_index = problem.workloads["class_index"].to_numpy()
    least: list[int] = []
    for w in sorted(reach, key=lambda w: len(reach[w])):
        if not any(class_index[v] == class_index[w] and reach[v] <= reach[w] for v in least):
            least.append(w)
    rows = [(w, d) for w in sorted(least) for d in sorted(reach[w])]
    return pd.DataFrame(rows, columns=["workload_index", "data_center_index"], dtype=np.int64)


def _limiting_links(problem: PlacementProblem) -> dict[int, frozenset[int]]:
    """Limiting links of each route that crosses any."""
    limiting = problem.links["is_limiting"].to_numpy(bool)[problem.route_links["link_index"]]
    crossed = problem.route_links[limiting].groupby("route_index")["link_index"]
    return {route: frozenset(links.tolist()) for route, links in crossed}  # type: ignore[misc]

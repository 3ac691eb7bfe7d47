"""
Equation (12), a filter: routes of protected classes must have a second one that shares no fibre with them.

The route itself is given; its fibres are taken away, and the shortest way that is left must keep the limit. That is
exact for "this route has a second, link-disjoint one within the limit". (Which pair of disjoint routes has the shortest
longer one is another question, and a hard one.) Where parallel fibre was merged into one link the second route may use
a fibre that the first one leaves; the data center's access counts for both.
"""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.problem import BoolArray, FloatArray
from optimizer.routes import shortest_chains
from scenarios.schema import Routing, Scenario


def second_rtt_ms(
    graph: nx.Graph, links: pd.DataFrame, routes: pd.DataFrame, wanted: pd.Series, routing: Routing
) -> FloatArray:
    """
    Find the round trip of the shortest route that shares no fibre with each route.

    Parameters
    ----------
    graph
        From `fibre_graph`.
    links
        From `merge_links`: spare_one_way_ms is the latency of a fibre beside the one that the route uses.
    routes
        From `candidate_routes`.
    wanted
        (routes,) True where the answer is needed.
    routing
        The second route has no more links than any route may.

    Returns
    -------
    ndarray
        (routes,) ms; inf where there is none, or where it was not wanted.
    """
    spare_ms = links["spare_one_way_ms"].to_numpy(float)
    out = np.full(len(routes), np.inf)
    access_ms = (routes["rtt_ms"] - 2 * routes["one_way_ms"]).to_numpy(float)
    for route in np.flatnonzero(wanted.to_numpy(bool)).tolist():
        nodes = str(routes["nodes"].iloc[route]).split(">")
        left = graph.copy()
        for pair in pairwise(nodes):
            spare = spare_ms[graph.edges[pair]["link"]]
            if np.isfinite(spare):
                left.edges[pair]["one_way_ms"] = spare
            else:
                left.remove_edge(*pair)
        chain = shortest_chains(left, nodes[0], routing.max_links).get(nodes[-1])
        if chain is not None:
            out[route] = 2 * nx.path_weight(left, chain, "one_way_ms") + access_ms[route]
    return out


def add_second_routes(
    reachable: pd.DataFrame, graph: nx.Graph, links: pd.DataFrame, routes: pd.DataFrame, scenario: Scenario
) -> pd.DataFrame:
    """
    Add to what is reachable whether a second route keeps the limit, where the class asks for one.

    Parameters
    ----------
    reachable
        workload_class, route_index, rtt_limit_ms, is_in_time.
    graph, links, routes
        As for `second_rtt_ms`.
    scenario
        Says which classes ask for a second route.

    Returns
    -------
    DataFrame
        With second_rtt_ms (inf where there is no second route, or none is asked for), has_second, and is_protected:
        False where a second route is required and there is none.
    """
    rule = _rules(reachable, scenario)
    asked = reachable.loc[(rule != "none") & reachable["is_in_time"].to_numpy(bool), "route_index"]
    wanted = pd.Series(routes.index.isin(asked), index=routes.index)
    second = second_rtt_ms(graph, links, routes, wanted, scenario.routing)[reachable["route_index"].to_numpy(int)]
    has_second = np.isfinite(second) & (second <= reachable["rtt_limit_ms"].to_numpy(float))
    return reachable.assign(second_rtt_ms=second, has_second=has_second, is_protected=(rule != "required") | has_second)


def keep_protected(reachable: pd.DataFrame, scenario: Scenario) -> BoolArray:
    """
    Say which rows count: those with a second route, where one is required, or preferred and possible.

    Parameters
    ----------
    reachable
        From `add_second_routes`, with is_allowed by the residency rules.
    scenario
        Says which classes ask for a second route.
    """
    rule = _rules(reachable, scenario)
    return np.asarray(reachable["has_second"].to_numpy(bool) | ~_is_bound(reachable, rule, scenario))


def protected_workloads(reachable: pd.DataFrame, scenario: Scenario, count: int) -> BoolArray:
    """
    Say which workloads use routes with a second one only, (W,); (0,) if no class asks for it.

    Parameters
    ----------
    reachable
        As for `keep_protected`.
    scenario
        Says which classes ask for a second route.
    count
        Number of workloads.
    """
    rule = _rules(reachable, scenario)
    out = np.zeros(count, np.bool_)
    out[reachable["workload_index"].to_numpy(int)[_is_bound(reachable, rule, scenario)]] = True
    return out if (rule != "none").any() else np.zeros(0, np.bool_)


def _rules(reachable: pd.DataFrame, scenario: Scenario) -> npt.NDArray[np.str_]:
    of_class = {k: item.second_route for k, item in scenario.workload_classes.items()}
    return reachable["workload_class"].map(of_class).to_numpy(str)


def _is_bound(reachable: pd.DataFrame, rule: npt.NDArray[np.str_], scenario: Scenario) -> BoolArray:
    """
    Whether a row's workload must use routes with a second one: it is required, or preferred and possible.

    Possible means: to a data center, or to two of them where the loss of one must be survived.
    """
    enough = 1 if scenario.resilience.survive == "none" else 2
    fits = (reachable["has_second"] & reachable["is_in_time"] & reachable["is_allowed"]).to_numpy(bool)
    offers = reachable[fits].groupby("workload_index")["data_center_index"].nunique()
    is_possible = offers.reindex(reachable["workload_index"], fill_value=0).to_numpy() >= enough
    return np.asarray((rule == "required") | ((rule == "preferred") & is_possible))


def explain_unprotected(within: pd.DataFrame) -> tuple[str, str]:
    """
    Say why a workload that reaches data centers in time has no candidate: problem and remedy.

    Parameters
    ----------
    within
        Its rows within limit and residency rule, none of them protected: second_rtt_ms, rtt_limit_ms.
    """
    count = within["data_center_index"].nunique()
    where = (
        f"reaches {count} data center(s) within its limit, but none of them over a second route that shares no fibre"
    )
    if not np.isfinite(within["second_rtt_ms"]).any():
        return (
            f"{where}: there is no second route at all",
            "Add links, or set second_route of the class to preferred.",
        )
    second_ms, limit_ms = within["second_rtt_ms"].to_numpy(float), within["rtt_limit_ms"].to_numpy(float)
    best = int((second_ms - limit_ms).argmin())
    over_ms = second_ms[best] - limit_ms[best]
    problem = f"{where}: the best second route takes {second_ms[best]:.2f} ms, {over_ms:.2f} ms too long"
    return problem, "Raise rtt_limit_ms of the class, add links, or set its second_route to preferred."

"""A problem with the candidates that its limits keep out: by how many ms, and by which rule of the class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from network_data.load import Network
from optimizer.assemble import limiting_links
from optimizer.problem import FloatArray, IntArray, PlacementProblem, no_routes_left_out
from optimizer.residency import residency_mask
from scenarios.schema import Scenario

# Looser rules in order, each of which admits all that the one before admits. A preferring rule already falls back to
# the same country, but only for workloads that have nothing nearer.
_LOOSER = {
    "province": ("region", "national", "none"),
    "region": ("national", "none"),
    "province_preferred": ("national", "none"),
    "region_preferred": ("national", "none"),
    "national": ("none",),
    "none": (),
}


_ORDER = ["workload_index", "data_center_index", "route_index"]


@dataclass(frozen=True, eq=False)
class Rule:
    """
    A key of the workload classes that keeps candidates out.

    Attributes
    ----------
    key
        Name of the key.
    now
        (K) value of each class.
    steps
        (K) looser values of each class, loosest last.
    needed
        (R,) number of steps that a candidate needs; 0 = it is allowed.
    """

    key: str
    now: tuple[Any, ...]
    steps: tuple[tuple[Any, ...], ...]
    needed: IntArray


@dataclass(frozen=True, eq=False)
class Reach:
    """
    A problem with candidates beyond its limits.

    Attributes
    ----------
    problem
        As given, with further candidates.
    over_ms
        (R,) by how much a candidate exceeds the RTT limit of its class; 0 within it.
    rules
        Rules that candidates break.
    may_add_pods
        (P,) pools of accelerators that may be bought by kind, whether any may be bought or not; None = all.
    """

    problem: PlacementProblem
    over_ms: FloatArray
    rules: tuple[Rule, ...]
    may_add_pods: npt.NDArray[np.bool_] | None = None

    @property
    def is_beyond(self) -> npt.NDArray[np.bool_]:
        """(R,) candidates that some limit keeps out."""
        broken = [rule.needed > 0 for rule in self.rules]
        return np.asarray(np.logical_or.reduce([self.over_ms > 0, *broken]), bool)


def reach_of_problem(problem: PlacementProblem) -> Reach:
    """
    Add the candidates that the RTT limit alone keeps out.

    What a rule of the class bars stays out: the problem does not know the rule.

    Parameters
    ----------
    problem
        The problem.
    """
    every = _every_route(problem)
    every = every[~(every["is_barred"] | every["is_unprotected"]).to_numpy(bool)]
    return Reach(with_candidates(problem, every), every["late_ms"].to_numpy(float), ())


def reach_of_scenario(network: Network, scenario: Scenario, problem: PlacementProblem) -> Reach:
    """
    Add the candidates that RTT limits and rules of the classes keep out.

    Parameters
    ----------
    network, scenario
        What the problem was assembled from.
    problem
        The problem; workloads without any candidate are welcome.
    """
    items = {k: scenario.workload_classes[k] for k in problem.classes["id"]}
    every = _every_route(problem)
    looser: dict[str, dict[str, tuple[Any, ...]]] = {
        "residency": {k: _LOOSER[item.residency] for k, item in items.items()},
        "allowed_regions": {k: () if item.allowed_regions is None else (None,) for k, item in items.items()},
    }
    rules = tuple(_rule(network, scenario, every, key, steps) for key, steps in looser.items() if any(steps.values()))
    # A preferring rule admits what it would not admit with all limits lifted; and what none of these rules bars is
    # barred by one that is not known here.
    barred = every["is_barred"].to_numpy(bool)
    known = np.logical_or.reduce([~barred, *(rule.needed > 0 for rule in rules)])
    rules = tuple(replace(rule, needed=np.where(barred, rule.needed, 0)) for rule in rules)
    unprotected = every["is_unprotected"].to_numpy(bool)
    if unprotected.any():
        asked = tuple(item.second_route for item in items.values())
        steps = tuple(("none",) if value != "none" else () for value in asked)
        rules += (Rule("second_route", asked, steps, unprotected.astype(np.int64)),)
    rules = tuple(replace(rule, needed=rule.needed[known]) for rule in rules)
    every = every[known]
    table = network.accelerators.loc[problem.accelerators["id"]]
    may_buy = {
        "any": np.ones(len(table), bool),
        "uncontrolled": ~table["export_controlled"].to_numpy(bool),
        "domestic": table["domestic"].to_numpy(bool),
    }[scenario.fleet.purchase]
    may_add = may_buy[problem.pools["accelerator_index"].to_numpy(int)]
    return Reach(with_candidates(problem, every), every["late_ms"].to_numpy(float), rules, may_add)


def within_limits(reach: Reach) -> Reach:
    """
    Leave the candidates beyond the limits out again.

    Parameters
    ----------
    reach
        The problem with candidates beyond its limits.
    """
    problem = with_candidates(reach.problem, reach.problem.candidates[~reach.is_beyond])
    return Reach(problem, np.zeros(len(problem.candidates)), (), reach.may_add_pods)


def with_candidates(problem: PlacementProblem, candidates: pd.DataFrame) -> PlacementProblem:
    """
    Replace the candidates of a problem; links that can bind are found again.

    Parameters
    ----------
    problem
        The problem.
    candidates
        workload_index, data_center_index, route_index, rtt_ms, network_cny_per_mtok; sorted by these.
    """
    table = candidates[list(problem.candidates.columns)].reset_index(drop=True)
    is_limiting = limiting_links(
        problem.links, problem.route_links, table, problem.workloads, problem.classes, problem.servable_mtok_per_h
    )
    links = problem.links.assign(is_limiting=is_limiting)
    return replace(problem, candidates=table, links=links, left_out=no_routes_left_out())


def _every_route(problem: PlacementProblem) -> pd.DataFrame:
    """Candidates and routes left out together, with demand_hub and workload_class."""
    candidates = problem.candidates.assign(late_ms=0.0, is_barred=False, is_unprotected=False)
    parts = [part for part in (candidates, problem.left_out[list(candidates.columns)]) if len(part)]
    table = pd.concat(parts) if parts else candidates
    table = table.sort_values(_ORDER, ignore_index=True)
    workloads = problem.workloads[["demand_hub", "workload_class"]].iloc[table["workload_index"]]
    return pd.concat([table, workloads.reset_index(drop=True)], axis=1)


def _rule(
    network: Network, scenario: Scenario, every: pd.DataFrame, key: str, steps: dict[str, tuple[Any, ...]]
) -> Rule:
    """Find how many steps of one rule each row needs, with every other rule and limit lifted."""
    centers = network.data_centers.reset_index()
    in_time = np.ones(len(every), bool)
    needed = np.zeros(len(every), np.int64)
    lifted = {"residency": "none", "allowed_regions": None}
    classes = {k: scenario.workload_classes[k].model_copy(update=lifted) for k in steps}
    for step in range(max(map(len, steps.values())) + 1):
        for k, looser in steps.items():
            if looser:
                value = getattr(scenario.workload_classes[k], key) if step == 0 else looser[min(step, len(looser)) - 1]
                classes[k] = classes[k].model_copy(update={key: value})
        allowed = residency_mask(network.nodes, centers, classes, every, in_time)
        needed += (needed == step) & ~allowed
    now = tuple(getattr(scenario.workload_classes[k], key) for k in steps)
    return Rule(key, now, tuple(steps.values()), needed)

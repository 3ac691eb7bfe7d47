"""The limits that have a price: what one step more of each is, and which things have such a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer.problem import PlacementProblem
from optimizer.units import CNY_PER_MCNY

# A share that is lowered stays above zero: at zero the limit would not be in the model any more.
LEAST_SHARE = 1e-9
TRIES = (10,)


@dataclass(frozen=True)
class Thing:
    """
    Something that has a limit.

    Attributes
    ----------
    variant
        Number of the move that concerns it: things whose rows cannot be told apart by their labels need a move each.
    index
        Of its rows, under the labels of its limit.
    ids, names
        What it is called.
    """

    variant: int
    index: tuple[int, ...]
    ids: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Limit:
    """
    A number of the inputs that can be moved.

    Attributes
    ----------
    kind, unit
        Of its price.
    step
        How much is added, in the limit's own unit.
    words
        The step in words, with places for the names of the thing.
    labels
        Of the rows that move: what tells things of one variant apart.
    things
        Everything that has such a limit.
    move
        Adds a step for every thing of a variant at once.
    moves_right_side
        Whether nothing but right sides changes, the integers being held.
    tries
        Numbers of steps tried, to see how far the price holds.
    """

    kind: str
    unit: str
    step: float
    words: str
    labels: tuple[str, ...]
    things: Callable[[PlacementProblem], list[Thing]]
    move: Callable[[PlacementProblem, int], PlacementProblem]
    moves_right_side: bool = True
    tries: tuple[int, ...] = TRIES


def every_center(problem: PlacementProblem) -> list[Thing]:
    """Every data center."""
    ids, names = (problem.data_centers[column].to_numpy(str) for column in ("id", "name"))
    return [Thing(0, (d,), (ids[d],), (names[d],)) for d in range(len(ids))]


def every_pool(problem: PlacementProblem) -> list[Thing]:
    """Every pool, in their order; its accelerator is the variant."""
    centers, accelerators = problem.data_centers, problem.accelerators
    return [
        Thing(
            int(a), (int(d),), (str(centers["id"].iloc[d]), str(accelerators["id"].iloc[a])),
            (str(centers["name"].iloc[d]), str(accelerators["name"].iloc[a])),
        )
        for d, a in problem.pools[["data_center_index", "accelerator_index"]].to_numpy(int)
    ]  # fmt: skip


def _limiting_links(problem: PlacementProblem) -> list[Thing]:
    ids = problem.links["id"].to_numpy(str)
    limiting = np.flatnonzero(problem.links["is_limiting"].to_numpy(bool)).tolist()
    return [Thing(0, (link,), (ids[link],), (ids[link],)) for link in limiting]


def _regions(problem: PlacementProblem) -> list[Thing]:
    return [Thing(number, (), (name,), (name,)) for number, name in enumerate(problem.policy.regions)]


def _only_if(name: str) -> Callable[[PlacementProblem], list[Thing]]:
    """Tell whether the plan as a whole has a limit."""
    return lambda problem: [Thing(0, (), ("plan",), ("the plan",))] if getattr(problem.policy, name) else []


def _more_power(problem: PlacementProblem, _: int) -> PlacementProblem:
    centers = problem.data_centers
    return replace(problem, data_centers=centers.assign(it_capacity_mw=centers["it_capacity_mw"] + 1.0))


def _more_pods(problem: PlacementProblem, accelerator: int) -> PlacementProblem:
    pools = problem.pools
    more = (pools["accelerator_index"] == accelerator).astype(np.int64)
    return replace(problem, pools=pools.assign(existing_pods=pools["existing_pods"] + more))


def _more_capacity(problem: PlacementProblem, _: int) -> PlacementProblem:
    links = problem.links
    return replace(problem, links=links.assign(capacity_gbps=links["capacity_gbps"] + 100.0))


def _policy_plus(name: str, amount: float) -> Callable[[PlacementProblem, int], PlacementProblem]:
    def move(problem: PlacementProblem, _: int) -> PlacementProblem:
        changes: dict[str, Any] = {name: max(LEAST_SHARE, getattr(problem.policy, name) + amount)}
        return replace(problem, policy=replace(problem.policy, **changes))

    return move


def _less_in_region(problem: PlacementProblem, number: int) -> PlacementProblem:
    policy = problem.policy
    region = policy.regions[number]
    shares = {**policy.min_region_share, region: max(LEAST_SHARE, policy.min_region_share[region] - 0.01)}
    return replace(problem, policy=replace(policy, min_region_share=shares))


LIMITS = (
    Limit(
        "it_power", "CNY per year and MW", 1.0, "1 MW more of IT power at {}", ("data_center",),
        every_center, _more_power,
    ),
    Limit(
        "existing_pod", "CNY per year and pod", 1.0, "1 more pod of {1} in place at {0}", ("data_center",),
        every_pool, _more_pods,
    ),
    Limit(
        "link", "CNY per year and 100 Gbps", 100.0, "100 Gbps more on link {}", ("link",),
        _limiting_links, _more_capacity,
    ),
    Limit(
        "carbon_cap", "CNY per year and t CO2", 1.0, "1 t more of CO2 under the cap", (),
        _only_if("carbon_cap_t_per_year"), _policy_plus("carbon_cap_t_per_year", 1.0), tries=(1000, 100_000),
    ),
    Limit(
        "spending_limit", "CNY per year and million CNY per year", 1.0, "1 million CNY more of yearly budget", (),
        _only_if("spending_limit_cny_per_year"), _policy_plus("spending_limit_cny_per_year", CNY_PER_MCNY),
        tries=(10, 100),
    ),
    Limit(
        "region_share", "CNY per year and percentage point", 1.0,
        "a least share of {} that is 1 percentage point lower", (),
        _regions, _less_in_region, moves_right_side=False,
    ),
    Limit(
        "green_share", "CNY per year and percentage point", 1.0,
        "a least share of green power that is 1 percentage point lower", (),
        _only_if("min_green_share"), _policy_plus("min_green_share", -0.01), moves_right_side=False,
    ),
    Limit(
        "utilization", "CNY per year and percentage point", 1.0,
        "a least utilization that is 1 percentage point lower", (),
        _only_if("min_utilization_share"), _policy_plus("min_utilization_share", -0.01),
    ),
)  # fmt: skip

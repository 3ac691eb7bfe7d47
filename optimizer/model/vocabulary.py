"""
The model's vocabulary: every set, parameter and variable with its index, unit, meaning and origin, declared once.

A set or parameter needs nothing but its entry here: `data.model_data` fills it from the problem. The facts that are
known of an equation and of a cost component stand on `Equation` and `CostComponent`, which `equations` makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.model.outages import outage_tables
from optimizer.problem.problem import FloatArray, PlacementProblem, runs_of_positions
from optimizer.units import CNY_PER_MCNY

Kind = Literal["continuous", "integer", "binary"]

# Pyomo's component access is dynamic: `m` is a model with the components declared here, results are expressions.
Model = Any
Expression = Any


@dataclass(frozen=True)
class SetDeclaration:
    """A set of index tuples; with `owner`, a family of sets, one per member of the owner."""

    name: str
    # What each place of the index tuple stands for. The first index of a region or of the plan has no table.
    labels: tuple[str, ...]
    meaning: str
    # From the problem: a number n for 0..n-1, a mask, positions, or a table with a column `<label>_index` for each
    # label (in a family also for those of the owner; rows of owners that are not in their set are left out).
    members: Callable[
        [PlacementProblem], int | npt.NDArray[Any] | pd.Series | pd.DataFrame | dict[str, npt.NDArray[np.int64]]
    ]
    owner: str | None = None

    @property
    def dimen(self) -> int:
        """Length of the index tuples."""
        return len(self.labels)


@dataclass(frozen=True)
class ParameterDeclaration:
    """
    A number for every member of the product of its sets.

    Attributes
    ----------
    values
        From the problem, the time axis first. Without it the parameter is what has its name: an attribute of the
        problem, else a column of the table of its index (of pools, for a data center and an accelerator).
    points_to
        The set that its values are positions in; None for numbers.
    """

    name: str
    index: tuple[str, ...]
    unit: str
    meaning: str
    values: Callable[[PlacementProblem], npt.ArrayLike] | None = None
    points_to: str | None = None


@dataclass(frozen=True)
class _VariableDeclaration:
    """A decision for every member of the product of its sets; `upper` names the parameter that bounds it."""

    name: str
    index: tuple[str, ...]
    unit: str
    meaning: str
    kind: Kind = "continuous"
    upper: str | None = None


class Obstacle(NamedTuple):
    """What is said of an equation that keeps work out of a data center: kind of the reason, and words."""

    kind: str
    words: str


@dataclass(frozen=True)
class Equation:
    """
    A constraint family, and all that is known of it.

    Attributes
    ----------
    rule
        Builds one row of it.
    over
        Sets it runs over; the labels of the first say what a row belongs to.
    number
        In docs/formulation.md.
    kind
        balance: what comes in goes out, and its dual is passed on along the way of a token; coupling: ties decisions to
        each other; limit: holds a plan to a number of the inputs, which its dual prices; tightening: follows from the
        others for whole decisions.
    unit
        Of its two sides.
    price_of
        What its dual is the price of, in words.
    lever
        Kind of the change that loosens it (`infeasibility.levers`); "" if it says what a plan is, not what it may do.
    obstacle
        How it keeps work out of a data center; None where its price has no words of its own.
    """

    rule: Callable[..., Expression]
    over: tuple[str, ...]
    number: str
    kind: Literal["balance", "coupling", "limit", "tightening"]
    unit: str
    price_of: str
    lever: str = ""
    obstacle: Obstacle | None = None

    @property
    def name(self) -> str:
        """Name of the rule, and of the Pyomo component and the matrix rows made from it."""
        return self.rule.__name__

    @property
    def labels(self) -> tuple[str, ...]:
        """What each place of the index of a row stands for, its time slice apart."""
        return LABELS[self.over[0]]


@dataclass(frozen=True)
class CostComponent:
    """A part of the objective, in CNY per year."""

    rule: Callable[[Model], Expression]  # Builds it; its name is that of the component and `_cost`
    words: str  # What people call it
    is_spent: bool = False  # Whether it counts as yearly spending of the data centers (10f)

    @property
    def name(self) -> str:
        """Id in tables and files."""
        return self.rule.__name__.removesuffix("_cost")


def _flag(table: pd.DataFrame, name: str) -> npt.NDArray[np.bool_]:
    return table[name].to_numpy(bool)


def _is_charged(p: PlacementProblem) -> npt.NDArray[np.bool_]:
    return p.data_centers["demand_charge_cny_per_kw_month"].to_numpy(float) > 0


def _of_classes(p: PlacementProblem, is_meant: npt.ArrayLike) -> pd.DataFrame:
    """Deployments of some classes."""
    return p.deployments[np.asarray(is_meant)[p.deployments["class_index"]]]


def _limited_classes(p: PlacementProblem) -> npt.NDArray[np.bool_]:
    reached = np.bincount(p.deployments["class_index"], minlength=len(p.classes))
    return p.classes["max_sites"].to_numpy() < reached


def _one_if(is_demanded: bool) -> int:  # noqa: FBT001 - reads as a sentence
    """One member where the scenario demands something, else none, so that no row is made."""
    return int(is_demanded)


def _equipped_if(p: PlacementProblem, is_demanded: bool) -> npt.NDArray[np.int64]:  # noqa: FBT001 - as above
    """List data centers with pools, or none."""
    return np.unique(p.pools["data_center_index"].to_numpy(np.int64)[: len(p.pools) if is_demanded else 0])


def _candidates(p: PlacementProblem) -> dict[str, npt.NDArray[np.int64]]:
    places = ("workload_index", "data_center_index")
    table = {name: p.candidates[name].to_numpy(np.int64) for name in places}
    return {**table, "class_index": p.candidate_class, "candidate_index": np.arange(len(p.candidates))}


def _crossed_links(p: PlacementProblem) -> dict[str, npt.NDArray[np.int64]]:
    # Few links are limiting, or none, and routes cross many.
    link = p.route_links["link_index"].to_numpy(np.int64)
    is_meant = _flag(p.links, "is_limiting")[link]
    link, route = link[is_meant], p.route_links["route_index"].to_numpy(np.int64)[is_meant]
    of_candidate = p.candidates["route_index"].to_numpy(np.int64)
    order = np.argsort(of_candidate, kind="stable")
    first, end = (np.searchsorted(of_candidate[order], route, side) for side in ("left", "right"))
    count = end - first
    return {"link_index": np.repeat(link, count), "candidate_index": order[runs_of_positions(first, count)]}


def _processes_by_region(p: PlacementProblem) -> pd.DataFrame:
    position = {name: number for number, name in enumerate(p.policy.regions)}
    region = p.data_centers["region"].map(position).fillna(len(position)).to_numpy(np.int64)
    return p.processes.assign(region_index=region[p.processes["data_center_index"]])


def _pools_by_group(p: PlacementProblem) -> pd.DataFrame:
    """List the pools of each group with a least share of new compute; a data center may be in several groups."""
    centers = p.data_centers
    parts = []
    for number, name in enumerate(p.policy.new_compute_groups):
        is_inside = ((centers["region"] == name) | (centers["category"] == name)).to_numpy(bool)
        parts.append(p.pools[is_inside[p.pools["data_center_index"]]].assign(group_index=number))
    return pd.concat(parts) if parts else p.pools.head(0).assign(group_index=0)


def _reroutes(p: PlacementProblem) -> pd.DataFrame:
    reroutes = outage_tables(p).reroutes
    workload = p.candidates["workload_index"].to_numpy(np.int64)
    return reroutes.assign(workload_index=workload[reroutes["candidate_index"].to_numpy(np.int64)])


def _reroutes_over(p: PlacementProblem) -> pd.DataFrame:
    crossing = outage_tables(p).reroute_links
    return _reroutes(p).iloc[crossing["reroute"]].assign(link_index=crossing["link_index"].to_numpy(np.int64))


def _latency_cny_per_mtok(p: PlacementProblem) -> FloatArray:
    value = p.classes["latency_cny_per_ms_per_mtok"].to_numpy(float)[p.candidate_class]
    return np.asarray(value * p.candidates["rtt_ms"].to_numpy(float))


def by_pool(p: PlacementProblem, values: pd.Series) -> FloatArray:
    """Spread a column (P,) of the pools over data centers and accelerators, (D, A)."""
    matrix = np.zeros((len(p.data_centers), len(p.accelerators)))
    matrix[p.pools["data_center_index"], p.pools["accelerator_index"]] = values.to_numpy(float)
    return matrix


def _investment_mcny(p: PlacementProblem) -> FloatArray:
    return (by_pool(p, p.pools["pod_cny"]) + by_pool(p, p.pools["site_cny"])) / CNY_PER_MCNY


def _most_work_mtok_per_h(p: PlacementProblem, pairs: pd.DataFrame) -> FloatArray:
    """Most of its class that can be served in one slice at each of some (k, d)."""
    most = p.servable_mtok_per_h.max(axis=0, initial=0.0)
    in_reach = np.zeros((len(p.classes), len(p.data_centers)))
    np.add.at(in_reach, (p.pairs["class_index"], p.pairs["data_center_index"]), most[p.pairs["workload_index"]])
    return np.asarray(in_reach[pairs["class_index"], pairs["data_center_index"]])


def _filling_processes(p: PlacementProblem) -> pd.DataFrame:
    """List processes whose class could use more than the pods in place."""
    processes, accelerators = p.processes, p.accelerators
    accelerator = processes["accelerator_index"].to_numpy()
    existing = p.pools["existing_pods"].to_numpy(float)[processes["pool_index"]]
    per_pod = accelerators["accelerators_per_pod"].to_numpy(float)[accelerator]
    busy = p.accel_h_per_mtok[processes["class_index"], accelerator] * _most_work_mtok_per_h(p, processes)
    fills: pd.DataFrame = processes[(existing > 0) & (busy > p.utilization_limit_share * per_pod * existing)]
    return fills


def _filling_deployments(p: PlacementProblem) -> pd.DataFrame:
    """List deployments whose class could use more than the IT power of the data center."""
    accelerators, processes = p.accelerators, p.processes
    per_pod = p.utilization_limit_share * accelerators["accelerators_per_pod"].to_numpy(float)
    mw = accelerators["idle_mw_per_pod"].to_numpy(float) / per_pod
    mw = (mw + accelerators["dynamic_mw_per_accelerator"].to_numpy(float)) * p.accel_h_per_mtok
    most = np.zeros((len(p.classes), len(p.data_centers)))
    k, d = processes["class_index"].to_numpy(), processes["data_center_index"].to_numpy()
    np.maximum.at(most, (k, d), mw[k, processes["accelerator_index"]])
    needs = most[p.deployments["class_index"], p.deployments["data_center_index"]]
    needs = needs * _most_work_mtok_per_h(p, p.deployments)
    capacity = p.data_centers["it_capacity_mw"].to_numpy(float)[p.deployments["data_center_index"]]
    return p.deployments[needs > capacity]


def _goal(limit: float | None, unit: float = 1.0) -> list[float]:
    """(1,) a limit on the plan in another unit, (0,) without one."""
    return [] if limit is None else [limit / unit]


SETS = (
    SetDeclaration("SLICES", ("slice",), "time slices t", lambda p: len(p.slices)),
    SetDeclaration("BILLING", ("billing",), "billing periods b", lambda p: len(p.billing)),
    SetDeclaration("CLASSES", ("class",), "workload classes k", lambda p: len(p.classes)),
    SetDeclaration("WORKLOADS", ("workload",), "workloads w", lambda p: len(p.workloads)),
    SetDeclaration("DATA_CENTERS", ("data_center",), "data centers d", lambda p: len(p.data_centers)),
    SetDeclaration("ACCELERATORS", ("accelerator",), "accelerators a", lambda p: len(p.accelerators)),
    SetDeclaration("LINKS", ("link",), "links", lambda p: len(p.links)),
    SetDeclaration("CANDIDATES", ("candidate",), "candidates r", lambda p: len(p.candidates)),
    SetDeclaration(
        "URGENT", ("workload",), "workloads served in the hour they arise",
        lambda p: ~_flag(p.workloads, "is_deferrable"),
    ),
    SetDeclaration(
        "DEFERRABLE", ("workload",), "workloads that may wait inside their window",
        lambda p: _flag(p.workloads, "is_deferrable"),
    ),
    SetDeclaration(
        "INDIVISIBLE", ("workload",), "workloads that must use a single data center",
        lambda p: _flag(p.workloads, "is_indivisible"),
    ),
    SetDeclaration("PAIRS", ("workload", "data_center"), "(w, d) joined by a candidate", lambda p: p.pairs),
    SetDeclaration(
        "INDIVISIBLE_PAIRS", ("workload", "data_center"), "(w, d) of indivisible workloads",
        lambda p: p.indivisible_pairs,
    ),
    SetDeclaration("DEPLOYMENTS", ("class", "data_center"), "(k, d) joined by a candidate", lambda p: p.deployments),
    SetDeclaration(
        "MIN_SHARE_DEPLOYMENTS", ("class", "data_center"), "(k, d) of classes with a minimum share",
        lambda p: _of_classes(p, p.classes["min_share"] > 0),
    ),
    SetDeclaration(
        "LOADED_DATA_CENTERS", ("data_center",),
        "data centers that a class with a least number of accelerators reaches",
        lambda p: np.unique(_of_classes(p, p.min_accelerators > 0)["data_center_index"]),
    ),
    SetDeclaration(
        "LIMITED_CLASSES", ("class",), "classes with fewer sites allowed than data centers reached", _limited_classes,
    ),
    SetDeclaration(
        "POOLS", ("data_center", "accelerator"), "(d, a) with accelerators present or purchasable", lambda p: p.pools,
    ),
    SetDeclaration(
        "MIN_PODS_POOLS", ("data_center", "accelerator"), "(d, a) with a minimum number of pods",
        lambda p: p.pools[p.pools["min_pods"] > 0],
    ),
    SetDeclaration(
        "PROCESSES", ("class", "data_center", "accelerator"), "(k, d, a) in which class k can be processed",
        lambda p: p.processes,
    ),
    SetDeclaration(
        "FILLING_PROCESSES", ("class", "data_center", "accelerator"),
        "(k, d, a) in which class k could use more than the pods in place", _filling_processes,
    ),
    SetDeclaration(
        "FILLING_DEPLOYMENTS", ("class", "data_center"), "(k, d) in which class k could use more than the IT power",
        _filling_deployments,
    ),
    SetDeclaration(
        "LIMITING_LINKS", ("link",), "links whose capacity some plan could exceed",
        lambda p: _flag(p.links, "is_limiting"),
    ),
    SetDeclaration(
        "PEAK_BILLED", ("data_center",), "data centers that pay a demand charge on the peak of each billing period",
        lambda p: _is_charged(p) & ~p.is_contracted,
    ),
    SetDeclaration(
        "POWER_OPENED", ("data_center",), "data centers whose opening costs by their highest power of the year",
        lambda p: p.data_centers["opening_cny_per_mw_year"].to_numpy(float) > 0,
    ),
    SetDeclaration(
        "YEAR_PEAKED", ("data_center",), "data centers that pay for their highest power of the year",
        lambda p: (_is_charged(p) & p.is_contracted) | (p.data_centers["opening_cny_per_mw_year"].to_numpy(float) > 0),
    ),
    SetDeclaration(
        "CONTRACT_BILLED", ("data_center",), "data centers that pay a demand charge on contracted power",
        lambda p: _is_charged(p) & p.is_contracted,
    ),
    SetDeclaration(
        "REGIONS", ("region",), "regions g with a least share of the tokens", lambda p: len(p.policy.regions),
    ),
    SetDeclaration(
        "NEW_COMPUTE_GROUPS", ("group",), "groups g of data centers with a least share of new compute",
        lambda p: len(p.policy.new_compute_groups),
    ),
    SetDeclaration(
        "GREEN_GOALS", ("plan",), "one member where a green share is demanded, else none",
        lambda p: _one_if(p.policy.min_green_share > 0),
    ),
    SetDeclaration(
        "GREEN_CENTERS", ("data_center",), "data centers that count towards a green share",
        lambda p: _equipped_if(p, p.policy.min_green_share > 0),
    ),
    SetDeclaration(
        "CARBON_CAPS", ("plan",), "one member where emissions are capped, else none",
        lambda p: _one_if(p.policy.carbon_cap_t_per_year is not None),
    ),
    SetDeclaration(
        "BUSY_CENTERS", ("data_center",), "data centers with a least utilization",
        lambda p: _equipped_if(p, p.policy.min_utilization_share > 0),
    ),
    SetDeclaration(
        "INVESTMENT_LIMITS", ("plan",), "one member where investment is limited, else none",
        lambda p: _one_if(p.policy.investment_limit_cny is not None),
    ),
    SetDeclaration(
        "SPENDING_LIMITS", ("plan",), "one member where yearly spending is limited, else none",
        lambda p: _one_if(p.policy.spending_limit_cny_per_year is not None),
    ),
    SetDeclaration("CANDIDATES_OF_WORKLOAD", ("candidate",), "candidates of w", _candidates, owner="WORKLOADS"),
    SetDeclaration("CANDIDATES_OF_PAIR", ("candidate",), "candidates of (w, d)", _candidates, owner="PAIRS"),
    SetDeclaration(
        "CANDIDATES_OF_DEPLOYMENT", ("candidate",), "candidates of class k to d", _candidates, owner="DEPLOYMENTS",
    ),
    SetDeclaration(
        "CANDIDATES_OF_LINK", ("candidate",), "candidates whose route uses the link", _crossed_links,
        owner="LIMITING_LINKS",
    ),
    SetDeclaration("ACCELERATORS_OF", ("accelerator",), "accelerators of d", lambda p: p.pools, owner="DATA_CENTERS"),
    SetDeclaration(
        "ACCELERATORS_OF_DEPLOYMENT", ("accelerator",), "accelerators of d that process class k", lambda p: p.processes,
        owner="DEPLOYMENTS",
    ),
    SetDeclaration("CLASSES_OF_POOL", ("class",), "classes processed on (d, a)", lambda p: p.processes, owner="POOLS"),
    SetDeclaration(
        "PROCESSES_OF", ("class", "accelerator"), "(k, a) processed in d", lambda p: p.processes, owner="DATA_CENTERS",
    ),
    SetDeclaration("CLASSES_AT", ("class",), "classes that reach d", lambda p: p.deployments, owner="GREEN_CENTERS"),
    SetDeclaration(
        "PROCESSES_OF_REGION", ("class", "data_center", "accelerator"), "(k, d, a) processed in region g",
        _processes_by_region, owner="REGIONS",
    ),
    SetDeclaration(
        "POOLS_OF_GROUP", ("data_center", "accelerator"), "(d, a) of group g", _pools_by_group,
        owner="NEW_COMPUTE_GROUPS",
    ),
    SetDeclaration(
        "LOADED_CLASSES_OF", ("class",), "classes that keep accelerators on at d",
        lambda p: _of_classes(p, p.min_accelerators > 0), owner="LOADED_DATA_CENTERS",
    ),
    SetDeclaration(
        "SITES_OF_CLASS", ("data_center",), "data centers that class k can reach", lambda p: p.deployments,
        owner="LIMITED_CLASSES",
    ),
    SetDeclaration(
        "SITES_OF_WORKLOAD", ("data_center",), "data centers that w can use", lambda p: p.indivisible_pairs,
        owner="INDIVISIBLE",
    ),
    SetDeclaration(
        "OUTAGES", ("outage",), "outages o to survive: a data center that fails, in a slice that asks for much",
        lambda p: len(p.outages),
    ),
    SetDeclaration(
        "CALLS", ("outage", "workload"),
        "(o, w) work that must not wait in o, of w and all with the same class and reach",
        lambda p: outage_tables(p).calls,
    ),
    SetDeclaration(
        "REROUTES", ("outage", "candidate"), "(o, r) candidates of calls to data centers that do not fail",
        lambda p: outage_tables(p).reroutes,
    ),
    SetDeclaration(
        "OUTAGE_DEPLOYMENTS", ("outage", "class", "data_center"), "(o, k, d) that may take over",
        lambda p: outage_tables(p).deployments,
    ),
    SetDeclaration(
        "OUTAGE_PROCESSES", ("outage", "class", "data_center", "accelerator"),
        "(o, k, d, a) in which what is taken over can be processed", lambda p: outage_tables(p).processes,
    ),
    SetDeclaration(
        "OUTAGE_POOLS", ("outage", "data_center", "accelerator"), "(o, d, a) that may take over",
        lambda p: outage_tables(p).pools,
    ),
    SetDeclaration(
        "OUTAGE_CENTERS", ("outage", "data_center"), "(o, d) that may take over", lambda p: outage_tables(p).centers,
    ),
    SetDeclaration(
        "OUTAGE_LINKS", ("outage", "link"), "(o, l) limiting links that reroutes cross",
        lambda p: outage_tables(p).links,
    ),
    SetDeclaration(
        "REROUTES_OF_CALL", ("candidate",), "candidates that may take over the call", _reroutes, owner="CALLS",
    ),
    SetDeclaration(
        "REROUTES_TO", ("candidate",), "candidates of class k to d in o", _reroutes, owner="OUTAGE_DEPLOYMENTS",
    ),
    SetDeclaration(
        "OUTAGE_CLASSES_OF", ("class",), "classes that (d, a) may take over in o", lambda p: outage_tables(p).processes,
        owner="OUTAGE_POOLS",
    ),
    SetDeclaration(
        "OUTAGE_PROCESSES_OF", ("class", "accelerator"), "(k, a) that d may take over in o",
        lambda p: outage_tables(p).processes, owner="OUTAGE_CENTERS",
    ),
    SetDeclaration(
        "REROUTES_OVER", ("candidate",), "candidates over the link in o", _reroutes_over, owner="OUTAGE_LINKS",
    ),
    SetDeclaration(
        "REACHES", ("workload",), "workloads that must not wait, of a class those that reach least",
        lambda p: outage_tables(p).reaches[["workload_index"]].drop_duplicates(),
    ),
    SetDeclaration(
        "SITES_IN_REACH", ("data_center",), "data centers in reach of w", lambda p: outage_tables(p).reaches,
        owner="REACHES",
    ),
)  # fmt: skip
LABELS = {declared.name: declared.labels for declared in SETS}
PARAMETERS = (
    ParameterDeclaration("weight_h", ("SLICES",), "h/year", "hours per year of a slice"),
    ParameterDeclaration("slice_h", ("SLICES",), "h", "length of a slice"),
    ParameterDeclaration(
        "previous", ("SLICES",), "-", "the slice before, cyclic over its day", lambda p: p.slices["previous_index"],
        points_to="SLICES",
    ),
    ParameterDeclaration(
        "billing_of", ("SLICES",), "-", "billing period of a slice", lambda p: p.slices["billing_index"],
        points_to="BILLING",
    ),
    ParameterDeclaration(
        "billed_months", ("BILLING",), "months/year", "months billed on this period's peak",
        lambda p: p.billing["months"],
    ),
    ParameterDeclaration(
        "contract_months", (), "months/year", "months that contracted power is paid in",
        lambda p: float(p.billing["months"].sum()),
    ),
    ParameterDeclaration(
        "class_of", ("WORKLOADS",), "-", "class of a workload", lambda p: p.workloads["class_index"],
        points_to="CLASSES",
    ),
    ParameterDeclaration(
        "class_of_candidate", ("CANDIDATES",), "-", "class of a candidate", lambda p: p.candidate_class,
        points_to="CLASSES",
    ),
    ParameterDeclaration("demand_mtok_per_h", ("WORKLOADS", "SLICES"), "mtok/h", "arrivals"),
    ParameterDeclaration("class_demand_mtok_per_h", ("CLASSES", "SLICES"), "mtok/h", "arrivals of a class"),
    ParameterDeclaration("servable_mtok_per_h", ("WORKLOADS", "SLICES"), "mtok/h", "most that can be served"),
    ParameterDeclaration("shed_limit_mtok_per_h", ("WORKLOADS", "SLICES"), "mtok/h", "most that may be shed"),
    ParameterDeclaration("backlog_limit_mtok", ("WORKLOADS", "SLICES"), "mtok", "most that may wait"),
    ParameterDeclaration("accel_h_per_mtok", ("CLASSES", "ACCELERATORS"), "h/mtok", "busy accelerator-hours"),
    ParameterDeclaration("utilization_limit_share", (), "-", "busy share of an active accelerator's time"),
    ParameterDeclaration("accelerators_per_pod", ("ACCELERATORS",), "1/pod", "accelerators in a pod"),
    ParameterDeclaration("idle_mw_per_pod", ("ACCELERATORS",), "MW/pod", "IT power of an active, idle pod"),
    ParameterDeclaration("dynamic_mw_per_accelerator", ("ACCELERATORS",), "MW", "more IT power when busy"),
    ParameterDeclaration("existing_pods", ("DATA_CENTERS", "ACCELERATORS"), "pods", "pods in place"),
    ParameterDeclaration("max_new_pods", ("DATA_CENTERS", "ACCELERATORS"), "pods", "pods that can be bought"),
    ParameterDeclaration("min_pods", ("DATA_CENTERS", "ACCELERATORS"), "pods", "fewest pods if open"),
    ParameterDeclaration("it_capacity_mw", ("DATA_CENTERS",), "MW", "IT power capacity"),
    ParameterDeclaration("pue", ("DATA_CENTERS",), "-", "facility power per IT power"),
    ParameterDeclaration("max_sites", ("CLASSES",), "-", "data centers a class may use"),
    ParameterDeclaration("min_share", ("CLASSES",), "-", "smallest share of a class at a deployment"),
    ParameterDeclaration("min_accelerators", ("CLASSES",), "accelerators", "kept switched on where deployed"),
    ParameterDeclaration("gbps_per_mtok_per_h", ("CLASSES",), "Gbps h/mtok", "traffic of a class"),
    ParameterDeclaration(
        "link_capacity_gbps", ("LINKS",), "Gbps", "capacity open to inference", lambda p: p.links["capacity_gbps"],
    ),
    ParameterDeclaration(
        "energy_surcharge_cny_per_mwh", ("DATA_CENTERS", "ACCELERATORS"), "CNY/MWh",
        "on top of the energy price, for an accelerator",
    ),
    ParameterDeclaration("energy_price_cny_per_mwh", ("DATA_CENTERS", "SLICES"), "CNY/MWh", "energy price"),
    ParameterDeclaration(
        "demand_charge_cny_per_mw_month", ("DATA_CENTERS",), "CNY/MW/month", "demand charge",
        lambda p: p.data_centers["demand_charge_cny_per_kw_month"] * 1e3,
    ),
    ParameterDeclaration(
        "carbon_cny_per_mwh", ("DATA_CENTERS",), "CNY/MWh", "carbon price of facility energy",
        lambda p: p.data_centers["carbon_kg_per_kwh"] * p.carbon_price_cny_per_t,
    ),
    ParameterDeclaration(
        "latency_cny_per_mtok", ("CANDIDATES",), "CNY/mtok", "value of the round trip", _latency_cny_per_mtok,
    ),
    ParameterDeclaration("network_cny_per_mtok", ("CANDIDATES",), "CNY/mtok", "transport over the route"),
    ParameterDeclaration("data_transfer_cny_per_mtok", ("CANDIDATES",), "CNY/mtok", "price of data that leaves home"),
    ParameterDeclaration("pod_cny_per_year", ("DATA_CENTERS", "ACCELERATORS"), "CNY/year", "annualized new pod"),
    ParameterDeclaration("site_cny_per_year", ("DATA_CENTERS", "ACCELERATORS"), "CNY/year", "building for it"),
    ParameterDeclaration("opening_cny_per_year", ("DATA_CENTERS",), "CNY/year", "running an open data center"),
    ParameterDeclaration(
        "opening_cny_per_mw_year", ("DATA_CENTERS",), "CNY/MW/year", "running it, by its highest power of the year",
    ),
    ParameterDeclaration("deploy_cny_per_year", ("CLASSES",), "CNY/year", "keeping a class deployed"),
    ParameterDeclaration("shed_penalty_cny_per_mtok", (), "CNY/mtok", "penalty of an unserved token"),
    ParameterDeclaration(
        "year_share", ("SLICES",), "-", "share of the year's hours", lambda p: p.weight_h / p.weight_h.sum(),
    ),
    ParameterDeclaration(
        "min_region_share", ("REGIONS",), "-", "least share of the tokens",
        lambda p: [p.policy.min_region_share[name] for name in p.policy.regions],
    ),
    ParameterDeclaration(
        "min_new_compute_share", ("NEW_COMPUTE_GROUPS",), "-", "least share of the compute of new pods",
        lambda p: [p.policy.min_new_compute_share[name] for name in p.policy.new_compute_groups],
    ),
    ParameterDeclaration("pflops_per_pod", ("ACCELERATORS",), "PFLOPS/pod", "compute of a pod"),
    ParameterDeclaration("green_power_share", ("DATA_CENTERS",), "-", "share of energy under green power contracts"),
    ParameterDeclaration(
        "min_green_share", ("GREEN_GOALS",), "-", "least share of green energy",
        lambda p: _goal(p.policy.min_green_share or None),
    ),
    ParameterDeclaration(
        "carbon_t_per_mwh", ("DATA_CENTERS",), "t/MWh", "average factor of the grid",
        lambda p: p.data_centers["carbon_kg_per_kwh"],
    ),
    ParameterDeclaration(
        "carbon_cap_t_per_h", ("CARBON_CAPS",), "t/h", "most emissions, mean of the year",
        lambda p: _goal(p.policy.carbon_cap_t_per_year, p.weight_h.sum()),
    ),
    ParameterDeclaration(
        "min_utilization_share", (), "-", "least busy share of the year", lambda p: p.policy.min_utilization_share,
    ),
    ParameterDeclaration(
        "investment_mcny", ("DATA_CENTERS", "ACCELERATORS"), "million CNY", "new pod, up front", _investment_mcny,
    ),
    ParameterDeclaration(
        "investment_limit_mcny", ("INVESTMENT_LIMITS",), "million CNY", "most investment",
        lambda p: _goal(p.policy.investment_limit_cny, CNY_PER_MCNY),
    ),
    ParameterDeclaration(
        "spending_limit_mcny", ("SPENDING_LIMITS",), "million CNY/year", "most spending",
        lambda p: _goal(p.policy.spending_limit_cny_per_year, CNY_PER_MCNY),
    ),
    ParameterDeclaration(
        "workload_of_candidate", ("CANDIDATES",), "-", "workload of a candidate",
        lambda p: p.candidates["workload_index"], points_to="WORKLOADS",
    ),
    ParameterDeclaration(
        "center_of_candidate", ("CANDIDATES",), "-", "its data center", lambda p: p.candidates["data_center_index"],
        points_to="DATA_CENTERS",
    ),
    ParameterDeclaration(
        "call_mtok_per_h", ("OUTAGES", "WORKLOADS"), "mtok/h", "work of a call",
        lambda p: outage_tables(p).call_mtok_per_h,
    ),
)  # fmt: skip
VARIABLES = (
    _VariableDeclaration("Flow", ("CANDIDATES", "SLICES"), "mtok/h", "tokens routed"),
    _VariableDeclaration("Shed", ("WORKLOADS", "SLICES"), "mtok/h", "tokens not served", upper="shed_limit_mtok_per_h"),
    _VariableDeclaration(
        "Backlog", ("DEFERRABLE", "SLICES"), "mtok", "tokens waiting at the end", upper="backlog_limit_mtok",
    ),
    _VariableDeclaration("Work", ("PROCESSES", "SLICES"), "mtok/h", "tokens processed"),
    _VariableDeclaration("Active", ("POOLS", "SLICES"), "pods", "pods switched on"),
    _VariableDeclaration("NewPods", ("POOLS",), "pods", "pods bought", kind="integer", upper="max_new_pods"),
    _VariableDeclaration("Open", ("DATA_CENTERS",), "0/1", "data center used", kind="binary"),
    _VariableDeclaration("Deploy", ("DEPLOYMENTS",), "0/1", "class deployed in data center", kind="binary"),
    _VariableDeclaration("Assign", ("INDIVISIBLE_PAIRS",), "0/1", "single assignment", kind="binary"),
    _VariableDeclaration("Peak", ("PEAK_BILLED", "BILLING"), "MW", "facility power that is billed"),
    _VariableDeclaration("Contract", ("YEAR_PEAKED",), "MW", "facility power that is paid for the whole year"),
    _VariableDeclaration("Reroute", ("REROUTES",), "-", "share of a call that is taken over"),
    _VariableDeclaration("OutageWork", ("OUTAGE_PROCESSES",), "mtok/h", "tokens processed in an outage"),
)  # fmt: skip

"""
What a planner can change to make a scenario feasible: each lever loosens the rows of an equation.

`LEVERS` lists them; `Equation.lever` says which equations a lever loosens, and those in `CANDIDATE_LEVERS` add
candidates instead. Prices make the objective a sum of relative changes: what adds up over data centers (power, pods)
counts by its share of the total, what does not (a link, an RTT limit) by its share of itself, work left unserved by its
share of the busiest slice. A rule that is given up counts as 100 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from optimizer.infeasibility.elastic import TIE_SHARE, ElasticModel
from optimizer.infeasibility.relaxations import pod_sizes, pool_pods
from optimizer.model.compile import compile_model
from optimizer.model.outages import outage_tables
from optimizer.problem.problem import FloatArray, IntArray, PolicyLimits
from optimizer.solvers.greedy_fill import mw_per_busy_accelerator
from optimizer.units import CNY_PER_MCNY, HOURS_PER_YEAR

# A shortage of a row below this is rounding of the solver.
_ROUNDING = 1e-9

# Kinds whose smallest change is not proved: the rows are priced by what they lack, not by the share given up.
NOT_PROVED = ("green_share", "utilization", "new_compute")


def _region_share(model: ElasticModel) -> None:
    """Lower the least share of a region."""
    problem = model.problem
    policy, regions = problem.policy, problem.policy.regions
    if regions:
        shares = np.array([policy.min_region_share[name] for name in regions])
        served = float(model.data.parameters["year_share"] @ problem.demand_mtok_per_h.sum(axis=1))
        half = replace(policy, min_region_share={name: share / 2 for name, share in policy.min_region_share.items()})
        _lower_share(model, "region_share", "require_region_share", half, shares, served)


def _new_compute(model: ElasticModel) -> None:
    """Lower the least share of new compute of a group."""
    problem = model.problem
    policy, groups = problem.policy, problem.policy.new_compute_groups
    if groups:
        shares = np.array([policy.min_new_compute_share[name] for name in groups])
        pflops = problem.accelerators["pflops_per_pod"].to_numpy(float)[problem.pools["accelerator_index"]]
        room = float(problem.pools["max_new_pods"].to_numpy(float) @ pflops)
        half = replace(policy, min_new_compute_share=dict(zip(groups, shares / 2, strict=True)))
        _lower_share(model, "new_compute", "require_new_compute_share", half, shares, max(room, 1.0))


def _green_share(model: ElasticModel) -> None:
    """Lower the least share of green power."""
    problem = model.problem
    share = problem.policy.min_green_share
    if share > 0:
        mean = model.data.parameters["year_share"] @ problem.class_demand_mtok_per_h
        energy = (problem.accel_h_per_mtok * mw_per_busy_accelerator(problem)).min(axis=1)
        half = replace(problem.policy, min_green_share=share / 2)
        power = max(float(mean @ energy), 1e-9)
        _lower_share(model, "green_share", "require_green_share", half, np.array([share]), power)


def _carbon_cap(model: ElasticModel) -> None:
    """Raise the cap on emissions; its row counts tonnes per hour."""
    cap = model.problem.policy.carbon_cap_t_per_year
    if cap is not None:
        price = HOURS_PER_YEAR / max(cap, 1.0)
        columns = model.add_columns("carbon_cap", np.zeros(1, np.int64), price, per_unit=model.problem.weight_h.sum())
        model.enter(model.rows("keep_carbon_cap")[0], columns, -1.0)


def _utilization(model: ElasticModel) -> None:
    """Lower the least utilization of open data centers."""
    problem = model.problem
    share = problem.policy.min_utilization_share
    if share > 0:
        half = replace(problem.policy, min_utilization_share=share / 2)
        total = max(float(pool_pods(problem) @ pod_sizes(problem)), 1.0)
        _lower_share(model, "utilization", "require_utilization", half, np.array([share]), total)


def _lower_share(
    model: ElasticModel, kind: str, equation: str, half: PolicyLimits, shares: FloatArray, total: float
) -> None:
    """
    Loosen the rows of a share; the change is the share that each item has to give up.

    Parameters
    ----------
    half
        The policy with half the shares: what one unit of a share multiplies in a row is found by compiling it.
    shares
        (n,) required share of each item; one share applies to all rows.
    total
        What the rows count in all, of which the change is a share.
    """
    rows = model.rows(equation)[0]
    item = np.arange(len(rows)) if len(shares) > 1 else np.zeros(len(rows), np.int64)
    columns = model.add_columns(kind, item, 1.0 / (total * shares[item]))
    model.enter(rows, columns, -1.0)
    other = compile_model(replace(model.problem, policy=half))
    per_share = sp.diags_array(1.0 / (shares[item] / 2)) @ (model.compiled.matrix[rows] - other.matrix[rows])

    def amounts(x: FloatArray) -> dict[int, float]:
        size = sp.csr_array(per_share) @ x[: per_share.shape[1]]
        lacking = np.maximum(x[columns], 0.0)
        given_up = np.divide(lacking, size, out=np.zeros(len(size)), where=size > _ROUNDING)
        out = np.zeros(len(shares))
        np.maximum.at(out, item, np.where(lacking > _ROUNDING, given_up, 0.0))
        return {int(i): float(min(out[i], shares[i])) for i in np.flatnonzero(out > _ROUNDING)}

    model.derived[kind] = amounts


def _money(kind: str, equation: str) -> Callable[[ElasticModel], None]:
    """Raise a limit on money; its row counts million CNY."""

    def add(model: ElasticModel) -> None:
        limit_cny = getattr(model.problem.policy, KEYS[kind][0])
        if limit_cny is not None:
            price = CNY_PER_MCNY / max(limit_cny, CNY_PER_MCNY)
            columns = model.add_columns(kind, np.zeros(1, np.int64), price, per_unit=CNY_PER_MCNY)
            model.enter(model.rows(equation)[0], columns, -1.0)

    return add


def change_policy(policy: PolicyLimits, amounts: dict[str, dict[int, float]]) -> PolicyLimits:
    """Apply a change to the policy."""
    updates: dict[str, Any] = {}
    for kind, key in SHARE_KEYS.items():
        shares = dict(getattr(policy, key))
        for item, amount in amounts.get(kind, {}).items():
            name = demanded(policy, kind)[item]
            shares[name] = round(max(0.0, shares[name] - amount), 9)
        updates[key] = shares
    for kind, (key, sign) in KEYS.items():
        for amount in amounts.get(kind, {}).values():
            updates[key] = round(max(0.0, getattr(policy, key) + sign * amount), 9)
    return replace(policy, **updates)


def demanded(policy: PolicyLimits, kind: str) -> tuple[str, ...]:
    """Name the members of a policy by names, a kind of `SHARE_KEYS`, in the order of its rows."""
    return policy.regions if kind == "region_share" else policy.new_compute_groups


SHARE_KEYS = {"region_share": "min_region_share", "new_compute": "min_new_compute_share"}
KEYS = {
    "green_share": ("min_green_share", -1),
    "carbon_cap": ("carbon_cap_t_per_year", 1),
    "utilization": ("min_utilization_share", -1),
    "investment": ("investment_limit_cny", 1),
    "spending": ("spending_limit_cny_per_year", 1),
}


@dataclass(frozen=True)
class Lever:
    """A kind of change."""

    kind: str  # Its name
    unit: str  # Unit of its amounts
    title: str  # What it changes
    add: Callable[[ElasticModel], None]  # Puts its columns into an elastic model


def build_elastic(model: ElasticModel) -> ElasticModel:
    """Add every lever that has something to loosen."""
    for lever in LEVERS:
        lever.add(model)
    return model


def _it_power(model: ElasticModel) -> None:
    capacity = model.problem.data_centers["it_capacity_mw"].to_numpy(float)
    price = 1.0 / (float(capacity.sum()) or 1.0)
    energy = model.problem.energy_price_cny_per_mwh.mean(axis=0) * model.problem.data_centers["pue"].to_numpy(float)
    columns = model.add_columns("it_power", np.arange(len(capacity)), price, tie=price * _ties(energy))
    model.enter(model.rows("limit_it_power"), columns, -1.0)
    in_outage = model.members("limit_it_power_in_outage")
    model.enter(model.rows("limit_it_power_in_outage")[0], columns[in_outage[:, 1]], -1.0)


def _ties(cost: FloatArray) -> FloatArray:
    """(n,) share of a price by which the cheaper of two changes of the same size comes first."""
    span = float(np.ptp(cost)) if len(cost) else 0.0
    return (cost - cost.min()) / span * TIE_SHARE if span > 0 else np.zeros(len(cost))


def _pods(model: ElasticModel) -> None:
    """Allow more pods than may be bought; counted in accelerators."""
    problem, size = model.problem, pod_sizes(model.problem)
    busy = float((model.unreduced.class_demand_mtok_per_h @ problem.accel_h_per_mtok.min(axis=1)).max())
    needed = busy / problem.utilization_limit_share
    total = max(float(pool_pods(problem) @ size), needed, 1.0)
    slowest = float((model.unreduced.class_demand_mtok_per_h @ problem.accel_h_per_mtok.max(axis=1)).max())
    room = np.ceil(slowest / problem.utilization_limit_share / size) + problem.pools["min_pods"].to_numpy(float) + 1
    if model.relaxed.may_add_pods is not None:
        room = np.where(model.relaxed.may_add_pods, room, 0.0)
    cost = (problem.pools["pod_cny_per_year"] + problem.pools["site_cny_per_year"]).to_numpy(float) / size
    columns = model.add_columns(
        "pods", np.arange(len(size)), size / total, upper=room, is_integer=True, tie=size / total * _ties(cost)
    )
    model.enter(model.rows("buy_pods_where_open"), columns, -1.0)
    block = model.compiled.columns["NewPods"]
    bought = np.arange(block.columns.start, block.columns.stop)
    model.raise_upper(bought, problem.pools["max_new_pods"].to_numpy(float) + room)
    # Pods there are bought for an open data center only, also beyond the limit.
    at_most = model.add_rows(problem.pools["max_new_pods"].to_numpy(float))
    model.enter(at_most, bought, 1.0)
    model.enter(at_most, columns, -1.0)


def _link_capacity(model: ElasticModel) -> None:
    links = model.members("limit_link_traffic")[:, 0]
    if not len(links):
        return
    capacity = model.problem.links["capacity_gbps"].to_numpy(float)
    size = np.where(capacity > 0, capacity, max(float(capacity.max()), 1.0))[links]
    columns = model.add_columns("link_capacity", links, 1.0 / size)
    model.enter(model.rows("limit_link_traffic"), columns, -1.0)
    in_outage = model.members("limit_link_traffic_in_outage")
    place = np.searchsorted(links, in_outage[:, 1])
    model.enter(model.rows("limit_link_traffic_in_outage")[0], columns[place], -1.0)


def _unserved(model: ElasticModel) -> None:
    """Leave more work unserved than the scenario allows: the worst slice counts."""
    problem, block = model.problem, model.compiled.columns["Shed"]
    room = np.maximum(problem.demand_mtok_per_h - problem.shed_limit_mtok_per_h, 0.0)
    slices, workloads = room.shape
    demand = model.unreduced.demand_mtok_per_h.sum(axis=1)
    peak = max(float(demand.max()), 1e-9)
    columns = model.add_columns("unserved", np.arange(room.size), 0.0, upper=room.reshape(-1))
    same = model.compiled.matrix[:, np.arange(block.columns.start, block.columns.stop)].tocoo()
    model.enter(same.coords[0], columns[same.coords[1]], same.data)
    worst = model.add_columns(UNSERVED_WORST, np.zeros(1, np.int64), 1.0 / peak)
    most = model.add_rows(np.zeros(slices))
    model.enter(most[:, None], columns.reshape(slices, workloads), 1.0)
    model.enter(most, worst, -1.0)


def _rtt_limit(model: ElasticModel) -> None:
    relaxed = model.relaxed
    limits = np.where(np.isfinite(model.problem.rtt_limit_ms), model.problem.rtt_limit_ms, 0.0)
    _add_steps(model, "rtt_limit", relaxed.over_ms, lambda k: max(float(limits[k].max()), 1e-9))


def _rules(key: str) -> Callable[[ElasticModel], None]:
    def add(model: ElasticModel) -> None:
        for rule in model.relaxed.rules:
            if rule.key == key:
                _add_steps(model, key, rule.needed.astype(float), lambda _: 1.0)

    return add


def _add_steps(model: ElasticModel, kind: str, needed: FloatArray, size: Callable[[int], float]) -> None:
    """Give each class one binary for each level that some candidate needs; each level requires the one below it."""
    problem = model.problem
    beyond = np.flatnonzero(needed > 0)
    if not len(beyond):
        return
    pairs = np.column_stack([problem.candidate_class[beyond], needed[beyond]])
    steps, column_of = np.unique(pairs, axis=0, return_inverse=True)
    items, heights = steps[:, 0].astype(np.int64), steps[:, 1]
    is_above = np.append(False, items[1:] == items[:-1])  # The first of a class is its lowest
    rise = np.where(is_above, np.diff(heights, prepend=0.0), heights)
    price = rise / np.array([size(k) for k in items.tolist()])
    columns = model.add_columns(kind, items, price, per_unit=rise, upper=1.0, is_integer=True)
    above = np.flatnonzero(is_above)
    order = model.add_rows(np.zeros(len(above)))
    model.enter(order, columns[above], 1.0)
    model.enter(order, columns[above - 1], -1.0)
    flow = model.compiled.columns["Flow"]
    routed = np.arange(flow.columns.start, flow.columns.stop).reshape(flow.shape)[:, beyond]
    gate = model.add_rows(np.zeros(routed.size)).reshape(routed.shape)
    most = problem.servable_mtok_per_h[:, problem.candidates["workload_index"].to_numpy(int)[beyond]]
    model.enter(gate, routed, 1.0)
    opened_by = columns[column_of.reshape(-1)]
    model.enter(gate, opened_by, -most)
    _gate_reroutes(model, beyond, opened_by)
    _gate_places(model, needed, dict(zip(map(tuple, steps.tolist()), columns.tolist(), strict=True)))


def _gate_places(model: ElasticModel, needed: FloatArray, column_of: dict[tuple[int, float], int]) -> None:
    """Deploy and assign nothing where every candidate is beyond the limit, unless the lowest level there is taken."""
    problem = model.problem
    table = problem.candidates[["workload_index", "data_center_index"]].assign(
        class_index=problem.candidate_class, needed=needed
    )
    for name, keys, places in (
        ("Deploy", ["class_index", "data_center_index"], problem.deployments),
        ("Assign", ["workload_index", "data_center_index"], problem.indivisible_pairs),
    ):
        least = table.groupby(keys)["needed"].min()
        height = least.reindex(pd.MultiIndex.from_frame(places[keys])).to_numpy(float)
        far = np.flatnonzero(height > 0)
        first = model.compiled.columns[name].columns.start
        opened_by = [column_of[int(places["class_index"].iloc[n]), float(height[n])] for n in far]
        rows = model.add_rows(np.zeros(len(far)))
        model.enter(rows, first + far, 1.0)
        model.enter(rows, np.array(opened_by, np.int64), -1.0)


def _gate_reroutes(model: ElasticModel, beyond: IntArray, opened_by: IntArray) -> None:
    """Let a candidate beyond a limit take over in an outage only where its level is taken, for all that it does."""
    block = model.compiled.columns["Reroute"]
    if not block.shape[0]:
        return
    goes_with = outage_tables(model.problem).stands_for[beyond]
    candidate = block.members[:, 1]
    for leader in np.unique(goes_with[goes_with >= 0]):
        rerouted = block.columns.start + np.flatnonzero(candidate == leader)
        for column in np.unique(opened_by[goes_with == leader]):
            rows = model.add_rows(np.zeros(len(rerouted)))
            model.enter(rows, rerouted, 1.0)
            model.enter(rows, np.array([column]), -1.0)


def _survive(model: ElasticModel) -> None:
    """Give up surviving the loss of a data center: one switch for all outages."""
    if len(model.problem.outages):
        columns = model.add_columns("survive", np.zeros(1, np.int64), 1.0, upper=1.0, is_integer=True)
        model.enter(model.rows("serve_in_outage")[0], columns, 1.0)
        # The rows read `... <= -2`: they require nothing once 2 is subtracted.
        model.enter(model.rows("stand_in_two_places")[0], columns, -2.0)


def _max_sites(model: ElasticModel) -> None:
    classes = model.members("limit_sites")[:, 0]
    if not len(classes):
        return
    allowed = model.problem.classes["max_sites"].to_numpy(float)[classes]
    columns = model.add_columns(
        "max_sites", classes, 1.0 / allowed, upper=float(len(model.problem.data_centers)), is_integer=True
    )
    model.enter(model.rows("limit_sites"), columns, -1.0)


def _min_share(model: ElasticModel) -> None:
    """Lower the least share: the row then requires (share - change) x demand of the class where it is deployed."""
    deployments = model.members("require_min_share")
    if not len(deployments):
        return
    k = deployments[:, 0]
    shares = model.problem.classes["min_share"].to_numpy(float)
    items, place = np.unique(k, return_inverse=True)
    columns = model.add_columns("min_share", items, 1.0 / shares[items], upper=shares[items])
    demand = model.problem.class_demand_mtok_per_h[:, k]
    model.enter(model.rows("require_min_share"), columns[place.reshape(-1)], -demand)


def _min_pods(model: ElasticModel) -> None:
    pools = model.members("keep_min_pods")
    if not len(pools):
        return
    places = pd.MultiIndex.from_frame(model.problem.pools[["data_center_index", "accelerator_index"]])
    items = places.get_indexer(pd.MultiIndex.from_arrays(list(pools.T))).astype(np.int64)
    least = model.problem.pools["min_pods"].to_numpy(float)[items]
    columns = model.add_columns("min_pods", items, 1.0 / least, upper=least, is_integer=True)
    model.enter(model.rows("keep_min_pods"), columns, -1.0)


def _min_accelerators(model: ElasticModel) -> None:
    """Lower the accelerators that stay on for a class, in the data centers where it is deployed."""
    centers = model.members("keep_models_loaded")
    if not len(centers):
        return
    least = model.problem.min_accelerators
    items = np.flatnonzero(least > 0)
    columns = model.add_columns("min_accelerators", items, 1.0 / least[items], upper=least[items], is_integer=True)
    row_of = dict(zip(centers[:, 0].tolist(), model.rows("keep_models_loaded").T, strict=True))
    deployed = model.compiled.columns["Deploy"].columns.start
    pairs = model.problem.deployments
    for n, (k, d) in enumerate(zip(pairs["class_index"], pairs["data_center_index"], strict=True)):
        if least[k] > 0 and int(d) in row_of:
            gain = model.add_free(1, upper=float(least[k]))
            model.enter(row_of[int(d)], gain, -1.0)
            at_most = model.add_rows(np.zeros(2))
            model.enter(at_most, gain, 1.0)
            model.enter(at_most[:1], columns[items == k], -1.0)
            model.enter(at_most[1:], np.array([deployed + n]), -float(least[k]))


def _indivisible(model: ElasticModel) -> None:
    """Let the workloads of a class be divided among data centers: one switch for each class."""
    pairs = model.members("serve_where_assigned")
    if not len(pairs):
        return
    k = model.problem.workloads["class_index"].to_numpy(int)[pairs[:, 0]]
    items, place = np.unique(k, return_inverse=True)
    columns = model.add_columns("indivisible", items, 1.0, upper=1.0, is_integer=True)
    most = model.problem.servable_mtok_per_h[:, pairs[:, 0]]
    model.enter(model.rows("serve_where_assigned"), columns[place.reshape(-1)], -most)


# Levers that allow candidates beyond the limits.
CANDIDATE_LEVERS = ("rtt_limit", "residency", "allowed_regions", "second_route")
UNSERVED_WORST = "unserved_worst"

LEVERS = (
    Lever("it_power", "MW", "IT power", _it_power),
    Lever("pods", "pods", "accelerator pods", _pods),
    Lever("link_capacity", "Gbps", "link capacity open to inference", _link_capacity),
    Lever("rtt_limit", "ms", "RTT limits", _rtt_limit),
    Lever("residency", "steps", "residency rules", _rules("residency")),
    Lever("allowed_regions", "steps", "allowed regions", _rules("allowed_regions")),
    Lever("second_route", "steps", "second routes", _rules("second_route")),
    Lever("max_sites", "data centers", "number of data centers of a class", _max_sites),
    Lever("min_share", "share", "least share of a deployment", _min_share),
    Lever("min_pods", "pods", "least number of pods", _min_pods),
    Lever("min_accelerators", "accelerators", "accelerators that stay on", _min_accelerators),
    Lever("indivisible", "classes", "work that may not be divided", _indivisible),
    Lever("survive", "rule", "surviving the loss of a data center", _survive),
    Lever("region_share", "share", "least share of a region", _region_share),
    Lever("new_compute", "share", "least share of new compute", _new_compute),
    Lever("green_share", "share", "least share of green power", _green_share),
    Lever("carbon_cap", "t/year", "carbon cap", _carbon_cap),
    Lever("utilization", "share", "least utilization", _utilization),
    Lever("investment", "CNY", "limit on investment", _money("investment", "keep_investment_limit")),
    Lever("spending", "CNY/year", "limit on spending", _money("spending", "keep_spending_limit")),
    Lever("unserved", "mtok/h", "work left unserved", _unserved),
)

"""
Every limit of a plan, one function per equation of docs/formulation.md, without knowledge of the model.

`LIMITS`, `POLICY_LIMITS` (10a to 10h) and `OUTAGE_LIMITS` (11a to 11g) are the table of contents.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.checker.facts import (
    SPENDING,
    Labels,
    PlanFacts,
    index_of,
    join_labels,
    list_costs,
    numbers_of,
    sum_by_group,
    sum_once,
)
from optimizer.problem.problem import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Limit:
    """One kind of limit on n things, by time (rows) or once for all."""

    equation: str  # number in docs/formulation.md
    name: str
    unit: str  # of amount and limit
    labels: Labels  # (n,) what the limit is on
    amount: FloatArray | IntArray  # (T, n), (B, n) or (n,)
    sense: Literal["<=", "=", ">="]  # how the amount must stand to the limit
    limit: FloatArray | IntArray | float  # broadcasts to the shape of `amount`
    times: Labels | None = None  # (T,) or (B,) names of the rows of `amount`; None where it has none


def keep_domains(f: PlanFacts) -> list[Limit]:
    """Nothing is negative, a decision is 0 or 1, pods are bought whole."""
    plan = f.plan
    limits = []
    amounts: tuple[tuple[str, str, Labels, FloatArray | IntArray, Labels | None], ...] = (
        ("flow", "mtok_per_h", f.candidate_labels, plan.flow_mtok_per_h, f.slice_labels),
        ("shed", "mtok_per_h", f.workload_labels, plan.shed_mtok_per_h, f.slice_labels),
        ("work", "mtok_per_h", f.process_labels, plan.work_mtok_per_h, f.slice_labels),
        ("active", "pods", f.pool_labels, plan.active_pods, f.slice_labels),
        ("new", "pods", f.pool_labels, plan.new_pods, None),
        ("peak", "mw", f.data_center_labels, plan.peak_mw, f.problem.billing["day"].to_numpy(object)),
        ("contract", "mw", f.data_center_labels, plan.contract_mw, None),
    )
    for name, unit, labels, values, times in amounts:
        limits.append(Limit("domain", f"not_negative_{name}", unit, labels, values, ">=", 0.0, times))
    for name, labels, values in (
        ("open", f.data_center_labels, plan.is_open),
        ("deploy", f.deployment_labels, plan.is_deployed),
        ("assign", f.indivisible_labels, plan.is_assigned),
    ):
        nearest = np.clip(np.rint(values), 0, 1)
        limits.append(Limit("domain", f"zero_or_one_{name}", "1", labels, values, "=", nearest))
    rounded = np.rint(plan.new_pods)
    return [*limits, Limit("domain", "whole_pods_new", "pods", f.pool_labels, plan.new_pods, "=", rounded)]


def serve_demand(f: PlanFacts) -> Limit:
    """(1a) An urgent workload is served or shed in the slice it arrives."""
    urgent = ~f.problem.workloads["is_deferrable"].to_numpy(np.bool_)
    met = (f.served_mtok_per_h + f.plan.shed_mtok_per_h)[:, urgent]
    demand = f.problem.demand_mtok_per_h[:, urgent]
    labels = f.workload_labels[urgent]
    return Limit("1a", "serve_demand", "mtok_per_h", labels, met, "=", demand, f.slice_labels)


def limit_shedding(f: PlanFacts) -> Limit:
    """(1a, 1b) No more is shed than the scenario allows."""
    shed, most = f.plan.shed_mtok_per_h, f.problem.shed_limit_mtok_per_h
    return Limit("1a", "limit_shedding", "mtok_per_h", f.workload_labels, shed, "<=", most, f.slice_labels)


def defer_demand(f: PlanFacts) -> Limit:
    """(1b) What is left waiting is what waited before, plus arrivals, less what is shed and served."""
    late = f.problem.workloads["is_deferrable"].to_numpy(np.bool_)
    hours = f.slice_h[:, None]
    # Both sides are sums of terms that are not negative, so that the tolerance fits their size.
    left = f.plan.backlog_mtok + hours * (f.plan.shed_mtok_per_h + f.served_mtok_per_h)
    came = f.plan.backlog_mtok[index_of(f.problem.slices, "previous_index")] + hours * f.problem.demand_mtok_per_h
    labels = f.workload_labels[late]
    return Limit("1b", "defer_demand", "mtok", labels, left[:, late], "=", came[:, late], f.slice_labels)


def serve_after_arrival(f: PlanFacts) -> Limit:
    """(1b) Nothing is served before it arrives: no backlog is negative."""
    waiting = f.plan.backlog_mtok
    return Limit("1b", "serve_after_arrival", "mtok", f.workload_labels, waiting, ">=", 0.0, f.slice_labels)


def keep_window(f: PlanFacts) -> Limit:
    """(1b) No more waits than arrived within the window; nothing of an urgent workload waits."""
    waiting, most = f.plan.backlog_mtok, f.problem.backlog_limit_mtok
    return Limit("1b", "keep_window", "mtok", f.workload_labels, waiting, "<=", most, f.slice_labels)


def process_what_is_routed(f: PlanFacts) -> Limit:
    """(2) What is routed to a data center is processed there, class by class."""
    worked, routed = f.processed_mtok_per_h, f.routed_mtok_per_h
    name, labels = "process_what_is_routed", f.deployment_labels
    return Limit("2", name, "mtok_per_h", labels, worked, "=", routed, f.slice_labels)


def limit_accelerators(f: PlanFacts) -> Limit:
    """(3) Busy accelerators of a pool stay within the usable share of its active pods."""
    most = f.problem.utilization_limit_share * f.accelerators_per_pod * f.plan.active_pods
    busy, labels = f.busy_accelerators, f.pool_labels
    return Limit("3", "limit_accelerators", "accelerators", labels, busy, "<=", most, f.slice_labels)


def switch_on_installed_pods(f: PlanFacts) -> Limit:
    """(4a) Active pods are installed: existing ones of an open data center, or new ones."""
    installed = f.kept_pods + f.plan.new_pods
    active, name = f.plan.active_pods, "switch_on_installed_pods"
    return Limit("4a", name, "pods", f.pool_labels, active, "<=", installed, f.slice_labels)


def buy_pods_where_open(f: PlanFacts) -> Limit:
    """(4b) New pods fit in an open data center."""
    room = f.pool_column("max_new_pods") * f.pool_is_open
    return Limit("4b", "buy_pods_where_open", "pods", f.pool_labels, f.plan.new_pods, "<=", room)


def keep_min_pods(f: PlanFacts) -> Limit:
    """(4c) An open data center has at least its least number of pods."""
    least = f.pool_column("min_pods") * f.pool_is_open
    return Limit("4c", "keep_min_pods", "pods", f.pool_labels, f.kept_pods + f.plan.new_pods, ">=", least)


def limit_it_power(f: PlanFacts) -> Limit:
    """(5) IT power stays within the capacity of a data center if open, at zero if closed."""
    most = f.data_center_column("it_capacity_mw") * f.plan.is_open
    return Limit("5", "limit_it_power", "mw", f.data_center_labels, f.it_power_mw, "<=", most, f.slice_labels)


def serve_where_deployed(f: PlanFacts) -> Limit:
    """(6a) A workload is served only where its class is deployed, and no more than it has in the slice."""
    most = f.pair_servable_mtok_per_h * f.plan.is_deployed[f.deployment_of_pair]
    flow, labels = f.pair_mtok_per_h, f.pair_labels
    return Limit("6a", "serve_where_deployed", "mtok_per_h", labels, flow, "<=", most, f.slice_labels)


def deploy_where_open(f: PlanFacts) -> Limit:
    """(6b) A class is deployed only in an open data center."""
    is_open = f.plan.is_open[f.deployment_data_center]
    return Limit("6b", "deploy_where_open", "1", f.deployment_labels, f.plan.is_deployed, "<=", is_open)


def limit_sites(f: PlanFacts) -> Limit:
    """(6c) A class is deployed in no more data centers than it may be."""
    used = sum_once(f.plan.is_deployed, f.deployment_class, len(f.class_labels))
    most = f.class_column("max_sites")
    return Limit("6c", "limit_sites", "data_centers", f.class_labels, used, "<=", most)


def require_min_share(f: PlanFacts) -> Limit:
    """(6d) A deployment carries at least the least share of the demand of its class."""
    share = f.class_column("min_share")[f.deployment_class]
    least = share * f.problem.class_demand_mtok_per_h[:, f.deployment_class] * f.plan.is_deployed
    work, labels = f.processed_mtok_per_h, f.deployment_labels
    return Limit("6d", "require_min_share", "mtok_per_h", labels, work, ">=", least, f.slice_labels)


def keep_models_loaded(f: PlanFacts) -> Limit:
    """(6e) As many accelerators are on as the models deployed in a data center take to stay loaded."""
    count = len(f.data_center_labels)
    is_on = sum_by_group(f.plan.active_pods * f.accelerators_per_pod, f.pool_data_center, count)
    least = sum_once(f.loaded_accelerators, f.deployment_data_center, count)
    name, labels = "keep_models_loaded", f.data_center_labels
    return Limit("6e", name, "accelerators", labels, is_on, ">=", least, f.slice_labels)


def assign_once(f: PlanFacts) -> Limit:
    """(7a) An indivisible workload is assigned to exactly one data center."""
    chosen = sum_once(f.plan.is_assigned, f.indivisible_workload, len(f.workload_labels))
    single = f.problem.workloads["is_indivisible"].to_numpy(np.bool_)
    return Limit("7a", "assign_once", "data_centers", f.workload_labels[single], chosen[single], "=", 1.0)


def serve_where_assigned(f: PlanFacts) -> Limit:
    """(7b) An indivisible workload is served only where it is assigned."""
    pair, labels = f.pair_of_indivisible, f.indivisible_labels
    most = f.pair_servable_mtok_per_h[:, pair] * f.plan.is_assigned
    flow = f.pair_mtok_per_h[:, pair]
    return Limit("7b", "serve_where_assigned", "mtok_per_h", labels, flow, "<=", most, f.slice_labels)


def assign_where_deployed(f: PlanFacts) -> Limit:
    """(7c) An indivisible workload is assigned only where its class is deployed."""
    deployed = f.plan.is_deployed[f.deployment_of_pair[f.pair_of_indivisible]]
    return Limit("7c", "assign_where_deployed", "1", f.indivisible_labels, f.plan.is_assigned, "<=", deployed)


def limit_link_traffic(f: PlanFacts) -> Limit:
    """(8) Traffic stays within a link's capacity: on every link, so that leaving limits out is proved too."""
    most = numbers_of(f.problem.links, "capacity_gbps")
    return Limit("8", "limit_link_traffic", "gbps", f.link_labels, f.link_gbps, "<=", most, f.slice_labels)


def pay_peak_power(f: PlanFacts) -> Limit:
    """(9) The demand charge is paid on no less than the facility power of any slice of its billing period."""
    paid = f.plan.peak_mw[index_of(f.problem.slices, "billing_index")]
    drawn, labels = f.facility_power_mw, f.data_center_labels
    return Limit("9", "pay_peak_power", "mw", labels, drawn, "<=", paid, f.slice_labels)


def pay_contracted_power(f: PlanFacts) -> Limit:
    """(9b) Where power is paid for the year, no slice draws more facility power than that."""
    paid = np.flatnonzero(f.is_contracted | (f.data_center_column("opening_cny_per_mw_year") > 0))
    drawn, labels = f.facility_power_mw[:, paid], f.data_center_labels[paid]
    return Limit("9b", "pay_contracted_power", "mw", labels, drawn, "<=", f.plan.contract_mw[paid], f.slice_labels)


def keep_rtt_limit(f: PlanFacts) -> Limit:
    """(candidate) A candidate that carries anything keeps the RTT limit that its class states."""
    used = (f.plan.flow_mtok_per_h > 0.0).any(axis=0)
    rtt_ms = f.candidate_column("rtt_ms")[used]
    most = f.class_column("rtt_limit_ms")[f.candidate_class[used]]
    return Limit("candidate", "keep_rtt_limit", "ms", f.candidate_labels[used], rtt_ms, "<=", most)


def keep_first_token_limit(f: PlanFacts) -> Limit:
    """(candidate) Queueing, computing on the slowest accelerator used there, and the way end before the limit."""
    used = np.flatnonzero((f.plan.flow_mtok_per_h > 0.0).any(axis=0))
    k, d = f.candidate_class[used], f.candidate_data_center[used]
    name, labels = "keep_first_token_limit", f.candidate_labels[used]
    if f.problem.compute_ms is None:
        return Limit("candidate", name, "ms", labels, np.zeros(len(used)), "<=", np.inf)
    limit_ms = f.class_column("ttft_limit_ms")[k]
    way_ms = f.problem.connection_rtts * f.candidate_column("rtt_ms")[used]
    finite_ms = np.where(np.isfinite(limit_ms), limit_ms, 0.0)
    spent_ms = f.problem.queue_margin_share * finite_ms + f.slowest_compute_ms[k, d] + way_ms
    return Limit("candidate", name, "ms", labels, spent_ms, "<=", limit_ms)


LIMITS: tuple[Callable[[PlanFacts], Limit], ...] = (
    serve_demand,
    limit_shedding,
    defer_demand,
    serve_after_arrival,
    keep_window,
    process_what_is_routed,
    limit_accelerators,
    switch_on_installed_pods,
    buy_pods_where_open,
    keep_min_pods,
    limit_it_power,
    serve_where_deployed,
    deploy_where_open,
    limit_sites,
    require_min_share,
    keep_models_loaded,
    assign_once,
    serve_where_assigned,
    assign_where_deployed,
    limit_link_traffic,
    pay_peak_power,
    pay_contracted_power,
    keep_rtt_limit,
    keep_first_token_limit,
)


def _labels(*names: str) -> Labels:
    out = np.empty(len(names), dtype=object)
    out[:] = names
    return out


def _once(equation: str, name: str, unit: str, amount: float, sense: Literal["<=", ">="], limit: float | None) -> Limit:
    """Limit the plan as one: a single row, none without a limit."""
    rows = 0 if limit is None else 1
    labels = _labels(*["plan"] * rows)
    return Limit(equation, name, unit, labels, np.full(rows, amount), sense, np.full(rows, limit, dtype=float))


def processed_mtok_per_year(f: PlanFacts) -> FloatArray:
    """(D,) tokens processed in a year."""
    place = f.problem.processes["data_center_index"].to_numpy(np.int64)
    work = f.problem.weight_h @ f.plan.work_mtok_per_h
    return sum_once(work, place, len(f.data_center_labels))


def require_region_share(f: PlanFacts) -> Limit:
    """(10a) A region processes at least its share of all tokens."""
    mtok, region = processed_mtok_per_year(f), f.problem.data_centers["region"].to_numpy(str)
    shares = {name: share for name, share in sorted(f.problem.policy.min_region_share.items()) if share > 0}
    inside = np.array([mtok[region == name].sum() for name in shares], dtype=float)
    least = np.array([share * mtok.sum() for share in shares.values()], dtype=float)
    return Limit("10a", "require_region_share", "mtok_per_year", _labels(*shares), inside, ">=", least)


def require_green_share(f: PlanFacts) -> Limit:
    """(10b) Contracts for green power cover at least their share of the facility energy."""
    share, energy = f.problem.policy.min_green_share, f.energy_mwh_per_year
    green = float(energy @ f.data_center_column("green_power_share"))
    least = float(share * energy.sum()) if share > 0 else None
    return _once("10b", "require_green_share", "mwh_per_year", green, ">=", least)


def keep_carbon_cap(f: PlanFacts) -> Limit:
    """(10c) Location-based emissions stay within their cap."""
    cap = f.problem.policy.carbon_cap_t_per_year
    return _once("10c", "keep_carbon_cap", "t_per_year", float(f.carbon_t_per_year.sum()), "<=", cap)


def require_utilization(f: PlanFacts) -> Limit:
    """(10d) The accelerators of an open data center are busy for at least a share of the year."""
    count, year_h = len(f.data_center_labels), f.problem.weight_h.sum()
    installed = sum_once((f.kept_pods + f.plan.new_pods) * f.accelerators_per_pod, f.pool_data_center, count)
    busy_h = sum_once(f.problem.weight_h @ f.busy_accelerators, f.pool_data_center, count)
    share = f.problem.policy.min_utilization_share
    centers = np.arange(count if share > 0 else 0)
    least = share * year_h * installed[centers]
    labels = f.data_center_labels[centers]
    return Limit("10d", "require_utilization", "accelerator_h_per_year", labels, busy_h[centers], ">=", least)


def keep_investment_limit(f: PlanFacts) -> Limit:
    """(10e) New pods, with their building and power, cost no more up front than allowed."""
    limit = f.problem.policy.investment_limit_cny
    return _once("10e", "keep_investment_limit", "cny", f.investment_cny, "<=", limit)


def spending_cny_per_year(f: PlanFacts) -> float:
    """CNY per year that the spending limit counts."""
    costs = list_costs(f)
    return float(costs.loc[costs["component"].isin(SPENDING), "cny_per_year"].sum())


def keep_spending_limit(f: PlanFacts) -> Limit:
    """(10f) What the data centers cost in a year stays within the budget."""
    limit = f.problem.policy.spending_limit_cny_per_year
    amount = 0.0 if limit is None else spending_cny_per_year(f)
    return _once("10f", "keep_spending_limit", "cny_per_year", amount, "<=", limit)


def idle_no_pod_to_look_green(f: PlanFacts) -> Limit:
    """(10g) Where a green share is demanded, no more pods are on than the work and the models loaded take."""
    count, usable_share = len(f.data_center_labels), f.problem.utilization_limit_share
    centers = np.arange(count if f.problem.policy.min_green_share > 0 else 0)
    usable = usable_share * sum_by_group(f.plan.active_pods * f.accelerators_per_pod, f.pool_data_center, count)
    busy = sum_by_group(f.busy_accelerators, f.pool_data_center, count)
    most = busy + usable_share * sum_once(f.loaded_accelerators, f.deployment_data_center, count)
    labels, name = f.data_center_labels[centers], "idle_no_pod_to_look_green"
    return Limit("10g", name, "accelerators", labels, usable[:, centers], "<=", most[:, centers], f.slice_labels)


def require_new_compute_share(f: PlanFacts) -> Limit:
    """(10h) A group of data centers gets at least its share of the compute that is bought."""
    pflops = f.plan.new_pods * f.problem.accelerators["pflops_per_pod"].to_numpy(float)[f.pool_accelerator]
    by_center = sum_once(pflops, f.pool_data_center, len(f.data_center_labels))
    shares = {name: share for name, share in sorted(f.problem.policy.min_new_compute_share.items()) if share > 0}
    of_center = [f.problem.data_centers[column].to_numpy(str) for column in ("region", "category")]
    inside = np.array([by_center[(of_center[0] == g) | (of_center[1] == g)].sum() for g in shares], dtype=float)
    least = np.array([share * by_center.sum() for share in shares.values()], dtype=float)
    return Limit("10h", "require_new_compute_share", "pflops", _labels(*shares), inside, ">=", least)


POLICY_LIMITS: tuple[Callable[[PlanFacts], Limit], ...] = (
    require_region_share,
    require_green_share,
    keep_carbon_cap,
    require_utilization,
    keep_investment_limit,
    keep_spending_limit,
    idle_no_pod_to_look_green,
    require_new_compute_share,
)


class OutageFacts:
    """What a plan does in each outage; S = problem.outages."""

    def __init__(self, facts: PlanFacts) -> None:
        problem, plan = facts.problem, facts.plan
        self.facts = facts
        self.failed = index_of(problem.outages, "failed_index")
        self.slice = index_of(problem.outages, "slice_index")
        count = len(self.failed)
        needed = problem.outage_demand_mtok_per_h
        self.needed_mtok_per_h: FloatArray = needed.sum(axis=0) if needed.size else np.zeros(len(problem.workloads))
        self.demand_mtok_per_h: FloatArray = (
            needed[self.slice] if needed.size else np.zeros((0, len(problem.workloads)))
        )
        self.share = _sized(plan.failover_share, (count, len(problem.candidates)))
        self.work_mtok_per_h = _sized(plan.failover_work_mtok_per_h, (count, len(problem.processes)))
        self.flow_mtok_per_h: FloatArray = self.share * self.demand_mtok_per_h[:, facts.candidate_workload]
        self.busy_accelerators = facts.busy_accelerators_of(self.work_mtok_per_h)

    @property
    def labels(self) -> Labels:
        """(S,) such as "loss of center_b in year 13:00"."""
        named = [f"loss of {name} in" for name in self.facts.data_center_labels[self.failed]]
        return join_labels(np.array(named, dtype=object), " ", self.facts.slice_labels[self.slice])


def _sized(array: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Zeros where the plan has nothing: it then takes nothing over."""
    return array if array.shape == shape else np.zeros(shape)


def cover_every_outage(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11a) Each failure is planned for, in each slice or in one in which no workload needs less."""
    needed = f.problem.outage_demand_mtok_per_h
    covered = np.ones((len(needed), len(f.data_center_labels)))
    serves = np.zeros(len(f.data_center_labels), np.bool_)
    if needed.size:
        serves[f.candidate_data_center[o.needed_mtok_per_h[f.candidate_workload] > 0.0]] = True
    for d in np.flatnonzero(serves):
        planned = needed[o.slice[o.failed == d]]
        covered[:, d] = [bool((planned >= now).all(axis=1).any()) for now in needed]
    times = f.slice_labels if needed.size else f.slice_labels[:0]
    return Limit("11a", "cover_every_outage", "1", f.data_center_labels, covered, ">=", 1.0, times)


def serve_in_outage(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11a) What must not wait is taken over, all of it, by data centers that have not failed."""
    stands = f.candidate_data_center[None, :] != o.failed[:, None]
    served = sum_by_group(o.flow_mtok_per_h * stands, f.candidate_workload, len(f.workload_labels))
    labels, needed = f.workload_labels, o.demand_mtok_per_h
    return Limit("11a", "serve_in_outage", "mtok_per_h", labels, served, "=", needed, o.labels)


def take_over_where_deployed(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11b) A candidate takes over only where its class is deployed, and no more than all of the work."""
    deployment = f.deployment_of(f.candidate_class, f.candidate_data_center)
    most = f.plan.is_deployed[deployment].astype(np.float64)
    return Limit("11b", "take_over_where_deployed", "1", f.candidate_labels, o.share, "<=", most, o.labels)


def take_over_no_less_than_nothing(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11b) No share is negative."""
    return Limit("11b", "take_over_no_less_than_nothing", "1", f.candidate_labels, o.share, ">=", 0.0, o.labels)


def process_no_less_than_nothing(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11c) No work is negative."""
    labels = f.process_labels
    return Limit("11c", "process_no_less_than_nothing", "mtok_per_h", labels, o.work_mtok_per_h, ">=", 0.0, o.labels)


def process_what_is_taken_over(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11c) What is taken over is processed there, class by class."""
    problem, count = f.problem, len(f.deployment_labels)
    taken = sum_by_group(o.flow_mtok_per_h, f.deployment_of(f.candidate_class, f.candidate_data_center), count)
    k, d = index_of(problem.processes, "class_index"), index_of(problem.processes, "data_center_index")
    worked = sum_by_group(o.work_mtok_per_h, f.deployment_of(k, d), count)
    labels = f.deployment_labels
    return Limit("11c", "process_what_is_taken_over", "mtok_per_h", labels, worked, "=", taken, o.labels)


def limit_accelerators_in_outage(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11d) Busy accelerators of a pool stay within the usable share of its installed pods; a failed one has none."""
    most = f.problem.utilization_limit_share * f.accelerators_per_pod * (f.kept_pods + f.plan.new_pods)
    stands = f.pool_data_center[None, :] != o.failed[:, None]
    name, busy = "limit_accelerators_in_outage", o.busy_accelerators
    return Limit("11d", name, "accelerators", f.pool_labels, busy, "<=", most * stands, o.labels)


def limit_it_power_in_outage(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11e) IT power, with as many pods on as the work needs, stays within the capacity of an open data center."""
    accelerators, a = f.problem.accelerators, f.pool_accelerator
    pods = o.busy_accelerators / (f.problem.utilization_limit_share * f.accelerators_per_pod)
    power = pods * numbers_of(accelerators, "idle_mw_per_pod")[a]
    power = power + o.busy_accelerators * numbers_of(accelerators, "dynamic_mw_per_accelerator")[a]
    power_mw = sum_by_group(power, f.pool_data_center, len(f.data_center_labels))
    most = f.data_center_column("it_capacity_mw") * f.plan.is_open
    name = "limit_it_power_in_outage"
    return Limit("11e", name, "mw", f.data_center_labels, power_mw, "<=", most, o.labels)


def limit_link_traffic_in_outage(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11f) Traffic stays within capacity on every link, whether its limit is in the model or not."""
    name, most = "limit_link_traffic_in_outage", numbers_of(f.problem.links, "capacity_gbps")
    return Limit("11f", name, "gbps", f.link_labels, f.link_gbps_of(o.flow_mtok_per_h), "<=", most, o.labels)


def stand_in_two_places(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11g) Within reach of each workload that must not wait its class is deployed in two data centers."""
    problem = f.problem
    deployed = np.unique(f.pair_workload * len(f.data_center_labels) + index_of(problem.pairs, "data_center_index"))
    workload, center = np.divmod(deployed, len(f.data_center_labels))
    at = f.deployment_of(index_of(problem.workloads, "class_index")[workload], center)
    places = sum_once(f.plan.is_deployed[at], workload, len(f.workload_labels))
    needed = o.needed_mtok_per_h > 0.0
    name = "stand_in_two_places"
    return Limit("11g", name, "data_centers", f.workload_labels[needed], places[needed], ">=", 2.0)


def keep_second_route(f: PlanFacts) -> Limit:
    """(12) A candidate of a protected workload that carries anything has a second, link-disjoint route in its limit."""
    problem = f.problem
    used = np.zeros(len(problem.candidates), np.bool_)
    if problem.is_protected.size:
        carried = f.plan.flow_mtok_per_h.sum(axis=0)
        if f.plan.failover_share.size:
            carried = carried + f.plan.failover_share.sum(axis=0)
        used = (carried > 0.0) & problem.is_protected[f.candidate_workload]
    at = np.flatnonzero(used)
    route = index_of(problem.candidates, "route_index")[at]
    rtt_ms = _second_rtt_ms(f, route)
    most = problem.rtt_limit_ms[f.candidate_class[at], f.candidate_data_center[at]]
    # No second route at all breaks even a class without a limit.
    most = np.where(np.isinf(most), np.finfo(np.float64).max, most)
    return Limit("12", "keep_second_route", "ms", f.candidate_labels[at], rtt_ms, "<=", most)


def _second_rtt_ms(f: PlanFacts, routes: IntArray) -> FloatArray:
    """(n,) round trip of the shortest way that shares no fibre with each route; inf where there is none."""
    problem = f.problem
    if not len(routes):
        return np.zeros(0)
    links, ends = problem.links, problem.links[["from_node", "to_node"]].to_numpy(object)
    one_way_ms, spare_ms = numbers_of(links, "one_way_ms"), numbers_of(links, "spare_one_way_ms")
    around: dict[str, list[tuple[str, int]]] = {}
    for link, (a, b) in enumerate(ends):
        around.setdefault(a, []).append((b, link))
        around.setdefault(b, []).append((a, link))
    on_route = problem.route_links.groupby("route_index")["link_index"].agg(set)
    # The nodes' names are those at both ends of the chain of a route.
    nodes = [str(chain).split(">") for chain in problem.routes["nodes"]]
    access_ms = numbers_of(problem.routes, "rtt_ms") - 2.0 * numbers_of(problem.routes, "one_way_ms")
    found: dict[int, float] = {}
    for route in np.unique(routes).tolist():
        taken = on_route.get(route, set())
        delay = [float(spare_ms[n] if n in taken else one_way_ms[n]) for n in range(len(links))]
        found[route] = 2.0 * _shortest(around, delay, nodes[route][0], nodes[route][-1]) + float(access_ms[route])
    return np.array([found[route] for route in routes.tolist()], dtype=np.float64)


def _shortest(around: dict[str, list[tuple[str, int]]], delay: list[float], start: str, end: str) -> float:
    waiting, done = [(0.0, start)], set()
    while waiting:
        so_far, node = heapq.heappop(waiting)
        if node == end:
            return so_far
        if node in done:
            continue
        done.add(node)
        for other, link in around.get(node, ()):
            if other not in done and np.isfinite(delay[link]):
                heapq.heappush(waiting, (so_far + delay[link], other))
    return float("inf")


OUTAGE_LIMITS: tuple[Callable[[PlanFacts, OutageFacts], Limit], ...] = (
    cover_every_outage,
    serve_in_outage,
    take_over_where_deployed,
    take_over_no_less_than_nothing,
    process_no_less_than_nothing,
    process_what_is_taken_over,
    limit_accelerators_in_outage,
    limit_it_power_in_outage,
    limit_link_traffic_in_outage,
    stand_in_two_places,
)


def check_resilience(f: PlanFacts) -> list[Limit]:
    """Every limit on resilience."""
    outages = OutageFacts(f)
    return [*(limit(f, outages) for limit in OUTAGE_LIMITS), keep_second_route(f)]

"""
Every limit of a plan, one function per equation, from the mathematics of docs/formulation.md.

`LIMITS` is the table of contents. Nothing here knows the model that found the plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.check_facts import PlanFacts, sum_by_group, sum_once
from optimizer.check_index import Labels
from optimizer.problem import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Limit:
    """
    One kind of limit on n things, by time (rows) or once for all.

    Attributes
    ----------
    equation
        Number in docs/formulation.md.
    name
        Name of the equation.
    unit
        Unit of amount and limit.
    labels
        (n,) what the limit is on.
    amount
        (T, n), (B, n) or (n,).
    sense
        How the amount must stand to the limit.
    limit
        Broadcasts to the shape of `amount`.
    times
        (T,) or (B,) what the rows of `amount` are called; None where it has none.
    """

    equation: str
    name: str
    unit: str
    labels: Labels
    amount: FloatArray | IntArray
    sense: Literal["<=", "=", ">="]
    limit: FloatArray | IntArray | float
    times: Labels | None = None


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
        ("peak", "mw", f.data_center_labels, plan.peak_mw, f.billing_labels),
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
    whole = np.rint(plan.new_pods)
    return [*limits, Limit("domain", "whole_pods_new", "pods", f.pool_labels, plan.new_pods, "=", whole)]


def serve_demand(f: PlanFacts) -> Limit:
    """(1a) An urgent workload is served or shed in the slice it arrives."""
    urgent = ~f.is_deferrable
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
    late = f.is_deferrable
    hours = f.slice_h[:, None]
    # Both sides are sums of terms that are not negative, so that the tolerance fits their size.
    left = f.plan.backlog_mtok + hours * (f.plan.shed_mtok_per_h + f.served_mtok_per_h)
    came = f.plan.backlog_mtok[f.previous] + hours * f.problem.demand_mtok_per_h
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
    whole = f.is_indivisible
    return Limit("7a", "assign_once", "data_centers", f.workload_labels[whole], chosen[whole], "=", 1.0)


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
    most = f.problem.links["capacity_gbps"].to_numpy(np.float64)
    return Limit("8", "limit_link_traffic", "gbps", f.link_labels, f.link_gbps, "<=", most, f.slice_labels)


def pay_peak_power(f: PlanFacts) -> Limit:
    """(9) The demand charge is paid on no less than the facility power of any slice of its billing period."""
    paid = f.plan.peak_mw[f.billing]
    drawn, labels = f.facility_power_mw, f.data_center_labels
    return Limit("9", "pay_peak_power", "mw", labels, drawn, "<=", paid, f.slice_labels)


def pay_contracted_power(f: PlanFacts) -> Limit:
    """(9b) Where the contract is billed, no slice of the year draws more facility power than is contracted."""
    paid = np.flatnonzero(f.is_contracted)
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

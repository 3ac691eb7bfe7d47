"""
Limits on resilience, one function per equation, from the mathematics of docs/formulation.md and the plan alone.

Nothing here knows which outages the model thinks hardest: that the outages planned for cover every failure in every
slice is a limit of its own. Second routes are searched again, fibre by fibre.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from optimizer.check_facts import PlanFacts, sum_by_group, sum_once
from optimizer.check_index import Labels, index_of, join_labels, numbers_of
from optimizer.check_limits import Limit
from optimizer.problem import FloatArray, IntArray


class OutageFacts:
    """What a plan does in each outage; S = problem.outages."""

    def __init__(self, facts: PlanFacts) -> None:
        problem, plan = facts.problem, facts.plan
        self.facts = facts
        self.failed = index_of(problem.outages, "failed_index")
        self.slice = index_of(problem.outages, "slice_index")
        count = len(self.failed)
        asked = problem.outage_demand_mtok_per_h
        self.asked_mtok_per_h: FloatArray = asked.sum(axis=0) if asked.size else np.zeros(len(problem.workloads))
        self.demand_mtok_per_h: FloatArray = asked[self.slice] if asked.size else np.zeros((0, len(problem.workloads)))
        self.share = _sized(plan.failover_share, (count, len(problem.candidates)))
        self.work_mtok_per_h = _sized(plan.failover_work_mtok_per_h, (count, len(problem.processes)))
        self.flow_mtok_per_h: FloatArray = self.share * self.demand_mtok_per_h[:, facts.candidate_workload]
        k, a = index_of(problem.processes, "class_index"), index_of(problem.processes, "accelerator_index")
        busy = self.work_mtok_per_h * problem.accel_h_per_mtok[k, a]
        self.busy_accelerators = sum_by_group(busy, index_of(problem.processes, "pool_index"), len(problem.pools))

    @property
    def labels(self) -> Labels:
        """(S,) such as "loss of center_b in year 13:00"."""
        named = [f"loss of {name} in" for name in self.facts.data_center_labels[self.failed]]
        return join_labels(np.array(named, dtype=object), " ", self.facts.slice_labels[self.slice])


def _sized(array: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Zeros where the plan has nothing: it then takes nothing over."""
    return array if array.shape == shape else np.zeros(shape)


def cover_every_outage(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11a) Each failure is planned for, in each slice or in one in which no workload asks for less."""
    asked = f.problem.outage_demand_mtok_per_h
    covered = np.ones((len(asked), len(f.data_center_labels)))
    serves = np.zeros(len(f.data_center_labels), np.bool_)
    if asked.size:
        serves[f.candidate_data_center[o.asked_mtok_per_h[f.candidate_workload] > 0.0]] = True
    for d in np.flatnonzero(serves):
        planned = asked[o.slice[o.failed == d]]
        covered[:, d] = [bool((planned >= now).all(axis=1).any()) for now in asked]
    times = f.slice_labels if asked.size else f.slice_labels[:0]
    return Limit("11a", "cover_every_outage", "1", f.data_center_labels, covered, ">=", 1.0, times)


def serve_in_outage(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11a) What must not wait is taken over, all of it, by data centers that have not failed."""
    stands = f.candidate_data_center[None, :] != o.failed[:, None]
    served = sum_by_group(o.flow_mtok_per_h * stands, f.candidate_workload, len(f.workload_labels))
    labels, asked = f.workload_labels, o.demand_mtok_per_h
    return Limit("11a", "serve_in_outage", "mtok_per_h", labels, served, "=", asked, o.labels)


def take_over_where_deployed(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11b) A candidate takes over only where its class is deployed, and not from beyond the whole of the work."""
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
    problem = f.problem
    gbps = o.flow_mtok_per_h * numbers_of(problem.classes, "gbps_per_mtok_per_h")[f.candidate_class]
    on_routes = sum_by_group(gbps, index_of(problem.candidates, "route_index"), len(problem.routes))
    travelled = on_routes[:, index_of(problem.route_links, "route_index")]
    link_gbps = sum_by_group(travelled, index_of(problem.route_links, "link_index"), len(problem.links))
    most = numbers_of(problem.links, "capacity_gbps")
    return Limit("11f", "limit_link_traffic_in_outage", "gbps", f.link_labels, link_gbps, "<=", most, o.labels)


def stand_in_two_places(f: PlanFacts, o: OutageFacts) -> Limit:
    """(11g) Within reach of each workload that must not wait its class is deployed in two data centers."""
    problem = f.problem
    deployed = np.unique(f.pair_workload * len(f.data_center_labels) + index_of(problem.pairs, "data_center_index"))
    workload, center = np.divmod(deployed, len(f.data_center_labels))
    at = f.deployment_of(index_of(problem.workloads, "class_index")[workload], center)
    places = sum_once(f.plan.is_deployed[at], workload, len(f.workload_labels))
    asked = o.asked_mtok_per_h > 0.0
    name = "stand_in_two_places"
    return Limit("11g", name, "data_centers", f.workload_labels[asked], places[asked], ">=", 2.0)


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

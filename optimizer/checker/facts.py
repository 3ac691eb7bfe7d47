"""What follows from a plan, worked out from the problem arrays and the plan alone: power, traffic, tokens, costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.units import KW_PER_MW

Labels = npt.NDArray[np.object_]


def numbers_of(table: pd.DataFrame, name: str) -> FloatArray:
    """Read a column of numbers."""
    return table[name].to_numpy(np.float64)


def index_of(table: pd.DataFrame, name: str) -> IntArray:
    """Read a column of positions."""
    return table[name].to_numpy(np.int64)


def _labels_of(table: pd.DataFrame, name: str) -> Labels:
    """Read a column of names."""
    return table[name].to_numpy(object)


def join_labels(first: Labels, between: str, second: Labels) -> Labels:
    """Join names one by one: (n,) and (n,) to (n,)."""
    joined = np.empty(len(first), dtype=object)
    joined[:] = [f"{a}{between}{b}" for a, b in zip(first, second, strict=True)]
    return joined


@dataclass(frozen=True, eq=False)
class _ProblemIndex:
    """
    A problem's positions, numbers and names, each read once.

    Set letters as in `PlacementProblem`; N = deployments, X = processes, G = (workload, data center) pairs,
    J = pairs of indivisible workloads.
    """

    problem: PlacementProblem

    # The next three are derived here too, not taken from `PlacementProblem`: the model takes them from there, and a
    # mistake in them must not hide itself.

    @cached_property
    def slice_h(self) -> FloatArray:
        """(T,) length of each slice in hours: from its beginning to that of the one after it, round the clock."""
        begins = self.problem.slices["hour"].to_numpy(np.float64)
        before = index_of(self.problem.slices, "previous_index")
        out = np.empty(len(begins))
        out[before] = (begins - begins[before]) % 24.0
        return np.where(out > 0, out, 24.0)

    @cached_property
    def is_contracted(self) -> npt.NDArray[np.bool_]:
        """(D,) True where the demand charge is paid on contracted power; on monthly peaks where nothing is said."""
        basis = self.problem.data_centers.get("demand_charge_basis")
        if basis is None:
            return np.zeros(len(self.problem.data_centers), dtype=np.bool_)
        return np.array([text == "contracted" for text in basis], dtype=np.bool_)

    @cached_property
    def kept_accelerators(self) -> FloatArray:
        """(N,) accelerators that a class keeps switched on where it is deployed."""
        if "min_accelerators" not in self.problem.classes:
            return np.zeros(len(self.problem.deployments))
        return self.class_column("min_accelerators")[self.deployment_class]

    def class_column(self, name: str) -> FloatArray:
        """(K,) a number of each class."""
        return numbers_of(self.problem.classes, name)

    def candidate_column(self, name: str) -> FloatArray:
        """(R,) a number of each candidate."""
        return numbers_of(self.problem.candidates, name)

    def data_center_column(self, name: str) -> FloatArray:
        """(D,) a number of each data center."""
        return numbers_of(self.problem.data_centers, name)

    def pool_column(self, name: str) -> FloatArray:
        """(P,) a number of each pool."""
        return numbers_of(self.problem.pools, name)

    @cached_property
    def pool_data_center(self) -> IntArray:
        """(P,) data center of each pool."""
        return index_of(self.problem.pools, "data_center_index")

    @cached_property
    def pool_accelerator(self) -> IntArray:
        """(P,) accelerator of each pool."""
        return index_of(self.problem.pools, "accelerator_index")

    @cached_property
    def accelerators_per_pod(self) -> FloatArray:
        """(P,) accelerators in a pod of each pool."""
        return numbers_of(self.problem.accelerators, "accelerators_per_pod")[self.pool_accelerator]

    @cached_property
    def deployment_class(self) -> IntArray:
        """(N,) class of each deployment."""
        return index_of(self.problem.deployments, "class_index")

    @cached_property
    def deployment_data_center(self) -> IntArray:
        """(N,) data center of each deployment."""
        return index_of(self.problem.deployments, "data_center_index")

    @cached_property
    def pair_workload(self) -> IntArray:
        """(G,) workload of each pair."""
        return index_of(self.problem.pairs, "workload_index")

    @cached_property
    def deployment_of_pair(self) -> IntArray:
        """(G,) row of `deployments` with the class and data center of each pair."""
        workload_class = index_of(self.problem.workloads, "class_index")
        return self.deployment_of(workload_class[self.pair_workload], index_of(self.problem.pairs, "data_center_index"))

    @cached_property
    def pair_servable_mtok_per_h(self) -> FloatArray:
        """(T, G) most that the workload of each pair can have served in the slice."""
        return self.problem.servable_mtok_per_h[:, self.pair_workload]

    @cached_property
    def indivisible_workload(self) -> IntArray:
        """(J,) workload of each indivisible pair."""
        return index_of(self.problem.indivisible_pairs, "workload_index")

    @cached_property
    def pair_of_indivisible(self) -> IntArray:
        """(J,) row of `pairs` of each indivisible pair."""
        return self.pair_of(self.indivisible_workload, index_of(self.problem.indivisible_pairs, "data_center_index"))

    @cached_property
    def candidate_workload(self) -> IntArray:
        """(R,) workload of each candidate."""
        return index_of(self.problem.candidates, "workload_index")

    @cached_property
    def candidate_class(self) -> IntArray:
        """(R,) class of each candidate."""
        return index_of(self.problem.workloads, "class_index")[self.candidate_workload]

    @cached_property
    def candidate_data_center(self) -> IntArray:
        """(R,) data center of each candidate."""
        return index_of(self.problem.candidates, "data_center_index")

    def deployment_of(self, class_index: IntArray, data_center_index: IntArray) -> IntArray:
        """(n,) row of `deployments` for each class and data center, -1 where there is none."""
        return self._row_of(self.problem.deployments, "class_index", class_index, data_center_index)

    def pair_of(self, workload_index: IntArray, data_center_index: IntArray) -> IntArray:
        """(n,) row of `pairs` for each workload and data center, -1 where there is none."""
        return self._row_of(self.problem.pairs, "workload_index", workload_index, data_center_index)

    def _row_of(self, table: pd.DataFrame, first: str, wanted: IntArray, site: IntArray) -> IntArray:
        width = len(self.problem.data_centers)  # a pair of positions as one number: two-level indexes take far longer
        keys = pd.Index(index_of(table, first) * width + index_of(table, "data_center_index"))
        row: IntArray = keys.get_indexer(pd.Index(wanted * width + site)).astype(np.int64)
        return np.where((site >= 0) & (site < width), row, -1)

    @cached_property
    def slice_labels(self) -> Labels:
        """(T,) such as "year 13:30"."""
        hours = numbers_of(self.problem.slices, "hour")
        clock = [f"{int(h):02d}:{round(h % 1 * 60):02d}" for h in hours]
        return join_labels(_labels_of(self.problem.slices, "day"), " ", np.array(clock, dtype=object))

    @cached_property
    def class_labels(self) -> Labels:
        """(K,) id."""
        return _labels_of(self.problem.classes, "id")

    @cached_property
    def data_center_labels(self) -> Labels:
        """(D,) id."""
        return _labels_of(self.problem.data_centers, "id")

    @cached_property
    def link_labels(self) -> Labels:
        """(L,) id."""
        return _labels_of(self.problem.links, "id")

    @cached_property
    def workload_labels(self) -> Labels:
        """(W,) such as "chat hub_a"."""
        workloads = self.problem.workloads
        return join_labels(_labels_of(workloads, "workload_class"), " ", _labels_of(workloads, "demand_hub"))

    @cached_property
    def pair_labels(self) -> Labels:
        """(G,) such as "chat hub_a -> center_b"."""
        ends = self.data_center_labels[index_of(self.problem.pairs, "data_center_index")]
        return join_labels(self.workload_labels[self.pair_workload], " -> ", ends)

    @cached_property
    def indivisible_labels(self) -> Labels:
        """(J,) such as "chat hub_a -> center_b"."""
        return self.pair_labels[self.pair_of_indivisible]

    @cached_property
    def candidate_labels(self) -> Labels:
        """(R,) such as "chat hub_a -> center_b via hub_a>node_c>center_b"."""
        ends = self.data_center_labels[self.candidate_data_center]
        pairs = join_labels(self.workload_labels[self.candidate_workload], " -> ", ends)
        routes = _labels_of(self.problem.routes, "nodes")[index_of(self.problem.candidates, "route_index")]
        return join_labels(pairs, " via ", routes)

    @cached_property
    def deployment_labels(self) -> Labels:
        """(N,) such as "chat at center_b"."""
        centers = self.data_center_labels[self.deployment_data_center]
        return join_labels(self.class_labels[self.deployment_class], " at ", centers)

    @cached_property
    def pool_labels(self) -> Labels:
        """(P,) such as "h20 at center_b"."""
        accelerators = _labels_of(self.problem.accelerators, "id")[self.pool_accelerator]
        return join_labels(accelerators, " at ", self.data_center_labels[self.pool_data_center])

    @cached_property
    def process_labels(self) -> Labels:
        """(X,) such as "chat on h20 at center_b"."""
        processes = self.problem.processes
        pools = self.pool_labels[index_of(processes, "pool_index")]
        return join_labels(self.class_labels[index_of(processes, "class_index")], " on ", pools)


def sum_by_group(values: FloatArray | IntArray, group: IntArray, count: int) -> FloatArray:
    """Add up the columns of each group."""
    sums: FloatArray = np.zeros((len(values), count))
    for row, out in zip(values, sums, strict=True):
        out[:] = np.bincount(group, weights=row, minlength=count)
    return sums


def sum_once(values: FloatArray | IntArray, group: IntArray, count: int) -> FloatArray:
    """Add up the numbers of each group: (n,) to (count,)."""
    sums: FloatArray = sum_by_group(values[None, :], group, count)[0]
    return sums


def _mean(total: FloatArray, weight: FloatArray) -> FloatArray:
    """Quotient, NaN where the weight is 0."""
    mean: FloatArray = np.full(len(total), np.nan)
    return np.divide(total, weight, out=mean, where=weight > 0)


@dataclass(frozen=True, eq=False)
class PlanFacts(_ProblemIndex):
    """A well-formed plan beside its problem, with everything that follows from the two, each worked out once."""

    plan: Plan

    def at_prices(self, problem: PlacementProblem) -> PlanFacts:
        """Set the plan beside a problem that differs in prices alone, and keep what does not depend on them."""
        other = PlanFacts(problem, self.plan)
        known = self.__dict__.items()
        other.__dict__.update({name: value for name, value in known if name in _NOT_OF_PRICES})
        return other

    @cached_property
    def pool_is_open(self) -> IntArray:
        """(P,) 1 where the data center of the pool is open."""
        return self.plan.is_open[self.pool_data_center]

    @cached_property
    def kept_pods(self) -> FloatArray:
        """(P,) existing pods of open data centers."""
        return self.pool_column("existing_pods") * self.pool_is_open

    @cached_property
    def loaded_accelerators(self) -> FloatArray:
        """(N,) accelerators that each deployment keeps switched on."""
        return self.kept_accelerators * self.plan.is_deployed

    @cached_property
    def served_mtok_per_h(self) -> FloatArray:
        """(T, W) tokens routed anywhere."""
        return sum_by_group(self.plan.flow_mtok_per_h, self.candidate_workload, len(self.problem.workloads))

    @cached_property
    def pair_mtok_per_h(self) -> FloatArray:
        """(T, G) tokens routed from each workload to each data center."""
        pair = self.pair_of(self.candidate_workload, self.candidate_data_center)
        return sum_by_group(self.plan.flow_mtok_per_h, pair, len(self.problem.pairs))

    @cached_property
    def routed_mtok_per_h(self) -> FloatArray:
        """(T, N) tokens of each class routed to each data center."""
        deployment = self.deployment_of(self.candidate_class, self.candidate_data_center)
        return sum_by_group(self.plan.flow_mtok_per_h, deployment, len(self.problem.deployments))

    @cached_property
    def processed_mtok_per_h(self) -> FloatArray:
        """(T, N) tokens of each class processed at each data center."""
        processes = self.problem.processes
        deployment = self.deployment_of(index_of(processes, "class_index"), index_of(processes, "data_center_index"))
        return sum_by_group(self.plan.work_mtok_per_h, deployment, len(self.problem.deployments))

    @cached_property
    def busy_accelerators(self) -> FloatArray:
        """(T, P) busy accelerators of each pool: accelerator-hours per hour."""
        return self.busy_accelerators_of(self.plan.work_mtok_per_h)

    def busy_accelerators_of(self, work_mtok_per_h: FloatArray) -> FloatArray:
        """(n, P) busy accelerators of each pool from work by process, (n, X)."""
        processes = self.problem.processes
        k, a = index_of(processes, "class_index"), index_of(processes, "accelerator_index")
        busy = work_mtok_per_h * self.problem.accel_h_per_mtok[k, a]
        return sum_by_group(busy, index_of(processes, "pool_index"), len(self.problem.pools))

    @cached_property
    def slowest_compute_ms(self) -> FloatArray:
        """(K, D) time to compute the first token on the slowest accelerator that processes the class there."""
        processes = self.problem.processes
        slowest: FloatArray = np.zeros((len(self.problem.classes), len(self.problem.data_centers)))
        if self.problem.compute_ms is None:
            return slowest
        busy = (self.plan.work_mtok_per_h > 0.0).any(axis=0)
        k, d, a = (index_of(processes, f"{name}_index")[busy] for name in ("class", "data_center", "accelerator"))
        np.maximum.at(slowest, (k, d), self.problem.compute_ms[k, a])
        return slowest

    @cached_property
    def pool_it_power_mw(self) -> FloatArray:
        """(T, P) idle power of the active pods and dynamic power of the busy accelerators."""
        accelerators, a = self.problem.accelerators, self.pool_accelerator
        idle_mw = self.plan.active_pods * numbers_of(accelerators, "idle_mw_per_pod")[a]
        return idle_mw + self.busy_accelerators * numbers_of(accelerators, "dynamic_mw_per_accelerator")[a]

    @cached_property
    def it_power_mw(self) -> FloatArray:
        """(T, D) power of the pools."""
        return sum_by_group(self.pool_it_power_mw, self.pool_data_center, len(self.problem.data_centers))

    @cached_property
    def facility_power_mw(self) -> FloatArray:
        """(T, D) IT power times PUE."""
        return self.it_power_mw * numbers_of(self.problem.data_centers, "pue")

    @cached_property
    def link_gbps(self) -> FloatArray:
        """(T, L) traffic on each link, both directions together."""
        return self.link_gbps_of(self.plan.flow_mtok_per_h)

    def link_gbps_of(self, flow_mtok_per_h: FloatArray) -> FloatArray:
        """(n, L) traffic on each link from flows by candidate, (n, R)."""
        problem = self.problem
        gbps = flow_mtok_per_h * numbers_of(problem.classes, "gbps_per_mtok_per_h")[self.candidate_class]
        on_routes = sum_by_group(gbps, index_of(problem.candidates, "route_index"), len(problem.routes))
        travelled = on_routes[:, index_of(problem.route_links, "route_index")]
        return sum_by_group(travelled, index_of(problem.route_links, "link_index"), len(problem.links))

    @cached_property
    def energy_mwh_per_year(self) -> FloatArray:
        """(D,) facility energy."""
        return self.problem.weight_h @ self.facility_power_mw

    @cached_property
    def carbon_t_per_year(self) -> FloatArray:
        """(D,) tonnes of CO2: 1 MWh at 1 kg/kWh is 1 t."""
        return self.energy_mwh_per_year * numbers_of(self.problem.data_centers, "carbon_kg_per_kwh")

    @cached_property
    def market_carbon_t_per_year(self) -> FloatArray:
        """(D,) tonnes of CO2, market-based: energy that no contract for green power covers, at the grid's factor."""
        return self.carbon_t_per_year * (1.0 - numbers_of(self.problem.data_centers, "green_power_share"))

    @cached_property
    def investment_cny(self) -> float:
        """Up-front price of the new pods with their building and power."""
        return float((self.pool_column("pod_cny") + self.pool_column("site_cny")) @ self.plan.new_pods)

    @cached_property
    def candidate_mtok_per_year(self) -> FloatArray:
        """(R,) tokens routed by each candidate in a year."""
        return self.problem.weight_h @ self.plan.flow_mtok_per_h

    @cached_property
    def classes(self) -> pd.DataFrame:
        """(K,) tokens and mean RTT by class: see `CheckReport.classes`."""
        count = len(self.problem.classes)
        mtok = sum_once(self.candidate_mtok_per_year, self.candidate_class, count)
        mtok_ms = self.candidate_mtok_per_year * numbers_of(self.problem.candidates, "rtt_ms")
        shed = self.problem.weight_h @ self.plan.shed_mtok_per_h
        return pd.DataFrame(
            {
                "workload_class": self.problem.classes["id"].to_numpy(),
                "mtok_per_year": mtok,
                "shed_mtok_per_year": sum_once(shed, index_of(self.problem.workloads, "class_index"), count),
                "mean_rtt_ms": _mean(sum_once(mtok_ms, self.candidate_class, count), mtok),
            }
        )

    @cached_property
    def mean_rtt_ms(self) -> float:
        """Token-weighted mean of rtt_ms; NaN where nothing is served."""
        mtok = self.candidate_mtok_per_year
        total = mtok @ numbers_of(self.problem.candidates, "rtt_ms")
        return float(_mean(np.array([total]), np.array([mtok.sum()]))[0])


# What costs are made of, and no price enters.
_NOT_OF_PRICES = (
    "busy_accelerators",
    "candidate_class",
    "candidate_data_center",
    "candidate_mtok_per_year",
    "candidate_workload",
    "carbon_t_per_year",
    "classes",
    "data_center_labels",
    "deployment_class",
    "deployment_data_center",
    "energy_mwh_per_year",
    "facility_power_mw",
    "it_power_mw",
    "pool_data_center",
)


# Components that count as yearly spending of the data centers (10f).
SPENDING = ("energy", "demand_charge", "accelerator_capital", "site_capital", "opening", "deployment", "carbon")


def list_costs(f: PlanFacts) -> pd.DataFrame:
    """List all costs: component, data_center ("" for shedding, which belongs to none), cny_per_year."""
    by_data_center = _costs_by_data_center(f)
    ids = f.data_center_labels
    shedding = f.problem.shed_penalty_cny_per_mtok * f.classes["shed_mtok_per_year"].sum()
    return pd.DataFrame(
        {
            "component": [*np.repeat(list(by_data_center), len(ids)), "shedding"],
            "data_center": [*np.tile(ids, len(by_data_center)), ""],
            "cny_per_year": np.append(np.concatenate(list(by_data_center.values())), shedding),
        }
    )


def _costs_by_data_center(f: PlanFacts) -> dict[str, FloatArray]:
    """(D,) CNY per year of each component that a data center causes, in the order of the objective."""
    problem, plan = f.problem, f.plan
    mtok = f.candidate_mtok_per_year
    price_cny_h_per_mwh = problem.weight_h[:, None] * problem.energy_price_cny_per_mwh
    charge_cny_per_mw_month = KW_PER_MW * f.data_center_column("demand_charge_cny_per_kw_month")
    months = problem.billing["months"].to_numpy(np.float64)
    by_peak = months @ plan.peak_mw
    latency_cny_per_ms = f.class_column("latency_cny_per_ms_per_mtok")[f.candidate_class] * mtok
    network_cny = f.candidate_column("network_cny_per_mtok") * mtok
    data_transfer_cny = f.candidate_column("data_transfer_cny_per_mtok") * mtok
    deployment_cny = f.class_column("deploy_cny_per_year")[f.deployment_class] * plan.is_deployed

    def add_up(values: FloatArray, data_center: IntArray) -> FloatArray:
        return sum_once(values, data_center, len(f.data_center_labels))

    energy_cny = (price_cny_h_per_mwh * f.facility_power_mw).sum(axis=0)
    # Read from the pools, not from the matrix that the model takes.
    if "energy_surcharge_cny_per_mwh" in problem.pools:
        pool_mwh = problem.weight_h @ f.pool_it_power_mw * f.data_center_column("pue")[f.pool_data_center]
        energy_cny = energy_cny + add_up(f.pool_column("energy_surcharge_cny_per_mwh") * pool_mwh, f.pool_data_center)

    return {
        "energy": energy_cny,
        "demand_charge": charge_cny_per_mw_month * np.where(f.is_contracted, months.sum() * plan.contract_mw, by_peak),
        "latency": add_up(latency_cny_per_ms * f.candidate_column("rtt_ms"), f.candidate_data_center),
        "network": add_up(network_cny, f.candidate_data_center),
        "data_transfer": add_up(data_transfer_cny, f.candidate_data_center),
        "accelerator_capital": add_up(f.pool_column("pod_cny_per_year") * plan.new_pods, f.pool_data_center),
        "site_capital": add_up(f.pool_column("site_cny_per_year") * plan.new_pods, f.pool_data_center),
        "opening": f.data_center_column("opening_cny_per_year") * plan.is_open
        + f.data_center_column("opening_cny_per_mw_year") * plan.contract_mw,
        "deployment": add_up(deployment_cny, f.deployment_data_center),
        "carbon": problem.carbon_price_cny_per_t * f.carbon_t_per_year,
    }

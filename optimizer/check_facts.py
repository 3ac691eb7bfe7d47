"""What a plan amounts to, from the problem arrays and the plan alone: power, traffic and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from optimizer.check_index import ProblemIndex, index_of, numbers_of
from optimizer.plan import Plan
from optimizer.problem import FloatArray, IntArray, PlacementProblem


def sum_by_group(values: FloatArray | IntArray, group: IntArray, count: int) -> FloatArray:
    """
    Add up the columns of each group.

    Parameters
    ----------
    values
        (T, n).
    group
        (n,) group of each column, 0 to count - 1.
    count
        Number of groups; a group without columns sums to 0.

    Returns
    -------
    FloatArray
        (T, count).
    """
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
class PlanFacts(ProblemIndex):
    """
    A plan beside its problem, with everything that follows from the two, each worked out once.

    Attributes
    ----------
    plan
        The plan; its arrays fit the problem and are finite.
    """

    plan: Plan

    def at_prices(self, problem: PlacementProblem) -> PlanFacts:
        """
        Set the plan beside a problem that differs in prices alone, and keep what does not depend on them.

        Parameters
        ----------
        problem
            Same rows in the same order, with other prices.
        """
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
        least: FloatArray = np.zeros(len(self.problem.deployments))
        if "min_accelerators" in self.problem.classes:
            least = self.class_column("min_accelerators")[self.deployment_class] * self.plan.is_deployed
        return least

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
        processes = self.problem.processes
        k, a = index_of(processes, "class_index"), index_of(processes, "accelerator_index")
        busy = self.plan.work_mtok_per_h * self.problem.accel_h_per_mtok[k, a]
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
    def it_power_mw(self) -> FloatArray:
        """(T, D) idle power of the active pods and dynamic power of the busy accelerators."""
        accelerators, a = self.problem.accelerators, self.pool_accelerator
        idle_mw = self.plan.active_pods * numbers_of(accelerators, "idle_mw_per_pod")[a]
        dynamic_mw = self.busy_accelerators * numbers_of(accelerators, "dynamic_mw_per_accelerator")[a]
        return sum_by_group(idle_mw + dynamic_mw, self.pool_data_center, len(self.problem.data_centers))

    @cached_property
    def facility_power_mw(self) -> FloatArray:
        """(T, D) IT power times PUE."""
        return self.it_power_mw * numbers_of(self.problem.data_centers, "pue")

    @cached_property
    def link_gbps(self) -> FloatArray:
        """(T, L) traffic on each link, both directions together."""
        problem = self.problem
        gbps = self.plan.flow_mtok_per_h * numbers_of(problem.classes, "gbps_per_mtok_per_h")[self.candidate_class]
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
    "is_contracted",
    "it_power_mw",
    "pool_data_center",
)

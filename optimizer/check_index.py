"""A problem's tables as arrays and names for the checker: who belongs to whom, and what to call it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.problem import FloatArray, IntArray, PlacementProblem

Labels = npt.NDArray[np.object_]


def numbers_of(table: pd.DataFrame, name: str) -> FloatArray:
    """Read a column of numbers."""
    return table[name].to_numpy(np.float64)


def index_of(table: pd.DataFrame, name: str) -> IntArray:
    """Read a column of positions."""
    return table[name].to_numpy(np.int64)


def labels_of(table: pd.DataFrame, name: str) -> Labels:
    """Read a column of names."""
    return table[name].to_numpy(object)


def join_labels(first: Labels, between: str, second: Labels) -> Labels:
    """Join names one by one: (n,) and (n,) to (n,)."""
    joined = np.empty(len(first), dtype=object)
    joined[:] = [f"{a}{between}{b}" for a, b in zip(first, second, strict=True)]
    return joined


@dataclass(frozen=True, eq=False)
class ProblemIndex:
    """
    A problem's positions, numbers and names, each read once.

    Set letters as in `PlacementProblem`; N = deployments, X = processes, G = (workload, data center) pairs,
    J = pairs of indivisible workloads.

    Attributes
    ----------
    problem
        The problem.
    """

    problem: PlacementProblem

    @cached_property
    def slice_h(self) -> FloatArray:
        """(T,) length of each slice in hours: its share of its day."""
        slices_of_day = self.problem.slices.groupby("day")["hour"].transform("size")
        return 24.0 / slices_of_day.to_numpy(np.float64)

    @cached_property
    def previous(self) -> IntArray:
        """(T,) the slice before each."""
        return index_of(self.problem.slices, "previous_index")

    @cached_property
    def billing(self) -> IntArray:
        """(T,) billing period of each slice."""
        return index_of(self.problem.slices, "billing_index")

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
    def is_contracted(self) -> npt.NDArray[np.bool_]:
        """(D,) True where the demand charge is paid on contracted power; on monthly peaks where nothing is said."""
        basis = self.problem.data_centers.get("demand_charge_basis")
        if basis is None:
            return np.zeros(len(self.problem.data_centers), dtype=np.bool_)
        return np.array([text == "contracted" for text in basis], dtype=np.bool_)

    @cached_property
    def is_deferrable(self) -> npt.NDArray[np.bool_]:
        """(W,) True where a workload may wait."""
        return self.problem.workloads["is_deferrable"].to_numpy(np.bool_)

    @cached_property
    def is_indivisible(self) -> npt.NDArray[np.bool_]:
        """(W,) True where a workload must use one data center."""
        return self.problem.workloads["is_indivisible"].to_numpy(np.bool_)

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
        return join_labels(labels_of(self.problem.slices, "day"), " ", np.array(clock, dtype=object))

    @cached_property
    def billing_labels(self) -> Labels:
        """(B,) day billed."""
        return labels_of(self.problem.billing, "day")

    @cached_property
    def class_labels(self) -> Labels:
        """(K,) id."""
        return labels_of(self.problem.classes, "id")

    @cached_property
    def data_center_labels(self) -> Labels:
        """(D,) id."""
        return labels_of(self.problem.data_centers, "id")

    @cached_property
    def link_labels(self) -> Labels:
        """(L,) id."""
        return labels_of(self.problem.links, "id")

    @cached_property
    def workload_labels(self) -> Labels:
        """(W,) such as "chat hub_a"."""
        workloads = self.problem.workloads
        return join_labels(labels_of(workloads, "workload_class"), " ", labels_of(workloads, "demand_hub"))

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
        routes = labels_of(self.problem.routes, "nodes")[index_of(self.problem.candidates, "route_index")]
        return join_labels(pairs, " via ", routes)

    @cached_property
    def deployment_labels(self) -> Labels:
        """(N,) such as "chat at center_b"."""
        centers = self.data_center_labels[self.deployment_data_center]
        return join_labels(self.class_labels[self.deployment_class], " at ", centers)

    @cached_property
    def pool_labels(self) -> Labels:
        """(P,) such as "h20 at center_b"."""
        accelerators = labels_of(self.problem.accelerators, "id")[self.pool_accelerator]
        return join_labels(accelerators, " at ", self.data_center_labels[self.pool_data_center])

    @cached_property
    def process_labels(self) -> Labels:
        """(X,) such as "chat on h20 at center_b"."""
        processes = self.problem.processes
        pools = self.pool_labels[index_of(processes, "pool_index")]
        return join_labels(self.class_labels[index_of(processes, "class_index")], " on ", pools)

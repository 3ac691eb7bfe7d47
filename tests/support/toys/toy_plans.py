"""Plans for small problems of which only the whole-numbered decisions matter."""

from __future__ import annotations

import numpy as np

from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem


def generous(problem: PlacementProblem) -> Plan:
    """Open, deploy and buy everything; assign each indivisible workload to its first data center."""
    pairs = problem.indivisible_pairs
    return Plan(
        flow_mtok_per_h=np.zeros((len(problem.slices), len(problem.candidates))),
        shed_mtok_per_h=np.zeros_like(problem.demand_mtok_per_h),
        backlog_mtok=np.zeros_like(problem.demand_mtok_per_h),
        work_mtok_per_h=np.zeros((len(problem.slices), len(problem.processes))),
        active_pods=np.zeros((len(problem.slices), len(problem.pools))),
        new_pods=problem.pools["max_new_pods"].to_numpy(),
        is_open=np.ones(len(problem.data_centers), np.int64),
        is_deployed=np.ones(len(problem.deployments), np.int64),
        is_assigned=(~pairs["workload_index"].duplicated()).to_numpy().astype(np.int64),
        peak_mw=np.zeros((len(problem.billing), len(problem.data_centers))),
        contract_mw=np.zeros(len(problem.data_centers)),
    )

"""A plan: the decisions of one placement, as arrays over the problem's index tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimizer.problem.problem import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Plan:
    """
    Decisions of one placement. N = problem.deployments, X = problem.processes, J = problem.indivisible_pairs.

    Attributes
    ----------
    flow_mtok_per_h
        (T, R) tokens routed by candidate.
    shed_mtok_per_h
        (T, W) tokens not served.
    backlog_mtok
        (T, W) tokens waiting at the end of the slice; 0 for urgent workloads.
    work_mtok_per_h
        (T, X) tokens processed by class, data center and accelerator.
    active_pods
        (T, P) pods switched on (not necessarily whole: a part-time pod).
    new_pods
        (P,) pods bought, whole numbers.
    is_open
        (D,) 0 or 1.
    is_deployed
        (N,) 0 or 1.
    is_assigned
        (J,) 0 or 1.
    peak_mw
        (B, D) facility power of each billing period that a demand charge on the monthly peak is paid on.
    contract_mw
        (D,) facility power of the year that a demand charge on contracted power is paid on.
    failover_share
        (S, R) share of its workload's work that a candidate takes over in each of problem.outages; (0, 0) where none
        is planned.
    failover_work_mtok_per_h
        (S, X) tokens processed in each outage; (0, 0) where none is planned.
    """

    flow_mtok_per_h: FloatArray
    shed_mtok_per_h: FloatArray
    backlog_mtok: FloatArray
    work_mtok_per_h: FloatArray
    active_pods: FloatArray
    new_pods: IntArray
    is_open: IntArray
    is_deployed: IntArray
    is_assigned: IntArray
    peak_mw: FloatArray
    contract_mw: FloatArray
    failover_share: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    failover_work_mtok_per_h: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

"""The time to the first token as a plan spends it, class by class: queueing, computing, the way, and what is left."""

from __future__ import annotations

import numpy as np
import pandas as pd

from optimizer.check_facts import PlanFacts
from optimizer.problem import FloatArray, PlacementProblem


def latency_table(problem: PlacementProblem, facts: PlanFacts) -> pd.DataFrame:
    """
    Add up the time to the first token of each class where least of it is left.

    Parameters
    ----------
    problem
        The problem.
    facts
        The plan beside it.

    Returns
    -------
    DataFrame
        One row per class. workload_class; ttft_limit_ms = queue_margin_ms + compute_ms + way_ms + ttft_left_ms, where
        way_ms are the round trips of the connection over worst_rtt_ms; rtt_budget_ms (what queue and computing leave
        for one round trip), stated_rtt_limit_ms, rtt_limit_ms (the smaller of the two), worst_rtt_ms, slack_ms (what
        of rtt_limit_ms it leaves), mean_rtt_ms (by tokens), data_center (where the worst one goes). The worst round
        trip is the one with the least slack, or the longest where there is no limit. compute_ms is that of the slowest
        accelerator that may process the class there. NaN where there is no limit, or nothing is served.
    """
    used = np.flatnonzero(facts.candidate_mtok_per_year > 0)
    k, d = facts.candidate_class[used], facts.candidate_data_center[used]
    rtt_ms = facts.candidate_column("rtt_ms")[used]
    limit_ms = problem.rtt_limit_ms[k, d]
    slack_ms = np.where(np.isfinite(limit_ms), limit_ms - rtt_ms, np.inf)
    order = np.lexsort((-rtt_ms, slack_ms))
    classes, first = np.unique(k[order], return_index=True)
    worst = order[first]
    count = len(problem.classes)

    def by_class(values: FloatArray) -> FloatArray:
        out = np.full(count, np.nan)
        out[classes] = np.where(np.isfinite(values), values, np.nan)
        return out

    stated_ms = problem.classes["rtt_limit_ms"].to_numpy(float)
    ttft_ms = np.full(count, np.inf)
    compute_ms = np.zeros(len(worst))
    if problem.compute_ms is not None:
        ttft_ms = problem.classes["ttft_limit_ms"].to_numpy(float)
        compute_ms = _slowest_ms(problem)[k[worst], d[worst]]
    limited_ms = np.where(np.isfinite(ttft_ms), ttft_ms, np.nan)
    margin_ms = limited_ms * problem.queue_margin_share
    way_ms = by_class(problem.connection_rtts * rtt_ms[worst])
    spent_ms = by_class(compute_ms)
    center = np.full(count, "", dtype=object)
    center[classes] = facts.data_center_labels[d[worst]]
    return pd.DataFrame(
        {
            "workload_class": problem.classes["id"].to_numpy(),
            "ttft_limit_ms": limited_ms,
            "queue_margin_ms": margin_ms,
            "compute_ms": spent_ms,
            "way_ms": way_ms,
            "ttft_left_ms": limited_ms - margin_ms - spent_ms - way_ms,
            "rtt_budget_ms": (limited_ms - margin_ms - spent_ms) / problem.connection_rtts,
            "stated_rtt_limit_ms": np.where(np.isfinite(stated_ms), stated_ms, np.nan),
            "rtt_limit_ms": by_class(limit_ms[worst]),
            "worst_rtt_ms": by_class(rtt_ms[worst]),
            "slack_ms": by_class(slack_ms[worst]),
            "mean_rtt_ms": facts.classes["mean_rtt_ms"].to_numpy(float),
            "data_center": center,
        }
    )


def _slowest_ms(problem: PlacementProblem) -> FloatArray:
    """(K, D) computing time on the slowest accelerator of each data center that may process the class."""
    pools, out = problem.pools, np.zeros((len(problem.classes), len(problem.data_centers)))
    if problem.compute_ms is None:
        return out
    held = (pools["existing_pods"] + pools["max_new_pods"]).to_numpy(float) > 0
    place, kind = (pools[f"{name}_index"].to_numpy(np.int64)[held] for name in ("data_center", "accelerator"))
    compute_ms = np.where(problem.can_process, problem.compute_ms, 0.0)[:, kind]
    np.maximum.at(out.T, place, compute_ms.T)
    return out

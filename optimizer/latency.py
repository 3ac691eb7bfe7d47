"""Where the time to the first token goes: queue, computing, the way; what is left, class by class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from network_data.faults import FaultList
from optimizer.problem import FloatArray, rtt_budgets_ms
from scenarios.schema import Scenario

MS_PER_S = 1e3


def first_token_ms(scenario: Scenario, class_ids: list[str], accelerators: pd.DataFrame) -> FloatArray:
    """
    Work out how long the input of a request takes to compute.

    Parameters
    ----------
    scenario
        Token mix of the classes.
    class_ids
        (K,) classes in use.
    accelerators
        From `fleet.accelerator_table`.

    Returns
    -------
    ndarray
        (K, A) ms: tokens not found in the cache, at the prefill rate of the accelerators that share a request.
    """
    classes = [scenario.workload_classes[name] for name in class_ids]
    tokens = np.array([item.input_tokens * (1 - item.cache_hit_share) for item in classes])
    rate = accelerators["prefill_tok_per_s"].to_numpy(float) * accelerators["prefill_accelerators"].to_numpy(float)
    return np.asarray(np.outer(tokens, MS_PER_S / rate), dtype=float)


def record_used_up(
    scenario: Scenario, classes: pd.DataFrame, compute_ms: FloatArray, accelerators: pd.DataFrame, faults: FaultList
) -> None:
    """
    Record each class whose time to the first token is used up before any way is paid for.

    Parameters
    ----------
    scenario
        Margin and round trips of `latency`.
    classes
        (K,) id, ttft_limit_ms.
    compute_ms
        (K, A) from `first_token_ms`.
    accelerators
        (A,).
    faults
        Receives the faults.
    """
    share, rtts = scenario.latency.queue_margin_share, scenario.latency.connection_rtts
    ttft_ms = classes["ttft_limit_ms"].to_numpy(float)
    budget_ms = rtt_budgets_ms(ttft_ms, compute_ms, share, rtts)
    for k in np.flatnonzero((budget_ms <= 0).all(axis=1)):
        best = int(compute_ms[k].argmin())
        margin_ms, left_ms = ttft_ms[k] * share, ttft_ms[k] * (1 - share) - compute_ms[k, best]
        faults.add(
            scenario.source_path.name,
            f"{ttft_ms[k]:g} ms to the first token, less {margin_ms:g} ms of queueing "
            f"(latency.queue_margin_share = {share:g}) and {compute_ms[k, best]:.1f} ms of computing on the fastest "
            f"accelerator, {accelerators['id'].iloc[best]}, leave {left_ms:.1f} ms for the way",
            "Raise ttft_limit_ms or cache_hit_share, lower input_tokens or latency.queue_margin_share, or use faster "
            "accelerators.",
            column="ttft_limit_ms",
            value=str(classes["id"].iloc[k]),
        )

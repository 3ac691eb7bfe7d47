"""What must be served at once in an outage, and the workloads that nothing could take over."""

from __future__ import annotations

import numpy as np
import pandas as pd

from network_data.faults import FaultList
from optimizer.problem import FloatArray
from scenarios.schema import Scenario


def record_without_refuge(
    workloads: pd.DataFrame, candidates: pd.DataFrame, centers: pd.DataFrame, scenario: Scenario, faults: FaultList
) -> None:
    """
    Record every workload that must not wait and reaches a single data center, where its loss is to be survived.

    Parameters
    ----------
    workloads, candidates, centers
        As assembled.
    scenario
        Says which classes wait outages out.
    faults
        Receives the faults.
    """
    if scenario.resilience.survive == "none":
        return
    in_reach = candidates.groupby("workload_index")["data_center_index"].agg(["nunique", "first"])
    hubs, class_ids = (workloads[name].to_numpy(object) for name in ("demand_hub", "workload_class"))
    alone = in_reach[in_reach["nunique"] == 1]
    for number, first in zip(alone.index.to_numpy(int), alone["first"].to_numpy(int), strict=True):
        hub, class_id = hubs[number], class_ids[number]
        item = scenario.workload_classes[class_id]
        if waits_out(item.deferrable_h, scenario):
            continue
        only = centers["id"].iloc[first]
        faults.add(
            scenario.source_path.name,
            f"reaches {only} alone within its limits, so that the loss of {only} cannot be survived",
            f"Loosen rtt_limit_ms or residency ({item.residency}) of the class, let it wait for "
            f"{scenario.resilience.outage_h} h, add a data center, or set resilience.survive to none.",
            column="workload",
            value=f"{class_id} of {hub}",
        )


def waits_out(deferrable_h: int, scenario: Scenario) -> bool:
    """
    Say whether a class waits an outage out.

    Parameters
    ----------
    deferrable_h
        Hours that it may wait.
    scenario
        Says how long an outage lasts.
    """
    return deferrable_h >= scenario.resilience.outage_h


def outage_demand(demand_mtok_per_h: FloatArray, workloads: pd.DataFrame, scenario: Scenario) -> FloatArray:
    """
    Say what must be served at once in an outage, (T, W): the arrivals of what does not wait; (0, 0) if nothing must.

    Parameters
    ----------
    demand_mtok_per_h
        (T, W) arrivals.
    workloads
        workload_class.
    scenario
        Its resilience section.
    """
    if scenario.resilience.survive == "none":
        return np.zeros((0, 0))
    waits = [waits_out(scenario.workload_classes[k].deferrable_h, scenario) for k in workloads["workload_class"]]
    return np.where(waits, 0.0, demand_mtok_per_h)

"""Residency rules and allowed regions: which data centers a class's data may go to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from network_data.faults import FaultList, suggest
from scenarios.schema import Scenario, WorkloadClass

# The columns of nodes and data centers that must agree under each rule.
_SAME = {"national": "country", "region": "region", "province": "province"}


def residency_mask(
    nodes: pd.DataFrame,
    centers: pd.DataFrame,
    classes: Mapping[str, WorkloadClass],
    every: pd.DataFrame,
    in_time: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """
    Mark the rows whose data center the class's residency rule and allowed regions both admit.

    Parameters
    ----------
    nodes, centers
        country, province, region; nodes indexed by id.
    classes
        Workload classes by id.
    every
        workload_index, demand_hub, workload_class, data_center_index.
    in_time
        Rows that keep the RTT limit. A preferring rule falls back to the same country only for workloads that
        have no such row, in an allowed region, in their region or province.
    """
    rule = every["workload_class"].map({k: item.residency for k, item in classes.items()}).to_numpy(str)
    place = every["data_center_index"].to_numpy(int)
    in_regions = _in_allowed_regions(centers["region"].to_numpy(str)[place], classes, every["workload_class"])

    def same(column: str) -> npt.NDArray[np.bool_]:
        return is_same(column, nodes, centers, every["demand_hub"], every["data_center_index"])

    allowed = rule == "none"
    for name, column in _SAME.items():
        strict = same(column)
        allowed |= (rule == name) & strict
        if name != "national":
            prefers = rule == f"{name}_preferred"
            fits = strict & in_time & in_regions
            has_one = pd.Series(fits).groupby(every["workload_index"].to_numpy()).transform("any").to_numpy()
            allowed |= prefers & np.where(has_one, strict, same("country"))
    return np.asarray(allowed & in_regions)


def _in_allowed_regions(
    region: npt.NDArray[np.str_], classes: Mapping[str, WorkloadClass], of_class: pd.Series
) -> npt.NDArray[np.bool_]:
    """(rows,) whether the class of each row may go to the region of its data center at all."""
    inside = np.ones(len(region), bool)
    for class_id, item in classes.items():
        if item.allowed_regions is not None:
            inside &= (of_class != class_id).to_numpy(bool) | np.isin(region, item.allowed_regions)
    return inside


def record_unknown_regions(scenario: Scenario, centers: pd.DataFrame, faults: FaultList) -> None:
    """
    Record every allowed region that no data center lies in.

    Parameters
    ----------
    scenario
        The scenario.
    centers
        region of each data center.
    faults
        Receives a fault for each such name.
    """
    known = sorted(set(centers["region"]))
    for class_id, item in scenario.workload_classes.items():
        for region in item.allowed_regions or ():
            if region not in known:
                faults.add(
                    scenario.source_path.name,
                    "no data center lies in this region",
                    f"Name regions of the network's data centers: {', '.join(known)}.{suggest(region, known)}",
                    column=f"workload_classes.{class_id}.allowed_regions",
                    value=region,
                )


def what_admits(item: WorkloadClass) -> str:
    """
    Spell what says where a class's data may go, with its verb, for messages; empty if it may go anywhere.

    Parameters
    ----------
    item
        The class.
    """
    rule = "" if item.residency == "none" else f"residency rule ({item.residency})"
    if item.allowed_regions is None:
        return f"{rule} allows" if rule else ""
    regions = f"allowed regions ({', '.join(item.allowed_regions)})"
    return f"{rule} and {regions} allow" if rule else f"{regions} hold"


def is_same(
    column: str, nodes: pd.DataFrame, centers: pd.DataFrame, demand_hub: pd.Series, data_center_index: pd.Series
) -> npt.NDArray[np.bool_]:
    """
    Mark the pairs of demand hub and data center that lie in the same country, region or province.

    Parameters
    ----------
    column
        country, region or province.
    nodes, centers
        Hold the column; nodes indexed by id.
    demand_hub, data_center_index
        (n,) the pairs.
    """
    of_hub = nodes[column].reindex(demand_hub).to_numpy(str)
    return np.asarray(of_hub == centers[column].to_numpy(str)[data_center_index.to_numpy(int)])

"""Residency rules: which data centers a class's data may go to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from scenarios.schema import WorkloadClass

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
    Mark the rows whose data center the class's residency rule allows.

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
        have no such row in their region or province.
    """
    rule = every["workload_class"].map({k: item.residency for k, item in classes.items()}).to_numpy(str)
    place = every["data_center_index"].to_numpy(int)

    def same(column: str) -> npt.NDArray[np.bool_]:
        of_hub = nodes[column].reindex(every["demand_hub"]).to_numpy(str)
        return np.asarray(of_hub == centers[column].to_numpy(str)[place])

    allowed = rule == "none"
    for name, column in _SAME.items():
        strict = same(column)
        allowed |= (rule == name) & strict
        if name != "national":
            prefers = rule == f"{name}_preferred"
            fits = strict & in_time
            has_one = pd.Series(fits).groupby(every["workload_index"].to_numpy()).transform("any").to_numpy()
            allowed |= prefers & np.where(has_one, strict, same("country"))
    return np.asarray(allowed)

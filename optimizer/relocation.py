"""Relocatable demand: which share of the tokens a plan serves outside the region and the province they arise in."""

from __future__ import annotations

import pandas as pd

from network_data.load import Network

ALL_CLASSES = "all classes"  # no id of a class: it has a blank
SCOPES = ("region", "province")


def relocated_shares(allocation: pd.DataFrame, network: Network) -> pd.DataFrame:
    """
    Find the share of the tokens served that leaves the demand hub's own region, and province.

    Parameters
    ----------
    allocation
        Table of a run: demand_hub, workload_class, data_center, mtok_per_h, weight_h.
    network
        Region and province of the nodes and the data centers.

    Returns
    -------
    DataFrame
        workload_class (`ALL_CLASSES` first, then classes by id), mtok_per_year, leaves_region_share and
        leaves_province_share.
    """
    mtok = allocation["mtok_per_h"] * allocation["weight_h"]
    table = pd.DataFrame({"workload_class": allocation["workload_class"], "mtok_per_year": mtok})
    for scope in SCOPES:
        home = network.nodes[scope].reindex(allocation["demand_hub"]).to_numpy(str)
        place = network.data_centers[scope].reindex(allocation["data_center"]).to_numpy(str)
        table[f"leaves_{scope}_share"] = mtok * (home != place)
    numbers = table.columns[1:]
    by_class = table.groupby("workload_class", sort=True)[list(numbers)].sum().reset_index()
    total = by_class[list(numbers)].sum().to_frame().T.assign(workload_class=ALL_CLASSES)
    out = pd.concat([total, by_class], ignore_index=True)[list(table.columns)]
    for scope in SCOPES:
        out[f"leaves_{scope}_share"] /= out["mtok_per_year"]
    return out

"""Which accelerators stand or may be bought where: the network's pools as a scenario's fleet changes them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from network_data.faults import FaultList, suggest
from network_data.load import Network
from scenarios.schema import Scenario

COLUMNS = ["data_center", "accelerator", "stock_pflops", "existing_pods", "max_pods", "min_pods", "may_buy"]
_KINDS = {"uncontrolled": "under export control", "domestic": "not domestic"}


def fleet_pools(network: Network, scenario: Scenario, faults: FaultList) -> pd.DataFrame:
    """
    Apply the scenario's fleet to the network's pools.

    In this order: the mix replaces the accelerators of the stock; pools for what may be bought are added; what may
    not be used is left out.

    Parameters
    ----------
    network, scenario
        What stands there, and what is done with it.
    faults
        Receives accelerators that do not exist or may not be bought, and limits of pools that the mix would lose.

    Returns
    -------
    DataFrame
        data_center, accelerator, stock_pflops, existing_pods, max_pods (NaN where not given), min_pods, may_buy.
    """
    fleet = scenario.fleet
    named = {
        "accelerators": fleet.accelerators or (),
        "stock_mix": [name for name, share in (fleet.stock_mix or {}).items() if share > 0],
        "purchase_accelerators": fleet.purchase_accelerators or (),
    }
    for key, names in named.items():
        for name in names:
            if name not in network.accelerators.index:
                known = list(network.accelerators.index)
                faults.add(
                    scenario.source_path.name,
                    f"network {network.name} has no such accelerator",
                    f"Use one of: {', '.join(known)}.{suggest(name, known)}",
                    column=f"fleet.{key}",
                    value=name,
                )
    faults.raise_if_any()
    pools = network.pools.reset_index(drop=True)[COLUMNS[:-1]]
    if fleet.stock_mix is not None:
        pools = _mix_stock(pools, {name: fleet.stock_mix[name] for name in named["stock_mix"]}, faults)
    pools = _offer(pools, network, scenario, faults)
    usable = _usable(network, scenario)
    if not len(usable):
        faults.add(
            scenario.source_path.name,
            f"no accelerator of network {network.name} is marked as domestic",
            "Set domestic in its accelerators table, or fleet.domestic_only to false.",
            column="fleet.domestic_only",
        )
    return pools[pools["accelerator"].isin(usable)].reset_index(drop=True)


def _usable(network: Network, scenario: Scenario) -> list[str]:
    table, wanted = network.accelerators, scenario.fleet.accelerators
    return [
        name
        for name, is_domestic in zip(table.index, table["domestic"].astype(bool), strict=True)
        if (wanted is None or name in wanted) and (is_domestic or not scenario.fleet.domestic_only)
    ]


def _mix_stock(pools: pd.DataFrame, mix: dict[str, float], faults: FaultList) -> pd.DataFrame:
    """Share out the stock of each data center among the accelerators of the mix."""
    states_pods = pools["existing_pods"].notna().groupby(pools["data_center"]).transform("any")
    is_stock = (pools["stock_pflops"] > 0) & ~states_pods
    is_lost = is_stock & ~pools["accelerator"].isin(mix) & ((pools["min_pods"] > 0) | pools["max_pods"].notna())
    for row in pools[is_lost].itertuples():
        faults.add(
            "pools",
            f"{row.data_center} limits its pods of {row.accelerator}, which fleet.stock_mix replaces",
            f"Add {row.accelerator} to the mix, clear min_pods and max_pods, or state existing_pods.",
            column="min_pods, max_pods",
        )
    total = pools[is_stock].groupby("data_center", sort=False)["stock_pflops"].sum()
    rows = [
        {"data_center": place, "accelerator": name, "stock_pflops": pflops * share}
        for place, pflops in total.items()
        for name, share in mix.items()
    ]
    mixed = pd.DataFrame(rows, columns=COLUMNS[:3]).merge(
        pools[["data_center", "accelerator", "max_pods", "min_pods"]], on=["data_center", "accelerator"], how="left"
    )
    mixed["min_pods"] = mixed["min_pods"].fillna(0)
    keys = pd.MultiIndex.from_frame(mixed[["data_center", "accelerator"]])
    is_replaced = pd.MultiIndex.from_frame(pools[["data_center", "accelerator"]]).isin(keys)
    kept = pools[~is_stock & ~is_replaced]
    return pd.concat([part for part in (kept, mixed.assign(existing_pods=np.nan)) if len(part)], ignore_index=True)


def _offer(pools: pd.DataFrame, network: Network, scenario: Scenario, faults: FaultList) -> pd.DataFrame:
    """Say which pools may grow, and add pools for accelerators that are offered everywhere."""
    fleet, table = scenario.fleet, network.accelerators
    forbidden = {
        "any": np.zeros(len(table), bool),
        "uncontrolled": table["export_controlled"].to_numpy(bool),
        "domestic": ~table["domestic"].to_numpy(bool),
    }[fleet.purchase]
    allowed = table.index[~forbidden]
    offered = fleet.purchase_accelerators
    if offered is None:
        return pools.assign(may_buy=pools["accelerator"].isin(allowed) & fleet.allow_purchase)
    for name in offered:
        if name not in allowed:
            faults.add(
                scenario.source_path.name,
                f"{name} is {_KINDS[fleet.purchase]}, and fleet.purchase is {fleet.purchase}",
                "Set fleet.purchase to any, or leave it out.",
                column="fleet.purchase_accelerators",
                value=name,
            )
    everywhere = pd.DataFrame(
        [(place, name) for place in pools["data_center"].unique() for name in offered], columns=COLUMNS[:2]
    )
    new = everywhere.merge(pools[COLUMNS[:2]], on=COLUMNS[:2], how="left", indicator=True)
    new = new.loc[new["_merge"] == "left_only", COLUMNS[:2]].assign(
        stock_pflops=0.0, existing_pods=np.nan, max_pods=np.nan, min_pods=0
    )
    pools = pd.concat([pools, new], ignore_index=True) if len(new) else pools
    return pools.assign(may_buy=pools["accelerator"].isin(offered) & fleet.allow_purchase)

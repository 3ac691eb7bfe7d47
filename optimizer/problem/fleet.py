"""Accelerators and pools: what stands where, what may be bought, power per pod, yearly cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from network_data.faults import FaultList, suggest
from network_data.load import Network
from optimizer.problem.problem import FloatArray
from scenarios.schema import Scenario

W_PER_MW = 1e6
_TFLOPS_PER_PFLOPS = 1e3

# Accelerators of a server share the prefill of a request, where the network does not say otherwise.
SERVER_ACCELERATORS = 8
_NEEDED = ("prefill_tok_per_s", "decode_tok_per_s", "full_power_w", "idle_power_w", "price_cny", "lifetime_years")


def annuity_share(interest_rate: float, lifetime_years: float) -> float:
    """Yearly payment per CNY of investment: i / (1 - (1 + i)^-n), or 1/n without interest."""
    if interest_rate == 0:
        return 1 / lifetime_years
    return float(interest_rate / -np.expm1(-lifetime_years * np.log1p(interest_rate)))


def accelerator_table(network: Network, scenario: Scenario, pools: pd.DataFrame, faults: FaultList) -> pd.DataFrame:
    """
    List the accelerators in the pools (`fleet_pools`) with power per pod and the rates that their time is counted at.

    Returns
    -------
    DataFrame
        The network's columns and pflops_per_pod, idle_mw_per_pod, dynamic_mw_per_accelerator,
        counted_prefill_tok_per_s, counted_decode_tok_per_s; 0..A-1.
    """
    held = set(pools["accelerator"])
    table = network.accelerators.loc[[a for a in network.accelerators.index if a in held]].reset_index()
    per_pod = table["accelerators_per_pod"].to_numpy(float)
    table["prefill_accelerators"] = _or(table["prefill_accelerators"], np.minimum(SERVER_ACCELERATORS, per_pod))
    for column in _NEEDED:
        for name in table.loc[~np.isfinite(table[column].to_numpy(float)), "id"]:
            faults.add(
                "accelerators",
                f"accelerator {name} is used and has no {column}",
                "Fill the cell, or leave the accelerator out with fleet.accelerators.",
                column=column,
            )
    table["pflops_per_pod"] = table["bf16_dense_tflops"] * table["accelerators_per_pod"] / _TFLOPS_PER_PFLOPS
    table["idle_mw_per_pod"] = table["idle_power_w"] * table["accelerators_per_pod"] / W_PER_MW
    table["dynamic_mw_per_accelerator"] = (table["full_power_w"] - table["idle_power_w"]) / W_PER_MW
    for phase in ("prefill", "decode"):
        counted = table[f"{phase}_tok_per_s"]
        if scenario.fleet.rate_basis == "fleet_average":
            counted = counted * table[f"{phase}_fleet_share"]
        table[f"counted_{phase}_tok_per_s"] = counted
    return table


def pool_table(
    network: Network, scenario: Scenario, pools: pd.DataFrame, accelerators: pd.DataFrame, faults: FaultList
) -> pd.DataFrame:
    """
    Size the pools: existing pods, pods that may be bought, and the yearly cost of a new one.

    Existing pods = stock x share open to inference / (dense BF16 rate x accelerators per pod), whole pods only.
    Without `max_pods`, as many fit as the IT power feeds at full load. Pools that can hold no pod are left out.

    Returns
    -------
    DataFrame
        data_center_index, accelerator_index, existing_pods, max_new_pods, min_pods, pod_cny_per_year,
        site_cny_per_year, pod_cny, site_cny; sorted.
    """
    pools = pools.merge(
        accelerators.reset_index(names="accelerator_index"),
        left_on="accelerator",
        right_on="id",
        suffixes=("", "_accelerator"),
    )
    center_index = {name: i for i, name in enumerate(network.data_centers.index)}
    pools["data_center_index"] = pools["data_center"].map(center_index)
    centers = network.data_centers.reset_index().iloc[pools["data_center_index"]]
    pod_mw = (pools["full_power_w"] * pools["accelerators_per_pod"] / W_PER_MW).to_numpy(float)
    pod_pflops = (pools["bf16_dense_tflops"] * pools["accelerators_per_pod"] / _TFLOPS_PER_PFLOPS).to_numpy(float)
    derived = np.floor(pools["stock_pflops"].to_numpy(float) * scenario.fleet.inference_stock_share / pod_pflops + 1e-9)
    existing = _or(pools["existing_pods"], np.nan_to_num(derived))
    fitting = np.zeros(len(pools))
    np.divide(centers["it_capacity_mw"].to_numpy(float), pod_mw, out=fitting, where=pod_mw > 0)
    most = _or(pools["max_pods"], np.maximum(np.floor(fitting + 1e-9), existing))
    unbounded = (pod_mw == 0) & ~np.isfinite(pools["max_pods"].to_numpy(float)) & pools["may_buy"].to_numpy(bool)
    for row in np.flatnonzero(unbounded):
        faults.add(
            "pools",
            f"accelerator {pools['accelerator'].iloc[row]} takes no power, so nothing bounds how many "
            f"{pools['data_center'].iloc[row]} can hold",
            "Give max_pods, or full_power_w of the accelerator.",
            column="max_pods",
        )
    for row in np.flatnonzero(existing > most):
        faults.add(
            "pools",
            f"{pools['data_center'].iloc[row]} has {existing[row]:g} pods of {pools['accelerator'].iloc[row]}, "
            f"more than max_pods = {most[row]:g}",
            "Raise max_pods, or lower the stock.",
            column="max_pods",
        )
    new = np.where(pools["may_buy"].to_numpy(bool), most - existing, 0.0)
    rate = scenario.fleet.interest_rate
    per_accelerator = [
        price * annuity_share(rate, life)
        for price, life in zip(pools["price_cny"], pools["lifetime_years"], strict=True)
    ]
    site_cny = centers["site_capital_cny_per_kw"].to_numpy(float) * pod_mw * 1e3
    out = pd.DataFrame(
        {
            "data_center_index": pools["data_center_index"].astype(int),
            "accelerator_index": pools["accelerator_index"].astype(int),
            "existing_pods": existing.astype(np.int64),
            "max_new_pods": np.maximum(new, 0).astype(np.int64),
            "min_pods": pools["min_pods"].astype(np.int64),
            "pod_cny_per_year": np.array(per_accelerator) * pools["accelerators_per_pod"].to_numpy(float),
            "site_cny_per_year": site_cny * annuity_share(rate, scenario.fleet.site_lifetime_years),
            "pod_cny": pools["price_cny"].to_numpy(float) * pools["accelerators_per_pod"].to_numpy(float),
            "site_cny": site_cny,
        }
    )
    holds = (out["existing_pods"] + out["max_new_pods"] + out["min_pods"]) > 0
    return out[holds].sort_values(["data_center_index", "accelerator_index"], ignore_index=True)


def _or(column: pd.Series, otherwise: FloatArray) -> FloatArray:
    given = column.to_numpy(float)
    return np.where(np.isfinite(given), given, otherwise)


COLUMNS = ["data_center", "accelerator", "stock_pflops", "existing_pods", "max_pods", "min_pods", "may_buy"]
_KINDS = {"uncontrolled": "under export control", "domestic": "not domestic"}


def fleet_pools(network: Network, scenario: Scenario, faults: FaultList) -> pd.DataFrame:
    """
    Apply the scenario's fleet to the network's pools.

    In this order: the mix replaces the accelerators of the stock; pools for what may be bought are added; what may not
    be used is left out. Accelerators that do not exist or may not be bought, and limits of pools that the mix would
    lose, are faults.

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

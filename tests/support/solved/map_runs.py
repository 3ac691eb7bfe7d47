"""Run folders for tests of the drawn maps: with what links carry, and what data centers pay and emit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd


def add_numbers(folder: Path) -> Path:
    """Add energy, prices, emissions and loads that follow from the tokens and the order of the rows alone."""
    centers = pd.read_parquet(folder / "data_centers.parquet")
    order = np.arange(len(centers))
    energy = centers["mtok_per_year"] * 6.5e-5
    # Five data centers more to pay than the first; what is not used pays nothing, so its price is not known.
    price = pd.Series(300.0 + 20.0 * order).where(energy > 0)
    centers = centers.assign(
        energy_mwh_per_year=energy,
        mean_price_cny_per_mwh=price,
        carbon_t_per_year=energy * (0.1 + 0.03 * order),
        green_power_share=0.25,
    )
    centers.to_parquet(folder / "data_centers.parquet")
    links = pd.read_parquet(folder / "links.parquet")
    share = np.where(np.arange(len(links)) % 7 == 6, 0.0, 0.004 * 1.05 ** np.arange(len(links)))
    links["load_share"] = np.minimum(share, 0.95)
    links = links.assign(
        peak_gbps=links["load_share"] * links["capacity_gbps"],
        mean_gbps=links["load_share"] * links["capacity_gbps"] / 2,
        is_limiting=False,
    )
    links.to_parquet(folder / "links.parquet")
    slices = pd.read_parquet(folder / "data_centers_by_slice.parquet")
    slices["price_cny_per_mwh"] = slices["data_center"].map(dict(zip(centers["id"], 500.0 + order, strict=True)))
    slices.to_parquet(folder / "data_centers_by_slice.parquet")
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    info |= {
        "finished_utc": "2026-11-25T00:57:52+00:00",
        "versions": {"edwc": "0.1.0"},
        "summary": {"estimate_share": {"total": 0.4479}},
    }
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def move_tokens(folder: Path, share: float) -> Path:
    """Move a share of alfa's batch work from dc_delta (route 4) to dc_echo (route 5), in a run of `write_run`."""
    allocation = pd.read_parquet(folder / "allocation.parquet")
    is_batch = (allocation["workload_class"] == "batch").to_numpy(bool)
    source, target = (is_batch & (allocation["route"] == route).to_numpy(bool) for route in (4, 5))
    moved = allocation.loc[source, "mtok_per_h"].to_numpy(float) * share
    allocation.loc[source, "mtok_per_h"] -= moved
    allocation.loc[target, "mtok_per_h"] += moved
    allocation.to_parquet(folder / "allocation.parquet")
    per_year = float(moved.sum()) * 365.0
    centers = pd.read_parquet(folder / "data_centers.parquet").set_index("id")
    centers.loc["dc_delta", "mtok_per_year"] -= per_year
    centers.loc["dc_echo", "mtok_per_year"] += per_year
    centers.reset_index().to_parquet(folder / "data_centers.parquet")
    return folder


def serve_nothing(folder: Path) -> Path:
    """Turn a run into one whose plan serves nothing."""
    for name in ("allocation", "routes"):
        pd.read_parquet(folder / f"{name}.parquet").iloc[:0].to_parquet(folder / f"{name}.parquet")
    amounts = ["mtok_per_year", "energy_mwh_per_year", "carbon_t_per_year", "load_share", "peak_gbps", "mean_gbps"]
    for name in ("data_centers", "demand_hubs", "links"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        table[[column for column in amounts if column in table]] = 0.0
        if name == "data_centers":
            table = table.assign(is_open=False, mean_price_cny_per_mwh=np.nan)
        table.to_parquet(folder / f"{name}.parquet")
    return folder

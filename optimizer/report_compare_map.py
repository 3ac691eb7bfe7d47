"""The map of a comparison: one picture per case, and what each case sends on other ways than the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.geo import RunTables
from optimizer.map_style import PALETTE
from optimizer.report_data import ReportData, TimeAxis
from optimizer.report_map import map_data

# What grew, what shrank: blue and orange stay apart for colour-blind readers.
CATEGORIES = ({"name": "more than the reference", "colour": PALETTE[2]}, {"name": "less", "colour": PALETTE[0]})
_ROUTE_KEY = ["demand_hub", "data_center", "nodes"]
_LEAST_SHARE = 1e-6


def case_map_data(
    reference: ReportData, cases: Mapping[str, RunTables], of_reference: int, basemap: Path | None
) -> dict[str, Any]:
    """
    Build the map of several plans on one network: what hours are to a run, cases are here.

    Parameters
    ----------
    reference
        The case that the others are held against.
    cases
        Label to tables, in the order of the slider.
    of_reference
        Position of the reference among them.
    basemap
        Vector file with outlines; none draws the network alone.

    Returns
    -------
    dict
        As `report_map.map_data`, of mean flows, with `difference`: flows of each case that differ from the
        reference's, and whether they are more or less.
    """
    merged = _merge(reference.tables, cases)
    slices = pd.DataFrame({"day": list(cases), "hour": 0.0, "weight_h": 24.0})
    axis = TimeAxis(tuple(cases), ("",) * len(cases), (24.0,) * len(cases))
    drawn = map_data(replace(reference, tables=merged, check=None, slices=slices, axis=axis, hourly=None), basemap)
    flows = pd.DataFrame(drawn["flows"])
    return drawn | {"difference": _difference(flows, len(cases), of_reference)}


def _merge(reference: RunTables, cases: Mapping[str, RunTables]) -> RunTables:
    """Put the mean flows of all cases side by side as if they were hours; routes are told apart by their nodes."""
    routes: pd.DataFrame = pd.concat([run.routes for run in cases.values()])
    routes = routes.drop_duplicates(_ROUTE_KEY, ignore_index=True)
    number = pd.Series(routes.index, index=pd.MultiIndex.from_frame(routes[_ROUTE_KEY]))
    parts = []
    for label, run in cases.items():
        flows = run.allocation.assign(rtt_mtok=run.allocation["rtt_ms"] * run.allocation["mtok_per_year"])
        sums = flows.groupby(["workload_class", "route"])[["mtok_per_year", "rtt_mtok"]].sum().reset_index()
        sums = sums[sums["mtok_per_year"] > 0]
        keys = run.routes.loc[sums["route"], _ROUTE_KEY]
        parts.append(
            pd.DataFrame(
                {
                    "day": label,
                    "hour": 0.0,
                    "weight_h": 24.0,
                    "demand_hub": keys["demand_hub"].to_numpy(),
                    "workload_class": sums["workload_class"].to_numpy(),
                    "data_center": keys["data_center"].to_numpy(),
                    "route": number.loc[pd.MultiIndex.from_frame(keys)].to_numpy(),
                    "mtok_per_h": (sums["mtok_per_year"] / (run.days_per_year * 24.0)).to_numpy(),
                    "rtt_ms": (sums["rtt_mtok"] / sums["mtok_per_year"]).to_numpy(),
                }
            )
        )
    allocation = pd.concat(parts, ignore_index=True)
    allocation["mtok_per_year"] = allocation["mtok_per_h"] * allocation["weight_h"]
    return replace(
        reference,
        allocation=allocation,
        routes=routes.rename_axis("route"),
        data_centers=_union(reference.data_centers, [run.data_centers for run in cases.values()]),
        demand_hubs=_union(reference.demand_hubs, [run.demand_hubs for run in cases.values()]),
        links=_union(reference.links, [run.links for run in cases.values()]),
    )


def _union(own: pd.DataFrame, others: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Add to the places of the reference those that it does not have: stored runs may be of different networks."""
    every: pd.DataFrame = pd.concat([own, *(table[own.columns.intersection(table.columns)] for table in others)])
    return every[~every.index.duplicated()]


def _difference(flows: pd.DataFrame, count: int, of_reference: int) -> dict[str, Any]:
    keys = ["class", "route"]
    wide = flows.pivot_table(index=keys, columns="slice", values="mtok_per_h", aggfunc="sum", fill_value=0.0)
    wide = wide.reindex(columns=range(count), fill_value=0.0)
    rtt_ms = flows.groupby(keys)["rtt_ms"].mean()
    change = wide.sub(wide[of_reference], axis=0)
    least = _LEAST_SHARE * float(wide[of_reference].sum())
    rows = change.reset_index().melt(id_vars=keys, var_name="slice", value_name="change")
    rows = rows[rows["change"].abs() > least].sort_values(["slice", *keys])
    return {
        "slice": rows["slice"].tolist(),
        "class": rows["class"].tolist(),
        "route": rows["route"].tolist(),
        "mtok_per_h": [float(f"{value:.6g}") for value in rows["change"].abs()],
        "rtt_ms": rtt_ms.loc[pd.MultiIndex.from_frame(rows[keys])].round(2).tolist(),
        "category": np.where(rows["change"] > 0, 0, 1).tolist(),
        "categories": list(CATEGORIES),
    }

"""Where the tokens of a run go: flows by route, what travels over each link, and lines to draw them along."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
from shapely.geometry import LineString, MultiLineString

from optimizer.runs.run import Run

_HALF_TURN_DEG = 180.0


def flow_table(run: Run, by: str | tuple[str, ...] = "route") -> pd.DataFrame:
    """
    Sum the allocation.

    Parameters
    ----------
    by
        Columns of the allocation that identify a flow. They must identify its demand_hub and data_center, too.

    Returns
    -------
    DataFrame
        Indexed by those columns: demand_hub, data_center (unless they are among them), mtok_per_year, token_share,
        rtt_ms (mean over the tokens), classes (ids joined by a comma, largest volume first).
    """
    keys = [by] if isinstance(by, str) else list(by)
    ends = [name for name in ("demand_hub", "data_center") if name not in keys]
    used = run.allocation[run.allocation["mtok_per_year"] > 0]
    weighted = used.assign(rtt_mtok=used["rtt_ms"] * used["mtok_per_year"])
    groups = weighted.groupby(keys, sort=True)
    table = groups[["mtok_per_year", "rtt_mtok"]].sum()
    table["rtt_ms"] = table.pop("rtt_mtok") / table["mtok_per_year"]
    table["token_share"] = table["mtok_per_year"] / table["mtok_per_year"].sum()

    by_class = used.groupby([*keys, "workload_class"])[["mtok_per_year"]].sum().reset_index()
    order = [*keys, "mtok_per_year", "workload_class"]
    by_class = by_class.sort_values(order, ascending=[name != "mtok_per_year" for name in order])
    table["classes"] = by_class.groupby(keys)["workload_class"].agg(",".join)
    return pd.concat([groups[ends].first(), table[["mtok_per_year", "token_share", "rtt_ms", "classes"]]], axis=1)


def line_between(points: list[tuple[float, float]]) -> LineString | MultiLineString | None:
    """
    Join places by a line.

    Parameters
    ----------
    points
        (longitude_deg, latitude_deg) of each place, in travel order.

    Returns
    -------
    LineString, MultiLineString or None
        The line; in two or more parts where it crosses the antimeridian (RFC 7946, section 3.1.9), so that no
        part runs the long way round the globe; None where all places are one.
    """
    kept = [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]
    if len(kept) == 1:
        return None
    parts = [[kept[0]]]
    for (lon_a, lat_a), (lon_b, lat_b) in pairwise(kept):
        if abs(lon_b - lon_a) > _HALF_TURN_DEG:
            side = math.copysign(_HALF_TURN_DEG, lon_a)
            unwrapped = lon_b + 2.0 * side
            crossing = lat_a + (lat_b - lat_a) * (side - lon_a) / (unwrapped - lon_a)
            parts[-1].append((side, crossing))
            parts.append([(-side, crossing)])
        parts[-1].append((lon_b, lat_b))
    lines = [LineString(part) for part in parts if len(set(part)) > 1]
    return lines[0] if len(lines) == 1 else MultiLineString(lines)


def positions_of(places: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Look up where places are."""
    columns = [places[name].to_numpy(float).tolist() for name in ("longitude_deg", "latitude_deg")]
    return dict(zip(places.index, zip(*columns, strict=True), strict=True))


def positions_shown(run: Run) -> np.ndarray:
    """(n, 2) longitude and latitude in degrees of everything that a map of a run shows: places and ends of links."""
    columns = ["longitude_deg", "latitude_deg"]
    ends = [run.links[[f"{end}_{column}" for column in columns]].to_numpy(float) for end in ("from", "to")]
    return np.concatenate([run.demand_hubs[columns].to_numpy(float), run.data_centers[columns].to_numpy(float), *ends])


def stops_by_route(run: Run) -> dict[int, list[str]]:
    """
    List the stops of each route in travel order, as `link_volumes` names them.

    Returns
    -------
    dict
        Route to stops; a place that stands apart from its fibre node is a stop of its own.
    """
    hubs, centers = positions_of(run.demand_hubs), positions_of(run.data_centers)
    columns = (run.routes[name] for name in ("demand_hub", "data_center", "nodes", "points"))
    stops = {}
    for route, hub, data_center, nodes, points in zip(run.routes.index, *columns, strict=True):
        before = [] if hubs[hub] == points[0] else [f"demand_hub:{hub}"]
        after = [] if centers[data_center] == points[-1] else [f"data_center:{data_center}"]
        stops[route] = [*before, *nodes.split(">"), *after]
    return stops


def link_volumes(run: Run, categories: pd.Series) -> pd.DataFrame:
    """
    Sum what travels between neighbouring nodes, by direction and category.

    Parallel links count as one. A place that stands apart from its fibre node has a link of its own to it,
    named `demand_hub:ID` or `data_center:ID`.

    Returns
    -------
    DataFrame
        from_node, to_node, category, mtok_per_day; sorted.
    """
    used = run.allocation.assign(category=categories)
    by_route = used.groupby(["route", "category"])[["mtok_per_year"]].sum().reset_index()
    stops = stops_by_route(run)
    rows = [
        (start, end, category, mtok_per_year / run.days_per_year)
        for route, category, mtok_per_year in by_route.itertuples(index=False)
        for start, end in pairwise(stops[route])
    ]
    table = pd.DataFrame(rows, columns=["from_node", "to_node", "category", "mtok_per_day"])
    keys = ["from_node", "to_node", "category"]
    return table.groupby(keys)[["mtok_per_day"]].sum().reset_index()


def undirected(volumes: pd.DataFrame) -> pd.Series:
    """Name the link of each row without its direction."""
    pairs = zip(volumes["from_node"], volumes["to_node"], strict=True)
    return pd.Series([(a, b) if a < b else (b, a) for a, b in pairs], index=volumes.index, dtype=object)

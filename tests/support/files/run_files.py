"""Run folders for tests of the exports, written without solving anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import networkx as nx
import pandas as pd
import shapely

from optimizer.runs.places import positions_of

HOURS = 24
GBPS_PER_MTOK_PER_H = 1e-3
CHINA = Path(__file__).resolve().parents[3] / "network_data" / "china_2026"

# Invented places: node to (longitude_deg, latitude_deg, region).
NODES = {
    "alfa": (120.0, 30.0, "east"),
    "bravo": (116.0, 39.0, "east"),
    "carol": (113.0, 31.0, "middle"),
    "delta": (106.0, 26.0, "west"),
    "echo": (104.0, 37.0, "west"),
}
LINKS = (("alfa", "carol"), ("bravo", "carol"), ("carol", "delta"), ("carol", "echo"), ("bravo", "echo"))
# Data center to its node, and how far it stands from it, degrees.
CENTERS = {
    "dc_alfa": ("alfa", 0.0),
    "dc_delta": ("delta", 0.4),
    "dc_echo": ("echo", 0.0),
    "dc_idle": ("carol", 0.3),
}
# Route to (demand hub, nodes, data center, {class: mtok per hour}); alfa to dc_delta has two routes.
ROUTES = {
    3: ("alfa", "alfa", "dc_alfa", {"chat": 100.0}),
    4: ("alfa", "alfa>carol>delta", "dc_delta", {"chat": 50.0, "batch": 200.0}),
    5: ("alfa", "alfa>carol>echo", "dc_echo", {"batch": 25.0}),
    7: ("bravo", "bravo>carol>delta", "dc_delta", {"batch": 125.0}),
    9: ("alfa", "alfa>carol>bravo>echo", "dc_echo", {"batch": 10.0}),
}
NAMES = {
    "alfa": "Alfa",
    "bravo": "Bravo",
    "dc_alfa": "Alfa works",
    "dc_delta": "Delta works",
    "dc_echo": "Echo works",
}


# Each would break a careless writer: mathematics, markup, a script the fonts lack, length.
HOSTILE_NAMES = {
    "alfa": "a$b$c",
    "bravo": "<b>bold</b> & 'q' --> ]]>",
    "dc_alfa": r"$\frac{1}{0}$",
    "dc_delta": "\u0e17\u0e49\u0e2d\u0e07 works",
    "dc_echo": "Very long " * 40,
}
ALLOCATION_COLUMNS = [
    "day", "hour", "weight_h", "demand_hub", "workload_class", "data_center", "route", "mtok_per_h", "rtt_ms",
]  # fmt: skip


def write_run(folder: Path, *, names: Mapping[str, str] | None = None, basemap: Path | None = None) -> Path:
    """Write a small run whose every volume can be worked out by hand; `names` replaces names by id."""
    named = {**NAMES, **(names or {})}
    rows = [
        ("year", hour, 365.0, hub, workload_class, center, route, mtok_per_h, 10.0 + route)
        for route, (hub, _, center, volumes) in ROUTES.items()
        for workload_class, mtok_per_h in volumes.items()
        for hour in range(HOURS)
    ]
    nodes = pd.DataFrame.from_dict(NODES, orient="index", columns=["longitude_deg", "latitude_deg", "region"])
    centers = nodes.loc[[node for node, _ in CENTERS.values()]].set_index(pd.Index(CENTERS))
    centers["latitude_deg"] += [away for _, away in CENTERS.values()]
    centers["name"] = [named.get(center, center) for center in CENTERS]
    centers["name_local"] = "本地"
    hubs = nodes.loc[["alfa", "bravo"]].assign(name=[named["alfa"], named["bravo"]], name_local="都市")
    routes = {route: (hub, nodes, center) for route, (hub, nodes, center, _) in ROUTES.items()}
    return write_tables(
        folder, pd.DataFrame(rows, columns=ALLOCATION_COLUMNS), (nodes, hubs, centers), routes, LINKS, basemap
    )


def write_china_run(folder: Path) -> Path:
    """Write a run on the built-in network: each hub uses its nearest data center and two in the west."""
    nodes = pd.read_csv(CHINA / "nodes.csv", index_col="id")
    centers = pd.read_csv(CHINA / "data_centers.csv", index_col="id")
    links = pd.read_csv(CHINA / "links.csv")
    hubs = nodes[nodes["demand_weight"] > 0]
    graph = nx.Graph()
    for start, end, length_km in links[["from_node", "to_node", "length_km"]].itertuples(index=False):
        graph.add_edge(start, end, length_km=length_km)
    western = centers[centers["region"] == "west"].nlargest(2, "it_capacity_mw").index
    node_of = dict(zip(centers.index, centers["node"], strict=True))
    routes: dict[int, tuple[str, str, str]] = {}
    rows = []
    for hub, weight in zip(hubs.index, hubs["demand_weight"], strict=True):
        lengths, ways = nx.single_source_dijkstra(graph, hub, weight="length_km")
        nearest = min(node_of, key=lambda center: lengths[node_of[center]])
        for center, share in ((nearest, 0.5), *((center, 0.25) for center in western)):
            route = len(routes)
            routes[route] = (hub, ">".join(ways[node_of[center]]), center)
            rtt_ms = 1.0 + 2 * lengths[node_of[center]] * 0.005
            rows.append(("year", 0, 8760.0, hub, "chat", center, route, 5e6 * weight * share, rtt_ms))
    pairs = list(links[["from_node", "to_node"]].itertuples(index=False, name=None))
    places = (nodes, hubs, centers)
    return write_tables(
        folder,
        pd.DataFrame(rows, columns=ALLOCATION_COLUMNS),
        places,
        routes,
        pairs,
        CHINA / "basemap.geojson",
    )


def write_tables(
    folder: Path,
    allocation: pd.DataFrame,
    places: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    routes: Mapping[int, tuple[str, str, str]],
    links: Any,
    basemap: Path | None,
) -> Path:
    """Write a run folder from an allocation, (nodes, demand hubs, data centers), routes and links."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes, hubs, centers = places
    columns = ["name", "name_local", "region", "latitude_deg", "longitude_deg"]
    annual = allocation["mtok_per_h"] * allocation["weight_h"]
    for name, table in (("demand_hub", hubs), ("data_center", centers)):
        volumes = annual.groupby(allocation[name]).sum().reindex(table.index).fillna(0.0)
        stored = table[columns].assign(mtok_per_year=volumes)
        if name == "data_center":
            stored["is_open"] = volumes > 0
        stored.rename_axis("id").reset_index().to_parquet(folder / f"{name}s.parquet")
    stored_links = pd.DataFrame(
        [
            {
                "id": f"{start}_{end}_{i}",
                "from_node": start,
                "to_node": end,
                **_ends(nodes, start, end),
                "capacity_gbps": 100.0,
                "load_share": 0.25,
            }
            for i, (start, end) in enumerate(links)
        ]
    )
    stored_links.to_parquet(folder / "links.parquet")
    stored_routes = [
        {"route": route, "demand_hub": hub, "data_center": center, "rtt_ms": 10.0 + route, "nodes": way,
         "coordinates": _wkt(nodes, way.split(">"))}
        for route, (hub, way, center) in routes.items()
    ]  # fmt: skip
    pd.DataFrame(stored_routes).to_parquet(folder / "routes.parquet")
    allocation.to_parquet(folder / "allocation.parquet")
    _write_slice_tables(folder, allocation, stored_links, routes, centers.index)
    costs = [("energy", centers.index[0], 1.25e9), ("latency", centers.index[0], 0.75e9)]
    pd.DataFrame(costs, columns=["component", "data_center", "cny_per_year"]).to_parquet(folder / "costs.parquet")
    info = {
        "scenario": "toy",
        "mip_rel_gap": 0.0123,
        "network": {"folder": "toy", "basemap": None if basemap is None else str(basemap)},
    }
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def make_older(folder: Path) -> Path:
    """Take from a stored run what versions before the tables by time slice did not store."""
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    for name in ("links_by_slice.parquet", "data_centers_by_slice.parquet"):
        del info["files"][name]
        (folder / name).unlink()
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


def _write_slice_tables(
    folder: Path, allocation: pd.DataFrame, links: pd.DataFrame, routes: Mapping[int, tuple[str, str, str]], ids: Any
) -> None:
    """Write the tables by time slice; a link carries GBPS_PER_MTOK_PER_H for each million tokens an hour."""
    slices = allocation[["day", "hour", "weight_h"]].drop_duplicates()
    pairs = {frozenset(pair): link for link, *pair in links[["id", "from_node", "to_node"]].itertuples(index=False)}
    crossed = pd.DataFrame(
        [(route, pairs[frozenset(pair)]) for route, (_, way, _) in routes.items() for pair in pairwise(way.split(">"))],
        columns=["route", "link"],
    )
    load = allocation.merge(crossed, on="route").groupby(["day", "hour", "link"])["mtok_per_h"].sum()
    every = slices.merge(links[["id"]].rename(columns={"id": "link"}), how="cross").join(load, on=load.index.names)
    every["load_gbps"] = every.pop("mtok_per_h").fillna(0.0) * GBPS_PER_MTOK_PER_H
    every["load_share"] = every["load_gbps"] / 100.0
    every.to_parquet(folder / "links_by_slice.parquet")
    served = allocation.groupby(["day", "hour", "data_center"])["mtok_per_h"].sum()
    centers = slices.merge(pd.DataFrame({"data_center": ids}), how="cross").join(served, on=served.index.names)
    centers["mtok_per_h"] = centers["mtok_per_h"].fillna(0.0)
    centers.to_parquet(folder / "data_centers_by_slice.parquet")


def _ends(nodes: pd.DataFrame, start: str, end: str) -> dict[str, float]:
    at = positions_of(nodes)
    (lon_a, lat_a), (lon_b, lat_b) = at[start], at[end]
    return {
        "from_latitude_deg": lat_a,
        "from_longitude_deg": lon_a,
        "to_latitude_deg": lat_b,
        "to_longitude_deg": lon_b,
    }


def _wkt(nodes: pd.DataFrame, way: list[str]) -> str:
    at = positions_of(nodes)
    points = [f"{longitude} {latitude}" for longitude, latitude in (at[node] for node in way)]
    return f"POINT ({points[0]})" if len(points) == 1 else f"LINESTRING ({', '.join(points)})"


def write_outline(path: Path) -> Path:
    """Write a basemap of one large square around the invented places."""
    outline = gpd.GeoDataFrame({"code": ["X-1"]}, geometry=[shapely.box(90, 20, 130, 45)], crs="EPSG:4326")
    outline.to_file(path)
    return path


def directed_volumes_mtok_per_day() -> dict[tuple[str, str], float]:
    """Sum what the small run sends from node to node, from ROUTES alone."""
    volumes: dict[tuple[str, str], float] = {}
    for _, way, _, by_class in ROUTES.values():
        for pair in pairwise(way.split(">")):
            volumes[pair] = volumes.get(pair, 0.0) + HOURS * sum(by_class.values())
    return volumes

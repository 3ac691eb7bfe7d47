"""
Networks of the kind of the built-in one, smaller and larger, drawn at random: `python -m benchmarks.networks`.

Each place of the built-in network has as many descendants as the network drawn is larger than it. A descendant lies in
the province of its ancestor, within some hundred kilometres of it, and its weight, capacity, PUE and prices are drawn
around those of its ancestor; so a network of any size has the west, the centre and the east of the built-in one. Fibre
runs between neighbours, and on long ways where it does so between the ancestors. The same size and seed give the same
files. Demand grows with the size, so that a data center has as much to do in a large network as in a small one.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
import shapely.geometry
import yaml

from network_data import InputError, load_network
from optimizer.problem.assemble import assemble_problem
from scenarios import load_scenario

Row = dict[str, str]
Array = npt.NDArray[np.float64]

BASE = "base"
NETWORK, SCENARIO = "network", "scenario.yaml"
# How far what is drawn lies from the ancestor: degrees (about 100 km), and standard deviations of logarithms.
PLACE_SPREAD_DEG, WEIGHT_SPREAD, CAPACITY_SPREAD, PRICE_SPREAD, OVERHEAD_SPREAD = 1.0, 0.3, 0.3, 0.1, 0.1
GREEN_SPREAD_SHARE = 0.05
MOST_TRIES = 50
EARTH_RADIUS_KM = 6371.0
COPIED = ("accelerators.csv", "grids.csv")
# Words about the figures of the built-in rows, which a drawn row must not carry on.
DROPPED = ("name_local", "note", "corridor", "capacity_basis", "field_confidence", "population_million", "gdp_bn_cny")
MAP_FILE = "basemap.geojson"


def main(argv: Sequence[str] | None = None) -> None:
    """Write a network and its scenario, and print the path of the scenario."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("--size", type=float, default=1.0, help="demand hubs and data centers per built-in one")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--days", type=int, default=1, choices=(1, 2, 3, 4), help="representative days of 24 slices")
    parser.add_argument("--slices-per-day", type=int, default=24)
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder that is made for the files")
    options = parser.parse_args(argv)
    made = write_case(options.to, options.size, options.seed, days=options.days, slices_per_day=options.slices_per_day)
    print(made)


def write_case(folder: Path, size: float, seed: int, *, days: int = 1, slices_per_day: int = 24) -> Path:
    """
    Write a network folder and a scenario for it.

    Parameters
    ----------
    folder
        Made if it does not exist.
    size
        Demand hubs and data centers as a multiple of the built-in network's.
    days
        Representative days: 1 = the average day, else groups of months with like prices.

    Returns
    -------
    Path
        The scenario. Places are drawn anew where some work would reach no data center within its limits, which happens
        where there are few.

    Raises
    ------
    InputError
        If that goes on for `MOST_TRIES` draws.
    """
    scenario = load_scenario(BASE)
    source = load_network(scenario.network).folder
    keys = {
        "name": f"size_{size:g}_seed_{seed}".replace(".", "_"),
        "description": f"A network of {size:g} times the built-in one, drawn with seed {seed}.",
        "extends": BASE,
        "network": NETWORK,
        "demand": {"tokens_per_day_trillion": scenario.demand.tokens_per_day_trillion * size},
        "time": {"slices_per_day": slices_per_day, **({"seasons": days} if days > 1 else {})},
    }
    path = folder / SCENARIO
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    rng = np.random.default_rng((seed, round(size * 1000)))
    for left in range(MOST_TRIES - 1, -1, -1):
        write_network(source, folder / NETWORK, size, rng)
        try:
            assemble_problem(load_network(folder / NETWORK), load_scenario(path))
        except InputError:
            if not left:
                raise
        else:
            break
    return path


def write_network(source: Path, folder: Path, size: float, rng: np.random.Generator) -> None:
    """Draw a network after the one in `source` and write its tables."""
    tables = {name: _read(source / f"{name}.csv") for name in ("nodes", "data_centers", "pools", "links", "tariffs")}
    centers = _copies([row["id"] for row in tables["data_centers"]], size, rng)
    # A data center needs a node to stand at, so that its node has as many descendants as it has.
    hosts = {row["node"] for row in tables["data_centers"] if centers[row["id"]] > int(size)}
    copies = {}
    for is_hub in (True, False):
        ids = [row["id"] for row in tables["nodes"] if (row["kind"] == "demand_hub") is is_hub]
        copies |= _copies(ids, size, rng, first=hosts)
    nodes = _draw_nodes(tables["nodes"], copies, _provinces(source / MAP_FILE), rng)
    place = {row["id"]: row for row in nodes}
    drawn, pools, tariffs = _draw_data_centers(tables, centers, place, rng)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "nodes.csv", nodes)
    _write(folder / "data_centers.csv", drawn)
    _write(folder / "pools.csv", pools)
    _write(folder / "tariffs.csv", tariffs)
    links = _draw_links(tables["nodes"], tables["links"], nodes, copies, rng)
    for link in links:  # More demand crosses the same country, on more fibre.
        link["capacity_gbps"] = f"{float(link['capacity_gbps']) * max(1.0, size):.0f}"
    _write(folder / "links.csv", links)
    for name in (*COPIED, MAP_FILE):
        shutil.copyfile(source / name, folder / name)


def _copies(ids: Sequence[str], size: float, rng: np.random.Generator, first: Collection[str] = ()) -> dict[str, int]:
    """How many descendants places have: the whole part of `size`, and one more those in `first` and some at random."""
    more = max(round((size - int(size)) * len(ids)), sum(name in first for name in ids))
    order = sorted(rng.permutation(len(ids)), key=lambda place: ids[place] not in first)
    chosen = {ids[place] for place in order[:more]}
    return {name: int(size) + (name in chosen) for name in ids}


def _named(ancestor: str, number: int) -> str:
    return f"{ancestor}_{number}"


def _descendant(row: Row, number: int) -> Row:
    """Copy a row, with its name, under a new id; whatever else tells it from its ancestor is drawn by the caller."""
    new = {name: text for name, text in row.items() if name not in DROPPED}
    new |= {"source": "drawn around the built-in row", "confidence": "estimate"}
    if "id" in row:
        new["id"] = _named(row["id"], number)
    if "name" in row:
        new["name"] = f"{row['name']} {number}"
    return new


def _draw_nodes(
    rows: Sequence[Row], copies: dict[str, int], provinces: Sequence[shapely.Geometry], rng: np.random.Generator
) -> list[Row]:
    nodes = []
    for row in rows:
        at = shapely.Point(float(row["longitude_deg"]), float(row["latitude_deg"]))
        # The nearest, since outlines are simplified and a city on the coast may lie outside all of them.
        province = min(provinces, key=at.distance)
        for number in range(1, copies[row["id"]] + 1):
            place = _place_in(province, at, rng)
            node = _descendant(row, number)
            node |= {"latitude_deg": f"{place.y:.2f}", "longitude_deg": f"{place.x:.2f}"}
            node["demand_weight"] = f"{float(row['demand_weight'] or 0) * _factor(WEIGHT_SPREAD, rng):.5f}"
            nodes.append(node)
    return nodes


def _place_in(province: shapely.Geometry, at: shapely.Point, rng: np.random.Generator) -> shapely.Point:
    while True:
        east, north = rng.normal(0.0, PLACE_SPREAD_DEG, 2)
        place = shapely.Point(at.x + east, at.y + north)
        if province.contains(place):
            return place


def _draw_data_centers(
    tables: dict[str, list[Row]], copies: dict[str, int], place: dict[str, Row], rng: np.random.Generator
) -> tuple[list[Row], list[Row], list[Row]]:
    """Draw data centers, the pools and the tariff of each."""
    centers, pools, tariffs = [], [], []
    for row in tables["data_centers"]:
        for number in range(1, copies[row["id"]] + 1):
            center = _descendant(row, number)
            node = place[_named(row["node"], number)]
            size = _factor(CAPACITY_SPREAD, rng)
            overhead = (float(row["pue"]) - 1) * _factor(OVERHEAD_SPREAD, rng)
            green = float(row["green_power_share"] or 0) + rng.normal(0.0, GREEN_SPREAD_SHARE)
            charge = float(row["demand_charge_cny_per_kw_month"] or 0) * _factor(PRICE_SPREAD, rng)
            center |= {
                "node": node["id"],
                "latitude_deg": node["latitude_deg"],
                "longitude_deg": node["longitude_deg"],
                "it_capacity_mw": f"{float(row['it_capacity_mw']) * size:.0f}",
                "pue": f"{1 + overhead:.3f}",
                "tariff": center["id"],
                "green_power_share": f"{min(1.0, max(0.0, green)):.3f}",
                "demand_charge_cny_per_kw_month": f"{charge:.2f}",
            }
            centers.append(center)
            for pool in tables["pools"]:
                if pool["data_center"] == row["id"]:
                    stock = float(pool["stock_pflops"] or 0) * size
                    own = {"data_center": center["id"], "stock_pflops": f"{stock:.0f}"}
                    pools.append({**_descendant(pool, number), **own})
            dearer = _factor(PRICE_SPREAD, rng)
            for period in tables["tariffs"]:
                if period["tariff"] == row["tariff"]:
                    prices = {
                        name: f"{float(period[name]) * dearer:.1f}"
                        for name in ("price_cny_per_mwh", "flat_price_cny_per_mwh")
                        if period[name]
                    }
                    tariffs.append({**_descendant(period, number), "tariff": center["id"], **prices})
    return centers, pools, tariffs


def _draw_links(
    ancestors: Sequence[Row],
    rows: Sequence[Row],
    nodes: Sequence[Row],
    copies: dict[str, int],
    rng: np.random.Generator,
) -> list[Row]:
    """
    Lay fibre between neighbours, and between descendants of places that a long link joins.

    A link takes capacity, price per kilometre and detour from a built-in one of its kind, drawn at random.
    """
    near = {tuple(sorted((ancestors[i]["id"], ancestors[j]["id"]))) for i, j in _neighbours(_positions(ancestors))}
    is_near = [tuple(sorted((row["from_node"], row["to_node"]))) in near for row in rows]
    local = [row for row, yes in zip(rows, is_near, strict=True) if yes]
    far = [row for row, yes in zip(rows, is_near, strict=True) if not yes]
    positions, at = _positions(nodes), {row["id"]: number for number, row in enumerate(nodes)}
    wanted: dict[tuple[int, int], Row] = {}
    for i, j in _neighbours(positions):
        wanted[i, j] = local[rng.integers(len(local))]
    for row in far:
        for number in range(1, min(copies[row["from_node"]], copies[row["to_node"]]) + 1):
            i, j = sorted((at[_named(row["from_node"], number)], at[_named(row["to_node"], number)]))
            wanted.setdefault((i, j), row)
    links = []
    for (i, j), like in wanted.items():
        straight_km = _km(positions[i], positions[j])
        length_km = max(1.0, straight_km * float(like["route_factor"]))
        price_per_km = float(like["price_cny_per_gbps_month"]) / float(like["length_km"])
        start, end = nodes[i]["id"], nodes[j]["id"]
        own = {
            "id": f"{start}_to_{end}",
            "from_node": start,
            "to_node": end,
            "length_km": f"{length_km:.1f}",
            "great_circle_km": f"{straight_km:.1f}",
            "price_cny_per_gbps_month": f"{price_per_km * length_km:.1f}",
        }
        links.append({**_descendant(like, 1), **own})
    return links


def _neighbours(positions: Array) -> list[tuple[int, int]]:
    """Pairs of points that no third is nearer to both of (the relative neighbourhood graph): all are connected."""
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    pairs = itertools.combinations(range(len(positions)), 2)
    return [(i, j) for i, j in pairs if not (np.maximum(distance[i], distance[j]) < distance[i, j]).any()]


def _positions(rows: Sequence[Row]) -> Array:
    """Points on the unit sphere, (n, 3)."""
    latitude, longitude = (np.radians([float(row[name]) for row in rows]) for name in ("latitude_deg", "longitude_deg"))
    x, y = np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude)
    return np.column_stack([x, y, np.sin(latitude)])


def _km(first: Array, second: Array) -> float:
    """Great-circle distance of two points on the unit sphere."""
    return float(2 * EARTH_RADIUS_KM * np.arcsin(min(1.0, np.linalg.norm(first - second) / 2)))


def _factor(spread: float, rng: np.random.Generator) -> float:
    """Draw a factor whose median is 1."""
    return float(np.exp(rng.normal(0.0, spread)))


def _provinces(path: Path) -> list[shapely.Geometry]:
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    return [shapely.geometry.shape(part["geometry"]) for part in features if part["properties"].get("name_zh")]


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()

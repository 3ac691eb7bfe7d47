"""The tables of a network of ours, made of a graph; what it does not say comes from the network of `edwc init`."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from typing import Any

import pandas as pd

from network_data.faults import suggest
from network_data.load import Network
from network_data.plausibility import find_threshold, great_circle_km
from network_data.schema import parse_text
from optimizer.imports.clean import simple_graph
from optimizer.imports.source_graph import ImportOptions, SourceGraph, SourceLink, SourceNode, refuse

# The order of magnitude that the built-in network states for a wavelength.
_CNY_PER_GBPS_KM_MONTH = 1.2
# Two nodes at one place are joined by a cable through the town.
_LEAST_LENGTH_KM = 1.0
_LONGEST_NAME, _LONGEST_ID = 100, 40
_FORMULA = re.compile(r"^[\s=+\-@]+")
_NOT_IN_ID = re.compile(r"[^a-z0-9]+")
_ESTIMATE, _REPORTED = "estimate", "reported"


def build_tables(graph: SourceGraph, template: Network, options: ImportOptions, source: str) -> dict[str, pd.DataFrame]:
    """
    Build the tables of a network.

    Parameters
    ----------
    graph
        A cleaned graph; gets notes of what is assumed.
    template
        Network whose first data center, with its tariff and grid, and whose accelerators stand for those that the
        file does not have.
    source
        Text for the column `source`.

    Returns
    -------
    dict of DataFrame
        By table name, without the columns that stay blank.

    Raises
    ------
    InputError
        If a data center is asked for at a node that is not there.
    """
    _name_nodes(graph)
    ids = _ids(node.name for node in graph.nodes.values())
    id_of = dict(zip(graph.nodes, ids, strict=True))
    sites = _sites(graph, id_of, options)
    weights = _weights(graph, sites)
    center = template.data_centers.iloc[0]
    nodes = _node_table(graph, id_of, weights, sites, source)
    tables = {
        "nodes": nodes,
        "links": _link_table(graph, id_of, options, source),
        "data_centers": _data_center_table(nodes, [id_of[key] for key in sites], center, source),
        "accelerators": _from_template(template.accelerators.reset_index()),
        "tariffs": _from_template(template.tariffs[template.tariffs["tariff"] == center["tariff"]]),
        "grids": _from_template(template.grids.loc[[center["grid"]]].reset_index()),
    }
    accelerators = tables["accelerators"]["id"].tolist()
    tables["pools"] = pd.DataFrame(
        [
            {"data_center": data_center, "accelerator": accelerator, "existing_pods": 0, "confidence": _ESTIMATE}
            for data_center in tables["data_centers"]["id"]
            for accelerator in accelerators
        ]
    )
    graph.note(
        "assumed",
        f"each data center has {center['it_capacity_mw']:g} MW of IT power, PUE {center['pue']:g}, the tariff "
        f"{center['tariff']}, {center['demand_charge_cny_per_kw_month']:g} CNY per kW and month of peak power, the "
        f"grid {center['grid']}, costs {center['opening_cny_per_year']:,.0f} CNY a year once open, and has no "
        f"accelerators in place; it may buy {', '.join(accelerators)}: figures of the example of edwc init, of no real "
        "place",
    )
    return tables


def clean_name(name: str) -> str:
    """Make a text that tables, terminals and spreadsheets take for a name and nothing else."""
    text = unicodedata.normalize("NFC", " ".join(name.split()))
    text = _FORMULA.sub("", "".join(char for char in text if char.isprintable()))[:_LONGEST_NAME].strip()
    return parse_text(text) or "unnamed"


def _name_nodes(graph: SourceGraph) -> None:
    """Give every node a name of its own; a name that comes again gets a number."""
    seen: Counter[str] = Counter()
    changed, numbered = [], []
    for node in graph.nodes.values():
        name = clean_name(node.name)
        if name != node.name:
            changed.append(name)
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name} ({seen[name]})"
        numbered += [node.name] if seen[name] > 1 else []
    if changed:
        graph.note("assumed", "names were cut, or lost characters that cannot be shown or begin a formula", changed)
    if numbered:
        graph.note("assumed", "nodes of the same name are several, and numbered", numbered)


def slug_of(text: str) -> str:
    """Make the part of an id of a text: lower-case letters, digits and underscores; "" where it has none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return _NOT_IN_ID.sub("_", plain).strip("_")[:_LONGEST_ID].strip("_")


def _ids(names: Any) -> list[str]:
    """Make ids of names, each once."""
    ids: dict[str, None] = {}
    for name in names:
        base = slug_of(name) or "node"
        found, number = base, 1
        while found in ids:
            number += 1
            found = f"{base}_{number}"
        ids[found] = None
    return list(ids)


def _sites(graph: SourceGraph, id_of: dict[str, str], options: ImportOptions) -> list[str]:
    """Find the nodes with a data center."""
    if options.data_centers:
        found = dict.fromkeys(_find_node(graph, id_of, name) for name in options.data_centers)
        return list(found)
    degree = dict(simple_graph(graph).degree())
    hubs = [key for key, node in graph.nodes.items() if node.is_hub] or list(graph.nodes)
    best = sorted(hubs, key=lambda key: (-degree[key], -_known(graph.nodes[key].weight), id_of[key]))
    chosen = best[: max(options.sites, 1)]
    names = [graph.nodes[key].name for key in chosen]
    graph.note("assumed", "data centers are at the nodes with most neighbours; --data-centers names others", names)
    return chosen


def _find_node(graph: SourceGraph, id_of: dict[str, str], name: str) -> str:
    wanted = name.strip().casefold()
    for key, node in graph.nodes.items():
        if wanted in {key.casefold(), id_of[key], node.name.casefold()}:
            return key
    remedy = f"Name nodes of the graph.{suggest(name, list(id_of.values()))}"
    raise refuse("--data-centers", "there is no such node, or it was left out", remedy, value=name)


def _known(number: float) -> float:
    return 0.0 if math.isnan(number) else number


def _weights(graph: SourceGraph, sites: list[str]) -> dict[str, float]:
    """Find the share of the demand of each node: as stated, else by population, else by the number of neighbours."""
    nodes = {key: node for key, node in graph.nodes.items() if node.is_hub}
    stated = {key: _known(node.weight) for key, node in nodes.items()}
    people = {key: _known(node.population_million) for key, node in nodes.items()}
    if any(weight < 0 for weight in (*stated.values(), *people.values())):
        raise refuse(graph.name, "a demand or population is negative", "Correct it.")
    if graph.weight_basis and sum(stated.values()) > 0:
        weights, basis = stated, graph.weight_basis
    elif sum(people.values()) > 0:
        weights, basis = people, "population"
    else:
        degree = dict(simple_graph(graph).degree())
        # A graph of one node has no neighbours, but demand.
        weights, basis = {key: float(max(degree[key], 1)) for key in nodes or sites}, "number of neighbours"
    unknown = [graph.nodes[key].name for key, weight in weights.items() if weight == 0]
    graph.note("assumed", f"demand is spread by: {basis}")
    if unknown:
        graph.note("assumed", "no demand originates where that is zero or not known", unknown)
    total = math.fsum(weights.values())
    return {key: weight / total for key, weight in weights.items()}


def _node_table(
    graph: SourceGraph, id_of: dict[str, str], weights: dict[str, float], sites: list[str], source: str
) -> pd.DataFrame:
    countries = {node.country for node in graph.nodes.values()}
    if "" in countries:
        graph.note("assumed", "country, province and region are one and the same where the file does not state them")
    return pd.DataFrame(
        [
            {
                "id": id_of[key],
                "name": node.name,
                "kind": "demand_hub" if weights.get(key, 0) > 0 else "data_center" if key in sites else "junction",
                "country": (country := clean_name(node.country or "unknown")),
                "province": clean_name(node.province or country),
                "region": slug_of(node.region or node.country) or "all",
                "latitude_deg": node.latitude_deg,
                "longitude_deg": node.longitude_deg,
                "demand_weight": weights.get(key, 0.0),
                "population_million": node.population_million,
                "source": source,
                "confidence": _ESTIMATE if node.is_placed else _REPORTED,
                "field_confidence": "demand_weight=estimate",
            }
            for key, node in graph.nodes.items()
        ]
    )


def _link_table(graph: SourceGraph, id_of: dict[str, str], options: ImportOptions, source: str) -> pd.DataFrame:
    names = _ids(f"{id_of[link.start]}_{id_of[link.end]}" for link in graph.links)
    computed, no_capacity, rows = 0, 0, []
    too_short: list[str] = []
    for name, link in zip(names, graph.links, strict=True):
        ends = [graph.nodes[key] for key in (link.start, link.end)]
        straight_km = great_circle_km(*((node.latitude_deg, node.longitude_deg) for node in ends))
        length_km, is_stated = _length_km(link, straight_km, ends, options, too_short)
        has_capacity = link.capacity_gbps > 0
        has_delay = link.one_way_ms > 0
        computed += not (is_stated or has_delay)
        no_capacity += not has_capacity
        rows.append(
            {
                "id": name,
                "from_node": id_of[link.start],
                "to_node": id_of[link.end],
                # A delay that is stated stands alone: its length need not be that of the great circle.
                "length_km": math.nan if has_delay else length_km,
                "one_way_ms": link.one_way_ms if has_delay else math.nan,
                "capacity_gbps": link.capacity_gbps if has_capacity else options.capacity_gbps,
                "price_cny_per_gbps_month": round(length_km * _CNY_PER_GBPS_KM_MONTH, 1),
                "great_circle_km": round(straight_km, 1),
                "capacity_basis": link.capacity_basis if has_capacity else "assumed",
                "source": source,
                "confidence": _REPORTED if (is_stated or has_delay) and has_capacity else _ESTIMATE,
                "field_confidence": f"length_km={_REPORTED if is_stated else _ESTIMATE};"
                f"capacity_gbps={_REPORTED if has_capacity else _ESTIMATE};price_cny_per_gbps_month={_ESTIMATE}",
            }
        )
    _note_links(graph, options, computed, too_short, no_capacity)
    columns = ["id", "from_node", "to_node", "length_km", "capacity_gbps"]
    return pd.DataFrame(rows, columns=None if rows else columns)


def _length_km(
    link: SourceLink, straight_km: float, ends: list[SourceNode], options: ImportOptions, too_short: list[str]
) -> tuple[float, bool]:
    """Take the length that is stated if fibre may be so short, else that of the great circle with its detour."""
    may_be_km = find_threshold("length", "links", "length_km").low * straight_km
    if link.length_km >= max(may_be_km, _LEAST_LENGTH_KM):
        return link.length_km, True
    if link.length_km > 0 and may_be_km > link.length_km:
        too_short.append(f"{ends[0].name} to {ends[1].name}, {link.length_km:g} km")
    return round(max(straight_km * options.route_factor, _LEAST_LENGTH_KM), 1), False


def _note_links(
    graph: SourceGraph, options: ImportOptions, computed: int, too_short: list[str], no_capacity: int
) -> None:
    if computed:
        graph.note(
            "assumed",
            f"the fibre of {computed} links is {options.route_factor:g} times as long as the great circle, at least "
            f"{_LEAST_LENGTH_KM:g} km",
        )
    if too_short:
        graph.note("left out", "lengths below the great circle between the ends", too_short)
    if any(link.has_bare_capacity for link in graph.links):
        graph.note("left out", "capacities, since the file does not state their unit: --capacity-unit says it")
    if no_capacity:
        graph.note("assumed", f"{no_capacity} links carry {options.capacity_gbps:g} Gbps, since the file has no figure")
    if graph.links:
        graph.note("assumed", f"capacity costs {_CNY_PER_GBPS_KM_MONTH:g} CNY per Gbps, km and month")


def _data_center_table(nodes: pd.DataFrame, sites: list[str], center: pd.Series, source: str) -> pd.DataFrame:
    taken = (
        "access_rtt_ms", "it_capacity_mw", "pue", "tariff", "demand_charge_cny_per_kw_month", "demand_charge_basis",
        "grid", "opening_cny_per_year", "site_capital_cny_per_kw",
    )  # fmt: skip
    places = nodes.set_index("id").loc[sites].rename_axis("node").reset_index()
    own = places[["node", "name", "country", "province", "region", "latitude_deg", "longitude_deg"]]
    return own.assign(
        id=_ids(f"dc_{node}" for node in sites),
        category="assumed",
        **{name: center[name] for name in taken},
        source=f"place: {source}; figures: example of edwc init",
        confidence=_ESTIMATE,
    )


def _from_template(table: pd.DataFrame) -> pd.DataFrame:
    """Take the columns of a table that say anything, as estimates."""
    filled = [name for name in table if (table[name].notna() & (table[name].astype(str) != "")).any()]
    return table[filled].assign(source="example of edwc init", confidence=_ESTIMATE)

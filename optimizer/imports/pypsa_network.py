"""Networks of PyPSA, as netCDF or as a folder of CSV tables, read by PyPSA."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

from optimizer.exports.pypsa_network import quiet_pypsa
from optimizer.imports.source_graph import SUBJECT, ImportOptions, SourceGraph, SourceLink, SourceNode, refuse

# Buses of the power grid itself; sector-coupled networks have others, of heat or hydrogen, at the same places.
_CARRIERS = {"", "ac", "dc"}


def read_pypsa(path: Path, _options: ImportOptions) -> SourceGraph:
    """
    Read a PyPSA network: buses are nodes, branches the ways of fibre, loads weigh the demand.

    Raises
    ------
    InputError
        If PyPSA is not installed or cannot read the network.
    """
    stored = _open(path)
    graph = SourceGraph("PyPSA network", str(stored.name or path.stem))
    is_grid = stored.buses["carrier"].fillna("").astype(str).str.lower().isin(_CARRIERS)
    buses = stored.buses[is_grid] if is_grid.any() else stored.buses
    others = sorted({str(carrier) for carrier in stored.buses.loc[~stored.buses.index.isin(buses.index), "carrier"]})
    longitudes, latitudes = _degrees(stored, buses, path)
    loads = _mean_loads(stored)
    for key, longitude, latitude in zip(buses.index, longitudes, latitudes, strict=True):
        country = buses["country"].get(key) if "country" in buses else ""
        country = "" if country is None or country != country else str(country)  # noqa: PLR0124 - NaN
        graph.nodes[str(key)] = SourceNode(
            str(key), float(latitude), float(longitude), weight=loads.get(str(key), math.nan), country=country
        )
    if any(node.weight > 0 for node in graph.nodes.values()):
        graph.weight_basis = "mean load of the bus over the snapshots"
    _add_branches(graph, stored)
    if others:
        graph.note("left out", f"{len(stored.buses) - len(buses)} buses of other carriers", others)
    graph.note(
        "assumed",
        "fibre runs along each line, link and transformer between two buses; parallel ones are one way, and what they "
        "carry in MW says nothing of Gbps",
    )
    return graph


def _open(path: Path) -> Any:
    with quiet_pypsa(str(path), SUBJECT) as pypsa:
        try:
            return pypsa.Network(str(path))
        except Exception as error:  # its readers raise what pandas, xarray and netCDF raise
            remedy = "Export the network again with export_to_netcdf or export_to_csv_folder."
            raise refuse(path, f"cannot be read by PyPSA ({type(error).__name__}: {error})", remedy) from error


def _degrees(stored: Any, buses: Any, path: Path) -> tuple[Any, Any]:
    """Turn the coordinates of buses into degrees; (0, 0), the default of a bus, becomes NaN."""
    import pyproj

    placed = ~((buses["x"] == 0) & (buses["y"] == 0))
    x, y = (buses[axis].astype(float).where(placed) for axis in "xy")
    crs = pyproj.CRS.from_user_input(stored.crs)
    if crs.is_geographic:
        return x.to_numpy(), y.to_numpy()
    try:
        turn = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        longitudes, latitudes = turn.transform(x.to_numpy(), y.to_numpy())
    except pyproj.exceptions.ProjError as error:
        remedy = "Set the coordinate system of the network."
        raise refuse(path, f"its coordinates cannot be turned into degrees ({error})", remedy) from error
    return longitudes, latitudes


def _mean_loads(stored: Any) -> dict[str, float]:
    """Sum up the mean load of each bus, MW; what a negative load feeds in does not count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hourly = stored.get_switchable_as_dense("Load", "p_set")
    weights = stored.snapshot_weightings["objective"].to_numpy(float)
    total = weights.sum()
    means = hourly.mul(weights, axis=0).sum() / total if total > 0 else hourly.mean()
    by_bus = means.groupby(stored.loads["bus"].reindex(means.index).astype(str)).sum()
    return {str(bus): max(float(value), 0.0) for bus, value in by_bus.items() if math.isfinite(value)}


def _add_branches(graph: SourceGraph, stored: Any) -> None:
    """Add one link for each pair of buses, with the shortest length that is stated."""
    lengths: dict[tuple[str, str], float] = {}
    for table in (stored.lines, stored.links, stored.transformers):
        stated = table["length"] if "length" in table else [math.nan] * len(table)
        for first, second, length in zip(table["bus0"], table["bus1"], stated, strict=True):
            pair = (min(str(first), str(second)), max(str(first), str(second)))
            if all(key in graph.nodes for key in pair):
                known = [km for km in (lengths.get(pair, math.nan), float(length)) if km > 0]
                lengths[pair] = min(known, default=math.nan)
    graph.links += [SourceLink(*pair, length_km=length) for pair, length in lengths.items()]

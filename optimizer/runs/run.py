"""
The plan of a stored run with the problem it belongs to, assembled anew from the run's inputs.

A stored run as tables with places: read, checked, and summed to flows.

What a report is made of: a stored run, and its inputs where they are still there and unchanged.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from shapely.geometry import LineString, MultiLineString

from network_data.faults import FaultList, InputError
from network_data.load import Network, load_network
from optimizer.checker.check import CheckReport, check_plan
from optimizer.numbers import shorten
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.runs.folder import StoredRun, read_stored_run
from optimizer.runs.metadata import find_scenario_again
from optimizer.runs.plan_tables import UnknownLabelError, plan_from_tables
from scenarios.load import load_scenario
from scenarios.schema import Scenario


@dataclass(frozen=True, eq=False)
class StoredPlan:
    """
    A stored run, ready to be asked about.

    Attributes
    ----------
    stored
        What the run folder holds.
    scenario, network, problem
        Its inputs, read anew.
    plan
        Its decisions.
    """

    stored: StoredRun
    scenario: Scenario
    network: Network
    problem: PlacementProblem
    plan: Plan


def read_stored_plan(run_folder: Path | str) -> StoredPlan:
    """
    Read a run and assemble its problem again.

    Parameters
    ----------
    run_folder
        Folder of a run.

    Raises
    ------
    InputError
        If the folder is not a run that can be read, or its inputs are gone or not what they were.
    """
    stored = read_stored_run(run_folder)
    told = stored.info["scenario"]
    overrides = [str(text) for text in told.get("overrides") or ()]
    scenario = load_scenario(find_scenario_again(told, stored.folder), overrides)
    network = load_network(scenario.network)
    faults = FaultList(f"run {stored.folder.name}")
    for was, now in (
        (told.get("file_hashes"), scenario.file_hashes),
        (stored.info["network"].get("file_hashes"), network.file_hashes),
    ):
        before = was if isinstance(was, dict) else {}
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                faults.add(name, "is not what it was when the run was made", "Solve again, or put the file back.")
    faults.raise_if_any()
    problem = assemble_problem(network, scenario)
    try:
        plan = plan_from_tables(problem, stored.tables)
    except UnknownLabelError as error:
        for line in str(error).splitlines():
            faults.add(stored.folder.name, line, "Solve again: the run folder is damaged.")
        raise faults.error() from error
    return StoredPlan(stored, scenario, network, problem, plan)


_HALF_TURN_DEG = 180.0

# What a run folder must hold to be drawn; further columns travel along as attributes.
_REQUIRED_COLUMNS = {
    "allocation": (
        "day", "hour", "weight_h", "demand_hub", "workload_class", "data_center", "route", "mtok_per_h",
        "rtt_ms",
    ),
    "data_centers": ("id", "name", "region", "latitude_deg", "longitude_deg", "is_open", "mtok_per_year"),
    "demand_hubs": ("id", "name", "region", "latitude_deg", "longitude_deg", "mtok_per_year"),
    "links": (
        "id", "from_node", "to_node", "from_latitude_deg", "from_longitude_deg", "to_latitude_deg",
        "to_longitude_deg", "load_share",
    ),
    "routes": ("route", "demand_hub", "data_center", "nodes", "coordinates"),
    "costs": ("component", "data_center", "cny_per_year"),
}  # fmt: skip

# What only exports by time slice need; runs of older versions have none of these.
_SLICE_COLUMNS = {
    "links_by_slice": ("day", "hour", "weight_h", "link", "load_gbps"),
    "data_centers_by_slice": ("day", "hour", "weight_h", "data_center", "mtok_per_h"),
}
_DAMAGED = "Solve again: the run folder is damaged."
_LARGEST_DEG = {"latitude_deg": 90.0, "longitude_deg": 180.0}


@dataclass(frozen=True, eq=False)
class RunTables:
    """
    The tables of a stored run that exports read.

    Attributes
    ----------
    folder
        The run folder.
    info
        Content of `run.json`.
    allocation
        Tokens by time slice, workload and route, plus `mtok_per_year` (rate times the slice's hours per
        year).
    data_centers, demand_hubs, links
        Places and links, indexed by `id`.
    routes
        Routes indexed by `route`, plus `points` (tuple of (longitude_deg, latitude_deg), one per node of
        `nodes`).
    costs
        Cost by component and data center, CNY per year.
    """

    folder: Path
    info: dict[str, Any]
    allocation: pd.DataFrame
    data_centers: pd.DataFrame
    demand_hubs: pd.DataFrame
    links: pd.DataFrame
    routes: pd.DataFrame
    costs: pd.DataFrame

    @cached_property
    def days_per_year(self) -> float:
        """Days that the time slices of the allocation stand for."""
        slices = self.allocation.drop_duplicates(["day", "hour"])
        # Of a plan that serves nothing, nothing is divided by the days; only 0 / 0 must not happen.
        return float(slices["weight_h"].sum()) / 24.0 or 1.0


def read_run(run_folder: Path | str) -> RunTables:
    """
    Read a run folder's tables and check that they fit together.

    Parameters
    ----------
    run_folder
        Folder that holds `run.json` and the Parquet tables of a run.

    Returns
    -------
    RunTables
        The tables, with finite numbers, coordinates in range and ids that exist.

    Raises
    ------
    InputError
        If a file or column is missing or unreadable, a number is not finite, a coordinate is out of range, an
        id is used twice or is not known, or a route has not as many coordinates as nodes.
    """
    folder = Path(run_folder)
    faults = FaultList(f"run folder {folder}")
    info = _read_info(folder, faults)
    tables = {name: _read_table(folder, name, faults) for name in _REQUIRED_COLUMNS}
    faults.raise_if_any()

    for name, key in (("data_centers", "id"), ("demand_hubs", "id"), ("links", "id"), ("routes", "route")):
        _check_unique(tables[name], name, key, faults)
        tables[name] = tables[name].set_index(key)
    for name in ("allocation", "routes"):
        for column, target in (
            ("demand_hub", "demand_hubs"),
            ("data_center", "data_centers"),
            ("route", "routes"),
        ):
            if column in tables[name]:
                _check_known(tables[name], name, column, tables[target].index, faults)
    points = pd.Series(_route_points(tables["routes"], faults), index=tables["routes"].index, dtype=object)
    tables["routes"] = tables["routes"].assign(points=points)
    faults.raise_if_any()

    allocation = tables["allocation"]
    allocation["mtok_per_year"] = allocation["mtok_per_h"] * allocation["weight_h"]
    return RunTables(folder, info, **tables)


def has_slice_tables(run: RunTables) -> bool:
    """
    Tell whether a run stores what happens in each time slice.

    Parameters
    ----------
    run
        The run.

    Returns
    -------
    bool
        False for runs of older versions.
    """
    return all((run.folder / f"{name}.parquet").is_file() for name in _SLICE_COLUMNS)


def read_slice_tables(run: RunTables) -> dict[str, pd.DataFrame]:
    """
    Read what a run stores of each time slice.

    Parameters
    ----------
    run
        The run.

    Returns
    -------
    dict of DataFrame
        `links_by_slice` and `data_centers_by_slice`, sorted as stored: by time slice.

    Raises
    ------
    InputError
        If a table is missing, as in runs of older versions, or does not fit the others.
    """
    faults = FaultList(f"run folder {run.folder}")
    tables = {name: _read_table(run.folder, name, faults) for name in _SLICE_COLUMNS}
    faults.raise_if_any()
    _check_known(tables["links_by_slice"], "links_by_slice", "link", run.links.index, faults)
    centers = tables["data_centers_by_slice"]
    _check_known(centers, "data_centers_by_slice", "data_center", run.data_centers.index, faults)
    faults.raise_if_any()
    return tables


def flow_table(run: RunTables, by: str | tuple[str, ...] = "route") -> pd.DataFrame:
    """
    Sum the allocation.

    Parameters
    ----------
    run
        The run.
    by
        Columns of the allocation that tell flows apart. They must tell the ends, demand_hub and data_center, too.

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
    """
    Look up where places are.

    Parameters
    ----------
    places
        Table indexed by id, with longitude_deg and latitude_deg.

    Returns
    -------
    dict
        Id to (longitude_deg, latitude_deg).
    """
    columns = [places[name].to_numpy(float).tolist() for name in ("longitude_deg", "latitude_deg")]
    return dict(zip(places.index, zip(*columns, strict=True), strict=True))


def positions_shown(run: RunTables) -> np.ndarray:
    """
    List where everything is that a map of a run shows: places and ends of links.

    Parameters
    ----------
    run
        The run.

    Returns
    -------
    array
        (n, 2) longitude and latitude, degrees.
    """
    columns = ["longitude_deg", "latitude_deg"]
    ends = [run.links[[f"{end}_{column}" for column in columns]].to_numpy(float) for end in ("from", "to")]
    return np.concatenate([run.demand_hubs[columns].to_numpy(float), run.data_centers[columns].to_numpy(float), *ends])


def _read_info(folder: Path, faults: FaultList) -> dict[str, Any]:
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except OSError as error:
        faults.add("run.json", "is missing or cannot be read", "Give the folder that `edwc solve --out` wrote.")
        raise faults.error() from error  # no run: what else it lacks says nothing
    except ValueError:
        faults.add("run.json", "is not valid JSON", _DAMAGED)
        return {}
    if not isinstance(info, dict):
        faults.add("run.json", "is not a JSON object", _DAMAGED)
        return {}
    return info


def _read_table(folder: Path, name: str, faults: FaultList) -> pd.DataFrame:
    file = f"{name}.parquet"
    if not (folder / file).is_file():
        is_optional = name in _SLICE_COLUMNS
        remedy = "Solve again with this version." if is_optional else "Give the folder that `edwc solve --out` wrote."
        faults.add(file, "is missing", remedy)
        return pd.DataFrame()
    try:
        table = pd.read_parquet(folder / file)
    except (OSError, ValueError) as error:
        faults.add(file, f"cannot be read ({type(error).__name__})", _DAMAGED)
        return pd.DataFrame()
    for column in (_REQUIRED_COLUMNS | _SLICE_COLUMNS)[name]:
        if column not in table:
            faults.add(file, "a column is missing", "Solve again with this version.", column=column)
            continue
        if not pd.api.types.is_numeric_dtype(table[column]):
            continue
        numbers = table[column].to_numpy(float)
        largest = next((limit for ending, limit in _LARGEST_DEG.items() if column.endswith(ending)), np.inf)
        bad = ~np.isfinite(numbers) | (np.abs(numbers) > largest)
        if bad.any():
            first = int(np.argmax(bad))
            faults.add(
                file,
                f"row {first} (of {int(bad.sum())}) is not finite or out of range",
                _DAMAGED,
                column=column,
                value=numbers[first],
            )
    return table


def _check_unique(table: pd.DataFrame, name: str, key: str, faults: FaultList) -> None:
    twice = table[key][table[key].duplicated()]
    if len(twice):
        faults.add(f"{name}.parquet", "is used twice", "Solve again.", column=key, value=twice.iloc[0])


def _check_known(table: pd.DataFrame, name: str, column: str, known: pd.Index, faults: FaultList) -> None:
    unknown = table[column][~table[column].isin(known)]
    if len(unknown):
        faults.add(
            f"{name}.parquet",
            "is not known to the run's other tables",
            "Solve again.",
            column=column,
            value=unknown.iloc[0],
        )


def _route_points(routes: pd.DataFrame, faults: FaultList) -> list[tuple[tuple[float, float], ...]]:
    points: list[tuple[tuple[float, float], ...]] = []
    for route, nodes, text in zip(routes.index, routes["nodes"], routes["coordinates"], strict=True):
        geometry = shapely.from_wkt(text, on_invalid="ignore")
        found = () if geometry is None else tuple((float(x), float(y)) for x, y in shapely.get_coordinates(geometry))
        # A route that stays at its node is written as a point, as a line needs two.
        if len(found) != len(nodes.split(">")):
            faults.add(
                "routes.parquet",
                f"route {route} has {len(found)} coordinates, but nodes {nodes}",
                _DAMAGED,
                column="coordinates",
                value=text,
            )
        points.append(found)
    return points


_HOURLY_TABLE = "data_centers_by_slice"
_HOURLY_COLUMNS = ("facility_power_mw", "price_cny_per_mwh")

# Below a chart there is room for so many hours, or names of days of so many letters.
_MOST_HOURS, _MOST_DAYS, _DAY_CHARS = 9, 5, 8


@dataclass(frozen=True)
class TimeAxis:
    """
    The time slices as a chart shows them.

    Attributes
    ----------
    labels
        Of each slice, in full.
    ticks
        What is written below it; empty where there is no room.
    weight_h
        Hours of the year that it stands for.
    """

    labels: tuple[str, ...]
    ticks: tuple[str, ...]
    weight_h: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Hourly:
    """What each data center takes and pays in each time slice: (T, D), data centers as in the tables of the run."""

    power_mw: FloatArray
    price_cny_per_mwh: FloatArray


@dataclass(frozen=True, eq=False)
class ReportData:
    """
    A run with all that its report tells.

    Attributes
    ----------
    tables
        Its places, links and flows.
    stored
        All that its folder holds.
    inputs, check
        Its inputs read anew and the plan checked against them; None where they are gone or have changed.
    missing
        Why there are no inputs; else empty.
    slices
        (T,) day, hour, weight_h.
    hourly
        Facility power and price of energy; None where neither the run nor its inputs tell them.
    axis
        The slices as charts show them.
    """

    tables: RunTables
    stored: StoredRun
    inputs: StoredPlan | None
    check: CheckReport | None
    missing: str
    slices: pd.DataFrame
    axis: TimeAxis
    hourly: Hourly | None

    @property
    def info(self) -> dict[str, Any]:
        """Content of `run.json`."""
        return self.stored.info

    @property
    def summary(self) -> dict[str, Any]:
        """Numbers of the plan; those that JSON could not spell are NaN again."""
        told = self.info["summary"]
        return {
            name: float("nan") if value is None and name != "green_share" else value for name, value in told.items()
        }


def read_report_data(tables: RunTables) -> ReportData:
    """
    Read what a report tells of a run.

    Parameters
    ----------
    tables
        The run as exports read it.

    Returns
    -------
    ReportData
        The run; without inputs where they are gone or not what they were, which the report then says.

    Raises
    ------
    InputError
        If the folder is not that of a whole run.
    """
    stored = read_stored_run(tables.folder)
    inputs, check, missing = None, None, ""
    try:
        inputs = read_stored_plan(tables.folder)
        check = check_plan(inputs.problem, inputs.plan)
    except InputError as error:
        missing = "; ".join(f"{fault.file} {fault.problem}" for fault in error.faults)
    if inputs is None:
        slices = tables.allocation[["day", "hour", "weight_h"]].drop_duplicates(["day", "hour"], ignore_index=True)
    else:
        slices = inputs.problem.slices[["day", "hour", "weight_h"]]
    hourly = _stored_hourly(tables, stored, slices)
    if hourly is None and inputs is not None and check is not None:
        order = pd.Index(inputs.problem.data_centers["id"]).get_indexer(tables.data_centers.index)
        hourly = Hourly(check.facility_power_mw[:, order], inputs.problem.energy_price_cny_per_mwh[:, order])
    return ReportData(tables, stored, inputs, check, missing, slices, time_axis(slices), hourly)


def _stored_hourly(tables: RunTables, stored: StoredRun, slices: pd.DataFrame) -> Hourly | None:
    """Read power and price from the run itself, if it has them: prices as its price cases made them."""
    table = stored.tables.get(_HOURLY_TABLE)
    if table is None or not {"day", "hour", "data_center", *_HOURLY_COLUMNS} <= set(table):
        return None
    rows = pd.MultiIndex.from_frame(slices[["day", "hour"]])
    power, price = (
        table.pivot_table(index=["day", "hour"], columns="data_center", values=name)
        .reindex(index=rows, columns=tables.data_centers.index)
        .to_numpy(float)
        for name in _HOURLY_COLUMNS
    )
    return Hourly(power, price)


def time_axis(slices: pd.DataFrame) -> TimeAxis:
    """
    Label time slices.

    Parameters
    ----------
    slices
        day, hour and weight_h, in order.

    Returns
    -------
    TimeAxis
        Hours; with their day where there are several.
    """
    days = [str(day) for day in slices["day"]]
    clock = [f"{int(hour):02d}:{round(hour % 1 * 60):02d}" for hour in slices["hour"]]
    weights = tuple(float(weight) for weight in slices["weight_h"])
    if len(set(days)) <= 1:
        return TimeAxis(tuple(clock), _thin_out(clock, _MOST_HOURS), weights)
    starts = [day if i == 0 or days[i - 1] != day else "" for i, day in enumerate(days)]
    labels = tuple(f"{shorten(day, 40)} {hour}" for day, hour in zip(days, clock, strict=True))
    return TimeAxis(labels, _thin_out([shorten(day, _DAY_CHARS) for day in starts], _MOST_DAYS), weights)


def _thin_out(ticks: Sequence[str], most: int) -> tuple[str, ...]:
    """Keep every first, second, third, ... of the ticks, so that they do not run into each other."""
    named = [i for i, tick in enumerate(ticks) if tick]
    each = next((n for n in (1, 2, 3, 4, 6, 8, 12, 24) if len(named) / n <= most), max(len(named), 1))
    kept = set(named[::each])
    return tuple(tick if i in kept else "" for i, tick in enumerate(ticks))


def link_volumes(run: RunTables, categories: pd.Series) -> pd.DataFrame:
    """
    Sum what travels between neighbouring nodes, by direction and category.

    Parallel links count as one. A place that stands apart from its fibre node has a link of its own to it,
    named `demand_hub:ID` or `data_center:ID`.

    Parameters
    ----------
    run
        The run.
    categories
        Category by row of the allocation.

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


def stops_by_route(run: RunTables) -> dict[int, list[str]]:
    """
    List the stops of each route in travel order, as `link_volumes` names them.

    Parameters
    ----------
    run
        The run.

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


def undirected(volumes: pd.DataFrame) -> pd.Series:
    """
    Name the link of each row without its direction.

    Parameters
    ----------
    volumes
        Table with from_node, to_node.

    Returns
    -------
    Series
        (node, node) in alphabetical order, by row.
    """
    pairs = zip(volumes["from_node"], volumes["to_node"], strict=True)
    return pd.Series([(a, b) if a < b else (b, a) for a, b in pairs], index=volumes.index, dtype=object)

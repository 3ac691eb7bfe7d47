"""Checks that look across the rows and tables of a network."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

from network_data.faults import Fault, FaultList, quote_value, suggest
from network_data.read import Table
from network_data.schema import Attribute
from network_data.tariff_calendar import CalendarRow, check_calendar, parse_hours, parse_months
from network_data.tariffs import formula_price

# Columns that tell the rows of a table apart.
KEYS: dict[str, tuple[str, ...]] = {
    "nodes": ("id",),
    "data_centers": ("id",),
    "pools": ("data_center", "accelerator"),
    "links": ("id",),
    "tariffs": ("tariff", "months", "period"),
    "grids": ("id",),
    "accelerators": ("id",),
}
NAMES_SHOWN = 6
# How far a price may be from what its own row makes of it: a percent, and rounding of small prices.
FORMULA_TOLERANCE_SHARE = 0.01
FORMULA_TOLERANCE_CNY_PER_MWH = 0.5


def check_tables(tables: dict[str, Table], schema: dict[str, dict[str, Attribute]], faults: FaultList) -> list[Fault]:
    """
    Check everything that one cell alone cannot show.

    Parameters
    ----------
    tables
        The tables that could be read, by name.
    schema
        Attributes by table and column.
    faults
        Receives what is wrong.

    Returns
    -------
    list of Fault
        What is allowed but probably not meant.
    """
    # What a row that could not be read would have said is no fault of another table.
    whole = {name: table for name, table in tables.items() if not table.misses_rows}
    for name, table in tables.items():
        _check_keys(table, KEYS[name], faults)
        _check_references(table, schema[name], whole, faults)
    checks = {
        "nodes": _check_nodes,
        "pools": _check_pools,
        "links": _check_links,
        "tariffs": _check_tariffs,
        "accelerators": _check_accelerators,
    }
    for name, check in checks.items():
        if name in whole:
            check(whole[name], faults)
    if {"nodes", "links", "data_centers"} <= whole.keys():
        _check_connected(whole["nodes"], whole["links"], whole["data_centers"], faults)
    if {"data_centers", "pools"} <= whole.keys():
        return _find_idle_data_centers(whole["data_centers"], whole["pools"])
    return []


def _cells(table: Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Go through the line and the named cells of each row; a faulty cell is None."""
    return zip(table.rows, *(table.columns[column] for column in columns), strict=True)


def _check_keys(table: Table, key: tuple[str, ...], faults: FaultList) -> None:
    first_row: dict[tuple[Any, ...], int] = {}
    for row, *values in _cells(table, *key):
        found = tuple(values)
        if None in found:
            continue
        if found in first_row:
            shown = ", ".join(map(str, found))
            problem = f"the same {' and '.join(key)} stands in row {first_row[found]}"
            faults.add(table.file, problem, "Rename or remove one row.", row=row, column=key[0], value=shown)
        else:
            first_row[found] = row


def _check_references(
    table: Table, attributes: dict[str, Attribute], tables: dict[str, Table], faults: FaultList
) -> None:
    for attribute in attributes.values():
        if attribute.target is None or attribute.target[0] not in tables:
            continue
        target, column = attribute.target
        known = {str(value): None for value in tables[target].columns[column] if value is not None}
        for row, value in _cells(table, attribute.name):
            if value is None or value in known:
                continue
            problem = f"there is no such {column} in {tables[target].file}"
            remedy = f"Correct it or add a row to {tables[target].file}.{suggest(value, known)}"
            faults.add(table.file, problem, remedy, row=row, column=attribute.name, value=value)


def _check_nodes(table: Table, faults: FaultList) -> None:
    for row, kind, weight in _cells(table, "kind", "demand_weight"):
        if None not in (kind, weight) and kind != "demand_hub" and weight > 0:
            problem = f"demand originates at a node of kind {kind}"
            remedy = "Set it to 0, or make the node a demand_hub."
            faults.add(table.file, problem, remedy, row=row, column="demand_weight", value=f"{weight:g}")
    kinds = table.columns["kind"]
    if kinds and "demand_hub" not in kinds and None not in kinds:
        faults.add(table.file, "no node is a demand_hub", "Mark the nodes where demand originates.", column="kind")


def _check_pools(table: Table, faults: FaultList) -> None:
    for row, low, high in _cells(table, "min_pods", "max_pods"):
        if None not in (low, high) and low > high:
            problem = f"min_pods is above max_pods, which is {high:g}"
            faults.add(
                table.file,
                problem,
                "Lower min_pods or raise max_pods.",
                row=row,
                column="min_pods",
                value=low,
            )


def _check_links(table: Table, faults: FaultList) -> None:
    for row, start, end, length_km, one_way_ms in _cells(table, "from_node", "to_node", "length_km", "one_way_ms"):
        if start is not None and start == end:
            remedy = "Give the other end, or remove the link."
            faults.add(table.file, "the link ends where it starts", remedy, row=row, column="to_node", value=end)
        if None not in (length_km, one_way_ms) and math.isnan(length_km) and math.isnan(one_way_ms):
            problem = "the link has neither length_km nor one_way_ms"
            faults.add(table.file, problem, "Give one of the two.", row=row, column="length_km")


def _check_accelerators(table: Table, faults: FaultList) -> None:
    for row, idle_w, full_w in _cells(table, "idle_power_w", "full_power_w"):
        if None not in (idle_w, full_w) and idle_w > full_w:
            problem = f"idle power is above full power, which is {full_w:g} W"
            remedy = "Lower idle_power_w or raise full_power_w."
            faults.add(table.file, problem, remedy, row=row, column="idle_power_w", value=f"{idle_w:g}")


def _check_tariffs(table: Table, faults: FaultList) -> None:
    calendars: dict[str, list[CalendarRow]] = {}
    unreadable = set()
    for row, tariff, months, hours in _cells(table, "tariff", "months", "hours"):
        if tariff is None:
            continue
        if None in (months, hours):
            # The cell is a fault already; a gap that follows from it would only confuse.
            unreadable.add(tariff)
            continue
        calendars.setdefault(tariff, []).append(CalendarRow(row, parse_months(months), parse_hours(hours)))
    _check_tariff_formula(table, faults)
    for tariff, rows in calendars.items():
        if tariff in unreadable:
            continue
        for fault in check_calendar(rows):
            where = f"months {fault.months}, hours {fault.hours}"
            if fault.rows:
                listed = ", ".join(map(str, fault.rows))
                problem = f"tariff {tariff} has more than one price in {where} (rows {listed})"
                remedy = "Shorten the hours of one of these rows."
            else:
                problem = f"tariff {tariff} has no price in {where} (rows {_spell_rows(rows)})"
                remedy = "Add a row or lengthen the hours of one."
            row = fault.rows[-1] if fault.rows else rows[0].row
            faults.add(table.file, problem, remedy, row=row, column="hours", value=tariff)


def _check_tariff_formula(table: Table, faults: FaultList) -> None:
    """Find prices that are not what flat price, floating share and multiplier of their own row give."""
    columns = ("price_cny_per_mwh", "flat_price_cny_per_mwh", "floating_share", "multiplier_vs_flat")
    for row, price, flat, share, multiplier in _cells(table, *columns):
        if None in (price, flat, share, multiplier):
            continue
        formula = float(formula_price(flat, share, multiplier))
        # A comparison with NaN is false: a row that does not give all of the formula is not judged.
        if abs(price - formula) > max(FORMULA_TOLERANCE_SHARE * abs(formula), FORMULA_TOLERANCE_CNY_PER_MWH):
            problem = f"flat price, floating share and multiplier of the row give {formula:g}"
            remedy = "Correct one of the four, or leave multiplier_vs_flat blank if the price follows no such formula."
            faults.add(table.file, problem, remedy, row=row, column="price_cny_per_mwh", value=f"{price:g}")


def _spell_rows(rows: list[CalendarRow]) -> str:
    first, last = rows[0].row, rows[-1].row
    return str(first) if first == last else f"{first} to {last}"


def _check_connected(nodes: Table, links: Table, data_centers: Table, faults: FaultList) -> None:
    neighbours: dict[str, list[str]] = {str(node): [] for node in nodes.columns["id"] if node is not None}
    for _, start, end in _cells(links, "from_node", "to_node"):
        if start in neighbours and end in neighbours:
            neighbours[start].append(end)
            neighbours[end].append(start)
    # An unknown node of a data center is a fault already; judging the graph without it would mislead.
    if not all(node in neighbours for node in data_centers.columns["node"]):
        return
    reached = _reach([str(node) for node in data_centers.columns["node"]], neighbours)
    for row, node, kind in _cells(nodes, "id", "kind"):
        if kind != "demand_hub" or node is None or node in reached:
            continue
        component = sorted(_reach([node], neighbours))
        more = f" and {len(component) - NAMES_SHOWN} more" if len(component) > NAMES_SHOWN else ""
        problem = (
            f"the graph is disconnected: demand hub {node} reaches no data center; "
            f"its part of the graph is {', '.join(component[:NAMES_SHOWN])}{more}"
        )
        remedy = f"Add a link from one of these nodes to the rest in {links.file}."
        faults.add(nodes.file, problem, remedy, row=row, column="id", value=node)
        reached |= {node}


def _reach(starts: list[str], neighbours: dict[str, list[str]]) -> set[str]:
    reached = set(starts)
    queue = deque(starts)
    while queue:
        for node in neighbours[queue.popleft()]:
            if node not in reached:
                reached.add(node)
                queue.append(node)
    return reached


def _find_idle_data_centers(data_centers: Table, pools: Table) -> list[Fault]:
    with_pool = set(pools.columns["data_center"])
    return [
        Fault(
            data_centers.file,
            row,
            "id",
            data_center,
            f"data center {quote_value(data_center)} has no pool and cannot take any work",
            f"Add a row to {pools.file}, or remove the data center.",
        )
        for row, data_center in _cells(data_centers, "id")
        if data_center is not None and data_center not in with_pool
    ]

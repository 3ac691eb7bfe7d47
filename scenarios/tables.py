"""Read the tables a scenario names: workload classes, daily profiles, explicit workloads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from network_data.csv_text import RawTable
from network_data.currency import in_currency
from network_data.faults import Fault, FaultList, suggest
from network_data.plausibility import PROFILES, SUMS_OF_HOURS, doubt_of_sum, find_threshold
from network_data.read import Table, read_raw, read_table
from network_data.schema import ID_PATTERN, Attribute
from network_data.tariffs import HOURS_PER_DAY
from scenarios.document import Node, Place
from scenarios.schema import WorkloadDemand
from scenarios.workload_class import WorkloadClass
from scenarios.yaml_reader import read_scalar

_PROVENANCE = ("source", "confidence", "field_confidence")


def read_classes(path: Path, currency: str, faults: FaultList) -> tuple[Node | None, Table | None]:
    """
    Read a table of workload classes; the values are left to the schema to check.

    Parameters
    ----------
    path
        CSV file with column id and the keys of a class. A blank cell is a key not given.
    currency
        Currency that columns with amounts are named after.
    faults
        Receives what is wrong with the table.

    Returns
    -------
    Node or None
        Class id to keys, each with its row and column; None if the table cannot be read.
    Table or None
        The table.
    """
    attributes = {"id": _attribute("id", "key", "id of the class")}
    fields = {in_currency(name, currency): field for name, field in WorkloadClass.model_fields.items()}
    for name, field in fields.items():
        # Only yes/no is read here: the range and type of the rest are checked once, by the schema.
        kind = "bool" if field.annotation is bool else "prose"
        attributes[name] = _attribute(name, kind, in_currency(str(field.description), currency), required=False)
    table = read_table(path.parent, path.stem, attributes, faults)
    if table is None:
        return None, None
    classes: dict[str, Node] = {}
    for at, row in enumerate(table.rows):
        class_id = table.columns["id"][at]
        if class_id is None:
            continue
        if str(class_id) in classes:
            remedy = f"Give it another id; the first is in row {classes[str(class_id)].place.row}."
            faults.add(table.file, "the id is there twice", remedy, row=row, column="id", value=class_id)
            continue
        keys: dict[str, Node] = {}
        for name in fields:
            cell = table.columns[name][at]
            if cell is None or cell == "":
                continue
            value = cell if name in _TEXT_KEYS or isinstance(cell, bool) else read_scalar(str(cell))
            keys[name] = Node(value, Place(table.file, row, in_table=True))
        classes[str(class_id)] = Node(keys, Place(table.file, row, in_table=True))
    return Node(dict(classes), Place(table.file, in_table=True)), table


def read_profiles(
    path: Path, faults: FaultList, doubts: list[Fault]
) -> tuple[dict[str, tuple[float, ...]] | None, Table | None]:
    """
    Read daily profiles and scale each to a mean of 1.

    Parameters
    ----------
    path
        CSV file with column hour (0 to 23, each once) and one column per profile.
    faults
        Receives what is wrong with the table.
    doubts
        Receives profiles whose sum is nearly but not quite that of 24 factors or shares.

    Returns
    -------
    dict or None
        Profile id to 24 factors by hour, which hold NaN where a fault was recorded; None if the table
        cannot be read.
    Table or None
        The table.
    """
    # Faults of the file itself are left to the reader of all its cells, below.
    raw = read_raw(path, FaultList()) or RawTable([], [], [])
    named = [name for name in raw.header if name not in {"hour", *_PROVENANCE}]
    profiles = [name for name in named if ID_PATTERN.fullmatch(name)]
    for name in set(named).difference(profiles):
        remedy = "Use lower-case letters a-z, digits and underscores only."
        faults.add(path.name, "the name of the profile is not a valid id", remedy, row=raw.header_row, column=name)
    attributes = {"hour": _attribute("hour", "int", "hour of the day, 0 to 23", maximum=HOURS_PER_DAY - 1)}
    relative = "demand of the hour relative to the mean"
    attributes |= {name: _attribute(name, "float", relative, maximum=1e12) for name in named}
    attributes |= {name: _attribute(name, "prose", name, required=False) for name in _PROVENANCE}
    table = read_table(path.parent, path.stem, attributes, faults)
    if table is None:
        return None, None
    if not profiles:
        faults.add(table.file, "the table has no profile", "Add a column per profile beside hour.", row=raw.header_row)
    row_of_hour = _hours(table, faults)
    doubts.extend(_doubts_of_profiles(table, profiles))
    return {name: _profile(table, name, row_of_hour, faults) for name in profiles}, table


def read_workloads(
    path: Path, classes: Mapping[str, object], faults: FaultList
) -> tuple[tuple[WorkloadDemand, ...] | None, Table | None]:
    """
    Read an explicit table of workloads.

    Parameters
    ----------
    path
        CSV file with columns demand_hub, workload_class, mtok_per_day.
    classes
        The scenario's classes by id.
    faults
        Receives what is wrong with the table. Demand hubs are checked when the network is known.

    Returns
    -------
    tuple of WorkloadDemand or None
        One entry per good row; None if the table cannot be read.
    Table or None
        The table.
    """
    attributes = {
        "demand_hub": _attribute("demand_hub", "id", "id of the demand hub"),
        "workload_class": _attribute("workload_class", "id", "id of the workload class"),
        "mtok_per_day": _attribute("mtok_per_day", "float", "million tokens per day", maximum=1e12),
        **{name: _attribute(name, "prose", name, required=False) for name in _PROVENANCE},
    }
    table = read_table(path.parent, path.stem, attributes, faults)
    if table is None:
        return None, None
    workloads: dict[tuple[str, str], WorkloadDemand] = {}
    cells = zip(*(table.columns[name] for name in list(attributes)[:3]), table.rows, strict=True)
    for hub, class_id, mtok_per_day, row in cells:
        if hub is None or class_id is None or mtok_per_day is None:
            continue
        workload = WorkloadDemand(str(hub), str(class_id), float(mtok_per_day), row)
        key = (workload.demand_hub, workload.workload_class)
        if workload.workload_class not in classes:
            remedy = "Add the class to the scenario or correct the id." + suggest(key[1], classes)
            where = {"row": row, "column": "workload_class"}
            faults.add(table.file, "there is no such workload class", remedy, value=class_id, **where)
        elif key in workloads:
            remedy = f"Keep one row; the first is row {workloads[key].row}."
            faults.add(table.file, f"workload {key[0]}, {key[1]} is there twice", remedy, row=row)
        else:
            workloads[key] = workload
    if workloads and not any(workload.mtok_per_day > 0 for workload in workloads.values()):
        faults.add(table.file, "no workload asks for any tokens", "Give at least one a number above 0.")
    return tuple(workloads.values()), table


def _attribute(
    name: str, kind: str, description: str, *, required: bool = True, maximum: float = math.inf
) -> Attribute:
    return Attribute(
        table="",
        name=name,
        kind=kind,
        choices=(),
        target=None,
        unit="",
        minimum=0,
        maximum=maximum,
        exclusive_minimum=False,
        default="no" if kind == "bool" else "",
        required=required,
        description=description,
    )


def _hours(table: Table, faults: FaultList) -> dict[int, int]:
    """Position of each hour's row; records hours that are missing or there twice."""
    position: dict[int, int] = {}
    for at, (hour, row) in enumerate(zip(table.columns["hour"], table.rows, strict=True)):
        if hour is None:
            continue
        if int(hour) in position:
            remedy = f"Give each hour once; the first is row {table.rows[position[int(hour)]]}."
            faults.add(table.file, "the hour is there twice", remedy, row=row, column="hour", value=hour)
        else:
            position[int(hour)] = at
    missing = [str(hour) for hour in range(HOURS_PER_DAY) if hour not in position]
    if missing:
        problem = f"the table has {len(table.rows)} rows, and none for hour {', '.join(missing)}"
        faults.add(table.file, problem, "Give one row for each hour from 0 to 23.", column="hour")
    return position


def _doubts_of_profiles(table: Table, profiles: Sequence[str]) -> Iterator[Fault]:
    one = find_threshold("sum", PROFILES)
    for name in profiles:
        values = [float(cell) for cell in table.columns[name] if cell is not None]
        if len(values) == HOURS_PER_DAY and (meant := doubt_of_sum(values, one, SUMS_OF_HOURS)) is not None:
            total = math.fsum(values)
            problem = f"the 24 values of the profile sum to {total:.6g}, nearly but not quite {meant:g}"
            remedy = f"Look for a wrong hour, or divide each by {total / meant:.6g}; as they are, they are scaled."
            yield Fault(table.file, table.rows[0], name, f"{values[0]:.10g}", problem, remedy)


def _profile(table: Table, name: str, row_of_hour: dict[int, int], faults: FaultList) -> tuple[float, ...]:
    column = table.columns[name]
    cells = [column[row_of_hour[hour]] if hour in row_of_hour else None for hour in range(HOURS_PER_DAY)]
    values = [math.nan if cell is None else float(cell) for cell in cells]
    total = math.fsum(values)
    if total == 0:
        faults.add(table.file, "the profile is 0 all day", "Give some hours a number above 0.", column=name)
        return (math.nan,) * HOURS_PER_DAY
    return tuple(value * HOURS_PER_DAY / total for value in values)


def _text_keys() -> frozenset[str]:
    """Keys of a class whose cells stay text even if they look like a number."""
    properties = WorkloadClass.model_json_schema()["properties"]
    kinds = {name: [schema, *schema.get("anyOf", [])] for name, schema in properties.items()}
    return frozenset(
        name
        for name, options in kinds.items()
        if any("string" in {part.get("type"), part.get("items", {}).get("type")} for part in options)
    )


_TEXT_KEYS = _text_keys()

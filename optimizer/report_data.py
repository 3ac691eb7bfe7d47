"""What a report is made of: a stored run, and its inputs where they are still there and unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from network_data.faults import InputError
from optimizer.check import CheckReport, check_plan
from optimizer.geo import RunTables
from optimizer.map_style import shorten
from optimizer.problem import FloatArray
from optimizer.run_folder import StoredRun, read_stored_run
from optimizer.stored_plan import StoredPlan, read_stored_plan

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

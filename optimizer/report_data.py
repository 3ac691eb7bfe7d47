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
from optimizer.run_folder import StoredRun, read_stored_run
from optimizer.stored_plan import StoredPlan, read_stored_plan

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
    return ReportData(tables, stored, inputs, check, missing, slices, time_axis(slices))


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

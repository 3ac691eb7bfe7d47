"""Verify a stored run: read its inputs anew, rebuild the plan by label, derive every cost and limit again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from network_data.faults import InputError
from network_data.load import Network
from optimizer.checker.check import MalformedPlanError, check_plan
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.demand import home_region
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.folder import json_ready
from optimizer.runs.metadata import changed_inputs, slicing_facts, value_beside_cost
from optimizer.runs.plan_tables import UnknownLabelError, plan_from_tables, plan_tables
from optimizer.runs.result_tables import result_tables
from optimizer.runs.results import ResiliencePrice, compare_baselines, summarize
from optimizer.runs.run import Run, load_inputs
from optimizer.solvers.greedy import evaluate_baselines
from scenarios.schema import Scenario

TOLERANCE_SHARE = 1e-6

# Tables that the first versions did not store: a run that names none of them among its files is whole all the same.
_LATER_TABLES = ("links_by_slice", "data_centers_by_slice")

# What identifies a row; rows are compared in this order, since the order of rows means nothing.
_KEYS = (
    "failed", "day", "hour", "id", "demand_hub", "workload_class", "data_center", "accelerator", "link", "component",
    "route", "nodes",
)  # fmt: skip


@dataclass(frozen=True)
class VerifyReport:
    """
    How a stored run compares with everything derived again.

    Attributes
    ----------
    differences
        Everything that is broken or differs from what is stored; empty if the run is verified.
    total_cny_per_year
        Cost derived again; NaN if the plan could not be rebuilt.
    checked
        How many values were compared, by kind.
    notes
        What could not be compared, and does not count as a difference.
    """

    differences: tuple[str, ...]
    total_cny_per_year: float
    checked: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def is_verified(self) -> bool:
        """True if nothing differs."""
        return not self.differences


def verify_run(run: Run) -> VerifyReport:
    """
    Derive every cost and every limit of a run again from its inputs and its decisions.

    Parameters
    ----------
    run
        The run.

    Returns
    -------
    VerifyReport
        Every difference: changed inputs or tables, broken limits, costs, table cells and numbers that come out
        otherwise, a bound above the cost.

    Raises
    ------
    InputError
        If its folder is not a run that can be read.
    """
    run.require_whole()
    found = _Differences()
    for name in run.changed_files:
        found.add(f"{name}: the file is not the one that the run wrote")
    try:
        scenario, network, problem = _inputs_again(run, found)
        plan = plan_from_tables(problem, run.tables)
        report = check_plan(problem, plan)
    except (InputError, UnknownLabelError, MalformedPlanError) as error:
        text = str(error)
        found.lines += (
            [f"the inputs cannot be read any more: {text}"] if isinstance(error, InputError) else text.splitlines()
        )
        return VerifyReport(tuple(found.lines), float("nan"), found.checked)
    found.checked["limits broken"] = len(report.violations)
    for row in report.violations.itertuples(index=False):
        found.add(
            f"limit ({row.equation}) {row.name} is broken at {row.where}: {row.amount:.9g} against {row.limit:.9g} "
            f"{row.unit}"
        )
    tables = plan_tables(problem, plan) | result_tables(problem, network, plan, report)
    older = [name for name in _LATER_TABLES if name not in run.tables]
    for name, table in tables.items():
        if name not in older:
            found.compare_tables(name, run.tables.get(name), table)
    summary = summarize(problem, network, plan, report)
    found.compare("summary", run.info["summary"], json_ready(summary))
    beside = json_ready(value_beside_cost(scenario, summary["full_cny_per_mtok"]))
    found.compare("market_value", run.info.get("market_value"), beside)
    if "slicing" in run.info:
        found.compare("slicing", run.info["slicing"], json_ready(slicing_facts(scenario, problem)))
    found.compare("objective_cny_per_year", run.info.get("objective_cny_per_year"), report.total_cny)
    _compare_bound(run.info, report.total_cny, found)
    _compare_price(run.info, found)
    if run.info.get("baselines"):
        rules = evaluate_baselines(problem, home_region(problem, network))
        again = compare_baselines(problem, network, rules, plan, report)
        found.compare("baselines", run.info["baselines"], json_ready(again))
    found.compare("scenario.name", run.info["scenario"].get("name"), scenario.name)
    notes = [f"an older version made this run, which did not store {' and '.join(older)}"] if older else []
    return VerifyReport(tuple(found.lines), report.total_cny, found.checked, tuple(notes))


def _inputs_again(run: Run, found: _Differences) -> tuple[Scenario, Network, PlacementProblem]:
    scenario, network = (run.scenario, run.network) if run.folder is None else load_inputs(run)
    for (subject, name), how in changed_inputs(run.info, scenario, network).items():
        found.count("input files")
        if how:
            found.add(f"{subject} file {name} {how} since the run")
    return scenario, network, assemble_problem(network, scenario)


def _compare_bound(info: Mapping[str, Any], total_cny: float, found: _Differences) -> None:
    bound = info.get("bound_cny_per_year")
    if bound is None:
        return  # stopped before there was one
    if not isinstance(bound, int | float):
        found.add(f"bound_cny_per_year: {bound!r} is not a number")
        return
    if bound > total_cny + TOLERANCE_SHARE * max(1.0, abs(total_cny)):
        found.add(f"bound_cny_per_year: the bound {bound:.9g} is above the cost {total_cny:.9g}")
    gap = 0.0 if bound >= total_cny else (total_cny - bound) / max(abs(total_cny), 1e-9)
    found.compare("mip_rel_gap", info.get("mip_rel_gap"), gap)


def _compare_price(info: Mapping[str, Any], found: _Differences) -> None:
    """Derive the price of resilience again from the stored costs and bounds; the other solve is not repeated."""
    stored = info.get("resilience")
    if not isinstance(stored, dict):
        return
    names = ("cost_without_cny_per_year", "bound_without_cny_per_year")
    numbers = [
        info.get("objective_cny_per_year"),
        info.get("bound_cny_per_year"),
        *(stored.get(name) for name in names),
    ]
    known = [float(number) for number in numbers if isinstance(number, int | float)]
    if len(known) == len(numbers):  # a bound that was not found has no number
        found.compare("resilience", stored, json_ready(ResiliencePrice(*known).as_dict()))


class _Differences:
    """Collects what differs, and counts what was compared."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.checked: dict[str, int] = {}

    def add(self, line: str) -> None:
        self.lines.append(line)

    def count(self, what: str, number: int = 1) -> None:
        self.checked[what] = self.checked.get(what, 0) + number

    def compare(self, where: str, was: Any, now: Any) -> None:
        """Compare a stored JSON value with the one derived again, numbers within the tolerance."""
        if isinstance(now, dict) and isinstance(was, dict):
            for key in {**now, **was}:
                self.compare(f"{where}.{key}", was.get(key), now.get(key))
            return
        if isinstance(now, list) and isinstance(was, list) and len(now) == len(was):
            for number, (one, other) in enumerate(zip(was, now, strict=True)):
                self.compare(f"{where}[{number}]", one, other)
            return
        self.count("numbers of run.json")
        if not _is_same(was, now):
            self.add(f"run.json {where}: stored {was!r}, derived again {now!r}")

    def compare_tables(self, name: str, was: pd.DataFrame | None, now: pd.DataFrame) -> None:
        """Compare a stored table with the one derived again, row by row."""
        if was is None:
            self.add(f"{name}.parquet: is missing")
            return
        if list(was.columns) != list(now.columns) or len(was) != len(now):
            self.add(
                f"{name}.parquet: {len(was)} rows of {list(was.columns)} are stored, derived again {len(now)} of "
                f"{list(now.columns)}"
            )
            return
        self.count("table cells", was.size)
        was, now = _in_order(was), _in_order(now)
        for column in now.columns:
            differs = np.flatnonzero(~_same_cells(was[column], now[column]))
            if len(differs):
                first = int(differs[0])
                self.add(
                    f"{name}.parquet column {column}: {len(differs)} cell(s) differ, first of {_row_name(now, first)}: "
                    f"stored {was[column].iloc[first]!r}, derived again {now[column].iloc[first]!r}"
                )


def _row_name(table: pd.DataFrame, row: int) -> str:
    return ", ".join(str(table[name].iloc[row]) for name in _KEYS if name in table)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in _KEYS if name in table]
    return table.sort_values(keys, kind="stable", ignore_index=True) if keys else table


def _same_cells(was: pd.Series, now: pd.Series) -> np.ndarray:
    is_number = [pd.api.types.is_numeric_dtype(column) for column in (was, now)]
    if not any(is_number):
        return np.asarray(was.astype(object).to_numpy() == now.astype(object).to_numpy(), dtype=bool)
    if not all(is_number):
        return np.full(len(now), len(now) == 0)
    one, other = was.to_numpy(float), now.to_numpy(float)
    size = np.maximum(1e-3, np.abs(other))
    return np.asarray((np.abs(one - other) <= TOLERANCE_SHARE * size) | (np.isnan(one) & np.isnan(other)))


def _is_same(was: Any, now: Any) -> bool:
    is_number = [isinstance(value, int | float) and not isinstance(value, bool) for value in (was, now)]
    if all(is_number):
        return bool(abs(was - now) <= TOLERANCE_SHARE * max(1e-3, abs(now)))
    return bool(was == now) and type(was) is type(now)

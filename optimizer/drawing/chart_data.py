"""What the charts of a comparison show, computed once: files (matplotlib) and pages (SVG) draw the same numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from optimizer.comparison.frontier import SIZE_NAMES
from optimizer.comparison.frontier_points import SAVINGS_PER_MS
from optimizer.comparison.latency_budgets import ENERGY_PER_MS
from optimizer.drawing.colours import COSTS_MORE, SAVES, TOTAL
from optimizer.numbers import format_change, format_million, format_plain, format_size, million_writer
from optimizer.problem.problem import FloatArray
from optimizer.words.amounts import money_unit
from optimizer.words.sentences import say

_ENDS = ("low", "high")

# What a frontier's limit is divided by where it is drawn: caps in thousand tonnes.
_UNITS = {"latency": 1.0, "carbon": 1e3}


def text_of(value: Any) -> str:
    """Write a cell that holds words: empty where nothing is known."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


@dataclass(frozen=True)
class Bar:
    """A bar of a waterfall, million CNY a year."""

    kind: str  # `start` and `end`: the cost of a case; else what changes: `price`, `reoptimize`, `change`
    component: str  # Of the cost, as words; empty for the cost of a case
    begin: float
    end: float
    height: float
    text: str  # Of its height
    colour: str


def waterfall_bars(rows: pd.DataFrame) -> list[Bar]:
    """List the bars from one case to another, given their rows of `waterfalls`."""
    is_end = rows["kind"].isin(["start", "end"])
    write_total = million_writer(rows.loc[is_end, "cny_per_year"])
    write_change = million_writer(rows.loc[~is_end, "cny_per_year"], signed=True)
    bars = []
    for row in rows.to_dict("records"):
        cny, is_total = float(row["cny_per_year"]), row["kind"] in {"start", "end"}
        bars.append(
            Bar(
                kind=str(row["kind"]),
                component=text_of(row["component"]).replace("_", " "),
                begin=float(row["from_cny_per_year"]) / money_unit(),
                end=float(row["to_cny_per_year"]) / money_unit(),
                height=cny / money_unit(),
                text=write_total(cny) if is_total else write_change(cny),
                colour=TOTAL if is_total else COSTS_MORE if cny > 0 else SAVES,
            )
        )
    return bars


def difference_cny(rows: pd.DataFrame) -> float:
    """Cost of the second case of a waterfall less that of the first, CNY per year."""
    heights = rows.set_index("kind")["cny_per_year"]
    return float(heights["end"]) - float(heights["start"])


@dataclass(frozen=True)
class TornadoEnd:
    """What one end of a parameter's range changes, million CNY a year; NaN where it has no plan."""

    end: str
    setting: str
    effect: float

    @property
    def text(self) -> str:
        """The parameter's value and the effect."""
        known = math.isfinite(self.effect)
        return f"{self.setting}: {format_change(self.effect * money_unit()) if known else say('no plan')}"


def tornado_rows(tornado: pd.DataFrame) -> list[tuple[str, tuple[TornadoEnd, ...]]]:
    """List the parameters with their ends, largest effect first."""
    rows = []
    for row in tornado.to_dict("records"):
        ends = []
        for end in _ENDS:
            effect = float(row[f"{end}_effect_cny_per_year"]) / money_unit()
            ends.append(TornadoEnd(end, format_plain(float(row[f"{end}_value"])), effect))
        rows.append((str(row["parameter"]), tuple(ends)))
    return rows


@dataclass(frozen=True, eq=False)
class _RegretMatrix:
    """What the plan of each row costs more in the case of each column than that case's own plan."""

    cases: list[str]  # Ids, of rows and columns
    cny: FloatArray  # (cases, cases) CNY per year; NaN where the plan breaks a limit of the case
    # Plan of least regret at worst and that regret, in words; empty where every plan breaks a limit somewhere
    best: str
    worst: str


def regret_matrix(matrix: pd.DataFrame, plans: pd.DataFrame | None, most: int | None = None) -> _RegretMatrix:
    """Read the matrix of regret; of more cases than `most` those with the plans of least regret are kept."""
    cases = [str(name) for name in matrix.columns if name != "plan"]
    best, worst = "", ""
    if plans is not None and len(plans):
        first = plans.iloc[0]
        if math.isfinite(regret := float(first["max_regret_cny_per_year"])):
            best, worst = str(first["plan"]), format_million(regret)
        if most is not None:
            cases = [case for case in cases if case in set(plans["plan"].head(most))]
    values = matrix.set_index("plan").loc[cases, cases].to_numpy(float)
    return _RegretMatrix(cases, values, best, worst)


@dataclass(frozen=True, eq=False)
class _CostCurve:
    """Cost over a limit: its size (ms, or thousand t), what is proved and the best known plan, million CNY a year."""

    size: FloatArray
    least: FloatArray
    most: FloatArray


def cost_curve(kind: str, points: pd.DataFrame) -> _CostCurve:
    """Read the curve of a frontier, of kind latency or carbon."""
    least, most = (points[f"{end}_cny_per_year"].to_numpy(float) / money_unit() for end in ("least", "most"))
    return _CostCurve(points[SIZE_NAMES[kind]].to_numpy(float) / _UNITS[kind], least, most)


@dataclass(frozen=True)
class _Release:
    """What releasing a class's round trip by a millisecond saves, million CNY a year."""

    workload_class: str  # Its id and the range of its budget
    limits: str
    saving: float  # Between the best known plans, and what is proved
    least: float
    most: float
    energy: float  # Of the saving
    is_certain: bool  # Whether it is proved to save anything
    verdict: str  # What is proved, in words


def latency_releases(ranking: pd.DataFrame) -> list[_Release]:
    """Read the ranking of `latency_return`."""
    releases = []
    for row in ranking.to_dict("records"):
        looser = min(float(row["looser_budget_ms"]), float(row["useful_limit_ms"]))
        limits = f"{format_size(float(row['tighter_budget_ms']))} to {format_size(looser)}"
        saving, least, most = (float(row[name]) / money_unit() for name in SAVINGS_PER_MS)
        releases.append(
            _Release(
                workload_class=str(row["workload_class"]),
                limits=limits + (" ms" if math.isfinite(looser) else ""),
                saving=saving,
                least=least,
                most=most,
                energy=float(row.get(ENERGY_PER_MS, math.nan)) / money_unit(),
                is_certain=bool(row.get("is_certain")),
                verdict=text_of(row["verdict"]),
            )
        )
    return releases


@dataclass(frozen=True, eq=False)
class Stretch:
    """A part of a parameter's range on which one plan is the best known."""

    start: float  # Of the parameter
    end: float
    # Cost or saving at both ends, million CNY a year; not finite where no plan is possible
    amounts: tuple[float, float]
    centers: frozenset[str]  # Ids of the open data centers
    change: str  # What differs from the stretch before, in words


def stretches(intervals: pd.DataFrame, amount: str = "cost") -> list[Stretch]:
    """List the stretches of a break-even map with their `cost` or `saving`."""
    return [
        Stretch(
            float(row["from"]),
            float(row["to"]),
            (row[f"{amount}_from_cny_per_year"] / money_unit(), row[f"{amount}_to_cny_per_year"] / money_unit()),
            frozenset(text_of(row.get("open_data_centers")).split(", ")) - {""},
            text_of(row["change"]),
        )
        for row in intervals.to_dict("records")
    ]


@dataclass(frozen=True)
class Break:
    """Where the plan changes: the value, between which it is proved to lie, whether only routes change, and how."""

    least: float
    value: float
    most: float
    is_routing: bool
    change: str


def breaks(points: pd.DataFrame) -> list[Break]:
    """List the break points of a break-even map."""
    found = []
    for row in points.to_dict("records"):
        least, value, most = (float(row[name]) for name in ("certified_low", "value", "certified_high"))
        found.append(Break(least, value, most, row.get("kind") == "routing", text_of(row.get("change"))))
    return found

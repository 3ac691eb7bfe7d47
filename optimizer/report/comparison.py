"""
The report of a comparison: the cases beside each other, on one HTML page that works without a network.

What a report says of a comparison: cases, waterfalls, what moved, tornado, regret, frontiers and break-even maps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from network_data.faults import FaultList
from optimizer.comparison.cases import CaseResult, id_of
from optimizer.comparison.comparison import Comparison, build_comparison
from optimizer.comparison.folder import COMPARISON_FILE, read_cases
from optimizer.comparison.frontier_points import SAVINGS_PER_MS
from optimizer.drawing.style import PALETTE
from optimizer.numbers import format_amount, format_change, format_million, format_number, format_percent, format_size
from optimizer.report.charts import Chart, Curve, Span, Table, curve_chart, matrix, span_rows, stacked_rows
from optimizer.report.map import case_map_data
from optimizer.report.page import MAP_SCRIPTS, render_page
from optimizer.report.run import MILLION_CNY, Tile, many_colours, words
from optimizer.runs.folder import BASEMAP_FILE, read_csv_table
from optimizer.runs.run import RunTables, read_report_data, read_run
from optimizer.units import CNY_PER_MCNY, TOKENS_PER_MTOK

_Tables = Mapping[str, pd.DataFrame]
Labels = Mapping[str, str]
_UP, _DOWN, _TOTAL = PALETTE[0], PALETTE[1], "#5F6B76"
_LOW, _HIGH = PALETTE[5], PALETTE[0]
_MOST_WATERFALLS, _MOST_MOVED = 4, 20
_STEP_WORDS = {
    "price": "prices on the unchanged plan", "reoptimize": "re-optimizing", "change": "difference",
}  # fmt: skip


def case_table(tables: _Tables) -> Table:
    """List the cases."""
    cases = tables["cases"]
    regions = [name for name in cases if str(name).startswith("region_share.")]
    rows = []
    for row in cases.to_dict("records"):
        proved = ""
        if _is_number(row.get("least_saving_cny_per_year")) and not row["is_reference"]:
            least, most = (float(row[f"{side}_saving_cny_per_year"]) for side in ("least", "most"))
            proved = f"{format_million(least)} to {format_million(most)}"
        numbers = (
            format_million(_number(row.get("total_cny_per_year"))),
            "" if row["is_reference"] else format_million(_number(row.get("saving_cny_per_year"))),
            proved,
            format_percent(_number(row.get("mip_rel_gap")), 2),
            *(format_percent(_number(row[name])) for name in regions),
            format_number(_number(row.get("mean_rtt_ms"))),
            format_number(_number(row.get("energy_mwh_per_year")), 0, 1e3),
            format_number(_number(row.get("carbon_t_per_year")), 0, 1e3),
            format_million(_number(row.get("capital_cny_per_year"))),
            "" if row["is_reference"] else format_percent(_number(row.get("moved_share"))),
        )
        rows.append((str(row["label"]), str(row["status"]), *numbers))
    columns = (
        "Case", "status", MILLION_CNY, "saving", "proved saving", "gap",
        *(str(name).removeprefix("region_share.") for name in regions),
        "RTT, ms", "GWh a year", "kt CO₂ a year", "capital", "moved",
    )  # fmt: skip
    reasons = ["" if _is_missing(reason) else str(reason) for reason in cases["reason"]]
    if not any(reasons):
        return Table(columns, rows, words=(0, 1))
    told = [(*row, reason) for row, reason in zip(rows, reasons, strict=True)]
    return Table((*columns, "reason"), told, words=(0, 1, len(columns)))


def _cost_by_case(tables: _Tables, labels: Labels) -> Chart:
    """Draw the cost of each case by component."""
    wide = tables["costs"].pivot_table(
        index="case", columns="component", values="cny_per_year", aggfunc="sum", sort=False
    )
    totals = wide.abs().sum().sort_values(ascending=False, kind="stable")
    order = [str(name) for name in totals.index if totals[name] > 0]
    colours = dict(zip(map(words, order), many_colours(len(order)), strict=True))
    rows = [
        (labels.get(str(case), str(case)), format_million(float(row.sum())), {words(n): float(row[n]) for n in order})
        for case, row in wide.iterrows()
    ]
    cells = [(label, *(format_million(parts[words(name)]) for name in order), total) for label, total, parts in rows]
    table = Table((f"Case, {MILLION_CNY}", *map(words, order), "total"), cells)
    about = "Total cost in million CNY a year."
    name = ("cases-chart", "Cost of each case", about)
    return stacked_rows(name, rows, colours, lambda cny: f"{format_million(cny)} {MILLION_CNY}", table)


def _savings_chart(tables: _Tables) -> Chart | None:
    """Draw what each case saves against the reference, with what is proved; None without another case."""
    cases = tables["cases"]
    shown = cases[~cases["is_reference"].astype(bool) & cases["saving_cny_per_year"].notna()]
    if shown.empty:
        return None
    rows, cells = [], []
    for row in shown.to_dict("records"):
        saving = float(row["saving_cny_per_year"])
        proved = tuple(float(row[f"{side}_saving_cny_per_year"]) for side in ("least", "most"))
        pieces = [(0.0, saving, _DOWN if saving >= 0 else _UP)]
        rows.append(Span(str(row["label"]), format_change(saving), pieces, (proved[0], proved[1])))
        cells.append((str(row["label"]), format_change(saving), *(format_change(value) for value in proved)))
    table = Table(("Case, million CNY a year", "saving", "proved least", "proved most"), cells)
    about = (
        "Against the reference, in million CNY a year; the line is the range in which the best plans of both differ."
    )
    legend = {"saves": _DOWN, "costs more": _UP}
    return span_rows(("savings-chart", "Saving of each case", about), rows, format_change, table, legend)


def waterfall_charts(tables: _Tables, labels: Labels) -> list[Chart]:
    """Draw the waterfalls with the largest differences."""
    bars, charts = tables.get("waterfalls"), []
    if bars is None or bars.empty:
        return []
    pairs = dict(iter(bars.groupby(["first", "second"], sort=False)))
    difference = {pair: _ends_of(part)[1] - _ends_of(part)[0] for pair, part in pairs.items()}
    for n, pair in enumerate(sorted(pairs, key=lambda pair: -abs(difference[pair]))[:_MOST_WATERFALLS]):
        first, second = (labels.get(str(case), str(case)) for case in pair)
        rows, cells = [], []
        for row in pairs[pair].to_dict("records"):
            kind, height = str(row["kind"]), float(row["cny_per_year"])
            is_end = kind in {"start", "end"}
            component = "" if _is_missing(row["component"]) else words(str(row["component"]))
            label = {"start": first, "end": second}.get(kind, f"{component}: {_STEP_WORDS.get(kind, kind)}")
            told = format_million(height) if is_end else format_change(height)
            colour = _TOTAL if is_end else _UP if height > 0 else _DOWN
            rows.append(Span(label, told, [(float(row["from_cny_per_year"]), float(row["to_cny_per_year"]), colour)]))
            cells.append((label, told))
        about = (
            f"In million CNY a year, {format_change(difference[pair])} in all: what the second case's prices do to the "
            "unchanged plan, then what re-optimizing changed."
        )
        name = (f"waterfall-{n}", f"From {first} to {second}", about)
        table = Table(("Step", MILLION_CNY), cells)
        legend = {"costs more": _UP, "saves": _DOWN, "cost of a case": _TOTAL}
        charts.append(span_rows(name, rows, format_million, table, legend))
    return charts


def _moved_table(tables: _Tables, labels: Labels, places: Labels) -> Table | None:
    """List what moved most between the cases of the waterfalls; None where nothing did."""
    moved = tables.get("moved")
    if moved is None or moved.empty:
        return None
    largest = moved.sort_values("mtok_per_year", ascending=False, kind="stable").head(_MOST_MOVED)
    rows = []
    for row in largest.to_dict("records"):
        ends = [places.get(str(row[f"{side}_data_center"]), str(row[f"{side}_data_center"])) for side in ("from", "to")]
        first, second = (labels.get(str(row[end]), str(row[end])) for end in ("first", "second"))
        rows.append(
            (
                f"{first} → {second}",
                places.get(str(row["demand_hub"]), str(row["demand_hub"])),
                words(str(row["workload_class"])),
                *("" if end == "nan" else end for end in ends),
                words(str(row["kind"])),
                format_amount(float(row["mtok_per_year"]) * TOKENS_PER_MTOK),
                format_percent(float(row["share"]), 2),
            )
        )
    columns = ("Cases", "demand hub", "class", "from", "to", "changed", "tokens a year", "of all tokens")
    return Table(columns, rows, words=(0, 1, 2, 3, 4, 5))


def tornado_chart(tables: _Tables) -> Chart | None:
    """Draw the tornado; None where it was not asked for."""
    tornado = tables.get("tornado")
    if tornado is None or tornado.empty:
        return None
    rows, cells = [], []
    for row in tornado.to_dict("records"):
        ends = {
            end: (_number(row[f"{end}_value"]), _number(row[f"{end}_effect_cny_per_year"])) for end in ("low", "high")
        }
        told = [f"{value:,.6g}: {format_change(effect)}" for value, effect in ends.values()]
        pieces = [
            (0.0, effect, colour)
            for (_, effect), colour in zip(ends.values(), (_LOW, _HIGH), strict=True)
            if math.isfinite(effect)
        ]
        rows.append(Span(str(row["parameter"]), " · ".join(told), pieces))
        cells.append((str(row["parameter"]), *told))
    about = "Change of the cost in million CNY a year, one parameter at a time, everything else as in the reference."
    table = Table(("Parameter", "low end", "high end"), cells, words=(0, 1, 2))
    legend = {"low end": _LOW, "high end": _HIGH}
    return span_rows(("tornado-chart", "Tornado", about), rows, format_change, table, legend)


def regret_chart(tables: _Tables, labels: Labels) -> Chart | None:
    """Draw the matrix of regret; None where it was not asked for."""
    found = tables.get("regret_matrix")
    if found is None or found.empty:
        return None
    cases = [str(name) for name in found.columns if name != "plan"]
    values = found[cases].to_numpy(float)
    named = [labels.get(str(plan), str(plan)) for plan in found["plan"]]
    ranked = tables.get("regret_plans")
    best = ""
    if ranked is not None and len(ranked) and _is_number(ranked["max_regret_cny_per_year"].iloc[0]):
        plan, most = str(ranked["plan"].iloc[0]), float(ranked["max_regret_cny_per_year"].iloc[0])
        best = (
            f" The plan of {labels.get(plan, plan)} has the least maximum regret, {format_million(most)} {MILLION_CNY}."
        )
    about = f"What the plan of each row costs more under the case of each column than that case's own plan.{best}"
    name = ("regret-chart", "Regret", about)
    columns = [labels.get(case, case) for case in cases]
    return matrix(name, (named, columns), values, format_million, PALETTE[0], "million CNY")


def frontier_charts(tables: _Tables) -> list[Chart]:
    """Draw the frontiers that were asked for."""
    charts = []
    for kind, column, what, unit in (
        ("latency", "budget_ms", "round trip allowed, ms", 1.0),
        ("carbon", "cap_t_per_year", "cap on CO₂, thousand t a year", 1e3),
    ):
        points = tables.get(f"{kind}_frontier")
        if points is None or points.empty:
            continue
        x, low, high = (points[name].to_numpy(float) for name in (column, "least_cny_per_year", "most_cny_per_year"))
        x, low, high = x / unit, low / CNY_PER_MCNY, high / CNY_PER_MCNY
        cells = [
            (format_size(size), str(status), format_number(least), format_number(most))
            for size, status, least, most in zip(x, points["status"], low, high, strict=True)
        ]
        table = Table(
            (what[0].upper() + what[1:], "status", "no plan costs less than", "best known plan"), cells, (0, 1)
        )
        about = (
            "Cost in million CNY a year of the best known plan; the line below each point is what may still be saved."
        )
        name = (f"{kind}-frontier", f"Cost against {kind}", about)
        charts.append(curve_chart(name, Curve(x, low, high), (MILLION_CNY, what), PALETTE[2], table))
    return charts


def latency_return_chart(tables: _Tables) -> Chart | None:
    """Draw what a millisecond of each class's round trip saves; None where it was not asked for."""
    ranking = tables.get("latency_return")
    if ranking is None or ranking.empty:
        return None
    rows, cells = [], []
    for row in ranking.to_dict("records"):
        saving, least, most = (float(row[name]) for name in SAVINGS_PER_MS)
        ends = [float(row["tighter_budget_ms"]), min(float(row[n]) for n in ("looser_budget_ms", "useful_limit_ms"))]
        until = f"{format_size(ends[1])} ms" if math.isfinite(ends[1]) else format_size(ends[1])
        label = f"{words(str(row['workload_class']))}, {format_size(ends[0])} ms to {until}"
        pieces = [(0.0, saving, _DOWN if saving >= 0 else _UP)] if math.isfinite(saving) else []
        rows.append(Span(label, format_change(saving), pieces, (least, most)))
        verdict = "" if _is_missing(row["verdict"]) else str(row["verdict"])
        cells.append((label, *(format_change(value) for value in (saving, least, most)), verdict))
    columns = ("Class and range of its round trip", f"{MILLION_CNY} per ms", "proved least", "proved most", "verdict")
    about = (
        "What releasing one class's round trip saves, in million CNY a year per millisecond, all others as stated; the "
        "line is what is proved."
    )
    name = ("latency-return", "Energy return on latency", about)
    return span_rows(name, rows, format_change, Table(columns, cells, words=(0, 4)), {"saves": _DOWN})


def break_even_charts(tables: _Tables, parameters: Labels | None = None) -> list[Chart]:
    """Draw the break-even maps that were asked for."""
    charts = []
    for name, intervals in tables.items():
        events = tables.get(f"{name}_points")
        if not name.startswith("break_even_") or events is None or "cost_from_cny_per_year" not in intervals:
            continue
        parameter = (parameters or {}).get(name) or words(name.removeprefix("break_even_"))
        ends = ("from", "to")
        x = intervals[list(ends)].to_numpy(float).ravel()
        cost = intervals[[f"cost_{end}_cny_per_year" for end in ends]].to_numpy(float).ravel() / CNY_PER_MCNY
        marks = []
        for row in events.to_dict("records"):
            least, likely, most = (float(row[at]) for at in ("certified_low", "value", "certified_high"))
            marks.append((least, likely, most, "" if _is_missing(row["change"]) else str(row["change"])))
        cells = []
        for row in intervals.to_dict("records"):
            span = [f"{float(row[end]):,.6g}" for end in ends]
            costs = [format_million(float(row[f"cost_{end}_cny_per_year"])) for end in ends]
            cells.append((*span, *costs, "" if _is_missing(row["change"]) else str(row["change"])))
        table = Table(("From", "to", f"{MILLION_CNY} there", "and there", "change"), cells, words=(4,))
        about = "Cost of the best plan; lines are where the plan changes, bands how exactly that is certified."
        title = (name.replace("_", "-"), f"Break-even map of {parameter}", about)
        charts.append(curve_chart(title, Curve(x, cost, cost, marks), (MILLION_CNY, parameter), PALETTE[2], table))
    return charts


def _ends_of(bars: pd.DataFrame) -> tuple[float, float]:
    heights = bars.set_index("kind")["cny_per_year"]
    return float(heights["start"]), float(heights["end"])


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and math.isfinite(float(value))


_MOST_TILES = 6
_MAP_IN_TEMPLATE = ("width", "height", "land", "outlines", "fibre")
_MAP_WORDS = {
    "heading": "Where inference runs, case by case", "slice": "Case", "play": "Play the cases", "all": "",
    "difference": "from the reference",
}  # fmt: skip
_SECTIONS = (
    ("summary", "Summary"), ("map", "Map"), ("cases", "Cases"), ("differences", "Differences"),
    ("sensitivity", "Sensitivity"), ("versions", "Versions"),
)  # fmt: skip
_BREAK_EVEN = "break_even_"

# _Tables of searches that one option of `edwc compare` asks for, by the option's value.
_FRONTIER_TABLES = {"latency": "latency_frontier", "carbon": "carbon_frontier", "rtt": "latency_return"}

# Texts, whatever stands in them: the id of a case may look like a number.
_TEXTS = (
    "case", "label", "status", "reason", "plan", "first", "second", "component", "region", "workload_class",
    "demand_hub", "data_center", "from_data_center", "to_data_center", "kind", "parameter", "change", "verdict",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class StoredComparison:
    """
    A comparison as its folder holds it.

    Attributes
    ----------
    name, reference
        Scenario, or empty where stored runs are compared; and id of the case that the others are held against.
    head
        What `comparison.json` says beside the cases.
    lost
        Cases whose run folder is gone or damaged.
    """

    name: str
    reference: str
    head: Mapping[str, Any]
    results: Mapping[str, CaseResult]
    tables: Mapping[str, pd.DataFrame]
    lost: tuple[str, ...]

    @property
    def title(self) -> str:
        """What is compared."""
        return f"Comparison of scenario {self.name}" if self.name else "Comparison of stored runs"

    @property
    def subject(self) -> str:
        """What the cases are called."""
        return f"cases of {self.name}" if self.name else "stored runs"


def read_comparison(folder: Path) -> StoredComparison:
    """Read a comparison; tables that do not stand in its folder are worked out from its cases."""
    results = {result.case.id: result for result in read_cases(folder)}
    head = json.loads((folder / COMPARISON_FILE).read_text(encoding="utf-8"))
    reference = str(head.get("reference", next(iter(results))))
    name = Path(str(head.get("scenario") or "")).stem
    stored = _read_tables(folder, head.get("asked") or {})
    if not {"cases", "costs", "waterfalls"} <= set(stored):
        stored = build_comparison(name, results, reference).tables() | stored
    entries = head.pop("cases")
    lost = tuple(entry["id"] for entry in entries if entry["folder"] and not results[entry["id"]].has_plan)
    return StoredComparison(name, reference, head, results, stored, lost)


def _read_tables(folder: Path, asked: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    own = {item.name for item in fields(Comparison)}
    faults, tables = FaultList("the comparison"), {}
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in own and not _was_asked(path.stem, asked):
            continue
        try:
            tables[path.stem] = read_csv_table(path, _TEXTS)
        except pd.errors.EmptyDataError:
            continue  # a table without a column has nothing to show
        except (OSError, ValueError) as error:
            faults.add(path.name, f"cannot be read ({type(error).__name__})", "Compare again: the folder is damaged.")
    faults.raise_if_any()
    return tables


def _was_asked(name: str, asked: Mapping[str, Any]) -> bool:
    """Whether a table is of a search: of this comparison, as those of an older one may stand in the folder still."""
    if name.startswith(_BREAK_EVEN):
        of = {name, name.removesuffix("_points"), name.removesuffix("_solves")}
        return "break_even" not in asked or bool(of & _parameters(asked).keys())
    kinds = asked.get("frontier", _FRONTIER_TABLES)
    return name.startswith(tuple(_FRONTIER_TABLES[kind] for kind in kinds if kind in _FRONTIER_TABLES))


def _parameters(asked: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of the break-even maps by the name of their table."""
    keys = [str(text).partition("=")[0].strip() for text in asked.get("break_even") or ()]
    return {f"{_BREAK_EVEN}{id_of(key, set())}": key for key in keys}


def build_comparison_report(folder: Path, *, basemap: Path | None = None, no_basemap: bool = False) -> str:
    """
    Write the report of a comparison.

    Parameters
    ----------
    folder
        Folder that `edwc compare --out` wrote.
    basemap
        Vector file with outlines for the map; none = those of the reference's run.

    Raises
    ------
    InputError
        If the folder holds no comparison, or the basemap cannot be used.
    """
    found = read_comparison(folder)
    labels = {case: result.case.label for case, result in found.results.items()}
    runs = {case: read_run(result.folder) for case, result in found.results.items() if result.folder is not None}
    drawn, places = None, {}
    if found.reference in runs:
        run = runs[found.reference]
        if basemap is None and not no_basemap and (run.folder / BASEMAP_FILE).is_file():
            basemap = run.folder / BASEMAP_FILE
        drawn = _map(runs, found.reference, labels, None if no_basemap else basemap)
        places = dict(run.data_centers["name"].astype(str)) | dict(run.demand_hubs["name"].astype(str))
    tables = found.tables
    sections = [section for section in _SECTIONS if section[0] != "map" or drawn is not None]
    context = {
        "title": found.title,
        "eyebrow": found.title,
        "heading": _heading(found),
        "lead": _lead(found, labels),
        "tiles": _tiles(found, labels),
        "sections": sections,
        "version": (found.head.get("versions") or {}).get("edwc") or "",
        "map": {} if drawn is None else {name: drawn[name] for name in _MAP_IN_TEMPLATE},
        "map_words": _MAP_WORDS,
        "basemap": "" if drawn is None else drawn["credit"],
        "projection": "" if drawn is None else drawn["projection"],
        "slice_count": len(runs),
        "cases": case_table(tables),
        "case_charts": [chart for chart in (_cost_by_case(tables, labels), _savings_chart(tables)) if chart],
        "waterfalls": waterfall_charts(tables, labels),
        "moved": _moved_table(tables, labels, places),
        "sensitivity": [
            *(chart for chart in (tornado_chart(tables), regret_chart(tables, labels)) if chart),
            *frontier_charts(tables),
            *(chart for chart in (latency_return_chart(tables),) if chart),
            *break_even_charts(tables, _parameters(found.head.get("asked") or {})),
        ],
        "asked": json.dumps(found.head.get("asked"), ensure_ascii=False),
        "versions": ", ".join(f"{name} {number}" for name, number in (found.head.get("versions") or {}).items()),
    }
    kept = {} if drawn is None else {n: v for n, v in drawn.items() if n not in {"land", "outlines", "fibre"}}
    data = {"name": found.name or "stored_runs", "map": kept, "words": _MAP_WORDS}
    return render_page("compare.html", MAP_SCRIPTS if drawn is not None else MAP_SCRIPTS[:1], data, context)


def _map(
    runs: Mapping[str, RunTables], reference: str, labels: Mapping[str, str], basemap: Path | None
) -> dict[str, Any]:
    # Two cases may have one label; a slider needs each of them once.
    shown = {case: labels[case] if list(labels.values()).count(labels[case]) == 1 else case for case in runs}
    cases = {shown[case]: run for case, run in runs.items()}
    return case_map_data(read_report_data(runs[reference]), cases, list(runs).index(reference), basemap)


def _heading(found: StoredComparison) -> str:
    costs = [result.objective_cny for result in found.results.values() if result.has_plan]
    if not costs:
        return f"None of {len(found.results)} {found.subject} has a plan"
    count = f"{len(costs)} {found.subject}"
    return f"{count} cost between {format_million(min(costs))} and {format_million(max(costs))} {MILLION_CNY}"


def _others(found: StoredComparison) -> pd.DataFrame:
    cases = found.tables["cases"]
    return cases[~cases["is_reference"].astype(bool) & cases["total_cny_per_year"].notna()]


def _lead(found: StoredComparison, labels: Mapping[str, str]) -> list[str]:
    others, lead = _others(found), []
    if len(others):
        ends = others.sort_values("total_cny_per_year", kind="stable").iloc[[0, -1]].to_dict("records")
        told = [f"{row['label']} at {format_million(float(row['total_cny_per_year']))}" for row in ends]
        lead.append(f"The cheapest of the others is {told[0]}, the dearest {told[1]} {MILLION_CNY}.")
    failed = [labels[case] for case, result in found.results.items() if not result.has_plan and case not in found.lost]
    if failed:
        lead.append(f"Without a plan: {', '.join(failed)}.")
    if found.lost:
        gone = ", ".join(labels[case] for case in found.lost)
        lead.append(f"These run folders are gone or damaged, and are not on the map: {gone}.")
    return lead


def _tiles(found: StoredComparison, labels: Mapping[str, str]) -> list[Tile]:
    tiles = []
    result = found.results.get(found.reference)
    if result is not None and result.has_plan:
        gap = f"gap {format_percent(result.mip_rel_gap, 2)}"
        tiles.append(
            Tile(f"Reference: {labels[found.reference]}", format_million(result.objective_cny), MILLION_CNY, gap)
        )
    for row in _others(found).sort_values("total_cny_per_year").to_dict("records")[:_MOST_TILES]:
        saving = float(row["saving_cny_per_year"])
        amount = format_million(abs(saving))
        note = f"saves {amount}" if saving >= 0 else f"costs {amount} more"
        cost = format_million(float(row["total_cny_per_year"]))
        tiles.append(Tile(str(row["label"]), cost, MILLION_CNY, note))
    return tiles

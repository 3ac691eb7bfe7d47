"""The report of a comparison: one HTML page with the cases, their differences and searches, which needs no network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.comparison.comparison import Comparison, open_comparison
from optimizer.comparison.tables import AFTER_TIGHTENING
from optimizer.drawing.chart_data import (
    COSTS_MORE,
    SAVES,
    TOTAL,
    breaks,
    cost_curve,
    difference_cny,
    latency_releases,
    regret_matrix,
    stretches,
    text_of,
    tornado_rows,
    waterfall_bars,
)
from optimizer.drawing.colours import PALETTE
from optimizer.numbers import (
    format_amount,
    format_change,
    format_million,
    format_number,
    format_percent,
    format_plain,
    format_size,
)
from optimizer.report.charts import (
    MILLION_CNY,
    Chart,
    Curve,
    Span,
    Table,
    by_size,
    curve_chart,
    matrix,
    span_rows,
    stacked_costs,
    words,
)
from optimizer.report.map import case_map_data
from optimizer.report.page import render_page
from optimizer.report.run import Tile
from optimizer.runs.run import Run, open_run
from optimizer.units import CNY_PER_MCNY, TOKENS_PER_MTOK

_Tables = Mapping[str, pd.DataFrame]
Labels = Mapping[str, str]
_END_COLOURS = {"low": PALETTE[5], "high": PALETTE[0]}
_MOST_WATERFALLS, _MOST_MOVED = 4, 20
_STEP_WORDS = {
    "price": "prices on the unchanged plan", "reoptimize": "re-optimizing", "change": "difference",
}  # fmt: skip


def _filled(tables: _Tables, name: str) -> pd.DataFrame | None:
    """Look up a table; None where it is missing or empty."""
    table = tables.get(name)
    return None if table is None or table.empty else table


def case_table(tables: _Tables) -> Table:
    """List the cases."""
    cases = tables["cases"]
    regions = [name for name in cases if str(name).startswith("region_share.")]
    rows = []
    for row in cases.to_dict("records"):
        proved, verdict = "", text_of(row.get("verdict"))
        least_saving = row.get("least_saving_cny_per_year")
        if least_saving is not None and math.isfinite(least_saving) and not row["is_reference"]:
            least, most = (format_million(float(row[f"{side}_saving_cny_per_year"])) for side in ("least", "most"))
            proved = f"{least} to {most}"
            if AFTER_TIGHTENING in verdict:
                proved += f" ({AFTER_TIGHTENING})"
        numbers = (
            format_million(row.get("total_cny_per_year")),
            format_million(row.get("full_cost_cny_per_year")),
            "" if row["is_reference"] else format_million(row.get("saving_cny_per_year")),
            proved,
            format_percent(row.get("mip_rel_gap"), 2),
            *(format_percent(row[name]) for name in regions),
            format_number(row.get("mean_rtt_ms")),
            format_number(row.get("energy_mwh_per_year"), 0, 1e3),
            format_number(row.get("carbon_t_per_year"), 0, 1e3),
            format_million(row.get("capital_cny_per_year")),
            "" if row["is_reference"] else format_percent(row.get("moved_share")),
        )
        rows.append((str(row["label"]), str(row["status"]), *numbers))
    columns = (
        "Case", "status", MILLION_CNY, "full cost", "saving", "proved saving", "gap",
        *(str(name).removeprefix("region_share.") for name in regions),
        "RTT, ms", "GWh a year", "kt CO₂ a year", "capital", "moved",
    )  # fmt: skip
    reasons = [text_of(reason) for reason in cases["reason"]]
    if not any(reasons):
        return Table(columns, rows, words=(0, 1))
    rows = [(*row, reason) for row, reason in zip(rows, reasons, strict=True)]
    return Table((*columns, "reason"), rows, words=(0, 1, len(columns)))


def decision_table(tables: _Tables) -> Table | None:
    """List what cases were tightened for; None where nothing was."""
    if (table := _filled(tables, "decisions")) is None:
        return None
    rows = []
    for row in table.to_dict("records"):
        spans = [
            [float(row[f"{side}_{when}_cny_per_year"]) for side in ("least", "most")] for when in ("before", "saving")
        ]
        shown = [
            "" if math.isnan(least) else f"{format_million(least)} to {format_million(most)}" for least, most in spans
        ]
        verdict = AFTER_TIGHTENING if row["is_decided"] else f"not decided: {text_of(row['reason'])}"
        rows.append((str(row["question"]), *shown, verdict))
    return Table(("Left open by the gaps", f"before, {MILLION_CNY}", "proved now", "verdict"), rows, words=(0, 3))


def _cost_by_case(tables: _Tables, labels: Labels) -> Chart:
    """Draw the cost of each case by component."""
    wide = tables["costs"].pivot_table(
        index="case", columns="component", values="cny_per_year", aggfunc="sum", sort=False
    )
    plans = []
    for case, row in wide.iterrows():
        parts = {str(name): float(cny) for name, cny in row.items()}
        plans.append((labels.get(str(case), str(case)), format_million(float(row.sum())), parts))
    order = by_size(parts for _, _, parts in plans)
    cells = [(label, *(format_million(parts[name]) for name in order), total) for label, total, parts in plans]
    table = Table((f"Case, {MILLION_CNY}", *map(words, order), "total"), cells)
    return stacked_costs(("cases-chart", "Cost of each case", "Total cost in million CNY a year."), plans, table)


def _savings_chart(tables: _Tables) -> Chart | None:
    """Draw what each case saves against the reference, with what is proved; None without another case."""
    cases = tables["cases"]
    others = cases[~cases["is_reference"].astype(bool) & cases["saving_cny_per_year"].notna()]
    if others.empty:
        return None
    rows, cells = [], []
    for row in others.to_dict("records"):
        amounts = [float(row[f"{name}saving_cny_per_year"]) / CNY_PER_MCNY for name in ("", "least_", "most_")]
        rows.append(_saving(str(row["label"]), *amounts))
        cells.append((str(row["label"]), *map(_change, amounts)))
    table = Table(("Case, million CNY a year", "saving", "proved least", "proved most"), cells)
    about = (
        "Against the reference, in million CNY a year; the line is the range in which the best plans of both differ."
    )
    legend = {"saves": SAVES, "costs more": COSTS_MORE}
    return span_rows(("savings-chart", "Saving of each case", about), rows, _change, table, legend)


def _saving(label: str, saving: float, least: float, most: float) -> Span:
    pieces = [(0.0, saving, SAVES if saving >= 0 else COSTS_MORE)] if math.isfinite(saving) else []
    return Span(label, _change(saving), pieces, (least, most))


def waterfall_charts(tables: _Tables, labels: Labels) -> list[Chart]:
    """Draw the waterfalls with the largest differences."""
    if (table := _filled(tables, "waterfalls")) is None:
        return []
    charts = []
    pairs = dict(iter(table.groupby(["first", "second"], sort=False)))
    difference = {pair: difference_cny(part) for pair, part in pairs.items()}
    for n, pair in enumerate(sorted(pairs, key=lambda pair: -abs(difference[pair]))[:_MOST_WATERFALLS]):
        first, second = (labels.get(str(case), str(case)) for case in pair)
        ends = {"start": first, "end": second}
        rows = []
        for bar in waterfall_bars(pairs[pair]):
            label = ends.get(bar.kind, f"{bar.component}: {_STEP_WORDS.get(bar.kind, bar.kind)}")
            rows.append(Span(label, bar.text, [(bar.begin, bar.end, bar.colour)]))
        about = (
            f"In million CNY a year, {format_change(difference[pair])} in all: what the second case's prices do to the "
            "unchanged plan, then what re-optimizing changed."
        )
        name = (f"waterfall-{n}", f"From {first} to {second}", about)
        legend = {"costs more": COSTS_MORE, "saves": SAVES, "cost of a case": TOTAL}
        cells = Table(("Step", MILLION_CNY), [(row.label, row.note) for row in rows])
        charts.append(span_rows(name, rows, _million, cells, legend))
    return charts


def _moved_table(tables: _Tables, labels: Labels, places: Labels) -> Table | None:
    """List what moved most between the cases of the waterfalls; None where nothing did."""
    if (moved := _filled(tables, "moved")) is None:
        return None
    rows = []
    for row in moved.sort_values("mtok_per_year", ascending=False, kind="stable").head(_MOST_MOVED).to_dict("records"):
        ends = [text_of(row[f"{side}_data_center"]) for side in ("from", "to")]
        first, second = (labels.get(str(row[end]), str(row[end])) for end in ("first", "second"))
        rows.append(
            (
                f"{first} → {second}",
                places.get(str(row["demand_hub"]), str(row["demand_hub"])),
                words(str(row["workload_class"])),
                *(places.get(end, end) for end in ends),
                words(str(row["kind"])),
                format_amount(float(row["mtok_per_year"]) * TOKENS_PER_MTOK),
                format_percent(float(row["share"]), 2),
            )
        )
    columns = ("Cases", "demand hub", "class", "from", "to", "changed", "tokens a year", "of all tokens")
    return Table(columns, rows, words=(0, 1, 2, 3, 4, 5))


def tornado_chart(tables: _Tables) -> Chart | None:
    """Draw the tornado; None where the comparison has none."""
    if (table := _filled(tables, "tornado")) is None:
        return None
    rows, cells = [], []
    for parameter, ends in tornado_rows(table):
        texts = [end.text for end in ends]
        pieces = [(0.0, end.effect, _END_COLOURS[end.end]) for end in ends if math.isfinite(end.effect)]
        rows.append(Span(parameter, " · ".join(texts), pieces))
        cells.append((parameter, *texts))
    about = "Change of the cost in million CNY a year, one parameter at a time, everything else as in the reference."
    legend = {f"{end} end": colour for end, colour in _END_COLOURS.items()}
    numbers = Table(("Parameter", "low end", "high end"), cells, words=(0, 1, 2))
    return span_rows(("tornado-chart", "Tornado", about), rows, _change, numbers, legend)


def regret_chart(tables: _Tables, labels: Labels) -> Chart | None:
    """Draw the matrix of regret; None where the comparison has none."""
    if (table := _filled(tables, "regret_matrix")) is None:
        return None
    regret = regret_matrix(table, tables.get("regret_plans"))
    about = "What the plan of each row costs more under the case of each column than that case's own plan."
    if regret.best:
        best = labels.get(regret.best, regret.best)
        about += f" The plan of {best} has the least maximum regret, {regret.worst} {MILLION_CNY}."
    names = [labels.get(case, case) for case in regret.cases]
    return matrix(
        ("regret-chart", "Regret", about), (names, names), regret.cny, format_million, COSTS_MORE, "million CNY"
    )


def frontier_charts(tables: _Tables) -> list[Chart]:
    """Draw the frontiers that the comparison has."""
    charts = []
    for kind, what in (("latency", "round trip allowed, ms"), ("carbon", "cap on CO₂, thousand t a year")):
        if (points := _filled(tables, f"{kind}_frontier")) is None:
            continue
        curve = cost_curve(kind, points)
        cells = [
            (format_size(size), str(status), format_number(least), format_number(most))
            for size, status, least, most in zip(curve.size, points["status"], curve.least, curve.most, strict=True)
        ]
        columns = (what[0].upper() + what[1:], "status", "no plan costs less than", "best known plan")
        about = (
            "Cost in million CNY a year of the best known plan; the line below each point is what may still be saved."
        )
        name, drawn = (f"{kind}-frontier", f"Cost against {kind}", about), Curve(curve.size, curve.least, curve.most)
        charts.append(curve_chart(name, drawn, (MILLION_CNY, what), PALETTE[2], Table(columns, cells, (0, 1))))
    return charts


def latency_return_chart(tables: _Tables) -> Chart | None:
    """Draw what a millisecond of each class's round trip saves; None where the comparison has none."""
    if (ranking := _filled(tables, "latency_return")) is None:
        return None
    rows, cells = [], []
    for release in latency_releases(ranking):
        label, amounts = f"{words(release.workload_class)}, {release.limits}", (release.least, release.most)
        rows.append(_saving(label, release.saving, *amounts))
        cells.append((label, *map(_change, (release.saving, *amounts)), release.verdict))
    columns = ("Class and range of its round trip", f"{MILLION_CNY} per ms", "proved least", "proved most", "verdict")
    about = (
        "What releasing one class's round trip saves, in million CNY a year per millisecond, all others as stated; the "
        "line is what is proved."
    )
    name = ("latency-return", "Energy return on latency", about)
    return span_rows(name, rows, _change, Table(columns, cells, words=(0, 4)), {"saves": SAVES})


def break_even_charts(tables: _Tables, parameters: Labels | None = None) -> list[Chart]:
    """Draw the break-even maps; a parameter without a name in `parameters` is called as its table is."""
    charts = []
    for name, intervals in tables.items():
        events = tables.get(f"{name}_points")
        if not name.startswith(_BREAK_EVEN) or events is None or "cost_from_cny_per_year" not in intervals:
            continue
        parameter = (parameters or {}).get(name) or words(name.removeprefix(_BREAK_EVEN))
        parts = stretches(intervals)
        cost = np.array([part.amounts for part in parts], float).ravel()
        x = np.array([(part.start, part.end) for part in parts], float).ravel()
        cells = [
            (format_plain(part.start), format_plain(part.end), *map(_million, part.amounts), part.change)
            for part in parts
        ]
        table = Table(("From", "to", f"{MILLION_CNY} there", "and there", "change"), cells, words=(4,))
        about = "Cost of the best plan; lines are where the plan changes, bands how exactly that is certified."
        title = (name.replace("_", "-"), f"Break-even map of {parameter}", about)
        curve = Curve(x, cost, cost, breaks(events))
        charts.append(curve_chart(title, curve, (MILLION_CNY, parameter), PALETTE[2], table))
    return charts


def _million(amount: float) -> str:
    return format_million(amount * CNY_PER_MCNY)


def _change(amount: float) -> str:
    return format_change(amount * CNY_PER_MCNY)


_MOST_TILES = 6
_MAP_WORDS = {
    "heading": "Where inference runs, case by case", "slice": "Case", "play": "Play the cases", "all": "",
    "difference": "from the reference",
}  # fmt: skip
_SECTIONS = (
    ("summary", "Summary"), ("map", "Map"), ("cases", "Cases"), ("differences", "Differences"),
    ("sensitivity", "Sensitivity"), ("versions", "Versions"),
)  # fmt: skip
_BREAK_EVEN = "break_even_"


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
    found = open_comparison(folder)
    labels = {case: result.case.label for case, result in found.results.items()}
    runs = {case: open_run(result.folder) for case, result in found.results.items() if result.folder is not None}
    drawn, places = None, {}
    if found.reference in runs:
        run = runs[found.reference]
        if basemap is None and not no_basemap:
            basemap = run.basemap
        drawn = _map(runs, found.reference, labels, None if no_basemap else basemap)
        places = dict(run.data_centers["name"].astype(str)) | dict(run.demand_hubs["name"].astype(str))
    tables = found.tables()
    sensitivity = [
        tornado_chart(tables),
        regret_chart(tables, labels),
        *frontier_charts(tables),
        latency_return_chart(tables),
        *break_even_charts(tables, {one.stem: parameter for parameter, one in found.break_even_maps.items()}),
    ]
    title = f"Comparison of scenario {found.name}" if found.name else "Comparison of stored runs"
    sections = [section for section in _SECTIONS if section[0] != "map" or drawn is not None]
    context = {
        "title": title,
        "eyebrow": title,
        "heading": _heading(found),
        "lead": _lead(found, labels),
        "tiles": _tiles(found, labels),
        "sections": sections,
        "version": (found.head.get("versions") or {}).get("edwc") or "",
        "slice_count": len(runs),
        "cases": case_table(tables),
        "decisions": decision_table(tables),
        "case_charts": list(filter(None, [_cost_by_case(tables, labels), _savings_chart(tables)])),
        "waterfalls": waterfall_charts(tables, labels),
        "moved": _moved_table(tables, labels, places),
        "sensitivity": list(filter(None, sensitivity)),
        "asked": json.dumps(found.head.get("asked"), ensure_ascii=False),
        "versions": ", ".join(f"{name} {number}" for name, number in (found.head.get("versions") or {}).items()),
    }
    return render_page("compare.html", context, name=found.name or "stored_runs", drawn=drawn, map_words=_MAP_WORDS)


def _map(runs: Mapping[str, Run], reference: str, labels: Mapping[str, str], basemap: Path | None) -> dict[str, Any]:
    # Two cases may have one label; a slider needs each of them once.
    names = {case: labels[case] if list(labels.values()).count(labels[case]) == 1 else case for case in runs}
    cases = {names[case]: run for case, run in runs.items()}
    return case_map_data(runs[reference], cases, list(runs).index(reference), basemap)


def _heading(found: Comparison) -> str:
    costs = [result.objective_cny for result in found.results.values() if result.has_plan]
    subject = f"cases of {found.name}" if found.name else "stored runs"
    if not costs:
        return f"None of {len(found.results)} {subject} has a plan"
    count = f"{len(costs)} {subject}"
    return f"{count} cost between {format_million(min(costs))} and {format_million(max(costs))} {MILLION_CNY}"


def _others(found: Comparison) -> pd.DataFrame:
    cases = found.tables()["cases"]
    return cases[~cases["is_reference"].astype(bool) & cases["total_cny_per_year"].notna()]


def _lead(found: Comparison, labels: Mapping[str, str]) -> list[str]:
    others, lead = _others(found), []
    if len(others):
        ends = others.sort_values("total_cny_per_year", kind="stable").iloc[[0, -1]].to_dict("records")
        costs = [f"{row['label']} at {format_million(float(row['total_cny_per_year']))}" for row in ends]
        lead.append(f"The cheapest of the others is {costs[0]}, the most expensive {costs[1]} {MILLION_CNY}.")
    failed = [labels[case] for case, result in found.results.items() if not result.has_plan and case not in found.lost]
    if failed:
        lead.append(f"Without a plan: {', '.join(failed)}.")
    if found.lost:
        gone = ", ".join(labels[case] for case in found.lost)
        lead.append(f"These run folders are gone or damaged, and are not on the map: {gone}.")
    return lead


def _tiles(found: Comparison, labels: Mapping[str, str]) -> list[Tile]:
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

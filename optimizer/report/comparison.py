"""The report of a comparison: one HTML page with the cases, their differences and searches, which needs no network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.comparison.comparison import Comparison, open_comparison
from optimizer.comparison.tables import AFTER_TIGHTENING
from optimizer.drawing.chart_data import (
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
from optimizer.drawing.colours import COSTS_MORE, DECISION, PLAN, SAVES, TOTAL
from optimizer.maps.basemap import Outlines, read_outlines
from optimizer.maps.options import MapOptions
from optimizer.near_optimal.moves import share_range
from optimizer.numbers import (
    format_change,
    format_million,
    format_number,
    format_percent,
    format_plain,
    format_size,
    million_writer,
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
from optimizer.report.run import Head, Tile, end_sentence, list_changes
from optimizer.runs.run import Run, open_run
from optimizer.text.comparison import KIND_WORDS, describe_moves, slicings
from optimizer.text.near_optimal import RANGE_UNKNOWN
from optimizer.text.run import warn_of_case_slices
from optimizer.units import CNY_PER_MCNY, TOKENS_PER_MTOK
from optimizer.words.amounts import format_amount
from optimizer.words.language import speaking

_Tables = Mapping[str, pd.DataFrame]
Labels = Mapping[str, str]
_MOST_WATERFALLS, _MOST_MOVED = 4, 20
_STEP_WORDS = {
    "price": "prices on the unchanged plan", "reoptimize": "re-optimizing", "change": "difference",
}  # fmt: skip


def _filled(tables: _Tables, name: str) -> pd.DataFrame | None:
    """Look up a table; None where it is missing or empty."""
    table = tables.get(name)
    return None if table is None or table.empty else table


def case_table(tables: _Tables, ranges: Mapping[str, pd.DataFrame] | None = None) -> Table:
    """List the cases; `ranges` by case says between what shares of regions lie."""
    cases, ranges = tables["cases"], ranges or {}
    regions = [name for name in cases if str(name).startswith("region_share.")]
    rows, write, change = [], million_writer(cases["total_cny_per_year"]), _saving_writer(cases)

    def share(row: Mapping[Hashable, Any], name: str) -> str:
        known = share_range(ranges.get(str(row["case"]), pd.DataFrame()), name.removeprefix("region_share."))
        text = format_percent(row[name])
        return text if known is None else f"{text} ({format_percent(known[0])} to {format_percent(known[1])})"

    for row in cases.to_dict("records"):
        proved, verdict = "", text_of(row.get("verdict"))
        least_saving = row.get("least_saving_cny_per_year")
        if least_saving is not None and math.isfinite(least_saving) and not row["is_reference"]:
            least, most = (change(float(row[f"{side}_saving_cny_per_year"])) for side in ("least", "most"))
            proved = f"{least} to {most}"
        numbers = (
            write(row.get("total_cny_per_year")),
            write(row.get("full_cost_cny_per_year")),
            "" if row["is_reference"] else change(row.get("saving_cny_per_year")),
            proved,
            format_percent(row.get("mip_rel_gap"), 2),
            *(share(row, str(name)) for name in regions),
            format_number(row.get("mean_rtt_ms")),
            format_number(row.get("energy_mwh_per_year"), 0, 1e3),
            format_number(row.get("carbon_t_per_year"), 0, 1e3),
            write(row.get("capital_cny_per_year")),
            "" if row["is_reference"] else format_percent(row.get("moved_share")),
        )
        status = f"{row['status']}, {AFTER_TIGHTENING}" if AFTER_TIGHTENING in verdict else str(row["status"])
        rows.append((str(row["label"]), status, *numbers))
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


def _saving_writer(cases: pd.DataFrame) -> Callable[[float | None], str]:
    return million_writer(cases["saving_cny_per_year"], signed=True)


def decision_table(tables: _Tables) -> Table | None:
    """List what cases were tightened for; None where nothing was."""
    if (table := _filled(tables, "decisions")) is None:
        return None
    rows, write = [], million_writer(table[["least_saving_cny_per_year", "most_saving_cny_per_year"]].to_numpy().flat)
    for row in table.to_dict("records"):
        spans = [
            [float(row[f"{side}_{when}_cny_per_year"]) for side in ("least", "most")] for when in ("before", "saving")
        ]
        shown = ["" if math.isnan(least) else f"{write(least)} to {write(most)}" for least, most in spans]
        verdict = AFTER_TIGHTENING if row["is_decided"] else f"not decided: {text_of(row['reason'])}"
        rows.append((str(row["question"]), *shown, verdict))
    return Table(("Left open by the gaps", f"before, {MILLION_CNY}", "proved now", "verdict"), rows, words=(0, 3))


def _cost_by_case(tables: _Tables, labels: Labels) -> Chart:
    """Draw the cost of each case by component."""
    wide = tables["costs"].pivot_table(
        index="case", columns="component", values="cny_per_year", aggfunc="sum", sort=False
    )
    plans, write = [], million_writer(wide.sum(axis=1))
    for case, row in wide.iterrows():
        parts = {str(name): float(cny) for name, cny in row.items()}
        plans.append((labels.get(str(case), str(case)), write(float(row.sum())), parts))
    order = by_size(parts for _, _, parts in plans)
    cells = [(label, *(write(parts[name]) for name in order), total) for label, total, parts in plans]
    table = Table((f"Case, {MILLION_CNY}", *map(words, order), "total"), cells)
    return stacked_costs(("cases-chart", "Cost of each case", "Total cost in million CNY a year."), plans, table)


def _savings_chart(tables: _Tables) -> Chart | None:
    """Draw what each case saves against the reference, with what is proved; None without another case."""
    cases = tables["cases"]
    others = cases[~cases["is_reference"].astype(bool) & cases["saving_cny_per_year"].notna()]
    if others.empty:
        return None
    rows, cells, write = [], [], _saving_writer(others)
    for row in others.to_dict("records"):
        amounts = [float(row[f"{name}saving_cny_per_year"]) for name in ("", "least_", "most_")]
        texts = tuple(map(write, amounts))
        saving, least, most = (amount / CNY_PER_MCNY for amount in amounts)
        rows.append(_saving(str(row["label"]), saving, least, most, texts[0]))
        cells.append((str(row["label"]), *texts))
    table = Table(("Case, million CNY a year", "saving", "proved least", "proved most"), cells)
    about = (
        "Against the reference, in million CNY a year; the line is the range in which the best plans of both differ."
    )
    legend = {"saves": SAVES, "costs more": COSTS_MORE}
    return span_rows(("savings-chart", "Saving of each case", about), rows, _change, table, legend, from_zero=True)


def _saving(label: str, saving: float, least: float, most: float, text: str) -> Span:
    pieces = [(0.0, saving, SAVES if saving >= 0 else COSTS_MORE)] if math.isfinite(saving) else []
    return Span(label, text, pieces, (least, most))


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
                KIND_WORDS[str(row["kind"])],
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
        known = [end.effect for end in ends if math.isfinite(end.effect)]
        pieces = [(0.0, effect, COSTS_MORE if effect > 0 else SAVES) for effect in known]
        rows.append(Span(parameter, " · ".join(texts), pieces))
        cells.append((parameter, *texts))
    about = "Change of the cost in million CNY a year, one parameter at a time, everything else as in the reference."
    legend = {"costs more": COSTS_MORE, "saves": SAVES}
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
        ("regret-chart", "Regret", about),
        (names, names),
        regret.cny,
        million_writer(regret.cny.flat),
        COSTS_MORE,
        "million CNY",
    )


def frontier_charts(tables: _Tables) -> list[Chart]:
    """Draw the frontiers that the comparison has."""
    charts = []
    for kind, what in (("latency", "round trip allowed, ms"), ("carbon", "cap on CO₂, thousand t a year")):
        if (points := _filled(tables, f"{kind}_frontier")) is None:
            continue
        curve = cost_curve(kind, points)
        write = million_writer(curve.most * CNY_PER_MCNY)
        cells = [
            (format_size(size), str(status), write(least * CNY_PER_MCNY), write(most * CNY_PER_MCNY))
            for size, status, least, most in zip(curve.size, points["status"], curve.least, curve.most, strict=True)
        ]
        columns = (what[0].upper() + what[1:], "status", "no plan costs less than", "best known plan")
        about = (
            "Cost in million CNY a year of the best known plan; the line below each point is what may still be saved."
        )
        name, drawn = (f"{kind}-frontier", f"Cost against {kind}", about), Curve(curve.size, curve.least, curve.most)
        charts.append(curve_chart(name, drawn, (MILLION_CNY, what), PLAN, Table(columns, cells, (0, 1))))
    return charts


def latency_return_chart(tables: _Tables) -> Chart | None:
    """Draw what a millisecond of each class's round trip saves; None where the comparison has none."""
    if (ranking := _filled(tables, "latency_return")) is None:
        return None
    rows, cells = [], []
    for release in latency_releases(ranking):
        label, amounts = f"{words(release.workload_class)}, {release.limits}", (release.least, release.most)
        rows.append(_saving(label, release.saving, *amounts, _change(release.saving)))
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
        about = (
            "Cost of the best plan; black lines are where what is open, deployed or bought changes, grey ones where "
        )
        about += "only routes, places or hours do."
        title = (name.replace("_", "-"), f"Break-even map of {parameter}", about)
        curve = Curve(x, cost, cost, breaks(events))
        charts.append(curve_chart(title, curve, (MILLION_CNY, parameter), PLAN, table))
        if (ranges := _break_ranges(name, parameter, curve)) is not None:
            charts.append(ranges)
    return charts


def _break_ranges(name: str, parameter: str, curve: Curve) -> Chart | None:
    """Draw between what each change of decisions is proved to lie, a row each; None where there is none."""
    changes = [mark for mark in curve.marks if not mark.is_routing]
    if not changes:
        return None
    low, high = float(np.nanmin(curve.x)), float(np.nanmax(curve.x))
    rows, cells, tick = [], [], (high - low) / 150.0
    for mark in changes:
        least, value, most = map(format_plain, (mark.least, mark.value, mark.most))
        piece = (mark.value - tick / 2, mark.value + tick / 2, DECISION)
        rows.append(Span(f"{value}: {mark.change}", f"{least} to {most}", [piece], (mark.least, mark.most)))
        cells.append((value, least, most, mark.change))
    about = f"Values of {parameter}, {format_plain(low)} at the left to {format_plain(high)} at the right; the line is "
    about += "the range in which the change is proved to lie."
    table = Table(("Value", "proved from", "to", "change"), cells, words=(3,))
    title = (f"{name.replace('_', '-')}-ranges", f"Where the plan changes with {parameter}", about)
    return span_rows(title, rows, format_plain, table, {}, window=(low, high))


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
_DEFAULT_MAP = MapOptions()


# Words of the templates are English, so all of a page is.
@speaking("en")
def build_comparison_report(folder: Path, maps: MapOptions = _DEFAULT_MAP) -> str:
    """
    Write the report of a comparison.

    Parameters
    ----------
    folder
        Folder that `edwc compare --out` wrote.
    maps
        The page takes its outlines.

    Raises
    ------
    InputError
        If the folder holds no comparison, or the basemap cannot be used.
    """
    found = open_comparison(folder)
    labels = found.labels
    runs = {case: open_run(result.folder) for case, result in found.results.items() if result.folder is not None}
    drawn, places = None, {}
    if found.reference in runs:
        run = runs[found.reference]
        drawn = _map(found, runs, read_outlines(run, maps))
        places = dict(run.data_centers["name"].astype(str)) | dict(run.demand_hubs["name"].astype(str))
    tables, ranges = found.tables(), {case: run.ranges for case, run in runs.items()}
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
        "head": _head(found, labels),
        "changes": list_changes(found.changes),
        "sections": sections,
        "version": (found.head.get("versions") or {}).get("edwc") or "",
        "slice_count": len(runs),
        "cases": case_table(tables, ranges),
        "share_note": _share_note(ranges),
        "decisions": decision_table(tables),
        "case_charts": list(filter(None, [_cost_by_case(tables, labels), _savings_chart(tables)])),
        "waterfalls": waterfall_charts(tables, labels),
        "moved": _moved_table(tables, labels, places),
        "sensitivity": list(filter(None, sensitivity)),
        "asked": json.dumps(found.head.get("asked"), ensure_ascii=False),
        "versions": ", ".join(f"{name} {number}" for name, number in (found.head.get("versions") or {}).items()),
    }
    map_words = {**_MAP_WORDS, "shares": _share_note(ranges)}
    return render_page("compare.html", context, name=found.name or "stored_runs", drawn=drawn, map_words=map_words)


def _share_note(ranges: Mapping[str, pd.DataFrame]) -> str:
    """Say what the shares of regions are shares of, and what stands in brackets beside some."""
    known = [table for table in ranges.values() if not table.empty]
    if not known:
        return f"Shares of regions are those of the plan of each case; {RANGE_UNKNOWN}."
    slack = ", ".join(dict.fromkeys(format_percent(table["slack_share"].iloc[-1], 2) for table in known))
    text = f"in brackets those of all plans of up to {slack} more"
    return f"Shares of regions are those of the plan of each case, {text}; where there are none: {RANGE_UNKNOWN}."


def _map(found: Comparison, runs: Mapping[str, Run], behind: Outlines | None) -> dict[str, Any]:
    labels, told = found.labels, {}
    for case in runs:
        of_pair = (found.moved_totals["first"] == found.reference) & (found.moved_totals["second"] == case)
        if of_pair.any():
            moves = describe_moves(found.moved_totals[of_pair], labels[found.reference], labels[case])
            told[labels[case]] = end_sentence(moves)
    cases = {labels[case]: run for case, run in runs.items()}
    return case_map_data(runs[found.reference], cases, list(runs).index(found.reference), behind, told)


def _heading(found: Comparison) -> str:
    costs, count = found.cases["total_cny_per_year"].dropna(), len(found.cases)
    subject = f"cases of {found.name}" if found.name else "stored runs"
    if costs.empty:
        return f"None of {count} {subject} has a plan"
    ends = f"between {format_million(costs.min())} and {format_million(costs.max())} {MILLION_CNY}"
    return f"{len(costs)} {subject} cost {ends}"


def _others(found: Comparison) -> pd.DataFrame:
    """Cases with a plan besides the reference, the cheapest first."""
    cases = found.cases
    others = cases[~cases["is_reference"].astype(bool) & cases["total_cny_per_year"].notna()]
    return others.sort_values("total_cny_per_year", kind="stable")


def _lead(found: Comparison, labels: Mapping[str, str]) -> list[str]:
    lead, searched = [], len(found.results) - len(found.cases)
    failed = [labels[case] for case in found.cases["case"] if not _has_plan(found, case) and case not in found.lost]
    if failed:
        lead.append(f"Without a plan: {', '.join(failed)}.")
    if (warning := warn_of_case_slices(slicings(found))) is not None:
        lead.append(f"Warning: {warning}")
    if found.lost:
        gone = ", ".join(labels[case] for case in found.lost)
        lead.append(f"These run folders are gone or damaged, and are not on the map: {gone}.")
    if searched > 0:
        lead.append(f"Searches solved {searched} more, which are in their own charts and on the map.")
    return lead


def _has_plan(found: Comparison, case: str) -> bool:
    return case in found.results and found.results[case].has_plan


def _head(found: Comparison, labels: Mapping[str, str]) -> Head:
    """Choose the key numbers: the cheapest and the most expensive case, what they are held against, and the others."""
    others = _others(found)
    write, reference = million_writer(others["saving_cny_per_year"]), labels.get(found.reference, found.reference)
    tiles = [_case_tile(row, reference, write) for row in others.to_dict("records")]
    if len(tiles) > 1:
        answers = [replace(tile, label=f"{what}: {tile.label}") for what, tile in
                   zip(("Cheapest of the others", "Most expensive"), (tiles[0], tiles[-1]), strict=True)]  # fmt: skip
    else:
        answers = tiles
    return Head(answers, _basis(found, labels), tiles[1:-1][:_MOST_TILES])


def _case_tile(row: Mapping[Hashable, Any], reference: str, write: Callable[[float | None], str]) -> Tile:
    """Show the cost of a case, and what it is proved to save or to cost more."""
    saving, least, most = (float(row[f"{side}saving_cny_per_year"]) for side in ("", "least_", "most_"))
    note = "saving not known: the reference has no plan"
    if math.isfinite(saving):
        sign = 1.0 if saving >= 0 else -1.0
        amount, low, high = (write(cny) for cny in (sign * saving, *sorted((sign * least, sign * most))))
        note = f"saves {amount} against {reference}" if saving >= 0 else f"costs {amount} more than {reference}"
        if math.isfinite(least):
            is_open = "; which costs less is not proved" if least <= 0.0 <= most else ""
            note += f" (proved of the best plans: {low} to {high}{is_open})"
    return Tile(str(row["label"]), format_million(float(row["total_cny_per_year"])), MILLION_CNY, note)


def _basis(found: Comparison, labels: Mapping[str, str]) -> list[Tile]:
    """Show the reference, how far the costs may lie above the least possible ones, and how much rests on estimates."""
    basis, label = [], labels.get(found.reference, found.reference)
    result = found.results.get(found.reference)
    if result is not None and result.has_plan:
        name = "Reference" if label == "reference" else f"Reference: {label}"
        bound = format_million(result.bound_cny) if math.isfinite(result.bound_cny) else ""
        note = f"no plan costs less than {bound}" if bound else "nothing is proved of the least possible cost"
        basis.append(Tile(name, format_million(result.objective_cny), MILLION_CNY, note))
    if (gaps := found.cases["mip_rel_gap"].dropna()).size:
        note = "so far may a cost lie above the least possible one"
        basis.append(Tile("Largest proved gap", format_percent(float(gaps.max()), 2), "of the cost", note))
    share = ((result.summary.get("estimate_share") or {}) if result is not None else {}).get("total")
    if share is not None:
        note = "of the reference: prices marked as estimates, or not marked"
        basis.append(Tile("On estimates", format_percent(share, 0), "of the cost", note))
    return basis

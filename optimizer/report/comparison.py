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
    axis_unit,
    by_size,
    curve_chart,
    matrix,
    span_rows,
    stacked_costs,
    words,
)
from optimizer.report.map import case_map_data
from optimizer.report.page import render_page
from optimizer.report.run import Head, Tile, end_sentence, list_changes, names_of
from optimizer.runs.run import Run, open_run
from optimizer.runs.share_ranges import RANGE_UNKNOWN
from optimizer.text.comparison import KIND_WORDS, describe_moves, slicings
from optimizer.text.near_optimal import describe_must_move, write_must_move, write_share
from optimizer.text.run import warn_of_case_slices
from optimizer.units import TOKENS_PER_MTOK
from optimizer.words.amounts import counting, format_amount, money_unit
from optimizer.words.language import speaking
from optimizer.words.sentences import join, join_sentences, retell, say, term

_Tables = Mapping[str, pd.DataFrame]
Labels = Mapping[str, str]
_MOST_WATERFALLS, _MOST_MOVED = 4, 20
STEP_WORDS = {
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
        own = ranges.get(str(row["case"]), pd.DataFrame())
        return write_share(row[name], own, name.removeprefix("region_share."))

    for row in cases.to_dict("records"):
        proved, verdict = "", text_of(row.get("verdict"))
        least_saving = row.get("least_saving_cny_per_year")
        if least_saving is not None and math.isfinite(least_saving) and not row["is_reference"]:
            least, most = (change(float(row[f"{side}_saving_cny_per_year"])) for side in ("least", "most"))
            proved = join([least, most], " to ")
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
            "" if row["is_reference"] else write_must_move(row.get("moved_share"), row.get("must_move_share")),
        )
        status = join([retell(str(row["status"])), *([say(AFTER_TIGHTENING)] if AFTER_TIGHTENING in verdict else [])])
        rows.append((str(row["label"]), status, *numbers))
    columns = (
        "Case", "status", say(MILLION_CNY), say("full cost"), "saving", say("proved saving"), "gap",
        *(term(str(name).removeprefix("region_share.")) for name in regions),
        say("RTT, ms"), say("GWh a year"), say("kt CO₂ a year"), "capital", "moved",
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
        shown = ["" if math.isnan(least) else join([write(least), write(most)], " to ") for least, most in spans]
        verdict = (
            say(AFTER_TIGHTENING)
            if row["is_decided"]
            else say("not decided: {reason}", reason=retell(text_of(row["reason"])))
        )
        rows.append((retell(str(row["question"])), *shown, verdict))
    return Table(
        (say("Left open by the gaps"), say("before, {unit}", unit=say(MILLION_CNY)), say("proved now"), "verdict"),
        rows,
        words=(0, 3),
    )


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
    table = Table((say("Case, {unit}", unit=say(MILLION_CNY)), *map(words, order), say("total")), cells)
    return stacked_costs(
        ("cases-chart", say("Cost of each case"), say("Total cost in million CNY a year.")), plans, table
    )


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
        saving, least, most = (amount / money_unit() for amount in amounts)
        rows.append(_saving(str(row["label"]), saving, least, most, texts[0]))
        cells.append((str(row["label"]), *texts))
    table = Table((say("Case, million CNY a year"), "saving", say("proved least"), say("proved most")), cells)
    about = say(
        "Against the reference, in million CNY a year; the line is the range in which the best plans of both differ."
    )
    legend = {"saves": SAVES, "costs more": COSTS_MORE}
    return span_rows(("savings-chart", say("Saving of each case"), about), rows, _change, table, legend, from_zero=True)


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
            label = ends.get(bar.kind) or say(
                "{what}: {text}", what=words(bar.component), text=say(STEP_WORDS[bar.kind])
            )  # fmt: skip
            rows.append(Span(label, bar.text, [(bar.begin, bar.end, bar.colour)]))
        about = say(
            "In million CNY a year, {difference} in all: what the second case's prices do to the unchanged plan, "
            "then what re-optimizing changed.",
            difference=format_change(difference[pair]),
        )
        name = (f"waterfall-{n}", say("From {first} to {second}", first=first, second=second), about)
        legend = {"costs more": COSTS_MORE, "saves": SAVES, "cost of a case": TOTAL}
        cells = Table(("Step", say(MILLION_CNY)), [(row.label, row.note) for row in rows])
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
                retell(places.get(str(row["demand_hub"]), str(row["demand_hub"]))),
                words(str(row["workload_class"])),
                *(retell(places.get(end, end)) for end in ends),
                say(KIND_WORDS[str(row["kind"])]),
                format_amount(float(row["mtok_per_year"]) * TOKENS_PER_MTOK),
                format_percent(float(row["share"]), 2),
            )
        )
    columns = ("Cases", say("demand hub"), "class", "from", "to", "changed", say("tokens a year"), say("of all tokens"))
    return Table(columns, rows, words=(0, 1, 2, 3, 4, 5))


def _must_move(found: Comparison, labels: Labels) -> list[str]:
    """Say of each pair what of the moves must be, once where it was computed of none."""
    pairs = found.moved_totals[["first", "second"]].drop_duplicates().itertuples(index=False, name=None)
    told = {pair: describe_must_move(*map(found.ranges, pair)) for pair in pairs}
    if len(set(told.values())) == 1:
        return [*dict.fromkeys(told.values())]
    return [
        say("{pair}: {text}", pair=" → ".join(labels.get(case, case) for case in pair), text=text)
        for pair, text in told.items()
    ]


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
    about = say(
        "Change of the cost in million CNY a year, one parameter at a time, everything else as in the reference."
    )
    legend = {"costs more": COSTS_MORE, "saves": SAVES}
    numbers = Table(("Parameter", say("low end"), say("high end")), cells, words=(0, 1, 2))
    return span_rows(("tornado-chart", "Tornado", about), rows, _change, numbers, legend)


def regret_chart(tables: _Tables, labels: Labels) -> Chart | None:
    """Draw the matrix of regret; None where the comparison has none."""
    if (table := _filled(tables, "regret_matrix")) is None:
        return None
    regret = regret_matrix(table, tables.get("regret_plans"))
    about = say("What the plan of each row costs more under the case of each column than that case's own plan.")
    if regret.best:
        best = labels.get(regret.best, regret.best)
        least = say(
            "The plan of {best} has the least maximum regret, {worst} {unit}.",
            best=best,
            worst=regret.worst,
            unit=say(MILLION_CNY),
        )
        about = join_sentences([about, least])
    names = [labels.get(case, case) for case in regret.cases]
    return matrix(
        ("regret-chart", "Regret", about),
        (names, names),
        regret.cny,
        million_writer(regret.cny.flat),
        COSTS_MORE,
        say("million CNY"),
    )


def frontier_charts(tables: _Tables) -> list[Chart]:
    """Draw the frontiers that the comparison has."""
    charts = []
    for kind, what in (("latency", say("round trip allowed, ms")), ("carbon", say("cap on CO₂, thousand t a year"))):
        if (points := _filled(tables, f"{kind}_frontier")) is None:
            continue
        curve = cost_curve(kind, points)
        write = million_writer(curve.most * money_unit())
        cells = [
            (format_size(size), retell(str(status)), write(least * money_unit()), write(most * money_unit()))
            for size, status, least, most in zip(curve.size, points["status"], curve.least, curve.most, strict=True)
        ]
        columns = (what[0].upper() + what[1:], "status", say("no plan costs less than"), say("best known plan"))
        about = say(
            "Cost in million CNY a year of the best known plan; the line below each point is what may still be saved."
        )
        name, drawn = (
            (f"{kind}-frontier", say("Cost against {kind}", kind=say(kind)), about),
            Curve(curve.size, curve.least, curve.most),
        )
        charts.append(curve_chart(name, drawn, (axis_unit(), what), PLAN, Table(columns, cells, (0, 1))))
    return charts


def _released(workload_class: str, limits: str) -> str:
    """Name a class and the range over which its round trip is released."""
    between = join(limits.split(" to "), " to ").replace("as stated", say("as stated"))
    return say("{title}, {unit}", title=words(workload_class), unit=between)


def latency_return_chart(tables: _Tables) -> Chart | None:
    """Draw what a millisecond of each class's round trip saves; None where the comparison has none."""
    if (ranking := _filled(tables, "latency_return")) is None:
        return None
    rows, cells = [], []
    for release in latency_releases(ranking):
        label, amounts = _released(release.workload_class, release.limits), (release.least, release.most)
        rows.append(_saving(label, release.saving, *amounts, _change(release.saving)))
        cells.append((label, *map(_change, (release.saving, *amounts)), retell(release.verdict)))
    columns = (
        say("Class and range of its round trip"),
        say("{unit} per ms", unit=say(MILLION_CNY)),
        say("proved least"),
        say("proved most"),
        "verdict",
    )
    about = say(
        "What releasing one class's round trip saves, in million CNY a year per millisecond, all others as stated; "
        "the line is what is proved."
    )
    name = ("latency-return", say("Energy return on latency"), about)
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
            (format_plain(part.start), format_plain(part.end), *map(_million, part.amounts), retell(part.change))
            for part in parts
        ]
        table = Table(
            ("From", "to", say("{unit} there", unit=say(MILLION_CNY)), say("and there"), "change"), cells, words=(4,)
        )
        about = say(
            "Cost of the best plan; black lines are where what is open, deployed or bought changes, grey ones where "
            "only routes, places or hours do."
        )
        title = (name.replace("_", "-"), say("Break-even map of {parameter}", parameter=parameter), about)
        curve = Curve(x, cost, cost, breaks(events))
        charts.append(curve_chart(title, curve, (axis_unit(), parameter), PLAN, table))
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
        label, between = say("{what}: {text}", what=value, text=retell(mark.change)), join([least, most], " to ")
        rows.append(Span(label, between, [piece], (mark.least, mark.most)))
        cells.append((value, least, most, retell(mark.change)))
    about = say(
        "Values of {parameter}, {low} at the left to {high} at the right; the line is the range in which the change is "
        "proved to lie.",
        parameter=parameter,
        low=format_plain(low),
        high=format_plain(high),
    )
    table = Table(("Value", say("proved from"), "to", "change"), cells, words=(3,))
    title = (
        f"{name.replace('_', '-')}-ranges",
        say("Where the plan changes with {parameter}", parameter=parameter),
        about,
    )
    return span_rows(title, rows, format_plain, table, {}, window=(low, high))


def _million(amount: float) -> str:
    return format_million(amount * money_unit())


def _change(amount: float) -> str:
    return format_change(amount * money_unit())


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


def build_comparison_report(folder: Path, maps: MapOptions | None = None) -> str:
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
    runs = {case: open_run(result.folder) for case, result in found.results.items() if result.folder is not None}
    drawn, places, names = None, {}, {}
    if found.reference in runs:
        run = runs[found.reference]
        drawn = _map(found, runs, read_outlines(run, maps or MapOptions()))
        places = dict(run.data_centers["name"].astype(str)) | dict(run.demand_hubs["name"].astype(str))
        # One network for all, as a rule: the inputs of each would take seconds to read.
        names = {name: told for one in runs.values() for name, told in names_of(one, with_inputs=False).items()}
        names |= names_of(run)
        names |= _told_in_chinese(found, runs)
    # What users call their cases stays, whatever words these are.
    names |= {label: label for label in found.labels.values() if label != "reference"}

    def make() -> dict[str, Any]:
        return _context(found, runs, places, has_map=drawn is not None)

    with counting(found.cases["total_cny_per_year"]):
        return render_page("compare.html", make, name=found.name or "stored_runs", drawn=drawn, names=names)


def _labels(found: Comparison) -> dict[str, str]:
    """Name the cases as their users do, but the reference in the language in force."""
    return {case: say("reference") if label == "reference" else label for case, label in found.labels.items()}


def _context(found: Comparison, runs: Mapping[str, Run], places: Mapping[str, str], *, has_map: bool) -> dict[str, Any]:
    labels, ranges = _labels(found), {case: run.ranges for case, run in runs.items()}
    tables = found.tables()
    sensitivity = [
        tornado_chart(tables),
        regret_chart(tables, labels),
        *frontier_charts(tables),
        latency_return_chart(tables),
        *break_even_charts(tables, {one.stem: parameter for parameter, one in found.break_even_maps.items()}),
    ]
    title = say("Comparison of scenario {name}", name=found.name) if found.name else say("Comparison of stored runs")
    sections = [section for section in _SECTIONS if section[0] != "map" or has_map]
    return {
        "title": title,
        "eyebrow": title,
        "heading": _heading(found),
        "lead": _lead(found, labels),
        "head": _head(found, labels),
        "changes": list_changes(found.changes),
        "sections": sections,
        "version": (found.head.get("versions") or {}).get("edwc") or "",
        "map_words": {**_MAP_WORDS, "shares": _share_note(ranges)},
        "slice_count": len(runs),
        "cases": case_table(tables, ranges),
        "share_note": _share_note(ranges),
        "decisions": decision_table(tables),
        "case_charts": list(filter(None, [_cost_by_case(tables, labels), _savings_chart(tables)])),
        "waterfalls": waterfall_charts(tables, labels),
        "moved": _moved_table(tables, labels, places),
        "must_move": _must_move(found, labels),
        "sensitivity": list(filter(None, sensitivity)),
        "asked": json.dumps(found.head.get("asked"), ensure_ascii=False),
        "versions": join(f"{name} {number}" for name, number in (found.head.get("versions") or {}).items()),
    }


def _share_note(ranges: Mapping[str, pd.DataFrame]) -> str:
    """Say what the shares of regions are shares of, and what stands in brackets beside some."""
    known = [table for table in ranges.values() if not table.empty]
    if not known:
        return say(
            "Shares of regions are those of the plan of each case; {unknown}.", unknown=say(RANGE_UNKNOWN)
        )  # fmt: skip
    slack = join(dict.fromkeys(format_percent(table["slack_share"].iloc[-1], 2) for table in known))
    return say(
        "Shares of regions are those of the plan of each case, in brackets those of all plans of up to {slack} more; "
        "where there are none: {unknown}.",
        slack=slack,
        unknown=say(RANGE_UNKNOWN),
    )


def _map(found: Comparison, runs: Mapping[str, Run], behind: Outlines | None) -> dict[str, Any]:
    labels = found.labels
    cases = {labels[case]: run for case, run in runs.items()}
    # The script has the words of the map in English, and others by them.
    with speaking("en"):
        told = _told_of_cases(found, runs)
    return case_map_data(runs[found.reference], cases, list(runs).index(found.reference), behind, told)


def _told_in_chinese(found: Comparison, runs: Mapping[str, Run]) -> dict[str, str]:
    """Put what is told of each case in Chinese beside the English, which the map has."""
    with speaking("en"):
        english = _told_of_cases(found, runs)
    with speaking("zh"):
        chinese = _told_of_cases(found, runs)
    return {text: chinese[case] for case, text in english.items()}


def _told_of_cases(found: Comparison, runs: Mapping[str, Run]) -> dict[str, str]:
    labels, told = _labels(found), {}
    for case in runs:
        of_pair = (found.moved_totals["first"] == found.reference) & (found.moved_totals["second"] == case)
        if of_pair.any():
            moves = describe_moves(found.moved_totals[of_pair], labels[found.reference], labels[case])
            told[found.labels[case]] = end_sentence(moves)
    return told


def _heading(found: Comparison) -> str:
    costs, count = found.cases["total_cny_per_year"].dropna(), len(found.cases)
    subject = say("cases of {name}", name=found.name) if found.name else say("stored runs")
    if costs.empty:
        return say("None of {count} {subject} has a plan", count=count, subject=subject)
    ends = say(
        "between {costs} and {costs2} {unit}",
        costs=format_million(costs.min()),
        costs2=format_million(costs.max()),
        unit=say(MILLION_CNY),
    )
    return say("{costs} {subject} cost {ends}", costs=len(costs), subject=subject, ends=ends)


def _others(found: Comparison) -> pd.DataFrame:
    """Cases with a plan besides the reference, the cheapest first."""
    cases = found.cases
    others = cases[~cases["is_reference"].astype(bool) & cases["total_cny_per_year"].notna()]
    return others.sort_values("total_cny_per_year", kind="stable")


def _lead(found: Comparison, labels: Mapping[str, str]) -> list[str]:
    lead, searched = [], len(found.results) - len(found.cases)
    failed = [labels[case] for case in found.cases["case"] if not _has_plan(found, case) and case not in found.lost]
    if failed:
        lead.append(say("Without a plan: {failed}.", failed=join(failed)))
    told = {say("reference") if label == "reference" else label: one for label, one in slicings(found).items()}
    if (warning := warn_of_case_slices(told)) is not None:
        lead.append(say("Warning: {text}", text=warning))
    if found.lost:
        gone = join(labels[case] for case in found.lost)
        lead.append(say("These run folders are gone or damaged, and are not on the map: {gone}.", gone=gone))
    if searched > 0:
        lead.append(
            say("Searches solved {searched} more, which are in their own charts and on the map.", searched=searched)
        )
    return lead


def _has_plan(found: Comparison, case: str) -> bool:
    return case in found.results and found.results[case].has_plan


def _head(found: Comparison, labels: Mapping[str, str]) -> Head:
    """Choose the key numbers: the cheapest and the most expensive case, what they are held against, and the others."""
    others = _others(found)
    write, reference = million_writer(others["saving_cny_per_year"]), labels.get(found.reference, found.reference)
    tiles = [_case_tile(row, reference, write) for row in others.to_dict("records")]
    if len(tiles) > 1:
        answers = [
            replace(tiles[0], label=say("Cheapest of the others: {case}", case=tiles[0].label)),
            replace(tiles[-1], label=say("Most expensive: {case}", case=tiles[-1].label)),
        ]
    else:
        answers = tiles
    return Head(answers, _basis(found, labels), tiles[1:-1][:_MOST_TILES])


def _case_tile(row: Mapping[Hashable, Any], reference: str, write: Callable[[float | None], str]) -> Tile:
    """Show the cost of a case, and what it is proved to save or to cost more."""
    saving, least, most = (float(row[f"{side}saving_cny_per_year"]) for side in ("", "least_", "most_"))
    note = say("saving not known: the reference has no plan")
    if math.isfinite(saving):
        sign = 1.0 if saving >= 0 else -1.0
        amount, low, high = (write(cny) for cny in (sign * saving, *sorted((sign * least, sign * most))))
        note = (
            say("saves {amount} against {reference}", amount=amount, reference=reference)
            if saving >= 0
            else say("costs {amount} more than {reference}", amount=amount, reference=reference)
        )
        if math.isfinite(least):
            is_open = say("; which costs less is not proved") if least <= 0.0 <= most else ""
            note += say(" (proved of the best plans: {low} to {high}{is_open})", low=low, high=high, is_open=is_open)
    return Tile(str(row["label"]), format_million(float(row["total_cny_per_year"])), say(MILLION_CNY), note)


def _basis(found: Comparison, labels: Mapping[str, str]) -> list[Tile]:
    """Show the reference, how far the costs may lie above the least possible ones, and how much rests on estimates."""
    basis, label = [], labels.get(found.reference, found.reference)
    result = found.results.get(found.reference)
    if result is not None and result.has_plan:
        name = say("Reference") if label == say("reference") else say("Reference: {label}", label=label)
        bound = format_million(result.bound_cny) if math.isfinite(result.bound_cny) else ""
        note = (
            say("no plan costs less than {bound}", bound=bound)
            if bound
            else say("nothing is proved of the least possible cost")
        )
        basis.append(Tile(name, format_million(result.objective_cny), say(MILLION_CNY), note))
    if (gaps := found.cases["mip_rel_gap"].dropna()).size:
        note = say("so far may a cost lie above the least possible one")
        basis.append(Tile(say("Largest proved gap"), format_percent(float(gaps.max()), 2), say("of the cost"), note))
    share = ((result.summary.get("estimate_share") or {}) if result is not None else {}).get("total")
    if share is not None:
        note = say("of the reference: prices marked as estimates, or not marked")
        basis.append(Tile(say("On estimates"), format_percent(share, 0), say("of the cost"), note))
    return basis

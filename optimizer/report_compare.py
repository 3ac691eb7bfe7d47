"""The report of a comparison: the cases beside each other, on one HTML page that works without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from network_data.faults import FaultList
from optimizer.case_expansion import id_of
from optimizer.cases import CaseResult
from optimizer.comparison import Comparison, build_comparison
from optimizer.comparison_folder import COMPARISON_FILE, read_cases
from optimizer.csv_text import read_csv_table
from optimizer.geo import RunTables, read_run
from optimizer.number_text import spell_million, spell_percent
from optimizer.report_compare_charts import (
    break_even_charts,
    case_table,
    cost_by_case,
    frontier_charts,
    latency_return_chart,
    moved_table,
    regret_chart,
    savings_chart,
    tornado_chart,
    waterfall_charts,
)
from optimizer.report_compare_map import case_map_data
from optimizer.report_data import read_report_data
from optimizer.report_page import MAP_SCRIPTS, render_page
from optimizer.report_sections import MILLION_CNY, Tile
from optimizer.run_folder import BASEMAP_FILE

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
# Tables of searches that one option of `edwc compare` asks for, by the option's value.
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
    results
        By id.
    tables
        By name.
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
    """
    Read a comparison; tables that do not stand in its folder are worked out from its cases.

    Parameters
    ----------
    folder
        Folder that `edwc compare --out` wrote.

    Raises
    ------
    InputError
        If it holds no comparison, or a run folder in it is damaged.
    """
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
    no_basemap
        Draw the network alone.

    Returns
    -------
    str
        The page.

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
        "case_charts": [chart for chart in (cost_by_case(tables, labels), savings_chart(tables)) if chart],
        "waterfalls": waterfall_charts(tables, labels),
        "moved": moved_table(tables, labels, places),
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
    return f"{count} cost between {spell_million(min(costs))} and {spell_million(max(costs))} {MILLION_CNY}"


def _others(found: StoredComparison) -> pd.DataFrame:
    cases = found.tables["cases"]
    return cases[~cases["is_reference"].astype(bool) & cases["total_cny_per_year"].notna()]


def _lead(found: StoredComparison, labels: Mapping[str, str]) -> list[str]:
    others, lead = _others(found), []
    if len(others):
        ends = others.sort_values("total_cny_per_year", kind="stable").iloc[[0, -1]].to_dict("records")
        told = [f"{row['label']} at {spell_million(float(row['total_cny_per_year']))}" for row in ends]
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
        gap = f"gap {spell_percent(result.mip_rel_gap, 2)}"
        tiles.append(
            Tile(f"Reference: {labels[found.reference]}", spell_million(result.objective_cny), MILLION_CNY, gap)
        )
    for row in _others(found).sort_values("total_cny_per_year").to_dict("records")[:_MOST_TILES]:
        saving = float(row["saving_cny_per_year"])
        amount = spell_million(abs(saving))
        note = f"saves {amount}" if saving >= 0 else f"costs {amount} more"
        cost = spell_million(float(row["total_cny_per_year"]))
        tiles.append(Tile(str(row["label"]), cost, MILLION_CNY, note))
    return tiles

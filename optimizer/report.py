"""The report of a run: one HTML page to read, to search and to print, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optimizer.geo import RunTables
from optimizer.report_data import ReportData, read_report_data
from optimizer.report_map import map_data
from optimizer.report_page import MAP_SCRIPTS, render_page
from optimizer.report_sections import (
    baseline_table,
    cost_chart,
    cost_table,
    facts_table,
    heading_of,
    lead_of,
    power_charts,
    tiles_of,
    title_of,
)
from optimizer.report_tables import (
    assumption_table,
    center_table,
    class_table,
    confidence_sentence,
    latency_table,
    limits_chart,
    limits_line,
    price_sentences,
    source_table,
    token_table,
    version_line,
    version_table,
)

_MAP_IN_TEMPLATE = ("width", "height", "land", "outlines", "fibre")
_MAP_WORDS = {
    "heading": "Where inference runs, hour by hour", "slice": "Hour", "play": "Play the day", "all": "all hours",
    "difference": "",
}  # fmt: skip
_SECTIONS = (
    ("summary", "Summary"), ("map", "Map"), ("power", "Power and price"), ("cost", "Cost"), ("limits", "Limits"),
    ("allocations", "Allocations"), ("assumptions", "Assumptions"), ("versions", "Versions"),
)  # fmt: skip


def build_report(tables: RunTables, basemap: Path | None) -> str:
    """
    Write the report of a run.

    Parameters
    ----------
    tables
        The run.
    basemap
        Vector file with outlines for the map; none draws the network alone.

    Returns
    -------
    str
        The page.

    Raises
    ------
    InputError
        If the run folder is not whole, or the basemap cannot be used.
    """
    data = read_report_data(tables)
    drawn = map_data(data, basemap)
    sentences, idle = price_sentences(data)
    context = {
        "title": f"{title_of(data)}: where inference runs",
        "heading": heading_of(data),
        "eyebrow": title_of(data),
        "about": data.info["scenario"].get("description") or "",
        "sections": _SECTIONS,
        "version": (data.info.get("versions") or {}).get("edwc") or "",
        "finished": data.info.get("finished_utc") or "",
        "lead": lead_of(data),
        "tiles": tiles_of(data),
        "checked": _checked(data),
        "map": {name: drawn[name] for name in _MAP_IN_TEMPLATE},
        "basemap": drawn["credit"],
        "projection": drawn["projection"],
        "slice_count": len(data.slices),
        "map_words": _MAP_WORDS,
        "power": power_charts(data),
        "missing": data.missing,
        "centers": center_table(data),
        "cost_chart": cost_chart(data),
        "cost_table": cost_table(data),
        "baseline_table": baseline_table(data),
        "limits_line": limits_line(data),
        "limits_chart": limits_chart(data),
        "sentences": sentences,
        "idle_limits": idle,
        "tokens": token_table(data),
        "latency": latency_table(data),
        "facts": facts_table(data),
        "confidence": confidence_sentence(data),
        "assumptions": assumption_table(data),
        "classes": class_table(data),
        "sources": source_table(data),
        "versions": version_table(data),
        "version_line": version_line(data),
    }
    scripted: dict[str, Any] = {
        name: value for name, value in drawn.items() if name not in {"land", "outlines", "fibre"}
    }
    return render_page(
        "run.html",
        (*MAP_SCRIPTS, "allocations.js"),
        {"name": str(data.info["scenario"].get("name", "")), "map": scripted, "words": _MAP_WORDS},
        context,
    )


def _checked(data: ReportData) -> str:
    """Say what was found when the plan was checked against its inputs for this page."""
    notes = []
    if data.check is not None:
        broken = len(data.check.violations)
        found = "no limit is broken" if not broken else f"{broken} limits are BROKEN"
        cost = f"{data.check.total_cny / 1e6:,.1f} million CNY a year"
        notes.append(f"Checked again from its inputs when this page was made: {found}, and it costs {cost}.")
    if data.stored.changed:
        changed = ", ".join(data.stored.changed)
        notes.append(f"These files of the run are NOT what was stored: {changed}.")
    return " ".join(notes)

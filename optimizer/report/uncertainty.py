"""The report of an uncertainty: one HTML page with distributions, what decides them and where work goes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.drawing.colours import PALETTE
from optimizer.numbers import format_number, format_plain
from optimizer.report.charts import Chart, Span, Table, span_rows
from optimizer.report.page import render_page
from optimizer.report.run import Head, Tile, names_of
from optimizer.report.study import LEVELS, draw_fans, driver_chart, figure_table, place_table
from optimizer.runs.folder import INFO_FILE
from optimizer.runs.run import open_run
from optimizer.text.uncertainty import gap_notes, headline, left_out_sentence, slice_warning, solved_with
from optimizer.uncertainty.figures import BOUND, COST
from optimizer.uncertainty.result import QUANTILES, Uncertainty, open_uncertainty, region_shares
from optimizer.words.amounts import counting
from optimizer.words.sentences import join, retell, say, titled

_SECTIONS = (
    ("summary", "Summary"), ("figures", "Figures"), ("decides", "What decides"), ("places", "Data centers"),
    ("inputs", "Inputs"), ("samples", "Samples"),
)  # fmt: skip
_WIDE, _NARROW = "#8FC1E3", PALETTE[2]
# A figure that is multiplied would flatten all others on one scale; its numbers are in the table.
_MOST_CHANGE = 3.0


def build_uncertainty_report(folder: Path) -> str:
    """
    Write the report of an uncertainty.

    Parameters
    ----------
    folder
        Folder that `edwc uncertainty --out` wrote.

    Raises
    ------
    InputError
        If the folder holds none, or a file in it is damaged.
    """
    found = open_uncertainty(folder)
    # A run that is still there knows what its places are called.
    folders = (result.folder for result in found.results.values())
    named = next((folder for folder in folders if folder is not None and (folder / INFO_FILE).is_file()), None)
    names = {} if named is None else names_of(open_run(named))
    with counting(found.samples[COST]):
        return render_page("uncertainty.html", lambda: _context(found), name=found.name, drawn=None, names=names)


def _context(found: Uncertainty) -> dict[str, Any]:
    title = say("Uncertainty of scenario {name}", name=found.name)
    decides = [driver_chart(found, name, n) for n, name in enumerate((COST, *region_shares(found)[:1]))]
    return {
        "title": title,
        "eyebrow": title,
        "heading": _heading(found),
        "lead": _lead(found),
        "head": _head(found),
        "sections": _SECTIONS,
        "version": _version(found),
        "fans": draw_fans(found),
        "dispersion": _dispersion_chart(found),
        "figures": figure_table(found),
        "decides": [chart for chart in decides if chart is not None],
        "drivers": _driver_table(found),
        "places": place_table(found),
        "inputs": _input_table(found),
        "idle": join(map(str, found.facts["idle"])),
        "left_out": left_out_sentence(found.facts),
        "reasons": _reason_table(found),
    }


def _version(found: Uncertainty) -> str:
    for result in found.results.values():
        if version := (result.info.get("versions") or {}).get("edwc"):
            return str(version)
    return ""


def _heading(found: Uncertainty) -> str:
    row = found.distribution(COST)
    if not row["plans"]:
        return say("None of {count} samples has a plan", count=len(found.samples))
    cost = found.figure(COST)
    return say(
        "Nine of ten plans cost {low} to {high} {unit}",
        low=cost.write(row["p05"]), high=cost.write(row["p95"]), unit=cost.unit_text,
    )  # fmt: skip


def _lead(found: Uncertainty) -> list[str]:
    text = say("{text}.", text=solved_with(found.facts))
    lead = [headline(found), text[0].upper() + text[1:]]
    if (warning := slice_warning(found)) is not None:
        lead.append(say("Warning: {text}", text=warning))
    without = int(found.samples[COST].isna().sum())
    if without:
        lead.append(
            say(
                "{without} samples have no plan; the figures are of the others, and say nothing of those.",
                without=without,
            )
        )
    return [*filter(None, lead), *(note[0].upper() + note[1:] for note in gap_notes(found))]


def _head(found: Uncertainty) -> Head:
    """Show the cost and the most uncertain share first, then the full cost and the other shares."""
    first, *others = region_shares(found) or [COST]
    answers = _tiles(found, dict.fromkeys([COST, first]))
    return Head(answers, _tiles(found, ["full_cost_cny_per_year", *others]), [])


def _tiles(found: Uncertainty, names: Iterable[str]) -> list[Tile]:
    tiles = []
    for name in names:
        if name not in set(found.figures["figure"]):
            continue
        figure, row = found.figure(name), found.distribution(name)
        if not row["plans"]:
            continue
        span = join([figure.write(row["p05"]), figure.write(row["p95"])], " to ")
        note = say("in nine of ten samples; as stated {value}", value=figure.write(row["as_stated"]))
        tiles.append(Tile(titled(retell(figure.title)), span, figure.unit_text, note))
    return tiles


def _dispersion_chart(found: Uncertainty) -> Chart | None:
    rows, cells = [], []
    for row in found.distributions[found.distributions["figure"] != BOUND].to_dict("records"):
        figure, stated = found.figure(row["figure"]), float(row["as_stated"])
        levels = [float(row[name]) / stated - 1 for name in QUANTILES] if row["plans"] and stated else []
        if not levels or not all(math.isfinite(level) and abs(level) <= _MOST_CHANGE for level in levels):
            continue
        ends = join([figure.write(row["p05"]), figure.write(row["p95"])], " to ")
        span = say("{amount} {unit}", amount=ends, unit=figure.unit_text)
        pieces = [(levels[0], levels[4], _WIDE), (levels[1], levels[3], _NARROW)]
        rows.append(Span(titled(retell(figure.title)), span, pieces))
        cells.append((retell(figure.title), *map(_change, levels)))
    if not rows:
        return None
    about = say(
        "Change against the scenario as stated, which is the line: 5 to 95 %, and the middle half, of the samples."
    )
    table = Table((say("Figure, against as stated"), *list(LEVELS.values())[1:]), cells)
    legend = {say("5 to 95 %"): _WIDE, say("25 to 75 %"): _NARROW}
    return span_rows(("dispersion", say("How far figures spread"), about), rows, _change, table, legend)


def _change(share: float) -> str:
    return f"{100 * share:+,.1f}%"


def _driver_table(found: Uncertainty) -> Table:
    titles = found.figures.set_index("figure")["title"]
    numbers = {
        "rank_coefficient": "rank coefficient", "partial_rank_correlation": "partial rank correlation",
        "first_order_index": "first-order index", "total_index": "total index", "r2": "R2 of ranks",
        "surrogate_r2": "R2 of the polynomial",
    }  # fmt: skip
    rows = [
        (
            retell(str(titles[row["figure"]])),
            str(row["input"]),
            say("yes") if row["is_significant"] else say("no"),
            *(format_number(row[name], 2) for name in numbers),
        )
        for row in found.drivers.to_dict("records")
    ]
    return Table(("Figure", "input", "significant", *numbers.values()), rows, words=(0, 1, 2))


def _input_table(found: Uncertainty) -> Table:
    rows = [
        (
            str(row["input"]),
            str(row["key"]),
            *(format_plain(float(row[name]), 4) for name in ("value", "low", "high")),
            retell(_text(row, "shape")),
            *(_text(row, name) for name in ("reason", "source")),
            f"{row['file']}:{row['row']}",
        )
        for row in found.inputs.to_dict("records")
    ]
    heads = ("Input", "key", "value", "low", "high", "shape", "reason", "source", "row")
    return Table(heads, rows, words=(0, 1, 5, 6, 7, 8))


def _text(row: Mapping[Any, Any], name: str) -> str:
    return "" if pd.isna(row[name]) else str(row[name])


def _reason_table(found: Uncertainty) -> Table:
    """Count how the samples ended, and why those without a plan have none."""
    samples = found.samples.assign(reason=found.samples["reason"].fillna("").astype(str))
    samples["reason"] = samples["reason"].where(samples[COST].isna(), "")
    counts = samples.groupby(["status", "reason"], sort=False).size().reset_index(name="samples")
    rows = [
        (retell(str(row["status"]).replace("_", " ")), retell(str(row["reason"])), f"{row['samples']:,}")
        for row in counts.to_dict("records")
    ]
    return Table(("Ended", "why there is no plan", "samples"), rows, words=(0, 1))

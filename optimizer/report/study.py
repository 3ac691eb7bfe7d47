"""Charts and tables of an uncertainty, for its own page and for that of a run of the same scenario."""

from __future__ import annotations

import base64
import shlex
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from optimizer.drawing.colours import PALETTE
from optimizer.numbers import format_number, format_percent
from optimizer.report.charts import Chart, Span, Table, span_rows
from optimizer.runs.metadata import changed_keys
from optimizer.runs.run import Run
from optimizer.text.uncertainty import (
    POOR_R2,
    cost_headline,
    gap_notes,
    headline,
    left_out_sentence,
    samples_and_inputs,
    slice_warning,
    solved_with,
)
from optimizer.uncertainty.figures import COST
from optimizer.uncertainty.result import Uncertainty, region_shares
from optimizer.words.sentences import join, join_sentences, retell, say, term

LEVELS = {"as_stated": "as stated", "p05": "5 %", "p25": "25 %", "p50": "50 %", "p75": "75 %", "p95": "95 %"}
_UP, _DOWN = PALETTE[0], PALETTE[2]
_FEW_PLANS, _MOST_DECISIVE = 2, 5


@dataclass(frozen=True)
class StudySection:
    """What the page of a run says of the uncertainty of its scenario."""

    answers: list[str]  # between what the headlines lie
    basis: list[str]  # how that was found, and what is not known of it
    decides: list[Chart]
    figures: Table
    places: Table


def study_section(found: Uncertainty) -> StudySection:
    """
    Sum up an uncertainty for the page of a run.

    Parameters
    ----------
    found
        Of the scenario of the run.
    """
    basis = [say("{text}.", text=join([samples_and_inputs(found), solved_with(found.facts)], "; "))]
    if without := int(found.samples[COST].isna().sum()):
        basis.append(
            say(
                "{without} samples have no plan; the figures are of the others, and say nothing of those.",
                without=without,
            )
        )
    if (warning := slice_warning(found)) is not None:
        basis.append(say("Warning: {text}", text=warning))
    basis += gap_notes(found)
    if left_out := left_out_sentence(found.facts):
        basis.append(say("{text}.", text=left_out))
    shown = enumerate((COST, *region_shares(found)[:1]))
    decides = [driver_chart(found, name, n, _MOST_DECISIVE) for n, name in shown]
    return StudySection(
        _capitalized(filter(None, [cost_headline(found), headline(found)])),
        _capitalized(basis),
        [chart for chart in decides if chart is not None],
        figure_table(found),
        place_table(found),
    )


def _capitalized(texts: Iterable[str]) -> list[str]:
    return [text[:1].upper() + text[1:] for text in texts]


def study_commands(run: Run) -> list[str]:
    """
    Write the commands that study the uncertainty of a run and show it on its page.

    Parameters
    ----------
    run
        The run.
    """
    scenario = run.info["scenario"]
    name = str(scenario.get("built_in") or Path(str(scenario.get("path") or "SCENARIO")).name)
    changes = [text for key in changed_keys(run.info) for text in ("--set", shlex.quote(key))]
    return [
        " ".join(["edwc uncertainty", shlex.quote(name), *changes, "--out STUDY"]),
        "edwc export RUN --to report.html --uncertainty STUDY",
    ]


def draw_fans(found: Uncertainty) -> str:
    """Draw the fans as a picture that a page holds; empty with too few plans."""
    from optimizer.drawing.sheet import write_figure
    from optimizer.drawing.uncertainty import fan_figure

    if int(found.samples[COST].notna().sum()) < _FEW_PLANS:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        picture = write_figure(fan_figure(found), Path(folder) / "fans.png").read_bytes()
    return f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"


def figure_table(found: Uncertainty) -> Table:
    """List what each figure lies between."""
    rows = []
    for row in found.distributions.to_dict("records"):
        figure = found.figure(row["figure"])
        cells = [figure.write(row[level]) for level in (*LEVELS, "sd")]
        named = say("{title}, {unit}", title=retell(figure.title), unit=figure.unit_text)
        rows.append((named, *cells, format_percent(row["noise_share"], 0)))
    heads = ("Figure", *LEVELS.values(), say("standard deviation"), say("of it noise of the solver"))
    return Table(heads, rows)


def driver_chart(found: Uncertainty, name: str, number: int, shown: int = 8) -> Chart | None:
    """Draw the rank coefficients of the most decisive inputs of a figure; None where nothing could be told."""
    part = found.drivers[(found.drivers["figure"] == name) & found.drivers["rank_coefficient"].notna()]
    if part.empty:
        return None
    rows, cells = [], []
    for row in part.head(shown).to_dict("records"):
        weight = float(row["rank_coefficient"])
        rows.append(Span(str(row["input"]), f"{weight:+.2f}", [(0.0, weight, _UP if weight > 0 else _DOWN)]))
        cells.append((str(row["input"]), f"{weight:+.2f}", format_number(row["total_index"], 2)))
    r2, title = float(part["r2"].iloc[0]), retell(found.figure(name).title)
    sentences = [
        say(
            "Standardized rank regression coefficients: by how many standard deviations of its rank the figure moves "
            "with one of the input. The regression explains {share} of the ranks.",
            share=format_percent(r2, 0),
        )
    ]
    if r2 < POOR_R2:
        sentences.append(say("That is only part: see the first-order and total indices."))
    about = join_sentences(sentences)
    table = Table((say("Input"), say("rank coefficient"), say("total index")), cells)
    legend = {say("raises it"): _UP, say("lowers it"): _DOWN}
    name_of = (f"driver-{number}", say("What decides: {title}", title=title), about)
    return span_rows(name_of, rows, lambda weight: f"{weight:+.2f}", table, legend)


def place_table(found: Uncertainty) -> Table:
    """List how often each data center is used, and its share of the tokens."""
    rows = [
        (
            retell(str(row["data_center"])),
            term(str(row["region"])),
            *(format_percent(row[name]) for name in ("used_share", "mean", "p05", "p50", "p95")),
        )
        for row in found.data_centers.to_dict("records")
    ]
    heads = ("Data center", "region", "used in", "share of the tokens, mean", "5 %", "50 %", "95 %")
    return Table(heads, rows, words=(0, 1))

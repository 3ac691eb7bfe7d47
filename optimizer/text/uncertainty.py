"""Uncertain inputs as plain text: distributions, what decides them, where work goes; 110 columns wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from network_data.faults import escape_text
from optimizer.numbers import format_percent, format_plain, list_some, shorten
from optimizer.uncertainty.figures import BOUND, COST
from optimizer.uncertainty.result import QUANTILES, SAMPLES_PER_INPUT, Uncertainty, region_shares

WIDTH = 110
_TITLE, _CELL, _NAME, _SHOWN, _PLACES_SHOWN, _REASONS_SHOWN = 44, 11, 20, 5, 12, 3
_LEVELS = ("as_stated", *QUANTILES)
_HEADS = ("as stated", "5 %", "25 %", "50 %", "75 %", "95 %")
# A figure is said to be noisy where the solver makes more of its variance than this, and a regression to tell little
# where it explains less of the ranks.
NOISY_SHARE, POOR_R2 = 0.1, 0.7
# The dispersion of the cost is that of the inputs where the gaps are small beside it.
WIDE_GAP_SHARE = 0.25
_DESIGN_WORDS = {"latin": "Latin hypercube", "sobol": "Sobol sequence"}


def describe_uncertainty(found: Uncertainty) -> str:
    """Describe the result in lines of plain text."""
    parts = [_head(found), _table(found), _gaps(found), _drivers(found), _places(found), _inputs(found)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def headline(found: Uncertainty) -> str:
    """Say in one sentence between what the share of the most uncertain region lies; empty without plans."""
    names = region_shares(found)
    if not names:
        return ""
    row = found.distribution(names[0])
    region = escape_text(names[0].partition(".")[2])
    return (
        f"{region} serves {format_percent(row['as_stated'])} of the tokens as stated, "
        f"{format_percent(row['p05'])} to {format_percent(row['p95'])} in nine of ten samples."
    )


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=True) or [""]


def _head(found: Uncertainty) -> list[str]:
    facts = found.facts
    count = found.inputs["input"].nunique()
    design = _DESIGN_WORDS[facts["design"]]
    of_inputs = f"{count} input{'' if count == 1 else 's'} ({design}, seed {facts['seed']})"
    lines = [f"Uncertainty of {shorten(found.name, 40)}: {len(found.samples)} samples of {of_inputs}"]
    statuses = {str(name).replace("_", " "): number for name, number in facts["statuses"].items()}
    lines.append("samples: " + ", ".join(f"{number} {name}" for name, number in statuses.items()))
    without = found.samples[found.samples[COST].isna()]
    if len(without):
        lines += _wrapped(
            f"{len(without)} samples have no plan; what follows is of the others, and says nothing of those:"
        )
        reasons = without["reason"].map(lambda text: " ".join(str(text).split())).value_counts()
        lines += [f"  {number} x {shorten(str(reason), 90)}" for reason, number in reasons.head(_REASONS_SHOWN).items()]
    lines += _wrapped(_solved_with(facts))
    if sentence := headline(found):
        lines += _wrapped(sentence)
    return lines


def _solved_with(facts: Mapping[str, Any]) -> str:
    slices, full = facts["slices_per_day"], facts["slices_of_scenario"]
    several = "" if slices == 1 else "s"
    text = f"solved with {slices} time slice{several} a day to a gap of {format_plain(100 * facts['mip_rel_gap'], 3)}%"
    if slices < full:
        text += (
            f"; the scenario has {full}: peaks that size capacity stay, the choice among hours is coarser "
            "(add --set time.slices_per_day=...)"
        )
    return text


def _row(title: str, cells: Sequence[str]) -> str:
    return f"{title:<{_TITLE}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)


def _table(found: Uncertainty) -> list[str]:
    lines = [_row("", _HEADS)]
    for row in found.distributions.to_dict("records"):
        figure = found.figure(row["figure"])
        cells = [figure.write(row[level]) for level in _LEVELS]
        lines.append(_row(shorten(f"{figure.title}, {figure.unit}", _TITLE - 1), cells))
    return lines


def _gaps(found: Uncertainty) -> list[str]:
    facts = found.facts
    if not math.isfinite(facts["mean_gap"]):
        return []
    text = f"gaps: {format_percent(facts['mean_gap'], 2)} on average, {format_percent(facts['largest_gap'], 2)} at most"
    share = facts["gap_share_of_sd"]
    if math.isfinite(share):
        text += f"; what they leave open of the cost is {format_percent(share, 0)} of its standard deviation"
        if share > WIDE_GAP_SHARE:
            text += (
                ": too much to take its dispersion for that of the inputs. Between the quantiles of the bound and of "
                "the cost lie those of the best plans; a smaller --mip-rel-gap brings them together"
            )
    lines = _wrapped(text + ".")
    if not facts["is_noise_known"]:
        return [*lines, "noise of the solver: not known, no sample was solved again with another seed."]
    table = found.distributions[found.distributions["figure"] != BOUND].merge(found.figures, on="figure")
    noisy = table[table["noise_share"] > NOISY_SHARE]
    rows = noisy.to_dict("records")
    told = [f"{escape_text(str(row['title']))} {format_percent(row['noise_share'], 0)}" for row in rows]
    if told:
        text = f"noise of the solver (plans within the gap differ): of the variance of {', '.join(told)}"
    else:
        text = f"noise of the solver: below {format_percent(NOISY_SHARE, 0)} of the variance of every figure"
    return [*lines, *_wrapped(f"{text}; from samples solved again with another seed.")]


def _drivers(found: Uncertainty) -> list[str]:
    lines = []
    titles = found.figures.set_index("figure")["title"]
    for figure, part in found.drivers[found.drivers["figure"] != BOUND].groupby("figure", sort=False):
        title, r2 = escape_text(str(titles[figure])), float(part["r2"].iloc[0])
        if part["rank_coefficient"].isna().all():
            continue
        told = part[part["is_significant"].astype(bool)].head(_SHOWN)
        names = [f"{escape_text(str(row.input))} {row.rank_coefficient:+.2f}" for row in told.itertuples()]
        poor = ", which tells only part: see first_order_index" if r2 < POOR_R2 else ""
        text = ", ".join(names) or "none of the inputs beyond accident"
        lines += _wrapped(f"  {title} (R2 {r2:.2f}{poor}): {text}")
    if not lines:
        return ["what decides: too few samples with a plan for the number of inputs"]
    plans, count = int(found.distributions["plans"].max()), found.inputs["input"].nunique()
    head = ["what decides each figure: standardized rank regression coefficients, significant at 5 %"]
    if plans < SAMPLES_PER_INPUT * count:
        head += _wrapped(
            f"  {plans} plans are few for {count} inputs: R2 flatters, and small coefficients are accidents"
        )
    return [*head, *lines]


def _places(found: Uncertainty) -> list[str]:
    used = found.data_centers[found.data_centers["used_share"] > 0]
    if used.empty:
        return []
    lines = [f"{'data center':<{_NAME}}{'region':<10}{'used in':>10}{'tokens, median':>18}{'5 % to 95 %':>20}"]
    for row in used.head(_PLACES_SHOWN).to_dict("records"):
        span = f"{format_percent(row['p05'])} to {format_percent(row['p95'])}"
        lines.append(
            f"{shorten(str(row['data_center']), _NAME - 1):<{_NAME}}{shorten(str(row['region']), 9):<10}"
            f"{format_percent(row['used_share'], 0):>10}{format_percent(row['p50']):>18}{span:>20}"
        )
    if len(used) > _PLACES_SHOWN:
        lines.append(f"... and {len(used) - _PLACES_SHOWN} more; {len(found.data_centers) - len(used)} are never used")
    elif len(used) < len(found.data_centers):
        lines.append(f"{len(found.data_centers) - len(used)} data centers are never used")
    return lines


def _inputs(found: Uncertainty) -> list[str]:
    lines = ["varied"]
    for name, rows in found.inputs.groupby("input", sort=False):
        first = rows.iloc[0]
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        ends = " to ".join(format_plain(float(first[end]), 4) for end in ("low", "high"))
        text = f"{shorten(str(first['key']), 62)} {ends}{more}, {first['shape']}"
        lines.append(f"  {shorten(str(name), _NAME - 1):<{_NAME}}{text}")
    idle = [escape_text(str(name)) for name in found.facts["idle"]]
    if idle:
        lines += _wrapped(f"  change nothing in this scenario, and were left out: {list_some(idle, 12)}")
    return lines

"""Uncertain inputs as plain text: distributions, what decides them, where work goes; 110 columns wide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from network_data.faults import escape_text
from optimizer.numbers import format_percent, format_plain, shorten
from optimizer.text.run import warn_of_case_slices
from optimizer.uncertainty.figures import BOUND, COST, Figure
from optimizer.uncertainty.result import QUANTILES, SAMPLES_PER_INPUT, Uncertainty, region_shares
from optimizer.words.amounts import counting
from optimizer.words.columns import ljust, rjust, wrap
from optimizer.words.sentences import join, join_some, retell, say, term

WIDTH = 110
_TITLE, _CELL, _NAME, _SHOWN, _PLACES_SHOWN, _REASONS_SHOWN = 44, 11, 20, 5, 12, 3
_LEVELS = ("as_stated", *QUANTILES)
_HEADS = ("as stated", "5 %", "25 %", "50 %", "75 %", "95 %")
# A figure is said to be noisy where the solver makes more of its variance than this, and a regression to tell little
# where it explains less of the ranks.
NOISY_SHARE, POOR_R2 = 0.1, 0.7
_LEAST_TOTAL = 0.01
# The dispersion of the cost is that of the inputs where the gaps are small beside it.
WIDE_GAP_SHARE = 0.25
_DESIGN_WORDS = {"latin": "Latin hypercube", "sobol": "Sobol sequence"}


def describe_uncertainty(found: Uncertainty) -> str:
    """Describe the result in lines of plain text."""
    with counting(found.samples[COST]):
        gaps = [line for note in gap_notes(found) for line in _wrapped(escape_text(note))]
        parts = [_head(found), _table(found), gaps, _drivers(found), _totals(found), _places(found), _inputs(found)]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def headline(found: Uncertainty) -> str:
    """Say in one sentence between what the share of the most uncertain region lies; empty without plans."""
    names = region_shares(found)
    if not names:
        return ""
    row = found.distribution(names[0])
    region = escape_text(term(names[0].partition(".")[2]))
    return say(
        "{region} serves {as_stated} of the tokens as stated, {p05} to {p95} in nine of ten samples.",
        region=region,
        as_stated=format_percent(row["as_stated"]),
        p05=format_percent(row["p05"]),
        p95=format_percent(row["p95"]),
    )


def cost_headline(found: Uncertainty) -> str:
    """Say in one sentence between what the cost lies; empty without plans."""
    row, cost = found.distribution(COST), found.figure(COST)
    if not row["plans"]:
        return ""
    as_stated, p05, p95 = (cost.write(row[level]) for level in ("as_stated", "p05", "p95"))
    return say(
        "The cost lies between {p05} and {p95} {unit} in nine of ten samples; as stated, solved alike, it is "
        "{as_stated}.",
        p05=p05,
        p95=p95,
        unit=cost.unit_text,
        as_stated=as_stated,
    )


def samples_and_inputs(found: Uncertainty) -> str:
    """Say how many samples of how many inputs were drawn, and how."""
    facts, count = found.facts, found.inputs["input"].nunique()
    inputs = say("1 input") if count == 1 else say("{count} inputs", count=count)
    design = say(_DESIGN_WORDS[facts["design"]])
    of_inputs = say("{inputs} ({design}, seed {seed})", inputs=inputs, design=design, seed=facts["seed"])
    return say("{samples} samples of {of_inputs}", samples=len(found.samples), of_inputs=of_inputs)


def slice_warning(found: Uncertainty) -> str | None:
    """Say which peaks the slices of the samples average away; None where they keep them."""
    planned = {case: result for case, result in found.results.items() if result.has_plan}
    return warn_of_case_slices({case: result.info.get("slicing") for case, result in planned.items()})


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH)


def _head(found: Uncertainty) -> list[str]:
    facts = found.facts
    lines = [say("Uncertainty of {name}: {text}", name=shorten(found.name, 40), text=samples_and_inputs(found))]
    statuses = {str(name).replace("_", " "): number for name, number in facts["statuses"].items()}
    lines.append(say("samples: {counts}", counts=join(f"{number} {retell(name)}" for name, number in statuses.items())))
    without = found.samples[found.samples[COST].isna()]
    if len(without):
        lines += _wrapped(
            say(
                "{without} samples have no plan; what follows is of the others, and says nothing of those:",
                without=len(without),
            )
        )
        reasons = without["reason"].map(lambda text: " ".join(str(text).split())).value_counts()
        lines += [
            f"  {number} x {shorten(retell(str(reason)), 90)}"
            for reason, number in reasons.head(_REASONS_SHOWN).items()
        ]
    lines += _wrapped(solved_with(facts))
    if (warning := slice_warning(found)) is not None:
        lines += _wrapped(say("warning: {text}", text=escape_text(warning)))
    if sentence := headline(found):
        lines += _wrapped(sentence)
    return lines


def solved_with(facts: Mapping[str, Any]) -> str:
    """Say how finely the samples were solved."""
    slices, full = facts["slices_per_day"], facts["slices_of_scenario"]
    gap = format_plain(100 * facts["mip_rel_gap"], 3)
    if slices == 1:
        text = say("solved with 1 time slice a day to a gap of {gap}%", gap=gap)
    else:
        text = say("solved with {slices} time slices a day to a gap of {gap}%", slices=slices, gap=gap)
    if slices < full:
        text += say(
            "; the scenario has {full}: the choice among hours is coarser (add --set time.slices_per_day=...)",
            full=full,
        )
    return text


def _row(title: str, cells: Sequence[str]) -> str:
    return ljust(title, _TITLE) + "".join(rjust(cell, _CELL) for cell in cells)


def _table(found: Uncertainty) -> list[str]:
    lines = [_row("", [say(head) for head in _HEADS])]
    for row in found.distributions.to_dict("records"):
        figure = found.figure(row["figure"])
        cells = [figure.write(row[level]) for level in _LEVELS]
        lines.append(_row(shorten(title_of(figure), _TITLE - 1), cells))
    return lines


def title_of(figure: Figure) -> str:
    """Write the title of a figure with its unit."""
    return say("{title}, {unit}", title=retell(figure.title), unit=figure.unit_text)


def gap_notes(found: Uncertainty) -> list[str]:
    """Say what the gaps leave open and what the solver adds by chance, a paragraph each."""
    facts = found.facts
    if not math.isfinite(facts["mean_gap"]):
        return []
    text = say(
        "gaps: {mean_gap} on average, {largest_gap} at most",
        mean_gap=format_percent(facts["mean_gap"], 2),
        largest_gap=format_percent(facts["largest_gap"], 2),
    )
    share = facts["gap_share_of_sd"]
    if math.isfinite(share):
        text += say(
            "; what they leave open of the cost is {share} of its standard deviation", share=format_percent(share, 0)
        )
        if share > WIDE_GAP_SHARE:
            text += say(
                ": too much to take its dispersion for that of the inputs. Between the quantiles of the bound and of "
                "the cost lie those of the best plans; a smaller --mip-rel-gap brings them together"
            )
    gaps = say("{text}.", text=text)
    if not facts["is_noise_known"]:
        return [gaps, say("noise of the solver: not known, no sample was solved again with another seed.")]
    table = found.distributions[found.distributions["figure"] != BOUND].merge(found.figures, on="figure")
    noisy = table[table["noise_share"] > NOISY_SHARE]
    rows = noisy.to_dict("records")
    told = [f"{retell(str(row['title']))} {format_percent(row['noise_share'], 0)}" for row in rows]
    if told:
        noise = say("noise of the solver (plans within the gap differ): of the variance of {told}", told=join(told))
    else:
        noise = say(
            "noise of the solver: below {share} of the variance of every figure",
            share=format_percent(NOISY_SHARE, 0),
        )
    return [gaps, say("{noise}; from samples solved again with another seed.", noise=noise)]


def _drivers(found: Uncertainty) -> list[str]:
    lines = []
    titles = found.figures.set_index("figure")["title"]
    for figure, part in found.drivers[found.drivers["figure"] != BOUND].groupby("figure", sort=False):
        title, r2 = escape_text(retell(str(titles[figure]))), float(part["r2"].iloc[0])
        if part["rank_coefficient"].isna().all():
            continue
        told = part[part["is_significant"].astype(bool)].head(_SHOWN)
        names = [f"{escape_text(str(row.input))} {row.rank_coefficient:+.2f}" for row in told.itertuples()]
        poor = say(", which tells only part: see first_order_index") if r2 < POOR_R2 else ""
        text = join(names) or say("none of the inputs beyond accident")
        lines += _wrapped(
            "  " + say("{title} (R2 {r2:.2f}{poor}): {drivers}", title=title, r2=r2, poor=poor, drivers=text)
        )
    if not lines:
        return [say("what decides: too few samples with a plan for the number of inputs")]
    plans, count = int(found.distributions["plans"].max()), found.inputs["input"].nunique()
    head = [say("what decides each figure: standardized rank regression coefficients, significant at 5 %")]
    if plans < SAMPLES_PER_INPUT * count:
        head += _wrapped(
            "  "
            + say(
                "{plans} plans are few for {count} inputs: R2 flatters, and small coefficients are accidents",
                plans=plans,
                count=count,
            )
        )
    return [*head, *lines]


def _totals(found: Uncertainty) -> list[str]:
    lines, unknown = [], []
    titles = found.figures.set_index("figure")["title"]
    for figure, part in found.drivers[found.drivers["figure"] != BOUND].groupby("figure", sort=False):
        title, r2 = escape_text(retell(str(titles[figure]))), float(part["surrogate_r2"].iloc[0])
        if not r2 >= POOR_R2:
            unknown += [] if math.isnan(r2) else [f"{title} ({format_percent(max(r2, 0.0), 0)})"]
            continue
        told = part.nlargest(_SHOWN, "total_index")
        names = [
            f"{escape_text(str(row.input))} {row.total_index:.2f}"
            for row in told.itertuples()
            if float(row.total_index) >= _LEAST_TOTAL  # type: ignore[arg-type]
        ]
        predicted = format_percent(r2, 0)
        lines += _wrapped(
            "  " + say("{title} (predicts {share}): {drivers}", title=title, share=predicted, drivers=join(names))
        )
    if not lines and not unknown:
        return []
    head = say(
        "total indices: share of the variance in which an input has a part, of a polynomial fitted to the samples"
    )
    rest = "  " + say("too little of samples left out is predicted of: {figures}", figures=join(unknown))
    return [*_wrapped(head), *lines, *(_wrapped(rest) if unknown else [])]


def _places(found: Uncertainty) -> list[str]:
    used = found.data_centers[found.data_centers["used_share"] > 0]
    if used.empty:
        return []
    lines = [
        ljust(say("data center"), _NAME)
        + ljust(say("region"), 10)
        + rjust(say("used in"), 10)
        + rjust(say("tokens, median"), 18)
        + rjust(say("5 % to 95 %"), 20)
    ]
    for row in used.head(_PLACES_SHOWN).to_dict("records"):
        span = join([format_percent(row["p05"]), format_percent(row["p95"])], " to ")
        lines.append(
            ljust(shorten(str(row["data_center"]), _NAME - 1), _NAME)
            + ljust(shorten(term(str(row["region"])), 9), 10)
            + rjust(format_percent(row["used_share"], 0), 10)
            + rjust(format_percent(row["p50"]), 18)
            + rjust(span, 20)
        )
    if len(used) > _PLACES_SHOWN:
        lines.append(
            say(
                "... and {more} more; {unused} are never used",
                more=len(used) - _PLACES_SHOWN,
                unused=len(found.data_centers) - len(used),
            )
        )
    elif len(used) < len(found.data_centers):
        lines.append(say("{unused} data centers are never used", unused=len(found.data_centers) - len(used)))
    return lines


def _inputs(found: Uncertainty) -> list[str]:
    lines = [say("varied")]
    for name, rows in found.inputs.groupby("input", sort=False):
        first = rows.iloc[0]
        more = " " + say("and {more} more", more=len(rows) - 1) if len(rows) > 1 else ""
        ends = join((format_plain(float(first[end]), 4) for end in ("low", "high")), " to ")
        text = f"{shorten(str(first['key']), 62)} {ends}{more}, {say(str(first['shape']))}"
        lines.append("  " + ljust(shorten(str(name), _NAME - 1), _NAME) + text)
    idle = [escape_text(str(name)) for name in found.facts["idle"]]
    if idle:
        lines += _wrapped(
            "  " + say("change nothing in this scenario, and were left out: {idle}", idle=join_some(idle, 12))
        )
    if sentence := left_out_sentence(found.facts):
        lines += _wrapped("  " + escape_text(sentence))
    return lines


def left_out_sentence(facts: Mapping[str, Any]) -> str:
    """Name the inputs whose range the policy of the scenario contradicts; empty where there are none."""
    named = [f"{name} ({key})" for name, key in (facts.get("left_out") or {}).items()]
    return (
        named
        and say("left out, as an end of the range contradicts the policy of the scenario: {inputs}", inputs=join(named))
    ) or ""

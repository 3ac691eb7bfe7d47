"""Ranges of indicators and alternative plans in words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from network_data.faults import escape_text
from optimizer.near_optimal.moves import must_move_share
from optimizer.numbers import NO_NUMBER, format_digits, format_million, format_percent
from optimizer.runs.share_ranges import RANGE_UNKNOWN, share_range
from optimizer.words.amounts import counting
from optimizer.words.columns import ljust, rjust, width_of
from optimizer.words.sentences import join, join_some, retell, say, term

if TYPE_CHECKING:
    from optimizer.near_optimal.alternatives import Alternatives

WHOLE_UNITS = ("", "pods")  # of counts


def format_value(value: float, unit: str) -> str:
    """Write a value of an indicator without its unit, a share in per cent."""
    if math.isinf(value) or math.isnan(value):
        return NO_NUMBER
    if unit in WHOLE_UNITS and value == round(value):
        return f"{value:,.0f}"
    return format_percent(value) if unit == "share" else format_digits(value)


def describe_share_range(ranges: pd.DataFrame, region: str) -> str:
    """Say between what the share of a region lies, or that this was not computed."""
    known = share_range(ranges, region)
    if known is None:
        return say(RANGE_UNKNOWN)
    least, most, slack = known
    return say(
        "{least} to {most} in all plans of up to {slack} more",
        least=format_percent(least),
        most=format_percent(most),
        slack=format_percent(slack, 2),
    )


def write_share(share: float | None, ranges: pd.DataFrame, region: str) -> str:
    """Write the share of a region, in brackets between what it lies where that was computed."""
    known, text = share_range(ranges, region), format_percent(share)
    return text if known is None else say(
        "{text} ({least} to {most})", text=text, least=format_percent(known[0]), most=format_percent(known[1])
    )  # fmt: skip


def write_must_move(moved: float | None, least: float | None) -> str:
    """Write the share of the tokens that moved, in brackets what of it must move where that is proved."""
    text = format_percent(moved)
    if least is None or math.isnan(least):
        return text
    return say("{text} ({least} must)", text=text, least=format_percent(least))


def describe_share_ranges(ranges: pd.DataFrame, regions: Iterable[str]) -> str:
    """Say in one line that shares are of one plan, and between what those of the regions lie where it was computed."""
    known, unknown = {region: describe_share_range(ranges, region) for region in regions}, say(RANGE_UNKNOWN)
    told = [f"{term(region)} {text}" for region, text in known.items() if text != unknown]
    return say("of this plan; {ranges}", ranges=join(told) or unknown)


def describe_must_move(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """Say how much must move between two runs, given the ranges of both."""
    least = must_move_share(first, second)
    if least is None:
        return say(
            "How much of it must move, and what merely did between these two plans: {unknown}",
            unknown=say(RANGE_UNKNOWN),
        )
    return say(
        "Of all tokens {least} must move (proved); what else did may not move in other plans",
        least=format_percent(least),
    )


def describe_ranges(table: pd.DataFrame) -> str:
    """Lay out the ranges of indicators: value, what was found, what is proved."""
    first = table.iloc[0]
    with counting([first["budget_cny_per_year"]]):
        head = say(
            "Over all plans of up to {budget} million CNY a year ({slack} above this one):",
            budget=format_million(first["budget_cny_per_year"]),
            slack=format_percent(first["slack_share"], 2),
        )
    rows: list[tuple[str, ...]] = [("", say("this plan"), say("found from"), say("to"), say("proved from"), say("to"))]
    for row in table.to_dict("records"):
        named = row["indicator"] + (f" ({retell(row['unit'])})" if row["unit"] not in {"", "share"} else "")
        values = (row[name] for name in ("value", "least_found", "most_found", "least_limit", "most_limit"))
        rows.append((escape_text(named), *(format_value(float(value), row["unit"]) for value in values)))
    note = say("Found: in plans that passed the independent check. Proved: no plan within the budget lies beyond.")
    return "\n".join([head, *_columns(rows), note])


def describe_alternatives(found: Alternatives) -> str:
    """Lay out the alternatives, and say which data centers are in all, some and none of them."""
    with counting(found.table["cost_cny_per_year"]):
        return _describe_alternatives(found)


def _describe_alternatives(found: Alternatives) -> str:
    rows: list[tuple[str, ...]] = [
        ("", say("million CNY"), say("more"), say("moved"), say("from the nearest"), say("open"))
    ]
    for row in found.table.to_dict("records"):
        nearest = NO_NUMBER if math.isnan(row["nearest_share"]) else format_percent(row["nearest_share"])
        more, moved = format_percent(row["more_share"], 2), format_percent(row["moved_share"])
        cost, count = format_million(row["cost_cny_per_year"]), str(row["open_data_centers"])
        rows.append((escape_text(retell(row["plan"].replace("_", " "))), cost, more, moved, nearest, count))
    places = found.places
    lines = [say("Alternatives: plans that serve the tokens elsewhere as far as their budget allows"), *_columns(rows)]
    for where, words in (("all", say("In every plan")), ("some", say("In some of them")), ("none", say("In none"))):
        names = [escape_text(name) for name in places.loc[places["is_in"] == where, "data_center"]]
        lines.append(
            say("{where}: {names}", where=words, names=join_some(names, 12) if names else say("no data center"))
        )
    lines.append(say("Moved: share of the tokens that the first plan serves elsewhere."))
    return "\n".join(lines)


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(width_of(row[n]) for row in rows) for n in range(len(rows[0]))]
    return [
        "  "
        + ljust(row[0], widths[0])
        + "".join("  " + rjust(cell, width) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]

"""Ranges of indicators and alternative plans in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from network_data.faults import escape_text
from optimizer.near_optimal.moves import must_move_share, share_range
from optimizer.numbers import NO_NUMBER, format_digits, format_million, format_percent, list_some

if TYPE_CHECKING:
    from optimizer.near_optimal.alternatives import Alternatives

WHOLE_UNITS = ("", "pods")  # of counts
RANGE_UNKNOWN = "range not computed: edwc range"


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
        return RANGE_UNKNOWN
    least, most, slack = known
    return f"{format_percent(least)} to {format_percent(most)} in all plans of up to {format_percent(slack, 2)} more"


def describe_must_move(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """Say how much must move between two runs, given the ranges of both."""
    least = must_move_share(first, second)
    if least is None:
        return f"How much of it must move, and what merely did between these two plans: {RANGE_UNKNOWN}"
    return f"Of all tokens {format_percent(least)} must move (proved); what else did may not move in other plans"


def describe_ranges(table: pd.DataFrame) -> str:
    """Lay out the ranges of indicators: value, what was found, what is proved."""
    first = table.iloc[0]
    head = (
        f"Over all plans of up to {format_million(first['budget_cny_per_year'])} million CNY a year "
        f"({format_percent(first['slack_share'], 2)} above this one):"
    )
    rows: list[tuple[str, ...]] = [("", "this plan", "found from", "to", "proved from", "to")]
    for row in table.to_dict("records"):
        named = row["indicator"] + (f" ({row['unit']})" if row["unit"] not in {"", "share"} else "")
        values = (row[name] for name in ("value", "least_found", "most_found", "least_limit", "most_limit"))
        rows.append((escape_text(named), *(format_value(float(value), row["unit"]) for value in values)))
    note = "Found: in plans that passed the independent check. Proved: no plan within the budget lies beyond."
    return "\n".join([head, *_columns(rows), note])


def describe_alternatives(found: Alternatives) -> str:
    """Lay out the alternatives, and say which data centers are in all, some and none of them."""
    rows: list[tuple[str, ...]] = [("", "million CNY", "more", "moved", "from the nearest", "open")]
    for row in found.table.to_dict("records"):
        nearest = NO_NUMBER if math.isnan(row["nearest_share"]) else format_percent(row["nearest_share"])
        more, moved = format_percent(row["more_share"], 2), format_percent(row["moved_share"])
        cost, count = format_million(row["cost_cny_per_year"]), str(row["open_data_centers"])
        rows.append((escape_text(row["plan"].replace("_", " ")), cost, more, moved, nearest, count))
    places = found.places
    lines = ["Alternatives: plans that serve the tokens elsewhere as far as their budget allows", *_columns(rows)]
    for where, words in (("all", "In every plan"), ("some", "In some of them"), ("none", "In none")):
        names = [escape_text(name) for name in places.loc[places["is_in"] == where, "data_center"]]
        lines.append(f"{words}: {list_some(names, 12) if names else 'no data center'}")
    lines.append("Moved: share of the tokens that the first plan serves elsewhere.")
    return "\n".join(lines)


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return [
        "  "
        + row[0].ljust(widths[0])
        + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]

"""A break-even map in words for a planner: at which price, or limit, what happens, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from network_data.faults import escape_text
from optimizer.number_text import NO_NUMBER, spell_percent
from optimizer.units import CNY_PER_MCNY

if TYPE_CHECKING:
    from optimizer.break_even_map import BreakEvenMap

_FACTORS = {"price": "energy price", "demand_charge": "demand charge", "token_price": "token price"}
_CARBON = ("carbon_price", "costs.carbon_price_cny_per_t")
_LIMIT = ".rtt_limit_ms"
_CLASSES = "workload_classes."
_LISTED = 12
_NOTED = 5
# A certified width below this share of the range is spelled as exact.
_EXACT_SHARE = 1e-6


def describe_break_even(found: BreakEvenMap) -> str:
    """
    Say where the plan changes and what happens there; a table of the intervals comes first.

    Parameters
    ----------
    found
        The map.
    """
    solves = len(found.points)
    head = f"Break-even map of {escape_text(found.parameter)} from {_number(found.low)} to {_number(found.high)}"
    lines = [
        f"{head}{_now(found)}, {solves} value{'' if solves == 1 else 's'} solved",
        *_interval_lines(found),
        "",
        *_sentences(found),
        *map(escape_text, found.notes[:_NOTED]),
    ]
    if len(found.notes) > _NOTED:
        lines.append(f"... and {len(found.notes) - _NOTED} more, in the table of intervals.")
    if found.is_complete:
        lines.append(describe_range(found))
    return "\n".join(lines)


def describe_range(found: BreakEvenMap) -> str:
    """
    Say how much a plan that was not found could save.

    Parameters
    ----------
    found
        The map.
    """
    if found.is_complete:
        from optimizer.price_table import spell_cny  # pandas is slow to import

        within = spell_cny(math.ceil(found.tolerance_cny))
        return f"No other plan could save more than {within} a year anywhere on the range."
    return "Other plans could still save something: what is left open is in the table."


def spell_parameter(parameter: str) -> str:
    """
    Say what a parameter is, with its unit.

    Parameters
    ----------
    parameter
        Its name.
    """
    name, _, selector = parameter.partition(".")
    if name in _FACTORS:
        return f"the {_FACTORS[name]}{f' of {escape_text(selector)}' if selector else ''} (1 = as it is)"
    if parameter in _CARBON:
        return "the carbon price (CNY/t)"
    if parameter.startswith(_CLASSES) and parameter.endswith(_LIMIT):
        return f"the RTT limit of {escape_text(parameter[len(_CLASSES) : -len(_LIMIT)])} (ms)"
    return escape_text(parameter)


def spell_value(parameter: str, value: float) -> str:
    """
    Spell a value of a parameter with what it is: `0.83 of today's energy price of west`.

    Parameters
    ----------
    parameter
        Its name.
    value
        Its value.
    """
    number, (name, _, selector) = _short(value), parameter.partition(".")
    if name in _FACTORS:
        return f"{number} of today's {_FACTORS[name]}{f' of {escape_text(selector)}' if selector else ''}"
    if parameter in _CARBON:
        return f"a carbon price of {number} CNY/t"
    if parameter.startswith(_CLASSES) and parameter.endswith(_LIMIT):
        return f"an RTT limit of {number} ms for {escape_text(parameter[len(_CLASSES) : -len(_LIMIT)])}"
    return f"{escape_text(parameter)} = {number}"


def _now(found: BreakEvenMap) -> str:
    at = found.reference_value
    return "" if math.isnan(at) else " (now without limit)" if math.isinf(at) else f" (now {_number(at)})"


def _interval_lines(found: BreakEvenMap) -> list[str]:
    """Print the table: costs and savings at both ends of each interval, where the tokens are."""
    if found.intervals.empty:
        return []
    shares = [name for name in found.intervals.columns if name.endswith("_share")]
    head = f"  {'from':>10} {'to':>10} {'million CNY a year':>21} {'saving':>17}"
    head += "".join(f" {escape_text(name.removesuffix('_share'))[:8]:>8}" for name in shares) + "  open"
    lines = [head]
    for row in found.intervals.to_dict("records"):
        cost = _span(row["cost_from_cny_per_year"], row["cost_to_cny_per_year"])
        saving = _span(row["saving_from_cny_per_year"], row["saving_to_cny_per_year"])
        places = [name for name in str(row["open_data_centers"]).split(", ") if name]
        line = f"  {_number(row['from']):>10} {_number(row['to']):>10} {cost:>21} {saving:>17}"
        line += "".join(f" {spell_percent(row[name]):>8}" for name in shares)
        lines.append(f"{line}  {len(places)}" if math.isfinite(row["cost_from_cny_per_year"]) else f"{line}  no plan")
    return lines


def _sentences(found: BreakEvenMap) -> list[str]:
    """Say each change of whole decisions; list the others by their values."""
    rows = found.break_points.to_dict("records")
    if not rows:
        if found.intervals.empty:
            return []
        if not math.isfinite(found.intervals["cost_from_cny_per_year"].iloc[0]):
            return ["No plan is possible anywhere on the range."]
        whole = f"from {_number(found.low)} to {_number(found.high)}"
        return [f"The plan is the same {whole}." if found.is_complete else f"No change of the plan was found {whole}."]
    told = [row for row in rows if row["kind"] != "routing"]
    lines = [_sentence(found, row) for row in told[:_LISTED]]
    if len(told) > _LISTED:
        lines.append(f"... and {len(told) - _LISTED} more, in the table of break points.")
    quiet = [_short(row["value"]) for row in rows if row["kind"] == "routing"]
    if quiet:
        more = f" and {len(quiet) - _LISTED} more values" if len(quiet) > _LISTED else ""
        lines.append(f"Only routes, places or hours of tokens change at {', '.join(quiet[:_LISTED])}{more}.")
    return lines


def _sentence(found: BreakEvenMap, row: Mapping[Hashable, Any]) -> str:
    """Say what happens when the parameter leaves its present value past a break point."""
    is_below = float(row["value"]) <= found.reference_value
    change = escape_text(str(row["change_back"] if is_below else row["change"]))
    where = "Below" if is_below else "From"
    # A step of a limit lies at its value: there the new candidates are in reach.
    onwards = "" if is_below else " on"
    return f"{where} {spell_value(found.parameter, float(row['value']))}{onwards}: {change} ({_certainty(found, row)})."


def _certainty(found: BreakEvenMap, row: Mapping[Hashable, Any]) -> str:
    low, high = _number(row["certified_low"]), _number(row["certified_high"])
    if not row["is_certain"]:
        return f"within the gap it may lie anywhere from {low} to {high}, or nowhere"
    if row["width"] <= _EXACT_SHARE * (found.high - found.low):
        return "exact"
    return f"proved to lie between {low} and {high}"


def _number(value: float) -> str:
    return f"{float(value):.6g}"


def _short(value: float) -> str:
    """Spell a number with four digits, without an exponent where it is large."""
    number = float(f"{float(value):.4g}")
    return f"{number:,.0f}" if abs(number) >= 1e4 else f"{number:g}"  # noqa: PLR2004


def _span(first: float, last: float) -> str:
    """Spell both ends in million CNY a year, once where they are the same."""
    if math.isnan(first) or not math.isfinite(first):
        return NO_NUMBER
    ends = [f"{value / CNY_PER_MCNY:,.{_digits(first, last)}f}" for value in (first, last)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _digits(first: float, last: float) -> int:
    """Decimals that show at least three figures of millions, up to six."""
    most = max(abs(first), abs(last)) / CNY_PER_MCNY
    return 1 if most >= 100 or most == 0 else min(6, 3 - math.floor(math.log10(most)))  # noqa: PLR2004

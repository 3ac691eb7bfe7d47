"""The answer to why a workload is served where it is, as plain text."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from network_data.faults import escape_text
from optimizer.duals import LIMIT_NAMES
from optimizer.forced_placement import ForcedPlacement
from optimizer.placement_record import ChosenPlace, PlacementExplanation
from optimizer.price_table import LEAST_VALUE_CNY, spell_cny
from optimizer.units import HOURS_PER_YEAR

DAY_H = 24.0
_LISTED = 40
_LISTED_PLACES = 12
_RENT_NAMES = LIMIT_NAMES | {
    "serve_where_deployed": "deployment",
    "pay_peak_power": "billed peak",
    "pay_contracted_power": "contracted power",
}


def describe_explanation(found: PlacementExplanation) -> str:
    """
    Print why a workload is served where it is.

    Parameters
    ----------
    found
        From `explain_placement`.
    """
    kinds = [
        name for name, holds in (("deferrable", found.is_deferrable), ("indivisible", found.is_indivisible)) if holds
    ]
    kind = f" ({', '.join(kinds)})" if kinds else ""
    lines = [f"{found.class_name} of {found.demand_hub}{kind}: {found.mtok_per_year:,.0f} million tokens a year"]
    if found.unserved_mtok_per_year > 0:
        lines.append(f"  {found.unserved_mtok_per_year:,.0f} million tokens a year are not served")
    lines += [f"  one more million tokens cost {found.cny_per_mtok:.4f} CNY", "", "Served in"]
    lines += [line for place in found.chosen for line in _chosen_lines(place)] or [
        "  no place: nothing of it is served"
    ]
    lines += ["", *_next_best_lines(found), "", *_blocked_lines(found)]
    if found.out_of_reach:
        lines += ["", f"Without a route or a fast enough accelerator: {', '.join(found.out_of_reach)}"]
    return "\n".join(escape_text(line) for line in lines)


def describe_workloads(table: pd.DataFrame) -> str:
    """
    Print the workloads of a run, dearest first.

    Parameters
    ----------
    table
        From `list_workloads`.
    """
    lines = [f"{'workload':<36}{'mtok/year':>14}{'CNY/mtok':>10}{'million CNY':>13}{'RTT ms':>8}  mostly in"]
    for row in table.head(_LISTED).to_dict("records"):
        price = "-" if math.isnan(row["cny_per_mtok"]) else f"{row['cny_per_mtok']:.4f}"
        cost = "-" if math.isnan(row["cny_per_year"]) else f"{row['cny_per_year'] / 1e6:.3f}"
        others = int(row["data_centers"]) - 1
        where = f"{row['data_center']} and {others} more" if others else str(row["data_center"])
        lines.append(
            f"{row['workload']:<36}{row['mtok_per_year']:>14,.0f}{price:>10}{cost:>13}{row['rtt_ms']:>8.1f}  {where}"
        )
    if len(table) > _LISTED:
        lines.append(f"and {len(table) - _LISTED} more; all with --json")
    lines.append("CNY/mtok is the price of one more million tokens; ask for one with --workload HUB/CLASS")
    return "\n".join(escape_text(line) for line in lines)


def _chosen_lines(place: ChosenPlace) -> list[str]:
    ways = "; ".join(str(route["nodes"]).replace(">", " > ") for route in place.routes)
    when = _hours_words(place.hours, place.hours_per_year)
    price = place.price
    own = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in price.own.items())
    rents = "; ".join(
        f"{_RENT_NAMES.get(name, name.replace('_', ' '))} {value:.4f}" for name, value in price.rents.items()
    )
    scarce = f"; and worth of what it uses up: {rents}" if rents else ""
    return [
        f"  {place.name} ({place.region}): {place.share:.1%}, {when}, RTT {place.rtt_ms:.1f} ms over {ways}",
        f"    {price.total_cny_per_mtok:.4f} CNY per million tokens: {own}{scarce}",
    ]


def _hours_words(hours: Mapping[str, list[tuple[float, float]]], hours_per_year: float) -> str:
    """Spell the stretches of hours: "all hours", "0-6 and 14-24 h", or by day."""
    days = {
        day: "all hours" if sum(end - start for start, end in stretches) >= DAY_H - 1e-6 else _stretches(stretches)
        for day, stretches in hours.items()
    }
    words = set(days.values())
    if len(words) == 1:
        text = words.pop()
        # Days on which nothing is served there are not named.
        return (
            text if text != "all hours" or hours_per_year >= HOURS_PER_YEAR - 1e-6 else f"{', '.join(days)}: all hours"
        )
    return "; ".join(f"{day} {text}" for day, text in days.items())


def _stretches(stretches: list[tuple[float, float]]) -> str:
    return f"{', '.join(f'{start:g}-{end:g}' for start, end in stretches)} h"


def _next_best_lines(found: PlacementExplanation) -> list[str]:
    best = found.next_best
    lines = []
    if best is None:
        why = "none of those tried can take all of it" if found.tried else "its limits leave it no other data center"
        lines.append(f"Next best: none; {why}")
    elif best.extra_cny_per_year is not None:
        extra = best.extra_cny_per_year
        per_mtok = f" ({extra / found.mtok_per_year:.4f} CNY per million tokens)" if found.mtok_per_year > 0 else ""
        lines += [f"Next best: {best.name}; {_extra_words(extra)}{per_mtok}", f"  {_method_words(best)}"]
    for other in found.tried:
        if other is best:
            continue
        if other.extra_cny_per_year is None:
            lines.append(f"  {other.name}: not possible, {other.obstacle}")
        else:
            changes = f" ({'; '.join(other.changes)})" if other.changes else ""
            lines.append(f"  {other.name}: {_extra_words(other.extra_cny_per_year)}{changes}")
    return lines


def _extra_words(extra_cny: float) -> str:
    if abs(extra_cny) < LEAST_VALUE_CNY:
        return "all of it there would cost the same"
    if extra_cny < 0:
        return (
            f"all of it there would cost {spell_cny(-extra_cny)} a year less: the plan is only good to within its gap"
        )
    return f"all of it there would cost {spell_cny(extra_cny)} a year more"


def _method_words(best: ForcedPlacement) -> str:
    if not best.changes:
        return "exact, with what is open, deployed and bought as it is and all else at its best again"
    return f"exact, with all else at its best again and these whole decisions changed: {'; '.join(best.changes)}"


def _blocked_lines(found: PlacementExplanation) -> list[str]:
    if not found.blocked:
        return ["No other data center would serve it at less cost of its own."]
    lines = ["Cheaper on their own cost, and what blocks them"]
    for place in found.blocked[:_LISTED_PLACES]:
        lines.append(
            f"  {place.name}: {place.own_cny_per_mtok:.4f} CNY per million tokens, "
            f"{place.cheaper_by_cny_per_mtok:.4f} less, RTT {place.rtt_ms:.1f} ms"
        )
        lines += [f"    {reason.text}" for reason in place.reasons]
    more = len(found.blocked) - _LISTED_PLACES
    return [*lines, f"  and {more} more"] if more > 0 else lines

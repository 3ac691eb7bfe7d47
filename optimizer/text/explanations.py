"""Plain text and JSON of `edwc explain`, and plain text of `edwc why`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from network_data.faults import escape_text
from optimizer.model.equations import EQUATIONS
from optimizer.numbers import format_cny
from optimizer.sensitivity.placement import ChosenPlace, ForcedPlacement, PlacementExplanation
from optimizer.sensitivity.price_table import LEAST_VALUE_CNY
from optimizer.units import HOURS_PER_YEAR

if TYPE_CHECKING:
    from optimizer.infeasibility.changes import ChangeItem
    from optimizer.infeasibility.explain import Explanation
    from optimizer.infeasibility.search import Option

_LISTED = 12
_STATUS = {
    "feasible": "feasible: a plan that keeps every limit is known",
    "infeasible": "infeasible",
    "undecided": "undecided: the time limit was reached, or a stop was requested, before a plan or a proof was found",
}


def describe_explanation(explanation: Explanation) -> str:
    """Say why a scenario has no plan and what would give it one, or how near its limits are."""
    lines = [f"Scenario {explanation.name} is {_STATUS[explanation.status]}"]
    if explanation.status == "feasible":
        return "\n".join([*lines, *_margin_lines(explanation)])
    if explanation.failures:
        lines += ["", "What every plan must meet, and this one cannot"]
        lines += _capped([f"  {condition.name}: {condition.message}" for condition in explanation.failures])
    elif explanation.conditions:
        lines += [
            "",
            "Total capacity, capacity within reach, sites and single places each pass alone: what fails is another",
            "limit, whole numbers, or several limits at once.",
        ]
    enough = [option for option in explanation.options if option.is_enough]
    if enough:
        lines += ["", "Any one of these changes would do, the smallest first; each was applied and a plan found"]
        for option in enough:
            lines += _option_lines(option)
    for option in explanation.options:
        if option.result == "unproved":
            lines += ["", "Needed at least, and not shown to be enough", *_option_lines(option)]
    for result, text in (("none", "Not enough alone, however much of it"), ("unfinished", "Not decided")):
        if titles := [option.title for option in explanation.options if option.result == result]:
            lines += ["", f"{text}: {', '.join(titles)}"]
    return "\n".join(escape_text(line) for line in lines)


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """Put an explanation into a form that JSON can hold."""
    return {
        "scenario": explanation.name,
        "status": explanation.status,
        "exit_code": explanation.exit_code,
        "is_complete": explanation.is_complete,
        "conditions": [vars(condition) for condition in explanation.conditions],
        "changes": [
            {
                "kinds": list(option.kinds),
                "title": option.title,
                "result": option.result,
                "change_share": option.change_share,
                "bound_share": option.bound_share,
                "items": [asdict(item) for item in option.items],
                "seconds": option.seconds,
            }
            for option in explanation.options
        ],
        "headroom": [vars(item) for item in explanation.margins],
        "seconds": explanation.seconds,
    }


def change_line(item: ChangeItem) -> str:
    """Put one line of a change into words."""
    note = f", {item.note}" if item.note else ""
    where, amount, then = item.where, item.amount, _value(item.then)
    states = f"({item.key}: {_value(item.now)} -> {then})"
    words = {
        "it_power": f"{amount:,.3f} MW more IT power at {where} {states}",
        "allow_purchase": f"buying pods allowed {states}{note}",
        "survive": f"the loss of a data center not survived {states}",
        "pods": f"{amount:,.0f} more pods of {where} (room for {_value(item.now)} -> {then})",
        "link_capacity": f"{amount:,.3f} Gbps more open to inference on {where} ({_value(item.now)} -> {then} Gbps)",
        "rtt_limit": f"{amount:,.2f} ms more round trip for {where} {states}{note}",
        "max_sites": f"{amount:,.0f} more data center(s) for {where} {states}",
        "min_share": f"{amount:.4f} less share that a deployment of {where} must take {states}",
        "min_accelerators": f"{amount:,.0f} fewer accelerators kept on for {where} {states}",
        "min_pods": f"{amount:,.0f} fewer pods kept of {where} {states}",
        "indivisible": f"work of {where} divided among data centers {states}",
        "unserved": f"up to {amount:,.2f} mtok/h of {where} left unserved{note.replace(',', '', 1)}",
        "region_share": f"{amount:.4f} less share of the tokens in {where} {states}",
        "green_share": f"{amount:.4f} less share of green power {states}",
        "carbon_cap": f"{amount:,.0f} t of CO2 a year more {states}",
        "utilization": f"{amount:.4f} less share of the year busy {states}",
        "investment": f"{amount:,.0f} CNY more investment {states}",
        "spending": f"{amount:,.0f} CNY a year more spending {states}",
    }
    return words.get(item.kind, f"{where} {states}{note}")


def _option_lines(option: Option) -> list[str]:
    size = f"{option.change_share:.2%} in all"
    if option.result == "proved":
        size += ", proved smallest"
    elif option.bound_share > 0:
        size += f", at least {option.bound_share:.2%} is needed"
    return [
        "",
        f"  {option.title}{_total(option)} ({size})",
        *_capped([f"    {change_line(item)}" for item in option.items]),
    ]


def _total(option: Option) -> str:
    """Sum up the lines of a change of one kind, where its amounts can be added: ": 12 pods in 3 places"."""
    unit = {item.unit for item in option.items if item.kind in {"it_power", "pods", "link_capacity"}}
    if len(option.kinds) != 1 or len(option.items) < 2 or len(unit) != 1:  # noqa: PLR2004 - more than one line
        return ""
    total, unit_name = sum(item.amount for item in option.items), next(iter(unit))
    return f": {total:,.10g} {unit_name} in {len(option.items)} places"


def _margin_lines(explanation: Explanation) -> list[str]:
    rows = []
    for item in explanation.margins:
        if math.isfinite(item.growth_share):
            held = f"; then full: {', '.join(item.held_by)}" if item.held_by else ""
            rows.append(f"  {item.name}: all demand could grow by {item.growth_share:.1%} ({item.when}{held})")
        else:
            rows.append(f"  {item.name}: demand is not what limits it")
    rows += [f"  {condition.name}: {condition.message}" for condition in explanation.conditions if condition.holds]
    return ["", "How near its limits are, every pod that may be bought counted", *rows] if rows else []


def _capped(lines: list[str]) -> list[str]:
    more = len(lines) - _LISTED
    return [*lines[:_LISTED], f"    and {more} more"] if more > 1 else lines


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


_DAY_H = 24.0
_LISTED_WORKLOADS = 40
_LISTED_PLACES = 12


def describe_placement(found: PlacementExplanation) -> str:
    """Say why a workload is served where it is."""
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
    """List the workloads of a run, from `list_workloads`."""
    lines = [f"{'workload':<36}{'mtok/year':>14}{'CNY/mtok':>10}{'million CNY':>13}{'RTT ms':>8}  mostly in"]
    for row in table.head(_LISTED_WORKLOADS).to_dict("records"):
        price = "-" if math.isnan(row["cny_per_mtok"]) else f"{row['cny_per_mtok']:.4f}"
        cost = "-" if math.isnan(row["cny_per_year"]) else f"{row['cny_per_year'] / 1e6:.3f}"
        others = int(row["data_centers"]) - 1
        where = f"{row['data_center']} and {others} more" if others else str(row["data_center"])
        lines.append(
            f"{row['workload']:<36}{row['mtok_per_year']:>14,.0f}{price:>10}{cost:>13}{row['rtt_ms']:>8.1f}  {where}"
        )
    if len(table) > _LISTED_WORKLOADS:
        lines.append(f"and {len(table) - _LISTED_WORKLOADS} more; all with --json")
    lines.append("CNY/mtok is the price of one more million tokens; --workload HUB/CLASS explains one")
    return "\n".join(escape_text(line) for line in lines)


def _chosen_lines(place: ChosenPlace) -> list[str]:
    ways = "; ".join(str(route["nodes"]).replace(">", " > ") for route in place.routes)
    when = _hours_words(place.hours, place.hours_per_year)
    price = place.price
    own = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in price.own.items())
    limit_prices = "; ".join(f"{EQUATIONS[name].price_of} {value:.4f}" for name, value in price.limit_prices.items())
    scarce = f"; and the price of what it uses up: {limit_prices}" if limit_prices else ""
    return [
        f"  {place.name} ({place.region}): {place.share:.1%}, {when}, RTT {place.rtt_ms:.1f} ms over {ways}",
        f"    {price.total_cny_per_mtok:.4f} CNY per million tokens: {own}{scarce}",
    ]


def _hours_words(hours: Mapping[str, list[tuple[float, float]]], hours_per_year: float) -> str:
    """Write the hours: "all hours", "0-6, 14-24 h", or by day."""
    days = {
        day: "all hours" if sum(end - start for start, end in stretches) >= _DAY_H - 1e-6 else _stretches(stretches)
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
    # A slice that ends on the next day ends at a time of day all the same: 23-14 h.
    ends = [(start, end - _DAY_H if end > _DAY_H else end) for start, end in stretches]
    return f"{', '.join(f'{start:g}-{end:g}' for start, end in ends)} h"


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
            f"all of it there would cost {format_cny(-extra_cny)} a year less: the plan is only good to within its gap"
        )
    return f"all of it there would cost {format_cny(extra_cny)} a year more"


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

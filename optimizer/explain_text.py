"""What `edwc explain` prints, and writes as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from network_data.faults import escape_text

if TYPE_CHECKING:
    from optimizer.change_lines import ChangeItem
    from optimizer.explain import Explanation
    from optimizer.options import Option

_LISTED = 12
_STATUS = {
    "feasible": "feasible: a plan that keeps every limit is known",
    "infeasible": "infeasible",
    "undecided": "undecided: the time limit struck, or a stop was asked for, before a plan or a proof was found",
}


def describe_explanation(explanation: Explanation) -> str:
    """
    Print why a scenario has no plan and what would give it one, or how near its limits are.

    Parameters
    ----------
    explanation
        From `explain_scenario`.
    """
    lines = [f"Scenario {explanation.name} is {_STATUS[explanation.status]}"]
    if explanation.status == "feasible":
        return "\n".join([*lines, *_headroom_lines(explanation)])
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
    """
    Put an explanation into a form that JSON can hold.

    Parameters
    ----------
    explanation
        From `explain_scenario`.
    """
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
        "headroom": [vars(item) for item in explanation.headroom],
        "seconds": explanation.seconds,
    }


def change_line(item: ChangeItem) -> str:
    """
    Put one line of a change into words.

    Parameters
    ----------
    item
        The line.
    """
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


def _headroom_lines(explanation: Explanation) -> list[str]:
    rows = []
    for item in explanation.headroom:
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

"""Plain text and JSON of `edwc explain`, and plain text of `edwc why`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from network_data.faults import escape_text
from optimizer.model.equations import EQUATIONS
from optimizer.numbers import format_cny, format_million
from optimizer.sensitivity.placement import ChosenPlace, ForcedPlacement, PlacementExplanation
from optimizer.sensitivity.price_table import LEAST_VALUE_CNY
from optimizer.units import HOURS_PER_YEAR
from optimizer.words.amounts import money_unit
from optimizer.words.columns import ljust, rjust
from optimizer.words.language import current_language
from optimizer.words.sentences import join, retell, say, term

if TYPE_CHECKING:
    from optimizer.infeasibility.changes import ChangeItem
    from optimizer.infeasibility.explain import Explanation
    from optimizer.infeasibility.relaxations import Condition
    from optimizer.infeasibility.search import Option

_LISTED = 12
_STATUS = {
    "feasible": "feasible: a plan that keeps every limit is known",
    "infeasible": "infeasible",
    "undecided": "undecided: the time limit was reached, or a stop was requested, before a plan or a proof was found",
}


def describe_explanation(explanation: Explanation) -> str:
    """Say why a scenario has no plan and what would give it one, or how near its limits are."""
    lines = [say("Scenario {name} is {status}", name=explanation.name, status=say(_STATUS[explanation.status]))]
    if explanation.status == "feasible":
        return "\n".join([*lines, *_margin_lines(explanation)])
    if explanation.failures:
        lines += ["", say("What every plan must meet, and this one cannot")]
        lines += _capped([_condition_line(condition) for condition in explanation.failures])
    elif explanation.conditions:
        lines += [
            "",
            say(
                "Total capacity, capacity within reach, sites and single places each pass alone: what fails is "
                "another\n"
                "limit, whole numbers, or several limits at once."
            ),
        ]
    enough = [option for option in explanation.options if option.is_enough]
    if enough:
        lines += ["", say("Any one of these changes would do, the smallest first; each was applied and a plan found")]
        for option in enough:
            lines += _option_lines(option)
    for option in explanation.options:
        if option.result == "unproved":
            lines += ["", say("Needed at least, and not shown to be enough"), *_option_lines(option)]
    for result, text in (("none", say("Not enough alone, however much of it")), ("unfinished", say("Not decided"))):
        if titles := [retell(option.title) for option in explanation.options if option.result == result]:
            lines += ["", say("{what}: {titles}", what=text, titles=join(titles))]
    return "\n".join(escape_text(line) for text in lines for line in text.split("\n"))


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
    note = say(", {note}", note=retell(item.note)) if item.note else ""
    where, amount, then = retell(item.where), item.amount, _value(item.then)
    states = say(" ({key}: {now} -> {then})", key=item.key, now=_value(item.now), then=then)
    words = {
        "it_power": say("{amount:,.3f} MW more IT power at {where}{states}", amount=amount, where=where, states=states),
        "allow_purchase": say("buying pods allowed{states}{note}", states=states, note=note),
        "survive": say("the loss of a data center not survived{states}", states=states),
        "pods": say(
            "{amount:,.0f} more pods of {where} (room for {now} -> {then})",
            amount=amount,
            where=where,
            now=_value(item.now),
            then=then,
        ),
        "link_capacity": say(
            "{amount:,.3f} Gbps more open to inference on {where} ({now} -> {then} Gbps)",
            amount=amount,
            where=where,
            now=_value(item.now),
            then=then,
        ),
        "rtt_limit": say(
            "{amount:,.2f} ms more round trip for {where}{states}{note}",
            amount=amount,
            where=where,
            states=states,
            note=note,
        ),
        "max_sites": say(
            "{amount:,.0f} more data center(s) for {where}{states}", amount=amount, where=where, states=states
        ),
        "min_share": say(
            "{amount:.4f} less share that a deployment of {where} must take{states}",
            amount=amount,
            where=where,
            states=states,
        ),
        "min_accelerators": say(
            "{amount:,.0f} fewer accelerators kept on for {where}{states}", amount=amount, where=where, states=states
        ),
        "min_pods": say("{amount:,.0f} fewer pods kept of {where}{states}", amount=amount, where=where, states=states),
        "indivisible": say("work of {where} divided among data centers{states}", where=where, states=states),
        "unserved": say(
            "up to {amount:,.2f} mtok/h of {where} left unserved{note}",
            amount=amount,
            where=where,
            note=say(" {note}", note=retell(item.note)) if item.note else "",
        ),
        "region_share": say(
            "{amount:.4f} less share of the tokens in {where}{states}", amount=amount, where=where, states=states
        ),
        "new_compute": say(
            "{amount:.4f} less share of the compute bought in {where}{states}",
            amount=amount,
            where=where,
            states=states,
        ),
        "green_share": say("{amount:.4f} less share of green power{states}", amount=amount, states=states),
        "carbon_cap": say("{amount:,.0f} t of CO2 a year more{states}", amount=amount, states=states),
        "utilization": say("{amount:.4f} less share of the year busy{states}", amount=amount, states=states),
        "investment": say("{amount:,.0f} CNY more investment{states}", amount=amount, states=states),
        "spending": say("{amount:,.0f} CNY a year more spending{states}", amount=amount, states=states),
    }
    return words.get(item.kind, f"{where}{states}{note}")


def _condition_line(condition: Condition) -> str:
    return "  " + say("{what}: {text}", what=retell(condition.name), text=retell(condition.message))


def _option_lines(option: Option) -> list[str]:
    size = say("{change_share:.2%} in all", change_share=option.change_share)
    if option.result == "proved":
        size += say(", proved smallest")
    elif option.bound_share > 0:
        size += say(", at least {bound_share:.2%} is needed", bound_share=option.bound_share)
    return [
        "",
        "  " + say("{title}{total} ({size})", title=retell(option.title), total=_total(option), size=size),
        *_capped([f"    {change_line(item)}" for item in option.items]),
    ]


def _total(option: Option) -> str:
    """Sum up the lines of a change of one kind, where its amounts can be added: ": 12 pods in 3 places"."""
    unit = {item.unit for item in option.items if item.kind in {"it_power", "pods", "link_capacity"}}
    if len(option.kinds) != 1 or len(option.items) < 2 or len(unit) != 1:  # noqa: PLR2004 - more than one line
        return ""
    total, unit_name = sum(item.amount for item in option.items), next(iter(unit))
    return say(
        ": {total:,.10g} {unit} in {places} places", total=total, unit=retell(unit_name), places=len(option.items)
    )


def _margin_lines(explanation: Explanation) -> list[str]:
    rows = []
    for item in explanation.margins:
        if math.isfinite(item.growth_share):
            held = say("; then full: {held_by}", held_by=join(map(retell, item.held_by))) if item.held_by else ""
            rows.append(
                "  "
                + say(
                    "{name}: all demand could grow by {growth_share:.1%} ({when}{held})",
                    name=retell(item.name),
                    growth_share=item.growth_share,
                    when=retell(item.when),
                    held=held,
                )
            )
        else:
            rows.append("  " + say("{name}: demand is not what limits it", name=retell(item.name)))
    rows += [_condition_line(condition) for condition in explanation.conditions if condition.holds]
    return ["", say("How near its limits are, every pod that may be bought counted"), *rows] if rows else []


def _capped(lines: list[str]) -> list[str]:
    more = len(lines) - _LISTED
    return [*lines[:_LISTED], "    " + say("and {more} more", more=more)] if more > 1 else lines


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
        say(name)
        for name, holds in (("deferrable", found.is_deferrable), ("indivisible", found.is_indivisible))
        if holds
    ]
    kind = say(" ({kinds})", kinds=join(kinds)) if kinds else ""
    lines = [
        say(
            "{class_name} of {demand_hub}{kind}: {mtok_per_year:,.0f} million tokens a year",
            class_name=retell(found.class_name),
            demand_hub=retell(found.demand_hub),
            kind=kind,
            mtok_per_year=found.mtok_per_year,
        )
    ]
    if found.unserved_mtok_per_year > 0:
        lines.append(
            "  "
            + say(
                "{unserved_mtok_per_year:,.0f} million tokens a year are not served",
                unserved_mtok_per_year=found.unserved_mtok_per_year,
            )
        )
    lines += [
        "  " + say("one more million tokens cost {cny_per_mtok:.4f} CNY", cny_per_mtok=found.cny_per_mtok),
        "",
        say("Served in"),
    ]
    lines += [line for place in found.chosen for line in _chosen_lines(place)] or [
        "  " + say("no place: nothing of it is served")
    ]
    lines += ["", *_next_best_lines(found), "", *_blocked_lines(found)]
    if found.out_of_reach:
        lines += [
            "",
            say(
                "Without a route or a fast enough accelerator: {out_of_reach}",
                out_of_reach=join(found.out_of_reach),
            ),
        ]
    return "\n".join(escape_text(line) for line in lines)


def describe_workloads(table: pd.DataFrame) -> str:
    """List the workloads of a run, from `list_workloads`."""
    lines = [
        ljust(say("workload"), 36)
        + rjust(say("mtok/year"), 14)
        + rjust(say("CNY/mtok"), 10)
        + rjust(say("million CNY"), 13)
        + rjust(say("RTT ms"), 8)
        + ("  " + say("mostly in"))
    ]
    for row in table.head(_LISTED_WORKLOADS).to_dict("records"):
        price = "-" if math.isnan(row["cny_per_mtok"]) else f"{row['cny_per_mtok']:.4f}"
        cost = "-" if math.isnan(row["cny_per_year"]) else _three_decimals(row["cny_per_year"])
        others = int(row["data_centers"]) - 1
        where = (
            say("{data_center} and {others} more", data_center=row["data_center"], others=others)
            if others
            else str(row["data_center"])
        )
        lines.append(
            ljust(row["workload"], 36)
            + f"{row['mtok_per_year']:>14,.0f}"
            + rjust(price, 10)
            + rjust(cost, 13)
            + f"{row['rtt_ms']:>8.1f}"
            + "  "
            + where
        )
    if len(table) > _LISTED_WORKLOADS:
        lines.append(say("and {more} more; all with --json", more=len(table) - _LISTED_WORKLOADS))
    lines.append(say("CNY/mtok is the price of one more million tokens; --workload HUB/CLASS explains one"))
    return "\n".join(escape_text(line) for line in lines)


def _three_decimals(cny: float) -> str:
    return f"{cny / money_unit():.3f}" if current_language() == "en" else format_million(cny)


def _chosen_lines(place: ChosenPlace) -> list[str]:
    ways = join((str(route["nodes"]).replace(">", " > ") for route in place.routes), "; ")
    when = _hours_words(place.hours, place.hours_per_year)
    price = place.price
    own = join(f"{term(name).replace('_', ' ')} {value:.4f}" for name, value in price.own.items())
    limit_prices = join(
        (f"{retell(EQUATIONS[name].price_of)} {value:.4f}" for name, value in price.limit_prices.items()), "; "
    )
    scarce = (
        say("; and the price of what it uses up: {limit_prices}", limit_prices=limit_prices) if limit_prices else ""
    )
    return [
        "  "
        + say(
            "{name} ({region}): {share:.1%}, {when}, RTT {rtt_ms:.1f} ms over {ways}",
            name=retell(place.name),
            region=term(place.region),
            share=place.share,
            when=when,
            rtt_ms=place.rtt_ms,
            ways=ways,
        ),
        "    "
        + say(
            "{total_cny_per_mtok:.4f} CNY per million tokens: {own}{scarce}",
            total_cny_per_mtok=price.total_cny_per_mtok,
            own=own,
            scarce=scarce,
        ),
    ]


def _hours_words(hours: Mapping[str, list[tuple[float, float]]], hours_per_year: float) -> str:
    """Write the hours: "all hours", "0-6, 14-24 h", or by day."""
    days = {
        day: say("all hours")
        if sum(end - start for start, end in stretches) >= _DAY_H - 1e-6
        else _stretches(stretches)
        for day, stretches in hours.items()
    }
    words = set(days.values())
    if len(words) == 1:
        text = words.pop()
        # Days on which nothing is served there are not named.
        return (
            text
            if text != say("all hours") or hours_per_year >= HOURS_PER_YEAR - 1e-6
            else say("{days}: all hours", days=join(days))
        )
    return join((f"{day} {text}" for day, text in days.items()), "; ")


def _stretches(stretches: list[tuple[float, float]]) -> str:
    # A slice that ends on the next day ends at a time of day all the same: 23-14 h.
    ends = [(start, end - _DAY_H if end > _DAY_H else end) for start, end in stretches]
    return say("{hours} h", hours=join(f"{start:g}-{end:g}" for start, end in ends))


def _next_best_lines(found: PlacementExplanation) -> list[str]:
    best = found.next_best
    lines = []
    if best is None:
        why = (
            say("none of those tried can take all of it")
            if found.tried
            else say("its limits leave it no other data center")
        )
        lines.append(say("Next best: none; {why}", why=why))
    elif best.extra_cny_per_year is not None:
        extra = best.extra_cny_per_year
        per_mtok = (
            say(" ({extra:.4f} CNY per million tokens)", extra=extra / found.mtok_per_year)
            if found.mtok_per_year > 0
            else ""
        )
        lines += [
            say(
                "Next best: {name}; {extra}{per_mtok}",
                name=retell(best.name),
                extra=_extra_words(extra),
                per_mtok=per_mtok,
            ),
            f"  {_method_words(best)}",
        ]
    for other in found.tried:
        if other is best:
            continue
        if other.extra_cny_per_year is None:
            lines.append(
                "  " + say("{name}: not possible, {obstacle}", name=retell(other.name), obstacle=retell(other.obstacle))
            )
        else:
            changes = say(" ({changes})", changes=join(map(retell, other.changes), "; ")) if other.changes else ""
            more = _extra_words(other.extra_cny_per_year)
            lines.append("  " + say("{name}: {extra}{changes}", name=retell(other.name), extra=more, changes=changes))
    return lines


def _extra_words(extra_cny: float) -> str:
    if abs(extra_cny) < LEAST_VALUE_CNY:
        return say("all of it there would cost the same")
    if extra_cny < 0:
        return say(
            "all of it there would cost {extra_cny} a year less: the plan is only good to within its gap",
            extra_cny=retell(format_cny(-extra_cny)),
        )
    return say("all of it there would cost {extra_cny} a year more", extra_cny=retell(format_cny(extra_cny)))


def _method_words(best: ForcedPlacement) -> str:
    if not best.changes:
        return say("exact, with what is open, deployed and bought as it is and all else at its best again")
    return say(
        "exact, with all else at its best again and these whole decisions changed: {changes}",
        changes=join(map(retell, best.changes), "; "),
    )


def _blocked_lines(found: PlacementExplanation) -> list[str]:
    if not found.blocked:
        return [say("No other data center would serve it at less cost of its own.")]
    lines = [say("Cheaper on their own cost, and what blocks them")]
    for place in found.blocked[:_LISTED_PLACES]:
        lines.append(
            "  "
            + say(
                "{name}: {own_cny_per_mtok:.4f} CNY per million tokens, {cheaper_by_cny_per_mtok:.4f} less, RTT "
                "{rtt_ms:.1f} ms",
                name=retell(place.name),
                own_cny_per_mtok=place.own_cny_per_mtok,
                cheaper_by_cny_per_mtok=place.cheaper_by_cny_per_mtok,
                rtt_ms=place.rtt_ms,
            )
        )
        lines += [f"    {retell(reason.text)}" for reason in place.reasons]
    more = len(found.blocked) - _LISTED_PLACES
    return [*lines, "  " + say("and {more} more", more=more)] if more > 0 else lines

"""Break-even maps, frontiers and returns on latency in words for a planner: what happens where, what is proved."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from network_data.faults import escape_text
from optimizer.comparison.frontier import Frontier
from optimizer.comparison.frontier_points import ALL_CLASSES, SAVINGS_PER_MS
from optimizer.comparison.latency_budgets import ENERGY_PER_MS, LatencyReturn
from optimizer.numbers import (
    NO_NUMBER,
    format_cny,
    format_digits,
    format_million,
    format_million_digits,
    format_number,
    format_percent,
    format_size,
)
from optimizer.runs.share_ranges import RANGE_UNKNOWN
from optimizer.words.amounts import money_unit
from optimizer.words.columns import ljust, rjust, width_of
from optimizer.words.language import current_language
from optimizer.words.sentences import join, retell, say, term

if TYPE_CHECKING:
    from optimizer.comparison.break_even_points import BreakEvenMap

_FACTORS = {"price": "energy price", "demand_charge": "demand charge", "token_price": "token price"}
_CARBON = ("carbon_price", "costs.carbon_price_cny_per_t")
_LIMIT = ".rtt_limit_ms"
_CLASSES = "workload_classes."
_LISTED = 12
_NOTED = 5

# A certified width below this share of the range is written as exact.
_EXACT_SHARE = 1e-6


def describe_break_even(found: BreakEvenMap) -> str:
    """Say where the plan changes and what happens there; a table of the intervals comes first."""
    solves = len(found.points)
    head = say(
        "Break-even map of {parameter} from {low} to {high}",
        parameter=escape_text(found.parameter),
        low=_number(found.low),
        high=_number(found.high),
    )
    lines = [
        say("{head}{now}, 1 value solved", head=head, now=_now(found))
        if solves == 1
        else say("{head}{now}, {solves} values solved", head=head, now=_now(found), solves=solves),
        *_interval_lines(found),
        "",
        *_sentences(found),
        *(escape_text(retell(note)) for note in found.notes[:_NOTED]),
    ]
    if len(found.notes) > _NOTED:
        lines.append(say("... and {more} more, in the table of intervals.", more=len(found.notes) - _NOTED))
    if found.is_complete:
        lines.append(describe_range(found))
    return "\n".join(lines)


def describe_range(found: BreakEvenMap) -> str:
    """Say how much a plan that was not found could save."""
    if found.is_complete:
        within = retell(format_cny(math.ceil(found.tolerance_cny)))
        return say("No other plan could save more than {within} a year anywhere on the range.", within=within)
    return say("Other plans could still save something: what is left open is in the table.")


def format_parameter(parameter: str) -> str:
    """Say what a parameter is, with its unit."""
    name, _, selector = parameter.partition(".")
    if name in _FACTORS:
        return say(
            "the {what} (1 = as it is)",
            what=_factor_words(name, selector),
        )
    if parameter in _CARBON:
        return say("the carbon price (CNY/t)")
    if parameter.startswith(_CLASSES) and parameter.endswith(_LIMIT):
        return say(
            "the RTT limit of {workload_class} (ms)",
            workload_class=escape_text(term(parameter[len(_CLASSES) : -len(_LIMIT)])),
        )
    return escape_text(parameter)


def format_value(parameter: str, value: float) -> str:
    """Write a value of a parameter with what it is: `0.83 of today's energy price of west`."""
    number, (name, _, selector) = _short(value), parameter.partition(".")
    if name in _FACTORS:
        return say(
            "{number} of today's {what}",
            number=number,
            what=_factor_words(name, selector),
        )
    if parameter in _CARBON:
        return say("a carbon price of {number} CNY/t", number=number)
    if parameter.startswith(_CLASSES) and parameter.endswith(_LIMIT):
        return say(
            "an RTT limit of {number} ms for {workload_class}",
            number=number,
            workload_class=escape_text(term(parameter[len(_CLASSES) : -len(_LIMIT)])),
        )
    return f"{escape_text(parameter)} = {number}"


def _factor_words(name: str, selector: str) -> str:
    what = say(_FACTORS[name])
    return say("{what} of {where}", what=what, where=escape_text(term(selector))) if selector else what


def _now(found: BreakEvenMap) -> str:
    at = found.reference_value
    return (
        "" if math.isnan(at) else say(" (now without limit)") if math.isinf(at) else say(" (now {at})", at=_number(at))
    )


def _interval_lines(found: BreakEvenMap) -> list[str]:
    """Print the table: costs and savings at both ends of each interval, where the tokens are."""
    if found.intervals.empty:
        return []
    shares = [name for name in found.intervals.columns if name.startswith("region_share.")]
    head = (
        "  "
        + rjust(say("from"), 10)
        + " "
        + rjust(say("to"), 10)
        + " "
        + rjust(say("million CNY a year"), 21)
        + " "
        + rjust(say("saving"), 17)
    )
    head += "".join(" " + rjust(escape_text(term(name.removeprefix("region_share.")))[:8], 8) for name in shares)
    head += "  " + say("open")
    lines = [head]
    for row in found.intervals.to_dict("records"):
        cost = _span(row["cost_from_cny_per_year"], row["cost_to_cny_per_year"])
        saving = _span(row["saving_from_cny_per_year"], row["saving_to_cny_per_year"])
        places = [name for name in str(row["open_data_centers"]).split(", ") if name]
        line = (
            "  "
            + rjust(_number(row["from"]), 10)
            + " "
            + rjust(_number(row["to"]), 10)
            + " "
            + rjust(cost, 21)
            + " "
            + rjust(saving, 17)
        )
        line += "".join(" " + rjust(format_percent(row[name]), 8) for name in shares)
        lines.append(
            f"{line}  {len(places)}" if math.isfinite(row["cost_from_cny_per_year"]) else f"{line}  {say('no plan')}"
        )
    return [*lines, "  " + _share_note()]


def _share_note() -> str:
    return say("Shares of regions are those of the plan of each row; {unknown}", unknown=say(RANGE_UNKNOWN))


def _sentences(found: BreakEvenMap) -> list[str]:
    """Say each change of decisions; list the others by their values."""
    rows = found.break_points.to_dict("records")
    if not rows:
        if found.intervals.empty:
            return []
        if not math.isfinite(found.intervals["cost_from_cny_per_year"].iloc[0]):
            return [say("No plan is possible anywhere on the range.")]
        what = say("The plan is the same") if found.is_complete else say("No change of the plan was found")
        return [say("{what} from {low} to {high}.", what=what, low=_number(found.low), high=_number(found.high))]
    listed = [row for row in rows if row["kind"] != "routing"]
    lines = [_sentence(found, row) for row in listed[:_LISTED]]
    if len(listed) > _LISTED:
        lines.append(say("... and {more} more, in the table of break points.", more=len(listed) - _LISTED))
    quiet = [_short(row["value"]) for row in rows if row["kind"] == "routing"]
    if quiet:
        more = " " + say("and {more} more values", more=len(quiet) - _LISTED) if len(quiet) > _LISTED else ""
        lines.append(
            say(
                "Only routes, places or hours of tokens change at {values}{more}.",
                values=join(quiet[:_LISTED]),
                more=more,
            )
        )
    return lines


def _sentence(found: BreakEvenMap, row: Mapping[Hashable, Any]) -> str:
    """Say what happens when the parameter leaves its present value past a break point."""
    is_below = float(row["value"]) <= found.reference_value
    change = escape_text(retell(str(row["change_back"] if is_below else row["change"])))
    value, certainty = format_value(found.parameter, float(row["value"])), _certainty(found, row)
    if is_below:
        return say("Below {value}: {change} ({certainty}).", value=value, change=change, certainty=certainty)
    # A step of a limit lies at its value: there the new candidates become possible.
    return say("From {value} on: {change} ({certainty}).", value=value, change=change, certainty=certainty)


def _certainty(found: BreakEvenMap, row: Mapping[Hashable, Any]) -> str:
    low, high = _number(row["certified_low"]), _number(row["certified_high"])
    if not row["is_certain"]:
        return say("within the gap it may lie anywhere from {low} to {high}, or nowhere", low=low, high=high)
    if row["width"] <= _EXACT_SHARE * (found.high - found.low):
        return say("exact")
    return say("proved to lie between {low} and {high}", low=low, high=high)


def _number(value: float) -> str:
    return f"{float(value):.6g}"


def _short(value: float) -> str:
    """Write a number with four digits, without an exponent where it is large."""
    number = float(f"{float(value):.4g}")
    return f"{number:,.0f}" if abs(number) >= 1e4 else f"{number:g}"  # noqa: PLR2004


def _span(first: float, last: float) -> str:
    """Write both ends in million CNY a year, once where they are the same."""
    if not math.isfinite(first):
        return NO_NUMBER
    if current_language() != "en":
        ends = [format_million(value) for value in (first, last)]
        return join(dict.fromkeys(ends), " to ")
    ends = [f"{value / money_unit():,.{_digits(first, last)}f}" for value in (first, last)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _digits(first: float, last: float) -> int:
    """Decimals that show at least three figures of millions, up to six."""
    most = max(abs(first), abs(last)) / money_unit()
    return 1 if most >= 100 or most == 0 else min(6, 3 - math.floor(math.log10(most)))  # noqa: PLR2004


_PARTS = ("cost_without_latency_cny_per_year", "energy_cny_per_year", "capital_cny_per_year")


def describe_frontier(frontier: Frontier) -> str:
    """Describe a frontier: its points, sizes without a plan, what each step saves, and what leaves its own region."""
    lines = _latency_head(frontier) if frontier.kind == "latency" else _carbon_head(frontier)
    lines += ["", *_points(frontier), *_reasons(frontier), "", *_steps(frontier), *_order(frontier)]
    if frontier.kind == "latency":
        lines += ["", *_relocation(frontier)]
    return "\n".join(lines)


def _latency_head(frontier: Frontier) -> list[str]:
    classes = escape_text(join(map(term, frontier.classes)))
    return [
        say("Cost against latency: one budget on the round trip of {classes}; no limit is loosened", classes=classes),
        "  "
        + say(
            "tightest budget under which every workload reaches a data center: {least_size} ms",
            least_size=format_size(frontier.least_size),
        ),
    ]


def _carbon_head(frontier: Frontier) -> list[str]:
    lines = [say("Cost against carbon: a cap on the yearly emissions, location-based; the last point is the reference")]
    if math.isfinite(frontier.least_size):
        lines.append(
            "  "
            + say(
                "no plan emits less than {least_size} t a year, whatever it costs",
                least_size=format_size(frontier.least_size),
            )
        )
    return lines


def _points(frontier: Frontier) -> list[str]:
    """List the points: what is proved of the cost, then the best known plan."""
    head = say("budget ms") if frontier.kind == "latency" else say("cap t/year")
    shares = [name for name in frontier.points if str(name).startswith("region_share.")]
    regions = [str(name).partition(".")[2] for name in shares]
    costs = [
        say("proved at least"),
        say("best plan"),
        say("gap"),
        say("without latency"),
        say("energy"),
        say("capital"),
    ]
    rows = [[head, *costs, say("mean ms"), say("worst ms"), say("carbon t"), *map(term, regions), ""]]
    for row in frontier.points.to_dict("records"):
        size = float(row[frontier.size_name])
        mean, worst = (row.get(f"{kind}_rtt_of_limited_ms", row.get(f"{kind}_rtt_ms")) for kind in ("mean", "worst"))
        rows.append(
            [
                format_size(size),
                format_million(row["least_cny_per_year"]),
                format_million(row["most_cny_per_year"]),
                format_percent(row["gap_share"], 2),
                *(format_million(row.get(part)) for part in _PARTS),
                format_number(mean, 1),
                format_number(worst, 1),
                format_number(row.get("carbon_t_per_year"), 0),
                *(format_percent(row.get(name), 1) for name in shares),
                _remark(row),
            ]
        )
    of_whom = say("; round trips of the classes under the budget") if frontier.kind == "latency" else ""
    return [
        "  " + say("million CNY a year{of_whom}; share of the tokens by region of the data center", of_whom=of_whom),
        *_align(rows),
        "  " + _share_note(),
    ]


def _remark(row: dict[Hashable, Any]) -> str:
    if row["plan_of"] == "":
        return retell(str(row["status"]))
    remarks = [say("dominated")] if row["is_dominated"] else []
    if row["plan_of"] != row["case"]:
        remarks.append(say("plan of {plan_of}", plan_of=row["plan_of"]))
    return join(remarks)


def _reasons(frontier: Frontier) -> list[str]:
    lines = []
    for row in frontier.points.to_dict("records"):
        if row["plan_of"] == "" and row["reason"]:
            first = str(row["reason"]).strip().splitlines()[0]
            lines.append(f"  {format_size(row[frontier.size_name])}: {escape_text(retell(first))}")
    return lines


def _steps(frontier: Frontier) -> list[str]:
    """List what each step saves per unit of limit released; no number where its sign is not proved."""
    if frontier.steps.empty:
        return []
    latency = frontier.kind == "latency"
    names = [f"{side}_{frontier.size_name}" for side in ("tighter", "looser")]
    per = [name for name in frontier.steps if str(name).endswith(("_per_ms", "_per_t"))]
    unit = say("million CNY a year per ms") if latency else say("CNY/t")
    write = format_million_digits if latency else format_digits
    what = say("What a millisecond of budget saves") if latency else say("What abating a tonne more costs")
    rows = [[say("from"), say("to"), unit, say("at least"), say("at most"), ""]]
    for row in frontier.steps.to_dict("records"):
        numbers = [write(float(row[name])) for name in per]
        rows.append([*(format_size(row[name]) for name in names), *numbers, retell(str(row["verdict"]))])
    return [what, *_align(rows)]


def _order(frontier: Frontier) -> list[str]:
    if frontier.pairs.empty:
        return []
    certain, count = int(frontier.pairs["is_certain"].sum()), len(frontier.pairs)
    return [
        "  "
        + say(
            "{certain} of {count} pairs of points are certainly ordered or equal; the rest lie within the gaps",
            certain=certain,
            count=count,
        )
    ]


def _relocation(frontier: Frontier) -> list[str]:
    """Lay out the share of the tokens that leaves its own region, a column for each budget."""
    table = frontier.relocatable
    if table.empty:
        return []
    lines = []
    for scope in ("region", "province"):
        wide = table.pivot_table(
            index="workload_class", columns=frontier.size_name, values=f"leaves_{scope}_share", sort=False
        )
        shown = wide if scope == "region" else wide.loc[[ALL_CLASSES]]
        rows = [[say("budget ms"), *(format_size(float(size)) for size in wide.columns)]]
        rows += [
            [_class_of(str(name)), *(format_percent(value, 1) for value in shown.loc[name])] for name in shown.index
        ]
        lines += [
            say("Relocatable demand: share of the tokens served that leave their own {scope}", scope=say(scope)),
            *_align(rows),
        ]
    lines.append("  " + say("of the best known plan: another one within the gap may send other classes away"))
    return lines


def _class_of(name: str) -> str:
    return say("all classes") if name == ALL_CLASSES else escape_text(term(name))


def describe_latency_return(found: LatencyReturn) -> str:
    """Describe the energy return on latency: classes by what a millisecond of their budget saves, then each step."""
    head = [
        say("class"),
        say("from ms"),
        say("to ms"),
        say("million CNY a year per ms"),
        say("energy alone"),
        say("at least"),
        say("at most"),
        "",
    ]
    ranking, steps = (table.to_dict("records") for table in (found.ranking, found.steps))
    rows = [
        _return_row(row, min(row["useful_limit_ms"], row["looser_budget_ms"]), _rank_remark(row)) for row in ranking
    ]
    by_step = [_return_row(row, row["looser_budget_ms"], retell(str(row["verdict"]))) for row in steps]
    lines = [
        say(
            "Energy return on latency: what a millisecond of one class's round-trip budget saves, all others as stated"
        ),
        "  " + say("from the tightest budget with a plan to the class's own limit (or the longest way in reach)"),
        *_align([head, *rows]),
        "",
        say("Step by step"),
        *_align([head, *by_step]),
    ]
    for row in found.points[found.points["plan_of"] == ""].to_dict("records"):
        reason = str(row["reason"]).strip().splitlines() or [str(row["status"])]
        where = say(
            "{workload_class} at {budget_ms} ms",
            workload_class=escape_text(term(str(row["workload_class"]))),
            budget_ms=format_size(row["budget_ms"]),
        )
        lines.append(f"  {where}: {escape_text(retell(reason[0]))}")
    return "\n".join(lines)


def _return_row(row: dict[Hashable, Any], to_ms: float, remark: str) -> list[str]:
    saving, least, most = (float(row[name]) for name in SAVINGS_PER_MS)
    numbers = (saving, float(row[ENERGY_PER_MS]), least, most)
    sizes = [format_size(row["tighter_budget_ms"]), format_size(to_ms)]
    return [escape_text(term(str(row["workload_class"]))), *sizes, *map(format_million_digits, numbers), remark]


def _rank_remark(row: dict[Hashable, Any]) -> str:
    if not row["is_certain"]:
        return retell(str(row["verdict"]))
    return say("certainly above all below") if row["is_above_next"] else ""


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set texts in columns: the first and last to the left, numbers to the right."""
    widths = [max(width_of(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  " + "  ".join(
            ljust(cell, width) if i in (0, last) else rjust(cell, width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]  # fmt: skip

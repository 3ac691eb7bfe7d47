"""What a frontier and a latency return say in the terminal."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

from network_data.faults import escape_text
from optimizer.frontier import Frontier
from optimizer.frontier_points import SAVINGS_PER_MS
from optimizer.number_text import spell_digits, spell_million, spell_number, spell_percent, spell_size
from optimizer.relocation import ALL_CLASSES
from optimizer.rtt_return import ENERGY_PER_MS, LatencyReturn
from optimizer.units import CNY_PER_MCNY

_PARTS = ("cost_without_latency_cny_per_year", "energy_cny_per_year", "capital_cny_per_year")


def describe_frontier(frontier: Frontier) -> str:
    """
    Print a frontier: its points, what is out of reach, what each step saves, and what leaves its own region.

    Parameters
    ----------
    frontier
        The frontier.
    """
    lines = _latency_head(frontier) if frontier.kind == "latency" else _carbon_head(frontier)
    lines += ["", *_points(frontier), *_reasons(frontier), "", *_steps(frontier), *_order(frontier)]
    if frontier.kind == "latency":
        lines += ["", *_relocation(frontier)]
    return "\n".join(lines)


def _latency_head(frontier: Frontier) -> list[str]:
    classes = escape_text(", ".join(frontier.classes))
    return [
        f"Cost against latency: one budget on the round trip of {classes}; no limit is loosened",
        f"  tightest budget under which every workload reaches a data center: {spell_size(frontier.least_size)} ms",
    ]


def _carbon_head(frontier: Frontier) -> list[str]:
    lines = ["Cost against carbon: a cap on the yearly emissions, location-based; the last point is the reference"]
    if math.isfinite(frontier.least_size):
        lines.append(f"  no plan emits less than {spell_size(frontier.least_size)} t a year, whatever it costs")
    return lines


def _points(frontier: Frontier) -> list[str]:
    """List the points: what is proved of the cost, then the best known plan."""
    head = "budget ms" if frontier.kind == "latency" else "cap t/year"
    shares = [name for name in frontier.points if str(name).startswith("region_share.")]
    regions = [str(name).partition(".")[2] for name in shares]
    costs = ["proved at least", "best plan", "gap", "without latency", "energy", "capital"]
    rows = [[head, *costs, "mean ms", "worst ms", "carbon t", *regions, ""]]
    for row in frontier.points.to_dict("records"):
        size = float(row[frontier.size_name])
        mean, worst = (row.get(f"{kind}_rtt_of_limited_ms", row.get(f"{kind}_rtt_ms")) for kind in ("mean", "worst"))
        rows.append(
            [
                spell_size(size),
                spell_million(row["least_cny_per_year"]),
                spell_million(row["most_cny_per_year"]),
                spell_percent(row["gap_share"], 2),
                *(spell_million(row.get(part)) for part in _PARTS),
                spell_number(mean, 1),
                spell_number(worst, 1),
                spell_number(row.get("carbon_t_per_year"), 0),
                *(spell_percent(row.get(name), 1) for name in shares),
                _remark(row),
            ]
        )
    of_whom = "; round trips of the classes under the budget" if frontier.kind == "latency" else ""
    return [f"  million CNY a year{of_whom}; share of the tokens by region of the data center", *_align(rows)]


def _remark(row: dict[Hashable, Any]) -> str:
    if row["plan_of"] == "":
        return str(row["status"])
    remarks = ["dominated"] if row["is_dominated"] else []
    if row["plan_of"] != row["case"]:
        remarks.append(f"plan of {row['plan_of']}")
    return ", ".join(remarks)


def _reasons(frontier: Frontier) -> list[str]:
    lines = []
    for row in frontier.points.to_dict("records"):
        if row["plan_of"] == "" and row["reason"]:
            first = str(row["reason"]).strip().splitlines()[0]
            lines.append(f"  {spell_size(row[frontier.size_name])}: {escape_text(first)}")
    return lines


def _steps(frontier: Frontier) -> list[str]:
    """List what each step saves per unit of limit released; no number where its sign is not proved."""
    if frontier.steps.empty:
        return []
    latency = frontier.kind == "latency"
    names = [f"{side}_{frontier.size_name}" for side in ("tighter", "looser")]
    per = [name for name in frontier.steps if str(name).endswith(("_per_ms", "_per_t"))]
    unit, scale = ("million CNY a year per ms", CNY_PER_MCNY) if latency else ("CNY/t", 1.0)
    what = "What a millisecond of budget saves" if latency else "What abating a tonne more costs"
    rows = [["from", "to", unit, "at least", "at most", ""]]
    for row in frontier.steps.to_dict("records"):
        numbers = [spell_digits(float(row[name]) / scale) for name in per]
        rows.append([*(spell_size(row[name]) for name in names), *numbers, str(row["verdict"])])
    return [what, *_align(rows)]


def _order(frontier: Frontier) -> list[str]:
    if frontier.pairs.empty:
        return []
    certain = int(frontier.pairs["is_certain"].sum())
    count = len(frontier.pairs)
    return [f"  {certain} of {count} pairs of points are certainly ordered or equal; the rest lie within the gaps"]


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
        rows = [["budget ms", *(spell_size(float(size)) for size in wide.columns)]]
        rows += [
            [escape_text(str(name)), *(spell_percent(value, 1) for value in shown.loc[name])] for name in shown.index
        ]
        lines += [f"Relocatable demand: share of the tokens served that leave their own {scope}", *_align(rows)]
    lines.append("  of the best known plan: another one within the gap may send other classes away")
    return lines


def describe_latency_return(found: LatencyReturn) -> str:
    """
    Print the energy return on latency: classes by what a millisecond of their budget saves, then each step.

    Parameters
    ----------
    found
        The return.
    """
    head = ["class", "from ms", "to ms", "million CNY a year per ms", "energy alone", "at least", "at most", ""]
    ranking, steps = (table.to_dict("records") for table in (found.ranking, found.steps))
    rows = [
        _return_row(row, min(row["useful_limit_ms"], row["looser_budget_ms"]), _rank_remark(row)) for row in ranking
    ]
    by_step = [_return_row(row, row["looser_budget_ms"], str(row["verdict"])) for row in steps]
    lines = [
        "Energy return on latency: what a millisecond of one class's round-trip budget saves, all others as stated",
        "  from the tightest budget with a plan to the class's own limit (or the longest way in reach)",
        *_align([head, *rows]),
        "",
        "Step by step",
        *_align([head, *by_step]),
    ]
    for row in found.points[found.points["plan_of"] == ""].to_dict("records"):
        reason = str(row["reason"]).strip().splitlines() or [str(row["status"])]
        where = f"{escape_text(str(row['workload_class']))} at {spell_size(row['budget_ms'])} ms"
        lines.append(f"  {where}: {escape_text(reason[0])}")
    return "\n".join(lines)


def _return_row(row: dict[Hashable, Any], to_ms: float, remark: str) -> list[str]:
    saving, least, most = (float(row[name]) / CNY_PER_MCNY for name in SAVINGS_PER_MS)
    numbers = (saving, float(row[ENERGY_PER_MS]) / CNY_PER_MCNY, least, most)
    sizes = [spell_size(row["tighter_budget_ms"]), spell_size(to_ms)]
    return [escape_text(str(row["workload_class"])), *sizes, *map(spell_digits, numbers), remark]


def _rank_remark(row: dict[Hashable, Any]) -> str:
    if not row["is_certain"]:
        return str(row["verdict"])
    return "certainly above all below" if row["is_above_next"] else ""


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Set texts in columns: the first and last to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  " + "  ".join(
            cell.ljust(width) if i in (0, last) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]  # fmt: skip

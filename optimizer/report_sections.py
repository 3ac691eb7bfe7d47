"""What a report says of a run first: its sentences and key numbers, cost, simple rules, power and price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.map_style import OTHER_COLOUR, PALETTE, format_amount, region_colours
from optimizer.number_text import spell_million, spell_percent
from optimizer.policy_results import describe_outcome
from optimizer.report_charts import (
    Chart,
    Table,
    heat_map,
    stacked_rows,
    time_columns,
    time_lines,
)
from optimizer.report_data import ReportData
from optimizer.run_text import ENDED, facts_of, why_no_plan, worth_of
from optimizer.solution import Termination

MILLION_CNY = "million CNY a year"
_POWER_COLOUR, _PRICE_COLOUR = "#0072B2", "#D55E00"
_LINE_COLOURS = (_PRICE_COLOUR, OTHER_COLOUR)


@dataclass(frozen=True)
class Tile:
    """A key number: what it is, the number, its unit, and a remark."""

    label: str
    value: str
    unit: str
    note: str


def title_of(data: ReportData) -> str:
    """
    Name the run.

    Parameters
    ----------
    data
        The run.
    """
    return f"Scenario {data.info['scenario'].get('name', '')} on network {data.info['network'].get('name', '')}"


def heading_of(data: ReportData) -> str:
    """
    Say in one sentence what the plan does and costs.

    Parameters
    ----------
    data
        The run.
    """
    tokens = format_amount(data.summary["tokens_per_day"])
    return f"Serving {tokens} tokens a day costs {spell_million(data.summary['total_cny_per_year'])} {MILLION_CNY}"


def lead_of(data: ReportData) -> list[str]:
    """
    Say what the optimization is worth, what is proved, and why the search ended where it did not prove enough.

    Parameters
    ----------
    data
        The run.
    """
    info, lead = data.info, []
    if info.get("baselines"):
        worth = worth_of(info["baselines"], data.summary["total_cny_per_year"])
        lead.append(
            worth.replace("the best of them", "the best of the simple rules").replace("of them", "of the rules")
        )
    bound, gap = info.get("bound_cny_per_year"), info.get("mip_rel_gap")
    if isinstance(bound, float) and isinstance(gap, float):
        least = spell_million(bound)
        lead.append(f"It is proved that no plan costs less than {least} million CNY (gap {spell_percent(gap, 2)}).")
    ended = str(info.get("termination"))
    if ended in set(Termination) and ended != Termination.OPTIMAL:
        lead.append(f"The search {ENDED[Termination(ended)]}.")
    return lead


def tiles_of(data: ReportData) -> list[Tile]:
    """
    Choose the key numbers.

    Parameters
    ----------
    data
        The run.
    """
    summary, info = data.summary, data.info
    price = f"{summary['cny_per_mtok']:.4f} CNY per million tokens"
    tiles = [Tile("Cost of the plan", spell_million(summary["total_cny_per_year"]), MILLION_CNY, price)]
    for item in info.get("baselines") or ():
        against = f"Against {item['name']}"
        if item["is_feasible"]:
            saved, of = (spell_million(item[f"{name}_cny_per_year"]) for name in ("saving", "total"))
            note = f"saves {saved} of {of} million CNY"
            tiles.append(Tile(against, spell_percent(item["saving_share"]), "less", note))
        else:
            tiles.append(Tile(against, "no plan", "", why_no_plan(item)))
    if isinstance(info.get("bound_cny_per_year"), float):
        bound = f"no plan costs less than {spell_million(info['bound_cny_per_year'])} million CNY"
        tiles.append(Tile("Proved gap", spell_percent(info.get("mip_rel_gap"), 2), "", bound))
    tiles += [_region_tile(summary), _carbon_tile(summary)]
    return tiles


def _region_tile(summary: Mapping[str, Any]) -> Tile:
    """Show the region that takes most work from others."""
    served, asked = summary["region_share"], summary["demand_region_share"]
    region = max(served, key=lambda name: served[name] - asked.get(name, 0.0), default="")
    note = f"of the tokens; {spell_percent(asked.get(region, 0.0))} are asked for there"
    return Tile(f"Served in the region {region}", spell_percent(served.get(region)), "", note)


def _carbon_tile(summary: Mapping[str, Any]) -> Tile:
    value, _, word = format_amount(summary["carbon_t_per_year"]).partition(" ")
    market = format_amount(summary["market_carbon_t_per_year"])
    return Tile("Carbon", value, f"{word} t CO₂ a year".strip(), f"location-based; market-based {market} t")


def facts_table(data: ReportData) -> Table:
    """
    List the numbers of the plan, and what it achieves of the policy.

    Parameters
    ----------
    data
        The run.
    """
    facts = facts_of(data.summary, data.info.get("market_value"))
    rows = [(name.capitalize(), text) for name, text in facts.items()]
    rows += [("Policy", describe_outcome(item)) for item in data.summary.get("policy") or ()]
    return Table(("What", "How much"), rows, words=(0, 1))


def cost_chart(data: ReportData) -> Chart:
    """
    Draw the cost of the plan and of the simple rules by component.

    Parameters
    ----------
    data
        The run.
    """
    summary = data.summary
    plans = [("This plan", "", summary)]
    for item in data.info.get("baselines") or ():
        note = "" if item["is_feasible"] else f" ({why_no_plan(item)})"
        plans.append((item["name"].capitalize(), note, item))
    totals: dict[str, float] = {}
    for _, _, plan in plans:
        for name, cny in plan["component_cny_per_year"].items():
            totals[name] = totals.get(name, 0.0) + abs(cny)
    order = sorted((name for name, cny in totals.items() if cny), key=lambda name: -totals[name])
    colours = dict(zip((words(name) for name in order), many_colours(len(order)), strict=True))
    rows = [
        (
            label,
            f"{spell_million(plan['total_cny_per_year'])}{note}",
            {words(name): plan["component_cny_per_year"].get(name, 0.0) for name in order},
        )
        for label, note, plan in plans
    ]
    cells = [
        (
            words(name).capitalize(),
            *(spell_million(plan["component_cny_per_year"].get(name, 0.0)) for _, _, plan in plans),
        )
        for name in order
    ]
    cells.append(("Total", *(spell_million(plan["total_cny_per_year"]) for _, _, plan in plans)))
    table = Table((f"Component, {MILLION_CNY}", *(label for label, _, _ in plans)), cells)
    sentence = "Total cost in million CNY a year, this plan above the plans of simple rules."
    name = ("cost-chart", "Cost beside simple rules", sentence)
    return stacked_rows(name, rows, colours, lambda cny: f"{spell_million(cny)} {MILLION_CNY}", table)


def cost_table(data: ReportData) -> Table:
    """
    List the cost by component, and how much of each rests on estimates.

    Parameters
    ----------
    data
        The run.
    """
    summary = data.summary
    total, guessed = summary["total_cny_per_year"], summary.get("estimate_share") or {}
    rows = [
        (
            words(name).capitalize(),
            spell_million(cny),
            spell_percent(cny / total if total else 0.0),
            spell_percent(guessed.get(name), 0),
        )
        for name, cny in summary["component_cny_per_year"].items()
        if cny
    ]
    rows.append(
        ("Total", spell_million(total), spell_percent(1.0 if total else 0.0), spell_percent(guessed.get("total"), 0))
    )
    return Table(("Cost", MILLION_CNY, "share", "on estimates"), rows)


def baseline_table(data: ReportData) -> Table:
    """
    List the simple rules beside the plan.

    Parameters
    ----------
    data
        The run.
    """
    regions = list(data.summary["region_share"])
    plan = ("This plan", spell_million(data.summary["total_cny_per_year"]), "", f"{data.summary['mean_rtt_ms']:.1f}")
    rows = [(*plan, *(spell_percent(data.summary["region_share"].get(region)) for region in regions))]
    for item in data.info.get("baselines") or ():
        saved = (
            f"{spell_million(item['saving_cny_per_year'])} = {spell_percent(item['saving_share'])}"
            if item["is_feasible"]
            else ""
        )
        shares = [spell_percent(item["region_share"].get(region)) for region in regions]
        name = item["name"].capitalize() + ("" if item["is_feasible"] else f" (not a plan: {why_no_plan(item)})")
        rtt = item["mean_rtt_ms"]
        row = (name, spell_million(item["total_cny_per_year"]), saved, "–" if rtt is None else f"{rtt:.1f}")
        rows.append((*row, *shares))
    return Table(("Plan", MILLION_CNY, "saving of this plan", "mean RTT, ms", *regions), rows)


def power_charts(data: ReportData) -> list[Chart]:
    """
    Draw power and price by hour, in all and by data center; nothing where neither the run nor its inputs tell them.

    Parameters
    ----------
    data
        The run.
    """
    if data.hourly is None:
        return []
    centers, power, price = data.tables.data_centers, data.hourly.power_mw, data.hourly.price_cny_per_mwh
    colours = region_colours(data.tables.data_centers, data.tables.demand_hubs)
    region = centers["region"].to_numpy(str)
    by_region = {name: power[:, region == name].sum(axis=1) for name in colours}
    by_region = {name: values for name, values in by_region.items() if values.any()}
    name = ("power-chart", "Power by hour and region", "Facility power of all data centers in each hour, by region.")
    kept = {name: colours[name] for name in by_region}
    charts = [time_columns(name, data.axis, by_region, kept, "MW")]

    drawn = power.sum(axis=1)
    with np.errstate(invalid="ignore"):
        paid = np.where(drawn > 0, (power * price).sum(axis=1) / drawn, np.nan)
    lines = {"paid by this plan": paid, "mean of all data centers": price.mean(axis=1)}
    name = (
        "price-chart",
        "Energy price paid by hour",
        "What the plan pays for energy, beside the mean price of all data centers, both under the prices of this run.",
    )
    charts.append(time_lines(name, data.axis, lines, dict(zip(lines, _LINE_COLOURS, strict=True)), "CNY/MWh"))

    order = np.argsort(-(np.array(data.axis.weight_h) @ power), kind="stable")
    order = order[power[:, order].any(axis=0)]
    names = [str(centers["name"].iloc[d]) for d in order]
    for values, kind, look in (
        (power, "power", (_POWER_COLOUR, "MW")), (price, "price", (_PRICE_COLOUR, "CNY/MWh"))
    ):  # fmt: skip
        title = f"{'Facility power' if kind == 'power' else 'Energy price'} by data center"
        about = "Data centers in use, the one that takes most energy on top."
        charts.append(heat_map((f"{kind}-map", title, about), names, data.axis, values[:, order].T, look))
    return charts


def words(name: str) -> str:
    """
    Write an id as words.

    Parameters
    ----------
    name
        The id.
    """
    return name.replace("_", " ")


def many_colours(count: int) -> list[str]:
    """
    Give each of some parts a colour; beyond the palette, tints of grey.

    Parameters
    ----------
    count
        Number of parts.
    """
    greys = ("#5F6B76", "#9AA5AF", "#C3CAD1", "#7B7F55")
    return [*PALETTE, *(greys[i % len(greys)] for i in range(max(0, count - len(PALETTE))))][:count]

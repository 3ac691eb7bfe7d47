"""The report of a run: one HTML page with sentences, key numbers, charts and tables, which needs no network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.drawing.colours import OTHER_COLOUR, POWER, PRICE, SAVES, assign_colours
from optimizer.maps.basemap import Outlines
from optimizer.near_optimal.moves import share_range
from optimizer.numbers import (
    format_million,
    format_number,
    format_percent,
    format_plain,
    million_writer,
    shorten,
)
from optimizer.report.charts import (
    MILLION_CNY,
    Chart,
    Span,
    Table,
    by_size,
    heat_map,
    hourly_of,
    span_rows,
    stacked_costs,
    time_axis,
    time_columns,
    time_lines,
    words,
)
from optimizer.report.map import map_data
from optimizer.report.page import render_page
from optimizer.runs.data_center_price import price_data_center
from optimizer.runs.metadata import changed_keys
from optimizer.runs.results import describe_limits, describe_outcome
from optimizer.runs.run import Run
from optimizer.sensitivity.price_table import LEAST_VALUE_CNY
from optimizer.solvers.control import Termination
from optimizer.text.data_center import (
    HOUR_COLUMNS,
    data_center_facts,
    data_center_heading,
    data_center_sections,
    hour_rows,
)
from optimizer.text.near_optimal import RANGE_UNKNOWN, describe_share_ranges, format_value
from optimizer.text.run import (
    ENDED,
    LATENCY_COLUMNS,
    describe_saving,
    facts_of,
    limited_classes,
    warn_of_slices,
    why_no_plan,
)
from optimizer.units import TOKENS_PER_MTOK
from optimizer.words.amounts import format_amount
from optimizer.words.language import speaking

_LINE_COLOURS = (PRICE, OTHER_COLOUR)
_CHANGE_CHARS = 80


@dataclass(frozen=True)
class Tile:
    """A key number: what it is, the number, its unit, and a remark."""

    label: str
    value: str
    unit: str
    note: str


@dataclass(frozen=True)
class Head:
    """The head of a page: the answer, what it rests on, and further key numbers, each less prominent than the last."""

    answers: Sequence[Tile]
    basis: Sequence[Tile]
    rest: Sequence[Tile]


def list_changes(changes: Sequence[str]) -> list[str]:
    """Shorten what differs from the scenario as it is stored, KEY=VALUE, for the head of a page."""
    return [shorten(text, _CHANGE_CHARS) for text in changes]


def end_sentence(text: str) -> str:
    """
    End a user's text with a full stop, so that another sentence may follow.

    Examples
    --------
    >>> end_sentence("As it is"), end_sentence("Really?"), end_sentence("")
    ('As it is.', 'Really?', '')
    """
    clean = text.strip()
    return f"{clean}." if clean and clean[-1] not in ".!?\u3002\uff01\uff1f" else clean


def _title_of(run: Run) -> str:
    """Name scenario and network of a run."""
    return f"Scenario {run.info['scenario'].get('name', '')} on network {run.info['network'].get('name', '')}"


def _heading_of(run: Run) -> str:
    """Summarize in one sentence what the plan does and costs, and what is proved of that."""
    tokens = format_amount(run.summary["tokens_per_day"])
    cost = f"Serving {tokens} tokens a day costs {format_million(run.summary['total_cny_per_year'])} {MILLION_CNY}"
    if _bound_of(run.info) is None:
        return f"{cost}; how much less it could cost is not proved"
    return f"{cost}, within {format_percent(run.info.get('mip_rel_gap'), 2)} of the least possible"


def _lead_of(run: Run) -> list[str]:
    """Write what the optimization saves in what, and why the search ended where it did not prove enough."""
    info, lead = run.info, []
    if info.get("baselines"):
        saving = describe_saving(info["baselines"], run.summary["total_cny_per_year"])
        saving = saving.replace("the best of them", "the best of the rules")
        lead.append(saving.replace("of them", "of the rules"))
    ended = str(info.get("termination"))
    if ended in set(Termination) and ended != Termination.OPTIMAL:
        lead.append(f"The search {ENDED[Termination(ended)]}.")
    if (warning := warn_of_slices(info.get("slicing"))) is not None:
        lead.append(f"Warning: {warning}")
    return lead


def _head_of(run: Run) -> Head:
    """Choose the key numbers, the answer first."""
    summary, fitting = run.summary, [item for item in run.info.get("baselines") or () if item["is_feasible"]]
    best = min(fitting, key=lambda item: item["total_cny_per_year"], default=None)
    basis = [_gap_tile(run.info), _region_tile(run)]
    share = (summary.get("estimate_share") or {}).get("total")
    if share is not None:
        basis.insert(
            0,
            Tile("On estimates", format_percent(share, 0), "of the cost", "prices marked as estimates, or not marked"),
        )
    rest = []
    if "full_cost_cny_per_year" in summary:
        note = f"{summary['full_cny_per_mtok']:.4f} CNY per million tokens, with the accelerators in use at the peak"
        rest.append(Tile("Full cost", format_million(summary["full_cost_cny_per_year"]), MILLION_CNY, note))
    rest += [_rule_tile(item) for item in run.info.get("baselines") or () if item is not best]
    rest.append(_carbon_tile(summary))
    return Head([_cost_tile(run), _saving_tile(run, best)], basis, rest)


def _bound_of(info: Mapping[str, Any]) -> float | None:
    """Find the proved bound on the cost; None where nothing is proved."""
    bound = info.get("bound_cny_per_year")
    return bound if isinstance(bound, float) and math.isfinite(bound) else None


def _cost_tile(run: Run) -> Tile:
    """Show the cost with what is proved of it."""
    summary, bound = run.summary, _bound_of(run.info)
    note = f"{summary['cny_per_mtok']:.4f} CNY per million tokens. "
    note += "How much less another plan may cost is not proved." if bound is None else (
        f"Proved: no plan costs less than {format_million(bound)}."
    )  # fmt: skip
    return Tile("Cost of what the plan decides", format_million(summary["total_cny_per_year"]), MILLION_CNY, note)


def _saving_tile(run: Run, best: Mapping[str, Any] | None) -> Tile:
    """Show what the plan saves against the best rule, and what the best possible plan would."""
    if best is None:
        return Tile(
            "Saving against the best rule", "–", "", "no rule keeps all limits: only the optimization gives a plan"
        )
    saving, bound = float(best["saving_cny_per_year"]), _bound_of(run.info)
    most = "" if bound is None else (
        f" Proved: no plan saves more than {format_million(best['total_cny_per_year'] - bound)}."
    )  # fmt: skip
    share = f"{MILLION_CNY}, {format_percent(best['saving_share'])}"
    note = f"{best['name'].capitalize()} costs {format_million(best['total_cny_per_year'])}.{most}"
    return Tile(f"Saving against the best rule, {best['name']}", format_million(saving), share, note)


def _gap_tile(info: Mapping[str, Any]) -> Tile:
    """Show how far the cost may lie above the least possible one."""
    bound = _bound_of(info)
    if bound is None:
        return Tile("Proved gap", "–", "", "nothing is proved of the least possible cost")
    note = f"the least possible cost lies between {format_million(bound)} and the cost of the plan"
    return Tile("Proved gap", format_percent(info.get("mip_rel_gap"), 2), "of the cost", note)


def _rule_tile(item: Mapping[str, Any]) -> Tile:
    """Show what a rule would cost more; that it is no plan where it is none."""
    against = f"Against {item['name']}"
    if not item["is_feasible"]:
        return Tile(against, "–", "no plan", why_no_plan(item))
    saved, of = (format_million(item[f"{name}_cny_per_year"]) for name in ("saving", "total"))
    return Tile(against, format_percent(item["saving_share"]), "less", f"saves {saved} of {of} million CNY")


def _region_tile(run: Run) -> Tile:
    """Show the region that takes most work from others; where other plans were examined, the range of its share."""
    served, demand = run.summary["region_share"], run.summary["demand_region_share"]
    region = max(served, key=lambda name: served[name] - demand.get(name, 0.0), default="")
    share, there = (
        format_percent(served.get(region)),
        f"{format_percent(demand.get(region, 0.0))} of the demand is there",
    )
    label, known = f"Served in the region {region}", share_range(run.ranges, region)
    if known is None:
        return Tile(label, share, "in this plan", f"{there}; other plans within the gap may differ, {RANGE_UNKNOWN}")
    least, most, slack = known
    note = f"in all plans of up to {format_percent(slack, 2)} more (proved), {share} in this one; {there}"
    return Tile(label, f"{format_percent(least)} to {format_percent(most)}", "", note)


def _carbon_tile(summary: Mapping[str, Any]) -> Tile:
    value, _, word = format_amount(summary["carbon_t_per_year"]).partition(" ")
    market = format_amount(summary["market_carbon_t_per_year"])
    return Tile("Carbon", value, f"{word} t CO₂ a year".strip(), f"location-based; market-based {market} t")


def _facts_table(run: Run) -> Table:
    """List the numbers of the plan, and what it achieves of the policy."""
    facts = facts_of(run.summary, run.info.get("market_value"), run.ranges)
    rows = [(name.capitalize(), text) for name, text in facts.items()]
    rows += [("Policy", describe_outcome(item)) for item in run.summary.get("policy") or ()]
    return Table(("What", "How much"), rows, words=(0, 1))


def _cost_chart(run: Run) -> Chart:
    """Draw the cost of the plan and of the simple rules by component."""
    summary = run.summary
    plans = [("This plan", "", summary)]
    for item in run.info.get("baselines") or ():
        note = "" if item["is_feasible"] else f" ({why_no_plan(item)})"
        plans.append((item["name"].capitalize(), note, item))
    write = million_writer(plan["total_cny_per_year"] for _, _, plan in plans)
    rows = [
        (label, f"{write(plan['total_cny_per_year'])}{note}", plan["component_cny_per_year"])
        for label, note, plan in plans
    ]
    cells = [
        (words(name).capitalize(), *(write(parts.get(name, 0.0)) for _, _, parts in rows))
        for name in by_size(parts for _, _, parts in rows)
    ]
    cells.append(("Total", *(write(plan["total_cny_per_year"]) for _, _, plan in plans)))
    table = Table((f"Component, {MILLION_CNY}", *(label for label, _, _ in plans)), cells)
    sentence = "Total cost in million CNY a year, this plan above those of the rules."
    return stacked_costs(("cost-chart", "Cost beside the rules", sentence), rows, table)


def _cost_table(run: Run) -> Table:
    """List the cost by component, and how much of each rests on estimates."""
    summary = run.summary
    total, guessed = summary["total_cny_per_year"], summary.get("estimate_share") or {}
    costs = {words(name).capitalize(): (name, cny) for name, cny in summary["component_cny_per_year"].items() if cny}
    rows, write = [], million_writer([total])
    for label, (name, cny) in (costs | {"Total": ("total", total)}).items():
        share = format_percent(cny / total if total else 0.0)
        rows.append((label, write(cny), share, format_percent(guessed.get(name), 0)))
    if "full_cost_cny_per_year" in summary:
        names = {
            "Accelerators in place, in use at the peak": summary["used_stock_capital_cny_per_year"],
            "Spare pods": summary["spare_pods"]["counted_cny_per_year"],
            "Full cost": summary["full_cost_cny_per_year"],
            "Note: full cost with the whole stock": summary["full_cost_with_whole_stock_cny_per_year"],
        }
        rows += [(label, write(cny), "", "") for label, cny in names.items()]
    return Table(("Cost", MILLION_CNY, "share", "on estimates"), rows)


def _baseline_table(run: Run) -> Table:
    """List the simple rules beside the plan."""
    regions = list(run.summary["region_share"])
    plan = ("This plan", format_million(run.summary["total_cny_per_year"]), "", f"{run.summary['mean_rtt_ms']:.1f}")
    rows = [(*plan, *(format_percent(run.summary["region_share"].get(region)) for region in regions))]
    for item in run.info.get("baselines") or ():
        name, saved = item["name"].capitalize(), ""
        if item["is_feasible"]:
            saved = f"{format_million(item['saving_cny_per_year'])} = {format_percent(item['saving_share'])}"
        else:
            name += f" (not a plan: {why_no_plan(item)})"
        shares = [format_percent(item["region_share"].get(region)) for region in regions]
        rtt = item["mean_rtt_ms"]
        row = (name, format_million(item["total_cny_per_year"]), saved, "–" if rtt is None else f"{rtt:.1f}")
        rows.append((*row, *shares))
    return Table(("Plan", MILLION_CNY, "saving of this plan", "mean RTT, ms", *regions), rows)


def ranges_table(run: Run) -> Table | None:
    """List between what figures lie over near-optimal plans; None where that was not computed."""
    if run.ranges.empty:
        return None
    rows = []
    for row in run.ranges.to_dict("records"):
        limits = (row[name] for name in ("value", "least_found", "most_found", "least_limit", "most_limit"))
        written = (format_value(float(value), row["unit"]) for value in limits)
        rows.append((row["indicator"], row["unit"], *written, format_percent(row["slack_share"], 2)))
    return Table(("Figure", "unit", "this plan", "found from", "to", "proved from", "to", "slack"), rows, words=(0, 1))


def _saving_table(run: Run) -> Table | None:
    """Split the saving against each rule by component; None where nothing compares or an older version made the run."""
    fitting = [item for item in run.info.get("baselines") or () if item.get("component_saving_cny_per_year")]
    if not fitting:
        return None
    splits = [item["component_saving_cny_per_year"] for item in fitting]
    write = million_writer(cny for split in splits for cny in split.values())
    rows = [(words(name).capitalize(), *(write(split.get(name, 0.0)) for split in splits)) for name in by_size(splits)]
    rows.append(("Saving", *(write(item["saving_cny_per_year"]) for item in fitting)))
    rows.append(("Of it on estimates", *(write(item["estimated_saving_cny_per_year"]) for item in fitting)))
    return Table((f"Saving against, {MILLION_CNY}", *(item["name"] for item in fitting)), rows)


def _power_charts(run: Run) -> list[Chart]:
    """Draw power and price by hour, in all and by data center; nothing where they are not known."""
    if (hourly := hourly_of(run)) is None:
        return []
    axis = time_axis(run.slices)
    centers, power, price = run.data_centers, hourly.power_mw, hourly.price_cny_per_mwh
    colours = assign_colours(run.regions)
    region = centers["region"].to_numpy(str)
    by_region = {name: power[:, region == name].sum(axis=1) for name in colours}
    by_region = {name: values for name, values in by_region.items() if values.any()}
    name = ("power-chart", "Power by hour and region", "Facility power of all data centers in each hour, by region.")
    kept = {name: colours[name] for name in by_region}
    charts = [time_columns(name, axis, by_region, kept, "MW")]

    drawn = power.sum(axis=1)
    with np.errstate(invalid="ignore"):
        paid = np.where(drawn > 0, (power * price).sum(axis=1) / drawn, np.nan)
    lines = {"paid by this plan": paid, "mean of all data centers": price.mean(axis=1)}
    name = (
        "price-chart",
        "Energy price paid by hour",
        "What the plan pays for energy, beside the mean price of all data centers, both under the prices of this run.",
    )
    charts.append(time_lines(name, axis, lines, dict(zip(lines, _LINE_COLOURS, strict=True)), "CNY/MWh"))

    order = np.argsort(-(np.array(axis.weight_h) @ power), kind="stable")
    order = order[power[:, order].any(axis=0)]
    names = [str(centers["name"].iloc[d]) for d in order]
    about = "Data centers in use, the one that takes most energy on top."
    name = ("power-map", "Facility power by data center", about)
    charts.append(heat_map(name, names, axis, power[:, order].T, (POWER, "MW")))
    name = ("price-map", "Energy price by data center", about)
    charts.append(heat_map(name, names, axis, price[:, order].T, (PRICE, "CNY/MWh")))
    return charts


# Keys of a scenario that are shown elsewhere on the page, or are no assumption.
_LEFT_OUT = {
    "loaded_price_cases",  # the overrides name them; as read, they hold paths of this machine
    "name", "description", "extends", "workload_classes", "profiles", "workloads", "price_series", "source_path",
    "file_hashes", "file_paths", "overrides", "workloads_path", "drop_classes",
}  # fmt: skip


def _limits_chart(run: Run) -> Chart | None:
    """Draw the value of each kind of limit at the margin; None where no limit has a price."""
    limits = {name: cny for name, cny in (run.info.get("limit_values_cny_per_year") or {}).items() if cny}
    if not limits:
        return None
    about = "What the plan would save if each limit vanished at its present price, million CNY a year."
    write = million_writer(limits.values())
    spans = [Span(limit[:1].upper() + limit[1:], write(cny), [(0.0, cny, SAVES)]) for limit, cny in limits.items()]
    table = Table(("Limit", f"value at the margin, {MILLION_CNY}"), [(span.label, span.note) for span in spans])
    chart = ("limits-chart", "Limits that made the difference", about)
    return span_rows(chart, spans, format_million, table, {}, from_zero=True)


def _price_sentences(run: Run) -> tuple[list[str], int]:
    """List what one more step of each limit saves, largest first, and count the limits that save nothing."""
    table = run.shadow_prices
    limits = table[table["kind"] != "token"]
    valued = limits[limits["value"].abs() >= LEAST_VALUE_CNY].sort_values("value", ascending=False, kind="stable")
    return [f"{text[:1].upper()}{text[1:]}." for text in valued["sentence"].astype(str)], len(limits) - len(valued)


def _token_table(run: Run) -> Table | None:
    """List what a million tokens more of each class cost; None where that was not computed."""
    table = run.shadow_prices
    by_class = table[(table["kind"] == "token") & ~table["id"].astype(str).str.contains("/")]
    if by_class.empty:
        return None
    ordered = by_class.sort_values("value", ascending=False, kind="stable")
    rows = [(words(str(name)), f"{value:.4f}") for name, value in zip(ordered["id"], ordered["value"], strict=True)]
    return Table(("Workload class", "CNY per million tokens more"), rows)


def latency_table(run: Run) -> Table | None:
    """List where the time to the first token goes; None where no class has a limit."""
    table = run.tables.get("latency")
    if table is None:
        return None
    rows = [
        (words(str(row["workload_class"])), *(format_number(float(row[column])) for column in LATENCY_COLUMNS.values()))
        for row in limited_classes(table).to_dict("records")
    ]
    return Table(("First token, ms", *LATENCY_COLUMNS), rows) if rows else None


def _center_table(run: Run) -> Table:
    """List the data centers: tokens, power, price, pods, and what each costs."""
    centers = run.tables["data_centers"].sort_values("mtok_per_year", ascending=False, kind="stable")
    rows = []
    for row in centers.to_dict("records"):
        tokens = format_amount(row["mtok_per_year"] * TOKENS_PER_MTOK / run.days_per_year)
        pods = " + ".join(format_number(row.get(f"{kind}_pods", 0), 0) for kind in ("existing", "new"))
        numbers = (row.get(name) for name in ("peak_it_power_mw", "mean_price_cny_per_mwh", "mean_rtt_ms"))
        cost = sum(value for name, value in row.items() if str(name).endswith("_cny_per_year") and value == value)  # noqa: PLR0124 - not NaN
        rows.append(
            (str(row["name"]), str(row["region"]), tokens if row["is_open"] else "not used", pods,
             *(format_number(math.nan if value is None else float(value)) for value in numbers), format_million(cost),
             str(row.get("confidence", "")))
        )  # fmt: skip
    columns = (
        "Data center", "region", "tokens a day", "pods there + new", "peak IT power, MW", "mean price, CNY/MWh",
        "mean RTT, ms", "million CNY a year", "confidence",
    )  # fmt: skip
    return Table(columns, rows, words=(0, 1, 8))


@dataclass(frozen=True)
class _About:
    """What is said of a data center when it is selected on the map."""

    heading: str
    facts: dict[str, str]
    sections: dict[str, list[str]]
    hours: Table | None


def _abouts(run: Run) -> list[_About]:
    """Say of each data center, in the order of the map, what `edwc price` says of it, without another solve."""
    found = []
    for center in run.data_centers.index:
        one = price_data_center(run, str(center), with_opening=False)
        table = Table(HOUR_COLUMNS, hour_rows(one)) if one.hours and one.mtok_per_year > 0 else None
        found.append(_About(data_center_heading(one), data_center_facts(one), data_center_sections(one), table))
    return found


def _assumption_table(run: Run) -> Table | None:
    """List the keys of the scenario; None without the inputs."""
    if run.lost_inputs:
        return None
    keys = {name: value for name, value in run.scenario.model_dump().items() if name not in _LEFT_OUT}
    return Table(("Key of the scenario", "value"), [(key, _format(value)) for key, value in _flat(keys)], words=(0, 1))


def _class_table(run: Run) -> Table | None:
    """List what is assumed of each workload class; None without the inputs."""
    if run.lost_inputs:
        return None
    columns = {
        "share of tokens": "share_of_tokens", "input tokens": "input_tokens", "output tokens": "output_tokens",
        "RTT limit, ms": "rtt_limit_ms", "first token, ms": "ttft_limit_ms", "may wait, h": "deferrable_h",
        "CNY per million tokens": "token_price_cny_per_mtok", "residency": "residency", "confidence": "confidence",
        "source": "source",
    }  # fmt: skip
    rows = []
    for name, workload in run.scenario.workload_classes.items():
        values = workload.model_dump()
        rows.append((f"{values['name']} ({name})", *(_format(values.get(column)) for column in columns.values())))
    return Table(("Workload class", *columns), rows, words=(0, 8, 9, 10)) if rows else None


def _source_table(run: Run) -> Table | None:
    """List where the figures of the data centers come from; None without the inputs."""
    if run.lost_inputs:
        return None
    centers = run.network.data_centers
    columns = ["name", "it_capacity_mw", "pue", "tariff", "confidence", "source"]
    rows = [tuple(_format(value) for value in row) for row in centers[columns].itertuples(index=False)]
    return Table(("Data center", "IT capacity, MW", "PUE", "tariff", "confidence", "source"), rows, words=(0, 3, 4, 5))


def _confidence_sentence(run: Run) -> str:
    """Write how much of the cost rests on estimates."""
    share = (run.summary.get("estimate_share") or {}).get("total")
    if share is None:
        return "How much of the cost rests on estimates was not worked out for this run."
    return (
        f"{format_percent(share, 0)} of the cost rests on estimates: on rows of the input whose price is marked as an "
        "estimate, or not marked. The rest is official or reported. Quantities, such as the demand of a metro, are not "
        "judged here."
    )


def _version_line(run: Run) -> str:
    """Name the versions and the method in one sentence."""
    versions = ", ".join(f"{name} {_format(number)}" for name, number in (run.info.get("versions") or {}).items())
    seconds = sum((run.info.get("seconds") or {}).values())
    return f"Solved in {format_number(seconds, 0)} s by the method {run.info.get('method', '')}. {versions}.".strip()


def _warning_table(run: Run) -> Table | None:
    """List what is allowed but hardly meant in the inputs; None if nothing is."""
    columns = ("file", "row", "column", "value", "problem", "remedy")
    rows = [tuple(_format(item.get(name)) for name in columns) for item in run.info.get("warnings") or ()]
    return Table(columns, rows, words=(0, 2, 3, 4, 5)) if rows else None


def _version_table(run: Run) -> Table:
    """List the versions, how the solve ended, and the files the run was made from."""
    info = run.info
    rows = [("Finished", str(info.get("finished_utc", ""))), ("Method", str(info.get("method", "")))]
    rows += [
        (f"Seconds: {words(str(name))}", format_number(value)) for name, value in (info.get("seconds") or {}).items()
    ]
    rows += [(f"Option {name}", _format(value)) for name, value in (info.get("options") or {}).items()]
    rows += [("Changed key", str(text)) for text in info["scenario"].get("overrides") or ()]
    rows += [(f"Version of {name}", _format(value)) for name, value in (info.get("versions") or {}).items()]
    for part in ("scenario", "network"):
        rows += [(f"SHA-256 of {name}", str(value)) for name, value in (info[part].get("file_hashes") or {}).items()]
    return Table(("What", "value"), rows, words=(0, 1))


def _flat(keys: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in keys.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        elif value is not None and value not in ({}, ()):
            yield f"{before}{name}", value


def _format(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format_plain(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_format, value))
    return str(value)


_MAP_WORDS = {
    "heading": "Where inference runs, hour by hour", "slice": "Hour", "play": "Play the day", "all": "all hours",
    "difference": "",
}  # fmt: skip
_SECTIONS = (
    ("summary", "Summary"), ("map", "Map"), ("power", "Power and price"), ("cost", "Cost"), ("limits", "Limits"),
    ("allocations", "Allocations"), ("assumptions", "Assumptions"), ("versions", "Versions"),
)  # fmt: skip


# Words of the templates are English, so all of a page is.
@speaking("en")
def build_report(run: Run, behind: Outlines | None) -> str:
    """
    Write the report of a run.

    Raises
    ------
    InputError
        If the run folder is incomplete, or the basemap cannot be used.
    """
    run.require_whole()
    drawn = map_data(run, behind, run.slices, time_axis(run.slices), hourly_of(run))
    sentences, idle = _price_sentences(run)
    context = {
        "title": f"{_title_of(run)}: where inference runs",
        "heading": _heading_of(run),
        "eyebrow": _title_of(run),
        "about": end_sentence(str(run.info["scenario"].get("description") or "")),
        "changes": list_changes(changed_keys(run.info)),
        "sections": _SECTIONS,
        "version": (run.info.get("versions") or {}).get("edwc") or "",
        "finished": run.info.get("finished_utc") or "",
        "lead": _lead_of(run),
        "head": _head_of(run),
        "checked": _checked(run),
        "slice_count": len(run.slices),
        "power": _power_charts(run),
        "missing": run.lost_inputs,
        "abouts": _abouts(run),
        "centers": _center_table(run),
        "cost_chart": _cost_chart(run),
        "cost_table": _cost_table(run),
        "baseline_table": _baseline_table(run),
        "ranges_table": ranges_table(run),
        "saving_table": _saving_table(run),
        "limits_line": (
            f"Limits that made the difference: {describe_limits(run.info.get('limit_values_cny_per_year') or {})}."
        ),
        "limits_chart": _limits_chart(run),
        "sentences": sentences,
        "idle_limits": idle,
        "tokens": _token_table(run),
        "latency": latency_table(run),
        "facts": _facts_table(run),
        "confidence": _confidence_sentence(run),
        "warnings": _warning_table(run),
        "assumptions": _assumption_table(run),
        "classes": _class_table(run),
        "sources": _source_table(run),
        "versions": _version_table(run),
        "version_line": _version_line(run),
    }
    name = str(run.info["scenario"].get("name", ""))
    shares = f"Shares {describe_share_ranges(run.ranges, run.summary['region_share'])}."
    map_words = {**_MAP_WORDS, "shares": shares}
    return render_page("run.html", context, name=name, drawn=drawn, map_words=map_words, scripts=("allocations.js",))


def _checked(run: Run) -> str:
    """Report the check of the plan against its inputs that was made for this page."""
    notes = []
    if not run.lost_inputs:
        broken = len(run.check.violations)
        found = "no limit is broken" if not broken else f"{broken} limits are BROKEN"
        cost = f"{format_million(run.check.total_cny)} {MILLION_CNY}"
        notes.append(f"Checked again from its inputs when this page was made: {found}, and it costs {cost}.")
    if run.changed_files:
        changed = ", ".join(run.changed_files)
        notes.append(f"These files of the run are NOT what was stored: {changed}.")
    return " ".join(notes)

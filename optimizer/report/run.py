"""The report of a run: one HTML page with sentences, key numbers, charts and tables, which needs no network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.drawing.colours import OTHER_COLOUR, POWER, PRICE, SAVES, assign_colours
from optimizer.maps.basemap import Outlines
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
from optimizer.report.study import draw_fans, study_commands, study_section
from optimizer.runs.data_center_price import DataCenterPrice, price_data_centers
from optimizer.runs.metadata import changed_keys
from optimizer.runs.results import describe_limits, describe_outcome
from optimizer.runs.run import Run
from optimizer.runs.share_ranges import RANGE_UNKNOWN, share_range
from optimizer.sensitivity.price_table import LEAST_VALUE_CNY
from optimizer.solvers.control import Termination
from optimizer.text.data_center import (
    HOUR_COLUMNS,
    data_center_facts,
    data_center_heading,
    data_center_sections,
    hour_rows,
)
from optimizer.text.near_optimal import describe_share_ranges, format_value, write_share
from optimizer.text.run import (
    ENDED,
    LATENCY_COLUMNS,
    describe_saving,
    facts_of,
    limited_classes,
    local_names,
    warn_of_slices,
    why_no_plan,
)
from optimizer.uncertainty.result import Uncertainty, require_same_problem
from optimizer.units import TOKENS_PER_MTOK
from optimizer.words.amounts import counting, format_amount, split_amount
from optimizer.words.fault_texts import retell_description
from optimizer.words.language import speaking
from optimizer.words.sentences import join, join_sentences, retell, say, term, titled

_LINE_COLOURS = (PRICE, OTHER_COLOUR)
_CHANGE_CHARS = 80
_FIRST_WIDE = "\u2e80"  # from here on a text is Chinese, and so is its full stop


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
    if not clean or clean[-1] in ".!?\u3002\uff01\uff1f":
        return clean
    return clean + ("\u3002" if clean[-1] >= _FIRST_WIDE else ".")


def _title_of(run: Run) -> str:
    """Name scenario and network of a run."""
    return say(
        "Scenario {scenario} on network {network}",
        scenario=run.info["scenario"].get("name", ""),
        network=run.info["network"].get("name", ""),
    )


def _heading_of(run: Run) -> str:
    """Summarize in one sentence what the plan does and costs, and what is proved of that."""
    tokens = format_amount(run.summary["tokens_per_day"])
    cost = say(
        "Serving {tokens} tokens a day costs {total} {unit}",
        tokens=tokens,
        total=format_million(run.summary["total_cny_per_year"]),
        unit=say(MILLION_CNY),
    )
    if _bound_of(run.info) is None:
        return say("{cost}; how much less it could cost is not proved", cost=cost)
    return say(
        "{cost}, within {info} of the least possible", cost=cost, info=format_percent(run.info.get("mip_rel_gap"), 2)
    )


def _lead_of(run: Run) -> list[str]:
    """Write what the optimization saves in what, and why the search ended where it did not prove enough."""
    info, lead = run.info, []
    if info.get("baselines"):
        lead.append(describe_saving(info["baselines"], run.summary["total_cny_per_year"], are_named=False))
    ended = str(info.get("termination"))
    if ended in set(Termination) and ended != Termination.OPTIMAL:
        lead.append(say("The search {ended}.", ended=say(ENDED[Termination(ended)])))
    if (warning := warn_of_slices(info.get("slicing"))) is not None:
        lead.append(say("Warning: {text}", text=warning))
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
            Tile(
                say("On estimates"),
                format_percent(share, 0),
                say("of the cost"),
                say("prices marked as estimates, or not marked"),
            ),
        )
    rest = []
    if "full_cost_cny_per_year" in summary:
        note = say(
            "{full_cny_per_mtok:.4f} CNY per million tokens, with the accelerators in use at the peak",
            full_cny_per_mtok=summary["full_cny_per_mtok"],
        )
        rest.append(Tile(say("Full cost"), format_million(summary["full_cost_cny_per_year"]), say(MILLION_CNY), note))
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
    proved = say("How much less another plan may cost is not proved.") if bound is None else (
        say("Proved: no plan costs less than {bound}.", bound=format_million(bound))
    )  # fmt: skip
    each = say("{cny_per_mtok:.4f} CNY per million tokens.", cny_per_mtok=summary["cny_per_mtok"])
    note = join_sentences([each, proved])
    return Tile(
        say("Cost of what the plan decides"), format_million(summary["total_cny_per_year"]), say(MILLION_CNY), note
    )


def _saving_tile(run: Run, best: Mapping[str, Any] | None) -> Tile:
    """Show what the plan saves against the best rule, and what the best possible plan would."""
    if best is None:
        return Tile(
            say("Saving against the best rule"),
            "–",
            "",
            say("no rule keeps all limits: only the optimization gives a plan"),
        )
    saving, bound = float(best["saving_cny_per_year"]), _bound_of(run.info)
    most = [] if bound is None else [
        say("Proved: no plan saves more than {total}.", total=format_million(best["total_cny_per_year"] - bound))
    ]  # fmt: skip
    share = say("{unit}, {share}", unit=say(MILLION_CNY), share=format_percent(best["saving_share"]))
    costs = say(
        "{name} costs {total}.",
        name=titled(retell(best["name"])),
        total=format_million(best["total_cny_per_year"]),
    )
    note = join_sentences([costs, *most])
    return Tile(
        say("Saving against the best rule, {name}", name=retell(best["name"])), format_million(saving), share, note
    )


def _gap_tile(info: Mapping[str, Any]) -> Tile:
    """Show how far the cost may lie above the least possible one."""
    bound = _bound_of(info)
    if bound is None:
        return Tile(say("Proved gap"), "–", "", say("nothing is proved of the least possible cost"))
    note = say("the least possible cost lies between {bound} and the cost of the plan", bound=format_million(bound))
    return Tile(say("Proved gap"), format_percent(info.get("mip_rel_gap"), 2), say("of the cost"), note)


def _rule_tile(item: Mapping[str, Any]) -> Tile:
    """Show what a rule would cost more; that it is no plan where it is none."""
    against = say("Against {name}", name=retell(item["name"]))
    if not item["is_feasible"]:
        return Tile(against, "–", say("no plan"), why_no_plan(item))
    saved, of = (format_million(item[f"{name}_cny_per_year"]) for name in ("saving", "total"))
    return Tile(
        against,
        format_percent(item["saving_share"]),
        say("lower"),
        say("saves {saved} of {of} million CNY", saved=saved, of=of),
    )


def _region_tile(run: Run) -> Tile:
    """Show the region that takes most work from others; where other plans were examined, the range of its share."""
    served, demand = run.summary["region_share"], run.summary["demand_region_share"]
    region = max(served, key=lambda name: served[name] - demand.get(name, 0.0), default="")
    share, there = (
        format_percent(served.get(region)),
        say("{region} of the demand is there", region=format_percent(demand.get(region, 0.0))),
    )
    label, known = say("Served in the region {region}", region=term(region)), share_range(run.ranges, region)
    if known is None:
        return Tile(
            label,
            share,
            say("in this plan"),
            say("{there}; other plans within the gap may differ, {unknown}", there=there, unknown=say(RANGE_UNKNOWN)),
        )
    least, most, slack = known
    note = say(
        "in all plans of up to {slack} more (proved), {share} in this one; {there}",
        slack=format_percent(slack, 2),
        share=share,
        there=there,
    )
    return Tile(label, join([format_percent(least), format_percent(most)], " to "), "", note)


def _carbon_tile(summary: Mapping[str, Any]) -> Tile:
    value, word = split_amount(summary["carbon_t_per_year"])
    market = format_amount(summary["market_carbon_t_per_year"])
    return Tile(
        say("Carbon"),
        value,
        say("{word} t CO₂ a year", word=word.strip()).strip(),
        say("location-based; market-based {market} t", market=market),
    )


def _facts_table(run: Run) -> Table:
    """List the numbers of the plan, and what it achieves of the policy."""
    facts = facts_of(run.summary, run.info.get("market_value"), run.ranges)
    rows = [(titled(say(name)), text) for name, text in facts.items()]
    rows += [(say("Policy"), describe_outcome(item)) for item in run.summary.get("policy") or ()]
    return Table(("What", say("How much")), rows, words=(0, 1))


def _cost_chart(run: Run) -> Chart:
    """Draw the cost of the plan and of the simple rules by component."""
    summary = run.summary
    plans = [(say("This plan"), "", summary)]
    for item in run.info.get("baselines") or ():
        note = "" if item["is_feasible"] else say(" ({why})", why=why_no_plan(item))
        plans.append((titled(retell(item["name"])), note, item))
    write = million_writer(plan["total_cny_per_year"] for _, _, plan in plans)
    rows = [
        (label, f"{write(plan['total_cny_per_year'])}{note}", plan["component_cny_per_year"])
        for label, note, plan in plans
    ]
    cells = [
        (titled(words(name)), *(write(parts.get(name, 0.0)) for _, _, parts in rows))
        for name in by_size(parts for _, _, parts in rows)
    ]
    cells.append((titled(say("total")), *(write(plan["total_cny_per_year"]) for _, _, plan in plans)))
    table = Table((say("Component, {unit}", unit=say(MILLION_CNY)), *(label for label, _, _ in plans)), cells)
    sentence = say("Total cost in million CNY a year, this plan above those of the rules.")
    return stacked_costs(("cost-chart", say("Cost beside the rules"), sentence), rows, table)


def _cost_table(run: Run) -> Table:
    """List the cost by component, and how much of each rests on estimates."""
    summary = run.summary
    total, guessed = summary["total_cny_per_year"], summary.get("estimate_share") or {}
    costs = {titled(words(name)): (name, cny) for name, cny in summary["component_cny_per_year"].items() if cny}
    rows, write = [], million_writer([total])
    for label, (name, cny) in (costs | {titled(say("total")): ("total", total)}).items():
        share = format_percent(cny / total if total else 0.0)
        rows.append((label, write(cny), share, format_percent(guessed.get(name), 0)))
    if "full_cost_cny_per_year" in summary:
        names = {
            say("Accelerators in place, in use at the peak"): summary["used_stock_capital_cny_per_year"],
            say("Spare pods"): summary["spare_pods"]["counted_cny_per_year"],
            say("Full cost"): summary["full_cost_cny_per_year"],
            say("Note: full cost with the whole stock"): summary["full_cost_with_whole_stock_cny_per_year"],
        }
        rows += [(label, write(cny), "", "") for label, cny in names.items()]
    return Table(("Cost", say(MILLION_CNY), "share", say("on estimates")), rows)


def _baseline_table(run: Run) -> Table:
    """List the simple rules beside the plan."""
    regions = list(run.summary["region_share"])
    plan = (
        say("This plan"),
        format_million(run.summary["total_cny_per_year"]),
        "",
        f"{run.summary['mean_rtt_ms']:.1f}",
    )
    rows = [(*plan, *(write_share(run.summary["region_share"].get(region), run.ranges, region) for region in regions))]
    for item in run.info.get("baselines") or ():
        name, saved = titled(retell(item["name"])), ""
        if item["is_feasible"]:
            saved = f"{format_million(item['saving_cny_per_year'])} = {format_percent(item['saving_share'])}"
        else:
            name += say(" (not a plan: {item})", item=why_no_plan(item))
        shares = [format_percent(item["region_share"].get(region)) for region in regions]
        rtt = item["mean_rtt_ms"]
        row = (name, format_million(item["total_cny_per_year"]), saved, "–" if rtt is None else f"{rtt:.1f}")
        rows.append((*row, *shares))
    heads = ("Plan", say(MILLION_CNY), say("saving of this plan"), say("mean RTT, ms"), *regions)
    return Table(heads, rows)


def ranges_table(run: Run) -> Table | None:
    """List between what figures lie over near-optimal plans; None where that was not computed."""
    if run.ranges.empty:
        return None
    rows = []
    for row in run.ranges.to_dict("records"):
        limits = (row[name] for name in ("value", "least_found", "most_found", "least_limit", "most_limit"))
        written = (format_value(float(value), row["unit"]) for value in limits)
        rows.append((retell(row["indicator"]), retell(row["unit"]), *written, format_percent(row["slack_share"], 2)))
    return Table(
        ("Figure", "unit", say("this plan"), say("found from"), "to", say("proved from"), "to", "slack"),
        rows,
        words=(0, 1),
    )


def _saving_table(run: Run) -> Table | None:
    """Split the saving against each rule by component; None where nothing compares or an older version made the run."""
    fitting = [item for item in run.info.get("baselines") or () if item.get("component_saving_cny_per_year")]
    if not fitting:
        return None
    splits = [item["component_saving_cny_per_year"] for item in fitting]
    write = million_writer(cny for split in splits for cny in split.values())
    rows = [(titled(words(name)), *(write(split.get(name, 0.0)) for split in splits)) for name in by_size(splits)]
    rows.append((say("Saving"), *(write(item["saving_cny_per_year"]) for item in fitting)))
    rows.append((say("Of it on estimates"), *(write(item["estimated_saving_cny_per_year"]) for item in fitting)))
    against = (retell(item["name"]) for item in fitting)
    return Table((say("Saving against, {unit}", unit=say(MILLION_CNY)), *against), rows)


def _power_charts(run: Run) -> list[Chart]:
    """Draw power and price by hour, in all and by data center; nothing where they are not known."""
    if (hourly := hourly_of(run)) is None:
        return []
    axis = time_axis(run.slices)
    centers, power, price = run.data_centers, hourly.power_mw, hourly.price_cny_per_mwh
    colours = assign_colours(run.regions)
    region = centers["region"].to_numpy(str)
    by_region = {term(name): power[:, region == name].sum(axis=1) for name in colours}
    by_region = {name: values for name, values in by_region.items() if values.any()}
    name = (
        "power-chart",
        say("Power by hour and region"),
        say("Facility power of all data centers in each hour, by region."),
    )
    kept = {term(name): colour for name, colour in colours.items() if term(name) in by_region}
    charts = [time_columns(name, axis, by_region, kept, "MW")]

    drawn = power.sum(axis=1)
    with np.errstate(invalid="ignore"):
        paid = np.where(drawn > 0, (power * price).sum(axis=1) / drawn, np.nan)
    lines = {say("paid by this plan"): paid, say("mean of all data centers"): price.mean(axis=1)}
    name = (
        "price-chart",
        say("Energy price paid by hour"),
        say(
            "What the plan pays for energy, beside the mean price of all data centers, both under the prices of this "
            "run."
        ),
    )
    charts.append(time_lines(name, axis, lines, dict(zip(lines, _LINE_COLOURS, strict=True)), say("CNY/MWh")))

    order = np.argsort(-(np.array(axis.weight_h) @ power), kind="stable")
    order = order[power[:, order].any(axis=0)]
    names = [retell(str(centers["name"].iloc[d])) for d in order]
    about = say("Data centers in use, the one that takes most energy on top.")
    name = ("power-map", say("Facility power by data center"), about)
    charts.append(heat_map(name, names, axis, power[:, order].T, (POWER, "MW")))
    name = ("price-map", say("Energy price by data center"), about)
    charts.append(heat_map(name, names, axis, price[:, order].T, (PRICE, say("CNY/MWh"))))
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
    about = say("What the plan would save if each limit vanished at its present price, million CNY a year.")
    write = million_writer(limits.values())
    named = ((retell(limit), cny) for limit, cny in limits.items())
    spans = [Span(limit[:1].upper() + limit[1:], write(cny), [(0.0, cny, SAVES)]) for limit, cny in named]
    table = Table(
        ("Limit", say("value at the margin, {unit}", unit=say(MILLION_CNY))),
        [(span.label, span.note) for span in spans],
    )
    chart = ("limits-chart", say("Limits that made the difference"), about)
    return span_rows(chart, spans, format_million, table, {}, from_zero=True)


def _price_sentences(run: Run) -> tuple[list[str], int]:
    """List what one more step of each limit saves, largest first, and count the limits that save nothing."""
    table = run.shadow_prices
    limits = table[table["kind"] != "token"]
    valued = limits[limits["value"].abs() >= LEAST_VALUE_CNY].sort_values("value", ascending=False, kind="stable")
    told = (retell(text) for text in valued["sentence"].astype(str))
    return [end_sentence(text[:1].upper() + text[1:]) for text in told], len(limits) - len(valued)


def _token_table(run: Run) -> Table | None:
    """List what a million tokens more of each class cost; None where that was not computed."""
    table = run.shadow_prices
    by_class = table[(table["kind"] == "token") & ~table["id"].astype(str).str.contains("/")]
    if by_class.empty:
        return None
    ordered = by_class.sort_values("value", ascending=False, kind="stable")
    rows = [(words(str(name)), f"{value:.4f}") for name, value in zip(ordered["id"], ordered["value"], strict=True)]
    return Table((say("Workload class"), say("CNY per million tokens more")), rows)


def latency_table(run: Run) -> Table | None:
    """List where the time to the first token goes; None where no class has a limit."""
    table = run.tables.get("latency")
    if table is None:
        return None
    rows = [
        (words(str(row["workload_class"])), *(format_number(float(row[column])) for column in LATENCY_COLUMNS.values()))
        for row in limited_classes(table).to_dict("records")
    ]
    return Table((say("First token, ms"), *LATENCY_COLUMNS), rows) if rows else None


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
            (str(row["name"]), str(row["region"]), tokens if row["is_open"] else say("not used"), pods,
             *(format_number(math.nan if value is None else float(value)) for value in numbers), format_million(cost),
             str(row.get("confidence", "")))
        )  # fmt: skip
    columns = (
        say("Data center"), "region", say("tokens a day"), say("pods there + new"), say("peak IT power, MW"),
        say("mean price, CNY/MWh"),
        say("mean RTT, ms"), say("million CNY a year"), "confidence",
    )  # fmt: skip
    return Table(columns, rows, words=(0, 1, 8))


@dataclass(frozen=True)
class _About:
    """What is said of a data center when it is selected on the map."""

    heading: str
    facts: dict[str, str]
    sections: dict[str, list[str]]
    hours: Table | None


def _abouts(prices: Sequence[DataCenterPrice]) -> list[_About]:
    """Say of each data center what `edwc price` says of it."""
    found = []
    for one in prices:
        table = Table(tuple(map(say, HOUR_COLUMNS)), hour_rows(one)) if one.hours and one.mtok_per_year > 0 else None
        found.append(_About(data_center_heading(one), data_center_facts(one), data_center_sections(one), table))
    return found


def _assumption_table(run: Run) -> Table | None:
    """List the keys of the scenario; None without the inputs."""
    if run.lost_inputs:
        return None
    keys = {name: value for name, value in run.scenario.model_dump().items() if name not in _LEFT_OUT}
    return Table(
        (say("Key of the scenario"), "value"), [(key, _format(value)) for key, value in _flat(keys)], words=(0, 1)
    )


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
        rows.append(
            (f"{retell(values['name'])} ({name})", *(_format(values.get(column)) for column in columns.values()))
        )
    return Table((say("Workload class"), *columns), rows, words=(0, 8, 9, 10)) if rows else None


def _source_table(run: Run) -> Table | None:
    """List where the figures of the data centers come from; None without the inputs."""
    if run.lost_inputs:
        return None
    centers = run.network.data_centers
    columns = ["name", "it_capacity_mw", "pue", "tariff", "confidence", "source"]
    shown = centers[columns].assign(
        name=centers["name"].astype(str).map(retell), confidence=centers["confidence"].astype(str).map(retell)
    )
    rows = [tuple(_format(value) for value in row) for row in shown.itertuples(index=False)]
    return Table(
        (say("Data center"), say("IT capacity, MW"), "PUE", "tariff", "confidence", "source"), rows, words=(0, 3, 4, 5)
    )


def _confidence_sentence(run: Run) -> str:
    """Write how much of the cost rests on estimates."""
    share = (run.summary.get("estimate_share") or {}).get("total")
    if share is None:
        return say("How much of the cost rests on estimates was not worked out for this run.")
    return say(
        "{share} of the cost rests on estimates: on rows of the input whose price is marked as an estimate, or not "
        "marked. The rest is official or reported. Quantities, such as the demand of a metro, are not judged here.",
        share=format_percent(share, 0),
    )


def _version_line(run: Run) -> str:
    """Name the versions and the method in one sentence."""
    versions = join(f"{name} {_format(number)}" for name, number in (run.info.get("versions") or {}).items())
    seconds = sum((run.info.get("seconds") or {}).values())
    return say(
        "Solved in {seconds} s by the method {info}. {versions}.",
        seconds=format_number(seconds, 0),
        info=retell(str(run.info.get("method", ""))),
        versions=versions,
    ).strip()


def _warning_table(run: Run) -> Table | None:
    """List what is allowed but hardly meant in the inputs; None if nothing is."""
    columns = ("file", "row", "column", "value", "problem", "remedy")
    ours = ("problem", "remedy")
    rows = [
        tuple(retell(_format(item.get(name))) if name in ours else _format(item.get(name)) for name in columns)
        for item in run.info.get("warnings") or ()
    ]
    return Table(columns, rows, words=(0, 2, 3, 4, 5)) if rows else None


def _version_table(run: Run) -> Table:
    """List the versions, how the solve ended, and the files the run was made from."""
    info = run.info
    rows = [(say("Finished"), str(info.get("finished_utc", ""))), (say("Method"), retell(str(info.get("method", ""))))]
    rows += [
        (say("Seconds: {part}", part=retell(words(str(name)))), format_number(value))
        for name, value in (info.get("seconds") or {}).items()
    ]
    rows += [(say("Option {name}", name=name), _format(value)) for name, value in (info.get("options") or {}).items()]
    rows += [(say("Changed key"), str(text)) for text in info["scenario"].get("overrides") or ()]
    rows += [
        (say("Version of {name}", name=name), _format(value)) for name, value in (info.get("versions") or {}).items()
    ]
    for part in ("scenario", "network"):
        rows += [
            (say("SHA-256 of {name}", name=name), str(value))
            for name, value in (info[part].get("file_hashes") or {}).items()
        ]
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
        return say("yes") if value else say("no")
    if isinstance(value, float):
        return format_plain(value)
    if isinstance(value, list | tuple):
        return join(map(_format, value))
    return str(value)


_MAP_WORDS = {
    "heading": "Where inference runs, hour by hour", "slice": "Hour", "play": "Play the day", "all": "all hours",
    "difference": "",
}  # fmt: skip
_SECTIONS = (
    ("summary", "Summary"), ("map", "Map"), ("power", "Power and price"), ("cost", "Cost"), ("limits", "Limits"),
    ("uncertainty", "Uncertainty"), ("allocations", "Allocations"), ("assumptions", "Assumptions"),
    ("versions", "Versions"),
)  # fmt: skip


def build_report(run: Run, behind: Outlines | None, study: Uncertainty | None = None) -> str:
    """
    Write the report of a run.

    Parameters
    ----------
    study
        The uncertainty of its scenario; None where it is not known.

    Raises
    ------
    InputError
        If the run folder is incomplete, the basemap cannot be used, or the uncertainty is of another problem.
    """
    run.require_whole()
    if study is not None:
        require_same_problem(study, run)
    # The script has the names of the map in English, and others by them.
    with speaking("en"):
        drawn = map_data(run, behind, run.slices, time_axis(run.slices), hourly_of(run))
    name = str(run.info["scenario"].get("name", ""))
    # In the order of the map, and without another solve.
    prices = price_data_centers(run, run.data_centers.index)
    with counting([run.cost_cny_per_year]):
        return render_page(
            "run.html",
            lambda: _context(run, prices, study),
            name=name,
            drawn=drawn,
            names=names_of(run),
            scripts=("allocations.js",),
        )


def names_of(run: Run, *, with_inputs: bool = True) -> dict[str, str]:
    """
    Name places and classes in Chinese; a place without such a name keeps its own, whatever word that is.

    Parameters
    ----------
    with_inputs
        As for `local_names`.
    """
    places = (str(name) for table in (run.data_centers, run.demand_hubs) for name in table["name"])
    with speaking("zh"):
        return {name: name for name in places} | local_names(run, with_inputs=with_inputs)


def _context(run: Run, prices: Sequence[DataCenterPrice], study: Uncertainty | None) -> dict[str, Any]:
    sentences, idle = _price_sentences(run)
    section = None if study is None else study_section(study)
    shares = say("Shares {ranges}.", ranges=describe_share_ranges(run.ranges, run.summary["region_share"]))
    changes = list_changes(changed_keys(run.info))
    about = end_sentence(retell_description(str(run.info["scenario"].get("description") or "")))
    if changes and about:  # it may name the very numbers that were changed
        about = say("The scenario before these changes: {description}", description=about)
    return {
        "title": say("{run}: where inference runs", run=_title_of(run)),
        "heading": _heading_of(run),
        "eyebrow": _title_of(run),
        "about": about,
        "changes": changes,
        "sections": _SECTIONS,
        "map_words": {**_MAP_WORDS, "shares": shares},
        "rule_shares": join_sentences([shares, say("A rule makes one plan: its shares have no range.")]),
        "version": (run.info.get("versions") or {}).get("edwc") or "",
        "finished": run.info.get("finished_utc") or "",
        "lead": [*_lead_of(run), *(section.answers if section else [])],
        "head": _head_of(run),
        "checked": _checked(run),
        "slice_count": len(run.slices),
        "power": _power_charts(run),
        "missing": run.lost_inputs,
        "abouts": _abouts(prices),
        "centers": _center_table(run),
        "cost_chart": _cost_chart(run),
        "cost_table": _cost_table(run),
        "baseline_table": _baseline_table(run),
        "ranges_table": ranges_table(run),
        "study": section,
        "fans": "" if study is None else draw_fans(study),
        "commands": study_commands(run),
        "saving_table": _saving_table(run),
        "limits_line": (
            say(
                "Limits that made the difference: {limits}.",
                limits=describe_limits(run.info.get("limit_values_cny_per_year") or {}),
            )
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


def _checked(run: Run) -> str:
    """Report the check of the plan against its inputs that was made for this page."""
    notes = []
    if not run.lost_inputs:
        broken = len(run.check.violations)
        found = say("no limit is broken") if not broken else say("{broken} limits are BROKEN", broken=broken)
        cost = say("{amount} {unit}", amount=format_million(run.check.total_cny), unit=say(MILLION_CNY))
        notes.append(
            say(
                "Checked again from its inputs when this page was made: {found}, and it costs {cost}.",
                found=found,
                cost=cost,
            )
        )
    if run.changed_files:
        changed = join(run.changed_files)
        notes.append(say("These files of the run are NOT what was stored: {changed}.", changed=changed))
    return join_sentences(notes)

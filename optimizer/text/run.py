"""A run, a check and a verification as plain text: for the terminal and, in part, for pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from network_data.faults import Fault, escape_text
from optimizer.near_optimal.moves import share_range
from optimizer.numbers import format_amount, format_clock, format_million, format_number, format_percent
from optimizer.runs.metadata import changed_keys
from optimizer.runs.results import describe_limits, describe_outcome
from optimizer.sensitivity.price_table import price_lines
from optimizer.solvers.control import Progress, Solution, Termination
from optimizer.text.near_optimal import RANGE_UNKNOWN, describe_share_range

if TYPE_CHECKING:
    import pandas as pd

    from optimizer.runs.run import Run
    from optimizer.runs.verify import VerifyReport

ENDED = {
    Termination.OPTIMAL: "solved within the gap",
    Termination.TIME_LIMIT: "stopped at the time limit",
    Termination.INTERRUPTED: "stopped on request",
    Termination.INFEASIBLE: "infeasible",
    Termination.GIVEN: "ended elsewhere",
    Termination.STALLED: "stopped where the solver came no closer",
}


def how_it_ended(termination: Termination, method: str, gap: float, wanted_gap: float) -> str:
    """Say how a solve ended, and how close it came where that was the decomposition's tolerance, not the gap wanted."""
    if termination == Termination.OPTIMAL and method == "decomposed" and gap > wanted_gap:
        return f"solved to {gap:.0e}, the tolerance of the decomposition".replace("e-0", "e-")
    return ENDED[termination]


# Columns of the table of times to the first token, by their headings; see the table `latency`.
LATENCY_COLUMNS = {
    "limit": "ttft_limit_ms", "queue": "queue_margin_ms", "computing": "compute_ms", "way": "way_ms",
    "left": "ttft_left_ms", "RTT limit": "rtt_limit_ms", "worst RTT": "worst_rtt_ms", "mean RTT": "mean_rtt_ms",
}  # fmt: skip


def facts_of(summary: Mapping[str, Any], value: Mapping[str, float] | None, ranges: pd.DataFrame) -> dict[str, str]:
    """
    Write `summary` and `market_value` of `run.json` as text by label, with the ranges of the run.

    Names of regions come from the input and are not escaped.
    """
    price, per_mtok = summary["mean_price_cny_per_mwh"], summary["energy_kwh_per_mtok"]
    use = f"{summary['energy_mwh_per_year']:,.0f} MWh a year at {price:.1f} CNY/MWh"
    floor = "a floor: only accelerators switched on, at the token rates of the tables"
    power = (summary["peak_it_power_mw"], summary["peak_facility_power_mw"])
    emitted = (summary["carbon_t_per_year"], summary["market_carbon_t_per_year"])
    capital, invested = (format_million(summary[name]) for name in ("capital_cny_per_year", "investment_cny"))
    rows = {
        "tokens": f"{format_amount(summary['tokens_per_day'])} a day",
        **two_costs(summary),
        **({} if value is None else {"market value": _market_value(value)}),
        "served in": _served_in(summary, ranges),
        "demand in": _shares(summary["demand_region_share"]),
        "mean round trip": f"{summary['mean_rtt_ms']:.2f} ms",
        "energy": f"{use}, mean PUE {summary['mean_pue']:.3f}, {per_mtok:.4f} kWh per million tokens ({floor})",
        "carbon": f"{emitted[0]:,.0f} t a year location-based, {emitted[1]:,.0f} t market-based",
        "peak power": f"{power[0]:,.1f} MW IT, {power[1]:,.1f} MW facility",
        "capital": f"{capital} million CNY a year for {summary['new_pods']:,} new pods, {invested} up front",
        "data centers": f"{summary['open_data_centers']} of {summary['data_centers']} used",
        **_limits_in_use(summary.get("limit_use") or ()),
        **_hourly_moves(summary),
    }
    if summary["unserved_share"] > 0:
        rows["unserved"] = format_percent(summary["unserved_share"], 3)
    return rows


def two_costs(summary: Mapping[str, Any]) -> dict[str, str]:
    """Write what the plan decides beside the full cost, and what spare pods draw; a run of an older version has one."""
    decided = f"{format_million(summary['total_cny_per_year'])} million CNY a year"
    rows = {"decision cost": f"{decided}, {summary['cny_per_mtok']:.4f} CNY per million tokens"}
    if "full_cost_cny_per_year" not in summary:
        return rows
    full, capital, stock = (
        format_million(summary[f"{name}_cny_per_year"])
        for name in ("full_cost", "used_stock_capital", "full_cost_with_whole_stock")
    )
    used = f"{summary['accelerators_in_use']:,.0f} accelerators in use at the peak"
    rows["full cost"] = (
        f"{full} million CNY a year, {summary['full_cny_per_mtok']:.4f} CNY per million tokens: {capital} more for the "
        f"capital of the {used}; {stock} with the whole stock of {summary['accelerators_in_stock']:,.0f}"
    )
    return rows | {"spare pods": _spare_pods(summary["spare_pods"])}


def _spare_pods(spare: Mapping[str, float]) -> str:
    """Write what pods that are not needed would draw, and whether that is counted."""
    draw = f"{spare['facility_mw']:,.1f} MW, {spare['mwh_per_year']:,.0f} MWh"
    cost = f"{format_million(spare['cny_per_year'])} million CNY a year"
    what = f"{spare['accelerators']:,.0f} accelerators on average; idling they would draw {draw} and cost {cost}"
    if not spare["counted_share"]:
        return f"{what}; taken as off, so no cost has it"
    counted = format_million(spare["counted_cny_per_year"])
    return f"{what}; the full cost has {format_percent(spare['counted_share'], 0)} of it, {counted} million CNY"


def _served_in(summary: Mapping[str, Any], ranges: pd.DataFrame) -> str:
    """Write the share of each region, what of it clusters of a national programme serve, and between what it lies."""
    clusters = summary.get("cluster_region_share") or {}
    parts, is_unknown = [], False
    for name, share in summary["region_share"].items():
        apart = [f"{format_percent(clusters[name])} in programme clusters"] if name in clusters else []
        is_known = share_range(ranges, name) is not None
        is_unknown |= not is_known
        apart += [describe_share_range(ranges, name)] if is_known else []
        parts.append(f"{name} {format_percent(share)}" + (f" ({'; '.join(apart)})" if apart else ""))
    return ", ".join(parts) + (f"; of this plan, {RANGE_UNKNOWN}" if is_unknown else "")


def _limits_in_use(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Say which kinds of limits bind, and how near the others come."""
    found = {}
    for row in rows:
        most = format_percent(row["largest_use_share"])
        if row["limit"] == "links":
            what = f"the largest load is {most} of what inference may use"
            can = f"{row['can_bind']} of {row['count']} can bind, {row['full']} full"
            found["links"] = f"{'no link can bind' if not row['can_bind'] else can}; {what}"
        elif row["limit"] == "it_power":
            most_used = f"the most used, {row['where']}, has {row['used']:,.1f} of {row['available']:,.0f} MW in use"
            bind = "binds nowhere" if not row["full"] else f"is used up in {row['full']} of {row['count']} data centers"
            found["IT power"] = f"{bind}; {most_used}" if row["where"] else bind
        else:
            found["pods"] = f"all on at some hour in {row['full']} of {row['count']} pools"
    return found


def _hourly_moves(summary: Mapping[str, Any]) -> dict[str, str]:
    """Say what share of the tokens changes its data center from hour to hour, with the classes that move most."""
    if "hourly_move_share" not in summary:
        return {}
    classes = sorted(summary["class_hourly_move_share"].items(), key=lambda item: -item[1])
    most = ", ".join(f"{name} {format_percent(share)}" for name, share in classes[:_CLASSES_SHOWN] if share > 0)
    total = f"{format_percent(summary['hourly_move_share'])} of the tokens run elsewhere than in the slice before"
    return {"moves": f"{total}{f'; most: {most}' if most else ''}"}


# Classes named in a line.
_CLASSES_SHOWN = 3


def _market_value(value: Mapping[str, float]) -> str:
    """Write what the market is said to pay, and the full cost as a share of it."""
    cny = f"{value['low_cny_per_mtok']:.3g} to {value['high_cny_per_mtok']:.3g} CNY per million"
    usd = f"{value['low_usd_per_mtok']:g} to {value['high_usd_per_mtok']:g} USD"
    if "full_cost_share_of_low" not in value:
        return f"{cny} ({usd})"
    shares = (format_percent(value["full_cost_share_of_low"]), format_percent(value["full_cost_share_of_high"]))
    return f"{cny} ({usd}); the full cost is {shares[0]} to {shares[1]} of it"


def limited_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Choose from the table `latency` the classes with a limit on the time to the first token or the round trip."""
    return table[table["ttft_limit_ms"].notna() | table["stated_rtt_limit_ms"].notna()]


_CLEARLY_MORE = 1.1


def warn_of_slices(slicing: Mapping[str, Any] | None) -> str | None:
    """
    Say which peaks the slices of `slicing` in `run.json` average away, and what to do; None where they keep them.

    Names come from the input and are not escaped.
    """
    if not slicing or not slicing["lost_peaks"]:
        return None
    lost, count = slicing["lost_peaks"], slicing["slices_per_day"]
    worst = max(lost, key=lambda row: row["lost_share"])
    # The one that loses most accelerators, and the one that loses most of its own where that is another story.
    shown = [lost[0], *([worst] if worst["lost_share"] > _CLEARLY_MORE * lost[0]["lost_share"] else [])]
    parts = [f"{format_percent(row['lost_share'])} of the peak of {_need_words(row)}" for row in shown]
    others = f", and more than 1% of {len(lost) - len(shown)} other peaks" if len(lost) > len(shown) else ""
    more = "Take more time.slices_per_day; 24 lose nothing."
    remedy = more if slicing["slicing"] == "peaks" else f"Set time.slicing to peaks. {more}"
    slices = "one slice" if count == 1 else f"{count} slices"
    return (
        f"{slices} a day average away {' and '.join(parts)}{others}. Pods and power for these hours are missing from a "
        f"plan, which may not serve them and cost too little. {remedy}"
    )


def _need_words(row: Mapping[str, Any]) -> str:
    what = "all work" if row["kind"] == "all" else f"the {row['kind'].replace('_', ' ')} {row['id']}"
    peak, lost = row["peak_accelerators"], row["peak_accelerators"] - row["kept_accelerators"]
    return f"{what} ({lost:,.0f} of {peak:,.0f} accelerators, at {format_clock(row['hour'])})"


def describe_saving(baselines: Sequence[Mapping[str, Any]], total_cny: float) -> str:
    """Say what a plan of a cost a year saves against the best of `Run.baselines`, in what, and on what that rests."""
    fitting = sorted((item for item in baselines if item["is_feasible"]), key=lambda item: item["total_cny_per_year"])
    if not fitting:
        return "None of them keeps all limits: only the optimization gives a plan."
    best = fitting[0]
    said = f"The optimization saves {_saved(best, total_cny)} against the best of them, {best['name']}."
    split = describe_split(best)
    simple = next((item for item in fitting[1:] if item["id"] != _STRONG), None)
    if best["id"] == _STRONG and simple is not None:
        split += f" Against the best of the others, {simple['name']}, it would be {_saved(simple, total_cny)}."
    return said + split


# Of the rules, the one that knows all costs.
_STRONG = "spreadsheet"


def _saved(item: Mapping[str, Any], total_cny: float) -> str:
    saving = item["total_cny_per_year"] - total_cny
    share = saving / abs(item["total_cny_per_year"]) if item["total_cny_per_year"] else 0.0
    return f"{format_million(saving)} million CNY a year ({format_percent(share)})"


def describe_split(item: Mapping[str, Any]) -> str:
    """Say what components a saving consists of, and how much of it rests on estimates; empty for older runs."""
    parts = item.get("component_saving_cny_per_year")
    if not parts:
        return ""
    shown = sorted(((name, cny) for name, cny in parts.items() if abs(cny) >= _LEAST_SHOWN_CNY), key=lambda x: -x[1])
    if not shown:
        return ""
    split = ", ".join(f"{name.replace('_', ' ')} {format_million(cny)}" for name, cny in shown)
    guessed = item["estimated_saving_cny_per_year"]
    rests = f"{format_million(guessed)}, all others for {format_million(item['saving_cny_per_year'] - guessed)}"
    return f" By component: {split}. Prices that are estimates account for {rests}."


# As `format_million` writes 0.1.
_LEAST_SHOWN_CNY = 5e4


def why_no_plan(baseline: Mapping[str, Any]) -> str:
    """Say why one of `Run.baselines` is not feasible."""
    why = [f"leaves {format_percent(baseline['unserved_share'], 2)} unserved"] if baseline["unserved_share"] > 0 else []
    return "; ".join([*why, f"breaks {', '.join(baseline['broken'])}"] if baseline["broken"] else why)


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {format_percent(share)}" for name, share in shares.items())


_LISTED = 40
_DAYS_SHOWN = 6


# A smaller gap would be written as 0.00%.
LEAST_SHOWN_GAP = 1e-4


# What a phase of a solve does, in a word or two.
PHASES = {
    "start": "start: plan of a simple rule",
    "compile": "model: written for the solver",
    "solve": "plan and bound: the solver searches",
    "assignments": "plan: places chosen anew",
    "fixed integers": "plan: best flows for its places",
    "bound": "bound: what every plan must cost",
    "bound of all days": "bound: of all days together",
    "branch": "bound: raised case by case",
}


def describe_progress(line: Progress) -> str:
    """Write a line of progress; costs in million CNY a year."""
    gap = f"{line.mip_rel_gap:7.2%}" if math.isfinite(line.mip_rel_gap) else "      -"
    plan, bound = format_million(line.incumbent_cny), format_million(line.bound_cny)
    before, _, phase = line.phase.rpartition(": ")
    doing = f"{before}: {PHASES.get(phase, phase)}" if before else PHASES.get(phase, phase)
    return f"{line.seconds:7.1f} s  plan {plan:>11}  bound {bound:>11}  gap {gap}{describe_goal(line.goal)}  {doing}"


def describe_goal(gap: float | None) -> str:
    """Write the gap at which a solve ends, to stand behind the one it has; nothing where nobody said."""
    if gap is None:
        return ""
    return f" (to {gap:.2g})" if gap < LEAST_SHOWN_GAP else f" (to {gap:.2%})"


def describe_run(run: Run) -> str:
    """Describe a solved scenario: costs, places, baselines and what the optimization saved."""
    solution = run.solution
    head = f"Scenario {run.scenario.name} on network {escape_text(run.network.name)}"
    wanted = run.info["options"]["mip_rel_gap"]
    ended = how_it_ended(solution.termination, solution.method, solution.mip_rel_gap, wanted)
    changes = [f"  changed in it: {escape_text(', '.join(changed))}"] if (changed := changed_keys(run.info)) else []
    lines = [head, *changes, f"  {ended} after {sum(solution.seconds.values()):.1f} s ({solution.method})"]
    if not run.has_plan:
        return "\n".join([*lines, *_without_plan(run), *_slice_warning(run.info.get("slicing"))])
    summary = run.summary
    facts = facts_of(summary, run.info["market_value"], run.ranges)
    lines += [
        _proof(solution),
        *_slice_warning(run.info.get("slicing")),
        "",
        *_cost_table(summary),
        "",
        *(f"  {name:<16}{escape_text(text)}" for name, text in facts.items()),
        "",
        *_policy_lines(summary),
        *_latency_table(run.tables["latency"]),
        *_baseline_table(run.baselines, solution.objective_cny),
        "",
        *_resilience_lines(run.info.get("resilience")),
        f"Limits that made the difference: {describe_limits(run.limits_cny_per_year)}",
        *map(escape_text, price_lines(run.shadow_prices)),
    ]
    if doubts := warning_lines(run.info.get("warnings") or ()):
        lines += ["", *doubts]
    if run.folder is not None:
        lines += ["", f"Run folder: {escape_text(str(run.folder))}"]
    return "\n".join(lines)


def warning_lines(warnings: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    List the `warnings` of `run.json`, safe to print; nothing if there are none.

    Examples
    --------
    >>> warning_lines([])
    []
    """
    if not warnings:
        return []
    count = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}"
    return [f"{count} about the inputs, which are allowed but hardly meant:", *(f"  {Fault(**w)}" for w in warnings)]


def describe_check(found: Mapping[str, Any]) -> str:
    """Describe the size of a problem, from `check_scenario`."""
    limiting = found["limiting_links"]
    shown = ", ".join(limiting[:8]) + (", ..." if len(limiting) > len(limiting[:8]) else "")
    size = f"({found['demand_hubs']} demand hubs, {found['workload_classes']} classes)"
    power = f"with {found['pools']} pools, {found['it_capacity_mw']:,.0f} MW of IT power"
    columns = f"({found['flow_columns']:,} flow columns: method {found['method']})"
    needed = (found["needed_accelerators_mean"], found["needed_accelerators_peak"])
    buyable = f"and {found['buyable_accelerators']:,.0f} that may be bought"
    tokens = format_amount(found["tokens_per_day"])
    scarcest = escape_text(found["fewest_in_reach_of"])
    rows = {
        "time slices": f"{found['time_slices']:,}{_describe_days(found['representative_days'])}",
        "workloads": f"{found['workloads']:,} {size}",
        "data centers": f"{found['data_centers']:,} {power}",
        "candidates": f"{found['candidates']:,} {columns}",
        "demand": f"{tokens} tokens a day, {found['peak_mtok_per_h']:,.0f} mtok/h at the peak",
        "accelerators needed": f"{needed[0]:,.0f} on average, {needed[1]:,.0f} at the peak",
        "accelerators in place": f"{found['existing_accelerators']:,.0f}, {buyable}",
        "limiting links": f"{len(limiting)} of {found['links']}" + (f": {shown}" if limiting else ""),
        "fewest choices": f"{found['fewest_data_centers_in_reach']} data center(s) within the limits of {scarcest}",
    }
    if found["outages"]:
        rows["outages to survive"] = f"{found['outages']} ({found['outage_columns']:,} columns)"
    if found["protected_workloads"]:
        without = f"{found['unprotected_candidates']:,} candidates without a second route left out"
        rows["protected"] = f"{found['protected_workloads']} workloads; {without}"
    if found["too_slow"]:
        rows["too slow"] = f"no time left for the network within ttft_limit_ms: {', '.join(found['too_slow'])}"
    rows |= _price_rows(found["prices"])
    width = max(map(len, rows))
    head = f"Scenario {found['scenario']} on network {escape_text(found['network'])}: no fault found"
    doubts = warning_lines(found["warnings"])
    lines = [head, *(f"  {name:<{width}}  {text}" for name, text in rows.items())]
    lines += [*_slice_warning(found["slicing"]), *_policy_check(found)]
    return "\n".join([*lines, "", *doubts] if doubts else lines)


def _slice_warning(slicing: Mapping[str, Any] | None) -> list[str]:
    warning = warn_of_slices(slicing)
    return [] if warning is None else [f"  warning: {escape_text(warning)}"]


def _price_rows(prices: Mapping[str, Any]) -> dict[str, str]:
    """Say what price cases and price changes do: the mean of the data centers of each region, before and after."""
    rows = {}
    for name in ("price_cases", "price_changes"):
        if prices[name]:
            rows[name.replace("_", " ")] = ", ".join(prices[name])
    if not rows:
        return {}
    for row, name, unit in (
        ("mean energy price", "energy_price_cny_per_mwh", "CNY per MWh"),
        ("mean demand charge", "demand_charge_cny_per_kw_month", "CNY per kW and month"),
    ):
        parts = [f"{escape_text(region)} {_now_and_before(*pair)}" for region, pair in prices[name].items()]
        rows[row] = f"{', '.join(parts)} {unit}"
    rows["carbon price"] = f"{_now_and_before(*prices['carbon_price_cny_per_t'])} CNY per tonne"
    if prices["token_price_cny_per_mtok"]:
        parts = [f"{name} {_now_and_before(*pair)}" for name, pair in prices["token_price_cny_per_mtok"].items()]
        rows["token price"] = f"{', '.join(parts)} CNY per million tokens"
    return rows


def _now_and_before(before: float, now: float) -> str:
    return f"{now:,.4g}" if now == before else f"{now:,.4g} (was {before:,.4g})"


def _policy_check(found: Mapping[str, Any]) -> list[str]:
    """Say what the policy demands and whether a plan can meet it."""
    failed = [item for item in found["policy"] if not item["holds"]]
    if failed:
        lines = [f"  {escape_text(item['message'])}" for item in failed]
        return ["", "The scenario is infeasible: no plan can meet its policy", *lines]
    return [f"  policy: {escape_text(item['message'])}" for item in found["policy"]]


def _describe_days(days: Mapping[str, float]) -> str:
    """Name the representative days and how many days of the year each stands for; nothing if there is one."""
    if len(days) == 1:
        return ""
    shown = [f"{name} {count:.4g}" for name, count in list(days.items())[:_DAYS_SHOWN]]
    more = ["..."] if len(days) > _DAYS_SHOWN else []
    return f" on {len(days)} representative days: {', '.join([*shown, *more])}"


def describe_verification(report: VerifyReport) -> str:
    """Describe what a verification found."""
    if report.is_verified:
        compared = ", ".join(f"{count:,} {what}" for what, count in report.checked.items() if count)
        total = format_million(report.total_cny_per_year)
        notes = "".join(f"\n  note: {note}" for note in report.notes)
        return f"verified: {total} million CNY a year; no limit broken; same: {compared}{notes}"
    shown = [escape_text(line) for line in report.differences[:_LISTED]]
    more = len(report.differences) - len(shown)
    lines = [f"NOT verified: {len(report.differences)} difference(s)", *(f"  {line}" for line in shown)]
    return "\n".join([*lines, f"  and {more} more"] if more else lines)


def _resilience_lines(price: Mapping[str, Any] | None) -> list[str]:
    """Say what surviving failures costs, and the bounds proved for it."""
    if price is None:
        return []
    without, most = price["cost_without_cny_per_year"], price["most_price_cny_per_year"]
    share = price["price_cny_per_year"] / without if without else 0.0
    between = f"{format_million(price['least_price_cny_per_year'])} and {format_million(most)}"
    costs = f"{format_million(price['price_cny_per_year'])} million CNY a year"
    against = f"{format_percent(share)} of {format_million(without)} without the reserve"
    return [f"Surviving failures costs {costs} ({against}), proved to be between {between}.", ""]


def _without_plan(run: Run) -> list[str]:
    if run.solution.termination != Termination.INFEASIBLE:
        return ["  no plan was found; raise the time limit", f"  proven bound {format_million(run.solution.bound_cny)}"]
    if run.failure is None:
        why = (
            "total capacity, capacity within reach, sites, single places, failures and the policy each pass alone",
            "what remains is link capacity, whole pods, or several of these limits at once",
        )
    else:
        why = (f"first condition that fails: {run.failure.name}", escape_text(run.failure.message))
    return [f"  {line}" for line in (*why, "`edwc explain` finds the smallest changes that would make it feasible")]


def _proof(solution: Solution) -> str:
    cost, bound = format_million(solution.objective_cny), format_million(solution.bound_cny)
    return f"  cost {cost}, proven bound {bound} million CNY a year, gap {format_percent(solution.mip_rel_gap, 2)}"


def _cost_table(summary: Mapping[str, Any]) -> list[str]:
    total, guessed = summary["total_cny_per_year"], summary["estimate_share"]
    rows = [f"{'Cost':<22}{'million CNY/year':>18}{'share':>9}{'on estimates':>15}"]
    for name, value in summary["component_cny_per_year"].items():
        if value:
            rows.append(_cost_row(name.replace("_", " "), value, total, guessed.get(name)))
    return [*rows, _cost_row("total", total, total, guessed["total"])]


def _cost_row(name: str, value: float, total: float, guessed: float | None) -> str:
    share = value / total if total else 0.0
    return f"  {name:<20}{format_million(value):>18}{format_percent(share):>9}{format_percent(guessed, 0):>15}"


def _policy_lines(summary: Mapping[str, Any]) -> list[str]:
    """Compare what the plan achieves with each demand of the policy; empty without one."""
    lines = [f"  {escape_text(describe_outcome(item))}" for item in summary["policy"]]
    return ["Policy", *lines, ""] if lines else []


def _latency_table(table: pd.DataFrame) -> list[str]:
    """Break down the time to the first token on the longest way of each class with a limit; ends with a blank line."""
    limited = limited_classes(table)
    if limited.empty:
        return []
    rows = [f"{'First token, ms':<22}" + "".join(f"{name:>11}" for name in LATENCY_COLUMNS)]
    for row in limited.to_dict("records"):
        cells = "".join(f"{format_number(float(row[name])):>11}" for name in LATENCY_COLUMNS.values())
        rows.append(f"  {escape_text(str(row['workload_class'])):<20}{cells}")
    return [*rows, ""]


def _baseline_table(baselines: Sequence[Mapping[str, Any]], total_cny: float) -> list[str]:
    rows = [f"{'Without optimization':<30}{'million CNY/year':>18}{'saving':>20}"]
    for item in baselines:
        name = escape_text(item["name"])
        if item["is_feasible"]:
            saved = f"{format_million(item['saving_cny_per_year'])} = {format_percent(item['saving_share'])}"
            rows.append(f"  {name:<28}{format_million(item['total_cny_per_year']):>18}{saved:>20}")
            continue
        rows.append(f"  {name:<28}{format_million(item['total_cny_per_year']):>18}  not a plan: {why_no_plan(item)}")
    return [*rows, f"  {escape_text(describe_saving(baselines, total_cny))}"]

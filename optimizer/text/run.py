"""A run, a check and a verification as plain text: for the terminal and, in part, for pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from network_data.faults import Fault, escape_text
from optimizer.numbers import format_clock, format_million, format_number, format_percent
from optimizer.runs.metadata import changed_keys
from optimizer.runs.results import describe_limits, describe_outcome
from optimizer.runs.share_ranges import RANGE_UNKNOWN, share_range
from optimizer.sensitivity.price_table import price_lines
from optimizer.solvers.control import Progress, Solution, Termination
from optimizer.text.faults import describe_fault
from optimizer.text.near_optimal import describe_share_range
from optimizer.words.amounts import counting, format_amount
from optimizer.words.columns import ljust, rjust, width_of
from optimizer.words.language import current_language
from optimizer.words.sentences import join, naming, retell, say, term

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
        return say("solved to {gap:.0e}, the tolerance of the decomposition", gap=gap).replace("e-0", "e-")
    return say(ENDED[termination])


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
    use = say(
        "{energy_mwh:,.0f} MWh a year at {price:.1f} CNY/MWh", energy_mwh=summary["energy_mwh_per_year"], price=price
    )
    floor = say("a floor: only accelerators switched on, at the token rates of the tables")
    power = (summary["peak_it_power_mw"], summary["peak_facility_power_mw"])
    emitted = (summary["carbon_t_per_year"], summary["market_carbon_t_per_year"])
    capital, invested = (format_million(summary[name]) for name in ("capital_cny_per_year", "investment_cny"))
    rows = {
        "tokens": say("{tokens_per_day} a day", tokens_per_day=format_amount(summary["tokens_per_day"])),
        **two_costs(summary),
        **({} if value is None else {"market value": _market_value(value)}),
        "served in": _served_in(summary, ranges),
        "demand in": _shares(summary["demand_region_share"]),
        "mean round trip": f"{summary['mean_rtt_ms']:.2f} ms",
        "energy": say(
            "{use}, mean PUE {mean_pue:.3f}, {per_mtok:.4f} kWh per million tokens ({floor})",
            use=use,
            mean_pue=summary["mean_pue"],
            per_mtok=per_mtok,
            floor=floor,
        ),
        "carbon": say(
            "{emitted:,.0f} t a year location-based, {emitted2:,.0f} t market-based",
            emitted=emitted[0],
            emitted2=emitted[1],
        ),
        "peak power": say("{power:,.1f} MW IT, {power2:,.1f} MW facility", power=power[0], power2=power[1]),
        "capital": say(
            "{capital} million CNY a year for {new_pods:,} new pods, {invested} up front",
            capital=capital,
            new_pods=summary["new_pods"],
            invested=invested,
        ),
        "data centers": say(
            "{open_data_centers} of {data_centers} used",
            open_data_centers=summary["open_data_centers"],
            data_centers=summary["data_centers"],
        ),
        **_limits_in_use(summary.get("limit_use") or ()),
        **_hourly_moves(summary),
    }
    if summary["unserved_share"] > 0:
        rows["unserved"] = format_percent(summary["unserved_share"], 3)
    return rows


def two_costs(summary: Mapping[str, Any]) -> dict[str, str]:
    """Write what the plan decides beside the full cost, and what spare pods draw; a run of an older version has one."""
    decided = say("{total} million CNY a year", total=format_million(summary["total_cny_per_year"]))
    rows = {
        "decision cost": say(
            "{decided}, {cny_per_mtok:.4f} CNY per million tokens",
            decided=decided,
            cny_per_mtok=summary["cny_per_mtok"],
        )
    }
    if "full_cost_cny_per_year" not in summary:
        return rows
    full, capital, stock = (
        format_million(summary[f"{name}_cny_per_year"])
        for name in ("full_cost", "used_stock_capital", "full_cost_with_whole_stock")
    )
    used = say(
        "{accelerators_in_use:,.0f} accelerators in use at the peak", accelerators_in_use=summary["accelerators_in_use"]
    )
    rows["full cost"] = say(
        "{full} million CNY a year, {full_cny_per_mtok:.4f} CNY per million tokens: {capital} more for the capital "
        "of the {used}; {stock} with the whole stock of {accelerators_in_stock:,.0f}",
        full=full,
        full_cny_per_mtok=summary["full_cny_per_mtok"],
        capital=capital,
        used=used,
        stock=stock,
        accelerators_in_stock=summary["accelerators_in_stock"],
    )
    return rows | {"spare pods": _spare_pods(summary["spare_pods"])}


def _spare_pods(spare: Mapping[str, float]) -> str:
    """Write what pods that are not needed would draw, and whether that is counted."""
    draw = say("{facility_mw:,.1f} MW, {mwh:,.0f} MWh", facility_mw=spare["facility_mw"], mwh=spare["mwh_per_year"])
    cost = say("{cny} million CNY a year", cny=format_million(spare["cny_per_year"]))
    what = say(
        "{accelerators:,.0f} accelerators on average; idling they would draw {draw} and cost {cost}",
        accelerators=spare["accelerators"],
        draw=draw,
        cost=cost,
    )
    if not spare["counted_share"]:
        return say("{what}; taken as off, so no cost has it", what=what)
    counted = format_million(spare["counted_cny_per_year"])
    return say(
        "{what}; the full cost has {counted} of it, {counted2} million CNY",
        what=what,
        counted=format_percent(spare["counted_share"], 0),
        counted2=counted,
    )


def _served_in(summary: Mapping[str, Any], ranges: pd.DataFrame) -> str:
    """Write the share of each region, what of it clusters of a national programme serve, and between what it lies."""
    clusters = summary.get("cluster_region_share") or {}
    parts, is_unknown = [], False
    for name, share in summary["region_share"].items():
        apart = (
            [say("{clusters} in programme clusters", clusters=format_percent(clusters[name]))]
            if name in clusters
            else []
        )
        is_known = share_range(ranges, name) is not None
        is_unknown |= not is_known
        apart += [describe_share_range(ranges, name)] if is_known else []
        region = f"{term(name)} {format_percent(share)}"
        parts.append(say("{region} ({parts})", region=region, parts=join(apart, "; ")) if apart else region)
    return join(parts) + (say("; of this plan, {unknown}", unknown=say(RANGE_UNKNOWN)) if is_unknown else "")


def _limits_in_use(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Say which kinds of limits bind, and how near the others come."""
    found = {}
    for row in rows:
        most = format_percent(row["largest_use_share"])
        if row["limit"] == "links":
            what = say("the largest load is {most} of what inference may use", most=most)
            can = say(
                "{can_bind} of {count} can bind, {full} full",
                can_bind=row["can_bind"],
                count=row["count"],
                full=row["full"],
            )
            found["links"] = join([can if row["can_bind"] else say("no link can bind"), what], "; ")
        elif row["limit"] == "it_power":
            most_used = say(
                "the most used, {where}, has {used:,.1f} of {available:,.0f} MW in use",
                where=retell(row["where"]),
                used=row["used"],
                available=row["available"],
            )
            bind = (
                say("binds nowhere")
                if not row["full"]
                else say("is used up in {full} of {count} data centers", full=row["full"], count=row["count"])
            )
            found["IT power"] = join([bind, most_used], "; ") if row["where"] else bind
        else:
            found["pods"] = say("all on at some hour in {full} of {count} pools", full=row["full"], count=row["count"])
    return found


def _hourly_moves(summary: Mapping[str, Any]) -> dict[str, str]:
    """Say what share of the tokens changes its data center from hour to hour, with the classes that move most."""
    if "hourly_move_share" not in summary:
        return {}
    classes = sorted(summary["class_hourly_move_share"].items(), key=lambda item: -item[1])
    most = join(f"{term(name)} {format_percent(share)}" for name, share in classes[:_CLASSES_SHOWN] if share > 0)
    total = say(
        "{hourly_move} of the tokens run elsewhere than in the slice before",
        hourly_move=format_percent(summary["hourly_move_share"]),
    )
    return {"moves": total + (say("; most: {most}", most=most) if most else "")}


# Classes named in a line.
_CLASSES_SHOWN = 3


def _market_value(value: Mapping[str, float]) -> str:
    """Write what the market is said to pay, and the full cost as a share of it."""
    cny = say(
        "{low_cny_per_mtok:.3g} to {high_cny_per_mtok:.3g} CNY per million",
        low_cny_per_mtok=value["low_cny_per_mtok"],
        high_cny_per_mtok=value["high_cny_per_mtok"],
    )
    usd = say(
        "{low_usd_per_mtok:g} to {high_usd_per_mtok:g} USD",
        low_usd_per_mtok=value["low_usd_per_mtok"],
        high_usd_per_mtok=value["high_usd_per_mtok"],
    )
    if "full_cost_share_of_low" not in value:
        return say("{cny} ({usd})", cny=cny, usd=usd)
    shares = (format_percent(value["full_cost_share_of_low"]), format_percent(value["full_cost_share_of_high"]))
    return say(
        "{cny} ({usd}); the full cost is {shares} to {shares2} of it",
        cny=cny,
        usd=usd,
        shares=shares[0],
        shares2=shares[1],
    )


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
    parts = [
        say("{lost} of the peak of {row}", lost=format_percent(row["lost_share"]), row=_need_words(row))
        for row in shown
    ]
    others = (
        say(", and more than 1% of {lost} other peaks", lost=len(lost) - len(shown)) if len(lost) > len(shown) else ""
    )
    more = say("Take more time.slices_per_day; 24 lose nothing.")
    remedy = more if slicing["slicing"] == "peaks" else say("Set time.slicing to peaks. {more}", more=more)
    slices = say("one slice") if count == 1 else say("{count} slices", count=count)
    return say(
        "{slices} a day average away {parts}{others}. Pods and power for these hours are missing from a plan, which "
        "may not serve them and cost too little. {remedy}",
        slices=slices,
        parts=join(parts, " and "),
        others=others,
        remedy=remedy,
    )


def warn_of_case_slices(slicing_of: Mapping[str, Mapping[str, Any] | None]) -> str | None:
    """
    Say of cases, by label, in how many the slices average peaks away, and what the one that loses most loses.

    None where the slices of every case keep the peaks. Names come from the input and are not escaped.
    """
    lost = {label: slicing for label, slicing in slicing_of.items() if slicing and slicing["lost_peaks"]}
    if not lost:
        return None
    worst = max(lost, key=lambda label: max(row["lost_share"] for row in lost[label]["lost_peaks"]))
    return say(
        "{lost} of {planned} with a plan lose peaks; of {worst}: {warning}",
        lost=len(lost),
        planned=len(slicing_of),
        worst=worst,
        warning=warn_of_slices(lost[worst]),
    )


def _need_words(row: Mapping[str, Any]) -> str:
    what = (
        say("all work")
        if row["kind"] == "all"
        else say("the {kind} {id}", kind=say(row["kind"].replace("_", " ")), id=term(row["id"]))
    )
    peak, lost = row["peak_accelerators"], row["peak_accelerators"] - row["kept_accelerators"]
    return say(
        "{what} ({lost:,.0f} of {peak:,.0f} accelerators, at {hour})",
        what=what,
        lost=lost,
        peak=peak,
        hour=format_clock(row["hour"]),
    )


def describe_saving(baselines: Sequence[Mapping[str, Any]], total_cny: float, *, are_named: bool = True) -> str:
    """
    Say what a plan of a cost a year saves against the best of `Run.baselines`, in what, and on what that rests.

    Parameters
    ----------
    are_named
        Whether the rules stand just above the sentence.
    """
    fitting = sorted((item for item in baselines if item["is_feasible"]), key=lambda item: item["total_cny_per_year"])
    if not fitting:
        if not are_named:
            return say("None of the rules keeps all limits: only the optimization gives a plan.")
        return say("None of them keeps all limits: only the optimization gives a plan.")
    best = fitting[0]
    saved, name = _saved(best, total_cny), retell(best["name"])
    said = (
        say("The optimization saves {best} against the best of them, {name}.", best=saved, name=name)
        if are_named
        else say("The optimization saves {best} against the best of the rules, {name}.", best=saved, name=name)
    )
    split = describe_split(best)
    simple = next((item for item in fitting[1:] if item["id"] != _STRONG), None)
    if best["id"] == _STRONG and simple is not None:
        split += say(
            " Against the best of the others, {name}, it would be {simple}.",
            name=retell(simple["name"]),
            simple=_saved(simple, total_cny),
        )
    return said + split


# Of the rules, the one that knows all costs.
_STRONG = "spreadsheet"


def _saved(item: Mapping[str, Any], total_cny: float) -> str:
    saving = item["total_cny_per_year"] - total_cny
    share = saving / abs(item["total_cny_per_year"]) if item["total_cny_per_year"] else 0.0
    return say("{saving} million CNY a year ({share})", saving=format_million(saving), share=format_percent(share))


def describe_split(item: Mapping[str, Any]) -> str:
    """Say what components a saving consists of, and how much of it rests on estimates; empty for older runs."""
    parts = item.get("component_saving_cny_per_year")
    if not parts:
        return ""
    shown = sorted(((name, cny) for name, cny in parts.items() if abs(cny) >= _LEAST_SHOWN_CNY), key=lambda x: -x[1])
    if not shown:
        return ""
    split = join(f"{_component(name)} {format_million(cny)}" for name, cny in shown)
    guessed = item["estimated_saving_cny_per_year"]
    rests = say(
        "{guessed}, all others for {saving}",
        guessed=format_million(guessed),
        saving=format_million(item["saving_cny_per_year"] - guessed),
    )
    return say(" By component: {split}. Prices that are estimates account for {rests}.", split=split, rests=rests)


# As `format_million` writes 0.1.
_LEAST_SHOWN_CNY = 5e4


def why_no_plan(baseline: Mapping[str, Any]) -> str:
    """Say why one of `Run.baselines` is not feasible."""
    why = (
        [say("leaves {unserved} unserved", unserved=format_percent(baseline["unserved_share"], 2))]
        if baseline["unserved_share"] > 0
        else []
    )
    return join(
        [*why, say("breaks {limits}", limits=join(map(retell, baseline["broken"])))] if baseline["broken"] else why,
        "; ",
    )


def _shares(shares: Mapping[str, float]) -> str:
    return join(f"{term(name)} {format_percent(share)}" for name, share in shares.items())


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
    return (
        say("{seconds:7.1f} s  plan", seconds=line.seconds)
        + rjust(plan, 12)
        + f"  {say('bound')}"
        + rjust(bound, 12)
        + f"  {say('gap')} {gap}{describe_goal(line.goal)}  {retell(doing)}"
    )


def describe_goal(gap: float | None) -> str:
    """Write the gap at which a solve ends, to stand behind the one it has; nothing where nobody said."""
    if gap is None:
        return ""
    return " " + (say("(to {goal:.2g})", goal=gap) if gap < LEAST_SHOWN_GAP else say("(to {goal:.2%})", goal=gap))


def describe_run(run: Run) -> str:
    """Describe a solved scenario: costs, places, baselines and what the optimization saved."""
    with naming(local_names(run)), counting([run.cost_cny_per_year]):
        return _describe_run(run)


def local_names(run: Run, *, with_inputs: bool = True) -> dict[str, str]:
    """
    Name places, classes and accelerators of a run as the language in force does, by their names and ids.

    Empty in English, where the run's own names do.

    Parameters
    ----------
    with_inputs
        Read the inputs of the run, which know junctions and accelerators, where they are still there.
    """
    if current_language() == "en" or not run.has_plan:
        return {}
    names: dict[str, str] = {}
    has_inputs = with_inputs and not run.lost_inputs
    tables = [run.network.nodes.reset_index()] if has_inputs else []
    # What a run calls a place goes before the name of its node.
    for rows in (*tables, run.tables["demand_hubs"], run.tables["data_centers"]):
        local = rows["name_local"] if "name_local" in rows else rows["name"]
        for place, name, own in zip(rows["id"], rows["name"], local, strict=True):
            if own and own == own:  # noqa: PLR0124 - not NaN
                names |= {str(place): str(own), str(name): str(own)}
    if has_inputs:
        names |= {str(chip): str(name) for chip, name in run.network.accelerators["name"].items()}
    classes = run.tables.get("classes")
    if classes is not None and "name" in classes:
        for class_id, name in zip(classes["workload_class"], classes["name"], strict=True):
            if (named := term(str(class_id))) != class_id:
                names[str(name)] = named
    return names


def _describe_run(run: Run) -> str:
    solution = run.solution
    head = say(
        "Scenario {scenario} on network {network}", scenario=run.scenario.name, network=escape_text(run.network.name)
    )
    wanted = run.info["options"]["mip_rel_gap"]
    ended = how_it_ended(solution.termination, solution.method, solution.mip_rel_gap, wanted)
    ended_line = say(
        "{ended} after {seconds:.1f} s ({method})",
        ended=ended,
        seconds=sum(solution.seconds.values()),
        method=retell(solution.method),
    )
    lines = [head, f"  {ended_line}"]
    if changed := changed_keys(run.info):
        lines.insert(1, "  " + say("changed in it: {changes}", changes=escape_text(", ".join(changed))))
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
        *("  " + ljust(say(name), 16) + escape_text(text) for name, text in facts.items()),
        "",
        *_policy_lines(summary),
        *_latency_table(run.tables["latency"]),
        *_baseline_table(run.baselines, solution.objective_cny),
        "",
        *_resilience_lines(run.info.get("resilience")),
        say(
            "Limits that made the difference: {limits}",
            limits=describe_limits(run.limits_cny_per_year),
        ),
        *map(escape_text, price_lines(run.shadow_prices)),
    ]
    if doubts := warning_lines(run.info.get("warnings") or ()):
        lines += ["", *doubts]
    if run.folder is not None:
        lines += ["", say("Run folder: {folder}", folder=escape_text(str(run.folder)))]
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
    if len(warnings) == 1:
        head = say("1 warning about the inputs, which are allowed but hardly meant:")
    else:
        head = say("{count} warnings about the inputs, which are allowed but hardly meant:", count=len(warnings))
    return [head, *(f"  {describe_fault(Fault(**w))}" for w in warnings)]


def describe_check(found: Mapping[str, Any]) -> str:
    """Describe the size of a problem, from `check_scenario`."""
    limiting = found["limiting_links"]
    shown = join(limiting[:8]) + (", ..." if len(limiting) > len(limiting[:8]) else "")
    size = say(
        "({demand_hubs} demand hubs, {workload_classes} classes)",
        demand_hubs=found["demand_hubs"],
        workload_classes=found["workload_classes"],
    )
    power = say(
        "with {pools} pools, {it_capacity_mw:,.0f} MW of IT power",
        pools=found["pools"],
        it_capacity_mw=found["it_capacity_mw"],
    )
    columns = say(
        "({flow_columns:,} flow columns: method {method})",
        flow_columns=found["flow_columns"],
        method=retell(found["method"]),
    )
    needed = (found["needed_accelerators_mean"], found["needed_accelerators_peak"])
    buyable = say(
        "and {buyable_accelerators:,.0f} that may be bought", buyable_accelerators=found["buyable_accelerators"]
    )
    tokens = format_amount(found["tokens_per_day"])
    rows = {
        "time slices": f"{found['time_slices']:,}{_describe_days(found['representative_days'])}",
        "workloads": say("{count:,} {details}", count=found["workloads"], details=size),
        "data centers": say("{count:,} {details}", count=found["data_centers"], details=power),
        "candidates": say("{count:,} {details}", count=found["candidates"], details=columns),
        "demand": say(
            "{tokens} tokens a day, {peak_mtok_per_h:,.0f} mtok/h at the peak",
            tokens=tokens,
            peak_mtok_per_h=found["peak_mtok_per_h"],
        ),
        "accelerators needed": say(
            "{needed:,.0f} on average, {needed2:,.0f} at the peak", needed=needed[0], needed2=needed[1]
        ),
        "accelerators in place": say("{count:,.0f}, {buyable}", count=found["existing_accelerators"], buyable=buyable),
        "limiting links": say("{count} of {all}", count=len(limiting), all=found["links"])
        + (f": {shown}" if limiting else ""),
        "fewest choices": say(
            "{count} data center(s) within the limits of {workload}",
            count=found["fewest_data_centers_in_reach"],
            workload=escape_text(retell(found["fewest_in_reach_of"])),
        ),
    }
    if found["outages"]:
        rows["outages to survive"] = say(
            "{outages} ({outage_columns:,} columns)", outages=found["outages"], outage_columns=found["outage_columns"]
        )
    if found["protected_workloads"]:
        without = say(
            "{unprotected_candidates:,} candidates without a second route left out",
            unprotected_candidates=found["unprotected_candidates"],
        )
        rows["protected"] = say("{count} workloads; {without}", count=found["protected_workloads"], without=without)
    if found["too_slow"]:
        rows["too slow"] = say(
            "no time left for the network within ttft_limit_ms: {classes}", classes=join(found["too_slow"])
        )
    rows |= _price_rows(found["prices"])
    width = max(width_of(say(name)) for name in rows)
    head = say(
        "Scenario {scenario} on network {network}: no fault found",
        scenario=found["scenario"],
        network=escape_text(found["network"]),
    )
    doubts = warning_lines(found["warnings"])
    lines = [head, *(f"  {ljust(say(name), width)}  {text}" for name, text in rows.items())]
    lines += [*_slice_warning(found["slicing"]), *_policy_check(found)]
    return "\n".join([*lines, "", *doubts] if doubts else lines)


def _slice_warning(slicing: Mapping[str, Any] | None) -> list[str]:
    warning = warn_of_slices(slicing)
    return [] if warning is None else ["  " + say("warning: {text}", text=escape_text(warning))]


def _price_rows(prices: Mapping[str, Any]) -> dict[str, str]:
    """Say what price cases and price changes do: the mean of the data centers of each region, before and after."""
    rows = {}
    for name in ("price_cases", "price_changes"):
        if prices[name]:
            rows[name.replace("_", " ")] = join(prices[name])
    if not rows:
        return {}
    for row, name, unit in (
        ("mean energy price", "energy_price_cny_per_mwh", say("CNY per MWh")),
        ("mean demand charge", "demand_charge_cny_per_kw_month", say("CNY per kW and month")),
    ):
        parts = [f"{escape_text(term(region))} {_now_and_before(*pair)}" for region, pair in prices[name].items()]
        rows[row] = f"{join(parts)} {unit}"
    rows["carbon price"] = say(
        "{now_and_before} CNY per tonne", now_and_before=_now_and_before(*prices["carbon_price_cny_per_t"])
    )
    if prices["token_price_cny_per_mtok"]:
        parts = [f"{term(name)} {_now_and_before(*pair)}" for name, pair in prices["token_price_cny_per_mtok"].items()]
        rows["token price"] = say("{parts} CNY per million tokens", parts=join(parts))
    return rows


def _now_and_before(before: float, now: float) -> str:
    return f"{now:,.4g}" if now == before else say("{now:,.4g} (was {before:,.4g})", now=now, before=before)


def _policy_check(found: Mapping[str, Any]) -> list[str]:
    """Say what the policy demands and whether a plan can meet it."""
    failed = [item for item in found["policy"] if not item["holds"]]
    if failed:
        lines = [f"  {escape_text(retell(item['message']))}" for item in failed]
        return ["", say("The scenario is infeasible: no plan can meet its policy"), *lines]
    return ["  " + say("policy: {demand}", demand=escape_text(retell(item["message"]))) for item in found["policy"]]


def _describe_days(days: Mapping[str, float]) -> str:
    """Name the representative days and how many days of the year each stands for; nothing if there is one."""
    if len(days) == 1:
        return ""
    shown = [f"{name} {count:.4g}" for name, count in list(days.items())[:_DAYS_SHOWN]]
    more = ["..."] if len(days) > _DAYS_SHOWN else []
    return say(" on {count} representative days: {days}", count=len(days), days=join([*shown, *more]))


def describe_verification(report: VerifyReport) -> str:
    """Describe what a verification found."""
    if report.is_verified:
        compared = join(f"{count:,} {retell(what)}" for what, count in report.checked.items() if count)
        total = format_million(report.total_cny_per_year)
        notes = "".join("\n  " + say("note: {note}", note=retell(note)) for note in report.notes)
        return say(
            "verified: {total} million CNY a year; no limit broken; same: {compared}{notes}",
            total=total,
            compared=compared,
            notes=notes,
        )
    shown = [escape_text(retell(line)) for line in report.differences[:_LISTED]]
    more = len(report.differences) - len(shown)
    lines = [
        say("NOT verified: {differences} difference(s)", differences=len(report.differences)),
        *(f"  {line}" for line in shown),
    ]
    return "\n".join([*lines, "  " + say("and {more} more", more=more)] if more else lines)


def _resilience_lines(price: Mapping[str, Any] | None) -> list[str]:
    """Say what surviving failures costs, and the bounds proved for it."""
    if price is None:
        return []
    without, most = price["cost_without_cny_per_year"], price["most_price_cny_per_year"]
    share = price["price_cny_per_year"] / without if without else 0.0
    between = join([format_million(price["least_price_cny_per_year"]), format_million(most)], " and ")
    costs = say("{price} million CNY a year", price=format_million(price["price_cny_per_year"]))
    against = say(
        "{share} of {without} without the reserve", share=format_percent(share), without=format_million(without)
    )
    return [
        say(
            "Surviving failures costs {costs} ({against}), proved to be between {between}.",
            costs=costs,
            against=against,
            between=between,
        ),
        "",
    ]


def _without_plan(run: Run) -> list[str]:
    if run.solution.termination != Termination.INFEASIBLE:
        return [
            "  " + say("no plan was found; raise the time limit"),
            "  " + say("proven bound {bound_cny}", bound_cny=format_million(run.solution.bound_cny)),
        ]
    if run.failure is None:
        why = (
            say("total capacity, capacity within reach, sites, single places, failures and the policy each pass alone"),
            say("what remains is link capacity, whole pods, or several of these limits at once"),
        )
    else:
        why = (
            say("first condition that fails: {name}", name=retell(run.failure.name)),
            escape_text(retell(run.failure.message)),
        )
    return [
        f"  {line}" for line in (*why, say("`edwc explain` finds the smallest changes that would make it feasible"))
    ]


def _component(name: str) -> str:
    return term(name).replace("_", " ")


def _proof(solution: Solution) -> str:
    cost, bound = format_million(solution.objective_cny), format_million(solution.bound_cny)
    return "  " + say(
        "cost {cost}, proven bound {bound} million CNY a year, gap {mip_rel_gap}",
        cost=cost,
        bound=bound,
        mip_rel_gap=format_percent(solution.mip_rel_gap, 2),
    )


def _cost_table(summary: Mapping[str, Any]) -> list[str]:
    total, guessed = summary["total_cny_per_year"], summary["estimate_share"]
    rows = [
        ljust(say("Cost"), 22)
        + rjust(say("million CNY/year"), 18)
        + rjust(say("share"), 9)
        + rjust(say("on estimates"), 15)
    ]
    for name, value in summary["component_cny_per_year"].items():
        if value:
            rows.append(_cost_row(_component(name), value, total, guessed.get(name)))
    return [*rows, _cost_row(say("total"), total, total, guessed["total"])]


def _cost_row(name: str, value: float, total: float, guessed: float | None) -> str:
    share = value / total if total else 0.0
    return (
        "  "
        + ljust(name, 20)
        + rjust(format_million(value), 18)
        + rjust(format_percent(share), 9)
        + rjust(format_percent(guessed, 0), 15)
    )


def _policy_lines(summary: Mapping[str, Any]) -> list[str]:
    """Compare what the plan achieves with each demand of the policy; empty without one."""
    lines = [f"  {escape_text(describe_outcome(item))}" for item in summary["policy"]]
    return [say("Policy"), *lines, ""] if lines else []


def _latency_table(table: pd.DataFrame) -> list[str]:
    """Break down the time to the first token on the longest way of each class with a limit; ends with a blank line."""
    limited = limited_classes(table)
    if limited.empty:
        return []
    rows = [ljust(say("First token, ms"), 22) + "".join(rjust(say(name), 11) for name in LATENCY_COLUMNS)]
    for row in limited.to_dict("records"):
        cells = "".join(rjust(format_number(float(row[name])), 11) for name in LATENCY_COLUMNS.values())
        rows.append("  " + ljust(escape_text(term(str(row["workload_class"]))), 20) + cells)
    return [*rows, ""]


def _baseline_table(baselines: Sequence[Mapping[str, Any]], total_cny: float) -> list[str]:
    rows = [ljust(say("Without optimization"), 30) + rjust(say("million CNY/year"), 18) + rjust(say("saving"), 20)]
    for item in baselines:
        name = escape_text(retell(item["name"]))
        if item["is_feasible"]:
            saved = f"{format_million(item['saving_cny_per_year'])} = {format_percent(item['saving_share'])}"
            rows.append(
                "  " + ljust(name, 28) + rjust(format_million(item["total_cny_per_year"]), 18) + rjust(saved, 20)
            )
            continue
        rows.append(
            "  "
            + ljust(name, 28)
            + rjust(format_million(item["total_cny_per_year"]), 18)
            + "  "
            + say("not a plan: {why}", why=why_no_plan(item))
        )
    return [*rows, f"  {escape_text(describe_saving(baselines, total_cny))}"]

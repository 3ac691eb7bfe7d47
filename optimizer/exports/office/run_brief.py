"""The brief of a run."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import pandas as pd

from network_data.currency import in_currency
from network_data.faults import escape_text
from optimizer.exports.office.brief import (
    PERCENT,
    Bar,
    Bars,
    Brief,
    Figure,
    Money,
    changes_of,
    list_amounts,
    listed,
    named,
    section_of,
)
from optimizer.exports.words import Words
from optimizer.numbers import format_number, format_percent
from optimizer.runs.metadata import changed_keys
from optimizer.runs.run import Run
from optimizer.runs.share_ranges import share_range
from optimizer.sensitivity.price_table import top_prices
from optimizer.solvers.control import Termination
from optimizer.words.amounts import counting, format_amount, recount
from optimizer.words.language import Lang, speaking

_PRICES_SHOWN, _LIMITS_SHOWN, _COMPONENTS_SHOWN, _BARS_SHOWN, _CENTERS_SHOWN = 2, 4, 5, 7, 8
_LEAST_PART = 1e-4  # of the cost, that a component is named
_DATE_CHARS = 10


def run_brief(run: Run, lang: Lang = "en", *, map_png: bytes = b"") -> Brief:
    """
    Say what a run answers.

    Parameters
    ----------
    lang
        Language of the brief.
    map_png
        A drawn map; empty for none.

    Raises
    ------
    InputError
        If the run folder is incomplete.
    """
    run.require_whole()
    with speaking(lang), counting([run.cost_cny_per_year]):
        return _run_brief(run, Words(lang, run.currency), map_png)


def _run_brief(run: Run, words: Words, map_png: bytes) -> Brief:
    info, summary = run.info, run.summary
    scenario, network = section_of(info, "scenario"), named(section_of(info, "network").get("name", ""))
    name, date = named(scenario.get("name", run.name)), str(info.get("finished_utc") or "")[:_DATE_CHARS]
    money = Money(words, max((run.cost_cny_per_year, *(_feasible_costs(run)))))
    about = [words("brief.eyebrow", scenario=name, network=network)]
    if date:
        about.append(words("brief.date", date=date))
    version = named(section_of(info, "versions").get("edwc", ""))
    return Brief(
        words=words,
        title=words("brief.title", name=named(run.label)),
        eyebrow=words("join").join(about),
        changes=changes_of(words, changed_keys(info), scenario.get("price_cases") or ()),
        question=words("brief.question", tokens=words.amount(summary["tokens_per_day"])),
        answer=tuple(_answer(run, words, money)),
        figures=tuple(run_figures(run, words, money)),
        bars=_bars(run, words, money),
        decides=tuple(_decides(run, words, money)),
        caveats=tuple(_caveats(run, words, money)),
        sources=(
            words("brief.sources", network=network, scenario=name),
            words("brief.made", version=version, run=named(run.label), date=date),
        ),
        made=str(info.get("finished_utc") or ""),
        map_title=words("brief.map_head"),
        map_png=map_png,
        table_title=words("brief.centers_head"),
        table=_centers(run, words, money),
    )


def rule_name(item: Mapping[str, Any], words: Words) -> str:
    """Name a rule beside the plan."""
    # Its name ends in the region, which the id does not hold.
    region = str(item["name"]).rpartition(" in ")[2]
    key = f"rule.{item['id']}"
    known = words.name_of("rule", str(item["id"])) != item["id"]
    return words(key, region=words.term("category", region)) if known else named(item["name"])


def best_rule(run: Run) -> Mapping[str, Any] | None:
    """Find the cheapest rule that keeps all limits; None where none does."""
    fitting = [item for item in run.baselines if item["is_feasible"]]
    return min(fitting, key=lambda item: item["total_cny_per_year"], default=None)


def _feasible_costs(run: Run) -> list[float]:
    return [item["total_cny_per_year"] for item in run.baselines if item["is_feasible"]]


def _answer(run: Run, words: Words, money: Money) -> Iterator[str]:
    summary, cost, bound = run.summary, run.cost_cny_per_year, run.bound_cny_per_year
    yield _cost_sentence(run, words, money)
    shares = [
        words(
            "brief.share_in", region=words.term("category", region), share=write_share(words, share, run.ranges, region)
        )
        for region, share in sorted(summary["region_share"].items(), key=lambda item: -item[1])
    ]
    used, every = summary["open_data_centers"], summary["data_centers"]
    yield words("brief.answer_where", shares=listed(words, shares), used=used, all=every)
    rule = best_rule(run)
    if rule is None:
        if run.baselines:
            yield words("brief.answer_no_rule")
        return
    least, most = rule["total_cny_per_year"] - cost, rule["total_cny_per_year"] - bound
    facts = {"rule": rule_name(rule, words), "rule_cost": money.text(rule["total_cny_per_year"])}
    if least < 0:
        yield words("brief.answer_dearer", rule=facts["rule"], less=money.text(-least))
        return
    of = abs(rule["total_cny_per_year"]) or math.nan
    facts |= {"least": money.text(least), "least_share": format_percent(least / of)}
    if math.isfinite(most):
        yield words("brief.answer_saving", **facts, most=money.text(most), most_share=format_percent(most / of))
    else:
        yield words("brief.answer_saving_alone", **facts)


def write_share(words: Words, share: float, ranges: pd.DataFrame, region: str) -> str:
    """Write the share of a region with what is proved of it, or that this was not computed."""
    known = share_range(ranges, region)
    span = words("brief.no_range") if known is None else (
        words("brief.interval", low=format_percent(known[0]), high=format_percent(known[1]))
    )  # fmt: skip
    return words("brief.bracketed", text=format_percent(share), note=span)


def _cost_sentence(run: Run, words: Words, money: Money) -> str:
    cost, bound = money.text(run.cost_cny_per_year), run.bound_cny_per_year
    if not math.isfinite(bound):
        return words("brief.answer_cost_alone", cost=cost)
    key = "brief.answer_least" if money.text(bound) == cost else "brief.answer_cost"
    return words(key, cost=cost, bound=money.text(bound), gap=format_percent(run.gap, 2))


def run_figures(run: Run, words: Words, money: Money) -> Iterator[Figure]:
    """List the key figures of a run with what is proved of them."""
    summary, cost, bound = run.summary, run.cost_cny_per_year, run.bound_cny_per_year
    yield money.figure(words("brief.figure.cost"), cost, least=bound, most=cost)
    if (rule := best_rule(run)) is not None:
        of = rule["total_cny_per_year"]
        label = words("brief.figure.saving", rule=rule_name(rule, words))
        note = format_percent((of - cost) / abs(of)) if of else ""
        yield money.figure(label, of - cost, least=of - cost, most=of - bound, note=note)
    yield _region_figure(run, words)
    if "full_cost_cny_per_year" in summary:
        note = words("brief.full_per_mtok", amount=format_number(summary["full_cny_per_mtok"], 4))
        yield money.figure(words("brief.figure.full_cost"), summary["full_cost_cny_per_year"], note=note)
    market = words("brief.market_carbon", amount=words.amount(summary["market_carbon_t_per_year"]))
    kt = summary["carbon_t_per_year"] / 1e3
    yield _ranged(run, "carbon", Figure(words("brief.figure.carbon"), kt, words("brief.unit.kt"), 0, note=market), 1e3)
    rtt = Figure(words("brief.figure.rtt"), float(summary["mean_rtt_ms"]), words("brief.unit.ms"), 1)
    yield _ranged(run, "mean_rtt", rtt, 1.0)


def more_figures(run: Run, words: Words) -> Iterator[Figure]:
    """List further figures, for a workbook."""
    summary = run.summary
    per_mtok = float(summary["cny_per_mtok"])
    yield Figure(words("brief.figure.per_mtok"), per_mtok, words("brief.unit.cny_mtok"), 4)
    gwh = summary["energy_mwh_per_year"] / 1e3
    yield Figure(words("brief.figure.energy"), gwh, words("brief.unit.gwh"), 0)
    guessed = section_of(summary, "estimate_share").get("total")
    if guessed is not None:
        yield Figure(words("brief.figure.estimates"), float(guessed), PERCENT)


def _ranged(run: Run, indicator: str, figure: Figure, factor: float) -> Figure:
    """Add the range over near-optimal plans to a figure, where `edwc range` has left one."""
    rows = run.ranges[run.ranges["indicator"] == indicator] if len(run.ranges) else run.ranges
    if not len(rows):
        return figure
    row = rows.iloc[-1]
    least, most = float(row["least_limit"]) / factor, float(row["most_limit"]) / factor
    return Figure(figure.label, figure.value, figure.unit, figure.decimals, least, most, figure.note)


def _region_figure(run: Run, words: Words) -> Figure:
    """Show the region that takes most work from others, with what is proved of its share."""
    served, demand = run.summary["region_share"], run.summary["demand_region_share"]
    region = max(served, key=lambda name: served[name] - demand.get(name, 0.0), default="")
    label = words("brief.figure.region", region=words.term("category", region))
    there = words("brief.demand_there", share=format_percent(demand.get(region, 0.0)))
    known = share_range(run.ranges, region)
    if known is None:
        note = listed(words, (there, words("brief.no_range")))
        return Figure(label, served.get(region, math.nan), PERCENT, note=note)
    least, most, _ = known
    return Figure(label, served.get(region, math.nan), PERCENT, least=least, most=most, note=there)


def _bars(run: Run, words: Words, money: Money) -> Bars:
    """Compare the cost of the plan with those of the rules, the cheapest first."""
    rows = [Bar(words("brief.this_plan"), money.number(run.cost_cny_per_year), is_own=True)]
    for item in sorted(run.baselines, key=lambda item: (not item["is_feasible"], item["total_cny_per_year"])):
        label = rule_name(item, words)
        if not item["is_feasible"]:
            rows.append(Bar(label, math.nan, words("brief.no_plan", why=_why_no_plan(item, words))))
            continue
        saving, share = item["saving_cny_per_year"], format_percent(item["saving_share"])
        note = words("brief.saves_of_it", amount=money.write(saving), share=share)
        rows.append(Bar(label, money.number(item["total_cny_per_year"]), note))
    return Bars(words("brief.cost_head", unit=money.unit), tuple(rows[:_BARS_SHOWN]), money.decimals)


def _why_no_plan(item: Mapping[str, Any], words: Words) -> str:
    parts = []
    if item["unserved_share"] > 0:
        parts.append(words("brief.unserved", share=format_percent(item["unserved_share"], 2)))
    if item["broken"]:
        parts.append(words("brief.breaks", limits=named(listed(words, map(str, item["broken"])))))
    return listed(words, parts)


def _centers(run: Run, words: Words, money: Money) -> tuple[tuple[str, ...], ...]:
    """List the data centers that serve most: share of the tokens, power, price, round trip, cost."""
    centers = run.data_centers.sort_values("mtok_per_year", ascending=False, kind="stable")
    used = centers[centers["mtok_per_year"] > 0].head(_CENTERS_SHOWN)
    keys = ("center", "share", "peak", "price", "rtt")
    rows = [(*(words(f"brief.col.{key}") for key in keys), words("brief.col.part", unit=money.unit))]
    columns = [name for name in used if str(name).endswith("_cny_per_year")]
    for place, row in zip(used.index, used.to_dict("records"), strict=True):
        numbers = (row[name] for name in ("peak_it_power_mw", "mean_price_cny_per_mwh", "mean_rtt_ms"))
        cost = sum(float(row[name]) for name in columns if row[name] == row[name])
        cells = (format_percent(row["token_share"]), *map(format_number, numbers), money.write(cost))
        rows.append((_center_name(run, place, words), *cells))
    return tuple(rows)


def _center_name(run: Run, place: str, words: Words) -> str:
    """Name a data center, in Chinese by its local name if it has one."""
    row = run.data_centers.loc[place]
    local = row.get("name_local") if words.lang == "zh" else ""
    return named(local or row["name"])


def _decides(run: Run, words: Words, money: Money) -> Iterator[str]:
    summary, limits = run.summary, run.limits_cny_per_year
    if limits:
        text = list_amounts(words, "limit", limits, money, _LIMITS_SHOWN)
        yield words("brief.limits", list=text, unit=money.unit)
    elif "shadow_prices" in run.tables:
        yield words("brief.no_limits")
    for row in top_prices(run.shadow_prices).head(_PRICES_SHOWN).to_dict("records"):
        yield _price_sentence(run, row, words, money)
    if (rule := best_rule(run)) is not None and (parts := rule.get("component_saving_cny_per_year")):
        least = _LEAST_PART * abs(rule["total_cny_per_year"])
        shown = {name: cny for name, cny in parts.items() if abs(cny) >= least}
        if shown:
            text = list_amounts(words, "component", shown, money, _COMPONENTS_SHOWN)
            yield words("brief.components", rule=rule_name(rule, words), list=text, unit=money.unit)
        guessed, saving = rule["estimated_saving_cny_per_year"], rule["saving_cny_per_year"]
        yield words("brief.saving_guessed", guessed=money.text(guessed), rest=money.text(saving - guessed))
    cost = run.cost_cny_per_year
    share = summary["component_cny_per_year"].get("energy", 0.0) / cost if cost else math.nan
    price, pue = format_number(summary["mean_price_cny_per_mwh"]), format_number(summary["mean_pue"], 3)
    amount = words.amount(summary["energy_mwh_per_year"])
    yield words("brief.energy_paid", share=format_percent(share), price=price, amount=amount, pue=pue)


def _price_sentence(run: Run, row: Mapping[Hashable, Any], words: Words, money: Money) -> str:
    """Say what one more step of a limit saves."""
    if words.lang == "en":
        sentence = in_currency(recount(str(row["sentence"])), run.currency)
        return f"{sentence[:1].upper()}{escape_text(sentence[1:])}."
    place, _, accelerator = str(row["id"]).partition("/")
    name = _center_name(run, place, words) if place in run.data_centers.index else words.term("category", place)
    if place in run.data_centers.index:
        # Inputs, which know the name of the accelerator, may have gone; the sentence has it.
        before, found, _ = str(row["sentence"]).partition(f" at {run.data_centers['name'].loc[place]}")
        _, pod, of_pod = before.partition("1 more pod of ")
        accelerator = of_pod.removesuffix(" in place") if found and pod else accelerator
    facts = {"name": named(name), "accelerator": named(accelerator), "amount": money.text(float(row["value"]))}
    return words(f"brief.price.{row['kind']}", **facts)


def _caveats(run: Run, words: Words, money: Money) -> Iterator[str]:
    summary, info = run.summary, run.info
    guessed = section_of(summary, "estimate_share").get("total")
    if guessed is not None:
        yield words("brief.caveat.estimates", share=format_percent(guessed, 0))
    if "full_cost_cny_per_year" in summary:
        full = money.text(summary["full_cost_cny_per_year"])
        count = format_number(summary["accelerators_in_use"], 0)
        yield words("brief.caveat.sunk", count=count, full=full)
    if run.ranges.empty:
        yield words("brief.caveat.no_range")
    if run.termination != Termination.OPTIMAL:
        yield words("brief.caveat.ended", how=words.name_of("ended", str(run.termination)))
    if summary["unserved_share"] > 0:
        yield words("brief.caveat.unserved", share=format_percent(summary["unserved_share"], 2))
    days = run.slices["day"].nunique()
    yield words("brief.caveat.slices", days=days, slices=format_amount(len(run.slices) / max(days, 1)))
    if section_of(info, "slicing").get("lost_peaks"):
        yield words("brief.caveat.lost_peaks")
    if info.get("warnings"):
        yield words("brief.caveat.warnings", count=len(info["warnings"]))
    if run.changed_files:
        yield words("brief.caveat.files", files=named(listed(words, run.changed_files)))

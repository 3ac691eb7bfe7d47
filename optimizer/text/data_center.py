"""What a data center does and is worth, in words: for the terminal, and the same sentences for the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from network_data.faults import escape_text
from optimizer.model.equations import EQUATIONS
from optimizer.numbers import format_clock, format_cny, format_million, format_percent
from optimizer.runs.data_center_price import DataCenterPrice, LimitThere, OtherDataCenter
from optimizer.sensitivity import work_table as kinds
from optimizer.sensitivity.price_table import LEAST_VALUE_CNY
from optimizer.units import HOURS_PER_YEAR
from optimizer.words.amounts import format_amount
from optimizer.words.columns import ljust, rjust, width_of
from optimizer.words.sentences import join, retell, say, term

_LISTED = 4
_LEAST_SHARE = 0.0005  # shows as 0.1 %
_KEPT_OUT = {
    kinds.RESIDENCY: "its data may not go there",
    kinds.RTT_LIMIT: "over the RTT limit",
    kinds.SECOND_ROUTE: "no second route",
    kinds.CLOSED: "closed",
    kinds.NOT_DEPLOYED: "its class is not deployed there",
    kinds.SINGLE_PLACE: "its single place is another one",
    kinds.NOTHING: "nothing but hours and rounding",
    "pods": "all pods in use",
    "it_power": "IT power used up",
    "link": "a link on the way full",
    "demand_charge": "the billed power would rise",
    "min_share": "minimum share of its class elsewhere",
    "policy": "a limit of the policy",
}


def describe_data_center(found: DataCenterPrice) -> str:
    """Say what a data center does, what binds, what more would be worth, and who is next for its work."""
    lines = [data_center_heading(found)]
    facts = data_center_facts(found)
    width = max(map(width_of, facts), default=0)
    lines += [f"  {ljust(name, width)}  {text}" for name, text in facts.items()]
    for title, sentences in data_center_sections(found).items():
        lines += ["", title, *(f"  {sentence}" for sentence in sentences)]
    if found.hours and found.is_open:
        lines += ["", *_hour_table(found)]
    return "\n".join(escape_text(line) for line in lines)


def data_center_heading(found: DataCenterPrice) -> str:
    """Name a data center and say in one sentence what it does."""
    who = say(
        "{name} ({data_center}, {region})",
        name=retell(found.name), data_center=found.data_center, region=term(found.region),
    )  # fmt: skip
    if not found.is_open:
        return say("{who}: closed, nothing is served there", who=who)
    if found.mtok_per_year == 0:
        return say("{who}: open, but nothing is served there", who=who)
    tokens, share = format_amount(found.tokens_per_day), format_percent(found.token_share)
    return say("{who}: {tokens} tokens a day, {share} of all", who=who, tokens=tokens, share=share)


def data_center_facts(found: DataCenterPrice) -> dict[str, str]:
    """List hours, work, power, price and cost; nothing of a data center without work."""
    if found.mtok_per_year == 0:
        return {}
    hours = (
        say("all hours")
        if found.hours_per_year >= HOURS_PER_YEAR - 1e-6
        else say("{hours:,.0f} of {year:,.0f} hours a year", hours=found.hours_per_year, year=HOURS_PER_YEAR)
    )
    facts = {
        say("serves in"): hours,
        say("classes"): _largest(found.class_share),
        say("demand hubs"): _largest(found.hub_share),
        say("mean round trip"): f"{found.mean_rtt_ms:.1f} ms",
    }
    if found.hours:
        facts[say("power drawn")] = _power_words(found)
    least, most = found.least_price_cny_per_mwh, found.most_price_cny_per_mwh
    facts[say("pays for energy")] = (
        say(
            "{mean:,.1f} CNY/MWh on average over its energy; {least:,.1f} to {most:,.1f} by hour",
            mean=found.price_cny_per_mwh, least=least, most=most,
        )
        if f"{least:.1f}" != f"{most:.1f}"
        else say("{price:,.1f} CNY/MWh in every hour", price=found.price_cny_per_mwh)
    )  # fmt: skip
    total = math.fsum(found.cost_cny_per_year.values())
    parts = sorted(found.cost_cny_per_year.items(), key=lambda item: -item[1])
    facts[say("costs")] = say(
        "{total} million CNY a year, {each:.4f} CNY per million tokens: {parts}",
        total=format_million(total), each=total / found.mtok_per_year,
        parts=join(f"{term(name).replace('_', ' ')} {format_million(cny)}" for name, cny in parts),
    )  # fmt: skip
    return facts


def _power_words(found: DataCenterPrice) -> str:
    used = sorted((hour.facility_power_mw, hour.hour) for hour in found.hours)
    (least, least_hour), (most, most_hour) = used[0], used[-1]
    if f"{least:.1f}" == f"{most:.1f}":
        return say("{power:,.1f} MW in every hour, PUE included", power=most)
    return say(
        "{least:,.1f} MW at {least_hour} to {most:,.1f} MW at {most_hour}, PUE included",
        least=least, least_hour=format_clock(least_hour), most=most, most_hour=format_clock(most_hour),
    )  # fmt: skip


def _largest(shares: Mapping[str, float]) -> str:
    shown = [f"{retell(name)} {format_percent(share)}" for name, share in list(shares.items())[:_LISTED]]
    more = len(shares) - len(shown)
    return join(shown) + (say(" and {count} more", count=more) if more > 0 else "")


def data_center_sections(found: DataCenterPrice) -> dict[str, list[str]]:
    """List sentences by their heading: what binds, what more is worth, why nothing is served, who is next."""
    sections: dict[str, list[str]] = {}
    if found.mtok_per_year == 0:
        sections[say("Why nothing is served there")] = _why_idle(found)
    else:
        full = [_full_sentence(limit) for limit in found.limits if limit.binds]
        sections[say("What binds")] = full or [say("nothing of it is used up in any hour")]
    if values := [_value_sentence(found, limit) for limit in found.limits]:
        sections[say("What more there is worth, with what is open, deployed and bought held as it is")] = values
    if found.mtok_per_year > 0:
        sections[say("For the work it does, at the running cost of a million tokens")] = _neighbours(found)
    return sections


def _what(limit: LimitThere) -> str:
    words = {"pods": say("pods of {name}", name=retell(limit.name)), "it_power": say("IT power")}
    return words.get(limit.kind, say("link {name}", name=limit.name))


def _full_sentence(limit: LimitThere) -> str:
    always = limit.full_h_per_year >= HOURS_PER_YEAR - 1e-6
    when = say("all hours") if always else say("{hours:,.0f} hours a year", hours=limit.full_h_per_year)
    return say(
        "{what}: all {available:,.10g} {unit} in use in {when}",
        what=_what(limit), available=limit.available, unit=retell(limit.unit), when=when,
    )  # fmt: skip


def _value_sentence(found: DataCenterPrice, limit: LimitThere) -> str:
    """Say what one more unit is worth; of a zero, why."""
    more = {
        "pods": say("1 more pod of {name}", name=retell(limit.name)),
        "it_power": say("1 MW more of IT power"),
    }.get(limit.kind, say("100 Gbps more on link {name}", name=limit.name))
    if math.isnan(limit.value_cny_per_year):
        return say("{more}: not computed", more=more)
    if limit.value_cny_per_year >= LEAST_VALUE_CNY:
        amount = _money(limit.value_cny_per_year)
        if limit.holds_to > 1:
            return say(
                "{more}: {amount} a year, and each of {count:g} about as much",
                more=more, amount=amount, count=limit.holds_to,
            )  # fmt: skip
        return say("{more}: {amount} a year", more=more, amount=amount)
    return say("{more}: nothing; {why}", more=more, why=_why_worthless(found, limit))


def _why_worthless(found: DataCenterPrice, limit: LimitThere) -> str:
    if not found.is_open:
        return say("it is closed")
    if limit.available <= 0:
        return say("there is none, and none would be used at these prices")
    if not limit.binds:
        return say(
            "no more than {used:,.3g} of {available:,.10g} {unit} are in use",
            used=limit.most_used, available=limit.available, unit=retell(limit.unit),
        )  # fmt: skip
    return say("they are used up, but the next place costs as little")


def _neighbours(found: DataCenterPrice) -> list[str]:
    if not found.others:
        return [say("not computed: the solve was stopped, or another version made the run. Solve again.")]
    lines = []
    if (cheaper := found.next_cheaper) is None:
        lines.append(say("no data center is cheaper"))
    else:
        lines.append(say("next cheaper: {other}", other=_other(cheaper)))
        lines.append("  " + say("what keeps it out of there: {kept}", kept=_kept_out(cheaper)))
    if (dearer := found.next_dearer) is None:
        lines.append(say("no data center is dearer"))
    else:
        lines.append(say("next dearer: {other}", other=_other(dearer)))
    return lines


def _other(other: OtherDataCenter) -> str:
    text = say(
        "{name}, {there:.4f} CNY against {here:.4f} here ({difference:+.4f})",
        name=retell(other.name), there=other.there_cny_per_mtok, here=other.here_cny_per_mtok,
        difference=other.difference_cny_per_mtok,
    )  # fmt: skip
    if other.work_share < 1.0 - _LEAST_SHARE:
        text += say(", for the {share} of its work that has a way there", share=format_percent(other.work_share))
    return text


def _kept_out(other: OtherDataCenter) -> str:
    shares = (
        f"{say(_KEPT_OUT[kind]) if kind in _KEPT_OUT else retell(EQUATIONS[kind].price_of)} {format_percent(share)}"
        for kind, share in other.kept_out_share.items()
        if share >= _LEAST_SHARE
    )
    return join(shares, "; ")


def _why_idle(found: DataCenterPrice) -> list[str]:
    lines = []
    pods = [limit for limit in found.limits if limit.kind == "pods"]
    if not any(limit.available > 0 for limit in pods):
        lines.append(say("it has no pods"))
    could = found.could_serve
    if could is None:
        lines.append(say("no tokens that are served have a way there, or that was not computed"))
    else:
        lines.append(
            say(
                "{share} of all tokens have a way there; they cost {here:.4f} CNY per million tokens to run where they "
                "are served and would cost {there:.4f} there",
                share=format_percent(could.work_share), here=could.here_cny_per_mtok, there=could.there_cny_per_mtok,
            )
        )  # fmt: skip
        if rules := {kind: share for kind, share in could.kept_out_share.items() if kind in _RULES}:
            ruled = join(f"{say(_KEPT_OUT[kind])} {format_percent(share)}" for kind, share in rules.items())
            lines.append(say("rules keep a part of them out: {ruled}", ruled=ruled))
    if not math.isnan(found.opening_cny_per_year):
        lines.append(_opening_sentence(found.opening_cny_per_year, found.most_saved_cny_per_year))
    return lines


_RULES = (kinds.RESIDENCY, kinds.RTT_LIMIT, kinds.SECOND_ROUTE)


def _money(cny: float) -> str:
    """Write an amount in the words of the language in force; the other rooms store it in English."""
    return retell(format_cny(cny))


def _opening_sentence(opening_cny: float, saved_cny: float) -> str:
    cost = _money(opening_cny)
    held = say("with all other whole decisions as they are")
    if math.isnan(saved_cny):
        return say("opening it costs {cost} a year", cost=cost)
    if math.isinf(saved_cny):
        return say("no plan opens it {held}", held=held)
    if saved_cny < LEAST_VALUE_CNY:
        return say("opening it costs {cost} a year and could save nothing {held}", cost=cost, held=held)
    saved = _money(saved_cny)
    if saved_cny < opening_cny:
        return say(
            "opening it costs {cost} a year and could save no more than {saved}, what is deployed there paid, {held}",
            cost=cost, saved=saved, held=held,
        )  # fmt: skip
    return say(
        "opening it costs {cost} a year and may save as much as {saved}, {held}: the plan is only good to within its "
        "gap",
        cost=cost, saved=saved, held=held,
    )  # fmt: skip


HOUR_COLUMNS = ("hour", "mtok/h", "IT MW", "facility MW", "CNY/MWh", "pods on")


def hour_rows(found: DataCenterPrice) -> list[tuple[str, ...]]:
    """Rows of the table of hours, under `HOUR_COLUMNS`; the day stands before the hour where there are several."""
    several = len({hour.day for hour in found.hours}) > 1
    return [
        (
            f"{hour.day} {format_clock(hour.hour)}" if several else format_clock(hour.hour),
            f"{hour.mtok_per_h:,.0f}",
            f"{hour.it_power_mw:,.2f}",
            f"{hour.facility_power_mw:,.2f}",
            f"{hour.price_cny_per_mwh:,.1f}",
            f"{hour.active_pods:,.1f}",
        )
        for hour in found.hours
    ]


def _hour_table(found: DataCenterPrice) -> list[str]:
    rows = [tuple(map(say, HOUR_COLUMNS)), *hour_rows(found)]
    widths = [max(width_of(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [f"  {'  '.join(rjust(text, width) for text, width in zip(row, widths, strict=True))}" for row in rows]


def describe_data_centers(found: Sequence[DataCenterPrice]) -> str:
    """List the data centers of a run, the one with most tokens first."""
    heads = (say("tokens"), say("hours"), say("peak MW"), say("CNY/MWh"), say("CNY/mtok"))
    columns = "".join(rjust(head, width) for head, width in zip(heads, (8, 8, 10, 10, 10), strict=True))
    more = rjust(say("1 MW more"), 16) + rjust(say("1 pod more"), 16)
    lines = [ljust(say("data center"), 24) + columns + more]
    for one in found:
        if one.mtok_per_year > 0:
            peak = max((hour.facility_power_mw for hour in one.hours), default=math.nan)
            each = math.fsum(one.cost_cny_per_year.values()) / one.mtok_per_year
            facts = (
                f"{format_percent(one.token_share):>8}{one.hours_per_year:>8,.0f}{peak:>10,.1f}"
                f"{one.price_cny_per_mwh:>10,.1f}{each:>10.4f}"
            )
        else:
            facts = rjust(say("closed") if not one.is_open else say("idle"), 8) + " " * 38
        lines.append(f"{one.data_center:<24}{facts}{_best_value(one, 'it_power'):>16}{_best_value(one, 'pods'):>16}")
    lines.append(say("values in CNY a year; `edwc price RUN DATA_CENTER` says more of one, and why a value is nothing"))
    return "\n".join(escape_text(line) for line in lines)


def _best_value(found: DataCenterPrice, kind: str) -> str:
    values = [limit.value_cny_per_year for limit in found.limits if limit.kind == kind]
    known = [value for value in values if not math.isnan(value)]
    return f"{max(known):,.0f}" if known else "-"

"""A comparison as plain text: cases, waterfalls, what moved, regret and tornado, 110 columns wide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from network_data.faults import escape_text
from optimizer.comparison.cases import CaseStatus
from optimizer.comparison.comparison import Comparison
from optimizer.comparison.effects import Regret
from optimizer.comparison.tables import AFTER_TIGHTENING, REGION, number
from optimizer.numbers import (
    NO_NUMBER,
    format_change,
    format_million,
    format_number,
    format_percent,
    format_tenths,
    million_writer,
    shorten,
)
from optimizer.runs.difference import KINDS, MOVES
from optimizer.runs.share_ranges import RANGE_UNKNOWN
from optimizer.text.faults import describe_faults
from optimizer.text.near_optimal import describe_must_move, describe_share_range
from optimizer.text.run import warn_of_case_slices
from optimizer.words.amounts import counting, format_amount
from optimizer.words.columns import ljust, rjust, wrap
from optimizer.words.sentences import join, retell, say, term
from scenarios.price_parameters import format_value, label_of

WIDTH = 110
_LABEL, _NAME, _COMPONENT, _AMOUNT, _HALF_BAR, _CELL = 24, 26, 22, 10, 24, 9
_COLUMNS = (10, 10, 8, 22, 8, 8, 9, 6, 5)
_LEAST_TOLD_SHARE = 5e-5  # less would be written as 0.0%
_MOVED_SHOWN, _MATRIX_SHOWN, _PLANS_SHOWN, _BAR = 10, 8, 5, "█"
_KIND_HEADS = {
    "price": "prices of {second} on the unchanged plan of {first}",
    "reoptimize": "what re-optimizing changed",
    "change": "difference",
}
# What changed of the tokens of a row of `TokenMoves.rows`.
KIND_WORDS = {
    "data_center": "data center",
    "hour": "hour",
    "data_center_and_hour": "data center and hour",
    "less_demand": "less demand",
    "more_demand": "more demand",
    "no_longer_served": "no longer served",
    "newly_served": "newly served",
}
_ALONE_WORDS = {
    "less_demand": "{share} is demand that {second} does not have",
    "more_demand": "{share} is demand that {first} does not have",
    "no_longer_served": "{share} is left unserved in {second} alone",
    "newly_served": "{share} is left unserved in {first} alone",
}


def describe_comparison(found: Comparison) -> str:
    """Describe a comparison in lines of plain text."""
    with counting(found.cases["total_cny_per_year"]):
        return _describe_comparison(found)


def _describe_comparison(found: Comparison) -> str:
    parts = [_cases(found), _decisions(found)]
    for pair in chosen_pairs(found):
        parts += [_waterfall(found, pair), _moved(found, pair)]
    parts += [_regret(found), _tornado(found), *([search.to_text()] for search in found.searches.values())]
    for name, error in found.unfinished.items():
        parts.append(
            [
                say("{name}: not begun, the comparison was interrupted", name=escape_text(name))
                if error is None
                else describe_faults(error)
            ]
        )
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def chosen_pairs(found: Comparison) -> list[tuple[str, str]]:
    """Choose which waterfalls to show: the pairs of the request, else those of the largest saving and extra cost."""
    table = found.waterfall_pairs
    if found.pairs or table.empty:
        return list(found.pairs)
    differences = table["difference_cny_per_year"].to_numpy(float)
    ends = dict.fromkeys((int(differences.argmin()), int(differences.argmax())))
    shown = [at for at in ends if differences[at] != 0] or list(ends)[:1]
    return [(str(table["first"].iloc[at]), str(table["second"].iloc[at])) for at in shown]


def _label_of(found: Comparison, case: str, length: int = _LABEL) -> str:
    return found.short_labels(length).get(case) or shorten(case, length)


def _label_in_column(found: Comparison, case: str, length: int) -> str:
    """Label of a case where there is little room: points of a sweep differ in their ends, which must not be cut off."""
    result = found.results.get(case)
    if result is not None and len(result.case.label) > length and len(result.case.point) > 1:
        label, point = result.case.label, result.case.point
        return shorten(label.removesuffix(label_of(point)) + join(map(format_value, point.values())), length)
    return _label_of(found, case, length)


def _named_by_values(found: Comparison) -> list[str]:
    """Say which parameters the values stand for, where cases are named by them."""
    points = [
        tuple(result.case.point)
        for case, result in found.results.items()
        if len(result.case.point) > 1 and len(result.case.label) > _LABEL - 1
    ]
    return [
        line for names in dict.fromkeys(points) for line in _wrapped(say("named by values: {names}", names=join(names)))
    ]


def _cases(found: Comparison) -> list[str]:
    region = _main_region(found)
    label = _label_of(found, found.reference, 24)
    count, failed = len(found.cases), int(found.cases["total_cny_per_year"].isna().sum())
    without = say(", {failed} without a plan", failed=failed) if failed else ""
    head = [
        say(
            "Comparison of {name}: {count} cases{without}; savings against {label}",
            name=shorten(found.name or say("stored runs"), 24),
            count=count,
            without=without,
            label=label,
        ),
        _aligned(
            "",
            say("cost"),
            say("saving"),
            "",
            say("best plans differ"),
            say("energy"),
            say("CO2"),
            say("in {region}", region=shorten(term(region), 6)),
            say("RTT"),
            say("gap"),
        ),
        _aligned(
            say("case"), say("M CNY/yr"), say("M CNY/yr"), "", say("by M CNY/yr, proved"), "GWh", "kt", "%", "ms", "%"
        ),
    ]
    writers = (
        million_writer(found.cases["total_cny_per_year"]),
        *(million_writer(found.cases["saving_cny_per_year"], signed=signed) for signed in (True, False)),
    )
    lines = [
        _case_row(row, _label_in_column(found, str(row["case"]), _LABEL - 1), region, writers)
        for _, row in found.cases.iterrows()
    ]
    stopped = found.cases["status"].eq(CaseStatus.STOPPED).any()
    lines += _full_costs(found)
    notes = [say("* stopped by a limit before its gap was reached")] if stopped else []
    notes += _wrapped(_range_note(found, region)) if region else []
    changes = ", ".join(found.changes)
    changed = _wrapped(say("changed in the scenario: {changes}", changes=changes)) if changes else []
    return [*head, *lines, *_named_by_values(found), *notes, *changed, *_slice_warning(found)]


def _range_note(found: Comparison, region: str) -> str:
    """Say that the shares of the main region are those of single plans, and between what they lie where it is known."""
    texts = {case: describe_share_range(found.ranges(case), region) for case in found.results}
    unknown = say(RANGE_UNKNOWN)
    told = [f"{_label_of(found, case)}: {text}" for case, text in texts.items() if text != unknown]
    if len(told) < len(texts):
        told.append(say("others: {unknown}", unknown=unknown) if told else unknown)
    return say(
        "in {region}: of the plan of each case; {ranges}",
        region=shorten(term(region), 24),
        ranges=join(told, "; "),
    )


def _slice_warning(found: Comparison) -> list[str]:
    warning = slice_warning(found)
    return [] if warning is None else _wrapped(say("warning: {text}", text=escape_text(warning)))


def slice_warning(found: Comparison) -> str | None:
    """Say which peaks the slices of the cases average away; None where they keep them."""
    return warn_of_case_slices(slicings(found))


def slicings(found: Comparison) -> dict[str, Any]:
    """How the days of each case with a plan are cut, by label."""
    planned = [case for case, result in found.results.items() if result.has_plan]
    return {found.labels[case]: found.results[case].info.get("slicing") for case in planned}


def _full_costs(found: Comparison) -> list[str]:
    """Say between what the full costs of the cases lie; nothing where no run knows them."""
    if "full_cost_cny_per_year" not in found.cases or found.cases["full_cost_cny_per_year"].isna().all():
        return []
    cases = found.cases.dropna(subset=["full_cost_cny_per_year"]).sort_values("full_cost_cny_per_year", kind="stable")
    ends = [
        format_million(row["full_cost_cny_per_year"]) + say(" ({why})", why=_label_of(found, str(row["case"]), 24))
        for _, row in cases.iloc[[0, -1]].iterrows()
    ]
    return _wrapped(
        say(
            "full cost, with the accelerators in use at the peak: {ends} million CNY a year",
            ends=join(dict.fromkeys(ends), " to "),
        )
    )


def _case_row(row: pd.Series, label: str, region: str, writers: Sequence[Callable[[float | None], str]]) -> str:
    """Lay out a case; `writers` of its cost, its saving and what is proved of that."""
    write_cost, write_saving, write_proved = writers
    label = ljust(label, _LABEL)
    if math.isnan(row["total_cny_per_year"]):
        reason = retell(" ".join(str(row["reason"]).split()))
        return label + shorten(f"{retell(str(row['status']).replace('_', ' '))}: {reason}", WIDTH - _LABEL)
    saving = share = proved = NO_NUMBER
    if not row["is_reference"]:
        saving, share = write_saving(row["saving_cny_per_year"]), format_percent(row["saving_share"])
        least, most = row["least_saving_cny_per_year"], row["most_saving_cny_per_year"]
        if not math.isnan(least):
            proved = join([write_proved(least), write_proved(most)], " to ")
    gap = f"{format_number(row['mip_rel_gap'], 1, 0.01)}{'*' if row['status'] == CaseStatus.STOPPED else ''}"
    return _aligned(
        label,
        write_cost(row["total_cny_per_year"]),
        saving,
        share,
        proved,
        format_number(row["energy_mwh_per_year"], 0, 1e3),
        format_number(row["carbon_t_per_year"], 0, 1e3),
        format_number(number(row.get(f"{REGION.name}.{region}")), 1, 0.01),
        format_number(row["mean_rtt_ms"], 1),
        gap,
    )


def _decisions(found: Comparison) -> list[str]:
    """Say what cases were tightened for, and what is proved now."""
    lines = []
    for row in found.decisions.to_dict("records"):
        question, why = shorten(retell(str(row["question"])), 48), retell(str(row["reason"]))
        least, most = float(row["least_saving_cny_per_year"]), float(row["most_saving_cny_per_year"])
        said = question
        if not math.isnan(least):
            costs = [found.results[str(row[side])].objective_cny for side in ("first", "second")]
            proved = join(map(million_writer((least, most)), (least, most)), " and ")
            said += say(": {costs}, proved between {proved}", costs=format_change(costs[0] - costs[1]), proved=proved)
        lines += _wrapped(
            f"{said} ({(say(AFTER_TIGHTENING) if row['is_decided'] else say('not decided: {why}', why=why))})"
        )
    if not lines:
        return []
    count, decided = len(found.decisions), int(found.decisions["is_decided"].astype(bool).sum())
    return [
        say(
            "Left open by the gaps: {count}, of which {decided} decided; million CNY a year",
            count=count,
            decided=decided,
        ),
        *(f"  {x}" for x in lines),
    ]


def _aligned(label: str, *cells: str) -> str:
    return ljust(label, _LABEL) + "".join(rjust(cell, width) for cell, width in zip(cells, _COLUMNS, strict=True))


def _main_region(found: Comparison) -> str:
    """Region that serves most of the tokens in the reference, or in the first case with a plan."""
    columns = sorted(str(name) for name in found.cases if str(name).startswith(f"{REGION.name}."))
    with_plan = found.cases[found.cases["total_cny_per_year"].notna()].sort_values("is_reference", ascending=False)
    if not columns or with_plan.empty:
        return ""
    return str(with_plan[columns].iloc[0].astype(float).idxmax()).removeprefix(f"{REGION.name}.")


def _waterfall(found: Comparison, pair: tuple[str, str]) -> list[str]:
    first, second = (_label_of(found, case, 28) for case in pair)
    bars = _of_pair(found.waterfalls, pair)
    head = say("From {first} to {second}, million CNY a year", first=first, second=second)
    if bars.empty:
        return [head, "  " + say("no waterfall: one of the two has no plan")]
    reason = retell(str(_of_pair(found.waterfall_pairs, pair)["reason"].iloc[0]))
    lines = [head]
    if reason:
        why = say(
            "the plan of {first} is none in {second}, so prices and re-optimizing cannot be separated: {reason}",
            first=first,
            second=second,
            reason=reason,
        )
        lines += [f"  {line}" for line in _wrapped(why)]
    inner = bars[~bars["kind"].isin(["start", "end"])]
    largest = float(inner["cny_per_year"].abs().max()) if len(inner) else 0.0
    lines.append(_end_row(say("cost of {first}", first=first), float(bars["cny_per_year"].iloc[0])))
    for kind, part in inner.groupby("kind", sort=False):
        total = math.fsum(part["cny_per_year"])
        shown = say(_KIND_HEADS[str(kind)], first=first, second=second)
        lines.append("  " + ljust(shorten(shown, 70), 70) + rjust(format_change(total), _AMOUNT))
        lines += [_bar_row(term(str(name)).replace("_", " "), height, largest) for name, height in
                  zip(part["component"], part["cny_per_year"], strict=True)]  # fmt: skip
    if inner.empty:
        lines.append("  " + say("no component differs"))
    lines.append(_end_row(say("cost of {second}", second=second), float(bars["cny_per_year"].iloc[-1])))
    return lines


def _end_row(name: str, cny: float) -> str:
    return "  " + ljust(shorten(name, 70), 70) + rjust(format_million(cny), _AMOUNT)


def _bar_row(name: str, cny: float, largest: float) -> str:
    left, right = _two_sided(cny, largest, _HALF_BAR)
    return (
        "    " + ljust(shorten(name, _COMPONENT), _COMPONENT) + left + "|" + right + rjust(format_change(cny), _AMOUNT)
    )


def _two_sided(value: float, largest: float, half: int) -> tuple[str, str]:
    """Draw a bar to the left of an axis for less, to its right for more; only zero has no length."""
    length = math.ceil(half * abs(value) / largest - 1e-9) if largest > 0 and math.isfinite(value) else 0
    bar = _BAR * length
    return (rjust(bar, half), " " * half) if value < 0 else (" " * half, ljust(bar, half))


def _moved(found: Comparison, pair: tuple[str, str]) -> list[str]:
    rows, totals = _of_pair(found.moved, pair), _of_pair(found.moved_totals, pair)
    if totals.empty:
        return []
    first, second = (_label_of(found, case, 28) for case in pair)
    if rows.empty:
        return [say("What moved from {first} to {second}: nothing", first=first, second=second)]
    must_move = describe_must_move(*(found.ranges(case) for case in pair))
    lines = [
        say("What moved from {first} to {second}", first=first, second=second),
        *(f"  {line}" for line in _wrapped(describe_moves(totals, first, second))),
        *(f"  {line}" for line in _wrapped(must_move)),
        "  "
        + ljust(say("workload"), 35)
        + ljust(say("from"), 26)
        + ljust(say("to"), 26)
        + rjust(say("tokens a year"), 13)
        + rjust(say("share"), 7),
    ]
    for row in rows.head(_MOVED_SHOWN).itertuples(index=False):
        workload = shorten(
            say(
                "{workload_class} of {demand_hub}",
                workload_class=term(str(row.workload_class)),
                demand_hub=row.demand_hub,
            ),
            34,
        )
        ends = [
            ljust(_place(name, hour, str(row.kind)), 26)
            for name, hour in ((row.from_data_center, row.from_hour), (row.to_data_center, row.to_hour))
        ]
        tokens = format_amount(float(row.mtok_per_year) * 1e6)  # type: ignore[arg-type]
        share = format_percent(float(row.share))  # type: ignore[arg-type]
        lines.append("  " + ljust(workload, 35) + "".join(ends) + rjust(tokens, 13) + rjust(share, 7))
    more = len(rows) - _MOVED_SHOWN
    return [*lines, "  " + say("and {more:,} smaller ones", more=more)] if more > 0 else lines


def describe_moves(totals: pd.DataFrame, first: str, second: str) -> str:
    """
    Say what of the tokens of a plan another plan serves elsewhere, and what is served in one of them alone.

    Parameters
    ----------
    totals
        Rows of `TokenMoves.totals` of the two plans; shares are of the first plan's tokens, here and on maps.
    """
    share = totals.set_index("kind")["share"].reindex(KINDS).fillna(0.0)
    place, both, hour = share["data_center"], share["data_center_and_hour"], share["hour"]
    parts = [say("{share} in another data center", share=format_percent(place + both))]
    if both > 0:
        parts[0] += say(" ({share} at another hour too)", share=format_percent(both))
    if hour > 0:
        parts.append(say("{share} there at another hour", share=format_percent(hour)))
    moved = say(
        "{share} of the tokens of {first} run elsewhere: {parts}",
        share=format_percent(share[list(MOVES)].sum()),
        first=first,
        parts=join(parts),
    )
    alone = [
        say(words, share=format_percent(share[kind]), first=first, second=second)
        for kind, words in _ALONE_WORDS.items()
        if share[kind] > _LEAST_TOLD_SHARE
    ]
    beside = [say("beside that, of as many tokens, {parts}", parts=join(alone, " and "))] if alone else []
    return join([moved, *beside], "; ")


def _place(name: object, hour: object, kind: str) -> str:
    if not name:
        return say("(not asked for)") if kind in {"less_demand", "more_demand"} else say("(not served)")
    clock = float(hour)  # type: ignore[arg-type]
    at = "" if math.isnan(clock) else f" {int(clock):02d}:{round(clock % 1 * 60):02d}"
    return shorten(str(name), 25 - len(at)) + at


def _regret(found: Comparison) -> list[str]:
    plans = found.regret_plans
    if plans.empty:
        with_plan = int(found.cases["total_cny_per_year"].notna().sum())
        return [
            say(
                "Regret: left out for its {with_plan:,} pairs of plan and case; --regret fixed works it out",
                with_plan=with_plan**2,
            )
        ] * (with_plan > 1)
    lines = [
        say("Regret, million CNY a year: plan of each row under the prices and limits of each column, less its best")
    ]
    cases = list(found.regret_matrix["plan"])
    if len(cases) <= _MATRIX_SHOWN:
        heads = [*(f"({number})" for number in range(1, len(cases) + 1)), say("worst")]
        lines.append("  " + ljust("", _NAME) + "".join(rjust(head, _CELL) for head in heads))
        worst = plans.set_index("plan")["max_regret_cny_per_year"]
        matrix = found.regret_matrix.set_index("plan")
        for number, case in enumerate(cases, start=1):
            cells = [_regret_cell(float(value)) for value in (*matrix.loc[case, cases], worst[case])]
            name = f"({number}) {_label_in_column(found, case, _NAME - 5)}"
            lines.append("  " + ljust(name, _NAME) + "".join(rjust(cell, _CELL) for cell in cells))
    else:
        lines[0] = say(
            "Regret at worst, million CNY a year: plan under the prices and limits of any other case, less its best"
        )
        for row in plans.head(_PLANS_SHOWN).itertuples(index=False):
            under = say("under {case}", case=_label_of(found, str(row.worst_under), 40)) if row.worst_under else ""
            worst_cny = _regret_cell(float(row.max_regret_cny_per_year))  # type: ignore[arg-type]
            lines.append("  " + ljust(_label_of(found, str(row.plan), 40), 42) + rjust(worst_cny, _CELL) + "  " + under)
    lines += [f"  {line}" for line in _regret_words(found)]
    return lines


def _regret_cell(cny: float) -> str:
    return say("no plan") if math.isnan(cny) else format_tenths(cny)


def _regret_words(found: Comparison) -> list[str]:
    plans = found.regret_plans
    everywhere = plans[plans["max_regret_cny_per_year"].notna()]
    lines = []
    if everywhere.empty:
        fewest = _label_of(found, str(plans["plan"].iloc[0]))
        lines = _wrapped(say("every plan breaks a limit of some case; that of {fewest} in the fewest", fewest=fewest))
    else:
        best = everywhere.iloc[0]
        regret, least_regret, most_regret = (
            format_million(best[f"{side}max_regret_cny_per_year"]) for side in ("", "least_", "most_")
        )
        plan, under = (_label_of(found, str(best[name]), 40) for name in ("plan", "worst_under"))
        shown = say("least regret at worst: {plan}, {regret} under {under}", plan=plan, regret=regret, under=under)
        is_least = Regret(found.regret, plans, found.improvable, redispatch=False).is_minimax_proved
        least = say("no other plan can have less") if is_least else say("the gaps leave open whether another has less")
        equals = int((everywhere["max_regret_cny_per_year"] == best["max_regret_cny_per_year"]).sum()) - 1
        if equals:
            shown += say(", as of 1 other") if equals == 1 else say(", as of {equals} others", equals=equals)
        lines = _wrapped(
            say(
                "{shown} (proved between {least_regret} and {most_regret}; {least})",
                shown=shown,
                least_regret=least_regret,
                most_regret=most_regret,
                least=least,
            )
        )
    for row in found.improvable.itertuples(index=False):
        case, plan = (_label_of(found, str(name), 40) for name in (row.case, row.plan))
        saved = format_million(float(row.saving_cny_per_year))  # type: ignore[arg-type]
        lines += _wrapped(
            say(
                "{case} can be improved: the plan of {plan} costs {saved} less there (within its gap)",
                case=case,
                plan=plan,
                saved=saved,
            )
        )
    missing = found.regret[found.regret["reason"] != ""]
    for row in missing.head(3).itertuples(index=False):
        plan, under = (_label_of(found, str(name), 40) for name in (row.plan, row.under))
        lines += _wrapped(
            say("{plan} is no plan under {under}: {reason}", plan=plan, under=under, reason=retell(str(row.reason)))
        )
    if len(missing) > 3:  # noqa: PLR2004 - as many as are listed
        lines.append(say("and {more:,} more pairs without a plan", more=len(missing) - 3))
    return lines


def _tornado(found: Comparison) -> list[str]:
    table = found.tornado
    if table.empty:
        return []
    ends = ["low_effect_cny_per_year", "high_effect_cny_per_year"]
    largest = float(table[ends].abs().to_numpy(float).max(initial=0.0, where=table[ends].notna().to_numpy()))
    half, region = 16, _main_region(found)
    inside = say("in {region}, %", region=shorten(term(region), 6))
    label = _label_of(found, found.reference, 28)
    lines = [
        say("Tornado: one parameter at a time, cost less that of {label}, million CNY a year", label=label),
        "  "
        + ljust(say("parameter"), 27)
        + rjust(say("low"), 8)
        + rjust(say("high"), 8)
        + " "
        + rjust(say("less"), half)
        + "|"
        + ljust(say("more"), half)
        + rjust(say("low"), 9)
        + rjust(say("high"), 9)
        + rjust(inside, 13),
    ]
    for _, row in table.iterrows():
        values = [f"{row[f'{end}_value']:,.6g}" for end in ("low", "high")]
        effects = [float(row[name]) for name in ends]
        left, right = _tornado_bar(effects, largest, half)
        shares = [
            format_number(number(row.get(f"{end}_effect_{REGION.name}.{region}")), 1, 0.01) for end in ("low", "high")
        ]
        lines.append(
            "  "
            + ljust(shorten(str(row["parameter"]), 26), 27)
            + rjust(values[0], 8)
            + rjust(values[1], 8)
            + " "
            + left
            + "|"
            + right
            + rjust(format_change(effects[0]), 9)
            + rjust(format_change(effects[1]), 9)
            + rjust(shares[0] + " / " + shares[1], 13)
        )
        for end in ("low", "high"):
            if math.isnan(row[f"{end}_cost_cny_per_year"]):
                reason = retell(" ".join(str(row[f"{end}_reason"]).split()))
                lines.append(f"    {shorten(say('{end}: no plan: {reason}', end=say(end), reason=reason), WIDTH - 4)}")
    return lines


def _tornado_bar(effects: Sequence[float], largest: float, half: int) -> tuple[str, str]:
    """Bar from the lowest to the highest effect, the reference on the axis."""
    known = [value for value in effects if math.isfinite(value)]
    return _two_sided(min([0.0, *known]), largest, half)[0], _two_sided(max([0.0, *known]), largest, half)[1]


def _of_pair(table: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    return table[(table["first"] == pair[0]) & (table["second"] == pair[1])]


def _wrapped(text: str) -> list[str]:
    clean = shorten(" ".join(text.split()), 4 * WIDTH)
    return wrap(clean, WIDTH - 4)

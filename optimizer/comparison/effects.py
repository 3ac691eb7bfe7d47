"""
What differences between cases consist of.

Waterfall: what prices do to the unchanged plan, and what re-optimizing saves. Tornado: one parameter at a time, ordered
by effect. Regret: what each case's plan costs under every other case, beyond the best that is known there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from optimizer.comparison.carried_plans import Redispatcher, carry_plan
from optimizer.comparison.cases import CaseResult
from optimizer.comparison.tables import number, saving_interval
from optimizer.runs.run import Run
from optimizer.runs.share_ranges import join_texts, share_columns
from scenarios.price_parameters import ParameterRange, label_of

Kind = Literal["start", "price", "reoptimize", "change", "end"]
_ROUNDING_SHARE = 1e-12  # of the cost: less is rounding of the sums behind it
WATERFALL_COLUMNS = ["kind", "component", "cny_per_year", "from_cny_per_year", "to_cny_per_year"]


@dataclass(frozen=True, eq=False)
class Waterfall:
    """The bars between the costs of two cases."""

    first: str  # Ids of the cases
    second: str
    # kind (`start`: cost of the first case; `price`: change of the cost of its unchanged plan at the second case's
    # prices; `reoptimize`: what the second case's own plan costs more than that, negative where it saves; `change`:
    # direct difference, where the first plan is no plan in the second case; `end`: cost of the second case), component
    # ("" of the ends), cny_per_year (height), from_cny_per_year and to_cny_per_year (where the bar begins and ends).
    # Components without a difference have no bar. The heights between the ends sum to the difference, but for rounding.
    bars: pd.DataFrame
    reason: str  # Why the first plan is no plan in the second case; empty if it is one

    @property
    def difference_cny(self) -> float:
        """Cost of the second case less that of the first, CNY per year."""
        ends = self.bars.set_index("kind")["cny_per_year"]
        return float(ends["end"] - ends["start"])

    def total_cny(self, kind: Kind) -> float:
        """Sum of the bars of one kind, CNY per year."""
        return math.fsum(self.bars.loc[self.bars["kind"] == kind, "cny_per_year"])


def build_waterfall(first: Run, second: Run) -> Waterfall:
    """Explain the difference between the costs of two cases, second less first."""
    carried = carry_plan(first, second)
    before, after = first.component_cny, second.component_cny
    if carried.is_plan:
        steps = _differences("price", before, carried.component_cny)
        steps += _differences("reoptimize", carried.component_cny, after)
    else:
        steps = _differences("change", before, after)
    return Waterfall(
        first.case_id, second.case_id, _bars(first.checked_cost_cny, steps, second.checked_cost_cny), carried.reason
    )


def _differences(kind: Kind, before: pd.Series, after: pd.Series) -> list[tuple[Kind, str, float]]:
    names = dict.fromkeys([*before.index, *after.index])
    changes: Mapping[str, float] = {n: float(after.get(n, 0.0)) - float(before.get(n, 0.0)) for n in names}
    least = _ROUNDING_SHARE * float(before.abs().sum())
    return [(kind, name, change) for name, change in changes.items() if abs(change) > least]


def _bars(start: float, steps: list[tuple[Kind, str, float]], end: float) -> pd.DataFrame:
    rows: list[tuple[str, str, float, float, float]] = [("start", "", start, 0.0, start)]
    heights = [start]
    for kind, component, height in steps:
        # Summed afresh each time: rounding must not pile up over the bars.
        bottom = math.fsum(heights)
        heights.append(height)
        rows.append((kind, component, height, bottom, math.fsum(heights)))
    rows.append(("end", "", end, 0.0, end))
    return pd.DataFrame(rows, columns=WATERFALL_COLUMNS)


# Effects beside that on the cost: columns of the summary of a run.
_EFFECTS = ("energy_mwh_per_year", "carbon_t_per_year")
_EFFECT_SHARE = "effect_region_share."


@dataclass(frozen=True, eq=False)
class TornadoEnds:
    """The two cases of one parameter, with its values."""

    parameter: str
    low_value: float
    high_value: float
    low: CaseResult
    high: CaseResult


def find_ends(ranges: Sequence[ParameterRange], results: Mapping[str, CaseResult]) -> list[TornadoEnds]:
    """Find the cases at the ends of ranges among the results of cases that `expand_cases` made of them."""
    by_label = {result.case.label: result for result in results.values()}
    found = []
    for bar in ranges:
        low, high = (by_label.get(label_of({bar.key: value})) for value in (bar.low, bar.high))
        if low is None or high is None:
            raise ValueError(f"no case has {bar.key} at {bar.low:g} or {bar.high:g} alone")
        found.append(TornadoEnds(bar.key, bar.low, bar.high, low, high))
    return found


def build_tornado(reference: CaseResult, bars: Sequence[TornadoEnds]) -> pd.DataFrame:
    """
    Order parameters by their effect on the cost of the reference, the case with every parameter as it is.

    One row per parameter: parameter, span_cny_per_year (length of the bar: from the lowest to the highest of the
    costs of the low end, the high end and the reference), then for each end (low_, high_): value, status,
    cost_cny_per_year, effect_cny_per_year (cost less that of the reference), least_effect_cny_per_year and
    most_effect_cny_per_year (proved for the best plans), effect_energy_mwh_per_year, effect_carbon_t_per_year,
    effect_region_share.REGION, reason. Largest span first; equal spans by name; without any plan last. NaN where an
    end has no plan.
    """
    results = [reference, *(result for bar in bars for result in (bar.low, bar.high))]
    regions = sorted({name for result in results for name in result.summary.get("region_share", {})})
    rows = [
        {"parameter": bar.parameter, "span_cny_per_year": _span(reference, bar)}
        | _end("low", bar.low_value, bar.low, reference, regions)
        | _end("high", bar.high_value, bar.high, reference, regions)
        for bar in bars
    ]
    columns = list(rows[0]) if rows else ["parameter", "span_cny_per_year"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(
        ["span_cny_per_year", "parameter"], ascending=[False, True], na_position="last", ignore_index=True
    )


def with_share_effects(
    tornado: pd.DataFrame, results: Mapping[str, CaseResult], reference: str, ranges: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """
    Say beside the effects on regional shares between what these lie over all plans that cost about as little.

    Parameters
    ----------
    tornado
        From `build_tornado`.
    results, reference
        By id, those at the ends among them; id of the case that they are compared with.
    ranges
        By case what `edwc range` has left with its run.

    Returns
    -------
    DataFrame
        With, for each end (low_, high_): least_effect_region_share.REGION and most_effect_region_share.REGION,
        proved, NaN where one of the two cases has no range; and share_range, for which plans, or that it was not
        computed.
    """
    head = f"low_{_EFFECT_SHARE}"
    regions = [name.removeprefix(head) for name in map(str, tornado) if name.startswith(head)]
    ids = {result.case.label: case for case, result in results.items()}
    columns: dict[str, Any] = {}
    for end in ("low", "high"):
        values = zip(tornado["parameter"], tornado[f"{end}_value"], strict=True) if regions else ()
        cases = [ids.get(label_of({name: value}), "") for name, value in values]
        after, before = (share_columns(runs, regions, ranges) for runs in (cases, [reference] * len(cases)))
        for name in regions:
            least, most = (f"{word}_region_share.{name}" for word in ("least", "most"))
            columns[f"{end}_least_{_EFFECT_SHARE}{name}"] = after[least] - before[most]
            columns[f"{end}_most_{_EFFECT_SHARE}{name}"] = after[most] - before[least]
        if regions:
            both = zip(after["share_range"], before["share_range"], strict=True)
            columns[f"{end}_share_range"] = [join_texts(map(str, pair)) for pair in both]
    return tornado.assign(**columns)


def _span(reference: CaseResult, bar: TornadoEnds) -> float:
    costs = [result.objective_cny for result in (bar.low, bar.high) if result.has_plan]
    if not (costs and reference.has_plan):
        return math.nan
    costs.append(reference.objective_cny)
    return max(costs) - min(costs)


def _end(
    end: str, value: float, result: CaseResult, reference: CaseResult, regions: Sequence[str]
) -> dict[str, object]:
    saving, least_saving, most_saving = saving_interval(reference, result)
    row: dict[str, object] = {
        "value": value,
        "status": str(result.status),
        "cost_cny_per_year": result.objective_cny if result.has_plan else math.nan,
        "effect_cny_per_year": 0.0 - saving,  # not -0.0
        "least_effect_cny_per_year": 0.0 - most_saving,
        "most_effect_cny_per_year": 0.0 - least_saving,
    }
    for name in _EFFECTS:
        row[f"effect_{name}"] = number(result.summary.get(name)) - number(reference.summary.get(name))
    shares = [found.summary.get("region_share", {}) for found in (result, reference)]
    for region in regions:
        # A region without a token is not in the summary of a plan.
        after, before = (float(share.get(region, 0.0)) if share else math.nan for share in shares)
        row[f"{_EFFECT_SHARE}{region}"] = after - before
    row["reason"] = result.reason
    return {f"{end}_{name}": entry for name, entry in row.items()}


_PAIR_COLUMNS = [
    "plan", "under", "cost_cny_per_year", "regret_cny_per_year", "least_regret_cny_per_year",
    "most_regret_cny_per_year", "reason",
]  # fmt: skip
_PLAN_COLUMNS = [
    "plan", "max_regret_cny_per_year", "worst_under", "least_max_regret_cny_per_year", "most_max_regret_cny_per_year",
    "no_plan_under",
]  # fmt: skip
_IMPROVABLE_COLUMNS = ["case", "plan", "saving_cny_per_year"]


@dataclass(frozen=True, eq=False)
class Regret:
    """
    Each case's plan under every case.

    Attributes
    ----------
    pairs
        One row per plan and case: plan, under, cost_cny_per_year, regret_cny_per_year (cost less that of the case's
        own plan; negative where the plan is better than what the case's own solve found), least_regret_cny_per_year
        (less the cheapest plan known of the case) and most_regret_cny_per_year (less the case's bound): the regret
        against the true optimum is proved to lie between these two. reason: why it is no plan there; then the numbers
        are NaN.
    plans
        One row per plan: plan, max_regret_cny_per_year with the case where it arises (worst_under),
        least_max_regret_cny_per_year and most_max_regret_cny_per_year (proved), no_plan_under (in how many cases it is
        no plan; the maxima are NaN then). Least regret first.
    improvable
        Cases for which another case's plan is cheaper than their own: case, plan (the cheapest), saving_cny_per_year.
    redispatch
        Whether hours and routes were chosen anew with the integer decisions held, or everything is fixed.
    """

    pairs: pd.DataFrame
    plans: pd.DataFrame
    improvable: pd.DataFrame
    redispatch: bool

    @property
    def matrix_cny(self) -> pd.DataFrame:
        """Regret, CNY per year: plans in rows, cases in columns, in the order given; NaN where there is no plan."""
        order = list(dict.fromkeys(self.pairs["under"]))
        pairs = self.pairs.set_index(["plan", "under"])["regret_cny_per_year"]
        return pairs.unstack("under").reindex(index=order, columns=order)  # noqa: PD010 - each pair is there once

    @property
    def minimax_plan(self) -> str:
        """Plan with the least maximum regret; empty if none is a plan in every case."""
        known = self._everywhere
        return "" if known.empty else str(known["plan"].iloc[0])

    @property
    def is_minimax_proved(self) -> bool:
        """Whether the maximum regret of that plan is proved to be no more than that of any other."""
        least, most = (self._everywhere[f"{side}_max_regret_cny_per_year"] for side in ("least", "most"))
        return bool(len(most)) and bool((least.iloc[1:] >= most.iloc[0]).all())

    @property
    def _everywhere(self) -> pd.DataFrame:
        """Those of the plans that are one in every case."""
        return self.plans[self.plans["max_regret_cny_per_year"].notna()]


def find_regret(cases: Sequence[Run], *, redispatch: bool = False) -> Regret:
    """
    Evaluate each case's plan under every case.

    Everything is fixed; with `redispatch` what is open, deployed, bought and assigned is held, and hours and routes are
    chosen anew for each case, by a linear program.
    """
    columns = [_under(case, cases, redispatch=redispatch) for case in cases]
    pairs = pd.concat(columns, ignore_index=True) if columns else pd.DataFrame(columns=_PAIR_COLUMNS)
    return Regret(pairs, _plans(pairs), _improvable(pairs), redispatch)


def _under(case: Run, plans: Sequence[Run], *, redispatch: bool) -> pd.DataFrame:
    """Rows of all plans under one case."""
    carry = Redispatcher(case).carry if redispatch else partial(carry_plan, to=case)
    carried = [carry(plan) for plan in plans]
    cost = np.array([found.cost_cny for found in carried])
    bound = case.bound_cny_per_year if np.isfinite(case.bound_cny_per_year) else np.nan
    values = (
        [plan.case_id for plan in plans],
        case.case_id,
        cost,
        cost - case.checked_cost_cny,
        cost - np.nanmin(cost),
        cost - bound,
        [found.reason for found in carried],
    )
    return pd.DataFrame(dict(zip(_PAIR_COLUMNS, values, strict=True)))


def _plans(pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per plan, least maximum regret first; those that are no plan everywhere last, by how often not."""
    rows = []
    for plan, part in pairs.groupby("plan", sort=False):
        missing = int((part["reason"] != "").sum())
        worst = part["regret_cny_per_year"].max(skipna=False)
        if missing:
            rows.append((plan, np.nan, "", np.nan, np.nan, missing))
            continue
        # Of several cases with the same regret the first by name: the order of the cases must not matter.
        where = min(part.loc[part["regret_cny_per_year"] == worst, "under"])
        least, most = (part[f"{side}_regret_cny_per_year"].max(skipna=False) for side in ("least", "most"))
        rows.append((plan, worst, where, least, most, 0))
    table = pd.DataFrame(rows, columns=_PLAN_COLUMNS)
    return table.sort_values(["no_plan_under", "max_regret_cny_per_year", "plan"], ignore_index=True)


def _improvable(pairs: pd.DataFrame) -> pd.DataFrame:
    better = pairs[pairs["regret_cny_per_year"] < 0].sort_values(["regret_cny_per_year", "plan"], kind="stable")
    best = better.drop_duplicates("under").sort_values("under")
    rows = zip(best["under"], best["plan"], -best["regret_cny_per_year"], strict=True)
    return pd.DataFrame(list(rows), columns=_IMPROVABLE_COLUMNS)

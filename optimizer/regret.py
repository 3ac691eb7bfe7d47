"""Regret: what each case's plan costs under every other case, beyond the best that is known there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.case_plan import CarriedPlan, CasePlan, carry_plan

PAIR_COLUMNS = [
    "plan", "under", "cost_cny_per_year", "regret_cny_per_year", "least_regret_cny_per_year",
    "most_regret_cny_per_year", "reason",
]  # fmt: skip
PLAN_COLUMNS = [
    "plan", "max_regret_cny_per_year", "worst_under", "least_max_regret_cny_per_year", "most_max_regret_cny_per_year",
    "no_plan_under",
]  # fmt: skip
IMPROVABLE_COLUMNS = ["case", "plan", "saving_cny_per_year"]


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
        Whether hours and routes were chosen anew with the whole decisions held, or everything is fixed.
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
        known = self.plans[self.plans["max_regret_cny_per_year"].notna()]
        return "" if known.empty else str(known["plan"].iloc[0])

    @property
    def is_minimax_proved(self) -> bool:
        """Whether the maximum regret of that plan is proved to be no more than that of any other."""
        known = self.plans[self.plans["max_regret_cny_per_year"].notna()]
        if known.empty:
            return False
        most = known["most_max_regret_cny_per_year"].iloc[0]
        return bool((known["least_max_regret_cny_per_year"].iloc[1:] >= most).all())


def find_regret(cases: Sequence[CasePlan], *, redispatch: bool = False) -> Regret:
    """
    Evaluate each case's plan under every case.

    Parameters
    ----------
    cases
        Cases with a plan.
    redispatch
        False: everything is fixed. True: what is open, deployed, bought and assigned is held, hours and routes are
        chosen anew for each case, by a linear program.
    """
    columns = [_under(case, cases, redispatch=redispatch) for case in cases]
    pairs = pd.concat(columns, ignore_index=True) if columns else pd.DataFrame(columns=PAIR_COLUMNS)
    return Regret(pairs, _plans(pairs), _improvable(pairs), redispatch)


def _under(case: CasePlan, plans: Sequence[CasePlan], *, redispatch: bool) -> pd.DataFrame:
    """Rows of all plans under one case."""
    carried = _carry_all(case, plans, redispatch=redispatch)
    cost = np.array([found.cost_cny for found in carried])
    bound = case.bound_cny if np.isfinite(case.bound_cny) else np.nan
    values = (
        [plan.id for plan in plans],
        case.id,
        cost,
        cost - case.cost_cny,
        cost - np.nanmin(cost),
        cost - bound,
        [found.reason for found in carried],
    )
    return pd.DataFrame(dict(zip(PAIR_COLUMNS, values, strict=True)))


def _carry_all(case: CasePlan, plans: Sequence[CasePlan], *, redispatch: bool) -> list[CarriedPlan]:
    if not redispatch:
        return [carry_plan(plan, case) for plan in plans]
    from optimizer.redispatch import Redispatcher  # compiling a model is slow to import, and rarely asked for

    program = Redispatcher(case)
    return [program.carry(plan) for plan in plans]


def _plans(pairs: pd.DataFrame) -> pd.DataFrame:
    """One row per plan, least maximum regret first; those that are no plan everywhere last, by how often not."""
    rows = []
    for plan, part in pairs.groupby("plan", sort=False):
        missing = int((part["reason"] != "").sum())
        worst = part["regret_cny_per_year"].max(skipna=False)
        if missing or not len(part):
            rows.append((plan, np.nan, "", np.nan, np.nan, missing))
            continue
        # Of several cases with the same regret the first by name: the order of the cases must not matter.
        where = min(part.loc[part["regret_cny_per_year"] == worst, "under"])
        least, most = (part[f"{side}_regret_cny_per_year"].max(skipna=False) for side in ("least", "most"))
        rows.append((plan, worst, where, least, most, 0))
    table = pd.DataFrame(rows, columns=PLAN_COLUMNS)
    return table.sort_values(["no_plan_under", "max_regret_cny_per_year", "plan"], ignore_index=True)


def _improvable(pairs: pd.DataFrame) -> pd.DataFrame:
    better = pairs[pairs["regret_cny_per_year"] < 0].sort_values(["regret_cny_per_year", "plan"], kind="stable")
    best = better.drop_duplicates("under").sort_values("under")
    rows = zip(best["under"], best["plan"], -best["regret_cny_per_year"], strict=True)
    return pd.DataFrame(list(rows), columns=IMPROVABLE_COLUMNS)

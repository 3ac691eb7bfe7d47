"""The energy return on latency: what a millisecond of round-trip budget is worth, class by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.case_runner import CaseRunner
from optimizer.frontier_points import (
    SAVINGS,
    SAVINGS_PER_MS,
    PlanReader,
    Point,
    SolvedPoints,
    check_sizes,
    difference_table,
    point_table,
    solve_points,
)
from optimizer.rtt_budgets import STEPS_PER_MS, Budget, BudgetSpace, are_within, budget_cases

# Where no budgets are given: the tightest, halfway to the longest way in reach, and the limit half as large again.
HALFWAY, BEYOND = 0.5, 1.5
SIZE = "budget_ms"
NAMES = (f"tighter_{SIZE}", f"looser_{SIZE}")
ENERGY_PER_MS = "energy_saving_cny_per_year_per_ms"


@dataclass(frozen=True, eq=False)
class LatencyReturn:
    """
    What releasing the round trip of one class saves, all others as in the reference.

    Attributes
    ----------
    points
        One row per class and budget (`frontier_points.point_table` with workload_class and stated_limit_ms).
    steps
        Each budget of a class with the next that has a plan (`frontier_points.difference_table`), with the part of the
        saving that is energy, by the best known plans; NaN unless the saving's sign is proved.
    ranking
        One row per class: the same from its tightest budget with a plan to its own limit, largest proved saving per ms
        first; useful_limit_ms (no way in reach is longer: what the limit leaves above it releases nothing and is not
        counted in the ms); rank; is_above_next (the class certainly saves more per ms than each one after it). Classes
        whose saving is not distinguishable from 0 come last, by the most it could be.
    """

    points: pd.DataFrame
    steps: pd.DataFrame
    ranking: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by the name of the file they go to."""
        return {
            "latency_return": self.ranking,
            "latency_return_points": self.points,
            "latency_return_steps": self.steps,
        }


def latency_return(
    runner: CaseRunner, classes: Sequence[str] | None = None, budgets_ms: Sequence[float] | None = None
) -> LatencyReturn:
    """
    Vary the round-trip budget of one class at a time, all others at the reference.

    Parameters
    ----------
    runner
        Solves the cases, all as one batch.
    classes
        Ids; None = those that state a limit on the round trip, all if none does.
    budgets_ms
        Budgets for each class, above its own limit too; None = the tightest that lets every workload of the class reach
        a data center, halfway from there to the longest round trip that its limit leaves in reach, and half as much
        again as the limit.

    Raises
    ------
    InputError
        With every fault of the scenario, the budgets or the classes.
    """
    given = None if budgets_ms is None else check_sizes(budgets_ms, "budgets_ms", "a round trip in ms")
    space = BudgetSpace(runner.scenario, (*runner.overrides, *runner.reference.overrides))
    named = space.check_classes(classes)
    if classes is None:
        named = tuple(k for k in named if math.isfinite(space.stated_ms(k))) or named
    budgets = {k: _budgets(space, k, given) for k in named}
    reference = runner.reference_result
    cases = {k: budget_cases(reference, found, f"budget_of_{k}", k) for k, found in budgets.items()}
    runner.run([case for found in cases.values() for case in found if case is not None])
    points, steps, ranks = [], [], []
    for k, found in budgets.items():
        stated_ms, reader = space.stated_ms(k), PlanReader(space.network, (k,))
        sizes = [budget.rtt_ms if budget.overrides else stated_ms for budget in found]
        solved = solve_points(
            runner,
            [Point(size, case, b.reason) for size, case, b in zip(sizes, cases[k], found, strict=True)],
            are_within(found),
            space.keeps(found, reader.allocation),
        )
        table = point_table(solved, SIZE, reader)
        compared = difference_table(solved, NAMES, per=SAVINGS_PER_MS, only_neighbours=True)
        points.append(_with_head(table, k, stated_ms))
        steps.append(_with_head(_with_energy(compared, table), k, stated_ms))
        whole = _whole_range(solved, sizes.index(stated_ms), space.longest_ms(k))
        ranks.append(_with_head(_with_energy(whole, table), k, stated_ms))
    return LatencyReturn(pd.concat(points, ignore_index=True), pd.concat(steps, ignore_index=True), rank_classes(ranks))


def _with_head(table: pd.DataFrame, class_id: str, stated_ms: float) -> pd.DataFrame:
    table.insert(0, "stated_limit_ms", stated_ms)
    table.insert(0, "workload_class", class_id)
    return table


def _whole_range(solved: SolvedPoints, stated: int, useful_ms: float) -> pd.DataFrame:
    """Compare the tightest budget that has a plan with the class's own limit; no row if there is none."""
    table = difference_table(solved, NAMES)
    table = table[table[NAMES[1]] == solved.points[stated].size].head(1).reset_index(drop=True)
    table["useful_limit_ms"] = useful_ms
    released_ms = _released_ms(table)
    for name, per_ms in zip(SAVINGS, SAVINGS_PER_MS, strict=True):
        table[per_ms] = table[name] / released_ms
    return table


def _with_energy(compared: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Add the part of each certain saving that is energy, per ms, by the best known plans."""
    energy = points.set_index(SIZE).get("energy_cny_per_year", pd.Series(dtype=float))
    tighter, looser = (compared[name] for name in NAMES)
    saving = energy.reindex(tighter).to_numpy(float) - energy.reindex(looser).to_numpy(float)
    per_ms = saving / _released_ms(compared)
    return compared.assign(**{ENERGY_PER_MS: np.where(compared["is_certain"], per_ms, np.nan)})


def _released_ms(compared: pd.DataFrame) -> pd.Series:
    """Say how much looser the second budget is, up to the longest way in reach where that is known; never 0."""
    looser = compared["useful_limit_ms"] if "useful_limit_ms" in compared else compared[NAMES[1]]
    return (looser - compared[NAMES[0]]).clip(lower=1.0 / STEPS_PER_MS)


def rank_classes(rows: list[pd.DataFrame]) -> pd.DataFrame:
    """
    Order classes by what a millisecond of theirs certainly saves, then by what it may save at most.

    Parameters
    ----------
    rows
        A row of each class, or none.

    Returns
    -------
    DataFrame
        See `LatencyReturn.ranking`.
    """
    table = pd.concat(rows, ignore_index=True)
    _, least, most = SAVINGS_PER_MS
    table = table.sort_values([least, most, "workload_class"], ascending=[False, False, True], ignore_index=True)
    # The most that any class further down may save: what a class has to save at least to be above all of them.
    # Of the last one nothing is said.
    beaten = table[most][::-1].cummax()[::-1].shift(-1, fill_value=np.inf)
    table["is_above_next"] = (table[least] > beaten) & table["is_certain"]
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    return table


def _budgets(space: BudgetSpace, class_id: str, given: Sequence[float] | None) -> list[Budget]:
    """List the budgets of a class, tightest first, the reference among them."""
    stated_ms, tightest_ms = space.stated_ms(class_id), space.tightest_ms((class_id,))
    if given is None:
        between = round(tightest_ms + HALFWAY * (space.longest_ms(class_id) - tightest_ms), 3)
        given = [between, round(BEYOND * stated_ms, 3)] if math.isfinite(stated_ms) else [between]
    sizes = sorted({b for b in (tightest_ms, *given) if b != stated_ms})
    budgets = [space.budget(b, (class_id,), clip=False) for b in sizes]
    budgets.insert(sum(b < stated_ms for b in sizes), space.stated)
    return budgets

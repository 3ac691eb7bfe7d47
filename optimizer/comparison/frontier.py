"""The frontier of cost against latency, and against carbon, as points of which it is certified what each may cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from network_data.currency import in_currency
from optimizer.comparison.cases import Case, CaseResult
from optimizer.comparison.frontier_points import (
    ABATEMENT,
    SAVINGS_PER_MS,
    PlanReader,
    Point,
    SolvedPoints,
    check_sizes,
    difference_table,
    point_table,
    relocation_table,
    size_id,
    solve_points,
)
from optimizer.comparison.latency_budgets import BudgetSpace, are_within, budget_cases
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.searches import SearchResult

_BUDGETS_MS = (5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0)
_CARBON_POINTS = 6

# Caps are rounded up to so many digits: fewer to read, and the same on every machine.
_CAP_DIGITS = 4


@dataclass(frozen=True, eq=False)
class Frontier(SearchResult):
    """
    Cost against a limit.

    Attributes
    ----------
    kind
        What the limit is on.
    points
        One row per size of the limit, tightest first (`frontier_points.point_table`); the last is the reference.
    pairs
        Every two points with plans (`frontier_points.difference_table`): which are certainly ordered.
    steps
        Each point with the next: what a unit of the limit released saves (CNY per year and ms, or CNY per t).
    relocatable
        Share of the tokens that leave their own region and province at each point, by class.
    classes
        Classes under the budget; empty for carbon.
    least_size
        The tightest budget under which every workload reaches a data center, or the emissions that no plan is below;
        NaN where it is not known.
    """

    kind: Literal["latency", "carbon"]
    points: pd.DataFrame
    pairs: pd.DataFrame
    steps: pd.DataFrame
    relocatable: pd.DataFrame
    classes: tuple[str, ...]
    least_size: float

    SUFFIX_OF: ClassVar = {"points": "", "pairs": "_pairs", "steps": "_steps", "relocatable": "_relocatable"}
    PLANS_IN: ClassVar = "points"

    @property
    def size_name(self) -> str:
        """Column of the points that holds the limit."""
        return SIZE_NAMES[self.kind]

    @property
    def stem(self) -> str:
        """Name that the files of all tables begin with."""
        return f"{self.kind}_frontier"

    def to_text(self) -> str:
        """Describe the frontier for a reader, in lines of plain text."""
        from optimizer.text.searches import describe_frontier

        return in_currency(describe_frontier(self))

    def plot(self, target: Path | str, *, changes: Sequence[str] = ()) -> Path:
        """Draw the frontier into a file, `.png` or `.svg`, with what the scenario was changed in; returns the file."""
        from optimizer.drawing.searches import draw_frontier

        return draw_frontier(self, target, changes=changes)


SIZE_NAMES = {"latency": "budget_ms", "carbon": "cap_t_per_year"}


def latency_frontier(
    runner: CaseRunner, budgets_ms: Sequence[float] = _BUDGETS_MS, *, classes: Sequence[str] | None = None
) -> Frontier:
    """
    Find the least cost under budgets on the round trip of all classes at once.

    A budget is clipped to each class's own limit, so that none is loosened; the loosest point is the reference, with
    the limits as stated. The tightest budget under which every workload reaches a data center is added. Budgets that
    allow the same routes are one case.

    Parameters
    ----------
    runner
        Solves the cases, all as one batch.
    budgets_ms
        The budgets.
    classes
        Classes under the budget; None = those that have a limit on round trip or first token, all if none has.

    Returns
    -------
    Frontier
        The points; `budget_ms` of the reference is the loosest stated limit, or inf where a class states none.

    Raises
    ------
    InputError
        With every fault of the scenario, the budgets or the classes.
    """
    wanted = check_sizes(budgets_ms, "budgets_ms", "a round trip in ms")
    space = BudgetSpace(runner.scenario, (*runner.overrides, *runner.reference.overrides))
    named = space.check_classes(classes)
    tightest_ms = space.tightest_ms(named)
    loosest_ms = max(space.stated_ms(k) for k in named)
    sizes = sorted({b for b in (tightest_ms, *wanted) if b < loosest_ms})
    budgets = [*(space.budget(b, named) for b in sizes), space.stated]
    # Another choice of classes is another case.
    mark = "" if classes is None else f"_of_{hashlib.sha256('|'.join(named).encode()).hexdigest()[:8]}"
    what = "all classes" if classes is None else ", ".join(named)
    cases = budget_cases(runner.reference_result, budgets, f"budget{mark}", what)
    points = [
        Point(loosest_ms if budget is space.stated else budget.rtt_ms, case, budget.reason)
        for budget, case in zip(budgets, cases, strict=True)
    ]
    reader = PlanReader(space.network, named)
    solved = solve_points(runner, points, are_within(budgets), space.keeps(budgets, reader.allocation))
    return _frontier("latency", solved, reader, named, tightest_ms)


def carbon_frontier(
    runner: CaseRunner, points: int = _CARBON_POINTS, *, caps_t_per_year: Sequence[float] | None = None
) -> Frontier:
    """
    Find the least cost under caps on the yearly emissions, and what abating a tonne more costs.

    Parameters
    ----------
    runner
        Solves the cases, all as one batch.
    points
        Number of points: caps evenly spaced from the emissions of the reference towards the least that a relaxation
        of the year allows, that least left out.
    caps_t_per_year
        Caps of your own in their place, t CO2 per year; those above the reference's emissions limit nothing.

    Returns
    -------
    Frontier
        `steps` hold the marginal abatement cost in CNY per t. A single point without numbers where the reference has
        no plan.

    Raises
    ------
    InputError
        With every fault of the scenario or the caps.
    """
    from optimizer.infeasibility.conditions import least_carbon_t_per_year  # scipy's solvers are slow to import

    given = None if caps_t_per_year is None else check_sizes(caps_t_per_year, "caps_t_per_year", "tonnes a year")
    space = BudgetSpace(runner.scenario, (*runner.overrides, *runner.reference.overrides))
    reference = runner.reference_result
    emitted_t = float(reference.summary.get("carbon_t_per_year", math.inf))
    least_t = least_carbon_t_per_year(space.problem)
    caps: list[float] = []
    if given is not None:
        caps = sorted(given)
    elif math.isfinite(emitted_t) and emitted_t > 0:
        first_t = float(runner.reference_as_solved.summary.get("carbon_t_per_year", math.inf))
        caps = _spaced(least_t, first_t, points)
    cases = [
        Case(
            f"carbon_cap_{size_id(cap)}_t",
            f"carbon <= {cap:,.6g} t a year",
            (*runner.reference.overrides, f"policy.carbon_cap_t_per_year={cap!r}"),
            {"carbon_cap_t_per_year": cap},
        )
        for cap in caps
        if cap < emitted_t
    ]
    frontier = [Point(case.point["carbon_cap_t_per_year"], case) for case in cases]
    frontier.append(Point(emitted_t, runner.reference))
    # The reference is under the scenario's own cap: without a plan of its own it is not the loosest point.
    own_t = space.scenario.policy.carbon_cap_t_per_year
    limits_t = np.array([*(point.size for point in frontier[:-1]), math.inf if own_t is None else own_t])

    def keeps(result: CaseResult, j: int) -> bool:
        return bool(float(result.summary["carbon_t_per_year"]) <= limits_t[j])

    solved = solve_points(runner, frontier, limits_t[:, None] <= limits_t[None, :], keeps)
    return _frontier("carbon", solved, PlanReader(space.network), (), math.nan if least_t is None else least_t)


def _frontier(
    kind: Literal["latency", "carbon"],
    solved: SolvedPoints,
    reader: PlanReader,
    classes: tuple[str, ...],
    least_size: float,
) -> Frontier:
    size = SIZE_NAMES[kind]
    names = (f"tighter_{size}", f"looser_{size}")
    per = SAVINGS_PER_MS if kind == "latency" else ABATEMENT
    return Frontier(
        kind,
        point_table(solved, size, reader),
        difference_table(solved, names),
        difference_table(solved, names, per=per, only_neighbours=True),
        relocation_table(solved, size, reader),
        classes,
        least_size,
    )


def _spaced(least_t: float | None, emitted_t: float, points: int) -> list[float]:
    """Space caps evenly between the least emissions and those of the reference, both left out, rounded up."""
    low = 0.0 if least_t is None else min(least_t, emitted_t)
    step = 10.0 ** (math.floor(math.log10(emitted_t)) + 1 - _CAP_DIGITS)
    shares = [i / points for i in range(1, points)]
    caps = {math.ceil((low + share * (emitted_t - low)) / step) * step for share in shares}
    return sorted(float(f"{cap:.{_CAP_DIGITS + 2}g}") for cap in caps if cap < emitted_t)

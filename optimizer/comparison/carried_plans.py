"""The plan of one case in another: unchanged, or with its integer decisions held; its cost, or why it is none there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from optimizer.checker.check import check_plan
from optimizer.checker.facts import PlanFacts, list_costs
from optimizer.problem.equivalence import PART_NAMES, differs_in_prices_alone, parts_of
from optimizer.problem.plan import Plan
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.plan_tables import UnknownLabelError, plan_from_tables
from optimizer.runs.run import Run

if TYPE_CHECKING:
    from optimizer.model.compile import CompiledModel
    from optimizer.solvers.fixed_integers import FixedProgram

_REASONS_LISTED = 2


@dataclass(frozen=True, eq=False)
class CarriedPlan:
    """A plan in a case that it was not made for."""

    plan: Plan | None  # the same decisions in the rows of the other problem; None where it has no such rows
    reason: str  # why it is no plan there; empty if it is one
    component_cny: pd.Series  # what it costs there, CNY per year; empty where it is no plan

    @property
    def is_plan(self) -> bool:
        """Whether it keeps every limit there."""
        return not self.reason

    @property
    def cost_cny(self) -> float:
        """Cost there, CNY per year; NaN where it is no plan."""
        return math.fsum(self.component_cny) if self.is_plan else float("nan")


def component_costs(facts: PlanFacts) -> pd.Series:
    """Add up the independent checker's list of costs by component, CNY per year, in the order of the objective."""
    return list_costs(facts).groupby("component", sort=False)["cny_per_year"].sum()


def carry_plan(plan: Run, to: Run) -> CarriedPlan:
    """
    Evaluate the unchanged plan of one case in another, with the independent checker.

    Rows are found by their labels. The power that a demand charge is paid on is no decision: it is what the plan
    draws there.
    """
    if plan is to:
        return CarriedPlan(plan.plan, "", plan.component_cny)
    if differs_in_prices_alone(plan.problem, to.problem):
        return CarriedPlan(plan.plan, "", component_costs(plan.facts.at_prices(to.problem)))
    try:
        settled = settle_plan(to.problem, plan.decisions)
    except UnknownLabelError as error:
        return CarriedPlan(None, _with_differences(plan, to, _describe_unknown(error)), pd.Series(dtype=float))
    report = check_plan(to.problem, settled)
    if report.is_feasible:
        return CarriedPlan(settled, "", report.component_cny)
    why = _describe_violations(report.violations)
    return CarriedPlan(settled, _with_differences(plan, to, why), pd.Series(dtype=float))


def settle_plan(problem: PlacementProblem, tables: Mapping[str, pd.DataFrame]) -> Plan:
    """Find the rows of a stored plan in another problem, by labels; raises UnknownLabelError where one is missing."""
    return _with_least_peaks(problem, plan_from_tables(problem, tables))


def cheapest_plan(
    problem: PlacementProblem, known: Iterable[Mapping[str, pd.DataFrame]], *, below_cny: float = math.inf
) -> tuple[int, Plan] | None:
    """
    Price stored plans under a problem, and find the cheapest that keeps its limits.

    Parameters
    ----------
    problem
        What they are priced under.
    known
        Tables of each plan.
    below_cny
        Plans that cost no less are of no use.

    Returns
    -------
    tuple or None
        Number of the plan, the first of equal ones, and the plan with the rows of the problem.
    """
    stored = list(known)
    priced = sorted((price_plan(problem, tables), number) for number, tables in enumerate(stored))
    order = [number for cost_cny, number in priced if cost_cny < below_cny]
    found = first_plan(problem, (stored[number] for number in order))
    return None if found is None else (order[found[0]], found[1])


def first_plan(problem: PlacementProblem, stored: Iterable[Mapping[str, pd.DataFrame]]) -> tuple[int, Plan] | None:
    """Find the first of stored plans, given by their tables, that keeps every limit of a problem; with its number."""
    for number, tables in enumerate(stored):
        with suppress(UnknownLabelError):
            plan = settle_plan(problem, tables)
            if check_plan(problem, plan).is_feasible:
                return number, plan
    return None


def price_plan(problem: PlacementProblem, tables: Mapping[str, pd.DataFrame]) -> float:
    """Price a stored plan under another problem, CNY per year, whether it keeps its limits or not; inf without rows."""
    try:
        return math.fsum(component_costs(PlanFacts(problem, settle_plan(problem, tables))))
    except UnknownLabelError:
        return math.inf


def _with_least_peaks(problem: PlacementProblem, plan: Plan) -> Plan:
    """Let the demand charge be paid on what a plan draws under the PUE and billing periods of a problem."""
    drawn = PlanFacts(problem, plan).facility_power_mw
    peak = np.zeros((len(problem.billing), len(problem.data_centers)))
    np.maximum.at(peak, problem.slices["billing_index"].to_numpy(np.int64), drawn)
    return replace(plan, peak_mw=peak, contract_mw=peak.max(axis=0, initial=0.0))


def _describe_violations(violations: pd.DataFrame) -> str:
    """Say which limits a plan breaks: of each equation the worst row, the two worst equations first."""
    limit = violations["limit"].to_numpy(float)
    size = violations["excess"].to_numpy(float) / np.maximum(1.0, np.abs(limit))
    ranked = violations.assign(size=size).sort_values("size", ascending=False, kind="stable")
    worst = ranked.drop_duplicates("name")
    counts = Counter(violations["name"])
    listed = []
    for row in worst.head(_REASONS_LISTED).itertuples(index=False):
        more = f" (and {counts[str(row.name)] - 1} more)" if counts[str(row.name)] > 1 else ""
        listed.append(f"breaks ({row.equation}) {row.name} at {row.where}: {row.amount:.6g} against {row.limit:.6g} "
                    f"{row.unit}{more}")  # fmt: skip
    rest = len(worst) - len(listed)
    return "; ".join(listed) + (f"; and {rest} more limit(s)" if rest else "")


def _describe_unknown(error: UnknownLabelError) -> str:
    """Say the first of the labels that a problem does not have."""
    first, *more = str(error).splitlines()
    return first + (f" (and {len(more)} more)" if more else "")


def _with_differences(plan: Run, to: Run, why: str) -> str:
    """Say first what differs between two cases, then what the plan of the first breaks in the second."""
    before, after = parts_of(plan.problem), parts_of(to.problem)
    listed = [words for part, words in PART_NAMES.items() if before[part] != after[part]]
    return f"other {', '.join(listed)}: {why}" if listed else why


# Tables of the hourly decisions, which are not carried over.
_HOURLY = ("allocation", "unserved", "work", "active_pods", "peaks", "failover", "failover_work")


class Redispatcher:
    """Holds the integer decisions of other cases in one case; its model is compiled once."""

    def __init__(self, to: Run, *, seed: int = 1) -> None:
        self.to, self._seed = to, seed
        self._compiled: CompiledModel | None = None
        self._last: FixedProgram | None = None

    def carry(self, plan: Run) -> CarriedPlan:
        """
        Find the cheapest hours and routes for the integer decisions of a plan; the independent checker prices them.

        Nothing that was bought or opened is given back, used or not. The plan of the case itself is left as it is.
        """
        # Compiling a model is slow to import, and rarely needed.
        from optimizer.model.compile import compile_model
        from optimizer.solvers.columns import columns_from_plan, plan_from_columns
        from optimizer.solvers.fixed_integers import FixedIntegerError, FixedProgram

        if plan is self.to:
            return CarriedPlan(plan.plan, "", plan.component_cny)
        problem = self.to.problem
        held = {name: table.head(0) if name in _HOURLY else table for name, table in plan.decisions.items()}
        try:
            decisions = plan_from_tables(problem, held)
            if self._compiled is None:
                self._compiled = compile_model(problem)
            vector = columns_from_plan(self._compiled, decisions)
            program = FixedProgram(self._compiled, vector, seed=self._seed, like=self._last)
            best = plan_from_columns(problem, self._compiled, program.solve().columns)
        except UnknownLabelError as error:
            why = _describe_unknown(error)
        except FixedIntegerError as error:
            why = str(error)
        else:
            self._last = program
            # What the solver rounds must not undo an integer decision.
            best = replace(
                best, new_pods=decisions.new_pods, is_open=decisions.is_open, is_deployed=decisions.is_deployed
            )
            report = check_plan(problem, best)
            if report.is_feasible:
                return CarriedPlan(best, "", report.component_cny)
            why = _describe_violations(report.violations)
        return CarriedPlan(None, _with_differences(plan, self.to, why), pd.Series(dtype=float))

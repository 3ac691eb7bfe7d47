"""
The search for changes: the smallest of all kinds together, and of each kind alone, applied and proved with a plan.

A change is applied to the problem as it came, and a plan for that is found and passes the independent check, or the
change is not reported as enough.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from optimizer.change import Change
from optimizer.change_lines import ChangeItem, describe_change
from optimizer.check import CheckReport, check_plan
from optimizer.condense import condense, with_watched_links
from optimizer.elastic import ElasticModel, ElasticOutcome
from optimizer.elastic_stage import REDUCED_GAP, Attempt, Decisions, Stage, held_columns
from optimizer.extract import plan_from_columns
from optimizer.levers import LEVERS, REACH_KINDS
from optimizer.plan import Plan
from optimizer.policy_levers import NOT_PROVED
from optimizer.problem import BoolArray, PlacementProblem
from optimizer.reach import Reach, within_limits
from optimizer.solution import Control, Termination

# A change below this share is rounding.
NO_CHANGE = 1e-9
Result = Literal["proved", "sufficient", "unproved", "none", "unfinished"]


@dataclass(frozen=True, eq=False)
class Option:
    """
    A change of some kinds that would make a problem feasible, or that there is none.

    Attributes
    ----------
    kinds
        Kinds of change allowed.
    title
        What they are called.
    result
        proved = enough, and no smaller sum of relative changes is; sufficient = enough; unproved = what every plan
        needs at least, not shown to be enough; none = changes of these kinds alone are never enough; unfinished = the
        limit struck before one was found.
    change_share, bound_share
        Sum of relative changes, and the least that is proved to be needed.
    items
        The change, line by line.
    change
        The change, by position.
    plan
        A plan for the changed problem, which passed the independent check.
    seconds
        Time taken.
    """

    kinds: tuple[str, ...]
    title: str
    result: Result
    change_share: float
    bound_share: float
    items: tuple[ChangeItem, ...] = ()
    change: Change | None = None
    problem: PlacementProblem | None = None
    plan: Plan | None = None
    seconds: float = 0.0

    @property
    def is_enough(self) -> bool:
        """Whether the change was proved to be enough."""
        return self.result in {"proved", "sufficient"}


class OptionSearch:
    """
    Finds the changes.

    Parameters
    ----------
    reach
        The problem, with candidates beyond its limits.
    remake
        Makes the changed problem.
    control
        Deadline and stop request.
    report
        Called with a line of text as the work goes on.
    seed, threads
        Of the solver.
    """

    def __init__(
        self,
        reach: Reach,
        remake: Callable[[Change], PlacementProblem],
        *,
        control: Control,
        report: Callable[[str], None],
        seed: int,
        threads: int,
    ) -> None:
        self._reach = reach
        self._remake = remake
        self._control = control
        self._say = report
        self._solver: dict[str, Any] = {"seed": seed, "threads": threads}
        # In an outage alike workloads are taken over alike, and candidates beyond the limits could make alike what is
        # not: what they are needed for is looked at apart then, and what is found there is enough, not proved smallest.
        self._is_apart = bool(len(reach.problem.outages) and reach.is_beyond.any())
        near = within_limits(reach) if self._is_apart else reach
        self._near = Stage(near, control=control, **self._solver)
        self._far: Stage | None = None
        self.is_complete = True
        self.is_proved_infeasible = False

    def plan_without_change(self) -> Plan | None:
        """Find a plan for the problem as it is; None where there is none, or none was found."""
        for attempt in self._near.attempts(self._served_kinds):
            outcome = attempt.outcome
            if outcome.x is not None and outcome.change_share <= NO_CHANGE:
                plan = self._plan(self._remake(Change({})), attempt.level.decisions(outcome))
                if plan is not None:
                    return plan
            elif attempt.is_proof:
                self._note(outcome)
                return None
        return None

    @property
    def _served_kinds(self) -> tuple[str, ...]:
        """Kinds of change with which all work is served."""
        return tuple(kind for kind in self._near.kinds if kind != "unserved")

    def _stage(self, kinds: tuple[str, ...]) -> Stage:
        if not (self._is_apart and set(kinds) & set(REACH_KINDS)):
            return self._near
        if self._far is None:
            self._far = Stage(self._reach, control=self._control, **self._solver)
        return self._far

    def options(self) -> tuple[Option, ...]:
        """Find the smallest change of all kinds together and of each kind alone, the smallest first."""
        there = (*self._served_kinds, "unserved")
        if self._is_apart:
            there += tuple(kind for kind in self._stage(REACH_KINDS).kinds if kind in REACH_KINDS)
        found = [self._option(self._served_kinds, "together")]
        found += [self._option((lever.kind,), lever.title) for lever in LEVERS if lever.kind in there]
        alone = {option.kinds[0]: option for option in found[1:]}
        if not any(alone[kind].is_enough for kind in ("pods", "it_power")):
            found.append(self._option(("pods", "it_power"), "accelerator pods with the power for them"))
        if not any(option.is_enough for option in found):
            found.append(self._option((*self._served_kinds, "unserved"), "together, with work left unserved"))
        together, rest = found[0], found[1:]
        used = {item.kind for item in together.items}
        if len(used) == 1 and alone[next(iter(used))].is_enough:
            rest = [option for option in rest if option.kinds != tuple(used)]
            found = [replace(together, kinds=tuple(used), title=alone[next(iter(used))].title), *rest]
        return sort_options(found)

    def _option(self, kinds: tuple[str, ...], title: str) -> Option:
        began = time.monotonic()
        if self._control.must_stop:
            self.is_complete = False
            return Option(kinds, title, "unfinished", np.inf, 0.0)
        self._say(f"looking for the smallest change: {title}")
        stage, bound, option = self._stage(kinds), 0.0, Option(kinds, title, "unfinished", np.inf, 0.0)
        for attempt in stage.attempts(kinds):
            outcome = attempt.outcome
            if attempt.is_proof and stage is self._near:
                self._note(outcome)
                bound = max(bound, outcome.bound_share)
                if outcome.termination == Termination.INFEASIBLE:
                    option = Option(kinds, title, "none", np.inf, 0.0)
                    break
            is_change = outcome.x is not None and outcome.change_share > NO_CHANGE
            if is_change and ("unserved" not in kinds or attempt.level.has_all_slices):
                option = self._applied(attempt, option, bound)
                if option.is_enough:
                    break
        self.is_complete &= option.result != "unfinished"
        option = replace(option, seconds=time.monotonic() - began)
        if np.isfinite(option.change_share):
            self._say(f"  {option.result}: {option.change_share:.2%}, at least {option.bound_share:.2%} is needed")
        return option

    def _note(self, outcome: ElasticOutcome) -> None:
        """Take note of a proof that the problem as it is has no plan: some change is needed, or none is enough."""
        is_needed = outcome.bound_share > NO_CHANGE
        self.is_proved_infeasible |= is_needed or outcome.termination == Termination.INFEASIBLE

    def _applied(self, attempt: Attempt, option: Option, bound: float) -> Option:
        """Apply a change and look for a plan."""
        outcome, share = attempt.outcome, attempt.outcome.change_share
        change = attempt.level.change(outcome)
        problem = self._remake(change)
        plan = self._plan(problem, attempt.level.decisions(outcome))
        is_smallest = share - bound <= max(REDUCED_GAP * share, NO_CHANGE) and not set(NOT_PROVED) & set(change.amounts)
        return replace(
            option,
            result="unproved" if plan is None else "proved" if is_smallest else "sufficient",
            change_share=share,
            bound_share=min(bound, share),
            items=describe_change(self._reach, change, attempt.level.used_beyond(outcome)),
            change=change,
            problem=problem,
            plan=plan,
        )

    def _plan(self, problem: PlacementProblem, decisions: Decisions) -> Plan | None:
        """Find a plan with these whole decisions, or with any where the problem is small; it passes the check."""
        reach = Reach(problem, np.zeros(len(problem.candidates)), ())
        watched = np.full(len(problem.links), self._near.is_small)
        while not self._control.must_stop:
            condensed = condense(with_watched_links(reach, watched))
            model = ElasticModel(condensed.reach)
            held = held_columns(condensed.reach.problem, decisions, condensed.group)
            overloaded = np.zeros_like(watched)
            for holds in (held, None) if self._near.is_small else (held,):
                outcome = model.solve((), control=self._control, mip_rel_gap=0.0, held=holds, **self._solver)
                if outcome.x is not None:
                    plan = plan_from_columns(condensed.reach.problem, model.compiled, outcome.x)
                    plan = condensed.expand(plan)
                    report = check_plan(problem, plan)
                    if report.is_feasible:
                        return plan
                    overloaded = overloaded_links(problem, report)
            if not (overloaded & ~watched).any():
                break
            watched |= overloaded
        for stage in filter(None, (self._near, self._far)):
            stage.watched = stage.watched | watched
        return None


def overloaded_links(problem: PlacementProblem, report: CheckReport) -> BoolArray:
    """
    Say which links a plan overloads, in normal operation or in an outage, (L,).

    Parameters
    ----------
    problem
        The problem.
    report
        From `check_plan`.
    """
    broken = report.violations[report.violations["unit"] == "gbps"]["where"].astype(str)
    ids = {where.partition(",")[0] for where in broken}
    return np.asarray(problem.links["id"].isin(ids), bool)


def sort_options(options: Sequence[Option]) -> tuple[Option, ...]:
    """
    Sort what is enough first, what serves all work before what does not, small before large.

    Parameters
    ----------
    options
        In any order.
    """
    return tuple(sorted(options, key=_order))


def _order(option: Option) -> tuple[int, bool, float]:
    rank = {"proved": 0, "sufficient": 0, "unproved": 1, "unfinished": 2, "none": 3}[option.result]
    return rank, any(item.kind == "unserved" for item in option.items), option.change_share

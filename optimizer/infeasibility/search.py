"""
The search for changes: the smallest of all kinds together, and of each kind alone, applied and proved with a plan.

Elastic models of one problem, from small ones that give proven bounds to the full one, propose a change. It counts as
enough only if a plan for the changed original problem is found and passes the independent check.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from optimizer.checker.check import CheckReport, check_plan
from optimizer.infeasibility.changes import Change, ChangeItem, describe_change, rounded_up
from optimizer.infeasibility.elastic import ElasticModel, ElasticOutcome
from optimizer.infeasibility.levers import CANDIDATE_LEVERS, LEVERS, NOT_PROVED, UNSERVED_WORST, build_elastic
from optimizer.infeasibility.relaxed_problem import (
    RelaxedProblem,
    aggregate,
    representative,
    with_watched_links,
    within_limits,
)
from optimizer.problem.plan import Plan
from optimizer.problem.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.columns import plan_from_columns
from optimizer.solvers.control import Control, Termination

# Flow columns, equal workloads together, up to which the elastic model is solved exactly.
EXACT_MAX_FLOW_COLUMNS = 20_000
_EXACT_GAP, _REDUCED_GAP = 1e-6, 1e-3

# Seconds for a large problem over all slices, once its slices that matter have not been enough.
_EXACT_MAX_S = 120.0

# Work left unserved is rounded up by this share, so that rounding does not rule a plan out.
_ROUNDING = 1e-9
_CARRIES_MTOK_PER_H = 1e-6


@dataclass(frozen=True, eq=False)
class _Decisions:
    """Integer decisions in a form that fits a changed problem too: (D,), (K, D), (P,), (W, D)."""

    is_open: IntArray
    is_deployed: IntArray
    new_pods: IntArray
    is_assigned: IntArray


class _Level:
    """A problem made smaller in one way, its elastic model, and the expansion of its results."""

    def __init__(self, relaxed: RelaxedProblem, watched: BoolArray, *, is_few: bool) -> None:
        self.relaxed = relaxed
        self.has_all_slices = not is_few
        self._aggregated = aggregate(with_watched_links(relaxed, watched))
        smaller = representative(self._aggregated.relaxed) if is_few else self._aggregated.relaxed
        self.model = build_elastic(ElasticModel(smaller, relaxed.problem))

    def held(self, decisions: _Decisions) -> dict[str, FloatArray]:
        """Turn decisions into values of the model's columns."""
        return _held_columns(self.model.problem, decisions, self._aggregated.group)

    def decisions(self, outcome: ElasticOutcome) -> _Decisions:
        """Round the integer decisions of a point by halves, for the original workloads."""
        problem, columns = self.model.problem, self.model.compiled.columns
        values = {
            name: np.floor(columns[name].values(outcome.point) + 0.5).astype(np.int64)
            for name in ("Open", "Deploy", "NewPods", "Assign")
        }
        group = self._aggregated.group
        deployed = np.zeros((len(problem.classes), len(problem.data_centers)), np.int64)
        deployed[problem.deployments["class_index"], problem.deployments["data_center_index"]] = values["Deploy"]
        assigned = np.zeros((int(group.max()) + 1, len(problem.data_centers)), np.int64)
        pairs = problem.indivisible_pairs
        assigned[pairs["workload_index"], pairs["data_center_index"]] = values["Assign"]
        return _Decisions(values["Open"], deployed, values["NewPods"], assigned[group])

    def change(self, outcome: ElasticOutcome) -> Change:
        """Round the amounts up; divide work left unserved among the original workloads and days."""
        kept = {kind: by_item for kind, by_item in outcome.amounts.items() if not kind.startswith("unserved")}
        unserved = outcome.amounts.get("unserved")
        if not unserved or not self.has_all_slices:
            return Change(rounded_up(kept))
        demand = self.model.problem.demand_mtok_per_h
        amount, share = np.zeros(demand.size), np.zeros(demand.shape)
        amount[list(unserved)] = list(unserved.values())
        np.divide(amount.reshape(demand.shape), demand, out=share, where=demand > 0)
        share = np.where(share > 0, np.minimum(share * (1 + _ROUNDING) + _ROUNDING, 1.0), 0.0)
        return Change(rounded_up(kept), share[self._aggregated.slice_of][:, self._aggregated.group])

    def used_beyond(self, outcome: ElasticOutcome) -> pd.DataFrame:
        """List the original candidates beyond the limits that carry something."""
        flow = self.model.compiled.columns["Flow"].values(outcome.point).max(axis=0)
        original, aggregated = self.relaxed, self._aggregated
        carries = (flow > _CARRIES_MTOK_PER_H)[aggregated.candidate] & original.is_beyond & aggregated.is_first
        table = original.problem.candidates[carries]
        workloads = original.problem.workloads.iloc[table["workload_index"]]
        return pd.DataFrame(
            {
                "class_index": workloads["class_index"].to_numpy(int),
                "demand_hub": workloads["demand_hub"].to_numpy(str),
                "data_center_index": table["data_center_index"].to_numpy(int),
            }
        )


@dataclass(frozen=True, eq=False)
class _Attempt:
    """A change that may be enough."""

    level: _Level
    outcome: ElasticOutcome
    is_proof: bool  # Whether its bound, or that no change exists, holds for all other decisions


class _Stage:
    """The elastic models of a problem, from the smallest to the full one."""

    def __init__(self, relaxed: RelaxedProblem, *, control: Control, seed: int, threads: int) -> None:
        self.relaxed = relaxed
        self._control = control
        self._solver: dict[str, Any] = {"seed": seed, "threads": threads}
        self._levels: dict[tuple[bytes, bool], _Level] = {}
        self._solved: dict[tuple[tuple[str, ...], bytes], ElasticOutcome] = {}
        self._limiting = relaxed.problem.links["is_limiting"].to_numpy(bool)
        smaller = aggregate(relaxed).relaxed.problem
        self.is_small = len(smaller.candidates) * len(smaller.slices) <= EXACT_MAX_FLOW_COLUMNS
        # Links that a plan has overloaded; of a small problem all that any plan could.
        self.watched = self._limiting if self.is_small else np.zeros_like(self._limiting)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of change for which the problem has a limit."""
        there = set(self._level(self.watched, is_few=not self.is_small).model.levers)
        if self._limiting.any():
            there.add("link_capacity")
        return tuple(lever.kind for lever in LEVERS if lever.kind in there)

    def attempts(self, kinds: tuple[str, ...]) -> Iterator[_Attempt]:
        """
        Yield changes of these kinds, first what is fast to find, last what is proved.

        A small problem is solved exactly. Of a large one first the slices that matter are solved, then all slices with
        the integer decisions held; both with the limits of the watched links, and again where more links have become
        watched meanwhile. Last comes the full model.
        """
        tried: set[bytes] = set()
        while (key := self.watched.tobytes()) not in tried:
            tried.add(key)
            watched = self.watched
            level = self._level(watched, is_few=not self.is_small)
            outcome = self._first(kinds, level, key)
            yield _Attempt(level, outcome, is_proof=True)
            if self.is_small or outcome.x is None:
                return
            if outcome.change_share > 0 and not self._control.must_stop:
                every = self._level(watched, is_few=False)
                yield _Attempt(every, self._settled(kinds, level, outcome, every), is_proof=False)
            if self._control.must_stop:
                return
        level = self._level(self._limiting, is_few=False)
        control = Control(min(self._control.seconds_left / 2, _EXACT_MAX_S), self._control.stop)
        outcome = level.model.solve(_with_worst(kinds), control=control, mip_rel_gap=_REDUCED_GAP, **self._solver)
        yield _Attempt(level, self._with_least_unserved(kinds, level, outcome), is_proof=True)

    def _level(self, watched: BoolArray, *, is_few: bool) -> _Level:
        key = (watched.tobytes(), is_few)
        if key not in self._levels:
            self._levels[key] = _Level(self.relaxed, watched, is_few=is_few)
        return self._levels[key]

    def _first(self, kinds: tuple[str, ...], level: _Level, key: bytes) -> ElasticOutcome:
        if (kinds, key) not in self._solved:
            gap = _EXACT_GAP if self.is_small else _REDUCED_GAP
            found = level.model.solve(_with_worst(kinds), control=self._control, mip_rel_gap=gap, **self._solver)
            self._solved[kinds, key] = self._with_least_unserved(kinds, level, found)
        return self._solved[kinds, key]

    def _settled(self, kinds: tuple[str, ...], few: _Level, outcome: ElasticOutcome, every: _Level) -> ElasticOutcome:
        """Find what a change lacks over all slices, with the integer decisions held except for what is bought."""
        held = every.held(few.decisions(outcome))
        if "pods" in kinds:
            held.pop("NewPods")
        least = {kind: by_item for kind, by_item in outcome.amounts.items() if not kind.startswith("unserved")}
        found = every.model.solve(
            _with_worst(kinds), control=self._control, mip_rel_gap=_REDUCED_GAP, at_least=least, held=held,
            **self._solver,
        )  # fmt: skip
        return self._with_least_unserved(kinds, every, found)

    def _with_least_unserved(self, kinds: tuple[str, ...], level: _Level, outcome: ElasticOutcome) -> ElasticOutcome:
        """Minimize what stays unserved over the year for a change found: only the worst slice has a price."""
        if "unserved" not in kinds or outcome.x is None or not level.has_all_slices or self._control.must_stop:
            return outcome
        return level.model.with_least("unserved", _with_worst(kinds), outcome, self._control)


def _held_columns(problem: PlacementProblem, decisions: _Decisions, group: IntArray) -> dict[str, FloatArray]:
    """Turn decisions into values of the columns of an aggregated problem."""
    first = np.unique(group, return_index=True)[1]
    pairs, deployments = problem.indivisible_pairs, problem.deployments
    assigned = decisions.is_assigned[first]
    return {
        "Open": decisions.is_open.astype(float),
        "Deploy": decisions.is_deployed[deployments["class_index"], deployments["data_center_index"]].astype(float),
        "NewPods": decisions.new_pods.astype(float),
        "Assign": assigned[pairs["workload_index"], pairs["data_center_index"]].astype(float),
    }


def _with_worst(kinds: tuple[str, ...]) -> tuple[str, ...]:
    return (*kinds, UNSERVED_WORST) if "unserved" in kinds else kinds


# A change below this share is rounding.
_NO_CHANGE = 1e-9
Result = Literal["proved", "sufficient", "unproved", "none", "unfinished"]


@dataclass(frozen=True, eq=False)
class Option:
    """
    A change of some kinds that would make a problem feasible, or that there is none.

    Attributes
    ----------
    result
        proved = enough, and no smaller sum of relative changes is; sufficient = enough; unproved = what every plan
        needs at least, not shown to be enough; none = changes of these kinds alone are never enough; unfinished = the
        time limit was reached before one was found.
    """

    kinds: tuple[str, ...]  # Of change that were allowed
    title: str
    result: Result
    change_share: float  # Sum of relative changes, and the least that is proved to be needed
    bound_share: float
    items: tuple[ChangeItem, ...] = ()  # The change, line by line
    change: Change | None = None  # The same, by position
    problem: PlacementProblem | None = None  # The changed problem, and a plan for it that passed the independent check
    plan: Plan | None = None
    seconds: float = 0.0

    @property
    def is_enough(self) -> bool:
        """Whether the change was proved to be enough."""
        return self.result in {"proved", "sufficient"}


class OptionSearch:
    """Finds the changes of a problem; `remake` makes the changed problem."""

    def __init__(
        self,
        relaxed: RelaxedProblem,
        remake: Callable[[Change], PlacementProblem],
        *,
        control: Control,
        report: Callable[[str], None],
        seed: int,
        threads: int,
    ) -> None:
        self._relaxed = relaxed
        self._remake = remake
        self._control = control
        self._report = report
        self._solver: dict[str, Any] = {"seed": seed, "threads": threads}
        # In an outage equal workloads are taken over equally, and candidates beyond the limits could make equal what is
        # not. Changes that need them are then searched for separately: they are enough, but not proved smallest.
        self._is_apart = bool(len(relaxed.problem.outages) and relaxed.is_beyond.any())
        near = within_limits(relaxed) if self._is_apart else relaxed
        self._near = _Stage(near, control=control, **self._solver)
        self._far: _Stage | None = None
        self.is_complete = True
        self.is_proved_infeasible = False

    def plan_without_change(self) -> Plan | None:
        """Find a plan for the problem as it is; None where there is none, or none was found."""
        for attempt in self._near.attempts(self._served_kinds):
            outcome = attempt.outcome
            if outcome.x is not None and outcome.change_share <= _NO_CHANGE:
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

    def _stage(self, kinds: tuple[str, ...]) -> _Stage:
        if not (self._is_apart and set(kinds) & set(CANDIDATE_LEVERS)):
            return self._near
        if self._far is None:
            self._far = _Stage(self._relaxed, control=self._control, **self._solver)
        return self._far

    def options(self) -> tuple[Option, ...]:
        """Find the smallest change of all kinds together and of each kind alone, the smallest first."""
        there = (*self._served_kinds, "unserved")
        if self._is_apart:
            there += tuple(kind for kind in self._stage(CANDIDATE_LEVERS).kinds if kind in CANDIDATE_LEVERS)
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
        self._report(f"looking for the smallest change: {title}")
        stage, bound, option = self._stage(kinds), 0.0, Option(kinds, title, "unfinished", np.inf, 0.0)
        for attempt in stage.attempts(kinds):
            outcome = attempt.outcome
            if attempt.is_proof and stage is self._near:
                self._note(outcome)
                bound = max(bound, outcome.bound_share)
                if outcome.termination == Termination.INFEASIBLE:
                    option = Option(kinds, title, "none", np.inf, 0.0)
                    break
            is_change = outcome.x is not None and outcome.change_share > _NO_CHANGE
            if is_change and ("unserved" not in kinds or attempt.level.has_all_slices):
                option = self._applied(attempt, option, bound)
                if option.is_enough:
                    break
        self.is_complete &= option.result != "unfinished"
        option = replace(option, seconds=time.monotonic() - began)
        if np.isfinite(option.change_share):
            self._report(f"  {option.result}: {option.change_share:.2%}, at least {option.bound_share:.2%} is needed")
        return option

    def _note(self, outcome: ElasticOutcome) -> None:
        """Record a proof that the problem as it is has no plan: some change is needed, or none is enough."""
        is_needed = outcome.bound_share > _NO_CHANGE
        self.is_proved_infeasible |= is_needed or outcome.termination == Termination.INFEASIBLE

    def _applied(self, attempt: _Attempt, option: Option, bound: float) -> Option:
        """Apply a change and look for a plan."""
        outcome, share = attempt.outcome, attempt.outcome.change_share
        change = attempt.level.change(outcome)
        problem = self._remake(change)
        plan = self._plan(problem, attempt.level.decisions(outcome))
        is_smallest = share - bound <= max(_REDUCED_GAP * share, _NO_CHANGE) and not set(NOT_PROVED) & set(
            change.amounts
        )
        return replace(
            option,
            result="unproved" if plan is None else "proved" if is_smallest else "sufficient",
            change_share=share,
            bound_share=min(bound, share),
            items=describe_change(self._relaxed, change, attempt.level.used_beyond(outcome)),
            change=change,
            problem=problem,
            plan=plan,
        )

    def _plan(self, problem: PlacementProblem, decisions: _Decisions) -> Plan | None:
        """Find a plan that passes the check, with these integer decisions; with any, where the problem is small."""
        relaxed = RelaxedProblem(problem, np.zeros(len(problem.candidates)), ())
        watched = np.full(len(problem.links), self._near.is_small)
        while not self._control.must_stop:
            aggregated = aggregate(with_watched_links(relaxed, watched))
            model = ElasticModel(aggregated.relaxed)
            held = _held_columns(aggregated.relaxed.problem, decisions, aggregated.group)
            overloaded = np.zeros_like(watched)
            for holds in (held, None) if self._near.is_small else (held,):
                outcome = model.solve((), control=self._control, mip_rel_gap=0.0, held=holds, **self._solver)
                if outcome.x is not None:
                    plan = plan_from_columns(aggregated.relaxed.problem, model.compiled, outcome.x)
                    plan = aggregated.expand(plan)
                    report = check_plan(problem, plan)
                    if report.is_feasible:
                        return plan
                    overloaded = _overloaded_links(problem, report)
            if not (overloaded & ~watched).any():
                break
            watched |= overloaded
        for stage in filter(None, (self._near, self._far)):
            stage.watched = stage.watched | watched
        return None


def _overloaded_links(problem: PlacementProblem, report: CheckReport) -> BoolArray:
    """(L,) links that a plan overloads, in normal operation or in an outage."""
    broken = report.violations[report.violations["unit"] == "gbps"]["where"].astype(str)
    ids = {where.partition(",")[0] for where in broken}
    return np.asarray(problem.links["id"].isin(ids), bool)


def sort_options(options: Sequence[Option]) -> tuple[Option, ...]:
    """Sort what is enough first, what serves all work before what does not, small before large."""
    rank = {"proved": 0, "sufficient": 0, "unproved": 1, "unfinished": 2, "none": 3}

    def order(option: Option) -> tuple[int, bool, float]:
        return rank[option.result], any(item.kind == "unserved" for item in option.items), option.change_share

    return tuple(sorted(options, key=order))

"""
Tighten solved cases until it is proved which costs less.

Where two intervals of cost overlap, the sign of their difference is open. It is proved once the bound of the dearer
case is above the cost of the cheaper one: so the dearer is solved again, to a smaller gap, from its own plan and cuts.
Before that, each case takes the cheapest plan that any case has found: its cost falls, its bound stays.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence

import pandas as pd

from optimizer.comparison.carried_plans import carry_plan, cheapest_plan
from optimizer.comparison.cases import CaseResult
from optimizer.comparison.questions import BreakPointsExist, Question, Results
from optimizer.comparison.runner import CaseRunner, Step
from optimizer.comparison.tables import DECISION_COLUMNS, finite_or_nan
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.runs.run import Run
from optimizer.solvers.control import Termination

DECIDE_TIME_S = 600.0

# A step asks for no less than half of the gap that is left: a plan found on the way may change what is needed.
_HALF = 0.5
# Below this gap nothing can be tightened; a step that leaves more than this share of a gap was of no use.
_LEAST_GAP, _OF_NO_USE = 1e-7, 0.9
_LEAST_S = 1.0


def decide(
    runner: CaseRunner, questions: Sequence[Question], *, time_limit_s: float, stop: threading.Event
) -> pd.DataFrame:
    """
    Tighten cases until every question is decided, cannot be, or the time is up; cases share their plans at the end.

    Of the cases that are waited for the reference comes first and alone, since others may wait for it too; without it
    all are tightened side by side. What has been done before is taken from the folder, its seconds counted.

    Parameters
    ----------
    questions
        From `questions_of`.
    time_limit_s
        Seconds for all of it.

    Returns
    -------
    DataFrame
        `tables.DECISION_COLUMNS`, a row for each question.
    """
    before = [question.interval_cny(runner.results) for question in questions]
    work = _Deciding(runner, questions, time_limit_s)
    while not (stop.is_set() or work.is_late):
        wanted = work.choose()
        if wanted:
            work.tighten(wanted)
        elif not share_plans(runner):  # with other costs, what was decided may be open again
            break
    if work.is_late and not stop.is_set():
        share_plans(runner)
    for question in questions:
        if isinstance(question, BreakPointsExist):
            question.draw_if_changed(runner.results)
    ending = "interrupted" if stop.is_set() else "the time for deciding is up" if work.is_late else ""
    rows = [work.row(question, was, ending) for question, was in zip(questions, before, strict=True)]
    return pd.DataFrame(rows, columns=DECISION_COLUMNS)


class _Deciding:
    """The questions, the time that is left, and what has been of no use."""

    def __init__(self, runner: CaseRunner, questions: Sequence[Question], left_s: float) -> None:
        self._runner, self._questions, self._left_s = runner, questions, left_s
        self._stuck: dict[str, str] = {}  # cases that cannot be tightened further, and why
        self._tightened: set[str] = set()

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return self._left_s < _LEAST_S

    def choose(self) -> dict[str, float]:
        """Choose the cases to tighten next, with the gap to ask for."""
        known = self._runner.results
        for question in self._questions:
            if isinstance(question, BreakPointsExist):
                question.prepare(known)
        results = self._runner.results
        self._left_s -= _seconds({name: result for name, result in results.items() if name not in known})
        wanted: dict[str, float] = {}
        for question in self._questions:
            for want in question.wants(results):
                gap = results[want.case].mip_rel_gap
                if want.case not in self._stuck and gap > _LEAST_GAP:
                    wanted[want.case] = min(max(want.mip_rel_gap, _HALF * gap), wanted.get(want.case, math.inf))
                    break
        reference = self._runner.reference.id
        return {reference: wanted[reference]} if reference in wanted else wanted

    def tighten(self, wanted: Mapping[str, float]) -> None:
        """Take cases a step further, each with the plans of the others that were tightened."""
        before, workers = self._runner.results, self._runner.workers
        limit_s = self._left_s / math.ceil(len(wanted) / workers)
        steps = {}
        for name, gap in wanted.items():
            folders = [before[other].folder for other in before if other in self._tightened and other != name]
            steps[name] = Step(tuple(folder for folder in folders if folder is not None), gap, limit_s)
        ended = self._runner.improve(steps)
        stuck = {name: _why_stuck(before[name], result) for name, result in ended.items()}
        self._stuck |= {name: why for name, why in stuck.items() if why}
        self._tightened.update(name for name, result in ended.items() if result.has_plan)
        self._left_s -= _seconds(ended) / min(workers, len(wanted))

    def row(self, question: Question, before: tuple[float, float], ending: str) -> tuple[object, ...]:
        """Say what has become of a question, as a row of `DECISION_COLUMNS`."""
        results = self._runner.results
        why = question.why_open(results)
        if wants := question.wants(results) if why else []:
            stopped = [f"{want.case}: {self._stuck[want.case]}" for want in wants if want.case in self._stuck]
            why = "; ".join([why, *([ending] if ending else stopped)])
        numbers = [finite_or_nan(value) for value in (*before, *question.interval_cny(results))]
        return question.kind, question.name, question.first, question.second, *numbers, not why, why


def _why_stuck(before: CaseResult, after: CaseResult) -> str:
    """Say why a step that has ended is no use trying again; empty where it may be."""
    if not after.has_plan:
        return after.reason.splitlines()[0] if after.reason else str(after.status)
    ended = after.info.get("termination")
    if ended == Termination.OPTIMAL or after.mip_rel_gap < _OF_NO_USE * before.mip_rel_gap:
        return ""
    return f"a gap of {after.mip_rel_gap:.2%} is left ({str(ended).replace('_', ' ')})"


def _seconds(ended: Results) -> float:
    return math.fsum(math.fsum(result.info.get("seconds", {}).values()) for result in ended.values())


# A plan that costs less by no more than this share is the same.
_LEAST_SHARE = 1e-7

# So many pairs of plan and case at most, of which so many may take more than new prices: about a minute.
_MOST_PAIRS, _MOST_CHECKED_PAIRS = 10_000, 1_000


def share_plans(runner: CaseRunner) -> bool:
    """
    Price each plan under each case, and let a case take the cheapest that is one there; all that are solved take part.

    Nothing is searched. Returns whether any case has got another plan.
    """
    better = find_cheaper(runner.results)
    results = runner.results
    folders = {name: results[source].folder for name, source in better.items()}
    runner.improve({name: Step((folder,)) for name, folder in folders.items() if folder is not None})
    return bool(better)


def find_cheaper(results: Mapping[str, CaseResult]) -> dict[str, str]:
    """
    Find the cases for which another case's plan is cheaper than their own.

    Parameters
    ----------
    results
        By id; the order decides between plans of the same cost.

    Returns
    -------
    dict
        Id of the case whose plan is the cheapest, by that of the case that may take it.
    """
    runs = {name: result.open_run() for name, result in results.items() if result.has_plan}
    if len(runs) ** 2 > _MOST_PAIRS:
        return {}
    better, checked_left = {}, _MOST_CHECKED_PAIRS
    for name, run in runs.items():
        if results[name].mip_rel_gap <= _LEAST_SHARE:
            continue
        below_cny = run.checked_cost_cny - _LEAST_SHARE * abs(run.checked_cost_cny)
        others = {source: plan for source, plan in runs.items() if source != name}
        alike = [source for source, plan in others.items() if differs_in_prices_alone(plan.problem, run.problem)]
        costs = {source: carry_plan(others[source], run).cost_cny for source in alike}
        best = min(costs, key=lambda source: costs[source], default="")
        if best and costs[best] < below_cny:
            better[name], below_cny = best, costs[best]
        unlike = [source for source in others if source not in costs][:checked_left]
        checked_left -= len(unlike)
        if found := _cheapest_of(unlike, runs, run, below_cny):
            better[name] = found
    return better


def _cheapest_of(sources: list[str], runs: Mapping[str, Run], to: Run, below_cny: float) -> str:
    found = cheapest_plan(to.problem, (runs[source].decisions for source in sources), below_cny=below_cny)
    return "" if found is None else sources[found[0]]

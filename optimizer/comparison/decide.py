"""
Tighten solved cases until it is proved which costs less.

Where two intervals of cost overlap, the sign of their difference is open. It is proved once the bound of the dearer
case is above the cost of the cheaper one: so the dearer is solved again, to a smaller gap, from its own plan and cuts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence

import pandas as pd

from optimizer.comparison.cases import CaseResult
from optimizer.comparison.questions import BreakPointsExist, Question, Results
from optimizer.comparison.runner import CaseRunner, Step
from optimizer.comparison.shared_plans import share_plans
from optimizer.comparison.tables import DECISION_COLUMNS, finite_or_nan
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

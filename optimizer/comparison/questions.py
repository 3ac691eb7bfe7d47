"""What the gaps of solved cases leave open, and which case to tighten for it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from optimizer.comparison.break_even import find_break_points
from optimizer.comparison.break_even_limits import class_of_limit
from optimizer.comparison.break_even_points import BreakEvenMap
from optimizer.comparison.cases import CaseResult
from optimizer.comparison.frontier import SIZE_NAMES, Frontier
from optimizer.comparison.frontier_points import NOT_DISTINGUISHABLE
from optimizer.comparison.latency_budgets import LatencyReturn
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.searches import SearchResult
from optimizer.comparison.tables import saving_interval, sign_of

# Cases whose plans differ by no more than this share of the cost are left as they are: no planner acts on less.
LEAST_SHARE = 1e-3

_ROOM = 0.9  # a gap is asked for that decides with some room

# Values that are solved for the open break points of a map, at most; which share of its range is the same value.
_MOST_ALSO, _SAME_VALUE = 6, 1e-9

Results = Mapping[str, CaseResult]


@dataclass(frozen=True)
class Want:
    """A case that should be tightened."""

    case: str  # its id
    mip_rel_gap: float  # that would decide


class Question(ABC):
    """Something that the gaps of solved cases leave open."""

    kind: str
    name: str  # in words
    first: str = ""  # ids of the two cases, where it is about two
    second: str = ""

    @abstractmethod
    def why_open(self, results: Results) -> str:
        """Say what is open; empty where it is decided."""

    @abstractmethod
    def wants(self, results: Results) -> list[Want]:
        """List the cases to tighten, the most useful first; none where there is nothing to be gained."""

    def interval_cny(self, results: Results) -> tuple[float, float]:  # noqa: ARG002 - of questions that have one
        """Give what the saving is proved to lie between, CNY per year."""
        return math.nan, math.nan


@dataclass(frozen=True)
class CostsLess(Question):
    """Which of two cases costs less."""

    kind: str
    name: str
    first: str
    second: str

    def why_open(self, results: Results) -> str:
        """Say what is open; empty where it is decided."""
        saving, least, most = saving_interval(results[self.first], results[self.second])
        if sign_of(least, most):
            return ""
        if self._is_near(results):
            share = abs(saving) / abs(results[self.first].objective_cny) if saving else 0.0
            return f"the plans found differ by {share:.2%} of the cost: less than {LEAST_SHARE:.1%} is left open"
        return "the gaps are too large"

    def wants(self, results: Results) -> list[Want]:
        """List the two, the dearer first."""
        if self._is_near(results) or not self.why_open(results):
            return []
        cheap, dear = sorted((results[self.first], results[self.second]), key=lambda result: result.objective_cny)
        enough = (dear.objective_cny - cheap.objective_cny) / max(abs(dear.objective_cny), 1e-9)
        return [Want(dear.case.id, _ROOM * enough), Want(cheap.case.id, 0.0)]

    def interval_cny(self, results: Results) -> tuple[float, float]:
        """Give what the saving of the second case is proved to lie between, CNY per year."""
        return saving_interval(results[self.first], results[self.second])[1:]

    def _is_near(self, results: Results) -> bool:
        costs = [results[name].objective_cny for name in (self.first, self.second)]
        return abs(costs[0] - costs[1]) <= LEAST_SHARE * max(map(abs, costs))


class BreakPointsExist(Question):
    """Whether the break points of a map lie on its range."""

    kind = "break_even"

    def __init__(self, runner: CaseRunner, found: BreakEvenMap) -> None:
        self._runner, self.found = runner, found
        self.name = f"break points of {found.parameter}"
        self._also: list[float] = []

    def draw(self) -> BreakEvenMap:
        """Draw the map from what is known now, with the break points that were solved for it."""
        found = self.found
        self.found = find_break_points(
            self._runner,
            found.parameter,
            found.low,
            found.high,
            tolerance_cny=found.tolerance_cny,
            also=self._also,
        )
        return self.found

    def why_open(self, results: Results) -> str:  # noqa: ARG002 - of the map as it was drawn last
        """Say how many are open; empty where none is."""
        points = self.found.break_points
        is_open = int((~points["is_certain"].astype(bool)).sum())
        return f"{is_open} of {len(points)} may not lie on the range" if is_open else ""

    def draw_if_changed(self, results: Results) -> None:
        """Draw the map again if more is known of its values."""
        solved = self.found.points
        was = solved[["cost_cny_per_year", "bound_cny_per_year"]].to_numpy(float)
        now = [(results[name].objective_cny, results[name].bound_cny) for name in solved["case"]]
        if not np.array_equal(was, np.array(now, float).reshape(was.shape)):
            self.draw()

    def prepare(self, results: Results) -> None:
        """Draw the map again if more is known of its values; solve it at break points that are open, a few times."""
        self.draw_if_changed(results)
        while len(self._also) < _MOST_ALSO:
            new = [value for value in self._open_values if self._solved_at(value) is None]
            if not new:
                break
            self._also += new
            self.draw()

    def wants(self, results: Results) -> list[Want]:
        """List the solved values at the open break points, and beside those of a limit, larger gap first."""
        solved, wanted = self.found.points, set[str]()
        for value in self._open_values:
            at = self._solved_at(value)
            if class_of_limit(self.found.parameter) is not None:
                wanted.update(solved.loc[solved["value"] < value, "case"].tail(1))
            wanted.update([] if at is None else [at])
        known = [results[name] for name in sorted(wanted) if results[name].has_plan]
        return [Want(one.case.id, 0.0) for one in sorted(known, key=lambda one: -one.mip_rel_gap)]

    @property
    def _open_values(self) -> list[float]:
        points = self.found.break_points
        return [float(value) for value in points.loc[~points["is_certain"].astype(bool), "value"]]

    def _solved_at(self, value: float) -> str | None:
        """Name the case that was solved at a value; None if none was."""
        solved, room = self.found.points, _SAME_VALUE * (self.found.high - self.found.low)
        near = solved.loc[(solved["value"] - value).abs() <= room, "case"]
        return str(near.iloc[0]) if len(near) else None


def questions_of(
    cases: Sequence[str],
    runner: CaseRunner,
    searches: Sequence[SearchResult],
) -> list[Question]:
    """
    List what the gaps leave open.

    Parameters
    ----------
    cases
        Ids of cases to compare with the reference.
    searches
        What searches have found.
    """
    results, reference = runner.results, runner.reference.id
    asked: list[Question] = []
    if results[reference].has_plan:
        asked += [
            CostsLess("case", f"saving of {results[name].case.label}", reference, name)
            for name in cases
            if name != reference and results[name].has_plan
        ]
    for search in searches:
        if isinstance(search, BreakEvenMap):
            asked.append(BreakPointsExist(runner, search))
        elif isinstance(search, Frontier):
            asked += _steps(search.points, search.steps, SIZE_NAMES[search.kind], f"{search.kind} frontier")
        elif isinstance(search, LatencyReturn):
            for name, steps in search.steps.groupby("workload_class", sort=False):
                points = search.points[search.points["workload_class"] == name]
                asked += _steps(points, steps, SIZE_NAMES["latency"], f"round trip of {name}")
    return [question for question in asked if question.why_open(results)]


def _steps(points: pd.DataFrame, steps: pd.DataFrame, size: str, what: str) -> list[Question]:
    """Ask of neighbours on a frontier which costs less, where that is not proved."""
    case_of = dict(zip(points[size], points["case"], strict=True))
    asked: list[Question] = []
    for row in steps[steps["verdict"] == NOT_DISTINGUISHABLE].to_dict("records"):
        tighter, looser = (row[f"{side}_{size}"] for side in ("tighter", "looser"))
        name = f"{what}: {tighter:.6g} against {looser:.6g}"
        asked.append(CostsLess("frontier", name, case_of[tighter], case_of[looser]))
    return asked

"""
The elastic models of one problem, from small ones that give proven bounds to the whole.

A problem that is small once alike workloads and days are together is solved whole. Of a larger one the slices that
matter give a proven least change; what is missing over all slices, if anything, is added with the whole decisions held.
The limits of links, which tell workloads apart that are alike otherwise, come in only where a plan breaks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer.change import Change, rounded_up
from optimizer.condense import condense, representative, with_watched_links
from optimizer.elastic import ElasticModel, ElasticOutcome
from optimizer.levers import LEVERS, UNSERVED_WORST, build_elastic
from optimizer.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.reach import Reach
from optimizer.solution import Control

# Flow columns, alike workloads together, up to which the elastic model is solved whole.
WHOLE_MAX_FLOW_COLUMNS = 20_000
WHOLE_GAP, REDUCED_GAP = 1e-6, 1e-3
# Seconds for a large problem over all slices, once its slices that matter have not been enough.
WHOLE_MAX_S = 120.0
# Work left unserved is rounded up by this share, so that a plan found is not a hair short.
ROUNDING = 1e-9
CARRIES_MTOK_PER_H = 1e-6


@dataclass(frozen=True, eq=False)
class Decisions:
    """Whole decisions by what they are about, so that they fit a changed problem too: (D,), (K, D), (P,), (W, D)."""

    is_open: IntArray
    is_deployed: IntArray
    new_pods: IntArray
    is_assigned: IntArray


class Level:
    """
    A problem made smaller in one way, its elastic model, and the way back.

    Parameters
    ----------
    reach
        The problem, with candidates beyond its limits.
    watched
        (L,) links whose limits are kept: the fewer, the more workloads are alike.
    is_few
        Only the slices that matter.
    """

    def __init__(self, reach: Reach, watched: BoolArray, *, is_few: bool) -> None:
        self.reach = reach
        self.has_all_slices = not is_few
        self._condensed = condense(with_watched_links(reach, watched))
        smaller = representative(self._condensed.reach) if is_few else self._condensed.reach
        self.model = build_elastic(ElasticModel(smaller, reach.problem))

    def held(self, decisions: Decisions) -> dict[str, FloatArray]:
        """Write decisions as values of the model's columns."""
        return held_columns(self.model.problem, decisions, self._condensed.group)

    def decisions(self, outcome: ElasticOutcome) -> Decisions:
        """Round the whole decisions of a point by halves, for the original workloads."""
        problem, columns = self.model.problem, self.model.compiled.columns
        whole = {
            name: np.floor(columns[name].values(outcome.point) + 0.5).astype(np.int64)
            for name in ("Open", "Deploy", "NewPods", "Assign")
        }
        group = self._condensed.group
        deployed = np.zeros((len(problem.classes), len(problem.data_centers)), np.int64)
        deployed[problem.deployments["class_index"], problem.deployments["data_center_index"]] = whole["Deploy"]
        assigned = np.zeros((int(group.max()) + 1, len(problem.data_centers)), np.int64)
        pairs = problem.indivisible_pairs
        assigned[pairs["workload_index"], pairs["data_center_index"]] = whole["Assign"]
        return Decisions(whole["Open"], deployed, whole["NewPods"], assigned[group])

    def change(self, outcome: ElasticOutcome) -> Change:
        """Round the amounts up; share work left unserved out among the original workloads and days."""
        kept = {kind: by_item for kind, by_item in outcome.amounts.items() if not kind.startswith("unserved")}
        unserved = outcome.amounts.get("unserved")
        if not unserved or not self.has_all_slices:
            return Change(rounded_up(kept))
        demand = self.model.problem.demand_mtok_per_h
        amount, share = np.zeros(demand.size), np.zeros(demand.shape)
        amount[list(unserved)] = list(unserved.values())
        np.divide(amount.reshape(demand.shape), demand, out=share, where=demand > 0)
        share = np.where(share > 0, np.minimum(share * (1 + ROUNDING) + ROUNDING, 1.0), 0.0)
        return Change(rounded_up(kept), share[self._condensed.slice_of][:, self._condensed.group])

    def used_beyond(self, outcome: ElasticOutcome) -> pd.DataFrame:
        """List the original candidates beyond the limits that carry something."""
        flow = self.model.compiled.columns["Flow"].values(outcome.point).max(axis=0)
        original = self.reach
        carries = (flow > CARRIES_MTOK_PER_H)[self._condensed.candidate] & original.is_beyond & self._condensed.is_first
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
class Attempt:
    """A change that may be enough; `is_proof` = its bound, or that there is none, holds whatever else is decided."""

    level: Level
    outcome: ElasticOutcome
    is_proof: bool


class Stage:
    """
    The elastic models of a problem, from the smallest to the whole.

    Parameters
    ----------
    reach
        The problem, with candidates beyond its limits.
    control
        Deadline and stop request.
    seed, threads
        Of the solver.
    """

    def __init__(self, reach: Reach, *, control: Control, seed: int, threads: int) -> None:
        self.reach = reach
        self._control = control
        self._solver: dict[str, Any] = {"seed": seed, "threads": threads}
        self._levels: dict[tuple[bytes, bool], Level] = {}
        self._solved: dict[tuple[tuple[str, ...], bytes], ElasticOutcome] = {}
        self._limiting = reach.problem.links["is_limiting"].to_numpy(bool)
        self.is_small = is_small(condense(reach).reach.problem)
        # Links that a plan has overloaded; of a small problem all that any plan could.
        self.watched = self._limiting if self.is_small else np.zeros_like(self._limiting)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of change that have something to loosen."""
        there = set(self._level(self.watched, is_few=not self.is_small).model.levers)
        if self._limiting.any():
            there.add("link_capacity")
        return tuple(lever.kind for lever in LEVERS if lever.kind in there)

    def attempts(self, kinds: tuple[str, ...]) -> Iterator[Attempt]:
        """
        Yield changes of these kinds, from the cheapest to find to the surest.

        A small problem is solved whole. Of a large one first the slices that matter, then all with the whole decisions
        held, both with the limits of the links watched, again if there are more of these by then; at last everything.
        """
        tried: set[bytes] = set()
        while (key := self.watched.tobytes()) not in tried:
            tried.add(key)
            watched = self.watched
            level = self._level(watched, is_few=not self.is_small)
            outcome = self._first(kinds, level, key)
            yield Attempt(level, outcome, is_proof=True)
            if self.is_small or outcome.x is None:
                return
            if outcome.change_share > 0 and not self._control.must_stop:
                every = self._level(watched, is_few=False)
                yield Attempt(every, self._settled(kinds, level, outcome, every), is_proof=False)
            if self._control.must_stop:
                return
        level = self._level(self._limiting, is_few=False)
        control = Control(min(self._control.seconds_left / 2, WHOLE_MAX_S), self._control.stop)
        outcome = level.model.solve(_with_worst(kinds), control=control, mip_rel_gap=REDUCED_GAP, **self._solver)
        yield Attempt(level, self._with_least_unserved(kinds, level, outcome), is_proof=True)

    def _level(self, watched: BoolArray, *, is_few: bool) -> Level:
        key = (watched.tobytes(), is_few)
        if key not in self._levels:
            self._levels[key] = Level(self.reach, watched, is_few=is_few)
        return self._levels[key]

    def _first(self, kinds: tuple[str, ...], level: Level, key: bytes) -> ElasticOutcome:
        if (kinds, key) not in self._solved:
            gap = WHOLE_GAP if self.is_small else REDUCED_GAP
            found = level.model.solve(_with_worst(kinds), control=self._control, mip_rel_gap=gap, **self._solver)
            self._solved[kinds, key] = self._with_least_unserved(kinds, level, found)
        return self._solved[kinds, key]

    def _settled(self, kinds: tuple[str, ...], few: Level, outcome: ElasticOutcome, every: Level) -> ElasticOutcome:
        """Find what a change lacks over all slices, with the whole decisions held except for what is bought."""
        held = every.held(few.decisions(outcome))
        if "pods" in kinds:
            held.pop("NewPods")
        least = {kind: by_item for kind, by_item in outcome.amounts.items() if not kind.startswith("unserved")}
        found = every.model.solve(
            _with_worst(kinds), control=self._control, mip_rel_gap=REDUCED_GAP, at_least=least, held=held,
            **self._solver,
        )  # fmt: skip
        return self._with_least_unserved(kinds, every, found)

    def _with_least_unserved(self, kinds: tuple[str, ...], level: Level, outcome: ElasticOutcome) -> ElasticOutcome:
        """Leave no more unserved over the year than the change found needs: the worst slice alone has a price."""
        if "unserved" not in kinds or outcome.x is None or not level.has_all_slices or self._control.must_stop:
            return outcome
        return level.model.with_least("unserved", _with_worst(kinds), outcome, self._control)


def is_small(problem: PlacementProblem) -> bool:
    """
    Say whether a condensed problem is solved whole.

    Parameters
    ----------
    problem
        From `condense`.
    """
    return len(problem.candidates) * len(problem.slices) <= WHOLE_MAX_FLOW_COLUMNS


def held_columns(problem: PlacementProblem, decisions: Decisions, group: IntArray) -> dict[str, FloatArray]:
    """
    Write decisions as values of the columns of a condensed problem.

    Parameters
    ----------
    problem
        The condensed problem.
    decisions
        Of the original.
    group
        (W,) workload of the condensed problem for each original one.
    """
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

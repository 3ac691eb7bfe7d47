"""
One elastic model with the problem it was condensed from: solved whole, or on the slices that matter and then settled.

A problem that is small once alike workloads are together is solved whole. Of a larger one the slices that matter give
a proven least change; what is missing over all slices, if anything, is added with the whole decisions held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from optimizer.change import Change, rounded_up
from optimizer.condense import condense, representative
from optimizer.elastic import ElasticModel, ElasticOutcome
from optimizer.levers import UNSERVED_WORST, build_elastic
from optimizer.problem import FloatArray, IntArray, PlacementProblem
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


@dataclass(frozen=True, eq=False)
class Attempt:
    """A change that may be enough; `is_proof` = its bound, or that there is none, holds whatever else is decided."""

    model: ElasticModel
    outcome: ElasticOutcome
    is_proof: bool


class Stage:
    """
    The elastic model of a problem.

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
        self._condensed = condense(reach)
        problem = self._condensed.reach.problem
        self.is_small = len(problem.candidates) * len(problem.slices) <= WHOLE_MAX_FLOW_COLUMNS
        searched = self._condensed.reach if self.is_small else representative(self._condensed.reach)
        self.model = build_elastic(ElasticModel(searched, reach.problem))
        self._whole = self.model if self.is_small else None
        self._solved: dict[tuple[str, ...], ElasticOutcome] = {}

    def solve(self, kinds: tuple[str, ...]) -> ElasticOutcome:
        """Find the smallest change of these kinds: on the whole problem, or what every plan needs at least."""
        if kinds not in self._solved:
            gap = WHOLE_GAP if self.is_small else REDUCED_GAP
            self._solved[kinds] = self.model.solve(
                _with_worst(kinds), control=self._control, mip_rel_gap=gap, **self._solver
            )
        return self._solved[kinds]

    def attempts(self, kinds: tuple[str, ...]) -> Iterator[Attempt]:
        """Yield changes of these kinds: the smallest by the slices that matter; if asked for more, by all slices."""
        first = self.solve(kinds)
        if self.is_small:
            first = self._with_least_unserved(kinds, first)
        yield Attempt(self.model, first, is_proof=True)
        if self.is_small or first.x is None:
            return
        if not self._control.must_stop:
            settled = self._with_least_unserved(kinds, self._settled(kinds, first))
            yield Attempt(self.whole, settled, is_proof=False)
        if not self._control.must_stop:
            control = Control(min(self._control.seconds_left / 2, WHOLE_MAX_S), self._control.stop)
            found = self.whole.solve(_with_worst(kinds), control=control, mip_rel_gap=REDUCED_GAP, **self._solver)
            yield Attempt(self.whole, self._with_least_unserved(kinds, found), is_proof=True)

    def _with_least_unserved(self, kinds: tuple[str, ...], outcome: ElasticOutcome) -> ElasticOutcome:
        """Leave no more unserved over the year than the change found needs: the worst slice alone has a price."""
        if "unserved" not in kinds or outcome.x is None or self._control.must_stop:
            return outcome
        return self.whole.with_least("unserved", _with_worst(kinds), outcome, self._control)

    def _settled(self, kinds: tuple[str, ...], outcome: ElasticOutcome) -> ElasticOutcome:
        """Find what a change lacks over all slices, with the whole decisions held except for what is bought."""
        held = held_columns(self.whole.problem, self.decisions(self.model, outcome.point), self._condensed.group)
        if "pods" in kinds:
            held.pop("NewPods")
        least = {kind: by_item for kind, by_item in outcome.amounts.items() if not kind.startswith("unserved")}
        return self.whole.solve(
            _with_worst(kinds), control=self._control, mip_rel_gap=REDUCED_GAP, at_least=least, held=held,
            **self._solver,
        )  # fmt: skip

    @property
    def whole(self) -> ElasticModel:
        """The model over all slices, made when it is needed."""
        if self._whole is None:
            self._whole = build_elastic(ElasticModel(self._condensed.reach, self.reach.problem))
        return self._whole

    def change(self, model: ElasticModel, outcome: ElasticOutcome) -> Change:
        """Round the amounts up; share work left unserved out among the original workloads, if all slices are there."""
        kept = {kind: by_item for kind, by_item in outcome.amounts.items() if not kind.startswith("unserved")}
        unserved = outcome.amounts.get("unserved")
        if not unserved or model is not self._whole:
            return Change(rounded_up(kept))
        demand = model.problem.demand_mtok_per_h
        amount, share = np.zeros(demand.size), np.zeros(demand.shape)
        amount[list(unserved)] = list(unserved.values())
        np.divide(amount.reshape(demand.shape), demand, out=share, where=demand > 0)
        share = np.where(share > 0, np.minimum(share * (1 + ROUNDING) + ROUNDING, 1.0), 0.0)
        return Change(rounded_up(kept), share[:, self._condensed.group])

    def decisions(self, model: ElasticModel, x: FloatArray) -> Decisions:
        """Round the whole decisions of a point by halves, for the original workloads."""
        problem, columns = model.problem, model.compiled.columns
        whole = {
            name: np.floor(columns[name].values(x) + 0.5).astype(np.int64)
            for name in ("Open", "Deploy", "NewPods", "Assign")
        }
        group = self._condensed.group
        deployed = np.zeros((len(problem.classes), len(problem.data_centers)), np.int64)
        deployed[problem.deployments["class_index"], problem.deployments["data_center_index"]] = whole["Deploy"]
        assigned = np.zeros((int(group.max()) + 1, len(problem.data_centers)), np.int64)
        pairs = problem.indivisible_pairs
        assigned[pairs["workload_index"], pairs["data_center_index"]] = whole["Assign"]
        return Decisions(whole["Open"], deployed, whole["NewPods"], assigned[group])

    def used_beyond(self, model: ElasticModel, x: FloatArray) -> pd.DataFrame:
        """List the original candidates beyond the limits that carry something."""
        flow = model.compiled.columns["Flow"].values(x).max(axis=0)
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

"""What is known of other cases when one is solved: what their plans cost in it, and what is proved of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from optimizer.comparison.carried_bounds import bound_at
from optimizer.comparison.carried_plans import first_plan, price_plan
from optimizer.comparison.cases import state_hash
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.runs.folder import read_intact_info
from optimizer.runs.run import open_run
from optimizer.solvers.unit_costs import COSTS_TABLE, DECISIONS_KEY, unit_costs

# Plans of cases that differ in more than prices are priced row by row, in a fifth of a second each.
_MOST_PRICED = 24


@dataclass(frozen=True, eq=False)
class _Known:
    """A stored case with the decisions of the problem."""

    bound_cny: float
    cny: FloatArray  # (columns,) unit costs
    amount: FloatArray  # (columns,) its plan


class KnownCases:
    """
    Stored cases, seen from the problem of another.

    Parameters
    ----------
    folders
        Their run folders; of those that differ in more than prices the first few are looked at.

    Attributes
    ----------
    cost_cny
        What the plan of each costs in the problem, CNY per year, whether it keeps every limit there or not.
    """

    def __init__(self, problem: PlacementProblem, folders: Sequence[Path]) -> None:
        self._problem, self._alike = problem, dict[Path, _Known]()
        costs, others = unit_costs(problem), 0
        self.cost_cny = dict[Path, float]()
        for folder in folders:
            info = read_intact_info(folder)
            if info is None:
                continue
            if costs is not None and info.get(DECISIONS_KEY) == costs.decisions:
                known = self._alike[folder] = _read(str(folder), state_hash([info]))
                self.cost_cny[folder] = float(costs.cny @ known.amount)
            elif others < _MOST_PRICED:
                others += 1
                cost_cny = price_plan(problem, open_run(folder).tables)
                if math.isfinite(cost_cny):
                    self.cost_cny[folder] = cost_cny
        self._costs = costs

    @property
    def by_cost(self) -> list[Path]:
        """Run folders, that with the cheapest plan here first."""
        return sorted(self.cost_cny, key=self.cost_cny.__getitem__)

    def cheapest_plan(self) -> Plan | None:
        """Find the cheapest of the plans that keeps every limit of the problem."""
        found = first_plan(self._problem, (open_run(folder).tables for folder in self.by_cost))
        return None if found is None else found[1]

    @property
    def bound_cny(self) -> float:
        """What the bounds of those that differ in prices alone prove here, CNY per year; minus infinity if nothing."""
        known = [one for one in self._alike.values() if np.isfinite(one.bound_cny)]
        if self._costs is None or not known or (self._costs.compiled.lower < 0).any():
            return -np.inf
        return bound_at(self._costs.cny, [one.cny for one in known], [one.bound_cny for one in known])


@lru_cache(maxsize=128)
def _read(folder: str, _state_hash: str) -> _Known:
    run = open_run(Path(folder))
    table = run.tables[COSTS_TABLE]
    return _Known(run.bound_cny_per_year, table["cny"].to_numpy(float), table["amount"].to_numpy(float))

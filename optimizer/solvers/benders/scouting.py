"""
The search for plans of a solve: with long slices first, then with all of them, on one core or two.

What one set of deployments costs more than another hardly depends on how finely a day is cut, and with six slices for
24 hours a set is evaluated in a quarter of the time. So sets are compared with long slices for as long as what they
find better is better with all slices, too. Limits on the year tie the hours together: there it soon is not.
"""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np

from optimizer.problem.problem import FloatArray
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.plan_search import Choice, PlanSearch
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import Control

# Sets evaluated with long slices in the time of one with all; of those found at a time the last are confirmed.
SCOUTED_FOR_ONE, MOST_CONFIRMED = 4, 2
# A search ends after so many evaluations that gave no better plan: with long slices, with all slices.
SCOUTS_PATIENCE, PATIENCE = 400, 200
# With long slices also once so many findings, one after the other, were not better by this share with all of them.
MOST_FALSE, WORTHWHILE_SHARE = 4, 2e-4


class Scouting:
    """
    Searches of one problem, and of the same with long slices.

    Parameters
    ----------
    of
        The problem.
    long
        The same with long slices; None = search with all slices alone.
    """

    def __init__(self, of: Decomposition, long: Decomposition | None, control: Control, *, seed: int) -> None:
        self._seed = seed
        self._searches = [PlanSearch(of, control, seed=seed)]  # a second one once there is a core for it
        self._scouts = [] if long is None else [PlanSearch(long, control, seed=seed)]
        # Evaluations with long slices, and what they found, since that was last worthwhile.
        self._in_vain = self._false = 0

    @property
    def best(self) -> Choice | None:
        """Best set found, evaluated with all slices."""
        return self._searches[0].best

    @property
    def is_guided(self) -> bool:
        """Whether it was told of a relaxation."""
        return self._searches[0].is_guided

    @property
    def is_over(self) -> bool:
        """Whether nothing better has been found for a while."""
        return not self._is_scouting and self._searches[0].idle >= PATIENCE

    @property
    def idle(self) -> float:
        """Evaluations since the last improvement, as many as there would have been with all slices."""
        return self._in_vain / SCOUTED_FOR_ONE if self._is_scouting else self._searches[0].idle

    @property
    def _is_scouting(self) -> bool:
        return bool(self._scouts) and self._in_vain < SCOUTS_PATIENCE and self._false < MOST_FALSE

    def start_from(self, deployed: frozenset[int]) -> None:
        """Begin, or begin again, with the deployments of a plan that is known."""
        for search in (*self._searches, *self._scouts):
            search.start_from(deployed)

    def follow(self, share: FloatArray, *, is_of_long: bool = False) -> None:
        """
        Tell how far the relaxation, of all slices or of long ones, deploys each, (N,).

        The search with long slices has seen the relaxation of these to its end: each news would make it descend again
        instead of trying random changes.
        """
        for search in self._searches:
            search.follow(share)
        for scout in self._scouts:
            if is_of_long or not scout.is_guided:
                scout.follow(share)

    def consider(self, deployed: frozenset[int]) -> None:
        """Evaluate a set of deployments, and keep it if it is the best."""
        for search in (*self._searches[:1], *self._scouts):
            search.consider(deployed)

    def run(self, evaluations: int) -> bool:
        """Go on for the time of some evaluations, or until the control says stop; say whether any set was new."""
        if not self._is_scouting:
            return self._searches[0].run(evaluations)
        count = SCOUTED_FOR_ONE * evaluations
        is_new = self._scouts[0].run(count)
        self._confirm(count if self.is_guided else 0)
        return is_new

    def run_twice(self, second: Executor, evaluations: int) -> None:
        """Search on two cores and go on from the better of what they find."""
        if self._is_scouting:
            count = SCOUTED_FOR_ONE * evaluations
            beside = second.submit(self._scouts[0].run, count)
            try:
                best = self.best
                self._searches[0].run(evaluations)
            finally:
                beside.result()
            self._confirm(count)
            if self.best is not None and self.best is not best:
                self._scouts[0].consider(self.best.deployed)
            return
        if len(self._searches) == 1:
            self._searches.append(self._searches[0].another(self._seed + 1))
        first, other = self._searches
        other.adopt(first.best)
        beside = second.submit(other.run, evaluations)
        try:
            first.run(evaluations)
        finally:
            beside.result()
        found, other.improved = other.improved, []
        if found and (first.best is None or found[-1].cost_units < first.best.cost_units):
            first.improved.append(found[-1])
            first.adopt(found[-1])

    def take_improved(self) -> list[Choice]:
        """Take away the sets that were each the best, evaluated with all slices."""
        found, self._searches[0].improved = self._searches[0].improved, []
        return found

    def take_cuts(self) -> list[Cut]:
        """Take away the cuts of outages that have been found."""
        return [cut for search in self._searches for cut in search.take_cuts()]

    def _confirm(self, evaluations: int) -> None:
        """Evaluate with all slices what was found with long ones in so many evaluations."""
        scout, best = self._scouts[0], self.best
        found, scout.improved = scout.improved, []
        scout.take_cuts()  # of outages in long slices: those that count are found again
        for choice in found[-MOST_CONFIRMED:]:
            self._searches[0].consider(choice.deployed)
        least = np.inf if best is None else best.cost_units * (1 - WORTHWHILE_SHARE)
        is_worthwhile = self.best is not None and self.best.cost_units < least
        self._in_vain = 0 if is_worthwhile else self._in_vain + evaluations
        self._false = 0 if is_worthwhile else self._false + bool(found)

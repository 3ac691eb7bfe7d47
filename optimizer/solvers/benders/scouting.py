"""
The search for plans of a solve: sets of deployments are compared with long slices, on one core or two.

What one set of deployments costs more than another hardly depends on how finely a day is cut, and with six slices for
24 hours a set is evaluated in a small part of the time. So only a set that is about as good as the best with long
slices is evaluated with all of them, and the best of these is what the search goes on from.
"""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np

from optimizer.problem.problem import FloatArray
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.plan_search import PATIENCE, Choice, PlanSearch, PodsWanted
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import Control

# Sets evaluated with long slices in the time of one with all; of those near the best the first are confirmed.
SCOUTED_FOR_ONE, MOST_CONFIRMED = 6, 4
# About as good: within the spread of what all slices cost more than long ones, over so many sets, or this share.
SPREAD_OVER, LEAST_MARGIN = 20, 1e-4
# With long slices a search ends after so many evaluations that gave no better plan.
SCOUTS_PATIENCE = 600
# After so many sets, one after the other, that long slices allow and that have no plan, all slices are searched until a
# better plan is found.
MOST_FALSE = 4


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
        self._of, self._long, self._control, self._seed = of, long, control, seed
        self._search = PlanSearch(of, control, seed=seed)
        self._scout = None if long is None else PlanSearch(long, control, seed=seed)
        if self._scout is not None:
            self._scout.margin = LEAST_MARGIN
        self._within: PlanSearch | None = None  # with all slices, among plans that buy few pods
        self._other: Scouting | None = None  # once there is a core for it
        # Costs of sets with all slices, as multiples of those with long ones.
        self._ratios: list[float] = []
        # Evaluations with long slices since a better plan was found, and sets in a row that have no plan.
        self._in_vain = self._false = 0

    @property
    def best(self) -> Choice | None:
        """Best set found, evaluated with all slices."""
        return self._search.best

    @property
    def is_guided(self) -> bool:
        """Whether it was told of a relaxation."""
        return self._search.is_guided

    @property
    def is_over(self) -> bool:
        """Whether nothing better has been found for a while."""
        return self._in_vain >= SCOUTS_PATIENCE if self.is_scouting else self._search.idle >= PATIENCE

    @property
    def idle(self) -> float:
        """Evaluations since the last improvement, as many as there would have been with all slices."""
        return self._in_vain / SCOUTED_FOR_ONE if self.is_scouting else self._search.idle

    @property
    def is_scouting(self) -> bool:
        """Whether sets are compared with long slices."""
        scout = self._scout
        return scout is not None and self._false < MOST_FALSE and not self._buys_pods and not scout.has_no_plan

    @property
    def _buys_pods(self) -> bool:
        """Whether the best set needs new pods: single hours decide whether it takes one more, at a jump in cost."""
        return self.best is not None and bool(self.best.point[self._of.positions("NewPods")].any())

    @property
    def _searches(self) -> list[PlanSearch]:
        return [self._search] if self._scout is None else [self._search, self._scout]

    def start_from(self, deployed: frozenset[int]) -> None:
        """Begin, or begin again, with the deployments of a plan that is known."""
        for search in self._searches:
            search.start_from(deployed)

    def follow(self, share: FloatArray, *, is_of_long: bool = False) -> None:
        """
        Tell how far the relaxation, of all slices or of long ones, deploys each, (N,).

        The search with long slices has seen the relaxation of these to its end: each news would make it descend again
        instead of trying random changes.
        """
        if self._other is not None:
            self._other.follow(share, is_of_long=is_of_long)
        self._search.follow(share)
        if self._within is not None:
            self._within.follow(share)
        if self._scout is not None and (is_of_long or not self._scout.is_guided):
            self._scout.follow(share)

    def consider(self, deployed: frozenset[int]) -> None:
        """Evaluate a set of deployments, and keep it if it is the best."""
        self._search.consider(deployed)
        self._return_to_best()

    def adopt(self, choice: Choice | None) -> None:
        """Go on from a choice that was found elsewhere, if it is better than the best."""
        before = self.best
        self._search.adopt(choice)
        if self.best is not before:
            self._in_vain = self._false = 0
            self._return_to_best()

    def search_with(self, pods: PodsWanted) -> None:
        """
        Search for plans that buy no more pods, as long as that finds better ones.

        Where the best buys one more, a set that could nearly do without it looks no better than any other.
        """
        self._within = PlanSearch(self._of, self._control, seed=self._seed, pods=pods)
        self._within.follow_as(self._search)
        if self.best is not None:
            self._within.start_from(self.best.deployed)

    def _run_whole(self, evaluations: int) -> bool:
        """Go on with all slices."""
        within = self._within
        if within is None or within.is_fruitless:
            return self._search.run(evaluations)
        is_new = within.run(evaluations)
        found, within.improved = within.improved, []
        for choice in found:
            if choice.is_whole and (self.best is None or choice.cost_units < self.best.cost_units):
                self._search.improved.append(choice)
                self._search.adopt(choice)
        return is_new

    def run(self, evaluations: int) -> bool:
        """Go on for the time of some evaluations, or until the control says stop; say whether any set was new."""
        scout, before = self._scout, self.best
        if scout is None or not self.is_scouting:
            is_new = self._run_whole(evaluations)
        else:
            count = SCOUTED_FOR_ONE * evaluations
            is_new = scout.run(count)
            self._confirm(scout)
            self._in_vain = self._in_vain + count if self.is_guided and self.best is before else 0
        if self.best is not before:
            self._false = 0
        self._return_to_best()
        return is_new

    def run_twice(self, second: Executor, evaluations: int) -> None:
        """Search on two cores and go on from the better of what they find."""
        if self._other is None:
            self._other = self._another()
        other = self._other
        other.adopt(self.best)
        beside = second.submit(other.run, evaluations)
        try:
            self.run(evaluations)
        finally:
            beside.result()
        found = other.take_improved()
        if found and (self.best is None or found[-1].cost_units < self.best.cost_units):
            self._search.improved.append(found[-1])
            self.adopt(found[-1])

    def take_improved(self) -> list[Choice]:
        """Take away the sets that were each the best, evaluated with all slices."""
        found, self._search.improved = self._search.improved, []
        return found

    def take_cuts(self) -> list[Cut]:
        """Take away the cuts of outages that have been found."""
        return self._search.take_cuts() + ([] if self._other is None else self._other.take_cuts())

    def _another(self) -> Scouting:
        """Make another search of the same problem, with random changes of its own."""
        other = Scouting(self._of, self._long, self._control, seed=self._seed + 1)
        for search, mine in zip(other._searches, self._searches, strict=True):
            search.follow_as(mine)
        return other

    def _confirm(self, scout: PlanSearch) -> None:
        """Evaluate with all slices what is about as good as the best with long ones, and was not yet."""
        near, scout.near, scout.improved = scout.near, [], []
        scout.take_cuts()  # of outages in long slices: those that count are found again
        new = [choice for choice in near if not self._search.is_known(choice.deployed)]
        for choice in sorted(new, key=lambda choice: choice.cost_units)[:MOST_CONFIRMED]:
            whole = self._search.consider(choice.deployed)
            self._false = self._false + 1 if whole is None else 0
            if whole is not None:
                self._ratios = [*self._ratios[1 - SPREAD_OVER :], whole.cost_units / choice.cost_units]
                scout.margin = max(LEAST_MARGIN, float(np.std(self._ratios) / np.mean(self._ratios)))

    def _return_to_best(self) -> None:
        """Let the search with long slices go on from the best set, whatever looks better with these."""
        if self._scout is not None and self.best is not None:
            self._scout.go_on_from(self.best.deployed)

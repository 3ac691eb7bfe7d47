"""The search for deployments on a coarse problem: proposals, cheaper and cheaper, for the original to judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.alike import transfer_all
from optimizer.decomposition import LEAST_ROUNDS, Decomposition
from optimizer.highs import UnsolvedError
from optimizer.master import InfeasibleMasterError
from optimizer.problem import PlacementProblem
from optimizer.search import Choice, DeploymentSearch
from optimizer.slice_lp import Cut
from optimizer.solution import Control, Progress, relative_gap
from optimizer.warm_start import WarmCuts

# A bound that starts from another case's cuts is raised once more to see whether it still rises.
WARM_ROUNDS = 1


class CoarseSearch:
    """
    A search on a coarse problem.

    Parameters
    ----------
    problem
        From `coarsen`.
    control
        Of the whole solve; costs of the coarse problem are kept out of its progress.
    seed, threads
        Of the solver.
    warm
        Cuts of another case's coarse problem.
    """

    def __init__(
        self, problem: PlacementProblem, control: Control, *, seed: int, threads: int, warm: WarmCuts | None = None
    ) -> None:
        self._of = Decomposition(problem, seed=seed, threads=threads, like=None if warm is None else warm.split)
        if warm is not None:
            self._of.program.add(transfer_all(warm.cuts, warm.split.blocks, self._of.split_blocks))
        self._control = replace(control, lines=[], report=lambda line: _sign_of_life(control, line))
        self._search = DeploymentSearch(self._of, self._control)
        self._starts: list[Choice] = []  # to search from, one after the other
        self._proposed: set[frozenset[int] | None] = {None}
        self._is_started = False

    @property
    def members(self) -> list[list[int]]:
        """Class and data center of each deployment, in the order in which they are counted."""
        found: list[list[int]] = self._of.compiled.columns["Deploy"].members.tolist()
        return found

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """What was learned about the blocks."""
        return tuple(self._of.program.cuts)

    @property
    def gap(self) -> float:
        """Share of its cost by which the last proposal may be too dear for this problem."""
        best = self._search.best
        return np.inf if best is None else relative_gap(best.cost_units, self._of.bound_units)

    def propose(self, gap: float, start: frozenset[int] | None) -> frozenset[int] | None:
        """
        Look for deployments within a gap of this problem's own bound.

        Parameters
        ----------
        gap
            Share of the cost.
        start
            Deployments to begin with, at the first call; None = those that the relaxation uses.

        Returns
        -------
        frozenset of int or None
            The best found, whether it is within the gap or not; None where there is none that is new.
        """
        try:
            if not self._is_started:
                self._begin(start)
            target_units = self._of.bound_units / (1 - gap) if gap < 1 else np.inf
            while self._starts and not self._control.must_stop and self._best_units > target_units:
                if self._search.improve(self._starts[0], target_units=target_units):
                    # A local optimum: no change of one deployment helps. Another start may lead elsewhere.
                    self._starts.pop(0)
                    if self._best_deployed not in self._proposed:
                        break
                elif self._search.best is not None:
                    self._starts[0] = self._search.best
        except (InfeasibleMasterError, UnsolvedError):
            return None  # the original problem says so itself
        if self._best_deployed in self._proposed:
            return None
        self._proposed.add(self._best_deployed)
        return self._best_deployed

    @property
    def _best_deployed(self) -> frozenset[int] | None:
        return None if self._search.best is None else self._search.best.deployed

    @property
    def _best_units(self) -> float:
        return np.inf if self._search.best is None else self._search.best.cost_units

    def close(self) -> None:
        """Stop the threads."""
        self._of.blocks.close()

    def _begin(self, start: frozenset[int] | None) -> None:
        self._is_started = True
        least = WARM_ROUNDS if self._of.program.cuts else LEAST_ROUNDS
        self._of.raise_bound(self._control, np.inf, least_rounds=least)
        # Under other prices the deployments of another case may be farther from a good choice than the relaxation's.
        tries = [None if start is None else self._search.evaluate(start), self._search.start()]
        self._starts = sorted((choice for choice in tries if choice is not None), key=lambda choice: choice.cost_units)


def _sign_of_life(control: Control, line: Progress) -> None:
    control.say(np.inf, -np.inf, f"coarse {line.phase}")

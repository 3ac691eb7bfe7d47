"""The search for deployments on a coarse problem: proposals, cheaper and cheaper, for the original to judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.alike import transfer_all
from optimizer.decomposition import LEAST_ROUNDS, Decomposition
from optimizer.master import InfeasibleMasterError, UnsolvedMasterError
from optimizer.problem import PlacementProblem
from optimizer.search import Choice, DeploymentSearch
from optimizer.slice_lp import Cut
from optimizer.solution import Control, Progress
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
        self._choice: Choice | None = None
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
            The best found, whether it is within the gap or not; None where there is none.
        """
        try:
            if not self._is_started:
                self._begin(start)
            if self._choice is not None:
                target_units = self._of.bound_units / (1 - gap) if gap < 1 else np.inf
                self._search.improve(self._choice, target_units=target_units)
                self._choice = self._search.best
        except (InfeasibleMasterError, UnsolvedMasterError):
            return None  # the original problem says so itself
        return None if self._choice is None else self._choice.deployed

    def close(self) -> None:
        """Stop the threads."""
        self._of.blocks.close()

    def _begin(self, start: frozenset[int] | None) -> None:
        self._is_started = True
        least = WARM_ROUNDS if self._of.program.cuts else LEAST_ROUNDS
        self._of.raise_bound(self._control, np.inf, least_rounds=least)
        # Under other prices the deployments of another case may be farther from a good choice than the relaxation's.
        tries = [None if start is None else self._search.evaluate(start), self._search.start()]
        found = [choice for choice in tries if choice is not None and np.isfinite(choice.cost_units)]
        self._choice = min(found, key=lambda choice: choice.cost_units, default=tries[-1])


def _sign_of_life(control: Control, line: Progress) -> None:
    control.say(np.inf, -np.inf, f"coarse {line.phase}")

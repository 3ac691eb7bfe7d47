"""Where the search for deployments begins: what a coarse search proposes, another case has, the relaxation uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from optimizer.coarse import coarsen
from optimizer.coarse_search import CoarseSearch
from optimizer.decomposition import Decomposition
from optimizer.search import Choice, DeploymentSearch
from optimizer.slice_lp import Cut
from optimizer.solution import Control, relative_gap
from optimizer.warm_start import WarmStart

# Where the master is small, looking at it is cheap.
SMALL_MASTER_COLUMNS = 1500
# A proposal has to be a little closer to the coarse problem's bound than the gap asks for; the next one closer still.
FIRST_SHARE_OF_GAP = 0.95
NEXT_SHARE_OF_GAP = 0.85


class FirstChoice:
    """
    Finds the deployments to begin with.

    Parameters
    ----------
    decomposition
        Of the problem, its bound raised.
    search
        The search that goes on from there.
    control
        Deadline and stop request.
    seed, threads
        Of the solver.
    warm
        What another case hands on.
    """

    def __init__(
        self,
        decomposition: Decomposition,
        search: DeploymentSearch,
        control: Control,
        *,
        seed: int,
        threads: int,
        warm: WarmStart,
    ) -> None:
        self._of, self._search, self._control = decomposition, search, control
        self._seed, self._threads, self._warm = seed, threads, warm
        self.coarse_cuts: tuple[Cut, ...] = ()

    def find(self, is_enough: Callable[[Choice], bool], mip_rel_gap: float) -> Choice | None:
        """
        Choose; None where nothing serves all work.

        Parameters
        ----------
        is_enough
            Whether a choice meets the gap.
        mip_rel_gap
            The gap.
        """
        deployed = self._warm_deployments()
        found = self._from_coarse_search(deployed, is_enough, mip_rel_gap)
        if found is None and deployed is not None:
            found = self._search.evaluate(deployed)
        return found if found is not None and np.isfinite(found.cost_units) else self._search.start()

    def _warm_deployments(self) -> frozenset[int] | None:
        if self._warm.deployed is None:
            return None
        problem = self._of.problem
        classes, centers = problem.classes["id"].tolist(), problem.data_centers["id"].tolist()
        members = self._of.compiled.columns["Deploy"].members.tolist()
        return frozenset(n for n, (k, d) in enumerate(members) if (classes[k], centers[d]) in self._warm.deployed)

    def _from_coarse_search(
        self, start: frozenset[int] | None, is_enough: Callable[[Choice], bool], mip_rel_gap: float
    ) -> Choice | None:
        """Let a coarse problem propose deployments until one of them meets the target here, or it has no better."""
        problem = coarsen(self._of.problem)
        if problem is None or len(self._of.master.cost) <= SMALL_MASTER_COLUMNS:
            return None
        coarse = CoarseSearch(problem, self._control, seed=self._seed, threads=self._threads, warm=self._warm.coarse)
        gap = FIRST_SHARE_OF_GAP * mip_rel_gap
        try:
            while coarse.members == self._of.compiled.columns["Deploy"].members.tolist():
                deployed = coarse.propose(gap, start)
                if deployed is None or self._control.must_stop:
                    break
                choice = self._search.evaluate(deployed)
                if choice is None or is_enough(choice):
                    break
                # What is a little worse here than there is expected to be so again.
                lost = relative_gap(choice.cost_units, self._of.proved_units) - mip_rel_gap
                gap = NEXT_SHARE_OF_GAP * gap if not 0 < lost < coarse.gap else coarse.gap - lost
        finally:
            self.coarse_cuts = coarse.cuts
            coarse.close()
        return self._search.best

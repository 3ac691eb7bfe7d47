"""
The bound of a year whose days were merged: one relaxation with every day on its own, from what the merged days know.

What routing costs is the same function on all days that were merged, so the cuts of the merged days hold on each of
them, and those that hold their relaxation are nearly all that hold the larger one. Its blocks are never solved.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.solvers.benders.aggregation import MergedDays
from optimizer.solvers.benders.bound import Decomposition, split_problem
from optimizer.solvers.benders.covers import FlowCovers
from optimizer.solvers.benders.cuts import transfer_cuts
from optimizer.solvers.benders.master import MasterProgram
from optimizer.solvers.benders.pool import CutPool
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import Control

# Covers that fall short of holding the merged relaxation by less than this share of their pool are begun with.
NEARLY_TIGHT_SHARE = -1e-3


class AllDays:
    """
    The relaxation of a problem with all of its days.

    Parameters
    ----------
    problem
        With all days.
    days
        Its merged days.
    merged
        Their decomposition, some rounds old.
    """

    def __init__(self, problem: PlacementProblem, days: MergedDays, merged: Decomposition, *, seed: int) -> None:
        self._merged, self._days = merged, days
        self._block_of = days.block_of(problem)
        split = split_problem(problem)
        self._split = split
        self._program = MasterProgram(split.master, sum(block.component_count for block in split.blocks), seed=seed)
        self._pool = CutPool(split.blocks)
        self._covers = FlowCovers(problem, split.compiled, split.master)
        self._program.add(self._from_merged([cut for cut in merged.program.cuts if not merged.covers.is_one(cut)]))
        self._program.add(self._covers.violated(self._merged_point(), broken_share=NEARLY_TIGHT_SHARE))
        self._merged_bound_units = -np.inf
        self.bound_cny = -np.inf

    def raise_once(self, control: Control, least_rise_share: float) -> bool:
        """
        Solve the relaxation, unless the merged one has hardly risen since, and add the cuts that it breaks.

        Returns
        -------
        bool
            Whether it was solved.
        """
        rise = self._merged.bound_units - self._merged_bound_units
        if not rise > least_rise_share * abs(self._merged.bound_units):
            return False
        self._merged_bound_units = self._merged.bound_units
        bound, point, part_costs = self._program.solve_centrally(time_limit_s=control.seconds_left)
        self.bound_cny = max(self.bound_cny, bound * self._split.cny_per_unit)
        if not control.must_stop:
            self._pool.add(self._from_merged(self._merged.pool.cuts))
            self._program.add(self._pool.violated(point, part_costs) + self._covers.violated(point))
        return True

    def _from_merged(self, cuts: Iterable[Cut]) -> list[Cut]:
        """Write cuts of the merged days for every day that they stand for."""
        return transfer_cuts(cuts, self._merged.split_blocks, self._split.blocks, self._block_of)

    def _merged_point(self) -> FloatArray:
        """Write what the merged relaxation decides and processes as a point with all days; the rest is 0."""
        source, target = self._merged, self._split
        values = source.columns_at(source.relaxed_point)
        out = np.zeros(len(target.compiled.cost))
        for name in ("Open", "Deploy", "NewPods"):
            out[target.compiled.columns[name].columns] = values[source.compiled.columns[name].columns]
        work = source.compiled.columns["Work"].values(values)[self._days.slice_of]
        out[target.compiled.columns["Work"].columns] = work.reshape(-1)
        return np.asarray(out[target.master.columns] / target.master.scale)

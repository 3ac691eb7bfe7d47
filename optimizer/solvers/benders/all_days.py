"""
The bound of a year whose days were merged: one relaxation with every day on its own, from what the merged days know.

What routing costs is the same function on all days that were merged, so the cuts of the merged days hold on each of
them, and those that hold their relaxation are nearly all that hold the larger one. What more is needed, the blocks of
the merged days say too, one day at a time.
"""

from __future__ import annotations

import numpy as np

from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.benders.aggregation import MergedSlices
from optimizer.solvers.benders.bound import FEW_PER_PART, NEARLY_TIGHT_SHARE, Decomposition, split_problem
from optimizer.solvers.benders.covers import FlowCovers
from optimizer.solvers.benders.master import MasterProgram
from optimizer.solvers.benders.pool import CutPool
from optimizer.solvers.benders.refinement import Refinement
from optimizer.solvers.control import Control


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

    def __init__(self, problem: PlacementProblem, days: MergedSlices, merged: Decomposition, *, seed: int) -> None:
        self._merged, self._days = merged, days
        split = split_problem(problem)
        self._refined = Refinement(merged, days, problem, split)
        self._split = split
        self._program = MasterProgram(split.master, sum(len(parts) for parts in split.parts), seed=seed)
        self._pool = CutPool(split.parts)
        self._covers = FlowCovers(problem, split.compiled, split.master)
        self._program.add(self._refined.held())
        self._program.add(self._covers.violated(self._refined.point(), broken_share=-NEARLY_TIGHT_SHARE))
        self._day_rows = [np.asarray(rows) for rows in problem.slices.groupby("day", sort=False).indices.values()]
        self._merged_bound_units = -np.inf
        self.is_rising = True  # the last solve broke cuts that it did not know
        self.bound_cny = -np.inf

    def raise_bound(self, control: Control, least_rise_share: float, *, most_rounds: int) -> bool:
        """
        Solve the relaxation, and again with the cuts that it breaks while that pays.

        Nothing is done where neither the merged relaxation has risen since nor any cut is missing.

        Parameters
        ----------
        least_rise_share
            Share of the bound by which a round must raise it for the next one to be worth its time.

        Returns
        -------
        bool
            Whether it was solved.
        """
        merged_rise = self._merged.bound_units - self._merged_bound_units
        has_news = merged_rise > least_rise_share * abs(self._merged.bound_units)
        for number in range(most_rounds):
            if control.must_stop or not (self.is_rising or has_news):
                return number > 0
            has_news, before = False, self.bound_cny
            self._merged_bound_units = self._merged.bound_units
            bound, point, part_costs = self._program.solve_centrally(time_limit_s=control.seconds_left)
            self.bound_cny = max(self.bound_cny, bound * self._split.cny_per_unit)
            self.is_rising = self._learn(point, part_costs, control)
            self.is_rising &= not self.bound_cny - before <= least_rise_share * abs(self.bound_cny)
        return True

    def _learn(self, point: FloatArray, part_costs: FloatArray, control: Control) -> bool:
        """Add what a solution breaks; say whether that is anything."""
        values = np.zeros(len(self._split.compiled.cost))
        values[self._split.master.columns] = point * self._split.master.scale
        for rows in self._day_rows:
            if control.must_stop:
                return False
            there = self._on_merged_day(values, rows)
            self._merged.pool.add(self._merged.cost_at(there)[1])
            self._merged.pool.add(self._merged.blocks.solve_outages(there))
        self._pool.add(self._refined.cuts(self._merged.pool.cuts))
        broken = self._pool.violated(point, part_costs, FEW_PER_PART) + self._covers.violated(point)
        self._program.add(broken)
        return bool(broken)

    def _on_merged_day(self, values: FloatArray, rows: IntArray) -> FloatArray:
        """Write one day of a solution as the merged day that stands for it; other merged days stay as they were."""
        source, target = self._merged, self._split
        out = source.columns_at(source.relaxed_point)
        for name, block in target.compiled.columns.items():
            own = source.compiled.columns[name]
            if block.shape == own.shape:
                out[own.columns] = values[block.columns]
            elif block.shape[0] == len(self._days.slice_of):
                of_day = own.values(out).copy()
                of_day[self._days.slice_of[rows]] = block.values(values)[rows]
                out[own.columns] = of_day.reshape(-1)
        return np.asarray(out[source.master.columns] / source.master.scale)

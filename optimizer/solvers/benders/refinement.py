"""What merged slices have taught, written for the slices that they stand for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.solvers.benders.aggregation import MergedSlices
from optimizer.solvers.benders.bound import Decomposition, Split
from optimizer.solvers.benders.cuts import transfer_cuts
from optimizer.solvers.benders.subproblems import Cut


class Refinement:
    """
    From the decomposition of a problem with merged slices to that of the problem itself.

    Parameters
    ----------
    merged
        Of the problem with merged slices.
    slices
        Which slices were merged.
    problem, split
        Before that.
    """

    def __init__(self, merged: Decomposition, slices: MergedSlices, problem: PlacementProblem, split: Split) -> None:
        self._merged, self._slices, self._split, self._problem = merged, slices, split, problem
        self._block_of = slices.block_of(problem)

    def cuts(self, cuts: Sequence[Cut]) -> list[Cut]:
        """Write cuts of merged slices for every slice that they stand for, where routing is the same there."""
        return transfer_cuts(cuts, self._merged.split.parts, self._split.parts, self._block_of)

    def held(self) -> list[Cut]:
        """Cuts that hold the relaxation with merged slices, for every slice."""
        own = self._merged.program.cuts
        return self.cuts([cut for cut in own if not self._merged.covers.is_one(cut)])

    def point(self) -> FloatArray:
        """
        Write where the relaxation with merged slices ended as a point with all slices.

        A class is processed in a slice as much more than in the merged one as it is asked for more there.
        """
        source, target, slice_of = self._merged, self._split, self._slices.slice_of
        values, out = source.columns_at(source.relaxed_point), np.zeros(len(target.compiled.cost))
        for name, block in target.compiled.columns.items():
            own = source.compiled.columns[name]
            if block.shape == own.shape:
                out[block.columns] = values[own.columns]
            elif block.shape[0] == len(slice_of):
                out[block.columns] = own.values(values)[slice_of].reshape(-1)
        work, asked = target.compiled.columns["Work"], self._problem.class_demand_mtok_per_h
        merged = source.problem.class_demand_mtok_per_h[slice_of]
        more = np.divide(asked, merged, out=np.ones(asked.shape), where=merged > 0)
        out[work.columns] *= more[:, self._problem.processes["class_index"]].reshape(-1)
        point = out[target.master.columns] / target.master.scale
        return np.asarray(np.clip(point, target.master.lower, target.master.upper))

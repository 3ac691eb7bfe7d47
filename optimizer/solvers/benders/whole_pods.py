"""
Rounding the pods that are bought to whole ones, in bound and search.

A plan buys whole pods, the relaxation parts of them, and one pod can be more than the gap that is asked for. In all the
relaxation buys P. Every plan buys either no more than floor(P) or no less than ceil(P). The first is one more
relaxation, and mostly proves that such plans cost more than the best one known: capacity is what pods are bought for.
Then only the second is left, whose bound is higher.
"""

from __future__ import annotations

import numpy as np

from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.master import InfeasibleMasterError
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import Control
from optimizer.solvers.highs import UnsolvedError

# So close to a whole number of pods the relaxation may as well buy that, pods.
NEARLY_WHOLE = 0.02


class WholePods:
    """
    Branches of a relaxation on how many pods are bought in all.

    Attributes
    ----------
    closed_units
        Least bound of the branches that are closed: plans there cost no less; inf without any.
    """

    def __init__(self, of: Decomposition) -> None:
        self._of, self._columns = of, of.positions("NewPods")
        self._scale = of.master.scale[self._columns]
        self._tried: set[int] = set()
        self.closed_units = np.inf

    @property
    def relaxed_count(self) -> float:
        """How many pods the relaxation buys in all."""
        return self.count_at(self._of.relaxed_point)

    def count_at(self, point: np.ndarray) -> float:
        """How many pods a point of the master buys in all."""
        return float(point[self._columns] @ self._scale)

    @property
    def fewest(self) -> int:
        """Whole pods that the relaxation could do with, or nearly."""
        return int(np.ceil(self.relaxed_count - NEARLY_WHOLE))

    def at_most(self, count: int) -> Cut:
        """Forbid to buy more than so many, as a cut."""
        return Cut(0, -float(count), self._columns, self._scale, is_of_balances=True)

    def at_least(self, count: int) -> Cut:
        """Ask for so many, as a cut."""
        return Cut(0, float(count), self._columns, -self._scale, is_of_balances=True)

    def close_below(self, enough_units: float, control: Control) -> bool:
        """
        Prove, with one relaxation, that plans with fewer pods than the relaxation rounded up are not worth it.

        Parameters
        ----------
        enough_units
            What they must cost at least.

        Returns
        -------
        bool
            Whether that is proved; the relaxation then buys no fewer from now on. A relaxation that the time limit
            ends, or that is not solved, proves what its duals do, or nothing.
        """
        count, least = self.relaxed_count, int(np.floor(self.relaxed_count + NEARLY_WHOLE))
        if count - least < NEARLY_WHOLE or least in self._tried:
            return False
        self._tried.add(least)
        program = self._of.program
        program.add([self.at_most(least)])
        try:
            bound = program.solve_centrally(time_limit_s=control.seconds_left)[0]
        except InfeasibleMasterError:
            bound = np.inf
        except UnsolvedError:  # nothing is proved, and nothing lost
            bound = -np.inf
        finally:
            program.take_out_last()
        if bound < enough_units:
            return False
        self.closed_units = min(self.closed_units, bound)
        self._of.keep([self.at_least(least + 1)])
        return True

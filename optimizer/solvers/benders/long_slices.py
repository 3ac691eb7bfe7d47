"""
A first look at a problem with few, long slices.

The master's linear relaxation takes most of the time of a solve, and grows with the number of slices. But routing is
the same function at every hour (`pool`), and what is worth opening hardly depends on how finely a day is cut: with six
slices for 24 hours the relaxation is solved in a tenth of the time, its cuts hold for every hour, and those that hold
it are nearly all that hold the one of all hours. Its bound proves nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.aggregation import MergedSlices, merge_hours
from optimizer.solvers.benders.bound import MISSED_SHARE, SMALL_MASTER_COLUMNS, Decomposition
from optimizer.solvers.benders.master import InfeasibleMasterError
from optimizer.solvers.benders.refinement import Refinement
from optimizer.solvers.control import Control, Learned
from optimizer.solvers.highs import UnsolvedError
from optimizer.solvers.process import run_mip

# Columns of work, one for each slice and process, from which on a first look is worth its time: with fewer, the master
# is solved by a simplex method in a fraction of a second.
LEAST_WORK_COLUMNS = 2 * SMALL_MASTER_COLUMNS

MOST_ROUNDS = 40

# It ends when a few rounds raise its bound by less than this share.
STALLED_SHARE = 2e-4

# Of the integer program that chooses deployments: what it may take, and the gap at which it ends.
CHOOSING_SECONDS, CHOOSING_SHARE, CHOOSING_GAP = 30.0, 0.2, 0.02
CHOOSING_ROUNDS = 3


class LongSlices:
    """The relaxation of a problem with few, long slices."""

    def __init__(self, problem: PlacementProblem, slices: MergedSlices, control: Control, *, seed: int) -> None:
        self._problem, self._slices, self._control, self._seed = problem, slices, control, seed
        self.of = Decomposition(slices.problem, seed=seed, threads=1, control=control)
        self.is_rising = True

    @classmethod
    def of_large(cls, problem: PlacementProblem, control: Control, *, seed: int) -> LongSlices | None:
        """Look at a problem with many slices of a large master; None for others."""
        if len(problem.slices) * len(problem.processes) <= LEAST_WORK_COLUMNS:
            return None
        slices = merge_hours(problem)
        return cls(problem, slices, control, seed=seed) if slices.is_smaller else None

    def begin_like(self, learned: Learned) -> None:
        """Begin with the cuts of a similar problem, of all slices."""
        self.of.pool.add_shared(learned.cuts)
        self.of.is_coarse = False

    def raise_bound(self, rounds: int) -> None:
        """Solve the relaxation so many times, or until it hardly rises."""
        for _ in range(rounds):
            if not self.is_rising or self._control.must_stop:
                return
            try:
                self.is_rising = self.of.raise_once(self._control) and self.of.rounds < MOST_ROUNDS
            except (InfeasibleMasterError, UnsolvedError):
                self.is_rising = False
            self.is_rising &= not self.of.is_stalled(STALLED_SHARE)

    def choose(self) -> list[frozenset[int]]:
        """
        Choose deployments by integer programs: sets that keep limits as far as long slices can tell, the best first.

        A choice that an outage or a balance forbids is cut off, and the program solved again.
        """
        chosen: list[frozenset[int]] = []
        deploy, size = self.of.positions("Deploy"), len(self.of.master.cost)
        part = replace(self._control, report=None, lines=[])
        part.time_limit_s = part.seconds + min(CHOOSING_SECONDS, CHOOSING_SHARE * part.seconds_left)
        options = {"output_flag": False, "threads": 1, "random_seed": self._seed, "mip_rel_gap": CHOOSING_GAP}
        for _ in range(CHOOSING_ROUNDS):
            program = self.of.program.as_compiled()
            outcome = run_mip(program, cny_per_cost_unit=1.0, options=options, control=part)
            if not outcome.incumbents:
                break
            for point in outcome.incumbents:
                chosen.insert(0, frozenset(np.flatnonzero(point[deploy] > 0.5).tolist()))  # noqa: PLR2004 - halves
            point = outcome.incumbents[-1]
            _, cuts, missed = self.of.cost_at(point[:size])
            self.of.learn(cuts, point[:size], point[size:])
            if missed <= MISSED_SHARE or part.must_stop:
                break
        return list(dict.fromkeys(chosen))

    def hand_over(self, whole: Decomposition) -> None:
        """Let the problem itself begin with what was learned."""
        if self.of.rounds and not self.of.is_rough:
            refined = Refinement(self.of, self._slices, self._problem, whole.split)
            whole.pool.add(refined.cuts(self.of.pool.cuts))
            whole.begin_with(refined.held(), refined.point())

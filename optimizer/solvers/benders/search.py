"""
Search for the deployments: where it starts, local search on the master with its cuts, whole pods.

With the integers held, the master's linear program is convex in them, so the reduced cost of a held decision bounds
what changing it can save: most changes need not be tried. The best choice by the cuts is then solved in the blocks,
whose new cuts correct the next step. A coarse problem proposes where to start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.solvers.benders.aggregation import coarsen
from optimizer.solvers.benders.bound import LEAST_ROUNDS, MISSED_SHARE, Decomposition
from optimizer.solvers.benders.cuts import WarmCuts, WarmStart, transfer_all
from optimizer.solvers.benders.master import InfeasibleMasterError
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import Control, Progress, relative_gap
from optimizer.solvers.highs import UnsolvedError
from optimizer.solvers.process import run_mip

# A change is tried if it could save at least this share of the cost.
LEAST_SAVING_SHARE = 2e-5

# Blocks and master agree about a choice when their costs differ by less than this share.
AGREED_SHARE = 3e-4
EVALUATION_ROUNDS = 25
OUTAGE_ROUNDS = 12
START_ROUNDS = 3
TICK_S = 2.0

# Share of the time limit kept for solving the blocks at the last choice.
SETTLE_SHARE = 0.12

# The master's cost of a choice is too low by about this share before its blocks are solved.
DOUBT_SHARE = 4e-3

# Deployments that could save nearly as much as the one that could save most are dropped together first.
NEAR_BEST_SHARE = 0.8
TINY_SHARE = 1e-6

# How far open a data center is in the relaxation to be among those to begin with, one after the other.
OPEN_SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)

# The master's answer: its cost, its point, the costs of the parts, reduced costs.
MasterAnswer = tuple[float, FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True)
class Choice:
    """A set of deployments with its cost by the master and by the blocks, cost units."""

    deployed: frozenset[int]
    master_units: float
    cost_units: float
    point: FloatArray
    reduced_costs: FloatArray


class DeploymentSearch:
    """Searches the deployments of a decomposition for a cheaper choice."""

    def __init__(self, decomposition: Decomposition, control: Control) -> None:
        self._of = decomposition
        self._control = control
        self._deploy = decomposition.positions("Deploy")
        self._open = decomposition.positions("Open")
        self._center = decomposition.compiled.columns["Deploy"].members[:, 1]
        master = decomposition.master
        self._integers = np.flatnonzero(master.is_integer)
        self._said = control.seconds
        self.best: Choice | None = None
        self.current: Choice | None = None  # where the search stands: on the cuts alone it may be better than the best

    def start(self) -> Choice | None:
        """
        Begin with the deployments that the relaxation uses; with more of them, should these not be enough.

        Where an open data center must be kept busy, those that are open in part may be too many: then it is also tried
        with those that are open most, and the best is taken.
        """
        self.release()  # with decisions held, the corner would be none of the relaxation and its cost no bound
        self._of.find_corner()
        share = self._of.relaxed_point[self._deploy]
        opened = self._of.relaxed_point[self._open][self._center]
        tries = [share > least for least in (0.05, TINY_SHARE, -1.0)]
        must_be_busy = self._of.problem.policy.min_utilization_share > 0
        if must_be_busy:
            tries += [(share > TINY_SHARE) & (opened > least) for least in OPEN_SHARES]
        found: list[Choice] = []
        for chosen in tries:
            choice = self.evaluate(frozenset(np.flatnonzero(chosen).tolist()), rounds=START_ROUNDS)
            if choice is not None:
                found.append(choice)
            if self._control.must_stop or (found and not must_be_busy):
                break
        return min(found, key=lambda choice: (choice.cost_units, choice.master_units), default=None)

    def improve(self, choice: Choice, *, target_units: float) -> bool:
        """
        Change deployments one by one until nothing helps, the target is met, or the control says stop.

        Returns
        -------
        bool
            Whether to search no further from here: nothing helps, or the time that is left is for what is found.
        """
        while not self._control.must_stop and (self.best is None or self.best.cost_units > target_units):
            found = self._descend(choice, target_units * (1 - DOUBT_SHARE))
            if found.deployed == choice.deployed:
                return True
            is_last = self._must_settle
            solved = self.evaluate(found.deployed)
            if solved is None or is_last:
                return True
            choice = solved
        return False

    def evaluate(self, deployed: frozenset[int], *, rounds: int = EVALUATION_ROUNDS) -> Choice | None:
        """Solve master and blocks in turn for held deployments; None if the master forbids them."""
        cost, best_point = np.inf, None
        master_cost = point = reduced = None
        for _ in range(rounds):
            solved = self._solve_master(deployed)
            if solved is None:
                return None
            master_cost, point, part_costs, reduced = solved
            here, cuts, missed = self._of.cost_at(point)
            added = self._of.add_violated(cuts, point, part_costs)
            if missed < MISSED_SHARE and here < cost:
                cost, best_point = here, point
            agreed = missed < MISSED_SHARE and here - master_cost <= AGREED_SHARE * abs(here)
            if not added or agreed or self._control.must_stop:
                break
        if master_cost is None or point is None or reduced is None:
            return None
        choice = Choice(deployed, master_cost, cost, point if best_point is None else best_point, reduced)
        if np.isfinite(cost) and (self.best is None or cost < self.best.cost_units):
            self.best = choice
            unit = self._of.cny_per_unit
            self._control.say(cost * unit, self._of.proved_units * unit, "search")
        return choice

    def release(self) -> None:
        """Release the decisions that are held."""
        master = self._of.master
        self._of.program.fix(self._integers, master.lower[self._integers], master.upper[self._integers])

    def _solve_master(self, deployed: frozenset[int], *, is_trial: bool = False) -> MasterAnswer | None:
        held = np.zeros(len(self._deploy))
        chosen = np.fromiter(deployed, dtype=int)
        held[chosen] = 1.0
        opened = np.zeros(len(self._open))
        opened[self._center[chosen]] = 1.0
        self._tick()
        self._of.program.fix(self._deploy, held, held)
        self._of.program.fix(self._open, opened, opened)
        try:
            return self._of.program.solve(is_trial=is_trial)
        except (InfeasibleMasterError, UnsolvedError):
            return None

    def _with_outages(self, deployed: frozenset[int], answer: MasterAnswer) -> MasterAnswer | None:
        """Add cuts of the outages that a choice does not survive until it does; None if it never can."""
        current: MasterAnswer | None = answer
        for _ in range(OUTAGE_ROUNDS):
            if current is None or not self._of.learn_outages(current[1]):
                break
            current = self._solve_master(deployed)
        return current

    @property
    def _must_settle(self) -> bool:
        """Whether it is time to solve the blocks at the present choice, rather than to look for a better one."""
        control = self._control
        reserve_s = SETTLE_SHARE * control.time_limit_s if np.isfinite(control.time_limit_s) else 0.0
        return control.must_stop or control.seconds_left < reserve_s

    def _tick(self) -> None:
        """Report progress now and then."""
        if self._control.seconds - self._said >= TICK_S:
            self._said = self._control.seconds
            cost = np.inf if self.best is None else self.best.cost_units * self._of.cny_per_unit
            self._control.say(cost, self._of.proved_units * self._of.cny_per_unit, "search")

    def _descend(self, choice: Choice, enough_units: float) -> Choice:
        """Follow the master's cost: make the change that could save most, keep it if it saves, go on."""
        refused: set[int] = set()
        again = self._solve_master(choice.deployed)  # the blocks' last cuts have changed the master's cost
        if again is None:
            return choice
        current = self._drop_together(Choice(choice.deployed, again[0], np.inf, again[1], again[3]))
        while not self._must_settle and current.master_units > enough_units:
            saving = self._possible_saving(current)
            saving[list(refused)] = 0.0
            change = int(np.argmax(saving))
            if saving[change] < LEAST_SAVING_SHARE * abs(current.master_units):
                break
            refused.add(change)
            cheaper = self._try(current.deployed ^ {change}, current.master_units * (1 - 1e-7))
            current = current if cheaper is None else cheaper
        return current

    def _try(self, deployed: frozenset[int], limit_units: float) -> Choice | None:
        """Choose these deployments if the master's cost, all outages survived, is below a limit."""
        answer = self._solve_master(deployed, is_trial=True) if deployed else None
        if answer is not None and answer[0] < limit_units:
            answer = self._with_outages(deployed, answer)
        if answer is None or answer[0] >= limit_units:
            return None
        self.current = Choice(deployed, answer[0], np.inf, answer[1], answer[3])
        return self.current

    def _drop_together(self, choice: Choice) -> Choice:
        """Drop many deployments at once while that saves: those that the master hardly uses."""
        current = choice
        while not self._must_settle:
            saving = self._possible_saving(current)
            saving[[n for n in range(len(saving)) if n not in current.deployed]] = 0.0
            most = saving.max(initial=0.0)
            if most < LEAST_SAVING_SHARE * abs(current.master_units):
                break
            deployed = current.deployed - set(np.flatnonzero(saving >= NEAR_BEST_SHARE * most).tolist())
            cheaper = self._try(deployed, current.master_units)
            if cheaper is None:
                break
            current = cheaper
        return current

    def _possible_saving(self, choice: Choice) -> FloatArray:
        """
        Bound, deployment by deployment, what adding or dropping it alone could save, cost units.

        Dropping the last deployment of a data center closes it, adding the first one opens it.
        """
        is_in = np.zeros(len(self._deploy), np.bool_)
        is_in[list(choice.deployed)] = True
        own = choice.reduced_costs[self._deploy]
        opening = choice.reduced_costs[self._open][self._center]
        others = np.bincount(self._center[is_in], minlength=len(self._open))[self._center]
        drop = own + np.where(others == 1, opening, 0.0)
        add = -own - np.where(others == 0, opening, 0.0)
        saving: FloatArray = np.where(is_in, drop, add)
        return saving


# A bound that starts from another case's cuts is raised once more to see whether it still rises.
WARM_ROUNDS = 1


class _CoarseSearch:
    """A search on a coarse problem."""

    def __init__(
        self, problem: PlacementProblem, control: Control, *, seed: int, threads: int, warm: WarmCuts | None = None
    ) -> None:
        like = None if warm is None else warm.split
        self._of = Decomposition(problem, seed=seed, threads=threads, like=like, control=control)
        if warm is not None:
            self._of.program.add(transfer_all(warm.cuts, warm.split.blocks, self._of.split_blocks))
        self._control = replace(control, lines=[], report=lambda line: _report_coarse(control, line))
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
        """Share of its cost by which the last proposal may be above the optimum of this problem."""
        best = self._search.best
        return np.inf if best is None else relative_gap(best.cost_units, self._of.bound_units)

    def propose(self, gap: float, start: frozenset[int] | None) -> frozenset[int] | None:
        """Look for deployments within a gap of this problem's own bound."""
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
        least = WARM_ROUNDS if self._of.is_informed else LEAST_ROUNDS
        self._of.raise_bound(self._control, np.inf, least_rounds=least)
        # Under other prices the deployments of another case may be farther from a good choice than the relaxation's.
        tries = [None if start is None else self._search.evaluate(start), self._search.start()]
        self._starts = sorted((choice for choice in tries if choice is not None), key=lambda choice: choice.cost_units)


def _report_coarse(control: Control, line: Progress) -> None:
    control.say(np.inf, -np.inf, f"coarse {line.phase}")


# Where the master is small, looking at it is cheap.
SMALL_MASTER_COLUMNS = 1500

# A proposal has to be a little closer to the coarse problem's bound than the gap requires; the next one closer still.
FIRST_SHARE_OF_GAP = 0.95
NEXT_SHARE_OF_GAP = 0.85


class FirstChoice:
    """Finds the deployments to begin with."""

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
        """Choose; None where nothing serves all work."""
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
        coarse = _CoarseSearch(problem, self._control, seed=self._seed, threads=self._threads, warm=self._warm.coarse)
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


MOST_SECONDS = 20.0
REL_GAP = 1e-3
DEPLOYMENT = ("Open", "Deploy")


def make_whole(
    decomposition: Decomposition, point: FloatArray, held: Sequence[str], *, seed: int, control: Control
) -> FloatArray | None:
    """
    Choose the whole decisions of a master point by a small integer program, those of some variables held.

    Rounding would not do where one more pod can break a limit, or where an indivisible workload is shared out. Returns
    None if there is none or the time did not suffice.
    """
    model = decomposition.program.as_compiled()
    lower, upper = model.lower.copy(), model.upper.copy()
    for name in held:
        columns = decomposition.positions(name)
        lower[columns] = upper[columns] = np.floor(point[columns] + 0.5)
    part_model = replace(model, lower=lower, upper=upper)
    limit_s = min(control.time_limit_s, control.seconds + MOST_SECONDS)
    part = replace(control, report=None, lines=[], time_limit_s=limit_s)
    options = {"output_flag": False, "threads": 1, "random_seed": seed, "mip_rel_gap": REL_GAP}
    outcome = run_mip(part_model, cny_per_cost_unit=1.0, options=options, control=part)
    return outcome.incumbents[-1][: len(point)] if outcome.incumbents else None

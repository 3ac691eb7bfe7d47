"""
Search for the deployments of a plan: local search on exact costs, restarted from small random changes.

What a set of deployments costs is one linear program: with what is open and deployed held, most columns are zero. The
search begins with the deployments that the relaxation uses most, changes one at a time or gives up a data center while
that saves, then makes a few random changes and goes on from there (iterated local search). Its order is fixed by the
seed and by the number of evaluations asked for, never by the clock, so that a solve can be repeated.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeGuard

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from optimizer.model.compile import CompiledModel, compile_model
from optimizer.problem.problem import FloatArray, IntArray
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import Control
from optimizer.solvers.fixed_integers import FixedIntegerError, FixedProgram

# Shares of a deployment from which on it is among those to begin with: the first time from many deployments to few,
# until fewer cost more (what too few lack may be pods to buy), later those that are often best.
START_SHARES = (0.02, 0.1, 0.2, 0.35, 0.5)
LATER_SHARES = (0.2, 0.35)

# Where the relaxation decides by all but this share as the choice does, nothing is changed.
UNDECIDED_SHARE = 0.02

JITTER = 0.2  # of the order in which changes are tried, in shares
RANDOM_CHANGES = 3
CLOSINGS_FIRST = 4  # data centers, those that the relaxation uses least
SWAP_KICKS = 0.5  # share of the random changes that put one deployment in another's stead
CLOSING_KICKS = 0.25  # share of them that give up a data center
OPENING_SHARE = 0.5  # share of these that use another instead
MOST_TRIES = 30  # after random changes, before the next ones
# After so many sets from one without a better one, from another: the best with a few deployments in others' stead.
MOST_FROM_ONE, SWAPS_AWAY = 150, 4
LEAST_SAVING_SHARE = 1e-7
PRICE_OF_MORE = 5.0  # of pods above a number that is wanted, in prices of a pod
# A search ends after so many evaluations that gave no better plan, and where so many sets have none at all.
PATIENCE, MOST_WITHOUT_PLAN = 200, 40
OUTAGE_ROUNDS = 12


@dataclass(frozen=True)
class Choice:
    """A set of deployments, its cost in cost units and its point of the master."""

    deployed: frozenset[int]
    cost_units: float
    point: FloatArray
    is_whole: bool = True  # whether it is the cost of whole pods; else more are bought than wanted, at a high price


class PodsWanted(NamedTuple):
    """A number of pods to be bought in all; what more would take is priced many times."""

    number: int
    at_least: Cut  # asks for so many


class ExactCosts:
    """
    Costs of sets of deployments: the linear program that is left, with new pods rounded up.

    Indivisible workloads are shared out as it suits: with them a cost is a lower estimate.
    """

    def __init__(
        self, decomposition: Decomposition, control: Control, *, seed: int, pods: PodsWanted | None = None
    ) -> None:
        self.decomposition = decomposition
        self._control = control
        problem, self._seed = decomposition.problem, seed
        # What outages need is asked of their blocks, and comes as rows on what is open, deployed and bought.
        has_outages = not problem.outages.empty
        self._outages = decomposition.blocks.outages_apart() if has_outages else None
        self.cuts_of_outages: list[Cut] = []  # found since they were last taken away
        plain = replace(problem, outage_demand_mtok_per_h=np.zeros((0, 0))) if has_outages else problem
        self._model = self._held(compile_model(plain))
        self._columns_of_master = self._positions()
        self._pods = pods
        if pods is not None:
            self._model = self._with_rows([pods.at_least])
            cost = self._model.cost.copy()
            cost[self._model.columns["NewPods"].columns] *= PRICE_OF_MORE
            self._model = replace(self._model, cost=cost)
        self._like: FixedProgram | None = None
        self._known: dict[frozenset[int], Choice | None] = {}
        members = self._model.columns["Deploy"].members.astype(np.int64)
        self.class_of: IntArray = members[:, 0]  # of each deployment
        self.center_of: IntArray = members[:, 1]

    def of(self, deployed: frozenset[int]) -> Choice | None:
        """Cost of a set; None if no plan has it."""
        if deployed not in self._known:
            self._known[deployed] = self._evaluate(deployed)
        return self._known[deployed]

    def is_known(self, deployed: frozenset[int]) -> bool:
        """Whether the cost of a set is known already."""
        return deployed in self._known

    def __len__(self) -> int:
        """Count the sets whose cost is known."""
        return len(self._known)

    def _held(self, model: CompiledModel) -> CompiledModel:
        is_held = np.zeros(len(model.cost), np.bool_)
        for name in ("Open", "Deploy"):
            is_held[model.columns[name].columns] = True
        return replace(model, is_integer=is_held)

    def _positions(self) -> np.ndarray:
        """Column of the plain model for each master column, -1 for those of outages."""
        whole, plain = self.decomposition.compiled, self._model
        at = np.full(len(whole.cost), -1)
        for name, block in plain.columns.items():
            theirs = whole.columns[name].columns
            count = min(theirs.stop - theirs.start, block.columns.stop - block.columns.start)
            at[theirs.start : theirs.start + count] = np.arange(block.columns.start, block.columns.start + count)
        return at[self.decomposition.master.columns]

    def _evaluate(self, deployed: frozenset[int]) -> Choice | None:
        chosen = np.fromiter(deployed, dtype=np.int64, count=len(deployed))
        integers = np.zeros(len(self._model.cost))
        integers[self._model.columns["Deploy"].columns.start + chosen] = 1.0
        integers[self._model.columns["Open"].columns.start + self.center_of[chosen]] = 1.0
        for _ in range(OUTAGE_ROUNDS):
            choice = self._solve(deployed, integers)
            if choice is None or self._outages is None:
                return choice
            cuts = self._outages.solve(choice.point)
            if not cuts:
                return choice
            self.cuts_of_outages += cuts
            self._model, self._like = self._with_rows(cuts), None
        return None

    def _solve(self, deployed: frozenset[int], integers: FloatArray) -> Choice | None:
        model = self._model
        try:
            limit_s = self._control.lp_seconds
            program = FixedProgram(model, integers, seed=self._seed, like=self._like, time_limit_s=limit_s)
            solved, cost_cny = program.solve_cost()
        except FixedIntegerError:
            return None
        self._like = program
        pods = model.columns["NewPods"].columns
        columns, is_whole, price, bought = solved.copy(), True, model.cost[pods], solved[pods].sum()
        columns[pods] = np.ceil(columns[pods] - 1e-6)
        if self._pods is not None:
            is_whole = bool(bought <= self._pods.number + 1e-6)
            # All but what is more than wanted costs what it costs.
            share = 1.0 if is_whole else self._pods.number / bought
            cost_cny -= float(price @ solved[pods]) * (1 - 1 / PRICE_OF_MORE) * share
            price = price / PRICE_OF_MORE
        if is_whole:
            cost_cny += float(price @ (columns[pods] - solved[pods]))
        master = self.decomposition.master
        at = self._columns_of_master
        point = np.where(at >= 0, columns[at], 0.0) / master.scale
        return Choice(deployed, cost_cny / self.decomposition.cny_per_unit, point, is_whole)

    def _with_rows(self, cuts: Sequence[Cut]) -> CompiledModel:
        """Add cuts over the decisions as rows of the program."""
        model, scale, at = self._model, self.decomposition.master.scale, self._columns_of_master
        rows = sp.csr_array(
            (
                np.concatenate([cut.gradient / scale[cut.columns] for cut in cuts]),
                np.concatenate([at[cut.columns] for cut in cuts]),
                np.cumsum([0, *(len(cut.columns) for cut in cuts)]),
            ),
            shape=(len(cuts), len(model.cost)),
        )
        matrix = sp.csr_array(sp.vstack([model.matrix, rows]))
        return replace(
            model,
            starts=matrix.indptr.astype(np.int32),
            indices=matrix.indices.astype(np.int32),
            values=matrix.data,
            row_lower=np.append(model.row_lower, np.full(len(cuts), -np.inf)),
            row_upper=np.append(model.row_upper, [-cut.constant for cut in cuts]),
        )


class PlanSearch:
    """Iterated local search for the deployments; with pods wanted, for plans that buy so many."""

    def __init__(
        self, decomposition: Decomposition, control: Control, *, seed: int, pods: PodsWanted | None = None
    ) -> None:
        self._costs = ExactCosts(decomposition, control, seed=seed, pods=pods)
        self._control = control
        self._random = np.random.default_rng(seed)
        self._count = len(decomposition.positions("Deploy"))
        self._share = np.zeros(self._count)
        self._is_new_share = False
        self._is_told = self.is_guided = False  # of what to begin with, and of a relaxation
        self._has_begun = False  # with what a relaxation uses most
        self.best: Choice | None = None
        self.improved: list[Choice] = []  # since they were last taken away
        self.margin = -1.0  # share by which a set may cost more than the best and still be near it; -1 = none is
        self.near: list[Choice] = []  # sets near the best, or better, since they were last taken away
        self.idle = 0  # evaluations since the last improvement
        self._moves = self._search(None)
        self._next: frozenset[int] | None = None

    def follow_as(self, other: PlanSearch) -> None:
        """Follow the relaxation that another search follows."""
        if other.is_guided:
            self.follow(other._share)

    def take_cuts(self) -> list[Cut]:
        """Take away the cuts of outages that have been found."""
        cuts, self._costs.cuts_of_outages = self._costs.cuts_of_outages, []
        return cuts

    def start_from(self, deployed: frozenset[int]) -> None:
        """Begin, or begin again, with the deployments of a plan that is known."""
        self._moves, self._next, self._is_told = self._search(deployed), None, True

    def follow(self, share: FloatArray) -> None:
        """Tell how far the relaxation deploys each, (N,)."""
        self._is_new_share |= not self.is_guided or not np.array_equal(share, self._share)
        self._share, self._is_told, self.is_guided = share.copy(), True, True

    def adopt(self, choice: Choice | None) -> None:
        """Go on from a choice that was found elsewhere, if it is better than the best."""
        if choice is not None and (self.best is None or choice.cost_units < self.best.cost_units):
            self.best, self.idle, self._is_told = choice, 0, True

    def go_on_from(self, deployed: frozenset[int]) -> None:
        """Take a set for the best, whatever it costs."""
        choice = self._costs.of(deployed)
        if choice is not None:
            self.best, self._is_told = choice, True

    def is_known(self, deployed: frozenset[int]) -> bool:
        """Whether the cost of a set is known already."""
        return self._costs.is_known(deployed)

    @property
    def has_no_plan(self) -> bool:
        """Whether no plan was found in many sets."""
        return self.best is None and len(self._costs) >= MOST_WITHOUT_PLAN

    @property
    def is_fruitless(self) -> bool:
        """Whether no plan was found in many sets, or nothing better for long."""
        return self.has_no_plan or self.idle >= PATIENCE

    def run(self, evaluations: int) -> bool:
        """Go on for some evaluations, or until the control says stop; say whether any set was new."""
        if not self._is_told:
            return False
        before = len(self._costs)
        if self._next is None:
            self._next = next(self._moves)
        for _ in range(evaluations):
            if self._control.must_stop:
                break
            self._next = self._moves.send(self.consider(self._next))
        return len(self._costs) > before

    def consider(self, deployed: frozenset[int]) -> Choice | None:
        """Evaluate a set of deployments, and keep it if it is the best; None if no plan has it."""
        choice = self._costs.of(deployed) if deployed else None
        self.idle += 1
        if choice is not None and (self.best is None or choice.cost_units < self.best.cost_units * (1 + self.margin)):
            self.near.append(choice)
        if choice is not None and (self.best is None or choice.cost_units < self.best.cost_units):
            self.best, self.idle = choice, 0
            self.improved.append(choice)
        return choice

    def _search(self, start: frozenset[int] | None) -> Generator[frozenset[int], Choice | None, None]:
        if start is not None:
            yield start
        leader: Choice | None = None  # the best that was gone on from
        base, since = self.best, 0  # what random changes are made to, and how many sets were known when it was found
        while True:
            if self._is_new_share or self.best is None:
                self._is_new_share = False
                yield from self._begin()
                leader = None
            if self.best is None:
                continue
            if base is None or self.best is not leader:
                yield from self._descend(self.best)
                base, leader, since = self.best, self.best, len(self._costs)
                continue
            if len(self._costs) - since > MOST_FROM_ONE:
                away = yield self._away_from(self.best.deployed)
                end = None if away is None else (yield from self._descend(away))
                base, since = self.best if end is None else end, len(self._costs)
            else:
                kicked = self._kicked(base.deployed)
                begin = yield kicked
                end = None if begin is None else (yield from self._mend(begin, base.deployed ^ kicked))
                if _saves(end, base):
                    base, since = end, len(self._costs)
            if self.best is end:
                leader = end

    def _begin(self) -> Generator[frozenset[int], Choice | None, None]:
        """Try the deployments that the relaxation uses most; all of them should these not be enough."""
        is_first, least = self.is_guided and not self._has_begun, np.inf
        self._has_begun |= self.is_guided
        for share in START_SHARES if is_first or self.best is None else LATER_SHARES:
            choice = yield frozenset(np.flatnonzero(self._share > share).tolist())
            cost = np.inf if choice is None else choice.cost_units
            if is_first and np.isfinite(least) and cost >= least:
                return
            least = min(least, cost)
        if self.best is None:
            yield frozenset(range(self._count))

    def _undecided(self, deployed: frozenset[int]) -> list[int]:
        """Deployments to change, those first about which a choice and the relaxation differ most."""
        is_in = np.zeros(self._count)
        is_in[list(deployed)] = 1.0
        differs = np.abs(is_in - self._share)
        order = np.argsort(-differs + JITTER * self._random.random(self._count), kind="stable")
        return [int(n) for n in order if UNDECIDED_SHARE < self._share[n] < 1 - UNDECIDED_SHARE or differs[n] > 0.5]  # noqa: PLR2004

    def _closings(self, deployed: frozenset[int]) -> list[frozenset[int]]:
        """List the sets without one of the data centers, those first that the relaxation uses least."""
        center = self._costs.center_of
        use = np.bincount(center, self._share, minlength=int(center.max()) + 1)
        used = sorted({int(center[n]) for n in deployed}, key=lambda d: (use[d], d))
        return [left for d in used if (left := frozenset(n for n in deployed if center[n] != d))]

    def _kicked(self, deployed: frozenset[int]) -> frozenset[int]:
        """
        Make random changes, among those deployments on which the relaxation is divided if there are enough.

        Some put one deployment in another's stead, some give up a data center, and half of these use another instead.
        """
        kind = self._random.random()
        if kind < SWAP_KICKS:
            swapped = self._swapped(deployed)
            if swapped is not None:
                return swapped
        elif kind < SWAP_KICKS + CLOSING_KICKS:
            closings = self._closings(deployed)
            if closings:
                return closings[self._random.integers(len(closings))] | self._opening(deployed)
        among = self._undecided(deployed)
        if len(among) <= 2 * RANDOM_CHANGES:
            among = list(range(self._count))
        changed = self._random.choice(among, size=min(RANDOM_CHANGES, len(among)), replace=False)
        return deployed ^ frozenset(changed.tolist())

    def _swapped(self, deployed: frozenset[int]) -> frozenset[int] | None:
        """Give up a deployment for another of its class, or at its data center, that the relaxation uses as well."""
        given_up = int(self._random.choice(sorted(deployed)))
        instead = self._is_near({given_up}) & (self._share > UNDECIDED_SHARE)
        instead[list(deployed)] = False
        among = np.flatnonzero(instead)
        return deployed - {given_up} | {int(self._random.choice(among))} if len(among) else None

    def _away_from(self, deployed: frozenset[int]) -> frozenset[int]:
        """Put a few deployments in others' stead: another valley may lie there."""
        for _ in range(SWAPS_AWAY):
            deployed = self._swapped(deployed) or deployed
        return deployed

    def _is_near(self, changed: Collection[int]) -> npt.NDArray[np.bool_]:
        """Say which deployments are of the class, or at the data center, of one that was changed, (N,)."""
        near, costs = list(changed), self._costs
        is_of_class = np.isin(costs.class_of, costs.class_of[near])
        return is_of_class | np.isin(costs.center_of, costs.center_of[near])

    def _opening(self, deployed: frozenset[int]) -> frozenset[int]:
        """Take a data center that is not used, but by the relaxation: all that this deploys there to some part."""
        center = self._costs.center_of
        is_in = self._share > UNDECIDED_SHARE
        closed = np.setdiff1d(center[is_in], center[list(deployed)])
        if not len(closed) or self._random.random() >= OPENING_SHARE:
            return frozenset()
        return frozenset(np.flatnonzero(is_in & (center == self._random.choice(closed))).tolist())

    def _descend(self, begin: Choice) -> Generator[frozenset[int], Choice | None, Choice]:
        """
        Change one deployment at a time while that saves, until the relaxation has news.

        Data centers are given up too, a few before single changes and all once these save nothing: what is paid for a
        data center is saved only with the last deployment there.
        """
        current, is_better = (yield from self._give_up(begin, CLOSINGS_FIRST)), True
        while is_better:
            is_better = False
            for change in self._undecided(current.deployed):
                if self._is_new_share:
                    return current
                changed = current.deployed ^ {change}
                if not self._costs.is_known(changed):
                    choice = yield changed
                    if _saves(choice, current):
                        current, is_better = choice, True
            if not is_better:
                before, current = current, (yield from self._give_up(current, None))
                is_better = current is not before
        return current

    def _mend(self, begin: Choice, changed: frozenset[int]) -> Generator[frozenset[int], Choice | None, Choice]:
        """After random changes, change one deployment at a time while that saves; those near what was changed first."""
        current, tries, is_better = begin, 0, True
        while is_better:
            is_better = False
            among = np.array(self._undecided(current.deployed), dtype=np.int64)
            # Undoing the random changes comes after those near them, and then all others.
            rank = np.where(np.isin(among, list(changed)), 1, np.where(self._is_near(changed)[among], 0, 2))
            for change in among[np.argsort(rank, kind="stable")].tolist():
                other = current.deployed ^ {change}
                if self._costs.is_known(other):
                    continue
                if tries >= MOST_TRIES:
                    return current
                choice = yield other
                tries += 1
                if _saves(choice, current):
                    current, is_better, changed = choice, True, changed | {change}
        return current

    def _give_up(self, begin: Choice, most: int | None) -> Generator[frozenset[int], Choice | None, Choice]:
        """Give up data centers, one at a time, while that saves; try so many."""
        current = begin
        for closed in self._closings(begin.deployed)[:most]:
            left = closed & current.deployed  # without those given up just before
            if left and not self._is_new_share and not self._costs.is_known(left):
                choice = yield left
                if _saves(choice, current):
                    current = choice
        return current


def _saves(choice: Choice | None, current: Choice) -> TypeGuard[Choice]:
    return choice is not None and choice.cost_units < current.cost_units * (1 - LEAST_SAVING_SHARE)

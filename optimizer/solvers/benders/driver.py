"""Solve a large problem by decomposition: a bound from cuts, a plan from local search, both improved by the master."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from optimizer.model.compile import compile_model
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.aggregation import (
    MergedProblem,
    MergedSlices,
    merge_days,
    merge_hubs,
)
from optimizer.solvers.benders.all_days import AllDays
from optimizer.solvers.benders.assignment_search import is_all_assigned
from optimizer.solvers.benders.bound import (
    FAST_RISE_SHARE,
    MOST_ROUNDS,
    PLATEAU_ROUNDS,
    STALLED_ROUNDS,
    Decomposition,
    Split,
    cost_unit_cny,
    split_problem,
)
from optimizer.solvers.benders.cuts import WarmStart, deployed_pairs
from optimizer.solvers.benders.incumbent import Incumbent, OverloadedError, Stage
from optimizer.solvers.benders.knapsacks import bound_assignments, places_of
from optimizer.solvers.benders.long_slices import LongSlices
from optimizer.solvers.benders.master import InfeasibleMasterError
from optimizer.solvers.benders.open_tree import OpenTree
from optimizer.solvers.benders.plan_search import Choice, PodsWanted
from optimizer.solvers.benders.scouting import Scouting
from optimizer.solvers.benders.whole_pods import WholePods
from optimizer.solvers.control import (
    DECOMPOSED_TOLERANCE,
    Control,
    Learned,
    Solution,
    Termination,
    relative_gap,
)
from optimizer.solvers.highs import UnsolvedError
from optimizer.solvers.process import POLL_S, MipOutcome, run_mip

# Hubs are merged where that lowers the bound by no more than this share of the gap.
MERGE_SHARE_OF_GAP = 0.1


def _aggregate(problem: PlacementProblem, *, mip_rel_gap: float) -> tuple[MergedProblem, MergedSlices]:
    """Aggregate the hubs, then the days, of a problem."""
    merged = merge_hubs(problem, allowance_cny=MERGE_SHARE_OF_GAP * mip_rel_gap * 1e3 * cost_unit_cny(problem))
    return merged, merge_days(merged.problem)


def split_as_solved(problem: PlacementProblem, kept_links: npt.NDArray[np.bool_], *, mip_rel_gap: float) -> Split:
    """
    Decompose a problem as a solve does.

    Parameters
    ----------
    kept_links
        (L,) link limits that are kept.
    """
    stage = replace(problem, links=problem.links.assign(is_limiting=kept_links))
    return split_problem(_aggregate(stage, mip_rel_gap=mip_rel_gap)[1].problem)


MISSED_SHARE = 1e-6
LEAST_INNER_GAP = 1e-9

# Sets of deployments that are evaluated beside one round of the bound, and beside one integer program.
EVALUATIONS_A_ROUND = 20
EVALUATIONS_A_BRANCH = 120
EVALUATIONS_WITH_A_GOOD_PLAN = 4
EVALUATIONS_OF_A_FLAT_ROUND = 60  # with one core for both, once the bound hardly rises any more
EVALUATIONS_A_LONG_ROUND = 3  # each as many with long slices as take the time of one with all
EVALUATIONS_WITH_ALL = 1  # beside such a round, where sets are compared with all slices
# Pricing a plan takes the time of several evaluations: in the first look only one better by more than this is priced.
PRICED_SHARE = 0.005
# Rounds with long slices while the problem with all of them is set up.
FIRST_LONG_ROUNDS = 4
# With more than this share between its bound and what the search has found, an integer program chooses deployments.
POOR_CHOICE_GAP = 0.03
# Rounds with all slices while deployments are chosen by an integer program of long ones.
ROUNDS_BESIDE_CHOOSING = 2
# With more than this share between plan and bound so many at once, before the next round: for a run that is stopped.
POOR_GAP, FIRST_EVALUATIONS = 0.02, 3

# Where plan and bound are known to be within so many times the gap asked, so many relaxations come first.
KNOWN_GAPS, KNOWN_ROUNDS = 30.0, 3
NEAR_GAPS = 2.0  # with more than so many times left after them, or after one of them, a first look follows

# Of the choices that were each the best found, so many of the last teach the bound what they cost.
CHOICES_TO_LEARN_FROM = 3

# The bound is raised no further once two rounds raise it by less than this share of the gap.
STALLED_SHARE_OF_GAP = 0.02
# Once a round raises the bound by less than this share of it, branching on what is open raises it by more.
SLOW_RISE_SHARE = 2e-4
# With more than this share between plan and bound, a few flat rounds are a plateau, not the end.
FAR_GAP = 0.2

# Share of the time that is left for the knapsacks of indivisible workloads. Of small problems they need less; of large
# ones the relaxation takes longer and bounds no better.
ASSIGN_SHARE = 0.7

# After so many rounds all days are bounded for the first time: a solve that a limit ends later has a bound then.
FIRST_ROUNDS = 9
MOST_ROUNDS_OF_ALL_DAYS = 6

T = TypeVar("T")


def solve_decomposed(  # noqa: PLR0913 - options, keyword-only
    problem: PlacementProblem,
    *,
    mip_rel_gap: float,
    seed: int,
    threads: int,
    control: Control,
    warm: WarmStart | None = None,
    known: Solution | None = None,
) -> Solution:
    """
    Solve a problem slice by slice.

    Parameters
    ----------
    problem
        No slice may have a negative price of energy and carbon: pods are switched on with the work.
    control
        Deadline, stop request and progress. At a stop, the best choice found is still turned into a plan.
    known
        A plan that keeps every limit, its cost, and what is proved already: bound and search end once these meet.

    Returns
    -------
    Solution
        Bound and objective hold for the problem as given, not for the aggregated one that is solved.
    """
    # Two threads share the cores here; a third and fourth for every dot product would only wait in their way.
    with threadpool_limits(limits=1, user_api="blas"):
        solution = _solve(problem, _Options(mip_rel_gap, seed, threads), control, warm, known)
    # The parts of a run know each other: their solvers would stay in memory while the plan is priced.
    gc.collect()
    return solution


def _solve(
    problem: PlacementProblem,
    options: _Options,
    control: Control,
    warm: WarmStart | None,
    known: Solution | None,
) -> Solution:
    """Solve a problem, and again with the link limits that its plans break."""
    limiting = problem.links["is_limiting"].to_numpy(bool)
    # What overloads a link in an outage shows in no plan's own traffic: with outages all limits stand from the start.
    warm = warm if warm is not None else WarmStart()
    known_links = np.zeros_like(limiting) if warm.learned is None else warm.learned.kept_links
    kept = limiting if len(problem.outages) else limiting & known_links
    seconds: dict[str, float] = {}
    while True:
        stage = replace(problem, links=problem.links.assign(is_limiting=kept))
        run = _Run(stage, options, control, limiting & ~kept, warm, known)
        solution = replace(run.solve(), learned=run.learned(kept))
        for phase, spent in solution.seconds.items():
            seconds[phase] = seconds.get(phase, 0.0) + spent
        known = solution
        if solution.plan is not None and control.must_stop:
            return replace(solution, seconds=seconds)
        if run.best.overloaded_links.any():
            kept = kept | run.best.overloaded_links
        elif solution.termination == Termination.STALLED and solution.plan is None and (limiting & ~kept).any():
            kept = limiting  # what no plan was found for may be infeasible because of the links left out
        else:
            return replace(solution, seconds=seconds)


class _Options(NamedTuple):
    mip_rel_gap: float
    seed: int
    threads: int


class _Run:
    """
    One solve: its state between the phases.

    Link limits are added only once a plan breaks them: until then the problem is smaller, its hubs can be merged, and
    its bound holds all the same. A plan that overloads a link ends the run, with the links to add.
    """

    def __init__(
        self,
        problem: PlacementProblem,
        options: _Options,
        control: Control,
        watched_links: npt.NDArray[np.bool_],
        warm: WarmStart,
        known: Solution | None,
    ) -> None:
        self._gap, self._seed, self._threads = options
        self._control = control
        self._seconds: dict[str, float] = {}
        self._original = problem
        self._clock = time.monotonic()
        self._merged, self._days = _aggregate(problem, mip_rel_gap=self._gap)
        self._second = ThreadPoolExecutor(max_workers=1) if self._threads > 1 else None
        self._learned = warm.learned
        # With the cuts of a similar problem, and a plan near what is proved, a relaxation or two may be enough.
        distance = np.inf if known is None else relative_gap(known.objective_cny, known.bound_cny)
        self._is_nearly_known = warm.learned is not None and distance <= KNOWN_GAPS * self._gap
        self._rounds_before = 0  # a first look with long slices
        self._long: LongSlices | None = None
        self._of = self._decomposed(warm.like)
        self._search = Scouting(self._of, self._of_long, control, seed=self._seed)
        # What is bought for merged days says nothing of the days themselves.
        buys = not self._days.is_smaller and len(self._of.positions("NewPods"))
        self._pods = WholePods(self._of) if buys else None
        self._searched_pods: set[int] = set()
        self._tree: OpenTree | None = None  # once the relaxation rises slowly
        pairs = warm.deployed if warm.plan is None else deployed_pairs(problem, warm.plan)
        if pairs is not None:
            self._search.start_from(self._deployments(pairs))
        self._begins_with_plan = warm.plan is not None
        if self._days.is_smaller:
            self._of.bound_of_all_days_units = -np.inf
        compiled = compile_model(self._merged.problem) if self._days.is_smaller else self._of.compiled
        stage = Stage(problem, self._merged, self._of, compiled, watched_links)
        self.best = Incumbent(stage, control, lambda: self._bound_cny, mip_rel_gap=self._gap, seed=self._seed)
        self._all_days: AllDays | None = None
        self._earlier_bound_cny = -np.inf
        if known is not None:  # what a run with fewer limits has proved, and its plan if it has one
            self._earlier_bound_cny = known.bound_cny
            self.best.plan, self.best.cost_cny = known.plan, known.objective_cny
        self._lap("compile")

    def _decomposed(self, like: Split | None) -> Decomposition:
        """Decompose the problem, and look at it with long slices beside that, unless it is nearly known."""
        problem, learned, looking = self._days.problem, self._learned, None
        if not self._is_nearly_known:
            self._long = LongSlices.of_large(problem, self._control, seed=self._seed)
        if self._long is not None:
            if learned is not None:
                self._long.begin_like(learned)
            if self._second is not None:
                looking = self._second.submit(self._long.raise_bound, FIRST_LONG_ROUNDS)
        of = Decomposition(problem, seed=self._seed, threads=self._threads, like=like, control=self._control)
        if learned is not None and self._long is None:
            of.begin_like(learned)
        elif learned is not None:  # what to begin with is what the long slices end with
            of.pool.add_shared(learned.cuts)
        if looking is not None:
            looking.result()
        return of

    @property
    def _of_long(self) -> Decomposition | None:
        return None if self._long is None else self._long.of

    def solve(self) -> Solution:
        """Go through the phases."""
        try:
            try:
                termination = self._phases()
            except UnsolvedError:
                self.best.keep(self._search.best)
                is_late = self._control.must_stop
                if self.best.plan is None and is_late:
                    self.best.keep_all_open()
                termination = self._control.reason if is_late else Termination.STALLED
            return self._solution(termination)
        except InfeasibleMasterError:
            return self._solution(Termination.INFEASIBLE)
        except OverloadedError:
            return self._solution(self._control.reason)
        finally:
            self._of.blocks.close()
            if self._long is not None:
                self._long.of.blocks.close()
            if self._second is not None:
                self._second.shutdown()

    def _phases(self) -> Termination:
        control = self._control
        if is_all_assigned(self._merged.problem):
            self._assign()
        if self._is_nearly_known:
            self._finish_known()
        self._look_ahead()
        self._approach()
        if not self._is_done() and not control.must_stop:
            termination = self._branch()
            self._lap("branch")
            if termination is not None:
                return termination
        if self.best.plan is None and control.must_stop:
            self.best.keep_all_open()
        return Termination.OPTIMAL if self._is_done() else control.reason

    def _assign(self) -> None:
        """Bound and plan a problem all of whose workloads are indivisible by a knapsack for each data center."""
        problem, control, best = self._merged.problem, self._control, self.best
        best.places = places_of(problem, best.compiled)
        until_s = control.seconds + ASSIGN_SHARE * control.seconds_left
        part = replace(control, report=None, lines=[], time_limit_s=until_s)
        found = bound_assignments(best.places, part, mip_rel_gap=self._gap, seed=self._seed)
        self._earlier_bound_cny = max(self._earlier_bound_cny, found.bound_cny)
        control.say(best.cost_cny, self._bound_cny, "assignments")
        if found.place is not None:
            best.keep_places(found.place)
            classes, centers = problem.workloads["workload_class"], problem.data_centers["id"].to_numpy()[found.place]
            deployed = self._deployments(frozenset(zip(classes, centers, strict=True)))
            self._search.start_from(deployed)
        self._lap("assignments")

    def _finish_known(self) -> None:
        """Raise the bound from the cuts of a similar problem; where that is not enough, prepare a first look."""
        control, is_rising = self._control, True
        while is_rising and self._of.rounds < KNOWN_ROUNDS and not self._is_done() and not control.must_stop:
            is_rising = self._beside(self._raise_bound, self._evaluations())
            self._keep_found()
            if self._distance > NEAR_GAPS * self._gap:
                break
        self._lap("bound and search")
        if control.must_stop or self._distance <= NEAR_GAPS * self._gap:
            return
        self._long = LongSlices.of_large(self._days.problem, control, seed=self._seed)
        if self._long is None:
            return
        self._rounds_before = self._of.rounds
        self._of.forget_idle()
        if self._learned is not None:
            self._long.begin_like(self._learned)
        before, self._search = self._search, Scouting(self._of, self._of_long, control, seed=self._seed)
        if before.best is not None:
            self._search.start_from(before.best.deployed)
            self._search.adopt(before.best)

    def _look_ahead(self) -> None:
        """Solve the relaxation with few, long slices, search from what it says, and begin with its cuts."""
        long = self._long
        if long is None:
            return
        while long.is_rising and not self._control.must_stop:
            count = EVALUATIONS_A_LONG_ROUND if self._search.is_scouting else EVALUATIONS_WITH_ALL
            self._beside(partial(long.raise_bound, 1), count)
            self._lap("long slices")
            if relative_gap(self.best.cost_cny, self._found_cny) > PRICED_SHARE:
                self._keep_found()
        self._keep_found()
        long.hand_over(self._of)
        self._lap("long slices")
        is_poor = relative_gap(self._found_cny, long.of.bound_units * long.of.cny_per_unit) > POOR_CHOICE_GAP
        # A choice survives the outages that its points have shown, and they show few: the program would be of no use.
        if is_poor and self._original.outages.empty and not self._control.must_stop:
            for deployed in self._chosen(long):
                self._search.consider(deployed)
            self._lap("long slices")
            self._keep_found()

    def _chosen(self, long: LongSlices) -> list[frozenset[int]]:
        """Choose deployments where the search finds none that will do; raise the bound beside that."""
        if self._second is None:
            return long.choose()
        choosing = self._second.submit(long.choose)
        for _ in range(ROUNDS_BESIDE_CHOOSING):
            if not self._control.must_stop:
                self._raise_bound()
        return choosing.result()

    def _approach(self) -> None:
        """Raise the bound and search for plans side by side until both stand still, or the gap is met."""
        control, is_rising = self._control, True
        while not self._is_done() and not control.must_stop:
            if self._branches_on_open(is_rising=is_rising):
                self._beside(self._branch_on_open, self._evaluations())
                is_rising = False  # the root has been left behind
            elif is_rising:
                is_rising = self._beside(self._raise_bound, self._evaluations())
                is_rising |= self._make_pods_whole(is_rising=is_rising)
                if self._second is not None and self._search.is_guided and self._distance > POOR_GAP:
                    self._search.run(FIRST_EVALUATIONS)
                if self._days.is_smaller and (not is_rising or self._of.rounds == FIRST_ROUNDS):
                    rounds = 1 if is_rising else MOST_ROUNDS_OF_ALL_DAYS
                    self._beside(partial(self._bound_all_days, rounds), EVALUATIONS_A_BRANCH)
            elif self._second is None:
                self._search.run(EVALUATIONS_A_ROUND)
            else:
                self._search.run_twice(self._second, EVALUATIONS_A_ROUND)
            self._lap("bound and search")
            is_rising |= self._keep_found()
            if not is_rising and self._search.is_over:
                return

    def _evaluations(self) -> int:
        """How many plans to evaluate beside a round of the bound."""
        if self._of.is_coarse or (self._second is not None and not self._search.is_guided):
            return 0  # there is no relaxation that is worth following
        if self._second is not None:
            return EVALUATIONS_A_ROUND
        # A plan of another case that one round has not bettered is good: while the bound rises fast, the time is its.
        is_good = self._begins_with_plan and self._search.idle >= EVALUATIONS_A_ROUND
        is_fast = not self._of.is_stalled(FAST_RISE_SHARE, 1)
        if not is_fast:
            return EVALUATIONS_OF_A_FLAT_ROUND
        return EVALUATIONS_WITH_A_GOOD_PLAN if is_good else EVALUATIONS_A_ROUND

    def _beside(self, work: Callable[[], T], evaluations: int) -> T:
        """Do some work, and evaluate plans beside it if there is a core for that, else after it."""
        if self._second is None:
            done = work()
            self._follow()
            self._search.run(0 if self._is_done() else evaluations)
            return done
        beside = self._second.submit(self._search.run, evaluations)
        try:
            return work()
        finally:
            beside.result()
            self._follow()

    def _follow(self) -> None:
        """Tell the search of the relaxation, if that is worth following."""
        of = self._of if self._long is None or self._of.rounds > self._rounds_before else self._long.of
        if self._tree is not None:
            if len(self._tree.point):
                self._search.follow(self._tree.point[of.positions("Deploy")])
        elif of.rounds and not of.is_rough:
            self._search.follow(of.relaxed_point[of.positions("Deploy")], is_of_long=of is not self._of)

    def _raise_bound(self) -> bool:
        """Raise the bound by one round; say whether there is more to come."""
        try:
            is_rising = self._of.raise_once(self._control)
        except InfeasibleMasterError:
            if not self._of.is_branch:
                raise
            self._of.bound_units, is_rising = np.inf, False  # all that is left has no plan
        is_far = self._distance > FAR_GAP
        if self._of.is_stalled(STALLED_SHARE_OF_GAP * self._gap, PLATEAU_ROUNDS if is_far else STALLED_ROUNDS):
            is_rising = False
        self._control.say(self.best.cost_cny, self._bound_cny, "bound")
        return is_rising

    def _branches_on_open(self, *, is_rising: bool) -> bool:
        """Whether to branch on what is open: data centers are open in parts, and the bound rises slowly or no more."""
        of = self._of
        is_early = of.is_coarse or of.is_rough or (is_rising and not of.is_stalled(SLOW_RISE_SHARE, 1))
        if self._tree is None and not is_early and not self._days.is_smaller:
            tree = OpenTree(of, least_rise_share=STALLED_SHARE_OF_GAP * self._gap)
            self._tree = None if tree.is_over else tree
        elif self._tree is not None and self._tree.is_over and is_rising:  # there are cuts that its first node lacks
            self._tree.look_again()
        return self._tree is not None and not self._tree.is_over

    def _branch_on_open(self) -> None:
        """Raise the bound of the tree by one relaxation."""
        tree = self._tree
        if tree is not None:
            tree.raise_once(self._control)
            if np.isposinf(tree.bound_units) and self.best.plan is None and not self._of.is_branch:
                raise InfeasibleMasterError("no set of data centers can be open")
            self._control.say(self.best.cost_cny, self._bound_cny, "bound")

    def _make_pods_whole(self, *, is_rising: bool) -> bool:
        """
        Close what buys fewer pods than the relaxation, and search what buys no more.

        Parameters
        ----------
        is_rising
            Whether the bound still rises: then this waits until it does so slowly.

        Returns
        -------
        bool
            Whether anything was closed, so that the bound may rise.
        """
        of, pods, best = self._of, self._pods, self._search.best
        is_early = of.is_coarse or of.is_rough or (is_rising and not of.is_stalled(FAST_RISE_SHARE, 1))
        if pods is None or best is None or is_early or self._is_done() or self._control.must_stop:
            return False
        if pods.count_at(best.point) > pods.fewest and pods.fewest not in self._searched_pods:
            self._searched_pods.add(pods.fewest)
            self._search.search_with(PodsWanted(pods.fewest, pods.at_least(pods.fewest)))
        enough_cny = self.best.cost_cny * (1 - self._gap) + self._merged.bound_correction_cny
        return pods.close_below(enough_cny / of.cny_per_unit, self._control)

    def _keep_found(self) -> bool:
        """Turn what the search has found into a plan; say whether its cuts may raise the bound."""
        found = self._search.take_improved()
        self._of.pool.add(self._search.take_cuts())
        if not found:
            return False
        if not self._costs_no_less(found[-1]):
            self.best.keep(found[-1])
        self._lap("fixed_integers")
        before = len(self._of.pool)
        if not self._is_done() and not self._control.must_stop:
            for choice in found[-CHOICES_TO_LEARN_FROM:]:
                self._of.pool.add(self._of.cost_at(choice.point)[1])
        return len(self._of.pool) > before

    def _costs_no_less(self, choice: Choice) -> bool:
        """Whether a choice cannot better the plan; merged days do not tell."""
        least_cny = choice.cost_units * self._of.cny_per_unit - self._merged.bound_correction_cny
        return not self._days.is_smaller and least_cny >= self.best.cost_cny

    def _deployments(self, pairs: frozenset[tuple[str, str]]) -> frozenset[int]:
        """Numbers of deployments, given as class id and data center id."""
        problem = self._of.problem
        classes, centers = problem.classes["id"].tolist(), problem.data_centers["id"].tolist()
        members = self._of.compiled.columns["Deploy"].members.tolist()
        return frozenset(n for n, (k, d) in enumerate(members) if (classes[k], centers[d]) in pairs)

    def learned(self, kept_links: npt.NDArray[np.bool_]) -> Learned:
        """Hand on what the run has learned about the blocks."""
        return self._of.learned(kept_links)

    def _bound_all_days(self, most_rounds: int) -> None:
        """Work out the bound with every day on its own, from the cuts that the merged days have brought."""
        if self._control.must_stop:
            return
        if self._all_days is None:
            self._all_days = AllDays(self._merged.problem, self._days, self._of, seed=self._seed)
        if self._all_days.raise_bound(self._control, STALLED_SHARE_OF_GAP * self._gap, most_rounds=most_rounds):
            self._of.bound_of_all_days_units = self._all_days.bound_cny / self._of.cny_per_unit
            self._control.say(self.best.cost_cny, self._bound_cny, "bound of all days")

    @property
    def _bound_cny(self) -> float:
        proved = self._of.proved_units if self._tree is None else max(self._of.proved_units, self._tree.bound_units)
        proved = min(proved, np.inf if self._pods is None else self._pods.closed_units)
        bound = proved * self._of.cny_per_unit - self._merged.bound_correction_cny
        return min(max(bound, self._earlier_bound_cny), self.best.cost_cny)

    @property
    def _found_cny(self) -> float:
        """Cost of the best set of deployments that the search has found."""
        best = self._search.best
        return np.inf if best is None else best.cost_units * self._of.cny_per_unit

    @property
    def _distance(self) -> float:
        return relative_gap(self.best.cost_cny, self._bound_cny)

    def _is_done(self) -> bool:
        return self._distance <= self._gap

    def _branch(self) -> Termination | None:
        """
        Improve bound and plan: solve the master as an integer program, the blocks at its answer, and again.

        Returns a termination only where the loop itself proves one.
        """
        inner_gap = self._gap / 2
        if not self._original.outages.empty:
            # With a reserve to keep too, a penalty may not be high enough to prove that there is no plan.
            self._of.blocks.forbid_misses()
        while not self._is_done() and not self._control.must_stop:
            outcome = self._solve_master_and_search(inner_gap)
            if outcome.termination == Termination.INFEASIBLE:
                if not self._of.is_branch:
                    return Termination.INFEASIBLE
                self._of.bound_units = np.inf
                break
            self._note_branch(outcome.bound_cny)
            if self._is_done():
                break
            missed, learned = 0.0, 0
            for point in outcome.incumbents[-1:]:
                size = len(self._of.master.cost)
                _, cuts, missed = self._of.cost_at(point[:size])
                learned = self._of.learn(cuts, point[:size], point[size:])
                deployed = np.flatnonzero(point[self._of.positions("Deploy")] > 0.5)  # noqa: PLR2004 - halves
                self._search.consider(frozenset(deployed.tolist()))
                self.best.keep(Choice(frozenset(), np.inf, point[:size]))
            self._keep_found()
            if outcome.termination == Termination.OPTIMAL and not learned:
                # The master's answer costs what the master says: there are no cuts left to add.
                if self.best.plan is None and missed > MISSED_SHARE and self._is_infeasible():
                    return Termination.INFEASIBLE
                if inner_gap < LEAST_INNER_GAP:
                    is_within = self._distance <= max(self._gap, DECOMPOSED_TOLERANCE)
                    return Termination.OPTIMAL if is_within else Termination.STALLED
                inner_gap /= 10
        return None

    def _solve_master_and_search(self, mip_rel_gap: float) -> MipOutcome:
        """
        Solve the master with its cuts as an integer program, and search for plans.

        With a core of its own the search goes on for as long as the program takes, and ends it when plan and bound
        meet: how far it comes then depends on the machine.
        """
        bounds = [-np.inf]
        part = replace(self._control, report=lambda line: bounds.append(line.bound_cny), lines=[])
        options = {"output_flag": False, "threads": 1, "random_seed": self._seed, "mip_rel_gap": mip_rel_gap}
        solve = partial(run_mip, self._of.program.as_compiled(), cny_per_cost_unit=1.0, options=options, control=part)
        if self._second is None:
            outcome = solve()
            self._search.run(EVALUATIONS_A_BRANCH)
            return outcome
        solving, evaluated = self._second.submit(solve), 0
        try:
            while not (self._control.must_stop or self._is_done()):
                if solving.done() and evaluated >= EVALUATIONS_A_BRANCH:
                    break
                if not self._search.run(EVALUATIONS_A_ROUND):
                    wait([solving], timeout=POLL_S)
                evaluated += EVALUATIONS_A_ROUND
                self._keep_found()
                self._note_branch(bounds[-1])
        finally:
            part.time_limit_s = 0.0  # also where a plan overloads a link, and the run begins anew
        return solving.result()

    def _note_branch(self, bound_units: float) -> None:
        """Keep and tell the bound of an integer program, which is of the merged days if there are any."""
        if bound_units > self._of.bound_units:
            self._of.bound_units = bound_units
            self._control.say(self.best.cost_cny, self._bound_cny, "branch")

    def _is_infeasible(self) -> bool:
        """Prove that no relaxed plan exists: even without costs, some balance must be missed."""
        problem, control = self._merged.problem, self._control
        costless = Decomposition(problem, seed=self._seed, threads=self._threads, is_costless=True, control=control)
        try:
            costless.raise_bound(self._control, least_rounds=MOST_ROUNDS)
        except InfeasibleMasterError:
            return True
        finally:
            costless.blocks.close()
        return costless.bound_units > MISSED_SHARE

    def _lap(self, phase: str) -> None:
        now = time.monotonic()
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._clock
        self._clock = now

    def _solution(self, termination: Termination) -> Solution:
        self._lap("fixed_integers")
        return Solution(
            termination=termination,
            plan=self.best.plan,
            objective_cny=self.best.cost_cny,
            bound_cny=self._bound_cny,
            method="decomposed",
            seconds=self._seconds,
            progress=tuple(self._control.lines),
        )

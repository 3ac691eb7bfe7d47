"""Solve a large problem by decomposition: a bound from cuts, a plan from local search, both improved by the master."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.model.compile import compile_model
from optimizer.model.outages import failover_mtok_per_h
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.solvers.benders.aggregation import (
    MergedDays,
    MergedProblem,
    coarsen,
    find_overloaded,
    merge_days,
    merge_hubs,
)
from optimizer.solvers.benders.assignment_search import Places, improve, is_all_assigned, repair
from optimizer.solvers.benders.bound import LEAST_ROUNDS, Decomposition, Split, cost_unit_cny, split_problem
from optimizer.solvers.benders.cuts import WarmStart, transfer_all, transfer_cuts
from optimizer.solvers.benders.knapsacks import bound_assignments, integers_of, places_of
from optimizer.solvers.benders.master import InfeasibleMasterError
from optimizer.solvers.benders.search import (
    DEPLOYMENT,
    SMALL_MASTER_COLUMNS,
    WARM_ROUNDS,
    Choice,
    DeploymentSearch,
    FirstChoice,
    make_whole,
)
from optimizer.solvers.benders.subproblems import Cut
from optimizer.solvers.control import (
    DECOMPOSED_TOLERANCE,
    PRICING_SECONDS,
    Control,
    Learned,
    Solution,
    Termination,
    relative_gap,
)
from optimizer.solvers.fixed_integers import FixedIntegerError, FixedIntegerSolution, solve_fixed_integers
from optimizer.solvers.highs import UnsolvedError
from optimizer.solvers.process import run_mip

MERGE_SHARE_OF_GAP = 0.02


def _aggregate(problem: PlacementProblem, *, mip_rel_gap: float) -> tuple[MergedProblem, MergedDays]:
    """Aggregate the hubs, then the days, of a problem."""
    merged = merge_hubs(problem, allowance_cny=MERGE_SHARE_OF_GAP * mip_rel_gap * 1e3 * cost_unit_cny(problem))
    return merged, merge_days(merged.problem)


def split_as_solved(
    problem: PlacementProblem, kept_links: npt.NDArray[np.bool_], *, mip_rel_gap: float
) -> tuple[Split, Split | None]:
    """
    Decompose a problem as a solve does, and its coarse problem if it has one.

    Parameters
    ----------
    kept_links
        (L,) link limits that are kept.
    """
    stage = replace(problem, links=problem.links.assign(is_limiting=kept_links))
    days = _aggregate(stage, mip_rel_gap=mip_rel_gap)[1].problem
    coarse = coarsen(days)
    return split_problem(days), None if coarse is None else split_problem(coarse)


EXACT_ROUNDS = 200
MISSED_SHARE = 1e-6
LEAST_INNER_GAP = 1e-9

# An assignment further from 0 and 1 than this is shared out among data centers.
SHARED = 1e-6

# Share of the time that is left for the knapsacks of indivisible workloads. Of small problems they need less; of large
# ones the relaxation takes longer and bounds no better.
ASSIGN_SHARE = 0.7

# With cuts handed on from the merged days, this many rounds show whether the bound still rises.
FEW_ROUNDS = 2


class _OverloadedError(Exception):
    """A plan overloads a link whose limit was left out."""


def solve_decomposed(
    problem: PlacementProblem,
    *,
    mip_rel_gap: float,
    seed: int,
    threads: int,
    control: Control,
    warm: WarmStart | None = None,
) -> Solution:
    """
    Solve a problem slice by slice.

    Parameters
    ----------
    problem
        No slice may have a negative price of energy and carbon: pods are switched on with the work.
    control
        Deadline, stop request and progress. At a stop, the best choice found is still turned into a plan.

    Returns
    -------
    Solution
        Bound and objective hold for the problem as given, not for the aggregated one that is solved.
    """
    limiting = problem.links["is_limiting"].to_numpy(bool)
    # What overloads a link in an outage shows in no plan's own traffic: with outages all limits stand from the start.
    warm = warm if warm is not None else WarmStart()
    known_links = np.zeros_like(limiting) if warm.kept_links is None else warm.kept_links
    kept = limiting if len(problem.outages) else limiting & known_links
    seconds: dict[str, float] = {}
    known: Solution | None = None
    options = _Options(mip_rel_gap, seed, threads)
    while True:
        stage = replace(problem, links=problem.links.assign(is_limiting=kept))
        run = _Run(stage, options, control, limiting & ~kept, warm)
        solution = replace(run.solve(known), learned=run.learned(kept))
        for phase, spent in solution.seconds.items():
            seconds[phase] = seconds.get(phase, 0.0) + spent
        known = solution
        if solution.plan is not None and control.must_stop:
            return replace(solution, seconds=seconds)
        if run.overloaded_links.any():
            kept = kept | run.overloaded_links
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
    ) -> None:
        self._gap, self._seed, self._threads = options
        self._control = control
        self._seconds: dict[str, float] = {}
        self._original = problem
        self._clock = time.monotonic()
        self._merged, self._days = _aggregate(problem, mip_rel_gap=self._gap)
        like = None if warm.cuts is None else warm.cuts.split
        self._of = Decomposition(self._days.problem, seed=self._seed, threads=self._threads, like=like, control=control)
        self._warm = warm
        self._coarse_cuts: tuple[Cut, ...] = ()
        if warm.cuts is not None:
            self._of.program.add(transfer_all(warm.cuts.cuts, warm.cuts.split.blocks, self._of.split_blocks))
        if self._days.is_smaller:
            self._of.bound_of_all_days_units = -np.inf
        self._compiled = self._of.compiled  # of the problem with all its days, once its bound was worked out
        self._plan: Plan | None = None
        self._objective_cny = np.inf
        self._earlier_bound_cny = -np.inf
        self._tried: set[bytes] = set()
        self._places: Places | None = None  # where every workload is indivisible
        self._watched_links = watched_links
        self.overloaded_links = np.zeros(len(problem.links), np.bool_)
        self._lap("compile")

    def solve(self, known: Solution | None) -> Solution:
        """Go through the phases; `known` is what a run with fewer limits has proved, and its plan if it has one."""
        search = DeploymentSearch(self._of, self._control)
        if known is not None:
            self._earlier_bound_cny = known.bound_cny
            self._plan, self._objective_cny = known.plan, known.objective_cny
        try:
            try:
                termination = self._phases(search)
            except UnsolvedError:
                self._keep(search.best)
                is_late = self._control.must_stop
                if self._plan is None and is_late:
                    self._keep_all_open()
                termination = self._control.reason if is_late else Termination.STALLED
            return self._solution(termination)
        except InfeasibleMasterError:
            return self._solution(Termination.INFEASIBLE)
        except _OverloadedError:
            return self._solution(self._control.reason)
        finally:
            self._of.blocks.close()

    def _phases(self, search: DeploymentSearch) -> Termination:
        control = self._control
        if is_all_assigned(self._merged.problem):
            self._assign()
        if not self._is_done():
            self._raise_bound()
        if not self._is_done():
            self._search(search)
        self._lap("search")
        self._keep(search.best)
        if not self._is_done() and control.must_stop:
            self._keep(search.current)
        self._lap("fixed_integers")
        if not self._is_done() and not control.must_stop:
            search.release()
            termination = self._branch(search)
            self._lap("branch")
            if termination is not None:
                return termination
        if self._plan is None and control.must_stop:
            self._keep_all_open()
        return Termination.OPTIMAL if self._is_done() else control.reason

    def _search(self, search: DeploymentSearch) -> None:
        first = FirstChoice(self._of, search, self._control, seed=self._seed, threads=self._threads, warm=self._warm)
        try:
            start = first.find(self._settles, self._gap)
        finally:
            self._coarse_cuts = first.coarse_cuts
        if start is not None and not self._settles(start):
            search.improve(start, target_units=self._target_units())

    def _assign(self) -> None:
        """Bound and plan a problem all of whose workloads are indivisible by a knapsack for each data center."""
        problem, control = self._merged.problem, self._control
        if self._days.is_smaller:
            self._compiled = compile_model(problem)
        self._places = places_of(problem, self._compiled)
        until_s = control.seconds + ASSIGN_SHARE * control.seconds_left
        part = replace(control, report=None, lines=[], time_limit_s=until_s)
        found = bound_assignments(self._places, part, mip_rel_gap=self._gap, seed=self._seed)
        self._earlier_bound_cny = max(self._earlier_bound_cny, found.bound_cny)
        control.say(self._objective_cny, self._bound_cny, "assignments")
        if found.place is not None:
            self._keep_integers(integers_of(problem, self._compiled, found.place))
            classes, centers = problem.workloads["workload_class"], problem.data_centers["id"].to_numpy()[found.place]
            self._warm = replace(self._warm, deployed=frozenset(zip(classes, centers, strict=True)))
        self._lap("assignments")

    def learned(self, kept_links: npt.NDArray[np.bool_]) -> Learned:
        """Hand on what the run has learned about the blocks."""
        return Learned(kept_links, tuple(self._of.program.cuts), self._coarse_cuts)

    def _raise_bound(self) -> None:
        small = len(self._of.master.cost) <= SMALL_MASTER_COLUMNS
        least = WARM_ROUNDS if self._of.is_informed else LEAST_ROUNDS
        exact = EXACT_ROUNDS if small else 0
        self._of.raise_bound(self._control, np.inf, least_rounds=least, exact_rounds=exact)
        if self._days.is_smaller:
            self._bound_all_days()
        self._lap("bound")

    def _bound_all_days(self) -> None:
        """Work out the bound with every day on its own, from the cuts that the merged days have brought."""
        problem, control = self._merged.problem, self._control
        every = Decomposition(problem, seed=self._seed, threads=self._threads, control=control)
        try:
            every.program.add(
                transfer_cuts(
                    self._of.program.cuts,
                    self._of.split_blocks,
                    every.split_blocks,
                    self._days.block_of(self._merged.problem),
                )
            )
            every.raise_bound(self._control, np.inf, least_rounds=FEW_ROUNDS)
        finally:
            every.blocks.close()
        self._compiled = every.compiled
        self._of.bound_of_all_days_units = every.bound_units * every.cny_per_unit / self._of.cny_per_unit

    @property
    def _bound_cny(self) -> float:
        bound = self._of.proved_units * self._of.cny_per_unit - self._merged.bound_correction_cny
        return min(max(bound, self._earlier_bound_cny), self._objective_cny)

    def _is_done(self) -> bool:
        return relative_gap(self._objective_cny, self._bound_cny) <= self._gap

    def _settles(self, choice: Choice) -> bool:
        """Keep the plan of a choice, and say whether it meets the gap."""
        self._keep(choice)
        return self._is_done()

    def _target_units(self) -> float:
        """Cost at which the gap is met; a little less, since pods are rounded up."""
        bound = max(
            self._of.proved_units - self._merged.bound_correction_cny / self._of.cny_per_unit,
            self._earlier_bound_cny / self._of.cny_per_unit,
        )
        return bound / (1 - self._gap) * (1 - 2e-4) if self._gap < 1 else np.inf

    def _keep(self, choice: Choice | None) -> None:
        """Turn a choice into a plan, exactly, and keep it if it is the best."""
        if choice is None:
            return
        point = choice.point
        share = point[self._of.positions("Assign")]
        if (np.minimum(share, 1.0 - share) > SHARED).any():
            self._keep_assigned(point, share)
            return
        if not self._keep_integers(self._round_decisions(point)) and self._merged.problem.policy.limits_pods:
            held = make_whole(self._of, point, (*DEPLOYMENT, "Assign"), seed=self._seed, control=self._control)
            if held is not None:
                self._keep_integers(self._round_decisions(held))

    def _keep_assigned(self, point: FloatArray, share: FloatArray) -> None:
        """Give each workload that a point shares out a single place, and keep the plan."""
        if self._places is not None:
            chosen = np.zeros(self._places.cost.shape)
            chosen[tuple(self._of.compiled.columns["Assign"].members.T)] = share
            is_open = point[self._of.positions("Open")] > 0.5  # noqa: PLR2004 - halves
            place = repair(self._places, chosen >= np.maximum(chosen.max(axis=1, keepdims=True), SHARED), is_open)
            if place is not None:
                self._keep_integers(integers_of(self._merged.problem, self._compiled, improve(self._places, place)))
        if not self._is_done():
            whole = make_whole(self._of, point, DEPLOYMENT, seed=self._seed, control=self._control)
            self._keep_integers(self._round_decisions(point if whole is None else whole))

    def _keep_integers(self, integers: FloatArray) -> bool:
        """Solve the fixed-integer LP of whole decisions not tried before, keep its plan; False where there is none."""
        key = integers.tobytes()
        if key in self._tried:
            return True
        self._tried.add(key)
        fixed = self._with_fixed_integers(integers)
        if fixed is None:
            return False
        if fixed.objective_cny < self._objective_cny:
            plan = self._merged.expand(fixed.plan)
            self._require_links(plan)
            self._objective_cny = fixed.objective_cny
            self._plan = plan
            self._control.say(self._objective_cny, self._bound_cny, "fixed integers")
        return True

    def _with_fixed_integers(self, integers: FloatArray) -> FixedIntegerSolution | None:
        try:
            return solve_fixed_integers(
                self._merged.problem,
                self._compiled,
                integers,
                seed=self._seed,
                time_limit_s=max(self._control.seconds_left, PRICING_SECONDS),
            )
        except FixedIntegerError:
            return None

    def _require_links(self, plan: Plan) -> None:
        """End the run if a plan overloads a link whose limit was left out so far."""
        flows = np.vstack([plan.flow_mtok_per_h, failover_mtok_per_h(self._original, plan.failover_share)])
        self.overloaded_links = find_overloaded(self._original, flows, self._watched_links)
        if self.overloaded_links.any():
            raise _OverloadedError

    def _keep_all_open(self) -> None:
        """When stopped before any choice was found: a plan with everything open and deployed, rather than none."""
        point = self._of.relaxed_point.copy()
        for name in ("Open", "Deploy"):
            point[self._of.positions(name)] = 1.0
        self._keep(Choice(frozenset(), np.inf, np.inf, point, point))

    def _round_decisions(self, point: FloatArray) -> FloatArray:
        """Round a master point, for all days: assignments to the largest share, pods up, the rest by halves."""
        columns, blocks = self._of.columns_at(point), self._of.compiled.columns
        pods = blocks["NewPods"].columns
        columns[pods] = np.minimum(np.ceil(columns[pods] - 1e-6), self._of.compiled.upper[pods])
        members, share = blocks["Assign"].members, columns[blocks["Assign"].columns]
        assigned = np.zeros(len(share))
        for workload in np.unique(members[:, 0]):
            mine = np.flatnonzero(members[:, 0] == workload)
            assigned[mine[np.argmax(share[mine])]] = 1.0
        columns[blocks["Assign"].columns] = assigned
        out = np.zeros(len(self._compiled.cost))
        # Integer decisions are made for the year: merged days have the same ones, in the same order.
        out[self._compiled.is_integer] = columns[self._of.compiled.is_integer]
        return out

    def _branch(self, search: DeploymentSearch) -> Termination | None:
        """
        Improve bound and plan: solve the master as an integer program, the blocks at its answer, and again.

        Returns a termination only where the loop itself proves one.
        """
        inner_gap = self._gap / 2
        if not self._original.outages.empty:
            # With a reserve to keep too, a penalty may not be high enough to prove that there is no plan.
            self._of.blocks.forbid_misses()
        while not self._is_done() and not self._control.must_stop:
            cuts_before = len(self._of.program.cuts)
            model = self._of.program.as_compiled()
            part = replace(self._control, report=None, lines=[], time_limit_s=self._control.time_limit_s)
            options = {"output_flag": False, "threads": 1, "random_seed": self._seed, "mip_rel_gap": inner_gap}
            outcome = run_mip(model, cny_per_cost_unit=1.0, options=options, control=part)
            if outcome.termination == Termination.INFEASIBLE:
                return Termination.INFEASIBLE
            self._of.bound_units = max(self._of.bound_units, outcome.bound_cny)  # of the merged days, if there are any
            self._control.say(self._objective_cny, self._bound_cny, "branch")
            missed = 0.0
            for point in outcome.incumbents[-1:]:
                size = len(self._of.master.cost)
                _, cuts, missed = self._of.cost_at(point[:size])
                self._of.add_violated(cuts, point[:size], point[size:])
                self._try_decisions(point[:size], search)
            if outcome.termination == Termination.OPTIMAL and len(self._of.program.cuts) == cuts_before:
                # The master's answer costs what the master says: there are no cuts left to add.
                if self._plan is None and missed > MISSED_SHARE and self._is_infeasible():
                    return Termination.INFEASIBLE
                if inner_gap < LEAST_INNER_GAP:
                    is_within = relative_gap(self._objective_cny, self._bound_cny) <= DECOMPOSED_TOLERANCE
                    return Termination.OPTIMAL if is_within else Termination.STALLED
                inner_gap /= 10
        return None

    def _try_decisions(self, point: FloatArray, search: DeploymentSearch) -> None:
        """Solve the fixed-integer LP of a master answer, and search around it."""
        deploy = self._of.positions("Deploy")
        choice = search.evaluate(frozenset(np.flatnonzero(point[deploy] > 0.5).tolist()))  # noqa: PLR2004 - halves
        search.release()
        self._keep(Choice(frozenset(), np.inf, np.inf, point, point))
        self._keep(choice if choice is not None and np.isfinite(choice.cost_units) else None)

    def _is_infeasible(self) -> bool:
        """Prove that no relaxed plan exists: even without costs, some balance must be missed."""
        problem, control = self._merged.problem, self._control
        costless = Decomposition(problem, seed=self._seed, threads=self._threads, is_costless=True, control=control)
        try:
            costless.raise_bound(self._control, np.inf, exact_rounds=EXACT_ROUNDS)
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
            plan=self._plan,
            objective_cny=self._objective_cny,
            bound_cny=self._bound_cny,
            method="decomposed",
            seconds=self._seconds,
            progress=tuple(self._control.lines),
        )

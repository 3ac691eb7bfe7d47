"""The best plan so far: choices of the decomposition made whole, priced as plans, and kept where they are better."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.model.compile import CompiledModel
from optimizer.model.outages import failover_mtok_per_h
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.benders.aggregation import MergedProblem, find_overloaded
from optimizer.solvers.benders.assignment_search import Places, improve, repair
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.knapsacks import integers_of
from optimizer.solvers.benders.plan_search import Choice
from optimizer.solvers.benders.whole_decisions import DEPLOYMENT, make_whole
from optimizer.solvers.control import PRICING_SECONDS, Control, relative_gap
from optimizer.solvers.fixed_integers import FixedIntegerError, solve_fixed_integers

# An assignment further from 0 and 1 than this is shared out among data centers.
SHARED = 1e-6


class OverloadedError(Exception):
    """A plan overloads a link whose limit was left out."""


class Stage(NamedTuple):
    """A problem as given, with its hubs merged and compiled, and decomposed; (L,) link limits that were left out."""

    original: PlacementProblem
    merged: MergedProblem
    of: Decomposition
    compiled: CompiledModel
    watched_links: npt.NDArray[np.bool_]


class Incumbent:
    """
    The best plan of a run.

    Attributes
    ----------
    plan, cost_cny
        None and inf until there is one.
    places
        Where every workload is indivisible: what each costs where.
    overloaded_links
        (L,) links that the plan which ended the run overloads.
    """

    def __init__(
        self, stage: Stage, control: Control, bound_cny: Callable[[], float], *, mip_rel_gap: float, seed: int
    ) -> None:
        self._stage, self._control, self._bound_cny = stage, control, bound_cny
        self._gap, self._seed = mip_rel_gap, seed
        self._tried: dict[bytes, float] = {}
        self.plan: Plan | None = None
        self.cost_cny = np.inf
        self.places: Places | None = None
        self.overloaded_links = np.zeros(len(stage.watched_links), np.bool_)

    @property
    def compiled(self) -> CompiledModel:
        """Model whose whole decisions are priced."""
        return self._stage.compiled

    def keep(self, choice: Choice | None) -> None:
        """Turn a choice into a plan, exactly, and keep it if it is the best."""
        if choice is None:
            return
        of, point = self._stage.of, choice.point
        share = point[of.positions("Assign")]
        if (np.minimum(share, 1.0 - share) > SHARED).any():
            self._keep_assigned(choice, share)
            return
        is_plan = np.isfinite(self._keep_integers(self._round_decisions(point)))
        if not is_plan and self._stage.merged.problem.policy.limits_pods:
            self._keep_whole(point, (*DEPLOYMENT, "Assign"))

    def keep_places(self, place: IntArray) -> None:
        """Keep the plan with a place for each indivisible workload, (W,)."""
        self._keep_integers(integers_of(self._stage.merged.problem, self.compiled, place))

    def keep_all_open(self) -> None:
        """When stopped before any choice was found: a plan with everything open and deployed, rather than none."""
        of = self._stage.of
        point = of.relaxed_point.copy()
        for name in DEPLOYMENT:
            point[of.positions(name)] = 1.0
        self.keep(Choice(frozenset(), np.inf, point))

    def _keep_assigned(self, choice: Choice, share: FloatArray) -> None:
        """Give each workload that a choice shares out a single place, and keep the plan."""
        of, point = self._stage.of, choice.point
        least_cny = choice.cost_units * of.cny_per_unit
        if least_cny >= self.cost_cny and self.plan is not None:
            return  # whole it costs no less
        if self.places is not None:
            chosen = np.zeros(self.places.cost.shape)
            chosen[tuple(of.compiled.columns["Assign"].members.T)] = share
            is_open = point[of.positions("Open")] > 0.5  # noqa: PLR2004 - halves
            place = repair(self.places, chosen >= np.maximum(chosen.max(axis=1, keepdims=True), SHARED), is_open)
            if place is not None:
                self.keep_places(improve(self.places, place))
        cost_cny = self._keep_integers(self._round_decisions(point))
        is_lost = np.isinf(cost_cny) or relative_gap(min(cost_cny, self.cost_cny), least_cny) > self._gap / 2
        if is_lost and relative_gap(self.cost_cny, self._bound_cny()) > self._gap and not self._control.must_stop:
            self._keep_whole(point, DEPLOYMENT)

    def _keep_whole(self, point: FloatArray, held: tuple[str, ...]) -> None:
        whole = make_whole(self._stage.of, point, held, seed=self._seed, control=self._control)
        if whole is not None:
            self._keep_integers(self._round_decisions(whole))

    def _keep_integers(self, integers: FloatArray) -> float:
        """Solve the fixed-integer LP of whole decisions, keep its plan; its cost, inf where there is no plan."""
        key = integers.tobytes()
        if key not in self._tried:
            self._tried[key] = self._price(integers)
        return self._tried[key]

    def _price(self, integers: FloatArray) -> float:
        merged, control = self._stage.merged, self._control
        limit_s = max(control.seconds_left, PRICING_SECONDS)
        try:
            fixed = solve_fixed_integers(merged.problem, self.compiled, integers, seed=self._seed, time_limit_s=limit_s)
        except FixedIntegerError:
            return np.inf
        if fixed.objective_cny < self.cost_cny:
            plan = merged.expand(fixed.plan)
            self._require_links(plan)
            self.plan, self.cost_cny = plan, fixed.objective_cny
            control.say(self.cost_cny, self._bound_cny(), "fixed integers")
        return fixed.objective_cny

    def _require_links(self, plan: Plan) -> None:
        """End the run if a plan overloads a link whose limit was left out so far."""
        original = self._stage.original
        flows = np.vstack([plan.flow_mtok_per_h, failover_mtok_per_h(original, plan.failover_share)])
        self.overloaded_links = find_overloaded(original, flows, self._stage.watched_links)
        if self.overloaded_links.any():
            raise OverloadedError

    def _round_decisions(self, point: FloatArray) -> FloatArray:
        """Round a master point, for all days: assignments to the largest share, pods up, the rest by halves."""
        of = self._stage.of
        columns, blocks = of.columns_at(point), of.compiled.columns
        pods = blocks["NewPods"].columns
        columns[pods] = np.minimum(np.ceil(columns[pods] - 1e-6), of.compiled.upper[pods])
        members, share = blocks["Assign"].members, columns[blocks["Assign"].columns]
        assigned = np.zeros(len(share))
        for workload in np.unique(members[:, 0]):
            mine = np.flatnonzero(members[:, 0] == workload)
            assigned[mine[np.argmax(share[mine])]] = 1.0
        columns[blocks["Assign"].columns] = assigned
        out = np.zeros(len(self.compiled.cost))
        # Integer decisions are made for the year: merged days have the same ones, in the same order.
        out[self.compiled.is_integer] = columns[of.compiled.is_integer]
        return out

r"""
All plans that cost no more than a budget: the extremes of an indicator over them, found and proved.

Let :math:`B` be the budget, :math:`c` the cost and :math:`v` an indicator of a plan. Any price :math:`\mu > 0` on the
indicator gives a problem of the ordinary kind, and its proved bound :math:`\phi(\mu)` a limit: every plan within the
budget has

.. math:: v \ge \frac{\phi(\mu) - B}{\mu}, \qquad \phi(\mu) \le \min_x c(x) + \mu\, v(x)

(Lagrangian relaxation of the budget; for the most, the indicator is taken with the other sign). Prices are tried from
about what the budget allows: where the plan found costs more than the budget the price is lowered, else raised. The
plans of these solves are candidates for the extremes, and so is the best operation of each of their decisions within
the budget, one linear program. A small problem is solved as one integer program with the budget as a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from optimizer.checker.check import check_plan
from optimizer.checker.facts import PlanFacts
from optimizer.model.compile import CompiledModel, compile_model
from optimizer.near_optimal.indicators import Indicator
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.solvers.benders.cuts import WarmStart, deployed_pairs
from optimizer.solvers.columns import columns_from_plan, plan_from_columns
from optimizer.solvers.control import Control, Solution
from optimizer.solvers.fixed_integers import FixedIntegerError, FixedProgram
from optimizer.solvers.process import run_mip
from optimizer.solvers.solve import choose_method, solve_problem

# What the tolerances of solver and checker may add to a budget that a plan keeps.
BUDGET_TOLERANCE_SHARE = 1e-6

# Prices tried for one extreme of one indicator.
MOST_PRICES = 4
PRICE_STEP = 4.0
# A priced problem is solved to this share of what the slack is worth.
GAP_SHARE_OF_SLACK = 0.25
LEAST_GAP, MOST_GAP = 1e-4, 0.05

# Amounts of an objective that is an indicator are scaled to be no larger: the solver's tolerances are absolute.
LARGEST_AMOUNT = 1e3

# A limit is loosened by this share: the solver's tolerances.
LIMIT_TOLERANCE_SHARE = 1e-6


@dataclass(frozen=True, eq=False)
class KnownPlan:
    """A plan that passed the independent check, and what it costs a year."""

    plan: Plan
    cost_cny: float
    facts: PlanFacts


@dataclass
class Extreme:
    """
    The least or the most of an indicator over the plans within a budget.

    Attributes
    ----------
    found
        In the best plan found.
    limit
        Proved: no plan within the budget goes beyond; infinite where nothing is known.
    plan
        That plan.
    """

    found: float
    limit: float
    plan: KnownPlan
    sign: float  # +1 for the least, -1 for the most


@dataclass
class PlanSpace:
    """
    The plans of a problem that cost no more than a budget.

    Attributes
    ----------
    problem
        The problem.
    budget_cny
        CNY per year.
    bound_cny
        Proved: no plan costs less.
    plans
        Plans within the budget that are known; the first is the one that the budget was made from. More are added as
        they are found.
    """

    problem: PlacementProblem
    budget_cny: float
    bound_cny: float
    plans: list[KnownPlan]
    seed: int = 1
    threads: int = 1
    warm: WarmStart | None = None

    @property
    def slack_cny(self) -> float:
        """What a plan within the budget may cost more than the bound."""
        return max(self.budget_cny - self.bound_cny, 1e-9 * abs(self.budget_cny))

    def extreme(self, indicator: Indicator, sign: float, control: Control) -> Extreme:
        """
        Find and bound the least (sign +1) or the most (sign -1) of an indicator.

        Raises
        ------
        InvalidPlanError
            If a plan found fails the independent check: a fault of this program.
        """
        if choose_method(self.problem) == "whole":
            limit = self._exactly(indicator, sign, control)
        else:
            limit = self._by_prices(indicator, sign, control)
        limit = self._rounded(indicator, sign, limit)
        best = min(self.plans, key=lambda known: sign * indicator.of(known.facts))
        return Extreme(indicator.of(best.facts), limit, best, sign)

    def consider(self, plan: Plan) -> KnownPlan:
        """Check a plan, and keep it if it is within the budget."""
        report = check_plan(self.problem, plan)
        known = KnownPlan(plan, report.total_cny, PlanFacts(self.problem, plan))
        if report.is_feasible and known.cost_cny <= self.budget_cny * (1 + BUDGET_TOLERANCE_SHARE):
            self.plans.append(known)
        return known

    def _rounded(self, indicator: Indicator, sign: float, limit: float) -> float:
        """Loosen a limit by rounding, then tighten it to what the indicator can be at all."""
        low, high = indicator.limits
        own = low if sign > 0 else high
        if not math.isfinite(limit):
            return own
        loose = limit - sign * LIMIT_TOLERANCE_SHARE * max(abs(limit), 1e-6)
        if indicator.is_whole:
            loose = float(math.ceil(loose - 1e-6) if sign > 0 else math.floor(loose + 1e-6))
        return max(loose, own) if sign > 0 else min(loose, own)

    # One integer program

    @cached_property
    def compiled(self) -> CompiledModel:
        """The problem as a matrix."""
        return compile_model(self.problem)

    def within_budget(self, indicator: Indicator, sign: float) -> tuple[CompiledModel, float]:
        """Make the program whose objective is the indicator, with the budget as a row; and the size of its unit."""
        model = self.compiled
        amounts = compile_model(indicator.price(self.problem, sign).problem).cost - model.cost
        size = float(np.abs(amounts).max(initial=0.0)) / LARGEST_AMOUNT or 1.0
        unit = abs(self.budget_cny) or 1.0
        spent = sp.csr_array((model.cost / unit).reshape(1, -1))
        rows = sp.csr_array(sp.vstack([model.matrix, spent]))
        program = replace(
            model,
            cost=amounts / size,
            starts=rows.indptr.astype(np.int32),
            indices=rows.indices.astype(np.int32),
            values=rows.data,
            row_lower=np.append(model.row_lower, -np.inf),
            row_upper=np.append(model.row_upper, self.budget_cny / unit),
        )
        return program, size

    def _exactly(self, indicator: Indicator, sign: float, control: Control) -> float:
        program, size = self.within_budget(indicator, sign)
        options = {"output_flag": False, "threads": self.threads, "random_seed": self.seed, "mip_rel_gap": 1e-6}
        # Without a start: from one, HiGHS 1.16 has reported a better objective beside the start's own columns.
        outcome = run_mip(program, cny_per_cost_unit=1.0, options=options, control=control)
        for point in outcome.incumbents[-1:]:
            self._keep_operation(program, point)
        offset = indicator.price(self.problem, sign).offset_cny
        return sign * (outcome.bound_cny * size - offset)

    def _keep_operation(self, program: CompiledModel, integers: FloatArray) -> None:
        """Operate the data centers as suits the indicator best, with integers held, and keep that plan."""
        try:
            columns, _ = FixedProgram(program, integers, seed=self.seed).solve_cost()
        except FixedIntegerError:
            return
        self.consider(plan_from_columns(self.problem, self.compiled, columns))

    # Prices

    def _by_prices(self, indicator: Indicator, sign: float, control: Control) -> float:
        values = np.array([sign * indicator.of(known.facts) for known in self.plans])
        most = np.inf if sign > 0 else indicator.most_rebate(self.problem)
        price = min(self._first_price(values, indicator), most)
        low, high, limit = 0.0, np.inf, -np.inf
        for number in range(MOST_PRICES):
            if control.must_stop or not 0 < price < np.inf:
                break
            part = self._part(control, MOST_PRICES - number)
            priced = indicator.price(self.problem, sign * price)
            solution = self._solve(priced.problem, part)
            limit = max(limit, (solution.bound_cny - priced.offset_cny - self.budget_cny) / price)
            if solution.plan is None:
                break
            known = self.consider(solution.plan)
            if known.cost_cny > self.budget_cny:
                high = price
            else:
                low = price
            if low >= most:
                break
            tried = low * PRICE_STEP if high == np.inf else high / PRICE_STEP if low == 0 else math.sqrt(low * high)
            price = min(most, tried)
        if not control.must_stop:
            program, _ = self.within_budget(indicator, sign)
            best = sorted(self.plans, key=lambda known: sign * indicator.of(known.facts))[:2]
            for known in best:
                self._keep_operation(program, columns_from_plan(self.compiled, known.plan))
        return sign * limit

    def _first_price(self, values: FloatArray, indicator: Indicator) -> float:
        """Begin where the slack pays for about a fifth of what the indicator is, or for the spread that is known."""
        size = max(float(np.ptp(values)), 0.2 * float(np.abs(values).max(initial=0.0)))
        if not size:
            size = 1.0 if indicator.is_whole or not np.isfinite(indicator.limits[1]) else 0.2 * indicator.limits[1]
        return 2.0 * self.slack_cny / size

    def _part(self, control: Control, parts: int) -> Control:
        left = control.seconds_left
        until = control.seconds + left / parts if np.isfinite(left) else np.inf
        return replace(control, report=None, lines=[], time_limit_s=until)

    def _solve(self, problem: PlacementProblem, control: Control) -> Solution:
        """Solve a priced problem from the cheapest plan known, and pass on what was learned."""
        gap = min(max(GAP_SHARE_OF_SLACK * self.slack_cny / abs(self.budget_cny), LEAST_GAP), MOST_GAP)
        start = min(self.plans, key=lambda known: check_plan(problem, known.plan).total_cny).plan
        warm = self.warm if self.warm is not None else WarmStart()
        warm = replace(warm, plan=start)
        solution = solve_problem(
            problem, mip_rel_gap=gap, seed=self.seed, threads=self.threads, control=control, start=start, warm=warm
        )
        if solution.learned is not None and solution.learned.cuts:
            self.warm = WarmStart(deployed_pairs(problem, start), learned=solution.learned)
        return solution

"""The whole decisions of one case held in another: what is open, deployed and bought stays, hours and routes follow."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from optimizer.case_plan import CarriedPlan, CasePlan, describe_unknown, describe_violations, with_differences
from optimizer.check import check_plan
from optimizer.compile import CompiledModel, compile_model
from optimizer.extract import columns_from_plan, plan_from_columns
from optimizer.fixed_program import FixedProgram, PolishError
from optimizer.plan_tables import UnknownLabelError, plan_from_tables

# Tables of the hourly decisions, which are not carried over.
_HOURLY = ("allocation", "unserved", "work", "active_pods", "peaks", "failover", "failover_work")


class Redispatcher:
    """
    Holds the whole decisions of other cases in one case; its model is compiled once.

    Parameters
    ----------
    to
        The case whose problem is solved.
    seed
        Random seed of the solver.
    """

    def __init__(self, to: CasePlan, *, seed: int = 1) -> None:
        self.to, self._seed = to, seed
        self._compiled: CompiledModel | None = None
        self._last: FixedProgram | None = None

    def carry(self, plan: CasePlan) -> CarriedPlan:
        """
        Find the cheapest hours and routes for the whole decisions of a plan.

        Nothing that was bought or opened is given back, used or not.

        Parameters
        ----------
        plan
            Whose whole decisions.

        Returns
        -------
        CarriedPlan
            With its cost by the independent checker. The plan of the case itself is left as it is.
        """
        if plan is self.to:
            return CarriedPlan(plan.plan, "", plan.component_cny)
        problem = self.to.problem
        held = {name: table.head(0) if name in _HOURLY else table for name, table in plan.tables.items()}
        try:
            decisions = plan_from_tables(problem, held)
            if self._compiled is None:
                self._compiled = compile_model(problem)
            vector = columns_from_plan(self._compiled, decisions)
            program = FixedProgram(self._compiled, vector, seed=self._seed, like=self._last)
            best = plan_from_columns(problem, self._compiled, program.solve().columns)
        except UnknownLabelError as error:
            return _none(with_differences(plan, self.to, describe_unknown(error)))
        except PolishError as error:
            return _none(with_differences(plan, self.to, str(error)))
        self._last = program
        # What the solver rounds must not undo a whole decision.
        best = replace(best, new_pods=decisions.new_pods, is_open=decisions.is_open, is_deployed=decisions.is_deployed)
        report = check_plan(problem, best)
        if not report.is_feasible:
            return _none(with_differences(plan, self.to, describe_violations(report.violations)))
        return CarriedPlan(best, "", report.component_cny)


def _none(reason: str) -> CarriedPlan:
    return CarriedPlan(None, reason, pd.Series(dtype=float))

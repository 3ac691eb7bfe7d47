"""
One solve in a fresh process: plan and bound as they come, a line of JSON each, for `benchmarks.growth`.

Run as `python -m benchmarks.growth_run METHOD SCENARIO --began S ...`, where S is the monotonic clock of the machine
when the process was started: everything counts, from the start of Python on. What does not is the file by which SCIP
gets the model, since that is our way of handing it over and not its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

METHODS = {"ours": "edwc", "highs": "HiGHS", "scip": "SCIP"}
SIZE = "size"  # no solve: says how large the model is
UNKNOWN_FROM = 1e20  # what both solvers call infinite
READY, NEWS, END = "ready", "news", "end"


class _Clock:
    """Seconds that count since the process was started, and what is told at them."""

    def __init__(self, began: float, limit_s: float) -> None:
        self._began, self._limit_s = began, limit_s
        self._last: tuple[float | None, float | None] = (None, None)
        self._is_over = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float:
        return max(0.1, self._limit_s - self.seconds)

    def leave_out(self, seconds: float) -> None:
        self._began += seconds

    def tell(self, kind: str, **facts: Any) -> None:
        """Tell anything; after the end nothing more, since SCIP calls its bound improved while it is cleared away."""
        if self._is_over:
            return
        self._is_over = kind == END
        print(json.dumps({"kind": kind, "seconds": round(self.seconds, 2), **facts}), flush=True)

    def news(self, plan_cny: float, bound_cny: float) -> None:
        """Tell cost of the best plan and bound, if they are new."""
        both = tuple(float(value) if abs(value) < UNKNOWN_FROM else None for value in (plan_cny, bound_cny))
        if both != self._last:
            self._last = (both[0], both[1])
            self.tell(NEWS, plan_cny=both[0], bound_cny=both[1])


def main() -> None:
    """Solve and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth_run", description=__doc__)
    parser.add_argument("method", choices=[*METHODS, SIZE])
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--began", type=float, required=True)
    parser.add_argument("--time-limit", type=float, default=600.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gap", type=float, default=0.02)
    options = parser.parse_args()
    clock = _Clock(options.began, options.time_limit)
    if options.method != "scip":
        clock.tell(READY, left_out_s=0.0)
    run = {"ours": _ours, "highs": _highs, "scip": _scip, SIZE: _size}[options.method]
    run(_problem(options.scenario), options, clock)


def _problem(path: Path) -> Any:
    from network_data import load_network
    from optimizer.problem.assemble import assemble_problem
    from scenarios import load_scenario

    scenario = load_scenario(path)
    return assemble_problem(load_network(scenario.network), scenario)


def _size(problem: Any, options: argparse.Namespace, clock: _Clock) -> None:  # noqa: ARG001 - as the solves
    from optimizer.model.compile import compile_model

    model = compile_model(problem)
    clock.tell(END, columns=len(model.cost), rows=len(model.row_lower), nonzeros=len(model.values))


def _ours(problem: Any, options: argparse.Namespace, clock: _Clock) -> None:
    from optimizer.solvers.control import Control
    from optimizer.solvers.solve import solve_problem

    control = Control(clock.seconds_left, report=lambda line: clock.news(line.incumbent_cny, line.bound_cny))
    solution = solve_problem(problem, mip_rel_gap=options.gap, threads=options.threads, control=control)
    clock.news(solution.objective_cny, solution.bound_cny)
    clock.tell(END, status=str(solution.termination))


def _passed(problem: Any, **settings: Any) -> tuple[Any, float]:
    """Pass the whole model to HiGHS; returns it with the CNY of a unit of its objective."""
    from optimizer.model.compile import compile_model
    from optimizer.solvers.highs import new_highs, pass_model
    from optimizer.solvers.solve import CNY_PER_COST_UNIT

    highs, model = new_highs(**settings), compile_model(problem)
    pass_model(
        highs, model.matrix, cost=model.cost / CNY_PER_COST_UNIT, lower=model.lower, upper=model.upper,
        row_lower=model.row_lower, row_upper=model.row_upper, is_integer=model.is_integer,
    )  # fmt: skip
    return highs, CNY_PER_COST_UNIT


def _highs(problem: Any, options: argparse.Namespace, clock: _Clock) -> None:
    highs, unit = _passed(problem, threads=options.threads, mip_rel_gap=options.gap)

    def tell(event: Any) -> None:
        clock.news(event.data_out.mip_primal_bound * unit, event.data_out.mip_dual_bound * unit)

    highs.cbMipLogging.subscribe(tell)
    highs.cbMipImprovingSolution.subscribe(tell)
    highs.setOptionValue("time_limit", clock.seconds_left)
    highs.run()
    info = highs.getInfo()
    has_plan = info.primal_solution_status == 2  # noqa: PLR2004 - a feasible point
    clock.news((info.objective_function_value if has_plan else np.inf) * unit, info.mip_dual_bound * unit)
    clock.tell(END, status=highs.getModelStatus().name.removeprefix("k"))


def _scip(problem: Any, options: argparse.Namespace, clock: _Clock) -> None:
    import pyscipopt

    highs, unit = _passed(problem)
    model = pyscipopt.Model()
    model.hideOutput()
    with tempfile.TemporaryDirectory() as folder:
        began, path = time.monotonic(), str(Path(folder) / "model.mps")
        highs.writeModel(path)
        del highs
        model.readProblem(path)
    left_out_s = time.monotonic() - began
    clock.leave_out(left_out_s)
    clock.tell(READY, left_out_s=round(left_out_s, 2))

    class Teller(pyscipopt.Eventhdlr):
        kinds = pyscipopt.SCIP_EVENTTYPE.BESTSOLFOUND, pyscipopt.SCIP_EVENTTYPE.DUALBOUNDIMPROVED

        def eventinit(self) -> None:
            for kind in self.kinds:
                self.model.catchEvent(kind, self)

        def eventexit(self) -> None:
            for kind in self.kinds:
                self.model.dropEvent(kind, self)

        def eventexec(self, _event: Any) -> None:
            tell()

    def tell() -> None:
        bounds = (model.getPrimalbound(), model.getDualbound())
        clock.news(*(bound * unit if abs(bound) < UNKNOWN_FROM else bound for bound in bounds))

    model.includeEventhdlr(Teller(), "teller", "tells plan and bound")
    model.setParam("timing/clocktype", 2)  # wall, not CPU
    model.setParam("limits/time", clock.seconds_left)
    # Its gap is relative to the bound, ours to the plan.
    model.setParam("limits/gap", options.gap / (1 - options.gap))
    model.optimize()
    tell()
    clock.tell(END, status=model.getStatus())


if __name__ == "__main__":
    main()

"""Small problems of break-even searches: in memory, without run folders but by the real solver; and one in files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from network_files import Row
from toy_scenario import BATCH, ToyScenario

from optimizer.comparison.break_even_points import ParameterPoints, case_of
from optimizer.comparison.carried_plans import carry_plan
from optimizer.comparison.cases import REFERENCE, CaseResult, CaseStatus
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.run import Run
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.solve import solve_whole

EXACT = ("solver.method=whole", "solver.mip_rel_gap=0", "solver.threads=1")
# 100 mtok/h all year: accelerators busy for 1e6 / 4,000 / 3,600 hours per mtok, 0.7 kW above idling and 0.3 / 0.8 kW
# of pods in use at 80 %.
ENERGY_MWH = 100 * 8760 * 1e6 / 4000 / 3600 * (0.7 + 0.3 / 0.8) / 1e3
EAST_CNY, WEST_CNY = ENERGY_MWH * 1.3 * 500, ENERGY_MWH * 1.2 * 300
Make = Callable[[float], PlacementProblem]


class ToyPoints(ParameterPoints):
    """
    Solves the problems that a function makes of values of one parameter.

    With `looseness` above 0 what is handed on is true but poor, as of a solver with such a gap: bounds are lowered at
    random, and instead of the best plan one that was found for another value is given where it is within the gap.
    """

    def __init__(
        self, make: Make, reference: float, *, looseness: float = 0.0, gap: float = 0.0, max_solves: int = 60
    ) -> None:
        super().__init__(None, "toy", max_solves)  # type: ignore[arg-type] - no runner is asked
        self.make, self.reference_value, self.looseness, self.gap = make, reference, looseness, gap
        self.rng = np.random.default_rng(1)
        self.pool: list[Run] = []
        self.batches: list[list[float]] = []
        self.cases: dict[str, Run] = {}
        self._reference = self._solve(reference, REFERENCE.id)

    @property
    def reference(self) -> CaseResult:
        return self._reference

    def problem(self, value: float) -> PlacementProblem:
        return self.make(value)

    def is_stranded(self, value: float) -> bool:  # noqa: ARG002 - every workload of these keeps a route
        return False

    def tolerance_cny(self, given_cny: float | None, value: float) -> float:
        return super().tolerance_cny(0.0 if given_cny is None else given_cny, value)

    def run(self, values: Sequence[float]) -> dict[float, CaseResult]:
        self.batches.append(list(values))
        return {value: self._solve(value, case_of("toy", value).id) for value in values}

    def plan(self, result: CaseResult) -> Run | None:
        return self.cases.get(result.case.id)

    def _solve(self, value: float, name: str) -> CaseResult:
        problem = self.make(value)
        solution = solve_whole(problem, mip_rel_gap=self.gap, seed=1, threads=1, control=Control())
        case = replace(case_of("toy", value), id=name)
        if solution.termination == Termination.INFEASIBLE:
            return CaseResult(case, CaseStatus.INFEASIBLE, "no plan keeps every limit")
        assert solution.plan is not None
        best = Run.of_plan(problem, solution.plan, name=name, bound_cny_per_year=solution.bound_cny)
        cost, bound = best.checked_cost_cny, solution.bound_cny
        if self.looseness:
            carried = [carry_plan(known, best) for known in self.pool]
            near = [one.plan for one in carried if one.plan is not None and one.is_plan]
            near = [plan for plan in near if Run.of_plan(problem, plan).checked_cost_cny <= cost * (1 + self.looseness)]
            self.pool.append(best)
            bound -= abs(cost) * self.looseness * float(self.rng.random())
            if near:
                plan = near[int(self.rng.integers(len(near)))]
                best = Run.of_plan(problem, plan, name=name, bound_cny_per_year=solution.bound_cny)
        self.cases[name] = best
        info = {"objective_cny_per_year": best.checked_cost_cny, "bound_cny_per_year": bound}
        return CaseResult(case, CaseStatus.SOLVED, "", Path(), info)


def with_west_price(problem: PlacementProblem, factor: float) -> PlacementProblem:
    """Scale the energy price of the last data center."""
    prices = problem.energy_price_cny_per_mwh.copy()
    prices[:, -1] *= factor
    return replace(problem, energy_price_cny_per_mwh=prices)


def with_limit(problem: PlacementProblem, limit_ms: float) -> PlacementProblem:
    """Keep the candidates of the first class that are within a limit, and all of the others."""
    keeps = (problem.candidate_class != 0) | (problem.candidates["rtt_ms"].to_numpy(float) <= limit_ms)
    classes = problem.classes.copy()
    classes.loc[0, "rtt_limit_ms"] = limit_ms
    return replace(problem, classes=classes, candidates=problem.candidates[keeps].reset_index(drop=True))


def least_cost_cny(problem: PlacementProblem) -> float:
    """Solve to optimality; inf where there is no plan."""
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    return solution.objective_cny


def write_scenario(folder: Path, *, opening_cny: float = 0.0, **batch: object) -> Path:
    """One class of flat demand on the toy network without other costs than energy and the opening of the west."""

    def centers(rows: list[Row]) -> list[Row]:
        opening = {"dc_east": 0.0, "dc_west": opening_cny}
        return [{**r, "opening_cny_per_year": opening[r["id"]], "demand_charge_cny_per_kw_month": 0.0} for r in rows]

    def links(rows: list[Row]) -> list[Row]:
        return [{**row, "price_cny_per_gbps_month": 0.0} for row in rows]

    ToyScenario(folder)(
        tables={"data_centers": centers, "links": links},
        workload_classes={"batch": BATCH | {"share_of_tokens": 1.0} | batch},
        time={"slices_per_day": 1},
    )
    return folder / "toy.yaml"

"""Break points of an RTT limit: the least cost falls in steps, which lie at round trips of routes and nowhere else."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from network_data.faults import FaultList, suggest
from network_data.load import load_network
from optimizer.comparison.break_even_points import (
    BREAK_COLUMNS,
    RESOLUTION_SHARE,
    BreakEvenMap,
    ParameterPoints,
    case_of,
    change_columns,
    interval_row,
    interval_table,
    is_impossible,
    left_open,
    why_nothing,
)
from optimizer.comparison.cases import CaseResult, CaseStatus
from optimizer.problem.problem import PlacementProblem
from optimizer.problem.routing import fibre_graph, merge_links, second_rtt_ms
from optimizer.runs.difference import RunDifference
from optimizer.runs.run import Run
from optimizer.sensitivity.duals import ROUNDING_MS
from scenarios.load import load_scenario
from scenarios.schema import Scenario

_LIMIT = re.compile(r"workload_classes\.([a-z0-9_]+)\.rtt_limit_ms")
_POSSIBLE = "possible"


def class_of_limit(parameter: str) -> str | None:
    """Name the class whose RTT limit a parameter is; None if it is something else."""
    found = _LIMIT.fullmatch(parameter)
    return None if found is None else found[1]


def map_limits(points: ParameterPoints, low: float, high: float, *, tolerance_cny: float | None = None) -> BreakEvenMap:
    """Find the values of an RTT limit, ms, at which the cheapest plan changes; see `find_break_points`."""
    class_id = str(class_of_limit(points.parameter))
    # Checked first: to set the limit of an unknown class would define a class that lacks all other keys.
    known = load_scenario(points.runner.scenario, points.runner.overrides).workload_classes
    if class_id not in known:
        faults = FaultList("the break-even map")
        remedy = f"Name a class of the scenario.{suggest(class_id, known)}"
        faults.add("break_even", "there is no such class", remedy, column=points.parameter, value=class_id)
        faults.raise_if_any()
    scenario, problem = points.scenario(high), points.problem(high)
    values = _step_values(scenario, problem, class_id, low, high)
    # A preferring rule takes candidates away when a nearer or safer one becomes possible, so that a longer limit may
    # even cost more: nothing follows from one value for another then.
    rules = scenario.workload_classes[class_id]
    is_monotone = not rules.residency.endswith("preferred") and rules.second_route != "preferred"
    least = _least_limit(problem, class_id) if is_monotone else -math.inf
    possible = [value for value in values if value >= least]
    steps = LimitSteps(points, [low, *(possible if low < least else values)], high, class_id, is_monotone=is_monotone)
    if low < least and possible:
        steps.rule_out(0, f"below {least:.6g} ms some workload of the class reaches no data center")
    return search_steps(steps, tolerance_cny)


def _least_limit(problem: PlacementProblem, class_id: str) -> float:
    """Find the shortest limit that leaves each workload of a class a route, ms; -inf where none does."""
    mine = np.flatnonzero(problem.workloads["workload_class"].to_numpy(str) == class_id)
    nearest = problem.candidates.groupby("workload_index")["rtt_ms"].min().reindex(mine)
    return -math.inf if nearest.isna().any() else float(nearest.max())


def search_steps(steps: LimitSteps, tolerance_cny: float | None = None) -> BreakEvenMap:
    """Solve the steps that may matter, of which none is solved."""
    steps.solve([0, len(steps.values) - 1])
    tolerance = steps.points.tolerance_cny(tolerance_cny, steps.high)
    while wanted := steps.wanted(tolerance):
        if not steps.solve(wanted):
            break
    return steps.result(tolerance)


def _step_values(scenario: Scenario, problem: PlacementProblem, class_id: str, low: float, high: float) -> list[float]:
    """List the values of a limit at which its candidates change, ascending, above `low` and up to `high`, ms."""
    every = pd.concat([problem.candidates.assign(late_ms=0.0), problem.left_out])
    k = problem.workloads["workload_class"].to_numpy(str)[every["workload_index"].to_numpy(int)]
    routes = every[(k == class_id) & (every["late_ms"].to_numpy(float) <= 0)]
    found = routes["rtt_ms"].to_numpy(float)
    if scenario.workload_classes[class_id].second_route != "none":
        network = load_network(scenario.network)
        links = merge_links(network, scenario.routing, link_share=scenario.network_use.link_share)
        wanted = pd.Series(problem.routes.index.isin(routes["route_index"]), index=problem.routes.index)
        second = second_rtt_ms(fibre_graph(network, links), links, problem.routes, wanted, scenario.routing)
        found = np.concatenate([found, second])
    values = np.unique(found[(found > low) & (found <= high)])
    # Round trips that differ by rounding alone become possible together, at the longest of them.
    is_last = np.append(np.diff(values) > ROUNDING_MS, True)[: len(values)]
    return [float(value) for value in values[is_last]]


@dataclass(eq=False)
class LimitSteps:
    """The values of a limit at which something may change, and what is known of the cost from each one on."""

    points: ParameterPoints
    values: list[float]  # lower end of the range, then the step values, ms
    high: float  # upper end of the range, ms
    class_id: str
    is_monotone: bool  # whether a longer limit allows all that a shorter one does
    results: dict[int, CaseResult] = field(default_factory=dict)  # by position in `values`
    impossible: set[int] = field(default_factory=set)  # positions at which no plan is possible
    reference_value: float = math.nan  # limit in the reference, ms
    reference_cny: float = math.nan  # cost of the reference plan a year

    def __post_init__(self) -> None:
        result = self.points.reference
        case = self.points.plan(result)
        if case is None:
            return
        self.reference_cny = case.checked_cost_cny
        limits = case.problem.classes.set_index("id")["rtt_limit_ms"]
        if self.class_id in limits.index:
            self.reference_value = float(limits[self.class_id])
            if self.values[0] <= self.reference_value <= self.high:
                self.results[int(np.searchsorted(self.values, self.reference_value, side="right")) - 1] = result

    def solve(self, steps: list[int]) -> bool:
        """Solve some steps as one batch; returns whether any was solved."""
        found = self.points.solve([self.values[step] for step in steps if step not in self.results])
        for step in steps:
            if self.values[step] in found:
                result = self.results[step] = found[self.values[step]]
                if is_impossible(result) or (
                    result.status == CaseStatus.FAILED and self.points.is_stranded(self.values[step])
                ):
                    self.impossible.add(step)
        return bool(found)

    def rule_out(self, step: int, reason: str) -> None:
        """Enter a step that is known to have no plan without solving it."""
        value = self.values[step]
        self.results[step] = CaseResult(case_of(self.points.parameter, value), CaseStatus.INFEASIBLE, reason)
        self.impossible.add(step)

    def wanted(self, tolerance_cny: float) -> list[int]:
        """List the steps to solve next: the middle of each stretch on which the cost may fall, widest fall first."""
        known = sorted(self.results)
        open_cny = {(i, j): self._open_between(i, j) for i, j in itertools.pairwise(known) if j > i + 1}
        stretches = [pair for pair, most in open_cny.items() if most > tolerance_cny]
        stretches.sort(key=lambda pair: (-open_cny[pair], pair[0] - pair[1], pair[0]))
        return [(i + j) // 2 for i, j in stretches]

    def result(self, tolerance_cny: float) -> BreakEvenMap:
        """Build the map."""
        known = sorted(self.results)
        best = self._best()
        rows: list[dict[str, object]] = []
        breaks: list[dict[str, object]] = []
        open_parts = []
        before: tuple[int, Run | None, float] | None = None
        for position, step in enumerate(known):
            case, cost = best[step]
            end_step = known[position + 1] if position + 1 < len(known) else None
            end = self.high if end_step is None else self.values[end_step]
            most = self._own_open(step) if end_step is None else self._open_of(step, end_step)
            open_parts.append((self.values[step], end, most))
            if before is not None and _is_same(before[2], cost):
                rows[-1]["to"] = end
                rows[-1]["open_cny_per_year"] = max(float(str(rows[-1]["open_cny_per_year"])), most)
                continue
            costs, reference = (cost, cost), (self.reference_cny, self.reference_cny)
            rows.append(interval_row(self.values[step], end, costs, reference, case, most))
            if before is not None:
                breaks.append(self._break_point(before, (step, case, cost)))
                rows[-1]["change"] = breaks[-1]["change"]
            before = (step, case, cost)
        notes = left_open(open_parts, tolerance_cny)
        has_plan = any(result.has_plan for result in self.results.values())
        return BreakEvenMap(
            self.points.parameter,
            self.values[0],
            self.high,
            self.reference_value,
            tolerance_cny,
            interval_table(rows),
            pd.DataFrame(breaks, columns=BREAK_COLUMNS),
            self.points.table(),
            is_complete=not notes,
            notes=notes if has_plan else (*why_nothing(self.points), *notes),
        )

    def _best(self) -> dict[int, tuple[Run | None, float]]:
        """Cheapest known plan of each solved step: a plan within a limit is one within a longer limit."""
        best: dict[int, tuple[Run | None, float]] = {}
        case, cost = None, math.inf
        for step in sorted(self.results):
            result = self.results[step]
            own = self.points.plan(result)
            own_cost = math.inf if own is None else own.checked_cost_cny
            if not self.is_monotone or (own_cost < cost and not _is_same(own_cost, cost)):
                case, cost = own, own_cost
            best[step] = (case, cost)
        return best

    @property
    def _bounds(self) -> dict[int, float]:
        """Lower bound of the cost of each solved step; that of a longer limit holds for a shorter one too."""
        bounds: dict[int, float] = {}
        most = -math.inf
        for step in sorted(self.results, reverse=True):
            own = math.inf if step in self.impossible else self.results[step].bound_cny
            most = max(own, most) if self.is_monotone else own
            bounds[step] = most
        return bounds

    def _open_between(self, step: int, following: int) -> float:
        """Most by which the cost may fall between two solved steps with others between them."""
        if not self.is_monotone:
            return math.inf
        bound, (_, cost) = self._bounds[following], self._best()[step]
        return 0.0 if bound == math.inf else cost - bound

    def _own_open(self, step: int) -> float:
        return 0.0 if step in self.impossible else self._best()[step][1] - self._bounds[step]

    def _open_of(self, step: int, following: int) -> float:
        """Most that an unknown plan could save from a solved step up to the next one."""
        between = self._open_between(step, following) if following > step + 1 else 0.0
        return max(between, self._own_open(step))

    def _break_point(
        self, before: tuple[int, Run | None, float], after: tuple[int, Run | None, float]
    ) -> dict[str, object]:
        """Row of a break point; it is proved to be above each value whose bound is more than the later plan costs."""
        step, bounds = after[0], self._bounds
        known = sorted(self.results)
        last = known[known.index(step) - 1]
        if self.is_monotone:
            above = [s for s in known if s < step and bounds[s] > after[2]]
        else:
            above = [last] if bounds[last] > after[2] or bounds[step] > self._best()[last][1] else []
        least = self.values[max(above) + 1] if above else self.values[0]
        return {
            "value": self.values[step],
            "certified_low": least,
            "certified_high": self.values[step],
            "width": self.values[step] - least,
            "is_certain": bool(above),
            **_change(before[1], after[1]),
            "saving_slope_before_cny": 0.0,
            "saving_slope_after_cny": 0.0,
        }


def _change(before: Run | None, after: Run | None) -> Mapping[str, object]:
    if before is not None and after is not None:
        return change_columns(RunDifference(before, after))
    ways = ("a plan becomes possible", "no plan is possible any more")
    change, back = ways if before is None else ways[::-1]
    return {"kind": _POSSIBLE, "change": change, "change_back": back, "moved_share": math.nan}


def _is_same(first: float, second: float) -> bool:
    return first == second or math.isclose(first, second, rel_tol=RESOLUTION_SHARE, abs_tol=0.0)

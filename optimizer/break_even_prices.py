"""Break points of a price: the cost of a plan is a line over it, and new plans are sought where two lines meet."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from network_data.faults import FaultList
from optimizer.break_even_map import (
    BREAK_COLUMNS,
    RESOLUTION_SHARE,
    BreakEvenMap,
    ParameterPoints,
    change_columns,
    interval_table,
    is_impossible,
    left_open,
    plan_columns,
    why_nothing,
)
from optimizer.case_plan import CasePlan, component_costs
from optimizer.cases import CaseResult
from optimizer.cost_curve import CostCurve, CostLine
from optimizer.plan_change import plan_change
from optimizer.problem import FloatArray, PlacementProblem
from optimizer.problem_parts import PRICE_COLUMNS, PRICE_FIELDS, differs_in_prices_alone

# Where between the ends it is seen that prices are linear: no point of symmetry.
_BETWEEN = 0.381966
_LINEAR_SHARE = 1e-9
# Values nearer to each other than this share of the range are one.
_SAME_POSITION = 1e-9


def map_prices(points: ParameterPoints, low: float, high: float, *, tolerance_cny: float | None = None) -> BreakEvenMap:
    """
    Find the points of a range at which the cheapest plan changes with a price.

    Parameters
    ----------
    points
        Solves values of the price.
    low, high
        The range.
    tolerance_cny
        A plan that could save no more than this is not looked for; None = the gap that cases are solved to.

    Returns
    -------
    BreakEvenMap
        The map.

    Raises
    ------
    InputError
        If the parameter is unknown, is no price, or prices are not linear in it.
    """
    ends = points.problem(low), points.problem(high)
    _require_linear(points, ends, low, high)
    search = _Search(points, low, high, ends)
    search.take(points.solve([low, high]))
    tolerance = points.tolerance_cny(tolerance_cny, low)
    while wanted := search.wanted(tolerance):
        found = points.solve(wanted)
        search.take(found)
        if not any(result.has_plan for result in found.values()):
            break  # used up, stopped, or nothing but failures
    return search.result(tolerance)


@dataclass(eq=False)
class _Search:
    points: ParameterPoints
    low: float
    high: float
    ends: tuple[PlacementProblem, PlacementProblem]
    curve: CostCurve = field(init=False)
    plans: list[CasePlan] = field(default_factory=list)
    reference: CostLine | None = None
    reference_value: float = math.nan

    def __post_init__(self) -> None:
        result = self.points.reference
        self.curve = CostCurve(RESOLUTION_SHARE * abs(result.objective_cny) if result.has_plan else 0.0)
        case = self.points.plan(result)
        if case is None or not differs_in_prices_alone(case.problem, self.ends[0]):
            return
        self.reference = self._add(case)
        at = self._position_of(case.problem)
        if math.isfinite(at):
            self.reference_value = self.low + at * (self.high - self.low)
            self.curve.add_bound(at, result.bound_cny)

    def take(self, found: dict[float, CaseResult]) -> None:
        """Add the plans and the bounds of solved values."""
        for value, result in sorted(found.items()):
            case = self.points.plan(result)
            if case is not None:
                line = self._add(case)
                self.curve.add_bound(self._position(value), min(result.bound_cny, line.at(self._position(value))))

    def wanted(self, tolerance_cny: float) -> list[float]:
        """List the values to solve next: where plans meet and a further one could save more than the tolerance."""
        known = np.array([self._position(value) for value in self.points.solved])
        new = [u for u in self.curve.vertices if np.abs(known - u).min() > _SAME_POSITION]
        new = [u for u in new if self.curve.open_cny(u) > self._threshold_cny(u, tolerance_cny)]
        return [self.low + u * (self.high - self.low) for u in sorted(new, key=self.curve.open_cny, reverse=True)]

    def _threshold_cny(self, position: float, tolerance_cny: float) -> float:
        """
        Say how much must be open for a solve to be worth while.

        Where a limit of time ended the solves beside it short of the tolerance, another would end like them.
        """
        beside = self.curve.open_beside(position)
        return tolerance_cny + (beside if beside > tolerance_cny else 0.0)

    def result(self, tolerance_cny: float) -> BreakEvenMap:
        """Build the map."""
        pieces, curve = self.curve.pieces, self.curve
        is_impossible_at = any(is_impossible(result) for result in self.points.solved.values())
        rows = [self._interval(number) for number in range(len(pieces))]
        breaks = [self._break_point(number) for number in range(len(pieces) - 1)]
        for row, change in zip(rows[1:], breaks, strict=True):
            row["change"] = change["change"]
        gaps = [(piece.start, piece.end, max(map(curve.open_cny, (piece.start, piece.end)))) for piece in pieces]
        notes = left_open([(self._value(a), self._value(b), most) for a, b, most in gaps], tolerance_cny)
        return BreakEvenMap(
            self.points.parameter,
            self.low,
            self.high,
            self.reference_value,
            tolerance_cny,
            interval_table(rows),
            pd.DataFrame(breaks, columns=BREAK_COLUMNS),
            self.points.table(),
            is_complete=is_impossible_at or (bool(pieces) and not notes),
            notes=notes if pieces else why_nothing(self.points),
        )

    def _interval(self, number: int) -> dict[str, object]:
        piece, curve = self.curve.pieces[number], self.curve
        line, case = curve.lines[piece.line], self.plans[piece.line]
        costs = [line.at(u) for u in (piece.start, piece.end)]
        savings = [
            math.nan if self.reference is None else self.reference.at(u) - line.at(u) for u in (piece.start, piece.end)
        ]
        return {
            "from": self._value(piece.start),
            "to": self._value(piece.end),
            "cost_from_cny_per_year": costs[0],
            "cost_to_cny_per_year": costs[1],
            "saving_from_cny_per_year": savings[0],
            "saving_to_cny_per_year": savings[1],
            **plan_columns(case),
            "change": "",
            "open_cny_per_year": max(curve.open_cny(piece.start), curve.open_cny(piece.end)),
            "case": case.id,
        }

    def _break_point(self, number: int) -> dict[str, object]:
        pieces, curve = self.curve.pieces, self.curve
        before, after = pieces[number].line, pieces[number + 1].line
        least, most = curve.break_range(number)
        certified = self._value(least), self._value(most)
        slope = math.nan if self.reference is None else self.reference.slope_cny
        slopes = [(slope - curve.lines[line].slope_cny) / (self.high - self.low) for line in (before, after)]
        return {
            "value": self._value(pieces[number].end),
            "certified_low": certified[0],
            "certified_high": certified[1],
            "width": certified[1] - certified[0],
            "is_certain": least > 0.0 and most < 1.0,
            **change_columns(plan_change(self.plans[before], self.plans[after])),
            "saving_slope_before_cny": slopes[0],
            "saving_slope_after_cny": slopes[1],
        }

    def _add(self, case: CasePlan) -> CostLine:
        """Price a plan at both ends, with the independent checker."""
        costs = [float(component_costs(case.facts.at_prices(problem)).sum()) for problem in self.ends]
        line = CostLine(*costs)
        self.curve.add_line(line)
        self.plans.append(case)
        return line

    def _position(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def _value(self, position: float) -> float:
        # Not low + 1.0 * (high - low), which can miss the end by a rounding error.
        return self.high if position == 1.0 else self.low + position * (self.high - self.low)

    def _position_of(self, problem: PlacementProblem) -> float:
        """Where on the line through both ends the prices of a problem lie; NaN if they do not."""
        start, end, own = (_prices(one) for one in (*self.ends, problem))
        way = end - start
        length = float(way @ way)
        at = float((own - start) @ way) / length if length > 0 else math.nan
        return at if math.isfinite(at) and _is_close(own, start + at * way) else math.nan


def _require_linear(
    points: ParameterPoints, ends: tuple[PlacementProblem, PlacementProblem], low: float, high: float
) -> None:
    """Refuse a parameter that changes more than prices, or prices other than linearly."""
    faults = FaultList("the break-even map")
    between = points.problem(low + _BETWEEN * (high - low))
    limits = ends[0].policy
    if limits.spending_limit_cny_per_year is not None or limits.investment_limit_cny is not None:
        problem = "the scenario limits spending or investment, so that a price decides which plans are allowed"
        remedy = "Lift policy.spending_limit_cny_per_year and policy.investment_limit_cny for the map."
    elif not (differs_in_prices_alone(*ends) and differs_in_prices_alone(ends[0], between)):
        problem = "changes more than prices, so that plans of one value are no plans of another"
        remedy = "Name a price, a factor of prices, or workload_classes.CLASS.rtt_limit_ms."
    elif not _is_close(_prices(between), (1 - _BETWEEN) * _prices(ends[0]) + _BETWEEN * _prices(ends[1])):
        problem = "prices are not linear in it"
        remedy = "Name a price or a factor of prices."
    else:
        return
    faults.add("break-even", problem, remedy, column=points.parameter)
    faults.raise_if_any()


def _prices(problem: PlacementProblem) -> FloatArray:
    """All prices of a problem, one after the other."""
    tables = [getattr(problem, name)[column] for name, columns in PRICE_COLUMNS.items() for column in columns]
    parts = [*tables, *(getattr(problem, name) for name in PRICE_FIELDS)]
    return np.concatenate([np.asarray(part, dtype=np.float64).reshape(-1) for part in parts])


def _is_close(found: FloatArray, expected: FloatArray) -> bool:
    return bool(np.allclose(found, expected, rtol=_LINEAR_SHARE, atol=1e-12))

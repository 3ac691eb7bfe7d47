"""
Break-even map of a price: the cost of a plan is a line over the price, and new plans are sought where two lines meet.

Lines of plans lie above the least cost, bounds of solved points below it; together they prove where the plan changes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from network_data.faults import FaultList
from optimizer.comparison.break_even_limits import class_of_limit, map_limits
from optimizer.comparison.break_even_points import (
    BREAK_COLUMNS,
    RESOLUTION_SHARE,
    BreakEvenMap,
    ParameterPoints,
    change_columns,
    interval_row,
    interval_table,
    is_impossible,
    left_open,
    why_nothing,
)
from optimizer.comparison.carried_plans import component_costs
from optimizer.comparison.cases import CaseResult
from optimizer.comparison.runner import CaseRunner
from optimizer.problem.equivalence import PRICE_COLUMNS, PRICE_FIELDS, differs_in_prices_alone
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.runs.difference import RunDifference
from optimizer.runs.run import Run


@dataclass(frozen=True)
class _CostLine:
    """Cost of one plan over the range, CNY per year at its ends; it is linear in the price."""

    start_cny: float
    end_cny: float

    @property
    def slope_cny(self) -> float:
        """CNY per year from end to end."""
        return self.end_cny - self.start_cny

    def at(self, position: float) -> float:
        """Cost at a position, 0 = lower end, 1 = upper end."""
        return self.start_cny + self.slope_cny * position


@dataclass(frozen=True)
class _Piece:
    """The part of the range on which one plan, by its number, is the cheapest known; positions are 0 to 1."""

    line: int
    start: float
    end: float


class _CostCurve:
    """
    What is known of the least cost over a range of a price: it is concave, below every line and above every bound.

    Positions are 0 at the lower and 1 at the upper end of the range. A plan that improves on the others by no more than
    `resolution_cny` anywhere counts as one of them.
    """

    def __init__(self, resolution_cny: float = 0.0) -> None:
        self.resolution_cny = resolution_cny
        self.lines: list[_CostLine] = []
        self._bounds: dict[float, float] = {}
        self._kept: list[int] = []
        self.pieces: tuple[_Piece, ...] = ()

    def add_line(self, line: _CostLine) -> int:
        """Add a plan; returns its number."""
        self.lines.append(line)
        number = len(self.lines) - 1
        gain = max((self.upper(u) - line.at(u) for u in self.vertices), default=math.inf)
        if gain > self.resolution_cny:
            self._kept.append(number)
            self.pieces = _lower_envelope(self.lines, self._kept)
        return number

    def add_bound(self, position: float, bound_cny: float) -> None:
        """Add a lower bound of the cost at a position, inside the range or not."""
        if math.isfinite(bound_cny):
            self._bounds[position] = max(bound_cny, self._bounds.get(position, -math.inf))

    @property
    def vertices(self) -> list[float]:
        """Ends of the pieces, ascending: 0, the points where the cheapest known plan changes, 1."""
        return [0.0, *(piece.end for piece in self.pieces)] if self.pieces else []

    def upper(self, position: float) -> float:
        """Cost of the cheapest known plan at a position."""
        return min((self.lines[number].at(position) for number in self._kept), default=math.inf)

    def lower(self, position: float) -> float:
        """Proven bound at a position: the chords of the bounds lie below a concave curve."""
        hull = self._hull
        if not hull or not hull[0][0] <= position <= hull[-1][0]:
            return -math.inf
        return min(float(np.interp(position, *np.array(hull).T)), self.upper(position))

    def open_cny(self, position: float) -> float:
        """Most that an unknown plan could save at a position."""
        return self.upper(position) - self.lower(position)

    def open_beside(self, position: float) -> float:
        """Most that an unknown plan could save at the nearest positions with a bound, on either side."""
        known = sorted(u for u in self._bounds if 0.0 <= u <= 1.0)
        beside = [*[u for u in known if u <= position][-1:], *[u for u in known if u >= position][:1]]
        return max(map(self.open_cny, beside), default=0.0)

    def break_range(self, number: int) -> tuple[float, float]:
        """
        Bracket the break point after a piece, by its number: least and largest position of it.

        The slope of the least cost falls from one side of the mean of the two plans' slopes to the other where the
        curve less that slope is largest. That point lies where the lines still rise to the largest bound. An end of
        the range stands where there need be no break point inside.
        """
        before, after = self.lines[self.pieces[number].line], self.lines[self.pieces[number + 1].line]
        slope = (before.slope_cny + after.slope_cny) / 2
        vertices = np.array(self.vertices)
        height = np.array([self.upper(u) - slope * u for u in vertices])
        known = [u for u in {0.0, 1.0, *(u for u, _ in self._hull)} if 0.0 <= u <= 1.0]
        most = max(self.lower(u) - slope * u for u in known)
        peak = number + 1
        if most == -math.inf:
            return 0.0, 1.0
        most = min(most, float(height[peak]))
        return _crossing(vertices[peak::-1], height[peak::-1], most), _crossing(vertices[peak:], height[peak:], most)

    @property
    def _hull(self) -> list[tuple[float, float]]:
        """Vertices of the least concave curve above the bounds, ascending."""
        hull: list[tuple[float, float]] = []
        for point in sorted(self._bounds.items()):
            while len(hull) > 1 and _is_below(hull[-2], hull[-1], point):
                hull.pop()
            hull.append(point)
        return hull


def _lower_envelope(lines: Sequence[_CostLine], numbers: Sequence[int]) -> tuple[_Piece, ...]:
    """Find the cheapest of some lines at each position: pieces from 0 to 1, their slopes falling."""
    now, position = min(numbers, key=lambda n: (lines[n].start_cny, lines[n].slope_cny, n)), 0.0
    pieces: list[_Piece] = []
    while True:
        flatter = [n for n in numbers if lines[n].slope_cny < lines[now].slope_cny]
        crossings = [(max(_crossing_position(lines[now], lines[n]), position), lines[n].slope_cny, n) for n in flatter]
        end, _, following = min(crossings, default=(1.0, 0.0, now))
        if end >= 1.0:
            return (*pieces, _Piece(now, position, 1.0))
        if end > position:
            pieces.append(_Piece(now, position, end))
        now, position = following, end


def _crossing_position(line: _CostLine, flatter: _CostLine) -> float:
    return (flatter.start_cny - line.start_cny) / (line.slope_cny - flatter.slope_cny)


def _is_below(before: tuple[float, float], point: tuple[float, float], after: tuple[float, float]) -> bool:
    """Whether a point is on or below the chord of its neighbours."""
    share = (point[0] - before[0]) / (after[0] - before[0])
    return point[1] <= before[1] + share * (after[1] - before[1])


def _crossing(positions: FloatArray, heights: FloatArray, level: float) -> float:
    """Position at which falling heights come down to a level; the last one where they do not."""
    for (u, high), (v, low) in itertools.pairwise(zip(positions.tolist(), heights.tolist(), strict=True)):
        if low < level:
            return float(u + (v - u) * (high - level) / (high - low))
    return float(positions[-1])


# Where between the ends it is checked that prices are linear: no point of symmetry.
_BETWEEN = 0.381966
_LINEAR_SHARE = 1e-9

# Values closer to each other than this share of the range are the same.
_SAME_POSITION = 1e-9


def map_prices(
    points: ParameterPoints,
    low: float,
    high: float,
    *,
    tolerance_cny: float | None = None,
    also: Sequence[float] = (),
) -> BreakEvenMap:
    """Find the points of a range at which the cheapest plan changes with a price; see `find_break_points`."""
    ends = points.problem(low), points.problem(high)
    _require_linear(points, ends, low, high)
    search = _Search(points, low, high, ends)
    search.take(points.solve([low, high, *also]))
    tolerance = points.tolerance_cny(tolerance_cny, low)
    while wanted := search.wanted(tolerance):
        found = points.solve(wanted)
        search.take(found)
        if not any(result.has_plan for result in found.values()):
            break  # no solves left, stopped, or failures only
    return search.result(tolerance)


@dataclass(eq=False)
class _Search:
    points: ParameterPoints
    low: float
    high: float
    ends: tuple[PlacementProblem, PlacementProblem]
    curve: _CostCurve = field(init=False)
    plans: list[Run] = field(default_factory=list)
    reference: _CostLine | None = None
    reference_value: float = math.nan

    def __post_init__(self) -> None:
        result = self.points.reference
        self.curve = _CostCurve(RESOLUTION_SHARE * abs(result.objective_cny) if result.has_plan else 0.0)
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
        """How much must be open for a solve to pay: where a time limit ended the solves beside it, it ends another."""
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
        line, reference = curve.lines[piece.line], self.reference or _CostLine(math.nan, math.nan)
        return interval_row(
            self._value(piece.start),
            self._value(piece.end),
            (line.at(piece.start), line.at(piece.end)),
            (reference.at(piece.start), reference.at(piece.end)),
            self.plans[piece.line],
            max(curve.open_cny(piece.start), curve.open_cny(piece.end)),
        )

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
            **change_columns(RunDifference(self.plans[before], self.plans[after])),
            "saving_slope_before_cny": slopes[0],
            "saving_slope_after_cny": slopes[1],
        }

    def _add(self, case: Run) -> _CostLine:
        """Price a plan at both ends, with the independent checker."""
        costs = [float(component_costs(case.facts.at_prices(problem)).sum()) for problem in self.ends]
        line = _CostLine(*costs)
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
    faults.add("break_even", problem, remedy, column=points.parameter)
    faults.raise_if_any()


def _prices(problem: PlacementProblem) -> FloatArray:
    """All prices of a problem in one array."""
    tables = [getattr(problem, name)[column] for name, columns in PRICE_COLUMNS.items() for column in columns]
    parts = [*tables, *(getattr(problem, name) for name in PRICE_FIELDS)]
    return np.concatenate([np.asarray(part, dtype=np.float64).reshape(-1) for part in parts])


def _is_close(found: FloatArray, expected: FloatArray) -> bool:
    return bool(np.allclose(found, expected, rtol=_LINEAR_SHARE, atol=1e-12))


_LEAST_SOLVES = 2


def find_break_points(  # noqa: PLR0913 - options, keyword-only
    runner: CaseRunner,
    parameter: str,
    low: float,
    high: float,
    *,
    tolerance_cny: float | None = None,
    max_solves: int = 25,
    also: Sequence[float] = (),
) -> BreakEvenMap:
    """
    Find where on a range the plan changes, with integer pods and deployments.

    Parameters
    ----------
    runner
        Solves the cases; points of one generation are one batch.
    parameter
        A price, a factor of prices, or `workload_classes.CLASS.rtt_limit_ms`.
    low, high
        The range.
    tolerance_cny
        A plan that could save no more than this is not looked for, CNY per year; None = the gap that cases are
        solved to. With a gap of 0 the break points are exact to the solver's precision.
    max_solves
        Most values to solve; `BreakEvenMap.notes` say what is left open then.
    also
        Values of a price to solve with both ends.

    Returns
    -------
    BreakEvenMap
        Intervals, break points and solved points.

    Raises
    ------
    InputError
        If the range is none, or the parameter is unknown or neither a price nor an RTT limit.
    """
    faults = FaultList("the break-even map")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        faults.add("break_even", "is no range", "Give a lower and a higher finite value.", value=f"{low}:{high}")
    if max_solves < _LEAST_SOLVES:
        faults.add("break_even", "solves not even both ends", "Allow 2 or more.", column="max_solves", value=max_solves)
    if tolerance_cny is not None and not tolerance_cny >= 0:
        faults.add("break_even", "is negative", "Give 0 or more.", column="tolerance_cny", value=tolerance_cny)
    faults.raise_if_any()
    points = ParameterPoints(runner, parameter, max_solves)
    if class_of_limit(parameter) is not None:
        return map_limits(points, low, high, tolerance_cny=tolerance_cny)
    return map_prices(points, low, high, tolerance_cny=tolerance_cny, also=also)

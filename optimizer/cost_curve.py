"""Least cost over one price: lines of plans above it, bounds of solved points below it, and what the two prove."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.problem import FloatArray


@dataclass(frozen=True)
class CostLine:
    """
    Cost of one plan over the range, which is linear in the price.

    Attributes
    ----------
    start_cny, end_cny
        CNY per year at the lower and the upper end of the range.
    """

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
class Piece:
    """
    The stretch of the range on which one plan is the cheapest known.

    Attributes
    ----------
    line
        Its number.
    start, end
        Positions, 0 to 1.
    """

    line: int
    start: float
    end: float


class CostCurve:
    """
    What is known of the least cost over a range of a price: it is concave, below every line and above every bound.

    Positions are 0 at the lower and 1 at the upper end of the range.

    Parameters
    ----------
    resolution_cny
        A plan that improves on the others by no more than this anywhere is taken for one of them.
    """

    def __init__(self, resolution_cny: float = 0.0) -> None:
        self.resolution_cny = resolution_cny
        self.lines: list[CostLine] = []
        self._bounds: dict[float, float] = {}
        self._kept: list[int] = []
        self.pieces: tuple[Piece, ...] = ()

    def add_line(self, line: CostLine) -> int:
        """Add a plan; returns its number."""
        self.lines.append(line)
        number = len(self.lines) - 1
        gain = max((self.upper(u) - line.at(u) for u in self.vertices), default=math.inf)
        if gain > self.resolution_cny:
            self._kept.append(number)
            self.pieces = lower_envelope(self.lines, self._kept)
        return number

    def add_bound(self, position: float, bound_cny: float) -> None:
        """Add what the cost at a position, inside the range or not, cannot be below."""
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
        """Most that a plan not known could save at a position."""
        return self.upper(position) - self.lower(position)

    def open_beside(self, position: float) -> float:
        """Most that a plan not known could save at the nearest positions with a bound, on either side."""
        known = sorted(u for u in self._bounds if 0.0 <= u <= 1.0)
        beside = [*[u for u in known if u <= position][-1:], *[u for u in known if u >= position][:1]]
        return max(map(self.open_cny, beside), default=0.0)

    def break_range(self, number: int) -> tuple[float, float]:
        """
        Bracket the break point after a piece.

        The slope of the least cost falls from one side of the mean of the two plans' slopes to the other where the
        curve less that slope is largest. That point lies where the lines still reach the largest bound.

        Parameters
        ----------
        number
            Of the piece before it; not the last.

        Returns
        -------
        tuple
            Least and largest position; an end of the range where there need be no break point inside.
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


def lower_envelope(lines: Sequence[CostLine], numbers: Sequence[int]) -> tuple[Piece, ...]:
    """
    Find the cheapest line at each position.

    Parameters
    ----------
    lines
        All lines.
    numbers
        Those that count; at least one.

    Returns
    -------
    tuple
        Pieces from 0 to 1, their slopes falling.
    """
    now, position = min(numbers, key=lambda n: (lines[n].start_cny, lines[n].slope_cny, n)), 0.0
    pieces: list[Piece] = []
    while True:
        flatter = [n for n in numbers if lines[n].slope_cny < lines[now].slope_cny]
        crossings = [(max(_crossing_position(lines[now], lines[n]), position), lines[n].slope_cny, n) for n in flatter]
        end, _, following = min(crossings, default=(1.0, 0.0, now))
        if end >= 1.0:
            return (*pieces, Piece(now, position, 1.0))
        if end > position:
            pieces.append(Piece(now, position, end))
        now, position = following, end


def _crossing_position(line: CostLine, flatter: CostLine) -> float:
    return (flatter.start_cny - line.start_cny) / (line.slope_cny - flatter.slope_cny)


def _is_below(before: tuple[float, float], point: tuple[float, float], after: tuple[float, float]) -> bool:
    """Whether a point is on or below the chord of its neighbours."""
    share = (point[0] - before[0]) / (after[0] - before[0])
    return point[1] <= before[1] + share * (after[1] - before[1])


def _crossing(positions: FloatArray, heights: FloatArray, level: float) -> float:
    """Position where heights that fall from the first on reach a level; the last one where they do not."""
    for (u, high), (v, low) in itertools.pairwise(zip(positions.tolist(), heights.tolist(), strict=True)):
        if low < level:
            return float(u + (v - u) * (high - level) / (high - low))
    return float(positions[-1])

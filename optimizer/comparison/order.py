"""In which order cases are begun, and which of those before it each may know of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from optimizer.comparison.cases import Case

# At least so many cases run side by side, and of a long list so large a share of those begun.
_LEAST_ABREAST, _SHARE_ABREAST = 4, 1 / 8


class Place(NamedTuple):
    """A case in the order, and how many cases, from the first on, it may know of."""

    case: Case
    known: int


def order_of(cases: Sequence[Case]) -> list[Place]:
    """
    Order cases from the middle outwards, each next to one before it.

    The step from a solved neighbour is small, so that its cuts and its plan are nearly those of the case: walking to
    the ends of a sweep takes less than a search of each end on its own. A case knows of fewer than come before it, so
    that several can run side by side; but always of the same, whatever ends first. In a list without numbers the
    distance is that of places.

    Examples
    --------
    >>> [(place.case.id, place.known) for place in order_of([Case(str(number), "") for number in range(7)])]
    [('3', 0), ('2', 0), ('4', 0), ('1', 0), ('5', 1), ('0', 2), ('6', 3)]
    """
    if not cases:
        return []
    names = {name for case in cases for name in case.point}
    if names and all(set(case.point) == names for case in cases):
        points = np.array([[case.point[name] for name in sorted(names)] for case in cases])
    else:
        points = np.arange(len(cases), dtype=float)[:, None]
    points = (points - points.min(axis=0)) / np.maximum(np.ptp(points, axis=0), np.finfo(float).tiny)
    outwards = np.abs(points - np.median(points, axis=0)).sum(axis=1)
    order, distance, is_left = list[int](), np.full(len(cases), np.inf), np.ones(len(cases), np.bool_)
    while is_left.any():
        # Of those as near, the one closest to the middle; differences by rounding must not decide.
        left = np.flatnonzero(is_left)
        order.append(int(left[np.lexsort((outwards[left].round(9), distance[left].round(9)))[0]]))
        is_left[order[-1]] = False
        distance = np.minimum(distance, np.abs(points - points[order[-1]]).sum(axis=1))
    return [Place(cases[number], _known_before(position)) for position, number in enumerate(order)]


def _known_before(position: int) -> int:
    return max(0, position + 1 - max(_LEAST_ABREAST, int(position * _SHARE_ABREAST) + 1))

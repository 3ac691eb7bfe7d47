"""In which order cases are begun, and which of those before it each may know of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from optimizer.comparison.cases import Case

# At least so many cases run side by side, and of a long list so large a share of those begun.
_LEAST_ABREAST, _SHARE_ABREAST = 4, 1 / 3


class Place(NamedTuple):
    """A case in the order, and how many cases, from the first on, it may know of."""

    case: Case
    known: int


def order_of(cases: Sequence[Case]) -> list[Place]:
    """
    Order cases so that each is far from all before it.

    What is far from the reference is so solved first, and a later case has one close to it to start from. What is
    proved at the ends also bounds everything between them (see `carried_bounds`): of a sweep of several parameters the
    corners come first, and all others know of them. A case knows of fewer than come before it, so that several can run
    side by side; but always of the same, whatever ends first. In a list without numbers the distance is that of places.

    Examples
    --------
    >>> [(place.case.id, place.known) for place in order_of([Case(str(number), "") for number in range(7)])]
    [('0', 0), ('6', 0), ('3', 0), ('1', 0), ('2', 1), ('4', 2), ('5', 3)]
    """
    if not cases:
        return []
    names = {name for case in cases for name in case.point}
    is_sweep = len(names) > 1 and all(set(case.point) == names for case in cases)
    if is_sweep:
        points = np.array([[case.point[name] for name in sorted(names)] for case in cases])
    else:
        points = np.arange(len(cases), dtype=float)[:, None]
    points = (points - points.min(axis=0)) / np.maximum(np.ptp(points, axis=0), np.finfo(float).tiny)
    is_corner, is_left = np.isin(points, (0.0, 1.0)).all(axis=1), np.ones(len(cases), np.bool_)
    order, distance = list[int](), np.full(len(cases), np.inf)
    while is_left.any():
        among = is_left & is_corner if (is_left & is_corner).any() else is_left
        order.append(int(np.where(among, distance, -1.0).argmax()))
        is_left[order[-1]] = False
        # Differences by rounding must not decide.
        distance = np.minimum(distance, np.round(np.abs(points - points[order[-1]]).sum(axis=1), 9))
    corners = int(is_corner.sum()) if is_sweep else 0
    return [Place(cases[number], _known_before(position, corners)) for position, number in enumerate(order)]


def _known_before(position: int, corners: int) -> int:
    abreast = max(_LEAST_ABREAST, int(position * _SHARE_ABREAST) + 1)
    return max(0, position + 1 - abreast, corners if position >= corners else 0)

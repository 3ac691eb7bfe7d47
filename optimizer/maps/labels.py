"""
Label placement without overlaps: a greedy search over positions around each point.

Labels are placed in order of importance, each at the nearest position that covers no earlier label, no circle and
no leader line; positions without flows are better. Where a label gets a bad position, all are placed again with that
one first. This is deterministic and *proves* that no two boxes overlap, which a force-based library does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.problem.problem import FloatArray

# Left edge, bottom edge, right edge, top edge in map points.
Box = tuple[float, float, float, float]
_Leader = tuple[tuple[float, float], tuple[float, float]]
_RINGS_PT = (2.0, 6.0, 12.0, 20.0, 30.0, 42.0, 56.0, 72.0, 90.0, 110.0)
_LEADER_FROM_PT = 10.0
_CENTERED_BELOW = 0.5
_BETWEEN_LABELS_PT = 4.0
_COST_PER_FLOW_POINT = 3.0
_COST_PER_NEAR_MARKER = 4.0
_COST_PER_CROSSED_MARKER = 150.0

# Cost of a label without a place; and of a label that is placed first in another try.
_COST_OF_NONE, _COST_OF_NONE_OPTIONAL = 400.0, 25.0
_RETRY_FROM_COST, _RETRIES = 45.0, 8

# Unit vectors, best first: right, left, above, below, then the corners and what lies between.
_DIRECTIONS = tuple(
    (float(np.cos(np.radians(a))), float(np.sin(np.radians(a))), 0.4 * i)
    for i, a in enumerate(
        (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240, *(a for a in range(15, 360, 15) if a % 30))
    )
)


@dataclass(frozen=True)
class LabelRequest:
    """A text to be placed beside a marker; one that `must` be placed may stand further away, with a leader line."""

    lines: tuple[str, ...]
    x: float
    y: float
    radius: float
    width: float
    height: float
    style: str
    must: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlacedLabel:
    """A text and small notes below it, with their box; `leader` joins them to a marker further away."""

    lines: tuple[str, ...]
    style: str
    box: Box
    leader: _Leader | None
    notes: tuple[str, ...] = ()


def place_labels(
    requests: Sequence[LabelRequest],
    *,
    markers: FloatArray,
    frame: Box,
    reserved: Sequence[Box],
    flow_points: FloatArray,
) -> list[PlacedLabel]:
    """
    Place labels, most important first, so that no two boxes overlap.

    Parameters
    ----------
    markers
        (n, 3) x, y and radius of every circle, also of those without a label; a label covers none of them.
    """
    scene = _Scene(markers, frame, tuple(reserved), flow_points)
    order = list(range(len(requests)))
    best = _place_in_order(requests, order, scene)
    tried: set[int] = set()

    def total(placed: _Placement) -> tuple[float, float]:
        """Weigh labels that must be placed before all."""
        needed = sum(cost for request, cost in zip(requests, placed.costs, strict=True) if request.must)
        return needed, sum(placed.costs)

    for _ in range(_RETRIES):
        badly_off = [i for i in order if best.costs[i] >= _RETRY_FROM_COST and i not in tried]
        if not badly_off:
            break
        # The label with the worst position is placed first; that order is kept if it is better for all together.
        worst = max(badly_off, key=lambda i: (best.costs[i], -i))
        tried.add(worst)
        other_order = [worst, *(i for i in order if i != worst)]
        again = _place_in_order(requests, other_order, scene)
        if total(again) < total(best):
            best, order = again, other_order
    return [best.labels[i] for i in range(len(requests)) if i in best.labels]


@dataclass(frozen=True, eq=False)
class _Scene:
    """What labels have to avoid, and the frame that they stay in."""

    markers: FloatArray
    frame: Box
    reserved: tuple[Box, ...]
    flow_points: FloatArray


@dataclass(frozen=True, eq=False)
class _Placement:
    """The labels by position in the list of requests, and the cost of each, also of those without a place."""

    labels: dict[int, PlacedLabel]
    costs: list[float]


def _place_in_order(requests: Sequence[LabelRequest], order: Sequence[int], scene: _Scene) -> _Placement:
    taken = [*scene.reserved]
    labels, costs = {}, [0.0] * len(requests)
    for i in order:
        found = _best_place(requests[i], scene, np.array(taken, float).reshape(-1, 4))
        if found is None:
            costs[i] = _COST_OF_NONE if requests[i].must else _COST_OF_NONE_OPTIONAL
            continue
        costs[i], label = found
        labels[i] = label
        # Two labels one above the other would read as one.
        taken.append(_grow(label.box, _BETWEEN_LABELS_PT))
        if label.leader is not None:
            taken.extend(_boxes_along(*label.leader))
    return _Placement(labels, costs)


def _best_place(request: LabelRequest, scene: _Scene, taken: FloatArray) -> tuple[float, PlacedLabel] | None:
    markers = scene.markers
    best: tuple[float, PlacedLabel] | None = None
    rings = _RINGS_PT if request.must else _RINGS_PT[:3]
    for gap in rings:
        if best is not None and gap > best[0]:
            break
        for dx, dy, preference in _DIRECTIONS:
            box = _box_beside(request, dx, dy, gap)
            if not _inside(box, scene.frame) or _overlaps(box, taken) or _count_markers(box, markers):
                continue
            leader = _leader(request, box) if gap >= _LEADER_FROM_PT else None
            if leader is not None and any(_overlaps(part, taken) for part in _boxes_along(*leader)):
                continue
            cost = gap + preference + _COST_PER_FLOW_POINT * _count_inside(box, scene.flow_points)
            cost += _COST_PER_NEAR_MARKER * _count_markers(_grow(box, 3.0), markers)
            if leader is not None:
                cost += _COST_PER_CROSSED_MARKER * _crossed_markers(request, leader, markers)
            if best is None or cost < best[0]:
                best = (cost, PlacedLabel(request.lines, request.style, box, leader, request.notes))
    return best


def _box_beside(request: LabelRequest, dx: float, dy: float, gap: float) -> Box:
    """Put the box so that its edge towards the marker is `gap` away from the marker's rim."""
    away = request.radius + gap
    half_width, half_height = request.width / 2, request.height / 2
    x = request.x + dx * away + _lean(dx) * half_width
    y = request.y + dy * away + _lean(dy) * half_height
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _lean(component: float) -> float:
    """Find how far a box moves off the marker along one axis: fully, or little if that is not its side."""
    return component if abs(component) < _CENTERED_BELOW else math.copysign(1.0, component)


def _leader(request: LabelRequest, box: Box) -> _Leader:
    end = (min(max(request.x, box[0]), box[2]), min(max(request.y, box[1]), box[3]))
    x, y = end[0] - request.x, end[1] - request.y
    length = float(np.hypot(x, y)) or 1.0
    return (request.x + x / length * request.radius, request.y + y / length * request.radius), end


def _boxes_along(start: tuple[float, float], end: tuple[float, float]) -> list[Box]:
    """Cover a line with small boxes, except at its ends, so that labels avoid it."""
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    count = max(2, int(length / 3.0))
    shares = (np.arange(count) + 0.5) / count
    xs, ys = start[0] + shares * (end[0] - start[0]), start[1] + shares * (end[1] - start[1])
    return [(x - 0.8, y - 0.8, x + 0.8, y + 0.8) for x, y in zip(xs[:-1], ys[:-1], strict=True)]


def boxes_overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share area."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _grow(box: Box, by: float) -> Box:
    return (box[0] - by, box[1] - by, box[2] + by, box[3] + by)


def _overlaps(box: Box, taken: FloatArray) -> bool:
    hits = (box[0] < taken[:, 2]) & (taken[:, 0] < box[2]) & (box[1] < taken[:, 3]) & (taken[:, 1] < box[3])
    return bool(hits.any())


def _count_markers(box: Box, markers: FloatArray) -> int:
    x = np.clip(markers[:, 0], box[0], box[2])
    y = np.clip(markers[:, 1], box[1], box[3])
    return int((np.hypot(markers[:, 0] - x, markers[:, 1] - y) < markers[:, 2]).sum())


def _crossed_markers(request: LabelRequest, leader: _Leader, markers: FloatArray) -> int:
    """Count the markers under a leader line, without the label's own."""
    start, along = np.array(leader[0]), np.subtract(leader[1], leader[0])
    squared = float(along @ along) or 1.0
    share = np.clip((markers[:, :2] - start) @ along / squared, 0.0, 1.0)
    nearest = start + share[:, None] * along
    apart = np.hypot(markers[:, 0] - nearest[:, 0], markers[:, 1] - nearest[:, 1])
    own = np.hypot(markers[:, 0] - request.x, markers[:, 1] - request.y) < request.radius
    return int(((apart < markers[:, 2]) & ~own).sum())


def _count_inside(box: Box, points: FloatArray) -> int:
    x, y = points.T
    return int(((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])).sum())

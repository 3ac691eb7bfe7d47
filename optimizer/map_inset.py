"""An inset for where places crowd: a part of the map at a larger scale, in a corner that holds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from optimizer.map_labels import Box, boxes_overlap
from optimizer.map_projection import View

FloatArray = npt.NDArray[np.float64]

FACTOR = 3.0
_WIDTH_SHARE, _ASPECT = 0.33, 1.25
_MARGIN_PT, _ABOVE_SCALE_BAR_PT = 8.0, 6.0
# Fewer places, or places with more room around each, can be told apart without it.
_LEAST_PLACES = 8
_LEAST_CROWDED = 3
_CROWDED_PT = 14.0


@dataclass(frozen=True)
class Inset:
    """
    A part of a map that is drawn again, larger.

    Attributes
    ----------
    box
        Left, bottom, right and top of the inset, points of the map.
    source
        The same of what it shows.
    view
        What it shows, metres of the projection.
    """

    box: Box
    source: Box
    view: View


def find_inset(
    places: FloatArray, line_points: FloatArray, frame: Box, reserved: Sequence[Box], view: View
) -> Inset | None:
    """
    Find where places crowd and a corner that is free.

    Parameters
    ----------
    places
        (n, 2) points of places on the map.
    line_points
        (n, 2) points along lines.
    frame
        Window of the map, points.
    reserved
        Boxes that the inset may not cover.
    view
        The map's window, metres of the projection.

    Returns
    -------
    Inset or None
        None where nothing crowds, or no corner is free.
    """
    width = _WIDTH_SHARE * (frame[2] - frame[0])
    height = width / _ASPECT
    source = _crowd(places, width / FACTOR, height / FACTOR, frame)
    if source is None:
        return None
    taken = np.concatenate([places, line_points])
    for box in _corners(frame, width, height, reserved):
        is_free = not any(boxes_overlap(box, other) for other in (*reserved, source))
        if is_free and not _inside(box, taken).any():
            # The frame is inset by a margin that the view has not.
            per_point = (view.x_max - view.x_min) / (frame[2] + frame[0])
            xs, ys = (
                (view.x_min + x * per_point for x in source[::2]),
                (view.y_min + y * per_point for y in source[1::2]),
            )
            return Inset(box, source, View(*xs, *ys))
    return None


def _crowd(places: FloatArray, width: float, height: float, frame: Box) -> Box | None:
    """Find the window that holds most places; None where they have room."""
    best: tuple[int, FloatArray] | None = None
    for x, y in places:
        # Each place in turn is the window's lower left corner, or nearly.
        for left, bottom in ((x - 0.1 * width, y - 0.1 * height), (x - 0.5 * width, y - 0.5 * height)):
            inside = places[_inside((left, bottom, left + width, bottom + height), places)]
            if best is None or len(inside) > best[0]:
                best = (len(inside), inside)
    if best is None or best[0] < _LEAST_PLACES:
        return None
    distance = np.hypot(*(best[1][:, None] - best[1][None]).transpose(2, 0, 1))
    crowded = ((distance < _CROWDED_PT).sum(axis=1) > _LEAST_CROWDED - 1).sum()
    if crowded < _LEAST_CROWDED:
        return None
    x, y = (best[1].min(axis=0) + best[1].max(axis=0)) / 2
    left = min(max(x - width / 2, frame[0]), frame[2] - width)
    bottom = min(max(y - height / 2, frame[1]), frame[3] - height)
    return (float(left), float(bottom), float(left + width), float(bottom + height))


def _corners(frame: Box, width: float, height: float, reserved: Sequence[Box]) -> list[Box]:
    left, right = frame[0] + _MARGIN_PT, frame[2] - _MARGIN_PT - width
    bottom, top = frame[1] + _MARGIN_PT, frame[3] - _MARGIN_PT - height
    above = max((box[3] for box in reserved), default=bottom) + _ABOVE_SCALE_BAR_PT
    corners = [(left, above), (left, top), (right, bottom), (right, top)]
    return [(x, y, x + width, y + height) for x, y in corners]


def _inside(box: Box, points: FloatArray) -> npt.NDArray[np.bool_]:
    x, y = points[:, 0], points[:, 1]
    return np.asarray((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3]))


def is_inside(box: Box, x: float, y: float) -> bool:
    """
    Tell whether a point lies in a box.

    Parameters
    ----------
    box
        The box.
    x, y
        The point.

    Returns
    -------
    bool
        Whether it does.
    """
    return bool(_inside(box, np.array([[x, y]]))[0])

"""The map of what changes from one run to another: what data centers and links carry more or less, what moves where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection, PolyCollection

from optimizer.drawing.colours import LESS, MORE, OTHER_COLOUR
from optimizer.drawing.words import Words
from optimizer.maps.canvas import Canvas
from optimizer.maps.flows import stop_positions
from optimizer.maps.places import Marker, Panel
from optimizer.maps.theme import Drawn, Scene, Theme, center_radius, list_costs, points_along, width_scale
from optimizer.near_optimal.moves import must_move_share
from optimizer.numbers import format_percent
from optimizer.problem.problem import FloatArray
from optimizer.runs.difference import LEAST_DIFFERENCE_SHARE, RunDifference
from optimizer.units import TOKENS_PER_MTOK

_MOVED = "#3A3A3A"
_WIDEST_LINK_PT, _THINNEST_LINK_PT, _WIDEST_MOVE_PT, _THINNEST_MOVE_PT = 11.0, 0.7, 7.0, 1.0
_MOST_MOVES = 8
_BULGE, _CURVE_POINTS = 0.17, 24
_UNCHANGED_RADIUS_PT = 3.0
_DASHES = (0, (2.2, 1.1))
_ARROW_COUNTS_PT = 40.0  # for labels an arrow is so much wider than it is: dark text on it cannot be read
_LEAST_DRAWN_SHARE = 1e-4
_LEAST_WRITTEN_SHARE = 1e-3

# Of the largest change; smaller ones are labelled where there is room beside them.
_LABELLED_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class _Changes:
    """What of a difference is drawn, at which scales, and the least change that counts (mtok a day)."""

    centers: pd.Series
    links: pd.DataFrame
    moves: pd.DataFrame
    largest: float
    least: float
    radius: Callable[[float], float]
    link_width: Callable[[float], float]
    move_width: Callable[[float], float]


def _select(difference: RunDifference) -> _Changes:
    centers = difference.data_centers["change_mtok_per_day"].abs()
    largest = float(centers.max()) if len(centers) else 0.0
    least = LEAST_DIFFERENCE_SHARE * difference.total_mtok_per_day
    links = difference.links[difference.links["change_mtok_per_day"].abs() > least]
    moves = difference.net_moves
    moves = moves[moves["mtok_per_day"] > _LEAST_DRAWN_SHARE * difference.total_mtok_per_day].head(_MOST_MOVES)
    return _Changes(
        centers,
        links,
        moves,
        largest,
        least,
        center_radius(largest),
        width_scale(links["change_mtok_per_day"].abs(), _WIDEST_LINK_PT, _THINNEST_LINK_PT),
        width_scale(moves["mtok_per_day"], _WIDEST_MOVE_PT, _THINNEST_MOVE_PT),
    )


def difference_theme(scene: Scene, difference: RunDifference) -> Theme:
    """Build the theme of the difference of two runs; the scene is of the later one."""
    words, changes = scene.words, _select(difference)

    def draw(canvas: Canvas) -> Drawn:
        scene.draw_fibre(canvas)
        bands = _draw_links(canvas, difference, changes)
        markers = {
            row["id"]: _mark(row | difference.data_centers.loc[row["id"]].to_dict(), at, name, changes, words)
            for row, at, name in scene.centers(scene.run.data_centers.assign(amount=changes.centers), "amount")
        }
        curves = _draw_moves(canvas, difference, changes, {place: mark.radius for place, mark in markers.items()})
        return Drawn(*scene.draw_places(canvas, markers.values()), points_along([*bands, *curves]))

    def key(panel: Panel) -> None:
        if not difference.has_same_plan:
            _explain(panel, changes, scene)
            must = must_move_share(difference.before.ranges, difference.after.ranges)
            panel.note("key.must_open") if must is None else panel.note("key.must_move", share=format_percent(must))
        panel.table("key.cost_change", _costs(difference, words), complete=True)
        after, before = (run.info.get("mip_rel_gap") for run in (difference.after, difference.before))
        if not difference.has_same_plan and isinstance(after, int | float) and isinstance(before, int | float):
            panel.note("key.gap_note", after=format_percent(after), before=format_percent(before))

    banner: tuple[str, ...] = ()
    if difference.has_same_plan:
        banner = (words("same.first"), words("same.second" if difference.has_same_cost else "same.cost"))
    return Theme(words("title.difference"), _numbers(difference, words), draw, key, banner=banner)


def _explain(panel: Panel, changes: _Changes, scene: Scene) -> None:
    panel.heading("key.center_change")
    panel.disc("key.grew", MORE)
    panel.disc("key.shrank", LESS)
    panel.disc("key.unchanged", OTHER_COLOUR, _UNCHANGED_RADIUS_PT)
    if changes.largest > changes.least:
        panel.circles("key.change_tokens", changes.largest, changes.radius, scene.tokens)
    if len(changes.links):
        panel.heading("key.link_change")
        panel.line("key.link_more", MORE, 5.0)
        panel.line("key.link_less", LESS, 5.0, _DASHES)
        panel.widths(float(changes.links["change_mtok_per_day"].abs().max()), changes.link_width, scene.tokens)
    if len(changes.moves):
        panel.heading("key.moves")
        panel.widths(float(changes.moves["mtok_per_day"].max()), changes.move_width, scene.tokens, _MOVED)
        panel.note("key.moves_note", count=len(changes.moves))


def _mark(row: dict[str, Any], at: tuple[float, float], name: str, changes: _Changes, words: Words) -> Marker:
    amount = float(row["change_mtok_per_day"])
    word = words("note.opened") if row["is_opened"] else words("note.closed") if row["is_closed"] else ""
    if abs(amount) <= changes.least and not word:
        return Marker(*at, _UNCHANGED_RADIUS_PT, face=OTHER_COLOUR)
    note = words.signed(amount * TOKENS_PER_MTOK)
    if word:
        note = words("note.change", amount=note, word=word)
    face = MORE if amount > 0 else LESS
    must = bool(word) or abs(amount) >= _LABELLED_SHARE * changes.largest
    return Marker(*at, changes.radius(abs(amount)), name, face=face, notes=(note,), must=must)


def _draw_links(canvas: Canvas, difference: RunDifference, changes: _Changes) -> list[tuple[FloatArray, float]]:
    """Draw what links carry more or less, the largest change at the bottom."""
    positions = {**stop_positions(difference.before), **stop_positions(difference.after)}
    rows = changes.links["change_mtok_per_day"].reset_index()
    rows = rows.sort_values("change_mtok_per_day", key=lambda change: -change.abs(), kind="stable")
    bands = []
    for order, (start, end, change) in enumerate(rows.itertuples(index=False)):
        line = canvas.geodesic(positions[start], positions[end])
        bands.append((line, changes.link_width(abs(change))))
        band = LineCollection([line], linewidths=bands[-1][1], colors=MORE, alpha=0.8, zorder=2.5 + 1e-4 * order)
        band.set_capstyle("round")
        if change < 0:
            band.set(color=LESS, linestyles=[_DASHES], capstyle="butt")
        canvas.axes.add_collection(band)
    return bands


def _draw_moves(
    canvas: Canvas, difference: RunDifference, changes: _Changes, radii: dict[str, float]
) -> list[tuple[FloatArray, float]]:
    """Draw arrows from the data centers that lose tokens to those that take them over."""
    places = difference.after.data_centers
    curves = []
    for source, target, amount in changes.moves[::-1].itertuples(index=False):
        start, end = (
            np.array(canvas.place(*places.loc[place, ["longitude_deg", "latitude_deg"]].to_numpy(float)))
            for place in (source, target)
        )
        size = changes.move_width(amount)
        curve = _curve(start, end, radii[source] + 1.0, radii[target] + 3.0)
        if curve is None:
            continue
        line, head = _arrow(curve, size)
        for colour, extra, order in (("white", 2.0, 3.2), (_MOVED, 0.0, 3.3)):
            shaft = LineCollection([line], colors=colour, linewidths=size + extra, capstyle="butt", zorder=order)
            tip = PolyCollection([head], facecolors=colour, edgecolors=colour, linewidths=extra, zorder=order)
            canvas.axes.add_collection(shaft)
            canvas.axes.add_collection(tip)
        curves.append((curve, size + _ARROW_COUNTS_PT))
    return curves


def _curve(start: FloatArray, end: FloatArray, trim_start: float, trim_end: float) -> FloatArray | None:
    """Bend a line to the right of its direction and cut off what lies under the circles at its ends."""
    along = end - start
    length = float(np.hypot(*along))
    if length <= trim_start + trim_end + 6.0:
        return None
    middle = (start + end) / 2 + _BULGE * np.array([along[1], -along[0]])
    first, last = trim_start / length, 1 - trim_end / length
    t = np.linspace(first, last, _CURVE_POINTS)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end, float)


def _arrow(curve: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Split a curve into shaft and head; a short one gets a small head."""
    steps = np.hypot(*np.diff(curve, axis=0).T)
    to_tip = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    length = min(5.0 + 1.6 * width, 0.6 * float(to_tip[0]))
    half = min(2.5 + 0.9 * width, 0.6 * length)
    base = np.array([np.interp(-length, -to_tip, curve[:, i]) for i in (0, 1)])
    along = (curve[-1] - base) / max(float(np.hypot(*(curve[-1] - base))), 1e-9)
    across = np.array([-along[1], along[0]])
    # The shaft ends a little within the head, so that no gap shows.
    shaft = np.vstack([curve[to_tip > length], base + 0.2 * length * along])
    return shaft, np.array([curve[-1], base + half * across, base - half * across])


def _costs(difference: RunDifference, words: Words) -> list[tuple[str, str]]:
    changes = difference.costs["change_cny_per_year"]
    least = LEAST_DIFFERENCE_SHARE * float(difference.costs["before_cny_per_year"].abs().sum())
    rows = list_costs(changes[changes.abs() > least], words, words.signed)
    return [*rows, (words("key.total"), words.signed(difference.cost_change_cny_per_year))] if rows else []


def _numbers(difference: RunDifference, words: Words) -> tuple[str, ...]:
    total = difference.total_mtok_per_day
    served = float(difference.data_centers["change_mtok_per_day"].sum())
    change = words.signed(difference.cost_change_cny_per_year)
    cost = words("numbers.cost_same") if difference.has_same_cost else words("numbers.cost_change", amount=change)
    if difference.has_same_plan:
        return (words("numbers.same"), cost)
    # Of the first plan's tokens, as in the tables of a comparison.
    first = float(difference.data_centers["before_mtok_per_day"].sum()) or total
    amount, share = words.amount(difference.moved_mtok_per_day * TOKENS_PER_MTOK), difference.moved_mtok_per_day / first
    percent = "<0.1%" if 0 < share < _LEAST_WRITTEN_SHARE else format_percent(share)
    parts = [words("numbers.moved", amount=amount, share=percent), cost]
    if difference.retimed_mtok_per_day > _LEAST_DRAWN_SHARE * total:
        amount = words.amount(difference.retimed_mtok_per_day * TOKENS_PER_MTOK)
        parts.append(words("numbers.retimed", amount=amount))
    if abs(served) > _LEAST_DRAWN_SHARE * total:
        parts.append(words("numbers.tokens_change", amount=words.signed(served * TOKENS_PER_MTOK)))
    for key, column in (("numbers.opened", "is_opened"), ("numbers.closed", "is_closed")):
        count = int(difference.data_centers[column].sum())
        if count:
            parts.append(words(key, count=count))
    return tuple(parts)

"""
The maps of data centers by what their energy costs and what it emits.

The map of what changes from one run to another: what grew, what shrank, what moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection, PolyCollection

from network_data.faults import FaultList
from optimizer.drawing.style import INK, OTHER_COLOUR, PALETTE
from optimizer.drawing.words import Words
from optimizer.maps.canvas import Canvas
from optimizer.maps.flows import stop_positions
from optimizer.maps.places import (
    BROWNS,
    FIBRE_COLOUR,
    LARGEST_CENTER_RADIUS_PT,
    PURPLES,
    SMALLEST_CENTER_RADIUS_PT,
    Classes,
    Marker,
    Panel,
    cross,
    draw_markers,
    fit_classes,
    radius_scale,
)
from optimizer.maps.theme import (
    Drawn,
    FloatArray,
    PlaceNames,
    Theme,
    draw_fibre,
    format_tokens,
    hub_markers,
    hub_scale,
    points_along,
    ranked,
)
from optimizer.runs.difference import LEAST_DIFFERENCE_SHARE, RunDifference
from optimizer.runs.run import Run
from optimizer.units import TOKENS_PER_MTOK

_KG_PER_T, _G_PER_KG = 1e3, 1e3
_UNUSED_RADIUS_PT = 5.0
_LISTED = 8


@dataclass(frozen=True, eq=False)
class _Subject:
    """What a map of data centers shows: an amount by area and a rate by colour, with their spelling."""

    table: pd.DataFrame
    palette: tuple[str, ...]
    format_rate: Callable[[float], str]
    note: Callable[[float, float], str]


def price_theme(run: Run, names: PlaceNames, words: Words) -> Theme:
    """
    Say how the energy prices of a run's data centers are drawn, with the demand of the hubs.

    Raises
    ------
    InputError
        If the run does not store prices.
    """
    _check_columns(run, ("energy_mwh_per_year", "mean_price_cny_per_mwh"))
    centers = run.data_centers
    unused_price = _mean_prices(run).reindex(centers.index)
    paid = centers["mean_price_cny_per_mwh"].where(centers["energy_mwh_per_year"] > 0)
    table = centers.assign(amount=centers["energy_mwh_per_year"], rate=paid.fillna(unused_price))
    energy = float(centers["energy_mwh_per_year"].sum())
    subject = _Subject(
        table, BROWNS, lambda price: f"{price:,.6g}", lambda _, price: words("note.price", price=f"{price:,.0f}")
    )
    numbers = []
    if energy > 0:
        mean = float((centers["energy_mwh_per_year"] * paid.fillna(0.0)).sum()) / energy
        numbers = [
            words("numbers.mean_price", price=f"{mean:,.0f}"),
            words("numbers.price_range", low=f"{paid.min():,.0f}", high=f"{paid.max():,.0f}"),
            words("numbers.energy", amount=words.amount(energy)),
        ]

    def key(panel: Panel, radius: Callable[[float], float], largest: float) -> None:
        panel.note(words("key.price_paid_note"))
        if unused_price[~centers["is_open"].astype(bool)].notna().any():
            panel.note(words("key.price_unused_note"))
        _circles(panel, words("key.energy"), largest, radius)
        largest_hub, hub_radius = hub_scale(run)
        if largest_hub > 0:
            panel.heading(words("key.hub_tokens"))
            panel.circles(largest_hub, hub_radius, format_tokens(words), hollow=True)

    return _theme(run, names, words, subject, ("price", tuple(numbers), key))


def carbon_theme(run: Run, names: PlaceNames, words: Words) -> Theme:
    """
    Say how the emissions of a run's data centers are drawn.

    Raises
    ------
    InputError
        If the run does not store emissions.
    """
    _check_columns(run, ("energy_mwh_per_year", "carbon_t_per_year"))
    centers = run.data_centers
    energy = centers["energy_mwh_per_year"].where(centers["energy_mwh_per_year"] > 0)
    # Tonnes per MWh are kilograms per kWh.
    table = centers.assign(amount=centers["carbon_t_per_year"], rate=centers["carbon_t_per_year"] / energy)
    subject = _Subject(
        table, PURPLES, lambda rate: f"{rate:.3g}", lambda amount, _: words("note.carbon", amount=words.amount(amount))
    )
    carbon_t, mtok = float(centers["carbon_t_per_year"].sum()), float(centers["mtok_per_year"].sum())
    numbers = [words("numbers.carbon", amount=words.amount(carbon_t))]
    if float(energy.sum()) > 0 and mtok > 0:
        numbers.append(words("numbers.intensity", amount=f"{carbon_t / float(energy.sum()):.3g}"))
        grams = carbon_t * _KG_PER_T * _G_PER_KG / mtok
        numbers.append(words("numbers.per_mtok", amount=f"{grams:.3g}"))
        if "green_power_share" in centers:
            green = float((centers["green_power_share"] * energy).sum() / energy.sum())
            numbers.append(words("numbers.green", share=f"{green:.0%}"))

    def key(panel: Panel, radius: Callable[[float], float], largest: float) -> None:
        panel.note(words("key.carbon_note"))
        _circles(panel, words("key.emissions"), largest, radius)
        rows = [
            (names.data_centers[str(row["id"])], words.amount(float(row["amount"])))
            for row in _ranked(table)
            if row["amount"] > 0
        ]
        panel.cross(words("key.center_unused"))
        panel.line(words("key.fibre"), FIBRE_COLOUR, 0.8)
        panel.table(words("key.emitters"), rows[:_LISTED])

    return _theme(run, names, words, subject, ("carbon", tuple(numbers), key))


_Key = Callable[[Panel, Callable[[float], float], float], None]


def _theme(
    run: Run, names: PlaceNames, words: Words, subject: _Subject, parts: tuple[str, tuple[str, ...], _Key]
) -> Theme:
    kind, numbers, key_below = parts
    table = subject.table
    rates = tuple(table["rate"].dropna().astype(float))
    classes = fit_classes(rates, subject.palette)
    largest = float(table["amount"].max())
    radius = radius_scale(largest, LARGEST_CENTER_RADIUS_PT, SMALLEST_CENTER_RADIUS_PT)
    hub_radius = hub_scale(run)[1] if kind == "price" else None

    def draw(canvas: Canvas) -> Drawn:
        lines = draw_fibre(canvas, run.links)
        markers = [_marker(row, names, classes, radius, subject) for row in _ranked(table)]
        hubs = hub_markers(run, names, hub_radius)
        requests, circles = draw_markers(canvas, [*markers, *hubs], words.lang)
        return Drawn(requests, circles, points_along((line, 0.8) for line in lines))

    def key(panel: Panel) -> None:
        if classes is not None:
            panel.heading(words("key.price" if kind == "price" else "key.intensity"))
            panel.classes(classes, rates, subject.format_rate)
        key_below(panel, radius, largest)
        if kind == "price":
            if table["rate"].isna().any():
                panel.cross(words("key.center_unused"))
            panel.line(words("key.fibre"), FIBRE_COLOUR, 0.8)

    return Theme(words(f"title.{kind}"), numbers, draw, key, None if classes is None else (classes, rates))


def _marker(
    row: dict[str, Any], names: PlaceNames, classes: Classes | None, radius: Callable[[float], float], subject: _Subject
) -> Marker:
    at = row["longitude_deg"], row["latitude_deg"]
    name, rate, amount = names.data_centers[str(row["id"])], float(row["rate"]), float(row["amount"])
    if math.isnan(rate) or classes is None:
        return cross(*at)
    colour = classes.colour_of(rate)
    note = (subject.note(amount, rate),)
    if amount > 0:
        return Marker(*at, radius(amount), name, face=colour, edge=INK, notes=note)
    return Marker(*at, _UNUSED_RADIUS_PT, name, style="open", face=colour, edge=INK, notes=note, must=False)


def _ranked(table: pd.DataFrame) -> list[dict[str, Any]]:
    return ranked(table, "amount")


def _circles(panel: Panel, heading: str, largest: float, radius: Callable[[float], float]) -> None:
    if largest > 0:
        panel.heading(heading)
        panel.circles(largest, radius, panel.words.amount, hollow=False)


def _mean_prices(run: Run) -> pd.Series:
    """Mean price at each data center over all hours, used or not; empty in runs of older versions."""
    if not run.has_slice_tables:
        return pd.Series(dtype=float)
    slices = run.slice_tables["data_centers_by_slice"]
    if "price_cny_per_mwh" not in slices:
        return pd.Series(dtype=float)
    weighted = slices.assign(cost=slices["price_cny_per_mwh"] * slices["weight_h"])
    sums = weighted.groupby("data_center")[["cost", "weight_h"]].sum()
    means: pd.Series = sums["cost"] / sums["weight_h"]
    return means


def _check_columns(run: Run, columns: tuple[str, ...]) -> None:
    faults = FaultList(f"run folder {run.folder}")
    for column in columns:
        if column not in run.data_centers:
            faults.add("data_centers.parquet", "a column is missing", "Solve again with this version.", column=column)
    faults.raise_if_any()


# Blue and orange stay apart for colour-blind readers; signs in the labels and dashes on links say the same in grey.
GREW, SHRANK = PALETTE[2], PALETTE[0]
_MOVED = "#3A3A3A"
_WIDEST_LINK_PT, _THINNEST_LINK_PT, _WIDEST_MOVE_PT, _THINNEST_MOVE_PT = 11.0, 0.7, 7.0, 1.0
_MOST_MOVES = 8
_BULGE, _CURVE_POINTS = 0.17, 24
_UNCHANGED_RADIUS_PT = 3.0
_DASHES = (0, (2.2, 1.1))
_LEAST_DRAWN_SHARE = 1e-4
_LEAST_SPELLED_SHARE = 1e-3

# Of the largest change; smaller ones are labelled where there is room beside them.
_TOLD_SHARE = 0.02


@dataclass(frozen=True)
class _Told:
    """From which change on, mtok a day, one counts as a change, and its label is led away rather than given up."""

    least: float
    surely: float


@dataclass(frozen=True, eq=False)
class _Shown:
    """What of a difference is drawn, and at which scales."""

    centers: pd.Series
    links: pd.DataFrame
    moves: pd.DataFrame
    largest: float
    radius: Callable[[float], float]
    link_width: Callable[[float], float]
    move_width: Callable[[float], float]
    told: _Told


def _shown(difference: RunDifference) -> _Shown:
    centers = difference.data_centers["change_mtok_per_day"].abs()
    largest = float(centers.max()) if len(centers) else 0.0
    least = LEAST_DIFFERENCE_SHARE * difference.total_mtok_per_day
    links = difference.links[difference.links["change_mtok_per_day"].abs() > least]
    moves = difference.net_moves
    moves = moves[moves["mtok_per_day"] > _LEAST_DRAWN_SHARE * difference.total_mtok_per_day].head(_MOST_MOVES)
    return _Shown(
        centers,
        links,
        moves,
        largest,
        radius_scale(largest, LARGEST_CENTER_RADIUS_PT, SMALLEST_CENTER_RADIUS_PT),
        _scale(links["change_mtok_per_day"].abs(), _WIDEST_LINK_PT, _THINNEST_LINK_PT),
        _scale(moves["mtok_per_day"], _WIDEST_MOVE_PT, _THINNEST_MOVE_PT),
        _Told(least, _TOLD_SHARE * largest),
    )


def difference_theme(difference: RunDifference, names: PlaceNames, words: Words) -> Theme:
    """Say how the difference of two runs is drawn."""
    run, changes = difference.after, difference.data_centers
    shown = _shown(difference)

    def draw(canvas: Canvas) -> Drawn:
        draw_fibre(canvas, run.links)
        bands = _draw_links(canvas, difference, shown.links, shown.link_width)
        rows = ranked(run.data_centers.assign(amount=shown.centers), "amount")
        markers = [
            _difference_marker(row | changes.loc[row["id"]].to_dict(), names.data_centers[row["id"]], shown, words)
            for row in rows
        ]
        radii = {row["id"]: marker.radius for row, marker in zip(rows, markers, strict=True)}
        curves = _draw_moves(canvas, difference, shown.moves, shown.move_width, radii)
        requests, circles = draw_markers(canvas, [*markers, *hub_markers(run, names)], words.lang)
        return Drawn(requests, circles, points_along([*bands, *curves]))

    def key(panel: Panel) -> None:
        if not difference.has_same_plan:
            _explain(panel, shown, words)
        panel.table(words("key.cost_change"), _costs(difference, words), whole=True)
        gaps = [run.info.get("mip_rel_gap") for run in (difference.after, difference.before)]
        if not difference.has_same_plan and all(isinstance(gap, int | float) for gap in gaps):
            panel.note(words("key.gap_note", after=f"{gaps[0]:.1%}", before=f"{gaps[1]:.1%}"))

    banner: tuple[str, ...] = ()
    if difference.has_same_plan:
        banner = (words("same.first"), words("same.second" if difference.has_same_cost else "same.cost"))
    return Theme(words("title.difference"), _difference_numbers(difference, words), draw, key, banner=banner)


def _explain(panel: Panel, shown: _Shown, words: Words) -> None:
    write = format_tokens(words)
    panel.heading(words("key.center_change"))
    panel.disc(words("key.grew"), GREW, "white")
    panel.disc(words("key.shrank"), SHRANK, "white")
    panel.disc(words("key.unchanged"), OTHER_COLOUR, "white", _UNCHANGED_RADIUS_PT)
    if shown.largest > shown.told.least:
        panel.heading(words("key.change_tokens"))
        panel.circles(shown.largest, shown.radius, write, hollow=False)
    if len(shown.links):
        panel.heading(words("key.link_change"))
        panel.line(words("key.link_more"), GREW, 5.0)
        panel.line(words("key.link_less"), SHRANK, 5.0, _DASHES)
        panel.widths(float(shown.links["change_mtok_per_day"].abs().max()), shown.link_width, write)
    if len(shown.moves):
        panel.heading(words("key.moves"))
        panel.widths(float(shown.moves["mtok_per_day"].max()), shown.move_width, write, _MOVED)
        panel.note(words("key.moves_note", count=len(shown.moves)))


def _scale(amounts: pd.Series, widest_pt: float, thinnest_pt: float) -> Callable[[float], float]:
    largest = float(amounts.max()) if len(amounts) else 0.0
    return lambda amount: max(thinnest_pt, widest_pt * amount / largest) if largest else thinnest_pt


def _difference_marker(row: dict[str, Any], name: str, shown: _Shown, words: Words) -> Marker:
    at = row["longitude_deg"], row["latitude_deg"]
    amount = float(row["change_mtok_per_day"])
    word = words("note.opened") if row["is_opened"] else words("note.closed") if row["is_closed"] else ""
    if abs(amount) <= shown.told.least and not word:
        return Marker(*at, _UNCHANGED_RADIUS_PT, face=OTHER_COLOUR)
    note = words.signed(amount * TOKENS_PER_MTOK) + (f", {word}" if word else "")
    face = GREW if amount > 0 else SHRANK
    must = bool(word) or abs(amount) >= shown.told.surely
    return Marker(*at, shown.radius(abs(amount)), name, face=face, notes=(note,), must=must)


def _draw_links(
    canvas: Canvas, difference: RunDifference, links: pd.DataFrame, width: Callable[[float], float]
) -> list[tuple[FloatArray, float]]:
    """Draw what links carry more or less, the largest change below."""
    positions = {**stop_positions(difference.before), **stop_positions(difference.after)}
    rows = links["change_mtok_per_day"].reset_index()
    rows = rows.sort_values("change_mtok_per_day", key=lambda change: -change.abs(), kind="stable")
    bands = []
    for order, (start, end, change) in enumerate(rows.itertuples(index=False)):
        line = canvas.geodesic(positions[start], positions[end])
        bands.append((line, width(abs(change))))
        band = LineCollection([line], linewidths=bands[-1][1], colors=GREW, alpha=0.8, zorder=2.5 + 1e-4 * order)
        band.set_capstyle("round")
        if change < 0:
            band.set(color=SHRANK, linestyles=[_DASHES], capstyle="butt")
        canvas.axes.add_collection(band)
    return bands


def _draw_moves(
    canvas: Canvas,
    difference: RunDifference,
    moves: pd.DataFrame,
    width: Callable[[float], float],
    radii: dict[str, float],
) -> list[tuple[FloatArray, float]]:
    """Draw arrows from the data centers that give up tokens to those that take them over."""
    places = difference.after.data_centers
    curves = []
    for source, target, amount in moves[::-1].itertuples(index=False):
        start, end = (
            np.array(canvas.place(*places.loc[place, ["longitude_deg", "latitude_deg"]].to_numpy(float)))
            for place in (source, target)
        )
        size = width(amount)
        curve = _curve(start, end, radii[source] + 1.0, radii[target] + 3.0)
        if curve is None:
            continue
        line, head = _arrow(curve, size)
        for colour, extra, order in (("white", 2.0, 3.2), (_MOVED, 0.0, 3.3)):
            canvas.axes.add_collection(
                LineCollection([line], colors=colour, linewidths=size + extra, capstyle="butt", zorder=order)
            )
            canvas.axes.add_collection(
                PolyCollection([head], facecolors=colour, edgecolors=colour, linewidths=extra, zorder=order)
            )
        curves.append((line, size))
    return curves


def _curve(start: FloatArray, end: FloatArray, trim_start: float, trim_end: float) -> FloatArray | None:
    """Bend a line to the right of its way and cut off what lies under the circles at its ends."""
    along = end - start
    length = float(np.hypot(*along))
    if length <= trim_start + trim_end + 6.0:
        return None
    middle = (start + end) / 2 + _BULGE * np.array([along[1], -along[0]])
    first, last = trim_start / length, 1 - trim_end / length
    t = np.linspace(first, last, _CURVE_POINTS)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end, float)


def _arrow(curve: FloatArray, width: float) -> tuple[FloatArray, FloatArray]:
    """Part a curve into shaft and head; a short one gets a small head."""
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
    listed = sorted(
        ((str(k), float(v)) for k, v in changes.items() if abs(v) > least), key=lambda x: (-abs(x[1]), x[0])
    )
    rows = [(words.term("component", name), words.signed(change)) for name, change in listed]
    return [*rows, (words("key.total"), words.signed(difference.cost_change_cny_per_year))] if rows else []


def _difference_numbers(difference: RunDifference, words: Words) -> tuple[str, ...]:
    total = difference.total_mtok_per_day
    served = float(difference.data_centers["change_mtok_per_day"].sum())
    change = words.signed(difference.cost_change_cny_per_year)
    cost = words("numbers.cost_same") if difference.has_same_cost else words("numbers.cost_change", amount=change)
    if difference.has_same_plan:
        return (words("numbers.same"), cost)
    moved = difference.moved_mtok_per_day
    parts = [
        words("numbers.moved", amount=words.amount(moved * TOKENS_PER_MTOK), share=_percent(moved / total)),
        cost,
    ]
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


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= _LEAST_SPELLED_SHARE or share == 0 else "<0.1%"

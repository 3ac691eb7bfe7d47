"""The maps of data centers by what their energy costs and what it emits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from network_data.faults import FaultList
from optimizer.geo import RunTables, has_slice_tables, read_slice_tables
from optimizer.map_canvas import Canvas
from optimizer.map_classes import BROWNS, PURPLES, Classes, fit_classes
from optimizer.map_font import INK
from optimizer.map_names import PlaceNames
from optimizer.map_panel import FIBRE_COLOUR, Panel
from optimizer.map_places import (
    LARGEST_CENTER_RADIUS_PT,
    SMALLEST_CENTER_RADIUS_PT,
    Marker,
    cross,
    draw_markers,
    radius_scale,
)
from optimizer.map_theme import Drawn, Theme, draw_fibre, hub_markers, hub_scale, points_along, ranked, spell_tokens
from optimizer.map_words import Words

_KG_PER_T, _G_PER_KG = 1e3, 1e3
_UNUSED_RADIUS_PT = 5.0
_LISTED = 8


@dataclass(frozen=True, eq=False)
class _Subject:
    """What a map of data centers shows: an amount by area and a rate by colour, with their spelling."""

    table: pd.DataFrame
    palette: tuple[str, ...]
    spell_rate: Callable[[float], str]
    note: Callable[[float, float], str]


def price_theme(run: RunTables, names: PlaceNames, words: Words) -> Theme:
    """
    Say how the energy prices of a run's data centers are drawn, with the demand of the hubs.

    Parameters
    ----------
    run
        The run.
    names
        Names of its places.
    words
        The language.

    Returns
    -------
    Theme
        The map.

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
            panel.circles(largest_hub, hub_radius, spell_tokens(words), hollow=True)

    return _theme(run, names, words, subject, ("price", tuple(numbers), key))


def carbon_theme(run: RunTables, names: PlaceNames, words: Words) -> Theme:
    """
    Say how the emissions of a run's data centers are drawn.

    Parameters
    ----------
    run
        The run.
    names
        Names of its places.
    words
        The language.

    Returns
    -------
    Theme
        The map.

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
    run: RunTables, names: PlaceNames, words: Words, subject: _Subject, parts: tuple[str, tuple[str, ...], _Key]
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
            panel.classes(classes, rates, subject.spell_rate)
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


def _mean_prices(run: RunTables) -> pd.Series:
    """Mean price at each data center over all hours, used or not; empty in runs of older versions."""
    if not has_slice_tables(run):
        return pd.Series(dtype=float)
    slices = read_slice_tables(run)["data_centers_by_slice"]
    if "price_cny_per_mwh" not in slices:
        return pd.Series(dtype=float)
    weighted = slices.assign(cost=slices["price_cny_per_mwh"] * slices["weight_h"])
    sums = weighted.groupby("data_center")[["cost", "weight_h"]].sum()
    means: pd.Series = sums["cost"] / sums["weight_h"]
    return means


def _check_columns(run: RunTables, columns: tuple[str, ...]) -> None:
    faults = FaultList(f"run folder {run.folder}")
    for column in columns:
        if column not in run.data_centers:
            faults.add("data_centers.parquet", "a column is missing", "Solve again with this version.", column=column)
    faults.raise_if_any()

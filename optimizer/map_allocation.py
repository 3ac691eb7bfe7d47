"""The map of the allocation: what runs where, and over which fibre it gets there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.collections import LineCollection, PolyCollection

from optimizer.geo import RunTables
from optimizer.map_canvas import Canvas
from optimizer.map_flows import (
    WIDEST_LINK_PT,
    Ribbon,
    build_ribbons,
    busiest_link_mtok_per_day,
    category_of,
    link_volumes,
    stop_positions,
    undirected,
)
from optimizer.map_names import PlaceNames
from optimizer.map_options import ColourBy
from optimizer.map_panel import FIBRE_COLOUR, KeyEntry, Panel
from optimizer.map_places import (
    LARGEST_CENTER_RADIUS_PT,
    SMALLEST_CENTER_RADIUS_PT,
    Marker,
    cross,
    draw_markers,
    radius_scale,
)
from optimizer.map_style import NEUTRAL_COLOUR, OTHER, OTHER_COLOUR, assign_colours, region_colours
from optimizer.map_theme import (
    Drawn,
    Theme,
    draw_fibre,
    hub_markers,
    hub_scale,
    points_along,
    ranked,
    spell_tokens,
)
from optimizer.map_words import Words
from optimizer.units import TOKENS_PER_MTOK

FloatArray = npt.NDArray[np.float64]


def allocation_theme(run: RunTables, names: PlaceNames, words: Words, colour_by: ColourBy) -> Theme:
    """
    Say how a run's allocation is drawn.

    Parameters
    ----------
    run
        The run.
    names
        Names of its places.
    words
        The language.
    colour_by
        What the colours of flows stand for.

    Returns
    -------
    Theme
        The map.
    """
    categories = category_of(run, colour_by)
    colours = _colours(run, categories, colour_by)
    volumes = link_volumes(run, categories)
    busiest = busiest_link_mtok_per_day(volumes)
    largest = float(run.data_centers["mtok_per_year"].max()) / run.days_per_year
    radius = radius_scale(largest, LARGEST_CENTER_RADIUS_PT, SMALLEST_CENTER_RADIUS_PT)
    largest_hub, hub_radius = hub_scale(run)

    def link_width(mtok_per_day: float) -> float:
        return WIDEST_LINK_PT * mtok_per_day / busiest if busiest else 0.0

    def draw(canvas: Canvas) -> Drawn:
        ribbons = _draw_flows(canvas, run, volumes, colours, link_width(1.0))
        regions = region_colours(run.data_centers, run.demand_hubs)
        markers = []
        for row in ranked(run.data_centers, "mtok_per_year"):
            at = row["longitude_deg"], row["latitude_deg"]
            if not row["is_open"]:
                markers.append(cross(*at))
                continue
            face = regions[str(row["region"])] if colour_by == "region" else NEUTRAL_COLOUR
            size = radius(row["mtok_per_year"] / run.days_per_year)
            markers.append(Marker(*at, size, names.data_centers[str(row["id"])], face=face))
        requests, circles = draw_markers(canvas, [*markers, *hub_markers(run, names, hub_radius)], words.lang)
        flow_points = points_along((ribbon.line, ribbon.width_pt) for ribbon in ribbons)
        return Drawn(requests, circles, flow_points, tuple(ribbons))

    def key(panel: Panel) -> None:
        daily = (run.allocation["mtok_per_year"].groupby(categories).sum() / run.days_per_year).to_dict()
        spell = spell_tokens(words)
        panel.heading(words("key.region" if colour_by == "region" else "key.class"))
        panel.shares([KeyEntry(name, colours[name], float(daily[name])) for name in colours if name in daily])
        if busiest > 0:
            panel.heading(words("key.link_flow"))
            panel.widths(busiest, link_width, spell)
            panel.arrow(words("key.keeps_right"))
        if largest > 0:
            panel.heading(words("key.center_tokens"))
            panel.circles(largest, radius, spell, hollow=False)
        if largest_hub > 0:
            panel.heading(words("key.hub_tokens"))
            panel.circles(largest_hub, hub_radius, spell, hollow=True)
        panel.cross(words("key.center_unused"))
        panel.line(words("key.fibre"), FIBRE_COLOUR, 0.8)
        panel.table(words("key.cost"), _costs(run, words), whole=True)

    return Theme(words("title.allocation"), _numbers(run, words), draw, key)


def _numbers(run: RunTables, words: Words) -> tuple[str, ...]:
    tokens_per_day = run.allocation["mtok_per_year"].sum() * TOKENS_PER_MTOK / run.days_per_year
    used, everywhere = int(run.data_centers["is_open"].sum()), len(run.data_centers)
    parts = [
        words("numbers.tokens", amount=words.amount(tokens_per_day)),
        words("numbers.cost", amount=words.amount(float(run.costs["cny_per_year"].sum()))),
        words("numbers.open", used=used, all=everywhere),
    ]
    gap = run.info.get("mip_rel_gap")
    if isinstance(gap, int | float) and 0 <= gap < 1:
        parts.append(words("numbers.gap", gap=f"{gap:.1%}"))
    return tuple(parts)


def _costs(run: RunTables, words: Words) -> list[tuple[str, str]]:
    """List the cost components, largest first; the total stands in the line under the title."""
    sums = {str(name): float(cost) for name, cost in run.costs.groupby("component")["cny_per_year"].sum().items()}
    listed = sorted(((name, cost) for name, cost in sums.items() if cost), key=lambda item: (-abs(item[1]), item[0]))
    return [(words.term("component", name), words.amount(cost)) for name, cost in listed]


def _colours(run: RunTables, categories: pd.Series, colour_by: ColourBy) -> dict[str, str]:
    if colour_by == "region":
        return region_colours(run.data_centers, run.demand_hubs)
    totals = run.allocation["mtok_per_year"].groupby(categories).sum()
    in_order = sorted((str(name) for name in totals.index if name != OTHER), key=lambda name: (-totals[name], name))
    return {**assign_colours(in_order), **({OTHER: OTHER_COLOUR} if OTHER in totals.index else {})}


def _draw_flows(
    canvas: Canvas, run: RunTables, volumes: pd.DataFrame, colours: dict[str, str], scale: float
) -> list[Ribbon]:
    draw_fibre(canvas, run.links)
    positions = stop_positions(run)
    largest_first = volumes.sort_values("mtok_per_day", ascending=False, kind="stable")
    lead = largest_first.groupby(undirected(largest_first))["category"].first()
    lines = {(a, b): canvas.geodesic(positions[a], positions[b]) for a, b in lead.index}
    # A band's width is strictly linear, so a small flow may be thinner than can be seen: the hairline shows
    # its way.
    hairlines = LineCollection(list(lines.values()), colors=[colours[c] for c in lead], linewidths=0.7, zorder=2.5)
    canvas.axes.add_collection(hairlines)
    ribbons = build_ribbons(volumes, lines, list(colours), scale)
    canvas.axes.add_collection(
        LineCollection(
            [ribbon.line for ribbon in ribbons],
            colors=[colours[ribbon.category] for ribbon in ribbons],
            linewidths=[ribbon.width_pt for ribbon in ribbons],
            capstyle="round",
            zorder=3,
        )
    )
    arrows = [arrow for ribbon in ribbons if (arrow := ribbon.arrow()) is not None]
    canvas.axes.add_collection(PolyCollection(arrows, facecolors="white", edgecolors="none", zorder=3.5))
    return ribbons

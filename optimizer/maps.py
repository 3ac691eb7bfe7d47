"""The allocation map: what runs where, and over which fibre it gets there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from network_data.faults import Fault, InputError
from optimizer.geo import RunTables
from optimizer.map_basemap import Basemap, load_basemap
from optimizer.map_canvas import (
    FAINT_INK,
    FOOT_PT,
    MARGIN_PT,
    PANEL_PT,
    SHEET_WIDTH_PT,
    TITLE_PT,
    Canvas,
    axes_in_points,
    build_canvas,
    draw_basemap,
    draw_scale_bar,
    write_text,
)
from optimizer.map_flows import (
    ColourBy,
    Ribbon,
    build_ribbons,
    busiest_link_mtok_per_day,
    category_of,
    link_volumes,
    stop_positions,
    undirected,
)
from optimizer.map_labels import PlacedLabel, place_labels
from optimizer.map_panel import KeyEntry, draw_panel, headline
from optimizer.map_places import build_size_key, draw_labels, draw_places
from optimizer.map_projection import (
    MapProjection,
    ScaleBar,
    View,
    build_scale_bar,
)
from optimizer.map_style import OTHER, OTHER_COLOUR, assign_colours, region_colours, shorten

FloatArray = npt.NDArray[np.float64]

SMALLEST_PX, LARGEST_PX = 300, 12_000
LARGEST_ASPECT = 1.8

_FIBRE = "#B9B4AA"


@dataclass(frozen=True, eq=False)
class AllocationMap:
    """
    A drawn map with the facts that it shows, so that they can be checked without looking at pixels.

    Attributes
    ----------
    figure
        The picture; not tied to pyplot.
    projection, view
        Projection and window.
    points_per_m
        Map points per metre of the projection.
    scale_bar
        The scale bar.
    ribbons
        Bands of flow, in drawing order.
    labels
        Labels, most important first, with their boxes in points from the map's lower left corner.
    """

    figure: Figure
    projection: MapProjection
    view: View
    points_per_m: float
    scale_bar: ScaleBar
    ribbons: tuple[Ribbon, ...]
    labels: tuple[PlacedLabel, ...]


def draw_allocation_map(
    run: RunTables,
    *,
    basemap: Path | None = None,
    colour_by: ColourBy = "region",
    size_px: tuple[int, int] = (1600, 1200),
) -> AllocationMap:
    """
    Draw the allocation of a run.

    Parameters
    ----------
    run
        The run.
    basemap
        Vector file with outlines to draw behind; none draws the network alone.
    colour_by
        Colour flows by the data center's region or by workload class.
    size_px
        Width and height of the picture.

    Returns
    -------
    AllocationMap
        The figure and what it shows.

    Raises
    ------
    InputError
        If an option is out of range or the basemap cannot be used.
    """
    _check_options(colour_by, size_px)
    dpi = size_px[0] / (SHEET_WIDTH_PT / 72.0)
    figure = Figure(figsize=(size_px[0] / dpi, size_px[1] / dpi), dpi=dpi, facecolor="white")
    sheet_height = SHEET_WIDTH_PT * size_px[1] / size_px[0]
    canvas = build_canvas(figure, run, sheet_height)
    backdrop = None if basemap is None else load_basemap(basemap, canvas.projection, canvas.view)
    if backdrop is not None:
        draw_basemap(canvas, backdrop)

    categories = category_of(run, colour_by)
    colours = _colours(run, categories, colour_by)
    volumes = link_volumes(run, categories)
    sizes = build_size_key(run, busiest_link_mtok_per_day(volumes))
    ribbons = _draw_flows(canvas, run, volumes, colours, sizes.link_width(1.0))
    bar = build_scale_bar(canvas.projection, canvas.view)
    bar_box = draw_scale_bar(canvas, bar)
    requests, circles = draw_places(canvas, run, sizes, colour_by)
    labels = place_labels(
        requests, markers=circles, frame=canvas.frame, reserved=[bar_box], flow_points=_points_along(ribbons)
    )
    draw_labels(canvas, labels)

    _draw_title(figure, run, sheet_height)
    _draw_foot(figure, canvas.projection, backdrop, sheet_height)
    daily = (run.allocation["mtok_per_year"].groupby(categories).sum() / run.days_per_year).to_dict()
    entries = [KeyEntry(name, colours[name], float(daily[name])) for name in colours if name in daily]
    height = sheet_height - TITLE_PT - MARGIN_PT
    panel = axes_in_points(figure, (SHEET_WIDTH_PT - PANEL_PT, MARGIN_PT, PANEL_PT - 8.0, height), sheet_height)
    heading = "Region of data center" if colour_by == "region" else "Workload class"
    costs = run.costs.groupby("component")["cny_per_year"].sum()
    draw_panel(panel, height, (heading, entries), sizes, {str(name): float(cost) for name, cost in costs.items()})
    return AllocationMap(
        figure, canvas.projection, canvas.view, canvas.points_per_m, bar, tuple(ribbons), tuple(labels)
    )


def _check_options(colour_by: str, size_px: tuple[int, int]) -> None:
    faults = []
    if colour_by not in ("region", "class"):
        faults.append(Fault("map options", None, "colour_by", str(colour_by), "is not known", "Use region or class."))
    width, height = size_px
    fits = all(SMALLEST_PX <= side <= LARGEST_PX for side in size_px)
    if not fits or not 1 / LARGEST_ASPECT <= width / height <= LARGEST_ASPECT:
        remedy = (
            f"Use {SMALLEST_PX} to {LARGEST_PX} pixels for each side, "
            f"neither more than {LARGEST_ASPECT} times the other."
        )
        faults.append(Fault("map options", None, "size_px", f"{width} x {height}", "is out of range", remedy))
    if faults:
        raise InputError(faults, "the map options")


def _colours(run: RunTables, categories: pd.Series, colour_by: ColourBy) -> dict[str, str]:
    if colour_by == "region":
        return region_colours(run.data_centers, run.demand_hubs)
    totals = run.allocation["mtok_per_year"].groupby(categories).sum()
    ranked = sorted((str(name) for name in totals.index if name != OTHER), key=lambda name: (-totals[name], name))
    return {**assign_colours(ranked), **({OTHER: OTHER_COLOUR} if OTHER in totals.index else {})}


def _draw_flows(
    canvas: Canvas, run: RunTables, volumes: pd.DataFrame, colours: dict[str, str], scale: float
) -> list[Ribbon]:
    columns = ["from_longitude_deg", "from_latitude_deg", "to_longitude_deg", "to_latitude_deg"]
    fibre = [canvas.geodesic((a, b), (c, d)) for a, b, c, d in run.links[columns].to_numpy(float)]
    canvas.axes.add_collection(LineCollection(fibre, colors=_FIBRE, linewidths=0.8, zorder=2))
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


def _points_along(ribbons: list[Ribbon]) -> FloatArray:
    """Sample the wider ribbons, for labels to keep clear of; a wide one counts more often."""
    points = [np.empty((0, 2))]
    for ribbon in ribbons:
        length = float(np.hypot(*np.diff(ribbon.line[[0, -1]], axis=0)[0]))
        shares = np.linspace(0, 1, max(2, int(length / 8.0)))
        steps = np.linspace(0, 1, len(ribbon.line))
        line = np.column_stack([np.interp(shares, steps, ribbon.line[:, i]) for i in (0, 1)])
        points.extend([line] * (1 + int(ribbon.width_pt / 5.0)))
    return np.concatenate(points)


def _draw_title(figure: Figure, run: RunTables, sheet_height: float) -> None:
    band = (MARGIN_PT, sheet_height - TITLE_PT, SHEET_WIDTH_PT - 2 * MARGIN_PT, TITLE_PT)
    axes = axes_in_points(figure, band, sheet_height)
    title, numbers = headline(run)
    write_text(axes, 0.0, 34.0, title, fontsize=21.0, weight="bold")
    write_text(axes, 0.0, 12.0, numbers, fontsize=13.0, color=FAINT_INK)


def _draw_foot(figure: Figure, projection: MapProjection, basemap: Basemap | None, sheet_height: float) -> None:
    band = (MARGIN_PT, MARGIN_PT - 4.0, SHEET_WIDTH_PT - PANEL_PT - 2 * MARGIN_PT, FOOT_PT)
    axes = axes_in_points(figure, band, sheet_height)
    method = projection.crs.coordinate_operation
    parts = [f"{method.method_name if method else 'Equal-area'} projection, scale at the middle of the map"]
    if basemap is not None:
        parts.append(f"basemap: {shorten(basemap.name, 40)}")
    write_text(axes, 0.0, 5.0, "   ·   ".join(parts), fontsize=9.0, color=FAINT_INK)

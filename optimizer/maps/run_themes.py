"""
The map of the allocation: what runs where, and over which fibre it gets there.

The map of the links: how full each is in its busiest time slice.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection, PolyCollection

from optimizer.drawing.style import NEUTRAL_COLOUR, OTHER, OTHER_COLOUR, assign_colours, region_colours
from optimizer.drawing.words import Words
from optimizer.maps.canvas import Canvas
from optimizer.maps.flows import (
    WIDEST_LINK_PT,
    Ribbon,
    build_ribbons,
    busiest_link_mtok_per_day,
    category_of,
    stop_positions,
)
from optimizer.maps.labels import LabelRequest
from optimizer.maps.options import ColourBy
from optimizer.maps.places import (
    BLUES,
    FIBRE_COLOUR,
    LARGEST_CENTER_RADIUS_PT,
    SMALLEST_CENTER_RADIUS_PT,
    Classes,
    KeyEntry,
    Marker,
    Panel,
    cross,
    draw_markers,
    fit_classes,
    radius_scale,
    request_label,
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
from optimizer.runs.places import link_volumes, undirected
from optimizer.runs.run import Run
from optimizer.units import TOKENS_PER_MTOK


def allocation_theme(run: Run, names: PlaceNames, words: Words, colour_by: ColourBy) -> Theme:
    """Say how a run's allocation is drawn."""
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
        write = format_tokens(words)
        panel.heading(words("key.region" if colour_by == "region" else "key.class"))
        panel.shares([KeyEntry(name, colours[name], float(daily[name])) for name in colours if name in daily])
        if busiest > 0:
            panel.heading(words("key.link_flow"))
            panel.widths(busiest, link_width, write)
            panel.arrow(words("key.keeps_right"))
        if largest > 0:
            panel.heading(words("key.center_tokens"))
            panel.circles(largest, radius, write, hollow=False)
        if largest_hub > 0:
            panel.heading(words("key.hub_tokens"))
            panel.circles(largest_hub, hub_radius, write, hollow=True)
        panel.cross(words("key.center_unused"))
        panel.line(words("key.fibre"), FIBRE_COLOUR, 0.8)
        panel.table(words("key.cost"), _costs(run, words), whole=True)

    return Theme(words("title.allocation"), _numbers(run, words), draw, key)


def _numbers(run: Run, words: Words) -> tuple[str, ...]:
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


def _costs(run: Run, words: Words) -> list[tuple[str, str]]:
    """List the cost components, largest first; the total stands in the line under the title."""
    sums = {str(name): float(cost) for name, cost in run.costs.groupby("component")["cny_per_year"].sum().items()}
    listed = sorted(((name, cost) for name, cost in sums.items() if cost), key=lambda item: (-abs(item[1]), item[0]))
    return [(words.term("component", name), words.amount(cost)) for name, cost in listed]


def _colours(run: Run, categories: pd.Series, colour_by: ColourBy) -> dict[str, str]:
    if colour_by == "region":
        return region_colours(run.data_centers, run.demand_hubs)
    totals = run.allocation["mtok_per_year"].groupby(categories).sum()
    in_order = sorted((str(name) for name in totals.index if name != OTHER), key=lambda name: (-totals[name], name))
    return {**assign_colours(in_order), **({OTHER: OTHER_COLOUR} if OTHER in totals.index else {})}


def _draw_flows(canvas: Canvas, run: Run, volumes: pd.DataFrame, colours: dict[str, str], scale: float) -> list[Ribbon]:
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


_WIDEST_PT, _THINNEST_PT = 10.0, 1.6
_CENTER_RADIUS_PT = 4.0
_LABELLED, _LISTED = 8, 8
_LEAST_LABELLED_PT = 25.0


def links_theme(run: Run, names: PlaceNames, words: Words) -> Theme:
    """Say how the load of a run's links is drawn."""
    links = run.links.sort_values("load_share", kind="stable")
    nodes = _node_names(run, names)
    # What carries a rounding error carries nothing.
    used = links[links["load_share"] > 1e-9 * max(float(links["load_share"].max()), 1e-9)]
    shares = tuple(used["load_share"].astype(float))
    classes = fit_classes(shares, BLUES)
    peak_gbps = used["peak_gbps"] if "peak_gbps" in used else used["load_share"] * used["capacity_gbps"]
    largest_gbps = float(peak_gbps.max()) if len(used) else 0.0

    def width(gbps: float) -> float:
        return max(_THINNEST_PT, _WIDEST_PT * gbps / largest_gbps) if largest_gbps else _THINNEST_PT

    def draw(canvas: Canvas) -> Drawn:
        draw_fibre(canvas, links.drop(used.index))
        lines = _draw_used(canvas, used, shares, [width(gbps) for gbps in peak_gbps], classes)
        centers = []
        for row in ranked(run.data_centers, "mtok_per_year"):
            at = row["longitude_deg"], row["latitude_deg"]
            name = names.data_centers[str(row["id"])]
            is_open = bool(row["is_open"])
            centers.append(
                Marker(*at, _CENTER_RADIUS_PT, name, face=NEUTRAL_COLOUR, must=False) if is_open else cross(*at)
            )
        requests, circles = draw_markers(canvas, [*centers, *hub_markers(run, names)], words.lang)
        loads = _load_labels(canvas, lines, shares, words)
        weighted = points_along((line, width(gbps)) for line, gbps in zip(lines, peak_gbps, strict=True))
        return Drawn([*loads, *requests], circles, weighted)

    def key(panel: Panel) -> None:
        if classes is not None:
            panel.heading(words("key.load_share"))
            panel.classes(classes, shares, lambda share: f"{100 * share:.3g}", "key.range_percent")
            panel.note(words("key.load_note"))
            panel.heading(words("key.peak_gbps"))
            panel.widths(largest_gbps, width, lambda gbps: f"{gbps:,.6g}")
        panel.line(words("key.fibre_unused"), FIBRE_COLOUR, 0.8)
        panel.cross(words("key.center_unused"))
        fullest = [link for _, link in used.iloc[: -_LISTED - 1 : -1].iterrows()]
        rows = [("\u2013".join(_ends(link, nodes)), _format_share(float(link["load_share"]))) for link in fullest]
        panel.table(words("key.busiest_links"), rows)

    return Theme(
        words("title.links"),
        _link_numbers(run, used, nodes, words),
        draw,
        key,
        None if classes is None else (classes, shares),
    )


def _format_share(share: float) -> str:
    """Write a share as per cent, with as many digits as it takes."""
    return f"{100 * share:.3g}%"


def _draw_used(
    canvas: Canvas, used: pd.DataFrame, shares: tuple[float, ...], widths: list[float], classes: Classes | None
) -> list[FloatArray]:
    """Draw the links that carry traffic, the fullest on top."""
    columns = ["from_longitude_deg", "from_latitude_deg", "to_longitude_deg", "to_latitude_deg"]
    lines = [canvas.geodesic((a, b), (c, d)) for a, b, c, d in used[columns].to_numpy(float)]
    if classes is not None:
        colours = [classes.colour_of(share) for share in shares]
        # The casing keeps lines apart where they cross.
        for colour, extra, order in (("white", 1.4, 2.5), (colours, 0.0, 3.0)):
            canvas.axes.add_collection(
                LineCollection(
                    lines, colors=colour, linewidths=[w + extra for w in widths], capstyle="round", zorder=order
                )
            )
    return lines


def _load_labels(
    canvas: Canvas, lines: list[FloatArray], shares: tuple[float, ...], words: Words
) -> list[LabelRequest]:
    """Ask for the load of the fullest links beside their middle."""
    requests = []
    for line, share in list(zip(lines, shares, strict=True))[: -_LABELLED - 1 : -1]:
        x, y = line[len(line) // 2]
        length = float(np.hypot(*(line[-1] - line[0])))
        if length >= _LEAST_LABELLED_PT and canvas.shows(float(x), float(y)):
            marker = Marker(0.0, 0.0, 1.0, _format_share(share), style="hub", must=False)
            requests.append(request_label(marker, (float(x), float(y)), words.lang))
    return requests


def _node_names(run: Run, names: PlaceNames) -> dict[str, str]:
    """Name the nodes of a run's links: after the demand hub, else after a data center that stands there."""
    nodes = pd.unique(run.links[["from_node", "to_node"]].to_numpy(str).ravel())
    found = {str(node): str(node).replace("_", " ").title() for node in nodes}
    last = [str(way).rpartition(">")[2] for way in run.routes["nodes"]]
    for node, center in sorted(zip(last, run.routes["data_center"], strict=True), reverse=True):
        found[node] = names.data_centers[str(center)]
    return found | {hub: name for hub, name in names.demand_hubs.items() if hub in found}


def _ends(link: pd.Series, nodes: dict[str, str]) -> tuple[str, str]:
    return nodes[str(link["from_node"])], nodes[str(link["to_node"])]


def _link_numbers(run: Run, used: pd.DataFrame, nodes: dict[str, str], words: Words) -> tuple[str, ...]:
    parts = [words("numbers.busy_links", used=len(used), all=len(run.links))]
    if len(used):
        start, end = _ends(used.iloc[-1], nodes)
        share = _format_share(float(used["load_share"].iloc[-1]))
        parts.append(words("numbers.fullest", share=share, start=start, end=end))
    if "mean_gbps" in run.links and run.links["capacity_gbps"].sum() > 0:
        mean = float(run.links["mean_gbps"].sum() / run.links["capacity_gbps"].sum())
        parts.append(words("numbers.mean_load", share=f"{mean:.1%}"))
    if "is_limiting" in run.links:
        count = int(run.links["is_limiting"].sum())
        parts.append(words("numbers.limits", count=count) if count else words("numbers.no_limit"))
    return tuple(parts)

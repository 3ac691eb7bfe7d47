"""The maps of one run: its allocation, how full its links are, what data centers pay for energy, and what they emit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection, PolyCollection

from network_data.faults import FaultList
from optimizer.drawing.colours import (
    CARBONS,
    INK,
    LOADS,
    NEUTRAL_COLOUR,
    OTHER,
    OTHER_COLOUR,
    PRICES,
    assign_colours,
)
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
    FIBRE_COLOUR,
    Classes,
    Marker,
    Panel,
    cross,
    fit_classes,
    request_label,
)
from optimizer.maps.theme import (
    Drawn,
    PlaceNames,
    Scene,
    Theme,
    center_radius,
    link_lines,
    list_costs,
    node_names,
    points_along,
    width_scale,
)
from optimizer.numbers import format_number, format_percent, format_plain
from optimizer.problem.problem import FloatArray
from optimizer.runs.places import link_volumes, undirected
from optimizer.runs.run import Run
from optimizer.runs.share_ranges import share_range
from optimizer.units import TOKENS_PER_MTOK
from optimizer.words.amounts import format_amount

_KG_PER_T, _G_PER_KG = 1e3, 1e3
_UNUSED_RADIUS_PT, _CENTER_RADIUS_PT = 5.0, 4.0
_WIDEST_PT, _THINNEST_PT = 10.0, 1.6
# From an empty link to a full one, whatever the data: a link that is hardly used must not look like one that is full.
_LOAD_EDGES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
_LABELLED, _LISTED = 8, 12
_LEAST_LABELLED_PT = 25.0


def allocation_theme(scene: Scene, colour_by: ColourBy) -> Theme:
    """Build the map of the allocation: what runs where, and over which fibre its tokens travel."""
    run, words = scene.run, scene.words
    categories = category_of(run, colour_by)
    colours = _colours(run, categories, colour_by)
    volumes = link_volumes(run, categories)
    busiest = busiest_link_mtok_per_day(volumes)
    largest = float(run.data_centers["mtok_per_year"].max()) / run.days_per_year
    radius = center_radius(largest)
    largest_hub, hub_radius = scene.hub_scale()

    def link_width(mtok_per_day: float) -> float:
        return WIDEST_LINK_PT * mtok_per_day / busiest if busiest else 0.0

    def centers() -> Iterator[Marker]:
        regions = assign_colours(run.regions)
        for row, at, name in scene.centers(run.data_centers, "mtok_per_year"):
            face = regions[str(row["region"])] if colour_by == "region" else NEUTRAL_COLOUR
            size = radius(row["mtok_per_year"] / run.days_per_year)
            yield Marker(*at, size, name, face=face) if row["is_open"] else cross(*at)

    def draw(canvas: Canvas) -> Drawn:
        scene.draw_fibre(canvas)
        ribbons = _draw_flows(canvas, run, volumes, colours, link_width(1.0))
        points = points_along((ribbon.line, ribbon.width_pt) for ribbon in ribbons)
        return Drawn(*scene.draw_places(canvas, centers(), hub_radius), points, tuple(ribbons))

    def key(panel: Panel) -> None:
        daily = (run.allocation["mtok_per_year"].groupby(categories).sum() / run.days_per_year).to_dict()
        panel.heading("key.region" if colour_by == "region" else "key.class")
        panel.shares([(name, colours[name], float(daily[name])) for name in colours if name in daily])
        if colour_by == "region":
            _note_ranges(panel, run, [name for name in colours if name in daily])
        if busiest > 0:
            panel.heading("key.link_flow")
            panel.widths(busiest, link_width, scene.tokens)
            panel.arrow("key.keeps_right")
        panel.circles("key.center_tokens", largest, radius, scene.tokens)
        panel.circles("key.hub_tokens", largest_hub, hub_radius, scene.tokens, hollow=True)
        scene.explain_unused(panel)
        # The total stands in the line under the title.
        costs = run.costs.groupby("component")["cny_per_year"].sum()
        panel.table("key.cost", list_costs(costs[costs != 0], words, words.amount), complete=True)

    return Theme(words("title.allocation"), _numbers(run, words), draw, key)


def _note_ranges(panel: Panel, run: Run, regions: Sequence[str]) -> None:
    """Write between what the shares of regions lie, or that this was not computed."""
    known = {name: found for name in regions if (found := share_range(run.ranges, name)) is not None}
    for name, (least, most, slack) in known.items():
        ends = {"low": format_percent(least, 0), "high": format_percent(most, 0), "slack": format_percent(slack, 2)}
        panel.note("key.share_range", region=panel.words.term("category", name), **ends)
    if not known:
        panel.note("key.share_open")


def _numbers(run: Run, words: Words) -> tuple[str, ...]:
    tokens_per_day = run.allocation["mtok_per_year"].sum() * TOKENS_PER_MTOK / run.days_per_year
    used, everywhere = int(run.data_centers["is_open"].sum()), len(run.data_centers)
    parts = [
        words("numbers.tokens", amount=words.amount(tokens_per_day)),
        words("numbers.cost", amount=words.amount(float(run.costs["cny_per_year"].sum()))),
        words("numbers.open", used=used, all=everywhere),
    ]
    full_cny = run.full_cost_cny_per_year
    if math.isfinite(full_cny):
        parts.insert(2, words("numbers.full_cost", amount=words.amount(full_cny)))
    gap = run.info.get("mip_rel_gap")
    if isinstance(gap, int | float) and 0 <= gap < 1:
        parts.append(words("numbers.gap", gap=format_percent(gap)))
    return tuple(parts)


def _colours(run: Run, categories: pd.Series, colour_by: ColourBy) -> dict[str, str]:
    if colour_by == "region":
        return assign_colours(run.regions)
    totals = run.allocation["mtok_per_year"].groupby(categories).sum()
    in_order = sorted((str(name) for name in totals.index if name != OTHER), key=lambda name: (-totals[name], name))
    return {**assign_colours(in_order), **({OTHER: OTHER_COLOUR} if OTHER in totals.index else {})}


def _draw_flows(canvas: Canvas, run: Run, volumes: pd.DataFrame, colours: dict[str, str], scale: float) -> list[Ribbon]:
    positions = stop_positions(run)
    largest_first = volumes.sort_values("mtok_per_day", ascending=False, kind="stable")
    lead = largest_first.groupby(undirected(largest_first))["category"].first()
    lines = {(a, b): canvas.geodesic(positions[a], positions[b]) for a, b in lead.index}
    # A band's width is strictly linear, so a small flow may be too thin to see: the hairline shows its path.
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


def links_theme(scene: Scene) -> Theme:
    """Build the map of the links: how full each is in its busiest time slice."""
    run, words = scene.run, scene.words
    links = run.links.sort_values("load_share", kind="stable")
    nodes = _node_names(run, scene.names, scene.words)
    # A load that is a rounding error counts as none.
    used = links[links["load_share"] > 1e-9 * max(float(links["load_share"].max()), 1e-9)]
    shares = tuple(used["load_share"].astype(float))
    classes = Classes(_LOAD_EDGES, LOADS) if shares else None
    peak_gbps = used["peak_gbps"] if "peak_gbps" in used else used["load_share"] * used["capacity_gbps"]
    width = width_scale(peak_gbps, _WIDEST_PT, _THINNEST_PT)

    def centers() -> Iterator[Marker]:
        for row, at, name in scene.centers(run.data_centers, "mtok_per_year"):
            dot = Marker(*at, _CENTER_RADIUS_PT, name, face=NEUTRAL_COLOUR, must=False)
            yield dot if row["is_open"] else cross(*at)

    def draw(canvas: Canvas) -> Drawn:
        scene.draw_fibre(canvas, links.drop(used.index))
        widths = [width(gbps) for gbps in peak_gbps]
        lines = _draw_used(canvas, used, shares, widths, classes)
        requests, circles = scene.draw_places(canvas, centers())
        loads = _load_labels(canvas, lines, shares, words)
        return Drawn([*loads, *requests], circles, points_along(zip(lines, widths, strict=True)))

    def key(panel: Panel) -> None:
        if classes is not None:
            panel.heading("key.load_share")
            panel.classes(classes, shares, lambda share: f"{100 * share:.3g}", "key.range_percent")
            panel.note("key.load_note")
            panel.heading("key.peak_gbps")
            panel.widths(float(peak_gbps.max()), width, format_plain)
        panel.line("key.fibre_unused", FIBRE_COLOUR, 0.8)
        scene.explain_junctions(panel)
        panel.cross("key.center_unused")
        fullest = [link for _, link in used.iloc[: -_LISTED - 1 : -1].iterrows()]
        rows = [("\u2013".join(_ends(link, nodes)), _load(float(link["load_share"]))) for link in fullest]
        panel.table("key.busiest_links", rows)

    numbers = _link_numbers(run, used, nodes, words)
    return Theme(words("title.links"), numbers, draw, key, None if classes is None else (classes, shares))


def _load(share: float) -> str:
    return f"{format_amount(100 * share)}%"


def _draw_used(
    canvas: Canvas, used: pd.DataFrame, shares: tuple[float, ...], widths: list[float], classes: Classes | None
) -> list[FloatArray]:
    """Draw the links that carry traffic, the fullest on top."""
    lines = link_lines(canvas, used)
    if classes is not None:
        colours = [classes.colour_of(share) for share in shares]
        # The casing keeps lines apart where they cross; the edge shows one that is nearly empty, and so nearly white.
        for colour, extra, order in (("white", 2.0, 2.5), (LOADS[4], 0.8, 2.6), (colours, 0.0, 3.0)):
            canvas.axes.add_collection(
                LineCollection(
                    lines, colors=colour, linewidths=[w + extra for w in widths], capstyle="round", zorder=order
                )
            )
    return lines


def _load_labels(
    canvas: Canvas, lines: list[FloatArray], shares: tuple[float, ...], words: Words
) -> list[LabelRequest]:
    """Label the fullest links with their load, beside their middle."""
    requests = []
    for line, share in list(zip(lines, shares, strict=True))[: -_LABELLED - 1 : -1]:
        x, y = line[len(line) // 2]
        length = float(np.hypot(*(line[-1] - line[0])))
        if length >= _LEAST_LABELLED_PT and canvas.shows(float(x), float(y)):
            marker = Marker(0.0, 0.0, 1.0, _load(share), style="hub", must=False)
            requests.append(request_label(marker, (float(x), float(y)), words.lang))
    return requests


def _node_names(run: Run, names: PlaceNames, words: Words) -> dict[str, str]:
    """Name the nodes of a run's links: after the demand hub, else after a data center that stands there."""
    found = node_names(run, words)
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
        share = _load(float(used["load_share"].iloc[-1]))
        parts.append(words("numbers.fullest", share=share, start=start, end=end))
    if "mean_gbps" in run.links and run.links["capacity_gbps"].sum() > 0:
        mean = float(run.links["mean_gbps"].sum() / run.links["capacity_gbps"].sum())
        parts.append(words("numbers.mean_load", share=format_percent(mean)))
    if "is_limiting" in run.links:
        count = int(run.links["is_limiting"].sum())
        parts.append(words("numbers.limits", count=count) if count else words("numbers.no_limit"))
    return tuple(parts)


_Radius = Callable[[float], float]


@dataclass(frozen=True, eq=False)
class _Rated:
    """A map of data centers: an amount by area and a rate by colour, how each is written, and what the key adds."""

    kind: str
    table: pd.DataFrame  # Data centers with amount and rate; without a rate they are crosses
    palette: tuple[str, ...]
    write: Callable[[float], str]
    note: Callable[[float, float], str]  # What is written under the name of a data center, by amount and rate
    numbers: list[str]
    # Draws the key below the classes, given the scale of the amounts and the largest
    key: Callable[[Panel, _Radius, float], None]
    hub_radius: _Radius | None = None  # By tokens; None where the map does not show them


def price_theme(scene: Scene) -> Theme:
    """
    Build the map of the energy prices of data centers, with the demand of the hubs.

    Raises
    ------
    InputError
        If the run does not store prices.
    """
    run, words, centers = scene.run, scene.words, scene.run.data_centers
    _check_columns(run, ("energy_mwh_per_year", "mean_price_cny_per_mwh"))
    unused_price = _mean_prices(run).reindex(centers.index)
    paid = centers["mean_price_cny_per_mwh"].where(centers["energy_mwh_per_year"] > 0)
    table = centers.assign(amount=centers["energy_mwh_per_year"], rate=paid.fillna(unused_price))
    energy = float(centers["energy_mwh_per_year"].sum())
    largest_hub, hub_radius = scene.hub_scale()
    numbers = []
    if energy > 0:
        mean = float((centers["energy_mwh_per_year"] * paid.fillna(0.0)).sum()) / energy
        numbers = [
            words("numbers.mean_price", price=format_number(mean, 0)),
            words("numbers.price_range", low=format_number(paid.min(), 0), high=format_number(paid.max(), 0)),
            words("numbers.energy", amount=words.amount(energy)),
        ]

    def key(panel: Panel, radius: _Radius, largest: float) -> None:
        panel.note("key.price_paid_note")
        if unused_price[~centers["is_open"].astype(bool)].notna().any():
            panel.note("key.price_unused_note")
        panel.circles("key.energy", largest, radius, words.amount)
        panel.circles("key.hub_tokens", largest_hub, hub_radius, scene.tokens, hollow=True)
        if table["rate"].isna().any():
            panel.cross("key.center_unused")
        panel.line("key.fibre", FIBRE_COLOUR, 0.8)
        scene.explain_junctions(panel)

    def note(_: float, price: float) -> str:
        return words("note.price", price=format_number(price, 0))

    rated = _Rated("price", table, PRICES, format_plain, note, numbers, key, hub_radius)
    return _center_theme(scene, rated)


def carbon_theme(scene: Scene) -> Theme:
    """
    Build the map of the emissions of data centers.

    Raises
    ------
    InputError
        If the run does not store emissions.
    """
    run, words, centers = scene.run, scene.words, scene.run.data_centers
    _check_columns(run, ("energy_mwh_per_year", "carbon_t_per_year"))
    energy = centers["energy_mwh_per_year"].where(centers["energy_mwh_per_year"] > 0)
    # Tonnes per MWh are kilograms per kWh.
    table = centers.assign(amount=centers["carbon_t_per_year"], rate=centers["carbon_t_per_year"] / energy)
    carbon_t, mtok = float(centers["carbon_t_per_year"].sum()), float(centers["mtok_per_year"].sum())
    numbers = [words("numbers.carbon", amount=words.amount(carbon_t))]
    if float(energy.sum()) > 0 and mtok > 0:
        numbers.append(words("numbers.intensity", amount=f"{carbon_t / float(energy.sum()):.3g}"))
        numbers.append(words("numbers.per_mtok", amount=f"{carbon_t * _KG_PER_T * _G_PER_KG / mtok:.3g}"))
        if "green_power_share" in centers:
            green = float((centers["green_power_share"] * energy).sum() / energy.sum())
            numbers.append(words("numbers.green", share=format_percent(green, 0)))

    def key(panel: Panel, radius: _Radius, largest: float) -> None:
        panel.note("key.carbon_note")
        panel.circles("key.emissions", largest, radius, words.amount)
        scene.explain_unused(panel)
        emitters = scene.centers(table[table["amount"] > 0], "amount")
        panel.table("key.emitters", [(name, words.amount(float(row["amount"]))) for row, _, name in emitters][:_LISTED])

    def note(amount: float, _: float) -> str:
        return words("note.carbon", amount=words.amount(amount))

    return _center_theme(scene, _Rated("carbon", table, CARBONS, lambda rate: f"{rate:.3g}", note, numbers, key))


def _center_theme(scene: Scene, rated: _Rated) -> Theme:
    table, words = rated.table, scene.words
    rates = tuple(table["rate"].dropna().astype(float))
    classes = fit_classes(rates, rated.palette)
    largest = float(table["amount"].max())
    radius = center_radius(largest)

    def centers() -> Iterator[Marker]:
        for row, at, name in scene.centers(table, "amount"):
            rate, amount = float(row["rate"]), float(row["amount"])
            if math.isnan(rate) or classes is None:
                yield cross(*at)
                continue
            face, notes = classes.colour_of(rate), (rated.note(amount, rate),)
            if amount > 0:
                yield Marker(*at, radius(amount), name, face=face, edge=INK, notes=notes)
            else:
                yield Marker(*at, _UNUSED_RADIUS_PT, name, "open", face, INK, notes, must=False)

    def draw(canvas: Canvas) -> Drawn:
        fibre = scene.draw_fibre(canvas)
        return Drawn(*scene.draw_places(canvas, centers(), rated.hub_radius), points_along(fibre))

    def key(panel: Panel) -> None:
        if classes is not None:
            panel.heading("key.price" if rated.kind == "price" else "key.intensity")
            panel.classes(classes, rates, rated.write)
        rated.key(panel, radius, largest)

    title = words(f"title.{rated.kind}")
    return Theme(title, tuple(rated.numbers), draw, key, None if classes is None else (classes, rates))


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

"""
What all kinds of maps share: names of places and runs, demand hubs, fibre, scales, and the form of a theme.

A theme (`run_themes`, `difference`) adds what it draws and what its key holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection

from network_data.faults import quote_value
from optimizer.drawing.lettering import has_glyph
from optimizer.drawing.words import Words
from optimizer.maps.canvas import Canvas
from optimizer.maps.flows import Ribbon
from optimizer.maps.labels import LabelRequest
from optimizer.maps.places import FIBRE_COLOUR, JUNCTION_COLOUR, Classes, Marker, Panel, draw_markers, radius_scale
from optimizer.numbers import list_some, shorten
from optimizer.problem.problem import FloatArray
from optimizer.runs.run import Run
from optimizer.units import TOKENS_PER_MTOK

_LARGEST_HUB_RADIUS_PT, _SMALLEST_HUB_RADIUS_PT = 8.0, 2.0
_LARGEST_CENTER_RADIUS_PT, _SMALLEST_CENTER_RADIUS_PT = 17.0, 3.0
_JUNCTION_RADIUS_PT = 2.2
_FIBRE_PT = 0.8
_POINT_EVERY_PT, _COUNTED_EVERY_PT = 8.0, 5.0
_LONGEST_NAME = 48


@dataclass(frozen=True)
class PlaceNames:
    """Names to be drawn."""

    data_centers: Mapping[str, str]  # Name by id
    demand_hubs: Mapping[str, str]
    replaced: tuple[str, ...]  # For each name that cannot be drawn, what stands in for it

    def warning(self) -> str | None:
        """List in one line what was replaced; None if nothing was."""
        listed = list_some(self.replaced, 5, separator="; ")
        return f"the maps' fonts lack characters of {len(self.replaced)} name(s): {listed}" if listed else None


def place_names(run: Run, words: Words) -> PlaceNames:
    """Choose the names of a run's places; an id replaces a name that the fonts cannot draw."""
    replaced: list[str] = []
    hubs, centers = (dict(_names(table, words, replaced)) for table in (run.demand_hubs, run.data_centers))
    if words.lang != "en":
        # A data center that is called like its city would put the same name on the map twice.
        cities = set(hubs.values())
        for place, name in centers.items():
            if name in cities:
                centers[place] = words("note.center", name=name)
    return PlaceNames(centers, hubs, tuple(replaced))


def _names(places: pd.DataFrame, words: Words, replaced: list[str]) -> Iterator[tuple[str, str]]:
    columns = ["name"] if words.lang == "en" else ["name_local", "name"]
    for place, row in zip(places.index, places.to_dict("records"), strict=True):
        wanted = [str(row[column]) for column in columns if isinstance(row.get(column), str) and row[column].strip()]
        drawn = next((name for name in wanted if all(has_glyph(char) for char in name)), str(place))
        if wanted and drawn != wanted[0]:
            lacking = next(char for char in wanted[0] if not has_glyph(char))
            replaced.append(f"{quote_value(wanted[0])} (U+{ord(lacking):04X}) is shown as {quote_value(drawn)}")
        yield str(place), drawn


def run_label(run: Run) -> str:
    """Name a run shortly: its scenario and price cases, else its folder."""
    scenario = run.info.get("scenario")
    facts: Mapping[str, Any] = scenario if isinstance(scenario, Mapping) else {"name": scenario}
    cases = facts.get("price_cases") or run.info.get("price_case") or []
    listed = cases if isinstance(cases, list) else [cases]
    named = [str(case.get("name")) if isinstance(case, Mapping) else str(case) for case in listed]
    return shorten(" + ".join([str(facts.get("name") or run.name), *named]), _LONGEST_NAME)


def distinct_labels(first: Run, second: Run) -> tuple[str, str]:
    """Name two runs so that the names differ."""
    labels = run_label(first), run_label(second)
    if labels[0] != labels[1]:
        return labels
    folders = [labels[0] if run.folder is None else run.folder.resolve().name for run in (first, second)]
    return shorten(folders[0], _LONGEST_NAME), shorten(folders[1], _LONGEST_NAME)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What was drawn on a map, without its labels."""

    requests: list[LabelRequest]  # Labels to be placed, most important first
    circles: FloatArray  # (n, 3) x, y and radius of what labels may not cover
    flow_points: FloatArray  # (n, 2) points that labels avoid where they can
    ribbons: tuple[Ribbon, ...] = ()


@dataclass(frozen=True, eq=False)
class Theme:
    """A kind of map, of one run."""

    title: str  # Without the run's name
    numbers: tuple[str, ...]  # Key numbers for the line below the title
    draw: Callable[[Canvas], Drawn]  # Draws lines and places onto a map
    key: Callable[[Panel], None]  # Draws the key
    classes: tuple[Classes, tuple[float, ...]] | None = None  # Of the numbers that colours mean, and these numbers
    banner: tuple[str, ...] = ()  # Lines to be written large over the map where nothing else is to be shown


@dataclass(frozen=True, eq=False)
class Scene:
    """A run to be drawn, the names of its places, and the language."""

    run: Run
    names: PlaceNames
    words: Words

    def tokens(self, mtok: float) -> str:
        """Write tokens of an amount in millions."""
        return self.words.amount(mtok * TOKENS_PER_MTOK)

    def centers(self, table: pd.DataFrame, column: str) -> Iterator[tuple[dict[str, Any], tuple[float, float], str]]:
        """List data centers in the order of an amount: attributes, position and name."""
        for row in _ranked(table, column):
            yield row, (row["longitude_deg"], row["latitude_deg"]), self.names.data_centers[str(row["id"])]

    def hub_scale(self) -> tuple[float, Callable[[float], float]]:
        """Find the tokens of the largest hub, mtok a day, and the radius of a hub by its tokens."""
        largest = float(self.run.demand_hubs["mtok_per_year"].max()) / self.run.days_per_year
        return largest, radius_scale(largest, _LARGEST_HUB_RADIUS_PT, _SMALLEST_HUB_RADIUS_PT)

    def draw_fibre(self, canvas: Canvas, links: pd.DataFrame | None = None) -> list[tuple[FloatArray, float]]:
        """Draw links as hairlines, all of them unless some are given; returns their lines and widths, points."""
        lines = link_lines(canvas, self.run.links if links is None else links)
        canvas.axes.add_collection(LineCollection(lines, colors=FIBRE_COLOUR, linewidths=_FIBRE_PT, zorder=2))
        return [(line, _FIBRE_PT) for line in lines]

    def draw_places(
        self, canvas: Canvas, centers: Iterable[Marker], radius: Callable[[float], float] | None = None
    ) -> tuple[list[LabelRequest], FloatArray]:
        """Draw data centers and demand hubs; without a radius all hubs have one size."""
        hubs = [
            Marker(
                row["longitude_deg"],
                row["latitude_deg"],
                radius(row["mtok_per_year"] / self.run.days_per_year) if radius else _SMALLEST_HUB_RADIUS_PT,
                self.names.demand_hubs[str(row["id"])],
                style="hub",
                must=False,
            )
            for row in _ranked(self.run.demand_hubs, "mtok_per_year")
        ]
        return draw_markers(canvas, [*centers, *hubs, *self._junctions()], self.words.lang)

    def _junctions(self) -> list[Marker]:
        """Mark where links meet and no request begins: a line must not end at nothing."""
        ends = {
            str(row[f"{end}_node"]): (float(row[f"{end}_longitude_deg"]), float(row[f"{end}_latitude_deg"]))
            for row in self.run.links.to_dict("records")
            for end in ("from", "to")
        }
        placed = {name for name in ends if name in self.run.demand_hubs.index}
        centers = set(zip(self.run.data_centers["longitude_deg"], self.run.data_centers["latitude_deg"], strict=True))
        names = node_names(self.run, self.words)
        return [
            Marker(*at, _JUNCTION_RADIUS_PT, names[node], "junction", must=False)
            for node, at in sorted(ends.items())
            if node not in placed and at not in centers
        ]

    def explain_unused(self, panel: Panel) -> None:
        """Explain the crosses and the hairlines."""
        panel.cross("key.center_unused")
        panel.line("key.fibre", FIBRE_COLOUR, _FIBRE_PT)
        self.explain_junctions(panel)

    def explain_junctions(self, panel: Panel) -> None:
        """Explain the dots where links meet, if there are any."""
        if self._junctions():
            panel.disc("key.junction", JUNCTION_COLOUR, _JUNCTION_RADIUS_PT)


def node_names(run: Run, words: Words) -> dict[str, str]:
    """
    Name the nodes at the ends of a run's links.

    Runs of older versions hold their ids alone: in English these are written as names, in Chinese left out.
    """
    named: dict[str, str] = {}
    for end in ("from", "to"):
        columns = {f"{end}_{column}": column for column in ("name", "name_local") if f"{end}_{column}" in run.links}
        if columns:
            ends = run.links.set_index(f"{end}_node")[list(columns)].rename(columns=columns)
            named |= dict(_names(ends, words, []))
    if named:
        return named
    nodes = pd.unique(run.links[["from_node", "to_node"]].to_numpy(str).ravel())
    return {str(node): str(node).replace("_", " ").title() if words.lang == "en" else "" for node in nodes}


def center_radius(largest: float) -> Callable[[float], float]:
    """Choose the radius of a data center by its amount, of which the largest is given."""
    return radius_scale(largest, _LARGEST_CENTER_RADIUS_PT, _SMALLEST_CENTER_RADIUS_PT)


def width_scale(amounts: pd.Series, widest_pt: float, thinnest_pt: float) -> Callable[[float], float]:
    """Make the width of a line proportional to its amount, down to one that can still be seen."""
    largest = float(amounts.max()) if len(amounts) else 0.0
    return lambda amount: max(thinnest_pt, widest_pt * amount / largest) if largest else thinnest_pt


def link_lines(canvas: Canvas, links: pd.DataFrame) -> list[FloatArray]:
    """Find the line of each link: (n, 2) map points."""
    columns = ["from_longitude_deg", "from_latitude_deg", "to_longitude_deg", "to_latitude_deg"]
    return [canvas.geodesic((a, b), (c, d)) for a, b, c, d in links[columns].to_numpy(float)]


def _ranked(places: pd.DataFrame, column: str) -> list[dict[str, Any]]:
    """List places, largest amount first, those without one last."""
    table = places.rename_axis("id").reset_index().sort_values("id", kind="stable")
    table = table.sort_values(column, ascending=False, kind="stable")
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def list_costs(costs: pd.Series, words: Words, write: Callable[[float], str]) -> list[tuple[str, str]]:
    """List cost components and what each amounts to, largest first."""
    listed = sorted(((str(name), float(cny)) for name, cny in costs.items()), key=lambda item: (-abs(item[1]), item[0]))
    return [(words.term("component", name), write(cny)) for name, cny in listed]


def points_along(lines: Iterable[tuple[FloatArray, float]]) -> FloatArray:
    """Sample lines of given widths, points, for labels to keep clear of; a wide one counts more often."""
    return np.concatenate([np.empty((0, 2)), *starmap(_sample, lines)])


def _sample(line: FloatArray, width_pt: float) -> FloatArray:
    length = float(np.hypot(*np.diff(line[[0, -1]], axis=0)[0]))
    shares = np.linspace(0, 1, max(2, int(length / _POINT_EVERY_PT)))
    steps = np.linspace(0, 1, len(line))
    sampled = np.column_stack([np.interp(shares, steps, line[:, i]) for i in (0, 1)])
    return np.concatenate([sampled] * (1 + int(width_pt / _COUNTED_EVERY_PT)))

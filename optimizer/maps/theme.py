"""
What the kinds of maps have in common: each says what it draws on a map, what its key holds, and its texts.

What a map calls places and runs, in either language, with nothing in it that the fonts cannot draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.collections import LineCollection

from network_data.faults import quote_value
from optimizer.drawing.style import has_glyph
from optimizer.drawing.words import Words
from optimizer.maps.canvas import Canvas
from optimizer.maps.flows import Ribbon
from optimizer.maps.labels import LabelRequest
from optimizer.maps.places import (
    FIBRE_COLOUR,
    HUB_LABELS,
    LARGEST_HUB_RADIUS_PT,
    SMALLEST_HUB_RADIUS_PT,
    Classes,
    Marker,
    Panel,
    radius_scale,
)
from optimizer.numbers import shorten
from optimizer.runs.run import Run
from optimizer.units import TOKENS_PER_MTOK

_LISTED = 5
_LONGEST_NAME = 48


@dataclass(frozen=True)
class PlaceNames:
    """
    Names to be drawn.

    Attributes
    ----------
    data_centers, demand_hubs
        Name by id.
    replaced
        For each name that cannot be drawn, what stands in for it.
    """

    data_centers: Mapping[str, str]
    demand_hubs: Mapping[str, str]
    replaced: tuple[str, ...]

    def warning(self) -> str | None:
        """Say what was replaced, in a line; None if nothing was."""
        if not self.replaced:
            return None
        more = len(self.replaced) - _LISTED
        listed = "; ".join(self.replaced[:_LISTED]) + (f"; and {more} more" if more > 0 else "")
        return f"the maps' fonts lack characters of {len(self.replaced)} name(s): {listed}"


def place_names(run: Run, words: Words) -> PlaceNames:
    """
    Choose the names of a run's places.

    Parameters
    ----------
    words
        The language: Chinese takes `name_local` where a place has one.

    Returns
    -------
    PlaceNames
        The names; the id stands for a name that the fonts cannot draw.
    """
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
        shown = next((name for name in wanted if all(has_glyph(char) for char in name)), str(place))
        if wanted and shown != wanted[0]:
            lacking = next(char for char in wanted[0] if not has_glyph(char))
            replaced.append(f"{quote_value(wanted[0])} (U+{ord(lacking):04X}) is shown as {quote_value(shown)}")
        yield str(place), shown


def run_label(run: Run) -> str:
    """
    Name a run: its scenario and price cases.

    Returns
    -------
    str
        A short name; the folder's where the run does not say.
    """
    scenario = run.info.get("scenario")
    told: Mapping[str, Any] = scenario if isinstance(scenario, Mapping) else {"name": scenario}
    cases = told.get("price_cases") or run.info.get("price_case") or []
    listed = cases if isinstance(cases, list) else [cases]
    named = [str(case.get("name")) if isinstance(case, Mapping) else str(case) for case in listed]
    return shorten(" + ".join([str(told.get("name") or run.name), *named]), _LONGEST_NAME)


def tell_apart(first: Run, second: Run) -> tuple[str, str]:
    """Name two runs so that they can be told apart."""
    labels = run_label(first), run_label(second)
    if labels[0] != labels[1]:
        return labels
    folders = [labels[0] if run.folder is None else run.folder.resolve().name for run in (first, second)]
    return shorten(folders[0], _LONGEST_NAME), shorten(folders[1], _LONGEST_NAME)


FloatArray = npt.NDArray[np.float64]
_POINT_EVERY_PT = 8.0
_COUNTED_EVERY_PT = 5.0


@dataclass(frozen=True, eq=False)
class Drawn:
    """
    What was drawn on a map, without its labels.

    Attributes
    ----------
    requests
        Labels wanted, most important first.
    circles
        (n, 3) x, y and radius of what labels may not cover.
    flow_points
        (n, 2) points that labels had better keep clear of.
    """

    requests: list[LabelRequest]
    circles: FloatArray
    flow_points: FloatArray
    ribbons: tuple[Ribbon, ...] = ()


@dataclass(frozen=True, eq=False)
class Theme:
    """
    A kind of map, of one run.

    Attributes
    ----------
    title
        Its title, without the run's name.
    numbers
        Key numbers for the line below.
    draw
        Draws lines and places onto a map.
    key
        Draws the key.
    classes
        Classes of the numbers that colours stand for, and the numbers themselves.
    banner
        Lines to be written large over the map, where there is nothing else to show.
    """

    title: str
    numbers: tuple[str, ...]
    draw: Callable[[Canvas], Drawn]
    key: Callable[[Panel], None]
    classes: tuple[Classes, tuple[float, ...]] | None = None
    banner: tuple[str, ...] = ()


def ranked(places: pd.DataFrame, column: str) -> list[dict[str, Any]]:
    """List places with their attributes, largest amount first."""
    rows = places.rename_axis("id").reset_index().to_dict("records")
    amount = {row["id"]: -np.inf if np.isnan(row[column]) else float(row[column]) for row in rows}
    return [
        {str(k): v for k, v in row.items()} for row in sorted(rows, key=lambda row: (-amount[row["id"]], row["id"]))
    ]


def hub_markers(run: Run, names: PlaceNames, radius: Callable[[float], float] | None = None) -> list[Marker]:
    """
    Mark the demand hubs; the largest ask for a label.

    Parameters
    ----------
    radius
        Radius by tokens, mtok a day; None makes all alike.
    """
    of_amount = radius or (lambda _: SMALLEST_HUB_RADIUS_PT)
    return [
        Marker(
            row["longitude_deg"],
            row["latitude_deg"],
            of_amount(row["mtok_per_year"] / run.days_per_year),
            names.demand_hubs[str(row["id"])],
            style="hub",
            must=False,
            is_minor=rank >= HUB_LABELS,
        )
        for rank, row in enumerate(ranked(run.demand_hubs, "mtok_per_year"))
    ]


def hub_scale(run: Run) -> tuple[float, Callable[[float], float]]:
    """
    Choose the scale of the rings of demand hubs.

    Returns
    -------
    tuple
        Tokens of the largest hub, mtok a day, and the radius by amount.
    """
    largest = float(run.demand_hubs["mtok_per_year"].max()) / run.days_per_year
    return largest, radius_scale(largest, LARGEST_HUB_RADIUS_PT, SMALLEST_HUB_RADIUS_PT)


def draw_fibre(canvas: Canvas, links: pd.DataFrame) -> list[FloatArray]:
    """
    Draw links as hairlines.

    Returns
    -------
    list of array
        (n, 2) the line of each link, map points.
    """
    columns = ["from_longitude_deg", "from_latitude_deg", "to_longitude_deg", "to_latitude_deg"]
    lines = [canvas.geodesic((a, b), (c, d)) for a, b, c, d in links[columns].to_numpy(float)]
    canvas.axes.add_collection(LineCollection(lines, colors=FIBRE_COLOUR, linewidths=0.8, zorder=2))
    return lines


def points_along(lines: Iterable[tuple[FloatArray, float]]) -> FloatArray:
    """
    Sample lines, for labels to keep clear of; a wide one counts more often.

    Parameters
    ----------
    lines
        (n, 2) points and width of each, points.
    """
    return np.concatenate([np.empty((0, 2)), *starmap(_sample, lines)])


def _sample(line: FloatArray, width_pt: float) -> FloatArray:
    length = float(np.hypot(*np.diff(line[[0, -1]], axis=0)[0]))
    shares = np.linspace(0, 1, max(2, int(length / _POINT_EVERY_PT)))
    steps = np.linspace(0, 1, len(line))
    sampled = np.column_stack([np.interp(shares, steps, line[:, i]) for i in (0, 1)])
    return np.concatenate([sampled] * (1 + int(width_pt / _COUNTED_EVERY_PT)))


def format_tokens(words: Words) -> Callable[[float], str]:
    """Write tokens of amounts in millions."""
    return lambda mtok: words.amount(mtok * TOKENS_PER_MTOK)

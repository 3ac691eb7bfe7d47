"""What a map calls places and runs, in either language, with nothing in it that the fonts cannot draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from network_data.faults import quote_value
from optimizer.geo import RunTables
from optimizer.map_font import has_glyph
from optimizer.map_style import shorten
from optimizer.map_words import Words

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


def place_names(run: RunTables, words: Words) -> PlaceNames:
    """
    Choose the names of a run's places.

    Parameters
    ----------
    run
        The run.
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


def run_label(run: RunTables) -> str:
    """
    Name a run: its scenario and price cases.

    Parameters
    ----------
    run
        The run.

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
    return shorten(" + ".join([str(told.get("name") or run.folder.name), *named]), _LONGEST_NAME)


def tell_apart(first: RunTables, second: RunTables) -> tuple[str, str]:
    """
    Name two runs so that they can be told apart.

    Parameters
    ----------
    first, second
        Runs.

    Returns
    -------
    tuple of str
        Scenario and price cases, else the folders' names.
    """
    labels = run_label(first), run_label(second)
    if labels[0] != labels[1]:
        return labels
    folders = (shorten(run.folder.resolve().name, _LONGEST_NAME) for run in (first, second))
    one, other = folders
    return one, other

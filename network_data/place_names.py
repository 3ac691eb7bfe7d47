"""Names of places in other scripts and spellings: which of them mean the same place (`place_names.csv`)."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable
from pathlib import Path

NAMES_FILE = Path(__file__).with_name("place_names.csv")


def plain_name(name: str) -> str:
    """
    Write the name of a place so that all its spellings are the same: like an id, without case and spaces.

    Parameters
    ----------
    name
        Name or id of a province, region, data center or tariff.

    Examples
    --------
    >>> plain_name("West Toyland"), plain_name("Macau"), plain_name("macao")
    ('west_toyland', 'macao', 'macao')
    """
    plain = _like_id(name)
    return _other_names().get(plain, plain)


def same_names(name: str, known: Iterable[str]) -> list[str]:
    """
    Find the names meant by one.

    Parameters
    ----------
    name
        What was written.
    known
        The names that there are.

    Returns
    -------
    list of str
        The name itself if it is there, else those that are spellings of the same place.
    """
    different = list(dict.fromkeys(known))
    return [name] if name in different else [other for other in different if plain_name(other) == plain_name(name)]


def _like_id(name: str) -> str:
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())


@functools.cache
def _other_names() -> dict[str, str]:
    with NAMES_FILE.open(encoding="utf-8", newline="") as text:
        return {_like_id(row["other_name"]): _like_id(row["name"]) for row in csv.DictReader(text)}

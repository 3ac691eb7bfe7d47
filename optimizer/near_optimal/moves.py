"""What must move between two plans' near-optimal sets, and what merely did between the two plans that were found."""

from __future__ import annotations

import pandas as pd

PLACE_SHARE = "share@"
Limits = dict[str, tuple[float, float]]  # least and most, by indicator


def must_move_share(first: pd.DataFrame, second: pd.DataFrame) -> float | None:
    """
    Share of the tokens that every pair of near-optimal plans of two runs serves elsewhere.

    Parameters
    ----------
    first, second
        Ranges of the runs (`Run.ranges`), with rows `share@DATA_CENTER` or `REGION_share`.

    Returns
    -------
    float or None
        Where two proved ranges of a place do not meet, the tokens between them must move. Regions share out the tokens
        among them, so those that gain are added up, and those that lose; other places may overlap (a data center
        and its region), so that of them the largest single move counts. None where the two have no range in common.
    """
    found: list[float] = []
    for is_place in (False, True):
        old, new = (_limits(table, is_place=is_place) for table in (first, second))
        if old.keys() & new.keys():
            gained, lost = _moves(old, new)
            found += [*gained, *lost] if is_place else [sum(gained), sum(lost)]
    return max(found) if found else None


def _moves(old: Limits, new: Limits) -> tuple[list[float], list[float]]:
    """Least that each place in both gains, and loses."""
    common = sorted(old.keys() & new.keys())
    gained = [max(0.0, new[name][0] - old[name][1]) for name in common]
    return gained, [max(0.0, old[name][0] - new[name][1]) for name in common]


def _limits(ranges: pd.DataFrame, *, is_place: bool) -> Limits:
    """Proved limits of the shares of places, or of regions, by the name of the indicator."""
    out = {}
    for row in ranges.to_dict("records"):
        name = str(row["indicator"])
        is_region = name.endswith("_share") and "@" not in name
        is_share = (name.startswith(PLACE_SHARE) and "/" not in name) if is_place else is_region
        if is_share and row["unit"] == "share":
            out[name] = (float(row["least_limit"]), float(row["most_limit"]))
    return out

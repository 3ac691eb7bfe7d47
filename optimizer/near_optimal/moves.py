"""What must move between two plans' near-optimal sets, and what merely did between the two plans that were found."""

from __future__ import annotations

import pandas as pd

PLACE_SHARE = "share@"


def share_range(ranges: pd.DataFrame, region: str) -> tuple[float, float, float] | None:
    """Least and most proved share of a region, and the slack that they hold for; None where that was not computed."""
    rows = ranges[ranges["indicator"] == f"{region}_share"] if len(ranges) else ranges
    if not len(rows):
        return None
    row = rows.iloc[-1]
    return float(row["least_limit"]), float(row["most_limit"]), float(row["slack_share"])


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
        Where two proved ranges of a place do not meet, the tokens between them must move: the sum over the places that
        gain, or over those that lose, whichever is more. None where the two have no such range in common.
    """
    found: list[float] = []
    for is_place in (True, False):
        limits = [_limits(table, is_place=is_place) for table in (first, second)]
        common = sorted(limits[0].keys() & limits[1].keys())
        if common:
            pairs = [(limits[0][name], limits[1][name]) for name in common]
            gained = sum(max(0.0, new[0] - old[1]) for old, new in pairs)
            lost = sum(max(0.0, old[0] - new[1]) for old, new in pairs)
            found.append(max(gained, lost))
    return max(found) if found else None


def _limits(ranges: pd.DataFrame, *, is_place: bool) -> dict[str, tuple[float, float]]:
    """Proved limits of shares, of places or of regions: two sets that each share out the tokens once."""
    out = {}
    for row in ranges.to_dict("records"):
        name = str(row["indicator"])
        is_share = name.startswith(PLACE_SHARE) and "/" not in name if is_place else name.endswith("_share")
        if is_share and row["unit"] == "share":
            out[name] = (float(row["least_limit"]), float(row["most_limit"]))
    return out

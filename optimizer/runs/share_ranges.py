"""Between what the regional shares of a run lie over all plans that cost about as little, from its table of ranges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

RANGE_UNKNOWN = "range not computed: edwc range"


def share_range(ranges: pd.DataFrame, region: str) -> tuple[float, float, float] | None:
    """Least and most proved share of a region, and the slack that they hold for; None where that was not computed."""
    rows = ranges[ranges["indicator"] == f"{region}_share"] if len(ranges) else ranges
    if not len(rows):
        return None
    row = rows.iloc[-1]
    return float(row["least_limit"]), float(row["most_limit"]), float(row["slack_share"])


def range_text(known: tuple[float, float, float] | None) -> str:
    """Say for which plans a range from `share_range` holds, or that it was not computed."""
    return RANGE_UNKNOWN if known is None else f"all plans of up to {known[2]:.2%} more"


def join_texts(texts: Iterable[str]) -> str:
    """Say of several ranges for which plans they hold, each slack once."""
    return ", else ".join(sorted(set(texts)))


def share_columns(
    runs: Sequence[str], regions: Sequence[str], ranges: Mapping[str, pd.DataFrame]
) -> dict[str, npt.NDArray[Any]]:
    """
    Columns for a table whose rows show the regional shares of runs: between what these lie.

    Parameters
    ----------
    runs
        The run of each row; empty where a row has none.
    ranges
        Ranges (`Run.ranges`) by run; those that were not computed may be missing.

    Returns
    -------
    dict
        least_region_share.REGION and most_region_share.REGION, proved, NaN where not computed; and share_range: for
        which plans they hold, or that they were not computed.
    """
    nothing = pd.DataFrame()
    known = {name: [share_range(ranges.get(run, nothing), name) for run in runs] for name in regions}
    out: dict[str, npt.NDArray[Any]] = {}
    for n, end in enumerate(("least", "most")):
        for name, found in known.items():
            out[f"{end}_region_share.{name}"] = np.array([math.nan if one is None else one[n] for one in found])
    said = [join_texts(range_text(found[row]) for found in known.values()) for row in range(len(runs))]
    out["share_range"] = np.array([text if run else "" for run, text in zip(runs, said, strict=True)], dtype=object)
    return out

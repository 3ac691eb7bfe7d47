"""The colours of maps, charts and pages, and round numbers for their keys."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

# Okabe and Ito's colours, which colour-blind readers can tell apart; without yellow and black, which are hard to see
# on land and beside the labels.
PALETTE = ("#D55E00", "#009E73", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
OTHER = "other"
OTHER_COLOUR, NEUTRAL_COLOUR = "#8C8C8C", "#4A4A4A"
INK, FAINT_INK = "#222222", "#5F5F5F"


def region_colours(data_centers: pd.DataFrame, demand_hubs: pd.DataFrame) -> dict[str, str]:
    """Give each region a colour, ordered from west to east by mean longitude; beyond the palette all share grey."""
    places = pd.concat([data_centers[["region", "longitude_deg"]], demand_hubs[["region", "longitude_deg"]]])
    means = places.groupby("region")["longitude_deg"].mean()
    return assign_colours(sorted(means.index, key=lambda region: (means[region], region)))


def assign_colours(categories: Sequence[str]) -> dict[str, str]:
    """Give each category a colour of the palette; those beyond its length share grey."""
    return {name: PALETTE[i] if i < len(PALETTE) else OTHER_COLOUR for i, name in enumerate(categories)}


def round_down_nicely(value: float) -> float:
    """Find the largest of 1, 2, 5, 10, 20, 50, … (or 0.5, 0.2, …) that does not exceed a positive value."""
    power = 10.0 ** math.floor(math.log10(value))
    # The margin keeps 0.1 + 0.2 from counting as more than 0.3 and 5 - 1e-16 as less than 5.
    return next((step * power for step in (5.0, 2.0) if step * power <= value * (1 + 1e-12)), power)


def legend_amounts(largest: float) -> tuple[float, float, float]:
    """Choose three round amounts that show a scale, such as 20, 5 and 1, or 10, 2 and 0.5."""
    # On the ladder 1, 2, 5, 10, ... two steps down is a quarter of a 2 and a fifth of a 1 or a 5.
    top = round_down_nicely(largest)
    middle = round_down_nicely(top / 4)
    return top, middle, round_down_nicely(middle / 4)

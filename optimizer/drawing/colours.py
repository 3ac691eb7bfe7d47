"""
The colours of maps, charts and pages, one meaning each, and round numbers for their keys.

Pages, PNG and maps take every colour that means something from here, so that it means the same on all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap

# Regions, and other categories of one chart. Okabe and Ito's colours, which colour-blind readers tell apart, without
# yellow and black, which are hard to see on land and beside the labels.
PALETTE = ("#D55E00", "#009E73", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
OTHER = "other"
OTHER_COLOUR, NEUTRAL_COLOUR = "#8C8C8C", "#4A4A4A"
INK, FAINT_INK = "#222222", "#5F5F5F"

# Money: what a change saves, what it costs more, and a cost that is no change. Tokens: more, less. After ColorBrewer's
# pairs for colour-blind readers; a sign, a side or dashes tell the same without colour.
SAVES, COSTS_MORE, TOTAL = "#1B7837", "#762A83", "#6B6B6B"
MORE, LESS = "#00594F", "#B97A2B"

# Searches: the best known plan, what is proved, what the gaps leave open, where no plan is possible.
PLAN, PROVED, UNCERTAIN, NO_PLAN = "#56668A", "#A9B8D4", "#B0B0B0", "#EDEDED"
DECISION, ROUTING = INK, "#B0B0B0"

# Sequential scales, after ColorBrewer (Cynthia Brewer, Apache 2.0): each begins near paper and grows darker from class
# to class, so that it also works in grey. Load of links, energy price, carbon, share of tokens; regret is money.
LOADS = ("#DFE8EE", "#B3CAD8", "#86AABF", "#588AA5", "#2F6886", "#10384F")
PRICES = ("#FBF0C4", "#E9CF7C", "#CBA93F", "#A2821C", "#74590C", "#402F03")
CARBONS = ("#ECE8E6", "#C9C1BC", "#A39992", "#7B706A", "#524943", "#241F1C")
TOKENS = ("#E5F2F0", "#ADD7D0", "#6FB6AB", "#349386", "#0B6E64", "#003029")
REGRETS = ("#F6F0F7", "#DCC3E0", "#B486BD", COSTS_MORE, "#3F1247")
POWER, PRICE = LOADS[4], PRICES[3]  # where one colour grows stronger

# Components of the cost. Energy and what it brings about are sand, network is blue, siting is teal, capital is grey.
_COMPONENTS = {
    "energy": "#D0B24A", "demand_charge": "#8F8A3C", "carbon": "#57534E", "latency": "#8CC4E0", "network": "#2F6886",
    "data_transfer": "#8A9FD1", "opening": "#3E9C8F", "deployment": "#A5D6CD", "accelerator_capital": "#8C96A3",
    "site_capital": "#5F6B76", "shedding": "#6B1A3A",
}  # fmt: skip


def component_colour(component: str) -> str:
    """Find the colour of a component of the cost by its id; grey of one that is not known."""
    return _COMPONENTS.get(component, OTHER_COLOUR)


def colour_scale(colours: Sequence[str]) -> LinearSegmentedColormap:
    """Make a continuous scale of a sequential one, for cells of a matrix."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("edwc", list(colours))


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

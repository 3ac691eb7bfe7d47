"""Colours, sizes and number texts that the drawn map and the QGIS styles share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from network_data.faults import escape_text

# Okabe and Ito's colours, made to stay apart for colour-blind readers; yellow and black are left out because
# they vanish on land and beside the labels.
PALETTE = ("#D55E00", "#009E73", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9", "#882255")
OTHER = "other"
OTHER_COLOUR = "#8C8C8C"
NEUTRAL_COLOUR = "#4A4A4A"

_SCALES = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1e3, " thousand"))


def region_colours(data_centers: pd.DataFrame, demand_hubs: pd.DataFrame) -> dict[str, str]:
    """
    Give each region a colour, from west to east.

    Parameters
    ----------
    data_centers, demand_hubs
        Tables with region, longitude_deg.

    Returns
    -------
    dict
        Region to colour, the regions ordered by their mean longitude; beyond the palette's length all share
        grey.
    """
    places = pd.concat([data_centers[["region", "longitude_deg"]], demand_hubs[["region", "longitude_deg"]]])
    means = places.groupby("region")["longitude_deg"].mean()
    return assign_colours(sorted(means.index, key=lambda region: (means[region], region)))


def assign_colours(categories: Sequence[str]) -> dict[str, str]:
    """
    Give each category a colour of the palette; those beyond its length share grey.

    Parameters
    ----------
    categories
        Names, most important first.

    Returns
    -------
    dict
        Name to colour, in the given order.
    """
    return {name: PALETTE[i] if i < len(PALETTE) else OTHER_COLOUR for i, name in enumerate(categories)}


def format_amount(amount: float, digits: int = 3, scales: Sequence[tuple[float, str]] = _SCALES) -> str:
    """
    Spell an amount with a word for its size.

    Parameters
    ----------
    amount
        Any finite number.
    digits
        Significant digits.
    scales
        Sizes, largest first, with the words that follow the number.

    Returns
    -------
    str
        For example `1.93 billion`, `140 trillion`, `0`.
    """
    if amount == 0:
        return "0"
    # Round first: 999,999,999 is 1 billion, not 1000 million.
    rounded = float(f"{amount:.{digits}g}")
    scale, word = next(((s, w) for s, w in scales if abs(rounded) >= s), (1.0, ""))
    return _plain(rounded / scale, digits) + word


def _plain(value: float, digits: int) -> str:
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def round_down_nicely(value: float) -> float:
    """
    Find the largest of 1, 2, 5, 10, 20, 50, … (or 0.5, 0.2, …) that does not exceed a positive value.

    Parameters
    ----------
    value
        A positive number.

    Returns
    -------
    float
        The round number.
    """
    power = 10.0 ** math.floor(math.log10(value))
    # The margin keeps 0.1 + 0.2 from counting as more than 0.3 and 5 - 1e-16 as less than 5.
    return next((step * power for step in (5.0, 2.0) if step * power <= value * (1 + 1e-12)), power)


def legend_amounts(largest: float) -> tuple[float, float, float]:
    """
    Choose three round amounts that show a scale, such as 20, 5 and 1, or 10, 2 and 0.5.

    Parameters
    ----------
    largest
        Largest amount drawn, positive.

    Returns
    -------
    tuple of float
        Three amounts, largest first, none above the largest drawn.
    """
    # On the ladder 1, 2, 5, 10, ... two steps down is a quarter of a 2 and a fifth of a 1 or a 5.
    top = round_down_nicely(largest)
    middle = round_down_nicely(top / 4)
    return top, middle, round_down_nicely(middle / 4)


def shorten(text: str, most_chars: int) -> str:
    """
    Cut a name to a length, dropping what stands in closing brackets first; control characters become escapes.

    Parameters
    ----------
    text
        A name, possibly hostile.
    most_chars
        Longest result.

    Returns
    -------
    str
        The name or its beginning with an ellipsis.
    """
    clean = escape_text(text[: 4 * most_chars]).strip()
    if len(clean) > most_chars and " (" in clean:
        clean = clean[: clean.index(" (")].rstrip() or clean
    return clean if len(clean) <= most_chars else clean[: most_chars - 1].rstrip() + "…"

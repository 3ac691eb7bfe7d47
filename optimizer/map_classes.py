"""Classes of a map's numbers: few, with round breaks, that hold every value shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.map_style import round_down_nicely

MOST_CLASSES = 6
# Values that span more than this factor get breaks that grow by factors, 1, 2, 5, 10, ...; others, even ones.
_SKEWED = 20.0
_STEPS = (1.0, 2.0, 2.5, 5.0)

# Sequential palettes after ColorBrewer (Cynthia Brewer, Apache 2.0), of kinds that it lists as safe for colour-blind
# readers; each grows darker from class to class, so that it also works in grey.
BLUES = ("#9AD3B5", "#5BBCC0", "#3590C0", "#2B62A8", "#253A86", "#0B1747")
BROWNS = ("#FFF0B3", "#FED46A", "#FBA536", "#E5701A", "#B5430A", "#6E2406")
PURPLES = ("#CFE0EE", "#A9C4E0", "#8FA3CF", "#8672B4", "#79398F", "#470A45")


@dataclass(frozen=True)
class Classes:
    """
    Classes with their colours, lowest first.

    Attributes
    ----------
    edges
        Breaks, one more than classes: a class holds its lower break, the last one also its upper.
    colours
        One for each class.
    """

    edges: tuple[float, ...]
    colours: tuple[str, ...]

    def index_of(self, value: float) -> int:
        """Find the class of a value within the breaks."""
        above = sum(value >= edge for edge in self.edges)
        return min(max(above - 1, 0), len(self.colours) - 1)

    def colour_of(self, value: float) -> str:
        """Find the colour of a value."""
        return self.colours[self.index_of(value)]


def fit_classes(values: Sequence[float], palette: Sequence[str]) -> Classes | None:
    """
    Choose classes that hold all values.

    Parameters
    ----------
    values
        Finite numbers, none negative.
    palette
        Colours, lightest first.

    Returns
    -------
    Classes or None
        None where there are no values.
    """
    if not values:
        return None
    low, high = min(values), max(values)
    is_skewed = high > _SKEWED * low and high > 0
    edges = _by_factors(values, high) if is_skewed else _even(low, high)
    count = len(edges) - 1
    # Few classes take colours from the whole palette, so that they stay far apart.
    picked = [round(i * (len(palette) - 1) / max(count - 1, 1)) for i in range(count)]
    if count == 1:
        picked = [len(palette) // 2]
    return Classes(tuple(edges), tuple(palette[i] for i in picked))


def _even(low: float, high: float) -> list[float]:
    """Find round breaks at even steps."""
    if high == low:
        step = round_down_nicely(low) if low > 0 else 1.0
        first = math.floor(low / step * (1 + 1e-12)) * step
        return [_clean(first), _clean(first + step)]
    power = 10.0 ** math.floor(math.log10((high - low) / MOST_CLASSES))
    for factor in (*_STEPS, *(10.0 * step for step in _STEPS)):
        step = factor * power
        first = math.floor(low / step + 1e-9)
        last = max(math.ceil(high / step - 1e-9), first + 1)
        if last - first <= MOST_CLASSES:
            return [_clean(i * step) for i in range(first, last + 1)]
    raise AssertionError((low, high))  # a step of the whole range and more always fits


def _by_factors(values: Sequence[float], high: float) -> list[float]:
    """Find breaks 1, 2, 5, 10, ... from the highest value down; the lowest class begins at 0."""
    top = round_down_nicely(high)
    if top < high * (1 - 1e-12):
        top = _next_up(top)
    edges = [top]
    while len(edges) < MOST_CLASSES and edges[-1] > min(value for value in values if value > 0):
        edges.append(round_down_nicely(edges[-1] * (1 - 1e-9)))
    return [0.0, *(_clean(edge) for edge in reversed(edges))]


def _next_up(value: float) -> float:
    """Find the next of 1, 2, 5, 10, ... above one of them."""
    return round_down_nicely(value * 2.6)


def _clean(value: float) -> float:
    """Drop the last digits of a sum of steps: 0.30000000000000004 is 0.3."""
    return float(f"{value:.12g}")

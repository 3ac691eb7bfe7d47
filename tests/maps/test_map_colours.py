"""Colours of the maps as colour-blind readers see them: still apart."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from optimizer.drawing import colours
from optimizer.drawing.colours import CARBONS, COSTS_MORE, LESS, LOADS, MORE, PALETTE, PRICES, REGRETS, SAVES, TOKENS
from optimizer.model.equations import COSTS

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SIGHT = {
    "all cones": np.eye(3),
    "no long cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no medium cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no short cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ.sum(axis=1)


def lab(colour: str, sight: str) -> np.ndarray:
    """Find a colour's place in CIELAB, where a distance of 2 can just be seen."""
    shares = np.array(to_rgb(colour))
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    seen = TO_XYZ @ np.clip(np.array(SIGHT[sight]) @ linear, 0.0, 1.0) / WHITE
    f = np.where(seen > 216 / 24389, np.cbrt(seen), (24389 / 27 * seen + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(first: str, second: str, sight: str) -> float:
    return float(np.linalg.norm(lab(first, sight) - lab(second, sight)))


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_stay_apart(sight: str) -> None:
    assert min(apart(a, b, sight) for a, b in combinations(PALETTE, 2)) > 15
    assert apart(SAVES, COSTS_MORE, sight) > 50
    assert apart(MORE, LESS, sight) > 50
    for palette in (LOADS, PRICES, CARBONS, TOKENS, REGRETS):
        assert min(apart(a, b, sight) for a, b in pairwise(palette)) > 9
        lightness = [lab(colour, sight)[0] for colour in palette]
        assert lightness == sorted(lightness, reverse=True)


def test_each_colour_has_one_meaning() -> None:
    """A colour that says "west" on the map must not say "costs more" in the chart below it."""
    pairs = (SAVES, COSTS_MORE, MORE, LESS, colours.TOTAL, colours.PLAN, colours.PROVED, colours.POWER, colours.PRICE)
    components = [colours.component_colour(cost.rule.__name__.removesuffix("_cost")) for cost in COSTS]
    meanings = [*PALETTE, *pairs, *(colour for colour in components if colour != colours.OTHER_COLOUR)]
    assert colours.OTHER_COLOUR not in components
    told_twice = {colour for colour in meanings if meanings.count(colour) > 1}
    assert told_twice <= {colours.POWER}  # power of links: the network's share of the cost has the colour of its load


@pytest.mark.parametrize("palette", [LOADS, PRICES, CARBONS, TOKENS, REGRETS])
def test_scales_begin_near_paper(palette: tuple[str, ...]) -> None:
    """Next to nothing must not look like an alarm."""
    assert lab(palette[0], "all cones")[0] > 85

"""Colours of the maps as colour-blind readers see them: still apart."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from optimizer.drawing.colours import PALETTE
from optimizer.maps.difference import GREW, SHRANK
from optimizer.maps.places import BLUES, BROWNS, PURPLES

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
    assert apart(GREW, SHRANK, sight) > 80
    for palette in (BLUES, BROWNS, PURPLES):
        assert min(apart(a, b, sight) for a, b in pairwise(palette)) > 10
        lightness = [lab(colour, sight)[0] for colour in palette]
        assert lightness == sorted(lightness, reverse=True)

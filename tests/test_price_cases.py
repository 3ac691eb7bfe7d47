"""Price cases and price changes of a scenario: what they make of the prices of a problem, by numbers worked by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_scenario import ToyScenario

from optimizer.problem import PlacementProblem
from scenarios.price_parameters import overrides_of

# The toy's tariffs: 300 CNY per MWh at night and 600 from 8 on in the east; the west has its own. Slices of 6 hours.
EAST, WEST = 0, 1
Change = dict[str, Any]


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


def changed(toy: ToyScenario, *changes: Change, **keys: Any) -> PlacementProblem:
    """Assemble the toy with changes of its prices, in order."""
    return toy(price_changes={f"change_{number}": change for number, change in enumerate(changes)}, **keys)


def prices(problem: PlacementProblem, center: int) -> list[float]:
    return [float(price) for price in problem.energy_price_cny_per_mwh[:, center]]


def test_a_region_is_scaled_and_the_other_stays(toy: ToyScenario) -> None:
    before, after = toy(), changed(toy, {"what": "energy_price", "scale": 0.5, "regions": ["west"]})
    assert prices(after, EAST) == prices(before, EAST)
    assert prices(after, WEST) == [0.5 * price for price in prices(before, WEST)]


def test_factors_of_one_change_nothing_to_the_bit(toy: ToyScenario) -> None:
    point = {"price": 1.0, "price.west": 1.0, "demand_charge": 1.0, "token_price": 1.0}
    texts = [text.partition("=") for text in overrides_of(point)]
    before = toy()
    after = toy(price_changes={key.removeprefix("price_changes."): json.loads(value) for key, _, value in texts})
    assert np.array_equal(after.energy_price_cny_per_mwh, before.energy_price_cny_per_mwh)
    assert after.data_centers.equals(before.data_centers)
    assert after.classes.equals(before.classes)

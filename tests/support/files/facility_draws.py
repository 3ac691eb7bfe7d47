"""Facility-location instances drawn from a seed, of kinds that are published: places on a plane, costs by distance."""

from __future__ import annotations

import numpy as np

from optimizer.validation.facility_files import FacilityInstance

DEMAND_UNITS = 58_268.0
LARGEST_DEMAND_UNITS = 12_000.0
CNY_PER_UNIT = 25.0  # over the width of the plane


def skewed_instance(
    seed: int, *, facilities: int = 25, customers: int = 50, opening: float = 7_500.0, is_single_sourced: bool = True
) -> FacilityInstance:
    """
    Draw few customers of very unequal demand, facilities of equal capacity and cost, costs by demand and distance.

    The sizes are those of the old test problems of 50 customers: the largest asks for most of what a facility has.
    """
    rng = np.random.default_rng(seed)
    weight = rng.lognormal(0.0, 1.2, customers)
    demand = np.minimum(np.round(DEMAND_UNITS * weight / weight.sum()) + 1.0, LARGEST_DEMAND_UNITS)
    cost = _distance(rng, facilities, customers) * demand * CNY_PER_UNIT
    capacity = max(15_000.0, np.ceil(3.0 * demand.sum() / facilities))
    return FacilityInstance(
        [opening] * facilities, [float(capacity)] * facilities, demand.tolist(), np.round(cost, 2).tolist(),
        is_single_sourced,
    )  # fmt: skip


def tight_instance(
    seed: int, *, facilities: int, customers: int, ratio: float = 3.0, has_fixed_cost: bool = True
) -> FacilityInstance:
    """
    Draw many single-sourced customers of like demand, with `ratio` times the capacity that they need in all.

    A customer is served at a cost by distance alone, whatever it asks for.
    """
    rng = np.random.default_rng(seed)
    demand = rng.integers(5, 36, customers).astype(float)
    capacity = rng.uniform(10.0, 160.0, facilities)
    capacity = np.maximum(np.ceil(capacity * ratio * demand.sum() / capacity.sum()), 36.0)
    cost = np.round(_distance(rng, facilities, customers) * 1_000.0)
    opening = np.round(rng.uniform(0.0, 90.0, facilities) + rng.uniform(100.0, 110.0, facilities) * np.sqrt(capacity))
    return FacilityInstance(
        (opening * has_fixed_cost).tolist(), capacity.tolist(), demand.tolist(), cost.tolist(), is_single_sourced=True
    )


def _distance(rng: np.random.Generator, facilities: int, customers: int) -> np.ndarray:
    """(facilities, customers) distances of places in the unit square."""
    here, there = rng.random((facilities, 1, 2)), rng.random((1, customers, 2))
    distance: np.ndarray = np.linalg.norm(here - there, axis=2)
    return distance

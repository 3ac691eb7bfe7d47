"""Draws limits on the year as a whole for a random problem: often within reach, sometimes not."""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizer.problem.problem import PlacementProblem, PolicyLimits

ACTIVE_SHARE = 0.4
DEMANDED_SHARE = 0.35


def random_policy(rng: np.random.Generator, problem: PlacementProblem) -> PolicyLimits:
    """Limit nothing in most cases, else one to three things."""
    if rng.random() > ACTIVE_SHARE:
        return PolicyLimits()
    centers = problem.data_centers
    busy_h = problem.weight_h @ problem.class_demand_mtok_per_h @ problem.accel_h_per_mtok.mean(axis=1)
    mwh = float(busy_h * 0.45 * centers["pue"].mean())
    price = float((problem.energy_price_cny_per_mwh.mean(axis=0) * centers["pue"]).mean()) * 0.45 * float(busy_h)
    drawn: dict[str, Any] = {
        "min_region_share": {str(rng.choice(centers["region"].unique())): float(rng.uniform(0.05, 0.5))},
        "min_green_share": float(rng.choice([0.15, 0.3, 0.4])),
        "carbon_cap_t_per_year": mwh * float(centers["carbon_kg_per_kwh"].mean() * rng.uniform(0.7, 1.5)),
        "min_utilization_share": float(rng.choice([0.05, 0.1, 0.2])),
        "investment_limit_cny": float(rng.choice([2.0e6, 1.0e7, 1.0e8])),
        "min_new_compute_share": {str(rng.choice(centers["category"].unique())): float(rng.uniform(0.3, 0.9))},
        "spending_limit_cny_per_year": price * float(rng.uniform(0.9, 3.0)) + 1.0e7,
    }
    return PolicyLimits(**{name: limit for name, limit in drawn.items() if rng.random() < DEMANDED_SHARE})

"""Demands on a plan as a whole, as the model, the checker and the results read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class PolicyLimits:
    """
    Limits on the year as a whole. The defaults limit nothing.

    Attributes
    ----------
    min_region_share
        Region of data centers to the least share of all tokens served that is processed there; shares above 0.
    min_green_share
        Least share of the facility energy that contracts for green power cover; 0 = no limit.
    carbon_cap_t_per_year
        Most tonnes of CO2, location-based; None = no limit.
    min_utilization_share
        Least share of the year that the accelerators of an open data center are busy; 0 = no limit.
    investment_limit_cny
        Most up-front price of new pods with their building and power; None = no limit.
    spending_limit_cny_per_year
        Most of energy, demand charge, annualized capital, opening, deployment and carbon price; None = no limit.
    """

    min_region_share: Mapping[str, float] = field(default_factory=dict)
    min_green_share: float = 0.0
    carbon_cap_t_per_year: float | None = None
    min_utilization_share: float = 0.0
    investment_limit_cny: float | None = None
    spending_limit_cny_per_year: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite or negative."""
        limits = (self.carbon_cap_t_per_year, self.investment_limit_cny, self.spending_limit_cny_per_year)
        shares = (*self.min_region_share.values(), self.min_green_share, self.min_utilization_share)
        numbers = np.array([*shares, *(limit for limit in limits if limit is not None)], dtype=float)
        if not np.isfinite(numbers).all() or (numbers < 0).any():
            raise ValueError("policy: a limit is negative or not finite")

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions with a least share above 0, by name."""
        return tuple(sorted(name for name, share in self.min_region_share.items() if share > 0))

    @property
    def is_active(self) -> bool:
        """Whether anything is limited."""
        return self != NO_LIMITS

    @property
    def limits_pods(self) -> bool:
        """Whether a pod more can break a limit, so that a fractional number must not simply be rounded up."""
        money = (self.investment_limit_cny, self.spending_limit_cny_per_year)
        return self.min_utilization_share > 0 or any(limit is not None for limit in money)


NO_LIMITS = PolicyLimits()

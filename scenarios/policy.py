"""What a scenario may demand of a plan as a whole: shares of regions and green power, carbon, utilization, money."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AfterValidator, Field

from scenarios.field_types import Id, NonNegative, Section, Share, fault

_ROUNDING = 1e-9


def _check_region_shares(shares: dict[str, float]) -> dict[str, float]:
    total = math.fsum(shares.values())
    if total > 1 + _ROUNDING:
        listed = " + ".join(f"{share:g} ({region})" for region, share in shares.items())
        problem = f"the least shares of {len(shares)} regions sum to {total:g}, more than all tokens: {listed}"
        raise fault(problem, "Lower them until they sum to at most 1.")
    return shares


RegionShares = Annotated[dict[Id, Share], AfterValidator(_check_region_shares)]


class Policy(Section):
    """Demands on the plan as a whole, over the year; without any, nothing is demanded."""

    min_region_share: RegionShares = Field(
        {},
        description="least share, 0 to 1, of all tokens served that is processed in the data centers of a region, by "
        "region (data_centers.region), e.g. {west: 0.6}",
        json_schema_extra={"each": "REGION"},
    )
    min_new_compute_share: dict[Id, Share] = Field(
        {},
        description="least share, 0 to 1, of the compute bought (PFLOPS of new pods, dense BF16) that stands in a "
        "group of data centers, by region or category (data_centers.region, data_centers.category), e.g. "
        "{national_cluster: 0.6}; where nothing is bought nothing is demanded",
        json_schema_extra={"each": "GROUP"},
    )
    min_green_share: Share = Field(
        0.0,
        description="least share, 0 to 1, of all facility energy that the green power contracts of the data centers "
        "(data_centers.green_power_share) cover; 0 = none demanded",
    )
    carbon_cap_t_per_year: NonNegative | None = Field(
        None,
        description="most emissions, in tonnes of CO2 per year, location-based: facility energy times the average "
        "factor of the grid, green power contracts not subtracted; null = no cap",
    )
    min_utilization_share: Share = Field(
        0.0,
        description="least share, 0 to 1, of the year that the accelerators of an open data center are busy, existing "
        "and new ones together; at most fleet.utilization_limit; 0 = none demanded",
    )
    investment_limit_cny: NonNegative | None = Field(
        None,
        description="most that new pods and building and power for them may cost up front, in CNY, not annualized; "
        "null = no limit",
    )
    spending_limit_cny_per_year: NonNegative | None = Field(
        None,
        description="most that energy, demand charge, annualized capital, opening, deployment and carbon price may "
        "cost together, in CNY per year; null = no limit",
    )

"""From the scenario's policy section to the problem's limits; what contradicts the network is refused here."""

from __future__ import annotations

import numpy as np
import pandas as pd

from network_data.faults import FaultList, suggest
from optimizer.policy import PolicyLimits
from scenarios.schema import Scenario


def policy_limits(scenario: Scenario, centers: pd.DataFrame, pools: pd.DataFrame, faults: FaultList) -> PolicyLimits:
    """
    Take over the scenario's policy.

    Parameters
    ----------
    scenario
        As loaded.
    centers
        (D,) id, region, green_power_share.
    pools
        data_center_index: where there are accelerators at all.
    faults
        Receives a region that the network does not have or that has no accelerators, a green share above what any
        data center has, and a utilization above what the fleet allows.
    """
    asked = scenario.policy
    shares = {region: share for region, share in asked.min_region_share.items() if share > 0}
    equipped = np.isin(np.arange(len(centers)), pools["data_center_index"])
    regions = centers["region"].to_numpy(str)
    file = scenario.source_path.name
    for region, share in shares.items():
        column = f"policy.min_region_share.{region}"
        if region not in regions:
            remedy = f"Name a region of data_centers: {', '.join(sorted(set(regions)))}.{suggest(region, set(regions))}"
            faults.add(file, "no data center lies in this region", remedy, column=column, value=share)
        elif region not in regions[equipped]:
            remedy = "Add a pool there, or drop the share."
            faults.add(file, "no data center of this region has accelerators", remedy, column=column, value=share)
    green = centers["green_power_share"].to_numpy(float)[equipped]
    if len(green) and asked.min_green_share > green.max():
        best = centers["id"].to_numpy(str)[equipped][green.argmax()]
        faults.add(
            file,
            f"is above what any data center has: the highest green_power_share is {green.max():g}, of {best}",
            f"Demand at most {green.max():g}, or raise green_power_share of data centers.",
            column="policy.min_green_share",
            value=asked.min_green_share,
        )
    if asked.min_utilization_share > scenario.fleet.utilization_limit:
        faults.add(
            file,
            f"is above fleet.utilization_limit = {scenario.fleet.utilization_limit:g}, the most that may be busy",
            "Lower it, or raise fleet.utilization_limit.",
            column="policy.min_utilization_share",
            value=asked.min_utilization_share,
        )
    return PolicyLimits(
        min_region_share=shares,
        min_green_share=asked.min_green_share,
        carbon_cap_t_per_year=asked.carbon_cap_t_per_year,
        min_utilization_share=asked.min_utilization_share,
        investment_limit_cny=asked.investment_limit_cny,
        spending_limit_cny_per_year=asked.spending_limit_cny_per_year,
    )

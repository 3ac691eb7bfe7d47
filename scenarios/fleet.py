"""What a scenario may say of the accelerators: what stands there, what may be used, what may be bought."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from scenarios.field_types import Id, Section, Share, fault

SHARE_SUM_TOLERANCE = 1e-6


def _each_once(ids: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(ids)) < len(ids):
        raise fault("an accelerator is listed twice", "List each id once.")
    return ids


def _sum_to_one(shares: dict[str, float]) -> dict[str, float]:
    total = math.fsum(shares.values())
    if abs(total - 1) > SHARE_SUM_TOLERANCE:
        remedy = "Give shares that sum to 1; what a scenario inherits through extends counts, and may be set to 0."
        raise fault(f"the shares sum to {total:.9g}, not 1", remedy)
    return shares


Ids = Annotated[tuple[Id, ...], Field(min_length=1, max_length=10_000), AfterValidator(_each_once)]
Mix = Annotated[dict[Id, Share], Field(min_length=1, max_length=10_000), AfterValidator(_sum_to_one)]


class Fleet(Section):
    """What is done with the accelerators."""

    inference_stock_share: Share = Field(
        0.35,
        description="share of the accelerator stock of each data center that is open to inference, 0 to 1",
    )
    utilization_limit: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8,
        description="most of an active accelerator's time that may be busy, as a share, 0 to 1",
        json_schema_extra={"unit": "share"},
    )
    rate_basis: Literal["full_load", "fleet_average"] = Field(
        "full_load",
        description="rates that accelerator time is counted at: full_load = prefill_tok_per_s and decode_tok_per_s of "
        "the network; fleet_average = these times prefill_fleet_share and decode_fleet_share, which hold the headroom "
        "that utilization_limit keeps otherwise",
    )
    interest_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.06,
        description="yearly interest rate for annualized prices, as a share (0.06 = 6 %)",
        json_schema_extra={"unit": "share per year"},
    )
    site_lifetime_years: Annotated[float, Field(gt=0, le=200)] = Field(
        15.0, description="years over which building and power for new pods are annualized"
    )
    stock_mix: Mix | None = Field(
        None,
        description="shares of the PFLOPS in place by accelerator id, summing to 1: they replace the accelerator of "
        "the network's stock_pflops in every data center that states no existing_pods; null = as the network says",
        json_schema_extra={"each": "ACCELERATOR", "unit": "share"},
    )
    accelerators: Ids | None = Field(
        None, description="ids of the accelerators to use, as a list; null = all of the network"
    )
    domestic_only: bool = Field(
        default=False,
        description="true = accelerators that are not domestic are neither used nor bought; those in place stand idle",
    )
    allow_purchase: bool = Field(default=True, description="true = new pods may be bought")
    purchase: Literal["any", "uncontrolled", "domestic"] = Field(
        "uncontrolled",
        description="kind of accelerators that may be bought: any; uncontrolled = not under export control; or "
        "domestic. Those in place may be used whatever their kind",
    )
    spare_pods: Literal["off", "standby", "on"] = Field(
        "off",
        description="what pods draw while they are not needed: off = nothing; standby = standby_power_share of their "
        "idle power; on = all of it. It is part of the full cost and moves no plan",
    )
    standby_power_share: Share = Field(
        0.2, description="power of a pod in standby as a share of its idle power, 0 to 1; an assumption, not measured"
    )
    purchase_accelerators: Ids | None = Field(
        None,
        description="ids of the accelerators that may be bought, each in every data center that has accelerators; "
        "null = those of each data center's pools, as far as `purchase` allows",
    )

    @property
    def spare_power_share(self) -> float:
        """Share of their idle power that pods draw while they are not needed."""
        return {"off": 0.0, "standby": self.standby_power_share, "on": 1.0}[self.spare_pods]

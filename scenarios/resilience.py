"""What a scenario may say of outages: which failures the plan must survive."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.field_types import Section


class Resilience(Section):
    """Which failures the plan must survive, and what may wait them out."""

    survive: Literal["none", "any_data_center"] = Field(
        "none",
        description="any_data_center = whichever single data center fails, in whichever slice, the others can serve "
        "all that must not wait, inside every limit",
    )
    outage_h: Annotated[int, Field(ge=1, le=8784)] = Field(
        4, description="whole hours that an outage lasts: a class that may wait that long waits it out"
    )
    report_price: bool = Field(
        default=True,
        description="true = solve the scenario without its survival rule too, and state what surviving costs; takes "
        "half of solver.time_limit_s",
    )

"""What a scenario may say of the time between a request and the first token of its answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenarios.field_types import Section


class Latency(Section):
    """What the time to the first token is spent on besides computing; the rest is left for the way."""

    queue_margin_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3,
        description="share of a class's ttft_limit_ms kept for waiting in queues and batches, 0 up to but not 1",
    )
    connection_rtts: Annotated[float, Field(ge=1, le=20)] = Field(
        1.0,
        description="round trips from the first packet to the first token: 1 = the connection is open (warm); "
        "3 = it is opened with TLS first (cold)",
        json_schema_extra={"unit": "round trips"},
    )

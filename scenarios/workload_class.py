"""What a scenario may say of a workload class."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from scenarios.field_types import Id, NonNegative, Positive, Prose, Section, Share, Text, fault

Residency = Literal["none", "national", "region", "region_preferred", "province", "province_preferred"]


def _split(regions: object) -> object:
    """Take a table's cell, such as `west;central`, for the list that a scenario file gives."""
    return tuple(part.strip() for part in regions.split(";")) if isinstance(regions, str) else regions


Regions = Annotated[tuple[Text, ...], Field(min_length=1, max_length=1_000), BeforeValidator(_split)]

SecondRoute = Literal["none", "preferred", "required"]


class WorkloadClass(Section):
    """A kind of inference: its token mix, limits and value."""

    name: Text = Field(description="name shown on maps and in tables")
    share_of_tokens: Share | None = Field(
        None,
        description="share of all tokens, 0 to 1; needed with tokens_per_day_trillion, where shares sum to 1",
        json_schema_extra={"unit": "share"},
    )
    input_tokens: NonNegative = Field(
        description="mean input tokens per request", json_schema_extra={"unit": "tokens per request"}
    )
    output_tokens: NonNegative = Field(
        description="mean output tokens per request", json_schema_extra={"unit": "tokens per request"}
    )
    cache_hit_share: Share = Field(0.0, description="share of input tokens found in the prefix cache, 0 to 1")
    bytes_per_input_token: NonNegative = Field(
        4.0, description="bytes sent over the network per input token", json_schema_extra={"unit": "bytes per token"}
    )
    bytes_per_output_token: NonNegative = Field(
        150.0, description="bytes sent over the network per output token", json_schema_extra={"unit": "bytes per token"}
    )
    rtt_limit_ms: Positive | None = Field(
        None, description="longest round trip from demand hub to data center, in ms; null = no limit"
    )
    ttft_limit_ms: Positive | None = Field(
        None,
        description="longest time to the first token, in ms; less queueing and computing (section latency) it limits "
        "the round trip; null = no limit",
    )
    tpot_limit_ms: Positive | None = Field(
        None, description="longest time per output token, in ms, for information; null = no limit"
    )
    deferrable_h: Annotated[int, Field(ge=0, le=8784)] = Field(
        0, description="whole hours that a request may wait; 0 = urgent"
    )
    residency: Residency = Field(
        "none",
        description="where the data may go: none = anywhere; national = same country; region or province = "
        "same region or province; region_preferred or province_preferred = same region or province where a "
        "data center there keeps the limits, else same country",
    )
    allowed_regions: Regions | None = Field(
        None,
        description="regions whose data centers may take the class, whatever its residency rule would allow "
        "beside them: a list, in a table `west;central`; null = any region",
    )
    demand_profile: Id = Field(description="column of demand_profiles_table that shapes the demand over the day")
    weekend_share: Annotated[float, Field(ge=0, le=100)] = Field(
        1.0,
        description="demand of a weekend day relative to a weekday, where the year has weekend days; the mean over all "
        "days stays the stated daily demand",
    )
    token_price_cny_per_mtok: NonNegative = Field(
        description="blended list price, in CNY per million input and output tokens"
    )
    revenue_loss_share_per_100ms: Share = Field(
        0.0,
        description="share of revenue lost per 100 ms of waiting, 0 to 1; values latency with the price",
    )
    sequential_calls: Annotated[float, Field(ge=1, le=10_000)] = Field(
        1.0,
        description="network round trips in a row that a user waits for, per request",
        json_schema_extra={"unit": "round trips"},
    )
    indivisible: bool = Field(
        default=False, description="true = each demand hub's work of this class uses a single data center"
    )
    second_route: SecondRoute = Field(
        "none",
        description="required = a route counts only if a second one that shares no fibre with it keeps rtt_limit_ms "
        "too; preferred = the same where a data center offers that (where two do, if the loss of one is to be "
        "survived); none = not asked for",
    )
    max_sites: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="most data centers that the class may be deployed in; null = no limit",
        json_schema_extra={"unit": "data centers"},
    )
    min_share: Share = Field(
        0.0,
        description="least share of the class's tokens for a data center that it is deployed in, 0 to 1",
    )
    deploy_cny_per_year: NonNegative = Field(
        0.0, description="yearly cost of offering the class in a data center at all, in CNY per year"
    )
    min_accelerators: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0,
        description="accelerators that stay switched on in each data center that the class is deployed in, so that "
        "its model stays loaded; 0 = none",
        json_schema_extra={"unit": "accelerators"},
    )
    source: Prose = Field("", description="where the figures come from")
    confidence: Literal["official", "reported", "estimate"] | None = Field(
        None, description="kind of the figures; null = not stated"
    )
    field_confidence: Prose = Field("", description="which figure is of which kind, where a row mixes them")
    price_note: Prose = Field("", description="how the token price was derived")

    @field_validator("output_tokens")
    @classmethod
    def _some_tokens(cls, tokens: float, info: ValidationInfo) -> float:
        if tokens == 0 and info.data.get("input_tokens") == 0:
            raise fault("a request has neither input nor output tokens", "Give one of the two a number above 0.")
        return tokens

    @field_validator("allowed_regions")
    @classmethod
    def _no_region_twice(cls, regions: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if regions is not None and len(set(regions)) < len(regions):
            raise fault("a region is listed twice", "List each region once.")
        return regions

    @field_validator("min_share")
    @classmethod
    def _no_least_share_if_deferrable(cls, share: float, info: ValidationInfo) -> float:
        if share > 0 and info.data.get("deferrable_h", 0) > 0:
            raise fault("min_share does not go with deferrable_h above 0", "Set one of the two to 0.")
        return share

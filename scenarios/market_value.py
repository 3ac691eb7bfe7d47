"""What the market is said to pay for tokens: every run states its cost beside it."""

from __future__ import annotations

from pydantic import Field, ValidationInfo, field_validator

from scenarios.field_types import Positive, Section, fault


class MarketValue(Section):
    """A low and a high value of a million tokens; for information, no plan depends on it."""

    low_usd_per_mtok: Positive = Field(description="low value, in US dollars per million tokens")
    high_usd_per_mtok: Positive = Field(description="high value, in US dollars per million tokens")
    cny_per_usd: Positive = Field(description="exchange rate, in CNY per US dollar")

    @field_validator("high_usd_per_mtok")
    @classmethod
    def _not_below_low(cls, high: float, info: ValidationInfo) -> float:
        low = info.data.get("low_usd_per_mtok")
        if low is not None and high < low:
            raise fault(f"the high value {high:g} is below the low one {low:g}", "Exchange the two.")
        return high

    @property
    def low_cny_per_mtok(self) -> float:
        """Low value in CNY per million tokens."""
        return self.low_usd_per_mtok * self.cny_per_usd

    @property
    def high_cny_per_mtok(self) -> float:
        """High value in CNY per million tokens."""
        return self.high_usd_per_mtok * self.cny_per_usd

"""The headline figures of a plan that samples are summed up by, read from the summary of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.comparison.cases import CaseResult
from optimizer.comparison.tables import finite_or_nan, number
from optimizer.numbers import format_million, format_number
from optimizer.words.amounts import in_money_unit, money_unit
from optimizer.words.language import current_language
from optimizer.words.sentences import retell

_DIGITS, _MOST_DECIMALS = 3, 9
REGION_SHARE = "region_share"
COST, BOUND = "total_cny_per_year", "bound_cny_per_year"


MONEY_UNIT = "M CNY a year"


@dataclass(frozen=True)
class Figure:
    """A number of a plan, and how it is written."""

    name: str  # column of the samples
    title: str
    unit: str  # that it is written in
    factor: float = 1.0  # what the number is divided by for that
    decimals: int = 1

    @property
    def is_money(self) -> bool:
        """Whether it is an amount of money in the unit of texts."""
        return self.unit == MONEY_UNIT

    @property
    def scale(self) -> float:
        """What the number is divided by where it is shown."""
        return money_unit() if self.is_money else self.factor

    @property
    def unit_text(self) -> str:
        """The unit in the language in force."""
        return in_money_unit(retell(self.unit))

    def write(self, value: float) -> str:
        """
        Write a number in the unit of the figure, with three digits at least where it is below 1.

        Parameters
        ----------
        value
            As the samples have it; NaN is "-".

        Examples
        --------
        >>> Figure("a", "cost", "M CNY", 1e6).write(1_548_012_345.0), Figure("a", "cost", "M CNY", 1e6).write(32_100.0)
        ('1,548.0', '0.0321')
        """
        if self.is_money and current_language() != "en":
            return format_million(value)
        amount = abs(value) / self.scale
        small = 0 < amount < 1
        decimals = max(self.decimals, _DIGITS - 1 - math.floor(math.log10(amount))) if small else self.decimals
        return format_number(value, min(decimals, _MOST_DECIMALS), self.scale)


_FIXED = (
    Figure(COST, "cost", MONEY_UNIT, 1e6),
    Figure(BOUND, "proved bound of the cost", MONEY_UNIT, 1e6),
    Figure("cny_per_mtok", "cost of a million tokens", "CNY", 1.0, 4),
    Figure("mean_rtt_ms", "mean RTT", "ms", 1.0, 2),
    Figure("energy_mwh_per_year", "facility energy", "GWh a year", 1e3, 0),
    Figure("carbon_t_per_year", "carbon, location-based", "kt a year", 1e3, 0),
    Figure("peak_facility_power_mw", "peak facility power", "MW", 1.0, 0),
    Figure("new_pods", "new pods", "pods", 1.0, 0),
    Figure("open_data_centers", "open data centers", "sites", 1.0, 1),
)
# The cost with the capital of the accelerators in use, where a run states it.
_FULL = {
    "full_cost_cny_per_year": Figure("full_cost_cny_per_year", "full cost", MONEY_UNIT, 1e6),
    "full_cny_per_mtok": Figure("full_cny_per_mtok", "full cost of a million tokens", "CNY", 1.0, 4),
}


def figures_of(results: Sequence[CaseResult]) -> list[Figure]:
    """
    List the figures that the plans of some cases have.

    Parameters
    ----------
    results
        Those without a plan count for nothing.
    """
    planned = [result for result in results if result.has_plan]
    regions = sorted({name for result in planned for name in result.summary.get(REGION_SHARE, {})})
    shares = [Figure(f"{REGION_SHARE}.{name}", f"tokens in {name}", "%", 0.01) for name in regions]
    full = [figure for name, figure in _FULL.items() if any(name in result.summary for result in planned)]
    return [*_FIXED[:3], *full, *shares, *_FIXED[3:]]


def value_of(figure: Figure, result: CaseResult) -> float:
    """
    Read a figure of a case; NaN without a plan.

    Parameters
    ----------
    figure
        From `figures_of`.
    result
        The case.
    """
    if not result.has_plan:
        return math.nan
    if figure.name == BOUND:
        return finite_or_nan(result.bound_cny)
    family, _, member = figure.name.partition(".")
    found = result.summary.get(family)
    if isinstance(found, Mapping):  # a region that this plan does not use at all
        return float(found.get(member, 0.0))
    return number(found)

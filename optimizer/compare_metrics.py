"""What a comparison tells of each case: the one list of its numbers, with units and meanings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from optimizer.cases import CaseResult

Value = float | int


@dataclass(frozen=True)
class Metric:
    """
    A number of a case.

    Attributes
    ----------
    name
        Column of the table of cases; of a family (`by` is not empty) the columns are `name.member`.
    unit
        Unit, as the last word of the name has it.
    meaning
        What it is, in a line.
    by
        What the members of a family are: component, region, workload class, data center or parameter.
    """

    name: str
    unit: str
    meaning: str
    by: str = ""


@dataclass(frozen=True)
class CaseNumbers:
    """
    What the numbers of a case are read from.

    Attributes
    ----------
    result
        What came of the case.
    tables
        Tables of its run folder; empty without a plan.
    """

    result: CaseResult
    tables: Mapping[str, pd.DataFrame]


def _of_summary(name: str) -> Callable[[CaseResult], float]:
    def read(result: CaseResult) -> float:
        return number(result.summary.get(name))

    return read


def number(value: Any) -> float:
    """Read a number; NaN where there is none."""
    return math.nan if value is None else float(value)


def _total(result: CaseResult) -> float:
    return result.objective_cny if result.has_plan else math.nan


def _bound(result: CaseResult) -> float:
    return result.bound_cny if math.isfinite(result.bound_cny) else math.nan


def _gap(result: CaseResult) -> float:
    return result.mip_rel_gap if math.isfinite(result.mip_rel_gap) else math.nan


# Numbers of the case alone, in the order of the table.
SINGLE: tuple[tuple[Metric, Callable[[CaseResult], float]], ...] = (
    (Metric("total_cny_per_year", "CNY/year", "cost of the plan"), _total),
    (Metric("bound_cny_per_year", "CNY/year", "proven: no plan of this case costs less"), _bound),
    (Metric("mip_rel_gap", "share", "what of the cost may still be saved, at most"), _gap),
    (Metric("capital_cny_per_year", "CNY/year", "annualized price of new pods, building and power"),
     _of_summary("capital_cny_per_year")),
    (Metric("investment_cny", "CNY", "the same up front"), _of_summary("investment_cny")),
    (Metric("new_pods", "pods", "pods bought"), _of_summary("new_pods")),
    (Metric("open_data_centers", "data centers", "data centers used"), _of_summary("open_data_centers")),
    (Metric("energy_mwh_per_year", "MWh/year", "facility energy"), _of_summary("energy_mwh_per_year")),
    (Metric("mean_price_cny_per_mwh", "CNY/MWh", "mean price of that energy"), _of_summary("mean_price_cny_per_mwh")),
    (Metric("carbon_t_per_year", "t/year", "emissions, location-based"), _of_summary("carbon_t_per_year")),
    (Metric("market_carbon_t_per_year", "t/year", "emissions, market-based"), _of_summary("market_carbon_t_per_year")),
    (Metric("peak_it_power_mw", "MW", "highest IT power of all data centers together"),
     _of_summary("peak_it_power_mw")),
    (Metric("peak_facility_power_mw", "MW", "highest facility power of all data centers together"),
     _of_summary("peak_facility_power_mw")),
    (Metric("mtok_per_year", "million tokens/year", "tokens served"), _of_summary("mtok_per_year")),
    (Metric("unserved_share", "share", "share of the tokens asked for that is not served"),
     _of_summary("unserved_share")),
    (Metric("cny_per_mtok", "CNY per million tokens", "cost of a million tokens"), _of_summary("cny_per_mtok")),
    (Metric("mean_rtt_ms", "ms", "mean round trip by tokens"), _of_summary("mean_rtt_ms")),
)  # fmt: skip

# Numbers of a case beside the reference.
AGAINST_REFERENCE = (
    Metric("saving_cny_per_year", "CNY/year", "cost of the reference less that of the case"),
    Metric("saving_share", "share", "saving as a share of the reference's cost"),
    Metric("least_saving_cny_per_year", "CNY/year", "proven: the best plans of the two differ by no less"),
    Metric("most_saving_cny_per_year", "CNY/year", "proven: the best plans of the two differ by no more"),
    Metric("moved_share", "share", "share of the reference's tokens that changed data center or hour"),
)

# Families: a column for each member that any case has.
COMPONENT = Metric("cost_cny_per_year", "CNY/year", "cost by component", by="component")
REGION = Metric("region_share", "share", "share of the tokens served in a region", by="region")
MEAN_RTT = Metric("mean_rtt_ms", "ms", "mean round trip of a class by tokens", by="workload class")
WORST_RTT = Metric("worst_rtt_ms", "ms", "longest round trip of a class in use", by="workload class")
PEAK_POWER = Metric("peak_facility_power_mw", "MW", "highest facility power of a data center", by="data center")
PARAMETER = Metric("parameter", "as the parameter", "value of a parameter that a sweep varies", by="parameter")
FAMILIES = (PARAMETER, COMPONENT, REGION, MEAN_RTT, WORST_RTT, PEAK_POWER)

METRICS = (*(metric for metric, _ in SINGLE), *AGAINST_REFERENCE, *FAMILIES)


def metrics_table() -> pd.DataFrame:
    """List the numbers of the table of cases: column (`name.*` of a family), unit, meaning, by."""
    return pd.DataFrame(
        [(m.name + (".*" if m.by else ""), m.unit, m.meaning, m.by) for m in METRICS],
        columns=["column", "unit", "meaning", "by"],
    )

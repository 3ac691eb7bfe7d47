"""Tornado: one parameter at a time, low and high, everything else as in the reference, ordered by effect."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from optimizer.cases import CaseResult
from optimizer.compare_metrics import number
from optimizer.compare_table import saving_interval
from scenarios.price_parameters import ParameterRange, label_of

ENDS = ("low", "high")
# What the effect on is told beside the cost: column of the summary of a run.
EFFECTS = ("energy_mwh_per_year", "carbon_t_per_year")


@dataclass(frozen=True, eq=False)
class TornadoEnds:
    """
    The two cases of one parameter.

    Attributes
    ----------
    parameter
        Its name.
    low_value, high_value
        Its values.
    low, high
        What came of them.
    """

    parameter: str
    low_value: float
    high_value: float
    low: CaseResult
    high: CaseResult


def find_ends(ranges: Sequence[ParameterRange], results: Mapping[str, CaseResult]) -> list[TornadoEnds]:
    """
    Find the cases at the ends of ranges.

    Parameters
    ----------
    ranges
        From `parse_ranges`.
    results
        What came of the cases that `expand_cases` made of the ranges, by id.

    Raises
    ------
    ValueError
        If an end is none of the cases.
    """
    by_label = {result.case.label: result for result in results.values()}
    found = []
    for bar in ranges:
        ends = [by_label.get(label_of({bar.key: value})) for value in (bar.low, bar.high)]
        low, high = ends
        if low is None or high is None:
            raise ValueError(f"no case has {bar.key} at {bar.low:g} or {bar.high:g} alone")
        found.append(TornadoEnds(bar.key, bar.low, bar.high, low, high))
    return found


def build_tornado(reference: CaseResult, bars: Sequence[TornadoEnds]) -> pd.DataFrame:
    """
    Order parameters by their effect on the cost.

    Parameters
    ----------
    reference
        The case with every parameter as it is.
    bars
        The parameters.

    Returns
    -------
    DataFrame
        One row per parameter: parameter, span_cny_per_year (length of the bar: from the lowest to the highest of the
        costs of the low end, the high end and the reference), then for each end (low_, high_): value, status,
        cost_cny_per_year, effect_cny_per_year (cost less that of the reference), least_effect_cny_per_year and
        most_effect_cny_per_year (proved for the best plans), effect_energy_mwh_per_year, effect_carbon_t_per_year,
        effect_region_share.REGION, reason. Largest span first; equal spans by name; without any plan last. NaN where an
        end has no plan.
    """
    regions = sorted(
        {name for result in (reference, *_results(bars)) for name in result.summary.get("region_share", {})}
    )
    rows = [
        {"parameter": bar.parameter, "span_cny_per_year": _span(reference, bar)}
        | _end("low", bar.low_value, bar.low, reference, regions)
        | _end("high", bar.high_value, bar.high, reference, regions)
        for bar in bars
    ]
    columns = list(rows[0]) if rows else ["parameter", "span_cny_per_year"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(
        ["span_cny_per_year", "parameter"], ascending=[False, True], na_position="last", ignore_index=True
    )


def _results(bars: Sequence[TornadoEnds]) -> list[CaseResult]:
    return [result for bar in bars for result in (bar.low, bar.high)]


def _span(reference: CaseResult, bar: TornadoEnds) -> float:
    costs = [result.objective_cny for result in (bar.low, bar.high) if result.has_plan]
    if not (costs and reference.has_plan):
        return math.nan
    costs.append(reference.objective_cny)
    return max(costs) - min(costs)


def _end(
    end: str, value: float, result: CaseResult, reference: CaseResult, regions: Sequence[str]
) -> dict[str, object]:
    saving, least_saving, most_saving = saving_interval(reference, result)
    row: dict[str, object] = {
        "value": value,
        "status": str(result.status),
        "cost_cny_per_year": result.objective_cny if result.has_plan else math.nan,
        "effect_cny_per_year": 0.0 - saving,  # not -0.0
        "least_effect_cny_per_year": 0.0 - most_saving,
        "most_effect_cny_per_year": 0.0 - least_saving,
    }
    for name in EFFECTS:
        row[f"effect_{name}"] = number(result.summary.get(name)) - number(reference.summary.get(name))
    shares = [found.summary.get("region_share", {}) for found in (result, reference)]
    for region in regions:
        # A region without a token is not in the summary of a plan.
        after, before = (float(share.get(region, 0.0)) if share else math.nan for share in shares)
        row[f"effect_region_share.{region}"] = after - before
    row["reason"] = result.reason
    return {f"{end}_{name}": entry for name, entry in row.items()}

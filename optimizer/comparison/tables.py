"""
The tables of a comparison: one row per case, and long tables by component, region, class and data center.

What a comparison tells of each case: the one list of its numbers, with units and meanings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from optimizer.comparison.cases import CaseResult
from optimizer.runs.difference import moved_share
from optimizer.runs.run import open_run

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


COST_COLUMNS = ["case", "component", "cny_per_year", "difference_cny_per_year"]
REGION_COLUMNS = ["case", "region", "share", "mtok_per_year"]
CLASS_COLUMNS = ["case", "workload_class", "mtok_per_year", "shed_mtok_per_year", "mean_rtt_ms", "worst_rtt_ms"]
PLACE_COLUMNS = [
    "case", "data_center", "region", "is_open", "mtok_per_year", "token_share", "energy_mwh_per_year",
    "mean_price_cny_per_mwh", "carbon_t_per_year", "peak_facility_power_mw", "new_pods",
]  # fmt: skip
_SHOWN_SAVINGS = [metric.name for metric in AGAINST_REFERENCE]


@dataclass(frozen=True, eq=False)
class CaseTables:
    """
    The tables of a comparison.

    Attributes
    ----------
    cases
        One row per case, failed ones too: case, label, is_reference, status, the columns of
        `compare_metrics.METRICS`, reason. NaN where there is no plan.
    costs
        case, component, cny_per_year, difference_cny_per_year (less the reference's).
    regions
        case, region, share, mtok_per_year.
    classes
        case, workload_class, mtok_per_year, shed_mtok_per_year, mean_rtt_ms, worst_rtt_ms.
    data_centers
        case, data_center, region, is_open, mtok_per_year, token_share, energy_mwh_per_year, mean_price_cny_per_mwh,
        carbon_t_per_year, peak_facility_power_mw, new_pods.
    """

    cases: pd.DataFrame
    costs: pd.DataFrame
    regions: pd.DataFrame
    classes: pd.DataFrame
    data_centers: pd.DataFrame


def case_tables(results: Sequence[CaseResult], reference: str) -> CaseTables:
    """
    Build the tables of a comparison from what came of its cases.

    Parameters
    ----------
    results
        In the order of the rows.
    reference
        Id of the case that the others are held against.

    Raises
    ------
    ValueError
        If the reference is none of the cases.
    InputError
        If a run folder cannot be read.
    """
    by_id = {result.case.id: result for result in results}
    if reference not in by_id:
        raise ValueError(f"the reference {reference} is none of the cases")
    tables = {name: _tables(result) for name, result in by_id.items()}
    costs = _stack(COST_COLUMNS, [_costs(result, by_id[reference]) for result in results])
    regions = _stack(REGION_COLUMNS, [_regions(result) for result in results])
    classes = _stack(CLASS_COLUMNS, [_classes(name, found) for name, found in tables.items()])
    places = _stack(PLACE_COLUMNS, [_places(name, found) for name, found in tables.items()])
    families = [
        _wide(COMPONENT, costs, "component", "cny_per_year"),
        _wide(REGION, regions, "region", "share").fillna(0.0),
        _wide(MEAN_RTT, classes, "workload_class", "mean_rtt_ms"),
        _wide(WORST_RTT, classes, "workload_class", "worst_rtt_ms"),
        _wide(PEAK_POWER, places, "data_center", "peak_facility_power_mw"),
    ]
    rows = [_row(result, by_id[reference], tables) for result in results]
    cases = pd.DataFrame(rows)
    ids = cases["case"]
    wide = pd.concat([family.reindex(ids).reset_index(drop=True) for family in families], axis=1)
    first = ["case", "label", "is_reference", "status"]
    points = [name for name in cases if str(name).startswith(f"{PARAMETER.name}.")]
    order = [*first, *points, "total_cny_per_year", *_SHOWN_SAVINGS]
    rest = [name for name in cases if name not in {*order, "reason"}]
    table = pd.concat([cases[[*order, *rest]], wide, cases[["reason"]]], axis=1)
    return CaseTables(table, costs, regions, classes, places)


def saving_interval(reference: CaseResult, case: CaseResult) -> tuple[float, float, float]:
    """
    Compare the costs of two cases, and the best that either could cost.

    Parameters
    ----------
    reference, case
        The cases.

    Returns
    -------
    tuple of float
        Saving of the case's plan against the reference's, CNY per year, and what is proved of the saving of the best
        plans: at least the reference's bound less the case's cost, at most the reference's cost less the case's bound.
        NaN without both plans.
    """
    if not (reference.has_plan and case.has_plan):
        return math.nan, math.nan, math.nan
    if reference is case:
        return 0.0, 0.0, 0.0
    return (
        reference.objective_cny - case.objective_cny,
        reference.bound_cny - case.objective_cny,
        reference.objective_cny - case.bound_cny,
    )


def _row(
    result: CaseResult, reference: CaseResult, tables: Mapping[str, Mapping[str, pd.DataFrame]]
) -> dict[str, object]:
    saving, least, most = saving_interval(reference, result)
    base = tables[reference.case.id].get("allocation")
    own = tables[result.case.id].get("allocation")
    moved = math.nan if base is None or own is None else moved_share(base, own)
    share = saving / abs(reference.objective_cny) if reference.objective_cny else math.nan
    against = (saving, share, least, most, moved)
    return {
        "case": result.case.id,
        "label": result.case.label,
        "is_reference": result is reference,
        "status": str(result.status),
        **{f"{PARAMETER.name}.{name}": float(value) for name, value in result.case.point.items()},
        **{metric.name: value for metric, value in zip(AGAINST_REFERENCE, against, strict=True)},
        **{metric.name: read(result) for metric, read in SINGLE},
        "reason": result.reason,
    }


def _tables(result: CaseResult) -> Mapping[str, pd.DataFrame]:
    return {} if result.folder is None else open_run(result.folder).tables


def _stack(columns: list[str], parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)


def _costs(result: CaseResult, reference: CaseResult) -> pd.DataFrame:
    own, base = (found.summary.get("component_cny_per_year", {}) for found in (result, reference))
    return pd.DataFrame(
        [(result.case.id, name, float(value), float(value) - number(base.get(name))) for name, value in own.items()],
        columns=COST_COLUMNS,
    )


def _regions(result: CaseResult) -> pd.DataFrame:
    mtok = number(result.summary.get("mtok_per_year"))
    shares = result.summary.get("region_share", {})
    rows = [(result.case.id, name, float(share), float(share) * mtok) for name, share in sorted(shares.items())]
    return pd.DataFrame(rows, columns=REGION_COLUMNS)


def _classes(case: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=CLASS_COLUMNS)
    allocation = tables["allocation"]
    used = allocation[allocation["mtok_per_h"] > 0]
    worst = used.groupby("workload_class")["rtt_ms"].max()
    found = tables["classes"]
    return found.assign(case=case, worst_rtt_ms=found["workload_class"].map(worst))[CLASS_COLUMNS]


def _places(case: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=PLACE_COLUMNS)
    found = tables["data_centers"].rename(columns={"id": "data_center"})
    # PUE is the same in all slices, so the highest IT power is also that of the facility.
    return found.assign(case=case, peak_facility_power_mw=found["peak_it_power_mw"] * found["pue"])[PLACE_COLUMNS]


def _wide(family: Metric, table: pd.DataFrame, member: str, value: str) -> pd.DataFrame:
    """Turn a long table into columns `family.member`, indexed by case, in the order in which members first appear."""
    members = list(dict.fromkeys(table[member]))
    values = table.set_index(["case", member])[value].unstack(member)  # noqa: PD010 - each pair is there once
    return values.reindex(columns=members).add_prefix(f"{family.name}.")

"""The tables of a comparison: a row for each case, and long tables; `METRICS` lists the numbers with their units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from optimizer.comparison.cases import CaseResult
from optimizer.near_optimal.moves import must_move_share
from optimizer.runs.difference import find_moves
from optimizer.runs.run import open_run
from optimizer.runs.share_ranges import join_texts, range_text, share_range


@dataclass(frozen=True)
class _Metric:
    """A number of a case, in the table of cases."""

    name: str  # its column; of a family the columns are `name.member`
    unit: str  # as the last word of the name has it
    meaning: str
    by: str = ""  # what the members of a family are; empty for a single number


def number(value: Any) -> float:
    """Read a number; NaN where there is none."""
    return math.nan if value is None else float(value)


def finite_or_nan(value: float) -> float:
    """Replace what is not finite by NaN."""
    return float(value) if math.isfinite(value) else math.nan


# Numbers of the solve of a case, then those of the summary of its plan, in the order of the table.
_OF_SOLVE = (
    _Metric("total_cny_per_year", "CNY/year", "cost of the plan"),
    _Metric("bound_cny_per_year", "CNY/year", "proven: no plan of this case costs less"),
    _Metric("mip_rel_gap", "share", "what of the cost may still be saved, at most"),
)
_OF_SUMMARY = (
    _Metric("full_cost_cny_per_year", "CNY/year", "cost with the annualized price of the accelerators in use"),
    _Metric("full_cny_per_mtok", "CNY per million tokens", "full cost of a million tokens"),
    _Metric("used_stock_capital_cny_per_year", "CNY/year", "annualized price of the accelerators in place in use"),
    _Metric("capital_cny_per_year", "CNY/year", "annualized price of new pods, building and power"),
    _Metric("investment_cny", "CNY", "the same up front"),
    _Metric("new_pods", "pods", "pods bought"),
    _Metric("open_data_centers", "data centers", "data centers used"),
    _Metric("energy_mwh_per_year", "MWh/year", "facility energy"),
    _Metric("mean_price_cny_per_mwh", "CNY/MWh", "mean price of that energy"),
    _Metric("carbon_t_per_year", "t/year", "emissions, location-based"),
    _Metric("market_carbon_t_per_year", "t/year", "emissions, market-based"),
    _Metric("peak_it_power_mw", "MW", "highest IT power of all data centers together"),
    _Metric("peak_facility_power_mw", "MW", "highest facility power of all data centers together"),
    _Metric("mtok_per_year", "million tokens/year", "tokens served"),
    _Metric("unserved_share", "share", "share of the requested tokens that is not served"),
    _Metric("cny_per_mtok", "CNY per million tokens", "cost of a million tokens"),
    _Metric("mean_rtt_ms", "ms", "mean round trip by tokens"),
    _Metric("hourly_move_share", "share", "share of the tokens that run elsewhere than in the slice before"),
)

# Empty where `edwc range` has not been run on both: what moved need not have, then.
_MUST_MOVE = _Metric(
    "must_move_share", "share", "proven: of the tokens, what moves between any two plans that cost about as little"
)
# Numbers of a case beside the reference.
_AGAINST_REFERENCE = (
    _Metric("saving_cny_per_year", "CNY/year", "cost of the reference less that of the case"),
    _Metric("saving_share", "share", "saving as a share of the reference's cost"),
    _Metric("least_saving_cny_per_year", "CNY/year", "proven: the best plans of the two differ by no less"),
    _Metric("most_saving_cny_per_year", "CNY/year", "proven: the best plans of the two differ by no more"),
    _Metric("moved_share", "share", "share of the reference's tokens that changed data center or hour"),
    _MUST_MOVE,
)

# Families: a column for each member that any case has.
_COMPONENT = _Metric("cost_cny_per_year", "CNY/year", "cost by component", by="component")
REGION = _Metric("region_share", "share", "share of the tokens served in a region", by="region")
# Empty where `edwc range` has not been run on the case; the text says for which plans the limits hold.
_RANGE = {
    "least_share": _Metric(
        "least_region_share", "share", "proven: no plan of the range serves less there", by="region"
    ),
    "most_share": _Metric("most_region_share", "share", "proven: no plan of the range serves more there", by="region"),
}
_RANGE_TEXT = "share_range"
_MEAN_RTT = _Metric("mean_rtt_ms", "ms", "mean round trip of a class by tokens", by="workload class")
_WORST_RTT = _Metric("worst_rtt_ms", "ms", "longest round trip of a class in use", by="workload class")
_PEAK_POWER = _Metric("peak_facility_power_mw", "MW", "highest facility power of a data center", by="data center")
_PARAMETER = _Metric("parameter", "as the parameter", "value of a parameter that a sweep varies", by="parameter")
_FAMILIES = (_PARAMETER, _COMPONENT, REGION, *_RANGE.values(), _MEAN_RTT, _WORST_RTT, _PEAK_POWER)
METRICS = (*_OF_SOLVE, *_OF_SUMMARY, *_AGAINST_REFERENCE, *_FAMILIES)


def metrics_table() -> pd.DataFrame:
    """List the numbers of the table of cases: column (`name.*` of a family), unit, meaning, by."""
    return pd.DataFrame(
        [(m.name + (".*" if m.by else ""), m.unit, m.meaning, m.by) for m in METRICS],
        columns=["column", "unit", "meaning", "by"],
    )


_COST_COLUMNS = ["case", "component", "cny_per_year", "difference_cny_per_year"]
_REGION_COLUMNS = ["case", "region", "share", "mtok_per_year"]
_CLASS_COLUMNS = ["case", "workload_class", "mtok_per_year", "shed_mtok_per_year", "mean_rtt_ms", "worst_rtt_ms"]
_PLACE_COLUMNS = [
    "case", "data_center", "region", "is_open", "mtok_per_year", "token_share", "energy_mwh_per_year",
    "mean_price_cny_per_mwh", "carbon_t_per_year", "peak_facility_power_mw", "new_pods",
]  # fmt: skip
_SHOWN_SAVINGS = [metric.name for metric in _AGAINST_REFERENCE]


# What was open before cases were tightened, and what became of it.
DECISION_COLUMNS = [
    "kind", "question", "first", "second", "least_before_cny_per_year", "most_before_cny_per_year",
    "least_saving_cny_per_year", "most_saving_cny_per_year", "is_decided", "reason",
]  # fmt: skip
AFTER_TIGHTENING = "decided after tightening"


def case_tables(results: Sequence[CaseResult], reference: str) -> dict[str, pd.DataFrame]:
    """Build the tables of the cases, rows in the order of the results; raises InputError for a damaged run folder."""
    by_id = {result.case.id: result for result in results}
    if reference not in by_id:
        raise ValueError(f"the reference {reference} is none of the cases")
    tables = {result.case.id: open_run(result.folder).tables for result in results if result.folder is not None}
    costs = stack_tables(_COST_COLUMNS, [_costs(result, by_id[reference]) for result in results])
    regions = stack_tables(_REGION_COLUMNS, [_regions(result) for result in results])
    classes = stack_tables(_CLASS_COLUMNS, [_classes(name, found) for name, found in tables.items()])
    places = stack_tables(_PLACE_COLUMNS, [_places(name, found) for name, found in tables.items()])
    families = [
        _wide(_COMPONENT, costs, "component", "cny_per_year"),
        _wide(REGION, regions, "region", "share").fillna(0.0),
        _wide(_MEAN_RTT, classes, "workload_class", "mean_rtt_ms"),
        _wide(_WORST_RTT, classes, "workload_class", "worst_rtt_ms"),
        _wide(_PEAK_POWER, places, "data_center", "peak_facility_power_mw"),
    ]
    cases = pd.DataFrame([_row(result, by_id[reference], tables) for result in results])
    ids = cases["case"]
    wide = pd.concat([family.reindex(ids).reset_index(drop=True) for family in families], axis=1)
    first = ["case", "label", "is_reference", "status"]
    points = [name for name in cases if str(name).startswith(f"{_PARAMETER.name}.")]
    order = [*first, *points, "total_cny_per_year", *_SHOWN_SAVINGS, "verdict"]
    rest = [name for name in cases if name not in {*order, "reason"}]
    table = pd.concat([cases[[*order, *rest]], wide, cases[["reason"]]], axis=1)
    found = {"cases": table, "costs": costs, "regions": regions, "classes": classes, "data_centers": places}
    ranges = {name: own["ranges"] for name, own in tables.items() if "ranges" in own}
    return found | with_share_ranges(table, regions, ranges, reference)


def with_share_ranges(
    cases: pd.DataFrame, regions: pd.DataFrame, ranges: Mapping[str, pd.DataFrame], reference: str
) -> dict[str, pd.DataFrame]:
    """
    Say in the tables of cases and regions between what shares lie, or that it was not computed, and what must move.

    Parameters
    ----------
    cases, regions
        As `case_tables` makes them.
    ranges
        By case what `edwc range` has left with its run, perhaps since.
    reference
        Id of the case that the others are compared with.

    Returns
    -------
    dict
        The two tables.
    """
    nothing = pd.DataFrame()
    places = zip(regions["case"], regions["region"], strict=True)
    known = [share_range(ranges.get(str(case), nothing), str(region)) for case, region in places]
    ends = [(math.nan, math.nan) if found is None else found[:2] for found in known]
    regions = regions.assign(
        **{name: [float(end[n]) for end in ends] for n, name in enumerate(_RANGE)},
        **{_RANGE_TEXT: list(map(range_text, known))},
    )
    wide = [_wide(family, regions, "region", name) for name, family in _RANGE.items()]
    texts = {case: join_texts(part) for case, part in regions.groupby("case")[_RANGE_TEXT]}
    least = [must_move_share(ranges.get(reference, nothing), ranges.get(str(case), nothing)) for case in cases["case"]]
    added: dict[str, Any] = {}
    for table in wide:
        added |= {str(name): values.reindex(cases["case"]).to_numpy() for name, values in table.items()}
    added[_RANGE_TEXT] = [texts.get(case, "") for case in cases["case"]]
    added[_MUST_MOVE.name] = [math.nan if share is None else share for share in least]
    new = [name for name in added if name not in cases]
    order = [*cases.columns.drop("reason"), *new, "reason"]
    return {"cases": cases.assign(**added)[order], "regions": regions}


def saving_interval(reference: CaseResult, case: CaseResult) -> tuple[float, float, float]:
    """
    Compare the costs of two cases, and the best that either could cost; NaN without both plans.

    Saving of the case's plan against the reference's, CNY per year, and what is proved of the saving of the best
    plans: at least the reference's bound less the case's cost, at most the reference's cost less the case's bound.
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


def sign_of(least_cny: float, most_cny: float) -> str:
    """
    Say what an interval proves of a saving: saves, costs more, or nothing.

    Examples
    --------
    >>> sign_of(1.0, 2.0), sign_of(-2.0, -1.0), sign_of(-1.0, 1.0)
    ('saves', 'costs more', '')
    """
    return "saves" if least_cny > 0 else "costs more" if most_cny < 0 else ""


def _verdict(result: CaseResult, reference: CaseResult, least_cny: float, most_cny: float) -> str:
    """Say what is proved of a case beside the reference; empty of the reference itself and without a plan."""
    if result is reference or math.isnan(least_cny):
        return ""
    return sign_of(least_cny, most_cny) or "not proved"


def _row(
    result: CaseResult, reference: CaseResult, tables: Mapping[str, Mapping[str, pd.DataFrame]]
) -> dict[str, object]:
    saving, least, most = saving_interval(reference, result)
    base, own = (tables.get(found.case.id) for found in (reference, result))
    moved = math.nan if base is None or own is None else find_moves(base["allocation"], own["allocation"]).share
    share = saving / abs(reference.objective_cny) if reference.objective_cny else math.nan
    against = (saving, share, least, most, moved, math.nan)
    total = result.objective_cny if result.has_plan else math.nan
    of_solve = (total, finite_or_nan(result.bound_cny), finite_or_nan(result.mip_rel_gap))
    return {
        "case": result.case.id,
        "label": result.case.label,
        "is_reference": result is reference,
        "status": str(result.status),
        **{f"{_PARAMETER.name}.{name}": float(value) for name, value in result.case.point.items()},
        **dict(zip(_SHOWN_SAVINGS, against, strict=True)),
        "verdict": _verdict(result, reference, least, most),
        **{metric.name: value for metric, value in zip(_OF_SOLVE, of_solve, strict=True)},
        **{metric.name: number(result.summary.get(metric.name)) for metric in _OF_SUMMARY},
        "reason": result.reason,
    }


def stack_tables(columns: list[str], parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables below each other, with columns in this order."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns)


def _costs(result: CaseResult, reference: CaseResult) -> pd.DataFrame:
    own, base = (found.summary.get("component_cny_per_year", {}) for found in (result, reference))
    return pd.DataFrame(
        [(result.case.id, name, float(value), float(value) - number(base.get(name))) for name, value in own.items()],
        columns=_COST_COLUMNS,
    )


def _regions(result: CaseResult) -> pd.DataFrame:
    mtok = number(result.summary.get("mtok_per_year"))
    shares = result.summary.get("region_share", {})
    rows = [(result.case.id, name, float(share), float(share) * mtok) for name, share in sorted(shares.items())]
    return pd.DataFrame(rows, columns=_REGION_COLUMNS)


def _classes(case: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    allocation = tables["allocation"]
    used = allocation[allocation["mtok_per_h"] > 0]
    worst = used.groupby("workload_class")["rtt_ms"].max()
    found = tables["classes"]
    return found.assign(case=case, worst_rtt_ms=found["workload_class"].map(worst))[_CLASS_COLUMNS]


def _places(case: str, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    found = tables["data_centers"].rename(columns={"id": "data_center"})
    # PUE is the same in all slices, so the highest IT power is also that of the facility.
    return found.assign(case=case, peak_facility_power_mw=found["peak_it_power_mw"] * found["pue"])[_PLACE_COLUMNS]


def _wide(family: _Metric, table: pd.DataFrame, member: str, value: str) -> pd.DataFrame:
    """Turn a long table into columns `family.member`, indexed by case, in the order in which members first appear."""
    members = list(dict.fromkeys(table[member]))
    values = table.set_index(["case", member])[value].unstack(member)  # noqa: PD010 - each pair is there once
    return values.reindex(columns=members).add_prefix(f"{family.name}.")

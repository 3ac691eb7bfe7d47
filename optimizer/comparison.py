"""A comparison: everything that can be told of a set of cases, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import pandas as pd

from optimizer.case_plan import CasePlan, read_case_plan
from optimizer.cases import CaseResult
from optimizer.compare_metrics import metrics_table
from optimizer.compare_table import case_tables
from optimizer.comparison_folder import write_tables
from optimizer.moved import MOVED_COLUMNS, PLACE_COLUMNS, TOTAL_COLUMNS, Moved, find_moved
from optimizer.problem_parts import differs_in_prices_alone
from optimizer.regret import IMPROVABLE_COLUMNS, PAIR_COLUMNS, PLAN_COLUMNS, Regret, find_regret
from optimizer.tornado import TornadoEnds, build_tornado
from optimizer.waterfall import WATERFALL_COLUMNS, Waterfall, build_waterfall

# Every plan under every case: so many pairs at most, of which so many may take a full check.
MOST_PAIRS, MOST_CHECKED_PAIRS = 10_000, 1_000
_PAIR = ["first", "second"]
WATERFALL_PAIR_COLUMNS = [
    *_PAIR, "difference_cny_per_year", "price_cny_per_year", "reoptimize_cny_per_year", "change_cny_per_year", "reason",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Comparison:
    """
    What a comparison tells, as tables; units are the last word of the columns.

    Attributes
    ----------
    name
        Of the scenario, or of what was compared.
    reference
        Id of the case that the others are held against.
    cases
        One row per case, failed ones too: `compare_table.CaseTables.cases`.
    costs, regions, classes, data_centers
        The same in long form: one row per case and component, region, workload class, data center.
    waterfalls
        Bars from the first to the second case of each pair, those from the reference to each other case
        among them: first, second, then `waterfall.Waterfall.bars`.
    waterfall_pairs
        One row per pair: first, second, difference_cny_per_year = price_cny_per_year + reoptimize_cny_per_year +
        change_cny_per_year, reason (why the first plan is no plan in the second case).
    moved, moved_totals, moved_data_centers
        What moved in each of these pairs: first, second, then `moved.Moved.rows`, `totals` and `data_centers`.
    regret, regret_plans, improvable
        `regret.Regret.pairs`, `plans` and `improvable`; empty where it was not asked for.
    regret_matrix
        Regret, CNY per year: column plan, then one column per case.
    tornado
        `tornado.build_tornado`; empty where it was not asked for.
    metrics
        What the columns of `cases` mean.
    more
        Tables of further analyses, by name.
    results
        What came of each case, by id.
    """

    name: str
    reference: str
    cases: pd.DataFrame
    costs: pd.DataFrame
    regions: pd.DataFrame
    classes: pd.DataFrame
    data_centers: pd.DataFrame
    waterfalls: pd.DataFrame
    waterfall_pairs: pd.DataFrame
    moved: pd.DataFrame
    moved_totals: pd.DataFrame
    moved_data_centers: pd.DataFrame
    regret: pd.DataFrame
    regret_plans: pd.DataFrame
    improvable: pd.DataFrame
    regret_matrix: pd.DataFrame
    tornado: pd.DataFrame
    metrics: pd.DataFrame
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    results: Mapping[str, CaseResult] = field(default_factory=dict)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name, those of further analyses too."""
        own = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: table for name, table in own.items() if isinstance(table, pd.DataFrame)} | dict(self.more)

    def to_folder(self, out: str | Path) -> Path:
        """
        Write every table as `NAME.csv`, each whole or not at all.

        Parameters
        ----------
        out
            Folder, made if need be.
        """
        folder = Path(out)
        write_tables(folder, self.tables())
        return folder


def build_comparison(  # noqa: PLR0913 - options, keyword-only
    name: str,
    results: Mapping[str, CaseResult],
    reference: str,
    *,
    tornado: Sequence[TornadoEnds] = (),
    waterfalls: Sequence[tuple[str, str]] = (),
    regret: bool | None = None,
    redispatch: bool = False,
) -> Comparison:
    """
    Compare cases that are solved.

    Parameters
    ----------
    name
        What is compared.
    results
        What came of each case, by id, in the order of the rows. Their run folders must be there.
    reference
        Id of the case that the others are held against.
    tornado
        The two cases of each parameter.
    waterfalls
        Pairs of ids, besides those from the reference to each other case. Pairs without both plans are left out.
    regret
        Whether to evaluate each plan under each case; None = if that takes no more than about a minute.
    redispatch
        Choose hours and routes anew for each pair of the regret.

    Raises
    ------
    ValueError
        If an id is none of the cases.
    InputError
        If a run folder cannot be read.
    """
    unknown = sorted({case for pair in waterfalls for case in pair} - results.keys())
    if unknown:
        raise ValueError(f"there is no case {', '.join(unknown)}")
    tables = case_tables(list(results.values()), reference)
    plans = {case: read_case_plan(result) for case, result in results.items() if result.has_plan}
    wanted = dict.fromkeys([*((reference, case) for case in results if case != reference), *waterfalls])
    pairs = [(plans[a], plans[b]) for a, b in wanted if a in plans and b in plans]
    falls = [build_waterfall(first, second) for first, second in pairs]
    moves = {(a.id, b.id): find_moved(a.tables["allocation"], b.tables["allocation"]) for a, b in pairs}
    found = _regret(plans, reference, wanted=regret, redispatch=redispatch)
    matrix = found.matrix_cny.rename_axis(None, axis="columns").rename_axis("plan").reset_index()
    return Comparison(
        name=name,
        reference=reference,
        cases=tables.cases,
        costs=tables.costs,
        regions=tables.regions,
        classes=tables.classes,
        data_centers=tables.data_centers,
        waterfalls=_stack(WATERFALL_COLUMNS, (((fall.first, fall.second), fall.bars) for fall in falls)),
        waterfall_pairs=pd.DataFrame([_pair_row(fall) for fall in falls], columns=WATERFALL_PAIR_COLUMNS),
        moved=_stack(MOVED_COLUMNS, _each(moves, "rows")),
        moved_totals=_stack(TOTAL_COLUMNS, _each(moves, "totals")),
        moved_data_centers=_stack(PLACE_COLUMNS, _each(moves, "data_centers")),
        regret=found.pairs,
        regret_plans=found.plans,
        improvable=found.improvable,
        regret_matrix=matrix,
        tornado=build_tornado(results[reference], tornado),
        metrics=metrics_table(),
        results=dict(results),
    )


def _each(moves: Mapping[tuple[str, str], Moved], table: str) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    return ((pair, getattr(moved, table)) for pair, moved in moves.items())


def _stack(columns: list[str], parts: Iterator[tuple[tuple[str, str], pd.DataFrame]]) -> pd.DataFrame:
    """One table of those of all pairs, with the ids of the pair in front."""
    named = [table.assign(first=first, second=second) for (first, second), table in parts if len(table)]
    order = [*_PAIR, *columns]
    return pd.concat(named, ignore_index=True)[order] if named else pd.DataFrame(columns=order)


def _pair_row(fall: Waterfall) -> tuple[str, str, float, float, float, float, str]:
    price, reoptimize, change = (fall.total_cny(kind) for kind in ("price", "reoptimize", "change"))
    return fall.first, fall.second, fall.difference_cny, price, reoptimize, change, fall.reason


def _regret(plans: Mapping[str, CasePlan], reference: str, *, wanted: bool | None, redispatch: bool) -> Regret:
    if wanted is None:
        wanted = redispatch or _is_quick(plans, reference)
    if wanted and plans:
        return find_regret(list(plans.values()), redispatch=redispatch)
    pairs, ranked, improvable = (pd.DataFrame(columns=c) for c in (PAIR_COLUMNS, PLAN_COLUMNS, IMPROVABLE_COLUMNS))
    return Regret(pairs, ranked, improvable, redispatch)


def _is_quick(plans: Mapping[str, CasePlan], reference: str) -> bool:
    """Whether evaluating every pair is quick; of cases that differ in prices alone it is."""
    if len(plans) ** 2 > MOST_PAIRS:
        return False
    base = plans.get(reference)
    alike = 0 if base is None else sum(differs_in_prices_alone(base.problem, p.problem) for p in plans.values())
    return len(plans) ** 2 - alike**2 <= MOST_CHECKED_PAIRS

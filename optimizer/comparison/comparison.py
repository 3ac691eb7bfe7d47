"""A comparison: what solved cases and searches show, as tables; worked out anew, or opened from a folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from network_data.currency import DEFAULT_CURRENCY, in_currency
from network_data.display import short_html, short_text
from network_data.faults import FaultList, InputError
from optimizer.comparison.break_even_points import BreakEvenMap
from optimizer.comparison.cases import CaseResult
from optimizer.comparison.effects import (
    WATERFALL_COLUMNS,
    TornadoEnds,
    Waterfall,
    build_tornado,
    build_waterfall,
    find_regret,
    with_share_effects,
)
from optimizer.comparison.folder import COMPARISON_FILE, read_cases, write_tables
from optimizer.comparison.frontier import Frontier
from optimizer.comparison.latency_budgets import LatencyReturn
from optimizer.comparison.searches import SearchResult
from optimizer.comparison.tables import (
    AFTER_TIGHTENING,
    DECISION_COLUMNS,
    case_tables,
    metrics_table,
    stack_tables,
    with_share_ranges,
)
from optimizer.near_optimal.moves import must_move_share
from optimizer.numbers import format_million, shorten_all
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.runs.difference import MOVED_COLUMNS, PLACE_COLUMNS, TOTAL_COLUMNS, RunDifference, TokenMoves
from optimizer.runs.folder import read_csv_table, replace_when_done
from optimizer.runs.metadata import changed_keys
from optimizer.runs.run import Run, open_run
from optimizer.words.amounts import counting
from optimizer.words.language import current_language

if TYPE_CHECKING:
    from optimizer.words.language import Lang

# Every plan under every case: so many pairs at most, of which so many may take a full check.
_MOST_PAIRS, _MOST_CHECKED_PAIRS = 10_000, 1_000
_PAIR = ["first", "second"]
_WATERFALL_PAIR_COLUMNS = [
    *_PAIR, "difference_cny_per_year", "price_cny_per_year", "reoptimize_cny_per_year", "change_cny_per_year", "reason",
]  # fmt: skip

# Texts, whatever stands in them: the id of a case may look like a number.
_TEXTS = (
    "case", "label", "status", "reason", "plan", "under", "worst_under", "plan_of", "first", "second", "component",
    "region", "workload_class", "demand_hub", "data_center", "from_data_center", "to_data_center", "day",
    "kind", "parameter", "change", "change_back", "verdict", "by", "low_status", "high_status", "low_reason",
    "high_reason", "question", "share_range", "low_share_range", "high_share_range",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Comparison:
    """
    Cases beside a reference, as tables; units are the last word of the columns.

    Attributes
    ----------
    name
        Of the scenario; empty where stored runs are compared.
    reference
        Id of the case that the others are compared with.
    cases
        One row per case, failed ones too: case, label, is_reference, status, the columns that `metrics` explains,
        reason. NaN where there is no plan.
    costs, regions, classes, data_centers
        The same in long form: one row per case and component, region, workload class, data center.
    waterfalls
        Bars from the first to the second case of each pair, those from the reference to each other case
        among them: first, second, then `effects.Waterfall.bars`.
    waterfall_pairs
        One row per pair: first, second, difference_cny_per_year = price_cny_per_year + reoptimize_cny_per_year +
        change_cny_per_year, reason (why the first plan is no plan in the second case).
    moved, moved_totals, moved_data_centers
        What moved in each of these pairs: first, second, then `TokenMoves.rows`, `totals` and `data_centers`; in the
        totals also must_move_share, what moves between any two plans that cost about as little (proved; NaN where
        `edwc range` has not been run on both).
    regret, regret_plans, improvable
        `effects.Regret.pairs`, `plans` and `improvable`; empty where the regret was left out.
    regret_matrix
        Regret, CNY per year: column plan, then one column per case.
    tornado
        `effects.build_tornado` and `with_share_effects`; empty without one.
    metrics
        What the columns of `cases` mean.
    decisions
        What the gaps left open and cases were tightened for, a row each: kind (case, frontier or break_even), question,
        first and second (ids of the cases compared), what the saving of the second was proved to lie between before
        (least_before_cny_per_year, most_before_cny_per_year) and is now, is_decided, reason (why not). Empty unless
        asked for.
    results
        The result of each case by id, those that searches have chosen among them.
    pairs
        Ids of the cases whose difference text and charts explain; none = the reference with the cheapest case and with
        the most expensive one.
    break_even_maps
        By parameter.
    frontiers
        By kind: latency or carbon.
    latency_return
        None without one.
    unfinished
        Searches without a result, such as `break_even price.west`: their faults; None where the comparison was
        interrupted before.
    head
        What `comparison.json` holds beside the cases; empty unless opened from a folder.
    lost
        Cases whose run folder is gone or damaged.
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
    decisions: pd.DataFrame
    results: Mapping[str, CaseResult] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    break_even_maps: Mapping[str, BreakEvenMap] = field(default_factory=dict)
    frontiers: Mapping[str, Frontier] = field(default_factory=dict)
    latency_return: LatencyReturn | None = None
    unfinished: Mapping[str, InputError | None] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    @property
    def currency(self) -> str:
        """Currency of all amounts, ISO 4217: that of the network."""
        planned = (result for result in self.results.values() if result.has_plan)
        return next((result.open_run().currency for result in planned), DEFAULT_CURRENCY)

    @property
    def searches(self) -> dict[str, SearchResult]:
        """Break-even maps, frontiers and the return on latency by the name of their chart."""
        maps = {f"break_even_{parameter}": found for parameter, found in self.break_even_maps.items()}
        frontiers = {found.stem: found for found in self.frontiers.values()}
        returns = {} if self.latency_return is None else {self.latency_return.stem: self.latency_return}
        return {**maps, **frontiers, **returns}

    @cached_property
    def labels(self) -> dict[str, str]:
        """What a reader calls each case, by id; where two have one label, with the id."""
        counts = Counter(result.case.label for result in self.results.values())
        named = ((case, result.case.label) for case, result in self.results.items())
        return {case: label if counts[label] == 1 else f"{label} ({case})" for case, label in named}

    def short_labels(self, most_chars: int) -> dict[str, str]:
        """Cut the labels to a length; they stay different."""
        if most_chars not in self._short_labels:
            short = shorten_all(self.labels.values(), most_chars)
            self._short_labels[most_chars] = {case: short[label] for case, label in self.labels.items()}
        return self._short_labels[most_chars]

    @cached_property
    def _short_labels(self) -> dict[int, dict[str, str]]:
        return {}

    @property
    def changes(self) -> tuple[str, ...]:
        """What all cases change in the scenario alike, as KEY=VALUE, such as with `--set`."""
        planned = [result for result in self.results.values() if result.has_plan]
        found = [[text for text in changed_keys(one.info) if text not in one.case.overrides] for one in planned]
        return tuple(text for text in found[0] if all(text in other for other in found[1:])) if found else ()

    def parts(self) -> dict[str, dict[str, pd.DataFrame]]:
        """Tables of the cases, then those of each search, by name."""
        searches = {name: found.tables for name, found in self.searches.items()}
        return {"cases": {name: getattr(self, name) for name in _TABLES}} | searches

    def _key_facts(self) -> dict[str, object]:
        statuses = self.cases["status"].value_counts()
        facts: dict[str, object] = {
            "cases": ", ".join(f"{count} {status}" for status, count in statuses.items()),
            "reference": self.reference,
        }
        costs = self.cases.dropna(subset="total_cny_per_year")
        if len(costs):
            cheapest = costs.sort_values("total_cny_per_year").iloc[0]
            facts["cheapest"] = (
                f"{cheapest['case']}, {format_million(cheapest['total_cny_per_year'])} million CNY a year"
            )
        return facts

    def __repr__(self) -> str:
        return short_text("Comparison", self.name, self._key_facts())

    def _repr_html_(self) -> str:
        return short_html("Comparison", self.name, self._key_facts())

    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by the name of the file it goes to."""
        return {name: table for part in self.parts().values() for name, table in part.items()}

    def ranges(self, case: str) -> pd.DataFrame:
        """Ranges that `edwc range` has left with a case's run; empty where there are none."""
        result = self.results.get(case)
        if result is None or result.folder is None or not (result.folder / "run.json").is_file():
            return pd.DataFrame()
        return open_run(result.folder).ranges

    def with_ranges(self) -> Self:
        """Say beside regional shares between what they lie, as far as `edwc range` has been run on the cases."""
        ranges = {case: self.ranges(case) for case in self.results}
        pairs = zip(self.moved_totals["first"], self.moved_totals["second"], strict=True)
        nothing = pd.DataFrame()
        least = [must_move_share(ranges.get(a, nothing), ranges.get(b, nothing)) for a, b in pairs]
        searches = [found.with_ranges(ranges) for found in self.searches.values()]
        known: dict[str, Any] = {**with_share_ranges(self.cases, self.regions, ranges, self.reference)}
        return replace(
            self,
            **known,
            tornado=with_share_effects(self.tornado, self.results, self.reference, ranges),
            moved_totals=self.moved_totals.assign(must_move_share=pd.Series(least, dtype=float)),
            **searches_by_kind(searches),
        )

    def to_text(self) -> str:
        """Describe the comparison for a reader, in lines of plain text."""
        from optimizer.text.comparison import describe_comparison

        return in_currency(describe_comparison(self))

    def to_folder(self, out: str | Path) -> Path:
        """
        Write every table as `NAME.csv`, each completely or not at all.

        Parameters
        ----------
        out
            Folder, made if need be.
        """
        folder = Path(out)
        write_tables(folder, self.tables())
        return folder

    def to_excel(self, file: str | Path, *, lang: Lang | None = None) -> Path:
        """
        Write every table as a sheet of a workbook, completely or not at all, behind a cover with what is proved.

        Parameters
        ----------
        file
            File to write, `.xlsx`; its folder exists.
        lang
            Language of the cover and the heads; None = that of `EDWC_LANG`.
        """
        from optimizer.exports.office.workbook import write_comparison_workbook

        target = Path(file)
        with replace_when_done(target.resolve(), draft_prefix=".edwc-export-") as draft:
            write_comparison_workbook(self, draft, lang or current_language())
        return target

    def plot(self, out: str | Path) -> list[Path]:
        """
        Draw every chart into a folder: waterfalls, regret, tornado, and one for each search.

        Parameters
        ----------
        out
            The folder; it exists.

        Returns
        -------
        list of Path
            The PNG files.
        """
        from optimizer.drawing.comparison import draw_charts

        folder, reference, regions = Path(out), self.results[self.reference].folder, []
        if self.break_even_maps and reference is not None:
            regions = list(open_run(reference).regions)
        with counting(self.cases["total_cny_per_year"]):
            drawn = draw_charts(self, folder, pairs=self.pairs)
            for name, found in self.searches.items():
                target = folder / f"{name}.png"
                of_map = {"regions": regions} if isinstance(found, BreakEvenMap) else {}
                drawn.append(found.plot(target, changes=self.changes, **of_map))
        return drawn


_TABLES = tuple(item.name for item in fields(Comparison) if item.type == "pd.DataFrame")


def build_comparison(  # noqa: PLR0913 - options, keyword-only
    name: str,
    results: Mapping[str, CaseResult],
    reference: str,
    *,
    tornado: Sequence[TornadoEnds] = (),
    waterfalls: Sequence[tuple[str, str]] = (),
    regret: bool | None = None,
    redispatch: bool = False,
    decisions: pd.DataFrame | None = None,
) -> Comparison:
    """
    Compare cases that are solved; their run folders must be there.

    Parameters
    ----------
    results, reference
        By id, in the order of the rows; id of the case that the others are compared with.
    waterfalls
        Pairs of ids, besides those from the reference to each other case. Pairs without both plans are left out.
    regret, redispatch
        See `compare`.
    decisions
        From `decide`; None where nothing was tightened.
    """
    unknown = sorted({case for pair in waterfalls for case in pair} - results.keys())
    if unknown:
        raise ValueError(f"there is no case {', '.join(unknown)}")
    tables: dict[str, Any] = case_tables(list(results.values()), reference)
    decided = pd.DataFrame(columns=DECISION_COLUMNS) if decisions is None else decisions
    is_new = decided["is_decided"].astype(bool) & (decided["kind"] == "case")
    is_tightened = tables["cases"]["case"].isin(decided["second"][is_new])
    tables["cases"].loc[is_tightened, "verdict"] += f" ({AFTER_TIGHTENING})"
    plans = {case: result.open_run() for case, result in results.items() if result.has_plan}
    _require_one_currency(plans)
    wanted = dict.fromkeys([*((reference, case) for case in results if case != reference), *waterfalls])
    pairs = [(plans[a], plans[b]) for a, b in wanted if a in plans and b in plans]
    falls = [build_waterfall(first, second) for first, second in pairs]
    moves = {(a.case_id, b.case_id): RunDifference(a, b).token_moves for a, b in pairs}
    if regret is None:
        regret = redispatch or _is_quick(plans, reference)
    found = find_regret(list(plans.values()) if regret else [], redispatch=redispatch)
    matrix = found.matrix_cny.rename_axis(None, axis="columns").rename_axis("plan").reset_index()
    return Comparison(
        name=name,
        reference=reference,
        **tables,
        waterfalls=_stack(WATERFALL_COLUMNS, (((fall.first, fall.second), fall.bars) for fall in falls)),
        waterfall_pairs=pd.DataFrame([_pair_row(fall) for fall in falls], columns=_WATERFALL_PAIR_COLUMNS),
        moved=_stack(MOVED_COLUMNS, _each(moves, "rows")),
        moved_totals=_stack(TOTAL_COLUMNS, _each(moves, "totals")),
        moved_data_centers=_stack(PLACE_COLUMNS, _each(moves, "data_centers")),
        regret=found.pairs,
        regret_plans=found.plans,
        improvable=found.improvable,
        regret_matrix=matrix,
        tornado=build_tornado(results[reference], tornado),
        metrics=metrics_table(),
        decisions=decided,
        results=dict(results),
        pairs=tuple(waterfalls),
    )


def _require_one_currency(plans: Mapping[str, Run]) -> None:
    """Refuse to compare amounts of money in different currencies."""
    faults, currencies = FaultList("the comparison"), {case: run.currency for case, run in plans.items()}
    first = next(iter(currencies), None)
    for case, currency in currencies.items():
        if first is not None and currency != currencies[first]:
            problem = f"costs are in {currency}, those of {first} in {currencies[first]}"
            faults.add(case, problem, "Compare runs of networks with one currency.")
    faults.raise_if_any()


def open_comparison(folder: str | Path) -> Comparison:
    """
    Open a comparison that was kept; tables that are not in its folder are worked out from its cases.

    Parameters
    ----------
    folder
        Folder that `edwc compare --out` wrote.

    Raises
    ------
    InputError
        If it holds no comparison, or a file in it is damaged.
    """
    path = Path(folder)
    results = {result.case.id: result for result in read_cases(path)}
    head = json.loads((path / COMPARISON_FILE).read_text(encoding="utf-8"))
    entries, searches, asked = head.pop("cases"), head.get("searches", []), head.get("asked") or {}
    reference = str(head.get("reference", next(iter(results))))
    name = str(head.get("name") or Path(str(head.get("scenario") or "")).stem)  # not stored by older versions
    faults = FaultList("the comparison")
    tables: dict[str, Any] = {n: table for n in _TABLES if (table := _read_table(path, n, faults)) is not None}
    opened = [_open_search(path, search, faults) for search in searches]
    faults.raise_if_any()
    if len(tables) < len(_TABLES):
        tables = build_comparison(name, results, reference).parts()["cases"] | tables
    found = Comparison(
        name,
        reference,
        **tables,
        results=results,
        pairs=tuple((a, b) for a, b in (text.split(",") for text in asked.get("waterfall") or ())),
        **searches_by_kind(opened),
        head=head,
        lost=tuple(entry["id"] for entry in entries if entry["folder"] and not results[entry["id"]].has_plan),
    )
    return found.with_ranges()


def searches_by_kind(found: Sequence[SearchResult]) -> dict[str, Any]:
    """Sort what searches found into the attributes of a `Comparison`."""
    return {
        "break_even_maps": {one.parameter: one for one in found if isinstance(one, BreakEvenMap)},
        "frontiers": {one.kind: one for one in found if isinstance(one, Frontier)},
        "latency_return": next((one for one in found if isinstance(one, LatencyReturn)), None),
    }


def _open_search(path: Path, search: Mapping[str, Any], faults: FaultList) -> SearchResult:
    """Read what a search found; a table that cannot be read is a fault."""
    kinds: dict[str, type[SearchResult]] = {kind.__name__: kind for kind in (BreakEvenMap, Frontier, LatencyReturn)}

    def read(stem: str) -> pd.DataFrame:
        table = _read_table(path, stem, faults, (*_TEXTS, "open_data_centers"))
        if table is None:
            faults.add(f"{stem}.csv", "is not there", "Compare again: the folder is damaged.")
        return pd.DataFrame() if table is None else table

    return kinds[search["kind"]].from_tables(search["stem"], search["facts"], read)


def _read_table(path: Path, stem: str, faults: FaultList, texts: Sequence[str] = _TEXTS) -> pd.DataFrame | None:
    """Read a table of a folder; None if it is not there or cannot be read, which is a fault."""
    try:
        table = read_csv_table(path / f"{stem}.csv", texts)
    except FileNotFoundError:
        return None
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        faults.add(f"{stem}.csv", f"cannot be read ({type(error).__name__})", "Compare again: the folder is damaged.")
        return None
    return table.assign(**{name: table[name].astype("str").fillna("") for name in texts if name in table})


def _each(moves: Mapping[tuple[str, str], TokenMoves], table: str) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    return ((pair, getattr(moved, table)) for pair, moved in moves.items())


def _stack(columns: list[str], parts: Iterator[tuple[tuple[str, str], pd.DataFrame]]) -> pd.DataFrame:
    """One table of those of all pairs, with the ids of the pair in front."""
    named = [table.assign(first=first, second=second) for (first, second), table in parts]
    return stack_tables([*_PAIR, *columns], named)


def _pair_row(fall: Waterfall) -> tuple[str, str, float, float, float, float, str]:
    price, reoptimize, change = (fall.total_cny(kind) for kind in ("price", "reoptimize", "change"))
    return fall.first, fall.second, fall.difference_cny, price, reoptimize, change, fall.reason


def _is_quick(plans: Mapping[str, Run], reference: str) -> bool:
    """Whether evaluating every pair is quick; of cases that differ in prices alone it is."""
    if len(plans) ** 2 > _MOST_PAIRS:
        return False
    base = plans.get(reference)
    same = 0 if base is None else sum(differs_in_prices_alone(base.problem, p.problem) for p in plans.values())
    return len(plans) ** 2 - same**2 <= _MOST_CHECKED_PAIRS

"""
A comparison: everything that can be told of a set of cases, as tables.

What `edwc compare` is asked for: read with every fault at once, before anything is solved.
"""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from network_data.faults import Fault, FaultList, InputError
from network_data.load import load_network
from optimizer.comparison.cases import (
    REFERENCE,
    Case,
    CaseResult,
    expand_cases,
    find_case,
    require_scenario_as_reference,
    split_price_cases,
)
from optimizer.comparison.effects import (
    IMPROVABLE_COLUMNS,
    PAIR_COLUMNS,
    PLAN_COLUMNS,
    WATERFALL_COLUMNS,
    Regret,
    TornadoEnds,
    Waterfall,
    build_tornado,
    build_waterfall,
    find_regret,
)
from optimizer.comparison.folder import COMPARISON_FILE, read_stored, write_tables
from optimizer.comparison.tables import case_tables, metrics_table
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.runs.difference import MOVED_COLUMNS, PLACE_COLUMNS, TOTAL_COLUMNS, Moved, find_moved
from optimizer.runs.folder import INFO_FILE
from optimizer.runs.run import Run
from scenarios.load import load_scenario
from scenarios.price_parameters import ParameterRange, Sweep, overrides_of, parse_ranges, parse_sweeps

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
    plans = {case: result.open_run() for case, result in results.items() if result.has_plan}
    wanted = dict.fromkeys([*((reference, case) for case in results if case != reference), *waterfalls])
    pairs = [(plans[a], plans[b]) for a, b in wanted if a in plans and b in plans]
    falls = [build_waterfall(first, second) for first, second in pairs]
    moves = {(a.case_id, b.case_id): find_moved(a.decisions["allocation"], b.decisions["allocation"]) for a, b in pairs}
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


def _regret(plans: Mapping[str, Run], reference: str, *, wanted: bool | None, redispatch: bool) -> Regret:
    if wanted is None:
        wanted = redispatch or _is_quick(plans, reference)
    if wanted and plans:
        return find_regret(list(plans.values()), redispatch=redispatch)
    pairs, ranked, improvable = (pd.DataFrame(columns=c) for c in (PAIR_COLUMNS, PLAN_COLUMNS, IMPROVABLE_COLUMNS))
    return Regret(pairs, ranked, improvable, redispatch)


def _is_quick(plans: Mapping[str, Run], reference: str) -> bool:
    """Whether evaluating every pair is quick; of cases that differ in prices alone it is."""
    if len(plans) ** 2 > MOST_PAIRS:
        return False
    base = plans.get(reference)
    alike = 0 if base is None else sum(differs_in_prices_alone(base.problem, p.problem) for p in plans.values())
    return len(plans) ** 2 - alike**2 <= MOST_CHECKED_PAIRS


_Parsed = TypeVar("_Parsed")
_ASKED = ("price_cases", "sweep", "tornado", "break_even", "frontier", "reference", "waterfall")


@dataclass(frozen=True)
class CompareRequest:
    """
    A comparison, ready to be carried out.

    Attributes
    ----------
    scenario
        Built-in name or YAML file; None where stored runs are compared.
    overrides
        Of all cases.
    folders
        Stored runs, or the folder of one stored comparison.
    reference
        What the other cases are held against and start from.
    cases
        The others, in order.
    tornado, break_evens
        Ranges to analyse.
    frontiers
        Which ones.
    waterfalls
        Pairs of ids.
    asked
        The same for `comparison.json`.
    """

    scenario: str | None
    overrides: tuple[str, ...]
    folders: tuple[Path, ...]
    reference: Case
    cases: tuple[Case, ...]
    tornado: tuple[ParameterRange, ...]
    break_evens: tuple[ParameterRange, ...]
    frontiers: tuple[str, ...]
    waterfalls: tuple[tuple[str, str], ...]
    asked: Mapping[str, Any]


def read_request(arguments: Namespace) -> CompareRequest:
    """
    Read the arguments of `edwc compare`.

    Parameters
    ----------
    arguments
        From the parser of the command line.

    Raises
    ------
    InputError
        With every fault.
    """
    faults = FaultList("edwc compare")
    _check_options(arguments, faults)
    sweeps = _collect(faults, parse_sweeps, arguments.sweep, "--sweep")
    tornado = _collect(faults, parse_ranges, arguments.tornado, "--tornado")
    break_evens = _collect(faults, parse_ranges, arguments.break_even, "--break-even")
    overrides = (*arguments.overrides, *_solver_overrides(arguments))
    asked = {name: getattr(arguments, name) for name in _ASKED}
    folders = _stored(arguments.inputs)
    if folders:
        _refuse_solving(arguments, faults)
        cases = _stored_cases(folders, faults)
    else:
        cases = _new_cases(arguments, sweeps, tornado, faults)
        keys = {sweep.key: sweep.values for sweep in sweeps}
        keys |= {key: (low, high) for key, low, high in (*tornado, *break_evens)}
        _check_keys(arguments.inputs[0], overrides, keys, faults)
        if not (cases or break_evens or arguments.frontier or len(faults)):
            remedy = "Give --price-cases, --sweep, --tornado, --break-even or --frontier, or several stored runs."
            faults.add("edwc compare", "there is nothing to compare the scenario with", remedy)
    reference = cases[0] if folders and cases else REFERENCE
    waterfalls = []
    if cases:
        known = cases if folders else [REFERENCE, *cases]
        if arguments.reference is not None:
            reference = find_case(arguments.reference, known, "--reference", faults)
            require_scenario_as_reference(reference, tornado, "--tornado", faults)
        waterfalls = [_pair(text, known, faults) for text in arguments.waterfall]
    faults.raise_if_any()
    return CompareRequest(
        None if folders else arguments.inputs[0],
        overrides,
        folders,
        reference,
        tuple(case for case in cases if case != reference),
        tornado,
        break_evens,
        tuple(dict.fromkeys(arguments.frontier)),
        tuple(waterfalls),
        asked,
    )


def _new_cases(
    arguments: Namespace, sweeps: Sequence[Sweep], tornado: Sequence[ParameterRange], faults: FaultList
) -> list[Case]:
    for name in arguments.inputs if len(arguments.inputs) > 1 else ():
        if not (Path(name) / INFO_FILE).is_file():
            faults.add(name, "is no run folder", "Give one scenario, or run folders that `edwc solve --out` wrote.")
    try:
        return expand_cases(split_price_cases(arguments.price_cases), sweeps, tornado)
    except InputError as error:
        faults.extend(error.faults)
        return []


def _stored_cases(folders: Sequence[Path], faults: FaultList) -> list[Case]:
    try:
        return [result.case for result in read_stored(folders)]
    except InputError as error:
        faults.extend(error.faults)
        return []


def _solver_overrides(arguments: Namespace) -> list[str]:
    keys = {"mip_rel_gap": "solver.mip_rel_gap", "time_limit": "solver.time_limit_s"}
    return [f"{key}={value!r}" for name, key in keys.items() if (value := getattr(arguments, name)) is not None]


def _stored(inputs: Sequence[str]) -> tuple[Path, ...]:
    """Folders of stored runs, or that of a comparison; none if a scenario is meant."""
    paths = tuple(Path(name) for name in inputs)
    if len(paths) == 1:
        return paths if (paths[0] / COMPARISON_FILE).is_file() else ()
    return paths if all((path / INFO_FILE).is_file() for path in paths) else ()


def _refuse_solving(arguments: Namespace, faults: FaultList) -> None:
    names = ("price_cases", "sweep", "tornado", "break_even", "frontier", "overrides")
    flags = {name: "--" + name.replace("_", "-") for name in names} | {"overrides": "--set"}
    for name, flag in flags.items():
        if getattr(arguments, name):
            faults.add(flag, "stored runs are not solved again", "Leave it out, or give a scenario in their place.")


def _check_options(arguments: Namespace, faults: FaultList) -> None:
    if arguments.workers is not None and arguments.workers < 1:
        faults.add("--workers", "is below 1", "Give the number of processes.", value=arguments.workers)
    if arguments.scheduler is not None and arguments.engine != "dask":
        faults.add("--scheduler", "is an address for Dask", "Add --engine dask.", value=arguments.scheduler)


def _collect(
    faults: FaultList, parse: Callable[..., tuple[_Parsed, ...]], texts: Sequence[str], option: str
) -> tuple[_Parsed, ...]:
    try:
        return parse(texts, option=option)
    except InputError as error:
        faults.extend(error.faults)
    good: list[_Parsed] = []
    for text in texts:  # what is right is kept, so that its other faults come out too
        with contextlib.suppress(InputError):
            good += parse([text], option=option)
    return tuple(good)


def _check_keys(
    scenario: str, overrides: Sequence[str], values_of: Mapping[str, Iterable[float]], faults: FaultList
) -> None:
    """
    See that the scenario can be read, and each parameter can be set to its first value or its last.

    A value that is out of range is a failed row of the comparison; a name that no value helps is a slip of the pen.
    """
    try:
        _load(scenario, overrides)
    except InputError as error:
        faults.extend(error.faults)
        return
    for key, values in values_of.items():
        listed = list(values)
        found: list[Sequence[Fault]] = []
        for value in dict.fromkeys((listed[0], listed[-1])):
            try:
                _load(scenario, [*overrides, *overrides_of({key: value})])
            except InputError as error:
                found.append(error.faults)
            else:
                break
        else:
            faults.extend(found[0])


def _load(scenario: str, overrides: Sequence[str]) -> None:
    loaded = load_scenario(scenario, overrides)
    assemble_problem(load_network(loaded.network), loaded)


def _pair(text: str, cases: Sequence[Case], faults: FaultList) -> tuple[str, str]:
    for place in [place for place, letter in enumerate(text) if letter == ","]:
        trial = FaultList()
        names = (text[:place].strip(), text[place + 1 :].strip())  # a label may hold commas of its own
        pair = [find_case(name, cases, "--waterfall", trial) for name in names]
        if not len(trial):
            return pair[0].id, pair[1].id
    remedy = f"Write A,B with ids of cases, such as {cases[0].id},{cases[-1].id}."
    faults.add("--waterfall", "is no pair of cases", remedy, value=text)
    return REFERENCE.id, REFERENCE.id

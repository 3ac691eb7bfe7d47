"""Compare the cases of a scenario, or runs that are stored: from Python what `edwc compare` does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from network_data.faults import FaultList
from optimizer.comparison.cases import (
    REFERENCE,
    Case,
    CaseResult,
    expand_cases,
    find_case,
    require_scenario_as_reference,
)
from optimizer.comparison.comparison import Comparison, build_comparison
from optimizer.comparison.effects import find_ends
from optimizer.comparison.folder import keep_stored, read_stored
from optimizer.comparison.runner import CaseRunner, EngineName, SweepProgress
from optimizer.text.comparison import chosen_pairs
from scenarios.price_parameters import ParameterRange, parse_ranges, parse_sweeps


def compare(  # noqa: PLR0913 - options, keyword-only
    scenario_or_runs: str | Path | Sequence[str | Path],
    *,
    price_cases: Sequence[str] = (),
    sweeps: Sequence[str] = (),
    tornado: Sequence[str] = (),
    overrides: Sequence[str] = (),
    reference: str | None = None,
    waterfalls: Sequence[tuple[str, str]] = (),
    regret: bool | None = None,
    redispatch: bool = False,
    out: str | Path | None = None,
    engine: EngineName = "local",
    workers: int | None = None,
    scheduler: str | None = None,
    report: Callable[[SweepProgress], None] | None = None,
    stop: threading.Event | None = None,
) -> Comparison:
    """
    Compare cases with a reference.

    Parameters
    ----------
    scenario_or_runs
        Built-in name or YAML file of a scenario; or a list of run folders, or of one folder of a comparison, which are
        compared as they are.
    price_cases
        Names or files, each a case; `a+b` is first a, then b. With sweeps, each is combined with each of their points.
    sweeps
        Texts such as `price.west=0.5:1.5:0.1` or `carbon_price=0,50,100`; every combination of values is a case.
    tornado
        Texts such as `price.west=0.8:1.2`: a case for either end, with everything else as in the scenario.
    overrides
        Of all cases, such as `solver.mip_rel_gap=0.01`.
    reference
        Id or label of the case that the others are held against; None = the scenario as it is, or the first run.
    waterfalls
        Pairs of ids or labels to explain, besides those of the reference with each other case.
    regret
        Whether to evaluate each plan under each case; None = if that takes no more than about a minute.
    redispatch
        In the regret, hold what is open, deployed, bought and assigned, and choose hours and routes anew.
    out
        Folder to keep run folders, tables and charts in; None keeps nothing but what is returned.
    engine, workers, scheduler
        Who solves: `serial` in this process, `local` in processes of this machine (None = one for each processor),
        `dask` on a cluster (None = one on this machine).
    report
        Called with how far the comparison is.
    stop
        Set it, and what is being solved ends; the cases that are done are compared.

    Returns
    -------
    Comparison
        Also where cases fail: they are rows with their reason.

    Raises
    ------
    InputError
        With every fault of what is asked for, of the scenario, or of the stored runs.
    """
    faults = FaultList("the comparison")
    if not isinstance(scenario_or_runs, str | Path):
        if price_cases or sweeps or tornado or overrides:
            remedy = "Give a scenario, or leave out price cases, sweeps, tornado and overrides."
            faults.add("compare", "stored runs are not solved again", remedy)
        stored = {result.case.id: result for result in read_stored([Path(run) for run in scenario_or_runs])}
        asked = _read_asked([result.case for result in stored.values()], (), reference, waterfalls, faults)
        kept = None if out is None else keep_stored(out, asked.reference, stored.values())
        return _told(asked, "stored runs", stored, kept, regret=regret, redispatch=redispatch)
    ranges = parse_ranges(tornado, option="tornado")
    cases = expand_cases(price_cases, parse_sweeps(sweeps, option="sweeps"), ranges)
    asked = _read_asked([REFERENCE, *cases], ranges, reference, waterfalls, faults)
    with CaseRunner(
        scenario_or_runs,
        overrides,
        out=out,
        reference=asked.reference,
        engine=engine,
        workers=workers,
        scheduler=scheduler,
        report=report,
        stop=stop,
    ) as runner:
        results = runner.run([case for case in cases if case != asked.reference])
        return _told(asked, str(scenario_or_runs), results, out, regret=regret, redispatch=redispatch)


@dataclass(frozen=True)
class _Asked:
    """What to tell of the cases."""

    reference: Case
    ranges: Sequence[ParameterRange]
    waterfalls: Sequence[tuple[str, str]]


def _read_asked(
    cases: Sequence[Case],
    ranges: Sequence[ParameterRange],
    reference: str | None,
    waterfalls: Sequence[tuple[str, str]],
    faults: FaultList,
) -> _Asked:
    base = cases[0] if reference is None else find_case(reference, cases, "reference", faults)
    require_scenario_as_reference(base, ranges, "tornado", faults)
    pairs = [tuple(find_case(name, cases, "waterfalls", faults).id for name in pair) for pair in waterfalls]
    faults.raise_if_any()
    return _Asked(base, ranges, [(first, second) for first, second in pairs])


def _told(
    asked: _Asked,
    name: str,
    results: Mapping[str, CaseResult],
    out: str | Path | None,
    *,
    regret: bool | None,
    redispatch: bool,
) -> Comparison:
    found = build_comparison(
        name,
        results,
        asked.reference.id,
        tornado=find_ends(asked.ranges, results),
        waterfalls=asked.waterfalls,
        regret=regret,
        redispatch=redispatch,
    )
    if out is not None:
        from optimizer.drawing.comparison import draw_charts  # matplotlib is slow to import, and not always wanted

        draw_charts(found, found.to_folder(out), pairs=[*chosen_pairs(found), *asked.waterfalls])
    return found

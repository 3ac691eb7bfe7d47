"""Compare the cases of a scenario, or runs that are stored."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from network_data.faults import FULL_DISK, MAKE_ROOM, Fault, FaultList, InputError, suggest
from network_data.load import load_network
from optimizer.api.inputs import NetworkLike, Overrides, ScenarioLike, find_inputs, naming_arguments, override_texts
from optimizer.api.progress import reporting, run_until_interrupted
from optimizer.comparison.break_even import find_break_points
from optimizer.comparison.cases import (
    REFERENCE,
    Case,
    CaseResult,
    expand_cases,
    find_case,
    split_price_cases,
)
from optimizer.comparison.comparison import Comparison, build_comparison, searches_by_kind
from optimizer.comparison.decide import DECIDE_TIME_S, share_plans
from optimizer.comparison.decide import decide as decide_questions
from optimizer.comparison.effects import find_ends
from optimizer.comparison.folder import COMPARISON_FILE, keep_stored, read_stored, save_in_memory
from optimizer.comparison.frontier import carbon_frontier, latency_frontier
from optimizer.comparison.latency_budgets import latency_return
from optimizer.comparison.questions import BreakPointsExist, questions_of
from optimizer.comparison.runner import ENGINES, CaseRunner, EngineName
from optimizer.comparison.searches import SearchResult
from optimizer.comparison.sweep_clock import SweepProgress
from optimizer.problem.assemble import assemble_problem
from optimizer.runs.run import Run
from scenarios.load import load_scenario
from scenarios.price_parameters import ParameterRange, overrides_of, parse_ranges, parse_sweeps
from scenarios.schema import Scenario

_FRONTIERS: Mapping[str, Callable[[CaseRunner], SearchResult]] = {
    "latency": latency_frontier,
    "carbon": carbon_frontier,
    "rtt": latency_return,
}
Values = Mapping[str, Sequence[float] | str] | Sequence[str]
_Item = TypeVar("_Item")


def compare(  # noqa: PLR0913 - options, keyword-only
    scenario_or_runs: ScenarioLike | Run | Sequence[str | Path | Run],
    overrides: Overrides | None = None,
    *,
    network: NetworkLike | None = None,
    price_cases: Sequence[str] = (),
    sweeps: Values = (),
    tornado: Values = (),
    break_even: Values = (),
    frontier: Sequence[str] = (),
    reference: str | None = None,
    waterfalls: Sequence[tuple[str, str] | str] = (),
    regret: bool | None = None,
    redispatch: bool = False,
    decide: bool = False,
    decide_time_s: float = DECIDE_TIME_S,
    out: str | Path | None = None,
    engine: EngineName = "local",
    workers: int | None = None,
    scheduler: str | None = None,
    shared_files: bool = False,
    force: bool = False,
    progress: bool = False,
    report: Callable[[SweepProgress], None] | None = None,
    stop: threading.Event | None = None,
) -> Comparison:
    """
    Compare cases with a reference.

    Parameters
    ----------
    scenario_or_runs
        A scenario (name, file, object, dictionary or text: see `find_inputs`); or a list of runs (folders, or `Run`
        objects, which may be in memory alone), or the folder of a comparison, which are compared as they are.
    overrides, network
        Of all cases: see `find_inputs`.
    price_cases
        Names or files, each a case; `a+b` is first a, then b. With sweeps, each is combined with each of their points.
    sweeps
        Values by parameter, `{"price.west": [0.8, 1, 1.2]}`, or texts such as `price.west=0.5:1.5:0.1` or
        `carbon_price=0,50,100`; every combination of values is a case.
    tornado
        Low and high value by parameter, `{"price.west": (0.8, 1.2)}`, or texts such as `price.west=0.8:1.2`: a case
        for either end, with everything else as in the scenario.
    break_even
        Ranges as for `tornado`, on which to find where the plan changes.
    frontier
        `latency` and `carbon`: cost against a limit; `rtt`: what a millisecond of each class's round trip saves.
    reference
        Id or label of the case that the others are compared with; None = the scenario as it is, or the first run.
    waterfalls
        Pairs of ids or labels to explain, or texts `A,B`, besides those of the reference with each other case.
    regret
        Whether to evaluate each plan under each case; None = if that takes no more than about a minute.
    redispatch
        In the regret, hold what is open, deployed, bought and assigned, and choose hours and routes anew.
    decide
        Where the gaps leave open whether a case costs less than the reference, a point of a frontier less than the
        next, or whether a break point lies on its range, solve cases again to smaller gaps until it is proved.
    decide_time_s
        Seconds for all of that.
    out
        Folder to keep run folders, tables and charts in; None keeps nothing but what is returned.
    engine, workers, scheduler
        Who solves: `serial` in this process, `local` in processes of this machine (None = one for each processor),
        `dask` on a cluster (None = one on this machine).
    shared_files
        Whether the workers of the scheduler see the files of this machine under the same names, `out` too: they are
        sent names, and write there. Otherwise they are sent what they need, and send back what they find.
    force
        Solve again what is stored in `out`.
    progress
        Show how far it is: a bar in a notebook, lines elsewhere.
    report
        Called with the progress of the comparison.
    stop
        Set it from another thread, and what is being solved ends; the cases that are done are compared. So does
        Ctrl-C.

    Returns
    -------
    Comparison
        Also where cases fail: they are rows with their reason. A search that fails is in `unfinished`, and so is `out`
        where a full disk does not take the tables and charts.

    Raises
    ------
    InputError
        With every fault of the request, of the scenario, or of the stored runs.
    """
    faults = FaultList("the comparison")
    check_engine(engine, workers, scheduler, faults, shared_files=shared_files)
    if not decide_time_s > 0:
        faults.add("decide_time_s", "is no time", "Give seconds, above 0.", value=str(decide_time_s))
    words = _Words(
        tuple(split_price_cases(_listed(price_cases))),
        _value_texts(sweeps, ","),
        _value_texts(tornado, ":"),
        _value_texts(break_even, ":"),
        tuple(dict.fromkeys(_listed(frontier))),
        reference,
        tuple(waterfalls),
    )
    given, texts, in_memory = _find_given(scenario_or_runs, overrides, network)
    if decide and isinstance(given, list):
        faults.add("decide", "stored runs are not solved again", "Leave it out, or give a scenario in their place.")
    with naming_arguments(), reporting(report, progress=progress) as tell:
        request = _read_request(given, texts, words, faults)
        if request.scenario is None:
            stored = request.stored
            if out is not None:
                stored = keep_stored(out, request.reference, stored, request.kept, in_memory)
            results = {result.case.id: result for result in stored}
            found = _build(request, "", results, regret=regret, redispatch=redispatch)
            return _keep(found, None if out is None else Path(out))
        scenario = request.scenario

        def solve(event: threading.Event) -> Comparison:
            with CaseRunner(
                scenario,
                request.overrides,
                out=out,
                reference=request.reference,
                engine=engine,
                workers=workers,
                scheduler=scheduler,
                shared_files=shared_files,
                request=request.kept,
                force=force,
                keep_learned=decide,
                report=tell,
                stop=event,
            ) as runner:
                names = list(runner.run(request.cases))
                finds = _finds(request, runner)
                searches, unfinished = _search(finds, event)
                decisions = None
                if not event.is_set():
                    before = runner.results
                    share_plans(runner)
                    if decide:
                        asked = questions_of(names, runner, list(searches.values()))
                        decisions = decide_questions(runner, asked, time_limit_s=decide_time_s, stop=event)
                        finer = {one.found.parameter: one.draw for one in asked if isinstance(one, BreakPointsExist)}
                        finds |= {f"break_even {name}": draw for name, draw in finer.items()}
                    if any(runner.results[name] is not result for name, result in before.items()):
                        # What searches show rests on plans and bounds that are better now.
                        searches |= _search(finds, event)[0]
                # Someone who wants it to end does not wait for the most expensive part.
                wanted = False if event.is_set() else regret
                results = {name: runner.results[name] for name in names}
                found = _build(request, runner.name, results, regret=wanted, redispatch=redispatch, decisions=decisions)
                kinds = searches_by_kind(list(searches.values()))
                found = replace(found, **kinds, unfinished=unfinished, results=runner.results).with_ranges()
                runner.keep_searches(found.searches.values())
                return _keep(found, None if out is None else runner.out)

        return run_until_interrupted(solve, stop)


def _find_given(
    given: ScenarioLike | Run | Sequence[str | Path | Run], overrides: Overrides | None, network: NetworkLike | None
) -> tuple[str | Path | list[Path], tuple[str, ...], dict[Path, Run]]:
    """Find the scenario, or the folders of the runs; the overrides; and runs in memory by their temporary folder."""
    if isinstance(given, Scenario | Mapping) or (isinstance(given, str | Path) and not _is_comparison(given)):
        inputs = find_inputs(given, overrides, network=network)
        return inputs.scenario, inputs.overrides, {}
    if network is not None:
        faults = FaultList("the comparison")
        faults.add("network", "stored runs are not solved again", "Leave it out, or give a scenario in their place.")
        raise faults.error()
    folders, in_memory = save_in_memory([given] if isinstance(given, str | Path | Run) else given)
    return folders, tuple(override_texts(overrides)), in_memory


def _value_texts(values: Values, separator: str) -> tuple[str, ...]:
    """Write values by parameter as the command line takes them."""
    if not isinstance(values, Mapping):
        return _listed(values)
    return tuple(f"{key}={v if isinstance(v, str) else separator.join(map(str, v))}" for key, v in values.items())


def _listed(texts: Sequence[str]) -> tuple[str, ...]:
    """Take one text for a list of one."""
    return (texts,) if isinstance(texts, str) else tuple(texts)


@dataclass(frozen=True)
class _Words:
    """The request as given; the names of its parts are those of `asked` in `comparison.json`."""

    price_cases: tuple[str, ...]
    sweep: tuple[str, ...]
    tornado: tuple[str, ...]
    break_even: tuple[str, ...]
    frontier: tuple[str, ...]
    reference: str | None
    waterfall: tuple[tuple[str, str] | str, ...]


@dataclass(frozen=True)
class _Request:
    """A comparison, checked and ready to be carried out; `scenario` is None where stored runs are compared."""

    scenario: str | Path | None
    stored: Sequence[CaseResult]
    overrides: tuple[str, ...]
    reference: Case
    cases: tuple[Case, ...]
    tornado: tuple[ParameterRange, ...]
    break_even: tuple[ParameterRange, ...]
    waterfalls: tuple[tuple[str, str], ...]
    words: _Words

    @property
    def kept(self) -> dict[str, Any]:
        """What `comparison.json` keeps of it: the words as given, waterfalls by the ids of their cases."""
        return asdict(self.words) | {"waterfall": [",".join(pair) for pair in self.waterfalls]}


def _read_request(
    given: str | Path | list[Path], overrides: tuple[str, ...], words: _Words, faults: FaultList
) -> _Request:
    sweeps = _collect(faults, parse_sweeps, words.sweep, "sweeps")
    tornado = _collect(faults, parse_ranges, words.tornado, "tornado")
    break_even = _collect(faults, parse_ranges, words.break_even, "break_even")
    for kind in words.frontier:
        if kind not in _FRONTIERS:
            remedy = f"Name {', '.join(_FRONTIERS)}.{suggest(kind, _FRONTIERS)}"
            faults.add("frontier", "there is no such frontier", remedy, value=kind)
    stored: Sequence[CaseResult] = ()
    scenario, cases, known = None, [], [REFERENCE]
    if isinstance(given, list):
        _refuse_solving(overrides, words, faults)
        with _collected(faults):
            stored = read_stored(given)
            cases = [result.case for result in stored]
            known = cases or known
        if not given:
            faults.add("scenario_or_runs", "names no run", "Give folders or objects of runs, or a scenario.")
    else:
        scenario = given
        with _collected(faults):
            cases = expand_cases(words.price_cases, sweeps, tornado)
            known = [REFERENCE, *cases]
        keys = {sweep.key: sweep.values for sweep in sweeps}
        keys |= {key: (low, high) for key, low, high in (*tornado, *break_even)}
        _check_keys(scenario, overrides, keys, faults)
        if not (cases or break_even or words.frontier or len(faults)):
            remedy = "Add price cases, sweeps, a tornado, break-even ranges or frontiers, or name several stored runs."
            faults.add("compare", "there is nothing to compare the scenario with", remedy)
    reference, pairs = known[0], []
    if cases:
        if words.reference is not None:
            reference = find_case(words.reference, known, "reference", faults)
            if tornado and reference != REFERENCE:  # every bar would also hold what the reference changes
                problem = "turns parameters of the scenario as it is, not of the reference"
                remedy = (
                    "Leave the reference out; to turn parameters of another case, make it the scenario with overrides."
                )
                faults.add("tornado", problem, remedy, value=reference.id)
        pairs = [_pair(pair, known, faults) for pair in words.waterfall]
    faults.raise_if_any()
    others = tuple(case for case in cases if case != reference)
    return _Request(scenario, stored, overrides, reference, others, tornado, break_even, tuple(pairs), words)


def _is_comparison(given: str | Path) -> bool:
    with contextlib.suppress(OSError):  # a text that is no name of a file
        return (Path(given) / COMPARISON_FILE).is_file()
    return False


def _refuse_solving(overrides: tuple[str, ...], words: _Words, faults: FaultList) -> None:
    solving = {
        "price_cases": words.price_cases, "sweeps": words.sweep, "tornado": words.tornado,
        "break_even": words.break_even, "frontier": words.frontier, "overrides": overrides,
    }  # fmt: skip
    for name, value in solving.items():
        if value:
            faults.add(name, "stored runs are not solved again", "Leave it out, or give a scenario in their place.")


def check_engine(
    engine: str, workers: int | None, scheduler: str | None, faults: FaultList, *, shared_files: bool
) -> None:
    """
    Record what is wrong with who is to solve.

    Parameters
    ----------
    engine, workers, scheduler
        As of `compare`.
    faults
        Receives what is wrong.
    shared_files
        As of `compare`.
    """
    if engine not in ENGINES:
        faults.add("engine", "there is no such engine", f"Name {', '.join(ENGINES)}.", value=engine)
    if workers is not None and workers < 1:
        faults.add("workers", "is below 1", "Give the number of processes.", value=str(workers))
    if scheduler is not None and engine != "dask":
        faults.add("scheduler", "is an address for Dask", "Choose the engine dask.", value=scheduler)
    if shared_files and scheduler is None:
        faults.add("shared_files", "is said of the workers of a scheduler", "Give its address, or leave this out.")


@contextlib.contextmanager
def _collected(faults: FaultList) -> Iterator[None]:
    """Collect the faults of what is done meanwhile."""
    try:
        yield
    except InputError as error:
        faults.extend(error.faults)


def _collect(
    faults: FaultList, parse: Callable[..., tuple[_Item, ...]], texts: Sequence[str], argument: str
) -> tuple[_Item, ...]:
    with _collected(faults):
        return parse(texts, option=argument)
    good: list[_Item] = []
    for text in texts:  # what is right is kept, so that its other faults come out too
        with contextlib.suppress(InputError):
            good += parse([text], option=argument)
    return tuple(good)


def _check_keys(
    scenario: str | Path, overrides: Sequence[str], values_of: Mapping[str, Iterable[float]], faults: FaultList
) -> None:
    """
    Check that the scenario can be read, and that each parameter can be set to its first value or its last.

    A single value out of range becomes a failed case; a parameter that cannot be set at all is refused.
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


def _load(scenario: str | Path, overrides: Sequence[str]) -> None:
    loaded = load_scenario(scenario, overrides)
    assemble_problem(load_network(loaded.network), loaded)


def _pair(pair: tuple[str, str] | str, cases: Sequence[Case], faults: FaultList) -> tuple[str, str]:
    if not isinstance(pair, str):
        first, second = (find_case(name, cases, "waterfalls", faults).id for name in pair)
        return first, second
    for place in [place for place, letter in enumerate(pair) if letter == ","]:
        trial = FaultList()
        names = (pair[:place].strip(), pair[place + 1 :].strip())  # a label may hold commas of its own
        found = [find_case(name, cases, "waterfalls", trial) for name in names]
        if not len(trial):
            return found[0].id, found[1].id
    remedy = f"Write A,B with ids of cases, such as {cases[0].id},{cases[-1].id}."
    faults.add("waterfalls", "is no pair of cases", remedy, value=pair)
    return cases[0].id, cases[0].id


def _build(
    request: _Request,
    name: str,
    results: Mapping[str, CaseResult],
    *,
    regret: bool | None,
    redispatch: bool,
    decisions: pd.DataFrame | None = None,
) -> Comparison:
    return build_comparison(
        name,
        results,
        request.reference.id,
        tornado=find_ends(request.tornado, results),
        waterfalls=request.waterfalls,
        regret=regret,
        redispatch=redispatch,
        decisions=decisions,
    )


def _finds(request: _Request, runner: CaseRunner) -> dict[str, Callable[[], SearchResult]]:
    """List the analyses that choose their cases themselves, by what the request calls them."""
    finds: dict[str, Callable[[], SearchResult]] = {
        f"break_even {item.key}": partial(find_break_points, runner, *item) for item in request.break_even
    }
    return finds | {f"frontier {kind}": partial(_FRONTIERS[kind], runner) for kind in request.words.frontier}


def _search(
    finds: Mapping[str, Callable[[], SearchResult]], stop: threading.Event
) -> tuple[dict[str, SearchResult], dict[str, InputError | None]]:
    """Carry out searches; none is begun once an end was requested. Returns also those without a result, and why."""
    results: dict[str, SearchResult] = {}
    unfinished: dict[str, InputError | None] = {}
    for name, find in finds.items():
        try:
            if stop.is_set():
                unfinished[name] = None
            else:
                results[name] = find()
        except InputError as error:  # the cases are still compared
            unfinished[name] = error
    return results, unfinished


def _keep(found: Comparison, out: Path | None) -> Comparison:
    """Write tables and charts beside `comparison.json`; a full disk takes nothing of what is compared away."""
    if out is None:
        return found
    try:
        found.plot(found.to_folder(out))
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        problem = f"cannot be written to ({error.strerror})"
        remedy = f"{MAKE_ROOM} The same command again solves only what is not stored."
        full = InputError([Fault(str(error.filename or out), None, None, None, problem, remedy)], "the output folder")
        return replace(found, unfinished={**found.unfinished, "out": full})
    return found

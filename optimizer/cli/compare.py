"""`edwc compare`: solve the cases, hold them against each other, print and store the tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_data.faults import Fault, InputError, escape_text
from optimizer.cli.output import emit, emit_json, run_until_stopped, tell, tell_over

if TYPE_CHECKING:
    import threading

    import pandas as pd

    from optimizer.comparison.break_even_points import BreakEvenMap
    from optimizer.comparison.cases import CaseResult
    from optimizer.comparison.comparison import CompareRequest, Comparison
    from optimizer.comparison.runner import CaseRunner, SweepProgress

EPILOG = (
    "Exit codes: 0 every case is solved within the gap or proved to have no plan, 1 bad data or usage, 2 every case is "
    "infeasible, 3 some case failed, was stopped by its limit or interrupted (what is finished is kept), 4 no case has "
    "a plan. A comparison into a folder that holds one solves only what is missing or has changed."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add what `edwc compare` takes to its parser.

    Parameters
    ----------
    parser
        The parser of the command.
    """
    parser.epilog = EPILOG

    def several(flag: str, metavar: str, text: str, **options: Any) -> None:
        parser.add_argument(flag, action="append", default=[], metavar=metavar, help=text, **options)

    parser.add_argument(
        "inputs", nargs="+", metavar="SCENARIO|RUN",
        help="built-in name or YAML file; or run folders, or the folder of a comparison, to compare what is stored",
    )  # fmt: skip
    several("--price-cases", "A,B,C+D", "price cases (built in or YAML files); C+D applies C, then D")
    several("--sweep", "KEY=VALUES", "values of a parameter, KEY=START:STOP:STEP or KEY=V1,V2; several make a grid")
    several("--tornado", "KEY=LOW:HIGH", "one parameter at a time, to either end")
    several("--break-even", "KEY=LOW:HIGH", "where on the range the plan changes")
    several("--frontier", "latency|carbon|rtt", "cost against a limit", choices=("latency", "carbon", "rtt"))
    several("--waterfall", "A,B", "what makes the difference between two cases, by id")
    parser.add_argument(
        "--regret",
        choices=("auto", "off", "fixed", "redispatch"),
        default="auto",
        help="each plan under every other case: fixed as it is, or with hours and routes chosen anew (redispatch); "
        "auto: fixed, if that takes no more than a minute or so",
    )
    several("--set", "KEY=VALUE", "change a key of the scenario for all cases; may be repeated", dest="overrides")
    parser.add_argument("--reference", metavar="ID", help="case to hold the others against (default: the scenario)")
    parser.add_argument("--out", metavar="DIR", help="folder of the comparison: run folders and tables")
    parser.add_argument(
        "--engine",
        choices=("local", "dask", "serial"),
        default="local",
        help="where cases are solved: processes of this machine, a Dask cluster, or this process",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes, one thread each (default: processors)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of Dask (default: a cluster on this machine)")
    parser.add_argument("--force", action="store_true", help="solve also what is stored already")
    parser.add_argument("--mip-rel-gap", type=float, metavar="GAP", help="of each case, e.g. 0.01")
    parser.add_argument("--time-limit", type=float, metavar="S", help="of each case, seconds")


@dataclass(frozen=True)
class Part:
    """
    One analysis of a comparison.

    Attributes
    ----------
    name
        Key in the JSON.
    tables
        By the name of the file they go to.
    text
        What is printed.
    faults
        Why there is nothing but these.
    draw
        Writes its chart to a file; None where it has none.
    """

    name: str
    tables: Mapping[str, pd.DataFrame]
    text: str
    faults: tuple[Fault, ...] = ()
    draw: Callable[[Path], Path] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Write the tables as lists of rows."""
        tables: dict[str, Any] = {name: table.to_dict("records") for name, table in self.tables.items()}
        return tables | ({"faults": [vars(fault) for fault in self.faults]} if self.faults else {})


def run(arguments: argparse.Namespace) -> int:
    """
    Carry out `edwc compare`.

    Parameters
    ----------
    arguments
        From the parser.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    InputError
        With every fault of the arguments or the scenario.
    """
    from optimizer.comparison.comparison import read_request

    request = read_request(arguments)
    with _progress() as report:
        results, parts = run_until_stopped(lambda stop: _compare(request, arguments, stop, report))
    code = 1 if any(part.faults for part in parts) else exit_code(list(results.values()))
    if arguments.json:
        folder = None if arguments.out is None else str(Path(arguments.out).absolute())
        head = {"exit_code": code, "folder": folder, "reference": request.reference.id}
        emit_json(head | {part.name: part.as_dict() for part in parts})
    else:
        emit("\n\n".join(part.text for part in parts if part.text))
        if arguments.out is not None:
            emit(f"\nTables and run folders: {escape_text(arguments.out)}")
    return code


def exit_code(results: Sequence[CaseResult]) -> int:
    """
    Say with one number what came of a comparison.

    Parameters
    ----------
    results
        Of all cases.
    """
    from optimizer.comparison.cases import CaseStatus

    statuses = {result.status for result in results}
    if not any(result.has_plan for result in results):
        return 2 if statuses == {CaseStatus.INFEASIBLE} else 4
    return 0 if statuses <= {CaseStatus.SOLVED, CaseStatus.INFEASIBLE} else 3


def _compare(
    request: CompareRequest,
    arguments: argparse.Namespace,
    stop: threading.Event,
    report: Callable[[SweepProgress], None],
) -> tuple[dict[str, CaseResult], list[Part]]:
    from optimizer.comparison.folder import keep_stored, read_stored
    from optimizer.comparison.runner import CaseRunner

    if request.scenario is None:
        stored = {result.case.id: result for result in read_stored(request.folders)}
        out = None
        if arguments.out is not None:
            out = keep_stored(arguments.out, request.reference, stored.values(), asked=request.asked)
        parts = [*_analyses(request, arguments.regret, stored, stop)]
        if out is not None:
            _write(out, parts)
        return stored, parts
    with CaseRunner(
        request.scenario,
        request.overrides,
        out=arguments.out,
        reference=request.reference,
        engine=arguments.engine,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        asked=request.asked,
        force=arguments.force,
        report=report,
        stop=stop,
    ) as runner:
        results = runner.run(request.cases)
        parts = [*_analyses(request, arguments.regret, results, stop), *_searches(request, runner, stop)]
        if arguments.out is not None:
            _write(runner.out, parts)
        return runner.results, parts


def _write(folder: Path, parts: Sequence[Part]) -> None:
    """Write the tables and charts beside `comparison.json`."""
    from optimizer.comparison.folder import write_tables

    write_tables(folder, {name: table for part in parts for name, table in part.tables.items()})
    for part in parts:
        if part.draw is not None:
            part.draw(folder / f"{part.name}.png")


def _analyses(
    request: CompareRequest, regret: str, results: Mapping[str, CaseResult], stop: threading.Event
) -> Iterator[Part]:
    from optimizer.comparison.comparison import build_comparison
    from optimizer.comparison.effects import find_ends
    from optimizer.text.comparison import describe_comparison

    found = build_comparison(
        request.scenario or "stored runs",
        results,
        request.reference.id,
        tornado=find_ends(request.tornado, results),
        waterfalls=request.waterfalls,
        # Whoever asked for an end does not want to wait for the dearest part.
        regret=False if stop.is_set() or regret == "off" else None if regret == "auto" else True,
        redispatch=regret == "redispatch",
    )
    draw = partial(_draw_comparison, found, request.waterfalls)
    yield Part("cases", found.tables(), describe_comparison(found, request.waterfalls), draw=draw)


def _draw_comparison(found: Comparison, pairs: Sequence[tuple[str, str]], target: Path) -> Path:
    from optimizer.drawing.comparison import draw_charts  # matplotlib is slow to import, and only a folder wants charts

    draw_charts(found, target.parent, pairs=pairs)
    return target.parent


def _searches(request: CompareRequest, runner: CaseRunner, stop: threading.Event) -> Iterator[Part]:
    """Make the analyses that choose their cases themselves; none is begun once an end was asked for."""
    from optimizer.comparison.break_even import find_break_points
    from optimizer.text.searches import describe_break_even

    def break_even(key: str, low: float, high: float) -> Part:
        found = find_break_points(runner, key, low, high)
        draw = partial(_draw_break_even, found, runner.reference_result.folder)
        return Part(f"break_even_{key}", found.tables, describe_break_even(found), draw=draw)

    searches: list[tuple[str, Callable[[], Part]]] = [
        (f"--break-even {wanted.key}", partial(break_even, *wanted)) for wanted in request.break_evens
    ]
    searches += [(f"--frontier {kind}", partial(_frontier, kind, runner)) for kind in request.frontiers]
    for name, search in searches:
        if stop.is_set():
            yield Part(name, {}, f"{escape_text(name)}: not begun, the comparison was interrupted")
            continue
        try:
            yield search()
        except InputError as error:  # what the cases have cost is not lost for it
            yield Part(name, {}, str(error), error.faults)


def _draw_break_even(found: BreakEvenMap, reference: Path | None, target: Path) -> Path:
    from optimizer.drawing.searches import draw_break_even
    from optimizer.drawing.style import region_colours
    from optimizer.runs.run import open_run

    if reference is None:
        return draw_break_even(found, target)
    run = open_run(reference)
    return draw_break_even(found, target, regions=list(region_colours(run.data_centers, run.demand_hubs)))


def _frontier(kind: str, runner: CaseRunner) -> Part:
    from optimizer.comparison.frontier import carbon_frontier, latency_frontier
    from optimizer.comparison.latency_budgets import latency_return
    from optimizer.text.searches import describe_frontier, describe_latency_return

    if kind == "rtt":
        found = latency_return(runner)
        draw = partial(_draw, "drawing.searches", "draw_latency_return", found)
        return Part("latency_return", found.tables, describe_latency_return(found), draw=draw)
    frontier = latency_frontier(runner) if kind == "latency" else carbon_frontier(runner)
    draw = partial(_draw, "drawing.searches", "draw_frontier", frontier)
    return Part(f"{kind}_frontier", frontier.tables, describe_frontier(frontier), draw=draw)


def _draw(module: str, name: str, found: object, target: Path) -> Path:
    # matplotlib is slow to import, and only a folder wants charts
    path: Path = getattr(import_module(f"optimizer.{module}"), name)(found, target)
    return path


@contextmanager
def _progress() -> Iterator[Callable[[SweepProgress], None]]:
    """Print how far it is: one line that is written over on a terminal, a line every two seconds elsewhere."""
    is_terminal = sys.stderr.isatty()
    said_s = -2.0

    def report(progress: SweepProgress) -> None:
        nonlocal said_s
        if is_terminal:
            if progress.ended:
                tell_over("")
                tell(progress.ended)
            tell_over(describe_progress(progress)[: _width() - 1])
        elif progress.ended or progress.seconds - said_s >= _EVERY_S:
            said_s = progress.seconds
            tell(describe_progress(progress) + (f"  {progress.ended}" if progress.ended else ""))

    try:
        yield report
    finally:
        if is_terminal:
            tell_over("")


_EVERY_S = 1.9
_SHOWN = 3


def describe_progress(progress: SweepProgress) -> str:
    """
    Write how far a comparison is on one line.

    Parameters
    ----------
    progress
        How far it is.
    """
    running = [f"{case.case_id} {_gap(case.mip_rel_gap)}" for case in progress.running[:_SHOWN]]
    if len(progress.running) > _SHOWN:
        running.append(f"{len(progress.running) - _SHOWN} more")
    stored = f" ({progress.reused} stored)" if progress.reused else ""
    left = "" if progress.seconds_left is None else f"  {_duration(progress.seconds_left)} left"
    now = f"  solving {', '.join(running)}" if running else ""
    return f"{progress.seconds:7.1f} s  {progress.done} of {progress.total} cases{stored}{left}{now}"


def _gap(gap: float) -> str:
    return f"gap {gap:.2%}" if gap < float("inf") else "gap -"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns

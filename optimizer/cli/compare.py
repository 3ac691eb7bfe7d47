"""`edwc compare`: declare its options, and print what `compare` finds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_data.faults import InputError, escape_text
from optimizer.cli.output import emit, emit_json, run_until_stopped, tell, tell_over

if TYPE_CHECKING:
    import pandas as pd

    from optimizer.comparison.cases import CaseResult
    from optimizer.comparison.runner import SweepProgress

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


# Options by the argument of `compare` that they give.
_OPTION_OF = {
    "price_cases": "--price-cases", "sweeps": "--sweep", "tornado": "--tornado", "break_even": "--break-even",
    "frontier": "--frontier", "waterfalls": "--waterfall", "overrides": "--set", "reference": "--reference",
    "engine": "--engine", "workers": "--workers", "scheduler": "--scheduler", "compare": "edwc compare",
}  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """
    Carry out `edwc compare`.

    Parameters
    ----------
    arguments
        From the parser.
    """
    return run_compare(**{name: value for name, value in vars(arguments).items() if name not in {"command", "run"}})


def run_compare(  # noqa: PLR0913 - one for each option
    inputs: Sequence[str],
    *,
    json: bool = False,
    overrides: Sequence[str] = (),
    mip_rel_gap: float | None = None,
    time_limit: float | None = None,
    regret: str = "auto",
    sweep: Sequence[str] = (),
    waterfall: Sequence[str] = (),
    out: str | None = None,
    **options: Any,
) -> int:
    """
    Compare, and print what is found.

    Parameters
    ----------
    inputs
        A scenario, or stored runs.
    json
        Print tables for machines.
    overrides, mip_rel_gap, time_limit
        Of all cases.
    regret
        auto, off, fixed or redispatch.
    sweep, waterfall, out
        As `compare` takes them.
    options
        The other arguments of `compare`.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    InputError
        With every fault of the options or the scenario.
    """
    from optimizer.api.compare import compare

    solver = {"solver.mip_rel_gap": mip_rel_gap, "solver.time_limit_s": time_limit}
    texts = [*overrides, *(f"{key}={value!r}" for key, value in solver.items() if value is not None)]
    options |= {"sweeps": sweep, "waterfalls": waterfall, "out": out, "redispatch": regret == "redispatch"}
    options["regret"] = None if regret == "auto" else regret != "off"
    given = inputs[0] if len(inputs) == 1 else inputs
    try:
        with _progress() as report:
            found = run_until_stopped(lambda stop: compare(given, texts, report=report, stop=stop, **options))
    except InputError as error:
        raise _named_by_options(error) from error
    unfinished = {_option(name): error and _named_by_options(error) for name, error in found.unfinished.items()}
    code = 1 if any(unfinished.values()) else exit_code(list(found.results.values()))
    if json:
        folder = None if out is None else str(Path(out).absolute())
        head = {"exit_code": code, "folder": folder, "reference": found.reference}
        emit_json(head | {name: _rows(part) for name, part in found.parts().items()} | _faults(unfinished))
    else:
        emit(replace(found, unfinished=unfinished).to_text())
        if out is not None:
            emit(f"\nTables and run folders: {escape_text(out)}")
    return code


def exit_code(results: Sequence[CaseResult]) -> int:
    """
    Say with one number how a comparison ended.

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


def _rows(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    return {name: table.to_dict("records") for name, table in tables.items()}


def _faults(unfinished: Mapping[str, InputError | None]) -> dict[str, Any]:
    return {name: {"faults": [vars(fault) for fault in e.faults]} if e else {} for name, e in unfinished.items()}


def _option(name: str) -> str:
    """Option for an argument of `compare`, with what follows it."""
    argument, _, rest = name.partition(" ")
    return f"{_OPTION_OF.get(argument, argument)} {rest}".rstrip()


def _named_by_options(error: InputError) -> InputError:
    return InputError(
        [replace(fault, file=_OPTION_OF.get(fault.file, fault.file)) for fault in error.faults], error.subject
    )


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

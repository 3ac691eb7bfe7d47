"""`edwc compare`: its options, and the output of what `compare` finds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from network_data.faults import InputError, escape_text
from optimizer.cli.options import (
    Decorated,
    EdwcCommand,
    complete_folder,
    complete_price_cases,
    complete_scenario,
    engine_options,
    find_scenario,
    gap_option,
    overrides_option,
    quiet_option,
    scenario_changes,
    time_limit_option,
)
from optimizer.cli.output import emit, emit_json, run_until_stopped
from optimizer.words.sentences import say

if TYPE_CHECKING:
    from optimizer.comparison.cases import CaseResult

_EPILOG = (
    "Exit codes: 0 every case is solved within the gap or proved to have no plan, 1 bad data or usage, 2 every case is "
    "infeasible, 3 some case failed, was stopped by its limit or interrupted (what is finished is kept), 4 no case has "
    "a plan. A comparison into a folder that holds one solves only what is missing or has changed."
)


def _several(
    flag: str, metavar: str, text: str, names: Sequence[str] = (), **options: Any
) -> Callable[[Decorated], Decorated]:
    return click.option(flag, *names, multiple=True, metavar=metavar, help=f"{text}; may be repeated.", **options)


# Options by the argument of `compare` that they give.
_OPTION_OF = {
    "price_cases": "--price-cases", "sweeps": "--sweep", "tornado": "--tornado", "break_even": "--break-even",
    "frontier": "--frontier", "waterfalls": "--waterfall", "overrides": "--set", "reference": "--reference",
    "engine": "--engine", "workers": "--workers", "scheduler": "--scheduler",
    "shared_files": "--shared-files", "decide": "--decide",
    "decide_time_s": "--decide-time", "compare": "edwc compare",
}  # fmt: skip


@click.command(cls=EdwcCommand, epilog=_EPILOG)
@click.argument("inputs", nargs=-1, required=True, metavar="SCENARIO|RUN...", shell_complete=complete_scenario)
@_several(
    "--price-cases", "A,B,C+D", "Price cases (built in or YAML files); C+D applies C, then D",
    shell_complete=complete_price_cases,
)  # fmt: skip
@_several(
    "--sweep", "KEY=VALUES", "Values of a parameter, KEY=START:STOP:STEP or KEY=V1,V2; several make a grid",
    names=("sweeps",),
)  # fmt: skip
@_several("--tornado", "KEY=LOW:HIGH", "One parameter at a time, to either end")
@_several("--break-even", "KEY=LOW:HIGH", "Where on the range the plan changes")
@_several("--frontier", "latency|carbon|rtt", "Cost against a limit", type=click.Choice(("latency", "carbon", "rtt")))
@_several("--waterfall", "A,B", "What makes the difference between two cases, by id", names=("waterfalls",))
@click.option(
    "--regret",
    type=click.Choice(("auto", "off", "fixed", "redispatch")),
    default="auto",
    help="Each plan under every other case: fixed as it is, or with hours and routes chosen anew (redispatch); auto: "
    "fixed, if that takes no more than a minute or so.",
)
@click.option(
    "--decide",
    is_flag=True,
    help="Where the gaps leave open which of two cases costs less, solve them again to smaller gaps until it is "
    "proved; so for points of frontiers and break points.",
)
@click.option("--decide-time", "decide_time_s", type=float, metavar="SECONDS", help="For --decide (default: 600).")
@overrides_option
@click.option("--reference", metavar="ID", help="Case to compare the others with (default: the scenario).")
@click.option("--out", metavar="DIR", shell_complete=complete_folder, help="Folder for run folders and tables.")
@engine_options
@gap_option
@time_limit_option
@quiet_option
def compare(*, as_json: bool, quiet: bool, **options: Any) -> int:
    """
    Solve cases of a scenario, or take stored runs, and compare them.

    SCENARIO is a built-in name or a YAML file; RUN a run folder, or the folder of a comparison, to compare what is
    stored.
    """
    from optimizer.api.compare import compare as compare_cases

    out, regret = options["out"], options.pop("regret")
    inputs = options.pop("inputs")
    given = find_scenario(inputs[0]) if len(inputs) == 1 else inputs
    options["regret"] = None if regret == "auto" else regret != "off"
    options["redispatch"] = regret == "redispatch"
    if options["decide_time_s"] is None:  # its default stands in one place, slow to import
        del options["decide_time_s"]
    solver = {name: options.pop(name) for name in ("mip_rel_gap", "time_limit_s")}
    with _named_by_options(), scenario_changes(options.pop("overrides"), **solver) as changes:
        found = run_until_stopped(lambda stop: compare_cases(given, changes, progress=not quiet, stop=stop, **options))
    unfinished = {_option(name): error and _name_options(error) for name, error in found.unfinished.items()}
    code = 1 if any(unfinished.values()) else exit_code_of(found.results.values())
    if as_json:
        from optimizer.text.comparison import slice_warning

        folder = None if out is None else str(Path(out).absolute())
        warning = slice_warning(found)
        warnings = [] if warning is None else [warning]
        head = {"exit_code": code, "folder": folder, "reference": found.reference, "warnings": warnings}
        rows = {
            part: {name: table.to_dict("records") for name, table in tables.items()}
            for part, tables in found.parts().items()
        }
        faults = {name: {"faults": [vars(f) for f in e.faults]} if e else {} for name, e in unfinished.items()}
        emit_json(head | rows | faults)
    else:
        emit(replace(found, unfinished=unfinished).to_text())
        if out is not None:
            emit("\n" + say("Tables and run folders: {folder}", folder=escape_text(out)))
        elif len(inputs) == 1 and not Path(given).is_dir():
            emit("\n" + say("Nothing was kept: add --out DIR to keep tables, charts and run folders."))
    return code


def exit_code_of(results: Collection[CaseResult]) -> int:
    """
    Say with one number how the cases of a comparison ended.

    Parameters
    ----------
    results
        One for each case.
    """
    from optimizer.comparison.cases import CaseStatus

    statuses = {result.status for result in results}
    if not any(result.has_plan for result in results):
        return 2 if statuses == {CaseStatus.INFEASIBLE} else 4
    return 0 if statuses <= {CaseStatus.SOLVED, CaseStatus.INFEASIBLE} else 3


def _option(name: str) -> str:
    """Option for an argument of `compare`, with what follows it."""
    argument, _, rest = name.partition(" ")
    return f"{_OPTION_OF.get(argument, argument)} {rest}".rstrip()


@contextmanager
def _named_by_options() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise _name_options(error) from None


def _name_options(error: InputError) -> InputError:
    return InputError(
        [replace(fault, file=_OPTION_OF.get(fault.file, fault.file)) for fault in error.faults], error.subject
    )

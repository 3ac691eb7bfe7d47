"""`edwc uncertainty`: its options, and the output of what `uncertainty` finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from network_data.faults import InputError, escape_text
from optimizer.cli.compare import exit_code_of
from optimizer.cli.options import (
    EdwcCommand,
    complete_folder,
    engine_options,
    find_scenario,
    gap_option,
    quiet_option,
    scenario_changes,
    scenario_options,
    time_limit_option,
)
from optimizer.cli.output import emit, emit_json, run_until_stopped
from optimizer.words.sentences import say

_EPILOG = (
    "Exit codes: 0 every sample is solved within the gap or proved to have no plan, 1 bad data or usage, 2 every "
    "sample is infeasible, 3 some sample failed, was stopped by its limit or interrupted (what is finished is kept), 4 "
    "no sample has a plan. The same request into the same folder solves only what is missing."
)
# Options by the argument of `uncertainty` that they give.
_OPTION_OF = {
    "samples": "--samples", "inputs": "--inputs", "design": "--design", "engine": "--engine", "workers": "--workers",
    "scheduler": "--scheduler", "shared_files": "--shared-files",
}  # fmt: skip


@click.command(
    cls=EdwcCommand, epilog=_EPILOG, short_help="Vary uncertain inputs within their ranges: what becomes of the plan."
)
@scenario_options
@click.option("--samples", type=int, metavar="N", help="How many samples to solve (default: 200).")
@click.option(
    "--inputs",
    multiple=True,
    metavar="A,B",
    help="Inputs to vary, by the names in the tables of ranges (default: all).",
)
@click.option(
    "--design", type=click.Choice(("latin", "sobol")), default="latin",
    help="How samples are drawn: Latin hypercube, or Sobol sequence (N a power of two; a larger one continues it).",
)  # fmt: skip
@click.option("--seed", type=int, metavar="N", help="Seed of the samples (default: 1).")
@click.option(
    "--out", metavar="DIR", shell_complete=complete_folder, help="Folder for the report, tables, chart and run folders."
)
@engine_options
@gap_option
@time_limit_option
@quiet_option
def uncertainty(
    scenario: str,
    overrides: tuple[str, ...],
    price_cases: tuple[str, ...],
    *,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """
    Solve a scenario at samples of its uncertain inputs.

    Ranges stand in ranges.csv of the network and in the table that ranges_table of the scenario names. Samples are
    solved with 4 time slices a day and to a gap of 1 %, unless --set time.slices_per_day=N and --mip-rel-gap say
    otherwise.
    """
    from optimizer.api.uncertainty import uncertainty as sample

    solver = {name: options.pop(name) for name in ("mip_rel_gap", "time_limit_s")}
    options["inputs"] = [name for text in options["inputs"] for part in text.split(",") if (name := part.strip())]
    out = options["out"]
    # Their defaults stand in one place, slow to import.
    given = {name: value for name, value in options.items() if value is not None}
    given |= {"price_cases": price_cases, "progress": not quiet}
    with scenario_changes(overrides, price_cases, **solver) as changes:
        try:
            found = run_until_stopped(lambda stop: sample(find_scenario(scenario), changes, stop=stop, **given))
        except InputError as error:
            raise _name_options(error) from None
    code = exit_code_of(found.results.values())
    if as_json:
        from optimizer.text.uncertainty import slice_warning

        tables = {name: table.to_dict("records") for name, table in found.tables.items()}
        warning = slice_warning(found)
        head = {"exit_code": code, "folder": out, "name": found.name, "facts": found.facts}
        emit_json(head | {"warnings": [] if warning is None else [warning]} | tables)
    else:
        emit(found.to_text())
        if out is None:
            emit("\n" + say("Nothing was kept: add --out DIR to keep the report, tables, the chart and run folders."))
        else:
            emit("\n" + say("Report, tables, chart and run folders: {folder}", folder=escape_text(out)))
    return code


def _name_options(error: InputError) -> InputError:
    faults = [replace(fault, file=_OPTION_OF.get(fault.file, fault.file)) for fault in error.faults]
    return InputError(faults, error.subject)

"""
The command line `edwc`.

Results go to stdout, progress and messages to stderr. Exit codes: 0 solved within the gap (or: done, nothing found
wrong), 1 bad data or usage, 2 infeasible, 3 stopped by a limit or a signal with a plan, 4 stopped without a plan,
70 a fault of this program. Heavy libraries are imported inside the commands.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from network_data.faults import InputError, InputWarning, escape_text, suggest
from optimizer.cli.built_in import keys, list_built_in, show
from optimizer.cli.compare import compare
from optimizer.cli.export import export
from optimizer.cli.help import HelpContext, language_of
from optimizer.cli.imports import import_command
from optimizer.cli.init import init
from optimizer.cli.near_optimal import alternatives, range_of_plans
from optimizer.cli.options import (
    EXIT_BAD_INPUT,
    EXIT_INFEASIBLE,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EdwcCommand,
    complete_folder,
    find_scenario,
    gap_option,
    language_option,
    out_option,
    quiet_option,
    run_argument,
    scenario_changes,
    scenario_options,
    time_limit_option,
)
from optimizer.cli.output import emit, emit_json, run_until_stopped, tell
from optimizer.cli.uncertainty import uncertainty
from optimizer.cli.validate import validate
from optimizer.text.faults import describe_warning
from optimizer.words.amounts import counting
from optimizer.words.fault_texts import retell_fault
from optimizer.words.language import current_language, speaking
from optimizer.words.sentences import naming, say

if TYPE_CHECKING:
    from optimizer.runs.saving import NotSavedError

_EPILOG = (
    "Exit codes: 0 solved within the gap, 1 bad data or usage, 2 infeasible, 3 stopped with a plan, 4 stopped without "
    'a plan. Completion of commands, options and names: add `eval "$(_EDWC_COMPLETE=bash_source edwc)"` to ~/.bashrc, '
    "the same with zsh_source to ~/.zshrc, or `_EDWC_COMPLETE=fish_source edwc | source` to "
    "~/.config/fish/completions/edwc.fish."
)
_EXPLAIN_EPILOG = (
    "Exit codes: 0 the scenario is feasible, 1 bad data or usage, 2 it is infeasible (printed with the changes found "
    "within the limit), 4 the limit ended it before either was known."
)


class _Group(click.Group):
    command_class = EdwcCommand
    context_class = HelpContext

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        option = language_option()
        option.expose_value = False  # `main` has read it, wherever it stands
        self.params.append(option)


@click.group(
    cls=_Group,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(None, "--version", package_name="edwc", prog_name="edwc", message="%(prog)s %(version)s")
@click.pass_context
def edwc(context: click.Context) -> None:
    """Place AI inference workloads in data centers at least cost, within latency, power, fibre and other limits."""
    if context.invoked_subcommand is None:
        emit(context.get_help())


_COMMANDS = (
    list_built_in, show, keys, init, import_command, compare, range_of_plans, alternatives, uncertainty, export,
    validate,
)  # fmt: skip
for command in _COMMANDS:
    edwc.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a terminal that cannot print a name must not end the run
    given = sys.argv[1:] if arguments is None else arguments
    try:
        lang = language_of(given) or current_language()
    except InputError as error:  # EDWC_LANG names no language
        tell(str(error))
        return EXIT_BAD_INPUT
    with speaking(lang):
        return _run(given)


def _run(arguments: Sequence[str]) -> int:
    try:
        return int(edwc.main(arguments, prog_name="edwc", standalone_mode=False) or EXIT_OK)
    except click.UsageError as error:  # click ends with 2, which means infeasible here
        usage = "" if error.ctx is None else f"{error.ctx.get_usage()}\n"
        path = "edwc" if error.ctx is None else error.ctx.command_path
        tell(f"{usage}{path}: {escape_text(_usage_fault(error))}")
        return EXIT_BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exception as error:
        if not _is_internal(error):
            raise
        tell(str(error))
        return EXIT_INTERNAL


@edwc.command(short_help="Find every fault of the input and size the problem; no solve.")
@scenario_options
def check(scenario: str, overrides: tuple[str, ...], price_cases: tuple[str, ...], *, as_json: bool) -> int:
    """Find every fault of a scenario and its network, and size the problem; no solve."""
    from optimizer.api import jobs
    from optimizer.text.run import describe_check

    with warnings.catch_warnings(), scenario_changes(overrides, price_cases) as changes:
        warnings.simplefilter("ignore", InputWarning)  # they are part of what is found
        found = jobs.check(find_scenario(scenario), changes, price_cases=price_cases)
    emit_json(found) if as_json else emit(describe_check(found))
    return EXIT_OK if all(item["holds"] for item in found["policy"]) else EXIT_INFEASIBLE


@edwc.command()
@scenario_options
@out_option
@gap_option
@time_limit_option
@click.option("--threads", type=int, metavar="N", help="Processor threads.")
@click.option("--seed", type=int, metavar="N", help="Random seed of the solver.")
@quiet_option
def solve(
    scenario: str,
    overrides: tuple[str, ...],
    price_cases: tuple[str, ...],
    out: str | None,
    *,
    quiet: bool,
    as_json: bool,
    **solver: float | None,
) -> int:
    """Solve a scenario, prove the plan and store it."""
    from optimizer.api import jobs
    from optimizer.runs.saving import NotSavedError
    from optimizer.text.run import describe_run

    options: dict[str, Any] = {"price_cases": price_cases, "out": out, "progress": not quiet}
    not_saved: NotSavedError | None = None
    with scenario_changes(overrides, price_cases, **solver) as changes:
        try:
            run = run_until_stopped(lambda stop: jobs.solve(find_scenario(scenario), changes, stop=stop, **options))
        except NotSavedError as error:
            run, not_saved = error.run, error
    if as_json:
        folder = None if run.folder is None else str(run.folder)
        failure = None if run.failure is None else vars(run.failure)
        emit_json({"exit_code": run.exit_code, "folder": folder, "failed_condition": failure} | run.info)
    else:
        emit(describe_run(run))
        if run.has_plan and out is None:
            emit("\n" + say("Nothing was kept: add --out DIR to keep the plan for maps, reports and `edwc why`."))
    if not_saved is not None:
        tell(say("error: {text}", text=escape_text(_how_to_save(not_saved))))
        return EXIT_BAD_INPUT
    return run.exit_code


def _how_to_save(error: NotSavedError) -> str:
    if error.kept is not None:
        return str(error)
    return f"{error.folder}: {error.reason}. No other disk took the plan either: make room, and solve again."


@edwc.command(short_help="Write a stored run to another folder.")
@run_argument
@click.option("--out", required=True, metavar="DIR", shell_complete=complete_folder, help="Run folder to write.")
def save(run_folder: str, out: str, *, as_json: bool) -> int:
    """Write a stored run to another folder, such as one that was kept when a disk was full."""
    from optimizer.runs.run import open_run

    run = open_run(run_folder)
    run.require_whole()
    folder = run.save(out)
    emit_json({"folder": str(folder)}) if as_json else emit(say("wrote {file}", file=escape_text(str(folder))))
    return EXIT_OK


@edwc.command(epilog=_EXPLAIN_EPILOG)
@scenario_options
@time_limit_option
@quiet_option
def explain(
    scenario: str,
    overrides: tuple[str, ...],
    price_cases: tuple[str, ...],
    time_limit_s: float | None,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """Say why a scenario has no plan, and what would give it one."""
    from optimizer.api import jobs
    from optimizer.text.explanations import describe_explanation, explanation_json

    options: dict[str, Any] = {"price_cases": price_cases, "progress": not quiet}
    with scenario_changes(overrides, price_cases, time_limit_s=time_limit_s) as changes:
        found = run_until_stopped(lambda stop: jobs.explain(find_scenario(scenario), changes, stop=stop, **options))
    emit_json(explanation_json(found)) if as_json else emit(describe_explanation(found))
    return found.exit_code


@edwc.command(short_help="Derive every cost and limit of a stored run again.")
@run_argument
def verify(run_folder: str, *, as_json: bool) -> int:
    """Derive every cost and limit of a stored run again from its inputs."""
    from optimizer.runs.run import open_run
    from optimizer.text.run import describe_verification

    report = open_run(run_folder).verify()
    if as_json:
        emit_json({"is_verified": report.is_verified, **vars(report)})
    else:
        emit(describe_verification(report))
    return EXIT_OK if report.is_verified else EXIT_BAD_INPUT


@edwc.command(short_help="Say why a workload of a run is served where it is.")
@run_argument
@click.option("--workload", metavar="HUB/CLASS", help="The workload; without it, all are listed, the costliest first.")
def why(run_folder: str, workload: str | None, *, as_json: bool) -> int:
    """Say why a workload of a stored run is served where it is, and what elsewhere would cost."""
    from optimizer.runs.run import open_run
    from optimizer.text.explanations import describe_placement, describe_workloads
    from optimizer.text.run import local_names

    run = open_run(run_folder)
    if workload is None:
        table = run.workloads
        with counting([run.cost_cny_per_year]):
            emit_json(table.to_dict("records")) if as_json else emit(describe_workloads(table))
        return EXIT_OK
    found = run.why(workload)
    with naming(local_names(run)), counting([run.cost_cny_per_year]):
        emit_json(asdict(found)) if as_json else emit(describe_placement(found))
    return EXIT_OK


@edwc.command(short_help="Say what a data center of a run does, pays and would be worth with more.")
@run_argument
@click.argument("data_center", required=False)
def price(run_folder: str, data_center: str | None, *, as_json: bool) -> int:
    """
    Say what a data center of a stored run does, pays, and would be worth with more; of an unused one, why it is.

    DATA_CENTER is its id or name; without it, all are listed.
    """
    from optimizer.runs.run import open_run
    from optimizer.text.data_center import describe_data_center, describe_data_centers
    from optimizer.text.run import local_names

    run = open_run(run_folder)
    with naming(local_names(run)), counting([run.cost_cny_per_year]):
        if data_center is not None:
            one = run.price(data_center)
            emit_json(asdict(one)) if as_json else emit(describe_data_center(one))
            return EXIT_OK
        found = run.prices()
        emit_json([asdict(one) for one in found]) if as_json else emit(describe_data_centers(found))
    return EXIT_OK


def _usage_fault(error: click.UsageError) -> str:
    """Say what is wrong, with the nearest command or option; one that begins with what was typed is nearest."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        word, message = error.option_name, say("there is no option {name!r}.", name=error.option_name)
        names = [name for param in error.ctx.command.get_params(error.ctx) for name in param.opts if name[0] == "-"]
    elif isinstance(error, click.NoSuchCommand):
        word, message = error.command_name, say("there is no command {name!r}.", name=error.command_name)
        names = [*edwc.commands]
    else:
        return retell_fault(error.format_message())
    begins = [name for name in names if name.startswith(word)]
    near = say(" Did you mean {word}?", word=repr(begins[0])) if begins else retell_fault(suggest(word, names))
    return message + near


def _is_internal(error: Exception) -> bool:
    from optimizer.solvers.process import SolverError
    from optimizer.solvers.solve import InvalidPlanError

    return isinstance(error, SolverError | InvalidPlanError)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    tell(say("warning: {text}", text=describe_warning(message)))


if __name__ == "__main__":
    sys.exit(main())

"""Options that several commands share, what completes them in a shell, and how a command ends on bad input."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from network_data.faults import FULL_DISK, MAKE_ROOM, InputError, escape_text
from optimizer.cli.help import HelpContext, told
from optimizer.cli.output import emit_json, tell
from optimizer.text.faults import describe_faults
from optimizer.words.fault_texts import retell_fault
from optimizer.words.language import LANGS, current_language, speaking
from optimizer.words.sentences import say

_REMEDIES = {
    **dict.fromkeys(FULL_DISK, MAKE_ROOM),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "Name a folder that you may write to."),
}
EXIT_OK, EXIT_BAD_INPUT, EXIT_INFEASIBLE, EXIT_INTERNAL, EXIT_INTERRUPTED = 0, 1, 2, 70, 130
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class EdwcCommand(click.Command):
    """A command that prints faults of its input and ends with 1; with `--json` the faults are JSON too."""

    context_class = HelpContext

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params.append(
            click.Option(["--json", "as_json"], is_flag=True, help="Write JSON, and nothing else, to stdout.")
        )
        self.params.append(language_option())

    def get_short_help_str(self, limit: int = 45) -> str:
        """Say in a list of commands what this one does."""
        if current_language() == "en":
            return super().get_short_help_str(limit)
        return told(self.short_help or (self.help or "").partition("\n\n")[0])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and give its exit code."""
        as_json = ctx.params["as_json"]
        try:
            with speaking(ctx.params.pop("lang")):
                return super().invoke(ctx)
        except InputError as error:
            tell(f"{describe_faults(error)}{_advice(error)}")
            if as_json:
                emit_json({"error": "input", "faults": [vars(fault) for fault in error.faults]})
        except OSError as error:
            tell(say("error: {text}", text=describe_refusal(error)))
            if as_json:
                with speaking("en"):
                    emit_json({"error": "system", "message": describe_refusal(error)})
        return EXIT_BAD_INPUT


def language_option() -> click.Option:
    """Make the option `--lang`, of the group and of every command."""
    return click.Option(
        ["--lang"],
        type=click.Choice(LANGS),
        help="Language of texts, charts and maps: en or zh (default: EDWC_LANG, else en).",
    )


def describe_refusal(error: OSError) -> str:
    """
    Say on one line what the operating system refused, and what to do.

    Parameters
    ----------
    error
        The error.
    """
    if error.filename is None or not error.strerror:
        return escape_text(str(error))
    problem, remedy = retell_fault(error.strerror), retell_fault(_REMEDIES.get(error.errno or 0, ""))
    place = escape_text(str(error.filename))
    return say("{place}: {problem}. {remedy}", place=place, problem=problem, remedy=remedy).rstrip()


def _advice(error: InputError) -> str:
    """Point to `edwc explain` where workloads reach no data center, and to UTF-8 where names are no text."""
    names = "".join(f"{fault.file}{fault.value or ''}" for fault in error.faults)
    if any("\udc80" <= char <= "\udcff" for char in names):  # bytes that could not be decoded
        return f"\nnames of files are no text in this locale ({sys.getfilesystemencoding()}): set PYTHONUTF8=1"
    no_candidates = all(fault.column == "workload" for fault in error.faults)
    return "\n" + say("`edwc explain` finds the smallest changes that give them one") if no_candidates else ""


def complete_scenario(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """List built-in scenarios, and let the shell add files."""
    from scenarios.sources import list_scenarios

    return [*complete_file(_ctx, _param, incomplete), *_matching(list_scenarios(), incomplete)]


def complete_price_cases(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """List built-in price cases for the last name of `A,B+C`, and let the shell add files."""
    from scenarios.sources import list_price_cases

    start = max(incomplete.rfind(","), incomplete.rfind("+")) + 1
    names = [incomplete[:start] + name for name in list_price_cases()]
    return [*complete_file(_ctx, _param, incomplete), *_matching(names, incomplete)]


def complete_file(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Let the shell complete file names."""
    return [CompletionItem(incomplete, type="file")]


def complete_folder(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Let the shell complete names of folders."""
    return [CompletionItem(incomplete, type="dir")]


def _matching(names: Sequence[str], incomplete: str) -> list[CompletionItem[str]]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print no progress.")
overrides_option = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Change a key of the scenario, e.g. time.slices_per_day=4; may be repeated. `edwc keys` lists the keys.",
)  # fmt: skip
out_option = click.option(
    "--out", metavar="DIR", shell_complete=complete_folder,
    help="Run folder to write; an older run there is replaced when the new one is done.",
)  # fmt: skip
run_argument = click.argument("run_folder", metavar="RUN", shell_complete=complete_folder)
gap_option = click.option(
    "--mip-rel-gap", type=float, metavar="GAP",
    help="Stop when the plan is proved within this share of the optimum, e.g. 0.01.",
)  # fmt: skip
time_limit_option = click.option(
    "--time-limit", "time_limit_s", type=float, metavar="S", help="Stop after S seconds, keeping what is found."
)
_ENGINE_OPTIONS = (
    click.option(
        "--engine", type=click.Choice(("local", "dask", "serial")), default="local",
        help="Where cases are solved: processes of this machine, a Dask cluster, or this process.",
    ),
    click.option("--workers", type=int, metavar="N", help="Processes, one thread each (default: processors)."),
    click.option("--scheduler", metavar="ADDRESS", help="Of Dask (default: a cluster on this machine)."),
    click.option(
        "--shared-files", is_flag=True,
        help="The workers of --scheduler see the files of this machine under the same names, also --out: send them "
        "names, not contents.",
    ),
    click.option("--force", is_flag=True, help="Solve also what is stored already."),
)  # fmt: skip
_FLAG_OF_KEY = {
    "solver.mip_rel_gap": "--mip-rel-gap",
    "solver.time_limit_s": "--time-limit",
    "solver.threads": "--threads",
    "solver.seed": "--seed",
}


def scenario_options(command: Decorated) -> Decorated:
    """Add the argument SCENARIO and the options that change the scenario, `--set` and `--price-case`."""
    price_case_option = click.option(
        "--price-case", "price_cases", multiple=True, metavar="P[+Q]", shell_complete=complete_price_cases,
        help="Apply a price case (built in or YAML file) in place of the scenario's own; P+Q applies P, then Q.",
    )  # fmt: skip
    argument = click.argument("scenario", shell_complete=complete_scenario)
    return argument(overrides_option(price_case_option(command)))


def engine_options(command: Decorated) -> Decorated:
    """Add the options of commands that solve many cases: who solves them, and whether stored ones count."""
    for option in reversed(_ENGINE_OPTIONS):
        command = option(command)
    return command


def find_scenario(scenario: str) -> str | Path:
    """Take the name of a scenario for a file, unless it is built in: the front door also accepts the text of one."""
    from scenarios.sources import list_scenarios

    return scenario if scenario in list_scenarios() else Path(scenario)


@contextmanager
def scenario_changes(
    overrides: Sequence[str], price_cases: Sequence[str] = (), **solver: float | None
) -> Iterator[list[str]]:
    """
    List the overrides that options stand for; a fault of one of them then names its option.

    Parameters
    ----------
    overrides
        From `--set`; those of options of the solver win.
    price_cases
        From `--price-case`; they are no part of the list.
    **solver
        Keys of the section `solver` with their values; None = the option is not given.
    """
    given = {f"solver.{key}": value for key, value in solver.items() if value is not None}
    flags = {key: _FLAG_OF_KEY[key] for key in given}
    if price_cases and not any(change.partition("=")[0].strip() == "price_cases" for change in overrides):
        flags["price_cases"] = "--price-case"
    try:
        yield [*overrides, *(f"{key}={value!r}" for key, value in given.items())]
    except InputError as error:
        raise _name_options(error, flags) from None


def _name_options(error: InputError, flags: Mapping[str, str]) -> InputError:
    """Name the option that a user wrote where a fault names the override that the option stands for."""
    faults = []
    for fault in error.faults:
        named = fault
        if fault.file in {"overrides", "price_cases"}:  # arguments of the front door
            is_flag = fault.column in flags
            named = replace(fault, file=flags[str(fault.column)] if is_flag else "--set")
            named = replace(named, column=None) if is_flag else named
        faults.append(named)
    return InputError(faults, error.subject)

"""
The command line: `edwc list`, `check`, `solve`, `compare`, `explain`, `why`, `export`, `verify`.

Results go to stdout, progress and messages to stderr. Exit codes: 0 solved within the gap (or: done, nothing found
wrong), 1 bad data or usage, 2 infeasible, 3 stopped by a limit or a signal with the plan kept, 4 stopped without a
plan, 70 a fault of this program. Heavy libraries are imported inside the commands.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NoReturn

from network_data.faults import InputError, escape_text
from optimizer.cli.compare import add_arguments as add_compare_arguments
from optimizer.cli.export import add_arguments as add_export_arguments
from optimizer.cli.output import emit, emit_json, run_until_stopped, tell

if TYPE_CHECKING:
    from optimizer.solvers.control import Progress

EXIT_OK, EXIT_BAD_INPUT, EXIT_INFEASIBLE, EXIT_INTERNAL, EXIT_INTERRUPTED = 0, 1, 2, 70, 130
_LISTS = ("networks", "scenarios", "price-cases")
_SOLVER_FLAGS = {
    "mip_rel_gap": "mip_rel_gap",
    "time_limit_s": "time_limit",
    "threads": "threads",
    "seed": "seed",
}


class _Parser(argparse.ArgumentParser):
    """Ends with 1 on bad usage: 2 means infeasible here."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {escape_text(message)}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command.

    Parameters
    ----------
    argv
        Arguments; none = those of the process.

    Returns
    -------
    int
        The exit code.
    """
    arguments = _build_parser().parse_args(argv)
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a terminal that cannot spell a name must not end the run
    try:
        return int(arguments.run(arguments))
    except InputError as error:
        tell(f"{error}{_advice(error)}")
        if arguments.json:
            emit_json({"error": "input", "faults": [vars(fault) for fault in error.faults]})
        return EXIT_BAD_INPUT
    except OSError as error:
        tell(f"error: {error}")
        if arguments.json:
            emit_json({"error": "system", "message": str(error)})
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:
        if not _is_internal(error):
            raise
        tell(str(error))
        return EXIT_INTERNAL


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="edwc",
        description="Places AI inference workloads in data centers at least cost, within latency, power, accelerator "
        "and fibre limits.",
        epilog="Exit codes: 0 solved within the gap, 1 bad data or usage, 2 infeasible, 3 stopped with a plan, "
        "4 stopped without a plan.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="write JSON, and nothing else, to stdout")
        return command

    listing = add("list", _list, "list what is built in")
    listing.add_argument("what", choices=_LISTS)
    check = add("check", _check, "find every fault of a scenario and its network, and size the problem; no solve")
    solve = add("solve", _solve, "solve a scenario, prove the plan and store it")
    explain = add("explain", _explain, "say why a scenario has no plan, and what would give it one")
    explain.epilog = (
        "Exit codes: 0 the scenario is feasible, 1 bad data or usage, 2 it is infeasible (printed with the changes "
        "found until the limit), 4 the limit struck before either was known."
    )
    explain.add_argument("--time-limit", type=float, metavar="S", help="stop after S seconds, keeping what is found")
    for command in (check, solve, explain):
        command.add_argument("scenario", help="built-in name or YAML file")
        command.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
            help="change a key of the scenario, e.g. time.slices_per_day=4; may be repeated",
        )  # fmt: skip
        command.add_argument(
            "--price-case", action="append", default=[], metavar="P[+Q]", dest="price_cases",
            help="apply a price case (built in or YAML file) in place of the scenario's own; P+Q applies P, then Q",
        )  # fmt: skip
    solve.add_argument("--out", metavar="DIR", help="run folder to write; an older run there is replaced when done")
    for flag, kind, text in (
        ("--mip-rel-gap", float, "stop when proved within this share of the optimum, e.g. 0.01"),
        ("--time-limit", float, "stop after this many seconds, keeping the plan"),
        ("--threads", int, "processor threads"),
        ("--seed", int, "random seed of the solver"),
    ):
        solve.add_argument(flag, type=kind, metavar=flag[2:].replace("-", "_").upper(), help=text)
    compare = add(
        "compare", _compare, "solve cases of a scenario, or take stored runs, and hold them against each other"
    )
    add_compare_arguments(compare)
    export = add("export", _export, "write a stored run as layers for QGIS or PostGIS, as a map or as a report")
    verify = add("verify", _verify, "derive every cost and limit of a stored run again from its inputs")
    why = add("why", _why, "say why a workload of a stored run is served where it is, and what elsewhere would cost")
    why.add_argument("--workload", metavar="HUB/CLASS", help="the workload; without it, all are listed, dearest first")
    for command, also in ((export, "; for a report also `edwc compare --out`"), (verify, ""), (why, "")):
        command.add_argument("run_folder", metavar="RUN", help=f"folder that `edwc solve --out` wrote{also}")
    add_export_arguments(export)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    import optimizer

    if arguments.what == "price-cases":
        return _list_price_cases(arguments)
    names = optimizer.list_networks() if arguments.what == "networks" else optimizer.list_scenarios()
    emit_json(names) if arguments.json else emit("\n".join(names))
    return EXIT_OK


def _list_price_cases(arguments: argparse.Namespace) -> int:
    from scenarios import list_price_cases, load_price_case

    cases = [load_price_case(name) for name in list_price_cases()]
    if arguments.json:
        emit_json([case.model_dump(include={"name", "description", "source", "confidence"}) for case in cases])
    else:
        emit("\n".join(f"{case.name:24} {' '.join(case.description.split())}" for case in cases))
    return EXIT_OK


def _overrides(arguments: argparse.Namespace) -> list[str]:
    """List the overrides of a scenario: the price cases named, then what `--set` says."""
    from scenarios.price_parameters import price_case_override

    return [*([price_case_override(arguments.price_cases)] if arguments.price_cases else []), *arguments.overrides]


def _check(arguments: argparse.Namespace) -> int:
    import optimizer
    from optimizer.text.run import describe_check

    found = optimizer.check_scenario(arguments.scenario, _overrides(arguments))
    emit_json(found) if arguments.json else emit(describe_check(found))
    return EXIT_OK if all(item["holds"] for item in found["policy"]) else EXIT_INFEASIBLE


def _solve(arguments: argparse.Namespace) -> int:
    from optimizer.runs.solve import solve_scenario
    from optimizer.text.run import describe_run

    overrides = [
        *_overrides(arguments),
        *(
            f"solver.{key}={value!r}"
            for key, flag in _SOLVER_FLAGS.items()
            if (value := getattr(arguments, flag)) is not None
        ),
    ]
    options = {"out": arguments.out, "report": _reporter()}
    run = run_until_stopped(lambda stop: solve_scenario(arguments.scenario, overrides, stop=stop, **options))
    if arguments.json:
        folder = None if run.folder is None else str(run.folder)
        failure = None if run.failure is None else vars(run.failure)
        emit_json({"exit_code": run.exit_code, "folder": folder, "failed_condition": failure} | run.info)
    else:
        emit(describe_run(run))
    return run.exit_code


def _explain(arguments: argparse.Namespace) -> int:
    from optimizer.infeasibility.explain import explain_scenario
    from optimizer.text.explanations import describe_explanation, explanation_json

    limit = [] if arguments.time_limit is None else [f"solver.time_limit_s={arguments.time_limit!r}"]
    overrides = [*_overrides(arguments), *limit]
    found = run_until_stopped(lambda stop: explain_scenario(arguments.scenario, overrides, report=tell, stop=stop))
    emit_json(explanation_json(found)) if arguments.json else emit(describe_explanation(found))
    return found.exit_code


def _compare(arguments: argparse.Namespace) -> int:
    from optimizer.cli.compare import run

    return run(arguments)


def _export(arguments: argparse.Namespace) -> int:
    from optimizer.cli.export import run

    return run(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    import optimizer
    from optimizer.text.run import describe_verification

    report = optimizer.open_run(arguments.run_folder).verify()
    if arguments.json:
        emit_json({"is_verified": report.is_verified, **vars(report)})
    else:
        emit(describe_verification(report))
    return EXIT_OK if report.is_verified else EXIT_BAD_INPUT


def _why(arguments: argparse.Namespace) -> int:
    import optimizer
    from optimizer.text.explanations import describe_placement, describe_workloads

    if arguments.workload is None:
        table = optimizer.open_run(arguments.run_folder).workloads
        emit_json(table.to_dict("records")) if arguments.json else emit(describe_workloads(table))
        return EXIT_OK
    found = optimizer.open_run(arguments.run_folder).why(arguments.workload)
    emit_json(asdict(found)) if arguments.json else emit(describe_placement(found))
    return EXIT_OK


def _reporter() -> Callable[[Progress], None]:
    """Print progress with the best plan and bound so far: a phase reports what it knows itself."""
    plan_cny, bound_cny = float("inf"), float("-inf")

    def report(line: Progress) -> None:
        from optimizer.text.run import describe_progress

        nonlocal plan_cny, bound_cny
        plan_cny, bound_cny = min(plan_cny, line.incumbent_cny), max(bound_cny, line.bound_cny)
        tell(describe_progress(replace(line, incumbent_cny=plan_cny, bound_cny=min(bound_cny, plan_cny))))

    return report


def _advice(error: InputError) -> str:
    """Point to `edwc explain` where nothing is wrong but that workloads reach no data center."""
    is_out_of_reach = all(fault.column == "workload" for fault in error.faults)
    return "\n`edwc explain` finds the smallest changes that bring them into reach" if is_out_of_reach else ""


def _is_internal(error: Exception) -> bool:
    from optimizer.solvers.process import SolverError
    from optimizer.solvers.solve import InvalidPlanError

    return isinstance(error, SolverError | InvalidPlanError)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    tell(f"warning: {escape_text(str(message))}")


if __name__ == "__main__":
    sys.exit(main())

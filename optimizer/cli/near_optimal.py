"""The commands `edwc range` and `edwc alternatives`: what holds for all plans that cost about as little."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import click

from network_data.faults import InputError, escape_text
from optimizer.cli.options import (
    EXIT_OK,
    EdwcCommand,
    complete_folder,
    describe_refusal,
    quiet_option,
    run_argument,
    time_limit_option,
)
from optimizer.cli.output import emit, emit_json, retell_progress, run_until_stopped, tell
from optimizer.text.faults import describe_faults
from optimizer.words.sentences import say


def _share(_context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Read 0.01 or 1%."""
    if text is None:
        return None
    number, unit = (text.strip()[:-1], 100.0) if text.strip().endswith("%") else (text, 1.0)
    try:
        share = float(number) / unit
    except ValueError:
        share = math.nan
    if not 0.0 <= share < math.inf:
        raise click.BadParameter(f"{text!r} is no share of the cost. Write one such as 0.01 or 1%.", param=parameter)
    return share


_slack = partial(click.option, "--slack", callback=_share, metavar="SHARE")
_RANGE_EPILOG = (
    "Found: in plans that passed the independent check. Proved: no plan within the budget lies beyond. The table is "
    "kept with the run, where its summary and report find it."
)


@click.command("range", cls=EdwcCommand, epilog=_RANGE_EPILOG, short_help="Between what an indicator of a run lies.")
@run_argument
@click.option(
    "--of",
    default="",
    metavar="NAME,...",
    help="Indicators, such as west_share, carbon, mean_rtt, new_pods, tokens@PLACE, peak_power@PLACE, open@PLACE, "
    "latency_cost. Without it, those of every summary.",
)
@_slack(help="What a plan may cost more than this one, e.g. 1%. Without it, the gap of the run.")
@time_limit_option
@quiet_option
def range_of_plans(
    run_folder: str, of: str, slack: float | None, time_limit_s: float | None, *, quiet: bool, as_json: bool
) -> int:
    """Between what indicators of a stored run lie, over all plans that cost about as little."""
    from optimizer.near_optimal.ranges import DEFAULT_TIME_LIMIT_S, find_ranges
    from optimizer.runs.run import RANGES_TABLE, open_run

    run = open_run(run_folder)
    names = [name.strip() for name in of.split(",") if name.strip()]
    options: dict[str, Any] = {"slack": slack, "time_limit_s": time_limit_s or DEFAULT_TIME_LIMIT_S}
    report = None if quiet else retell_progress
    found = run_until_stopped(lambda stop: find_ranges(run, names, report=report, stop=stop, **options))
    # Printed first: minutes of work must not be lost where the run cannot be written to.
    emit_json(found.table.to_dict("records")) if as_json else emit(found.to_text())
    try:
        run.keep_table(RANGES_TABLE, found.merged_into(run.ranges))
    except (OSError, InputError) as error:
        why = describe_refusal(error) if isinstance(error, OSError) else describe_faults(error)
        tell(say("warning: not kept with the run, so its summary and report do not show it: {why}", why=why))
    return EXIT_OK


@click.command(cls=EdwcCommand, short_help="Plans that cost about as little and serve the tokens elsewhere.")
@run_argument
@_slack(default="3%", show_default=True, help="What an alternative may cost more than the run's plan.")
@click.option(
    "--count", type=click.IntRange(1), default=8, show_default=True, metavar="N", help="Alternatives to find."
)
@click.option(
    "--out",
    metavar="DIR",
    shell_complete=complete_folder,
    help="Folder for a run folder of each, tables and a picture.",
)
@time_limit_option
@quiet_option
def alternatives(  # noqa: PLR0913 - options
    run_folder: str,
    slack: float,
    count: int,
    out: str | None,
    time_limit_s: float | None,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """Plans that cost about as little as a stored run's, and serve the tokens elsewhere as far as possible."""
    from optimizer.near_optimal.alternatives import DEFAULT_TIME_LIMIT_S, find_alternatives
    from optimizer.runs.folder import check_target
    from optimizer.runs.run import open_run

    run = open_run(run_folder)
    if out is not None:
        check_target(Path(out) / "alternative")
    options: dict[str, Any] = {"slack": slack, "count": count, "time_limit_s": time_limit_s or DEFAULT_TIME_LIMIT_S}
    report = None if quiet else retell_progress
    found = run_until_stopped(lambda stop: find_alternatives(run, report=report, stop=stop, **options))
    if as_json:
        emit_json({"plans": found.table.to_dict("records"), "data_centers": found.places.to_dict("records")})
    else:
        emit(found.to_text())
    if out is not None:
        found.save(out)
        found.draw(Path(out) / "alternatives.png")
    if not as_json:
        kept = (
            say("Nothing was kept: add --out DIR.") if out is None else say("Kept in {folder}", folder=escape_text(out))
        )
        emit("\n" + kept)
    return EXIT_OK

"""`edwc validate`: the model beside published results and known optima."""

from __future__ import annotations

import click

from network_data.faults import escape_text
from optimizer.cli.options import EXIT_BAD_INPUT, EXIT_OK, EdwcCommand, complete_file, quiet_option
from optimizer.cli.output import emit, emit_json
from optimizer.words.sentences import say

_EPILOG = (
    "Exit codes: 0 every known optimum was found and every plan verified, whatever misses among published results, "
    "1 not so, or bad usage."
)


@click.command(cls=EdwcCommand, epilog=_EPILOG, short_help="Hold the model against published results and known optima.")
@click.option("--out", metavar="FILE", shell_complete=complete_file, help="Markdown file to write, with every source.")
@click.option("--full", is_flag=True, help="Solve at full size, and all problems of the literature: some minutes.")
@quiet_option
def validate(out: str | None, *, full: bool, quiet: bool, as_json: bool) -> int:
    """
    Hold the model against published results and known optima.

    Every figure is worked out when this runs, from the tables and from plans that it solves; misses stay in the list.
    """
    from optimizer.api.validation import validate as validate_model
    from optimizer.text.validation import describe_validation, validation_json

    found = validate_model(full=full, out=out, progress=not quiet)
    if as_json:
        emit_json(validation_json(found))
    else:
        emit(describe_validation(found))
        if out is not None:
            emit("\n" + say("wrote {file}", file=escape_text(out)))
    return EXIT_OK if found.is_sound else EXIT_BAD_INPUT

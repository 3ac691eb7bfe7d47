"""Commands in this process: what they print, without the second that a process of their own takes to begin."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout

from optimizer.cli.main import main


def edwc(*arguments: object, code: int = 0) -> tuple[str, str]:
    """Run `edwc` with arguments, see that it ends with a code, and return what it wrote to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("error")
        ended = main([*map(str, arguments)])
    assert ended == code, f"{out.getvalue()}\n{err.getvalue()}"
    assert "Traceback" not in err.getvalue()
    return out.getvalue(), err.getvalue()

"""Write to a stream whose reader may have gone."""

from __future__ import annotations

import os
from typing import IO


def write_now(stream: IO[str], text: str) -> None:
    """Write a text to a stream at once; a reader that has gone (`| head`) is not an error."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        # Redirected to nothing, so that the interpreter's last flush does not fail.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)

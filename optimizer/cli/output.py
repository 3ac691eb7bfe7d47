"""Output of all commands: results to stdout, messages to stderr, and signals that stop a command."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from network_data.currency import in_currency
from optimizer.text.terminal import write_now
from optimizer.words.sentences import retell, say

T = TypeVar("T")
ONE_REQUEST_S = 1.0  # signals that come so close together are one
SIGNAL_POLL_S = 0.2


def emit_json(value: Any) -> None:
    """
    Write a value as JSON to stdout.

    Parameters
    ----------
    value
        What `json_ready` takes.
    """
    from optimizer.runs.folder import json_ready

    write_now(sys.stdout, json.dumps(json_ready(value), allow_nan=False, indent=1) + "\n")


def emit(text: str) -> None:
    """Write to stdout, amounts named in the currency of the network; a reader that has gone (`| head`) is no error."""
    write_now(sys.stdout, in_currency(text) + "\n")


def tell(text: str) -> None:
    """Write to stderr, as it is: a fault may be about two currencies; a reader that has gone is no error."""
    write_now(sys.stderr, text + "\n")


def retell_progress(text: str) -> None:
    """Write a line of progress to stderr, in the language in force."""
    tell(retell(text))


def run_until_stopped(task: Callable[[threading.Event], T]) -> T:
    """Run a task; the first SIGINT or SIGTERM stops it with what it has found, a later one ends the process."""
    # In a thread of its own: Python runs signal handlers in the main thread only, and not inside a solver's code.
    # The main thread looks up now and then: a signal that comes as it is about to wait would not wake it.
    with _stop_on_signals() as stop, ThreadPoolExecutor(1) as pool:
        future = pool.submit(copy_context().run, task, stop)
        while wait([future], timeout=SIGNAL_POLL_S).not_done:
            pass
        return future.result()


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    said = say("stopping: what is found so far is kept (another signal, after a second, ends at once)")
    first_s = 0.0

    def request(number: int, _frame: object) -> None:
        nonlocal first_s
        if stop.is_set():
            # `timeout` and batch systems signal a process, and then its group: that is one request, not two.
            if time.monotonic() - first_s > ONE_REQUEST_S:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        first_s = time.monotonic()
        stop.set()
        tell(said)

    kept = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)

"""
Processes that solve one model after the other, kept while nobody needs them.

Starting Python and HiGHS takes longer than solving a small model, so a process that has ended a solve waits for the
next one. It ends with this process, however that ends: its input is closed then.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from optimizer.mip_worker import Array, receive, send

Message = tuple[dict[str, Any], dict[str, Array]]
MAX_IDLE = 2


class SolverProcess:
    """
    A process, and what it has said.

    Parameters
    ----------
    script
        What it runs: `mip_worker.py`.
    threads
        Of the solver, which takes one number of threads per process; None = its own choice.

    Attributes
    ----------
    kind
        Script and threads: processes of one kind can stand in for each other.
    inbox
        Messages in the order in which they came; None after the last.
    is_fresh
        Whether it has solved nothing yet.
    """

    def __init__(self, script: Path, threads: int | None) -> None:
        self.kind = (script, threads)
        self.inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.is_fresh = True
        # -P: the folder of the script, which holds modules with common names, must not come before all others.
        command, pipe = [sys.executable, "-P", str(script)], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - our own file
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def tell(self, message: dict[str, Any], arrays: dict[str, Array] | None = None) -> bool:
        """Send a message; False if nobody is there to read it."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            send(self._process.stdin, message, arrays)
        except BrokenPipeError:
            return False
        return True

    def last_words(self) -> str:
        """Wait for the end of a process that is dying; what it said last."""
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return "the solver process died" + (f": {lines[-1]}" if lines else " without a word")

    def end(self) -> None:
        """Kill the process and wait for it."""
        self._process.kill()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # what it no longer reads
                    stream.close()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        while (message := receive(self._process.stdout)) is not None:
            self.inbox.put(message)
        self.inbox.put(None)


class _Waiting:
    """The processes that nobody needs just now. One lock, since several threads may solve."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SolverProcess] = []
        self._of_parent: list[SolverProcess] = []

    def take(self, kind: tuple[Path, int | None]) -> SolverProcess | None:
        """Take one of a kind that is alive."""
        with self._lock:
            found = [process for process in self._idle if process.kind == kind]
            self._idle = [process for process in self._idle if process not in found[:1]]
        if not found:
            return None
        if found[0].is_alive:
            return found[0]
        found[0].end()
        return self.take(kind)

    def add(self, process: SolverProcess) -> None:
        """Keep one; the one that has waited longest may have to go."""
        with self._lock:
            self._idle.append(process)
            leaving = self._idle[:-MAX_IDLE]
            self._idle = self._idle[-MAX_IDLE:]
        for one in leaving:
            one.end()

    def end(self) -> None:
        """End all of them."""
        with self._lock:
            leaving, self._idle = self._idle, []
        for one in leaving:
            one.end()

    def forget(self) -> None:
        """In a forked process: leave them to the process that they belong to."""
        self._lock = threading.Lock()
        self._of_parent += self._idle
        self._idle = []

    @property
    def pids(self) -> list[int]:
        """Process ids, the one that has waited longest first."""
        return [process.pid for process in self._idle]


waiting = _Waiting()
atexit.register(waiting.end)
os.register_at_fork(after_in_child=waiting.forget)


def hand_over(script: Path, threads: int | None, message: dict[str, Any], arrays: dict[str, Array]) -> SolverProcess:
    """
    Hand a model to a process that waits for one, or to a new one.

    Parameters
    ----------
    script, threads
        As in `SolverProcess`.
    message, arrays
        What it is told.

    Returns
    -------
    SolverProcess
        One that has been told, or that has died of it: its inbox says so.
    """
    process = waiting.take((script, threads))
    while process is not None:
        if _tell_or_end(process, message, arrays):
            process.is_fresh = False
            return process
        process.end()
        process = waiting.take((script, threads))
    process = SolverProcess(script, threads)
    _tell_or_end(process, message, arrays)
    return process


def _tell_or_end(process: SolverProcess, message: dict[str, Any], arrays: dict[str, Array]) -> bool:
    """Tell a process; one that was not told to the end, for whatever reason, is of no use to anybody."""
    try:
        return process.tell(message, arrays)
    except BaseException:
        process.end()
        raise

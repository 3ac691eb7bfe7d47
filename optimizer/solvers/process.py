"""Integer programs solved in processes of their own, which are kept and used again: progress, deadline, stop."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.model.compile import CompiledModel
from optimizer.problem.problem import FloatArray
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.memory import note_peak_of_another
from optimizer.solvers.process_worker import Array, receive, send

Message = tuple[dict[str, Any], dict[str, Array]]
MAX_IDLE = 2
_OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "Cannot allocate memory")  # in what a process says as it dies


class SolverError(RuntimeError):
    """The solver failed: neither an answer nor a limit."""


class SolverMemoryError(SolverError, MemoryError):
    """The solver failed for want of memory."""


class _SolverProcess:
    """A process, and the messages from it."""

    def __init__(self, script: Path, threads: int | None) -> None:
        self.kind = (script, threads)  # processes of one kind can stand in for each other
        self.inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()  # in order; None after the last
        self.is_fresh = True  # has solved nothing yet
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

    def send(self, message: dict[str, Any], arrays: dict[str, Array] | None = None) -> bool:
        """Send a message; False if nobody is there to read it."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            send(self._process.stdin, message, arrays)
        except BrokenPipeError:
            return False
        return True

    def death(self) -> SolverError:
        """Wait for the end of a process that is dying; describe it by the last line of its error output."""
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        if self._process.wait() == -signal.SIGKILL:
            return SolverMemoryError("the solver process died of SIGKILL, as when memory runs out")
        text = "the solver process died" + (f": {lines[-1]}" if lines else " without any message")
        is_memory = bool(lines) and any(word in lines[-1] for word in _OUT_OF_MEMORY)
        return SolverMemoryError(text) if is_memory else SolverError(text)

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


class _IdleProcesses:
    """Processes that are kept for the next model. One lock, since several threads may solve."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_SolverProcess] = []
        self._of_parent: list[_SolverProcess] = []

    def take(self, kind: tuple[Path, int | None]) -> _SolverProcess | None:
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

    def add(self, process: _SolverProcess) -> None:
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


idle_processes = _IdleProcesses()
atexit.register(idle_processes.end)
os.register_at_fork(after_in_child=idle_processes.forget)


def _start(script: Path, threads: int | None, message: dict[str, Any], arrays: dict[str, Array]) -> _SolverProcess:
    """Send a model to an idle process, or to a new one."""
    process = idle_processes.take((script, threads))
    while process is not None:
        if _send_or_end(process, message, arrays):
            process.is_fresh = False
            return process
        process.end()
        process = idle_processes.take((script, threads))
    process = _SolverProcess(script, threads)
    _send_or_end(process, message, arrays)
    return process


def _send_or_end(process: _SolverProcess, message: dict[str, Any], arrays: dict[str, Array]) -> bool:
    """Send to a process; end it if the message was cut off for whatever reason."""
    try:
        return process.send(message, arrays)
    except BaseException:
        process.end()
        raise


TICK_S = 1.8
POLL_S = 0.1
GRACE_S = 0.6  # how long the solver may take to answer a stop before its process is ended
MOST_ENTRIES_TO_KEEP = 1_000_000  # of a larger model the process is ended, which gives its memory back


@dataclass
class MipOutcome:
    """Result of an integer program."""

    termination: Termination | None = None
    incumbents: list[FloatArray] = field(default_factory=list)  # (columns,) points found, best last
    objective_cny: float = np.inf  # CNY per year, inf while unknown
    bound_cny: float = -np.inf


def run_mip(
    model: CompiledModel,
    *,
    cny_per_cost_unit: float,
    options: dict[str, Any],
    control: Control,
    start: FloatArray | None = None,
) -> MipOutcome:
    """
    Solve a compiled model as an integer program in another process.

    Parameters
    ----------
    options
        HiGHS options by name; the time limit comes from `control`.

    Raises
    ------
    SolverError
        If the solver process dies or ends with a status that is neither an answer nor a limit; SolverMemoryError if
        it is known to be for want of memory.
    """
    outcome = MipOutcome()
    if start is not None:
        outcome.incumbents.append(start)
        outcome.objective_cny = float(model.cost @ start)
    if control.must_stop:
        outcome.termination = control.reason
        return outcome
    limit_s = {"time_limit": control.seconds_left} if np.isfinite(control.time_limit_s) else {}
    message = {"options": {**options, **limit_s}}
    arrays = model_arrays(model, cny_per_cost_unit, start)
    script, threads = Path(__file__).with_name("process_worker.py"), options.get("threads")
    while True:
        process = _start(script, threads, message, arrays)
        death = _follow(process, outcome, cny_per_cost_unit, control, keeps=len(model.values) <= MOST_ENTRIES_TO_KEEP)
        if outcome.termination is not None:
            return outcome
        # One that had waited may have been ended, by hand or for want of memory, just when the message was sent.
        if death is not None and process.is_fresh:
            raise death


def model_arrays(model: CompiledModel, unit: float, start: FloatArray | None) -> dict[str, Array]:
    """Name the arrays of a model as the worker reads them, with the objective in its own unit."""
    arrays: dict[str, Array] = {
        "cost": model.cost / unit,
        "lower": model.lower,
        "upper": model.upper,
        "row_lower": model.row_lower,
        "row_upper": model.row_upper,
        "starts": model.starts,
        "indices": model.indices,
        "values": model.values,
        "is_integer": model.is_integer.astype(np.int32),
    }
    return arrays if start is None else {**arrays, "start": start}


def _follow(
    process: _SolverProcess, outcome: MipOutcome, unit: float, control: Control, *, keeps: bool
) -> SolverError | None:
    """Follow a solve to its end, and keep its process or end it; returns what it died of, if it has."""
    has_ended, death = False, None
    try:
        has_ended = _read_messages(process, outcome, unit, control)
        if outcome.termination is None and control.must_stop:
            outcome.termination = control.reason  # the same signal may have ended that process
        if outcome.termination is None:
            death = process.death()
    finally:
        if has_ended and keeps:
            process.is_fresh = False
            idle_processes.add(process)
        else:
            process.end()
    return death


def _read_messages(process: _SolverProcess, outcome: MipOutcome, unit: float, control: Control) -> bool:
    """Read messages until the solve ends by itself (True), its process dies, or a stop has gone unanswered."""
    reported_s, stopped_s = control.seconds, np.inf
    while True:
        try:
            message = process.inbox.get(timeout=POLL_S)
        except queue.Empty:
            message = ({"kind": "tick"}, {})
        if message is None:
            return False
        facts, arrays = message
        _record(facts, arrays, outcome, unit)
        if facts["kind"] == "end":
            note_peak_of_another(facts["ru_maxrss"])
            outcome.termination = termination_of(facts["status"], control)
            return True
        if facts["kind"] == "incumbent" or control.seconds - reported_s >= TICK_S:
            control.say(outcome.objective_cny, outcome.bound_cny, "solve")
            reported_s = control.seconds
        if control.must_stop and not np.isfinite(stopped_s):
            stopped_s = control.seconds
            process.send({"kind": "stop"})  # nobody reads it if it has just ended by itself
        if control.seconds - stopped_s > GRACE_S:
            outcome.termination = control.reason
            return False


def _record(facts: dict[str, Any], arrays: dict[str, Array], outcome: MipOutcome, unit: float) -> None:
    if facts.get("bound") is not None:
        outcome.bound_cny = max(outcome.bound_cny, facts["bound"] * unit)
    # The start comes back as the first incumbent: it is not news, but it may be a little better than it was.
    if "values" in arrays and facts["objective"] * unit <= outcome.objective_cny:
        outcome.objective_cny = facts["objective"] * unit
        outcome.incumbents = [*outcome.incumbents[-2:], arrays["values"]]


def termination_of(status: str, control: Control) -> Termination:
    """Translate HiGHS's status. Every column is bounded, by itself or by its cost: "unbounded" cannot be meant."""
    known = {
        "kOptimal": Termination.OPTIMAL,
        "kTimeLimit": Termination.TIME_LIMIT,
        "kInfeasible": Termination.INFEASIBLE,
        "kUnboundedOrInfeasible": Termination.INFEASIBLE,
    }
    if status == "kInterrupt":
        return control.reason
    if status == "kMemoryLimit":
        raise SolverMemoryError("HiGHS ran out of memory")
    if status not in known:
        raise SolverError(f"HiGHS ended with {status}")
    return known[status]

"""Runs an integer program in a process of its own and keeps the leash: progress, deadline, stop, incumbents."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from optimizer.compile import CompiledModel
from optimizer.mip_worker import Array, receive, send
from optimizer.problem import FloatArray
from optimizer.solution import Control, Termination

TICK_S = 1.8
POLL_S = 0.1
GRACE_S = 0.6  # how long the solver may take to answer a stop before its process is ended
MAX_IDLE = 2
MAX_ENTRIES_TO_KEEP = 1_000_000  # of a larger model the process is ended, which gives its memory back


class SolverError(RuntimeError):
    """The solver failed: neither an answer nor a limit."""


@dataclass
class MipOutcome:
    """
    What a solve left behind.

    Attributes
    ----------
    termination
        Why it stopped.
    incumbents
        (columns,) points found, best last.
    objective_cny, bound_cny
        CNY per year; inf and -inf while unknown.
    """

    termination: Termination | None = None
    incumbents: list[FloatArray] = field(default_factory=list)
    objective_cny: float = np.inf
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
    Solve a compiled model as an integer program.

    Parameters
    ----------
    model
        From `compile_model`.
    cny_per_cost_unit
        Unit in which the solver sees the objective.
    options
        HiGHS options by name; the time limit comes from `control`.
    control
        Deadline, stop request, and where progress goes: at least every 2 s.
    start
        (columns,) a feasible point to begin with.

    Raises
    ------
    SolverError
        If the solver process dies or ends with a status that is neither an answer nor a limit.
    """
    outcome = MipOutcome()
    if start is not None:
        outcome.incumbents.append(start)
        outcome.objective_cny = float(model.cost @ start)
    if control.must_stop:
        outcome.termination = control.reason
        return outcome
    limit_s = {"time_limit": control.seconds_left} if np.isfinite(control.time_limit_s) else {}
    worker = _start_solve({**options, **limit_s}, model_arrays(model, cny_per_cost_unit, start))
    has_ended = False
    try:
        has_ended = _listen(worker, outcome, cny_per_cost_unit, control)
        if outcome.termination is None:
            raise SolverError(worker.last_words())
    finally:
        if has_ended and len(model.values) <= MAX_ENTRIES_TO_KEEP:
            _keep(worker)
        else:
            worker.end()
    return outcome


Message = tuple[dict[str, Any], dict[str, Array]]


class _Worker:
    """A process that solves models, one after the other."""

    def __init__(self, script: Path, threads: int | None) -> None:
        self.kind = (script, threads)
        self.inbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        # -P: the folder of the script, which holds modules with common names, must not come before all others.
        command, pipe = [sys.executable, "-P", str(script)], subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - our own file
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def is_alive(self) -> bool:
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


# Starting Python and HiGHS takes longer than solving a small model: a process that has ended one waits for the next.
_idle: list[_Worker] = []
_of_parent: list[_Worker] = []


def _forget_idle() -> None:
    """Leave the processes of the process that this one was forked from to it."""
    _of_parent.extend(_idle)
    _idle.clear()


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().end()


os.register_at_fork(after_in_child=_forget_idle)


def _start_solve(options: dict[str, Any], arrays: dict[str, Array]) -> _Worker:
    """Hand a model to a process that waits for one, or to a new one."""
    # HiGHS takes one number of threads per process.
    kind = (Path(__file__).with_name("mip_worker.py"), options.get("threads"))
    for worker in [worker for worker in _idle if worker.kind == kind]:
        with contextlib.suppress(ValueError):  # another thread has just taken it
            _idle.remove(worker)
            if worker.is_alive and worker.tell({"options": options}, arrays):
                return worker
            worker.end()
    worker = _Worker(*kind)
    if not worker.tell({"options": options}, arrays):
        words = worker.last_words()
        worker.end()
        raise SolverError(words)
    return worker


def _keep(worker: _Worker) -> None:
    _idle.append(worker)
    while len(_idle) > MAX_IDLE:
        _idle.pop(0).end()


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


def _listen(worker: _Worker, outcome: MipOutcome, unit: float, control: Control) -> bool:
    """Take in messages until the solve ends by itself (True), its process dies, or a stop has gone unanswered."""
    said, asked = control.seconds, np.inf
    while True:
        try:
            message = worker.inbox.get(timeout=POLL_S)
        except queue.Empty:
            message = ({"kind": "tick"}, {})
        if message is None:
            return False
        facts, arrays = message
        _take_in(facts, arrays, outcome, unit)
        if facts["kind"] == "end":
            outcome.termination = termination_of(facts["status"], control)
            return True
        if facts["kind"] == "incumbent" or control.seconds - said >= TICK_S:
            control.say(outcome.objective_cny, outcome.bound_cny, "solve")
            said = control.seconds
        if control.must_stop and not np.isfinite(asked):
            asked = control.seconds
            worker.tell({"kind": "stop"})  # nobody reads it if it has just ended by itself
        if control.seconds - asked > GRACE_S:
            outcome.termination = control.reason
            return False


def _take_in(facts: dict[str, Any], arrays: dict[str, Array], outcome: MipOutcome, unit: float) -> None:
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
    if status not in known:
        raise SolverError(f"HiGHS ended with {status}")
    return known[status]

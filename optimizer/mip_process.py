"""Runs an integer program in a process of its own and keeps the leash: progress, deadline, stop, incumbents."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from optimizer.compile import CompiledModel
from optimizer.mip_worker import Array, receive, send
from optimizer.problem import FloatArray
from optimizer.solution import Control, Termination

TICK_S = 1.8
POLL_S = 0.1
GRACE_S = 0.6  # how long the solver may take to answer a stop before its process is ended


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
    inbox: queue.SimpleQueue[tuple[dict[str, Any], dict[str, Array]] | None] = queue.SimpleQueue()
    # -P: the folder of the script, which holds modules with common names, must not come before all others.
    command = [sys.executable, "-P", str(Path(__file__).with_name("mip_worker.py"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:  # noqa: S603 - this Python, our file
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("all three are pipes")
        reader = threading.Thread(target=_read, args=(process.stdout, inbox), daemon=True)
        reader.start()
        try:
            limit_s = {"time_limit": control.seconds_left} if np.isfinite(control.time_limit_s) else {}
            arrays = model_arrays(model, cny_per_cost_unit, start)
            try:
                send(process.stdin, {"options": {**options, **limit_s}}, arrays)
            except BrokenPipeError:
                raise SolverError(_last_words(process.stderr)) from None
            _listen(process.stdin, inbox, outcome, cny_per_cost_unit, control)
        finally:
            process.kill()
            reader.join()
        if outcome.termination is None:
            raise SolverError(_last_words(process.stderr))
    return outcome


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


def _listen(
    stdin: IO[bytes],
    inbox: queue.SimpleQueue[tuple[dict[str, Any], dict[str, Array]] | None],
    outcome: MipOutcome,
    unit: float,
    control: Control,
) -> None:
    """Take in messages until the solve ends, its process dies, or a stop has gone unanswered."""
    said, asked = control.seconds, np.inf
    while True:
        try:
            message = inbox.get(timeout=POLL_S)
        except queue.Empty:
            message = ({"kind": "tick"}, {})
        if message is None:
            return
        facts, arrays = message
        _take_in(facts, arrays, outcome, unit)
        if facts["kind"] == "end":
            outcome.termination = termination_of(facts["status"], control)
            return
        if facts["kind"] == "incumbent" or control.seconds - said >= TICK_S:
            control.say(outcome.objective_cny, outcome.bound_cny, "solve")
            said = control.seconds
        if control.must_stop and not np.isfinite(asked):
            asked = control.seconds
            with contextlib.suppress(BrokenPipeError):  # it has just ended by itself
                send(stdin, {"kind": "stop"})
        if control.seconds - asked > GRACE_S:
            outcome.termination = control.reason
            return


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


def _read(stream: IO[bytes], inbox: queue.SimpleQueue[tuple[dict[str, Any], dict[str, Array]] | None]) -> None:
    while (message := receive(stream)) is not None:
        inbox.put(message)
    inbox.put(None)


def _last_words(stderr: IO[bytes]) -> str:
    lines = stderr.read().decode(errors="replace").strip().splitlines()
    return "the solver process died" + (f": {lines[-1]}" if lines else " without a word")

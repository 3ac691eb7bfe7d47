"""
The process that runs HiGHS on an integer program: started as a script by `process`, which shares its messages.

HiGHS does not look at its interrupt callback while it presolves or solves the root relaxation, which takes minutes on
a large model. In a process of its own it can be ended at any time, has its own number of threads, and cannot take
the caller down with it. The file imports nothing of the package: a process starts in 0.2 s. It takes one model after
the other, each once the last has ended.

Messages, both ways: one line of JSON, whose "arrays" entry names what follows as raw bytes, [[name, dtype, length]].
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import traceback
from typing import IO, Any

import highspy
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def send(stream: IO[bytes], message: dict[str, Any], arrays: dict[str, Array] | None = None) -> None:
    """Write one message."""
    arrays = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    layout = [[name, array.dtype.str, len(array)] for name, array in arrays.items()]
    stream.write(json.dumps({**message, "arrays": layout}).encode() + b"\n")
    for array in arrays.values():
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, Array]] | None:
    """Read one message; None if the other side is gone."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    message = json.loads(line)
    arrays = {}
    for name, dtype, length in message.pop("arrays"):
        size = np.dtype(dtype).itemsize * length
        raw = stream.read(size)
        if len(raw) < size:
            return None
        arrays[name] = np.frombuffer(raw, dtype)
    return message, arrays


class _Solve:
    """One solve, and its messages to the caller."""

    def __init__(self, message: dict[str, Any], arrays: dict[str, Array], out: IO[bytes]) -> None:
        self._out = out
        self._lock = threading.Lock()
        self.is_cancelled = False
        self.highs = highs = highspy.Highs()  # type: ignore[no-untyped-call] # the package has no types for it
        for name, value in message["options"].items():
            if highs.setOptionValue(name, value) != highspy.HighsStatus.kOk:
                raise ValueError(f"HiGHS option {name} = {value!r} was refused")
        keys = ("cost", "lower", "upper", "row_lower", "row_upper", "starts", "indices", "values", "is_integer")
        columns, rows, entries = (len(arrays[name]) for name in ("cost", "row_lower", "values"))
        layout, sense = int(highspy.MatrixFormat.kRowwise), int(highspy.ObjSense.kMinimize)
        status = highs.passModel(columns, rows, entries, layout, sense, 0.0, *(arrays[key] for key in keys))
        if status == highspy.HighsStatus.kError:
            raise ValueError("HiGHS refused the model")
        if "start" in arrays:
            highs.setSolution(columns, np.arange(columns, dtype=np.int32), arrays["start"])
        highs.cbMipImprovingSolution.subscribe(self._improved)
        highs.cbMipLogging.subscribe(self._logged)
        highs.cbMipInterrupt.subscribe(self._interrupt_if_cancelled)

    def send(self, message: dict[str, Any], arrays: dict[str, Array] | None = None) -> None:
        with self._lock:
            send(self._out, message, arrays)

    def run(self) -> None:
        """Run HiGHS and say how it ended."""
        try:
            if self.highs.run() == highspy.HighsStatus.kError:
                # Presolve of HiGHS 1.16 ends some models with an error that have a plan.
                self.highs.setOptionValue("presolve", "off")
                self.highs.run()
            info = self.highs.getInfo()
            has_point = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
            values = np.array(self.highs.getSolution().col_value) if has_point else None
            end = {
                "kind": "end",
                "status": self.highs.getModelStatus().name,
                "objective": info.objective_function_value if has_point else None,
                "bound": _finite(info.mip_dual_bound),
                "ru_maxrss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
            self._release()
            self.send(end, None if values is None else {"values": values})
        except Exception:  # noqa: BLE001 - whatever it was, the caller must know
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)  # the main thread waits for the caller's next message, which may never come

    def _release(self) -> None:
        """Give the memory of the model and of the search back; the callbacks would keep it."""
        self.highs.cbMipImprovingSolution.unsubscribe(self._improved)
        self.highs.cbMipLogging.unsubscribe(self._logged)
        self.highs.cbMipInterrupt.unsubscribe(self._interrupt_if_cancelled)
        self.highs.clear()
        del self.highs

    def _improved(self, event: Any) -> None:
        out = event.data_out
        message = {"kind": "incumbent", "objective": out.objective_function_value, "bound": _finite(out.mip_dual_bound)}
        self.send(message, {"values": np.array(out.mip_solution)})

    def _logged(self, event: Any) -> None:
        self.send({"kind": "bound", "bound": _finite(event.data_out.mip_dual_bound)})

    def _interrupt_if_cancelled(self, event: Any) -> None:
        event.interrupt(self.is_cancelled)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) and abs(value) < highspy.kHighsInf else None


def main() -> None:
    """Read models from stdin, solve them one by one, and write to stdout until the caller is gone."""
    # Ctrl-C, and what a batch system sends, reaches the whole process group; only the caller decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path of ours
        os.dup2(nowhere.fileno(), 1)  # HiGHS prints a banner that no option can stop
    solve: _Solve | None = None
    while (message := receive(sys.stdin.buffer)) is not None:
        facts, arrays = message
        if "options" in facts:
            solve = _Solve(facts, arrays, out)
            threading.Thread(target=solve.run, daemon=True).start()
        elif solve is not None:
            solve.is_cancelled = True  # of one that has ended meanwhile it changes nothing
    os._exit(1)  # the caller is gone: nobody waits for an answer


if __name__ == "__main__":
    main()

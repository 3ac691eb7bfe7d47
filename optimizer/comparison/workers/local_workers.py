"""Worker processes on this machine, each the only one of a pool of its own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any

from optimizer.comparison.cases import CaseStatus
from optimizer.comparison.workers.case_task import CaseTask, Outcome
from optimizer.comparison.workers.executor import (
    STOP_FILE,
    STOP_GRACE_S,
    Ended,
    interrupts_blocked,
    stay_with_parent,
    warm_up,
    work,
)

# Linear algebra on several threads adds up in another order on another number of cores.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_environment_lock = threading.Lock()


class _Context(SpawnContext):
    """Starts processes anew, rather than as copies of this one, and remembers the last."""

    process: SpawnProcess | None = None

    def Process(self, *arguments: Any, **options: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802 - as it is called
        self.process = SpawnProcess(*arguments, **options)
        return self.process


@dataclass(eq=False)
class _Worker:
    context: _Context
    pool: ProcessPoolExecutor
    case_id: str = ""

    @classmethod
    def start(cls) -> _Worker:
        context = _Context()
        pool = ProcessPoolExecutor(1, mp_context=context, initializer=stay_with_parent)
        with interrupts_blocked(), _one_thread():
            pool.submit(warm_up)  # starts the process; the first case may come later
        return cls(context, pool)

    def kill(self) -> None:
        if self.context.process is not None:
            self.context.process.kill()
        self.pool.shutdown(wait=True, cancel_futures=True)


class LocalExecutor:
    """A number of processes on this machine, which share the folder `signals`."""

    stop_grace_s = STOP_GRACE_S

    def __init__(self, workers: int, signals: Path) -> None:
        self._size, self._signals = workers, signals
        self._workers: list[_Worker] = []
        self._running: dict[Future[Outcome], _Worker] = {}

    def has_room(self, task: CaseTask) -> bool:  # noqa: ARG002 - any
        """Whether a case could be started now."""
        return len(self._running) < self._size

    def start(self, task: CaseTask) -> None:
        """Give a case to a free worker, and start one if there is none."""
        worker = next((one for one in self._workers if not one.case_id), None)
        future = None if worker is None else self._submit(worker, task)
        if worker is None or future is None:
            worker = _Worker.start()
            self._workers.append(worker)
            future = worker.pool.submit(work, task, self._signals)
        worker.case_id = task.case.id
        self._running[future] = worker

    def _submit(self, worker: _Worker, task: CaseTask) -> Future[Outcome] | None:
        try:
            return worker.pool.submit(work, task, self._signals)
        except BrokenProcessPool:  # it died while it had nothing to do
            self._drop(worker)
            return None

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until a case ends, but no longer than that; returns those that have ended since."""
        over, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        return [self._end(future) for future in over]

    def _end(self, future: Future[Outcome]) -> Ended:
        worker = self._running.pop(future)
        case_id, worker.case_id = worker.case_id, ""
        try:
            return Ended(case_id, future.result())
        except BrokenProcessPool:
            self._drop(worker)
            return Ended(case_id, None, _death(worker.context.process))
        except Exception as error:  # noqa: BLE001 - what a worker cannot even begin is a fault of its case alone
            return Ended(case_id, Outcome(CaseStatus.FAILED, f"internal error: {error!r}", has_plan=False))

    def _drop(self, worker: _Worker) -> None:
        worker.kill()
        self._workers.remove(worker)

    def stop(self) -> None:
        """Request that what is running ends with what it has."""
        (self._signals / STOP_FILE).touch()

    def kill(self) -> None:
        """End what is running, at once."""
        for worker in list(self._running.values()):
            self._drop(worker)
        self._running.clear()

    def close(self) -> None:
        """Release the workers."""
        self.kill()
        for worker in self._workers:
            worker.pool.shutdown(wait=False, cancel_futures=True)  # all at once, and then wait for each
        for worker in self._workers:
            worker.pool.shutdown(wait=True)
        self._workers.clear()


def _death(process: SpawnProcess | None) -> str:
    code = None if process is None else process.exitcode
    if code is None:
        return "for an unknown reason"
    if code >= 0:
        return f"with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"of {name}" + (", as when memory runs out" if -code == signal.SIGKILL else "")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Set what numerical libraries read when they are first imported, for processes that are started meanwhile."""
    with _environment_lock:
        before = {name: os.environ.get(name) for name in _ONE_THREAD}
        os.environ.update(_ONE_THREAD)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

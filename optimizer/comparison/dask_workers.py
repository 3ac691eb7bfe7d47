"""
Workers of a Dask cluster: one on this machine, or one whose scheduler is running already.

Each case is pinned to a worker that has no other, rather than left to the scheduler: if a worker dies, it is clear
which case it died of. Only names of files are sent, so all workers have to see the same files; that is checked first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_data.faults import FaultList
from optimizer.comparison.case_task import CaseTask, Outcome
from optimizer.comparison.cases import CaseStatus, code_hash
from optimizer.comparison.workers import (
    STOP_FILE,
    Ended,
    ExecutorLostError,
    interrupts_blocked,
    probe,
    remember_stop,
    work,
)
from optimizer.runs.metadata import library_versions

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

_LOOK_S = 0.5  # between two looks at which workers there are
POLL_S = 0.05
CONNECT_S = 15.0
_PROBE_FILE = "probe"


class DaskExecutor:
    """
    Workers of a Dask cluster.

    Parameters
    ----------
    signals
        Folder shared with the workers.
    scheduler
        Address of a scheduler; None starts a cluster on this machine.

    Raises
    ------
    InputError
        If Dask is not installed, the scheduler does not answer or has no workers, or a worker does not see our files or
        runs another version.
    """

    def __init__(self, workers: int, signals: Path, scheduler: str | None = None) -> None:
        self._signals = signals
        self._cluster: LocalCluster | None = None
        faults = FaultList("the Dask cluster")
        try:
            import distributed
        except ImportError:
            faults.add("engine", "needs Dask", "Install it: pip install 'edwc[cluster]'.", value="dask")
            raise faults.error() from None
        # Workers that die are replaced, or are the reason of a failed case: Dask need not warn of them too.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            with interrupts_blocked():
                if scheduler is None:
                    self._cluster = distributed.LocalCluster(  # type: ignore[no-untyped-call]
                        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None,
                        memory_limit=0, silence_logs=logging.CRITICAL, local_directory=str(signals),
                    )  # fmt: skip
                self._client: Client = distributed.Client(  # type: ignore[no-untyped-call]
                    self._cluster or scheduler, timeout=CONNECT_S, set_as_default=False
                )
        except (OSError, ValueError, TypeError) as error:
            remedy = "Start one with `dask scheduler`, or leave the address out for a cluster on this machine."
            faults.add("scheduler", f"does not answer ({error})", remedy, value=scheduler)
            raise faults.error() from error
        self._pids: dict[str, int] = {}  # of usable workers by address
        self._useless: set[str] = set()
        self._running: dict[Future[Outcome], tuple[str, str]] = {}  # to case and address
        self._looked_s = 0.0
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_S)
            self._look(faults)
        except TimeoutError:
            faults.add("scheduler", "has no workers", "Start some with `dask worker`.", value=scheduler)
        if len(faults):
            self.close()
        faults.raise_if_any()

    def has_room(self) -> bool:
        """Whether a case could be started now."""
        return bool(self._free())

    def start(self, task: CaseTask) -> None:
        """Give a case to a free worker."""
        address = self._free()[0]
        key = f"edwc-{task.case.id}-{secrets.token_hex(8)}"
        future = self._client.submit(
            work, task, self._signals, key=key, workers=[address], allow_other_workers=False, pure=False, retries=0
        )  # type: ignore[no-untyped-call, unused-ignore]
        self._running[future] = (task.case.id, address)

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until a case ends; returns those that have. Raises ExecutorLostError if the scheduler is gone."""
        deadline = time.monotonic() + seconds
        while True:
            self._look()
            found = [ended for future in list(self._running) if (ended := self._ended(future)) is not None]
            if found or time.monotonic() >= deadline:
                return found
            time.sleep(POLL_S)

    def _ended(self, future: Future[Outcome]) -> Ended | None:
        case_id, address = self._running[future]
        status = future.status
        if status == "pending" and address in self._pids:
            return None
        del self._running[future]
        if status == "finished":
            with contextlib.suppress(Exception):  # the worker died with the result in its hands
                return Ended(case_id, future.result(timeout=CONNECT_S))
        error: BaseException | None = None
        if status == "error":
            error = future.exception(timeout=CONNECT_S)  # type: ignore[no-untyped-call]
        future.cancel()  # type: ignore[no-untyped-call]
        if error is None or type(error).__name__ == "KilledWorker":
            self._pids.pop(address, None)  # no case for it until it has been seen again
            return Ended(case_id, None, f"with all of its worker at {address}")
        return Ended(case_id, Outcome(CaseStatus.FAILED, f"internal error: {error!r}", has_plan=False))

    def stop(self) -> None:
        """Request that what is running ends."""
        (self._signals / STOP_FILE).touch()
        # A file is seen late through a network file system's cache.
        self._client.run(remember_stop, str(self._signals), wait=False, on_error="ignore")

    def kill(self) -> None:
        """End what is running, at once; on a cluster that is not ours it is only requested."""
        for future in self._running:
            future.cancel()  # type: ignore[no-untyped-call]
        if self._cluster is not None and self._running:
            for _, address in self._running.values():
                if (pid := self._pids.get(address)) is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        self._running.clear()

    def close(self) -> None:
        """Release the workers."""
        self.kill()
        self._client.close(timeout=CONNECT_S)  # type: ignore[no-untyped-call]
        if self._cluster is not None:
            self._cluster.close(timeout=CONNECT_S)

    def _free(self) -> list[str]:
        busy = {address for _, address in self._running.values()}
        return [address for address in self._pids if address not in busy]

    def _look(self, faults: FaultList | None = None) -> None:
        """See which workers there are, and try those that are new."""
        if time.monotonic() - self._looked_s < _LOOK_S:
            return
        if self._client.status != "running":
            raise ExecutorLostError("the Dask scheduler was lost")
        self._looked_s = time.monotonic()
        try:
            there = set(self._client.scheduler_info()["workers"])
        except OSError as error:
            raise ExecutorLostError(f"the Dask scheduler was lost ({error})") from error
        for address in set(self._pids) - there:
            del self._pids[address]
        self._useless &= there
        new = sorted(there - set(self._pids) - self._useless)
        if not new:
            return
        token = secrets.token_hex(8)
        (self._signals / _PROBE_FILE).write_text(token, encoding="utf-8")
        answers: dict[str, Any] = self._client.run(probe, str(self._signals), token, workers=new, on_error="return")  # type: ignore[no-untyped-call, unused-ignore]
        for address in new:
            answer = answers.get(address)
            problem = self._problem(answer, token)
            if problem:
                self._useless.add(address)
                if faults is not None:
                    faults.add(f"worker {address}", *problem)
            elif isinstance(answer, dict):
                self._pids[address] = int(answer["pid"])

    def _problem(self, answer: Any, token: str) -> tuple[str, str] | None:
        """Say what keeps a worker from being of use, and what to do about it."""
        if isinstance(answer, ImportError):
            return f"cannot run this program ({answer})", "Install the same version of edwc there."
        if not isinstance(answer, dict):
            return f"does not answer ({answer!r})", "Restart it."
        shared = "Put the output folder and the scenario's files where all workers see them under the same name."
        if answer["read"] != token:
            return f"does not see the folder of the comparison ({answer['read']})", shared
        written = self._signals / f"{_PROBE_FILE}-{answer['pid']}-{answer['token']}"
        if not written.is_file():
            return "writes to another folder of the same name", shared
        written.unlink()
        if answer["code"] != code_hash() or answer["versions"] != library_versions():
            return "runs other versions of edwc, Python or the libraries", "Install the same versions everywhere."
        return None

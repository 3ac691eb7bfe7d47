"""
Workers of a Dask cluster: one on this machine, or one whose scheduler is running already.

Each case is pinned to a worker that has no other, rather than left to the scheduler: if a worker dies, it is clear
which case it died of. Workers are sent the contents of files, each once, unless they share ours. That all run the same
versions is checked first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_data.faults import FaultList, InputError
from optimizer.comparison.cases import CaseStatus
from optimizer.comparison.workers.case_task import CaseTask, Outcome
from optimizer.comparison.workers.executor import (
    STOP_FILE,
    STOP_GRACE_S,
    Ended,
    ExecutorLostError,
    describe_process,
    interrupts_blocked,
    probe,
    remember_stop,
    work,
    write_progress,
)
from optimizer.comparison.workers.parcels import read_contents, unsent
from optimizer.comparison.workers.sent_work import SentOutcome, forget, receive, work_on_copy

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

_LOOK_S = 0.5  # between two looks at which workers there are
POLL_S = 0.05
CONNECT_S = 15.0
_FETCH_S = 60.0  # for a run to arrive
_SENT_GRACE_S = 5.0  # beyond the solver's answer to a stop: tables are made, and sent
_PROBE_FILE = "probe"


class DaskExecutor:
    """
    Workers of a Dask cluster.

    Parameters
    ----------
    signals
        Folder for signals; shared with workers that share files.
    scheduler
        Address of a scheduler; None starts a cluster on this machine.
    shared_files
        Whether the workers of the scheduler see our files under the same names, and read and write them; else tasks
        need their parcel, and runs are sent back. Those of a cluster on this machine do.

    Raises
    ------
    InputError
        If Dask is not installed, the scheduler does not answer or has no workers, or a worker does not see files that
        it should share, or runs another version.
    """

    def __init__(
        self, workers: int, signals: Path, scheduler: str | None = None, *, shared_files: bool = False
    ) -> None:
        self._signals = signals
        self._shares_files = shared_files or scheduler is None
        self._token = secrets.token_hex(8)  # of this comparison, for workers that share no folder with it
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
                        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
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
        self._sent: dict[str, dict[str, str]] = {}  # by address, files that the worker has: SHA-256 by name
        self._too_small: dict[str, set[str]] = {}  # by case, addresses of workers whose memory or disk was not enough
        self._running: dict[Future[Any], tuple[str, str]] = {}  # to case and address
        self._unsendable: list[Ended] = []
        self._looked_s = 0.0
        if not self._shares_files:
            self._client.subscribe_topic(self._token, self._take_progress)  # type: ignore[no-untyped-call]
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_S)
            self._look(faults)
        except TimeoutError:
            faults.add("scheduler", "has no workers", "Start some with `dask worker`.", value=scheduler)
        if len(faults):
            self.close()
        faults.raise_if_any()

    @property
    def stop_grace_s(self) -> float:
        """How long a solve may take to answer a stop."""
        return STOP_GRACE_S if self._shares_files else _SENT_GRACE_S

    def has_room(self, task: CaseTask) -> bool:
        """Whether this case could be started now: one that a worker was too small for waits for another."""
        return self._worker_for(task) is not None

    def start(self, task: CaseTask) -> None:
        """Give a case to a free worker."""
        address = self._worker_for(task)
        if address is None:
            raise RuntimeError("no worker is free")
        if self._shares_files:
            self._submit(address, task.case.id, work, task, self._signals)
            return
        try:
            why = self._send(address, task)
        except InputError as error:
            self._unsendable.append(Ended(task.case.id, Outcome(CaseStatus.FAILED, str(error), has_plan=False)))
            return
        if why:
            self._too_small.setdefault(task.case.id, set()).add(address)
            self._unsendable.append(Ended(task.case.id, None, f"as worker {address} did not take its files: {why}"))
            return
        self._submit(address, task.case.id, work_on_copy, replace(task, parcel=None), self._token)

    def _submit(self, address: str, case_id: str, *call: Any) -> None:
        key = f"edwc-{case_id}-{secrets.token_hex(8)}"
        future = self._client.submit(
            *call, key=key, workers=[address], allow_other_workers=False, pure=False, retries=0
        )  # type: ignore[no-untyped-call, unused-ignore]
        self._running[future] = (case_id, address)

    def _send(self, address: str, task: CaseTask) -> str:
        """Send a worker what it does not have yet; returns why it could not take it."""
        if task.parcel is None:
            raise ValueError(f"case {task.case.id} has no parcel")
        known = self._sent.setdefault(address, {})
        new = unsent(task.parcel, known)
        parcel = replace(task.parcel, files=new)
        answers = self._run(receive, self._token, parcel, read_contents(new), workers=[address])
        if answers.get(address, "it is gone") is not None:
            return repr(answers.get(address, "it is gone"))
        known.update(new)
        return ""

    def _run(self, function: Any, *arguments: Any, workers: list[str]) -> dict[str, Any]:
        """Call a function in workers, beside what they solve; a value may be the exception that it raised."""
        answers: dict[str, Any] = self._client.run(function, *arguments, workers=workers, on_error="return")  # type: ignore[no-untyped-call, unused-ignore]
        return answers

    def _take_progress(self, event: tuple[float, Any]) -> None:
        case_id, plan_cny, bound_cny, goal = event[1]
        write_progress(self._signals / f"{case_id}.json", (float(plan_cny), float(bound_cny), goal))

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until a case ends; returns those that have. Raises ExecutorLostError if the scheduler is gone."""
        deadline = time.monotonic() + seconds
        while True:
            self._look()
            unsendable, self._unsendable = self._unsendable, []
            found = unsendable + [ended for future in list(self._running) if (ended := self._ended(future)) is not None]
            if found or time.monotonic() >= deadline:
                return found
            time.sleep(POLL_S)

    def _ended(self, future: Future[Any]) -> Ended | None:
        case_id, address = self._running[future]
        status = future.status
        if status == "pending" and address in self._pids:
            return None
        del self._running[future]
        if status == "finished":
            with contextlib.suppress(Exception):  # the worker died with the result in its hands
                return self._arrived(case_id, address, future.result(timeout=_FETCH_S))
        error: BaseException | None = None
        if status == "error":
            error = future.exception(timeout=CONNECT_S)  # type: ignore[no-untyped-call]
        future.cancel()  # type: ignore[no-untyped-call]
        if error is None or type(error).__name__ == "KilledWorker":
            self._pids.pop(address, None)  # no case for it until it has been seen again
            return Ended(case_id, None, f"with the whole worker {address}, as when memory runs out")
        return Ended(case_id, Outcome(CaseStatus.FAILED, f"internal error: {error!r}", has_plan=False))

    def _arrived(self, case_id: str, address: str, found: Outcome | SentOutcome) -> Ended:
        outcome, run = (found.outcome, found.run) if isinstance(found, SentOutcome) else (found, None)
        if outcome.is_out_of_memory:
            self._too_small.setdefault(case_id, set()).add(address)
            outcome = replace(outcome, reason=f"worker {address}: {outcome.reason}")
        return Ended(case_id, outcome, run=run)

    def stop(self) -> None:
        """Request that what is running ends."""
        if self._shares_files:
            (self._signals / STOP_FILE).touch()
        # A file is seen late through a network file system's cache.
        comparison = str(self._signals) if self._shares_files else self._token
        if busy := [address for _, address in self._running.values() if address in self._pids]:
            self._run(remember_stop, comparison, workers=busy)

    def kill(self) -> None:
        """End what is running, at once; on a cluster that is not ours it is cancelled, which solves notice."""
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
        if self._sent and self._client.status == "running":
            with contextlib.suppress(OSError):
                self._run(forget, self._token, workers=[address for address in self._sent if address in self._pids])
        self._client.close(timeout=CONNECT_S)  # type: ignore[no-untyped-call]
        if self._cluster is not None:
            self._cluster.close(timeout=CONNECT_S)

    def _worker_for(self, task: CaseTask) -> str | None:
        busy = {address for _, address in self._running.values()}
        too_small = self._too_small.get(task.case.id, set())
        larger = [address for address in self._pids if address not in too_small]
        return next((address for address in larger or self._pids if address not in busy), None)

    def _look(self, faults: FaultList | None = None) -> None:
        """See which workers there are, and try those that are new."""
        if time.monotonic() - self._looked_s < _LOOK_S:
            return
        if self._client.status != "running":
            raise ExecutorLostError("the Dask scheduler was lost")
        self._looked_s = time.monotonic()
        try:
            # Not `scheduler_info`: the client refreshes it beside us, without workers, and ours would seem to be gone.
            there = set(self._client.sync(self._client.scheduler.identity)["workers"])  # type: ignore[no-untyped-call, union-attr, unused-ignore]
        except OSError as error:
            raise ExecutorLostError(f"the Dask scheduler was lost ({error})") from error
        for address in set(self._pids) - there:
            del self._pids[address]
        self._useless &= there
        new = sorted(there - set(self._pids) - self._useless)
        if not new:
            return
        self._try(new, faults)

    def _try(self, new: list[str], faults: FaultList | None) -> None:
        """See which of the new workers are of use."""
        token = secrets.token_hex(8)
        if self._shares_files:
            (self._signals / _PROBE_FILE).write_text(token, encoding="utf-8")
            answers = self._run(probe, str(self._signals), token, workers=new)
        else:
            answers = self._run(describe_process, workers=new)
        for address in new:
            answer = answers.get(address)
            problem = self._problem(answer, token)
            if problem:
                self._useless.add(address)
                if faults is not None:
                    faults.add(f"worker {address}", *problem)
            elif isinstance(answer, dict):
                self._pids[address] = int(answer["pid"])
                self._sent.pop(address, None)  # another process may have had the address before

    def _problem(self, answer: Any, token: str) -> tuple[str, str] | None:
        """Say what keeps a worker from being of use, and what to do about it."""
        if isinstance(answer, ImportError):
            return f"cannot run this program ({answer})", "Install the same version of edwc there."
        if not isinstance(answer, dict):
            return f"does not answer ({answer!r})", "Restart it."
        if self._shares_files:
            shared = "Put the output folder and the scenario's files where all workers see them under the same name."
            if answer["read"] != token:
                return f"does not see the folder of the comparison ({answer['read']})", shared
            written = self._signals / f"{_PROBE_FILE}-{answer['pid']}-{answer['token']}"
            if not written.is_file():
                return "writes to another folder of the same name", shared
            written.unlink()
        return _difference(answer, describe_process())


def _difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[str, str] | None:
    """Say in what a worker differs from this process, and what to do about it; None if results are the same."""
    versions = [
        f"{name} {there['versions'].get(name)} instead of {version}"
        for name, version in here["versions"].items()
        if there["versions"].get(name) != version
    ]
    if versions:
        return f"runs other versions: {', '.join(versions)}", "Install the same versions everywhere (constraints.txt)."
    if there["code"] != here["code"]:
        return "runs other code of edwc under the same version", "Install edwc there from the same source."
    if there["built_in"] != here["built_in"]:
        return "has other built-in scenarios or networks", "Install edwc there from the same source."
    return None

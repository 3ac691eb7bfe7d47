"""Solve the cases of a comparison, each into a run folder of its own, on any executor; report the progress."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from network_data.faults import InputError
from optimizer.comparison.case_task import CaseTask
from optimizer.comparison.cases import (
    CASE_KEY,
    REFERENCE,
    Case,
    CaseKeys,
    CaseResult,
    CaseStatus,
    code_hash,
    key_of_run,
    plan_hash,
)
from optimizer.comparison.folder import ComparisonFolder
from optimizer.comparison.local_workers import LocalExecutor
from optimizer.comparison.parcels import Parcel, SentRun, pack_inputs, pack_run
from optimizer.comparison.searches import SearchResult
from optimizer.comparison.workers import (
    Ended,
    Executor,
    ExecutorLostError,
    SerialExecutor,
    read_progress,
)
from optimizer.runs.folder import read_intact_info
from optimizer.runs.metadata import absolute_override, library_versions
from optimizer.solvers.control import Progress, relative_gap

_UNKNOWN = (float("inf"), float("-inf"))


@dataclass(frozen=True)
class Running:
    """A case that is being solved."""

    case_id: str
    seconds: float  # since it was started
    mip_rel_gap: float  # so far; infinite while there is none


@dataclass(frozen=True)
class SweepProgress:
    """The progress of a comparison."""

    done: int  # cases that have ended
    total: int  # all that are known
    reused: int  # of those done, how many were taken from the folder
    running: tuple[Running, ...]  # cases that are being solved
    seconds: float  # since the start
    seconds_left: float | None  # an estimate; None before the first case has ended
    ended: str = ""  # case that has just ended, with its status


@dataclass
class _SweepClock:
    """Counts cases and reports them, in between at most every `every_s` seconds."""

    report: Callable[[SweepProgress], None] | None
    progress_of: Callable[[str], tuple[float, float] | None]  # best plan and bound of a case so far
    every_s: float = 1.0
    total: int = 0
    done: int = 0
    reused: int = 0
    started: float = field(default_factory=time.monotonic)
    _reported_s: float = -1e9
    _workers: int = 1
    _lengths_s: list[float] = field(default_factory=list)
    _begun: dict[str, float] = field(default_factory=dict)

    def begin(self, case_id: str) -> None:
        """Note that a case is being solved, and report it."""
        self._begun[case_id] = time.monotonic()
        self._workers = max(self._workers, len(self._begun))
        self._report()

    def end(self, case_id: str, status: str, *, is_reused: bool = False) -> None:
        """Note that a case has ended."""
        if (begun := self._begun.pop(case_id, None)) is not None:
            self._lengths_s.append(time.monotonic() - begun)
        self.done += 1
        self.reused += is_reused
        if not is_reused:
            self._report(f"{case_id} {status}")

    def abandon(self, case_id: str) -> None:
        """Note that a case is not being solved any more, and will be again."""
        self._begun.pop(case_id, None)

    def tick(self) -> None:
        """Report the progress, if it is time for it."""
        if time.monotonic() - self._reported_s >= self.every_s:
            self._report()

    def _report(self, ended: str = "") -> None:
        if self.report is None:
            return
        now = time.monotonic()
        if not ended:
            self._reported_s = now
        running = tuple(
            Running(case_id, now - begun, relative_gap(*(self.progress_of(case_id) or _UNKNOWN)))
            for case_id, begun in self._begun.items()
        )
        self.report(
            SweepProgress(self.done, self.total, self.reused, running, now - self.started, self._left(running), ended)
        )

    def _left(self, running: tuple[Running, ...]) -> float | None:
        """Estimate from the mean time of ended cases and the most workers that were busy at once."""
        if not self._lengths_s:
            return None
        mean = sum(self._lengths_s) / len(self._lengths_s)
        begun = sum(max(0.0, mean - case.seconds) for case in running)
        waiting = max(0, self.total - self.done - len(running)) * mean
        return (begun + waiting) / self._workers


EngineName = Literal["serial", "local", "dask"]
ENGINES: tuple[str, ...] = get_args(EngineName)
POLL_S = 0.2
_MAX_TRIES = 3  # of a case whose workers die or run out of memory

# Each worker is one process with one thread: two settings that would make results depend on their number.
_SETTINGS = ("solver.threads=1",)
_OTHER_INPUTS = "its inputs changed while it was solved, or its worker sees others"


class CaseRunner:
    """
    Solves cases of one scenario, each once.

    Results depend on the case and the reference alone: every executor, with any number of workers, writes the same run
    folders, times aside.

    Parameters
    ----------
    out
        Folder of the comparison; None for one that is removed with the runner (use it in a `with` statement). Cases
        that an older comparison left there are used again if they were solved from the same.
    engine
        serial = in this process; local = processes of this machine; dask = workers of a cluster (extra `cluster`).
    workers
        How many processes; None = one for each processor.
    scheduler
        Address of a Dask scheduler; None starts a cluster on this machine.
    shared_files
        Whether the workers of the scheduler see our files under the same names, and are sent names; else contents.
    request
        The request in words, kept in `comparison.json`.

    Raises
    ------
    InputError
        If the folder cannot be used.
    """

    def __init__(  # noqa: PLR0913 - options, keyword-only
        self,
        scenario: str | Path,
        overrides: Sequence[str] = (),
        *,
        out: str | Path | None = None,
        reference: Case = REFERENCE,
        engine: EngineName = "serial",
        workers: int | None = None,
        scheduler: str | None = None,
        shared_files: bool = False,
        request: Mapping[str, Any] | None = None,
        force: bool = False,
        report: Callable[[SweepProgress], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        path = Path(scenario)
        self.scenario: str | Path = path.absolute() if path.is_file() else scenario
        self.overrides = tuple(absolute_override(text) for text in (*_SETTINGS, *overrides))
        self.reference = reference
        self.name = ""  # of the scenario, once it has been read
        self._temporary = tempfile.TemporaryDirectory(prefix="edwc-compare-") if out is None else None
        self._folder = ComparisonFolder(self._temporary.name if self._temporary is not None else str(out))
        self.out = self._folder.path
        self._engine_name, self._workers, self._scheduler = engine, workers or len(os.sched_getaffinity(0)), scheduler
        self._shared_files, self._sends_files = shared_files, scheduler is not None and not shared_files
        self._executor: Executor | None = None
        self._request, self._force = dict(request or {}), force
        self._searches: list[dict[str, Any]] = []
        self._stop = stop if stop is not None else threading.Event()
        self._clock = _SweepClock(report, self._progress_of)
        self._progress: dict[str, tuple[float, float]] = {}  # of the serial executor
        self._keys = CaseKeys(self.scenario)
        self._key_of: dict[str, str] = {}
        self._cases: dict[str, Case] = {}
        self._done: dict[str, CaseResult] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, and remove a temporary folder."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None
        self._folder.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def reference_result(self) -> CaseResult:
        """The reference, solved if it is not yet."""
        return self.run([])[self.reference.id]

    @property
    def results(self) -> dict[str, CaseResult]:
        """The results so far, by id, in the order of the requests."""
        return {name: self._done[name] for name in self._cases if name in self._done}

    def run(self, cases: Sequence[Case]) -> dict[str, CaseResult]:
        """
        Solve cases, the reference before all others.

        Returns
        -------
        dict
            Results by id: of the reference and of the cases, in this order.

        Raises
        ------
        InputError
            If the scenario cannot be read, whatever the case, or the executor cannot be used.
        ValueError
            If two different cases have the same id.
        """
        wanted: dict[str, Case] = {}
        for case in (self.reference, *cases):
            if wanted.setdefault(case.id, self._cases.get(case.id, case)) != case:
                raise ValueError(f"two different cases have the id {case.id}")
        self._cases |= wanted
        new = [case for name, case in wanted.items() if name not in self._done]
        if new:
            self.name = self._keys.load(self.overrides)[0].name
            self._clock.total += len(new)
            self._write()
            self._solve([case for case in new if case == self.reference])
            self._solve([case for case in new if case != self.reference])
        return {name: self._done[name] for name in wanted}

    def keep_searches(self, found: Iterable[SearchResult]) -> None:
        """Write into `comparison.json` what searches found beside their tables."""
        self._searches = [{"kind": type(one).__name__, "stem": one.stem, "facts": one.facts()} for one in found]
        self._write()

    def _solve(self, cases: Sequence[Case]) -> None:
        tasks = [task for case in cases if (task := self._prepare(case)) is not None]
        if len(tasks) < len(cases):
            self._write()
        if tasks:
            self._run_tasks(deque(tasks))

    def _prepare(self, case: Case) -> CaseTask | None:
        """Make the task of a case; None if its result is known: stored, or faults of the inputs."""
        of_reference = self._done.get(self.reference.id)
        start = plan_hash(of_reference.info) if of_reference is not None and of_reference.has_plan else None
        own = tuple(absolute_override(text) for text in case.overrides)
        try:
            scenario, network = self._keys.load((*self.overrides, *own))
        except InputError as error:
            self._end(CaseResult(case, CaseStatus.FAILED, str(error)))
            return None
        key = self._key_of[case.id] = self._keys.key(scenario, network, start)
        if not self._force and (stored := self._folder.stored(case, key)) is not None:
            self._done[case.id] = stored
            self._clock.end(case.id, stored.status, is_reused=True)
            return None
        folder = self._folder.case_folder(case)
        notes = {CASE_KEY: {"id": case.id, "label": case.label, "start": start, "code": code_hash()}}
        reference = None if of_reference is None else of_reference.folder
        parcel = None
        if self._sends_files:
            parcel = pack_inputs(scenario, network)
            if of_reference is not None and of_reference.folder is not None:
                parcel |= self._reference_parcel
        return CaseTask(self.scenario, self.overrides, replace(case, overrides=own), folder, reference, notes, parcel)

    @cached_property
    def _reference_parcel(self) -> Parcel:
        """Name what the other cases start from: the run of the reference, with its inputs."""
        found = self._done[self.reference.id]
        own = (absolute_override(text) for text in self.reference.overrides)
        return pack_inputs(*self._keys.load((*self.overrides, *own))) | pack_run(
            self._folder.case_folder(self.reference), found.info
        )

    def _run_tasks(self, waiting: deque[CaseTask]) -> None:
        executor = self._ready_executor()
        running: dict[str, CaseTask] = {}
        try:
            self._drive(executor, waiting, running)
        except ExecutorLostError as error:
            self._give_up(running, waiting, CaseStatus.FAILED, (str(error), str(error)))

    def _drive(self, executor: Executor, waiting: deque[CaseTask], running: dict[str, CaseTask]) -> None:
        deaths: Counter[str] = Counter()
        while waiting or running:
            if self._stop.is_set():
                self._end_early(executor, running, waiting)
                return
            # A case that was lost waits in front for a worker that takes it; the others are all alike.
            while task := next((one for one in islice(waiting, len(deaths) + 1) if executor.has_room(one)), None):
                waiting.remove(task)
                executor.start(task)
                running[task.case.id] = task
                self._clock.begin(task.case.id)
            for ended in executor.wait(POLL_S):
                task = running.pop(ended.case_id)
                if self._is_lost(task, ended):
                    deaths[ended.case_id] += 1
                    if deaths[ended.case_id] < _MAX_TRIES:
                        self._clock.abandon(ended.case_id)
                        waiting.appendleft(task)
                        continue
                self._end(self._result(task, ended))
                self._write()
            self._clock.tick()

    def _end_early(self, executor: Executor, running: dict[str, CaseTask], waiting: deque[CaseTask]) -> None:
        """Stop what is being solved, keep what it has found, and end workers that do not answer."""
        executor.stop()
        deadline = time.monotonic() + executor.stop_grace_s
        while running and (left := deadline - time.monotonic()) > 0:
            for ended in executor.wait(min(left, POLL_S)):
                if ended.outcome is not None:
                    self._end(self._result(running.pop(ended.case_id), ended))
        executor.kill()
        reasons = ("interrupted", "not begun: the comparison was interrupted")
        self._give_up(running, waiting, CaseStatus.NO_PLAN, reasons)

    def _give_up(
        self, running: dict[str, CaseTask], waiting: deque[CaseTask], status: CaseStatus, reasons: tuple[str, str]
    ) -> None:
        """End cases that were running, and those that were not yet, with a reason each."""
        for tasks, reason in zip((running.values(), waiting), reasons, strict=True):
            for task in tasks:
                self._end(CaseResult(self._cases[task.case.id], status, reason))
        self._write()

    def _is_lost(self, task: CaseTask, ended: Ended) -> bool:
        """Whether a case is to be solved again: its worker died before its run was complete, or was too small."""
        if ended.outcome is not None:
            return ended.outcome.is_out_of_memory and self._engine_name == "dask"  # others may have more
        return self._folder.stored(task.case, self._key_of[task.case.id]) is None

    def _result(self, task: CaseTask, ended: Ended) -> CaseResult:
        case, outcome = self._cases[task.case.id], ended.outcome
        if outcome is not None and not outcome.has_plan:
            return CaseResult(case, outcome.status, outcome.reason)
        if ended.run is not None and (fault := self._keep_run(task, ended.run)):
            return CaseResult(case, CaseStatus.FAILED, fault)
        info = read_intact_info(task.folder)
        if info is not None and key_of_run(info) == self._key_of[case.id]:
            return CaseResult.of_run(case, task.folder, info)
        if outcome is None:
            why = f"its worker died each of the {_MAX_TRIES} times it was tried, the last time {ended.death}"
        elif info is None:
            why = "its run folder is damaged"
        else:
            why = _OTHER_INPUTS
        return CaseResult(case, CaseStatus.FAILED, why)

    def _keep_run(self, task: CaseTask, run: SentRun) -> str:
        """Write a run that was sent; returns what keeps it from being written."""
        try:
            scenario, network = self._keys.load((*task.overrides, *task.case.overrides))
            if not run.is_of(scenario, network):
                return _OTHER_INPUTS
            run.write(task.folder, scenario, network)
        except (InputError, OSError) as error:
            return str(error)
        return ""

    def _end(self, result: CaseResult) -> None:
        self._done[result.case.id] = result
        self._clock.end(result.case.id, result.status)
        if not result.has_plan:
            self._folder.discard(result.case, self._key_of.get(result.case.id))

    def _write(self) -> None:
        head = {
            "asked": self._request,
            "searches": self._searches,
            "name": self.name,
            "scenario": str(self.scenario),
            "overrides": self.overrides,
            "reference": self.reference.id,
            "versions": library_versions(),
            "code": code_hash(),
        }
        self._folder.write(head, self.results.values(), self._key_of)

    def _ready_executor(self) -> Executor:
        if self._executor is None:
            if self._engine_name == "serial":
                self._executor = SerialExecutor(self._stop, self._take_progress)
            elif self._engine_name == "local":
                self._executor = LocalExecutor(self._workers, self._folder.signals)
            else:
                from optimizer.comparison.dask_workers import DaskExecutor  # the library is an extra

                self._executor = DaskExecutor(
                    self._workers, self._folder.signals, self._scheduler, shared_files=self._shared_files
                )
        return self._executor

    def _take_progress(self, case_id: str, line: Progress) -> None:
        """Note a line of progress of the serial executor, which is in this thread."""
        plan_cny, bound_cny = self._progress.get(case_id, _UNKNOWN)
        self._progress[case_id] = min(plan_cny, line.incumbent_cny), max(bound_cny, line.bound_cny)
        self._clock.tick()

    def _progress_of(self, case_id: str) -> tuple[float, float] | None:
        return self._progress.get(case_id) or read_progress(self._folder.signals, case_id)

"""Solve the cases of a comparison, each into a run folder of its own, on any executor; report the progress."""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from network_data.faults import FULL_DISK, InputError
from network_data.load import Network
from optimizer.comparison.cases import (
    CASE_KEY,
    REFERENCE,
    Case,
    CaseKeys,
    CaseResult,
    CaseStatus,
    code_hash,
    has_learned,
    key_of_run,
    plan_hash,
    state_hash,
)
from optimizer.comparison.folder import ComparisonFolder
from optimizer.comparison.order import Place, order_of
from optimizer.comparison.searches import SearchResult
from optimizer.comparison.sweep_clock import UNKNOWN, SoFar, SweepClock, SweepProgress
from optimizer.comparison.workers.case_task import CaseTask
from optimizer.comparison.workers.executor import (
    Ended,
    Executor,
    ExecutorLostError,
    SerialExecutor,
    read_progress,
)
from optimizer.comparison.workers.local_workers import LocalExecutor
from optimizer.comparison.workers.parcels import Parcel, SentRun, join_parcels, pack_inputs, pack_run
from optimizer.runs.folder import read_intact_info
from optimizer.runs.metadata import absolute_override, library_versions
from optimizer.solvers.control import Progress
from scenarios.schema import Scenario

EngineName = Literal["serial", "local", "dask"]
ENGINES: tuple[str, ...] = get_args(EngineName)
POLL_S = 0.2
_MOST_NEAR = 48  # cases whose plans and bounds one may start from
_MAX_TRIES = 3  # of a case whose workers die or run out of memory

_End = Callable[[CaseTask, CaseResult], None]  # what is done with a task that has ended


@dataclass(frozen=True)
class Step:
    """What a solved case is taken further with."""

    plans: tuple[Path, ...] = ()  # run folders of other cases, whose plans may be better
    mip_rel_gap: float | None = None  # to search for; None takes the cheapest of the plans as it is
    time_limit_s: float = math.inf  # where it is shorter than that of the scenario


def _improved(first: CaseResult, after: CaseResult) -> CaseResult:
    """Take what a step has found; the gap that was asked for is still that of the case as it was solved first."""
    asked = float(first.info["options"]["mip_rel_gap"])
    is_solved = first.status == CaseStatus.SOLVED or after.mip_rel_gap <= asked
    return replace(after, status=CaseStatus.SOLVED, reason="") if is_solved else after


# Each worker is one process with one thread: two settings that would make results depend on their number.
_SETTINGS = ("solver.threads=1",)
_OTHER_INPUTS = "its inputs changed while it was solved, or its worker sees others"


class CaseRunner:
    """
    Solves cases of one scenario, each once.

    Results depend on the cases and their order alone: every executor, with any number of workers, writes the same run
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
    keep_learned
        Whether run folders hold the cuts that were found, for `improve`; with `known_plans` all do, and that of the
        reference always does.
    known_plans
        Whether a case may start from the plans of the batches before it, and keep one that is within its gap. Without,
        what is found says nothing of the plan of the reference.

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
        keep_learned: bool = False,
        known_plans: bool = True,
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
        self._request, self._force, self._keep_learned = dict(request or {}), force, keep_learned
        self._known_plans = known_plans
        self._searches: list[dict[str, Any]] = []
        self._stop = stop if stop is not None else threading.Event()
        self._clock = SweepClock(report, self._progress_of)
        self._progress: dict[str, SoFar] = {}  # of the serial executor
        self._keys = CaseKeys(self.scenario)
        self._key_of: dict[str, str] = {}
        self._cases: dict[str, Case] = {}
        self._is_ending = False  # cases that are not begun yet never will be
        self._first: dict[str, CaseResult] = {}  # as solved, before any step
        self._done: dict[str, CaseResult] = {}
        self._steps: Counter[str] = Counter()
        self._packed: dict[Path, Parcel] = {}  # runs that have been sent
        self._packed_inputs: dict[str, Parcel] = {}  # by case
        self._learned: dict[str, Path] = {}  # run folder with the cuts of the last solve of a case

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
    def reference_as_solved(self) -> CaseResult:
        """The reference before any step: what cases are made from must not change when a step improves it."""
        return self._first.get(self.reference.id) or self.reference_result

    @property
    def results(self) -> dict[str, CaseResult]:
        """The results so far, by id, in the order of the requests; each with what its last step has improved."""
        return {name: self._done[name] for name in self._cases if name in self._done}

    @property
    def workers(self) -> int:
        """How many cases are solved at a time."""
        return 1 if self._engine_name == "serial" else self._workers

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

    def improve(self, steps: Mapping[str, Step]) -> dict[str, CaseResult]:
        """
        Take each of some solved cases a step further, all as one batch.

        A step starts from the plan, the bound and the cuts that the case has, and from plans of others; its run folder
        stands beside that of the case. What has been done in the same order before is taken from the folder.

        Parameters
        ----------
        steps
            By id of cases that have a plan.

        Returns
        -------
        dict
            How each step ended, by id. `results` hold the better of before and after.
        """
        ended: dict[str, CaseResult] = {}

        def end(task: CaseTask, result: CaseResult) -> None:
            name = task.case.id
            ended[name] = result
            if result.has_plan:
                self._done[name] = _improved(self._first[name], result)
                self._steps[name] += 1
                if has_learned(result.info):  # nothing is learned where the known plan was within the gap
                    self._learned[name] = task.folder
            self._clock.end(name, result.status)

        self._clock.total += len(steps)
        tasks = list[CaseTask]()
        for task in [self._prepare_step(name, step) for name, step in steps.items()]:
            stored = None if self._force else self._folder.stored_run(task.case, task.key, task.folder)
            if stored is None:
                tasks.append(task)
            else:
                end(task, stored)
        if tasks:
            self._run_tasks(iter(tasks), end)
        self._write()
        return ended

    def _prepare_step(self, name: str, step: Step) -> CaseTask:
        case, result = self._cases[name], self._done[name]
        if result.folder is None:
            raise ValueError(f"case {name} has no plan")
        own = tuple(absolute_override(text) for text in case.overrides)
        further = () if step.mip_rel_gap is None else (f"solver.mip_rel_gap={step.mip_rel_gap!r}",)
        plans, learned = (result.folder, *step.plans), None
        if step.mip_rel_gap is not None:
            learned = self._learned.get(name, self._learned.get(self.reference.id))
        read = (*plans, *([] if learned is None else [learned]))
        start = state_hash([read_intact_info(folder) or {} for folder in read])
        scenario, network = self._keys.load((*self.overrides, *own, *further))
        number = self._steps[name] + 1
        return CaseTask(
            self.scenario,
            self.overrides,
            replace(case, overrides=own),
            self._folder.step_folder(case, number),
            key=self._keys.key(scenario, network, start),
            learned=learned,
            plans=plans,
            bound_cny=result.bound_cny,
            is_enough=step.mip_rel_gap is None,
            further=further,
            time_limit_s=step.time_limit_s,
            keep_learned=step.mip_rel_gap is not None,
            parcel=self._pack(scenario, network, learned, plans),
            notes={CASE_KEY: {"id": case.id, "label": case.label, "start": start, "code": code_hash()}},
        )

    def _solve(self, cases: Sequence[Case]) -> None:
        """Solve cases, each from the best that has been found in those before it."""
        self._is_ending = False
        self._run_tasks(self._prepared(cases), lambda _, result: self._end(result))
        self._write()

    def _prepared(self, cases: Sequence[Case]) -> Iterator[CaseTask | None]:
        """Prepare a task for each case that is not stored; None as long as cases that it may know of are not solved."""
        earlier, order = list(self.results.values()), order_of(cases)
        for case, count in order if self._known_plans else [Place(case, 0) for case in cases]:
            before = [place.case.id for place in order[:count]]
            while not self._is_ending and any(name not in self._done for name in before):
                yield None
            known = [*earlier, *(self._done[name] for name in before if name in self._done)]
            folders = {one.case.id: one.folder for one in known if one.folder is not None}
            task = self._prepare(case, self._near(case, folders) if self._known_plans else {})
            if task is not None:
                yield task

    def _near(self, case: Case, known: Mapping[str, Path]) -> dict[str, Path]:
        """Run folders of the cases that one may start from: the reference first, and the nearest in the list."""
        place = {name: number for number, name in enumerate(self._cases)}
        nearest = sorted(known, key=lambda name: (name != self.reference.id, abs(place[name] - place[case.id])))
        return {name: known[name] for name in nearest[:_MOST_NEAR]}

    def _prepare(self, case: Case, near: Mapping[str, Path]) -> CaseTask | None:
        """Make the task of a case, to start from the best of others; None if it is stored or its inputs are bad."""
        of_reference = self._first.get(self.reference.id)
        start = plan_hash(of_reference.info) if of_reference is not None and of_reference.has_plan else None
        own = tuple(absolute_override(text) for text in case.overrides)
        try:
            scenario, network = self._keys.load((*self.overrides, *own))
        except InputError as error:
            self._end(CaseResult(case, CaseStatus.FAILED, str(error)))
            return None
        key = self._key_of[case.id] = self._keys.key(scenario, network, start)
        if not self._force and (stored := self._folder.stored(case, key)) is not None:
            self._keep(stored)
            self._clock.end(case.id, stored.status, is_reused=True)
            return None
        learned = None if of_reference is None else of_reference.folder
        return CaseTask(
            self.scenario,
            self.overrides,
            replace(case, overrides=own),
            self._folder.case_folder(case),
            key=key,
            learned=learned,
            plans=tuple(near.values()),
            learns_from_plan=True,
            keep_learned=self._keep_learned or self._known_plans or case == self.reference,
            parcel=self._pack(scenario, network, learned, tuple(near.values())),
            notes={CASE_KEY: {"id": case.id, "label": case.label, "start": start, "code": code_hash()}},
        )

    def _pack(
        self,
        scenario: Scenario,
        network: Network,
        learned: Path | None,
        plans: tuple[Path, ...],
    ) -> Parcel | None:
        """Name all that a case is solved from, for workers that see none of it; None for those that do."""
        if not self._sends_files:
            return None
        inputs = [pack_inputs(scenario, network)]
        if learned is not None:  # a case that differs in prices alone is decomposed like the reference
            inputs.append(self._inputs_of(self.reference.id))
        runs = dict.fromkeys((*plans, *([] if learned is None else [learned])))
        return join_parcels([*inputs, *(self._pack_run(folder) for folder in runs)])

    def _pack_run(self, folder: Path) -> Parcel:
        if folder not in self._packed:
            self._packed[folder] = pack_run(folder)
        return self._packed[folder]

    def _inputs_of(self, name: str) -> Parcel:
        if name not in self._packed_inputs:
            own = (absolute_override(text) for text in self._cases[name].overrides)
            self._packed_inputs[name] = pack_inputs(*self._keys.load((*self.overrides, *own)))
        return self._packed_inputs[name]

    def _run_tasks(self, tasks: Iterator[CaseTask | None], end: _End) -> None:
        waiting, running = deque[CaseTask](), dict[str, CaseTask]()
        if not self._fill(waiting, tasks, 1):
            return  # all is stored, and no worker is needed
        try:
            self._drive(self._ready_executor(), tasks, waiting, running, end)
        except ExecutorLostError as error:
            self._is_ending = True
            waiting.extend(task for task in tasks if task is not None)
            self._give_up(running, waiting, end, CaseStatus.FAILED, (str(error), str(error)))

    def _drive(
        self,
        executor: Executor,
        tasks: Iterator[CaseTask | None],
        waiting: deque[CaseTask],
        running: dict[str, CaseTask],
        end: _End,
    ) -> None:
        deaths, is_more = Counter[str](), True
        while waiting or running or is_more:
            if self._stop.is_set():
                self._is_ending = True
                waiting.extend(task for task in tasks if task is not None)
                self._end_early(executor, running, waiting, end)
                return
            while True:
                is_more = is_more and self._fill(waiting, tasks, len(deaths) + 1)
                # A case that was lost waits in front for a worker that takes it; the others are all alike.
                task = next((one for one in islice(waiting, len(deaths) + 1) if executor.has_room(one)), None)
                if task is None:
                    break
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
                end(task, self._result(task, ended))
                self._write()
            self._clock.tick()

    @staticmethod
    def _fill(waiting: deque[CaseTask], tasks: Iterator[CaseTask | None], count: int) -> bool:
        """Let so many tasks wait, if so many are ready; say whether there are more, or any that wait."""
        while len(waiting) < count:
            try:
                task = next(tasks)
            except StopIteration:
                return bool(waiting)
            if task is None:
                break
            waiting.append(task)
        return True

    def _end_early(self, executor: Executor, running: dict[str, CaseTask], waiting: deque[CaseTask], end: _End) -> None:
        """Stop what is being solved, keep what it has found, and end workers that do not answer."""
        executor.stop()
        deadline = time.monotonic() + executor.stop_grace_s
        while running and (left := deadline - time.monotonic()) > 0:
            for ended in executor.wait(min(left, POLL_S)):
                if ended.outcome is not None:
                    task = running.pop(ended.case_id)
                    end(task, self._result(task, ended))
        executor.kill()
        reasons = ("interrupted", "not begun: the comparison was interrupted")
        self._give_up(running, waiting, end, CaseStatus.NO_PLAN, reasons)

    def _give_up(
        self,
        running: dict[str, CaseTask],
        waiting: deque[CaseTask],
        end: _End,
        status: CaseStatus,
        reasons: tuple[str, str],
    ) -> None:
        """End cases that were running, and those that were not yet, with a reason each."""
        for tasks, reason in zip((running.values(), waiting), reasons, strict=True):
            for task in tasks:
                end(task, CaseResult(self._cases[task.case.id], status, reason))
        self._write()

    def _is_lost(self, task: CaseTask, ended: Ended) -> bool:
        """Whether a case is to be solved again: its worker died before its run was complete, or was too small."""
        if ended.outcome is not None:
            return ended.outcome.is_out_of_memory and self._engine_name == "dask"  # others may have more
        return self._folder.stored_run(task.case, task.key, task.folder) is None

    def _result(self, task: CaseTask, ended: Ended) -> CaseResult:
        case, outcome = self._cases[task.case.id], ended.outcome
        if outcome is not None and not outcome.has_plan:
            return CaseResult(case, outcome.status, outcome.reason)
        if ended.run is not None and (fault := self._keep_run(task, ended.run)):
            return CaseResult(case, CaseStatus.FAILED, fault)
        info = read_intact_info(task.folder)
        if info is not None and key_of_run(info) == task.key:
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
            scenario, network = self._keys.load((*task.overrides, *task.case.overrides, *task.further))
            if not run.is_of(scenario, network):
                return _OTHER_INPUTS
            run.write(task.folder, scenario, network)
        except (InputError, OSError) as error:
            return str(error)
        return ""

    def _keep(self, result: CaseResult) -> None:
        self._first[result.case.id] = self._done[result.case.id] = result
        if result.folder is not None and has_learned(result.info):
            self._learned[result.case.id] = result.folder

    def _end(self, result: CaseResult) -> None:
        self._keep(result)
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
        try:
            self._folder.write(head, self.results.values(), self._key_of)
        except OSError as error:
            # What is solved is in its run folder, and the next time there may be room.
            if error.errno not in FULL_DISK:
                raise

    def _ready_executor(self) -> Executor:
        if self._executor is None:
            if self._engine_name == "serial":
                self._executor = SerialExecutor(self._stop, self._take_progress)
            elif self._engine_name == "local":
                self._executor = LocalExecutor(self._workers, self._folder.signals)
            else:
                from optimizer.comparison.workers.dask_workers import DaskExecutor  # the library is an extra

                self._executor = DaskExecutor(
                    self._workers, self._folder.signals, self._scheduler, shared_files=self._shared_files
                )
        return self._executor

    def _take_progress(self, case_id: str, line: Progress) -> None:
        """Note a line of progress of the serial executor, which is in this thread."""
        plan_cny, bound_cny, _ = self._progress.get(case_id, UNKNOWN)
        self._progress[case_id] = min(plan_cny, line.incumbent_cny), max(bound_cny, line.bound_cny), line.goal
        self._clock.tick()

    def _progress_of(self, case_id: str) -> SoFar | None:
        return self._progress.get(case_id) or read_progress(self._folder.signals, case_id)

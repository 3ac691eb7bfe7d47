"""
What a worker process does: solve one case at a time, say how far it is, stop when asked, never outlive its purpose.

Worker and runner share a folder of signals. The file `stop` asks every worker to end what it is solving; `CASE.json`
says how far a case is. Files reach workers on other machines too, and cost nothing while nobody looks.

Solve one case of a comparison, in whichever process: from names of files to a run folder.

What solves the cases of a comparison: the seam between the runner and its workers.

Worker processes on this machine, each the only one of a pool of its own.

Cases one after the other in this process: nothing to start, nothing that survives a crash.

The reference of a comparison as a worker keeps it: read, assembled and taken apart once, for all of its cases.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Protocol

from network_data.faults import InputError
from optimizer.comparison.cases import Case, CaseResult, CaseStatus, plan_hash
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.folder import read_intact_info
from optimizer.runs.plan_tables import UnknownLabelError, plan_from_tables
from optimizer.runs.run import Run, open_run
from optimizer.runs.solve import solve_scenario
from optimizer.solvers.benders.cuts import WarmCuts, WarmStart, learned_from_tables
from optimizer.solvers.benders.driver import split_as_solved
from optimizer.solvers.control import Progress, Termination
from optimizer.solvers.process import SolverError
from optimizer.solvers.solve import InvalidPlanError

STOP_FILE = "stop"
POLL_S = 0.1
SAY_S = 0.5  # between two words on progress

# A message up to the size of a pipe's atomic write cannot be torn by the death of its sender.
MAX_REASON_LENGTH = 2000


def stay_with_parent() -> None:
    """End this process as soon as the one that started it is gone, and leave nothing behind when it is killed."""
    # A library makes a lock when it is imported. Made for this method its name is gone at once; made for "spawn" it is
    # somebody else's to clean up, with a warning, after a kill. No process is started by either method here.
    multiprocessing.set_start_method("fork", force=True)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def warm_up() -> None:
    """Nothing more: a process that is sent this has imported this module, and with it all that solving takes."""


def work(task: CaseTask, signals: Path) -> Outcome:
    """
    Solve a case.

    Parameters
    ----------
    task
        The case.
    signals
        Folder shared with the runner.

    Returns
    -------
    Outcome
        Whatever happens: nothing is raised.
    """
    with _stop_when_asked(signals) as stop:
        return outcome_of(task, _Reporter(signals / f"{task.case.id}.json"), stop)


def outcome_of(task: CaseTask, report: Callable[[Progress], None], stop: threading.Event) -> Outcome:
    """
    Solve a case in this thread.

    Parameters
    ----------
    task
        The case.
    report
        Called with each line of progress.
    stop
        Set it, and the solve ends with what it has.

    Returns
    -------
    Outcome
        Whatever happens: nothing is raised.
    """
    from optimizer.comparison.cases import CaseStatus

    try:
        result = solve_case(task, report=report, stop=stop)
    except Exception as error:  # noqa: BLE001 - a fault of this program in one case is no reason to lose the others
        return Outcome(CaseStatus.FAILED, _short(f"internal error: {_place(error)}: {error!r}"), has_plan=False)
    return Outcome(result.status, _short(result.reason), result.has_plan)


_stopped: set[str] = set()  # folders of signals whose comparisons have told this process to stop


def remember_stop(signals: str) -> None:
    """
    Take in that a comparison is to stop, from an engine that can call this process.

    Parameters
    ----------
    signals
        Its folder of signals.
    """
    _stopped.add(signals)


@contextmanager
def _stop_when_asked(signals: Path) -> Iterator[threading.Event]:
    stop, is_over = threading.Event(), threading.Event()

    def look() -> None:
        if str(signals) in _stopped or (signals / STOP_FILE).exists():
            stop.set()

    def watch() -> None:
        while not is_over.wait(POLL_S):
            look()

    look()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        is_over.set()
        watcher.join()


def probe(signals: str, token: str) -> dict[str, Any]:
    """
    See whether this process shares files and versions with the runner.

    Parameters
    ----------
    signals
        Folder that should be shared.
    token
        What the runner wrote there.

    Returns
    -------
    dict
        pid, token, read (what stands in the runner's file, or why it cannot be read), code, versions.
    """
    from optimizer.comparison.cases import code_hash
    from optimizer.runs.metadata import library_versions

    folder, pid = Path(signals), os.getpid()
    try:
        read = (folder / "probe").read_text(encoding="utf-8")
        (folder / f"probe-{pid}-{token}").touch()
    except OSError as error:
        read = str(error)
    return {"pid": pid, "token": token, "read": read, "code": code_hash(), "versions": library_versions()}


class _Reporter:
    """Writes the best plan and bound so far to a file, not too often."""

    def __init__(self, path: Path) -> None:
        self._path, self._said = path, -SAY_S
        self._plan_cny, self._bound_cny = float("inf"), float("-inf")

    def __call__(self, line: Progress) -> None:
        self._plan_cny, self._bound_cny = min(self._plan_cny, line.incumbent_cny), max(self._bound_cny, line.bound_cny)
        if time.monotonic() - self._said < SAY_S:
            return
        self._said = time.monotonic()
        draft = self._path.with_suffix(".draft")
        with suppress(OSError):  # a full disk, or a comparison that is over, must not end a solve
            draft.write_text(json.dumps([self._plan_cny, self._bound_cny]), encoding="utf-8")
            draft.replace(self._path)


def read_progress(signals: Path, case_id: str) -> tuple[float, float] | None:
    """
    Read how far a case is: best plan and bound in CNY a year; None if it has not said anything yet.

    Parameters
    ----------
    signals
        Folder shared with the worker.
    case_id
        The case.
    """
    try:
        plan_cny, bound_cny = json.loads((signals / f"{case_id}.json").read_text(encoding="utf-8"))
        return float(plan_cny), float(bound_cny)
    except (OSError, ValueError, TypeError):
        return None


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _short(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON_LENGTH else reason[: MAX_REASON_LENGTH - 4] + " ..."


@dataclass(frozen=True)
class CaseTask:
    """
    What a worker is told; everything in it can be sent to another process.

    Attributes
    ----------
    scenario
        Built-in name or YAML file.
    overrides
        Of all cases; those of the case come after them.
    case
        The case.
    folder
        Run folder to write.
    reference
        Run folder of the reference, which the solve starts from; None for the reference itself.
    notes
        Further keys of `run.json`.
    """

    scenario: str | Path
    overrides: tuple[str, ...]
    case: Case
    folder: Path
    reference: Path | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def solve_case(
    task: CaseTask,
    *,
    report: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> CaseResult:
    """
    Solve a case and write its run folder.

    What is found depends on the case and the reference alone, not on what this process has solved before.

    Parameters
    ----------
    task
        What to solve.
    report
        Called with each line of progress.
    stop
        Set it, and the solve ends with the plan in hand.

    Returns
    -------
    CaseResult
        Also of a case that fails: nothing that an input or a solver does is raised.
    """
    try:
        overrides = [*task.overrides, *task.case.overrides]
        run = solve_scenario(
            task.scenario,
            overrides,
            out=task.folder,
            warm=None if task.reference is None else partial(_warm_start, task.reference),
            keep_learned=task.reference is None,
            notes=task.notes,
            report=report,
            stop=stop,
        )
    except (InputError, SolverError, InvalidPlanError, OSError) as error:
        return CaseResult(task.case, CaseStatus.FAILED, str(error))
    return _result(task.case, run)


def _warm_start(reference: Path, problem: PlacementProblem) -> WarmStart | None:
    state = reference_state(reference)
    return None if state is None else state.for_problem(problem)


def _result(case: Case, run: Run) -> CaseResult:
    solution = run.solution
    if solution.termination == Termination.INFEASIBLE:
        why = "no plan keeps every limit" if run.failure is None else run.failure.message
        return CaseResult(case, CaseStatus.INFEASIBLE, why)
    if run.folder is None:
        return CaseResult(case, CaseStatus.NO_PLAN, f"stopped without a plan ({solution.termination})")
    return CaseResult.of_run(case, run.folder, run.info)


@dataclass(frozen=True)
class Outcome:
    """
    What a worker says of a case it has ended with; everything else stands in the run folder.

    Attributes
    ----------
    status
        How the case ended.
    reason
        Why there is no plan, or why it is not proved within the gap.
    has_plan
        Whether the run folder was written.
    """

    status: CaseStatus
    reason: str
    has_plan: bool


@dataclass(frozen=True)
class Ended:
    """
    A case that a worker has ended with, or that has ended a worker.

    Attributes
    ----------
    case_id
        The case.
    outcome
        None if the worker died.
    death
        What is known of the worker's death.
    """

    case_id: str
    outcome: Outcome | None
    death: str = ""


class EngineLostError(RuntimeError):
    """The workers are gone for good; what they had is lost."""


class Engine(Protocol):
    """Workers that solve one case each at a time."""

    def has_room(self) -> bool:
        """Whether a case could be started now."""

    def start(self, task: CaseTask) -> None:
        """Give a case to a free worker."""

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until a case ends, but no longer than asked; returns those that have ended since."""

    def stop(self) -> None:
        """Ask what is running to end with what it has."""

    def kill(self) -> None:
        """End what is running, at once."""

    def close(self) -> None:
        """Let the workers go."""


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """
    Keep Ctrl-C from processes that are started meanwhile.

    It reaches the whole process group, and a process inherits from the thread that starts it which signals it does not
    get: a worker is out of its way from its first instruction on, and so is a solver that it starts.
    """
    # The helper that multiprocessing starts for itself unblocks them afterwards, whatever they were: have it first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
    executor: ProcessPoolExecutor
    case_id: str = ""

    @classmethod
    def start(cls) -> _Worker:
        context = _Context()
        executor = ProcessPoolExecutor(1, mp_context=context, initializer=stay_with_parent)
        with interrupts_blocked(), _one_thread():
            executor.submit(warm_up)  # starts the process; the first case may come later
        return cls(context, executor)

    def kill(self) -> None:
        if self.context.process is not None:
            self.context.process.kill()
        self.executor.shutdown(wait=True, cancel_futures=True)


class LocalEngine:
    """
    A number of processes on this machine.

    Parameters
    ----------
    workers
        How many.
    signals
        Folder shared with the workers.
    """

    def __init__(self, workers: int, signals: Path) -> None:
        self._size, self._signals = workers, signals
        self._workers: list[_Worker] = []
        self._running: dict[Future[Outcome], _Worker] = {}

    def has_room(self) -> bool:
        """Whether a case could be started now."""
        return len(self._running) < self._size

    def start(self, task: CaseTask) -> None:
        """
        Give a case to a free worker, and start one if there is none.

        Parameters
        ----------
        task
            The case.
        """
        worker = next((one for one in self._workers if not one.case_id), None)
        future = None if worker is None else self._submit(worker, task)
        if worker is None or future is None:
            worker = _Worker.start()
            self._workers.append(worker)
            future = worker.executor.submit(work, task, self._signals)
        worker.case_id = task.case.id
        self._running[future] = worker

    def _submit(self, worker: _Worker, task: CaseTask) -> Future[Outcome] | None:
        try:
            return worker.executor.submit(work, task, self._signals)
        except BrokenProcessPool:  # it died while it had nothing to do
            self._drop(worker)
            return None

    def wait(self, seconds: float) -> list[Ended]:
        """
        Wait until a case ends, but no longer than asked; returns those that have ended since.

        Parameters
        ----------
        seconds
            How long.
        """
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
        """Ask what is running to end with what it has."""
        (self._signals / STOP_FILE).touch()

    def kill(self) -> None:
        """End what is running, at once."""
        for worker in list(self._running.values()):
            self._drop(worker)
        self._running.clear()

    def close(self) -> None:
        """Let the workers go."""
        self.kill()
        for worker in self._workers:
            worker.executor.shutdown(wait=False, cancel_futures=True)  # all at once, and then wait for each
        for worker in self._workers:
            worker.executor.shutdown(wait=True)
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


class SerialEngine:
    """
    One case at a time, here.

    Parameters
    ----------
    stop
        Set it, and the case that is being solved ends.
    report
        Called with the case and each line of progress.
    """

    def __init__(self, stop: threading.Event, report: Callable[[str, Progress], None]) -> None:
        self._stop, self._report = stop, report
        self._task: CaseTask | None = None

    def has_room(self) -> bool:
        """Whether a case could be started now."""
        return self._task is None

    def start(self, task: CaseTask) -> None:
        """
        Take a case; `wait` solves it.

        Parameters
        ----------
        task
            The case.
        """
        self._task = task

    def wait(self, seconds: float) -> list[Ended]:  # noqa: ARG002 - it takes what it takes
        """
        Solve the case that was started.

        Parameters
        ----------
        seconds
            Not used: a solve in this process cannot be left.
        """
        if self._task is None:
            return []
        task, self._task = self._task, None
        raised: list[BaseException] = []

        def report(line: Progress) -> None:
            """Tell the caller; what the caller raises is no fault of the case, and leaves by way of `wait`."""
            try:
                self._report(task.case.id, line)
            except Exception as error:
                raised.append(error)
                raise

        outcome = outcome_of(task, report, self._stop)
        if raised:
            raise raised[0]
        return [Ended(task.case.id, outcome)]

    def stop(self) -> None:
        """Do nothing: the solve is told by the same event."""

    def kill(self) -> None:
        """Do nothing: what was started is over."""

    def close(self) -> None:
        """Do nothing: there are no workers."""


@dataclass(frozen=True, eq=False)
class ReferenceState:
    """
    A stored reference, ready to be started from.

    Attributes
    ----------
    stored
        The run with its problem and plan.
    warm
        What holds whatever the case; its plan is still to be fitted to the case's problem.
    """

    stored: Run
    warm: WarmStart

    def for_problem(self, problem: PlacementProblem) -> WarmStart:
        """
        Fit the plan to a case; without one where the case has other rows.

        Parameters
        ----------
        problem
            The case's problem.
        """
        try:
            plan = plan_from_tables(problem, self.stored.tables)
        except UnknownLabelError:
            plan = None
        kept = self.warm.kept_links
        if kept is not None:
            kept = problem.links["id"].isin(self.stored.problem.links["id"][kept]).to_numpy(bool)
        return replace(self.warm, plan=plan, kept_links=kept)


def reference_state(folder: Path) -> ReferenceState | None:
    """
    Read a reference; one that was read before is not read again, unless its folder has changed.

    Parameters
    ----------
    folder
        Its run folder.

    Returns
    -------
    ReferenceState or None
        None where the folder holds no whole run.

    Raises
    ------
    InputError
        If its inputs are not what they were.
    """
    info = read_intact_info(folder)
    return None if info is None else _read(str(folder), plan_hash(info))


@lru_cache(maxsize=1)
def _read(folder: str, _plan_hash: str) -> ReferenceState:
    stored = open_run(folder)
    problem, classes = stored.problem, stored.problem.classes["id"].to_numpy(str)
    pairs, centers = problem.deployments, problem.data_centers["id"].to_numpy(str)
    deployed = pairs[stored.plan.is_deployed > 0]
    names = zip(classes[deployed["class_index"]], centers[deployed["data_center_index"]], strict=True)
    pairs_used = frozenset((str(class_id), str(center)) for class_id, center in names)
    learned = learned_from_tables(problem, stored.tables)
    if learned is None:
        return ReferenceState(stored, WarmStart(pairs_used))
    own, coarse = split_as_solved(problem, learned.kept_links, mip_rel_gap=stored.scenario.solver.mip_rel_gap)
    cuts = WarmCuts(learned.cuts, own)
    coarse_cuts = None if coarse is None else WarmCuts(learned.coarse_cuts, coarse)
    return ReferenceState(stored, WarmStart(pairs_used, None, learned.kept_links, cuts, coarse_cuts))

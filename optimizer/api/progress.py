"""
Show the progress of a job, and stop it from the keyboard without losing what it has found.

A notebook shows a bar (of tqdm), a terminal lines, a log a line when something has changed.
"""

from __future__ import annotations

import math
import shutil
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import IO, Any, Literal, TypeVar

from optimizer.comparison.sweep_clock import SweepProgress
from optimizer.solvers.control import Progress
from optimizer.text.run import describe_goal, describe_progress
from optimizer.text.terminal import write_now
from optimizer.words.sentences import join, retell, say

Style = Literal["bar", "terminal", "log"]
Report = Callable[[Progress | SweepProgress | str], None]
_T = TypeVar("_T")

_SHOWN = 3
_POLL_S = 0.2
_FULL_AT_GAP = 1e-4  # where nobody said which gap is wanted, or a smaller one
_EASIEST_GAP = 0.5


@contextmanager
def show_progress(style: Style | None = None, stream: IO[str] | None = None) -> Iterator[Report]:
    """
    Show the progress of a job on stderr.

    Parameters
    ----------
    style
        bar, terminal (a solve writes lines, a comparison one line that is written over) or log (one line when
        something has changed); None = bar in a notebook, terminal where stderr is one, else log.

    Yields
    ------
    callable
        Takes the progress of a solve or of a comparison, or a line of text.
    """
    out = sys.stderr if stream is None else stream
    style = style or _style_of(out)
    shown = _Bar(out) if style == "bar" else _Lines(out, is_terminal=style == "terminal")
    try:
        yield shown.report
    finally:
        shown.close()


@contextmanager
def reporting(report: Callable[[Any], None] | None, *, progress: bool) -> Iterator[Callable[[Any], None]]:
    """
    Pass progress on to a caller's function, and show it where that is wanted.

    Yields
    ------
    callable
        Takes progress.
    """
    with ExitStack() as shown:
        reports = [] if report is None else [report]
        if progress:
            reports.append(shown.enter_context(show_progress()))

        def pass_on(line: Any) -> None:
            for each in reports:
                each(line)

        yield pass_on


def run_until_interrupted(task: Callable[[threading.Event], _T], stop: threading.Event | None = None) -> _T:
    """Carry out a task; the first Ctrl-C stops it with what it has found, a second one gives up on it."""
    event = threading.Event() if stop is None else stop
    if threading.current_thread() is not threading.main_thread():
        return task(event)  # Ctrl-C goes to the main thread
    # Python runs signal handlers in the main thread only, and not inside a solver's code: the task gets its own.
    pool = ThreadPoolExecutor(1)
    future = pool.submit(task, event)
    try:
        while True:
            try:
                while wait([future], timeout=_POLL_S).not_done:
                    pass
                return future.result()
            except KeyboardInterrupt:
                if event.is_set():
                    raise
                event.set()
                said = say("stopping: the best plan found so far is kept (Ctrl-C again gives up on it)")
                sys.stderr.write(f"{said}\n")
    finally:
        pool.shutdown(wait=False)


class _Best:
    """Best plan and bound so far: a phase of a solve reports what it knows itself."""

    def __init__(self) -> None:
        self._plan_cny, self._bound_cny = math.inf, -math.inf

    def update(self, line: Progress) -> Progress:
        self._plan_cny = min(self._plan_cny, line.incumbent_cny)
        self._bound_cny = max(self._bound_cny, line.bound_cny)
        return replace(line, incumbent_cny=self._plan_cny, bound_cny=min(self._bound_cny, self._plan_cny))


class _Lines:
    def __init__(self, out: IO[str], *, is_terminal: bool) -> None:
        self._out, self._is_terminal, self._best = out, is_terminal, _Best()
        self._state, self._has_status_line = "", False

    def report(self, progress: Progress | SweepProgress | str) -> None:
        if isinstance(progress, str):
            self._line(retell(progress))
        elif isinstance(progress, Progress):
            line = self._best.update(progress)
            # Without the seconds, which always change.
            self._line(describe_progress(line), describe_progress(replace(line, seconds=0.0)))
        elif self._is_terminal:
            if progress.ended:
                self._line(_ended(progress))
            width = shutil.get_terminal_size().columns
            self._over(_describe_sweep(progress)[: width - 1])
        else:
            running = ", ".join(case.case_id for case in progress.running)
            ended = f"  {_ended(progress)}" if progress.ended else ""
            self._line(_describe_sweep(progress) + ended, f"{progress.done} {running} {ended}")

    def close(self) -> None:
        if self._has_status_line:
            self._over("")

    def _line(self, text: str, state: str | None = None) -> None:
        if not self._is_terminal and state is not None and state == self._state:
            return
        self.close()
        self._state = state if state is not None else self._state
        write_now(self._out, text + "\n")

    def _over(self, text: str) -> None:
        """Write a line in place of the one before; an empty text clears it."""
        self._has_status_line = bool(text)
        write_now(self._out, f"\r{text}\x1b[K")


class _Bar:
    def __init__(self, out: IO[str]) -> None:
        self._out, self._best = out, _Best()
        self._bar: Any = None

    def report(self, progress: Progress | SweepProgress | str) -> None:
        if isinstance(progress, str):
            self._show(0, 1, retell(progress))
        elif isinstance(progress, SweepProgress):
            self._show(progress.done, progress.total, _running(progress))
        else:
            line = self._best.update(progress)
            # Every tenth of the gap is as hard as the one before: of the way to 0.01 %, 1 % is half.
            full_at = min(max(line.goal or _FULL_AT_GAP, _FULL_AT_GAP), _EASIEST_GAP)
            gap = min(max(line.mip_rel_gap, full_at), 1.0)
            self._show(round(100 * math.log(gap) / math.log(full_at)), 100, describe_progress(line))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def _show(self, done: int, total: int, text: str) -> None:
        if self._bar is None:
            self._bar = _new_bar(self._out)
        self._bar.total, self._bar.n = total, done
        self._bar.set_description_str(" ".join(text.split()), refresh=False)
        self._bar.refresh()


def _new_bar(out: IO[str]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without widgets gets a bar of text
        from tqdm.auto import tqdm

        return tqdm(total=1, file=out, bar_format="{desc} |{bar:20}| {elapsed}", leave=True)


def _style_of(out: IO[str]) -> Style:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ == "ZMQInteractiveShell":
        return "bar"
    return "terminal" if out.isatty() else "log"


def _describe_sweep(progress: SweepProgress) -> str:
    """Write on one line how far a comparison is."""
    stored = say(" ({reused} stored)", reused=progress.reused) if progress.reused else ""
    left = progress.seconds_left
    return say(
        "{seconds:7.1f} s  {done} of {total} cases{stored}{left}{now}",
        seconds=progress.seconds,
        done=progress.done,
        total=progress.total,
        stored=stored,
        left="" if left is None else say("  {duration} left", duration=_duration(left)),
        now=f"  {_running(progress)}" if progress.running else "",
    )


def _ended(progress: SweepProgress) -> str:
    case, _, status = progress.ended.rpartition(" ")
    return f"{case} {retell(status)}"


def _running(progress: SweepProgress) -> str:
    running = [
        f"{case.case_id} {_gap(case.mip_rel_gap)}{describe_goal(case.goal)}" for case in progress.running[:_SHOWN]
    ]
    if len(progress.running) > _SHOWN:
        running.append(say("{more} more", more=len(progress.running) - _SHOWN))
    return say("solving {cases}", cases=join(running)) if running else ""


def _gap(gap: float) -> str:
    return say("gap") + (f" {gap:.2%}" if gap < math.inf else " -")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return say("{hours} h {minutes} min", hours=hours, minutes=minutes)
    return say("{minutes} min {rest} s", minutes=minutes, rest=rest) if minutes else say("{rest} s", rest=rest)

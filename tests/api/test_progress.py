"""Progress of a job: what a terminal, a log and a notebook show."""

from __future__ import annotations

import io
import math
import re
from functools import partial
from pathlib import Path

from optimizer.api.progress import Style, show_progress
from optimizer.comparison.sweep_clock import SweepClock, SweepProgress
from optimizer.comparison.workers.executor import ProgressReporter, read_progress, write_progress
from optimizer.solvers.control import Progress
from optimizer.text.run import PHASES, describe_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


SOLVE = (
    Progress(0.1, 2e6, -math.inf, "start"),
    Progress(2.0, 2e6, 1e6, "search"),
    Progress(4.0, 2e6, 1e6, "search"),  # nothing has changed but the time
    Progress(6.0, math.inf, 1.5e6, "search"),
)
SWEEP = (
    SweepProgress(0, 2, 0, (), 0.0, None),
    SweepProgress(0, 2, 0, (), 2.0, None),
    SweepProgress(1, 2, 1, (), 3.0, 3.0, "east: solved"),
)


def shown(lines: tuple[Progress | SweepProgress | str, ...], style: Style | None, out: io.StringIO) -> str:
    with show_progress(style, out) as report:
        for line in lines:
            report(line)
    return out.getvalue()


def test_log_says_what_has_changed_and_nothing_twice() -> None:
    lines = shown(SOLVE, None, io.StringIO()).splitlines()
    assert [line.split(" s ")[0].strip() for line in lines] == ["0.1", "2.0", "6.0"]
    assert (
        "plan         2.0  bound         1.5  gap  25.00%" in lines[-1]
    )  # the best plan so far, though a phase has none
    sweep = shown(SWEEP, None, io.StringIO()).splitlines()
    assert len(sweep) == 2
    assert sweep[1].endswith("1 of 2 cases (1 stored)  3 s left  east: solved")


def test_progress_tells_the_gap_that_is_asked_for() -> None:
    lines = shown(
        (Progress(1.0, 2e6, 1e6, "bound", 0.005), Progress(2.0, 2e6, 1e6, "bound", 3e-6)), "log", io.StringIO()
    )
    first, second = lines.splitlines()
    assert first.endswith("gap  50.00% (to 0.50%)  bound: what every plan must cost")
    assert second.endswith("gap  50.00% (to 3e-06)  bound: what every plan must cost")


def test_phase_within_the_solve_without_a_reserve_is_explained_too() -> None:
    line = Progress(1.0, math.inf, -math.inf, "without reserve: assignments", 0.01)
    assert describe_progress(line).endswith("gap       - (to 1.00%)  without reserve: plan: places chosen anew")


def test_every_phase_that_a_solver_reports_is_explained() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path("optimizer/solvers").rglob("*.py"))
    said = set(re.findall(r"\.say\([^\n]*, \"([^\"]+)\"\)", source))
    assert said == set(PHASES)


def test_terminal_shows_every_line_of_a_solve_and_one_line_of_a_comparison() -> None:
    assert len(shown(SOLVE, None, Terminal()).splitlines()) == len(SOLVE)
    text = shown(SWEEP, None, Terminal())
    assert text.count("\r") >= len(SWEEP)
    assert "east: solved\n" in text
    assert text.endswith("\r\x1b[K")  # nothing is left of the line


def test_texts_are_lines_everywhere() -> None:
    assert shown(("fails: total capacity",), "log", io.StringIO()) == "fails: total capacity\n"
    assert shown(("fails: total capacity",), "terminal", Terminal()) == "fails: total capacity\n"


def test_bar_fills_as_the_gap_closes() -> None:
    text = shown((*SOLVE, Progress(9.0, 2e6, 2e6, "search")), "bar", io.StringIO())
    shown_at = {gap: next(line for line in text.split("\r") if gap in line) for gap in ("25.00%", " 0.00%")}
    assert "|" + 3 * "#" in shown_at["25.00%"]
    assert "|" + 20 * "#" + "|" not in shown_at["25.00%"]
    assert "|" + 20 * "#" + "|" in shown_at[" 0.00%"]


def test_bar_is_full_at_the_gap_that_is_asked_for() -> None:
    lines = (Progress(1.0, 2e6, 1e6, "bound", 0.01), Progress(2.0, 2e6, 1.98e6, "bound", 0.01))
    shown_at = {
        gap: text
        for text in shown(lines, "bar", io.StringIO()).split("\r")
        for gap in ("50.00%", " 1.00%")
        if gap in text
    }
    assert "|" + 3 * "#" in shown_at["50.00%"]
    assert "|" + 20 * "#" + "|" not in shown_at["50.00%"]
    assert "|" + 20 * "#" + "|" in shown_at[" 1.00%"]


def test_case_of_a_comparison_is_shown_with_the_gap_that_it_goes_to(tmp_path: Path) -> None:
    # As a worker writes it and the clock reads it.
    ProgressReporter(partial(write_progress, tmp_path / "east.json"))(Progress(1.0, 2e6, 1.9e6, "bound", 0.007))
    told: list[SweepProgress] = []
    clock = SweepClock(told.append, partial(read_progress, tmp_path), total=1)
    clock.begin("east")
    assert "solving east gap 5.00% (to 0.70%)" in shown((told[0],), "log", io.StringIO())
    assert read_progress(tmp_path, "west") is None


def test_bar_of_a_comparison_counts_cases() -> None:
    assert "|" + 10 * "#" + 10 * " " + "|" in shown(SWEEP, "bar", io.StringIO())

"""Progress of a job: what a terminal, a log and a notebook show."""

from __future__ import annotations

import io
import math

from optimizer.api.progress import Style, show_progress
from optimizer.comparison.sweep_clock import SweepProgress
from optimizer.solvers.control import Progress


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
    assert first.endswith("gap  50.00% (to 0.50%)  bound")
    assert second.endswith("gap  50.00% (to 3e-06)  bound")


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


def test_bar_of_a_comparison_counts_cases() -> None:
    assert "|" + 10 * "#" + 10 * " " + "|" in shown(SWEEP, "bar", io.StringIO())

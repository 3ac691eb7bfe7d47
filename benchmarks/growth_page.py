"""Lay the results of `benchmarks.growth` out on a page: tables, and a picture of how the time grows with the size."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth_run import METHODS

START, END = "<!-- growth -->", "<!-- /growth -->"
COLOURS = {"ours": "#0b6e99", "highs": "#d1495b", "scip": "#edae49"}
HEAD = ("size", "columns", "slices", "limit", "solver", "seeds", "time to the gap", "gap at the end", "plan above best")

Result = dict[str, Any]


def write_page(page: Path, results: Sequence[Result]) -> None:
    """Rewrite the part of a page between the markers, and the picture of the same name beside it."""
    text = page.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{page} has no lines {START} and {END}: the tables go between them")
    if not results:
        return
    picture = page.with_suffix(".png")
    draw(picture, results)
    parts = [f"![Time and gap against the size of the model]({picture.name})", table(results), trace_table(results)]
    page.write_text(before + start + "\n" + "\n\n".join(parts) + "\n" + end + after, encoding="utf-8")


def table(results: Sequence[Result]) -> str:
    """Give medians over the seeds, a row for each size and solver."""
    rows = []
    for case in _cases(results):
        of_case = [row for row in results if _case(row) == case]
        best = {
            seed: min((row["plan_cny"] for row in of_case if row["seed"] == seed and row["plan_cny"]), default=math.nan)
            for seed in {row["seed"] for row in of_case}
        }
        for method, found in _by_method(of_case):
            size, days, slices_per_day, limit_s = case[:4]
            seconds, gaps = _seconds_to_gap(found), [row["gap"] for row in found]
            above = [row["plan_cny"] / best[row["seed"]] - 1 for row in found if row["plan_cny"]]
            reached = sum(math.isfinite(value) for value in seconds)
            middle, worst = statistics.median(gaps), max(gaps)
            rows.append(
                (
                    f"{size:g}",
                    f"{statistics.median(row['columns'] for row in found):,.0f}",
                    f"{days * slices_per_day:g}",
                    f"{limit_s:g} s",
                    METHODS[method],
                    f"{len(found)}",
                    f"{_seconds(statistics.median(seconds))} ({reached} of {len(found)})",
                    f"{_share(middle)} (worst {_share(worst)})",
                    _share(statistics.median(above)) if above else "no plan",
                )
            )
    return _table(HEAD, rows)


def trace_table(results: Sequence[Result]) -> str:
    """Give the median gap at moments of the solve."""
    rows = []
    moments = sorted({moment for row in results for moment, _, _ in json.loads(row["trace"])})
    for case in _cases(results):
        for method, found in _by_method([row for row in results if _case(row) == case]):
            gaps = [_share(statistics.median(_gap_at(row, moment) for row in found)) for moment in moments]
            rows.append((f"{case[0]:g}", METHODS[method], *gaps))
    return _table(("size", "solver", *(f"gap after {moment:g} s" for moment in moments)), rows)


def draw(path: Path, results: Sequence[Result]) -> None:
    """Draw time to the gap, and gap at the end, against the size of the model; a dot for each network."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    limit_s = max(row["time_limit_s"] for row in results)
    for number, (method, found) in enumerate(_by_method(results)):
        for axes, of_row, top in ((left, lambda row: row["seconds_to_gap"], limit_s), (right, _percent, 100.0)):
            for row in found:
                # Side by side, since all solve the same networks.
                x, y = row["columns"] / 1e6 * (1 + 0.06 * (number - 1)), of_row(row)
                if y is None or math.isinf(y):
                    axes.scatter(x, top, facecolors="none", edgecolors=COLOURS[method], marker="^")
                else:
                    axes.scatter(x, y, color=COLOURS[method])
        right.scatter([], [], color=COLOURS[method], label=METHODS[method])
    left.set(title=f"seconds to a gap of {results[0]['mip_rel_gap']:.0%} (triangle: not within the limit)")
    right.set(title="gap at the end, % (triangle: no plan or no bound)")
    right.legend()
    for axes in (left, right):
        axes.set(xlabel="million columns", xscale="log", yscale="log")
        axes.grid(visible=True, alpha=0.3)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_locator(NullLocator())
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _percent(row: Result) -> float:
    return 100 * max(1e-4, row["gap"])


def _case(row: Result) -> tuple[float, ...]:
    return tuple(row[name] for name in ("size", "days", "slices_per_day", "time_limit_s", "threads", "mip_rel_gap"))


def _cases(results: Iterable[Result]) -> list[tuple[float, ...]]:
    return sorted({_case(row) for row in results})


def _by_method(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    groups = [(name, [row for row in results if row["method"] == name]) for name in METHODS]
    return [(name, found) for name, found in groups if found]


def _seconds_to_gap(results: Iterable[Result]) -> list[float]:
    return [math.inf if row["seconds_to_gap"] is None else row["seconds_to_gap"] for row in results]


def _gap_at(row: Result, moment: float) -> float:
    """Gap at a moment; after its end, that at the end."""
    known = [(plan, bound) for seconds, plan, bound in json.loads(row["trace"]) if seconds <= moment]
    if not known or None in known[-1]:
        return math.inf
    plan, bound = known[-1]
    return float((plan - bound) / abs(plan))


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if math.isfinite(value) else "not reached"


def _share(value: float) -> str:
    return f"{value:.2%}" if math.isfinite(value) else "–"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["--:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

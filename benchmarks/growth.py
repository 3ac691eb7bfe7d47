"""
Our solve beside general solvers on networks that grow: `python -m benchmarks growth`.

Networks of `benchmarks.networks` are solved by `edwc`, and as one integer program by HiGHS and by SCIP, each solve in a
process of its own with the same limit of time and the same number of threads (SCIP has one). Each result is a line of a
CSV file, so that a call that was interrupted goes on where it was. At the end the page and its picture are rewritten
from that file. What is tuned is tuned on the seeds 1 to 3; the page reports the seeds 11 to 13.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from importlib.util import find_spec
from math import isinf
from pathlib import Path
from typing import Any

from benchmarks.growth_page import write_page
from benchmarks.growth_run import END, METHODS, NEWS, READY, SIZE
from benchmarks.networks import write_case
from optimizer.solvers.control import relative_gap

ROOT = Path(__file__).resolve().parent.parent
TUNING_SEEDS, REPORTING_SEEDS = (1, 2, 3), (11, 12, 13)
SIZES = (1.0, 2.0, 4.0)
RESULTS, PAGE = ROOT / "docs" / "growth.csv", ROOT / "docs" / "performance.md"
GRACE_S = 5.0  # how long after the limit a solve may still say what it has
HAND_OVER_LIMIT_S = 3600.0
CHECKPOINTS = 8
# What makes two results the same measurement.
KEY = ("method", "size", "seed", "days", "slices_per_day", "time_limit_s", "threads", "mip_rel_gap")
COLUMNS = (
    *KEY, "columns", "rows", "nonzeros", "status", "seconds", "seconds_to_gap", "plan_cny", "bound_cny", "gap", "trace",
)  # fmt: skip

Result = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Solve what has not been solved, print it, and rewrite the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks growth", description=__doc__)
    parser.add_argument("--small", action="store_true", help="one tiny network for seconds: does it all run?")
    parser.add_argument("--size", type=float, nargs="+", help=f"times the built-in network (default: {SIZES})")
    parser.add_argument("--seed", type=int, nargs="+", help=f"networks of each size (default: {REPORTING_SEEDS})")
    parser.add_argument("--method", choices=METHODS, nargs="+", help="default: all that are installed")
    parser.add_argument("--days", type=int, default=1, choices=(1, 2, 3, 4), help="representative days")
    parser.add_argument("--slices-per-day", type=int, help="default: 24")
    parser.add_argument("--time-limit", type=float, help="seconds of each solve (default: 600)")
    parser.add_argument("--threads", type=int, default=1, help="of edwc and HiGHS; SCIP has one")
    parser.add_argument("--gap", type=float, help="where a solve may stop (default: 0.02)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="CSV file that results are added to")
    parser.add_argument("--page", type=Path, default=PAGE, help="page whose part between the markers is rewritten")
    parser.add_argument("--table", action="store_true", help="solve nothing, rewrite the page from the results")
    options = parser.parse_args(argv)
    small = options.small
    sizes, seeds = options.size or ([0.25] if small else SIZES), options.seed or ([1] if small else REPORTING_SEEDS)
    methods = options.method or [name for name in METHODS if name != "scip" or find_spec("pyscipopt")]
    common = {
        "days": options.days,
        "slices_per_day": options.slices_per_day or (2 if small else 24),
        "time_limit_s": options.time_limit or (120.0 if small else 600.0),
        "threads": options.threads,
        "mip_rel_gap": options.gap or (0.1 if small else 0.02),
    }
    try:
        for size, seed in [] if options.table else itertools.product(sizes, seeds):
            keys = [{"method": name, "size": size, "seed": seed, **common} for name in methods]
            measure(keys, options.results)
    except KeyboardInterrupt:
        print("interrupted: what is solved is kept, and the next call goes on from there")
    results = read_results(options.results)
    shown = seeds if small else REPORTING_SEEDS
    write_page(options.page, [row for row in results if row["seed"] in shown])


def measure(keys: Sequence[Result], path: Path) -> None:
    """Solve one network by several methods, as far as the file of results lacks them."""
    done = {_key(row): row for row in read_results(path)}
    missing = [key for key in keys if _key(key) not in done]
    if not missing:
        return
    one = missing[0]
    with tempfile.TemporaryDirectory() as folder:
        scenario = write_case(
            Path(folder), one["size"], one["seed"], days=one["days"], slices_per_day=one["slices_per_day"]
        )
        size = next((done[_key(key)] for key in keys if _key(key) in done), None)
        size = size or follow(scenario, SIZE, {**one, "time_limit_s": HAND_OVER_LIMIT_S})[-1]
        sizes = {name: size[name] for name in ("columns", "rows", "nonzeros")}
        print(", ".join(f"{number:,.0f} {name}" for name, number in sizes.items()))
        for key in missing:
            print(f"\n{METHODS[key['method']]}, size {key['size']:g}, seed {key['seed']:g}:", flush=True)
            result = {**key, **sizes, **summarize(follow(scenario, key["method"], key), key)}
            _append(path, result)
            print(describe(result), flush=True)


def follow(scenario: Path, method: str, key: Result) -> list[Result]:
    """
    Run one method in a fresh process and return all that it told.

    A process that goes on for longer than the limit and `GRACE_S` is ended: what it told before that counts.
    """
    began = time.monotonic()
    command = [
        sys.executable, "-m", "benchmarks.growth_run", method, str(scenario), "--began", str(began),
        "--time-limit", str(key["time_limit_s"]), "--threads", str(key["threads"]), "--gap", str(key["mip_rel_gap"]),
    ]  # fmt: skip
    told: list[Result] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:

        def read() -> None:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            # Solvers print banners of their own among the lines.
            told.extend(json.loads(line) for line in process.stdout if line.startswith("{"))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            while reader.is_alive():
                reader.join(0.2)
                ready = next((line for line in told if line["kind"] == READY), None)
                limit_s = HAND_OVER_LIMIT_S if ready is None else key["time_limit_s"] + ready["left_out_s"]
                if time.monotonic() - began > limit_s + GRACE_S:
                    process.kill()
        except BaseException:
            process.kill()
            raise
    if process.returncode > 0:
        raise SystemExit(f"{method} failed on {scenario}")
    return told


def summarize(told: Sequence[Result], key: Result) -> Result:
    """Say how a solve ended, and keep where it was at some moments."""
    limit_s, news = key["time_limit_s"] + GRACE_S, [line for line in told if line["kind"] == NEWS]
    news = [line for line in news if line["seconds"] <= limit_s]
    end = next((line for line in told if line["kind"] == END), None)
    plan, bound = (news[-1]["plan_cny"], news[-1]["bound_cny"]) if news else (None, None)
    reached = [line["seconds"] for line in news if 0 <= gap_of(line) <= key["mip_rel_gap"] * (1 + 1e-9)]
    seconds = end["seconds"] if end else limit_s
    moments = [key["time_limit_s"] * 2.0**-step for step in range(CHECKPOINTS - 1, -1, -1)]
    last_at = [[line for line in news if line["seconds"] <= moment] for moment in moments]
    trace = [(round(m, 1), f[-1]["plan_cny"], f[-1]["bound_cny"]) for m, f in zip(moments, last_at, strict=True) if f]
    return {
        "status": end["status"] if end else "ended from outside",
        "seconds": seconds,
        "seconds_to_gap": reached[0] if reached else None,
        "plan_cny": plan,
        "bound_cny": bound,
        "gap": gap_of(news[-1]) if news else float("inf"),
        "trace": json.dumps(trace),
    }


def gap_of(facts: Result) -> float:
    """Give the gap between plan and bound, inf while one of them is unknown."""
    if facts["plan_cny"] is None or facts["bound_cny"] is None:
        return float("inf")
    return relative_gap(facts["plan_cny"], facts["bound_cny"])


def describe(result: Result) -> str:
    """Lay out plan, bound and gap over time."""
    lines = [f"{'seconds':>10}{'plan, M CNY':>16}{'bound, M CNY':>16}{'gap':>9}"]
    moments = [*json.loads(result["trace"]), (result["seconds"], result["plan_cny"], result["bound_cny"])]
    for seconds, plan, bound in moments:
        if seconds <= result["seconds"]:
            cells = ["-" if cny is None else f"{cny / 1e6:,.2f}" for cny in (plan, bound)]
            gap = gap_of({"plan_cny": plan, "bound_cny": bound})
            lines.append(f"{seconds:10.1f}{cells[0]:>16}{cells[1]:>16}{'-' if isinf(gap) else f'{gap:.2%}':>9}")
    return "\n".join([*lines, f"{result['status']} after {result['seconds']:.1f} s"])


def read_results(path: Path) -> list[Result]:
    """Read the results that are stored, numbers as numbers."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]


def _append(path: Path, result: Result) -> None:
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow(result)


def _number(text: str) -> Any:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _key(row: Result) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)

"""
Print what it takes to get this model from problem arrays into HiGHS, beside other ways: `python -m benchmarks`.

`python -m benchmarks growth` solves networks that grow beside other solvers: see `benchmarks.growth`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.handover import BARE, METHODS, store
from benchmarks.problems import CASES, benchmark_problem

ROOT = Path(__file__).resolve().parent.parent
SLOW = {"pyomo", "pyomo_matrix"}
TARGET_TIME, TARGET_MEMORY = 1.5, 1.5
PACKAGES = ("highspy", "numpy", "pandas", "pyomo", "linopy")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure every method of every case in fresh processes and print one table for each case."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["growth"]:
        from benchmarks.growth import main as measure_growth

        measure_growth(words[1:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tiny case, each method once: does it all run?")
    parser.add_argument("--case", choices=sorted(CASES), action="append", help="case to run (default: routes, days)")
    parser.add_argument("--method", choices=METHODS, action="append", help="method to run (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="fresh processes per method; a third of them for Pyomo")
    options = parser.parse_args(words)
    cases = options.case or (["small"] if options.small else ["routes", "days"])
    methods = [name for name in METHODS if name in (options.method or METHODS)]
    print(machine())
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            columns, rows, nonzeros = store(benchmark_problem(case), Path(folder))
            print(f"\n{case}: {columns:,} columns, {rows:,} rows, {nonzeros:,} nonzeros", flush=True)
            results: dict[str, list[dict[str, Any]]] = {name: [] for name in methods}
            # In turn, so that a machine that is busy for a while is so for all of them.
            for turn in range(1 if options.small else options.runs):
                for name in methods:
                    if name in SLOW and turn > 0 and turn >= options.runs // 3:
                        continue
                    run = run_once(name, Path(folder))
                    if (run["columns"], run["rows"], run["nonzeros"]) != (columns, rows, nonzeros):
                        raise SystemExit(f"{METHODS[name]} built another model: {run}")
                    results[name].append(run)
        print(table(results), flush=True)


def run_once(method: str, folder: Path) -> dict[str, Any]:
    """Measure one method in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.handover", method, str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{METHODS[method]} failed:\n{done.stderr}")
    # Solvers print banners of their own before it.
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Lay out medians, and ratios to each bare hand-over that was measured."""
    median = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("cpu_s", "wall_s", "added_mb")}
        for name, runs in results.items()
    }
    heads = "".join(f"{f'x {short} CPU':>15}{'added':>7}" for short in BARE.values())
    lines = [f"{'':34}{'CPU s':>8}{'wall s':>8}{'added MB':>10}{heads}{'runs':>6}"]
    for name, values in median.items():
        ratios = "".join(
            f"{_ratio(values, median.get(bare), 'cpu_s'):>15}{_ratio(values, median.get(bare), 'added_mb'):>7}"
            for bare in BARE
        )
        lines.append(
            f"{METHODS[name]:34}{values['cpu_s']:8.3f}{values['wall_s']:8.3f}{values['added_mb']:10.0f}"
            f"{ratios}{len(results[name]):6d}"
        )
    lines.append(
        "added: peak memory above what was there before; for a bare passModel its finished matrix was there.\n"
        f"Target: {TARGET_TIME:g} x CPU and {TARGET_MEMORY:g} x added of passModel of the same arrays (by rows).\n"
        "By columns HiGHS takes a matrix without turning it around, so that is shown too."
    )
    return "\n".join(lines)


def _ratio(values: dict[str, float], bare: dict[str, float] | None, key: str) -> str:
    # A model so small that it adds nothing to the peak has no ratio.
    return f"{values[key] / bare[key]:.2f}" if bare is not None and bare[key] > 0 else "-"


def machine() -> str:
    """Describe what the figures were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text("utf-8").splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {', '.join(map(installed, PACKAGES))}"


def installed(name: str) -> str:
    """Name a package and its version; linopy may be missing where it is not measured."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


if __name__ == "__main__":
    main()

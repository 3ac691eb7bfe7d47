"""
Fifty price cases in one run: a comparison beside loops that build and solve each case anew.

`python -m benchmarks.price_cases` measures, on this machine and in this order,

full    the base scenario as shipped: `edwc compare` on processes of one thread each, beside a loop that calls
        `solve_scenario` for every case with as many threads as there are processes (`--sample`: for every n-th case
        only, since the whole loop takes the better part of an hour);
small   the whole of base with two slices a day, which plain HiGHS can finish: the same, beside a loop that builds
        each case as a Pyomo model and solves it with `appsi_highs`, with the same gap, seed and limits.

Each runs in the same process tree on the same cases, one after the other. Printed are cases per minute, the gap of
every case, and the most memory that a process took.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from benchmarks.__main__ import machine
from optimizer.comparison.cases import Case
from optimizer.comparison.runner import CaseRunner

Way = Callable[[Sequence[Case], Sequence[str], int], "Measured"]
WEST, EAST, CARBON = (0.6, 0.8, 1.0, 1.2, 1.4), (0.8, 0.9, 1.0, 1.1, 1.2), (0.0, 100.0)
SMALL = ("time.slices_per_day=2", "solver.time_limit_s=300")


@dataclass
class Measured:
    """Seconds from start to end, seconds and gap of each case, most memory of a process in MB."""

    name: str
    wall_s: float = 0.0
    gaps: list[float] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    memory_mb: float = 0.0

    @property
    def cases_per_minute(self) -> float:
        """Cases solved in a minute."""
        return 60 * len(self.gaps) / self.wall_s


def price_cases() -> list[Case]:
    """Fifty cases: western and eastern prices, and a price of carbon."""
    from scenarios.price_parameters import overrides_of

    cases = []
    for number, (west, east, carbon) in enumerate(product(WEST, EAST, CARBON)):
        point = {"price.west": west, "price.east": east, "carbon_price": carbon}
        cases.append(Case(f"case_{number:02d}", f"west {west} east {east} carbon {carbon}", overrides_of(point), point))
    return cases


def compare(cases: Sequence[Case], overrides: Sequence[str], workers: int) -> Measured:
    """Solve cases as a comparison does."""
    found = Measured(f"comparison, {workers} processes")
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with CaseRunner("base", overrides, out=Path(folder) / "out", engine="local", workers=workers) as runner:
            results = runner.run(cases)
        found.wall_s = time.monotonic() - began
    for case in cases:
        result = results[case.id]
        found.gaps.append(result.mip_rel_gap)
        found.costs[case.id] = result.objective_cny
        found.memory_mb = max(found.memory_mb, float(result.info.get("peak_memory_mb", 0.0)))
    return found


def rebuild(cases: Sequence[Case], overrides: Sequence[str], threads: int) -> Measured:
    """Load, assemble, solve and write each case on its own."""
    from optimizer.runs.solve import solve_scenario

    found = Measured(f"loop, our solver, {threads} threads")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            texts = [*overrides, f"solver.threads={threads}", *case.overrides]
            run = solve_scenario("base", texts, out=Path(folder) / case.id)
            found.gaps.append(run.solution.mip_rel_gap)
            found.costs[case.id] = run.solution.objective_cny
    found.wall_s = time.monotonic() - began
    found.memory_mb = _memory_mb()
    return found


def appsi(cases: Sequence[Case], overrides: Sequence[str], threads: int) -> Measured:
    """Build each case as a Pyomo model and solve it through Pyomo's persistent interface to HiGHS."""
    from pyomo.contrib.appsi.solvers import Highs

    from network_data.load import load_network
    from optimizer.model.pyomo_model import to_pyomo
    from optimizer.problem.assemble import assemble_problem
    from scenarios.load import load_scenario

    found = Measured(f"loop, Pyomo with appsi_highs, {threads} threads")
    began = time.monotonic()
    for case in cases:
        scenario = load_scenario("base", [*overrides, *case.overrides])
        problem = assemble_problem(load_network(scenario.network), scenario)
        model = to_pyomo(problem)
        solver, options = Highs(), scenario.solver
        solver.config.mip_gap, solver.config.time_limit = options.mip_rel_gap, options.time_limit_s
        solver.config.load_solution = False
        solver.highs_options = {"random_seed": options.seed, "threads": threads}
        outcome = solver.solve(model)
        upper, lower = outcome.best_feasible_objective, outcome.best_objective_bound
        if upper is None:
            print(f"{case.label}: {outcome.termination_condition}, no plan", flush=True)
            upper = float("inf")
        found.gaps.append((upper - lower) / abs(upper) if math.isfinite(upper) else math.inf)
        found.costs[case.id] = float(upper)
    found.wall_s = time.monotonic() - began
    found.memory_mb = _memory_mb()
    return found


def fresh(way: Way, cases: Sequence[Case], overrides: Sequence[str], count: int) -> Measured:
    """Measure in a process of its own: memory is then its own, and HiGHS takes one number of threads per process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(way, list(cases), tuple(overrides), count).result()


def report(rows: Sequence[Measured]) -> str:
    """Lay measurements out; ratios are to the first row."""
    lines = [f"{'':42}{'cases':>6}{'wall s':>9}{'cases/min':>11}{'ratio':>7}{'gap: median':>13}{'worst':>8}{'MB':>8}"]
    for row in rows:
        ratio = rows[0].cases_per_minute / row.cases_per_minute
        lines.append(
            f"{row.name:42}{len(row.gaps):6}{row.wall_s:9.1f}{row.cases_per_minute:11.2f}{ratio:7.1f}"
            f"{statistics.median(row.gaps):13.2%}{max(row.gaps):8.2%}{row.memory_mb:8.0f}"
        )
    for row in rows[1:]:
        cheaper = [rows[0].costs[name] / cost - 1 for name, cost in row.costs.items()]
        lines.append(
            f"cost of the comparison's plans against the {row.name}: {statistics.median(cheaper):+.2%} in the median, "
            f"{min(cheaper):+.2%} to {max(cheaper):+.2%}"
        )
    lines += [f"gaps, {row.name}: " + " ".join(f"{gap:.2%}" for gap in row.gaps) for row in rows]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.price_cases", description=__doc__)
    parser.add_argument("part", nargs="*", choices=("full", "small", []), help="what to measure (default: both)")
    parser.add_argument("--sample", type=int, default=5, metavar="N", help="solve every N-th case in the loops")
    parser.add_argument("--cases", type=int, default=50, help="how many of the fifty cases")
    options = parser.parse_args(argv)
    workers = len(os.sched_getaffinity(0))
    cases = price_cases()[: options.cases]
    print(machine(), flush=True)
    if "full" in (options.part or ["full", "small"]):
        print("\nfull: base as shipped, the reference's solve included in the comparison's time", flush=True)
        rows = [fresh(compare, cases, (), workers), fresh(rebuild, cases[:: options.sample], (), workers)]
        print(report(rows), flush=True)
    if "small" in (options.part or ["full", "small"]):
        print("\nsmall: base with two slices a day", flush=True)
        loop = cases[:: options.sample]
        rows = [fresh(compare, cases, SMALL, workers), *(fresh(way, loop, SMALL, workers) for way in (rebuild, appsi))]
        print(report(rows), flush=True)


def _memory_mb() -> float:
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1e3


if __name__ == "__main__":
    main()

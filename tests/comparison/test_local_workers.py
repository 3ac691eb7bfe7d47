"""Processes of this machine solve cases: the same results as one process, whatever is killed meanwhile."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from sweeps import CARBON, Killer, children_of, contents, run, workers_of_this_process

from optimizer.comparison.cases import Case, CaseStatus
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.sweep_clock import SweepProgress

# Seconds of a solver's time: a plan from the start, and no proof to the last digit.
LONG = ("time.slices_per_day=1", "solver.mip_rel_gap=0", "solver.method=whole", "solver.time_limit_s=100")


def test_a_killed_worker_loses_and_doubles_nothing(toy_sweep: Path, undisturbed_sweep: dict[str, Any]) -> None:
    killer = Killer("carbon_20", times=1)
    results = run(toy_sweep, CARBON, toy_sweep.parent / "local", engine="local", workers=2, report=killer)
    assert killer.left == 0
    assert [result.status for result in results.values()] == [CaseStatus.SOLVED] * 3
    assert sorted(killer.ended) == ["carbon_20 solved", "carbon_40 solved", "reference solved"]
    assert contents(toy_sweep.parent / "local") == undisturbed_sweep  # by two workers and a third, to the bit
    assert len(undisturbed_sweep) > 3 * 5


def test_a_case_that_kills_its_workers_fails_alone(toy_sweep: Path, undisturbed_sweep: dict[str, Any]) -> None:
    deadly = Case("deadly", "deadly", ("solver.seed=7",))
    killer = Killer("deadly", times=99)
    results = run(toy_sweep, [deadly, *CARBON], toy_sweep.parent / "deadly", engine="local", workers=1, report=killer)
    assert killer.left == 96
    assert results["deadly"].status == CaseStatus.FAILED
    assert "worker died each of the 3 times" in results["deadly"].reason
    assert "SIGKILL" in results["deadly"].reason
    found = contents(toy_sweep.parent / "deadly")
    assert {name: found[name] for name in found if name.startswith("cases/")} == {
        name: undisturbed_sweep[name] for name in undisturbed_sweep if name.startswith("cases/")
    }


def test_a_killed_worker_takes_its_solver_along(tmp_path: Path) -> None:
    """HiGHS runs in a process of its own, below the worker: it must not go on for nobody."""
    solvers: list[int] = []
    stop = threading.Event()

    def kill(progress: SweepProgress) -> None:
        for worker in workers_of_this_process():
            if found := children_of(worker):
                solvers.extend(found)
                os.kill(worker, signal.SIGKILL)
                stop.set()

    with CaseRunner("base", LONG, out=tmp_path / "out", engine="local", workers=1, report=kill, stop=stop) as runner:
        result = runner.reference_result
    assert result.reason == "interrupted"
    assert len(solvers) == 1
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and is_alive(solvers[0]):
        time.sleep(0.05)
    assert not is_alive(solvers[0])


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

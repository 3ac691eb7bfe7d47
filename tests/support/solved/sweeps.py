"""Small comparisons for tests of the engines, in real processes, and what their folders hold beside the clock."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from toy_scenario import ToyScenario

from optimizer.comparison.cases import Case, CaseResult
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.sweep_clock import SweepProgress

CARBON = [Case(f"carbon_{price}", f"carbon {price}", (f"costs.carbon_price_cny_per_t={price}",)) for price in (20, 40)]
WITH_TIMES = ("seconds", "finished_utc", "peak_memory_mb", "progress")


def write_toy(folder: Path) -> Path:
    """Write the toy scenario and its network; returns the scenario's file."""
    ToyScenario(folder)(solver={"threads": 1, "mip_rel_gap": 1e-6})
    return folder / "toy.yaml"


def run(scenario: str | Path, cases: list[Case], out: Path, **options: Any) -> dict[str, CaseResult]:
    """Solve cases into a folder."""
    with CaseRunner(scenario, options.pop("overrides", ()), out=out, **options) as runner:
        return runner.run(cases)


def contents(out: Path) -> dict[str, str | dict[str, Any]]:
    """Digests of everything in the folder of a comparison, by name; of `run.json` all but times and memory."""
    found: dict[str, str | dict[str, Any]] = {}
    for path in sorted(out.rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(out).as_posix()
        if path.name == "run.json":
            info = json.loads(path.read_text(encoding="utf-8"))
            found[name] = {key: value for key, value in info.items() if key not in WITH_TIMES}
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()  # a difference that fits a page
    return found


INTO_THE_CASE_S = 0.05  # a case of the toy takes ten times as long


class Killer:
    """Ends workers with SIGKILL when a case has just begun, as often as asked; notes what has ended."""

    def __init__(self, case_id: str, times: int, pids: Callable[[], list[int]] | None = None) -> None:
        self.case_id, self.left = case_id, times
        self.pids = pids if pids is not None else workers_of_this_process
        self.ended: list[str] = []
        self._killed: set[int] = set()

    def __call__(self, progress: SweepProgress) -> None:
        if progress.ended:
            self.ended.append(progress.ended)
        if self.left and any(case.case_id == self.case_id for case in progress.running):
            time.sleep(INTO_THE_CASE_S)
            pids = [pid for pid in self.pids() if pid not in self._killed]  # a death is noticed a moment later
            if pids:
                self.left -= 1
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self._killed.update(pids)


def workers_of_this_process() -> list[int]:
    """Process ids of the local engine's workers."""
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children, read from the system."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found

"""Workers of a Dask cluster solve cases: the same results as one process, whatever is killed meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweeps import CARBON, Killer, contents, run

import edwc
from network_data import InputError
from optimizer.comparison.cases import Case, CaseStatus
from optimizer.comparison.runner import CaseRunner
from optimizer.comparison.workers import dask_workers as engine_dask
from optimizer.comparison.workers import executor
from optimizer.comparison.workers.dask_workers import DaskExecutor

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a scheduler and a worker, as on machines of their own; gives the address."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    options: dict[str, Any] = {"cwd": folder, "env": ENVIRONMENT, "stderr": subprocess.DEVNULL}
    shared = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    hub = subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", *shared], **options)
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", *shared], **options
    )
    try:
        while not file.is_file():
            assert hub.poll() is None
            time.sleep(0.1)
        yield json.loads(file.read_text(encoding="utf-8"))["address"]
    finally:
        for process in (worker, hub):
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cases_of(found: dict[str, Any]) -> dict[str, Any]:
    """Pick out the run folders."""
    return {name: content for name, content in found.items() if name.startswith("cases/")}


def test_a_worker_is_there_whatever_the_client_keeps_of_it(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every few seconds the client asks the scheduler for news without workers; that answer may be the last to come."""
    monkeypatch.setattr(engine_dask, "_LOOK_S", 0.0)
    found = DaskExecutor(1, tmp_path, scheduler, shared_files=True)
    update = found._client._update_scheduler_info

    async def update_and_again(n_workers: int = 0) -> None:
        await update(n_workers)
        await update()

    monkeypatch.setattr(found._client, "_update_scheduler_info", update_and_again)
    try:
        found.wait(0.0)
        assert found._pids
    finally:
        found.close()


def test_a_killed_worker_loses_and_doubles_nothing_and_a_deadly_case_fails_alone(
    toy_sweep: Path, undisturbed_sweep: dict[str, Any]
) -> None:
    deadly = Case("deadly", "deadly", ("solver.seed=7",))
    killer = Killer("deadly", times=99)
    with CaseRunner(toy_sweep, out=toy_sweep.parent / "dask", engine="dask", workers=2, report=killer) as runner:
        engine = runner._ready_executor()
        assert isinstance(engine, DaskExecutor)
        killer.pids = lambda: [engine._pids[at] for case, at in engine._running.values() if case == "deadly"]
        results = runner.run([deadly, *CARBON])
    assert killer.left == 96
    assert results["deadly"].status == CaseStatus.FAILED
    assert "each of the 3 times" in results["deadly"].reason
    assert sorted(killer.ended) == ["carbon_20 solved", "carbon_40 solved", "deadly failed", "reference solved"]
    assert cases_of(contents(toy_sweep.parent / "dask")) == cases_of(undisturbed_sweep)


def test_a_running_scheduler_is_used_and_left_running(
    toy_sweep: Path, undisturbed_sweep: dict[str, Any], scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = toy_sweep.parent / "far"
    results = run(toy_sweep, CARBON, out, engine="dask", scheduler=scheduler, shared_files=True)
    assert [result.status for result in results.values()] == [CaseStatus.SOLVED] * 3
    assert contents(out) == undisturbed_sweep
    # The same name, another folder: each process has a working directory of its own.
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="does not see the folder of the comparison"):
        run(toy_sweep, CARBON, Path("/proc/self/cwd/out"), engine="dask", scheduler=scheduler, shared_files=True)


def test_what_keeps_a_worker_from_being_of_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_dask, "CONNECT_S", 0.5)
    with pytest.raises(InputError, match="does not answer"):
        DaskExecutor(1, tmp_path, "tcp://127.0.0.1:1")
    with pytest.raises(InputError, match="is said of the workers of a scheduler"):
        edwc.compare("base", sweeps={"price.west": [1.0]}, engine="dask", shared_files=True)
    with pytest.raises(InputError, match="does not answer"):
        DaskExecutor(1, tmp_path, "no address \x1b[2J")
    engine = object.__new__(DaskExecutor)
    engine._signals = tmp_path
    (tmp_path / "probe-7-t").touch()
    engine._shares_files = True
    here = executor.describe_process()
    other = {**here, "pid": 7, "token": "t", "read": "t", "versions": here["versions"] | {"numpy": "1.0"}}
    assert "other versions: numpy 1.0 instead of" in str(engine._problem(other, "t"))
    assert "another folder" in str(engine._problem(other, "t"))  # the file was taken away with the look before
    engine._shares_files = False
    assert engine._problem(here, "t") is None
    assert "other built-in scenarios" in str(engine._problem({**here, "built_in": "another"}, "t"))
    assert "cannot run" in str(engine._problem(ImportError("no module named optimizer"), "t"))
    assert "does not answer" in str(engine._problem(None, "t"))

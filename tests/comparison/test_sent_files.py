"""Workers that see none of the caller's files solve cases: the same folders as one process writes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from distributed import Client
from far_cluster import ROOT, FarCluster, memory_group
from sweeps import CARBON, children_of, contents, run, write_toy

import edwc
from network_data import InputError, load_network
from optimizer.comparison.cases import Case, CaseResult, CaseStatus
from optimizer.comparison.known_cases import KnownCases
from optimizer.comparison.order import order_of
from optimizer.comparison.runner import CaseRunner, Step
from optimizer.comparison.sweep_clock import SweepProgress
from optimizer.comparison.workers import case_solve, dask_workers
from optimizer.comparison.workers.case_task import CaseTask
from optimizer.runs.run import open_run
from optimizer.runs.verify import verify_run

SOLVED = [CaseStatus.SOLVED] * 3
# The reference is solved within seconds; the other case is not within its time limit.
LONG = ("base", "--set", "time.slices_per_day=1", "--sweep", "solver.mip_rel_gap=0", "--time-limit", "100")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarCluster]:
    """Start a cluster that sees nothing below the folder of all tests."""
    with FarCluster(tmp_path_factory.getbasetemp()) as found:
        yield found


def solve(toy: Path, name: str, cluster: FarCluster, cases: list[Case] = CARBON, **options: Any) -> list[CaseResult]:
    """Solve cases on a cluster into a folder beside the toy."""
    out = toy.parent / name
    return list(run(toy, cases, out, engine="dask", scheduler=cluster.address, **options).values())


def once(act: Callable[[], None], case_id: str) -> Callable[[SweepProgress], None]:
    """Make a report that acts when a case has begun."""
    left = [act]

    def report(progress: SweepProgress) -> None:
        if left and any(case.case_id == case_id for case in progress.running):
            left.pop()()

    return report


def test_each_file_is_sent_once_and_folders_are_the_same(
    cluster: FarCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every way in which a scenario can name a file: from the root, by a link, above its folder, in an override.
    toy = write_toy(tmp_path / "base")
    (tmp_path / "tables").mkdir()
    toy.with_name("profiles.csv").rename(tmp_path / "tables" / "profiles.csv")
    toy.with_name("profiles.csv").symlink_to("../tables/../tables/profiles.csv")
    (tmp_path / "linked").symlink_to(tmp_path / "base")
    scenario = tmp_path / "own" / "scenario.yaml"
    scenario.parent.mkdir()
    scenario.write_text(f"extends: {tmp_path}/linked/toy.yaml\nname: own\nnetwork: ../own/../base/net\n", "utf-8")
    (tmp_path / "dear.yaml").write_text("name: dear\nchanges: {up: {what: carbon_price, replace: 70}}\n", "utf-8")
    cases = [*CARBON, Case("dear", "dear", (f"price_cases=[{tmp_path}/dear.yaml]",))]
    cluster.add_worker("one")
    sent: list[str] = []
    read = dask_workers.read_contents

    def note(files: Mapping[str, str]) -> dict[str, bytes]:
        sent.extend(files)
        return read(files)

    monkeypatch.setattr(dask_workers, "read_contents", note)
    results = solve(scenario, "out", cluster, cases)
    assert [result.status for result in results] == [*SOLVED, CaseStatus.SOLVED], [r.reason for r in results]
    run(scenario, cases, scenario.parent / "serial")
    assert contents(scenario.parent / "out") == contents(scenario.parent / "serial")
    assert len(sent) == len(set(sent)) > 10
    assert str(tmp_path / "tables" / "profiles.csv") in sent
    assert verify_run(open_run(scenario.parent / "out" / "cases" / "dear")).is_verified
    # What has arrived is not solved again; a changed input is.
    sent.clear()
    solve(scenario, "out", cluster, cases)
    assert not sent
    (tmp_path / "dear.yaml").write_text((tmp_path / "dear.yaml").read_text("utf-8").replace("70", "80"), "utf-8")
    solve(scenario, "out", cluster, cases)
    assert str(tmp_path / "dear.yaml") in sent


def test_steps_find_their_cuts_and_plans_on_the_worker_and_come_back(
    cluster: FarCluster, toy_sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cluster.workers:
        cluster.add_worker("one")
    sent: list[str] = []
    read = dask_workers.read_contents

    def note(files: Mapping[str, str]) -> dict[str, bytes]:
        sent.extend(files)
        return read(files)

    monkeypatch.setattr(dask_workers, "read_contents", note)
    # With many tokens pods are bought, whole ones: a gap stays that the step has to close, and it learns cuts. Without
    # known plans each case is searched, and learns its own.
    loose = ("demand.tokens_per_day_trillion=1", "solver.method=decomposed", "solver.mip_rel_gap=0.5")
    found = {}
    for name, engine in {"far": {"engine": "dask", "scheduler": cluster.address}, "here": {"engine": "serial"}}.items():
        out = toy_sweep.parent / name
        with CaseRunner(toy_sweep, loose, out=out, keep_learned=True, known_plans=False, **engine) as runner:
            solved = runner.run(CARBON)
            assert all(result.has_plan for result in solved.values()), [result.reason for result in solved.values()]
            steps = {"carbon_20": Step((out / "cases" / "carbon_40",), 1e-6)}
            assert runner.improve(steps)["carbon_20"].status == CaseStatus.SOLVED
            # From what the step has learned, and from its plan.
            steps = {"carbon_20": Step((), 1e-7), "reference": Step((out / "improved" / "carbon_20" / "1",))}
            assert all(result.has_plan for result in runner.improve(steps).values())
        found[name] = contents(out)
    assert found["far"] == found["here"]
    runs = ("cases/reference", "cases/carbon_20", "improved/carbon_20/1")
    assert {f"{toy_sweep.parent}/far/{run}/learned_cuts.parquet" for run in runs} <= set(sent)
    assert f"{toy_sweep.parent}/far/cases/carbon_40/run.json" in sent
    assert len(sent) == len(set(sent))


def test_later_cases_begin_where_a_like_case_ended(
    cluster: FarCluster, toy_sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cluster.workers:
        cluster.add_worker("one")
    cases = []
    for number, scale in enumerate((1.0, 0.05, 4.1, 0.02, 3.0, 4.0)):
        path = tmp_path / f"west_{number}.yaml"
        path.write_text(
            f"name: west\nchanges: {{p: {{what: energy_price, scale: {scale}, regions: [west]}}}}\n", "utf-8"
        )
        cases.append(Case(f"west_{number}", f"west {number}", (f"price_cases=[{path}]",)))
    assert [place.case.id for place in order_of(cases)] == ["west_2", "west_3", "west_1", "west_4", "west_0", "west_5"]
    begun: list[str] = []
    choose = case_solve.teacher_of

    def note(task: CaseTask, known: KnownCases) -> Path | None:
        folder = choose(task, known)
        begun.append("" if folder is None else folder.name)
        return folder

    monkeypatch.setattr(case_solve, "teacher_of", note)
    decomposed = ("demand.tokens_per_day_trillion=1", "solver.method=decomposed", "solver.mip_rel_gap=1e-5")
    run(toy_sweep, cases, tmp_path / "here", overrides=decomposed)
    assert begun[:4] == ["reference"] * 4
    assert len(begun) == 6
    # At 4 times the price the plan for 4.1 times is the best known; the file of its prices is another.
    assert begun[5] == "west_2"
    far = {"engine": "dask", "scheduler": cluster.address}
    results = run(toy_sweep, cases, tmp_path / "far", overrides=decomposed, **far)
    assert all(result.has_plan for result in results.values()), [result.reason for result in results.values()]
    assert contents(tmp_path / "far") == contents(tmp_path / "here")


def test_inputs_made_in_memory_travel_too(cluster: FarCluster, toy_sweep: Path, tmp_path: Path) -> None:
    if not cluster.workers:
        cluster.add_worker("one")
    network = load_network(toy_sweep.parent / "net")
    cooler = network.with_tables(data_centers=network.data_centers.assign(pue=1.1))
    found = {}
    for name, engine in {"far": {"engine": "dask", "scheduler": cluster.address}, "here": {"engine": "serial"}}.items():
        scenario = {"extends": str(toy_sweep), "name": "mine"}
        edwc.compare(
            scenario, network=cooler, sweeps={"carbon_price": [20]}, regret=False, out=tmp_path / name, **engine
        )
        cases = {key: what for key, what in contents(tmp_path / name).items() if key.startswith("cases/")}
        found[name] = json.loads(json.dumps(cases).replace(str(tmp_path / name), "OUT"))  # where they keep their inputs
    assert found["far"] == found["here"]
    assert any("/inputs/" in name for name in found["far"])


def test_a_file_that_changed_or_went_away_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "changed.csv").write_text("other", "utf-8")
    names = {str(tmp_path / name): "0" * 64 for name in ("changed.csv", "gone.csv")}
    with pytest.raises(InputError, match="2 faults") as told:
        dask_workers.read_contents(names)
    assert [fault.problem for fault in told.value.faults] == [
        "has changed since the comparison began", "cannot be read any more (No such file or directory)",
    ]  # fmt: skip


def test_a_worker_that_cannot_keep_the_files_is_told(cluster: FarCluster, toy_sweep: Path) -> None:
    if not cluster.workers:
        cluster.add_worker("one")
    with Client(cluster.address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=60)
        client.run(lambda dask_worker: Path(dask_worker.local_directory).rename(f"{dask_worker.local_directory}-away"))
        client.run(lambda dask_worker: Path(dask_worker.local_directory).write_text("in the way", "utf-8"))
        (result,) = solve(toy_sweep, "full", cluster, [])
        client.run(lambda dask_worker: Path(dask_worker.local_directory).unlink())
        client.run(lambda dask_worker: Path(f"{dask_worker.local_directory}-away").rename(dask_worker.local_directory))
    assert result.status == CaseStatus.FAILED
    assert "did not take its files: NotADirectoryError" in result.reason


def test_the_case_of_a_killed_worker_is_solved_by_one_that_joins_late(
    cluster: FarCluster, toy_sweep: Path, undisturbed_sweep: dict[str, Any]
) -> None:
    def replace_all() -> None:
        cluster.end_workers()
        cluster.add_worker("late")

    results = solve(toy_sweep, "late", cluster, report=once(replace_all, "carbon_20"))
    assert [result.status for result in results] == SOLVED
    assert contents(toy_sweep.parent / "late") == undisturbed_sweep


def test_a_case_that_the_kernel_ends_for_want_of_memory_goes_to_another_worker(
    cluster: FarCluster, toy_sweep: Path, undisturbed_sweep: dict[str, Any]
) -> None:
    cluster.end_workers()
    with memory_group() as group:
        small = cluster.add_worker("small")
        group.add(small.pid)

        def squeeze() -> None:
            group.limit_to_what_is_used(and_mb=4)
            assert small.wait(timeout=60) == -signal.SIGKILL
            cluster.add_worker("large")

        results = solve(toy_sweep, "squeezed", cluster, report=once(squeeze, "reference"))
    assert [result.status for result in results] == SOLVED
    assert contents(toy_sweep.parent / "squeezed") == undisturbed_sweep


def test_a_case_whose_solver_is_killed_tries_another_worker_and_says_what_it_lacks(
    cluster: FarCluster, toy_sweep: Path, undisturbed_sweep: dict[str, Any]
) -> None:
    cluster.end_workers()
    small, is_over = cluster.add_worker("small"), threading.Event()

    def hunt() -> None:
        """Do as the kernel does where a solver takes too much: end it, not the worker."""
        while not is_over.wait(0.05):
            for pid in children_of(small.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        (alone,) = solve(toy_sweep, "hunted", cluster, [])
        cluster.add_worker("large")
        with Client(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        results = solve(toy_sweep, "hunted", cluster)
    finally:
        is_over.set()
        hunter.join()
    assert alone.status == CaseStatus.FAILED
    assert "out of memory (the solver process died of SIGKILL" in alone.reason
    assert "give each worker more" in alone.reason
    assert [result.status for result in results] == SOLVED
    assert contents(toy_sweep.parent / "hunted") == undisturbed_sweep


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_stop_with_the_command_and_what_has_arrived_is_kept(
    cluster: FarCluster, tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    # The second command goes on where the first was stopped.
    out = tmp_path_factory.getbasetemp() / "stopped"
    with Client(cluster.address, set_as_default=False) as client:
        if not cluster.workers:
            cluster.add_worker("stopped")
        client.wait_for_workers(1, timeout=60)
        words = [*LONG, "--engine", "dask", "--scheduler", cluster.address, "--out", str(out)]
        command = [sys.executable, "-m", "optimizer", "compare", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "1 of 2 cases  " in line or "1 stored" in line:
                    break
            wait_until(lambda: executing(client) == 1)
            wait_until(lambda: any(out.glob(".edwc-signals-*/solver_mip_rel_gap_0.json")))  # it tells how far it is
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        assert process.returncode == (3 if number == signal.SIGINT else -signal.SIGKILL), err
        assert "Traceback" not in err
        wait_until(lambda: executing(client) == 0)
    assert open_run(out / "cases" / "reference").exit_code == 0
    if number == signal.SIGINT:
        entries = json.loads((out / "comparison.json").read_text("utf-8"))["cases"]
        assert [entry["status"] for entry in entries] == ["solved", "stopped"]


def executing(client: Client) -> int:
    """How many cases the workers are solving."""
    counts = client.run(lambda dask_worker: dask_worker.state.executing_count)
    return int(sum(counts.values()))


def wait_until(holds: Callable[[], bool]) -> None:
    """See that something comes true, long before the time limit of a case."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_worker_with_other_code_is_told(tmp_path_factory: pytest.TempPathFactory, toy_sweep: Path) -> None:
    other = tmp_path_factory.mktemp("code", numbered=True)
    for name in ("network_data", "scenarios", "optimizer"):
        shutil.copytree(ROOT / name, other / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "optimizer" / "units.py").open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    hidden = toy_sweep.parent
    with FarCluster(hidden) as cluster:
        cluster.add_worker("other", code=other)
        with pytest.raises(InputError, match="runs other code of edwc under the same version"):
            solve(toy_sweep, "other", cluster)

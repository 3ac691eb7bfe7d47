"""`edwc compare` as a user meets it, in real processes: tables, faults, signals, and taking up what was stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sweeps import CARBON, contents, run, write_toy

from optimizer.cli.main import main
from optimizer.cli.output import ONE_REQUEST_S
from optimizer.runs.run import open_run
from optimizer.runs.verify import verify_run

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "PYTHONIOENCODING": "ascii"}
SWEEP = ("--sweep", "carbon_price=50,100", "--sweep", "price.west=0.5,2")
HOSTILE = "<script>, + \u4ef7\u683c.yaml"
CONTROL = "\x1b[2J.yaml"
# The reference is solved within seconds; the other case is not within its time limit.
LONG = ("base", "--set", "time.slices_per_day=1", "--sweep", "solver.mip_rel_gap=0", "--time-limit", "100")


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "optimizer", "compare", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    return subprocess.Popen(command, start_new_session=True, **(pipes | options))


def compare(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
    """Run the command; it must end with this exit code and without a traceback or a warning."""
    with start(*arguments) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err, err
    assert "arning" not in err, err
    return out, err


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Read stderr until a line holds these words."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"the command ended without saying {words!r}")


def statuses(out: Path) -> dict[str, str]:
    """Status of each case, from `comparison.json`."""
    content = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    return {case["id"]: case["status"] for case in content["cases"]}


def wait_for_end(group: int) -> None:
    """See that no process of a group is left running, in a moment; one that nobody has waited for yet is over."""
    deadline = time.monotonic() + 10
    while (left := members(group)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def members(group: int) -> list[str]:
    """Names of the running processes of a group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            name, _, rest = path.read_text(encoding="utf-8", errors="replace").rpartition(")")
            state, _, its_group = rest.split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(name)
    return found


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def undisturbed(toy: Path) -> Path:
    """Carry out a sweep undisturbed, case by case in this process; returns its folder."""
    assert main(["compare", str(toy), *SWEEP, "--engine", "serial", "--out", str(toy.parent / "undisturbed")]) == 0
    return toy.parent / "undisturbed"


def test_sweep_killed_as_a_whole_goes_on_where_it_was(
    toy: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = toy.parent / "killed"
    with start(toy, *SWEEP, "--out", out, "--workers", "1") as process:
        wait_for(process, "2 of 5 cases")
        os.killpg(process.pid, signal.SIGKILL)
    wait_for_end(process.pid)
    whole = {path: path.stat().st_ino for path in out.glob("cases/*/run.json")}
    assert 2 <= len(whole) < 5
    capsys.readouterr()
    assert main(["compare", str(toy), *SWEEP, "--engine", "serial", "--out", str(out)]) == 0
    assert f"({len(whole)} stored)" in capsys.readouterr().err
    assert {path: path.stat().st_ino for path in whole} == whole  # none of them was written again
    assert contents(out) == contents(undisturbed)


def test_only_what_has_changed_is_solved_again(toy: Path) -> None:
    out = toy.parent / "again"

    def again(*overrides: str, **options: Any) -> set[str]:
        """Solve the cases into the same folder; returns those whose run folders were written."""
        before = {path.parent.name: path.stat().st_ino for path in out.glob("cases/*/run.json")}
        results = run(toy, CARBON, out, overrides=overrides, **options)
        assert all(result.status == "solved" for result in results.values())
        after = {path.parent.name: path.stat().st_ino for path in out.glob("cases/*/run.json")}
        return {name for name in after if before.get(name) != after[name]}

    every = {"reference", *(case.id for case in CARBON)}
    assert again() == every
    assert again() == set()
    (out / "cases" / "carbon_20" / "costs.parquet").write_bytes(b"damaged")
    assert again() == {"carbon_20"}
    assert again(force=True) == every
    assert again("demand.tokens_per_day_trillion=0.002") == every


def test_interrupt_keeps_what_is_finished_and_a_second_call_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for words in ("1 of 2 cases  ", "(1 stored)"):
        with start(*LONG, "--out", out, "--workers", "1") as process:
            wait_for(process, words)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the workers too
            _, err = process.communicate(timeout=60)
        assert process.returncode == 3, err
        assert "Traceback" not in err
        wait_for_end(process.pid)
        assert statuses(out)["reference"] == "solved"
        assert statuses(out)["solver_mip_rel_gap_0"] in {"stopped", "no_plan"}
    assert verify_run(open_run(out / "cases" / "reference")).is_verified


def test_two_signals_at_once_are_one_request(tmp_path: Path) -> None:
    """As `timeout` sends them, to the process and to its group: what is finished is kept all the same."""
    with start(*LONG, "--out", tmp_path / "out", "--workers", "1") as process:
        wait_for(process, "1 of 2 cases  ")
        process.send_signal(signal.SIGINT)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "Comparison of base" in out
    assert statuses(tmp_path / "out")["reference"] == "solved"
    wait_for_end(process.pid)


def test_a_later_signal_ends_at_once() -> None:
    code = (
        "import time; from optimizer.cli.output import run_until_stopped;"
        "run_until_stopped(lambda stop: (print(flush=True), time.sleep(60)))"  # the handlers are set before it begins
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        wait_for(process, "stopping")
        time.sleep(ONE_REQUEST_S + 0.1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM


def test_workers_and_solvers_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    with start(*LONG, "--out", tmp_path / "out") as process:
        wait_for(process, "1 of 2 cases  ")
        assert len(members(process.pid)) > 1
        process.kill()
    wait_for_end(process.pid)


def test_failing_case_and_hostile_name_are_rows(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: list[str | Path] = ["--sweep", "demand.tokens_per_day_trillion=0.002,-1,10"]
    for name in (HOSTILE, CONTROL):
        case = toy.parent / name
        case.write_text("name: hostile\nchanges: {up: {what: carbon_price, replace: 70}}\n", encoding="utf-8")
        options += ["--price-cases", case]
    out, _ = compare(toy, *options, "--out", toy.parent / "rows", "--json", code=3)
    assert "\x1b" not in out
    found = json.loads(out, parse_constant=pytest.fail)
    rows = {row["case"]: row for row in found["cases"]["cases"]}
    assert [row["status"] for row in rows.values()] == [
        "solved", "solved", "failed", "infeasible", *["failed"] * 3,
    ]  # fmt: skip
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for name in rows)
    assert "tokens_per_day_trillion" in next(row["reason"] for row in rows.values() if row["status"] == "failed")
    assert sum("<script>" in row["label"] for row in rows.values()) == 3
    assert main(["compare", str(toy.parent / "rows")]) == 3  # the stored comparison, without solving
    assert "\x1b" not in capsys.readouterr().out
    folders = sorted((toy.parent / "rows" / "cases").iterdir())
    assert {folder.name for folder in folders} == {name for name in rows if rows[name]["status"] == "solved"}
    options = ["--waterfall", f"{folders[0].name},reference", "--reference", "reference"]
    assert main(["compare", *map(str, folders), *map(str, options)]) == 0
    assert " to reference, thousand CNY a year" in capsys.readouterr().out


def test_json_warns_of_peaks_that_slices_average_away(toy: Path) -> None:
    # The first half of the day asks for three times as much as the second.
    options = ("--set", "time.slices_per_day=1", "--sweep", "carbon_price=20", "--out", toy.parent / "coarse", "--json")
    out, _ = compare(toy, *options)
    (warning,) = json.loads(out)["warnings"]
    assert "average away" in warning


def test_every_fault_is_told_before_anything_is_solved(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = [
        "--price-cases", "carbon_51,,today", "--sweep", "prize=1", "--sweep", "price.nowhere=1,2",
        "--tornado", "carbon_price=1", "--workers", "0", "--scheduler", "tcp://x:1",
        "--out", "out",
    ]  # fmt: skip
    assert main(["compare", str(toy), *wrong]) == 1
    err = capsys.readouterr().err
    for words in (
        "Did you mean 'carbon_50'", "a name is missing", "'prize=1'", "nowhere", "is not a range", "--workers",
        "Choose the engine dask",
    ):  # fmt: skip
        assert words in err
    assert list(tmp_path.iterdir()) == []
    assert main(["compare", str(toy), "--sweep", "price=1,2", "--mip-rel-gap", "-1"]) == 1
    assert "--mip-rel-gap value '-1.0'" in capsys.readouterr().err
    assert main(["compare", str(toy)]) == 1
    assert "nothing to compare" in capsys.readouterr().err
    assert main(["compare", str(toy), "nowhere"]) == 1
    assert "is no run folder" in capsys.readouterr().err
    assert main(["compare", str(toy), "--sweep", "price=1,2", "--waterfall", "price_1,price_3"]) == 1
    assert "is no pair of cases" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear", encoding="utf-8")
    assert main(["compare", str(toy), "--sweep", "price=1,2", "--out", "out"]) == 1
    assert "holds no comparison" in capsys.readouterr().err


def test_searches_stand_beside_the_cases_and_one_at_fault_costs_none_of_them(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    searches = ["--break-even", "carbon_price=0:100", "--break-even", "demand.tokens_per_day_trillion=0.001:0.002"]
    options = ["--frontier", "carbon", "--engine", "serial", "--out", str(tmp_path / "out"), "--json"]
    assert main(["compare", str(toy), *searches, *options]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == 1
    assert found["break_even_carbon_price"]["break_even_carbon_price"][0]["from"] == 0.0
    assert found["carbon_frontier"]["carbon_frontier"]
    assert "changes more than prices" in found["--break-even demand.tokens_per_day_trillion"]["faults"][0]["problem"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"cases.csv", "break_even_carbon_price.csv", "carbon_frontier.csv", "carbon_frontier.png"} <= names

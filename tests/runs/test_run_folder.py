"""The run folder: whole or not at all, whatever stood there, whatever it is called, whenever the process dies."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from toy_problems import toy_problem

from network_data import InputError
from optimizer.problem.problem import PlacementProblem
from optimizer.runs import folder as atomic
from optimizer.runs import folder as run_folder
from optimizer.runs.folder import check_target, json_ready, write_run
from optimizer.runs.plan_tables import UnknownLabelError, plan_from_tables, plan_tables
from optimizer.runs.run import open_run
from optimizer.solvers.greedy import cheapest_energy

INFO: dict[str, Any] = {"scenario": {"name": "toy"}, "network": {"name": "net"}, "summary": {}}
ROOT = Path(__file__).resolve().parents[2]


def problem_of_tables() -> PlacementProblem:
    return toy_problem(indivisible=(True, False), existing_pods=(4, 4), max_new_pods=(2, 2))


def tables() -> dict[str, pd.DataFrame]:
    """Tables of a plan of the toy, with those that only a network can complete."""
    problem = problem_of_tables()
    plan = cheapest_energy(problem)
    centers = problem.data_centers[["id", "name"]].assign(is_open=plan.is_open > 0, contract_mw=plan.contract_mw)
    ids = problem.data_centers["id"].to_numpy()
    routes = problem.routes.assign(
        route=np.arange(len(problem.routes)), data_center=ids[problem.routes["data_center_index"]]
    )
    costs = pd.DataFrame({"component": ["energy"], "data_center": ["east"], "cny_per_year": [1.0]})
    return plan_tables(problem, plan) | {"data_centers": centers, "routes": routes, "costs": costs}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_run_is_read_back(tmp_path: Path) -> None:
    written = tables()
    folder = write_run(tmp_path / "deep" / "run", INFO, written)
    stored = open_run(folder)
    assert stored.changed_files == ()
    assert stored.info["scenario"] == {"name": "toy"}
    assert set(stored.tables) == set(written)
    for name, table in written.items():
        pd.testing.assert_frame_equal(stored.tables[name], table, check_dtype=False)
    assert names(folder.parent) == ["run"]


def test_plan_survives_tables_whatever_the_order_of_rows() -> None:
    problem = toy_problem(indivisible=(True, False), deferrable_h=12, second_route=True, accelerators=2)
    plan = cheapest_energy(problem)
    plan.backlog_mtok[0, 1] = 7.0
    stored = {name: table.iloc[::-1] for name, table in plan_tables(problem, plan).items()}
    ids = problem.data_centers["id"].to_numpy()
    stored["data_centers"] = pd.DataFrame(
        {"id": ids[::-1], "is_open": plan.is_open[::-1] > 0, "contract_mw": plan.contract_mw[::-1]}
    )
    stored["routes"] = problem.routes.assign(
        route=np.arange(len(problem.routes)), data_center=ids[problem.routes["data_center_index"]]
    )
    again = plan_from_tables(problem, stored)
    for name, array in vars(plan).items():
        np.testing.assert_array_equal(getattr(again, name), array, err_msg=name)


def test_unknown_labels_are_named_for_every_table() -> None:
    problem = problem_of_tables()
    stored = tables()
    stored["pools"].loc[0, "accelerator"] = "abacus"
    stored["allocation"].loc[0, "demand_hub"] = "gamma"
    with pytest.raises(UnknownLabelError, match=r"(?s)allocation: 1 row.*gamma.*pools: 1 row.*abacus"):
        plan_from_tables(problem, stored)


def test_row_stored_twice_counts_twice() -> None:
    problem = problem_of_tables()
    plan = cheapest_energy(problem)
    stored = tables()
    stored["allocation"] = pd.concat([stored["allocation"]] * 2)
    again = plan_from_tables(problem, stored)
    assert again.flow_mtok_per_h.sum() == pytest.approx(2 * plan.flow_mtok_per_h.sum())


def test_older_run_and_its_exports_are_replaced(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", INFO, tables())
    (folder / "allocation.gpkg").write_bytes(b"old map")
    write_run(folder, {**INFO, "scenario": {"name": "new"}}, tables())
    assert open_run(folder).info["scenario"]["name"] == "new"
    assert "allocation.gpkg" not in names(folder)  # it showed the older plan
    assert names(tmp_path) == ["run"]


def test_replacing_works_without_exchange_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    write_run(tmp_path / "run", INFO, tables())
    write_run(tmp_path / "run", {**INFO, "scenario": {"name": "new"}}, tables())
    assert open_run(tmp_path / "run").info["scenario"]["name"] == "new"
    assert names(tmp_path) == ["run"]


def test_failed_write_leaves_the_older_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", INFO, tables())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    class Broken(pd.DataFrame):
        def to_parquet(self, *_: Any, **__: Any) -> None:  # type: ignore[override]
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_run(folder, INFO, {**tables(), "links": Broken()})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names(tmp_path) == ["run"]


KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = {paths!r}
from test_run_folder import INFO, tables
from optimizer.runs import folder as run_folder
step = {step!r}
real = getattr(run_folder, step)
def slow(*arguments):
    result = real(*arguments) if {after!r} else None
    print("in", step, flush=True)
    time.sleep(60)
    return result
setattr(run_folder, step, slow)
run_folder.write_run(Path({folder!r}), {{**INFO, "scenario": {{"name": "second"}}}}, tables())
"""


@pytest.mark.parametrize(
    ("step", "moment", "survivor"),
    [
        pytest.param("_sha256", "after", "first", id="while-tables-are-hashed"),
        pytest.param("take_name", "before", "first", id="before-the-name-is-taken"),
        pytest.param("_exchange", "after", "second", id="after-the-names-are-exchanged"),
    ],
)
def test_killed_write_leaves_one_complete_run(tmp_path: Path, step: str, moment: str, survivor: str) -> None:
    folder = write_run(tmp_path / "run", {**INFO, "scenario": {"name": "first"}}, tables())
    code = KILLED.format(paths=sys.path, step=step, after=moment == "after", folder=str(folder))
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == f"in {step}"
        process.kill()
    stored = open_run(folder)
    assert stored.info["scenario"]["name"] == survivor
    assert stored.changed_files == ()
    assert any(path.name.startswith(".edwc-run-") for path in tmp_path.iterdir())  # the draft of the killed process
    write_run(folder, INFO, tables())
    assert names(tmp_path) == ["run"]  # and the next write has removed it


def test_draft_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    draft = tmp_path / f".edwc-run-{os.getppid()}-{run_folder._machine()}-abcd"
    draft.mkdir()
    far = tmp_path / ".edwc-run-999999999-another0-abcd"  # no such process here, but there
    far.mkdir()
    nameless = tmp_path / ".edwc-run-0123-abcd"  # as an older version called it
    nameless.mkdir()
    write_run(tmp_path / "run", INFO, tables())
    assert draft.is_dir()
    assert far.is_dir()
    old = time.time() - 2 * run_folder._DRAFT_MAX_AGE_S
    for path in (draft, far, nameless):
        os.utime(path, (old, old))
    write_run(tmp_path / "run", INFO, tables())
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("name", ["a b;$(touch x)", "-rf", "line\nbreak", "\u672c\u5730", "x" * 255])
def test_hostile_folder_names_are_names_like_any_other(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path / name, INFO, tables())
    assert folder.name == name
    assert open_run(folder).changed_files == ()
    assert names(tmp_path) == [name]


def test_link_to_an_older_run_stays_a_link(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "real", INFO, tables())
    (tmp_path / "link").symlink_to(folder)
    assert write_run(tmp_path / "link", {**INFO, "scenario": {"name": "new"}}, tables()) == folder
    assert (tmp_path / "link").is_symlink()
    assert open_run(tmp_path / "link").info["scenario"]["name"] == "new"


def target_fault(folder: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        check_target(folder)
    (fault,) = caught.value.faults
    assert fault.remedy
    return fault.problem


def test_target_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert target_fault(tmp_path / "file") == "is a file"
    assert target_fault(tmp_path / "file" / "below") == "cannot be written to (Not a directory)"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine", encoding="utf-8")
    assert target_fault(tmp_path / "full") == "is not empty and holds no run"
    assert "usable name" in target_fault("nul\0l")
    (tmp_path / "empty").mkdir()
    assert check_target(tmp_path / "empty") == tmp_path / "empty"


def test_run_with_a_users_file_in_it_is_not_replaced(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", INFO, tables())
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    assert "1 file(s) that no run wrote" in target_fault(folder)
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / "run.json").unlink(), "cannot be read"),
        (lambda folder: (folder / "run.json").write_text("{", encoding="utf-8"), "is not valid JSON"),
        (lambda folder: (folder / "run.json").write_text("[]", encoding="utf-8"), "not a JSON object"),
        (lambda folder: (folder / "work.parquet").unlink(), "is missing"),
        (lambda folder: (folder / "work.parquet").write_bytes(b"PAR1 no more"), "cannot be read"),
        (
            lambda folder: pd.DataFrame({"day": ["x"]}).to_parquet(folder / "peaks.parquet"),
            "a column is missing",
        ),
    ],
)
def test_damaged_folder_is_refused_with_every_fault(tmp_path: Path, damage: Any, problem: str) -> None:
    folder = write_run(tmp_path / "run", INFO, tables())
    damage(folder)
    with pytest.raises(InputError) as caught:
        open_run(folder).require_whole()
    assert all(problem in fault.problem for fault in caught.value.faults)


@pytest.mark.parametrize("name", ["../secret", "inputs/../../secret", "/secret", "other/secret", "inputs/", ""])
def test_run_json_cannot_point_outside_its_folder(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path / "run", INFO, tables())
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    info["files"][name] = "0"
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    with pytest.raises(InputError, match="is no name of a file of the run"):
        open_run(folder).require_whole()


def test_json_has_no_infinite_numbers() -> None:
    value = {"a": math.inf, "b": [np.float64("nan"), np.int64(3), True], 4: Path("x"), "c": (None, np.True_)}
    assert json_ready(value) == {"a": None, "b": [None, 3, True], "4": "x", "c": [None, True]}

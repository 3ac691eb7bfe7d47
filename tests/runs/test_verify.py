"""A stored run is proved again from its inputs; whatever was changed since is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from run_files import make_older
from toy_scenario import ToyScenario

import edwc
from network_data.faults import InputError
from optimizer.cli.main import main
from optimizer.runs.run import open_run
from optimizer.runs.verify import VerifyReport, verify_run


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a toy scenario, its network, and its solved run in `run`."""
    folder = tmp_path_factory.mktemp("solved")
    ToyScenario(folder)(chat={"indivisible": True}, batch={"deferrable_h": 12})
    run = edwc.solve(folder / "toy.yaml", ["solver.threads=1"], out=folder / "run")
    assert run.exit_code == 0
    return folder


@pytest.fixture
def copy(solved: Path, tmp_path: Path) -> Path:
    """Copy inputs and run to a place of the test's own; returns the run folder."""
    shutil.copytree(solved, tmp_path / "copy")
    return tmp_path / "copy" / "run"


def edit(run: Path, table: str, change: Callable[[pd.DataFrame], Any]) -> VerifyReport:
    """Change a stored table and verify the run."""
    path = run / f"{table}.parquet"
    frame = pd.read_parquet(path)
    changed = change(frame)
    (frame if changed is None else changed).to_parquet(path, index=False)
    return verify_run(open_run(run))


def scale(column: str, factor: float) -> Callable[[pd.DataFrame], None]:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[frame[column].idxmax(), column] *= factor

    return change


def mentions(report: VerifyReport, *words: str) -> bool:
    return not report.is_verified and all(any(word in line for line in report.differences) for word in words)


def test_solved_run_is_verified(solved: Path) -> None:
    report = verify_run(open_run(solved / "run"))
    assert report.is_verified, "\n".join(report.differences)
    info = json.loads((solved / "run" / "run.json").read_text(encoding="utf-8"))
    assert report.total_cny_per_year == pytest.approx(info["objective_cny_per_year"], rel=1e-9)
    assert report.checked["limits broken"] == 0
    assert report.checked["table cells"] > 400
    assert report.checked["input files"] == 9  # seven network tables, the scenario, its profiles


def test_run_of_an_older_version_is_whole_without_tables_by_time_slice(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = verify_run(open_run(make_older(copy)))
    assert report.is_verified, report.differences
    assert main(["verify", str(copy)]) == 0
    out = capsys.readouterr().out
    assert "note: an older version made this run, which did not store links_by_slice and data_centers_by_slice" in out
    edit(copy, "links", lambda frame: frame.assign(peak_gbps=0.0))
    assert mentions(verify_run(open_run(copy)), "links.parquet column peak_gbps")


def test_table_by_time_slice_that_was_stored_and_is_gone_is_missed(copy: Path) -> None:
    (copy / "links_by_slice.parquet").unlink()
    with pytest.raises(InputError, match=r"links_by_slice.parquet: is missing"):
        verify_run(open_run(copy))


def test_moved_run_finds_its_inputs_beside_it(copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    copy.parent.rename(moved)
    monkeypatch.chdir("/")
    assert verify_run(open_run(moved / "run")).is_verified


def test_run_moved_alone_finds_its_inputs_where_they_were(copy: Path, tmp_path: Path) -> None:
    info = json.loads((copy / "run.json").read_text(encoding="utf-8"))
    copy.rename(tmp_path / "alone")
    assert Path(info["scenario"]["absolute_path"]).is_file()
    assert verify_run(open_run(tmp_path / "alone")).is_verified


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("allocation", scale("mtok_per_h", 1.01), ("serve_demand", "process_what_is_routed", "objective")),
        ("allocation", lambda frame: frame.iloc[1:], ("serve_demand",)),
        ("allocation", scale("rtt_ms", 1.5), ("allocation.parquet column rtt_ms: 1 cell",)),
        ("work", scale("mtok_per_h", 0.5), ("process_what_is_routed",)),
        ("active_pods", scale("active_pods", 1e4), ("switch_on_installed_pods",)),
        ("pools", lambda frame: frame.assign(new_pods=frame["new_pods"] + 1), ("objective",)),
        ("pools", lambda frame: frame.assign(existing_pods=7), ("pools.parquet column existing_pods",)),
        ("data_centers", lambda frame: frame.assign(is_open=False), ("deploy_where_open", "limit_it_power")),
        ("data_centers", scale("energy_mwh_per_year", 1.1), ("data_centers.parquet column energy_mwh_per_year",)),
        ("deployments", lambda frame: frame.iloc[:0], ("serve_where_deployed",)),
        ("assignments", lambda frame: frame.iloc[1:], ("assign_once", "serve_where_assigned")),
        ("costs", scale("cny_per_year", 1.00001), ("costs.parquet column cny_per_year: 1 cell",)),
        ("links", lambda frame: frame.assign(peak_gbps=0.0), ("links.parquet column peak_gbps",)),
        ("links_by_slice", scale("load_gbps", 2.0), ("links_by_slice.parquet column load_gbps: 1 cell",)),
        ("data_centers_by_slice", scale("price_cny_per_mwh", 2.0), ("data_centers_by_slice.parquet column price",)),
        ("routes", lambda frame: frame.assign(nodes="nowhere"), ("allocation:", "name a candidate")),
        ("demand_hubs", lambda frame: frame.drop(columns="name"), ("demand_hubs.parquet: 2 rows",)),
        ("classes", lambda frame: frame.assign(name="\x1b[2J"), ("classes.parquet column name",)),
    ],
)
def test_changed_table_is_found(copy: Path, table: str, change: Any, words: tuple[str, ...]) -> None:
    report = edit(copy, table, change)
    assert mentions(report, f"{table}.parquet: the file is not the one that the run wrote", *words), report.differences


def test_peak_below_the_power_is_found(copy: Path) -> None:
    report = edit(copy, "peaks", lambda frame: frame.assign(peak_mw=frame["peak_mw"] * 0.5))
    assert mentions(report, "pay_peak_power")


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("objective_cny_per_year", 1.0, "objective_cny_per_year: stored 1.0"),
        ("bound_cny_per_year", 1e15, "above the cost"),
        ("bound_cny_per_year", "much", "is not a number"),
        ("mip_rel_gap", 0.5, "mip_rel_gap"),
    ],
)
def test_changed_number_of_run_json_is_found(copy: Path, key: str, value: Any, word: str) -> None:
    path = copy / "run.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    info[key] = value
    path.write_text(json.dumps(info), encoding="utf-8")
    assert mentions(verify_run(open_run(copy)), word)


def test_changed_summary_and_baselines_are_found(copy: Path) -> None:
    path = copy / "run.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    info["summary"]["component_cny_per_year"]["energy"] *= 0.9
    info["baselines"][0]["total_cny_per_year"] *= 2
    path.write_text(json.dumps(info), encoding="utf-8")
    report = verify_run(open_run(copy))
    assert mentions(report, "summary.component_cny_per_year.energy", "baselines[0].total_cny_per_year")
    assert len(report.differences) == 2


def test_changed_input_is_named_and_its_effect_too(copy: Path) -> None:
    tariffs = copy.parent / "net" / "tariffs.csv"
    tariffs.write_text(tariffs.read_text(encoding="utf-8").replace("300.0", "330.0"), encoding="utf-8")
    report = verify_run(open_run(copy))
    assert mentions(report, "network file tariffs.csv has changed since the run", "objective_cny_per_year")


def test_input_that_is_gone_is_one_difference(copy: Path) -> None:
    (copy.parent / "net" / "links.csv").unlink()
    report = verify_run(open_run(copy))
    assert mentions(report, "the inputs cannot be read any more")
    assert len(report.differences) == 1


def test_scenario_that_is_gone_is_one_difference(solved: Path, tmp_path: Path) -> None:
    shutil.copytree(solved / "run", tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    info["scenario"]["absolute_path"] = str(tmp_path / "gone.yaml")
    path.write_text(json.dumps(info), encoding="utf-8")
    assert mentions(verify_run(open_run(tmp_path / "run")), "an input of the run is not there")


def test_renamed_place_is_found_as_a_label_not_as_a_position(copy: Path) -> None:
    for name in ("data_centers", "pools"):
        path = copy.parent / "net" / f"{name}.csv"
        path.write_text(path.read_text(encoding="utf-8").replace("dc_west", "dc_new"), encoding="utf-8")
    assert mentions(verify_run(open_run(copy)), "name a candidate that the inputs do not have, first: ", "dc_west")


def test_reordered_input_changes_the_hash_and_nothing_else(copy: Path) -> None:
    for name in ("accelerators", "pools", "links", "tariffs"):
        path = copy.parent / "net" / f"{name}.csv"
        head, *rows = path.read_text(encoding="utf-8").splitlines()
        path.write_text("\n".join([head, *reversed(rows)]) + "\n", encoding="utf-8")
    report = verify_run(open_run(copy))
    assert [line for line in report.differences if "has changed since the run" not in line] == []
    assert len(report.differences) == 4

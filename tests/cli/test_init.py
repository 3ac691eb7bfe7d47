"""`edwc init`: a network and a scenario of one's own, complete or not there at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import edwc

import network_data.load
import network_data.schema
from scenarios import load_scenario


def without_comments(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))


def test_example_has_no_fault_and_explains_its_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out, _ = edwc("init", "new/mine")
    commands = [line.split()[1:] for line in out.splitlines()[1:]]
    assert [words[0] for words in commands] == ["check", "solve", "export"]
    assert "no fault found" in edwc(*commands[0])[0]
    table = (tmp_path / "new/mine/river/links.csv").read_text(encoding="utf-8")
    assert "# capacity_gbps [Gbps]: capacity in each direction, all uses\n" in table
    assert "one_way_ms" in table.partition("\nid,")[0]  # a column that may be added
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine"]


def test_example_is_that_of_the_page_below_its_comments(tmp_path: Path) -> None:
    edwc("init", tmp_path / "mine")
    template = Path(load_scenario.__code__.co_filename).parent / "own_network"
    names = sorted(path.relative_to(template).as_posix() for path in template.rglob("*.*"))
    assert sorted(path.relative_to(tmp_path / "mine").as_posix() for path in (tmp_path / "mine").rglob("*.*")) == names
    for name in names:
        assert without_comments(tmp_path / "mine" / name) == (template / name).read_text(encoding="utf-8")


def test_solve_of_the_example_prints_a_plan(tmp_path: Path) -> None:
    edwc("init", tmp_path / "mine")
    out, err = edwc("solve", tmp_path / "mine" / "river.yaml", "--quiet", "--mip-rel-gap", "0.5")
    assert "solved within the gap" in out
    assert err == ""


def test_copy_is_used_by_its_scenario_and_may_be_changed(tmp_path: Path) -> None:
    found = json.loads(edwc("init", tmp_path / "mine", "--copy", "china_2026", "--json")[0])
    scenario = Path(found["scenario"])
    copy = Path(load_scenario(scenario).network)
    assert copy == tmp_path / "mine" / "china_2026"
    original = network_data.load.BUILT_IN_FOLDER / "china_2026"
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == {
        path.name: path.read_bytes() for path in original.iterdir()
    }
    (copy / "nodes.csv").write_text("id\n", encoding="utf-8")
    assert "nodes.csv" in edwc("check", scenario, code=1)[1]


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "mine"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.write_text("mine", encoding="utf-8")
    else:
        target.symlink_to(tmp_path / "nowhere")
    for options in ([], ["--copy", "china_2026"]):
        assert "exists already" in edwc("init", target, *options, code=1)[1]
    assert list(tmp_path.iterdir()) == [target]
    assert kind != "folder" or list(target.iterdir()) == []


def test_unknown_network_is_answered_with_the_nearest(tmp_path: Path) -> None:
    _, err = edwc("init", tmp_path / "mine", "--copy", "china_2025", code=1)
    assert "--copy value 'china_2025'" in err
    assert "Did you mean 'china_2026'?" in err
    assert list(tmp_path.iterdir()) == []


def test_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("no space left")

    monkeypatch.setattr(network_data.schema, "load_schema", fail)
    assert "no space left" in edwc("init", tmp_path / "mine", code=1)[1]
    assert list(tmp_path.iterdir()) == []

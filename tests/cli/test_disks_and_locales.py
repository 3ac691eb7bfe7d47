"""Full and read-only disks (real ones: tmpfs in a mount namespace), what killed exports left, and odd locales."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import edwc
from far_cluster import ROOT
from own_disk import on_disk
from run_files import write_run
from sweeps import write_toy

from optimizer.runs.folder import remove_stale_drafts, replace_when_done
from optimizer.runs.run import open_run
from optimizer.runs.verify import verify_run


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Solve the toy into a run folder beside it."""
    toy = write_toy(tmp_path_factory.mktemp("stored"))
    edwc("solve", toy, "--quiet", "--out", toy.parent / "run")
    return toy.parent / "run"


# Read-only folders


def test_read_only_folder_is_named_before_anything_is_solved(stored: Path, tmp_path: Path) -> None:
    disk, toy = tmp_path / "disk", str(stored.parent / "toy.yaml")
    commands = [
        ["solve", toy, "--out", str(disk / "run")],
        ["compare", toy, "--sweep", "carbon_price=0,50", "--engine", "serial", "--out", str(disk / "cases")],
        ["alternatives", str(stored), "--out", str(disk / "others")],
        ["export", str(stored), "--to", str(disk / "a.gpkg")],
        ["init", str(disk / "mine")],
        ["save", str(stored), "--out", str(disk / "run")],
    ]
    found, left = on_disk(disk, "ro", commands)
    for (command, *_), (code, out, err) in zip(commands, found, strict=True):
        assert (code, out) == (1, ""), command
        assert "Read-only file system" in err, command
        assert "Name a folder that you may write to." in err, command
        assert not re.search(r"\bplan\b", err), command  # no line of progress
    assert left == []


# What killed exports left


def test_next_export_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path / "run"))
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "a.csv")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert killed.returncode == -9
    (left,) = tmp_path.glob(".edwc-export-*")
    alive = left.with_name(left.name.replace(re.search(r"\d+", left.name)[0], "1"))  # type: ignore[index]
    alive.mkdir()
    run.export(tmp_path / "a.geojson")
    assert list(tmp_path.glob(".edwc-*")) == [alive]
    remove_stale_drafts(tmp_path)  # of another kind
    assert alive.exists()


_KILLED = """
import os, signal, sys
from pathlib import Path
from optimizer.exports.export import _DRAFT_PREFIX
from optimizer.runs.folder import replace_when_done
with replace_when_done(Path(sys.argv[1]), draft_prefix=_DRAFT_PREFIX) as draft:
    draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_error_of_the_content_keeps_its_own_name(tmp_path: Path) -> None:
    with (
        pytest.raises(FileNotFoundError) as caught,
        replace_when_done(tmp_path / "a.csv", draft_prefix=".edwc-export-"),
    ):
        (tmp_path / "missing").read_text(encoding="utf-8")
    assert caught.value.filename == str(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


# Locales


_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # even names of files are not UTF-8


def in_locale(locale: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "optimizer", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **locale}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize(
    ("locale", "folder"),
    [
        ({"LC_ALL": "C"}, "方案"),
        (_ASCII, "plain"),
        ({"LANG": "zh_CN.GBK", "LC_ALL": "", "PYTHONIOENCODING": "gbk"}, "方案"),
    ],
    ids=["C", "ascii", "gbk"],
)
def test_commands_work_in_any_locale_on_names_in_chinese(tmp_path: Path, locale: dict[str, str], folder: str) -> None:
    toy = write_toy(tmp_path / folder)
    nodes = toy.parent / "net" / "nodes.csv"
    nodes.write_text(nodes.read_text(encoding="utf-8").replace("Metro A", "北京 é"), encoding="utf-8")
    out = toy.parent / "run"
    assert in_locale(locale, "solve", toy, "--out", out).returncode == 0
    assert in_locale(locale, "export", out, "--to", out / "map.geojson").returncode == 0
    assert verify_run(open_run(out)).is_verified
    assert "北京" in (out / "map.geojson").read_text(encoding="utf-8")


def test_name_that_is_no_text_in_the_locale_is_told_what_helps(tmp_path: Path) -> None:
    done = in_locale(_ASCII, "check", write_toy(tmp_path / "方案"))
    assert done.returncode == 1
    assert done.stderr.endswith(b"names of files are no text in this locale (ascii): set PYTHONUTF8=1\n")

"""Full disks, real ones: a tmpfs in a mount namespace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import edwc
from own_disk import on_disk
from sweeps import write_toy

import edwc as api
from optimizer.runs.run import open_run
from optimizer.runs.saving import NotSavedError
from optimizer.runs.verify import verify_run


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Solve the toy into a run folder beside it."""
    toy = write_toy(tmp_path_factory.mktemp("stored"))
    edwc("solve", toy, "--quiet", "--out", toy.parent / "run")
    return toy.parent / "run"


# Full disks


def test_full_disk_prints_the_result_keeps_the_run_and_says_how_to_save_it(tmp_path: Path) -> None:
    toy = write_toy(tmp_path / "toy")
    (tmp_path / "spare").mkdir()
    disk = tmp_path / "disk"
    solve = ["solve", str(toy), "--quiet", "--out", str(disk / "run")]
    ((code, out, err),), left = on_disk(disk, "size=40k", [solve], TMPDIR=str(tmp_path / "spare"))
    assert code == 1
    assert "proven bound" in out
    assert "Run folder: " in out
    assert err.count("\n") == 1
    assert err.startswith(
        f"error: {disk / 'run'}: No space left on device. The plan was found, but is not stored there;"
    )
    kept, wanted = re.search(r"`edwc save (\S+) --out (\S+)`", err).groups()  # type: ignore[union-attr]
    assert (Path(kept).parents[1], wanted) == (tmp_path / "spare", str(disk / "run"))
    assert not left
    # Once there is room, what it says works, and the run is whole where it was wanted.
    edwc("save", kept, "--out", wanted)
    assert verify_run(open_run(wanted)).is_verified


def test_in_python_the_error_holds_the_run_also_where_no_disk_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = write_toy(tmp_path / "toy")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("optimizer.runs.run.write_run", refuse)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(NotSavedError, match=r"in memory alone: `run\.save\(\.\.\.\)`") as caught:
        api.solve(toy, out=tmp_path / "run")
    assert caught.value.kept is None
    assert not list(tmp_path.glob("edwc-kept-*"))
    monkeypatch.undo()
    assert verify_run(open_run(caught.value.run.save(tmp_path / "later"))).is_verified


def test_full_disk_within_a_comparison_keeps_the_other_cases_and_a_second_one_solves_the_rest(tmp_path: Path) -> None:
    toy, disk = write_toy(tmp_path / "toy"), tmp_path / "disk"
    ballast, spare = str(disk / "ballast"), tmp_path / "spare"
    spare.mkdir()
    compare = ["compare", str(toy), "--sweep", "price.west=0.5,3", "--out", str(disk / "out"), "--engine", "serial"]
    commands = [["fill", ballast, "3740000"], compare, ["remove", ballast], compare]
    ((code, out, err), again), _ = on_disk(disk, "size=4000k", commands, TMPDIR=str(spare))
    assert code == 1
    assert "Traceback" not in err + out
    # The case that found no room, and why; the answer of the others all the same.
    assert re.search(r"price_west_\S+ failed", err)
    assert "failed: no room for its run folder: make room there, and the same command solves it" in out
    assert "No space left on device). Make room there, or name a folder on another disk. The same command again" in out
    assert "internal error" not in out
    assert re.search(r"[12] of 3 cases \([12] stored\)", again[2])
    assert again[0] == 0
    assert "failed" not in again[1] + again[2]


def test_full_disk_during_an_export_is_one_line_and_no_file(stored: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    targets = [disk / name for name in ("a.gpkg", "a.html", "a.png")]
    found, left = on_disk(disk, "size=60k", [["export", str(stored), "--to", str(target)] for target in targets])
    for target, (code, out, err) in zip(targets, found, strict=True):
        assert (code, out) == (1, "")
        assert err == f"error: {target}: No space left on device. Make room there, or name a folder on another disk.\n"
    assert left == []


def test_flatgeobuf_is_whole_or_refused_however_little_room_there_is(stored: Path, tmp_path: Path) -> None:
    layer = ["export", str(stored), "--layer", "links", "--to"]
    edwc(*layer, tmp_path / "whole.fgb")
    whole = (tmp_path / "whole.fgb").stat().st_size
    assert whole > 4096
    disk = tmp_path / "disk"
    ((code, _, err),), left = on_disk(disk, f"size={whole // 4096 * 4}k", [[*layer, str(disk / "a.fgb")]])
    assert (code, left) == (1, [])
    assert "No space left on device" in err

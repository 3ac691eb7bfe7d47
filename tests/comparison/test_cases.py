"""What a case was solved from: any file of the packages counts, and nothing that is made from them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("network_data", "scenarios", "optimizer")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the three packages, without what Python caches."""
    folder = tmp_path_factory.mktemp("tree")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.parquet"))
    return folder


def code_hash(tree: Path, *options: str) -> str:
    code = "from optimizer.comparison.cases import code_hash; print(code_hash())"
    done = subprocess.run(
        [sys.executable, *options, "-c", code], cwd=tree, capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_code_hash_sees_every_file_however_deep_and_no_cache(tree: Path) -> None:
    before = code_hash(tree, "-B")
    assert not list(tree.rglob("__pycache__"))
    assert code_hash(tree) == before  # this one writes caches
    assert list(tree.rglob("__pycache__/*.pyc"))
    assert code_hash(tree, "-B") == before
    hashes = {before}
    for name in ("optimizer/solvers/benders/cuts.py", "optimizer/model/__init__.py", "network_data/load.py"):
        with (tree / name).open("a", encoding="utf-8") as file:
            file.write("# another line\n")
        hashes.add(code_hash(tree, "-B"))
    (tree / "optimizer" / "solvers" / "benders" / "new.py").write_text("", encoding="utf-8")
    hashes.add(code_hash(tree, "-B"))
    tables = [path for name in PACKAGES for path in (tree / name).glob("*.csv")]
    assert tables
    tables[0].write_bytes(tables[0].read_bytes() + b"\n")
    hashes.add(code_hash(tree, "-B"))
    assert len(hashes) == 6

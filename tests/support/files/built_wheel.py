"""The files of the project, and the wheel that is built of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("network_data", "scenarios", "optimizer")  # each may import itself and those before it
# Beside the packages, the wheel holds the front door and its types.
FRONT_DOOR = ("edwc.py", "edwc-stubs")
WRITTEN_FOLDERS = {"build", "dist", "runs"}


def project_files() -> Iterator[Path]:
    """Every file of the project, without environments, caches and what the commands write."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                hidden = path.name.startswith(".") and path.name != ".ci"
                skipped = path.name == "__pycache__" or (folder == ROOT and path.name in WRITTEN_FOLDERS)
                if not hidden and not skipped and not path.name.endswith(".egg-info"):
                    yield from walk(path)
            else:
                yield path

    return walk(ROOT)


def build_wheel(folder: Path) -> Path:
    """Build the wheel from a copy of what it is made of, so that the tree stays as it was."""
    source = folder / "source"
    for path in project_files():
        relative = path.relative_to(ROOT)
        if relative.parts[0] in (*PACKAGES, *FRONT_DOOR) or len(relative.parts) == 1:
            (source / relative).parent.mkdir(parents=True, exist_ok=True)
            (source / relative).write_bytes(path.read_bytes())
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built

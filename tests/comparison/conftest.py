"""A toy comparison, and its cases as the serial executor leaves them: what other executors are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweeps import CARBON, contents, run, write_toy


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the toy scenario."""
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def undisturbed(toy: Path) -> dict[str, Any]:
    """Solve the cases in this process, undisturbed."""
    run(toy, CARBON, toy.parent / "serial")
    return contents(toy.parent / "serial")

"""Settings every test runs under (the same random examples, no display), and what test files of two rooms share."""

import os
from pathlib import Path
from typing import Any

# Before anything imports matplotlib: a machine that runs tests need not have a display.
os.environ["MPLBACKEND"] = "Agg"

import pytest
from hypothesis import HealthCheck, settings
from shared import share_below
from sweeps import CARBON, contents, run, write_toy

# Derandomized: a failure on one machine is a failure on all (no database of examples is kept). No deadline:
# the first example pays for lazy imports, and a solve takes what it takes on a busy machine.
settings.register_profile(
    "edwc", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)
settings.load_profile("edwc")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden from the code")
    parser.addoption("--update-pinned", action="store_true", help="rewrite tests/pinned_costs.csv from fresh solves")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether to rewrite the golden files instead of comparing with them."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def update_pinned(request: pytest.FixtureRequest) -> bool:
    """Whether to rewrite the pinned costs instead of comparing with them."""
    return bool(request.config.getoption("--update-pinned"))


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    share_below(tmp_path_factory, is_worker="PYTEST_XDIST_WORKER" in os.environ)


@pytest.fixture(scope="module")
def toy_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the toy scenario of `sweeps`: a comparison of seconds."""
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def undisturbed_sweep(toy_sweep: Path) -> dict[str, Any]:
    """Solve the cases of the toy in this process: what other executors are held against."""
    run(toy_sweep, CARBON, toy_sweep.parent / "serial")
    return contents(toy_sweep.parent / "serial")

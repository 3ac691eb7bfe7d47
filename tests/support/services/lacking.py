"""What a test needs and a developer's machine may lack: told and skipped there, a failure in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacks(reason: str) -> NoReturn:
    """Skip the test for want of a service, saying how to get it; in CI, which installs all of them, fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def named_by(variable: str, how: str) -> str:
    """Take what an environment variable names; where it is not set, say how to get it (`lacks`)."""
    value = os.environ.get(variable)
    if not value:
        lacks(f"{variable} is not set: {how}")
    return value

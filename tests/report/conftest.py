"""The browser that opens pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser_page import launched
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser for the tests of a file."""
    with launched() as browser:
        yield browser

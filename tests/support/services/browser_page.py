"""A real browser for tests of pages: opened offline, with everything that it asks for or complains of written down."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from lacking import lacks
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
SECONDS = 1_000.0


@dataclass
class Heard:
    """What the browser told while a page was open."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start the browser; where there is none, skip the test, or in CI fail it."""
    if CHROMIUM is None:
        lacks("no chromium on this machine; on Debian: apt-get install chromium (.ci/run installs it)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, report: Path, **options: Any) -> Iterator[tuple[Page, Heard]]:
    """Open the report offline, as from a disk; nothing may be asked for, complained of or popped up."""
    context = browser.new_context(offline=True, **options)
    context.set_default_timeout(10 * SECONDS)
    page, heard = context.new_page(), Heard()
    page.on("request", lambda request: heard.requests.append(request.url))
    page.on("console", lambda message: heard.complaints.append(message.text))
    page.on("pageerror", lambda error: heard.complaints.append(str(error)))
    page.on("dialog", lambda dialog: (heard.complaints.append(dialog.message), dialog.dismiss()))
    page.goto(report.as_uri())
    yield page, heard
    assert [url for url in heard.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert heard.complaints == []
    context.close()


def bands(page: Page) -> list[str]:
    """Read what is drawn of the flows: shape, width and colour of every band."""
    script = "bands => bands.map(band => ['d', 'stroke-width', 'stroke'].map(name => band.getAttribute(name)).join())"
    drawn: list[str] = page.locator(".band:not([hidden])").evaluate_all(script)
    return drawn


def set_hour(page: Page, position: int) -> None:
    page.locator("#hour").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", position
    )


def fits(page: Page) -> bool:
    """Whether nothing is wider than the window; that of a telephone would grow with what it shows."""
    is_in: bool = page.evaluate("(root => root.scrollWidth <= root.clientWidth)(document.documentElement)")
    return is_in


def accessibility_faults(page: Page) -> list[tuple[str, str, str]]:
    """Open what is folded, and let axe-core look for what readers with impairments stumble over."""
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found]


LOOKS = [
    pytest.param({}, id="light"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param({"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}, id="phone"),
]

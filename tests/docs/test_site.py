"""The built site in a real browser: pages open from a disk and ask nobody for anything; formulas and search work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_page import launched
from lacking import named_by
from playwright.sync_api import Browser, Page

VARIABLE = "EDWC_TEST_SITE"
FROM_DISK = ("file:", "data:", "blob:")
CHATTER = "[PST]"  # the theme logs which mode it has chosen


def site_folder() -> Path:
    """Folder of the built site; without one, skip the test, but never in CI."""
    return Path(named_by(VARIABLE, "call `make docs` and set it to build/docs")).resolve()


@pytest.fixture(scope="module")
def site() -> Path:
    return site_folder()


@pytest.fixture(scope="module")
def browser(site: Path) -> Iterator[Browser]:  # no browser is started where there is no site
    with launched() as started:
        yield started


DESKTOP = {"color_scheme": "light", "viewport": {"width": 1440, "height": 900}}
TELEPHONE = {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}


@pytest.fixture(params=[pytest.param(DESKTOP, id="desktop"), pytest.param(TELEPHONE, id="telephone")])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Give a page that fails the test for a request that leaves the disk, a fault of a script, or a missing file."""
    context = browser.new_context(offline=True, **request.param)
    opened, faults = context.new_page(), []
    opened.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith(FROM_DISK) else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda told: faults.append(told.text) if not told.text.startswith(CHATTER) else None)
    yield opened
    context.close()
    assert faults == []


def assert_fits(page: Page) -> None:
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert sideways <= 0, f"{page.url} is wider than the window by {sideways} pixels"


@pytest.mark.parametrize("page", [TELEPHONE], indirect=True, ids=["telephone"])
def test_every_page_opens_without_a_network(site: Path, page: Page) -> None:
    paths = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.relative_to(site).parts]
    assert {"index.html", "formulation.html", "own_scenario.html", "python_api.html"} <= {path.name for path in paths}
    for path in paths:
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        assert page.locator("h1").first.inner_text().strip(), path
        assert_fits(page)


def test_formulas_are_drawn(site: Path, page: Page) -> None:
    page.goto((site / "formulation.html").as_uri())
    page.wait_for_function("document.querySelectorAll('mjx-container').length > 100")
    assert page.locator("mjx-merror").count() == 0
    assert_fits(page)
    tags = page.locator("mjx-labels").all_inner_texts()
    assert len(tags) >= 30  # numbers of the equations


def test_search_finds_a_page(site: Path, page: Page) -> None:
    page.goto((site / "search.html").as_uri() + "?q=deferrable_h")
    page.wait_for_selector("#search-results li a")
    found = [link.get_attribute("href") or "" for link in page.locator("#search-results li a").all()]
    assert any("keys.html" in target for target in found), found


def test_notebooks_show_what_they_gave(site: Path, page: Page) -> None:
    for name in ("own_scenario", "price_cases", "own_constraint"):
        page.goto((site / "notebooks" / f"{name}.html").as_uri())
        assert page.locator(".cell_output table.dataframe").count() > 0, name
    page.goto((site / "notebooks" / "own_scenario.html").as_uri())
    assert page.locator(".cell_output img").evaluate_all("all => all.map(one => one.naturalWidth)") >= [600]

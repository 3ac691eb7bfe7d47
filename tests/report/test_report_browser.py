"""The report in a real browser, with the network off: what it draws, what it lets through, who can use it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browser_page import LOOKS, accessibility_faults, bands, fits, opened, set_hour
from playwright.sync_api import Browser, Page, expect
from report_runs import FORMULA_NAME, IMAGE_NAME, SCRIPT_NAME, solve_hostile

import edwc
from optimizer.runs.run import open_run
from optimizer.text.data_center import data_center_facts, data_center_heading, data_center_sections
from optimizer.words.amounts import counting


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return solve_hostile(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def report(run: Path) -> Path:
    return edwc.export_run(open_run(run), run / "report.html")


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    with opened(browser, report) as (page, _):
        yield page


def column(page: Page, number: int) -> list[str]:
    cells: list[str] = page.locator(f"#allocation-table tbody tr > :nth-child({number})").all_inner_texts()
    return cells


# The network is off, and names are inert


def test_page_asks_for_the_one_file_alone(browser: Browser, report: Path) -> None:
    with opened(browser, report) as (page, heard):
        expect(page.locator("h1")).to_contain_text("tokens a day costs")
        expect(page.locator(".band:not([hidden])").first).to_be_attached()
        assert [url for url in heard.requests if not url.startswith("data:")] == [report.as_uri()]


@pytest.mark.parametrize(
    ("attempt", "directive"),
    [
        ("fetch('http://127.0.0.1:9/').catch(() => 0)", "connect-src"),
        ("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/a.png'}))", "img-src"),
        ("document.body.append(Object.assign(document.createElement('script'), {text: 'window.hit = 1'}))",
         "script-src-elem"),
    ],
)  # fmt: skip
def test_policy_of_the_page_lets_nothing_else_through(
    browser: Browser, report: Path, attempt: str, directive: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(report.as_uri())
    refused = page.evaluate(
        "attempt => new Promise(done => { document.addEventListener('securitypolicyviolation', "
        f"event => done(event.effectiveDirective)); {attempt}; }})"
    )
    assert refused == directive
    assert page.evaluate("window.hit") is None
    context.close()


def test_hostile_names_show_as_text(page: Page) -> None:
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 9
    options = page.locator("#place option").all_inner_texts()
    assert {SCRIPT_NAME, IMAGE_NAME, FORMULA_NAME} <= set(options)
    assert SCRIPT_NAME in column(page, 1)
    expect(page.locator(".about")).to_contain_text(SCRIPT_NAME)
    place = page.locator("#place-layer .place[role=button]").first
    place.focus()
    expect(page.locator("#tip")).to_be_visible()
    assert page.locator("#tip").inner_text().splitlines()[0].startswith((IMAGE_NAME, FORMULA_NAME))


# The map


def test_slider_changes_what_is_drawn(page: Page, run: Path) -> None:
    mean = bands(page)
    assert mean
    set_hour(page, 0)
    expect(page.locator("#now")).to_have_text("00:00")
    first = bands(page)
    told = page.locator("#now-text").inner_text()
    set_hour(page, 3)
    expect(page.locator("#hour-text")).to_have_text("18:00")
    assert page.locator("#hour").get_attribute("aria-valuetext") == "18:00"
    assert len({tuple(mean), tuple(first), tuple(bands(page))}) == 3
    assert page.locator("#now-text").inner_text() != told
    assert page.locator(".slot.now").count() == 2
    flows = pd.read_parquet(run / "allocation.parquet")
    rate = flows[flows["hour"] == 18.0]["mtok_per_h"].sum()
    expect(page.locator("#now-text")).to_contain_text(f"{rate:.3g} million tokens an hour")
    page.locator("#all-hours").click()
    assert bands(page) == mean


def test_selecting_a_column_of_a_chart_shows_its_hour(page: Page) -> None:
    page.locator("#power-chart .slot").nth(2).click()
    expect(page.locator("#now")).to_have_text("12:00")


def test_day_plays_and_pauses(page: Page) -> None:
    page.locator("#play").click()
    expect(page.locator("#now")).to_have_text("00:00")
    expect(page.locator("#now")).to_have_text("06:00")
    page.locator("#play").click()
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#status")).to_contain_text("tokens an hour")


def test_class_filter_changes_what_is_drawn(page: Page) -> None:
    everything, told = bands(page), page.locator("#now-text").inner_text()
    page.locator("#classes input").first.uncheck()
    assert bands(page) != everything
    assert page.locator("#now-text").inner_text() != told
    page.locator("#classes-none").click()
    assert bands(page) == []
    expect(page.locator("#now-text")).to_contain_text("0 tokens an hour")
    page.locator("#classes-all").click()
    assert bands(page) == everything
    # The same in a single hour.
    set_hour(page, 1)
    told = page.locator("#now-text").inner_text()
    page.locator("#classes input").first.uncheck()
    assert page.locator("#now-text").inner_text() != told
    page.locator("#classes-none").click()
    assert bands(page) == []


def test_place_filter_keeps_the_flows_of_the_place(page: Page) -> None:
    everything = bands(page)
    page.locator("#place").select_option(label=SCRIPT_NAME)
    assert len(bands(page)) > 0
    assert bands(page) != everything
    center = page.locator("#place-layer .place[role=button]").first
    center.focus()
    page.keyboard.press("Enter")
    expect(center).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    assert bands(page) == everything


def test_tip_of_what_has_the_focus_goes_along_when_the_page_scrolls(page: Page) -> None:
    """Browsers scroll to what gets the focus, and tell of it after the focus: a tip that hides then is never seen."""
    tip, place = page.locator("#tip"), page.locator("#place-layer .place[role=button]").first
    place.focus()
    expect(tip).to_be_visible()
    top = tip.bounding_box()["y"]
    page.evaluate("new Promise((done) => { addEventListener('scroll', done, { once: true }); scrollBy(0, 200); })")
    expect(tip).to_be_visible()
    assert tip.bounding_box()["y"] < top
    page.evaluate("document.activeElement.blur()")
    expect(tip).to_be_hidden()


def test_map_zooms_and_moves_with_keys_buttons_and_wheel(page: Page) -> None:
    chart = page.locator("#map-svg")
    whole = chart.get_attribute("viewBox")
    chart.focus()
    page.keyboard.press("+")
    zoomed = chart.get_attribute("viewBox")
    page.keyboard.press("ArrowRight")
    moved = chart.get_attribute("viewBox")
    page.keyboard.press("0")
    assert len({whole, zoomed, moved}) == 3
    assert chart.get_attribute("viewBox") == whole
    page.locator("#zoom-in").click()
    assert chart.get_attribute("viewBox") != whole
    page.locator("#zoom-all").click()
    chart.hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    expect(chart).not_to_have_attribute("viewBox", str(whole))
    page.keyboard.up("Control")


def test_hovering_a_band_tells_what_it_carries(page: Page) -> None:
    page.locator("#hit-layer .hit").first.dispatch_event("pointermove", {"bubbles": True, "clientX": 5, "clientY": 5})
    expect(page.locator("#tip")).to_contain_text("tokens/h")
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()


def test_keyboard_stops_once_at_each_data_center_in_use_and_knows_it(page: Page, run: Path) -> None:
    """Chromium stops at every shape that listens for the focus, whether or not it can do anything with it."""
    used = pd.read_parquet(run / "data_centers.parquet")["is_open"].sum()
    page.locator("#map-svg").focus()
    stops = []
    while len(stops) < 20:
        page.keyboard.press("Tab")
        is_inside, role, label = page.evaluate(
            "(e => [e.closest('#map-svg') !== null, e.getAttribute('role'), e.getAttribute('aria-label')])"
            "(document.activeElement)"
        )
        if not is_inside:
            break
        stops.append((role, label))
    assert len(stops) == used
    assert {role for role, _ in stops} == {"button"}
    assert all("data center" in label for _, label in stops)


# The table


def test_table_sorts_by_number_and_by_name(page: Page) -> None:
    def numbers() -> list[float]:
        return [float(text.replace(",", "")) for text in column(page, 5)]

    assert numbers() == sorted(numbers(), reverse=True)
    heading = page.locator("#allocation-table thead th").nth(4)
    heading.locator("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert numbers() == sorted(numbers())
    page.locator("#allocation-table thead button").nth(3).click()
    assert column(page, 4) == sorted(column(page, 4))


def test_table_searches_and_downloads_what_it_shows(page: Page, run: Path, tmp_path: Path) -> None:
    flows = pd.read_parquet(run / "allocation.parquet")
    rows = flows.groupby(["demand_hub", "workload_class", "route"]).ngroups
    expect(page.locator("#found")).to_contain_text(f"{rows} of {rows} allocations")
    page.locator("#search").fill("metro_b batch")
    kept = flows[(flows["demand_hub"] == "metro_b") & (flows["workload_class"] == "batch")]
    expect(page.locator("#found")).to_contain_text(f"{kept.groupby('route').ngroups} of {rows} allocations")
    with page.expect_download() as started:
        page.locator("#download").click()
    assert started.value.suggested_filename == "allocation_toy.csv"
    started.value.save_as(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {(line["demand_hub"], line["workload_class"]) for line in lines} == {("metro_b", "batch")}
    daily = (kept["mtok_per_h"] * kept["weight_h"]).sum() / 365
    assert sum(float(line["mtok_per_day"]) for line in lines) == pytest.approx(daily, rel=1e-4)
    assert {line["demand_hub_name"] for line in lines} == {IMAGE_NAME}
    # A spreadsheet would run a name that begins like a formula.
    assert all(not line["data_center_name"].startswith("=") for line in lines)


def test_hourly_download_is_the_allocation(page: Page, run: Path, tmp_path: Path) -> None:
    with page.expect_download() as started:
        page.locator("#download-hourly").click()
    started.value.save_as(tmp_path / "a.csv")
    saved, stored = pd.read_csv(tmp_path / "a.csv"), pd.read_parquet(run / "allocation.parquet")
    assert len(saved) == (stored["mtok_per_h"] > 0).sum()
    keys = ["demand_hub", "workload_class", "data_center"]
    sums = [table.groupby(keys)["mtok_per_h"].sum() for table in (saved, stored)]
    assert sums[0].to_dict() == pytest.approx(sums[1].to_dict(), rel=1e-5)


def test_other_tables_sort_too(page: Page) -> None:
    page.locator("#power summary").last.click()
    table = page.locator("#power table[data-sortable]")
    table.locator("thead button").nth(1).click()
    regions = table.locator("tbody tr > :nth-child(2)").all_inner_texts()
    assert regions == sorted(regions)


# Who can use it


@pytest.mark.parametrize("options", LOOKS)
def test_nobody_is_shut_out(browser: Browser, report: Path, options: dict[str, Any]) -> None:
    with opened(browser, report, **options) as (page, _):
        assert accessibility_faults(page) == []
        assert fits(page)


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_wide_tables_say_on_a_telephone_that_they_scroll(browser: Browser, report: Path) -> None:
    with opened(browser, report, **PHONE) as (page, _):
        expect(page.locator("#allocations .more")).to_have_text("More columns to the right: scroll sideways")
        box = page.locator("#allocations .scroll")
        expect(box).to_have_attribute("tabindex", "0")
        expect(page.locator("#allocations .sideways")).to_have_class("sideways cut")
        box.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
        expect(page.locator("#allocations .sideways")).to_have_class("sideways")


@pytest.mark.parametrize("options", [pytest.param({}, id="screen"), pytest.param(PHONE, id="phone")])
def test_no_row_is_cut_and_no_text_stands_over_another(browser: Browser, report: Path, options: dict[str, Any]) -> None:
    with opened(browser, report, **options) as (page, _):
        cut = page.evaluate(
            "[...document.querySelectorAll('.scroll')].filter(box => box.scrollHeight > box.clientHeight + 1).length"
        )
        assert cut == 0
        crossing = page.evaluate(
            "[...document.querySelectorAll('.row-line')].filter(line => {"
            "  const [a, b] = ['.row-label', '.row-note'].map(one => line.querySelector(one)?.getBoundingClientRect());"
            "  return a && b && a.right > b.left + 1 && a.bottom > b.top + 1; }).length"
        )
        assert crossing == 0
        sizes = page.locator(".row-label").evaluate_all(
            "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
        )
        assert min(sizes) > 12


def test_names_wrap_between_words(browser: Browser, report: Path) -> None:
    """No cell is narrower than its longest word."""
    with opened(browser, report, **PHONE) as (page, _):
        broken = page.evaluate(
            "[...document.querySelectorAll('td, th')].filter(cell => cell.scrollWidth > cell.clientWidth + 1).length"
        )
        assert broken == 0
        wraps = page.evaluate(
            "[...document.querySelectorAll('td, th')].map(cell => getComputedStyle(cell).overflowWrap)"
            ".every(value => value === 'break-word')"
        )
        assert wraps


def test_colours_follow_the_button(page: Page) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    button, system = page.locator("#theme"), paper()
    button.click()
    expect(button).to_have_text("Colours: light")
    assert paper() == system
    button.click()
    assert paper() != system


def test_paper_shows_neither_buttons_nor_what_is_folded(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    for hidden in ("#play", "#zoom-in", "#classes", "#search", "#theme"):
        expect(page.locator(hidden)).to_be_hidden()
    expect(page.locator("#map-svg")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")


# What is said of a data center that is selected


def test_a_selected_data_center_says_what_the_terminal_says(page: Page, run: Path) -> None:
    found = open_run(run)
    abouts = page.locator("[data-about]")
    assert abouts.count() == len(found.data_centers)
    expect(abouts.locator("visible=true")).to_have_count(0)
    for number, center in enumerate(found.data_centers.index):
        page.select_option("#place", f"c{number}")
        about = page.locator(f"[data-about=c{number}]")
        expect(about).to_be_visible()
        expect(abouts.locator("visible=true")).to_have_count(1)
        one = found.price(str(center))
        with counting([found.cost_cny_per_year]):
            expect(about.locator("h3")).to_have_text(data_center_heading(one))
            expect(about.locator("dd")).to_have_text(list(data_center_facts(one).values()))
            if one.is_open:
                assert [item.inner_text() for item in about.locator("li").all()] == [
                    sentence.strip() for sentences in data_center_sections(one).values() for sentence in sentences
                ]
    page.select_option("#place", "")
    expect(abouts.locator("visible=true")).to_have_count(0)
    # The same with a click on the cross of a data center that is not used, and none after a second click.
    (unused,) = (n for n, center in enumerate(found.data_centers.index) if found.price(str(center)).mtok_per_year == 0)
    for count in (1, 0):
        page.locator("#place-layer .place:not([tabindex]):has(.unused[d^=M])").click()
        expect(abouts.locator("visible=true")).to_have_count(count)
        assert page.locator(f"[data-about=c{unused}]").is_visible() == bool(count)
    # And with the keyboard on the map.
    page.locator("#place-layer [tabindex='0']").first.focus()
    page.keyboard.press("Enter")
    expect(abouts.locator("visible=true")).to_have_count(1)
    expect(abouts.locator("visible=true").locator("h3")).to_contain_text("tokens a day")

"""Pages in both languages, in a real browser: one file holds both, a click changes all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser_page import LOOKS, accessibility_faults, bands, fits, opened, set_hour
from playwright.sync_api import Browser, Page, expect
from report_runs import FORMULA_NAME, HOSTILE_TEXTS, IMAGE_NAME, SCRIPT_NAME, solve_hostile, write_hostile

import edwc
from optimizer.cli.main import main
from optimizer.exports.office import browser as browser_of_reports
from optimizer.runs.run import open_run
from optimizer.text.data_center import data_center_facts, data_center_heading
from optimizer.text.run import local_names
from optimizer.words.language import speaking
from optimizer.words.sentences import naming

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "scenarios" / "own_network" / "river.yaml"
QUICK = {"time.slices_per_day": 2, "solver.mip_rel_gap": 0.05, "solver.threads": 1, "solver.seed": 1}
CHINESE = re.compile(r"[\u4e00-\u9fff]+")
# What stays in Latin letters: units, abbreviations of the field, products, commands, keys with values, files.
ALLOWED = re.compile(
    r"(?<![A-Za-z])(?:edwc(?: compare --help| range| price| explain)?|[a-z0-9_]+(?:\.[a-z_*0-9]+)+(?:=\S+)?|MWh?|GWh|"
    r"kWh?|IT|PUE|ms|peaks|RTT|Gbps|CO2|R2|CSV|Ctrl|SHA-256|JavaScript|Natural Earth)(?![A-Za-z])"
)
# Everything that is seen, heard or shown at the pointer. What users wrote (descriptions, sources, keys, options, files)
# stands in tables that are folded, and in `.about`: it is theirs.
TEXTS = """() => {
  const theirs = ['#assumptions details tbody', '#versions', '.about', '#language', '#tip', '.changes code',
    '#uncertainty code', '#inputs tbody', 'wbr'];
  for (const part of document.querySelectorAll(theirs.join())) part.remove();
  document.body.normalize();
  const found = [document.title], names = ['aria-label', 'title', 'placeholder', 'alt', 'data-tip', 'aria-valuetext'];
  const visit = (element) => {
    for (const name of names) if (element.getAttribute?.(name)) found.push(element.getAttribute(name));
    if (element.tell) found.push(element.tell());
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) found.push(child.textContent);
      else if (!['SCRIPT', 'STYLE', 'TEMPLATE'].includes(child.tagName)) visit(child);
    }
  };
  visit(document.body);
  return [...new Set(found.map((text) => text.trim()).filter(Boolean))];
}"""


# What a reader has chosen, whatever the language.
CHOSEN = """() => ({
  hour: document.getElementById('hour').value,
  all: document.getElementById('all-hours').getAttribute('aria-pressed'),
  place: document.getElementById('place').value,
  about: [...document.querySelectorAll('[data-about]')].filter((one) => !one.hidden).map((one) => one.dataset.about),
  classes: [...document.querySelectorAll('#classes input')].map((box) => box.checked),
  open: [...document.querySelectorAll('details')].map((fold) => fold.open),
  colours: document.documentElement.dataset.theme,
  window: document.getElementById('map-svg').getAttribute('viewBox'),
  search: document.getElementById('search').value,
  rows: document.querySelectorAll('#allocation-table tbody tr').length,
})"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("languages") / "run"
    edwc.solve(EXAMPLE, QUICK, out=folder)
    return folder


@pytest.fixture(scope="module")
def report(run: Path) -> Path:
    return open_run(run).export(run.parent / "report.html")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compare prices of the toy with hostile names; one case has no plan."""
    folder = tmp_path_factory.mktemp("compared")
    wanted = ["--sweep", "price.west=0.5,3", "--sweep", "demand.tokens_per_day_trillion=0.0024,1000"]
    wanted += ["--tornado", "price.west=0.5:0.6", "--regret", "fixed", "--set", "time.slices_per_day=1"]
    scenario, out = write_hostile(folder), folder / "out"
    assert main(["compare", str(scenario), *wanted, "--out", str(out), "--engine", "serial"]) == 0
    return edwc.export_comparison(out, folder / "compare.html")


def own_words(folder_or_none: Path | None) -> set[str]:
    """Words of names and ids that a user gave, which stay what they are."""
    # Of the toy: its places, a class, the day of its slices, and how a hostile name looks when it is cut.
    texts = [*HOSTILE_TEXTS, "chat", "Batch", "batch", "toy", "East end", "West end", "year", "aler"]
    if folder_or_none is not None:
        found = open_run(folder_or_none)
        for table in (found.data_centers, found.demand_hubs):
            texts += [*map(str, table.index), *map(str, table["name"])]
        texts += [text for key, one in found.scenario.workload_classes.items() for text in (key, one.name)]
        texts += [found.scenario.name, found.network.name, *map(str, found.network.accelerators.index)]
        texts += [*map(str, found.network.accelerators["name"]), *map(str, found.network.nodes["name"])]
        texts += [str(link) for link in found.links.index]
    return {word for text in texts for word in re.findall(r"[A-Za-z]{2,}", text)}


def words_left(page: Page, own: set[str]) -> dict[str, str]:
    """English words on a Chinese page, each with a text in which it stands."""
    texts: list[str] = page.evaluate(TEXTS)
    assert len(texts) > 100
    return {
        word: text for text in texts for word in re.findall(r"[A-Za-z]{2,}", ALLOWED.sub("", text)) if word not in own
    }


def chinese_left(page: Page) -> list[str]:
    texts: list[str] = page.evaluate(TEXTS)
    assert len(texts) > 100
    return [text for text in texts if CHINESE.search(text)]


def opened_in(path: Path, lang: str) -> Path:
    """Address of a page with the language that is asked for; `opened` wants something with `as_uri`."""

    class Address:
        def as_uri(self) -> str:
            return f"{path.as_uri()}#lang={lang}"

    return Address()  # type: ignore[return-value]


def test_a_click_changes_the_language_and_back(browser: Browser, report: Path) -> None:
    with opened(browser, report) as (page, heard):
        english, fibre = page.title(), page.locator("#map-svg .fibre").get_attribute("d")
        assert fibre
        root, switch = page.locator("html"), page.locator("#language")
        expect(root).to_have_attribute("lang", "en")
        expect(switch).to_have_attribute("lang", "zh")
        switch.click()
        expect(root).to_have_attribute("lang", "zh")
        expect(page.locator(".band:not([hidden])").first).to_be_attached()
        assert CHINESE.search(page.title())
        assert page.locator("#map-svg .fibre").get_attribute("d") == fibre
        page.locator("#language").click()
        expect(root).to_have_attribute("lang", "en")
        assert page.title() == english
        assert {url.partition("#")[0] for url in heard.requests if not url.startswith("data:")} == {report.as_uri()}


@pytest.mark.parametrize("look", LOOKS)
def test_the_language_changes_and_nothing_that_was_chosen(
    browser: Browser, report: Path, look: dict[str, object]
) -> None:
    with opened(browser, report, **look) as (page, _):
        set_hour(page, 1)
        page.select_option("#place", "c0")
        page.evaluate("document.querySelectorAll('details').forEach((fold, i) => { fold.open = i % 2 === 0; })")
        page.locator("#classes input").first.uncheck(force=True)
        page.locator("#theme").click()
        page.locator("#zoom-in").click()
        page.fill("#search", "batch")

        def chosen() -> dict[str, object]:
            found: dict[str, object] = page.evaluate(CHOSEN)
            return found

        before, drawn = chosen(), bands(page)
        assert before["about"] == ["c0"]
        power = page.locator("#power")
        power.evaluate("part => { part.scrollIntoView({ behavior: 'instant' }); scrollBy(0, 300); }")
        # A click of the test would scroll to the link, which is always in view.
        page.evaluate("document.getElementById('language').click()")
        expect(page.locator("html")).to_have_attribute("lang", "zh")
        page.wait_for_function("history.state === null && document.readyState === 'complete'")
        assert chosen() == before
        assert bands(page) == drawn
        assert power.evaluate("part => part.getBoundingClientRect()")["top"] < 0
        assert power.evaluate("part => part.getBoundingClientRect()")["bottom"] > 0
        # What was kept is spent: a page that is loaded anew begins anew.
        page.reload()
        expect(page.locator("#all-hours")).to_have_attribute("aria-pressed", "true")


def test_the_language_of_a_comparison_changes_and_not_the_case(browser: Browser, comparison: Path) -> None:
    with opened(browser, comparison) as (page, _):
        set_hour(page, 1)
        page.locator("#difference").check()
        drawn = bands(page)
        page.locator("#language").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh")
        expect(page.locator("#difference")).to_be_checked()
        assert page.locator("#hour").input_value() == "1"
        assert bands(page) == drawn


def test_no_word_of_a_report_is_missing_in_either_language(browser: Browser, run: Path, report: Path) -> None:
    with opened(browser, opened_in(report, "zh")) as (page, _):
        page.select_option("#place", "c0")
        set_hour(page, 1)
        assert words_left(page, own_words(run)) == {}
    with opened(browser, report) as (page, _):
        page.select_option("#place", "c0")
        assert chinese_left(page) == []


def test_no_word_of_a_comparison_is_missing_in_either_language(browser: Browser, comparison: Path) -> None:
    with opened(browser, opened_in(comparison, "zh")) as (page, _):
        set_hour(page, 1)
        page.locator("#difference").check()
        assert words_left(page, own_words(None)) == {}
    with opened(browser, comparison) as (page, _):
        assert chinese_left(page) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_hostile_names_stay_text_in_both_languages(browser: Browser, tmp_path: Path, lang: str) -> None:
    path = open_run(solve_hostile(tmp_path)).export(tmp_path / "report.html")
    with opened(browser, opened_in(path, lang)) as (page, _):
        expect(page.locator("html")).to_have_attribute("lang", lang)
        assert page.locator("img").count() == 0
        assert {SCRIPT_NAME, IMAGE_NAME, FORMULA_NAME} <= set(page.locator("#place option").all_inner_texts())
        expect(page.locator("p.about")).to_contain_text(SCRIPT_NAME)


def test_the_language_in_force_opens_first(run: Path, report: Path) -> None:
    assert '<html lang="en">' in report.read_text(encoding="utf-8")
    path = run.parent / "chinese.html"
    assert main(["export", str(run), "--to", str(path), "--lang", "zh"]) == 0
    text = path.read_text(encoding="utf-8")
    assert '<html lang="zh">' in text
    assert '<template id="other" data-lang="en"' in text


@pytest.mark.parametrize("way", ["python", "command", "variable"])
def test_the_language_that_is_asked_for_opens_first_and_is_printed(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    printed = []
    monkeypatch.setattr(browser_of_reports, "find_browser", lambda: "browser")
    monkeypatch.setattr(
        browser_of_reports, "print_page", lambda page, path: (printed.append(page), path.write_text("printed"))
    )
    for name in ("report.html", "report.pdf"):
        file = tmp_path / name
        if way == "python":
            assert open_run(run).export(file, lang="zh") == open_run(run).report(file, lang="zh")
        elif way == "command":
            assert main(["export", str(run), "--to", str(file), "--lang", "zh"]) == 0
        else:
            with monkeypatch.context() as patch:
                patch.setenv("EDWC_LANG", "zh")
                open_run(run).export(file)
    for page in ((tmp_path / "report.html").read_text(encoding="utf-8"), *printed):
        assert '<html lang="zh">' in page
    assert printed
    # What is asked for counts more than what is in force.
    with speaking("zh"):
        page = open_run(run).export(tmp_path / "report.html", lang="en").read_text(encoding="utf-8")
    assert '<html lang="en">' in page


def test_a_selected_data_center_is_told_in_chinese_as_by_the_command(browser: Browser, run: Path, report: Path) -> None:
    found = open_run(run)
    with opened(browser, opened_in(report, "zh")) as (page, _), speaking("zh"), naming(local_names(found)):
        for number, center in enumerate(found.data_centers.index):
            page.select_option("#place", f"c{number}")
            one, said = found.price(str(center)), page.locator(f"[data-about=c{number}]")
            expect(said.locator("h3")).to_have_text(data_center_heading(one))
            expect(said.locator("dd")).to_have_text(list(data_center_facts(one).values()))


def test_amounts_sort_by_size_whatever_their_scale(browser: Browser, report: Path) -> None:
    with opened(browser, opened_in(report, "zh")) as (page, _):
        texts = ["2,240\u4e07", "12.592\u4ebf", "6,820\u4e07", "-1.376\u4ebf", "0", "1.2\u4e07\u4ebf"]
        keys = page.evaluate("texts => texts.map(edwc.sortKey)", texts)
        assert [text for _, text in sorted(zip(keys, texts, strict=True))] == [
            "-1.376\u4ebf", "0", "2,240\u4e07", "6,820\u4e07", "12.592\u4ebf", "1.2\u4e07\u4ebf",
        ]  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_chinese_pages_have_no_accessibility_faults(
    browser: Browser, report: Path, comparison: Path, kind: str, look: dict[str, object]
) -> None:
    path = {"report": report, "comparison": comparison}[kind]
    with opened(browser, opened_in(path, "zh"), **look) as (page, _):
        assert accessibility_faults(page) == []
        assert fits(page)

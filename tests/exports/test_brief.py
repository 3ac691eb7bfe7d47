"""Briefs are real files: two pages of PDF whose texts can be read, documents and slides that open again."""

from __future__ import annotations

import io
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_page import CHROMIUM
from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from matplotlib.image import imsave
from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE
from pypdfium2 import PdfDocument
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE
from report_runs import END_NAME, FORMULA_NAME, write_hostile

import edwc
from network_data.faults import InputError
from optimizer.drawing.lettering import has_glyph
from optimizer.exports.office import browser, documents
from optimizer.exports.office.brief import Bar, Bars, Brief, Figure, Money
from optimizer.exports.office.document import write_brief_document
from optimizer.exports.office.options import document_kind
from optimizer.exports.office.packages import text_ems
from optimizer.exports.office.pdf import write_brief_pdf
from optimizer.exports.office.run_brief import run_brief
from optimizer.exports.office.slides import _column_widths_in, write_brief_slides
from optimizer.exports.words import Words, office_words
from optimizer.maps.options import MapNameWarning
from optimizer.runs.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("toy")
    return edwc.solve(write_hostile(folder), out=folder / "run")


def flat(text: str) -> str:
    """Join a text that was broken into lines, without any spaces."""
    return "".join(text.split())


def pages_of(path: Path) -> list[str]:
    """Read the texts of the pages of a PDF."""
    with PdfDocument(path) as document:
        return [flat(page.get_textpage().get_text_range()) for page in document]


def images_of(path: Path, page: int) -> list[tuple[int, int]]:
    """Read the sizes of the images of a page, pixels."""
    with PdfDocument(path) as document:
        return [image.get_px_size() for image in document[page].get_objects(filter=[FPDF_PAGEOBJ_IMAGE])]


@pytest.fixture(autouse=True)
def small_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw maps small: that takes a fraction of the time."""
    monkeypatch.setattr(documents, "_MAP_PX", (600, 450))


@pytest.fixture(scope="module")
def picture() -> bytes:
    """Draw what stands for the map: maps have tests of their own."""
    content = io.BytesIO()
    imsave(content, np.zeros((30, 40, 3)), metadata={"Software": None})
    return content.getvalue()


@pytest.mark.filterwarnings(f"ignore::{MapNameWarning.__module__}.MapNameWarning")
def test_brief_of_a_run_has_its_map(run: Run, tmp_path: Path) -> None:
    target = run.brief(tmp_path / "brief.pdf", basemap="none")
    first, _ = pages_of(target)
    assert flat(run_brief(run).answer[0]) in first
    assert images_of(target, 1) == [(600, 450)]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_two_pages_hold_the_answer_with_its_range(run: Run, tmp_path: Path, picture: bytes, lang: Any) -> None:
    brief = run_brief(run, lang, map_png=picture)
    write_brief_pdf(brief, tmp_path / "a.pdf")
    first, second = pages_of(tmp_path / "a.pdf")
    money = Money(brief.words, run.cost_cny_per_year)
    assert flat(money.text(run.cost_cny_per_year)) in first
    assert flat(money.text(run.bound_cny_per_year)) in first
    for text in (brief.question, *brief.answer, *brief.decides):
        assert flat(text) in first
    for text in (*brief.caveats, *brief.sources):
        assert flat(text) in second
    assert images_of(tmp_path / "a.pdf", 1) == [(40, 30)]
    write_brief_pdf(brief, tmp_path / "b.pdf")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_saving_lies_between_that_of_the_plan_and_what_the_bound_leaves(run: Run) -> None:
    brief = run_brief(run)
    best = min(item["total_cny_per_year"] for item in run.baselines if item["is_feasible"])
    figure = next(figure for figure in brief.figures if figure.label.startswith("Saving"))
    assert figure.value == pytest.approx((best - run.cost_cny_per_year) / 1e6)
    assert (figure.least, figure.most) == pytest.approx((figure.value, (best - run.bound_cny_per_year) / 1e6))


def test_range_of_a_share_is_said_once_it_is_known(run: Run) -> None:
    def region_of(run: Run) -> Figure:
        return next(figure for figure in run_brief(run).figures if figure.label.startswith("Served"))

    assert "range not computed" in region_of(run).note
    region = max(run.summary["region_share"], key=run.summary["region_share"].__getitem__)
    found = run.range([f"{region}_share"], slack=0.05, keep=False)
    known = Run(run.info, tables={**run.tables, "ranges": found.merged_into(run.ranges)}, inputs=run.inputs)
    row = found.table.iloc[0]
    figure = region_of(known)
    if figure.label.endswith(region):
        assert (figure.least, figure.most) == pytest.approx((row["least_limit"], row["most_limit"]))
    assert not any("was not computed" in text for text in run_brief(known).caveats)


def test_document_and_slides_hold_the_same(run: Run, tmp_path: Path, picture: bytes) -> None:
    brief = run_brief(run, "zh", map_png=picture)
    for name in ("a", "b"):
        write_brief_document(brief, tmp_path / f"{name}.docx")
        write_brief_slides(brief, tmp_path / f"{name}.pptx")
    for ending in ("docx", "pptx"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    texts = [paragraph.text for paragraph in Document(str(tmp_path / "a.docx")).paragraphs]
    for text in (brief.question, *brief.answer, *brief.decides, *brief.caveats):
        assert text in texts
    figures = Document(str(tmp_path / "a.docx")).tables[0]
    value, remark = (figures.columns[at].cells[1:] for at in (1, 5))
    right = WD_ALIGN_PARAGRAPH.RIGHT
    assert all(cell.paragraphs[0].alignment == right for cell in value)
    assert all(cell.paragraphs[0].alignment != right for cell in remark)  # though some begin with a number
    assert any(cell.text[:1].isdigit() for cell in remark)
    shapes = [shape for slide in Presentation(str(tmp_path / "a.pptx")).slides for shape in slide.shapes]
    shown = "\n".join(shape.text_frame.text for shape in shapes if shape.has_text_frame)
    for text in (brief.question, *brief.answer, *brief.decides, *brief.caveats):
        assert text in shown
    (chart,) = (shape.chart for shape in shapes if shape.has_chart)
    values = [bar.value for bar in brief.bars.rows if math.isfinite(bar.value)]
    assert list(chart.plots[0].series[0].values) == values
    assert [shape.image.blob for shape in shapes if shape.shape_type == MSO_SHAPE_TYPE.PICTURE] == [picture]


def test_long_and_hostile_texts_still_make_two_pages(tmp_path: Path) -> None:
    long = "x" * 300 + " \u4e2d" * 200
    brief = Brief(
        words=Words("zh"),
        title=END_NAME,
        eyebrow=FORMULA_NAME,
        changes=long,
        question=long,
        answer=(long, "\u0e17"),
        figures=tuple(Figure("y" * 60, 1.5, "z" * 20, least=1.0, most=2.0, note="w" * 90) for _ in range(6)),
        bars=Bars("", tuple(Bar("v" * 60, 10.0**n, "u" * 60) for n in range(7))),
        decides=(long,) * 2,
        caveats=(long,) * 3,
        sources=("", long),
        table=(("a", "b"), *(("t" * 60, "") for _ in range(8))),
    )
    write_brief_pdf(brief, tmp_path / "a.pdf")
    first, second = pages_of(tmp_path / "a.pdf")
    assert flat(END_NAME) in first
    assert "?" in first  # a letter that the fonts lack
    assert second.count("x" * 40) >= 4


@pytest.mark.filterwarnings(f"ignore::{MapNameWarning.__module__}.MapNameWarning")
def test_comparison_has_a_brief(undisturbed_sweep: object, toy_sweep: Path, tmp_path: Path) -> None:
    folder = toy_sweep.parent / "serial"
    pages = pages_of(edwc.export_comparison(folder, tmp_path / "a.pdf"))
    assert len(pages) == 2
    found = edwc.open_comparison(folder)
    text = "".join(pages)
    assert flat("proved of the best plans of the two") in text
    for label in found.cases["label"]:
        assert flat(label) in text


# The report as PDF


@pytest.mark.skipif(CHROMIUM is None, reason="no browser; .ci/run installs one")
def test_report_is_printed_without_opening_a_browser(run: Run, tmp_path: Path) -> None:
    pages = pages_of(run.report(tmp_path / "a.pdf"))
    assert "Limitsthatmadethedifference" in "".join(pages)
    assert len(pages) > 2
    (tmp_path / "zh").mkdir()
    printed = "".join(pages_of(run.export(tmp_path / "zh" / "report.pdf", lang="zh")))
    assert "\u65b9\u6848" in printed
    assert "Limitsthatmadethedifference" not in printed


def test_report_without_a_browser_is_refused_with_the_remedy(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"Install Chromium.*--as brief"):
        run.report(tmp_path / "a.pdf")
    monkeypatch.undo()
    monkeypatch.setenv(browser.BROWSER_VARIABLE, str(shutil.which("false")))
    with pytest.raises(InputError, match="did not print the report"):
        run.report(tmp_path / "a.pdf")
    assert not list(tmp_path.iterdir())


def test_library_that_is_not_installed_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optimizer.exports.office.slides", None)
    with pytest.raises(InputError, match=r"needs python-pptx.*edwc\[office\]"):
        run.brief(tmp_path / "a.pptx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "wanted", "kind"),
    [("a.pdf", None, "brief"), ("base-report.pdf", None, "report"), ("report.pdf", "brief", "brief"),
     ("a.pdf", "report", "report"), ("report.docx", None, "brief")],
)  # fmt: skip
def test_name_or_wish_says_what_a_pdf_is(target: str, wanted: str | None, kind: str) -> None:
    assert document_kind(Path(target), wanted) == kind


@pytest.mark.parametrize(("target", "wanted"), [("a.docx", "report"), ("a.xlsx", "brief"), ("a.pdf", "novel")])
def test_document_that_cannot_be_is_refused(target: str, wanted: str) -> None:
    with pytest.raises(InputError):
        document_kind(Path(target), wanted)


def test_options_of_maps_and_layers_do_not_go_with_a_brief(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no layers to choose from"):
        run.export(tmp_path / "a.pdf", layer="links")
    with pytest.raises(InputError, match="leave out --map and --against"):
        edwc.export_run(run, tmp_path / "a.pdf", maps=edwc.MapOptions(kind="price"))
    assert not list(tmp_path.iterdir())


def test_every_word_is_there_in_both_languages() -> None:
    for key, row in office_words().items():
        assert row["zh"], key
        assert row["en"] or key in {"brief.unit.hmcny", "brief.unit.tcny"}, key


def test_fonts_draw_every_word() -> None:
    for row in office_words().values():
        assert all(has_glyph(char) for text in (row["en"], row["zh"]) for char in text), row


def test_columns_of_a_slide_break_no_word_where_a_cell_is_too_long() -> None:
    columns = [
        ("Case", "a label of several words"),
        ("Energy, GWh", "3,333"),
        ("In east", "17.3% " + "(range not computed) " * 6),
    ]
    widths_in = _column_widths_in(columns)
    assert sum(widths_in) == pytest.approx(12.133)
    for column, width_in in zip(columns, widths_in, strict=True):
        longest = max(text_ems(word) for text in column for word in text.split())
        assert width_in * 72 / 12 >= longest + 1.0  # with its margins
    # Chinese breaks anywhere: a long head does not crowd the others out.
    case, _ = _column_widths_in(
        [("\u60c5\u666f", "a label of several words"), ("\u6700\u4f18\u65b9\u6848" * 20, "1.0")]
    )
    assert case * 72 / 12 > text_ems("a label of several words") / 2

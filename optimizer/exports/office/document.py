"""A brief as a document (.docx) that can be edited: headings, key figures and costs as tables, the map."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

from optimizer.exports.office.brief import PERCENT, Bars, Brief, Figure
from optimizer.exports.office.cells import text_width
from optimizer.exports.office.packages import CHINESE_FONT, LATIN_FONT, freeze_package

_WIDTH_CM, _HEIGHT_CM, _MARGIN_CM = 21.0, 29.7, 2.0
_INNER_CM = _WIDTH_CM - 2 * _MARGIN_CM
_MOST_CHARS, _SPARE_CHARS = 26, 6  # of a column: longer texts are broken
_MAP_CM = 14.0
_ACCENT, _FAINT = RGBColor(0x1F, 0x3A, 0x5F), RGBColor(0x5F, 0x5F, 0x5F)
_TABLE_STYLE = "Light List Accent 1"  # of the template that python-docx brings


def write_brief_document(brief: Brief, path: Path) -> None:
    """Write a brief as a document of A4."""
    document, words = Document(), brief.words
    _set_up(document, brief)
    document.add_heading(brief.title, level=0)
    for text in (brief.eyebrow, brief.changes):
        _remark(document, text)
    document.add_heading(words("brief.question_head"), level=1)
    document.add_paragraph(brief.question)
    document.add_heading(words("brief.answer_head"), level=1)
    for at, text in enumerate(brief.answer):
        document.add_paragraph().add_run(text).bold = at == 0
    document.add_heading(words("brief.figures"), level=1)
    _add_table(document, _figure_rows(brief.figures, brief))
    document.add_heading(brief.bars.title, level=1)
    _add_table(document, _bar_rows(brief.bars, brief))
    document.add_heading(words("brief.decides_head"), level=1)
    _bullets(document, brief.decides)
    if brief.map_png:
        document.add_heading(brief.map_title, level=1)
        document.add_picture(io.BytesIO(brief.map_png), width=Cm(_MAP_CM))
        _remark(document, words("brief.map_note"))
    if brief.table:
        document.add_heading(brief.table_title, level=1)
        _add_table(document, brief.table)
    document.add_heading(words("brief.caveats_head"), level=1)
    _bullets(document, brief.caveats)
    document.add_heading(words("brief.sources_head"), level=1)
    for text in brief.sources:
        _remark(document, text)
    document.save(str(path))
    freeze_package(path)


def _set_up(document: Any, brief: Brief) -> None:
    """Set paper, margins, and fonts of both scripts."""
    properties = document.core_properties
    properties.title, properties.author, properties.comments = brief.title, "edwc", ""
    section = document.sections[0]
    section.page_width, section.page_height = Cm(_WIDTH_CM), Cm(_HEIGHT_CM)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Cm(_MARGIN_CM)
    for name, size in (("Normal", 10.5), ("Title", 22), ("Heading 1", 13), ("List Bullet", 10.5)):
        style = document.styles[name]
        style.font.name, style.font.size = LATIN_FONT, Pt(size)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        # The template's theme would win over the names.
        for key in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
            fonts.attrib.pop(qn(key), None)
        fonts.set(qn("w:eastAsia"), CHINESE_FONT)
        if name in {"Title", "Heading 1"}:
            style.font.color.rgb = _ACCENT


def _remark(document: Any, text: str) -> None:
    if text:
        run = document.add_paragraph().add_run(text)
        run.font.size, run.font.color.rgb = Pt(9), _FAINT


def _bullets(document: Any, texts: Sequence[str]) -> None:
    for text in texts:
        document.add_paragraph(text, style="List Bullet")


def _figure_rows(figures: Sequence[Figure], brief: Brief) -> list[tuple[str, ...]]:
    words = brief.words
    rows = [tuple(words(f"book.{key}") for key in ("figure", "value", "least", "most", "unit", "remark"))]
    for figure in figures:
        ends = (figure.write(figure.least), figure.write(figure.most)) if figure.has_range else ("", "")
        rows.append((figure.label, figure.text, *ends, figure.unit.replace(PERCENT, ""), figure.note))
    return rows


def _bar_rows(bars: Bars, brief: Brief) -> list[tuple[str, ...]]:
    heads = tuple(brief.words(f"book.{key}") for key in ("rule", "value", "remark"))
    numbers = [f"{bar.value:,.{bars.decimals}f}" if math.isfinite(bar.value) else "" for bar in bars.rows]
    return [heads, *((bar.label, number, bar.note) for bar, number in zip(bars.rows, numbers, strict=True))]


def _add_table(document: Any, rows: Sequence[Sequence[str]]) -> None:
    """Add a table that stands on one page; columns are as wide as their texts call for, numbers stand at the right."""
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style=_TABLE_STYLE)
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    columns = list(zip(*rows, strict=True))
    is_numeric = [any(column[1:]) and all(_is_numeric(text) for text in column[1:] if text) for column in columns]
    chars = [min(max(map(text_width, column)), _MOST_CHARS) + _SPARE_CHARS for column in columns]
    # Word takes widths from cells, other programs from columns.
    widths = [Cm(_INNER_CM * share / sum(chars)) for share in chars]
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    for number, row in enumerate(rows):
        for at, text in enumerate(row):
            table.cell(number, at).width = widths[at]
            paragraph = table.cell(number, at).paragraphs[0]
            paragraph.add_run(text).font.size = Pt(9)
            is_right = at > 0 and is_numeric[at]
            paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT if is_right else WD_ALIGN_PARAGRAPH.LEFT
            paragraph.paragraph_format.keep_with_next = number + 1 < len(rows)
            paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(1)


def _is_numeric(text: str) -> bool:
    return any(map(str.isdigit, text)) and not any(map(str.isalpha, text))

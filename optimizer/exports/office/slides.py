"""A brief as slides (.pptx): texts, key figures and tables that can be edited, a chart with its numbers, the map."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_LABEL_POSITION
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.oxml.ns import qn
from pptx.util import Emu, Inches, Pt

from optimizer.exports.office.brief import PERCENT, Bars, Brief, Figure
from optimizer.exports.office.packages import CHINESE_FONT, LATIN_FONT, freeze_package, text_ems

if TYPE_CHECKING:
    from pptx.presentation import Presentation as Deck

_WIDTH_IN, _HEIGHT_IN, _MARGIN_IN, _TOP_IN = 13.333, 7.5, 0.6, 1.25
_INNER_IN = _WIDTH_IN - 2 * _MARGIN_IN
_INK, _FAINT, _ACCENT, _PAPER, _GREY = "222222", "5F5F5F", "1F3A5F", "F0F4F9", "B0B8C4"
_BLANK_LAYOUT = 6  # of the template that python-pptx brings
_LEADING, _PT_PER_IN = 1.3, 72.0
_SMALLEST_PT = 9.0
_CELL_PT, _CELL_MARGIN_EMS, _BOLD = 12, 2.0, 1.15
_WORD = re.compile(r"[^\s\u2e80-\uffff]+|[\u2e80-\uffff]")  # what a line is not broken in; Chinese is anywhere
_FIGURES_IN_ROW, _MOST_FIGURES = 3, 6

Style = tuple[float, bool, str]  # Size in points, whether it is bold, colour


def write_brief_slides(brief: Brief, path: Path) -> None:
    """Write a brief as slides of 16:9."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(_WIDTH_IN), Inches(_HEIGHT_IN)
    properties = deck.core_properties
    properties.title, properties.author = brief.title, "edwc"
    words = brief.words
    first = _Slide(deck, brief, brief.title)
    first.texts([brief.eyebrow, brief.changes], (_TOP_IN - 0.25, 0.6), (13, False, _FAINT))
    first.texts([words("brief.question_head")], (1.75, 0.4), (15, True, _ACCENT))
    first.texts([brief.question], (2.15, 1.2), (20, False, _INK))
    first.ground((3.4, 3.5))
    first.texts([words("brief.answer_head")], (3.5, 0.4), (15, True, _ACCENT), inset=0.25)
    first.texts([brief.answer[0]] if brief.answer else [], (3.9, 1.15), (22, True, _INK), inset=0.25)
    first.texts(brief.answer[1:], (5.1, 1.75), (16, False, _INK), inset=0.25)
    _Slide(deck, brief, words("brief.figures")).figures(brief.figures[:_MOST_FIGURES])
    if brief.map_png:
        _Slide(deck, brief, brief.map_title).picture(brief.map_png, words("brief.map_note"))
    _Slide(deck, brief, brief.bars.title).chart(brief.bars)
    if brief.table:
        _Slide(deck, brief, brief.table_title).table(brief.table)
    _Slide(deck, brief, words("brief.decides_head")).bullets(brief.decides)
    last = _Slide(deck, brief, words("brief.caveats_head"))
    last.bullets(brief.caveats, 4.6)
    last.texts(brief.sources, (6.2, 0.7), (11, False, _FAINT))
    deck.save(str(path))
    freeze_package(path)


class _Slide:
    """A slide with its title."""

    def __init__(self, deck: Deck, brief: Brief, title: str) -> None:
        self._slide = deck.slides.add_slide(deck.slide_layouts[_BLANK_LAYOUT])
        self._brief = brief
        self._bar((0.0, 0.0, _WIDTH_IN, 0.14), _ACCENT)
        self.texts([title], (0.4, 0.75), (28, True, _ACCENT))
        foot = brief.words("join").join([brief.title, str(len(deck.slides))])
        self.texts([foot], (_HEIGHT_IN - 0.45, 0.3), (10, False, _FAINT))

    def texts(self, texts: Iterable[str], place: tuple[float, float], style: Style, *, inset: float = 0.0) -> None:
        """Write paragraphs from margin to margin, smaller where they would not fit; `place` is top and height."""
        kept = [text for text in texts if text]
        box = (_MARGIN_IN + inset, place[0], _INNER_IN - 2 * inset, place[1])
        self._write(box, kept, (_fitting(kept, box[2], box[3], style[0]), *style[1:]))

    def bullets(self, texts: Sequence[str], height: float = 5.3) -> None:
        """Write a list."""
        marked = [f"\u2022  {text}" for text in texts]
        size = _fitting(marked, _INNER_IN, height, 20.0, after=0.7)
        self._write((_MARGIN_IN, _TOP_IN, _INNER_IN, height), marked, (size, False, _INK), after=0.7)

    def ground(self, place: tuple[float, float]) -> None:
        """Fill a ground behind texts; `place` is top and height."""
        self._bar((_MARGIN_IN, place[0], _INNER_IN, place[1]), _PAPER)
        self._bar((_MARGIN_IN, place[0], 0.07, place[1]), _ACCENT)

    def figures(self, figures: Sequence[Figure]) -> None:
        """Show key figures with their ranges."""
        width, height = (_INNER_IN - 0.5 * (_FIGURES_IN_ROW - 1)) / _FIGURES_IN_ROW, 2.6
        for at, figure in enumerate(figures):
            x = _MARGIN_IN + (at % _FIGURES_IN_ROW) * (width + 0.5)
            y = _TOP_IN + 0.1 + (at // _FIGURES_IN_ROW) * (height + 0.15)
            self._bar((x, y, width, 0.03), _ACCENT)
            label = _fitting([figure.label], width, 0.65, 16.0)
            self._write((x, y + 0.1, width, 0.65), [figure.label], (label, False, _FAINT))
            self._write((x, y + 0.72, width, 0.65), [figure.text], (36, True, _INK))
            unit = [] if figure.unit == PERCENT else [figure.unit]
            if figure.has_range:
                ends = {"least": figure.write(figure.least), "most": figure.write(figure.most)}
                unit.append(self._brief.words("brief.range", **ends))
            lines = [text for text in (*unit, figure.note) if text]
            size = _fitting(lines, width, 1.0, 14.0)
            self._write((x, y + 1.42, width, 1.0), lines, (size, False, _FAINT))

    def picture(self, content: bytes, note: str) -> None:
        """Show a picture in the middle, and a note below it."""
        shape = self._slide.shapes.add_picture(io.BytesIO(content), Emu(0), Inches(1.1), height=Inches(5.75))
        shape.left = Emu(int((Inches(_WIDTH_IN) - shape.width) / 2))
        shape.name = self._brief.map_title
        self.texts([note], (6.85, 0.25), (10, False, _FAINT))

    def chart(self, bars: Bars) -> None:
        """Draw bars as a chart with its numbers; what has no number is named below it."""
        rows = [bar for bar in bars.rows if math.isfinite(bar.value)]
        data = CategoryChartData(number_format=f"#,##0.{'0' * bars.decimals}")
        data.categories = [bar.label for bar in rows]
        data.add_series(bars.title, [bar.value for bar in rows])
        box = [Inches(side) for side in (_MARGIN_IN, _TOP_IN, _INNER_IN, 4.2)]
        chart = self._slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, *box, data).chart
        chart.has_legend, chart.has_title = False, False
        self._font(chart.font, (14, False, _INK))
        chart.category_axis.reverse_order = True
        chart.category_axis.format.line.color.rgb = RGBColor.from_string(_GREY)
        chart.value_axis.visible, chart.value_axis.has_major_gridlines = False, False
        chart.value_axis.minimum_scale = 0.0
        plot = chart.plots[0]
        plot.gap_width, plot.has_data_labels = 45, True
        plot.data_labels.position, plot.data_labels.show_value = XL_LABEL_POSITION.OUTSIDE_END, True
        for at, bar in enumerate(rows):
            fill = plot.series[0].points[at].format.fill
            fill.solid()
            fill.fore_color.rgb = RGBColor.from_string(_ACCENT if bar.is_own else _GREY)
        separator = "\uff1a" if self._brief.words.lang == "zh" else ": "
        notes = [f"{bar.label}{separator}{bar.note}" for bar in bars.rows if bar.note]
        self.texts([self._brief.words("join").join(notes)], (5.6, 1.3), (14, False, _FAINT))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Show a table, its head first."""
        box = [Inches(side) for side in (_MARGIN_IN, _TOP_IN, _INNER_IN, 0.4 * len(rows))]
        table = self._slide.shapes.add_table(len(rows), len(rows[0]), *box).table
        widths_in = _column_widths_in(list(zip(*rows, strict=True)))
        for column, width_in in zip(table.columns, widths_in, strict=True):
            column.width = Inches(width_in)
        for number, row in enumerate(rows):
            for at, text in enumerate(row):
                cell = table.cell(number, at)
                cell.vertical_anchor = MSO_ANCHOR.MIDDLE
                cell.fill.solid()
                cell.fill.fore_color.rgb = RGBColor.from_string(
                    _ACCENT if number == 0 else "FFFFFF" if number % 2 else _PAPER
                )
                self._paragraph(
                    cell.text_frame.paragraphs[0], text, (_CELL_PT, number == 0, "FFFFFF" if number == 0 else _INK)
                )
                cell.text_frame.paragraphs[0].alignment = PP_ALIGN.RIGHT if at else PP_ALIGN.LEFT

    def _bar(self, box: tuple[float, float, float, float], colour: str) -> None:
        shape = self._slide.shapes.add_shape(1, *(Inches(side) for side in box))
        shape.fill.solid()
        shape.fill.fore_color.rgb = RGBColor.from_string(colour)
        shape.line.fill.background()
        shape.shadow.inherit = False

    def _write(
        self, box: tuple[float, float, float, float], texts: Sequence[str], style: Style, *, after: float = 0.3
    ) -> None:
        if not texts:
            return
        frame = self._slide.shapes.add_textbox(*(Inches(side) for side in box)).text_frame
        frame.word_wrap = True
        frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = 0
        for at, text in enumerate(texts):
            paragraph = frame.paragraphs[0] if at == 0 else frame.add_paragraph()
            paragraph.space_after = Pt(after * style[0])
            self._paragraph(paragraph, text, style)

    def _paragraph(self, paragraph: Any, text: str, style: Style) -> None:
        run = paragraph.add_run()
        run.text = text
        self._font(run.font, style)

    def _font(self, font: Any, style: Style) -> None:
        size, bold, colour = style
        font.size, font.bold, font.name = Pt(size), bold, LATIN_FONT
        font.color.rgb = RGBColor.from_string(colour)
        # python-pptx names the Latin font alone.
        properties = font._element if hasattr(font, "_element") else font._rPr  # noqa: SLF001
        eastern = properties.find(qn("a:ea"))
        if eastern is None:
            eastern = properties.makeelement(qn("a:ea"), {})
            properties.find(qn("a:latin")).addnext(eastern)
        eastern.set("typeface", CHINESE_FONT)


def _column_widths_in(columns: Sequence[Sequence[str]]) -> list[float]:
    """Share out the width of a slide: cells on one line, heads on two; where that is too wide, no word is broken."""
    least, wanted = [], []
    for head, *cells in columns:
        words = [text_ems(word) * _BOLD for word in _WORD.findall(head)]
        words += [text_ems(word) for cell in cells for word in _WORD.findall(cell)]
        least.append(max(words, default=0.0) + _CELL_MARGIN_EMS)
        lines = [text_ems(head) * _BOLD / 2, *map(text_ems, cells)]
        wanted.append(max(least[-1], max(lines) + _CELL_MARGIN_EMS))
    room = _INNER_IN * _PT_PER_IN / _CELL_PT
    share = min(1.0, max(0.0, room - sum(least)) / max(sum(wanted) - sum(least), 1e-9))
    ems = [low + share * (high - low) for low, high in zip(least, wanted, strict=True)]
    return [_INNER_IN * one / sum(ems) for one in ems]


def _fitting(texts: Sequence[str], width_in: float, height_in: float, size: float, *, after: float = 0.3) -> float:
    """Choose the largest size, points, at which paragraphs should fit into a box; spare where fonts are wider."""
    while size > _SMALLEST_PT:
        ems_in_line = width_in * _PT_PER_IN / size
        lines = sum(math.ceil(text_ems(text) / ems_in_line + 0.15) for text in texts)
        if (lines * _LEADING + after * len(texts)) * size <= height_in * _PT_PER_IN:
            break
        size -= 0.5
    return size

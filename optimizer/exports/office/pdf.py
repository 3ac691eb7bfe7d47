"""A brief as PDF: two pages of A4 in the fonts of the maps, whose texts can be searched and copied."""

from __future__ import annotations

import bisect
import io
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from optimizer.drawing.lettering import drawable, wrap_text
from optimizer.drawing.words import ASSETS
from optimizer.exports.office.brief import PERCENT, Bars, Brief, Figure

if TYPE_CHECKING:
    from fpdf import FPDF

_FONT, _OTHER_FONT = "brief", "other"
_WIDTH_MM, _HEIGHT_MM, _MARGIN_MM = 210.0, 297.0, 17.0
_INNER_MM = _WIDTH_MM - 2 * _MARGIN_MM
_FOOT_MM = 14.0
_INK, _FAINT, _ACCENT, _PAPER, _GREY = (34, 34, 34), (95, 95, 95), (31, 58, 95), (240, 244, 249), (176, 184, 196)
_LEADING, _MM_PER_PT = 1.42, 0.352_778
# Texts are set smaller, in these steps, until both pages hold what they should.
_SCALES = (1.12, 1.06, 1.0, 0.96, 0.92, 0.88, 0.84, 0.8, 0.75, 0.7, 0.65, 0.6)
_FIGURES_IN_ROW, _MOST_FIGURES = 3, 6
_HEAD_MM = 21.0  # of a column
_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)


def write_brief_pdf(brief: Brief, path: Path) -> None:
    """Write a brief as PDF."""
    pdf = _blank(brief)
    scale = next((scale for scale in _SCALES if _Sheet(pdf, brief, scale, is_trial=True).fits), _SCALES[-1])
    _Sheet(pdf, brief, scale)
    pdf.output(str(path))


def _blank(brief: Brief) -> FPDF:
    """Make a PDF without pages, with its fonts."""
    from fpdf import FPDF

    pdf: FPDF = FPDF(format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    pdf.c_margin = 0
    for style, weight in (("", "Regular"), ("B", "Bold")):
        pdf.add_font(_FONT, style, ASSETS / f"NotoSansSC-{weight}.otf")
        pdf.add_font(_OTHER_FONT, style, _dejavu(bold=bool(style)))
    pdf.set_fallback_fonts([_OTHER_FONT])
    pdf.set_title(brief.title)
    pdf.set_author("edwc")
    pdf.set_creator("edwc")
    pdf.set_lang({"en": "en", "zh": "zh-CN"}[brief.words.lang])
    try:
        pdf.set_creation_date(datetime.fromisoformat(brief.made))
    except ValueError:
        pdf.set_creation_date(_UNDATED)
    return pdf


class _Sheet:
    """Both pages at a scale, drawn, or only tried: then nothing is drawn, and `fits` says whether they hold it all."""

    def __init__(self, pdf: FPDF, brief: Brief, scale: float, *, is_trial: bool = False) -> None:
        self._pdf, self._brief, self._scale, self._is_trial = pdf, brief, scale, is_trial
        self._y, self.fits = 0.0, True  # where the next block begins, mm from the upper edge
        self._draw()

    def _draw(self) -> None:
        """Draw both pages."""
        brief, words = self._brief, self._brief.words
        self._begin_page(1)
        self._paragraph(brief.eyebrow, 8.5, colour=_FAINT)
        self._paragraph(brief.title, 20, bold=True, colour=_ACCENT)
        self._paragraph(brief.changes, 8.5, colour=_FAINT)
        self._gap(2.5)
        self._heading(words("brief.question_head"))
        self._paragraph(brief.question, 11)
        self._gap(3)
        self._answer()
        self._gap(4)
        self._figures(brief.figures[:_MOST_FIGURES])
        self._gap(4)
        self._bars(brief.bars)
        self._gap(4)
        self._heading(words("brief.decides_head"))
        self._bullets(brief.decides)
        self._end_page(1)

        self._begin_page(2)
        if brief.map_png:
            self._heading(brief.map_title)
            self._map()
            self._paragraph(words("brief.map_note"), 7.5, colour=_FAINT)
            self._gap(3)
        if brief.table:
            self._heading(brief.table_title)
            self._table(brief.table)
            self._gap(3)
        self._heading(words("brief.caveats_head"))
        self._bullets(brief.caveats)
        self._gap(3)
        self._heading(words("brief.sources_head"))
        for text in brief.sources:
            self._paragraph(text, 8, colour=_FAINT)
        self._end_page(2)

    # Pages

    def _begin_page(self, number: int) -> None:
        if not self._is_trial:
            self._pdf.add_page()
        self._fill((0.0, 0.0, _WIDTH_MM, 4.0), _ACCENT)
        self._y = 13.0 if number == 1 else 12.0

    def _end_page(self, number: int) -> None:
        self.fits &= self._y <= _HEIGHT_MM - _FOOT_MM
        words = self._brief.words
        y = _HEIGHT_MM - 9.0
        self._font(7.5, bold=False, colour=_FAINT)
        self._write(_MARGIN_MM, y, self._brief.title)
        self._write(_WIDTH_MM - _MARGIN_MM, y, words("brief.page", page=number, pages=2), align="R")

    # Blocks

    def _gap(self, mm: float) -> None:
        self._y += mm * self._scale

    def _heading(self, text: str) -> None:
        self._paragraph(text, 10.5, bold=True, colour=_ACCENT)
        self._y += 0.6 * self._scale

    def _paragraph(
        self, text: str, size: float, *, bold: bool = False, colour: tuple[int, int, int] = _INK, inset: float = 0.0
    ) -> None:
        """Write a text from margin to margin."""
        self._font(size, bold=bold, colour=colour)
        for line in self._wrapped(text, _INNER_MM - 2 * inset):
            self._write(_MARGIN_MM + inset, self._y, line)
            self._y += self._line_mm(size)

    def _bullets(self, texts: Iterable[str], size: float = 9.2) -> None:
        for text in texts:
            self._font(size, bold=False, colour=_INK)
            self._fill((_MARGIN_MM + 0.6, self._y + 1.55 * self._scale, 1.1, 1.1), _ACCENT)
            for line in self._wrapped(text, _INNER_MM - 4.5):
                self._write(_MARGIN_MM + 4.5, self._y, line)
                self._y += self._line_mm(size)
            self._gap(0.7)

    def _answer(self) -> None:
        """Write the answer on a ground of its own, its first sentence bold."""
        sizes = [(text, 11.0 if at == 0 else 10.0, at == 0) for at, text in enumerate(self._brief.answer)]
        top, height = self._y, 4.0 * self._scale + self._line_mm(10.5)
        for text, size, bold in sizes:
            self._font(size, bold=bold, colour=_INK)
            height += len(self._wrapped(text, _INNER_MM - 10.0)) * self._line_mm(size) + 0.8 * self._scale
        self._fill((_MARGIN_MM, top, _INNER_MM, height), _PAPER)
        self._fill((_MARGIN_MM, top, 1.2, height), _ACCENT)
        self._gap(2)
        self._paragraph(self._brief.words("brief.answer_head"), 10.5, bold=True, colour=_ACCENT, inset=5.0)
        for text, size, bold in sizes:
            self._paragraph(text, size, bold=bold, inset=5.0)
            self._gap(0.8)
        self._y = top + height

    def _figures(self, figures: Sequence[Figure]) -> None:
        width = (_INNER_MM - 4.0 * (_FIGURES_IN_ROW - 1)) / _FIGURES_IN_ROW
        for first in range(0, len(figures), _FIGURES_IN_ROW):
            top, lowest = self._y, self._y
            for at, figure in enumerate(figures[first : first + _FIGURES_IN_ROW]):
                self._y = top
                self._figure(figure, _MARGIN_MM + at * (width + 4.0), width)
                lowest = max(lowest, self._y)
            self._y = lowest + 2.0 * self._scale

    def _figure(self, figure: Figure, x: float, width: float) -> None:
        """Draw a key figure: what it is, the number and its unit, its range, a remark."""
        self._fill((x, self._y, width, 0.4), _ACCENT)
        self._gap(1.6)
        self._lines(x, width, figure.label, 8.2, _FAINT)
        self._font(17, bold=True, colour=_INK)
        number = figure.text
        self._write(x, self._y, number)
        taken = self._pdf.get_string_width(number)
        if figure.unit != PERCENT:
            self._font(8.2, bold=False, colour=_FAINT)
            self._write(x + taken + 1.5, self._y + self._line_mm(17) * 0.42, figure.unit)
        self._y += self._line_mm(17) * 0.92
        if figure.has_range:
            least, most = figure.write(figure.least), figure.write(figure.most)
            self._lines(x, width, self._brief.words("brief.range", least=least, most=most), 8.2, _INK)
        self._lines(x, width, figure.note, 8.2, _FAINT)

    def _lines(self, x: float, width: float, text: str, size: float, colour: tuple[int, int, int]) -> None:
        self._font(size, bold=False, colour=colour)
        for line in self._wrapped(text, width):
            self._write(x, self._y, line)
            self._y += self._line_mm(size) * 0.94

    def _bars(self, bars: Bars) -> None:
        """Draw bars from zero; the number and the remark stand behind each."""
        self._heading(bars.title)
        size, label_mm, note_mm = 8.8, 52.0, 62.0
        largest = max((bar.value for bar in bars.rows if math.isfinite(bar.value)), default=0.0) or 1.0
        step = self._line_mm(size) * 1.12
        for bar in bars.rows:
            self._font(size, bold=bar.is_own, colour=_INK)
            lines = self._wrapped(bar.label, label_mm - 2.0)
            for at, line in enumerate(lines):
                self._write(_MARGIN_MM, self._y + at * step, line)
            x = _MARGIN_MM + label_mm
            if math.isfinite(bar.value):
                length = max(0.3, (_INNER_MM - label_mm - note_mm) * bar.value / largest)
                self._fill((x, self._y + 0.5 * self._scale, length, step * 0.68), _ACCENT if bar.is_own else _GREY)
                x += length + 2.0
                number = f"{bar.value:,.{bars.decimals}f}"
                self._font(size, bold=True, colour=_INK)
                self._write(x, self._y, number)
                x += self._pdf.get_string_width(number) + 2.0
            self._font(8.2, bold=False, colour=_FAINT)
            for at, line in enumerate(notes := self._wrapped(bar.note, _WIDTH_MM - _MARGIN_MM - x)):
                self._write(x, self._y + at * step, line)
            self._y += step * max(1, len(lines), len(notes))

    def _map(self) -> None:
        """Draw the map as wide as the page; at a smaller scale, in its middle."""
        width = _INNER_MM * min(self._scale, 1.0)
        across, down = _png_size(self._brief.map_png)
        x, height = _MARGIN_MM + (_INNER_MM - width) / 2, width * down / across
        if not self._is_trial:
            image = io.BytesIO(self._brief.map_png)
            self._pdf.image(image, x=x, y=self._y, w=width, h=height, alt_text=self._brief.map_title)
        self._y += height + 1.0

    def _table(self, rows: Sequence[Sequence[str]]) -> None:
        """Draw a table: the first column takes what the others leave."""
        size = 7.8
        self._font(size, bold=True, colour=_INK)
        heads = [self._head(head) for head in rows[0]]
        widths = [0.0] * len(rows[0])
        for at in range(1, len(rows[0])):
            cells = [*heads[at], *(row[at] for row in rows[1:])]
            widths[at] = max(self._pdf.get_string_width(drawable(cell)) for cell in cells) + 3.0
        widths[0] = max(_INNER_MM - sum(widths), 30.0)
        step, ends = self._line_mm(size), [_MARGIN_MM + sum(widths[: at + 1]) for at in range(len(widths))]
        self._line_across(0.4, _ACCENT)
        for number, row in enumerate(rows):
            self._font(size, bold=number == 0, colour=_INK)
            broken = [heads[at] if number == 0 else [cell] for at, cell in enumerate(row)]
            broken[0] = self._wrapped(row[0], widths[0] - 2.0)
            for at, lines in enumerate(broken):
                for line_number, line in enumerate(lines):
                    y = self._y + line_number * step + 0.5 * self._scale
                    x, align = (_MARGIN_MM, "L") if at == 0 else (ends[at], "R")
                    self._write(x, y, line, align=align)
            self._y += step * max(map(len, broken)) + 1.0 * self._scale
            self._line_across(0.15, _GREY)

    def _line_across(self, thick: float, colour: tuple[int, int, int]) -> None:
        self._fill((_MARGIN_MM, self._y, _INNER_MM, thick), colour)

    # Marks

    def _font(self, size: float, *, bold: bool, colour: tuple[int, int, int]) -> None:
        self._pdf.set_font(_FONT, "B" if bold else "", size * self._scale)
        self._pdf.set_text_color(*colour)

    def _line_mm(self, size: float) -> float:
        return size * self._scale * _LEADING * _MM_PER_PT

    def _head(self, text: str) -> list[str]:
        """Break the head of a column; where Chinese may break anywhere, before its unit."""
        name, comma, unit = text.rpartition("\uff0c")
        lines = self._wrapped(text, _HEAD_MM)
        return [*self._wrapped(name + comma, _HEAD_MM), unit] if comma and len(lines) > 1 else lines

    def _wrapped(self, text: str, width: float) -> list[str]:
        """Break a text in the present font; a word that is longer than a line is cut."""
        measure = self._pdf.get_string_width
        lines = []
        for line in wrap_text(drawable(text), width, measure):
            rest = line
            while measure(rest) > width and len(rest) > 1:
                widths = [measure(rest[:count]) for count in range(1, len(rest))]
                kept = max(1, bisect.bisect(widths, width))
                lines.append(rest[:kept])
                rest = rest[kept:]
            lines.append(rest)
        return lines

    def _write(self, x: float, y: float, text: str, *, align: str = "L") -> None:
        """Write a line; `x` is its left end, or with `align` R its right end."""
        shown = drawable(text)
        if self._is_trial or not shown:
            return
        left = x - self._pdf.get_string_width(shown) if align == "R" else x
        self._pdf.set_xy(left, y)
        self._pdf.cell(text=shown, h=self._pdf.font_size * _LEADING)

    def _fill(self, box: tuple[float, float, float, float], colour: tuple[int, int, int]) -> None:
        if self._is_trial:
            return
        self._pdf.set_fill_color(*colour)
        self._pdf.rect(*box, style="F")


def _png_size(content: bytes) -> tuple[int, int]:
    """Read width and height, which stand at the head of a PNG."""
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def _dejavu(*, bold: bool) -> Path:
    """Find the font that matplotlib ships, for what the first one lacks."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf"

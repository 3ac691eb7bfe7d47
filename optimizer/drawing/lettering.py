"""Figures and the texts on them: fonts of both languages, how wide a text is, where it wraps."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from optimizer.drawing.colours import INK
from optimizer.drawing.words import ASSETS
from optimizer.words.language import Lang, current_language


class ShownFigure(Figure):
    """A figure that a notebook shows by itself, though it is not tied to pyplot."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png")
        return content.getvalue()


# matplotlib ships the first, `drawing/assets` the second. What a text's first font lacks is taken from the other.
FONT = "DejaVu Sans"
_CHINESE_FONT = "Noto Sans SC edwc"
HALO = (patheffects.withStroke(linewidth=3.0, foreground="white", alpha=0.85),)

# How much wider a line may be drawn than it was measured.
SNAPPED = 1.06
_WEIGHTS = ("normal", "bold")
_MEASURE_DPI = 288


def font_families(lang: Lang | None = None) -> list[str]:
    """Name the fonts of a language, or of that in force, the preferred one first."""
    _add_chinese_font()
    return [FONT, _CHINESE_FONT] if (lang or current_language()) == "en" else [_CHINESE_FONT, FONT]


def font_of(lang: Lang, size_pt: float, *, bold: bool = False) -> FontProperties:
    """Choose the font of texts in a language."""
    return FontProperties(family=font_families(lang), size=size_pt, weight="bold" if bold else "normal")


@functools.cache
def _add_chinese_font() -> None:
    for file in sorted(ASSETS.glob("*.otf")):
        fontManager.addfont(file)


@functools.cache
def _drawable_characters() -> frozenset[int]:
    """List what the fonts can draw."""
    known: frozenset[int] = frozenset()
    for family in font_families():
        files = [findfont(FontProperties(family=family, weight=weight)) for weight in _WEIGHTS]
        known |= frozenset.intersection(*(frozenset(get_font(file).get_charmap()) for file in files))
    return known


def has_glyph(char: str) -> bool:
    """Say whether the fonts can draw a character."""
    return ord(char) in _drawable_characters()


def drawable(text: str) -> str:
    """Put `?` in the place of each character that the fonts lack."""
    return "".join(char if has_glyph(char) else "?" for char in text)


def write_text(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Write a text literally: a name such as `a$b$c` is not mathematics, and what the fonts lack becomes `?`."""
    font = {} if "fontproperties" in style else {"family": font_families()}
    axes.text(x, y, drawable(text), **{"parse_math": False, "color": INK, "va": "baseline", **font, **style})


def text_width_pt(line: str, font: FontProperties) -> float:
    """Measure a line; on a small map, where letters snap to pixels, it may be drawn a few per cent wider."""
    width = _measuring_renderer().get_text_width_height_descent(line, font, ismath=False)[0]
    return float(width) * 72.0 / _MEASURE_DPI


def wrap_to_width(text: str, font: FontProperties, most_pt: float) -> list[str]:
    """Break a text into lines: at spaces, or between any two characters of Chinese text."""
    return wrap_text(text, most_pt, lambda line: SNAPPED * text_width_pt(line, font))


def wrap_text(text: str, most: float, measure: Callable[[str], float]) -> list[str]:
    """
    Break a text into lines: at spaces, or between any two characters of Chinese text.

    Parameters
    ----------
    most
        Width of a line.
    measure
        Width of a text.
    """
    lines, line = [], ""
    for piece in _pieces(text):
        if line and measure((line + piece).rstrip()) > most:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()] if line.strip() else lines


_FIRST_WIDE = 0x2E80

# Punctuation that may not begin a line: ideographic comma and full stop, and the full-width forms.
_CLOSING = "\u3001\u3002\uff0c\uff1b\uff1a\uff09\uff01\uff1f%"
_OPENING = "\uff08"


def _pieces(text: str) -> list[str]:
    """Cut a text where a line may end; a space or closing punctuation stays with what is before it."""
    pieces = [""]
    for char in text:
        is_wide = ord(char) >= _FIRST_WIDE
        after_wide = bool(pieces[-1]) and ord(pieces[-1][-1]) >= _FIRST_WIDE
        begins = pieces[-1].endswith(" ") or ((is_wide or after_wide) and char not in _CLOSING and char != " ")
        if begins and pieces[-1] and not pieces[-1].endswith(_OPENING):
            pieces.append(char)
        else:
            pieces[-1] += char
    return pieces


@functools.cache
def _measuring_renderer() -> Any:
    canvas: Any = FigureCanvasAgg(Figure(figsize=(1.0, 1.0), dpi=_MEASURE_DPI))
    return canvas.get_renderer()

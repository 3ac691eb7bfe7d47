"""Columns of a terminal, in which a Chinese character takes two places."""

from __future__ import annotations

import re
import textwrap

from wcwidth import wcswidth, wcwidth

from optimizer.words.language import current_language

# Where a line may end: after a space, and after a wide character; what closes a phrase stays with what is before it.
_CLOSING = r"[\u3001\u3002\uff0c\uff1b\uff1a\uff09\uff01\uff1f%]*"
_PIECE = re.compile(rf"(?:[\u2e80-\uffef]|[^\s\u2e80-\uffef]+){_CLOSING}|\s+")
_OPENING = "\uff08\u201c("


def width_of(text: str) -> int:
    """Count the places that a text takes."""
    found = wcswidth(text)
    return found if found >= 0 else len(text)


def ljust(text: str, width: int) -> str:
    """Fill a text up with spaces behind it."""
    return text + " " * (width - width_of(text))


def rjust(text: str, width: int) -> str:
    """Fill a text up with spaces before it."""
    return " " * (width - width_of(text)) + text


def wrap(text: str, width: int, indent: str = "  ") -> list[str]:
    """Break a text into lines of at most so many places; all but the first begin with `indent`."""
    if current_language() == "en":
        return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=True) or [""]
    start = text[: len(text) - len(text.lstrip())]
    lines, line = [], start
    for piece in _pieces(text, width - len(indent)):
        if line.strip() and width_of(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = indent + piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()] if line.strip() else lines or [""]


def _pieces(text: str, most: int) -> list[str]:
    found: list[str] = []
    for piece in _PIECE.findall(" ".join(text.split())):
        if found and found[-1][-1:] in _OPENING and found[-1]:
            found[-1] += piece
        else:
            found.append(piece)
    return [part for piece in found for part in _cut(piece, most)]


def _cut(piece: str, most: int) -> list[str]:
    """Cut a piece that is longer than a line."""
    parts = [""]
    for char in piece:
        if width_of(parts[-1]) + max(wcwidth(char), 0) > most:
            parts.append("")
        parts[-1] += char
    return parts

"""Amounts with the words of a language for their size: million and billion, or the Chinese ten thousands."""

from __future__ import annotations

import math

from optimizer.words.language import Lang, current_language
from optimizer.words.tables import read_table

_POWERS: dict[Lang, tuple[int, ...]] = {"en": (12, 9, 6, 3), "zh": (12, 8, 4)}


def format_amount(amount: float, digits: int = 3, lang: Lang | None = None) -> str:
    """
    Format an amount with a word for its size, in a language or that in force.

    Examples
    --------
    >>> format_amount(1_930_000_000, lang="en"), format_amount(999_999_999, lang="en"), format_amount(0.0)
    ('1.93 billion', '1 billion', '0')
    """
    return "".join(split_amount(amount, digits, lang))


def split_amount(amount: float, digits: int = 3, lang: Lang | None = None) -> tuple[str, str]:
    """Format an amount as `format_amount`, its number apart from the word for its size."""
    if amount == 0:
        return "0", ""
    # Rounded first, so that 999,999,999 is not 1000 million.
    rounded = float(f"{amount:.{digits}g}")
    scale, word = next(((s, w) for s, w in _scales(lang or current_language()) if abs(rounded) >= s), (1.0, ""))
    return plain(rounded / scale, digits), word


def _scales(lang: Lang) -> tuple[tuple[float, str], ...]:
    names = read_table("maps")["scale"][lang].split()
    # Chinese writes amount and word together.
    space = " " if lang == "en" else ""
    return tuple((10.0**power, space + name) for power, name in zip(_POWERS[lang], names, strict=True))


def amount_scales(lang: Lang) -> list[tuple[float, str]]:
    """List the sizes of amounts with their words, the largest first, for the scripts of a page."""
    return list(_scales(lang))


def plain(value: float, digits: int) -> str:
    """Write a number that is not 0 with at most so many digits, without an exponent or trailing zeros."""
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

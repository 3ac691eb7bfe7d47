"""Amounts with the words of a language for their size: million and billion, or the Chinese ten thousands."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from optimizer.words.language import Lang, current_language
from optimizer.words.tables import read_table

_POWERS: dict[Lang, tuple[int, ...]] = {"en": (12, 9, 6, 3), "zh": (12, 8, 4)}
_THOUSAND, _MILLION = 1e3, 1e6
_LEAST_IN_MILLIONS = 1e7
_money_unit: ContextVar[float | None] = ContextVar("money_unit", default=None)
_MILLIONS = re.compile(r"([-+\u2212]?)([\d,]*\.?\d+) million (?=CNY)")
# What texts say that were written for millions: the English word, and the Chinese one of axes.
# "1 million CNY more" is an amount, and no unit.
_IN_THOUSANDS = {
    "million CNY": "thousand CNY",
    "Million CNY": "Thousand CNY",
    "M CNY": "k CNY",
    "\u767e\u4e07\u5143": "\u5343\u5143",
}
_UNIT = re.compile(rf"(?<!\d )(?:{'|'.join(_IN_THOUSANDS)})")


@contextmanager
def counting(amounts: Iterable[float | None]) -> Iterator[None]:
    """
    Count money in thousands until the block ends, where none of some amounts reaches ten millions; else in millions.

    A text, table or page is of one unit: within another block nothing changes.
    """
    known = [abs(amount) for amount in amounts if amount is not None and math.isfinite(amount)]
    unit = _THOUSAND if 0 < max(known, default=0.0) < _LEAST_IN_MILLIONS else _MILLION
    token = _money_unit.set(_money_unit.get() or unit)
    try:
        yield
    finally:
        _money_unit.reset(token)


def money_unit() -> float:
    """Tell in what amounts of money are counted: millions, or thousands where `counting` says so."""
    return _money_unit.get() or _MILLION


def in_money_unit(text: str) -> str:
    """
    Name the unit of money in a text that was written for millions.

    Examples
    --------
    >>> with counting([2.6e6]):
    ...     in_money_unit("{total} million CNY a year")
    '{total} thousand CNY a year'
    """
    if money_unit() == _MILLION:
        return text
    return _UNIT.sub(lambda found: _IN_THOUSANDS[found[0]], text)


def recount(text: str) -> str:
    """
    Count the amounts of a sentence that is stored in English anew.

    Examples
    --------
    >>> with counting([2.6e6]):
    ...     recount("1 more pod is worth 0.0379 million CNY a year")
    '1 more pod is worth 37.9 thousand CNY a year'
    """
    if money_unit() == _MILLION:
        return text

    def in_thousands(found: re.Match[str]) -> str:
        value = float(found[2].replace(",", "")) * _MILLION / _THOUSAND
        return f"{found[1]}{plain(float(f'{value:.6g}'), 6) if value else 0} thousand "

    return _MILLIONS.sub(in_thousands, text)


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

"""How numbers, amounts of money and shares are written, wherever they are read."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from network_data.faults import escape_text
from optimizer.units import CNY_PER_MCNY
from optimizer.words.amounts import format_amount, money_unit, plain
from optimizer.words.columns import width_of
from optimizer.words.language import current_language
from optimizer.words.sentences import say

# From here on an amount is in millions.
_LEAST_MILLIONS_CNY = 1e4
NO_NUMBER = "-"
_LEAST_CNY = 0.5  # less than this a year is nothing, or rounding of a solver
_LEAST_KEPT = 4  # characters of a name's beginning, before what tells it apart
_LARGE = 1e4  # from here on a limit has no decimals


def format_million(cny: float | None) -> str:
    """
    Format an amount of CNY in millions, or in the unit of `counting`; "-" for None and NaN.

    Small costs have four digits, others one decimal.

    Examples
    --------
    >>> format_million(1_530_897_331.0), format_million(2_500.0), format_million(-3e-8), format_million(float("nan"))
    ('1,530.9', '0.0025', '0.0', '-')
    """
    if cny is None or not math.isfinite(cny):
        return NO_NUMBER
    if current_language() != "en":
        if abs(cny) < _LEAST_CNY:
            return "0"
        return format_amount(cny, _digits_of_tenths(cny) if abs(cny) >= money_unit() else 4)
    amount = cny / money_unit()
    return f"{amount:z,.1f}" if abs(amount) >= 1 or abs(cny) < _LEAST_CNY else plain(float(f"{amount:.4g}"), 4)


def million_writer(amounts_cny: Iterable[float | None], *, signed: bool = False) -> Callable[[float | None], str]:
    """
    Choose how amounts of a column are written, in the unit of `format_million`: with the decimals of the largest.

    Parameters
    ----------
    signed
        Whether amounts above 0 get a sign.

    Examples
    --------
    >>> write = million_writer([1_537_100_000.0, 499_900.0])
    >>> write(1_537_100_000.0), write(499_900.0), write(None)
    ('1,537.1', '0.5', '-')
    >>> million_writer([2_500.0])(2_500.0), million_writer([5e6], signed=True)(-3e-8)
    ('0.002500', '0.0')
    """
    known = (abs(cny) for cny in amounts_cny if cny is not None and math.isfinite(cny))
    largest = max(known, default=0.0)
    decimals = 1 if largest >= money_unit() or largest < _LEAST_CNY else _decimals_of(largest / money_unit())

    def write(cny: float | None) -> str:
        if cny is None or not math.isfinite(cny):
            return NO_NUMBER
        if current_language() != "en":
            return ("+" if signed and cny >= _LEAST_CNY else "") + format_million(cny)
        text = f"{cny / money_unit():z,.{decimals}f}"
        return f"+{text}" if signed and cny > 0 and float(text.replace(",", "")) else text

    return write


def _decimals_of(amount: float) -> int:
    return min(6, 3 - math.floor(math.log10(amount)))


def format_tenths(cny: float | None) -> str:
    """
    Format an amount as `format_million` with one decimal, also where it is small; "-" for None and NaN.

    Examples
    --------
    >>> format_tenths(1_530_897_331.0), format_tenths(2_500.0)
    ('1,530.9', '0.0')
    """
    if cny is None or not math.isfinite(cny) or current_language() == "en":
        return format_number(cny, 1, money_unit())
    tenth = money_unit() / 10
    return format_amount(round(cny / tenth) * tenth, _digits_of_tenths(cny))


def _digits_of_tenths(cny: float) -> int:
    """Count the digits that an amount has down to a tenth of the unit."""
    return max(1, math.floor(math.log10(10 * abs(cny) / money_unit())) + 1) if cny else 1


def format_percent(share: float | None, decimals: int = 1) -> str:
    """
    Format a share, 0 to 1, as a percentage; "-" for None and NaN.

    Examples
    --------
    >>> format_percent(0.1234), format_percent(None)
    ('12.3%', '-')
    """
    return NO_NUMBER if share is None or not math.isfinite(share) else f"{share:.{decimals}%}"


def format_number(value: float | None, decimals: int = 1, unit_factor: float = 1.0) -> str:
    """
    Format a number with thousands separated; "-" for None and NaN.

    Examples
    --------
    >>> format_number(3_327_892.6, 0, 1e3), format_number(-0.04)
    ('3,328', '0.0')
    """
    # "z" writes no sign where a number is rounded to zero.
    return NO_NUMBER if value is None or not math.isfinite(value) else f"{value / unit_factor:z,.{decimals}f}"


def format_digits(value: float) -> str:
    """
    Format a number with three digits, without an exponent.

    Examples
    --------
    >>> format_digits(7_621.4), format_digits(3.2312), format_digits(0.0046), format_digits(0.0)
    ('7,621', '3.23', '0.00460', '0')
    """
    if not math.isfinite(value):
        return NO_NUMBER
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 6)}f}"


def format_million_digits(cny: float) -> str:
    """
    Format an amount in the unit of `format_million` with three digits, without an exponent.

    Examples
    --------
    >>> format_million_digits(7_621.4)
    '0.00762'
    """
    if current_language() == "en" or not math.isfinite(cny):
        return format_digits(cny / money_unit())
    return format_amount(cny)


def format_plain(value: float, digits: int = 6) -> str:
    """
    Format a number as in an input: at most so many digits, no exponent, no trailing zeros.

    Examples
    --------
    >>> format_plain(0.5), format_plain(1_200.0), format_plain(1_234_567.0), format_plain(float("nan"))
    ('0.5', '1,200', '1,234,570', '-')
    """
    if not math.isfinite(value):
        return NO_NUMBER
    rounded = float(f"{value:.{digits}g}")
    return plain(rounded, digits) if rounded else "0"


def format_size(value: float) -> str:
    """
    Format a limit in full, with up to three decimals where it is not large.

    Examples
    --------
    >>> format_size(12.5), format_size(535_474.2), format_size(float("inf"))
    ('12.5', '535,474', 'as stated')
    """
    if not math.isfinite(value):
        return say("as stated")
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:,.3f}".rstrip("0").rstrip(".")


def format_change(cny: float) -> str:
    """
    Format a change of cost in the unit of `format_million`, with its sign; less than 0.05 with three digits.

    Examples
    --------
    >>> format_change(201_865_500.0), format_change(-8_810.0), format_change(-3e-8)
    ('+201.9', '-0.00881', '0')
    """
    if not math.isfinite(cny):
        return NO_NUMBER
    amount = cny / money_unit()
    if abs(cny) < _LEAST_CNY:
        return "0"
    if current_language() != "en":
        digits = max(_digits_of_tenths(cny), 3) if abs(amount) >= 0.05 else 3  # noqa: PLR2004 - as below
        return ("+" if cny > 0 else "") + format_amount(cny, digits)
    if abs(amount) >= 0.05:  # noqa: PLR2004 - rounds to 0.1
        return f"{amount:+,.1f}"
    return ("+" if amount > 0 else "") + plain(float(f"{amount:.3g}"), 3)


def format_clock(hour: float) -> str:
    """Write hours after midnight as a time of day, 13.5 as 13:30."""
    return f"{int(hour):02d}:{round(hour % 1 * 60):02d}"


def shorten(text: str, most_chars: int) -> str:
    """Cut a name to a length, first what is in brackets at its end; control characters become escapes."""
    clean = escape_text(text[: 4 * most_chars]).strip()
    if width_of(clean) > most_chars and " (" in clean:
        clean = clean[: clean.index(" (")].rstrip() or clean
    if width_of(clean) <= most_chars:
        return clean
    while width_of(clean) >= most_chars:
        clean = clean[:-1]
    return clean.rstrip() + "…"


def shorten_all(names: Iterable[str], most_chars: int) -> dict[str, str]:
    """
    Cut names to a length so that they stay different: those that would look alike keep what tells them apart.

    Examples
    --------
    >>> shorten_all(["carbon_price_case_a", "carbon_price_case_b", "base"], 12)
    {'carbon_price_case_a': 'carbon_pri…a', 'carbon_price_case_b': 'carbon_pri…b', 'base': 'base'}
    >>> list(shorten_all(["price_case_1 in winter", "price_case_2 in winter"], 12).values())
    ['price_cas…1…', 'price_cas…2…']
    """
    short = {name: shorten(name, most_chars) for name in names}
    counts = Counter(short.values())
    taken = {text for text in short.values() if counts[text] == 1}
    alike = {text: [name for name in short if short[name] == text] for text in counts if counts[text] > 1}
    for text, members in alike.items():
        clean = [escape_text(name).strip() for name in members]
        begin = _count_shared(clean)
        end = _count_shared([name[begin:][::-1] for name in clean])
        for number, (name, whole) in enumerate(zip(members, clean, strict=True), start=1):
            own = f"…{whole[begin : len(whole) - end]}" + ("…" if end else "")
            told = whole[: most_chars - len(own)] + own
            if len(own) > most_chars - _LEAST_KEPT or told in taken:
                mark = f"… ({number})"
                told = text[: most_chars - len(mark)] + mark
            short[name] = told
            taken.add(told)
    return short


def _count_shared(names: Sequence[str]) -> int:
    """Count the characters with which all names begin."""
    return sum(1 for _ in itertools.takewhile(lambda chars: len(set(chars)) == 1, zip(*names, strict=False)))


def list_some(names: Sequence[str], most: int = 4, more: str = "", separator: str = ", ") -> str:
    """
    List names in English, and how many more there are beyond the most that are listed.

    Examples
    --------
    >>> list_some(["a", "b"]), list_some(["a", "b", "c", "d"], 2, " links")
    ('a, b', 'a, b and 2 more links')
    """
    listed, count = separator.join(names[:most]), len(names) - most
    return listed + (f"{separator.strip(', ')} and {count} more{more}" if count > 0 else "")


def format_cny(amount_cny: float) -> str:
    """Format an amount of money in English, as it is stored: in millions, or in CNY where it is small."""
    if abs(amount_cny) < _LEAST_MILLIONS_CNY:
        return f"{amount_cny:,.0f} CNY"
    millions = amount_cny / CNY_PER_MCNY
    return f"{millions:,.1f} million CNY" if abs(millions) >= 100 else f"{millions:.3g} million CNY"  # noqa: PLR2004

"""Numbers as the command line spells them."""

from __future__ import annotations

import math

CNY_PER_MCNY = 1e6
NO_NUMBER = "-"


def spell_million(cny: float) -> str:
    """
    Spell an amount of CNY in millions: four digits are enough, and small costs need more than one decimal.

    Parameters
    ----------
    cny
        The amount.

    Examples
    --------
    >>> spell_million(1_530_897_331.0), spell_million(2_500.0), spell_million(float("nan"))
    ('1,530.9', '0.0025', '-')
    """
    if not math.isfinite(cny):
        return NO_NUMBER
    amount = cny / CNY_PER_MCNY
    return f"{amount:,.1f}" if abs(amount) >= 1 or amount == 0 else f"{amount:.4g}"


def spell_percent(share: float | None, decimals: int = 1) -> str:
    """
    Spell a share as a percentage.

    Parameters
    ----------
    share
        0 to 1; None or NaN where there is none.
    decimals
        Digits after the point.

    Examples
    --------
    >>> spell_percent(0.1234), spell_percent(None)
    ('12.3%', '-')
    """
    return NO_NUMBER if share is None or not math.isfinite(share) else f"{share:.{decimals}%}"


def spell_number(value: float, decimals: int = 1, unit_factor: float = 1.0) -> str:
    """
    Spell a number with thousands separated.

    Parameters
    ----------
    value
        The number; NaN where there is none.
    decimals
        Digits after the point.
    unit_factor
        What it is divided by, such as 1,000 for GWh of MWh.

    Examples
    --------
    >>> spell_number(3_327_892.6, 0, 1e3)
    '3,328'
    """
    return f"{value / unit_factor:,.{decimals}f}" if math.isfinite(value) else NO_NUMBER


def spell_change(cny: float) -> str:
    """
    Spell a change of cost in million CNY, with its sign.

    Parameters
    ----------
    cny
        The change; what is less than 50,000 CNY keeps three digits.

    Examples
    --------
    >>> spell_change(201_865_500.0), spell_change(-8_810.0), spell_change(0.0)
    ('+201.9', '-0.00881', '0')
    """
    if not math.isfinite(cny):
        return NO_NUMBER
    amount = cny / CNY_PER_MCNY
    if amount == 0:
        return "0"
    return f"{amount:+,.1f}" if abs(amount) >= 0.05 else f"{amount:+.3g}"  # noqa: PLR2004 - rounds to 0.1

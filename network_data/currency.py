"""
The currency of a network, and the names of columns and units in it.

Inside, amounts of money and the names of what holds them say `cny`, whatever the currency: a script that reads
`run.cost_cny_per_year` reads the runs of any network. At the border they are named after the currency of the network:
columns of its tables, texts, pages, maps and exported files.
"""

from __future__ import annotations

import re
from dataclasses import replace

from network_data.faults import Fault

DEFAULT_CURRENCY = "CNY"
CURRENCY_PATTERN = "[A-Z]{3}"
# In Chinese the word stands behind a number or a mark: behind another character it is the end of a longer word.
_WORD = re.compile(r"(?<![A-Za-z0-9])(?:CNY|cny)(?![A-Za-z0-9])|(?<![\u4e00-\u9fff])\u5143|(?<=[\u4e07\u4ebf])\u5143")
_IN_CHINESE = {
    # Euro, dollars, pounds, yen, won and the like, as they are written there.
    "EUR": "\u6b27\u5143",
    "USD": "\u7f8e\u5143",
    "GBP": "\u82f1\u9551",
    "JPY": "\u65e5\u5143",
    "KRW": "\u97e9\u5143",
    "HKD": "\u6e2f\u5143",
    "SGD": "\u65b0\u52a0\u5761\u5143",
}


_in_use = [DEFAULT_CURRENCY]


def use_currency(currency: str) -> None:
    """Name amounts after a currency from now on, where nothing says which: that of the network loaded last."""
    _in_use[0] = currency


def in_currency(text: str, currency: str | None = None) -> str:
    """
    Name the currency of a network in a text that we wrote: `CNY` or the Chinese word, `cny` as a part of an identifier.

    Parameters
    ----------
    text
        With amounts in the network's currency.
    currency
        ISO 4217 code; None = that of the network or run that was loaded last in this process.

    Examples
    --------
    >>> in_currency("12 CNY/MWh in column price_cny_per_mwh", "EUR")
    '12 EUR/MWh in column price_eur_per_mwh'
    """
    name = _in_use[0] if currency is None else currency
    if name == DEFAULT_CURRENCY:
        return text
    spelt = {"CNY": name, "cny": name.lower()}
    return _WORD.sub(lambda found: spelt.get(found[0], _IN_CHINESE.get(name, name)), text)


def name_in_currency(fault: Fault, currency: str) -> Fault:
    """Name columns, keys and units in a fault after a currency; the value is the user's."""
    column = None if fault.column is None else in_currency(fault.column, currency)
    problem, remedy = in_currency(fault.problem, currency), in_currency(fault.remedy, currency)
    return replace(fault, column=column, problem=problem, remedy=remedy)

"""The words of maps by key, in a language that is asked for: the table `maps` of `optimizer.words`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from network_data.currency import DEFAULT_CURRENCY, in_currency
from optimizer.numbers import shorten
from optimizer.words.amounts import format_amount
from optimizer.words.language import Lang
from optimizer.words.tables import read_table

ASSETS = Path(__file__).resolve().parent / "assets"
SUFFIXES = (".png", ".svg")  # of files that are drawn


def minus_sign(text: str) -> str:
    """Write hyphens as minus signs."""
    return text.replace("-", "\u2212")


def read_words() -> dict[str, dict[str, str]]:
    """Read the words of maps: key to language to words; what stands in braces is filled in."""
    return read_table("maps")


@dataclass(frozen=True)
class Words:
    """The words of one language."""

    lang: Lang = "en"
    currency: str = DEFAULT_CURRENCY  # Of amounts of money

    def __call__(self, key: str, **values: object) -> str:
        """Look up words and fill in values; these are taken as they are, also with braces in them."""
        return in_currency(read_words()[key][self.lang], self.currency).format(**values)

    def term(self, kind: str, name: str, most_chars: int = 20) -> str:
        """Translate the id of a region, a workload class or a cost component; one that is not known stays as it is."""
        known = read_words().get(f"{kind}.{name}")
        return known[self.lang] if known else shorten(name.replace("_", " "), most_chars)

    def amount(self, value: float, digits: int = 3) -> str:
        """Write an amount with the language's words for large numbers, such as 1.93 billion."""
        return minus_sign(format_amount(value, digits, self.lang))

    def signed(self, value: float) -> str:
        """Write a change with its sign, such as +1.2 million; 0 without one."""
        return ("+" if value > 0 else "") + self.amount(value)

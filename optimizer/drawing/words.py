"""The words of maps in English and Chinese: one table, and how amounts are written in either language."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from optimizer.numbers import format_amount, shorten

ASSETS = Path(__file__).resolve().parent / "assets"
Lang = Literal["en", "zh"]
SUFFIXES = (".png", ".svg")  # of files that are drawn
LANGS: tuple[str, ...] = get_args(Lang)
WORDS_FILE = ASSETS / "words.csv"


def minus_sign(text: str) -> str:
    """Write hyphens as minus signs."""
    return text.replace("-", "\u2212")


@functools.cache
def read_words() -> dict[str, dict[str, str]]:
    """Read the table of words: key to language to words; what stands in braces is filled in."""
    with WORDS_FILE.open(encoding="utf-8", newline="") as text:
        return {row["key"]: row for row in csv.DictReader(text)}


@dataclass(frozen=True)
class Words:
    """The words of one language."""

    lang: Lang = "en"

    def __call__(self, key: str, **values: object) -> str:
        """Look up words and fill in values; these are taken as they are, also with braces in them."""
        return read_words()[key][self.lang].format(**values)

    def term(self, kind: str, name: str, most_chars: int = 20) -> str:
        """Translate the id of a region, a workload class or a cost component; one that is not known stays as it is."""
        known = read_words().get(f"{kind}.{name}")
        return known[self.lang] if known else shorten(name.replace("_", " "), most_chars)

    def amount(self, value: float, digits: int = 3) -> str:
        """Write an amount with the language's words for large numbers, such as 1.93 billion."""
        return minus_sign(format_amount(value, digits, self._scales()))

    def signed(self, value: float) -> str:
        """Write a change with its sign, such as +1.2 million; 0 without one."""
        return ("+" if value > 0 else "") + self.amount(value)

    def _scales(self) -> tuple[tuple[float, str], ...]:
        names = read_words()["scale"][self.lang].split()
        powers = {"en": (12, 9, 6, 3), "zh": (12, 8, 4)}[self.lang]
        # Chinese writes amount and word together.
        space = " " if self.lang == "en" else ""
        return tuple((10.0**power, space + name) for power, name in zip(powers, names, strict=True))

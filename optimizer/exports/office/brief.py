"""A brief: question, answer with its range, key figures, what decides it, caveats. One content for every format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimizer.drawing.words import minus_sign
from optimizer.exports.words import Words
from optimizer.numbers import format_million, format_number, format_percent, shorten
from optimizer.words.amounts import counting, money_unit

PERCENT = "%"
_NAME_CHARS, _LISTED_CHARS, _TEXT_CHARS = 60, 40, 600
_HUNDRED_MILLION, _TEN_THOUSAND = 1e8, 1e4


@dataclass(frozen=True)
class Figure:
    """A key figure with its range."""

    label: str
    value: float  # NaN where it is not known; a share is 0 to 1
    unit: str  # `PERCENT` of a share
    decimals: int = 1
    least: float = math.nan  # Proved; NaN where it is not known
    most: float = math.nan
    note: str = ""

    @property
    def text(self) -> str:
        """The value without its unit, a share in per cent."""
        return self.write(self.value)

    def write(self, value: float) -> str:
        """Write a value as that of the figure."""
        return minus_sign(format_percent(value) if self.unit == PERCENT else format_number(value, self.decimals))

    @property
    def has_range(self) -> bool:
        """Whether it is known between what it lies."""
        return math.isfinite(self.least) and math.isfinite(self.most)


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart; without a value there is a note alone."""

    label: str
    value: float
    note: str = ""
    is_own: bool = False  # The one that the brief is about


@dataclass(frozen=True)
class Bars:
    """A bar chart that begins at zero."""

    title: str
    rows: tuple[Bar, ...]
    decimals: int = 1


@dataclass(frozen=True)
class Brief:
    """What a brief says, in the order in which it is read; no text holds control characters."""

    words: Words
    title: str
    eyebrow: str  # Scenario and network
    changes: str  # What differs from the scenario of that name; empty where nothing does
    question: str
    answer: tuple[str, ...]  # Sentences, the first the most important
    figures: tuple[Figure, ...]
    bars: Bars
    decides: tuple[str, ...]
    caveats: tuple[str, ...]
    sources: tuple[str, ...]
    made: str = ""  # When the run ended, ISO 8601; empty where that is not known
    map_title: str = ""
    map_png: bytes = b""  # Empty without a map
    table_title: str = ""
    table: tuple[tuple[str, ...], ...] = field(default=())  # With its head; empty without one


class Money:
    """Amounts of money in a language: in sentences, and as numbers of one unit."""

    def __init__(self, words: Words, largest_cny: float) -> None:
        self._words, self._largest_cny = words, largest_cny
        if words.lang == "en":
            with counting([largest_cny]):
                self.factor, self.unit, self.decimals = money_unit(), words("brief.unit.mcny"), 1
        elif abs(largest_cny) >= _HUNDRED_MILLION:
            self.factor, self.unit, self.decimals = _HUNDRED_MILLION, words("brief.unit.hmcny"), 2
        else:
            self.factor, self.unit, self.decimals = _TEN_THOUSAND, words("brief.unit.tcny"), 1
        if abs(largest_cny) < self.factor:
            self.decimals = 4

    def text(self, cny: float) -> str:
        """Write an amount with its unit, such as 1,537.1 million CNY."""
        with counting([self._largest_cny]):
            amount = minus_sign(format_million(cny)) if self._words.lang == "en" else self._words.amount(cny, 4)
            return self._words("brief.money", amount=amount)

    def number(self, cny: float) -> float:
        """Convert an amount to the unit of the figures."""
        return cny / self.factor

    def write(self, cny: float) -> str:
        """Write an amount without its unit."""
        return minus_sign(format_number(cny, self.decimals, self.factor))

    def figure(
        self, label: str, cny: float, *, least: float = math.nan, most: float = math.nan, note: str = ""
    ) -> Figure:
        """Make a figure of an amount."""
        low, high = self.number(least), self.number(most)
        return Figure(label, self.number(cny), self.unit, self.decimals, low, high, note)


def section_of(info: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Read a part of `run.json`; empty where a file made by others holds something else there."""
    section = info.get(key)
    return section if isinstance(section, Mapping) else {}


def named(name: object, most_chars: int = _NAME_CHARS) -> str:
    """Write a name of the input: harmless, and of limited length."""
    return shorten(str(name), most_chars)


def listed(words: Words, items: Iterable[str]) -> str:
    """Join items of a list."""
    return ("\u3001" if words.lang == "zh" else ", ").join(items)


def list_amounts(words: Words, kind: str, amounts: Mapping[str, float], money: Money, most: int) -> str:
    """List the largest amounts by name: "energy 19.1, latency 9.3"."""
    named_zero = money.write(0.0)
    counted = {name: cny for name, cny in amounts.items() if money.write(abs(cny)) != named_zero}
    shown = sorted(counted.items(), key=lambda item: -abs(item[1]))[:most]
    space = "" if words.lang == "zh" else " "
    return listed(words, (f"{_term(words, kind, name)}{space}{money.write(cny)}" for name, cny in shown))


def _term(words: Words, kind: str, name: str) -> str:
    return words.term(kind, name, _LISTED_CHARS) if kind == "component" else words.name_of(kind, name)


def changes_of(words: Words, overrides: Sequence[object], price_cases: Sequence[object] = ()) -> str:
    """Say what was changed for a run or a comparison; empty where nothing was."""
    parts = []
    if overrides:
        parts.append(words("brief.changed", changes=named("; ".join(map(str, overrides)), _TEXT_CHARS)))
    if price_cases:
        names = [str(case.get("name")) if isinstance(case, Mapping) else str(case) for case in price_cases]
        parts.append(words("brief.price_cases", names=named(" + ".join(names), _TEXT_CHARS)))
    return (" " if words.lang == "en" else "").join(parts)

"""
Sentences in the language in force.

`say` writes a sentence where it is shown. Rooms that compute write English, because it is stored with their results;
whoever shows it has it told again with `retell`.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from optimizer.words.amounts import format_amount, in_money_unit, recount
from optimizer.words.language import current_language
from optimizer.words.tables import KEYS, PAGES, RETOLD, SAID, read_table

# As `format_amount` writes them in English, and `format_cny`.
_AMOUNT = re.compile(r"([-+\u2212]?)([\d,]*\.?\d+)(?: (trillion|billion|million|thousand))?( CNY)?")
_SIZES = {None: 1.0, "trillion": 1e12, "billion": 1e9, "million": 1e6, "thousand": 1e3}
_WORKLOAD = re.compile(r"([a-z0-9_]+) of ([a-z0-9_]+)")
_ID = re.compile(r"[\w.@/-]+(?: \d\d:\d\d)?")  # a time slice too: year 02:00
_DEEPEST = 6  # texts within texts
_local_names: ContextVar[Mapping[str, str]] = ContextVar("local_names", default={})  # noqa: B039 - never written to


@contextmanager
def naming(names: Mapping[str, str]) -> Iterator[None]:
    """Call places and the like by other names in texts that are told again, until the block ends."""
    token = _local_names.set(names)
    try:
        yield
    finally:
        _local_names.reset(token)


def say(text: str, /, **values: object) -> str:
    """
    Write a sentence in the language in force, and fill in values; these are taken as they are.

    Parameters
    ----------
    text
        The sentence in English, as it stands in a table of words; `{name}` and `{name:,.1f}` are filled in.

    Raises
    ------
    KeyError
        If the sentence stands in no table and the language is not English.
    """
    if current_language() != "en":
        text = _translated(text)
    text = in_money_unit(text)
    return text.format(**values) if values else text


def retell(text: str) -> str:
    """Tell an English text that another room wrote in the language in force; what no table has stays as it is."""
    if current_language() == "en":
        return recount(text)
    # A name may hold commas and words that join others, and would fall apart with the sentence.
    for name, local in _local_names.get().items():
        if " " in name and name in text:
            text = text.replace(name, local)
    return _retold(text, 0)


def meaning(text: str) -> str:
    """Tell what a column or a key means, as its table has it in English, in the language in force."""
    row = None if current_language() == "en" else read_table(KEYS).get(text)
    return text if row is None else row["zh"]


def term(name: str) -> str:
    """Name a region, a class or a component of the cost by its id; one that no table has stays as it is."""
    known = _terms().get(name.replace(" ", "_"))
    return name if current_language() == "en" or known is None else known["zh"]


@functools.cache
def _terms() -> dict[str, dict[str, str]]:
    kinds = ("category.", "component.")
    return {key.partition(".")[2]: row for key, row in read_table("maps").items() if key.startswith(kinds)}


def _translated(text: str) -> str:
    for name in (SAID, PAGES, RETOLD):
        if text in (table := read_table(name)):
            return table[text]["zh"]
    raise KeyError(text)


@functools.cache
def _templates() -> list[tuple[re.Pattern[str], list[str], str]]:
    """List what may be told again, as the table has it: what frames another sentence stands before it."""
    found = []
    for english, row in read_table(RETOLD).items():
        parts = list(string.Formatter().parse(english))
        if names := [field for _, field, _, _ in parts if field]:
            pattern = "".join(re.escape(text) + ("(.+?)" if field else "") for text, field, _, _ in parts)
            # What closes a sentence without a space before it may be missing.
            if english.endswith("}") and not parts[-1][0].endswith(" "):
                pattern = pattern.removesuffix("(.+?)") + "(.*)"
            blanks = re.sub(r"\{(\w+)[^{}]*\}", r"{\1}", row["zh"])
            found.append((re.compile(pattern, re.DOTALL), names, blanks))
    return found


def _retold(text: str, depth: int) -> str:
    if not text or depth > _DEEPEST:
        return text
    if text in (known := _local_names.get()):
        return known[text]
    if f"category.{text}" in read_table("maps"):
        return term(text)
    for name in (RETOLD, SAID, PAGES):
        if text in (table := read_table(name)):
            return table[text]["zh"]
    if (amount := _AMOUNT.fullmatch(text)) and (amount[3] or amount[4]):
        sign, digits, size, money = amount.groups()
        value = float(digits.replace(",", "")) * _SIZES[size]
        shown = len(digits.replace(",", "").replace(".", "").lstrip("0"))
        return sign + format_amount(value, max(shown, 1)) + ("\u5143" if money else "")
    # A sentence of two parts is told as a whole where the table has it, before its parts.
    return _by_template(text, depth, of_parts=True) or _in_parts(text, "; ", depth) or _by_template(text, depth)


def _by_template(text: str, depth: int, *, of_parts: bool = False) -> str:
    """Tell a text as the table words it; as a list of workloads or names where it is one."""
    for pattern, names, chinese in _templates():
        if of_parts and "; " not in chinese and "\uff1b" not in chinese:
            continue
        if found := pattern.fullmatch(text):
            values = {name: _retold(value, depth + 1) for name, value in zip(names, found.groups(), strict=True)}
            return chinese.format(**values)
    if of_parts:
        return ""
    if workload := _WORKLOAD.fullmatch(text):
        hub = _local_names.get().get(workload[2], workload[2])
        return say("{workload_class} of {demand_hub}", workload_class=term(workload[1]), demand_hub=hub)
    return _in_parts(text, ", ", depth) or _in_parts(text, " and ", depth) or text


def _in_parts(text: str, between: str, depth: int) -> str:
    """Tell a list again, if every part of it can be told; empty if not."""
    parts = text.split(between)
    if len(parts) == 1:
        return ""
    told = [_retold(part, depth + 1) for part in parts]
    called = set(_local_names.get().values())
    is_told = all(new != old or _ID.fullmatch(old) or old in called for new, old in zip(told, parts, strict=True))
    return _translated(between).join(told) if is_told else ""


def join(texts: Iterable[str], between: str = ", ") -> str:
    """Put texts in a row with what the language in force writes between them."""
    return (between if current_language() == "en" else _translated(between)).join(texts)


def join_sentences(sentences: Iterable[str]) -> str:
    """Put sentences one behind the other; Chinese has no space between them."""
    return (" " if current_language() == "en" else "").join(sentences)


def titled(text: str) -> str:
    """Begin a text with a capital letter, and leave the rest of it."""
    return text[:1].upper() + text[1:]


def join_some(texts: Sequence[str], most: int) -> str:
    """Put texts in a row, and say how many more there are beyond the most that are shown."""
    shown, count = join(texts[:most]), len(texts) - most
    return say("{names} and {count} more", names=shown, count=count) if count > 0 else shown

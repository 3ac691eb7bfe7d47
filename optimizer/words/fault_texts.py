"""
Faults of inputs in the language in force, told again from the table of faults; and descriptions of what is built in.

Readers word a fault in English where they find it. The table has each of these texts with blanks for what is filled
in; a name, key, file or value stays as it is, whatever it holds.
"""

from __future__ import annotations

import functools
import string
from dataclasses import dataclass

from optimizer.words.language import Lang, current_language
from optimizer.words.sentences import join, say
from optimizer.words.tables import BUILT_IN, FAULTS, KEYS, read_table

# What fills such a blank is a text of ours, and told again.
_OUR_WORDS = "_words"
_SUGGESTION = " Did you mean "  # `suggest` puts it behind a remedy
_BETWEEN = "; "
_LONGEST = 20_000  # characters
_MOST_PARTS = 100
_DEEPEST = 6  # texts within texts


@dataclass(frozen=True)
class _Template:
    """A row of the table: in English what stands between the blanks, and their names."""

    english: str
    literals: tuple[str, ...]
    names: tuple[str, ...]
    chinese: str
    use: str

    def fill(self, text: str) -> dict[str, str] | None:
        """Find what fills the blanks of a text, the shortest first; None if it is another text."""
        first, *others = self.literals
        if not text.startswith(first) or (not others and text != first):
            return None
        values, start = [], len(first)
        for place, literal in enumerate(others, start=1):
            end = len(text) - len(literal) if place == len(others) else text.find(literal, start)
            if end < start or not text.startswith(literal, end):
                return None
            values.append(text[start:end])
            start = end + len(literal)
        return dict(zip(self.names, values, strict=True))


def retell_fault(text: str) -> str:
    """
    Tell a problem, a remedy or a subject in the language in force; what the table has not stays as it is.

    Examples
    --------
    >>> retell_fault("the file is empty")
    'the file is empty'
    """
    return text if current_language() == "en" else tell_by_rows(text)[0]


def retell_description(text: str, lang: Lang | None = None) -> str:
    """Tell in a language, or that in force, what a built-in scenario, price case or network says of itself."""
    if (lang or current_language()) == "en":
        return text
    for english, row in read_table(BUILT_IN).items():
        values = _template(english, row["zh"], "").fill(" ".join(text.split()))
        if values is not None:
            return row["zh"].format(**values)
    return text


def tell_by_rows(text: str) -> tuple[str, set[str]]:
    """Tell a text in Chinese; with the rows of the table that it took, none if it stays as it is."""
    used: set[str] = set()
    told = "" if len(text) > _LONGEST else _told(text, used, 0)
    return (told, used) if told else (text, set())


@functools.cache
def _templates() -> list[_Template]:
    """List the rows with blanks, those that say most first."""
    found = [_template(english, row["zh"], row["use"]) for english, row in read_table(FAULTS).items()]
    with_blanks = (template for template in found if template.names)
    return sorted(with_blanks, key=lambda template: -sum(map(len, template.literals)))


@functools.cache
def _template(english: str, chinese: str, use: str) -> _Template:
    parts = list(string.Formatter().parse(english))
    literals = [text for text, _, _, _ in parts] + ([""] if english.endswith("}") else [])
    return _Template(english, tuple(literals), tuple(name for _, name, _, _ in parts if name), chinese, use)


def _told(text: str, used: set[str], depth: int) -> str:
    """Tell a text by the table; empty if the table does not have it."""
    if depth > _DEEPEST:
        return ""
    if depth and text in (meanings := read_table(KEYS)):
        return meanings[text]["zh"]
    row = read_table(FAULTS).get(text)
    if row is not None and (depth or not row["use"]):
        used.add(text)
        return row["zh"]
    # A text of several parts is told as a whole where the table has it, else part by part.
    return (
        _by_template(text, used, depth, of_parts=True)
        or _in_parts(text, used, depth)
        or _by_template(text, used, depth, of_parts=False)
        or _with_suggestion(text, used, depth)
    )


def _by_template(text: str, used: set[str], depth: int, *, of_parts: bool) -> str:
    for template in _templates():
        if (_BETWEEN in template.english) != of_parts or (template.use and not depth):
            continue
        values = template.fill(text)
        if values is not None and (chinese := _filled(template, values, used, depth)):
            return chinese
    return ""


def _in_parts(text: str, used: set[str], depth: int) -> str:
    if _BETWEEN not in text:
        return ""
    told = [_told(part, used, depth + 1) for part in text.split(_BETWEEN)[:_MOST_PARTS]]
    return join(told, _BETWEEN) if all(told) and text.count(_BETWEEN) < _MOST_PARTS else ""


def _with_suggestion(text: str, used: set[str], depth: int) -> str:
    first, found, word = text.rpartition(_SUGGESTION)
    if not found or not word.endswith("?"):
        return ""
    told = _told(first, used, depth + 1) if first else ""
    return told + say(" Did you mean {word}?", word=word[:-1]) if bool(told) == bool(first) else ""


def _filled(template: _Template, values: dict[str, str], used: set[str], depth: int) -> str:
    """Fill the Chinese row; empty if the text was no list."""
    ours = {name: _told(value, used, depth + 1) for name, value in values.items() if name.endswith(_OUR_WORDS)}
    if template.use == "list" and any(" " in value for name, value in values.items() if not ours.get(name)):
        return ""
    used.add(template.english)
    return template.chinese.format(**{name: ours.get(name) or value for name, value in values.items()})

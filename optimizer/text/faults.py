"""Faults and warnings of inputs in the language in force; what is wrong is told again where a table has it."""

from __future__ import annotations

from network_data.faults import Fault, InputError, escape_text, quote_value
from optimizer.words.language import current_language
from optimizer.words.sentences import retell, say


def describe_fault(fault: Fault) -> str:
    """Write a fault on one line that is safe to print."""
    if current_language() == "en":
        return str(fault)
    place = escape_text(fault.file) + ("" if fault.row is None else f":{fault.row}")
    if fault.column is not None:
        place += " " + say("column {column}", column=quote_value(fault.column))
    if fault.value is not None:
        place += " " + say("value {value}", value=quote_value(fault.value))
    return say(
        "{place}: {problem}. {remedy}",
        place=place,
        problem=escape_text(retell(fault.problem)),
        remedy=escape_text(_told_sentences(fault.remedy)),
    ).rstrip()


def describe_faults(error: InputError) -> str:
    """List the faults, one per line, after a line with their number."""
    if current_language() == "en":
        return str(error)
    head = say("{count} faults in {subject}:", count=len(error.faults), subject=escape_text(retell(error.subject)))
    return "\n".join([head, *map(describe_fault, error.faults)])


def _told_sentences(text: str) -> str:
    """Tell a remedy again: as a whole, or sentence by sentence where `suggest` has added one."""
    whole = retell(text)
    if whole != text or " Did you mean " not in text:
        return whole
    first, _, near = text.partition(" Did you mean ")
    return retell(first) + say(" Did you mean {word}?", word=near.rstrip("?"))

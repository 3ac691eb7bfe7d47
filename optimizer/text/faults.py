"""Faults and warnings of inputs in the language in force; what is wrong is told again where a table has it."""

from __future__ import annotations

from network_data.faults import Fault, InputError, InputWarning, escape_text, quote_value, rows_of_faults
from optimizer.words.fault_texts import retell_fault
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
    problem, remedy = (escape_text(retell_fault(text)) for text in (fault.problem, fault.remedy))
    return say("{place}: {problem}. {remedy}", place=place, problem=problem, remedy=remedy).rstrip()


def describe_faults(error: InputError) -> str:
    """List the faults, one per line, after a line with their number; the same fault of many rows is one line."""
    if current_language() == "en":
        return str(error)
    subject = escape_text(retell_fault(error.subject))
    lines = [say("{count} faults in {subject}:", count=len(error.faults), subject=subject)]
    for fault, others in error.grouped():
        rows = rows_of_faults(others)
        also = say(" The same in {count} more cells: rows {rows}.", count=len(others), rows=rows) if others else ""
        lines.append(describe_fault(fault) + also)
    return "\n".join(lines)


def describe_warning(warning: Warning | str) -> str:
    """Write the text of a warning on one line that is safe to print."""
    fault = warning.fault if isinstance(warning, InputWarning) else None
    return escape_text(retell(str(warning))) if fault is None else describe_fault(fault)

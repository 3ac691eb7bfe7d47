"""Input faults: what is wrong, where it stands, and what to do about it. Used by every loader."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

QUOTE_LENGTH = 80
# Near-match search compares with every candidate; above this many it would cost more than it helps.
MAX_SUGGESTION_CANDIDATES = 2000
MAX_RUNS = 6
# The same fault in more rows than this is told once, with the list of the rows.
MOST_ALIKE = 3


def escape_text(text: str) -> str:
    r"""
    Make a text harmless to print: control, bidirectional and other unprintable characters become escapes.

    Parameters
    ----------
    text
        Any text, possibly hostile.

    Returns
    -------
    str
        The same text with each unprintable character spelled as `\xNN`, `\uNNNN` or `\UNNNNNNNN`.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape_char(char) for char in text)


def quote_value(value: object) -> str:
    """
    Quote a value for a message: escaped and cut to 80 characters.

    Parameters
    ----------
    value
        The value as read from the input.

    Returns
    -------
    str
        The value in single quotes.
    """
    raw = str(value)
    # Cut before escaping too, so that a value of megabytes costs nothing.
    text = escape_text(raw[: QUOTE_LENGTH + 1])
    return f"'{text if len(text) <= QUOTE_LENGTH else text[: QUOTE_LENGTH - 3] + '...'}'"


def suggest(word: str, candidates: Iterable[str]) -> str:
    """
    Name the candidate nearest to a mistyped word.

    Parameters
    ----------
    word
        The word that was found.
    candidates
        The words that would have been right.

    Returns
    -------
    str
        A sentence with a leading space, or an empty text if nothing is near.
    """
    known = list(candidates)
    if len(known) > MAX_SUGGESTION_CANDIDATES or len(word) > QUOTE_LENGTH:
        return ""
    near = difflib.get_close_matches(word.strip().lower(), known, n=1)
    return f" Did you mean {quote_value(near[0])}?" if near else ""


def list_rows(rows: Sequence[int]) -> str:
    """
    List lines of a file, neighbours as a range, no more than six entries.

    Parameters
    ----------
    rows
        Lines in ascending order, at least one.

    Examples
    --------
    >>> list_rows([3, 4, 5, 9, 11])
    '3-5, 9, 11'
    """
    runs: list[tuple[int, int]] = []
    for row in rows:
        runs = [*runs[:-1], (runs[-1][0], row)] if runs and row == runs[-1][1] + 1 else [*runs, (row, row)]
        if len(runs) > MAX_RUNS:
            break
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:MAX_RUNS]]
    return ", ".join(shown) + (", ..." if len(runs) > MAX_RUNS else "")


# What the operating system says of a disk that takes no more, and what to do.
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
MAKE_ROOM = "Make room there, or name a folder on another disk."


@dataclass(frozen=True)
class Fault:
    """
    One fault of an input.

    Attributes
    ----------
    file : str
        Name of the file, or of the option that brought the value in.
    row : int or None
        Line in the file, counted from 1; a table's header is line 1.
    column : str or None
        Column of a table or key of a document.
    value : str or None
        The value as found, unescaped.
    problem : str
        What is wrong.
    remedy : str
        What to do.
    """

    file: str
    row: int | None
    column: str | None
    value: str | None
    problem: str
    remedy: str

    def __str__(self) -> str:
        """Write the fault on one line that is safe to print."""
        place = escape_text(self.file) + ("" if self.row is None else f":{self.row}")
        if self.column is not None:
            place += f" column {quote_value(self.column)}"
        if self.value is not None:
            place += f" value {quote_value(self.value)}"
        return f"{place}: {escape_text(self.problem)}. {escape_text(self.remedy)}".rstrip()


class InputError(ValueError):
    """
    Every fault found in an input, raised once.

    Parameters
    ----------
    faults
        The faults, in the order found; at least one.
    subject
        What was being read, e.g. `network toy`.
    """

    def __init__(self, faults: Iterable[Fault], subject: str = "the input") -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        self.subject = subject
        super().__init__(self.faults, subject)

    def __str__(self) -> str:
        """List the faults, one per line, after a line with their number; the same fault of many rows is one line."""
        count = len(self.faults)
        lines = [f"{count} fault{'' if count == 1 else 's'} in {escape_text(self.subject)}:"]
        for fault, others in self.grouped():
            also = f" The same in {len(others)} more cells: rows {rows_of_faults(others)}." if others else ""
            lines.append(f"{fault}{also}")
        return "\n".join(lines)

    def grouped(self) -> Iterator[tuple[Fault, list[Fault]]]:
        """Go through the faults as they are told: alone, or the first of many rows with the others like it."""
        alike: dict[object, list[Fault]] = {}
        for fault in self.faults:
            # What stands in no row stands alone.
            place = fault if fault.row is None else (fault.file, fault.column, fault.problem)
            alike.setdefault(place, []).append(fault)
        for same in alike.values():
            if len(same) <= MOST_ALIKE:
                yield from ((fault, []) for fault in same)
            else:
                yield same[0], same[1:]


def rows_of_faults(faults: Iterable[Fault]) -> str:
    """List the rows of faults, as `list_rows`."""
    return list_rows(sorted({fault.row for fault in faults if fault.row is not None}))


class InputWarning(UserWarning):
    """
    Something in an input is allowed but hardly meant.

    Parameters
    ----------
    doubt
        What it is: a `Fault`, or its text.
    """

    def __init__(self, doubt: Fault | str) -> None:
        self.fault = doubt if isinstance(doubt, Fault) else None
        super().__init__(str(doubt))


class FaultList:
    """
    Collect faults so that all of them reach the user at once.

    Parameters
    ----------
    subject
        What is being read; used in the message of the error.
    """

    def __init__(self, subject: str = "the input") -> None:
        self.subject = subject
        self._faults: list[Fault] = []

    def add(
        self,
        file: str,
        problem: str,
        remedy: str,
        *,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
    ) -> None:
        """
        Record one fault.

        Parameters
        ----------
        file
            Name of the file.
        problem
            What is wrong, without a closing full stop.
        remedy
            What to do, as a sentence.
        row
            Line in the file, counted from 1.
        column
            Column or key.
        value
            The value as found.
        """
        self._faults.append(Fault(file, row, column, None if value is None else str(value), problem, remedy))

    def extend(self, faults: Iterable[Fault]) -> None:
        """
        Record faults that another reader found.

        Parameters
        ----------
        faults
            The faults.
        """
        self._faults.extend(faults)

    def raise_if_any(self) -> None:
        """
        Raise everything collected.

        Raises
        ------
        InputError
            If at least one fault was recorded.
        """
        if self._faults:
            raise self.error()

    def error(self) -> InputError:
        """
        Build the error that holds everything collected.

        Returns
        -------
        InputError
            The error, not yet raised.
        """
        return InputError(self._faults, self.subject)

    def __len__(self) -> int:
        """Count the faults."""
        return len(self._faults)

    def __iter__(self) -> Iterator[Fault]:
        """Go through the faults in the order found."""
        return iter(self._faults)


def _escape_char(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")

"""
Read YAML into a tree that knows the line of every key.

Only the event level of PyYAML is used: no object is ever constructed from a tag. Plain scalars are read by
the YAML 1.2 core rules below, since PyYAML's own follow YAML 1.1, where `1e-4` is a text and `no` is false.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from network_data.faults import FaultList
from scenarios.document import Node, Place, Scalar

# A scenario is a page of text; these bound what a hostile or mistaken file can cost.
MAX_DEPTH = 20
MAX_VALUES = 20_000

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NOT_A_NUMBER = {".nan", ".NaN", ".NAN"}


class _CannotReadError(Exception):
    """The rest of the file cannot be read; the fault has been recorded."""


def read_scalar(text: str) -> Scalar:
    """
    Read a plain scalar by the YAML 1.2 core rules, decimal numbers only.

    Parameters
    ----------
    text
        The scalar as written, without quotes.

    Returns
    -------
    str, int, float, bool or None
        The value; the text itself if it is nothing else.
    """
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if infinite := _INFINITE.fullmatch(text):
        return float(f"{infinite[1]}inf")
    return float("nan") if text in _NOT_A_NUMBER else text


def read_yaml(text: str, file: str, faults: FaultList, *, first_line: int | None = 1) -> Node | None:
    """
    Read one YAML document.

    Parameters
    ----------
    text
        The document.
    file
        Its name, for the faults.
    faults
        Collects duplicate keys, tags, anchors, syntax errors, more than one document.
    first_line
        Line number of the first line; None if lines mean nothing (a command-line option).

    Returns
    -------
    Node or None
        The tree; None if the text cannot be read at all.
    """
    try:
        return _Reader(text, file, faults, first_line).read()
    except _CannotReadError:
        return None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # ValueError: PyYAML lets chr() and int() of absurd escapes and versions through.
        row, problem = _syntax_problem(error, text)
        row = None if first_line is None or row is None else row + first_line - 1
        faults.add(file, problem, "Correct the YAML at or just before this line.", row=row)
        return None


class _Reader:
    def __init__(self, text: str, file: str, faults: FaultList, first_line: int | None) -> None:
        self._events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        self._file = file
        self._faults = faults
        self._first_line = first_line
        self._count = 0

    def read(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fault(event, "a second YAML document starts here", "Keep one document per file.")
                    return root
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, self._place(event), 0)
        return root if documents else Node(None, Place(self._file, self._first_line))

    def _node(self, event: yaml.Event, place: Place, depth: int) -> Node | None:
        """Read the node that starts with the event; None if it had to be refused."""
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_VALUES:
            limit = f"{MAX_DEPTH} levels" if depth > MAX_DEPTH else f"{MAX_VALUES} values"
            self._fault(event, f"the file has more than {limit}", "Move long lists to a table.")
            raise _CannotReadError
        if isinstance(event, yaml.AliasEvent):
            self._fault(event, "aliases are not accepted", "Write the value again, or use `extends`.")
            return None
        if getattr(event, "anchor", None) is not None:
            self._fault(event, "anchors are not accepted", "Remove the anchor.")
        refused = getattr(event, "tag", None) is not None
        if refused:
            self._fault(event, "tags are not accepted", "Remove the tag; quote the value if it is a text.")
        node = Node(self._content(event, depth), place)
        return None if refused else node

    def _content(self, event: yaml.Event, depth: int) -> Scalar | dict[str, Node] | tuple[Node, ...]:
        if isinstance(event, yaml.ScalarEvent):
            return read_scalar(event.value) if event.style is None else str(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return tuple(self._items(depth))
        return self._mapping(depth)

    def _items(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            node = self._node(event, self._place(event), depth + 1)
            if node is not None:
                yield node

    def _mapping(self, depth: int) -> dict[str, Node]:
        keys: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = self._place(event)
            is_name = isinstance(event, yaml.ScalarEvent)
            key = str(event.value) if isinstance(event, yaml.ScalarEvent) else ""
            key_node = self._node(event, place, depth + 1)
            node = self._node(next(self._events), place, depth + 1)
            if not is_name:
                self._fault(event, "a key must be a plain name", "Write `key: value`.")
            elif key in keys:
                first = keys[key].place.row
                remedy = "Keep one of the two" + ("." if first is None else f"; the first is on line {first}.")
                self._fault(event, "the key is there twice", remedy, key)
            elif node is not None and key_node is not None:
                keys[key] = node
        return keys

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        if self._first_line is None or mark is None:
            return Place(self._file)
        return Place(self._file, mark.line + self._first_line)

    def _fault(self, event: yaml.Event, problem: str, remedy: str, column: str | None = None) -> None:
        self._faults.add(self._file, problem, remedy, row=self._place(event).row, column=column)


def _syntax_problem(error: Exception, text: str) -> tuple[int | None, str]:
    """Line (counted from 1) and wording of a syntax error."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark if error.problem_mark is not None else error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        return (None if mark is None else mark.line + 1), "not valid YAML: " + ", ".join(parts)
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1, "not valid YAML: it holds a control character"
    return None, f"not valid YAML: {error}"

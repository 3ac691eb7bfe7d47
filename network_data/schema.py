"""The schema of network tables, read from `attributes.csv`, and the meaning of its types."""

from __future__ import annotations

import csv
import functools
import math
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

ATTRIBUTES_FILE = Path(__file__).with_name("attributes.csv")
RANGES_TABLE = "ranges"
ID_PATTERN = re.compile(r"[a-z0-9_]+")
# Python's float() also takes underscores and non-ASCII digits; in a table both are more likely slips.
NUMBER_PATTERN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NON_FINITE = frozenset({"nan", "inf", "infinity"})
TRUE_WORDS = frozenset({"true", "yes", "1"})
FALSE_WORDS = frozenset({"false", "no", "0"})
# Format characters that some scripts need inside words (zero-width joiners).
ALLOWED_FORMAT_CHARACTERS = frozenset("\u200c\u200d")
PROSE_WHITESPACE = frozenset("\n\r\t")
MAX_INTEGER = 2**31 - 1
MAX_EXAMPLE_LENGTH = 64
_PLAIN_NUMBER = "Write digits with a point as decimal mark and no unit."

Cell = str | float | int | bool


class CellError(ValueError):
    """
    A cell that does not fit its attribute.

    Parameters
    ----------
    problem
        What is wrong.
    remedy
        What to do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(problem, remedy)


@dataclass(frozen=True)
class Attribute:
    """
    One column of a network table.

    Attributes
    ----------
    table : str
        Table it belongs to.
    name : str
        Column name; the unit is its last word.
    kind : str
        `key`, `id`, `ref`, `choice`, `text`, `prose`, `float`, `int`, `bool`, `months` or `hours`.
    choices : tuple of str
        Allowed words of a `choice`.
    target : tuple of (str, str) or None
        Table and column that a `ref` points to.
    unit : str
        Unit in words.
    minimum, maximum : float
        Bounds of a number; infinite if there is none.
    exclusive_minimum : bool
        Whether the number must exceed the minimum.
    default : str
        Cell text that stands for a missing column or a blank cell; blank if there is none.
    required : bool
        Whether the column must exist and every cell be filled.
    description : str
        Meaning.
    """

    table: str
    name: str
    kind: str
    choices: tuple[str, ...]
    target: tuple[str, str] | None
    unit: str
    minimum: float
    maximum: float
    exclusive_minimum: bool
    default: str
    required: bool
    description: str

    @property
    def blank(self) -> Cell:
        """Value of a cell without content: the default, else NaN for numbers and an empty text otherwise."""
        if self.default:
            return self.parse(self.default)
        return math.nan if self.kind in {"float", "int"} else ""

    def parse(self, text: str) -> Cell:
        """
        Read a filled cell.

        Parameters
        ----------
        text
            Content of the cell, stripped and not empty.

        Returns
        -------
        str, float, int or bool
            The value.

        Raises
        ------
        CellError
            If the text does not fit the attribute.
        """
        if self.kind in {"float", "int"}:
            return self._parse_number(text)
        if self.kind == "bool":
            return _parse_bool(text)
        if self.kind in {"key", "id", "ref"}:
            return parse_id(text)
        if self.kind == "choice" and text not in self.choices:
            raise CellError("is not one of the allowed words", f"Use one of: {', '.join(self.choices)}.")
        return parse_text(text, multiline=self.kind == "prose")

    def _parse_number(self, text: str) -> float | int:
        if text.lower().lstrip("+-") in NON_FINITE:
            raise CellError("is not a finite number", self._range_remedy())
        if not NUMBER_PATTERN.fullmatch(text):
            raise CellError("is not a number", _number_remedy(text))
        number = float(text)
        if not math.isfinite(number):
            raise CellError("is not a finite number", self._range_remedy())
        too_low = number <= self.minimum if self.exclusive_minimum else number < self.minimum
        if too_low or number > self.maximum:
            negative = number < 0 <= self.minimum
            raise CellError("is negative" if negative else "is out of range", self._range_remedy())
        if self.kind == "int":
            if not number.is_integer():
                raise CellError("is not a whole number", "Write a whole number.")
            if abs(number) > MAX_INTEGER:
                raise CellError("is too large", f"Write a whole number of at most {MAX_INTEGER}.")
            return int(number)
        return number

    def _range_remedy(self) -> str:
        bounds = []
        if math.isfinite(self.minimum):
            bounds.append(f"{'above' if self.exclusive_minimum else 'of at least'} {self.minimum:g}")
        if math.isfinite(self.maximum):
            bounds.append(f"of at most {self.maximum:g}")
        unit = f" in {self.unit}" if self.unit else ""
        hint = " Are latitude and longitude swapped?" if self.name == "latitude_deg" else ""
        return f"Give a finite number{unit}{' ' if bounds else ''}{' and '.join(bounds)}.{hint}"


def _number_remedy(text: str) -> str:
    """Write down the number that a person reads in a cell, where there is one."""
    if len(text) > MAX_EXAMPLE_LENGTH:
        return _PLAIN_NUMBER
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", text, re.ASCII):
        decimal = (
            f" (or {text.replace(',', '.')}, if the comma is a decimal mark)"
            if text.count(",") == 1 and "." not in text
            else ""
        )
        return f"Write {text.replace(',', '')}{decimal}, with nothing between thousands."
    if re.fullmatch(r"[+-]?\d+,\d+", text, re.ASCII):
        return f"Write {text.replace(',', '.')}, with a point as decimal mark."
    number, _, unit = re.sub(r"(?<=[\d.])\s*([^\d\s.,][^\d]*)$", r" \1", text).partition(" ")
    if NUMBER_PATTERN.fullmatch(number) and unit == "%":
        return f"Write {float(number) / 100:g}, as a number without percent."
    if NUMBER_PATTERN.fullmatch(number) and unit:
        return f"Write {number}, without a unit; the name of the column says it."
    return _PLAIN_NUMBER


def parse_id(text: str) -> str:
    """
    Read an identifier.

    Parameters
    ----------
    text
        Content of the cell.

    Returns
    -------
    str
        The same text.

    Raises
    ------
    CellError
        If a character is outside `a-z0-9_`.
    """
    if not ID_PATTERN.fullmatch(text):
        # Without accents, as far as there is a letter without.
        plain = unicodedata.normalize("NFKD", text[:MAX_EXAMPLE_LENGTH]).encode("ascii", "ignore").decode().lower()
        example = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "dc_east_1"
        remedy = f"Use lower-case letters a-z, digits and underscores only, e.g. {example}."
        raise CellError("is not a valid id", remedy)
    return text


def parse_text(text: str, *, multiline: bool = False) -> str:
    """
    Read a text for people.

    Parameters
    ----------
    text
        Content of the cell.
    multiline
        Whether line breaks and tabs are allowed.

    Returns
    -------
    str
        The same text.

    Raises
    ------
    CellError
        If it holds control characters, bidirectional overrides or broken surrogates.
    """
    if text.isprintable():
        return text
    for char in text:
        if char in ALLOWED_FORMAT_CHARACTERS or (multiline and char in PROSE_WHITESPACE):
            continue
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            raise CellError(f"holds the control character U+{ord(char):04X}", "Remove the character.")
    return text


def load_schema() -> dict[str, dict[str, Attribute]]:
    """
    Read the schema of all network tables.

    Returns
    -------
    dict
        Table name to column name to attribute, in the order of the file.
    """
    return {name: columns for name, columns in _read_schema().items() if name != RANGES_TABLE}


def ranges_schema() -> dict[str, Attribute]:
    """
    Read the schema of a table of ranges, which a network may have and scenarios may name.

    Returns
    -------
    dict
        Column name to attribute.
    """
    return _read_schema()[RANGES_TABLE]


@functools.cache
def _read_schema() -> dict[str, dict[str, Attribute]]:
    tables: dict[str, dict[str, Attribute]] = {}
    with ATTRIBUTES_FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            tables.setdefault(row["table"], {})[row["attribute"]] = _build_attribute(row)
    return tables


def _build_attribute(row: dict[str, str]) -> Attribute:
    kind, _, argument = row["type"].rstrip(")").partition("(")
    table, _, column = argument.partition(".")
    minimum = row["minimum"]
    return Attribute(
        table=row["table"],
        name=row["attribute"],
        kind=kind,
        choices=tuple(argument.split("|")) if kind == "choice" else (),
        target=(table, column) if kind == "ref" else None,
        unit=row["unit"],
        minimum=float(minimum.removeprefix(">")) if minimum else -math.inf,
        maximum=float(row["maximum"]) if row["maximum"] else math.inf,
        exclusive_minimum=minimum.startswith(">"),
        default=row["default"],
        required=row["required"] == "yes",
        description=row["description"],
    )


def _parse_bool(text: str) -> bool:
    word = text.lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise CellError("is neither yes nor no", "Write yes or no.")

"""The tables of words in English and Chinese: `maps` and `office` by key, all others by the English text."""

from __future__ import annotations

import csv
import functools
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "tables"
# Of the tables by English text: what the terminal and charts say, what pages say, and what other rooms word.
SAID, PAGES, RETOLD = "said", "pages", "retold"
# What readers of inputs find wrong. Where `use` says `part`, the row is only for what fills a blank of another row;
# `list` is such a row of words without spaces.
FAULTS = "faults"
# What the command line says of itself, and what built-in scenarios, price cases and networks say of themselves.
HELP, BUILT_IN = "help", "built_in"
# What columns of tables and keys of scenarios mean.
KEYS = "keys"


@functools.cache
def read_table(name: str) -> dict[str, dict[str, str]]:
    """Read a table: key, or the English text, to language to words; what stands in braces is filled in."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as text:
        return {row.get("key") or row["en"]: row for row in csv.DictReader(text)}

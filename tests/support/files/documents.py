"""Reading the project's Markdown pages: the files they show, their tables, their commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_SHOWN_FILE = re.compile(r"^### `([^`]+)`\n+```(?:csv|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```[^`\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read_page(name: str) -> str:
    """Text of a page, by its path from the root of the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def shown_files(page: str) -> list[tuple[str, str]]:
    """Name and text of every file that a page shows in full under a heading of its name."""
    return _SHOWN_FILE.findall(read_page(page))


def write_shown_files(page: str, folder: Path) -> list[str]:
    """Write every file that a page shows in full; gives their names."""
    shown = shown_files(page)
    for name, text in shown:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [name for name, _ in shown]


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of every block of code of a page that names its language."""
    return _FENCE.findall(read_page(page))


def commands(page: str, program: str) -> Iterator[list[str]]:
    """Give every command line of a program in a page's code blocks, as words, without comments."""
    for block in _BLOCK.findall(read_page(page)):
        for line in block.splitlines():
            words = line.split(" # ", maxsplit=1)[0].split()
            if words and words[0] == program:
                yield words


def table_rows(page: str) -> list[list[str]]:
    """Cells of every table row of a page."""
    lines = [line for line in read_page(page).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]

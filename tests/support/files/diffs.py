"""Read and carry out the changes that a page shows as ```diff blocks."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^```diff\n--- a/(\S+)\n\+\+\+ b/(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown_changes(section: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Give each file that a text changes with its hunks: what is there before, and after."""
    changes = []
    for old, new, body in _BLOCK.findall(section):
        assert old == new, f"{old} is renamed"
        hunks = [_sides(hunk) for hunk in body.split("@@\n") if hunk]
        changes.append((old, hunks))
    return changes


def carry_out(section: str, tree: Path) -> list[str]:
    """Change the files of a tree as a text shows; gives their names."""
    changes = shown_changes(section)
    for name, hunks in changes:
        text = (tree / name).read_text(encoding="utf-8")
        for before, after in hunks:
            assert text.count(before) == 1, f"{name} has these lines {text.count(before)} times, not once:\n{before}"
            text = text.replace(before, after)
        (tree / name).write_text(text, encoding="utf-8")
    return [name for name, _ in changes]


def _sides(hunk: str) -> tuple[str, str]:
    lines = hunk.splitlines()
    assert all(line == "" or line[0] in " +-" for line in lines), hunk
    before = [line[1:] for line in lines if not line.startswith("+")]
    after = [line[1:] for line in lines if not line.startswith("-")]
    return "\n".join(before) + "\n", "\n".join(after) + "\n"

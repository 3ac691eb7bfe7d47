"""What the how-tos and the tutorial tell a reader to do is done, in an empty folder, and gives what they show."""

from __future__ import annotations

import doctest
import io
import shlex
import subprocess
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from commands import edwc
from documents import ROOT, blocks, write_shown_files

PAGES = [f"docs/howto/{path.name}" for path in sorted((ROOT / "docs/howto").glob("*.md")) if path.stem != "index"]
SHOWN = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
WRITTEN = {"--to", "--out"}


@dataclass
class Reader:
    """Somebody who does what a page says, in the current folder."""

    printed: str = ""
    made: list[str] = field(default_factory=list)
    names: dict[str, object] = field(default_factory=dict)

    def follow(self, page: str) -> None:
        """Do every block of the page in turn; a block of text is what the one before it has printed."""
        for language, text in blocks(page):
            if language == "sh":
                self.printed = "".join(self.command(line) for line in text.splitlines())
            elif language == "python":
                with redirect_stdout(io.StringIO()) as told:
                    exec(compile(text, page, "exec"), self.names)  # noqa: S102 - our own page
                self.printed = told.getvalue()
            elif language == "text":
                assert doctest.OutputChecker().check_output(text, self.printed, SHOWN), (
                    f"{text}\nis not\n{self.printed}"
                )

    def command(self, line: str) -> str:
        """Run one line of a shell, which ends with 0 or as its comment says, and return what it prints."""
        program, *arguments = shlex.split(line, comments=True)
        if program != "edwc":
            return subprocess.run(["sh", "-ec", line], check=True, capture_output=True, text=True).stdout  # noqa: S607
        _, _, code = line.partition("# ends with ")
        self.made += [value for name, value in pairwise(arguments) if name in WRITTEN]
        return edwc(*arguments, code=int(code or 0))[0]


@pytest.mark.parametrize("page", PAGES)
def test_page_does_what_it_says(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_shown_files(page, tmp_path)
    reader = Reader()
    reader.follow(page)
    assert reader.printed
    for name in reader.made:
        written = tmp_path / name
        assert list(written.iterdir()) if written.is_dir() else written.stat().st_size > 0, name


def test_tutorial_leads_to_a_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks are those of the page but for the first, which installs what is here already."""
    monkeypatch.chdir(tmp_path)
    reader = Reader()
    (language, install), *rest = blocks("docs/tutorial.md")
    assert language == "sh"
    assert "pip install" in install
    for _, text in rest:
        for line in text.splitlines():
            reader.command(line)
    assert {"map.png", "report.html", "change.png"} <= {path.name for path in tmp_path.iterdir()}
    assert all((tmp_path / name).exists() for name in reader.made)

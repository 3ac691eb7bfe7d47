"""`import edwc` as a user has it: an installed wheel, another folder, types, a notebook, names that are documented."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest
from built_wheel import ROOT, build_wheel
from toy_scenario import ToyScenario

import edwc
from network_data.display import short_html, short_text

PAGE = ROOT / "docs" / "python.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MISTAKES = """\
import edwc

edwc.solve(3)
edwc.load_network("china_2026").tarifs
edwc.no_such_name
"""


@dataclass(frozen=True)
class Installed:
    """A Python with the wheel, and a folder to work in that is not the tree's."""

    python: Path
    folder: Path

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "MYPYPATH"}}
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=check,
        )

    def types(self, script: Path) -> str:
        command = [
            "-m",
            "mypy",
            "--strict",
            "--python-executable",
            str(self.python),
            "--cache-dir",
            "cache",
            "--config-file=mypy.ini",
        ]
        return self.run(*command, str(script), check=False).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    zipfile.ZipFile(build_wheel(folder)).extractall(site)
    # The libraries are those of this Python; the tree itself is not among them.
    libraries = {path for path in map(Path, sys.path) if path.name == "site-packages"}
    (site / "libraries.pth").write_text("\n".join(map(str, libraries)) + "\n", encoding="utf-8")
    work = folder / "work"
    work.mkdir()
    (work / "mypy.ini").write_text(
        "[mypy-pyomo.*]\nignore_missing_imports = true\n", encoding="utf-8"
    )  # it has no types
    return Installed(folder / "venv" / "bin" / "python", work)


@pytest.fixture(scope="module")
def script(installed: Installed) -> Path:
    """Write the page's pieces of Python to one file."""
    pieces = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    path = installed.folder / "notebook.py"
    path.write_text("\n".join(pieces), encoding="utf-8")
    return path


def test_page_runs_from_another_folder_against_an_installed_wheel(installed: Installed, script: Path) -> None:
    where = installed.run("-c", "import edwc, optimizer; print(edwc.__file__, optimizer.__file__)").stdout.split()
    assert all(Path(file).is_relative_to(installed.python.parents[1]) for file in where)
    done = installed.run("-W", "error", script.name, check=False)
    assert done.returncode == 0, done.stderr
    assert "<Run base: ended optimal, cost " in done.stdout
    assert "True True\n" in done.stdout
    assert "column 'time.slices_per_day'" in done.stdout
    assert "plan" in done.stderr  # progress
    written = {path.name for path in installed.folder.iterdir()}
    assert {"a.png", "a.gpkg", "a.html", "difference.png", "bounded.svg", "runs"} <= written
    assert (installed.folder / "runs" / "small" / "inputs" / "workloads_table.csv").is_file()


def test_page_and_its_mistakes_are_seen_by_a_type_checker(installed: Installed, script: Path) -> None:
    assert installed.types(script).startswith("Success"), installed.types(script)
    wrong = installed.folder / "mistakes.py"
    wrong.write_text(MISTAKES, encoding="utf-8")
    found = installed.types(wrong)
    for line, code in ((3, "arg-type"), (4, "attr-defined"), (5, "attr-defined")):
        assert re.search(rf"mistakes\.py:{line}: .*\[{code}\]", found), found


def test_every_public_name_exists_and_stands_in_a_document() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in edwc.__all__:
        assert getattr(edwc, name) is not None
        assert re.search(rf"\bedwc\.{name}\b", text), f"no page names edwc.{name}"
    assert set(edwc.__all__) <= set(dir(edwc))
    with pytest.raises(AttributeError, match="no_such_name"):
        edwc.no_such_name  # noqa: B018 - the access is what is tested


def test_page_names_no_missing_public_name() -> None:
    for page in PAGES:
        for name in re.findall(r"(?<![\w/])edwc\.(\w+)", page.read_text(encoding="utf-8")):
            assert name in {*edwc.__all__, "py", "links"}, f"{page.name} names edwc.{name}"


class Cells(HTMLParser):
    """Collects tags and texts of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the parser's signature
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_objects_show_themselves_shortly_and_hostile_names_harmlessly(tmp_path: Path) -> None:
    ToyScenario(tmp_path)()
    shutil.copytree(tmp_path / "net", tmp_path / "<script>")
    shown = [edwc.load_network(tmp_path / "<script>"), edwc.load_scenario(tmp_path / "toy.yaml")]
    shown.append(edwc.solve(tmp_path / "toy.yaml", ["solver.threads=1"]))
    shown.append(edwc.explain(tmp_path / "toy.yaml", ["solver.threads=1"]))
    options = {"sweeps": {"price.west": [0.8]}, "engine": "serial", "regret": False}
    shown.append(edwc.compare(tmp_path / "toy.yaml", ["solver.threads=1"], **options))
    for thing in shown:
        assert len(repr(thing)) < 500, repr(thing)
        assert "\n" not in repr(thing)
        cells = Cells(thing._repr_html_())
        assert cells.tags == {"table", "caption", "b", "tr", "th", "td"}
        assert cells.texts[0].startswith(type(thing).__name__)
    assert "<script>" in Cells(shown[0]._repr_html_()).texts[0]
    assert "\x1b" not in short_text("Run", "\x1b[2J", {}) + short_html("Run", "a", {"b": "\x1b[2J"})


def test_map_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    ToyScenario(tmp_path)()
    figure = edwc.solve(tmp_path / "toy.yaml", ["solver.threads=1"]).map()
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.fixture
def _takes_interrupts() -> Iterator[None]:
    """Take SIGINT as Python does, also where a shell has started the tests in the background, deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_takes_interrupts")
def test_interrupt_keeps_what_was_found_and_a_second_one_gives_up() -> None:
    from optimizer.api.progress import run_until_interrupted

    def task(stop: threading.Event) -> str:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)
        return "kept" if stop.wait(30) else "never stopped"

    def stubborn(stop: threading.Event) -> None:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)
        stop.wait(30)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)

    assert run_until_interrupted(task) == "kept"
    with pytest.raises(KeyboardInterrupt):
        run_until_interrupted(stubborn)


def test_interrupted_solve_is_a_run(tmp_path: Path) -> None:
    ToyScenario(tmp_path)()
    stop = threading.Event()
    run = edwc.solve(tmp_path / "toy.yaml", ["solver.threads=1"], report=lambda _: stop.set(), stop=stop)
    assert (run.termination, run.exit_code) == ("interrupted", 3)
    assert run.verify().is_verified

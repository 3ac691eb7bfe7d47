"""How the pages become a site (`make docs`): Sphinx reads the Markdown as it stands and the docstrings of the code."""

from __future__ import annotations

import csv
import inspect
import os
import re
import shutil
import sys
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# This tree, also where another one is installed; the second line is for the kernels of the notebooks.
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

project = "edwc"
author = "the edwc developers"
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx_click"]
nitpicky = True

# Markdown as the code host shows it: formulas between dollars, links to headings.
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 4

# Notebooks are kept without results; each build runs them, and a cell that fails ends it.
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # signatures have them
default_role = "code"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "edwc"
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False  # it would read other pages, which browsers refuse to a page on a disk
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_context = {"default_mode": "auto"}  # light or dark, as the reader has it
html_sidebars = {"index": [], "tutorial": [], "quickstart_zh": []}  # pages without neighbours
html_theme_options = {
    "footer_end": [],
    "footer_start": [],
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
}

# One file of MathJax has all that formulas of TeX need, and asks for its fonts alone. The package would copy all 24 MB.
_MATHJAX = ("tex-chtml.js", "output/chtml/fonts")
mathjax_path = f"mathjax/{_MATHJAX[0]}"

_ASKED_FOR = re.compile(r"^<!-- (\w+) of the code -->$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#:\s]+)(#[^)\s]+)?\)")


def fill_in(_app: Sphinx, page: str, source: list[str]) -> None:
    """Write what the code says where a page asks for it, and name files that are no part of the site."""
    source[0] = _ASKED_FOR.sub(lambda found: _OF_THE_CODE[found[1]](), source[0])
    folder = (HERE / page).parent

    def link(found: re.Match[str]) -> str:
        target = (folder / found[2]).resolve()
        if not target.is_relative_to(HERE):
            return f"{found[1]} (`{target.relative_to(ROOT)}`)"
        # A page that is called by the name of its file goes by its title.
        return f"[]({found[2]}{found[3] or ''})" if found[1].endswith(".md") else found[0]

    source[0] = _LINK.sub(link, source[0])


def _public_names() -> str:
    import edwc

    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Types of arguments": []}
    for name in edwc.__all__:
        thing = getattr(edwc, name)
        if inspect.isclass(thing):
            kinds["Classes"] += [f".. autoclass:: edwc.{name}", "   :members:", ""]
        elif inspect.isfunction(thing):
            kinds["Functions"] += [f".. autofunction:: edwc.{name}", ""]
        else:
            kinds["Types of arguments"] += [f".. py:data:: edwc.{name}", "", f"   `{thing}`", ""]
    blocks = ("\n".join(lines) for lines in kinds.values())
    return "".join(f"\n## {kind}\n\n```{{eval-rst}}\n{block}\n```\n" for kind, block in zip(kinds, blocks, strict=True))


def _rows(name: str) -> list[dict[str, str]]:
    with (ROOT / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


def _network_tables() -> str:
    def described(row: dict[str, str]) -> list[str]:
        ends = [row["minimum"] and f"from {row['minimum']}", row["maximum"] and f"to {row['maximum']}"]
        span = " ".join(filter(None, ends))
        empty = "required" if row["required"] == "yes" else row["default"]
        kind = re.sub(r"choice\((.*)\)", lambda found: f"one of {found[1].replace('|', ', ')}", row["type"])
        return [f"`{row['attribute']}`", row["description"], kind, row["unit"], span, empty]

    heads = ["column", "meaning", "type", "unit", "range", "if empty"]

    def parts() -> Iterator[str]:
        for table, rows in groupby(_rows("network_data/attributes.csv"), lambda row: row["table"]):
            yield f"### `{table}`\n\n{_table(heads, map(described, rows))}"

    return "\n".join(parts())


def _run_tables() -> str:
    tables = [[f"`{row['table']}`", row["place"], row["rows"]] for row in _rows("optimizer/exports/tables.csv")]
    columns = [[f"`{row['column']}`", row["unit"], row["meaning"]] for row in _rows("optimizer/exports/columns.csv")]
    return "\n".join(
        [_table(["table", "where", "a row for each"], tables), _table(["column", "unit", "meaning"], columns)]
    )


_OF_THE_CODE: dict[str, Callable[[], str]] = {
    "names": _public_names,
    "network_tables": _network_tables,
    "run_tables": _run_tables,
}


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put MathJax beside the pages, which then need no network."""
    if error is not None or app.builder.format != "html":
        return
    target = app.outdir / "_static" / "mathjax"
    with resources.as_file(resources.files("sphinx-mathjax-offline") / "static" / "mathjax") as stored:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(stored / _MATHJAX[0], target)
        shutil.copytree(stored / _MATHJAX[1], target / _MATHJAX[1], dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of what stands here alone."""
    for language in ("csv", "mermaid"):
        app.add_lexer(language, TextLexer)
    app.connect("source-read", fill_in)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

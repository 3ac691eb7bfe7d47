"""A page as one file that needs no network: it contains its style, scripts and data, and nothing else may run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from network_data.currency import in_currency
from optimizer.report.words import SCRIPT_WORDS
from optimizer.runs.folder import json_ready

# Scripts of a map, in the order in which they run; what of it the template draws, and the scripts need not know.
_MAP_SCRIPTS = ("map_shapes.js", "map_flows.js", "map_view.js", "map_labels.js", "map_draw.js", "map.js")
_MAP_SHAPES = {"land", "outlines", "fibre", "sea"}
_ASSETS = Path(__file__).resolve().parent / "assets"

# After a sign between two words of an id; not within a number such as 0.5.
_JOINTS = re.compile(r"(?<=[_=/])(?=\S)|(?<=\.)(?=[^\W\d])")

# What could end a script element early, or is no line of JavaScript in old engines.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_page(
    template: str,
    context: Mapping[str, Any],
    *,
    name: str,
    drawn: Mapping[str, Any] | None,
    map_words: Mapping[str, str],
    scripts: Sequence[str] = (),
) -> str:
    """
    Write a page.

    Parameters
    ----------
    template
        Name of the template, which extends `page.html`.
    context
        Names of the template, without those of the map; every text is escaped where it is written.
    name
        What downloaded files are named after.
    drawn
        From `map_data` or `case_map_data`; None for a page without a map.
    scripts
        Further scripts, which run last.

    Returns
    -------
    str
        The page. Its policy lets a browser use the scripts and the style in it, known by their hash, and fetch nothing.
    """
    environment = Environment(
        loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["breakable"] = breakable
    style = _read("page.css")
    codes = [in_currency(_read(script)) for script in ("page.js", *(() if drawn is None else _MAP_SCRIPTS), *scripts)]
    shown = drawn or {}
    data = {
        "name": name,
        "map": {k: v for k, v in shown.items() if k not in _MAP_SHAPES},
        "words": {**SCRIPT_WORDS, **map_words},
    }
    of_map = {
        "map": {k: v for k, v in shown.items() if k in {"width", "height"} | _MAP_SHAPES},
        "map_words": map_words,
        "basemap": shown.get("credit", ""),
        "projection": shown.get("projection", ""),
    }
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, codes))}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    # Our own files and escaped JSON cannot end the elements that they stand in.
    page = environment.get_template(template).render(
        {**context, **of_map},
        policy=policy,
        style=Markup(style),  # noqa: S704
        scripts=[Markup(code) for code in codes],  # noqa: S704
        data=Markup(embed_json(data)),  # noqa: S704
    )
    # Names of data too, in the scripts as well as in what they read.
    return in_currency(page)


def breakable(text: str) -> Markup:
    """
    Let a line end after the signs that join the words of an id, where otherwise it would break within a word.

    Examples
    --------
    >>> breakable("price.west=0.5, <b>"), breakable("carbon_50")
    (Markup('price.<wbr>west=<wbr>0.5, &lt;b&gt;'), Markup('carbon_<wbr>50'))
    """
    return Markup("<wbr>").join(map(escape, _JOINTS.split(text)))


def embed_json(value: Any) -> str:
    """Write a value as JSON that may stand inside a script element, whatever texts it holds."""
    text = json.dumps(json_ready(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char, spelled in _ESCAPED.items():
        text = text.replace(char, spelled)
    return text


def _read(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""A page as one file that needs no network: style, scripts and data stand in it, and nothing else may run."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from optimizer.runs.folder import json_ready

# Scripts of a page with a map, in the order in which they run.
MAP_SCRIPTS = (
    "page.js", "map_shapes.js", "map_flows.js", "map_view.js", "map_labels.js", "map_draw.js", "map.js",
)  # fmt: skip
_ASSETS = Path(__file__).resolve().parent / "assets"

# What could end a script element early, or is no line of JavaScript in old engines.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_page(template: str, scripts: Sequence[str], data: Any, context: Mapping[str, Any]) -> str:
    """
    Write a page.

    Parameters
    ----------
    template
        Name of the template, which extends `page.html`.
    context
        Names of the template; every text is escaped where it is written.

    Returns
    -------
    str
        The page. Its policy lets a browser run the scripts and the style that stand in it, known by their hash, and
        fetch nothing.
    """
    environment = Environment(
        loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style = _read("page.css")
    codes = [_read(name) for name in scripts]
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
    # Our own files and escaped JSON: nothing in them can end its element.
    return environment.get_template(template).render(
        context,
        policy=policy,
        style=Markup(style),  # noqa: S704
        scripts=[Markup(code) for code in codes],  # noqa: S704
        data=Markup(embed_json(data)),  # noqa: S704
    )


def embed_json(value: Any) -> str:
    """Write a value as JSON that may stand inside a script element, whatever texts it holds."""
    text = json.dumps(json_ready(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char, escape in _ESCAPED.items():
        text = text.replace(char, escape)
    return text


def _read(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

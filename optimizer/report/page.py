"""A page as one file that needs no network: it contains its style, scripts and data, and nothing else may run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from network_data.currency import in_currency
from optimizer.report.told import told
from optimizer.report.words import SCRIPT_WORDS
from optimizer.runs.folder import json_ready
from optimizer.words.amounts import amount_scales
from optimizer.words.language import Lang, current_language, speaking
from optimizer.words.sentences import naming, retell, say
from optimizer.words.tables import read_table

# Scripts of a map, in the order in which they run; what of it the template draws, and the scripts need not know.
_MAP_SCRIPTS = ("map_shapes.js", "map_flows.js", "map_view.js", "map_labels.js", "map_draw.js", "map.js")
_MAP_SHAPES = {"land", "outlines", "fibre", "sea"}
_DRAWN = _MAP_SHAPES | {"width", "height"}
_LANGUAGE_NAMES = {"en": "English", "zh": "\u4e2d\u6587"}  # each as its speakers call it
_ASSETS = Path(__file__).resolve().parent / "assets"

# After a sign between two words of an id; not within a number such as 0.5.
_JOINTS = re.compile(r"(?<=[_=/])(?=\S)|(?<=\.)(?=[^\W\d])")

# What could end a script element early, or is no line of JavaScript in old engines.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_page(
    template: str,
    make_context: Callable[[], Mapping[str, Any]],
    *,
    name: str,
    drawn: Mapping[str, Any] | None,
    names: Mapping[str, str],
    scripts: Sequence[str] = (),
) -> str:
    """
    Write a page in both languages: that in force is shown first, the other is a click away.

    Parameters
    ----------
    template
        Name of the template, which extends `body.html`.
    make_context
        Makes the names of the template in the language in force, without those of the map but `map_words`, the words of
        its heading and controls; every text is escaped where it is written. What it leaves in English is told again.
    name
        What downloaded files are named after.
    drawn
        From `map_data` or `case_map_data`, worded in English; None for a page without a map.
    names
        Chinese names of places, classes and the like.
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
    environment.globals["say"] = say
    style = _read("page.css")
    codes = [in_currency(_read(script)) for script in ("page.js", *(() if drawn is None else _MAP_SCRIPTS), *scripts)]
    shown = drawn or {}
    first = current_language()
    second: Lang = "zh" if first == "en" else "en"
    context_of, body_of, words_of, names_of, scales_of = {}, {}, {}, {}, {}
    for lang, other in ((first, second), (second, first)):
        with speaking(lang), naming(names if lang == "zh" else {}):
            context = context_of[lang] = told(make_context())
            words_of[lang] = {key: retell(text) for key, text in SCRIPT_WORDS.items()} | context.get("map_words", {})
            names_of[lang] = _other_names(shown)
            scales_of[lang] = amount_scales(lang)
            of_map = {
                # The outlines are there once: a script moves them along.
                "map": {k: shown[k] for k in _DRAWN & shown.keys() if lang == first or k not in _MAP_SHAPES},
                "basemap": shown.get("credit", ""),
                "projection": _name_projection(shown.get("projection", "")),
                "lang": lang,
                "other": {"lang": other, "name": _LANGUAGE_NAMES[other]},
            }
            # The template escapes what it fills in.
            body_of[lang] = Markup(environment.get_template(template).render({**context, **of_map}))  # noqa: S704
    data = {
        "name": name,
        "map": {k: v for k, v in shown.items() if k not in _MAP_SHAPES},
        "words": words_of,
        "names": names_of,
        "scales": scales_of,
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
    page = environment.get_template("page.html").render(
        lang=first,
        title=context_of[first]["title"],
        version=context_of[first]["version"],
        shown=body_of[first],
        hidden=body_of[second],
        other={"lang": second, "title": context_of[second]["title"]},
        policy=policy,
        style=Markup(style),  # noqa: S704
        scripts=[Markup(code) for code in codes],  # noqa: S704
        data=Markup(embed_json(data)),  # noqa: S704
    )
    # Names of data too, in the scripts as well as in what they read.
    return in_currency(page)


def _name_projection(method: str) -> str:
    """Name the projection of the map as maps do."""
    known = read_table("maps").get(f"projection.{method.lower().replace(' ', '_').replace('(', '').replace(')', '')}")
    name = method if known is None else known[current_language()]
    return say("{method} projection.", method=name) if name else say("Equal-area projection.")


def _other_names(drawn: Mapping[str, Any]) -> dict[str, str]:
    """Find what texts of a map are called in the language in force, where that is something else."""
    texts = [one["name"] for kind in ("regions", "classes", "hubs", "centers") for one in drawn.get(kind) or ()]
    texts += [text for leg in drawn.get("legs") or () for text in leg["ends"]]
    texts += [text for route in drawn.get("routes") or () for text in route["via"]]
    texts += [str(slice_.get(key) or "") for slice_ in drawn.get("slices") or () for key in ("label", "told")]
    texts += [one["name"] for one in (drawn.get("difference") or {}).get("categories", ())]
    return {text: other for text in dict.fromkeys(texts) if (other := retell(text)) != text}


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

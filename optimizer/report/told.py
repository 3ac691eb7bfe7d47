"""What a page shows, told in the language in force: texts of tables, charts and tiles that other rooms word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from optimizer.report.charts import Chart, Shape, Table
from optimizer.words.language import current_language
from optimizer.words.sentences import retell

_CHINESE, _LETTER = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[A-Za-z]")
# Of a chart, what is no text.
_KEPT = {"id", "colour", "tag", "height"}
_TOLD_ATTRIBUTES = ("data-tip", "aria-label")
# What users wrote, and keys with their values, stand on the page as they are; of tables, the headings are ours.
_AS_WRITTEN = {
    "about", "changes", "asked", "assumptions", "classes", "commands", "fans", "finished", "idle", "inputs", "missing",
    "sources", "version", "warnings",
}  # fmt: skip


def told(context: Mapping[str, Any]) -> dict[str, Any]:
    """Tell every text of a page again; ids, colours, numbers and what users wrote stay as they are."""
    if current_language() == "en":
        return dict(context)
    found = {name: _as_written(value) if name in _AS_WRITTEN else _told(value) for name, value in context.items()}
    return found | {"sections": [(section, retell(name)) for section, name in context["sections"]]}


def _as_written(value: Any) -> Any:
    return replace(value, columns=_told(value.columns)) if isinstance(value, Table) else value


def _told(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _told(content) for name, content in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_told(one) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return _told_fields(value)
    return _told_text(value) if isinstance(value, str) else value


def _told_text(text: str) -> str:
    """Tell a text again, line by line; nothing of one that is in Chinese already, or has no word in it."""
    if _CHINESE.search(text) or not _LETTER.search(text):
        return text
    return "\n".join(map(retell, text.split("\n")))


def _told_fields(value: Any) -> Any:
    if isinstance(value, Shape):
        attributes = {
            name: _told(content) if name in _TOLD_ATTRIBUTES else content for name, content in value.attributes.items()
        }
        return replace(value, attributes=attributes, text=_told(value.text))
    if isinstance(value, Chart):
        names = [field.name for field in fields(value) if field.name not in {*_KEPT, "legend"}]
        legend = {_told(name): colour for name, colour in value.legend.items()}
        return replace(value, legend=legend, **{name: _told(getattr(value, name)) for name in names})
    return replace(value, **{field.name: _told(getattr(value, field.name)) for field in fields(value)})

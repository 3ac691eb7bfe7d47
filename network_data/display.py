"""How an object shows itself: one line in a terminal, a small table in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from network_data.faults import escape_text


def short_text(kind: str, name: str, facts: Mapping[str, object]) -> str:
    """
    Write an object on one line.

    Parameters
    ----------
    kind, name
        Class and name of the object.
    facts
        What matters about it, by label.

    Examples
    --------
    >>> short_text("Run", "base", {"cost": "3.2 million CNY", "gap": "0.1 %"})
    '<Run base: cost 3.2 million CNY, gap 0.1 %>'
    """
    listed = ", ".join(f"{label} {value}" for label, value in facts.items())
    return escape_text(f"<{kind} {name}{': ' if listed else ''}{listed}>")


def short_html(kind: str, name: str, facts: Mapping[str, object]) -> str:
    """
    Write an object as a small HTML table in which every text is escaped.

    Parameters
    ----------
    kind, name
        Class and name of the object.
    facts
        What matters about it, by label.
    """

    def safe(value: object) -> str:
        return escape(escape_text(str(value)))

    rows = "".join(
        f'<tr><th style="text-align:left">{safe(label)}</th><td style="text-align:left">{safe(value)}</td></tr>'
        for label, value in facts.items()
    )
    return f"<table><caption><b>{safe(kind)} {safe(name)}</b></caption>{rows}</table>"

"""Help and usage errors in the language in force; in English they are as click writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from optimizer.words.columns import ljust, width_of, wrap
from optimizer.words.language import LANGS, current_language
from optimizer.words.tables import HELP, read_table

_EXTRA = "  ["  # click puts defaults behind a help text


class HelpFormatter(click.HelpFormatter):
    """The formatter of click; in Chinese it tells texts from the table of help, and counts wide characters."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of usage."""
        if current_language() == "en":
            super().write_usage(prog, args, prefix)
        else:
            for part in ("[OPTIONS]", "[COMMAND] [ARGS]..."):
                args = args.replace(part, told(part))
            super().write_usage(prog, args, told("Usage:"))

    def write_heading(self, heading: str) -> None:
        """Write the head of a section."""
        if current_language() == "en":
            super().write_heading(heading)
        else:
            self.write(f"{'':>{self.current_indent}}{told(heading)}\uff1a\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        if current_language() == "en":
            super().write_text(text)
            return
        indent = " " * self.current_indent
        paragraphs = [wrap(indent + told(part), self.width, indent) for part in text.split("\n\n")]
        self.write("\n\n".join("\n".join(lines) for lines in paragraphs) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write options or commands beside what they do."""
        if current_language() == "en":
            super().write_dl(rows, col_max, col_spacing)
            return
        listed = list(rows)
        start = min(max(width_of(first) for first, _ in listed), col_max) + col_spacing
        margin = " " * (self.current_indent + start)
        for first, second in listed:
            lines = wrap(_with_extra(second), self.width - len(margin), "")
            is_beside = width_of(first) <= start - col_spacing
            head = " " * self.current_indent + (ljust(first, start) if is_beside else f"{first}\n{margin}")
            self.write(head + f"\n{margin}".join(lines) + "\n")


class HelpContext(click.Context):
    """A context that writes its help with `HelpFormatter`."""

    formatter_class = HelpFormatter


def told(text: str) -> str:
    """Tell a paragraph of help in the language in force; what the table has not stays as it is."""
    row = None if current_language() == "en" else read_table(HELP).get(" ".join(text.split()))
    return text if row is None else row["zh"]


def language_of(arguments: Sequence[str]) -> str | None:
    """Find the language that a command line asks for, wherever it does; None where it does not."""
    found = None
    for at, text in enumerate(arguments):
        if text == "--":
            break
        name, is_given, value = text.partition("=")
        if name == "--lang":
            asked = value if is_given else "".join(arguments[at + 1 : at + 2])
            found = asked if asked in LANGS else found
    return found


def _with_extra(text: str) -> str:
    """Tell the help of an option, and what click puts behind it in brackets."""
    first, found, extra = text.rpartition(_EXTRA)
    if not found:
        return told(text)
    parts = []
    for part in extra.rstrip("]").split("; "):
        name, is_default, value = part.partition("default: ")
        parts.append(told("default: {value}").format(value=value) if is_default and not name else told(part))
    return f"{told(first)}  [{'; '.join(parts)}]"

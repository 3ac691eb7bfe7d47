"""Workbooks (.xlsx): a cover sheet with the key figures, one sheet a table, what the columns mean, sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from network_data.currency import in_currency
from optimizer.comparison.comparison import Comparison
from optimizer.exports.columns import Column, run_tables, sheet_column, texts_in_currency
from optimizer.exports.files import run_table
from optimizer.exports.layers import metadata_table
from optimizer.exports.office.brief import PERCENT, Brief, Figure, section_of
from optimizer.exports.office.cells import (
    HEAD,
    HEAD_COLOUR,
    WRAPPED,
    Pen,
    is_number,
    open_workbook,
    text_width,
)
from optimizer.exports.office.comparison_brief import comparison_brief
from optimizer.exports.office.run_brief import more_figures, rule_name, run_brief
from optimizer.exports.words import Words
from optimizer.runs.run import Run
from optimizer.words.fault_texts import retell_description
from optimizer.words.language import Lang

# A table of more rows is left to other formats: no one reads it in a spreadsheet, and it would make the file large.
MOST_ROWS = 50_000
_NARROWEST, _WIDEST, _WIDEST_TEXT, _MEASURED_ROWS = 9, 48, 100, 200
_WIDEST_PRINT = 220  # characters in a row of paper that can still be read
_LINE_PT = 15.0
_FINE_FORMATS = ((1_000.0, "#,##0"), (10.0, "#,##0.0"), (1.0, "#,##0.00"))
_SHEET_COLUMNS = 16_384
# Columns of the cover: names, three numbers, units, remarks; and what they hold together.
_COVER_WIDTHS, _COVER_CHARS, _FACT_CHARS = (44, 16, 16, 16, 24, 60), 180, 135
_COVER_LAST, _COVER_NUMBERS, _UNIT = len(_COVER_WIDTHS) - 1, 3, 4
_SOURCE = "source."
_OF_RULES = (
    "is_feasible", "total_cny_per_year", "saving_cny_per_year", "saving_share", "unserved_share", "mean_rtt_ms",
    "full_cost_cny_per_year",
)  # fmt: skip


def write_run_workbook(run: Run, path: Path, lang: Lang, layer: str | None = None) -> None:
    """
    Write a run as a workbook.

    Parameters
    ----------
    path
        File to write.
    lang
        Language of the cover, the heads of Chinese sheets and the meanings of columns.
    layer
        The one table to write; None = all.

    Raises
    ------
    InputError
        If the run has no such table, or its folder is incomplete.
    """
    brief = run_brief(run, lang)
    tables = {layer: run_table(run, layer)} if layer else {n: run.tables[n] for n in run_tables() if n in run.tables}
    rows = {name: run_tables()[name].rows[lang] for name in tables}
    rules = None if layer else _rules_table(run, brief.words)
    with open_workbook(path, title=brief.title, made=brief.made) as pen:
        book = _Book(pen, brief.words, brief)
        book.facts(_run_facts(run, brief.words))
        book.figures([*brief.figures, *more_figures(run, brief.words)])
        if rules is not None:
            book.table(brief.words("book.rules"), "rules", rules, "")
        for name, table in tables.items():
            book.table(name, name, texts_in_currency(table, run.currency), rows[name])
        book.column_sheet()
        book.source_sheet(metadata_table(run))
        book.finish()


def write_comparison_workbook(found: Comparison, path: Path, lang: Lang) -> None:
    """
    Write a comparison as a workbook: a sheet for each of its tables.

    Parameters
    ----------
    path
        File to write.
    lang
        As in `write_run_workbook`.
    """
    brief = comparison_brief(found, lang)
    with open_workbook(path, title=brief.title, made=brief.made) as pen:
        book = _Book(pen, brief.words, brief)
        book.facts(_comparison_facts(found, brief.words))
        book.figures(brief.figures)
        for name, table in found.tables().items():
            if len(table.columns):
                book.table(name, name, texts_in_currency(table, found.currency), "")
        book.column_sheet()
        book.finish()


class _Book:
    """A workbook with its cover, which is written last: it lists the sheets."""

    def __init__(self, pen: Pen, words: Words, brief: Brief) -> None:
        self._pen, self._words, self._brief = pen, words, brief
        _, self._cover = pen.add_sheet(words("book.overview"))
        self._facts: Mapping[str, object] = {}
        self._figures: list[Figure] = []
        self._listed: list[tuple[str, int, str, bool]] = []
        self._described: list[tuple[str, str, str, str]] = []

    def facts(self, facts: Mapping[str, object]) -> None:
        """Take what the content was made from, for the cover."""
        self._facts = facts

    def figures(self, figures: Iterable[Figure]) -> None:
        """Take the key figures, for the cover."""
        self._figures = list(figures)

    def table(self, wanted: str, kind: str, table: pd.DataFrame, what: str) -> None:
        """
        Add a sheet with a table: units in the head, which stays in sight, a filter, formats that fit the numbers.

        Parameters
        ----------
        wanted
            Name of the sheet.
        kind
            Name under which the columns are described.
        what
            What there is a row for.
        """
        if len(table) > MOST_ROWS or len(table.columns) > _SHEET_COLUMNS:
            self._listed.append(
                (wanted, len(table), self._words("book.too_long", rows=f"{len(table):,}", name=wanted), False)
            )
            return
        pen, (name, sheet) = self._pen, self._pen.add_sheet(wanted)
        columns = [sheet_column(kind, str(column), self._words.lang) for column in table]
        heads = [self._head(str(column), about) for column, about in zip(table, columns, strict=True)]
        pen.rows(sheet, 0, [heads], **HEAD)
        printed = 0
        for at, (about, head) in enumerate(zip(columns, heads, strict=True)):
            width = _write_column(pen, sheet, at, table.iloc[:, at], about)
            width = max(width, *(text_width(line) for line in head.split("\n"))) + 3
            sheet.set_column(at, at, width)
            printed += width
            self._described.append((name, head.partition("\n")[0], about.unit, about.meaning or str(table.columns[at])))
        sheet.set_row(0, _LINE_PT * (1 + max((head.count("\n") for head in heads), default=0)) + 2.0)
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, max(len(table), 1), max(len(heads) - 1, 0))
        sheet.repeat_rows(0)
        if printed <= _WIDEST_PRINT:
            sheet.fit_to_pages(1, 0)
        else:
            sheet.repeat_columns(0)
        self._listed.append((name, len(table), what, True))

    def column_sheet(self) -> None:
        """Add a sheet that says what the columns of all tables mean."""
        keys = ("book.table", "book.column", "book.unit", "book.meaning")
        self._listing(self._words("book.columns"), keys, self._described)

    def source_sheet(self, metadata: pd.DataFrame) -> None:
        """Add a sheet with everything that is known of the run and its sources, a line of a page a row."""
        pairs = metadata.itertuples(index=False, name=None)
        rows = [
            (key, line) for key, value in pairs for line in (value.splitlines() if key.startswith(_SOURCE) else [value])
        ]
        self._listing(self._words("book.sources"), ("book.key", "book.text"), rows)

    def _listing(self, wanted: str, keys: tuple[str, ...], rows: Sequence[Sequence[str]]) -> None:
        """Add a sheet of texts under a head."""
        _, sheet = self._pen.add_sheet(wanted)
        heads = [self._words(key) for key in keys]
        self._pen.rows(sheet, 0, [heads], **HEAD)
        self._pen.rows(sheet, 1, rows, **WRAPPED)
        for at in range(len(heads)):
            longest = max(text_width(row[at]) for row in [heads, *rows])
            sheet.set_column(at, at, min(longest, _WIDEST_TEXT) + 2)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.fit_to_pages(1, 0)

    def _head(self, name: str, about: Column) -> str:
        chinese = self._words.lang == "zh" and about.meaning
        first = about.meaning if chinese else in_currency(name, self._words.currency)
        return f"{first}\n{about.unit}" if about.unit else first

    def finish(self) -> None:
        """Write the cover."""
        pen, sheet, words, brief = self._pen, self._cover, self._words, self._brief
        sheet.hide_gridlines(2)
        sheet.fit_to_pages(1, 0)
        for at, width in enumerate(_COVER_WIDTHS):
            sheet.set_column(at, at, width)
        lines = _Lines(pen, sheet)
        lines.heading(brief.title, 18)
        for text in (brief.eyebrow, brief.changes):
            lines.paragraph(text)
        for head, texts in (("brief.question_head", (brief.question,)), ("brief.answer_head", brief.answer)):
            lines.heading(words(head))
            for text in texts:
                lines.paragraph(text)
        lines.heading(words("brief.figures"))
        lines.figures(self._figures, words)
        for head, texts in (("brief.decides_head", brief.decides), ("brief.caveats_head", brief.caveats)):
            lines.heading(words(head))
            for text in texts:
                lines.paragraph(text)
        lines.heading(words("book.basis"))
        lines.facts(self._facts)
        lines.heading(words("book.sheets"))
        lines.sheets(self._listed, words)
        lines.paragraph(words("book.changed_note"))


class _Lines:
    """The lines of a cover, from above."""

    def __init__(self, pen: Pen, sheet: Any) -> None:
        self._pen, self._sheet, self._row = pen, sheet, 0

    def heading(self, text: str, size: int = 13) -> None:
        """Write a heading, below an empty row unless it is the first."""
        self._row += 1 if self._row else 0
        self._pen.write(self._sheet, self._row, 0, text, bold=True, font_size=size, font_color=HEAD_COLOUR)
        self._row += 1

    def paragraph(self, text: str) -> None:
        """Write a text across the columns."""
        if text:
            self._pen.wide(self._sheet, self._row, (0, _COVER_LAST), text, _COVER_CHARS)
            self._row += 1

    def figures(self, figures: Iterable[Figure], words: Words) -> None:
        """List key figures as numbers, with what is proved of them."""
        keys = ("book.figure", "book.value", "book.least", "book.most", "book.unit", "book.remark")
        for at, key in enumerate(keys):
            side = "right" if 0 < at <= _COVER_NUMBERS else "left"
            self._pen.write(
                self._sheet, self._row, at, words(key), bold=True, bottom=1, align=side, indent=int(at == _UNIT)
            )
        for figure in figures:
            self._row += 1
            digits = f".{'0' * figure.decimals}" if figure.decimals else ""
            shape = "0.0%" if figure.unit == PERCENT else f"#,##0{digits}"
            cells = (
                figure.label,
                figure.value,
                figure.least,
                figure.most,
                figure.unit.replace(PERCENT, ""),
                figure.note,
            )
            for at, value in enumerate(cells):
                look: dict[str, Any] = (
                    {"num_format": shape, "valign": "top"}
                    if is_number(value)
                    else WRAPPED | {"indent": int(at == _UNIT)}
                )
                self._pen.write(self._sheet, self._row, at, value, **look)
        self._row += 1

    def facts(self, facts: Mapping[str, object]) -> None:
        """List facts by name; empty ones are left out."""
        for name, value in facts.items():
            if value:
                self._pen.write(self._sheet, self._row, 0, name, **WRAPPED)
                self._pen.wide(self._sheet, self._row, (1, _COVER_LAST), value, _FACT_CHARS)
                self._row += 1

    def sheets(self, rows: Iterable[tuple[str, int, str, bool]], words: Words) -> None:
        """List the tables: name, number of rows, what there is a row for, and whether there is a sheet to go to."""
        for name, count, what, is_there in rows:
            if is_there:
                look = self._pen.look(font_color="#0563C1", underline=1, valign="top")
                place = name.replace("'", "''")
                self._sheet.write_url(self._row, 0, f"internal:'{place}'!A1", look, name)
                self._pen.write(self._sheet, self._row, 1, count, num_format="#,##0", valign="top")
                self._pen.write(self._sheet, self._row, 2, words("book.rows"), valign="top")
                self._pen.write(
                    self._sheet, self._row, 3, words("book.a_row_for", what=what) if what else None, valign="top"
                )
            else:
                self._pen.write(self._sheet, self._row, 0, name, **WRAPPED)
                self._pen.wide(self._sheet, self._row, (1, _COVER_LAST), what, _FACT_CHARS)
            self._row += 1


def _write_column(pen: Pen, sheet: Any, at: int, values: pd.Series, about: Column) -> int:
    """Write a column below its head; returns the characters that its first cells take."""
    shape = about.number_format or _format_of(values)
    look = {"num_format": shape} if shape else {}
    width = _NARROWEST
    for row, value in enumerate(values.tolist(), start=1):
        shown = pen.write(sheet, row, at, value, **(look if is_number(value) else {}))
        if row <= _MEASURED_ROWS:
            width = max(width, min(text_width(shown), _WIDEST))
    return width


def _format_of(values: pd.Series) -> str:
    """Choose a number format that shows about four digits of the largest number; none for texts."""
    types = pd.api.types
    if types.is_bool_dtype(values) or not types.is_numeric_dtype(values):
        return ""
    if types.is_integer_dtype(values):
        return "#,##0"
    numbers = np.abs(values.to_numpy(float))
    largest = float(np.max(numbers, initial=0.0, where=np.isfinite(numbers)))
    return next((shape for least, shape in _FINE_FORMATS if largest >= least), "0.0000")


def _rules_table(run: Run, words: Words) -> pd.DataFrame | None:
    """List the plan and the rules beside it, with their costs by component; None where there are no rules."""
    if not run.baselines:
        return None
    cost = run.cost_cny_per_year
    plan: dict[str, object] = {"name": words("brief.this_plan"), "is_feasible": True, "total_cny_per_year": cost}
    rows = [plan | _component_columns(run.summary)]
    for item in run.baselines:
        own = {key: item.get(key) for key in _OF_RULES}
        rows.append({"name": rule_name(item, words), **own, **_component_columns(item)})
    table = pd.DataFrame(rows)
    components = list(_component_columns(run.summary))
    return table[[*(str(name) for name in table if name not in components), *components]]


def _component_columns(plan: Mapping[str, Any]) -> dict[str, object]:
    """Name the cost of each component of a plan or a rule as the tables do."""
    return {f"{name}_cny_per_year": cny for name, cny in plan["component_cny_per_year"].items()}


def _run_facts(run: Run, words: Words) -> dict[str, object]:
    """List what a run was made from, and how its solve ended."""
    info, scenario, network = run.info, section_of(run.info, "scenario"), section_of(run.info, "network")
    return {
        words("book.scenario"): scenario.get("name"),
        words("book.description"): retell_description(str(scenario.get("description") or ""), words.lang),
        words("book.changes"): "\n".join(map(str, scenario.get("overrides") or ())),
        words("book.price_cases"): "\n".join(_names(scenario.get("price_cases") or ())),
        words("book.network"): network.get("name"),
        words("book.ended"): words.name_of("ended", str(run.termination)),
        words("book.finished"): info.get("finished_utc"),
        words("book.options"): _pairs(section_of(info, "options")),
        words("book.versions"): _pairs(section_of(info, "versions")),
    }


def _comparison_facts(found: Comparison, words: Words) -> dict[str, object]:
    """List what a comparison was asked, and the cases with what each changes."""
    cases = [
        f"{result.case.label}: {', '.join(result.case.overrides)}" if result.case.overrides else result.case.label
        for result in found.results.values()
    ]
    return {
        words("book.scenario"): found.name,
        words("book.changes"): "\n".join(map(str, found.head.get("overrides") or ())),
        words("book.reference"): found.reference,
        words("book.cases"): "\n".join(cases),
        words("book.asked"): _pairs(section_of(found.head, "asked")),
        words("book.versions"): _pairs(section_of(found.head, "versions")),
    }


def _names(items: Iterable[object]) -> Iterator[str]:
    return (str(item.get("name")) if isinstance(item, Mapping) else str(item) for item in items)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value not in (None, [], {}, False))

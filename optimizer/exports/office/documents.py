"""Documents of runs and comparisons by the ending of their file: workbooks, briefs, and the printed report."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from network_data.faults import Fault, InputError
from optimizer.comparison.comparison import Comparison, open_comparison
from optimizer.exports.office.brief import Brief
from optimizer.exports.office.options import PDF, WORKBOOK, DocumentKind, document_kind
from optimizer.maps.options import MapOptions
from optimizer.runs.run import Run, open_run
from optimizer.text.comparison import chosen_pairs
from optimizer.uncertainty.result import Uncertainty

# Module and function that write a brief, and the library that is an extra.
_WRITERS = {
    PDF: ("pdf", "write_brief_pdf", ""),
    ".docx": ("document", "write_brief_document", "python-docx"),
    ".pptx": ("slides", "write_brief_slides", "python-pptx"),
}
_MAP_PX = (2000, 1500)


def check_document(path: Path, wanted: str | None) -> None:
    """
    Refuse a document that cannot be made here, before anything is read.

    Raises
    ------
    InputError
        If a library or a browser is missing, or the options do not fit the file.
    """
    from optimizer.exports.office.browser import find_browser

    kind = document_kind(path, wanted)
    ending = path.suffix.lower()
    if kind == "report":
        find_browser()
    elif ending in _WRITERS:
        _writer_of(ending)


def write_run_document(
    run: Run,
    path: Path,
    options: MapOptions,
    kind: DocumentKind,
    layer: str | None = None,
    *,
    study: Uncertainty | None = None,
) -> None:
    """
    Write a run as the document that the ending of the path names.

    Parameters
    ----------
    options
        Language and outlines.
    kind
        What a PDF is.
    layer
        Of a workbook, the one table to write; None = all.
    study
        Of a report, the uncertainty of the scenario; None where it is not known.
    """
    if path.suffix == WORKBOOK:
        from optimizer.exports.office.workbook import write_run_workbook

        write_run_workbook(run, path, options.lang, layer)
    elif kind == "report":
        from optimizer.exports.office.browser import print_page
        from optimizer.maps.basemap import read_outlines
        from optimizer.report.run import build_report

        print_page(build_report(run, read_outlines(run, options), study), path)
    else:
        from optimizer.exports.office.run_brief import run_brief

        run.require_whole()
        drawn = _draw(run, replace(options, size_px=_MAP_PX), path)
        _writer_of(path.suffix)(run_brief(run, options.lang, map_png=drawn), path)


def write_comparison_document(folder: Path, path: Path, options: MapOptions, kind: DocumentKind) -> None:
    """Write a stored comparison as the document that the ending of the path names; parameters as for a run."""
    if kind == "report" and path.suffix == PDF:
        from optimizer.exports.office.browser import print_page
        from optimizer.report.comparison import build_comparison_report
        from optimizer.report.uncertainty import build_uncertainty_report
        from optimizer.uncertainty.result import is_uncertainty

        page = build_uncertainty_report(folder) if is_uncertainty(folder) else build_comparison_report(folder, options)
        print_page(page, path)
        return
    found = open_comparison(folder)
    if path.suffix == WORKBOOK:
        from optimizer.exports.office.workbook import write_comparison_workbook

        write_comparison_workbook(found, path, options.lang)
    else:
        from optimizer.exports.office.comparison_brief import comparison_brief

        _writer_of(path.suffix)(comparison_brief(found, options.lang, map_png=_draw_change(found, options, path)), path)


def _draw_change(found: Comparison, options: MapOptions, path: Path) -> bytes:
    """Draw what changes between the two cases that the brief explains first; nothing where no map can show it."""
    pair = next(iter(chosen_pairs(found)), None)
    folders = [found.results[case].folder for case in pair or () if case in found.results]
    runs = [open_run(folder) for folder in folders if folder is not None]
    if len(runs) != 2:  # noqa: PLR2004 - a pair
        return b""
    first, second = runs
    try:
        return _draw(second, replace(options, against=first, size_px=_MAP_PX), path)
    except InputError:
        return b""  # runs of two networks have no map in common; all else holds


def _draw(run: Run, options: MapOptions, path: Path) -> bytes:
    """Draw a map beside a draft, and read it."""
    from optimizer.drawing.sheet import print_figure
    from optimizer.maps.draw import draw_map

    target = path.with_name("map.png")
    print_figure(draw_map(run, options).figure, target)
    drawn = target.read_bytes()
    target.unlink()
    return drawn


def _writer_of(ending: str) -> Callable[[Brief, Path], None]:
    """
    Load what writes a brief.

    Raises
    ------
    InputError
        If its library is not installed.
    """
    module, function, library = _WRITERS[ending]
    try:
        write: Callable[[Brief, Path], None] = getattr(
            importlib.import_module(f"optimizer.exports.office.{module}"), function
        )
    except ModuleNotFoundError as error:
        remedy = "Install it: pip install 'edwc[office]'. Or write the brief as .pdf, which needs nothing more."
        fault = Fault(f"a brief as {ending}", None, None, None, f"needs {library}", remedy)
        raise InputError([fault], "the export") from error
    return write

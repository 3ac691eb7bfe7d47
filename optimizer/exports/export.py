"""Export a stored run: layers for geographic information systems, maps, reports, workbooks, briefs, other programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from network_data.faults import Fault, FaultList, InputError, quote_value, suggest
from optimizer.comparison.folder import COMPARISON_FILE
from optimizer.drawing.words import SUFFIXES
from optimizer.exports.columns import TABLE_SUFFIXES, run_tables
from optimizer.exports.files import (
    FLOWMAP,
    FOLDER_FORMATS,
    FORMATS,
    METADATA,
    gis_content,
    write_flowmap,
    write_folder,
    write_run_table,
)
from optimizer.exports.layers import LAYERS, SLICE_LAYERS, GisOptions
from optimizer.exports.office.documents import check_document, write_comparison_document, write_run_document
from optimizer.exports.office.options import BRIEF_SUFFIXES, DOCUMENT_SUFFIXES, DocumentKind, document_kind
from optimizer.exports.postgis import is_postgis_address
from optimizer.exports.programs import PROGRAMS
from optimizer.maps.options import MapOptions, check_credit, check_map_options
from optimizer.runs.folder import INFO_FILE, replace_when_done
from optimizer.runs.run import Run
from optimizer.uncertainty.result import Uncertainty, is_uncertainty, open_uncertainty
from optimizer.words.language import speaking

_DRAFT_PREFIX = ".edwc-export-"
_FLOWMAP_FILES = ("locations.csv", "flows.csv")
_ALL_LAYERS = GisOptions()
_DEFAULT_MAP = MapOptions(lang="en")


def export_run(
    run: Run,
    target: Path | str,
    *,
    gis: GisOptions = _ALL_LAYERS,
    maps: MapOptions | None = None,
    document: DocumentKind | None = None,
    uncertainty: Uncertainty | Path | str | None = None,
) -> Path:
    """
    Write a run in the format that the ending of the target names, or a folder of files in a given format.

    An older file or folder is replaced only when the new one is complete and on disk. The same run gives the same bytes
    with the same versions of the libraries.

    Parameters
    ----------
    run
        The run.
    target
        File to write: `.gpkg`, `.geojson` (all layers in one file), `.parquet`, `.fgb`, `.csv` (one layer each, to be
        named in `gis`), `.png` or `.svg` (drawn maps), `.html` (the report), `.xlsx` (all tables), `.pdf`, `.docx` or
        `.pptx` (a brief), `.graphml` (the graph with its loads), `.nc` (a PyPSA network of the data-center loads),
        `.mps` or `.lp` (the model). Or a folder, with `gis.folder_format`.
    gis
        Which layers or table to write.
    maps
        What a drawn map shows, and how; a workbook takes its language, a report and a brief its outlines too.
    document
        What a `.pdf` is: `brief` or `report`, which a browser prints; None = a report if its name ends in `report`.
    uncertainty
        What `edwc uncertainty` found of the scenario of the run, or its folder: the report has a section of it.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    InputError
        If the uncertainty is of another problem or the target no report, the ending is not known, the target cannot be
        replaced safely, the run is not complete, an option is out of
        range or does not fit the format, the basemap cannot be used, the run to compare with is of another network, or
        what the format needs is not installed.
    OSError
        If the file system refuses the write.
    """
    _refuse_database(target)
    path, maps = Path(target), maps or MapOptions()
    write = _choose_writer(path, gis, maps, document)
    if uncertainty is not None:
        write = _with_study(path, maps, document, uncertainty)
    if gis.folder_format:
        _check_folder(path, gis.folder_format)
    else:
        _check_file(path)
    run.require_places()
    # Through a link, what it points to is replaced, not the link.
    with speaking(maps.lang), replace_when_done(path.resolve(), draft_prefix=_DRAFT_PREFIX) as draft:
        write(run, draft)
    return path


def export_comparison(
    folder: Path | str,
    target: Path | str,
    *,
    gis: GisOptions = _ALL_LAYERS,
    maps: MapOptions | None = None,
    document: DocumentKind | None = None,
) -> Path:
    """
    Write a stored comparison as report, workbook or brief, or the report of an uncertainty.

    Parameters
    ----------
    folder
        Folder that `edwc compare --out` or `edwc uncertainty --out` wrote.
    target
        File to write: `.html`, `.xlsx`, `.pdf`, `.docx` or `.pptx`.
    gis
        Refused: a comparison has no layers.
    maps
        A workbook takes its language, a report and a brief its outlines too.
    document
        As in `export_run`.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    InputError
        As `export_run`.
    OSError
        If the file system refuses the write.
    """
    _refuse_database(target)
    path, maps = Path(target), maps or MapOptions()
    _check_comparison_export(Path(folder), path, gis)
    _check_map_options(path, maps)
    check_map_options(maps)
    check_document(path, document)
    _check_file(path)
    with speaking(maps.lang), replace_when_done(path.resolve(), draft_prefix=_DRAFT_PREFIX) as draft:
        if draft.suffix == ".html":
            _write_comparison(Path(folder), draft, options=maps)
        else:
            write_comparison_document(Path(folder), draft, maps, document_kind(path, document))
    return path


def is_comparison(folder: Path | str) -> bool:
    """Whether a folder is that of a comparison or an uncertainty, not of a run."""
    return (Path(folder) / COMPARISON_FILE).is_file() or is_uncertainty(folder)


def _refuse_database(target: Path | str) -> None:
    if is_postgis_address(target):
        remedy = "Use `edwc.export_to_postgis`."
        raise InputError([Fault("the target", None, None, None, "is a database", remedy)], "the export")


_Writer = Callable[[Run, Path], None]


def _choose_writer(path: Path, gis: GisOptions, maps: MapOptions, document: DocumentKind | None) -> _Writer:
    """Check that options and target fit each other, and choose the function that writes it."""
    faults = FaultList("the export")
    ending = path.suffix.lower()
    if ending not in SUFFIXES or gis.folder_format is not None:
        _check_map_options(path, maps)
    check_map_options(maps)
    check_document(path, document)
    if gis.folder_format is not None:
        return _choose_folder_writer(path, gis, faults)
    if ending in {*_DRAWN, *BRIEF_SUFFIXES, *PROGRAMS} and gis != _ALL_LAYERS:
        problem = f"a {'drawn map' if ending in SUFFIXES else f'{ending} file'} has no layers to choose from"
        faults.add(str(path), problem, "Leave out --layer and --per-slice.", value=ending)
        raise faults.error()
    if (draw := _DRAWN.get(ending)) is not None:
        return lambda run, draft: draw(run, draft, maps)
    if ending in PROGRAMS:
        return PROGRAMS[ending]
    if ending in DOCUMENT_SUFFIXES:
        kind = document_kind(path, document)
        return lambda run, draft: write_run_document(run, draft, maps, kind, gis.layer)
    if ending.removeprefix(".") not in FORMATS or not ending:
        known = [*(f".{name}" for name in FORMATS), *_DRAWN, *DOCUMENT_SUFFIXES, *PROGRAMS]
        remedy = (
            f"Use one of {', '.join(known)}, postgresql://..., or fill a folder: "
            f"--to FOLDER --format {'|'.join(FOLDER_FORMATS)}.{suggest(ending, known)}"
        )
        faults.add(str(path), "export format is not known", remedy, value=path.suffix or None)
        raise faults.error()
    if gis.layer is not None and _is_plain_table(gis.layer) and ending in TABLE_SUFFIXES:
        table = gis.layer
        return lambda run, draft: write_run_table(run, table, draft)
    write, holds_several = FORMATS[ending.removeprefix(".")]
    if not holds_several and gis.layer is None:
        also = f", or {', '.join(SLICE_LAYERS)}" if gis.per_slice else ""
        tables = f" Tables without places: {', '.join(filter(_is_plain_table, run_tables()))}."
        remedy = (
            f"Name it: --layer {'|'.join(LAYERS)}{also}. Or write a file for each: "
            f"--to FOLDER --format {ending.removeprefix('.')}.{tables if ending in TABLE_SUFFIXES else ''}"
        )
        faults.add(str(path), f"a {ending} file holds one layer", remedy)
        raise faults.error()
    return lambda run, draft: write(gis_content(run, gis.layer, per_slice=gis.per_slice), draft)


def _is_plain_table(name: str) -> bool:
    """Whether a run has a table of this name that is no layer: it has no places."""
    return name in run_tables() and not run_tables()[name].is_layer


def _choose_folder_writer(path: Path, gis: GisOptions, faults: FaultList) -> _Writer:
    name = str(gis.folder_format)
    if name not in FOLDER_FORMATS:
        remedy = f"Use one of {', '.join(FOLDER_FORMATS)}.{suggest(name, FOLDER_FORMATS)}"
        faults.add("--format", "is no format that fills a folder", remedy, value=name)
    if path.suffix.lower() in {*_DRAWN, *DOCUMENT_SUFFIXES, *PROGRAMS, *(f".{known}" for known in FORMATS)}:
        problem = "--format fills a folder, but this names a file"
        faults.add(str(path), problem, "Leave out --format, or name a folder.")
    if gis.layer is not None:
        faults.add("--layer", "--format writes all layers", f"Name a file: --to {gis.layer}.{name}.", value=gis.layer)
    faults.raise_if_any()

    def write(run: Run, draft: Path) -> None:
        content = gis_content(run, None, per_slice=gis.per_slice)
        if name == FLOWMAP:
            write_flowmap(run, content, draft)
        else:
            write_folder(content, name, draft)

    return write


def _check_comparison_export(folder: Path, path: Path, gis: GisOptions) -> None:
    """Refuse layers and maps: a comparison has none of its own."""
    known = (".html", *DOCUMENT_SUFFIXES)
    if path.suffix.lower() not in known or gis != _ALL_LAYERS:
        remedy = f"Name a file that ends in {', '.join(known)} and no layer or format, or a run folder of its cases."
        fault = Fault(str(folder), None, None, path.suffix, "a comparison has no such export", remedy)
        raise InputError([fault], "the export")


def _check_map_options(path: Path, maps: MapOptions) -> None:
    """Refuse options that only a drawn map has; outlines, colours, size and language are allowed with any format."""
    faults = FaultList("the map options")
    check_credit(maps, faults)
    faults.raise_if_any()
    anywhere = ("basemap", "basemap_credit", "size_px", "colour_by", "lang")
    if replace(maps, **{name: getattr(_DEFAULT_MAP, name) for name in anywhere}) != _DEFAULT_MAP:
        remedy = f"Name a file that ends in {' or '.join(SUFFIXES)}, or leave out --map and --against."
        raise InputError([Fault(str(path), None, None, path.suffix or None, "is no drawn map", remedy)], "the export")


def _check_file(path: Path) -> None:
    faults = FaultList("the export")
    if path.is_dir():
        faults.add(str(path), "export target is a folder", "Name a file.")
    elif not path.parent.is_dir():
        faults.add(str(path.parent), "folder does not exist", "Create it, or name another.")
    elif path.name in _files_of_run(path.parent):
        faults.add(str(path), "is part of the run itself", "Name another file.")
    # SQLite would play the old file's journal into the new one.
    for ending in ("-wal", "-journal"):
        journal = path.with_name(path.name + ending)
        if journal.exists():
            remedy = f"Close the program that wrote {quote_value(journal.name)}, or name another file."
            faults.add(str(path), "file is in use", remedy)
    faults.raise_if_any()


def _files_of_run(folder: Path) -> set[str]:
    """Names of the files of a run folder; none if the folder is not one."""
    try:
        files = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, TypeError, KeyError):
        files = {}
    return {INFO_FILE, *files} if (folder / INFO_FILE).exists() else set()


def _check_folder(path: Path, folder_format: str) -> None:
    """Refuse a folder that holds anything that no export wrote: the folder is replaced."""
    faults = FaultList("the export")
    ours = {f"{METADATA}.csv", *_FLOWMAP_FILES} | {
        f"{layer}.{name}" for layer in (*LAYERS, *SLICE_LAYERS) for name in FORMATS
    }
    if path.is_dir():
        foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in ours)
        if foreign:
            problem = f"holds {len(foreign)} file(s) that no export wrote, and a new one would remove them"
            faults.add(str(path), problem, "Name a new folder.", value=foreign[0])
    elif path.exists():
        faults.add(str(path), "is a file", f"Name a folder to fill with {folder_format} files.")
    elif not path.absolute().parent.is_dir():
        faults.add(str(path.parent), "folder does not exist", "Create it, or name another.")
    faults.raise_if_any()


def _write_figure(run: Run, path: Path, options: MapOptions) -> None:
    from optimizer.drawing.sheet import print_figure
    from optimizer.maps.draw import draw_map

    print_figure(draw_map(run, options).figure, path)


def _with_study(
    path: Path, maps: MapOptions, document: DocumentKind | None, uncertainty: Uncertainty | Path | str
) -> _Writer:
    """Choose the writer of a report with a section on the uncertainty of its scenario."""
    kind = document_kind(path, document)
    if path.suffix.lower() != ".html" and kind != "report":
        remedy = "Name a file that ends in .html or report.pdf, or leave out --uncertainty."
        raise InputError([Fault(str(path), None, None, path.suffix or None, "is no report", remedy)], "the export")
    study = uncertainty if isinstance(uncertainty, Uncertainty) else open_uncertainty(uncertainty)
    if kind == "report":
        return lambda run, draft: write_run_document(run, draft, maps, kind, study=study)
    return lambda run, draft: _write_html(run, draft, maps, study)


def _write_html(run: Run, path: Path, options: MapOptions, study: Uncertainty | None = None) -> None:
    from optimizer.maps.basemap import read_outlines
    from optimizer.report.run import build_report

    page = build_report(run, read_outlines(run, options), study)
    path.write_text(page, encoding="utf-8", newline="\n")


def _write_comparison(folder: Path, path: Path, options: MapOptions) -> None:
    from optimizer.report.comparison import build_comparison_report
    from optimizer.report.uncertainty import build_uncertainty_report

    page = build_uncertainty_report(folder) if is_uncertainty(folder) else build_comparison_report(folder, options)
    path.write_text(page, encoding="utf-8", newline="\n")


_DRAWN: dict[str, Callable[[Run, Path, MapOptions], None]] = {
    **dict.fromkeys(SUFFIXES, _write_figure),
    ".html": _write_html,
}

"""`edwc export`: its options, and what it writes and says."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from network_data.faults import escape_text
from optimizer.cli.options import (
    EdwcCommand,
    complete_file,
    complete_folder,
    find_scenario,
    overrides_option,
    scenario_changes,
)
from optimizer.cli.output import emit, emit_json, tell
from optimizer.exports.office.options import DOCUMENT_KINDS
from optimizer.maps.options import KINDS, MapNameWarning, MapOptions
from optimizer.words.language import current_language
from optimizer.words.sentences import retell, say

_MODEL_SUFFIXES = (".mps", ".lp")
_RUN_FILE = "run.json"


class _Size(click.ParamType[tuple[int, int]]):
    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        width, cross, height = str(value).lower().partition("x")
        if not (cross and width.isdecimal() and height.isdecimal()):
            self.fail(f"{value!r} is not a size such as 1600x1200", param, ctx)
        return int(width), int(height)


@click.command(cls=EdwcCommand, short_help="Write a stored run as layers, map, report, workbook or brief.")
@click.argument("run_folder", metavar="RUN", shell_complete=complete_folder)
@click.option(
    "--to", required=True, metavar="FILE|FOLDER|ADDRESS", shell_complete=complete_file,
    help="File to write (.gpkg, .geojson: all layers; .parquet, .fgb, .csv: one layer or table; .png, .svg: a map; "
    ".html: the report; .xlsx: all tables; .pdf, .docx, .pptx: a brief, report.pdf: the report; .graphml: the graph "
    "with its loads; .nc: data-center loads for PyPSA; .mps, .lp: the model), folder to fill, or "
    "postgresql://user@host/db?schema=NAME.",
)  # fmt: skip
@click.option(
    "--layer", metavar="LAYER",
    help="Write this layer alone: links, flows, flows_straight, demand_hubs, data_centers; or a table of the run, such "
    "as costs or shadow_prices.",
)  # fmt: skip
@click.option("--per-slice", is_flag=True, help="Add to each layer one by time slice, ..._by_slice.")
@click.option(
    "--format", "file_format", metavar="FORMAT",
    help="Fill the folder --to with a file for each layer: geojson, parquet, fgb, csv; or flowmap.",
)  # fmt: skip
@click.option(
    "--map", "kind", type=click.Choice(KINDS), default="allocation",
    help="What a .png or .svg shows: what runs where (allocation), how full the links are (links), what energy costs "
    "(price), or what it emits (carbon).",
)  # fmt: skip
@click.option(
    "--against", metavar="OTHER", shell_complete=complete_folder,
    help="Draw what changes from this run folder to RUN: .png or .svg.",
)  # fmt: skip
@click.option(
    "--as", "document", type=click.Choice(DOCUMENT_KINDS),
    help="What a .pdf is: a brief of two pages, or the report, printed by a browser of this machine (default: the "
    "report if the name of the file ends in report).",
)  # fmt: skip
@click.option(
    "--uncertainty", metavar="STUDY", shell_complete=complete_folder,
    help="Folder that `edwc uncertainty --out` wrote of the same scenario: the report says between what its headlines "
    "lie if the estimates vary.",
)  # fmt: skip
@click.option(
    "--basemap", default="run", metavar="run|none|FILE", shell_complete=complete_file,
    help="Outlines behind the map (default: the run's own, else those of the world).",
)  # fmt: skip
@click.option(
    "--basemap-credit", default="", metavar="TEXT",
    help="Whom to credit with the outlines of FILE, such as the review number of an approved map.",
)  # fmt: skip
@click.option("--colour-by", type=click.Choice(("region", "class")), default="region", help="What colours stand for.")
@click.option("--size", type=_Size(), default="1600x1200", help="Pixels (default 1600x1200).")
@overrides_option
def export(run_folder: str, to: str, *, overrides: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """
    Write a stored run as layers for QGIS or PostGIS, as a map, a report, a workbook, a brief, or for other programs.

    RUN is a folder that `edwc solve --out` wrote; for a report, a workbook or a brief also one of `edwc compare --out`,
    for a report one of `edwc uncertainty --out`, for a model also a scenario.
    """
    if Path(to).suffix.lower() in _MODEL_SUFFIXES and not (Path(run_folder) / _RUN_FILE).exists():
        return _export_model(run_folder, to, overrides, as_json=as_json)
    if overrides:
        raise click.UsageError("--set changes a scenario whose model is written, not a run.")
    from optimizer.exports.export import export_comparison, export_run, is_comparison
    from optimizer.exports.layers import GisOptions
    from optimizer.exports.postgis import export_to_postgis, is_postgis_address
    from optimizer.runs.run import open_run

    if options["uncertainty"] and (is_postgis_address(to) or is_comparison(run_folder)):
        raise click.UsageError("--uncertainty goes into the report of a run.")
    gis = GisOptions(options["layer"], options["per_slice"], options["file_format"])
    if is_postgis_address(to):
        report = export_to_postgis(open_run(run_folder), to, gis=gis)
        if not report.has_styles:
            tell(say("warning: this role may not write public.layer_styles: QGIS will show the layers without styles"))
        written = ", ".join(f"{name} {rows:,}" for name, rows in report.rows.items())
        text = say("wrote {file}", file=escape_text(report.address)) + "\n  " + say("rows: {counts}", counts=written)
        emit_json(vars(report)) if as_json else emit(text)
        return 0
    basemap = options["basemap"]
    maps = MapOptions(
        options["kind"],
        options["against"],
        current_language(),
        basemap if basemap in {"run", "none"} else Path(basemap),
        options["basemap_credit"],
        options["colour_by"],
        options["size"],
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MapNameWarning)
        if is_comparison(run_folder):
            path = export_comparison(run_folder, to, gis=gis, maps=maps, document=options["document"])
        else:
            study = options["uncertainty"]
            path = export_run(
                open_run(run_folder), to, gis=gis, maps=maps, document=options["document"], uncertainty=study
            )
    for warning in caught:
        if issubclass(warning.category, MapNameWarning):
            tell(say("warning: {text}", text=escape_text(retell(str(warning.message)))))
        else:
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
    emit_json({"file": str(path)}) if as_json else emit(say("wrote {file}", file=escape_text(str(path))))
    return 0


def _export_model(scenario: str, to: str, overrides: tuple[str, ...], *, as_json: bool) -> int:
    from optimizer.api.problems import build_problem
    from optimizer.exports.programs import export_model

    with scenario_changes(overrides) as changes:
        problem = build_problem(None, find_scenario(scenario), changes)
    path = export_model(problem, to)
    emit_json({"file": str(path)}) if as_json else emit(say("wrote {file}", file=escape_text(str(path))))
    return 0

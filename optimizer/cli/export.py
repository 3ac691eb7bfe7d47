"""`edwc export`: its options, and what it writes and says."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from network_data.faults import escape_text
from optimizer.cli.output import emit, emit_json, tell
from optimizer.drawing.words import LANGS
from optimizer.maps.options import KINDS, MapNameWarning, MapOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add the options of `edwc export`.

    Parameters
    ----------
    parser
        Parser of the command, which has the run folder already.
    """
    parser.add_argument(
        "--to", required=True, metavar="FILE|FOLDER|ADDRESS",
        help="file to write (.gpkg, .geojson: all layers; .parquet, .fgb, .csv: one; .png, .svg: a map; .html: the "
        "report), folder to fill, or postgresql://user@host/db?schema=NAME",
    )  # fmt: skip
    parser.add_argument(
        "--layer", help="write this layer alone: links, flows, flows_straight, demand_hubs, data_centers"
    )
    parser.add_argument("--per-slice", action="store_true", help="add to each layer one by time slice, ..._by_slice")
    parser.add_argument(
        "--format", metavar="FORMAT",
        help="fill the folder --to with a file for each layer: geojson, parquet, fgb, csv; or flowmap",
    )  # fmt: skip
    parser.add_argument(
        "--map", choices=KINDS, default="allocation",
        help="what a .png or .svg shows: what runs where (allocation), how full the links are (links), what energy "
        "costs (price), or what it emits (carbon)",
    )  # fmt: skip
    parser.add_argument(
        "--against", metavar="OTHER", help="draw what changes from this run folder to the first: .png or .svg"
    )
    parser.add_argument("--lang", choices=LANGS, default="en", help="language of a .png or .svg map")
    parser.add_argument(
        "--basemap", default="run", metavar="run|none|FILE", help="outlines behind the map (default: the run's own)"
    )
    parser.add_argument("--colour-by", choices=("region", "class"), default="region", help="what colours stand for")
    parser.add_argument("--size", type=_size, default=(1600, 1200), metavar="WxH", help="pixels (default 1600x1200)")


def run(arguments: argparse.Namespace) -> int:
    """
    Write what the options ask for, and say so.

    Parameters
    ----------
    arguments
        As parsed.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    InputError
        If it cannot be written, see `optimizer.export_run` and `optimizer.export_to_postgis`.
    """
    import optimizer
    from optimizer.exports.export import is_comparison
    from optimizer.exports.layers import GisOptions
    from optimizer.exports.postgis import is_postgis_address

    gis = GisOptions(arguments.layer, arguments.per_slice, arguments.format)
    if is_postgis_address(arguments.to):
        report = optimizer.export_to_postgis(optimizer.open_run(arguments.run_folder), arguments.to, gis=gis)
        if not report.has_styles:
            tell("warning: this role may not write public.layer_styles: QGIS will show the layers without styles")
        written = ", ".join(f"{name} {rows:,}" for name, rows in report.rows.items())
        text = f"wrote {escape_text(report.address)}\n  rows: {written}"
        emit_json(vars(report)) if arguments.json else emit(text)
        return 0
    basemap = arguments.basemap if arguments.basemap in {"run", "none"} else Path(arguments.basemap)
    maps = MapOptions(arguments.map, arguments.against, arguments.lang, basemap, arguments.colour_by, arguments.size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MapNameWarning)
        if is_comparison(arguments.run_folder):
            path = optimizer.export_comparison(arguments.run_folder, arguments.to, gis=gis, maps=maps)
        else:
            path = optimizer.export_run(optimizer.open_run(arguments.run_folder), arguments.to, gis=gis, maps=maps)
    for warning in caught:
        if issubclass(warning.category, MapNameWarning):
            tell(f"warning: {escape_text(str(warning.message))}")
        else:
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
    emit_json({"file": str(path)}) if arguments.json else emit(f"wrote {escape_text(str(path))}")
    return 0


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 1600x1200")
    return int(width), int(height)

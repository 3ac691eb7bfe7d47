"""Export a stored run: GeoPackage with QGIS styles, GeoJSON, or a map as PNG or SVG. The suffix chooses."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import shapely
from shapely.geometry import mapping

from network_data.faults import Fault, InputError, quote_value, suggest
from optimizer.geo import RunTables, layers_of, read_run

BasemapChoice = Path | Literal["run", "none"]

# A fixed date in the file's own records: the same run gives the same bytes.
_GPKG_DATE = "2000-01-01T00:00:00.000Z"
_COORDINATE_DECIMALS = 6


@dataclass(frozen=True)
class _MapOptions:
    basemap: BasemapChoice
    colour_by: Literal["region", "class"]
    size_px: tuple[int, int]


def export_run(
    run_folder: Path | str,
    target: Path | str,
    *,
    basemap: BasemapChoice = "run",
    colour_by: Literal["region", "class"] = "region",
    size_px: tuple[int, int] = (1600, 1200),
) -> Path:
    """
    Write a run in the format that the target's suffix names.

    The file is written beside the target and takes its name only when it is complete and on disk; an older
    file stays as it is until then. The same run gives the same bytes with the same versions of the libraries.

    Parameters
    ----------
    run_folder
        Folder of a run.
    target
        File to write: `.gpkg`, `.geojson`, `.png` or `.svg`.
    basemap
        Outlines behind the drawn map: those of the run's network, `none`, or a vector file of your own.
    colour_by
        Colour the drawn flows by the data center's region or by workload class.
    size_px
        Width and height of the drawn map; for SVG, its proportions.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    InputError
        If the suffix is not known, the target cannot be replaced safely, the run folder is not complete, an
        option is out of range or the basemap cannot be used.
    OSError
        If the file system refuses the write.
    """
    path = Path(target)
    writer = _choose_writer(path)
    _check_target(path)
    run = read_run(run_folder)
    options = _MapOptions(basemap, colour_by, size_px)
    with tempfile.TemporaryDirectory(prefix=".edwc-export-", dir=path.parent) as folder:
        # The name stays the same, since some writers put it into the file.
        draft = Path(folder) / f"allocation{path.suffix.lower()}"
        writer(run, draft, options)
        _sync(draft)
        draft.replace(path)
    _sync(path.parent)
    return path


def _choose_writer(path: Path) -> Callable[[RunTables, Path, _MapOptions], None]:
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        hint = suggest(path.suffix.lower(), _WRITERS)
        remedy = f"Use one of {', '.join(_WRITERS)}.{hint}"
        raise InputError(
            [Fault(str(path), None, None, path.suffix, "export format is not known", remedy)], "the export"
        )
    return writer


def _check_target(path: Path) -> None:
    if path.is_dir():
        fault = Fault(str(path), None, None, None, "export target is a folder", "Name a file.")
        raise InputError([fault], "the export")
    if not path.parent.is_dir():
        fault = Fault(str(path.parent), None, None, None, "folder does not exist", "Create it, or name another.")
        raise InputError([fault], "the export")
    # SQLite would play the old file's journal into the new one.
    for ending in ("-wal", "-journal"):
        journal = path.with_name(path.name + ending)
        if journal.exists():
            remedy = f"Close the program that wrote {quote_value(journal.name)}, or name another file."
            raise InputError([Fault(str(path), None, None, None, "file is in use", remedy)], "the export")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_gpkg(run: RunTables, path: Path, _options: _MapOptions) -> None:
    import pyogrio

    from optimizer.map_qgis import layer_styles
    from optimizer.map_style import region_colours

    layers = layers_of(run)
    styles = layer_styles(layers, region_colours(run.data_centers, run.demand_hubs))
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _GPKG_DATE})
    try:
        # Written in drawing order: QGIS puts the last layer on top.
        for name in styles:
            pyogrio.write_dataframe(
                _storable(layers[name]),
                path,
                layer=name,
                driver="GPKG",
                append=path.exists(),
                layer_options={"FID": "fid", "GEOMETRY_NAME": "geom"},
            )
        table = _style_table(styles)
        pyogrio.write_dataframe(
            table, path, layer="layer_styles", driver="GPKG", append=True, layer_options={"FID": "id"}
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _storable(layer: Any) -> Any:
    """Leave out columns without a single value: they have no type that a file could keep."""
    return layer.drop(columns=[name for name in layer.columns if name != "geometry" and layer[name].isna().all()])


def _style_table(styles: dict[str, str]) -> pd.DataFrame:
    """Build the table in which QGIS looks for a layer's default style, sorted by update_time."""
    rows = [
        {
            "f_table_catalog": "",
            "f_table_schema": "",
            "f_table_name": name,
            "f_geometry_column": "geom",
            "styleName": name,
            "styleQML": qml,
            "styleSLD": "",
            "useAsDefault": True,
            "description": "Allocation of inference, as in the drawn map",
            "owner": "",
            "update_time": pd.Timestamp(_GPKG_DATE),
        }
        for name, qml in styles.items()
    ]
    return pd.DataFrame(rows)


def _write_geojson(run: RunTables, path: Path, _options: _MapOptions) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write('{"type": "FeatureCollection", "features": [\n')
        for i, feature in enumerate(_features(run)):
            text = json.dumps(feature, ensure_ascii=False, allow_nan=False)
            stream.write((",\n" if i else "") + text)
        stream.write("\n]}\n")


def _features(run: RunTables) -> Iterator[dict[str, Any]]:
    """Give every row of every layer as a feature (RFC 7946: longitude first, WGS 84, no crs member)."""
    for name, layer in layers_of(run).items():
        columns = [column for column in layer.columns if column != "geometry"]
        for row, geometry in zip(layer[columns].to_dict("records"), layer.geometry, strict=True):
            properties = {"layer": name, **{column: _json_value(value) for column, value in row.items()}}
            yield {"type": "Feature", "geometry": _json_geometry(geometry), "properties": properties}


def _json_geometry(geometry: Any) -> Any:
    if geometry is None:
        return None
    rounded = shapely.transform(geometry, lambda xy: np.round(xy, _COORDINATE_DECIMALS))
    return mapping(rounded)


def _json_value(value: Any) -> Any:
    """Turn a cell into what JSON knows; a missing or infinite number has no spelling there: null."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool) else str(value)


def _write_png(run: RunTables, path: Path, options: _MapOptions) -> None:
    from optimizer.maps import draw_allocation_map
    from optimizer.picture import print_png

    drawn = draw_allocation_map(
        run, basemap=_basemap_file(run, options.basemap), colour_by=options.colour_by, size_px=options.size_px
    )
    print_png(drawn.figure, path)


def _write_svg(run: RunTables, path: Path, options: _MapOptions) -> None:
    from optimizer.maps import draw_allocation_map
    from optimizer.picture import print_svg

    drawn = draw_allocation_map(
        run, basemap=_basemap_file(run, options.basemap), colour_by=options.colour_by, size_px=options.size_px
    )
    print_svg(drawn.figure, path)


def _basemap_file(run: RunTables, choice: BasemapChoice) -> Path | None:
    if choice == "none":
        return None
    if choice != "run":
        return Path(choice)
    network = run.info.get("network")
    stored = network.get("basemap") if isinstance(network, dict) else None
    if not stored:
        return None
    # A run may have moved; its own folder is where a relative path starts.
    return run.folder / Path(stored)


_WRITERS: dict[str, Callable[[RunTables, Path, _MapOptions], None]] = {
    ".gpkg": _write_gpkg,
    ".geojson": _write_geojson,
    ".png": _write_png,
    ".svg": _write_svg,
}

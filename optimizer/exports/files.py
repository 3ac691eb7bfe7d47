"""Layers as files: GeoPackage with styles, GeoJSON, GeoParquet, FlatGeobuf, CSV, and the two tables of a flow map."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from shapely.geometry import mapping

from network_data.currency import in_currency
from network_data.faults import Fault, InputError
from optimizer.drawing.colours import assign_colours
from optimizer.exports.columns import run_tables, texts_in_currency
from optimizer.exports.layers import choose_layers, metadata_json, metadata_table
from optimizer.exports.qgis import layer_styles
from optimizer.runs.folder import json_ready, write_csv_table
from optimizer.runs.run import Run

_GEOPARQUET_VERSION = "1.1.0"

METADATA = "metadata"

# A fixed date in the file's own records: the same run gives the same bytes.
STYLE_DATE = "2000-01-01T00:00:00.000Z"
_COORDINATE_DECIMALS = 6
_FULL_BELOW_BYTES = 16 << 20


@dataclass(frozen=True, eq=False)
class GisContent:
    """What an export writes, the same in each format."""

    layers: dict[str, Any]  # GeoDataFrames by name, in drawing order
    styles: dict[str, str]  # QGIS style (QML) of each
    metadata: pd.DataFrame  # See `layers.metadata_table`


def gis_content(run: Run, layer: str | None, *, per_slice: bool) -> GisContent:
    """
    Build what an export writes.

    Parameters
    ----------
    layer
        The one layer to write; None = all.

    Raises
    ------
    InputError
        If there is no such layer, or the run has no tables by time slice.
    """
    layers = {
        name: _storable(
            texts_in_currency(table, run.currency).rename(columns=lambda name: in_currency(name, run.currency))
        )
        for name, table in choose_layers(run, layer, per_slice=per_slice).items()
    }
    return GisContent(layers, layer_styles(layers, assign_colours(run.regions)), metadata_table(run))


def _storable(layer: Any) -> Any:
    """Leave out columns without a single value: they have no type that a file could keep."""
    empty = [name for name in layer.columns if name != "geometry" and len(layer) and layer[name].isna().all()]
    return layer.drop(columns=empty)


def _write_gpkg(content: GisContent, path: Path) -> None:
    """Write all layers into one GeoPackage, with `layer_styles`, where QGIS looks, and `metadata`."""
    import pyogrio

    # The whole file is put on disk once it is complete; a sync after each table only costs time.
    options = {"OGR_CURRENT_DATE": STYLE_DATE, "OGR_SQLITE_SYNCHRONOUS": "OFF"}
    before = {name: pyogrio.get_gdal_config_option(name) for name in options}
    pyogrio.set_gdal_config_options(options)
    tables = {METADATA: (content.metadata, "fid"), "layer_styles": (_style_table(content.styles), "id")}
    try:
        for name, layer in content.layers.items():
            names = {"FID": "fid", "GEOMETRY_NAME": "geom"}
            # GeoPackage knows times in UTC only; QGIS compares them as texts and needs the Z at their end.
            timed = layer.assign(**{time: layer[time].dt.tz_localize("UTC") for time in _times(layer)})
            pyogrio.write_dataframe(timed, path, layer=name, driver="GPKG", append=path.exists(), layer_options=names)
        # Without a geometry, GDAL registers a table in gpkg_contents as `attributes`.
        for name, (table, key) in tables.items():
            pyogrio.write_dataframe(table, path, layer=name, driver="GPKG", append=True, layer_options={"FID": key})
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise _refused_by_gdal(error, path) from error
    finally:
        pyogrio.set_gdal_config_options(before)


def _refused_by_gdal(error: Exception, path: Path) -> OSError:
    """Say what the operating system says where GDAL only says that a transaction failed."""
    # What did not fit is rolled back: a little of a full disk is free again by now.
    if "full" in str(error) or shutil.disk_usage(path.parent).free < _FULL_BELOW_BYTES:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    return OSError(errno.EIO, f"could not be written ({' '.join(str(error).split())})", str(path))


def _style_table(styles: dict[str, str]) -> pd.DataFrame:
    """Build the table in which QGIS looks for the default style of a layer."""
    names = list(styles)
    return pd.DataFrame(
        {
            "f_table_catalog": "",
            "f_table_schema": "",
            "f_table_name": names,
            "f_geometry_column": "geom",
            "styleName": names,
            "styleQML": list(styles.values()),
            "styleSLD": "",
            "useAsDefault": True,
            "description": "Allocation of inference, as in the drawn map",
            "owner": "",
            "update_time": pd.Timestamp(STYLE_DATE),
        }
    )


def _write_geojson(content: GisContent, path: Path) -> None:
    """
    Write one FeatureCollection (RFC 7946): longitude first, WGS 84, no crs member; `metadata` as a foreign member.

    Several layers share it and each feature says in `layer` which it belongs to.
    """
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(f'{{"type": "FeatureCollection", "metadata": {metadata_json(content.metadata)}, "features": [\n')
        for i, feature in enumerate(_features(content.layers)):
            text = json.dumps(feature, ensure_ascii=False, allow_nan=False)
            stream.write((",\n" if i else "") + text)
        stream.write("\n]}\n")


def _features(layers: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, layer in layers.items():
        label = {"layer": name} if len(layers) > 1 else {}
        columns = [column for column in layer.columns if column != "geometry"]
        rounded = shapely.transform(layer.geometry.to_numpy(), lambda xy: np.round(xy, _COORDINATE_DECIMALS))
        for row, geometry in zip(layer[columns].to_dict("records"), rounded, strict=True):
            properties = label | {column: _json_value(value) for column, value in row.items()}
            place = None if geometry is None else mapping(geometry)
            yield {"type": "Feature", "geometry": place, "properties": properties}


def _json_value(value: Any) -> Any:
    """Turn a cell into a JSON value; a missing or infinite number becomes null."""
    if value is pd.NaT or value is pd.NA:
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else json_ready(value)


def _write_parquet(content: GisContent, path: Path) -> None:
    """Write one layer as GeoParquet, with the box of each row, and the metadata under the key `edwc`."""
    import pyarrow.parquet as pq

    (layer,) = content.layers.values()
    layer.to_parquet(path, index=False, schema_version=_GEOPARQUET_VERSION, write_covering_bbox=True)
    table = pq.read_table(path)
    described = table.replace_schema_metadata({**table.schema.metadata, b"edwc": metadata_json(content.metadata)})
    pq.write_table(described, path)


def _write_flatgeobuf(content: GisContent, path: Path) -> None:
    """Write one layer as FlatGeobuf, with the metadata as its description."""
    import pyogrio

    ((name, layer),) = content.layers.items()
    # Its spatial index holds no row without a place, such as a flow that stays where it arises, and sorts the others.
    options = {"SPATIAL_INDEX": "NO", "TITLE": name, "DESCRIPTION": metadata_json(content.metadata)}
    # By way of the memory: of a full disk, GDAL notices some writes that it refuses, and not others.
    content_of_file = io.BytesIO()
    pyogrio.write_dataframe(layer, content_of_file, layer=name, driver="FlatGeobuf", layer_options=options)
    path.write_bytes(content_of_file.getvalue())


def _write_csv(content: GisContent, path: Path) -> None:
    """Write one layer as CSV, its geometry as WKT (WGS 84, longitude first); formulas are marked as text."""
    (layer,) = content.layers.values()
    texts = [None if geometry is None else geometry.wkt for geometry in layer.geometry]
    # GDAL and QGIS take a column named WKT for the geometry.
    table = pd.DataFrame({"WKT": texts} | {name: layer[name] for name in layer.columns if name != "geometry"})
    _write_table(table, path)


def _times(table: Any) -> list[str]:
    return [name for name in table.columns if pd.api.types.is_datetime64_any_dtype(table[name])]


def _write_table(table: pd.DataFrame, path: Path) -> None:
    times = {name: table[name].map(pd.Timestamp.isoformat) for name in _times(table)}
    write_csv_table(table.assign(**times), path)


# By name, which is also the ending: what writes one file, and whether that file holds several layers.
FORMATS: dict[str, tuple[Callable[[GisContent, Path], None], bool]] = {
    "gpkg": (_write_gpkg, True),
    "geojson": (_write_geojson, True),
    "parquet": (_write_parquet, False),
    "fgb": (_write_flatgeobuf, False),
    "csv": (_write_csv, False),
}
FLOWMAP = "flowmap"

# Formats that fill a folder with a file for each layer; a flow map is always a folder of two tables.
FOLDER_FORMATS = ("geojson", "parquet", "fgb", "csv", FLOWMAP)


def write_folder(content: GisContent, name: str, folder: Path) -> None:
    """
    Write a file for each layer, and `metadata.csv`.

    Parameters
    ----------
    name
        One of `FOLDER_FORMATS`, but not a flow map.
    """
    folder.mkdir()
    write, _ = FORMATS[name]
    for layer, table in content.layers.items():
        write(GisContent({layer: table}, {}, content.metadata), folder / f"{layer}.{name}")
    _write_table(content.metadata, folder / f"{METADATA}.csv")


def write_run_table(run: Run, name: str, path: Path) -> None:
    """
    Write a table of a run that has no places, as it is stored: `.csv` or `.parquet`.

    Raises
    ------
    InputError
        If the run has no such table.
    """
    table = run_table(run, name)
    if path.suffix == ".csv":
        _write_table(table, path)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    stored = pa.Table.from_pandas(table, preserve_index=False)
    described = {**(stored.schema.metadata or {}), b"edwc": metadata_json(metadata_table(run))}
    pq.write_table(stored.replace_schema_metadata(described), path)


def run_table(run: Run, name: str) -> pd.DataFrame:
    """
    Read a table of a run.

    Raises
    ------
    InputError
        If the run has none of this name, or it cannot be read.
    """
    table = run.tables.get(name)
    if table is None:
        known = [known for known in run_tables() if known in run.tables]
        remedy = f"It has {', '.join(known)}."
        raise InputError(
            [Fault("--layer", None, None, name, "is a table that this run does not have", remedy)], "the export"
        )
    return table


def write_flowmap(run: Run, content: GisContent, folder: Path) -> None:
    """
    Write `locations.csv` and `flows.csv` as flow map programs read them, and `metadata.csv`.

    Flows are counted in million tokens a year; with layers by time slice, in million tokens an hour, at a `time`.
    """
    folder.mkdir()
    by_slice = content.layers.get("flows_straight_by_slice")
    flows = content.layers["flows_straight"] if by_slice is None else by_slice
    centers = run.data_centers.index
    # A demand hub and a data center of one id are two places here: the data center gets a name that no id can have.
    taken = {center: f"data_center/{center}" for center in centers.intersection(run.demand_hubs.index)}
    places = pd.concat([run.demand_hubs, run.data_centers.rename(index=taken)])
    columns = {"name": "name", "latitude_deg": "lat", "longitude_deg": "lon"}
    locations = places[list(columns)].rename(columns=columns).rename_axis("id").reset_index()
    unit = "mtok_per_year" if by_slice is None else "mtok_per_h"
    table = pd.DataFrame({"origin": flows["demand_hub"], "dest": flows["data_center"].replace(taken)})
    table["count"] = flows[unit]
    if by_slice is not None:
        table["time"] = flows["slice_begin"]
    # kepler.gl draws an arc between the first two pairs of columns that end like these.
    for end, ids in (("origin", table["origin"]), ("dest", table["dest"])):
        for column, ending in (("latitude_deg", "lat"), ("longitude_deg", "lng")):
            table[f"{end}_{ending}"] = places[column].reindex(ids).to_numpy()
    _write_table(locations, folder / "locations.csv")
    _write_table(table, folder / "flows.csv")
    metadata = pd.concat([content.metadata, pd.DataFrame({"key": ["flows.count"], "value": [unit]})])
    _write_table(metadata, folder / f"{METADATA}.csv")

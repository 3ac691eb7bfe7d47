"""Exports are real files: each is read back by a reader that had no part in writing it."""

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from matplotlib.image import imread
from run_files import HOSTILE_NAMES, ROUTES, write_outline, write_run

from network_data.faults import InputError
from optimizer.exports import export
from optimizer.exports.export import export_run
from optimizer.exports.layers import GisOptions, allocation_layers
from optimizer.maps.options import MapNameWarning, MapOptions
from optimizer.runs.places import line_between
from optimizer.runs.run import open_run

SMALL = MapOptions(size_px=(800, 600))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("hostile"), names=HOSTILE_NAMES)


# GeoPackage and GeoJSON


def test_layers_hold_the_worked_volumes(run_folder: Path) -> None:
    layers = allocation_layers(open_run(run_folder))
    flows = layers["flows"].set_index("route")
    assert flows.index.tolist() == sorted(ROUTES)  # both routes from alfa to dc_echo stay apart
    assert flows.loc[4, "mtok_per_year"] == pytest.approx(250.0 * 8760)
    assert flows.loc[4, "token_share"] == pytest.approx(250.0 / 510.0)
    assert flows.loc[4, "classes"] == "batch,chat"
    assert flows.loc[4, "rtt_ms"] == pytest.approx(14.0)
    assert flows["token_share"].sum() == pytest.approx(1.0)
    # dc_delta stands 0.4 degrees north of its node: the line ends at the data center itself.
    assert list(flows.geometry[4].coords) == [(120.0, 30.0), (113.0, 31.0), (106.0, 26.0), (106.0, 26.4)]
    assert flows["is_local"].tolist() == [True, False, False, False, False]
    assert flows.geometry[3] is None


def test_geopackage_reads_back_with_layers_crs_and_valid_geometry(run_folder: Path, tmp_path: Path) -> None:
    target = export_run(open_run(run_folder), tmp_path / "a.gpkg")
    assert {name for name, _ in pyogrio.list_layers(target)} == {
        "links", "flows", "flows_straight", "demand_hubs", "data_centers", "layer_styles", "metadata",
    }  # fmt: skip
    counts = {"links": 5, "flows": 5, "flows_straight": 4, "demand_hubs": 2, "data_centers": 4}
    expected = allocation_layers(open_run(run_folder))
    for name, count in counts.items():
        layer = gpd.read_file(target, layer=name)
        assert len(layer) == count
        assert layer.crs.to_epsg() == 4326
        assert layer.geometry.dropna().is_valid.all()
        assert layer["name_local" if name in {"demand_hubs", "data_centers"} else layer.columns[0]].notna().all()
        assert set(expected[name].columns) == set(layer.columns)


def test_styles_are_where_qgis_looks_and_fit_their_layers(run_folder: Path, tmp_path: Path) -> None:
    target = export_run(open_run(run_folder), tmp_path / "a.gpkg")
    styles = pyogrio.read_dataframe(target, layer="layer_styles")
    # QGIS 3.40 selects and sorts by these columns; without update_time it found no style at all.
    assert {"f_table_catalog", "f_table_schema", "useAsDefault", "update_time", "styleSLD"} <= set(styles.columns)
    assert (styles["f_table_schema"] == "").all()
    assert styles["useAsDefault"].all()
    assert styles["update_time"].notna().all()
    for row in styles.itertuples():
        layer = gpd.read_file(target, layer=row.f_table_name)
        assert row.f_geometry_column == "geom"
        document = ET.fromstring(row.styleQML)  # noqa: S314 - our own output
        renderer = document.find("renderer-v2")
        assert renderer is not None
        if (column := renderer.get("attr")) is not None:
            values = {category.get("value") for category in renderer.iter("category")}
            assert set(layer[column]) <= values
        for option in renderer.iter("Option"):
            if option.get("name") == "expression":
                used = (option.get("value") or "").split('"')[1::2]
                assert used
                assert set(used) <= set(layer.columns)


def test_geojson_is_one_collection_in_wgs84(run_folder: Path, tmp_path: Path) -> None:
    document = json.loads(export_run(open_run(run_folder), tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert set(document) == {"type", "metadata", "features"}  # metadata is a foreign member; no crs
    assert document["type"] == "FeatureCollection"
    layers = [feature["properties"]["layer"] for feature in document["features"]]
    assert {name: layers.count(name) for name in set(layers)} == {
        "links": 5, "flows": 5, "flows_straight": 4, "demand_hubs": 2, "data_centers": 4,
    }  # fmt: skip
    for feature in document["features"]:
        assert set(feature) == {"type", "geometry", "properties"}
        if feature["geometry"] is None:
            assert feature["properties"]["is_local"] is True
            continue
        for longitude, latitude in shapely.get_coordinates(shapely.geometry.shape(feature["geometry"])):
            assert 100 < longitude < 125
            assert 20 < latitude < 45
    assert len(gpd.read_file(tmp_path / "a.geojson")) == 20


def test_lines_are_cut_at_the_antimeridian() -> None:
    line = line_between([(170.0, 10.0), (-170.0, 30.0), (-160.0, 30.0)])
    parts = [list(part.coords) for part in shapely.get_parts(line)]
    assert parts == [[(170.0, 10.0), (180.0, 20.0)], [(-180.0, 20.0), (-170.0, 30.0), (-160.0, 30.0)]]
    assert shapely.get_type_id(line_between([(180.0, 0.0), (-170.0, 0.0)])) == shapely.GeometryType.LINESTRING
    assert line_between([(5.0, 5.0), (5.0, 5.0)]) is None


@pytest.mark.parametrize(("size_px", "colour_by"), [((800, 600), "region"), ((600, 700), "class")])
def test_png_has_the_size_asked_for_and_ink(
    run_folder: Path, tmp_path: Path, size_px: tuple[int, int], colour_by: Any
) -> None:
    outline = write_outline(tmp_path / "map.geojson")
    target = export_run(
        open_run(run_folder),
        tmp_path / "a.png",
        maps=MapOptions(basemap=outline, size_px=size_px, colour_by=colour_by),
    )
    pixels = imread(target)
    assert pixels.shape[:2] == size_px[::-1]
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 100


def test_svg_is_well_formed_and_text_is_outlines(hostile_folder: Path, tmp_path: Path) -> None:
    with pytest.warns(MapNameWarning, match="1 name"):
        target = export_run(open_run(hostile_folder), tmp_path / "a.svg", maps=SMALL)
    root = ET.parse(target).getroot()  # noqa: S314 - our own output
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not list(root.iter("{http://www.w3.org/2000/svg}text"))


# Hostile input


def test_hostile_names_are_stored_as_they_are(hostile_folder: Path, tmp_path: Path) -> None:
    target = export_run(open_run(hostile_folder), tmp_path / "a.gpkg")
    hubs = gpd.read_file(target, layer="demand_hubs").set_index("id")
    assert hubs["name"].to_dict() == {"alfa": HOSTILE_NAMES["alfa"], "bravo": HOSTILE_NAMES["bravo"]}
    document = json.loads(export_run(open_run(hostile_folder), tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert HOSTILE_NAMES["dc_echo"] in {feature["properties"].get("name") for feature in document["features"]}


@pytest.mark.parametrize(
    ("target", "word"),
    [("a.tif", ".geojson"), ("a", ".gpkg"), ("a.gpgk", "Did you mean '.gpkg'"), ("none/a.png", "none")],
)
def test_target_that_cannot_be_written_is_refused(run_folder: Path, tmp_path: Path, target: str, word: str) -> None:
    with pytest.raises(InputError, match="fault") as caught:
        export_run(open_run(run_folder), tmp_path / target)
    assert word in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_open_geopackage_is_not_replaced(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.gpkg-wal").touch()
    with pytest.raises(InputError, match="in use"):
        export_run(open_run(run_folder), tmp_path / "a.gpkg")


def test_every_fault_of_a_run_folder_is_named_at_once(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "costs.parquet").unlink()
    (folder / "links.parquet").write_bytes(b"no parquet")
    hubs = pd.read_parquet(folder / "demand_hubs.parquet")
    hubs.assign(latitude_deg=[91.0, np.nan]).drop(columns="name").to_parquet(folder / "demand_hubs.parquet")
    with pytest.raises(InputError) as caught:
        export_run(open_run(folder), tmp_path / "a.png")
    files = {fault.file for fault in caught.value.faults}
    assert files == {"costs.parquet", "links.parquet", "demand_hubs.parquet"}
    assert len(caught.value.faults) == 4
    (folder / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not valid JSON"):
        open_run(folder)


def test_route_unknown_to_the_run_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    routes = pd.read_parquet(folder / "routes.parquet")
    routes[routes["route"] != 4].to_parquet(folder / "routes.parquet")
    with pytest.raises(InputError, match=r"allocation\.parquet column 'route' value '4'"):
        open_run(folder).require_places()


def test_basemaps_that_cannot_be_used_are_refused(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.geojson").write_text("{}", encoding="utf-8")
    gpd.GeoDataFrame(geometry=gpd.points_from_xy([1], [1]), crs=4326).to_file(tmp_path / "points.gpkg")
    for name in ("missing.geojson", "bad.geojson", "points.gpkg"):
        with pytest.raises(InputError, match="basemap"):
            export_run(open_run(run_folder), tmp_path / "a.png", maps=MapOptions(basemap=tmp_path / name))


# Atomic and reproducible


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".png", ".svg"])
def test_same_run_gives_same_bytes(run_folder: Path, tmp_path: Path, suffix: str) -> None:
    first = export_run(open_run(run_folder), tmp_path / f"one{suffix}", maps=SMALL).read_bytes()
    assert export_run(open_run(run_folder), tmp_path / f"two{suffix}", maps=SMALL).read_bytes() == first


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_interrupted_export_keeps_the_old_file(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    target = tmp_path / "a.geojson"
    target.write_text("old", encoding="utf-8")

    def break_down(_content: object, path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        raise failure

    monkeypatch.setitem(export.FORMATS, "geojson", (break_down, True))
    with pytest.raises(type(failure)):
        export_run(open_run(run_folder), target)
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.geojson"]


def test_old_file_is_replaced_and_keeps_ordinary_permissions(run_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.geojson"
    target.write_text("old", encoding="utf-8")
    export_run(open_run(run_folder), target)
    assert json.loads(target.read_text(encoding="utf-8"))["features"]
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask


def test_file_of_the_run_itself_is_not_replaced(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps(info | {"files": {"links.parquet": "..."}}), encoding="utf-8")
    before = (folder / "links.parquet").read_bytes()
    with pytest.raises(InputError, match="part of the run itself"):
        export_run(open_run(folder), folder / "links.parquet", gis=GisOptions(layer="links"))
    assert (folder / "links.parquet").read_bytes() == before


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".png", ".svg"])
def test_plan_that_serves_nothing_is_exported_too(tmp_path: Path, suffix: str) -> None:
    folder = write_run(tmp_path / "run")
    for name in ("allocation", "routes"):
        pd.read_parquet(folder / f"{name}.parquet").iloc[:0].to_parquet(folder / f"{name}.parquet")
    for name in ("data_centers", "demand_hubs"):
        table = pd.read_parquet(folder / f"{name}.parquet").assign(mtok_per_year=0.0)
        if "is_open" in table:
            table["is_open"] = False
        table.to_parquet(folder / f"{name}.parquet")
    assert export_run(open_run(folder), tmp_path / f"a{suffix}", maps=SMALL).stat().st_size > 1000

"""Each format holds the same rows, values and reference system as the run; each is read back by geopandas."""

from __future__ import annotations

import csv
import json
import sqlite3
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from run_files import GBPS_PER_MTOK_PER_H, HOSTILE_NAMES, ROUTES, write_run
from toy_scenario import ToyScenario

import edwc
from optimizer.exports.columns import describe_column
from optimizer.exports.export import export_run
from optimizer.exports.files import FOLDER_FORMATS
from optimizer.exports.layers import (
    LAYERS,
    SLICE_LAYERS,
    GisOptions,
    allocation_layers,
    metadata_table,
)
from optimizer.runs.run import open_run

ALL_LAYERS = (*LAYERS, *SLICE_LAYERS)
# What a number's name may end in, and names that are dimensionless or counts by the vocabulary of the project.
UNIT_ENDINGS = (
    "_deg", "_per_year", "_share", "_ms", "_pods", "_mw", "_cny_per_mwh", "_km", "_gbps", "_per_h", "_h",
)  # fmt: skip
WITHOUT_UNIT = {"pue", "route", "hour"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder by hand, with hostile names."""
    return write_run(tmp_path_factory.mktemp("run"), names=HOSTILE_NAMES)


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder as solved."""
    place = tmp_path_factory.mktemp("solved")
    ToyScenario(place)(chat={"indivisible": True}, batch={"deferrable_h": 12})
    run = edwc.solve(place / "toy.yaml", ["solver.threads=1"], out=place / "run")
    assert run.exit_code == 0
    return place / "run"


def read_layer(path: Path, layer: str) -> Any:
    """Read a layer as a user of geopandas would."""
    if path.suffix == ".parquet":
        return gpd.read_parquet(path)
    if path.suffix == ".csv":
        table = pd.read_csv(path)
        return gpd.GeoDataFrame(table.drop(columns="WKT"), geometry=gpd.GeoSeries.from_wkt(table["WKT"]), crs=4326)
    return gpd.read_file(path, layer=layer if path.suffix == ".gpkg" else None)


def assert_same(found: Any, expected: Any) -> None:
    """Compare layers cell by cell; some formats give times as texts or in UTC, and geometry another name."""
    assert found.crs.to_epsg() == 4326
    assert len(found) == len(expected)
    stored = [name for name in expected.columns if name != "geometry" and expected[name].notna().any()]
    assert list(found.columns.drop(found.geometry.name)) == stored
    for name in stored:
        was, now = expected[name], found[name]
        if name in {"slice_begin", "slice_end"}:
            assert pd.to_datetime(now, utc=True).tolist() == was.dt.tz_localize("UTC").tolist()
        elif pd.api.types.is_numeric_dtype(was):
            np.testing.assert_array_equal(now.to_numpy(float), was.to_numpy(float), err_msg=name)
        else:
            assert [None if pd.isna(a) else a for a in now] == [None if pd.isna(a) else a for a in was], name
    for was, now in zip(expected.geometry, found.geometry, strict=True):
        if was is None:
            assert now is None
        else:
            np.testing.assert_array_equal(shapely.get_coordinates(now), shapely.get_coordinates(was))


# Round trips


@pytest.mark.parametrize("name", [name for name in FOLDER_FORMATS if name != "flowmap"])
def test_round_trip_keeps_rows_values_and_reference_system(folder: Path, tmp_path: Path, name: str) -> None:
    target = export_run(open_run(folder), tmp_path / "out", gis=GisOptions(folder_format=name, per_slice=True))
    assert {path.name for path in target.iterdir()} == {f"{layer}.{name}" for layer in ALL_LAYERS} | {"metadata.csv"}
    expected = allocation_layers(open_run(folder), per_slice=True)
    for layer in ALL_LAYERS:
        assert_same(read_layer(target / f"{layer}.{name}", layer), expected[layer])
    told = pd.read_csv(target / "metadata.csv", keep_default_na=False)
    assert told.equals(metadata_table(open_run(folder)).astype(told.dtypes))


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "parquet", "fgb", "csv"])
def test_layer_may_be_written_alone(folder: Path, tmp_path: Path, ending: str) -> None:
    path = export_run(open_run(folder), tmp_path / f"one.{ending}", gis=GisOptions(layer="flows_by_slice"))
    assert_same(
        read_layer(path, "flows_by_slice"), allocation_layers(open_run(folder), per_slice=True)["flows_by_slice"]
    )
    again = export_run(open_run(folder), tmp_path / f"two.{ending}", gis=GisOptions(layer="flows_by_slice"))
    assert again.read_bytes() == path.read_bytes()


def test_solved_run_makes_the_round_trip_whole(solved: Path, tmp_path: Path) -> None:
    path = export_run(open_run(solved), tmp_path / "run.gpkg", gis=GisOptions(per_slice=True))
    layers = allocation_layers(open_run(solved), per_slice=True)
    assert {name for name, _ in pyogrio.list_layers(path)} == {*ALL_LAYERS, "metadata", "layer_styles"}
    for layer in ALL_LAYERS:
        assert_same(read_layer(path, layer), layers[layer])


def test_straight_flows_join_routes_of_the_same_ends(folder: Path) -> None:
    straight = allocation_layers(open_run(folder))["flows_straight"].set_index(["demand_hub", "data_center"])
    assert straight.loc[("alfa", "dc_echo"), "mtok_per_year"] == pytest.approx(35.0 * 8760)  # routes 5 and 9
    assert straight.loc[("alfa", "dc_echo"), "rtt_ms"] == pytest.approx((25 * 15.0 + 10 * 19.0) / 35)
    assert straight.loc[("alfa", "dc_delta"), "classes"] == "batch,chat"
    assert list(straight.geometry[("alfa", "dc_delta")].coords) == [(120.0, 30.0), (106.0, 26.4)]
    assert straight.geometry[("alfa", "dc_alfa")] is None
    assert straight["token_share"].sum() == pytest.approx(1.0)


# Numbers


def test_slices_sum_to_the_year(solved: Path) -> None:
    layers = allocation_layers(open_run(solved), per_slice=True)
    for name, key in (("flows", "route"), ("demand_hubs", "id"), ("data_centers", "id")):
        timed = layers[f"{name}_by_slice"]
        year = (timed["mtok_per_h"] * timed["weight_h"]).groupby(timed[key]).sum()
        expected = layers[name].set_index(key)["mtok_per_year"]
        assert year.to_dict() == pytest.approx(expected.to_dict())
        assert timed.groupby(["day", "hour"]).ngroups == timed.groupby("slice_begin").ngroups
    clock = layers["links_by_slice"].drop_duplicates("slice_begin")
    assert clock["weight_h"].sum() == pytest.approx(8760)
    assert (clock["slice_end"].iloc[:-1].to_numpy() < clock["slice_begin"].iloc[1:].to_numpy()).all()


def test_link_loads_in_the_file_are_those_of_the_flows(solved: Path, tmp_path: Path) -> None:
    """Every token is followed along its route, from the allocation alone, and compared with what the files say."""
    target = export_run(open_run(solved), tmp_path / "out", gis=GisOptions(folder_format="parquet", per_slice=True))
    by_slice, links = (gpd.read_parquet(target / f"{name}.parquet") for name in ("links_by_slice", "links"))
    stored = open_run(solved)
    gbps_of = stored.problem.classes.set_index("id")["gbps_per_mtok_per_h"]
    way_of = pd.read_parquet(solved / "routes.parquet").set_index("route")["nodes"]
    link_of = {frozenset(pair): link for link, *pair in links[["id", "from_node", "to_node"]].itertuples(index=False)}
    loads: dict[tuple[float, str], float] = {}
    for row in pd.read_parquet(solved / "allocation.parquet").itertuples():
        nodes = way_of[row.route].split(">")
        for pair in pairwise(nodes):
            at = (row.hour, link_of[frozenset(pair)])
            loads[at] = loads.get(at, 0.0) + row.mtok_per_h * gbps_of[row.workload_class]
    assert len(loads) > 3
    found = by_slice.set_index(["hour", "id"])["load_gbps"]
    assert found[found > 0].to_dict() == pytest.approx(loads)
    stated = pd.read_parquet(solved / "links.parquet").set_index("id")
    assert (by_slice.groupby("id")["load_gbps"].max() - stated["peak_gbps"]).abs().max() == pytest.approx(0, abs=1e-12)
    mean = (by_slice["load_gbps"] * by_slice["weight_h"]).groupby(by_slice["id"]).sum() / 8760
    assert mean.to_dict() == pytest.approx(stated["mean_gbps"].to_dict())
    utilization = links.set_index("id")
    assert utilization["mean_load_share"].to_dict() == pytest.approx(
        (stated["mean_gbps"] / stated["capacity_gbps"]).to_dict()
    )


def test_power_by_slice_gives_the_energy_bill(solved: Path) -> None:
    layers = allocation_layers(open_run(solved), per_slice=True)
    timed, year = layers["data_centers_by_slice"], layers["data_centers"].set_index("id")
    energy = timed["facility_power_mw"] * timed["weight_h"]
    assert energy.groupby(timed["id"]).sum().to_dict() == pytest.approx(year["energy_mwh_per_year"].to_dict())
    bill = (energy * timed["price_cny_per_mwh"]).groupby(timed["id"]).sum()
    assert bill.to_dict() == pytest.approx(year["energy_cny_per_year"].to_dict())
    assert bill.sum() > 0


def test_loads_of_the_written_run_are_the_worked_ones(folder: Path) -> None:
    links = allocation_layers(open_run(folder), per_slice=True)["links_by_slice"]
    at_noon = links[links["hour"] == 12].set_index("id")["load_gbps"]
    # alfa to carol carries routes 4, 5 and 9: 250, 25 and 10 million tokens an hour.
    assert at_noon["alfa_carol_0"] == pytest.approx(285.0 * GBPS_PER_MTOK_PER_H)


def test_every_column_is_described_and_every_number_has_its_unit_in_its_name(solved: Path) -> None:
    for layer, table in allocation_layers(open_run(solved), per_slice=True).items():
        for name in table.columns.drop("geometry"):
            assert describe_column(name) is not None, f"{layer}.{name}"
            if pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name]):
                assert name.endswith(UNIT_ENDINGS) or name in WITHOUT_UNIT, f"{layer}.{name}"


# What each format demands


def test_geoparquet_is_of_version_1_1(folder: Path, tmp_path: Path) -> None:
    path = export_run(open_run(folder), tmp_path / "flows.parquet", gis=GisOptions(layer="flows"))
    told = pq.read_schema(path).metadata
    geo = json.loads(told[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert geo["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 4326}
    assert json.loads(told[b"edwc"])["scenario"] == "toy"
    assert len(gpd.read_parquet(path, bbox=(110.0, 20.0, 125.0, 31.0))) < len(gpd.read_parquet(path))


def test_flatgeobuf_tells_its_layer_and_run(folder: Path, tmp_path: Path) -> None:
    path = export_run(open_run(folder), tmp_path / "a.fgb", gis=GisOptions(layer="links"))
    told = pyogrio.read_info(path)["layer_metadata"]
    assert told["TITLE"] == "links"
    assert json.loads(told["DESCRIPTION"])["scenario"] == "toy"


def test_tables_of_the_geopackage_are_registered(solved: Path, tmp_path: Path) -> None:
    path = export_run(open_run(solved), tmp_path / "a.gpkg", gis=GisOptions(per_slice=True))
    with sqlite3.connect(path) as database:
        registered = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents"))
        times = database.execute("SELECT slice_begin, slice_end FROM links_by_slice LIMIT 1").fetchone()
    database.close()
    assert {name for name, kind in registered.items() if kind == "features"} == set(ALL_LAYERS)
    assert {name for name, kind in registered.items() if kind == "attributes"} == {"metadata", "layer_styles"}
    # QGIS compares times in a GeoPackage as texts: any other spelling shows two time slices at once.
    assert times[0] == "2000-01-01T00:00:00Z"
    assert times[1].endswith("59.999Z")


def test_geojson_of_one_layer_has_no_layer_member(folder: Path, tmp_path: Path) -> None:
    path = export_run(open_run(folder), tmp_path / "a.geojson", gis=GisOptions(layer="data_centers"))
    document = json.loads(path.read_text(encoding="utf-8"))
    assert "crs" not in document
    assert document["metadata"]["scenario"] == "toy"
    assert all("layer" not in feature["properties"] for feature in document["features"])


def test_csv_holds_hostile_names_as_they_are(folder: Path, tmp_path: Path) -> None:
    path = export_run(open_run(folder), tmp_path / "a.csv", gis=GisOptions(layer="demand_hubs"))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [HOSTILE_NAMES["alfa"], HOSTILE_NAMES["bravo"]]
    assert pyogrio.read_dataframe(path).geometry.geom_type.unique().tolist() == ["Point"]  # GDAL knows WKT by its name


def test_csv_marks_names_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    names = ["=HYPERLINK(1)", "@SUM(1)"]
    for name in ("demand_hubs", "data_centers"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        table.assign(name=(names * 2)[: len(table)]).to_parquet(folder / f"{name}.parquet")
    for layer in ("demand_hubs", "flows"):
        path = export_run(open_run(folder), tmp_path / f"{layer}.csv", gis=GisOptions(layer=layer))
        with path.open(encoding="utf-8", newline="") as file:
            cells = {cell for row in csv.DictReader(file) for cell in row.values()}
        assert {f"'{name}" for name in names} <= cells
        assert not set(names) & cells
    target = export_run(open_run(folder), tmp_path / "map", gis=GisOptions(folder_format="flowmap"))
    assert set(pd.read_csv(target / "locations.csv")["name"]) == {f"'{name}" for name in names}


# Flow map


@pytest.mark.parametrize("per_slice", [False, True])
def test_flow_map_joins_and_counts(folder: Path, tmp_path: Path, per_slice: bool) -> None:  # noqa: FBT001
    target = export_run(
        open_run(folder), tmp_path / "map", gis=GisOptions(folder_format="flowmap", per_slice=per_slice)
    )
    locations = pd.read_csv(target / "locations.csv")
    flows = pd.read_csv(target / "flows.csv")
    assert list(locations) == ["id", "name", "lat", "lon"]
    assert locations["id"].is_unique
    first = ["origin", "dest", "count"]
    ends = ["origin_lat", "origin_lng", "dest_lat", "dest_lng"]
    assert list(flows) == [*first, *(["time"] if per_slice else []), *ends]
    at = locations.set_index("id")
    for end in ("origin", "dest"):
        assert flows[f"{end}_lat"].tolist() == at.loc[flows[end], "lat"].tolist()
        assert flows[f"{end}_lng"].tolist() == at.loc[flows[end], "lon"].tolist()
    per_h = sum(sum(volumes.values()) for *_, volumes in ROUTES.values())
    assert flows["count"].sum() == pytest.approx(per_h * (24 if per_slice else 8760))
    told = pd.read_csv(target / "metadata.csv", index_col="key")["value"]
    assert told["flows.count"] == ("mtok_per_h" if per_slice else "mtok_per_year")


def test_hub_and_data_center_of_one_id_stay_two_places(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    for name in ("data_centers", "data_centers_by_slice", "allocation", "routes"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        column = "id" if name == "data_centers" else "data_center"
        table.assign(**{column: table[column].replace("dc_alfa", "bravo")}).to_parquet(folder / f"{name}.parquet")
    target = export_run(open_run(folder), tmp_path / "map", gis=GisOptions(folder_format="flowmap"))
    locations = pd.read_csv(target / "locations.csv", index_col="id")
    assert {"bravo", "data_center/bravo"} <= set(locations.index)
    assert locations.loc["data_center/bravo", "name"] == "Alfa works"
    flows = pd.read_csv(target / "flows.csv", index_col=["origin", "dest"])
    assert flows.loc[("alfa", "data_center/bravo"), "count"] == pytest.approx(100.0 * 8760)


# Metadata


def test_metadata_tells_run_scenario_versions_gap_and_sources(solved: Path, tmp_path: Path) -> None:
    path = export_run(open_run(solved), tmp_path / "a.gpkg")
    told = pyogrio.read_dataframe(path, layer="metadata").set_index("key")["value"]
    info = json.loads((solved / "run.json").read_text(encoding="utf-8"))
    assert told["run"] == "run"
    assert told["scenario"] == info["scenario"]["name"]
    assert float(told["mip_rel_gap"]) == info["mip_rel_gap"]
    assert float(told["objective_cny_per_year"]) == info["objective_cny_per_year"]
    assert told["version.highspy"] == info["versions"]["highspy"]
    assert told["export_version.pyogrio"] == pyogrio.__version__
    assert told["input_sha256.nodes.csv"] == info["network"]["file_hashes"]["nodes.csv"]
    assert "MIT" in told["licence"]


def test_sources_of_the_built_in_network_and_basemap_are_quoted(folder: Path, tmp_path: Path) -> None:
    told = metadata_of(folder, tmp_path, {"name": "china_2026", "built_in": "china_2026", "file_hashes": {}})
    assert "Natural Earth" in told["source.network.BASEMAP.md"]
    assert "public domain" in told["source.network.BASEMAP.md"]
    assert told["source.network.SOURCES.md"].startswith("# Sources of china_2026")
    assert told["source.scenario.SOURCES.md"].startswith("# Where the figures")


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"name": "x", "path": "../gone"}, "was not found"),
        ({"name": "x", "built_in": "china_2026", "file_hashes": {"nodes.csv": "0"}}, "have changed since the run"),
    ],
)
def test_sources_that_may_be_of_other_figures_are_not_quoted(
    folder: Path, tmp_path: Path, network: dict[str, Any], said: str
) -> None:
    told = metadata_of(folder, tmp_path, network)
    assert said in told["source.network"]
    assert "source.network.SOURCES.md" not in told


def metadata_of(folder: Path, tmp_path: Path, network: dict[str, Any]) -> dict[str, str]:
    """Read the metadata of a copy of a run on another network."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    info |= {"network": network, "scenario": {"name": "base", "built_in": "base"}}
    (copy / "run.json").write_text(json.dumps(info), encoding="utf-8")
    table = metadata_table(open_run(copy))
    return dict(zip(table["key"], table["value"], strict=True))

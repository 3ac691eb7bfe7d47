"""What of a run is exported, and where to: options that do not fit, folders that are replaced or left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from run_files import write_run

from network_data.faults import InputError
from optimizer.exports.export import export_run
from optimizer.exports.files import FOLDER_FORMATS
from optimizer.exports.layers import GisOptions
from optimizer.runs.run import open_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize(
    ("target", "gis", "words"),
    [
        ("a.parquet", GisOptions(), ["one layer", "--layer links|flows_straight", "--to FOLDER --format parquet"]),
        ("a.csv", GisOptions(per_slice=True), ["one layer", "links_by_slice"]),
        ("a.fgb", GisOptions(layer="flow"), ["is no layer", "Did you mean 'flows'?"]),
        ("out", GisOptions(), ["--to FOLDER --format geojson|parquet|fgb|csv|flowmap"]),
        ("out", GisOptions(folder_format="shp"), ["no format that fills a folder", "flowmap"]),
        ("a.csv", GisOptions(folder_format="csv"), ["this names a file"]),
        ("out", GisOptions(folder_format="csv", layer="links"), ["--format writes all layers", "--to links.csv"]),
        ("a.png", GisOptions(layer="links"), ["a drawn map has no layers"]),
    ],
)
def test_options_that_do_not_fit_are_refused_with_what_would(
    folder: Path, tmp_path: Path, target: str, gis: GisOptions, words: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        export_run(open_run(folder), tmp_path / target, gis=gis)
    assert all(word in str(caught.value) for word in words), caught.value
    assert not list(tmp_path.iterdir())


def test_slices_of_an_older_run_are_asked_for_in_vain(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    for name in ("links_by_slice", "data_centers_by_slice"):
        (folder / f"{name}.parquet").unlink()
    export_run(open_run(folder), tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="Solve again with this version") as caught:
        export_run(open_run(folder), tmp_path / "b.gpkg", gis=GisOptions(per_slice=True))
    assert len(caught.value.faults) == 2


def test_folder_of_an_older_export_is_replaced_whole(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    export_run(open_run(folder), target, gis=GisOptions(folder_format="csv", per_slice=True))
    export_run(open_run(folder), target, gis=GisOptions(folder_format="fgb"))
    assert {path.suffix for path in target.iterdir() if path.stem != "metadata"} == {".fgb"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_folder_with_anything_else_in_it_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(InputError, match=r"letter\.txt"):
        export_run(open_run(folder), tmp_path / "out", gis=GisOptions(folder_format="csv"))
    assert (tmp_path / "out" / "letter.txt").read_text(encoding="utf-8") == "dear"


def test_interrupted_folder_keeps_the_older_one(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = export_run(open_run(folder), tmp_path / "out", gis=GisOptions(folder_format="csv"))
    before = {path.name: path.read_bytes() for path in target.iterdir()}

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gpd.GeoDataFrame, "to_parquet", stop)
    with pytest.raises(KeyboardInterrupt):
        export_run(open_run(folder), target, gis=GisOptions(folder_format="parquet"))
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_export_without_any_flow_is_written_in_each_format(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    allocation = pd.read_parquet(folder / "allocation.parquet")
    allocation.assign(mtok_per_h=0.0).to_parquet(folder / "allocation.parquet")
    export_run(open_run(folder), tmp_path / "a.gpkg", gis=GisOptions(per_slice=True))
    for name in FOLDER_FORMATS:
        target = export_run(open_run(folder), tmp_path / name, gis=GisOptions(folder_format=name, per_slice=True))
        assert len(list(target.iterdir())) == (3 if name == "flowmap" else 11)
    assert len(gpd.read_file(tmp_path / "fgb" / "flows.fgb")) == 0
    assert len(gpd.read_parquet(tmp_path / "parquet" / "links_by_slice.parquet")) == 5 * 24

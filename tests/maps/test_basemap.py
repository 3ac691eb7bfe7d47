"""Outlines behind maps: a user's own with islands far south, whole areas of interest, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from run_files import CHINA, write_run

from network_data.faults import InputError
from optimizer.cli.main import main
from optimizer.maps.basemap import map_window, read_outlines
from optimizer.maps.draw import draw_map
from optimizer.maps.options import MapOptions
from optimizer.maps.projection import View
from optimizer.report.charts import time_axis
from optimizer.report.map import map_data
from optimizer.runs.places import positions_shown
from optimizer.runs.run import Run, open_run

CREDIT = "审图号 GS(2099)0001号 <b>"
MAINLAND, ISLAND = shapely.box(99, 22, 123, 42), shapely.box(112, 8, 112.5, 8.4)
DASH = shapely.LineString([(118.0, 15.0), (118.5, 16.0)])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(write_run(tmp_path_factory.mktemp("runs") / "run", basemap=CHINA / "basemap.geojson"))


def write(path: Path, *shapes: shapely.Geometry, crs: str = "EPSG:4326") -> Path:
    gpd.GeoDataFrame(geometry=list(shapes), crs="EPSG:4326").to_crs(crs).to_file(path)
    return path


def sea_view(run: Run, file: Path) -> View | None:
    outlines = read_outlines(run, MapOptions(basemap=file))
    return map_window(positions_shown(run), outlines, aspect=1.2).sea_view


def test_islands_and_dashes_that_the_map_does_not_reach_get_an_inset(run: Run, tmp_path: Path) -> None:
    assert sea_view(run, write(tmp_path / "without.geojson", MAINLAND)) is None
    assert sea_view(run, write(tmp_path / "dashes.geojson", MAINLAND, DASH)) is not None
    own = MapOptions(
        basemap=write(tmp_path / "islands.geojson", shapely.union(MAINLAND, ISLAND)), basemap_credit=CREDIT
    )
    drawn = draw_map(run, own)
    texts = [text.get_text() for axes in drawn.canvas.axes.child_axes for text in axes.texts]
    assert any(text.startswith("0.") and "scale" in text for text in texts)  # smaller than the map, and it says so
    assert any(CREDIT in text.get_text() for axes in drawn.figure.axes for text in axes.texts)


def test_page_has_the_inset_and_the_credit(run: Run, tmp_path: Path) -> None:
    outlines = read_outlines(
        run, MapOptions(basemap=write(tmp_path / "own.geojson", MAINLAND, ISLAND, DASH), basemap_credit=CREDIT)
    )
    drawn = map_data(run, outlines, run.slices, time_axis(run.slices), None)
    assert drawn["credit"] == CREDIT
    assert drawn["sea"]["outlines"].startswith("M")
    assert drawn["sea"]["x"] + drawn["sea"]["width"] < drawn["width"]


def test_window_shows_the_whole_area_of_interest(run: Run) -> None:
    outlines = read_outlines(run, MapOptions())
    assert outlines is not None
    window = map_window(positions_shown(run), outlines, aspect=1.2)
    # Places reach from 104 to 120 degrees only, which is too little for the whole country: then places alone.
    assert window == map_window(positions_shown(run), None, aspect=1.2)
    places = np.array([(87.6, 43.8), (126.6, 45.8), (110.3, 20.0)])
    window = map_window(places, outlines, aspect=1.2)
    x, y = window.projection.project(np.array([73.6, 134.9, 109.0]), np.array([39.4, 48.3, 18.3]))
    view = window.view
    assert ((view.x_min < x) & (x < view.x_max) & (view.y_min < y) & (y < view.y_max)).all()
    assert window.sea_view is None  # the built-in outlines have nothing there


def test_no_line_of_a_map_ends_at_nothing(run: Run) -> None:
    """Carol joins links and is no demand hub."""
    labels = {label.lines[0] for label in draw_map(run).labels}
    assert "Carol" in labels


def test_files_that_cannot_be_used_are_refused_with_a_remedy(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.geojson"
    wrong.write_text((write(tmp_path / "m.geojson", MAINLAND).read_text()).replace("99.0", "9900.0"), encoding="utf-8")
    points = tmp_path / "points.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.Point(1, 1)], crs=4326).to_file(points)
    for file, told in (
        (wrong, "outside the globe"),
        (points, "neither polygons nor lines"),
        (tmp_path / "no", "missing"),
    ):
        with pytest.raises(InputError, match=told) as caught:
            read_outlines(run, MapOptions(basemap=file))
        assert caught.value.faults[0].remedy


def test_credit_needs_a_file_and_no_control_characters(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.folder is not None
    target = str(tmp_path / "a.html")
    assert main(["export", str(run.folder), "--to", target, "--basemap-credit", "GS 1"]) == 1
    assert "credits outlines of your own, but none are given" in capsys.readouterr().err
    file = str(write(tmp_path / "own.geojson", MAINLAND))
    assert main(["export", str(run.folder), "--to", target, "--basemap", file, "--basemap-credit", "a\x1b[2J"]) == 1
    assert "control character U+001B" in capsys.readouterr().err

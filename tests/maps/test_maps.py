"""The drawn map, checked through the facts it returns: projection, scale, ribbons, labels."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from run_files import (
    HOSTILE_NAMES,
    NODES,
    directed_volumes_mtok_per_day,
    write_china_run,
    write_outline,
    write_run,
)

from network_data.faults import InputError
from optimizer.drawing.colours import legend_amounts
from optimizer.exports.export import export_run
from optimizer.maps.draw import DrawnMap, draw_map
from optimizer.maps.flows import WIDEST_LINK_PT, category_of
from optimizer.maps.labels import boxes_overlap
from optimizer.maps.options import MapNameWarning, MapOptions
from optimizer.maps.places import measure_label, wrap_label
from optimizer.maps.projection import build_scale_bar, choose_projection, fit_view
from optimizer.numbers import shorten
from optimizer.runs.places import link_volumes
from optimizer.runs.run import open_run
from optimizer.words.amounts import format_amount

SIZE = (800, 600)
SMALL = MapOptions(size_px=SIZE)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("hostile"), names=HOSTILE_NAMES)


@pytest.fixture(scope="module")
def china_map(tmp_path_factory: pytest.TempPathFactory) -> DrawnMap:
    folder = write_china_run(tmp_path_factory.mktemp("china"))
    run = open_run(folder)
    return draw_map(run)


def texts_of(drawn: DrawnMap) -> Iterator[str]:
    insets = [] if drawn.detail is None else [drawn.detail.canvas.axes]
    for axes in [*drawn.figure.axes, *insets]:
        for text in axes.texts:
            assert not text.get_parse_math()
            yield text.get_text()


def test_labels_of_the_real_network_do_not_overlap(china_map: DrawnMap) -> None:
    assert china_map.detail is not None
    labels = china_map.labels
    everywhere = [*labels, *china_map.detail.labels]
    assert sum(label.style == "center" for label in everywhere) >= 15
    assert sum(label.style == "hub" for label in everywhere) >= 15
    for first, second in combinations(labels, 2):
        assert not boxes_overlap(first.box, second.box), (first, second)
    width = china_map.canvas.points_per_m * (china_map.canvas.view.x_max - china_map.canvas.view.x_min)
    height = china_map.canvas.points_per_m * (china_map.canvas.view.y_max - china_map.canvas.view.y_min)
    for label in labels:
        assert label.box[0] >= 0
        assert label.box[1] >= 0
        assert label.box[2] <= width
        assert label.box[3] <= height


def test_drawn_text_stays_inside_its_label_box(china_map: DrawnMap) -> None:
    figure = china_map.figure
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    axes = figure.axes[0]
    boxes = [label.box for label in china_map.labels]
    lines = {line for label in china_map.labels for line in label.lines}
    checked = 0
    for text in axes.texts:
        if text.get_text() not in lines:
            continue
        drawn = axes.transData.inverted().transform_bbox(text.get_window_extent(renderer))
        inside = [
            box
            for box in boxes
            if box[0] - 0.5 <= drawn.x0
            and drawn.x1 <= box[2] + 0.5
            and box[1] - 2 <= drawn.y0
            and drawn.y1 <= box[3] + 2
        ]
        assert inside, text.get_text()
        checked += 1
    assert checked == sum(len(label.lines) for label in china_map.labels)


def test_link_volumes_add_up_by_direction(run_folder: Path) -> None:
    run = open_run(run_folder)
    volumes = link_volumes(run, category_of(run, "class"))
    found = volumes.groupby(["from_node", "to_node"])["mtok_per_day"].sum().to_dict()
    access = {("delta", "data_center:dc_delta"): 24 * 375.0}
    assert found == pytest.approx({**directed_volumes_mtok_per_day(), **access})


@pytest.mark.parametrize("colour_by", ["region", "class"])
def test_ribbon_widths_are_proportional_and_stack_without_gap(run_folder: Path, colour_by: Any) -> None:
    drawn = draw_map(open_run(run_folder), MapOptions(colour_by=colour_by, size_px=SIZE))
    ratios = [ribbon.width_pt / ribbon.mtok_per_day for ribbon in drawn.ribbons]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    # The busiest link, carol to delta and on to the data center, carries 375 mtok an hour.
    assert ratios[0] == pytest.approx(WIDEST_LINK_PT / (24 * 375.0))
    if colour_by == "region":
        # Both ways between bravo and carol: side by side around the link, each on its own right.
        ways = [
            ribbon for ribbon in drawn.ribbons if ribbon.mtok_per_day in (pytest.approx(240.0), pytest.approx(3000.0))
        ]
        pair = [r for r in ways if abs(r.line[0][1] - r.line[-1][1]) > 50]
        north = next(r for r in pair if r.line[-1][1] > r.line[0][1] and r.mtok_per_day < 1000)
        south = next(r for r in pair if r.line[-1][1] < r.line[0][1] and r.mtok_per_day > 1000)
        gap = np.hypot(*(north.line - south.line[::-1]).T)
        assert gap == pytest.approx((north.width_pt + south.width_pt) / 2, rel=0.02)
        assert (north.line[:, 0] > south.line[::-1][:, 0]).all()


@pytest.mark.parametrize(
    "places", [[(73, 18), (135, 53)], [(-125, 25), (-66, 49)], [(170, -45), (-175, -35)], [(10, -3), (40, 3)]]
)
def test_projection_is_equal_area_and_the_scale_bar_is_geodesic(places: list[tuple[float, float]]) -> None:
    lon, lat = np.array(places, float).T
    projection = choose_projection(lon, lat)
    assert projection.crs.coordinate_operation is not None
    assert "Equal Area" in projection.crs.coordinate_operation.method_name
    # Equal area: the same small square of degrees has the same area on the map as on the ellipsoid, anywhere.
    for x, y in places:
        corners = np.array([(x - 0.1, y - 0.1), (x + 0.1, y - 0.1), (x + 0.1, y + 0.1), (x - 0.1, y + 0.1)])
        on_ground, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*corners.T)
        on_map = shapely.Polygon(np.column_stack(projection.project(*corners.T))).area
        assert on_map == pytest.approx(abs(on_ground), rel=1e-3)
    view = fit_view(np.column_stack(projection.project(lon, lat)), aspect=1.3)
    bar = build_scale_bar(projection, view)
    half = bar.length_on_map_m / 2
    (x0, x1), (y0, y1) = projection.unproject(
        np.array([view.center[0] - half, view.center[0] + half]), np.array([view.center[1]] * 2)
    )
    ground_km = pyproj.Geod(ellps="WGS84").inv(x0, y0, x1, y1)[2] / 1e3
    assert bar.length_km == pytest.approx(ground_km, rel=1e-3)
    assert 0.05 < bar.length_on_map_m / (view.x_max - view.x_min) <= 0.21


def test_parallels_stand_at_one_sixth_and_five_sixths() -> None:
    projection = choose_projection(np.array([100.0, 120.0]), np.array([20.0, 50.0]))
    assert "+lat_1=25.0000 +lat_2=45.0000 +lat_0=35.0000 +lon_0=110.0000" in projection.definition


def test_map_across_the_antimeridian_is_not_torn() -> None:
    projection = choose_projection(np.array([170.0, -175.0]), np.array([-45.0, -35.0]))
    assert projection.central_longitude_deg == pytest.approx(177.5)
    line = projection.project_geodesic((170.0, -45.0), (-175.0, -35.0))
    assert np.hypot(*np.diff(line, axis=0).T).max() < 200e3


def test_names_are_drawn_literally_and_cut(hostile_folder: Path) -> None:
    with pytest.warns(MapNameWarning, match="U\\+0E17.*is shown as 'dc_delta'"):
        drawn = draw_map(open_run(hostile_folder), SMALL)
    texts = list(texts_of(drawn))
    assert "a$b$c" in texts
    labels = {" ".join(label.lines) for label in drawn.labels}
    assert r"$\frac{1}{0}$" in labels
    assert "dc_delta" in labels  # the fonts have no glyph for its name: the id, and no empty boxes
    assert any(label.startswith("<b>bold</b>") for label in labels)
    assert max(len(label) for label in labels) <= 60


def test_basemap_in_another_projection_lands_in_the_same_place(run_folder: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / name / "own.gpkg" for name in ("degrees", "metres")}
    for file in files.values():
        file.parent.mkdir()
    write_outline(files["degrees"])
    gpd.read_file(files["degrees"]).to_crs("EPSG:3857").to_file(files["metres"])
    pictures = [
        imread(export_run(open_run(run_folder), tmp_path / f"{name}.png", maps=MapOptions(basemap=file, size_px=SIZE)))
        for name, file in files.items()
    ]
    assert not (np.abs(pictures[0] - pictures[1]) > 0.05).any()


@pytest.mark.parametrize("options", [{"size_px": (10, 10)}, {"size_px": (4000, 400)}, {"colour_by": "mood"}])
def test_options_out_of_range_are_refused(run_folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="map options"):
        draw_map(open_run(run_folder), MapOptions(**options))


def test_amounts_read_well() -> None:
    assert [format_amount(x) for x in (0, 950, 999_999_999, 1.93e9, 1.4e14, -2.5e6)] == [
        "0", "950", "1 billion", "1.93 billion", "140 trillion", "-2.5 million",
    ]  # fmt: skip
    assert legend_amounts(28.0) == (20.0, 5.0, 1.0)
    assert legend_amounts(1.0) == (1.0, 0.2, 0.05)


def test_long_labels_are_cut_and_wrapped() -> None:
    assert shorten("Shanghai existing sites (a, b and c)", 26) == "Shanghai existing sites"
    assert shorten("x" * 100, 10) == "x" * 9 + "…"
    assert shorten("a\u202eb", 10) == r"a\u202eb"
    assert wrap_label("Harbin works (inner ring)") == ("Harbin works", "(inner ring)")
    assert wrap_label("One line") == ("One line",)
    assert measure_label(("Mm", "Mmm"), (), "hub", "en") > measure_label(("Mm",), (), "hub", "en")


def test_nodes_of_the_toy_run_are_all_in_the_window(run_folder: Path) -> None:
    drawn = draw_map(open_run(run_folder), SMALL)
    x, y = drawn.canvas.projection.project(*np.array([(lon, lat) for lon, lat, _ in NODES.values()]).T)
    assert ((x > drawn.canvas.view.x_min) & (x < drawn.canvas.view.x_max)).all()
    assert ((y > drawn.canvas.view.y_min) & (y < drawn.canvas.view.y_max)).all()

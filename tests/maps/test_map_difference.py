"""The difference of two runs: by hand, by sums, refused for different networks, and honest where nothing differs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from map_runs import add_numbers, move_tokens, serve_nothing
from run_files import write_run

from network_data.faults import InputError
from optimizer.cli.main import main
from optimizer.maps import difference
from optimizer.maps.draw import DrawnMap, draw_map
from optimizer.maps.flows import category_of
from optimizer.maps.labels import LabelRequest, place_labels
from optimizer.maps.options import MapOptions
from optimizer.maps.theme import points_along
from optimizer.problem.problem import FloatArray
from optimizer.runs.difference import difference_of_runs
from optimizer.runs.places import link_volumes, undirected
from optimizer.runs.run import open_run

SIZE = (800, 600)
# Half of alfa's 200 mtok an hour of batch work at dc_delta.
MOVED_PER_DAY = 24 * 100.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    before, after = (add_numbers(write_run(tmp_path_factory.mktemp(name))) for name in ("before", "after"))
    costs = pd.read_parquet(after / "costs.parquet")
    costs.loc[costs["component"] == "energy", "cny_per_year"] -= 5e6
    costs.to_parquet(after / "costs.parquet")
    return before, move_tokens(after, 0.5)


def texts(drawn: DrawnMap) -> list[str]:
    return [text.get_text() for axes in drawn.figure.axes for text in axes.texts]


def test_difference_is_what_was_moved(runs: tuple[Path, Path]) -> None:
    found = difference_of_runs(*map(open_run, runs))
    assert found.data_centers["change_mtok_per_day"].to_dict() == pytest.approx(
        {"dc_alfa": 0.0, "dc_delta": -MOVED_PER_DAY, "dc_echo": MOVED_PER_DAY, "dc_idle": 0.0}
    )
    assert found.flows["change_mtok_per_day"].to_dict() == pytest.approx(
        {
            ("alfa", "dc_alfa"): 0.0,
            ("alfa", "dc_delta"): -MOVED_PER_DAY,
            ("alfa", "dc_echo"): MOVED_PER_DAY,
            ("bravo", "dc_delta"): 0.0,
        }
    )
    changed = found.links[found.links["change_mtok_per_day"].abs() > 1e-6]["change_mtok_per_day"].to_dict()
    # Route 4 goes alfa, carol, delta and on to the data center, route 5 alfa, carol, echo.
    assert changed == pytest.approx(
        {
            ("carol", "delta"): -MOVED_PER_DAY,
            ("data_center:dc_delta", "delta"): -MOVED_PER_DAY,
            ("carol", "echo"): MOVED_PER_DAY,
        }
    )
    assert found.moves.to_numpy().tolist() == [["dc_delta", "dc_echo", pytest.approx(MOVED_PER_DAY)]]
    assert found.cost_change_cny_per_year == pytest.approx(-5e6)
    assert found.retimed_mtok_per_day == 0.0


@pytest.mark.parametrize("turned", [False, True])
def test_sums_of_the_difference_are_differences_of_sums(runs: tuple[Path, Path], turned: bool) -> None:  # noqa: FBT001
    before, after = map(open_run, reversed(runs) if turned else runs)
    found = difference_of_runs(before, after)
    by_center = found.data_centers["change_mtok_per_day"]
    daily = [run.allocation["mtok_per_year"].sum() / run.days_per_year for run in (before, after)]
    assert by_center.sum() == pytest.approx(daily[1] - daily[0], abs=1e-6)
    of_flows = found.flows.groupby("data_center")["change_mtok_per_day"].sum()
    assert of_flows.to_dict() == pytest.approx(by_center.drop("dc_idle").to_dict(), abs=1e-6)
    for moves in (found.moves, found.net_moves):
        gained = moves.groupby("to_data_center")["mtok_per_day"].sum()
        lost = moves.groupby("from_data_center")["mtok_per_day"].sum()
        assert gained.sub(lost, fill_value=0.0).reindex(by_center.index).fillna(0.0).to_dict() == pytest.approx(
            by_center.to_dict(), abs=1e-6
        )
    totals = []
    for run in (before, after):
        volumes = link_volumes(run, category_of(run, "class"))
        totals.append(volumes["mtok_per_day"].groupby(undirected(volumes)).sum())
    expected = totals[1].sub(totals[0], fill_value=0.0).to_dict()
    assert found.links["change_mtok_per_day"].to_dict() == pytest.approx(expected, abs=1e-6)
    assert found.costs["change_cny_per_year"].sum() == pytest.approx(found.cost_change_cny_per_year)


def test_map_tells_the_difference(runs: tuple[Path, Path]) -> None:
    before, after = runs
    drawn = draw_map(open_run(after), MapOptions(against=before, size_px=SIZE))
    written = texts(drawn)
    assert any(text.startswith("What changes: ") and " against " in text for text in written)
    # 2,400 million tokens of 24 x 510 million.
    (numbers,) = [text for text in written if "change data center" in text]
    assert numbers.startswith("2.4 billion tokens a day (19.6%) change data center")
    assert "\u22125 million CNY a year" in numbers
    notes = {label.lines[0]: label.notes for label in drawn.labels if label.notes}
    assert notes == {"Delta works": ("\u22122.4 billion",), "Echo works": ("+2.4 billion",)}
    assert written.count("total") == 1


def test_labels_stand_on_links_rather_than_on_arrows(runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Dark text on a dark arrow cannot be read, whatever its halo."""
    lines = []

    def record(drawn: Iterable[tuple[FloatArray, float]]) -> FloatArray:
        lines.extend(drawn)
        return points_along(lines)

    monkeypatch.setattr(difference, "points_along", record)
    before, after = runs
    draw_map(open_run(after), MapOptions(against=before, size_px=SIZE))
    arrow_width, link_width = lines[-1][1], max(width for _, width in lines[:-1])
    assert arrow_width > 3 * link_width
    # Right of the place stands an arrow, and links everywhere else.
    arrow = (np.array([[36.0, -44.0], [36.0, 44.0]]), arrow_width)
    links = [(np.array([[-74.0, y], [28.0, y]]), 1.0) for y in range(-40, 41, 10)]
    request = LabelRequest(("Zhangjiakou",), 0.0, 0.0, 4.0, 60.0, 12.0, "center", must=True)
    points = points_along([arrow, *links])
    frame = (-75.0, -45.0, 75.0, 45.0)
    (label,) = place_labels(
        [request], markers=np.array([[0.0, 0.0, 4.0]]), frame=frame, reserved=[], flow_points=points
    )
    left, bottom, right, top = label.box
    along = np.linspace(arrow[0][0], arrow[0][1], 200)
    assert not any(left < x < right and bottom < y < top for x, y in along)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_equal_runs_give_an_empty_map_that_says_so(runs: tuple[Path, Path], lang: str) -> None:
    before, _ = runs
    drawn = draw_map(open_run(before), MapOptions(against=before, lang=lang, size_px=SIZE))  # type: ignore[arg-type]
    assert drawn.difference is not None
    assert drawn.difference.has_same_plan
    assert not any(label.notes for label in drawn.labels)
    said = {"en": "The two runs have the same plan.", "zh": "\u4e24\u4e2a\u65b9\u6848\u5b8c\u5168\u76f8\u540c\u3002"}
    assert said[lang] in texts(drawn)
    key = drawn.figure.axes[-1]
    assert not key.texts


def test_same_plan_at_another_cost_is_not_called_equal(runs: tuple[Path, Path], tmp_path: Path) -> None:
    before, _ = runs
    dearer = add_numbers(write_run(tmp_path / "dearer"))
    costs = pd.read_parquet(dearer / "costs.parquet")
    costs.assign(cny_per_year=costs["cny_per_year"] * 1.5).to_parquet(dearer / "costs.parquet")
    written = texts(draw_map(open_run(dearer), MapOptions(against=before, size_px=SIZE)))
    assert "Every data center, flow and link carries the same; only the cost differs." in written
    assert "+1 billion" in written


def test_opened_and_closed_data_centers_are_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    before, _ = runs
    closed = move_tokens(add_numbers(write_run(tmp_path / "closed")), 0.5)
    centers = pd.read_parquet(closed / "data_centers.parquet").set_index("id")
    centers.loc["dc_idle", "is_open"] = True
    centers.loc["dc_alfa", "is_open"] = False
    centers.reset_index().to_parquet(closed / "data_centers.parquet")
    drawn = draw_map(open_run(closed), MapOptions(against=before, size_px=SIZE))
    notes = [note for label in drawn.labels for note in label.notes]
    assert "0, opened" in notes
    assert "0, closed" in notes
    assert any("1 opened" in text and "1 closed" in text for text in texts(drawn))


@pytest.mark.parametrize("turned", [False, True])
def test_a_plan_that_serves_nothing_can_be_one_of_the_two(
    runs: tuple[Path, Path],
    tmp_path: Path,
    turned: bool,  # noqa: FBT001
) -> None:
    nothing = serve_nothing(add_numbers(write_run(tmp_path / "nothing")))
    before, after = (runs[0], nothing) if turned else (nothing, runs[0])
    written = texts(draw_map(open_run(after), MapOptions(against=before, size_px=SIZE)))
    # 24 x 510 million tokens.
    assert any(f"{chr(0x2212) if turned else '+'}12.2 billion tokens a day served" in text for text in written)


def test_runs_of_different_networks_are_refused_with_all_that_differs(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, _ = runs
    other = add_numbers(write_run(tmp_path / "other"))
    centers = pd.read_parquet(other / "data_centers.parquet")
    centers["id"] = centers["id"].replace("dc_idle", "dc_new")
    centers.loc[centers["id"] == "dc_echo", "latitude_deg"] += 1.0
    centers.to_parquet(other / "data_centers.parquet")
    links = pd.read_parquet(other / "links.parquet").iloc[1:]
    links.to_parquet(other / "links.parquet")
    with pytest.raises(InputError) as caught:
        difference_of_runs(open_run(before), open_run(other))
    assert [fault.problem for fault in caught.value.faults] == [
        "1 data centers are in this run alone: 'dc_idle'",
        "1 data centers are in this run alone: 'dc_new'",
        "1 data centers lie elsewhere in the other run: 'dc_echo'",
        "1 links are in this run alone: 'alfa_carol_0'",
    ]
    assert main(["export", str(other), "--against", str(before), "--to", str(tmp_path / "d.png")]) == 1
    assert "Compare runs of the same network." in capsys.readouterr().err
    assert not (tmp_path / "d.png").exists()

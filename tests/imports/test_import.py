"""`edwc import`: a folder that checks and solves at once, with what was assumed, or nothing at all."""

from __future__ import annotations

import ast
import json
import math
import re
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest
from commands import edwc
from graph_files import EDGES, PLACES, SNDLIB_NATIVE, ZOO

import edwc as front_door
from network_data.faults import InputError
from network_data.load import load_network
from network_data.plausibility import great_circle_km
from optimizer.imports import network_folder
from optimizer.words.language import speaking
from optimizer.words.sentences import retell
from scenarios import load_scenario

SMALL = ["--quiet", "--set", "time.slices_per_day=2", "--set", "solver.mip_rel_gap=0.5", "--set", "solver.threads=1"]


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    path = tmp_path / "toy.graphml"
    path.write_text(ZOO, encoding="utf-8")
    return path


def test_zoo_file_checks_and_solves_at_once(zoo: Path, tmp_path: Path) -> None:
    out, err = edwc("import", zoo, "--out", tmp_path / "net", "--sites", 2)
    assert err == ""
    assert "Data centers are at the nodes with most neighbours" in out
    check, solve = (line.split()[1:] for line in out.splitlines()[-2:])
    assert "no fault found" in edwc(*check)[0]
    assert "solved within the gap" in edwc(*solve, *SMALL)[0]
    page = (tmp_path / "net" / "ASSUMPTIONS.md").read_text(encoding="utf-8")
    for word in ("TEN-34", "Satellite", "Brno", "100 Gbps", "example.org", "SHA-256"):
        assert word in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net", "toy.graphml"]


def notes_in_code() -> list[str]:
    """Texts of all notes, with 7 for what is filled in."""
    found = []
    for path in Path(network_folder.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "note":
                parts = node.args[1].values if isinstance(node.args[1], ast.JoinedStr) else [node.args[1]]
                found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in parts))
    return [text for text in found if text != "7"]


@pytest.mark.parametrize("text", notes_in_code())
def test_every_note_is_told_in_chinese(text: str) -> None:
    with speaking("zh"):
        told = retell(text)
    left = re.sub(r"edwc init|--[a-z-]+|Gbps|MW|ms|IT|PUE|demand_weight", "", told)
    assert not re.search("[A-Za-z]{2}", left), told


def test_import_tells_in_chinese_what_it_assumed(zoo: Path, tmp_path: Path) -> None:
    out, _ = edwc("import", zoo, "--out", tmp_path / "net", "--sites", 2, "--lang", "zh")
    assert "数据中心设在相邻节点最多的节点" in out
    notes = [line for line in out.splitlines() if line.startswith("  ") and "edwc check" not in line]
    assert not [line for line in notes[:-1] if re.search(r"\b(?:the|of|are|is|that|with|assumed|read)\b", line)]
    assert "Data centers are at" in (tmp_path / "net" / "ASSUMPTIONS.md").read_text(encoding="utf-8")


def test_tables_hold_the_graph_of_the_file(zoo: Path, tmp_path: Path) -> None:
    network = front_door.import_network(zoo, tmp_path / "net", options=front_door.ImportOptions(sites=1)).network
    stored = nx.read_graphml(zoo)
    nodes, links = network.nodes, network.links
    assert nodes["name"].tolist() == ["Praha", "Brno", "Ostrava", "junction 3", "Brno (2)", "Zl\u00edn"]
    assert nodes.index.tolist() == ["praha", "brno", "ostrava", "junction_3", "brno_2", "zlin"]
    assert nodes.loc["praha", "latitude_deg"] == stored.nodes["0"]["Latitude"]
    assert links.index.tolist()[:2] == ["praha_brno", "praha_brno_2"]  # parallel links stay two
    by_ends = links.set_index(["from_node", "to_node"])["capacity_gbps"]
    assert by_ends["praha", "brno"].tolist() == pytest.approx([0.034, 20.0])
    assert by_ends["ostrava", "junction_3"] == pytest.approx(0.155)
    assert by_ends.drop([("praha", "brno"), ("ostrava", "junction_3")]).tolist() == [100.0] * 3
    straight_km = great_circle_km((50.08804, 14.42076), (49.19522, 16.60796))
    assert links.loc["praha_brno", "length_km"] == pytest.approx(1.3 * straight_km, abs=0.05)
    assert links.loc["brno_zlin", "length_km"] == 1.0  # put at its only neighbour: a cable through the town
    # Brno: Praha, the junction and Zlin. The junction has as many, but no demand.
    assert network.data_centers["node"].tolist() == ["brno"]
    assert nodes["demand_weight"].to_dict() == pytest.approx(
        {"praha": 1 / 7, "brno": 3 / 7, "ostrava": 1 / 7, "junction_3": 0, "brno_2": 1 / 7, "zlin": 1 / 7}
    )
    assert nodes.loc["junction_3", ["kind", "confidence"]].tolist() == ["junction", "estimate"]
    assert (network.data_centers["confidence"] == "estimate").all()
    assert nodes["source"].str.contains("toy.graphml").all()


def test_list_of_links_with_places(tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text(EDGES, encoding="utf-8")
    (tmp_path / "places.csv").write_text(PLACES, encoding="utf-8")
    options = ["--places", tmp_path / "places.csv", "--data-centers", "Carol, a", "--capacity-gbps", 40]
    found = json.loads(edwc("import", tmp_path / "edges.csv", "--out", tmp_path / "net", *options, "--json")[0])
    network = load_network(found["folder"])
    assert network.data_centers["node"].tolist() == ["carol", "alfa"]
    assert network.nodes["demand_weight"].tolist() == [0.75, 0.25, 0.0]
    assert network.nodes["kind"].tolist() == ["demand_hub", "demand_hub", "data_center"]
    assert network.nodes["region"].tolist() == ["here", "here", "there"]
    assert network.links.loc["alfa_bravo", "length_km"] == 700.0
    # 10 km is less than the great circle from Bravo to Carol: no fibre is as short.
    assert network.links.loc["bravo_carol", "length_km"] == pytest.approx(
        1.3 * great_circle_km((52, 14), (48, 14)), abs=0.05
    )
    assert (network.links["capacity_gbps"] == 40).all()
    assert {note["kind"] for note in found["notes"]} == {"read", "assumed", "left out"}
    assert any("Bravo to Carol, 10 km" in note["items"] for note in found["notes"])


def test_limits_and_demand_follow_the_file_where_it_cannot_keep_them(tmp_path: Path) -> None:
    path = tmp_path / "far.csv"
    path.write_text("from,to,capacity_gbps\na,b,0.1\nb,c,0.1\n", encoding="utf-8")
    (tmp_path / "places.csv").write_text("id,lat,lon\na,0,10\nb,0,60\nc,0,100\n", encoding="utf-8")
    options = front_door.ImportOptions(places=tmp_path / "places.csv", data_centers=("c",))
    found = front_door.import_network(path, tmp_path / "net", options=options)
    scenario = load_scenario(found.scenario)
    # 90 degrees of the equator, 10,008 km, with detours: 127.5 ms there and back, and 1.4 ms of equipment and access.
    assert scenario.workload_classes["chat"].rtt_limit_ms == 130
    assert scenario.demand.tokens_per_day_trillion is not None
    assert scenario.demand.tokens_per_day_trillion < 0.4
    texts = " ".join(note.text for note in found.notes)
    assert "130 ms" in texts
    assert "as low as the links" in texts
    run = front_door.solve(found.scenario, {"time.slices_per_day": 1, "solver.mip_rel_gap": 0.5, "solver.threads": 1})
    # Half of what the fullest link could take if all were served at once at the nearest data center, with peaks.
    assert 0.2 < run.links["load_share"].max() <= 0.51


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--data-centers", "Prag"], "Did you mean 'praha'"),
        (["--data-centers", "TEN-34"], "left out"),
        (["--sites", 0], "--sites"),
        (["--route-factor", 0.9], "--route-factor"),
        (["--capacity-gbps", "nan"], "--capacity-gbps"),
        (["--places", "{folder}/toy.graphml"], "no table of places"),
    ],
)
def test_options_that_cannot_be_are_refused_and_nothing_is_written(
    zoo: Path, tmp_path: Path, options: list[object], what: str
) -> None:
    given = [str(option).format(folder=tmp_path) for option in options]
    assert what in edwc("import", zoo, "--out", tmp_path / "net", *given, code=1)[1]
    assert list(tmp_path.iterdir()) == [zoo]


def test_nothing_is_overwritten_and_nothing_half_done_stays(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net").mkdir()
    assert "exists already" in edwc("import", zoo, "--out", tmp_path / "net", code=1)[1]
    (tmp_path / "net").rmdir()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(network_folder, "_write_yaml", fail)
    assert "No space left" in edwc("import", zoo, "--out", tmp_path / "net", code=1)[1]
    assert list(tmp_path.iterdir()) == [zoo]


def test_files_of_no_known_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for name in ("a.txt", "empty", "missing.graphml"):
        with pytest.raises(InputError, match=r"GraphML \(\.graphml\)"):
            front_door.import_network(tmp_path / name, tmp_path / "net")


def test_hostile_names_become_names(tmp_path: Path) -> None:
    evil = ["=cmd|' /C calc'!A0", "<b>\u202eb</b>", "a\nb", "x" * 500, "\u5317", "[a](javascript:b)", "--"]
    graph = nx.Graph()
    for at, name in enumerate(evil):
        graph.add_node(at, label=name, latitude=40.0 + at, longitude=10.0)
    nx.add_path(graph, range(len(evil)))
    path = tmp_path / "evil.graphml"
    nx.write_graphml(graph, path)
    found = front_door.import_network(path, tmp_path / "net")
    table = pd.read_csv(tmp_path / "net" / "nodes.csv")
    assert table["name"].tolist() == [
        "cmd|' /C calc'!A0", "<b>b</b>", "a b", "x" * 100, "\u5317", "[a](javascript:b)", "unnamed",
    ]  # fmt: skip
    assert table["id"].tolist()[4:] == ["node", "a_javascript_b", "unnamed"]
    page = (tmp_path / "net" / "ASSUMPTIONS.md").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "](javascript" not in page
    assert found.network.nodes["name"].tolist() == table["name"].tolist()


def test_sndlib_text_is_known_by_its_head(tmp_path: Path) -> None:
    path = tmp_path / "abilene"
    path.write_text(SNDLIB_NATIVE, encoding="utf-8")
    network = front_door.import_network(path, tmp_path / "net").network
    assert network.nodes["demand_weight"].tolist() == [0.125, 0.125, 0.375, 0.375]
    assert not math.isnan(network.links["capacity_gbps"].sum())

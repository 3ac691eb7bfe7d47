"""Each reader against networkx on the same file, and against numbers that stand in the file."""

from __future__ import annotations

import json
import math
from importlib import resources
from pathlib import Path

import networkx as nx
import pytest
from graph_files import EDGES, ENTITIES, PLACES, SNDLIB_NATIVE, SNDLIB_XML, ZOO

from network_data.faults import InputError
from network_data.plausibility import great_circle_km
from optimizer.imports.clean import clean_graph, simple_graph
from optimizer.imports.edge_lists import apply_places, read_edge_list
from optimizer.imports.graphml import read_graphml
from optimizer.imports.sndlib import read_sndlib_native, read_sndlib_xml
from optimizer.imports.source_graph import ImportOptions, SourceGraph
from optimizer.imports.topohub import read_topohub

PLAIN = ImportOptions()
TOPOHUB = Path(str(resources.files("topohub"))) / "data"


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def notes(graph: SourceGraph, kind: str) -> str:
    return "; ".join(f"{note.text}: {', '.join(note.items)}" for note in graph.notes if note.kind == kind)


def test_zoo_has_the_nodes_and_links_that_networkx_reads(tmp_path: Path) -> None:
    path = write(tmp_path, "toy.graphml", ZOO)
    graph, stored = read_graphml(path, PLAIN), nx.read_graphml(path)
    assert list(graph.nodes) == list(stored)
    assert [(link.start, link.end) for link in graph.links] == list(stored.edges())
    for key, found in stored.nodes(data=True):
        node = graph.nodes[key]
        assert node.latitude_deg == pytest.approx(found.get("Latitude", math.nan), nan_ok=True)
        assert node.longitude_deg == pytest.approx(found.get("Longitude", math.nan), nan_ok=True)
    assert (graph.name, graph.origin) == ("Toynet", "http://www.example.org/map.gif")
    assert {node.country for node in graph.nodes.values()} == {"Czech Republic"}
    stated = [(link.start, link.end, link.capacity_gbps) for link in graph.links if link.capacity_gbps > 0]
    assert stated == [("0", "1", pytest.approx(0.034)), ("0", "1", 20.0), ("2", "3", 0.155)]


def test_zoo_loses_what_has_no_place_and_keeps_hyperedges_as_junctions(tmp_path: Path) -> None:
    graph = read_graphml(write(tmp_path, "toy.graphml", ZOO), PLAIN)
    clean_graph(graph, swap_coordinates=False)
    left = notes(graph, "left out")
    assert "TEN-34" in left
    assert "Satellite" in left
    assert "links that end where they start: Ostrava" in left
    assert list(graph.nodes) == ["0", "1", "2", "3", "6", "7"]
    assert len(graph.links) == 6  # of nine, without the loop and the two to what has no place
    middle = graph.nodes["3"]
    assert (middle.is_hub, middle.is_placed) == (False, True)
    # Between Brno, Ostrava and the other Brno: within what their coordinates span.
    assert 49.19522 < middle.latitude_deg < 49.83465
    assert 16.60796 < middle.longitude_deg < 18.28204
    zlin = graph.nodes["7"]
    assert (zlin.latitude_deg, zlin.longitude_deg) == pytest.approx((49.1952, 16.608))
    assert nx.is_connected(simple_graph(graph))


def test_arcs_are_joined_in_pairs(tmp_path: Path) -> None:
    arcs = nx.MultiDiGraph()
    for key, place in {"a": (10, 20), "b": (11, 21), "c": (12, 22)}.items():
        arcs.add_node(key, latitude=float(place[0]), longitude=float(place[1]), demand_weight=2.0)
    arcs.add_edge("a", "b", capacity_gbps=40.0)
    arcs.add_edge("b", "a", capacity_gbps=10.0)
    arcs.add_edge("a", "b", capacity_gbps=100.0)
    arcs.add_edge("c", "b")
    path = tmp_path / "arcs.graphml"
    nx.write_graphml(arcs, path)
    graph = read_graphml(path, PLAIN)
    clean_graph(graph, swap_coordinates=False)
    assert [(link.start, link.end, link.capacity_gbps) for link in graph.links[:2]] == [
        ("a", "b", 10.0),
        ("a", "b", 100.0),
    ]
    assert len(graph.links) == 3
    assert "c to b" in notes(graph, "assumed")
    assert (graph.weight_basis, graph.nodes["c"].weight) == ("demand_weight of the file", 2.0)


def test_both_sndlib_formats_say_the_same(tmp_path: Path) -> None:
    native = read_sndlib_native(write(tmp_path, "a.txt", SNDLIB_NATIVE), PLAIN)
    xml = read_sndlib_xml(write(tmp_path, "a.xml", SNDLIB_XML, "iso-8859-1"), PLAIN)
    assert native.nodes == xml.nodes
    assert native.links == xml.links
    assert native.origin == xml.origin == "scaled (peak) matrix"
    # The largest module stands for a capacity that is not installed.
    assert [link.capacity_gbps for link in native.links] == pytest.approx([9.92, 2.48, 0.622])
    assert [node.weight for node in native.nodes.values()] == [10.0, 10.0, 30.0, 30.0]
    assert (native.nodes["HSTNng"].latitude_deg, native.nodes["HSTNng"].longitude_deg) == (29.77, -95.52)


def test_sndlib_without_a_unit_has_no_capacities_unless_it_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", SNDLIB_NATIVE.replace("  unit = MBITPERSEC\n", ""))
    graph = read_sndlib_native(path, PLAIN)
    assert all(math.isnan(link.capacity_gbps) for link in graph.links)
    assert all(link.has_bare_capacity for link in graph.links)
    assert read_sndlib_native(path, ImportOptions(capacity_unit="gbps")).links[1].capacity_gbps == 2480.0


def test_sndlib_nodes_may_have_no_coordinates(tmp_path: Path) -> None:
    text = SNDLIB_NATIVE.replace("CHINng ( -87.62 41.83 )", "CHINng").replace("IPLSng ( -86.16 39.78 )", "IPLSng")
    graph = read_sndlib_native(write(tmp_path, "a.txt", text), PLAIN)
    assert list(graph.nodes) == ["ATLAng", "CHINng", "HSTNng", "IPLSng"]
    clean_graph(graph, swap_coordinates=False)  # IPLSng is put at ATLAng, then CHINng at IPLSng
    assert graph.nodes["CHINng"].latitude_deg == 34.5


@pytest.mark.parametrize("name", ["sndlib/polska", "topozoo/Chinanet", "caida/2024-08/1103", "sndlib/abilene"])
def test_topohub_has_the_graph_that_networkx_reads(name: str) -> None:
    path = TOPOHUB / f"{name}.json"
    graph = read_topohub(path, PLAIN)
    stored = nx.node_link_graph(json.loads(path.read_text(encoding="utf-8")), edges="edges")
    assert list(graph.nodes) == [str(key) for key in stored]
    assert {frozenset((link.start, link.end)) for link in graph.links} == {
        frozenset(map(str, ends)) for ends in stored.edges()
    }
    for start, end, found in stored.edges(data=True):
        ends = (graph.nodes[str(key)] for key in (start, end))
        straight_km = great_circle_km(*((node.latitude_deg, node.longitude_deg) for node in ends))
        assert straight_km == pytest.approx(found["dist"], rel=0.01, abs=1.0)  # so it is no length of fibre


def test_topohub_demands_weigh_both_ends() -> None:
    graph = read_topohub(TOPOHUB / "sndlib" / "polska.json", PLAIN)
    # The file holds each pair once; demands of Gdansk with the eleven others.
    gdansk = 195 + 158 + 174 + 101 + 198 + 158 + 182 + 154 + 175 + 122 + 114
    assert graph.nodes["0"].weight == gdansk


@pytest.mark.parametrize("name", ["ta2", "giul39"])
def test_drawings_in_place_of_coordinates_are_refused(name: str) -> None:
    graph = read_topohub(TOPOHUB / "sndlib" / f"{name}.json", PLAIN)
    with pytest.raises(InputError, match=r"no degrees.*--places"):
        clean_graph(graph, swap_coordinates=False)


def test_points_on_sea_cables_have_no_demand() -> None:
    graph = read_topohub(TOPOHUB / "backbone" / "africa.json", PLAIN)
    points = [node for node in graph.nodes.values() if not node.is_hub]
    assert points
    assert all(node.name.startswith("point ") for node in points)


def test_list_of_links_takes_places(tmp_path: Path) -> None:
    graph = read_edge_list(write(tmp_path, "edges.csv", EDGES), ImportOptions(capacity_unit="mbps"))
    apply_places(graph, write(tmp_path, "places.csv", PLACES))
    assert list(graph.nodes) == ["a", "b", "c"]
    assert [node.name for node in graph.nodes.values()] == ["Alfa", "Bravo", "Carol"]
    assert graph.nodes["a"].population_million == 3.0
    assert [link.length_km for link in graph.links] == pytest.approx([700, 10, math.nan], nan_ok=True)
    assert [link.capacity_gbps for link in graph.links] == pytest.approx([0.1, 0.4, math.nan], nan_ok=True)


def test_coordinates_that_stand_the_other_way_round_are_told(tmp_path: Path) -> None:
    graph = read_edge_list(write(tmp_path, "edges.csv", EDGES), PLAIN)
    swapped = "id,lat,lon\na,110,40\nb,114,42\nc,114,38\n"
    apply_places(graph, write(tmp_path, "places.csv", swapped))
    with pytest.raises(InputError, match="--swap-coordinates"):
        clean_graph(graph, swap_coordinates=False)
    clean_graph(graph, swap_coordinates=True)
    assert (graph.nodes["a"].latitude_deg, graph.nodes["a"].longitude_deg) == (40, 110)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.graphml", ENTITIES + "<graphml>&j;</graphml>", "entities"),
        ("a.graphml", ZOO.replace("</graph>", ""), "well-formed"),
        ("a.graphml", ZOO.replace('<key attr.name="label" attr.type="string" for="node" id="d28" />', ""), "GraphML"),
        ("a.graphml", ZOO.replace("50.08804", "50 05 17"), "Latitude|GraphML"),
        ("a.graphml", ZOO.replace('target="4"', 'target="99"'), None),
        ("a.xml", SNDLIB_XML.replace("<capacity>2480.0", "<capacity>many"), "many"),
        ("a.xml", SNDLIB_XML.replace("nodes", "knots"), "no nodes"),
        ("a.xml", ENTITIES.replace("graphml", "network") + SNDLIB_XML.partition("?>")[2], "entities"),
        ("a.txt", SNDLIB_NATIVE.replace("HSTNng ATLAng", "HSTNng"), "two nodes"),
        ("a.txt", SNDLIB_NATIVE.replace("type: network", "type: model"), "no network"),
        ("a.txt", SNDLIB_NATIVE + ")", "that none opened"),
        ("a.txt", SNDLIB_NATIVE.rstrip().removesuffix(")"), "within a parenthesis"),
        ("a.txt", SNDLIB_NATIVE.replace("2480.00", "wide"), "a.txt:20.*wide"),
        ("a.json", "[1, 2]", "no graph"),
        ("a.json", "{", "as JSON"),
        ("a.json", "[" * 100_000, "as JSON"),
        ("a.json", '{"nodes": [{"id": 1, "pos": [1]}], "edges": []}', "pos is no pair"),
        ("a.csv", "x,y\n1,2\n", "no list of links"),
        ("a.csv", "from,to\na,\n", "one end only"),
        ("a.csv", "from,to,length_km\na,b,far\n", "length_km.*far"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_with_what_is_wrong(tmp_path: Path, name: str, text: str, what: str | None) -> None:
    readers = {
        ".graphml": read_graphml,
        ".xml": read_sndlib_xml,
        ".txt": read_sndlib_native,
        ".json": read_topohub,
        ".csv": read_edge_list,
    }
    path = write(tmp_path, name, text)
    if what is None:  # networkx adds the node that an edge names; it has no place and no links but that one
        graph = readers[path.suffix](path, PLAIN)
        clean_graph(graph, swap_coordinates=False)
        assert graph.nodes["99"].is_placed
        return
    with pytest.raises(InputError, match=what):
        readers[path.suffix](path, PLAIN)


@pytest.mark.parametrize(
    ("label", "gbps"), [("OC-192c", 9.95328), ("OC48", 2.48832), ("2 x OC-3", 0.31104), ("OC-192c leased", math.nan)]
)
def test_optical_carriers_are_read_from_labels(label: str, gbps: float, tmp_path: Path) -> None:
    graph = nx.Graph()
    graph.add_node("0", label="New York", Latitude=40.7, Longitude=-74.0)
    graph.add_node("1", label="Chicago", Latitude=41.9, Longitude=-87.7)
    graph.add_edge("0", "1", LinkLabel=label)
    nx.write_graphml(graph, tmp_path / "zoo.graphml")
    (link,) = read_graphml(tmp_path / "zoo.graphml", PLAIN).links
    assert link.capacity_gbps == pytest.approx(gbps, nan_ok=True)

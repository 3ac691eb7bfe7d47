"""Files for other programs: a graph that networkx reads back, and models that HiGHS reads back and solves alike."""

from __future__ import annotations

import re
from pathlib import Path

import networkx as nx
import pytest
from commands import edwc
from run_files import CENTERS, HOSTILE_NAMES, LINKS, NODES, write_run
from toy_problems import toy_problem
from toy_scenario import ToyScenario

import edwc as front_door
from network_data.faults import InputError
from optimizer.exports.programs import _legal, export_model
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.run import open_run
from optimizer.solvers.control import Control
from optimizer.solvers.highs import new_highs, run_once
from optimizer.solvers.solve import solve_whole

# What the LP format allows in a name, and how one may not begin; MPS wants no blanks.
LEGAL_NAME = re.compile(r"(?![eE]\d)[A-Za-z_][A-Za-z0-9_.]{0,254}")


def test_graph_has_the_places_links_and_loads_of_the_run(tmp_path: Path) -> None:
    run = open_run(write_run(tmp_path / "run"))
    front_door.export_run(run, tmp_path / "a.graphml")
    graph = nx.read_graphml(tmp_path / "a.graphml")
    assert set(graph) == {*NODES, *CENTERS}
    links = {frozenset(ends) for *ends, kind in graph.edges(data="kind") if kind == "link"}
    assert links == {frozenset(pair) for pair in LINKS}
    # Where a route of the run shows it, a data center is tied to its node; dc_idle has none.
    access = {tuple(sorted(ends)) for *ends, kind in graph.edges(data="kind") if kind == "access"}
    assert access == {("alfa", "dc_alfa"), ("dc_delta", "delta"), ("dc_echo", "echo")}
    alfa, delta = graph.nodes["alfa"], graph.nodes["dc_delta"]
    assert (alfa["kind"], alfa["longitude_deg"], alfa["name_local"]) == ("demand_hub", 120.0, "都市")
    assert (delta["kind"], delta["latitude_deg"], delta["is_open"]) == ("data_center", 26.4, True)
    assert graph.nodes["carol"] == {"kind": "junction", "latitude_deg": 31.0, "longitude_deg": 113.0}
    assert graph.edges["alfa", "carol"]["load_share"] == 0.25
    assert delta["mtok_per_year"] == pytest.approx(375.0 * 8760)


def test_graph_takes_hostile_names_and_is_the_same_each_time(tmp_path: Path) -> None:
    names = HOSTILE_NAMES | {"dc_echo": "null\x00 and \u202e bell\x07"}
    run = open_run(write_run(tmp_path / "run", names=names))
    first, second = (front_door.export_run(run, tmp_path / name) for name in ("a.graphml", "b.graphml"))
    assert first.read_bytes() == second.read_bytes()
    graph = nx.read_graphml(first)
    assert graph.nodes["bravo"]["name"] == HOSTILE_NAMES["bravo"]
    assert graph.nodes["dc_echo"]["name"] == r"null\x00 and \u202e bell\x07"


@pytest.mark.parametrize("ending", ["mps", "lp"])
def test_model_that_is_read_back_has_our_optimum(tmp_path: Path, ending: str) -> None:
    problem = toy_problem(slices_per_day=2, profile=[1.5, 0.5])
    path = export_model(problem, tmp_path / f"model.{ending}")
    highs = new_highs()
    assert highs.readModel(str(path)).name == "kOk"
    highs.setOptionValue("mip_rel_gap", 0.0)
    run_once(highs)
    ours = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert ours.objective_cny > 0
    assert highs.getInfo().objective_function_value == pytest.approx(ours.objective_cny, rel=1e-7)


@pytest.mark.parametrize("ending", ["mps", "lp"])
def test_names_of_the_model_are_legal_and_tell_what_they_are(tmp_path: Path, ending: str) -> None:
    export_model(toy_problem(slices_per_day=2), tmp_path / f"model.{ending}")
    highs = new_highs()
    highs.readModel(str(tmp_path / f"model.{ending}"))
    program = highs.getLp()
    names = [*program.col_names_, *program.row_names_]
    assert len(set(names)) == len(names)
    assert all(LEGAL_NAME.fullmatch(name) for name in names)
    assert {"Open.east", "Open.west"} <= set(program.col_names_)
    assert "Flow.00_00.alpha.chat.west.r1" in program.col_names_
    assert "serve_demand.12_00.beta.batch" in program.row_names_


def test_names_that_become_the_same_or_are_too_long_are_numbered() -> None:
    long = "a" * 300
    assert _legal(["x.a-b", "x.a b", "x.c", long]) == ["x.a_b.n0", "x.a_b.n1", "x.c", f"{'a' * 230}.n3"]


def test_scenario_and_run_give_the_same_model(tmp_path: Path) -> None:
    ToyScenario(tmp_path)()
    scenario = tmp_path / "toy.yaml"
    size = ["--set", "time.slices_per_day=1"]
    out, _ = edwc("export", scenario, "--to", tmp_path / "a.mps", *size)
    assert out == f"wrote {tmp_path / 'a.mps'}\n"
    run = front_door.solve(scenario, {"time.slices_per_day": 1, "solver.threads": 1}, out=tmp_path / "run")
    edwc("export", tmp_path / "run", "--to", tmp_path / "b.mps")
    assert (tmp_path / "a.mps").read_bytes() == (tmp_path / "b.mps").read_bytes()
    highs = new_highs()
    highs.readModel(str(tmp_path / "b.mps"))
    run_once(highs)
    assert highs.getInfo().objective_function_value == pytest.approx(run.cost_cny_per_year, rel=1e-3)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    for ending in ("graphml", "nc", "mps", "lp"):
        assert "no layers" in edwc("export", folder, "--to", tmp_path / f"a.{ending}", "--layer", "links", code=1)[1]
        assert "no drawn map" in edwc("export", folder, "--to", tmp_path / f"a.{ending}", "--map", "price", code=1)[1]
    assert (
        "--set"
        in edwc("export", folder, "--to", tmp_path / "a.png", "--set", "costs.carbon_price_cny_per_t=1", code=1)[1]
    )
    problem: PlacementProblem = toy_problem()
    for target in (tmp_path / "model.txt", tmp_path / "nowhere" / "model.mps", tmp_path):
        with pytest.raises(InputError, match=r"\.mps or \.lp"):
            export_model(problem, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]

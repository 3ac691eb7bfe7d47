"""A problem from objects, its Pyomo model by labels, and the run of what a model was solved to."""

from __future__ import annotations

import io
from pathlib import Path

import pyomo.environ as pyo
import pytest
from toy_scenario import ToyScenario

import edwc
from network_data.load import load_network
from optimizer.api.problems import Problem, build_problem, run_from_pyomo
from scenarios.load import load_scenario

EXACT = {"solver.mip_rel_gap": 0.0, "solver.threads": 1, "time.slices_per_day": 2}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    ToyScenario(tmp_path)()
    return tmp_path / "toy.yaml"


@pytest.fixture
def problem(toy: Path) -> Problem:
    return build_problem(load_network(toy.parent / "net"), load_scenario(toy), EXACT)


def solve(model: pyo.ConcreteModel) -> None:
    pyo.SolverFactory("highs").solve(model)


def test_problem_knows_what_it_was_made_from(toy: Path, problem: Problem) -> None:
    assert (problem.scenario.name, problem.network.name, problem.name) == ("toy", "net", "toy")
    assert len(problem.slices) == 2
    by_name = build_problem(None, toy, EXACT)
    assert (by_name.energy_price_cny_per_mwh == problem.energy_price_cny_per_mwh).all()
    assert repr(problem) == "<Problem 'toy': 4 workloads, 2 data centers, 2 time slices, 8 candidates>"


def test_model_goes_by_labels_of_the_network(problem: Problem) -> None:
    model = problem.to_pyomo()
    assert list(model.DATA_CENTERS) == ["dc_east", "dc_west"]
    assert ("metro_a/chat", "dc_east", "metro_a>node_east", "00:00") in model.Flow
    assert model.class_of["metro_a/chat"] == "chat"
    assert model.previous["00:00"] == "12:00"
    shown = io.StringIO()
    model.Deploy.pprint(ostream=shown)
    assert "('chat', 'dc_west')" in shown.getvalue()


def test_labelled_model_has_the_same_optimum_and_becomes_a_run(toy: Path, problem: Problem, tmp_path: Path) -> None:
    model = problem.to_pyomo()
    solve(model)
    run = run_from_pyomo(problem, model)
    own = edwc.solve(toy, EXACT)
    assert pyo.value(model.total_cost) == pytest.approx(own.cost_cny_per_year, rel=1e-6)
    assert run.cost_cny_per_year == pytest.approx(own.cost_cny_per_year, rel=1e-6)
    assert run.component_cny.to_dict() == pytest.approx(own.component_cny.to_dict(), rel=1e-5, abs=1e-3)
    assert (run.termination, run.exit_code, run.bound_cny_per_year) == ("given", 3, -float("inf"))
    assert run.verify().is_verified
    stored = edwc.open_run(run.save(tmp_path / "run"))
    assert stored.verify().is_verified
    assert stored.map(tmp_path / "a.png", kind="price").get_size_inches().tolist() == [16.0, 12.0]
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_constraint_of_ones_own_holds_in_the_run(problem: Problem) -> None:
    model = problem.to_pyomo()
    solve(model)
    free = run_from_pyomo(problem, model)
    assert free.data_centers["mtok_per_year"].idxmax() == "dc_west"
    model.keep_shut = pyo.Constraint(expr=model.Open["dc_west"] == 0)
    solve(model)
    bound = run_from_pyomo(problem, model)
    assert not bound.data_centers.loc["dc_west", "is_open"]
    assert bound.cost_cny_per_year > free.cost_cny_per_year


def test_model_without_values_is_refused(problem: Problem) -> None:
    with pytest.raises(ValueError, match="no values: solve it first"):
        run_from_pyomo(problem, problem.to_pyomo())


def test_plan_that_breaks_a_limit_is_refused_by_name(problem: Problem) -> None:
    model = problem.to_pyomo()
    solve(model)
    for flow in model.Flow.values():
        flow.set_value(flow.value / 2)
    with pytest.raises(ValueError, match=r"breaks \d+ limit\(s\):\n\(1a\) serve_demand at "):
        run_from_pyomo(problem, model)


def test_values_out_of_bounds_or_not_whole_are_refused_by_name(problem: Problem) -> None:
    model = problem.to_pyomo()
    solve(model)
    model.Open["dc_east"].set_value(0.5)
    with pytest.raises(ValueError, match=r"out of bounds or not whole: Open\[dc_east\] = 0\.5"):
        run_from_pyomo(problem, model)


def test_model_of_another_problem_is_refused(toy: Path, problem: Problem) -> None:
    other = build_problem(None, toy, EXACT | {"time.slices_per_day": 4})
    model = other.to_pyomo()
    solve(model)
    with pytest.raises(ValueError, match=r"the model has \d+ variables Flow, the problem \d+"):
        run_from_pyomo(problem, model)

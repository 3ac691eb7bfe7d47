"""The compiled matrix equals what Pyomo's own compiler makes of the same rules."""

from __future__ import annotations

import numpy as np
import pytest
from compiled import compiled_rows, normalized, pyomo_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_problems import random_problem, toy_problem

from network_data.load import load_network
from optimizer.model import rows
from optimizer.model.compile import compile_model, stream_model
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.highs import load_highs, new_highs, pass_model, run_once
from scenarios.load import load_scenario


def assert_same_as_pyomo(problem: PlacementProblem) -> None:
    ours, our_cost = compiled_rows(problem)
    theirs, their_cost = pyomo_rows(problem)
    assert ours.keys() == theirs.keys()
    for label, row in theirs.items():
        entries, lower, upper = normalized(row)
        assert ours[label][0] == pytest.approx(entries, rel=1e-12, abs=1e-15), label
        assert ours[label][1:] == pytest.approx((lower, upper), rel=1e-12), label
    assert our_cost == pytest.approx(their_cost, rel=1e-12)


TOYS = {
    "plain": {},
    "deferrable": {"deferrable_h": 12},
    "deferrable in one slice": {"deferrable_h": 24, "slices_per_day": 1},
    "indivisible": {"indivisible": (True, True)},
    "min share, max sites": {"min_share": (0.2, 0.1), "max_sites": (1, 2)},
    "two accelerators, carbon": {"accelerators": 2, "carbon_price_cny_per_t": 50.0},
    "demand charge, two days": {"demand_charge_cny_per_kw_month": (40.0, 30.0), "day_months": (5.0, 7.0)},
    "contracted power, two days": {
        "demand_charge_cny_per_kw_month": (40.0, 30.0),
        "demand_charge_basis": ("contracted", "monthly_peak"),
        "day_months": (5.0, 7.0),
    },
    "opening by power, contracted power": {
        "demand_charge_cny_per_kw_month": (40.0, 30.0),
        "demand_charge_basis": ("contracted", "monthly_peak"),
        "opening_cny_per_mw_year": (1e5, 2e5),
    },
    "scarce links, shedding": {
        "link_capacity_gbps": (1.0, 1.0, 1.0, 1.0),
        "second_route": True,
        "shed_penalty_cny_per_mtok": 9.0,
    },
    "min pods": {"min_pods": (3, 12)},
}


@pytest.mark.parametrize("options", TOYS.values(), ids=TOYS.keys())
def test_matrix_of_each_toy_is_pyomos(options: dict[str, object]) -> None:
    assert_same_as_pyomo(toy_problem(**options))


@given(seed=st.integers(0, 2**31), size=st.integers(1, 3))
@settings(max_examples=25)
def test_matrix_of_random_problems_is_pyomos(seed: int, size: int) -> None:
    assert_same_as_pyomo(random_problem(np.random.default_rng(seed), size))


def test_matrix_of_the_base_scenario_is_pyomos() -> None:
    scenario = load_scenario("base", ["time.slices_per_day=2"])
    assert_same_as_pyomo(assemble_problem(load_network("china_2026"), scenario))


@pytest.mark.parametrize("most_batches", [1, 7, 1000])
@pytest.mark.parametrize("options", TOYS.values(), ids=TOYS.keys())
def test_rows_in_batches_are_those_of_the_whole_matrix(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], most_batches: int
) -> None:
    monkeypatch.setattr(rows, "_BATCHES", most_batches)
    monkeypatch.setattr(rows, "_SMALLEST_BATCH", 1)
    problem = toy_problem(**options)
    model = compile_model(problem)
    _, columns, blocks, stream = stream_model(problem)
    batches = list(stream)
    assert len(batches) <= 2 * most_batches
    assert len(batches) > 1 or most_batches == 1
    for name, whole in (("lower", model.row_lower), ("upper", model.row_upper), ("indices", model.indices)):
        assert np.array_equal(np.concatenate([getattr(batch, name) for batch in batches]), whole)
    assert np.array_equal(np.concatenate([batch.values for batch in batches]), model.values)
    per_row = np.concatenate([np.diff(batch.starts) for batch in batches])
    assert np.array_equal(per_row, np.diff(model.starts))
    assert {name: block.rows for name, block in blocks.items()} == {name: b.rows for name, b in model.rows.items()}
    assert columns.keys() == model.columns.keys()


def test_loading_batch_by_batch_gives_the_same_model() -> None:
    problem = toy_problem(deferrable_h=12, indivisible=(True, False), demand_charge_cny_per_kw_month=(40.0, 30.0))
    model = compile_model(problem)
    whole, parts = new_highs(), new_highs()
    pass_model(
        whole, model.matrix, cost=model.cost, lower=model.lower, upper=model.upper, row_lower=model.row_lower,
        row_upper=model.row_upper, is_integer=model.is_integer,
    )  # fmt: skip
    columns, blocks = load_highs(problem, parts)
    assert {name: block.columns for name, block in columns.items()} == {
        name: block.columns for name, block in model.columns.items()
    }
    assert {name: block.rows for name, block in blocks.items()} == {name: b.rows for name, b in model.rows.items()}
    for highs in (whole, parts):
        run_once(highs)
    assert whole.getNumNz() == parts.getNumNz() == len(model.values)
    assert parts.getInfo().objective_function_value == pytest.approx(whole.getInfo().objective_function_value)

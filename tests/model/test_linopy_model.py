"""The model that the benchmark builds in linopy is this model: same size, same optimum."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("linopy", reason="linopy comes with the bench extra")

from toy_problems import random_problem, toy_problem

from benchmarks.linopy_model import build_linopy
from optimizer.model.compile import compile_model
from optimizer.problem.problem import NO_LIMITS, PlacementProblem
from optimizer.solvers.highs import is_optimal, new_highs, pass_model, run_once

pytestmark = pytest.mark.filterwarnings("ignore::linopy.PerformanceWarning")

TOYS: dict[str, dict[str, Any]] = {
    "deferrable": {"deferrable_h": 12},
    "indivisible": {"indivisible": (True, True)},
    "min share, max sites": {"min_share": (0.2, 0.1), "max_sites": (1, 2)},
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
    "scarce links": {"link_capacity_gbps": (1.0,) * 4, "second_route": True, "shed_penalty_cny_per_mtok": 9.0},
    "min pods": {"min_pods": (3, 12)},
    "carbon": {"carbon_price_cny_per_t": 50.0},
}


def assert_linopy_says_the_same(problem: PlacementProblem) -> None:
    model = compile_model(problem)
    ours = new_highs()
    pass_model(
        ours,
        model.matrix,
        cost=model.cost,
        lower=model.lower,
        upper=model.upper,
        row_lower=model.row_lower,
        row_upper=model.row_upper,
        is_integer=model.is_integer,
    )
    theirs = build_linopy(problem).to_highspy()
    theirs.setOptionValue("output_flag", "off")
    theirs.setOptionValue("threads", 1)
    assert (theirs.getNumCol(), theirs.getNumRow(), theirs.getNumNz()) == (
        len(model.cost),
        len(model.row_lower),
        len(model.values),
    )
    run_once(ours)
    run_once(theirs)
    assert ours.getModelStatus() == theirs.getModelStatus()
    if is_optimal(ours):
        assert theirs.getObjectiveValue() == pytest.approx(ours.getObjectiveValue(), rel=1e-6)


@pytest.mark.parametrize("options", TOYS.values(), ids=TOYS.keys())
def test_linopy_model_has_our_optimum(options: dict[str, Any]) -> None:
    assert_linopy_says_the_same(toy_problem(**options))


@pytest.mark.parametrize("seed", range(8))
def test_linopy_model_has_our_optimum_on_random_problems(seed: int) -> None:
    # The model of the benchmark has no policy.
    assert_linopy_says_the_same(replace(random_problem(np.random.default_rng(seed)), policy=NO_LIMITS))

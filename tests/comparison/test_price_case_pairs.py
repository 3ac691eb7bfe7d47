"""Every pair of shipped price cases, on the reduced scenario: bars that sum, regret that is not negative."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from reduced import GAP, reduced_overrides

from optimizer.comparison.cases import expand_cases
from optimizer.comparison.effects import build_waterfall, find_regret
from optimizer.comparison.runner import CaseRunner
from optimizer.runs.difference import find_moves
from optimizer.runs.run import Run
from scenarios import list_price_cases


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("pairs")
    overrides = [*reduced_overrides("base", folder), "time.slices_per_day=1"]
    with CaseRunner("base", overrides, out=folder / "out") as runner:
        results = runner.run(expand_cases(list_price_cases(), ()))
        return {name: result.open_run() for name, result in results.items()}


def test_bars_of_every_pair_sum_to_the_difference(plans: dict[str, Run]) -> None:
    assert plans.keys() == {"reference", *list_price_cases()}
    for first, second in itertools.product(plans.values(), repeat=2):
        waterfall = build_waterfall(first, second)
        # Price cases differ in prices alone: each plan is a plan under each of them.
        assert waterfall.reason == ""
        difference = second.checked_cost_cny - first.checked_cost_cny
        bars = math.fsum(waterfall.bars["cny_per_year"].iloc[1:-1])
        assert abs(bars - difference) <= max(1e-9 * abs(difference), 1e-15 * abs(first.checked_cost_cny))
        assert waterfall.total_cny("price") + waterfall.total_cny("reoptimize") == pytest.approx(
            difference, rel=1e-9, abs=1e-6
        )
        assert waterfall.total_cny("reoptimize") <= GAP * second.checked_cost_cny


def test_moves_to_every_price_case_balance(plans: dict[str, Run]) -> None:
    first = plans["reference"]
    for second in plans.values():
        moved = find_moves(first.decisions["allocation"], second.decisions["allocation"])
        change = moved.data_centers["change_mtok_per_year"]
        assert change.sum() == pytest.approx(0.0, abs=1e-6 * first.facts.candidate_mtok_per_year.sum())
    assert moved.has_hours


def test_regret_has_a_zero_diagonal_and_nothing_negative_beyond_the_gap(plans: dict[str, Run]) -> None:
    regret = find_regret(list(plans.values()))
    matrix = regret.matrix_cny
    assert matrix.notna().all(axis=None)
    assert np.diag(matrix).tolist() == [0.0] * len(plans)
    for name, plan in plans.items():
        assert matrix[name].min() >= -(plan.checked_cost_cny - plan.bound_cny_per_year) * (1 + 1e-9)
    worst = matrix.max(axis=1)
    assert worst[regret.minimax_plan] == worst.min()
    # `today` changes nothing, so its plan is that of the scenario, in each column.
    assert matrix.loc["today"].tolist() == matrix.loc["reference"].tolist()

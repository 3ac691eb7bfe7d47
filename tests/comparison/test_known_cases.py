"""What a case knows of others: what their plans cost in it, and what they prove."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.checker.check import check_plan
from optimizer.comparison.carried_plans import settle_plan
from optimizer.comparison.known_cases import KnownCases
from optimizer.runs.run import Run, open_run
from optimizer.runs.solve import solve_scenario


@pytest.fixture
def stored(toy_sweep: Path, tmp_path: Path) -> dict[str, Path]:
    """Run folders of the sweep's scenario at other prices of carbon, and with another demand."""
    changes = {
        "free": "costs.carbon_price_cny_per_t=0",
        "dear": "costs.carbon_price_cny_per_t=400",
        "other": "demand.tokens_per_day_trillion=0.02",
    }
    for name, change in changes.items():
        _solved(toy_sweep, tmp_path / name, change)
    return {name: tmp_path / name for name in changes}


def _solved(scenario: Path, folder: Path, change: str) -> Run:
    overrides = ("solver.method=decomposed", "solver.mip_rel_gap=1e-4", change)
    return solve_scenario(scenario, overrides, out=folder, keep_learned=True)


def test_plans_are_priced_by_unit_costs_as_the_checker_does(
    toy_sweep: Path, stored: dict[str, Path], tmp_path: Path
) -> None:
    between = _solved(toy_sweep, tmp_path / "between", "costs.carbon_price_cny_per_t=200")
    known = KnownCases(between.problem, list(stored.values()))
    priced = {
        name: check_plan(between.problem, settle_plan(between.problem, open_run(folder).tables))
        for name, folder in stored.items()
    }
    for name in ("free", "dear"):
        assert known.cost_cny[stored[name]] == pytest.approx(priced[name].total_cny, rel=1e-9)
    assert not priced["other"].is_feasible
    best = min(("free", "dear"), key=lambda name: priced[name].total_cny)
    plan = known.cheapest_plan()
    assert plan is not None
    assert check_plan(between.problem, plan).total_cny == pytest.approx(priced[best].total_cny, rel=1e-9)


def test_only_what_differs_in_prices_proves_anything(toy_sweep: Path, stored: dict[str, Path], tmp_path: Path) -> None:
    between = _solved(toy_sweep, tmp_path / "between", "costs.carbon_price_cny_per_t=200")
    ends = [stored["free"], stored["dear"]]
    bound = KnownCases(between.problem, ends).bound_cny
    halfway = sum(open_run(folder).bound_cny_per_year for folder in ends) / 2
    assert halfway * (1 - 1e-6) <= bound <= between.cost_cny_per_year * (1 + 1e-9)
    assert KnownCases(between.problem, [*ends, stored["other"]]).bound_cny == bound
    assert KnownCases(between.problem, [stored["other"]]).bound_cny == -float("inf")
    assert KnownCases(between.problem, [tmp_path / "none"]).cheapest_plan() is None

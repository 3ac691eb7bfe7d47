"""The price of surviving failures: printed, stored, checked again, and what is proved of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from toy_scenario import ToyScenario

import edwc
from optimizer.runs.run import Run, open_run
from optimizer.runs.solve import ResiliencePrice, price_of_resilience, with_known_bound
from optimizer.solvers.control import Progress, Solution, Termination
from optimizer.text.run import describe_run

SURVIVE = "resilience.survive=any_data_center"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a scenario whose data centers each have an opening cost, so that surviving costs the second one."""
    folder = tmp_path_factory.mktemp("toy")
    centers = {"data_centers": lambda rows: [{**row, "opening_cny_per_year": 1e6} for row in rows]}
    ToyScenario(folder)(tables=centers)
    return folder


def solve(folder: Path, *overrides: str, **options: object) -> Run:
    common = ("solver.mip_rel_gap=0", "solver.threads=1")
    return edwc.solve(folder / "toy.yaml", [*common, *overrides], **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def survivor(folder: Path) -> Run:
    return solve(folder, SURVIVE, out=folder / "run")


def test_price_is_the_difference_to_the_run_without(folder: Path, survivor: Run) -> None:
    without = solve(folder)
    assert without.info["resilience"] is None
    told = survivor.info["resilience"]
    assert told["cost_without_cny_per_year"] == pytest.approx(without.solution.objective_cny)
    price = survivor.solution.objective_cny - without.solution.objective_cny
    assert told["price_cny_per_year"] == pytest.approx(price)
    assert price >= 1e6 - 1  # the second data center must be open
    assert told["least_price_cny_per_year"] <= price + 1e-3
    assert told["most_price_cny_per_year"] >= price - 1e-3


def test_price_is_printed_with_what_is_proved(survivor: Run) -> None:
    (line,) = [line for line in describe_run(survivor).splitlines() if line.startswith("Surviving failures costs")]
    price = f"{survivor.info['resilience']['price_cny_per_year'] / 1e3:,.1f}"
    assert line.startswith(f"Surviving failures costs {price} thousand CNY a year (")
    assert "proved to be between" in line


def test_run_is_verified_and_a_changed_price_is_found(survivor: Run) -> None:
    assert survivor.folder is not None
    report = edwc.verify_run(open_run(survivor.folder))
    assert report.is_verified, report.differences
    path = survivor.folder / "run.json"
    text = path.read_text(encoding="utf-8")
    info = json.loads(text)
    info["resilience"]["price_cny_per_year"] += 1e5
    path.write_text(json.dumps(info), encoding="utf-8")
    found = edwc.verify_run(open_run(survivor.folder)).differences
    path.write_text(text, encoding="utf-8")
    assert [line.split(":")[0] for line in found] == ["run.json resilience.price_cny_per_year"]


def test_changed_failover_is_found(survivor: Run) -> None:
    import pandas as pd

    assert survivor.folder is not None
    path = survivor.folder / "failover.parquet"
    content = path.read_bytes()
    pd.read_parquet(path).query("failed == 'dc_east'").to_parquet(path, index=False)
    found = edwc.verify_run(open_run(survivor.folder)).differences
    path.write_bytes(content)
    assert any("limit (11a) serve_in_outage is broken at chat metro_a, loss of dc_west" in line for line in found)


def test_price_need_not_be_asked_for(folder: Path) -> None:
    run = solve(folder, SURVIVE, "resilience.report_price=false")
    assert run.info["resilience"] is None
    assert "without_reserve" not in run.solution.seconds


def test_stopped_early_there_is_no_price(folder: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert solve(folder, SURVIVE, stop=stop).info["resilience"] is None


def test_progress_of_the_other_solve_claims_no_plan(folder: Path) -> None:
    lines: list[Progress] = []
    run = solve(folder, SURVIVE, report=lines.append)
    others = [line for line in lines if line.phase.startswith("without reserve")]
    assert others
    assert all(line.incumbent_cny == float("inf") and line.bound_cny == float("-inf") for line in others)
    assert min(line.incumbent_cny for line in lines) >= run.solution.objective_cny * (1 - 1e-9)


def test_greedy_plans_fail_over_where_they_can(survivor: Run) -> None:
    assert survivor.has_plan
    broken = {item["id"]: item["broken"] for item in survivor.baselines}
    assert any("serve_in_outage" in names for names in broken.values())  # those that open one place


def test_what_is_proved_of_a_price() -> None:
    price = ResiliencePrice(with_cny=120.0, with_bound_cny=110.0, without_cny=100.0, without_bound_cny=95.0)
    assert (price.price_cny, price.least_cny, price.most_cny) == (20.0, 10.0, 25.0)
    loose = ResiliencePrice(with_cny=120.0, with_bound_cny=90.0, without_cny=100.0, without_bound_cny=95.0)
    assert loose.least_cny == 0.0  # a reserve saves nothing


def test_bound_without_the_reserve_holds_with_it() -> None:
    def solved(objective: float, bound: float) -> Solution:
        return Solution(Termination.TIME_LIMIT, None, objective, bound, "whole", {}, ())

    assert with_known_bound(solved(100.0, 50.0), solved(80.0, 70.0)).bound_cny == 70.0
    assert with_known_bound(solved(100.0, 75.0), solved(80.0, 70.0)).bound_cny == 75.0
    assert with_known_bound(solved(100.0, 75.0), None).bound_cny == 75.0
    assert price_of_resilience(solved(100.0, 75.0), solved(80.0, 70.0)) is None  # no plans

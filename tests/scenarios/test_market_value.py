"""Every run states its cost per million tokens beside what the market is said to pay."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from scenario_files import YAML, only_fault, write_scenario
from toy_scenario import ToyScenario

import edwc
from optimizer.runs.metadata import value_beside_cost
from optimizer.runs.run import open_run
from optimizer.runs.verify import verify_run
from optimizer.text.run import describe_run
from scenarios import load_scenario

VALUE = {"low_usd_per_mtok": 0.05, "high_usd_per_mtok": 0.5, "cny_per_usd": 8.0}


def test_base_values_are_those_of_the_market_over_its_tokens() -> None:
    value = load_scenario("base").market_value
    assert value is not None
    mtok_per_year = 140e12 * 365 / 1e6
    assert value.low_usd_per_mtok == pytest.approx(2.1e9 / mtok_per_year, abs=0.0005)
    assert value.high_usd_per_mtok == pytest.approx(21.1e9 / mtok_per_year, abs=0.0005)


def test_cost_stands_beside_the_value_in_run_and_output(tmp_path: Path) -> None:
    ToyScenario(tmp_path)(market_value=VALUE)
    run = edwc.solve(tmp_path / "toy.yaml", ["solver.threads=1"], out=tmp_path / "run")
    assert run.has_plan
    cny_per_mtok = run.full_cost_cny_per_year / (2_400 * 365)  # all of it is served
    assert run.full_cost_cny_per_year > run.cost_cny_per_year
    stored = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["market_value"]
    # 0.05 x 8 = 0.4 and 0.5 x 8 = 4 CNY.
    assert (stored["low_cny_per_mtok"], stored["high_cny_per_mtok"]) == (pytest.approx(0.4), pytest.approx(4.0))
    assert stored["full_cost_share_of_low"] == pytest.approx(cny_per_mtok / 0.4)
    assert stored["full_cost_share_of_high"] == pytest.approx(cny_per_mtok / 4.0)
    shares = f"the full cost is {cny_per_mtok / 0.4:.1%} to {cny_per_mtok / 4:.1%} of it"
    assert f"market value    0.4 to 4 CNY per million (0.05 to 0.5 USD); {shares}" in describe_run(run)


def test_verification_derives_the_value_again(tmp_path: Path) -> None:
    ToyScenario(tmp_path)(market_value=VALUE)
    edwc.solve(tmp_path / "toy.yaml", ["solver.threads=1"], out=tmp_path / "run")
    assert verify_run(open_run(tmp_path / "run")).is_verified
    path = tmp_path / "run" / "run.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    info["market_value"]["full_cost_share_of_low"] *= 2
    path.write_text(json.dumps(info), encoding="utf-8")
    (difference,) = verify_run(open_run(tmp_path / "run")).differences
    assert "market_value.full_cost_share_of_low" in difference


def test_scenario_without_a_value_says_nothing_of_it(tmp_path: Path) -> None:
    ToyScenario(tmp_path)()
    run = edwc.solve(tmp_path / "toy.yaml", ["solver.threads=1"])
    assert run.info["market_value"] is None
    assert "market value" not in describe_run(run)


def test_value_of_a_plan_that_serves_nothing_is_no_number() -> None:
    value = value_beside_cost(load_scenario("base"), math.nan)
    assert value is not None
    assert math.isnan(value["full_cost_share_of_low"])


def test_high_value_below_the_low_one_is_refused(tmp_path: Path) -> None:
    value = "market_value: {low_usd_per_mtok: 2, high_usd_per_mtok: 1, cny_per_usd: 7}\n"
    fault = only_fault(write_scenario(tmp_path, YAML + value))
    assert fault.problem == "the high value 1 is below the low one 2"
    assert fault.column == "market_value.high_usd_per_mtok"

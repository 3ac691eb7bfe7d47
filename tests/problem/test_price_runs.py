"""Runs with price cases: verified from their files, costs that follow the prices, and the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from documents import write_shown_files
from price_toys import energy, write_case
from toy_scenario import ToyScenario

import edwc
from network_data import load_network
from optimizer.checker.check import check_plan
from optimizer.cli.main import main
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.price_changes import price_effect
from optimizer.runs.metadata import absolute_override
from optimizer.runs.run import open_run
from optimizer.runs.verify import verify_run
from scenarios import load_scenario, price_case_json_schema
from scenarios.price_parameters import overrides_of, price_case_override

Here = Callable[..., tuple[str, str]]
CHANGES = {
    "west": energy(add=50, regions=["west"]),
    "carbon": {"what": "carbon_price", "replace": 80},
    "charge": {"what": "demand_charge", "scale": 2},
    "tokens": {"what": "token_price", "scale": 1.5},
}


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a toy scenario, a price case, and the run of the two in `run`."""
    folder = tmp_path_factory.mktemp("solved")
    ToyScenario(folder)()
    case = folder / write_case(folder, "dearer", CHANGES, confidence="reported")
    cases = price_case_override([f"{case}", "carbon_100"])
    run = edwc.solve(folder / "toy.yaml", ["solver.threads=1", cases], out=folder / "run")
    assert run.exit_code == 0
    return folder


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    """Run a command in this process; returns stdout and stderr."""

    def run(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
        assert main([str(argument) for argument in arguments]) == code
        return capsys.readouterr()

    return run


def test_a_run_says_which_cases_it_was_solved_with(solved: Path) -> None:
    told = json.loads((solved / "run" / "run.json").read_text(encoding="utf-8"))["scenario"]
    assert [case["name"] for case in told["price_cases"]] == ["dearer", "carbon_100"]
    assert {"dearer.yaml", "scenarios/price_cases/carbon_100.yaml"} <= set(told["file_hashes"])


def test_a_run_is_verified_from_anywhere_until_its_case_changes(
    solved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = verify_run(open_run(solved / "run"))
    assert report.is_verified, "\n".join(report.differences)
    kept = (solved / "dearer.yaml").read_bytes()
    try:
        write_case(solved, "dearer", CHANGES | {"west": energy(add=51, regions=["west"])}, confidence="reported")
        report = verify_run(open_run(solved / "run"))
        assert not report.is_verified
        assert any("dearer.yaml has changed since the run" in line for line in report.differences)
        assert any("run.json objective_cny_per_year" in line for line in report.differences)
        (solved / "dearer.yaml").unlink()
        assert any("cannot be read any more" in line for line in verify_run(open_run(solved / "run")).differences)
    finally:
        (solved / "dearer.yaml").write_bytes(kept)


def test_scaling_all_prices_scales_the_energy_cost_of_a_fixed_plan(solved: Path) -> None:
    stored = open_run(solved / "run")
    before = check_plan(stored.problem, stored.plan).component_cny
    overrides = [str(text) for text in stored.scenario.overrides]
    for factor in (0.25, 1.0, 3.0):
        scenario = load_scenario(solved / "toy.yaml", [*overrides, *overrides_of({"price": factor})])
        after = check_plan(assemble_problem(load_network(scenario.network), scenario), stored.plan).component_cny
        assert after["energy"] == pytest.approx(factor * before["energy"], rel=1e-12)
        assert after.drop("energy").equals(before.drop("energy"))


def test_costs_of_a_fixed_plan_follow_each_change_alone(solved: Path) -> None:
    stored = open_run(solved / "run")
    scenario = load_scenario(solved / "toy.yaml")
    plain = check_plan(assemble_problem(load_network(scenario.network), scenario), stored.plan).component_cny
    found = check_plan(stored.problem, stored.plan).component_cny
    assert found["demand_charge"] == pytest.approx(2 * plain["demand_charge"], rel=1e-12)
    assert found["latency"] == pytest.approx(1.5 * plain["latency"], rel=1e-12)
    assert plain["carbon"] == 0
    assert found["carbon"] > 0  # at 100: the later case counts


def test_a_scenario_may_carry_cases_which_those_that_extend_it_inherit(tmp_path: Path) -> None:
    toy = ToyScenario(tmp_path)
    toy.folder.mkdir(exist_ok=True)
    write_case(tmp_path, "double", {"x": energy(scale=2)})
    first = toy(price_cases=["double.yaml"], price_changes={"a": energy(add=1), "b": energy(scale=10)})
    assert first.energy_price_cny_per_mwh[0].tolist() == [6010.0, 6010.0]
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "child.yaml"
    path.write_text("name: child\nextends: ../toy.yaml\nprice_changes:\n  a: {add: 2}\n", encoding="utf-8")
    child = load_scenario(path)
    assert [case.name for case in child.loaded_price_cases] == ["double"]
    # A change is changed key by key and keeps its place: (600 + 2) x 10.
    problem = assemble_problem(load_network(child.network), child)
    assert problem.energy_price_cny_per_mwh[0].tolist() == [6020.0, 6020.0]


def test_a_case_may_have_a_name_that_yaml_takes_for_something_else(tmp_path: Path, monkeypatch: Any) -> None:
    """`no` is false in YAML 1.1, which is not how scenarios are read."""
    monkeypatch.chdir(tmp_path)
    Path("no").write_text("name: no\n", encoding="utf-8")
    text = "price_cases=[no, today]"
    assert [case.name for case in load_scenario("base", [text]).loaded_price_cases] == ["no", "today"]
    again = absolute_override(text)
    assert again == f'price_cases=["{tmp_path / "no"}", "today"]'


# Command line


def test_cases_are_listed_with_what_they_do(here: Here) -> None:
    out, _ = here("list", "price-cases")
    names = [line.split()[0] for line in out.splitlines()]
    assert names == edwc.list_price_cases()
    assert "Coal costs 200 CNY per tonne more" in out
    listed = json.loads(here("list", "price-cases", "--json")[0])
    assert [item["name"] for item in listed] == names
    assert all(item["source"] and item["confidence"] == "estimate" for item in listed)


def test_check_prints_what_a_case_does(solved: Path, here: Here) -> None:
    case = solved / "dearer.yaml"
    out, _ = here("check", solved / "toy.yaml", "--price-case", f"{case}", "--price-case", "carbon_50+carbon_200")
    out = re.sub(" {2,}", "  ", out)
    assert "price cases  dearer, carbon_50, carbon_200" in out
    assert "mean energy price  east 500, west 350 (was 300) CNY per MWh" in out
    assert "mean demand charge  east 80 (was 40), west 0 CNY per kW and month" in out
    assert "carbon price  200 (was 0) CNY per tonne" in out
    assert "token price  chat 3 (was 2), batch 1.5 (was 1) CNY per million tokens" in out
    assert "price" not in here("check", solved / "toy.yaml")[0]
    prices = json.loads(here("check", solved / "toy.yaml", "--price-case", case, "--json")[0])["prices"]
    assert prices["energy_price_cny_per_mwh"] == {"east": [500.0, 500.0], "west": [300.0, 350.0]}


def test_set_comes_after_price_cases_and_both_reach_solve_and_explain(solved: Path, tmp_path: Path, here: Here) -> None:
    arguments = ("--price-case", solved / "dearer.yaml", "--set", "price_changes.x={what: carbon_price, add: 5}")
    more = ("--set", "solver.threads=1", "--json")
    out, _ = here("solve", solved / "toy.yaml", *arguments, *more, "--out", tmp_path / "run")
    assert [case["name"] for case in json.loads(out)["scenario"]["price_cases"]] == ["dearer"]
    assert open_run(tmp_path / "run").problem.carbon_price_cny_per_t == 85
    out, _ = here("explain", solved / "toy.yaml", *arguments, "--time-limit", "20", "--json")
    assert json.loads(out)["exit_code"] == 0


def test_a_wrong_case_is_refused_with_the_nearest_name(here: Here) -> None:
    _, err = here("check", "base", "--price-case", "todday+nowhere.yaml", code=1)
    assert "2 faults in scenario 'base'" in err
    assert "Did you mean 'today'?" in err


# Page and schema


def test_the_case_of_the_page_does_what_the_page_says(tmp_path: Path) -> None:
    (name,) = write_shown_files("docs/comparing.md", tmp_path)
    scenario = load_scenario("base", [price_case_override([str(tmp_path / name)])])
    table = price_effect(load_network("china_2026"), scenario).set_index("data_center")
    rise = table["energy_price_cny_per_mwh"] - table["energy_price_before_cny_per_mwh"]
    assert rise["hami"] == pytest.approx(100 * 4 / 24)
    assert rise["shanghai_dc"] == 0
    assert table.loc["shanghai_dc", "demand_charge_cny_per_kw_month"] == pytest.approx(40 * 0.667)


def test_schema_describes_every_key() -> None:
    schema = price_case_json_schema()
    assert schema["required"] == ["name"]
    parts: list[dict[str, Any]] = [schema, *schema["$defs"].values()]
    assert {part["title"] for part in parts} == {"PriceCaseKeys", "PriceChange", "PeriodMove"}
    assert all(field["description"] for part in parts for field in part["properties"].values())
    assert all(part["additionalProperties"] is False for part in parts)

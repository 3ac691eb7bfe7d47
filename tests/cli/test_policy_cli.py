"""A policy as a user meets it: what `edwc check` and `edwc solve` say of it, and what a stored run keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_problems import toy_problem
from toy_scenario import ToyScenario

from optimizer.cli.main import main
from optimizer.model.compile import compile_model
from optimizer.sensitivity.duals import dual_table, limit_values
from optimizer.solvers.control import Control
from optimizer.solvers.fixed_integers import solve_fixed_integers
from optimizer.solvers.greedy import evaluate_baselines
from optimizer.solvers.solve import solve_whole

Run = Callable[..., str]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Write the toy scenario with a policy that can be kept; returns the YAML file."""
    ToyScenario(tmp_path)(policy={"min_region_share": {"west": 0.4}, "carbon_cap_t_per_year": 1e6})
    return tmp_path / "toy.yaml"


@pytest.fixture
def edwc(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str | Path, code: int = 0) -> str:
        assert main([str(argument) for argument in arguments]) == code
        return capsys.readouterr().out

    return run


def test_check_says_that_the_policy_is_in_reach(toy: Path, edwc: Run) -> None:
    out = edwc("check", toy)
    assert "no fault found" in out
    assert "policy: min_region_share.west = 0.4 can be met taken alone" in out
    assert "policy: no two demands of the policy contradict each other" in out


def test_check_says_what_is_out_of_reach_with_its_number(toy: Path, edwc: Run) -> None:
    out = edwc("check", toy, "--set", "policy.carbon_cap_t_per_year=1", code=2)
    assert "The scenario is infeasible: no plan can meet its policy" in out
    assert "carbon_cap_t_per_year = 1 cannot be met: serving all tokens emits at least" in out
    (failed,) = [
        item
        for item in json.loads(edwc("check", toy, "--json", "--set", "policy.carbon_cap_t_per_year=1", code=2))[
            "policy"
        ]
        if not item["holds"]
    ]
    assert failed["name"] == "policy: carbon_cap_t_per_year = 1"


def test_solve_says_what_is_out_of_reach_before_solving(toy: Path, edwc: Run) -> None:
    found = json.loads(edwc("solve", toy, "--json", "--set", "policy.carbon_cap_t_per_year=1", code=2))
    assert found["method"] == "conditions"
    assert found["failed_condition"]["name"] == "policy: carbon_cap_t_per_year = 1"


def test_solve_sets_what_is_achieved_beside_what_is_demanded(toy: Path, edwc: Run, tmp_path: Path) -> None:
    out = edwc("solve", toy, "--out", tmp_path / "run")
    policy = out.split("Policy\n")[1].split("\n\n")[0].splitlines()
    assert policy[0].startswith("  west share of the tokens ")
    assert policy[0].endswith("(at least 40.0%)")
    assert policy[1].endswith("t (at most 1,000,000 t)")
    assert "t a year location-based" in out
    assert "t market-based" in out
    summary = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["summary"]
    assert [item["name"] for item in summary["policy"]] == ["min_region_share.west", "carbon_cap_t_per_year"]
    assert summary["market_carbon_t_per_year"] <= summary["carbon_t_per_year"]
    assert "verified" in edwc("verify", tmp_path / "run")


def test_without_a_policy_nothing_is_said_of_it(tmp_path: Path, edwc: Run) -> None:
    ToyScenario(tmp_path)()
    assert "olicy" not in edwc("solve", tmp_path / "toy.yaml")


def test_greedy_plan_that_breaks_the_policy_is_no_plan() -> None:
    problem = toy_problem(policy={"min_region_share": {"east": 0.3}})
    cheapest, nearest, *_ = evaluate_baselines(problem, "east")
    assert not cheapest.is_feasible
    assert cheapest.broken == ("require_region_share",)
    assert nearest.is_feasible


def test_a_share_is_among_the_limits_that_made_the_difference() -> None:
    """A mtok/h more in the east costs 15.6 CNY an hour: 60 of them, as 30 % of 200, 8.2 million CNY a year."""
    free = {
        "demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0),
        "latency_cny_per_ms_per_mtok": (0.0, 0.0),
        "link_cny_per_gbps_h": (0.0,) * 4,
        "deploy_cny_per_year": (0.0, 0.0),
    }
    problem = toy_problem(**free, policy={"min_region_share": {"east": 0.3}})
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert solution.plan is not None
    compiled = compile_model(problem)
    fixed = solve_fixed_integers(problem, compiled, solution.plan)
    assert limit_values(problem, compiled, fixed) == pytest.approx({"regional shares": 8760.0 * 60.0 * 15.6})
    row = dual_table(problem, fixed).set_index("name").loc["require_region_share"]
    assert row["region"] == "east"

"""How a solve ended and what is in hand decide the exit code, the words and what is stored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_problems import random_problem
from toy_scenario import ToyScenario

from optimizer.checker.check import check_plan
from optimizer.cli.main import main
from optimizer.runs import solve as api
from optimizer.runs.run import open_run
from optimizer.runs.verify import verify_run
from optimizer.solvers.benders import driver as decompose
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.control import Control, Solution, Termination, relative_gap
from optimizer.text.run import ENDED, describe_run

WITHOUT_PLAN: dict[str, Any] = {"plan": None, "objective_cny": math.inf}
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def solve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Solve the toy by command, with the solver's answer changed; returns exit code and stdout."""
    ToyScenario(tmp_path)(solver={"threads": 1, "mip_rel_gap": 0.01})
    solver = api.solve_problem

    def run(*options: str, **changes: Any) -> tuple[int, str]:
        def answer(*arguments: Any, **keywords: Any) -> Solution:
            solution = solver(*arguments, **keywords)
            assert solution.termination == Termination.OPTIMAL
            factor = changes.get("bound_share", 1.0)
            own = {key: value for key, value in changes.items() if key != "bound_share"}
            return replace(solution, bound_cny=solution.objective_cny * factor, **own)

        monkeypatch.setattr(api, "solve_problem", answer)
        code = main(["solve", str(tmp_path / "toy.yaml"), "--out", str(tmp_path / "run"), *options])
        return code, capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("termination", "words"),
    [
        (Termination.TIME_LIMIT, "stopped at the time limit"),
        (Termination.INTERRUPTED, "stopped on request"),
        (Termination.STALLED, "stopped where the solver came no closer"),
    ],
)
def test_plan_short_of_the_gap_ends_with_3_and_is_stored(
    solve: Command, tmp_path: Path, termination: Termination, words: str
) -> None:
    code, out = solve(termination=termination, bound_share=0.9)
    assert code == 3
    assert words in out
    assert "gap 10.00%" in out
    info = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert info["termination"] == termination
    assert info["mip_rel_gap"] == pytest.approx(0.1)
    report = verify_run(open_run(tmp_path / "run"))
    assert report.is_verified, report.differences


def test_run_that_was_stopped_before_its_limits_were_priced_is_told(solve: Command, tmp_path: Path) -> None:
    solve()
    stored = open_run(tmp_path / "run")
    assert "is worth" in describe_run(stored)
    tables = {name: table for name, table in stored.tables.items() if name not in {"duals", "shadow_prices"}}
    assert "is worth" not in describe_run(type(stored)(stored.info, folder=stored.folder, tables=tables))


@pytest.mark.parametrize("termination", [Termination.TIME_LIMIT, Termination.INTERRUPTED, Termination.STALLED])
def test_no_plan_ends_with_4_and_nothing_is_stored(solve: Command, tmp_path: Path, termination: Termination) -> None:
    code, out = solve(termination=termination, bound_share=0.9, **WITHOUT_PLAN)
    assert code == 4
    assert "no plan was found" in out
    assert not (tmp_path / "run").exists()


def test_no_plan_in_json_is_null_not_infinite(solve: Command) -> None:
    code, out = solve("--json", termination=Termination.TIME_LIMIT, bound_share=0.9, **WITHOUT_PLAN)
    assert code == 4
    result = json.loads(out, parse_constant=pytest.fail)
    assert result["exit_code"] == 4
    assert result["termination"] == "time_limit"
    assert result["objective_cny_per_year"] is None
    assert result["mip_rel_gap"] is None
    assert result["bound_cny_per_year"] > 0
    assert result["folder"] is None


def test_infeasible_ends_with_2_whatever_was_in_hand(solve: Command, tmp_path: Path) -> None:
    code, out = solve(termination=Termination.INFEASIBLE, bound_share=math.inf, **WITHOUT_PLAN)
    assert code == 2
    assert "infeasible" in out
    assert not (tmp_path / "run").exists()


def test_limit_at_a_plan_within_the_gap_ends_with_0(solve: Command) -> None:
    """Pricing the limits may close the gap that a time limit left: half a percent of the one that was asked for."""
    code, out = solve(termination=Termination.TIME_LIMIT, bound_share=0.995)
    assert code == 0
    assert "solved within the gap" in out


def test_every_end_has_words() -> None:
    assert ENDED.keys() == set(Termination)


def test_gap_below_the_decompositions_tolerance_is_solved_to_the_tolerance(solve: Command, tmp_path: Path) -> None:
    code, out = solve("--mip-rel-gap", "0", method="decomposed", bound_share=1 - 3e-6)
    assert code == 0
    assert "solved to 3e-6, the tolerance of the decomposition after" in out
    info = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert (info["termination"], info["method"], info["options"]["mip_rel_gap"]) == ("optimal", "decomposed", 0)
    assert info["mip_rel_gap"] == pytest.approx(3e-6)
    assert describe_run(open_run(tmp_path / "run")).splitlines()[1] == out.splitlines()[1]


def test_decomposition_that_cannot_close_the_gap_ends_at_its_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for a gap of 0, rounding may leave 1e-16 for ever; here it always does."""
    monkeypatch.setattr(decompose, "relative_gap", lambda cost, bound: max(relative_gap(cost, bound), 1e-16))
    for seed in (1, 3):
        problem = random_problem(np.random.default_rng(seed))
        control = Control(time_limit_s=60)
        solution = solve_decomposed(problem, mip_rel_gap=0.0, seed=1, threads=1, control=control)
        assert solution.termination == Termination.OPTIMAL
        assert control.seconds < 60
        assert solution.plan is not None
        assert check_plan(problem, solution.plan).is_feasible
        assert solution.mip_rel_gap < 1e-9

"""Ranges of indicators: prices on them, limits against every plan that there is, and what commands make of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brute_force import Operation, every_choice
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toy_problems import random_problem, toy_problem
from toy_scenario import ToyScenario

import edwc
from network_data.faults import InputError
from optimizer.checker.check import check_plan
from optimizer.checker.facts import PlanFacts
from optimizer.cli.main import main
from optimizer.near_optimal.alternatives import distances, find_alternatives, shares_of
from optimizer.near_optimal.indicators import Indicator, find_indicators
from optimizer.near_optimal.moves import must_move_share
from optimizer.near_optimal.plan_space import PlanSpace
from optimizer.near_optimal.ranges import find_ranges
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_problem, solve_whole
from optimizer.text.near_optimal import describe_must_move
from optimizer.text.run import describe_run

MOST_CHOICES = 1500
LINEAR = (
    "carbon", "energy", "mean_rtt", "new_pods", "open", "deployments", "energy_cost", "latency_cost", "opening_cost",
    "demand_charge_cost", "accelerator_capital_cost", "deployment_cost",
)  # fmt: skip


def indicators(problem: PlacementProblem, *names: str) -> list[Indicator]:
    return [found for found in find_indicators(names, problem) if isinstance(found, Indicator)]


def all_of_them(problem: PlacementProblem) -> list[Indicator]:
    center, region = problem.data_centers[["id", "region"]].iloc[0]
    of_place = [
        f"{kind}@{center}" for kind in ("share", "tokens", "energy", "carbon", "peak_power", "new_pods", "open")
    ]
    class_id = problem.classes["id"].iloc[0]
    return indicators(
        problem, *LINEAR, *of_place, f"{region}_share", f"tokens@{center}/{class_id}", f"mean_rtt/{class_id}"
    )


@given(seed=st.integers(0, 2**31), price=st.floats(0.01, 100.0), sign=st.sampled_from((1.0, -1.0)))
@settings(max_examples=12)
def test_price_on_an_indicator_is_what_its_value_costs(seed: int, price: float, sign: float) -> None:
    """The independent checker says what a plan costs with and without the price; the indicator says what it should."""
    problem = random_problem(np.random.default_rng(seed), 2)
    solution = solve_whole(problem, mip_rel_gap=0.1, seed=1, threads=1, control=Control())
    assume(solution.plan is not None)
    assert solution.plan is not None
    plain, facts = check_plan(problem, solution.plan).total_cny, PlanFacts(problem, solution.plan)
    for indicator in all_of_them(problem):
        value = indicator.of(facts)
        scaled = sign * price * max(1.0, abs(plain)) / max(1.0, abs(value)) / 100.0
        priced = indicator.price(problem, scaled)
        paid = check_plan(priced.problem, solution.plan).total_cny - priced.offset_cny
        assert paid - plain == pytest.approx(scaled * value, rel=1e-6, abs=1e-6 * abs(plain)), indicator.name


def space_of(problem: PlacementProblem, slack: float) -> PlanSpace | None:
    solution = solve_problem(problem, mip_rel_gap=0.0)
    if solution.plan is None:
        return None
    space = PlanSpace(problem, solution.objective_cny * (1 + slack), solution.bound_cny, [])
    space.consider(solution.plan)
    return space


@given(seed=st.integers(0, 2**31), slack=st.sampled_from((0.0, 0.02, 0.2)))
@settings(max_examples=10)
def test_range_is_that_of_every_plan_there_is(seed: int, slack: float) -> None:
    """Every whole decision is tried, with the linear rest solved by another program: limits hold and are attained."""
    problem = random_problem(np.random.default_rng(seed), 2)
    problem = replace(
        problem, pools=problem.pools.assign(max_new_pods=problem.pools["max_new_pods"].clip(upper=1)),
        shed_limit_mtok_per_h=np.zeros_like(problem.shed_limit_mtok_per_h),
    )  # fmt: skip
    choices = []
    for choice in every_choice(problem):
        choices.append(choice)
        assume(len(choices) <= MOST_CHOICES)
    assume(problem.outages.empty)
    space = space_of(problem, slack)
    assume(space is not None)
    assert space is not None
    operation, center = Operation(problem), problem.data_centers["id"].iloc[0]
    budget_cny = space.budget_cny * (1 + 1e-9)
    least_cny = operation.cost_cny(None)
    affordable = [c for c in choices if c.cost_cny + least_cny <= budget_cny]
    within = [c for c in affordable if c.cost_cny + operation.cost_cny(c) <= budget_cny]
    at = (problem.candidates["data_center_index"] == 0).to_numpy(float)
    weight = np.outer(problem.weight_h, at) / problem.annual_mtok
    share, pods, opened = indicators(problem, f"share@{center}", "new_pods", "open")
    for sign in (1.0, -1.0):
        left = [budget_cny - choice.cost_cny for choice in within]
        least = min(operation.least_of(c, sign * weight, b) for c, b in zip(within, left, strict=True))
        found = space.extreme(share, sign, Control())
        assert sign * found.limit <= least + 1e-5
        assert sign * found.found == pytest.approx(least, abs=2e-4)
        assert sign * found.limit == pytest.approx(least, abs=2e-4)
        whole = {pods.name: [c.new_pods.sum() for c in within], opened.name: [c.is_open.sum() for c in within]}
        for indicator in (pods, opened):
            extreme = min(sign * value for value in whole[indicator.name])
            found = space.extreme(indicator, sign, Control())
            assert sign * found.found == extreme, indicator.name
            assert sign * found.limit == extreme, indicator.name


@pytest.mark.parametrize("name", ["west_share", "carbon", "new_pods", "mean_rtt", "open"])
def test_limits_of_prices_enclose_those_of_the_whole_program(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What large problems are bounded by is weaker than one integer program, and never wrong."""
    problem = toy_problem(
        max_new_pods=(2, 2), opening_cny_per_year=(1e6, 3e6), energy_price_cny_per_mwh=((500, 300), (300, 500))
    )
    (indicator,) = indicators(problem, name)
    exact, priced = space_of(problem, 0.05), space_of(problem, 0.05)
    assert exact is not None
    assert priced is not None
    monkeypatch.setattr("optimizer.near_optimal.plan_space.choose_method", lambda _: "decomposed")
    by_prices = [priced.extreme(indicator, sign, Control(time_limit_s=60)) for sign in (1.0, -1.0)]
    monkeypatch.setattr("optimizer.near_optimal.plan_space.choose_method", lambda _: "whole")
    exactly = [exact.extreme(indicator, sign, Control()) for sign in (1.0, -1.0)]
    for mine, true in zip(by_prices, exactly, strict=True):
        scale = 1e-4 * max(1.0, abs(true.limit))
        assert mine.sign * mine.limit <= true.sign * true.limit + scale
        assert mine.sign * mine.found >= true.sign * true.found - scale


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("range")
    ToyScenario(folder)(solver={"threads": 1, "mip_rel_gap": 0.001})
    assert main(["solve", str(folder / "toy.yaml"), "-q", "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_command_keeps_the_table_with_the_run(solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["range", str(solved), "--of", "west_share,new_pods", "--slack", "10%", "-q"]) == 0
    out = capsys.readouterr().out
    assert "west_share" in out
    assert main(["range", str(solved), "--of", "carbon", "--slack", "0.1", "-q", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["least_limit"] <= rows[0]["least_found"] <= rows[0]["value"] <= rows[0]["most_found"]
    run = edwc.open_run(solved)
    assert list(run.ranges["indicator"]) == ["west_share", "new_pods", "carbon"]
    assert run.verify().is_verified


@pytest.mark.parametrize(("option", "words"), [("--of=wst_share", "west_share"), ("--slack=much", "is no share")])
def test_command_refuses_what_it_cannot_read(
    solved: Path, capsys: pytest.CaptureFixture[str], option: str, words: str
) -> None:
    assert main(["range", str(solved), option]) == 1
    assert words in capsys.readouterr().err


def test_share_of_new_pods_is_bounded_by_its_parts(solved: Path) -> None:
    run = edwc.open_run(solved)
    row = find_ranges(run, ["new_share@west"], slack=0.2).table.iloc[0]
    assert 0.0 <= row["least_limit"] <= row["most_limit"] <= 1.0


def test_alternatives_differ_within_the_budget(solved: Path, tmp_path: Path) -> None:
    run = edwc.open_run(solved)
    found = find_alternatives(run, slack=0.1, count=3)
    assert len(found.runs) > 1
    assert (found.table["more_share"] <= 0.1 + 1e-9).all()
    for alternative in found.runs[1:]:
        assert alternative.check.is_feasible
    apart = distances(np.array([shares_of(one.facts) for one in found.runs]))
    assert (apart[~np.eye(len(apart), dtype=bool)] > 1e-3).all()
    written = found.save(tmp_path / "out")
    assert edwc.open_run(written[0]).verify().is_verified
    assert found.draw(tmp_path / "out" / "all.png").stat().st_size > 1000
    places = found.places.set_index("data_center")
    shares = found.shares
    assert (places["most_share"] == shares.max(axis=1)).all()
    assert set(places["is_in"]) <= {"all", "some", "none"}


def test_distance_is_the_share_of_tokens_that_move() -> None:
    shares = np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])
    assert distances(shares).tolist() == [[0.0, 0.5], [0.5, 0.0]]


def test_range_needs_a_share(solved: Path) -> None:
    with pytest.raises(InputError, match="is no share"):
        find_ranges(edwc.open_run(solved), slack=-0.1)


def limits(**shares: tuple[float, float]) -> pd.DataFrame:
    rows = [(name.replace("_at_", "@"), "share", low, high, 0.01) for name, (low, high) in shares.items()]
    return pd.DataFrame(rows, columns=["indicator", "unit", "least_limit", "most_limit", "slack_share"])


def test_what_must_move_is_what_lies_between_ranges_that_do_not_meet() -> None:
    """West has at most 40 % before and at least 55 % after: 15 points must move; what east loses at least is 10."""
    before = limits(west_share=(0.2, 0.4), east_share=(0.6, 0.8))
    after = limits(west_share=(0.55, 0.7), east_share=(0.3, 0.5))
    assert must_move_share(before, after) == pytest.approx(0.15)
    assert must_move_share(before, before) == 0.0
    assert must_move_share(before, limits(share_at_hill=(0.0, 1.0))) is None
    by_place = limits(share_at_hill=(0.0, 0.1), share_at_dale=(0.0, 0.1), share_at_sea=(0.8, 1.0))
    moved = limits(share_at_hill=(0.3, 0.5), share_at_dale=(0.2, 0.4), share_at_sea=(0.1, 0.5))
    assert must_move_share(by_place, moved) == pytest.approx(0.3)
    # A data center and its region gain the same 20 points, not 40.
    inside = limits(share_at_hill=(0.0, 0.1), share_at_uplands=(0.0, 0.1))
    assert must_move_share(inside, limits(share_at_hill=(0.3, 0.5), share_at_uplands=(0.3, 0.5))) == pytest.approx(0.2)
    assert "15.0% must move" in describe_must_move(before, after)
    assert "not computed" in describe_must_move(before, pd.DataFrame())


def test_summary_and_report_say_the_range_or_that_there_is_none(solved: Path, tmp_path: Path) -> None:
    run = edwc.open_run(solved)
    run.__dict__["tables"] = {name: table for name, table in run.tables.items() if name != "ranges"}
    assert "range not computed" in describe_run(run)
    run.keep_table("ranges", limits(west_share=(0.25, 0.75)).assign(**dict.fromkeys(("value", "least_found"), 0.5)))
    assert "25.0% to 75.0% in all plans of up to 1.00% more" in describe_run(run)
    table = run.ranges.assign(what="west", most_found=0.5, budget_cny_per_year=1.0)
    run.keep_table("ranges", table)
    page = edwc.export_run(run, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Plans that cost about as little" in page

"""Break points of RTT limits: by hand on the toy network, and against every value of the limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from break_even_points import EAST_CNY, EXACT, WEST_CNY, ToyPoints, least_cost_cny, with_limit, write_scenario
from toy_problems import random_problem, toy_problem

from network_data.faults import InputError
from optimizer.comparison.break_even import find_break_points
from optimizer.comparison.break_even_limits import LimitSteps, search_steps
from optimizer.comparison.break_even_points import BreakEvenMap
from optimizer.comparison.runner import CaseRunner
from optimizer.problem.problem import PlacementProblem

LIMIT = "workload_classes.batch.rtt_limit_ms"
# Round trips: 4.9 us per km and 0.1 ms per link each way, and 1 ms of access.
A_EAST, B_EAST, B_WEST, A_WEST = (
    2 * (km * 4.9e-3 + links * 0.1) + 1.0 for km, links in ((100, 1), (500, 2), (600, 1), (1000, 2))
)


def test_each_route_that_comes_into_reach_is_a_step(tmp_path: Path) -> None:
    """The west is cheaper: metro B, a quarter of the tokens, goes first, being nearer to it."""
    with CaseRunner(write_scenario(tmp_path), EXACT, out=tmp_path / "out") as runner:
        found = find_break_points(runner, LIMIT, 2.0, 40.0)
    points = found.break_points
    assert points["value"].tolist() == pytest.approx([B_EAST, B_WEST, A_WEST], rel=1e-14)
    assert points["kind"].tolist() == ["possible", "decisions", "decisions"]
    assert points["width"].tolist() == [0.0, 0.0, 0.0]
    assert points["is_certain"].all()
    assert points["moved_share"].tolist()[1:] == pytest.approx([0.25, 0.75])
    assert points["change"].tolist() == [
        "a plan becomes possible",
        "West opens; 25.0% of the tokens move",
        "East closes; 75.0% of the tokens move",
    ]
    costs = [np.inf, EAST_CNY, 0.75 * EAST_CNY + 0.25 * WEST_CNY, WEST_CNY]
    assert found.intervals["cost_from_cny_per_year"].tolist() == pytest.approx(costs)
    assert found.intervals["saving_to_cny_per_year"].tolist() == pytest.approx([WEST_CNY - cost for cost in costs])
    assert found.intervals["region_share.west"].tolist()[1:] == pytest.approx([0.0, 0.25, 1.0])
    assert found.is_complete
    assert found.reference_value == np.inf


def test_a_preferring_rule_may_make_a_longer_limit_dearer(tmp_path: Path) -> None:
    """
    Metro B, in the western province, must stay there once the west is in reach; 1 M CNY of opening make that dear.

    Nothing follows from one value for another then, and every value is solved.
    """
    path = write_scenario(tmp_path, opening_cny=1e6, residency="province_preferred")
    with CaseRunner(path, EXACT, out=tmp_path / "out") as runner:
        found = find_break_points(runner, LIMIT, 6.5, 40.0)
    assert found.break_points["value"].tolist() == pytest.approx([B_WEST])
    cheap, dear = found.intervals["cost_from_cny_per_year"].tolist()
    assert cheap == pytest.approx(EAST_CNY)
    assert dear == pytest.approx(0.75 * EAST_CNY + 0.25 * WEST_CNY + 1e6)
    assert found.break_points["is_certain"].tolist() == [True]
    assert found.points["value"].tolist() == pytest.approx([6.5, B_WEST, A_WEST])
    assert found.is_complete


def test_second_routes_count_where_they_are_asked_for(tmp_path: Path) -> None:
    """On a line of fibre there are none, so that no limit makes a plan possible."""
    strict = (*EXACT, "workload_classes.batch.second_route=required")
    with CaseRunner(write_scenario(tmp_path), strict, out=tmp_path / "out") as runner:
        found = find_break_points(runner, LIMIT, 2.0, 40.0)
    assert found.intervals["cost_from_cny_per_year"].tolist() == [np.inf]
    assert found.break_points.empty
    assert "second route" in found.notes[-1]
    assert found.is_complete


def test_class_and_range_must_exist(tmp_path: Path) -> None:
    runner = CaseRunner(write_scenario(tmp_path), EXACT, out=tmp_path / "out")
    with pytest.raises(InputError, match="no such class"):
        find_break_points(runner, "workload_classes.chat.rtt_limit_ms", 2.0, 40.0)
    with pytest.raises(InputError, match="3 faults"):
        find_break_points(runner, LIMIT, 40.0, 2.0, max_solves=1, tolerance_cny=-1.0)


def search(problem: PlacementProblem, looseness: float = 0.0, max_solves: int = 99) -> tuple[BreakEvenMap, list[float]]:
    """Search all values of the first class's limit from the least that gives each of its workloads a route."""
    mine = problem.candidates[problem.candidate_class == 0]
    low = float(mine.groupby("workload_index")["rtt_ms"].min().max())
    values = sorted({low, *mine["rtt_ms"][mine["rtt_ms"] > low]})
    points = ToyPoints(lambda ms: with_limit(problem, ms), values[-1], looseness=looseness, max_solves=max_solves)
    steps = LimitSteps(points, values, values[-1] + 1.0, str(problem.classes["id"].iloc[0]), is_monotone=True)
    return search_steps(steps), values


@pytest.mark.parametrize("seed", [12, 22])
def test_every_value_of_the_limit_costs_what_the_map_says(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 2)
    found, values = search(problem)
    truth = {value: least_cost_cny(with_limit(problem, value)) for value in values}
    loose, _ = search(problem, looseness=0.1)
    for table in (found.intervals, loose.intervals):
        for value, cost in truth.items():
            row = table[(table["from"] <= value) & (value < table["to"])].iloc[0]
            known = row["cost_from_cny_per_year"]
            assert known - row["open_cny_per_year"] <= cost * (1 + 1e-6)
            assert cost <= known * (1 + 1e-6)
    assert found.is_complete
    assert found.break_points["width"].tolist() == [0.0] * len(found.break_points)
    for row in loose.break_points.to_dict("records"):
        after = loose.intervals.loc[loose.intervals["from"] == row["value"], "cost_from_cny_per_year"].item()
        least = min(value for value, cost in truth.items() if cost <= after * (1 + 1e-7))
        assert row["certified_low"] <= least <= row["certified_high"]


def test_bisection_leaves_out_what_cannot_matter() -> None:
    """Chat may go west from 23 ms on, but it never pays: both ends cost the same, so nothing between is solved."""
    problem = toy_problem(energy_price_cny_per_mwh=((300.0, 900.0),), second_route=True)
    found, values = search(problem)
    assert len(values) > 3
    assert found.break_points.empty
    assert len(found.points) <= 2
    assert found.is_complete


def test_no_plan_at_the_lower_end_is_an_interval_without_costs() -> None:
    """Within 5 ms only the east is in reach, and it has room for three of the four workloads."""
    problem = toy_problem(it_capacity_mw=(12.0, 100.0), rtt_limit_ms=(np.inf, 5.0))
    problem = replace(problem, energy_price_cny_per_mwh=np.full((2, 2), 400.0))
    found, _ = search(problem)
    assert found.break_points["kind"].tolist()[0] == "possible"
    assert found.break_points["value"].tolist()[0] == 23.0
    assert found.break_points["is_certain"].all()
    assert found.intervals["cost_from_cny_per_year"].iloc[0] == np.inf
    assert found.is_complete

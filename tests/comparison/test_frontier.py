"""The frontier of cost against latency and carbon, worked by hand on two data centers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from frontier_case import (
    ENERGY_CNY_PER_MTOK,
    EXACT,
    KWH_PER_MTOK,
    LATENCY_CNY_PER_MS,
    MTOK_A,
    cost_cny,
    energy_cny,
    total_cny,
    write_two_places,
)
from network_files import Row

import edwc
from network_data import InputError
from optimizer.comparison.cases import CaseResult, CaseStatus
from optimizer.comparison.frontier import Frontier, carbon_frontier, latency_frontier
from optimizer.comparison.frontier_points import (
    NOT_DISTINGUISHABLE,
    SAVINGS_PER_MS,
    PlanReader,
    Point,
    SolvedPoints,
    certify_costs,
    difference_table,
)
from optimizer.comparison.latency_budgets import BudgetSpace, budget_cases, latency_return, rank_classes
from optimizer.comparison.runner import CaseRunner
from optimizer.text.searches import describe_frontier, describe_latency_return

EAST_EAST, EAST_WEST, WEST_WEST = total_cny("east", "east"), total_cny("east", "west"), total_cny("west", "west")
# A millisecond is dear enough here to keep every metro at its nearest data center.
DEAR_MS = {"token_price_cny_per_mtok": 200.0}


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseRunner]:
    with CaseRunner(write_two_places(tmp_path_factory.mktemp("two_places")), EXACT) as found:
        yield found


@pytest.fixture(scope="module")
def frontier(runner: CaseRunner) -> Frontier:
    return latency_frontier(runner, (3, 6.5, 7.08, 9, 12, 200))


def test_costs_follow_by_arithmetic_from_where_each_metro_may_go(frontier: Frontier) -> None:
    points = frontier.points
    # The tightest budget is that of metro_b to the east, rounded up; the loosest is the stated limit.
    assert points["budget_ms"].tolist() == [3, 6.301, 6.5, 7.08, 9, 12, 50]
    assert frontier.least_size == 6.301
    expected = [np.nan, EAST_EAST, EAST_EAST, EAST_WEST, EAST_WEST, WEST_WEST, WEST_WEST]
    assert points["most_cny_per_year"].tolist() == pytest.approx(expected, nan_ok=True)
    assert points["least_cny_per_year"].tolist()[1:] == pytest.approx(expected[1:])
    energy = energy_cny("west", "west")
    assert points["energy_cny_per_year"].iloc[-1] == pytest.approx(energy)
    assert points["cost_without_latency_cny_per_year"].iloc[-1] == pytest.approx(energy)
    assert points["capital_cny_per_year"].iloc[-1] == 0
    assert points["mean_rtt_ms"].iloc[3] == pytest.approx(0.75 * 2.18 + 0.25 * 7.08)
    assert points["worst_rtt_of_limited_ms"].tolist()[1:] == pytest.approx([6.3, 6.3, 7.08, 7.08, 11.2, 11.2])
    assert points["region_share.west"].tolist()[1:] == pytest.approx([0, 0, 0.25, 0.25, 1, 1])


def test_a_budget_that_nothing_keeps_is_a_row_with_its_reason(frontier: Frontier) -> None:
    first = frontier.points.iloc[0]
    assert (first["status"], first["case"], first["plan_of"]) == ("infeasible", "", "")
    assert first["reason"] == (
        "1 of 2 workloads reach no data center within 3 ms; the nearest to chat of metro_b is 6.30 ms away, "
        "3.30 ms too far"
    )


def test_budgets_with_the_same_routes_in_reach_are_one_case(frontier: Frontier) -> None:
    assert frontier.points["case"].tolist()[1:] == [
        "budget_6p5_ms", "budget_6p5_ms", "budget_9_ms", "budget_9_ms", "reference", "reference",
    ]  # fmt: skip
    assert frontier.points["is_dominated"].tolist() == [False, False, True, False, True, False, True]
    assert frontier.steps["verdict"].tolist() == [
        "the same plans are in reach", "the looser costs less", "the same plans are in reach",
        "the looser costs less", "the same plans are in reach",
    ]  # fmt: skip
    assert frontier.steps["saving_cny_per_year_per_ms"].iloc[1] == pytest.approx((EAST_EAST - EAST_WEST) / 0.58)
    assert len(frontier.pairs) == 6 * 5 / 2


def test_relocatable_share_is_that_of_the_metros_that_leave(frontier: Frontier) -> None:
    """Metro_a (3/4 of the tokens) is at home in the east, metro_b in the west; provinces are the regions here."""
    table = frontier.relocatable
    total = table[table["workload_class"] == "all classes"]
    assert total["leaves_region_share"].tolist() == pytest.approx([0.25, 0.25, 0, 0, 0.75, 0.75])
    chat = table[table["workload_class"] == "chat"]
    assert chat["leaves_province_share"].tolist() == pytest.approx(total["leaves_region_share"].tolist())
    assert chat["mtok_per_year"].tolist() == pytest.approx([876_000.0] * 6)


def test_loosest_point_is_the_reference(frontier: Frontier, runner: CaseRunner) -> None:
    assert frontier.points["most_cny_per_year"].iloc[-1] == runner.reference_result.objective_cny
    assert frontier.points["plan_of"].iloc[-1] == "reference"


def test_text_says_what_the_budget_is_worth_and_what_is_out_of_reach(frontier: Frontier) -> None:
    text = describe_frontier(frontier)
    assert "3.30 ms too far" in text
    assert "6.301 ms" in text
    assert "the same plans are in reach" in text


def test_a_plan_made_for_a_looser_budget_counts_where_it_keeps_a_tighter_one(
    runner: CaseRunner, tmp_path: Path
) -> None:
    with CaseRunner(write_two_places(tmp_path, chat=DEAR_MS), EXACT) as dear_ms:
        for which, keeps_it in ((runner, False), (dear_ms, True)):
            space = BudgetSpace(which.scenario, which.overrides)
            budgets = [space.budget(6.5, ("chat",)), space.stated]
            keeps = space.keeps(budgets, PlanReader(space.network).allocation)
            assert keeps(which.reference_result, 0) is keeps_it
            assert keeps(which.reference_result, 1)


def test_a_preferring_residency_rule_may_make_the_tighter_budget_cheaper(tmp_path: Path) -> None:
    """Within 6.5 ms metro_b falls back to the east; with 7.08 ms its own region is in time, and it must pay for it."""

    def dear_west(rows: list[Row]) -> list[Row]:
        return [{**row, "price_cny_per_mwh": 900.0 if row["tariff"] == "tariff_west" else 600.0} for row in rows]

    path = write_two_places(tmp_path, chat={"residency": "region_preferred"}, tariffs=dear_west)
    with CaseRunner(path, EXACT) as runner:
        found = latency_frontier(runner, (6.5, 7.08))
    costs = found.points["most_cny_per_year"].tolist()
    assert costs[1] < costs[2]
    assert costs[1] == pytest.approx(EAST_EAST)
    assert found.pairs["verdict"].tolist()[1:3] == ["the tighter costs less"] * 2
    assert found.points["is_dominated"].tolist() == [False, True, True, True]


def test_second_routes_that_are_asked_for_move_the_tightest_budget(tmp_path: Path) -> None:
    """Metro_b has a second way east of 700 km, 8.06 ms; metro_a one of 300 km, 4.14 ms."""

    def second_ways(rows: list[Row]) -> list[Row]:
        ends = {"a_east_2": ("metro_a", 300.0), "b_east": ("metro_b", 700.0)}
        more = [{**rows[0], "id": name, "from_node": hub, "length_km": km} for name, (hub, km) in ends.items()]
        return [{**row, "price_cny_per_gbps_month": 0.0} for row in [*rows, *more]]

    path = write_two_places(tmp_path, chat={"second_route": "required"}, links=second_ways)
    space = BudgetSpace(path, EXACT)
    assert space.tightest_ms(("chat",)) == pytest.approx(8.06, abs=2e-3)
    assert not space.budget(8.05, ("chat",)).is_possible
    assert "second" in space.budget(8.05, ("chat",)).reason


def test_a_problem_solved_by_time_slice_stays_one_under_a_budget(runner: CaseRunner) -> None:
    space = BudgetSpace(runner.scenario, runner.overrides)
    budgets = [space.budget(6.5, ("chat",)), space.stated]
    for method, expected in (("decomposed", ("solver.method=decomposed",)), ("whole", ())):
        reference = CaseResult(runner.reference, CaseStatus.SOLVED, "", None, {"method": method})
        tight, stated = budget_cases(reference, budgets, "budget", "chat")
        assert stated == runner.reference
        assert tight is not None
        assert tight.overrides == ("workload_classes.chat.rtt_limit_ms=6.5", *expected)


# Carbon


def dirty_west(rows: list[Row]) -> list[Row]:
    return [{**row, "carbon_kg_per_kwh": 0.9} if row["id"] == "grid_west" else row for row in rows]


def test_abatement_costs_what_moving_the_cheapest_metro_costs(tmp_path: Path) -> None:
    """Moved east, a million tokens emit 0.0954861 kWh x (1.2 x 0.9 - 1.3 x 0.6) kg less; metro_a moves at less cost."""
    saved_t = KWH_PER_MTOK * (1.2 * 0.9 - 1.3 * 0.6) / 1e3
    per_t = {metro: (cost_cny(metro, "east") - cost_cny(metro, "west")) / saved_t for metro in ("a", "b")}
    assert per_t["a"] < per_t["b"]
    with CaseRunner(write_two_places(tmp_path, grids=dirty_west), EXACT) as runner:
        found = carbon_frontier(runner, caps_t_per_year=(60, 70, 75, 80, 95))
        emitted_t = 876_000 * KWH_PER_MTOK * 1.2 * 0.9 / 1e3
        turn_t = emitted_t - MTOK_A * saved_t  # all of metro_a is in the east
        assert 70 < turn_t < 75
        assert found.points["cap_t_per_year"].tolist() == pytest.approx([60, 70, 75, 80, emitted_t])
        assert found.points["status"].iloc[0] == "infeasible"
        assert "carbon_cap_t_per_year" in found.points["reason"].iloc[0]
        mixed = ((turn_t - 70) * per_t["b"] + (75 - turn_t) * per_t["a"]) / 5
        expected = [mixed, per_t["a"], per_t["a"]]
        assert found.steps["abatement_cny_per_t"].tolist() == pytest.approx(expected, rel=1e-5)
        assert found.steps["least_abatement_cny_per_t"].tolist() == pytest.approx(expected, rel=1e-5)
        assert found.least_size == pytest.approx(876_000 * KWH_PER_MTOK * 1.3 * 0.6 / 1e3)
        spaced = carbon_frontier(runner, 2)
    middle = (emitted_t + found.least_size) / 2
    assert spaced.points["cap_t_per_year"].tolist() == pytest.approx([np.ceil(middle * 100) / 100, emitted_t])
    assert spaced.steps["abatement_cny_per_t"].tolist() == pytest.approx([per_t["a"]], rel=1e-5)
    assert "CNY/t" in describe_frontier(spaced)


def test_caps_looser_than_one_that_cannot_be_kept_are_no_plans_of_the_reference(tmp_path: Path) -> None:
    overrides = (*EXACT, "policy.carbon_cap_t_per_year=60")
    with CaseRunner(write_two_places(tmp_path, grids=dirty_west), overrides) as runner:
        found = carbon_frontier(runner, caps_t_per_year=(75, 80))
    assert found.points["status"].tolist() == ["solved", "solved", "infeasible"]
    assert found.points["plan_of"].tolist() == ["carbon_cap_75_t", "carbon_cap_80_t", ""]


# Return


def test_return_is_what_a_millisecond_of_the_useful_range_saves(runner: CaseRunner) -> None:
    found = latency_return(runner, budgets_ms=(7.08, 20, 80))
    row = found.ranking.iloc[0]
    assert (row["workload_class"], row["tighter_budget_ms"], row["useful_limit_ms"]) == ("chat", 6.301, 11.2)
    released_ms = 11.2 - 6.301
    assert row["saving_cny_per_year_per_ms"] == pytest.approx((EAST_EAST - WEST_WEST) / released_ms)
    energy = energy_cny("east", "east") - energy_cny("west", "west")
    assert row["energy_saving_cny_per_year_per_ms"] == pytest.approx(energy / released_ms)
    assert found.points["budget_ms"].tolist() == [6.301, 7.08, 20, 50, 80]
    assert found.steps["saving_cny_per_year"].tolist() == pytest.approx(
        [EAST_EAST - EAST_WEST, EAST_WEST - WEST_WEST, 0, 0]
    )
    assert not found.ranking["is_above_next"].any()  # there is no other class
    told = [line.split()[:3] for line in describe_latency_return(found).splitlines()]
    assert ["chat", "6.301", "11.2"] in told


def test_classes_are_ranked_by_what_is_proved_of_them() -> None:
    """The second may save less than the third; the first saves more than either."""
    proved = {"third": (0.0, 5.0), "first": (7.0, 9.0), "second": (4.0, 6.0)}
    rows = [
        pd.DataFrame([{"workload_class": name, SAVINGS_PER_MS[1]: low, SAVINGS_PER_MS[2]: high, "is_certain": low > 0}])
        for name, (low, high) in proved.items()
    ]
    ranking = rank_classes(rows)
    assert ranking["workload_class"].tolist() == ["first", "second", "third"]
    assert ranking["is_above_next"].tolist() == [True, False, False]


def test_what_lies_within_the_gaps_has_no_number() -> None:
    points = tuple(Point(size, None) for size in (10.0, 20.0, 40.0))
    costs = certify_costs(np.array([100.0, 90.0, 89.0]), np.array([95.0, 85.0, 84.0]), np.triu(np.ones((3, 3), bool)))
    table = difference_table(SolvedPoints(points, (None,) * 3, costs), ("from", "to"), per=("x", "least_x", "most_x"))
    assert table["verdict"].tolist() == ["the looser costs less", "the looser costs less", NOT_DISTINGUISHABLE]
    assert table["saving_cny_per_year"].tolist() == pytest.approx([10, 11, np.nan], nan_ok=True)
    assert table["x"].tolist() == pytest.approx([1, 11 / 30, np.nan], nan_ok=True)
    assert table["most_x"].tolist() == pytest.approx([1.5, 16 / 30, 0.3])
    assert table["is_certain"].tolist() == [True, True, False]
    unbounded = certify_costs(np.array([100.0, 90.0, 89.0]), np.full(3, -np.inf), np.eye(3, dtype=bool))
    table = difference_table(SolvedPoints(points, (None,) * 3, unbounded), ("from", "to"))
    assert set(table["verdict"]) == {NOT_DISTINGUISHABLE}
    assert set(table["least_saving_cny_per_year"]) == {-np.inf}


# Inputs


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"budgets_ms": (5.0, -1.0, float("nan"))}, ["-1.0", "nan"]),
        ({"budgets_ms": (20.0,), "classes": ("chat", "caht", "\u202enone")}, ["caht", "\\u202enone"]),
    ],
)
def test_bad_budgets_and_classes_are_refused_together(
    runner: CaseRunner, options: dict[str, Any], faults: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        latency_frontier(runner, **options)
    assert len(caught.value.faults) == len(faults)
    for fault in faults:
        assert f"'{fault}'" in str(caught.value)


def test_a_millisecond_is_worth_what_the_case_says() -> None:
    assert pytest.approx(0.01 / 100 * 2.0 * 3) == LATENCY_CNY_PER_MS
    assert ENERGY_CNY_PER_MTOK["east"] == pytest.approx(0.0744792, rel=1e-5)


def test_the_package_gives_functions_and_not_modules_of_their_names() -> None:
    assert edwc.latency_return is latency_return
    assert edwc.latency_frontier is latency_frontier

"""What moved: by hand, balances on random plans, and a case like the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from compared import PLANS, plan_of
from two_cases import CHEAP_WEST, DEAR_WEST, one_workload, solved_case

from optimizer.runs.difference import KINDS, MOVES, TokenMoves, find_moves
from optimizer.runs.run import Run

NAN = float("nan")


def allocation(*rows: tuple[Any, ...], weight_h: float = 10.0) -> pd.DataFrame:
    """Rows of (hour, demand hub, class, data center, mtok per hour)."""
    table = pd.DataFrame(rows, columns=["hour", "demand_hub", "workload_class", "data_center", "mtok_per_h"])
    return table.assign(day="year", weight_h=weight_h)


def moved_of(first: Run, second: Run) -> TokenMoves:
    return find_moves(first.decisions["allocation"], second.decisions["allocation"])


def told(moved: TokenMoves) -> list[tuple[Any, ...]]:
    columns = ["kind", "workload_class", "from_data_center", "from_hour", "to_data_center", "to_hour", "mtok_per_year"]
    rows = moved.rows[columns].itertuples(index=False, name=None)
    return [tuple(None if value != value else value for value in row) for row in rows]  # noqa: PLR0124 - NaN


def test_dearer_western_power_moves_all_of_it_east() -> None:
    first, second = solved_case("cheap", one_workload(CHEAP_WEST)), solved_case("dear", one_workload(DEAR_WEST))
    moved = moved_of(first, second)
    assert told(moved) == [("data_center", "chat", "west", None, "east", None, pytest.approx(876_000.0))]
    assert moved.share == pytest.approx(1.0)
    assert moved.rows["demand_hub"].tolist() == ["alpha"]
    assert moved.data_centers.set_index("data_center")["change_mtok_per_year"].to_dict() == pytest.approx(
        {"east": 876_000.0, "west": -876_000.0}
    )


def test_largest_first_and_in_proportion_where_several_take_over() -> None:
    before = allocation(
        (0.0, "alpha", "chat", "a", 40.0), (0.0, "alpha", "chat", "b", 20.0), (0.0, "beta", "chat", "a", 5.0)
    )
    after = allocation(
        (0.0, "alpha", "chat", "c", 45.0), (0.0, "alpha", "chat", "d", 15.0), (0.0, "beta", "chat", "a", 5.0)
    )
    # a gives up 400 mtok a year and b 200; c takes three quarters of each, d a quarter.
    moved = find_moves(before, after)
    assert told(moved) == [
        ("data_center", "chat", "a", None, "c", None, 300.0),
        ("data_center", "chat", "b", None, "c", None, 150.0),
        ("data_center", "chat", "a", None, "d", None, 100.0),
        ("data_center", "chat", "b", None, "d", None, 50.0),
    ]
    assert moved.share == pytest.approx(600.0 / 650.0)
    assert moved.totals.set_index("kind")["workloads"].to_dict() == {kind: int(kind == "data_center") for kind in KINDS}


def test_work_that_waits_changes_its_hour_and_only_what_must_both() -> None:
    before = allocation((0.0, "alpha", "batch", "a", 30.0), (12.0, "alpha", "batch", "b", 10.0))
    after = allocation(
        (0.0, "alpha", "batch", "a", 5.0), (12.0, "alpha", "batch", "a", 15.0), (12.0, "alpha", "batch", "c", 20.0)
    )
    # In hour 12, b's 10 go to a and c, 15 to 20; of a's 25 from hour 0, what a still lacks stays there, the rest goes.
    to_a = 10.0 * 15.0 / 35.0
    assert told(find_moves(before, after)) == [
        ("data_center_and_hour", "batch", "a", 0.0, "c", 12.0, pytest.approx(10 * (20.0 - 10.0 * 20.0 / 35.0))),
        ("hour", "batch", "a", 0.0, "a", 12.0, pytest.approx(10 * (15.0 - to_a))),
        ("data_center", "batch", "b", None, "c", None, pytest.approx(10 * (10.0 - to_a))),
        ("data_center", "batch", "b", None, "a", None, pytest.approx(10 * to_a)),
    ]


def test_other_demand_is_no_move() -> None:
    before = allocation((0.0, "alpha", "chat", "a", 10.0))
    after = allocation((0.0, "alpha", "chat", "a", 14.0), (0.0, "beta", "chat", "b", 3.0))
    moved = find_moves(before, after)
    assert told(moved) == [
        ("more_demand", "chat", "", None, "a", None, 40.0),
        ("more_demand", "chat", "", None, "b", None, 30.0),
    ]
    assert moved.share == 0.0
    back = find_moves(after, before)
    assert [row[0] for row in told(back)] == ["less_demand", "less_demand"]


def test_lower_demand_is_told_from_tokens_left_unserved() -> None:
    """Of 100 fewer of alpha, 30 are left unserved and 70 not asked for; of beta nothing is left unserved."""
    before = allocation((0.0, "alpha", "chat", "a", 20.0), (0.0, "beta", "chat", "b", 5.0))
    after = allocation((0.0, "alpha", "chat", "a", 10.0), (0.0, "beta", "chat", "b", 3.0))
    index = pd.MultiIndex.from_tuples([("alpha", "chat")], names=["demand_hub", "workload_class"])
    shed = (pd.Series(dtype=float, index=index[:0]), pd.Series([30.0], index=index))
    moved = find_moves(before, after, shed=shed)
    amounts = moved.totals.set_index("kind")["mtok_per_year"]
    assert amounts[["less_demand", "no_longer_served"]].to_dict() == pytest.approx(
        {"less_demand": 90.0, "no_longer_served": 30.0}
    )
    back = find_moves(after, before, shed=shed[::-1]).totals.set_index("kind")["mtok_per_year"]
    assert back[["more_demand", "newly_served"]].to_dict() == pytest.approx({"more_demand": 90.0, "newly_served": 30.0})


def test_other_slices_are_compared_by_the_year() -> None:
    before = allocation((0.0, "alpha", "chat", "a", 10.0), weight_h=20.0)
    after = allocation((0.0, "alpha", "chat", "a", 10.0), (12.0, "alpha", "chat", "b", 10.0))
    moved = find_moves(before, after)
    assert not moved.has_hours
    assert told(moved) == [("data_center", "chat", "a", None, "b", None, 100.0)]


def test_hour_in_which_a_plan_serves_nothing_is_still_an_hour() -> None:
    before = allocation((0.0, "alpha", "batch", "a", 10.0))
    after = allocation((12.0, "alpha", "batch", "a", 10.0))
    moved = find_moves(before, after)
    assert moved.has_hours
    assert told(moved) == [("hour", "batch", "a", 0.0, "a", 12.0, 100.0)]
    assert moved.share == 1.0


def assert_balances(moved: TokenMoves, before: pd.DataFrame, after: pd.DataFrame) -> None:
    """See that what comes in less what goes out is what a data center serves more, of each workload."""
    keys = ["demand_hub", "workload_class", "data_center"]
    first, second = (
        table.assign(mtok=table["mtok_per_h"] * table["weight_h"]).groupby(keys)["mtok"].sum()
        for table in (before, after)
    )
    change = second.sub(first, fill_value=0.0)
    sides = []
    for side, sign in (("to", 1.0), ("from", -1.0)):
        part = moved.rows.rename(columns={f"{side}_data_center": "data_center"})
        sides.append(sign * part.groupby(keys)["mtok_per_year"].sum())
    net = sides[0].add(sides[1], fill_value=0.0).reindex(change.index, fill_value=0.0)
    size = max(first.sum(), second.sum())
    assert net.to_numpy() == pytest.approx(change.to_numpy(), abs=1e-8 * size)
    assert (moved.rows["mtok_per_year"] > 0).all()
    assert moved.totals["mtok_per_year"].sum() == pytest.approx(moved.rows["mtok_per_year"].sum())
    # Nothing is called moved in a detour: no data center gives and takes the same workload in the same hour.
    assert (moved.rows["from_data_center"] != moved.rows["to_data_center"]).eq(moved.rows["kind"] != "hour").all()


@pytest.mark.parametrize("seed", range(20))
def test_sums_balance_on_random_plans(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = [(h, hub, k, d) for h in (0.0, 8.0, 16.0) for hub in "xy" for k in ("chat", "batch") for d in "abcd"]

    def draw() -> pd.DataFrame:
        some = [key for key in keys if rng.random() < 0.4]
        return allocation(*((*key, float(rng.integers(1, 9))) for key in some))

    before, after = draw(), draw()
    moved = find_moves(before, after)
    assert_balances(moved, before, after)
    shuffled = find_moves(before.sample(frac=1.0, random_state=seed), after.sample(frac=1.0, random_state=seed))
    pd.testing.assert_frame_equal(shuffled.rows, moved.rows)
    # No less can have moved: whatever a data center lost in an hour left that hour or that place.
    back = find_moves(after, before)
    assert back.totals["mtok_per_year"].sum() == pytest.approx(moved.totals["mtok_per_year"].sum())


@pytest.mark.parametrize("case", PLANS)
def test_sums_balance_on_the_reduced_scenario(case: str) -> None:
    first, second = plan_of("reference").decisions["allocation"], plan_of(case).decisions["allocation"]
    moved = find_moves(first, second)
    assert_balances(moved, first, second)
    assert moved.totals.loc[~moved.totals["kind"].isin(MOVES), "share"].sum() < 1e-6
    if case in {"reference", "same"}:
        assert moved.rows.empty

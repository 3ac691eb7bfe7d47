"""Representative days from the tariff calendar: no month is lost, weights add up to the year."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_files import Row
from scenario_files import YAML, WriteScenario, only_fault, write_scenario
from toy_scenario import ToyScenario

import edwc
from network_data import load_network
from network_data.tariffs import DAYS_IN_MONTH, format_months, hourly_prices, parse_months
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.demand import group_months, name_season
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.run import open_run
from optimizer.runs.verify import verify_run
from optimizer.solvers.solve import solve_problem
from optimizer.text.run import describe_check
from scenarios import load_scenario

YEAR_H = 8760.0


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> WriteScenario:
    return lambda yaml=YAML, **tables: write_scenario(tmp_path, yaml, **tables)


def by_month(levels: dict[str, float]) -> np.ndarray:
    """Prices (12, 24) that are the same all day, from months to level."""
    prices = np.zeros((12, 24))
    for months, level in levels.items():
        prices[np.array(parse_months(months)) - 1] = level
    return prices


def seasonal_tariff(rows: list[Row]) -> list[Row]:
    """West: 900 in July and August, 500 in winter, 300 else; east as it was."""
    levels = {"7-8": 900.0, "12-2": 500.0, "3-6;9-11": 300.0}
    return [*rows[:2], *({**rows[2], "months": m, "price_cny_per_mwh": price} for m, price in levels.items())]


# Groups of months


def test_months_of_like_prices_are_a_season() -> None:
    prices = by_month({"7-8": 900.0, "12-2": 500.0, "3-6;9-11": 300.0})
    assert group_months(prices, 3) == [(1, 2, 12), (3, 4, 5, 6, 9, 10, 11), (7, 8)]
    # Winter and the rest are merged first: 200 apart, where summer is 400 from either.
    assert group_months(prices, 2) == [(1, 2, 3, 4, 5, 6, 9, 10, 11, 12), (7, 8)]
    assert group_months(prices, 1) == [tuple(range(1, 13))]


def test_equal_months_are_split_in_the_order_of_the_calendar() -> None:
    """The longest group is halved, beginning after its longest gap: November to April, December to February beside."""
    prices = by_month({"11-4": 500.0, "5-10": 300.0})
    assert group_months(prices, 2) == [(1, 2, 3, 4, 11, 12), (5, 6, 7, 8, 9, 10)]
    assert group_months(prices, 3) == [(1, 11, 12), (2, 3, 4), (5, 6, 7, 8, 9, 10)]
    assert group_months(prices, 4) == [(1, 11, 12), (2, 3, 4), (5, 6, 7), (8, 9, 10)]
    assert group_months(prices, 12) == [(month,) for month in range(1, 13)]
    assert group_months(np.full((12, 24), 300.0), 4) == [(1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12)]


@given(
    levels=st.lists(st.sampled_from([200.0, 300.0, 450.0, 700.0]), min_size=12, max_size=12), count=st.integers(1, 12)
)
def test_every_month_is_in_one_group_and_no_group_mixes_more_than_it_must(levels: list[float], count: int) -> None:
    prices = np.repeat(np.array(levels)[:, None], 24, axis=1)
    groups = group_months(prices, count)
    assert len(groups) == count
    assert sorted(month for group in groups for month in group) == list(range(1, 13))
    assert groups == sorted(groups)
    assert groups == group_months(
        np.tile(prices, (1, 3)), count
    )  # a tariff that several data centers share counts once
    if count >= len(set(levels)):
        assert all(len({levels[month - 1] for month in group}) == 1 for group in groups)
    else:
        for level in set(levels):  # equal months stay together while there are fewer groups than levels
            mine = {n for n, group in enumerate(groups) if any(levels[month - 1] == level for month in group)}
            assert len(mine) == 1


@given(st.sets(st.integers(1, 12), min_size=1))
def test_months_are_spelled_as_they_are_read(months: set[int]) -> None:
    text = format_months(months)
    assert set(parse_months(text)) == months
    assert len(name_season(tuple(sorted(months)))) <= 64
    assert name_season(tuple(sorted(months))).replace("_", "").isalnum()


# Days and weights


def total_price(problem: PlacementProblem) -> np.ndarray:
    return np.asarray(problem.weight_h @ problem.energy_price_cny_per_mwh)


@pytest.mark.parametrize("weekends", [False, True])
@pytest.mark.parametrize("seasons", [1, 2, 3, 4, 7, 12])
def test_weights_add_up_to_the_year_and_no_month_is_lost(toy: ToyScenario, seasons: int, weekends: bool) -> None:  # noqa: FBT001
    time = {"slices_per_day": 4, "seasons": seasons, "weekends": weekends}
    problem = toy(tables={"tariffs": seasonal_tariff}, time=time)
    assert problem.weight_h.sum() == pytest.approx(YEAR_H, rel=1e-12)
    assert len(problem.slices) == 4 * seasons * (2 if weekends else 1)
    # The mean price over the year is that of the tariffs, whatever the seasons: 62 days of 900, 90 of 500, 213 of 300.
    assert total_price(problem)[1] == pytest.approx(24 * (62 * 900 + 90 * 500 + 213 * 300), rel=1e-12)
    assert total_price(problem)[0] == pytest.approx(365 * (8 * 300 + 16 * 600), rel=1e-12)
    assert problem.annual_mtok == pytest.approx(365 * 2400.0, rel=1e-12)
    assert problem.billing["months"].sum() == pytest.approx(12)
    assert len(problem.billing) == seasons


def test_seasons_have_their_own_prices_and_names(toy: ToyScenario) -> None:
    problem = toy(tables={"tariffs": seasonal_tariff}, time={"slices_per_day": 1, "seasons": 3})
    assert problem.slices["day"].tolist() == ["m12_2", "m3_6_and_9_11", "m7_8"]
    assert problem.slices["weight_h"].tolist() == [90 * 24, 213 * 24, 62 * 24]
    assert problem.energy_price_cny_per_mwh[:, 1].tolist() == pytest.approx([500.0, 300.0, 900.0])
    assert problem.billing["months"].tolist() == [3, 7, 2]


def test_nothing_said_is_one_average_day(toy: ToyScenario) -> None:
    plain, one = toy(), toy(time={"slices_per_day": 4, "seasons": 1})
    assert set(plain.slices["day"]) == set(one.slices["day"]) == {"year"}
    assert (plain.energy_price_cny_per_mwh == one.energy_price_cny_per_mwh).all()


def test_a_tariff_that_no_data_center_uses_makes_no_season(toy: ToyScenario) -> None:
    def with_stray(rows: list[Row]) -> list[Row]:
        stray = [
            {**rows[2], "tariff": "stray", "months": m, "price_cny_per_mwh": p}
            for m, p in (("1-3", 100), ("4-12", 200))
        ]
        return [*seasonal_tariff(rows), *stray]

    problem = toy(tables={"tariffs": with_stray}, time={"slices_per_day": 1, "seasons": 3})
    assert problem.slices["day"].tolist() == ["m12_2", "m3_6_and_9_11", "m7_8"]


def test_every_month_of_the_built_in_tariffs_counts() -> None:
    """The mean price at each data center is that of its tariff over 8760 hours, for any number of seasons."""
    network = load_network("china_2026")
    hourly = hourly_prices(network.tariffs)
    days = np.array(DAYS_IN_MONTH, dtype=float)
    expected = [(days @ hourly[tariff]).sum() for tariff in network.data_centers["tariff"]]
    for seasons in (1, 4, 5, 12):
        scenario = load_scenario("base", [f"time.seasons={seasons}", "time.slices_per_day=6", "time.slicing=blocks"])
        problem = assemble_problem(network, scenario)
        assert total_price(problem) == pytest.approx(np.array(expected), rel=1e-12)
        assert problem.weight_h.sum() == pytest.approx(YEAR_H, rel=1e-12)


def test_special_data_center_tariffs_are_those_of_their_data_centers() -> None:
    """A special tariff is flat all year, and holds for the data centers that name it and no other."""
    network = load_network("china_2026")
    problem = assemble_problem(network, load_scenario("full_year", ["time.slices_per_day=6"]))
    special = network.data_centers["tariff"].str.startswith("dc_")
    assert special.sum() == 9
    posted = network.tariffs.set_index("tariff")["price_cny_per_mwh"]
    for at, (is_special, tariff) in enumerate(zip(special, network.data_centers["tariff"], strict=True)):
        prices = problem.energy_price_cny_per_mwh[:, at]
        if is_special:
            assert prices == pytest.approx(posted[tariff])
        else:
            assert np.ptp(prices) > 1.0


# Weekends


def test_weekend_share_keeps_the_stated_demand_on_average(toy: ToyScenario) -> None:
    """Chat asks for 1440 mtok a day; at weekends for 0.3 of a weekday: 1440 x 7 / (5 + 2 x 0.3) = 1800, and 540."""
    problem = toy(chat={"weekend_share": 0.3}, time={"slices_per_day": 2, "weekends": True})
    assert problem.slices["day"].tolist() == ["year_weekday", "year_weekday", "year_weekend", "year_weekend"]
    assert problem.slices["weight_h"].tolist() == pytest.approx([365 * 5 / 7 * 12] * 2 + [365 * 2 / 7 * 12] * 2)
    chat = problem.class_demand_mtok_per_h[:, 0] * 12
    assert chat == pytest.approx([1800 * 0.75, 1800 * 0.25, 540 * 0.75, 540 * 0.25])
    assert problem.class_demand_mtok_per_h[:, 1] == pytest.approx(40.0)  # batch: the same every day
    assert problem.annual_mtok == pytest.approx(365 * 2400)


def test_weekdays_and_weekends_of_the_same_months_share_a_monthly_peak(toy: ToyScenario) -> None:
    time = {"slices_per_day": 2, "seasons": 2, "weekends": True}
    problem = toy(tables={"tariffs": seasonal_tariff}, time=time)
    assert problem.slices["billing_index"].tolist() == [0] * 4 + [1] * 4
    assert problem.billing["months"].tolist() == [10, 2]
    assert problem.slices["previous_index"].tolist() == [1, 0, 3, 2, 5, 4, 7, 6]


def test_explicit_days_may_stand_for_weekdays_and_weekends(toy: ToyScenario) -> None:
    """250 weekdays and 115 days off: 1440 x 365 / (250 + 0.5 x 115) = 1709.27 mtok of chat on a weekday."""
    days = [
        {"id": "work", "months": "1-12", "days_per_year": 250, "kind": "weekday"},
        {"id": "rest", "months": "1-12", "days_per_year": 115, "kind": "weekend"},
    ]
    problem = toy(chat={"weekend_share": 0.5}, time={"slices_per_day": 1, "days": days})
    weekday = 1440 * 365 / (250 + 57.5)
    assert problem.class_demand_mtok_per_h[:, 0] * 24 == pytest.approx([weekday, weekday / 2])
    assert problem.annual_mtok == pytest.approx(365 * 2400)
    assert problem.billing["months"].tolist() == [12]


def test_deferred_work_stays_within_its_own_kind_of_day(toy: ToyScenario) -> None:
    problem = toy(batch={"deferrable_h": 72, "weekend_share": 0.0}, time={"slices_per_day": 2, "weekends": True})
    batch = problem.workloads["is_deferrable"].to_numpy(bool)
    # 960 mtok a day on average; all of it on weekdays: 1344, of which all may wait.
    assert problem.backlog_limit_mtok[:, batch].sum(axis=1) == pytest.approx([1344.0, 1344.0, 0.0, 0.0])
    assert problem.servable_mtok_per_h[:2, batch].sum(axis=1) == pytest.approx([112.0, 112.0])


def test_weekend_share_changes_nothing_without_weekends(toy: ToyScenario) -> None:
    assert (toy(chat={"weekend_share": 0.1}).demand_mtok_per_h == toy().demand_mtok_per_h).all()


def test_office_hours_classes_rest_at_weekends() -> None:
    classes = load_scenario("base").workload_classes
    shares = {name: item.weekend_share for name, item in classes.items()}
    assert {name for name, share in shares.items() if share == 0.31} == {
        name for name, item in classes.items() if item.demand_profile == "office_hours"
    }
    assert {share for share in shares.values() if share != 0.31} == {1.0}


# What bad input gets


@pytest.mark.parametrize(
    ("time", "problem"),
    [
        ({"seasons": 0}, "greater than or equal to 1"),
        ({"seasons": 13}, "less than or equal to 12"),
        ({"seasons": 2.5}, "integer"),
        ({"weekends": "yes please"}, "true or false"),
        ({"days": [("1-12", 365, "all")], "seasons": 4}, "days and seasons are both given"),
        ({"days": [("1-12", 365, "all")], "weekends": True}, "weekends does not go with explicit days"),
        ({"days": [("1-12", 365, "sunday")]}, "must be 'all', 'weekday' or 'weekend'"),
        ({"days": [("1-12", 365, "weekday")]}, "no day stands for the weekends of month 1, 2"),
        ({"days": [("1-12", 261, "weekday"), ("1-11", 104, "weekend")]}, "the weekends of month 12"),
        ({"days": [("1-12", 104, "weekday"), ("1-12", 261, "weekend")]}, "there are 261 weekend days and 104 weekdays"),
        ({"days": [("6-8", 200, "all"), ("9-5", 165, "all")]}, "days of months 6-8 sum to 200; these months have 92"),
    ],
)
def test_faults_of_time_are_named(write: WriteScenario, time: dict[str, Any], problem: str) -> None:
    if "days" in time:
        keys = ("months", "days_per_year", "kind")
        time["days"] = [{"id": f"d{n}", **dict(zip(keys, day, strict=True))} for n, day in enumerate(time["days"])]
    found = only_fault(write(), *(f"time.{key}={value}" for key, value in time.items()))
    assert problem in found.problem


def test_days_of_overlapping_months_are_judged_together(write: WriteScenario) -> None:
    days = [
        {"id": "usual", "months": "1-12", "days_per_year": 350},
        {"id": "peak", "months": "7-8", "days_per_year": 15},
    ]
    assert load_scenario(write(), [f"time.days={days}"]).time.days is not None


# The scenarios that ship


def test_full_year_has_all_hours_of_the_year() -> None:
    problem = assemble_problem(load_network("china_2026"), load_scenario("full_year"))
    assert len(problem.slices) == 12 * 2 * 8
    assert problem.weight_h.sum() == pytest.approx(YEAR_H, rel=1e-12)
    assert problem.billing["months"].tolist() == [1.0] * 12
    days = problem.slices.groupby("day", sort=False)["weight_h"].sum() / 24
    assert days.iloc[::2].to_numpy() == pytest.approx(np.array(DAYS_IN_MONTH) * 5 / 7)


def test_base_seasons_has_four_days() -> None:
    problem = assemble_problem(load_network("china_2026"), load_scenario("base_seasons"))
    assert len(problem.slices) == 96
    assert problem.slices["day"].unique().tolist() == ["m12_1", "m2_6_and_10_11", "m7_8", "m9"]


def test_run_of_seasons_weekends_and_contracted_power_is_verified(toy: ToyScenario) -> None:
    """From files to a stored run and back, with everything that this page is about."""

    def contracted(rows: list[Row]) -> list[Row]:
        return [{**rows[0], "demand_charge_basis": "contracted"}, rows[1]]

    time = {"slices_per_day": 2, "seasons": 3, "weekends": True}
    toy(tables={"tariffs": seasonal_tariff, "data_centers": contracted}, chat={"rtt_limit_ms": 7}, time=time)
    run = edwc.solve(toy.folder / "toy.yaml", ["solver.threads=1"], out=toy.folder / "run")
    assert run.exit_code == 0
    assert run.has_plan
    east = run.tables["data_centers"].set_index("id").loc["dc_east"]
    peaks = run.tables["peaks"]
    assert peaks["day"].unique().tolist() == ["m12_2_weekday", "m3_6_and_9_11_weekday", "m7_8_weekday"]
    assert east["demand_charge_basis"] == "contracted"
    assert east["contract_mw"] == pytest.approx(peaks.loc[peaks["data_center"] == "dc_east", "peak_mw"].max())
    assert east["demand_charge_cny_per_year"] == pytest.approx(east["contract_mw"] * 1e3 * 40.0 * 12)
    report = verify_run(open_run(toy.folder / "run"))
    assert report.is_verified, "\n".join(report.differences)
    stored = pd.read_parquet(toy.folder / "run" / "data_centers.parquet")
    stored.assign(contract_mw=stored["contract_mw"] * 0.5).to_parquet(toy.folder / "run" / "data_centers.parquet")
    assert any(
        "9b" in line or "pay_contracted_power" in line for line in verify_run(open_run(toy.folder / "run")).differences
    )


def test_check_names_the_days(toy: ToyScenario) -> None:
    toy(tables={"tariffs": seasonal_tariff}, time={"slices_per_day": 2, "seasons": 3})
    found = edwc.check(toy.folder / "toy.yaml")
    assert found["representative_days"] == {"m12_2": 90.0, "m3_6_and_9_11": 213.0, "m7_8": 62.0}
    text = "6 on 3 representative days: m12_2 90, m3_6_and_9_11 213, m7_8 62"
    assert text in describe_check(found)


def test_full_year_of_the_toy_network_is_solved(toy: ToyScenario) -> None:
    """Twelve months of weekdays and weekends: both methods find the same plan's cost."""
    time = {"slices_per_day": 2, "seasons": 12, "weekends": True}
    problem = toy(
        tables={"tariffs": seasonal_tariff}, chat={"weekend_share": 0.31}, batch={"deferrable_h": 24}, time=time
    )
    whole = solve_problem(problem, method="whole", mip_rel_gap=1e-6)
    parts = solve_problem(problem, method="decomposed", mip_rel_gap=1e-6)
    assert whole.plan is not None
    assert parts.objective_cny == pytest.approx(whole.objective_cny, rel=1e-5)
    assert whole.plan.peak_mw.shape == (12, 2)

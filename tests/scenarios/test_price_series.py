"""Hourly price series in place of tariffs: averaged onto the days, or refused with every fault named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from network_files import write_toy_network
from scenario_files import faults_of
from toy_scenario import ToyScenario

from network_data import Fault, InputError
from optimizer.checker.check import check_plan
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.solve import choose_method, solve_problem, why_not_decomposed
from scenarios import load_scenario

Lines = list[str]


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


def year_of(
    price: Callable[[pd.Timestamp], float], *, first: str = "2025-01-01", column: str = "tariff_west"
) -> pd.DataFrame:
    """Hours of a year from a day on, with a synthetic price for each."""
    start = pd.Timestamp(first)
    end = (
        pd.Timestamp(year=start.year + 1, month=3, day=1) if first.endswith("02-29") else start + pd.DateOffset(years=1)
    )
    times = pd.date_range(start, end, freq="h", inclusive="left")
    return pd.DataFrame({"time": times, column: [price(time) for time in times]})


def lines_of(table: pd.DataFrame) -> Lines:
    """Header and rows as CSV has them: line 1 is the header."""
    times = [time.isoformat(timespec="minutes") for time in table["time"]]
    return table.assign(time=times).to_csv(index=False).splitlines()


def write_series(folder: Path, table: pd.DataFrame | Lines) -> None:
    lines = table if isinstance(table, list) else lines_of(table)
    (folder / "prices.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def with_series(toy: ToyScenario, table: pd.DataFrame | Lines, **keys: Any) -> PlacementProblem:
    write_series(toy.folder, table)
    return toy(price_series_table="prices.csv", **keys)


def series_faults(toy: ToyScenario, lines: Lines) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        with_series(toy, lines)
    assert all(fault.remedy and "prices.csv" in fault.file for fault in caught.value.faults)
    return caught.value.faults


# What becomes of the prices


def test_series_is_averaged_by_month_kind_of_day_and_hour(toy: ToyScenario) -> None:
    """100 x the month, 10 more at weekends, and the hour on top."""
    table = year_of(lambda time: 100.0 * time.month + 10.0 * (time.weekday() >= 5) + time.hour)
    problem = with_series(toy, table, time={"seasons": 12, "weekends": True, "slices_per_day": 24})
    west = problem.energy_price_cny_per_mwh[:, 1].reshape(12, 2, 24)
    expected = 100.0 * np.arange(1, 13)[:, None, None] + np.array([0.0, 10.0])[:, None] + np.arange(24.0)
    assert west == pytest.approx(expected)
    # The other tariff is as it was: 300 at night, 600 from 8 on.
    assert problem.energy_price_cny_per_mwh[:, 0].reshape(24, 24)[7] == pytest.approx([300.0] * 8 + [600.0] * 16)


def test_weekdays_and_weekends_are_those_of_the_series_calendar(toy: ToyScenario) -> None:
    """2025 has 261 weekdays and 104 weekend days; February 20 and 8, March 21 and 10."""
    problem = with_series(toy, year_of(lambda _: 300.0), time={"seasons": 12, "weekends": True, "slices_per_day": 1})
    days = (problem.weight_h / 24).reshape(12, 2)
    assert days.sum(axis=0) == pytest.approx([261.0, 104.0])
    assert days[1:3] == pytest.approx(np.array([[20.0, 8.0], [21.0, 10.0]]))


def test_mean_of_the_year_does_not_depend_on_the_seasons(toy: ToyScenario) -> None:
    rng = np.random.default_rng(3)
    table = year_of(lambda _: float(rng.uniform(-200, 900)))
    mean = table["tariff_west"].mean()
    for time in ({"seasons": 1}, {"seasons": 5}, {"seasons": 12, "weekends": True}, {"weekends": True}):
        problem = with_series(toy, table, time=time | {"slices_per_day": 6})
        assert problem.weight_h @ problem.energy_price_cny_per_mwh[:, 1] / 8760 == pytest.approx(mean)


def test_leap_year_weighs_as_any_other(toy: ToyScenario) -> None:
    """The 29th of February counts in its month's mean; the month weighs 28 days, the year 365."""
    table = year_of(lambda time: 2900.0 if (time.month, time.day) == (2, 29) else 0.0, first="2024-01-01")
    assert len(table) == 8784
    problem = with_series(toy, table, time={"seasons": 12, "slices_per_day": 1})
    assert problem.weight_h.sum() == pytest.approx(8760)
    assert problem.energy_price_cny_per_mwh[:, 1] == pytest.approx([0.0, 100.0, *[0.0] * 10])


def test_year_may_begin_on_any_day(toy: ToyScenario) -> None:
    for first in ("2024-07-15", "2024-02-29", "2023-03-01"):
        problem = with_series(toy, year_of(lambda time: 10.0 * time.month, first=first), time={"seasons": 12})
        west = problem.energy_price_cny_per_mwh[:, 1].reshape(12, 24)
        assert west == pytest.approx(np.repeat(10.0 * np.arange(1, 13)[:, None], 24, axis=1))


def test_own_column_of_a_data_center_wins_over_that_of_its_tariff(toy: ToyScenario) -> None:
    table = year_of(lambda _: 111.0).assign(dc_west=222.0, tariff_east=333.0)
    assert with_series(toy, table).energy_price_cny_per_mwh[0].tolist() == [333.0, 222.0]


def test_parquet_says_the_same_as_csv(toy: ToyScenario) -> None:
    table = year_of(lambda time: time.day * 10.0 - time.hour)
    written = with_series(toy, table)
    table.to_parquet(toy.folder / "prices.parquet", index=False)
    (toy.folder / "prices.csv").unlink()
    stored = toy(price_series_table="prices.parquet")
    assert (stored.energy_price_cny_per_mwh == written.energy_price_cny_per_mwh).all()


def test_series_counts_as_an_estimate_and_its_hash_is_kept(toy: ToyScenario) -> None:
    problem = with_series(toy, year_of(lambda _: 300.0))
    assert problem.data_centers["price_confidence"].tolist() == ["estimate", "estimate"]
    assert "prices.csv" in load_scenario(toy.folder / "toy.yaml").file_hashes


# Negative prices


def spot(midday_cny_per_mwh: float) -> pd.DataFrame:
    """300 CNY/MWh, and another price from 10 to 14."""
    return year_of(lambda time: midday_cny_per_mwh if 10 <= time.hour < 14 else 300.0)


def test_negative_price_is_solved_whole_and_right(toy: ToyScenario) -> None:
    """
    At -50 CNY/MWh at midday whatever draws power there earns: all 100 pods of the west idle at full power.

    The decomposition, in which pods follow the work, would miss that; it is refused by name, and `auto` avoids it.
    """
    time = {"slices_per_day": 24}
    problem = with_series(toy, spot(-50.0), batch={"deferrable_h": 24}, time=time)
    assert choose_method(problem) == "whole"
    assert "dc_west" in why_not_decomposed(problem)
    assert "-50" in why_not_decomposed(problem)
    with pytest.raises(
        ValueError, match="decomposed does not apply: energy with carbon costs less than nothing at dc_west"
    ):
        solve_problem(problem, method="decomposed")
    solution = solve_problem(problem, mip_rel_gap=1e-6)
    assert solution.plan is not None
    report = check_plan(problem, solution.plan)
    assert report.is_feasible
    midday = slice(10, 14)
    pools = problem.pools["data_center_index"].to_numpy() == 1
    assert solution.plan.active_pods[midday, pools].sum(axis=1) == pytest.approx(100.0)
    # Deferrable work waits for midday.
    batch = problem.workloads["is_deferrable"].to_numpy(bool)[problem.candidates["workload_index"]]
    served = solution.plan.flow_mtok_per_h[:, batch].sum(axis=1)
    assert served[midday].sum() == pytest.approx(24 * 40.0)


def test_carbon_price_may_lift_a_negative_price(toy: ToyScenario) -> None:
    """0.5 t/MWh at 200 CNY/t add 100 CNY/MWh to -50: the decomposition applies and agrees."""
    costs = {"carbon_price_cny_per_t": 200.0}
    problem = with_series(toy, spot(-50.0), batch={"deferrable_h": 24}, time={"slices_per_day": 6}, costs=costs)
    assert not why_not_decomposed(problem)
    parts = solve_problem(problem, method="decomposed", mip_rel_gap=1e-6)
    whole = solve_problem(problem, method="whole", mip_rel_gap=1e-6)
    assert parts.objective_cny == pytest.approx(whole.objective_cny, rel=1e-5)


# What bad input gets


def test_unknown_column_gets_the_nearest_id(toy: ToyScenario) -> None:
    (fault,) = series_faults(toy, lines_of(year_of(lambda _: 300.0, column="tarif_west")))
    assert (fault.row, fault.column) == (1, "tarif_west")
    assert "neither a tariff nor a data center" in fault.problem
    assert "Did you mean 'tariff_west'?" in fault.remedy


def test_id_of_both_a_tariff_and_a_data_center_is_refused(toy: ToyScenario) -> None:
    write_series(toy.folder, year_of(lambda _: 300.0))
    with pytest.raises(InputError, match="both a tariff and a data center"):
        toy(
            tables={
                "data_centers": lambda rows: [rows[0], {**rows[1], "id": "tariff_west"}],
                "pools": lambda rows: [rows[0], {**rows[1], "data_center": "tariff_west"}],
            },
            price_series_table="prices.csv",
        )


@pytest.mark.parametrize(
    ("spoil", "row", "problem"),
    [
        (lambda lines: [*lines[:100], *lines[101:]], 101, "the hour 2025-01-05T03:00 is missing before this row"),
        (
            lambda lines: [*lines[:100], *lines[103:]],
            101,
            "3 hours from 2025-01-05T03:00 to 2025-01-05T05:00 are missing",
        ),
        (lambda lines: [*lines[:101], lines[100], *lines[101:]], 102, "the hour is there twice"),
        (lambda lines: [*lines[:9], lines[10], lines[9], *lines[11:]], 11, "earlier than that of the row before"),
        (lambda lines: lines[:-1], 8760, "has 8759 hours and ends at 2025-12-31T22:00"),
        (lambda lines: lines[:25], 25, "has 24 hours and ends at 2025-01-01T23:00"),
        (lambda lines: [lines[0], *lines[2:]], 2, "begins at 2025-01-01T01:00, not at midnight"),
        (lambda lines: [lines[0]], None, "the table has no rows"),
        (lambda _: [], 1, "the file is empty"),
        (lambda lines: [*lines[:5], lines[5].split(",")[0] + ",nan", *lines[6:]], 6, "is not a finite number"),
        (lambda lines: [*lines[:5], lines[5].split(",")[0] + ",1e999", *lines[6:]], 6, "is not a finite number"),
        (lambda lines: [*lines[:5], lines[5].split(",")[0] + ',"3,5"', *lines[6:]], 6, "is not a number"),
        (lambda lines: [*lines[:5], lines[5].split(",")[0] + ",", *lines[6:]], 6, "the cell is blank"),
        (lambda lines: [*lines[:5], ",300", *lines[6:]], 6, "the cell is blank"),
        (lambda lines: [*lines[:5], "noon,300", *lines[6:]], 6, "is not a time"),
        (lambda lines: [*lines[:5], "9999-12-31T23:00,300", *lines[6:]], 6, "lies outside the years 1900 to 2200"),
        (lambda lines: [*lines[:5], "2025-01-01T04:30,300", *lines[6:]], 6, "is not a full hour"),
        (lambda lines: [*lines[:5], "2025-01-01T04:00+08:00,300", *lines[6:]], 6, "has an offset from UTC"),
        (lambda lines: [*lines[:5], lines[5] + ",1", *lines[6:]], 6, "the row has 3 cells, the header 2"),
        (lambda lines: ["hour,tariff_west", *lines[1:]], 1, "the required column is missing"),
        (lambda lines: [line.split(",")[0] for line in lines], 1, "the table has no column of prices"),
        (lambda lines: ["time,Tariff West", *lines[1:]], 1, "is not a valid id"),
        (lambda _: ["time|tariff_west"], 1, "cells are separated by '|'"),
        (lambda lines: [line + end for line, end in zip(lines, [",time", *[",1"] * 8760])], 1, "is there twice"),  # noqa: B905
        (
            lambda lines: [lines[0], *(line.replace(",300.0", ",0.3") for line in lines[1:])],
            1,
            "no price is further from 0 than 0.3 CNY per MWh",
        ),
    ],
)
def test_fault_of_a_series_is_named(
    toy: ToyScenario, spoil: Callable[[Lines], Lines], row: int | None, problem: str
) -> None:
    faults = series_faults(toy, spoil(lines_of(year_of(lambda _: 300.0))))
    assert any(fault.row == row and problem in fault.problem for fault in faults), "\n".join(map(str, faults))


def test_all_faults_of_a_series_are_listed_at_once(toy: ToyScenario) -> None:
    lines = lines_of(year_of(lambda _: 300.0).assign(tariff_east=300.0))
    lines[10] = lines[10].split(",")[0] + ",x,nan"
    del lines[500]
    lines[900] = "now,300,300"
    assert [(fault.row, fault.column) for fault in series_faults(toy, lines)] == [
        (501, "time"), (901, "time"), (11, "tariff_west"), (11, "tariff_east"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("prices.xlsx", "is not a CSV or Parquet file"),
        ("missing.csv", "there is no such file"),
        ("3", "must be a text"),
    ],
)
def test_file_of_a_series_must_be_there(toy: ToyScenario, name: str, problem: str) -> None:
    toy()
    (fault,) = faults_of(toy.folder / "toy.yaml", f"price_series_table={name}")
    assert problem in fault.problem


def test_broken_parquet_is_refused(toy: ToyScenario) -> None:
    (toy.folder / "prices.parquet").write_bytes(b"PAR1 nothing else")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        toy(price_series_table="prices.parquet")


def test_zero_prices_are_free_energy_not_another_unit(toy: ToyScenario) -> None:
    assert (with_series(toy, year_of(lambda _: 0.0)).energy_price_cny_per_mwh[:, 1] == 0).all()


def test_price_series_of_an_override_starts_from_the_working_directory(
    toy: ToyScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy()
    write_toy_network(toy.folder / "net")
    write_series(toy.folder, year_of(lambda _: 300.0))
    monkeypatch.chdir(toy.folder)
    loaded = load_scenario(toy.folder / "toy.yaml", ["price_series_table=prices.csv"])
    assert loaded.price_series is not None
    assert len(loaded.price_series.dates) == 365
    assert loaded.price_series.dates[-1] - loaded.price_series.dates[0] == timedelta(days=364)

"""Time slices, prices and demand of the toy scenario, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from network_files import Row, changed
from toy_scenario import ToyScenario

from network_data import InputError


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


# Time and prices


def test_slices_share_out_the_hours_of_the_year(toy: ToyScenario) -> None:
    slices = toy().slices
    assert slices["hour"].tolist() == [0, 6, 12, 18]
    assert slices["weight_h"].tolist() == [365 * 6.0] * 4
    assert slices["previous_index"].tolist() == [3, 0, 1, 2]
    assert slices["billing_index"].tolist() == [0, 0, 0, 0]


def test_each_representative_day_is_a_cycle_of_its_own(toy: ToyScenario) -> None:
    days = [
        {"id": "warm", "months": "5-9", "days_per_year": 153},
        {"id": "cold", "months": "10-4", "days_per_year": 212},
    ]
    problem = toy(time={"slices_per_day": 2, "days": days})
    assert problem.slices["weight_h"].tolist() == [153 * 12, 153 * 12, 212 * 12, 212 * 12]
    assert problem.slices["previous_index"].tolist() == [1, 0, 3, 2]
    assert problem.slices["billing_index"].tolist() == [0, 0, 1, 1]
    assert problem.billing["months"].tolist() == [5, 7]
    assert problem.slice_h.tolist() == [12.0] * 4


def test_days_of_the_same_months_share_a_billed_peak(toy: ToyScenario) -> None:
    days = [
        {"id": "workday", "months": "1-12", "days_per_year": 250},
        {"id": "weekend", "months": "1-12", "days_per_year": 100},
        {"id": "summer_peak", "months": "7", "days_per_year": 15},
    ]
    problem = toy(time={"slices_per_day": 1, "days": days})
    assert problem.slices["billing_index"].tolist() == [0, 0, 1]
    assert problem.billing["months"].tolist() == [11.5, 0.5]  # July is divided between the two
    assert problem.billing["months"].sum() == pytest.approx(12)


def test_tariff_hours_are_averaged_over_the_slice(toy: ToyScenario) -> None:
    # East: 300 until 8:00, then 600. Hours 6 to 12: two of 300, four of 600.
    assert toy().energy_price_cny_per_mwh[:, 0].tolist() == [300, 500, 600, 600]
    assert toy().energy_price_cny_per_mwh[:, 1].tolist() == [300] * 4


def test_half_hours_of_a_tariff_count_half(toy: ToyScenario) -> None:
    def until_half_past_eight(rows: list[Row]) -> list[Row]:
        return changed(changed(rows, 0, hours="8.5-24"), 1, hours="0-8.5")

    prices = toy(tables={"tariffs": until_half_past_eight}, time={"slices_per_day": 24}).energy_price_cny_per_mwh
    assert prices[[7, 8, 9], 0].tolist() == [300, 450, 600]


def test_months_weigh_by_their_days(toy: ToyScenario) -> None:
    def dear_january(rows: list[Row]) -> list[Row]:
        return [*rows[:2], {**rows[2], "months": "1", "price_cny_per_mwh": 1000}, {**rows[2], "months": "2-12"}]

    days = [
        {"id": "winter", "months": "1-2", "days_per_year": 59},
        {"id": "rest", "months": "3-12", "days_per_year": 306},
    ]
    prices = toy(tables={"tariffs": dear_january}, time={"slices_per_day": 1, "days": days}).energy_price_cny_per_mwh
    assert prices[:, 1] == pytest.approx([(31 * 1000 + 28 * 300) / 59, 300])


# Demand


def test_demand_follows_weight_share_and_profile(toy: ToyScenario) -> None:
    problem = toy()
    table = problem.workloads[["workload_class", "demand_hub"]].to_numpy().tolist()
    assert table == [["chat", "metro_a"], ["chat", "metro_b"], ["batch", "metro_a"], ["batch", "metro_b"]]
    # 100 mtok/h times class share, hub weight and profile.
    expected = np.outer([1.5, 1.5, 0.5, 0.5], [45, 15, 0, 0]) + np.outer(np.ones(4), [0, 0, 30, 10])
    assert problem.demand_mtok_per_h == pytest.approx(expected)
    assert problem.annual_mtok == pytest.approx(2400 * 365)


def test_weights_need_not_sum_to_one(toy: ToyScenario) -> None:
    def doubled(rows: list[Row]) -> list[Row]:
        return [{**row, "demand_weight": 2 * row["demand_weight"]} for row in rows]

    assert toy(tables={"nodes": doubled}).demand_mtok_per_h == pytest.approx(toy().demand_mtok_per_h)


def test_explicit_workloads_take_the_place_of_weights(toy: ToyScenario) -> None:
    text = "demand_hub,workload_class,mtok_per_day\nmetro_b,batch,240\nmetro_a,chat,0\n"
    (toy.folder / "workloads.csv").write_text(text, encoding="utf-8")
    problem = toy(demand={"workloads_table": "workloads.csv"})
    assert problem.workloads["demand_hub"].tolist() == ["metro_b"]
    assert problem.classes["id"].tolist() == ["batch"]
    assert problem.demand_mtok_per_h == pytest.approx(np.full((4, 1), 10.0))


def test_unknown_demand_hub_is_named_with_its_row(toy: ToyScenario) -> None:
    text = "demand_hub,workload_class,mtok_per_day\nmetro_b,batch,240\nmetro_bb,batch,1\nnode_east,chat,1\n"
    (toy.folder / "workloads.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        toy(demand={"workloads_table": "workloads.csv"})
    assert [(fault.row, fault.value) for fault in caught.value.faults] == [(3, "metro_bb"), (4, "node_east")]
    assert "metro_b" in caught.value.faults[0].remedy


def test_demand_without_any_weight_is_refused(toy: ToyScenario) -> None:
    with pytest.raises(InputError, match="demand_weight"):
        toy(tables={"nodes": lambda rows: [{**row, "demand_weight": 0} for row in rows]})


def test_window_bounds_backlog_and_service(toy: ToyScenario) -> None:
    # Slices of 6 h; batch may wait 13 h, that is two whole slices: 2 x 6 h of its arrivals.
    problem = toy(batch={"deferrable_h": 13, "demand_profile": "day"})
    a = 2  # batch of metro_a: 30 mtok/h on average
    assert problem.workloads["is_deferrable"].tolist() == [False, False, True, True]
    assert problem.demand_mtok_per_h[:, a] == pytest.approx([45, 45, 15, 15])
    assert problem.backlog_limit_mtok[:, a] == pytest.approx([6 * (45 + 15), 6 * (45 + 45), 6 * (15 + 45), 6 * 30])
    # Arrivals of the slice and all that may wait at its beginning, within 6 h.
    assert problem.servable_mtok_per_h[:, a] == pytest.approx([45 + 30, 45 + 60, 15 + 90, 15 + 60])
    assert problem.backlog_limit_mtok[:, :2].max() == 0
    assert problem.servable_mtok_per_h[:, :2] == pytest.approx(problem.demand_mtok_per_h[:, :2])


def test_window_of_days_holds_one_day_at_the_most(toy: ToyScenario) -> None:
    problem = toy(batch={"deferrable_h": 72})
    assert problem.backlog_limit_mtok[:, 2] == pytest.approx([24 * 30] * 4)
    assert problem.servable_mtok_per_h[:, 2] == pytest.approx([4 * 30] * 4)


def test_window_shorter_than_a_slice_is_urgent(toy: ToyScenario) -> None:
    problem = toy(batch={"deferrable_h": 5})
    assert not problem.workloads["is_deferrable"].any()
    assert problem.backlog_limit_mtok.max() == 0


def test_shedding_is_allowed_where_it_has_a_price(toy: ToyScenario) -> None:
    assert toy().shed_limit_mtok_per_h.max() == 0
    problem = toy(costs={"shed_penalty_cny_per_mtok": 0})
    assert problem.shed_limit_mtok_per_h == pytest.approx(problem.demand_mtok_per_h)

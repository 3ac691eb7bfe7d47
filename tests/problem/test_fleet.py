"""Classes, accelerators and pools of the toy scenario, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from network_files import Override, Row, changed
from toy_scenario import CHAT_GBPS, ToyScenario, reached

from network_data import InputError
from optimizer.problem.fleet import annuity_share
from optimizer.problem.problem import PlacementProblem


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


# Classes


def test_classes_carry_traffic_latency_value_and_limits(toy: ToyScenario) -> None:
    classes = toy(chat={"rtt_limit_ms": 50, "max_sites": 1, "indivisible": True}).classes.set_index("id")
    assert classes.loc["chat", "gbps_per_mtok_per_h"] == pytest.approx(CHAT_GBPS)
    assert pytest.approx(9e-5) == CHAT_GBPS
    assert classes.loc["batch", "gbps_per_mtok_per_h"] == pytest.approx(4 * 8e-3 / 3600)
    # 1 % of 2 CNY per 100 ms, and every token waits for three calls.
    assert classes.loc["chat", "latency_cny_per_ms_per_mtok"] == pytest.approx(3 * 2 * 0.01 / 100)
    assert classes["rtt_limit_ms"].tolist() == [50, np.inf]
    assert classes["max_sites"].tolist() == [1, 2]
    assert classes["is_indivisible"].tolist() == [True, False]


def test_prefill_and_decode_both_take_accelerator_time(toy: ToyScenario) -> None:
    hours = toy().accel_h_per_mtok
    # Chat: 3/4 input, half of it cached, and 1/4 output. Chip b is twice as fast as chip a: 4,000 and 1,000 tok/s.
    chat_s = 1e6 * (0.375 / 4000 + 0.25 / 1000)
    batch_s = 1e6 / 4000
    assert hours == pytest.approx(np.array([[chat_s, chat_s / 2], [batch_s, batch_s / 2]]) / 3600)


def _half_in_service(rows: list[Row]) -> list[Row]:
    return changed(rows, 0, prefill_fleet_share=0.5, decode_fleet_share=0.8)


def test_fleet_average_takes_more_accelerator_time_and_no_more_for_one_request(toy: ToyScenario) -> None:
    tables: Override = {"accelerators": _half_in_service}
    full, fleet = toy(tables=tables), toy(tables=tables, fleet={"rate_basis": "fleet_average"})
    # Chip a: 4,000 x 0.5 and 1,000 x 0.8 tok/s. Chip b gives no shares, so that its rates hold in service too.
    chat_s = 1e6 * (0.375 / 2000 + 0.25 / 800)
    assert fleet.accel_h_per_mtok[:, 0] == pytest.approx(np.array([chat_s, 1e6 / 2000]) / 3600)
    assert (fleet.accel_h_per_mtok[:, 1] == full.accel_h_per_mtok[:, 1]).all()
    assert (fleet.compute_ms == full.compute_ms).all()


# Fleet


@pytest.mark.parametrize(("rate", "years", "share"), [(0.06, 5, 0.2373964), (0.06, 15, 0.1029628), (0.0, 4, 0.25)])
def test_annuity(rate: float, years: float, share: float) -> None:
    assert annuity_share(rate, years) == pytest.approx(share, abs=1e-7)
    # What is paid back is worth the investment: the payments, discounted, sum to one.
    assert sum(share / (1 + rate) ** year for year in range(1, int(years) + 1)) == pytest.approx(1, abs=1e-6)


def test_power_and_cost_of_a_pod(toy: ToyScenario) -> None:
    problem = toy()
    assert problem.accelerators["idle_mw_per_pod"].tolist() == pytest.approx([8 * 300e-6, 8 * 400e-6])
    assert problem.accelerators["dynamic_mw_per_accelerator"].tolist() == pytest.approx([700e-6, 1100e-6])
    pools = problem.pools
    assert pools[["data_center_index", "accelerator_index"]].to_numpy().tolist() == [[0, 0], [1, 0], [1, 1]]
    annuity = annuity_share(0.06, 5)
    assert pools["pod_cny_per_year"].tolist() == pytest.approx([8e5 * annuity, 8e5 * annuity, 8 * 180e3 * annuity])
    # 30,000 CNY per kW; a pod takes 8 or 12 kW at full load.
    assert pools["site_cny_per_year"].tolist() == pytest.approx(np.array([8, 8, 12]) * 30000 * annuity_share(0.06, 15))


def test_new_pods_fit_into_power_that_existing_ones_leave(toy: ToyScenario) -> None:
    pools = toy().pools
    assert pools["existing_pods"].tolist() == [100, 100, 0]
    # 10 MW and 20 MW hold 1,250 and 2,500 pods of 8 kW; 20 MW hold 1,666 of 12 kW.
    assert pools["max_new_pods"].tolist() == [1150, 2400, 1666]


def test_power_for_a_whole_number_of_pods_holds_that_many(toy: ToyScenario) -> None:
    # 0.024 / 0.008 is 2.9999999999999996 in binary.
    problem = toy(tables={"data_centers": lambda rows: changed(rows, 0, it_capacity_mw=0.024), "pools": _no_pods})
    assert problem.pools["max_new_pods"].iloc[0] == 3


def _no_pods(rows: list[Row]) -> list[Row]:
    return [{**row, "existing_pods": 0} for row in rows]


def test_existing_pods_follow_from_the_stock_open_to_inference(toy: ToyScenario) -> None:
    def stock(rows: list[Row]) -> list[Row]:
        # A pod of 8 x 500 TFLOPS is 4 PFLOPS. Half of 100 PFLOPS is 12.5 pods, half of 80 exactly 10.
        rows = [{**row, "existing_pods": "", "stock_pflops": 100} for row in rows]
        return changed(changed(rows, 1, stock_pflops=80, max_pods=11), 2, stock_pflops=0)

    pools = toy(tables={"pools": stock}, fleet={"inference_stock_share": 0.5}).pools
    assert pools["existing_pods"].tolist() == [12, 10, 0]
    assert pools["max_new_pods"].tolist() == [1250 - 12, 1, 1666]


def test_nothing_is_bought_where_purchase_is_not_allowed(toy: ToyScenario) -> None:
    assert toy(fleet={"allow_purchase": False}).pools["max_new_pods"].max() == 0


def test_only_chosen_accelerators_count(toy: ToyScenario) -> None:
    problem = toy(fleet={"accelerators": ["chip_b"]})
    assert problem.accelerators["id"].tolist() == ["chip_b"]
    assert problem.pools[["data_center_index", "accelerator_index"]].to_numpy().tolist() == [[1, 0]]
    # The east has no chip b: nothing can go there.
    assert {place for _, _, place in reached(problem)} == {"dc_west"}


def test_unknown_accelerator_is_refused(toy: ToyScenario) -> None:
    with pytest.raises(InputError, match="chip_c") as caught:
        toy(fleet={"accelerators": ["chip_c"]})
    assert "chip_a" in str(caught.value)


def test_more_pods_than_allowed_are_refused(toy: ToyScenario) -> None:
    with pytest.raises(InputError, match="100 pods of chip_a, more than max_pods = 99"):
        toy(tables={"pools": lambda rows: changed(rows, 0, max_pods=99)})


def test_accelerator_without_power_needs_a_limit(toy: ToyScenario) -> None:
    def free(rows: list[Row]) -> list[Row]:
        return changed(rows, 1, idle_power_w=0, full_power_w=0)

    with pytest.raises(InputError, match="takes no power"):
        toy(tables={"accelerators": free})
    limited = {"accelerators": free, "pools": lambda rows: changed(rows, 2, max_pods=7)}
    assert toy(tables=limited).pools["max_new_pods"].tolist() == [1150, 2400, 7]


# Mix, kinds and purchase


def kinds(rows: list[Row]) -> list[Row]:
    """Chip a is domestic, chip b is foreign and under export control."""
    rows = changed(rows, 0, domestic="yes", export_controlled="no")
    return changed(rows, 1, domestic="no", export_controlled="yes")


def stock(*pflops: float) -> Override:
    """Stock in place of stated pods, in the order of the pools."""
    return lambda rows: [
        {**row, "existing_pods": "", "stock_pflops": amount} for row, amount in zip(rows, pflops, strict=True)
    ]


def pods(problem: PlacementProblem) -> dict[tuple[str, str], tuple[int, int]]:
    """Existing and new pods by data center and accelerator."""
    pools, places, chips = problem.pools, problem.data_centers["id"], problem.accelerators["id"]
    keys = zip(places[pools["data_center_index"]], chips[pools["accelerator_index"]], strict=True)
    return dict(zip(keys, zip(pools["existing_pods"], pools["max_new_pods"], strict=True), strict=True))


def test_mix_replaces_the_accelerators_of_the_stock(toy: ToyScenario) -> None:
    """800 and 400 PFLOPS, a quarter of chip b; a pod of either is 8 x 500 TFLOPS, 4 PFLOPS."""
    fleet = {"inference_stock_share": 1.0, "stock_mix": {"chip_a": 0.75, "chip_b": 0.25}, "allow_purchase": False}
    found = pods(toy(tables={"pools": stock(800, 400, 0)}, fleet=fleet))
    assert found == {
        ("dc_east", "chip_a"): (150, 0),
        ("dc_east", "chip_b"): (50, 0),
        ("dc_west", "chip_a"): (75, 0),
        ("dc_west", "chip_b"): (25, 0),
    }


def test_mix_leaves_stated_pods_alone(toy: ToyScenario) -> None:
    """The east states its pods; the west only its stock of chip a, and is mixed."""

    def west_only(rows: list[Row]) -> list[Row]:
        return [rows[0], {**rows[1], "existing_pods": "", "stock_pflops": 80}]

    fleet = {"inference_stock_share": 1.0, "stock_mix": {"chip_b": 1.0}}
    found = pods(toy(tables={"pools": west_only}, fleet=fleet))
    assert found == {("dc_east", "chip_a"): (100, 1150), ("dc_west", "chip_b"): (20, 1646)}


def test_domestic_only_lets_the_rest_stand_idle(toy: ToyScenario) -> None:
    fleet = {"inference_stock_share": 1.0, "stock_mix": {"chip_a": 0.5, "chip_b": 0.5}, "domestic_only": True}
    problem = toy(tables={"pools": stock(800, 400, 0), "accelerators": kinds}, fleet=fleet)
    assert problem.accelerators["id"].tolist() == ["chip_a"]
    assert pods(problem) == {("dc_east", "chip_a"): (100, 1150), ("dc_west", "chip_a"): (50, 2450)}


@pytest.mark.parametrize(
    ("fleet", "growing"),
    [
        ({}, {"chip_a"}),  # what is under export control may be used, not bought
        ({"purchase": "any"}, {"chip_a", "chip_b"}),
        ({"purchase": "domestic"}, {"chip_a"}),
        ({"purchase": "any", "purchase_accelerators": ["chip_b"]}, {"chip_b"}),
        ({"purchase": "any", "allow_purchase": False}, set()),
    ],
)
def test_purchase_says_what_may_be_bought(toy: ToyScenario, fleet: dict[str, object], growing: set[str]) -> None:
    with_b = {"accelerators": kinds, "pools": lambda rows: changed(rows, 2, existing_pods=7)}
    found = pods(toy(tables=with_b, fleet=fleet))
    assert {chip for (_, chip), (_, new) in found.items() if new > 0} == growing
    assert found["dc_west", "chip_b"][0] == 7


def test_offered_accelerators_may_be_bought_at_every_data_center_with_accelerators(toy: ToyScenario) -> None:
    problem = toy(fleet={"purchase": "any", "purchase_accelerators": ["chip_b"]}, tables={"accelerators": kinds})
    # 10 MW and 20 MW hold 833 and 1,666 pods of 8 x 1.5 kW.
    assert pods(problem) == {
        ("dc_east", "chip_a"): (100, 0),
        ("dc_east", "chip_b"): (0, 833),
        ("dc_west", "chip_a"): (100, 0),
        ("dc_west", "chip_b"): (0, 1666),
    }


def test_pool_that_can_hold_nothing_is_left_out(toy: ToyScenario) -> None:
    assert ("dc_west", "chip_b") not in pods(toy(tables={"accelerators": kinds}))


@pytest.mark.parametrize(
    ("fleet", "told"),
    [
        ({"stock_mix": {"chip_c": 1.0}}, "fleet.stock_mix"),
        ({"purchase_accelerators": ["chip_c"]}, "fleet.purchase_accelerators"),
        ({"stock_mix": {"chip_a": 0.5, "chip_b": 0.4}}, "the shares sum to 0.9, not 1"),
        ({"purchase_accelerators": ["chip_b"]}, "chip_b is under export control, and fleet.purchase is uncontrolled"),
        ({"purchase": "domestic", "purchase_accelerators": ["chip_b"]}, "chip_b is not domestic"),
        ({"purchase": "foreign"}, "fleet.purchase"),
    ],
)
def test_fleet_that_contradicts_itself_is_refused(toy: ToyScenario, fleet: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        toy(fleet=fleet, tables={"accelerators": kinds})


def test_domestic_only_without_a_domestic_accelerator_is_refused(toy: ToyScenario) -> None:
    with pytest.raises(InputError, match="no accelerator of network net is marked as domestic"):
        toy(fleet={"domestic_only": True}, tables={"accelerators": lambda rows: [r | {"domestic": "no"} for r in rows]})


def test_mix_that_would_lose_limits_of_a_pool_is_refused(toy: ToyScenario) -> None:
    def limited(rows: list[Row]) -> list[Row]:
        return changed([{**row, "existing_pods": "", "stock_pflops": 80} for row in rows], 0, max_pods=50)

    with pytest.raises(InputError, match=r"dc_east limits its pods of chip_a, which fleet.stock_mix replaces"):
        toy(fleet={"stock_mix": {"chip_b": 1.0}}, tables={"pools": limited})

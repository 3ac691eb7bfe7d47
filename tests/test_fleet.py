"""Classes, accelerators and pools of the toy scenario, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from network_files import Row, changed
from toy_scenario import CHAT_GBPS, ToyScenario, reached

from network_data import InputError
from optimizer.fleet import annuity_share


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

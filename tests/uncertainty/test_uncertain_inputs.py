"""Uncertain inputs: how ranges are read and joined with values, what a quantile is, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from frontier_case import write_two_places
from scipy import stats

import edwc
from network_data import InputError, load_network
from network_data.faults import Fault, FaultList
from optimizer.uncertainty.inputs import UncertainInput, choose_inputs, find_effective, read_inputs
from scenarios import list_scenarios, load_scenario
from scenarios.price_parameters import overrides_of

HEADER = "input,key,basis,low,high,shape,reason\n"


class Ranges:
    """The two places of `frontier_case` with a table of ranges for the network and one for the scenario."""

    def __init__(self, folder: Path) -> None:
        self.path = write_two_places(folder)
        self.overrides = (f"ranges_table={folder / 'own.csv'}",)

    def read(self, network: str = "", scenario: str = "") -> tuple[tuple[UncertainInput, ...], list[Fault]]:
        folder = self.path.parent
        (folder / "net" / "ranges.csv").write_text(HEADER + network, encoding="utf-8")
        (folder / "own.csv").write_text(HEADER + scenario, encoding="utf-8")
        faults = FaultList()
        loaded = load_scenario(self.path, self.overrides)
        return read_inputs(loaded, load_network(loaded.network), faults), list(faults)


@pytest.fixture
def ranges(tmp_path: Path) -> Ranges:
    return Ranges(tmp_path)


def test_values_come_from_tables_and_scenario_and_rows_of_one_name_move_together(ranges: Ranges) -> None:
    inputs, faults = ranges.read(
        "rate,network.accelerators.chip_a.decode_tok_per_s,value,500,2000,uniform,why\n"
        "rate,network_factor.accelerators.chip_b.decode_tok_per_s,factor,0.5,2,uniform,why\n"
        "price,price.west,factor,0.8,1.2,triangular,why\n",
        "loss,workload_classes.*.revenue_loss_share_per_100ms,factor,0.5,2,loguniform,why\n",
    )
    assert not faults
    assert [one.name for one in inputs] == ["rate", "price", "loss"]
    rate, price, loss = inputs
    assert [(one.value, one.low, one.high) for one in rate.ranges] == [(1000.0, 500.0, 2000.0), (1.0, 0.5, 2.0)]
    assert rate.point(0.5) == {
        "network.accelerators.chip_a.decode_tok_per_s": 1250.0,
        "network_factor.accelerators.chip_b.decode_tok_per_s": 1.25,
    }
    assert price.point(0.5) == {"price.west": 1.0}
    # The loss of batch is 0: a factor changes nothing there.
    assert loss.point(0.5) == {"workload_classes.chat.revenue_loss_share_per_100ms": pytest.approx(0.01)}


@pytest.mark.parametrize("mode", [3.5, 4.9, 8.0])
def test_quantiles_are_those_of_the_named_distribution(ranges: Ranges, mode: float) -> None:
    ranges.overrides = (*ranges.overrides, f"routing.fibre_us_per_km={mode}")
    inputs, faults = ranges.read(
        scenario="a,routing.fibre_us_per_km,value,3.5,8,triangular,why\n"
        "b,costs.carbon_price_cny_per_t,value,0,50,uniform,why\n"
        "c,routing.link_overhead_ms,value,0.01,1,loguniform,why\n"
    )
    assert not faults
    triangle, flat, logarithmic = inputs
    peak = stats.triang(c=(mode - 3.5) / 4.5, loc=3.5, scale=4.5)
    for quantile in (0.0, 0.05, 0.25, 0.5, 0.95, 1.0):
        assert triangle.point(quantile)["routing.fibre_us_per_km"] == pytest.approx(peak.ppf(quantile))
        assert flat.point(quantile)["costs.carbon_price_cny_per_t"] == pytest.approx(50 * quantile)
        value = logarithmic.point(quantile)["routing.link_overhead_ms"]
        assert value == pytest.approx(stats.loguniform(0.01, 1).ppf(quantile))


def test_whole_numbers_stay_whole(ranges: Ranges) -> None:
    (one,), _ = ranges.read(scenario="wait,workload_classes.batch.deferrable_h,value,0,7,uniform,why\n")
    assert [one.point(quantile)["workload_classes.batch.deferrable_h"] for quantile in (0.0, 0.49, 1.0)] == [0, 3, 7]


def test_every_fault_of_both_tables_is_told_with_row_and_remedy(ranges: Ranges) -> None:
    inputs, faults = ranges.read(
        "a,network.data_centers.dc_east.pue,value,1.4,1.6,uniform,why\n"  # the value is 1.3
        "b,network.data_centers.dc_south.pue,value,1,2,uniform,why\n"
        "c,network.data_centers.*.pue,value,1,2,uniform,why\n"
        "d,fleet.interest_rate,value,0,1,uniform,why\n"
        "e,price.west,value,0.5,2,uniform,why\n"
        "f,network.tariffs.tariff_west.price_cny_per_mwh,value,1,2,uniform,why\n"
        "g,network.pools.dc_west.max_pods,value,1,2,uniform,why\n"
        "h,network.data_centers.dc_east.pue.x,value,1,2,uniform,why\n"
        "i,price.east,factor,1.2,1.4,uniform,why\n"
        "j,demand_charge,factor,0,2,loguniform,why\n"
        "k,demand_charge,factor,2,1,uniform,\n",
        "l,fleet.interest,value,0,1,uniform,why\n"
        "m,fleet.allow_purchase,value,0,1,uniform,why\n"
        "n,solver,value,0,1,uniform,why\n"
        "o,workload_classes.*.cache_hit_share,value,0,1,uniform,why\n"
        "p,price.west,factor,0.5,2,square,why\n",
    )
    assert not inputs
    assert [(fault.file, fault.row, fault.column) for fault in faults] == [
        ("net/ranges.csv", 12, "reason"),
        ("net/ranges.csv", 10, "low"),
        ("net/ranges.csv", 11, "low"),
        (f"{ranges.path.parent.name}/own.csv", 6, "shape"),
        ("net/ranges.csv", 2, "key"),
        ("net/ranges.csv", 3, "key"),
        ("net/ranges.csv", 4, "key"),
        ("net/ranges.csv", 5, "key"),
        ("net/ranges.csv", 6, "key"),
        ("net/ranges.csv", 7, "key"),
        ("net/ranges.csv", 8, "key"),
        ("net/ranges.csv", 9, "key"),
        (f"{ranges.path.parent.name}/own.csv", 2, "key"),
        (f"{ranges.path.parent.name}/own.csv", 3, "key"),
        (f"{ranges.path.parent.name}/own.csv", 4, "key"),
        (f"{ranges.path.parent.name}/own.csv", 5, "key"),
    ]
    assert all(fault.remedy for fault in faults)
    assert "the value of network.data_centers.dc_east.pue is 1.3, outside 1.4 to 1.6" in faults[4].problem


def test_a_key_has_one_range_whichever_row_names_it(ranges: Ranges) -> None:
    _, faults = ranges.read(
        "a,price.west,factor,0.5,2,uniform,why\na,price.west,factor,0.5,2,uniform,why\n",
        "b,price.west,factor,0.5,2,uniform,why\n"
        "c,workload_classes.chat.cache_hit_share,value,0.4,0.6,uniform,why\n"
        "d,workload_classes.*.cache_hit_share,factor,0.9,1.1,uniform,why\n",
    )
    assert [(fault.row, fault.value) for fault in faults] == [
        (3, "price.west"), (2, "price.west"), (4, "workload_classes.*.cache_hit_share"),
    ]  # fmt: skip


def test_inputs_are_chosen_by_name(ranges: Ranges) -> None:
    inputs, _ = ranges.read("a,price.west,factor,0.5,2,uniform,why\nb,price.east,factor,0.5,2,uniform,why\n")
    faults = FaultList()
    assert [one.name for one in choose_inputs(inputs, ("b",), faults)] == ["b"]
    assert not len(faults)
    choose_inputs((), (), faults)
    choose_inputs(inputs, ("b", "prices"), faults)
    assert [fault.value for fault in faults] == [None, "prices"]


def test_what_changes_nothing_is_told_apart_and_an_impossible_end_is_refused(ranges: Ranges) -> None:
    # chip_b stands nowhere and may not be bought; its rate moves nothing.
    inputs, _ = ranges.read(
        "price,price.west,factor,1,2,uniform,why\nother,network_factor.accelerators.chip_b.price_cny,factor,0.5,2,uniform,why\n"
        "pue,network_factor.data_centers.*.pue,factor,0.5,1.1,uniform,why\n"
    )
    network = load_network(ranges.path.parent / "net")
    faults = FaultList()
    effective, idle, _ = find_effective(ranges.path, ranges.overrides, network, inputs, faults, are_named=False)
    assert [one.name for one in effective] == ["price", "pue"]
    assert idle == ("other",)
    (fault, *_) = faults
    assert (fault.file, fault.row, fault.column, fault.value) == ("net/ranges.csv", 4, "low", "0.5")
    assert "makes pue of dc_east 0.65" in fault.problem


def test_a_range_that_the_policy_contradicts_is_left_out_unless_it_is_asked_for(ranges: Ranges) -> None:
    # The west has 0.6: times 0.6 that is 0.36, at which no plan could keep the policy.
    inputs, _ = ranges.read(
        "price,price.west,factor,1,2,uniform,why\n"
        "green,network_factor.data_centers.*.green_power_share,factor,0.6,1.05,uniform,why\n"
    )
    network, faults = load_network(ranges.path.parent / "net"), FaultList()
    asked = (ranges.path, (*ranges.overrides, "policy.min_green_share=0.5"), network, inputs, faults)
    effective, idle, left_out = find_effective(*asked, are_named=False)
    assert ([one.name for one in effective], idle, left_out) == (["price"], (), {"green": "policy.min_green_share"})
    assert not len(faults)
    find_effective(*asked, are_named=True)
    (fault,) = faults
    assert (fault.row, fault.column) == (3, "low")
    assert fault.problem.startswith("the low end of green cannot be: policy.min_green_share")


def test_every_built_in_scenario_has_its_values_within_its_ranges() -> None:
    for name in list_scenarios():
        scenario = load_scenario(name)
        faults = FaultList(name)
        inputs = read_inputs(scenario, load_network(scenario.network), faults)
        faults.raise_if_any()
        assert len(inputs) >= 20, name
        for end in (0.0, 1.0):
            point = {key: value for one in inputs for key, value in one.point(end).items()}
            load_scenario(name, overrides_of(point))  # every key takes either end
        assert all(len(found.row.reason) > 12 for one in inputs for found in one.ranges)


def test_a_table_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    path = write_two_places(tmp_path)
    loaded = load_scenario(path, ["ranges_table=nowhere.csv"])  # it decides nothing of a plan
    faults = FaultList()
    assert read_inputs(loaded, load_network(loaded.network), faults) == ()
    with pytest.raises(InputError, match="there is no such file"):
        faults.raise_if_any()


def test_check_takes_a_value_that_a_user_puts_outside_its_range() -> None:
    changes = ["fleet.utilization_limit=0.5", "workload_classes.chat.cache_hit_share=0.9"]
    found = edwc.check("base", changes)
    everything = set(edwc.check("base")["uncertain_inputs"])
    assert set(found["uncertain_inputs"]) < everything
    faults = FaultList()
    loaded = load_scenario("base", changes)
    read_inputs(loaded, load_network(loaded.network), faults)
    assert len(list(faults)) == 2  # the study itself refuses them

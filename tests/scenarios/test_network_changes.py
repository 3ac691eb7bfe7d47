"""Changes of the network by a scenario: which numbers of the problem they move, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_scenario import ToyScenario

from network_data import FaultList, InputError, load_network
from scenarios.network_changes import NetworkChange, change_network
from scenarios.price_parameters import overrides_of, parse_sweeps


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


def problems(toy: ToyScenario, **changes: Any) -> list[tuple[str | None, str]]:
    with pytest.raises(InputError) as caught:
        toy(network_changes=changes)
    assert all(fault.remedy for fault in caught.value.faults)
    return [(fault.column, fault.problem) for fault in caught.value.faults]


def test_rows_are_replaced_and_multiplied_in_order_and_the_files_stay_as_they_are(toy: ToyScenario) -> None:
    changes = {
        "all": {"table": "data_centers", "column": "pue", "scale": 1.1},
        "one": {"table": "data_centers", "rows": ["dc_west"], "column": "pue", "replace": 2.0},
        "twice": {"table": "data_centers", "rows": ["dc_west"], "column": "pue", "scale": 0.75},
        "pods": {"table": "pools", "rows": ["dc_west"], "column": "existing_pods", "scale": 0.5},
        "length": {"table": "links", "rows": ["a_east"], "column": "length_km", "replace": 200},
    }
    before, after = toy(), toy(network_changes=changes)
    assert after.data_centers["pue"].tolist() == pytest.approx([1.3 * 1.1, 1.5])
    assert before.pools["existing_pods"].tolist() == [100, 100, 0]
    assert after.pools["existing_pods"].tolist() == [100, 50, 0]
    # metro_a to the east: 100 km more of fibre, both ways, at 4.9 us per km.
    further = after.routes["rtt_ms"].iloc[0] - before.routes["rtt_ms"].iloc[0]
    assert further == pytest.approx(2 * 100 * 4.9e-3)
    assert load_network(toy.folder / "net").data_centers["pue"].tolist() == [1.3, 1.2]


def test_a_factor_leaves_blank_cells_blank_and_a_number_fills_them(toy: ToyScenario) -> None:
    toy()
    network, faults = load_network(toy.folder / "net"), FaultList()
    doubled = NetworkChange(table="pools", column="max_pods", scale=2.0)
    filled = NetworkChange(table="pools", rows=("dc_west",), column="max_pods", replace=7.0)
    assert change_network(network, {"a": doubled}, "toy.yaml", faults).pools["max_pods"].isna().all()
    found = change_network(network, {"b": filled, "c": doubled}, "toy.yaml", faults).pools["max_pods"]
    assert not len(faults)
    assert found.isna().tolist() == [True, False, False]
    assert found.dropna().tolist() == [14.0, 14.0]


def test_every_fault_is_told_with_its_place(toy: ToyScenario) -> None:
    found = problems(
        toy,
        a={"table": "data_centers", "rows": ["dc_wst", "dc_east"], "column": "pue", "scale": 1.1},
        b={"table": "data_centers", "column": "pu", "scale": 1.1},
        c={"table": "data_centers", "column": "name", "scale": 1.1},
        d={"table": "data_centers", "column": "pue", "scale": 0.5},
        e={"table": "data_centers", "column": "demand_charge_cny_per_kw_month", "scale": 2},
        f={"table": "pools", "column": "existing_pods", "replace": 1.5},
    )
    assert found == [
        ("network_changes.a.rows", "table data_centers has no such row"),
        ("network_changes.b.column", "table data_centers has no such column"),
        ("network_changes.c.column", "holds no numbers"),
        ("network_changes.d.scale", "makes pue of dc_east 0.715, which is out of range"),
        ("network_changes.e.column", "is a price"),
        ("network_changes.f.replace", "makes existing_pods of dc_east 1.5, which is not a whole number"),
    ]


def test_numbers_of_a_row_that_contradict_each_other_are_refused(toy: ToyScenario) -> None:
    (found,) = problems(toy, a={"table": "accelerators", "rows": ["chip_a"], "column": "idle_power_w", "scale": 4})
    assert found == ("idle_power_w", "idle power is above full power, which is 1000 W")


def test_one_operation_is_given_and_tariffs_have_changes_of_their_own(toy: ToyScenario) -> None:
    both = {"table": "nodes", "column": "demand_weight", "scale": 1, "replace": 1}
    none = {"table": "nodes", "column": "demand_weight"}
    tariff = {"table": "tariffs", "column": "price_cny_per_mwh", "scale": 1}
    columns = [column for column, _ in problems(toy, both=both, none=none, tariff=tariff)]
    assert columns == ["network_changes.both", "network_changes.none", "network_changes.tariff.table"]


def test_a_sweep_names_cells_of_the_network() -> None:
    rate, length = overrides_of(
        {"network.accelerators.chip_a.decode_tok_per_s": 900.0, "network_factor.links.*.length_km": 1.2}
    )
    key, _, change = rate.partition("=")
    assert key == "network_changes.sweep_network_accelerators_chip_a_decode_tok_per_s"
    assert json.loads(change) == {
        "table": "accelerators", "rows": ["chip_a"], "column": "decode_tok_per_s", "replace": 900,
    }  # fmt: skip
    assert json.loads(length.partition("=")[2]) == {"table": "links", "column": "length_km", "scale": 1.2}
    with pytest.raises(InputError) as caught:
        parse_sweeps(["network.pue=1,2", "network_factor.links.*.length_km=-1,1"])
    assert [fault.problem for fault in caught.value.faults] == ["is no cell of the network", "a factor is negative"]

"""What price cases and price changes refuse: every fault at once, with file, line, key, value and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_files import Row, toy_tables, write_toy_network
from price_toys import (
    energy,
    faults_of,
    with_changes,
)
from toy_scenario import ToyScenario

from network_data import InputError, load_network
from network_data.tariffs import build_tariffs
from scenarios import load_price_case


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


def test_accelerators_pay_on_top_of_the_price_of_their_data_center(toy: ToyScenario) -> None:
    before = with_changes(toy)
    problem = with_changes(
        toy,
        energy(add=50, accelerators=["chip_b"], regions=["west"]),
        energy(add=-20, accelerators=["chip_a", "chip_b"]),
    )
    # East has chip a, west both.
    assert problem.pools["energy_surcharge_cny_per_mwh"].tolist() == [-20.0, -20.0, 30.0]
    assert (problem.energy_price_cny_per_mwh == before.energy_price_cny_per_mwh).all()
    assert (problem.lowest_energy_price_cny_per_mwh == before.energy_price_cny_per_mwh - 20.0).all()


def test_faults_of_prices_by_accelerator(toy: ToyScenario) -> None:
    found = faults_of(
        toy, energy(add=1, accelerators=["chip_c", "chip_a"]), energy(add=1, accelerators=["chip_a"], select="valley")
    )
    start = "price_changes.change_"
    assert [(str(fault.column).removeprefix(start), fault.value) for fault in found] == [
        ("0.accelerators", "chip_c"), ("1.select", "valley"),
    ]  # fmt: skip
    for change in (
        energy(scale=2, accelerators=["chip_a"]),
        energy(add=1, accelerators=["chip_a"], hours="0-8"),
        {"what": "demand_charge", "add": 1, "accelerators": ["chip_a"]},
    ):
        (fault,) = faults_of(toy, change)
        assert "accelerators" in fault.problem or "hours does not select" in fault.problem


def test_every_fault_of_the_selections_is_found_at_once(toy: ToyScenario) -> None:
    found = faults_of(
        toy,
        energy(scale=2, regions=["weast"], data_centers=["dc_west", "nowhere"]),
        energy(scale=2, regions=["east"], data_centers=["dc_west"]),
        energy(scale=2, periods=["sharp"]),
        energy(scale=2, periods=["valley"], regions=["west"]),
        energy(scale=2, periods=["valley"], hours="12-13"),
        energy(scale=2, select="weast"),
        {"what": "flat_price", "add": 1, "regions": ["east"]},
        energy(move_period={"to_hours": "10-12"}),
        {"what": "demand_charge", "add": -50},
        {"what": "carbon_price", "add": -1},
        {"what": "token_price", "scale": 2, "workload_classes": ["chatt"]},
        {"what": "demand_charge", "scale": 2, "select": "peak"},
        {"what": "flat_price", "scale": 2, "select": "peak"},
        energy(scale=1000, regions=["west"]),
        energy(scale=1000, regions=["west"]),
        energy(scale=1000, regions=["west"]),
    )
    start = "price_changes.change_"
    assert [(str(fault.column).removeprefix(start), fault.value) for fault in found] == [
        ("0.regions", "weast"),
        ("0.data_centers", "nowhere"),
        ("1", None),
        ("2.periods", "sharp"),
        ("3.periods", "valley"),
        ("4.periods", None),
        ("5.select", "weast"),
        ("6.what", "flat_price"),
        ("7.move_period", "flat"),
        ("8.add", "-50.0"),
        ("9.add", "-1.0"),
        ("10.workload_classes", "chatt"),
        ("11.select", "peak"),
        ("12.select", "peak"),
        ("14", None),
        ("15", None),
    ]
    assert "Did you mean 'west'?" in found[0].remedy
    assert "no data center in common" in found[2].problem
    assert "The tariffs selected have flat" in found[4].remedy
    assert "tariff tariff_east has no period flat in months 1-12 for the hours that are left" in found[8].problem


def test_a_name_with_two_meanings_is_refused_and_its_kinds_are_named(toy: ToyScenario) -> None:
    def both(rows: list[Row]) -> list[Row]:
        return [rows[0] | {"province": "West"}, rows[1]]

    (fault,) = faults_of(toy, energy(scale=2, select="west"), tables={"data_centers": both})
    assert "region and a province" in fault.problem
    assert "regions: [west], provinces: [west]" in fault.remedy


def test_faults_of_a_case_file_have_its_lines(toy: ToyScenario) -> None:
    text = (
        "name: bad\nchanges:\n  first:\n    what: energy_price\n    scale: -1\n    regionz: [west]\n"
        "  second:\n    what: flat_price\n    add: 1\n    replace: 2\n    hours: 3-4\n"
        "  third: {what: energy_price}\n  fourth: {what: energy_price, add: 1, months: 13, hours: 25-26, periods: []}\n"
        "  fifth: {what: token_price, replace: -1}\n  sixth: {what: demand_charge, move_period: {to_hours: 1-2}}\n"
    )
    (toy.folder / "bad.yaml").write_text(text, encoding="utf-8")
    found = faults_of(toy, price_cases=["bad.yaml", "nowhere.yaml"])
    lines = {(fault.row, fault.column) for fault in found if fault.file.endswith("bad.yaml")}
    assert lines == {
        (5, "changes.first.scale"),
        (6, "changes.first.regionz"),
        (7, "changes.second"),
        (12, "changes.third"),
        (13, "changes.fourth.months"),
        (13, "changes.fourth.hours"),
        (13, "changes.fourth.periods"),
        (14, "changes.fifth"),
        (15, "changes.sixth"),
    }
    problems = {str(fault.column): fault.problem for fault in found}
    assert problems["changes.second"] == (
        "replace and add of replace, scale, add, move_period given, not one; hours does not select a flat_price"
    )
    assert "none of replace, scale, add, move_period given" in problems["changes.third"]
    missing = next(fault for fault in found if fault.value and "nowhere" in fault.value)
    assert "Built-in price cases: " in missing.remedy
    assert "today" in missing.remedy
    with pytest.raises(InputError) as caught:
        load_price_case(toy.folder / "bad.yaml")
    assert len(caught.value.faults) == 9


def test_a_hostile_name_is_shown_as_text(toy: ToyScenario) -> None:
    (fault,) = faults_of(toy, energy(scale=2, provinces=["\\x1b[31m<script>"]))
    assert "\x1b" not in str(fault)
    assert "<script>" in str(fault)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_changes_they_apply_or_are_refused(data: st.DataObject, tmp_path_factory: Any) -> None:
    """Fuzz: each set of changes gives finite prices or faults with a remedy, and never another error."""
    name = st.sampled_from(["west", "east", "Sunrise", "dc_east", "tariff_west", "peak", "valley", "flat", "nix", ""])
    change = st.fixed_dictionaries(
        {"what": st.sampled_from(["energy_price", "flat_price", "demand_charge", "carbon_price", "token_price", "x"])},
        optional={
            "replace": st.sampled_from([0, -5, 400, 1e9]),
            "scale": st.sampled_from([0, 1, 2.5, -1]),
            "add": st.sampled_from([0, -1000, 3]),
            "move_period": st.fixed_dictionaries({"to_hours": st.sampled_from(["10-18", "0-24", "x"])}),
            "regions": st.lists(name, max_size=2),
            "select": name,
            "periods": st.lists(name, max_size=2),
            "hours": st.sampled_from(["0-8", "23-24", "8-8"]),
            "months": st.sampled_from(["7", "12-2", "0"]),
            "workload_classes": st.lists(st.sampled_from(["chat", "nix"]), max_size=2),
        },
    )
    changes = data.draw(st.lists(change, min_size=1, max_size=3))
    toy = ToyScenario(tmp_path_factory.mktemp("fuzz"))
    try:
        problem = with_changes(toy, *changes, time={"slices_per_day": 2})
    except InputError as error:
        faults = error.faults
    else:
        faults = ()
        assert np.isfinite(problem.energy_price_cny_per_mwh).all()
        assert (problem.data_centers["demand_charge_cny_per_kw_month"] >= 0).all()
    assert all(fault.remedy for fault in faults)


def test_toy_tables_have_no_formula(tmp_path: Path) -> None:
    """What `test_every_fault_of_the_selections_is_found_at_once` counts on."""
    network = load_network(write_toy_network(tmp_path))
    assert not any(tariff.has_formula for tariff in build_tariffs(network.tariffs).values())
    assert len(toy_tables()["tariffs"]) == 3

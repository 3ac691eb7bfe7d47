"""Candidates, residency, links and faults of the toy scenario, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from network_files import Override, Row, changed
from toy_scenario import CHAT_GBPS, ToyScenario, reached

from network_data import InputError, load_network
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from scenarios import load_scenario


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


# Candidates


def test_candidates_carry_round_trip_and_transport_price(toy: ToyScenario) -> None:
    problem = toy()
    west = problem.candidates[
        (problem.candidates["workload_index"] == 0) & (problem.candidates["data_center_index"] == 1)
    ]
    # 400 km and 600 km of fibre at 4.9 us/km, 0.1 ms for each link, both ways, and 1 ms of access.
    assert west["rtt_ms"].tolist() == pytest.approx([2 * (1000 * 4.9e-3 + 0.2) + 1])
    # 400 + 600 CNY per Gbps and month, 730 hours a month.
    assert west["network_cny_per_mtok"].tolist() == pytest.approx([1000 / 730 * CHAT_GBPS])
    keys = problem.candidates[["workload_index", "data_center_index"]].to_numpy().tolist()
    assert keys == sorted(keys)
    assert len(reached(problem)) == 8


def test_rtt_limit_cuts_candidates(toy: ToyScenario) -> None:
    # a-east 2.18 ms, b-east 6.3, b-west 7.08, a-west 11.2.
    assert {(hub, place) for hub, name, place in reached(toy(chat={"rtt_limit_ms": 7})) if name == "chat"} == {
        ("metro_a", "dc_east"),
        ("metro_b", "dc_east"),
    }


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("none", "a-east a-west b-east b-west"),
        ("national", "a-east a-west b-east b-west"),
        ("region", "a-east b-west"),
        ("province", "a-east b-west"),
        ("region_preferred", "a-east b-west"),
        ("province_preferred", "a-east b-west"),
    ],
)
def test_residency_rules(toy: ToyScenario, rule: str, expected: str) -> None:
    pairs = {f"{hub[-1]}-{place[3:]}" for hub, name, place in reached(toy(chat={"residency": rule})) if name == "chat"}
    assert pairs == set(expected.split())


@pytest.mark.parametrize("rule", ["region_preferred", "province_preferred"])
def test_preference_falls_back_to_the_country_where_the_limit_forbids_home(toy: ToyScenario, rule: str) -> None:
    # Metro b's home, the west, is 7.08 ms away; the east is within 6.3.
    problem = toy(chat={"residency": rule, "rtt_limit_ms": 6.5})
    pairs = {(hub, place) for hub, name, place in reached(problem) if name == "chat"}
    assert pairs == {("metro_a", "dc_east"), ("metro_b", "dc_east")}


def test_preference_does_not_leave_the_country(toy: ToyScenario) -> None:
    def abroad(rows: list[Row]) -> list[Row]:
        return changed(rows, 0, country="Elsewhere", region="far", province="Far")

    with pytest.raises(InputError, match="region_preferred") as caught:
        toy(chat={"residency": "region_preferred", "rtt_limit_ms": 6.5}, tables={"data_centers": abroad})
    assert {fault.value for fault in caught.value.faults} == {"chat of metro_a", "chat of metro_b"}


def test_province_in_another_script_is_the_same_province(toy: ToyScenario) -> None:
    def tables(of_hub: str, of_center: str) -> dict[str, Override]:
        def east(rows: list[Row], name: str) -> list[Row]:
            return [{**row, "province": name} if row["province"] == "Sunrise" else row for row in rows]

        return {"nodes": lambda rows: east(rows, of_hub), "data_centers": lambda rows: east(rows, of_center)}

    expected = reached(toy(chat={"residency": "province"}))
    assert reached(toy(chat={"residency": "province"}, tables=tables("宁夏回族自治区", "Ningxia"))) == expected
    with pytest.raises(InputError, match="residency"):
        toy(chat={"residency": "province"}, tables=tables("宁夏", "Gansu"))


@pytest.mark.parametrize(
    ("rule", "regions", "expected"),
    [
        ("none", ["west"], "a-west b-west"),
        ("none", ["east", "west"], "a-east a-west b-east b-west"),
        ("national", "west", "a-west b-west"),  # as a cell of a table gives it
        ("national", "west; east", "a-east a-west b-east b-west"),
        # Metro a's home is in the east, where the class may not go: what it prefers is not to be had.
        ("region_preferred", ["west"], "a-west b-west"),
    ],
)
def test_allowed_regions_narrow_the_residency_rule(toy: ToyScenario, rule: str, regions: object, expected: str) -> None:
    # Every pair of hub and data center, by hand: the region of dc_east is east, that of dc_west is west.
    found = reached(toy(chat={"residency": rule, "allowed_regions": regions}))
    assert {f"{hub[-1]}-{place[3:]}" for hub, name, place in found if name == "chat"} == set(expected.split())
    assert len([place for _, name, place in found if name == "batch"]) == 4  # the other class is as free as before


# What is refused


def test_stranded_workloads_are_told_by_how_many_ms(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(chat={"rtt_limit_ms": 2}, batch={"rtt_limit_ms": 6})
    found = [(fault.value, fault.problem) for fault in caught.value.faults]
    assert [value for value, _ in found] == ["chat of metro_a", "chat of metro_b", "batch of metro_b"]
    assert "limit of 2 ms: the nearest is 2.18 ms away, 0.18 ms too far" in found[0][1]
    assert "the nearest is 6.30 ms away, 4.30 ms too far" in found[1][1]
    assert "the nearest is 6.30 ms away, 0.30 ms too far" in found[2][1]
    assert all("rtt_limit_ms" in fault.remedy for fault in caught.value.faults)


def test_stranded_by_residency_is_told_the_nearest_allowed(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(chat={"residency": "region", "rtt_limit_ms": 7})
    (fault,) = caught.value.faults
    assert fault.value == "chat of metro_b"
    assert "the nearest that its residency rule (region) allows is 7.08 ms away, 0.08 ms too far" in fault.problem


def test_residency_that_no_data_center_meets(toy: ToyScenario) -> None:
    with pytest.raises(InputError, match=r"reaches no data center that its residency rule \(province\) allows"):
        toy(chat={"residency": "province"}, tables={"data_centers": lambda rows: changed(rows, 1, province="Noon")})


def test_allowed_regions_that_strand_a_class_are_named(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(
            chat={"residency": "region", "allowed_regions": ["west"]},
            batch={"rtt_limit_ms": 8, "allowed_regions": ["west"]},
        )
    problems = {fault.value: fault.problem for fault in caught.value.faults}
    assert problems == {
        "chat of metro_a": "reaches no data center that its residency rule (region) and allowed regions (west) allow",
        "batch of metro_a": "reaches no data center within its limit of 8 ms: the nearest that its allowed regions "
        "(west) hold is 11.20 ms away, 3.20 ms too far",
    }
    assert "allowed_regions" in caught.value.faults[0].remedy


def test_region_that_no_data_center_lies_in_is_refused(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(chat={"allowed_regions": ["wets", "east"]})
    (fault,) = caught.value.faults
    assert (fault.column, fault.value) == ("workload_classes.chat.allowed_regions", "wets")
    assert fault.remedy == "Name regions of the network's data centers: east, west. Did you mean 'west'?"


def test_too_few_links_per_route_strand_a_hub(toy: ToyScenario) -> None:
    problem = toy(routing={"max_links": 1})
    assert {(hub, place) for hub, _, place in reached(problem)} == {("metro_a", "dc_east"), ("metro_b", "dc_west")}
    with pytest.raises(InputError, match="over any chain of links") as caught:
        toy(routing={"max_links": 1}, fleet={"accelerators": ["chip_b"]})
    assert [fault.value for fault in caught.value.faults] == ["chat of metro_a", "batch of metro_a"]


# Links


def test_only_links_that_a_plan_could_overload_are_limiting(toy: ToyScenario) -> None:
    # At its peak chat sends 67.5 + 22.5 mtok/h at 9e-5 Gbps: 0.0081 Gbps, and batch 40 mtok/h: 0.00036 Gbps.
    most = 90 * CHAT_GBPS + 40 * 4 * 8e-3 / 3600
    most_of_a = 67.5 * CHAT_GBPS + 30 * 4 * 8e-3 / 3600

    def capacity(rows: list[Row]) -> list[Row]:
        enough = [most * 1.001, most * 0.999, most_of_a * 1.001]
        return [{**row, "capacity_gbps": gbps / 0.05} for row, gbps in zip(rows, enough, strict=True)]

    problem = toy(tables={"links": capacity})
    assert problem.links["id"].tolist() == ["a_b", "a_east", "b_west"]
    # Both hubs can cross each link: a_east is just wide enough, the other two are not.
    assert problem.links["is_limiting"].tolist() == [True, False, True]
    assert problem.links["capacity_gbps"].tolist() == pytest.approx([most * 0.999, most * 1.001, most_of_a * 1.001])


def test_limit_counts_only_workloads_with_a_route_over_the_link(toy: ToyScenario) -> None:
    most_of_a = 67.5 * CHAT_GBPS + 30 * 4 * 8e-3 / 3600

    def capacity(rows: list[Row]) -> list[Row]:
        return changed(rows, 0, capacity_gbps=most_of_a * 1.001 / 0.05)

    # With one link per route only metro a uses a_east.
    problem = toy(tables={"links": capacity}, routing={"max_links": 1})
    assert not problem.links["is_limiting"].any()


# The whole


def test_order_of_rows_decides_nothing_but_order(toy: ToyScenario) -> None:
    straight = toy()
    names = ("nodes", "data_centers", "pools", "links", "tariffs", "grids", "accelerators")
    turned = toy(tables={name: lambda rows: rows[::-1] for name in names})

    def flows(problem: PlacementProblem) -> pd.DataFrame:
        work = problem.workloads.iloc[problem.candidates["workload_index"]].reset_index(drop=True)
        places = problem.data_centers["id"].iloc[problem.candidates["data_center_index"]].to_numpy()
        nodes = problem.routes["nodes"].iloc[problem.candidates["route_index"]].to_numpy()
        table = problem.candidates[["rtt_ms", "network_cny_per_mtok"]].assign(
            hub=work["demand_hub"], workload_class=work["workload_class"], place=places, nodes=nodes
        )
        return table.sort_values(["workload_class", "hub", "place"], ignore_index=True)

    pd.testing.assert_frame_equal(flows(straight), flows(turned))
    pd.testing.assert_frame_equal(straight.links, turned.links)
    assert turned.data_centers["id"].tolist() == ["dc_west", "dc_east"]
    assert turned.energy_price_cny_per_mwh[:, ::-1].tolist() == straight.energy_price_cny_per_mwh.tolist()


@pytest.mark.parametrize(("scope", "leaving"), [("province", ["a-west", "b-east"]), ("region", ["a-west", "b-east"])])
def test_data_that_leaves_home_has_a_price(toy: ToyScenario, scope: str, leaving: list[str]) -> None:
    problem = toy(costs={"data_transfer_cny_per_gb": 2.0, "data_transfer_scope": scope})
    table = problem.candidates.assign(
        hub=problem.workloads["demand_hub"].iloc[problem.candidates["workload_index"]].str[-1].to_numpy(),
        place=problem.data_centers["id"].iloc[problem.candidates["data_center_index"]].str[3:].to_numpy(),
    )
    chat = table[problem.candidate_class == 0].set_index(["hub", "place"])["data_transfer_cny_per_mtok"]
    # 0.75 x 4 + 0.25 x 150 bytes a token: 40.5 MB a million tokens.
    expected = {pair: 2.0 * 0.0405 if "-".join(pair) in leaving else 0.0 for pair in chat.index}
    assert chat.to_dict() == pytest.approx(expected)
    assert (toy().candidates["data_transfer_cny_per_mtok"] == 0).all()


def test_new_pods_have_a_price_up_front(toy: ToyScenario) -> None:
    problem = toy(fleet={"interest_rate": 0.0, "site_lifetime_years": 10})
    pools = problem.pools
    # Without interest the annualized price is the price over the lifetime.
    assert pools["site_cny"].to_numpy() == pytest.approx(10 * pools["site_cny_per_year"].to_numpy())
    years = pools["pod_cny"] / pools["pod_cny_per_year"]
    assert years.to_numpy() == pytest.approx(np.round(years.to_numpy()))


def test_carbon_factor_is_that_of_the_grid(toy: ToyScenario) -> None:
    problem = toy(costs={"carbon_price_cny_per_t": 80})
    assert problem.data_centers["carbon_kg_per_kwh"].tolist() == [0.6, 0.5]
    assert problem.carbon_price_cny_per_t == 80


def test_base_scenario_has_the_size_it_is_known_for() -> None:
    scenario = load_scenario("base")
    problem = assemble_problem(load_network(scenario.network), scenario)
    assert (len(problem.slices), len(problem.workloads), len(problem.data_centers)) == (24, 42 * 11, 24)
    assert problem.annual_mtok == pytest.approx(140e6 * 365)
    assert problem.workloads["demand_hub"].nunique() == 42
    assert not problem.links["is_limiting"].any()

"""What is allowed but hardly meant: each warning on a mutated copy of a real network, none on the original."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_files import changed, write_toy_network

from network_data import InputError, Network, NetworkWarning, list_networks, load_network
from network_data.plausibility import (
    SUMS_OF_HOURS,
    THRESHOLDS_FILE,
    doubt_of_sum,
    find_threshold,
    great_circle_km,
    load_thresholds,
)
from network_data.schema import load_schema
from scenarios import ScenarioWarning, list_scenarios, load_scenario
from scenarios.sources import BUILT_IN_FOLDER

Change = Callable[[Network], dict[str, pd.DataFrame]]


@pytest.fixture(scope="module")
def china() -> Network:
    return load_network("china_2026")


def doubts_after(network: Network, change: Change) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NetworkWarning)
        return list(map(str, network.with_tables(**change(network)).warnings))


def cell(table: str, column: str, row: str | int, value: object) -> Change:
    def change(network: Network) -> dict[str, pd.DataFrame]:
        frame = getattr(network, table).copy()
        frame.loc[row, column] = value
        return {table: frame}

    return change


def per_kwh(network: Network) -> dict[str, pd.DataFrame]:
    tariffs = network.tariffs.copy()
    tariffs[["price_cny_per_mwh", "flat_price_cny_per_mwh"]] /= 1000
    return {"tariffs": tariffs}


def one_price(network: Network) -> dict[str, pd.DataFrame]:
    tariffs = network.tariffs.copy()
    tariffs.loc[3, ["price_cny_per_mwh", "flat_price_cny_per_mwh", "multiplier_vs_flat"]] = [0.35, np.nan, np.nan]
    return {"tariffs": tariffs}


def swapped_chip(network: Network) -> dict[str, pd.DataFrame]:
    chips = network.accelerators.copy()
    columns = ["prefill_tok_per_s", "price_cny"]
    chips.loc["ascend_910c", columns] = chips.loc["ascend_910c", columns[::-1]].tolist()
    return {"accelerators": chips}


def swapped_center(network: Network) -> dict[str, pd.DataFrame]:
    """Swap coordinates of a data center near 35 N 107 E after a move to 35 N 80 E, so that both remain in range."""
    nodes, centers = network.nodes.copy(), network.data_centers.copy()
    links = network.links.assign(length_km=20_000.0, great_circle_km=np.nan, route_factor=np.nan)
    nodes.loc["zhongwei", "longitude_deg"] = 80.0
    centers.loc["zhongwei", ["latitude_deg", "longitude_deg"]] = [80.0, nodes.loc["zhongwei", "latitude_deg"]]
    return {"nodes": nodes, "data_centers": centers, "links": links}


def far_node(network: Network) -> dict[str, pd.DataFrame]:
    """Put a junction on the other side of the equator, with links that state their latency."""
    nodes, links = network.nodes.copy(), network.links.copy()
    nodes.loc["harbin", "latitude_deg"] *= -1
    ends = (links["from_node"] == "harbin") | (links["to_node"] == "harbin")
    links.loc[ends, "one_way_ms"] = 3.0
    links.loc[ends, "length_km"] = np.nan
    return {"nodes": nodes, "links": links}


WARNED: dict[str, tuple[Change, list[str]]] = {
    "price per kWh": (one_price, [r"tariffs.csv:5 column 'price_cny_per_mwh' value '0.35'", "Did you mean 350?"]),
    "flat price per kWh": (per_kwh, ["so are 235 rows more (3, 4,", "Did you mean 1232.6?", "not CNY per kWh"]),
    "swapped columns": (
        swapped_chip,
        [
            "accelerators.csv:3 column 'prefill_tok_per_s' value '180000'",
            "Did you mean prefill_tok_per_s 6688 and price_cny 180000?",
        ],
    ),
    "pue": (cell("data_centers", "pue", "guian", 2.6), ["data_centers.csv:8 column 'pue' value '2.6'", "above 2.5"]),
    "demand charge of a year": (
        cell("data_centers", "demand_charge_cny_per_kw_month", "guian", 480.0),
        ["value '480': is above 300 CNY per kW and month"],
    ),
    "carbon in g": (
        cell("grids", "carbon_kg_per_kwh", "beijing", 2.0),
        ["grids.csv:2 column 'carbon_kg_per_kwh' value '2'", "above 1.6"],
    ),
    "rate": (cell("accelerators", "decode_tok_per_s", "h20", 2e8), ["value '200000000': is above 100000 tokens per s"]),
    "power in kW": (cell("accelerators", "full_power_w", "h20", 40_000.0), ["above 25000 W", "Check the value"]),
    "pod": (
        cell("accelerators", "accelerators_per_pod", "h20", 30_000),
        ["'30000': is above 20000 accelerators"],
    ),
    "accelerator price in thousands": (
        cell("accelerators", "price_cny", "h20", 100.0),
        ["column 'price_cny' value '100': is below 3000 CNY"],
    ),
    "power that no rack holds": (
        cell("data_centers", "it_capacity_mw", "wuhu", 3.0),
        ["data_centers.csv:4 column 'it_capacity_mw' value '3'", "would take 50.34 MW", "no rack of it holds"],
    ),
    "far from its node": (
        cell("data_centers", "node", "zhongwei", "shanghai"),
        ["data center 'zhongwei' is 1,645 km from its node", "Did you mean the node zhongwei?"],
    ),
    "data center with swapped coordinates": (swapped_center, ["from its node", "longitude 80 (swapped)?"]),
    "node with a lost sign": (
        far_node,
        ["nodes.csv", "column 'latitude_deg' value '-45.8'", "km from the nearest other node", "(a lost sign)?"],
    ),
    "weights that do not sum": (
        cell("nodes", "demand_weight", "shanghai", 0.01),
        ["nodes.csv:2 column 'demand_weight' value '0.07602'", "sum to 0.92774, nearly but not quite 1"],
    ),
}


@pytest.mark.parametrize(("change", "texts"), WARNED.values(), ids=WARNED)
def test_each_slip_in_a_real_network_is_warned_of_with_its_place_and_remedy(
    china: Network, change: Change, texts: list[str]
) -> None:
    assert china.warnings == ()
    found = doubts_after(china, change)
    assert any(all(text in line for text in texts) for line in found), found


def test_a_slip_is_warned_of_once_and_alone(china: Network) -> None:
    assert len(doubts_after(china, swapped_chip)) == 1
    assert len(doubts_after(china, per_kwh)) == 2  # price and flat price, each for all its rows


def test_every_threshold_has_a_test_a_reason_and_a_source() -> None:
    table = pd.read_csv(THRESHOLDS_FILE, keep_default_na=False)
    assert (table[["reason", "source", "confidence"]] != "").all(axis=None)
    assert set(table["confidence"]) <= {"official", "reported", "estimate"}
    schema = load_schema()
    for one in load_thresholds():
        assert one.table == "demand_profiles" or one.attribute in schema[one.table]
        if one.check == "range":
            attribute = schema[one.table][one.attribute]
            assert max(one.low, attribute.minimum) < min(one.high, attribute.maximum)
            # A warning below what the schema refuses would never be read.
            assert one.low == -math.inf or one.low >= attribute.minimum or attribute.minimum == -math.inf
            assert attribute.unit == one.unit


# ---------------------------------------------------------------- what is built in


def test_no_built_in_network_or_scenario_is_warned_of() -> None:
    for name in list_networks():
        assert load_network(name).warnings == ()
    for name in list_scenarios():
        assert load_scenario(name).warnings == ()
    own = load_scenario(BUILT_IN_FOLDER / "own_network" / "river.yaml")
    assert own.warnings == load_network(own.network).warnings == ()


# ---------------------------------------------------------------- errors


def test_pue_below_one_is_an_error(china: Network) -> None:
    with pytest.raises(InputError, match=r"data_centers.csv:8 column 'pue' value '0\.9'"):
        china.with_tables(**cell("data_centers", "pue", "guian", 0.9)(china))


def test_fibre_shorter_than_the_great_circle_is_an_error(china: Network) -> None:
    first = china.links.index[0]
    with pytest.raises(InputError, match=r"harbin and changchun, 233\.8 km") as caught:
        china.with_tables(**cell("links", "length_km", first, 225.0)(china))
    (fault,) = caught.value.faults
    assert (fault.file, fault.row, fault.column, fault.value) == ("links.csv", 2, "length_km", "225")
    # 233.8 km on a sphere may be 232.4 on the ellipsoid, and two ends rounded to 0.01 degrees are up to 1.4 km off.
    assert china.with_tables(**cell("links", "length_km", first, 231.5)(china)).warnings == ()


def test_swapped_coordinates_are_named_where_links_become_too_short(tmp_path: Path) -> None:
    def swap(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        return changed(rows, 3, latitude_deg=80.25, longitude_deg=36.25)  # 36.25 N 80.25 E was meant

    def shift(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        return [row | {"longitude_deg": float(str(row["longitude_deg"])) - 35.75} for row in rows[:3]] + rows[3:]

    def lengthen(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        return [row | {"length_km": 1.4 * float(str(row["length_km"]))} for row in rows]

    folder = write_toy_network(
        tmp_path / "toy",
        nodes=lambda rows: shift(swap(rows)),
        links=lengthen,
        data_centers=lambda rows: changed(
            changed(rows, 0, longitude_deg=84.75), 1, latitude_deg=36.25, longitude_deg=80.25
        ),
    )
    with pytest.raises(InputError) as caught:
        load_network(folder)
    (fault,) = caught.value.faults
    assert fault.column == "length_km"
    assert "Did you mean latitude 36.25 and longitude 80.25 for node_west (swapped)?" in fault.remedy


def test_a_latitude_out_of_range_asks_whether_it_is_swapped(china: Network) -> None:
    nodes = china.nodes.rename(columns={"latitude_deg": "longitude_deg", "longitude_deg": "latitude_deg"})
    with pytest.raises(InputError) as caught:
        china.with_tables(nodes=nodes)
    assert all("Are latitude and longitude swapped?" in fault.remedy for fault in caught.value.faults)


degrees = st.tuples(st.floats(-89, 89), st.floats(-180, 180))


@given(degrees, degrees, st.integers(0, 3), st.floats(1.0, 3.0))
def test_rounded_coordinates_never_make_a_true_length_an_error(
    first: tuple[float, float], second: tuple[float, float], decimals: int, detour: float
) -> None:
    from network_data.plausibility import _may_span

    length_km = detour * great_circle_km(first, second)
    rounded = [(round(a, decimals), round(b, decimals)) for a, b in (first, second)]
    assert _may_span(rounded[0], rounded[1], length_km, find_threshold("length", "links", "length_km"))


@given(degrees, degrees)
def test_great_circle_agrees_with_the_angle_between_vectors(
    first: tuple[float, float], second: tuple[float, float]
) -> None:
    def vector(place: tuple[float, float]) -> np.ndarray:
        latitude, longitude = np.radians(place)
        return np.array([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])

    a, b = vector(first), vector(second)
    angle = math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))
    assert great_circle_km(first, second) == pytest.approx(6371.0088 * angle, abs=0.01)


# ---------------------------------------------------------------- sums


@given(st.lists(st.floats(0.01, 100), min_size=24, max_size=24), st.sampled_from(SUMS_OF_HOURS))
def test_a_curve_that_sums_is_never_doubted(values: list[float], meant: float) -> None:
    scaled = [round(value * meant / math.fsum(values), 4) for value in values]
    assert doubt_of_sum(scaled, find_threshold("sum", "demand_profiles"), SUMS_OF_HOURS) is None


def test_a_profile_that_loses_an_hour_is_warned_of(tmp_path: Path) -> None:
    lines = (BUILT_IN_FOLDER / "demand_profiles.csv").read_text(encoding="utf-8").splitlines()
    lines[15] = lines[15].replace("14,1.3011,2.2601", "14,0.013011,2.2601")  # in percent of itself
    (tmp_path / "profiles.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "own.yaml").write_text("name: own\nextends: base\ndemand_profiles_table: profiles.csv\n")
    with pytest.warns(ScenarioWarning, match=r"profiles\.csv:2 column 'deepseek_tokens'.*sum to 22\.71.*not quite 24"):
        scenario = load_scenario(tmp_path / "own.yaml")
    (doubt,) = scenario.warnings
    assert "divide each by 0.946" in doubt.remedy


# ---------------------------------------------------------------- once


def test_a_network_is_warned_of_once_in_a_process_and_keeps_its_warnings(tmp_path: Path) -> None:
    folder = write_toy_network(tmp_path / "toy", tariffs=lambda rows: changed(rows, 2, price_cny_per_mwh=0.3))
    with pytest.warns(NetworkWarning, match=r"tariffs\.csv:4 .*Did you mean 300\?") as caught:
        first = load_network(folder)
    assert len(caught) == 1
    assert load_network(folder).warnings == first.warnings  # a second warning would be an error here
    assert first.warnings[0].value == "0.3"


@pytest.mark.parametrize("price", [-20, 0])
def test_no_and_negative_prices_are_left_alone(tmp_path: Path, price: int) -> None:
    folder = write_toy_network(tmp_path / "toy", tariffs=lambda rows: changed(rows, 2, price_cny_per_mwh=price))
    assert load_network(folder).warnings == ()

"""Every shipped price case applies to base and does what it says, by numbers that a reader can check."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from documents import table_rows

from network_data import load_network
from network_data.load import Network
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.problem.price_changes import price_effect, price_facts
from optimizer.problem.problem import PlacementProblem
from scenarios import list_price_cases, load_price_case, load_scenario
from scenarios.sources import PRICE_CASE_FOLDER
from scenarios.spot_series import spot_series

NAMED_BY_THE_ISSUE = {
    "today", "western_green_direct", "national_flat_price", "eastern_peak_up", "valley_to_midday", "valley_to_night",
    "demand_charge_doubled", "coal_price_shock", "spot_prices", "carbon_0", "carbon_50", "carbon_100", "carbon_200",
}  # fmt: skip
ENERGY, CHARGE = "energy_price_cny_per_mwh", "demand_charge_cny_per_kw_month"
NORTH_WEST = ("Inner Mongolia", "Gansu", "Ningxia", "Qinghai", "Xinjiang")


@cache
def china() -> Network:
    return load_network("china_2026")


@cache
def effect(*cases: str) -> pd.DataFrame:
    """Prices of the data centers under price cases in order, and before."""
    scenario = load_scenario("base", [f"price_cases=[{', '.join(cases)}]"])
    return price_effect(china(), scenario).set_index("data_center")


@cache
def problem(*cases: str) -> PlacementProblem:
    return assemble_problem(china(), load_scenario("base", [f"price_cases=[{', '.join(cases)}]"]))


def more(table: pd.DataFrame) -> pd.Series:
    """Rise of the mean energy price of the year."""
    return table[ENERGY] - table["energy_price_before_cny_per_mwh"]


def test_every_case_of_the_issue_ships_and_says_what_it_rests_on() -> None:
    assert set(list_price_cases()) >= NAMED_BY_THE_ISSUE
    for name in list_price_cases():
        case = load_price_case(name)
        assert case.name == name
        assert case.description
        assert case.source
        assert case.confidence == "estimate"


def test_today_is_base_to_the_bit() -> None:
    before = assemble_problem(china(), load_scenario("base"))
    assert np.array_equal(problem("today").energy_price_cny_per_mwh, before.energy_price_cny_per_mwh)
    assert problem("today").data_centers.equals(before.data_centers)


def test_western_green_direct_supply_takes_four_tenths_of_today_and_156() -> None:
    table = effect("western_green_direct")
    assert table.loc["horinger", ["energy_price_before_cny_per_mwh", ENERGY]].tolist() == pytest.approx([320, 284])
    assert table.loc["lanzhou", ENERGY] == pytest.approx(
        0.4 * table.loc["lanzhou", "energy_price_before_cny_per_mwh"] + 156
    )
    inside = table["province"].isin(NORTH_WEST)
    assert inside.sum() == 7
    assert (more(table)[inside] < 0).all()
    assert (more(table)[~inside] == 0).all()


def test_national_flat_price_makes_all_data_centers_with_equal_pue_equal() -> None:
    found = problem("national_flat_price")
    assert (found.energy_price_cny_per_mwh == 542.0).all()
    assert (found.data_centers[CHARGE] == 0).all()
    today = effect("today")
    all_in = today[ENERGY] + today[CHARGE] * 12 / 8.76  # CNY per kW and month at an even load, in CNY per MWh
    assert all_in.mean() == pytest.approx(542.0, abs=0.5)


def test_eastern_peaks_rise_by_a_fifth_and_nothing_else() -> None:
    """Shanghai: only the hours of peak and sharp rise, each by 20 %."""
    table, before, after = effect("eastern_peak_up"), problem("today"), problem("eastern_peak_up")
    risen = more(table) > 0
    assert set(table["region"][risen]) == {"east"}
    assert set(table.index[(table["region"] == "east") & ~risen]) == {"zhangjiakou", "shaoguan"}  # special prices
    full = {name: assemble_problem(china(), load_scenario("base", [f"price_cases=[{name}]", "time.seasons=12"]))
            for name in ("today", "eastern_peak_up")}  # fmt: skip
    at = list(table.index).index("shanghai_dc")
    ratio = full["eastern_peak_up"].energy_price_cny_per_mwh[:, at] / full["today"].energy_price_cny_per_mwh[:, at]
    whole = np.isclose(ratio, 1.0) | np.isclose(ratio, 1.2)
    assert 0.2 < np.isclose(ratio, 1.2).mean() < 0.6
    assert whole.all()
    assert before.slices.equals(after.slices)


@pytest.mark.parametrize(("name", "hours"), [("valley_to_midday", range(9, 17)), ("valley_to_night", range(8))])
def test_the_valley_moves_and_the_mean_stays(name: str, hours: range) -> None:
    table = effect(name)
    assert more(table).abs().max() < 1e-9
    prices = problem(name).energy_price_cny_per_mwh
    for center in ("shanghai_dc", "guangzhou_dc", "tianfu", "lanzhou"):
        column = prices[:, list(table.index).index(center)]
        assert set(np.flatnonzero(np.isclose(column, column.min()))) == set(hours)
    special = list(table.index).index("hami")
    assert (prices[:, special] == 300).all()


def test_demand_charges_double() -> None:
    table = effect("demand_charge_doubled")
    assert (table[CHARGE] == 2 * table["demand_charge_before_cny_per_kw_month"]).all()
    assert sorted(set(table[CHARGE])) == [0.0, 80.0]
    assert (more(table) == 0).all()


def test_coal_price_shock_follows_the_carbon_factor_of_each_province() -> None:
    """301.6 g of standard coal are 383.9 g of 5,500 kcal: 76.8 CNY per MWh at 200 CNY per tonne; x factor / 0.824."""
    per_mwh = 0.3016 * 7000 / 5500 * 200
    assert per_mwh == pytest.approx(76.8, abs=0.05)
    case, table = load_price_case("coal_price_shock"), effect("coal_price_shock")
    factor = china().data_centers["grid"].map(china().grids["carbon_kg_per_kwh"])
    of_province = dict(zip(china().data_centers["province"], factor, strict=True))
    named = {change.provinces[0]: change.add for change in case.changes.values() if change.provinces}
    assert named == {name: pytest.approx(76.8 * carbon / 0.824, abs=0.051) for name, carbon in of_province.items()}
    # Special prices have one period and rise by the amount; the others by it times the mean of their ratios.
    assert more(table)["hami"] == pytest.approx(58.1)
    assert more(table)["haidong"] == pytest.approx(14.6)
    assert (more(table) / table["province"].map(named)).between(0.95, 1.1).all()


def test_spot_prices_keep_the_mean_and_follow_the_sun() -> None:
    table = effect("spot_prices")
    assert more(table).abs().max() < 0.15
    prices = problem("spot_prices").energy_price_cny_per_mwh
    least = dict(zip(table.index, prices.argmin(axis=0), strict=True))
    assert {name for name, hour in least.items() if hour not in {11, 12}} == {"tianfu", "chongqing_cluster"}  # hydro
    assert set(prices.argmax(axis=0)) == {19}
    assert set(table["price_confidence"]) == {"estimate"}


def test_the_spot_series_can_be_made_again_from_its_parameters() -> None:
    again = spot_series(pd.read_csv(PRICE_CASE_FOLDER / "spot_parameters.csv"))
    stored = pd.read_parquet(PRICE_CASE_FOLDER / "spot_prices.parquet")
    assert list(stored.columns) == list(again.columns)
    assert (stored["time"] == again["time"]).all()
    # A last digit may be rounded otherwise where the sine of another machine differs.
    assert (stored.drop(columns="time") - again.drop(columns="time")).abs().max().max() <= 1.0
    assert set(again.columns[1:]) == set(china().data_centers["tariff"])


@pytest.mark.parametrize("price", [0, 50, 100, 200])
def test_carbon_prices_are_what_their_names_say(price: int) -> None:
    assert problem(f"carbon_{price}").carbon_price_cny_per_t == price
    assert price_facts(china(), load_scenario("carbon_price_100", [f"price_cases=[carbon_{price}]"]))[
        "carbon_price_cny_per_t"
    ] == [100.0, float(price)]


def test_cases_compose_in_order() -> None:
    """Green supply after the flat price: 0.4 x 542 + 156 = 372.8 in the north-west; the other way round 542."""
    assert effect("national_flat_price", "western_green_direct").loc["hami", ENERGY] == pytest.approx(372.8)
    assert effect("western_green_direct", "national_flat_price").loc["hami", ENERGY] == pytest.approx(542)
    one, other = problem("carbon_50", "eastern_peak_up"), problem("eastern_peak_up", "carbon_50")
    assert np.array_equal(one.energy_price_cny_per_mwh, other.energy_price_cny_per_mwh)
    assert one.carbon_price_cny_per_t == other.carbon_price_cny_per_t == 50


@pytest.mark.parametrize("scenario", ["base_seasons", "full_year"])
def test_cases_share_the_slices_of_their_scenario(scenario: str) -> None:
    slices = ["time.slices_per_day=1"]
    before = assemble_problem(china(), load_scenario(scenario, slices)).slices
    for name in ("spot_prices", "coal_price_shock", "valley_to_midday"):
        after = assemble_problem(china(), load_scenario(scenario, [f"price_cases=[{name}]", *slices])).slices
        assert after.equals(before)


def test_the_page_lists_every_case_with_its_mean_prices() -> None:
    rows = [
        row for row in table_rows("docs/comparing.md") if len(row) == 3 and row[0].startswith("`") and "," in row[2]
    ]
    said = {name: row[2] for row in rows for name in row[0].replace("`", "").split(", ") if "." not in name}
    assert {name for name in said if name in list_price_cases()} == set(list_price_cases())
    for name in list_price_cases():
        found = effect(name).groupby("region", sort=False)[ENERGY].mean()
        assert said[name] == ", ".join(f"{found[region]:.1f}" for region in ("east", "central", "west")), name


def test_a_case_changes_prices_and_nothing_else() -> None:
    """What lets a waterfall price the plan of one case at the prices of another, row by row."""
    for name in list_price_cases():
        assert differs_in_prices_alone(problem("today"), problem(name)), name


def test_every_file_of_the_folder_belongs_to_a_case() -> None:
    known = {f"{name}.yaml" for name in list_price_cases()} | {"spot_parameters.csv", "spot_prices.parquet"}
    assert {path.name for path in Path(PRICE_CASE_FOLDER).iterdir()} == known

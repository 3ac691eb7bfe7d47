"""The scenarios about fleets say what their comments say: which chips stand, work and may be bought."""

from __future__ import annotations

import numpy as np
import pytest

from network_data import hourly_prices, load_network
from optimizer.checker.check import check_plan
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.control import Control, Termination
from scenarios import load_scenario


def assembled(name: str) -> PlacementProblem:
    scenario = load_scenario(name, ["time.slices_per_day=2"])
    return assemble_problem(load_network(scenario.network), scenario)


def accelerators(problem: PlacementProblem, column: str) -> dict[str, int]:
    """Accelerators by type, in pods that exist or may be bought."""
    kind = problem.pools["accelerator_index"].to_numpy()
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[kind]
    counts = np.bincount(kind, problem.pools[column].to_numpy(float) * per_pod, len(problem.accelerators))
    return dict(zip(problem.accelerators["id"], counts.astype(int).tolist(), strict=True))


DOMESTIC = {"ascend_910b", "ascend_910c"}
STOCK = {
    "mixed_fleet": DOMESTIC | {"a800", "h800", "h20"},
    "domestic_only": DOMESTIC,
    "pre_control": {"h800", "a800", "ascend_910b"},
}


@pytest.mark.parametrize(
    ("name", "bought"), [("mixed_fleet", "ascend_910c"), ("domestic_only", "ascend_910c"), ("pre_control", "h800")]
)
def test_fleets_hold_and_buy_what_they_say(name: str, bought: str) -> None:
    problem = assembled(name)
    stock, new = accelerators(problem, "existing_pods"), accelerators(problem, "max_new_pods")
    assert {chip for chip, count in stock.items() if count} == STOCK[name]
    assert {chip for chip, count in new.items() if count} == {bought}


def test_domestic_only_is_the_mixed_fleet_without_its_foreign_chips() -> None:
    mixed, domestic = (accelerators(assembled(name), "existing_pods") for name in ("mixed_fleet", "domestic_only"))
    assert domestic == {chip: mixed[chip] for chip in DOMESTIC}


def kwh_per_mtok(problem: PlacementProblem) -> dict[str, float]:
    """Work out IT energy for a million tokens of the year's mix, by accelerator, with every active accelerator busy."""
    table = problem.accelerators
    idle_mw = (table["idle_mw_per_pod"] / table["accelerators_per_pod"]).to_numpy(float)
    mtok = problem.weight_h @ problem.class_demand_mtok_per_h
    hours = (mtok / mtok.sum()) @ problem.accel_h_per_mtok
    kwh = hours * (idle_mw + table["dynamic_mw_per_accelerator"].to_numpy(float)) * 1e3
    return dict(zip(table["id"], kwh.tolist(), strict=True))


def test_sources_conflict_on_the_sign_of_domestic_chips_and_both_sides_can_be_solved() -> None:
    h20 = kwh_per_mtok(assembled("mixed_fleet"))["h20"]
    measured, press = (kwh_per_mtok(assembled(f"domestic_only{side}")) for side in ("", "_low_efficiency"))
    assert measured["ascend_910c"] / h20 == pytest.approx(0.774, abs=1e-3)
    assert measured["ascend_910b"] / h20 == pytest.approx(0.976, abs=1e-3)
    for chip in DOMESTIC:  # 30 to 50 % above it
        assert press[chip] / h20 == pytest.approx(1.4, abs=2e-3)


def test_foreign_chips_pay_the_tariff_of_the_province_where_the_special_price_is_for_domestic_ones() -> None:
    network = load_network("china_2026")
    mean = {name: float(price.mean()) for name, price in hourly_prices(network.tariffs).items()}
    charge_cny_per_mwh = 40 * 12 * 1e3 / 8760  # of 1 kW, at an even load
    problem = assembled("mixed_fleet")
    extra, chips = problem.energy_surcharge_cny_per_mwh, problem.accelerators["id"]
    of_province = {
        "qingyang": "gansu", "guian": "guizhou", "horinger": "inner_mongolia_west", "ulanqab": "inner_mongolia_west",
    }  # fmt: skip
    for d, center in enumerate(problem.data_centers["id"]):
        paid = 0.0
        if center in of_province:
            special = mean[network.data_centers.loc[center, "tariff"]]
            paid = mean[of_province[center]] + charge_cny_per_mwh - special
        for a, chip in enumerate(chips):
            assert extra[d, a] == pytest.approx(0.0 if chip in DOMESTIC else paid, abs=0.5), (center, chip)
    # Without controls there is no such rule.
    assert not assembled("pre_control").energy_surcharge_cny_per_mwh.any()


def test_mix_keeps_the_pflops_in_place() -> None:
    """Whole pods only: at most a pod a chip and data center is lost."""
    network = load_network("china_2026")
    rate = network.accelerators["bf16_dense_tflops"] / 1e3
    open_pflops = network.pools["stock_pflops"].sum() * load_scenario("base").fleet.inference_stock_share
    for name in ("mixed_fleet", "pre_control"):
        found = accelerators(assembled(name), "existing_pods")
        pflops = sum(count * rate[chip] for chip, count in found.items())
        pods = sum(rate[chip] * network.accelerators["accelerators_per_pod"][chip] for chip in STOCK[name])
        assert open_pflops - 24 * pods <= pflops <= open_pflops


def test_supernodes_and_servers_are_bought_whole() -> None:
    table = load_network("china_2026").accelerators["accelerators_per_pod"]
    assert table["ascend_910c"] == 384
    assert set(table.drop("ascend_910c")) == {8}


def test_loaded_models_keep_more_on_than_their_tokens_keep_busy() -> None:
    problem = assembled("loaded_models")
    assert sorted(set(problem.min_accelerators.tolist())) == [8, 176]
    busy = (problem.class_demand_mtok_per_h @ problem.accel_h_per_mtok.min(axis=1)).max()
    # Each class once, at least, against what the tokens of the whole country keep busy at the peak.
    assert problem.min_accelerators.sum() > 4 * busy


def test_little_demand_on_a_large_stock_is_not_called_infeasible() -> None:
    """Half a pod is needed where thousands stand: the solver gives up on the master's scales unless presolved."""
    problem = assembled("loaded_models")
    control = Control(time_limit_s=120)
    solution = solve_decomposed(problem, mip_rel_gap=0.02, seed=1, threads=1, control=control)
    assert solution.termination == Termination.OPTIMAL
    assert solution.plan is not None
    assert check_plan(problem, solution.plan).is_feasible


def test_base_keeps_its_stated_limits() -> None:
    """What the time to the first token leaves is nowhere less than the round trip that a class states."""
    problem = assembled("base")
    assert (problem.rtt_limit_ms == problem.classes["rtt_limit_ms"].to_numpy()[:, None]).all()

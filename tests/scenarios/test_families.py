"""Every shipped scenario runs at reduced size, costs what is pinned, and shows what its file says it shows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from reduced import CLASSES, GAP, HUBS, solve_reduced

from edwc import list_scenarios
from scenarios import Scenario, load_scenario

BUILT_IN = Path(__file__).resolve().parents[2] / "scenarios"
PINNED = Path(__file__).resolve().parents[1] / "pinned_costs.csv"
UPDATE = "python -m pytest tests/scenarios/test_families.py --update-pinned"
HEAD = f"""\
# Cost of every shipped scenario at reduced size (tests/support/solved/reduced.py), by component, in CNY per year.
# Written by: {UPDATE}
# Rewrite it only for a reason, and say in CHANGELOG.md which cost moved, by how much, and why.
"""
COLUMNS = ["scenario", "component", "cny_per_year"]
# Old and new total are both within the gap of the same optimum, so they may differ by the gap. A component may differ
# by more: plans of equal cost trade one for another. On the pinned versions of the libraries neither moves at all.
TOTAL_TOLERANCE = GAP
COMPONENT_TOLERANCE = 5 * GAP  # of the total


def read_pins() -> dict[str, dict[str, float]]:
    """Pinned costs by scenario and component."""
    pins: dict[str, dict[str, float]] = {}
    if PINNED.exists():
        lines = [line for line in PINNED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        for row in csv.DictReader(lines):
            pins.setdefault(row["scenario"], {})[row["component"]] = float(row["cny_per_year"])
    return pins


def write_pins(pins: dict[str, dict[str, float]]) -> None:
    with PINNED.open("w", encoding="utf-8", newline="") as file:
        file.write(HEAD)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for scenario in sorted(pins):
            for component, cny in pins[scenario].items():
                writer.writerow([scenario, component, f"{cny:.0f}"])


def costs(name: str) -> dict[str, float]:
    """Cost by component of a scenario at reduced size; what costs nothing is left out."""
    run = solve_reduced(name)
    assert run.has_plan, f"{name} at reduced size has no plan: {run.solution.termination}, {run.failure}"
    assert run.exit_code == 0, f"{name} at reduced size was not proved within {GAP:.1%}: raise nothing, find out why"
    found = run.summary["component_cny_per_year"]
    return {component: float(cny) for component, cny in found.items() if abs(cny) >= 0.5}


# Pinned costs


@pytest.mark.parametrize("name", list_scenarios())
def test_cost_by_component_is_pinned(name: str, update_pinned: bool) -> None:  # noqa: FBT001 - a fixture
    found, pins = costs(name), read_pins()
    if update_pinned:
        write_pins({k: v for k, v in pins.items() if k in list_scenarios()} | {name: found})
        return
    assert name in pins, f"{name} has no pinned cost. Run: {UPDATE} -k {name}"
    pinned = pins[name]
    total, was = sum(found.values()), sum(pinned.values())
    moved = [
        f"{component}: pinned {pinned.get(component, 0):,.0f}, now {found.get(component, 0):,.0f} CNY per year"
        for component in {**pinned, **found}
        if abs(found.get(component, 0) - pinned.get(component, 0)) > COMPONENT_TOLERANCE * was + 1
    ]
    if abs(total - was) > TOTAL_TOLERANCE * was + 1:
        moved.append(f"total: pinned {was:,.0f}, now {total:,.0f} CNY per year")
    assert not moved, f"{name} costs something else. If that is right, {UPDATE}, and say why in CHANGELOG.md: {moved}"


def test_pins_are_of_shipped_scenarios() -> None:
    assert read_pins().keys() <= set(list_scenarios()), f"pins of scenarios that are gone. Run: {UPDATE}"
    assert PINNED.read_text(encoding="utf-8").startswith(HEAD)


# What the files say


@pytest.mark.parametrize("name", list_scenarios())
def test_every_scenario_says_what_it_shows(name: str) -> None:
    text = (BUILT_IN / f"{name}.yaml").read_text(encoding="utf-8")
    comment = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("# "), "a scenario begins with a comment on what it shows"
    assert len(" ".join(comment)) > 100, "one line is not enough to say what it shows"
    assert load_scenario(name).description


def demand(name: str) -> float | None:
    return load_scenario(name).demand.tokens_per_day_trillion


def test_demand_series_is_the_official_one() -> None:
    # National Data Administration, trillion tokens per day; mid-2026 is an estimate and the outlook is ours.
    assert {name: demand(name) for name in list_scenarios() if name.startswith("demand_")} == {
        "demand_2024_01": 0.1,
        "demand_2025_06": 30,
        "demand_2025_12": 100,
        "demand_2026_03": 140,
        "demand_2026_06": 300,
        "demand_1000": 1000,
        "demand_2025_early_1t": 1,
    }


def test_point_at_odds_with_a_provider_says_so() -> None:
    text = (BUILT_IN / "demand_2025_early_1t.yaml").read_text(encoding="utf-8")
    assert "AT ODDS WITH A PROVIDER" in text.splitlines()[0]
    assert "at odds with a provider" in load_scenario("demand_2025_early_1t").description
    assert "demand_2025_early_1t" in (BUILT_IN / "SOURCES.md").read_text(encoding="utf-8")


def test_demand_of_mid_2026_lies_between_its_bounds() -> None:
    """What one provider reported is the least; its share of the official total at the end of 2025 gives the most."""
    provider_2026, provider_2025, national_2025 = 180.0, 50.0, demand("demand_2025_12") or 0.0
    assert provider_2026 < (demand("demand_2026_06") or 0.0) < provider_2026 / (provider_2025 / national_2025)


def prices(scenario: Scenario) -> dict[str, float]:
    return {k: item.token_price_cny_per_mtok for k, item in scenario.workload_classes.items()}


@pytest.mark.parametrize(
    ("name", "list_price"),
    [("price_2024", (20.0, 20.0, 20.0)), ("base", (2.0, 0.2, 3.0)), ("price_2026", (1.0, 0.02, 2.0))],
)
def test_token_prices_are_blended_from_the_list_price(name: str, list_price: tuple[float, float, float]) -> None:
    fresh, cached, out = list_price  # CNY per million input, cached input and output tokens
    scenario = load_scenario(name)
    for class_id, item in scenario.workload_classes.items():
        tokens = item.input_tokens + item.output_tokens
        in_price = (1 - item.cache_hit_share) * fresh + item.cache_hit_share * cached
        blend = (item.input_tokens * in_price + item.output_tokens * out) / tokens
        expected = 0.5 if class_id == "embedding" else blend / 2 if item.deferrable_h else blend
        assert item.token_price_cny_per_mtok == pytest.approx(expected, abs=0.0051), class_id


@pytest.mark.parametrize("which", ["low", "high"])
def test_market_value_is_the_mean_token_price(which: str) -> None:
    base, scenario = load_scenario("base"), load_scenario(f"market_value_{which}")
    assert base.market_value is not None
    shares = {k: item.share_of_tokens or 0.0 for k, item in scenario.workload_classes.items()}
    mean = sum(shares[k] * price for k, price in prices(scenario).items())
    worth = getattr(base.market_value, f"{which}_cny_per_mtok")
    assert mean == pytest.approx(worth, rel=2e-3)
    # The prices of the classes relate as in the base.
    factor = worth / sum(shares[k] * price for k, price in prices(base).items())
    assert prices(scenario) == pytest.approx({k: price * factor for k, price in prices(base).items()}, rel=5e-3)


def test_residency_of_the_families() -> None:
    base = {k: item.residency for k, item in load_scenario("base").workload_classes.items()}
    strict = {k: item.residency for k, item in load_scenario("residency_strict").workload_classes.items()}
    free = {k: item.residency for k, item in load_scenario("residency_open").workload_classes.items()}
    assert set(free.values()) == {"none"}
    assert {k for k, rule in strict.items() if rule != "region"} == {"gov_finance", "synthetic_rl"}
    assert (strict["synthetic_rl"], strict["gov_finance"]) == ("national", base["gov_finance"])


# What the plans show, at reduced size


def summary(name: str) -> dict[str, Any]:
    run = solve_reduced(name)
    assert run.has_plan
    return run.summary


def west_share(name: str) -> float:
    return float(summary(name)["region_share"].get("west", 0.0))


def total(name: str) -> float:
    return sum(costs(name).values())


def latency_share(name: str) -> float:
    return costs(name)["latency"] / total(name)


def test_dear_tokens_keep_work_near_and_cheap_ones_send_it_west() -> None:
    assert latency_share("price_2024") > latency_share("base") > latency_share("price_2026")
    assert west_share("price_2024") < west_share("base") <= west_share("price_2026") + 0.01
    assert total("price_2024") > total("market_value_high") > total("base") > total("market_value_low")


def test_rules_never_make_a_plan_cheaper() -> None:
    slack = 1 + GAP
    assert total("residency_open") <= total("base") * slack
    assert total("base") <= total("residency_strict") * slack
    assert total("resilience_off") <= total("resilient") * slack
    assert total("mixed_fleet") <= total("domestic_only") * slack
    assert total("green_70") <= total("target_green_80") * slack
    assert total("domestic_only") <= total("domestic_only_low_efficiency") * slack
    assert total("resilience_off") <= total("target_utilization_60") * slack
    for name in ("batch_west", "west_share_95", "green_70", "carbon_cap"):
        assert total("base") <= total(name) * slack, name


def test_policies_are_kept_and_cost_something() -> None:
    assert west_share("west_share_95") >= 0.95 - 1e-6
    assert summary("carbon_cap")["carbon_t_per_year"] <= 1_600_000 * (1 + 1e-6)
    assert total("green_70") > 1.02 * total("base")
    assert summary("carbon_price_100")["carbon_t_per_year"] < summary("base")["carbon_t_per_year"]
    assert costs("data_transfer_price")["data_transfer"] > 0


def test_published_targets_are_kept_and_cost_something() -> None:
    green = {item["name"]: item for item in summary("target_green_80")["policy"]}
    assert green["min_green_share"]["achieved"] >= 0.8 - 1e-6
    busy = {item["name"]: item for item in summary("target_utilization_60")["policy"]}
    assert busy["min_utilization_share"]["achieved"] >= 0.6 - 1e-6
    new = {item["name"]: item for item in summary("target_new_compute_60")["policy"]}
    assert new["min_new_compute_share.national_cluster"]["achieved"] >= 0.6 - 1e-6
    # Met unasked, as the file says.
    assert total("target_new_compute_60") == pytest.approx(total("demand_1000"), rel=2 * GAP)
    # Private service may leave its province in both.
    assert total("target_utilization_60") > 1.005 * total("resilience_off")


def test_rates_of_a_fleet_take_more_energy_and_fill_the_west_sooner() -> None:
    assert costs("fleet_average")["energy"] > 1.3 * costs("base")["energy"]
    assert west_share("fleet_average") < west_share("base")
    # The three fleets are on the same basis, so that they can be read beside it.
    for name in ("fleet_average", "mixed_fleet", "domestic_only", "domestic_only_low_efficiency", "pre_control"):
        fleet = load_scenario(name).fleet
        assert (fleet.rate_basis, fleet.utilization_limit) == ("fleet_average", 1)


def test_strict_residency_keeps_the_east_in_the_east() -> None:
    # The metro of the west has its share, and only synthetic data may join it there.
    assert west_share("residency_strict") < 0.5 * west_share("residency_open")


def test_deferrable_work_of_batch_west_runs_in_the_west() -> None:
    run = solve_reduced("batch_west")
    assert run.has_plan
    region = run.problem.data_centers.set_index("id")["region"]
    table = run.tables["allocation"]
    of_west = table["data_center"].map(region) == "west"
    deferrable = table["workload_class"] == "offline_batch"
    assert deferrable.any()
    assert of_west[deferrable].all()
    assert not of_west[~deferrable].all()  # the others are free


def test_outlook_buys_pods_and_today_does_not() -> None:
    assert costs("demand_1000")["accelerator_capital"] > 0.5 * total("demand_1000")
    assert "accelerator_capital" not in costs("demand_2025_06")


def test_reduced_size_keeps_the_demand() -> None:
    for name in ("base", "demand_1000"):
        problem = solve_reduced(name).problem
        assert set(problem.workloads["demand_hub"]) == set(HUBS)
        assert set(problem.workloads["workload_class"]) == set(CLASSES)
        assert problem.annual_mtok == pytest.approx((demand(name) or 0) * 1e6 * 365)

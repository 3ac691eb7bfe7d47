"""Parameters of sweeps: how ranges are read, what overrides they become, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_scenario import CHAT, ToyScenario

from network_data import InputError, load_network
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from scenarios import load_scenario
from scenarios.price_parameters import (
    format_value,
    label_of,
    overrides_of,
    parse_ranges,
    parse_sweeps,
    price_case_override,
    sweep_points,
)


def values_of(text: str) -> tuple[float, ...]:
    (sweep,) = parse_sweeps([text])
    return sweep.values


def problems_of(*texts: str, ranges: bool = False) -> list[tuple[str | None, str]]:
    with pytest.raises(InputError) as caught:
        (parse_ranges if ranges else parse_sweeps)(texts)
    assert all(fault.remedy for fault in caught.value.faults)
    return [(fault.value, fault.problem) for fault in caught.value.faults]


def test_a_range_has_both_ends_and_no_drift() -> None:
    assert values_of("price.west=0.5:1.5:0.1") == (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
    assert values_of("carbon_price=0:200:50") == (0.0, 50.0, 100.0, 150.0, 200.0)
    assert values_of("price=1:1:0.1") == (1.0,)
    assert values_of("carbon_price = 0, 50,1e2") == (0.0, 50.0, 100.0)
    assert values_of("fleet.interest_rate=-0.01:0.01:0.01") == (-0.01, 0.0, 0.01)


@given(start=st.integers(0, 1000), count=st.integers(0, 200), step=st.integers(1, 50))
def test_every_value_of_a_range_is_the_decimal_number_as_written(start: int, count: int, step: int) -> None:
    low, high = start / 100, (start + count * step) / 100
    assert values_of(f"price={low}:{high}:{step / 100}") == tuple((start + n * step) / 100 for n in range(count + 1))


def test_points_are_all_combinations_the_last_changing_fastest() -> None:
    points = sweep_points(parse_sweeps(["price.west=0.5,1", "carbon_price=0:100:100"]))
    assert points == (
        {"price.west": 0.5, "carbon_price": 0.0},
        {"price.west": 0.5, "carbon_price": 100.0},
        {"price.west": 1.0, "carbon_price": 0.0},
        {"price.west": 1.0, "carbon_price": 100.0},
    )
    assert [label_of(point) for point in points[:2]] == [
        "price.west=0.5, carbon_price=0",
        "price.west=0.5, carbon_price=100",
    ]


def test_every_fault_of_every_sweep_is_found_at_once() -> None:
    found = problems_of(
        "price.west",
        "=1",
        "price=",
        "pricee=1,2",
        "carbon_price.west=1",
        "price..west=1",
        "price.east=0.5:1.5",
        "price.north=0.5:1.5:0.3",
        "price.south=1:0:0.1",
        "price.up=0:1:0",
        "price.down=0:1:1e-9",
        "demand_charge=1,1.0,x,",
        "token_price=-1,nan",
        "price=inf:1:1",
        "token_price.province.west=1",
        "carbon_price=-5",
        "carbon_price=5",
        "price.far=1e400,1_0",
    )
    assert [value for value, _ in found] == [
        "price.west", "=1", "price=", "pricee=1,2", "carbon_price.west=1", "price..west=1", "price.east=0.5:1.5",
        "price.north=0.5:1.5:0.3", "price.south=1:0:0.1", "price.up=0:1:0", "price.down=0:1:1e-9",
        "demand_charge=1,1.0,x,", "demand_charge=1,1.0,x,", "demand_charge=1,1.0,x,", "token_price=-1,nan",
        "token_price=-1,nan", "price=inf:1:1", "token_price.province.west=1", "carbon_price=-5", "carbon_price=5",
        "price.far=1e400,1_0", "price.far=1e400,1_0",
    ]  # fmt: skip
    problems = [problem for _, problem in found]
    assert "does not divide" in problems[7]
    assert "more than 10,000 values" in problems[10]
    assert "twice" in problems[19]
    with pytest.raises(InputError, match=r"Choose a step that divides it, or stop at 1\.4 or 1\.7"):
        parse_sweeps(["price=0.5:1.5:0.3"])
    with pytest.raises(InputError, match="Did you mean 'price'"):
        parse_sweeps(["pricee=1"])


def test_ranges_have_a_low_and_a_high_end() -> None:
    assert parse_ranges(["price.west=0.8:1.2", "carbon_price=0:200"]) == (
        ("price.west", 0.8, 1.2),
        ("carbon_price", 0, 200),
    )
    wrong = ["price=1", "price.a=2:1", "price.b=1:1", "price.c=x:2", "price.d=-1:1", "e=0:1"]
    assert [value for value, _ in problems_of(*wrong, ranges=True)] == wrong


def test_overrides_spell_whole_numbers_as_such_and_prices_as_changes() -> None:
    texts = overrides_of({"demand.tokens_per_day_trillion": 200.0, "solver.seed": 3.0, "fleet.interest_rate": 0.07})
    assert texts == ("demand.tokens_per_day_trillion=200", "solver.seed=3", "fleet.interest_rate=0.07")
    loaded = load_scenario("base", texts)
    assert (loaded.demand.tokens_per_day_trillion, loaded.solver.seed, loaded.fleet.interest_rate) == (200, 3, 0.07)
    for key, change in {
        "price": {"what": "energy_price", "scale": 0.5},
        "price.west": {"what": "energy_price", "scale": 0.5, "select": "west"},
        "price.tariff.gansu": {"what": "energy_price", "scale": 0.5, "tariffs": ["gansu"]},
        "demand_charge.province.gansu": {"what": "demand_charge", "scale": 0.5, "provinces": ["gansu"]},
        "token_price.chat": {"what": "token_price", "scale": 0.5, "workload_classes": ["chat"]},
        "carbon_price": {"what": "carbon_price", "replace": 0.5},
    }.items():
        (text,) = overrides_of({key: 0.5})
        name, _, value = text.partition("=")
        assert name == f"price_changes.sweep_{key.replace('.', '_')}"
        assert json.loads(value) == change
    with pytest.raises(ValueError, match="not a finite number"):
        format_value(float("nan"))


def test_names_that_are_no_ids_get_ids_of_their_own() -> None:
    first, second, again = (
        overrides_of({f"price.{name}": 1.0})[0] for name in ("\u6d59\u6c5f", "\u6c5f\u82cf", "\u6d59\u6c5f")
    )
    assert first.split("=")[0] != second.split("=")[0]
    assert first == again
    long = overrides_of({f"price.{'x' * 200}": 1.0})[0]
    assert len(long.split("=")[0]) < 80


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    toy = ToyScenario(tmp_path)
    toy(costs={"carbon_price_cny_per_t": 40})
    return toy


def assembled(toy: ToyScenario, *overrides: str) -> PlacementProblem:
    loaded = load_scenario(toy.folder / "toy.yaml", overrides)
    return assemble_problem(load_network(loaded.network), loaded)


def test_a_point_acts_on_what_price_cases_have_made(toy: ToyScenario) -> None:
    """Case: west 300 + 100, carbon 90; the sweep halves the west and sets the carbon price that counts."""
    changes = {
        "a": {"what": "energy_price", "add": 100, "regions": ["west"]},
        "b": {"what": "carbon_price", "replace": 90},
    }
    case = toy.folder / "case.yaml"
    case.write_text(json.dumps({"name": "case", "changes": changes}), encoding="utf-8")
    cases = price_case_override([str(case)])
    point = {"price.west": 0.5, "carbon_price": 20.0, "token_price.chat": 2.0, "demand_charge": 3.0}
    problem = assembled(toy, cases, *overrides_of(point))
    assert problem.energy_price_cny_per_mwh[:, 1].tolist() == [200.0] * 4
    assert problem.carbon_price_cny_per_t == 20.0
    assert assembled(toy, cases).carbon_price_cny_per_t == 90.0
    assert problem.data_centers["demand_charge_cny_per_kw_month"].tolist() == [120.0, 0.0]
    value = CHAT["token_price_cny_per_mtok"] * 2 * 0.01 / 100 * 3
    assert problem.classes["latency_cny_per_ms_per_mtok"][0] == pytest.approx(value)


def test_price_cases_are_joined_by_plus_and_files_are_taken_whole(tmp_path: Path) -> None:
    odd = tmp_path / "a+b.yaml"
    odd.write_text("name: odd\n", encoding="utf-8")
    assert price_case_override(["today+carbon_50", "carbon_0"]) == 'price_cases=["today", "carbon_50", "carbon_0"]'
    assert json.loads(price_case_override([str(odd)]).partition("=")[2]) == [str(odd)]
    loaded = load_scenario("base", [price_case_override([f"{odd}"])])
    assert [case.name for case in loaded.loaded_price_cases] == ["odd"]

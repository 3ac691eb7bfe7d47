"""`edwc list`, `show` and `keys`: what is built in, and what a scenario may state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import edwc

from network_data.load import BUILT_IN_FOLDER
from scenarios import list_price_cases, list_scenarios, load_scenario
from scenarios.keys import Key, list_keys

# Numbers without a unit.
PURE_NUMBERS = {"solver.seed"}


@pytest.mark.parametrize(
    ("what", "names"),
    [("scenarios", list_scenarios()), ("price-cases", list_price_cases()), ("networks", ["china_2026"])],
)
def test_list_describes_each_name(what: str, names: list[str]) -> None:
    lines = edwc("list", what)[0].splitlines()
    assert [line.split()[0] for line in lines] == names
    assert all(len(line.split()) > 3 for line in lines)
    found = json.loads(edwc("list", what, "--json")[0])
    assert [item["name"] for item in found] == names
    assert all(item["description"] for item in found)


@pytest.mark.parametrize("name", ["green_70", "carbon_50"])
def test_show_prints_the_description_and_the_file_as_it_is(name: str) -> None:
    found = json.loads(edwc("show", name, "--json")[0])
    text = Path(found["file"]).read_text(encoding="utf-8")
    out = edwc("show", name)[0]
    assert found["text"] == text
    assert out.endswith("\n" + text)
    assert found["description"] in out
    assert out.startswith(f"{found['kind']} {name}\n")


def test_show_reads_a_file_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "dear \x1b.yaml"
    path.write_text("name: dear\ndescription: Dear power\nsource: a guess\nchanges: {}\n", encoding="utf-8")
    out, _ = edwc("show", path)
    assert out.startswith("price case dear\n  description Dear power\n  source      a guess\n")
    assert "\x1b" not in out
    path.write_text("extends: base\nname: [", encoding="utf-8")
    assert "dear" in edwc("show", path, code=1)[1]


def test_show_gives_a_class_with_units() -> None:
    out, _ = edwc("show", "chat")
    chat = load_scenario("base").workload_classes["chat"]
    assert f"  rtt_limit_ms = {chat.rtt_limit_ms:g} ms\n" in out
    assert "longest round trip from demand hub to data center" in out
    found = json.loads(edwc("show", "chat", "--json", "--of", "price_2024")[0])
    dear = load_scenario("price_2024").workload_classes["chat"].token_price_cny_per_mtok
    assert found["values"]["token_price_cny_per_mtok"] == dear != chat.token_price_cny_per_mtok


def test_show_gives_the_size_of_a_network() -> None:
    size = "42 demand hubs, 24 data centers, 124 links"
    assert size in edwc("show", "china_2026")[0]
    assert size in edwc("show", BUILT_IN_FOLDER / "china_2026")[0]


def test_show_suggests_the_nearest_name() -> None:
    for wrong, right in (("carbon_51", "carbon_50"), ("chatt", "chat"), ("ful_year", "full_year")):
        assert f"Did you mean '{right}'?" in edwc("show", wrong, code=1)[1]


def test_keys_state_unit_default_range_and_meaning() -> None:
    out, _ = edwc("keys", "solver.time_limit_s")
    assert out == (
        "solver.time_limit_s [s]\n    number, above 0 to 1,000,000,000; default 120\n    stop after this many seconds\n"
    )
    (key,) = json.loads(edwc("keys", "min_region_share", "--json")[0])
    assert key["name"] == "policy.min_region_share.REGION"
    assert (key["unit"], key["allowed"]) == ("share", "number, 0 to 1")


def test_keys_match_a_part_a_pattern_or_else_the_meaning() -> None:
    assert edwc("keys", "CARBON_PRICE_CNY")[0].startswith("costs.carbon_price_cny_per_t")
    assert {key["name"].split(".")[0] for key in json.loads(edwc("keys", "policy.*", "--json")[0])} == {"policy"}
    assert edwc("keys", "random seed")[0].startswith("solver.seed")
    assert "Did you mean 'threads'?" in edwc("keys", "threds", code=1)[1]


@pytest.mark.parametrize("key", list_keys(), ids=lambda key: key.name)
def test_every_key_is_explained_and_every_number_has_a_unit(key: Key) -> None:
    assert key.description
    assert key.allowed
    if "number" in key.allowed and key.name not in PURE_NUMBERS:
        assert key.unit


def test_every_key_of_a_scenario_is_listed() -> None:
    scenario = load_scenario("base").model_dump(mode="json")
    listed = {key.name for key in list_keys()}
    for section in ("demand", "routing", "latency", "fleet", "network_use", "costs", "market_value", "solver"):
        for name in scenario[section]:
            assert listed & {f"{section}.{name}", f"{section}.{name}.ACCELERATOR"}, name
    assert {f"workload_classes.CLASS.{name}" for name in scenario["workload_classes"]["chat"]} <= listed


def test_listed_defaults_are_those_of_the_schema() -> None:
    """Stating every default of a section changes nothing."""
    stated = {key.name: key.default for key in list_keys() if key.name.split(".")[0] in {"latency", "resilience"}}
    assert len(stated) == 5
    plain = load_scenario("base", ["name=base"])
    said = load_scenario("base", [f"{name}={json.dumps(value)}" for name, value in stated.items()])
    assert (said.latency, said.resilience) == (plain.latency, plain.resilience)

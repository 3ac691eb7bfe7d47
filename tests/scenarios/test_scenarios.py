"""Scenarios: what loads, what merges, what overrides do, and what the schema says of itself."""

from __future__ import annotations

import csv
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from scenario_files import CLASSES, PROFILES, YAML, WriteScenario, only_fault, write_scenario
from toy_scenario import ToyScenario

from network_data import InputError
from scenarios import list_scenarios, load_scenario, scenario_json_schema

BUILT_IN = Path(__file__).resolve().parents[2] / "scenarios"


@pytest.fixture
def write(tmp_path: Path) -> WriteScenario:
    """Write the toy scenario with some of its files replaced; returns the YAML file."""
    return partial(write_scenario, tmp_path)


# What loads


def test_base_has_the_national_demand_in_eleven_classes() -> None:
    base = load_scenario("base")
    assert base.demand.tokens_per_day_trillion == 140
    assert base.network == "china_2026"
    assert len(base.workload_classes) == 11
    assert math.fsum(k.share_of_tokens or 0 for k in base.workload_classes.values()) == pytest.approx(1)
    assert (base.time.days, base.time.seasons, base.time.weekends) == (None, None, False)  # one average day
    assert (base.time.slices_per_day, base.solver.mip_rel_gap) == (24, 0.007)
    assert base.solver.time_limit_s < 150  # what `make demo` may take, exports included
    assert [k for k, c in base.workload_classes.items() if c.indivisible] == ["gov_finance"]
    assert {k: c.sequential_calls for k, c in base.workload_classes.items() if c.sequential_calls > 1} == {
        "coding_agent": 10
    }
    assert set(base.file_hashes) == {
        "scenarios/base.yaml",
        "scenarios/workload_classes.csv",
        "scenarios/demand_profiles.csv",
    }
    assert all(c.source and c.confidence and c.price_note for c in base.workload_classes.values())


def test_every_built_in_scenario_loads_and_bears_its_file_name() -> None:
    assert "base" in list_scenarios()
    for name in list_scenarios():
        assert load_scenario(name).name == name


def test_token_prices_of_the_base_follow_from_token_mix_and_list_price() -> None:
    for class_id, k in load_scenario("base").workload_classes.items():
        if class_id == "embedding":
            assert k.token_price_cny_per_mtok == 0.5
            continue
        cost_in = k.input_tokens * ((1 - k.cache_hit_share) * 2.0 + k.cache_hit_share * 0.2)
        blended = (cost_in + k.output_tokens * 3.0) / (k.input_tokens + k.output_tokens)
        expected = blended / 2 if k.deferrable_h else blended
        assert k.token_price_cny_per_mtok == pytest.approx(expected, abs=0.005), class_id
        assert (k.revenue_loss_share_per_100ms == 0) == (k.deferrable_h > 0)


def test_profiles_are_ordered_by_hour_and_have_mean_one(write: WriteScenario) -> None:
    header, *rows = PROFILES.splitlines()
    scenario = load_scenario(write(profiles="\n".join([header, *reversed(rows)])))
    assert scenario.profiles["day"] == (1.5,) * 12 + (0.5,) * 12  # 3 and 1 about a mean of 2
    assert scenario.profiles["flat"] == (1.0,) * 24


def test_blank_cells_take_the_default_and_text_cells_stay_text(write: WriteScenario) -> None:
    classes = CLASSES.replace("chat,Chat,", "chat,123,")
    scenario = load_scenario(write(classes=classes))
    assert scenario.workload_classes["chat"].name == "123"
    assert scenario.workload_classes["batch"].rtt_limit_ms is None


def test_cell_of_a_table_may_list_regions(write: WriteScenario) -> None:
    classes = CLASSES.replace("price_cny_per_mtok", "price_cny_per_mtok,allowed_regions")
    classes = classes.replace("day,2.0", "day,2.0,west; 7").replace("flat,1.0", "flat,1.0,")
    scenario = load_scenario(write(classes=classes))
    assert scenario.workload_classes["chat"].allowed_regions == ("west", "7")
    assert scenario.workload_classes["batch"].allowed_regions is None


def test_scenario_cannot_be_changed(write: WriteScenario) -> None:
    scenario = load_scenario(write())
    with pytest.raises(ValueError, match="frozen"):
        scenario.solver.threads = 5  # type: ignore[misc]


def test_numbers_follow_yaml_1_2(write: WriteScenario) -> None:
    scenario = load_scenario(write(YAML + "solver: {mip_rel_gap: 1e-4, time_limit_s: +1.5e1}\n"))
    assert (scenario.solver.mip_rel_gap, scenario.solver.time_limit_s) == (1e-4, 15.0)


def test_several_days_share_out_the_year(write: WriteScenario) -> None:
    days = (
        '{id: winter, months: "11-2", days_per_year: 120}',
        "{id: summer, months: 3-10, days_per_year: 245}",
    )
    scenario = load_scenario(write(YAML + f"time: {{days: [{', '.join(days)}]}}\n"))
    assert scenario.time.days is not None
    assert [day.month_numbers for day in scenario.time.days] == [(1, 2, 11, 12), tuple(range(3, 11))]
    july = "{id: july, months: 7, days_per_year: 31}, {id: rest, months: 8-6, days_per_year: 334}"
    scenario = load_scenario(write(), [f"time.days=[{july}]"])
    assert scenario.time.days is not None
    assert scenario.time.days[0].month_numbers == (7,)


def test_explicit_workloads_need_no_shares(write: WriteScenario) -> None:
    yaml = YAML.replace("tokens_per_day_trillion: 2", "workloads_table: workloads.csv")
    classes = CLASSES.replace("0.75", "").replace("0.25", "")
    workloads = "demand_hub,workload_class,mtok_per_day\nmetro_a,chat,12.5\nmetro_a,batch,0\n"
    scenario = load_scenario(write(yaml, classes=classes, workloads=workloads))
    assert scenario.workloads == (("metro_a", "chat", 12.5, 2), ("metro_a", "batch", 0.0, 3))
    assert set(scenario.file_hashes) == {"toy.yaml", "classes.csv", "profiles.csv", "workloads.csv"}


def test_network_folder_is_relative_to_the_file(write: WriteScenario, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    scenario = load_scenario(write(YAML.replace("china_2026", "./net")))
    assert Path(scenario.network) == tmp_path / "net"


# extends and overrides


def test_extends_merges_deeply_and_keeps_tables_beside_their_file(write: WriteScenario, tmp_path: Path) -> None:
    write(YAML + "description: parent\nsolver: {threads: 1, seed: 3}\n")
    folder = tmp_path / "below"
    folder.mkdir()
    child = folder / "child.yaml"
    child.write_text(
        "name: child\nextends: ../toy.yaml\nsolver: {seed: 4}\n"
        "workload_classes: {chat: {rtt_limit_ms: null, token_price_cny_per_mtok: 3}}\n"
    )
    scenario = load_scenario(child)
    assert (scenario.name, scenario.description) == ("child", "")
    assert (scenario.solver.threads, scenario.solver.seed) == (1, 4)
    chat = scenario.workload_classes["chat"]
    assert (chat.rtt_limit_ms, chat.token_price_cny_per_mtok, chat.input_tokens) == (None, 3, 300)
    assert set(scenario.file_hashes) == {"child.yaml", "../toy.yaml", "../classes.csv", "../profiles.csv"}


def test_extends_takes_a_built_in_name(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    path.write_text("name: more\nextends: base\ndemand: {tokens_per_day_trillion: 200}\n")
    scenario = load_scenario(path)
    assert scenario.demand.tokens_per_day_trillion == 200
    assert "scenarios/base.yaml" in scenario.file_hashes


def test_overrides_apply_last_and_are_kept() -> None:
    overrides = ("time.slices_per_day=4", "workload_classes.chat.rtt_limit_ms=50", "solver={threads: 1}")
    scenario = load_scenario("base", overrides)
    assert (scenario.time.slices_per_day, scenario.time.slicing) == (4, "peaks")
    assert scenario.workload_classes["chat"].rtt_limit_ms == 50
    assert (scenario.solver.threads, scenario.solver.seed) == (1, 1)
    assert scenario.overrides == overrides
    assert load_scenario("base", ["solver.seed=5", "solver.seed=6"]).solver.seed == 6


def test_overridden_table_is_relative_to_the_working_directory(
    write: WriteScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "other.csv").write_text(CLASSES.replace("Chat", "Other"))
    monkeypatch.chdir(tmp_path / "here")
    scenario = load_scenario(path, ["workload_classes_table=other.csv"])
    assert scenario.workload_classes["chat"].name == "Other"


def test_dropped_class_leaves_shares_to_be_scaled(write: WriteScenario) -> None:
    path = write(YAML + "drop_classes: [batch]\n")
    fault = only_fault(path)
    assert (fault.column, fault.remedy) == ("share_of_tokens", "Divide each share by 0.75.")
    assert list(load_scenario(path, ["workload_classes.chat.share_of_tokens=1"]).workload_classes) == ["chat"]


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("solver.threads", "not of the form"),
        ("=3", "not of the form"),
        ("solver..threads=3", "not of the form"),
        ("solver.threads=[1", "not valid YAML"),
        ("solver.threads=*x", "aliases are not accepted"),
        ("solver.threads=0", "must be greater than or equal to 1"),
        ("solver.threds=1", "unknown"),
        ("solver=fast", "must be a mapping"),
        ("extends=base", "cannot be overridden"),
        ("name=", "must be a text"),
        ("x" * 10_000 + "=1", "unknown"),
        (".".join("x" * 500) + "=1", "not of the form"),
    ],
)
def test_bad_override_is_named_as_such(override: str, problem: str) -> None:
    fault = only_fault("base", override)
    assert (fault.file, fault.row) == ("--set", None)
    assert problem in fault.problem


# The schema as documentation


def test_json_schema_describes_every_key() -> None:
    schema = scenario_json_schema()
    parts = {"": schema, **schema["$defs"]}
    undescribed = [
        f"{part}.{key}"
        for part, content in parts.items()
        for key, field in content.get("properties", {}).items()
        if not field.get("description")
    ]
    assert undescribed == []
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False
    assert not {"profiles", "source_path", "file_hashes"} & set(schema["properties"])


def test_numbers_state_their_unit_in_name_or_description() -> None:
    words = (
        "share",
        "in ms",
        "in cny",
        "per day",
        "hours",
        "days",
        "tokens",
        "bytes",
        "years",
        "seconds",
        "rate",
        "in tonnes",
    )
    words += (
        "accelerators",
        "microseconds",
        "slices",
        "routes",
        "links",
        "round trips",
        "data centers",
        "threads",
        "seed",
        "unit of the column",
        "factor",
    )
    schema = scenario_json_schema()
    for part in (schema, *schema["$defs"].values()):
        for key, field in part.get("properties", {}).items():
            kinds = {option.get("type") for option in (field, *field.get("anyOf", []))}
            if kinds & {"number", "integer"}:
                assert any(word in field["description"].lower() for word in words), key


def test_class_table_has_a_column_for_every_key_of_a_class() -> None:
    with (BUILT_IN / "workload_classes.csv").open(encoding="utf-8", newline="") as file:
        header: list[Any] = next(csv.reader(file))
    assert header == ["id", *scenario_json_schema()["$defs"]["WorkloadClass"]["properties"]]


def test_faults_of_the_network_are_told_with_those_of_the_scenario(tmp_path: Path) -> None:
    ToyScenario(tmp_path)(solver={"threads": 1})
    path, pools = tmp_path / "toy.yaml", tmp_path / "net" / "pools.csv"
    head, *rows = pools.read_text(encoding="utf-8").splitlines()
    center = head.split(",").index("data_center")
    broken = rows[0].split(",")
    broken[center] = "nowhere"
    pools.write_text("\n".join([head, ",".join(broken), *rows[1:]]) + "\n", encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace('"threads": 1', '"threads": "one"'), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_scenario(path)
    assert [(fault.file.rpartition("/")[2], fault.value) for fault in caught.value.faults] == [
        ("toy.yaml", "one"),
        ("pools.csv", "nowhere"),
    ]
    assert caught.value.faults[1].file == "net/pools.csv"

"""What is accepted where a scenario, overrides or a network are expected, and what is said of what is not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from toy_scenario import ToyScenario

from network_data.faults import InputError
from network_data.load import load_network
from optimizer.api.inputs import Inputs, find_inputs, naming_arguments, override_texts
from optimizer.runs.run import open_run
from scenarios.load import load_scenario


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    ToyScenario(tmp_path)()
    return tmp_path / "toy.yaml"


def test_names_files_objects_dictionaries_and_texts_load_the_same_scenario(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy.parent)  # files named in a dictionary or a text start from here
    document: dict[str, Any] = json.loads(toy.read_text(encoding="utf-8"))
    expected = load_scenario(toy)
    for scenario in (
        toy,
        "toy.yaml",
        expected,
        document,
        json.dumps(document, indent=1),
        {"extends": str(toy), "name": "toy"},
    ):
        network, loaded = find_inputs(scenario).load()
        assert loaded.workload_classes == expected.workload_classes, scenario
        assert (loaded.name, loaded.profiles, network.name) == ("toy", expected.profiles, "net")
    assert find_inputs("base").load()[1] == load_scenario("base")


def test_overrides_of_a_loaded_scenario_stay_and_later_ones_win(toy: Path) -> None:
    loaded = load_scenario(toy, ["time.slices_per_day=2", "solver.seed=3"])
    _, again = find_inputs(loaded, {"solver": {"seed": 4}}).load()
    assert (again.time.slices_per_day, again.solver.seed) == (2, 4)


def test_price_cases_come_before_overrides() -> None:
    found = find_inputs("base", ["solver.seed=2"], price_cases="valley_to_night+carbon_50")
    assert found == Inputs("base", ('price_cases=["valley_to_night", "carbon_50"]', "solver.seed=2"))


def test_every_value_is_read_back_from_its_override(toy: Path) -> None:
    overrides = {
        "description": 'no: "quoted", # and \\ Ünïcode 上海',
        "time": {"slices_per_day": np.int64(2)},
        "solver.mip_rel_gap": 1e-7,
        "solver": {"threads": 1},
        "drop_classes": ("batch",),
        "demand.tokens_per_day_trillion": None,
        "demand.workloads_table": toy.parent / "demand.csv",
        "workload_classes.chat.share_of_tokens": None,
    }
    (toy.parent / "demand.csv").write_text("demand_hub,workload_class,mtok_per_day\nmetro_a,chat,5\n", encoding="utf-8")
    loaded = load_scenario(toy, override_texts(overrides))
    assert loaded.description == overrides["description"]
    assert loaded.solver.mip_rel_gap == 1e-7
    assert (loaded.time.slices_per_day, loaded.solver.threads, list(loaded.workload_classes)) == (2, 1, ["chat"])
    assert override_texts({"a": float("inf"), "b": [1.0, True], "c": {}}) == ["a=.inf", "b=[1.0, true]", "c={}"]


def test_edited_network_goes_in_where_a_name_does(toy: Path) -> None:
    network = load_network(toy.parent / "net")
    dearer = network.tariffs.assign(price_cny_per_mwh=network.tariffs["price_cny_per_mwh"] * 2)
    edited = network.with_tables(tariffs=dearer)
    inputs = find_inputs(toy, network=edited)
    found, loaded = inputs.load()
    pd.testing.assert_frame_equal(found.tariffs, dearer)
    pd.testing.assert_frame_equal(found.links, network.links)
    assert (found.name, loaded.name, loaded.description) == (network.name, "toy", load_scenario(toy).description)
    assert find_inputs(toy, network=edited).scenario == inputs.scenario  # the same content is the same file
    by_table, _ = find_inputs(toy, network=edited.tables).load()
    pd.testing.assert_frame_equal(by_table.tariffs, dearer)
    in_scenario, _ = find_inputs({"extends": str(toy), "network": edited}).load()
    pd.testing.assert_frame_equal(in_scenario.tariffs, dearer)
    in_overrides, _ = find_inputs(toy, {"network": edited}).load()
    pd.testing.assert_frame_equal(in_overrides.tariffs, dearer)


def test_table_edited_in_place_counts(toy: Path) -> None:
    network = load_network(toy.parent / "net")
    assert find_inputs(toy, network=network).load()[0].folder == network.folder
    network.data_centers["pue"] = 1.75
    assert set(find_inputs(toy, network=network).load()[0].data_centers["pue"]) == {1.75}
    assert set(network.with_tables(links=network.links).data_centers["pue"]) == {1.75}


def test_every_table_of_a_built_in_network_is_written_as_it_was_read() -> None:
    network = load_network("china_2026")
    again = network.with_tables()
    for name, table in network.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table)
    assert again.basemap is not None
    assert again.file_hashes["basemap.geojson"] == network.file_hashes["basemap.geojson"]


def test_demand_table_stands_where_its_file_does(toy: Path) -> None:
    demand = pd.DataFrame({"demand_hub": ["metro_a"], "workload_class": ["chat"], "mtok_per_day": [2400.0]})
    keys = {"demand": {"tokens_per_day_trillion": None, "workloads_table": demand}}
    shares = {f"workload_classes.{name}.share_of_tokens": None for name in ("chat", "batch")}
    for inputs in (find_inputs(toy, keys | shares), find_inputs({"extends": str(toy), **keys, **shares})):
        _, loaded = inputs.load()
        assert loaded.workloads is not None
        assert [tuple(row)[:3] for row in loaded.workloads] == [("metro_a", "chat", 2400.0)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"scenario": 3}, "the argument scenario: is of type int"),
        ({"scenario": "name: [\n"}, "not valid YAML"),
        ({"scenario": "- a\n- b\n"}, "the argument scenario: is no mapping"),
        ({"scenario": {3: 4}}, "the argument scenario: has the key 3"),
        ({"overrides": 3}, "the argument overrides: is of type int"),
        ({"overrides": [3]}, "the argument overrides: is of type list"),
        (
            {"overrides": {"solver.seed": object()}},
            "the argument overrides: holds for solver.seed a",
        ),
        ({"network": 3}, "the argument network: is of type int"),
        ({"network": {"roads": pd.DataFrame()}}, "the argument network: there is no network table 'roads'"),
        ({"network": {"links": 3}}, "the argument network: table links is of type int"),
        ({"price_cases": [3]}, "the argument price_cases: "),
    ],
)
def test_error_names_the_argument(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        find_inputs(**{"scenario": "base"} | arguments)


def test_changed_copy_of_a_scenario_is_refused(toy: Path) -> None:
    with pytest.raises(InputError, match=r"differs from its file toy\.yaml in name"):
        find_inputs(load_scenario(toy).model_copy(update={"name": "other"}))


def test_fault_of_a_dictionary_names_the_argument_not_a_temporary_file(toy: Path) -> None:
    bad = pd.DataFrame({"demand_hub": ["nowhere"], "workload_class": ["talk"], "mtok_per_day": [-1.0]})
    keys = {"extends": str(toy), "solver": {"sead": 1}, "demand.workloads_table": bad}
    with pytest.raises(InputError) as caught, naming_arguments():
        find_inputs(keys).load()
    said = str(caught.value)
    assert "the argument scenario column 'solver.sead'" in said
    assert "workloads_table.csv:2 column 'mtok_per_day'" in said
    assert "edwc-inputs-" not in said


def test_files_written_for_objects_go_when_the_process_ends(toy: Path) -> None:
    code = (
        "import sys\n"
        "from optimizer.api.inputs import find_inputs\n"
        f"print(find_inputs({{'extends': {str(toy)!r}}}).scenario)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    written = Path(done.stdout.strip())
    assert written.name == "scenario.yaml"
    assert not written.parent.parent.exists()


def test_inputs_made_in_memory_are_kept_in_the_run_folder_wherever_it_goes(toy: Path) -> None:
    network = load_network(toy.parent / "net")
    tariffs = network.tariffs.assign(price_cny_per_mwh=network.tariffs["price_cny_per_mwh"] * 2)
    code = (
        "import sys, edwc\n"
        f"network = edwc.load_network({str(toy.parent / 'net')!r})\n"
        "tariffs = network.tariffs.assign(price_cny_per_mwh=network.tariffs['price_cny_per_mwh'] * 2)\n"
        f"run = edwc.solve({str(toy)!r}, {{'solver.threads': 1}}, network=network.with_tables(tariffs=tariffs))\n"
        f"run.save({str(toy.parent / 'run')!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)  # its files are gone when it ends
    run = open_run((toy.parent / "run").rename(toy.parent / "moved"))
    assert run.verify().is_verified
    pd.testing.assert_frame_equal(run.network.tariffs, tariffs)
    again = open_run(run.save(toy.parent / "again"))
    shutil.rmtree(toy.parent / "moved")
    assert again.verify().is_verified
    assert open_run(again.save(toy.parent / "again")).verify().is_verified  # an older run there is replaced
    tampered = toy.parent / "again" / "inputs" / "net" / "tariffs.csv"
    tampered.write_text(tampered.read_text(encoding="utf-8").replace("600.0", "601.0", 1), encoding="utf-8")
    assert not open_run(toy.parent / "again").verify().is_verified

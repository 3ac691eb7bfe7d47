"""Prices and explanations of a stored run, as a user meets them, on a small scenario."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from commands import edwc
from toy_scenario import ToyScenario

from network_data.faults import InputError
from optimizer.runs.run import open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    ToyScenario(folder)(solver={"threads": 1, "mip_rel_gap": 1e-6})
    out, _ = edwc("solve", folder / "toy.yaml", "--out", folder / "run")
    (folder / "stdout").write_text(out, encoding="utf-8")
    return folder / "run"


def test_solve_prints_what_one_more_unit_is_worth(run: Path) -> None:
    out = (run.parent / "stdout").read_text(encoding="utf-8")
    assert "At the margin, with what is open, deployed and bought held as it is:" in out
    assert "1 million tokens more cost " in out
    table = pd.read_parquet(run / "shadow_prices.parquet")
    assert list(table.columns) == [
        "kind", "id", "unit", "value", "marginal_value", "step", "holds_to", "sentence",
    ]  # fmt: skip
    assert {"it_power", "existing_pod", "purchasable_pod", "token"} <= set(table["kind"])
    told = json.loads((run / "run.json").read_text(encoding="utf-8"))["top_shadow_prices"]
    assert all(row["value"] > 0 and row["sentence"] for row in told)


def test_why_lists_workloads_and_explains_each(run: Path) -> None:
    listed = json.loads(edwc("why", run, "--json")[0])
    assert [row["cny_per_year"] for row in listed] == sorted((row["cny_per_year"] for row in listed), reverse=True)
    assert "--workload HUB/CLASS explains one" in edwc("why", run)[0]
    table = pd.read_parquet(run / "shadow_prices.parquet").set_index(["kind", "id"])
    for row in listed:
        found = open_run(run).why(row["workload"])
        assert found.cny_per_mtok == pytest.approx(table.loc[("token", row["workload"]), "value"])
        assert found.mtok_per_year == pytest.approx(row["mtok_per_year"])
        assert sum(place.share for place in found.chosen) == pytest.approx(1.0)
        assert found.chosen[0].data_center == row["data_center"]
        assert found.tried == () or found.next_best is None or found.next_best.extra_cny_per_year is not None
        for place in found.blocked:
            assert place.reasons
            assert place.cheaper_by_cny_per_mtok > 0


def test_why_in_words_and_in_json(run: Path) -> None:
    workload = json.loads(edwc("why", run, "--json")[0])[0]["workload"]
    out, err = edwc("why", run, "--workload", workload)
    assert err == ""
    for words in ("Served in", "one more million tokens cost", "Next best: ", "CNY per million tokens"):
        assert words in out
    found = json.loads(edwc("why", run, "--workload", workload, "--json")[0])
    assert found["workload"] == workload
    assert found["chosen"][0]["price"]["total_cny_per_mtok"] > 0


def test_unknown_workload_and_run_are_told(run: Path) -> None:
    hub = json.loads(edwc("why", run, "--json")[0])[0]["workload"].split("/")[0]
    assert "Did you mean" in edwc("why", run, "--workload", f"{hub}/chatt", code=1)[1]
    assert "run.json" in edwc("why", run.parent / "nowhere", code=1)[1]


def test_inputs_that_changed_are_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run.parent, tmp_path / "copy")
    profiles = tmp_path / "copy" / "profiles.csv"
    profiles.write_text(profiles.read_text(encoding="utf-8").replace("0,3,7", "0,2,7"), encoding="utf-8")
    info_file = tmp_path / "copy" / "run" / "run.json"
    workload = open_run(info_file.parent).workloads["workload"].iloc[0]
    with pytest.raises(InputError, match=r"profiles\.csv.*is not what it was when the run was made"):
        open_run(info_file.parent).why(workload)

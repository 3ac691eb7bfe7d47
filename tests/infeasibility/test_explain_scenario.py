"""`edwc explain` on scenarios: what a user meets, and the rules that only a scenario has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import edwc
from network_files import changed
from toy_scenario import ToyScenario

from edwc import solve
from network_data import InputError, load_network
from optimizer.infeasibility.explain import Explanation, explain_scenario
from optimizer.infeasibility.relaxed_problem import relax_scenario, within_limits
from optimizer.infeasibility.search import Option
from optimizer.problem.assemble import assemble_problem
from scenarios import load_scenario

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
SHORT = ["demand.tokens_per_day_trillion=2800", "fleet.allow_purchase=false"]  # twenty times as much, nothing bought


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Path]:
    """Write the toy scenario, which may be one that assembly refuses; returns its file."""

    def write(**options: Any) -> Path:
        with suppress(InputError):
            ToyScenario(tmp_path)(solver={"threads": 1, "mip_rel_gap": 1e-6}, **options)
        return tmp_path / "toy.yaml"

    return write


def alone(explanation: Explanation, kind: str) -> Option:
    (option,) = [option for option in explanation.options if option.kinds == (kind,)]
    return option


def test_feasible_ends_with_0_and_says_how_near_the_limits_are(toy: Callable[..., Path]) -> None:
    out, err = edwc("explain", toy(), code=0)
    assert "Scenario toy is feasible" in out
    assert "total capacity: all demand could grow by" in out
    assert err == ""


def test_infeasible_ends_with_2_and_says_what_would_do(toy: Callable[..., Path]) -> None:
    # One pod at each place and none to buy, for 60 mtok/h of chat and 40 of batch.
    path = toy(tables={"pools": lambda rows: [row | {"existing_pods": 1, "max_pods": 1} for row in rows]})
    out, err = edwc("explain", path, "--set", "demand.tokens_per_day_trillion=240", code=2)
    assert "Scenario toy is infeasible" in out
    assert "What every plan must meet, and this one cannot\n  total capacity: " in out
    assert "Any one of these changes would do" in out
    assert "more pods of chip_a at dc_" in out
    assert "proved smallest" in out
    assert "looking for the smallest change: accelerator pods" in err
    told = edwc("solve", path, "--set", "demand.tokens_per_day_trillion=240", code=2)[0]
    assert "`edwc explain` finds the smallest changes" in told


def test_workloads_out_of_reach_are_pointed_to_it(toy: Callable[..., Path]) -> None:
    _, err = edwc("check", toy(chat={"rtt_limit_ms": 2}), code=1)
    assert err.endswith("`edwc explain` finds the smallest changes that give them one\n")


def test_json_holds_conditions_and_changes(toy: Callable[..., Path]) -> None:
    found = json.loads(edwc("explain", toy(chat={"rtt_limit_ms": 2}), "--json", code=2)[0])
    assert (found["status"], found["exit_code"], found["is_complete"]) == ("infeasible", 2, True)
    assert [c["name"] for c in found["conditions"] if not c["holds"]] == [
        "reach of chat of metro_a", "reach of chat of metro_b",
    ]  # fmt: skip
    change = next(change for change in found["changes"] if change["kinds"] == ["rtt_limit"])
    assert change["items"][0]["key"] == "workload_classes.chat.rtt_limit_ms"


def test_limit_that_strikes_first_ends_with_4(toy: Callable[..., Path]) -> None:
    path = toy(tables={"links": lambda rows: [row | {"capacity_gbps": 1e-6} for row in rows]})
    out, _ = edwc("explain", path, "--time-limit", "0.000001", code=4)
    assert "undecided" in out
    assert "Not decided" in out


def test_bad_input_ends_with_1(toy: Callable[..., Path]) -> None:
    assert (
        "--time-limit value '-1.0': must be greater than 0" in edwc("explain", toy(), "--time-limit", "-1", code=1)[1]
    )


def test_stranded_workloads_get_the_limit_that_reaches_a_data_center(toy: Callable[..., Path]) -> None:
    # Metro A is 2.18 ms from the nearest data center, metro B 6.30 ms: 4.30 ms more.
    path = toy(chat={"rtt_limit_ms": 2})
    explanation = explain_scenario(path)
    assert len(explanation.failures) == 2
    assert "2.18 ms away, 0.18 ms too far" in explanation.failures[0].message
    item = alone(explanation, "rtt_limit").items[0]
    assert (item.where, item.unit, item.now) == ("chat", "ms", 2.0)
    assert item.amount == pytest.approx(4.30, abs=0.011)
    assert alone(explanation, "rtt_limit").result == "proved"
    solved = solve(path, [f"{item.key}={item.then}"])
    assert solved.exit_code == 0


def test_rule_that_bars_every_data_center_is_loosened_by_a_step(toy: Callable[..., Path]) -> None:
    # The west's data center moves to a province without a metro: metro B has none in its own.
    path = toy(chat={"residency": "province"}, tables={"data_centers": lambda rows: changed(rows, 1, province="Noon")})
    explanation = explain_scenario(path)
    assert [condition.name for condition in explanation.failures] == ["reach of chat of metro_b"]
    option = alone(explanation, "residency")
    (item,) = option.items
    assert (item.where, item.now, item.then) == ("chat", "province", "region")
    assert item.note == "to reach dc_west from metro_b"
    assert option.result == "proved"
    assert solve(path, ["workload_classes.chat.residency=region"]).exit_code == 0


def test_rule_and_limit_at_once(toy: Callable[..., Path]) -> None:
    # In its region metro B's chat reaches the west in 7.08 ms, 1.08 ms too late; the east (6.30 ms) is barred too.
    path = toy(chat={"residency": "region", "rtt_limit_ms": 6})
    explanation = explain_scenario(path)
    assert alone(explanation, "rtt_limit").items[0].amount == pytest.approx(1.08, abs=0.011)
    assert alone(explanation, "residency").result == "none"
    assert solve(path, [f"workload_classes.chat.rtt_limit_ms={6 + 1.09}"]).exit_code == 0


def test_allowed_regions_are_a_rule_like_residency(toy: Callable[..., Path]) -> None:
    path = toy(chat={"residency": "region", "allowed_regions": ["west"]})
    explanation = explain_scenario(path)
    item = alone(explanation, "allowed_regions").items[0]
    assert (item.where, item.now, item.then) == ("chat", ("west",), None)
    assert alone(explanation, "residency").items[0].then == "national"


def test_second_route_that_is_not_there(toy: Callable[..., Path]) -> None:
    # The toy's fibre is a line: no route has a second one.
    path = toy(chat={"second_route": "required"})
    explanation = explain_scenario(path)
    assert {condition.name for condition in explanation.failures} == {
        "reach of chat of metro_a", "reach of chat of metro_b",
    }  # fmt: skip
    option = alone(explanation, "second_route")
    assert (option.result, option.items[0].now, option.items[0].then) == ("proved", "required", "none")
    assert solve(path, ["workload_classes.chat.second_route=none"]).exit_code == 0


@pytest.mark.parametrize("scenario", ["base", "resilient"])
def test_within_its_limits_the_reach_is_the_problem(scenario: str) -> None:
    loaded = load_scenario(scenario, ["time.slices_per_day=1"])
    network = load_network(loaded.network)
    problem = assemble_problem(network, loaded)
    reach = relax_scenario(network, loaded, problem)
    assert reach.is_beyond.sum() > 1000
    pd.testing.assert_frame_equal(within_limits(reach).problem.candidates, problem.candidates)


def test_workload_that_a_single_data_center_is_in_reach_of(toy: Callable[..., Path]) -> None:
    # Metro A is 2.18 ms from the east and 11.1 ms from the west: with 10 ms nothing takes over from the east.
    path = toy(chat={"rtt_limit_ms": 10}, resilience={"survive": "any_data_center"})
    explanation = explain_scenario(path)
    names = [condition.name for condition in explanation.failures]
    assert names == ["reach of chat of metro_a", "capacity after the loss of a data center"]
    assert "reaches dc_east alone within its limits" in explanation.failures[0].message
    option = alone(explanation, "rtt_limit")
    assert option.result == "sufficient"
    assert solve(path, [f"{option.items[0].key}={option.items[0].then}"]).exit_code == 0
    assert solve(path, ["resilience.survive=none"]).exit_code == 0
    assert alone(explanation, "survive").is_enough


def test_full_size_in_two_slices_is_explained() -> None:
    explanation = explain_scenario("base", [*SHORT, "time.slices_per_day=2", "time.slicing=blocks"])
    assert explanation.status == "infeasible"
    pods = alone(explanation, "pods")
    assert pods.result == "proved"
    assert pods.change_share == pytest.approx(0.766, abs=0.01)
    assert alone(explanation, "it_power").result == "none"
    assert alone(explanation, "allow_purchase").items[0].key == "fleet.allow_purchase"
    together = explanation.options[0]
    assert together.is_enough
    assert together.change_share - together.bound_share < 2e-3


def test_ctrl_c_keeps_what_is_found() -> None:
    command = [sys.executable, "-m", "optimizer", "explain", "base", *(f"--set={key}" for key in SHORT)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "looking for the smallest change" in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "all data centers together are too small" in out
    assert "Not decided" in out
    assert "Traceback" not in err

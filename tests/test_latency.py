"""The time to the first token: queueing, computing and the way add up, and what is left limits the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from network_files import Row
from test_decompose import assert_both_agree
from toy_problems import toy_problem
from toy_scenario import ToyScenario, reached

from network_data import InputError
from optimizer.problem import PlacementProblem


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


def chat_pairs(problem: PlacementProblem) -> set[str]:
    return {f"{hub[-1]}-{place[3:]}" for hub, name, place in reached(problem) if name == "chat"}


def test_compute_time_is_what_the_cache_misses_over_the_accelerators_that_share_a_request(toy: ToyScenario) -> None:
    """Of 300 input tokens half are cached; 8 accelerators at 4,000 or 8,000 tokens per s: 4.69 or 2.34 ms."""
    problem = toy(chat={"ttft_limit_ms": 100})
    assert problem.compute_ms is not None
    assert problem.compute_ms[0] == pytest.approx([150 / 32, 150 / 64])
    # 0.7 of the 100 ms are left by the queue.
    assert problem.rtt_budget_ms[0] == pytest.approx([70 - 150 / 32, 70 - 150 / 64])
    assert np.isposinf(problem.rtt_budget_ms[1]).all()  # batch has no limit


def test_accelerators_that_share_a_request_may_be_stated(toy: ToyScenario) -> None:
    def shared(rows: list[Row]) -> list[Row]:
        return [{**row, "prefill_accelerators": at * 2 + 2} for at, row in enumerate(rows)]

    compute_ms = toy(tables={"accelerators": shared}).compute_ms
    assert compute_ms is not None
    assert compute_ms[0] == pytest.approx([150 / 8, 150 / 32])


def test_a_pod_smaller_than_a_server_shares_no_more_than_itself(toy: ToyScenario) -> None:
    def small(rows: list[Row]) -> list[Row]:
        return [{**row, "accelerators_per_pod": 4} for row in rows]

    compute_ms = toy(tables={"accelerators": small}).compute_ms
    assert compute_ms is not None
    assert compute_ms[0] == pytest.approx([150 / 16, 150 / 32])


def test_budget_of_the_slowest_accelerator_limits_the_way(toy: ToyScenario) -> None:
    """17 ms x 0.7 - 4.6875 = 7.2125: a-east 2.18, b-east 6.3 and b-west 7.08 ms fit, a-west 11.2 does not."""
    problem = toy(chat={"ttft_limit_ms": 17})
    assert chat_pairs(problem) == {"a-east", "b-east", "b-west"}
    # The west has chip b too, which would leave 9.56 ms; any accelerator there may answer.
    assert problem.rtt_limit_ms[0] == pytest.approx([7.2125, 7.2125])


def test_the_smaller_of_stated_limit_and_budget_holds(toy: ToyScenario) -> None:
    assert chat_pairs(toy(chat={"ttft_limit_ms": 17, "rtt_limit_ms": 7})) == {"a-east", "b-east"}
    assert chat_pairs(toy(chat={"ttft_limit_ms": 1000, "rtt_limit_ms": 7})) == {"a-east", "b-east"}


@pytest.mark.parametrize(
    ("latency", "pairs"),
    [
        ({"queue_margin_share": 0.0}, "a-east b-east b-west a-west"),  # 17 - 4.69 = 12.3 ms
        ({"queue_margin_share": 0.5, "connection_rtts": 1}, "a-east"),  # 8.5 - 4.69 = 3.8 ms
        ({"queue_margin_share": 0.0, "connection_rtts": 2}, "a-east"),  # 12.3 / 2 = 6.2 ms
    ],
)
def test_queue_and_round_trips_of_a_connection_count(toy: ToyScenario, latency: dict[str, float], pairs: str) -> None:
    only_a = {"nodes": lambda rows: [{**row, "demand_weight": float(row["id"] == "metro_a")} for row in rows]}
    expected = {pair for pair in pairs.split() if pair.startswith("a")}
    assert chat_pairs(toy(chat={"ttft_limit_ms": 17}, latency=latency, tables=only_a)) == expected


def test_accelerator_too_slow_for_a_class_does_not_process_it(toy: ToyScenario) -> None:
    def slow_a(rows: list[Row]) -> list[Row]:
        return [{**row, "prefill_accelerators": 1 if row["id"] == "chip_a" else 8} for row in rows]

    # Chip a alone takes 37.5 ms, chip b 2.34: of 30 ms x 0.7 that leaves 18.66 ms, in the west only.
    problem = toy(chat={"ttft_limit_ms": 30}, tables={"accelerators": slow_a})
    assert chat_pairs(problem) == {"a-west", "b-west"}
    processes = problem.processes[["class_index", "data_center_index", "accelerator_index"]].to_numpy().tolist()
    assert processes == [[0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert np.isneginf(problem.rtt_limit_ms[0, 0])
    assert problem.rtt_limit_ms[0, 1] == pytest.approx(21 - 150 / 64)


def test_time_used_up_by_queue_and_computing_is_refused_with_all_numbers(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(chat={"ttft_limit_ms": 3}, batch={"ttft_limit_ms": 6})
    chat, batch = caught.value.faults
    assert chat.value == "chat"
    assert chat.problem == (
        "3 ms to the first token, less 0.9 ms of queueing (latency.queue_margin_share = 0.3) and 2.3 ms of computing "
        "on the fastest accelerator, chip_b, leave -0.2 ms for the way"
    )
    assert batch.value == "batch"
    assert "6.2 ms of computing" in batch.problem


def test_stranded_by_the_budget_is_told_so(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(chat={"ttft_limit_ms": 15, "rtt_limit_ms": 50})
    (fault,) = caught.value.faults
    assert fault.value == "chat of metro_b"
    # 15 x 0.7 - 4.6875 = 5.8125 ms.
    assert "limit of 5.8125 ms: the nearest is 6.30 ms away, 0.49 ms too far" in fault.problem
    assert "ttft_limit_ms" in fault.problem
    assert "ttft_limit_ms" in fault.remedy


@pytest.mark.parametrize("key", ["queue_margin_share=1", "queue_margin_share=-0.1", "connection_rtts=0.5"])
def test_shares_and_round_trips_out_of_range_are_refused(toy: ToyScenario, key: str) -> None:
    name, value = key.split("=")
    with pytest.raises(InputError, match=f"latency.{name}"):
        toy(latency={name: float(value)})


def budgeted(compute_ms: Any, **options: Any) -> PlacementProblem:
    """Build the two-metro toy with two accelerators, the standard one too slow or not."""
    problem = toy_problem(accelerators=2, **options)
    classes = problem.classes.assign(ttft_limit_ms=[30.0, np.inf])
    return replace(problem, classes=classes, compute_ms=np.array(compute_ms, dtype=float))


@pytest.mark.parametrize("standard_ms", [4.0, 31.0])
def test_both_methods_leave_out_an_accelerator_that_is_too_slow(standard_ms: float) -> None:
    problem = budgeted([[standard_ms, 3.0], [0.0, 0.0]], energy_price_cny_per_mwh=((500.0, 300.0), (200.0, 350.0)))
    chat = problem.processes[problem.processes["class_index"] == 0]
    assert set(chat["accelerator_index"]) == ({0, 1} if standard_ms < 30 else {1})
    assert_both_agree(problem)

"""The time to the first token: queueing, computing and the way add up, and what is left limits the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from network_files import Row
from test_decompose import assert_both_agree
from toy_problems import random_problem, toy_problem
from toy_scenario import ToyScenario, reached

from network_data import InputError
from optimizer.checker.facts import PlanFacts
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.result_tables import latency_table
from optimizer.runs.run import open_run
from optimizer.runs.solve import describe_problem, solve_scenario
from optimizer.runs.verify import verify_run
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole
from optimizer.text.run import describe_run


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
    assert describe_problem(problem)["too_slow"] == ["chat on chip_a"]
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


# What a run reports


def latency_of(problem: PlacementProblem) -> pd.DataFrame:
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert solution.plan is not None
    return latency_table(problem, PlanFacts(problem, solution.plan)).set_index("workload_class")


def test_table_adds_up_to_the_limit_on_the_worst_way() -> None:
    """Chat goes west, 23 ms from alpha and 25 from beta: 100 = 20 queue + 7 computing + 2 x 25 way + 23 left."""
    problem = toy_problem(rtt_limit_ms=(30.0, np.inf), latency_cny_per_ms_per_mtok=(0.0, 0.0))
    classes = problem.classes.assign(ttft_limit_ms=[100.0, np.inf])
    compute_ms = np.array([[7.0], [9.0]])
    problem = replace(problem, classes=classes, compute_ms=compute_ms, queue_margin_share=0.2, connection_rtts=2.0)
    table = latency_of(problem)
    chat = table.loc["chat"]
    parts = ["queue_margin_ms", "compute_ms", "way_ms", "ttft_left_ms"]
    assert chat[["ttft_limit_ms", *parts]].tolist() == pytest.approx([100.0, 20.0, 7.0, 50.0, 23.0])
    # (100 - 20 - 7) / 2 = 36.5 ms is more than the 30 ms stated.
    limits = ["rtt_budget_ms", "stated_rtt_limit_ms", "rtt_limit_ms", "worst_rtt_ms", "slack_ms", "mean_rtt_ms"]
    assert chat[limits].tolist() == pytest.approx([36.5, 30.0, 30.0, 25.0, 5.0, 24.0])
    assert chat["data_center"] == "west"
    batch = table.loc["batch"]
    assert batch[["ttft_limit_ms", "ttft_left_ms", "rtt_limit_ms", "slack_ms"]].isna().all()
    assert batch[["worst_rtt_ms", "mean_rtt_ms"]].tolist() == pytest.approx([25.0, 24.0])


def test_table_takes_the_budget_where_it_is_less_than_the_stated_limit() -> None:
    problem = budgeted([[5.0, 3.0], [0.0, 0.0]], rtt_limit_ms=(30.0, np.inf), latency_cny_per_ms_per_mtok=(0.0, 0.0))
    chat = latency_of(problem).loc["chat"]
    # The slower of the two accelerators, 5 ms of 30, leaves 25.
    assert chat[["compute_ms", "rtt_budget_ms", "rtt_limit_ms", "slack_ms"]].tolist() == pytest.approx([5, 25, 25, 0])


def test_class_that_serves_nothing_has_no_way() -> None:
    problem = toy_problem(demand_mtok_per_h=(0.0, 100.0, 0.0, 100.0), rtt_limit_ms=(30.0, np.inf))
    chat = latency_of(problem).loc["chat"]
    assert chat[["worst_rtt_ms", "rtt_limit_ms", "mean_rtt_ms"]].isna().all()
    assert chat["stated_rtt_limit_ms"] == 30.0
    assert chat["data_center"] == ""


def test_solve_prints_and_stores_the_sum_by_class(toy: ToyScenario, tmp_path: Path) -> None:
    toy(chat={"ttft_limit_ms": 17})
    run = solve_scenario(tmp_path / "toy.yaml", out=tmp_path / "run")
    lines = describe_run(run).splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("First token, ms"))
    assert " ".join(lines[head].split()[3:]) == "limit queue computing way left RTT limit worst RTT mean RTT"
    name, *cells = lines[head + 1].split()
    limit, queue, computing, way, left, rtt_limit, worst, _ = map(float, cells)
    assert (name, limit, queue, computing, rtt_limit) == ("chat", 17.0, 5.1, 4.7, 7.2)
    assert queue + computing + way + left == pytest.approx(limit, abs=0.3)  # each cell is rounded
    assert way == worst <= rtt_limit
    assert lines[head + 2] == ""  # batch has no limit
    assert (tmp_path / "run" / "latency.parquet").exists()
    assert verify_run(open_run(tmp_path / "run")).is_verified


# The price war: cheaper tokens make a millisecond cheaper


@pytest.mark.parametrize(("token_price_cny", "share_west"), [(40.0, 0.0), (1.0, 1.0)])
def test_cheaper_tokens_send_work_west(toy: ToyScenario, token_price_cny: float, share_west: float) -> None:
    """At 40 CNY a million tokens latency keeps chat of the eastern metro in the east; at 1 CNY its power is cheaper."""
    east_only = {"nodes": lambda rows: [{**row, "demand_weight": float(row["id"] == "metro_a")} for row in rows]}
    problem = toy(chat={"token_price_cny_per_mtok": token_price_cny}, tables=east_only)
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert solution.plan is not None
    tokens = problem.weight_h @ solution.plan.flow_mtok_per_h
    is_chat = problem.candidate_class == 0
    is_west = problem.candidates["data_center_index"].to_numpy() == 1
    assert tokens[is_chat & is_west].sum() / tokens[is_chat].sum() == pytest.approx(share_west)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=6)
def test_cheaper_tokens_never_shorten_the_ways(seed: int) -> None:
    """At exact optima of price x latency + rest, a lower price never lowers the latency, weighed by its value."""
    problem = random_problem(np.random.default_rng(seed), 2)
    value = problem.classes["latency_cny_per_ms_per_mtok"].to_numpy(float)
    assume(value.any())
    spent = []
    for price in (1.0, 0.3, 0.0):
        priced = replace(problem, classes=problem.classes.assign(latency_cny_per_ms_per_mtok=value * price))
        solution = solve_whole(priced, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
        assume(solution.plan is not None)
        assert solution.plan is not None
        ms_mtok = problem.weight_h @ solution.plan.flow_mtok_per_h * problem.candidates["rtt_ms"].to_numpy(float)
        spent.append(float(ms_mtok @ value[problem.candidate_class]))
    assert spent[0] <= spent[1] * (1 + 1e-6) + 1e-3
    assert spent[1] <= spent[2] * (1 + 1e-6) + 1e-3

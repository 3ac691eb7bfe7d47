"""Necessary conditions: the first that fails is named with its numbers; a problem with a plan fails none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toy_problems import random_problem, toy_problem

from optimizer.infeasibility.conditions import check_conditions, first_failure
from optimizer.infeasibility.relaxations import Condition
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.greedy import evaluate_baselines
from optimizer.solvers.solve import solve_whole


def failure(**options: Any) -> Condition:
    """First failure of a toy that must have one, and that the solver finds infeasible too."""
    problem = toy_problem(**options)
    found = first_failure(problem)
    assert found is not None
    solution = solve_whole(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control())
    assert solution.termination == Termination.INFEASIBLE
    return found


def test_toy_fails_nothing() -> None:
    conditions = list(check_conditions(toy_problem(indivisible=(True, False), min_share=(0.25, 0.0))))
    assert [c.name for c in conditions] == [
        "total capacity", "capacity within reach", "sites of chat", "sites of batch", "single places",
    ]  # fmt: skip
    assert all(c.holds for c in conditions)


def test_total_accelerators_are_too_few() -> None:
    # 2 + 3 pods x 50 = 250 of 400 mtok/h; on full pods 100 mtok/h take 4 MW.
    found = failure(existing_pods=(1, 2), max_new_pods=(1, 1))
    assert found.name == "total capacity"
    assert found.short_mtok_per_h == pytest.approx(150.0)
    assert found.short_mw == pytest.approx(6.0)
    assert "150.00 mtok/h (6.000 MW of IT power)" in found.message
    assert "30 accelerators in place, 20 more that may be bought" in found.message


def test_total_power_is_too_little_in_the_worst_slice() -> None:
    # 16 MW are needed at full demand; 4 + 5 MW carry 225 mtok/h of the busier slice's 400.
    found = failure(it_capacity_mw=(4.0, 5.0), profile=(0.5, 1.0))
    assert found.name == "total capacity"
    assert found.short_mtok_per_h == pytest.approx(175.0)
    assert found.short_mw == pytest.approx(7.0)
    assert "day_0 12:00" in found.message


def test_capacity_within_reach_names_who_and_by_how_many_ms() -> None:
    # Chat asks for 200 mtok/h within 10 ms, and only the east (3 and 5 ms) is that near: 3 pods, 150 mtok/h.
    found = failure(rtt_limit_ms=(10.0, np.inf), existing_pods=(3, 20), max_new_pods=(0, 0))
    assert found.name == "capacity within reach"
    assert found.short_mtok_per_h == pytest.approx(50.0)
    assert found.short_ms == pytest.approx(13.0)  # alpha reaches the west in 23 ms
    assert found.message.startswith("chat of alpha, beta reach only east:")
    assert "13.00 ms beyond the RTT limit" in found.message
    assert "batch" not in found.message


def test_work_that_may_wait_counts_over_the_day() -> None:
    # Batch asks for 200 mtok/h only in the first slice but may wait 12 h; over the day 4 pods are 50 mtok/h short:
    # mean demand 200 chat + 200 x mean factor 1 batch = 400, capacity 350.
    found = failure(deferrable_h=12, existing_pods=(4, 3), max_new_pods=(0, 0))
    assert found.name == "total capacity"
    assert found.short_mtok_per_h == pytest.approx(50.0)
    assert "work that may wait included" in found.message


def test_too_few_sites_for_the_reach() -> None:
    # Alpha's chat reaches the east only and beta's too; with a limit of 4 ms beta reaches nothing and is refused at
    # assembly, so the sites of chat are tested where alpha and beta have different places.
    problem = toy_problem(rtt_limit_ms=(10.0, np.inf))
    candidates = problem.candidates
    # Let beta's chat use the west alone: its fibre to the east is gone.
    west = candidates["workload_index"].eq(2)
    candidates.loc[west, "data_center_index"] = 1
    problem.classes.loc[0, "max_sites"] = 1
    found = first_failure(problem)
    assert found is not None
    assert found.name == "sites of chat"
    assert "needs at least 2 data center(s)" in found.message
    assert "max_sites allows 1" in found.message


def test_least_share_that_no_data_center_can_take() -> None:
    # 90 % of 360 mtok/h of chat are 324; 6 pods carry 300, and 7 carry 350.
    options = {"min_share": (0.9, 0.0), "demand_mtok_per_h": (180.0, 1.0, 180.0, 1.0), "existing_pods": (6, 6)}
    found = failure(**options, max_new_pods=(0, 0))
    assert found.name == "sites of chat"
    assert "must take 0.9 of its tokens, 324.00 mtok/h" in found.message
    assert found.short_mtok_per_h == pytest.approx(324.0)
    # With 8 pods one data center takes all of it.
    assert first_failure(toy_problem(**options, max_new_pods=(2, 2))) is None


def test_indivisible_workload_that_fits_nowhere_whole() -> None:
    # Alpha's chat asks for 100 mtok/h; 1 + 1 pods hold 50 each, which is enough for both halves but not for the whole.
    found = failure(
        indivisible=(True, False),
        demand_mtok_per_h=(100.0, 0.001, 0.001, 0.001),
        existing_pods=(1, 1),
        max_new_pods=(0, 1),
        it_capacity_mw=(100.0, 3.0),
    )
    assert found.name == "single places"
    assert "chat of alpha must stay in one data center" in found.message
    assert found.short_mtok_per_h == pytest.approx(25.0)  # 3 MW in the west carry 75
    assert found.short_mw == pytest.approx(1.0)


def test_links_alone_are_not_among_the_conditions() -> None:
    problem = toy_problem(link_capacity_gbps=(0.5, 0.5, 0.5, 0.5))
    assert first_failure(problem) is None
    solution = solve_whole(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control())
    assert solution.termination == Termination.INFEASIBLE


def test_shedding_makes_everything_feasible() -> None:
    assert first_failure(toy_problem(existing_pods=(0, 0), max_new_pods=(0, 0), shed_penalty_cny_per_mtok=1.0)) is None


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_problem_with_a_plan_fails_nothing(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed))
    assume(any(baseline.is_feasible for baseline in evaluate_baselines(problem, "east")))
    assert first_failure(problem) is None


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), pods=st.integers(0, 2))
def test_failure_means_infeasible(seed: int, pods: int) -> None:
    problem = random_problem(np.random.default_rng(seed))
    problem.pools["max_new_pods"] = 0
    problem.pools["existing_pods"] = np.minimum(problem.pools["existing_pods"], pods)
    problem.pools["min_pods"] = 0
    assume(first_failure(problem) is not None)
    solution = solve_whole(problem, mip_rel_gap=1e-6, seed=1, threads=1, control=Control())
    assert solution.termination == Termination.INFEASIBLE


def test_model_that_no_data_center_can_keep_loaded() -> None:
    # 6 pods of 10 accelerators in either place: too few for a model that takes 61.
    options = {"existing_pods": (5, 5), "max_new_pods": (1, 1), "demand_mtok_per_h": (50.0, 0.0, 50.0, 0.0)}
    found = failure(min_accelerators=(61, 0), **options)
    assert found.name == "sites of chat"
    assert "keeps 61 accelerators on; the largest data center in its reach has 60" in found.message
    assert first_failure(toy_problem(min_accelerators=(60, 0), **options)) is None

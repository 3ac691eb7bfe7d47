"""What is said before solving of failures that cannot be survived; the toy's numbers as in test_resilience."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_resilience import FREE, solve
from toy_problems import random_problem, toy_problem

from optimizer.infeasibility.conditions import first_failure
from optimizer.solvers.control import Termination


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        (
            {"max_new_pods": (3, 0)},  # 3 pods in the east: 150 of 200 mtok/h
            "capacity after the loss of a data center",
            "should west fail, all data centers together are too small: 50.00 mtok/h",
        ),
        (
            {"it_capacity_mw": (6.0, 100.0)},  # 6 of 8 MW
            "capacity after the loss of a data center",
            "should west fail, all data centers together are too small: 50.00 mtok/h (2.000 MW of IT power)",
        ),
        (
            {"rtt_limit_ms": (10.0, np.inf), "existing_pods": (4, 10)},
            "capacity after the loss of a data center",
            "should east fail, chat of alpha, beta reach only no data center: 200.00 mtok/h",
        ),
        (
            {"max_sites": (1, 2)},
            "two places for what must not wait",
            "resilience.survive needs chat in two data centers; max_sites allows one",
        ),
    ],
)
def test_what_cannot_survive_is_said_before_solving(options: dict[str, Any], name: str, words: str) -> None:
    problem = toy_problem(**FREE | options)
    assert solve(problem).termination == Termination.INFEASIBLE
    failure = first_failure(problem)
    assert failure is not None
    assert failure.name == name
    assert words in failure.message


@given(seed=st.integers(0, 2**31), size=st.integers(1, 3))
@settings(max_examples=10)
def test_no_condition_fails_where_there_is_a_plan(seed: int, size: int) -> None:
    problem = random_problem(np.random.default_rng(seed), size, survives=True)
    if first_failure(problem) is not None:
        assert solve(problem).termination == Termination.INFEASIBLE

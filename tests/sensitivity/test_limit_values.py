"""What the rules that leave routes out are worth, and that no rule is credited with what another forbids too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from toy_problems import toy_problem

from optimizer.model.compile import compile_model
from optimizer.problem.problem import PlacementProblem
from optimizer.sensitivity.duals import limit_values
from optimizer.solvers.control import Control
from optimizer.solvers.fixed_integers import solve_fixed_integers
from optimizer.solvers.solve import solve_whole

# Chat of beta in the west takes 25 ms, 1 ms too long; chat of alpha 23 ms. 4 MW serve 100 mtok/h, so a mtok takes
# 0.04 MWh of IT power: 30 CNY in the east (PUE 1.5, 500 CNY/MWh), 14.4 in the west (1.2, 300). On the way, beta's chat
# costs 0.1 CNY a ms and 0.01 Gbps h x the price of each link; what the limit forbids saves the difference.
LATE_BETA = {"rtt_limit_ms": (24.0, float("inf"))}
EAST_CNY_PER_MTOK = 30.0 + 0.1 * 5 + 0.01 * 1.0
WEST_CNY_PER_MTOK = 14.4 + 0.1 * 25 + 0.01 * (1.0 + 10.0)
SAVING_CNY_PER_YEAR = (EAST_CNY_PER_MTOK - WEST_CNY_PER_MTOK) * 100.0 * 8760.0


def values(problem: PlacementProblem) -> dict[str, float]:
    solution = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert solution.plan is not None
    compiled = compile_model(problem)
    return limit_values(problem, compiled, solve_fixed_integers(problem, compiled, solution.plan))


def test_rtt_limit_is_worth_what_the_late_route_would_save() -> None:
    assert values(toy_problem(**LATE_BETA))["RTT limits"] == pytest.approx(SAVING_CNY_PER_YEAR)


@pytest.mark.parametrize(
    ("late_ms", "is_barred", "is_unprotected", "name"),
    [
        (1.0, True, False, "RTT limits and residency rules together"),
        (0.0, True, False, "residency rules"),
        (0.0, False, True, "second routes"),
    ],
)
def test_each_reason_is_credited_alone(late_ms: float, is_barred: bool, is_unprotected: bool, name: str) -> None:  # noqa: FBT001
    problem = toy_problem(**LATE_BETA)
    reasons = {"late_ms": late_ms, "is_barred": is_barred, "is_unprotected": is_unprotected}
    found = values(replace(problem, left_out=problem.left_out.assign(**reasons)))
    assert found[name] == pytest.approx(SAVING_CNY_PER_YEAR)
    assert not ({"RTT limits", "residency rules", "second routes"} - {name}) & set(found)


def test_nothing_left_out_is_worth_nothing() -> None:
    assert "RTT limits" not in values(toy_problem())

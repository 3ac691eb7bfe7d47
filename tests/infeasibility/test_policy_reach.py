"""A policy that no plan can meet is found before solving, and named with the numbers; one with a plan never is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_problems import random_problem, toy_problem
from toy_scenario import ToyScenario

from network_data import InputError
from optimizer.checker.facts import PlanFacts
from optimizer.checker.limits import processed_mtok_per_year, spending_cny_per_year
from optimizer.infeasibility.conditions import check_policies, first_failure
from optimizer.problem.problem import NO_LIMITS, PlacementProblem, PolicyLimits
from optimizer.runs.results import green_share
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.solve import solve_whole


def failure(policy: dict[str, Any], **options: Any) -> str:
    """Message of the first failure of a toy that must have one, and that the solver finds infeasible too."""
    problem = toy_problem(policy=policy, **options)
    found = first_failure(problem)
    assert found is not None
    assert found.name.startswith("policy: ")
    assert is_infeasible(problem)
    return found.message


def is_infeasible(problem: PlacementProblem) -> bool:
    solution = solve_whole(problem, mip_rel_gap=1e-4, seed=1, threads=1, control=Control(time_limit_s=60))
    assert solution.termination in {Termination.OPTIMAL, Termination.INFEASIBLE}
    return solution.termination == Termination.INFEASIBLE


def test_policy_in_reach_holds_and_without_a_policy_nothing_is_said() -> None:
    assert list(check_policies(toy_problem())) == []
    problem = toy_problem(policy={"min_region_share": {"west": 0.5}, "min_green_share": 0.5})
    conditions = list(check_policies(problem))
    assert [c.name for c in conditions] == [
        "policy: min_region_share.west = 0.5",
        "policy: min_green_share = 0.5",
        "policy: all demands together",
    ]
    assert all(c.holds for c in conditions)


def test_region_without_enough_capacity() -> None:
    """6 pods in the west carry 300 of 400 mtok/h."""
    message = failure({"min_region_share": {"west": 0.8}}, existing_pods=(10, 6), max_new_pods=(0, 0))
    assert message.startswith(
        "min_region_share.west = 0.8 cannot be met: the data centers of west can serve at most 75.00%"
    )


def test_region_out_of_reach() -> None:
    """Chat, half of the tokens, reaches the east alone within 10 ms."""
    message = failure({"min_region_share": {"west": 0.6}}, rtt_limit_ms=(10.0, np.inf))
    assert "at most 50.00% of all tokens (RTT limits and residency let 50.00% of the tokens go there)" in message


def test_green_share_above_what_capacity_gives() -> None:
    """West, 80 % green, carries 300 mtok/h with 14.4 MW; east 100 with 6 MW: (11.52 + 1.8) / 20.4 = 65.29 %."""
    message = failure({"min_green_share": 0.7}, existing_pods=(10, 6), max_new_pods=(0, 0))
    assert "green power contracts can cover at most 65.29% of the energy" in message


def test_models_kept_loaded_may_raise_the_green_share() -> None:
    """Idle accelerators at the green data center count: what (6e) lets idle is not forgotten by the condition."""
    problem = toy_problem(
        policy={"min_green_share": 0.655}, existing_pods=(10, 6), max_new_pods=(0, 0), min_accelerators=(30, 60)
    )
    assert first_failure(problem) is None or is_infeasible(problem)


def test_carbon_cap_below_the_least_emission() -> None:
    """West at 0.6 kg/kWh emits 2.88 t an hour and workload, east at 0.5 emits 3.0: 4 x 2.88 x 8760 = 100,915 t."""
    message = failure({"carbon_cap_t_per_year": 100_000.0})
    assert message == (
        "carbon_cap_t_per_year = 100,000 cannot be met: serving all tokens emits at least 100,915 t a year"
    )


def test_utilization_that_closes_everything() -> None:
    """100 pods at either place have 1000 accelerators; all work keeps 40 of them busy."""
    message = failure({"min_utilization_share": 0.45}, existing_pods=(100, 100), max_new_pods=(0, 0))
    assert "keep the accelerators of east at most 4.00%, west at most 4.00% busy, so they must stay closed" in message


def test_utilization_that_closes_what_is_needed() -> None:
    """East has 200 accelerators and, in the reach of chat alone, work for 20; chat reaches nothing else."""
    options = {"existing_pods": (20, 10), "max_new_pods": (0, 0), "demand_mtok_per_h": (100.0, 0.0, 100.0, 0.0)}
    message = failure({"min_utilization_share": 0.2}, rtt_limit_ms=(10.0, np.inf), **options)
    assert "east at most 10.00%" in message


def test_investment_limit_below_what_demand_takes() -> None:
    """400 mtok/h take 8 pods; at the peak of 1.8 times the mean 14.4, where west's cost 4.5 million and east's 5."""
    options = {"existing_pods": (0, 0), "max_new_pods": (10, 10)}
    message = failure({"investment_limit_cny": 30.0e6}, **options)
    assert "takes new pods for at least 36,000,000 CNY up front" in message
    message = failure({"investment_limit_cny": 60.0e6}, **options, profile=(0.2, 1.8))
    assert "the busiest slice (day_0, hour 12) takes new pods for at least 67,000,000 CNY up front" in message


def test_more_new_compute_than_there_is_room_for() -> None:
    """400 mtok/h take 8 pods; 4 fit in the west."""
    options = {"existing_pods": (0, 0), "max_new_pods": (10, 4)}
    message = failure({"min_new_compute_share": {"west": 0.8}}, **options)
    assert "at most 50.00% of the compute that must be bought can stand in west" in message


def test_spending_limit_below_the_least_energy_bill() -> None:
    """4 x 1440 CNY an hour."""
    message = failure({"spending_limit_cny_per_year": 1.0e6})
    assert "serving all tokens costs data centers at least 50,457,600 CNY a year" in message


def test_demands_that_contradict_each_other() -> None:
    """
    West emits 4.8 x 0.8 = 3.84, east 6 x 0.4 = 2.4 t an hour and workload; 4 workloads in the east emit 84,096 t.

    A cap of 89,000 t leaves 0.5598 t an hour to go west, 0.3888 of 4 workloads; 80 % in the west would emit 124,462 t.
    """
    policy = {"min_region_share": {"west": 0.8}, "carbon_cap_t_per_year": 89_000.0}
    message = failure(policy, carbon_kg_per_kwh=(0.4, 0.8))
    assert (
        "min_region_share.west = 0.8: with the others kept, the data centers of west can serve at most 9.72%" in message
    )
    assert (
        "carbon_cap_t_per_year = 89,000: with the others kept, serving all tokens emits at least 124,462 t" in message
    )


def test_shedding_lets_every_policy_be_met() -> None:
    policy = {"carbon_cap_t_per_year": 0.0, "min_region_share": {"west": 1.0}, "min_utilization_share": 0.5}
    assert first_failure(toy_problem(policy=policy, shed_penalty_cny_per_mtok=1.0)) is None


def with_policy(seed: int) -> PlacementProblem:
    rng = np.random.default_rng(seed)
    problem = random_problem(rng)
    while not problem.policy.is_active:
        problem = random_problem(rng)
    return problem


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_failure_of_a_policy_means_infeasible(seed: int) -> None:
    problem = with_policy(seed)
    found = first_failure(problem)
    if found is not None:
        assert is_infeasible(problem), found.message


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), hardness=st.floats(0.3, 1.0))
def test_hard_demands_are_never_called_impossible_where_a_plan_meets_them(seed: int, hardness: float) -> None:
    """Demand what a plan happens to achieve, in part or all of it."""
    problem = replace(random_problem(np.random.default_rng(seed)), policy=NO_LIMITS)
    solution = solve_whole(problem, mip_rel_gap=1e-2, seed=1, threads=1, control=Control(time_limit_s=60))
    if solution.plan is None:
        return
    facts = PlanFacts(problem, solution.plan)
    mtok = processed_mtok_per_year(facts)
    regions = problem.data_centers["region"].to_numpy(str)
    shares = {r: hardness * float(mtok[regions == r].sum() / max(mtok.sum(), 1.0)) for r in set(regions)}
    policy = PolicyLimits(
        min_region_share=shares,
        min_green_share=hardness * (green_share(facts) or 0.0),
        carbon_cap_t_per_year=float(facts.carbon_t_per_year.sum()) / hardness,
        investment_limit_cny=facts.investment_cny / hardness,
        spending_limit_cny_per_year=spending_cny_per_year(facts) / hardness,
    )
    assert first_failure(replace(problem, policy=policy)) is None


# What contradicts the network is a fault of the input.


@pytest.fixture
def toy(tmp_path: Path) -> ToyScenario:
    return ToyScenario(tmp_path)


def test_policy_reaches_the_problem(toy: ToyScenario) -> None:
    policy = {"min_region_share": {"west": 0.25, "east": 0}, "min_green_share": 0.1, "carbon_cap_t_per_year": 5e4}
    assert toy().policy == NO_LIMITS
    found = toy(policy=policy).policy
    assert found == PolicyLimits(min_region_share={"west": 0.25}, min_green_share=0.1, carbon_cap_t_per_year=5e4)


def test_contradictions_with_the_network_are_all_told_at_once(toy: ToyScenario) -> None:
    policy = {"min_region_share": {"wst": 0.2}, "min_green_share": 0.99, "min_utilization_share": 0.9}
    policy |= {"min_new_compute_share": {"national_clusters": 0.6, "west": 0.1}}
    with pytest.raises(InputError) as caught:
        toy(policy=policy)
    faults = {fault.column: fault for fault in caught.value.faults}
    assert faults.keys() == {
        "policy.min_region_share.wst",
        "policy.min_new_compute_share.national_clusters",
        "policy.min_green_share",
        "policy.min_utilization_share",
    }
    assert "Did you mean 'national_cluster'?" in faults["policy.min_new_compute_share.national_clusters"].remedy
    assert "Did you mean 'west'?" in faults["policy.min_region_share.wst"].remedy
    assert "the highest green_power_share is" in faults["policy.min_green_share"].problem
    assert "fleet.utilization_limit = 0.8" in faults["policy.min_utilization_share"].problem


def test_region_shares_above_one_are_refused(toy: ToyScenario) -> None:
    with pytest.raises(InputError) as caught:
        toy(policy={"min_region_share": {"west": 0.6, "east": 0.5}})
    (fault,) = caught.value.faults
    assert fault.column == "policy.min_region_share"
    assert "sum to 1.1, more than all tokens: 0.6 (west) + 0.5 (east)" in fault.problem

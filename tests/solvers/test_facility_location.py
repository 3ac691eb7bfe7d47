"""A facility-location instance, written in the native tables alone, is solved to the optimum that enumeration finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_facility import optimal_cost

from network_data import load_network
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.control import Control, Solution, Termination
from optimizer.solvers.solve import solve_whole
from optimizer.validation.facility_files import FacilityInstance, write_facility_files
from scenarios import load_scenario

Solver = Callable[..., Solution]


def load_instance(folder: Path, instance: FacilityInstance) -> PlacementProblem:
    scenario = load_scenario(write_facility_files(folder, instance))
    return assemble_problem(load_network(scenario.network), scenario)


def solve(problem: PlacementProblem, solver: Solver) -> Solution:
    return solver(problem, mip_rel_gap=1e-7, seed=1, threads=1, control=Control(time_limit_s=20))


def random_instance(seed: int, facilities: int, customers: int, *, is_single_sourced: bool) -> FacilityInstance:
    """Draw costs without a triangle inequality, some of them zero, and capacities of about twice the demand."""
    rng = np.random.default_rng(seed)
    demand = rng.integers(3, 15, customers)
    capacity = np.maximum(
        rng.integers(5, 30, facilities), np.ceil(2 * demand.sum() / facilities * rng.uniform(0.5, 1.2))
    )
    cost = np.where(rng.random((facilities, customers)) < 0.1, 0, rng.integers(1, 60, (facilities, customers)))
    opening = rng.integers(0, 120, facilities)
    lists: list[Any] = [array.astype(float).tolist() for array in (opening, capacity, demand, cost)]
    return FacilityInstance(*lists, is_single_sourced=is_single_sourced)


# Two facilities of capacity 10 and three customers of 6, 5 and 4. Splitting, both are full or nearly so: all of
# customer 0 at facility 0 (cost 6), all of customer 1 at facility 1 (5), and customer 2 wherever room is left (4 at
# facility 0 costs 0). Customer 2 fits beside customer 0: 6 + 4 = 10. Total: opening 7 + 8, serving 6 + 5 + 0 = 26.
WORKED = {
    "opening_cost": [7.0, 8.0],
    "capacity": [10.0, 10.0],
    "demand": [6.0, 5.0, 4.0],
    "assignment_cost": [[6.0, 20.0, 0.0], [30.0, 5.0, 8.0]],
}


def test_mapping_carries_every_number_of_the_instance(tmp_path: Path) -> None:
    instance = FacilityInstance(**WORKED, is_single_sourced=False)
    problem = load_instance(tmp_path, instance)
    assert problem.data_centers["opening_cny_per_year"].tolist() == instance.opening_cost
    assert problem.data_centers["it_capacity_mw"].tolist() == instance.capacity
    assert problem.demand_mtok_per_h == pytest.approx(np.array([instance.demand]))
    assert problem.accel_h_per_mtok == pytest.approx(1000.0)  # of 1 kW each: 1 MW for 1 mtok per hour
    assert problem.weight_h.tolist() == [8760.0]
    served = problem.candidates.assign(units=problem.demand_mtok_per_h[0, problem.candidates["workload_index"]])
    latency = problem.classes["latency_cny_per_ms_per_mtok"].iloc[0]
    cny = (8760 * latency * served["rtt_ms"] * served["units"]).to_numpy()
    table = np.zeros((2, 3))
    table[served["data_center_index"], served["workload_index"]] = cny
    assert table == pytest.approx(np.array(instance.assignment_cost))
    assert not problem.links["is_limiting"].any()


@pytest.mark.parametrize("solver", [solve_whole, solve_decomposed])
@pytest.mark.parametrize("is_single_sourced", [False, True], ids=["split", "single"])
class TestOptimum:
    def test_worked_instance(self, tmp_path: Path, solver: Solver, *, is_single_sourced: bool) -> None:
        instance = FacilityInstance(**WORKED, is_single_sourced=is_single_sourced)
        solution = solve(load_instance(tmp_path, instance), solver)
        assert solution.objective_cny == pytest.approx(26.0)
        assert optimal_cost(instance) == pytest.approx(26.0)

    def test_tight_capacity_makes_splitting_worth_it(
        self, tmp_path: Path, solver: Solver, *, is_single_sourced: bool
    ) -> None:
        # Customers 0 and 1 of 6 each, both at home in facility 0 of capacity 10, where serving is free. Split: 2 units
        # go to facility 1 at 1 each. Undivided: one customer of 6 has to go, at 6.
        instance = FacilityInstance([0.0, 0.0], [10.0, 10.0], [6.0, 6.0], [[0.0, 0.0], [6.0, 6.0]], is_single_sourced)
        solution = solve(load_instance(tmp_path, instance), solver)
        assert solution.objective_cny == pytest.approx(6.0 if is_single_sourced else 2.0)

    @pytest.mark.parametrize(
        ("seed", "facilities", "customers"), [(1, 3, 5), (2, 4, 6), (3, 3, 7), (4, 4, 5), (5, 5, 5)]
    )
    def test_random_instance(
        self, tmp_path: Path, solver: Solver, seed: int, facilities: int, customers: int, *, is_single_sourced: bool
    ) -> None:
        instance = random_instance(seed, facilities, customers, is_single_sourced=is_single_sourced)
        solution = solve(load_instance(tmp_path, instance), solver)
        assert solution.termination is Termination.OPTIMAL
        assert solution.objective_cny == pytest.approx(optimal_cost(instance), rel=1e-6)
        assert solution.mip_rel_gap <= 1e-6

    def test_too_little_capacity_is_infeasible(
        self, tmp_path: Path, solver: Solver, *, is_single_sourced: bool
    ) -> None:
        instance = FacilityInstance([1.0, 1.0], [4.0, 4.0], [5.0, 4.0], [[1.0, 1.0], [1.0, 1.0]], is_single_sourced)
        solution = solve(load_instance(tmp_path, instance), solver)
        assert solution.termination is Termination.INFEASIBLE
        assert solution.plan is None


def test_facilities_open_as_enumeration_opens_them(tmp_path: Path) -> None:
    # Facility 2 serves everyone for 9, the other two together for 4 + 4 + 2 = 10.
    instance = FacilityInstance(
        [4.0, 4.0, 6.0], [10.0, 10.0, 20.0], [5.0, 5.0], [[1.0, 9.0], [9.0, 1.0], [1.0, 2.0]], is_single_sourced=True
    )
    solution = solve(load_instance(tmp_path, instance), solve_whole)
    assert solution.plan is not None
    assert solution.plan.is_open.tolist() == [0, 0, 1]
    assert solution.objective_cny == pytest.approx(9.0)

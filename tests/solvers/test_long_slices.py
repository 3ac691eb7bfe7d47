"""A first look with few, long slices: what it keeps of the hours, and that what it learns holds for each of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from toy_problems import toy_problem

from optimizer.problem.problem import PlacementProblem
from optimizer.solvers.benders import long_slices, scouting
from optimizer.solvers.benders.aggregation import SLICES_PER_DAY, merge_hours
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.benders.long_slices import LongSlices
from optimizer.solvers.benders.plan_search import Choice, ExactCosts, PlanSearch
from optimizer.solvers.benders.refinement import Refinement
from optimizer.solvers.benders.scouting import SCOUTS_PATIENCE, Scouting
from optimizer.solvers.control import Control
from optimizer.solvers.solve import solve_whole

HOURS = np.arange(24)
DEMAND = 0.6 + 0.3 * np.sin((HOURS - 8) * np.pi / 12)
DEMAND[20] = 1.4  # the peak, an hour long
PRICES = tuple((500.0 if 8 <= hour < 22 else 250.0, 300.0 + 5.0 * hour) for hour in HOURS)


def a_day(**options: Any) -> PlacementProblem:
    return toy_problem(
        **{
            "slices_per_day": 24,
            "profile": tuple(DEMAND),
            "energy_price_cny_per_mwh": PRICES,
            "deploy_cny_per_year": (2e5, 3e5),
            "opening_cny_per_year": (2e6, 1e6),
        }
        | options
    )


def test_hours_become_few_slices_that_keep_totals_and_the_peak() -> None:
    problem = a_day()
    merged = merge_hours(problem)
    few = merged.problem
    assert len(few.slices) == SLICES_PER_DAY
    assert few.weight_h.sum() == pytest.approx(problem.weight_h.sum())
    assert few.annual_mtok == pytest.approx(problem.annual_mtok)
    assert few.demand_mtok_per_h.max() == pytest.approx(problem.demand_mtok_per_h.max())
    assert few.slice_h.tolist() == [np.count_nonzero(merged.slice_of == n) for n in range(SLICES_PER_DAY)]
    assert few.slices["previous_index"].tolist() == [SLICES_PER_DAY - 1, *range(SLICES_PER_DAY - 1)]
    # What all of the work would cost at one place is what it costs hour by hour.
    for each in range(2):
        hourly = problem.weight_h * problem.demand_mtok_per_h.sum(axis=1) * problem.energy_price_cny_per_mwh[:, each]
        long = few.weight_h * few.demand_mtok_per_h.sum(axis=1) * few.energy_price_cny_per_mwh[:, each]
        assert long.sum() == pytest.approx(hourly.sum())


def test_each_day_is_cut_and_keeps_its_own_prices() -> None:
    prices = (*PRICES, *((east * 2, west * 2) for east, west in PRICES))
    problem = a_day(day_months=(5.0, 7.0), profile=(*DEMAND, *(0.9 * DEMAND)), energy_price_cny_per_mwh=prices)
    merged = merge_hours(problem)
    first, second = merged.slice_of[:24], merged.slice_of[24:]
    assert (second == first + SLICES_PER_DAY).all()
    assert merged.problem.slices["day"].tolist() == problem.slices["day"].iloc[[0, 24]].repeat(SLICES_PER_DAY).tolist()
    price = merged.problem.energy_price_cny_per_mwh
    assert price[SLICES_PER_DAY:] == pytest.approx(2 * price[:SLICES_PER_DAY])


def test_slices_longer_than_an_hour_are_left_alone() -> None:
    problem = toy_problem(slices_per_day=12)
    assert merge_hours(problem).problem is problem
    assert LongSlices.of_large(problem, Control(), seed=1) is None


def look(problem: PlacementProblem) -> tuple[LongSlices, Decomposition, Refinement]:
    slices = merge_hours(problem)
    long = LongSlices(problem, slices, Control(), seed=1)
    long.raise_bound(long_slices.MOST_ROUNDS)
    every = Decomposition(problem, seed=1, threads=1)
    return long, every, Refinement(long.of, slices, problem, every.split)


def test_cuts_of_long_slices_hold_at_every_hour() -> None:
    long, every, refined = look(a_day())
    cuts = [*refined.cuts(long.of.pool.cuts), *refined.held()]
    assert len({cut.part for cut in refined.held()}) >= 24
    rng = np.random.default_rng(1)
    for _ in range(20):
        point = rng.uniform(0.0, 1.0, len(every.master.cost)) * every.master.upper
        true = np.concatenate([answer.costs for answer in every.blocks.solve(point)])
        values = np.array([cut.at(point) for cut in cuts])
        assert (values <= true[[cut.part for cut in cuts]] + 1e-6 * np.abs(true).max()).all()
    # And they say nearly all that is to be said: what the routing costs does not depend on the hour.
    every.pool.add(refined.cuts(long.of.pool.cuts))
    every.begin_with(refined.held(), refined.point())
    at_once = every.program.solve()[0]
    every.raise_bound(Control(), least_rounds=100)
    assert at_once == pytest.approx(every.bound_units, rel=0.01)
    assert at_once <= every.bound_units * (1 + 1e-9)


def test_where_the_look_ended_all_work_of_every_hour_is_done() -> None:
    problem = a_day()
    _, every, refined = look(problem)
    point = refined.point()
    assert ((every.master.lower <= point) & (point <= every.master.upper)).all()
    work = every.compiled.columns["Work"].values(every.columns_at(point))
    by_class = np.zeros((24, 2))
    np.add.at(by_class.T, problem.processes["class_index"].to_numpy(), work.T)
    assert by_class == pytest.approx(problem.class_demand_mtok_per_h, rel=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"deferrable_h": 5},
        {"policy": {"min_region_share": {"east": 0.4}}},
        {"survives": (0,), "existing_pods": (4, 4)},
        {"day_months": (5.0, 7.0), "profile": (*DEMAND, *DEMAND), "energy_price_cny_per_mwh": (*PRICES, *PRICES[::-1])},
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_solve_that_looks_ahead_finds_the_optimum(
    options: dict[str, Any], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = a_day(**options)
    whole = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    looks: list[LongSlices] = []
    hand_over = LongSlices.hand_over
    monkeypatch.setattr(long_slices, "LEAST_WORK_COLUMNS", 1)
    monkeypatch.setattr(LongSlices, "hand_over", lambda self, to: (looks.append(self), hand_over(self, to))[1])
    solution = solve_decomposed(problem, mip_rel_gap=1e-5, seed=1, threads=threads, control=Control())
    assert looks
    # Decisions for days that were merged are those for their mean prices.
    allowed = 5e-3 if "day_months" in options else 2e-5
    assert solution.objective_cny == pytest.approx(whole.objective_cny, rel=allowed)
    assert solution.bound_cny <= whole.objective_cny * (1 + 1e-6)


def test_chosen_deployments_serve_all_and_cost_little() -> None:
    """An open data center must be busy for a fifth of the year: what the relaxation uses most need not keep that."""
    problem = a_day(policy={"min_utilization_share": 0.2}, existing_pods=(9, 12), max_new_pods=(0, 0))
    long, every, _ = look(problem)
    chosen = long.choose()
    search = PlanSearch(every, Control(), seed=1)
    costs = [choice.cost_units * every.cny_per_unit for each in chosen if (choice := search.consider(each)) is not None]
    whole = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert min(costs) == pytest.approx(whole.objective_cny, rel=0.03)


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("refused", ["none", "liked"])
def test_what_long_slices_propose_counts_with_its_cost_in_all(
    cores: int, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where all slices refuse what long ones like best."""
    long, every, _ = look(a_day(deploy_cny_per_year=(4e6, 4e6)))
    # Two classes at two data centers: all sets can be tried.
    sets = [frozenset(np.flatnonzero([n >> bit & 1 for bit in range(4)]).tolist()) for n in range(1, 16)]
    in_long, cost_of = ExactCosts(long.of, Control(), seed=1), ExactCosts.of
    liked = min((choice for each in sets if (choice := in_long.of(each)) is not None), key=lambda one: one.cost_units)

    def refuse(costs: ExactCosts, deployed: frozenset[int]) -> Choice | None:
        return None if costs.decomposition is every and deployed == liked.deployed else cost_of(costs, deployed)

    if refused == "liked":
        monkeypatch.setattr(ExactCosts, "of", refuse)
        monkeypatch.setattr(scouting, "MOST_FALSE", 1)
    search = Scouting(every, long.of, Control(), seed=1)
    search.follow(np.full(4, 0.5))
    with ThreadPoolExecutor(1) as second:
        for _ in range(SCOUTS_PATIENCE):
            search.run(5) if cores == 1 else search.run_twice(second, 5)
    costs = ExactCosts(every, Control(), seed=1)
    found = search.take_improved()
    assert found
    assert found[-1] is search.best
    for choice in found:
        again = costs.of(choice.deployed)
        assert again is not None
        assert choice.cost_units == pytest.approx(again.cost_units, rel=1e-9)
    least = min((choice for each in sets if (choice := costs.of(each)) is not None), key=lambda one: one.cost_units)
    assert found[-1].cost_units == pytest.approx(least.cost_units, rel=1e-9)
    assert (least.deployed == liked.deployed) != (refused == "liked")
    assert search.is_over

"""
Deferrable work moves into cheap hours, inside its window, whole: against plans written without any backlog.

The model states (1b) with one backlog and a moving bound. Here work is tracked from the hour it arrives to the hour it
is served: by enumeration on a grid with a first-in-first-out queue, and by a transport program over (arrival, service).
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from toy_problems import toy_problem

from optimizer.checker.check import check_plan
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.solve import solve_whole

ALPHA_BATCH, WEST = 1, 1
MW_PER_MTOK_PER_H = 0.04  # of IT power, in the toy; facility power in the west is 1.2 times that
FREE: dict[str, Any] = {
    "demand_mtok_per_h": (0.0, 100.0, 0.0, 0.0),
    "latency_cny_per_ms_per_mtok": (0.0, 0.0),
    "link_cny_per_gbps_h": (0.0, 0.0, 0.0, 0.0),
    "deploy_cny_per_year": (0.0, 0.0),
    "it_capacity_mw": (0.0, 100.0),  # west alone
    "existing_pods": (0, 40),
    "max_new_pods": (0, 0),
}


def batch_problem(prices: list[float], arrivals: list[float], window_h: int, **options: Any) -> PlacementProblem:
    """Batch of alpha on one day; arrivals in hundreds of mtok/h by slice, prices in the west."""
    return toy_problem(
        **FREE
        | {
            "slices_per_day": len(prices),
            "energy_price_cny_per_mwh": [[5000.0, price] for price in prices],
            "profile": arrivals,
            "deferrable_h": window_h,
        }
        | options
    )


def solved(problem: PlacementProblem, *, by_both: bool = False) -> tuple[Plan, float]:
    """Plan and cost; the checker has nothing to object, and the other method, if asked, finds the same."""
    whole = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert whole.termination == Termination.OPTIMAL
    assert whole.plan is not None
    report = check_plan(problem, whole.plan)
    assert report.is_feasible, report.violations.to_string()
    if not by_both:
        return whole.plan, whole.objective_cny
    parts = solve_decomposed(problem, mip_rel_gap=1e-7, seed=1, threads=1, control=Control(time_limit_s=60))
    assert parts.plan is not None
    assert check_plan(problem, parts.plan).is_feasible
    assert parts.objective_cny == pytest.approx(whole.objective_cny, rel=1e-6)
    return whole.plan, whole.objective_cny


def served(plan: Plan) -> FloatArray:
    """(T,) mtok/h of alpha's batch."""
    return np.asarray(plan.flow_mtok_per_h[:, 2 * ALPHA_BATCH + WEST])


def waits_in_slices(arrivals: FloatArray, service: FloatArray) -> list[int]:
    """
    Serve first in, first out over four days in a row; how many slices each quantum waits from the second day on.

    Raises
    ------
    ValueError
        If something is served before it arrives, or anything is left after a day more than arrived.
    """
    queue: deque[list[float]] = deque()
    waits = []
    count = len(arrivals)
    backlogs = []
    # A cyclic plan may begin with a backlog: start where the running sum of service over arrivals is highest.
    surplus = np.cumsum(service - arrivals)
    start = (int(np.argmax(surplus)) + 1) % count
    for step in range(4 * count):
        t = (start + step) % count
        if arrivals[t] > 0:
            queue.append([step, arrivals[t]])
        left = service[t]
        while left > 1e-6:
            if not queue:
                raise ValueError("served before it arrives")
            taken = min(left, queue[0][1])
            if taken > 1e-6:
                waits.append(step - int(queue[0][0]))
            queue[0][1] -= taken
            left -= taken
            if queue[0][1] <= 1e-6:
                queue.popleft()
        backlogs.append(sum(amount for _, amount in queue))
    if abs(backlogs[-1] - backlogs[count - 1]) > 1e-3:
        raise ValueError("something is lost")
    return waits


def cheapest_by_pairs(problem: PlacementProblem, window_slices: int, power_limit_mw: float = np.inf) -> float:
    """
    Cost of the best plan where each mtok is sent from the slice it arrives in to the slice it is served in.

    A transport program over (arrival, service) of the west's batch alone, without backlogs; the pairs within the
    window wrap around midnight. Peaks have a demand charge if the west has one.
    """
    count = len(problem.slices)
    hours = 24.0 / count
    weight, price = problem.weight_h, problem.energy_price_cny_per_mwh[:, WEST]
    center = problem.data_centers.iloc[WEST]
    charge = 12e3 * float(center["demand_charge_cny_per_kw_month"])
    pairs = [(s, (s + wait) % count) for s in range(count) for wait in range(min(window_slices, count - 1) + 1)]
    facility_mw = MW_PER_MTOK_PER_H * float(center["pue"])
    cost = [weight[t] * price[t] * facility_mw for _, t in pairs] + [charge]
    arrive = np.zeros((count, len(pairs) + 1))
    draw = np.zeros((2 * count, len(pairs) + 1))
    limit = np.concatenate([np.zeros(count), np.full(count, min(power_limit_mw, 1e9))])
    for number, (s, t) in enumerate(pairs):
        arrive[s, number] = hours
        draw[t, number] = facility_mw
        draw[count + t, number] = MW_PER_MTOK_PER_H
    draw[:count, -1] = -1.0
    answer = linprog(
        cost, A_eq=arrive, b_eq=hours * problem.demand_mtok_per_h[:, ALPHA_BATCH], A_ub=draw, b_ub=limit, method="highs"
    )
    assert answer.status == 0, answer.message
    return float(answer.fun)


# A window by hand


@pytest.mark.parametrize(
    ("window_h", "expected"),
    [
        (0, [100.0, 100.0, 100.0, 100.0]),  # urgent: served as it comes
        (6, [0.0, 200.0, 0.0, 200.0]),  # one slice further: 500 -> 100 at once, 400 -> 300
        (12, [0.0, 300.0, 0.0, 100.0]),  # what comes at 18:00 reaches 6:00, what comes at 12:00 only 18:00
        (18, [0.0, 400.0, 0.0, 0.0]),  # what comes at 12:00 waits over midnight to 6:00: 18 h
        (24, [0.0, 400.0, 0.0, 0.0]),
        (72, [0.0, 400.0, 0.0, 0.0]),  # days repeat: three days are a day
    ],
)
def test_work_moves_to_the_cheapest_hour_of_its_window(window_h: int, expected: list[float]) -> None:
    """Four slices at 500, 100, 400 and 300 CNY/MWh; arrivals the same all day; the window wraps around midnight."""
    problem = batch_problem([500.0, 100.0, 400.0, 300.0], [1.0] * 4, window_h)
    plan, cost = solved(problem, by_both=True)
    assert served(plan) == pytest.approx(np.array(expected))
    prices = np.array([500.0, 100.0, 400.0, 300.0])
    assert cost == pytest.approx(365 * 6 * MW_PER_MTOK_PER_H * 1.2 * float(prices @ np.array(expected)))


def test_evening_work_waits_over_midnight_and_no_longer() -> None:
    """All of it arrives from 18:00; it may wait 6 h: the slice after midnight is cheapest in reach, noon is not."""
    problem = batch_problem([200.0, 100.0, 50.0, 400.0], [0.0, 0.0, 0.0, 4.0], 6)
    plan, _ = solved(problem)
    assert served(plan) == pytest.approx(np.array([400.0, 0.0, 0.0, 0.0]))
    assert plan.backlog_mtok[:, ALPHA_BATCH] == pytest.approx([0.0, 0.0, 0.0, 2400.0])


def test_nothing_is_served_early() -> None:
    """The cheapest slice is just before the work arrives; 18 h later it is there again, the next day."""
    prices, arrivals = [50.0, 400.0, 300.0, 200.0], [0.0, 2.0, 0.0, 0.0]
    plan, _ = solved(batch_problem(prices, arrivals, 12))
    assert served(plan) == pytest.approx(np.array([0.0, 0.0, 0.0, 200.0]))
    plan, _ = solved(batch_problem(prices, arrivals, 18))
    assert served(plan) == pytest.approx(np.array([200.0, 0.0, 0.0, 0.0]))


def test_each_representative_day_keeps_its_work() -> None:
    """A cheap day does not serve the work of a dear one, whatever the window."""
    problem = toy_problem(
        **FREE
        | {
            "slices_per_day": 2,
            "day_months": (6.0, 6.0),
            "energy_price_cny_per_mwh": [[5000.0, price] for price in (900.0, 800.0, 20.0, 10.0)],
            "deferrable_h": 72,
        }
    )
    plan, _ = solved(problem)
    assert served(plan) == pytest.approx(np.array([0.0, 200.0, 0.0, 200.0]))


# Against enumeration on a grid


@pytest.mark.parametrize("window_h", [6, 12, 18, 24])
@pytest.mark.parametrize(
    ("prices", "arrivals"),
    [
        ([500.0, 100.0, 400.0, 300.0], [1.0, 2.0, 1.0, 0.0]),
        ([100.0, 120.0, 90.0, 300.0], [0.0, 3.0, 0.0, 1.0]),
        ([300.0, 200.0, 100.0, 400.0], [2.0, 0.0, 2.0, 2.0]),
    ],
)
def test_no_queue_on_a_grid_is_cheaper(prices: list[float], arrivals: list[float], window_h: int) -> None:
    """
    Try every way to serve whole hundreds of mtok/h per slice, and see by a queue which of them keep the window.

    Power is limited to 12 MW, 300 mtok/h, so that the cheapest slice cannot take everything. Prices are linear and
    limits whole hundreds, so some optimum lies on the grid.
    """
    problem = batch_problem(prices, arrivals, window_h, it_capacity_mw=(0.0, 12.0))
    plan, cost = solved(problem, by_both=window_h == 12)
    came = np.array(arrivals)
    best = np.inf
    for steps in itertools.product(range(4), repeat=4):
        service = np.array(steps, dtype=float)
        if service.sum() != came.sum():
            continue
        try:
            waits = waits_in_slices(came, service)
        except ValueError:
            continue
        if max(waits) * 6 <= window_h:
            best = min(best, float(np.array(prices) @ service))
    assert cost == pytest.approx(365 * 6 * MW_PER_MTOK_PER_H * 1.2 * 100.0 * best)
    assert max(waits_in_slices(100.0 * came, served(plan))) * 6 <= window_h


# Against work tracked from arrival to service


@given(
    seed=st.integers(0, 2**31),
    count=st.sampled_from([3, 4, 6, 8]),
    window_h=st.sampled_from([3, 4, 6, 8, 9, 12, 16, 20, 24, 72]),
    has_charge=st.booleans(),
)
@settings(max_examples=15)
def test_backlog_with_a_moving_bound_is_as_exact_as_pairs(
    seed: int,
    count: int,
    window_h: int,
    has_charge: bool,  # noqa: FBT001
) -> None:
    """Random prices and arrivals, sometimes with a demand charge that works against bunching."""
    rng = np.random.default_rng(seed)
    prices = rng.integers(1, 40, count) * 20.0
    arrivals = rng.integers(0, 5, count).astype(float)
    arrivals[rng.integers(count)] += 1.0
    window_slices = window_h // (24 // count)
    limit_mw = float(MW_PER_MTOK_PER_H * 100.0 * np.ceil(arrivals.max() * rng.uniform(1.0, 2.0)))
    problem = batch_problem(
        prices.tolist(),
        arrivals.tolist(),
        window_h,
        it_capacity_mw=(0.0, limit_mw),
        demand_charge_cny_per_kw_month=(0.0, 40.0 if has_charge else 0.0),
    )
    plan, cost = solved(problem)
    assert cost == pytest.approx(cheapest_by_pairs(problem, window_slices, limit_mw), rel=1e-6)
    # Never lost, never early, never late.
    service = served(plan)
    assert service.sum() == pytest.approx(100.0 * arrivals.sum())
    assert max(waits_in_slices(100.0 * arrivals, service)) <= window_slices


@given(window_h=st.sampled_from([0, 6, 12, 18, 24, 48]), seed=st.integers(0, 2**31))
@settings(max_examples=8)
def test_a_longer_window_never_costs_more(window_h: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    prices, arrivals = (rng.integers(1, 10, 4) * 50.0).tolist(), (rng.integers(0, 4, 4) + 1.0).tolist()
    _, short = solved(batch_problem(prices, arrivals, window_h))
    _, longer = solved(batch_problem(prices, arrivals, window_h + 6))
    assert longer <= short * (1 + 1e-9)


# The demand charge against enumeration


@pytest.mark.parametrize("basis", ["monthly_peak", "contracted"])
@pytest.mark.parametrize("charge", [0.0, 20.0, 45.0, 80.0, 200.0])
def test_demand_charge_against_every_split_of_the_work(basis: str, charge: float) -> None:
    """
    Two kinds of day, 9 and 3 months, of two slices; try every split of each day's work between its slices.

    Contracted power pays the highest of all four slices for 12 months, the monthly peak each day's own for its months.
    """
    prices = np.array([300.0, 100.0, 500.0, 200.0])
    arrivals = np.array([1.0, 1.0, 2.0, 2.0])
    problem = toy_problem(
        **FREE
        | {
            "slices_per_day": 2,
            "day_months": (9.0, 3.0),
            "profile": arrivals.tolist(),
            "energy_price_cny_per_mwh": [[5000.0, price] for price in prices],
            "deferrable_h": 24,
            "demand_charge_cny_per_kw_month": (0.0, charge),
            "demand_charge_basis": ("monthly_peak", basis),
        }
    )
    plan, cost = solved(problem, by_both=True)
    best = np.inf
    grid = np.linspace(0.0, 1.0, 21)
    for first, second in itertools.product(grid, repeat=2):
        service = 100.0 * np.array([2 * first, 2 * (1 - first), 4 * second, 4 * (1 - second)])
        facility_mw = 1.2 * MW_PER_MTOK_PER_H * service
        peaks = facility_mw.reshape(2, 2).max(axis=1)
        paid = 12.0 * peaks.max() if basis == "contracted" else 9.0 * peaks[0] + 3.0 * peaks[1]
        best = min(best, float(problem.weight_h @ (prices * facility_mw)) + 1e3 * charge * paid)
    assert cost == pytest.approx(best, rel=1e-9)
    if basis == "contracted" and charge:
        drawn = 1.2 * MW_PER_MTOK_PER_H * served(plan)
        assert plan.contract_mw[WEST] == pytest.approx(drawn.max())

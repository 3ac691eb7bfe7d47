"""Fixed-integer LP: exact feasibility, duals that prove the optimum, prices that predict what a small change costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from toy_plans import generous
from toy_problems import random_problem, toy_problem
from worked_plan import worked_plan, worked_problem

from optimizer.checker.check import check_plan
from optimizer.model.compile import CompiledModel, compile_model
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.solvers import fixed_integers
from optimizer.solvers.columns import columns_from_plan, plan_from_columns
from optimizer.solvers.fixed_integers import (
    FixedIntegerError,
    FixedIntegerSolution,
    FixedProgram,
    solve_fixed_integers,
)

EAST, WEST = range(2)


def dual_objective(compiled: CompiledModel, fixed: FixedIntegerSolution, integers: FloatArray) -> float:
    """Value of the dual program at the duals; checks their signs on the way."""
    row = np.concatenate([duals.reshape(-1) for duals in fixed.row_duals.values()])
    column = np.concatenate([duals.reshape(-1) for duals in fixed.column_duals.values()])
    is_inequality = np.isneginf(compiled.row_lower)
    assert (row[is_inequality] <= 0).all()
    free = ~compiled.is_integer
    assert column[free & np.isinf(compiled.upper)].min(initial=0.0) >= -1e-5
    at_upper = np.where(free & (column < 0) & np.isfinite(compiled.upper), compiled.upper, 0.0)
    return float(row @ compiled.row_upper + column @ at_upper + column @ np.where(free, 0.0, integers))


@given(seed=st.integers(0, 2**31))
@settings(max_examples=30)
def test_duals_prove_that_no_plan_with_these_integers_is_cheaper(seed: int) -> None:
    """Feasible primal, feasible dual, equal objectives: nothing of what was removed went missing."""
    problem = random_problem(np.random.default_rng(seed))
    sites = len(problem.data_centers)
    # A deployment that is taken back keeps no accelerators on either: the operation would be that of other integers.
    problem = replace(problem, classes=problem.classes.assign(max_sites=sites, min_share=0.0, min_accelerators=0))
    compiled = compile_model(problem)
    plan = generous(problem)
    try:
        fixed = solve_fixed_integers(problem, compiled, plan)
    except FixedIntegerError:
        reject()  # draws another: thirty problems with a plan are asked for
    report = check_plan(problem, fixed.plan)
    assert report.is_feasible, report.violations.to_string()
    assert fixed.objective_cny == pytest.approx(report.total_cny, rel=1e-9)
    given_integers = replace(fixed.plan, is_open=plan.is_open, is_deployed=plan.is_deployed, new_pods=plan.new_pods)
    with_them = columns_from_plan(compiled, given_integers)
    assert dual_objective(compiled, fixed, with_them) == pytest.approx(compiled.cost @ with_them, rel=1e-9)


def solved(plan: Plan | FloatArray, **options: Any) -> FixedIntegerSolution:
    problem = worked_problem(**options)
    return solve_fixed_integers(problem, compile_model(problem), plan)


def test_worked_plan_is_never_made_dearer() -> None:
    """The worked plan is feasible but not the best with its integers: the LP may only lower its cost."""
    fixed = solved(worked_plan())
    report = check_plan(worked_problem(), fixed.plan)
    assert report.is_feasible
    assert report.total_cny <= check_plan(worked_problem(), worked_plan()).total_cny


@pytest.mark.parametrize("share", [0.9999999, 1.0, 1.4])
def test_integers_are_rounded_by_halves(share: float) -> None:
    problem = worked_problem()
    compiled = compile_model(problem)
    x = columns_from_plan(compiled, worked_plan())
    expected = solve_fixed_integers(problem, compiled, x).objective_cny
    x[compiled.columns["Open"].columns] *= share
    assert solve_fixed_integers(problem, compiled, x).objective_cny == expected


def toy(**options: Any) -> tuple[PlacementProblem, CompiledModel, Plan]:
    problem = toy_problem(demand_mtok_per_h=(100.0, 0.0, 100.0, 0.0), **options)
    return problem, compile_model(problem), generous(problem)


def objective_cny(problem: PlacementProblem, plan: Plan) -> float:
    return solve_fixed_integers(problem, compile_model(problem), plan).objective_cny


def test_dual_of_demand_is_what_one_more_mtok_per_hour_costs() -> None:
    problem, compiled, plan = toy()
    dual = solve_fixed_integers(problem, compiled, plan).row_duals["serve_demand"]
    assert dual.shape == (2, 4)
    demand = problem.demand_mtok_per_h.copy()
    demand[0, 0] += 1.0
    more = replace(problem, demand_mtok_per_h=demand, servable_mtok_per_h=demand)
    assert dual[0, 0] == pytest.approx(objective_cny(more, plan) - objective_cny(problem, plan))
    # 4380 h x (14.4 CNY energy + 0.1 x 23 ms + 0.01 x 11 CNY transport)
    assert dual[0, 0] == pytest.approx(4380.0 * (14.4 + 2.3 + 0.11))


def test_dual_of_power_is_what_one_more_megawatt_saves() -> None:
    """West is full with one workload of two: 1 MW more there moves 25 mtok/h from east, 15.6 - 2 - 0.1 CNY each."""
    problem, compiled, plan = toy(it_capacity_mw=(100.0, 4.0))
    dual = solve_fixed_integers(problem, compiled, plan).row_duals["limit_it_power"]
    assert dual[:, EAST] == pytest.approx(0.0)
    # Open is on the right side: a unit of it is 4 MW; the row counts MW.
    assert dual[:, WEST] == pytest.approx(-4380.0 * 25.0 * (15.6 - 2.0 - 0.1))
    wider = toy_problem(demand_mtok_per_h=(100.0, 0.0, 100.0, 0.0), it_capacity_mw=(100.0, 4.01))
    saved = objective_cny(problem, plan) - objective_cny(wider, plan)
    assert -0.01 * dual[:, WEST].sum() == pytest.approx(saved)


def test_closed_deployment_has_a_price() -> None:
    """Without chat in the west each mtok/h that could go there would save 15.6 - 2 - 0.1 CNY times 4380 h."""
    problem, compiled, plan = toy(deploy_cny_per_year=(0.0, 0.0))
    closed = replace(plan, is_deployed=np.array([1, 0, 1, 1]))  # chat east, chat west, batch east, batch west
    fixed = solve_fixed_integers(problem, compiled, closed)
    dual = fixed.row_duals["serve_where_deployed"]  # pairs (w, d): alpha chat east, west, ...
    assert dual[:, 1] == pytest.approx(-4380.0 * 13.5)
    assert dual[:, 0] == pytest.approx(0.0)
    # The reduced cost of deploying: all four (two workloads, two slices) times 100 mtok/h.
    assert fixed.column_duals["Deploy"][1] == pytest.approx(-4 * 100.0 * 4380.0 * 13.5)
    saved = fixed.objective_cny - objective_cny(problem, plan)
    assert saved == pytest.approx(4 * 100.0 * 4380.0 * 13.5)


def test_unused_integers_are_taken_back() -> None:
    problem, compiled, plan = toy(opening_cny_per_year=(1e6, 1e6), min_pods=(0, 12))
    fixed = solve_fixed_integers(problem, compiled, plan).plan
    assert fixed.is_open.tolist() == [0, 1]
    assert fixed.is_deployed.tolist() == [0, 1, 0, 0]
    assert fixed.new_pods.tolist() == [0, 2]  # 10 existing ones, 12 agreed, 4 used
    assert check_plan(problem, fixed).is_feasible


def test_integers_without_a_plan() -> None:
    problem, compiled, plan = toy()
    with pytest.raises(FixedIntegerError, match="no plan has these integers"):
        solve_fixed_integers(problem, compiled, replace(plan, is_deployed=np.zeros(4, np.int64)))
    with pytest.raises(FixedIntegerError, match=r"the integers alone break 4 row\(s\) of deploy_where_open"):
        solve_fixed_integers(
            problem, compiled, replace(plan, is_open=np.zeros(2, np.int64), new_pods=np.zeros(2, np.int64))
        )


def test_vector_of_another_model_is_refused() -> None:
    problem, compiled, _ = toy()
    with pytest.raises(ValueError, match=r"\(3,\) values for"):
        plan_from_columns(problem, compiled, np.zeros(3))
    x = np.zeros(len(compiled.cost))
    x[[1, 5]] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"2 column value\(s\) are not finite"):
        plan_from_columns(problem, compiled, x)


def test_plan_and_vector_are_inverse() -> None:
    problem = worked_problem(demand_charge_cny_per_kw_month=(30.0, 0.0))
    compiled = compile_model(problem)
    plan = plan_from_columns(problem, compiled, columns_from_plan(compiled, worked_plan()))
    for name, values in vars(worked_plan()).items():
        # West pays no demand charge, so its peak is not in the model: it is worked out from its power, also 12 MW.
        np.testing.assert_allclose(getattr(plan, name), values, err_msg=name)


def test_a_program_like_another_begins_where_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = worked_problem()
    compiled = compile_model(problem)
    steps: list[int] = []
    run = fixed_integers.run_until_optimal

    def count(highs: highspy.Highs, **options: Any) -> bool:
        is_solved = run(highs, **options)
        steps.append(highs.getInfo().simplex_iteration_count)
        return is_solved

    monkeypatch.setattr(fixed_integers, "run_until_optimal", count)
    integers = columns_from_plan(compiled, worked_plan())
    first = FixedProgram(compiled, integers)
    _, cost = first.solve_cost()
    _, again = FixedProgram(compiled, integers, like=first).solve_cost()
    assert again == pytest.approx(cost, rel=1e-12)
    assert steps[0] > 0
    assert steps[1] == 0

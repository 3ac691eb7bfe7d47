"""What is open is branched on: what that proves, and the plans that it leads to."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import highspy
import numpy as np
import pytest
from toy_problems import random_problem, toy_problem

from optimizer.model.compile import compile_model
from optimizer.problem.problem import PlacementProblem, PolicyLimits
from optimizer.solvers.benders.bound import Decomposition
from optimizer.solvers.benders.driver import solve_decomposed
from optimizer.solvers.benders.open_tree import OpenTree
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.highs import UnsolvedError, new_highs, pass_model
from optimizer.solvers.solve import solve_whole

# Of random problems whose accelerators must be busy, those whose relaxation opens parts of data centers.
DIVIDED_SEEDS = (12, 18, 19, 20, 25, 27, 30, 32, 35, 36)


def only_east_can_be_filled(**options: object) -> PlacementProblem:
    """
    Four workloads keep 40 accelerators busy; of 60 in the west 30 may be busy, of 100 in the east 50.

    Busy must be 39 % of what is open, 23.4 in the west and 39 in the east: the two cannot both be. Energy is cheap in
    the west, so the relaxation opens that, and a quarter of the east for the 10 that are left.
    """
    return toy_problem(
        **{
            "existing_pods": (10, 6),
            "max_new_pods": (0, 0),
            "latency_cny_per_ms_per_mtok": (0.0, 0.0),
            "policy": {"min_utilization_share": 0.39},
            **options,
        }
    )


def none_can_be_filled() -> PlacementProblem:
    """Power for 36 accelerators in the east, of which 35 must be busy: neither data center alone is enough for 40."""
    return only_east_can_be_filled(it_capacity_mw=(14.4, 100.0), policy={"min_utilization_share": 0.35})


def ended(problem: PlacementProblem) -> Decomposition:
    of = Decomposition(problem, seed=1, threads=1)
    of.raise_bound(Control(), least_rounds=60)
    return of


def grown(of: Decomposition) -> OpenTree:
    tree = OpenTree(of, least_rise_share=1e-7)
    for _ in range(200):
        if tree.is_over:
            return tree
        tree.raise_once(Control())
    raise AssertionError("the tree has no end")


def random_busy_problem(seed: int) -> PlacementProblem:
    """Draw a problem in which what is open must be busy for a share of the year."""
    random = np.random.default_rng(seed)
    share = float(random.uniform(0.2, 0.6))
    return replace(random_problem(random, 3), policy=PolicyLimits(min_utilization_share=share))


def test_what_cannot_be_filled_is_closed() -> None:
    problem = only_east_can_be_filled()
    of = ended(problem)
    east, west = of.columns_at(of.relaxed_point)[of.compiled.columns["Open"].columns]
    assert west == pytest.approx(1.0)
    assert 1 / 4 <= east <= 10 / 39
    root, tree = of.bound_units, grown(of)
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert best.plan is not None
    assert best.plan.is_open.tolist() == [1, 0]
    assert root < tree.bound_units * (1 - 1e-2)
    assert tree.bound_units * of.cny_per_unit == pytest.approx(best.objective_cny, rel=1e-6)
    # Nothing is held any more: the relaxation is what it was.
    assert of.program.solve()[0] == pytest.approx(root, rel=1e-6)


@pytest.mark.parametrize("seed", DIVIDED_SEEDS)
def test_bound_lies_between_that_of_every_open_set_and_the_optimum(seed: int) -> None:
    problem = random_busy_problem(seed)
    of = ended(problem)
    root, tree = of.bound_units, grown(of)
    least = min(relaxation_cny(problem, opened) for opened in product((0.0, 1.0), repeat=len(problem.data_centers)))
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    assert best.plan is not None
    bound_cny = tree.bound_units * of.cny_per_unit
    assert root <= tree.bound_units
    assert bound_cny >= least * (1 - 1e-5)
    assert bound_cny <= best.objective_cny * (1 + 1e-6)


def relaxation_cny(problem: PlacementProblem, opened: tuple[float, ...]) -> float:
    """Least cost of the whole model, integers relaxed, with exactly these data centers open; inf if there is none."""
    model, highs = compile_model(problem, with_tightening=True), new_highs(seed=1)
    lower, upper = model.lower.copy(), model.upper.copy()
    block = model.columns["Open"]
    lower[block.columns] = upper[block.columns] = np.array(opened)[block.members.reshape(-1)]
    pass_model(
        highs, model.matrix, cost=model.cost / 1e3, lower=lower, upper=upper,
        row_lower=model.row_lower, row_upper=model.row_upper,
    )  # fmt: skip
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kOptimal:
        return float(highs.getInfo().objective_function_value) * 1e3
    assert highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible
    return np.inf


@pytest.mark.parametrize("threads", [1, 2])
def test_a_solve_branches_and_finds_the_plan(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, solved = only_east_can_be_filled(), list[float]()
    raise_once = OpenTree.raise_once

    def note(tree: OpenTree, control: Control) -> None:
        raise_once(tree, control)
        solved.append(tree.bound_units)

    monkeypatch.setattr(OpenTree, "raise_once", note)
    best = solve_whole(problem, mip_rel_gap=0.0, seed=1, threads=1, control=Control())
    found = solve_decomposed(problem, mip_rel_gap=1e-6, seed=1, threads=threads, control=Control(time_limit_s=60))
    assert solved
    assert found.objective_cny == pytest.approx(best.objective_cny, rel=1e-6)
    assert found.bound_cny == pytest.approx(best.objective_cny, rel=2e-6)


def test_where_no_set_can_be_filled_there_is_no_plan() -> None:
    problem = none_can_be_filled()
    of = ended(problem)
    assert of.bound_units < 1e6
    assert grown(of).bound_units == np.inf
    found = solve_decomposed(problem, mip_rel_gap=1e-3, seed=1, threads=1, control=Control(time_limit_s=60))
    assert found.termination == Termination.INFEASIBLE


def test_a_tree_looks_again_where_there_are_new_cuts() -> None:
    of = ended(only_east_can_be_filled())
    tree = grown(of)
    before = tree.bound_units
    tree.look_again()
    assert not tree.is_over
    tree.raise_once(Control())
    assert tree.is_over
    assert tree.bound_units == pytest.approx(before, rel=1e-9)
    assert tree.bound_units >= before


def test_a_relaxation_that_is_not_solved_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    of = ended(only_east_can_be_filled())
    tree, root = OpenTree(of, least_rise_share=1e-7), of.bound_units

    def fail(**_: object) -> None:
        raise UnsolvedError("stopped")

    monkeypatch.setattr(of.program, "solve_centrally", fail)
    tree.raise_once(Control())
    assert tree.is_over
    assert tree.bound_units == root
    assert of.program.solve()[0] == pytest.approx(root, rel=1e-6)

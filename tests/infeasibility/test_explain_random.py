"""Random infeasible problems: a change found is enough, and no smaller one of its kind is, by trying all."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from toy_problems import random_problem

from optimizer.checker.check import check_plan
from optimizer.infeasibility.elastic import ElasticModel
from optimizer.infeasibility.explain import explain_problem
from optimizer.infeasibility.levers import LEVERS, build_elastic
from optimizer.infeasibility.relaxed_problem import aggregate, relax_problem, representative
from optimizer.problem.assemble import with_candidates
from optimizer.problem.problem import NO_LIMITS, PlacementProblem
from optimizer.solvers.control import Control, Termination
from optimizer.solvers.solve import solve_whole


def short_of_pods(seed: int, pods: int, size: int = 3) -> PlacementProblem:
    """Draw a problem with few pods that must serve everything; most have no plan."""
    problem = random_problem(np.random.default_rng(seed), size)
    pools = problem.pools.assign(max_new_pods=0, min_pods=0)
    pools["existing_pods"] = np.minimum(pools["existing_pods"], pods)
    return replace(problem, pools=pools, policy=NO_LIMITS, shed_limit_mtok_per_h=problem.shed_limit_mtok_per_h * 0.0)


def has_plan(problem: PlacementProblem) -> bool:
    solution = solve_whole(problem, mip_rel_gap=1.0, seed=1, threads=1, control=Control())
    return solution.termination != Termination.INFEASIBLE


def tightened(seed: int, what: str) -> PlacementProblem:
    """Draw a problem with its demands on the year, and tighten one kind of limit; most have no plan."""
    problem = random_problem(np.random.default_rng(seed))
    rng = np.random.default_rng(seed + 1)
    if what == "pods":
        problem = short_of_pods(seed, int(rng.integers(0, 3)))
    elif what == "power":
        centers = problem.data_centers
        problem = replace(problem, data_centers=centers.assign(it_capacity_mw=centers["it_capacity_mw"] / 10))
    elif what == "links":
        links = problem.links.assign(capacity_gbps=problem.links["capacity_gbps"] / 20)
        tight = with_candidates(replace(problem, links=links), problem.candidates)
        problem = replace(tight, left_out=problem.left_out)
    elif what == "policy":
        policy = replace(
            problem.policy,
            min_green_share=float(rng.random()),
            carbon_cap_t_per_year=float(rng.choice([1e3, 5e4])),
            min_utilization_share=float(rng.random() / 2),
            investment_limit_cny=float(rng.choice([0.0, 1e6])),
        )
        problem = replace(problem, policy=policy)
    else:
        late = problem.workloads.groupby("class_index")["is_deferrable"].first().to_numpy(bool)
        classes = problem.classes.assign(max_sites=1, min_share=np.where(late, 0.0, 0.6))
        problem = replace(problem, classes=classes)
    return replace(problem, shed_limit_mtok_per_h=problem.shed_limit_mtok_per_h * float(rng.random() < 0.2))


@pytest.mark.parametrize("what", ["pods", "power", "links", "policy", "sites"])
@settings(max_examples=4)
@given(seed=st.integers(0, 10_000), is_large=st.booleans())
@example(seed=320, is_large=False)  # presolve ended with an error
@example(seed=320, is_large=True)  # presolve called it infeasible
def test_every_change_found_is_enough(what: str, seed: int, *, is_large: bool) -> None:
    problem = tightened(seed, what)
    with pytest.MonkeyPatch.context() as patch:
        if is_large:  # small as it is, it is treated as a large one
            patch.setattr("optimizer.infeasibility.search.EXACT_MAX_FLOW_COLUMNS", 0)
        explanation = explain_problem(problem)
    assert explanation.status == ("feasible" if has_plan(problem) else "infeasible")
    assert explanation.is_complete
    assert any(option.is_enough for option in explanation.options) == (explanation.status == "infeasible")
    for option in explanation.options:
        assert option.result in {"proved", "sufficient", "none"}
        if option.problem is not None and option.plan is not None:
            assert check_plan(option.problem, option.plan).is_feasible
    if explanation.options:
        changed = explanation.options[0].problem
        assert changed is not None
        assert has_plan(changed)


def test_a_model_whose_presolve_fails_is_solved_in_a_process_of_its_own_too(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = tightened(320, "pods")
    here = explain_problem(problem)
    monkeypatch.setattr("optimizer.infeasibility.elastic._AT_ONCE_MAX_COLUMNS", 0)
    there = explain_problem(problem)
    assert [option.is_enough for option in there.options] == [option.is_enough for option in here.options]
    assert any(option.is_enough for option in there.options)


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), pods=st.integers(1, 3))
def test_every_change_found_is_enough_for_outages_too(seed: int, pods: int) -> None:
    problem = random_problem(np.random.default_rng(seed), survives=True)
    pools = problem.pools.assign(max_new_pods=0, min_pods=0)
    pools["existing_pods"] = np.minimum(pools["existing_pods"], pods)
    problem = replace(problem, pools=pools)
    explanation = explain_problem(problem)
    assert explanation.status == ("feasible" if has_plan(problem) else "infeasible")
    for option in explanation.options:
        assert option.result != "unproved"
        if option.problem is not None and option.plan is not None:
            assert check_plan(option.problem, option.plan).is_feasible


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000))
def test_fewest_pods_by_trying_all(seed: int) -> None:
    problem = short_of_pods(seed, 1, size=2)
    (option,) = [o for o in explain_problem(problem).options if o.kinds == ("pods",)] or [None]
    assume(option is not None and option.is_enough and len(problem.pools) <= 3)
    assert option is not None
    found = sum(item.amount for item in option.items)
    assume(found <= 4)
    # A pod has 10 accelerators in every pool of these problems, so the fewest pods are the smallest change. One pod
    # less is tried in every way; what fewer still could do, it could.
    for added in product(range(round(found)), repeat=len(problem.pools)):
        if sum(added) == round(found) - 1:
            pools = problem.pools.assign(max_new_pods=added)
            assert not has_plan(replace(problem, pools=pools))


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), pods=st.integers(0, 2))
def test_slices_that_matter_give_a_lower_bound(seed: int, pods: int) -> None:
    reach = aggregate(relax_problem(short_of_pods(seed, pods))).relaxed
    kinds = tuple(lever.kind for lever in LEVERS if lever.kind != "unserved")
    whole, few = (
        build_elastic(ElasticModel(each, reach.problem)).solve(kinds, control=Control(), mip_rel_gap=1e-6)
        for each in (reach, representative(reach))
    )
    assert few.change_share <= whole.change_share * (1 + 1e-4) + 1e-9


@settings(max_examples=5)
@given(seed=st.integers(0, 10_000), pods=st.integers(0, 2))
def test_large_problems_end_with_changes_no_smaller_than_the_smallest(seed: int, pods: int) -> None:
    problem = short_of_pods(seed, pods)
    whole = {option.kinds: option for option in explain_problem(problem).options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.infeasibility.search.EXACT_MAX_FLOW_COLUMNS", 0)
        explanation = explain_problem(problem)
    assume(explanation.status == "infeasible")
    for option in explanation.options:
        if option.is_enough and option.kinds in whole:
            assert option.bound_share <= whole[option.kinds].change_share * (1 + 1e-3) + 1e-9
            assert option.change_share >= whole[option.kinds].bound_share * (1 - 1e-3) - 1e-9

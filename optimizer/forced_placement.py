"""What it would cost to serve all of a workload from one data center, the rest of the plan at its best again."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimizer.compile import CompiledModel
from optimizer.extract import columns_from_plan
from optimizer.fixed_program import FixedProgram, PolishError
from optimizer.plan import Plan
from optimizer.polish import Polished, polish
from optimizer.problem import FloatArray, PlacementProblem

# A pod bought by no more than this above a whole number is that number.
WHOLE = 1e-6
# CNY per year that a pod is made to cost so that none is bought without need.
UNWANTED_CNY = 1e9


@dataclass(frozen=True)
class ForcedPlacement:
    """
    A workload forced into one data center.

    Attributes
    ----------
    data_center, name
        The data center.
    extra_cny_per_year
        What the plan then costs more; None if there is no such plan.
    changes
        Whole-numbered decisions that differ from the plan's, in words.
    obstacle
        Why there is no such plan; empty if there is one.
    """

    data_center: str
    name: str
    extra_cny_per_year: float | None
    changes: tuple[str, ...]
    obstacle: str = ""


def force_placement(
    problem: PlacementProblem, program: FixedProgram, base: Polished, workload: int, center: int, *, seed: int = 1
) -> ForcedPlacement:
    """
    Serve all of a workload from one data center, and solve the rest again with the integers held.

    The data center is opened and the class deployed there if need be; pods are bought there only if nothing fits
    without; what then stands idle is taken back.

    Parameters
    ----------
    problem
        The problem.
    program, base
        The plan to compare with: its program, solved, and what came of it.
    workload, center
        Positions of the workload and of a data center that it may use.
    seed
        Random seed of the solver.
    """
    names = {"data_center": str(problem.data_centers["id"].iloc[center]), "name": _name(problem, center)}
    held = _with_closed_routes(problem, program.compiled, workload, center)
    choices = _with_place(problem, program.compiled, base.plan, workload, center)
    if not choices:
        k = int(problem.workloads["class_index"].iloc[workload])
        most = int(problem.classes["max_sites"].iloc[k])
        text = f"{problem.classes['name'].iloc[k]} may stand in no more than {most} data center(s), all taken by others"
        return ForcedPlacement(**names, extra_cny_per_year=None, changes=(), obstacle=text)
    failure = ""
    for buys, x in ((buys, x) for buys in (False, True) for x in choices):
        try:
            integers = _with_pods_bought(problem, held, x, center, seed) if buys else x
            forced = polish(problem, held, integers, seed=seed, like=program)
        except PolishError as error:
            failure = failure or str(error)
            continue
        extra = forced.objective_cny - base.objective_cny
        return ForcedPlacement(**names, extra_cny_per_year=extra, changes=_changes(problem, base.plan, forced.plan))
    text = f"it cannot take all of it, whatever else moves ({failure})"
    return ForcedPlacement(**names, extra_cny_per_year=None, changes=(), obstacle=text)


def _with_place(
    problem: PlacementProblem, compiled: CompiledModel, plan: Plan, workload: int, center: int
) -> list[FloatArray]:
    """
    Open the place in the integers of the plan; none if the class may not stand in one place more.

    The workload leaves its other places. One that serves nothing else of its class may be kept for others, or given up:
    it must be where the class may stand in so many places only, or where a minimum share would have to be kept there.
    """
    k = int(problem.workloads["class_index"].iloc[workload])
    deployments, pairs = problem.deployments.to_numpy(int), problem.indivisible_pairs
    is_here = (deployments == (k, center)).all(axis=1)
    others = problem.candidates["workload_index"].to_numpy(int) != workload
    used = others & (problem.candidate_class == k) & (plan.flow_mtok_per_h.max(axis=0, initial=0.0) > 0)
    busy = np.unique(problem.candidates["data_center_index"].to_numpy(int)[used])
    kept = np.asarray(plan.is_deployed).copy()
    is_idle = (deployments[:, 0] == k) & (kept == 1) & ~is_here & ~np.isin(deployments[:, 1], busy)
    kept[is_here] = 1
    assigned = np.asarray(plan.is_assigned).copy()
    mine = pairs["workload_index"].to_numpy(int) == workload
    assigned[mine] = (pairs["data_center_index"].to_numpy(int) == center)[mine]
    is_open = np.asarray(plan.is_open).copy()
    is_open[center] = 1
    return [
        columns_from_plan(compiled, replace(plan, is_open=is_open, is_deployed=deployed, is_assigned=assigned))
        for deployed in ([kept, np.where(is_idle, 0, kept)] if is_idle.any() else [kept])
        if deployed[deployments[:, 0] == k].sum() <= problem.classes["max_sites"].iloc[k]
    ]


def _with_closed_routes(
    problem: PlacementProblem, compiled: CompiledModel, workload: int, center: int
) -> CompiledModel:
    candidates = problem.candidates
    is_closed = (candidates["workload_index"] == workload) & (candidates["data_center_index"] != center)
    upper = compiled.upper.copy()
    compiled.columns["Flow"].values(upper)[:, is_closed.to_numpy()] = 0.0
    return replace(compiled, upper=upper)


def _with_pods_bought(
    problem: PlacementProblem, compiled: CompiledModel, x: FloatArray, center: int, seed: int
) -> FloatArray:
    """Buy as few pods there as will do, whether or not more would pay."""
    pods = compiled.columns["NewPods"].columns
    here = pods.start + np.flatnonzero(problem.pools["data_center_index"].to_numpy(int) == center)
    is_integer = compiled.is_integer.copy()
    is_integer[here] = False
    cost = compiled.cost.copy()
    cost[here] = UNWANTED_CNY
    relaxed = FixedProgram(replace(compiled, is_integer=is_integer, cost=cost), x, seed=seed).solve()
    bought = x.copy()
    bought[here] = np.minimum(np.ceil(relaxed.columns[here] - WHOLE), compiled.upper[here])
    return bought


def _changes(problem: PlacementProblem, before: Plan, after: Plan) -> tuple[str, ...]:
    deployments = problem.deployments.to_numpy(int)
    classes = problem.classes["name"].to_numpy(str)
    accelerators = problem.accelerators["name"].to_numpy(str)
    pools = problem.pools[["data_center_index", "accelerator_index"]].to_numpy(int)
    words = [
        f"{'opens' if after.is_open[d] else 'closes'} {_name(problem, d)}"
        for d in np.flatnonzero(np.asarray(after.is_open) != before.is_open).tolist()
    ]
    for n in np.flatnonzero(np.asarray(after.is_deployed) != before.is_deployed).tolist():
        k, d = deployments[n]
        words.append(f"{'deploys' if after.is_deployed[n] else 'gives up'} {classes[k]} at {_name(problem, d)}")
    for p in np.flatnonzero(np.asarray(after.new_pods) != before.new_pods).tolist():
        more = int(after.new_pods[p] - before.new_pods[p])
        kind = accelerators[pools[p, 1]]
        words.append(
            f"buys {abs(more)} pod(s) {'more' if more > 0 else 'fewer'} of {kind} at {_name(problem, pools[p, 0])}"
        )
    if (np.asarray(after.is_assigned) != before.is_assigned).any():
        words.append("moves its single place")
    return tuple(words)


def _name(problem: PlacementProblem, center: int) -> str:
    return str(problem.data_centers["name"].iloc[center])

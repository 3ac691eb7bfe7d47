"""
The best plan for given integers, and what each limit costs there.

With the integers fixed the rest is a linear program (`fixed_program`), solved exactly; the duals returned are those of
the whole program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from optimizer.compile import CompiledModel
from optimizer.extract import columns_from_plan, plan_from_columns
from optimizer.fixed_program import FixedProgram, PolishError
from optimizer.formulation import CONSTRAINTS
from optimizer.model_data import AXIS
from optimizer.plan import Plan
from optimizer.problem import FloatArray, PlacementProblem

__all__ = ["PolishError", "Polished", "polish", "polished_of", "settle"]

# Pods switched on by no more than this above a whole number are that number.
WHOLE = 1e-9


@dataclass(frozen=True, eq=False)
class Polished:
    """
    Best plan for given integers, with the prices of the limits.

    Attributes
    ----------
    plan
        Satisfies every limit to the solver's feasibility tolerance.
    objective_cny
        CNY per year.
    row_duals
        Equation name -> (T, n), or (n,) for an equation that does not run over slices: by how many CNY per year the
        optimum grows for one more unit of the right side. Rows stand as compiled, left side minus all variables of
        the right side: an inequality reads `... <= limit`, also if its rule says >=, so its dual is <= 0 and its
        negative is what one more unit of the limit would save. Of an equality, (1a) and (1b) are marginal costs of
        one more mtok/h (1a) or mtok (1b) of demand in that slice on every day it stands for; 0 <= is usual there,
        not certain.
    column_duals
        Variable name -> array in its own shape: the reduced cost, CNY per year and unit. Of an integer, held at its
        value: by how much the optimum would grow if one more could be had for its own cost (negative: would fall),
        as a derivative, so right for a small change only. Of another variable: 0 where it is strictly between its
        bounds, >= 0 at 0, <= 0 at its upper bound.
    """

    plan: Plan
    objective_cny: float
    row_duals: dict[str, FloatArray]
    column_duals: dict[str, FloatArray]


def polish(
    problem: PlacementProblem,
    compiled: CompiledModel,
    integers: FloatArray | Plan,
    *,
    seed: int = 1,
    like: FixedProgram | None = None,
) -> Polished:
    """
    Fix the integers, solve what is left exactly, and take back what turns out to be unused.

    A deployment without work, a data center without deployment and new pods beyond the most ever switched on are
    taken back: the operation stays optimal, with the same duals, and costs only fall. Where deployments keep
    accelerators on (6e), what is left is then solved again.

    Parameters
    ----------
    problem
        The problem the model was compiled from.
    compiled
        From `compile_model`.
    integers
        A plan, or a solution vector (columns,); only its integers are read, rounded by halves.
    seed
        Random seed of the solver.
    like
        A solved program of the same model to start from.

    Raises
    ------
    PolishError
        If no plan has these integers.
    """
    vector = columns_from_plan(compiled, integers) if isinstance(integers, Plan) else integers
    polished = polished_of(problem, FixedProgram(compiled, vector, seed=seed, like=like))
    if (problem.min_accelerators > 0).any():
        # A deployment taken back no longer keeps accelerators on: what runs without it is cheaper still.
        deployed = int(np.floor(vector[compiled.columns["Deploy"].columns] + 0.5).sum())
        while (count := int(polished.plan.is_deployed.sum())) < deployed:
            deployed = count
            polished = polished_of(
                problem, FixedProgram(compiled, columns_from_plan(compiled, polished.plan), seed=seed, like=like)
            )
    return polished


def settle(
    problem: PlacementProblem,
    compiled: CompiledModel,
    plan: Plan,
    *,
    seed: int = 1,
    stays: Callable[[FloatArray], npt.NDArray[np.bool_]] | None = None,
) -> tuple[FixedProgram, Polished]:
    """
    Polish a plan until none of its integers is unused, and keep the program behind it.

    Parameters
    ----------
    problem
        The problem.
    compiled
        From `compile_model`.
    plan
        Its integers are held; those that turn out to be unused are taken back first.
    seed
        Random seed of the solver.
    stays
        Says which rows to keep as they are, by solution vector (see `FixedProgram`).

    Raises
    ------
    PolishError
        If no plan has these integers.
    """
    while True:
        x = columns_from_plan(compiled, plan)
        program = FixedProgram(compiled, x, seed=seed, stays=None if stays is None else stays(x))
        polished = polished_of(problem, program)
        settled = columns_from_plan(compiled, polished.plan)[compiled.is_integer]
        if np.array_equal(settled, program.integers[compiled.is_integer]):
            return program, polished
        plan = polished.plan


def polished_of(problem: PlacementProblem, program: FixedProgram) -> Polished:
    """
    Solve a program with its integers held, and take back what turns out to be unused: see `polish`.

    Parameters
    ----------
    problem
        The problem the model was compiled from.
    program
        Its program; it stays alive and may be asked what changes are worth.

    Raises
    ------
    PolishError
        If no plan has these integers.
    """
    compiled, point = program.compiled, program.solve()
    column_dual = compiled.cost - program.matrix.T @ point.row_duals
    plan = _without_unused(problem, plan_from_columns(problem, compiled, point.columns))
    over = {equation.name: equation.over for equation in CONSTRAINTS}
    return Polished(
        plan=plan,
        objective_cny=float(compiled.cost @ columns_from_plan(compiled, plan)),
        row_duals={
            name: point.row_duals[block.rows].reshape(block.shape if AXIS in over[name] else -1)
            for name, block in compiled.rows.items()
        },
        column_duals={name: block.values(column_dual) for name, block in compiled.columns.items()},
    )


def _without_unused(problem: PlacementProblem, plan: Plan) -> Plan:
    """Leave out integers that carry nothing; every limit that held still holds."""
    deployments, pools, pairs = problem.deployments, problem.pools, problem.indivisible_pairs
    shape = (len(problem.classes), len(problem.data_centers))
    works = np.zeros(shape, np.bool_)
    processes = problem.processes
    busy = plan.work_mtok_per_h.max(axis=0, initial=0.0) > 0
    if plan.failover_work_mtok_per_h.size:
        busy |= plan.failover_work_mtok_per_h.max(axis=0, initial=0.0) > 0
    works[processes["class_index"][busy], processes["data_center_index"][busy]] = True
    # A workload that asks for nothing is assigned all the same.
    assigned = pairs[plan.is_assigned == 1]
    works[assigned["class_index"], assigned["data_center_index"]] = True
    is_deployed = plan.is_deployed * works[deployments["class_index"], deployments["data_center_index"]]
    place = pools["data_center_index"].to_numpy()
    active = np.maximum(plan.active_pods.max(axis=0, initial=0.0), _failover_pods(problem, plan))
    used = np.bincount(deployments["data_center_index"], is_deployed, shape[1]) + np.bincount(place, active, shape[1])
    is_open = plan.is_open * (used > 0)
    existing = pools["existing_pods"].to_numpy() * is_open[place]
    needed = np.maximum(np.ceil(active - existing - WHOLE), pools["min_pods"].to_numpy() * is_open[place] - existing)
    new_pods = np.clip(needed, 0, plan.new_pods).astype(np.int64)
    return replace(plan, new_pods=new_pods, is_open=is_open, is_deployed=is_deployed)


def _failover_pods(problem: PlacementProblem, plan: Plan) -> FloatArray:
    """(P,) most pods of each pool that any outage needs."""
    processes, accelerators, work = problem.processes, problem.accelerators, plan.failover_work_mtok_per_h
    if not work.size:
        return np.zeros(len(problem.pools))
    k, a = processes["class_index"].to_numpy(), processes["accelerator_index"].to_numpy()
    pods = work * problem.accel_h_per_mtok[k, a]
    pods /= problem.utilization_limit_share * accelerators["accelerators_per_pod"].to_numpy(float)[a]
    in_outage = np.zeros((len(work), len(problem.pools)))
    np.add.at(in_outage.T, processes["pool_index"].to_numpy(), pods.T)
    return np.asarray(in_outage.max(axis=0))

"""What is taken over in each outage, for given whole decisions: one small linear program for each outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from optimizer.compile import CompiledModel, RowBlock, compile_model
from optimizer.extract import columns_from_plan, plan_from_columns
from optimizer.highs import is_infeasible, new_highs, pass_rows, run_until_optimal
from optimizer.plan import Plan
from optimizer.problem import FloatArray, IntArray, PlacementProblem
from optimizer.resilience_rules import RESILIENCE_CONSTRAINTS

OUTAGE_COLUMNS = ("Reroute", "OutageWork")
# A right side this far below zero, relative to the row, is rounding.
ROUNDING = 1e-9


class NoFailoverError(ValueError):
    """With these whole decisions an outage cannot be survived."""


def with_failover(compiled: CompiledModel, columns: FloatArray, *, seed: int = 1) -> FloatArray:
    """
    Fill in what is taken over in each outage.

    Parameters
    ----------
    compiled
        From `compile_model`.
    columns
        (columns,) solution vector; only its integers are read.
    seed
        Random seed of the solver.

    Returns
    -------
    ndarray
        A copy with the columns of the outages filled in.

    Raises
    ------
    NoFailoverError
        If an outage cannot be survived.
    """
    column, outage = _outage_columns(compiled)
    out = columns.copy()
    rows = np.concatenate([np.arange(block.rows.start, block.rows.stop) for block in _blocks(compiled)])
    shape = (len(compiled.row_upper), len(compiled.cost))
    matrix = sp.csr_array(sp.csr_array((compiled.values, compiled.indices, compiled.starts), shape=shape)[rows])
    fixed = np.where(compiled.is_integer, columns, 0.0)
    moved = matrix @ fixed
    lower, upper = compiled.row_lower[rows] - moved, compiled.row_upper[rows] - moved
    body = sp.csr_array(matrix[:, column])
    counts = np.diff(body.indptr)
    if (lower[counts == 0] > 0).any():
        raise NoFailoverError("a workload that must not wait reaches a single data center")
    row_outage = np.full(len(rows), -1)
    row_outage[counts > 0] = outage[body.indices[body.indptr[:-1][counts > 0]]]
    for o in np.unique(outage).tolist():
        mine, at = np.flatnonzero(row_outage == o), np.flatnonzero(outage == o)
        part = sp.csr_array(sp.csr_array(body[mine])[:, at])
        values = _solve(part, lower[mine], upper[mine], seed)
        if values is None:
            raise NoFailoverError(f"outage {o} cannot be survived")
        out[column[at]] = values
    return out


def hold_failover(compiled: CompiledModel) -> CompiledModel:
    """Take the outages out of a model: their columns are held like integers, their rows say nothing."""
    column, _ = _outage_columns(compiled)
    if not len(column):
        return compiled
    is_held = compiled.is_integer.copy()
    is_held[column] = True
    row_lower, row_upper = compiled.row_lower.copy(), compiled.row_upper.copy()
    for block in _blocks(compiled):
        row_lower[block.rows], row_upper[block.rows] = -np.inf, np.inf
    return replace(compiled, is_integer=is_held, row_lower=row_lower, row_upper=row_upper)


def plans_with_failover(problem: PlacementProblem, plans: Sequence[Plan]) -> list[Plan]:
    """
    Add to plans, greedy ones say, what is taken over in each outage.

    Parameters
    ----------
    problem
        The problem.
    plans
        Their whole decisions are read.

    Returns
    -------
    list of Plan
        A plan that cannot survive an outage comes back as it is.
    """
    compiled = compile_model(problem)
    return [_with_failover(problem, compiled, plan) for plan in plans]


def _with_failover(problem: PlacementProblem, compiled: CompiledModel, plan: Plan) -> Plan:
    try:
        filled = plan_from_columns(problem, compiled, with_failover(compiled, columns_from_plan(compiled, plan)))
    except NoFailoverError:
        return plan
    return replace(plan, failover_share=filled.failover_share, failover_work_mtok_per_h=filled.failover_work_mtok_per_h)


def _blocks(compiled: CompiledModel) -> list[RowBlock]:
    return [compiled.rows[equation.name] for equation in RESILIENCE_CONSTRAINTS]


def _outage_columns(compiled: CompiledModel) -> tuple[IntArray, IntArray]:
    """Columns of the outages, and the outage of each."""
    blocks = [compiled.columns[name] for name in OUTAGE_COLUMNS]
    column = np.concatenate([np.arange(block.columns.start, block.columns.stop) for block in blocks])
    return column, np.concatenate([block.members[:, 0] for block in blocks]).astype(np.int64)


def _solve(body: sp.csr_array, lower: FloatArray, upper: FloatArray, seed: int) -> FloatArray | None:
    """Any values that keep the rows, None if there are none. Rows with a single column are its bound."""
    counts = np.diff(body.indptr)
    row_of = np.repeat(np.arange(len(counts)), counts)
    size = np.zeros(len(counts))
    np.maximum.at(size, row_of, np.abs(body.data))
    is_bound = (counts == 1) & np.isneginf(lower)
    has_negative = np.zeros(len(counts), np.bool_)
    has_negative[row_of[body.data < 0]] = True
    closes = np.isneginf(lower) & ~has_negative & (upper <= ROUNDING * np.maximum(size, 1.0))
    bound = np.full(body.shape[1], np.inf)
    entry = np.flatnonzero(is_bound[row_of] & ~has_negative[row_of])
    np.minimum.at(bound, body.indices[entry], np.maximum(upper[row_of[entry]], 0.0) / body.data[entry])
    bound[body.indices[closes[row_of]]] = 0.0
    kept, rows = np.flatnonzero(bound > 0), np.flatnonzero(~is_bound & ~closes)
    part = sp.csr_array(sp.csr_array(body[rows])[:, kept])
    values = np.zeros(body.shape[1])
    if (lower[rows][np.diff(part.indptr) == 0] > 0).any():
        return None
    if not len(kept):
        return values
    highs = new_highs(seed=seed, solver="simplex")
    pass_rows(
        highs, cost=np.zeros(len(kept)), lower=np.zeros(len(kept)), upper=bound[kept], row_lower=lower[rows],
        row_upper=upper[rows], starts=part.indptr.astype(np.int32), indices=part.indices.astype(np.int32),
        values=part.data,
    )  # fmt: skip
    if not run_until_optimal(highs, trusts_infeasible=True):
        if is_infeasible(highs):
            return None
        raise RuntimeError(f"failover: HiGHS stopped with {highs.getModelStatus()}")
    values[kept] = np.array(highs.getSolution().col_value)
    return values

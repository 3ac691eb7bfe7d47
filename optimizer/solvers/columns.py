"""Plans from solution vectors of the compiled model and back, and failover: one small LP for each outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from optimizer.model.compile import CompiledModel, RowBlock, compile_model
from optimizer.model.equations import RESILIENCE_CONSTRAINTS
from optimizer.model.outages import outage_tables
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.solvers.highs import is_infeasible, new_highs, pass_model, run_until_optimal


def plan_from_columns(problem: PlacementProblem, compiled: CompiledModel, x: FloatArray) -> Plan:
    """
    Read a plan out of a solution vector.

    Integers are rounded by halves, everything is clipped to its own bounds. The model bills the peak, or the contract,
    only where there is such a demand charge; elsewhere the plan gets the peak that its power has.

    Raises
    ------
    ValueError
        If the vector does not have one finite number per column.
    """
    if x.shape != compiled.cost.shape:
        raise ValueError(f"{x.shape} values for {len(compiled.cost)} columns")
    if not np.isfinite(x).all():
        raise ValueError(f"{int(np.sum(~np.isfinite(x)))} column value(s) are not finite")
    x = np.clip(round_integers(compiled, x), compiled.lower, compiled.upper)
    values = {name: block.values(x) for name, block in compiled.columns.items()}
    backlog = np.zeros_like(problem.demand_mtok_per_h)
    backlog[:, compiled.columns["Backlog"].members[:, 0]] = values["Backlog"]
    peak = _peak_mw(problem, values["Active"], values["Work"])
    contract = peak.max(axis=0)
    center, period = compiled.columns["Peak"].members.T
    peak[period, center] = values["Peak"]
    contract[compiled.columns["Contract"].members[:, 0]] = values["Contract"]
    failover_share, failover_work = _failover(problem, values["Reroute"], values["OutageWork"])
    return Plan(
        flow_mtok_per_h=values["Flow"].copy(),
        shed_mtok_per_h=values["Shed"].copy(),
        backlog_mtok=backlog,
        work_mtok_per_h=values["Work"].copy(),
        active_pods=values["Active"].copy(),
        new_pods=values["NewPods"].astype(np.int64),
        is_open=values["Open"].astype(np.int64),
        is_deployed=values["Deploy"].astype(np.int64),
        is_assigned=values["Assign"].astype(np.int64),
        peak_mw=peak,
        contract_mw=contract,
        failover_share=failover_share,
        failover_work_mtok_per_h=failover_work,
    )


def columns_from_plan(compiled: CompiledModel, plan: Plan) -> FloatArray:
    """Write a plan as a solution vector of the compiled model, (columns,): the inverse of `plan_from_columns`."""
    x = np.empty(len(compiled.cost))
    center, period = compiled.columns["Peak"].members.T
    arrays = {
        "Flow": plan.flow_mtok_per_h,
        "Shed": plan.shed_mtok_per_h,
        "Backlog": plan.backlog_mtok[:, compiled.columns["Backlog"].members[:, 0]],
        "Work": plan.work_mtok_per_h,
        "Active": plan.active_pods,
        "NewPods": plan.new_pods,
        "Open": plan.is_open,
        "Deploy": plan.is_deployed,
        "Assign": plan.is_assigned,
        "Peak": plan.peak_mw[period, center],
        "Contract": plan.contract_mw[compiled.columns["Contract"].members[:, 0]],
        "Reroute": _failover_share(compiled, plan),
        "OutageWork": _failover_work(compiled, plan),
    }
    for name, block in compiled.columns.items():
        x[block.columns] = arrays[name].reshape(-1)
    return x


def _failover(
    problem: PlacementProblem, reroute_share: FloatArray, outage_work: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(S, R) shares taken over and (S, X) work done in each outage; (0, 0) where there is none to survive."""
    outages, count = outage_tables(problem), len(problem.outages)
    if not count:
        return np.zeros((0, 0)), np.zeros((0, 0))
    work = np.zeros((count, len(problem.processes)))
    work[outages.processes["outage_index"], outages.processes["process_index"]] = outage_work
    return outages.expand(reroute_share), work


def _failover_share(compiled: CompiledModel, plan: Plan) -> FloatArray:
    outage, candidate = compiled.columns["Reroute"].members.T
    share: FloatArray = np.zeros(len(outage))
    if plan.failover_share.size:
        share[:] = plan.failover_share[outage, candidate]
    return share


def _failover_work(compiled: CompiledModel, plan: Plan) -> FloatArray:
    members, processes = compiled.columns["OutageWork"].members, compiled.columns["Work"].members
    if not plan.failover_work_mtok_per_h.size:
        return np.zeros(len(members))
    at = np.full(processes.max(axis=0) + 1, -1)
    at[tuple(processes.T)] = np.arange(len(processes))
    return np.asarray(plan.failover_work_mtok_per_h[members[:, 0], at[tuple(members[:, 1:].T)]])


def round_integers(compiled: CompiledModel, x: FloatArray) -> FloatArray:
    """Round the integer columns by halves (never `== 1`, never `> 0`: a solver's 1 may be 0.9999999)."""
    return np.where(compiled.is_integer, np.floor(x + 0.5), x)


def _peak_mw(problem: PlacementProblem, active: FloatArray, work: FloatArray) -> FloatArray:
    """(B, D) highest facility power of each billing period."""
    pools, processes, accelerators = problem.pools, problem.processes, problem.accelerators
    idle = accelerators["idle_mw_per_pod"].to_numpy(float)[pools["accelerator_index"]]
    k, a = processes["class_index"].to_numpy(), processes["accelerator_index"].to_numpy()
    dynamic = accelerators["dynamic_mw_per_accelerator"].to_numpy(float)[a] * problem.accel_h_per_mtok[k, a]
    power = np.zeros((len(problem.slices), len(problem.data_centers)))
    np.add.at(power.T, pools["data_center_index"].to_numpy(), (active * idle).T)
    np.add.at(power.T, processes["data_center_index"].to_numpy(), (work * dynamic).T)
    peak = np.zeros((len(problem.billing), len(problem.data_centers)))
    np.maximum.at(peak, problem.slices["billing_index"].to_numpy(), power * problem.data_centers["pue"].to_numpy(float))
    return peak


OUTAGE_COLUMNS = ("Reroute", "OutageWork")

# A right side this far below zero, relative to the row, is rounding.
ROUNDING = 1e-9


class NoFailoverError(ValueError):
    """With these integers an outage cannot be survived."""


def with_failover(compiled: CompiledModel, columns: FloatArray, *, seed: int = 1) -> FloatArray:
    """Fill in what is taken over in each outage for given integers; `NoFailoverError` if one cannot be survived."""
    column, outage = _outage_columns(compiled)
    out = columns.copy()
    rows = np.concatenate([np.arange(block.rows.start, block.rows.stop) for block in _blocks(compiled)])
    matrix = sp.csr_array(compiled.matrix[rows])
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
    """Take the outages out of a model: their columns are held like integers, their rows are free."""
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
    """Add to greedy plans what is taken over in each outage."""
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
    """Values that keep the rows, None if there are none. Rows with a single column are its bound."""
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
    zeros = np.zeros(len(kept))
    pass_model(highs, part, cost=zeros, lower=zeros, upper=bound[kept], row_lower=lower[rows], row_upper=upper[rows])
    if not run_until_optimal(highs, trusts_infeasible=True):
        if is_infeasible(highs):
            return None
        raise RuntimeError(f"failover: HiGHS stopped with {highs.getModelStatus()}")
    values[kept] = np.array(highs.getSolution().col_value)
    return values

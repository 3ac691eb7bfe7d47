"""Between a solution vector of the compiled model and a `Plan`: the only place that knows both layouts."""

from __future__ import annotations

import numpy as np

from optimizer.compile import CompiledModel
from optimizer.outages import outage_tables
from optimizer.plan import Plan
from optimizer.problem import FloatArray, IntArray, PlacementProblem


def plan_from_columns(problem: PlacementProblem, compiled: CompiledModel, x: FloatArray) -> Plan:
    """
    Read a plan out of a solution vector.

    Integers are rounded by halves, everything is clipped to its own bounds. The model bills the peak, or the contract,
    only where there is such a demand charge; elsewhere the plan gets the peak that its power has.

    Parameters
    ----------
    problem
        The problem the model was compiled from.
    compiled
        From `compile_model`.
    x
        (columns,) value of each column of the compiled model.

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
        new_pods=_whole(values["NewPods"]),
        is_open=_whole(values["Open"]),
        is_deployed=_whole(values["Deploy"]),
        is_assigned=_whole(values["Assign"]),
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


def _whole(values: FloatArray) -> IntArray:
    return values.astype(np.int64)


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

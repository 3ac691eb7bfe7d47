"""
What a million tokens of one workload cost in each data center, part by part, and what its scarce capacity is worth.

The price of a place is its own cost there (energy, carbon, latency, transport) and the rents of the limits it would
use up: the duals of installed pods, power, links and policies. Where the workload is served, the two add up to what
one more token costs; where it is not, to no less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from optimizer.compile import CompiledModel
from optimizer.fixed_program import FixedProgram
from optimizer.problem import FloatArray, IntArray, PlacementProblem

# Equations that only say what is what: along the way of a token they cancel out, or are the price asked for.
_BALANCES = {"serve_demand", "defer_demand", "process_what_is_routed", "limit_accelerators"}


@dataclass(frozen=True, eq=False)
class PlacePrices:
    """
    The places of one workload. Prices are CNY per million tokens.

    Attributes
    ----------
    ways
        (N,) one row per route and accelerator: candidate (-1 where it is left out), data_center_index, pool_index,
        accelerator_index, route_index, rtt_ms, network_cny_per_mtok, data_transfer_cny_per_mtok, late_ms, is_barred,
        is_unprotected.
    own
        Cost component -> (T, N).
    rents
        Equation name -> (T, N), 0 where the way is left out.
    marginal
        (T,) what one more million tokens of the workload cost in the slice.
    """

    ways: pd.DataFrame
    own: dict[str, FloatArray]
    rents: dict[str, FloatArray]
    marginal: FloatArray

    @property
    def own_total(self) -> FloatArray:
        """(T, N) own cost."""
        return _sum(self.own, self.marginal, self.ways)

    @property
    def total(self) -> FloatArray:
        """(T, N) own cost and rents."""
        return self.own_total + _sum(self.rents, self.marginal, self.ways)


def _sum(parts: dict[str, FloatArray], marginal: FloatArray, ways: pd.DataFrame) -> FloatArray:
    out = np.zeros((len(marginal), len(ways)))
    for part in parts.values():
        out += part
    return out


def place_prices(problem: PlacementProblem, program: FixedProgram, row_duals: FloatArray, workload: int) -> PlacePrices:
    """
    Price every place of a workload, also those that its limits rule out.

    Parameters
    ----------
    problem
        The problem.
    program
        Its program with the integers of a plan.
    row_duals
        (rows,) duals of the program.
    workload
        Position of the workload.
    """
    ways = _ways(problem, workload)
    return PlacePrices(
        ways,
        _own(problem, ways, workload),
        _rents(problem, program, row_duals, ways),
        _marginal(problem, program.compiled, row_duals, workload),
    )


def _ways(problem: PlacementProblem, workload: int) -> pd.DataFrame:
    candidates = problem.candidates[problem.candidates["workload_index"] == workload]
    left_out = problem.left_out[problem.left_out["workload_index"] == workload]
    routes = pd.concat(
        [
            candidates.assign(candidate=candidates.index, late_ms=0.0, is_barred=False, is_unprotected=False),
            *([left_out.assign(candidate=-1)] if len(left_out) else []),
        ],
        ignore_index=True,
    )
    pools = problem.pools[["data_center_index", "accelerator_index"]].reset_index(names="pool_index")
    ways = routes.merge(pools, on="data_center_index", how="inner")
    k = int(problem.workloads["class_index"].iloc[workload])
    out: pd.DataFrame = ways[problem.can_process[k, ways["accelerator_index"].to_numpy(int)]]
    return out.reset_index(drop=True)


def pods_per_mtok(problem: PlacementProblem, class_index: int) -> FloatArray:
    """Count the active pods that one mtok/h of a class takes, (A,)."""
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)
    return np.asarray(problem.accel_h_per_mtok[class_index] / (problem.utilization_limit_share * per_pod))


def _own(problem: PlacementProblem, ways: pd.DataFrame, workload: int) -> dict[str, FloatArray]:
    k = int(problem.workloads["class_index"].iloc[workload])
    centers, accelerators = problem.data_centers, problem.accelerators
    d, a = ways["data_center_index"].to_numpy(int), ways["accelerator_index"].to_numpy(int)
    idle_mwh = accelerators["idle_mw_per_pod"].to_numpy(float) * pods_per_mtok(problem, k)
    dynamic_mwh = accelerators["dynamic_mw_per_accelerator"].to_numpy(float) * problem.accel_h_per_mtok[k]
    facility_mwh = (idle_mwh + dynamic_mwh)[a] * centers["pue"].to_numpy(float)[d]
    carbon_cny_per_mwh = problem.carbon_price_cny_per_t * centers["carbon_kg_per_kwh"].to_numpy(float)[d]
    latency = float(problem.classes["latency_cny_per_ms_per_mtok"].iloc[k]) * ways["rtt_ms"].to_numpy(float)
    shape = (len(problem.slices), len(ways))
    parts = {
        "energy": problem.energy_price_cny_per_mwh[:, d] * facility_mwh,
        "carbon": carbon_cny_per_mwh * facility_mwh,
        "latency": latency,
        "network": ways["network_cny_per_mtok"].to_numpy(float),
        "data_transfer": ways["data_transfer_cny_per_mtok"].to_numpy(float),
    }
    return {name: np.broadcast_to(part, shape) for name, part in parts.items()}


def _rents(
    problem: PlacementProblem, program: FixedProgram, row_duals: FloatArray, ways: pd.DataFrame
) -> dict[str, FloatArray]:
    """Price what a token uses up of each limit on its way (route, work, active pods)."""
    compiled, slices = program.compiled, len(problem.slices)
    names = [name for name in compiled.rows if name not in _BALANCES]
    equation = np.full(len(row_duals), -1)
    for number, name in enumerate(names):
        equation[compiled.rows[name].rows] = number
    out = np.zeros((len(names), slices, len(ways)))
    open_ways = np.flatnonzero(ways["candidate"].to_numpy(int) >= 0)
    if len(open_ways):
        matrix = sp.csc_array(program.matrix)
        for variable, member, amount in _columns_on_the_way(problem, ways.iloc[open_ways]):
            block = compiled.columns[variable]
            width = block.shape[1]
            columns = block.columns.start + np.arange(slices)[:, None] * width + member
            part = sp.coo_array(matrix[:, columns.reshape(-1)])
            row, at = part.coords[0], part.coords[1]
            counts = equation[row] >= 0
            row, at = row[counts], at[counts]
            rent = -row_duals[row] * part.data[counts] * amount[at % len(open_ways)]
            np.add.at(out, (equation[row], at // len(open_ways), open_ways[at % len(open_ways)]), rent)
    per_mtok = out / problem.weight_h[:, None]
    return {name: per_mtok[number] for number, name in enumerate(names) if per_mtok[number].any()}


def _columns_on_the_way(problem: PlacementProblem, ways: pd.DataFrame) -> list[tuple[str, IntArray, FloatArray]]:
    """Variable, member of it and amount for one mtok/h on each way."""
    classes = problem.candidate_class[ways["candidate"].to_numpy(int)]
    d, a = ways["data_center_index"].to_numpy(int), ways["accelerator_index"].to_numpy(int)
    processes = problem.processes
    shape = (len(problem.classes), len(problem.data_centers), len(problem.accelerators))
    process = np.full(shape, -1)
    process[tuple(processes[f"{n}_index"].to_numpy(int) for n in ("class", "data_center", "accelerator"))] = np.arange(
        len(processes)
    )
    pods = np.array([pods_per_mtok(problem, k)[i] for k, i in zip(classes, a, strict=True)], dtype=float)
    ones = np.ones(len(ways))
    return [
        ("Flow", ways["candidate"].to_numpy(int), ones),
        ("Work", process[classes, d, a], ones),
        ("Active", ways["pool_index"].to_numpy(int), pods),
    ]


def _marginal(problem: PlacementProblem, compiled: CompiledModel, row_duals: FloatArray, workload: int) -> FloatArray:
    """(T,) dual of the workload's balance, CNY per million tokens."""
    waits = problem.workloads["is_deferrable"].to_numpy(bool)
    name = "defer_demand" if waits[workload] else "serve_demand"
    block = compiled.rows[name]
    duals = row_duals[block.rows].reshape(block.shape)[:, int((waits == waits[workload])[:workload].sum())]
    hours = problem.slice_h if waits[workload] else 1.0
    return np.asarray(duals * hours / problem.weight_h)

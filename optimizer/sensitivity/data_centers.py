"""
What the work of each data center would cost in each other one and what keeps it out, and what an unused one would save.

`work_elsewhere` prices the tokens that a data center serves on their way to every other one, with the costs and prices
of `place_costs`. `most_saved_if_open` opens a closed data center in a relaxation of the fixed-integer LP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.model.compile import compile_model
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, PlacementProblem
from optimizer.sensitivity.place_costs import LEAST_PRICE, PLACE_LIMITS, limit_prices, obstacle_of, own_costs, ways_of
from optimizer.sensitivity.work_table import (
    CLOSED,
    NOT_DEPLOYED,
    NOTHING,
    RESIDENCY,
    RTT_LIMIT,
    SECOND_ROUTE,
    SINGLE_PLACE,
    WORK_COLUMNS,
)
from optimizer.solvers.fixed_integers import FixedIntegerError, FixedIntegerSolution, FixedProgram, settle

# Numbers held at a time, (slices, ways, equations): a year of hours on a large network does not fit at once.
_NUMBERS_AT_ONCE = 2e7
_LEAST_MTOK_PER_H = 1e-9


def work_elsewhere(problem: PlacementProblem, program: FixedProgram, fixed: FixedIntegerSolution) -> pd.DataFrame:
    """
    Price the work of each data center in every other one that its tokens have a route to.

    Costs are running costs of a million tokens, over the hours in which the work is served: what `place_costs` calls
    own costs, on the cheapest route and accelerator of either place. Ways that a rule leaves out are priced too.

    Returns
    -------
    DataFrame
        data_center (that serves the work), other, kept_out_by (why the work is not there: one of the kinds above, or of
        `vocabulary.Obstacle`, the one with the highest price), mtok_per_year (the part of the work that this holds
        for), here_cny_per_mtok, there_cny_per_mtok (of that part). Work without a route to the other data center, or a
        fast enough accelerator there, has no row.
    """
    plan = fixed.plan
    pairs = _pairs_in_use(problem, plan)
    duals = np.concatenate([fixed.row_duals[name].reshape(-1) for name in program.compiled.rows])
    tables = [_priced(problem, plan, program, duals, part) for part in _parts(problem, pairs)]
    if not tables:
        return pd.DataFrame(columns=WORK_COLUMNS)
    found = (
        pd.concat(tables).groupby(["data_center_index", "other_index", "kept_out_by"], sort=True).sum().reset_index()
    )
    ids = problem.data_centers["id"].to_numpy(str)
    mtok = found["mtok_per_year"]
    return pd.DataFrame(
        {
            "data_center": ids[found["data_center_index"]],
            "other": ids[found["other_index"]],
            "kept_out_by": found["kept_out_by"],
            "mtok_per_year": mtok,
            "here_cny_per_mtok": found["here_cny"] / mtok,
            "there_cny_per_mtok": found["there_cny"] / mtok,
        }
    )


def _pairs_in_use(problem: PlacementProblem, plan: Plan) -> pd.DataFrame:
    """Pairs of workload and data center that serves some of it, with the columns of candidates they have."""
    flow = plan.flow_mtok_per_h
    used = np.flatnonzero(flow.max(axis=0, initial=0.0) > _LEAST_MTOK_PER_H)
    return problem.candidates.iloc[used][["workload_index", "data_center_index"]].assign(candidate=used)


def _parts(problem: PlacementProblem, pairs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Cut the pairs into groups of workloads whose ways can be priced at a time."""
    routes = len(problem.candidates) + len(problem.left_out)
    ways = routes / max(len(problem.workloads), 1) * max(len(problem.pools) / max(len(problem.data_centers), 1), 1.0)
    at_once = max(1, int(_NUMBERS_AT_ONCE / (len(problem.slices) * max(ways, 1.0) * 10)))
    group = pairs["workload_index"].rank(method="dense").to_numpy(int) // at_once
    for number in np.unique(group):
        yield pairs[group == number]


def _priced(
    problem: PlacementProblem, plan: Plan, program: FixedProgram, duals: FloatArray, pairs: pd.DataFrame
) -> pd.DataFrame:
    """Sum tokens and costs of some pairs by data center, other data center and what keeps the work out."""
    ways = ways_of(problem, pairs["workload_index"].unique())
    own = sum(own_costs(problem, ways).values(), np.zeros((len(problem.slices), len(ways))))
    limits = {
        name: values for name, values in limit_prices(problem, program, duals, ways).items() if name not in PLACE_LIMITS
    }
    # One row per pair in use and way of its workload: the pair's tokens, hour by hour, at the prices of the way.
    work = pairs.groupby(["workload_index", "data_center_index"], sort=True)["candidate"].agg(list).reset_index()
    mtok = np.stack([plan.flow_mtok_per_h[:, columns].sum(axis=1) for columns in work["candidate"]], axis=1)
    mtok *= problem.weight_h[:, None]
    rows = (
        work[["workload_index", "data_center_index"]]
        .reset_index(names="pair")
        .merge(
            ways.reset_index(names="way")[["way", "workload_index", "data_center_index", "candidate"]].rename(
                columns={"data_center_index": "other_index"}
            ),
            on="workload_index",
        )
    )
    pair, way = rows["pair"].to_numpy(int), rows["way"].to_numpy(int)
    weight = mtok[:, pair]
    rows["mtok_per_year"] = weight.sum(axis=0)
    rows["own_cny"] = (weight * own[:, way]).sum(axis=0)
    prices = np.array([(weight * values[:, way]).sum(axis=0) for values in limits.values()]).reshape(
        len(limits), len(rows)
    )
    rows["total_cny"] = rows["own_cny"] + prices.sum(axis=0)
    kinds = np.array([obstacle_of(name).kind for name in limits], dtype=object)
    per_mtok = prices / rows["mtok_per_year"].to_numpy()
    rows["kept_out_by"] = _kept_out_by(problem, plan, ways.iloc[way], per_mtok, kinds)
    rows["held_by"] = _held_by(per_mtok, kinds)
    # A candidate before a route that is left out, then the cheapest: by its own cost to compare, in all to say what
    # keeps the work out.
    place, is_left_out = ["pair", "other_index"], (rows["candidate"] < 0).to_numpy(int)
    ordered = {by: rows.assign(late=is_left_out).sort_values([*place, "late", by]) for by in ("own_cny", "total_cny")}
    first = {by: table.drop_duplicates(place).reset_index(drop=True) for by, table in ordered.items()}
    best = first["own_cny"].assign(kept_out_by=first["total_cny"]["kept_out_by"], held_by=first["total_cny"]["held_by"])
    is_here = best["other_index"] == best["data_center_index"]
    here = best[is_here].set_index("pair")
    there = best[~is_here]
    held_by = here["held_by"].reindex(there["pair"]).set_axis(there.index)
    return pd.DataFrame(
        {
            "data_center_index": there["data_center_index"],
            "other_index": there["other_index"],
            "kept_out_by": there["kept_out_by"].where(there["kept_out_by"] != NOTHING, held_by),
            "mtok_per_year": there["mtok_per_year"],
            "here_cny": here["own_cny"].reindex(there["pair"]).to_numpy(),
            "there_cny": there["own_cny"],
        }
    )


def _kept_out_by(
    problem: PlacementProblem, plan: Plan, ways: pd.DataFrame, prices: FloatArray, kinds: npt.NDArray[np.object_]
) -> npt.NDArray[np.object_]:
    """Name what keeps the work from each way: a rule, a whole decision, or the limit with the highest price."""
    w, d = ways["workload_index"].to_numpy(int), ways["data_center_index"].to_numpy(int)
    k = problem.workloads["class_index"].to_numpy(int)[w]
    deployed = np.zeros((len(problem.classes), len(problem.data_centers)), np.bool_)
    deployed[problem.deployments["class_index"], problem.deployments["data_center_index"]] = plan.is_deployed > 0
    assigned = np.zeros((len(problem.workloads), len(problem.data_centers)), np.bool_)
    single = problem.indivisible_pairs
    assigned[single["workload_index"], single["data_center_index"]] = plan.is_assigned > 0
    is_single = problem.workloads["is_indivisible"].to_numpy(bool)[w]
    out: npt.NDArray[np.object_] = np.full(len(ways), NOTHING, dtype=object)
    if len(kinds):
        most = prices.argmax(axis=0)
        out = np.where(prices.max(axis=0) > LEAST_PRICE, kinds[most], out)
    for kind, holds in (
        (SINGLE_PLACE, is_single & ~assigned[w, d]),
        (NOT_DEPLOYED, ~deployed[k, d]),
        (CLOSED, plan.is_open[d] == 0),
        (SECOND_ROUTE, ways["is_unprotected"].to_numpy(bool)),
        (RTT_LIMIT, ways["late_ms"].to_numpy(float) > 0),
        (RESIDENCY, ways["is_barred"].to_numpy(bool)),
    ):
        out = np.where(holds, kind, out)
    return out


def _held_by(prices: FloatArray, kinds: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Name the limit that pays most for work being on each way, such as a least share of its region."""
    if not len(kinds):
        return np.full(prices.shape[1], NOTHING, dtype=object)
    return np.where(prices.min(axis=0) < -LEAST_PRICE, kinds[prices.argmin(axis=0)], NOTHING)


def most_saved_if_open(problem: PlacementProblem, plan: Plan, center: int, *, seed: int = 1) -> float:
    """
    Bound what a closed data center could save, were it open.

    The whole decisions of all others are held, and so are the places of indivisible workloads; what is deployed and
    bought in the one that opens need not be whole, so no plan with these decisions saves more.

    Returns
    -------
    float
        CNY per year, after deployments and pods there are paid and before its opening is; minus infinity if no plan
        with these decisions opens it.

    Raises
    ------
    FixedIntegerError
        If no plan has the whole decisions of the plan as it is.
    """
    compiled = compile_model(problem)
    program, fixed = settle(problem, compiled, plan, seed=seed)
    is_integer, integers = compiled.is_integer.copy(), program.integers.copy()
    integers[compiled.columns["Open"].columns.start + center] = 1.0
    for variable, table in (("Deploy", problem.deployments), ("NewPods", problem.pools)):
        mine = np.flatnonzero(table["data_center_index"].to_numpy(int) == center)
        is_integer[compiled.columns[variable].columns.start + mine] = False
    try:
        opened = FixedProgram(replace(compiled, is_integer=is_integer), integers, seed=seed, like=program)
        _, cost_cny = opened.solve_cost()
    except FixedIntegerError:
        return -np.inf
    return fixed.objective_cny + float(problem.data_centers["opening_cny_per_year"].iloc[center]) - cost_cny

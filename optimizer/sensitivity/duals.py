"""
Prices at the margin of a plan, from the duals of its fixed-integer LP.

`dual_table` lists the duals by label, `limit_values` ranks the limits by their cost at these prices, `token_costs`
prices one more token of each workload with all that grows with its demand. An RTT limit has no row: `rtt_prices` opens
the routes that a longer limit would admit and solves again.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.checker.facts import PlanFacts
from optimizer.model.compile import CompiledModel, compile_model
from optimizer.model.data import AXIS, Int32Array, model_sets
from optimizer.model.equations import CONSTRAINTS
from optimizer.model.vocabulary import Equation
from optimizer.numbers import format_cny
from optimizer.problem.assemble import with_candidates
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.sensitivity.price_table import LEAST_VALUE_CNY, Price, price_row, price_sentence
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.fixed_integers import FixedIntegerSolution, FixedProgram, reduced_costs

_DUAL_COLUMNS = [
    "equation", "name", "day", "hour", "workload_class", "demand_hub", "data_center", "accelerator", "link", "region",
    "dual_cny",
]  # fmt: skip

# The columns and the table of a label; what only counts (a plan, an outage) has none.
_TABLE_OF_LABEL = {
    "data_center": ("data_center", "data_centers"), "accelerator": ("accelerator", "accelerators"),
    "link": ("link", "links"), "class": ("workload_class", "classes"),
}  # fmt: skip


def dual_table(problem: PlacementProblem, fixed: FixedIntegerSolution) -> pd.DataFrame:
    """
    List every dual that is not zero, by label.

    Returns
    -------
    DataFrame
        equation (number), name, day, hour ("" and NaN where the equation has no slice), workload_class, demand_hub,
        data_center, accelerator, link, region ("" where it has none), dual_cny: what one more unit of the right side
        adds to the yearly cost (see `FixedIntegerSolution.row_duals`).
    """
    sets = model_sets(problem)
    tables = [
        _label(problem, equation, sets[equation.over[0]], fixed)
        for equation in CONSTRAINTS
        if fixed.row_duals[equation.name].any()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_DUAL_COLUMNS)


def _label(
    problem: PlacementProblem, equation: Equation, members: Int32Array, fixed: FixedIntegerSolution
) -> pd.DataFrame:
    duals = fixed.row_duals[equation.name]
    position = np.nonzero(duals)
    at, member = (position[0], position[-1]) if AXIS in equation.over else (None, position[-1])
    # One table from all columns: setting columns of a table one by one takes pandas several times longer.
    columns: dict[str, Any] = {name: np.full(len(member), "", dtype=object) for name in _DUAL_COLUMNS}
    columns["equation"][:], columns["name"][:] = equation.number, equation.name
    columns["hour"], columns["dual_cny"] = np.full(len(member), np.nan), duals[position]
    if at is not None:
        columns["day"] = problem.slices["day"].to_numpy()[at]
        columns["hour"] = problem.slices["hour"].to_numpy(float)[at]
    for place, label in enumerate(equation.labels):
        index = members[member, place]
        if label == "workload":
            for name in ("workload_class", "demand_hub"):
                columns[name] = problem.workloads[name].to_numpy()[index]
        elif label == "region":
            columns[label] = np.array(problem.policy.regions, dtype=object)[index]
        elif label in _TABLE_OF_LABEL:
            name, table = _TABLE_OF_LABEL[label]
            columns[name] = getattr(problem, table)["id"].to_numpy()[index]
    return pd.DataFrame(columns)


def limit_values(problem: PlacementProblem, compiled: CompiledModel, fixed: FixedIntegerSolution) -> dict[str, float]:
    r"""
    Value each kind of limit at the plan found, CNY per year, largest first.

    With the integers fixed, the value is the sum over rows of |dual x right side|, an upper estimate of the cost of the
    limit at its present price. Routes that a limit keeps out of the model have no row; their value is the saving of
    serving the workload there at the prices of the plan. These are prices at the margin: they rank limits, and do not
    add up to a saving.
    """
    integers = np.where(compiled.is_integer, columns_from_plan(compiled, fixed.plan), 0.0)
    right = compiled.row_upper - compiled.matrix @ integers
    values, shares = {}, _required_by_shares(problem, fixed)
    for equation in CONSTRAINTS:
        if equation.kind != "limit":
            continue
        name = equation.name
        required = shares.get(name, right[compiled.rows[name].rows])
        values[equation.price_of] = float(np.abs(fixed.row_duals[name].reshape(-1) * required).sum())
    backlog = compiled.columns["Backlog"]
    kept_back = np.minimum(fixed.column_duals["Backlog"], 0.0) * backlog.values(compiled.upper)
    values["waiting windows"] = float(-kept_back.sum())
    values |= _value_of_left_out_routes(problem, fixed)
    return dict(sorted(((k, v) for k, v in values.items() if v >= LEAST_VALUE_CNY), key=lambda item: -item[1]))


def _required_by_shares(problem: PlacementProblem, fixed: FixedIntegerSolution) -> dict[str, FloatArray]:
    """
    Amounts that minimum shares require, mean of the year: mtok/h of each region, MW of green power.

    The right side of their rows is 0, as they compare with a share of a total that is a sum of variables.
    """
    facts, policy, hours = PlanFacts(problem, fixed.plan), problem.policy, problem.weight_h.sum()
    mtok_per_h = float(facts.candidate_mtok_per_year.sum()) / hours
    green_mw = policy.min_green_share * float(facts.energy_mwh_per_year.sum()) / hours
    return {
        "require_region_share": np.array([policy.min_region_share[name] * mtok_per_h for name in policy.regions]),
        "require_green_share": np.array([green_mw] if policy.min_green_share > 0 else []),
    }


def _value_of_left_out_routes(problem: PlacementProblem, fixed: FixedIntegerSolution) -> dict[str, float]:
    """
    Value the rules that leave routes out: RTT limits, residency, second routes.

    For each urgent workload and each route of its hub that is no candidate: the marginal cost of processing its class
    there (the dual of (2)) plus latency, transport and data transfer, against the marginal cost of serving it as
    planned (the dual of (1a)). The best such saving counts, times demand; only places where its class is deployed are
    compared. A route that two rules leave out is credited to neither: to give up one of them would not admit it.
    """
    may_wait = problem.workloads["is_deferrable"].to_numpy(bool)
    row_of = np.cumsum(~may_wait) - 1  # rows of (1a) are those of urgent workloads
    deployed = problem.deployments[fixed.plan.is_deployed > 0].reset_index(names="deployment")
    every = problem.left_out[~may_wait[problem.left_out["workload_index"]]]
    every = every.assign(class_index=problem.workloads["class_index"].to_numpy()[every["workload_index"]])
    every = every.merge(deployed, on=["class_index", "data_center_index"])
    if every.empty:
        return {}
    k, w = every["class_index"].to_numpy(int), every["workload_index"].to_numpy(int)
    latency = problem.classes["latency_cny_per_ms_per_mtok"].to_numpy(float)[k] * every["rtt_ms"].to_numpy(float)
    transport = every[["network_cny_per_mtok", "data_transfer_cny_per_mtok"]].sum(axis=1).to_numpy(float)
    now = fixed.row_duals["serve_demand"][:, row_of[w]]
    there = -fixed.row_duals["process_what_is_routed"][:, every["deployment"].to_numpy(int)]
    saving = np.maximum(now - there - problem.weight_h[:, None] * (latency + transport), 0.0)
    is_late, is_barred = every["late_ms"].to_numpy(float) > 0, every["is_barred"].to_numpy(bool)
    return {
        name: _best_saving(problem, saving[:, mask], w[mask])
        for name, mask in (
            ("RTT limits", is_late & ~is_barred),
            ("residency rules", is_barred & ~is_late),
            ("RTT limits and residency rules together", is_late & is_barred),
            ("second routes", every["is_unprotected"].to_numpy(bool)),
        )
    }


def _best_saving(problem: PlacementProblem, saving: FloatArray, workload: IntArray) -> float:
    best = np.zeros_like(problem.demand_mtok_per_h)
    np.maximum.at(best.T, workload, saving.T)
    return float((best * problem.demand_mtok_per_h).sum())


def token_costs(problem: PlacementProblem, fixed: FixedIntegerSolution) -> list[dict[str, Any]]:
    """
    Price one more million tokens of each class and of each workload, at the plan's integers.

    Returns
    -------
    list of dict
        Rows of the table of shadow prices: kind token, id `class` or `demand_hub/class`. A workload without demand has
        no row.
    """
    growth, mtok = workload_growth_cny(problem, fixed), problem.weight_h @ problem.demand_mtok_per_h
    class_index = problem.workloads["class_index"].to_numpy(int)
    ids, names = problem.classes["id"].to_numpy(str), problem.classes["name"].to_numpy(str)
    hubs = problem.workloads["demand_hub"].to_numpy(str)

    def row(labels: list[str], what: str, cost: float, suffix: str = "") -> dict[str, Any]:
        sentence = f"1 million tokens more of {what} cost {cost:.4f} CNY{suffix}"
        return price_row("token", labels, "CNY per mtok", Price(cost, cost), 1.0, sentence)

    rows = []
    for k in np.unique(class_index[mtok > 0]):
        mine = class_index == k
        cost = float(growth[mine].sum() / mtok[mine].sum())
        rows.append(row([ids[k]], names[k], cost, ", the mean of its demand hubs"))
    for w in np.flatnonzero(mtok > 0):
        k = class_index[w]
        rows.append(row([hubs[w], ids[k]], f"{names[k]} of {hubs[w]}", float(growth[w] / mtok[w])))
    return rows


def workload_growth_cny(problem: PlacementProblem, fixed: FixedIntegerSolution) -> FloatArray:
    """
    (W,) growth of the cost with each workload, CNY per year for growth by 100 %, as a derivative.

    Everything that is derived from its demand grows with it: the tokens that may wait, be shed or be served, and the
    minimum shares of its class.
    """
    workloads, pairs, deployments = problem.workloads, problem.pairs, problem.deployments
    demand, duals = problem.demand_mtok_per_h, fixed.row_duals
    waits = workloads["is_deferrable"].to_numpy(bool)
    growth = np.zeros(len(workloads))
    growth[~waits] = (duals["serve_demand"] * demand[:, ~waits]).sum(axis=0)
    growth[waits] = (duals["defer_demand"] * problem.slice_h[:, None] * demand[:, waits]).sum(axis=0)
    # What is held at its upper bound would save by more of it: its reduced cost is negative.
    bounds = np.minimum(fixed.column_duals["Backlog"], 0.0) * problem.backlog_limit_mtok[:, waits]
    growth[waits] += bounds.sum(axis=0)
    growth += (np.minimum(fixed.column_duals["Shed"], 0.0) * problem.shed_limit_mtok_per_h).sum(axis=0)
    centers = len(problem.data_centers)
    deployed = np.zeros((len(problem.classes), centers))
    deployed[deployments["class_index"], deployments["data_center_index"]] = fixed.plan.is_deployed
    single = problem.indivisible_pairs
    for name, table, is_used in (
        ("serve_where_deployed", pairs, deployed[pairs["class_index"], pairs["data_center_index"]]),
        ("serve_where_assigned", single, fixed.plan.is_assigned),
    ):
        w = table["workload_index"].to_numpy(int)
        np.add.at(growth, w, (duals[name] * problem.servable_mtok_per_h[:, w]).sum(axis=0) * is_used)
    return growth + _min_share_growth(problem, fixed, deployed)


def _min_share_growth(problem: PlacementProblem, fixed: FixedIntegerSolution, deployed: FloatArray) -> FloatArray:
    """Growth of the minimum shares (6d): a deployment must take its part of what is more."""
    deployments, share = problem.deployments, problem.classes["min_share"].to_numpy(float)
    k: IntArray = deployments["class_index"].to_numpy(int)
    d: IntArray = deployments["data_center_index"].to_numpy(int)
    rows = share[k] > 0
    k, d = k[rows], d[rows]
    dual = np.zeros((len(problem.slices), len(problem.classes)))
    np.add.at(dual.T, k, (-fixed.row_duals["require_min_share"] * share[k] * deployed[k, d]).T)
    of_workload = dual[:, problem.workloads["class_index"].to_numpy(int)]
    return np.asarray((of_workload * problem.demand_mtok_per_h).sum(axis=0))


_CNY_PER_YEAR_AND_MS = "CNY per year and ms"
_LEAST_STEP_MS = 1.0

# A route this little beyond the step is within it.
ROUNDING_MS = 1e-9
_ORDER = ["workload_index", "data_center_index", "route_index"]


def rtt_prices(problem: PlacementProblem, program: FixedProgram, *, seed: int = 1) -> list[dict[str, Any]]:
    """
    Price a longer limit for each class that has one, with the integers held.

    The cost is a step function: nothing changes until a data center is admitted that the class would use. The step is
    1 ms, or as much as the next such data center needs; the value is the saving of the step divided by its length.

    Returns
    -------
    list of dict
        Rows of the table of shadow prices: kind rtt_limit, id = class.
    """
    late = _late_routes(problem, program.compiled, program.integers)
    longer = _LongerLimits(problem, program, late, seed) if len(late) else None
    if longer is not None and not longer.may_save(program.point.kept_row_duals):
        longer = None
    rows = []
    for k in np.flatnonzero(_has_limit(problem)).tolist():
        name, ids = str(problem.classes["name"].iloc[k]), [str(problem.classes["id"].iloc[k])]
        step_ms = np.nan if longer is None else longer.step_ms(k)
        if longer is None or np.isnan(step_ms):
            sentence = f"a longer RTT limit for {name} is worth nothing while deployments and single places stay"
            rows.append(price_row("rtt_limit", ids, _CNY_PER_YEAR_AND_MS, Price(0.0, 0.0), np.nan, sentence))
            continue
        price = Price(longer.saving_cny(k, step_ms) / step_ms, np.nan, 1)
        sentence = price_sentence(f"1 ms more of RTT for {name}", price.value)
        if step_ms > _LEAST_STEP_MS:
            of_step = price_sentence(f"{step_ms:.1f} ms more of RTT for {name}", price.value * step_ms)
            sentence = f"{of_step} ({format_cny(price.value)} a ms), and less is worth nothing"
        rows.append(price_row("rtt_limit", ids, _CNY_PER_YEAR_AND_MS, price, step_ms, sentence))
    return rows


def _has_limit(problem: PlacementProblem) -> npt.NDArray[np.bool_]:
    """(K,) whether a class has a limit on its round trip, stated or following from its time to the first token."""
    out: npt.NDArray[np.bool_] = np.isfinite(problem.classes["rtt_limit_ms"].to_numpy(float))
    late = problem.left_out["workload_index"][problem.left_out["late_ms"] > 0]
    out[problem.workloads["class_index"].to_numpy(int)[late]] = True
    return out


def _late_routes(problem: PlacementProblem, compiled: CompiledModel, integers: FloatArray) -> pd.DataFrame:
    """Routes that a longer limit would admit, to places that the integers allow; rows of `left_out`."""
    left = problem.left_out
    k = problem.workloads["class_index"].to_numpy(int)[left["workload_index"]]
    d = left["data_center_index"].to_numpy(int)
    deployed = np.zeros((len(problem.classes), len(problem.data_centers)), np.bool_)
    members = problem.deployments.to_numpy(int)
    deployed[members[:, 0], members[:, 1]] = compiled.columns["Deploy"].values(integers) > 0.5  # noqa: PLR2004 - halves
    # An indivisible workload stays where it is; another route to the same place might be admitted.
    single = problem.workloads["is_indivisible"].to_numpy(bool)[left["workload_index"]]
    known = pd.MultiIndex.from_frame(problem.indivisible_pairs[["workload_index", "data_center_index"]])
    is_new_place = single & ~pd.MultiIndex.from_frame(left[["workload_index", "data_center_index"]]).isin(known)
    # Whether a late route has a second one is not known.
    protected = problem.is_protected if problem.is_protected.size else np.zeros(len(problem.workloads), np.bool_)
    is_held = is_new_place | protected[left["workload_index"].to_numpy(int)]
    usable = deployed[k, d] & (left["late_ms"].to_numpy(float) > 0) & ~left["is_barred"].to_numpy(bool) & ~is_held
    out: pd.DataFrame = left[usable]
    return out


class _LongerLimits:
    """The linear program with all late routes in it, closed until the limit of a class is extended."""

    def __init__(self, problem: PlacementProblem, program: FixedProgram, late: pd.DataFrame, seed: int) -> None:
        self._before, self._now = program.compiled, problem
        more = pd.concat([problem.candidates, late[problem.candidates.columns]]).sort_values(_ORDER)
        problem = with_candidates(problem, more)
        every = problem.candidates.merge(late[[*_ORDER, "late_ms"]], on=_ORDER, how="left")
        late_ms = every["late_ms"].to_numpy(float)
        new = np.flatnonzero(~np.isnan(late_ms))
        self._longer, self._model = problem, compile_model(problem)
        block = self._model.columns["Flow"]
        self._columns = np.arange(block.columns.start, block.columns.stop).reshape(block.shape)[:, new]
        self._class, self._late_ms = problem.candidate_class[new], late_ms[new]
        self._most = problem.servable_mtok_per_h[:, every["workload_index"].to_numpy(int)[new]]
        self._integers = _carry_integers(program.compiled, self._model, program.integers)
        self._seed = seed

    def may_save(self, kept_row_duals: FloatArray) -> bool:
        """Whether any of the routes might be used, by the duals of the program without them."""
        duals = np.zeros(len(self._model.row_upper))
        for name, block in self._model.rows.items():
            before = self._before.rows[name]
            if before.shape == block.shape:
                duals[block.rows] = kept_row_duals[before.rows]
            elif name == "limit_link_traffic":
                is_old = self._now.links["is_limiting"].to_numpy(bool)[self._longer.links["is_limiting"].to_numpy(bool)]
                duals[block.rows].reshape(block.shape)[:, is_old] = kept_row_duals[before.rows].reshape(before.shape)
        cost = reduced_costs(self._model, duals, self._columns.reshape(-1))
        return bool((-np.minimum(cost.reshape(self._most.shape), 0.0) * self._most).sum() >= LEAST_VALUE_CNY)

    @cached_property
    def _program(self) -> FixedProgram:
        return FixedProgram(self._model, self._integers, seed=self._seed, closed=self._columns.reshape(-1))

    @cached_property
    def _could_save_cny(self) -> FloatArray:
        """(late routes,) upper bound on the saving of each, by the duals of the program in which it is closed."""
        cost = reduced_costs(self._model, self._program.solve().kept_row_duals, self._columns.reshape(-1))
        return np.asarray((-np.minimum(cost.reshape(self._most.shape), 0.0) * self._most).sum(axis=0))

    def step_ms(self, class_index: int) -> float:
        """Shortest extension that admits a route that pays, at least one millisecond; NaN if there is none."""
        pays = (self._class == class_index) & (self._could_save_cny >= LEAST_VALUE_CNY)
        return max(float(self._late_ms[pays].min()), _LEAST_STEP_MS) if pays.any() else np.nan

    def saving_cny(self, class_index: int, step_ms: float) -> float:
        """Extend the limit of a class and solve again, CNY per year."""
        admitted = (self._class == class_index) & (self._late_ms <= step_ms + ROUNDING_MS)
        saving = self._program.saving_with_open(self._columns[:, admitted].reshape(-1))
        return saving if saving >= LEAST_VALUE_CNY else 0.0


def _carry_integers(compiled: CompiledModel, other: CompiledModel, integers: FloatArray) -> FloatArray:
    """Write the integers of one model as those of another with the same decisions."""
    x = np.zeros(len(other.cost))
    for name, block in compiled.columns.items():
        if compiled.is_integer[block.columns].any():
            if not np.array_equal(block.members, other.columns[name].members):
                raise ValueError(f"{name} is not the same in both models")
            x[other.columns[name].columns] = integers[block.columns]
    return x

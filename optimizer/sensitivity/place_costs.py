"""
What a million tokens of one workload cost in each data center, and what keeps the workload out of it.

The price of a place is its own cost (of the route, the work and the active pods in the objective) plus the prices of
the limits that would be used up: the duals of installed pods, power, links and policies. Where the workload is served,
this is the cost of one more token; elsewhere it is no lower. `block_reasons` says what keeps the workload out: a rule,
a decision of the plan, or a limit on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp

from optimizer.model.compile import CompiledModel, compile_costs
from optimizer.model.equations import EQUATIONS
from optimizer.model.vocabulary import Obstacle
from optimizer.numbers import format_cny
from optimizer.problem.plan import Plan
from optimizer.problem.problem import NO_LIMITS, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.fixed_integers import FixedProgram


@dataclass(frozen=True, eq=False)
class _PlacePrices:
    """The places of one workload. Prices are CNY per million tokens."""

    # (N,) one row per route and accelerator: workload_index, candidate (-1 where it is left out), data_center_index,
    # pool_index, accelerator_index, route_index, rtt_ms, network_cny_per_mtok, data_transfer_cny_per_mtok, late_ms,
    # is_barred, is_unprotected
    ways: pd.DataFrame
    own: dict[str, FloatArray]  # Cost component -> (T, N)
    limit_prices: dict[str, FloatArray]  # Equation name -> (T, N), 0 where the way is left out
    marginal: FloatArray  # (T,) cost of one more million tokens of the workload in the slice

    @property
    def own_total(self) -> FloatArray:
        """(T, N) own cost."""
        return sum(self.own.values(), self._zeros)

    @property
    def total(self) -> FloatArray:
        """(T, N) own cost and limit prices."""
        return self.own_total + sum(self.limit_prices.values(), self._zeros)

    @property
    def _zeros(self) -> FloatArray:
        return np.zeros((len(self.marginal), len(self.ways)))


def place_prices(
    problem: PlacementProblem, program: FixedProgram, row_duals: FloatArray, workload: int
) -> _PlacePrices:
    """Price every place of a workload, including those that its limits rule out."""
    ways = ways_of(problem, np.array([workload]))
    return _PlacePrices(
        ways,
        own_costs(problem, ways),
        limit_prices(problem, program, row_duals, ways),
        _marginal(problem, program.compiled, row_duals, workload),
    )


def ways_of(problem: PlacementProblem, workloads: IntArray) -> pd.DataFrame:
    """List every route and fast enough accelerator of some workloads: see `_PlacePrices.ways`."""
    candidates = problem.candidates[problem.candidates["workload_index"].isin(workloads)]
    left_out = problem.left_out[problem.left_out["workload_index"].isin(workloads)]
    routes = pd.concat(
        [
            candidates.assign(candidate=candidates.index, late_ms=0.0, is_barred=False, is_unprotected=False),
            *([left_out.assign(candidate=-1)] if len(left_out) else []),
        ],
        ignore_index=True,
    )
    pools = problem.pools[["data_center_index", "accelerator_index"]].reset_index(names="pool_index")
    ways = routes.merge(pools, on="data_center_index", how="inner")
    k = problem.workloads["class_index"].to_numpy(int)[ways["workload_index"].to_numpy(int)]
    out: pd.DataFrame = ways[problem.can_process[k, ways["accelerator_index"].to_numpy(int)]]
    return out.reset_index(drop=True)


def own_costs(problem: PlacementProblem, ways: pd.DataFrame) -> dict[str, FloatArray]:
    """Own cost of ways by component, (T, N) CNY per million tokens, with every route as a candidate."""
    route = ways.groupby(["workload_index", "route_index"], sort=False)
    candidates = ways.loc[~ways.duplicated(["workload_index", "route_index"])]
    opened = replace(
        problem,
        candidates=candidates[problem.candidates.columns].astype(problem.candidates.dtypes).reset_index(drop=True),
        policy=NO_LIMITS,
        outage_demand_mtok_per_h=np.zeros((0, 0)),
    )
    on_the_way = _columns_on_the_way(opened, ways.assign(candidate=route.ngroup()))
    parts = {}
    for name, by_variable in compile_costs(opened).items():
        found = [by_variable[v][:, member] * amount for v, member, amount in on_the_way if v in by_variable]
        if found:
            parts[name] = np.asarray(sum(found)) / problem.weight_h[:, None]
    return parts


def limit_prices(
    problem: PlacementProblem, program: FixedProgram, row_duals: FloatArray, ways: pd.DataFrame
) -> dict[str, FloatArray]:
    """Price of what a token uses of each limit (by route, work and active pods), (T, N) by equation."""
    compiled, slices = program.compiled, len(problem.slices)
    names = [name for name in compiled.rows if EQUATIONS[name].kind != "balance"]
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
            price = -row_duals[row] * part.data[counts] * amount[at % len(open_ways)]
            np.add.at(out, (equation[row], at // len(open_ways), open_ways[at % len(open_ways)]), price)
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
    ones = np.ones(len(ways))
    return [
        ("Flow", ways["candidate"].to_numpy(int), ones),
        ("Work", process[classes, d, a], ones),
        ("Active", ways["pool_index"].to_numpy(int), _pods_per_mtok_per_h(problem, ways)),
    ]


def _pods_per_mtok_per_h(problem: PlacementProblem, ways: pd.DataFrame) -> FloatArray:
    """Active pods for one mtok/h on each way, (N,)."""
    k = problem.workloads["class_index"].to_numpy(int)[ways["workload_index"].to_numpy(int)]
    a = ways["accelerator_index"].to_numpy(int)
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[a]
    return np.asarray(problem.accel_h_per_mtok[k, a] / (problem.utilization_limit_share * per_pod))


def _marginal(problem: PlacementProblem, compiled: CompiledModel, row_duals: FloatArray, workload: int) -> FloatArray:
    """(T,) dual of the workload's balance, CNY per million tokens."""
    waits = problem.workloads["is_deferrable"].to_numpy(bool)
    name = "defer_demand" if waits[workload] else "serve_demand"
    block = compiled.rows[name]
    duals = row_duals[block.rows].reshape(block.shape)[:, int((waits == waits[workload])[:workload].sum())]
    hours = problem.slice_h if waits[workload] else 1.0
    return np.asarray(duals * hours / problem.weight_h)


_ROUNDING = 1e-9

# Prices below this many CNY per million tokens are rounding.
LEAST_PRICE = 1e-7


def obstacle_of(name: str) -> Obstacle:
    """Say how an equation keeps work out of a data center."""
    return EQUATIONS[name].obstacle or Obstacle(name, f"{EQUATIONS[name].price_of} hold it")


# With these no limit price is given: of a closed place the duals say only that it is closed.
_ALONE = {"closed"}
_SCARCE = {"pods", "it_power", "link"}
# Equations that price where a class is deployed, or a workload assigned.
PLACE_LIMITS = tuple(name for name in EQUATIONS if obstacle_of(name).kind == "place")


@dataclass(frozen=True)
class Reason:
    """One thing that keeps a workload out of a data center."""

    # rtt_limit, residency, second_route, closed, not_deployed, max_sites, indivisible, pods, it_power, link,
    # demand_charge, min_share, policy, the equation of another limit, or none
    kind: str
    text: str  # In words, with numbers
    cny_per_mtok: float = np.nan  # Price of the limit; NaN where it has none
    cny_per_year: float = np.nan  # Cost of removing it; NaN where that has no price
    amount: float = np.nan  # By how much the limit is exceeded, or for how many hours a year it binds
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Question:
    """A workload of a plan, and the prices that explain where it is."""

    problem: PlacementProblem
    plan: Plan
    workload: int  # Position
    class_index: int
    prices: _PlacePrices
    weight: FloatArray  # (T,) tokens of the workload by slice, mtok per year
    admits: str  # The rule that says where its data may go, in words (see `routing.what_admits`)

    def mean(self, values: FloatArray) -> float:
        """Mean over the slices, weighted with the tokens."""
        total = float(self.weight.sum())
        return float(self.weight @ values) / total if total > 0 else float(values.mean())

    def best_way(self, center: int, by: FloatArray) -> int:
        """Way to a data center with the lowest mean price; a candidate before a route that is left out."""
        ways = np.flatnonzero(self.prices.ways["data_center_index"].to_numpy(int) == center)
        left_out = self.prices.ways["candidate"].to_numpy(int)[ways] < 0
        ways = ways[left_out == left_out.min()]
        return int(ways[np.argmin([self.mean(by[:, way]) for way in ways])])

    @property
    def total_if_placed(self) -> FloatArray:
        """(T, N) own cost and limit prices, were the class deployed and the workload assigned there."""
        closing = [self.prices.limit_prices[name] for name in PLACE_LIMITS if name in self.prices.limit_prices]
        return self.prices.total - sum(closing, np.zeros_like(self.prices.own_total))


def block_reasons(question: Question, way: int, paid_elsewhere: list[str]) -> tuple[Reason, ...]:
    """
    Find what keeps a workload from a way to a data center.

    Parameters
    ----------
    paid_elsewhere
        Equations by which the plan is paid for having the workload where it is.
    """
    if question.prices.ways["candidate"].iloc[way] < 0:
        return _left_out(question, way)
    found = _integer_decisions(question, way)
    if not any(reason.kind in _ALONE for reason in found):
        found += _limits_on_the_way(question, way)
    if not found:
        names = [obstacle_of(name).words for name in paid_elsewhere]
        text = f"where it is served, {names[0]}" if names else "nothing: the difference is made up by hours or rounding"
        found = [Reason("policy" if names else "none", text)]
    return tuple(found)


def _left_out(question: Question, way: int) -> tuple[Reason, ...]:
    problem, row, k = question.problem, question.prices.ways.iloc[way], question.class_index
    found = []
    if row["late_ms"] > 0:
        limit_ms, late_ms = float(problem.rtt_limit_ms[k, int(row["data_center_index"])]), float(row["late_ms"])
        text = f"RTT of {row['rtt_ms']:.1f} ms is {late_ms:.1f} ms over the limit of {limit_ms:.1f} ms"
        if limit_ms < problem.classes["rtt_limit_ms"].iloc[k]:
            text += ", which its time to the first token leaves"
        found.append(Reason("rtt_limit", text, amount=late_ms, unit="ms"))
    if row["is_barred"]:
        rule = question.admits.removesuffix(" allows").removesuffix(" allow").removesuffix(" hold")
        text = f"its {rule} does not admit it" if rule else "its data may not go there"
        found.append(Reason("residency", text))
    if row["is_unprotected"]:
        found.append(Reason("second_route", "its route has no second, link-disjoint one within the limit"))
    return tuple(found)


def _integer_decisions(question: Question, way: int) -> list[Reason]:
    """List the integer decisions that keep the workload out, with the cost of changing them."""
    problem, plan, k = question.problem, question.plan, question.class_index
    d = int(question.prices.ways["data_center_index"].iloc[way])
    name, members = str(problem.classes["name"].iloc[k]), problem.deployments.to_numpy(int)
    deployed = np.asarray(plan.is_deployed) == 1
    saved = float(question.weight @ np.maximum(question.prices.marginal - question.total_if_placed[:, way], 0.0))
    would_save = f"all of this workload there would save at most {format_cny(saved)} a year at the plan's prices"
    found = []
    if not plan.is_open[d]:
        cost = float(problem.data_centers["opening_cny_per_year"].iloc[d])
        found.append(Reason("closed", f"closed: opening it costs {format_cny(cost)} a year", cny_per_year=cost))
    if not (deployed & (members == (k, d)).all(axis=1)).any():
        cost = float(problem.classes["deploy_cny_per_year"].iloc[k])
        saving = "" if found else f"; {would_save}"
        text = f"{name} is not deployed there: that costs {format_cny(cost)} a year{saving}"
        found.append(Reason("not_deployed", text, cny_per_year=cost))
        most, there = int(problem.classes["max_sites"].iloc[k]), int((deployed & (members[:, 0] == k)).sum())
        if there >= most:
            text = f"{name} may stand in {most} place(s), and stands in {there}"
            found.append(Reason("max_sites", text, amount=float(most), unit="places"))
    if problem.workloads["is_indivisible"].iloc[question.workload] and not found:
        found.append(Reason("indivisible", f"it is indivisible, and its single place is another one; {would_save}"))
    return found


def _limits_on_the_way(question: Question, way: int) -> list[Reason]:
    """List the limits on the way that have a price, highest first."""
    weight_h, is_served = question.problem.weight_h, question.weight > 0
    year_h, found = float(weight_h[is_served].sum()), []
    for name, values in question.prices.limit_prices.items():
        mean = question.mean(values[:, way])
        if mean <= LEAST_PRICE or name in PLACE_LIMITS:
            continue
        hours = float(weight_h[is_served & (values[:, way] > LEAST_PRICE)].sum())
        kind, words = obstacle_of(name)
        is_always = hours >= year_h * (1 - _ROUNDING)
        when = "in all its hours" if is_always else f"in {hours:,.0f} of its {year_h:,.0f} hours a year"
        price = f"{mean:.4f} CNY per million tokens"
        price = f": worth {price} to others" if kind in _SCARCE else f", {price}"
        found.append(Reason(kind, f"{words} {when}{price}", cny_per_mtok=mean, amount=hours, unit="h"))
    return sorted(found, key=lambda reason: -reason.cny_per_mtok)

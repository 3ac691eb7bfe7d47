"""
The decomposed problem: a master that knows energy and capacity, and a block per time slice that knows the routing.

Benders' decomposition with in-out separation. The master's linear relaxation with the cuts gathered so far gives a
proven lower bound; a master point with integer decisions, its blocks solved, gives the cost of a plan.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from optimizer.model.compile import CompiledModel, compile_model, with_costs_of
from optimizer.model.outages import outage_tables
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.problem.problem import TRANSPORT_COLUMNS, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.benders.assignments import assignment_prices
from optimizer.solvers.benders.blocks import Block, Master, split
from optimizer.solvers.benders.covers import FlowCovers
from optimizer.solvers.benders.master import InfeasibleMasterError, MasterProgram
from optimizer.solvers.benders.parts import Part, describe_parts
from optimizer.solvers.benders.pool import CutPool
from optimizer.solvers.benders.subproblems import Cut, SlicePrograms
from optimizer.solvers.control import Control, Learned
from optimizer.solvers.greedy_fill import mw_per_busy_accelerator
from optimizer.solvers.highs import UnsolvedError

# How far the separation point lies from the core point (0) to the master's optimum (1), and how fast the core moves.
SEPARATION_STEP = 0.5
CORE_STEP = 0.5

# The first rounds, and all that still raise the bound by more than a share of it, are solved by an interior-point
# method: from the middle of the optimal face the cuts see more. Once few rows change a simplex method is faster.
CENTRAL_ROUNDS = 4
FAST_RISE_SHARE = 2e-3
# The first of all end early: a rough point sees cuts that are as good in half the time, though it proves little.
COARSE_ROUNDS = 3
COARSE_RISE_SHARE = 0.05  # and those after them while even such a bound rises by more than this share

# Cuts of a part that the master gets at a time: while the bound rises fast, more of them save whole rounds.
FEW_PER_PART, MANY_PER_PART = 2, 8
SMALL_MASTER_COLUMNS = 1500

# A similar relaxation begins with the rows that fall short of holding this one by less than this share of their bound.
NEARLY_TIGHT_SHARE = 1e-3

# With some columns held, a bound so many times that without them is a sign that nothing is feasible.
HOPELESS = 1e3

# With cuts for fewer of the parts than this the master's optimum is cut off too, not only a point on the way to it.
FEW_SHARE = 0.2

# The bound is left alone when so many rounds raised it by less than this share.
STALLED_ROUNDS = 3
PLATEAU_ROUNDS = 20  # or so many, far from the cost of the best plan: until enough is cut off a bound may stand still
STALLED_SHARE = 1e-4
LEAST_ROUNDS = 12
MOST_ROUNDS = 200

# A cost that is what is left of a larger one, and is no more than this share of it, is rounding.
ROUNDING_SHARE = 1e-12

# A balance missed by less than this share is rounding.
MISSED_SHARE = 1e-3


class Split(NamedTuple):
    """A problem compiled and decomposed; costs and penalties (T,) in units of `cny_per_unit`."""

    problem: PlacementProblem
    compiled: CompiledModel
    master: Master
    blocks: list[Block]
    parts: list[list[Part]]  # of each block
    penalty_units: FloatArray
    cny_per_unit: float


def split_problem(problem: PlacementProblem, *, like: Split | None = None, is_costless: bool = False) -> Split:
    """
    Compile a problem and decompose it.

    Where it differs from `like` in prices alone and has the same columns, only costs are worked out.
    """
    slices = len(problem.slices)
    unit = 1.0 if is_costless else cost_unit_cny(problem)
    penalty = np.ones(slices) if is_costless else _penalty_cny_per_mtok(problem) * problem.weight_h / unit
    if like is not None and differs_in_prices_alone(like.problem, problem):
        priced = with_costs_of(like.compiled, problem)
        if priced is not None:
            return _priced_anew(like, problem, priced, penalty, unit)
    compiled = compile_model(problem, with_tightening=True)
    if is_costless:
        compiled.cost[:] = 0.0
    most = _column_limits(problem, compiled)
    priced = compiled if is_costless else replace(compiled, cost=_cost_with_ways_at_work(problem, compiled))
    master, blocks = split(priced, slices, penalty, most, cny_per_unit=unit)
    return Split(problem, compiled, master, blocks, _parts_of(blocks), penalty, unit)


def _parts_of(blocks: list[Block]) -> list[list[Part]]:
    return [describe_parts(block) for block in blocks]


def _priced_anew(
    like: Split, problem: PlacementProblem, compiled: CompiledModel, penalty_units: FloatArray, unit: float
) -> Split:
    master, blocks = like.master, []
    cost = _cost_with_ways_at_work(problem, compiled)
    for number, block in enumerate(like.blocks):
        real = len(block.columns)
        missed = block.cost[real:]
        if number < len(penalty_units):
            missed = missed * (penalty_units[number] / like.penalty_units[number])
        own = cost[block.columns] / unit * block.scale
        blocks.append(replace(block, cost=np.concatenate([own, missed])))
    master = replace(master, cost=cost[master.columns] / unit * master.scale)
    return Split(problem, compiled, master, blocks, _parts_of(blocks), penalty_units, unit)


def _cost_with_ways_at_work(problem: PlacementProblem, compiled: CompiledModel) -> FloatArray:
    """
    Costs of the columns, (columns,), with the least cost of the way to a data center paid where the work is done.

    What is routed to a deployment is processed there (2), so every plan costs the same. But the master knows the larger
    part of these costs from the start, and a price on where tokens go leaves the blocks, and their cuts, as they are.
    """
    processes, center = problem.processes, problem.candidates["data_center_index"].to_numpy(np.int64)
    least: FloatArray = np.full((len(problem.classes), len(problem.data_centers)), np.inf)
    np.minimum.at(least, (problem.candidate_class, center), _way_cny_per_mtok(problem).to_numpy(float))
    cost, weight_h = compiled.cost.copy(), problem.weight_h[:, None]
    flow = compiled.columns["Flow"].columns
    extra = cost[flow] - (weight_h * least[problem.candidate_class, center]).reshape(-1)
    cost[flow] = np.where(np.abs(extra) <= ROUNDING_SHARE * np.abs(cost[flow]), 0.0, extra)
    at_work = least[processes["class_index"], processes["data_center_index"]]
    cost[compiled.columns["Work"].columns] += (weight_h * at_work).reshape(-1)
    return cost


class Decomposition:
    """
    Master and blocks of one problem, with the cuts gathered so far.

    Parameters
    ----------
    problem
        Energy and carbon prices of no slice may sum below zero.
    is_costless
        Forget all costs and price only missed balances: the bound is then above zero only if nothing is feasible.
    like
        Another problem decomposed (`split_problem`).
    control
        Whose time limit the linear programs keep.
    """

    def __init__(
        self,
        problem: PlacementProblem,
        *,
        seed: int,
        threads: int,
        is_costless: bool = False,
        like: Split | None = None,
        control: Control | None = None,
    ) -> None:
        self.problem = problem
        control = Control() if control is None else control
        self.split = parts = split_problem(problem, like=like, is_costless=is_costless)
        self.compiled, self.master, blocks, self.cny_per_unit = (
            parts.compiled, parts.master, parts.blocks, parts.cny_per_unit
        )  # fmt: skip
        # A limit on the year can have any price, so that no penalty is sure to be above it.
        forbids = problem.policy.is_active and not is_costless
        self.blocks = SlicePrograms(
            blocks, self.master.upper, control, threads=threads, seed=seed, forbids_misses=forbids
        )
        self.program = MasterProgram(self.master, self.blocks.part_count, seed=seed)
        self.pool = CutPool(parts.parts)
        assign = self.positions("Assign")
        first = self.blocks.cuts_at([assignment_prices(block, self.compiled, assign) for block in blocks])
        self.pool.add(first)
        self.program.add(first)
        self.covers = FlowCovers(problem, self.compiled, self.master)
        self._kept: list[Cut] = []  # of a branch: they stay in the master, and are no cuts of the problem
        self._core: FloatArray | None = None  # a point from which the next cuts are sought, drifting to the optimum
        self.rounds = 0  # how often the relaxation was solved
        self.is_coarse = len(self.master.cost) > SMALL_MASTER_COLUMNS  # whether the next round is to end early
        self.is_rough = False  # whether the last one ended early
        self._history: list[float] = []  # the bound after each round that was not a coarse one
        self.bound_units = -np.inf
        # Where days were merged, the own bound proves nothing: what a bound over all days has proved counts.
        self.bound_of_all_days_units: float | None = None
        self.relaxed_point = np.zeros(len(self.master.cost))

    def begin_with(self, held: Iterable[Cut], point: FloatArray) -> None:
        """
        Begin with the cuts that held the relaxation of another problem where that ended.

        Parameters
        ----------
        held
            They are in the pool already.
        point
            (master columns,) of the other problem; where it has other columns the cuts wait until they are broken.
        """
        if point.shape == self.master.cost.shape:
            self.program.add(list(held))
            self.program.add(self.covers.violated(point, broken_share=-NEARLY_TIGHT_SHARE))
            self._core = point
            self.is_coarse = False  # it may be near its end already

    def begin_like(self, learned: Learned) -> None:
        """Begin with what was learned of a similar problem."""
        self.pool.add_shared(learned.cuts)
        held = (self.pool.at_part(learned.cuts[number], part) for number, part in learned.held.tolist())
        self.begin_with([cut for cut in held if cut is not None], learned.point)

    def keep(self, cuts: Sequence[Cut]) -> None:
        """Let the master keep cuts that are true of a branch alone."""
        self._kept += cuts
        self.program.add(cuts)

    @property
    def is_branch(self) -> bool:
        """Whether the master is that of a branch."""
        return bool(self._kept)

    def forget_idle(self) -> None:
        """Take out of the master what its last solution did not need; it stays in the pool."""
        self._forget(self.program.take_out_idle(1))

    def _forget(self, gone: list[Cut]) -> None:
        """Note what was taken out of the master, and put back what it is to keep."""
        self.covers.forget(gone)
        self.program.add([cut for cut in gone if self._is_kept(cut)])

    def _is_kept(self, cut: Cut) -> bool:
        return any(cut is one for one in self._kept)

    def learned(self, kept_links: npt.NDArray[np.bool_]) -> Learned:
        """Hand on the cuts, those that the master needs by the parts that they hold, and where the relaxation ended."""
        held = [cut for cut in self.program.needed if not self.covers.is_one(cut) and not self._is_kept(cut)]
        point = self.relaxed_point if self.rounds else np.zeros(0)
        return Learned(kept_links, *self.pool.shared(held), point)

    def positions(self, variable: str) -> np.ndarray:
        """Positions of a variable's columns among the master columns."""
        columns = self.compiled.columns[variable].columns
        return np.searchsorted(self.master.columns, np.arange(columns.start, columns.stop))

    def columns_at(self, point: FloatArray) -> FloatArray:
        """Write a master point as a vector of the compiled model; block columns are 0."""
        out = np.zeros(len(self.compiled.cost))
        out[self.master.columns] = point * self.master.scale
        return out

    def cost_at(self, point: FloatArray) -> tuple[float, list[Cut], float]:
        """Cost of a master point in cost units, the cuts there, and the largest share by which a balance is missed."""
        answers = self.blocks.solve(point)
        cost = float(self.master.cost @ point) + sum(float(answer.costs.sum()) for answer in answers)
        cuts = list(itertools.chain.from_iterable(answer.cuts for answer in answers))
        return cost, cuts, max(answer.missed for answer in answers)

    def learn(self, cuts: Iterable[Cut], point: FloatArray, part_costs: FloatArray) -> int:
        """Keep cuts, and give the master those that its solution breaks; return how many."""
        self.pool.add(cuts)
        broken = self.pool.violated(point, part_costs, FEW_PER_PART)
        self.program.add(broken)
        return len(broken)

    @property
    def proved_units(self) -> float:
        """Lower bound of the problem, cost units."""
        return self.bound_units if self.bound_of_all_days_units is None else self.bound_of_all_days_units

    def raise_bound(
        self, control: Control, *, least_rounds: int = LEAST_ROUNDS, most_rounds: int = MOST_ROUNDS
    ) -> None:
        """
        Add cuts until the bound of the relaxation hardly rises any more, or the control says stop.

        Raises
        ------
        InfeasibleMasterError
            If the master's own rows contradict each other.
        """
        for number in range(most_rounds):
            if control.must_stop or not self.raise_once(control):
                return
            control.say(np.inf, self.proved_units * self.cny_per_unit, "bound")
            if number >= least_rounds and self.is_stalled(STALLED_SHARE):
                return

    def raise_once(self, control: Control) -> bool:
        """
        Solve the relaxation, and add the cuts that it breaks.

        Returns
        -------
        bool
            Whether it breaks any: without, it is solved.

        Raises
        ------
        InfeasibleMasterError
            If the master's own rows contradict each other.
        """
        try:
            return self._raise_once(control.seconds_left)
        except UnsolvedError:
            if control.must_stop:
                return True
            raise

    def _raise_once(self, time_limit_s: float) -> bool:
        is_fast, is_coarse = not self.is_stalled(FAST_RISE_SHARE, 1), self.is_coarse
        most = MANY_PER_PART if is_fast else FEW_PER_PART
        if (is_fast or len(self._history) < CENTRAL_ROUNDS) and not self.is_small:
            solved = self.program.solve_centrally(is_coarse=is_coarse, time_limit_s=time_limit_s)
        else:
            solved = self.program.solve(time_limit_s=time_limit_s)
        bound, point, part_costs = solved
        rise = bound - self.bound_units
        self._note(bound, point)
        self.rounds += 1
        self.is_rough = is_coarse
        if is_coarse:
            self.is_coarse = self.rounds < COARSE_ROUNDS or rise > COARSE_RISE_SHARE * abs(bound)
        else:
            self._history.append(self.bound_units)
        return self._separate(point, part_costs, most) or is_coarse

    def _separate(self, point: FloatArray, part_costs: FloatArray, most: int) -> bool:
        """Give the master cuts that a solution of its relaxation breaks; say whether it breaks any."""
        self._core = self._rich(point) if self._core is None else CORE_STEP * point + (1 - CORE_STEP) * self._core
        aim = SEPARATION_STEP * point + (1 - SEPARATION_STEP) * self._core
        self.pool.add(self.cost_at(aim)[1])
        # At the core, where much is open, every outage is survived: outages are solved at the point itself.
        self.pool.add(self.blocks.solve_outages(point))
        new = self.pool.violated(point, part_costs, most)
        if len(new) < self.blocks.part_count * FEW_SHARE:
            self.pool.add(self.cost_at(point)[1])
            new = self.pool.violated(point, part_costs, most)
        new += self.covers.violated(point)
        self._forget(self.program.purge(point, part_costs))
        self.program.add(new)
        return bool(new)

    def bound_where(self, columns: IntArray, at: FloatArray, control: Control) -> tuple[float, FloatArray]:
        """
        Solve the relaxation once with some master columns held, and add the cuts that it breaks, true everywhere.

        Parameters
        ----------
        columns, at
            Positions among the master columns, and their values there.

        Returns
        -------
        tuple
            Lower bound of the plans that have these values, cost units, inf where there are none; the point of the
            relaxation, empty where there is none. A relaxation that the time limit ends proves what its duals do.
        """
        self.program.hold(columns, at)
        try:
            bound, point, part_costs = self.program.solve_centrally(time_limit_s=control.seconds_left)
            if bound > HOPELESS * abs(self.bound_units):  # so an interior-point method ends where there is no point
                bound, point, part_costs = self.program.solve(time_limit_s=control.seconds_left)
            self._separate(point, part_costs, FEW_PER_PART)
        except InfeasibleMasterError:
            return np.inf, np.zeros(0)
        except UnsolvedError:
            return -np.inf, np.zeros(0)
        finally:
            self.program.hold(columns[:0], at[:0])
        return bound, point

    def is_stalled(self, share: float, rounds: int = STALLED_ROUNDS) -> bool:
        """Whether the last rounds raised the bound by less than a share of it."""
        if len(self._history) <= rounds:
            return False
        rise = self._history[-1] - self._history[-1 - rounds]
        return rise < share * max(abs(self._history[-1]), 1e-6)

    @property
    def is_small(self) -> bool:
        """Whether the master is small enough for a simplex method from the start."""
        return len(self.master.cost) <= SMALL_MASTER_COLUMNS

    def _note(self, bound: float, point: FloatArray) -> None:
        self.bound_units = max(self.bound_units, bound)
        self.relaxed_point = point

    def _rich(self, point: FloatArray) -> FloatArray:
        """Take a point at which everything is open and deployed: from there the first cuts see all routes."""
        rich = point.copy()
        for name in ("Open", "Deploy"):
            rich[self.positions(name)] = 1.0
        return rich


def cost_unit_cny(problem: PlacementProblem) -> float:
    """
    Size of a cost unit: a thousandth of about what the problem costs.

    The solver's tolerances are absolute numbers; counted so, they are the same share of a village and of a nation.
    """
    per_mtok = _way_cny_per_mtok(problem).groupby(problem.candidates["workload_index"].to_numpy()).median().to_numpy()
    energy_mwh = (problem.accel_h_per_mtok * mw_per_busy_accelerator(problem)).min(axis=1)
    energy_mwh = energy_mwh[problem.workloads["class_index"]]
    price = float(np.median(np.abs(problem.energy_price_cny_per_mwh)))
    annual = problem.weight_h @ problem.demand_mtok_per_h
    fixed = float(problem.data_centers["opening_cny_per_year"].mean() + problem.classes["deploy_cny_per_year"].sum())
    cost = float(annual @ (per_mtok + energy_mwh * price)) + fixed
    return cost / 1e3 if cost > 0 else 1.0


def _penalty_cny_per_mtok(problem: PlacementProblem) -> FloatArray:
    """
    Price of missing a balance in each slice, (T,): above what avoiding the miss could cost there.

    That may take the most expensive route and energy, or a new pod that is used in this slice alone.
    """
    capacity_h = problem.utilization_limit_share * problem.accelerators["accelerators_per_pod"].to_numpy(float)
    longest_h = problem.accel_h_per_mtok.max(axis=0)
    index = problem.pools["accelerator_index"].to_numpy()
    per_mtok = _new_pod_cny_per_year(problem) * longest_h[index] / capacity_h[index]
    energy_mwh = mw_per_busy_accelerator(problem) * longest_h
    carbon = problem.data_centers["carbon_kg_per_kwh"].to_numpy(float) * problem.carbon_price_cny_per_t
    price = np.abs(problem.energy_price_cny_per_mwh) + np.abs(problem.energy_surcharge_cny_per_mwh).max(axis=1)
    energy = float(((price + carbon) * problem.data_centers["pue"].to_numpy()).max())
    charge = problem.data_centers["demand_charge_cny_per_kw_month"].to_numpy(float).max(initial=0.0) * 12e3
    charge += problem.data_centers["opening_cny_per_mw_year"].to_numpy(float).max(initial=0.0)
    fixed = problem.data_centers["opening_cny_per_year"].max() + problem.classes["deploy_cny_per_year"].max()
    if (problem.min_accelerators > 0).any():
        fixed += float(problem.min_accelerators.max()) * _keeping_on_cny(problem, energy)
    smallest = problem.demand_mtok_per_h.sum(axis=0)
    smallest_mtok = float((problem.weight_h @ problem.demand_mtok_per_h)[smallest > 0].min(initial=np.inf))
    usual = float(energy_mwh.max()) * energy + float(_way_cny_per_mtok(problem).max())
    usual = max(usual, problem.shed_penalty_cny_per_mtok, fixed / smallest_mtok, 1e-6)
    once = float(per_mtok.max(initial=0.0)) + charge * float(energy_mwh.max()) * 2
    return np.asarray(10.0 * usual + 3.0 * once / problem.weight_h)


def _way_cny_per_mtok(problem: PlacementProblem) -> pd.Series:
    """(R,) value of the round trip and transport of each candidate."""
    latency = problem.classes["latency_cny_per_ms_per_mtok"].to_numpy(float)[problem.candidate_class]
    transport = problem.candidates[list(TRANSPORT_COLUMNS)].sum(axis=1)
    cny: pd.Series = transport + latency * problem.candidates["rtt_ms"].to_numpy(float)
    return cny


def _new_pod_cny_per_year(problem: PlacementProblem) -> FloatArray:
    """(P,) yearly cost of a new pod; 0 where none can be bought."""
    pools = problem.pools
    cny = (pools["pod_cny_per_year"] + pools["site_cny_per_year"]).to_numpy(float)
    return np.where(pools["max_new_pods"].to_numpy() > 0, cny, 0.0)


def _keeping_on_cny(problem: PlacementProblem, energy_cny_per_mwh: float) -> float:
    """Most that an accelerator costs a year that is bought and kept on without work."""
    accelerators = problem.accelerators
    per_pod = accelerators["accelerators_per_pod"].to_numpy(float)
    idle_mw = accelerators["idle_mw_per_pod"].to_numpy(float) / per_pod
    bought = float((_new_pod_cny_per_year(problem) / per_pod[problem.pools["accelerator_index"]]).max(initial=0.0))
    return bought + float(idle_mw.max()) * energy_cny_per_mwh * float(problem.weight_h.sum())


def _column_limits(problem: PlacementProblem, compiled: CompiledModel) -> FloatArray:
    """
    Upper limit of each column of the compiled model in any plan that can be optimal, (columns,).

    No more pods are switched on than all work that can come and all models to be kept loaded can use. Where thousands
    of pods stand and half of one is needed, a column scaled by what stands would lie within the solver's tolerance.
    """
    limits = np.where(np.isfinite(compiled.upper), compiled.upper, 1.0)
    place = problem.deployments.reset_index(names="row").set_index(["class_index", "data_center_index"])["row"]
    pair_row = place.loc[list(problem.pairs[["class_index", "data_center_index"]].itertuples(index=False))].to_numpy()
    most = np.zeros((len(problem.slices), len(place)))
    np.add.at(most.T, pair_row, problem.servable_mtok_per_h[:, problem.pairs["workload_index"]].T)
    process = problem.processes[["class_index", "data_center_index"]]
    process_row = place.loc[list(process.itertuples(index=False))].to_numpy()
    active = _most_active_pods(problem, most[:, process_row])
    center = compiled.columns["Peak"].members[:, 0]
    power = (problem.data_centers["it_capacity_mw"] * problem.data_centers["pue"]).to_numpy(float)
    flow = problem.servable_mtok_per_h[:, problem.candidates["workload_index"]]
    outage_work = most.max(axis=0)[process_row][outage_tables(problem).processes["process_index"]]
    for name, values in (
        ("Flow", flow),
        ("Shed", problem.shed_limit_mtok_per_h),
        ("Work", most[:, process_row]),
        ("Active", active),
        ("Peak", power[center]),
        ("Contract", power[compiled.columns["Contract"].members[:, 0]]),
        ("Reroute", np.ones(1)),
        ("OutageWork", outage_work),
    ):
        block = compiled.columns[name]
        limits[block.columns] = np.broadcast_to(values, block.shape).reshape(-1)
    return limits


def _most_active_pods(problem: PlacementProblem, most_work_mtok_per_h: FloatArray) -> FloatArray:
    """(T, P) pods that can be of use, given the most work of each process, (T, X)."""
    pools, processes = problem.pools, problem.processes
    accelerator = pools["accelerator_index"].to_numpy()
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[accelerator]
    hours = problem.accel_h_per_mtok[processes["class_index"], processes["accelerator_index"]]
    busy = np.zeros((len(problem.slices), len(pools)))
    np.add.at(busy.T, processes["pool_index"].to_numpy(), (most_work_mtok_per_h * hours).T)
    loaded = np.zeros(len(problem.data_centers))
    deployments = problem.deployments
    np.add.at(loaded, deployments["data_center_index"], problem.min_accelerators[deployments["class_index"]])
    useful = busy / (problem.utilization_limit_share * per_pod) + loaded[pools["data_center_index"]] / per_pod
    pods = (pools["existing_pods"] + pools["max_new_pods"]).to_numpy(float)
    return np.asarray(np.minimum(pods, useful * (1 + 1e-6)))

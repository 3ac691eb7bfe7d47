"""
Shadow prices: what one more unit of each limit saves, with the integers held: a megawatt, a pod, 100 Gbps, a tonne.

`LIMITS` lists the limits that have a price: how large a step of each is, and which things have such a limit. A limit is
changed in the inputs and the model compiled again; the rows that differ, of whichever equations, are changed in the
fixed-integer LP, which is solved again from where it stands. RTT limits change no row but admit routes:
`rtt_prices`. What one more token costs is read off the duals: `token_costs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from optimizer.model.compile import CompiledModel, compile_model
from optimizer.model.data import model_sets
from optimizer.model.equations import CONSTRAINTS
from optimizer.numbers import format_cny
from optimizer.problem.plan import Plan
from optimizer.problem.problem import FloatArray, IntArray, PlacementProblem
from optimizer.sensitivity.duals import rtt_prices, token_costs
from optimizer.sensitivity.price_table import COLUMNS, LEAST_VALUE_CNY, Price, price_row, price_sentence
from optimizer.solvers.columns import columns_from_plan
from optimizer.solvers.fixed_integers import FixedIntegerSolution, FixedProgram, settle
from optimizer.units import CNY_PER_MCNY

# A share that is lowered stays above zero: at zero the limit would not be in the model any more.
_LEAST_SHARE = 1e-9
_TRIES = (10,)


@dataclass(frozen=True)
class _Thing:
    """Something that has a limit."""

    variant: int  # Number of its move: things whose rows have the same labels need a move each
    index: tuple[int, ...]  # Of its rows, under the labels of its limit
    ids: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Limit:
    """A number of the inputs that can be moved."""

    kind: str
    unit: str  # Of its price
    step: float  # How much is added, in the unit of the limit
    words: str  # The step in words, with places for the names of the thing
    labels: tuple[str, ...]  # Labels of the rows that move, which tell things of one variant apart
    things: Callable[[PlacementProblem], list[_Thing]]  # Everything that has such a limit
    move: Callable[[PlacementProblem, int], PlacementProblem]  # Adds a step for every thing of a variant at once
    moves_right_side: bool = True  # Whether only right sides change, the integers being held
    tries: tuple[int, ...] = _TRIES  # Numbers of steps tried, to see how far the price holds


def _every_center(problem: PlacementProblem) -> list[_Thing]:
    """Every data center."""
    ids, names = (problem.data_centers[column].to_numpy(str) for column in ("id", "name"))
    return [_Thing(0, (d,), (ids[d],), (names[d],)) for d in range(len(ids))]


def _every_pool(problem: PlacementProblem) -> list[_Thing]:
    """Every pool, in their order; its accelerator is the variant."""
    centers, accelerators = problem.data_centers, problem.accelerators
    return [
        _Thing(
            int(a), (int(d),), (str(centers["id"].iloc[d]), str(accelerators["id"].iloc[a])),
            (str(centers["name"].iloc[d]), str(accelerators["name"].iloc[a])),
        )
        for d, a in problem.pools[["data_center_index", "accelerator_index"]].to_numpy(int)
    ]  # fmt: skip


def _limiting_links(problem: PlacementProblem) -> list[_Thing]:
    ids = problem.links["id"].to_numpy(str)
    limiting = np.flatnonzero(problem.links["is_limiting"].to_numpy(bool)).tolist()
    return [_Thing(0, (link,), (ids[link],), (ids[link],)) for link in limiting]


def _regions(problem: PlacementProblem) -> list[_Thing]:
    return [_Thing(number, (), (name,), (name,)) for number, name in enumerate(problem.policy.regions)]


def _only_if(name: str) -> Callable[[PlacementProblem], list[_Thing]]:
    """Make the things of a limit on the plan as a whole."""
    return lambda problem: [_Thing(0, (), ("plan",), ("the plan",))] if getattr(problem.policy, name) else []


def _more_power(problem: PlacementProblem, _: int) -> PlacementProblem:
    centers = problem.data_centers
    return replace(problem, data_centers=centers.assign(it_capacity_mw=centers["it_capacity_mw"] + 1.0))


def _more_pods(problem: PlacementProblem, accelerator: int) -> PlacementProblem:
    pools = problem.pools
    more = (pools["accelerator_index"] == accelerator).astype(np.int64)
    return replace(problem, pools=pools.assign(existing_pods=pools["existing_pods"] + more))


def _more_capacity(problem: PlacementProblem, _: int) -> PlacementProblem:
    links = problem.links
    return replace(problem, links=links.assign(capacity_gbps=links["capacity_gbps"] + 100.0))


def _policy_plus(name: str, amount: float) -> Callable[[PlacementProblem, int], PlacementProblem]:
    def move(problem: PlacementProblem, _: int) -> PlacementProblem:
        changes: dict[str, Any] = {name: max(_LEAST_SHARE, getattr(problem.policy, name) + amount)}
        return replace(problem, policy=replace(problem.policy, **changes))

    return move


def _less_in_region(problem: PlacementProblem, number: int) -> PlacementProblem:
    policy = problem.policy
    region = policy.regions[number]
    shares = {**policy.min_region_share, region: max(_LEAST_SHARE, policy.min_region_share[region] - 0.01)}
    return replace(problem, policy=replace(policy, min_region_share=shares))


LIMITS = (
    _Limit(
        "it_power", "CNY per year and MW", 1.0, "1 MW more of IT power at {}", ("data_center",),
        _every_center, _more_power,
    ),
    _Limit(
        "existing_pod", "CNY per year and pod", 1.0, "1 more pod of {1} in place at {0}", ("data_center",),
        _every_pool, _more_pods,
    ),
    _Limit(
        "link", "CNY per year and 100 Gbps", 100.0, "100 Gbps more on link {}", ("link",),
        _limiting_links, _more_capacity,
    ),
    _Limit(
        "carbon_cap", "CNY per year and t CO2", 1.0, "1 t more of CO2 under the cap", (),
        _only_if("carbon_cap_t_per_year"), _policy_plus("carbon_cap_t_per_year", 1.0), tries=(1000, 100_000),
    ),
    _Limit(
        "spending_limit", "CNY per year and million CNY per year", 1.0, "1 million CNY more of yearly budget", (),
        _only_if("spending_limit_cny_per_year"), _policy_plus("spending_limit_cny_per_year", CNY_PER_MCNY),
        tries=(10, 100),
    ),
    _Limit(
        "region_share", "CNY per year and percentage point", 1.0,
        "a least share of {} that is 1 percentage point lower", (),
        _regions, _less_in_region, moves_right_side=False,
    ),
    _Limit(
        "green_share", "CNY per year and percentage point", 1.0,
        "a least share of green power that is 1 percentage point lower", (),
        _only_if("min_green_share"), _policy_plus("min_green_share", -0.01), moves_right_side=False,
    ),
    _Limit(
        "utilization", "CNY per year and percentage point", 1.0,
        "a least utilization that is 1 percentage point lower", (),
        _only_if("min_utilization_share"), _policy_plus("min_utilization_share", -0.01),
    ),
)  # fmt: skip

# A price holds as far as a step is worth nine tenths of the first.
_HOLDS_SHARE = 0.9
_ROUNDING = 1e-9
_PURCHASE_UNIT = "CNY per year and pod"


@dataclass(frozen=True, eq=False)
class PricedPlan:
    """The best plan for its integers, with what is needed to price its limits."""

    problem: PlacementProblem
    compiled: CompiledModel
    fixed: FixedIntegerSolution  # The plan and the duals
    program: FixedProgram  # The linear program behind it, solved
    shifts: _Shifts

    @cached_property
    def sets(self) -> dict[str, npt.NDArray[np.int32]]:
        """Index tables of the sets of the model (`data.model_sets`)."""
        return model_sets(self.problem)


@dataclass(frozen=True)
class _Shift:
    """Change of the right sides and of the matrix when a limit is moved by one step everywhere."""

    right: FloatArray
    matrix: sp.csr_array

    def at(self, x: FloatArray) -> FloatArray:
        """Change of the right sides, with the columns held at x."""
        return np.asarray(self.right - self.matrix @ x)


_Shifts = dict[tuple[str, int], _Shift]  # By limit and variant


def price_plan(problem: PlacementProblem, compiled: CompiledModel, plan: Plan, *, seed: int = 1) -> PricedPlan:
    """
    Solve the fixed-integer LP of a plan and keep the program behind it.

    Parameters
    ----------
    plan
        Its integers are held; unused ones are removed first.

    Raises
    ------
    FixedIntegerError
        If no plan has these integers.
    """
    shifts = {
        (limit.kind, variant): _shift(compiled, compile_model(limit.move(problem, variant)))
        for limit in LIMITS
        for variant in sorted({thing.variant for thing in limit.things(problem)})
    }
    program, fixed = settle(
        problem, compiled, plan, seed=seed, stays=lambda x: _rows_to_move(problem, compiled, shifts, x)
    )
    return PricedPlan(problem, compiled, fixed, program, shifts)


def _shift(compiled: CompiledModel, moved: CompiledModel) -> _Shift:
    change = sp.csr_array(moved.matrix - compiled.matrix)
    change.eliminate_zeros()
    return _Shift(moved.row_upper - compiled.row_upper, change)


def _rows_to_move(
    problem: PlacementProblem, compiled: CompiledModel, shifts: _Shifts, x: FloatArray
) -> npt.NDArray[np.bool_]:
    moves = np.zeros(len(compiled.row_upper), np.bool_)
    row_of = np.repeat(np.arange(len(moves)), np.diff(compiled.starts))
    for shift in shifts.values():
        moves |= shift.at(x) != 0
    for pool in np.flatnonzero(_is_bought_out(problem, compiled, x)):
        column = compiled.columns["NewPods"].columns.start + int(pool)
        moves |= np.bincount(row_of[compiled.indices == column], minlength=len(moves)) > 0
    return moves


def shadow_prices(priced: PricedPlan, *, seed: int = 1) -> pd.DataFrame:
    """
    Price every limit of a plan.

    Returns
    -------
    DataFrame
        kind, id, unit, value (saving of the first full step per unit, in `unit`; of a token, its cost), marginal_value
        (the same for a small part of the step, from the duals; NaN where there is none), step and holds_to (the amount
        added, and up to which amount each unit saves at least nine tenths of `value`, of a few steps tried; in the unit
        of the limit, NaN where not known), sentence.
    """
    rows = [row for limit in LIMITS for row in _limit_rows(priced, limit)]
    rows += _purchase_rows(priced)
    rows += rtt_prices(priced.problem, priced.program, seed=seed)
    rows += token_costs(priced.problem, priced.fixed)
    return pd.DataFrame(rows, columns=COLUMNS)


def _limit_rows(priced: PricedPlan, limit: _Limit) -> Iterator[dict[str, Any]]:
    x = columns_from_plan(priced.compiled, priced.fixed.plan)
    moved: dict[int, tuple[FloatArray, dict[tuple[int, ...], IntArray]]] = {}
    for thing in limit.things(priced.problem):
        if thing.variant not in moved:
            # Rows of integers alone cannot be broken by more of a limit, and have no price.
            shift = np.where(priced.program.has_free_columns, priced.shifts[limit.kind, thing.variant].at(x), 0.0)
            moved[thing.variant] = shift, _rows_by_label(priced, shift, limit.labels)
        shift, rows_of = moved[thing.variant]
        rows, what = rows_of.get(thing.index), limit.words.format(*thing.names)
        if rows is None:
            price, sentence = Price(0.0, 0.0), f"{what} is worth nothing in this plan, where {thing.names[0]} is closed"
        else:
            price = (
                _price(priced, rows, shift[rows], tries=limit.tries)
                if limit.moves_right_side
                else _price_anew(priced, limit, thing)
            )
            sentence = price_sentence(what, price.value, price.holds_steps)
        yield price_row(limit.kind, thing.ids, limit.unit, price, limit.step, sentence)


def _purchase_rows(priced: PricedPlan) -> Iterator[dict[str, Any]]:
    """Price the permission to buy one more pod where no more may be bought, net of its own price."""
    problem, compiled = priced.problem, priced.compiled
    x = columns_from_plan(compiled, priced.fixed.plan)
    is_bought_out, is_open = _is_bought_out(problem, compiled, x), _is_open(problem, compiled, x)
    for pool, thing in enumerate(_every_pool(problem)):
        what = "leave to buy 1 more pod of {1} at {0}".format(*thing.names)
        price, sentence = Price(0.0, 0.0), f"{what} is worth nothing: as many as pay may be bought already"
        if not is_open[pool]:
            sentence = f"{what} is worth nothing in this plan, where {thing.names[0]} is closed"
        elif is_bought_out[pool] and _breaks_limit(priced.program, pool):
            sentence = f"{what} is worth nothing: another limit on purchases is used up"
        elif is_bought_out[pool]:
            rows, more = _pod_rows(priced.program, pool)
            own_cny = float(compiled.cost[compiled.columns["NewPods"].columns][pool])
            found = _price(priced, rows, more, own_cny)
            if found.value >= LEAST_VALUE_CNY:
                price, sentence = found, price_sentence(what, found.value, found.holds_steps)
            else:
                price = Price(0.0, max(0.0, found.marginal))
                earned = format_cny(max(0.0, np.nan_to_num(found.value) + own_cny))
                sentence = f"{what} is worth nothing: it would earn {earned} a year and cost {format_cny(own_cny)}"
        yield price_row("purchasable_pod", thing.ids, _PURCHASE_UNIT, price, 1.0, sentence)


def _price(
    priced: PricedPlan, rows: IntArray, more: FloatArray, own_cny: float = 0.0, tries: tuple[int, ...] = _TRIES
) -> Price:
    """Price the first step and find how far the price holds; no solve where the duals show no change."""
    marginal = float(-_row_duals(priced)[rows] @ more) - own_cny
    if (more >= 0).all() and marginal + own_cny < LEAST_VALUE_CNY:
        return Price(min(marginal, 0.0), marginal)
    first = priced.program.saving_with_more(rows, more) - own_cny
    if not np.isfinite(first):
        return Price(np.nan, marginal)
    holds = 1
    for steps in tries if first >= LEAST_VALUE_CNY else ():
        each = priced.program.saving_with_more(rows, more * steps) / steps - own_cny
        if each < _HOLDS_SHARE * first:
            break
        holds = steps
    is_rounding = abs(first) < LEAST_VALUE_CNY
    return Price(0.0 if is_rounding else first, marginal, None if first < LEAST_VALUE_CNY else holds)


def _price_anew(priced: PricedPlan, limit: _Limit, thing: _Thing) -> Price:
    """Price a step that changes more than right sides: compile the moved limit and solve anew."""
    x = columns_from_plan(priced.compiled, priced.fixed.plan)
    marginal = float(-_row_duals(priced) @ priced.shifts[limit.kind, thing.variant].at(x))
    if marginal < LEAST_VALUE_CNY:
        return Price(0.0, marginal)
    moved = FixedProgram(compile_model(limit.move(priced.problem, thing.variant)), priced.program.integers)
    first = priced.fixed.objective_cny - moved.solve().cost_cny
    return Price(first, marginal, 1) if first >= LEAST_VALUE_CNY else Price(0.0, marginal)


def _row_duals(priced: PricedPlan) -> FloatArray:
    return np.concatenate([priced.fixed.row_duals[name].reshape(-1) for name in priced.compiled.rows])


def _rows_by_label(priced: PricedPlan, shift: FloatArray, labels: tuple[str, ...]) -> dict[tuple[int, ...], IntArray]:
    """Rows that move, by what they belong to: positions in the tables that `labels` name."""
    found: dict[tuple[int, ...], IntArray] = {}
    for equation in CONSTRAINTS:
        block = priced.compiled.rows[equation.name]
        rows = block.rows.start + np.flatnonzero(shift[block.rows])
        if not len(rows):
            continue
        place = [equation.labels.index(label) for label in labels]
        keys = priced.sets[equation.over[0]][(rows - block.rows.start) % block.shape[1]][:, place]
        for key in np.unique(keys, axis=0).tolist():
            mine = rows[(keys == key).all(axis=1)]
            found[tuple(key)] = np.concatenate([found.get(tuple(key), np.zeros(0, np.int64)), mine])
    return found


def _pod_rows(program: FixedProgram, pool: int) -> tuple[IntArray, FloatArray]:
    """Rows that a new pod relaxes, and by how much; without those of integers alone."""
    part = _pod_column(program, pool)
    is_open_row = program.has_free_columns[part.indices]
    return part.indices[is_open_row].astype(np.int64), -part.data[is_open_row]


def _pod_column(program: FixedProgram, pool: int) -> sp.csc_array:
    return sp.csc_array(program.matrix[:, [program.compiled.columns["NewPods"].columns.start + pool]])


def _breaks_limit(program: FixedProgram, pool: int) -> bool:
    """Whether one more pod would break a limit of integers alone, other than the number that may be bought."""
    part = _pod_column(program, pool)
    rows, data = part.indices, part.data
    block = program.compiled.rows["buy_pods_where_open"].rows
    alone = ~program.has_free_columns[rows] & ~((rows >= block.start) & (rows < block.stop))
    left = (program.compiled.row_upper - program.matrix @ program.integers)[rows] - data
    return bool((left[alone] < -_ROUNDING * np.maximum(1.0, np.abs(data[alone]))).any())


def _is_open(problem: PlacementProblem, compiled: CompiledModel, x: FloatArray) -> npt.NDArray[np.bool_]:
    """(P,) whether the pool's data center is open."""
    is_open = compiled.columns["Open"].values(x) > 0.5  # noqa: PLR2004 - halves
    return np.asarray(is_open[problem.pools["data_center_index"]])


def _is_bought_out(problem: PlacementProblem, compiled: CompiledModel, x: FloatArray) -> npt.NDArray[np.bool_]:
    """(P,) whether no more pods may be bought at an open data center."""
    most = problem.pools["max_new_pods"].to_numpy()
    return _is_open(problem, compiled, x) & (compiled.columns["NewPods"].values(x) >= most)

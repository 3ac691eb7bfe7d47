"""
Why a scenario has no plan, and the smallest changes that would give it one, each applied and proved.

Of a feasible problem it says how near the limits are: by how much all demand could grow before a condition fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import linprog

from network_data.display import short_html, short_text
from network_data.faults import Fault, InputError
from network_data.load import Network, load_network
from optimizer.infeasibility.changes import Change, ChangeItem, change_capacity, change_problem, change_scenario
from optimizer.infeasibility.conditions import check_conditions
from optimizer.infeasibility.relaxations import Condition, Groups, make_flows, make_groups, pool_capacity
from optimizer.infeasibility.relaxed_problem import (
    RelaxedProblem,
    aggregate,
    per_workload,
    relax_problem,
    relax_scenario,
    representative,
    sum_by_group,
)
from optimizer.infeasibility.search import Option, OptionSearch, sort_options
from optimizer.numbers import format_clock
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.demand import home_region
from optimizer.problem.plan import Plan
from optimizer.problem.problem import BoolArray, FloatArray, IntArray, PlacementProblem
from optimizer.solvers.control import Control
from optimizer.solvers.greedy import evaluate_baselines
from scenarios.load import load_scenario
from scenarios.schema import Scenario

_NAMED = 4


@dataclass(frozen=True)
class _DemandMargin:
    """Distance of one condition from failing."""

    name: str  # What is compared
    growth_share: float  # Share by which all demand could grow before it fails; inf if it never does
    when: str  # Slice in which it would fail
    held_by: tuple[str, ...]  # What would be full there: data centers with their accelerators or power


def _demand_margins(problem: PlacementProblem) -> tuple[_DemandMargin, ...]:
    """Find how far demand could grow within total capacity and within what is in reach."""
    relaxed = RelaxedProblem(problem, np.zeros(len(problem.candidates)), ())
    smaller = representative(aggregate(relaxed).relaxed).problem
    return tuple(_demand_margin(smaller, by_places=by_places) for by_places in (False, True))


def _demand_margin(problem: PlacementProblem, *, by_places: bool) -> _DemandMargin:
    groups = make_groups(problem, by_places=by_places)
    demand = sum_by_group(problem.demand_mtok_per_h - problem.shed_limit_mtok_per_h, groups.workload)
    found = [(*_growth(problem, groups, row), t) for t, row in enumerate(demand) if row.any()]
    name = "capacity within reach" if by_places else "total capacity"
    if not found:
        return _DemandMargin(name, np.inf, "", ())
    growth, held_by, t = min(found, key=lambda item: item[0])
    row = problem.slices.iloc[t]
    day = str(row["day"]).rpartition("_")[0]
    is_mean = t == len(demand) - 1
    when = "the mean of the year, work that may wait included" if is_mean else f"{day} {format_clock(row['hour'])}"
    return _DemandMargin(name, growth - 1.0, when, held_by)


def _growth(problem: PlacementProblem, groups: Groups, demand: FloatArray) -> tuple[float, tuple[str, ...]]:
    """Largest factor on the demand of a slice that capacity carries, and what is full then."""
    flows, place = make_flows(problem, groups, demand), problem.pools["data_center_index"].to_numpy(int)
    pools, width = len(place), len(flows.group) + 1

    def rows(row: IntArray, values: FloatArray, count: int) -> sp.csr_array:
        return sp.csr_array((values, (row, np.arange(width - 1))), shape=(count, width))

    served = rows(flows.group, np.ones(width - 1), len(demand))
    factor = sp.csr_array((demand, (np.arange(len(demand)), np.full(len(demand), width - 1))), shape=served.shape)
    held = [
        rows(flows.pool, flows.busy_h_per_mtok, pools),
        rows(place[flows.pool], flows.it_mwh_per_mtok, len(problem.data_centers)),
    ]
    right = np.concatenate([pool_capacity(problem), problem.data_centers["it_capacity_mw"].to_numpy(float)])
    solved = linprog(
        -np.eye(1, width, width - 1)[0],
        A_ub=sp.csr_array(sp.vstack(held)),
        b_ub=right,
        A_eq=served - factor,
        b_eq=np.zeros(len(demand)),
        bounds=(0, None),
        method="highs",
    )
    if solved.x is None:
        return np.inf, ()
    price = -np.asarray(solved.ineqlin.marginals)
    ids = problem.data_centers["id"].to_numpy(str)
    full = {"accelerators": place[price[:pools] > 0], "power": np.flatnonzero(price[pools:] > 0)}
    return float(solved.x[-1]), tuple(f"{what} at {_names(ids[at])}" for what, at in full.items() if len(at))


def _names(ids: npt.NDArray[np.str_]) -> str:
    unique = list(dict.fromkeys(ids.tolist()))
    return ", ".join(unique) if len(unique) <= _NAMED else f"{len(unique)} data centers"


Status = Literal["feasible", "infeasible", "undecided"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a problem has no plan, or how near its limits are."""

    name: str  # Of the scenario
    status: Status  # feasible (a plan is known), infeasible (proved), undecided (the time limit was reached first)
    conditions: tuple[Condition, ...]  # Necessary conditions, those that fail first
    options: tuple[Option, ...]  # Changes that would make it feasible, the smallest first; then those that cannot
    margins: tuple[_DemandMargin, ...]  # Of a feasible problem: how near its limits are
    is_complete: bool  # Whether the search for every kind of change was finished
    seconds: dict[str, float]  # By phase

    @property
    def exit_code(self) -> int:
        """0 feasible, 2 infeasible and explained, 4 undecided: the time limit was reached first."""
        return {"feasible": 0, "infeasible": 2, "undecided": 4}[self.status]

    @property
    def failures(self) -> tuple[Condition, ...]:
        """Conditions that fail."""
        return tuple(condition for condition in self.conditions if not condition.holds)

    def _key_facts(self) -> dict[str, object]:
        facts = {
            "status": self.status,
            "fails": "; ".join(condition.name for condition in self.failures),
            "would do": "; ".join(option.title for option in self.options if option.is_enough),
            "demand could grow by": "; ".join(f"{item.growth_share:.1%} ({item.name})" for item in self.margins),
        }
        return {label: value for label, value in facts.items() if value}

    def __repr__(self) -> str:
        return short_text("Explanation", self.name, self._key_facts())

    def _repr_html_(self) -> str:
        return short_html("Explanation", self.name, self._key_facts())


def explain_scenario(
    scenario: str | Path,
    overrides: Sequence[str] = (),
    *,
    report: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Explanation:
    """
    Explain why a scenario has no plan, and what the smallest changes are that would give it one.

    Parameters
    ----------
    overrides
        Texts such as `solver.time_limit_s=60`; solver options are keys like any other.

    Returns
    -------
    Explanation
        Workloads that reach no data center are explained too, not refused.

    Raises
    ------
    InputError
        With every other fault of the inputs.
    """
    loaded = load_scenario(scenario, overrides)
    network = load_network(loaded.network)
    stranded: tuple[Fault, ...] = ()
    try:
        problem = assemble_problem(network, loaded)
    except InputError as error:
        if any(fault.column != "workload" for fault in error.faults):
            raise
        stranded = tuple(error.faults)
        problem = assemble_problem(network, loaded, allow_stranded=True)

    def remake(change: Change) -> PlacementProblem:
        changed: Scenario = change_scenario(loaded, relaxed, change)
        return change_capacity(assemble_problem(network, changed, allow_stranded=True), change)

    relaxed = relax_scenario(network, loaded, problem)
    plan = None if stranded else _greedy_plan(problem, network)
    control = Control(time_limit_s=loaded.solver.time_limit_s, stop=stop or threading.Event())
    explanation = explain_problem(
        problem, relaxed=relaxed, stranded=stranded, remake=remake, plan=plan, control=control, report=report,
        seed=loaded.solver.seed, threads=loaded.solver.threads,
    )  # fmt: skip
    if explanation.status == "infeasible" and not (loaded.fleet.allow_purchase or stranded or control.must_stop):
        bought = _with_purchase(network, loaded)
        explanation = replace(explanation, options=sort_options([*explanation.options, *bought]))
    return explanation


def explain_problem(  # noqa: PLR0913 - options, keyword-only
    problem: PlacementProblem,
    *,
    relaxed: RelaxedProblem | None = None,
    stranded: Sequence[Fault] = (),
    remake: Callable[[Change], PlacementProblem] | None = None,
    plan: Plan | None = None,
    control: Control | None = None,
    report: Callable[[str], None] | None = None,
    seed: int = 1,
    threads: int = 1,
) -> Explanation:
    """
    Explain a problem; see `explain_scenario`.

    Parameters
    ----------
    relaxed
        The problem with candidates beyond its limits; none = those beyond the RTT limits.
    stranded
        Faults of workloads without any candidate.
    remake
        Makes the changed problem, to prove a change on; none = the change is applied to the problem's tables.
    report
        Called with a line of text as the work goes on.
    """
    control = control if control is not None else Control()
    tell = report if report is not None else lambda _: None
    relaxed = relaxed if relaxed is not None else relax_problem(problem)
    seconds: dict[str, float] = {}
    began = time.monotonic()
    conditions = _conditions(problem, relaxed, stranded) if plan is None else ()
    seconds["conditions"] = time.monotonic() - began
    failed = [condition for condition in conditions if not condition.holds]
    for condition in failed:
        tell(f"fails: {condition.name}")
    is_infeasible, is_complete = bool(failed), True
    options: tuple[Option, ...] = ()
    began = time.monotonic()
    if plan is None:
        make = remake if remake is not None else lambda change: change_problem(relaxed, change)
        search = OptionSearch(relaxed, make, control=control, report=tell, seed=seed, threads=threads)
        if not is_infeasible:
            plan = search.plan_without_change()
        if plan is None:
            options = search.options()
            is_complete = search.is_complete
            is_infeasible |= search.is_proved_infeasible
    seconds["changes"] = time.monotonic() - began
    status: Status = "feasible" if plan is not None else "infeasible" if is_infeasible else "undecided"
    began = time.monotonic()
    margins = _demand_margins(problem) if plan is not None else ()
    seconds["headroom"] = time.monotonic() - began
    failing_first = tuple(sorted(conditions, key=lambda condition: condition.holds))
    return Explanation(problem.name, status, failing_first, options, margins, is_complete, seconds)


def _greedy_plan(problem: PlacementProblem, network: Network) -> Plan | None:
    fitting = [b.plan for b in evaluate_baselines(problem, home_region(problem, network)) if b.is_feasible]
    return fitting[0] if fitting else None


def _with_purchase(network: Network, scenario: Scenario) -> list[Option]:
    """Test by greedy filling whether purchases are enough where the scenario forbids them; empty where they are not."""
    fleet = scenario.fleet.model_copy(update={"allow_purchase": True})
    problem = assemble_problem(network, scenario.model_copy(update={"fleet": fleet}))
    plan = _greedy_plan(problem, network)
    if plan is None:
        return []
    note = f"{int(plan.new_pods.sum()):,} pods are enough"
    item = ChangeItem("allow_purchase", "the fleet", 1.0, "step", False, True, "fleet.allow_purchase", note)  # noqa: FBT003 - values
    return [Option(("allow_purchase",), "purchases", "sufficient", 1.0, 0.0, (item,), None, problem, plan)]


def _conditions(problem: PlacementProblem, relaxed: RelaxedProblem, stranded: Sequence[Fault]) -> tuple[Condition, ...]:
    """Check the necessary conditions, first of the workloads that reach no data center, then of all others."""
    reached = np.zeros(len(problem.workloads), bool)
    reached[problem.candidates["workload_index"]] = True
    peak = problem.demand_mtok_per_h.max(axis=0)
    messages = {str(fault.value): fault.problem for fault in stranded}
    found = {}
    for w in np.flatnonzero(~reached & (peak > 0)):
        row = problem.workloads.iloc[w]
        name = f"{row['workload_class']} of {row['demand_hub']}"
        over_ms = _nearest_ms(relaxed, int(w))
        nearest = f"; the nearest is {over_ms:.2f} ms too far" if np.isfinite(over_ms) else ""
        message = messages.get(name, f"reaches no data center within its limits{nearest}")
        found[name] = Condition(f"reach of {name}", False, f"{name} {message}", float(peak[w]), 0.0, over_ms)  # noqa: FBT003
    for name, text in messages.items():
        found.setdefault(name, Condition(f"reach of {name}", False, f"{name} {text}"))  # noqa: FBT003
    rest = problem if reached.all() else _without_demand(problem, ~reached)
    return (*found.values(), *(check_conditions(rest) if rest.demand_mtok_per_h.any() else ()))


def _nearest_ms(relaxed: RelaxedProblem, workload: int) -> float:
    """Least excess over the RTT limit, ms, of a data center that the other rules of the workload's class admit."""
    mine = relaxed.problem.candidates["workload_index"].to_numpy(int) == workload
    for rule in relaxed.rules:
        mine &= rule.needed == 0
    over_ms = relaxed.over_ms[mine]
    return float(over_ms.min()) if len(over_ms) else float("nan")


def _without_demand(problem: PlacementProblem, which: BoolArray) -> PlacementProblem:
    return per_workload(problem, lambda values: np.where(which, 0.0, values))

"""Why a scenario has no plan, and the smallest changes that would give it one, each applied and proved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from network_data.faults import Fault, InputError
from network_data.load import Network, load_network
from optimizer.assemble import assemble_problem
from optimizer.baselines import evaluate_baselines
from optimizer.change import Change, change_capacity, change_problem, change_scenario
from optimizer.change_lines import ChangeItem
from optimizer.headroom import Headroom, find_headroom
from optimizer.necessary import Condition, check_conditions
from optimizer.options import Option, OptionSearch, sort_options
from optimizer.plan import Plan
from optimizer.problem import PlacementProblem
from optimizer.reach import Reach, reach_of_problem, reach_of_scenario
from optimizer.results import home_region
from optimizer.solution import Control
from scenarios.load import load_scenario
from scenarios.schema import Scenario

Status = Literal["feasible", "infeasible", "undecided"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """
    Why a problem has no plan, or how near its limits are.

    Attributes
    ----------
    name
        Of the scenario.
    status
        feasible (a plan is known), infeasible (proved), undecided (the limit struck first).
    conditions
        Necessary conditions, those that fail first.
    options
        Changes that would make it feasible, the smallest first; then those that cannot.
    headroom
        Of a feasible problem: how near its limits are.
    is_complete
        Whether every kind of change was looked at to the end.
    seconds
        By phase.
    """

    name: str
    status: Status
    conditions: tuple[Condition, ...]
    options: tuple[Option, ...]
    headroom: tuple[Headroom, ...]
    is_complete: bool
    seconds: dict[str, float]

    @property
    def exit_code(self) -> int:
        """0 feasible, 2 infeasible and explained, 4 undecided: the limit struck first."""
        return {"feasible": 0, "infeasible": 2, "undecided": 4}[self.status]

    @property
    def failures(self) -> tuple[Condition, ...]:
        """Conditions that fail."""
        return tuple(condition for condition in self.conditions if not condition.holds)


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
    scenario
        Built-in name or YAML file.
    overrides
        Texts such as `solver.time_limit_s=60`; solver options are keys like any other.
    report
        Called with a line of text as the work goes on.
    stop
        Set it, and the work ends with the changes found so far.

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
        changed: Scenario = change_scenario(loaded, reach, change)
        return change_capacity(assemble_problem(network, changed, allow_stranded=True), change)

    reach = reach_of_scenario(network, loaded, problem)
    plan = None if stranded else _greedy_plan(problem, network)
    control = Control(time_limit_s=loaded.solver.time_limit_s, stop=stop or threading.Event())
    explanation = explain_problem(
        problem,
        reach=reach,
        stranded=stranded,
        remake=remake,
        plan=plan,
        control=control,
        report=report,
        seed=loaded.solver.seed,
        threads=loaded.solver.threads,
    )
    if explanation.status == "infeasible" and not (loaded.fleet.allow_purchase or stranded or control.must_stop):
        bought = _with_purchase(network, loaded)
        explanation = replace(explanation, options=sort_options([*explanation.options, *bought]))
    return explanation


def explain_problem(  # noqa: PLR0913 - options, keyword-only
    problem: PlacementProblem,
    *,
    reach: Reach | None = None,
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
    problem
        The problem.
    reach
        The problem with candidates beyond its limits; none = those beyond the RTT limits.
    stranded
        Faults of workloads without any candidate.
    remake
        Makes the changed problem, to prove a change on; none = the change is applied to the problem's tables.
    plan
        A plan, if one is known.
    control
        Deadline and stop request.
    report
        Called with a line of text as the work goes on.
    seed, threads
        Of the solver.
    """
    control = control if control is not None else Control()
    say = report if report is not None else _silent
    reach = reach if reach is not None else reach_of_problem(problem)
    seconds: dict[str, float] = {}
    began = time.monotonic()
    conditions = _conditions(problem, reach, stranded) if plan is None else ()
    seconds["conditions"] = time.monotonic() - began
    is_infeasible = any(not condition.holds for condition in conditions)
    for condition in conditions:
        if not condition.holds:
            say(f"fails: {condition.name}")
    options: tuple[Option, ...] = ()
    is_complete = True
    began = time.monotonic()
    if plan is None:
        search = OptionSearch(
            reach,
            remake if remake is not None else lambda change: change_problem(reach, change),
            control=control,
            report=say,
            seed=seed,
            threads=threads,
        )
        if not is_infeasible:
            plan = search.plan_without_change()
        if plan is None:
            options = search.options()
            is_complete = search.is_complete
            is_infeasible |= search.is_proved_infeasible
    seconds["changes"] = time.monotonic() - began
    status: Status = "feasible" if plan is not None else "infeasible" if is_infeasible else "undecided"
    began = time.monotonic()
    headroom = find_headroom(problem) if plan is not None else ()
    seconds["headroom"] = time.monotonic() - began
    failing_first = tuple(sorted(conditions, key=lambda condition: condition.holds))
    return Explanation(problem.name, status, failing_first, options, headroom, is_complete, seconds)


def _silent(_: str) -> None:
    """Say nothing."""


def _greedy_plan(problem: PlacementProblem, network: Network) -> Plan | None:
    fitting = [b.plan for b in evaluate_baselines(problem, home_region(problem, network)) if b.is_feasible]
    return fitting[0] if fitting else None


def _with_purchase(network: Network, scenario: Scenario) -> list[Option]:
    """Try whether buying would do where the scenario forbids it; greedy filling says so, or nothing is said."""
    fleet = scenario.fleet.model_copy(update={"allow_purchase": True})
    problem = assemble_problem(network, scenario.model_copy(update={"fleet": fleet}))
    plan = _greedy_plan(problem, network)
    if plan is None:
        return []
    note = f"{int(plan.new_pods.sum()):,} pods are enough"
    item = ChangeItem("allow_purchase", "the fleet", 1.0, "step", False, True, "fleet.allow_purchase", note)  # noqa: FBT003 - values
    return [Option(("allow_purchase",), "purchases", "sufficient", 1.0, 0.0, (item,), None, problem, plan)]


def _conditions(problem: PlacementProblem, reach: Reach, stranded: Sequence[Fault]) -> tuple[Condition, ...]:
    """Check the necessary conditions, of the workloads that reach nothing first and of all others then."""
    reached = np.zeros(len(problem.workloads), bool)
    reached[problem.candidates["workload_index"]] = True
    asks = problem.demand_mtok_per_h.max(axis=0)
    told = {str(fault.value): fault.problem for fault in stranded}
    out = []
    for w in np.flatnonzero(~reached & (asks > 0)):
        row = problem.workloads.iloc[w]
        name = f"{row['workload_class']} of {row['demand_hub']}"
        over_ms = _nearest_ms(reach, int(w))
        message = told.get(name)
        if message is None:
            message = "reaches no data center within its limits"
            message += f"; the nearest is {over_ms:.2f} ms too far" if np.isfinite(over_ms) else ""
        out.append(Condition(f"reach of {name}", False, f"{name} {message}", float(asks[w]), 0.0, over_ms))  # noqa: FBT003
    known = {f"reach of {name}" for name in told} & {condition.name for condition in out}
    for name, problem_text in told.items():
        if f"reach of {name}" not in known:
            out.append(Condition(f"reach of {name}", False, f"{name} {problem_text}"))  # noqa: FBT003
    rest = problem if reached.all() else _without_demand(problem, ~reached)
    if rest.demand_mtok_per_h.any():
        out += list(check_conditions(rest))
    return tuple(out)


def _nearest_ms(reach: Reach, workload: int) -> float:
    """Least excess over the RTT limit, ms, of a data center that the other rules of the workload's class admit."""
    mine = reach.problem.candidates["workload_index"].to_numpy(int) == workload
    for rule in reach.rules:
        mine &= rule.needed == 0
    over_ms = reach.over_ms[mine]
    return float(over_ms.min()) if len(over_ms) else float("nan")


def _without_demand(problem: PlacementProblem, which: np.ndarray) -> PlacementProblem:
    outage = problem.outage_demand_mtok_per_h
    return replace(
        problem,
        demand_mtok_per_h=np.where(which, 0.0, problem.demand_mtok_per_h),
        backlog_limit_mtok=np.where(which, 0.0, problem.backlog_limit_mtok),
        servable_mtok_per_h=np.where(which, 0.0, problem.servable_mtok_per_h),
        shed_limit_mtok_per_h=np.where(which, 0.0, problem.shed_limit_mtok_per_h),
        outage_demand_mtok_per_h=np.where(which, 0.0, outage) if outage.size else outage,
    )

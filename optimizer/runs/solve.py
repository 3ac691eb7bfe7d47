"""Load, check and solve a scenario; where it must survive failures, with what that costs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from network_data.load import Network, load_network
from optimizer.checker.check import check_plan
from optimizer.model.outages import outage_tables
from optimizer.problem.assemble import assemble_problem
from optimizer.problem.demand import demand_by_region, home_region
from optimizer.problem.plan import Plan
from optimizer.problem.price_changes import price_facts
from optimizer.problem.problem import PlacementProblem
from optimizer.runs.folder import check_target, json_ready
from optimizer.runs.metadata import describe_warnings, run_info, slicing_facts
from optimizer.runs.results import ResiliencePrice, Results, build_results
from optimizer.runs.run import Run, RunInputs
from optimizer.solvers.control import Control, Progress, Solution, Termination
from optimizer.solvers.greedy import Baseline, evaluate_baselines
from optimizer.solvers.solve import choose_method, solve_problem
from scenarios.load import load_scenario
from scenarios.schema import Scenario

if TYPE_CHECKING:
    from optimizer.infeasibility.relaxations import Condition
    from optimizer.solvers.benders.cuts import WarmStart


def price_of_resilience(with_reserve: Solution, without_reserve: Solution | None) -> ResiliencePrice | None:
    """Compare the costs of two solves; None without a plan for both."""
    if without_reserve is None or without_reserve.plan is None or with_reserve.plan is None:
        return None
    return ResiliencePrice(
        with_reserve.objective_cny, with_reserve.bound_cny, without_reserve.objective_cny, without_reserve.bound_cny
    )


def with_known_bound(with_reserve: Solution, without_reserve: Solution | None) -> Solution:
    """Raise the bound to that of the problem without the reserve, whose cost is never higher."""
    if without_reserve is None or not without_reserve.bound_cny > with_reserve.bound_cny:
        return with_reserve
    return replace(with_reserve, bound_cny=min(without_reserve.bound_cny, with_reserve.objective_cny))


def _report_without_plan(report: Callable[[Progress], None] | None) -> Callable[[Progress], None] | None:
    """Report progress without costs: plan and bound of the solve without the reserve are not those of the problem."""
    if report is None:
        return None
    return lambda line: report(Progress(line.seconds, math.inf, -math.inf, f"without reserve: {line.phase}", line.goal))


def check_scenario(scenario: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """
    Load a scenario with its network and describe the problem they make, without solving it.

    Parameters
    ----------
    overrides
        Texts such as `solver.threads=1`.

    Returns
    -------
    dict
        Sizes (workloads, candidates, ...), representative days with their days per year, method (that `auto` would
        choose), demand and capacity in mtok/h, accelerators and MW, limiting links, the least number of data centers
        that a workload reaches, `slicing`: how days are cut and which peaks that loses (see
        `optimizer.runs.metadata.slicing_facts`), `policy`: for each demand of the policy name, holds (whether it is in
        reach) and message, with numbers; `prices`, what price cases and price changes do to them (see `price_facts`);
        and `warnings`: file, row, column, value, problem and remedy of what is allowed but hardly meant.

    Raises
    ------
    InputError
        With every fault of the inputs.
    """
    loaded = load_scenario(scenario, overrides)
    network = load_network(loaded.network)
    problem = assemble_problem(network, loaded)
    return {
        "scenario": loaded.name,
        "network": network.name,
        **describe_problem(problem),
        "slicing": slicing_facts(loaded, problem),
        "demand_region_share": demand_by_region(problem, network),
        "policy": _check_policy(problem),
        "prices": price_facts(network, loaded),
        "warnings": describe_warnings(loaded, network),
    }


def _check_policy(problem: PlacementProblem) -> list[dict[str, Any]]:
    if not problem.policy.is_active:
        return []
    from optimizer.infeasibility.conditions import check_policies  # scipy's solvers are slow to import

    return [{"name": found.name, "holds": found.holds, "message": found.message} for found in check_policies(problem)]


def describe_problem(problem: PlacementProblem) -> dict[str, Any]:
    """Describe a problem in numbers: see `check_scenario`."""
    pools, links, outages = problem.pools, problem.links, outage_tables(problem)
    per_pod = problem.accelerators["accelerators_per_pod"].to_numpy(float)[pools["accelerator_index"]]
    busy = problem.class_demand_mtok_per_h @ problem.accel_h_per_mtok.min(axis=1)
    usable = problem.utilization_limit_share
    in_reach = np.bincount(problem.pairs["workload_index"].to_numpy(int), minlength=len(problem.workloads))
    row = problem.workloads.iloc[int(in_reach.argmin())]
    return {
        "time_slices": len(problem.slices),
        "representative_days": (problem.slices.groupby("day", sort=False)["weight_h"].sum() / 24.0).to_dict(),
        "demand_hubs": int(problem.workloads["demand_hub"].nunique()),
        "workload_classes": len(problem.classes),
        "workloads": len(problem.workloads),
        "data_centers": len(problem.data_centers),
        "pools": len(pools),
        "links": len(links),
        "candidates": len(problem.candidates),
        "flow_columns": len(problem.candidates) * len(problem.slices),
        "method": choose_method(problem),
        "mtok_per_year": problem.annual_mtok,
        "tokens_per_day": problem.annual_mtok * 1e6 / (problem.weight_h.sum() / 24.0),
        "peak_mtok_per_h": float(problem.demand_mtok_per_h.sum(axis=1).max()),
        "needed_accelerators_mean": float(problem.weight_h @ busy / problem.weight_h.sum()) / usable,
        "needed_accelerators_peak": float(busy.max()) / usable,
        "existing_accelerators": float(pools["existing_pods"].to_numpy(float) @ per_pod),
        "buyable_accelerators": float(pools["max_new_pods"].to_numpy(float) @ per_pod),
        "it_capacity_mw": float(problem.data_centers["it_capacity_mw"].sum()),
        "outages": len(problem.outages),
        "outage_columns": sum(map(len, (outages.reroutes, outages.processes))),
        "protected_workloads": int(problem.is_protected.sum()),
        "unprotected_candidates": problem.unprotected_candidates,
        "too_slow": _too_slow(problem),
        "limiting_links": links["id"][links["is_limiting"].to_numpy(bool)].tolist(),
        "fewest_data_centers_in_reach": int(in_reach.min()),
        "fewest_in_reach_of": f"{row['workload_class']} of {row['demand_hub']}",
    }


def _too_slow(problem: PlacementProblem) -> list[str]:
    """Accelerators that are too slow for the time to the first token of a class: "chat on h20"."""
    classes, chips = problem.classes["id"].to_numpy(str), problem.accelerators["id"].to_numpy(str)
    return [f"{classes[k]} on {chips[a]}" for k, a in np.argwhere(~problem.can_process).tolist()]


# The time limit is that of the run, so time is kept for pricing and results. At base and at twice its size these take
# about as long as the baselines, with a limit on the year, which ties the slices together, about twice as long; the
# machine's load counts in both.
RESULTS_PER_BASELINES, WITH_A_LIMIT_ON_THE_YEAR = 1.25, 2.0
MOST_RESERVED_SHARE = 0.3


def solve_scenario(  # noqa: PLR0913 - options, keyword-only
    scenario: str | Path,
    overrides: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    warm: Callable[[PlacementProblem], WarmStart | None] | None = None,
    keep_learned: bool = False,
    time_limit_s: float = math.inf,
    notes: Mapping[str, Any] | None = None,
    report: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Run:
    """
    Load, solve, check and store a scenario.

    Parameters
    ----------
    overrides
        Texts such as `solver.mip_rel_gap=0.01`; solver options are keys like any other.
    warm
        Gives what was learned from a similar problem, to start from; None starts from nothing.
    keep_learned
        Store what a decomposed solve has learned, for others to start from.
    time_limit_s
        Where it is shorter than that of the scenario, it takes its place.
    notes
        Further keys of `run.json`, such as the case that the run is of.
    stop
        Set it from a signal handler or another thread to end the solve with the best plan so far.

    Returns
    -------
    Run
        Termination and plan are two facts: see `Run.exit_code`.

    Raises
    ------
    InputError
        With every fault of the inputs or the output folder; nothing is written then.
    InvalidPlanError
        If the plan found fails the independent check; nothing is written then either.
    """
    began = time.monotonic()
    folder = None if out is None else check_target(out)
    loaded = load_scenario(scenario, overrides)
    network = load_network(loaded.network)
    problem = assemble_problem(network, loaded)
    options = loaded.solver
    seconds = {"load": time.monotonic() - began}
    limit_s = min(options.time_limit_s, time_limit_s)
    control = Control(limit_s, stop or threading.Event(), report, goal=options.mip_rel_gap, started=began)
    lap = time.monotonic()
    baselines = evaluate_baselines(problem, home_region(problem, network))
    seconds["baselines"] = time.monotonic() - lap
    longer = WITH_A_LIMIT_ON_THE_YEAR if problem.policy.is_active else RESULTS_PER_BASELINES
    reserved_s = min(longer * seconds["baselines"], MOST_RESERVED_SHARE * limit_s)
    control.time_limit_s -= reserved_s
    known = None if warm is None else warm(problem)
    start = _cheaper_start(problem, baselines, known)
    solution, without, failure = _solve(problem, loaded, control, start, known)
    solution = with_known_bound(solution, without)
    lap, results = time.monotonic(), None
    if solution.plan is not None:
        solution, results = _results(problem, network, solution, baselines, control, options.seed)
        seconds["results"] = time.monotonic() - lap
        if solution.mip_rel_gap <= options.mip_rel_gap:
            # Repricing may have closed the rest of the gap of a solve that a limit ended.
            solution = replace(solution, termination=Termination.OPTIMAL)
    solution = replace(solution, seconds=seconds | solution.seconds)
    price = price_of_resilience(solution, without)
    info = run_info(loaded, network, solution, results)
    info |= {"resilience": None if price is None else price.as_dict(), "slicing": slicing_facts(loaded, problem)}
    tables = {} if results is None else dict(results.tables)
    if keep_learned and solution.plan is not None:
        known_info, known_tables = _what_others_may_know(problem, solution, solution.plan)
        info |= known_info
        tables |= known_tables
    info |= notes or {}
    inputs = RunInputs(loaded, network, problem, solution.plan)
    run = Run(json_ready(info), tables=tables, inputs=inputs, solution=solution, failure=failure)
    if folder is not None and run.has_plan:
        run.save(folder)
    return run


def _what_others_may_know(
    problem: PlacementProblem, solution: Solution, plan: Plan
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """List what cases like this one may start from: keys of `run.json`, and tables."""
    from optimizer.solvers.unit_costs import COSTS_TABLE, DECISIONS_KEY, unit_costs, unit_costs_table

    info, tables, costs = dict[str, Any](), dict[str, pd.DataFrame](), unit_costs(problem)
    if costs is not None:
        info[DECISIONS_KEY], tables[COSTS_TABLE] = costs.decisions, unit_costs_table(costs, plan)
    if solution.learned is not None:
        from optimizer.solvers.benders.cuts import learned_tables  # only decomposed solves have learned anything

        tables |= learned_tables(problem, solution.learned)
    return info, tables


def run_of_plan(network: Network, scenario: Scenario, problem: PlacementProblem, plan: Plan, *, method: str) -> Run:
    """Make a run of a plan that was found elsewhere."""
    baselines = evaluate_baselines(problem, home_region(problem, network))
    results = build_results(problem, network, plan, baselines)
    cost = check_plan(problem, plan).total_cny
    solution = Solution(Termination.GIVEN, plan, cost, -math.inf, method, {}, ())
    info = run_info(scenario, network, solution, results)
    info |= {"resilience": None, "slicing": slicing_facts(scenario, problem)}
    inputs = RunInputs(scenario, network, problem, plan)
    return Run(json_ready(info), tables=dict(results.tables), inputs=inputs, solution=solution)


def _solve(
    problem: PlacementProblem, scenario: Scenario, control: Control, start: Plan | None, warm: WarmStart | None
) -> tuple[Solution, Solution | None, Condition | None]:
    """Solve a problem, without its reserve first if that is wanted; or find a condition that no plan can meet."""
    options = scenario.solver
    solve = partial(
        solve_problem,
        method=options.method,
        mip_rel_gap=options.mip_rel_gap,
        seed=options.seed,
        threads=options.threads,
    )
    lap, failure = time.monotonic(), None
    if start is None:
        # A condition that fails proves that there is no plan, and is found sooner than by a solver.
        from optimizer.infeasibility.conditions import first_failure  # scipy's solvers are slow to import

        failure = first_failure(problem)
    seconds = {"conditions": time.monotonic() - lap}
    if failure is not None:
        return Solution(Termination.INFEASIBLE, None, math.inf, math.inf, "conditions", seconds, ()), None, failure
    lap, without = time.monotonic(), None
    if not problem.outages.empty and scenario.resilience.report_price and not control.must_stop:
        report = _report_without_plan(control.report)
        part = Control(time_limit_s=control.seconds_left / 2, stop=control.stop, report=report, goal=control.goal)
        without = solve(replace(problem, outage_demand_mtok_per_h=np.zeros((0, 0))), control=part)
        seconds["without_reserve"] = time.monotonic() - lap
        warm = _learned_without_reserve(without, problem) if warm is None else warm
    solution = solve(problem, control=control, start=start, warm=warm)
    return replace(solution, seconds=seconds | solution.seconds), without, None


def _learned_without_reserve(without: Solution, problem: PlacementProblem) -> WarmStart | None:
    """Start from what is deployed without a reserve, and from the cuts found on the way: routing costs the same."""
    from optimizer.solvers.benders.cuts import WarmStart, deployed_pairs

    if without.plan is None or without.learned is None:
        return None
    return WarmStart(deployed_pairs(problem, without.plan), learned=without.learned)


def _cheaper_start(problem: PlacementProblem, baselines: Sequence[Baseline], warm: WarmStart | None) -> Plan | None:
    """Start from the cheapest baseline that keeps every limit, or from a known plan that does so at less cost."""
    fitting = [baseline for baseline in baselines if baseline.is_feasible]
    best = min(fitting, key=lambda baseline: baseline.report.total_cny, default=None)
    if warm is not None and warm.plan is not None:
        report = check_plan(problem, warm.plan)
        if report.is_feasible and (best is None or report.total_cny < best.report.total_cny):
            return warm.plan
    return None if best is None else best.plan


def _results(
    problem: PlacementProblem,
    network: Network,
    solution: Solution,
    baselines: tuple[Baseline, ...],
    control: Control,
    seed: int,
) -> tuple[Solution, Results]:
    """Price the limits at the plan, unless the user has stopped the solve, and build the tables."""
    if solution.plan is None:
        raise AssertionError("results are of a plan")
    if control.stop.is_set():
        return solution, build_results(problem, network, solution.plan, baselines)
    from optimizer.model.compile import compile_model
    from optimizer.sensitivity.data_centers import work_elsewhere
    from optimizer.sensitivity.duals import dual_table, limit_values
    from optimizer.sensitivity.shadow_prices import price_plan, shadow_prices

    compiled = compile_model(problem)
    priced = price_plan(problem, compiled, solution.plan, seed=seed)
    fixed = priced.fixed
    report = check_plan(problem, fixed.plan)
    if report.is_feasible and report.total_cny <= solution.objective_cny:
        # The optimum for the same integers: the plan that the duals belong to.
        bound = min(solution.bound_cny, report.total_cny)
        solution = replace(solution, plan=fixed.plan, objective_cny=report.total_cny, bound_cny=bound)
    plan = solution.plan if solution.plan is not None else fixed.plan
    tables = {
        "duals": dual_table(problem, fixed),
        "shadow_prices": shadow_prices(priced, seed=seed),
        "work_elsewhere": work_elsewhere(problem, priced.program, fixed),
    }
    limits = limit_values(problem, compiled, fixed)
    return solution, build_results(problem, network, plan, baselines, tables, limits)

"""Give each case of a comparison the cheapest plan that any case has found: its cost falls, its bound stays."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.comparison.carried_plans import carry_plan, cheapest_plan
from optimizer.comparison.cases import CaseResult
from optimizer.comparison.runner import CaseRunner, Step
from optimizer.problem.equivalence import differs_in_prices_alone
from optimizer.runs.run import Run

# A plan that costs less by no more than this share is the same.
_LEAST_SHARE = 1e-7

# So many pairs of plan and case at most, of which so many may take more than new prices: about a minute.
_MOST_PAIRS, _MOST_CHECKED_PAIRS = 10_000, 1_000


def share_plans(runner: CaseRunner) -> bool:
    """
    Price each plan under each case, and let a case take the cheapest that is one there; all that are solved take part.

    Nothing is searched. Returns whether any case has got another plan.
    """
    better = find_cheaper(runner.results)
    results = runner.results
    folders = {name: results[source].folder for name, source in better.items()}
    runner.improve({name: Step((folder,)) for name, folder in folders.items() if folder is not None})
    return bool(better)


def find_cheaper(results: Mapping[str, CaseResult]) -> dict[str, str]:
    """
    Find the cases for which another case's plan is cheaper than their own.

    Parameters
    ----------
    results
        By id; the order decides between plans of the same cost.

    Returns
    -------
    dict
        Id of the case whose plan is the cheapest, by that of the case that may take it.
    """
    runs = {name: result.open_run() for name, result in results.items() if result.has_plan}
    if len(runs) ** 2 > _MOST_PAIRS:
        return {}
    better, checked_left = {}, _MOST_CHECKED_PAIRS
    for name, run in runs.items():
        if results[name].mip_rel_gap <= _LEAST_SHARE:
            continue
        below_cny = run.checked_cost_cny - _LEAST_SHARE * abs(run.checked_cost_cny)
        others = {source: plan for source, plan in runs.items() if source != name}
        alike = [source for source, plan in others.items() if differs_in_prices_alone(plan.problem, run.problem)]
        costs = {source: carry_plan(others[source], run).cost_cny for source in alike}
        best = min(costs, key=lambda source: costs[source], default="")
        if best and costs[best] < below_cny:
            better[name], below_cny = best, costs[best]
        unlike = [source for source in others if source not in costs][:checked_left]
        checked_left -= len(unlike)
        if found := _cheapest_of(unlike, runs, run, below_cny):
            better[name] = found
    return better


def _cheapest_of(sources: list[str], runs: Mapping[str, Run], to: Run, below_cny: float) -> str:
    found = cheapest_plan(to.problem, (runs[source].decisions for source in sources), below_cny=below_cny)
    return "" if found is None else sources[found[0]]

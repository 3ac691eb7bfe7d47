"""Placement of inference workloads: assemble a problem, solve it, prove the plan, store and export it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from network_data.lazy import lazy_names

if TYPE_CHECKING:
    from network_data.load import list_networks
    from optimizer.api import compare
    from optimizer.checker.check import CheckReport, check_plan
    from optimizer.comparison.break_even import find_break_points
    from optimizer.comparison.break_even_points import BreakEvenMap
    from optimizer.comparison.comparison import Comparison
    from optimizer.comparison.frontier import Frontier, carbon_frontier, latency_frontier
    from optimizer.comparison.latency_budgets import LatencyReturn, latency_return
    from optimizer.exports.export import export_run
    from optimizer.exports.layers import GisOptions, allocation_layers
    from optimizer.exports.postgis import PostgisReport, export_to_postgis
    from optimizer.infeasibility.explain import Explanation, explain_problem, explain_scenario
    from optimizer.maps.options import MapOptions
    from optimizer.model.pyomo_model import to_pyomo
    from optimizer.problem.assemble import assemble_problem
    from optimizer.problem.plan import Plan
    from optimizer.problem.price_changes import price_effect
    from optimizer.problem.problem import PlacementProblem
    from optimizer.runs.run import Run, open_run
    from optimizer.runs.solve import check_scenario, solve_scenario
    from optimizer.runs.verify import VerifyReport, verify_run
    from optimizer.solvers.control import Control, Progress, Solution, Termination
    from optimizer.solvers.highs import load_highs
    from optimizer.solvers.solve import solve_problem
    from scenarios.load import list_scenarios
    from scenarios.price_case import list_price_cases

__all__ = [
    "BreakEvenMap",
    "CheckReport",
    "Comparison",
    "Control",
    "Explanation",
    "Frontier",
    "GisOptions",
    "LatencyReturn",
    "MapOptions",
    "PlacementProblem",
    "Plan",
    "PostgisReport",
    "Progress",
    "Run",
    "Solution",
    "Termination",
    "VerifyReport",
    "allocation_layers",
    "assemble_problem",
    "carbon_frontier",
    "check_plan",
    "check_scenario",
    "compare",
    "explain_problem",
    "explain_scenario",
    "export_comparison",
    "export_run",
    "export_to_postgis",
    "find_break_points",
    "latency_frontier",
    "latency_return",
    "list_networks",
    "list_price_cases",
    "list_scenarios",
    "load_highs",
    "open_run",
    "price_effect",
    "solve_problem",
    "solve_scenario",
    "to_pyomo",
    "verify_run",
]

# Resolved on first use, so that importing the package (for a help text, say) imports no heavy library.
_MODULE_OF = {
    "BreakEvenMap": "optimizer.comparison.break_even_points",
    "CheckReport": "optimizer.checker.check",
    "Comparison": "optimizer.comparison.comparison",
    "Control": "optimizer.solvers.control",
    "Explanation": "optimizer.infeasibility.explain",
    "Frontier": "optimizer.comparison.frontier",
    "GisOptions": "optimizer.exports.layers",
    "LatencyReturn": "optimizer.comparison.latency_budgets",
    "MapOptions": "optimizer.maps.options",
    "PlacementProblem": "optimizer.problem.problem",
    "Plan": "optimizer.problem.plan",
    "PostgisReport": "optimizer.exports.postgis",
    "Progress": "optimizer.solvers.control",
    "Run": "optimizer.runs.solve",
    "Solution": "optimizer.solvers.control",
    "Termination": "optimizer.solvers.control",
    "VerifyReport": "optimizer.runs.verify",
    "allocation_layers": "optimizer.exports.layers",
    "assemble_problem": "optimizer.problem.assemble",
    "carbon_frontier": "optimizer.comparison.frontier",
    "check_plan": "optimizer.checker.check",
    "check_scenario": "optimizer.runs.solve",
    "compare": "optimizer.api",
    "explain_problem": "optimizer.infeasibility.explain",
    "explain_scenario": "optimizer.infeasibility.explain",
    "export_comparison": "optimizer.exports.export",
    "export_run": "optimizer.exports.export",
    "export_to_postgis": "optimizer.exports.postgis",
    "find_break_points": "optimizer.comparison.break_even",
    "latency_frontier": "optimizer.comparison.frontier",
    "latency_return": "optimizer.comparison.latency_budgets",
    "list_networks": "network_data.load",
    "list_price_cases": "scenarios.price_case",
    "list_scenarios": "scenarios.load",
    "open_run": "optimizer.runs.run",
    "load_highs": "optimizer.solvers.highs",
    "price_effect": "optimizer.problem.price_changes",
    "solve_problem": "optimizer.solvers.solve",
    "solve_scenario": "optimizer.runs.solve",
    "to_pyomo": "optimizer.model.pyomo_model",
    "verify_run": "optimizer.runs.verify",
}

__getattr__, __dir__ = lazy_names(__name__, globals(), _MODULE_OF)

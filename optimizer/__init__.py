"""Placement of inference workloads: assemble a problem, solve it, prove the plan, store and export it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from network_data.lazy import lazy_names

if TYPE_CHECKING:
    from network_data.load import list_networks
    from optimizer.api import ScenarioRun, check_scenario, solve_scenario
    from optimizer.assemble import assemble_problem
    from optimizer.break_even import BreakEvenMap, find_break_points
    from optimizer.check import CheckReport, check_plan
    from optimizer.compare_api import compare
    from optimizer.comparison import Comparison
    from optimizer.explain import Explanation, explain_problem, explain_scenario
    from optimizer.export import GisOptions, export_run
    from optimizer.frontier import Frontier, LatencyReturn, carbon_frontier, latency_frontier, latency_return
    from optimizer.gis_layers import allocation_layers
    from optimizer.highs import load_highs
    from optimizer.map_options import MapOptions
    from optimizer.plan import Plan
    from optimizer.postgis import PostgisReport, export_to_postgis
    from optimizer.price_effect import price_effect
    from optimizer.problem import PlacementProblem
    from optimizer.pyomo_model import to_pyomo
    from optimizer.solution import Control, Progress, Solution, Termination
    from optimizer.solve import solve_problem
    from optimizer.verify import VerifyReport, verify_run
    from optimizer.why import explain_placement, list_workloads
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
    "ScenarioRun",
    "Solution",
    "Termination",
    "VerifyReport",
    "allocation_layers",
    "assemble_problem",
    "carbon_frontier",
    "check_plan",
    "check_scenario",
    "compare",
    "explain_placement",
    "explain_problem",
    "explain_scenario",
    "export_run",
    "export_to_postgis",
    "find_break_points",
    "latency_frontier",
    "latency_return",
    "list_networks",
    "list_price_cases",
    "list_scenarios",
    "list_workloads",
    "load_highs",
    "price_effect",
    "solve_problem",
    "solve_scenario",
    "to_pyomo",
    "verify_run",
]

# Resolved on first use, so that importing the package (for a help text, say) imports no heavy library.
_MODULE_OF = {
    "BreakEvenMap": "optimizer.break_even",
    "CheckReport": "optimizer.check",
    "Comparison": "optimizer.comparison",
    "Control": "optimizer.solution",
    "Explanation": "optimizer.explain",
    "Frontier": "optimizer.frontier",
    "GisOptions": "optimizer.export",
    "LatencyReturn": "optimizer.frontier",
    "MapOptions": "optimizer.map_options",
    "PlacementProblem": "optimizer.problem",
    "Plan": "optimizer.plan",
    "PostgisReport": "optimizer.postgis",
    "Progress": "optimizer.solution",
    "ScenarioRun": "optimizer.api",
    "Solution": "optimizer.solution",
    "Termination": "optimizer.solution",
    "VerifyReport": "optimizer.verify",
    "allocation_layers": "optimizer.gis_layers",
    "assemble_problem": "optimizer.assemble",
    "carbon_frontier": "optimizer.frontier",
    "check_plan": "optimizer.check",
    "check_scenario": "optimizer.api",
    "compare": "optimizer.compare_api",
    "explain_placement": "optimizer.why",
    "explain_problem": "optimizer.explain",
    "explain_scenario": "optimizer.explain",
    "export_run": "optimizer.export",
    "export_to_postgis": "optimizer.postgis",
    "find_break_points": "optimizer.break_even",
    "latency_frontier": "optimizer.frontier",
    "latency_return": "optimizer.frontier",
    "list_networks": "network_data.load",
    "list_price_cases": "scenarios.price_case",
    "list_scenarios": "scenarios.load",
    "list_workloads": "optimizer.why",
    "load_highs": "optimizer.highs",
    "price_effect": "optimizer.price_effect",
    "solve_problem": "optimizer.solve",
    "solve_scenario": "optimizer.api",
    "to_pyomo": "optimizer.pyomo_model",
    "verify_run": "optimizer.verify",
}

__getattr__, __dir__ = lazy_names(__name__, globals(), _MODULE_OF)

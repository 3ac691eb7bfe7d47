"""Placement of inference workloads: assemble a problem, solve it, prove the plan, store and export it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from network_data.load import list_networks
    from optimizer.api import ScenarioRun, check_scenario, solve_scenario
    from optimizer.assemble import assemble_problem
    from optimizer.check import CheckReport, check_plan
    from optimizer.export import export_run
    from optimizer.geo import allocation_layers
    from optimizer.plan import Plan
    from optimizer.problem import PlacementProblem
    from optimizer.pyomo_model import to_pyomo
    from optimizer.solution import Control, Progress, Solution, Termination
    from optimizer.solve import solve_problem
    from optimizer.verify import VerifyReport, verify_run
    from scenarios.load import list_scenarios

__all__ = [
    "CheckReport",
    "Control",
    "PlacementProblem",
    "Plan",
    "Progress",
    "ScenarioRun",
    "Solution",
    "Termination",
    "VerifyReport",
    "allocation_layers",
    "assemble_problem",
    "check_plan",
    "check_scenario",
    "export_run",
    "list_networks",
    "list_scenarios",
    "solve_problem",
    "solve_scenario",
    "to_pyomo",
    "verify_run",
]

# Resolved on first use, so that importing the package (for a help text, say) imports no heavy library.
_MODULE_OF = {
    "CheckReport": "optimizer.check",
    "Control": "optimizer.solution",
    "PlacementProblem": "optimizer.problem",
    "Plan": "optimizer.plan",
    "Progress": "optimizer.solution",
    "ScenarioRun": "optimizer.api",
    "Solution": "optimizer.solution",
    "Termination": "optimizer.solution",
    "VerifyReport": "optimizer.verify",
    "allocation_layers": "optimizer.geo",
    "assemble_problem": "optimizer.assemble",
    "check_plan": "optimizer.check",
    "check_scenario": "optimizer.api",
    "export_run": "optimizer.export",
    "list_networks": "network_data.load",
    "list_scenarios": "scenarios.load",
    "solve_problem": "optimizer.solve",
    "solve_scenario": "optimizer.api",
    "to_pyomo": "optimizer.pyomo_model",
    "verify_run": "optimizer.verify",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*globals(), *__all__])
